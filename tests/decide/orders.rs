//! Whatever the order in which results and timers come, and however often they come, a run ends in the same state.
//!
//! What each attempt comes to is fixed beforehand (its fate); dice say what of all that may come does come next.

use crate::scenario::Scenario;
use orchestrator::core::run::{NodeRun, Outcome};
use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::collections::BTreeMap;

/// Every way in which a failure can be handled without failing the run.
const HANDLED: &str = "
name: handled
nodes:
  - {node_id: plan, agent_name: x, role: planner, on_failure: {continue_with: {nodes: [{node_id: p, agent_name: x, on_failure: skip}]}}}
  - {node_id: other-plan, agent_name: x, role: planner, on_failure: {route_to: no-plan}}
  - {node_id: no-plan, agent_name: x, on_failure: skip}
  - {node_id: a, agent_name: x, on_failure: skip}
  - {node_id: b, agent_name: x, dependencies: [a], on_failure: {continue_with: 7}}
  - {node_id: c, agent_name: x, dependencies: [a], on_failure: {route_to: excuse}, undo: never}
  - {node_id: d, agent_name: x, dependencies: [b, c], on_failure: skip}
  - {node_id: excuse, agent_name: x, on_failure: {continue_with: sorry}}
  - {node_id: never, agent_name: x}
  - {node_id: sum, agent_name: x, role: synthesizer, dependencies: [d], on_failure: skip}
";

/// The last one may fail, and then what came before it is undone.
const UNDONE: &str = "
name: undone
nodes:
  - {node_id: a, agent_name: x, on_failure: skip, undo: ua}
  - {node_id: b, agent_name: x, on_failure: skip, undo: ub}
  - {node_id: c, agent_name: x, on_failure: skip, undo: uc, dependencies: [a]}
  - {node_id: d, agent_name: x, on_failure: compensate, dependencies: [b, c]}
  - {node_id: ua, agent_name: x}
  - {node_id: ub, agent_name: x, on_failure: skip}
  - {node_id: uc, agent_name: x}
";

/// Each attempt may be followed by two others.
const RETRY: &str = "agents: {x: {retry: {max_retries: 2, base_delay: 1s, jitter: equal}}}\n";

/// What an attempt comes to.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    Completes,
    Fails,
    IsRefused,
    Hangs,
}

/// The fate of an attempt: fixed by the seed, the node and the attempt, and by nothing that happens.
fn fate(seed: u64, node: &str, attempt: u32) -> Fate {
    let node = node.bytes().fold(0, |sum, byte| sum * 31 + u64::from(byte));
    let mut dice = StdRng::seed_from_u64(seed ^ (node << 8) ^ u64::from(attempt));
    match dice.random_range(0..10) {
        0..5 => Fate::Completes,
        5..8 => Fate::Fails,
        8 => Fate::IsRefused,
        _ => Fate::Hangs,
    }
}

/// What can come next: of an attempt that was handed out its result, again and again; of one that is awaited its timer;
/// of one that hangs its deadline. Any of them may come too early, or too late.
#[derive(Clone, Debug)]
enum Input {
    Result(String, u32),
    Deadline(String, u32),
    Wake(String, u32),
    Time(i64),
}

fn inputs(run: &Scenario) -> Vec<Input> {
    let mut inputs = vec![Input::Time(400), Input::Time(20_000)];
    for (id, node) in nodes(run) {
        for attempt in 1..=node.attempt {
            inputs.push(Input::Result(id.clone(), attempt));
            inputs.push(Input::Deadline(id.clone(), attempt));
            inputs.push(Input::Wake(id.clone(), attempt + 1));
        }
    }
    inputs
}

fn nodes(run: &Scenario) -> BTreeMap<String, NodeRun> {
    let (run, _) = run.live.as_ref().unwrap();
    run.nodes.iter().map(|(id, node)| (id.to_string(), node.clone())).collect()
}

fn give(run: &mut Scenario, seed: u64, input: Input) {
    match input {
        Input::Time(millis) => {
            run.after(millis);
        }
        Input::Wake(node, attempt) => {
            run.wake(&node, attempt);
        }
        Input::Result(node, attempt) => match fate(seed, &node, attempt) {
            Fate::Completes if ["other-plan", "no-plan"].contains(&node.as_str()) => {
                run.complete_attempt(&node, attempt, r#"{"nodes":[]}"#);
            }
            Fate::Completes if node == "plan" => {
                run.complete_attempt(
                    &node,
                    attempt,
                    r#"{"nodes":[{"node_id":"p","agent_name":"x","on_failure":"skip"}]}"#,
                );
            }
            Fate::Completes => {
                run.complete_attempt(&node, attempt, &format!("\"{node}/{attempt}\""));
            }
            Fate::Fails => {
                run.fail_with(&node, attempt, "http_503", None);
            }
            Fate::IsRefused => {
                run.fail_with(&node, attempt, "http_400", None);
            }
            Fate::Hangs => {
                run.start_attempt(&node, attempt);
            }
        },
        Input::Deadline(node, attempt) if fate(seed, &node, attempt) == Fate::Hangs => {
            {
                run.expire_attempt(&node, attempt);
            }
            // Its late result is not wanted any more; before the deadline it does not come.
            if !nodes(run)[&node].status.is_open() || nodes(run)[&node].attempt > attempt {
                run.complete_attempt(&node, attempt, "\"late\"");
            }
        }
        Input::Deadline(..) => {}
    }
}

/// The state in which a run ends, without its times.
fn end(yaml: &str, seed: u64, order: u64) -> (Option<Outcome>, BTreeMap<String, String>, String) {
    let mut run = Scenario::of(yaml).start("null");
    let mut dice = StdRng::seed_from_u64(order);
    for _ in 0..100_000 {
        if run.live.as_ref().unwrap().0.outcome.is_some() {
            break;
        }
        let mut inputs = inputs(&run);
        let input = inputs.swap_remove(dice.random_range(0..inputs.len()));
        for _ in 0..dice.random_range(1..=2) {
            give(&mut run, seed, input.clone());
        }
    }
    // What comes afterwards, in whatever order and once more, changes nothing.
    let ended = run.live.as_ref().unwrap().0.clone();
    let mut late = inputs(&run);
    late.retain(|input| !matches!(input, Input::Time(_)));
    while !late.is_empty() {
        let input = late.swap_remove(dice.random_range(0..late.len()));
        give(&mut run, seed, input);
    }
    assert_eq!(run.live.as_ref().unwrap().0, ended, "a run that has ended changed:\n{}", run.transcript);
    let told = |node: &NodeRun| {
        let code = node.failure.as_ref().map(|failure| failure.code.as_str());
        format!("{} {} {:?} {:?}", node.attempt, node.status.as_str(), node.output, code)
    };
    let nodes = nodes(&run).iter().map(|(id, node)| (id.clone(), told(node))).collect();
    let outcome = run.live.as_ref().unwrap().0.outcome.clone();
    (outcome, nodes, run.transcript)
}

proptest! {
    #[test]
    fn any_order_and_any_duplication_leads_to_the_same_end(seed: u64, orders in any::<[u64; 2]>()) {
        for yaml in [HANDLED, UNDONE] {
            let yaml = yaml.replace("nodes:\n", &format!("{RETRY}nodes:\n"));
            let [one, other] = orders.map(|order| end(&yaml, seed, order));
            prop_assert!(one.0.is_some(), "it never ended:\n{}", one.2);
            prop_assert_eq!((&one.0, &one.1), (&other.0, &other.1), "{}\n---\n{}", &one.2, &other.2);
        }
    }
}
