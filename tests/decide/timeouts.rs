//! Times that are up: of an attempt, of a node over all its attempts, of a run.

use crate::scenario::{Scenario, hold};
use orchestrator::core::retry::{Jitter, RetryPolicy};

fn plain() -> RetryPolicy {
    RetryPolicy { max_retries: 3, jitter: Jitter::None, ..RetryPolicy::default() }
}

#[test]
fn a_heartbeat_begins_the_timeout_anew_where_the_node_asks_for_it() {
    let yaml = "
name: beats
nodes:
  - {node_id: a, agent_name: echo, timeout: 2s, heartbeat: true}
  - {node_id: b, agent_name: echo, timeout: 2s}
";
    let mut run = Scenario::of(yaml).start("null");
    run.heartbeat("a").started("b").heartbeat("b").after(1_500).heartbeat("a").after(1_500).expire("a").expire("b");
    run.after(500).expire("a").heartbeat("a");
    hold("heartbeat", &run);
}

#[test]
fn a_node_has_so_long_over_all_its_attempts() {
    let yaml = "
name: total
nodes:
  - {node_id: a, agent_name: echo, total_timeout: 3s, on_failure: skip}
  - {node_id: b, agent_name: echo, dependencies: [a], total_timeout: 10s}
";
    let mut run = Scenario::of(yaml).retry(plain()).start("null");
    run.expire_node("a").fail("a").after(1_000).wake("a", 2).after(2_000).expire_node("a");
    run.complete_attempt("a", 2, "1");
    // A retry that would come after the deadline does not come.
    run.fail_with("b", 1, "http_503", Some(10_000)).expire_node("b");
    hold("total_timeout", &run);
}

#[test]
fn a_node_that_waits_for_its_retry_is_out_of_time_too() {
    let yaml = "
name: total
nodes:
  - {node_id: a, agent_name: echo, total_timeout: 3s}
";
    let mut run = Scenario::of(yaml).retry(plain()).start("null");
    run.fail_with("a", 1, "http_503", Some(2_900)).after(3_000).expire_node("a").wake("a", 2);
    hold("total_timeout_between_attempts", &run);
}

#[test]
fn a_run_has_so_long() {
    let yaml = "
name: limited
timeout: 5s
nodes:
  - {node_id: a, agent_name: echo}
  - {node_id: b, agent_name: echo}
  - {node_id: c, agent_name: echo, dependencies: [a, b]}
";
    let mut run = Scenario::of(yaml).retry(plain()).start("null");
    run.fail("a").after(4_999).expire_workflow().after(1).expire_workflow().complete("b", "1").wake("a", 2);
    hold("workflow_timeout", &run);
    let states: Vec<_> = run.live.as_ref().unwrap().0.nodes.values().map(|node| node.status.as_str()).collect();
    assert_eq!(states, ["cancelled", "cancelled"]);
}

#[test]
fn a_run_that_has_failed_by_a_node_ends_by_that_failure_when_its_time_is_up() {
    let yaml = "
name: limited
timeout: 5s
nodes:
  - {node_id: a, agent_name: echo}
  - {node_id: b, agent_name: echo}
";
    let mut run = Scenario::of(yaml).start("null");
    run.fail("a").after(5_000).expire_workflow();
    hold("workflow_timeout_after_failure", &run);
}
