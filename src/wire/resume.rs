//! What a request says of a run that it takes up: `"resume": {"kind":"redrive","run_id":…,"by":…,
//! "carried":[{"node_id":…,"status":"completed|recovered|skipped","output":…}],"inputs":[{"node_id":…,"input":…}]}`.
//! Carried nodes are not run, their outputs are taken over; a node of `inputs` gets that input instead of the one that
//! its definition makes.

use super::inbound;
use super::json_text::Object;
use super::letter_handling::check_by;
use crate::core::command::Resume;
use crate::core::id::{NodeId, RunId};
use crate::core::json::Json;
use crate::core::lineage::{GivenInput, LineageKind};
use crate::core::rejection::Refusal;
use crate::core::status::NodeStatus;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct InJson<'a> {
    kind: LineageKind,
    #[serde(borrow)]
    run_id: Cow<'a, str>,
    by: Option<String>,
    #[serde(borrow, default)]
    carried: Vec<CarriedIn<'a>>,
    #[serde(borrow, default)]
    inputs: Vec<InputIn<'a>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CarriedIn<'a> {
    #[serde(borrow)]
    node_id: Cow<'a, str>,
    status: NodeStatus,
    #[serde(borrow)]
    output: &'a RawValue,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct InputIn<'a> {
    #[serde(borrow)]
    node_id: Cow<'a, str>,
    #[serde(borrow)]
    input: &'a RawValue,
}

pub(super) fn read(json: InJson) -> Result<Resume, Refusal> {
    json.by.as_deref().map_or(Ok(()), check_by)?;
    let carried = json.carried.iter().map(carried).collect::<Result<_, _>>()?;
    let inputs = json.inputs.iter().map(given).collect::<Result<_, _>>()?;
    let run_id = RunId::new(&json.run_id).map_err(inbound::illegal)?;
    Ok(Resume { kind: json.kind, run_id, by: json.by, carried, inputs })
}

fn carried(carried: &CarriedIn) -> Result<(NodeId, NodeStatus, Json), Refusal> {
    let node_id = NodeId::new(&carried.node_id).map_err(inbound::illegal)?;
    if !carried.status.has_output() {
        let found = carried.status;
        return Err(inbound::malformed(format!(
            "expected the `status` of a carried node to be completed, recovered or skipped, found {found}"
        )));
    }
    let output = inbound::from_raw("output", carried.output)?;
    if carried.status == NodeStatus::Skipped && output != Json::null() {
        return Err(inbound::malformed(format!(
            "expected the `output` of a carried node that is skipped to be null, found that of {node_id}; \
             a node that is given an output is `recovered`"
        )));
    }
    Ok((node_id, carried.status, output))
}

fn given(given: &InputIn) -> Result<GivenInput, Refusal> {
    let node_id = NodeId::new(&given.node_id).map_err(inbound::illegal)?;
    Ok(GivenInput { node_id, input: inbound::from_raw("input", given.input)? })
}

/// What a request says of the run that it takes up, as [`read`] reads it.
pub(super) fn write(resume: &Resume) -> Object {
    let Resume { kind, run_id, by, carried, inputs } = resume;
    let word = match kind {
        LineageKind::Redrive => "redrive",
    };
    let object = Object::new(0).text("kind", word).text("run_id", run_id.as_str()).text_or_null("by", by.as_deref());
    let carried = carried.iter().map(|(node_id, status, output)| {
        Object::new(output.len())
            .text("node_id", node_id.as_str())
            .text("status", status.as_str())
            .json("output", output)
    });
    let inputs = inputs.iter().map(|GivenInput { node_id, input }| {
        Object::new(input.len()).text("node_id", node_id.as_str()).json("input", input)
    });
    object.array("carried", carried).array("inputs", inputs)
}
