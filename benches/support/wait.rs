//! Waiting for something to become true.

use anyhow::{Result, bail};
use std::time::{Duration, Instant};

/// Asks every 20 ms until there is an answer; how long it took.
pub fn until<T>(what: &str, within: Duration, mut ask: impl FnMut() -> Result<Option<T>>) -> Result<(T, Duration)> {
    let pause = || std::thread::sleep(Duration::from_millis(20));
    asked(what, within, || {
        ask().inspect(|answer| {
            if answer.is_none() {
                pause()
            }
        })
    })
}

/// Asks again and again until there is an answer, by a question that waits itself; how long it took.
pub fn asked<T>(what: &str, within: Duration, mut ask: impl FnMut() -> Result<Option<T>>) -> Result<(T, Duration)> {
    let began = Instant::now();
    loop {
        if let Some(answer) = ask()? {
            return Ok((answer, began.elapsed()));
        }
        if began.elapsed() > within {
            bail!("{what}: not within {within:?}");
        }
    }
}
