//! Runs that cannot go on here are set aside, each by itself: they wait in the state, the log names them, and the
//! partition is taken for all the others.
//!
//! A run is set aside when its definition is not there, is not valid for this version of the orchestrator or does not
//! fit the plans that the run has made, and when deciding it has failed again and again ([`super::faults`]). It has
//! no frontier then, so that nothing is decided of it. It goes on when its definition comes, or in a process that
//! can go on with it.

use super::definitions::Definitions;
use super::owner::{FailedEffect, Owning};
use super::perform::{EffectKind, EffectRef};
use super::state::{Entry, PartitionState};
use super::timer::add_timers;
use crate::core::frontier::Frontier;
use crate::core::id::WorkflowId;
use crate::core::run::Run;
use crate::shutdown::anew::panic_message;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The runs of a partition that wait for a definition.
pub struct Aside {
    waiting: BTreeSet<WorkflowId>,
    /// Dispatches of theirs that have failed for good: decided when their run goes on, performed again by the next
    /// owner where it does not.
    pub(super) failed_effects: Vec<FailedEffect>,
    /// How many definitions were known when the runs were tried last.
    known: usize,
}

impl Aside {
    /// Finds out what each unfinished run can do next; what cannot is set aside, and so are the culprits.
    pub fn sort(
        state: &mut PartitionState,
        definitions: &mut Definitions,
        culprits: &BTreeSet<WorkflowId>,
        partition: u32,
    ) -> Self {
        let mut waiting = BTreeSet::new();
        for (workflow_id, Entry { run, frontier, .. }) in &mut state.runs {
            if culprits.contains(workflow_id) {
                name(partition, run, "deciding it has failed again and again");
                continue;
            }
            match frontier_of(run, definitions) {
                Ok(built) => *frontier = Some(built),
                Err(why) => {
                    name(partition, run, &why);
                    waiting.insert(workflow_id.clone());
                }
            }
        }
        Self { waiting, failed_effects: Vec::new(), known: definitions.read_so_far() }
    }
}

impl Owning {
    /// Whether an effect is the dispatch of a run that is set aside.
    pub(super) fn is_of_a_run_aside(&self, effect: &EffectRef) -> bool {
        let entry = effect.workflow_id.as_ref().and_then(|id| self.state.runs.get(id));
        effect.kind == EffectKind::Dispatch && entry.is_some_and(|entry| entry.frontier.is_none())
    }

    /// Goes on with runs whose definition has come since.
    pub(super) fn take_up(&mut self, definitions: &mut Definitions) {
        if self.aside.waiting.is_empty() || self.aside.known == definitions.read_so_far() {
            return;
        }
        self.aside.known = definitions.read_so_far();
        self.failed_effects.extend(self.aside.failed_effects.drain(..));
        for workflow_id in std::mem::take(&mut self.aside.waiting) {
            let Some(entry) = self.state.runs.get_mut(&workflow_id) else { continue };
            match frontier_of(&entry.run, definitions) {
                Ok(frontier) => {
                    tracing::info!(
                        partition = self.claimant.partition,
                        %workflow_id,
                        "a run that was set aside goes on: its definition has come"
                    );
                    add_timers(&entry.run, &mut self.deadlines, &mut self.delays.heap);
                    if !frontier.ready().is_empty() {
                        self.continuing.insert(workflow_id);
                    }
                    entry.frontier = Some(frontier);
                }
                Err(_) => {
                    self.aside.waiting.insert(workflow_id);
                }
            }
        }
    }
}

fn frontier_of(run: &Run, definitions: &mut Definitions) -> Result<Frontier, String> {
    let definition = &run.definition;
    let Some(graph) = definitions.graph(&definition.hash) else {
        return Err(format!(
            "its definition {} version {} ({}) is not in `definitions`, or not valid for this version",
            definition.name, definition.version, definition.hash
        ));
    };
    match catch_unwind(AssertUnwindSafe(|| Frontier::of(run, &graph))) {
        Ok(frontier) => frontier.map_err(|failure| format!("its plan does not fit: {}", failure.message)),
        Err(panic) => Err(format!("building what it can do next has failed: {}", panic_message(&*panic))),
    }
}

fn name(partition: u32, run: &Run, why: &str) {
    tracing::error!(
        partition,
        workflow_id = %run.workflow_id,
        run_id = %run.run_id,
        why,
        "a run is set aside: it waits, and reports of its agents go to the dead letters"
    );
}
