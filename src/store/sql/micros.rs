//! Points in time in columns: `timestamptz` in Postgres, microseconds since 1970 in SQLite.

use crate::core::time::Timestamp;
use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::postgres::types::Oid;
use sqlx::postgres::{PgArgumentBuffer, PgHasArrayType, PgTypeInfo, PgValueFormat, PgValueRef};
use sqlx::sqlite::{SqliteArgumentsBuffer, SqliteTypeInfo, SqliteValueRef};
use sqlx::{Decode, Encode, Postgres, Sqlite, Type};

/// 2000-01-01T00:00:00Z, from which Postgres counts, in microseconds since 1970.
const POSTGRES_EPOCH: i64 = 946_684_800_000_000;
/// The earliest point in time that Postgres takes (4714-11-24 BC), in its own count
/// (`MIN_TIMESTAMP` in src/include/datatype/timestamp.h).
const POSTGRES_EARLIEST: i64 = -211_813_488_000_000_000;
/// Object ids of `timestamptz` and of arrays of it (src/include/catalog/pg_type.dat).
const TIMESTAMPTZ: Oid = Oid(1184);
const TIMESTAMPTZ_ARRAY: Oid = Oid(1185);

/// A point in time as a parameter or a value of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Micros(pub Timestamp);

impl Micros {
    /// As Postgres counts. What is outside of its range becomes its nearest end; clocks do not go there.
    pub fn postgres(self) -> i64 {
        self.0.0.saturating_sub(POSTGRES_EPOCH).max(POSTGRES_EARLIEST)
    }
}

impl Type<Postgres> for Micros {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(TIMESTAMPTZ)
    }
}

impl PgHasArrayType for Micros {
    fn array_type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(TIMESTAMPTZ_ARRAY)
    }
}

impl Encode<'_, Postgres> for Micros {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        <i64 as Encode<Postgres>>::encode(self.postgres(), buffer)
    }
}

impl<'r> Decode<'r, Postgres> for Micros {
    fn decode(value: PgValueRef<'r>) -> Result<Self, BoxDynError> {
        if value.format() != PgValueFormat::Binary {
            return Err("expected a timestamp in binary form".into());
        }
        let micros = <i64 as Decode<Postgres>>::decode(value)?;
        Ok(Self(Timestamp(micros.saturating_add(POSTGRES_EPOCH))))
    }
}

impl Type<Sqlite> for Micros {
    fn type_info() -> SqliteTypeInfo {
        <i64 as Type<Sqlite>>::type_info()
    }
}

impl Encode<'_, Sqlite> for Micros {
    fn encode_by_ref(&self, buffer: &mut SqliteArgumentsBuffer) -> Result<IsNull, BoxDynError> {
        <i64 as Encode<Sqlite>>::encode(self.0.0, buffer)
    }
}

impl<'r> Decode<'r, Sqlite> for Micros {
    fn decode(value: SqliteValueRef<'r>) -> Result<Self, BoxDynError> {
        Ok(Self(Timestamp(<i64 as Decode<Sqlite>>::decode(value)?)))
    }
}
