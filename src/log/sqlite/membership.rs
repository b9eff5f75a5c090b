//! The members of a group as they stand in the file, and who of them holds what.
//!
//! Every member computes the same assignment from the same rows: for each topic, its partitions in turn to the
//! members that asked for it, in order of joining. A change of the members is a new generation. A member that sees
//! one gives up what it no longer has; once every other member has done so, it takes what is new.

use super::connection::{Connection, Fault, now_us};
use super::hub::TopicInfo;
use super::{bulletin::PartitionId, liveness};
use crate::log::Committed;
use sqlx::sqlite::SqliteConnection;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// One member as the file has it.
#[derive(Clone, Debug)]
struct Member {
    id: i64,
    topics: String,
    seen: i64,
    heartbeat: i64,
    process: String,
}

/// A group at one moment.
#[derive(Clone, Debug)]
pub(super) struct View {
    pub(super) generation: i64,
    members: Vec<Member>,
}

impl View {
    /// What this member holds; `None`: it is no member.
    pub(super) fn of(&self, member: i64, counts: &BTreeMap<i64, u32>) -> Option<BTreeSet<PartitionId>> {
        self.members.iter().find(|other| other.id == member)?;
        let mut held = BTreeSet::new();
        for (topic, count) in counts {
            let asked: Vec<i64> = self.members.iter().filter(|m| m.asked_for(*topic)).map(|m| m.id).collect();
            let mine = (0..*count).zip(asked.iter().cycle()).filter(|(_, owner)| **owner == member);
            held.extend(mine.map(|(partition, _)| (*topic, partition)));
        }
        Some(held)
    }

    /// Whether every other member has given up what this generation takes from it.
    pub(super) fn others_obeyed(&self, member: i64) -> bool {
        self.members.iter().all(|other| other.id == member || other.seen >= self.generation)
    }
}

impl Member {
    fn asked_for(&self, topic: i64) -> bool {
        self.topics.split(',').any(|id| id.parse() == Ok(topic))
    }
}

/// A group's row; made where it is not there.
pub(super) fn group_id(connection: &mut Connection, name: &str) -> Result<i64, Fault> {
    connection.write(async |c| {
        sqlx::query("INSERT INTO log_groups (name) VALUES (?1) ON CONFLICT DO NOTHING")
            .bind(name)
            .execute(&mut *c)
            .await?;
        sqlx::query_scalar("SELECT id FROM log_groups WHERE name = ?1").bind(name).fetch_one(c).await
    })
}

/// Adds a member; its id.
pub(super) fn join(connection: &mut Connection, group: i64, topics: &BTreeMap<i64, u32>) -> Result<i64, Fault> {
    let topics: Vec<String> = topics.keys().map(i64::to_string).collect();
    connection.write(async |c| {
        let generation = next_generation(c, group).await?;
        // It holds nothing, so it has nothing to give up.
        let insert = "INSERT INTO log_members (grp, topics, seen, heartbeat, process) VALUES (?1, ?2, ?3, ?4, ?5) \
                      RETURNING id";
        let query = sqlx::query_scalar(insert).bind(group).bind(topics.join(",")).bind(generation);
        query.bind(now_us()).bind(liveness::this_process()).fetch_one(c).await
    })
}

/// Removes a member.
pub(super) fn leave(connection: &mut Connection, group: i64, member: i64) -> Result<(), Fault> {
    connection.write(async |c| {
        let left = sqlx::query("DELETE FROM log_members WHERE id = ?1").bind(member).execute(&mut *c).await?;
        if left.rows_affected() > 0 {
            next_generation(c, group).await?;
        }
        Ok(())
    })
}

/// A member's sign of life: removes members that are dead, notes up to which generation this one has obeyed, and
/// tells how the group stands. The flag says whether anything changed that others wait for.
pub(super) fn heartbeat(
    connection: &mut Connection,
    group: i64,
    member: i64,
    obeyed: i64,
    session: Duration,
) -> Result<(View, bool), Fault> {
    connection.write(async |c| {
        let now = now_us();
        let view = view(c, group).await?;
        let mut changed = false;
        for other in view.members.iter().filter(|other| other.id != member) {
            if expired(other, now, session) || liveness::has_ended(&other.process) {
                sqlx::query("DELETE FROM log_members WHERE id = ?1").bind(other.id).execute(&mut *c).await?;
                changed = true;
            }
        }
        if changed {
            next_generation(c, group).await?;
        }
        let own = view.members.iter().find(|other| other.id == member);
        if own.is_some_and(|own| own.seen < obeyed) {
            sqlx::query("UPDATE log_groups SET stamp = stamp + 1 WHERE id = ?1").bind(group).execute(&mut *c).await?;
            changed = true;
        }
        let update = "UPDATE log_members SET heartbeat = ?2, seen = max(seen, ?3) WHERE id = ?1";
        sqlx::query(update).bind(member).bind(now).bind(obeyed).execute(&mut *c).await?;
        Ok((self::view(c, group).await?, changed))
    })
}

/// What was committed last for a partition.
pub(super) fn committed(
    connection: &mut Connection,
    group: i64,
    (topic, partition): PartitionId,
) -> Result<Option<Committed>, Fault> {
    let row: Option<(i64, String)> = connection.run(async |c| {
        sqlx::query_as("SELECT pos, metadata FROM log_commits WHERE grp = ?1 AND topic = ?2 AND part = ?3")
            .bind(group)
            .bind(topic)
            .bind(partition)
            .fetch_optional(c)
            .await
    })?;
    Ok(row.map(|(offset, metadata)| Committed { offset: offset.cast_unsigned(), metadata }))
}

/// A group from outside.
pub(super) struct Seen {
    /// Members that live.
    pub(super) members: usize,
    /// Of each partition of the topic: whether it is some member's, and the next offset that was committed.
    pub(super) partitions: Vec<(bool, Option<u64>)>,
}

/// Looks at a group, which need not be there, and changes nothing.
pub(super) fn look(
    connection: &mut Connection,
    name: &str,
    topic: &TopicInfo,
    session: Duration,
) -> Result<Seen, Fault> {
    let (mut view, commits) = connection.run(async |c| {
        let id = sqlx::query_scalar("SELECT id FROM log_groups WHERE name = ?1").bind(name);
        let id: Option<i64> = id.fetch_optional(&mut *c).await?;
        let Some(id) = id else { return Ok((View { generation: 0, members: Vec::new() }, Vec::new())) };
        let view = view(c, id).await?;
        let commits = sqlx::query_as("SELECT part, pos FROM log_commits WHERE grp = ?1 AND topic = ?2");
        let commits: Vec<(u32, i64)> = commits.bind(id).bind(topic.id).fetch_all(c).await?;
        Ok((view, commits))
    })?;
    let now = now_us();
    view.members.retain(|member| !expired(member, now, session) && !liveness::has_ended(&member.process));
    let is_shared = view.members.iter().any(|member| member.asked_for(topic.id));
    let committed = |part: u32| commits.iter().find(|(of, _)| *of == part).map(|(_, pos)| pos.cast_unsigned());
    let partitions = (0..topic.partitions).map(|part| (is_shared, committed(part))).collect();
    Ok(Seen { members: view.members.len(), partitions })
}

/// Who commits what.
pub(super) struct Commit<'a> {
    pub(super) group: i64,
    pub(super) member: i64,
    pub(super) id: PartitionId,
    /// Whether the member is about to give the partition up, rather than holding it.
    pub(super) giving_up: bool,
    pub(super) counts: &'a BTreeMap<i64, u32>,
    pub(super) session: Duration,
    pub(super) committed: &'a Committed,
}

/// Commits if at this moment the member is one and the partition is its own, or still waited for by whoever has it
/// next; whether it was.
pub(super) fn commit(connection: &mut Connection, commit: &Commit) -> Result<bool, Fault> {
    let (topic, partition) = commit.id;
    connection.write(async |c| {
        let now = now_us();
        let view = view(c, commit.group).await?;
        let own = view.members.iter().find(|member| member.id == commit.member);
        let alive = own.is_some_and(|own| !expired(own, now, commit.session));
        let holds = view.of(commit.member, commit.counts).is_some_and(|held| held.contains(&commit.id));
        let waited_for = commit.giving_up && own.is_some_and(|own| own.seen < view.generation);
        if !alive || !(holds || waited_for) {
            return Ok(false);
        }
        sqlx::query(
            "INSERT INTO log_commits (grp, topic, part, pos, metadata, time) VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
             ON CONFLICT (grp, topic, part) DO UPDATE SET pos = ?4, metadata = ?5, time = ?6",
        )
        .bind(commit.group)
        .bind(topic)
        .bind(partition)
        .bind(commit.committed.offset.cast_signed())
        .bind(&commit.committed.metadata)
        .bind(now)
        .execute(c)
        .await?;
        Ok(true)
    })
}

fn expired(member: &Member, now: i64, session: Duration) -> bool {
    let session = i64::try_from(session.as_micros()).unwrap_or(i64::MAX);
    now.saturating_sub(member.heartbeat) > session
}

async fn view(c: &mut SqliteConnection, group: i64) -> Result<View, sqlx::Error> {
    let generation = sqlx::query_scalar("SELECT generation FROM log_groups WHERE id = ?1");
    let generation: i64 = generation.bind(group).fetch_one(&mut *c).await?;
    let members = "SELECT id, topics, seen, heartbeat, process FROM log_members WHERE grp = ?1 ORDER BY id";
    let rows: Vec<(i64, String, i64, i64, String)> = sqlx::query_as(members).bind(group).fetch_all(c).await?;
    let member = |(id, topics, seen, heartbeat, process)| Member { id, topics, seen, heartbeat, process };
    Ok(View { generation, members: rows.into_iter().map(member).collect() })
}

async fn next_generation(c: &mut SqliteConnection, group: i64) -> Result<i64, sqlx::Error> {
    let update = "UPDATE log_groups SET generation = generation + 1, stamp = stamp + 1 WHERE id = ?1 \
                  RETURNING generation";
    sqlx::query_scalar(update).bind(group).fetch_one(c).await
}
