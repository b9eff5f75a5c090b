//! Which store an address means.

use super::postgres::PostgresStore;
use super::sqlite::SqliteStore;
use super::{Store, StoreError};
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
            masked(url)
        ))),
    }
}

/// The address with `***` for the password, in whichever way it is given.
pub fn masked(url: &str) -> String {
    let (head, query) = match url.split_once('?') {
        Some((head, query)) => (head, Some(query)),
        None => (url, None),
    };
    let mut text = mask_authority(head);
    if let Some(query) = query {
        let parts: Vec<&str> = query.split('&').map(mask_parameter).collect();
        text = format!("{text}?{}", parts.join("&"));
    }
    text
}

/// A password may itself hold `@`, `:` and `/` where someone forgot to encode them: all up to the last `@` is masked.
fn mask_authority(head: &str) -> String {
    let Some((scheme, rest)) = head.split_once("://") else { return head.to_owned() };
    let Some((credentials, host)) = rest.rsplit_once('@') else { return head.to_owned() };
    let user = credentials.split(':').next().unwrap_or_default();
    let password = if credentials.len() > user.len() { ":***" } else { "" };
    format!("{scheme}://{user}{password}@{host}")
}

fn mask_parameter(part: &str) -> &str {
    if part.to_ascii_lowercase().starts_with("password=") || part.to_ascii_lowercase().starts_with("sslpassword=") {
        "password=***"
    } else {
        part
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_shown() {
        for (url, shown) in [
            ("postgres://me:secret@db:5432/x", "postgres://me:***@db:5432/x"),
            ("postgres://me:se:cr/e@t@db/x", "postgres://me:***@db/x"),
            ("postgres://db/x?user=me&password=secret", "postgres://db/x?user=me&password=***"),
            ("postgres://me@db/x?sslmode=require", "postgres://me@db/x?sslmode=require"),
            ("sqlite://./dir/store.db", "sqlite://./dir/store.db"),
        ] {
            assert_eq!(masked(url), shown);
        }
    }

    #[test]
    fn an_address_that_is_none_is_refused_with_what_is_expected() {
        for url in ["", "mysql://me:secret@db/x", "sqlite://", "postgres://me:secret@db:port/x"] {
            let fault = open(url).map(|store| store.describe()).unwrap_err().to_string();
            assert!(fault.contains("expected ") && !fault.contains("secret"), "{url}: {fault}");
        }
    }
}
