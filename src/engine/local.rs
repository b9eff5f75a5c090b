//! Attempts that run in this process: handed over in memory, and their reports as inputs without a topic.
//!
//! The dispatch of such an attempt is an effect under way until a step counts that records its end, or that it has
//! begun: until then `effects_through` stays below it, and whoever recovers the partition performs it again. One that
//! has begun is known from the state, and is handed out again at a taking.

use super::act::is_awaited;
use super::input::Arrived;
use super::owner::{Owning, Stop};
use super::partition::Env;
use super::perform::{EffectKind, EffectRef, ready_record};
use super::step::StepDraft;
use crate::core::id::{DispatchId, WorkflowId};
use crate::core::json::Json;
use crate::core::run::{NodeRun, Run};
use crate::local::LocalReport;
use crate::log::{Record, Topic};
use crate::planted::{Bug, is_planted};
use crate::wire::headers::TRACEPARENT;
use crate::wire::task::Task;
use bytes::Bytes;
use std::collections::{HashMap, VecDeque};

/// No step has this number: what is performed without one is nobody's effect.
const NO_STEP: u64 = 0;

/// The attempts of a partition that run in this process.
#[derive(Default)]
pub struct LocalWork {
    /// The step that dispatched each, until its end or its beginning is decided.
    steps: HashMap<DispatchId, u64>,
    reports: VecDeque<LocalReport>,
    /// Steps of which a dispatch is done once all that is decided counts.
    settled: Vec<u64>,
    /// How many reports have been decided, by which they are told apart.
    decided: u64,
    /// After a crash that may have been caused by an input everything goes through the topics: there it is found.
    is_off: bool,
}

impl LocalWork {
    /// Nothing runs.
    pub fn new(careful: bool) -> Self {
        Self { is_off: careful, ..Self::default() }
    }

    /// Something was reported.
    pub fn push(&mut self, report: LocalReport) {
        self.reports.push_back(report);
    }

    /// Whether nothing was reported that has not been decided.
    pub fn is_empty(&self) -> bool {
        self.reports.is_empty()
    }

    /// What is done once the next step counts.
    pub fn take_settled(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.settled)
    }
}

impl Owning {
    /// Hands an attempt to its agent: in this process if it begins at once here, else through its topic.
    pub(super) fn dispatch(&mut self, step: u64, task: Task, traceparent: Option<Bytes>, env: &mut Env) {
        let dispatch_id = task.dispatch_id.clone();
        let left = if self.local.is_off { Some(task) } else { env.local.begin(task, traceparent.clone()) };
        match left {
            None if is_planted(Bug::TakesAHandOverAsDone) => self.tracker.done(step),
            None => {
                self.local.steps.insert(dispatch_id, step);
            }
            Some(task) => self.dispatch_to_topic(step, &task, traceparent, env),
        }
    }

    fn dispatch_to_topic(&mut self, step: u64, task: &Task, traceparent: Option<Bytes>, env: &mut Env) {
        // A plan may name any agent: only those that a definition names get topics from the engine, and the others
        // have them from their workers.
        if env.definitions.name_agent(&task.agent_name) {
            env.io.ensure_agent(&task.agent_name);
        }
        let effect = EffectRef {
            kind: EffectKind::Dispatch,
            workflow_id: Some(task.workflow_id.clone()),
            dispatch_id: Some(task.dispatch_id.clone()),
        };
        env.io.perform(self.claimant, step, effect, ready_record(task, traceparent));
    }

    /// Decides what was reported in this process.
    pub(super) fn decide_local(&mut self, draft: &mut StepDraft, env: &mut Env) -> Result<(), Stop> {
        while self.has_room(draft, env) {
            let Some(report) = self.local.reports.pop_front() else { break };
            let Some(value) = &report.value else {
                if !is_planted(Bug::ForgetsWhatARunnerDropped) {
                    self.dispatch_again(&report, env);
                }
                continue;
            };
            if draft.would_overflow(value.len(), env.settings.step_bytes) {
                self.local.reports.push_front(report);
                break;
            }
            let (workflow_id, dispatch_id) = (report.workflow_id.clone(), report.dispatch_id.clone());
            let arrived = Arrived { record: self.record_of(report, env), at: env.now };
            self.decide_guarded(&arrived, env)?.join(draft);
            self.settle_local(&workflow_id, &dispatch_id);
        }
        if self.in_flight.is_empty() && draft.is_empty() {
            // All that was decided counts.
            self.local.take_settled().into_iter().for_each(|step| self.tracker.done(step));
        }
        Ok(())
    }

    /// A report as if it had been read.
    fn record_of(&mut self, report: LocalReport, env: &Env) -> Record {
        self.local.decided += 1;
        Record {
            topic: Topic::Local,
            partition: self.claimant.partition,
            offset: self.local.decided,
            time: self.clock.at(env.now),
            key: Some(Bytes::copy_from_slice(report.workflow_id.as_str().as_bytes())),
            value: report.value,
            headers: report.traceparent.map(|value| (TRACEPARENT.into(), value)).into_iter().collect(),
        }
    }

    /// The dispatch of an attempt is done, where its end has been decided, or that it has begun in this process. That it has
    /// begun elsewhere (with the last owner, say) is of no use to whoever takes the partition next: that one may be gone.
    pub(super) fn settle_local(&mut self, workflow_id: &WorkflowId, dispatch_id: &DispatchId) {
        if self.local.steps.is_empty() {
            return;
        }
        let is_under_way = self.node_of(workflow_id, dispatch_id).is_some_and(|(_, node)| !node.is_running_locally());
        if !is_under_way && let Some(step) = self.local.steps.remove(dispatch_id) {
            self.local.settled.push(step);
        }
    }

    /// An attempt was dropped that ran in this process (its runner has ended): it goes through its topic instead.
    fn dispatch_again(&mut self, lost: &LocalReport, env: &mut Env) {
        let node = self.node_of(&lost.workflow_id, &lost.dispatch_id);
        let task = node.map(|(run, node)| self.task(run, &lost.dispatch_id, node, env));
        match task {
            Some((task, traceparent)) => {
                let step = self.local.steps.remove(&lost.dispatch_id).unwrap_or(NO_STEP);
                self.dispatch_to_topic(step, &task, traceparent, env);
            }
            None => self.settle_local(&lost.workflow_id, &lost.dispatch_id),
        }
    }

    /// At a taking: what had begun in the process of an owner before is handed out again.
    pub(super) fn dispatch_what_was_local(&mut self, env: &mut Env) {
        let mut tasks = Vec::new();
        for entry in self.state.runs.values() {
            for (node_id, node) in &entry.run.nodes {
                if node.is_running_locally() && !is_planted(Bug::ForgetsWhatBeganInMemory) {
                    let (run_id, attempt) = (entry.run.run_id.clone(), node.attempt);
                    let dispatch_id = DispatchId { run_id, node_id: node_id.clone(), attempt };
                    tasks.push(self.task(&entry.run, &dispatch_id, node, env));
                }
            }
        }
        for (task, traceparent) in tasks {
            tracing::info!(dispatch_id = %task.dispatch_id, agent = %task.agent_name,
                "an attempt began in the process of the partition's last owner; it is handed out again");
            self.dispatch(NO_STEP, task, traceparent, env);
        }
    }

    /// The run and the node of an attempt that is awaited.
    fn node_of(&self, workflow_id: &WorkflowId, dispatch_id: &DispatchId) -> Option<(&Run, &NodeRun)> {
        let run = &self.state.runs.get(workflow_id)?.run;
        Some((run, is_awaited(run, dispatch_id)?))
    }

    /// The task of an attempt, from the state.
    fn task(&self, run: &Run, dispatch_id: &DispatchId, node: &NodeRun, env: &Env) -> (Task, Option<Bytes>) {
        let task = Task {
            dispatch_id: dispatch_id.clone(),
            workflow_id: run.workflow_id.clone(),
            agent_name: node.agent_name.clone(),
            input: node.input.clone().unwrap_or_else(Json::null),
            timeout_ms: node.timeout_ms,
            heartbeat: node.heartbeat,
            reply_topic: format!("{}.{}", env.settings.namespace, Topic::Results),
            reply_partition: self.claimant.partition,
        };
        (task, run.traceparent.clone().map(Bytes::from))
    }
}
