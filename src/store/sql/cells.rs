//! The cells of a row by name, the same for both drivers.

use super::micros::Micros;
use crate::core::time::Timestamp;
use crate::store::StoreError;
use sqlx::Row;

/// A row whose cells can be read. A cell that is not of the expected type is a fault of the store.
pub trait Cells {
    /// A text.
    fn text(&self, column: &str) -> Result<String, StoreError>;
    /// A text that may be absent.
    fn text_opt(&self, column: &str) -> Result<Option<String>, StoreError>;
    /// A number that may be absent.
    fn int_opt(&self, column: &str) -> Result<Option<i64>, StoreError>;
    /// Bytes.
    fn bytes(&self, column: &str) -> Result<Vec<u8>, StoreError>;
    /// A point in time that may be absent.
    fn time_opt(&self, column: &str) -> Result<Option<Timestamp>, StoreError>;

    /// A number, not negative.
    fn number(&self, column: &str) -> Result<u64, StoreError> {
        self.number_opt(column)?.ok_or_else(|| wrong(column, "no value"))
    }
    /// A number, not negative, that may be absent.
    fn number_opt(&self, column: &str) -> Result<Option<u64>, StoreError> {
        let number = self.int_opt(column)?;
        number.map(|n| u64::try_from(n).map_err(|_| wrong(column, format!("{n}")))).transpose()
    }
    /// A number of 32 bits.
    fn small(&self, column: &str) -> Result<u32, StoreError> {
        let number = self.number(column)?;
        u32::try_from(number).map_err(|_| wrong(column, number))
    }
    /// A number of 32 bits that may be absent.
    fn small_opt(&self, column: &str) -> Result<Option<u32>, StoreError> {
        let number = self.number_opt(column)?;
        number.map(|n| u32::try_from(n).map_err(|_| wrong(column, n))).transpose()
    }
    /// A point in time.
    fn time(&self, column: &str) -> Result<Timestamp, StoreError> {
        self.time_opt(column)?.ok_or_else(|| wrong(column, "no value"))
    }
}

/// A cell that does not hold what it should.
pub fn wrong(column: &str, found: impl std::fmt::Display) -> StoreError {
    StoreError::Refused(format!(
        "column {column} holds {found}, which this version does not write; \
         `orchestrator rebuild` makes the tables anew from the journal"
    ))
}

macro_rules! cells {
    ($row:ty) => {
        impl Cells for $row {
            fn text(&self, column: &str) -> Result<String, StoreError> {
                self.try_get(column).map_err(|e| wrong(column, e))
            }
            fn text_opt(&self, column: &str) -> Result<Option<String>, StoreError> {
                self.try_get(column).map_err(|e| wrong(column, e))
            }
            fn int_opt(&self, column: &str) -> Result<Option<i64>, StoreError> {
                self.try_get(column).map_err(|e| wrong(column, e))
            }
            fn bytes(&self, column: &str) -> Result<Vec<u8>, StoreError> {
                self.try_get(column).map_err(|e| wrong(column, e))
            }
            fn time_opt(&self, column: &str) -> Result<Option<Timestamp>, StoreError> {
                let time: Option<Micros> = self.try_get(column).map_err(|e| wrong(column, e))?;
                Ok(time.map(|time| time.0))
            }
        }
    };
}

cells!(sqlx::postgres::PgRow);
cells!(sqlx::sqlite::SqliteRow);
