//! How an agent says that it goes on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::Notify;

/// Says of an attempt that it goes on. Clones speak for the same attempt, from any task or thread.
///
/// Where the node says `heartbeat: true`, the attempt's timeout begins anew. The runner sends a report for many
/// beats, a few per timeout, so an agent may beat as often as it likes: with every token, row or page. The reports
/// leave while the agent awaits something: what blocks its thread belongs into `spawn_blocking`, with a clone of this.
///
/// For other nodes, and by default, nobody listens.
#[derive(Clone, Debug, Default)]
pub struct Heartbeat(Option<Arc<Ear>>);

#[derive(Debug, Default)]
struct Ear {
    /// Whether there was a beat since the last report.
    beaten: AtomicBool,
    /// Told when that becomes true.
    told: Notify,
}

impl Heartbeat {
    /// One that is listened to.
    pub(super) fn listened() -> Self {
        Self(Some(Arc::default()))
    }

    /// Says that the attempt goes on. Costs next to nothing, never waits and never fails.
    pub fn beat(&self) {
        if let Some(ear) = &self.0
            && !ear.beaten.swap(true, Ordering::AcqRel)
        {
            ear.told.notify_one();
        }
    }

    /// Waits for a beat that was not taken; where nobody listens, for ever. Dropped in between, it loses none.
    pub(super) async fn heard(&self) {
        let Some(ear) = &self.0 else { return std::future::pending().await };
        while !ear.beaten.load(Ordering::Acquire) {
            ear.told.notified().await;
        }
    }

    /// Takes all beats so far.
    pub(super) fn take(&self) {
        if let Some(ear) = &self.0 {
            ear.beaten.store(false, Ordering::Release);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::pin;
    use std::task::{Context, Waker};

    fn is_heard(heartbeat: &Heartbeat) -> bool {
        pin!(heartbeat.heard()).poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    #[test]
    fn many_beats_are_one_until_they_are_taken() {
        let heartbeat = Heartbeat::listened();
        assert!(!is_heard(&heartbeat));
        for _ in 0..3 {
            heartbeat.clone().beat();
        }
        // Also by whoever asks again.
        assert!(is_heard(&heartbeat) && is_heard(&heartbeat));
        heartbeat.take();
        assert!(!is_heard(&heartbeat));
        heartbeat.beat();
        assert!(is_heard(&heartbeat));
    }

    #[test]
    fn by_default_nobody_listens() {
        let heartbeat = Heartbeat::default();
        heartbeat.beat();
        assert!(!is_heard(&heartbeat));
    }
}
