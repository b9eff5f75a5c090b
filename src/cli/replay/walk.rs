//! Goes through a history in the terminal, forward and back.

mod screen;

use super::changes::{Change, changes};
use super::state::Replay;
use crate::cli::exit::{Exit, fail};
use crate::history::point;
use crate::ui::event::event_words;
use crate::ui::run::json;
use crate::ui::style::{Paint, harmless, short};
use anyhow::Result;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use screen::Screen;
use serde_json::Value;
use std::fmt::Write;
use std::io::IsTerminal;

/// Most changes that are listed; `--to` shows the whole state.
const MAX_CHANGES: usize = 12;
/// How much of a value is shown.
const SHOWN: usize = 100;
/// What the keys do.
const KEYS: &str = "n → next   p ← back   g first   G last   NUMBER ⏎ go to   ↑ ↓ scroll   q quit";

/// Walks, beginning after so many events.
///
/// # Errors
/// Where there is no terminal, or the history is broken.
pub fn run(replay: &Replay, count: usize, paint: Paint) -> Result<Exit> {
    if !std::io::stdin().is_terminal() || !std::io::stdout().is_terminal() {
        let words = "--walk needs a terminal to show things in and to read keys from; --to prints one state anywhere";
        return Err(fail(Exit::Usage, words));
    }
    let mut walk = Walk { replay, count, number: String::new(), scroll: 0, paint };
    let mut screen = Screen::open()?;
    loop {
        let (text, last_line) = walk.frame()?;
        walk.scroll = screen.draw(&text, &last_line, walk.scroll)?;
        if let Some(key) = screen.key()?
            && walk.key(key) == Goes::Away
        {
            return Ok(Exit::Done);
        }
    }
}

/// Whether the walk goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Goes {
    On,
    Away,
}

struct Walk<'a> {
    replay: &'a Replay<'a>,
    /// How many events were folded.
    count: usize,
    /// The digits that have been typed.
    number: String,
    /// How many lines are above the screen.
    scroll: usize,
    paint: Paint,
}

impl Walk<'_> {
    fn last(&self) -> usize {
        self.replay.history.events.len()
    }

    fn go(&mut self, count: usize) -> Goes {
        self.count = count.clamp(1, self.last());
        self.scroll = 0;
        self.number.clear();
        Goes::On
    }

    fn key(&mut self, key: KeyEvent) -> Goes {
        let is_control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Char('c' | 'd') if is_control => Goes::Away,
            KeyCode::Char('q') | KeyCode::Esc => Goes::Away,
            KeyCode::Char('n' | ' ') | KeyCode::Right => self.go(self.count + 1),
            KeyCode::Char('p') | KeyCode::Left => self.go(self.count.saturating_sub(1)),
            KeyCode::Char('g') | KeyCode::Home => self.go(1),
            KeyCode::Char('G') | KeyCode::End => self.go(self.last()),
            KeyCode::Char(digit) if digit.is_ascii_digit() && self.number.len() < 9 => {
                self.number.push(digit);
                Goes::On
            }
            KeyCode::Backspace => {
                self.number.pop();
                Goes::On
            }
            KeyCode::Enter => match self.number.parse() {
                Ok(count) => self.go(count),
                Err(_) => Goes::On,
            },
            KeyCode::Down => self.scrolled(1),
            KeyCode::Up => self.scrolled(-1),
            KeyCode::PageDown => self.scrolled(10),
            KeyCode::PageUp => self.scrolled(-10),
            _ => Goes::On,
        }
    }

    fn scrolled(&mut self, lines: isize) -> Goes {
        self.scroll = self.scroll.saturating_add_signed(lines);
        Goes::On
    }

    /// Everything that is to be seen, and the line at the bottom.
    fn frame(&self) -> Result<(String, String)> {
        let at = self.replay.at(self.count)?;
        let view = at.view(self.replay);
        let (headline, whole) = (view.headline(self.paint), view.text(self.paint));
        let state = whole.strip_prefix(&format!("{headline}\n")).unwrap_or(&whole);
        let mut text = format!("{headline}\n\n{}\n", self.paint.strong("Changed"));
        for line in self.changed(at.run())? {
            let _ = writeln!(text, "  {line}");
        }
        text.push_str(state);
        let next = self.replay.history.events.get(self.count);
        let next = next.map_or_else(|| "the end".to_owned(), |next| event_words(&next.event, Paint::PLAIN));
        let last_line = match self.number.as_str() {
            "" => format!("{KEYS}   next: {}", short(&next, SHOWN)),
            number => format!("go to event {number} ⏎"),
        };
        Ok((text, last_line))
    }

    /// What the last event changed of the state.
    fn changed(&self, run: &crate::core::run::Run) -> Result<Vec<String>> {
        let state = |run: &crate::core::run::Run| json(run, self.replay.history.partition, &Default::default());
        let before = match point::state(self.replay.history.events.get(..self.count - 1).unwrap_or_default())? {
            Some(before) => state(&before),
            None => Value::Null,
        };
        let mut all = changes(&before, &state(run));
        all.retain(|(place, _, after)| place != "/sequence" && (self.count > 1 || !after.is_null()));
        let more = all.len().saturating_sub(MAX_CHANGES);
        let mut lines: Vec<_> = all.iter().take(MAX_CHANGES).map(|change| self.line(change)).collect();
        if lines.is_empty() {
            lines.push("nothing".to_owned());
        }
        if more > 0 {
            lines.push(format!("and {more} more"));
        }
        Ok(lines)
    }

    fn line(&self, (place, before, after): &Change) -> String {
        let shown = |value: &Value| short(&harmless(&value.to_string()), SHOWN);
        let place = self.paint.name(&harmless(place));
        match before {
            Value::Null => format!("{place} {}", self.paint.good(&shown(after))),
            _ => format!("{place} {} → {}", self.paint.dim(&shown(before)), self.paint.good(&shown(after))),
        }
    }
}
