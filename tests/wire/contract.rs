//! The schemas are a contract with everyone who reads the topics: what is recorded is never changed, and a newer
//! version reads whatever an older one wrote.

use crate::golden::{read_as, recorded_bytes, recorded_name};
use apache_avro::Schema as Avro;
use apache_avro::schema_compatibility::SchemaCompatibility;
use orchestrator::wire::schema::{self, Schema};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/wire/fingerprints.txt")
}

/// All versions of every record, the oldest first.
fn versions() -> BTreeMap<&'static str, BTreeMap<u32, &'static Schema>> {
    let mut found: BTreeMap<_, BTreeMap<_, _>> = BTreeMap::new();
    for schema in schema::all() {
        let twin = found.entry(schema.name).or_default().insert(schema.version, schema);
        assert!(twin.is_none(), "{schema:?} is there twice");
    }
    found
}

/// What is recorded of a schema: the fingerprint of its canonical form, which says how bytes are laid out, and a hash
/// of everything that a reader computes with: defaults and logical types, too. Only the words of `doc` may get better.
fn line_of(schema: &Schema) -> String {
    let mut text: Value = serde_json::from_str(schema.text).unwrap();
    without_docs(&mut text);
    let hash = hex::encode(Sha256::digest(serde_json_canonicalizer::to_vec(&text).unwrap()));
    format!("{schema:?} {} {}", hex::encode(schema.fingerprint()), &hash[..32])
}

fn without_docs(value: &mut Value) {
    match value {
        Value::Object(object) => {
            object.remove("doc");
            object.values_mut().for_each(without_docs);
        }
        Value::Array(values) => values.iter_mut().for_each(without_docs),
        _ => {}
    }
}

/// What has become of the record: lines that are gone or changed, and lines that are new.
fn compare(recorded: &str, present: &BTreeSet<String>) -> (Vec<String>, Vec<String>) {
    let recorded: BTreeSet<_> = recorded.lines().map(str::to_owned).collect();
    (recorded.difference(present).cloned().collect(), present.difference(&recorded).cloned().collect())
}

#[test]
fn what_is_recorded_of_a_schema_never_changes() {
    let present: BTreeSet<_> = schema::all().iter().map(line_of).collect();
    let recorded = std::fs::read_to_string(path()).unwrap_or_default();
    let (gone, new) = compare(&recorded, &present);
    // Not even UPDATE_GOLDEN takes a line away: somebody's records are written with it.
    assert!(
        gone.is_empty(),
        "a schema that is recorded in tests/golden/wire/fingerprints.txt was changed or removed: {gone:#?}\n\
         found {new:#?}\nput it back, and write the change as the next version, NAME.v<n+1>.avsc"
    );
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(path(), present.iter().map(|line| format!("{line}\n")).collect::<String>()).unwrap();
        return;
    }
    assert!(new.is_empty(), "not recorded yet: {new:#?}\nUPDATE_GOLDEN=1 records them, for ever");
}

#[test]
fn a_default_that_changes_is_a_change_and_a_better_sentence_is_none() {
    let failed = schema::by_name("NodeFailed").unwrap();
    let read = |text: String| {
        let mut value: Value = serde_json::from_str(&text).unwrap();
        without_docs(&mut value);
        value
    };
    let reworded = failed.text.replace("The attempt ended with a failure.", "The attempt came to nothing.");
    assert_ne!(reworded, failed.text);
    assert_eq!(read(reworded), read(failed.text.to_owned()));
    let defaulted = failed.text.replace(r#""default": "agent""#, r#""default": "table""#);
    assert_ne!(defaulted, failed.text);
    assert_ne!(read(defaulted), read(failed.text.to_owned()));
    let present = BTreeSet::from(["A.v1 changed".to_owned(), "A.v2 new".to_owned()]);
    assert_eq!(
        compare("A.v1 old\n", &present),
        (vec!["A.v1 old".into()], vec!["A.v1 changed".into(), "A.v2 new".into()])
    );
}

#[test]
fn versions_count_up_from_one() {
    for (name, versions) in versions() {
        let numbers: Vec<_> = versions.keys().copied().collect();
        assert_eq!(numbers, (1..=versions.len() as u32).collect::<Vec<_>>(), "{name}");
    }
}

#[test]
fn a_newer_version_reads_what_any_older_one_wrote() {
    let mut pairs = 0;
    for (name, versions) in versions() {
        let parsed: Vec<_> = versions.values().map(|schema| (schema, Avro::parse_str(schema.text).unwrap())).collect();
        for (newer, reader) in &parsed {
            for (older, writer) in parsed.iter().filter(|(older, _)| older.version < newer.version) {
                if let Err(fault) = SchemaCompatibility::can_read(writer, reader) {
                    panic!(
                        "{newer:?} can't read what {older:?} wrote: {fault}; does each new field of {name} have a default?"
                    );
                }
                pairs += 1;
            }
        }
    }
    assert!(pairs > 0);
}

#[test]
fn a_change_that_breaks_readers_is_found() {
    let older = Avro::parse_str(schema::by_name("WorkflowCompleted").unwrap().text).unwrap();
    let broken = |change: fn(&mut Vec<Value>)| {
        let mut text: Value = serde_json::from_str(schema::by_name("WorkflowCompleted").unwrap().text).unwrap();
        change(text["fields"].as_array_mut().unwrap());
        SchemaCompatibility::can_read(&older, &Avro::parse(&text).unwrap()).is_err()
    };
    assert!(!broken(|_| {}));
    assert!(broken(|fields| fields.push(serde_json::json!({"name": "cost", "type": "double"}))));
    assert!(broken(|fields| fields.last_mut().unwrap()["type"] = "long".into()));
    assert!(broken(|fields| fields.last_mut().unwrap()["name"] = "result".into()));
    // A field that is left out breaks nobody who reads with the newer version.
    assert!(!broken(|fields| _ = fields.pop()));
}

#[test]
fn the_recorded_bytes_of_every_version_are_read_with_every_newer_one() {
    let mut read = 0;
    for versions in versions().values() {
        for writer in versions.values().filter(|schema| is_recorded(schema)) {
            let bytes = recorded_bytes(&recorded_name(writer));
            let written = read_as(writer, writer, &bytes);
            for reader in versions.values().filter(|reader| reader.version >= writer.version) {
                let found = read_as(writer, reader, &bytes);
                for (field, value) in written.as_object().unwrap() {
                    let same = found.get(field).is_none_or(|found| contains(found, value));
                    assert!(same, "{field} of {writer:?} read as {reader:?}: {found:#}");
                }
                read += 1;
            }
        }
    }
    assert!(read > 20, "{read}");
}

/// Requests and reports are written by others; every event and journal record has its bytes.
fn is_recorded(schema: &Schema) -> bool {
    !["Request", "Report"].contains(&schema.name)
}

/// Whether everything in `part` stands in `whole`, which may have more members.
fn contains(whole: &Value, part: &Value) -> bool {
    match (whole, part) {
        (Value::Object(whole), Value::Object(part)) => {
            part.iter().all(|(name, value)| whole.get(name).is_some_and(|found| contains(found, value)))
        }
        _ => whole == part,
    }
}
