//! Printing: results on the standard output, everything else on the standard error.

use crate::ui::style::Paint;
use serde::Serialize;
use std::io::{self, Write};

/// For whom to print.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Output {
    /// Tables and lines for people.
    #[default]
    Table,
    /// JSON for programs.
    Json,
}

/// The standard output. An error of it (a reader that went away) ends the command quietly.
#[derive(Clone, Copy, Debug)]
pub struct Out {
    /// For whom.
    pub output: Output,
    /// Colours.
    pub paint: Paint,
}

impl Out {
    /// As asked for; JSON is never coloured.
    pub fn new(output: Output) -> Self {
        let paint = if output == Output::Json { Paint::PLAIN } else { Paint::for_stdout() };
        Self { output, paint }
    }

    /// Whether a program reads.
    pub fn is_json(self) -> bool {
        self.output == Output::Json
    }

    /// Prints a text and a line end.
    pub fn line(self, text: impl std::fmt::Display) -> io::Result<()> {
        let mut stdout = io::stdout().lock();
        writeln!(stdout, "{text}")?;
        stdout.flush()
    }

    /// Prints a text as it is.
    pub fn text(self, text: &str) -> io::Result<()> {
        let mut stdout = io::stdout().lock();
        stdout.write_all(text.as_bytes())?;
        stdout.flush()
    }

    /// Prints a value as one line of JSON.
    pub fn json_line(self, value: &impl Serialize) -> anyhow::Result<()> {
        Ok(self.line(serde_json::to_string(value)?)?)
    }

    /// Prints a value as indented JSON.
    pub fn json(self, value: &impl Serialize) -> anyhow::Result<()> {
        Ok(self.line(serde_json::to_string_pretty(value)?)?)
    }
}

/// Says something on the standard error; where nobody listens, nothing is lost.
pub fn say(text: impl std::fmt::Display) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Leaves as many rows as were asked for, of one more; what is to be said where there are more.
pub fn cut<T>(rows: &mut Vec<T>, limit: u32) -> Option<String> {
    let limit = limit as usize;
    let is_more = rows.len() > limit;
    rows.truncate(limit);
    is_more.then(|| {
        format!(
            "{limit} {} shown, and there are more; --limit NUMBER shows them",
            if limit == 1 { "is" } else { "are" }
        )
    })
}
