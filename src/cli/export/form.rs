//! What an export is made of.

use super::To;
use super::columns::{self, Column};
use super::read::Wanted;
use super::target::Target;
use anyhow::Result;
use parquet::file::writer::SerializedFileWriter;
use std::io::Write;

/// Most rows of a row group: readers take it as the piece that they share among threads.
const GROUP_ROWS: usize = 100_000;
/// Most bytes of the cells of a row group, which are gathered in memory.
const GROUP_BYTES: usize = 32 << 20;

/// Writes events.
pub enum Form {
    /// A line of JSON each.
    Jsonl(Target),
    /// A row of a table each.
    Parquet(Box<Table>),
}

/// A Parquet file and its row group that is being gathered.
pub struct Table {
    file: SerializedFileWriter<Target>,
    columns: Vec<Column>,
    rows: usize,
    bytes: usize,
}

impl Form {
    /// For this target.
    ///
    /// # Errors
    /// Where the target can't be written.
    pub fn new(to: To, target: Target) -> Result<Self> {
        Ok(match to {
            To::Jsonl => Self::Jsonl(target),
            To::Parquet => {
                let columns = columns::columns();
                let file = columns::file(target, &columns)?;
                Self::Parquet(Box::new(Table { file, columns, rows: 0, bytes: 0 }))
            }
        })
    }

    /// Writes an event.
    ///
    /// # Errors
    /// Where the target can't be written.
    pub fn write(&mut self, wanted: &Wanted) -> Result<()> {
        match self {
            Self::Jsonl(target) => {
                let mut line = serde_json::to_vec(&wanted.json)?;
                line.push(b'\n');
                Ok(target.write_all(&line)?)
            }
            Self::Parquet(table) => table.write(wanted),
        }
    }

    /// The target, with everything that was written.
    ///
    /// # Errors
    /// Where the target can't be written.
    pub fn finish(self) -> Result<Target> {
        match self {
            Self::Jsonl(target) => Ok(target),
            Self::Parquet(mut table) => {
                table.write_group()?;
                Ok(table.file.into_inner()?)
            }
        }
    }
}

impl Table {
    fn write(&mut self, wanted: &Wanted) -> Result<()> {
        self.rows += 1;
        self.bytes += self.columns.iter_mut().map(|column| column.push(wanted)).sum::<usize>();
        if self.rows >= GROUP_ROWS || self.bytes >= GROUP_BYTES {
            self.write_group()?;
        }
        Ok(())
    }

    fn write_group(&mut self) -> Result<()> {
        if self.rows == 0 {
            return Ok(());
        }
        let mut group = self.file.next_row_group()?;
        for column in &mut self.columns {
            let Some(mut writer) = group.next_column()? else { break };
            column.write(writer.untyped())?;
            writer.close()?;
        }
        group.close()?;
        (self.rows, self.bytes) = (0, 0);
        Ok(())
    }
}
