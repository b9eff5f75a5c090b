//! Whether a role works: what `GET /ready` answers, and a log line when that changes.

use crate::api::Status;
use crate::api::status::RoleState;
use crate::core::time::millis;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often it is looked whether the log and the store answer. What `/ready` says is so old, and where one is away
/// older by the time that the question takes, 10 s at most.
const LOOK_EVERY: Duration = Duration::from_secs(3);
/// How long a role may wait before the log says so: starting and rearranging a group take that long.
const SAY_AFTER: Duration = Duration::from_secs(2);
/// How often it is said again. By then it is nothing that comes and goes.
const SAY_AGAIN: Duration = Duration::from_secs(30);

/// Follows one role.
pub struct Readiness {
    status: Arc<Status>,
    role: &'static str,
    /// Since when it waits; none: it works.
    waits: Option<Instant>,
    said: Option<Instant>,
    looked: Option<Instant>,
    away: Option<String>,
}

impl Readiness {
    /// Of a role that has just been started.
    pub fn of(role: &'static str, status: &Arc<Status>) -> Self {
        let (status, waits) = (Arc::clone(status), Some(Instant::now()));
        Self { status, role, waits, said: None, looked: None, away: None }
    }

    /// Asks, now and then, whether what the role needs answers; says what is wrong with it.
    pub fn look(&mut self, ask: impl FnOnce() -> Result<(), String>) -> Option<String> {
        if self.looked.is_none_or(|looked| looked.elapsed() >= LOOK_EVERY) {
            self.away = ask().err();
            self.looked = Some(Instant::now());
        }
        self.away.clone()
    }

    /// The role works (none), or waits for something.
    pub fn note(&mut self, waits_for: Option<String>) {
        match &waits_for {
            None => self.works(),
            Some(words) => self.waits(words),
        }
        let state = if waits_for.is_none() { RoleState::Ready } else { RoleState::Waiting };
        self.status.role(self.role, state, waits_for);
    }

    fn works(&mut self) {
        if let Some(since) = self.waits.take() {
            tracing::info!(role = self.role, after_ms = millis(since.elapsed()), "the {} is ready", self.role);
        }
        self.said = None;
    }

    fn waits(&mut self, words: &str) {
        let since = *self.waits.get_or_insert_with(Instant::now);
        let waited = since.elapsed();
        match self.said {
            None if waited >= SAY_AFTER => {
                tracing::info!(role = self.role, "the {} waits: {words}", self.role);
                self.said = Some(Instant::now());
            }
            Some(said) if said.elapsed() >= SAY_AGAIN => {
                let seconds = waited.as_secs();
                tracing::warn!(role = self.role, seconds, "the {} still waits after {seconds} s: {words}", self.role);
                self.said = Some(Instant::now());
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_ready_once_it_waits_for_nothing() {
        let status = Arc::new(Status::new("log.db".to_owned(), "shop".to_owned(), &["engine"]));
        let mut engine = Readiness::of("engine", &status);
        engine.note(Some("the group is silent".to_owned()));
        let report = status.report();
        assert!(!report.ready && report.healthy());
        assert_eq!(report.roles["engine"].message.as_deref(), Some("the group is silent"));
        engine.note(None);
        assert!(status.report().ready);
        engine.note(Some("partition 3 is being taken".to_owned()));
        assert!(!status.report().ready, "it is not ready for ever");
    }

    #[test]
    fn what_was_seen_last_holds_until_the_next_look() {
        let status = Arc::new(Status::new("log.db".to_owned(), "shop".to_owned(), &["engine"]));
        let mut engine = Readiness::of("engine", &status);
        assert_eq!(engine.look(|| Err("away".to_owned())).as_deref(), Some("away"));
        assert_eq!(engine.look(|| panic!("asked again at once")).as_deref(), Some("away"));
    }
}
