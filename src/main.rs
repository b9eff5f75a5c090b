//! Parse, dispatch, exit code: all of it in [`orchestrator::cli`].

/// A step is made of many small short-lived allocations: this allocator takes a third of the time of glibc's for them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    orchestrator::cli::main()
}
