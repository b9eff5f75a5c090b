//! The columns of the Parquet file, and how each is read from an event.

use super::read::Wanted;
use crate::core::time::Timestamp;
use crate::wire::event::Published;
use anyhow::Result;
use parquet::basic::{Compression, ZstdLevel};
use parquet::column::writer::ColumnWriter;
use parquet::data_type::ByteArray;
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::ColumnPath;
use serde_json::Value;
use std::io::Write;
use std::sync::Arc;

/// Reads a cell of an event; none: it has no such thing.
type Read<T> = fn(&Wanted) -> Option<T>;

/// The cells of a row group of one column.
enum Cells {
    Text(Read<String>, Vec<ByteArray>),
    Int(Read<i32>, Vec<i32>),
    Long(Read<i64>, Vec<i64>),
    /// Microseconds since 1970, in UTC.
    Time(Read<Timestamp>, Vec<i64>),
    Double(Read<f64>, Vec<f64>),
}

/// A column of the row group that is being gathered.
pub struct Column {
    name: &'static str,
    /// Whether every event has it.
    required: bool,
    cells: Cells,
    /// For each row 1 where there is a cell, 0 where there is none.
    defined: Vec<i16>,
}

/// The columns, in the order of the file.
pub fn columns() -> Vec<Column> {
    use Cells::*;
    let every = |name, cells| Column { name, required: true, cells, defined: Vec::new() };
    let some = |name, cells| Column { name, required: false, cells, defined: Vec::new() };
    // The functions make no closures: each reads the one event that it is given.
    vec![
        every("event_id", Text(|event| Some(event.placed.event_id.clone()), vec![])),
        every("type", Text(|event| Some(event.placed.name().to_owned()), vec![])),
        every("version", Int(|event| i32::try_from(event.placed.version).ok(), vec![])),
        every("partition", Int(|event| i32::try_from(event.placed.partition).ok(), vec![])),
        every("offset", Long(|event| i64::try_from(event.placed.offset).ok(), vec![])),
        some("workflow_id", Text(|event| event.text("workflow_id"), vec![])),
        some("run_id", Text(|event| event.text("run_id"), vec![])),
        every("sequence", Long(|event| event.json["sequence"].as_i64(), vec![])),
        every("time", Time(|event| Some(event.time()), vec![])),
        every("published_at", Time(|event| Some(event.placed.published_at), vec![])),
        some("definition", Text(|event| Some(event.known.definition.as_ref()?.name.to_string()), vec![])),
        some("definition_version", Int(|event| i32::try_from(event.known.definition.as_ref()?.version).ok(), vec![])),
        some("node_id", Text(|event| event.text("node_id"), vec![])),
        some(
            "agent_name",
            Text(
                |event| event.text("agent_name").or_else(|| event.known.agent_name.as_ref().map(ToString::to_string)),
                vec![],
            ),
        ),
        some("attempt", Int(|event| event.data()["attempt"].as_i64()?.try_into().ok(), vec![])),
        // The state that a run, or a circuit breaker, is in from here on.
        some("status", Text(|event| event.text("to"), vec![])),
        some("class", Text(|event| event.text("class"), vec![])),
        some("code", Text(|event| event.text("code").or_else(|| event.text("reason")), vec![])),
        some("message", Text(|event| event.text("message"), vec![])),
        some("duration_us", Long(|event| event.known.duration?.as_micros().try_into().ok(), vec![])),
        some("cost", Double(|event| event.data()["usage"]["cost"].as_f64(), vec![])),
        some("input_tokens", Long(|event| event.data()["usage"]["input_tokens"].as_i64(), vec![])),
        some("output_tokens", Long(|event| event.data()["usage"]["output_tokens"].as_i64(), vec![])),
        every(DATA, Text(|event| Some(event.json.to_string()), vec![])),
    ]
}

/// The column with the whole event.
const DATA: &str = "data";

impl Wanted {
    fn data(&self) -> &Value {
        &self.json["data"]
    }

    /// A text of the envelope, else of the event itself.
    fn text(&self, name: &str) -> Option<String> {
        self.json[name].as_str().or_else(|| self.data()[name].as_str()).map(ToOwned::to_owned)
    }

    fn time(&self) -> Timestamp {
        match &self.placed.published {
            Published::Run(recorded) => recorded.time,
            Published::Partition(recorded) => recorded.time,
        }
    }
}

/// A file of these columns.
///
/// # Errors
/// Where the target can't be written.
pub fn file<W: Write + Send>(target: W, columns: &[Column]) -> Result<SerializedFileWriter<W>> {
    let fields: String = columns.iter().map(Column::field).collect();
    let schema = parse_message_type(&format!("message event {{ {fields} }}"))?;
    let data = || ColumnPath::from(DATA);
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_created_by(concat!("orchestrator ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_statistics_enabled(EnabledStatistics::Chunk)
        // No two are alike, and nobody looks for the smallest.
        .set_column_dictionary_enabled(data(), false)
        .set_column_statistics_enabled(data(), EnabledStatistics::None)
        .build();
    Ok(SerializedFileWriter::new(target, Arc::new(schema), Arc::new(properties))?)
}

impl Column {
    /// As Parquet's language of schemas has it.
    fn field(&self) -> String {
        let repetition = if self.required { "REQUIRED" } else { "OPTIONAL" };
        let (kind, meaning) = match self.cells {
            Cells::Text(..) => ("BYTE_ARRAY", " (STRING)"),
            Cells::Int(..) => ("INT32", ""),
            Cells::Long(..) => ("INT64", ""),
            Cells::Time(..) => ("INT64", " (TIMESTAMP(MICROS, true))"),
            Cells::Double(..) => ("DOUBLE", ""),
        };
        format!("{repetition} {kind} {}{meaning}; ", self.name)
    }

    /// Adds an event's cell; its size in bytes.
    pub fn push(&mut self, event: &Wanted) -> usize {
        let size = match &mut self.cells {
            Cells::Text(read, cells) => read(event).map(|text| {
                cells.push(text.into_bytes().into());
                cells.last().map_or(0, ByteArray::len)
            }),
            Cells::Int(read, cells) => read(event).map(|number| keep(cells, number)),
            Cells::Long(read, cells) => read(event).map(|number| keep(cells, number)),
            Cells::Time(read, cells) => read(event).map(|time| keep(cells, time.0)),
            Cells::Double(read, cells) => read(event).map(|number| keep(cells, number)),
        };
        self.defined.push(i16::from(size.is_some()));
        size.unwrap_or(0)
    }

    /// Writes the cells that were gathered, and begins anew.
    ///
    /// # Errors
    /// Where the target can't be written.
    pub fn write(&mut self, writer: &mut ColumnWriter) -> Result<(), ParquetError> {
        let defined = (!self.required).then_some(&self.defined[..]);
        match (&mut self.cells, writer) {
            (Cells::Text(_, cells), ColumnWriter::ByteArrayColumnWriter(writer)) => {
                writer.write_batch(cells, defined, None)?;
                cells.clear();
            }
            (Cells::Int(_, cells), ColumnWriter::Int32ColumnWriter(writer)) => {
                writer.write_batch(cells, defined, None)?;
                cells.clear();
            }
            (Cells::Long(_, cells) | Cells::Time(_, cells), ColumnWriter::Int64ColumnWriter(writer)) => {
                writer.write_batch(cells, defined, None)?;
                cells.clear();
            }
            (Cells::Double(_, cells), ColumnWriter::DoubleColumnWriter(writer)) => {
                writer.write_batch(cells, defined, None)?;
                cells.clear();
            }
            _ => return Err(ParquetError::General(format!("{} is a column of another kind", self.name))),
        }
        self.defined.clear();
        Ok(())
    }
}

fn keep<T>(cells: &mut Vec<T>, cell: T) -> usize {
    cells.push(cell);
    size_of::<T>()
}
