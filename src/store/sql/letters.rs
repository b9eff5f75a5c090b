//! Dead letters and groups of errors: statements, and rows back to types.

use super::cells::{Cells, wrong};
use super::read::{class_opt, id, id_opt, json_opt, origin, word};
use crate::core::id::LetterId;
use crate::store::StoreError;
use crate::store::letter::{ErrorGroup, FoundLetter, HandledRow, Letter, LetterGroup, LetterKind, LetterState};
use crate::store::query::LetterHalf;

/// $1 id begins so, $2 fingerprint begins so, $3 state, $4 kind, $5 agent, $6 class, $7 code, $8 workflow,
/// $9 definition (null: any), $10 since, $11 and $12 time and id of the letter above (null: the newest).
/// After the digits of an id comes `g`.
macro_rules! wanted {
    () => {
        " FROM orchestrator_dead_letters WHERE kind IS NOT NULL \
          AND (CAST($1 AS text) IS NULL OR (letter_id >= $1 AND letter_id < $1 || 'g')) \
          AND (CAST($2 AS text) IS NULL OR (fingerprint >= $2 AND fingerprint < $2 || 'g')) \
          AND (CAST($3 AS text) IS NULL OR state = $3) AND (CAST($4 AS text) IS NULL OR kind = $4) \
          AND (CAST($5 AS text) IS NULL OR agent_name = $5) AND (CAST($6 AS text) IS NULL OR class = $6) \
          AND (CAST($7 AS text) IS NULL OR code = $7) AND (CAST($8 AS text) IS NULL OR workflow_id = $8) \
          AND (CAST($9 AS text) IS NULL OR definition_name = $9) AND time >= $10 \
          AND (CAST($12 AS text) IS NULL OR (time, letter_id) < ($11, $12))"
    };
}

/// [`wanted`], $13 limit.
pub const LETTERS: &str = concat!(
    "SELECT letter_id, kind, partition, subject, sequence, workflow_id, run_id, node_id, agent_name, attempt, \
     definition_name, class, code, message, details, fingerprint, origin_topic, origin_partition, origin_offset, \
     origin_time, time, state, handled_at, handled_by, note, handled_run_id",
    wanted!(),
    " ORDER BY time DESC, letter_id DESC LIMIT $13"
);

/// $1 letter.
pub const DOCUMENT: &str = "SELECT letter FROM orchestrator_dead_letters WHERE letter_id = $1 AND kind IS NOT NULL";

/// Whatever there is of letters: $1 after, $2 limit.
pub const HALVES: &str = "SELECT letter_id, kind, state, handled_at, handled_by, note, handled_run_id \
     FROM orchestrator_dead_letters WHERE letter_id > $1 ORDER BY letter_id LIMIT $2";

/// [`wanted`], $13 limit. A fingerprint says kind, agent or topic, class and code.
pub const LETTER_GROUPS: &str = concat!(
    "SELECT fingerprint, MIN(kind) AS kind, MIN(agent_name) AS agent_name, MIN(origin_topic) AS origin_topic, \
     MIN(class) AS class, MIN(code) AS code, MIN(message) AS message, COUNT(*) AS letters, \
     COUNT(CASE WHEN state = 'open' THEN 1 END) AS open_letters, MIN(time) AS first_seen, MAX(time) AS last_seen",
    wanted!(),
    " GROUP BY fingerprint ORDER BY open_letters DESC, letters DESC, fingerprint LIMIT $13"
);

/// $1 since, $2 since before, $3 agent, $4 definition (null: any), $5 limit. The failure of a run that a node caused is
/// that of the node, told once more.
pub const ERROR_GROUPS: &str = "SELECT fingerprint, MIN(event) AS event, MIN(agent_name) AS agent_name, \
     MIN(class) AS class, MIN(code) AS code, MIN(message) AS message, \
     COUNT(CASE WHEN time >= $1 THEN 1 END) AS errors, COUNT(CASE WHEN time < $1 THEN 1 END) AS errors_before, \
     (SELECT MIN(f.time) FROM orchestrator_error_logs f WHERE f.fingerprint = e.fingerprint) AS first_seen, \
     MAX(time) AS last_seen, MIN(workflow_id) AS workflow_a, MAX(workflow_id) AS workflow_b \
     FROM orchestrator_error_logs e WHERE time >= $2 AND fingerprint <> '' \
     AND NOT (event = 'WorkflowFailed' AND node_id IS NOT NULL) \
     AND (CAST($3 AS text) IS NULL OR agent_name = $3) AND (CAST($4 AS text) IS NULL OR EXISTS (SELECT 1 \
     FROM orchestrator_workflow_states s WHERE s.run_id = e.subject AND s.definition_name = $4)) \
     GROUP BY fingerprint HAVING COUNT(CASE WHEN time >= $1 THEN 1 END) > 0 \
     ORDER BY errors DESC, fingerprint LIMIT $5";

/// What is written of a letter beside its id and its partition, for `ON CONFLICT (letter_id) DO UPDATE SET`: what was
/// done with it may have come first.
pub const LETTER_COLUMNS: [&str; 20] = [
    "kind",
    "subject",
    "sequence",
    "workflow_id",
    "run_id",
    "node_id",
    "agent_name",
    "attempt",
    "definition_name",
    "class",
    "code",
    "message",
    "details",
    "fingerprint",
    "origin_topic",
    "origin_partition",
    "origin_offset",
    "origin_time",
    "letter",
    "time",
];

/// For `ON CONFLICT (letter_id) DO UPDATE SET`.
pub fn update_letter() -> String {
    let columns = ["partition"].into_iter().chain(LETTER_COLUMNS);
    columns.map(|column| format!("{column} = excluded.{column}")).collect::<Vec<_>>().join(", ")
}

/// For `ON CONFLICT (letter_id) DO UPDATE SET`; `m` is the table. What was done last counts, in whichever order the
/// partitions are projected.
pub const UPDATE_HANDLED: &str = "state = excluded.state, handled_at = excluded.handled_at, \
     handled_by = excluded.handled_by, note = excluded.note, handled_run_id = excluded.handled_run_id \
     WHERE m.handled_at IS NULL OR m.handled_at <= excluded.handled_at";

fn kind(row: &impl Cells) -> Result<LetterKind, StoreError> {
    word("kind", &row.text("kind")?, &LetterKind::ALL, LetterKind::as_str)
}

/// A letter.
pub fn found(row: &impl Cells) -> Result<FoundLetter, StoreError> {
    let letter = Letter {
        letter_id: id("letter_id", &row.text("letter_id")?)?,
        kind: kind(row)?,
        subject: row.text("subject")?,
        sequence: row.number("sequence")?,
        workflow_id: id_opt(row, "workflow_id")?,
        run_id: id_opt(row, "run_id")?,
        node_id: id_opt(row, "node_id")?,
        agent_name: id_opt(row, "agent_name")?,
        attempt: row.small_opt("attempt")?,
        definition: id_opt(row, "definition_name")?,
        class: class_opt(row, "class")?,
        code: row.text("code")?,
        message: row.text("message")?,
        details: json_opt(row, "details")?,
        fingerprint: row.text("fingerprint")?,
        origin: row.text_opt("origin_topic")?.map(|_| origin(row)).transpose()?,
        time: row.time("time")?,
    };
    let handled = handled(row, &letter.letter_id)?;
    Ok(FoundLetter { letter, partition: row.small("partition")?, handled })
}

fn handled(row: &impl Cells, letter_id: &LetterId) -> Result<Option<HandledRow>, StoreError> {
    let state = word("state", &row.text("state")?, &LetterState::ALL, LetterState::as_str)?;
    let Some(at) = row.time_opt("handled_at")? else { return Ok(None) };
    Ok(Some(HandledRow {
        letter_id: letter_id.clone(),
        state,
        at,
        by: row.text("handled_by")?,
        note: row.text_opt("note")?,
        run_id: id_opt(row, "handled_run_id")?,
    }))
}

/// Whatever there is of a letter.
pub fn half(row: &impl Cells) -> Result<LetterHalf, StoreError> {
    let letter_id = id("letter_id", &row.text("letter_id")?)?;
    let handled = handled(row, &letter_id)?;
    Ok(LetterHalf { letter_id, has_letter: row.text_opt("kind")?.is_some(), handled })
}

/// The whole letter.
pub fn document(row: &impl Cells) -> Result<String, StoreError> {
    row.text("letter")
}

/// A group of letters.
pub fn letter_group(row: &impl Cells) -> Result<LetterGroup, StoreError> {
    Ok(LetterGroup {
        fingerprint: row.text("fingerprint")?,
        kind: kind(row)?,
        agent_name: id_opt(row, "agent_name")?,
        topic: row.text_opt("origin_topic")?,
        class: class_opt(row, "class")?,
        code: row.text("code")?,
        message: row.text("message")?,
        letters: row.number("letters")?,
        open: row.number("open_letters")?,
        first_seen: row.time("first_seen")?,
        last_seen: row.time("last_seen")?,
    })
}

/// A group of errors.
pub fn error_group(row: &impl Cells) -> Result<ErrorGroup, StoreError> {
    let mut workflows = Vec::new();
    for column in ["workflow_a", "workflow_b"] {
        workflows.extend(id_opt(row, column)?);
    }
    workflows.dedup();
    let event = row.text("event")?;
    if event.is_empty() {
        return Err(wrong("event", "an empty text"));
    }
    Ok(ErrorGroup {
        fingerprint: row.text("fingerprint")?,
        event,
        agent_name: id_opt(row, "agent_name")?,
        class: class_opt(row, "class")?,
        code: row.text("code")?,
        message: row.text("message")?,
        errors: row.number("errors")?,
        errors_before: row.number("errors_before")?,
        first_seen: row.time("first_seen")?,
        last_seen: row.time("last_seen")?,
        workflows,
    })
}
