//! The fields of an event's schema as rows of a table: nested records by paths, each with the version that it joined in.

use crate::event_reference::versions;
use orchestrator::wire::schema::Schema;
use serde_json::Value;

/// A row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// `settings.retry.jitter`, `carried[].node_id`.
    pub path: String,
    /// The type, as Markdown.
    pub kind: String,
    /// What the schema says of it.
    pub doc: String,
    /// What stands for it where an older version did not write it.
    pub default: Option<Value>,
    /// The version that it joined in.
    pub since: u32,
}

/// The fields with which every event of its kind begins.
pub fn envelope(schema: &Schema) -> Vec<Field> {
    let (envelope, _) = halves(schema);
    rows(schema, &envelope)
}

/// The fields behind them.
pub fn own(schema: &Schema) -> Vec<Field> {
    let (_, own) = halves(schema);
    rows(schema, &own)
}

fn halves(schema: &Schema) -> (Vec<Value>, Vec<Value>) {
    let mut envelope: Vec<Value> = fields_of(schema);
    let after_time = envelope.iter().position(|field| field["name"] == "time").unwrap() + 1;
    let own = envelope.split_off(after_time);
    (envelope, own)
}

fn fields_of(schema: &Schema) -> Vec<Value> {
    let document: Value = serde_json::from_str(schema.text).unwrap();
    document["fields"].as_array().unwrap().clone()
}

fn rows(schema: &Schema, fields: &[Value]) -> Vec<Field> {
    let mut rows = Vec::new();
    fields.iter().for_each(|field| add(field, "", schema.version, &mut rows));
    // The oldest version comes last.
    for older in versions(schema.name).into_iter().filter(|older| older.version < schema.version) {
        let mut had = Vec::new();
        fields_of(older).iter().for_each(|field| add(field, "", older.version, &mut had));
        for row in rows.iter_mut().filter(|row| had.iter().any(|field| field.path == row.path)) {
            row.since = older.version;
        }
    }
    without_what_goes_without_saying(&mut rows);
    rows
}

/// Of what joined as a whole, its parts joined with it.
fn without_what_goes_without_saying(rows: &mut [Field]) {
    let joined: Vec<_> = rows.iter().filter(|row| row.since > 1).map(|row| (row.path.clone(), row.since)).collect();
    for row in rows {
        let contains = |(path, since): &(String, u32)| {
            *since == row.since && row.path.strip_prefix(path.as_str()).is_some_and(|rest| rest.starts_with(['.', '[']))
        };
        if joined.iter().any(contains) {
            row.since = 1;
        }
    }
}

fn add(field: &Value, within: &str, version: u32, rows: &mut Vec<Field>) {
    let path = format!("{within}{}", field["name"].as_str().unwrap());
    let (kind, record, is_array) = kind_of(&field["type"]);
    let doc = field["doc"].as_str().unwrap().replace('|', "\\|");
    rows.push(Field { path: path.clone(), kind, doc, default: field.get("default").cloned(), since: version });
    let below = path + if is_array { "[]." } else { "." };
    let fields = record.and_then(|record| record["fields"].as_array()).into_iter().flatten();
    fields.for_each(|field| add(field, &below, version, rows));
}

/// The type in words, the record in it, and whether there may be several of them.
fn kind_of(kind: &Value) -> (String, Option<&Value>, bool) {
    match kind {
        Value::String(name) => (format!("`{name}`"), None, false),
        Value::Array(choices) => {
            let (kinds, parts): (Vec<_>, Vec<_>) = choices
                .iter()
                .map(kind_of)
                .map(|(kind, record, is_array)| (kind, record.map(|record| (record, is_array))))
                .unzip();
            // `null` stands first in the schema, for its default; people read it last.
            let (null, mut kinds): (Vec<_>, Vec<_>) = kinds.into_iter().partition(|kind| kind == "`null`");
            kinds.extend(null);
            let part = parts.into_iter().flatten().next();
            (kinds.join(" or "), part.map(|(record, _)| record), part.is_some_and(|(_, is_array)| is_array))
        }
        Value::Object(object) => match (object.get("logicalType"), object["type"].as_str().unwrap()) {
            (Some(logical), _) => (format!("`{}`", logical.as_str().unwrap()), None, false),
            (None, "record") => (format!("`{}`", object["name"].as_str().unwrap()), Some(kind), false),
            (None, "array") => {
                let (of, record, _) = kind_of(&object["items"]);
                (format!("array of {of}"), record, true)
            }
            (None, other) => (format!("`{other}`"), None, false),
        },
        other => panic!("no type of Avro: {other}"),
    }
}

#[test]
fn a_field_that_joined_says_when_and_its_parts_do_not() {
    let started = versions("WorkflowStarted").into_iter().find(|schema| schema.version == 2).unwrap();
    let fields = own(started);
    let of =
        |path: &str| fields.iter().find(|field| field.path == path).map(|field| (field.kind.as_str(), field.since));
    assert_eq!(of("settings.agent_timeout_ms"), Some(("`long`", 1)));
    assert_eq!(of("settings.retry"), Some(("`RetryPolicy`", 2)));
    assert_eq!(of("settings.retry.jitter"), Some(("`string`", 1)));
    assert_eq!(of("lineage.by"), Some(("`string` or `null`", 1)));
    assert_eq!(of("carried"), Some(("array of `Carried`", 2)));
    assert_eq!(of("carried[].output"), Some(("`string`", 1)));
    assert_eq!(of("conversation_id"), Some(("`string` or `null`", 1)));
    assert_eq!(of("run_id"), None);
}
