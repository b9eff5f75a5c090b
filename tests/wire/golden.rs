//! Golden files: the exact bytes, so that no format changes by accident, and what an independent reader makes of them
//! with the schema files alone.

use crate::samples;
use apache_avro::rabin::Rabin;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value as Avro;
use bytes::Bytes;
use orchestrator::core::event::Event;
use orchestrator::core::retry::RetryPolicy;
use orchestrator::journal::record::JournalRecord;
use orchestrator::wire::schema::Schema;
use orchestrator::wire::task::Task;
use orchestrator::wire::{answer, dead_letter, definition, event, headers, journal, report, schema, task, wakeup};
use serde_json::{Value, json};
use std::path::PathBuf;

fn hold(file: &str, actual: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/wire").join(file);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, actual).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(actual, expected, "{file} has changed; a released format must not");
}

/// Hexadecimal digits, 64 to a line.
fn dump(bytes: &[u8]) -> String {
    bytes.chunks(32).map(|line| hex::encode(line) + "\n").collect()
}

/// The golden files of a schema: what an earlier version wrote stays as it is.
pub fn recorded_name(schema: &Schema) -> String {
    match schema.version {
        1 => schema.name.to_owned(),
        version => format!("{}.v{version}", schema.name),
    }
}

/// What a golden file holds.
pub fn recorded_bytes(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/wire").join(format!("{name}.hex"));
    let digits: String = std::fs::read_to_string(path).unwrap().split_whitespace().collect();
    hex::decode(digits).unwrap()
}

/// Reads with the file in `schemas/` and Apache's own library, nothing of ours.
pub fn read_independently(name: &str, bytes: &[u8]) -> Value {
    let newest = schema::by_name(name).unwrap();
    read_as(newest, newest, bytes)
}

/// Reads what was written with one schema as another version of it.
pub fn read_as(writer: &Schema, reader: &Schema, bytes: &[u8]) -> Value {
    let parse = |schema: &Schema| {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("schemas/{schema:?}.avsc"));
        apache_avro::Schema::parse_str(&std::fs::read_to_string(path).unwrap()).unwrap()
    };
    let (frame, mut body) = bytes.split_at(10);
    assert_eq!(frame[..2], [0xC3, 0x01]);
    assert_eq!(frame[2..], *writer.fingerprint(), "fingerprint of {writer:?}");
    let (written, wanted) = (parse(writer), parse(reader));
    let datum_reader = GenericDatumReader::builder(&written).reader_schema(&wanted).build().unwrap();
    let value = datum_reader.read_value(&mut body).unwrap();
    assert!(body.is_empty(), "{writer:?}: {} bytes left", body.len());
    to_json(value)
}

fn to_json(value: Avro) -> Value {
    match value {
        Avro::Union(_, value) => to_json(*value),
        Avro::Record(fields) => fields.into_iter().map(|(name, value)| (name, to_json(value))).collect(),
        Avro::Array(values) => values.into_iter().map(to_json).collect(),
        Avro::Bytes(bytes) | Avro::Fixed(_, bytes) => json!({ "bytes": hex::encode(&bytes) }),
        other => other.try_into().unwrap(),
    }
}

fn hold_avro(name: &str, bytes: &Bytes) {
    let file = recorded_name(schema::by_name(name).unwrap());
    hold(&format!("{file}.hex"), &dump(bytes));
    let read = read_independently(name, bytes);
    hold(&format!("{file}.json"), &format!("{read:#}\n"));
}

#[test]
fn events_of_earlier_versions_are_read_as_what_they_meant() {
    let read = |name: &str| {
        let event::Published::Run(recorded) = event::decode(&recorded_bytes(name)).unwrap() else {
            panic!("{name} is of a run")
        };
        recorded.event
    };
    // Before there were retries every failure was final, and no run had a policy.
    let Event::NodeFailed(failed) = read("NodeFailed") else { panic!("NodeFailed") };
    assert_eq!((failed.final_because.is_some(), failed.retry_after_ms), (true, None));
    let Event::WorkflowStarted(started) = read("WorkflowStarted") else { panic!("WorkflowStarted") };
    assert_eq!(started.settings.retry, RetryPolicy::never());
    // Before failures could be handled, each of them failed its run.
    assert_eq!((failed.handling, started.lineage, started.settings.timeout_ms), (None, None, None));
    let Event::NodeScheduled(scheduled) = read("NodeScheduled") else { panic!("NodeScheduled") };
    assert_eq!((scheduled.heartbeat, scheduled.deadline), (false, None));
    let Event::WorkflowFailed(failed) = read("WorkflowFailed") else { panic!("WorkflowFailed") };
    assert_eq!(failed.context, None);
    // Before workers could say what they had used, and before runs could be forked.
    let Event::NodeCompleted(completed) = read("NodeCompleted") else { panic!("NodeCompleted") };
    let Event::WorkflowStarted(started) = read("WorkflowStarted.v2") else { panic!("WorkflowStarted") };
    assert_eq!((completed.usage, started.agents.len()), (None, 0));
    assert_eq!(started.lineage.map(|lineage| lineage.from_node), Some(None));
}

#[test]
fn what_an_earlier_version_wrote_is_published_under_the_version_that_it_has() {
    for (file, version) in [("NodeFailed", 1), ("NodeFailed.v2", 2), ("NodeFailed.v3", 3)] {
        let body = recorded_bytes(file);
        let headers = headers::event_headers("shop", &event::decode(&body).unwrap(), &body, 0, &[0; 16], None);
        let expected = format!("orchestrator.NodeFailed.v{version}");
        assert!(headers.iter().any(|(name, value)| name == "ce_type" && *value == expected), "{headers:?}");
    }
}

#[test]
fn events_are_readable_with_their_schema_alone() {
    for recorded in samples::run_events() {
        hold_avro(recorded.event.name(), &event::encode(&recorded));
    }
    for recorded in samples::partition_events() {
        hold_avro(recorded.event.name(), &event::encode_partition(&recorded));
    }
}

#[test]
fn journal_records_are_readable_with_their_schema_alone() {
    hold_avro("JournalStep", &journal::encode(&JournalRecord::Step(samples::step())));
    hold_avro("PartitionTaken", &journal::encode(&JournalRecord::PartitionTaken(samples::taken())));
}

#[test]
fn json_records_do_not_change() {
    let text = |bytes: Bytes| String::from_utf8(bytes.to_vec()).unwrap() + "\n";
    hold("task.json", &text(task::encode(&samples::task())));
    hold("task_heartbeat.json", &text(task::encode(&Task { heartbeat: true, ..samples::task() })));
    hold("wakeup.json", &text(wakeup::encode(&samples::wakeup())));
    for (name, sample) in samples::reports() {
        hold(&format!("{name}.json"), &text(report::encode(&sample)));
    }
    for (name, sample) in samples::responses() {
        hold(&format!("{name}.json"), &text(answer::encode(&sample)));
    }
    for (name, sample) in samples::definitions() {
        let (key, value) = definition::encode(&sample);
        hold(&format!("{name}.json"), &format!("{}{}", text(key), text(value)));
    }
    hold(
        "dead_letter_input.json",
        &text(dead_letter::encode_input(&samples::letter_id(), &samples::refused(), &samples::input_record())),
    );
    let node = dead_letter::encode_node(&samples::id("order 7 / ☕"), &samples::dead_node());
    hold("dead_letter_node.json", &text(node));
}

#[test]
fn every_schema_is_documented_and_has_the_fingerprint_that_others_compute() {
    let mut files: Vec<_> = std::fs::read_dir(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("schemas"))
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    let mut known: Vec<_> = schema::all().iter().map(|schema| format!("{schema:?}.avsc")).collect();
    known.sort();
    assert_eq!(files, known);
    for schema in schema::all() {
        let mut text = serde_json::from_str(schema.text).unwrap();
        without_logical_types(&mut text);
        let theirs = apache_avro::Schema::parse(&text).unwrap();
        assert_eq!(schema.fingerprint()[..], *theirs.fingerprint::<Rabin>().bytes, "{schema:?}");
        assert_eq!(schema::by_fingerprint(schema.fingerprint()).map(|found| found.name), Some(schema.name));
        undocumented(&serde_json::from_str(schema.text).unwrap(), schema.name);
    }
}

/// The canonical form has no logical types: `{"type":"long","logicalType":…}` becomes `"long"`. Apache's Rust library
/// (0.22) leaves `{"type":"long"}`, and so computes other fingerprints than Java's, fastavro and serde_avro_fast.
fn without_logical_types(value: &mut Value) {
    match value {
        Value::Object(object) if object.contains_key("logicalType") => *value = object["type"].take(),
        Value::Object(object) => object.values_mut().for_each(without_logical_types),
        Value::Array(values) => values.iter_mut().for_each(without_logical_types),
        _ => {}
    }
}

/// Every record and every field says what it is.
fn undocumented(value: &Value, place: &str) {
    if let Value::Object(object) = value {
        let is_record = object.get("type") == Some(&"record".into());
        let is_field = object.contains_key("name") && !object.contains_key("size");
        assert!(!(is_record || is_field) || object.get("doc").is_some_and(|doc| doc != ""), "{place}: {value}");
        object.values().for_each(|value| undocumented(value, place));
    } else if let Value::Array(values) = value {
        values.iter().for_each(|value| undocumented(value, place));
    }
}

#[test]
fn the_message_reference_shows_what_is_written() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(root.join("docs/messages.md")).unwrap();
    // Events have a page of their own, which is made of their schemas.
    for schema in schema::all().iter().filter(|schema| event::names().all(|name| name != schema.name)) {
        assert!(page.contains(&format!("`{}`", schema.name)), "{} is missing", schema.name);
        assert!(page.contains(&hex::encode(schema.fingerprint())), "the fingerprint of {} is missing", schema.name);
    }
    for file in std::fs::read_dir(root.join("tests/golden/wire")).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        // Names in lower case are those of JSON records.
        if name.ends_with(".json") && name.starts_with(char::is_lowercase) {
            for line in std::fs::read_to_string(path).unwrap().lines() {
                assert!(page.contains(line), "{name} is not as in the page: {line}");
            }
        }
    }
}
