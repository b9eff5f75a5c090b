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
    run.transcript.clear();
    run
}

pub fn hold() {
    let mut text = String::new();
    let mut seen = Vec::new();
    for (node, completed) in STATES {
        type Act = fn(&mut Scenario, &str);
        let commands: [(&str, Act); 5] = [
            ("StartNode", |run, node| {
                run.started(node);
            }),
            ("CompleteNode", |run, node| {
                run.complete(node, if node == "plan" { r#"{"nodes":[]}"# } else { "1" });
            }),
            ("FailNode", |run, node| {
                run.fail(node);
            }),
            ("ExpireNode", |run, node| {
                run.expire(node);
            }),
            ("ScheduleNodes", |run, _| {
                run.go_on();
            }),
        ];
        for (name, act) in commands {
            let mut run = at(completed);
            let before = run.live.as_ref().unwrap().0.status;
            seen.push(before);
            act(&mut run, node);
            let answer: Vec<_> = run.transcript.lines().skip(1).map(str::trim).collect();
            text += &format!("{before:18} {name:14} {}\n", answer.join(" | "));
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
