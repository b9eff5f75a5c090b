//! Mappings: what a node gets, given what was asked and what came before.

use orchestrator::core::definition::expression::{InputMapping, Scope};
use orchestrator::core::id::NodeId;
use orchestrator::core::json::Json;
use serde_json::{Value, json};
use std::collections::BTreeMap;

pub struct Known {
    request: Json,
    outputs: BTreeMap<String, Json>,
}

impl Scope for Known {
    fn request(&self) -> &Json {
        &self.request
    }
    fn output(&self, node_id: &str) -> Option<Json> {
        self.outputs.get(node_id).cloned()
    }
}

fn known(request: &str, outputs: &[(&str, &str)]) -> Known {
    let outputs = outputs.iter().map(|(id, text)| ((*id).to_owned(), Json::parse(text).unwrap())).collect();
    Known { request: Json::parse(request).unwrap(), outputs }
}

fn shop() -> Known {
    known(
        r#"{"order": 7, "price": 2.5, "big": 18446744073709551615, "vip": true, "note": null, "name": "Ada ☕",
            "items": [{"sku": "a", "n": 1}, {"sku": "b", "n": 3}], "at": "2024-02-29T12:00:00Z", "map": {"z": 1, "b": 2, "k": 3}}"#,
        &[("lookup", r#"{"items": ["x", "y"], "total": 12}"#), ("price-check", r#"{ "ok" : true }"#)],
    )
}

fn made(input: Value) -> Result<String, String> {
    let mapping = InputMapping::compile(Some(&input), &[]).map_err(|faults| format!("{faults:?}"))?;
    mapping.evaluate(&shop()).map(|json| json.as_str().to_owned())
}

#[test]
fn expressions_make_what_they_say() {
    let table = [
        (json!("request.order"), "7"),
        (json!("request.order + 1"), "8"),
        (json!("request.price * 2.0"), "5.0"),
        (json!("double(request.order) / 2.0"), "3.5"),
        (json!("request.big"), "18446744073709551615"),
        (json!("request.note"), "null"),
        (json!("request.vip ? 'gold' : 'plain'"), "\"gold\""),
        (json!("'Hello, ' + request.name"), "\"Hello, Ada ☕\""),
        (json!("size(request.items)"), "2"),
        (json!("size(request.name)"), "5"),
        (json!("request.items.map(i, i.sku)"), "[\"a\",\"b\"]"),
        (json!("request.items.filter(i, i.n > 1)"), "[{\"n\":3,\"sku\":\"b\"}]"),
        (json!("request.items.exists(i, i.sku == 'b') && !request.items.all(i, i.n > 1)"), "true"),
        (json!("request.items.map(i, request.items.map(j, i.sku + j.sku))"), "[[\"aa\",\"ab\"],[\"ba\",\"bb\"]]"),
        (json!("request.map.map(k, k)"), "[\"b\",\"k\",\"z\"]"),
        (json!("has(request.missing) ? request.missing : 'none'"), "\"none\""),
        (json!("request.?missing.orValue('none')"), "\"none\""),
        (json!("request.?missing"), "null"),
        (json!("request.?name.optMap(n, n + '!')"), "\"Ada ☕!\""),
        (json!("'b' in request.map"), "true"),
        (json!("'x' in outputs.lookup.items"), "true"),
        (json!("request.name.matches('^A[a-z]+ .$')"), "true"),
        (json!("outputs.lookup.total > 10"), "true"),
        (json!("outputs[\"price-check\"].ok"), "true"),
        (json!("has(outputs.lookup.total)"), "true"),
        (json!("timestamp(request.at) + duration('90m')"), "\"2024-02-29T13:30:00Z\""),
        (json!("timestamp(request.at) - timestamp('2024-02-29T11:59:58.5Z')"), "\"1.500s\""),
        (json!("duration('-1500ms')"), "\"-1.500s\""),
        (json!("b'abc'"), "\"YWJj\""),
        (json!("{1: 'a', true: 'b', 'c': [1u]}"), r#"{"1":"a","c":[1],"true":"b"}"#),
        (
            json!({"a": "request.order", "b": [1, true, null, "'text'"], "c/d": {"e": "outputs.lookup.total"}}),
            r#"{"a":7,"b":[1,true,null,"text"],"c/d":{"e":12}}"#,
        ),
        (json!(5), "5"),
        (json!(null), "null"),
        (json!({}), "{}"),
    ];
    for (input, expected) in table {
        let expected = expected.replace(".500s", ".5s");
        assert_eq!(made(input.clone()).as_deref(), Ok(expected.as_str()), "{input}");
    }
}

#[test]
fn a_name_alone_copies_the_text() {
    for (source, text) in [
        ("request", shop().request.as_str().to_owned()),
        (" outputs.lookup ", r#"{"items": ["x", "y"], "total": 12}"#.to_owned()),
        ("outputs[\"price-check\"]", "{ \"ok\" : true }".to_owned()),
        ("outputs['price-check']", "{ \"ok\" : true }".to_owned()),
    ] {
        assert_eq!(made(json!(source)).unwrap(), text);
    }
    assert_eq!(made(json!(["outputs.lookup"])).unwrap(), r#"[{"items": ["x", "y"], "total": 12}]"#);
}

#[test]
fn without_a_mapping_a_node_gets_what_it_waits_for() {
    let ids = ["price-check", "lookup"].map(|id| NodeId::new(id).unwrap());
    let made = |ids: &[NodeId]| InputMapping::compile(None, ids).unwrap().evaluate(&shop()).unwrap();
    assert_eq!(made(&[]), shop().request);
    assert_eq!(made(&ids).as_str(), r#"{"price-check":{ "ok" : true },"lookup":{"items": ["x", "y"], "total": 12}}"#);
}

#[test]
fn the_nodes_it_reads_are_known_before_it_runs() {
    let input = json!({"a": ["outputs.b + outputs['c-d'].e"], "x/y": "outputs.b", "z": "has(outputs.f) && true"});
    let upstream = InputMapping::compile(Some(&input), &[]).unwrap().upstream();
    let expected = [("b", "/a/0"), ("c-d", "/a/0"), ("f", "/z")].map(|(id, at)| (id.to_owned(), at.to_owned()));
    assert_eq!(upstream, expected);
}

#[test]
fn what_goes_wrong_is_said_with_the_expression() {
    let table = [
        ("request.total", "the expression `request.total`: No such key: total"),
        ("request.order / 0", "Division by zero"),
        ("request.order + 'x'", "the expression `request.order + 'x'`:"),
        ("request.price / 0.0", "its value is inf, which JSON has not"),
        ("double('nan')", "its value is NaN, which JSON has not"),
        ("type(request)", "its value is of type type, which JSON has not"),
        ("{1: 'a', '1': 'b'}", "two members that JSON would both call \"1\""),
        ("outputs.later", "node later has no output yet"),
        ("outputs.later.x", "node later has no output yet"),
        ("request.name.matches('(')", "matches(): regex parse error"),
        ("request.name.matches('(\\\\w{1000}){1000}')", "matches(): "),
        ("request.items[5]", "Index out of bounds"),
        ("9223372036854775807 + request.order", "Overflow"),
    ];
    for (source, part) in table {
        let fault = made(json!(source)).unwrap_err();
        assert!(fault.contains(part), "{source}: {fault}");
        assert!(fault.chars().count() < 600, "{source}: {fault}");
    }
}

#[test]
fn hostile_sources_are_refused() {
    let table = [
        ("x".repeat(5_000), "at most 4096"),
        (format!("{}1{}", "(".repeat(2_000), ")".repeat(2_000)), "does not parse"),
        (format!("{}1{}", "[".repeat(40), "]".repeat(40)), "does not parse"),
        (vec!["1"; 2_000].join("+"), "deeper than 48"),
        (format!("request{}", ".a".repeat(2_000)), "deeper than 48"),
        (format!("request{}", "[0]".repeat(1_300)), "deeper than 48"),
        (format!("{}1", "true?1:".repeat(500)), "does not parse"),
        (format!("[{}]", vec!["1"; 1_500].join(",")), "more than 1000 parts"),
        ("request.a.map(x, x.map(y, y.exists(z, z)))".to_owned(), "loops deeper than 2"),
        ("[1].map(request, request)".to_owned(), "binds the name `request`"),
        ("[1].map(outputs, outputs.x)".to_owned(), "binds the name `outputs`"),
        (".outputs.x".to_owned(), "unknown name"),
        ("outputs".to_owned(), "name the node"),
        ("outputs[request.x]".to_owned(), "name the node"),
        ("outputs.map(o, o)".to_owned(), "name the node"),
        ("\u{0}".to_owned(), "does not parse"),
        ("'unclosed".to_owned(), "does not parse"),
        ("☕".to_owned(), "does not parse"),
    ];
    for (source, part) in table {
        let fault = made(json!(source)).unwrap_err();
        assert!(fault.contains(part), "{source:.60}: {fault}");
    }
}

#[test]
fn hostile_evaluations_run_out_of_budget() {
    let numbers: Vec<u32> = (0..5_000).collect();
    let request = json!({"list": numbers, "text": "x".repeat(200_000), "pairs": numbers.iter().map(|n| json!({"n": n})).collect::<Vec<_>>()});
    let scope = known(&request.to_string(), &[]);
    let table = [
        "request.list.map(x, request.list.map(y, x + y))",
        "request.list.map(x, request.text)",
        "request.list.map(x, request.list)",
        "request.list.map(x, request.text + 'y').size() > 0",
        "request.list.exists(x, request.list.exists(y, y == -1))",
        "request.list.exists(x, request.list == request.pairs || request.text.contains('y'))",
        "request.list.all(x, size(request.text) > 0)",
        "request.pairs.filter(x, x in request.list)",
        "request.list.map(x, request.text.matches('y' + string(x)))",
        "request.list.map(x, {'a': request.pairs})",
        "request.list.map(x, request.?text)",
        "true || request.list.map(x, request.text).size() > 0 || request.list.map(x, request.text).size() > 0",
    ];
    for source in table {
        let result = InputMapping::compile(Some(&json!(source)), &[]).unwrap().evaluate(&scope);
        if source.starts_with("true") {
            assert_eq!(result.unwrap().as_str(), "true");
        } else {
            assert!(result.clone().unwrap_err().contains("costs more than 2000000 steps"), "{source}: {result:?}");
        }
    }
}

#[test]
fn all_expressions_of_a_mapping_share_one_budget() {
    let numbers: Vec<u32> = (0..5_000).collect();
    let scope = known(&json!(numbers).to_string(), &[]);
    let one = json!("request.map(x, x + 1).size()");
    assert!(InputMapping::compile(Some(&one), &[]).unwrap().evaluate(&scope).is_ok());
    let many = InputMapping::compile(Some(&json!(vec![one; 100])), &[]).unwrap();
    assert!(many.evaluate(&scope).unwrap_err().contains("costs more than"));
}

#[test]
fn honest_work_on_a_large_request_fits_the_budget() {
    let items: Vec<Value> =
        (0..10_000).map(|n| json!({"sku": format!("sku-{n}"), "price": n, "tags": ["a", "b"]})).collect();
    let scope = known(&json!({"items": items, "wanted": ["sku-7", "sku-8"], "index": {"sku-9": 1}}).to_string(), &[]);
    for source in [
        "request.items.filter(i, i.price > 5000).map(i, i.sku)",
        "request.items.filter(i, i.sku in request.wanted || i.sku in request.index)",
        "request.items.filter(i, i.price * 2 > size(request.items)).size()",
        "request.wanted.map(w, request.items.filter(i, i.sku == w))",
        "request.items.filter(i, i.sku.matches('-[0-9]7$')).size()",
    ] {
        let result = InputMapping::compile(Some(&json!(source)), &[]).unwrap().evaluate(&scope);
        assert!(result.is_ok(), "{source}: {result:?}");
    }
}

#[test]
fn inputs_too_large_or_too_deep_are_refused() {
    let big = known(&json!("x".repeat(1_000_000)).to_string(), &[]);
    let input =
        json!(["request", "request", "request", "request", "request", "request", "request", "request", "request"]);
    let fault = InputMapping::compile(Some(&input), &[]).unwrap().evaluate(&big).unwrap_err();
    assert!(fault.contains("larger than 8388608 bytes"), "{fault}");
    let deep = known(&format!("{}{}", "[".repeat(100), "]".repeat(100)), &[]);
    let fault = InputMapping::compile(Some(&json!(["request"])), &[]).unwrap().evaluate(&deep).unwrap_err();
    assert!(fault.contains("nested deeper than 100 levels"), "{fault}");
    let size = InputMapping::compile(Some(&json!("[request, 1].size()")), &[]).unwrap().evaluate(&deep).unwrap();
    assert_eq!(size.as_str(), "2");
}

#[test]
fn a_failure_is_told_in_the_same_words_each_time() {
    for input in
        ["request + request.name", "request.map - 1", "request.items[request.map]", "{request.map: 1}", "-request"]
    {
        let first = made(json!(input)).unwrap_err();
        for _ in 0..20 {
            assert_eq!(made(json!(input)).unwrap_err(), first, "{input}");
        }
    }
}
