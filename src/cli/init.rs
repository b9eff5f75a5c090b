//! `orchestrator init`: topics, the pinned number of partitions, tables.

use super::exit::{Exit, fail};
use super::installation::{self, Installation};
use super::records::append;
use super::{Context, connect};
use crate::config::table;
use crate::log::{Log, TopicSpec, plan};
use crate::wire::definition::DefinitionRecord;
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

/// What `init` did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// The pinned number of partitions.
    pub partitions: u32,
    /// The topics that were not there before.
    pub created: Vec<String>,
}

/// Makes an installation, or what is missing of it.
pub fn run(_args: &Args, context: &Context) -> Result<Exit> {
    let settings = context.settings();
    let asked = context.config.was_given(table::PARTITIONS).then_some(settings.partitions);
    let log = connect::make_log(settings)?;
    let made = make(log.as_ref(), asked, settings.partitions)?;
    let warnings = installation::check(log.as_ref(), settings, made.partitions)?;
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
            n => format!("{n} topics created"),
        };
        context.out.line(format!("log    {}, {} partitions, {topics}", log.cluster(), made.partitions))?;
        context.out.line(format!("store  {}, tables up to date", store.describe()))?;
    }
    Ok(Exit::Done)
}

/// Creates the topics that are missing and pins the number of partitions. `asked` is what somebody asked for,
/// `otherwise` what a new installation gets if nobody did.
///
/// # Errors
/// Where another number is pinned, or a topic has another number.
pub fn make(log: &dyn Log, asked: Option<u32>, otherwise: u32) -> Result<Made> {
    let found = installation::read(log)?;
    let partitions = settle(&found, asked, otherwise)?;
    let plan = plan::topic_plan(partitions, log.brokers()?);
    let missing = missing(log, &plan)?;
    log.create_topics(&plan)?;
    if found.partitions.is_none() {
        append(log, vec![installation::record(&DefinitionRecord::Installation { partitions })])?;
    }
    Ok(Made { partitions, created: missing })
}

fn settle(found: &Installation, asked: Option<u32>, otherwise: u32) -> Result<u32> {
    match (found.partitions, asked) {
        (Some(pinned), Some(asked)) if pinned != asked => Err(fail(
            Exit::Refused,
            format!(
                "{} partitions were asked for, but this installation is pinned to {pinned}: the number can't be \
                 changed; leave {} out, or use another --namespace",
                asked,
                table::PARTITIONS
            ),
        )),
        (Some(pinned), _) => Ok(pinned),
        (None, asked) => Ok(asked.unwrap_or(otherwise)),
    }
}

/// The planned topics that are not there; one that is there has to have the planned number of partitions.
fn missing(log: &dyn Log, plan: &[TopicSpec]) -> Result<Vec<String>> {
    let mut missing = Vec::new();
    for planned in plan {
        match log.partitions(&planned.topic)? {
            None => missing.push(planned.topic.to_string()),
            Some(found) if found != planned.partitions => {
                return Err(fail(Exit::Refused, installation::other_partitions(planned, found)));
            }
            Some(_) => {}
        }
    }
    Ok(missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pinned(partitions: Option<u32>) -> Installation {
        Installation { partitions, ..Installation::default() }
    }

    #[test]
    fn a_pinned_number_stays_and_another_is_refused_by_name() {
        assert_eq!(settle(&pinned(None), None, 4).unwrap(), 4);
        assert_eq!(settle(&pinned(None), Some(7), 4).unwrap(), 7);
        assert_eq!(settle(&pinned(Some(8)), None, 4).unwrap(), 8);
        assert_eq!(settle(&pinned(Some(8)), Some(8), 4).unwrap(), 8);
        let refused = settle(&pinned(Some(8)), Some(4), 4).unwrap_err();
        assert!(refused.to_string().contains("pinned to 8"), "{refused}");
    }
}
