//! What must hold of whatever bytes come from outside, one function for each decoder of the program.
//!
//! `fuzz_targets/` hands these functions to libFuzzer; `tests/fuzz.rs` runs the same ones with the pinned compiler, over
//! the corpus and seeded mutations of it. All of them: no panic, no endless work, no memory for what is not there. What
//! is read can be written, and reads back as the same; what is refused is refused with a reason.

pub mod authors;
pub mod decisions;
pub mod inputs;
pub mod records;

/// A decoder, and what must hold of any bytes that it is given.
pub struct Target {
    /// Its name: that of its file in `fuzz_targets/` and of its folder in `corpus/`.
    pub name: &'static str,
    /// Panics where it does not hold.
    pub holds: fn(&[u8]),
}

/// All of them.
pub const TARGETS: [Target; 21] = [
    Target { name: "request", holds: inputs::request },
    Target { name: "report", holds: inputs::report },
    Target { name: "signal", holds: inputs::signal },
    Target { name: "key", holds: inputs::key },
    Target { name: "letter_handling", holds: inputs::letter_handling },
    Target { name: "origin", holds: inputs::origin },
    Target { name: "start", holds: decisions::start },
    Target { name: "result", holds: decisions::result },
    Target { name: "event", holds: records::event },
    Target { name: "confluent", holds: records::confluent },
    Target { name: "journal", holds: records::journal },
    Target { name: "task", holds: records::task },
    Target { name: "wakeup", holds: records::wakeup },
    Target { name: "response", holds: records::response },
    Target { name: "dead_letter", holds: records::dead_letter },
    Target { name: "definition_record", holds: records::definition_record },
    Target { name: "definition", holds: authors::definition },
    Target { name: "plan", holds: authors::plan },
    Target { name: "expression", holds: authors::expression },
    Target { name: "filter", holds: authors::filter },
    Target { name: "contract", holds: authors::contract },
];

/// Holds that a sentence for people is there, and no longer than what people read.
fn is_said(sentence: &str) {
    const MOST: usize = 2_000;
    assert!(!sentence.trim().is_empty(), "refused without a word");
    assert!(sentence.len() <= MOST, "a reason of {} bytes: {sentence}", sentence.len());
}
