//! Ending in order: SIGTERM or SIGINT asks everything to stop, a second one ends the process at once.

pub mod anew;

use std::process;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// A flag that says "stop", shared by everything that runs. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    flag: Arc<AtomicBool>,
    lock: Mutex<()>,
    set: Condvar,
}

impl Stop {
    /// A flag that is not set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether to stop.
    pub fn is_set(&self) -> bool {
        self.shared.flag.load(Ordering::Relaxed)
    }

    /// Asks everything that looks at this flag to stop.
    pub fn set(&self) {
        let _guard = self.shared.lock.lock().unwrap_or_else(PoisonError::into_inner);
        self.shared.flag.store(true, Ordering::Relaxed);
        self.shared.set.notify_all();
    }

    /// The bare flag, for loops that look at it themselves.
    pub fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.shared.flag)
    }

    /// Waits until the flag is set, at most this long; says whether it is.
    pub fn wait(&self, at_most: Duration) -> bool {
        let guard = self.shared.lock.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.is_set() {
            let _ = self.shared.set.wait_timeout_while(guard, at_most, |()| !self.is_set());
        }
        self.is_set()
    }

    /// Sets the flag on the first SIGTERM or SIGINT, and ends the process on the second.
    ///
    /// # Errors
    /// Where the signals can't be listened to.
    pub fn listen(&self) -> std::io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (mut terminate, mut interrupt) = {
            let _context = runtime.enter();
            use tokio::signal::unix::{SignalKind, signal};
            (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?)
        };
        let stop = self.clone();
        let listen = move || {
            runtime.block_on(async move {
                loop {
                    // 128 + the signal's number, as shells report it.
                    let code = tokio::select! {
                        _ = terminate.recv() => 143,
                        _ = interrupt.recv() => 130,
                    };
                    if stop.is_set() {
                        process::exit(code);
                    }
                    tracing::info!("stopping; a second signal ends the process at once");
                    stop.set();
                }
            });
        };
        std::thread::Builder::new().name("signals".to_owned()).spawn(listen)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_is_woken() {
        let stop = Stop::new();
        assert!(!stop.wait(Duration::ZERO));
        let waiting = std::thread::spawn({
            let stop = stop.clone();
            move || stop.wait(Duration::from_secs(60))
        });
        stop.set();
        assert!(waiting.join().unwrap());
        assert!(stop.flag().load(Ordering::Relaxed));
    }
}
