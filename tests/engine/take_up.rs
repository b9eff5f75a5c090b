//! A run that has failed is taken up by another, and nodes are given their output by hand.

use super::town::{Town, id_in};
use bytes::Bytes;
use orchestrator::core::command::{Request, Resume};
use orchestrator::core::definition::Definition;
use orchestrator::core::definition::validate::validate;
use orchestrator::core::event::PartitionEvent;
use orchestrator::core::failure::{FailureClass, ReportedFailure};
use orchestrator::core::id::{LetterId, NodeId, RunId};
use orchestrator::core::json::Json;
use orchestrator::core::letter::{LetterAction, LetterHandling};
use orchestrator::core::lineage::LineageKind;
use orchestrator::core::status::NodeStatus;
use orchestrator::log::Topic;
use orchestrator::wire::report::ReportOutcome;
use orchestrator::wire::signal::{self, Signal, SignalKind, Supply};
use orchestrator::wire::task::{self, Task};
use orchestrator::wire::{headers, letter_handling, request};
use serde_json::json;

/// `a`, then `b`, both by hand and without retries.
fn chain() -> Definition {
    let no = json!({ "max_retries": 0 });
    let a = json!({ "node_id": "a", "agent_name": "hand", "retry": no });
    let b = json!({ "node_id": "b", "agent_name": "hand", "retry": no, "dependencies": ["a"],
        "output_contract": { "type": "integer" } });
    validate(json!({ "name": "chain", "nodes": [a, b] })).unwrap()
}

fn node(name: &str) -> NodeId {
    NodeId::new(name).unwrap()
}

/// The tasks of a node, one for each attempt of each run.
fn tasks(town: &Town, id: &str, name: &str) -> Vec<Task> {
    let records = town.records(&Topic::Ready("hand".parse().unwrap()));
    let tasks = records.iter().map(|record| task::decode(record.value.as_ref().unwrap()).unwrap());
    tasks.filter(|task| task.workflow_id.as_str() == id && task.dispatch_id.node_id == node(name)).collect()
}

fn task_of(town: &mut Town, id: &str, name: &str, number: usize) -> Task {
    town.until("the task is there", |town| tasks(town, id, name).len() == number);
    tasks(town, id, name).pop().unwrap()
}

/// A run whose `a` has completed and whose `b` has failed for good.
fn failed(town: &mut Town, id: &str) -> RunId {
    town.request("chain", id);
    let a = task_of(town, id, "a", 1);
    town.complete(&a);
    let b = task_of(town, id, "b", 1);
    let failure = ReportedFailure { class: Some(FailureClass::NonRetryable), ..ReportedFailure::new("no", "no") };
    town.report(&b, ReportOutcome::Failed(failure));
    town.until("the run has failed", |town| town.is_answered(id));
    b.dispatch_id.run_id
}

fn take_up(town: &mut Town, id: &str, run_id: &RunId, carried: &[(&str, NodeStatus, &str)], letters: &[LetterId]) {
    let json = |text: &str| Json::parse(text).unwrap();
    let body = request::encode(&Request {
        definition: "chain".parse().unwrap(),
        version: Some(1),
        input: json(r#"{"n":1}"#),
        workflow_id: Some(id.parse().unwrap()),
        conversation_id: None,
        resume: Some(Resume {
            kind: LineageKind::Redrive,
            run_id: run_id.clone(),
            by: Some("ada".to_owned()),
            carried: carried.iter().map(|(name, status, output)| (node(name), *status, json(output))).collect(),
            inputs: vec![],
            workflow_id: None,
            agents: Vec::new(),
            from_node: None,
        }),
    });
    let (letter_id, action) = (letters[0].clone(), LetterAction::Redrive);
    let first = LetterHandling { letter_id, action, by: "ada".into(), note: None };
    let others: Vec<_> = letters[1..].iter().map(|letter| (letter.clone(), LetterAction::Skip)).collect();
    let header = (headers::LETTER.into(), letter_handling::encode(&first, &others));
    town.append(Topic::Requests, None, Some(Bytes::copy_from_slice(id.as_bytes())), body, vec![header]);
}

fn supply(town: &mut Town, id: &str, name: &str, run_id: Option<RunId>, output: &str) {
    let supply = Supply { run_id, node_id: node(name), output: Json::parse(output).unwrap(), by: "ada".to_owned() };
    let signal = Signal { workflow_id: Some(id.parse().unwrap()), kind: SignalKind::Supply(supply) };
    town.append(Topic::Signals, None, Some(Bytes::copy_from_slice(id.as_bytes())), signal::encode(&signal), vec![]);
}

/// Letters that were handled, with the run that was started.
fn handled(town: &Town) -> Vec<(LetterId, LetterAction, Option<RunId>)> {
    let handled = |event| match event {
        PartitionEvent::DeadLetterHandled(handled) => Some((handled.letter_id, handled.action, handled.run_id)),
        _ => None,
    };
    town.partition_events().into_iter().filter_map(handled).collect()
}

/// The reasons of inputs that changed nothing.
fn rejected(town: &Town) -> Vec<String> {
    let rejected = |event| match event {
        PartitionEvent::InputRejected(rejected) => Some(rejected.reason),
        _ => None,
    };
    town.partition_events().into_iter().filter_map(rejected).collect()
}

#[test]
fn a_run_is_taken_up_once_and_all_its_letters_with_it() {
    let mut town = Town::new(&[chain()]);
    town.start_and_own();
    let id = id_in(0, "order");
    let run_id = failed(&mut town, &id);
    let letters = [LetterId::of_node(&run_id, 9), LetterId::of_node(&run_id, 10)];
    take_up(&mut town, &id, &run_id, &[("a", NodeStatus::Completed, "7")], &letters);
    let again = task_of(&mut town, &id, "b", 2);
    assert_ne!(again.dispatch_id.run_id, run_id);
    town.until("it is said of both", |town| handled(town).len() == 2);
    let started = Some(again.dispatch_id.run_id.clone());
    let [first, second] = letters.clone();
    let both = [(first, LetterAction::Redrive, started.clone()), (second, LetterAction::Skip, started)];
    assert_eq!(handled(&town), both);

    // Whoever comes later finds that it is not the last run any more: nothing is done with any letter.
    take_up(&mut town, &id, &run_id, &[], &letters[1..]);
    town.until("it is rejected", |town| rejected(town) == ["resume"]);
    town.complete(&again);
    town.until("the second run is answered", |town| {
        town.responses(&id).iter().filter(|word| *word == "answer").count() == 2
    });
    assert_eq!((tasks(&town, &id, "a").len(), tasks(&town, &id, "b").len(), handled(&town).len()), (1, 2, 2));
    assert!(town.responses(&id).contains(&"resume".to_owned()), "{:?}", town.responses(&id));
    assert_eq!(town.dead_letters().len(), 1, "that of the node alone");
}

#[test]
fn a_run_that_has_not_ended_is_not_taken_up() {
    let mut town = Town::new(&[chain()]);
    town.start_and_own();
    let id = id_in(0, "order");
    town.request("chain", &id);
    let a = task_of(&mut town, &id, "a", 1);
    take_up(&mut town, &id, &a.dispatch_id.run_id, &[], &[LetterId::of_input(0, 1)]);
    town.until("it is refused", |town| !town.dead_letters().is_empty());
    assert_eq!(town.dead_letters()[0]["reason"], "resume");
}

#[test]
fn a_run_that_has_completed_is_not_taken_up_not_even_by_an_engine_that_has_read_of_it() {
    let mut town = Town::new(&[chain()]);
    town.start_and_own();
    let id = id_in(0, "order");
    town.request("chain", &id);
    let task = task_of(&mut town, &id, "a", 1);
    supply(&mut town, &id, "a", None, "7");
    task_of(&mut town, &id, "b", 1);
    supply(&mut town, &id, "b", None, "8");
    town.until("the run is answered", |town| town.is_answered(&id));
    for refused in 1..=2 {
        take_up(&mut town, &id, &task.dispatch_id.run_id, &[], &[LetterId::of_input(0, 1)]);
        town.until("it is refused", |town| town.dead_letters().len() == refused);
        assert_eq!(town.dead_letters()[refused - 1]["reason"], "resume");
        town.project();
        town.kill();
        town.start_and_own();
    }
}

#[test]
fn a_node_is_given_its_output_by_hand_and_a_late_result_changes_nothing() {
    let mut town = Town::new(&[chain()]);
    town.start_and_own();
    let id = id_in(0, "order");
    town.request("chain", &id);
    let a = task_of(&mut town, &id, "a", 1);
    supply(&mut town, &id, "a", Some(a.dispatch_id.run_id.clone()), "7");
    task_of(&mut town, &id, "b", 1);
    town.complete(&a);
    town.until("the late result is rejected", |town| rejected(town) == ["attempt_ended"]);
    // Misplaced, it is sent on; without a run it is meant for the one that there is.
    let misplaced = signal::encode(&Signal {
        workflow_id: Some(id.parse().unwrap()),
        kind: SignalKind::Supply(Supply {
            run_id: None,
            node_id: node("b"),
            output: Json::parse("8").unwrap(),
            by: "ada".to_owned(),
        }),
    });
    town.append(Topic::Signals, Some(1), Some(Bytes::copy_from_slice(id.as_bytes())), misplaced, vec![]);
    town.until("the run is answered", |town| town.is_answered(&id));
    assert!(town.events(&id).contains(&"NodeRecovered"));
}

#[test]
fn what_cannot_be_supplied_says_why() {
    let mut town = Town::new(&[chain()]);
    town.start_and_own();
    let id = id_in(0, "order");
    town.request("chain", &id);
    let a = task_of(&mut town, &id, "a", 1);
    let other = Some(RunId::new(&"f".repeat(32)).unwrap());
    let mut reasons: Vec<&str> = Vec::new();
    for (name, run_id, reason) in
        [("b", None, "not_suppliable"), ("nobody", None, "not_suppliable"), ("a", other, "other_run")]
    {
        supply(&mut town, &id, name, run_id, "7");
        reasons.push(reason);
        town.until(reason, |town| rejected(town) == reasons);
    }
    town.complete(&a);
    task_of(&mut town, &id, "b", 1);
    supply(&mut town, &id, "b", None, r#""no integer""#);
    reasons.push("output_refused");
    town.until("the contract is kept", |town| rejected(town) == reasons);
    supply(&mut town, &id_in(0, "nobody"), "a", None, "7");
    reasons.push("unknown_workflow");
    town.until("there is no such workflow", |town| rejected(town) == reasons);
    let nameless = Bytes::from(r#"{"type":"supply","node_id":"a","output":1,"by":"ada"}"#);
    town.append(Topic::Signals, Some(0), None, nameless, vec![]);
    town.until("it is refused", |town| town.dead_letters().len() == 1);
    assert_eq!(town.dead_letters()[0]["reason"], "malformed");
}
