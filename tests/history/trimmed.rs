//! Journals that begin later than the event stream, and streams that begin later than they did.

use crate::damage::{Heard, OnDisk, batch, flipped, header, id, installation, stream, verified};
use orchestrator::history::verify::Kind;
use orchestrator::journal::record::JournalRecord;
use orchestrator::log::{Record, Topic};
use orchestrator::simulation::Remains;
use orchestrator::store::query::{Filter, Query};
use orchestrator::store::row::RunRow;
use orchestrator::wire::journal;

/// Where a journal may be cut: at a step that counts, which is one that some event on the stream names.
fn cut_at(of: &Remains, records: &[Record]) -> u64 {
    let journal = of.log.records(&Topic::Journal, 0);
    let named = |record: &Record| header(record, "orchestrator_journal_offset").parse::<u64>().unwrap();
    let cut = named(&records[records.len() / 2]);
    let step = journal::decode(journal[usize::try_from(cut).unwrap()].value.as_ref().unwrap()).unwrap();
    assert!(matches!(step, JournalRecord::Step(_)));
    cut
}

fn heard(of: &Remains, on_disk: &OnDisk) -> Heard {
    let log = on_disk.log();
    verified(&log, &log, false, Some(&of.store))
}

/// Records of steps below the cut, each the first of its event.
fn early(records: &[Record], cut: u64) -> Vec<usize> {
    let mut seen = std::collections::BTreeSet::new();
    let is_early = |at: &usize| header(&records[*at], "orchestrator_journal_offset").parse::<u64>().unwrap() < cut;
    (0..records.len()).filter(is_early).filter(|at| seen.insert(id(&records[*at]))).collect()
}

#[test]
fn a_journal_that_begins_later_is_verified_by_chains_and_tables_alone_up_to_there() {
    for seed in 0..6 {
        let of = installation(seed);
        let records = stream(&of);
        let (cut, on_disk) = (cut_at(&of, &records), OnDisk::of(&of, &records));
        let whole = heard(&of, &on_disk);
        assert_eq!((&whole.faults[..], whole.report.before_the_journal), (&[][..], 0), "seed {seed}");
        on_disk.cut(&Topic::Journal, cut);
        let found = heard(&of, &on_disk);
        assert_eq!(found.faults, [], "seed {seed}");
        assert_eq!((found.report.journal_low, found.report.runs), (cut, whole.report.runs), "seed {seed}");
        assert!(found.report.before_the_journal >= early(&records, cut).len() as u64, "{:?}", found.report);
        assert_eq!((found.report.sums, found.rest.judged), (whole.report.sums, true), "seed {seed}");

        // The tables are still held against every event.
        let runs = of.store.runs(&Filter { limit: 1_000, ..Filter::default() }).unwrap();
        let first = runs.last().unwrap();
        let row = of.store.stored(&first.workflow_id, Some(&first.run_id)).unwrap().unwrap();
        batch(&of, |batch| batch.runs = vec![RunRow { run: row.stored.run, chain: [1; 16] }]);
        let found = heard(&of, &on_disk);
        assert_eq!(found.kinds(), [Kind::RowDiffers], "seed {seed}: {:#?}", found.faults);
        assert_eq!(found.faults[0].subject.as_deref(), Some(first.run_id.as_str()), "seed {seed}");
    }
}

#[test]
fn what_is_changed_or_removed_before_the_journal_begins_is_found_by_the_chain() {
    let of = installation(3);
    let records = stream(&of);
    let cut = cut_at(&of, &records);
    for at in early(&records, cut).into_iter().step_by(5) {
        let (subject, sequence) = id(&records[at]);
        let mut damaged = records.clone();
        let value = damaged[at].value.clone().unwrap();
        damaged[at].value = Some(flipped(&value, value.len() - 1));
        let on_disk = OnDisk::of(&of, &damaged);
        on_disk.cut(&Topic::Journal, cut);
        let found = heard(&of, &on_disk);
        assert!(found.names(&subject, sequence), "record {at}: {:#?}", found.faults);

        let mut damaged = records.clone();
        damaged.retain(|record| id(record) != (subject.clone(), sequence));
        let on_disk = OnDisk::of(&of, &damaged);
        on_disk.cut(&Topic::Journal, cut);
        let found = heard(&of, &on_disk);
        let names = found.faults.iter().any(|fault| fault.subject.as_deref() == Some(&*subject));
        assert!(names, "record {at} of {subject} is gone: {:#?}", found.faults);
    }
}

#[test]
fn a_beginning_that_was_lost_is_no_fault_wherever_it_ends() {
    for seed in 0..6 {
        let of = installation(seed);
        let records = stream(&of);
        let (cut, on_disk) = (cut_at(&of, &records), OnDisk::of(&of, &records));
        for part in 1..8 {
            let gone = records.len() as u64 * part / 16;
            on_disk.cut(&Topic::Events, gone);
            let found = heard(&of, &on_disk);
            assert_eq!(found.faults, [], "seed {seed}, without {gone} records of the stream");
        }
        let on_disk = OnDisk::of(&of, &records);
        on_disk.cut(&Topic::Journal, cut);
        for part in 1..8 {
            let gone = records.len() as u64 * part / 16;
            on_disk.cut(&Topic::Events, gone);
            let found = heard(&of, &on_disk);
            assert_eq!(
                found.faults,
                [],
                "seed {seed}, without {gone} records of the stream, and the journal from {cut}"
            );
        }
    }
}

#[test]
fn where_journal_and_stream_have_both_lost_their_beginning_what_is_left_is_verified_and_the_rest_is_counted() {
    let of = installation(5);
    let records = stream(&of);
    let (cut, on_disk) = (cut_at(&of, &records), OnDisk::of(&of, &records));
    let quarter = records.len() as u64 / 4;
    on_disk.cut(&Topic::Journal, cut);
    on_disk.cut(&Topic::Events, quarter);
    let found = heard(&of, &on_disk);
    assert_eq!(found.faults, [], "{:?}", found.report);
    assert!(found.report.beheaded > 0, "{:?}", found.report);
    assert_eq!((found.report.sums, found.rest.judged), (0, false), "{:?}", found.report);
    assert!(found.report.sums_left_out > 0, "{:?}", found.report);

    // What is left is still held against its chain.
    let at = usize::try_from(quarter).unwrap() + 3;
    let mut damaged = records.clone();
    let value = damaged[at].value.clone().unwrap();
    damaged[at].value = Some(flipped(&value, value.len() - 1));
    let on_disk = OnDisk::of(&of, &damaged);
    on_disk.cut(&Topic::Journal, cut);
    on_disk.cut(&Topic::Events, quarter);
    let (subject, sequence) = id(&records[at]);
    let found = heard(&of, &on_disk);
    let next = found.faults.iter().any(|fault| fault.subject.as_deref() == Some(&*subject));
    assert!(next, "event {sequence} of {subject}: {:#?}", found.faults);

    // A whole journal makes up for a stream that begins later.
    let on_disk = OnDisk::of(&of, &records);
    on_disk.cut(&Topic::Events, quarter);
    let found = heard(&of, &on_disk);
    assert_eq!((&found.faults[..], found.rest.judged), (&[][..], true), "{:?}", found.report);
    assert!(found.report.removed > 0 && found.report.beheaded == 0, "{:?}", found.report);
}
