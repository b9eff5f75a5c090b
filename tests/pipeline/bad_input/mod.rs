//! Whatever comes in: each bad input ends as a refusal with a dead letter, a counted rejection or a failed node; the
//! partition goes on, and nothing is lost.

mod agents;
mod ids;
mod requests;
mod results;
mod starts;

use crate::support::{Installation, Process, Stream, json};
use orchestrator::log::{Record, Topic};
use orchestrator::ui::event;
use serde_json::Value;

/// Two echoes, one after another; the input is an object with a text.
pub const CHAIN: &str = "\
name: chain
input_contract: { type: object, required: [text], properties: { text: { type: string } } }
nodes:
  - { node_id: first, agent_name: echo }
  - { node_id: second, agent_name: echo, dependencies: [first] }
";

/// An installation in which everything that happens is looked at.
pub struct Watched {
    pub events: Stream,
    pub responses: Stream,
    pub dead_letters: Stream,
    /// Killed when the test is over.
    _serve: Process,
    pub at: Installation,
}

impl Watched {
    /// Starts to serve with these definitions.
    pub fn serving(at: Installation, definitions: &[&str], more: &[&str]) -> Self {
        definitions.iter().for_each(|definition| at.apply(definition));
        let arguments: Vec<_> = [at.verb()].iter().chain(more).copied().collect();
        Self {
            _serve: at.start("serve", &arguments),
            events: at.stream(Topic::Events),
            responses: at.stream(Topic::Responses),
            dead_letters: at.stream(Topic::DeadLetters),
            at,
        }
    }

    /// Waits for an event.
    #[track_caller]
    pub fn event(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        event_json(&self.events.wait(what, |record| wanted(&event_json(record))))
    }

    /// Waits for the response to the request at a place.
    #[track_caller]
    pub fn refusal(&mut self, what: &str, place: (u32, u64)) -> Value {
        self.responses.wait_json(&format!("the refusal of {what}"), |response| {
            response["kind"] == "refused" && is_at(&response["origin"], "requests", place)
        })
    }

    /// Waits for the answer of a workflow.
    #[track_caller]
    pub fn answer(&mut self, workflow_id: &str) -> Value {
        self.responses.wait_json(&format!("the answer of {workflow_id:?}"), |response| {
            response["kind"] == "answer" && response["workflow_id"] == workflow_id
        })
    }

    /// Waits for the dead letter of an input, and the event and the row that say so; the letter.
    #[track_caller]
    pub fn dead_letter(&mut self, what: &str, topic: &str, place: (u32, u64), reason: &str) -> Value {
        let letter = self.dead_letters.wait_json(&format!("the dead letter of {what}"), |letter| {
            letter["kind"] == "input" && is_at(&letter["origin"], topic, place)
        });
        assert_eq!(letter["reason"], reason, "{what}: {letter}");
        let refused = self.event(&format!("the InputRefused of {what}"), |event| {
            event["type"] == "InputRefused" && is_at(&event["data"]["origin"], topic, place)
        });
        assert_eq!(refused["data"]["reason"], reason, "{what}: {refused}");
        let store = self.at.store();
        crate::support::until(&format!("the row of {what} is in the store"), || {
            let rows = store.query().partition_errors(place.0, 0..=u64::MAX).ok()?;
            rows.into_iter().find(|row| Some(row.sequence) == refused["sequence"].as_u64() && row.code == reason)
        });
        letter
    }

    /// Waits for the rejection of an input and the row that says so; the event.
    #[track_caller]
    pub fn rejection(&mut self, what: &str, topic: &str, place: (u32, u64), reason: &str) -> Value {
        let rejected = self.event(&format!("the InputRejected of {what}"), |event| {
            event["type"] == "InputRejected" && is_at(&event["data"]["origin"], topic, place)
        });
        assert_eq!(rejected["data"]["reason"], reason, "{what}: {rejected}");
        let store = self.at.store();
        crate::support::until(&format!("the row of {what} is in the store"), || {
            let rows = store.query().partition_operations(place.0, 0..=u64::MAX).ok()?;
            rows.into_iter().find(|row| Some(row.sequence) == rejected["sequence"].as_u64())
        });
        rejected
    }

    /// A good request to a partition is answered.
    #[track_caller]
    pub fn goes_on(&mut self, partition: u32) {
        let id = (0..)
            .map(|n| format!("good {partition} {n} {}", uuid::Uuid::new_v4()))
            .find(|id| self.at.home(id) == partition);
        let id = id.expect("one in four hits");
        self.at.request(&id, "chain", &serde_json::json!({ "text": "good" }));
        assert_eq!(self.answer(&id)["answer"]["first"]["text"], "good");
    }
}

/// An event as JSON; null where the record is none.
pub fn event_json(record: &Record) -> Value {
    let value = record.value.as_ref().expect("an event has a body");
    event::json(&orchestrator::wire::event::decode(value).expect("an event"))
}

/// Whether an origin names this place.
pub fn is_at(origin: &Value, topic: &str, (partition, offset): (u32, u64)) -> bool {
    origin["topic"] == topic && origin["partition"] == partition && origin["offset"] == offset
}

/// The dead letter of a node of a workflow.
#[track_caller]
pub fn node_letter(watched: &mut Watched, workflow_id: &str) -> Value {
    watched.dead_letters.wait_json(&format!("the dead letter of {workflow_id}"), |letter| {
        letter["kind"] == "node" && letter["workflow_id"] == workflow_id
    })
}

/// All records of a stream as JSON that are wanted.
pub fn count(stream: &mut Stream, wanted: impl Fn(&Value) -> bool) -> usize {
    stream.records().iter().filter(|record| wanted(&json(record))).count()
}
