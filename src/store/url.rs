//! Which store an address means.

use super::postgres::PostgresStore;
use super::sqlite::SqliteStore;
use super::{Store, StoreError};
use crate::core::mask;
use std::path::Path;
use std::sync::Arc;

/// The store at `postgres://user:password@host:port/database` or `sqlite://path/to/file` (`sqlite://./dir/store.db`,
/// `sqlite:///absolute/store.db`). Makes no tables: see [`Store::migrate`]. Postgres is first asked when it is used.
///
/// # Errors
/// `Refused` where the address is none of these, without its password.
pub fn open(url: &str) -> Result<Arc<dyn Store>, StoreError> {
    if url.starts_with("postgres://") || url.starts_with("postgresql://") {
        return Ok(Arc::new(PostgresStore::open(url)?));
    }
    match url.strip_prefix("sqlite://") {
        Some("") => Err(StoreError::Refused("sqlite:// names no file; expected sqlite://./dir/store.db".to_owned())),
        Some(path) => Ok(Arc::new(SqliteStore::open(Path::new(path))?)),
        None => Err(StoreError::Refused(format!(
            "{:?} is no address of a store; expected postgres://user:password@host:port/database or \
             sqlite://./dir/store.db",
            mask::url(url)
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_is_none_is_refused_with_what_is_expected() {
        for url in ["", "mysql://me:secret@db/x", "sqlite://", "postgres://me:secret@db:port/x"] {
            let fault = open(url).map(|store| store.describe()).unwrap_err().to_string();
            assert!(fault.contains("expected ") && !fault.contains("secret"), "{url}: {fault}");
        }
    }
}
