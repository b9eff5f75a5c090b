//! `orchestrator submit`.

pub mod input;
pub mod wait;

use super::exit::{Exit, fail};
use super::output::say;
use super::records::append;
use super::{Context, connect};
use crate::core::id::{ConversationId, DefinitionName, WorkflowId};
use crate::core::json::Json;
use crate::core::partition::partition_of;
use crate::core::run::Outcome;
use crate::log::{Header, Log, LogError, NewRecord, Topic};
use crate::ui::run::{failure_words, pretty};
use crate::wire::answer::{self, Response};
use crate::wire::headers::TRACEPARENT;
use anyhow::{Context as _, Result};
use bytes::Bytes;
use serde_json::{Value, json};
use std::time::Duration;

/// For `--help`.
pub const EXAMPLES: &str = "\
Examples:
  orchestrator submit shop --input '{\"city\":\"Kyoto\"}' --wait
  orchestrator submit shop --input @order.json --id order-7
  echo '{}' | orchestrator submit shop --input - --wait --timeout 30
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
    /// How many seconds to wait at most
    #[arg(long, requires = "wait", default_value_t = 600, value_name = "SECONDS")]
    pub timeout: u64,
}

/// Publishes the request, and waits for its answer if asked to.
pub fn run(args: &Args, context: &Context) -> Result<Exit> {
    let input = input::read(&args.input)?;
    let log = connect::open_log(context.settings())?;
    let workflow_id = match &args.id {
        Some(id) => id.clone(),
        None => WorkflowId::new(&uuid::Uuid::new_v4().to_string()).context("a UUID is a workflow id")?,
    };
    let request = record(log.as_ref(), args, &workflow_id, &input)?;
    if !args.wait {
        let (partition, offset) = publish(log.as_ref(), request)?;
        return published(context, &workflow_id, partition, offset);
    }
    // Reading begins before the request is there: no answer can come too early to be seen.
    let mut answers = wait::Answers::begin(log.as_ref(), &workflow_id)?;
    let (partition, offset) = publish(log.as_ref(), request)?;
    let found = answers.wait_for(context, log.as_ref(), partition, offset, Duration::from_secs(args.timeout))?;
    match found {
        Some(response) => answered(context, &response),
        None => Err(fail(
            Exit::TimedOut,
            format!(
                "no answer within {} s; the request stands, and `orchestrator show {}` tells how far it is",
                args.timeout,
                quoted(workflow_id.as_str())
            ),
        )),
    }
}

/// The request as it is published: `{"definition", "version"?, "input", "workflow_id", "conversation_id"?}` under its
/// id, in its partition.
fn record(log: &dyn Log, args: &Args, workflow_id: &WorkflowId, input: &Json) -> Result<NewRecord> {
    let missing = || LogError::UnknownTopic(Topic::Requests.to_string());
    let partitions = log.partitions(&Topic::Requests)?.ok_or_else(missing)?;
    Ok(NewRecord {
        topic: Topic::Requests,
        partition: Some(partition_of(workflow_id.as_str().as_bytes(), partitions)),
        key: Some(Bytes::copy_from_slice(workflow_id.as_str().as_bytes())),
        value: Some(body(args, workflow_id, input)?),
        headers: traceparent(),
    })
}

#[derive(serde::Serialize)]
struct Body<'a> {
    definition: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u32>,
    input: &'a serde_json::value::RawValue,
    workflow_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    conversation_id: Option<&'a str>,
}

fn body(args: &Args, workflow_id: &WorkflowId, input: &Json) -> Result<Bytes> {
    let body = Body {
        definition: args.name.as_str(),
        version: args.version,
        input: input.raw(),
        workflow_id: workflow_id.as_str(),
        conversation_id: args.conversation.as_ref().map(ConversationId::as_str),
    };
    Ok(serde_json::to_vec(&body)?.into())
}

fn traceparent() -> Vec<Header> {
    let value = std::env::var("TRACEPARENT").ok().filter(|value| !value.is_empty());
    value.into_iter().map(|value| (TRACEPARENT.into(), Bytes::from(value))).collect()
}

fn publish(log: &dyn Log, request: NewRecord) -> Result<(u32, u64)> {
    let places = append(log, vec![request]).context("the request could not be published")?;
    places.first().copied().context("one record has one place")
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
            let details = details.as_ref().map_or_else(String::new, |details| format!(" {}", details.as_str()));
            Err(fail(Exit::Refused, format!("the request was refused: {reason}: {message}{details}")))
        }
    }
}

/// A word as a shell takes it.
fn quoted(text: &str) -> String {
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
        serde_json::from_slice(&body(&args(line), &workflow_id, &Json::parse(input).unwrap()).unwrap()).unwrap()
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
        let body = body(&args(&["shop", "--input", "{}"]), &workflow_id, &input).unwrap();
        assert!(String::from_utf8_lossy(&body).contains("123456789012345678901234567890.5"));
    }

    #[test]
    fn ids_come_back_as_a_shell_takes_them() {
        assert_eq!((quoted("order-7"), quoted("it's 7")), ("order-7".to_owned(), "'it'\\''s 7'".to_owned()));
    }
}
