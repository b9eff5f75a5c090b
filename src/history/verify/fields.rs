//! What differs between two values, field by field.

use super::EventId;
use super::rows::NOTHING;
use crate::core::run::{NodeRun, Run};
use crate::store::clean;
use crate::store::letter::Letter;
use crate::store::query::StoredRow;
use crate::store::row::{ErrorRow, MetricRow, Operation, OperationRow, ResultRow};
use std::borrow::Cow;
use std::fmt::Debug;

/// A field that differs.
pub(super) struct Difference {
    pub(super) field: String,
    pub(super) expected: String,
    pub(super) found: String,
}

impl Difference {
    fn new(field: String, expected: &impl Debug, found: &impl Debug) -> Self {
        Self { field, expected: told(expected), found: told(found) }
    }
}

/// A value for people: what may be absent is itself, or nothing.
fn told(value: &impl Debug) -> String {
    let text = format!("{value:?}");
    match text.strip_prefix("Some(").and_then(|rest| rest.strip_suffix(')')) {
        Some(inner) => inner.to_owned(),
        None if text == "None" => NOTHING.to_owned(),
        None => text,
    }
}

/// Compares every field of two values; taking the first apart holds the list of fields to the type.
macro_rules! compare {
    ($into:ident, $at:expr, $expected:expr, $found:expr, $type:ident { $($field:ident),+ $(,)? } $(but $other:ident)*) => {
        let $type { $($field,)+ $($other: _,)* } = $expected;
        $(if *$field != $found.$field {
            $into.push(Difference::new(format!("{}{}", $at, stringify!($field)), $field, &$found.$field));
        })+
    };
}

/// What differs between two states of a run.
pub(super) fn of_runs(expected: &Run, found: &Run) -> Vec<Difference> {
    let mut all = Vec::new();
    compare!(all, "", expected, found, Run {
        workflow_id, run_id, sequence, time, status, definition, input, conversation_id, origin, payload_hash,
        traceparent, settings, lineage, inputs, agents, started_at, ended_at, plans, failed_node, compensating, outcome,
    } but nodes);
    for (id, node) in &expected.nodes {
        match found.nodes.get(id) {
            Some(other) => of_nodes(&format!("nodes.{id}."), node, other, &mut all),
            None => all.push(Difference::new(format!("nodes.{id}"), &node.status, &"nothing")),
        }
    }
    for (id, node) in found.nodes.iter().filter(|(id, _)| !expected.nodes.contains_key(*id)) {
        all.push(Difference::new(format!("nodes.{id}"), &"nothing", &node.status));
    }
    all
}

fn of_nodes(at: &str, expected: &NodeRun, found: &NodeRun, all: &mut Vec<Difference>) {
    compare!(
        all,
        at,
        expected,
        found,
        NodeRun {
            status,
            agent_name,
            attempt,
            timeout_ms,
            heartbeat,
            local,
            deadline,
            input,
            output,
            failure,
            handling,
            due_at,
            failed_attempts,
            scheduled_at,
            started_at,
            progressed_at,
            ended_at,
            scheduled_by,
            ended_by,
        }
    );
}

/// What differs between two rows of `orchestrator_workflow_states`.
pub(super) fn of_stored(expected: &StoredRow, found: &StoredRow) -> Vec<Difference> {
    let mut all = of_runs(&expected.stored.run, &found.stored.run);
    let (chain, other) = (hex::encode(expected.stored.chain), hex::encode(found.stored.chain));
    if chain != other {
        all.push(Difference { field: "chain".to_owned(), expected: chain, found: other });
    }
    compare!(all, "", expected, found, StoredRow { partition, nodes, failure, taken_over } but stored);
    all
}

/// What differs between two rows of `orchestrator_performance_metrics`.
pub(super) fn of_metrics(at: &str, expected: &MetricRow, found: &MetricRow) -> Vec<Difference> {
    let mut all = Vec::new();
    compare!(all, at, expected, found, MetricRow { agent_name, minute, calls, failures, duration_us, usage, buckets });
    all
}

/// What differs between two letters.
pub(super) fn of_letters(expected: &Letter, found: &Letter) -> Vec<Difference> {
    let mut all = Vec::new();
    compare!(
        all,
        "",
        expected,
        found,
        Letter {
            letter_id,
            kind,
            subject,
            sequence,
            workflow_id,
            run_id,
            node_id,
            agent_name,
            attempt,
            definition,
            class,
            code,
            message,
            details,
            fingerprint,
            origin,
            time,
        }
    );
    all
}

/// As it stands in a table, which holds no U+0000.
pub(super) fn fit(text: &mut String) {
    if let Cow::Owned(clean) = clean(text) {
        *text = clean;
    }
}

/// A row of a table, by its event.
pub(super) trait Row: Clone + Debug + PartialEq {
    /// The event that it tells of.
    fn id(&self) -> EventId;
    /// Makes its texts fit for a table, see [`fit`].
    fn fit(&mut self);
    /// What differs.
    fn differences(&self, found: &Self) -> Vec<Difference>;
}

impl Row for ResultRow {
    fn id(&self) -> EventId {
        EventId { subject: self.run_id.to_string(), sequence: self.sequence }
    }

    fn fit(&mut self) {
        for failure in self.failure.iter_mut() {
            fit(&mut failure.code);
            fit(&mut failure.message);
        }
    }

    fn differences(&self, found: &Self) -> Vec<Difference> {
        let mut all = Vec::new();
        compare!(
            all,
            "",
            self,
            found,
            ResultRow {
                workflow_id,
                run_id,
                sequence,
                node_id,
                attempt,
                agent_name,
                status,
                output,
                failure,
                timeout_ms,
                scheduled_at,
                started_at,
                ended_at,
                usage,
            }
        );
        all
    }
}

impl Row for OperationRow {
    fn id(&self) -> EventId {
        EventId { subject: self.subject.clone(), sequence: self.sequence }
    }

    fn fit(&mut self) {
        if let Operation::InputRejected { reason, message } = &mut self.operation {
            fit(reason);
            fit(message);
        }
    }

    fn differences(&self, found: &Self) -> Vec<Difference> {
        let mut all = Vec::new();
        compare!(all, "", self, found, OperationRow { subject, sequence, workflow_id, time, operation });
        all
    }
}

impl Row for ErrorRow {
    fn id(&self) -> EventId {
        EventId { subject: self.subject.clone(), sequence: self.sequence }
    }

    fn fit(&mut self) {
        fit(&mut self.code);
        fit(&mut self.message);
    }

    fn differences(&self, found: &Self) -> Vec<Difference> {
        let mut all = Vec::new();
        compare!(
            all,
            "",
            self,
            found,
            ErrorRow {
                subject,
                sequence,
                event,
                workflow_id,
                node_id,
                agent_name,
                attempt,
                class,
                code,
                message,
                details,
                fingerprint,
                time,
            }
        );
        all
    }
}
