//! The document is fresh, complete, valid by the official schema, and right about the records that are written.

use super::channels::{CHANNELS, MESSAGES, Payload};
use super::{address, document, examples_of, spec_of};
use orchestrator::log::plan::{agent_topics, topic_plan};
use orchestrator::wire::schema;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::PathBuf;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn parsed() -> Value {
    serde_saphyr::from_str(&document()).unwrap()
}

#[test]
fn asyncapi_is_what_the_plan_and_the_schemas_say() {
    let path = root().join("docs/asyncapi.yaml");
    let document = document();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &document).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    let stale = document.lines().zip(found.lines()).find(|(document, found)| document != found);
    assert!(
        document == found,
        "docs/asyncapi.yaml is stale: UPDATE_GOLDEN=1 writes it anew; the first line: {stale:?}"
    );
}

#[test]
fn asyncapi_is_valid_by_the_official_schema() {
    let official: Value = serde_json::from_str(include_str!("asyncapi-3.0.0.json")).unwrap();
    let validator = jsonschema::draft7::new(&official).unwrap();
    let document = parsed();
    let faults: Vec<_> =
        validator.iter_errors(&document).map(|fault| format!("{}: {fault:.300}", fault.instance_path())).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    // And it would say so.
    for (pointer, wrong) in [
        ("/channels/events/bindings/kafka/partitions", json!("four")),
        ("/operations/sendEvents/action", json!("shout")),
        ("/asyncapi", json!("2.6.0")),
    ] {
        let mut document = document.clone();
        *document.pointer_mut(pointer).unwrap() = wrong;
        assert!(!validator.is_valid(&document), "{pointer}");
    }
}

#[test]
fn asyncapi_has_every_topic_and_every_schema() {
    let document = parsed();
    let agent = orchestrator::core::id::AgentName::new("agent").unwrap();
    let planned: BTreeSet<_> =
        topic_plan(4, 1).iter().chain(&agent_topics(&agent, 4, 1)).map(|spec| address(&spec.topic)).collect();
    let told: BTreeSet<_> = CHANNELS.iter().map(|channel| address(&spec_of(channel).topic)).collect();
    assert_eq!(told, planned);
    let text = document.to_string();
    for schema in schema::all() {
        let is_newest = schema::by_name(schema.name).is_some_and(|newest| newest.version == schema.version);
        // Of reports the newest is told: nobody has to write an older one.
        if is_newest || schema.text.contains("orchestrator.events.v1") {
            assert!(text.contains(&format!("../schemas/{schema:?}.avsc")), "{schema:?}");
        }
    }
}

#[test]
fn asyncapi_leads_to_what_is_there() {
    let document = parsed();
    let mut references = Vec::new();
    collect_references(&document, &mut references);
    assert!(references.len() > 100, "{}", references.len());
    for reference in references {
        match reference.split_once('#') {
            Some(("", pointer)) => assert!(document.pointer(pointer).is_some(), "{reference}"),
            _ => assert!(root().join("docs").join(&reference).exists(), "{reference}"),
        }
    }
}

fn collect_references(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(object) => {
            found.extend(object.get("$ref").and_then(Value::as_str).map(str::to_owned));
            object.values().for_each(|value| collect_references(value, found));
        }
        Value::Array(values) => values.iter().for_each(|value| collect_references(value, found)),
        _ => {}
    }
}

#[test]
fn what_is_written_is_as_asyncapi_says() {
    let document = parsed();
    for message in MESSAGES {
        let Payload::Json(schema) = message.payload else { continue };
        let pointer = format!("#/components/schemas/{schema}");
        let rooted = json!({ "$ref": pointer, "components": document["components"] });
        let validator = jsonschema::draft7::options().should_validate_formats(true).build(&rooted).unwrap();
        let examples = examples_of(message);
        assert!(!examples.is_empty(), "{}", message.id);
        for example in examples {
            let faults: Vec<_> = validator.iter_errors(&example).map(|fault| fault.to_string()).collect();
            assert!(faults.is_empty(), "{}: {example}: {faults:?}", message.id);
        }
        assert!(!validator.is_valid(&json!({})), "{} says something", message.id);
    }
}
