//! The file and its tables: made, checked, asked.

use super::bulletin::PartitionId;
use super::connection::{Connection, Fault};
use super::hub::TopicInfo;
use crate::core::time::Timestamp;
use crate::log::{Ends, LogError, MAX_RECORD_BYTES};
use std::fs;
use std::path::{Path, PathBuf};

/// The version of the tables' format that this program reads and writes.
const FORMAT: i64 = 1;

/// Creates the file for this user's eyes alone (0600, its folder 0700) where it is not there; its canonical path.
pub(super) fn create_file(path: &Path) -> Result<PathBuf, LogError> {
    let failed = |error: std::io::Error| {
        let reason = format!("the file cannot be created or found ({error}); check the folder and its permissions");
        LogError::Unreachable { at: path.display().to_string(), reason }
    };
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.exists()) {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(folder).map_err(failed)?;
    }
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => return Err(failed(error)),
        _ => {}
    }
    path.canonicalize().map_err(failed)
}

/// Makes the tables where they are not there, and refuses those of a newer program.
pub(super) fn prepare(connection: &mut Connection, at: &str) -> Result<(), LogError> {
    let tables = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'log_format')";
    let found = connection.run(async |c| sqlx::query_scalar::<_, bool>(tables).fetch_one(c).await);
    if !found.map_err(|fault| fault.at(at))? {
        let made = connection.write(async |c| {
            sqlx::raw_sql(include_str!("schema.sql")).execute(&mut *c).await?;
            let insert = "INSERT INTO log_format SELECT ?1 WHERE NOT EXISTS (SELECT 1 FROM log_format)";
            sqlx::query(insert).bind(FORMAT).execute(c).await
        });
        made.map_err(|fault| fault.at(at))?;
    }
    let version = connection
        .run(async |c| sqlx::query_scalar::<_, i64>("SELECT version FROM log_format").fetch_one(c).await)
        .map_err(|fault| fault.at(at))?;
    if version != FORMAT {
        let refused = format!("{at} has format {version} of the log; this program knows format {FORMAT}: upgrade it");
        return Err(LogError::Refused(refused));
    }
    Ok(())
}

/// A topic by its whole name.
pub(super) fn topic(connection: &mut Connection, name: &str) -> Result<Option<TopicInfo>, Fault> {
    let row: Option<(i64, u32, String)> = connection.run(async |c| {
        sqlx::query_as("SELECT id, partitions, settings FROM log_topics WHERE name = ?1")
            .bind(name)
            .fetch_optional(c)
            .await
    })?;
    Ok(row.map(|(id, partitions, settings)| {
        let settings = parse_settings(&settings);
        let limit = settings.iter().find(|(key, _)| key == "max.message.bytes").and_then(|(_, v)| v.parse().ok());
        TopicInfo { id, partitions, max_record_bytes: limit.unwrap_or(MAX_RECORD_BYTES) }
    }))
}

/// The settings of a topic as they were given.
pub(super) fn settings(connection: &mut Connection, name: &str) -> Result<Option<Vec<(String, String)>>, Fault> {
    let settings: Option<String> = connection.run(async |c| {
        sqlx::query_scalar("SELECT settings FROM log_topics WHERE name = ?1").bind(name).fetch_optional(c).await
    })?;
    Ok(settings.map(|text| parse_settings(&text)))
}

fn parse_settings(text: &str) -> Vec<(String, String)> {
    serde_json::from_str(text).unwrap_or_default()
}

/// A topic to be created.
pub(super) struct NewTopic<'a> {
    /// Its whole name.
    pub(super) name: String,
    /// How many partitions.
    pub(super) partitions: u32,
    /// As given.
    pub(super) settings: &'a [(String, String)],
    /// How long records are kept, in microseconds; `None`: for ever.
    pub(super) retention_us: Option<i64>,
}

/// Creates topics that are not there and leaves those that are.
pub(super) fn create_topics(connection: &mut Connection, topics: &[NewTopic]) -> Result<(), Fault> {
    connection.write(async |c| {
        for topic in topics {
            let settings = serde_json::to_string(topic.settings).unwrap_or_else(|_| "[]".to_owned());
            let insert = "INSERT INTO log_topics (name, partitions, settings, retention_us) VALUES (?1, ?2, ?3, ?4) \
                          ON CONFLICT DO NOTHING RETURNING id";
            let id: Option<i64> = sqlx::query_scalar(insert)
                .bind(&topic.name)
                .bind(topic.partitions)
                .bind(settings)
                .bind(topic.retention_us)
                .fetch_optional(&mut *c)
                .await?;
            let Some(id) = id else { continue };
            for partition in 0..topic.partitions {
                let insert = "INSERT INTO log_partitions (topic, part) VALUES (?1, ?2)";
                sqlx::query(insert).bind(id).bind(partition).execute(&mut *c).await?;
            }
        }
        Ok(())
    })
}

/// The ends of a partition.
pub(super) fn ends(connection: &mut Connection, (topic, partition): PartitionId) -> Result<Ends, Fault> {
    let (low, high): (i64, i64) = connection.run(async |c| {
        sqlx::query_as("SELECT low, high FROM log_partitions WHERE topic = ?1 AND part = ?2")
            .bind(topic)
            .bind(partition)
            .fetch_one(c)
            .await
    })?;
    Ok(Ends { low: low.cast_unsigned(), high: high.cast_unsigned() })
}

/// The first offset of a partition whose record was appended at a time or later, to the millisecond. Times never fall
/// within a partition, so it is searched for by halves: some twenty records of a million are looked at.
pub(super) fn offset_at(
    connection: &mut Connection,
    (topic, partition): PartitionId,
    ends: Ends,
    time: Timestamp,
) -> Result<u64, Fault> {
    // The first at or above the middle: what is gone meanwhile at the start is as if it were earlier.
    let look = "SELECT pos, time FROM log_records WHERE topic = ?1 AND part = ?2 AND pos >= ?3 ORDER BY pos LIMIT 1";
    let (mut from, mut to) = (ends.low, ends.high);
    while from < to {
        let middle = from + (to - from) / 2;
        let found: Option<(i64, i64)> = connection.run(async |c| {
            let query = sqlx::query_as(look).bind(topic).bind(partition);
            query.bind(middle.cast_signed()).fetch_optional(c).await
        })?;
        match found {
            Some((at, micros)) if Timestamp(micros).as_millis() < time.as_millis() => from = at.cast_unsigned() + 1,
            _ => to = middle,
        }
    }
    Ok(from)
}
