//! `orchestrator health`.

use super::exit::{self, Exit};
use super::{Context, connect, installation};
use crate::ui::style::harmless;
use crate::ui::table::{lines, state, table};
use anyhow::{Result, bail};
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
    exit: Exit,
    words: String,
}

/// Checks.
pub fn run(args: &Args, context: &Context) -> Result<Exit> {
    let checks = [log(context), store(context), process(context, args.serving)];
    let word = |check: &Check| if check.exit == Exit::Done { "ok" } else { "failed" };
    if context.out.is_json() {
        let row = |check: &Check| json!({ "part": check.part, "state": word(check), "message": check.words });
        context.out.json(&checks.iter().map(row).collect::<Vec<_>>())?;
    } else {
        let mut rows = table(&["part", "state", ""], context.out.paint);
        for check in &checks {
            rows.add_row(vec![check.part.into(), state(word(check)), harmless(&check.words).into()]);
        }
        context.out.text(&lines(&rows))?;
    }
    Ok(checks.iter().map(|check| check.exit).find(|exit| *exit != Exit::Done).unwrap_or(Exit::Done))
}

fn check(part: &'static str, result: Result<String>) -> Check {
    match result {
        Ok(words) => Check { part, exit: Exit::Done, words },
        Err(error) => Check { part, exit: exit::of_error(&error), words: format!("{error:#}") },
    }
}

fn log(context: &Context) -> Check {
    let look = || {
        let log = connect::open_log(context.settings())?;
        let (partitions, catalogue) = installation::require(log.as_ref(), context.settings())?;
        let warnings = installation::check(log.as_ref(), context.settings(), partitions)?;
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
    let look = || match context.settings().http_address {
        None if serving => bail!("--http-address is off, so that nothing can be asked"),
        None => Ok("not asked: --http-address is off".to_owned()),
        Some(address) => match ask(address) {
            Ok(report) if report["ready"] == true => Ok(format!("{address} is ready: {}", roles(&report))),
            Ok(report) => bail!("{address} is not ready: {}", roles(&report)),
            Err(error) if serving => bail!("nothing answers at {address}: {error:#}"),
            Err(_) => Ok(format!("none answers at {address}")),
        },
    };
    check("process", look())
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
