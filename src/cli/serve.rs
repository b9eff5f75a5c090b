//! `orchestrator serve`.

use super::Context;
use super::exit::Exit;
use super::server::{Role, Server, built_ins};
use crate::shutdown::Stop;
use anyhow::{Context as _, Result};
use std::collections::BTreeSet;

/// For `--help`.
pub const EXAMPLES: &str = "\
Examples:
  orchestrator serve                               everything in one process
  orchestrator serve --roles engine,projector      agents run elsewhere
  orchestrator serve --roles engine --log-url kafka://a:9092,b:9092
Processes with the same --group share the partitions. SIGTERM ends in order, a
second one at once.
";

/// The arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What this process does
    #[arg(long, value_enum, value_delimiter = ',', default_value = "engine,projector,worker")]
    pub roles: Vec<Role>,
}

/// Serves until it is stopped.
pub fn run(args: &Args, context: &Context) -> Result<Exit> {
    let roles: BTreeSet<Role> = args.roles.iter().copied().collect();
    let stop = Stop::new();
    stop.listen().context("signals can't be listened to")?;
    let status = Server::begin(context, &roles);
    let address = Server::answer(context, &status)?;
    let Some(mut server) = Server::prepare(context, &roles, &stop, status)? else { return Ok(Exit::Done) };
    server.start(&roles, &built_ins())?;
    let names: Vec<_> = roles.iter().map(|role| role.as_str()).collect();
    tracing::info!(
        log = server.parts().log.cluster(),
        partitions = server.parts().partitions,
        roles = names.join(","),
        health = address.map_or_else(|| "off".to_owned(), |address| format!("http://{address}/health")),
        "serving"
    );
    server.watch()
}
