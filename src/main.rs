//! Parse, dispatch, exit code: all of it in [`orchestrator::cli`].

/// A step is made of many small short-lived allocations: with this allocator the engine takes 40 µs of CPU a node, with
/// glibc's 49 (docs/performance.md).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    orchestrator::cli::main()
}
