//! What was asked and what was answered.

use crate::demo::shop::papers::Answer;
use crate::ui::style::{Paint, harmless};

/// Longer lines are hard to read.
const WIDEST_TEXT: usize = 96;
const INDENT: &str = "  ";

/// What a customer wrote, at most `width` characters wide.
pub fn question(message: &str, width: usize, paint: Paint) -> String {
    let lines = wrap(&format!("“{}”", harmless(message)), text_width(width));
    lines.iter().map(|line| format!("{INDENT}{}\n", paint.dim(line))).collect()
}

/// An answer, at most `width` characters wide.
pub fn answer(answer: &Answer, width: usize, paint: Paint) -> String {
    let subject = format!("{INDENT}{}\n", paint.strong(&harmless(&answer.subject)));
    let lines = wrap(&harmless(&answer.text), text_width(width));
    subject + &lines.iter().map(|line| format!("{INDENT}{line}\n")).collect::<String>()
}

fn text_width(width: usize) -> usize {
    width.min(WIDEST_TEXT).saturating_sub(INDENT.len()).max(20)
}

/// Breaks a text between words. A word that is wider than a line has one of its own.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_between_words() {
        assert_eq!(wrap("two bags of  Bella Notte", 8), ["two bags", "of Bella", "Notte"]);
        assert_eq!(wrap("über-lange-wörter x", 5), ["über-lange-wörter", "x"]);
        assert!(wrap("", 5).is_empty());
    }
}
