//! The projector of a server: one thread, one reader, all partitions given to it.

use super::codec::Codec;
use super::lag::Lags;
use super::part::Part;
use super::{ProjectorError, StoreAnswer};
use crate::core::time::millis;
use crate::log::{Delivery, Log, Reader, Topic};
use crate::shutdown::anew::run_anew;
use crate::store::{Position, Store};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The longest wait for records: how soon a stop is noticed.
const IDLE_WAIT: Duration = Duration::from_millis(50);
/// Between two commits of a partition that does not fill a batch. A transaction costs about a millisecond of CPU,
/// and a run that goes on meanwhile is written once, however many events it had.
const COMMIT_PAUSE: Duration = Duration::from_millis(100);
/// The first pause after the store did not answer; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// How soon, at the latest, a store that is back is noticed.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// After having been fenced: how long the position must not move before this projector takes over.
const STANDBY_LOOK: Duration = Duration::from_secs(1);

/// How often a partition without news asks the store whether it still is where it was, and one that was stopped whether
/// the tables have been made anew.
const IDLE_LOOK: Duration = Duration::from_secs(10);

/// A running projector.
pub struct ProjectorThread {
    lags: Arc<Lags>,
    thread: JoinHandle<()>,
}

impl ProjectorThread {
    /// Starts projecting `partitions` until `stop` is set. A projector that fails is made anew after a pause, so that no
    /// fault of the projection ends what does not need it.
    pub fn spawn(
        log: Arc<dyn Log>,
        store: Arc<dyn Store>,
        partitions: Vec<u32>,
        stop: Arc<AtomicBool>,
    ) -> std::io::Result<Self> {
        let lags = Arc::new(Lags::new(&partitions));
        let shared = Arc::clone(&lags);
        let run = move || run_on(&*log, &*store, &partitions, &stop, &shared);
        let thread = std::thread::Builder::new().name("projector".to_owned()).spawn(run)?;
        Ok(Self { lags, thread })
    }

    /// Where it stands.
    pub fn lags(&self) -> &Arc<Lags> {
        &self.lags
    }

    /// Whether it has ended: because it was told to, or by a panic outside of the projector.
    pub fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }

    /// Waits for its end, after `stop` was set.
    ///
    /// # Errors
    /// The panic that ended it instead.
    pub fn join(self) -> std::thread::Result<()> {
        self.thread.join()
    }
}

/// Projects until `stop` is set, with one projector after another where they fail.
fn run_on(log: &dyn Log, store: &dyn Store, partitions: &[u32], stop: &AtomicBool, lags: &Lags) {
    let failed = |why: &str, pause| {
        lags.failed(why);
        let pause_ms = millis(pause);
        tracing::error!(error = why, pause_ms, "the projector has failed; making it anew, and workflows go on");
    };
    run_anew(stop, || run_all(log, store, partitions, Codec::WIRE, stop, lags), failed);
}

/// Projects `partitions` until `stop` is set. A partition that goes no further is reported and left; the others go
/// on.
///
/// # Errors
/// Where the log cannot be read at all.
pub fn run_all(
    log: &dyn Log,
    store: &dyn Store,
    partitions: &[u32],
    codec: Codec,
    stop: &AtomicBool,
    lags: &Lags,
) -> Result<(), ProjectorError> {
    let mut reader = log.patient_reader()?;
    let mut turns: Vec<Turn> = partitions.iter().map(|partition| Turn::new(*partition, codec)).collect();
    let mut deliveries = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let now = Instant::now();
        for turn in &mut turns {
            turn.take(&mut *reader, store, lags, now)?;
        }
        let wait = turns.iter().map(|turn| turn.idle_for(Instant::now())).min().unwrap_or(IDLE_WAIT);
        let before = Instant::now();
        reader.poll(wait, &mut deliveries)?;
        if deliveries.is_empty() {
            // A reader without a partition may return at once.
            std::thread::sleep(wait.saturating_sub(before.elapsed()));
        }
        for delivery in deliveries.drain(..) {
            let partition = partition_of(&delivery);
            if let Some(turn) = turns.iter_mut().find(|turn| turn.part.partition() == partition) {
                turn.part.offer(delivery);
            }
        }
    }
    Ok(())
}

fn partition_of(delivery: &Delivery) -> u32 {
    match delivery {
        Delivery::Record(record) => record.partition,
        Delivery::End { partition, .. } | Delivery::Lost { partition, .. } => *partition,
    }
}

/// A partition and when it is its turn.
struct Turn {
    part: Part,
    /// Not before then.
    due: Instant,
    /// The pause after the next fault of the store.
    pause: Duration,
    /// When the store last answered.
    heard: Instant,
    /// Records are held back.
    held: bool,
    /// After having been fenced: the position that was seen last.
    standby: Option<Option<Position>>,
}

impl Turn {
    fn new(partition: u32, codec: Codec) -> Self {
        let part = Part::new(partition, codec);
        let now = Instant::now();
        Self { part, due: now, pause: FIRST_PAUSE, heard: now, held: false, standby: None }
    }

    /// How long nothing has to be done for it, if no record comes.
    fn idle_for(&self, now: Instant) -> Duration {
        if self.may_go_early() {
            return Duration::ZERO;
        }
        let has_work = self.part.wants_start() || self.part.has_work();
        if has_work { self.due.saturating_duration_since(now).min(IDLE_WAIT) } else { IDLE_WAIT }
    }

    /// Does what is due. Errors are those of the log alone.
    fn take(
        &mut self,
        reader: &mut dyn Reader,
        store: &dyn Store,
        lags: &Lags,
        now: Instant,
    ) -> Result<(), ProjectorError> {
        if self.part.is_stopped() && now >= self.heard + IDLE_LOOK {
            self.heard = now;
            self.part.may_go_on(store);
        }
        if self.part.is_stopped() || (now < self.due && !self.may_go_early()) {
            return self.hold_or_go_on(reader);
        }
        let answer = if self.part.wants_start() {
            match self.start(reader, store) {
                Err(fault @ ProjectorError::Log(_)) => return Err(fault),
                answer => answer.inspect(|answer| {
                    if *answer == StoreAnswer::Done {
                        lags.started(self.part.partition(), self.part.progress(*answer).next_offset);
                    }
                }),
            }
        } else if self.part.has_work() {
            self.part.advance(store).map(|progress| {
                lags.moved(self.part.partition(), progress.next_offset);
                progress.store
            })
        } else if now >= self.heard + IDLE_LOOK {
            self.part.verify(store).map(|progress| progress.store)
        } else {
            return self.hold_or_go_on(reader);
        };
        match answer {
            Ok(StoreAnswer::Done) => {
                (self.due, self.pause, self.heard) = (now + COMMIT_PAUSE, FIRST_PAUSE, now);
            }
            Ok(StoreAnswer::Away) => {
                (self.due, self.pause) = (now + self.pause, (self.pause * 2).min(LONGEST_PAUSE));
            }
            Ok(StoreAnswer::Fenced) => {
                lags.stands_by(self.part.partition());
                reader.unassign(&Topic::Journal, self.part.partition())?;
                self.due = now + STANDBY_LOOK;
                self.standby.get_or_insert(None);
            }
            Ok(StoreAnswer::MadeAnew) => {
                reader.unassign(&Topic::Journal, self.part.partition())?;
                (self.due, self.heard) = (now, now);
            }
            // It has been logged where it arose.
            Err(_) => {
                lags.stopped(self.part.partition());
                reader.unassign(&Topic::Journal, self.part.partition())?;
            }
        }
        self.hold_or_go_on(reader)
    }

    /// A full batch need not wait for more, unless the store is being left alone.
    fn may_go_early(&self) -> bool {
        self.pause == FIRST_PAUSE && !self.part.wants_start() && !self.part.is_stopped() && self.part.is_full()
    }

    fn start(&mut self, reader: &mut dyn Reader, store: &dyn Store) -> Result<StoreAnswer, ProjectorError> {
        let partition = self.part.partition();
        if let Some(seen) = &self.standby {
            let Ok(position) = store.position(partition) else { return Ok(StoreAnswer::Away) };
            if position != *seen {
                // The other one is at work.
                self.standby = Some(position);
                return Ok(StoreAnswer::Fenced);
            }
        }
        let Some(offset) = self.part.start(store)? else { return Ok(StoreAnswer::Away) };
        (self.standby, self.held) = (None, false);
        reader.assign(&Topic::Journal, partition, offset)?;
        Ok(StoreAnswer::Done)
    }

    /// Holds records back while the partition has enough, e.g. because the store is away.
    fn hold_or_go_on(&mut self, reader: &mut dyn Reader) -> Result<(), ProjectorError> {
        if self.part.wants_start() || self.part.is_stopped() {
            return Ok(());
        }
        let hold = !self.part.wants_records();
        if hold != self.held {
            let partition = self.part.partition();
            if hold {
                reader.pause(&Topic::Journal, partition)?;
            } else {
                reader.resume(&Topic::Journal, partition)?;
            }
            self.held = hold;
        }
        Ok(())
    }
}
