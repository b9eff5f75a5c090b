//! `StartWorkflow` → `WorkflowStarted`, `PlanMade`, and the first nodes.

use super::draft::Draft;
use super::schedule;
use crate::core::command::StartWorkflow;
use crate::core::definition::contract::Contract;
use crate::core::definition::graph::Graph;
use crate::core::event::{Event, PlanMade, RunSettings, WorkflowStarted};
use crate::core::frontier::Frontier;
use crate::core::id::DefinitionName;
use crate::core::json::Json;
use crate::core::limits::Limits;
use crate::core::rejection::{Refusal, RefusalReason};
use crate::core::run::Run;
use crate::core::time::{Timestamp, millis};
use std::sync::Arc;

/// Decides a start whose id is free. The caller looks after duplicates and conflicts: they are a matter of the
/// partition, not of a run.
///
/// # Errors
/// Where the input breaks the definition's contract.
pub fn start_workflow(
    start: &StartWorkflow,
    graph: &Arc<Graph>,
    now: Timestamp,
    limits: &Limits,
) -> Result<Vec<Event>, Refusal> {
    check_input(&start.definition.name, graph.input_contract.as_ref(), &start.input)
        .map_err(|refusal| Refusal { workflow_id: Some(start.workflow_id.clone()), ..refusal })?;
    let started = WorkflowStarted {
        definition: start.definition.clone(),
        input: start.input.clone(),
        conversation_id: start.conversation_id.clone(),
        origin: start.origin.clone(),
        payload_hash: hex::encode(start.payload_hash),
        traceparent: start.traceparent.clone(),
        settings: RunSettings {
            parallel_threshold: limits.parallel_threshold,
            max_agent_calls: graph.max_agent_calls.unwrap_or(limits.max_agent_calls),
            retry: limits.retry,
            agent_timeout_ms: millis(limits.agent_timeout),
        },
    };
    let run = Run::started(start.workflow_id.clone(), start.run_id.clone(), now, &started);
    let frontier = Frontier::over(&run, graph.clone());
    let mut draft = Draft::owning(run, frontier, limits, vec![Event::WorkflowStarted(started)]);
    let definition_hash = Some(start.definition.hash.to_string());
    draft.push(Event::PlanMade(PlanMade { planner: None, definition_hash, plan: None }));
    schedule::go_on(&mut draft);
    Ok(draft.into_events())
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
