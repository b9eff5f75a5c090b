//! The end of a run: `WorkflowCompleted` with the answer, or `WorkflowFailed`.

use super::draft::Draft;
use super::schedule::failure_of;
use crate::core::definition::Role;
use crate::core::definition::expression::Scope;
use crate::core::event::{Event, WorkflowCompleted, WorkflowFailed};
use crate::core::failure::{Failure, FailureClass};
use crate::core::id::NodeId;
use crate::core::json::Json;
use crate::core::status::Status;

/// Ends the run if there is nothing left to do, or if it has failed and nothing is under way, or to be undone.
pub fn try_end(draft: &mut Draft) -> bool {
    if draft.winds_down() {
        return false;
    }
    if let Some((node_id, failure)) = draft.failure().cloned() {
        if draft.is_compensating() && draft.next_undo().is_some() {
            return false;
        }
        fail(draft, Some(&node_id), failure);
    } else if draft.remaining() == 0 && draft.open() == 0 {
        complete(draft);
    } else {
        return false;
    }
    true
}

fn complete(draft: &mut Draft) {
    let answer = answer(draft);
    if answer.len() > draft.limits.max_payload_bytes {
        let message = format!(
            "the answer is {} bytes long; at most {} are allowed",
            answer.len(),
            draft.limits.max_payload_bytes
        );
        return fail(draft, None, Failure::new(FailureClass::NonRetryable, "too_large", message));
    }
    draft.transition(Status::Completed);
    draft.push(Event::WorkflowCompleted(WorkflowCompleted {
        definition: draft.run.definition.clone(),
        started_at: draft.run.started_at,
        answer,
    }));
}

/// The run fails: by a node, or as a whole.
pub fn fail(draft: &mut Draft, node_id: Option<&NodeId>, failure: Failure) {
    let context = node_id.and_then(|node_id| story(draft, node_id));
    draft.transition(Status::Failed);
    draft.push(Event::WorkflowFailed(WorkflowFailed {
        definition: draft.run.definition.clone(),
        started_at: draft.run.started_at,
        node_id: node_id.cloned(),
        class: failure.class,
        code: failure.code,
        message: failure.message,
        details: failure.details,
        context,
    }));
}

/// The story of the failure of a node, as a failure node would be given it.
fn story(draft: &mut Draft, node_id: &NodeId) -> Option<Json> {
    draft.rebase();
    draft.index(node_id).map(|index| failure_of(draft, index))
}

/// The responder's output, else the synthesizer's, else the only sink's; where there are several of the first kind
/// found, a map of them by `node_id`.
fn answer(draft: &Draft) -> Json {
    let graph = draft.graph();
    let with_role = |role| (0..graph.nodes.len()).filter(|i| graph.nodes[*i].node.role == role).collect::<Vec<_>>();
    let from = [with_role(Role::Responder), with_role(Role::Synthesizer), graph.sinks()];
    let nodes = from.into_iter().find(|nodes| !nodes.is_empty()).unwrap_or_default();
    let output = |i: &usize| {
        let node_id = &graph.nodes[*i].node.node_id;
        draft.output(node_id.as_str()).map(|output| (node_id, output))
    };
    let outputs: Vec<_> = nodes.iter().filter_map(output).collect();
    match outputs.as_slice() {
        [(_, only)] => only.clone(),
        several => Json::object(several.iter().map(|(node_id, output)| (node_id.as_str(), output))),
    }
}
