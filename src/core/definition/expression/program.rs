//! One CEL expression, compiled.

use super::check::Sees;
use super::cost::{self, ENVIRONMENT};
use super::{Inputs, check, convert};
use crate::core::definition::stack::{Panicked, on_large_stack};
use crate::core::json::Json;
use cel::common::ast::{IdedExpr, operators};
use cel::common::types::{CelBool, CelMap, CelMapKey, CelNull};
use cel::common::value::Val;
use cel::{Context, ExecutionError};
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
    /// What to do where it costs too much.
    advice: &'static str,
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
    pub(super) fn compile(source: &str, sees: Sees) -> Result<Self, String> {
        let fault = |what: String| format!("the expression {}: {what}", quote(source));
        if source.len() > MAX_EXPRESSION_BYTES {
            let length = source.len();
            return Err(fault(format!("is {length} bytes long; at most {MAX_EXPRESSION_BYTES} are allowed")));
        }
        if source.trim().is_empty() {
            let advice = match sees {
                Sees::Inputs => "; for an empty text write \"''\"",
                Sees::Members(_) => "",
            };
            return Err(format!("the expression is empty{advice}"));
        }
        let compiled = on_large_stack(|| {
            let parser = ENVIRONMENT.parser().max_recursion_depth(MAX_PARSE_DEPTH);
            let parsed = parser.parse_with_source_info(source);
            let (mut expression, places) = parsed.map_err(|errors| parse_fault(&errors))?;
            let facts = check::check(&expression, sees).map_err(|(fault, at)| match (sees, places.offset_for(at)) {
                (Sees::Members(_), Some((start, _))) => format!("at {} {fault}", place(source, start as usize)),
                _ => fault,
            })?;
            cost::weigh(&mut expression);
            Ok((expression, facts))
        });
        let (expression, facts) = compiled.unwrap_or_else(|_| Err(PANICKED.to_owned())).map_err(fault)?;
        Ok(Self { source: source.to_owned(), expression, facts, advice: sees.advice() })
    }

    pub(super) fn facts(&self) -> &check::Facts {
        &self.facts
    }

    /// Evaluates it and appends its value as JSON.
    pub(super) fn write(&self, context: &Context, text: &mut String) -> Result<(), String> {
        let value = cel::Value::resolve_val(&self.expression, context);
        let written = match cost::exhausted(self.advice) {
            Some(message) => Err(message),
            None => value.map_err(|error| words(&error)).and_then(|value| convert::write_json(&*value, text)),
        };
        written.map_err(|what| self.fault(&what))
    }

    /// Whether an object meets it, of which its names are the members. One that lacks what it asks for does not.
    ///
    /// # Errors
    /// A sentence that quotes the expression and says why it has no answer.
    pub(super) fn is_met(&self, object: &Value) -> Result<bool, String> {
        let evaluate = || {
            let mut context = Context::with_env(ENVIRONMENT.clone());
            for name in &self.facts.members {
                if let Some(member) = object.get(name) {
                    context.add_variable_as_val(*name, convert::to_cel(member));
                }
            }
            cost::within_budget(|| {
                let value = cel::Value::resolve_val(&self.expression, &context);
                match (cost::exhausted(self.advice), value) {
                    (Some(message), _) => Err(message),
                    (None, Ok(value)) => match value.downcast_ref::<CelBool>() {
                        Some(truth) => Ok(*truth.inner()),
                        None => Err(format!("is of type {}, and neither true nor false", value.get_type().name())),
                    },
                    (None, Err(error)) if is_lack(&error) => Ok(false),
                    (None, Err(error)) => Err(words(&error)),
                }
            })
        };
        let met = on_ample_stack(self.facts.depth, evaluate).unwrap_or_else(|_| Err(PANICKED.to_owned()));
        met.map_err(|what| self.fault(&what))
    }

    fn fault(&self, what: &str) -> String {
        format!("the expression {}: {what}", quote(&self.source))
    }
}

/// Whether an evaluation failed because something is not there: a name or member, an item, a member of what is null or
/// has none.
fn is_lack(error: &ExecutionError) -> bool {
    match error {
        ExecutionError::NoSuchKey(_) | ExecutionError::UndeclaredReference(_) | ExecutionError::IndexOutOfBounds(_) => {
            true
        }
        ExecutionError::NoSuchOverload(overload) => {
            let of_null = overload.argument_types().iter().any(|argument| argument == CelNull.get_type().name());
            of_null || matches!(overload.function(), "_._" | operators::INDEX)
        }
        _ => false,
    }
}

/// The library's words, with the types of values instead of the values, which it would tell whole: its maps have no
/// order, so that the same failure would be told in other words each time, and decided as another one.
fn words(error: &ExecutionError) -> String {
    let of = |left: &cel::Value, right: &cel::Value| format!("{} and {}", left.type_of(), right.type_of());
    let words = match error {
        ExecutionError::UnsupportedBinaryOperator(name, left, right) => {
            format!("the operator '{name}' does not take {}", of(left, right))
        }
        ExecutionError::ValuesNotComparable(left, right) => format!("cannot compare {}", of(left, right)),
        ExecutionError::UnsupportedIndex(index, into) => {
            format!("cannot use a {} to index a {}", index.type_of(), into.type_of())
        }
        ExecutionError::UnsupportedKeyType(key) => format!("cannot use a {} as a key", key.type_of()),
        ExecutionError::UnsupportedTargetType { target } => format!("cannot do this with a {}", target.type_of()),
        ExecutionError::NotSupportedAsMethod { method, target } => {
            format!("the method '{method}' is not one of a {}", target.type_of())
        }
        other => other.to_string(),
    };
    shortened(&words)
}

/// Evaluates where the stack suffices for an expression of this depth.
fn on_ample_stack<T>(depth: usize, evaluate: impl FnOnce() -> T) -> Result<T, Panicked> {
    if depth <= SHALLOW {
        catch_unwind(AssertUnwindSafe(evaluate)).map_err(|_| Panicked)
    } else {
        on_large_stack(evaluate)
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
    let value = on_ample_stack(facts.depth, evaluate);
    value.unwrap_or_else(|_| Err(format!("its expressions could not be evaluated: {PANICKED}")))
}

fn parsed(what: &str, json: &Json) -> Result<Value, String> {
    serde_json::from_str(json.as_str()).map_err(|e| format!("`{what}` is JSON that has no value: {e}"))
}

const PANICKED: &str = "the CEL library failed; write it differently";

/// Line and column, each from 1, of a byte of a text.
fn place(source: &str, at: usize) -> String {
    let before = source.get(..at).unwrap_or_default();
    let (line, last) = (before.matches('\n').count() + 1, before.rsplit('\n').next().unwrap_or_default());
    format!("{line}:{}", last.chars().count() + 1)
}

fn parse_fault(errors: &cel::ParseErrors) -> String {
    let Some(first) = errors.errors.first() else { return "does not parse as CEL".to_owned() };
    let (line, column) = first.pos;
    format!("does not parse as CEL at {line}:{column}: {}", shortened(&first.msg))
}

/// A part of a source as it stands in a sentence.
pub(super) fn quote(source: &str) -> String {
    format!("`{}`", shortened(source))
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(MAX_QUOTED_CHARS) {
        Some((end, _)) => format!("{} …", &text[..end]),
        None => text.to_owned(),
    }
}
