//! PURE. How far a worker has come in a partition of `ready.<agent>`, when many of its records are worked on at once.
//!
//! A group commits one offset per partition, below which everything is done. Which offsets above it are done as
//! well goes into the words that Kafka keeps beside it, so that a restart runs again only what was not done:
//!
//! ```text
//! commit 17, "1:2,3,1,5"   from 17 on: 2 open, 3 done, 1 open, 5 done; nothing is known of 28 and above
//! ```
//!
//! The words hold up to [`MAX_COMMIT_METADATA`] bytes, which is at least 1,000 runs of done offsets in the worst
//! order of 1 open, 1 done (a worker has some hundreds of attempts open). Where they do not fit, the farthest are
//! left out and would be run again after a crash.

use crate::log::{Committed, MAX_COMMIT_METADATA};
use std::collections::{BTreeSet, VecDeque};
use std::fmt::Write;
use std::ops::Range;

/// What opens the words; another version of them is not understood and treated as none.
const FORMAT: &str = "1:";

/// What shall become of a record that was handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Not done yet: it is open from here on, until [`Progress::done`].
    Take,
    /// It is done, or taken already.
    Skip,
    /// It lies below what was committed: the topic was made anew, and what is known here is of another one.
    WentBack,
}

/// The offsets of one partition that are taken, and those that are done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// The next offset that has not been handed out; none: the first record decides.
    next: Option<u64>,
    /// Below `next`: taken and not done.
    open: BTreeSet<u64>,
    /// From `next` on: done by an earlier member, in order and apart.
    restored: VecDeque<Range<u64>>,
}

impl Progress {
    /// Goes on from what was committed last. The second value says why the words were not understood; the offset
    /// alone counts then.
    pub fn resume(committed: Option<&Committed>) -> (Self, Option<String>) {
        let Some(committed) = committed else { return (Self::default(), None) };
        let (restored, fault) = match read(committed.offset, &committed.metadata) {
            Ok(ranges) => (ranges, None),
            Err(fault) => (VecDeque::new(), Some(fault)),
        };
        (Self { next: Some(committed.offset), open: BTreeSet::new(), restored }, fault)
    }

    /// A record is handed out.
    pub fn take(&mut self, offset: u64) -> Verdict {
        if self.watermark().is_some_and(|watermark| offset < watermark) {
            return Verdict::WentBack;
        }
        if self.next.is_some_and(|next| offset < next) {
            return Verdict::Skip;
        }
        self.next = Some(offset.saturating_add(1));
        while self.restored.front().is_some_and(|range| range.end <= offset) {
            self.restored.pop_front();
        }
        if self.restored.front().is_some_and(|range| range.contains(&offset)) {
            return Verdict::Skip;
        }
        self.open.insert(offset);
        Verdict::Take
    }

    /// A record is done: what it led to is in the log.
    pub fn done(&mut self, offset: u64) {
        self.open.remove(&offset);
    }

    /// Everything below is done; none: nothing is known yet.
    pub fn watermark(&self) -> Option<u64> {
        self.open.first().copied().or(self.next)
    }

    /// How many records are taken and not done.
    pub fn open(&self) -> usize {
        self.open.len()
    }

    /// What is to be committed; none: nothing is known yet.
    pub fn snapshot(&self) -> Option<Committed> {
        let (watermark, next) = (self.watermark()?, self.next?);
        let mut metadata = String::new();
        let mut end = watermark;
        for done in self.done_ranges(next) {
            if done.is_empty() {
                continue;
            }
            let before = metadata.len();
            let separator = if before == 0 { FORMAT } else { "," };
            let _ = write!(metadata, "{separator}{},{}", done.start - end, done.end - done.start);
            if metadata.len() > MAX_COMMIT_METADATA {
                metadata.truncate(before);
                break;
            }
            end = done.end;
        }
        Some(Committed { offset: watermark, metadata })
    }

    /// The done offsets above the watermark, in order; touching ranges come apart.
    fn done_ranges(&self, next: u64) -> impl Iterator<Item = Range<u64>> {
        let starts = self.open.iter().map(|offset| offset.saturating_add(1));
        let ends = self.open.iter().skip(1).copied().chain(std::iter::once(next));
        let restored = self.restored.iter().map(move |range| range.start.max(next)..range.end);
        starts.zip(ends).map(|(start, end)| start..end).chain(restored)
    }
}

/// Reads the words of a commit at `offset`.
fn read(offset: u64, metadata: &str) -> Result<VecDeque<Range<u64>>, String> {
    let mut ranges = VecDeque::new();
    if metadata.is_empty() {
        return Ok(ranges);
    }
    let fault = || format!("expected {FORMAT:?} and pairs of lengths, open and done, found {metadata:?}");
    let mut lengths = metadata.strip_prefix(FORMAT).ok_or_else(fault)?.split(',').map(str::parse::<u64>);
    let mut end = offset;
    while let Some(open) = lengths.next() {
        let (Ok(open), Some(Ok(done))) = (open, lengths.next()) else { return Err(fault()) };
        let start = end.checked_add(open).ok_or_else(fault)?;
        end = start.checked_add(done).ok_or_else(fault)?;
        ranges.push_back(start..end);
    }
    Ok(ranges)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn committed(offset: u64, metadata: &str) -> Committed {
        Committed { offset, metadata: metadata.to_owned() }
    }

    fn taken(offsets: Range<u64>) -> Progress {
        let mut progress = Progress::default();
        for offset in offsets {
            assert_eq!(progress.take(offset), Verdict::Take);
        }
        progress
    }

    #[test]
    fn the_watermark_is_the_oldest_open_offset() {
        let mut progress = taken(5..10);
        assert_eq!(progress.snapshot(), Some(committed(5, "")));
        progress.done(7);
        progress.done(8);
        assert_eq!(progress.snapshot(), Some(committed(5, "1:2,2")));
        progress.done(5);
        assert_eq!(progress.snapshot(), Some(committed(6, "1:1,2")));
        progress.done(6);
        progress.done(9);
        assert_eq!(progress.snapshot(), Some(committed(10, "")));
    }

    #[test]
    fn what_was_done_above_the_watermark_is_skipped_after_a_restart() {
        let (mut progress, fault) = Progress::resume(Some(&committed(17, "1:2,3,1,5")));
        assert_eq!(fault, None);
        let verdicts: Vec<Verdict> = (17..30).map(|offset| progress.take(offset)).collect();
        let skipped: Vec<u64> = (17..30).zip(verdicts).filter(|(_, v)| *v == Verdict::Skip).map(|(o, _)| o).collect();
        assert_eq!(skipped, [19, 20, 21, 23, 24, 25, 26, 27]);
    }

    #[test]
    fn what_an_earlier_member_did_farther_up_is_not_forgotten_by_a_second_commit() {
        let (mut progress, _) = Progress::resume(Some(&committed(10, "1:2,2,4,1")));
        assert_eq!(progress.take(10), Verdict::Take);
        progress.done(10);
        assert_eq!(progress.snapshot(), Some(committed(11, "1:1,2,4,1")));
        // Also where the next record to come lies inside a range.
        assert_eq!((progress.take(11), progress.take(12)), (Verdict::Take, Verdict::Skip));
        assert_eq!(progress.snapshot(), Some(committed(11, "1:1,1,0,1,4,1")));
    }

    #[test]
    fn words_that_are_not_understood_are_named_and_the_offset_counts() {
        for words in ["2:1,1", "1:1", "1:a,b", "1:1,18446744073709551615", "rubbish", "1:"] {
            let (progress, fault) = Progress::resume(Some(&committed(9, words)));
            assert!(fault.is_some_and(|fault| fault.contains(words)), "{words}");
            assert_eq!(progress.snapshot(), Some(committed(9, "")), "{words}");
        }
    }

    #[test]
    fn a_topic_made_anew_is_noticed() {
        let (mut progress, _) = Progress::resume(Some(&committed(1_000, "")));
        assert_eq!(progress.take(0), Verdict::WentBack);
    }

    #[test]
    fn words_that_do_not_fit_leave_out_the_farthest() {
        let mut progress = taken(0..10_000);
        (0..10_000).filter(|offset| offset % 2 == 1).for_each(|offset| progress.done(offset));
        let snapshot = progress.snapshot().unwrap();
        assert!(snapshot.metadata.len() <= MAX_COMMIT_METADATA);
        let (mut again, _) = Progress::resume(Some(&snapshot));
        let skipped = (0..10_000).filter(|offset| again.take(*offset) == Verdict::Skip).count();
        assert!(skipped >= 1_000, "{skipped}");
    }

    #[derive(Clone, Debug)]
    enum Act {
        Take(u64),
        Done(usize),
        Restart,
    }

    fn acts() -> impl Strategy<Value = Vec<Act>> {
        let act = prop_oneof![
            6 => (1..4u64).prop_map(Act::Take),
            5 => any::<usize>().prop_map(Act::Done),
            1 => Just(Act::Restart),
        ];
        proptest::collection::vec(act, 0..400)
    }

    proptest! {
        /// Whatever the order of work and restarts: nothing that is not done is skipped or lies below a commit, and
        /// nothing that was done when a commit with room for it was made is run again.
        #[test]
        fn nothing_is_lost_and_nothing_done_is_run_again(acts in acts()) {
            let mut progress = Progress::default();
            let mut position = 0u64;
            let mut open: Vec<u64> = Vec::new();
            let mut done: BTreeSet<u64> = BTreeSet::new();
            let mut known: BTreeSet<u64> = BTreeSet::new();
            for act in acts {
                match act {
                    // Offsets have gaps, as where a transaction's marker stands.
                    Act::Take(step) => {
                        position += step;
                        match progress.take(position) {
                            Verdict::Take => {
                                prop_assert!(!done.contains(&position));
                                open.push(position);
                            }
                            Verdict::Skip => prop_assert!(done.contains(&position)),
                            Verdict::WentBack => prop_assert!(false, "went back at {position}"),
                        }
                        known.insert(position);
                    }
                    Act::Done(at) if !open.is_empty() => {
                        let offset = open.swap_remove(at % open.len());
                        progress.done(offset);
                        done.insert(offset);
                    }
                    Act::Done(_) => {}
                    Act::Restart => {
                        let Some(snapshot) = progress.snapshot() else { continue };
                        prop_assert!(snapshot.metadata.len() <= MAX_COMMIT_METADATA);
                        prop_assert!(known.range(..snapshot.offset).all(|offset| done.contains(offset)));
                        let (resumed, fault) = Progress::resume(Some(&snapshot));
                        prop_assert_eq!(fault, None);
                        progress = resumed;
                        open.clear();
                        // The same records come again, in order.
                        for offset in known.range(snapshot.offset..).copied().collect::<Vec<_>>() {
                            let expected = if done.contains(&offset) { Verdict::Skip } else { Verdict::Take };
                            prop_assert_eq!(progress.take(offset), expected, "offset {}", offset);
                            if expected == Verdict::Take {
                                open.push(offset);
                            }
                        }
                    }
                }
            }
        }
    }
}
