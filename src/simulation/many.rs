//! Many seeds: each is a run of its own, so threads share them out.

use super::{Options, Report, Violation, run};
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread;

/// What became of one seed.
pub type Outcome = (u64, Result<Report, Violation>);

/// Runs seeds on so many threads, each with the options that follow from it, and hands out what became of each as it
/// ends: the order is not that of the seeds.
pub fn run_many(
    seeds: Range<u64>,
    threads: usize,
    options: impl Fn(u64) -> Options + Sync,
    mut told: impl FnMut(Outcome),
) {
    let next = AtomicU64::new(seeds.start);
    thread::scope(|scope| {
        let (sender, outcomes) = channel();
        for _ in 0..threads.max(1) {
            let sender = sender.clone();
            scope.spawn(|| work(&next, seeds.end, &options, sender));
        }
        drop(sender);
        outcomes.into_iter().for_each(&mut told);
    });
}

/// Takes one seed after the other until there are none, or nobody listens any more.
fn work(next: &AtomicU64, end: u64, options: &(impl Fn(u64) -> Options + Sync), outcomes: Sender<Outcome>) {
    loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= end || outcomes.send((seed, run(seed, &options(seed)))).is_err() {
            return;
        }
    }
}
