//! What can be judged only once all partitions have been verified: rows of which no event tells, and what was done with
//! letters, which may stand in the journal of another partition than the letter.

use super::known::{Handled, Known};
use super::{Counting, Fault, Kind, Listener, VerifyError, next_record};
use crate::core::id::LetterId;
use crate::journal::record::JournalRecord;
use crate::log::cursor::Cursor;
use crate::log::{Log, Topic};
use crate::store::letter::HandledRow;
use crate::store::query::{LetterHalf, RowsOf};
use crate::store::{Store, clean_opt};
use crate::wire::event::{self, Published};
use crate::wire::journal;
use std::collections::BTreeSet;

const LETTERS: &str = "orchestrator_dead_letters";
/// How many rows are asked for at a time.
const PAGE: usize = 5_000;

/// How far [`verify_rest`] went, and what it found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rest {
    /// Runs and partitions whose rows were looked up among the events, once for each table.
    pub owners: u64,
    /// Dead letters that were looked up, and of which was compared what was done with them.
    pub letters: u64,
    /// Whether rows could be judged of which no event tells: not where events are gone from stream and journal.
    pub judged: bool,
    /// Differences.
    pub faults: u64,
}

/// A row that nothing is known of so far: the tables may have moved on.
enum Doubt {
    Owner(RowsOf, String),
    Letter(LetterHalf),
}

/// Looks for rows in the tables of which no event tells, and compares what was done with letters. `known` was told of all
/// the partitions.
///
/// # Errors
/// Where log or store do not answer. What differs is told to the listener, and is no error.
pub fn verify_rest(
    log: &dyn Log,
    store: &dyn Store,
    partitions: u32,
    known: &mut Known,
    listener: &mut dyn Listener,
) -> Result<Rest, VerifyError> {
    known.sort();
    let mut rest = Rest { judged: !known.is_cut, ..Rest::default() };
    let mut doubts = Vec::new();
    for of in RowsOf::ALL {
        let mut after = String::new();
        loop {
            let owners = store.query().owners(of, &after, PAGE)?;
            rest.owners += owners.len() as u64;
            let Some(last) = owners.last() else { break };
            after.clone_from(last);
            let unknown = owners.into_iter().filter(|owner| !known.has_owner(owner, partitions));
            doubts.extend(unknown.map(|owner| Doubt::Owner(of, owner)));
        }
    }
    letters(store, known, &mut rest, &mut doubts)?;
    if !doubts.is_empty() {
        read_on(log, known)?;
    }
    let mut to = Counting { listener, faults: 0 };
    for doubt in doubts {
        fault_of(&doubt, known, partitions).into_iter().for_each(|fault| to.fault(fault));
    }
    Ok(Rest { faults: to.faults, ..rest })
}

fn letters(store: &dyn Store, known: &Known, rest: &mut Rest, doubts: &mut Vec<Doubt>) -> Result<(), VerifyError> {
    let is_handled = |(_, told): &(&LetterId, &Vec<Handled>)| told.iter().any(|told| told.is_projected);
    let mut not_there: BTreeSet<LetterId> =
        known.handled().iter().filter(is_handled).map(|(letter_id, _)| letter_id.clone()).collect();
    let mut after = None;
    loop {
        let halves = store.query().letter_halves(after.as_ref(), PAGE)?;
        let Some(last) = halves.last() else { break };
        after = Some(last.letter_id.clone());
        rest.letters += halves.len() as u64;
        for half in halves {
            not_there.remove(&half.letter_id);
            if !known.has_letter(&half.letter_id) || !is_as_told(&half, known) {
                doubts.push(Doubt::Letter(half));
            }
        }
    }
    let nothing = |letter_id| Doubt::Letter(LetterHalf { letter_id, has_letter: false, handled: None });
    doubts.extend(not_there.into_iter().map(nothing));
    Ok(())
}

/// Whether a letter's row says of what was done with it what the events say: the last of it counts, and what has not been
/// projected when the journals were read may have been since.
fn is_as_told(half: &LetterHalf, known: &Known) -> bool {
    let told = known.handled().get(&half.letter_id).map(Vec::as_slice).unwrap_or_default();
    let newest = told.iter().filter(|told| told.is_projected).map(|told| told.row.at).max();
    match &half.handled {
        None => newest.is_none(),
        Some(found) => told.iter().any(|told| cleaned(&told.row) == cleaned(found) && Some(found.at) >= newest),
    }
}

fn cleaned(row: &HandledRow) -> HandledRow {
    let clean = |text: &str| clean_opt(Some(text)).unwrap_or_default().into_owned();
    HandledRow { by: clean(&row.by), note: row.note.as_deref().map(clean), ..row.clone() }
}

/// What the journals tell beyond where they were read to: what is in the tables by now is in them. A step that does not
/// count excuses what the tables say as well as one that does; the next verification knows better.
fn read_on(log: &dyn Log, known: &mut Known) -> Result<(), VerifyError> {
    for (partition, from) in known.read_to.clone() {
        let end = log.ends(&Topic::Journal, partition)?.high;
        let mut cursor = Cursor::new(log, &Topic::Journal, partition, from..end)?;
        while let Some(record) = next_record(&mut cursor)? {
            let Ok(JournalRecord::Step(step)) = journal::decode(&record.value.unwrap_or_default()) else { continue };
            for body in step.transitions.iter().flat_map(|of| &of.events) {
                let Ok(published) = event::decode(body) else { continue };
                known.tell(&published, false);
                if let Published::Run(recorded) = &published {
                    known.run(recorded.run_id.as_str());
                }
            }
        }
    }
    known.sort();
    Ok(())
}

fn fault_of(doubt: &Doubt, known: &Known, partitions: u32) -> Option<Fault> {
    let nothing = "nothing".to_owned();
    match doubt {
        Doubt::Owner(of, owner) if !known.is_cut && !known.has_owner(owner, partitions) => {
            let fault = Fault::new(Kind::RowUnknown, None, nothing, "rows");
            Some(Fault { table: Some(of.table()), subject: Some(owner.clone()), ..fault })
        }
        Doubt::Letter(half) if !known.is_cut && !known.has_letter(&half.letter_id) => {
            Some(of_letter(Kind::RowUnknown, half, nothing, format!("{half:?}")))
        }
        Doubt::Letter(half) if !is_as_told(half, known) => {
            let told = known.handled().get(&half.letter_id).map(Vec::as_slice).unwrap_or_default();
            let expected = told.iter().filter(|told| told.is_projected).max_by_key(|told| told.row.at);
            // Nothing is known of what is gone.
            let is_lost = known.is_cut && expected.is_none();
            let expected = expected.map_or(nothing, |told| format!("{:?}", told.row));
            let found = half.handled.as_ref().map_or_else(|| "nothing".to_owned(), |row| format!("{row:?}"));
            (!is_lost).then(|| of_letter(Kind::RowDiffers, half, expected, found))
        }
        Doubt::Owner(..) | Doubt::Letter(_) => None,
    }
}

fn of_letter(kind: Kind, half: &LetterHalf, expected: String, found: String) -> Fault {
    let field = (kind == Kind::RowDiffers).then(|| "handled".to_owned());
    let subject = Some(format!("letter {}", half.letter_id));
    Fault { table: Some(LETTERS), subject, field, ..Fault::new(kind, None, expected, found) }
}
