//! What was recorded, read again: replay gives every state that was lived through, and `verify` finds nothing.

use super::Judge;
use crate::core::event::Recorded;
use crate::core::id::RunId;
use crate::core::run::Run;
use crate::engine::owner::Owning;
use crate::engine::settings::EngineSettings;
use crate::history::point;
use crate::history::verify::{Fault, Known, Listener, Parts, verify, verify_rest};
use crate::log::Topic;
use crate::log::memory::{MemoryLog, ProcessId};
use crate::store::memory::MemoryStore;
use crate::wire::event::{Published, decode};
use std::collections::BTreeMap;

/// The process that verifies.
const VERIFIER: ProcessId = ProcessId(9_001);

/// The states that owners held in memory, by run and number of the last event.
pub(super) type Lived = BTreeMap<(RunId, u64), Run>;

/// Remembers what an owner's memory holds.
pub(super) fn remember(lived: &mut Lived, owning: &Owning) {
    for entry in owning.state().runs.values() {
        lived.entry((entry.run.run_id.clone(), entry.run.sequence)).or_insert_with(|| entry.run.clone());
    }
}

/// How many states were lived through, and replayed from the event stream.
pub(super) fn check(judge: &Judge, store: &MemoryStore) -> Result<usize, String> {
    if !judge.forgotten.partitions.is_empty() || !judge.lossy.is_empty() {
        return Ok(0);
    }
    let namespace = EngineSettings::default().namespace;
    let (mut replayed, mut known) = (0, Known::default());
    for partition in 0..judge.partitions {
        check_verify(&judge.log, &namespace, store, partition, &mut known)?;
        replayed += check_replay(&judge.log, &judge.lived, partition)?;
    }
    let mut first = First(None);
    let rest = verify_rest(&judge.log.process(VERIFIER), store, judge.partitions, &mut known, &mut first);
    rest.map_err(|error| error.to_string())?;
    first.0.map_or(Ok(replayed), |fault| Err(format!("verify: {fault:?}")))
}

fn check_verify(
    log: &MemoryLog,
    namespace: &str,
    store: &MemoryStore,
    partition: u32,
    known: &mut Known,
) -> Result<(), String> {
    let process = log.process(VERIFIER);
    let parts = Parts { log: &process, events: &process, is_copy: false, store: Some(store), namespace, partition };
    let mut first = First(None);
    let report = verify(parts, known, &mut first).map_err(|error| error.to_string())?;
    match first.0 {
        None if report.unpublished == 0 && report.unprojected == 0 => Ok(()),
        None => Err(format!("verify: not everything was compared: {report:?}")),
        Some(fault) => Err(format!("verify: {fault:?}")),
    }
}

struct First(Option<Fault>);

impl Listener for First {
    fn fault(&mut self, fault: Fault) {
        self.0.get_or_insert(fault);
    }

    fn progress(&mut self, _: u64) {}
}

fn check_replay(log: &MemoryLog, lived: &Lived, partition: u32) -> Result<usize, String> {
    let mut histories: BTreeMap<RunId, BTreeMap<u64, Recorded>> = BTreeMap::new();
    for record in log.records(&Topic::Events, partition) {
        let value = record.value.unwrap_or_default();
        if let Published::Run(recorded) = decode(&value).map_err(|error| error.to_string())? {
            histories.entry(recorded.run_id.clone()).or_default().insert(recorded.sequence, recorded);
        }
    }
    let mut replayed = 0;
    for (run_id, events) in histories {
        let events: Vec<Recorded> = events.into_values().collect();
        for count in 1..=events.len() {
            let state = point::state(&events[..count]).map_err(|fault| fault.to_string())?;
            let lived = lived.get(&(run_id.clone(), count as u64));
            if lived.is_some() && lived != state.as_ref() {
                return Err(format!("replay at event {count}: expected {lived:?}, found {state:?}"));
            }
            replayed += usize::from(lived.is_some());
        }
    }
    Ok(replayed)
}
