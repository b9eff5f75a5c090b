//! What replay says after every event of every run, and its witnesses.

use crate::support::{Installation, python, repository, run, until};
use crate::verify::verified;
use orchestrator::core::attempts::attempts;
use orchestrator::core::event::Recorded;
use orchestrator::core::run::Run;
use orchestrator::history::point::{To, state};
use orchestrator::log::Topic;
use orchestrator::ui::run::json as run_json;
use orchestrator::ui::used::{add_used, of_attempts};
use orchestrator::wire::event::{Published, decode};
use rand::RngExt;
use rand::rngs::StdRng;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::process::Command;

/// The events of each run, by its id.
pub type Histories = BTreeMap<String, Vec<Recorded>>;

/// How many states the program itself is asked for.
const ASKED: usize = 6;

/// Keeps every row that a projector ever writes of a run, in the transaction in which it does.
const KEEP: &str = "\
CREATE TABLE seen (LIKE orchestrator_workflow_states);
CREATE FUNCTION keep() RETURNS trigger AS 'BEGIN INSERT INTO seen SELECT NEW.*; RETURN NULL; END' LANGUAGE plpgsql;
CREATE TRIGGER keep AFTER INSERT OR UPDATE ON orchestrator_workflow_states FOR EACH ROW EXECUTE FUNCTION keep();
";

/// From now on the rows of live folding are kept, in the table `seen`.
pub fn keep_live_rows(at: &Installation) {
    at.sql(KEEP);
}

/// All runs on the stream. A repeated event is one.
pub fn histories(at: &Installation) -> Histories {
    let mut stream = at.stream(Topic::Events);
    let partitions = at.log().partitions(&Topic::Events).unwrap().unwrap();
    let there: u64 = (0..partitions).map(|p| at.log().ends(&Topic::Events, p).unwrap().high).sum();
    until("the stream is read", || (stream.records().len() as u64 >= there).then_some(()));
    let mut histories = Histories::new();
    for record in stream.records() {
        if let Published::Run(recorded) = decode(record.value.as_ref().unwrap()).unwrap() {
            let events = histories.entry(recorded.run_id.to_string()).or_default();
            if recorded.sequence == events.len() as u64 + 1 {
                events.push(recorded);
            }
        }
    }
    histories
}

/// The state after so many events, by what `replay --to` does.
fn replayed(events: &[Recorded], sequence: u64) -> Run {
    let count = To::Sequence(sequence).events(events).unwrap();
    state(&events[..count]).unwrap().unwrap()
}

/// Holds the state after every event of every run against the witnesses; what they had to say.
pub fn agree(at: &Installation, histories: &Histories, definitions: &[Value]) -> String {
    let path = at.folder().join("replayed.jsonl");
    let mut file = BufWriter::new(File::create(&path).unwrap());
    writeln!(file, "{}", json!(definitions)).unwrap();
    for events in histories.values() {
        for recorded in events {
            let run = replayed(events, recorded.sequence);
            let partition = at.home(run.workflow_id.as_str());
            writeln!(file, "{}", run_json(&run, partition, &BTreeMap::new())).unwrap();
        }
    }
    file.flush().unwrap();
    let mut command = Command::new(python());
    command.arg(repository().join("tests/python/live.py")).arg("--schemas").arg(repository().join("schemas"));
    command.args(["--namespace", at.namespace(), "--kafka", at.brokers(), "--store", at.store_url()]);
    command.arg("--replayed").arg(&path);
    run(command, b"").expect(0).stdout
}

/// The program, which gathers a run's events by itself, says what was compared; and of the whole it finds no difference.
pub fn program_says_the_same(at: &Installation, histories: &Histories, dice: &mut StdRng) {
    let runs: Vec<&Vec<Recorded>> = histories.values().collect();
    for _ in 0..ASKED {
        let events = runs[dice.random_range(0..runs.len())];
        let sequence = dice.random_range(1..=events.len() as u64);
        let run = replayed(events, sequence);
        let (id, run_id, to) = (run.workflow_id.as_str(), run.run_id.as_str(), sequence.to_string());
        let told = at.run(&["replay", id, "--run", run_id, "--to", &to, "--output", "json"]).expect(0).json();
        assert_eq!((&told["at"]["sequence"], &told["at"]["of"]), (&json!(sequence), &json!(events.len())));
        let mut expected = run_json(&run, at.home(id), &BTreeMap::new());
        add_used(&mut expected, &of_attempts(&attempts(&events[..usize::try_from(sequence).unwrap()])));
        for (node, state) in expected["nodes"].as_object_mut().unwrap() {
            // Told of the events around it.
            state["stand_in"] = told["nodes"][node]["stand_in"].clone();
        }
        for (member, value) in expected.as_object().unwrap() {
            assert_eq!(&told[member], value, "{member} of {id} at {sequence}");
        }
    }
    let lines = verified(at, &[], 0);
    let compared: u64 = lines.iter().filter_map(|line| line["runs"].as_u64()).sum();
    assert_eq!(compared, histories.len() as u64, "{lines:?}");
}
