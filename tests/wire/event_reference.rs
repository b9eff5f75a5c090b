//! `docs/events.md`: made of the schemas, of an example of each event, and of what only a person can say.
//!
//! `UPDATE_GOLDEN=1 cargo test --test wire event_reference` writes it anew.

use crate::fields::{self, Field};
use crate::golden::read_independently;
use crate::samples;
use orchestrator::cli::events::place::Placed;
use orchestrator::core::time::Timestamp;
use orchestrator::log::{Record, Topic};
use orchestrator::wire::event::{self, Published};
use orchestrator::wire::headers::event_headers;
use orchestrator::wire::schema::{self, Schema};
use orchestrator::wire::{chain, headers};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::PathBuf;

/// When each event of a run is written, in the order of a run's life. What it means is said by its schema.
const OF_RUNS: &[(&str, &str)] = &[
    (
        "WorkflowStarted",
        "when the engine has accepted a request. `lineage` says which run it goes on from, where it does, and `carried` \
         and `inputs` what it takes over",
    ),
    (
        "PlanMade",
        "right after `WorkflowStarted` where the definition has the graph (then by its hash), or when a planner has \
         completed (then the plan, whole)",
    ),
    (
        "NodeScheduled",
        "when everything that the node waits for has ended and its `when` holds: once for each attempt, a retry's when it \
         is due",
    ),
    ("NodeStarted", "when the worker says that it has begun; not at all where the attempt ended within 20 ms"),
    ("NodeProgressed", "for each heartbeat of the worker, where the node says `heartbeat: true`"),
    ("NodeCompleted", "when the first result of the attempt is an output that keeps the node's contract"),
    (
        "NodeFailed",
        "when an attempt fails, its time is up, or its output breaks the contract. `final_because` says why no other \
         attempt follows (null: one does), and `handling` what the definition does about it",
    ),
    ("NodeRetryScheduled", "together with the `NodeFailed` that it follows, where the rules allow another attempt"),
    (
        "NodeRecovered",
        "when a node has an output although no attempt made it: its default, that of its failure node, one that was \
         supplied by hand, or `null` because it was skipped",
    ),
    ("StateTransitioned", "whenever the run's state changes, after the event that changed it"),
    ("WorkflowCompleted", "when the last node has ended and the answer is made: the last event of such a run"),
    (
        "WorkflowFailed",
        "when a node has failed for good and nothing handles it, or the run's time is up: the last event of such a run. \
         `context` has every attempt of the node that failed it",
    ),
];

/// The same of the events of a partition.
const OF_PARTITIONS: &[(&str, &str)] = &[
    ("InputRefused", "when a record of `requests`, `signals` or `results` is not understood or not allowed"),
    ("InputRejected", "when an input is understood and comes too late, or a second time"),
    ("InputForwarded", "when an input stands in another partition than its workflow's; it is sent on once"),
    (
        "EffectFailed",
        "when a wake-up or a forward can't be performed for good; a dispatch that can't be fails its attempt instead",
    ),
    ("InputLost", "when what is to be read next is not there any more"),
    ("Trying", "before an input that may have crashed the engine is decided again, so that it is found and buried"),
    ("BreakerChanged", "when the circuit breaker of an agent opens, half-opens or closes"),
    (
        "DeadLetterHandled",
        "when a dead letter is redriven, edited, skipped, supplied or discarded: once for each, with the run that it started",
    ),
];

/// What each header says.
pub const HEADERS: &[(&str, &str)] = &[
    ("ce_specversion", ""),
    ("ce_id", "`run_id/sequence`, or `partition-N/sequence`; the same id is the same event"),
    ("ce_type", "names the schema and its version: the file in `schemas/`"),
    ("ce_source", "the namespace"),
    ("ce_subject", "the `workflow_id`, or `partition-N`"),
    ("ce_time", "when it was decided"),
    ("ce_sequence", "the body's `sequence` with leading zeros, so that it also sorts as text"),
    ("content-type", ""),
    ("orchestrator_journal_offset", "the journal record that holds it (same partition)"),
    (
        "orchestrator_chain",
        "first 16 bytes of SHA-256(the run's previous chain ‖ the value in single-object framing); before the first event \
         16 zero bytes",
    ),
    ("traceparent", "the request's, where it had one"),
];

/// An example of each event, those of runs first.
pub fn examples() -> Vec<(Published, Vec<u8>)> {
    let of_runs = samples::run_events().into_iter().map(|recorded| {
        let bytes = event::encode(&recorded).to_vec();
        (Published::Run(recorded), bytes)
    });
    let of_partitions = samples::partition_events().into_iter().map(|recorded| {
        let bytes = event::encode_partition(&recorded).to_vec();
        (Published::Partition(recorded), bytes)
    });
    of_runs.chain(of_partitions).collect()
}

pub fn name_of(published: &Published) -> &'static str {
    match published {
        Published::Run(recorded) => recorded.event.name(),
        Published::Partition(recorded) => recorded.event.name(),
    }
}

/// The names of the events of runs and of partitions, as people read them.
pub fn names() -> impl Iterator<Item = &'static str> {
    OF_RUNS.iter().chain(OF_PARTITIONS).map(|(name, _)| *name)
}

/// All versions of a schema, the newest first.
pub fn versions(name: &str) -> Vec<&'static Schema> {
    let mut versions: Vec<_> = schema::all().iter().filter(|schema| schema.name == name).collect();
    versions.sort_by_key(|schema| std::cmp::Reverse(schema.version));
    versions
}

fn contents() -> String {
    let mut text = String::from("| event | |\n|---|---|\n");
    for name in names() {
        let doc = document(versions(name)[0])["doc"].clone();
        let link = name.to_lowercase();
        writeln!(text, "| [`{name}`](#{link}) | {} |", doc.as_str().unwrap()).unwrap();
    }
    text
}

fn document(schema: &Schema) -> Value {
    serde_json::from_str(schema.text).unwrap()
}

fn header_rows() -> String {
    let examples = examples();
    let shown = examples.iter().position(|(published, _)| name_of(published) == "NodeCompleted").unwrap();
    let chain = examples[..=shown].iter().fold(chain::START, |chain, (_, body)| chain::next(&chain, body));
    let (published, body) = &examples[shown];
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let found = headers::event_headers("orchestrator", published, body, 99, &chain, Some(trace));
    let names: Vec<_> = found.iter().map(|(name, _)| name.as_ref()).collect();
    assert_eq!(names, HEADERS.iter().map(|(name, _)| *name).collect::<Vec<_>>(), "each header and what it says");
    let row = |((name, value), (_, words)): (&(std::borrow::Cow<str>, bytes::Bytes), &(_, &str))| {
        format!("| `{name}` | `{}` | {words} |\n", std::str::from_utf8(value).unwrap())
    };
    found.iter().zip(HEADERS).map(row).collect()
}

fn envelope(name: &str) -> String {
    table(&fields::envelope(versions(name)[0]))
}

fn table(fields: &[Field]) -> String {
    let late = fields.iter().any(|field| field.since > 1);
    let head =
        if late { "| field | type | | since |\n|---|---|---|---|\n" } else { "| field | type | |\n|---|---|---|\n" };
    let mut text = head.to_owned();
    for field in fields {
        write!(text, "| `{}` | {} | {} |", field.path, field.kind, field.doc).unwrap();
        if late {
            // Whoever reads an older record with a newer schema gets the default.
            let since = match (field.since, &field.default) {
                (1, _) => String::new(),
                (since, Some(default)) => format!(" version {since}; of older ones `{default}`"),
                (since, None) => format!(" version {since}"),
            };
            write!(text, "{since} |").unwrap();
        }
        text.push('\n');
    }
    text
}

fn version_lines(name: &str) -> String {
    let line = |schema: &&Schema| {
        let fingerprint = hex::encode(schema.fingerprint());
        format!("| [`{schema:?}`](../schemas/{schema:?}.avsc) | `{fingerprint}` |\n")
    };
    let lines: String = versions(name).iter().map(line).collect();
    format!("| version | fingerprint |\n|---|---|\n{lines}")
}

fn section(name: &str, when: &str, examples: &[(Published, Vec<u8>)]) -> String {
    let newest = versions(name)[0];
    let meaning = document(newest)["doc"].as_str().unwrap().to_owned();
    let own = fields::own(newest);
    let fields = if own.is_empty() { "No fields of its own.\n".to_owned() } else { table(&own) };
    let (published, body) = examples.iter().find(|(published, _)| name_of(published) == name).unwrap();
    let example = placed(published, body).json();
    format!(
        "### {name}\n\n{meaning}\n\nWritten {when}.\n\n{}\n{fields}\n```json\n{example:#}\n```\n\n",
        version_lines(name)
    )
}

/// The event where it could stand on the stream.
fn placed(published: &Published, body: &[u8]) -> Placed {
    let headers = event_headers("orchestrator", published, body, 815, &chain::START, None);
    let (topic, partition, offset) = (Topic::Events, 2, 4711);
    let time = Timestamp(1_770_091_446_009_000);
    Placed::read(&Record { topic, partition, offset, time, key: None, value: Some(body.to_vec().into()), headers })
        .unwrap()
}

fn sections(of: &[(&str, &str)]) -> String {
    let examples = examples();
    of.iter().map(|(name, when)| section(name, when, &examples)).collect()
}

fn page() -> String {
    let examples = examples();
    let (_, body) = examples.iter().find(|(published, _)| name_of(published) == "NodeCompleted").unwrap();
    let plain = read_independently("NodeCompleted", body);
    include_str!("event_reference.md")
        .replace("{contents}", &contents())
        .replace("{headers}\n", &(header_rows() + "\n"))
        .replace("{plain}", &format!("{plain:#}"))
        .replace("{run_envelope}\n", &envelope("WorkflowStarted"))
        .replace("{run_events}\n", &format!("\n{}", sections(OF_RUNS)))
        .replace("{partition_envelope}\n", &envelope("InputRefused"))
        .replace("{partition_events}\n", &format!("\n{}", sections(OF_PARTITIONS)))
        .trim_end()
        .to_owned()
        + "\n"
}

#[test]
fn event_reference_is_what_the_schemas_say() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/events.md");
    let page = page();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    let stale = page.lines().zip(found.lines()).find(|(page, found)| page != found);
    assert!(
        page == found,
        "docs/events.md is stale: UPDATE_GOLDEN=1 writes it anew; the first line that differs: {stale:?}"
    );
}

#[test]
fn event_reference_has_every_event() {
    let told: BTreeSet<_> = names().collect();
    assert_eq!(told, event::names().collect(), "each event and when it is written");
    let shown: BTreeSet<_> = examples().iter().map(|(published, _)| name_of(published)).collect();
    assert_eq!(shown, told, "an example of each event");
}
