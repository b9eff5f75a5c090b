//! Making the tables anew beside the live ones, and putting them in their place while the projector goes on.
//!
//! The shadow is a [`Store`] of its own with the same tables, made by the same migrations: whatever projects into a
//! store projects into it. What differs is how it is loaded ([`Rebuild::complete`] ends that) and that its tables can
//! take the place of the live ones ([`Rebuild::hold`], [`Held::swap`]).

use super::{Position, Store, StoreError};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// A table that is folded from the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// The columns that tell its rows apart.
    pub key: &'static [&'static str],
}

impl Table {
    /// Whether it holds offsets: a row for each batch of the projector that held events of a run or a workflow, so that
    /// how many rows there are is chance.
    pub fn has_offsets(&self) -> bool {
        [RUN_OFFSETS, WORKFLOW_OFFSETS].contains(&self.name)
    }
}

/// Tells how far each partition has been projected; it changes places with all tables, never alone.
pub const POSITIONS: &str = "orchestrator_projector_positions";

/// The tables that a rebuild makes, in the order in which they are locked: readers that ask several begin with the
/// positions, then the runs; groups of errors look up runs.
pub const TABLES: [Table; 9] = [
    Table { name: "orchestrator_error_logs", key: &["subject", "sequence"] },
    Table { name: "orchestrator_workflow_states", key: &["run_id"] },
    Table { name: "orchestrator_carried_outputs", key: &["run_id", "node_id"] },
    Table { name: "orchestrator_agent_results", key: &["run_id", "sequence"] },
    Table { name: "orchestrator_operation_logs", key: &["subject", "sequence"] },
    Table { name: "orchestrator_dead_letters", key: &["letter_id"] },
    Table { name: "orchestrator_performance_metrics", key: &["partition", "agent_name", "minute"] },
    Table { name: RUN_OFFSETS, key: &["run_id"] },
    Table { name: WORKFLOW_OFFSETS, key: &["partition", "workflow_id"] },
];

/// Where the events of runs stand.
pub const RUN_OFFSETS: &str = "orchestrator_run_offsets";
/// Where what was said of workflows stands.
pub const WORKFLOW_OFFSETS: &str = "orchestrator_workflow_offsets";

/// The table of the runs.
pub const RUNS: &str = "orchestrator_workflow_states";

/// Which tables are to change places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// All, and the positions with them.
    All,
    /// One alone. It fits where shadow and live tables stand at the same positions.
    One(Table),
}

impl Which {
    /// The tables, in the order in which they are locked, without the positions.
    pub fn tables(&self) -> &[Table] {
        match self {
            Self::All => &TABLES,
            Self::One(table) => std::slice::from_ref(table),
        }
    }
}

/// What a table was and what it is, row by row. Of offsets, a row is a run or a workflow with all of its offsets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The table.
    pub table: &'static str,
    /// Rows before.
    pub before: u64,
    /// Rows now.
    pub now: u64,
    /// Rows that were there and are not any more.
    pub removed: u64,
    /// Rows that were missing.
    pub added: u64,
    /// Rows with the same key that say something else.
    pub altered: u64,
    /// The keys of the first few rows that differ, as [`Table::key`] has them, with `/` between.
    pub examples: Vec<String>,
}

impl Change {
    /// How many rows differ.
    pub fn differing(&self) -> u64 {
        self.removed + self.added + self.altered
    }
}

/// What differed; or why that could not be told of tables that have changed places.
pub type Compared = Result<Vec<Change>, StoreError>;

/// A rebuild under way; nobody else rebuilds the store until it is dropped.
pub trait Rebuild: Send {
    /// The shadow tables.
    fn shadow(&self) -> Arc<dyn Store>;
    /// Whether the shadow was left by a rebuild that did not come to its end, and is gone on with.
    fn goes_on(&self) -> bool;
    /// Whether what was left was interrupted in the midst of [`Rebuild::complete`], which has to come to its end before
    /// anything goes into the shadow.
    fn must_complete(&self) -> bool;
    /// Whatever of the live tables would be lost or left behind if they changed places, in words; nothing may be.
    fn in_the_way(&self, which: Which) -> Result<Vec<String>, StoreError>;
    /// Ends loading: from here on the shadow's tables have all that the live ones have. Takes as long as indexes take.
    fn complete(&self) -> Result<(), StoreError>;
    /// Holds the live positions where they are: the projector waits, readers do not.
    ///
    /// # Errors
    /// `Busy` where others hold them for long.
    fn hold(&self) -> Result<Box<dyn Held + '_>, StoreError>;
    /// Throws the shadow away.
    fn discard(&self) -> Result<(), StoreError>;
}

/// The live positions, held until this is dropped.
pub trait Held {
    /// Where the live tables stand.
    fn positions(&mut self) -> Result<Vec<(u32, Position)>, StoreError>;
    /// Puts the shadow's tables in the place of the live ones in one transaction, with the rights and the owner of
    /// these, if the shadow stands at `expected`; then compares what was with what is, and throws away what was.
    ///
    /// # Errors
    /// They have not changed places; `Busy` where somebody reads the live tables for long.
    fn swap(self: Box<Self>, which: Which, expected: &[(u32, Position)]) -> Result<Compared, StoreError>;
}

/// What marks the tables at `positions` as other ones than they were, so that no projector goes on from what it has loaded of
/// those: with a number that was in no table of theirs before, whatever has become of it.
pub(super) fn new_generation(positions: &str) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
    format!("UPDATE {positions} SET generation = {now}")
}

/// How many rows that differ are named.
const EXAMPLES: usize = 5;

/// What compares the two tables of these names, before and now. `places` is how the database says which offsets a row of
/// offsets holds, over all rows of a group; `altered`, how two rows `b` and `n` are told apart. The first question answers
/// with the numbers of a [`Change`], the second with its examples.
pub(super) fn comparison(table: Table, [before, now]: [&str; 2], places: &str, altered: &str) -> [String; 2] {
    let rows = |of: &str| {
        let key = table.key.join(", ");
        match table.has_offsets() {
            true => format!("(SELECT {key}, {places} AS places FROM {of} GROUP BY {key})"),
            false => format!("(SELECT * FROM {of})"),
        }
    };
    let same: Vec<String> = table.key.iter().map(|column| format!("b.{column} = n.{column}")).collect();
    let first = table.key[0];
    let joined = format!("{} b FULL JOIN {} n ON {}", rows(before), rows(now), same.join(" AND "));
    let key: Vec<String> =
        table.key.iter().map(|column| format!("CAST(COALESCE(b.{column}, n.{column}) AS text)")).collect();
    let examples = format!(
        "SELECT {} FROM {joined} WHERE n.{first} IS NULL OR b.{first} IS NULL OR {altered} ORDER BY 1 LIMIT {EXAMPLES}",
        key.join(" || '/' || ")
    );
    let numbers = format!(
        "SELECT COUNT(b.{first}) AS rows_before, COUNT(n.{first}) AS rows_now, \
         COUNT(CASE WHEN n.{first} IS NULL THEN 1 END) AS removed, \
         COUNT(CASE WHEN b.{first} IS NULL THEN 1 END) AS added, \
         COUNT(CASE WHEN b.{first} IS NOT NULL AND n.{first} IS NOT NULL AND {altered} THEN 1 END) AS altered \
         FROM {joined}"
    );
    [numbers, examples]
}
