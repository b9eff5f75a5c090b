//! Every command that reads the stream, and the consumers of the examples, over one with both framings.

use crate::end_to_end::{ask, lines, with_a_past};
use crate::real;
use crate::support::{Installation, Leg, copy, python, repository, run};
use orchestrator::log::NewRecord;
use serde_json::{Value, json};
use std::process::Command;

const VERIFY: [&str; 5] = ["replay", "--all", "--verify", "--output", "json"];

fn path(name: &str) -> String {
    repository().join(name).to_str().expect("a path").to_owned()
}

#[test]
fn every_reader_of_the_stream_reads_both_framings() {
    let (at, registry) = (Installation::new(Leg::Kafka), real());
    with_a_past(&at, &registry);
    let sum = |lines: &[Value], field: &str| lines.iter().filter_map(|line| line[field].as_u64()).sum::<u64>();
    let verified = lines(&ask(&at, &VERIFY, Some(&registry)).expect(0));
    assert_eq!((sum(&verified, "runs"), sum(&verified, "differences")), (3, 0), "{verified:#?}");
    for id in ["before", "through", "after"] {
        let by_journal = ask(&at, &["replay", id, "--to", "4", "--output", "json"], None).expect(0).json();
        let by_events = ask(&at, &["replay", id, "--to", "4", "--from-events", "--output", "json"], Some(&registry));
        let mut by_events = by_events.expect(0).json();
        // The stream alone tells of breakers.
        by_events["breakers"] = by_journal["breakers"].clone();
        by_events["why"]["unseen"] = by_journal["why"]["unseen"].clone();
        assert_eq!(by_events, by_journal, "{id}");
    }
    let rebuilt = ask(&at, &["rebuild", "--output", "json"], Some(&registry)).expect(0).json();
    assert_eq!(rebuilt["differing_rows"], 0, "{rebuilt}");
    exports_agree(&at, &registry);
    damage_is_found(&at, &registry);
}

/// The export as JSON, as Parquet, the report over that, and the consumer's file: the same events.
fn exports_agree(at: &Installation, registry: &str) {
    let file = |form: &str| at.folder().join(format!("events.{form}")).to_str().expect("a path").to_owned();
    let [parquet, jsonl] = ["parquet", "jsonl"].map(|form| {
        ask(at, &["export", "--to", form, "--out", &file(form)], Some(registry)).expect(0);
        file(form)
    });
    let told = at.run_other(&python(), &[&path("tests/python/exports.py"), &parquet, &jsonl], b"").expect(0).json();
    assert_eq!(told["types"]["WorkflowCompleted"], 3, "{told}");
    let report = [&path("examples/analytics/report.py"), &parquet, "--output", "json"];
    let report = at.run_other(&python(), &report, b"").expect(0).json();
    let hand = report["agents"].as_array().expect("agents").iter().find(|agent| agent["agent"] == "hand");
    assert_eq!(hand.map(|agent| &agent["attempts"]), Some(&json!(3)), "{report}");

    let (consumer, database) = (path("examples/analytics/consumer.py"), file("db"));
    let consume = |registry: Option<&str>| {
        let mut command = Command::new(python());
        command.args([&consumer, "--brokers", at.brokers(), "--db", &database, "--to-end"]);
        command.env("ORCHESTRATOR_NAMESPACE", at.namespace()).env_remove("ORCHESTRATOR_SCHEMA_REGISTRY_URL");
        command.args(registry.iter().flat_map(|url| ["--registry", url]));
        run(command, b"")
    };
    let end = consume(None).expect(1);
    assert!(end.stderr.contains("of a schema registry: name that one with --registry URL"), "{end:?}");
    let events = std::fs::read_to_string(&jsonl).expect("the export").lines().count();
    let said = consume(Some(registry)).expect(0).stdout;
    assert!(said.starts_with(&format!("{events} events, ")) && said.contains("hand"), "{said}");
}

/// A byte that is flipped behind, or in, the frame with the id.
fn damage_is_found(at: &Installation, registry: &str) {
    let home = at.home("after");
    for place in [4, 9] {
        let mut flipped = None;
        let damaged = copy(at, &format!("damaged-{place}"), |partition, records| {
            if partition != home {
                return;
            }
            let record = records.iter_mut().rev().find(|record| {
                let has_id = record.value.as_ref().is_some_and(|value| value[0] == 0);
                has_id && !ce_id(record).starts_with("partition-")
            });
            let record = record.expect("an event of a run with an id");
            let mut value = record.value.take().expect("a value").to_vec();
            value[place] ^= 1;
            record.value = Some(value.into());
            flipped = Some(ce_id(record));
        });
        let (of, only) = (["--events-of", &damaged], ["--partition", &home.to_string()]);
        let found = lines(&ask(at, &[&VERIFY[..], &of, &only].concat(), Some(registry)).expect(1));
        let faults: Vec<_> = found.iter().filter(|line| !line["difference"].is_null()).collect();
        let named = format!("{}/{}", faults[0]["subject"].as_str().unwrap_or_default(), faults[0]["sequence"]);
        assert_eq!(
            (faults.len(), &faults[0]["difference"], named),
            (1, &json!("changed"), flipped.expect("it was flipped")),
            "{found:#?}"
        );
    }
}

fn ce_id(record: &NewRecord) -> String {
    let (_, id) = record.headers.iter().find(|(name, _)| name == "ce_id").expect("an id");
    String::from_utf8(id.to_vec()).expect("text")
}
