//! `orchestrator init`: topics, the pinned number of partitions, tables.

use super::exit::Exit;
use super::{Context, connect};
use crate::config::table;
use crate::installation::topics;
use crate::ui::counted;
use anyhow::{Context as _, Result};
use serde_json::json;

/// For `--help`.
pub const EXAMPLES: &str = "\
Examples:
  orchestrator init                    on the Kafka and Postgres of scripts/services
  orchestrator init --partitions 12 --log-url kafka://a:9092,b:9092
  orchestrator init --data coffee      an embedded log and store in a folder
";

/// The arguments.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Makes an installation, or what is missing of it.
pub fn run(_args: &Args, context: &Context) -> Result<Exit> {
    let settings = context.settings();
    let asked = context.config.was_given(table::PARTITIONS).then_some(settings.partitions);
    let log = connect::make_log(settings)?;
    let made = topics::make(log.as_ref(), asked, settings.partitions)?;
    let warnings = connect::check(log.as_ref(), settings, made.partitions)?;
    let store = connect::open_store(settings)?;
    store.migrate().context("the tables could not be made")?;
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    if context.out.is_json() {
        context.out.json(&json!({
            "log": log.cluster(),
            "namespace": settings.namespace,
            "partitions": made.partitions,
            "created": made.created,
            "store": store.describe(),
        }))?;
    } else {
        let topics = match made.created.len() {
            0 => "every topic was there".to_owned(),
            n => format!("{} created", counted(n, "topic")),
        };
        let partitions = counted(made.partitions as usize, "partition");
        context.out.line(format!("log    {}, {partitions}, {topics}", log.cluster()))?;
        context.out.line(format!("store  {}, tables up to date", store.describe()))?;
    }
    Ok(Exit::Done)
}
