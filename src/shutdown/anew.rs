//! Going on after a fault: what has failed begins anew after a pause, until it is asked to stop.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// The pause before what has failed begins anew; it doubles while it fails again within [`MAX_PAUSE`].
const PAUSE: Duration = Duration::from_secs(1);
/// The longest such pause.
const MAX_PAUSE: Duration = Duration::from_secs(60);
/// How soon a pause is over when it is asked to stop.
const NOTICE: Duration = Duration::from_millis(100);

/// Runs something again and again until `stop` is set; after an error or a panic once `failed` has been told why, and
/// after a pause.
pub fn run_anew<E: std::fmt::Display>(
    stop: &AtomicBool,
    run: impl Fn() -> Result<(), E>,
    failed: impl Fn(&str, Duration),
) {
    let mut pause = PAUSE;
    while !stop.load(Ordering::Relaxed) {
        let began = Instant::now();
        let why = match catch_unwind(AssertUnwindSafe(&run)) {
            Ok(Ok(())) => continue,
            Ok(Err(error)) => error.to_string(),
            Err(panic) => format!("its code has failed: {}", panic_message(&*panic)),
        };
        if began.elapsed() > MAX_PAUSE {
            pause = PAUSE;
        }
        failed(&why, pause);
        let until = Instant::now() + pause;
        while !stop.load(Ordering::Relaxed) && Instant::now() < until {
            std::thread::sleep(NOTICE);
        }
        pause = (pause * 2).min(MAX_PAUSE);
    }
}

/// What a panic says.
pub fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic without message".to_owned())
}
