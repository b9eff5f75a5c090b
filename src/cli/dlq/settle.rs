//! Waiting for the tables: until they know a letter that is asked for, and until they say that it was worked off.

use super::pick::{Pick, Picked, pick};
use crate::cli::exit::{Exit, fail, of_error};
use crate::core::id::LetterId;
use crate::shutdown::Stop;
use crate::store::StoreError;
use crate::store::letter::{LetterFilter, LetterState};
use crate::store::query::Query;
use anyhow::Result;
use std::time::{Duration, Instant};

/// The tables follow the journal by some milliseconds; a letter that is not there after so long is not coming.
const KNOWN_WITHIN: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(50);

/// Finds the letters; what is asked for by name may have failed a moment ago.
///
/// # Errors
/// As [`pick`].
pub fn find(which: &Pick, query: &dyn Query) -> Result<Picked> {
    let is_named = !which.ids.is_empty() || which.which.workflow.is_some();
    let begun = Instant::now();
    loop {
        let picked = pick(which, query);
        let is_missing = match &picked {
            Ok(Picked { open, handled }) => open.is_empty() && handled.is_empty(),
            Err(error) => of_error(error) == Exit::NotFound,
        };
        if !is_missing || !is_named {
            return picked;
        }
        if begun.elapsed() >= KNOWN_WITHIN {
            let picked = picked?;
            return match &which.which.workflow {
                Some(id) => Err(fail(Exit::NotFound, format!("workflow {id} has no open dead letter that fits"))),
                None => Ok(picked),
            };
        }
        std::thread::sleep(PAUSE);
    }
}

/// Waits until the tables say that these letters were worked off, or somebody stops it; those of which they do not say it
/// by then.
///
/// # Errors
/// Where the store does not answer.
pub fn settle(
    letters: Vec<LetterId>,
    within: Duration,
    query: &dyn Query,
    stop: &Stop,
) -> Result<Vec<LetterId>, StoreError> {
    let begun = Instant::now();
    let mut open = letters;
    while !open.is_empty() && !stop.is_set() {
        let mut still_open = Vec::new();
        for id in open {
            let filter = LetterFilter { id: Some(id.to_string()), limit: 1, ..LetterFilter::default() };
            let is_open = query.letters(&filter)?.iter().all(|found| found.state() == LetterState::Open);
            still_open.extend(is_open.then_some(id));
        }
        open = still_open;
        if open.is_empty() || begun.elapsed() >= within {
            break;
        }
        stop.wait(PAUSE);
    }
    Ok(open)
}
