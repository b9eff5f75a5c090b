//! YAML or JSON text to a document, with the line of every value.

use super::stack::on_large_stack;
use super::validate::Fault;
use crate::core::json::{MAX_DEPTH, check_depth};
use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use serde_saphyr::Spanned;
use std::collections::BTreeMap;
use std::fmt;

/// Largest definition document, in bytes: it has to fit into one record of a topic with room to spare.
pub const MAX_DOCUMENT_BYTES: usize = 1 << 20;

/// How many aliases (`*name`) of YAML may be followed, and how much they may unfold to: enough to share a contract
/// among nodes, far too little for a bomb.
const MAX_ALIASED_VALUES: usize = 100_000;

/// Where each value of a document stands in the text it was read from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places(Place);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Place {
    line: u32,
    children: BTreeMap<String, Place>,
}

impl Places {
    /// The line, counted from 1, of what a JSON pointer names, or of the closest value around it that exists;
    /// none where the text did not tell lines.
    pub fn line(&self, pointer: &str) -> Option<u32> {
        let mut place = &self.0;
        for part in pointer.split('/').skip(1) {
            match place.children.get(&part.replace("~1", "/").replace("~0", "~")) {
                Some(child) => place = child,
                None => break,
            }
        }
        (place.line > 0).then_some(place.line)
    }
}

/// Reads a document. JSON is told from YAML by its first character, `{`.
///
/// # Errors
/// What is wrong with the text: its size, its nesting, its grammar, or a name given twice in one object.
pub fn parse(text: &str) -> Result<(Value, Places), Vec<Fault>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.len() > MAX_DOCUMENT_BYTES {
        let message = format!("the document is {} bytes long; at most {MAX_DOCUMENT_BYTES} are allowed", text.len());
        return Err(vec![Fault::at("", message)]);
    }
    if !text.trim_ascii_start().starts_with('{') {
        return yaml(text).map(|(value, place)| (value, Places(place))).map_err(|fault| vec![*fault]);
    }
    if check_depth(text.as_bytes()).is_err() {
        return Err(vec![Fault::at("", format!("the document is nested deeper than {MAX_DEPTH} levels"))]);
    }
    let Unique(value) = serde_json::from_str(text).map_err(|error| {
        let line = u32::try_from(error.line()).ok().filter(|line| *line > 0);
        vec![Fault { line, ..Fault::at("", format!("not a JSON document: {error}")) }]
    })?;
    // JSON is YAML too, and only that parser tells lines; they are a courtesy, so a text it does not take has none.
    let places = yaml(text).map(|(_, place)| Places(place)).unwrap_or_default();
    Ok((value, places))
}

fn yaml(text: &str) -> Result<(Value, Place), Box<Fault>> {
    on_large_stack(|| yaml_here(text)).unwrap_or_else(|_| {
        let message = "the YAML library failed on this document; write it as JSON";
        Err(Box::new(Fault::at("", message)))
    })
}

fn yaml_here(text: &str) -> Result<(Value, Place), Box<Fault>> {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: MAX_DEPTH,
            max_documents: 1,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: MAX_ALIASED_VALUES,
        },
        // `on`, `yes` and the like are words, as YAML 1.2 says.
        strict_booleans: true,
        with_snippet: false,
    };
    let tree: Spanned<Tree> = serde_saphyr::from_str_with_options(text, options).map_err(|error| {
        let line = error.location().and_then(|at| u32::try_from(at.line()).ok()).filter(|line| *line > 0);
        Box::new(Fault { line, ..Fault::at("", yaml_message(&error)) })
    })?;
    Ok(separate(tree))
}

/// The library's words, or better ones where it speaks of its own options.
fn yaml_message(error: &serde_saphyr::Error) -> String {
    use serde_saphyr::Error;
    use serde_saphyr::budget::BudgetBreach;
    match error.without_snippet() {
        Error::DuplicateMappingKey { key: Some(key), .. } => format!("{key:?} is named twice in one object"),
        Error::Budget { breach: BudgetBreach::Documents { .. }, .. } => {
            "the text holds more than one YAML document; give one at a time".to_owned()
        }
        Error::Budget { breach: BudgetBreach::Depth { .. }, .. } => {
            format!("the document is nested deeper than {MAX_DEPTH} levels")
        }
        other => {
            let words = other.to_string();
            // The line is told apart, and the column is often off by the indentation.
            let end = words.rfind(" at line ").unwrap_or(words.len());
            format!("not a YAML document: {}", &words[..end])
        }
    }
}

/// A JSON value whose objects name no member twice.
struct Unique(Value);

/// A value with the places of its children.
enum Tree {
    Scalar(Value),
    Array(Vec<Spanned<Tree>>),
    Object(Vec<(String, Spanned<Tree>)>),
}

fn separate(tree: Spanned<Tree>) -> (Value, Place) {
    let mut place =
        Place { line: u32::try_from(tree.referenced.line()).unwrap_or_default(), children: BTreeMap::new() };
    let value = match tree.value {
        Tree::Scalar(value) => value,
        Tree::Array(items) => {
            let mut values = Vec::with_capacity(items.len());
            for (i, item) in items.into_iter().enumerate() {
                let (value, child) = separate(item);
                values.push(value);
                place.children.insert(i.to_string(), child);
            }
            Value::Array(values)
        }
        Tree::Object(members) => {
            let mut values = Map::new();
            for (name, member) in members {
                let (value, child) = separate(member);
                place.children.insert(name.clone(), child);
                values.insert(name, value);
            }
            Value::Object(values)
        }
    };
    (value, place)
}

/// What [`Unique`] and [`Tree`] have in common: scalars are JSON's, and no object names a member twice.
trait Node: for<'de> Deserialize<'de> {
    type Child: for<'de> Deserialize<'de>;
    fn scalar(value: Value) -> Self;
    fn array(items: Vec<Self::Child>) -> Self;
    fn object(members: Vec<(String, Self::Child)>) -> Self;
}

impl Node for Unique {
    type Child = Unique;
    fn scalar(value: Value) -> Self {
        Unique(value)
    }
    fn array(items: Vec<Unique>) -> Self {
        Unique(Value::Array(items.into_iter().map(|item| item.0).collect()))
    }
    fn object(members: Vec<(String, Unique)>) -> Self {
        Unique(Value::Object(members.into_iter().map(|(name, member)| (name, member.0)).collect()))
    }
}

impl Node for Tree {
    type Child = Spanned<Tree>;
    fn scalar(value: Value) -> Self {
        Tree::Scalar(value)
    }
    fn array(items: Vec<Spanned<Tree>>) -> Self {
        Tree::Array(items)
    }
    fn object(members: Vec<(String, Spanned<Tree>)>) -> Self {
        Tree::Object(members)
    }
}

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor(std::marker::PhantomData))
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor(std::marker::PhantomData))
    }
}

struct NodeVisitor<N>(std::marker::PhantomData<N>);

impl<'de, N: Node> Visitor<'de> for NodeVisitor<N> {
    type Value = N;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a value that JSON has: an object, a list, text, a number, true, false or null")
    }
    fn visit_unit<E>(self) -> Result<N, E> {
        Ok(N::scalar(Value::Null))
    }
    fn visit_none<E>(self) -> Result<N, E> {
        Ok(N::scalar(Value::Null))
    }
    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<N, D::Error> {
        N::deserialize(deserializer)
    }
    fn visit_bool<E>(self, value: bool) -> Result<N, E> {
        Ok(N::scalar(Value::Bool(value)))
    }
    fn visit_i64<E>(self, value: i64) -> Result<N, E> {
        Ok(N::scalar(value.into()))
    }
    fn visit_u64<E>(self, value: u64) -> Result<N, E> {
        Ok(N::scalar(value.into()))
    }
    fn visit_f64<E: de::Error>(self, value: f64) -> Result<N, E> {
        let number = Number::from_f64(value).ok_or_else(|| E::custom("a number that JSON has not"))?;
        Ok(N::scalar(Value::Number(number)))
    }
    fn visit_str<E>(self, value: &str) -> Result<N, E> {
        Ok(N::scalar(Value::String(value.to_owned())))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<N, A::Error> {
        let mut all = Vec::new();
        while let Some(item) = items.next_element::<N::Child>()? {
            all.push(item);
        }
        Ok(N::array(all))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<N, A::Error> {
        let (mut all, mut names) = (Vec::new(), std::collections::HashSet::new());
        while let Some(name) = members.next_key::<String>()? {
            if !names.insert(name.clone()) {
                return Err(de::Error::custom(format!("{name:?} is named twice in one object")));
            }
            all.push((name, members.next_value::<N::Child>()?));
        }
        Ok(N::object(all))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn fault(text: &str) -> Fault {
        parse(text).map(|(value, _)| value).unwrap_err().remove(0)
    }

    #[test]
    fn yaml_and_json_say_the_same() {
        let yaml = "name: shop # a comment\nnodes:\n  - node_id: a\n    timeout: 1.5\n    on: yes\n    no: ~\n";
        let json = r#"{"name": "shop", "nodes": [{"node_id": "a", "timeout": 1.5, "on": "yes", "no": null}]}"#;
        assert_eq!(parse(yaml).unwrap().0, parse(json).unwrap().0);
    }

    #[test]
    fn lines_are_known() {
        let (_, places) = parse("name: shop\nnodes:\n  - node_id: a\n    x/y: 1\n  - node_id: b\n").unwrap();
        let lines = ["", "/name", "/nodes/0", "/nodes/0/x~1y", "/nodes/1/node_id", "/nodes/1/missing"];
        assert_eq!(lines.map(|at| places.line(at)), [1, 1, 3, 4, 5, 5].map(Some));
        let (_, places) = parse("{\n \"name\": \"shop\",\n \"nodes\": [\n  1, 2\n ]\n}").unwrap();
        assert_eq!(["/name", "/nodes/1"].map(|at| places.line(at)), [2, 4].map(Some));
    }

    #[test]
    fn names_given_twice_are_refused() {
        for text in ["a: 1\nb: 2\na: 3\n", "{\"a\": 1, \"b\": 2,\n \"a\": 3}"] {
            let fault = fault(text);
            assert!(fault.message.contains("twice") || fault.message.contains("duplicate"), "{fault:?}");
        }
    }

    #[test]
    fn bombs_and_depth_are_refused() {
        let bomb = (1..12).fold("a0: &a0 [x]\n".to_owned(), |text, i| {
            let p = i - 1;
            text + &format!("a{i}: &a{i} [*a{p},*a{p},*a{p},*a{p},*a{p},*a{p},*a{p},*a{p},*a{p}]\n")
        });
        assert!(fault(&bomb).message.contains("not a YAML document"));
        let deep = |n: usize| format!("{{\"a\": {}{}}}", "[".repeat(n), "]".repeat(n));
        assert!(parse(&deep(99)).is_ok());
        for n in [100, 50_000] {
            assert!(fault(&deep(n)).message.contains("deeper than 100"));
            assert!(!fault(&deep(n).replacen("{\"a\": ", "a: ", 1).replace('}', "")).message.is_empty());
        }
        let dashes = format!("a:\n  {}x", "- ".repeat(50_000));
        assert!(!fault(&dashes).message.is_empty());
        assert!(fault(&"x".repeat(MAX_DOCUMENT_BYTES + 1)).message.contains("at most 1048576"));
    }

    #[test]
    fn what_is_no_document_is_refused_with_its_line() {
        assert_eq!(fault("{\"a\": 1,\n \"b\": }").line, Some(2));
        assert_eq!(fault("a: 1\nb: [\n").place, "");
        for text in ["a: .nan", "a: 1\n---\nb: 2\n", "{\"a\": 1e999}", "? [1]\n: 2\n"] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert_eq!(parse("").unwrap().0, json!(null));
    }
}
