//! `orchestrator dlq show`.

use super::filter::digits;
use super::list::{facts, source};
use super::pick::one;
use crate::cli::exit::Exit;
use crate::cli::{Context, connect};
use crate::store::letter::FoundLetter;
use crate::ui::style::{Paint, harmless};
use crate::ui::time::rfc3339;
use anyhow::{Context as _, Result};
use serde_json::Value;
use std::fmt::Write;

/// For `--help`.
pub const EXAMPLES: &str = "\
Examples:
  orchestrator dlq show 9c41d2f07a55e310
  orchestrator dlq show 9c41                 the first digits, if they are enough
  orchestrator dlq show 9c41 --output json
";

/// The arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The letter
    #[arg(value_name = "LETTER", value_parser = digits)]
    pub id: String,
}

/// Shows.
pub fn run(args: &Args, context: &Context) -> Result<Exit> {
    let store = connect::open_store(context.settings())?;
    let found = one(store.query(), &args.id)?;
    let document = store.query().letter_document(&found.letter.letter_id)?.unwrap_or_else(|| "null".to_owned());
    let document: Value = serde_json::from_str(&document).context("the store holds a letter that is no JSON")?;
    if context.out.is_json() {
        let mut all = facts(&found);
        all["letter"] = document;
        context.out.json(&all)?;
    } else {
        context.out.text(&words(&found, &document, context.out.paint))?;
    }
    Ok(Exit::Done)
}

fn words(found: &FoundLetter, document: &Value, paint: Paint) -> String {
    let letter = &found.letter;
    let mut text = String::new();
    let mut line = |name: &str, value: &str| {
        if !value.is_empty() {
            let _ = writeln!(text, "{} {}", paint.dim(&format!("{name:10}")), harmless(value));
        }
    };
    let optional = |value: Option<String>| value.unwrap_or_default();
    line("letter", letter.letter_id.as_str());
    line("state", found.state().as_str());
    line("kind", letter.kind.as_str());
    line("from", &source(found));
    line("workflow", letter.workflow_id.as_ref().map_or("", |id| id.as_str()));
    line("run", letter.run_id.as_ref().map_or("", |id| id.as_str()));
    line("attempt", &optional(letter.attempt.map(|attempt| attempt.to_string())));
    line("definition", letter.definition.as_ref().map_or("", |name| name.as_str()));
    line("class", letter.class.map_or("", |class| class.as_str()));
    line("code", &letter.code);
    line("message", &letter.message);
    line("fault", &letter.fingerprint);
    line("time", &rfc3339(letter.time));
    let origin = letter.origin.as_ref();
    line("origin", &optional(origin.map(|o| format!("{}/{}/{}", o.topic, o.partition, o.offset))));
    if let Some(handled) = &found.handled {
        line("handled", &format!("{} by {}", rfc3339(handled.at), handled.by));
        line("note", &optional(handled.note.clone()));
        line("new run", handled.run_id.as_ref().map_or("", |id| id.as_str()));
    }
    for (name, value) in [("details", "details"), ("input", "input"), ("key", "key"), ("headers", "headers")] {
        let value = &document[value];
        if !value.is_null() && value.as_object().is_none_or(|object| !object.is_empty()) {
            block(&mut text, name, value, paint);
        }
    }
    if let Some(value) = document["value"].as_str() {
        // A request is JSON within a text; what is not is shown as the letter has it.
        let value = serde_json::from_str(value).unwrap_or_else(|_| Value::from(value));
        let cut = if document["truncated"] == true { "value (its beginning)" } else { "value" };
        block(&mut text, cut, &value, paint);
    }
    text
}

fn block(text: &mut String, name: &str, value: &Value, paint: Paint) {
    let shown = match value {
        Value::String(plain) => harmless(plain),
        other => serde_json::to_string_pretty(other).unwrap_or_default(),
    };
    let _ = writeln!(text, "\n{}", paint.strong(name));
    for line in shown.lines() {
        let _ = writeln!(text, "  {}", harmless(line));
    }
}
