//! Rows in the binary form of `COPY … FROM STDIN (FORMAT binary)`, see the section "Binary Format" of
//! <https://www.postgresql.org/docs/current/sql-copy.html>; values as their types' `send` functions write them.

use crate::core::time::Timestamp;
use crate::store::sql::fault::Fault;
use crate::store::sql::micros::Micros;
use sqlx::PgConnection;

/// Signature, no flags, no header extension.
const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// The trailer: a row of -1 columns.
const TRAILER: [u8; 2] = (-1_i16).to_be_bytes();
/// The length of a null.
const NULL: i32 = -1;
/// Object id of `bigint` (src/include/catalog/pg_type.dat).
const BIGINT: i32 = 20;

/// Rows for one table.
pub struct Copy {
    statement: String,
    columns: i16,
    bytes: Vec<u8>,
}

impl Copy {
    /// No rows yet.
    pub fn new(table: &str, columns: &[&str]) -> Self {
        Self {
            statement: format!("COPY {table} ({}) FROM STDIN (FORMAT binary)", columns.join(", ")),
            columns: i16::try_from(columns.len()).expect("a table has at most 1,600 columns"),
            bytes: HEADER.to_vec(),
        }
    }

    /// Begins a row; its values follow in the order of the columns.
    pub fn row(&mut self) -> &mut Self {
        self.bytes.extend_from_slice(&self.columns.to_be_bytes());
        self
    }

    /// A text.
    pub fn text(&mut self, value: impl AsRef<str>) -> &mut Self {
        self.value(value.as_ref().as_bytes())
    }

    /// A text or null.
    pub fn text_opt(&mut self, value: Option<impl AsRef<str>>) -> &mut Self {
        match value {
            Some(value) => self.text(value),
            None => self.null(),
        }
    }

    /// A `bigint`.
    pub fn int(&mut self, value: i64) -> &mut Self {
        self.value(&value.to_be_bytes())
    }

    /// A `bigint` or null.
    pub fn int_opt(&mut self, value: Option<i64>) -> &mut Self {
        match value {
            Some(value) => self.int(value),
            None => self.null(),
        }
    }

    /// A `timestamptz`.
    pub fn time(&mut self, value: Timestamp) -> &mut Self {
        self.int(Micros(value).postgres())
    }

    /// A `timestamptz` or null.
    pub fn time_opt(&mut self, value: Option<Timestamp>) -> &mut Self {
        self.int_opt(value.map(|value| Micros(value).postgres()))
    }

    /// A `bytea`.
    pub fn bytes(&mut self, value: &[u8]) -> &mut Self {
        self.value(value)
    }

    /// A `bigint[]` of one dimension, which is not empty.
    pub fn ints(&mut self, values: &[i64]) -> &mut Self {
        let count = i32::try_from(values.len()).expect("a value of a column is under 1 GB");
        self.length(20 + 12 * values.len());
        // Dimensions, no nulls, type; of the dimension: elements, lower bound.
        for number in [1, 0, BIGINT, count, 1] {
            self.bytes.extend_from_slice(&number.to_be_bytes());
        }
        for value in values {
            self.int(*value);
        }
        self
    }

    fn null(&mut self) -> &mut Self {
        self.bytes.extend_from_slice(&NULL.to_be_bytes());
        self
    }

    fn value(&mut self, bytes: &[u8]) -> &mut Self {
        self.length(bytes.len());
        self.bytes.extend_from_slice(bytes);
        self
    }

    fn length(&mut self, length: usize) {
        let length = i32::try_from(length).expect("a value of a column is under 1 GB");
        self.bytes.extend_from_slice(&length.to_be_bytes());
    }

    /// Hands the rows over, if there are any.
    pub async fn send(mut self, connection: &mut PgConnection) -> Result<(), Fault> {
        if self.bytes.len() == HEADER.len() {
            return Ok(());
        }
        self.bytes.extend_from_slice(&TRAILER);
        let mut copy = connection.copy_in_raw(&self.statement).await?;
        copy.send(self.bytes.as_slice()).await?;
        copy.finish().await?;
        Ok(())
    }
}
