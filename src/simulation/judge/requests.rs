//! What became of each request, held against what its client knows about it: a bad one is refused, once, for the right
//! reason; a misplaced one is sent on and started once; a good one starts a run, or repeats one that is there.

use super::effects;
use super::journal::{Outcome, Told};
use crate::core::id::WorkflowId;
use crate::core::partition::partition_of;
use crate::core::rejection::Rejection;
use crate::log::memory::MemoryLog;
use crate::log::{Record, Topic};
use crate::simulation::client::{EXPECTED, Expected};
use crate::wire::headers;
use std::collections::BTreeSet;

/// Every request that stands in the log.
pub(super) fn check(log: &MemoryLog, told: &[Told], lossy: &BTreeSet<(Topic, u32)>) -> Result<(), String> {
    for here in told {
        for record in log.records(&Topic::Requests, here.partition) {
            if record.header(headers::ORIGIN).is_some() {
                continue;
            }
            let origin = effects::origin_of(&record);
            let header = record.header(EXPECTED).ok_or_else(|| format!("{origin} is of no client"))?;
            let expected = Expected::read(header).ok_or_else(|| format!("{origin} expects what nobody knows"))?;
            check_request(&record, &origin, &expected, told, lossy)
                .map_err(|what| format!("the request at {origin} expects {expected:?}: {what}"))?;
        }
    }
    Ok(())
}

fn check_request(
    record: &Record,
    origin: &str,
    expected: &Expected,
    told: &[Told],
    lossy: &BTreeSet<(Topic, u32)>,
) -> Result<(), String> {
    let here = &told[record.partition as usize];
    let found = here.outcomes_of(origin);
    // The engine may have died of it, as far as it knows: it gave it three chances.
    if found.iter().any(|outcome| *outcome == Outcome::Refused("engine_fault".to_owned())) {
        return Ok(());
    }
    match expected {
        Expected::Anything if found.is_empty() => Err("nothing became of it".to_owned()),
        Expected::Anything => Ok(()),
        Expected::Refused(reason) => {
            let is_it = |outcome: &Outcome| matches!(outcome, Outcome::Refused(found) if found == reason);
            if found.iter().all(is_it) { Ok(()) } else { Err(format!("found {found:?}")) }
        }
        Expected::Derived => match found {
            [Outcome::Started(_), ..] => Ok(()),
            _ => Err(format!("found {found:?}")),
        },
        Expected::Run(id) => {
            let home = partition_of(id.as_str().as_bytes(), told.len() as u32);
            if home == record.partition {
                return check_home(id, found, here);
            }
            if !found.iter().all(|outcome| *outcome == Outcome::Forwarded(home)) {
                return Err(format!("it belongs into partition {home}, found {found:?}"));
            }
            let sent_on = effects::forward(origin);
            if here.has_failed(&sent_on) || lossy.contains(&(Topic::Requests, home)) {
                return Ok(());
            }
            let there = &told[home as usize];
            check_home(id, there.outcomes_of(origin), there)
        }
    }
}

/// In its own partition a request starts a run, repeats one, or comes too late for its id; a run is there then.
fn check_home(id: &WorkflowId, found: &[Outcome], home: &Told) -> Result<(), String> {
    let starts = found.iter().filter(|outcome| matches!(outcome, Outcome::Started(started) if started == id)).count();
    let repeats = found.iter().filter(|outcome| match outcome {
        Outcome::Rejected(reason) => reason == "duplicate" || reason == Rejection::ALREADY_ACCEPTED,
        Outcome::Refused(reason) => reason == "id_conflict" || reason == "engine_fault",
        _ => false,
    });
    if found.is_empty() || starts > 1 || starts + repeats.count() != found.len() {
        return Err(format!("found {found:?}"));
    }
    let buried = found.iter().any(|outcome| *outcome == Outcome::Refused("engine_fault".to_owned()));
    let runs = home.runs.values().filter(|run| run.workflow_id == *id).count();
    if runs > 0 || buried { Ok(()) } else { Err(format!("found {found:?} and no run")) }
}
