//! What differs between two values, field by field.

use super::EventId;
use crate::core::run::{NodeRun, Run};
use crate::store::row::{ErrorRow, OperationRow, ResultRow};
use std::fmt::Debug;

/// A field that differs.
pub(super) struct Difference {
    pub(super) field: String,
    pub(super) expected: String,
    pub(super) found: String,
}

impl Difference {
    fn new(field: String, expected: &impl Debug, found: &impl Debug) -> Self {
        Self { field, expected: format!("{expected:?}"), found: format!("{found:?}") }
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

/// A row of a table, by its event.
pub(super) trait Row: Debug + PartialEq {
    /// The event that it tells of.
    fn id(&self) -> EventId;
    /// What differs.
    fn differences(&self, found: &Self) -> Vec<Difference>;
}

impl Row for ResultRow {
    fn id(&self) -> EventId {
        EventId { subject: self.run_id.to_string(), sequence: self.sequence }
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
