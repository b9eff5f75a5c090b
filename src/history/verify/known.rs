//! Of whom the events tell, over all partitions, so that rows can be found of which none does.
//!
//! Runs and letters are kept as hashes of 8 bytes each, with a key of this process: no id can be chosen to look like
//! another.

use crate::core::effect::{Effect, effects};
use crate::core::event::{Event, PartitionEvent};
use crate::core::id::LetterId;
use crate::projector::rows::Rows;
use crate::store::letter::HandledRow;
use crate::store::row::partition_subject;
use crate::wire::event::Published;
use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};

/// What [`verify`](super::verify) has been told of all partitions so far.
#[derive(Default)]
pub struct Known {
    hashes: RandomState,
    runs: Vec<u64>,
    letters: Vec<u64>,
    handled: BTreeMap<LetterId, Vec<Handled>>,
    /// Up to which offset the journal of each partition was read.
    pub(super) read_to: BTreeMap<u32, u64>,
    /// Whether events are gone, of stream and journal, so that rows may tell of them.
    pub(super) is_cut: bool,
}

/// That something was done with a letter.
#[derive(Clone, Debug)]
pub(super) struct Handled {
    pub(super) row: HandledRow,
    /// Whether it has to be in the tables.
    pub(super) is_projected: bool,
}

impl Known {
    /// An event tells of its run, of the letter that it made, and of what was done with one.
    pub(super) fn tell(&mut self, published: &Published, is_projected: bool) {
        match published {
            Published::Run(recorded) => {
                if recorded.sequence == 1 {
                    self.run(recorded.run_id.as_str());
                }
                if let Event::NodeFailed(_) = &recorded.event {
                    let letters = effects(recorded).into_iter().filter_map(|effect| match effect {
                        Effect::DeadLetterNode(node) => Some(node.letter_id),
                        Effect::Dispatch(_) | Effect::Respond(_) | Effect::Delay(_) => None,
                    });
                    letters.for_each(|letter_id| self.letters.push(self.hashes.hash_one(letter_id.as_str())));
                }
            }
            Published::Partition(recorded) => {
                if let PartitionEvent::InputRefused(_) = &recorded.event {
                    let letter_id = LetterId::of_input(recorded.partition, recorded.sequence);
                    self.letters.push(self.hashes.hash_one(letter_id.as_str()));
                }
                let mut rows = Rows::default();
                rows.partition_event(recorded, None, None);
                for (letter_id, row) in rows.handled {
                    self.handled.entry(letter_id).or_default().push(Handled { row, is_projected });
                }
            }
        }
    }

    /// There is such a run.
    pub(super) fn run(&mut self, run_id: &str) {
        self.runs.push(self.hashes.hash_one(run_id));
    }

    /// Makes it fit to be asked.
    pub(super) fn sort(&mut self) {
        for hashes in [&mut self.runs, &mut self.letters] {
            hashes.sort_unstable();
            hashes.dedup();
        }
    }

    /// Whether some event tells of a run, or it is one of so many partitions.
    pub(super) fn has_owner(&self, owner: &str, partitions: u32) -> bool {
        self.runs.binary_search(&self.hashes.hash_one(owner)).is_ok()
            || (0..partitions).any(|partition| partition_subject(partition) == owner)
    }

    /// Whether some event tells of a letter, or of what was done with it.
    pub(super) fn has_letter(&self, letter_id: &LetterId) -> bool {
        self.letters.binary_search(&self.hashes.hash_one(letter_id.as_str())).is_ok()
            || self.handled.contains_key(letter_id)
    }

    /// What was done with letters.
    pub(super) fn handled(&self) -> &BTreeMap<LetterId, Vec<Handled>> {
        &self.handled
    }
}
