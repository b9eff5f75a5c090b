//! Records between an appender and the log: when they land, whether, how often, and what the appender is told.

use super::trace::What;
use super::world::{Life, Place, Standing, World};
use crate::core::time::Timestamp;
use crate::log::{Ack, AppendError, NewRecord, Purpose, Token};
use rand::RngExt as _;
use std::collections::{BTreeMap, VecDeque};

/// Far enough: the record waits until its process is thawed.
const HELD_BACK: Timestamp = Timestamp(i64::MAX);

/// What becomes of a record when its time has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Lands,
    LandsTwiceAtOnce,
    LandsAgainBehind,
    AckLost,
    NeverLands,
    LandsAfterError,
    LandsAgainLate,
    Refused,
    Fatal,
    /// The second copy of a record that has landed.
    Twin,
}

/// A record under way.
struct Flying {
    token: Token,
    record: NewRecord,
    due: Timestamp,
    fate: Fate,
}

/// An appender's state.
pub(super) struct AppenderState {
    pub(super) life: Life,
    purpose: Purpose,
    /// What is under way, each partition in order.
    lanes: BTreeMap<Place, VecDeque<Flying>>,
    /// What the appender is told, from when on; in order.
    acks: VecDeque<(Timestamp, Ack)>,
    in_flight: usize,
    failed: Option<String>,
}

/// Records of one partition that nobody waits for any more.
pub(super) struct Orphan {
    life: Life,
    place: Place,
    what: What,
    records: VecDeque<(Timestamp, Token, NewRecord)>,
}

impl World {
    pub(super) fn add_appender(&mut self, life: Life, purpose: Purpose) -> u64 {
        let id = self.next_part();
        let (lanes, acks) = (BTreeMap::new(), VecDeque::new());
        self.appenders.insert(id, AppenderState { life, purpose, lanes, acks, in_flight: 0, failed: None });
        id
    }

    /// Takes a record and decides what will become of it.
    pub(super) fn append(&mut self, id: u64, place: Place, record: NewRecord, token: Token) -> Result<(), AppendError> {
        let gone = || AppendError::Fatal("the process is gone".to_owned());
        let appender = self.appenders.get(&id).ok_or_else(gone)?;
        if self.standing(appender.life) == Standing::Dead {
            return Err(gone());
        }
        if let Some(reason) = &appender.failed {
            return Err(AppendError::Fatal(reason.clone()));
        }
        let (life, purpose) = (appender.life, appender.purpose);
        if self.happens(self.faults.full) {
            self.note_append(What::Full, Some(life.process), Some(&place), None, Some(token));
            return Err(AppendError::Full);
        }
        let fate = self.fate(purpose);
        if fate == Fate::Refused && self.happens(0.5) {
            self.note_append(What::Refused, Some(life.process), Some(&place), None, Some(token));
            if purpose == Purpose::Events {
                self.fail(id, "a record before was refused, and no gap is allowed");
            }
            return Err(AppendError::Refused(format!("{} may not be written", place.0)));
        }
        let mut due = self.clock.now();
        if self.happens(self.faults.land_late) {
            due = self.within(self.faults.land_delay);
            self.note_append(What::HeldUnderWay, Some(life.process), Some(&place), None, Some(token));
        }
        if self.standing(life) == Standing::Frozen {
            due = HELD_BACK;
        }
        self.next_due = self.next_due.min(due);
        if let Some(appender) = self.appenders.get_mut(&id) {
            appender.in_flight += 1;
            appender.lanes.entry(place).or_default().push_back(Flying { token, record, due, fate });
        }
        Ok(())
    }

    fn fate(&mut self, purpose: Purpose) -> Fate {
        let faults = self.faults.clone();
        for (probability, fate) in [
            (faults.fatal, Fate::Fatal),
            (faults.never_lands, Fate::NeverLands),
            (faults.lands_after_error, Fate::LandsAfterError),
            (faults.ack_lost, Fate::AckLost),
            (faults.twice_at_once, Fate::LandsTwiceAtOnce),
            (faults.twice_behind, Fate::LandsAgainBehind),
            (faults.twice_late, Fate::LandsAgainLate),
            (faults.refused, Fate::Refused),
        ] {
            if self.happens(probability) {
                return match (purpose, fate) {
                    (Purpose::Events, Fate::LandsAfterError) => Fate::NeverLands,
                    (Purpose::Events, Fate::LandsAgainLate) | (Purpose::Client, Fate::Refused) => Fate::Lands,
                    _ => fate,
                };
            }
        }
        Fate::Lands
    }

    /// Hands out what the appender may know by now.
    pub(super) fn take_acks(&mut self, id: u64, acks: &mut Vec<Ack>) {
        let now = self.clock.now();
        let Some(appender) = self.appenders.get_mut(&id) else { return };
        while appender.acks.front().is_some_and(|(due, _)| *due <= now) {
            if let Some((_, ack)) = appender.acks.pop_front() {
                appender.in_flight -= 1;
                acks.push(ack);
            }
        }
    }

    pub(super) fn in_flight(&self, id: u64) -> usize {
        self.appenders.get(&id).map_or(0, |appender| appender.in_flight)
    }

    /// Lets everything land whose time has come. Without faults appenders land one after another, with faults their
    /// partitions take turns by the dice.
    pub(super) fn pump(&mut self) {
        let now = self.clock.now();
        if now < self.next_due {
            return;
        }
        let mixed = self.faults != super::Faults::default();
        loop {
            let mut due: Vec<(u64, Place)> = Vec::new();
            for (id, appender) in &self.appenders {
                let lanes = appender.lanes.iter();
                let ready = lanes.filter(|(_, lane)| lane.front().is_some_and(|flying| flying.due <= now));
                due.extend(ready.map(|(place, _)| (*id, place.clone())));
            }
            let orphans = self.orphans.iter().enumerate();
            let ready: Vec<usize> = orphans
                .filter(|(_, orphan)| orphan.records.front().is_some_and(|(due, ..)| *due <= now))
                .map(|(i, _)| i)
                .collect();
            let count = due.len() + ready.len();
            if count == 0 {
                break;
            }
            let pick = if mixed { self.rng.random_range(0..count) } else { 0 };
            match due.get(pick) {
                Some((id, place)) => self.land(*id, place),
                None => self.land_orphan(ready[pick - due.len()]),
            }
        }
        self.orphans.retain(|orphan| !orphan.records.is_empty());
        let lanes = self.appenders.values().flat_map(|appender| appender.lanes.values());
        let first = lanes.filter_map(|lane| lane.front()).map(|flying| flying.due);
        let strays = self.orphans.iter().filter_map(|orphan| orphan.records.front()).map(|(due, ..)| *due);
        self.next_due = first.chain(strays).min().unwrap_or(HELD_BACK);
    }

    /// What is at the head of a lane meets its fate.
    fn land(&mut self, id: u64, place: &Place) {
        let Some(appender) = self.appenders.get_mut(&id) else { return };
        let Some(flying) = appender.lanes.get_mut(place).and_then(VecDeque::pop_front) else { return };
        let process = Some(appender.life.process);
        let token = flying.token;
        let unconfirmed = || AppendError::Unconfirmed("the log did not answer in time".to_owned());
        match flying.fate {
            Fate::Lands | Fate::LandsTwiceAtOnce | Fate::LandsAgainBehind => {
                let offset = self.write(place, &flying.record);
                self.note_append(What::Landed, process, Some(place), Some(offset), Some(token));
                self.acknowledge(id, place, offset, token);
                self.land_twin(id, place, flying);
            }
            Fate::Twin => {
                let offset = self.write(place, &flying.record);
                self.note_append(What::LandedAgain, process, Some(place), Some(offset), Some(token));
            }
            Fate::AckLost => {
                let offset = self.write(place, &flying.record);
                self.note_append(What::AckLost, process, Some(place), Some(offset), Some(token));
                self.report(id, token, unconfirmed());
            }
            Fate::NeverLands => {
                self.note_append(What::Unlanded, process, Some(place), None, Some(token));
                self.report(id, token, unconfirmed());
            }
            Fate::LandsAfterError => {
                self.note_append(What::ErrorWhileUnderWay, process, Some(place), None, Some(token));
                let life = self.appenders[&id].life;
                self.let_stray(life, place, What::LandedAfterError, vec![(token, flying.record)]);
                self.report(id, token, unconfirmed());
            }
            Fate::LandsAgainLate => {
                let offset = self.write(place, &flying.record);
                self.note_append(What::AckLost, process, Some(place), Some(offset), Some(token));
                self.note_append(What::TwinUnderWay, process, Some(place), Some(offset), Some(token));
                let life = self.appenders[&id].life;
                self.let_stray(life, place, What::LandedAgain, vec![(token, flying.record)]);
                self.report(id, token, unconfirmed());
            }
            Fate::Refused => {
                self.note_append(What::Refused, process, Some(place), None, Some(token));
                self.report(id, token, AppendError::Refused(format!("{} may not be written", place.0)));
            }
            Fate::Fatal => {
                self.note_append(What::Fatal, process, Some(place), None, Some(token));
                if let Some(appender) = self.appenders.get_mut(&id) {
                    appender.lanes.entry(place.clone()).or_default().push_front(flying);
                }
                self.fail(id, "the appender was fenced");
            }
        }
    }

    fn land_twin(&mut self, id: u64, place: &Place, flying: Flying) {
        let process = self.appenders.get(&id).map(|appender| appender.life.process);
        let (token, now) = (flying.token, self.clock.now());
        match flying.fate {
            Fate::LandsTwiceAtOnce => {
                let offset = self.write(place, &flying.record);
                self.note_append(What::LandedAgain, process, Some(place), Some(offset), Some(token));
            }
            Fate::LandsAgainBehind => {
                if let Some(appender) = self.appenders.get_mut(&id) {
                    let twin = Flying { token, record: flying.record, due: now, fate: Fate::Twin };
                    appender.lanes.entry(place.clone()).or_default().push_back(twin);
                }
            }
            _ => {}
        }
    }

    fn acknowledge(&mut self, id: u64, place: &Place, offset: u64, token: Token) {
        let mut due = self.clock.now();
        if self.happens(self.faults.ack_late) {
            due = self.within(self.faults.ack_delay);
            self.note_append(What::AckLate, None, Some(place), Some(offset), Some(token));
        }
        self.tell(id, due, Ack { token, result: Ok((place.1, offset)) });
    }

    /// Acknowledgements come in order: a late one holds up those behind it.
    fn tell(&mut self, id: u64, due: Timestamp, ack: Ack) {
        if let Some(appender) = self.appenders.get_mut(&id) {
            let due = appender.acks.back().map_or(due, |(last, _)| due.max(*last));
            appender.acks.push_back((due, ack));
        }
    }

    fn report(&mut self, id: u64, token: Token, error: AppendError) {
        let now = self.clock.now();
        self.tell(id, now, Ack { token, result: Err(error) });
        if self.appenders.get(&id).is_some_and(|appender| appender.purpose == Purpose::Events) {
            self.fail(id, "a record before failed, and no gap is allowed");
        }
    }

    /// Makes an appender unusable and tells it so for everything that it had under way.
    fn fail(&mut self, id: u64, reason: &str) {
        let now = self.clock.now();
        let Some(appender) = self.appenders.get_mut(&id) else { return };
        appender.failed = Some(reason.to_owned());
        let (life, gapless) = (appender.life, appender.purpose == Purpose::Events);
        for (place, lane) in std::mem::take(&mut appender.lanes) {
            let mut strays = Vec::new();
            for flying in lane {
                let stray = !gapless && self.happens(0.5);
                if !stray {
                    self.note_append(What::Vanished, Some(life.process), Some(&place), None, Some(flying.token));
                }
                if flying.fate != Fate::Twin {
                    let result = Err(AppendError::Fatal(reason.to_owned()));
                    self.tell(id, now, Ack { token: flying.token, result });
                }
                if stray {
                    strays.push((flying.token, flying.record));
                }
            }
            self.let_stray(life, &place, What::LandedAfterError, strays);
        }
    }

    /// Records go on their way alone, in order, and land some time.
    fn let_stray(&mut self, life: Life, place: &Place, what: What, records: Vec<(Token, NewRecord)>) {
        let mut row = VecDeque::new();
        let mut due = self.clock.now();
        let long = self.faults.stray_delay > self.faults.land_delay && self.happens(0.3);
        let longest = if long { self.faults.stray_delay } else { self.faults.land_delay };
        for (token, record) in records {
            due = due.max(self.within(longest));
            row.push_back((due, token, record));
        }
        self.next_due = Timestamp(i64::MIN);
        self.orphans.push(Orphan { life, place: place.clone(), what, records: row });
    }

    fn land_orphan(&mut self, i: usize) {
        let orphan = &mut self.orphans[i];
        let Some((_, token, record)) = orphan.records.pop_front() else { return };
        let (place, what, process) = (orphan.place.clone(), orphan.what, orphan.life.process);
        let offset = self.write(&place, &record);
        self.note_append(what, Some(process), Some(&place), Some(offset), Some(token));
    }

    /// Forgets an appender. Without faults what it had under way lands; with them a beginning of each partition's
    /// records may land later, and the rest vanishes.
    pub(super) fn drop_appender(&mut self, id: u64) {
        let Some(appender) = self.appenders.remove(&id) else { return };
        let plain = self.faults == super::Faults::default();
        for (place, lane) in appender.lanes {
            let landing = match (plain, self.faults.orphans) {
                (true, _) => lane.len(),
                (false, true) => self.rng.random_range(0..=lane.len()),
                (false, false) => 0,
            };
            let mut records = Vec::new();
            for (i, flying) in lane.into_iter().enumerate() {
                if i < landing && (plain || flying.fate != Fate::NeverLands) {
                    records.push((flying.token, flying.record));
                } else {
                    let process = Some(appender.life.process);
                    self.note_append(What::Vanished, process, Some(&place), None, Some(flying.token));
                    if appender.purpose == Purpose::Events {
                        break;
                    }
                }
            }
            self.let_stray(appender.life, &place, What::LandedAfterDeath, records);
        }
    }

    /// A frozen process's records: a beginning of each partition's is on the wire, the rest leaves when it thaws.
    pub(super) fn hold_back(&mut self, process: super::ProcessId) {
        let plain = self.faults == super::Faults::default();
        for appender in self.appenders.values_mut().filter(|appender| appender.life.process == process) {
            for lane in appender.lanes.values_mut() {
                let sent = if plain { 0 } else { self.rng.random_range(0..=lane.len()) };
                lane.iter_mut().skip(sent).for_each(|flying| flying.due = HELD_BACK);
            }
        }
    }

    /// What a thawed process held back is on its way again.
    pub(super) fn let_go(&mut self, process: super::ProcessId) {
        let now = self.clock.now();
        for appender in self.appenders.values_mut().filter(|appender| appender.life.process == process) {
            let held = appender.lanes.values_mut().flatten().filter(|flying| flying.due == HELD_BACK);
            held.for_each(|flying| flying.due = now);
            self.next_due = Timestamp(i64::MIN);
        }
    }

    /// How many records are under way, those of frozen processes aside.
    pub(super) fn under_way(&self) -> usize {
        let lanes = self.appenders.values().flat_map(|appender| appender.lanes.values().flatten());
        let strays: usize = self.orphans.iter().map(|orphan| orphan.records.len()).sum();
        strays + lanes.filter(|flying| flying.due != HELD_BACK).count()
    }

    /// Lets some of what is under way land now, whenever it was due.
    pub(super) fn land_some(&mut self) {
        self.next_due = Timestamp(i64::MIN);
        let now = self.clock.now();
        for appender in self.appenders.values_mut() {
            for lane in appender.lanes.values_mut() {
                let sent = self.rng.random_range(0..=lane.len());
                let due = lane.iter_mut().take(sent).filter(|flying| flying.due != HELD_BACK);
                due.for_each(|flying| flying.due = now);
            }
        }
        self.pump();
    }

    /// From now on nothing goes wrong, and what is under way lands.
    pub(super) fn settle(&mut self) {
        self.faults = super::Faults::default();
        self.next_due = Timestamp(i64::MIN);
        let now = self.clock.now();
        for appender in self.appenders.values_mut() {
            let flying = appender.lanes.values_mut().flatten().filter(|flying| flying.due != HELD_BACK);
            flying.for_each(|flying| flying.due = now);
            appender.acks.iter_mut().for_each(|(due, _)| *due = now);
        }
        self.orphans.iter_mut().flat_map(|orphan| &mut orphan.records).for_each(|(due, ..)| *due = now);
        self.pump();
    }
}
