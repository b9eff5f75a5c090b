//! Definitions from files and from the standard input.

use crate::cli::exit::{Exit, fail};
use crate::cli::output::say;
use crate::core::definition::Definition;
use crate::core::definition::validate::Fault;
use anyhow::Result;
use serde_json::{Value, json};
use std::io::Read;
use std::path::Path;

/// Larger files are no definitions: reading them would only waste memory.
const MAX_BYTES: u64 = 4 << 20;

/// A file and what became of reading it.
pub struct Source {
    /// The file, or `-`.
    pub name: String,
    /// The definition, or every fault.
    pub result: Result<Definition, Vec<Fault>>,
}

/// Reads every file; a file that can't be read at all is an error, one with faults is not.
///
/// # Errors
/// The file that can't be read.
pub fn all(files: &[String]) -> Result<Vec<Source>> {
    files.iter().map(|name| Ok(Source { name: name.clone(), result: Definition::read(&text(name)?) })).collect()
}

fn text(name: &str) -> Result<String> {
    let read = |from: &mut dyn Read| {
        let mut bytes = Vec::new();
        from.take(MAX_BYTES + 1).read_to_end(&mut bytes).map(|_| bytes)
    };
    let bytes = match name {
        "-" => read(&mut std::io::stdin().lock()),
        file => std::fs::File::open(Path::new(file)).and_then(|mut file| read(&mut file)),
    };
    let bytes = bytes.map_err(|error| fail(Exit::Usage, format!("{name} can't be read: {error}")))?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(fail(
            Exit::Refused,
            format!("{name} is larger than {} MiB: that is no definition", MAX_BYTES >> 20),
        ));
    }
    String::from_utf8(bytes).map_err(|_| fail(Exit::Refused, format!("{name} is not UTF-8")))
}

/// Says the faults of all files on the standard error, one a line: `file:line: place: what is wrong`.
pub fn say_faults(sources: &[Source]) {
    for source in sources {
        for fault in source.result.as_ref().err().into_iter().flatten() {
            say(line(&source.name, fault));
        }
    }
}

fn line(name: &str, fault: &Fault) -> String {
    let at = fault.line.map_or_else(String::new, |line| format!(":{line}"));
    let place = if fault.place.is_empty() { String::new() } else { format!("{}: ", fault.place) };
    format!("{name}{at}: {place}{}", fault.message)
}

/// A file and its faults for programs.
pub fn json(source: &Source) -> Value {
    let faults = source.result.as_ref().err().map_or(&[][..], Vec::as_slice);
    let definition = source.result.as_ref().ok();
    json!({
        "file": source.name,
        "valid": faults.is_empty(),
        "name": definition.map(|definition| definition.name.as_str()),
        "hash": definition.map(|definition| definition.hash.to_string()),
        "faults": faults
            .iter()
            .map(|fault| json!({ "place": fault.place, "line": fault.line, "message": fault.message }))
            .collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_a_line_that_editors_can_jump_to() {
        let fault =
            |place: &str, at| Fault { place: place.to_owned(), line: at, message: "expected a list".to_owned() };
        assert_eq!(line("shop.yaml", &fault("nodes", Some(7))), "shop.yaml:7: nodes: expected a list");
        assert_eq!(line("-", &fault("", None)), "-: expected a list");
    }
}
