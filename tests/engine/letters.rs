//! What people do with dead letters: it stands in the history, beside what came of it.

use super::town::{PARTITIONS, Town, id_in, one_node};
use bytes::Bytes;
use orchestrator::core::event::{DeadLetterHandled, PartitionEvent};
use orchestrator::core::id::LetterId;
use orchestrator::core::letter::{LetterAction, LetterHandling};
use orchestrator::log::{Header, Topic};
use orchestrator::wire::{headers, letter_handling};
use serde_json::json;

fn letter() -> LetterId {
    LetterId::of_input(0, 1)
}

fn header(action: LetterAction) -> Header {
    let handling = LetterHandling { letter_id: letter(), action, by: "ada".into(), note: Some("again".into()) };
    (headers::LETTER.into(), letter_handling::encode(&handling, &[]))
}

fn handled(town: &Town) -> Vec<DeadLetterHandled> {
    let handled = |event| match event {
        PartitionEvent::DeadLetterHandled(handled) => Some(handled),
        _ => None,
    };
    town.partition_events().into_iter().filter_map(handled).collect()
}

fn ask(town: &mut Town, partition: u32, definition: &str, id: &str, header: Header) {
    let body = json!({ "definition": definition, "input": { "n": 1 }, "workflow_id": id });
    let key = Some(Bytes::copy_from_slice(id.as_bytes()));
    town.append(Topic::Requests, Some(partition), key, Bytes::from(body.to_string()), vec![header]);
}

fn signal(town: &mut Town, partition: u32, key: Option<&str>, value: &str) {
    let key = key.map(|key| Bytes::copy_from_slice(key.as_bytes()));
    town.append(Topic::Signals, Some(partition), key, Bytes::copy_from_slice(value.as_bytes()), vec![]);
}

#[test]
fn a_request_that_works_off_a_letter_says_so_in_the_step_that_starts_its_run() {
    let mut town = Town::new(&[one_node("job")]);
    town.start_and_own();
    let id = id_in(0, "order");
    ask(&mut town, 0, "job", &id, header(LetterAction::Edit));
    town.until("it is said", |town| !handled(town).is_empty());
    let found = handled(&town).pop().unwrap();
    assert_eq!((found.letter_id, found.action, found.by.as_str()), (letter(), LetterAction::Edit, "ada"));
    assert_eq!((found.note.as_deref(), found.workflow_id.unwrap().as_str()), (Some("again"), &*id));
    town.until("the task is there", |town| town.task(&id).is_some());
    assert_eq!(found.run_id, Some(town.task(&id).unwrap().dispatch_id.run_id));
    // Once more: no other run starts. It is said again, and of the run that does what was asked for: whoever looks at
    // the letter is to find it, whichever was said last.
    ask(&mut town, 0, "job", &id, header(LetterAction::Redrive));
    town.until("it is said again", |town| handled(town).len() == 2);
    assert_eq!((&handled(&town)[1].run_id, handled(&town)[1].action), (&found.run_id, LetterAction::Redrive));
}

#[test]
fn a_request_that_is_read_twice_is_handled_once() {
    let mut town = Town::new(&[one_node("job")]);
    town.start_and_own();
    let id = id_in(0, "order");
    ask(&mut town, 1, "job", &id, header(LetterAction::Redrive));
    town.until("it is sent home, and said", |town| handled(town).len() == 1);
    let forwarded = town.log.records(&Topic::Requests, 0).into_iter().next().unwrap();
    town.append(Topic::Requests, Some(0), forwarded.key, forwarded.value.unwrap(), forwarded.headers);
    let rejected = |event: PartitionEvent| matches!(event, PartitionEvent::InputRejected(_));
    town.until("it is recognised", |town| town.partition_events().into_iter().any(rejected));
    assert_eq!(handled(&town).len(), 1);
}

#[test]
fn a_request_that_is_refused_again_is_handled_all_the_same() {
    let mut town = Town::new(&[one_node("job")]);
    town.start_and_own();
    let id = id_in(0, "order");
    ask(&mut town, 0, "unknown", &id, header(LetterAction::Redrive));
    town.until("it is said", |town| !handled(town).is_empty());
    let letters = town.dead_letters();
    assert_eq!((letters.len(), letters[0]["reason"].as_str()), (1, Some("unknown_definition")));
    assert_eq!(handled(&town)[0].workflow_id.as_ref().map(|id| id.as_str()), Some(&*id));
    // What the letter is called follows from its event.
    let id = letters[0]["id"].as_str().unwrap();
    assert!((1..20).any(|n| (0..PARTITIONS).any(|p| LetterId::of_input(p, n).as_str() == id)), "{id}");
}

#[test]
fn a_misplaced_request_keeps_its_letter_and_is_handled_where_it_is_decided() {
    let mut town = Town::new(&[one_node("job")]);
    town.start_and_own();
    let id = id_in(0, "order");
    ask(&mut town, 1, "job", &id, header(LetterAction::Redrive));
    town.until("the run has started", |town| town.task(&id).is_some());
    town.until("it is said", |town| !handled(town).is_empty());
    town.turns_for(std::time::Duration::from_secs(2));
    assert_eq!(handled(&town).len(), 1);
    assert!(handled(&town)[0].run_id.is_some());
}

#[test]
fn a_request_with_a_header_that_says_nothing_is_refused() {
    let mut town = Town::new(&[one_node("job")]);
    town.start_and_own();
    let id = id_in(0, "order");
    let bad = [
        "rubbish",
        "{}",
        r#"{"id":"x","action":"edit","by":"a"}"#,
        r#"{"id":"0123456789abcdef","action":"discard","by":"a"}"#,
    ];
    for (n, text) in bad.into_iter().enumerate() {
        ask(&mut town, 0, "job", &id, (headers::LETTER.into(), Bytes::from(text)));
        town.until("it is refused", |town| town.dead_letters().len() == n + 1);
    }
    assert_eq!(handled(&town), []);
    assert!(!town.is_unfinished(&id));
}

#[test]
fn a_letter_is_discarded_by_a_signal() {
    let mut town = Town::new(&[]);
    town.start_and_own();
    let discard =
        |workflow: &str| format!(r#"{{"format":1,"type":"discard","letter_id":"{}","by":"ada"{workflow}}}"#, letter());
    signal(&mut town, 1, None, &discard(""));
    town.until("it is said", |town| handled(town).len() == 1);
    assert_eq!(handled(&town)[0].action, LetterAction::Discard);
    // One that stands in another partition than its workflow's is sent on, in its own topic.
    let id = id_in(0, "order");
    signal(&mut town, 1, Some(&id), &discard(&format!(r#","workflow_id":"{id}""#)));
    town.until("it is said", |town| handled(town).len() == 2);
    let of_the_workflow =
        |handled: &DeadLetterHandled| handled.workflow_id.as_ref().is_some_and(|of| of.as_str() == id);
    assert_eq!(handled(&town).iter().filter(|handled| of_the_workflow(handled)).count(), 1);
    assert_eq!(town.records(&Topic::Signals).len(), 3);
    assert!(town.dead_letters().is_empty());
}

#[test]
fn a_signal_that_nobody_knows_is_refused_with_the_reason() {
    let mut town = Town::new(&[]);
    town.start_and_own();
    let bad = [
        (r#"{"format":1,"type":"dance"}"#, "unsupported"),
        (r#"{"format":2,"type":"discard"}"#, "unsupported"),
        (r#"{"type":"discard","letter_id":"x","by":"a"}"#, "illegal_id"),
        (r#"{"type":"discard","letter_id":"0123456789abcdef","by":""}"#, "malformed"),
        (r#"{"type":"discard","letter_id":"0123456789abcdef"}"#, "malformed"),
        ("[]", "malformed"),
        ("", "no_value"),
    ];
    for (n, (value, reason)) in bad.into_iter().enumerate() {
        signal(&mut town, 0, None, value);
        town.until("it is refused", |town| town.dead_letters().len() == n + 1);
        assert_eq!(town.dead_letters()[n]["reason"].as_str(), Some(reason), "{value}");
    }
    assert_eq!(handled(&town), []);
}
