//! What the tests of the whole are told with: an installation of its own for each, the real program as processes,
//! records published and read from the outside.

mod agent;
mod copy;
mod installation;
mod process;
mod stream;

pub use agent::Hand;
pub use copy::copy;
pub use installation::{Installation, Leg, PARTITIONS, python, repository, services};
pub use process::{End, Process, run};
pub use stream::{Stream, json, text};

use std::time::{Duration, Instant};

/// How long a condition may take to come true before the test fails: far more than it needs.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// Asks again and again until there is an answer.
pub fn until<T>(what: &str, mut answer: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = answer() {
            return answer;
        }
        assert!(Instant::now() < deadline, "waited {PATIENCE:?} in vain until {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
