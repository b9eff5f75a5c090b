//! Stack for work whose depth an author decides: parsers and interpreters of libraries recurse, and their frames are
//! large (up to 170 KB a level without optimisation, measured).

/// Pages that are not touched cost nothing.
const LARGE_STACK: usize = 32 << 20;

/// The work panicked (or, on a machine that starts no more threads, never began).
#[derive(Debug)]
pub(super) struct Panicked;

/// Does something on a large stack of its own; a panic there ends there.
pub(super) fn on_large_stack<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T, Panicked> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(LARGE_STACK).spawn_scoped(scope, work);
        thread.map_err(|_| Panicked)?.join().map_err(|_| Panicked)
    })
}
