//! The invariants, checked on what stands in the log and in the store after everything has come to rest.

use super::world::Report;
use crate::core::apply::fold;
use crate::core::definition::Definition;
use crate::core::definition::graph::Graph;
use crate::core::effect::{Effect, effects};
use crate::core::event::{Event, PartitionEvent, Recorded};
use crate::core::frontier::Frontier;
use crate::core::id::RunId;
use crate::core::rejection::Rejection;
use crate::core::run::Run;
use crate::core::status::NodeStatus;
use crate::engine::state::PartitionState;
use crate::journal::record::{Cause, JournalRecord, Transition};
use crate::journal::rule::{ReadersRule, Verdict};
use crate::log::Topic;
use crate::log::memory::MemoryLog;
use crate::store::Store;
use crate::store::memory::MemoryStore;
use crate::wire::answer::{self, Response};
use crate::wire::event::{Published, decode};
use crate::wire::{chain, headers, journal, task};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What the checks look at.
pub struct Surroundings<'a> {
    /// The log.
    pub log: &'a MemoryLog,
    /// The store.
    pub store: &'a MemoryStore,
    /// The definitions.
    pub definitions: &'a [Definition],
    /// How many partitions there are.
    pub partitions: u32,
    /// The states that owners hold.
    pub owned: Vec<&'a PartitionState>,
}

/// What a journal says: the counting steps' events, and the runs that they fold into.
#[derive(Default)]
struct Told {
    /// Every counting event with its bytes, in journal order.
    published: Vec<(Published, Bytes)>,
    runs: BTreeMap<RunId, Run>,
    dispatches: BTreeSet<String>,
    answers: BTreeSet<RunId>,
    steps: u64,
    takings: u64,
    void_records: u64,
    /// How many transitions each input record led to.
    decided: BTreeMap<(String, u32, u64), u64>,
}

impl Told {
    /// Counts what each input led to. A record that says what is about to be tried decides nothing.
    fn note_cause(&mut self, transition: &Transition) {
        let tries = transition.events.iter().any(
            |body| matches!(decode(body), Ok(Published::Partition(p)) if matches!(p.event, PartitionEvent::Trying(_))),
        );
        if let (Cause::Input(origin), false) = (&transition.cause, tries) {
            *self.decided.entry((origin.topic.clone(), origin.partition, origin.offset)).or_default() += 1;
        }
    }
}

/// Every input record led to exactly one transition: none is dropped in silence, none is decided twice.
fn check_inputs(around: &Surroundings, partition: u32, told: &Told) -> Result<(), String> {
    for topic in [Topic::Requests, Topic::Results] {
        for record in around.log.records(&topic, partition) {
            // A forwarded record is counted under its first origin, as often as it was forwarded.
            if record.header(headers::ORIGIN).is_some() {
                continue;
            }
            let times = told.decided.get(&(topic.to_string(), partition, record.offset)).copied().unwrap_or(0);
            if times != 1 {
                return Err(format!("the record at offset {} of {topic} was decided {times} times", record.offset));
            }
        }
    }
    Ok(())
}

/// Checks everything.
///
/// # Errors
/// The first invariant that does not hold.
pub fn all(around: &Surroundings) -> Result<Report, String> {
    let graphs: BTreeMap<_, _> =
        around.definitions.iter().map(|d| (d.hash.clone(), Arc::new(Graph::compile(d)))).collect();
    let mut report = Report::default();
    let mut told = Vec::new();
    for partition in 0..around.partitions {
        let journal =
            read_journal(around, partition, &graphs).map_err(|what| format!("journal {partition}: {what}"))?;
        report.repeated_publications +=
            check_events(around, partition, &journal).map_err(|what| format!("events {partition}: {what}"))?;
        check_inputs(around, partition, &journal).map_err(|what| format!("inputs {partition}: {what}"))?;
        check_store(around, partition, &journal).map_err(|what| format!("store {partition}: {what}"))?;
        report.steps += journal.steps;
        report.takings += journal.takings;
        report.void_records += journal.void_records;
        report.runs += journal.runs.len();
        told.push(journal);
    }
    check_tasks(around, &told)?;
    check_responses(around, &told)?;
    if let Some(state) = around.owned.iter().find(|state| !state.runs.is_empty()) {
        return Err(format!("an owner at rest has {} unfinished runs", state.runs.len()));
    }
    Ok(report)
}

fn read_journal(
    around: &Surroundings,
    partition: u32,
    graphs: &BTreeMap<crate::core::definition::DefinitionHash, Arc<Graph>>,
) -> Result<Told, String> {
    let mut told = Told::default();
    let mut rule = ReadersRule::default();
    let mut positions: BTreeMap<String, u64> = BTreeMap::new();
    let mut last_term = 0;
    for record in around.log.records(&Topic::Journal, partition) {
        let value = record.value.ok_or("a record without value")?;
        let decoded = journal::decode(&value).map_err(|error| error.to_string())?;
        if rule.read(&decoded) != Verdict::Counts {
            continue;
        }
        let step = match decoded {
            JournalRecord::Step(step) => step,
            JournalRecord::PartitionTaken(taken) => {
                // Not by the rule's own word: a fault of the rule has to be seen.
                if taken.term <= last_term {
                    return Err(format!("the taking of term {} counts after that of term {last_term}", taken.term));
                }
                last_term = taken.term;
                told.takings += 1;
                continue;
            }
        };
        told.steps += 1;
        if step.number != told.steps {
            return Err(format!("counting step {} is the {}th", step.number, told.steps));
        }
        for input in &step.positions {
            let before = positions.insert(input.topic.clone(), input.next).unwrap_or(0);
            if input.next < before {
                return Err(format!("step {}: {} goes back from {before} to {}", step.number, input.topic, input.next));
            }
        }
        for transition in &step.transitions {
            told.note_cause(transition);
            for body in &transition.events {
                let event = decode(body).map_err(|error| error.to_string())?;
                if let Published::Run(recorded) = &event {
                    take(recorded, &mut told, graphs)?;
                }
                told.published.push((event, body.clone()));
            }
        }
    }
    told.void_records = rule.void_records;
    // A run lasts seconds here, and a repeated request is recognised for a day.
    let mut workflows = BTreeSet::new();
    if let Some(twice) = told.runs.values().find(|run| !workflows.insert(run.workflow_id.clone())) {
        return Err(format!("workflow {:?} was started twice", twice.workflow_id));
    }
    match told.runs.values().find(|run| !run.status.has_ended()) {
        Some(run) => Err(format!("run {} of {:?} has not ended: {}", run.run_id, run.workflow_id, run.status)),
        None => Ok(told),
    }
}

/// Folds an event, and holds it against the state before it.
fn take(
    recorded: &Recorded,
    told: &mut Told,
    graphs: &BTreeMap<crate::core::definition::DefinitionHash, Arc<Graph>>,
) -> Result<(), String> {
    let mut run = told.runs.remove(&recorded.run_id);
    if let Some(run) = &run {
        check_event(recorded, run, graphs)?;
    }
    fold(&mut run, recorded).map_err(|fault| fault.to_string())?;
    told.runs.extend(run.map(|run| (recorded.run_id.clone(), run)));
    for effect in effects(recorded) {
        match effect {
            Effect::Dispatch(dispatch) => {
                told.dispatches.insert(dispatch.dispatch_id.to_string());
            }
            Effect::Respond(_) => {
                told.answers.insert(recorded.run_id.clone());
            }
            Effect::DeadLetterNode(_) => {}
        }
    }
    Ok(())
}

fn check_event(
    recorded: &Recorded,
    run: &Run,
    graphs: &BTreeMap<crate::core::definition::DefinitionHash, Arc<Graph>>,
) -> Result<(), String> {
    let place = format!("event {} of run {}", recorded.sequence, run.run_id);
    if run.status.has_ended() && !recorded.event.ends_the_run() {
        return Err(format!("{place}: {} after the end", recorded.event.name()));
    }
    if recorded.time < run.time {
        return Err(format!("{place}: time runs backwards"));
    }
    match &recorded.event {
        Event::NodeScheduled(event) => {
            if run.nodes.contains_key(&event.node_id) {
                return Err(format!("{place}: {} is scheduled twice", event.node_id));
            }
            let graph = graphs.get(&run.definition.hash).ok_or("an unknown definition")?;
            let frontier = Frontier::of(run, graph).map_err(|failure| failure.message)?;
            let index = frontier.index(&event.node_id).ok_or_else(|| format!("{place}: an unknown node"))?;
            if !frontier.ready().contains(&index) {
                return Err(format!("{place}: {} is scheduled before its dependencies", event.node_id));
            }
        }
        Event::NodeCompleted(event) => {
            let status = run.nodes.get(&event.node_id).map(|node| node.status);
            if !status.is_some_and(NodeStatus::is_open) {
                return Err(format!("{place}: {} completes while it is {status:?}", event.node_id));
            }
        }
        _ => {}
    }
    Ok(())
}

/// Every counting event is in the event stream, in order for each subject; what is there twice is there identically.
fn check_events(around: &Surroundings, partition: u32, told: &Told) -> Result<u64, String> {
    let mut expected: BTreeMap<String, Vec<Bytes>> = BTreeMap::new();
    for (event, body) in &told.published {
        expected.entry(subject(event)).or_default().push(body.clone());
    }
    let mut seen: BTreeMap<String, (usize, [u8; 16])> = BTreeMap::new();
    let mut repeated = 0;
    for record in around.log.records(&Topic::Events, partition) {
        let body = record.value.clone().ok_or("a record without value")?;
        let event = decode(&body).map_err(|error| error.to_string())?;
        let (subject, sequence) = (subject(&event), sequence(&event));
        let place = format!("{subject}/{sequence} at offset {}", record.offset);
        let index = usize::try_from(sequence - 1).map_err(|_| format!("{place}: no sequence"))?;
        let bodies = expected.get(&subject).ok_or_else(|| format!("{place}: of a step that does not count"))?;
        if bodies.get(index) != Some(&body) {
            return Err(format!("{place}: not what the journal says"));
        }
        let (count, chain) = seen.entry(subject).or_insert((0, chain::START));
        if index > *count {
            return Err(format!("{place}: event {} is missing before it", *count + 1));
        }
        if index < *count {
            repeated += 1;
            continue;
        }
        *count += 1;
        *chain = chain::next(chain, &body);
        if record.header(headers::CHAIN) != Some(hex::encode(*chain).as_bytes()) {
            return Err(format!("{place}: the chain is broken"));
        }
    }
    for (subject, bodies) in &expected {
        let found = seen.get(subject).map_or(0, |(count, _)| *count);
        if found != bodies.len() {
            return Err(format!("{subject} has {} events, {found} were published", bodies.len()));
        }
    }
    Ok(repeated)
}

fn subject(event: &Published) -> String {
    match event {
        Published::Run(recorded) => recorded.run_id.to_string(),
        Published::Partition(recorded) => format!("partition-{}", recorded.partition),
    }
}

fn sequence(event: &Published) -> u64 {
    match event {
        Published::Run(recorded) => recorded.sequence,
        Published::Partition(recorded) => recorded.sequence,
    }
}

/// Every task follows from a counting event, none is missing, and a repeated one is the same.
fn check_tasks(around: &Surroundings, told: &[Told]) -> Result<(), String> {
    let expected: BTreeSet<_> = told.iter().flat_map(|told| told.dispatches.iter().cloned()).collect();
    let mut found: BTreeMap<String, Bytes> = BTreeMap::new();
    for agent in super::definitions::AGENTS {
        let agent = crate::core::id::AgentName::new(agent).map_err(|fault| fault.to_string())?;
        for partition in 0..around.partitions {
            for record in around.log.records(&Topic::Ready(agent.clone()), partition) {
                let value = record.value.ok_or("a task without value")?;
                let task = task::decode(&value).map_err(|error| error.to_string())?;
                let id = task.dispatch_id.to_string();
                if !expected.contains(&id) {
                    return Err(format!("task {id} of a step that does not count"));
                }
                if found.insert(id.clone(), value.clone()).is_some_and(|before| before != value) {
                    return Err(format!("task {id} was dispatched twice, differently"));
                }
            }
        }
    }
    match expected.iter().find(|id| !found.contains_key(*id)) {
        Some(lost) => Err(format!("task {lost} was never dispatched")),
        None => Ok(()),
    }
}

/// Every run is answered, always with the same answer; every refused or repeated request is answered too.
fn check_responses(around: &Surroundings, told: &[Told]) -> Result<(), String> {
    let mut answers: BTreeMap<String, Bytes> = BTreeMap::new();
    let mut refusals: BTreeSet<(String, u32, u64)> = BTreeSet::new();
    for partition in 0..around.partitions {
        for record in around.log.records(&Topic::Responses, partition) {
            let value = record.value.ok_or("a response without value")?;
            match answer::decode(&value).map_err(|error| error.to_string())? {
                Response::Answer { run_id, .. } => {
                    let before = answers.insert(run_id.to_string(), value.clone());
                    if before.is_some_and(|before| before != value) {
                        return Err(format!("run {run_id} has two different answers"));
                    }
                }
                Response::Refused { origin, .. } => {
                    refusals.insert((origin.topic, origin.partition, origin.offset));
                }
            }
        }
    }
    let expected: BTreeSet<_> = told.iter().flat_map(|told| told.answers.iter().map(ToString::to_string)).collect();
    if let Some(extra) = answers.keys().find(|run| !expected.contains(*run)) {
        return Err(format!("run {extra} was answered by a step that does not count"));
    }
    if let Some(lost) = expected.iter().find(|run| !answers.contains_key(*run)) {
        return Err(format!("run {lost} was never answered"));
    }
    for (event, _) in told.iter().flat_map(|told| &told.published) {
        let Published::Partition(recorded) = event else { continue };
        let origin = match &recorded.event {
            PartitionEvent::InputRefused(refused) => &refused.origin,
            // The answer of its run answers it.
            PartitionEvent::InputRejected(rejected) if rejected.reason == Rejection::ALREADY_ACCEPTED => continue,
            PartitionEvent::InputRejected(rejected) => &rejected.origin,
            _ => continue,
        };
        let place = (origin.topic.clone(), origin.partition, origin.offset);
        if origin.topic == Topic::Requests.to_string() && !refusals.contains(&place) {
            return Err(format!("the request at {place:?} was refused, and not answered"));
        }
    }
    Ok(())
}

/// The projection is the fold.
fn check_store(around: &Surroundings, partition: u32, told: &Told) -> Result<(), String> {
    let query = around.store.query();
    for run in told.runs.values() {
        let found = query.run(&run.workflow_id, Some(&run.run_id)).map_err(|error| error.to_string())?;
        match found {
            Some((place, stored)) if place == partition && stored == *run => {}
            Some((_, stored)) => return Err(format!("expected {run:?}, found {stored:?}")),
            None => return Err(format!("run {} is missing", run.run_id)),
        }
    }
    Ok(())
}
