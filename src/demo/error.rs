//! Why the demo can end otherwise than with three answers.

use crate::core::definition::validate::Fault;
use crate::core::id::WorkflowId;
use crate::embedded::EmbeddedError;
use crate::installation::InstallationError;
use crate::log::LogError;
use crate::wire::WireError;

/// Why the demo did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// What is bundled is not what it should be: a fault of this build.
    #[error("the bundled demo is damaged: {0}")]
    Bundled(String),
    /// There is nowhere to put the temporary folder.
    #[error("no temporary folder can be made: {0}; `--data DIR` names another place")]
    Temporary(std::io::Error),
    /// The embedded installation does not run.
    #[error(transparent)]
    Embedded(#[from] EmbeddedError),
    /// A record is not taken.
    #[error(transparent)]
    Installation(#[from] InstallationError),
    /// A fault of the log.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A record cannot be read.
    #[error("a record of {topic} cannot be read: {fault}")]
    Unreadable {
        /// Of which topic.
        topic: String,
        /// Why.
        fault: WireError,
    },
    /// A request was refused.
    #[error("the request {workflow_id} was refused ({reason}): {message}")]
    Refused {
        /// Which.
        workflow_id: WorkflowId,
        /// A short stable word.
        reason: String,
        /// A sentence.
        message: String,
    },
    /// A workflow failed.
    #[error("{workflow_id} failed: {message}")]
    Failed {
        /// Which.
        workflow_id: WorkflowId,
        /// Why.
        message: String,
    },
    /// A role ended by itself.
    #[error("the {0} ended although nobody stopped it; its last words are in the log lines")]
    Ended(&'static str),
    /// Not all answers came in time.
    #[error("after {seconds} s there is no answer yet for {missing}")]
    Late {
        /// How long was waited.
        seconds: u64,
        /// Which workflows, with what each is doing.
        missing: String,
    },
    /// Somebody stopped it.
    #[error("stopped before all answers were there")]
    Stopped,
    /// Nobody reads what it says.
    #[error("the output cannot be written: {0}")]
    Output(#[from] std::io::Error),
}

impl DemoError {
    /// A bundled definition that is not valid.
    pub(super) fn definition(faults: Vec<Fault>) -> Self {
        let faults: Vec<String> = faults.iter().map(Fault::to_string).collect();
        Self::Bundled(format!("examples/shop/coffee-shop.yaml: {}", faults.join("; ")))
    }
}
