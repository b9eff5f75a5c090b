//! What becomes of a run when a node of it has failed for good, and what a run takes over from an earlier one.

use crate::scenario::{Scenario, hold, hold_text};
use orchestrator::core::retry::{Jitter, RetryPolicy};
use orchestrator::core::run::Outcome;
use orchestrator::core::status::NodeStatus::{Completed, Recovered, Skipped};

/// `b` may fail beside `c`; `d` joins both.
fn beside(on_failure: &str) -> String {
    format!(
        "
name: beside
nodes:
  - {{node_id: a, agent_name: echo}}
  - {{node_id: b, agent_name: echo, dependencies: [a], on_failure: {on_failure}}}
  - {{node_id: c, agent_name: echo, dependencies: [a]}}
  - {{node_id: d, agent_name: echo, dependencies: [b, c], input: {{b: outputs.b, c: outputs.c}}}}
"
    )
}

const ROUTED: &str = "
name: routed
nodes:
  - {node_id: a, agent_name: echo}
  - node_id: b
    agent_name: echo
    dependencies: [a]
    input: {from_a: outputs.a}
    retry: {max_retries: 1, base_delay: 1s, jitter: none}
    on_failure: {route_to: excuse}
    output_contract: {type: string}
  - {node_id: excuse, agent_name: writer}
  - {node_id: c, agent_name: echo, dependencies: [b]}
";

const COMPENSATED: &str = "
name: compensated
nodes:
  - {node_id: book, agent_name: hotel, undo: unbook}
  - {node_id: pay, agent_name: bank, dependencies: [book], undo: refund}
  - {node_id: greet, agent_name: writer, dependencies: [book]}
  - {node_id: ship, agent_name: post, dependencies: [pay, greet], on_failure: compensate}
  - {node_id: unbook, agent_name: hotel}
  - {node_id: refund, agent_name: bank, retry: {max_retries: 1, base_delay: 1s, jitter: none}}
";

#[test]
fn a_node_that_is_skipped_has_no_output_and_its_siblings_are_left_alone() {
    let yaml = beside("skip");
    let mut run = Scenario::of(&yaml).start("null");
    run.complete("a", "1").fail("b").complete("c", "3").complete("d", "4");
    hold("on_failure_skip", &run);
}

#[test]
fn a_default_output_stands_in() {
    let yaml = beside("{continue_with: {found: []}}");
    let mut run = Scenario::of(&yaml).start("null");
    run.complete("a", "1").complete("c", "3").fail("b").complete("b", r#""late""#).complete("d", "4");
    hold("on_failure_continue_with", &run);
}

#[test]
fn several_nodes_whose_input_cannot_be_made_are_skipped_in_one_decision() {
    let yaml = "
name: blind
nodes:
  - {node_id: a, agent_name: echo}
  - {node_id: b, agent_name: echo, dependencies: [a], input: outputs.a.b, on_failure: skip}
  - {node_id: c, agent_name: echo, dependencies: [a], input: outputs.a.c, on_failure: {continue_with: 3}}
  - {node_id: d, agent_name: echo, dependencies: [b, c], input: {b: outputs.b, c: outputs.c}}
";
    let mut run = Scenario::of(yaml).start("null");
    run.complete("a", "{}").complete("d", "4");
    hold("on_failure_without_input", &run);
}

#[test]
fn a_failure_node_is_told_the_whole_story_and_its_output_stands_in() {
    let mut run = Scenario::of(ROUTED).start("null");
    run.complete("a", "1").started("b").after(20).fail_with("b", 1, "http_503", None);
    run.after(1_000).wake("b", 2).fail_with("b", 2, "http_500", None);
    let story = run.live.as_ref().unwrap().0.nodes["excuse"].input.clone().unwrap();
    run.complete("excuse", "17").complete("excuse", r#""sorry""#).complete("c", "3");
    hold("on_failure_route_to", &run);
    hold_text("story", &format!("{:#}\n", story.value()));
}

#[test]
fn a_failure_node_may_fail_too() {
    let mut run = Scenario::of(ROUTED).start("null");
    run.complete("a", "1").fail_with("b", 1, "http_400", None).fail_with("excuse", 1, "http_400", None);
    hold("on_failure_route_to_failed", &run);
}

#[test]
fn what_has_completed_is_undone_the_last_first() {
    let mut run = Scenario::of(COMPENSATED).start("null");
    run.complete("book", r#""room 7""#).complete("pay", r#"{"receipt":1}"#).complete("greet", "0");
    run.fail_with("ship", 1, "http_400", None);
    run.fail_with("refund", 1, "http_503", None).after(1_000).wake("refund", 2);
    run.complete_attempt("refund", 2, "null").complete("unbook", "null");
    hold("compensate", &run);
    let Some(Outcome::Failure(Some(node), _)) = &run.live.as_ref().unwrap().0.outcome else { panic!("no failure") };
    assert_eq!(node.as_str(), "ship");
}

#[test]
fn what_cannot_be_undone_does_not_keep_the_rest_from_it() {
    let mut run = Scenario::of(COMPENSATED).start("null");
    run.complete("book", "1").complete("pay", "2").complete("greet", "0").fail_with("ship", 1, "http_400", None);
    run.fail_with("refund", 1, "http_400", None).complete("unbook", "null");
    hold("compensate_in_part", &run);
}

#[test]
fn compensation_waits_for_what_is_under_way() {
    let yaml = "
name: early
nodes:
  - {node_id: book, agent_name: hotel, undo: unbook}
  - {node_id: pay, agent_name: bank, on_failure: compensate}
  - {node_id: unbook, agent_name: hotel}
";
    let mut early = Scenario::of(yaml).start("null");
    early.fail_with("pay", 1, "http_400", None).complete("book", "1").complete("unbook", "null");
    hold("compensate_early", &early);
    let mut run = Scenario::of(COMPENSATED).start("null");
    run.complete("book", "1").complete("greet", "0").fail("pay");
    hold("compensate_not_asked_for", &run);
}

#[test]
fn a_planner_that_fails_may_have_a_default_plan_or_none() {
    let planned = |on_failure: &str| {
        format!(
            "
name: planned
nodes:
  - {{node_id: plan, agent_name: planner, role: planner, on_failure: {on_failure}}}
  - {{node_id: say, agent_name: writer, role: responder, input: 'nodes'}}
"
        )
        .replace(", input: 'nodes'", "")
    };
    let mut run = Scenario::of(&planned("{continue_with: {nodes: [{node_id: x, agent_name: echo}]}}")).start("null");
    run.fail("plan").complete("x", "1").complete("say", "2");
    hold("planner_with_default", &run);
    let mut run = Scenario::of(&planned("skip")).start("null");
    run.fail("plan").complete("say", "2");
    hold("planner_skipped", &run);
    let mut run = Scenario::of(&planned("{continue_with: {nodes: [{node_id: say, agent_name: echo}]}}")).start("null");
    run.fail("plan");
    hold("planner_with_bad_default", &run);
}

#[test]
fn a_planned_node_may_have_nodes_that_stand_by() {
    let yaml = "
name: planned
nodes:
  - {node_id: plan, agent_name: planner, role: planner}
  - {node_id: say, agent_name: writer, role: responder}
";
    let plan = r#"{"nodes":[{"node_id":"x","agent_name":"echo","on_failure":{"route_to":"f"}},
        {"node_id":"f","agent_name":"echo"}]}"#;
    let mut run = Scenario::of(yaml).start("null");
    run.complete("plan", plan).fail("x").complete("f", "1").complete("say", "2");
    hold("planned_route_to", &run);
}

#[test]
fn a_person_may_supply_what_a_node_fails_to_give() {
    let policy = RetryPolicy { max_retries: 3, jitter: Jitter::None, ..RetryPolicy::default() };
    let yaml = beside("fail");
    let mut run = Scenario::of(&yaml).retry(policy).start("null");
    run.supply("b", "2").complete("a", "1").fail("b").supply("b", "2").supply("c", "3").complete("c", "4");
    run.after(1_000).wake("b", 2).supply("a", "5").complete("d", "4");
    hold("supply", &run);
}

#[test]
fn a_run_takes_over_what_an_earlier_one_has_done() {
    let yaml = beside("fail");
    let carried = [("a", Completed, "1"), ("c", Recovered, "3")];
    let mut run = Scenario::of(&yaml).resume("null", &carried, &[("b", r#"{"edited":true}"#)]);
    run.complete("b", "2").complete("d", "4");
    hold("resume", &run);
    let all = [("a", Completed, "1"), ("b", Skipped, "null"), ("c", Completed, "3"), ("d", Recovered, r#""by hand""#)];
    hold("resume_with_all", &Scenario::of(&yaml).resume("null", &all, &[]));
}

#[test]
fn what_is_taken_over_is_not_run_though_what_is_upstream_of_it_is() {
    let yaml = "
name: chain
nodes:
  - {node_id: a, agent_name: echo}
  - {node_id: b, agent_name: echo, dependencies: [a]}
  - {node_id: c, agent_name: echo, dependencies: [b]}
";
    let mut run = Scenario::of(yaml).resume("null", &[("b", Recovered, "2")], &[]);
    run.complete("a", "1").complete("c", "3");
    hold("resume_in_the_middle", &run);
}

#[test]
fn a_fork_gives_nodes_to_other_agents_with_their_policies() {
    let yaml = "
name: forked
agents:
  writer-2: {retry: {max_retries: 0}}
nodes:
  - {node_id: a, agent_name: echo}
  - {node_id: b, agent_name: writer, dependencies: [a]}
  - {node_id: c, agent_name: writer-2, dependencies: [b]}
";
    let policy = RetryPolicy { max_retries: 3, jitter: Jitter::None, ..RetryPolicy::default() };
    let mut run = Scenario::of(yaml).retry(policy).fork("b", &[("a", Completed, "1")], ("b", "writer-2"));
    run.fail("b");
    hold("fork", &run);
    hold("fork_refused", &Scenario::of(yaml).fork("b", &[], ("nobody", "writer-2")));
}

#[test]
fn a_plan_is_taken_over_with_its_planner() {
    let yaml = "
name: planned
nodes:
  - {node_id: plan, agent_name: planner, role: planner}
  - {node_id: say, agent_name: writer, role: responder}
";
    let plan = r#"{"nodes":[{"node_id":"x","agent_name":"echo"},{"node_id":"y","agent_name":"echo"}]}"#;
    let mut run = Scenario::of(yaml).resume("null", &[("plan", Completed, plan), ("x", Completed, "1")], &[]);
    run.complete("y", "2").complete("say", "3");
    hold("resume_with_plan", &run);
}

#[test]
fn what_cannot_be_taken_over_is_refused() {
    let contract = "
name: contract
nodes:
  - {node_id: a, agent_name: echo, output_contract: {type: integer}, on_failure: {route_to: f}}
  - {node_id: f, agent_name: echo}
";
    let mut refused = String::new();
    for (carried, inputs) in [
        (&[("a", Completed, r#""text""#)][..], &[][..]),
        (&[("nobody", Completed, "1")], &[]),
        (&[("f", Completed, "1")], &[]),
        (&[("a", Completed, "1"), ("a", Completed, "2")], &[]),
        (&[("a", Completed, "1")], &[("a", "1")]),
        (&[], &[("nobody", "1")]),
    ] {
        refused += &Scenario::of(contract).resume("null", carried, inputs).transcript;
    }
    hold_text("resume_refused", &refused);
}

#[test]
fn while_a_breaker_is_open_nodes_of_its_agent_wait() {
    let yaml = "
name: breaker
nodes:
  - {node_id: a, agent_name: shaky}
  - {node_id: b, agent_name: shaky}
  - {node_id: c, agent_name: echo}
";
    let policy = RetryPolicy { max_retries: 3, jitter: Jitter::None, ..RetryPolicy::default() };
    let mut run = Scenario::of(yaml).retry(policy).start("null");
    run.breaker("shaky", Some(0)).fail("a").after(1_000).wake("a", 2).complete("c", "3");
    run.breaker("shaky", Some(1)).wake("a", 2).complete("b", "2").breaker("shaky", None);
    run.complete_attempt("a", 2, "1");
    hold("breaker", &run);
}

#[test]
fn a_breaker_that_is_half_open_lets_so_many_through() {
    let yaml = "
name: half
nodes:
  - {node_id: a, agent_name: echo}
  - {node_id: b, agent_name: shaky, dependencies: [a]}
  - {node_id: c, agent_name: shaky, dependencies: [a]}
  - {node_id: d, agent_name: echo, dependencies: [a]}
";
    let mut run = Scenario::of(yaml).start("null");
    run.breaker("shaky", Some(1)).complete("a", "1").breaker("shaky", Some(0)).go_on();
    run.breaker("shaky", None).go_on().complete("b", "2").complete("c", "3").complete("d", "4");
    hold("breaker_half_open", &run);
}

#[test]
fn a_planner_whose_failure_node_is_skipped_is_skipped_itself() {
    let yaml = "
name: planless
nodes:
  - {node_id: plan, agent_name: p, role: planner, on_failure: {route_to: other}}
  - {node_id: other, agent_name: q, on_failure: skip}
  - {node_id: sum, agent_name: s, role: synthesizer, dependencies: [plan]}
";
    let mut run = Scenario::of(yaml).start("null");
    run.fail("plan").fail("other").complete("sum", "1");
    hold("on_failure_planner_skipped_by_its_failure_node", &run);
}

#[test]
fn an_input_that_breaks_its_contract_stands_with_the_failure() {
    let yaml = "
name: strict
nodes:
  - {node_id: a, agent_name: x, input_contract: {type: object}}
";
    let run = Scenario::of(yaml).start("7");
    assert_eq!(run.failed_input().as_deref(), Some("7"));
}

#[test]
fn an_input_stands_with_the_failure_of_a_node_whose_time_is_up_while_it_waits() {
    let yaml = "
name: hasty
nodes:
  - {node_id: a, agent_name: x, total_timeout: 2s, retry: {max_retries: 3, base_delay: 1s, jitter: none}}
";
    let mut run = Scenario::of(yaml).start(r#"{"n":1}"#);
    run.fail_with("a", 1, "http_503", None).after(2_000).expire_node("a");
    assert_eq!(run.failed_input().as_deref(), Some(r#"{"n":1}"#));
}
