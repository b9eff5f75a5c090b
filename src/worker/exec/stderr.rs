//! What a program says on stderr: lines for people, of which the end is kept, and for the worker heartbeats and what was
//! used.

use crate::core::usage::Usage;

/// How much of the end is kept, in bytes.
const TAIL_BYTES: usize = 2 << 10;
/// Longest line that is handed out in one piece, in bytes.
const MAX_LINE_BYTES: usize = 8 << 10;
/// The line that is a heartbeat. On stderr, because programs write that at once, and stdout when a buffer is full.
const HEARTBEAT: &str = "heartbeat";
/// What a line begins with that says what was used; a JSON object follows.
const USAGE: &str = "usage ";

/// A line of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard<'a> {
    /// The program goes on.
    Heartbeat,
    /// It has used this much more.
    Usage(Usage),
    /// Words for people, without the end of the line.
    Line(&'a str),
}

/// What has been read of it.
#[derive(Default)]
pub(super) struct Stderr {
    /// The line that has not ended yet.
    line: Vec<u8>,
    /// What came before it, without heartbeats.
    tail: Tail,
}

impl Stderr {
    /// Takes what was read, and hands out the lines that have ended, those that are too long in pieces.
    pub fn push(&mut self, bytes: &[u8], mut hear: impl FnMut(Heard)) {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.line.extend_from_slice(part);
            if part.ends_with(b"\n") || self.line.len() >= MAX_LINE_BYTES {
                self.end(&mut hear);
            }
        }
    }

    /// Hands out what there is of the last line.
    pub fn end(&mut self, mut hear: impl FnMut(Heard)) {
        let text = String::from_utf8_lossy(&self.line);
        match text.trim_end() {
            _ if text.is_empty() => {}
            HEARTBEAT => hear(Heard::Heartbeat),
            line => match usage(line) {
                Some(usage) => hear(Heard::Usage(usage)),
                None => {
                    hear(Heard::Line(line));
                    self.tail.push(&self.line);
                }
            },
        }
        self.line.clear();
    }

    /// Its last [`TAIL_BYTES`], without heartbeats; what is cut through or is no UTF-8 shows as replacement characters.
    pub fn text(&self) -> String {
        let mut tail = self.tail.clone();
        tail.push(&self.line);
        String::from_utf8_lossy(&tail.0).into_owned()
    }
}

/// What a line says of what was used; none: it is for people.
fn usage(line: &str) -> Option<Usage> {
    let usage: Usage = serde_json::from_str(line.strip_prefix(USAGE)?).ok()?;
    usage.checked().ok()
}

/// The last [`TAIL_BYTES`] of a stream.
#[derive(Clone, Default)]
struct Tail(Vec<u8>);

impl Tail {
    fn push(&mut self, bytes: &[u8]) {
        let bytes = &bytes[bytes.len().saturating_sub(TAIL_BYTES)..];
        let surplus = (self.0.len() + bytes.len()).saturating_sub(TAIL_BYTES);
        self.0.drain(..surplus.min(self.0.len()));
        self.0.extend_from_slice(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is heard of these pieces, and what is kept.
    fn heard(pieces: &[&[u8]]) -> (Vec<String>, String) {
        let (mut stderr, mut all) = (Stderr::default(), Vec::new());
        let mut hear = |heard: Heard| all.push(format!("{heard:?}"));
        pieces.iter().for_each(|piece| stderr.push(piece, &mut hear));
        stderr.end(hear);
        (all, stderr.text())
    }

    #[test]
    fn the_end_is_kept() {
        let mut stderr = Stderr::default();
        stderr.push(&[b'a'; 3_000], |_| {});
        stderr.push(b"\nthe end", |_| {});
        assert_eq!(stderr.text().len(), TAIL_BYTES);
        assert!(stderr.text().ends_with("aa\nthe end"));
        stderr.push(&[b'b'; 10_000], |_| {});
        assert_eq!(stderr.text(), "b".repeat(TAIL_BYTES));
    }

    #[test]
    fn lines_are_whole_and_long_ones_come_in_pieces() {
        let long = "x".repeat(MAX_LINE_BYTES);
        let (lines, _) = heard(&[b"on", b"e\ntwo\n", long.as_bytes(), b"rest"]);
        let line = |text: &str| format!("Line({text:?})");
        assert_eq!(lines, [line("one"), line("two"), line(&long), line("rest")]);
    }

    #[test]
    fn a_line_that_is_a_heartbeat_is_one_and_is_not_kept() {
        let (all, kept) = heard(&[b"one\nheart", b"beat\n", b"heartbeat\r\na heartbeat\nheartbeats\n\nheartbeat"]);
        let line = |text: &str| format!("Line({text:?})");
        let beat = || "Heartbeat".to_owned();
        assert_eq!(all, [line("one"), beat(), beat(), line("a heartbeat"), line("heartbeats"), line(""), beat()]);
        assert_eq!(kept, "one\na heartbeat\nheartbeats\n\n");
    }
}
