//! A run as people read it (nodes, timeline, answer) and as JSON for programs.

use super::money;
use super::stand_in::StandIn;
use super::style::{Paint, harmless};
use super::table::{lines, state, table};
use super::time::{duration, rfc3339, short};
use super::timeline::{Kind, Span, timeline};
use super::used::{Used, total};
use crate::core::definition::DefinitionRef;
use crate::core::failure::Failure;
use crate::core::id::NodeId;
use crate::core::json::Json;
use crate::core::lineage::{Lineage, LineageKind};
use crate::core::run::{FailedAttempt, NodeRun, Outcome, Run};
use crate::core::status::NodeStatus;
use crate::core::time::Timestamp;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fmt::Write;

/// How wide the bars of the timeline are.
const BAR_WIDTH: usize = 40;

/// A run for people. `partition` is where it lives; `stand_ins` are of nodes that were skipped or recovered.
pub fn show(run: &Run, partition: u32, stand_ins: &BTreeMap<NodeId, StandIn>, used: &Used, paint: Paint) -> String {
    let mut text = head(run, partition, used, paint);
    if !run.nodes.is_empty() {
        let _ = write!(
            text,
            "\n{}\n{}",
            nodes(run, stand_ins, used, paint),
            timeline(&spans(run), end(run).since(run.started_at), BAR_WIDTH)
        );
    }
    match &run.outcome {
        Some(Outcome::Answer(answer)) => {
            let _ = write!(text, "\n{}\n{}\n", paint.strong("Answer"), pretty(answer));
        }
        Some(Outcome::Failure(node, failure)) => {
            let _ = write!(text, "\n{}\n{}\n", paint.strong("Failure"), failure_words(node.as_ref(), failure));
        }
        None => {}
    }
    text
}

fn head(run: &Run, partition: u32, used: &Used, paint: Paint) -> String {
    let status = run.status.as_str();
    let status = match run.status.has_ended() {
        true if matches!(run.outcome, Some(Outcome::Answer(_))) => paint.good(status),
        true => paint.bad(status),
        false => paint.busy(status),
    };
    let mut rows = vec![("workflow", harmless(run.workflow_id.as_str())), ("run", run.run_id.to_string())];
    rows.extend(run.lineage.as_ref().map(|lineage| ("from run", lineage_words(lineage))));
    rows.extend([
        ("definition", reference(&run.definition)),
        ("state", status),
        ("partition", partition.to_string()),
        ("started", format!("{} UTC", short(run.started_at))),
    ]);
    if let Some(ended) = run.ended_at {
        rows.push(("ended", format!("{} UTC, after {}", short(ended), duration(ended.since(run.started_at)))));
    }
    if let Some(conversation) = &run.conversation_id {
        rows.push(("conversation", harmless(conversation.as_str())));
    }
    rows.extend(total(used).map(|total| ("cost", money::words(total))));
    rows.iter().map(|(name, value)| format!("{name:12} {value}\n")).collect()
}

/// The run that another goes on from, and who asked for it.
pub fn lineage_words(lineage: &Lineage) -> String {
    let by = lineage.by.as_ref().map_or_else(String::new, |by| format!(", asked by {}", harmless(by)));
    match lineage.kind {
        LineageKind::Redrive => format!("{}{by}", lineage.run_id),
        LineageKind::Fork => {
            let from = lineage.from_node.as_ref().map_or_else(String::new, |node| format!(" from node {node} on"));
            format!("{} of {}, forked{from}{by}", lineage.run_id, harmless(lineage.workflow_id.as_str()))
        }
    }
}

/// A definition for people: name, version, the first 12 digits of its hash.
pub fn reference(reference: &DefinitionRef) -> String {
    let digits: String = reference.hash.0.chars().take(12).collect();
    format!("{} v{} ({digits})", reference.name, reference.version)
}

/// The last moment that is known of a run.
fn end(run: &Run) -> Timestamp {
    run.ended_at.unwrap_or(run.time)
}

/// The nodes in the order in which they were scheduled.
fn in_order(run: &Run) -> Vec<(&NodeId, &NodeRun)> {
    let mut nodes: Vec<_> = run.nodes.iter().collect();
    nodes.sort_by_key(|(_, node)| node.scheduled_at);
    nodes
}

fn nodes(run: &Run, stand_ins: &BTreeMap<NodeId, StandIn>, used: &Used, paint: Paint) -> String {
    // Most runs have nothing to say of costs: no column then.
    let cost = (!used.is_empty()).then_some("cost");
    let columns = ["node", "agent", "state", "attempt", "waited", "ran"].into_iter().chain(cost).chain(["note"]);
    let mut rows = table(&columns.collect::<Vec<_>>(), paint);
    for (node_id, node) in in_order(run) {
        let ended = node.ended_at;
        let waited = node.started_at.map(|started| duration(started.since(node.scheduled_at)));
        let ran = ended
            .filter(|_| !node.is_carried())
            .map(|ended| duration(ended.since(node.started_at.unwrap_or(node.scheduled_at))));
        let failure = node.failure.as_ref().map(|failure| failure_words(None, failure));
        let stand_in = stand_ins.get(node_id).filter(|_| stands_in(node)).map(StandIn::words);
        let note: Vec<String> = failure.into_iter().chain(next_words(node)).chain(stand_in).collect();
        // Its output was taken over from an earlier run.
        let attempt = if node.is_carried() { "carried".to_owned() } else { node.attempt.to_string() };
        let mut row = vec![
            node_id.as_str().into(),
            node.agent_name.as_str().into(),
            state(node.status.as_str()),
            attempt.into(),
            waited.unwrap_or_default().into(),
            ran.unwrap_or_default().into(),
        ];
        row.extend(cost.map(|_| used.get(node_id).map_or_else(String::new, |usage| money::words(*usage)).into()));
        row.push(note.join("; ").into());
        rows.add_row(row);
    }
    lines(&rows)
}

/// Whether its output is not one that its own attempts have made.
fn stands_in(node: &NodeRun) -> bool {
    matches!(node.status, NodeStatus::Skipped | NodeStatus::Recovered)
}

/// What is said of the attempt that follows a failed one, or would have.
fn next_words(node: &NodeRun) -> Option<String> {
    let attempt = node.attempt + 1;
    match (node.status, node.due_at, &node.failure) {
        (NodeStatus::AwaitingRetry, Some(due), _) => Some(format!("attempt {attempt} is due {} UTC", short(due))),
        (NodeStatus::Cancelled, _, Some(_)) => Some(format!("attempt {attempt} did not come, as the run failed")),
        _ => None,
    }
}

fn spans(run: &Run) -> Vec<Span> {
    let span = |(node_id, node): (&NodeId, &NodeRun)| Span {
        label: node_id.to_string(),
        // A node that waits for a worker does no work.
        start: node.started_at.unwrap_or(node.scheduled_at).since(run.started_at),
        end: node.ended_at.map(|ended| ended.since(run.started_at)),
        kind: match node.status {
            NodeStatus::AwaitingRetry => Kind::Waits(next_words(node).unwrap_or_default()),
            NodeStatus::Failed | NodeStatus::Skipped | NodeStatus::Cancelled => Kind::Failed(node.status.as_str()),
            NodeStatus::Scheduled => {
                let waits = if run.ended_at.is_some() { "waited" } else { "waits" };
                Kind::Waits(format!("{waits} for a worker of {}", node.agent_name))
            }
            NodeStatus::Running | NodeStatus::Completed | NodeStatus::Recovered => Kind::Work,
        },
    };
    // What was taken over took no time here.
    in_order(run).into_iter().filter(|(_, node)| !node.is_carried()).map(span).collect()
}

/// A refusal in one line.
pub fn refusal_words(reason: &str, message: &str, details: Option<&Json>) -> String {
    let details = details.map_or_else(String::new, |details| format!(" {}", details.as_str()));
    harmless(&format!("{reason}: {message}{details}"))
}

/// A failure in one line.
pub fn failure_words(node: Option<&NodeId>, failure: &Failure) -> String {
    let node = node.map_or_else(String::new, |node| format!("{node}: "));
    let details = failure.details.as_ref().map_or_else(String::new, |details| format!(" {}", details.as_str()));
    harmless(&format!("{node}{} ({}): {}{details}", failure.code, failure.class.as_str(), failure.message))
}

/// JSON, indented.
pub fn pretty(json: &Json) -> String {
    serde_json::to_string_pretty(&json.value()).unwrap_or_else(|_| json.as_str().to_owned())
}

/// A run for programs.
pub fn json(run: &Run, partition: u32, stand_ins: &BTreeMap<NodeId, StandIn>) -> Value {
    let of_node = |(node_id, node): (&NodeId, &NodeRun)| {
        let stand_in = stand_ins.get(node_id).filter(|_| stands_in(node));
        (node_id.to_string(), node_json(node, stand_in))
    };
    let nodes: Map<String, Value> = run.nodes.iter().map(of_node).collect();
    let (answer, error) = match &run.outcome {
        Some(Outcome::Answer(answer)) => (answer.value(), Value::Null),
        Some(Outcome::Failure(node, failure)) => (Value::Null, failure_json(node.as_ref(), failure)),
        None => (Value::Null, Value::Null),
    };
    json!({
        "workflow_id": run.workflow_id.as_str(),
        "run_id": run.run_id.as_str(),
        "partition": partition,
        "definition": {
            "name": run.definition.name.as_str(),
            "version": run.definition.version,
            "hash": run.definition.hash.to_string(),
        },
        "status": run.status.as_str(),
        "conversation_id": run.conversation_id.as_ref().map(|id| id.as_str()),
        "input": run.input.value(),
        "sequence": run.sequence,
        "started_at": rfc3339(run.started_at),
        "ended_at": run.ended_at.map(rfc3339),
        "lineage": run.lineage,
        "nodes": nodes,
        "answer": answer,
        "error": error,
    })
}

fn node_json(node: &NodeRun, stand_in: Option<&StandIn>) -> Value {
    json!({
        "agent_name": node.agent_name.as_str(),
        "status": node.status.as_str(),
        "attempt": node.attempt,
        "carried": node.is_carried(),
        "stand_in": stand_in.map(StandIn::json),
        "timeout_ms": node.timeout_ms,
        "scheduled_at": rfc3339(node.scheduled_at),
        "started_at": node.started_at.map(rfc3339),
        "ended_at": node.ended_at.map(rfc3339),
        "output": node.output.as_ref().map(Json::value),
        "error": node.failure.as_ref().map(|failure| failure_json(None, failure)),
        "due_at": node.due_at.map(rfc3339),
        "failed_attempts": node.failed_attempts.iter().map(failed_attempt_json).collect::<Vec<_>>(),
    })
}

fn failed_attempt_json(failed: &FailedAttempt) -> Value {
    json!({
        "attempt": failed.attempt,
        "scheduled_at": rfc3339(failed.scheduled_at),
        "started_at": failed.started_at.map(rfc3339),
        "ended_at": rfc3339(failed.ended_at),
        "error": failure_json(None, &failed.failure),
    })
}

/// A failure for programs.
pub fn failure_json(node: Option<&NodeId>, failure: &Failure) -> Value {
    json!({
        "node_id": node.map(NodeId::as_str),
        "class": failure.class.as_str(),
        "code": failure.code,
        "message": failure.message,
        "details": failure.details.as_ref().map(Json::value),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::apply::apply;
    use crate::core::command::Origin;
    use crate::core::definition::DefinitionHash;
    use crate::core::event::{Event, RunSettings, WorkflowFailed, WorkflowStarted};
    use crate::core::failure::{FailureClass, Recovery};
    use crate::core::id::{AgentName, DefinitionName, RunId, WorkflowId};
    use crate::core::retry::RetryPolicy;
    use crate::core::status::Status;
    use crate::core::usage::{Cost, Usage};

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(1_738_324_800_000 + ms)
    }

    fn node(agent: &str, scheduled: i64, ended: Option<i64>) -> NodeRun {
        let status = if ended.is_some() { NodeStatus::Completed } else { NodeStatus::Running };
        NodeRun {
            timeout_ms: 60_000,
            output: ended.map(|_| Json::parse("{\"n\":1}").unwrap()),
            started_at: Some(at(scheduled + 5)),
            ended_at: ended.map(at),
            ..NodeRun::new(AgentName::new(agent).unwrap(), status, 1, at(scheduled), 0)
        }
    }

    fn run() -> Run {
        let started = WorkflowStarted {
            lineage: None,
            carried: Vec::new(),
            inputs: Vec::new(),
            definition: DefinitionRef {
                name: DefinitionName::new("shop").unwrap(),
                version: 2,
                hash: DefinitionHash("0123456789abcdef".into()),
            },
            input: Json::parse("{}").unwrap(),
            conversation_id: None,
            origin: Origin { topic: "requests".to_owned(), partition: 1, offset: 2, time: at(0) },
            payload_hash: String::new(),
            traceparent: None,
            settings: RunSettings {
                parallel_threshold: 2,
                max_agent_calls: 5,
                agent_timeout_ms: 60_000,
                retry: RetryPolicy::never(),
                timeout_ms: None,
            },
            agents: Vec::new(),
        };
        let mut run =
            Run::started(WorkflowId::new("order 7").unwrap(), RunId::new(&"a".repeat(32)).unwrap(), at(0), &started);
        run.status = Status::ExecutingParallel;
        run.time = at(400);
        run.nodes.insert(NodeId::new("z-first").unwrap(), node("lookup", 0, Some(200)));
        run.nodes.insert(NodeId::new("a-second").unwrap(), node("reviews", 100, None));
        run
    }

    fn shown(run: &Run) -> String {
        show(run, 3, &BTreeMap::new(), &Used::new(), Paint::PLAIN)
    }

    #[test]
    fn a_run_under_way_shows_its_nodes_in_the_order_of_time() {
        let text = shown(&run());
        assert!(text.contains("definition   shop v2 (0123456789ab)\n"), "{text}");
        assert!(text.find("z-first").unwrap() < text.find("a-second").unwrap(), "{text}");
        assert!(text.contains("295 ms and going on"), "{text}");
        assert!(!text.contains("Answer"), "{text}");
    }

    #[test]
    fn what_was_used_stands_beside_the_nodes_and_in_sum() {
        let usage =
            |cost, input_tokens, output_tokens| Usage { cost: Cost::from_nanos(cost), input_tokens, output_tokens };
        let used = Used::from([
            (NodeId::new("z-first").unwrap(), usage(2_100_000, 850, 120)),
            (NodeId::new("a-second").unwrap(), usage(400_000_000, 0, 0)),
        ]);
        let text = show(&run(), 3, &BTreeMap::new(), &used, Paint::PLAIN);
        assert!(text.contains("cost         0.4021 (850 + 120 tokens)\n") && text.contains(" COST "), "{text}");
        assert!(text.contains("0.0021 (850 + 120 tokens)\n") && text.contains(" 0.4\n"), "{text}");
        assert!(!shown(&run()).to_lowercase().contains("cost"), "{text}");
    }

    #[test]
    fn a_node_without_a_worker_does_no_work() {
        let mut run = run();
        let waiting = NodeRun { status: NodeStatus::Scheduled, started_at: None, ..node("writer", 200, None) };
        run.nodes.insert(NodeId::new("c-third").unwrap(), waiting);
        let text = shown(&run);
        assert!(text.contains("·│ 200 ms, waits for a worker of writer\n"), "{text}");
        assert!(text.contains("400 ms elapsed, 490 ms of work\n"), "{text}");
    }

    #[test]
    fn a_node_that_waits_for_its_retry_says_why_and_until_when_and_not_once_its_run_has_failed() {
        let mut run = run();
        let failure = Failure::new(FailureClass::Retryable, "http_503", "the host answered 503");
        let waiting = NodeRun {
            status: NodeStatus::AwaitingRetry,
            failure: Some(failure.clone()),
            due_at: Some(at(5_000)),
            ..node("writer", 200, Some(300))
        };
        run.nodes.insert(NodeId::new("c-third").unwrap(), waiting);
        let text = shown(&run);
        assert!(
            text.contains("http_503 (retryable): the host answered 503; attempt 2 is due 2025-01-31 12:00:05 UTC\n"),
            "{text}"
        );
        assert!(text.contains("awaiting_retry"), "{text}");
        assert!(text.contains("attempt 2 is due 2025-01-31 12:00:05 UTC\n"), "{text}");
        assert_eq!(json(&run, 3, &BTreeMap::new())["nodes"]["c-third"]["due_at"], "2025-01-31T12:00:05Z");

        let failed = WorkflowFailed {
            definition: run.definition.clone(),
            started_at: run.started_at,
            node_id: Some(NodeId::new("sum").unwrap()),
            class: failure.class,
            code: failure.code,
            message: failure.message,
            details: None,
            context: None,
        };
        apply(&mut run, &Event::WorkflowFailed(failed), at(400));
        let text = shown(&run);
        assert!(text.contains("attempt 2 did not come, as the run failed\n"), "{text}");
        assert!(!text.contains("awaiting_retry") && !text.contains("is due"), "{text}");
    }

    #[test]
    fn what_was_taken_over_and_what_stands_in_is_told() {
        let mut run = run();
        let of = |status, attempt| NodeRun { status, attempt, started_at: None, ..node("lookup", 0, Some(0)) };
        run.nodes.insert(NodeId::new("before").unwrap(), of(NodeStatus::Completed, 0));
        run.nodes.insert(NodeId::new("given").unwrap(), of(NodeStatus::Recovered, 0));
        run.nodes.insert(NodeId::new("left-out").unwrap(), of(NodeStatus::Skipped, 1));
        let failure = Failure::new(FailureClass::Timeout, "timeout", "no answer");
        let stand_in =
            |how, by: Option<&str>, failure| StandIn { how, failure_node: None, by: by.map(str::to_owned), failure };
        let stand_ins = BTreeMap::from([
            (NodeId::new("given").unwrap(), stand_in(Recovery::Supply, Some("ada"), None)),
            (NodeId::new("left-out").unwrap(), stand_in(Recovery::Skip, None, Some(failure))),
        ]);
        let text = show(&run, 3, &stand_ins, &Used::new(), Paint::PLAIN);
        let words = |id: &str| {
            let line = text.lines().find(|line| line.contains(id)).unwrap();
            line.split_whitespace().collect::<Vec<_>>().join(" ")
        };
        assert_eq!(words("before"), "before lookup completed carried");
        assert_eq!(words("given"), "given lookup recovered carried supplied by hand by ada");
        let left_out = "left-out lookup skipped 1 0 µs timeout (timeout): no answer; skipped by on_failure";
        assert_eq!(words("left-out"), left_out);
        assert_eq!(text.matches("before").count(), 1, "it has no bar: {text}");
        let json = json(&run, 3, &stand_ins);
        assert_eq!(
            (&json["nodes"]["before"]["carried"], &json["nodes"]["left-out"]["carried"]),
            (&true.into(), &false.into())
        );
        let (given, left_out) = (&json["nodes"]["given"]["stand_in"], &json["nodes"]["left-out"]["stand_in"]);
        assert_eq!((&given["how"], &given["by"]), (&"supply".into(), &"ada".into()));
        assert_eq!((&left_out["how"], &left_out["error"]["code"]), (&"skip".into(), &"timeout".into()));
    }

    #[test]
    fn an_ended_run_shows_how_it_ended() {
        let mut run = run();
        run.status = Status::Completed;
        run.ended_at = Some(at(400));
        run.outcome = Some(Outcome::Answer(Json::parse("{\"total\":12}").unwrap()));
        assert!(shown(&run).contains("Answer\n{\n  \"total\": 12\n}\n"));
        let answered = json(&run, 3, &BTreeMap::new());
        assert_eq!((&answered["answer"]["total"], &answered["status"]), (&12.into(), &"completed".into()));

        let failure = Failure::new(FailureClass::Timeout, "timeout", "no answer within 60 s");
        run.outcome = Some(Outcome::Failure(Some(NodeId::new("sum").unwrap()), failure));
        assert!(shown(&run).contains("Failure\nsum: timeout (timeout): no answer within 60 s\n"));
        assert_eq!(json(&run, 3, &BTreeMap::new())["error"]["node_id"], "sum");
    }
}
