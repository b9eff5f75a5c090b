//! How a process is: written by its roles, read by `GET /health` and `GET /ready`.

use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The state of the roles of one process. Roles write what changes; nothing here is on the path of a workflow.
#[derive(Debug)]
pub struct Status {
    report: Mutex<Report>,
}

/// What `GET /health` and `GET /ready` answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The version of the program.
    pub version: &'static str,
    /// Whether every role works.
    pub ready: bool,
    /// The log, without secrets: where it should be, and once it has answered, which it is.
    pub log: String,
    /// The namespace of the installation in it: a log may hold several.
    pub namespace: String,
    /// The roles by name.
    pub roles: BTreeMap<&'static str, RoleReport>,
    /// What the engine of this process does; none: it has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub engine: Option<EngineReport>,
    /// By partition that this process projects, records of its journal that are not projected yet. What another process
    /// projects is left out.
    pub projector_lag: BTreeMap<u32, u64>,
}

/// How a role is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RoleReport {
    /// Where it stands.
    pub state: RoleState,
    /// A sentence for people: what it waits for, or why it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// Where a role stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RoleState {
    /// It does not work yet.
    Starting,
    /// It works.
    Ready,
    /// It waits for something outside, e.g. a store that is away, and goes on when it is back.
    Waiting,
    /// It has ended with an error.
    Failed,
}

/// What an engine does.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct EngineReport {
    /// The partitions that it owns.
    pub partitions: Vec<u32>,
    /// The partitions that it is about to take.
    pub taking: Vec<u32>,
    /// Runs of its partitions that have not ended.
    pub unfinished_runs: usize,
}

impl Status {
    /// The state of a process with these roles, all of them starting, for the installation in a log's namespace.
    pub fn new(log: String, namespace: String, roles: &[&'static str]) -> Self {
        let starting = || RoleReport { state: RoleState::Starting, message: None };
        let roles = roles.iter().map(|role| (*role, starting())).collect();
        let report = Report { version: env!("CARGO_PKG_VERSION"), log, namespace, roles, ..Report::default() };
        Self { report: Mutex::new(report) }
    }

    /// Says which log has answered.
    pub fn log(&self, log: String) {
        self.lock().log = log;
    }

    /// Says what all roles wait for before they can be started.
    pub fn waits(&self, words: &str) {
        for role in self.lock().roles.values_mut() {
            *role = RoleReport { state: RoleState::Waiting, message: Some(words.to_owned()) };
        }
    }

    /// Says where a role stands.
    pub fn role(&self, role: &'static str, state: RoleState, message: Option<String>) {
        let mut report = self.lock();
        report.roles.insert(role, RoleReport { state, message });
        report.ready = report.roles.values().all(|role| role.state == RoleState::Ready);
    }

    /// Says what the engine does.
    pub fn engine(&self, engine: EngineReport) {
        self.lock().engine = Some(engine);
    }

    /// Says how many records are not projected yet of the partitions that this process projects.
    pub fn lags(&self, lags: BTreeMap<u32, u64>) {
        self.lock().projector_lag = lags;
    }

    /// The state now.
    pub fn report(&self) -> Report {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Report> {
        self.report.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Report {
    /// Whether no role has ended with an error.
    pub fn healthy(&self) -> bool {
        self.roles.values().all(|role| role.state != RoleState::Failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_means_that_every_role_works() {
        let status = Status::new("log.db".to_owned(), "shop".to_owned(), &["engine", "projector"]);
        assert!(!status.report().ready);
        status.role("engine", RoleState::Ready, None);
        assert!(!status.report().ready);
        status.role("projector", RoleState::Ready, None);
        assert!(status.report().ready && status.report().healthy());
        status.role("projector", RoleState::Waiting, Some("the store is away".to_owned()));
        assert!(!status.report().ready && status.report().healthy());
        status.role("engine", RoleState::Failed, None);
        assert!(!status.report().healthy());
    }
}
