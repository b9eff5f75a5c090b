//! A condition over a JSON object, by the names of its members: the same language, and the same bounds, as a node's
//! input.

use super::check::Sees;
use super::program::Program;
use serde_json::Value;
use std::sync::Arc;

/// A compiled condition. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Filter {
    program: Arc<Program>,
}

impl Filter {
    /// Compiles a CEL expression that may use these names.
    ///
    /// # Errors
    /// A sentence that quotes the expression and says what is wrong with it, with line and column.
    pub fn compile(source: &str, members: &'static [&'static str]) -> Result<Self, String> {
        Ok(Self { program: Arc::new(Program::compile(source, Sees::Members(members))?) })
    }

    /// Whether an object meets it. One that lacks a member that decides it does not (`has(data.code)` asks for it).
    ///
    /// # Errors
    /// A sentence that quotes the expression and says why it has no answer: its value is neither true nor false, types do
    /// not go together, it costs too much.
    pub fn is_met(&self, object: &Value) -> Result<bool, String> {
        self.program.is_met(object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const MEMBERS: &[&str] = &["data", "sequence", "type"];

    fn is_met(source: &str) -> Result<bool, String> {
        let event = json!({
            "type": "NodeFailed",
            "sequence": 7,
            "data": { "code": "http_503", "usage": null, "retry_after_ms": null, "tags": ["a", "b"], "output": { "total": 12.5 } },
        });
        Filter::compile(source, MEMBERS).unwrap().is_met(&event)
    }

    #[test]
    fn an_object_meets_a_condition_or_not() {
        for (source, expected) in [
            ("type == \"NodeFailed\"", true),
            ("type == 'NodeFailed' && sequence > 7", false),
            ("data.code.startsWith('http_') && data.output.total > 10", true),
            ("data.tags.exists(tag, tag == 'b')", true),
            ("type(sequence) == int", true),
            ("data.code.matches('^http_[45]')", true),
            ("true", true),
        ] {
            assert_eq!(is_met(source), Ok(expected), "{source}");
        }
    }

    #[test]
    fn an_object_that_lacks_what_is_asked_for_does_not_meet_it() {
        for source in [
            "data.node_id == 'sum'",
            "data.usage.cost > 0.1",
            "data.retry_after_ms > 5",
            "data.code.length > 5",
            "data.tags[5] == 'a'",
            "data['no'] == 1",
        ] {
            assert_eq!(is_met(source), Ok(false), "{source}");
        }
        assert_eq!(is_met("data.node_id == 'sum' || sequence == 7"), Ok(true));
        assert_eq!(is_met("!has(data.node_id)"), Ok(true));
    }

    #[test]
    fn an_expression_without_an_answer_is_an_error() {
        for (source, words) in [
            ("data.code", "neither true nor false"),
            ("sequence > 'x'", "overload"),
            ("sequence / 0 == 1", "zero"),
            ("[1,2,3,4,5,6,7,8,9].all(a, [1,2,3,4,5,6,7,8,9].all(b, data.tags.map(t, t + t).size() >= 0))", "loops"),
        ] {
            let fault = Filter::compile(source, MEMBERS).and_then(|filter| {
                filter.is_met(&json!({ "type": "NodeFailed", "sequence": 7, "data": { "code": "x", "tags": [] } }))
            });
            let fault = fault.unwrap_err();
            assert!(fault.contains(words) && fault.contains("the expression `"), "{source}: {fault}");
        }
    }

    #[test]
    fn a_bad_expression_is_refused_with_its_place() {
        for (source, words) in [
            ("typ == 'x'", "at 1:1 uses the unknown name `typ`; did you mean `type`?"),
            ("type == NodeFailed", "at 1:9 uses the unknown name `NodeFailed`; there are data, sequence, type"),
            ("sequence >", "does not parse as CEL at 1:1"),
            ("data.code.startWith('x')", "did you mean `startsWith`?"),
            ("", "the expression is empty"),
            ("data.all(type, true)", "already has a meaning"),
            ("request.x == 1", "unknown name `request`"),
            ("outputs.x == 1", "unknown name `outputs`"),
        ] {
            let refusal = Filter::compile(source, MEMBERS).unwrap_err();
            assert!(refusal.contains(words), "{source}: {refusal}");
        }
    }

    #[test]
    fn what_a_condition_may_cost_is_bounded() {
        let filter = Filter::compile("data.all(a, data.all(b, a + b >= 0))", MEMBERS).unwrap();
        let large = json!({ "data": (0..2_000).collect::<Vec<_>>() });
        assert!(filter.is_met(&large).unwrap_err().contains("costs more than"), "4,000,000 rounds");
    }
}
