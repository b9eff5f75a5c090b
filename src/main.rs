//! Parse, dispatch, exit code: all of it in [`orchestrator::cli`].

fn main() -> std::process::ExitCode {
    orchestrator::cli::main()
}
