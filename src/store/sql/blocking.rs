//! The small runtime of one store: its methods block, its driver does not.

use crate::store::StoreError;
use std::future::Future;
use tokio::runtime::{Builder, Runtime};

/// Waits for futures on a runtime of its own. Callers are plain threads, any number at once.
pub struct Blocking(Option<Runtime>);

impl Blocking {
    /// A runtime with one thread for the driver's own tasks.
    pub fn new() -> Result<Self, StoreError> {
        let runtime = Builder::new_multi_thread().worker_threads(1).thread_name("store").enable_all().build();
        let runtime = runtime.map_err(|e| StoreError::Refused(format!("no thread for the store's driver: {e}")))?;
        Ok(Self(Some(runtime)))
    }

    /// Waits for a future on the calling thread.
    pub fn wait<F: Future>(&self, future: F) -> F::Output {
        self.runtime().block_on(future)
    }

    /// Enters the runtime, for what has to be made on it.
    pub fn enter(&self) -> tokio::runtime::EnterGuard<'_> {
        self.runtime().enter()
    }

    fn runtime(&self) -> &Runtime {
        self.0.as_ref().expect("it is taken out by drop alone")
    }
}

impl Drop for Blocking {
    fn drop(&mut self) {
        // A plain drop would wait for tasks, and is forbidden inside another runtime.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}
