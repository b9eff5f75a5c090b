//! Any program as an agent: JSON in on stdin, JSON out on stdout.

mod group;
mod spawner;
mod stderr;
mod streams;

use super::agent::{Agent, Call};
use super::said::SaidFailure;
use super::settings::MAX_REPORT_BYTES;
use crate::core::failure::{Failure, FailureClass, ReportedFailure};
use crate::core::id::AgentName;
use crate::core::json::Json;
use group::ProcessGroup;
use serde_json::{Value, json};
use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use stderr::Stderr;
use streams::TooLarge;
use tokio::process::{Child, Command};

/// How long what a program wrote is still read after its end, where a child of it holds the pipe open: what was
/// written is there already.
const GRACE: Duration = Duration::from_millis(200);
/// How much of an output that is no JSON is quoted, in characters.
const QUOTED_CHARS: usize = 200;
/// What a program sees of the worker's environment in [`Surroundings::Bare`].
const BARE: [&str; 5] = ["PATH", "HOME", "LANG", "TMPDIR", "TZ"];

/// What a program sees of the worker's environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Surroundings {
    /// All of it.
    Whole,
    /// Where programs, homes and temporary files are, language and time zone.
    Bare,
}

/// Starts a program for each attempt.
///
/// The input stands on stdin as JSON. In the environment are `ORCHESTRATOR_DISPATCH_ID` (the idempotency key),
/// `ORCHESTRATOR_WORKFLOW_ID`, `ORCHESTRATOR_NODE_ID`, `ORCHESTRATOR_ATTEMPT`, `ORCHESTRATOR_AGENT` and, where known,
/// `TRACEPARENT`. The program ends with exit code 0 and one JSON value on stdout. What it writes to stderr is logged
/// line by line, but for lines that say `heartbeat` and nothing else: by them it goes on (see
/// [`Heartbeat`](super::heartbeat::Heartbeat)), and for lines `usage {"cost":0.0021,"input_tokens":850,"output_tokens":120}`,
/// which say what was used and add up (see [`Meter`](super::meter::Meter)).
///
/// | what happens | failure |
/// |---|---|
/// | an exit code N other than 0 | `exit_N`, the end of stderr in the details |
/// | killed by signal N | `signal_N`, likewise |
/// | stdout is not one JSON value | non-retryable, `bad_output`, with its first 200 characters |
/// | stdout is over the limit | non-retryable, `output_too_large` |
/// | it cannot be started | non-retryable `program_not_started`, retryable where the system is short of something |
///
/// Of the first two the definition's rules and the default table say the class, unless the program does: with an exit
/// code other than 0 it may print `{"class": …, "code": …, "message": …, "details": …, "retry_after": seconds}`, each of
/// which may be left out.
///
/// The program is the leader of a process group of its own, and whatever is left of that group is killed when the
/// attempt has ended, by itself or at the deadline. On Linux the program itself is killed too when this process is
/// gone, however it ended; what it has started in turn then goes on.
#[derive(Clone, Debug)]
pub struct ExecAgent {
    name: AgentName,
    program: PathBuf,
    args: Vec<OsString>,
    /// Largest output, in bytes; 1 MB by default.
    pub max_output_bytes: usize,
    /// What the program sees of the worker's environment; all of it by default.
    pub surroundings: Surroundings,
}

/// How a program ended, and what it wrote.
struct Ended {
    status: ExitStatus,
    stdout: Vec<u8>,
    stderr: Stderr,
}

impl ExecAgent {
    /// The agent `name` is this program with these arguments.
    pub fn new(name: AgentName, program: PathBuf, args: impl IntoIterator<Item = OsString>) -> Self {
        let args = args.into_iter().collect();
        Self { name, program, args, max_output_bytes: MAX_REPORT_BYTES, surroundings: Surroundings::Whole }
    }

    fn command(&self, call: &Call) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        if self.surroundings == Surroundings::Bare {
            command.env_clear().envs(BARE.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
        }
        command
            .env("ORCHESTRATOR_DISPATCH_ID", call.dispatch_id.to_string())
            .env("ORCHESTRATOR_WORKFLOW_ID", call.workflow_id.as_str())
            .env("ORCHESTRATOR_NODE_ID", call.dispatch_id.node_id.as_str())
            .env("ORCHESTRATOR_ATTEMPT", call.dispatch_id.attempt.to_string())
            .env("ORCHESTRATOR_AGENT", self.name.as_str())
            .env_remove("TRACEPARENT")
            .envs(call.traceparent.iter().map(|traceparent| ("TRACEPARENT", traceparent)));
        command.process_group(0).kill_on_drop(true);
        command
    }

    async fn spawn(&self, call: &Call) -> Result<Child, Failure> {
        spawner::spawn(self.command(call)).await.map_err(|fault| {
            let short = [ErrorKind::WouldBlock, ErrorKind::OutOfMemory, ErrorKind::ExecutableFileBusy];
            let class = match fault.kind() {
                kind if short.contains(&kind) => FailureClass::Retryable,
                _ => FailureClass::NonRetryable,
            };
            let message = format!("the program {:?} cannot be started: {fault}", self.program);
            Failure::new(class, "program_not_started", message)
        })
    }

    async fn execute(&self, call: &Call) -> Result<Ended, Failure> {
        let mut child = self.spawn(call).await?;
        let group = ProcessGroup::of(&child);
        let (mut stdout, mut stderr) = (Vec::new(), Stderr::default());
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let status = {
            let input = call.input.to_string().into_bytes();
            let streams = async {
                tokio::try_join!(
                    streams::feed(pipes.0, &input),
                    streams::gather(pipes.1, &mut stdout, self.max_output_bytes),
                    streams::follow(pipes.2, &mut stderr, &self.name, call),
                )
            };
            let mut streams = std::pin::pin!(streams);
            let mut open = true;
            let status = loop {
                tokio::select! {
                    status = child.wait() => break status,
                    ended = streams.as_mut(), if open => {
                        ended.map_err(|TooLarge| self.too_large())?;
                        open = false;
                    }
                }
            };
            if open && let Ok(ended) = tokio::time::timeout(GRACE, streams).await {
                ended.map_err(|TooLarge| self.too_large())?;
            }
            status.map_err(|fault| {
                let message = format!("the end of {:?} cannot be waited for: {fault}", self.program);
                Failure::new(FailureClass::Retryable, "program_lost", message)
            })?
        };
        drop(group);
        Ok(Ended { status, stdout, stderr })
    }

    fn too_large(&self) -> Failure {
        let message = format!("{:?} wrote more than the allowed {} bytes", self.program, self.max_output_bytes);
        Failure::new(FailureClass::NonRetryable, "output_too_large", message)
    }
}

impl Agent for ExecAgent {
    async fn run(&self, call: Call) -> Result<Value, ReportedFailure> {
        let ended = self.execute(&call).await?;
        if ended.status.success() { Ok(output(&ended.stdout)?) } else { Err(failure(&ended)) }
    }
}

fn output(stdout: &[u8]) -> Result<Value, Failure> {
    let parsed = match std::str::from_utf8(stdout) {
        Ok(text) => Json::parse(text).map_err(|fault| fault.to_string()),
        Err(fault) => Err(fault.to_string()),
    };
    parsed.map(|json| json.value()).map_err(|fault| {
        let message = format!("expected one JSON value on stdout ({fault}), found {:?}", quoted(stdout));
        Failure::new(FailureClass::NonRetryable, "bad_output", message)
    })
}

/// What the program says of its failure, and where it does not, how it ended.
fn failure(ended: &Ended) -> ReportedFailure {
    use std::os::unix::process::ExitStatusExt;
    let (code, how) = match (ended.status.code(), ended.status.signal()) {
        (Some(code), _) => (format!("exit_{code}"), format!("ended with exit code {code}")),
        (None, Some(signal)) => (format!("signal_{signal}"), format!("was killed by signal {signal}")),
        (None, None) => ("exit_unknown".to_owned(), format!("ended: {}", ended.status)),
    };
    let stderr = ended.stderr.text();
    let last = stderr.trim_end().rsplit('\n').next().unwrap_or_default();
    let colon = if last.is_empty() { "" } else { ": " };
    let message = || format!("the program {how}{colon}{last}");
    let mut details = json!({ "stderr": stderr });
    match said(&ended.stdout) {
        Ok(said) => {
            let mut failure = said.or(&code, message);
            failure.details.get_or_insert_with(|| Json::from_value(&details));
            failure
        }
        Err(fault) => {
            // It is often no more than what the program had to say before it failed; else the author sees why it does
            // not count.
            if !ended.stdout.is_empty() {
                details["stdout"] = json!(quoted(&ended.stdout));
                details["stdout_is_no_failure"] = json!(fault);
            }
            ReportedFailure { details: Some(Json::from_value(&details)), ..ReportedFailure::new(code, message()) }
        }
    }
}

/// A failure as the program printed it.
fn said(stdout: &[u8]) -> Result<SaidFailure, String> {
    let text = std::str::from_utf8(stdout).map_err(|fault| fault.to_string())?;
    // Read by the same rules as an output.
    let value = Json::parse(text).map_err(|fault| fault.to_string())?.value();
    serde_json::from_value(value).map_err(|fault| fault.to_string())
}

fn quoted(stdout: &[u8]) -> String {
    String::from_utf8_lossy(stdout).chars().take(QUOTED_CHARS).collect()
}
