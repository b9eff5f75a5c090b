//! Requests as JSON or Avro, told apart by their first bytes, and the workflow that a keyless one becomes.
//!
//! JSON: `{"definition":…,"version":…,"input":…,"workflow_id":…,"conversation_id":…}`; only `definition` and `input`
//! are required. A field that is not known is refused: a typing error must not be dropped in silence. A JSON request
//! may go on from an earlier run ([`super::resume`]).

use super::inbound::{self, Kind};
use super::json_text::Object;
use super::resume;
use crate::core::command::{Origin, Request, Resume};
use crate::core::id::{ConversationId, DefinitionName, RunId, WorkflowId};
use crate::core::json::Json;
use crate::core::lineage::LineageKind;
use crate::core::partition::partition_of;
use crate::core::rejection::Refusal;
use crate::core::time::Timestamp;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::borrow::Cow;

const KIND: Kind = Kind { what: "request", schema: "Request" };

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct InJson<'a> {
    format: Option<u64>,
    #[serde(borrow)]
    definition: Cow<'a, str>,
    version: Option<u32>,
    #[serde(borrow)]
    input: &'a RawValue,
    workflow_id: Option<Cow<'a, str>>,
    conversation_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    resume: Option<resume::InJson<'a>>,
    #[serde(borrow)]
    fork: Option<resume::ForkInJson<'a>>,
}

#[derive(Deserialize)]
struct InAvro<'a> {
    #[serde(borrow)]
    definition: Cow<'a, str>,
    version: Option<i32>,
    #[serde(borrow)]
    input: Cow<'a, str>,
    workflow_id: Option<Cow<'a, str>>,
    conversation_id: Option<Cow<'a, str>>,
}

/// The bytes of a request, as JSON without the fields that it does not have.
pub fn encode(request: &Request) -> Bytes {
    let Request { definition, version, input, workflow_id, conversation_id, resume } = request;
    let mut object = Object::new(input.len()).text("definition", definition.as_str());
    if let Some(version) = version {
        object = object.number("version", (*version).into());
    }
    object = object.json("input", input);
    if let Some(workflow_id) = workflow_id {
        object = object.text("workflow_id", workflow_id.as_str());
    }
    if let Some(conversation_id) = conversation_id {
        object = object.text("conversation_id", conversation_id.as_str());
    }
    if let Some(resume) = resume {
        let (field, resume) = resume::write(resume);
        object = object.object(field, resume);
    }
    object.finish()
}

/// Reads a request: JSON (`{` after white space), Avro with single-object framing (`C3 01`), or Avro with the
/// Confluent framing (`00` and a 4-byte schema id, taken to be `schemas/Request.v1.avsc`).
/// Checks size, depth, ids and that key and body name the same workflow.
pub fn decode(key: Option<&[u8]>, value: Option<&[u8]>, max_bytes: usize) -> Result<Request, Refusal> {
    KIND.body(value, max_bytes)
        .and_then(|body| {
            KIND.read(
                body,
                |json: InJson| {
                    KIND.known_format(json.format)?;
                    let input = inbound::from_raw("input", json.input)?;
                    let (workflow_id, conversation_id) = (json.workflow_id, json.conversation_id);
                    let request = request(key, &json.definition, json.version, input, workflow_id, conversation_id)?;
                    let resume = resume::read(json.resume, json.fork)?;
                    named(&request, resume.as_ref())?;
                    Ok(Request { resume, ..request })
                },
                |avro: InAvro| {
                    let version = avro.version.map(u32::try_from).transpose();
                    let version = version.map_err(|_| bad_version("a negative number"))?;
                    let input = inbound::from_text("input", &avro.input)?;
                    request(key, &avro.definition, version, input, avro.workflow_id, avro.conversation_id)
                },
            )
        })
        .map_err(|refusal| KIND.name_workflow(refusal, key, value, max_bytes))
}

fn request(
    key: Option<&[u8]>,
    definition: &str,
    version: Option<u32>,
    input: Json,
    workflow_id: Option<Cow<str>>,
    conversation_id: Option<Cow<str>>,
) -> Result<Request, Refusal> {
    if version == Some(0) {
        return Err(bad_version("0"));
    }
    Ok(Request {
        definition: DefinitionName::new(definition).map_err(|mut fault| {
            fault.what = "definition";
            inbound::illegal(fault)
        })?,
        version,
        input,
        workflow_id: inbound::workflow_id(key, workflow_id.as_deref())?,
        conversation_id: conversation_id.as_deref().map(ConversationId::new).transpose().map_err(inbound::illegal)?,
        resume: None,
    })
}

/// A run is taken up of a workflow that is named: the id that a nameless request gets is always a new one. A fork is named,
/// too, so that it is recognised when it comes again.
fn named(request: &Request, resume: Option<&Resume>) -> Result<(), Refusal> {
    match (resume, &request.workflow_id) {
        (Some(Resume { run_id, .. }), None) => Err(inbound::malformed(format!(
            "expected a request with `resume` or `fork` (here of run {run_id}) to name its workflow, as its key or its \
             `workflow_id`, found neither"
        ))),
        _ => Ok(()),
    }
}

fn bad_version(found: &str) -> Refusal {
    inbound::malformed(format!("expected a `version` of 1 or more (or none: the newest), found {found}"))
}

/// The id of a request without one: derived from where it stands, so that it hashes to its own partition.
///
/// `wf-`, 20 hexadecimal digits of SHA-256 over the origin, `-n` with the smallest n whose partition is the origin's.
/// An origin in a partition that there is not among `partitions` gets n = 0.
pub fn derived_workflow_id(origin: &Origin, partitions: u32) -> WorkflowId {
    let digits = hex::encode(&Sha256::digest(format!("workflow/{}", write_origin(origin)))[..10]);
    let id = |n: u64| format!("wf-{digits}-{n}");
    let reachable = origin.partition < partitions;
    // One in `partitions` candidates hits, so that this ends soon; the bound is for the case that cannot be.
    let hit = (0..u64::from(partitions) * 1_000)
        .map(id)
        .find(|id| !reachable || partition_of(id.as_bytes(), partitions) == origin.partition);
    WorkflowId::new(&hit.unwrap_or_else(|| id(0))).expect("letters, digits and dashes, far below 256 bytes")
}

/// The id of the run that a start at `origin` makes (the place from which it starts: of a forwarded one the last):
/// 16 bytes of SHA-256 over [`write_origin`], as hexadecimal digits.
pub fn run_id(origin: &Origin) -> RunId {
    RunId::new(&hex::encode(&Sha256::digest(write_origin(origin))[..16])).expect("32 lower-case hexadecimal digits")
}

/// 16 bytes that tell requests with another payload apart: definition, version, input (as a value, whatever its
/// spelling), conversation and, of a fork, what it says of the run that it forks.
pub fn payload_hash(request: &Request) -> [u8; 16] {
    // serde_json's maps are sorted, so that the order of members does not count.
    let mut payload = vec![
        json!(request.definition.as_str()),
        json!(request.version),
        request.input.value(),
        json!(request.conversation_id.as_ref().map(ConversationId::as_str)),
    ];
    payload.extend(request.resume.as_ref().filter(|resume| resume.kind == LineageKind::Fork).map(resume::value));
    let payload = Value::Array(payload);
    super::first_16(&Sha256::digest(payload.to_string()))
}

/// The value of the `orchestrator_origin` header: `topic/partition/offset/append time in ms`.
pub fn write_origin(origin: &Origin) -> String {
    format!("{}/{}/{}/{}", origin.topic, origin.partition, origin.offset, origin.time.as_millis())
}

/// Reads the `orchestrator_origin` header. None for anything that [`write_origin`] does not write.
pub fn read_origin(header: &[u8]) -> Option<Origin> {
    let mut parts = std::str::from_utf8(header).ok()?.split('/');
    let (topic, partition, offset, time) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || topic.is_empty() || topic.len() > 249 {
        return None;
    }
    let origin = Origin {
        topic: topic.to_owned(),
        partition: partition.parse().ok().filter(|partition| i32::try_from(*partition).is_ok())?,
        offset: offset.parse().ok().filter(|offset| i64::try_from(*offset).is_ok())?,
        time: Timestamp::from_millis(time.parse().ok()?),
    };
    // `+7` and `007` are numbers to the parser, and no spelling of ours.
    (write_origin(&origin).as_bytes() == header).then_some(origin)
}
