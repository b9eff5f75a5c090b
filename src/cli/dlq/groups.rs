//! `orchestrator dlq groups`.

use super::filter::Which;
use crate::cli::exit::Exit;
use crate::cli::output::{cut, say};
use crate::cli::{Context, connect};
use crate::store::letter::LetterGroup;
use crate::ui::style::{Paint, harmless, short};
use crate::ui::table::{lines, table};
use crate::ui::time::{rfc3339, short as short_time};
use anyhow::Result;
use serde_json::{Value, json};

/// For `--help`.
pub const EXAMPLES: &str = "\
Examples:
  orchestrator dlq groups
  orchestrator dlq groups --agent shop --since 24h
  orchestrator dlq groups --output json
";

/// The arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What tells letters apart.
    #[command(flatten)]
    pub which: Which,
    /// At most this many
    #[arg(long, default_value_t = 20, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub limit: u32,
}

/// Lists.
pub fn run(args: &Args, context: &Context) -> Result<Exit> {
    let store = connect::open_store(context.settings())?;
    let mut groups = store.query().letter_groups(&args.which.filter(None, args.limit as usize + 1))?;
    let more = cut(&mut groups, args.limit);
    if context.out.is_json() {
        context.out.json(&groups.iter().map(row).collect::<Vec<_>>())?;
    } else if groups.is_empty() {
        context.out.line(if args.which.is_empty() { "no dead letters" } else { "no dead letters of that kind" })?;
    } else {
        context.out.text(&shown(&groups, context.out.paint))?;
        more.into_iter().for_each(say);
    }
    Ok(Exit::Done)
}

fn shown(groups: &[LetterGroup], paint: Paint) -> String {
    let head = ["fault", "open", "handled", "from", "class", "code", "first (utc)", "last (utc)", "for example"];
    let mut rows = table(&head, paint);
    for group in groups {
        rows.add_row(vec![
            group.fingerprint.clone(),
            group.open.to_string(),
            group.letters.saturating_sub(group.open).to_string(),
            group.agent_name.as_ref().map(ToString::to_string).or_else(|| group.topic.clone()).unwrap_or_default(),
            group.class.map_or_else(String::new, |class| class.as_str().to_owned()),
            harmless(&group.code),
            short_time(group.first_seen),
            short_time(group.last_seen),
            short(&harmless(&group.message), 60),
        ]);
    }
    lines(&rows)
}

fn row(group: &LetterGroup) -> Value {
    json!({
        "fingerprint": group.fingerprint,
        "kind": group.kind.as_str(),
        "letters": group.letters,
        "open": group.open,
        "handled": group.letters.saturating_sub(group.open),
        "agents": group.agent_name.iter().map(|name| name.as_str()).collect::<Vec<_>>(),
        "topic": group.topic,
        "class": group.class.map(|class| class.as_str()),
        "code": group.code,
        "message": group.message,
        "first_seen": rfc3339(group.first_seen),
        "last_seen": rfc3339(group.last_seen),
    })
}
