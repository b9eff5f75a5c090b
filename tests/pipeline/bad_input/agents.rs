//! Agents that do not do what they should: the node fails, says why, and the run ends.

use super::{CHAIN, Watched, node_letter};
use crate::support::{Hand, Installation, Leg};
use serde_json::json;

const SLOW: &str = "\
name: slow
nodes:
  - { node_id: one, agent_name: hand, timeout: 1s, retry: { max_retries: 0 } }
";

#[test]
fn an_agent_that_never_answers_times_out() {
    for leg in Leg::all() {
        let mut watched = Watched::serving(Installation::new(leg), &[CHAIN, SLOW], &["--deadline-grace", "1s"]);
        watched.at.request("w", "slow", &json!({}));
        let task = Hand::new(&watched.at).task("w", "one");
        assert_eq!(task["timeout_ms"], 1_000);
        Hand::new(&watched.at).report(&task, &json!({ "type": "started" }));
        let answer = watched.answer("w");
        assert_eq!((&answer["status"], &answer["error"]["class"]), (&"failed".into(), &"timeout".into()), "{answer}");
        assert_eq!(node_letter(&mut watched, "w")["class"], "timeout");
        // It answers after all, too late.
        let place = Hand::new(&watched.at).complete(&task, &json!(1));
        watched.rejection("a result after the deadline", "results", place, "run_ended");
        watched.goes_on(watched.at.home("w"));
        watched.at.judge(2);
    }
}

#[test]
fn an_agent_that_was_never_started_is_waited_for_visibly() {
    for leg in Leg::all() {
        let mut watched = Watched::serving(Installation::new(leg), &[CHAIN, SLOW], &["--deadline-grace", "0"]);
        watched.at.request("w", "slow", &json!({}));
        let task = Hand::new(&watched.at).task("w", "one");
        let shown = crate::support::until("the run is shown", || {
            let end = watched.at.run(&["show", "w", "--output", "json"]);
            (end.code == 0).then(|| end.json())
        });
        assert_eq!(
            (&shown["status"], &shown["nodes"]["one"]["status"]),
            (&"executing_single".into(), &"scheduled".into())
        );
        watched.goes_on(watched.at.home("w"));
        Hand::new(&watched.at).complete(&task, &json!("at last"));
        assert_eq!(watched.answer("w")["answer"], "at last");
        watched.at.judge(2);
    }
}

#[test]
fn a_program_that_does_not_print_json_fails_its_node() {
    // name, script, code of the failure
    let programs = [
        ("rubbish", "cat > /dev/null; echo 'rubbish {'", "bad_output"),
        ("nothing", "cat > /dev/null", "bad_output"),
        ("two-values", "cat > /dev/null; echo 1; echo 2", "bad_output"),
        ("not-utf8", "cat > /dev/null; printf '\"\\377\\376\"'", "bad_output"),
        ("deep", "cat > /dev/null; head -c 100000 /dev/zero | tr '\\0' '['", "bad_output"),
        ("huge", "head -c 5000000 /dev/zero | tr '\\0' '1'", "output_too_large"),
        ("gives-up", "echo 'no beans' >&2; exit 3", "exit_3"),
        ("dies", "kill -9 $$", "signal_9"),
    ];
    for leg in Leg::all() {
        let at = Installation::new(leg);
        let definitions: Vec<_> = programs
            .iter()
            .map(|(name, _, _)| format!("name: {name}\nnodes:\n  - {{ node_id: one, agent_name: {name} }}\n"))
            .collect();
        let definitions: Vec<_> = [CHAIN].into_iter().chain(definitions.iter().map(String::as_str)).collect();
        let mut watched = Watched::serving(at, &definitions, &[]);
        let _workers: Vec<_> = programs
            .iter()
            .map(|(name, script, _)| watched.at.start(name, &["worker", "--agent", name, "--exec", "sh", "-c", script]))
            .collect();
        for (name, _, _) in programs {
            watched.at.request(name, name, &json!({ "text": "hello" }));
        }
        for (name, _, code) in programs {
            let answer = watched.answer(name);
            assert_eq!(
                (&answer["status"], &answer["error"]["code"]),
                (&"failed".into(), &code.into()),
                "{name}: {answer}"
            );
            assert_eq!(node_letter(&mut watched, name)["code"], code);
        }
        let end = watched.at.run(&["submit", "rubbish", "--input", "{}", "--wait", "--timeout", "60"]).expect(1);
        assert!(end.stderr.contains("rubbish {"), "what was printed is quoted: {end:?}");
        watched.goes_on(0);
        watched.at.judge(programs.len() + 2);
    }
}
