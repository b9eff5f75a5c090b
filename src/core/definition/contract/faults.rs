//! Everything that is wrong with a schema, in better words than the library's where the fault is a common one.

use super::cost::{DATA, MAPS};
use super::{Breach, MAX_PATTERN_BYTES, options};
use jsonschema::ValidationError;
use serde_json::{Value, json};

/// What the schema of schemas and the regular expressions have to say about a schema, one fault for each place; empty
/// where neither finds anything.
pub(super) fn of_schema(schema: &Value) -> Vec<Breach> {
    let mut found = Vec::new();
    patterns(schema, &mut String::new(), true, &mut found);
    if let Ok(meta) = jsonschema::meta::validator_for(schema) {
        for error in meta.iter_errors(schema) {
            add(&mut found, of_error(&error));
        }
    }
    found
}

/// One more, unless its place has one already.
pub(super) fn add(found: &mut Vec<Breach>, fault: Breach) {
    if found.iter().all(|other| other.pointer != fault.pointer) {
        found.push(fault);
    }
}

/// A fault as the library found it.
pub(super) fn of_error(error: &ValidationError) -> Breach {
    let pointer = error.instance_path().as_str().to_owned();
    let message = match pointer.rsplit('/').next() {
        Some("type") => {
            "expected one of string, number, integer, boolean, object, array, null, or a list of these".to_owned()
        }
        _ => error.to_string(),
    };
    breach(pointer, &message)
}

fn breach(pointer: String, message: &str) -> Breach {
    Breach { pointer, message: format!("not a JSON Schema: {message}") }
}

/// Looks for regular expressions that are none; `words`: whether members are words of JSON Schema, or names of the
/// author's.
fn patterns(value: &Value, pointer: &mut String, words: bool, found: &mut Vec<Breach>) {
    let length = pointer.len();
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                pointer.push('/');
                pointer.push_str(&name.replace('~', "~0").replace('/', "~1"));
                match (words, name.as_str(), member) {
                    (true, "pattern", Value::String(pattern)) => check(pattern, pointer, found),
                    (true, "patternProperties", Value::Object(schemas)) => {
                        for pattern in schemas.keys() {
                            let place = pattern.replace('~', "~0").replace('/', "~1");
                            check(pattern, &format!("{pointer}/{place}"), found);
                        }
                        patterns(member, pointer, false, found);
                    }
                    (true, word, _) if DATA.contains(&word) => {}
                    (_, word, _) => patterns(member, pointer, !(words && MAPS.contains(&word)), found),
                }
                pointer.truncate(length);
            }
        }
        Value::Array(items) => {
            for (i, item) in items.iter().enumerate() {
                pointer.push_str(&format!("/{i}"));
                patterns(item, pointer, true, found);
                pointer.truncate(length);
            }
        }
        _ => {}
    }
}

fn check(pattern: &str, pointer: &str, found: &mut Vec<Breach>) {
    if options().build(&json!({ "pattern": pattern })).is_err() {
        let message = format!("{}, found {pattern:?}", expected(pattern));
        found.push(breach(pointer.to_owned(), &message));
    }
}

/// What is expected in the place of a pattern that is refused.
fn expected(pattern: &str) -> String {
    const LINEAR: &str = "expected a regular expression without look-around and back-references (it has to run in \
                          linear time)";
    match regex::RegexBuilder::new(pattern).size_limit(MAX_PATTERN_BYTES).build() {
        Err(regex::Error::CompiledTooBig(_)) => "expected a regular expression that is not very large".to_owned(),
        Err(regex::Error::Syntax(text)) => {
            // The last line of several says what is wrong.
            let reason = text.lines().last().unwrap_or_default().trim_start_matches("error: ");
            match reason.contains("look-around") || reason.contains("backreference") {
                true => LINEAR.to_owned(),
                false => format!("expected a regular expression ({reason})"),
            }
        }
        _ => LINEAR.to_owned(),
    }
}
