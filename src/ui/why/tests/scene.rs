//! A run and what is seen around it, to be asked for the reasons.

use crate::core::apply::apply;
use crate::core::breaker::{BreakerState, BreakerStatus};
use crate::core::command::Origin;
use crate::core::definition::graph::Graph;
use crate::core::definition::{Definition, DefinitionRef};
use crate::core::event::*;
use crate::core::failure::{ClassifiedBy, FailureClass, FinalBecause, Handling};
use crate::core::frontier::Frontier;
use crate::core::id::{AgentName, NodeId, RunId, WorkflowId};
use crate::core::json::Json;
use crate::core::retry::RetryPolicy;
use crate::core::run::Run;
use crate::core::time::Timestamp;
use crate::core::why::{Behind, Facts, Letter, Next, Owner, Workers, reasons};
use crate::ui::style::Paint;
use crate::ui::why::{Answer, why_json};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

const SHOP: &str = "\
name: shop
nodes:
  - { node_id: ask, agent_name: echo }
  - { node_id: pay, agent_name: bank, dependencies: [ask], retry: { max_retries: 3 }, on_failure: { route_to: owe } }
  - { node_id: owe, agent_name: bank }
  - { node_id: ship, agent_name: truck, dependencies: [ask], undo: unship, on_failure: compensate }
  - { node_id: unship, agent_name: crane }
  - { node_id: answer, agent_name: echo, dependencies: [pay, ship] }
";

/// A run of the shop, and what is seen around it at 12:00:10 UTC.
#[derive(Clone)]
pub struct Scene {
    pub run: Run,
    pub graph: Arc<Graph>,
    pub breakers: BTreeMap<AgentName, BreakerState>,
    pub workers: BTreeMap<AgentName, Workers>,
    pub owner: Option<Owner>,
    pub behind: Option<Behind>,
    pub letters: BTreeMap<NodeId, Letter>,
    pub aside: Option<&'static str>,
    pub unseen: Vec<String>,
}

/// Seconds after 12:00 UTC on 2025-01-31.
pub fn at(seconds: u64) -> Timestamp {
    Timestamp::from_millis(1_738_324_800_000).after(Duration::from_secs(seconds))
}

pub fn node(id: &str) -> NodeId {
    NodeId::new(id).unwrap()
}

pub fn agent(name: &str) -> AgentName {
    AgentName::new(name).unwrap()
}

pub fn agent_of(id: &str) -> AgentName {
    agent(match id {
        "pay" | "owe" => "bank",
        "ship" => "truck",
        "unship" => "crane",
        _ => "echo",
    })
}

impl Scene {
    pub fn new() -> Self {
        let definition = Definition::read(SHOP).unwrap();
        let started = WorkflowStarted {
            definition: DefinitionRef { name: definition.name.clone(), version: 2, hash: definition.hash.clone() },
            input: Json::null(),
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
            lineage: None,
            carried: Vec::new(),
            inputs: Vec::new(),
            agents: Vec::new(),
        };
        let (workflow, run) = (WorkflowId::new("order-7").unwrap(), RunId::new(&"a".repeat(32)).unwrap());
        Self {
            run: Run::started(workflow, run, at(0), &started),
            graph: Arc::new(Graph::compile(&definition)),
            breakers: BTreeMap::new(),
            workers: BTreeMap::new(),
            owner: None,
            behind: None,
            letters: BTreeMap::new(),
            aside: None,
            unseen: Vec::new(),
        }
    }

    /// `ask` has completed.
    pub fn asked() -> Self {
        Self::new().scheduled("ask", 1, 0).completed("ask", 1)
    }

    pub fn event(mut self, event: Event, second: u64) -> Self {
        apply(&mut self.run, &event, at(second));
        self
    }

    pub fn scheduled(self, id: &str, attempt: u32, second: u64) -> Self {
        let event = NodeScheduled {
            node_id: node(id),
            agent_name: agent_of(id),
            attempt,
            input: Json::null(),
            timeout_ms: 60_000,
            heartbeat: false,
            deadline: None,
        };
        self.event(Event::NodeScheduled(event), second)
    }

    pub fn started(self, id: &str, attempt: u32, second: u64) -> Self {
        self.event(Event::NodeStarted(NodeStarted { node_id: node(id), attempt, local: false }), second)
    }

    pub fn completed(self, id: &str, attempt: u32) -> Self {
        self.event(
            Event::NodeCompleted(NodeCompleted { node_id: node(id), attempt, output: Json::null(), usage: None }),
            1,
        )
    }

    pub fn failed(self, id: &str, attempt: u32, because: Option<FinalBecause>, handling: Option<Handling>) -> Self {
        let class = if because == Some(FinalBecause::NotRetryable) {
            FailureClass::NonRetryable
        } else {
            FailureClass::Retryable
        };
        let event = NodeFailed {
            node_id: node(id),
            agent_name: agent_of(id),
            attempt,
            class,
            code: "http_503".to_owned(),
            message: "the host answered 503".to_owned(),
            details: None,
            input: None,
            classified_by: ClassifiedBy::default(),
            retry_after_ms: None,
            final_because: because,
            handling,
            usage: None,
        };
        self.event(Event::NodeFailed(event), 5)
    }

    /// An attempt of `pay` has failed, and the next one is due at a second.
    pub fn retried(self, attempt: u32, due: u64) -> Self {
        let event = NodeRetryScheduled {
            node_id: node("pay"),
            agent_name: agent("bank"),
            attempt: attempt + 1,
            delay_ms: 1,
            due_at: at(due),
        };
        self.scheduled("pay", attempt, 2).failed("pay", attempt, None, None).event(Event::NodeRetryScheduled(event), 5)
    }

    pub fn run_failed(self, id: Option<&str>, class: FailureClass) -> Self {
        let event = WorkflowFailed {
            definition: self.run.definition.clone(),
            started_at: at(0),
            node_id: id.map(node),
            class,
            code: "http_503".to_owned(),
            message: "the host answered 503".to_owned(),
            details: None,
            context: None,
        };
        self.event(Event::WorkflowFailed(event), 6)
    }

    pub fn workers(mut self, name: &str, connected: usize, before: &[(&str, u64)]) -> Self {
        let before = before.iter().map(|(id, before)| (node(id), *before)).collect();
        let group = format!("orchestrator-workers-{name}");
        self.workers.insert(agent(name), Workers { group, connected, tasks: 3, before });
        self
    }

    pub fn breaker(mut self, name: &str, status: BreakerStatus, until: u64, calls: u32) -> Self {
        let until = (status == BreakerStatus::Open).then(|| at(until));
        let failures = calls.saturating_sub(3);
        self.breakers.insert(agent(name), BreakerState { status, since: at(8), until, calls, failures });
        self
    }

    pub fn owner(mut self, engines: usize, is_held: bool) -> Self {
        self.owner = Some(Owner { group: "orchestrator-engine".to_owned(), engines, is_held });
        self
    }

    pub fn facts(&self) -> Facts<'_> {
        let next = match self.aside {
            Some(why) => Next::Aside(why.to_owned()),
            None => Next::Frontier(Box::new(Frontier::of(&self.run, &self.graph).unwrap())),
        };
        Facts {
            now: at(10),
            partition: 2,
            run: &self.run,
            next,
            breakers: self.breakers.clone(),
            workers: self.workers.clone(),
            owner: self.owner.clone(),
            behind: self.behind,
            letters: self.letters.clone(),
        }
    }

    pub fn said(&self) -> (String, Value) {
        let reasons = reasons(&self.facts());
        let answer = Answer { run: &self.run, partition: 2, now: at(10), reasons: &reasons, unseen: &self.unseen };
        (answer.text(Paint::PLAIN), why_json(&answer))
    }

    /// The words, and the word of the first reason.
    pub fn says(&self, text: &str, word: &str) {
        let (said, json) = self.said();
        assert_eq!(said, text);
        assert_eq!(json["reason"], word, "{json:#}");
        assert_eq!(json["message"].as_str(), said.lines().next());
    }
}
