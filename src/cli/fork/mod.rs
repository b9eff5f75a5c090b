//! `orchestrator fork`.

mod changes;
mod plan;

use super::by::By;
use super::dlq::repair::Repair;
use super::exit::{self, Exit, fail};
use super::submit::{self, Sending, check};
use super::{Context, connect, history};
use crate::core::attempts::attempts;
use crate::core::command::Request;
use crate::core::id::{AgentName, NodeId, RunId, WorkflowId};
use crate::ui;
use crate::wire::request;
use anyhow::Result;
use plan::Planned;
use std::time::Duration;

/// For `--help`.
pub const EXAMPLES: &str = "\
Examples:
  orchestrator fork order-7 --from answer --dry-run
  orchestrator fork order-7 --from answer --set /customer='\"c-8\"' --wait
  orchestrator fork order-7 --from answer --agent answer=writer-2 --id order-7-b
  orchestrator fork order-7 --from rank --input rank='{\"top\": 3}'
  orchestrator fork order-7 --from answer --definition recommend-coffee@4
A new workflow takes over what the run has recorded upstream of the node, and really
runs the rest; nothing becomes of the run that is forked. `orchestrator diff` says
where the two part.
";

/// The arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The workflow that is forked
    #[arg(value_name = "WORKFLOW_ID")]
    pub workflow: WorkflowId,
    /// An older run of it
    #[arg(long, value_name = "RUN_ID")]
    pub run: Option<RunId>,
    /// The node from which on the new workflow runs
    #[arg(long, value_name = "NODE")]
    pub from: NodeId,
    /// A member of the request's input anew: a JSON pointer and its value
    #[arg(long, value_name = "POINTER=JSON", value_parser = Repair::member)]
    pub set: Vec<Repair>,
    /// The input of a node, instead of the one that its definition makes: JSON, @FILE, or - for the standard input
    #[arg(long, value_name = "NODE=JSON|@FILE|-", value_parser = changes::of_node)]
    pub input: Vec<(NodeId, String)>,
    /// Another definition, or another version of it; without a version the newest
    #[arg(long, value_name = "NAME[@VERSION]", value_parser = changes::definition)]
    pub definition: Option<changes::Named>,
    /// Another agent for a node
    #[arg(long, value_name = "NODE=NAME", value_parser = changes::agent)]
    pub agent: Vec<(NodeId, AgentName)>,
    /// The new workflow's id; without one it gets that of the forked one, `.fork-` and 8 random digits
    #[arg(long, value_name = "WORKFLOW_ID")]
    pub id: Option<WorkflowId>,
    /// Say which nodes would run, which are taken over, and what the recorded run spent on the same ones
    #[arg(long)]
    pub dry_run: bool,
    /// Wait for the answer and print it
    #[arg(long, conflicts_with = "dry_run")]
    pub wait: bool,
    /// How long to wait at most: seconds (30, 0.5), or a number with ms, s, m or h
    #[arg(long, requires = "wait", default_value = "600", value_name = "DURATION", value_parser = submit::timeout)]
    pub timeout: Duration,
    /// Who asks for it.
    #[command(flatten)]
    pub by: By,
}

/// Publishes the request that forks the run.
pub fn run(args: &Args, context: &Context) -> Result<Exit> {
    let log = connect::open_log(context.settings())?;
    let (partitions, catalogue) = connect::installation(log.as_ref(), context.settings())?;
    let history = history::find(&args.workflow, args.run.as_ref(), log.as_ref(), context)?;
    let run = history::read::folded(&history.events)?;
    let Planned { fork, request, workflow_id } = plan::plan(args, &run, &catalogue)?;
    let checked =
        check::check(&catalogue, &request.definition, request.version, &request.input, request.resume.as_ref());
    if let Err(refusal) = checked {
        return submit::refused(context, &workflow_id, &refusal);
    }
    let value = request::encode(&request);
    check_size(&value, context)?;
    if let Some(id) = &args.id {
        check_id(id, &request, context)?;
    }
    if args.dry_run {
        let recorded = attempts(&history.events);
        let view = ui::fork::View { run: &run, fork: &fork, recorded: &recorded };
        match context.out.is_json() {
            true => context.out.json(&ui::fork::json(&view))?,
            false => context.out.text(&ui::fork::text(&view, context.out.paint))?,
        }
        return Ok(Exit::Done);
    }
    let record = submit::record(&workflow_id, value, partitions, submit::traceparent());
    let sending = Sending { patience: args.wait.then_some(args.timeout), is_named: args.id.is_some() };
    submit::send(context, log.as_ref(), record, &workflow_id, sending)
}

fn check_size(value: &[u8], context: &Context) -> Result<()> {
    let (bytes, most) = (value.len(), context.settings().max_request_bytes);
    if bytes <= most {
        return Ok(());
    }
    let words = format!(
        "with the outputs that are taken over the request has {bytes} bytes, and {most} are allowed ({})",
        crate::config::table::MAX_REQUEST_BYTES
    );
    Err(fail(Exit::Refused, words))
}

/// The id may be free, or that of the same fork, which is then recognised. Where no store answers the engine alone says so.
fn check_id(id: &WorkflowId, request: &Request, context: &Context) -> Result<()> {
    let known = connect::open_store(context.settings()).and_then(|store| Ok(store.query().run(id, None)?));
    match known {
        Err(error) if exit::is_store_away(&error) => Ok(()),
        Err(error) => Err(error),
        Ok(Some((_, run))) if run.payload_hash != hex::encode(request::payload_hash(request)) => {
            let words =
                format!("workflow {id} is there already, and is not this fork (id_conflict): choose another --id");
            Err(fail(Exit::Refused, words))
        }
        Ok(_) => Ok(()),
    }
}
