//! `orchestrator definitions apply`.

use super::read;
use crate::cli::exit::{Exit, fail};
use crate::cli::records::append;
use crate::cli::{Context, connect, installation};
use crate::config::Settings;
use crate::core::catalogue::{Catalogue, Placement};
use crate::core::definition::{Definition, DefinitionRef};
use crate::core::id::AgentName;
use crate::log::Log;
use crate::log::plan::agent_topics;
use crate::ui::run::reference;
use crate::wire::definition::DefinitionRecord;
use anyhow::{Context as _, Result};
use serde_json::json;
use std::collections::BTreeSet;

/// For `--help`.
pub const EXAMPLES: &str = "\
Examples:
  orchestrator definitions apply shop.yaml office.yaml
  cat shop.yaml | orchestrator definitions apply -
If one has a fault, none is applied. The same content again keeps its version.
";

/// The arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Files, YAML or JSON; `-` is the standard input
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<String>,
}

/// A definition and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The version that counts.
    pub reference: DefinitionRef,
    /// Whether it was there before.
    pub known: bool,
    /// The newest version of the name, which requests without a version get.
    pub newest: u32,
}

/// Applies.
pub fn run(args: &Args, context: &Context) -> Result<Exit> {
    let sources = read::all(&args.files)?;
    if sources.iter().any(|source| source.result.is_err()) {
        read::say_faults(&sources);
        return Err(fail(Exit::Refused, "nothing was applied: correct the faults above"));
    }
    let definitions: Vec<_> = sources.into_iter().filter_map(|source| source.result.ok()).collect();
    let log = connect::open_log(context.settings())?;
    let outcomes = apply(log.as_ref(), context.settings(), &definitions)?;
    if context.out.is_json() {
        let words = |outcome: &Outcome| {
            json!({
                "name": outcome.reference.name.as_str(),
                "version": outcome.reference.version,
                "hash": outcome.reference.hash.to_string(),
                "applied": !outcome.known,
                "newest": outcome.newest,
            })
        };
        context.out.json(&outcomes.iter().map(words).collect::<Vec<_>>())?;
    } else {
        for outcome in &outcomes {
            context.out.line(words(outcome))?;
        }
    }
    Ok(Exit::Done)
}

fn words(outcome: &Outcome) -> String {
    let reference = reference(&outcome.reference);
    match (outcome.known, outcome.newest == outcome.reference.version) {
        (false, _) => format!("{reference} applied"),
        (true, true) => format!("{reference} was there already"),
        (true, false) => {
            format!("{reference} was there already; requests without a version get the newest, v{}", outcome.newest)
        }
    }
}

/// Makes definitions known: the topics of their agents first, then their records, then what the log says of them.
///
/// # Errors
/// Where there is no installation, or the log does not take a record.
pub fn apply(log: &dyn Log, settings: &Settings, definitions: &[Definition]) -> Result<Vec<Outcome>> {
    let (partitions, before) = installation::require(log, settings)?;
    make_topics(log, partitions, definitions)?;
    let mut records = Vec::new();
    let mut expected = before.clone();
    for definition in definitions {
        if let Placement::New(reference) = expected.place(&definition.name, &definition.hash) {
            let (applied_at, document) = (connect::now(), definition.document.clone());
            expected.fold(crate::core::catalogue::Applied { reference: reference.clone(), applied_at, document });
            let document = definition.document.clone();
            records.push(installation::record(&DefinitionRecord::Applied { reference, applied_at, document }));
        }
    }
    if !records.is_empty() {
        append(log, records)?;
    }
    // Someone else may have claimed the same version a moment earlier: what stands in the log decides.
    let (_, after) = installation::require(log, settings)?;
    definitions.iter().map(|definition| outcome(&before, &after, definition)).collect()
}

fn outcome(before: &Catalogue, after: &Catalogue, definition: &Definition) -> Result<Outcome> {
    let known = matches!(before.place(&definition.name, &definition.hash), Placement::Known(_));
    let Placement::Known(reference) = after.place(&definition.name, &definition.hash) else {
        anyhow::bail!("{} was appended and is not there: the topic `definitions` loses records", definition.name)
    };
    let newest = after.newest(definition.name.as_str()).context("the name was there a moment ago")?;
    Ok(Outcome { newest: newest.reference.version, reference, known })
}

fn make_topics(log: &dyn Log, partitions: u32, definitions: &[Definition]) -> Result<()> {
    let agents: BTreeSet<&AgentName> =
        definitions.iter().flat_map(|definition| &definition.nodes).map(|node| &node.agent_name).collect();
    let brokers = log.brokers()?;
    let topics: Vec<_> = agents.into_iter().flat_map(|agent| agent_topics(agent, partitions, brokers)).collect();
    Ok(log.create_topics(&topics)?)
}
