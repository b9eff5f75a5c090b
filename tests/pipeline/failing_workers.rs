//! Two thousand workflows whose workers fail, hang, ask to be left alone and crash, while the engine is killed five
//! times: every one ends as its definition says.

use crate::kill::{all_answered, dice, moves, serve};
use crate::support::{Installation, Leg, Process, json, until};
use orchestrator::core::event::{Event, NodeFailed, NodeRecovered, Recorded};
use orchestrator::core::failure::Recovery;
use orchestrator::core::time::Timestamp;
use orchestrator::log::{NewRecord, Topic};
use orchestrator::wire::event::{Published, decode};
use rand::RngExt;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

const WORKFLOWS: usize = 2_000;
const ENGINE_KILLS: usize = 5;

/// What a worker does first: a line in the file of executions, and dice of its own for each attempt.
const PREPARE: &str = "echo $ORCHESTRATOR_DISPATCH_ID >> EXECUTIONS; \
    RANDOM=$((16#${ORCHESTRATOR_DISPATCH_ID:0:6} + 7919 * ORCHESTRATOR_ATTEMPT)); RANDOM=$RANDOM; n=$((RANDOM % 100)); ";

/// A definition, its one node that may fail, and what its worker does.
struct Kind {
    name: &'static str,
    /// Everything but the node `work`.
    rest: &'static str,
    /// How the node `work` is handled.
    work: &'static str,
    worker: &'static str,
    max_retries: u32,
    base_delay_ms: u64,
}

const KINDS: [Kind; 4] = [
    // Fails three times in ten. Four failures in a row, and so does its run.
    Kind {
        name: "flaky",
        rest: "  - { node_id: last, agent_name: echo, dependencies: [work] }\n",
        work: "",
        worker: "[ $n -lt 30 ] && { echo '{\"code\":\"http_503\"}'; exit 1; }; exec cat",
        max_retries: 3,
        base_delay_ms: 200,
    },
    // Does not come back. Twice, and the run goes on without it.
    Kind {
        name: "hanging",
        rest: "  - { node_id: last, agent_name: echo, dependencies: [work] }\n",
        work: "timeout: 1s, on_failure: { continue_with: { known: false } }, ",
        worker: "[ $n -lt 15 ] && exec sleep 1000; exec cat",
        max_retries: 1,
        base_delay_ms: 200,
    },
    // Asks to be left alone for longer than the delay would be. Three times, and another node says sorry.
    Kind {
        name: "limited",
        rest: "  - { node_id: last, agent_name: echo, dependencies: [work] }\n  - { node_id: sorry, agent_name: echo }\n",
        work: "on_failure: { route_to: sorry }, ",
        worker: "[ $n -lt 30 ] && { echo '{\"code\":\"http_429\",\"retry_after\":0.7}'; exit 1; }; exec cat",
        max_retries: 2,
        base_delay_ms: 100,
    },
    // One in five hundred takes its whole worker with it, once; one in ten fails for good, and what was booked is given
    // back.
    Kind {
        name: "crashing",
        rest: "  - { node_id: book, agent_name: echo, undo: unbook }\n  - { node_id: unbook, agent_name: echo }\n",
        work: "dependencies: [book], on_failure: compensate, ",
        worker: "[ $((ORCHESTRATOR_WORKFLOW_ID % 500)) -eq 3 -a ! -e MARK.$ORCHESTRATOR_WORKFLOW_ID ] && \
            { touch MARK.$ORCHESTRATOR_WORKFLOW_ID; kill -9 $PPID; }; \
            [ $n -lt 10 ] && { echo '{\"code\":\"http_400\"}'; exit 1; }; exec cat",
        max_retries: 2,
        base_delay_ms: 100,
    },
];

/// After a node has ended its worker may not have committed that for so long: killed then, it is given it again.
const COMMITS_WITHIN: Duration = Duration::from_secs(6);

impl Kind {
    fn definition(&self) -> String {
        let Self { name, rest, work, max_retries, base_delay_ms, .. } = self;
        format!(
            "name: {name}\nnodes:\n  - {{ node_id: work, agent_name: {name}, {work}retry: {{ max_retries: {max_retries}, \
             base_delay: {base_delay_ms}ms, jitter: equal }} }}\n{rest}"
        )
    }

    fn start_worker(&self, at: &Installation) -> Process {
        let folder = at.folder().display().to_string();
        let script = format!("{PREPARE}{}", self.worker)
            .replace("EXECUTIONS", &format!("{folder}/executions"))
            .replace("MARK", &folder);
        let mut command = at.command(&["worker", "--agent", self.name, "--exec", "bash", "-c", &script]);
        command.env("ORCHESTRATOR_KAFKA_SESSION_TIMEOUT_MS", "6000").env("ORCHESTRATOR_WORKER_CONCURRENCY", "8");
        at.start_command(command, self.name)
    }
}

fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Timestamp(i64::try_from(since.as_micros()).unwrap())
}

fn kind_of(workflow: usize) -> &'static Kind {
    &KINDS[workflow % KINDS.len()]
}

fn requests(at: &Installation) -> Vec<NewRecord> {
    let request = |n: usize| NewRecord {
        topic: Topic::Requests,
        partition: Some(at.home(&n.to_string())),
        key: Some(n.to_string().into()),
        value: Some(json!({ "definition": kind_of(n).name, "input": { "n": n } }).to_string().into()),
        headers: vec![],
    };
    (0..WORKFLOWS).map(request).collect()
}

#[test]
fn workers_fail_hang_refuse_and_crash_while_the_engine_is_killed_five_times() {
    if !Leg::all().contains(&Leg::Kafka) {
        return;
    }
    let (at, mut dice) = (Installation::new(Leg::Kafka), dice("failing workers"));
    KINDS.iter().for_each(|kind| at.apply(&kind.definition()));
    let mut workers: Vec<Process> = KINDS.iter().map(|kind| kind.start_worker(&at)).collect();
    let (mut journal, mut responses) = (at.stream(Topic::Journal), at.stream(Topic::Responses));
    at.publish_all(requests(&at));

    let (mut kills, mut crashes) = (Vec::new(), Vec::new());
    for _ in 0..ENGINE_KILLS {
        let engine = serve(&at, "serve");
        moves(&mut journal, "the engine has taken a partition");
        std::thread::sleep(dice.random_range(Duration::from_millis(500)..Duration::from_secs(4)));
        engine.kill();
        kills.push(now());
        supervise(&at, &mut workers, &mut crashes);
    }
    let _engine = serve(&at, "serve");
    all_answered(&mut responses, WORKFLOWS, || supervise(&at, &mut workers, &mut crashes));

    let statuses: Vec<_> = responses.records().iter().map(|answer| json(answer)["status"].to_string()).collect();
    let failed = statuses.iter().filter(|status| *status == "\"failed\"").count();
    println!("{} crashes of workers; {failed} of {WORKFLOWS} workflows failed", crashes.len());
    let counts = at.judge(WORKFLOWS);
    println!("{counts}");
    let runs = runs(&at, counts["events"].as_u64().unwrap());
    assert_eq!(runs.len(), WORKFLOWS);
    let stories: Vec<Story> = runs.values().map(|run| Story::of(run)).collect();
    stories.iter().for_each(Story::check);
    assert_eq!(crashes.len(), WORKFLOWS / 500, "crashes of workers");
    check_executions(&at.folder().join("executions"), &stories, &kills, &crashes);
}

/// Starts workers anew that are gone, and notes when they were found to be.
fn supervise(at: &Installation, workers: &mut [Process], crashes: &mut Vec<Timestamp>) {
    for (worker, kind) in workers.iter_mut().zip(&KINDS) {
        if !worker.is_alive() {
            crashes.push(now());
            *worker = kind.start_worker(at);
        }
    }
}

/// All events, by workflow.
fn runs(at: &Installation, events: u64) -> BTreeMap<usize, Vec<Recorded>> {
    let mut stream = at.stream(Topic::Events);
    until("every event is read", || (stream.records().len() as u64 >= events).then_some(()));
    let mut runs: BTreeMap<usize, Vec<Recorded>> = BTreeMap::new();
    for record in stream.records() {
        if let Published::Run(recorded) = decode(record.value.as_ref().unwrap()).unwrap() {
            let run = runs.entry(recorded.workflow_id.as_str().parse().unwrap()).or_default();
            // A record may come twice.
            if run.last().is_none_or(|last| last.sequence < recorded.sequence) {
                run.push(recorded);
            }
        }
    }
    runs
}

/// An attempt of the node `work`: when it was handed out and when it ended.
struct Attempt {
    dispatch_id: String,
    scheduled: Timestamp,
    ended: Timestamp,
    failure: Option<NodeFailed>,
    /// How long after it the next one was to come.
    delay_ms: Option<u64>,
}

/// What became of a workflow.
struct Story {
    kind: &'static Kind,
    attempts: Vec<Attempt>,
    recovered: Option<NodeRecovered>,
    undone: bool,
    completed: bool,
}

impl Story {
    fn of(run: &[Recorded]) -> Self {
        let kind = kind_of(run[0].workflow_id.as_str().parse().unwrap());
        let mut story = Self { kind, attempts: vec![], recovered: None, undone: false, completed: false };
        for recorded in run {
            story.take(recorded);
        }
        story
    }

    fn take(&mut self, recorded: &Recorded) {
        let time = recorded.time;
        match &recorded.event {
            Event::NodeScheduled(e) if e.node_id.as_str() == "work" => self.attempts.push(Attempt {
                dispatch_id: format!("{}/work/{}", recorded.run_id, e.attempt),
                scheduled: time,
                ended: Timestamp(i64::MAX),
                failure: None,
                delay_ms: None,
            }),
            Event::NodeCompleted(e) if e.node_id.as_str() == "work" => self.last().ended = time,
            Event::NodeCompleted(e) => self.undone |= e.node_id.as_str() == "unbook",
            Event::NodeFailed(e) => {
                assert_eq!(e.node_id.as_str(), "work", "the others do not fail: {}", e.message);
                self.last().ended = time;
                self.last().failure = Some(e.clone());
            }
            Event::NodeRetryScheduled(e) => self.last().delay_ms = Some(e.delay_ms),
            Event::NodeRecovered(e) => self.recovered = Some(e.clone()),
            Event::WorkflowCompleted(_) => self.completed = true,
            _ => {}
        }
    }

    fn last(&mut self) -> &mut Attempt {
        self.attempts.last_mut().expect("an attempt")
    }

    /// It ended as its definition says, after as many attempts and delays as that allows.
    fn check(&self) {
        let Kind { name, max_retries, base_delay_ms, .. } = self.kind;
        assert!(self.attempts.len() <= *max_retries as usize + 1, "{name}: {} attempts", self.attempts.len());
        for (number, attempt) in self.attempts.iter().enumerate() {
            let Some(delay) = attempt.delay_ms else { continue };
            let longest = base_delay_ms << number;
            let bounds = if *name == "limited" { 700..=700.max(longest) } else { longest / 2..=longest };
            assert!(bounds.contains(&delay), "{name}: a delay of {delay} ms is not in {bounds:?}");
        }
        let has_failed = self.attempts.last().is_some_and(|attempt| attempt.failure.is_some());
        let how = self.recovered.as_ref().map(|recovered| recovered.how);
        match (*name, has_failed) {
            ("hanging", true) => assert_eq!((how, self.completed), (Some(Recovery::ContinueWith), true)),
            ("limited", true) => assert_eq!((how, self.completed), (Some(Recovery::RouteTo), true)),
            ("crashing", true) => assert!(self.undone && !self.completed, "what was booked is given back"),
            (_, true) => assert!(!self.completed, "{name} fails its run"),
            (_, false) => assert_eq!((how, self.completed, self.undone), (None, true, false), "{name}"),
        }
    }
}

/// What was executed twice was under way when the engine was killed, or its worker had just crashed; never anything else.
fn check_executions(file: &Path, stories: &[Story], kills: &[Timestamp], crashes: &[Timestamp]) {
    let mut executions: BTreeMap<&str, usize> = BTreeMap::new();
    let text = std::fs::read_to_string(file).unwrap();
    text.lines().for_each(|line| *executions.entry(line).or_default() += 1);
    let spans = |attempt: &Attempt, times: &[Timestamp], after: Duration| {
        times.iter().any(|time| attempt.scheduled <= *time && *time <= attempt.ended.after(after))
    };
    let mut twice: BTreeMap<&str, usize> = BTreeMap::new();
    for (story, attempt) in stories.iter().flat_map(|story| story.attempts.iter().map(move |attempt| (story, attempt)))
    {
        let times = executions.remove(attempt.dispatch_id.as_str()).unwrap_or(0);
        let crashed = story.kind.name == "crashing" && spans(attempt, crashes, COMMITS_WITHIN);
        let interrupted = crashed || spans(attempt, kills, Duration::ZERO);
        *twice.entry(story.kind.name).or_default() += times.saturating_sub(1);
        assert!(times <= 1 || interrupted, "{} was executed {times} times", attempt.dispatch_id);
    }
    assert!(executions.is_empty(), "executed without having been scheduled: {executions:?}");
    println!("executed a second time: {twice:?}");
}
