//! Starts programs so that they do not outlive this process, however it ends.
//!
//! On Linux the kernel kills a child when its parent is gone (`PR_SET_PDEATHSIG`, prctl(2)). "Parent" is the *thread*
//! that started it, and threads of a runtime come and go: so one thread that lives as long as the process starts all.
//! Elsewhere a program goes on to its own end when this process is killed.

use super::group::ProcessGroup;
use std::io;
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, Sender, channel};
use tokio::process::{Child, Command};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

/// The thread that starts programs; none: the system gives no thread.
static SPAWNER: OnceLock<Option<Sender<Job>>> = OnceLock::new();

/// A program to be started, for the runtime that will wait for it.
struct Job {
    command: Command,
    runtime: Handle,
    answer: oneshot::Sender<io::Result<Child>>,
}

/// Starts a program. To be called within a tokio runtime.
///
/// # Errors
/// Where the system does not start it.
pub(super) async fn spawn(mut command: Command) -> io::Result<Child> {
    die_with_parent(&mut command);
    let spawner = SPAWNER.get_or_init(start).as_ref();
    let no_thread = || io::Error::new(io::ErrorKind::WouldBlock, "there is no thread to start programs");
    let (answer, started) = oneshot::channel();
    let job = Job { command, runtime: Handle::current(), answer };
    spawner.ok_or_else(no_thread)?.send(job).map_err(|_| no_thread())?;
    started.await.map_err(|_| no_thread())?
}

fn start() -> Option<Sender<Job>> {
    let (jobs, queue) = channel();
    let thread = std::thread::Builder::new().name("programs".to_owned()).spawn(move || work(&queue));
    thread.ok().map(|_| jobs)
}

fn work(queue: &Receiver<Job>) {
    for Job { mut command, runtime, answer } in queue {
        if answer.is_closed() {
            continue;
        }
        let child = {
            let _context = runtime.enter();
            command.spawn()
        };
        // Whoever asked may have gone meanwhile, at a deadline.
        if let Err(Ok(child)) = answer.send(child) {
            drop(ProcessGroup::of(&child));
        }
    }
}

#[cfg(target_os = "linux")]
#[allow(unsafe_code, reason = "what runs between fork and exec is two system calls, and allocates nothing")]
fn die_with_parent(command: &mut Command) {
    use rustix::io::Errno;
    use rustix::process::{Signal, getpid, getppid, set_parent_process_death_signal};
    let parent = getpid();
    let before_exec = move || {
        set_parent_process_death_signal(Some(Signal::KILL))?;
        // The parent may have died before the signal was asked for.
        if getppid() == Some(parent) { Ok(()) } else { Err(Errno::SRCH.into()) }
    };
    // SAFETY: the closure runs in the child after fork, where only async-signal-safe functions may be called. It makes
    // two system calls without going through the C library (rustix's Linux backend), takes no lock and allocates
    // nothing, also where it fails.
    unsafe { command.pre_exec(before_exec) };
}

#[cfg(not(target_os = "linux"))]
fn die_with_parent(_: &mut Command) {}
