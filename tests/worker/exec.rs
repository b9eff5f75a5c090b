//! Programs as agents: what real shell scripts do.

use crate::house::{call, name, until};
use orchestrator::core::failure::{FailureClass, ReportedFailure};
use orchestrator::core::usage::{Cost, Usage};
use orchestrator::worker::builtin::ExecByDefinition;
use orchestrator::worker::{Agent, ExecAgent};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Duration;

fn shell(script: &str) -> ExecAgent {
    ExecAgent::new(name("agent"), PathBuf::from("/bin/sh"), ["-c", script].map(Into::into))
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap().block_on(future)
}

/// Runs a script to its end; none comes within a minute: it hangs.
fn run(agent: &impl Agent, input: Value) -> Result<Value, ReportedFailure> {
    block_on(async { tokio::time::timeout(Duration::from_secs(60), agent.run(call(input))).await.expect("it hangs") })
}

fn code(result: Result<Value, ReportedFailure>) -> (Option<FailureClass>, String) {
    let failure = result.expect_err("it completed");
    (failure.class, failure.code)
}

#[test]
fn json_goes_in_and_json_comes_out() {
    assert_eq!(run(&shell("cat"), json!({ "cups": [1, 2], "ä": "☕" })), Ok(json!({ "cups": [1, 2], "ä": "☕" })));
    assert_eq!(run(&shell("echo; echo '  7 '; echo"), json!(null)), Ok(json!(7)));
}

#[test]
fn the_environment_says_which_attempt_it_is() {
    let script = r#"printf '["%s","%s","%s","%s","%s","%s"]' "$ORCHESTRATOR_DISPATCH_ID" "$ORCHESTRATOR_WORKFLOW_ID" \
        "$ORCHESTRATOR_NODE_ID" "$ORCHESTRATOR_ATTEMPT" "$ORCHESTRATOR_AGENT" "$TRACEPARENT""#;
    let traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let expected =
        json!(["0123456789abcdef0123456789abcdef/node/1", "order 7 / ☕", "node", "1", "agent", traceparent]);
    assert_eq!(run(&shell(script), json!(null)), Ok(expected));
}

#[test]
fn what_is_no_json_is_quoted() {
    for script in ["echo rubbish", "true", "echo 1 2", "printf '\\377\\376'", "yes '[' | head -n 200 | tr -d '\\n'"] {
        assert_eq!(
            code(run(&shell(script), json!(1))),
            (Some(FailureClass::NonRetryable), "bad_output".to_owned()),
            "{script}"
        );
    }
    let failure = run(&shell("echo rubbish; yes x | head -n 1000"), json!(1)).unwrap_err();
    assert!(failure.message.contains("rubbish") && failure.message.len() < 1_000, "{}", failure.message);
}

#[test]
fn an_exit_code_is_a_failure_with_the_end_of_stderr() {
    let failure = run(&shell("yes noise | head -n 5000 >&2; echo no beans >&2; exit 3"), json!(1)).unwrap_err();
    assert_eq!((failure.class, failure.code.as_str()), (None, "exit_3"));
    assert!(failure.message.ends_with("no beans"), "{}", failure.message);
    let details = failure.details.unwrap().value();
    let stderr = details["stderr"].as_str().unwrap();
    assert!(stderr.ends_with("noise\nno beans\n") && stderr.len() <= 2_048, "{}", stderr.len());
    assert_eq!(code(run(&shell("kill -9 $$"), json!(1))), (None, "signal_9".to_owned()));
}

#[test]
fn a_program_may_say_more_of_its_failure() {
    let said = r#"{"class":"rate_limited","code":"quota","message":"later","details":[1],"retry_after":2.5}"#;
    let failure = run(&shell(&format!("echo '{said}'; echo noise >&2; exit 1")), json!(1)).unwrap_err();
    assert_eq!((failure.class, failure.code.as_str()), (Some(FailureClass::RateLimited), "quota"));
    assert_eq!((failure.message.as_str(), failure.retry_after), ("later", Some(Duration::from_millis(2_500))));
    assert_eq!(failure.details.unwrap().value(), json!([1]));
    // What it leaves out is said by how it ended.
    let failure = run(&shell(r#"echo '{"retry_after":7}'; echo no beans >&2; exit 75"#), json!(1)).unwrap_err();
    assert_eq!((failure.class, failure.code.as_str()), (None, "exit_75"));
    assert_eq!(failure.retry_after, Some(Duration::from_secs(7)));
    assert!(failure.message.ends_with("no beans"), "{}", failure.message);
    assert_eq!(failure.details.unwrap().value(), json!({ "stderr": "no beans\n" }));
}

#[test]
fn heartbeats_are_no_words_of_a_failure() {
    let failure = run(&shell("echo no beans >&2; echo heartbeat >&2; exit 3"), json!(1)).unwrap_err();
    assert!(failure.message.ends_with("no beans"), "{}", failure.message);
    assert_eq!(failure.details.unwrap().value(), json!({ "stderr": "no beans\n" }));
}

#[test]
fn what_was_used_adds_up_and_is_no_word_of_a_failure() {
    let call = call(json!(1));
    let agent = shell(
        r#"echo 'usage {"cost":0.002,"input_tokens":5}' >&2; echo 'usage {"cost":0.001,"output_tokens":3}' >&2
           echo 'usage up to now: much' >&2; exit 3"#,
    );
    let failure = block_on(agent.run(call.clone())).unwrap_err();
    assert_eq!(failure.details.unwrap().value(), json!({ "stderr": "usage up to now: much\n" }));
    let used = Usage { cost: Cost::new(0.003).unwrap(), input_tokens: 5, output_tokens: 3 };
    assert_eq!(call.meter.total(), Some(used));
}

#[test]
fn what_a_failing_program_prints_beside_is_quoted_with_why_it_is_no_failure() {
    for (printed, why) in [
        ("working", "expected"),
        (r#"{"class":"retriable"}"#, "retriable"),
        (r#"{"kode":"x"}"#, "kode"),
        (r#"{"retry_after":-1}"#, "retry_after"),
        (r#"{"retry_after":1e300}"#, "retry_after"),
        ("[1]", "expected"),
    ] {
        let failure = run(&shell(&format!("echo '{printed}'; exit 9")), json!(1)).unwrap_err();
        assert_eq!((failure.class, failure.code.as_str()), (None, "exit_9"), "{printed}");
        let details = failure.details.unwrap().value();
        assert_eq!(details["stdout"], format!("{printed}\n"));
        let fault = details["stdout_is_no_failure"].as_str().unwrap();
        assert!(fault.contains(why), "{printed}: {fault}");
    }
}

#[test]
fn an_output_over_the_limit_ends_the_program() {
    let mut agent = shell("yes x");
    agent.max_output_bytes = 100_000;
    assert_eq!(code(run(&agent, json!(1))), (Some(FailureClass::NonRetryable), "output_too_large".to_owned()));
    let mut agent = shell("printf '\"%s\"' 12345678");
    agent.max_output_bytes = 10;
    assert_eq!(run(&agent, json!(1)), Ok(json!("12345678")));
    agent.max_output_bytes = 9;
    assert_eq!(code(run(&agent, json!(1))), (Some(FailureClass::NonRetryable), "output_too_large".to_owned()));
}

#[test]
fn a_program_that_does_not_read_its_input_does_not_hang() {
    let large = json!("x".repeat(1 << 20));
    assert_eq!(run(&shell("echo 1"), large.clone()), Ok(json!(1)));
    assert_eq!(run(&shell("exec <&-; echo 1"), large), Ok(json!(1)));
}

#[test]
fn a_grandchild_that_holds_the_pipes_does_not_hang_it_and_does_not_outlive_it() {
    let pid = tempfile::NamedTempFile::new().unwrap();
    let script = format!("sleep 600 & echo $! > {}; echo 1", pid.path().display());
    assert_eq!(run(&shell(&script), json!("x".repeat(1 << 20))), Ok(json!(1)));
    ends(pid.path());
}

#[test]
fn at_the_deadline_the_whole_group_is_killed() {
    let pid = tempfile::NamedTempFile::new().unwrap();
    let script = format!("trap '' TERM; sleep 600 & echo $! > {}; wait", pid.path().display());
    block_on(async {
        let agent = shell(&script);
        let mut work = Box::pin(agent.run(call(json!(1))));
        let written = || std::fs::read_to_string(pid.path()).unwrap().ends_with('\n');
        while !written() {
            let tick = tokio::time::timeout(Duration::from_millis(5), work.as_mut()).await;
            assert!(tick.is_err(), "it ended: {tick:?}");
        }
        drop(work);
    });
    ends(pid.path());
}

/// The process whose id stands in the file comes to its end.
fn ends(pid: &Path) {
    let pid = std::fs::read_to_string(pid).unwrap().trim().to_owned();
    let state = || std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // Killed, or killed and not yet reaped by whoever inherited it.
    until("the grandchild has ended", || state().is_empty() || state().contains(") Z "));
}

#[test]
fn a_program_that_is_not_there_is_said_to_be_not_there() {
    let agent = ExecAgent::new(name("agent"), PathBuf::from("/no/such/program"), []);
    assert_eq!(code(run(&agent, json!(1))), (Some(FailureClass::NonRetryable), "program_not_started".to_owned()));
}

#[test]
fn a_definition_starts_only_what_the_operator_allows() {
    let agent = |programs: &[&str]| {
        let programs: Vec<PathBuf> = programs.iter().map(PathBuf::from).collect();
        ExecByDefinition::new(&programs, 1_000)
    };
    let cat = json!({ "program": "/bin/cat", "input": { "a": 1 } });
    let refused = (Some(FailureClass::NonRetryable), "program_not_allowed".to_owned());
    assert_eq!(code(run(&agent(&[]).unwrap(), cat.clone())), refused);
    assert_eq!(code(run(&agent(&["/bin/sh"]).unwrap(), cat.clone())), refused);
    assert_eq!(run(&agent(&["/bin/cat"]).unwrap(), cat), Ok(json!({ "a": 1 })));
    for program in ["/bin/../bin/cat", "/bin//cat", "cat", "/bin/cat "] {
        let input = json!({ "program": program });
        assert_eq!(code(run(&agent(&["/bin/cat"]).unwrap(), input)), refused, "{program}");
    }
    assert!(agent(&["cat"]).unwrap_err().to_string().contains("absolute"));
    let bad_input = (Some(FailureClass::NonRetryable), "bad_input".to_owned());
    assert_eq!(code(run(&agent(&["/bin/cat"]).unwrap(), json!({ "args": [] }))), bad_input);
    // The worker's own environment is not the definition's.
    let script = json!({ "program": "/bin/sh", "args": ["-c", "printf '\"%s\"' \"$CARGO_MANIFEST_DIR\""] });
    assert_eq!(run(&agent(&["/bin/sh"]).unwrap(), script), Ok(json!("")));
}
