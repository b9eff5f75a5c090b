-- The log in one SQLite file: topics of partitions of records, and the groups that share them. Every name begins
-- with log_, so that the file may hold other tables.

CREATE TABLE IF NOT EXISTS log_format (version INTEGER NOT NULL);

-- name: <namespace>.<topic>; settings: a JSON list of [name, value] as given; retention_us: NULL keeps for ever.
CREATE TABLE IF NOT EXISTS log_topics (
    id           INTEGER PRIMARY KEY,
    name         TEXT    NOT NULL UNIQUE,
    partitions   INTEGER NOT NULL,
    settings     TEXT    NOT NULL,
    retention_us INTEGER
);

-- low: the first offset that is there; high: the next one; last_time: append time of the last record, which the
-- next one's is never below.
CREATE TABLE IF NOT EXISTS log_partitions (
    topic     INTEGER NOT NULL,
    part      INTEGER NOT NULL,
    low       INTEGER NOT NULL DEFAULT 0,
    high      INTEGER NOT NULL DEFAULT 0,
    last_time INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (topic, part)
) WITHOUT ROWID;

-- time: microseconds since 1970; size: bytes of key, value and headers, before them so that reading it never
-- touches the pages of a large value; headers: see headers.rs.
CREATE TABLE IF NOT EXISTS log_records (
    topic   INTEGER NOT NULL,
    part    INTEGER NOT NULL,
    pos     INTEGER NOT NULL,
    time    INTEGER NOT NULL,
    size    INTEGER NOT NULL,
    key     BLOB,
    headers BLOB,
    value   BLOB,
    PRIMARY KEY (topic, part, pos)
) WITHOUT ROWID;

-- generation: counts changes of the membership; stamp: counts every change that a member may wait for.
CREATE TABLE IF NOT EXISTS log_groups (
    id         INTEGER PRIMARY KEY,
    name       TEXT    NOT NULL UNIQUE,
    generation INTEGER NOT NULL DEFAULT 0,
    stamp      INTEGER NOT NULL DEFAULT 0
);

-- topics: ids, comma-separated; seen: the generation whose revocations the member has obeyed; heartbeat:
-- microseconds since 1970; process: see liveness.rs. Ids are never used again: an expired member stays expired.
CREATE TABLE IF NOT EXISTS log_members (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    grp       INTEGER NOT NULL,
    topics    TEXT    NOT NULL,
    seen      INTEGER NOT NULL,
    heartbeat INTEGER NOT NULL,
    process   TEXT    NOT NULL
);

CREATE TABLE IF NOT EXISTS log_commits (
    grp      INTEGER NOT NULL,
    topic    INTEGER NOT NULL,
    part     INTEGER NOT NULL,
    pos      INTEGER NOT NULL,
    metadata TEXT    NOT NULL,
    time     INTEGER NOT NULL,
    PRIMARY KEY (grp, topic, part)
) WITHOUT ROWID;
