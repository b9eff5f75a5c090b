//! What goes into a program and what comes out of it, all at once, so that no full pipe can hold it up.

use super::super::agent::Call;
use super::stderr::{Heard, Stderr};
use crate::core::id::AgentName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

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

/// Logs stderr by lines, keeps its end, and passes on heartbeats and what was used.
pub(super) async fn follow(
    stderr: Option<impl AsyncRead + Unpin>,
    said: &mut Stderr,
    agent: &AgentName,
    call: &Call,
) -> Result<(), TooLarge> {
    let Some(mut stderr) = stderr else { return Ok(()) };
    let mut chunk = vec![0; CHUNK_BYTES];
    let dispatch_id = &call.dispatch_id;
    let mut hear = |heard: Heard<'_>| match heard {
        Heard::Heartbeat => call.heartbeat.beat(),
        Heard::Usage(usage) => call.meter.add(usage),
        Heard::Line(line) => tracing::info!(%agent, %dispatch_id, "stderr: {line}"),
    };
    while let Ok(size @ 1..) = stderr.read(&mut chunk).await {
        said.push(&chunk[..size], &mut hear);
    }
    said.end(hear);
    Ok(())
}
