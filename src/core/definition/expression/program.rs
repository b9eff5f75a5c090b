//! One CEL expression, compiled.

use super::cost::{self, ENVIRONMENT};
use super::{Inputs, check, convert};
use crate::core::definition::stack::{Panicked, on_large_stack};
use crate::core::json::Json;
use cel::Context;
use cel::common::ast::IdedExpr;
use cel::common::types::{CelMap, CelMapKey};
use cel::common::value::Val;
use serde_json::Value;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Longest expression, in bytes: a node's input is wired, not programmed.
pub const MAX_EXPRESSION_BYTES: usize = 4096;
/// Most of an expression that a message quotes, and most of the library's words, in characters.
const MAX_QUOTED_CHARS: usize = 200;
/// Nested brackets, as the library's parser counts them; with it, a large stack is ample (5 MB without
/// optimisation, measured).
const MAX_PARSE_DEPTH: u16 = 32;
/// An expression at most this deep is evaluated on the caller's stack (40 KB a level without optimisation).
const SHALLOW: usize = 12;

/// A compiled expression.
#[derive(Debug)]
pub(super) struct Program {
    source: String,
    expression: IdedExpr,
    facts: check::Facts,
}

/// The node id, where an expression is just the name of an output.
pub(super) fn plain_output(source: &str) -> Option<&str> {
    let rest = source.trim().strip_prefix("outputs")?;
    if let Some(name) = rest.strip_prefix('.') {
        let mut chars = name.chars();
        let starts = chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
        let legal = starts && chars.all(|c| c.is_ascii_alphanumeric() || c == '_');
        return (legal && !check::is_reserved(name)).then_some(name);
    }
    let inside = rest.strip_prefix('[')?.strip_suffix(']')?.trim();
    let quote = inside.chars().next().filter(|c| *c == '"' || *c == '\'')?;
    let name = inside.strip_prefix(quote)?.strip_suffix(quote)?;
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    (!name.is_empty() && name.chars().all(legal)).then_some(name)
}

impl Program {
    /// # Errors
    /// A sentence that quotes the expression and says what is wrong with it.
    pub(super) fn compile(source: &str) -> Result<Self, String> {
        let fault = |what: String| format!("the expression {}: {what}", quote(source));
        if source.len() > MAX_EXPRESSION_BYTES {
            let length = source.len();
            return Err(fault(format!("is {length} bytes long; at most {MAX_EXPRESSION_BYTES} are allowed")));
        }
        if source.trim().is_empty() {
            return Err("the expression is empty; for an empty text write \"''\"".to_owned());
        }
        let compiled = on_large_stack(|| {
            let parser = ENVIRONMENT.parser().max_recursion_depth(MAX_PARSE_DEPTH);
            let mut expression = parser.parse(source).map_err(|errors| parse_fault(&errors))?;
            let facts = check::check(&expression)?;
            cost::weigh(&mut expression);
            Ok((expression, facts))
        });
        let (expression, facts) = compiled.unwrap_or_else(|_| Err(PANICKED.to_owned())).map_err(fault)?;
        Ok(Self { source: source.to_owned(), expression, facts })
    }

    pub(super) fn facts(&self) -> &check::Facts {
        &self.facts
    }

    /// Evaluates it and appends its value as JSON.
    pub(super) fn write(&self, context: &Context, text: &mut String) -> Result<(), String> {
        let value = cel::Value::resolve_val(&self.expression, context);
        let written = match cost::exhausted() {
            Some(message) => Err(message),
            None => value.map_err(|e| shortened(&e.to_string())).and_then(|value| convert::write_json(&*value, text)),
        };
        written.map_err(|what| format!("the expression {}: {what}", quote(&self.source)))
    }
}

/// Does something with a context in which `request` and `outputs` have the values that expressions read, within one
/// budget, and where the stack suffices.
pub(super) fn with_context<T>(
    facts: &check::Facts,
    inputs: &Inputs,
    work: impl FnOnce(&Context) -> Result<T, String>,
) -> Result<T, String> {
    let evaluate = || {
        let request = facts.request.then(|| parsed("request", &inputs.request)).transpose()?;
        let named = facts.outputs.iter().filter_map(|id| Some((id.as_str(), inputs.outputs.get(id)?)));
        let outputs: Vec<(&str, Value)> =
            named.map(|(id, json)| Ok((id, parsed(id, json)?))).collect::<Result<_, String>>()?;
        let mut context = Context::with_env(ENVIRONMENT.clone());
        if let Some(request) = &request {
            context.add_variable_as_val("request", convert::to_cel(request));
        }
        let members: HashMap<CelMapKey, Box<dyn Val>> =
            outputs.iter().map(|(id, value)| (CelMapKey::from(*id), convert::to_cel(value))).collect();
        context.add_variable_as_val("outputs", Box::new(CelMap::from(members)));
        cost::within_budget(|| work(&context))
    };
    let value = if facts.depth <= SHALLOW {
        catch_unwind(AssertUnwindSafe(evaluate)).map_err(|_| Panicked)
    } else {
        on_large_stack(evaluate)
    };
    value.unwrap_or_else(|_| Err(format!("its expressions could not be evaluated: {PANICKED}")))
}

fn parsed(what: &str, json: &Json) -> Result<Value, String> {
    serde_json::from_str(json.as_str()).map_err(|e| format!("`{what}` is JSON that has no value: {e}"))
}

const PANICKED: &str = "the CEL library failed; write it differently";

fn parse_fault(errors: &cel::ParseErrors) -> String {
    let Some(first) = errors.errors.first() else { return "does not parse as CEL".to_owned() };
    let (line, column) = first.pos;
    format!("does not parse as CEL at {line}:{column}: {}", shortened(&first.msg))
}

fn quote(source: &str) -> String {
    format!("`{}`", shortened(source))
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(MAX_QUOTED_CHARS) {
        Some((end, _)) => format!("{} …", &text[..end]),
        None => text.to_owned(),
    }
}
