//! `StartWorkflow` → `WorkflowStarted`, `PlanMade`, and the first nodes.

use super::draft::Draft;
use super::output::join_plan;
use super::take_over::{TakenOver, take_over};
use super::{Given, schedule};
use crate::core::command::StartWorkflow;
use crate::core::definition::contract::Contract;
use crate::core::definition::graph::Graph;
use crate::core::event::{Event, PlanMade, RunSettings, WorkflowStarted};
use crate::core::frontier::Frontier;
use crate::core::id::DefinitionName;
use crate::core::json::Json;
use crate::core::lineage::Lineage;
use crate::core::rejection::{Refusal, RefusalReason};
use crate::core::run::{Plan, Run};
use crate::core::time::millis;
use std::sync::Arc;

/// Decides a start whose id is free. The caller looks after duplicates and conflicts: they are a matter of the
/// partition, not of a run.
///
/// # Errors
/// Where the input breaks the definition's contract.
pub fn start_workflow(start: &StartWorkflow, graph: &Arc<Graph>, given: &Given) -> Result<Vec<Event>, Refusal> {
    check_input(&start.definition.name, graph.input_contract.as_ref(), &start.input)
        .map_err(|refusal| of_workflow(refusal, start))?;
    let limits = given.limits;
    let max_agent_calls = graph.max_agent_calls.unwrap_or(limits.max_agent_calls);
    let taken_over = match &start.resume {
        Some(resume) => take_over(resume, graph, max_agent_calls).map_err(|refusal| of_workflow(refusal, start))?,
        None => TakenOver { carried: Vec::new(), plans: Vec::new() },
    };
    let started = WorkflowStarted {
        definition: start.definition.clone(),
        input: start.input.clone(),
        conversation_id: start.conversation_id.clone(),
        origin: start.origin.clone(),
        payload_hash: hex::encode(start.payload_hash),
        traceparent: start.traceparent.clone(),
        settings: RunSettings {
            parallel_threshold: limits.parallel_threshold,
            max_agent_calls,
            retry: limits.retry,
            agent_timeout_ms: millis(limits.agent_timeout),
            timeout_ms: graph.timeout.map(millis),
        },
        lineage: start.resume.as_ref().map(|resume| Lineage {
            kind: resume.kind,
            workflow_id: resume.workflow_id.as_ref().unwrap_or(&start.workflow_id).clone(),
            run_id: resume.run_id.clone(),
            by: resume.by.clone(),
            from_node: resume.from_node.clone(),
        }),
        carried: taken_over.carried,
        inputs: start.resume.iter().flat_map(|resume| resume.inputs.clone()).collect(),
        agents: start.resume.iter().flat_map(|resume| resume.agents.clone()).collect(),
    };
    let run = Run::started(start.workflow_id.clone(), start.run_id.clone(), given.now, &started);
    let frontier = Frontier::at_start(&run, graph);
    let mut draft = Draft::owning(run, frontier, given, vec![Event::WorkflowStarted(started)]);
    let definition_hash = Some(start.definition.hash.to_string());
    draft.push(Event::PlanMade(PlanMade { planner: None, definition_hash, plan: None }));
    for Plan { planner, plan } in &taken_over.plans {
        join_plan(&mut draft, planner, plan);
    }
    schedule::go_on(&mut draft);
    Ok(draft.into_events())
}

fn of_workflow(refusal: Refusal, start: &StartWorkflow) -> Refusal {
    Refusal { workflow_id: Some(start.workflow_id.clone()), ..refusal }
}

/// Holds the input of a request against the contract of the definition that it names.
///
/// # Errors
/// The refusal, without its workflow.
pub fn check_input(name: &DefinitionName, contract: Option<&Contract>, input: &Json) -> Result<(), Refusal> {
    let Some(contract) = contract else { return Ok(()) };
    contract.check(&input.value()).map_err(|breach| Refusal {
        details: Some(Json::from_value(&serde_json::json!({ "pointer": breach.pointer }))),
        ..Refusal::new(RefusalReason::Contract, format!("the input breaks the contract of definition {name} {breach}"))
    })
}
