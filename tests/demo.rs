//! The demo: what it answers, what it shows, and that it can be run twice in one folder.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]
use orchestrator::core::command::Origin;
use orchestrator::core::definition::{DefinitionHash, DefinitionRef};
use orchestrator::core::event::{
    Event, NodeCompleted, NodeFailed, NodeScheduled, NodeStarted, Recorded, RunSettings, StateTransitioned,
    WorkflowCompleted, WorkflowFailed, WorkflowStarted,
};
use orchestrator::core::failure::{ClassifiedBy, FailureClass, FinalBecause};
use orchestrator::core::id::{AgentName, DefinitionName, NodeId, RunId, WorkflowId};
use orchestrator::core::json::Json;
use orchestrator::core::retry::RetryPolicy;
use orchestrator::core::status::Status;
use orchestrator::core::time::Timestamp;
use orchestrator::demo::shop::papers::Answer;
use orchestrator::demo::view::board::Board;
use orchestrator::demo::view::{answers, lines, live, timeline};
use orchestrator::demo::{self, DemoError, DemoOptions};
use orchestrator::ui::style::Paint;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Compares with a file of `tests/golden/demo`; `GOLDEN_WRITE=1` writes it anew.
fn golden(name: &str, found: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/demo").join(name);
    if std::env::var_os("GOLDEN_WRITE").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, found).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(found, expected, "GOLDEN_WRITE=1 writes tests/golden/demo/{name} anew");
}

/// Events as they would be published: (when in ms, workflow, what).
struct Story {
    board: Board,
    events: Vec<Recorded>,
}

impl Story {
    fn new() -> Self {
        let ids = ["order-7", "complaint-3"].map(|id| WorkflowId::new(id).unwrap());
        let nodes = ["read", "orders", "reviews", "answer"].map(|id| NodeId::new(id).unwrap());
        Self { board: Board::new(&ids, &nodes), events: Vec::new() }
    }

    fn at(mut self, millis: i64, workflow: &str, event: Event) -> Self {
        self.events.push(Recorded {
            workflow_id: WorkflowId::new(workflow).unwrap(),
            run_id: RunId::new(&"0".repeat(32)).unwrap(),
            sequence: self.events.len() as u64 + 1,
            time: Timestamp::from_millis(1_000_000 + millis),
            event,
        });
        self
    }

    /// Plays what happened up to a moment; the lines that it says.
    fn until(&mut self, millis: i64) -> Vec<String> {
        let (past, future) = std::mem::take(&mut self.events)
            .into_iter()
            .partition::<Vec<_>, _>(|recorded| recorded.time <= Timestamp::from_millis(1_000_000 + millis));
        self.events = future;
        let say = |recorded: &Recorded| {
            assert!(self.board.apply(recorded));
            lines::line(&self.board, recorded)
        };
        past.iter().filter_map(say).collect()
    }
}

fn definition() -> DefinitionRef {
    DefinitionRef {
        name: DefinitionName::new("shop").unwrap(),
        version: 2,
        hash: DefinitionHash("0".repeat(64).into()),
    }
}

fn started() -> Event {
    let origin = Origin { topic: "requests".to_owned(), partition: 0, offset: 0, time: Timestamp::default() };
    Event::WorkflowStarted(WorkflowStarted {
        lineage: None,
        carried: Vec::new(),
        inputs: Vec::new(),
        definition: definition(),
        input: Json::null(),
        conversation_id: None,
        origin,
        payload_hash: "0".repeat(32),
        traceparent: None,
        settings: RunSettings {
            parallel_threshold: 2,
            max_agent_calls: 5,
            agent_timeout_ms: 60_000,
            retry: RetryPolicy::never(),
            timeout_ms: None,
        },
        agents: Vec::new(),
    })
}

fn scheduled(node: &str) -> Event {
    let (node_id, agent_name) = (NodeId::new(node).unwrap(), AgentName::new(node).unwrap());
    Event::NodeScheduled(NodeScheduled {
        heartbeat: false,
        deadline: None,
        node_id,
        agent_name,
        attempt: 1,
        input: Json::null(),
        timeout_ms: 1_000,
    })
}

fn running(node: &str) -> Event {
    Event::NodeStarted(NodeStarted { node_id: NodeId::new(node).unwrap(), attempt: 1, local: false })
}

fn completed(node: &str) -> Event {
    Event::NodeCompleted(NodeCompleted {
        node_id: NodeId::new(node).unwrap(),
        attempt: 1,
        output: Json::null(),
        usage: None,
    })
}

fn failed(node: &str, message: &str) -> Event {
    Event::NodeFailed(NodeFailed {
        handling: None,
        node_id: NodeId::new(node).unwrap(),
        agent_name: AgentName::new(node).unwrap(),
        attempt: 1,
        class: FailureClass::NonRetryable,
        code: "unknown_order".to_owned(),
        message: message.to_owned(),
        details: None,
        input: None,
        classified_by: ClassifiedBy::Agent,
        retry_after_ms: None,
        final_because: Some(FinalBecause::NotRetryable),
        usage: None,
    })
}

fn into(from: Status, to: Status) -> Event {
    Event::StateTransitioned(StateTransitioned { from, to })
}

fn answered() -> Event {
    let started_at = Timestamp::from_millis(1_000_000);
    Event::WorkflowCompleted(WorkflowCompleted { definition: definition(), started_at, answer: Json::null() })
}

/// Two workflows side by side; the second fails.
fn story() -> Story {
    Story::new()
        .at(0, "order-7", started())
        .at(0, "order-7", scheduled("read"))
        .at(4, "complaint-3", started())
        .at(4, "complaint-3", scheduled("read"))
        .at(25, "order-7", running("read"))
        .at(30, "complaint-3", running("read"))
        .at(310, "order-7", completed("read"))
        .at(310, "order-7", scheduled("orders"))
        .at(310, "order-7", scheduled("reviews"))
        .at(310, "order-7", into(Status::ExecutingSingle, Status::ExecutingParallel))
        .at(330, "order-7", running("orders"))
        .at(331, "order-7", running("reviews"))
        .at(404, "complaint-3", completed("read"))
        .at(404, "complaint-3", scheduled("orders"))
        .at(640, "order-7", completed("orders"))
        .at(700, "complaint-3", failed("orders", "there is no order 3\u{1b}[31m"))
        .at(
            700,
            "complaint-3",
            Event::WorkflowFailed(WorkflowFailed {
                context: None,
                definition: definition(),
                started_at: Timestamp::from_millis(1_000_004),
                node_id: Some(NodeId::new("orders").unwrap()),
                class: FailureClass::NonRetryable,
                code: "unknown_order".to_owned(),
                message: "there is no order 3".to_owned(),
                details: None,
            }),
        )
        .at(1_120, "order-7", completed("reviews"))
        .at(1_120, "order-7", scheduled("answer"))
        .at(1_120, "order-7", into(Status::ExecutingParallel, Status::Responding))
        .at(1_140, "order-7", running("answer"))
        .at(1_500, "order-7", completed("answer"))
        .at(1_500, "order-7", answered())
}

#[test]
fn plain_lines_say_what_happens_and_when() {
    let mut story = story();
    golden("lines.txt", &format!("{}\n", story.until(10_000).join("\n")));
}

#[test]
fn the_live_view_shows_who_works_beside_whom() {
    let mut story = story();
    let mut pictures = String::new();
    for moment in [0, 26, 500, 1_200, 1_500] {
        story.until(moment);
        let now = Timestamp::from_millis(1_000_000 + moment);
        let frame = live::frame(&story.board, now, 60, Paint::PLAIN);
        assert!(frame.iter().all(|line| line.chars().count() <= 60), "{frame:#?}");
        pictures += &format!("at {moment} ms\n{}\n\n", frame.join("\n"));
    }
    golden("live.txt", &pictures);
}

#[test]
fn the_timeline_shows_the_overlap_and_the_sum() {
    let mut story = story();
    story.until(10_000);
    let mut drawn = String::new();
    for width in [50, 80] {
        let text = timeline::timeline(&story.board, width, Paint::PLAIN);
        assert!(text.lines().all(|line| line.chars().count() <= width), "{text}");
        drawn += &format!("{width} columns\n{text}\n");
    }
    golden("timeline.txt", &format!("{drawn}{}\n", timeline::totals(&story.board, Paint::PLAIN)));
}

#[test]
fn a_timeline_of_nothing_is_nothing() {
    assert_eq!(timeline::timeline(&Story::new().board, 80, Paint::PLAIN), "");
}

#[test]
fn answers_are_wrapped_and_harmless() {
    let answer = Answer { subject: "Your order".to_owned(), text: "word \u{1b}[2J ".repeat(12) };
    let text = answers::answer(&answer, 40, Paint::PLAIN);
    assert!(text.lines().all(|line| line.chars().count() <= 40) && !text.contains('\u{1b}'), "{text}");
}

fn play(options: &DemoOptions) -> (String, Result<demo::DemoSummary, DemoError>) {
    let mut out = Vec::new();
    let result = demo::run(options, &mut out);
    (String::from_utf8(out).unwrap(), result)
}

#[test]
fn three_requests_are_answered_from_the_books() {
    let (text, result) = play(&DemoOptions::plain(None));
    let summary = result.unwrap();
    assert_eq!((summary.answers.len(), summary.nodes, &summary.folder), (3, 24, &None));
    // Three desks of each workflow need nothing but the message.
    assert!(summary.at_once >= 3, "{}", summary.at_once);
    let answers = summary.answers.iter().map(|(id, answer)| format!("{id}\n{}\n{}\n", answer.subject, answer.text));
    golden("answers.txt", &answers.collect::<Vec<_>>().join("\n"));
    assert!(!text.contains('\u{1b}'), "colours where there is no terminal");
    assert_eq!(text.lines().filter(|line| line.contains(" completed in ")).count(), 24, "{text}");
    assert!(text.contains("3 workflows, 24 nodes: "), "{text}");
}

#[test]
fn a_folder_is_kept_and_can_be_used_again() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("coffee");
    for ids in [["demo-order-1042", "demo-espresso"], ["demo-order-1042-2", "demo-espresso-2"]] {
        let (text, result) = play(&DemoOptions::plain(Some(data.clone())));
        let summary = result.unwrap();
        assert_eq!([0, 1].map(|i| summary.answers[i].0.as_str()), ids);
        assert_eq!(summary.folder.as_ref(), Some(&data));
        assert!(text.contains(&format!("orchestrator show {} --data {}", ids[0], data.display())), "{text}");
        // The store has caught up: what is said to be there can be looked at.
        let store = orchestrator::store::sqlite::SqliteStore::open(&data.join("store.db")).unwrap();
        let id = WorkflowId::new(ids[0]).unwrap();
        let (_, run) = orchestrator::store::query::Query::run(&store, &id, None).unwrap().unwrap();
        assert_eq!((run.status, run.nodes.len()), (Status::Completed, 8));
    }
}

#[test]
fn it_can_be_stopped_and_does_not_wait_for_ever() {
    let stopped = DemoOptions::plain(None);
    stopped.stop.store(true, Ordering::Relaxed);
    assert!(matches!(play(&stopped).1, Err(DemoError::Stopped)));
    let late = DemoOptions { limit: Duration::ZERO, ..DemoOptions::plain(None) };
    let fault = play(&late).1.unwrap_err().to_string();
    assert!(fault.contains("demo-order-1042") && fault.contains("no answer yet"), "{fault}");
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let fault = play(&DemoOptions::plain(Some(file.path().join("coffee")))).1.unwrap_err().to_string();
    assert!(fault.contains("cannot be made") && fault.contains("coffee"), "{fault}");
}
