//! What the program says about itself: log lines, JSON or plain, on the standard error.

use crate::config::Settings;
use std::io::IsTerminal;
use tracing::Level;
use tracing_subscriber::EnvFilter;

/// Starts log lines as the settings say. Only the first call of a process does anything.
pub fn start(settings: &Settings) {
    let lines = tracing_subscriber::fmt().with_env_filter(filter(settings.log_level)).with_writer(std::io::stderr);
    // An error means that a subscriber is there already: a second server in one process (tests) uses the first's.
    let _ = if settings.structured_logging {
        lines.json().flatten_event(true).with_current_span(true).with_span_list(false).try_init()
    } else {
        lines.with_ansi(std::io::stderr().is_terminal()).with_target(false).try_init()
    };
}

/// Our own lines at the level that was asked for; those of libraries from warnings up, unless someone debugs.
fn filter(level: Level) -> EnvFilter {
    let others = match level {
        Level::TRACE => "debug",
        Level::DEBUG => "info",
        Level::ERROR => "error",
        _ => "warn",
    };
    EnvFilter::new(format!("{others},orchestrator={}", level.as_str().to_ascii_lowercase()))
}
