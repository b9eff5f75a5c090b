//! The rows of dead letters: made of the very documents that stand in the topic.

use crate::core::effect::{Effect, effects};
use crate::core::event::{DeadLetterHandled, InputRefused, Recorded};
use crate::core::id::LetterId;
use crate::core::run::Run;
use crate::journal::record::InputRecord;
use crate::store::letter::{HandledRow, Letter, LetterKind, LetterRow};
use crate::store::row::partition_subject;
use crate::wire::dead_letter;
use crate::wire::event::PartitionRecorded;
use bytes::Bytes;

/// The letter of an event of a run, where it has one.
pub fn of_node(recorded: &Recorded, run: &Run) -> Option<LetterRow> {
    let node = effects(recorded).into_iter().find_map(|effect| match effect {
        Effect::DeadLetterNode(node) => Some(node),
        Effect::Dispatch(_) | Effect::Respond(_) | Effect::Delay(_) => None,
    })?;
    let document = text(&dead_letter::encode_node(&recorded.workflow_id, &node));
    let letter = Letter {
        letter_id: node.letter_id,
        kind: LetterKind::Node,
        subject: recorded.run_id.to_string(),
        sequence: recorded.sequence,
        workflow_id: Some(recorded.workflow_id.clone()),
        run_id: Some(recorded.run_id.clone()),
        node_id: Some(node.dispatch_id.node_id),
        attempt: Some(node.dispatch_id.attempt),
        definition: Some(run.definition.name.clone()),
        class: Some(node.failure.class),
        fingerprint: dead_letter::fingerprint_of_node(&node.agent_name, &node.failure),
        agent_name: Some(node.agent_name),
        code: node.failure.code,
        message: node.failure.message,
        details: node.failure.details,
        origin: None,
        time: recorded.time,
    };
    Some(LetterRow { letter, document })
}

/// The letter of a refused input, which the journal keeps beside the event.
pub fn of_input(recorded: &PartitionRecorded, refused: &InputRefused, input: &InputRecord) -> LetterRow {
    let letter_id = LetterId::of_input(recorded.partition, recorded.sequence);
    let document = text(&dead_letter::encode_input(&letter_id, refused, input));
    let letter = Letter {
        letter_id,
        kind: LetterKind::Input,
        subject: partition_subject(recorded.partition),
        sequence: recorded.sequence,
        workflow_id: refused.workflow_id.clone(),
        run_id: None,
        node_id: None,
        agent_name: None,
        attempt: None,
        definition: None,
        class: None,
        code: refused.reason.clone(),
        message: refused.message.clone(),
        details: refused.details.clone(),
        fingerprint: dead_letter::fingerprint_of_input(refused),
        origin: Some(refused.origin.clone()),
        time: recorded.time,
    };
    LetterRow { letter, document }
}

/// What was done with a letter.
pub fn handled(recorded: &PartitionRecorded, event: &DeadLetterHandled) -> HandledRow {
    HandledRow {
        letter_id: event.letter_id.clone(),
        state: event.action.into(),
        at: recorded.time,
        by: event.by.clone(),
        note: event.note.clone(),
        run_id: event.run_id.clone(),
    }
}

fn text(document: &Bytes) -> String {
    String::from_utf8_lossy(document).into_owned()
}
