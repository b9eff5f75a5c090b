//! What a request says of the earlier run that it goes on from: one of the same workflow that it takes up,
//! `"resume": {"kind":"redrive","run_id":…,"by":…,"carried":[{"node_id":…,"status":"completed|recovered|skipped",
//! "output":…}],"inputs":[{"node_id":…,"input":…}]}`, or one of another workflow, `"fork": {"workflow_id":…,"run_id":…,
//! "by":…,"from_node":…,"carried":…,"inputs":…,"agents":[{"node_id":…,"agent_name":…}]}`.
//!
//! Carried nodes are not run, their outputs are taken over; a node of `inputs` gets that input instead of the one that
//! its definition makes, and one of `agents` is executed by that agent.

use super::inbound;
use super::json_text::Object;
use super::letter_handling::check_by;
use crate::core::command::Resume;
use crate::core::id::{AgentName, NodeId, RunId, WorkflowId};
use crate::core::json::Json;
use crate::core::lineage::{GivenAgent, GivenInput, LineageKind};
use crate::core::rejection::Refusal;
use crate::core::status::NodeStatus;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// `resume`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct InJson<'a> {
    kind: Cow<'a, str>,
    #[serde(borrow)]
    run_id: Cow<'a, str>,
    by: Option<String>,
    #[serde(borrow, default)]
    carried: Vec<CarriedIn<'a>>,
    #[serde(borrow, default)]
    inputs: Vec<InputIn<'a>>,
}

/// `fork`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ForkInJson<'a> {
    #[serde(borrow)]
    workflow_id: Cow<'a, str>,
    #[serde(borrow)]
    run_id: Cow<'a, str>,
    by: Option<String>,
    from_node: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    carried: Vec<CarriedIn<'a>>,
    #[serde(borrow, default)]
    inputs: Vec<InputIn<'a>>,
    #[serde(borrow, default)]
    agents: Vec<AgentIn<'a>>,
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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AgentIn<'a> {
    #[serde(borrow)]
    node_id: Cow<'a, str>,
    #[serde(borrow)]
    agent_name: Cow<'a, str>,
}

/// Reads `resume`, or `fork`; a request says one of them at most.
pub(super) fn read(resume: Option<InJson>, fork: Option<ForkInJson>) -> Result<Option<Resume>, Refusal> {
    let resume = match (resume, fork) {
        (None, None) => return Ok(None),
        (Some(_), Some(_)) => {
            return Err(inbound::malformed("expected `resume` or `fork`, found both".to_owned()));
        }
        (Some(json), None) => read_resume(json)?,
        (None, Some(json)) => read_fork(json)?,
    };
    resume.by.as_deref().map_or(Ok(()), check_by)?;
    Ok(Some(resume))
}

fn read_resume(json: InJson) -> Result<Resume, Refusal> {
    if json.kind != LineageKind::Redrive.as_str() {
        let found = super::json_text::brief(&json.kind);
        return Err(inbound::malformed(format!("expected the `kind` of `resume` to be redrive, found {found:?}")));
    }
    Ok(Resume {
        kind: LineageKind::Redrive,
        workflow_id: None,
        run_id: RunId::new(&json.run_id).map_err(inbound::illegal)?,
        by: json.by,
        carried: each(&json.carried, carried)?,
        inputs: each(&json.inputs, given)?,
        agents: Vec::new(),
        from_node: None,
    })
}

fn read_fork(json: ForkInJson) -> Result<Resume, Refusal> {
    Ok(Resume {
        kind: LineageKind::Fork,
        workflow_id: Some(WorkflowId::new(&json.workflow_id).map_err(inbound::illegal)?),
        run_id: RunId::new(&json.run_id).map_err(inbound::illegal)?,
        by: json.by,
        carried: each(&json.carried, carried)?,
        inputs: each(&json.inputs, given)?,
        agents: each(&json.agents, agent)?,
        from_node: json.from_node.as_deref().map(NodeId::new).transpose().map_err(inbound::illegal)?,
    })
}

fn each<I, T>(all: &[I], read: impl Fn(&I) -> Result<T, Refusal>) -> Result<Vec<T>, Refusal> {
    all.iter().map(read).collect()
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

fn agent(given: &AgentIn) -> Result<GivenAgent, Refusal> {
    let node_id = NodeId::new(&given.node_id).map_err(inbound::illegal)?;
    Ok(GivenAgent { node_id, agent_name: AgentName::new(&given.agent_name).map_err(inbound::illegal)? })
}

/// The field of a request that says what earlier run it goes on from, as [`read`] reads it.
pub(super) fn write(resume: &Resume) -> (&'static str, Object) {
    let Resume { kind, workflow_id, run_id, by, carried, inputs, agents, from_node } = resume;
    let (field, object) = match (kind, workflow_id) {
        (LineageKind::Fork, Some(workflow_id)) => ("fork", Object::new(0).text("workflow_id", workflow_id.as_str())),
        _ => ("resume", Object::new(0).text("kind", LineageKind::Redrive.as_str())),
    };
    let object = object.text("run_id", run_id.as_str()).text_or_null("by", by.as_deref());
    let object = from_node.iter().fold(object, |object, node| object.text("from_node", node.as_str()));
    let carried = carried.iter().map(|(node_id, status, output)| {
        Object::new(output.len())
            .text("node_id", node_id.as_str())
            .text("status", status.as_str())
            .json("output", output)
    });
    let inputs = inputs.iter().map(|GivenInput { node_id, input }| {
        Object::new(input.len()).text("node_id", node_id.as_str()).json("input", input)
    });
    let object = object.array("carried", carried).array("inputs", inputs);
    if *kind != LineageKind::Fork {
        return (field, object);
    }
    let agents = agents.iter().map(|GivenAgent { node_id, agent_name }| {
        Object::new(0).text("node_id", node_id.as_str()).text("agent_name", agent_name.as_str())
    });
    (field, object.array("agents", agents))
}

/// The same as a value.
pub(super) fn value(resume: &Resume) -> Value {
    let text = write(resume).1.finish();
    serde_json::from_slice(&text).expect("it was written as JSON a moment ago")
}
