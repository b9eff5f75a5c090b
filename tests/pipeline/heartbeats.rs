//! Attempts that take longer than their timeout, because whoever runs them says that they go on.

use crate::bad_input::{Watched, event_json};
use crate::support::{Installation, Leg, python, until};
use orchestrator::core::time::Timestamp;
use orchestrator::log::Record;
use orchestrator::wire::event::{self, Published};
use serde_json::{Value, json};
use std::time::Duration;

/// Reports are a second apart: there is time enough for a program on a machine that does other things too.
const ROAST: &str = "\
name: roast
nodes:
  - { node_id: roast, agent_name: roaster, timeout: 5s, heartbeat: true, retry: { max_retries: 0 } }
";
const TIMEOUT: Duration = Duration::from_secs(5);

/// Whether an event says that an attempt goes on.
pub fn is_progress(event: &Value) -> bool {
    event["type"] == "NodeProgressed"
}

/// When an event of this type happened; none: it is of another one.
fn time_of(record: &Record, name: &str) -> Option<Timestamp> {
    match event::decode(record.value.as_ref()?).expect("an event") {
        Published::Run(recorded) => (recorded.event.name() == name).then_some(recorded.time),
        Published::Partition(_) => None,
    }
}

/// An attempt of this program goes on for longer than its timeout, and ends when it is told to.
fn outlives_its_timeout(leg: Leg, program: impl Fn(&str) -> Vec<String>) {
    let mut watched = Watched::serving(Installation::new(leg), &[ROAST], &[]);
    let go = watched.at.folder().join("go");
    let program = program(go.to_str().expect("a path"));
    let line: Vec<&str> =
        ["worker", "--agent", "roaster", "--exec"].into_iter().chain(program.iter().map(String::as_str)).collect();
    let _worker = watched.at.start("worker", &line);
    watched.at.request("batch 7", "roast", &json!({}));
    let started = watched.events.wait("the start", |record| time_of(record, "NodeStarted").is_some());
    let late = time_of(&started, "NodeStarted").map(|started| started.after(TIMEOUT));
    watched.events.wait("a heartbeat after that", |record| time_of(record, "NodeProgressed") > late);
    std::fs::write(&go, "").expect("written");
    assert_eq!(watched.answer("batch 7")["answer"], "roasted");
    let counts = watched.at.judge(1);
    assert_eq!((&counts["attempts"], &counts["retries"]), (&1.into(), &0.into()), "{counts}");
    let history = watched.at.run(&["history", "batch 7"]).expect(0).stdout;
    let is_beat = |line: &str| line.contains(" NodeProgressed ") && line.ends_with(" roast attempt 1");
    assert!(history.lines().any(is_beat), "{history}");
}

#[test]
fn a_shell_script_that_beats_outlives_its_timeout() {
    for leg in Leg::all() {
        outlives_its_timeout(leg, |go| {
            let script = format!("while ! [ -e '{go}' ]; do echo heartbeat >&2; sleep 0.2; done; echo '\"roasted\"'");
            ["sh", "-c", &script].map(str::to_owned).to_vec()
        });
    }
}

#[test]
fn a_python_program_that_beats_outlives_its_timeout() {
    for leg in Leg::all() {
        outlives_its_timeout(leg, |go| {
            let script = format!(
                "import os, sys, time\nwhile not os.path.exists({go:?}):\n    print('heartbeat', file=sys.stderr)\n    \
                 time.sleep(0.2)\nprint('\"roasted\"')"
            );
            vec![python(), "-c".to_owned(), script]
        });
    }
}

/// What stands still is not taken for what takes long, however often it has beaten before.
#[test]
fn a_program_that_stops_beating_times_out() {
    for leg in Leg::all() {
        let mut watched = Watched::serving(Installation::new(leg), &[&ROAST.replace("5s", "2s")], &[]);
        let script = "for i in 1 2 3 4 5; do echo heartbeat >&2; sleep 0.2; done; sleep 600";
        let _worker = watched.at.start("worker", &["worker", "--agent", "roaster", "--exec", "sh", "-c", script]);
        watched.at.request("batch 7", "roast", &json!({}));
        let answer = watched.answer("batch 7");
        assert_eq!((&answer["status"], &answer["error"]["class"]), (&"failed".into(), &"timeout".into()), "{answer}");
        let message = answer["error"]["message"].as_str().unwrap_or_default();
        assert!(message.ends_with("2000 ms of its last heartbeat"), "{answer}");
        let events = until("its heartbeats are in the stream", || {
            let events: Vec<_> = watched.events.records().iter().map(event_json).filter(is_progress).collect();
            (!events.is_empty()).then_some(events)
        });
        // A report each two thirds of a second, of the one second for which it has beaten.
        assert!(events.len() <= 3, "{events:?}");
        watched.at.judge(1);
    }
}
