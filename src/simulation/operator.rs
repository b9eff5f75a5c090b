//! Operators: they look at runs and dead letters, and take up what has failed, fork what they are curious about, give
//! nodes their outputs by hand, put letters aside; often too late, and often what cannot be done.

use super::client::{EXPECTED, Expected};
use crate::core::command::{Request, Resume};
use crate::core::definition::graph::Graph;
use crate::core::fork::fork;
use crate::core::id::{LetterId, NodeId, WorkflowId};
use crate::core::json::Json;
use crate::core::letter::{LetterAction, LetterHandling};
use crate::core::lineage::{GivenInput, LineageKind};
use crate::core::partition::partition_of;
use crate::core::run::Run;
use crate::core::status::{NodeStatus, Status};
use crate::log::{Ack, Appender, Header, NewRecord, Topic};
use crate::wire::signal::{Signal, SignalKind, Supply};
use crate::wire::{headers, letter_handling, request, signal};
use bytes::Bytes;
use rand::RngExt;
use rand::rngs::StdRng;
use std::sync::Arc;

/// Who they say they are.
const BY: &str = "operator";

/// All operators, as one.
pub struct Operator {
    appender: Box<dyn Appender>,
    partitions: u32,
    acts: u64,
    acks: Vec<Ack>,
}

impl Operator {
    /// Someone with a client of his own.
    pub fn new(appender: Box<dyn Appender>, partitions: u32) -> Self {
        Self { appender, partitions, acts: 0, acks: Vec::new() }
    }

    /// Does something about a run.
    pub fn act(&mut self, run: &Run, graph: &Arc<Graph>, rng: &mut StdRng) {
        self.acts += 1;
        match rng.random_range(0..10) {
            0..3 => self.supply(run, rng),
            3 => self.discard(run, rng),
            4 => self.send(Topic::Signals, &run.workflow_id, Bytes::from_static(b"{\"type\":\"dance\"}"), vec![], rng),
            5..8 => self.take_up(run, rng),
            _ => self.fork(run, graph, rng),
        }
    }

    /// What nobody confirms nobody misses: he looks again some time.
    pub fn poll(&mut self) {
        self.acks.clear();
        self.appender.poll(&mut self.acks);
    }

    fn supply(&mut self, run: &Run, rng: &mut StdRng) {
        let Some(node_id) = any_node(run, rng) else { return };
        let supply = Supply {
            run_id: rng.random_bool(0.5).then(|| run.run_id.clone()),
            node_id,
            output: self.output(),
            by: BY.to_owned(),
        };
        self.signal(run, SignalKind::Supply(supply), rng);
    }

    fn discard(&mut self, run: &Run, rng: &mut StdRng) {
        let handling = self.handling(run, LetterAction::Discard, rng);
        self.signal(run, SignalKind::Discard(handling), rng);
    }

    fn signal(&mut self, run: &Run, kind: SignalKind, rng: &mut StdRng) {
        let value = signal::encode(&Signal { workflow_id: Some(run.workflow_id.clone()), kind });
        self.send(Topic::Signals, &run.workflow_id, value, vec![], rng);
    }

    /// A new run of the same workflow carries over what was done; what has failed it does again, goes on without, or is
    /// given.
    fn take_up(&mut self, run: &Run, rng: &mut StdRng) {
        let action = match rng.random_range(0..4) {
            0 => LetterAction::Skip,
            1 => LetterAction::Supply,
            2 => LetterAction::Edit,
            _ => LetterAction::Redrive,
        };
        let done = run.nodes.iter().filter(|(_, node)| node.status.has_output() && !run.compensating);
        let mut carried: Vec<_> =
            done.filter_map(|(id, node)| Some((id.clone(), node.status, node.output.clone()?))).collect();
        let failed: Vec<&NodeId> =
            run.nodes.iter().filter(|(_, node)| node.status == NodeStatus::Failed).map(|(id, _)| id).collect();
        let mut inputs = Vec::new();
        for id in failed {
            match action {
                LetterAction::Skip => carried.push((id.clone(), NodeStatus::Skipped, null())),
                LetterAction::Supply => carried.push((id.clone(), NodeStatus::Recovered, self.output())),
                LetterAction::Edit => inputs.push(GivenInput { node_id: id.clone(), input: self.output() }),
                _ => {}
            }
        }
        let resume = Resume {
            kind: LineageKind::Redrive,
            workflow_id: None,
            run_id: run.run_id.clone(),
            by: Some(BY.to_owned()),
            carried,
            inputs,
            agents: Vec::new(),
            from_node: None,
        };
        let letter = letter_handling::encode(&self.handling(run, action, rng), &[]);
        let others = if rng.random_bool(0.7) { vec![(headers::LETTER.into(), letter)] } else { Vec::new() };
        self.ask(run, run.workflow_id.clone(), resume, others, rng);
    }

    fn fork(&mut self, run: &Run, graph: &Arc<Graph>, rng: &mut StdRng) {
        let Some(from) = any_node(run, rng) else { return };
        let Ok(fork) = fork(run, graph, &from) else { return };
        let id = format!("{}-fork-{}", run.workflow_id, self.acts);
        let Ok(workflow_id) = WorkflowId::new(&id) else { return };
        let resume = Resume {
            kind: LineageKind::Fork,
            workflow_id: Some(run.workflow_id.clone()),
            run_id: run.run_id.clone(),
            by: Some(BY.to_owned()),
            carried: fork.carried.into_iter().map(|(id, (status, output))| (id, status, output)).collect(),
            inputs: Vec::new(),
            agents: Vec::new(),
            from_node: Some(from),
        };
        self.ask(run, workflow_id, resume, Vec::new(), rng);
    }

    fn ask(&mut self, run: &Run, workflow_id: WorkflowId, resume: Resume, others: Vec<Header>, rng: &mut StdRng) {
        let request = Request {
            definition: run.definition.name.clone(),
            version: Some(run.definition.version),
            input: run.input.clone(),
            workflow_id: Some(workflow_id.clone()),
            conversation_id: run.conversation_id.clone(),
            resume: Some(resume),
        };
        let mut all = vec![(EXPECTED.into(), Bytes::from(Expected::Anything.write()))];
        all.extend(others);
        self.send(Topic::Requests, &workflow_id, request::encode(&request), all, rng);
    }

    fn handling(&mut self, run: &Run, action: LetterAction, rng: &mut StdRng) -> LetterHandling {
        let letter_id = LetterId::of_node(&run.run_id, rng.random_range(1..=run.sequence.max(1)));
        LetterHandling { letter_id, action, by: BY.to_owned(), note: None }
    }

    fn output(&self) -> Json {
        Json::parse(&format!("{{\"answer\":{}}}", self.acts)).expect("the simulation writes JSON")
    }

    /// Mostly into the right partition.
    fn send(&mut self, topic: Topic, workflow_id: &WorkflowId, value: Bytes, headers: Vec<Header>, rng: &mut StdRng) {
        let home = partition_of(workflow_id.as_str().as_bytes(), self.partitions);
        let astray = u32::from(rng.random_bool(0.1));
        let key = Some(Bytes::copy_from_slice(workflow_id.as_str().as_bytes()));
        let partition = Some((home + astray) % self.partitions);
        let record = NewRecord { topic, partition, key, value: Some(value), headers };
        // `Full` and `Fatal` cost him what he wanted.
        let _ = self.appender.append(record, self.acts);
    }
}

/// Runs that have failed are looked at more often than others.
pub fn choose<'a>(runs: impl Iterator<Item = &'a Run>, rng: &mut StdRng) -> Option<&'a Run> {
    let all: Vec<&Run> = runs.collect();
    let failed: Vec<&Run> = all.iter().copied().filter(|run| run.status == Status::Failed).collect();
    let from = if !failed.is_empty() && rng.random_bool(0.6) { failed } else { all };
    (!from.is_empty()).then(|| from[rng.random_range(0..from.len())])
}

fn any_node(run: &Run, rng: &mut StdRng) -> Option<NodeId> {
    (!run.nodes.is_empty()).then(|| run.nodes.keys().nth(rng.random_range(0..run.nodes.len())).cloned())?
}

fn null() -> Json {
    Json::parse("null").expect("null is JSON")
}
