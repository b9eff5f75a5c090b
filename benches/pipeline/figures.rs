//! What was measured.

use super::cores::Busy;
use super::meter::Usage;
use super::pipe::Protocol;
use super::times::Times;
use std::time::Duration;

/// The engines and agents as processes of their own, or each engine in one process with agents.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub enum Layout {
    #[default]
    Apart,
    Together,
}

impl Layout {
    /// The process with the engine, and the others, by their roles.
    fn roles(self) -> (&'static str, &'static [&'static str]) {
        match self {
            Self::Apart => ("engine", &["projector", "worker"]),
            Self::Together => ("engine,worker", &["projector"]),
        }
    }

    /// All processes with so many engines.
    pub fn processes(self, engines: usize) -> Vec<&'static str> {
        let (engine, others) = self.roles();
        [vec![engine; engines], others.to_vec()].concat()
    }

    /// What names of files end with.
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Apart => "",
            Self::Together => "-together",
        }
    }
}

/// Everything.
#[derive(Default)]
pub struct Figures {
    pub layout: Layout,
    pub rounds: Vec<Round>,
    pub memory: Option<Memory>,
}

/// One pass over everything with one number of partitions.
#[derive(Default)]
pub struct Round {
    pub partitions: u32,
    pub pipes: Vec<PipeFigure>,
    pub bursts: Vec<PipeFigure>,
    pub hops: Times,
    pub loads: Vec<LoadFigure>,
}

/// The bare pipe, with so many records in flight.
pub struct PipeFigure {
    pub protocol: Protocol,
    pub in_flight: usize,
    pub times: Times,
}

/// Workflows, so many in flight.
pub struct LoadFigure {
    pub name: &'static str,
    pub in_flight: usize,
    pub nodes_each: usize,
    pub times: Times,
    /// CPU and memory of each process.
    pub usage: Vec<Usage>,
    pub busy: Busy,
    /// Journal records that were not in the store when the load ended, and how long it took until they were.
    pub lag_records: u64,
    pub caught_up: Duration,
}

/// The memory of an engine with unfinished runs.
pub struct Memory {
    pub runs: usize,
    pub resident_bytes: u64,
    pub peak_bytes: u64,
    pub before_bytes: u64,
}

impl Round {
    /// The pipe at so many in flight.
    pub fn pipe(&self, protocol: Protocol, in_flight: usize) -> Option<&PipeFigure> {
        self.pipes.iter().find(|pipe| pipe.protocol == protocol && pipe.in_flight == in_flight)
    }

    /// The pipe's bursts.
    pub fn burst(&self, protocol: Protocol) -> Option<&PipeFigure> {
        self.bursts.iter().find(|pipe| pipe.protocol == protocol)
    }

    /// Workflows at so many in flight.
    pub fn load(&self, name: &str, in_flight: usize) -> Option<&LoadFigure> {
        self.loads.iter().find(|load| load.name == name && load.in_flight == in_flight)
    }
}

impl LoadFigure {
    pub fn nodes_per_second(&self) -> f64 {
        self.times.per_second() * self.nodes_each as f64
    }

    pub fn nodes(&self) -> u64 {
        self.times.count() * self.nodes_each as u64
    }

    /// CPU of all processes together, of each node.
    pub fn cpu_micros_a_node(&self) -> f64 {
        self.usage.iter().map(|usage| micros_each(usage.cpu, self.nodes())).sum()
    }
}

/// The share of each of so many.
pub fn micros_each(cpu: Duration, count: u64) -> f64 {
    cpu.as_secs_f64() * 1e6 / count.max(1) as f64
}

/// The middle one.
pub fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}
