//! `orchestrator dev`: everything in one process, durable in a folder.

use super::exit::Exit;
use super::output::say;
use super::server::{Role, Server, built_ins};
use super::{Context, connect};
use crate::config::table;
use crate::installation::topics;
use crate::shutdown::Stop;
use anyhow::{Context as _, Result};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// For `--help`.
pub const EXAMPLES: &str = "\
Examples:
  orchestrator dev                    in ./.orchestrator
  orchestrator dev --data coffee      in another folder
Ended and started again, it goes on where it was. In another terminal:
  export ORCHESTRATOR_DATA=.orchestrator
  orchestrator definitions apply examples/definitions/hello.yaml
  orchestrator submit hello --input '{\"name\": \"Ada\"}' --wait
";

/// Where `dev` keeps its log and store unless told otherwise.
pub const FOLDER: &str = ".orchestrator";

/// The arguments.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Says which folder, where neither a flag nor the environment does.
pub fn choose_folder(flags: &mut Vec<(&'static str, String)>) {
    let by_flag = flags.iter().any(|(name, _)| *name == table::DATA);
    let by_environment = std::env::var_os(table::DATA).is_some_and(|value| !value.is_empty());
    if !by_flag && !by_environment {
        flags.push((table::DATA, FOLDER.to_owned()));
    }
}

/// Serves until it is stopped.
pub fn run(_args: &Args, context: &Context) -> Result<Exit> {
    let settings = context.settings();
    let folder = settings.data.clone().unwrap_or_else(|| PathBuf::from(FOLDER));
    let stop = Stop::new();
    stop.listen().context("signals can't be listened to")?;
    let log = connect::make_log(settings)?;
    let made = topics::make(log.as_ref(), None, settings.partitions)?;
    drop(log);
    let roles = BTreeSet::from([Role::Engine, Role::Projector, Role::Worker]);
    let status = Server::begin(context, &roles);
    let address = Server::answer(context, &status)?;
    let Some(mut server) = Server::prepare(context, &roles, &stop, status)? else { return Ok(Exit::Done) };
    server.start(&roles, &built_ins())?;
    let health = address.map_or_else(|| "off".to_owned(), |address| format!("http://{address}/health"));
    greet(&folder, made.created.is_empty(), &health);
    server.watch()
}

fn greet(folder: &Path, again: bool, health: &str) {
    let data = folder.display();
    let going_on = if again { ", going on where it was" } else { "" };
    say(format!(
        "orchestrator runs in {data}{going_on}\n\
         \x20 health   {health}\n\
         \x20 apply    orchestrator definitions apply FILE --data {data}\n\
         \x20 submit   orchestrator submit NAME --input '{{}}' --wait --data {data}\n\
         \x20 watch    orchestrator tail --data {data}\n\
         \x20 stop     Ctrl-C"
    ));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_was_given_stays() {
        let mut flags = vec![(table::DATA, "coffee".to_owned())];
        choose_folder(&mut flags);
        assert_eq!(flags, [(table::DATA, "coffee".to_owned())]);
    }
}
