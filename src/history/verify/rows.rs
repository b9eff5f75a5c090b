//! What differs between the rows that have to be there and those that are.

use super::fields::{Difference, Row, fit, of_letters};
use super::{Fault, Kind, VerifyError};
use crate::store::Store;
use crate::store::letter::{LetterFilter, LetterRow};
use std::collections::BTreeMap;

const LETTERS: &str = "orchestrator_dead_letters";
pub(super) const NOTHING: &str = "nothing";

/// What differs between the rows of a table: those that are expected, and those that are there of events up to a number.
pub(super) fn differences<R: Row>(
    partition: u32,
    table: &'static str,
    expected: &[R],
    found: Vec<R>,
    events: std::ops::RangeInclusive<u64>,
) -> Vec<Fault> {
    let found = found.into_iter().filter(|row| events.contains(&row.id().sequence));
    let mut found: BTreeMap<_, R> = found.map(|row| (row.id(), fitted(&row))).collect();
    let mut faults = Vec::new();
    let mut differs = |kind, row: &R, field: Option<String>, expected: String, found: String| {
        let fault = Fault::new(kind, partition, expected, found).of_id(&row.id());
        faults.push(Fault { table: Some(table), field, ..fault });
    };
    for row in expected.iter().map(fitted) {
        match found.remove(&row.id()) {
            None => differs(Kind::RowMissing, &row, None, format!("{row:?}"), NOTHING.to_owned()),
            Some(other) if other == row => {}
            Some(other) => {
                for Difference { field, expected, found } in row.differences(&other) {
                    differs(Kind::RowDiffers, &row, Some(field), expected, found);
                }
            }
        }
    }
    for row in found.values() {
        differs(Kind::RowUnknown, row, None, NOTHING.to_owned(), format!("{row:?}"));
    }
    faults
}

fn fitted<R: Row>(row: &R) -> R {
    let mut row = row.clone();
    row.fit();
    row
}

/// What differs between offsets that have to be noted and those that are, below `bound`. Below `low` there is nothing any
/// more in the journal: tables that were made anew since do not know of it.
pub(super) fn of_offsets(expected: &[u64], found: &[u64], low: u64, bound: u64) -> Option<Difference> {
    let found: Vec<u64> = found.iter().copied().filter(|offset| *offset < bound).collect();
    let there = |offsets: &[u64]| offsets.iter().copied().filter(|offset| *offset >= low).collect::<Vec<_>>();
    let gone = found.iter().filter(|offset| **offset < low);
    let is_right = there(expected) == there(&found) && gone.into_iter().all(|offset| expected.contains(offset));
    (!is_right).then(|| Difference {
        field: "offsets".to_owned(),
        expected: format!("{expected:?}"),
        found: format!("{found:?}"),
    })
}

/// What differs between letters and their rows. What was done with them is for [`super::rest`].
pub(super) fn of_letter_rows(
    partition: u32,
    store: &dyn Store,
    expected: &[LetterRow],
) -> Result<Vec<Fault>, VerifyError> {
    let mut faults = Vec::new();
    for row in expected {
        let filter = LetterFilter { id: Some(row.letter.letter_id.to_string()), limit: 1, ..LetterFilter::default() };
        let found = store.query().letters(&filter)?.pop();
        let mut fault = |kind, field, expected: String, found: String| {
            let fault = Fault::new(kind, partition, expected, found);
            faults.push(Fault {
                table: Some(LETTERS),
                workflow_id: row.letter.workflow_id.clone(),
                subject: Some(row.letter.subject.clone()),
                sequence: Some(row.letter.sequence),
                field,
                ..fault
            });
        };
        let Some(found) = found else {
            fault(Kind::RowMissing, None, format!("letter {}", row.letter.letter_id), NOTHING.to_owned());
            continue;
        };
        let document = store.query().letter_document(&row.letter.letter_id)?.unwrap_or_default();
        let [mut expected, mut stored] = [row.letter.clone(), found.letter];
        for letter in [&mut expected, &mut stored] {
            fit(&mut letter.code);
            fit(&mut letter.message);
        }
        let mut all = of_letters(&expected, &stored);
        if found.partition != partition {
            let (expected, found) = (partition.to_string(), found.partition.to_string());
            all.push(Difference { field: "partition".to_owned(), expected, found });
        }
        let [mut expected, mut found] = [row.document.clone(), document];
        fit(&mut expected);
        fit(&mut found);
        if expected != found {
            all.push(Difference { field: "letter".to_owned(), expected, found });
        }
        for Difference { field, expected, found } in all {
            fault(Kind::RowDiffers, Some(field), expected, found);
        }
    }
    Ok(faults)
}
