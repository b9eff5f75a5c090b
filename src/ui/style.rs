//! Colours, where somebody can see them.

use owo_colors::{OwoColorize, Style};
use std::io::IsTerminal;

/// Paints words, or leaves them as they are.
#[derive(Clone, Copy, Debug)]
pub struct Paint {
    on: bool,
}

impl Paint {
    /// Never colours.
    pub const PLAIN: Paint = Paint { on: false };

    /// Colours if the standard output is a terminal and `NO_COLOR` is not set (no-color.org).
    pub fn for_stdout() -> Self {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { on: !refused && std::io::stdout().is_terminal() }
    }

    /// Whether it colours.
    pub fn is_on(self) -> bool {
        self.on
    }

    fn with(self, text: &str, style: Style) -> String {
        if self.on { text.style(style).to_string() } else { text.to_owned() }
    }

    /// What went well.
    pub fn good(self, text: &str) -> String {
        self.with(text, Style::new().green())
    }

    /// What went wrong.
    pub fn bad(self, text: &str) -> String {
        self.with(text, Style::new().red())
    }

    /// What is under way.
    pub fn busy(self, text: &str) -> String {
        self.with(text, Style::new().yellow())
    }

    /// What names something.
    pub fn name(self, text: &str) -> String {
        self.with(text, Style::new().cyan())
    }

    /// What stands beside the point.
    pub fn dim(self, text: &str) -> String {
        self.with(text, Style::new().dimmed())
    }

    /// What matters most.
    pub fn strong(self, text: &str) -> String {
        self.with(text, Style::new().bold())
    }
}

/// A text that came from outside, made safe for a terminal: control characters, which could move the cursor or
/// recolour what follows, are shown as their code.
pub fn harmless(text: &str) -> String {
    text.chars().flat_map(|c| if c.is_control() { c.escape_unicode().collect::<Vec<_>>() } else { vec![c] }).collect()
}

/// A text cut to a number of characters, with an ellipsis where something is missing.
pub fn short(text: &str, chars: usize) -> String {
    if text.chars().count() <= chars {
        return text.to_owned();
    }
    text.chars().take(chars.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_escape_sequence_from_outside_does_nothing() {
        assert_eq!(harmless("a\u{1b}[31mb\n"), "a\\u{1b}[31mb\\u{a}");
    }

    #[test]
    fn long_texts_end_in_an_ellipsis() {
        assert_eq!((short("coffee", 6), short("coffee", 4)), ("coffee".to_owned(), "cof…".to_owned()));
    }
}
