//! Workers as processes: what they say, and what is left of them when they are killed or stopped.

use crate::support::{Installation, Leg, until};
use serde_json::json;
use std::path::Path;

fn definition(agent: &str) -> String {
    format!(
        "name: {agent}\nnodes:\n  - {{ node_id: one, agent_name: {agent}, timeout: 80s, retry: {{ max_retries: 0 }} }}\n"
    )
}

/// What a program has written into a file, once it ends with a line.
fn written(file: &Path) -> String {
    until(&format!("the program has written {}", file.display()), || {
        std::fs::read_to_string(file).ok().filter(|text| text.ends_with('\n'))
    })
}

/// Whether a process is gone, or a zombie that nobody has waited for.
fn is_gone(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    stat.is_empty() || stat.contains(") Z ")
}

fn status_of(at: &Installation, workflow_id: &str) -> String {
    until("the run has ended", || {
        let end = at.run(&["show", workflow_id, "--output", "json"]);
        let status = (end.code == 0).then(|| end.json()["status"].as_str().unwrap_or_default().to_owned());
        status.filter(|status| ["completed", "failed"].contains(&status.as_str()))
    })
}

#[test]
fn a_failed_attempt_is_said_in_one_line_with_what_the_program_said() {
    for leg in Leg::all() {
        let at = Installation::new(leg);
        at.apply(&definition("barista"));
        let _serve = at.serve();
        let script = "echo 'grinding' >&2; echo 'no beans' >&2; exit 3";
        let worker = at.start("worker", &["worker", "--agent", "barista", "--exec", "sh", "-c", script]);
        at.request("order 7", "barista", &json!({}));
        assert_eq!(status_of(&at, "order 7"), "failed");
        let said = worker.output();
        let lines: Vec<_> = said.lines().filter(|line| line.contains("an attempt failed")).collect();
        let [line] = lines[..] else { panic!("{said}") };
        for word in ["WARN", "barista", "order 7", "one", "attempt=1", "exit_3", "no beans"] {
            assert!(line.contains(word), "{word} is missing: {line}");
        }
        assert!(said.contains("stderr: grinding"), "{said}");
    }
}

/// Its worker cannot kill it, and another worker runs the attempt again: it would be run twice at once.
#[test]
#[cfg(target_os = "linux")]
fn a_program_does_not_outlive_a_worker_that_is_killed() {
    for leg in Leg::all() {
        let at = Installation::new(leg);
        at.apply(&definition("sleeper"));
        let _serve = at.serve();
        let pid = at.folder().join("pid");
        let script = format!("echo $$ > {}; exec sleep 600", pid.display());
        let worker = at.start("worker", &["worker", "--agent", "sleeper", "--exec", "sh", "-c", &script]);
        at.request("w", "sleeper", &json!({}));
        let program = written(&pid);
        assert!(!is_gone(&program));
        worker.kill();
        until("the program is gone too", || is_gone(&program).then_some(()));
    }
}

/// What it has is finished and reported, and not run again by whoever comes after it.
#[test]
fn a_worker_that_is_stopped_finishes_what_it_has_and_the_next_one_does_not_run_it_again() {
    for leg in Leg::all() {
        let at = Installation::new(leg);
        at.apply(&definition("slow"));
        let serve = at.serve();
        let (begun, go) = (at.folder().join("begun"), at.folder().join("go"));
        let script = format!(
            "echo begun >> {}; while ! [ -e {} ]; do sleep 0.05; done; echo '\"done\"'",
            begun.display(),
            go.display()
        );
        let line = ["worker", "--agent", "slow", "--exec", "sh", "-c", &script];
        let first = at.start("first", &line);
        at.request("w", "slow", &json!({}));
        written(&begun);
        first.signal("TERM");
        until("it has heard", || first.output().contains("stopping").then_some(()));
        let _second = at.start("second", &line);
        std::fs::write(&go, "").expect("written");
        assert_eq!(first.wait(), 0, "it ends in order");
        assert_eq!(status_of(&at, "w"), "completed");
        // Another run goes through the second worker, behind whatever was left of the first.
        at.request("x", "slow", &json!({}));
        assert_eq!(status_of(&at, "x"), "completed");
        assert_eq!(std::fs::read_to_string(&begun).expect("text").lines().count(), 2, "each was run once");
        drop(serve);
    }
}
