//! Dispatches, answers, refusals, dead letters and forwards: each follows from an event that counts, and each that
//! follows is there, always the same.

use super::Forgotten;
use super::invariant::{Breaks, Fault, Invariant};
use super::journal::Told;
use crate::core::command::Origin;
use crate::core::effect::{Effect, effects};
use crate::core::event::PartitionEvent;
use crate::core::id::{AgentName, NodeId, RunId, WorkflowId};
use crate::core::rejection::Rejection;
use crate::log::memory::MemoryLog;
use crate::log::topic::DelayTier;
use crate::log::{Record, Topic};
use crate::simulation::definitions::AGENTS;
use crate::simulation::hand_over::HandOver;
use crate::wire::answer::{self, Response};
use crate::wire::event::Published;
use crate::wire::{headers, request, task, wakeup};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::fmt;

/// What tells an effect apart: its kind and what it is about. A repeated one has the same.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct EffectId {
    /// `dispatch`, `answer`, `refusal`, `letter` or `forward`.
    kind: &'static str,
    /// The attempt, the run, or where the input stands.
    of: String,
}

impl fmt::Display for EffectId {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.of)
    }
}

/// An effect that follows from an event that counts.
pub(super) struct Due {
    /// The event's step.
    pub(super) step: u64,
    /// The kind, as `EffectFailed` names it.
    pub(super) kind: &'static str,
    /// The workflow that `EffectFailed` would name.
    pub(super) workflow_id: Option<WorkflowId>,
}

fn id(kind: &'static str, of: impl fmt::Display) -> EffectId {
    EffectId { kind, of: of.to_string() }
}

/// The dispatch of an attempt.
pub(super) fn dispatch(run_id: &RunId, node_id: &NodeId, attempt: u32) -> EffectId {
    id("dispatch", format!("{run_id}/{node_id}/{attempt}"))
}

/// Where a record stood first.
pub(super) fn origin_of(record: &Record) -> String {
    let place = Origin {
        topic: record.topic.to_string(),
        partition: record.partition,
        offset: record.offset,
        time: record.time,
    };
    request::write_origin(&place)
}

/// What follows from an event, by DESIGN's table and not by the engine's.
pub(super) fn of(event: &Published) -> Vec<(EffectId, &'static str, Option<WorkflowId>)> {
    let recorded = match event {
        Published::Partition(recorded) => return of_partition(&recorded.event),
        Published::Run(recorded) => recorded,
    };
    let workflow_id = || Some(recorded.workflow_id.clone());
    let follow = |effect| {
        Some(match effect {
            Effect::Dispatch(dispatch) => (id("dispatch", dispatch.dispatch_id), "dispatch", workflow_id()),
            Effect::Respond(_) => (id("answer", &recorded.run_id), "respond", workflow_id()),
            // A shorter one waits in memory.
            Effect::Delay(delay) if delay.delay_ms < 1_000 => return None,
            Effect::Delay(delay) => (id("delay", delay.dispatch_id), "delay", workflow_id()),
            Effect::DeadLetterNode(node) => (id("letter", node.dispatch_id), "dead_letter", workflow_id()),
        })
    };
    effects(recorded).into_iter().filter_map(follow).collect()
}

fn of_partition(event: &PartitionEvent) -> Vec<(EffectId, &'static str, Option<WorkflowId>)> {
    let requests = Topic::Requests.to_string();
    match event {
        PartitionEvent::InputRefused(refused) => {
            let origin = request::write_origin(&refused.origin);
            let letter = (id("letter", &origin), "dead_letter", refused.workflow_id.clone());
            let refusal = (id("refusal", &origin), "respond", refused.workflow_id.clone());
            if refused.origin.topic == requests { vec![letter, refusal] } else { vec![letter] }
        }
        // The answer of its run answers it.
        PartitionEvent::InputRejected(rejected) if rejected.reason == Rejection::ALREADY_ACCEPTED => Vec::new(),
        PartitionEvent::InputRejected(rejected) if rejected.origin.topic == requests => {
            let origin = request::write_origin(&rejected.origin);
            vec![(id("refusal", origin), "respond", Some(rejected.workflow_id.clone()))]
        }
        PartitionEvent::InputForwarded(forwarded) => {
            let origin = request::write_origin(&forwarded.origin);
            vec![(id("forward", origin), "forward", Some(forwarded.workflow_id.clone()))]
        }
        _ => Vec::new(),
    }
}

/// What was performed.
#[derive(Default)]
pub(super) struct Performed {
    effects: BTreeMap<EffectId, Bytes>,
    /// What stands for attempts that were handed over in memory, and how often each was.
    in_memory: BTreeMap<EffectId, (Bytes, u64)>,
    /// Where effects stand, and up to where each was read.
    places: Vec<(Topic, u32, u64)>,
}

impl Performed {
    pub(super) fn has(&self, id: &EffectId) -> bool {
        self.effects.contains_key(id)
    }

    /// Whether an attempt was handed over in memory.
    pub(super) fn was_handed_over(&self, id: &EffectId) -> bool {
        self.in_memory.contains_key(id)
    }

    /// How many attempts were handed over in memory, and how often that was done again.
    pub(super) fn handed_over(&self) -> (usize, u64) {
        let again = self.in_memory.values().map(|(_, times)| times - 1).sum();
        (self.in_memory.len(), again)
    }

    pub(super) fn count(&self, kind: &str) -> usize {
        self.effects.keys().filter(|id| id.kind == kind).count()
    }

    /// A topic ends earlier than it did.
    pub(super) fn forget_place(&mut self, topic: &Topic, partition: u32, end: u64) {
        let is_it = |place: &&mut (Topic, u32, u64)| place.0 == *topic && place.1 == partition;
        if let Some((_, _, next)) = self.places.iter_mut().find(is_it) {
            *next = end.min(*next);
        }
    }

    /// Reads what has landed: nothing that does not follow from what counts.
    pub(super) fn read(
        &mut self,
        log: &MemoryLog,
        partitions: u32,
        told: &[Told],
        forgotten: &Forgotten,
    ) -> Result<(), Fault> {
        if self.places.is_empty() {
            self.places = places(partitions).map(|(topic, partition)| (topic, partition, 0)).collect();
        }
        for (topic, partition, next) in &mut self.places {
            for record in log.records_from(topic, *partition, *next) {
                *next = record.offset + 1;
                let Some(id) = performed(&record).breaks(Invariant::EveryEffectHasItsEvent)? else { continue };
                every_effect_has_its_event(&id, &*topic, told, forgotten)?;
                let value = record.value.clone().unwrap_or_default();
                let in_memory = self.in_memory.get(&id).map(|(value, _)| value);
                let before = self.effects.entry(id.clone()).or_insert_with(|| in_memory.unwrap_or(&value).clone());
                let is_the_same = *before == value || is_retold(&id, told, forgotten);
                Invariant::OneAnswerPerRun.holds(is_the_same, || format!("{id} was performed twice, differently"))?;
            }
        }
        Ok(())
    }

    /// An attempt was handed over in memory: that follows from a step which counted already, and the attempt is the same
    /// wherever it goes.
    pub(super) fn hand_over(&mut self, hand_over: HandOver, told: &[Told], forgotten: &Forgotten) -> Result<(), Fault> {
        let HandOver { partition, dispatch_id, value, journal_end } = hand_over;
        let id = id("dispatch", dispatch_id);
        every_effect_has_its_event(&id, "memory", told, forgotten)?;
        let stands_at = told[partition as usize].stands_at(&id);
        Invariant::EveryEffectHasItsEvent.holds(stands_at.is_none_or(|offset| offset < journal_end), || {
            format!("{id} was handed over when the journal ended at {journal_end}, its step stands at {stands_at:?}")
        })?;
        let before = self.effects.get(&id).or_else(|| Some(&self.in_memory.get(&id)?.0));
        let is_the_same = before.is_none_or(|before| *before == value) || is_retold(&id, told, forgotten);
        Invariant::OneAnswerPerRun.holds(is_the_same, || format!("{id} was handed over twice, differently"))?;
        self.in_memory.entry(id).or_insert((value, 0)).1 += 1;
        Ok(())
    }

    /// Nothing that follows is missing, but what failed for good and was recorded as that.
    pub(super) fn no_effect_is_missing(&self, told: &[Told]) -> Result<(), Fault> {
        for told in told {
            if let Some(lost) =
                told.due.keys().find(|id| !self.has(id) && !self.was_handed_over(id) && !told.has_failed(id))
            {
                let what = format!("partition {}: {lost} was never performed", told.partition);
                return Err(Invariant::NoEffectIsMissing.broken(what));
            }
        }
        Ok(())
    }
}

/// What was done follows from an event that counts already, or did before the journal lost it.
fn every_effect_has_its_event(
    id: &EffectId,
    place: impl fmt::Display,
    told: &[Told],
    forgotten: &Forgotten,
) -> Result<(), Fault> {
    let follows = told.iter().any(|told| told.due.contains_key(id)) || forgotten.effects.contains(id);
    Invariant::EveryEffectHasItsEvent
        .holds(follows, || format!("an effect of no step that counts stands in {place}: {id}"))
}

/// What was decided anew after a loss may have been decided otherwise: by a journal that has lost what it said, or because
/// the input's topic was read again. An input that was sent on before that has been decided by the other partition, too.
fn is_retold(id: &EffectId, told: &[Told], forgotten: &Forgotten) -> bool {
    let was_forgotten = |id| forgotten.effects.contains(id);
    let was_read_again = told.iter().any(|told| told.outcomes_of(&id.of).len() > 1);
    was_forgotten(id) || was_forgotten(&forward(&id.of)) || was_read_again
}

fn places(partitions: u32) -> impl Iterator<Item = (Topic, u32)> {
    let ready = AGENTS.map(|agent| Topic::Ready(AgentName::new(agent).expect("the agents have legal names")));
    let inputs = [Topic::Requests, Topic::Results, Topic::Signals];
    let topics = [Topic::Responses, Topic::DeadLetters].into_iter().chain(inputs).chain(ready);
    let topics = topics.chain(DelayTier::ALL.map(Topic::Delay));
    topics.flat_map(move |topic| (0..partitions).map(move |partition| (topic.clone(), partition)))
}

/// Which effect a record performs; none where it is somebody else's.
fn performed(record: &Record) -> Result<Option<EffectId>, String> {
    let value = record.value.as_deref().unwrap_or_default();
    Ok(Some(match &record.topic {
        Topic::Ready(_) => id("dispatch", task::decode(value).map_err(|error| error.to_string())?.dispatch_id),
        Topic::Responses => match answer::decode(value).map_err(|error| error.to_string())? {
            Response::Answer { run_id, .. } => id("answer", run_id),
            Response::Refused { origin, .. } => id("refusal", request::write_origin(&origin)),
        },
        Topic::DeadLetters => letter(value)?,
        Topic::Delay(_) => id("delay", wakeup::decode(value).map_err(|error| error.to_string())?.dispatch_id),
        _ => match record.header(headers::ORIGIN) {
            Some(origin) => id("forward", String::from_utf8_lossy(origin)),
            None => return Ok(None),
        },
    }))
}

fn letter(value: &[u8]) -> Result<EffectId, String> {
    let letter: serde_json::Value = serde_json::from_slice(value).map_err(|error| error.to_string())?;
    if letter["kind"] == "node" {
        return Ok(id("letter", letter["dispatch_id"].as_str().unwrap_or_default()));
    }
    let origin = &letter["origin"];
    let time: jiff::Timestamp = origin["time"]
        .as_str()
        .unwrap_or_default()
        .parse()
        .map_err(|error| format!("a dead letter's time: {error}"))?;
    let topic = origin["topic"].as_str().unwrap_or_default();
    Ok(id("letter", format!("{topic}/{}/{}/{}", origin["partition"], origin["offset"], time.as_millisecond())))
}

/// The sending on of an input.
pub(super) fn forward(origin: &str) -> EffectId {
    id("forward", origin)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::time::Timestamp;
    use crate::log::memory::{Clock, ProcessId};
    use crate::log::plan::topic_plan;
    use crate::log::{Log, NewRecord, Purpose};

    /// Two refusals of one request, for different reasons, and what the judge says of them.
    fn refused_twice(forgotten: &Forgotten) -> Result<(), Fault> {
        let log = MemoryLog::new(Clock::at(Timestamp(0)), 1);
        let client = log.process(ProcessId(1));
        client.create_topics(&topic_plan(2, 1)).expect("topics");
        let mut appender = client.appender(Purpose::Client).expect("an appender");
        let origin = Origin { topic: "requests".to_owned(), partition: 1, offset: 1, time: Timestamp(0) };
        let mut told = [Told::new(0), Told::new(1)];
        for (partition, reason) in [(0, "duplicate"), (1, "engine_fault")] {
            let (reason, message, origin) = (reason.to_owned(), String::new(), origin.clone());
            let refused = Response::Refused { workflow_id: None, run_id: None, reason, message, details: None, origin };
            let value = Some(answer::encode(&refused));
            let (topic, partition_of) = (Topic::Responses, Some(partition));
            let record = NewRecord { topic, partition: partition_of, key: None, value, headers: vec![] };
            appender.append(record, u64::from(partition)).expect("taken");
            let due = Due { step: 1, kind: "respond", workflow_id: None };
            told[partition as usize].due.insert(id("refusal", "requests/1/1/0"), due);
        }
        log.settle();
        Performed::default().read(&log, 2, &told, forgotten)
    }

    #[test]
    fn a_request_is_refused_by_two_partitions_only_where_its_sending_on_is_forgotten() {
        let mut forgotten = Forgotten::default();
        let fault = Invariant::OneAnswerPerRun.broken("refusal requests/1/1/0 was performed twice, differently");
        assert_eq!(refused_twice(&forgotten), Err(fault));
        forgotten.effects.insert(forward("requests/1/1/0"));
        assert_eq!(refused_twice(&forgotten), Ok(()));
    }
}
