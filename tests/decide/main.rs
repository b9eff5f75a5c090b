//! The core by itself: given a definition and what happened so far, when a command comes, then these events.
//!
//! Each scenario is a script; what the core decides is held as a transcript in `tests/golden/decide/`, for people to
//! read. `UPDATE_GOLDEN=1` writes them anew. At every step the frontier that was kept is held against one built anew.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what is wrong by failing")]

mod forks;
mod orders;
mod retries;
mod routing;
mod scenario;
mod table;
mod timeouts;

use orchestrator::core::retry::{Jitter, RetryPolicy};
use scenario::{Scenario, hold};

const CHAIN: &str = "
name: chain
nodes:
  - {node_id: a, agent_name: echo}
  - {node_id: b, agent_name: echo, dependencies: [a]}
";

const DIAMOND: &str = "
name: diamond
nodes:
  - {node_id: top, agent_name: echo}
  - {node_id: left, agent_name: echo, dependencies: [top], input: {n: outputs.top.n}}
  - {node_id: right, agent_name: echo, dependencies: [top], input: {n: outputs.top.n + 1}}
  - {node_id: join, agent_name: echo, dependencies: [left, right]}
";

const FOUR: &str = "
name: four
nodes:
  - {node_id: a, agent_name: echo}
  - {node_id: b, agent_name: echo}
  - {node_id: c, agent_name: echo}
  - {node_id: d, agent_name: echo, dependencies: [a]}
";

const CONTRACTS: &str = "
name: contracts
input_contract: {type: object, required: [n]}
nodes:
  - node_id: a
    agent_name: echo
    output_contract: {type: object, properties: {total: {type: integer}}, required: [total]}
  - node_id: b
    agent_name: echo
    dependencies: [a]
    input: {total: outputs.a.total}
    input_contract: {type: object, properties: {total: {maximum: 10}}}
";

const PLANNED: &str = "
name: planned
max_agent_calls: 2
nodes:
  - {node_id: plan, agent_name: planner, role: planner}
  - {node_id: sum, agent_name: writer, role: synthesizer}
  - {node_id: say, agent_name: writer, role: responder, dependencies: [sum]}
";

#[test]
fn a_chain_runs_one_node_after_another() {
    let mut run = Scenario::of(CHAIN).start(r#"{"x":1}"#);
    run.started("a").complete("a", "1").complete("b", r#""done""#);
    hold("chain", &run);
}

#[test]
fn a_diamond_joins_when_both_sides_are_there() {
    let mut run = Scenario::of(DIAMOND).start("null");
    run.complete("top", r#"{"n":1}"#).complete("right", "2").complete("left", "1").complete("join", "3");
    hold("diamond", &run);
}

#[test]
fn below_the_parallel_threshold_nodes_run_one_at_a_time() {
    let mut run = Scenario::of(FOUR).threshold(4).start("null");
    run.complete("a", "1").complete("b", "2").complete("c", "3").complete("d", "4");
    hold("below_threshold", &run);
    let mut run = Scenario::of(FOUR).threshold(3).start("null");
    run.complete("a", "1").complete("d", "4").complete("c", "3").complete("b", "2");
    hold("at_threshold", &run);
}

#[test]
fn what_does_not_fit_into_a_decision_goes_on_in_the_next() {
    let mut run = Scenario::of(FOUR).schedule_at_most(2).start("null");
    run.go_on().go_on().complete("b", "2").complete("a", "1").complete("c", "3").complete("d", "4");
    hold("left_over", &run);
}

#[test]
fn after_a_failure_nothing_new_starts_and_what_runs_may_finish() {
    let mut run = Scenario::of(FOUR).start("null");
    run.fail("b").complete("a", "1").complete("c", "3").complete("d", "4");
    hold("failure", &run);
}

#[test]
fn deadlines_fail_the_attempt_that_is_open() {
    let mut run = Scenario::of(CHAIN).start("null");
    run.started("a").started("a").expire("a").after(60_000).expire("a").complete("a", "1").expire("a");
    hold("deadline", &run);
}

#[test]
fn contracts_are_held_on_both_sides() {
    hold("contract_of_the_request", &Scenario::of(CONTRACTS).start(r#"{"m":1}"#));
    let mut run = Scenario::of(CONTRACTS).start(r#"{"n":1}"#);
    run.complete("a", r#"{"total":"many"}"#);
    hold("contract_of_an_output", &run);
    let mut run = Scenario::of(CONTRACTS).start(r#"{"n":1}"#);
    run.complete("a", r#"{"total":11}"#);
    hold("contract_of_an_input", &run);
}

#[test]
fn a_plan_joins_the_graph() {
    let mut run = Scenario::of(PLANNED).start(r#"{"ask":"tea"}"#);
    run.complete("plan", r#"{"nodes":[{"node_id":"p1","agent_name":"echo"},{"node_id":"p2","agent_name":"echo","dependencies":["p1"]}]}"#)
        .complete("p1", "1")
        .complete("p2", "2")
        .complete("sum", "3")
        .complete("say", r#""hello""#);
    hold("plan", &run);
}

#[test]
fn a_bad_plan_fails_its_planner() {
    let three = r#"{"nodes":[{"node_id":"x","agent_name":"e"},{"node_id":"y","agent_name":"e"},{"node_id":"z","agent_name":"e"}]}"#;
    let mut run = Scenario::of(PLANNED).start("null");
    run.complete("plan", three);
    hold("plan_too_large", &run);
    let mut run = Scenario::of(PLANNED).start("null");
    run.complete("plan", r#"{"nodes":[{"node_id":"sum","agent_name":"e","dependencies":["nobody"]}]}"#);
    hold("plan_invalid", &run);
}

#[test]
fn too_large_is_decided_before_it_is_recorded() {
    let large = format!("\"{}\"", "x".repeat(3_000));
    let mut run = Scenario::of(CHAIN).payload_at_most(2_000).start("null");
    run.complete("a", &large);
    hold("too_large_output", &run);
    let half = format!("\"{}\"", "x".repeat(1_500));
    let mut run = Scenario::of(
        DIAMOND
            .replace(", input: {n: outputs.top.n + 1}", ", input: {n: '1'}")
            .replace(", input: {n: outputs.top.n}", ", input: {n: '1'}")
            .as_str(),
    )
    .payload_at_most(2_000)
    .start("null");
    run.complete("top", "1").complete("left", &half).complete("right", &half);
    hold("too_large_input", &run);
}

#[test]
fn a_mapping_that_cannot_be_evaluated_fails_its_node() {
    let mut run = Scenario::of(DIAMOND).start("null");
    run.complete("top", r#"{"m":1}"#);
    hold("mapping", &run);
}

#[test]
fn what_changes_nothing_is_rejected_with_its_reason() {
    let mut run = Scenario::of(CHAIN).start("null");
    run.complete("b", "1")
        .complete("nobody", "1")
        .complete_attempt("a", 2, "1")
        .go_on()
        .complete("a", "1")
        .complete("a", "2")
        .fail("a")
        .complete("b", "1")
        .complete("b", "2")
        .started("b");
    hold("rejections", &run);
}

#[test]
fn every_state_has_an_answer_to_every_command() {
    table::hold();
}

#[test]
fn every_node_state_has_an_answer_to_every_command() {
    table::hold_nodes();
}

const RETRIED: &str = "
name: retried
agents:
  shop:
    retry: {max_retries: 5, base_delay: 2s, jitter: none}
    failure_rules: [{code: http_409, class: retryable}, {code: sold_out, class: non_retryable}]
nodes:
  - {node_id: a, agent_name: shop, retry: {max_retries: 2}}
  - {node_id: b, agent_name: echo, dependencies: [a]}
";

fn plain_policy() -> RetryPolicy {
    RetryPolicy { jitter: Jitter::None, ..RetryPolicy::default() }
}

#[test]
fn a_failed_attempt_is_tried_again_later_and_not_for_ever() {
    let mut scenario = Scenario::of(RETRIED).retry(plain_policy()).start("1");
    scenario.fail_with("a", 1, "http_409", None).wake("a", 2).after(2_000).wake("a", 2).wake("a", 2);
    scenario.complete_attempt("a", 1, "0").fail_with("a", 2, "mystery", None).after(4_000).wake("a", 3);
    scenario.fail_with("a", 3, "http_503", None);
    hold("retries", &scenario);
}

#[test]
fn a_retry_that_succeeds_goes_on() {
    let mut scenario = Scenario::of(RETRIED).retry(plain_policy()).start("1");
    scenario.fail_with("a", 1, "http_429", Some(7_500)).after(7_500).wake("a", 2).complete_attempt("a", 2, "1");
    scenario.fail_with("b", 1, "connection_reset", None).after(1_000).wake("b", 2).complete_attempt("b", 2, "2");
    hold("retry_succeeds", &scenario);
}

#[test]
fn what_cannot_be_mended_is_not_tried_again() {
    let mut scenario = Scenario::of(RETRIED).retry(plain_policy()).start("1");
    scenario.fail_with("a", 1, "sold_out", None);
    hold("not_retryable", &scenario);
}

#[test]
fn a_run_that_has_failed_tries_nothing_again() {
    let mut scenario = Scenario::of(FOUR).retry(plain_policy()).start("null");
    scenario.fail_with("a", 1, "http_503", None).fail_with("b", 1, "http_404", None).after(1_000).wake("a", 2);
    scenario.fail_with("c", 1, "http_503", None);
    hold("retries_of_a_failed_run", &scenario);
}
