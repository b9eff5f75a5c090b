//! What is known about an expression before it runs: what it reads, how large and how deep it is, and that it uses
//! no name that does not exist.

use super::program::quote;
use cel::common::ast::{ComprehensionExpr, EntryExpr, Expr, IdedEntryExpr, IdedExpr, LiteralValue, operators};
use std::collections::BTreeSet;

/// Most nodes of what an expression parses to, macros expanded.
const MAX_NODES: usize = 1_000;
/// Deepest nesting of what an expression parses to, macros expanded.
const MAX_DEPTH: usize = 48;
/// How deeply loops (`all`, `exists`, `exists_one`, `filter`, `map`) may nest: a join of two lists.
const MAX_LOOPS: usize = 2;

/// The functions of CEL's standard library, and those of its optional values.
const FUNCTIONS: [&str; 36] = [
    "bool",
    "bytes",
    "contains",
    "double",
    "duration",
    "dyn",
    "endsWith",
    "getDate",
    "getDayOfMonth",
    "getDayOfWeek",
    "getDayOfYear",
    "getFullYear",
    "getHours",
    "getMilliseconds",
    "getMinutes",
    "getMonth",
    "getSeconds",
    "hasValue",
    "int",
    "list",
    "map",
    "matches",
    "none",
    "of",
    "ofNonZeroValue",
    "or",
    "orValue",
    "size",
    "startsWith",
    "string",
    "timestamp",
    "type",
    "uint",
    "value",
    "optMap",
    "optFlatMap",
];
/// Names of types, which are values in CEL, and the namespace of optional values.
const TYPES: [&str; 14] = [
    "bool",
    "bytes",
    "double",
    "duration",
    "dyn",
    "int",
    "list",
    "map",
    "null_type",
    "optional",
    "string",
    "timestamp",
    "type",
    "uint",
];
/// Words that CEL does not take as names of members after a dot.
const RESERVED: [&str; 4] = ["false", "in", "null", "true"];

/// What names an expression may use, beside those that it binds itself.
#[derive(Clone, Copy, Debug)]
pub(super) enum Sees {
    /// `request`, and `outputs` by the names of nodes.
    Inputs,
    /// These.
    Members(&'static [&'static str]),
}

impl Sees {
    /// What to do about an expression that asks too much.
    pub(super) fn advice(self) -> &'static str {
        match self {
            Self::Inputs => "let an agent do the work",
            Self::Members(_) => "ask for less",
        }
    }

    /// The names that have a meaning.
    fn names(self) -> &'static [&'static str] {
        match self {
            Self::Inputs => &["request", "outputs"],
            Self::Members(names) => names,
        }
    }
}

/// What an expression reads, and how deep it is.
#[derive(Debug, Default)]
pub(super) struct Facts {
    pub(super) request: bool,
    /// Node ids.
    pub(super) outputs: BTreeSet<String>,
    /// Those of [`Sees::Members`].
    pub(super) members: BTreeSet<&'static str>,
    pub(super) depth: usize,
}

impl Facts {
    /// Adds what another expression reads.
    pub(super) fn join(&mut self, other: &Facts) {
        self.request |= other.request;
        self.outputs.extend(other.outputs.iter().cloned());
        self.members.extend(&other.members);
        self.depth = self.depth.max(other.depth);
    }
}

pub(super) fn is_reserved(name: &str) -> bool {
    RESERVED.contains(&name)
}

/// # Errors
/// The first thing that is wrong with it, as the end of a sentence that begins with the expression, and the id of the
/// part that it is wrong with.
pub(super) fn check(expression: &IdedExpr, sees: Sees) -> Result<Facts, (String, u64)> {
    let mut check = Check { sees, at: 0, nodes: 0, loops: 0, bound: Vec::new(), facts: Facts::default() };
    match check.visit(expression, 1) {
        Ok(()) => Ok(check.facts),
        Err(fault) => Err((fault, check.at)),
    }
}

/// Whether a comprehension is a loop, and not just how the macros of optional values bind a name.
pub(super) fn is_loop(comprehension: &ComprehensionExpr) -> bool {
    comprehension.iter_var != "#unused"
}

struct Check<'e> {
    sees: Sees,
    /// The part that is looked at.
    at: u64,
    nodes: usize,
    loops: usize,
    /// Names bound by the loops around.
    bound: Vec<&'e str>,
    facts: Facts,
}

impl<'e> Check<'e> {
    fn visit(&mut self, expression: &'e IdedExpr, depth: usize) -> Result<(), String> {
        self.at = expression.id;
        self.nodes += 1;
        self.facts.depth = self.facts.depth.max(depth);
        if self.nodes > MAX_NODES {
            return Err(format!("has more than {MAX_NODES} parts; {}", self.sees.advice()));
        }
        if depth > MAX_DEPTH {
            return Err(format!("nests deeper than {MAX_DEPTH} levels; {}", self.sees.advice()));
        }
        if let Some(id) = self.output(&expression.expr)? {
            self.facts.outputs.insert(id.to_owned());
            return Ok(());
        }
        match &expression.expr {
            Expr::Unspecified => Err("does not parse as CEL".to_owned()),
            Expr::Literal(_) => Ok(()),
            Expr::Ident(name) => self.name(name),
            Expr::Select(select) => self.visit(&select.operand, depth + 1),
            Expr::Call(call) => {
                let is_operator = !call.func_name.starts_with(|c: char| c.is_alphabetic() || c == '_')
                    || call.func_name.starts_with('_') && call.func_name.ends_with(['_', ']']);
                if !is_operator && !FUNCTIONS.contains(&call.func_name.as_str()) {
                    return Err(self.unknown("function", &call.func_name, &FUNCTIONS));
                }
                let target = call.target.as_deref();
                target.into_iter().chain(&call.args).try_for_each(|part| self.visit(part, depth + 1))
            }
            Expr::List(list) => list.elements.iter().try_for_each(|item| self.visit(item, depth + 1)),
            Expr::Map(map) => map.entries.iter().try_for_each(|entry| self.entry(entry, depth + 1)),
            Expr::Struct(structure) => Err(self.unknown("type", &structure.type_name, &[])),
            Expr::Comprehension(comprehension) => self.comprehension(comprehension, depth + 1),
        }
    }

    fn entry(&mut self, entry: &'e IdedEntryExpr, depth: usize) -> Result<(), String> {
        match &entry.expr {
            EntryExpr::StructField(field) => self.visit(&field.value, depth),
            EntryExpr::MapEntry(entry) => {
                self.visit(&entry.key, depth)?;
                self.visit(&entry.value, depth)
            }
        }
    }

    fn comprehension(&mut self, comprehension: &'e ComprehensionExpr, depth: usize) -> Result<(), String> {
        self.visit(&comprehension.iter_range, depth)?;
        self.visit(&comprehension.accu_init, depth)?;
        let names = [Some(&comprehension.iter_var), comprehension.iter_var2.as_ref(), Some(&comprehension.accu_var)];
        for name in names.into_iter().flatten() {
            if self.sees.names().contains(&name.as_str()) {
                return Err(format!("binds the name {}, which already has a meaning; choose another", quote(name)));
            }
        }
        let (bound, loops) = (self.bound.len(), usize::from(is_loop(comprehension)));
        self.bound.extend(names.into_iter().flatten().map(String::as_str));
        self.loops += loops;
        if self.loops > MAX_LOOPS {
            return Err(format!("nests loops deeper than {MAX_LOOPS}; {}", self.sees.advice()));
        }
        for part in [&comprehension.loop_cond, &comprehension.loop_step, &comprehension.result] {
            self.visit(part, depth)?;
        }
        self.loops -= loops;
        self.bound.truncate(bound);
        Ok(())
    }

    fn name(&mut self, name: &'e str) -> Result<(), String> {
        if let Sees::Members(names) = self.sees {
            // A member hides the type of its name.
            let known = names.iter().find(|known| **known == name);
            return match known {
                Some(known) => {
                    self.facts.members.insert(known);
                    Ok(())
                }
                None if self.bound.contains(&name) || TYPES.contains(&name) => Ok(()),
                None => Err(self.unknown("name", name, names)),
            };
        }
        match name {
            "request" => self.facts.request = true,
            "outputs" => {
                return Err(
                    "uses `outputs` as a whole, or with an index that is not a plain text; name the node, as in \
                            `outputs.lookup` or `outputs[\"price-check\"]`"
                        .to_owned(),
                );
            }
            name if self.bound.contains(&name) || TYPES.contains(&name) => {}
            name => return Err(self.unknown("name", name, self.sees.names())),
        }
        Ok(())
    }

    /// The node id of `outputs.id` and `outputs["id"]`.
    fn output(&self, expression: &'e Expr) -> Result<Option<&'e str>, String> {
        if matches!(self.sees, Sees::Members(_)) {
            return Ok(None);
        }
        let is_outputs = |part: &IdedExpr| matches!(&part.expr, Expr::Ident(name) if name == "outputs");
        match expression {
            Expr::Select(select) if is_outputs(&select.operand) => Ok(Some(&select.field)),
            Expr::Call(call) if call.func_name == operators::INDEX => match call.args.as_slice() {
                [outputs, index] if is_outputs(outputs) => match &index.expr {
                    Expr::Literal(LiteralValue::String(id)) => Ok(Some(id.inner())),
                    _ => Err("picks an output by a computed name; name the node, as in `outputs[\"price-check\"]`"
                        .to_owned()),
                },
                _ => Ok(None),
            },
            _ => Ok(None),
        }
    }

    fn unknown(&self, what: &str, name: &str, known: &[&str]) -> String {
        let close = known.iter().find(|known| strsim::damerau_levenshtein(known, name) <= 2);
        let hint = match (close, what, self.sees) {
            (Some(close), _, _) => format!("; did you mean `{close}`?"),
            (None, "name", Sees::Inputs) => {
                "; expressions see `request` and `outputs`, and a text stands in quotes: \"'text'\"".to_owned()
            }
            (None, "name", Sees::Members(names)) => {
                format!("; there are {}, and a text stands in quotes: \"text\"", names.join(", "))
            }
            (None, _, _) => String::new(),
        };
        format!("uses the unknown {what} {}{hint}", quote(name))
    }
}
