//! How a node's input is made: a mapping whose strings are CEL expressions over `request` and `outputs`.
//!
//! A string is an expression, other scalars stand for themselves, objects and arrays nest; a mapping that is one
//! string is one expression, whose value is the input. Expressions name the outputs they read
//! (`outputs.lookup`, `outputs["price-check"]`), so what a node reads is known before anything runs.
//!
//! What bounds the cost of a hostile mapping: the length of an expression ([`MAX_EXPRESSION_BYTES`]), the size and
//! depth of what it parses to and how deeply its loops nest (`check`), and, while the mapping is evaluated, a budget
//! of steps ([`MAX_STEPS`]) that every copy, loop and comparison of all its expressions is charged to by the size of
//! what it handles (`cost`).

mod check;
mod convert;
mod cost;
mod filter;
mod program;

use crate::core::id::NodeId;
use crate::core::json::Json;
use cel::Context;
use program::Program;
use serde_json::Value;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

pub use cost::MAX_STEPS;
pub use filter::Filter;
pub use program::MAX_EXPRESSION_BYTES;

/// Largest input that a mapping makes, in bytes of JSON: no topic takes a larger record.
pub const MAX_INPUT_BYTES: usize = 8 << 20;

/// What expressions can see.
pub trait Scope {
    /// The request's input.
    fn request(&self) -> &Json;
    /// The output of an upstream node.
    fn output(&self, node_id: &str) -> Option<Json>;
}

/// A compiled input mapping. Cheap to clone.
#[derive(Clone, Debug)]
pub struct InputMapping {
    part: Arc<Part>,
    /// Node ids, sorted, with the pointer of the first expression that names each.
    upstream: Arc<[(String, String)]>,
    /// What its expressions need to be evaluated; none where it has none.
    facts: Option<Arc<check::Facts>>,
}

/// What there is to make an input of.
struct Inputs {
    request: Json,
    outputs: BTreeMap<String, Json>,
}

/// A part of a mapping.
#[derive(Debug)]
enum Part {
    /// JSON text, as it is.
    Text(String),
    /// The request's input, copied as text.
    Request,
    /// A node's output, copied as text.
    Output(String),
    /// Whatever else CEL can say.
    Expression(Box<Program>),
    /// Members with their names as JSON text.
    Object(Vec<(String, Part)>),
    /// Items.
    Array(Vec<Part>),
}

impl InputMapping {
    /// Compiles the `input` of a node; `dependencies` serve the default where there is none.
    ///
    /// # Errors
    /// Each fault with the JSON pointer of the expression within the mapping.
    pub fn compile(input: Option<&Value>, dependencies: &[NodeId]) -> Result<Self, Vec<(String, String)>> {
        let Some(input) = input else {
            return Ok(Self::default_for(dependencies));
        };
        let (mapping, faults) = Self::read(input);
        if faults.is_empty() { Ok(mapping) } else { Err(faults) }
    }

    /// The `input` of a node, without what is at fault in it, and each fault with the JSON pointer of the expression
    /// within the mapping.
    pub(crate) fn read(input: &Value) -> (Self, Vec<(String, String)>) {
        let mut faults = Vec::new();
        let part = Part::compile(input, &mut String::new(), &mut faults);
        let (mut upstream, mut facts) = (BTreeMap::new(), None);
        part.name_outputs(&mut String::new(), &mut upstream);
        part.join_facts(&mut facts);
        let upstream = upstream.into_iter().collect();
        (Self { part: Arc::new(part), upstream, facts: facts.map(Arc::new) }, faults)
    }

    /// The request for a node that waits for nothing, else an object of the outputs it waits for.
    fn default_for(dependencies: &[NodeId]) -> Self {
        let member = |id: &NodeId| (quoted(id.as_str()), Part::Output(id.to_string()));
        let part = match dependencies {
            [] => Part::Request,
            some => Part::Object(some.iter().map(member).collect()),
        };
        let ids: BTreeMap<String, String> = dependencies.iter().map(|id| (id.to_string(), String::new())).collect();
        Self { part: Arc::new(part), upstream: ids.into_iter().collect(), facts: None }
    }

    /// The ids of the nodes whose outputs it names, sorted, each with the pointer of the first expression naming it.
    pub fn upstream(&self) -> Vec<(String, String)> {
        self.upstream.to_vec()
    }

    /// Makes the input.
    ///
    /// # Errors
    /// A sentence that names the expression and what went wrong.
    pub fn evaluate(&self, scope: &dyn Scope) -> Result<Json, String> {
        match &*self.part {
            Part::Request => return Ok(scope.request().clone()),
            Part::Output(id) => return output(scope, id),
            _ => {}
        }
        let outputs = self.upstream.iter().map(|(id, _)| Ok((id.clone(), output(scope, id)?)));
        let inputs = Inputs { request: scope.request().clone(), outputs: outputs.collect::<Result<_, String>>()? };
        let text = match &self.facts {
            None => self.part.text(&inputs, None),
            Some(facts) => program::with_context(facts, &inputs, |context| self.part.text(&inputs, Some(context))),
        };
        Json::assembled(text?).map_err(|fault| format!("the input is {fault}"))
    }
}

fn output(scope: &dyn Scope, id: &str) -> Result<Json, String> {
    scope.output(id).ok_or_else(|| format!("node {id} has no output yet, though the input is made of it"))
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

impl Part {
    fn compile(value: &Value, pointer: &mut String, faults: &mut Vec<(String, String)>) -> Self {
        match value {
            Value::String(source) => Self::expression(source).unwrap_or_else(|fault| {
                faults.push((pointer.clone(), fault));
                Part::Text(String::new())
            }),
            Value::Array(items) => {
                let compile = |(i, item): (usize, &Value)| {
                    below(pointer, &i.to_string(), |pointer| Self::compile(item, pointer, faults))
                };
                Part::Array(items.iter().enumerate().map(compile).collect())
            }
            Value::Object(members) => {
                let compile = |(name, member): (&String, &Value)| {
                    (quoted(name), below(pointer, name, |pointer| Self::compile(member, pointer, faults)))
                };
                Part::Object(members.iter().map(compile).collect())
            }
            scalar => Part::Text(scalar.to_string()),
        }
    }

    /// A name alone (`request`, `outputs.x`, `outputs["x"]`) is told without the parser of CEL, and copied without
    /// the parser of JSON.
    fn expression(source: &str) -> Result<Self, String> {
        if source.trim() == "request" {
            return Ok(Part::Request);
        }
        if let Some(id) = program::plain_output(source) {
            return Ok(Part::Output(id.to_owned()));
        }
        Ok(Part::Expression(Box::new(Program::compile(source, check::Sees::Inputs)?)))
    }

    fn name_outputs(&self, pointer: &mut String, upstream: &mut BTreeMap<String, String>) {
        let mut name = |id: &str, pointer: &str| {
            upstream.entry(id.to_owned()).or_insert_with(|| pointer.to_owned());
        };
        match self {
            Part::Text(_) | Part::Request => {}
            Part::Output(id) => name(id, pointer),
            Part::Expression(program) => program.facts().outputs.iter().for_each(|id| name(id, pointer)),
            Part::Array(items) => {
                for (i, item) in items.iter().enumerate() {
                    below(pointer, &i.to_string(), |pointer| item.name_outputs(pointer, upstream));
                }
            }
            Part::Object(members) => {
                for (quoted, member) in members {
                    let name: Cow<str> = serde_json::from_str(quoted).map_or_else(|_| quoted.into(), Cow::Owned);
                    below(pointer, &name, |pointer| member.name_outputs(pointer, upstream));
                }
            }
        }
    }

    /// What all its expressions together read, and how deep the deepest is.
    fn join_facts(&self, facts: &mut Option<check::Facts>) {
        match self {
            Part::Text(_) | Part::Request | Part::Output(_) => {}
            Part::Expression(program) => facts.get_or_insert_default().join(program.facts()),
            Part::Array(items) => items.iter().for_each(|item| item.join_facts(facts)),
            Part::Object(members) => members.iter().for_each(|(_, member)| member.join_facts(facts)),
        }
    }

    fn text(&self, inputs: &Inputs, context: Option<&Context>) -> Result<String, String> {
        let mut text = String::new();
        self.write(inputs, context, &mut text)?;
        Ok(text)
    }

    fn write(&self, inputs: &Inputs, context: Option<&Context>, text: &mut String) -> Result<(), String> {
        match self {
            Part::Text(part) => text.push_str(part),
            Part::Request => text.push_str(inputs.request.as_str()),
            Part::Output(id) => text.push_str(inputs.outputs.get(id).map_or("null", Json::as_str)),
            Part::Expression(program) => match context {
                Some(context) => program.write(context, text)?,
                None => text.push_str("null"),
            },
            Part::Array(items) => {
                text.push('[');
                for (i, item) in items.iter().enumerate() {
                    text.push_str(if i > 0 { "," } else { "" });
                    item.write(inputs, context, text)?;
                }
                text.push(']');
            }
            Part::Object(members) => {
                text.push('{');
                for (i, (name, member)) in members.iter().enumerate() {
                    text.push_str(if i > 0 { "," } else { "" });
                    text.push_str(name);
                    text.push(':');
                    member.write(inputs, context, text)?;
                }
                text.push('}');
            }
        }
        if text.len() > MAX_INPUT_BYTES {
            return Err(format!("the input is larger than {MAX_INPUT_BYTES} bytes; name only what the node needs"));
        }
        Ok(())
    }
}

/// Does something one step further down a JSON pointer.
fn below<T>(pointer: &mut String, name: &str, work: impl FnOnce(&mut String) -> T) -> T {
    let length = pointer.len();
    pointer.push('/');
    pointer.push_str(&name.replace('~', "~0").replace('/', "~1"));
    let result = work(pointer);
    pointer.truncate(length);
    result
}
