//! Effects that the log refuses and that are not given up: answers, dead letters and forwarded inputs are kept, named in
//! the log and in the event stream, and tried again until they land. (A dispatch that is refused fails its node; of a
//! wake-up that is refused nothing is lost, and it is named and done with.)

use super::owner::{FailedEffect, Owning};
use super::partition::Env;
use super::perform::{EffectKind, EffectRef};
use crate::core::time::Timestamp;
use crate::log::NewRecord;
use std::collections::HashSet;

/// The effects of a partition that are kept.
#[derive(Default)]
pub struct Kept {
    waiting: Vec<Waiting>,
    /// Those that have been tried at least once more, so that each is recorded once.
    known: HashSet<(u64, EffectRef)>,
}

struct Waiting {
    again_at: Timestamp,
    step: u64,
    effect: EffectRef,
    record: NewRecord,
}

impl Owning {
    /// The log has refused an effect. What is kept is to be recorded when that happens for the first time.
    pub(super) fn on_refused_effect(
        &mut self,
        step: u64,
        effect: EffectRef,
        record: NewRecord,
        message: String,
        env: &Env,
    ) {
        let (partition, kind, topic) = (self.claimant.partition, effect.kind.as_str(), record.topic.to_string());
        if effect.kind == EffectKind::Dispatch {
            tracing::error!(partition, step, kind, topic, why = message, "an effect has failed for good");
            self.failed_effects.push_back(FailedEffect { step, effect, topic, message });
            return;
        }
        if effect.kind == EffectKind::Delay {
            tracing::error!(partition, step, topic, why = message, "a wake-up is refused; its attempt waits in memory");
            self.wait_in_memory(&effect);
            self.failed_effects.push_back(FailedEffect { step, effect, topic, message });
            return;
        }
        tracing::error!(
            partition,
            step,
            kind,
            topic,
            why = message,
            "an effect is refused; it is kept and tried again"
        );
        let again_at = env.now.after(env.settings.max_retry_pause);
        self.kept.waiting.push(Waiting { again_at, step, effect: effect.clone(), record });
        if self.kept.known.insert((step, effect.clone())) {
            self.failed_effects.push_back(FailedEffect { step, effect, topic, message });
        }
    }

    /// Tries again what is kept.
    pub(super) fn perform_kept(&mut self, env: &mut Env) {
        let due = self.kept.waiting.extract_if(.., |waiting| waiting.again_at <= env.now).collect::<Vec<_>>();
        for Waiting { step, effect, record, .. } in due {
            env.io.perform(self.claimant, step, effect, record);
        }
    }
}
