//! Given these records, these histories.

use super::*;
use crate::core::event::{Event, InputRejected, NodeStarted, PartitionEvent, RunSettings, WorkflowStarted};
use crate::core::retry::RetryPolicy;
use crate::core::{command::Origin, definition::*, id::*, json::Json, time::Timestamp};
use crate::journal::record::{Cause, JournalRecord, Owner, PartitionTaken, Step, Transition};
use crate::log::memory::{Clock, MemoryLog, ProcessId};
use crate::log::plan::topic_plan;
use crate::log::{NewRecord, Purpose};
use crate::store::{JournalMark, Position};

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
        _ => Event::NodeStarted(NodeStarted { node_id: NodeId::new("n").unwrap(), attempt: 1, local: false }),
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

#[test]
fn an_older_run_that_is_read_later_is_not_the_newest() {
    let at = |time: i64, run| Recorded { time: Timestamp(time), ..recorded(run, 1) };
    let mut runs = Runs::new(&WorkflowId::new("w").unwrap());
    runs.add(at(2, 'b'));
    runs.add(at(1, 'a'));
    assert_eq!(runs.history(0, None).unwrap().events, vec![at(2, 'b')]);
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
        let value = Some(crate::wire::journal::encode(record));
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
        generation: 0,
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
    assert_eq!(journal::groups(&[1, 2, 1_000, 3_000, 3_001].into()), [vec![1, 2, 1_000], vec![3_000, 3_001]]);
    assert!(journal::groups(&BTreeSet::new()).is_empty());
}
