//! Signals: misrouted ones are sent on, the others are decided by their type.

use super::decide::{Decided, origin_of, place_of};
use super::owner::{Owning, Stop};
use super::partition::Env;
use crate::journal::record::Cause;
use crate::log::Record;
use crate::wire::signal::{self, SignalKind};

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
        match signal.kind {
            SignalKind::Discard(handling) => {
                let handled = self.letter_handled(Cause::Input(origin), handling, signal.workflow_id, None, env);
                Ok(Decided::to(handled))
            }
        }
    }
}
