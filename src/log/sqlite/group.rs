//! Membership in a group: its events from the file, its records through a reader.

use super::bulletin::PartitionId;
use super::connection::{Connection, Fault};
use super::hub::Hub;
use super::membership::{self, Commit, View};
use super::reader::SqliteReader;
use crate::log::{
    Committed, Delivery, Group, GroupEvent, LogError, MAX_COMMIT_METADATA, Membership, Reader as _, Topic,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A member that gives no sign of life for this long is none any more.
pub(super) const SESSION: Duration = Duration::from_secs(10);
/// Between two signs of life: each is a small transaction. Also how soon a killed process is noticed.
const HEARTBEAT: Duration = Duration::from_secs(1);

/// See the module.
pub(super) struct SqliteGroup {
    hub: Arc<Hub>,
    connection: Connection,
    session: Duration,
    group: i64,
    member: i64,
    topics: BTreeMap<i64, Topic>,
    counts: BTreeMap<i64, u32>,
    held: BTreeSet<PartitionId>,
    /// What the last poll told the caller to give up: nobody else takes it before the next one.
    giving_up: BTreeSet<PartitionId>,
    /// The generation up to which the caller was told of everything that it has to give up.
    told: i64,
    /// The generation up to which the others know that.
    obeyed: i64,
    /// The bulletin's count of group changes when the file was last looked at.
    looked: Option<u64>,
    next_heartbeat: Instant,
    /// Where records are fetched.
    reader: Option<SqliteReader>,
    /// Whether the caller has been told what is its.
    settled: bool,
    left: bool,
    complained: bool,
}

impl SqliteGroup {
    pub(super) fn join(
        hub: Arc<Hub>,
        namespace: &str,
        name: &str,
        topics: &[Topic],
        membership: Membership,
        session: Duration,
    ) -> Result<Self, LogError> {
        hub.watch()?;
        let (mut names, mut counts) = (BTreeMap::new(), BTreeMap::new());
        for topic in topics {
            let name = super::topic_name(namespace, topic);
            let info = hub.topic(&name)?.ok_or(LogError::UnknownTopic(name))?;
            names.insert(info.id, topic.clone());
            counts.insert(info.id, info.partitions);
        }
        let reader = match membership {
            Membership::AssignOnly => None,
            Membership::Fetch => Some(SqliteReader::new(Arc::clone(&hub), namespace.to_owned())?),
        };
        let mut connection = hub.connect()?;
        let group = membership::group_id(&mut connection, &format!("{namespace}.{name}"));
        let group = group.map_err(|fault| fault.at(&hub.at))?;
        let member = membership::join(&mut connection, group, &counts).map_err(|fault| fault.at(&hub.at))?;
        hub.bulletin.post_group();
        Ok(Self {
            hub,
            connection,
            session,
            group,
            member,
            topics: names,
            counts,
            held: BTreeSet::new(),
            giving_up: BTreeSet::new(),
            told: 0,
            obeyed: 0,
            looked: None,
            next_heartbeat: Instant::now(),
            reader,
            settled: false,
            left: false,
            complained: false,
        })
    }

    fn id(&self, topic: &Topic, partition: u32) -> Option<PartitionId> {
        let (id, _) = self.topics.iter().find(|(_, known)| *known == topic)?;
        Some((*id, partition))
    }

    /// Looks at the group where something may have changed, and says what that means for the caller.
    fn look(&mut self, out: &mut Vec<GroupEvent>) -> Result<(), Fault> {
        let groups = self.hub.bulletin.groups();
        // What was handed out by an earlier poll has been obeyed by now.
        let due = self.looked != Some(groups) || self.told > self.obeyed || Instant::now() >= self.next_heartbeat;
        if !due {
            return Ok(());
        }
        let (group, member) = (self.group, self.member);
        let (view, changed) = membership::heartbeat(&mut self.connection, group, member, self.told, self.session)?;
        self.obeyed = self.told;
        self.looked = Some(groups);
        self.next_heartbeat = Instant::now() + HEARTBEAT.min(self.session / 3);
        if changed {
            self.hub.bulletin.post_group();
        }
        match view.of(self.member, &self.counts) {
            Some(mine) => self.take_in(&view, &mine, out),
            None => self.rejoin(out),
        }
    }

    fn take_in(&mut self, view: &View, mine: &BTreeSet<PartitionId>, out: &mut Vec<GroupEvent>) -> Result<(), Fault> {
        let lost: Vec<PartitionId> = self.held.difference(mine).copied().collect();
        for id in lost {
            self.revoke(id, false, out);
        }
        self.told = view.generation;
        if view.others_obeyed(self.member) {
            let new: Vec<PartitionId> = mine.difference(&self.held).copied().collect();
            for id in new {
                self.give(id, out)?;
            }
            self.settled = true;
        }
        Ok(())
    }

    /// The others have given this member up (its process stood still): it begins anew.
    fn rejoin(&mut self, out: &mut Vec<GroupEvent>) -> Result<(), Fault> {
        for id in std::mem::take(&mut self.held) {
            self.revoke(id, true, out);
        }
        self.settled = false;
        self.member = membership::join(&mut self.connection, self.group, &self.counts)?;
        (self.told, self.obeyed) = (0, 0);
        self.hub.bulletin.post_group();
        Ok(())
    }

    fn revoke(&mut self, id: PartitionId, thrown_out: bool, out: &mut Vec<GroupEvent>) {
        if self.held.remove(&id) && !thrown_out {
            self.giving_up.insert(id);
        }
        if let Some(topic) = self.topics.get(&id.0).cloned() {
            if let Some(reader) = &mut self.reader {
                // Cannot fail: nothing is asked of the file.
                let _ = reader.unassign(&topic, id.1);
            }
            out.push(GroupEvent::Revoked { topic, partition: id.1, thrown_out });
        }
    }

    fn give(&mut self, id: PartitionId, out: &mut Vec<GroupEvent>) -> Result<(), Fault> {
        let committed = membership::committed(&mut self.connection, self.group, id)?;
        let Some(topic) = self.topics.get(&id.0).cloned() else { return Ok(()) };
        if let Some(reader) = &mut self.reader {
            let start = committed.as_ref().map_or(0, |committed| committed.offset);
            let unread = |e: LogError| Fault { may_heal: true, reason: e.to_string() };
            reader.assign(&topic, id.1, start).map_err(unread)?;
        }
        self.held.insert(id);
        out.push(GroupEvent::Given { topic, partition: id.1, committed });
        Ok(())
    }

    fn fetch(&mut self, out: &mut Vec<GroupEvent>) -> Result<(), LogError> {
        let Some(reader) = &mut self.reader else { return Ok(()) };
        let mut deliveries = Vec::new();
        reader.pass(&mut deliveries)?;
        for delivery in deliveries {
            match delivery {
                Delivery::Record(record) => out.push(GroupEvent::Record(record)),
                // Nothing was committed yet, and old records have been deleted.
                Delivery::End { .. } | Delivery::Lost { wanted: 0, .. } => {}
                Delivery::Lost { topic, partition, wanted, low, high } => {
                    tracing::warn!(%topic, partition, wanted, low, high, "records are gone; reading on at the first");
                }
            }
        }
        Ok(())
    }

    fn look_or_complain(&mut self, out: &mut Vec<GroupEvent>) -> Result<(), LogError> {
        match self.look(out) {
            Ok(()) => self.complained = false,
            Err(fault) if !fault.may_heal => return Err(fault.at(&self.hub.at)),
            Err(fault) => {
                if !std::mem::replace(&mut self.complained, true) {
                    tracing::warn!(file = self.hub.at, reason = fault.reason, "cannot look at the group");
                }
                self.next_heartbeat = Instant::now() + Duration::from_millis(50);
                if let Ok(connection) = self.hub.connect() {
                    self.connection = connection;
                }
            }
        }
        Ok(())
    }

    fn set_paused(&mut self, topic: &Topic, partition: u32, paused: bool) -> Result<(), LogError> {
        let held = self.id(topic, partition).is_some_and(|id| self.held.contains(&id));
        match &mut self.reader {
            Some(reader) if held && paused => reader.pause(topic, partition),
            Some(reader) if held => reader.resume(topic, partition),
            // It may have been revoked a moment ago, which the caller has not read yet.
            _ => Ok(()),
        }
    }
}

impl Group for SqliteGroup {
    fn poll(&mut self, wait: Duration, out: &mut Vec<GroupEvent>) -> Result<(), LogError> {
        let deadline = super::deadline(wait);
        let before = out.len();
        self.giving_up.clear();
        loop {
            let version = self.hub.bulletin.version();
            if !self.left {
                self.look_or_complain(out)?;
                self.fetch(out)?;
            }
            if out.len() > before || Instant::now() >= deadline {
                return Ok(());
            }
            // What was told without taking anything away is obeyed at once.
            if self.told == self.obeyed || self.left || self.complained {
                let until = if self.left { deadline } else { deadline.min(self.next_heartbeat) };
                self.hub.bulletin.wait(version, until);
            }
        }
    }

    fn is_settled(&self) -> bool {
        self.settled
    }

    fn commit(&mut self, topic: &Topic, partition: u32, committed: &Committed, _wait: bool) -> Result<(), LogError> {
        if committed.metadata.len() > MAX_COMMIT_METADATA {
            let length = committed.metadata.len();
            let refused = format!("commit metadata may have {MAX_COMMIT_METADATA} bytes; this has {length}");
            return Err(LogError::Refused(refused));
        }
        let lost = || LogError::Refused(format!("{topic}[{partition}] is not this member's; it may commit nothing"));
        let id = self.id(topic, partition).filter(|_| !self.left).ok_or_else(lost)?;
        let giving_up = self.giving_up.contains(&id);
        if !giving_up && !self.held.contains(&id) {
            return Err(lost());
        }
        let (group, member, session) = (self.group, self.member, self.session);
        let commit = Commit { group, member, id, giving_up, counts: &self.counts, session, committed };
        let done = membership::commit(&mut self.connection, &commit).map_err(|fault| fault.at(&self.hub.at))?;
        if done { Ok(()) } else { Err(lost()) }
    }

    fn pause(&mut self, topic: &Topic, partition: u32) -> Result<(), LogError> {
        self.set_paused(topic, partition, true)
    }

    fn resume(&mut self, topic: &Topic, partition: u32) -> Result<(), LogError> {
        self.set_paused(topic, partition, false)
    }

    fn leave(&mut self) {
        if std::mem::replace(&mut self.left, true) {
            return;
        }
        self.held.clear();
        match membership::leave(&mut self.connection, self.group, self.member) {
            Ok(()) => self.hub.bulletin.post_group(),
            // The others notice when the session times out.
            Err(fault) => tracing::warn!(file = self.hub.at, reason = fault.reason, "cannot leave the group"),
        }
    }
}

impl Drop for SqliteGroup {
    fn drop(&mut self) {
        self.leave();
    }
}
