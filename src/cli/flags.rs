//! The settings as flags of every command, made from the table.

use crate::config::kind::Kind;
use crate::config::table::{self, SETTINGS};
use clap::{Arg, ArgMatches, Args, Command, FromArgMatches};

/// What flags say about settings: the variable's name and the value.
#[derive(Clone, Debug, Default)]
pub struct SettingFlags(pub Vec<(&'static str, String)>);

/// The settings whose flags every `--help` shows; the others are flags just as well.
const SHOWN: [&str; 4] = [table::LOG_URL, table::STORE_URL, table::DATA, table::NAMESPACE];

impl Args for SettingFlags {
    fn augment_args(command: Command) -> Command {
        SETTINGS.iter().fold(command, |command, setting| {
            let shown = SHOWN.contains(&setting.name);
            let arg = Arg::new(setting.name)
                .long(setting.flag())
                .value_name(value_name(&setting.kind))
                .help(format!("{} [env: {}]", setting.meaning, setting.name))
                .help_heading("Settings (all are flags, see `orchestrator config`)")
                .hide(!shown)
                .global(true);
            command.arg(arg)
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for SettingFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let given = |name: &'static str| matches.get_one::<String>(name).map(|value| (name, value.clone()));
        Ok(Self(SETTINGS.iter().filter_map(|setting| given(setting.name)).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

fn value_name(kind: &Kind) -> &'static str {
    match kind {
        Kind::Count { .. } | Kind::Factor => "NUMBER",
        Kind::Duration { .. } => "DURATION",
        Kind::Bytes { .. } => "BYTES",
        Kind::Bool => "true|false",
        Kind::Level => "LEVEL",
        Kind::Word(_) => "WORD",
        Kind::LogUrl | Kind::StoreUrl | Kind::HttpUrl => "URL",
        Kind::Address => "ADDRESS",
        Kind::Namespace | Kind::Group => "NAME",
        Kind::Hosts | Kind::Programs => "LIST",
        Kind::Folder => "DIR",
    }
}
