//! `orchestrator demo` for programs, and for those who have seen enough.

use crate::tool::{program, run};
use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};

#[test]
fn programs_get_the_answers_as_json_and_nothing_else() {
    let end = run(&["demo", "--output", "json"]).expect(0);
    let json = end.json();
    assert_eq!((&json["nodes"], &json["folder"]), (&24.into(), &().into()));
    let answers = json["answers"].as_array().expect("a list");
    assert_eq!(answers.len(), 3);
    for answer in answers {
        let fields = ["workflow_id", "subject", "text"].map(|name| answer[name].as_str().unwrap_or_default());
        assert!(fields.iter().all(|field| !field.is_empty()), "{answer}");
    }
    assert!(json["work_ms"].as_u64() > json["took_ms"].as_u64(), "nodes run side by side: {json}");
    assert_eq!(end.stderr, "");
}

#[test]
fn whoever_stops_it_gets_no_error() {
    let mut child =
        program(&["demo"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
    // It has begun once a node works.
    let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
    assert!(lines.any(|line| line.expect("a line").contains("read-message")), "no node ever worked");
    let signal = Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill");
    assert!(signal.success());
    let rest = lines.map(|line| line.expect("a line")).collect::<Vec<_>>().join("\n");
    let mut stderr = String::new();
    child.stderr.take().expect("its errors").read_to_string(&mut stderr).expect("text");
    assert_eq!(child.wait().expect("it ends").code(), Some(130), "{stderr}");
    assert_eq!(stderr, "stopped before all answers were there\n");
    assert!(!rest.contains("Answers"), "{rest}");
}
