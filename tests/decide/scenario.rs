//! A run of the core, step by step, written down.

use orchestrator::core::apply::{apply, fold_first};
use orchestrator::core::command::{Command, NodeFault, Origin, Resume, StartWorkflow};
use orchestrator::core::decide::{Given, decide, start_workflow};
use orchestrator::core::definition::graph::Graph;
use orchestrator::core::definition::{Definition, DefinitionRef};
use orchestrator::core::event::{Event, Recorded};
use orchestrator::core::failure::{Failure, FailureClass, ReportedFailure};
use orchestrator::core::frontier::Frontier;
use orchestrator::core::gate::Gate;
use orchestrator::core::id::{AgentName, NodeId, RunId, WorkflowId};
use orchestrator::core::json::Json;
use orchestrator::core::limits::Limits;
use orchestrator::core::lineage::{GivenAgent, GivenInput, LineageKind};
use orchestrator::core::retry::RetryPolicy;
use orchestrator::core::run::Run;
use orchestrator::core::status::NodeStatus;
use orchestrator::core::time::Timestamp;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// A definition, limits, and a run of it.
pub struct Scenario {
    definition: Definition,
    graph: Arc<Graph>,
    limits: Limits,
    gate: Gate,
    now: Timestamp,
    /// The run, once it has started.
    pub live: Option<(Run, Frontier)>,
    /// What happened, for people.
    pub transcript: String,
    /// The input that stands with the last final failure.
    failed_input: Option<Json>,
}

impl Scenario {
    pub fn of(yaml: &str) -> Self {
        let definition = Definition::read(yaml).unwrap();
        let graph = Arc::new(Graph::compile(&definition));
        Self {
            definition,
            graph,
            limits: Limits { retry: RetryPolicy::never(), ..Limits::default() },
            gate: Gate::OPEN,
            now: Timestamp(0),
            live: None,
            transcript: String::new(),
            failed_input: None,
        }
    }

    pub fn threshold(mut self, threshold: u32) -> Self {
        self.limits.parallel_threshold = threshold;
        self
    }

    pub fn schedule_at_most(mut self, nodes: usize) -> Self {
        self.limits.schedule_nodes = nodes;
        self
    }

    pub fn payload_at_most(mut self, bytes: usize) -> Self {
        self.limits.max_payload_bytes = bytes;
        self
    }

    pub fn start(self, input: &str) -> Self {
        self.start_from(input, None)
    }

    /// A run that takes up an earlier one: nodes that are carried over with their outputs, and inputs that are given.
    pub fn resume(self, input: &str, carried: &[(&str, NodeStatus, &str)], inputs: &[(&str, &str)]) -> Self {
        let json = |text: &str| Json::parse(text).unwrap();
        let resume = Resume {
            kind: LineageKind::Redrive,
            run_id: RunId::new(&"1".repeat(32)).unwrap(),
            by: Some("ann".to_owned()),
            carried: carried.iter().map(|(node, status, output)| (id(node), *status, json(output))).collect(),
            inputs: inputs.iter().map(|(node, input)| GivenInput { node_id: id(node), input: json(input) }).collect(),
            workflow_id: None,
            agents: Vec::new(),
            from_node: None,
        };
        self.start_from(input, Some(resume))
    }

    /// A run that goes on from one of another workflow, with a node that is given to another agent.
    pub fn fork(self, from: &str, carried: &[(&str, NodeStatus, &str)], agent: (&str, &str)) -> Self {
        let json = |text: &str| Json::parse(text).unwrap();
        let resume = Resume {
            kind: LineageKind::Fork,
            workflow_id: Some(WorkflowId::new("original").unwrap()),
            run_id: RunId::new(&"1".repeat(32)).unwrap(),
            by: None,
            carried: carried.iter().map(|(node, status, output)| (id(node), *status, json(output))).collect(),
            inputs: vec![],
            agents: vec![GivenAgent { node_id: id(agent.0), agent_name: AgentName::new(agent.1).unwrap() }],
            from_node: Some(id(from)),
        };
        self.start_from("null", Some(resume))
    }

    fn start_from(mut self, input: &str, resume: Option<Resume>) -> Self {
        let taken_up = resume.as_ref().map_or("", |_| " from an earlier run");
        let start = StartWorkflow {
            workflow_id: WorkflowId::new("w").unwrap(),
            run_id: RunId::new(&"0".repeat(32)).unwrap(),
            definition: DefinitionRef {
                name: self.definition.name.clone(),
                version: 1,
                hash: self.definition.hash.clone(),
            },
            input: Json::parse(input).unwrap(),
            conversation_id: None,
            origin: Origin { topic: "requests".into(), partition: 0, offset: 0, time: Timestamp(0) },
            payload_hash: [0; 16],
            traceparent: None,
            resume,
        };
        self.say(&format!("> start {input}{taken_up}"));
        let given = Given { limits: &self.limits, gate: &self.gate, now: Timestamp(0) };
        match start_workflow(&start, &self.graph, &given) {
            Err(refusal) => self.say(&format!("  refused {}: {}", refusal.reason.as_str(), refusal.message)),
            Ok(events) => {
                let first = Recorded {
                    workflow_id: start.workflow_id,
                    run_id: start.run_id,
                    sequence: 1,
                    time: Timestamp(0),
                    event: events[0].clone(),
                };
                let run = fold_first(&first).unwrap();
                let frontier = Frontier::at_start(&run, &self.graph);
                self.live = Some((run, frontier));
                self.say(&format!("  {}", words(&events[0])));
                self.follow(&events[1..]);
            }
        }
        self
    }

    pub fn started(&mut self, node: &str) -> &mut Self {
        self.start_attempt(node, 1)
    }

    pub fn start_attempt(&mut self, node: &str, attempt: u32) -> &mut Self {
        let said = if attempt == 1 { format!("started {node}") } else { format!("started {node}/{attempt}") };
        self.when(&said, Command::StartNode { node_id: id(node), attempt, local: false })
    }

    pub fn complete(&mut self, node: &str, output: &str) -> &mut Self {
        self.complete_attempt(node, 1, output)
    }

    pub fn complete_attempt(&mut self, node: &str, attempt: u32, output: &str) -> &mut Self {
        let command =
            Command::CompleteNode { node_id: id(node), attempt, output: Json::parse(output).unwrap(), usage: None };
        self.when(&format!("complete {node}/{attempt} {}", shortened(output)), command)
    }

    pub fn fail(&mut self, node: &str) -> &mut Self {
        let failure = Failure::new(FailureClass::Retryable, "tired", "the agent is tired");
        self.when(
            &format!("fail {node}"),
            Command::FailNode {
                node_id: id(node),
                attempt: 1,
                failure: NodeFault::Reported(failure.into()),
                usage: None,
            },
        )
    }

    /// Failures are tried again by this policy, unless the definition says otherwise.
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.limits.retry = policy;
        self
    }

    /// Time passes.
    pub fn after(&mut self, millis: i64) -> &mut Self {
        self.now = Timestamp(self.now.0 + millis * 1_000);
        self.say(&format!("> {millis} ms pass"));
        self
    }

    /// An attempt fails with a code, and its worker says no more.
    pub fn fail_with(&mut self, node: &str, attempt: u32, code: &str, retry_after: Option<u64>) -> &mut Self {
        let failure = NodeFault::Reported(ReportedFailure {
            class: None,
            code: code.to_owned(),
            message: "no".to_owned(),
            details: None,
            retry_after: retry_after.map(Duration::from_millis),
        });
        self.when(
            &format!("fail {node}/{attempt} {code}"),
            Command::FailNode { node_id: id(node), attempt, failure, usage: None },
        )
    }

    /// The timer of an attempt fires.
    pub fn wake(&mut self, node: &str, attempt: u32) -> &mut Self {
        self.when(&format!("wake {node}/{attempt}"), Command::RetryNode { node_id: id(node), attempt })
    }

    pub fn expire(&mut self, node: &str) -> &mut Self {
        self.expire_attempt(node, 1)
    }

    pub fn expire_attempt(&mut self, node: &str, attempt: u32) -> &mut Self {
        let said = if attempt == 1 { format!("expire {node}") } else { format!("expire {node}/{attempt}") };
        self.when(&said, Command::ExpireAttempt { node_id: id(node), attempt })
    }

    /// The time of a node over all its attempts is up.
    pub fn expire_node(&mut self, node: &str) -> &mut Self {
        self.when(&format!("expire {node} over all attempts"), Command::ExpireNode { node_id: id(node) })
    }

    /// The time of the run is up.
    pub fn expire_workflow(&mut self) -> &mut Self {
        self.when("expire the workflow", Command::ExpireWorkflow)
    }

    pub fn heartbeat(&mut self, node: &str) -> &mut Self {
        self.when(&format!("heartbeat {node}"), Command::ProgressNode { node_id: id(node), attempt: 1, local: false })
    }

    /// A person supplies an output.
    pub fn supply(&mut self, node: &str, output: &str) -> &mut Self {
        let command =
            Command::SupplyNode { node_id: id(node), output: Json::parse(output).unwrap(), by: "ann".to_owned() };
        self.when(&format!("supply {node} {}", shortened(output)), command)
    }

    /// From here on an agent may be called so often, or without bound.
    pub fn breaker(&mut self, agent: &str, calls: Option<u32>) -> &mut Self {
        let agent = AgentName::new(agent).unwrap();
        match calls {
            Some(calls) => self.gate.limit(agent, calls),
            None => self.gate.lift(&agent),
        }
        self
    }

    /// The input that stands with the last final failure.
    pub fn failed_input(&self) -> Option<String> {
        self.failed_input.as_ref().map(|input| input.as_str().to_owned())
    }

    pub fn go_on(&mut self) -> &mut Self {
        self.when("go on", Command::ScheduleNodes)
    }

    fn when(&mut self, what: &str, command: Command) -> &mut Self {
        self.say(&format!("> {what}"));
        let (run, frontier) = self.live.as_ref().unwrap();
        let given = Given { limits: &self.limits, gate: &self.gate, now: self.now };
        match decide(run, frontier, &command, &given) {
            Err(rejection) => self.say(&format!("  rejected {}: {rejection}", rejection.reason())),
            Ok(events) => self.follow(&events),
        }
        self
    }

    fn follow(&mut self, events: &[Event]) {
        let (run, frontier) = self.live.as_mut().unwrap();
        let mut lines = String::new();
        for event in events {
            if let Event::NodeFailed(failed) = event
                && failed.final_because.is_some()
            {
                self.failed_input.clone_from(&failed.input);
            }
            apply(run, event, self.now);
            frontier.observe(event, run).unwrap();
            lines += &format!("  {}\n", words(event));
        }
        let anew = Frontier::of(run, &self.graph).unwrap();
        assert_eq!(
            (frontier.ready(), frontier.open(), frontier.delayed(), frontier.remaining()),
            (anew.ready(), anew.open(), anew.delayed(), anew.remaining()),
            "the frontier that was kept is not the one built anew"
        );
        self.transcript += &lines;
    }

    fn say(&mut self, line: &str) {
        self.transcript += line;
        self.transcript.push('\n');
    }
}

fn id(node: &str) -> NodeId {
    NodeId::new(node).unwrap()
}

fn words(event: &Event) -> String {
    let name = event.name();
    match event {
        Event::WorkflowStarted(e) => format!("{name} {}", e.definition.name),
        Event::PlanMade(e) => format!("{name} {}", e.planner.as_ref().map_or("of the definition", |id| id.as_str())),
        Event::NodeScheduled(e) => format!("{name} {}/{} {}", e.node_id, e.attempt, shortened(e.input.as_str())),
        Event::NodeStarted(e) => format!("{name} {}/{}", e.node_id, e.attempt),
        Event::NodeCompleted(e) => format!("{name} {}/{} {}", e.node_id, e.attempt, shortened(e.output.as_str())),
        Event::NodeFailed(e) => {
            let details = e.details.as_ref().map_or(String::new(), |details| format!(" {}", details.as_str()));
            let end = e.final_because.map_or(String::new(), |because| format!(", final: {because:?}"));
            let end = end + &e.handling.map_or(String::new(), |handling| format!(", handled: {handling:?}"));
            let said = format!("{} {}: {}{details}", e.class.as_str(), e.code, e.message);
            format!("{name} {}/{} {said}, by {:?}{end}", e.node_id, e.attempt, e.classified_by)
        }
        Event::NodeRetryScheduled(e) => {
            format!("{name} {}/{} in {} ms, at {} ms", e.node_id, e.attempt, e.delay_ms, e.due_at.as_millis())
        }
        Event::NodeProgressed(e) => format!("{name} {}/{}", e.node_id, e.attempt),
        Event::NodeRecovered(e) => {
            let from = e.failure_node.as_ref().map_or(String::new(), |node| format!(" of {node}"));
            let by = e.by.as_ref().map_or(String::new(), |by| format!(" by {by}"));
            format!("{name} {}/{} {:?}{from}{by} {}", e.node_id, e.attempt, e.how, shortened(e.output.as_str()))
        }
        Event::StateTransitioned(e) => format!("{name} {} -> {}", e.from, e.to),
        Event::WorkflowCompleted(e) => format!("{name} {}", shortened(e.answer.as_str())),
        Event::WorkflowFailed(e) => {
            format!("{name} by {}: {}", e.node_id.as_ref().map_or("itself", |id| id.as_str()), e.code)
        }
    }
}

fn shortened(text: &str) -> String {
    if text.len() <= 100 { text.to_owned() } else { format!("({} bytes)", text.len()) }
}

/// Holds a transcript.
pub fn hold(name: &str, scenario: &Scenario) {
    hold_text(name, &scenario.transcript);
}

/// Holds a text against its golden file.
pub fn hold_text(name: &str, text: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/decide").join(format!("{name}.txt"));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let held = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(text, held, "{} is not as before; UPDATE_GOLDEN=1 writes it anew", path.display());
}
