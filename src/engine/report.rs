//! Reports of workers: what became of an attempt.

use super::decide::origin_of;
use super::owner::{Owning, Stop};
use super::partition::Env;
use super::step::Planned;
use crate::core::command::Command;
use crate::core::rejection::{Refusal, RefusalReason, Rejection};
use crate::journal::record::Cause;
use crate::log::Record;
use crate::wire::report::{self, ReportOutcome};

impl Owning {
    pub(super) fn decide_report(&mut self, record: &Record, env: &mut Env) -> Result<Planned, Stop> {
        let decoded = report::decode(record.key.as_deref(), record.value.as_deref(), env.settings.max_record_bytes);
        let report = match decoded {
            Ok(report) => report,
            Err(refusal) => return Ok(self.refuse(record, refusal, env)),
        };
        if let Some(planned) = self.send_home(record, &report.workflow_id, env) {
            return Ok(planned);
        }
        let (node_id, attempt) = (report.dispatch_id.node_id, report.dispatch_id.attempt);
        let command = match report.outcome {
            ReportOutcome::Started => Command::StartNode { node_id, attempt },
            ReportOutcome::Completed(output) => Command::CompleteNode { node_id, attempt, output },
            ReportOutcome::Failed(failure) => Command::FailNode { node_id, attempt, failure },
        };
        let run_id = report.dispatch_id.run_id;
        let cause = Cause::Input(origin_of(record));
        match self.command(&report.workflow_id, Some(&run_id), &command, cause, env)? {
            Ok(planned) => Ok(planned),
            // It may be what the run waits for, and nobody sends it again: kept whole, not just counted.
            Err(rejection @ Rejection::SetAside(_)) => {
                let message = format!("{rejection}; once it goes on, publish this record again");
                let refusal = Refusal::new(RefusalReason::SetAside, message);
                Ok(self.refuse(record, Refusal { workflow_id: Some(report.workflow_id), ..refusal }, env))
            }
            Err(rejection) => Ok(self.reject(record, report.workflow_id, Some(run_id), &rejection, env)),
        }
    }
}
