//! One example of everything, the same as in `docs/messages.md` and `docs/events.md`.

use bytes::Bytes;
use orchestrator::core::breaker::BreakerStatus;
use orchestrator::core::command::{Origin, Request, Resume};
use orchestrator::core::definition::{DefinitionHash, DefinitionRef};
use orchestrator::core::effect::DeadNode;
use orchestrator::core::event::*;
use orchestrator::core::failure::{
    ClassifiedBy, Failure, FailureClass, FinalBecause, Handling, Recovery, ReportedFailure,
};
use orchestrator::core::id::*;
use orchestrator::core::json::Json;
use orchestrator::core::letter::{LetterAction, LetterHandling};
use orchestrator::core::lineage::{Carried, GivenAgent, GivenInput, Lineage, LineageKind};
use orchestrator::core::retry::RetryPolicy;
use orchestrator::core::run::Outcome;
use orchestrator::core::status::{NodeStatus, Status};
use orchestrator::core::time::Timestamp;
use orchestrator::core::usage::{Cost, Usage};
use orchestrator::journal::record::*;
use orchestrator::wire::answer::Response;
use orchestrator::wire::definition::DefinitionRecord;
use orchestrator::wire::event::{self, PartitionRecorded};
use orchestrator::wire::report::{Report, ReportOutcome};
use orchestrator::wire::signal::{Signal, SignalKind, Supply};
use orchestrator::wire::task::Task;
use orchestrator::wire::wakeup::Wakeup;

pub fn id<T: std::str::FromStr<Err = IllegalId>>(text: &str) -> T {
    text.parse().unwrap()
}

pub fn json(text: &str) -> Json {
    Json::parse(text).unwrap()
}

/// 2026-02-03T04:05:06.000007Z and as many milliseconds more.
pub fn at(millis: i64) -> Timestamp {
    Timestamp(1_770_091_506_000_007 + millis * 1_000)
}

pub fn origin() -> Origin {
    Origin { topic: "requests".into(), partition: 2, offset: 4711, time: Timestamp::from_millis(1_770_091_505_990) }
}

pub fn definition() -> DefinitionRef {
    DefinitionRef { name: id("recommend-coffee"), version: 3, hash: DefinitionHash("5f".repeat(32).into()) }
}

pub fn run() -> RunId {
    id("0123456789abcdef0123456789abcdef")
}

pub fn dispatch_id() -> DispatchId {
    id("0123456789abcdef0123456789abcdef/find-orders/1")
}

fn failure() -> Failure {
    Failure {
        class: FailureClass::NonRetryable,
        code: "no_such_customer".into(),
        message: "no customer \"c-7\"".into(),
        details: Some(json(r#"{"customer":"c-7"}"#)),
    }
}

/// Every event of a run, in the order of their schemas.
pub fn run_events() -> Vec<Recorded> {
    let Failure { class, code, message, details } = failure();
    let node = |text: &str| -> NodeId { id(text) };
    [
        Event::WorkflowStarted(WorkflowStarted {
            lineage: Some(Lineage {
                kind: LineageKind::Fork,
                workflow_id: id("order 6 / ☕"),
                run_id: run(),
                by: Some("ann".into()),
                from_node: Some(node("find-orders")),
            }),
            carried: vec![Carried {
                node_id: node("find-customer"),
                agent_name: id("customers"),
                status: NodeStatus::Completed,
                output: json(r#"{"customer":"c-7"}"#),
            }],
            inputs: vec![GivenInput { node_id: node("find-orders"), input: json(r#"{"customer":"c-8"}"#) }],
            definition: definition(),
            input: json(r#"{"customer":"c-7"}"#),
            conversation_id: Some(id("chat-42")),
            origin: origin(),
            payload_hash: "00112233445566778899aabbccddeeff".into(),
            traceparent: Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".into()),
            settings: RunSettings {
                parallel_threshold: 2,
                max_agent_calls: 5,
                agent_timeout_ms: 60_000,
                retry: RetryPolicy::default(),
                timeout_ms: Some(600_000),
            },
            agents: vec![GivenAgent { node_id: node("find-orders"), agent_name: id("orders-v2") }],
        }),
        Event::PlanMade(PlanMade { planner: None, definition_hash: Some("5f".repeat(32)), plan: None }),
        Event::NodeScheduled(NodeScheduled {
            heartbeat: true,
            deadline: Some(at(600)),
            node_id: node("find-orders"),
            agent_name: id("orders"),
            attempt: 1,
            input: json(r#"{"customer":"c-7"}"#),
            timeout_ms: 60_000,
        }),
        Event::NodeStarted(NodeStarted { node_id: node("find-orders"), attempt: 1, local: true }),
        Event::NodeCompleted(NodeCompleted {
            node_id: node("find-orders"),
            attempt: 1,
            output: json(r#"[{"sku":"espresso","count":2}]"#),
            usage: Some(usage()),
        }),
        Event::NodeFailed(NodeFailed {
            handling: Some(Handling::RouteTo),
            node_id: node("find-orders"),
            agent_name: id("orders"),
            attempt: 1,
            class,
            code: code.clone(),
            message: message.clone(),
            details: details.clone(),
            input: Some(json(r#"{"customer":"c-7"}"#)),
            classified_by: ClassifiedBy::Table,
            retry_after_ms: Some(2_500),
            final_because: Some(FinalBecause::RetriesExhausted),
            usage: Some(usage()),
        }),
        Event::StateTransitioned(StateTransitioned { from: Status::Initializing, to: Status::ExecutingSingle }),
        Event::WorkflowCompleted(WorkflowCompleted {
            definition: definition(),
            started_at: at(1),
            answer: json(r#""Try the Sidamo ☕""#),
        }),
        Event::WorkflowFailed(WorkflowFailed {
            context: Some(json(r#"{"node_id":"find-orders","attempts":[]}"#)),
            definition: definition(),
            started_at: at(1),
            node_id: Some(node("find-orders")),
            class,
            code,
            message,
            details,
        }),
        Event::NodeProgressed(NodeProgressed { node_id: node("find-orders"), attempt: 1 }),
        Event::NodeRecovered(NodeRecovered {
            node_id: node("find-orders"),
            attempt: 3,
            how: Recovery::RouteTo,
            output: json("[]"),
            failure_node: Some(node("no-orders")),
            by: None,
        }),
        Event::NodeRetryScheduled(NodeRetryScheduled {
            node_id: node("find-orders"),
            agent_name: id("orders"),
            attempt: 2,
            delay_ms: 1_500,
            due_at: at(3),
        }),
    ]
    .into_iter()
    .zip(1..)
    .map(|(event, sequence)| Recorded {
        workflow_id: id("order 7 / ☕"),
        run_id: run(),
        sequence,
        time: at(sequence as i64),
        event,
    })
    .collect()
}

/// Every event of a partition.
pub fn partition_events() -> Vec<PartitionRecorded> {
    [
        PartitionEvent::InputRefused(refused()),
        PartitionEvent::InputRejected(InputRejected {
            origin: origin(),
            reason: "duplicate".into(),
            message: "the same request was accepted before".into(),
            workflow_id: id("order 7 / ☕"),
            run_id: Some(run()),
        }),
        PartitionEvent::InputForwarded(InputForwarded {
            origin: origin(),
            to_partition: 0,
            workflow_id: id("order 7 / ☕"),
        }),
        PartitionEvent::EffectFailed(EffectFailed {
            effect: "dispatch".into(),
            step: 12,
            topic: "ready.orders".into(),
            message: "the topic is unknown".into(),
            workflow_id: Some(id("order 7 / ☕")),
        }),
        PartitionEvent::InputLost(InputLost {
            topic: "requests".into(),
            expected: 4712,
            resumed_at: 0,
            message: "the topic ends at offset 7".into(),
        }),
        PartitionEvent::Trying(Trying { origin: origin(), times: 2 }),
        PartitionEvent::DeadLetterHandled(DeadLetterHandled {
            letter_id: letter_id(),
            action: LetterAction::Edit,
            by: "ada".into(),
            note: Some("the shop's name was missing ☕".into()),
            workflow_id: Some(id("order 7 / ☕")),
            run_id: Some(dispatch_id().run_id),
        }),
        PartitionEvent::BreakerChanged(BreakerChanged {
            agent_name: id("orders"),
            from: BreakerStatus::Closed,
            to: BreakerStatus::Open,
            calls: 50,
            failures: 48,
            until: Some(at(10_000)),
        }),
    ]
    .into_iter()
    .zip(1..)
    .map(|(event, sequence)| PartitionRecorded { partition: 2, sequence, time: at(sequence as i64), event })
    .collect()
}

pub fn refused() -> InputRefused {
    InputRefused {
        origin: origin(),
        reason: "unknown_definition".into(),
        message: "no definition \"recommend-tea\" has been applied".into(),
        details: Some(json(r#"{"definition":"recommend-tea"}"#)),
        workflow_id: Some(id("order 7 / ☕")),
    }
}

pub fn input_record() -> InputRecord {
    let value = r#"{"definition":"recommend-tea","input":{}}"#;
    orchestrator::wire::dead_letter::keep(
        Some(&Bytes::from("order 7 / ☕")),
        Some(&Bytes::from(value)),
        &[("traceparent".into(), "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".into())],
    )
}

pub fn letter_id() -> LetterId {
    LetterId::of_input(3, 17)
}

pub fn handling() -> LetterHandling {
    LetterHandling {
        letter_id: letter_id(),
        action: LetterAction::Edit,
        by: "ada".into(),
        note: Some("the \"shop\" was missing ☕".into()),
    }
}

pub fn discard() -> Signal {
    let handling = LetterHandling { action: LetterAction::Discard, ..handling() };
    Signal { workflow_id: Some(id("order 7 / ☕")), kind: SignalKind::Discard(handling) }
}

pub fn supply() -> Signal {
    let supply = Supply {
        run_id: Some(dispatch_id().run_id),
        node_id: id("find-orders"),
        output: json(r#"[{"n":1}]"#),
        by: "ada".into(),
    };
    Signal { workflow_id: Some(id("order 7 / ☕")), kind: SignalKind::Supply(supply) }
}

/// A request that takes up a run. Its numbers are larger than any double.
pub fn resuming() -> Request {
    let large = json(r#"{"n":123456789012345678901234567890.5}"#);
    Request {
        definition: id("recommend-coffee"),
        version: Some(3),
        input: json(r#"{"customer":"c-7"}"#),
        workflow_id: Some(id("order 7 / ☕")),
        conversation_id: Some(id("c")),
        resume: Some(Resume {
            kind: LineageKind::Redrive,
            run_id: dispatch_id().run_id,
            by: Some("ada".into()),
            carried: vec![
                (id("find-orders"), NodeStatus::Completed, large.clone()),
                (id("rate"), NodeStatus::Skipped, json("null")),
            ],
            inputs: vec![GivenInput { node_id: id("answer"), input: large }],
            workflow_id: None,
            agents: Vec::new(),
            from_node: None,
        }),
    }
}

pub fn dead_node() -> DeadNode {
    DeadNode {
        letter_id: letter_id(),
        dispatch_id: dispatch_id(),
        agent_name: id("orders"),
        input: Some(json(r#"{"customer":"c-7"}"#)),
        failure: failure(),
    }
}

fn nothing(cause: Cause) -> Transition {
    Transition { cause, chain: [0; 16], traceparent: None, events: vec![], input: None }
}

pub fn step() -> Step {
    let events = run_events();
    Step {
        term: 3,
        owner: Owner(*b"0123456789abcdef"),
        number: 12,
        time: at(0),
        positions: vec![
            InputPosition {
                topic: "requests".into(),
                next: 4712,
                below: Some(Below { offset: 4711, time: Timestamp::from_millis(1_770_091_505_990) }),
            },
            InputPosition { topic: "results".into(), next: 0, below: None },
        ],
        effects_through: Some(EffectsThrough { step: 11, offset: 13 }),
        transitions: vec![
            Transition {
                cause: Cause::Input(origin()),
                chain: [7; 16],
                traceparent: Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".into()),
                events: events[2..4].iter().map(event::encode).collect(),
                input: None,
            },
            Transition {
                cause: Cause::Input(origin()),
                chain: [8; 16],
                traceparent: None,
                events: vec![event::encode_partition(&partition_events()[0])],
                input: Some(input_record()),
            },
            nothing(Cause::Timer),
            nothing(Cause::Continuation),
            nothing(Cause::EffectFailed),
        ],
    }
}

pub fn taken() -> PartitionTaken {
    PartitionTaken {
        term: 3,
        owner: Owner(*b"0123456789abcdef"),
        time: at(0),
        group: "orchestrator".into(),
        host: "engine-1".into(),
        version: "0.1.0".into(),
        cluster: "MkU3OEVBNTcwNTJENDM2Qg".into(),
    }
}

pub fn task() -> Task {
    Task {
        dispatch_id: dispatch_id(),
        workflow_id: id("order 7 / ☕"),
        agent_name: id("orders"),
        input: json(r#"{"customer":"c-7"}"#),
        timeout_ms: 60_000,
        heartbeat: false,
        reply_topic: "orchestrator.results".into(),
        reply_partition: 2,
    }
}

pub fn wakeup() -> Wakeup {
    Wakeup { dispatch_id: dispatch_id(), workflow_id: id("order 7 / ☕"), due_at: at(9) }
}

pub fn reports() -> Vec<(&'static str, Report)> {
    let report =
        |outcome| Report { dispatch_id: dispatch_id(), workflow_id: id("order 7 / ☕"), outcome, usage: None };
    vec![
        ("report_started", report(ReportOutcome::Started)),
        ("report_heartbeat", report(ReportOutcome::Heartbeat)),
        ("report_completed", report(ReportOutcome::Completed(json(r#"[{"sku":"espresso","count":2}]"#)))),
        (
            "report_usage",
            Report { usage: Some(usage()), ..report(ReportOutcome::Completed(json(r#"{"sku":"espresso"}"#))) },
        ),
        ("report_failed", report(ReportOutcome::Failed(failure().into()))),
        (
            "report_unclassified",
            report(ReportOutcome::Failed(ReportedFailure {
                class: None,
                code: "http_503".into(),
                message: "the host answered 503 Service Unavailable".into(),
                details: None,
                retry_after: Some(std::time::Duration::from_millis(2_500)),
            })),
        ),
    ]
}

pub fn responses() -> Vec<(&'static str, Response)> {
    let answer = |outcome: Outcome| Response::Answer {
        context: matches!(outcome, Outcome::Failure(..)).then(|| json(r#"{"node_id":"find-orders","attempts":[]}"#)),
        workflow_id: id("order 7 / ☕"),
        run_id: run(),
        definition: definition(),
        outcome,
        started_at: at(1),
        ended_at: at(9),
    };
    vec![
        ("response_completed", answer(Outcome::Answer(json(r#""Try the Sidamo ☕""#)))),
        ("response_failed", answer(Outcome::Failure(Some(id("find-orders")), failure()))),
        (
            "response_refused",
            Response::Refused {
                workflow_id: Some(id("order 7 / ☕")),
                run_id: None,
                reason: "unknown_definition".into(),
                message: "no definition \"recommend-tea\" has been applied".into(),
                details: Some(json(r#"{"definition":"recommend-tea"}"#)),
                origin: origin(),
            },
        ),
    ]
}

pub fn definitions() -> Vec<(&'static str, DefinitionRecord)> {
    let document = serde_json::json!({
        "name": "recommend-coffee",
        "nodes": [{"node_id": "find-orders", "agent_name": "orders"}],
    });
    vec![
        ("definition_applied", DefinitionRecord::Applied { reference: definition(), applied_at: at(0), document }),
        ("definition_installation", DefinitionRecord::Installation { partitions: 4 }),
    ]
}

/// What an attempt has used.
pub fn usage() -> Usage {
    Usage { cost: Cost::new(0.0021).unwrap(), input_tokens: 850, output_tokens: 120 }
}
