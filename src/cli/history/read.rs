//! The events of a run: from the journal where the store says they stand, or from the whole event stream.

use crate::core::apply::fold;
use crate::core::event::{Event, PartitionEvent, Recorded};
use crate::core::id::{RunId, WorkflowId};
use crate::core::partition::partition_of;
use crate::core::run::Run;
use crate::installation::records::read_to_end;
use crate::journal::record::{JournalRecord, Owner};
use crate::journal::rule::{ReadersRule, Verdict};
use crate::log::{Log, LogError, Record, Topic};
use crate::store::row::partition_subject;
use crate::store::{JournalMark, Position, Store};
use crate::wire::event::{PartitionRecorded, Published};
use crate::wire::{chain, event, headers, journal};
use anyhow::{Context, Error, Result, anyhow, bail};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

/// The events of a run, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History {
    /// The partition it lives in.
    pub partition: u32,
    /// The events, by sequence.
    pub events: Vec<Recorded>,
    /// Events of the partition that name the workflow and no other run of it, by sequence: inputs that were rejected or
    /// refused, letters that were worked off.
    pub beside: Vec<PartitionRecorded>,
}

impl History {
    /// Whether its first event is there.
    fn begins(&self) -> bool {
        self.events.first().is_some_and(|first| first.sequence == 1)
    }

    /// All events in the order of time; those of the run stand before what was said of it at the same moment.
    pub fn in_order(&self) -> Vec<Published> {
        let run = self.events.iter().cloned().map(Published::Run);
        let mut all: Vec<_> = run.chain(self.beside.iter().cloned().map(Published::Partition)).collect();
        all.sort_by_key(|event| match event {
            Published::Run(recorded) => recorded.time,
            Published::Partition(recorded) => recorded.time,
        });
        all
    }
}

/// Journal offsets nearer to each other than this are read in one go rather than by seeking.
const NEAR: u64 = 256;

/// Folds a whole history.
///
/// # Errors
/// Where it is not whole, or not in order.
pub fn folded(events: &[Recorded]) -> Result<Run> {
    let mut run = None;
    for event in events {
        fold(&mut run, event).context("the history is broken")?;
    }
    run.ok_or_else(|| anyhow!("the history is empty"))
}

/// The events of a run (the newest of the workflow, or the one asked for), from the journal: first what the store
/// knows the place of, then what is not projected yet. Where the journal has lost some of them, from the event stream.
///
/// # Errors
/// Where log or store do not answer, or the journal is not readable.
pub fn from_journal(
    log: &dyn Log,
    store: &dyn Store,
    workflow_id: &WorkflowId,
    run_id: Option<&RunId>,
) -> Result<Option<History>> {
    let partition = home(log, workflow_id)?;
    // The position first: what is projected after it shows up in both, and twice is once.
    let position = store.position(partition)?;
    let stored = store.query().run(workflow_id, run_id)?.map(|(_, run)| run.run_id);
    let mut found = Runs::new(workflow_id);
    if let Some(known) = &stored {
        found.newest = Some(known.clone());
        let beside = store.query().workflow_offsets(partition, workflow_id)?;
        let offsets: BTreeSet<u64> = store.query().offsets(known)?.into_iter().chain(beside).collect();
        for group in groups(&offsets) {
            if !read_group(log, partition, &group, &mut found)? {
                return from_events(log, workflow_id, run_id);
            }
        }
    }
    read_unprojected(log, partition, position.as_ref(), &mut found)?;
    match found.history(partition, run_id) {
        // Of what a journal has lost, the store that was made anew since knows no place.
        Some(history) if !history.begins() => from_events(log, workflow_id, run_id),
        None if stored.is_some() => from_events(log, workflow_id, run_id),
        found => Ok(found),
    }
}

/// The events of a run from the event stream, read from its start.
///
/// # Errors
/// Where the log does not answer, or a record does not continue the run's hash chain.
pub fn from_events(log: &dyn Log, workflow_id: &WorkflowId, run_id: Option<&RunId>) -> Result<Option<History>> {
    let partition = home(log, workflow_id)?;
    let mut found = Runs::new(workflow_id);
    let mut chains: BTreeMap<RunId, [u8; 16]> = BTreeMap::new();
    let of_partition = partition_subject(partition);
    read_to_end(log, &Topic::Events, partition, 0, |record| {
        let key = record.key.as_deref().unwrap_or_default();
        if key == workflow_id.as_str().as_bytes() || key == of_partition.as_bytes() {
            match decoded(&record)? {
                Some(Published::Run(recorded)) if found.is_next(&recorded) => {
                    check_chain(&record, &recorded, &mut chains)?;
                    found.add(recorded);
                }
                Some(Published::Partition(recorded)) => found.add_beside(recorded),
                Some(Published::Run(_)) | None => {}
            }
        }
        Ok::<_, Error>(ControlFlow::Continue(()))
    })?;
    Ok(found.history(partition, run_id))
}

fn home(log: &dyn Log, workflow_id: &WorkflowId) -> Result<u32> {
    let partitions = log.partitions(&Topic::Journal)?;
    let partitions = partitions.ok_or_else(|| LogError::UnknownTopic(Topic::Journal.to_string()))?;
    Ok(partition_of(workflow_id.as_str().as_bytes(), partitions))
}

fn decoded(record: &Record) -> Result<Option<Published>> {
    let place = || format!("{}/{}, offset {}", record.topic, record.partition, record.offset);
    record.value.as_deref().map(event::decode).transpose().with_context(place)
}

/// Holds a record against the run's hash chain, where the record carries one and the chain is known from its start.
fn check_chain(record: &Record, recorded: &Recorded, chains: &mut BTreeMap<RunId, [u8; 16]>) -> Result<()> {
    let (Some(found), Some(body)) = (record.header(headers::CHAIN), &record.value) else { return Ok(()) };
    let previous = match recorded.sequence {
        1 => chain::START,
        _ => match chains.get(&recorded.run_id) {
            Some(previous) => *previous,
            None => return Ok(()),
        },
    };
    let expected = chain::next(&previous, body);
    let digits: String = hex::encode(expected);
    if found != digits.as_bytes() {
        bail!(
            "event {} of run {} does not continue the run's hash chain: expected {digits}, found {}; something was \
             changed or left out",
            recorded.sequence,
            recorded.run_id,
            String::from_utf8_lossy(found)
        );
    }
    chains.insert(recorded.run_id.clone(), expected);
    Ok(())
}

/// Offsets in groups that are read in one go.
fn groups(offsets: &BTreeSet<u64>) -> Vec<Vec<u64>> {
    let mut groups: Vec<Vec<u64>> = Vec::new();
    for offset in offsets {
        match groups.last_mut() {
            Some(group) if group.last().is_some_and(|last| offset.saturating_sub(*last) <= NEAR) => group.push(*offset),
            _ => groups.push(vec![*offset]),
        }
    }
    groups
}

/// Whether the journal has all records of a group.
fn read_group(log: &dyn Log, partition: u32, group: &[u64], found: &mut Runs) -> Result<bool> {
    let (Some(first), Some(last)) = (group.first(), group.last()) else { return Ok(true) };
    let wanted: BTreeSet<u64> = group.iter().copied().collect();
    let mut seen = 0;
    read_to_end(log, &Topic::Journal, partition, *first, |record| {
        if wanted.contains(&record.offset) {
            seen += 1;
            found.add_step(&record, &journal_record(&record)?)?;
        }
        Ok::<_, Error>(if record.offset >= *last { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })?;
    if seen < wanted.len() {
        let lost = wanted.len() - seen;
        tracing::info!(partition, "the journal has lost {lost} of the records from {first} to {last}: reading events");
    }
    Ok(seen == wanted.len())
}

fn read_unprojected(log: &dyn Log, partition: u32, position: Option<&Position>, found: &mut Runs) -> Result<()> {
    unprojected(log, partition, position, |record, decoded, counts| match counts {
        true => found.add_step(record, decoded),
        false => Ok(()),
    })
}

/// Hands out the records of a journal that are not projected, in order, and of each whether it counts.
///
/// # Errors
/// Where the log does not answer, the journal is not readable, or `each` says so.
pub fn unprojected(
    log: &dyn Log,
    partition: u32,
    position: Option<&Position>,
    mut each: impl FnMut(&Record, &JournalRecord, bool) -> Result<()>,
) -> Result<()> {
    // From above the last step that is projected: takings that follow it say whose step comes next.
    let mark = position.and_then(|position| position.mark);
    let mut rule = mark.map_or_else(ReadersRule::default, rule_at);
    let from = mark.map_or(0, |mark| mark.offset + 1);
    read_to_end(log, &Topic::Journal, partition, from, |record| {
        let decoded = journal_record(&record)?;
        let counts = rule.read(&decoded) == Verdict::Counts;
        each(&record, &decoded, counts)?;
        Ok(ControlFlow::Continue(()))
    })
}

/// The readers' rule as it stands after the last counting record below a position.
fn rule_at(mark: JournalMark) -> ReadersRule {
    ReadersRule {
        current: Some((mark.term, Owner(mark.owner))),
        last_number: mark.number.unwrap_or(0),
        ..ReadersRule::default()
    }
}

fn journal_record(record: &Record) -> Result<JournalRecord> {
    let value = record.value.clone().unwrap_or_default();
    journal::decode(&value).with_context(|| format!("journal/{}, offset {}", record.partition, record.offset))
}

/// The runs of a workflow as far as they have been read.
struct Runs {
    workflow_id: WorkflowId,
    newest: Option<RunId>,
    events: BTreeMap<RunId, BTreeMap<u64, Recorded>>,
    /// What the partition says of the workflow, by sequence.
    beside: BTreeMap<u64, PartitionRecorded>,
}

impl Runs {
    fn new(workflow_id: &WorkflowId) -> Self {
        Self { workflow_id: workflow_id.clone(), newest: None, events: BTreeMap::new(), beside: BTreeMap::new() }
    }

    /// Whether an event is not a repetition of one that has been read.
    fn is_next(&self, recorded: &Recorded) -> bool {
        let last = self.events.get(&recorded.run_id).and_then(|events| events.last_key_value());
        last.is_none_or(|(sequence, _)| recorded.sequence > *sequence)
    }

    fn add(&mut self, recorded: Recorded) {
        if recorded.workflow_id != self.workflow_id {
            return;
        }
        let events = self.events.entry(recorded.run_id.clone()).or_default();
        if matches!(recorded.event, Event::WorkflowStarted(_)) {
            self.newest = Some(recorded.run_id.clone());
        }
        events.insert(recorded.sequence, recorded);
    }

    fn add_beside(&mut self, recorded: PartitionRecorded) {
        if recorded.event.workflow_id() == Some(&self.workflow_id) {
            self.beside.insert(recorded.sequence, recorded);
        }
    }

    fn add_step(&mut self, record: &Record, decoded: &JournalRecord) -> Result<()> {
        let JournalRecord::Step(step) = decoded else { return Ok(()) };
        for body in step.transitions.iter().flat_map(|transition| &transition.events) {
            let place = || format!("journal/{}, offset {}", record.partition, record.offset);
            match event::decode(body).with_context(place)? {
                Published::Run(recorded) => self.add(recorded),
                Published::Partition(recorded) => self.add_beside(recorded),
            }
        }
        Ok(())
    }

    fn history(mut self, partition: u32, run_id: Option<&RunId>) -> Option<History> {
        let run_id = run_id.or(self.newest.as_ref())?.clone();
        let events = self.events.remove(&run_id)?;
        let is_of_it = |beside: &PartitionRecorded| match &beside.event {
            PartitionEvent::InputRejected(event) => event.run_id.as_ref().is_none_or(|of| *of == run_id),
            _ => true,
        };
        let beside = self.beside.into_values().filter(is_of_it).collect();
        Some(History { partition, events: events.into_values().collect(), beside })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::event::{InputRejected, NodeStarted, RunSettings, WorkflowStarted};
    use crate::core::retry::RetryPolicy;
    use crate::core::{command::Origin, definition::*, id::*, json::Json, time::Timestamp};
    use crate::journal::record::{Cause, PartitionTaken, Step, Transition};
    use crate::log::memory::{Clock, MemoryLog, ProcessId};
    use crate::log::plan::topic_plan;
    use crate::log::{NewRecord, Purpose};

    fn recorded(run: char, sequence: u64) -> Recorded {
        let event = match sequence {
            1 => Event::WorkflowStarted(WorkflowStarted {
                lineage: None,
                carried: Vec::new(),
                inputs: Vec::new(),
                definition: DefinitionRef {
                    name: DefinitionName::new("shop").unwrap(),
                    version: 1,
                    hash: DefinitionHash("h".into()),
                },
                input: Json::null(),
                conversation_id: None,
                origin: Origin { topic: "requests".to_owned(), partition: 0, offset: 0, time: Timestamp(0) },
                payload_hash: String::new(),
                traceparent: None,
                settings: RunSettings {
                    parallel_threshold: 2,
                    max_agent_calls: 5,
                    agent_timeout_ms: 1,
                    retry: RetryPolicy::never(),
                    timeout_ms: None,
                },
                agents: Vec::new(),
            }),
            _ => Event::NodeStarted(NodeStarted { node_id: NodeId::new("n").unwrap(), attempt: 1 }),
        };
        Recorded {
            workflow_id: WorkflowId::new("w").unwrap(),
            run_id: RunId::new(&run.to_string().repeat(32)).unwrap(),
            sequence,
            time: Timestamp(0),
            event,
        }
    }

    #[test]
    fn the_newest_run_is_the_one_that_started_last() {
        let mut runs = Runs::new(&WorkflowId::new("w").unwrap());
        for event in [recorded('b', 1), recorded('b', 2), recorded('a', 1), recorded('b', 3), recorded('a', 1)] {
            runs.add(event);
        }
        assert!(!runs.is_next(&recorded('b', 3)) && runs.is_next(&recorded('b', 4)));
        let history = runs.history(2, None).unwrap();
        assert_eq!((history.partition, history.events), (2, vec![recorded('a', 1)]));
    }

    /// A taking moves the store's position, and not the record that it remembers.
    #[test]
    fn what_a_new_owner_writes_is_read_where_the_store_has_seen_it_take_the_partition() {
        let step = |term: u64, number, run| {
            let transition = Transition {
                cause: Cause::Continuation,
                chain: chain::START,
                traceparent: None,
                events: vec![event::encode(&recorded(run, 1))],
                input: None,
            };
            let (owner, transitions) = (Owner([term as u8; 16]), vec![transition]);
            let (time, positions) = (Timestamp(0), vec![]);
            JournalRecord::Step(Step { term, owner, number, time, positions, effects_through: None, transitions })
        };
        let taken = |term: u64| {
            JournalRecord::PartitionTaken(PartitionTaken {
                term,
                owner: Owner([term as u8; 16]),
                time: Timestamp(0),
                group: String::new(),
                host: String::new(),
                version: String::new(),
                cluster: String::new(),
            })
        };
        let log = MemoryLog::new(Clock::at(Timestamp(0)), 1).process(ProcessId(1));
        log.create_topics(&topic_plan(1, 1)).unwrap();
        let mut appender = log.appender(Purpose::Client).unwrap();
        for (token, record) in [taken(1), step(1, 1, 'a'), taken(2), step(2, 2, 'b')].iter().enumerate() {
            let value = Some(journal::encode(record));
            let record = NewRecord { topic: Topic::Journal, partition: Some(0), key: None, value, headers: vec![] };
            appender.append(record, token as u64).unwrap();
        }
        let position = Position {
            next_offset: 3,
            mark: Some(JournalMark { offset: 1, term: 1, owner: [1; 16], number: Some(1) }),
            inputs: vec![],
            effects_through: None,
            partition_sequence: 0,
            partition_chain: chain::START,
            time: Timestamp(0),
            breakers: BTreeMap::new(),
        };
        let mut found = Runs::new(&WorkflowId::new("w").unwrap());
        read_unprojected(&log, 0, Some(&position), &mut found).unwrap();
        assert_eq!(found.events.into_keys().collect::<Vec<_>>(), [recorded('b', 1).run_id]);
    }

    #[test]
    fn what_is_said_beside_a_run_stands_among_its_events_unless_it_is_of_another() {
        let rejected = |sequence, time, of: Option<char>, workflow: &str| PartitionRecorded {
            partition: 2,
            sequence,
            time: Timestamp(time),
            event: PartitionEvent::InputRejected(InputRejected {
                origin: Origin { topic: "results".to_owned(), partition: 2, offset: sequence, time: Timestamp(time) },
                reason: "attempt_ended".to_owned(),
                message: String::new(),
                workflow_id: WorkflowId::new(workflow).unwrap(),
                run_id: of.map(|run| RunId::new(&run.to_string().repeat(32)).unwrap()),
            }),
        };
        let mut runs = Runs::new(&WorkflowId::new("w").unwrap());
        let later = Recorded { time: Timestamp(9), ..recorded('a', 2) };
        [recorded('a', 1), later].into_iter().for_each(|event| runs.add(event));
        let beside = [(1, 5, Some('a'), "w"), (2, 9, None, "w"), (3, 6, Some('b'), "w"), (4, 6, None, "x")];
        for (sequence, time, of, workflow) in beside {
            runs.add_beside(rejected(sequence, time, of, workflow));
            runs.add_beside(rejected(sequence, time, of, workflow));
        }
        let order: Vec<(bool, i64)> = runs
            .history(2, None)
            .unwrap()
            .in_order()
            .iter()
            .map(|event| match event {
                Published::Run(recorded) => (true, recorded.time.0),
                Published::Partition(recorded) => (false, recorded.time.0),
            })
            .collect();
        assert_eq!(order, [(true, 0), (false, 5), (true, 9), (false, 9)]);
    }

    #[test]
    fn a_gap_breaks_a_history() {
        assert_eq!(folded(&[recorded('a', 1), recorded('a', 2)]).unwrap().sequence, 2);
        let broken = folded(&[recorded('a', 1), recorded('a', 3)]).unwrap_err();
        assert!(format!("{broken:#}").contains("expected event 2"), "{broken:#}");
        assert!(folded(&[]).is_err());
    }

    #[test]
    fn near_offsets_are_read_in_one_go() {
        assert_eq!(groups(&[1, 2, 200, 1_000, 1_001].into()), [vec![1, 2, 200], vec![1_000, 1_001]]);
        assert!(groups(&BTreeSet::new()).is_empty());
    }
}
