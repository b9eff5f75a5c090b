//! JSON from the command line: as it stands there, from a file, or from the standard input.

use crate::cli::exit::{Exit, fail};
use crate::core::json::Json;
use anyhow::Result;
use std::io::Read;

/// More than any log takes; what is larger than the engine takes is refused by the engine, with an answer.
const MAX_BYTES: u64 = 8 << 20;

/// Reads what a flag is given.
///
/// # Errors
/// Where it can't be read, or is not JSON.
pub fn read(flag: &str, argument: &str) -> Result<Json> {
    let (name, text) = match argument.strip_prefix('@') {
        None if argument == "-" => ("the standard input", limited(&mut std::io::stdin().lock(), "the standard input")?),
        None => (flag, argument.to_owned()),
        Some(path) => {
            let mut file = std::fs::File::open(path)
                .map_err(|error| fail(Exit::Usage, format!("{path} can't be read: {error}")))?;
            (path, limited(&mut file, path)?)
        }
    };
    Json::parse(&text).map_err(|fault| fail(Exit::Usage, format!("{name} is {fault}")))
}

fn limited(from: &mut dyn Read, name: &str) -> Result<String> {
    let mut bytes = Vec::new();
    let read = from.take(MAX_BYTES + 1).read_to_end(&mut bytes);
    read.map_err(|error| fail(Exit::Usage, format!("{name} can't be read: {error}")))?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(fail(Exit::Usage, format!("{name} is larger than {} MiB, which no log takes", MAX_BYTES >> 20)));
    }
    String::from_utf8(bytes).map_err(|_| fail(Exit::Usage, format!("{name} is not UTF-8")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_is_json_or_a_file_with_json() {
        assert_eq!(read("--input", "{\"a\": 1}").unwrap().as_str(), "{\"a\": 1}");
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("order.json");
        std::fs::write(&file, "[1, 2]\n").unwrap();
        assert_eq!(read("--input", &format!("@{}", file.display())).unwrap().as_str(), "[1, 2]");
        for bad in ["{", "", "@/does/not/exist"] {
            let error = read("--input", bad).unwrap_err();
            assert_eq!(crate::cli::exit::of_error(&error), Exit::Usage, "{bad}: {error}");
        }
    }
}
