//! What a caught panic does not show: an input over which the program works without end, or takes memory without bound.

use std::fs;
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// No input may take longer, on however slow a machine.
const MOST_TIME: Duration = Duration::from_secs(60);
/// No more address space than this, all threads' stacks included: a length that is believed is far above it.
const MOST_BYTES: u64 = 4 << 30;

/// Looks on from a thread of its own, which ends with it.
pub struct Watch {
    current: Arc<Mutex<(String, Vec<u8>)>>,
    alive: Sender<()>,
}

impl Watch {
    /// Also bounds the memory of this process: beyond, an allocation fails and ends it.
    pub fn begin() -> Self {
        use rustix::process::{Resource, getrlimit, setrlimit};
        let most = rustix::process::Rlimit { current: Some(MOST_BYTES), ..getrlimit(Resource::As) };
        setrlimit(Resource::As, most).expect("a process may bound its own memory");
        let (alive, seen) = channel();
        let current = Arc::default();
        let watched = Arc::clone(&current);
        std::thread::spawn(move || look_on(&seen, &watched));
        Self { current, alive }
    }

    /// An input is about to be worked on.
    pub fn case(&self, name: &str, data: &[u8]) {
        *self.current.lock().unwrap() = (name.to_owned(), data.to_vec());
        self.alive.send(()).unwrap();
    }
}

fn look_on(seen: &Receiver<()>, current: &Mutex<(String, Vec<u8>)>) {
    loop {
        match seen.recv_timeout(MOST_TIME) {
            Ok(()) => {}
            Err(RecvTimeoutError::Disconnected) => return,
            Err(RecvTimeoutError::Timeout) => {
                let (name, data) = current.lock().unwrap().clone();
                eprintln!("{name}: more than {MOST_TIME:?} over one input\n{}", kept("hang", &data));
                std::process::abort();
            }
        }
    }
}

/// Keeps an input for a test to come, and says where.
pub fn kept(name: &str, data: &[u8]) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/artifacts").join(name);
    let file = folder.join(format!("smoke-{}", data.len()));
    let written = fs::create_dir_all(&folder).and_then(|()| fs::write(&file, data));
    let place = written.map_or_else(|fault| fault.to_string(), |()| file.display().to_string());
    format!("the input ({place}), in hexadecimal digits: {}", hex::encode(data))
}
