//! What a schema may cost. A validator walks a schema once for every reference to it, so a few references that
//! name each other twice over make it walk for ages; here such schemas are refused before they are compiled.
//!
//! Two rules. With all references replaced by what they name, a schema has at most [`MAX_SCHEMA_VALUES`] values.
//! And where a schema refers back to itself, it does so at most once for any one part of an instance: a list whose
//! tail is a list, or a tree with a left and a right tree, but not two alternatives that both descend into the same
//! member.

use super::{Breach, MAX_DEPTH, MAX_SCHEMA_VALUES};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// Words whose value is data, not a schema.
pub(super) const DATA: [&str; 4] = ["const", "enum", "default", "examples"];
/// Words that refer to another schema.
const REFERENCES: [&str; 3] = ["$ref", "$dynamicRef", "$recursiveRef"];
/// Words whose schemas judge the same value as the schema they stand in.
const SAME_VALUE: [&str; 9] =
    ["allOf", "anyOf", "oneOf", "not", "if", "then", "else", "dependentSchemas", "dependencies"];
/// Words whose value is an object of schemas under names of the author's.
pub(super) const MAPS: [&str; 6] =
    ["properties", "patternProperties", "$defs", "definitions", "dependentSchemas", "dependencies"];
/// How many of its parts a schema may refer to: what refers to what is looked at pair by pair.
const MAX_TARGETS: usize = 200;

/// Refuses a schema that refers to others, or that may cost too much.
///
/// # Errors
/// Every reference that is at fault, or else the one thing that makes the schema cost too much.
pub(super) fn check(schema: &Value) -> Result<(), Vec<Breach>> {
    let mut faults = Vec::new();
    let references = references(schema, &mut faults).map_err(|breach| vec![breach])?;
    for (pointer, target) in &references {
        if is_pointer(target) && schema.pointer(target).is_none() {
            faults.push(breach(pointer, format!("\"#{target}\" names nothing in this schema")));
        }
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    measure(schema, &references).map_err(|breach| vec![breach])
}

/// Refuses a schema that may cost too much.
fn measure(schema: &Value, references: &[(String, String)]) -> Result<(), Breach> {
    let reach = reach(references)?;
    let recursive: Vec<&str> = reach.iter().filter(|(from, to)| to.contains(*from)).map(|(from, _)| *from).collect();
    let mut walk = Walk { schema, reach: &reach, visited: 0 };
    walk.judge(None, &[schema], 0)?;
    for start in recursive {
        if let Some(body) = schema.pointer(start) {
            walk.judge(Some(start), &[body], 0)?;
        }
    }
    Ok(())
}

fn is_pointer(target: &str) -> bool {
    target.is_empty() || target.starts_with('/')
}

fn breach(pointer: &str, message: impl Into<String>) -> Breach {
    Breach { pointer: pointer.to_owned(), message: message.into() }
}

/// All references, each with its place and what it names within the schema; what is none of it is added to `faults`.
fn references(schema: &Value, faults: &mut Vec<Breach>) -> Result<Vec<(String, String)>, Breach> {
    let (mut found, mut values) = (Vec::new(), 0usize);
    // With each value: whether its members are words of JSON Schema, or names of the author's.
    let mut open = vec![(String::new(), schema, 0usize, true)];
    while let Some((pointer, value, depth, words)) = open.pop() {
        values += 1;
        if values > MAX_SCHEMA_VALUES {
            return Err(breach("", format!("the schema has more than {MAX_SCHEMA_VALUES} values")));
        }
        if depth > MAX_DEPTH {
            return Err(breach("", format!("the schema is nested deeper than {MAX_DEPTH} levels")));
        }
        match value {
            Value::Object(members) => {
                for (name, member) in members.iter().rev() {
                    let at = format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"));
                    if words && name == "$id" && depth > 0 && member.is_string() {
                        faults.push(breach(&at, "only the whole schema may have an \"$id\""));
                        continue;
                    }
                    match member.as_str().filter(|_| words && REFERENCES.contains(&name.as_str())) {
                        Some(target) => match local(&at, target) {
                            Ok(target) => found.push((at, target)),
                            Err(fault) => faults.push(fault),
                        },
                        None if words && DATA.contains(&name.as_str()) => {}
                        None => open.push((at, member, depth + 1, !(words && MAPS.contains(&name.as_str())))),
                    }
                }
            }
            Value::Array(items) => {
                let children = items.iter().enumerate().rev();
                open.extend(children.map(|(i, item)| (format!("{pointer}/{i}"), item, depth + 1, true)));
            }
            _ => {}
        }
    }
    Ok(found)
}

/// The part of a reference after `#`; anything else would have to be fetched.
fn local(at: &str, target: &str) -> Result<String, Breach> {
    let Some(fragment) = target.strip_prefix('#') else {
        let message = format!(
            "{target:?} refers to another document; only references within the schema are allowed, such as \
             \"#/$defs/address\""
        );
        return Err(breach(at, message));
    };
    if fragment.contains('%') {
        return Err(breach(at, format!("{target:?} is percent-encoded; give the member a plain name")));
    }
    Ok(fragment.to_owned())
}

/// What each target of a reference refers to, directly or by way of others.
fn reach(references: &[(String, String)]) -> Result<BTreeMap<&str, BTreeSet<&str>>, Breach> {
    let targets: BTreeSet<&str> = references.iter().map(|(_, target)| target.as_str()).collect();
    if targets.len() > MAX_TARGETS {
        return Err(breach("", format!("the schema refers to more than {MAX_TARGETS} of its parts")));
    }
    // The references that stand below a target. Where an anchor (`#name`) stands is not looked up: it may refer to
    // anything, which is the careful side.
    let below = |target: &str| -> BTreeSet<&str> {
        let stands_below = |at: &str| match is_pointer(target) {
            true => at.strip_prefix(target).is_some_and(|rest| rest.starts_with('/')),
            false => true,
        };
        references.iter().filter(|(at, _)| stands_below(at)).map(|(_, to)| to.as_str()).collect()
    };
    let direct: BTreeMap<&str, BTreeSet<&str>> = targets.iter().map(|target| (*target, below(target))).collect();
    let mut reach = BTreeMap::new();
    for start in targets {
        let (mut seen, mut open) = (BTreeSet::new(), vec![start]);
        while let Some(target) = open.pop() {
            open.extend(direct.get(target).into_iter().flatten().copied().filter(|next| seen.insert(*next)));
        }
        reach.insert(start, seen);
    }
    Ok(reach)
}

struct Walk<'s> {
    schema: &'s Value,
    reach: &'s BTreeMap<&'s str, BTreeSet<&'s str>>,
    visited: usize,
}

/// The schemas that apply to the parts of an instance.
#[derive(Default)]
struct Parts<'s> {
    /// By name of a member.
    members: BTreeMap<&'s str, Vec<&'s Value>>,
    /// By place in a list.
    items: BTreeMap<usize, Vec<&'s Value>>,
    /// To members of any name, but those that the second says.
    any_member: Vec<(&'s Value, Option<&'s Map<String, Value>>)>,
    /// To items at any place.
    any_item: Vec<&'s Value>,
}

impl<'s> Walk<'s> {
    /// Judges the schemas that apply to one and the same part of an instance, then those of its parts. `start` is
    /// the recursive reference whose body this is; another recursive reference is not followed, as its body is
    /// judged by itself.
    fn judge(&mut self, start: Option<&str>, schemas: &[&'s Value], depth: usize) -> Result<(), Breach> {
        if depth > 2 * MAX_DEPTH {
            return Err(breach("", "with its references followed, the schema is nested too deeply"));
        }
        let (mut open, mut back, mut parts) = (schemas.to_vec(), 0usize, Parts::default());
        while let Some(schema) = open.pop() {
            self.visited += 1;
            if self.visited > MAX_SCHEMA_VALUES {
                let message =
                    format!("with its references followed, the schema has more than {MAX_SCHEMA_VALUES} parts");
                return Err(breach("", message));
            }
            let Value::Object(words) = schema else { continue };
            for (word, value) in words {
                match value.as_str().and_then(|to| to.strip_prefix('#')).filter(|_| REFERENCES.contains(&&**word)) {
                    Some(target) if !self.is_recursive(target) => open.extend(self.schema.pointer(target)),
                    Some(target) => back += usize::from(self.leads_back(target, start)),
                    None if SAME_VALUE.contains(&&**word) => schemas_in(word, value, &mut open),
                    None => parts.add(words, word, value),
                }
            }
        }
        if back > 1 {
            let message = "the schema refers back to itself more than once for the same value, so checking a value \
                           would take time that doubles with every level of its nesting; let one reference do";
            return Err(breach(start.unwrap_or_default(), message));
        }
        for group in parts.groups() {
            self.judge(start, &group, depth + 1)?;
        }
        Ok(())
    }

    fn is_recursive(&self, target: &str) -> bool {
        !is_pointer(target) || self.reach.get(target).is_some_and(|to| to.contains(target))
    }

    /// Whether a reference met below `start` may lead to `start` again.
    fn leads_back(&self, target: &str, start: Option<&str>) -> bool {
        start.is_some_and(|start| target == start || self.reach.get(target).is_some_and(|to| to.contains(start)))
    }
}

impl<'s> Parts<'s> {
    fn add(&mut self, words: &'s Map<String, Value>, word: &str, value: &'s Value) {
        match word {
            "properties" => {
                for (name, member) in value.as_object().into_iter().flatten() {
                    self.members.entry(name).or_default().push(member);
                }
            }
            "prefixItems" => {
                for (i, item) in value.as_array().into_iter().flatten().enumerate() {
                    self.items.entry(i).or_default().push(item);
                }
            }
            "additionalProperties" | "unevaluatedProperties" => {
                self.any_member.push((value, words.get("properties").and_then(Value::as_object)));
            }
            "items" | "additionalItems" | "unevaluatedItems" | "contains" => {
                schemas_in(word, value, &mut self.any_item);
            }
            "$defs" | "definitions" => {}
            word if DATA.contains(&word) => {}
            // patternProperties, propertyNames, and words that are not known.
            word => {
                let mut schemas = Vec::new();
                schemas_in(word, value, &mut schemas);
                self.any_member.extend(schemas.into_iter().map(|schema| (schema, None)));
            }
        }
    }

    /// The schemas that may apply to the same part.
    fn groups(self) -> Vec<Vec<&'s Value>> {
        let any_member = |name: &str| -> Vec<&'s Value> {
            let meets = |(_, but): &&(_, Option<&Map<String, Value>>)| but.is_none_or(|but| !but.contains_key(name));
            self.any_member.iter().filter(meets).map(|(schema, _)| *schema).collect()
        };
        let members = self.members.iter().map(|(name, schemas)| [schemas.clone(), any_member(name)].concat());
        let items = self.items.values().map(|schemas| [schemas.clone(), self.any_item.clone()].concat());
        let any_member = self.any_member.iter().map(|(schema, _)| *schema).collect();
        members.chain(items).chain([any_member, self.any_item.clone()]).filter(|group| !group.is_empty()).collect()
    }
}

/// The schemas in a word's value: the value itself, the items of a list, or the members of an object of schemas.
fn schemas_in<'s>(word: &str, value: &'s Value, into: &mut Vec<&'s Value>) {
    match value {
        Value::Array(items) => into.extend(items.iter().filter(|item| item.is_object())),
        Value::Object(members) if MAPS.contains(&word) => into.extend(members.values().filter(|m| m.is_object())),
        Value::Object(_) => into.push(value),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn honest_recursion_passes() {
        let tree = json!({"properties": {"left": {"$ref": "#"}, "right": {"$ref": "#"}, "value": {"type": "number"}}});
        let list = json!({"$defs": {"list": {"anyOf": [{"type": "null"}, {"properties": {"tail": {"$ref": "#/$defs/list"}}}]}},
            "$ref": "#/$defs/list"});
        let shared = json!({"$defs": {"money": {"type": "number"}}, "properties": {
            "price": {"$ref": "#/$defs/money"}, "shipping": {"$ref": "#/$defs/money"},
            "lines": {"items": {"properties": {"price": {"$ref": "#/$defs/money"}}}}}});
        let named_like_a_word = json!({"properties": {"$ref": {"type": "string"}, "enum": {"type": "string"}}});
        let other_members = json!({"properties": {"c": {"$ref": "#"}}, "additionalProperties": {"$ref": "#"},
            "prefixItems": [{"$ref": "#"}, {"$ref": "#"}]});
        for schema in [tree, list, shared, named_like_a_word, other_members] {
            assert_eq!(check(&schema), Ok(()), "{schema}");
        }
    }

    #[test]
    fn schemas_that_double_are_refused() {
        let mut defs = serde_json::Map::from_iter([("a0".to_owned(), json!({"type": "string"}))]);
        for i in 1..40 {
            let below = format!("#/$defs/a{}", i - 1);
            defs.insert(format!("a{i}"), json!({"anyOf": [{"$ref": below}, {"$ref": below}]}));
        }
        let wide = json!({"$defs": defs, "$ref": "#/$defs/a39"});
        assert!(check(&wide).unwrap_err()[0].message.contains("more than 10000 parts"));
        let deep = json!({"$ref": "#/$defs/n", "$defs": {"n": {"properties": {
            "c": {"anyOf": [{"$ref": "#/$defs/n"}, {"$ref": "#/$defs/n"}]}}}}});
        let across = json!({"oneOf": [{"properties": {"l": {"$ref": "#"}}}, {"properties": {"l": {"$ref": "#"}}}]});
        let items = json!({"properties": {"c": {"$ref": "#"}}, "patternProperties": {"^c": {"$ref": "#"}}});
        for schema in [deep, across, items] {
            assert!(check(&schema).unwrap_err()[0].message.contains("doubles"), "{schema}");
        }
    }
}
