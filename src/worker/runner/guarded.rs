//! Work that cannot take its thread down with it.

use super::super::registry::Work;
use crate::core::failure::{Failure, FailureClass, ReportedFailure};
use serde_json::Value;
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

/// Work whose panics become failures (retryable, `agent_panicked`). Dropped as soon as it has ended.
pub(super) struct Guarded {
    work: Option<Work>,
    /// A panic before the work was there.
    failure: Option<ReportedFailure>,
}

impl Guarded {
    /// Begins work.
    pub fn begin(begin: impl FnOnce() -> Work) -> Self {
        match catch_unwind(AssertUnwindSafe(begin)) {
            Ok(work) => Self { work: Some(work), failure: None },
            Err(panic) => Self { work: None, failure: Some(panicked(panic)) },
        }
    }

    /// Drops the work.
    pub fn discard(&mut self) {
        let work = self.work.take();
        // What the agent's own destructors do must not reach the runner; there is nobody left to tell.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(work)));
    }
}

impl Future for Guarded {
    type Output = Result<Value, ReportedFailure>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(work) = &mut self.work else {
            let ended = || failed("the agent has ended already".to_owned());
            return Poll::Ready(Err(self.failure.take().unwrap_or_else(ended)));
        };
        let polled = catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context)));
        let result = match polled {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(result)) => result,
            Err(panic) => Err(panicked(panic)),
        };
        self.discard();
        Poll::Ready(result)
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        self.discard();
    }
}

fn panicked(panic: Box<dyn Any + Send>) -> ReportedFailure {
    let words = panic.downcast_ref::<&str>().map(|words| (*words).to_owned());
    let words = words.or_else(|| panic.downcast_ref::<String>().cloned());
    let words = words.unwrap_or_else(|| "without words".to_owned());
    failed(format!("the agent panicked: {words}"))
}

fn failed(message: String) -> ReportedFailure {
    Failure::new(FailureClass::Retryable, "agent_panicked", message).into()
}
