//! Events as lines for people and as JSON for programs.

use super::run::lineage_words;
use super::style::{Paint, harmless, short};
use super::time::duration;
use super::time::{clock, rfc3339};
use crate::core::event::{Event, NodeRecovered, PartitionEvent, Recorded};
use crate::core::failure::Recovery;
use crate::wire::event::{PartitionRecorded, Published};
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::time::Duration;

/// An event's payload as JSON: the fields of its schema, with JSON strings (inputs, outputs …) as the values they
/// hold.
pub fn payload(event: &Event) -> Value {
    match event {
        Event::WorkflowStarted(e) => fields(e),
        Event::PlanMade(e) => fields(e),
        Event::NodeScheduled(e) => fields(e),
        Event::NodeStarted(e) => fields(e),
        Event::NodeProgressed(e) => fields(e),
        Event::NodeRecovered(e) => fields(e),
        Event::NodeCompleted(e) => fields(e),
        Event::NodeFailed(e) => fields(e),
        Event::NodeRetryScheduled(e) => fields(e),
        Event::StateTransitioned(e) => fields(e),
        Event::WorkflowCompleted(e) => fields(e),
        Event::WorkflowFailed(e) => fields(e),
    }
}

fn partition_payload(event: &PartitionEvent) -> Value {
    match event {
        PartitionEvent::InputRefused(e) => fields(e),
        PartitionEvent::InputRejected(e) => fields(e),
        PartitionEvent::InputForwarded(e) => fields(e),
        PartitionEvent::EffectFailed(e) => fields(e),
        PartitionEvent::InputLost(e) => fields(e),
        PartitionEvent::Trying(e) => fields(e),
        PartitionEvent::BreakerChanged(e) => fields(e),
        PartitionEvent::DeadLetterHandled(e) => fields(e),
    }
}

/// The fields of payloads that hold JSON as a string.
const JSON_FIELDS: [&str; 6] = ["input", "output", "plan", "answer", "details", "context"];

/// The fields of payloads that hold objects with such fields: what a run takes over, and what is given to its nodes.
const OBJECT_FIELDS: [&str; 2] = ["carried", "inputs"];

/// The fields of payloads that hold times, besides those that end with `_at`.
const TIME_FIELDS: [&str; 3] = ["time", "deadline", "until"];

fn fields(payload: &impl Serialize) -> Value {
    let mut value = serde_json::to_value(payload).unwrap_or(Value::Null);
    let Some(object) = value.as_object_mut() else { return value };
    read_json(object);
    for field in OBJECT_FIELDS {
        let elements = object.get_mut(field).and_then(Value::as_array_mut).into_iter().flatten();
        elements.filter_map(Value::as_object_mut).for_each(read_json);
    }
    readable_times(object);
    if let Some(Value::Object(origin)) = object.get_mut("origin") {
        readable_times(origin);
    }
    value
}

fn read_json(object: &mut Map<String, Value>) {
    for field in JSON_FIELDS {
        if let Some(held) = object.get_mut(field)
            && let Some(parsed) = held.as_str().and_then(|text| serde_json::from_str(text).ok())
        {
            *held = parsed;
        }
    }
}

/// Times are numbers on the wire and RFC 3339 for whoever reads JSON.
fn readable_times(object: &mut Map<String, Value>) {
    let is_time = |field: &str| TIME_FIELDS.contains(&field) || field.ends_with("_at");
    for (_, value) in object.iter_mut().filter(|(field, _)| is_time(field)) {
        if let Some(micros) = value.as_i64() {
            *value = Value::String(rfc3339(crate::core::time::Timestamp(micros)));
        }
    }
}

/// An event of the stream as JSON: `{"type", "workflow_id", "run_id", "sequence", "time", "data"}`, or with
/// `"partition"` in place of workflow and run.
pub fn json(published: &Published) -> Value {
    match published {
        Published::Run(recorded) => run_json(recorded),
        Published::Partition(recorded) => json!({
            "type": recorded.event.name(),
            "partition": recorded.partition,
            "sequence": recorded.sequence,
            "time": rfc3339(recorded.time),
            "data": partition_payload(&recorded.event),
        }),
    }
}

fn run_json(recorded: &Recorded) -> Value {
    json!({
        "type": recorded.event.name(),
        "workflow_id": recorded.workflow_id.as_str(),
        "run_id": recorded.run_id.as_str(),
        "sequence": recorded.sequence,
        "time": rfc3339(recorded.time),
        "data": payload(&recorded.event),
    })
}

/// An event of the stream as a line: time, workflow, sequence, name, what matters of it.
pub fn line(published: &Published, paint: Paint) -> String {
    match published {
        Published::Run(recorded) => {
            let subject = short(&harmless(recorded.workflow_id.as_str()), 36);
            written(recorded.time, &subject, recorded.sequence, &event_words(&recorded.event, paint), paint)
        }
        Published::Partition(recorded) => {
            let subject = format!("partition {}", recorded.partition);
            written(recorded.time, &subject, recorded.sequence, &partition_words(recorded, paint), paint)
        }
    }
}

fn written(time: crate::core::time::Timestamp, subject: &str, sequence: u64, words: &str, paint: Paint) -> String {
    let (time, subject) = (paint.dim(&clock(time)), paint.name(&format!("{subject:36}")));
    format!("{time} {subject} {sequence:>4} {words}")
}

/// Name and detail of an event of a run, the name padded so that details stand under one another.
pub fn event_words(event: &Event, paint: Paint) -> String {
    let name = format!("{:18}", event.name());
    let name = match event {
        Event::WorkflowCompleted(_) | Event::NodeCompleted(_) | Event::NodeRecovered(_) => paint.good(&name),
        Event::WorkflowFailed(_) | Event::NodeFailed(_) => paint.bad(&name),
        Event::NodeScheduled(_) | Event::NodeStarted(_) | Event::NodeProgressed(_) | Event::NodeRetryScheduled(_) => {
            paint.busy(&name)
        }
        Event::WorkflowStarted(_) => paint.strong(&name),
        Event::PlanMade(_) | Event::StateTransitioned(_) => paint.dim(&name),
    };
    format!("{name} {}", detail(event)).trim_end().to_owned()
}

/// How much of a JSON value a line shows.
const VALUE_CHARS: usize = 100;

fn detail(event: &Event) -> String {
    let value = |json: &crate::core::json::Json| short(&harmless(json.as_str()), VALUE_CHARS);
    match event {
        Event::WorkflowStarted(e) => {
            let from = e.lineage.as_ref().map_or_else(String::new, |from| format!(" from run {}", lineage_words(from)));
            format!("{} v{}{from} {}", e.definition.name, e.definition.version, value(&e.input))
        }
        Event::PlanMade(e) => match (&e.planner, &e.plan) {
            (Some(planner), Some(plan)) => format!("by {planner} {}", value(plan)),
            _ => "the definition's own graph".to_owned(),
        },
        Event::NodeScheduled(e) => {
            format!("{} ({}) attempt {} {}", e.node_id, e.agent_name, e.attempt, value(&e.input))
        }
        Event::NodeStarted(e) if e.local => format!("{} attempt {} in the engine's process", e.node_id, e.attempt),
        Event::NodeStarted(e) => format!("{} attempt {}", e.node_id, e.attempt),
        Event::NodeProgressed(e) => format!("{} attempt {}", e.node_id, e.attempt),
        Event::NodeRecovered(e) => format!("{} {} {}", e.node_id, recovery_words(e), value(&e.output)),
        Event::NodeCompleted(e) => format!("{} {}", e.node_id, value(&e.output)),
        Event::NodeFailed(e) => {
            let message = short(&harmless(&e.message), VALUE_CHARS);
            format!("{} attempt {} {}: {message}", e.node_id, e.attempt, harmless(&e.code))
        }
        Event::NodeRetryScheduled(e) => {
            let delay = duration(Duration::from_millis(e.delay_ms));
            format!("{} attempt {} in {delay}, at {}", e.node_id, e.attempt, clock(e.due_at))
        }
        Event::StateTransitioned(e) => format!("{} → {}", e.from, e.to),
        Event::WorkflowCompleted(e) => value(&e.answer),
        Event::WorkflowFailed(e) => {
            let node = e.node_id.as_ref().map_or_else(String::new, |node| format!("{node} "));
            format!("{node}{}: {}", e.code, short(&harmless(&e.message), VALUE_CHARS))
        }
    }
}

fn recovery_words(event: &NodeRecovered) -> String {
    match event.how {
        Recovery::Skip => "is skipped:".to_owned(),
        Recovery::ContinueWith => "goes on with its default".to_owned(),
        Recovery::RouteTo => {
            format!("goes on with the output of {}", event.failure_node.as_ref().map_or("?", |node| node.as_str()))
        }
        Recovery::Supply => format!("was supplied by {}", harmless(event.by.as_deref().unwrap_or("?"))),
    }
}

/// Name and detail of an event of a partition.
pub fn partition_words(recorded: &PartitionRecorded, paint: Paint) -> String {
    let origin = |o: &crate::core::command::Origin| format!("{}/{}/{}", o.topic, o.partition, o.offset);
    let sentence = |text: &str| short(&harmless(text), VALUE_CHARS);
    let detail = match &recorded.event {
        PartitionEvent::InputRefused(e) => format!("{} {}: {}", origin(&e.origin), e.reason, sentence(&e.message)),
        PartitionEvent::InputRejected(e) => format!("{} {}: {}", origin(&e.origin), e.reason, sentence(&e.message)),
        PartitionEvent::InputForwarded(e) => format!("{} to partition {}", origin(&e.origin), e.to_partition),
        PartitionEvent::EffectFailed(e) => format!("{} on {}: {}", e.effect, e.topic, sentence(&e.message)),
        PartitionEvent::InputLost(e) => {
            format!("{} from {} to {}: {}", e.topic, e.expected, e.resumed_at, sentence(&e.message))
        }
        PartitionEvent::Trying(e) => origin(&e.origin),
        PartitionEvent::BreakerChanged(e) => {
            let (agent, from, to) = (&e.agent_name, e.from.as_str(), e.to.as_str());
            format!("{agent} {from} → {to}, {} of {} attempts failed", e.failures, e.calls)
        }
        PartitionEvent::DeadLetterHandled(e) => {
            let run = e.run_id.as_ref().map_or_else(String::new, |run| format!(" as run {run}"));
            format!("{} {} by {}{run}", e.letter_id, e.action, sentence(&e.by))
        }
    };
    let name = format!("{:18}", recorded.event.name());
    let name = match recorded.event {
        PartitionEvent::InputRefused(_) | PartitionEvent::EffectFailed(_) | PartitionEvent::InputLost(_) => {
            paint.bad(&name)
        }
        _ => paint.busy(&name),
    };
    format!("{name} {detail}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::breaker::BreakerStatus;
    use crate::core::event::{BreakerChanged, NodeCompleted, NodeFailed};
    use crate::core::failure::{ClassifiedBy, FailureClass, FinalBecause};
    use crate::core::id::{AgentName, NodeId, RunId, WorkflowId};
    use crate::core::json::Json;
    use crate::core::time::Timestamp;

    fn recorded(event: Event) -> Published {
        Published::Run(Recorded {
            workflow_id: WorkflowId::new("order 7").unwrap(),
            run_id: RunId::new(&"a".repeat(32)).unwrap(),
            sequence: 5,
            time: Timestamp(1_738_324_800_000_000),
            event,
        })
    }

    #[test]
    fn programs_read_outputs_as_values() {
        let output = Json::parse("{\"total\": 12}").unwrap();
        let event = NodeCompleted { node_id: NodeId::new("sum").unwrap(), attempt: 1, output, usage: None };
        let json = json(&recorded(Event::NodeCompleted(event)));
        assert_eq!(json["data"]["output"]["total"], 12);
        assert_eq!((&json["type"], &json["workflow_id"]), (&"NodeCompleted".into(), &"order 7".into()));
        assert_eq!(json["time"], "2025-01-31T12:00:00Z");
    }

    #[test]
    fn programs_read_every_time_in_one_form() {
        let event = BreakerChanged {
            agent_name: AgentName::new("adder").unwrap(),
            from: BreakerStatus::Closed,
            to: BreakerStatus::Open,
            calls: 50,
            failures: 48,
            until: Some(Timestamp(1_738_324_800_000_000)),
        };
        assert_eq!(partition_payload(&PartitionEvent::BreakerChanged(event))["until"], "2025-01-31T12:00:00Z");
    }

    #[test]
    fn people_read_one_harmless_line() {
        let event = NodeFailed {
            handling: None,
            node_id: NodeId::new("sum").unwrap(),
            agent_name: AgentName::new("adder").unwrap(),
            attempt: 1,
            class: FailureClass::Retryable,
            code: "agent_failed".to_owned(),
            message: "no\n\u{1b}[2J".to_owned(),
            details: None,
            input: None,
            classified_by: ClassifiedBy::Agent,
            retry_after_ms: None,
            final_because: Some(FinalBecause::NotRetryable),
            usage: None,
        };
        let line = line(&recorded(Event::NodeFailed(event)), Paint::PLAIN);
        assert!(line.starts_with("12:00:00.000 order 7 "), "{line}");
        assert!(line.ends_with("5 NodeFailed         sum attempt 1 agent_failed: no\\u{a}\\u{1b}[2J"), "{line}");
    }
}
