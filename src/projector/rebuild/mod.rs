//! All tables anew from the journal, beside the live ones, which they then replace while everything goes on.
//!
//! The shadow is a store like any other, and is projected into by the same parts as the live one: there is one way to
//! fold. In three steps: up to where the live tables stood at the beginning, loaded in bulk, partition by partition;
//! then again and again up to where they stand by then, until there is little left; then, while the live positions are
//! held, up to exactly these. So what takes the place of the tables says the same as they do, or what they should say.
//!
//! Reading order: `fill` (a journal into the shadow), `goal` (how far), `early` (a journal that has lost its beginning),
//! this.

mod early;
mod fill;
mod goal;

use super::ProjectorError;
use crate::log::{Log, LogError};
use crate::store::rebuild::{Change, Held, Rebuild, Which};
use crate::store::{Position, Store, StoreError};
pub use early::Early;
use fill::Filling;
pub use fill::{Seen, Stretch};
use goal::Goals;
use std::time::{Duration, Instant};

/// As soon as a round of catching up takes less, the rest is done while the live positions are held.
const SHORT_ROUND: Duration = Duration::from_millis(500);
/// More rounds bring nothing nearer: the live tables grow as fast as the shadow.
const ROUNDS: usize = 20;
/// How often it is tried to have the live tables alone, while others read them for long.
const TRIES: u32 = 10;
/// The pause after the first try; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// See [`FIRST_PAUSE`].
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Why the tables were not made anew, and the live ones are as they were; but see [`RebuildError::NotCompared`].
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// The journal cannot be folded.
    #[error(transparent)]
    Projector(#[from] ProjectorError),
    /// The store says no, or nothing.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The log says no, or nothing.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The live tables know more than the journal has.
    #[error(
        "the tables stand at offset {live} of the journal of partition {partition}, which ends at {end}: it has lost its \
         end, or is not the one that they were projected from. `rebuild --from-scratch` makes them of what the journal \
         has, and what they know beyond it is gone"
    )]
    LiveAhead {
        /// The partition.
        partition: u32,
        /// Where they stand.
        live: u64,
        /// Where the journal ends.
        end: u64,
    },
    /// What came before is nowhere to be had.
    #[error(
        "the journal of partition {partition} begins at offset {journal}, and the event stream, from which the tables \
         could be made up to there, at offset {events}: what happened before is lost"
    )]
    EventsLost {
        /// The partition.
        partition: u32,
        /// Where its journal begins.
        journal: u64,
        /// Where its event stream begins.
        events: u64,
    },
    /// The journal has lost its beginning, and has no step since.
    #[error(
        "the journal of partition {partition} has lost its beginning, and holds no step from offset {from} on: where it \
         goes on cannot be known. Run `rebuild` again once something has happened there"
    )]
    NoStep {
        /// The partition.
        partition: u32,
        /// Where a step was looked for.
        from: u64,
    },
    /// The journal has lost more of its beginning while it was read.
    #[error(
        "records of the journal of partition {partition} have been removed up to offset {low} while they were read; run \
         `rebuild` again"
    )]
    JournalCut {
        /// The partition.
        partition: u32,
        /// Where it begins now.
        low: u64,
    },
    /// Log or store have gone back meanwhile.
    #[error(
        "the tables made anew stand at offset {shadow} of the journal of partition {partition}, and should stand at \
         {wanted}: log or store have lost what they had; run `rebuild` again"
    )]
    Apart {
        /// The partition.
        partition: u32,
        /// Where the shadow stands.
        shadow: u64,
        /// Where it should.
        wanted: u64,
    },
    /// One table cannot be made alone.
    #[error(
        "the tables have no position in partition {0} yet, so that one of them alone cannot fit the others; leave out \
         --table"
    )]
    NoPosition(u32),
    /// They were made anew; but what was different is not known.
    #[error("the tables have been made anew and are in their places; only what was different could not be told: {0}")]
    NotCompared(StoreError),
}

/// What is to be made anew.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// Which tables change places.
    pub which: Which,
    /// What an interrupted rebuild has left is thrown away, and, where all tables are made anew, nothing is gone by that the
    /// live ones say, not even where they stand. One alone has to stand where they do.
    pub from_scratch: bool,
}

impl Wanted {
    /// Whether the shadow is to stand where the live tables do, rather than at the journal's end.
    fn goes_by_live(self) -> bool {
        !self.from_scratch || matches!(self.which, Which::One(_))
    }
}

/// Where a rebuild is, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stage {
    /// What was found at the beginning.
    Begun {
        /// An interrupted rebuild is gone on with.
        goes_on: bool,
        /// Journal records to be read.
        records: u64,
    },
    /// A partition is being read; [`Seen`] says how far it is.
    Reading(Seen),
    /// The journal of a partition has lost its beginning; what came from the event stream instead.
    Early(Early),
    /// Keys and indexes are being made.
    Completing,
    /// What has come meanwhile is read.
    CatchingUp(Seen),
    /// Somebody uses the live tables for long; it is tried again.
    Waiting(String),
    /// The tables change places.
    Swapping,
}

/// What a rebuild did.
#[derive(Clone, Debug)]
pub struct Rebuilt {
    /// Events that were folded.
    pub events: u64,
    /// Journal records that were read.
    pub records: u64,
    /// How long folding and loading took.
    pub loading: Duration,
    /// How long keys and indexes took.
    pub completing: Duration,
    /// How long the live positions were held, up to the end of the comparison.
    pub swapping: Duration,
    /// What came from the event stream, because the journal has it no more.
    pub early: Vec<Early>,
    /// What differed, by table.
    pub changes: Vec<Change>,
    /// Whether the live tables stood where the new ones do; else what differs is what was projected since, too.
    pub same_place: bool,
}

/// Makes the tables anew, and says on the way where it is.
///
/// # Errors
/// See [`RebuildError`]. What has been made is kept for the next rebuild, which goes on with it.
pub fn rebuild(
    log: &dyn Log,
    store: &dyn Store,
    partitions: u32,
    wanted: Wanted,
    mut say: impl FnMut(Stage),
) -> Result<Rebuilt, RebuildError> {
    store.migrate()?;
    let goals = Goals { log, wanted, partitions };
    // Before anything is thrown away: it may not be possible.
    let goal = goals.of_now(&live_positions(store, wanted)?)?;
    let under_way = store.rebuild(wanted.from_scratch)?;
    let attached = under_way.in_the_way(wanted.which)?;
    if !attached.is_empty() {
        return Err(StoreError::attached(&attached).into());
    }
    let mut filling = Filling::new(log, under_way.shadow(), partitions)?;
    say(Stage::Begun { goes_on: under_way.goes_on(), records: filling.records_to(&goal)? });

    let mut completing = Duration::ZERO;
    if under_way.must_complete() {
        completing += complete(&*under_way, &mut say)?;
    }
    let began = Instant::now();
    for (partition, until) in &goal {
        filling.fill(&[(*partition, *until)].into(), &mut |seen| say(Stage::Reading(seen)))?;
    }
    filling.early().iter().for_each(|early| say(Stage::Early(*early)));
    let loading = began.elapsed();

    completing += complete(&*under_way, &mut say)?;

    for _ in 0..ROUNDS {
        let goal = goals.of_now(&live_positions(store, wanted)?)?;
        let began = Instant::now();
        filling.fill(&goal, &mut |seen| say(Stage::CatchingUp(seen)))?;
        if began.elapsed() < SHORT_ROUND {
            break;
        }
    }
    let (changes, same_place, swapping) = swap(&*under_way, store, &goals, &mut filling, &mut say)?;
    let (events, records) = filling.done();
    let early = filling.early().to_vec();
    Ok(Rebuilt { events, records, loading, completing, swapping, early, changes, same_place })
}

/// Ends loading; how long that took.
fn complete(under_way: &dyn Rebuild, say: &mut impl FnMut(Stage)) -> Result<Duration, StoreError> {
    let began = Instant::now();
    say(Stage::Completing);
    under_way.complete()?;
    Ok(began.elapsed())
}

/// Where the live tables stand, if that is gone by.
fn live_positions(store: &dyn Store, wanted: Wanted) -> Result<goal::Positions, StoreError> {
    if wanted.goes_by_live() { store.query().positions().map(goal::by_partition) } else { Ok(goal::Positions::new()) }
}

/// Holds the live positions, reads up to them, and lets the tables change places; again, if somebody is in the way.
fn swap(
    under_way: &dyn Rebuild,
    store: &dyn Store,
    goals: &Goals<'_>,
    filling: &mut Filling<'_>,
    say: &mut impl FnMut(Stage),
) -> Result<(Vec<Change>, bool, Duration), RebuildError> {
    let (mut pause, mut tries) = (FIRST_PAUSE, 0);
    loop {
        say(Stage::Swapping);
        let began = Instant::now();
        match under_way.hold().map_err(RebuildError::from).and_then(|held| held_swap(held, goals, filling)) {
            Ok((changes, same_place)) => return Ok((changes, same_place, began.elapsed())),
            Err(RebuildError::Store(StoreError::Busy(words))) if tries < TRIES => say(Stage::Waiting(words)),
            Err(error) => return Err(error),
        }
        std::thread::sleep(pause);
        (pause, tries) = ((pause * 2).min(LONGEST_PAUSE), tries + 1);
        // So that there is little left to be read while they are held.
        let goal = goals.of_now(&live_positions(store, goals.wanted)?)?;
        filling.fill(&goal, &mut |seen| say(Stage::CatchingUp(seen)))?;
    }
}

fn held_swap(
    mut held: Box<dyn Held + '_>,
    goals: &Goals<'_>,
    filling: &mut Filling<'_>,
) -> Result<(Vec<Change>, bool), RebuildError> {
    let goes_by_live = goals.wanted.goes_by_live();
    // What is not gone by may be anything.
    let live = match held.positions() {
        Ok(live) => live,
        Err(_) if !goes_by_live => Vec::new(),
        Err(fault) => return Err(fault.into()),
    };
    let known = if goes_by_live { live.clone() } else { Vec::new() };
    let goal = goals.of_now(&goal::by_partition(known))?;
    filling.fill(&goal, &mut |_| ())?;
    let shadow: Vec<_> = filling.positions()?.into_iter().collect();
    let same_place = places(&live) == places(&shadow);
    for (partition, until) in goal {
        let next = shadow.iter().find(|(of, _)| *of == partition).map_or(0, |(_, position)| position.next_offset);
        if next < until || (next > until && !same_place && goals.wanted.which != Which::All) {
            return Err(RebuildError::Apart { partition, shadow: next, wanted: until });
        }
    }
    let changes = held.swap(goals.wanted.which, &shadow)?.map_err(RebuildError::NotCompared)?;
    Ok((changes, same_place))
}

fn places(positions: &[(u32, Position)]) -> Vec<(u32, u64)> {
    positions.iter().map(|(partition, position)| (*partition, position.next_offset)).collect()
}
