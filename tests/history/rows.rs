//! Rows that say something else than the events, and rows of which no event tells, are found and named.

use crate::damage::{Heard, batch, installation, process, verified};
use orchestrator::core::id::{AgentName, LetterId, RunId, WorkflowId};
use orchestrator::core::time::Timestamp;
use orchestrator::history::verify::Kind;
use orchestrator::simulation::Remains;
use orchestrator::store::letter::{HandledRow, LetterFilter, LetterRow, LetterState};
use orchestrator::store::query::{Filter, Query};
use orchestrator::store::row::{OffsetsRow, RunRow, WorkflowOffsetsRow};

const STRANGER: &str = "ffffffffffffffffffffffffffffffff";

fn heard(of: &Remains) -> Heard {
    verified(&process(&of.log), &process(&of.log), false, Some(&of.store))
}

/// An installation of which everything that is asked for is not empty.
fn with<T>(mut wanted: impl FnMut(&Remains) -> Option<T>) -> (Remains, T) {
    let mut seeds = (0..100).map(installation);
    seeds.find_map(|of| wanted(&of).map(|found| (of, found))).expect("one of the seeds has it")
}

fn letter(of: &Remains) -> Option<LetterRow> {
    let letter = of.store.letters(&LetterFilter { limit: 1, ..LetterFilter::default() }).unwrap().pop()?.letter;
    let document = of.store.letter_document(&letter.letter_id).unwrap()?;
    Some(LetterRow { letter, document })
}

/// The only differences are of a kind, in a table; their fields.
#[track_caller]
fn fields(heard: &Heard, kind: Kind, table: &str) -> Vec<String> {
    assert!(heard.faults.iter().all(|f| f.kind == kind && f.table == Some(table)), "{:#?}", heard.faults);
    assert!(!heard.faults.is_empty(), "nothing was found");
    heard.faults.iter().filter_map(|fault| fault.field.clone()).collect()
}

#[test]
fn a_dead_letter_that_says_something_else_is_found() {
    const TABLE: &str = "orchestrator_dead_letters";
    let (of, row) = with(letter);
    let letter_id = row.letter.letter_id.clone();
    let before = heard(&of);
    assert!(before.faults.is_empty() && before.report.letters > 0 && before.rest.letters > 0, "{:#?}", before.faults);

    let mut changed = row.clone();
    (changed.letter.code, changed.document) = ("another".to_owned(), row.document.replace('1', "2"));
    batch(&of, |batch| batch.letters = vec![changed]);
    let found = heard(&of);
    assert_eq!(fields(&found, Kind::RowDiffers, TABLE), ["code", "letter"]);
    assert_eq!(found.faults[0].subject.as_deref(), Some(&*row.letter.subject));
    batch(&of, |batch| batch.letters = vec![row.clone()]);
    assert_eq!(heard(&of).faults, []);

    let handled = |letter_id: LetterId| HandledRow {
        letter_id,
        state: LetterState::Discarded,
        at: Timestamp(i64::MAX / 2),
        by: "nobody".to_owned(),
        note: None,
        run_id: None,
    };
    batch(&of, |batch| batch.handled = vec![handled(letter_id.clone())]);
    let found = heard(&of);
    assert_eq!(fields(&found, Kind::RowDiffers, TABLE), ["handled"]);
    assert_eq!(found.faults[0].subject, Some(format!("letter {letter_id}")));

    let (of, mut row) = with(letter);
    row.letter.letter_id = LetterId::new(&STRANGER[..16]).unwrap();
    batch(&of, |batch| batch.letters = vec![row]);
    assert_eq!(heard(&of).kinds(), [Kind::RowUnknown]);
    let (of, _) = with(letter);
    batch(&of, |batch| batch.handled = vec![handled(LetterId::new(&STRANGER[..16]).unwrap())]);
    fields(&heard(&of), Kind::RowUnknown, TABLE);
}

#[test]
fn sums_that_do_not_add_up_are_found() {
    const TABLE: &str = "orchestrator_performance_metrics";
    let of = installation(11);
    let before = heard(&of);
    assert!(before.report.sums > 0 && before.report.sums_left_out == 0, "{:?}", before.report);
    let (_, mut row) = of.store.metrics(Timestamp(0)).unwrap().remove(0);
    (row.calls, row.failures, row.duration_us, row.buckets) = (1, 0, 0, [0; 13]);
    row.usage = Default::default();
    batch(&of, |batch| batch.metrics = vec![row.clone()]);
    let found = fields(&heard(&of), Kind::RowDiffers, TABLE);
    assert!(
        found.len() == 1 && found[0].starts_with(row.agent_name.as_str()) && found[0].ends_with("calls"),
        "{found:?}"
    );

    let of = installation(11);
    row.agent_name = AgentName::new("stranger").unwrap();
    batch(&of, |batch| batch.metrics = vec![row]);
    assert!(fields(&heard(&of), Kind::RowUnknown, TABLE)[0].starts_with("stranger"));
}

#[test]
fn places_of_what_was_said_of_workflows_are_compared() {
    const TABLE: &str = "orchestrator_workflow_offsets";
    let (of, (known, _)) = with(|of| of.store.all_workflow_offsets(0).unwrap().pop_first());
    batch(&of, |batch| {
        batch.workflow_offsets = vec![WorkflowOffsetsRow { workflow_id: known.clone(), offsets: vec![1] }];
    });
    let found = heard(&of);
    assert_eq!(fields(&found, Kind::RowDiffers, TABLE), ["offsets"]);
    assert_eq!(found.faults[0].workflow_id, Some(known));

    let of = installation(12);
    let stranger = WorkflowId::new("stranger").unwrap();
    batch(&of, |batch| {
        batch.workflow_offsets = vec![WorkflowOffsetsRow { workflow_id: stranger.clone(), offsets: vec![1] }];
    });
    let found = heard(&of);
    fields(&found, Kind::RowUnknown, TABLE);
    assert_eq!(found.faults[0].workflow_id, Some(stranger));
}

#[test]
fn a_hash_chain_that_was_changed_is_found() {
    let of = installation(13);
    let summary = of.store.runs(&Filter { limit: 1, ..Filter::default() }).unwrap().remove(0);
    let row = of.store.stored(&summary.workflow_id, Some(&summary.run_id)).unwrap().unwrap();
    let mut chain = row.stored.chain;
    chain[7] ^= 1;
    batch(&of, |batch| batch.runs = vec![RunRow { run: row.stored.run.clone(), chain }]);
    let found = heard(&of);
    assert_eq!(fields(&found, Kind::RowDiffers, "orchestrator_workflow_states"), ["chain"]);
    assert_eq!(found.faults[0].expected, hex::encode(row.stored.chain));
    assert_eq!(found.faults[0].subject.as_deref(), Some(summary.run_id.as_str()));
}

#[test]
fn rows_of_runs_of_which_no_event_tells_are_found_in_every_table() {
    let find = |of: &Remains| {
        let runs = of.store.runs(&Filter { limit: 1_000, ..Filter::default() }).unwrap();
        runs.into_iter().find(|run| {
            let id = &run.run_id;
            let (results, errors) = (of.store.results(id).unwrap(), of.store.errors(id).unwrap());
            run.ended_at.is_some() && !results.is_empty() && !errors.is_empty()
        })
    };
    let (of, of_run) = with(find);
    let stranger = RunId::new(STRANGER).unwrap();
    let row = of.store.stored(&of_run.workflow_id, Some(&of_run.run_id)).unwrap().unwrap();
    let mut run = row.stored.run;
    run.run_id = stranger.clone();
    let mut result = of.store.results(&of_run.run_id).unwrap().remove(0);
    let mut operation = of.store.operations(&of_run.run_id).unwrap().remove(0);
    let mut error = of.store.errors(&of_run.run_id).unwrap().remove(0);
    result.run_id = stranger.clone();
    (operation.subject, error.subject) = (STRANGER.to_owned(), "partition-1".to_owned());
    batch(&of, |batch| {
        batch.runs = vec![RunRow { run, chain: row.stored.chain }];
        batch.results = vec![result];
        batch.operations = vec![operation];
        batch.errors = vec![error];
        batch.offsets = vec![OffsetsRow { run_id: stranger, offsets: vec![3] }];
    });
    let found = heard(&of);
    let tables: Vec<_> = found.faults.iter().filter_map(|fault| fault.table).collect();
    let expected = [
        "orchestrator_workflow_states",
        "orchestrator_agent_results",
        "orchestrator_operation_logs",
        "orchestrator_error_logs",
        "orchestrator_run_offsets",
    ];
    assert_eq!((found.kinds(), tables), (vec![Kind::RowUnknown], expected.to_vec()), "{:#?}", found.faults);
    // There is one partition.
    assert_eq!(found.faults[3].subject.as_deref(), Some("partition-1"));
}

#[test]
fn a_row_of_an_event_that_a_run_does_not_have_is_found() {
    let of = installation(14);
    let runs = of.store.runs(&Filter { limit: 1_000, ..Filter::default() }).unwrap();
    let run = runs.into_iter().find(|run| run.ended_at.is_some()).unwrap();
    let mut operation = of.store.operations(&run.run_id).unwrap().remove(0);
    operation.sequence = 999;
    batch(&of, |batch| batch.operations = vec![operation]);
    let found = heard(&of);
    fields(&found, Kind::RowUnknown, "orchestrator_operation_logs");
    assert!(found.names(run.run_id.as_str(), 999), "{:#?}", found.faults);
}
