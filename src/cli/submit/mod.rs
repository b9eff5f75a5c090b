//! `orchestrator submit`.

pub mod check;
pub mod input;
pub mod wait;

use super::exit::{Exit, fail};
use super::output::say;
use super::{Context, connect};
use crate::config::kind::{self as settings, Kind};
use crate::core::command::Request;
use crate::core::id::{ConversationId, DefinitionName, WorkflowId};
use crate::core::json::Json;
use crate::core::partition::partition_of;
use crate::core::rejection::Refusal;
use crate::core::run::Outcome;
use crate::installation::InstallationError;
use crate::installation::records::append;
use crate::log::{AppendError, Header, Log, NewRecord, Topic};
use crate::ui::run::{failure_words, pretty, refusal_words};
use crate::ui::time::duration;
use crate::wire::answer::{self, Response};
use crate::wire::headers::TRACEPARENT;
use crate::wire::request;
use anyhow::{Context as _, Result};
use bytes::Bytes;
use serde_json::{Value, json};
use std::time::Duration;

/// For `--help`.
pub const EXAMPLES: &str = "\
Examples:
  orchestrator submit hello --input '{\"name\": \"Ada\"}' --wait
  orchestrator submit hello --input @examples/requests/hello.json --id greet-1
  echo '{\"name\": \"Ada\"}' | orchestrator submit hello --input - --wait --timeout 30
An unknown definition and an input that breaks its contract are refused at once.
With the same --id and the same input it is the same request: --wait returns the
first run's answer. A TRACEPARENT in the environment (W3C trace context) is passed
on with the request.
";

/// The arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The definition
    pub name: DefinitionName,
    /// The input: JSON, @FILE, or - for the standard input
    #[arg(long, value_name = "JSON|@FILE|-")]
    pub input: String,
    /// The workflow's id, your key for it; without one it gets a random one
    #[arg(long, value_name = "WORKFLOW_ID")]
    pub id: Option<WorkflowId>,
    /// The conversation it belongs to
    #[arg(long, value_name = "CONVERSATION_ID")]
    pub conversation: Option<ConversationId>,
    /// A version of the definition; without one the newest
    #[arg(long, value_name = "N")]
    pub version: Option<u32>,
    /// Wait for the answer and print it
    #[arg(long)]
    pub wait: bool,
    /// How long to wait at most: seconds (30, 0.5), or a number with ms, s, m or h
    #[arg(long, requires = "wait", default_value = "600", value_name = "DURATION", value_parser = timeout)]
    pub timeout: Duration,
}

/// As settings are written; a week is longer than anybody waits at a terminal.
///
/// # Errors
/// Where it is not a duration.
pub fn timeout(text: &str) -> Result<Duration, String> {
    const TIMEOUT: Kind = Kind::Duration { min_ms: 1, max_ms: 7 * 86_400_000 };
    match TIMEOUT.parse(text) {
        Some(settings::Value::Duration(duration)) => Ok(duration),
        _ => Err(format!("allowed {}", TIMEOUT.allowed())),
    }
}

/// Publishes the request, and waits for its answer if asked to.
pub fn run(args: &Args, context: &Context) -> Result<Exit> {
    let input = input::read("--input", &args.input)?;
    let log = connect::open_log(context.settings())?;
    let workflow_id = match &args.id {
        Some(id) => id.clone(),
        None => WorkflowId::new(&uuid::Uuid::new_v4().to_string()).context("a UUID is a workflow id")?,
    };
    let (partitions, catalogue) = connect::installation(log.as_ref(), context.settings())?;
    if let Err(refusal) = check::check(&catalogue, &args.name, args.version, &input, None) {
        return refused(context, &workflow_id, &refusal);
    }
    let request = record(&workflow_id, body(args, &workflow_id, &input), partitions, traceparent());
    let patience = args.wait.then_some(args.timeout);
    send(context, log.as_ref(), request, &workflow_id, Sending { patience, is_named: args.id.is_some() })
}

/// How a request is sent.
pub struct Sending {
    /// How long its answer is waited for; none: not at all.
    pub patience: Option<Duration>,
    /// Whether its sender knows the workflow's id.
    pub is_named: bool,
}

/// Publishes a request, and waits for its answer if asked to.
///
/// # Errors
/// Where it is not certain to stand, was refused or failed, or is not answered in time.
pub fn send(
    context: &Context,
    log: &dyn Log,
    request: NewRecord,
    workflow_id: &WorkflowId,
    Sending { patience, is_named }: Sending,
) -> Result<Exit> {
    let Some(patience) = patience else {
        let (partition, offset) = publish(log, request, workflow_id)?;
        return published(context, workflow_id, partition, offset);
    };
    // Reading begins before the request is there: no answer can come too early to be seen.
    let mut answers = wait::Answers::begin(log, workflow_id)?;
    let (partition, offset) = publish(log, request, workflow_id)?;
    if !is_named {
        // Whoever stops waiting needs it to ask again.
        say(format!("published as {workflow_id}"));
    }
    match answers.wait_for(context, log, partition, offset, patience)? {
        Some(response) => answered(context, &response),
        None => Err(fail(
            Exit::TimedOut,
            format!(
                "no answer within {}; the request stands, and `orchestrator show {}` tells how far it is",
                duration(patience),
                quoted(workflow_id.as_str())
            ),
        )),
    }
}

/// A request as it is published: under its workflow's id, in its partition.
pub fn record(workflow_id: &WorkflowId, body: Bytes, partitions: u32, headers: Vec<Header>) -> NewRecord {
    let key = workflow_id.as_str().as_bytes();
    NewRecord {
        topic: Topic::Requests,
        partition: Some(partition_of(key, partitions)),
        key: Some(Bytes::copy_from_slice(key)),
        value: Some(body),
        headers,
    }
}

/// `{"definition", "version"?, "input", "workflow_id", "conversation_id"?}`.
fn body(args: &Args, workflow_id: &WorkflowId, input: &Json) -> Bytes {
    request::encode(&Request {
        definition: args.name.clone(),
        version: args.version,
        input: input.clone(),
        workflow_id: Some(workflow_id.clone()),
        conversation_id: args.conversation.clone(),
        resume: None,
    })
}

/// The trace context of the environment, as a header.
pub fn traceparent() -> Vec<Header> {
    let value = std::env::var("TRACEPARENT").ok().filter(|value| !value.is_empty());
    value.into_iter().map(|value| (TRACEPARENT.into(), Bytes::from(value))).collect()
}

fn publish(log: &dyn Log, request: NewRecord, workflow_id: &WorkflowId) -> Result<(u32, u64)> {
    let places = append(log, vec![request]).map_err(|error| {
        let refused = matches!(&error, InstallationError::Append { fault: AppendError::Refused(_), .. });
        let id = quoted(workflow_id.as_str());
        anyhow::Error::from(error).context(match refused {
            true => "the request was not published".to_owned(),
            false => format!("it is not certain that the request was published; again with --id {id} it runs once"),
        })
    })?;
    places.first().copied().context("one record has one place")
}

/// Says what the engine would have answered; nothing was published.
///
/// # Errors
/// Always: the refusal.
pub fn refused(context: &Context, workflow_id: &WorkflowId, refusal: &Refusal) -> Result<Exit> {
    let Refusal { reason, message, details, .. } = refusal;
    if context.out.is_json() {
        context.out.json(&json!({
            "format": 1,
            "kind": "refused",
            "workflow_id": workflow_id.as_str(),
            "run_id": null,
            "reason": reason.as_str(),
            "message": message,
            "details": details.as_ref().map(Json::value),
            "origin": null,
        }))?;
    }
    let words = refusal_words(reason.as_str(), message, details.as_ref());
    Err(fail(Exit::Refused, format!("the request was refused, nothing was published: {words}")))
}

fn published(context: &Context, workflow_id: &WorkflowId, partition: u32, offset: u64) -> Result<Exit> {
    if context.out.is_json() {
        let place = json!({ "workflow_id": workflow_id.as_str(), "partition": partition, "offset": offset });
        context.out.json(&place)?;
    } else {
        context.out.line(workflow_id)?;
        say(format!("published; `orchestrator show {}` tells how far it is", quoted(workflow_id.as_str())));
    }
    Ok(Exit::Done)
}

/// Prints an answer: for people the answer itself, for programs the whole response.
fn answered(context: &Context, response: &Response) -> Result<Exit> {
    if context.out.is_json() {
        let value: Value = serde_json::from_slice(&answer::encode(response))?;
        context.out.json(&value)?;
    }
    match response {
        Response::Answer { outcome: Outcome::Answer(answer), .. } => {
            if !context.out.is_json() {
                context.out.line(pretty(answer))?;
            }
            Ok(Exit::Done)
        }
        Response::Answer { outcome: Outcome::Failure(node, failure), .. } => {
            Err(fail(Exit::Failed, format!("the run failed: {}", failure_words(node.as_ref(), failure))))
        }
        Response::Refused { reason, message, details, .. } => {
            let words = refusal_words(reason, message, details.as_ref());
            Err(fail(Exit::Refused, format!("the request was refused: {words}")))
        }
    }
}

/// A word as a shell takes it.
pub fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@".contains(c);
    if text.chars().all(plain) { text.to_owned() } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

#[cfg(test)]
mod tests {
    use super::super::{Cli, Command};
    use super::*;
    use clap::Parser;

    fn args(line: &[&str]) -> Args {
        let line = ["orchestrator", "submit"].iter().chain(line);
        match Cli::try_parse_from(line).unwrap().command {
            Command::Submit(args) => args,
            other => panic!("{other:?}"),
        }
    }

    fn written(line: &[&str], input: &str) -> Value {
        let workflow_id = WorkflowId::new("order 7").unwrap();
        serde_json::from_slice(&body(&args(line), &workflow_id, &Json::parse(input).unwrap())).unwrap()
    }

    #[test]
    fn a_request_says_what_was_asked_and_nothing_else() {
        assert_eq!(
            written(&["shop", "--input", "{}"], "{\"n\":1}"),
            json!({ "definition": "shop", "input": { "n": 1 }, "workflow_id": "order 7" })
        );
        let more = written(&["shop", "--input", "{}", "--version", "2", "--conversation", "c"], "null");
        assert_eq!(
            (&more["version"], &more["conversation_id"], &more["input"]),
            (&json!(2), &json!("c"), &json!(null))
        );
    }

    #[test]
    fn large_numbers_pass_unharmed() {
        let workflow_id = WorkflowId::new("w").unwrap();
        let input = Json::parse("{\"n\":123456789012345678901234567890.5}").unwrap();
        let body = body(&args(&["shop", "--input", "{}"]), &workflow_id, &input);
        assert!(String::from_utf8_lossy(&body).contains("123456789012345678901234567890.5"));
    }

    #[test]
    fn ids_come_back_as_a_shell_takes_them() {
        assert_eq!((quoted("order-7"), quoted("it's 7")), ("order-7".to_owned(), "'it'\\''s 7'".to_owned()));
    }
}
