//! `orchestrator worker`.

use super::exit::{Exit, fail};
use super::roles::{BuiltIn, WorkerKind};
use super::server::{Role, Server};
use super::{Context, program};
use crate::core::id::AgentName;
use crate::shutdown::Stop;
use anyhow::{Context as _, Result};
use std::collections::BTreeSet;

/// For `--help`.
pub const EXAMPLES: &str = "\
Examples:
  orchestrator worker --agent shout --exec examples/agents/shout.sh
  orchestrator worker --agent lister --exec jq -c '{keys: keys}'
  orchestrator worker --builtin echo,sleep
The program runs once for each node: JSON in, JSON out. --exec takes the rest of
the line. SIGTERM lets nodes that run end, a second one ends at once.
";

/// The arguments.
#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("what").required(true).args(["exec", "builtin"])))]
pub struct Args {
    /// The agent whose nodes are executed
    #[arg(long, requires = "exec", value_name = "NAME")]
    pub agent: Option<AgentName>,
    /// The program and its arguments: it reads a node's input as JSON and prints its output as JSON
    #[arg(long, requires = "agent", num_args = 1.., allow_hyphen_values = true, value_names = ["PROGRAM", "ARGS"])]
    pub exec: Vec<String>,
    /// Built-in agents
    #[arg(long, value_enum, value_delimiter = ',', conflicts_with = "agent")]
    pub builtin: Vec<BuiltIn>,
}

impl Args {
    fn kinds(&self) -> Vec<WorkerKind> {
        match (&self.agent, self.exec.split_first()) {
            (Some(agent), Some((program, arguments))) => vec![WorkerKind::Program {
                agent: agent.clone(),
                program: program.clone(),
                arguments: arguments.to_vec(),
            }],
            _ => self.builtin.iter().copied().map(WorkerKind::BuiltIn).collect(),
        }
    }
}

/// Executes nodes until it is stopped.
pub fn run(args: &Args, context: &Context) -> Result<Exit> {
    if let Some(program) = args.exec.first() {
        // Before anything is taken: every node would fail, and for ever.
        program::find(program, std::env::var_os("PATH").as_deref())
            .map_err(|words| fail(Exit::Usage, format!("--exec: {words}")))?;
    }
    let roles = BTreeSet::from([Role::Worker]);
    let stop = Stop::new();
    stop.listen().context("signals can't be listened to")?;
    let status = Server::begin(context, &roles);
    let Some(mut server) = Server::prepare(context, &roles, &stop, status)? else { return Ok(Exit::Done) };
    let kinds = args.kinds();
    server.start(&roles, &kinds)?;
    let agents: Vec<_> = kinds.iter().map(WorkerKind::agent_name).collect();
    tracing::info!(log = server.parts().log.cluster(), agents = agents.join(","), "working");
    server.watch()
}

#[cfg(test)]
mod tests {
    use super::super::{Cli, Command};
    use super::*;
    use clap::Parser;

    fn kinds(line: &str) -> Result<Vec<WorkerKind>, clap::Error> {
        match Cli::try_parse_from(line.split(' '))?.command {
            Command::Worker(args) => Ok(args.kinds()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_program_takes_the_rest_of_the_line() {
        let found = kinds("orchestrator worker --agent prices --exec python3 prices.py --currency EUR").unwrap();
        let [WorkerKind::Program { agent, program, arguments }] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!((agent.as_str(), program.as_str()), ("prices", "python3"));
        assert_eq!(arguments, &["prices.py", "--currency", "EUR"]);
    }

    #[test]
    fn built_ins_are_a_list_and_something_has_to_be_said() {
        let found = kinds("orchestrator worker --builtin echo,sleep").unwrap();
        assert_eq!(found, [WorkerKind::BuiltIn(BuiltIn::Echo), WorkerKind::BuiltIn(BuiltIn::Sleep)]);
        for line in ["orchestrator worker", "orchestrator worker --agent x", "orchestrator worker --exec ./x"] {
            assert!(kinds(line).is_err(), "{line}");
        }
    }
}
