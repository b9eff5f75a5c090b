//! Every state's answer to every command, as a table that people read.

use super::scenario::{Scenario, hold_text};
use orchestrator::core::status::Status;

const ROLES: &str = "
name: roles
nodes:
  - {node_id: plan, agent_name: x, role: planner}
  - {node_id: one, agent_name: x, dependencies: [plan]}
  - {node_id: two, agent_name: x, dependencies: [plan]}
  - {node_id: sum, agent_name: x, role: synthesizer, dependencies: [one, two]}
  - {node_id: say, agent_name: x, role: responder, dependencies: [sum]}
";

/// The node that is open in each state, after these completions.
const STATES: [(&str, &[&str]); 6] = [
    ("plan", &[]),
    ("one", &["plan"]),
    ("two", &["plan", "one"]),
    ("sum", &["plan", "one", "two"]),
    ("say", &["plan", "one", "two", "sum"]),
    ("say", &["plan", "one", "two", "sum", "say"]),
];

fn at(completed: &[&str]) -> Scenario {
    let mut run = Scenario::of(ROLES).start("null");
    for node in completed {
        run.complete(node, if *node == "plan" { r#"{"nodes":[]}"# } else { "1" });
    }
    run
}

type Act = fn(&mut Scenario, &str);

/// Every command, on a node.
const COMMANDS: [(&str, Act); 10] = [
    ("StartNode", |run, node| {
        run.started(node);
    }),
    ("ProgressNode", |run, node| {
        run.heartbeat(node);
    }),
    ("CompleteNode", |run, node| {
        run.complete(node, if node == "plan" { r#"{"nodes":[]}"# } else { "1" });
    }),
    ("FailNode", |run, node| {
        run.fail(node);
    }),
    ("SupplyNode", |run, node| {
        run.supply(node, if node == "plan" { r#"{"nodes":[]}"# } else { "1" });
    }),
    ("RetryNode", |run, node| {
        run.wake(node, 2);
    }),
    ("ExpireAttempt", |run, node| {
        run.expire(node);
    }),
    ("ExpireNode", |run, node| {
        run.expire_node(node);
    }),
    ("ExpireWorkflow", |run, _| {
        run.expire_workflow();
    }),
    ("ScheduleNodes", |run, _| {
        run.go_on();
    }),
];

/// What a command leads to, as one line.
fn answer(mut run: Scenario, act: Act, node: &str) -> String {
    run.transcript.clear();
    act(&mut run, node);
    run.transcript.lines().skip(1).map(str::trim).collect::<Vec<_>>().join(" | ")
}

/// Every state of a run and every command.
pub fn hold() {
    let mut text = String::new();
    let mut seen = Vec::new();
    for (node, completed) in STATES {
        for (name, act) in COMMANDS {
            let run = at(completed);
            let before = run.live.as_ref().unwrap().0.status;
            seen.push(before);
            text += &format!("{before:18} {name:14} {}\n", answer(run, act, node));
        }
    }
    // `initializing` lasts for one decision; the others belong to signals, approvals and cancels.
    for status in [
        Status::Planning,
        Status::ExecutingParallel,
        Status::ExecutingSingle,
        Status::Synthesizing,
        Status::Responding,
        Status::Completed,
    ] {
        assert!(seen.contains(&status), "{status} is not in the table");
    }
    hold_text("states_and_commands", &text);
}

/// A node that heartbeats extend, beside one that keeps the run from ending.
const NODE: &str = "
name: node
timeout: 3s
nodes:
  - {node_id: n, agent_name: x, timeout: 1s, heartbeat: true, total_timeout: 2s, retry: {max_retries: 1, base_delay: 1s, jitter: none}}
  - {node_id: other, agent_name: y}
";

/// Every state of a node and every command, at once and once all times are up.
pub fn hold_nodes() {
    let states: [(&str, Act); 6] = [
        ("scheduled", |_, _| ()),
        ("running", |run, node| {
            run.started(node);
        }),
        ("awaiting_retry", |run, node| {
            run.fail(node);
        }),
        ("completed", |run, node| {
            run.complete(node, "1");
        }),
        ("failed", |run, node| {
            run.fail_with(node, 1, "http_400", None);
        }),
        ("recovered", |run, node| {
            run.supply(node, "1");
        }),
    ];
    let mut text = String::new();
    for (state, reach) in states {
        for (when, millis) in [("at once", 0), ("in the end", 3_000)] {
            for (name, act) in COMMANDS {
                let mut run = Scenario::of(NODE).start("null");
                reach(&mut run, "n");
                let reached = run.live.as_ref().unwrap().0.nodes["n"].status;
                assert_eq!(reached.as_str(), state);
                run.after(millis);
                text += &format!("{state:14} {when:10} {name:14} {}\n", answer(run, act, "n"));
            }
        }
    }
    hold_text("node_states_and_commands", &text);
}
