//! Throughput of chains at many in flight against the number of partitions and of engine processes.

use super::definitions;
use super::figures::{Layout, LoadFigure, median};
use super::load::Load;
use super::pictures::count;
use super::pipe::{Pipe, Protocol};
use super::rounds::chain;
use super::setup::{Installation, Roles, Services};
use super::{cores, say};
use anyhow::Result;
use std::time::Duration;

pub const PARTITIONS: [u32; 3] = [1, 4, 12];
const ENGINES: [usize; 3] = [1, 2, 3];
/// Workflows, and records of the bare pipe. So many that each of twelve partitions has some eighty.
pub const IN_FLIGHT: usize = 1_024;
/// A bound counts as reached from here on, of 1: readings are 10 ms apart at best, and something always waits a little.
const FULL: f64 = 0.9;

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    rounds: usize,
    pipe: Duration,
    load: Duration,
    /// Of processes that have just been started.
    warm_up: Duration,
}

impl Plan {
    pub const FULL: Self = Self {
        rounds: 3,
        pipe: Duration::from_millis(600),
        load: Duration::from_millis(2_000),
        warm_up: Duration::from_millis(2_000),
    };
    pub const QUICK: Self = Self {
        rounds: 1,
        pipe: Duration::from_millis(500),
        load: Duration::from_millis(1_000),
        warm_up: Duration::from_millis(1_000),
    };
}

/// All that was measured.
pub struct Scale {
    pub layout: Layout,
    pub cores: f64,
    pub cells: Vec<Cell>,
    pipes: Vec<Pipes>,
}

/// Records a second through the bare pipe, in each round.
struct Pipes {
    partitions: u32,
    per_second: Vec<f64>,
}

/// So many partitions and engines.
pub struct Cell {
    pub partitions: u32,
    pub engines: usize,
    /// In each round.
    pub loads: Vec<LoadFigure>,
}

/// Measures every cell in each round, so that a busy minute of the machine is not the fault of one of them.
pub fn measure(services: &Services, layout: Layout, partitions: &[u32], plan: Plan) -> Result<Scale> {
    let mut scale = Scale { layout, cores: cores::count(), cells: Vec::new(), pipes: Vec::new() };
    let mut installations = Vec::new();
    for partitions in partitions {
        let name = format!("scale{partitions}");
        installations.push(Installation::make(services, &name, *partitions, &definitions::all())?);
    }
    if let Some(installation) = installations.last() {
        say("warming the broker");
        bare(installation, plan)?;
        load(installation, layout, 1, plan)?;
    }
    for _ in 0..plan.rounds {
        for installation in &installations {
            let per_second = bare(installation, plan)?;
            scale.add_pipe(installation.partitions, per_second);
            for engines in ENGINES {
                let partitions = count(installation.partitions as usize, "partition");
                say(&format!("{partitions}, {}", count(engines, "engine")));
                let load = load(installation, layout, engines, plan)?;
                scale.add_load(installation.partitions, engines, load);
            }
        }
    }
    Ok(scale)
}

/// The bare pipe, while nothing else runs.
fn bare(installation: &Installation, plan: Plan) -> Result<f64> {
    let mut pipe = Pipe::open(installation.services, installation.partitions)?;
    let figure = pipe.run(Protocol::Bare, IN_FLIGHT, plan.warm_up / 2, plan.pipe)?;
    Ok(figure.times.per_second())
}

fn load(installation: &Installation, layout: Layout, engines: usize, plan: Plan) -> Result<LoadFigure> {
    let roles = Roles::start(installation, &layout.processes(engines))?;
    let mut load = Load::open(installation, &roles)?;
    load.run(chain(IN_FLIGHT), plan.warm_up, plan.load)
}

impl Scale {
    fn add_pipe(&mut self, partitions: u32, per_second: f64) {
        match self.pipes.iter_mut().find(|pipe| pipe.partitions == partitions) {
            Some(pipe) => pipe.per_second.push(per_second),
            None => self.pipes.push(Pipes { partitions, per_second: vec![per_second] }),
        }
    }

    fn add_load(&mut self, partitions: u32, engines: usize, load: LoadFigure) {
        match self.cells.iter_mut().find(|cell| cell.partitions == partitions && cell.engines == engines) {
            Some(cell) => cell.loads.push(load),
            None => self.cells.push(Cell { partitions, engines, loads: vec![load] }),
        }
    }

    /// Records a second through the bare pipe, the median of the rounds.
    pub fn bare_per_second(&self, partitions: u32) -> f64 {
        let pipe = self.pipes.iter().find(|pipe| pipe.partitions == partitions);
        pipe.and_then(|pipe| median(pipe.per_second.clone())).unwrap_or(0.0)
    }

    /// What keeps a cell from more, in words.
    pub fn limit(&self, cell: &Cell) -> String {
        let own: f64 = cell.processes().iter().map(|name| cell.cores(name)).sum();
        let busiest = cell.loads.iter().filter_map(|load| load.busy.busiest.as_ref());
        let busiest = busiest.max_by(|a, b| a.cores.total_cmp(&b.cores));
        let thread = busiest.map(|busiest| {
            let percent = busiest.cores * 100.0;
            (busiest.cores, format!("thread {} of {} at {percent:.0} %", busiest.thread, busiest.process))
        });
        let all = self.cores;
        match thread {
            _ if own >= FULL * all => format!("CPU: all of {all} cores"),
            _ if cell.machine() >= FULL * all => {
                format!("CPU: all of {all} cores, {:.1} of them taken by others", cell.machine() - own)
            }
            Some((share, thread)) if share >= FULL => format!("one core: {thread}"),
            Some((_, thread)) => format!("waiting: {own:.1} of {all} cores busy, at most {thread}"),
            None => "unknown: no process was seen".to_owned(),
        }
    }
}

impl Cell {
    fn rates(&self) -> Vec<f64> {
        self.loads.iter().map(LoadFigure::nodes_per_second).collect()
    }

    /// The median of the rounds.
    pub fn nodes_per_second(&self) -> f64 {
        median(self.rates()).unwrap_or(0.0)
    }

    /// The slowest round and the fastest.
    pub fn range(&self) -> (f64, f64) {
        let rates = self.rates();
        (rates.iter().copied().fold(f64::INFINITY, f64::min), rates.iter().copied().fold(0.0, f64::max))
    }

    /// The processes by name, each once.
    pub fn processes(&self) -> Vec<&'static str> {
        let mut names = Vec::new();
        for usage in self.loads.iter().flat_map(|load| &load.usage) {
            if !names.contains(&usage.name) {
                names.push(usage.name);
            }
        }
        names
    }

    /// How many cores all processes of a name used.
    pub fn cores(&self, name: &str) -> f64 {
        let used = self.loads.iter().flat_map(|load| &load.usage).filter(|usage| usage.name == name);
        used.map(|usage| usage.cpu.as_secs_f64()).sum::<f64>() / self.seconds()
    }

    /// How many cores were busy, with whatever.
    fn machine(&self) -> f64 {
        let busy = self.loads.iter().map(|load| load.busy.machine * load.times.window.as_secs_f64());
        busy.sum::<f64>() / self.seconds()
    }

    fn seconds(&self) -> f64 {
        self.loads.iter().map(|load| load.times.window.as_secs_f64()).sum::<f64>().max(1e-3)
    }
}
