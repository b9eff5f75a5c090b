//! What differs between two runs, for people and for programs.

use super::money::{spent_json, spent_words};
use super::run::{failure_words, reference};
use super::style::{Paint, harmless, short};
use super::table::{lines, table};
use super::time::duration;
use crate::core::diff::values::{Difference, differences};
use crate::core::diff::{Aspect, Diff, Divergence, Node, NodeDiff, Side};
use crate::core::json::Json;
use crate::core::run::{Outcome, Run};
use serde_json::{Value, json};
use std::fmt::Write;

/// Most places of one value that are shown; JSON has all.
const MAX_PLACES: usize = 10;
/// How much of a value is shown, in characters.
const MAX_CHARS: usize = 120;

/// For people.
pub fn text(diff: &Diff, a: &Side, b: &Side, paint: Paint) -> String {
    let mut text = heads(diff, a, b, paint);
    let _ = write!(text, "\n{}\n", nodes(diff, paint));
    let _ = writeln!(text, "{}", first_words(diff, a, b, paint));
    if diff.requests_differ {
        places(&mut text, "the request's input", &a.run.input, &b.run.input, paint);
    }
    for node in diff.nodes.iter().filter(|node| !node.aspects.is_empty()) {
        of_node(&mut text, node, paint);
    }
    if diff.outcomes_differ {
        match (&a.run.outcome, &b.run.outcome) {
            (Some(Outcome::Answer(of_a)), Some(Outcome::Answer(of_b))) => {
                places(&mut text, "the answer", of_a, of_b, paint);
            }
            _ => both(&mut text, "the end", &outcome_words(a.run), &outcome_words(b.run), paint),
        }
    }
    text
}

fn heads(diff: &Diff, a: &Side, b: &Side, paint: Paint) -> String {
    let mut text = String::new();
    for (name, side) in [("A", a), ("B", b)] {
        let run = side.run;
        let _ = writeln!(
            text,
            "{} {} (run {}), {}, {}: {}",
            paint.strong(name),
            harmless(run.workflow_id.as_str()),
            run.run_id,
            reference(&run.definition),
            run.status.as_str(),
            spent_words(&side.spent())
        );
    }
    if let Some(lineage) = &b.run.lineage.as_ref().filter(|lineage| lineage.run_id == a.run.run_id) {
        let from = lineage.from_node.as_ref().map_or_else(String::new, |node| format!(" from node {node} on"));
        let _ = writeln!(text, "B is a {} of A{from}", lineage.kind.as_str());
    }
    if diff.definitions_differ {
        let _ = writeln!(text, "They execute different definitions, or different versions of one");
    }
    text
}

fn nodes(diff: &Diff, paint: Paint) -> String {
    let mut rows = table(&["node", "A", "B", "took A", "took B", "cost A", "cost B", "differs in"], paint);
    for NodeDiff { node_id, a, b, aspects } in &diff.nodes {
        let state = |node: &Option<Node>| node.as_ref().map_or_else(|| "-".to_owned(), state_words);
        let took = |node: &Option<Node>| {
            let spent = node.as_ref().map(|node| node.spent).filter(|spent| spent.attempts > 0);
            spent.map(|spent| duration(spent.took)).unwrap_or_default()
        };
        let cost = |node: &Option<Node>| {
            node.as_ref().and_then(|node| node.spent.usage).map(super::money::words).unwrap_or_default()
        };
        let words: Vec<&str> = aspects.iter().map(|aspect| aspect.as_str()).collect();
        let row = [state(a), state(b), took(a), took(b), cost(a), cost(b), words.join(", ")];
        rows.add_row([node_id.to_string()].into_iter().chain(row).collect::<Vec<_>>());
    }
    lines(&rows)
}

fn state_words(node: &Node) -> String {
    match (node.is_carried, node.attempts) {
        (true, _) => format!("{} (carried)", node.status.as_str()),
        (false, 2..) => format!("{} ({} attempts)", node.status.as_str(), node.attempts),
        (false, _) => node.status.as_str().to_owned(),
    }
}

fn first_words(diff: &Diff, a: &Side, b: &Side, paint: Paint) -> String {
    let words = match &diff.first {
        None => return "They do not differ in what was asked for, done and answered.".to_owned(),
        Some(Divergence::Request) => {
            format!("in the request's input{}", at_first(Some(&a.run.input), Some(&b.run.input)))
        }
        Some(Divergence::Outcome) => "in how they ended".to_owned(),
        Some(Divergence::Node(node_id, aspect)) => {
            let node = diff.nodes.iter().find(|node| node.node_id == *node_id);
            format!("in node {node_id}: {}", node.map_or_else(String::new, |node| aspect_words(node, *aspect)))
        }
    };
    format!("{} {words}", paint.strong("They part first"))
}

/// In what the nodes differ, in words.
fn aspect_words(node: &NodeDiff, aspect: Aspect) -> String {
    let (Some(a), Some(b)) = (&node.a, &node.b) else {
        return match node.a {
            Some(_) => "only A has come to it".to_owned(),
            None => "only B has come to it".to_owned(),
        };
    };
    match aspect {
        Aspect::Agent => format!("executed by {} in A, by {} in B", a.agent_name, b.agent_name),
        Aspect::Status => format!("{} in A, {} in B", a.status.as_str(), b.status.as_str()),
        Aspect::Attempts => format!("{} attempts in A, {} in B", a.attempts, b.attempts),
        Aspect::Input => format!("its input{}", at_first(a.input.as_ref(), b.input.as_ref())),
        Aspect::Output => format!("its output{}", at_first(a.output.as_ref(), b.output.as_ref())),
        Aspect::Failure => "its failure".to_owned(),
        Aspect::Dependencies => "it waits for other nodes".to_owned(),
        Aspect::Presence => String::new(),
    }
}

/// The first place in which two values differ.
fn at_first(a: Option<&Json>, b: Option<&Json>) -> String {
    let (Some(a), Some(b)) = (a, b) else { return String::new() };
    match differences(&a.value(), &b.value()).first() {
        Some(first) => {
            format!(
                "{}: {} in A, {} in B",
                at(&first.pointer),
                value_words(first.a.as_ref()),
                value_words(first.b.as_ref())
            )
        }
        None => String::new(),
    }
}

fn at(pointer: &str) -> String {
    if pointer.is_empty() { String::new() } else { format!(" at {}", harmless(pointer)) }
}

fn of_node(text: &mut String, node: &NodeDiff, paint: Paint) {
    let (Some(a), Some(b)) = (&node.a, &node.b) else { return };
    let name = |what: &str| format!("node {}, {what}", node.node_id);
    for aspect in &node.aspects {
        match aspect {
            Aspect::Input => values(text, &name("input"), a.input.as_ref(), b.input.as_ref(), paint),
            Aspect::Output => values(text, &name("output"), a.output.as_ref(), b.output.as_ref(), paint),
            Aspect::Failure => {
                let words = |node: &Node| {
                    node.failure.as_ref().map_or_else(|| "none".to_owned(), |failure| failure_words(None, failure))
                };
                both(text, &name("failure"), &words(a), &words(b), paint);
            }
            Aspect::Dependencies => {
                let words = |node: &Node| {
                    let ids = node.dependencies.iter().flatten().map(|id| id.as_str()).collect::<Vec<_>>();
                    if ids.is_empty() { "nothing".to_owned() } else { ids.join(", ") }
                };
                both(text, &name("waits for"), &words(a), &words(b), paint);
            }
            Aspect::Presence | Aspect::Agent | Aspect::Status | Aspect::Attempts => {
                let _ = writeln!(text, "\n{}: {}", paint.strong(&name(aspect.as_str())), aspect_words(node, *aspect));
            }
        }
    }
}

fn values(text: &mut String, what: &str, a: Option<&Json>, b: Option<&Json>, paint: Paint) {
    match (a, b) {
        (Some(a), Some(b)) => places(text, what, a, b, paint),
        (a, b) => {
            let words = |json: Option<&Json>| value_words(json.map(Json::value).as_ref());
            both(text, what, &words(a), &words(b), paint);
        }
    }
}

/// The places in which two values differ.
fn places(text: &mut String, what: &str, a: &Json, b: &Json, paint: Paint) {
    let all = differences(&a.value(), &b.value());
    let _ = writeln!(text, "\n{}", paint.strong(what));
    for Difference { pointer, a, b } in all.iter().take(MAX_PLACES) {
        let pointer = if pointer.is_empty() { "all of it".to_owned() } else { harmless(pointer) };
        let _ = writeln!(text, "  {pointer}");
        let _ = writeln!(text, "    {}", paint.bad(&format!("A {}", value_words(a.as_ref()))));
        let _ = writeln!(text, "    {}", paint.good(&format!("B {}", value_words(b.as_ref()))));
    }
    if all.len() > MAX_PLACES {
        let _ = writeln!(text, "  and {} more; --output json has them all", all.len() - MAX_PLACES);
    }
}

fn both(text: &mut String, what: &str, a: &str, b: &str, paint: Paint) {
    let _ = writeln!(text, "\n{}", paint.strong(what));
    let _ = writeln!(text, "    {}", paint.bad(&format!("A {}", harmless(a))));
    let _ = writeln!(text, "    {}", paint.good(&format!("B {}", harmless(b))));
}

fn value_words(value: Option<&Value>) -> String {
    value.map_or_else(|| "nothing".to_owned(), |value| short(&harmless(&value.to_string()), MAX_CHARS))
}

fn outcome_words(run: &Run) -> String {
    match &run.outcome {
        Some(Outcome::Answer(answer)) => format!("answered {}", value_words(Some(&answer.value()))),
        Some(Outcome::Failure(node, failure)) => format!("failed: {}", failure_words(node.as_ref(), failure)),
        None => format!("has not ended: {}", run.status.as_str()),
    }
}

/// For programs.
pub fn json(diff: &Diff, a: &Side, b: &Side) -> Value {
    let side = |side: &Side| {
        json!({
            "workflow_id": side.run.workflow_id.as_str(),
            "run_id": side.run.run_id.as_str(),
            "definition": side.run.definition,
            "status": side.run.status.as_str(),
            "lineage": side.run.lineage,
            "spent": spent_json(&side.spent()),
        })
    };
    let first = diff.first.as_ref().map(|first| match first {
        Divergence::Request => json!({ "in": "request" }),
        Divergence::Node(node_id, aspect) => {
            json!({ "in": "node", "node_id": node_id.as_str(), "aspect": aspect.as_str() })
        }
        Divergence::Outcome => json!({ "in": "outcome" }),
    });
    json!({
        "format": 1,
        "a": side(a),
        "b": side(b),
        "differs": diff.first.is_some(),
        "first": first,
        "definitions_differ": diff.definitions_differ,
        "request": places_json(Some(&a.run.input), Some(&b.run.input)),
        "nodes": diff.nodes.iter().map(node_json).collect::<Vec<_>>(),
        "outcome": outcome_json(a.run, b.run),
    })
}

fn outcome_json(a: &Run, b: &Run) -> Value {
    match (&a.outcome, &b.outcome) {
        (Some(Outcome::Answer(a)), Some(Outcome::Answer(b))) => places_json(Some(a), Some(b)),
        (of_a, of_b) if of_a == of_b => json!([]),
        _ => json!([{ "pointer": "", "a": outcome_words(a), "b": outcome_words(b) }]),
    }
}

fn node_json(node: &NodeDiff) -> Value {
    let side = |node: &Node| {
        json!({
            "agent_name": node.agent_name.as_str(),
            "status": node.status.as_str(),
            "carried": node.is_carried,
            "attempts": node.attempts,
            "failure": node.failure,
            "dependencies": node.dependencies,
            "spent": spent_json(&node.spent),
        })
    };
    let (input, output) = match (&node.a, &node.b) {
        (Some(a), Some(b)) => {
            (places_json(a.input.as_ref(), b.input.as_ref()), places_json(a.output.as_ref(), b.output.as_ref()))
        }
        _ => (Value::Null, Value::Null),
    };
    json!({
        "node_id": node.node_id.as_str(),
        "differs_in": node.aspects.iter().map(|aspect| aspect.as_str()).collect::<Vec<_>>(),
        "a": node.a.as_ref().map(side),
        "b": node.b.as_ref().map(side),
        "input": input,
        "output": output,
    })
}

/// Places in which two values differ; `null`: not both are there.
fn places_json(a: Option<&Json>, b: Option<&Json>) -> Value {
    let (Some(a), Some(b)) = (a, b) else { return Value::Null };
    let place = |Difference { pointer, a, b }: Difference| {
        let mut place = json!({ "pointer": pointer });
        // What is not there is left out: `null` is a value.
        a.into_iter().for_each(|value| place["a"] = value);
        b.into_iter().for_each(|value| place["b"] = value);
        place
    };
    differences(&a.value(), &b.value()).into_iter().map(place).collect()
}
