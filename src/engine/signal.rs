//! Signals: misrouted ones are sent on, the others are decided by their type.

use super::decide::{Decided, origin_of, place_of};
use super::owner::{Owning, Stop};
use super::partition::Env;
use crate::core::command::{Command, Origin};
use crate::core::id::WorkflowId;
use crate::core::rejection::{Refusal, RefusalReason};
use crate::journal::record::Cause;
use crate::log::Record;
use crate::wire::signal::{self, SignalKind, Supply};

impl Owning {
    pub(super) fn decide_signal(&mut self, record: &Record, env: &mut Env) -> Result<Decided, Stop> {
        let decoded = signal::decode(record.key.as_deref(), record.value.as_deref(), env.settings.max_record_bytes);
        let signal = match decoded {
            Ok(signal) => signal,
            Err(refusal) => return Ok(Decided::to(self.refuse(record, place_of(record), refusal, env))),
        };
        if let Some(workflow_id) = &signal.workflow_id
            && let Some(planned) = self.send_home(record, workflow_id, env)
        {
            return Ok(Decided::to(planned));
        }
        let origin = match &signal.workflow_id {
            Some(workflow_id) => origin_of(record, workflow_id, env.settings.partitions),
            None => place_of(record),
        };
        match (signal.kind, signal.workflow_id) {
            (SignalKind::Discard(handling), workflow_id) => {
                let handled = self.letter_handled(Cause::Input(origin), handling, workflow_id, None, env);
                Ok(Decided::to(handled))
            }
            (SignalKind::Supply(supply), Some(workflow_id)) => {
                self.decide_supply(record, workflow_id, supply, origin, env)
            }
            (SignalKind::Supply(_), None) => {
                let message = "expected `supply` to name its workflow, by the key or `workflow_id`";
                let refusal = Refusal::new(RefusalReason::Malformed, message);
                Ok(Decided::to(self.refuse(record, origin, refusal, env)))
            }
        }
    }

    /// A node is given its output by hand, or it is said why not.
    fn decide_supply(
        &mut self,
        record: &Record,
        workflow_id: WorkflowId,
        supply: Supply,
        origin: Origin,
        env: &mut Env,
    ) -> Result<Decided, Stop> {
        let Supply { run_id, node_id, output, by } = supply;
        let command = Command::SupplyNode { node_id, output, by };
        let decided = self.command(&workflow_id, run_id.as_ref(), &command, Cause::Input(origin), env)?;
        Ok(Decided::to(match decided {
            Ok(planned) => planned,
            Err(rejection) => {
                let current = self.state.runs.get(&workflow_id).map(|entry| entry.run.run_id.clone());
                self.reject(record, workflow_id, run_id.or(current), &rejection, env)
            }
        }))
    }
}
