//! `orchestrator health`.

use super::exit::{self, Exit, fail};
use super::{Context, connect};
use crate::log::Log;
use crate::ui::counted;
use crate::ui::style::harmless;
use crate::ui::table::{lines, state, table};
use anyhow::{Result, anyhow, bail};
use serde_json::{Value, json};
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// For `--help`.
pub const EXAMPLES: &str = "\
Examples:
  orchestrator health                the log, the store, the process if one answers
  orchestrator health --serving      a process has to answer here and be ready
  orchestrator health --data .orchestrator --output json
";

/// How long a process on this machine may take to answer.
const HTTP_PATIENCE: Duration = Duration::from_secs(5);

/// The arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Fail unless a process answers at --http-address
    #[arg(long)]
    pub serving: bool,
}

/// What was found of one part.
struct Check {
    part: &'static str,
    /// `ok`, `none` (it is not there, and need not be) or `failed`.
    state: &'static str,
    exit: Exit,
    words: String,
}

/// Checks.
pub fn run(args: &Args, context: &Context) -> Result<Exit> {
    let opened = connect::open_log(context.settings());
    let served = opened.as_ref().ok().and_then(|log| Served::here(log.as_ref(), context));
    let checks = [log(opened, context), store(context), process(context, served, args.serving)];
    if context.out.is_json() {
        let row = |check: &Check| json!({ "part": check.part, "state": check.state, "message": check.words });
        context.out.json(&checks.iter().map(row).collect::<Vec<_>>())?;
    } else {
        let mut rows = table(&["part", "state", ""], context.out.paint);
        for check in &checks {
            rows.add_row(vec![check.part.into(), state(check.state), harmless(&check.words).into()]);
        }
        context.out.text(&lines(&rows))?;
    }
    Ok(checks.iter().map(|check| check.exit).find(|exit| *exit != Exit::Done).unwrap_or(Exit::Done))
}

fn check(part: &'static str, result: Result<String>) -> Check {
    match result {
        Ok(words) => Check { part, state: "ok", exit: Exit::Done, words },
        Err(error) => Check { part, state: "failed", exit: exit::of_error(&error), words: format!("{error:#}") },
    }
}

fn log(opened: Result<Arc<dyn Log>>, context: &Context) -> Check {
    let look = || {
        let log = opened?;
        let (partitions, catalogue) = connect::installation(log.as_ref(), context.settings())?;
        let warnings = connect::check(log.as_ref(), context.settings(), partitions)?;
        let definitions = counted(catalogue.all_newest().count(), "definition");
        let partitions = counted(partitions as usize, "partition");
        let more = warnings.iter().map(|warning| format!("; {warning}")).collect::<String>();
        Ok(format!("{}, {partitions}, {definitions}{more}", log.cluster()))
    };
    check("log", look())
}

fn store(context: &Context) -> Check {
    let look = || {
        let store = connect::open_store(context.settings())?;
        let positions = store.query().positions()?;
        Ok(format!("{}, {} projected", store.describe(), counted(positions.len(), "partition")))
    };
    check("store", look())
}

/// Which installation a process serves: the log and the namespace in it, as `GET /ready` says them.
#[derive(PartialEq, Eq)]
struct Served {
    log: String,
    namespace: String,
}

impl Served {
    /// The one that this command is asked about; none where its log does not answer, and so cannot say which it is.
    fn here(log: &dyn Log, context: &Context) -> Option<Self> {
        log.brokers().ok()?;
        Some(Self { log: log.cluster(), namespace: context.settings().namespace.clone() })
    }

    /// The one of the process that answered.
    fn there(report: &Value) -> Self {
        let text = |field: &str| report[field].as_str().unwrap_or("unknown").to_owned();
        Self { log: text("log"), namespace: text("namespace") }
    }

    /// A process whose log has not answered yet names where it looks for it.
    fn is_known(&self) -> bool {
        !self.log.contains("://")
    }
}

impl fmt::Display for Served {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{} (namespace {})", self.log, self.namespace)
    }
}

fn process(context: &Context, here: Option<Served>, serving: bool) -> Check {
    let none = |words: String| match serving {
        true => check("process", Err(fail(Exit::Unreachable, words))),
        false => Check { part: "process", state: "none", exit: Exit::Done, words },
    };
    let Some(address) = context.settings().http_address else {
        return none("not asked: --http-address is off".to_owned());
    };
    let report = match ask(address) {
        Ok(report) => report,
        Err(error) => return none(format!("nothing answers at {address}: {}", error.root_cause())),
    };
    let (there, roles) = (Served::there(&report), roles(&report));
    match here {
        Some(here) if here != there && there.is_known() => none(format!(
            "not ok: the process at {address} serves {there}, not {here}; --http-address names another one"
        )),
        _ if report["ready"] == true => check("process", Ok(format!("{address} is ready: {roles}"))),
        _ => check("process", Err(anyhow!("{address} is not ready: {roles}"))),
    }
}

/// What `GET /ready` answers.
fn ask(address: SocketAddr) -> Result<Value> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let client = reqwest::Client::builder().timeout(HTTP_PATIENCE).no_proxy().build()?;
        let report: Value = client.get(format!("http://{address}/ready")).send().await?.json().await?;
        if report.get("ready").is_none() {
            bail!("something else answers there");
        }
        Ok(report)
    })
}

fn roles(report: &Value) -> String {
    let role = |(name, role): (&String, &Value)| {
        let message = role["message"].as_str().map_or_else(String::new, |words| format!(" ({words})"));
        format!("{name} {}{message}", role["state"].as_str().unwrap_or("unknown"))
    };
    report["roles"].as_object().map_or_else(String::new, |all| all.iter().map(role).collect::<Vec<_>>().join(", "))
}
