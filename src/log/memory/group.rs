//! Groups: who holds which partition, and, with faults, whatever else a member is made to believe.

use super::Shared;
use super::trace::What;
use super::world::{Life, Place, Standing, World};
use crate::core::time::Timestamp;
use crate::log::{
    Committed, Group, GroupEvent, GroupSeen, LogError, MAX_COMMIT_METADATA, Membership, SharedPartition, Topic,
};
use rand::RngExt as _;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// A member that does not poll for this long is none any more.
const SESSION: Duration = Duration::from_secs(10);
/// Records that one poll hands out of a partition.
const FETCH_RECORDS: usize = 500;

#[derive(Default)]
pub(super) struct GroupState {
    /// In order of joining.
    members: BTreeMap<u64, Member>,
    commits: BTreeMap<Place, Committed>,
}

struct Member {
    topics: BTreeSet<Topic>,
    fetches: bool,
    /// What it was told that it has, with the next offset to hand out.
    held: BTreeMap<Place, u64>,
    paused: BTreeSet<Place>,
    /// What its last poll told it to give up; others take it after the next one.
    giving_up: BTreeSet<Place>,
    /// What it will be told to take, whoever has it.
    called: BTreeSet<Place>,
    last_poll: Timestamp,
}

impl Member {
    fn is_alive(&self, now: Timestamp) -> bool {
        now.since(self.last_poll) <= SESSION
    }
}

impl World {
    fn join(&mut self, group: &str, topics: &[Topic], membership: Membership) -> u64 {
        let id = self.next_part();
        let member = Member {
            topics: topics.iter().cloned().collect(),
            fetches: membership == Membership::Fetch,
            held: BTreeMap::new(),
            paused: BTreeSet::new(),
            giving_up: BTreeSet::new(),
            called: BTreeSet::new(),
            last_poll: self.clock.now(),
        };
        self.groups.entry(group.to_owned()).or_default().members.insert(id, member);
        id
    }

    /// A group from outside.
    pub(super) fn look_at_group(&self, name: &str, topic: &Topic) -> Result<GroupSeen, LogError> {
        let (now, none) = (self.clock.now(), GroupState::default());
        let group = self.groups.get(name).unwrap_or(&none);
        let members: Vec<&Member> = group.members.values().filter(|member| member.is_alive(now)).collect();
        let count = self.topics.get(topic).ok_or_else(|| LogError::UnknownTopic(topic.to_string()))?.partitions.len();
        let partition = |number: u32| {
            let place = (topic.clone(), number);
            Ok(SharedPartition {
                is_held: members.iter().any(|member| member.held.contains_key(&place)),
                committed: group.commits.get(&place).map(|committed| committed.offset),
                ends: self.ends(topic, number)?,
            })
        };
        let partitions = (0..count as u32).map(partition).collect::<Result<_, LogError>>()?;
        Ok(GroupSeen { members: members.len(), partitions })
    }

    fn all_places(&self, topics: &BTreeSet<Topic>) -> Vec<Place> {
        let counted = topics.iter().filter_map(|topic| Some((topic, self.topics.get(topic)?.partitions.len())));
        counted.flat_map(|(topic, count)| (0..count as u32).map(|partition| (topic.clone(), partition))).collect()
    }

    /// What a member should hold: each topic's partitions go in turn to the living members that asked for it.
    fn should_hold(&self, group: &str, id: u64) -> BTreeSet<Place> {
        let now = self.clock.now();
        let Some(state) = self.groups.get(group) else { return BTreeSet::new() };
        let Some(own) = state.members.get(&id).filter(|member| member.is_alive(now)) else { return BTreeSet::new() };
        let mine = |(topic, partition): &Place| {
            let asked: Vec<u64> = state
                .members
                .iter()
                .filter(|(_, member)| member.is_alive(now) && member.topics.contains(topic))
                .map(|(id, _)| *id)
                .collect();
            asked.get(*partition as usize % asked.len().max(1)) == Some(&id)
        };
        self.all_places(&own.topics).into_iter().filter(mine).collect()
    }

    fn held_by_another(&self, group: &str, id: u64, place: &Place) -> bool {
        let now = self.clock.now();
        let members = self.groups.get(group).map(|state| &state.members);
        members
            .into_iter()
            .flatten()
            .filter(|(other, member)| **other != id && member.is_alive(now))
            .any(|(_, member)| member.held.contains_key(place) || member.giving_up.contains(place))
    }

    fn member(&mut self, group: &str, id: u64) -> Option<&mut Member> {
        self.groups.get_mut(group)?.members.get_mut(&id)
    }

    fn poll_member(&mut self, group: &str, id: u64, life: Life, out: &mut Vec<GroupEvent>) {
        let now = self.clock.now();
        let Some(member) = self.member(group, id) else { return };
        let expired = !member.is_alive(now);
        let held: Vec<Place> = member.held.keys().cloned().collect();
        member.last_poll = now;
        member.giving_up.clear();
        let called = std::mem::take(&mut member.called);
        let lies = self.faults.group_lies;
        if expired {
            held.iter().for_each(|place| self.revoke(group, id, life, place, true, out));
        } else if !called.is_empty() {
            for place in &called {
                if held.contains(place) {
                    self.revoke(group, id, life, place, false, out);
                }
                self.give(group, id, life, place, out);
            }
        } else if self.happens(lies) {
            self.lie(group, id, life, out);
        } else if lies == 0.0 || self.happens(0.3) {
            self.tell_the_truth(group, id, life, &held, out);
        }
        self.fetch(group, id, out);
    }

    pub(super) fn stampede(&mut self, topic: &Topic, partition: u32) {
        let place = (topic.clone(), partition);
        self.note(What::Stampede, None, Some(&place));
        let members = self.groups.values_mut().flat_map(|group| group.members.values_mut());
        for member in members.filter(|member| member.topics.contains(topic)) {
            member.called.insert(place.clone());
        }
    }

    fn tell_the_truth(&mut self, group: &str, id: u64, life: Life, held: &[Place], out: &mut Vec<GroupEvent>) {
        let should = self.should_hold(group, id);
        for place in held.iter().filter(|place| !should.contains(place)) {
            self.revoke(group, id, life, place, false, out);
        }
        for place in should.iter().filter(|place| !held.contains(place)) {
            if self.faults.group_lies > 0.0 || !self.held_by_another(group, id, place) {
                self.give(group, id, life, place, out);
            }
        }
    }

    fn lie(&mut self, group: &str, id: u64, life: Life, out: &mut Vec<GroupEvent>) {
        let Some(member) = self.member(group, id) else { return };
        let (topics, held) = (member.topics.clone(), member.held.clone());
        let places = self.all_places(&topics);
        if places.is_empty() {
            return;
        }
        let place = &places[self.rng.random_range(0..places.len())];
        self.note(What::GroupLied, Some(life.process), Some(place));
        if held.contains_key(place) {
            self.revoke(group, id, life, place, false, out);
        } else {
            self.give(group, id, life, place, out);
        }
    }

    fn give(&mut self, group: &str, id: u64, life: Life, place: &Place, out: &mut Vec<GroupEvent>) {
        let committed = self.groups.get(group).and_then(|state| state.commits.get(place)).cloned();
        let next = committed.as_ref().map_or(0, |committed| committed.offset);
        if let Some(member) = self.member(group, id) {
            member.held.insert(place.clone(), next);
            member.giving_up.remove(place);
        }
        self.note(What::Given, Some(life.process), Some(place));
        out.push(GroupEvent::Given { topic: place.0.clone(), partition: place.1, committed });
    }

    fn revoke(&mut self, group: &str, id: u64, life: Life, place: &Place, thrown_out: bool, out: &mut Vec<GroupEvent>) {
        if let Some(member) = self.member(group, id) {
            if member.held.remove(place).is_some() && !thrown_out {
                member.giving_up.insert(place.clone());
            }
            member.paused.remove(place);
        }
        self.note(What::Revoked, Some(life.process), Some(place));
        let (topic, partition) = place.clone();
        out.push(GroupEvent::Revoked { topic, partition, thrown_out });
    }

    fn fetch(&mut self, group: &str, id: u64, out: &mut Vec<GroupEvent>) {
        let member = self.groups.get_mut(group).and_then(|state| state.members.get_mut(&id));
        let Some(member) = member.filter(|member| member.fetches) else { return };
        for (place, next) in member.held.iter_mut().filter(|(place, _)| !member.paused.contains(place)) {
            let topic = self.topics.get(&place.0);
            let Some(records) = topic.and_then(|topic| topic.partitions.get(place.1 as usize)) else { continue };
            *next = (*next).min(records.len() as u64);
            for record in records.iter().skip(*next as usize).take(FETCH_RECORDS) {
                *next += 1;
                out.push(GroupEvent::Record(record.clone()));
            }
        }
    }

    fn may_commit(&mut self, group: &str, id: u64, place: &Place) -> bool {
        let now = self.clock.now();
        let lies = self.faults.group_lies > 0.0;
        let Some(member) = self.member(group, id) else { return false };
        let giving_up = member.giving_up.contains(place);
        let believes = member.is_alive(now) && (giving_up || member.held.contains_key(place));
        let may = believes && (lies || giving_up || self.should_hold(group, id).contains(place));
        may && !self.happens(self.faults.commit_fails)
    }
}

pub(super) struct MemoryGroup {
    world: Shared,
    life: Life,
    name: String,
    id: u64,
    polled: bool,
}

impl MemoryGroup {
    pub(super) fn join(
        world: Shared,
        life: Life,
        name: &str,
        topics: &[Topic],
        membership: Membership,
    ) -> Result<Self, LogError> {
        let mut state = world.lock();
        if let Some(unknown) = topics.iter().find(|topic| !state.topics.contains_key(topic)) {
            return Err(LogError::UnknownTopic(unknown.to_string()));
        }
        let id = state.join(name, topics, membership);
        drop(state);
        Ok(Self { world, life, name: name.to_owned(), id, polled: false })
    }

    fn set_paused(&mut self, topic: &Topic, partition: u32, paused: bool) {
        let mut world = self.world.lock();
        let place = (topic.clone(), partition);
        let member = world.member(&self.name, self.id).filter(|member| member.held.contains_key(&place));
        if let Some(member) = member {
            if paused {
                member.paused.insert(place);
            } else {
                member.paused.remove(&place);
            }
        }
    }
}

impl Group for MemoryGroup {
    fn poll(&mut self, _wait: Duration, out: &mut Vec<GroupEvent>) -> Result<(), LogError> {
        let mut world = self.world.lock();
        world.operate(self.life);
        world.pump();
        if world.standing(self.life) == Standing::Alive {
            world.poll_member(&self.name, self.id, self.life, out);
            self.polled = true;
        }
        Ok(())
    }

    /// This group has its answer ready.
    fn is_settled(&self) -> bool {
        self.polled
    }

    fn commit(&mut self, topic: &Topic, partition: u32, committed: &Committed, _wait: bool) -> Result<(), LogError> {
        if committed.metadata.len() > MAX_COMMIT_METADATA {
            let length = committed.metadata.len();
            let refused = format!("commit metadata may have {MAX_COMMIT_METADATA} bytes; this has {length}");
            return Err(LogError::Refused(refused));
        }
        let mut world = self.world.lock();
        world.operate(self.life);
        let place = (topic.clone(), partition);
        let alive = world.standing(self.life) == Standing::Alive;
        if !alive || !world.may_commit(&self.name, self.id, &place) {
            world.note(What::CommitRefused, Some(self.life.process), Some(&place));
            let refused = format!("{topic}[{partition}] is not this member's; it may commit nothing");
            return Err(LogError::Refused(refused));
        }
        if let Some(group) = world.groups.get_mut(&self.name) {
            group.commits.insert(place, committed.clone());
        }
        Ok(())
    }

    fn pause(&mut self, topic: &Topic, partition: u32) -> Result<(), LogError> {
        self.set_paused(topic, partition, true);
        Ok(())
    }

    fn resume(&mut self, topic: &Topic, partition: u32) -> Result<(), LogError> {
        self.set_paused(topic, partition, false);
        Ok(())
    }

    fn leave(&mut self) {
        let mut world = self.world.lock();
        // A dead process cannot say goodbye: its member stays until the session times out.
        let alive = world.standing(self.life) == Standing::Alive;
        if let Some(group) = world.groups.get_mut(&self.name).filter(|_| alive) {
            group.members.remove(&self.id);
        }
    }
}

impl Drop for MemoryGroup {
    fn drop(&mut self) {
        self.leave();
    }
}
