//! Histories on a real log and in real tables: verified while work goes on and after a crash, and in a copy.

use crate::support::{Installation, Leg, copy, until};
use serde_json::{Value, json};

const TWO: &str = "\
name: two
nodes:
  - { node_id: first, agent_name: echo }
  - { node_id: flaky, agent_name: fail, dependencies: [first], input: { message: '\"not well\"' }, retry: { max_retries: 1, base_delay: 10ms }, on_failure: skip }
";

const RUNS: usize = 60;

/// What `replay --all --verify` says, a line each; it ends with this code.
pub fn verified(at: &Installation, more: &[&str], code: i32) -> Vec<Value> {
    let line: Vec<_> = ["replay", "--all", "--verify", "--output", "json"].iter().chain(more).copied().collect();
    let end = at.run(&line).expect(code);
    end.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn sum(lines: &[Value], field: &str) -> u64 {
    lines.iter().filter_map(|line| line[field].as_u64()).sum()
}

#[test]
fn histories_are_whole_through_a_crash_and_what_is_changed_in_a_copy_is_named() {
    for leg in Leg::all() {
        let at = Installation::new(leg);
        at.apply(TWO);
        let serve = at.serve();
        for i in 0..RUNS {
            at.request(&format!("w-{i}"), "two", &json!({ "message": "not well" }));
        }
        // While work goes on, and right after a crash.
        until("some are under way", || (sum(&verified(&at, &[], 0), "records") > 100).then_some(()));
        serve.kill();
        assert_eq!(sum(&verified(&at, &[], 0), "differences"), 0);
        let _serve = at.serve();
        let lines = until("all runs are compared", || {
            let lines = verified(&at, &[], 0);
            (sum(&lines, "runs") == RUNS as u64 && sum(&lines, "unfinished") == 0).then_some(lines)
        });
        assert!(sum(&lines, "records") > RUNS as u64 * 10, "{lines:?}");

        let home = at.home("w-7");
        let whole = copy(&at, "whole", |_, _| {});
        assert_eq!(sum(&verified(&at, &["--events-of", &whole], 0), "differences"), 0);
        let damaged = copy(&at, "damaged", |partition, records| {
            if partition != home {
                return;
            }
            drop(records.remove(12));
            records.swap(20, 21);
            let mut value = records[30].value.take().unwrap().to_vec();
            *value.last_mut().unwrap() ^= 1;
            records[30].value = Some(value.into());
        });
        let found = verified(&at, &["--events-of", &damaged, "--partition", &home.to_string()], 1);
        let words: Vec<_> = found.iter().filter_map(|line| line["difference"].as_str()).collect();
        assert_eq!(words, ["out_of_order", "changed", "missing"], "{found:?}");
        assert_eq!((&found[1]["field"], &found[1]["events_offset"]), (&json!("value"), &json!(30)), "{found:?}");
        assert!(found.iter().take(3).all(|line| line["subject"].is_string() && line["sequence"].is_u64()), "{found:?}");
    }
}
