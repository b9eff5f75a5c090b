//! A process group that does not outlive its attempt.

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::Child;

/// The process group that a program leads. Killed when this is dropped.
pub(super) struct ProcessGroup(Option<Pid>);

impl ProcessGroup {
    /// The group of a program that was started as the leader of one.
    pub fn of(child: &Child) -> Self {
        Self(child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw))
    }
}

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        if let Some(pid) = self.0 {
            // The usual answer is that there is nobody left.
            let _ = kill_process_group(pid, Signal::KILL);
        }
    }
}
