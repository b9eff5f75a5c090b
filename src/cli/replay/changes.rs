//! What differs between two JSON values, leaf by leaf.

use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// A place, as a JSON pointer; what stood there, and what stands there. Nothing is `null`.
pub type Change = (String, Value, Value);

/// The leaves that differ; arrays are leaves.
pub fn changes(before: &Value, after: &Value) -> Vec<Change> {
    let mut all = Vec::new();
    compare("", before, after, &mut all);
    all
}

fn compare(at: &str, before: &Value, after: &Value, all: &mut Vec<Change>) {
    if before == after {
        return;
    }
    let (Some(old), Some(new)) = (members(before), members(after)) else {
        all.push((at.to_owned(), before.clone(), after.clone()));
        return;
    };
    if old.is_empty() && new.is_empty() {
        all.push((at.to_owned(), before.clone(), after.clone()));
    }
    let names: BTreeSet<_> = old.keys().chain(new.keys()).collect();
    for name in names {
        let of = |object: &Map<String, Value>| object.get(name).cloned().unwrap_or(Value::Null);
        compare(&format!("{at}/{}", name.replace('~', "~0").replace('/', "~1")), &of(&old), &of(&new), all);
    }
}

/// What came into being, or went, is told by its members.
fn members(value: &Value) -> Option<Map<String, Value>> {
    match value {
        Value::Object(object) => Some(object.clone()),
        Value::Null => Some(Map::new()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn leaves_that_differ_are_told_by_their_place() {
        let before = json!({ "a": 1, "b": { "c": [1], "d/e": true }, "f": null });
        let after = json!({ "a": 1, "b": { "c": [1, 2], "d/e": null }, "f": { "g": 3 } });
        let found = changes(&before, &after);
        let expected = [
            ("/b/c".to_owned(), json!([1]), json!([1, 2])),
            ("/b/d~1e".to_owned(), json!(true), Value::Null),
            ("/f/g".to_owned(), Value::Null, json!(3)),
        ];
        assert_eq!(found, expected);
        assert_eq!(changes(&after, &after), []);
        assert_eq!(changes(&json!({}), &Value::Null), [(String::new(), json!({}), Value::Null)]);
    }
}
