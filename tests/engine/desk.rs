//! Agents in the engine's process that do nothing by themselves: a test reports for them.

use bytes::Bytes;
use orchestrator::local::{LocalAgents, LocalReport};
use orchestrator::wire::report::{self, Report, ReportOutcome};
use orchestrator::wire::task::Task;
use std::sync::Mutex;
use std::time::Duration;

#[derive(Default)]
struct Inner {
    places: usize,
    tasks: Vec<Task>,
    reports: Vec<LocalReport>,
    given_back: Vec<LocalReport>,
}

/// Has no place free until a test says so.
#[derive(Default)]
pub struct Desk(Mutex<Inner>);

impl Desk {
    pub fn set_places(&self, places: usize) {
        self.0.lock().unwrap().places = places;
    }

    /// Everything that was handed over, in order.
    pub fn tasks(&self) -> Vec<Task> {
        self.0.lock().unwrap().tasks.clone()
    }

    pub fn given_back(&self) -> usize {
        self.0.lock().unwrap().given_back.len()
    }

    pub fn report(&self, task: &Task, outcome: ReportOutcome) {
        let (dispatch_id, workflow_id) = (task.dispatch_id.clone(), task.workflow_id.clone());
        self.push(task, Some(report::encode(&Report { dispatch_id, workflow_id, outcome, usage: None })));
    }

    /// The attempt is dropped.
    pub fn drop_task(&self, task: &Task) {
        self.push(task, None);
    }

    fn push(&self, task: &Task, value: Option<Bytes>) {
        let (dispatch_id, workflow_id) = (task.dispatch_id.clone(), task.workflow_id.clone());
        let partition = task.reply_partition;
        let report = LocalReport { dispatch_id, workflow_id, partition, value, traceparent: None };
        self.0.lock().unwrap().reports.push(report);
    }
}

impl LocalAgents for Desk {
    fn listen(&self, _: bool) {
        self.0.lock().unwrap().reports.clear();
    }

    fn begin(&self, task: Task, _: Option<Bytes>) -> Option<Task> {
        let mut inner = self.0.lock().unwrap();
        if inner.places == 0 {
            return Some(task);
        }
        inner.places -= 1;
        inner.tasks.push(task);
        None
    }

    fn take_reports(&self, reports: &mut Vec<LocalReport>) {
        reports.append(&mut self.0.lock().unwrap().reports);
    }

    fn give_back(&self, report: LocalReport) {
        self.0.lock().unwrap().given_back.push(report);
    }

    fn look_within(&self) -> Option<Duration> {
        None
    }
}
