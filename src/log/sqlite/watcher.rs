//! One thread a process that looks at the file for what other processes have written.
//!
//! `PRAGMA data_version` changes whenever another connection has committed; asking costs some 20 µs.

use super::bulletin::{Bulletin, PartitionId};
use super::connection::{Connection, Fault};
use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::thread;
use std::time::Duration;

/// Between two looks while things happen.
const BUSY_PAUSE: Duration = Duration::from_millis(1);
/// Between two looks when nothing has happened for long: what an idle process costs.
const IDLE_PAUSE: Duration = Duration::from_millis(10);
/// After a failed look.
const FAULT_PAUSE: Duration = Duration::from_millis(200);
/// Looks without news after which the pause begins to grow.
const PATIENCE: u32 = 50;

/// Starts the thread; it ends when nobody holds the bulletin any more.
pub(super) fn start(path: PathBuf, bulletin: &Arc<Bulletin>) -> std::io::Result<()> {
    let bulletin = Arc::downgrade(bulletin);
    thread::Builder::new().name("log-watcher".into()).spawn(move || watch(&path, &bulletin)).map(|_| ())
}

fn watch(path: &std::path::Path, bulletin: &Weak<Bulletin>) {
    let mut eye: Option<Eye> = None;
    let mut quiet = 0_u32;
    let mut complained = false;
    while let Some(bulletin) = bulletin.upgrade() {
        let looked = match &mut eye {
            Some(eye) => eye.look(&bulletin),
            None => Eye::open(path).and_then(|new| eye.insert(new).look(&bulletin)),
        };
        drop(bulletin);
        let pause = match looked {
            Ok(news) => {
                complained = false;
                quiet = if news { 0 } else { quiet.saturating_add(1) };
                BUSY_PAUSE.saturating_mul(1 + quiet.saturating_sub(PATIENCE) / 10).min(IDLE_PAUSE)
            }
            Err(fault) => {
                if !std::mem::replace(&mut complained, true) {
                    tracing::warn!(file = %path.display(), reason = fault.reason, "cannot look for new records");
                }
                eye = None;
                FAULT_PAUSE
            }
        };
        thread::sleep(pause);
    }
}

struct Eye {
    connection: Connection,
    seen: Option<i64>,
}

impl Eye {
    fn open(path: &std::path::Path) -> Result<Self, Fault> {
        Ok(Self { connection: Connection::open(path)?, seen: None })
    }

    /// Whether the file has changed since the last look; if so, the bulletin says what.
    fn look(&mut self, bulletin: &Bulletin) -> Result<bool, Fault> {
        let version: i64 =
            self.connection.run(async |c| sqlx::query_scalar("PRAGMA data_version").fetch_one(c).await)?;
        if self.seen == Some(version) {
            return Ok(false);
        }
        // One row for everything: a row costs more than what is in it.
        let (highs, stamps): (String, i64) = self.connection.run(async |c| {
            sqlx::query_as(
                "SELECT coalesce((SELECT group_concat(topic || ':' || part || ':' || high) FROM log_partitions), ''), \
                 (SELECT coalesce(sum(stamp), 0) FROM log_groups)",
            )
            .fetch_one(c)
            .await
        })?;
        self.seen = Some(version);
        bulletin.post(highs.split(',').filter_map(parse));
        bulletin.post_stamps(stamps);
        Ok(true)
    }
}

fn parse(text: &str) -> Option<(PartitionId, u64)> {
    let mut numbers = text.split(':');
    let topic = numbers.next()?.parse().ok()?;
    let partition = numbers.next()?.parse().ok()?;
    Some(((topic, partition), numbers.next()?.parse().ok()?))
}
