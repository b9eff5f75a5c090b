//! What is logged, kept for the test; and a line that panics, as a stand-in for a fault in the code that writes it.

use std::fmt::{Debug, Write};
use std::sync::{Arc, Mutex, OnceLock};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Dispatch, Event, Metadata, Subscriber};

/// Keeps every line with its fields. Clones keep the same.
#[derive(Clone, Default)]
pub struct Lines {
    pub kept: Arc<Mutex<Vec<String>>>,
    /// A line that holds all these words panics.
    pub panic_at: Option<[String; 2]>,
}

impl Lines {
    /// Runs with these lines.
    pub fn during<T>(&self, act: impl FnOnce() -> T) -> T {
        // While there is one subscriber alone, `tracing` asks the thread that first comes by a line whether anybody
        // wants it, for all threads: another test, which wants none, would switch it off for this one.
        static SECOND: OnceLock<Dispatch> = OnceLock::new();
        SECOND.get_or_init(|| Dispatch::new(Lines::default()));
        tracing::subscriber::with_default(self.clone(), act)
    }

    /// The lines that hold all these words.
    pub fn with(&self, words: &[&str]) -> Vec<String> {
        let kept = self.kept.lock().unwrap();
        kept.iter().filter(|line| words.iter().all(|word| line.contains(word))).cloned().collect()
    }
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let _ = write!(self.0, " {field}={value:?}");
    }
}

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event()
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(event.metadata().level().to_string());
        event.record(&mut line);
        let panics = self.panic_at.as_ref().is_some_and(|words| words.iter().all(|word| line.0.contains(word)));
        assert!(!panics, "the test wants this line to panic");
        self.kept.lock().unwrap().push(line.0);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}
