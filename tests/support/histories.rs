//! Histories of runs for tests: made of random choices, but each a history that could have happened.

use bytes::Bytes;
use orchestrator::core::apply::fold;
use orchestrator::core::command::Origin;
use orchestrator::core::definition::{DefinitionHash, DefinitionRef};
use orchestrator::core::event::{
    Event, NodeCompleted, NodeFailed, NodeScheduled, NodeStarted, PlanMade, Recorded, RunSettings, StateTransitioned,
    WorkflowCompleted, WorkflowFailed, WorkflowStarted,
};
use orchestrator::core::failure::{ClassifiedBy, FailureClass, FinalBecause};
use orchestrator::core::id::{AgentName, ConversationId, DefinitionName, NodeId, RunId, WorkflowId};
use orchestrator::core::json::Json;
use orchestrator::core::retry::RetryPolicy;
use orchestrator::core::run::Run;
use orchestrator::core::status::{NodeStatus, Status};
use orchestrator::core::time::Timestamp;
use orchestrator::core::usage::{Cost, Usage};
use orchestrator::projector::folding::Decoded;
use orchestrator::wire::event::Published;
use proptest::prelude::*;

/// When histories begin: 2026-01-01T00:00:00Z.
pub const BEGIN: i64 = 1_767_225_600_000_000;

/// One choice: what to do, with which node, after how many microseconds, and a text that comes with it.
#[derive(Clone, Debug)]
pub struct Choice {
    pub what: u8,
    pub which: u8,
    pub after: u32,
    pub text: String,
}

/// Up to `most` choices with texts of all kinds.
pub fn choices(most: usize) -> impl Strategy<Value = Vec<Choice>> {
    let choice = (any::<u8>(), any::<u8>(), 0..90_000_000u32, any::<String>());
    let choice = choice.prop_map(|(what, which, after, text)| Choice { what, which, after, text });
    proptest::collection::vec(choice, 0..most)
}

/// A run's events as they come, and the state that they fold to.
pub struct History {
    pub events: Vec<Recorded>,
    pub run: Run,
}

pub fn run_id(number: u64) -> RunId {
    RunId::new(&format!("{number:032x}")).unwrap()
}

fn json(text: &str) -> Json {
    Json::from_value(&serde_json::json!({ "text": text }))
}

impl History {
    /// A history with its first event alone.
    pub fn started(number: u64, workflow_id: &str, input: &Json) -> Self {
        let event = WorkflowStarted {
            lineage: None,
            carried: Vec::new(),
            inputs: Vec::new(),
            definition: DefinitionRef {
                name: DefinitionName::new("shop").unwrap(),
                version: 3,
                hash: DefinitionHash("ab".repeat(32).into()),
            },
            input: input.clone(),
            conversation_id: number.is_multiple_of(2).then(|| ConversationId::new("talk ☕ 7").unwrap()),
            origin: Origin {
                topic: "requests".into(),
                partition: 1,
                offset: number,
                time: Timestamp::from_millis(BEGIN / 1_000),
            },
            payload_hash: format!("{number:032x}"),
            traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into()),
            settings: RunSettings {
                parallel_threshold: 2,
                max_agent_calls: 5,
                agent_timeout_ms: 60_000,
                retry: RetryPolicy::never(),
                timeout_ms: None,
            },
            agents: Vec::new(),
        };
        let first = Recorded {
            workflow_id: WorkflowId::new(workflow_id).unwrap(),
            run_id: run_id(number),
            sequence: 1,
            time: Timestamp(BEGIN + number as i64),
            event: Event::WorkflowStarted(event),
        };
        let mut run = None;
        fold(&mut run, &first).unwrap();
        Self { events: vec![first], run: run.unwrap() }
    }

    /// A history made of choices.
    pub fn made(number: u64, choices: &[Choice]) -> Self {
        let mut history = Self::started(number, &format!("order {}", number / 2), &json("hello"));
        for choice in choices {
            if let Some(event) = history.chosen(choice) {
                history.then(u64::from(choice.after), event);
            }
        }
        history
    }

    /// The next event, some microseconds after the last.
    pub fn then(&mut self, after_us: u64, event: Event) {
        let recorded = Recorded {
            workflow_id: self.run.workflow_id.clone(),
            run_id: self.run.run_id.clone(),
            sequence: self.run.sequence + 1,
            time: Timestamp(self.run.time.0 + after_us as i64),
            event,
        };
        let mut run = Some(self.run.clone());
        fold(&mut run, &recorded).unwrap();
        self.run = run.unwrap();
        self.events.push(recorded);
    }

    fn open(&self, which: u8) -> Option<(NodeId, u32)> {
        let open: Vec<_> = self.run.nodes.iter().filter(|(_, node)| node.status.is_open()).collect();
        let (node_id, node) = open.get(usize::from(which) % open.len().max(1))?;
        Some(((*node_id).clone(), node.attempt))
    }

    fn chosen(&self, choice: &Choice) -> Option<Event> {
        if self.run.status.has_ended() {
            return None;
        }
        let fresh = || NodeId::new(&format!("node-{}", self.run.nodes.len())).unwrap();
        Some(match choice.what {
            0..100 => scheduled(fresh(), choice.which, 1, &json(&choice.text)),
            100..130 => {
                let (node_id, attempt) = self.open(choice.which)?;
                Event::NodeStarted(NodeStarted { node_id, attempt, local: false })
            }
            130..190 => {
                let (node_id, attempt) = self.open(choice.which)?;
                completed(node_id, attempt, &json(&choice.text))
            }
            190..205 => {
                let (node_id, attempt) = self.open(choice.which)?;
                failed(node_id, attempt, &choice.text)
            }
            205..212 => failed(fresh(), 1, &choice.text),
            212..220 => {
                let mut failed = self.run.nodes.iter().filter(|(_, node)| node.status == NodeStatus::Failed);
                let (node_id, node) = failed.next()?;
                scheduled(node_id.clone(), choice.which, node.attempt + 1, &json(&choice.text))
            }
            220..230 => Event::PlanMade(PlanMade {
                planner: Some(NodeId::new("planner").unwrap()),
                definition_hash: None,
                plan: Some(json(&choice.text)),
            }),
            230..246 => Event::StateTransitioned(StateTransitioned {
                from: self.run.status,
                to: Status::ALL[usize::from(choice.which) % 6],
            }),
            246..251 => workflow_completed(&self.run, json(&choice.text)),
            251.. => workflow_failed(&self.run, &choice.text),
        })
    }
}

pub fn scheduled(node_id: NodeId, which: u8, attempt: u32, input: &Json) -> Event {
    let agent_name = AgentName::new(&format!("agent-{}", which % 3)).unwrap();
    Event::NodeScheduled(NodeScheduled {
        heartbeat: false,
        deadline: None,
        node_id,
        agent_name,
        attempt,
        input: input.clone(),
        timeout_ms: 60_000,
    })
}

pub fn completed(node_id: NodeId, attempt: u32, output: &Json) -> Event {
    Event::NodeCompleted(NodeCompleted { node_id, attempt, output: output.clone(), usage: usage(attempt) })
}

pub fn failed(node_id: NodeId, attempt: u32, message: &str) -> Event {
    Event::NodeFailed(NodeFailed {
        handling: None,
        node_id,
        agent_name: AgentName::new("agent-0").unwrap(),
        attempt,
        class: FailureClass::NonRetryable,
        code: "agent_failed".into(),
        message: message.into(),
        details: Some(json(message)),
        input: None,
        classified_by: ClassifiedBy::Agent,
        retry_after_ms: None,
        final_because: Some(FinalBecause::NotRetryable),
        usage: usage(attempt),
    })
}

pub fn workflow_completed(run: &Run, answer: Json) -> Event {
    Event::WorkflowCompleted(WorkflowCompleted {
        definition: run.definition.clone(),
        started_at: run.started_at,
        answer,
    })
}

pub fn workflow_failed(run: &Run, message: &str) -> Event {
    Event::WorkflowFailed(WorkflowFailed {
        context: None,
        definition: run.definition.clone(),
        started_at: run.started_at,
        node_id: Some(NodeId::new("node-0").unwrap()),
        class: FailureClass::Timeout,
        code: "timeout".into(),
        message: message.into(),
        details: None,
    })
}

/// A chain that needs no hash: enough to see that every event went into it once, in order.
pub fn chain(previous: &[u8; 16], body: &[u8]) -> [u8; 16] {
    let sum = body.iter().fold(u128::from_be_bytes(*previous), |sum, byte| {
        sum.wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b).wrapping_add(u128::from(*byte) + 1)
    });
    sum.to_be_bytes()
}

/// The chain over events whose bytes are [`body`].
pub fn chain_over(events: &[Recorded]) -> [u8; 16] {
    events.iter().fold([0; 16], |sum, event| chain(&sum, &body(event)))
}

/// Bytes for an event: not a format, but different for different events.
pub fn body(event: &Recorded) -> Bytes {
    format!("{event:?}").into()
}

/// Events as the projector's decoder hands them out.
pub fn decoded(events: &[Recorded]) -> Vec<Decoded> {
    events
        .iter()
        .map(|event| Decoded { body: body(event), event: Published::Run(event.clone()), input: None })
        .collect()
}

/// What an attempt has used; the first of a node does not say.
fn usage(attempt: u32) -> Option<Usage> {
    let tokens = u64::from(attempt);
    (attempt > 1).then(|| Usage {
        cost: Cost::from_nanos(100 * tokens),
        input_tokens: tokens,
        output_tokens: 2 * tokens,
    })
}
