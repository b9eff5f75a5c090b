//! `dev` and `demo` keep log and store in a folder: what asks them for others is told so.

use super::Command;
use super::exit::{Exit, fail};
use crate::config::table;
use anyhow::Result;

/// Refuses the flags that name a log or store elsewhere; returns warnings about variables that do.
///
/// # Errors
/// Where such a flag was given.
pub fn refuse_urls(command: &Command, flags: &[(&'static str, String)]) -> Result<Vec<String>> {
    let verb = match command {
        Command::Dev(_) => "dev",
        Command::Demo(_) => "demo",
        _ => return Ok(Vec::new()),
    };
    let urls = [(table::LOG_URL, "--log-url", "Kafka"), (table::STORE_URL, "--store-url", "Postgres")];
    let advice =
        |other: &str| format!("`{verb}` is embedded, in the folder of --data; `orchestrator serve` is for a {other}");
    for (name, flag, other) in urls {
        if flags.iter().any(|(given, _)| *given == name) {
            return Err(fail(Exit::Usage, format!("{flag}: {}", advice(other))));
        }
    }
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let ignored = urls.iter().filter(|(name, _, _)| set(name));
    Ok(ignored.map(|(name, _, other)| format!("{name} is ignored: {}", advice(other))).collect())
}
