//! Reports on their way to the log. None is lost while the process lives: what the log did not confirm is appended
//! again, in a new appender where the old one has failed.

use super::lock;
use super::worker::Place;
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
    pub record: NewRecord,
    pub places: Vec<Place>,
}

impl Entry {
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
    acks: Vec<Ack>,
    pumped: Instant,
}

impl Outbox {
    pub fn new(log: Arc<dyn Log>) -> Self {
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
        if self.in_trouble {
            tracing::info!(waiting = self.len(), "the log takes reports again");
        }
        self.in_trouble = false;
        self.pause = FIRST_PAUSE;
    }

    /// Keeps a report that was not taken, where it will be appended again.
    fn failed(&mut self, entry: Entry, fault: &AppendError) {
        match fault {
            AppendError::Full => self.waiting.push_front(entry),
            AppendError::Unconfirmed(_) => {
                self.warn(&fault.to_string());
                self.waiting.push_back(entry);
            }
            AppendError::Refused(_) => {
                self.trouble(&fault.to_string());
                self.refused.push((self.not_before, entry));
            }
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
