//! `orchestrator-sim --seeds N --from S`: the simulation, as many seeds as one likes (docs/simulation.md).

use clap::Parser;
use orchestrator::simulation::cli::{Arguments, simulate};
use std::process::ExitCode;

/// As in `orchestrator`: a step is made of many small short-lived allocations.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match simulate(&Arguments::parse(), &mut std::io::stdout().lock()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        // Nobody reads any more.
        Err(_) => ExitCode::from(2),
    }
}
