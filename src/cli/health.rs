//! `orchestrator health`.

use super::exit::{self, Exit, fail};
use super::{Context, connect};
use crate::ui::style::harmless;
use crate::ui::table::{lines, state, table};
use anyhow::{Result, anyhow, bail};
use serde_json::{Value, json};
use std::net::SocketAddr;
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
    let checks = [log(context), store(context), process(context, args.serving)];
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

fn log(context: &Context) -> Check {
    let look = || {
        let log = connect::open_log(context.settings())?;
        let (partitions, catalogue) = connect::installation(log.as_ref(), context.settings())?;
        let warnings = connect::check(log.as_ref(), context.settings(), partitions)?;
        let definitions = catalogue.all_newest().count();
        let more = warnings.iter().map(|warning| format!("; {warning}")).collect::<String>();
        Ok(format!("{}, {partitions} partitions, {definitions} definitions{more}", log.cluster()))
    };
    check("log", look())
}

fn store(context: &Context) -> Check {
    let look = || {
        let store = connect::open_store(context.settings())?;
        let positions = store.query().positions()?;
        Ok(format!("{}, {} partitions projected", store.describe(), positions.len()))
    };
    check("store", look())
}

fn process(context: &Context, serving: bool) -> Check {
    let none = |words: String| match serving {
        true => check("process", Err(fail(Exit::Unreachable, words))),
        false => Check { part: "process", state: "none", exit: Exit::Done, words },
    };
    let Some(address) = context.settings().http_address else {
        return none("not asked: --http-address is off".to_owned());
    };
    match ask(address) {
        Ok(report) if report["ready"] == true => {
            check("process", Ok(format!("{address} is ready: {}", roles(&report))))
        }
        Ok(report) => check("process", Err(anyhow!("{address} is not ready: {}", roles(&report)))),
        Err(error) => none(format!("nothing answers at {address}: {}", error.root_cause())),
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
