//! The protocol, against the real registry.

use crate::real;
use crate::support::{python, run};
use bytes::Bytes;
use orchestrator::registry::{Registry, register_events, subject};
use orchestrator::wire::framing::confluent;
use orchestrator::wire::schema::{self, Schema};
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use uuid::Uuid;

fn events() -> Vec<&'static Schema> {
    schema::all().iter().filter(|schema| schema.is_event()).collect()
}

/// The frame of a body of this schema, as the ids say it.
fn framed(ids: &orchestrator::registry::SchemaIds, schema: &Schema) -> u32 {
    let framed = ids.frame(Bytes::copy_from_slice(&schema.frame()));
    confluent(&framed).unwrap().0
}

/// One call with a client that is not ours.
fn call(method: &str, path: &str, body: &str) -> serde_json::Value {
    let script = "\
import sys, urllib.request
url, method, body = sys.argv[1:]
headers = {'Content-Type': 'application/vnd.schemaregistry.v1+json'}
request = urllib.request.Request(url, method=method, data=body.encode() or None, headers=headers)
print(urllib.request.urlopen(request).read().decode())
";
    let mut command = Command::new(python());
    command.args(["-c", script, &format!("{}{path}", real()), method, body]);
    run(command, b"").expect(0).json()
}

#[test]
fn every_version_is_registered_once_in_order_and_is_compatible() {
    // The strictest that Avro's rules for readers know, for every subject of this registry.
    call("PUT", "/config", r#"{"compatibility":"BACKWARD_TRANSITIVE"}"#);
    let topic = format!("{}.events", Uuid::new_v4());
    let registry = Registry::new(&real()).unwrap();
    let ids = register_events(&registry, &topic).unwrap();
    assert_eq!(ids.len(), events().len());
    let again = register_events(&registry, &topic).unwrap();
    let mut found: BTreeMap<&str, BTreeSet<u32>> = BTreeMap::new();
    for schema in events() {
        let id = framed(&ids, schema);
        assert_eq!(framed(&again, schema), id, "{schema:?} has one id");
        assert!(found.entry(schema.name).or_default().insert(id), "{schema:?} has an id of its own");
        // What the registry gives for the id is what was registered, and the version is ours.
        let text = registry.schema(id).unwrap().unwrap();
        assert_eq!(schema::fingerprint_of(&text).as_ref(), Some(schema.fingerprint()), "{schema:?}");
        let version = call("GET", &format!("/subjects/{}/versions/{}", subject(&topic, schema), schema.version), "");
        assert_eq!(version["id"], id, "{schema:?}: {version}");
    }
    for (name, ids) in found {
        let subject = subject(&topic, schema::by_name(name).unwrap());
        let versions = call("GET", &format!("/subjects/{subject}/versions"), "");
        assert_eq!(versions.as_array().unwrap().len(), ids.len(), "{name}: {versions}");
    }
    assert_eq!(registry.schema(2_000_000_000).unwrap(), None);
}

#[test]
fn a_schema_that_breaks_the_subject_is_refused_by_the_real_one() {
    call("PUT", "/config", r#"{"compatibility":"BACKWARD_TRANSITIVE"}"#);
    let subject = format!("{}-x.Y", Uuid::new_v4());
    let registry = Registry::new(&real()).unwrap();
    let of = |kind: &str| {
        format!(r#"{{"type":"record","name":"Y","namespace":"x","fields":[{{"name":"a","type":"{kind}"}}]}}"#)
    };
    assert_eq!(registry.find(&subject, &of("int")).unwrap(), None);
    let id = registry.register(&subject, &of("int")).unwrap();
    assert_eq!(registry.find(&subject, &of("int")).unwrap(), Some(id));
    assert_eq!(registry.find(&subject, &of("string")).unwrap(), None);
    let error = registry.register(&subject, &of("string")).unwrap_err();
    assert!(error.to_string().contains("409 Conflict: ") && error.to_string().contains(&subject), "{error}");
}
