//! What goes into a program and what comes out of it, all at once, so that no full pipe can hold it up.

use crate::core::id::{AgentName, DispatchId};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// How much of the end of stderr is kept, in bytes.
const TAIL_BYTES: usize = 2 << 10;
/// Longest line of stderr that is logged in one piece, in bytes.
const MAX_LINE_BYTES: usize = 8 << 10;
/// How much is read at once: what a pipe holds on Linux.
const CHUNK_BYTES: usize = 64 << 10;

/// A program wrote more than it may.
pub(super) struct TooLarge;

/// Writes the input. A program need not read it: then the pipe breaks, or the write ends with the program.
pub(super) async fn feed(stdin: Option<impl AsyncWrite + Unpin>, input: &[u8]) -> Result<(), TooLarge> {
    if let Some(mut stdin) = stdin
        && let Err(fault) = stdin.write_all(input).await
    {
        tracing::debug!("the program did not read all of its input: {fault}");
    }
    Ok(())
}

/// Reads the output, up to its limit.
pub(super) async fn gather(
    stdout: Option<impl AsyncRead + Unpin>,
    output: &mut Vec<u8>,
    limit: usize,
) -> Result<(), TooLarge> {
    let Some(stdout) = stdout else { return Ok(()) };
    let mut stdout = stdout.take(limit as u64 + 1);
    // A broken pipe reads as its end; what is missing shows when the output is parsed.
    let _ = stdout.read_to_end(output).await;
    if output.len() > limit { Err(TooLarge) } else { Ok(()) }
}

/// Logs stderr by lines and keeps its end.
pub(super) async fn follow(
    stderr: Option<impl AsyncRead + Unpin>,
    tail: &mut Tail,
    agent: &AgentName,
    dispatch_id: &DispatchId,
) -> Result<(), TooLarge> {
    let Some(mut stderr) = stderr else { return Ok(()) };
    let mut lines = Lines::default();
    let mut chunk = vec![0; CHUNK_BYTES];
    while let Ok(size @ 1..) = stderr.read(&mut chunk).await {
        tail.push(&chunk[..size]);
        lines.push(&chunk[..size], |line| tracing::info!(%agent, %dispatch_id, "stderr: {line}"));
    }
    lines.end(|line| tracing::info!(%agent, %dispatch_id, "stderr: {line}"));
    Ok(())
}

/// The last [`TAIL_BYTES`] of a stream.
#[derive(Default)]
pub(super) struct Tail(Vec<u8>);

impl Tail {
    fn push(&mut self, bytes: &[u8]) {
        let bytes = &bytes[bytes.len().saturating_sub(TAIL_BYTES)..];
        let surplus = (self.0.len() + bytes.len()).saturating_sub(TAIL_BYTES);
        self.0.drain(..surplus.min(self.0.len()));
        self.0.extend_from_slice(bytes);
    }

    /// The text of it; what is cut through or is no UTF-8 shows as replacement characters.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.0).into_owned()
    }
}

/// Cuts a stream into lines, and lines that are too long into pieces.
#[derive(Default)]
struct Lines(Vec<u8>);

impl Lines {
    fn push(&mut self, bytes: &[u8], mut say: impl FnMut(&str)) {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.0.extend_from_slice(part);
            if part.ends_with(b"\n") || self.0.len() >= MAX_LINE_BYTES {
                self.end(&mut say);
            }
        }
    }

    fn end(&mut self, mut say: impl FnMut(&str)) {
        if !self.0.is_empty() {
            say(String::from_utf8_lossy(&self.0).trim_end());
            self.0.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_is_the_end() {
        let mut tail = Tail::default();
        tail.push(&[b'a'; 3_000]);
        tail.push(b"the end");
        assert_eq!(tail.0.len(), TAIL_BYTES);
        assert!(tail.text().ends_with("aathe end"));
        tail.push(&[b'b'; 10_000]);
        assert_eq!(tail.text(), "b".repeat(TAIL_BYTES));
    }

    #[test]
    fn lines_are_whole_and_long_ones_come_in_pieces() {
        let (mut lines, mut said) = (Lines::default(), Vec::new());
        lines.push(b"on", |line| said.push(line.to_owned()));
        lines.push(b"e\ntwo\n", |line| said.push(line.to_owned()));
        lines.push(&[b'x'; MAX_LINE_BYTES], |line| said.push(line.to_owned()));
        lines.push(b"rest", |line| said.push(line.to_owned()));
        lines.end(|line| said.push(line.to_owned()));
        assert_eq!(said, ["one", "two", &"x".repeat(MAX_LINE_BYTES), "rest"]);
    }
}
