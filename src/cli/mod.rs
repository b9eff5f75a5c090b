//! The command line: one file per verb. The place, with `api`, that puts the parts together, and the only one that
//! uses `anyhow`.
//!
//! Reading order: [`exit`] (codes), [`flags`] (settings as flags), [`connect`] (settings to log and store),
//! [`roles`] and [`server`] (what `serve` and `dev` run), then the verbs.

pub mod by;
pub mod completions;
pub mod config;
pub mod connect;
pub mod definitions;
pub mod demo;
pub mod dev;
pub mod diff;
pub mod dlq;
pub mod embedded;
pub mod errors;
pub mod events;
pub mod exit;
pub mod export;
pub mod flags;
pub mod fork;
pub mod frontier;
pub mod health;
pub mod history;
pub mod init;
pub mod list;
pub mod output;
pub mod program;
pub mod readiness;
pub mod rebuild;
pub mod replay;
pub mod roles;
pub mod serve;
pub mod server;
pub mod show;
pub mod since;
pub mod stand_ins;
pub mod submit;
pub mod supply;
pub mod tail;
pub mod why;
pub mod worker;

use crate::config::{Config, Inputs, Settings, table};
use crate::embedded::PARTITIONS;
use anyhow::Result;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use exit::Exit;
use flags::SettingFlags;
use output::{Out, Output, say};
use std::io::IsTerminal;
use std::process::ExitCode;

const ABOUT: &str = "Runs graphs of AI agent calls as an event-sourced stream processor on Kafka and Postgres";

const EXAMPLES: &str = "\
Examples:
  orchestrator demo      three real requests, live, with nothing installed
  orchestrator dev       a server for local work in ./.orchestrator
  orchestrator submit hello --input '{\"name\": \"Ada\"}' --wait --data .orchestrator
  orchestrator list --data .orchestrator
";

/// The whole command line.
#[derive(Debug, Parser)]
#[command(name = "orchestrator", version, about = ABOUT, after_help = EXAMPLES)]
#[command(after_long_help = format!("{EXAMPLES}\n{}", exit::help()), arg_required_else_help = true)]
pub struct Cli {
    /// The settings that are given as flags.
    #[command(flatten)]
    pub settings: SettingFlags,
    /// For whom to print: tables for people, JSON for programs
    #[arg(long, global = true, value_enum, default_value_t, hide_possible_values = false)]
    pub output: Output,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run three requests about a small coffee shop and show them live; nothing needs to be installed
    #[command(after_help = demo::EXAMPLES)]
    Demo(demo::Args),
    /// Run everything in one process for local work, durable in ./.orchestrator
    #[command(after_help = dev::EXAMPLES)]
    Dev(dev::Args),
    /// Create the topics and tables of an installation and pin its number of partitions; safe to run twice
    #[command(after_help = init::EXAMPLES)]
    Init(init::Args),
    /// Run the engine, the projector and the built-in agents, or some of them
    #[command(after_help = serve::EXAMPLES)]
    Serve(serve::Args),
    /// Execute nodes: a program as an agent, or built-in agents
    #[command(after_help = worker::EXAMPLES)]
    Worker(worker::Args),
    /// Apply, list, show and validate definitions
    #[command(after_help = definitions::EXAMPLES)]
    Definitions(definitions::Args),
    /// Start a workflow, and wait for its answer if asked to
    #[command(after_help = format!("{}\n{}", submit::EXAMPLES, exit::help()))]
    Submit(submit::Args),
    /// List runs, the newest first
    #[command(after_help = list::EXAMPLES)]
    List(list::Args),
    /// Show a run: its nodes, a timeline, its answer or failure
    #[command(after_help = show::EXAMPLES)]
    Show(show::Args),
    /// Say in plain words why a run is where it is
    #[command(after_help = why::EXAMPLES)]
    Why(why::Args),
    /// Print the events of a run
    #[command(after_help = history::EXAMPLES)]
    History(history::Args),
    /// Begin a new workflow with what a run has done up to a node
    #[command(after_help = fork::EXAMPLES)]
    Fork(Box<fork::Args>),
    /// Compare two runs: where they part, and in what
    #[command(after_help = diff::EXAMPLES)]
    Diff(diff::Args),
    /// Show a run as it was at any point of its history, or hold all histories against journal and tables
    #[command(after_help = replay::EXAMPLES)]
    Replay(replay::Args),
    /// Give a node of an unfinished run its output by hand
    #[command(after_help = supply::EXAMPLES)]
    Supply(supply::Args),
    /// Follow the event stream
    #[command(after_help = tail::EXAMPLES)]
    Tail(tail::Args),
    /// Write the event stream to a file for a notebook
    #[command(after_help = export::EXAMPLES)]
    Export(export::Args),
    /// Find dead letters and work them off
    #[command(after_help = dlq::EXAMPLES)]
    Dlq(Box<dlq::Args>),
    /// Group what went wrong: how often, since when, and whether it becomes more
    #[command(after_help = errors::EXAMPLES)]
    Errors(errors::Args),
    /// Make the tables of the store anew from the journal, and swap them in while everything goes on
    #[command(after_help = rebuild::EXAMPLES)]
    Rebuild(rebuild::Args),
    /// Print every setting with its value, where it came from and what it means
    #[command(after_help = config::EXAMPLES)]
    Config(config::Args),
    /// Check the log, the store and the process that answers at --http-address
    #[command(after_help = health::EXAMPLES)]
    Health(health::Args),
    /// Print a completion script for a shell
    #[command(after_help = completions::EXAMPLES)]
    Completions(completions::Args),
}

/// What every verb works with.
#[derive(Debug)]
pub struct Context {
    /// The settings and how they came about.
    pub config: Config,
    /// The standard output.
    pub out: Out,
}

impl Context {
    /// The settings.
    pub fn settings(&self) -> &Settings {
        &self.config.settings
    }
}

/// The command line as clap knows it.
pub fn command() -> clap::Command {
    Cli::command()
}

/// Parses, dispatches, and turns the end into an exit code.
pub fn main() -> ExitCode {
    let cli = Cli::from_arg_matches(&command().get_matches()).unwrap_or_else(|error| error.exit());
    let exit = run(cli).unwrap_or_else(|error| {
        if exit::is_broken_pipe(&error) {
            return Exit::Done;
        }
        say(format!("error: {error:#}"));
        if let Some(advice) = exit::advice(&error) {
            say(format!("  {advice}"));
        }
        exit::of_error(&error)
    });
    ExitCode::from(exit as u8)
}

fn run(cli: Cli) -> Result<Exit> {
    let out = Out::new(cli.output);
    // These need no settings, and must work where a setting is bad.
    match &cli.command {
        Command::Completions(args) => return completions::run(args, out),
        Command::Config(args) if args.markdown => return config::markdown(out),
        Command::Definitions(definitions::Args { action: definitions::Action::Validate(args) }) => {
            return definitions::validate::run(args, out);
        }
        _ => {}
    }
    let elsewhere = embedded::refuse_urls(&cli.command, &cli.settings.0)?;
    let mut config = crate::config::load(&inputs(&cli))?;
    config.warnings.extend(elsewhere);
    let context = Context { config, out };
    if !matches!(cli.command, Command::Config(_)) {
        crate::telemetry::start(context.settings());
    }
    for warning in &context.config.warnings {
        tracing::warn!("{warning}");
    }
    let serves = matches!(cli.command, Command::Serve(_) | Command::Worker(_) | Command::Dev(_));
    match dispatch(cli.command, &context) {
        Err(error) if serves && context.settings().structured_logging => Ok(logged(&error)),
        ended => ended,
    }
}

/// Says the error that ends a process in the one form that its reader takes: as a log line.
fn logged(error: &anyhow::Error) -> Exit {
    let exit = exit::of_error(error);
    match exit::advice(error) {
        Some(advice) => tracing::error!(exit_code = exit as u8, advice, "{error:#}"),
        None => tracing::error!(exit_code = exit as u8, "{error:#}"),
    }
    exit
}

fn dispatch(command: Command, context: &Context) -> Result<Exit> {
    match command {
        Command::Demo(args) => demo::run(&args, context),
        Command::Dev(args) => dev::run(&args, context),
        Command::Init(args) => init::run(&args, context),
        Command::Serve(args) => serve::run(&args, context),
        Command::Worker(args) => worker::run(&args, context),
        Command::Definitions(args) => definitions::run(&args, context),
        Command::Submit(args) => submit::run(&args, context),
        Command::List(args) => list::run(&args, context),
        Command::Show(args) => show::run(&args, context),
        Command::Why(args) => why::run(&args, context),
        Command::History(args) => history::run(&args, context),
        Command::Fork(args) => fork::run(&args, context),
        Command::Diff(args) => diff::run(&args, context),
        Command::Replay(args) => replay::run(&args, context),
        Command::Supply(args) => supply::run(&args, context),
        Command::Tail(args) => tail::run(&args, context),
        Command::Export(args) => export::run(&args, context),
        Command::Dlq(args) => dlq::run(&args, context),
        Command::Errors(args) => errors::run(&args, context),
        Command::Rebuild(args) => rebuild::run(&args, context),
        Command::Config(args) => config::run(&args, context),
        Command::Health(args) => health::run(&args, context),
        Command::Completions(args) => completions::run(&args, context.out),
    }
}

/// The environment, the flags, and the defaults that the verb brings along.
fn inputs(cli: &Cli) -> Inputs {
    let mut flags = cli.settings.0.clone();
    if matches!(cli.command, Command::Dev(_)) {
        dev::choose_folder(&mut flags);
    }
    Inputs { environment: std::env::vars_os().collect(), flags, defaults: defaults(&cli.command) }
}

fn defaults(command: &Command) -> Vec<(&'static str, String, String)> {
    let plainly = |why: &str| (table::STRUCTURED_LOGGING, "false".to_owned(), why.to_owned());
    let on_terminal =
        || std::io::stderr().is_terminal().then(|| plainly("the standard error being a terminal")).into_iter();
    match command {
        // What runs for long is read by people in a terminal, and by programs elsewhere.
        Command::Serve(_) | Command::Worker(_) | Command::Config(_) => on_terminal().collect(),
        Command::Dev(_) => {
            let few = (table::PARTITIONS, PARTITIONS.to_string(), "a folder has one engine".to_owned());
            on_terminal().chain([few]).collect()
        }
        // A command that ends by itself speaks to people, and only when something is wrong.
        _ => vec![
            plainly("a command for people"),
            (table::LOG_LEVEL, "WARN".to_owned(), "a command for people".to_owned()),
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        command().debug_assert();
    }

    #[test]
    fn a_setting_is_a_flag_before_and_after_the_verb() {
        for line in ["orchestrator --partitions 7 init", "orchestrator init --partitions 7"] {
            let cli = Cli::try_parse_from(line.split(' ')).unwrap();
            assert_eq!(cli.settings.0, [(table::PARTITIONS, "7".to_owned())], "{line}");
        }
    }

    #[test]
    fn a_setting_reaches_verbs_of_verbs() {
        let cli =
            Cli::try_parse_from(["orchestrator", "definitions", "list", "--data", "x", "--output", "json"]).unwrap();
        assert_eq!((cli.settings.0, cli.output), (vec![(table::DATA, "x".to_owned())], Output::Json));
    }
}
