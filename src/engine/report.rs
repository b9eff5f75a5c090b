//! Reports of workers: what became of an attempt.

use super::decide::{Decided, origin_of, place_of};
use super::owner::{Owning, Stop};
use super::partition::Env;
use crate::core::command::{Command, NodeFault};
use crate::core::failure::{Failure, FailureClass};
use crate::core::json::Json;
use crate::core::rejection::{Refusal, RefusalReason, Rejection};
use crate::journal::record::Cause;
use crate::log::{Record, Topic};
use crate::wire::dead_letter::WHOLE_BYTES;
use crate::wire::report::{self, ReportOutcome, Whose};

impl Owning {
    pub(super) fn decide_report(&mut self, record: &Record, env: &mut Env) -> Result<Decided, Stop> {
        let decoded = report::decode(record.key.as_deref(), record.value.as_deref(), env.settings.max_record_bytes);
        let report = match decoded {
            Ok(report) => report,
            Err(refusal) => return self.refuse_report(record, refusal, env),
        };
        if let Some(planned) = self.send_home(record, &report.workflow_id, env) {
            return Ok(Decided::to(planned));
        }
        let local = record.topic == Topic::Local;
        let (workflow_id, dispatch_id) = (report.workflow_id.clone(), report.dispatch_id.clone());
        let (node_id, attempt, usage) = (report.dispatch_id.node_id, report.dispatch_id.attempt, report.usage);
        let command = match report.outcome {
            ReportOutcome::Started => Command::StartNode { node_id, attempt, local },
            ReportOutcome::Heartbeat => Command::ProgressNode { node_id, attempt, local },
            ReportOutcome::Completed(output) => Command::CompleteNode { node_id, attempt, output, usage },
            ReportOutcome::Failed(failure) => {
                Command::FailNode { node_id, attempt, failure: NodeFault::Reported(failure), usage }
            }
        };
        let run_id = report.dispatch_id.run_id;
        let origin = origin_of(record, &report.workflow_id, env.settings.partitions);
        let cause = Cause::Input(origin.clone());
        let decided = match self.command(&report.workflow_id, Some(&run_id), &command, cause, env)? {
            Ok(planned) => planned,
            // It may be what the run waits for, and nobody sends it again: kept whole, not just counted.
            Err(rejection @ Rejection::SetAside(_)) => {
                let message = format!("{rejection}; once it goes on, publish this record again");
                let refusal = Refusal::new(RefusalReason::SetAside, message);
                self.refuse(record, origin, Refusal { workflow_id: Some(report.workflow_id), ..refusal }, env)
            }
            Err(rejection) => self.reject(record, report.workflow_id, Some(run_id), &rejection, env),
        };
        if !local {
            self.settle_local(&workflow_id, &dispatch_id);
        }
        Ok(Decided::to(decided))
    }

    /// A result that cannot be taken goes to the dead letters. Where it can be read whose it is, that attempt has
    /// failed: its worker has done with it, and nothing else will come.
    pub(super) fn refuse_report(&mut self, record: &Record, refusal: Refusal, env: &mut Env) -> Result<Decided, Stop> {
        let whose = report::whose_result(record.key.as_deref(), record.value.as_deref());
        let Some(Whose { workflow_id, dispatch_id }) = whose else {
            return Ok(Decided::to(self.refuse(record, place_of(record), refusal, env)));
        };
        // What is larger is not kept whole, and so cannot be sent on.
        if record.value.as_ref().is_some_and(|value| value.len() <= WHOLE_BYTES)
            && let Some(planned) = self.send_home(record, &workflow_id, env)
        {
            return Ok(Decided::to(planned));
        }
        let failure = NodeFault::Engine(refused(record, &refusal));
        let origin = origin_of(record, &workflow_id, env.settings.partitions);
        let command =
            Command::FailNode { node_id: dispatch_id.node_id, attempt: dispatch_id.attempt, failure, usage: None };
        let failed = self.command(&workflow_id, Some(&dispatch_id.run_id), &command, Cause::Continuation, env)?;
        let refused = self.refuse(record, origin, refusal, env);
        Ok(match failed {
            Ok(failed) => Decided::Several(vec![refused, failed]),
            // The attempt has ended already, or is nobody's.
            Err(_) => Decided::to(refused),
        })
    }
}

/// The failure of an attempt whose result was refused. The dead letter at the place that it names holds the result.
fn refused(record: &Record, refusal: &Refusal) -> Failure {
    let (reason, place) = (refusal.reason.as_str(), place_of(record));
    let result = serde_json::json!({ "topic": place.topic, "partition": place.partition, "offset": place.offset });
    Failure {
        class: FailureClass::NonRetryable,
        code: reason.to_owned(),
        message: format!("its result was refused and is in the dead letters: {}", refusal.message),
        details: Some(Json::from_value(&serde_json::json!({ "refused_result": result }))),
    }
}
