//! Requests and reports as others write them: what is understood, and each way of being refused.

use crate::samples;
use orchestrator::core::failure::FailureClass;
use orchestrator::core::json::MAX_DEPTH;
use orchestrator::core::rejection::{Refusal, RefusalReason};
use orchestrator::core::usage::Usage;
use orchestrator::wire::report::{self, Report, ReportOutcome};
use orchestrator::wire::{request, schema};
use serde::Serialize;
use std::time::Duration;

const LIMIT: usize = 1 << 20;
const DISPATCH: &str = "0123456789abcdef0123456789abcdef/find-orders/1";

#[derive(Serialize)]
struct AvroRequest<'a> {
    definition: &'a str,
    version: Option<i32>,
    input: &'a str,
    workflow_id: Option<&'a str>,
    conversation_id: Option<&'a str>,
}

#[derive(Serialize)]
struct AvroReport<'a> {
    r#type: &'a str,
    dispatch_id: &'a str,
    workflow_id: Option<&'a str>,
    output: Option<&'a str>,
    class: Option<&'a str>,
    code: Option<&'a str>,
    message: Option<&'a str>,
    details: Option<&'a str>,
    retry_after: Option<f64>,
    usage: Option<Usage>,
}

/// As a client writes it that has the schema file and nothing of ours.
fn avro(schema: &str, record: impl Serialize) -> Vec<u8> {
    let text = schema::by_name(schema).unwrap().text;
    let schema: serde_avro_fast::Schema = text.parse().unwrap();
    let config = &mut serde_avro_fast::ser::SerializerConfig::new(&schema);
    serde_avro_fast::to_single_object_vec(&record, config).unwrap()
}

fn avro_request_of(definition: &str, version: Option<i32>, input: &str) -> Vec<u8> {
    let (workflow_id, conversation_id) = (Some("w"), None);
    avro("Request", AvroRequest { definition, version, input, workflow_id, conversation_id })
}

pub fn avro_request() -> Vec<u8> {
    avro_request_of("coffee", Some(3), r#"{"cups": 2}"#)
}

pub fn avro_report() -> Vec<u8> {
    avro_report_of(3)
}

fn frame(name: &str, version: u32) -> [u8; schema::FRAME_BYTES] {
    schema::all().iter().find(|schema| (schema.name, schema.version) == (name, version)).unwrap().frame()
}

fn avro_report_of(version: u32) -> Vec<u8> {
    let [output, class, code, message, details] = [None, None, None, Some("no beans"), Some("{}")];
    let r#type = "failed";
    let (dispatch_id, workflow_id) = (DISPATCH, Some("w"));
    let retry_after = Some(2.5);
    let usage = (version == 3).then(samples::usage);
    let record =
        AvroReport { r#type, dispatch_id, workflow_id, output, class, code, message, details, retry_after, usage };
    let newest = avro("Report", record);
    // Earlier versions lack the last fields: usage (which branch of the union), retry_after (likewise, and a double).
    let lacks = match version {
        1 => 10,
        2 => 1,
        _ => return newest,
    };
    [&frame("Report", version)[..], &newest[schema::FRAME_BYTES..newest.len() - lacks]].concat()
}

/// The same body with the Confluent framing.
fn confluent(single_object: &[u8]) -> Vec<u8> {
    [&[0, 0, 0, 0, 42], &single_object[schema::FRAME_BYTES..]].concat()
}

fn deep(levels: usize) -> String {
    "[".repeat(levels) + &"]".repeat(levels)
}

#[track_caller]
fn refused<T: std::fmt::Debug>(read: Result<T, Refusal>, reason: RefusalReason, part: &str, workflow: Option<&str>) {
    let refusal = read.expect_err("it is not legal");
    assert_eq!(refusal.reason, reason, "{refusal:?}");
    assert!(refusal.message.contains(part), "{:?} does not say {part:?}", refusal.message);
    assert!(refusal.message.len() < 1_000, "a message that quotes without end");
    assert_eq!(refusal.workflow_id.as_ref().map(|id| id.as_str()), workflow, "{refusal:?}");
}

#[test]
fn requests_that_are_understood() {
    for (key, value) in [
        (None, r#"{"definition":"coffee","version":3,"input":{"cups": 2},"workflow_id":"w"}"#.into()),
        (Some("w"), r#" { "input":{"cups": 2}, "definition":"coffee", "version":3, "format":1 }"#.into()),
        (Some("w"), r#"{"definition":"c\u006fffee","version":3,"input":{"cups": 2},"workflow_id":"w"}"#.into()),
        (Some("w"), "\r\n\t{\"definition\":\"coffee\",\"version\":3,\"input\":{\"cups\": 2}}".into()),
        (None, avro_request()),
        (Some("w"), confluent(&avro_request())),
    ] {
        let read = request::decode(key.map(str::as_bytes), Some(&value), LIMIT).unwrap();
        assert_eq!((read.definition.as_str(), read.version), ("coffee", Some(3)));
        assert_eq!(read.input.as_str(), r#"{"cups": 2}"#, "the input is taken as it is spelled");
        assert_eq!(read.workflow_id.as_ref().map(|id| id.as_str()), Some("w"));
    }
    let least = request::decode(None, Some(br#"{"definition":"coffee","input":null,"conversation_id":null}"#), LIMIT);
    let least = least.unwrap();
    assert_eq!((least.version, least.workflow_id, least.conversation_id), (None, None, None));
    assert_eq!(least.input.as_str(), "null");
    let deepest = format!(r#"{{"definition":"coffee","input":{}}}"#, deep(MAX_DEPTH));
    assert!(request::decode(None, Some(deepest.as_bytes()), LIMIT).is_ok());
}

#[test]
fn requests_that_are_refused() {
    use RefusalReason::*;
    let good = r#"{"definition":"d","input":{}}"#;
    let long = "x".repeat(257);
    let with = |member: &str| format!(r#"{{"definition":"d","input":{{}},{member}}}"#).into_bytes();
    let input = |input: &str| format!(r#"{{"definition":"d","input":{input},"workflow_id":"w"}}"#).into_bytes();
    let mut foreign = avro_request();
    foreign[5] ^= 1;
    let mut cut = avro_request();
    cut.pop();
    type Case<'a> = (&'a str, Option<&'a [u8]>, Option<Vec<u8>>, RefusalReason, &'a str, Option<&'a str>);
    let cases: Vec<Case> = vec![
        ("no value", Some(b"k"), None, NoValue, "without value", Some("k")),
        ("an empty value", None, Some(vec![]), NoValue, "without value", None),
        ("not JSON", Some(b"k"), Some(b"hello".to_vec()), Malformed, "68656c6c6f", Some("k")),
        ("white space alone", None, Some(b" \n".to_vec()), Malformed, "JSON object", None),
        ("an array", None, Some(b"[]".to_vec()), Malformed, "JSON object", None),
        ("a byte order mark", None, Some([b"\xEF\xBB\xBF", good.as_bytes()].concat()), Malformed, "efbbbf", None),
        ("broken JSON", None, Some(br#"{"definition":"d","#.to_vec()), Malformed, "EOF", None),
        ("two documents", None, Some(format!("{good}{good}").into()), Malformed, "trailing", None),
        ("invalid UTF-8", None, Some(b"{\"definition\":\"\xff\"}".to_vec()), Malformed, "byte 15", None),
        ("no input", None, Some(br#"{"definition":"d","workflow_id":"w"}"#.to_vec()), Malformed, "`input`", Some("w")),
        ("no definition", None, Some(br#"{"input":1}"#.to_vec()), Malformed, "`definition`", None),
        ("an unknown field", None, Some(with(r#""verison":1,"workflow_id":"w""#)), Malformed, "`verison`", Some("w")),
        ("a long unknown field", None, Some(with(&format!("{:?}:1", "y".repeat(9_999)))), Malformed, "yyy", None),
        ("a field twice", None, Some(with(r#""input":1"#)), Malformed, "duplicate field `input`", None),
        ("a version in words", None, Some(with(r#""version":"3""#)), Malformed, "u32", None),
        ("version 0", None, Some(with(r#""version":0"#)), Malformed, "1 or more", None),
        ("a negative version", None, Some(with(r#""version":-1"#)), Malformed, "u32", None),
        ("a negative Avro version", None, Some(avro_request_of("d", Some(-1), "1")), Malformed, "negative", Some("w")),
        ("a newer format", Some(b"k"), Some(with(r#""format":2,"new":1"#)), Unsupported, "format 2", Some("k")),
        ("a format in words", None, Some(with(r#""format":"one""#)), Malformed, "u64", None),
        ("a lone surrogate", None, Some(input(r#""\ud800""#)), Malformed, "`input`", Some("w")),
        ("a number beyond all", None, Some(input("1e999")), Malformed, "`input`", Some("w")),
        ("a deep input", None, Some(input(&deep(100_000))), TooDeep, "100 levels", Some("w")),
        ("one level too deep", None, Some(input(&deep(MAX_DEPTH + 1))), TooDeep, "100 levels", Some("w")),
        ("a deep unknown field", None, Some(with(&format!(r#""x":{}"#, deep(100_000)))), Malformed, "`x`", None),
        ("a deep definition", None, Some(format!(r#"{{"definition":{}}}"#, deep(100_000)).into()), Malformed, "", None),
        ("deep and open", None, Some(format!(r#"{{"input":{}"#, "[".repeat(100_000)).into()), Malformed, "EOF", None),
        ("deep in Avro", None, Some(avro_request_of("d", None, &deep(100_000))), TooDeep, "`input`", Some("w")),
        ("no JSON in Avro", None, Some(avro_request_of("d", None, "{,}")), Malformed, "`input`", Some("w")),
        ("too large", Some(b"k"), Some(vec![b' '; LIMIT + 1]), TooLarge, "1048577", Some("k")),
        ("an illegal name", None, Some(br#"{"definition":"a b","input":1}"#.to_vec()), IllegalId, "definition", None),
        ("an illegal name in Avro", None, Some(avro_request_of("", None, "1")), IllegalId, "definition", Some("w")),
        ("an empty id", None, Some(with(r#""workflow_id":"""#)), IllegalId, "workflow_id is empty", None),
        ("a control character", None, Some(with(r#""workflow_id":"a\u0007""#)), IllegalId, "U+0007", None),
        ("a long id", None, Some(with(&format!(r#""workflow_id":"{long}""#))), IllegalId, "257 bytes", None),
        (
            "an illegal conversation",
            None,
            Some(with(r#""workflow_id":"w","conversation_id":"""#)),
            IllegalId,
            "conversation_id is empty",
            Some("w"),
        ),
        ("an empty key", Some(b""), Some(good.into()), IllegalId, "the key is the workflow_id", None),
        ("a long key", Some(long.as_bytes()), Some(good.into()), IllegalId, "257 bytes", None),
        ("a key with a control character", Some(b"a\0"), Some(good.into()), IllegalId, "U+0000", None),
        ("a key that is no UTF-8", Some(b"a\xff"), Some(with(r#""workflow_id":"w""#)), IllegalId, "byte 1", Some("w")),
        ("key against body", Some(b"k"), Some(with(r#""workflow_id":"w""#)), KeyMismatch, "\"w\"", Some("k")),
        ("key against Avro body", Some(b"k"), Some(avro_request()), KeyMismatch, "\"w\"", Some("k")),
        ("an unknown fingerprint", Some(b"k"), Some(foreign), Unsupported, "Request.v1.avsc", Some("k")),
        ("another schema", None, Some(avro_report()), Malformed, "Avro Report", None),
        ("a short frame", None, Some(vec![0xC3, 1, 2]), Malformed, "10 bytes, found 3", None),
        ("a short Confluent frame", None, Some(vec![0, 0, 0]), Malformed, "JSON object", None),
        ("a cut body", None, Some(cut.clone()), Malformed, "Request.v1.avsc", None),
        ("a cut Confluent body", None, Some(confluent(&cut)), Malformed, "Request.v1.avsc", None),
        ("bytes after the body", None, Some([avro_request(), vec![0]].concat()), Malformed, "after the end", None),
    ];
    for (what, key, value, reason, part, workflow) in cases {
        println!("{what}");
        refused(request::decode(key, value.as_deref(), LIMIT), reason, part, workflow);
    }
}

fn said(report: Result<Report, Refusal>) -> ReportOutcome {
    let report = report.unwrap();
    assert_eq!((report.workflow_id.as_str(), report.dispatch_id.to_string().as_str()), ("w", DISPATCH));
    report.outcome
}

#[test]
fn reports_that_are_understood() {
    let decode = |members: &str| {
        let text = format!(r#"{{"dispatch_id":"{DISPATCH}",{members}}}"#);
        said(report::decode(Some(b"w"), Some(text.as_bytes()), LIMIT))
    };
    assert_eq!(decode(r#""type":"started""#), ReportOutcome::Started);
    assert_eq!(decode(r#""type":"started","host":{"a":[1]},"output":1"#), ReportOutcome::Started);
    assert_eq!(decode(r#""type":"completed","output":null"#), ReportOutcome::Completed(samples::json("null")));
    let ReportOutcome::Failed(failure) = decode(r#""type":"failed""#) else { panic!("it failed") };
    assert_eq!((failure.class, failure.code.as_str()), (None, "agent_failed"));
    assert_eq!((failure.message.as_str(), failure.details), (report::DEFAULT_MESSAGE, None));
    let ReportOutcome::Failed(failure) =
        decode(r#""type":"failed","class":"rate_limited","code":"c","message":"m","details":[1],"format":1"#)
    else {
        panic!("it failed")
    };
    assert_eq!(
        (failure.class, failure.code.as_str(), failure.message.as_str()),
        (Some(FailureClass::RateLimited), "c", "m")
    );
    assert_eq!(failure.details, Some(samples::json("[1]")));
    for version in [1, 2, 3] {
        for value in [avro_report_of(version), confluent(&avro_report_of(version))] {
            let report = report::decode(None, Some(&value), LIMIT);
            let usage = report.as_ref().ok().and_then(|report| report.usage);
            assert_eq!(usage, (version == 3).then(samples::usage), "version {version}");
            let ReportOutcome::Failed(failure) = said(report) else { panic!("it failed") };
            assert_eq!((failure.class, failure.message.as_str()), (None, "no beans"), "version {version}");
            let expected = (version > 1).then(|| Duration::from_millis(2_500));
            assert_eq!(failure.retry_after, expected, "version {version}");
        }
    }
}

#[test]
fn reports_that_are_refused() {
    use RefusalReason::*;
    let with = |members: &str| format!(r#"{{"dispatch_id":"{DISPATCH}","workflow_id":"w",{members}}}"#).into_bytes();
    let output = |text: &str| with(&format!(r#""type":"completed","output":{text}"#));
    let of = |id: &str| format!(r#"{{"type":"started","workflow_id":"w","dispatch_id":"{id}"}}"#).into_bytes();
    let mut foreign = avro_report();
    foreign[2] ^= 1;
    type Case<'a> = (&'a str, Option<&'a [u8]>, Option<Vec<u8>>, RefusalReason, &'a str, Option<&'a str>);
    let cases: Vec<Case> = vec![
        ("no value", Some(b"k"), None, NoValue, "a report", Some("k")),
        ("rubbish", None, Some(b"Traceback".to_vec()), Malformed, "a report", None),
        ("invalid UTF-8", None, Some(b"{\"type\":\"\xc3\x28\"}".to_vec()), Malformed, "byte 9", None),
        ("no dispatch", None, Some(br#"{"type":"started"}"#.to_vec()), Malformed, "`dispatch_id`", None),
        ("no type", None, Some(with(r#""output":1"#)), Malformed, "`type`", Some("w")),
        ("an unknown type", None, Some(with(r#""type":"bored""#)), Unsupported, "bored", Some("w")),
        ("no output", None, Some(with(r#""type":"completed""#)), Malformed, "`output`", Some("w")),
        ("an unknown class", None, Some(with(r#""type":"failed","class":"bad""#)), Malformed, "`class`", Some("w")),
        ("a negative cost", None, Some(with(r#""type":"failed","usage":{"cost":-1}"#)), Malformed, "cost", Some("w")),
        (
            "too many tokens",
            None,
            Some(with(&format!(r#""type":"failed","usage":{{"input_tokens":{}}}"#, u64::MAX))),
            Malformed,
            "tokens",
            Some("w"),
        ),
        ("a newer format", None, Some(with(r#""type":7,"format":9"#)), Unsupported, "format 9", Some("w")),
        ("a deep output", None, Some(output(&deep(100_000))), TooDeep, "`output`", Some("w")),
        (
            "a deep stranger",
            Some(b"k"),
            Some(with(&format!(r#""x":{}"#, deep(100_000)))),
            Malformed,
            "`type`",
            Some("k"),
        ),
        ("a lone surrogate", None, Some(output(r#""\udc00""#)), Malformed, "`output`", Some("w")),
        ("too large", None, Some(output(&format!("{:?}", "x".repeat(LIMIT)))), TooLarge, "1048576", None),
        ("a dispatch without attempt", None, Some(of("0/n")), IllegalId, "dispatch_id", Some("w")),
        ("a dispatch of no run", None, Some(of("xyz/n/1")), IllegalId, "run_id", Some("w")),
        ("attempt 0", None, Some(of(&DISPATCH.replace("/1", "/0"))), IllegalId, "dispatch_id", Some("w")),
        (
            "an illegal workflow",
            None,
            Some(with(r#""type":"started""#).iter().map(|b| if *b == b'w' { 7 } else { *b }).collect()),
            Malformed,
            "control character",
            None,
        ),
        (
            "nobody's",
            None,
            Some(format!(r#"{{"type":"started","dispatch_id":"{DISPATCH}"}}"#).into()),
            Malformed,
            "neither",
            None,
        ),
        ("an empty key", Some(b""), Some(with(r#""type":"started""#)), IllegalId, "the key", Some("w")),
        ("a key that is no UTF-8", Some(b"\xff"), Some(with(r#""type":"started""#)), IllegalId, "byte 0", Some("w")),
        ("key against body", Some(b"k"), Some(with(r#""type":"started""#)), KeyMismatch, "\"k\"", Some("k")),
        ("an unknown fingerprint", None, Some(foreign), Unsupported, "Report.v3.avsc", None),
        ("another schema", None, Some(avro_request()), Malformed, "Avro Request", None),
        ("a cut Confluent body", None, Some(confluent(&avro_report()[..30])), Malformed, "Report.v3.avsc", None),
    ];
    for (what, key, value, reason, part, workflow) in cases {
        println!("{what}");
        refused(report::decode(key, value.as_deref(), LIMIT), reason, part, workflow);
    }
}

#[test]
fn whose_a_refused_result_is_can_be_read_up_to_what_is_wrong_with_it() {
    let whose = |key: Option<&[u8]>, value: &[u8]| {
        let whose = report::whose_result(key, Some(value))?;
        Some((whose.workflow_id.as_str().to_owned(), whose.dispatch_id.to_string()))
    };
    let mine = |workflow: &str| Some((workflow.to_owned(), DISPATCH.to_owned()));
    let head = format!(r#"{{"type":"completed","dispatch_id":"{DISPATCH}","workflow_id":"w""#);
    let with = |rest: &str| format!("{head}{rest}").into_bytes();
    for rest in [
        r#","output":"#,
        r#","output":{,}}"#,
        r#","output":1,"output":2}"#,
        r#","format":9}"#,
        "",
        &format!(r#","output":{}}}"#, deep(100_000)),
        &format!(r#","output":{}"#, "[".repeat(100_000)),
        &format!(r#","output":{:?}}}"#, "x".repeat(8 << 20)),
    ] {
        assert_eq!(whose(None, &with(rest)), mine("w"), "{:.40}", rest);
        assert_eq!(whose(Some(b"k"), &with(rest)), mine("k"), "the key comes first");
    }
    assert_eq!(whose(None, &[&with(r#","output":""#)[..], b"\xff\"}"].concat()), mine("w"), "invalid UTF-8");
    assert_eq!(whose(Some(b"k"), format!(r#"{{"dispatch_id":"{DISPATCH}"}}"#).as_bytes()), mine("k"), "no type");
    for value in [avro_report(), confluent(&avro_report()), avro_report()[..avro_report().len() - 3].to_vec()] {
        assert_eq!(whose(None, &value), mine("w"), "Avro");
    }
    let of = |kind: &str, id: &str| format!(r#"{{"type":{kind},"dispatch_id":"{id}","output":"#).into_bytes();
    assert_eq!(whose(Some(b"k"), &of(r#""started""#, DISPATCH)), None, "no result");
    assert_eq!(whose(Some(b"k"), &of(r#""progress""#, DISPATCH)), None, "a newer worker's word");
    assert_eq!(whose(Some(b"k"), &of("7", DISPATCH)), None);
    let late =
        |kind: &str| format!(r#"{{"workflow_id":[{{}}],"dispatch_id":"{DISPATCH}","type":"{kind}"}}"#).into_bytes();
    assert_eq!(whose(Some(b"k"), &late("started")), None, "no result, whatever stands before its type");
    assert_eq!(whose(Some(b"k"), &late("failed")), mine("k"));
    assert_eq!(whose(Some(b"k"), &of(r#""completed""#, "x/y")), None, "an illegal id");
    assert_eq!(whose(None, &of(r#""completed""#, DISPATCH)), None, "nobody's");
    assert_eq!(whose(Some(b"\xff"), &of(r#""completed""#, DISPATCH)), None);
    for rubbish in [&b""[..], b"Traceback", b"[1]", b"\xC3\x01\x02", b"{\"dispatch_id\":"] {
        assert_eq!(whose(Some(b"k"), rubbish), None, "{rubbish:?}");
    }
    assert_eq!(report::whose_result(Some(b"k"), None), None);
}

#[test]
fn a_failure_s_words_are_cut_and_its_details_are_bounded() {
    let failed = |rest: &str| {
        let text = format!(r#"{{"type":"failed","dispatch_id":"{DISPATCH}","workflow_id":"w",{rest}}}"#);
        report::decode(None, Some(text.as_bytes()), LIMIT)
    };
    let long = "ä".repeat(20_000);
    let ReportOutcome::Failed(failure) = failed(&format!(r#""code":"{long}","message":"{long}""#)).unwrap().outcome
    else {
        panic!("a failure")
    };
    assert!(failure.code.len() < 110 && failure.code.ends_with('…'), "{}", failure.code.len());
    assert!(failure.message.len() < 17_000 && failure.message.ends_with('…'));
    let refusal = failed(&format!(r#""details":"{}""#, "x".repeat(300_000))).unwrap_err();
    assert_eq!(refusal.reason, RefusalReason::TooLarge);
}
