//! `orchestrator dlq list`.

use super::filter::Which;
use crate::cli::exit::Exit;
use crate::cli::output::{cut, say};
use crate::cli::{Context, connect};
use crate::store::letter::{FoundLetter, LetterState};
use crate::ui::style::{Paint, harmless, short};
use crate::ui::table::{lines, state, table};
use crate::ui::time::{rfc3339, short as short_time};
use anyhow::Result;
use clap::builder::PossibleValuesParser;
use serde_json::{Value, json};

/// For `--help`.
pub const EXAMPLES: &str = "\
Examples:
  orchestrator dlq list
  orchestrator dlq list --state all --workflow greet-1
  orchestrator dlq list --agent shop --code http_503 --since 1h --output json
";

const ALL: &str = "all";

/// The arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// In this state alone
    #[arg(long, default_value = "open", value_parser = PossibleValuesParser::new(states()))]
    pub state: String,
    /// What tells them apart.
    #[command(flatten)]
    pub which: Which,
    /// At most this many
    #[arg(long, default_value_t = 20, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub limit: u32,
}

/// The words for `--state`.
pub fn states() -> Vec<&'static str> {
    LetterState::ALL.into_iter().map(LetterState::as_str).chain([ALL]).collect()
}

/// The state that a word means; none: any.
pub fn state_of(word: &str) -> Option<LetterState> {
    LetterState::ALL.into_iter().find(|state| state.as_str() == word)
}

/// Lists.
pub fn run(args: &Args, context: &Context) -> Result<Exit> {
    let store = connect::open_store(context.settings())?;
    let mut letters = store.query().letters(&args.which.filter(state_of(&args.state), args.limit as usize + 1))?;
    let more = cut(&mut letters, args.limit);
    if context.out.is_json() {
        context.out.json(&letters.iter().map(facts).collect::<Vec<_>>())?;
    } else if letters.is_empty() {
        let word = if args.state == ALL { String::new() } else { format!("{} ", args.state) };
        let such = if args.which.is_empty() { "" } else { " of that kind" };
        context.out.line(format!("no {word}dead letters{such}"))?;
    } else {
        context.out.text(&shown(&letters, context.out.paint))?;
        more.into_iter().for_each(say);
    }
    Ok(Exit::Done)
}

fn shown(letters: &[FoundLetter], paint: Paint) -> String {
    let head = ["letter", "state", "kind", "from", "workflow", "code", "time (utc)", "fault", "message"];
    let mut rows = table(&head, paint);
    for found in letters {
        let letter = &found.letter;
        let workflow = letter.workflow_id.as_ref().map_or("", |id| id.as_str());
        rows.add_row(vec![
            letter.letter_id.as_str().into(),
            state(found.state().as_str()),
            letter.kind.as_str().into(),
            source(found).into(),
            short(&harmless(workflow), 32).into(),
            harmless(&letter.code).into(),
            short_time(letter.time).into(),
            letter.fingerprint.as_str().into(),
            short(&harmless(&letter.message), 60).into(),
        ]);
    }
    lines(&rows)
}

/// Where it comes from: the node and its agent, or the topic.
pub fn source(found: &FoundLetter) -> String {
    let letter = &found.letter;
    match (&letter.node_id, &letter.agent_name, &letter.origin) {
        (Some(node), Some(agent), _) if node.as_str() == agent.as_str() => node.to_string(),
        (Some(node), Some(agent), _) => format!("{node} ({agent})"),
        (_, _, Some(origin)) => origin.topic.clone(),
        _ => String::new(),
    }
}

/// What is known of a letter, for programs.
pub fn facts(found: &FoundLetter) -> Value {
    let letter = &found.letter;
    json!({
        "id": letter.letter_id.as_str(),
        "state": found.state().as_str(),
        "kind": letter.kind.as_str(),
        "partition": found.partition,
        "workflow_id": letter.workflow_id.as_ref().map(|id| id.as_str()),
        "run_id": letter.run_id.as_ref().map(|id| id.as_str()),
        "node_id": letter.node_id.as_ref().map(|id| id.as_str()),
        "agent_name": letter.agent_name.as_ref().map(|name| name.as_str()),
        "attempt": letter.attempt,
        "definition": letter.definition.as_ref().map(|name| name.as_str()),
        "class": letter.class.map(|class| class.as_str()),
        "code": letter.code,
        "message": letter.message,
        "details": letter.details.as_ref().map(|details| details.value().clone()),
        "fingerprint": letter.fingerprint,
        "origin": letter.origin.as_ref().map(|origin| json!({
            "topic": origin.topic,
            "partition": origin.partition,
            "offset": origin.offset,
            "time": rfc3339(origin.time),
        })),
        "time": rfc3339(letter.time),
        "handled": found.handled.as_ref().map(|handled| json!({
            "at": rfc3339(handled.at),
            "by": handled.by,
            "note": handled.note,
            "run_id": handled.run_id.as_ref().map(|id| id.as_str()),
        })),
    })
}
