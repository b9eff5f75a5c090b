//! How an event follows the ones before it of its run or partition.

use crate::wire::event::Published;
use std::collections::{HashMap, VecDeque};

/// How an event follows the one before it of its run or partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is the next, or the first that is seen.
    Next,
    /// It has been seen: after a takeover a record may come twice.
    Twin,
    /// Something before it is missing.
    Gap {
        /// The sequence that had to come.
        expected: u64,
        /// The one that came.
        found: u64,
    },
}

/// How many runs of a partition that have ended are remembered, so that the twins of their last events are known. What
/// comes twice is what was under way when a partition changed its owner: some thousand events at most.
const ENDED: usize = 20_000;

/// The last sequence of every run of a partition that has not ended, of those that ended last, and of the partition.
#[derive(Debug, Default)]
pub struct Sequences {
    /// Whether the partition is read from its first event on, so that every run begins with 1.
    whole: bool,
    last: HashMap<String, u64>,
    /// Runs that have ended, the oldest first.
    ended: VecDeque<String>,
}

impl Sequences {
    /// Of a partition that is read from an offset on.
    pub fn from(offset: u64) -> Self {
        Self { whole: offset == 0, ..Self::default() }
    }

    /// How the next event follows.
    pub fn read(&mut self, published: &Published) -> Verdict {
        let (subject, found, ends) = match published {
            Published::Run(r) => (r.run_id.to_string(), r.sequence, r.event.ends_the_run()),
            Published::Partition(r) => (format!("partition-{}", r.partition), r.sequence, false),
        };
        let verdict = match self.last.get(&subject) {
            Some(last) if found <= *last => return Verdict::Twin,
            Some(last) if found > *last + 1 => Verdict::Gap { expected: last + 1, found },
            None if self.whole && found > 1 => Verdict::Gap { expected: 1, found },
            _ => Verdict::Next,
        };
        if ends {
            self.ended.push_back(subject.clone());
        }
        self.last.insert(subject, found);
        if self.ended.len() > ENDED
            && let Some(oldest) = self.ended.pop_front()
        {
            self.last.remove(&oldest);
        }
        verdict
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::definition::{DefinitionHash, DefinitionRef};
    use crate::core::event::{Event, NodeStarted, PartitionEvent, Recorded, Trying, WorkflowCompleted};
    use crate::core::id::{DefinitionName, NodeId, RunId, WorkflowId};
    use crate::core::{command::Origin, json::Json, time::Timestamp};
    use crate::wire::event::PartitionRecorded;
    use Verdict::*;

    fn of_partition(sequence: u64) -> Published {
        let origin = Origin { topic: "requests".to_owned(), partition: 0, offset: 0, time: Timestamp(0) };
        let event = PartitionEvent::Trying(Trying { origin, times: 1 });
        Published::Partition(PartitionRecorded { partition: 1, sequence, time: Timestamp(0), event })
    }

    /// The last event of a run is its third.
    fn of_run(run: u64, sequence: u64) -> Published {
        let definition =
            DefinitionRef { name: DefinitionName::new("shop").unwrap(), version: 1, hash: DefinitionHash("h".into()) };
        let event = match sequence {
            3 => Event::WorkflowCompleted(WorkflowCompleted {
                definition,
                started_at: Timestamp(0),
                answer: Json::null(),
            }),
            _ => Event::NodeStarted(NodeStarted { node_id: NodeId::new("n").unwrap(), attempt: 1, local: false }),
        };
        let (workflow_id, run_id) = (WorkflowId::new("w").unwrap(), RunId::new(&format!("{run:032x}")).unwrap());
        Published::Run(Recorded { workflow_id, run_id, sequence, time: Timestamp(0), event })
    }

    #[test]
    fn twins_are_known_and_gaps_are_named() {
        let mut sequences = Sequences::from(17);
        let verdicts: Vec<_> = [7, 8, 8, 7, 10, 11].map(|n| sequences.read(&of_partition(n))).to_vec();
        assert_eq!(verdicts, [Next, Next, Twin, Twin, Gap { expected: 9, found: 10 }, Next]);
    }

    #[test]
    fn the_twin_of_the_end_of_a_run_is_known() {
        let mut sequences = Sequences::from(0);
        let events = [(1, 1), (1, 2), (2, 1), (1, 3), (1, 2), (1, 3), (2, 2)];
        let verdicts: Vec<_> = events.map(|(run, n)| sequences.read(&of_run(run, n))).to_vec();
        assert_eq!(verdicts, [Next, Next, Next, Next, Twin, Twin, Next]);
    }

    #[test]
    fn a_run_without_its_first_event_has_a_gap_where_nothing_was_left_out_by_asking() {
        assert_eq!(Sequences::from(0).read(&of_run(1, 2)), Gap { expected: 1, found: 2 });
        assert_eq!(Sequences::from(1).read(&of_run(1, 2)), Next);
    }

    #[test]
    fn runs_that_have_ended_are_forgotten_in_time() {
        let mut sequences = Sequences::from(0);
        for run in 0..2 * ENDED as u64 {
            (1..=3).for_each(|n| assert_eq!(sequences.read(&of_run(run, n)), Next));
        }
        assert_eq!((sequences.last.len(), sequences.ended.len()), (ENDED, ENDED));
    }
}
