//! Reports on their way to the log. None is lost while the process lives: what the log did not confirm is appended
//! again, in a new appender where the old one has failed. One that the log refuses for long while it takes others is
//! given up: a failure is reported in its place.

use super::worker::Place;
use super::{lock, report};
use crate::log::{Ack, AppendError, Appender, Log, NewRecord, Purpose, Token};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// First pause before an appender is made anew, or a refused report appended again; it doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// Longest such pause: an operator who has mended the log does not wait much longer.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// A report, and the records that are done once it is confirmed.
pub(super) struct Entry {
    record: NewRecord,
    places: Vec<Place>,
    refused: Option<Refused>,
    /// Whether it stands in the place of one that was given up.
    instead: bool,
    /// Lets go of when the report is confirmed or given up.
    _held: Option<Arc<()>>,
}

/// How the log has refused a report.
#[derive(Clone, Copy)]
struct Refused {
    /// How many reports the log had taken when it refused this one first.
    taken: u64,
    /// When it was refused last before another one was taken.
    since: Instant,
    /// Before it is tried again.
    pause: Duration,
}

impl Entry {
    pub fn new(record: NewRecord, places: Vec<Place>) -> Self {
        Self { record, places, refused: None, instead: false, _held: None }
    }

    /// A report for which no record waits, and which holds this until it is confirmed or given up.
    pub fn holding(record: NewRecord, held: Arc<()>) -> Self {
        Self { _held: Some(held), ..Self::new(record, Vec::new()) }
    }

    fn bytes(&self) -> usize {
        self.record.value.as_ref().map_or(0, |value| value.len())
    }
}

/// The reports that are not confirmed yet, shared by all threads of a runner.
pub(super) struct Outbox {
    log: Arc<dyn Log>,
    inner: Mutex<Inner>,
}

struct Inner {
    appender: Option<Box<dyn Appender>>,
    /// To be appended, in order.
    waiting: VecDeque<Entry>,
    /// Refused by the log, to be tried again at a time.
    refused: Vec<(Instant, Entry)>,
    /// Appended and not confirmed.
    under_way: BTreeMap<Token, Entry>,
    token: Token,
    bytes: usize,
    pause: Duration,
    not_before: Instant,
    in_trouble: bool,
    /// How many reports the log has taken.
    taken: u64,
    refused_for: Duration,
    acks: Vec<Ack>,
    pumped: Instant,
}

impl Outbox {
    /// For this log; a report that it refuses alone is given up after `refused_for`.
    pub fn new(log: Arc<dyn Log>, refused_for: Duration) -> Self {
        let inner = Inner {
            appender: None,
            waiting: VecDeque::new(),
            refused: Vec::new(),
            under_way: BTreeMap::new(),
            token: 0,
            bytes: 0,
            pause: FIRST_PAUSE,
            not_before: Instant::now(),
            in_trouble: false,
            taken: 0,
            refused_for,
            acks: Vec::new(),
            pumped: Instant::now(),
        };
        Self { log, inner: Mutex::new(inner) }
    }

    /// Hands a report to the log, as far as that takes it at once. [`Outbox::pump`] does the rest.
    pub fn send(&self, entry: Entry) {
        let mut inner = lock(&self.inner);
        inner.bytes += entry.bytes();
        inner.waiting.push_back(entry);
        inner.append_waiting();
    }

    /// Moves what is under way. To be called regularly, and after a `send` that is not followed by another.
    pub fn pump(&self) {
        let mut inner = lock(&self.inner);
        inner.pumped = Instant::now();
        inner.make_appender(&*self.log);
        inner.retry_refused();
        inner.append_waiting();
        inner.take_acks();
        inner.append_waiting();
    }

    /// Pumps where that was not done for so long: within a batch of reports.
    pub fn pump_every(&self, interval: Duration) {
        let due = lock(&self.inner).pumped.elapsed() >= interval;
        if due {
            self.pump();
        }
    }

    /// How many reports are not confirmed, and their bytes.
    pub fn load(&self) -> (usize, usize) {
        let inner = lock(&self.inner);
        (inner.len(), inner.bytes)
    }
}

impl Inner {
    fn len(&self) -> usize {
        self.waiting.len() + self.under_way.len() + self.refused.len()
    }

    fn make_appender(&mut self, log: &dyn Log) {
        if self.appender.is_some() || Instant::now() < self.not_before {
            return;
        }
        match log.appender(Purpose::Client) {
            Ok(appender) => self.appender = Some(appender),
            Err(fault) => self.trouble(&fault.to_string()),
        }
    }

    /// Appends what waits, until the log takes no more.
    fn append_waiting(&mut self) {
        while let Some(appender) = &mut self.appender {
            let Some(entry) = self.waiting.pop_front() else { return };
            self.token += 1;
            match appender.append(entry.record.clone(), self.token) {
                Ok(()) => {
                    self.under_way.insert(self.token, entry);
                }
                Err(fault) => {
                    self.failed(entry, &fault);
                    // One refused report says nothing of the next; anything else does.
                    if !matches!(fault, AppendError::Refused(_)) {
                        return;
                    }
                }
            }
        }
    }

    fn take_acks(&mut self) {
        let Some(appender) = &mut self.appender else { return };
        let mut acks = std::mem::take(&mut self.acks);
        appender.poll(&mut acks);
        for ack in acks.drain(..) {
            let Some(entry) = self.under_way.remove(&ack.token) else { continue };
            match ack.result {
                Ok(_) => self.confirmed(&entry),
                Err(fault) => self.failed(entry, &fault),
            }
        }
        self.acks = acks;
    }

    fn confirmed(&mut self, entry: &Entry) {
        self.bytes = self.bytes.saturating_sub(entry.bytes());
        entry.places.iter().for_each(Place::done);
        (self.taken, self.pause) = (self.taken + 1, FIRST_PAUSE);
        // While it refuses some, that has been said once.
        if self.in_trouble && self.refused.is_empty() {
            tracing::info!(waiting = self.len(), "the log takes reports again");
            self.in_trouble = false;
        }
    }

    /// Keeps a report that was not taken, where it will be appended again.
    fn failed(&mut self, entry: Entry, fault: &AppendError) {
        match fault {
            AppendError::Full => self.waiting.push_front(entry),
            AppendError::Unconfirmed(_) => {
                self.warn(&fault.to_string());
                self.waiting.push_back(entry);
            }
            AppendError::Refused(_) => self.refused(entry, &fault.to_string()),
            AppendError::Fatal(_) => {
                self.waiting.push_front(entry);
                if self.appender.take().is_some() {
                    self.trouble(&fault.to_string());
                }
                let under_way = std::mem::take(&mut self.under_way);
                under_way.into_values().rev().for_each(|entry| self.waiting.push_front(entry));
            }
        }
    }

    /// Tries a refused report again after a pause, or gives it up.
    fn refused(&mut self, mut entry: Entry, fault: &str) {
        self.warn(fault);
        let now = Instant::now();
        let first = Refused { since: now, taken: self.taken, pause: FIRST_PAUSE };
        let refused = entry.refused.get_or_insert(first);
        if self.taken == refused.taken {
            // It may well be that the log takes none at the moment: that says nothing of this one.
            refused.since = now;
        } else if now.duration_since(refused.since) >= self.refused_for {
            return self.give_up(entry, fault);
        }
        let due = now + refused.pause;
        refused.pause = (refused.pause * 2).min(LONGEST_PAUSE);
        self.refused.push((due, entry));
    }

    /// Reports a failure in the place of a report that the log does not take, once.
    fn give_up(&mut self, entry: Entry, fault: &str) {
        let bytes = entry.bytes();
        self.bytes = self.bytes.saturating_sub(bytes);
        let key = entry.record.key.as_deref().map(String::from_utf8_lossy).unwrap_or_default();
        match report::instead(&entry.record, fault).filter(|_| !entry.instead) {
            Some(record) => {
                tracing::error!(workflow_id = %key, bytes, "a report is given up, and its node fails: {fault}");
                let entry = Entry { instead: true, ..Entry::new(record, entry.places) };
                self.bytes += entry.bytes();
                self.waiting.push_back(entry);
            }
            None => {
                tracing::error!(workflow_id = %key, bytes, "a report is given up, and nothing can be said instead: {fault}");
                entry.places.iter().for_each(Place::done);
            }
        }
    }

    fn retry_refused(&mut self) {
        let now = Instant::now();
        while let Some(due) = self.refused.iter().position(|(at, _)| *at <= now) {
            let (_, entry) = self.refused.swap_remove(due);
            self.waiting.push_back(entry);
        }
    }

    /// Something is wrong that will not heal at once: pauses, longer each time. What comes while it pauses is of the
    /// same time.
    fn trouble(&mut self, fault: &str) {
        self.warn(fault);
        let now = Instant::now();
        if now >= self.not_before {
            self.not_before = now + self.pause;
            self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Says so once, until reports are confirmed again.
    fn warn(&mut self, fault: &str) {
        if !self.in_trouble {
            tracing::warn!(waiting = self.len(), "reports are kept until the log takes them: {fault}");
        }
        self.in_trouble = true;
    }
}
