//! Tables for people, JSON for programs, and a line for each goal.

use super::definitions::{CHAIN_NODES, FAN_NODES};
use super::figures::{Figures, Layout, LoadFigure, PipeFigure, Round, median, micros_each};
use super::hops::HOPS;
use super::pipe::Protocol;
use super::table::table;
use super::times::Times;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fmt;

/// Bounds of the goals.
const CHAIN_P50: f64 = 1.15;
const TOGETHER_P50: f64 = 0.8;
const CHAIN_THROUGHPUT: f64 = 0.5;
const FAN_P50: f64 = 4.0;
const CPU_PER_NODE_MICROS: f64 = 100.0;
const RESIDENT_MB: f64 = 150.0;
/// What throughput and CPU are judged at.
const FULL: usize = 256;

/// A goal and how it was met.
pub struct Goal {
    name: String,
    value: f64,
    bound: f64,
    /// Whether the bound is the least, not the most.
    at_least: bool,
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let Self { name, value, bound, at_least } = self;
        let (sign, met) = if *at_least { (">=", value >= bound) } else { ("<=", value <= bound) };
        write!(f, "goal {name} {value:.2} {sign}{bound} {}", if met { "met" } else { "missed" })
    }
}

/// Every goal whose figures are there.
pub fn goals(figures: &Figures) -> Vec<Goal> {
    let mut goals = Vec::new();
    for partitions in partitions(figures) {
        let mut goal = |name: &str, bound, at_least, of: fn(&Round) -> Option<f64>| {
            if let Some(value) = median(rounds(figures, partitions).filter_map(of).collect()) {
                goals.push(Goal { name: format!("{name}-p{partitions}"), value, bound, at_least });
            }
        };
        if figures.layout == Layout::Together {
            goal("chain-p50-to-ten-rounds", TOGETHER_P50, false, chain_to_rounds);
        }
        goal("chain-p50-to-hops", CHAIN_P50, false, chain_to_hops);
        goal("chain-nodes-to-pipe", CHAIN_THROUGHPUT, true, chain_to_pipe);
        goal("fan-p50-to-burst", FAN_P50, false, fan_to_burst);
        goal("cpu-micros-a-node", CPU_PER_NODE_MICROS, false, cpu_per_node);
    }
    if let Some(memory) = &figures.memory {
        let value = mb(memory.resident_bytes);
        goals.push(Goal { name: "engine-resident-mb".to_owned(), value, bound: RESIDENT_MB, at_least: false });
    }
    goals
}

fn chain_to_hops(round: &Round) -> Option<f64> {
    ratio(round.load("chain", 1)?.times.p50_ms(), round.hops.p50_ms())
}

/// To as many rounds of the bare pipe as it has nodes.
fn chain_to_rounds(round: &Round) -> Option<f64> {
    let rounds = CHAIN_NODES as f64 * round.pipe(Protocol::Bare, 1)?.times.p50_ms();
    ratio(round.load("chain", 1)?.times.p50_ms(), rounds)
}

fn chain_to_pipe(round: &Round) -> Option<f64> {
    ratio(round.load("chain", FULL)?.nodes_per_second(), round.pipe(Protocol::Bare, FULL)?.times.per_second())
}

fn fan_to_burst(round: &Round) -> Option<f64> {
    ratio(round.load("fan", 1)?.times.p50_ms(), round.burst(Protocol::Bare)?.times.p50_ms())
}

fn cpu_per_node(round: &Round) -> Option<f64> {
    Some(round.load("chain", FULL)?.cpu_micros_a_node())
}

fn ratio(value: f64, to: f64) -> Option<f64> {
    (to > 0.0).then(|| value / to)
}

fn mb(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

/// The numbers of partitions, ascending.
pub fn partitions(figures: &Figures) -> BTreeSet<u32> {
    figures.rounds.iter().map(|round| round.partitions).collect()
}

/// The rounds with so many partitions.
pub fn rounds(figures: &Figures, partitions: u32) -> impl Iterator<Item = &Round> {
    figures.rounds.iter().filter(move |round| round.partitions == partitions)
}

/// The times of a case over all rounds.
pub fn merged<'a>(times: impl Iterator<Item = &'a Times>) -> Times {
    let mut all = Times::default();
    times.for_each(|times| all.merge(times));
    all
}

/// What the bench was asked to print.
pub fn tables(figures: &Figures) -> String {
    let mut out = String::new();
    for partitions in partitions(figures) {
        let rounds: Vec<&Round> = rounds(figures, partitions).collect();
        out += &format!("\n{partitions} partition(s), {} round(s)\n\n", rounds.len());
        out += &pipe_table(&rounds);
        out += &load_table(&rounds);
        out += &usage_table(&rounds);
    }
    if let Some(memory) = &figures.memory {
        let (before, now, peak) = (mb(memory.before_bytes), mb(memory.resident_bytes), mb(memory.peak_bytes));
        out += &format!(
            "\nengine alone, {} unfinished runs: {now:.0} MB resident ({before:.0} MB before, {peak:.0} MB at most)\n",
            memory.runs
        );
    }
    out + "\n"
}

fn pipe_table(rounds: &[&Round]) -> String {
    let mut rows = Vec::new();
    let mut row = |name: String, times: Times, each: usize| {
        rows.push(vec![
            name,
            format!("{:.2}", times.p50_ms()),
            format!("{:.2}", times.p99_ms()),
            format!("{:.0}", times.per_second() * each as f64),
        ]);
    };
    let cases = |of: fn(&Round) -> &Vec<PipeFigure>| {
        let first = rounds.first().map(|round| of(round).iter().collect::<Vec<_>>()).unwrap_or_default();
        let mut cases: Vec<_> = first.iter().map(|pipe| (pipe.protocol, pipe.in_flight)).collect();
        cases.sort_by_key(|(protocol, in_flight)| (protocol.as_str(), *in_flight));
        cases
    };
    for (protocol, in_flight) in cases(|round| &round.pipes) {
        let times = rounds.iter().filter_map(|round| round.pipe(protocol, in_flight)).map(|pipe| &pipe.times);
        row(format!("{} {in_flight} in flight", protocol.as_str()), merged(times), 1);
    }
    for (protocol, size) in cases(|round| &round.bursts) {
        let times = rounds.iter().filter_map(|round| round.burst(protocol)).map(|pipe| &pipe.times);
        row(format!("{} burst of {size}", protocol.as_str()), merged(times), size);
    }
    row(format!("{HOPS} hops, 1 in flight"), merged(rounds.iter().map(|round| &round.hops)), CHAIN_NODES);
    table(&["pipe", "p50 ms", "p99 ms", "nodes/s"], rows)
}

/// The cases of workflows, in the order of the first round.
pub fn cases(rounds: &[&Round]) -> Vec<(&'static str, usize)> {
    let cases = rounds.first().map(|round| round.loads.iter().map(|load| (load.name, load.in_flight)).collect());
    cases.unwrap_or_default()
}

/// A case in each round.
pub fn loads<'a>(rounds: &'a [&Round], (name, in_flight): (&'a str, usize)) -> impl Iterator<Item = &'a LoadFigure> {
    rounds.iter().filter_map(move |round| round.load(name, in_flight))
}

fn load_table(rounds: &[&Round]) -> String {
    let row = |case: (&'static str, usize)| {
        let times = merged(loads(rounds, case).map(|load| &load.times));
        let nodes = loads(rounds, case).next().map_or(0, |load| load.nodes_each);
        let lag = loads(rounds, case).map(|load| load.lag_records).max().unwrap_or(0);
        let caught_up = loads(rounds, case).map(|load| load.caught_up).max().unwrap_or_default();
        vec![
            format!("{} {} in flight", case.0, case.1),
            format!("{:.2}", times.p50_ms()),
            format!("{:.2}", times.p99_ms()),
            format!("{:.0}", times.per_second()),
            format!("{:.0}", times.per_second() * nodes as f64),
            lag.to_string(),
            format!("{:.0}", caught_up.as_secs_f64() * 1_000.0),
        ]
    };
    let head = ["workflows", "p50 ms", "p99 ms", "workflows/s", "nodes/s", "lag records", "caught up ms"];
    table(&head, cases(rounds).into_iter().map(row).collect())
}

fn usage_table(rounds: &[&Round]) -> String {
    let first = rounds.first().and_then(|round| round.loads.first());
    let names: Vec<&str> = first.map(|load| load.usage.iter().map(|usage| usage.name).collect()).unwrap_or_default();
    let row = |case: (&'static str, usize)| {
        let nodes: u64 = loads(rounds, case).map(LoadFigure::nodes).sum();
        let cpu = |name: &str| -> f64 {
            let used = loads(rounds, case).flat_map(|load| load.usage.iter().filter(|usage| usage.name == name));
            used.map(|usage| micros_each(usage.cpu, nodes)).sum()
        };
        let mut row = vec![format!("{} {} in flight", case.0, case.1)];
        row.extend(names.iter().map(|name| format!("{:.0}", cpu(name))));
        row.push(format!("{:.0}", names.iter().map(|name| cpu(name)).sum::<f64>()));
        row
    };
    let mut rows: Vec<Vec<String>> = cases(rounds).into_iter().map(row).collect();
    let last = rounds.last().and_then(|round| round.loads.last());
    if let Some(load) = last {
        let mut row = vec!["resident MB at the end".to_owned()];
        row.extend(load.usage.iter().map(|usage| format!("{:.0}", mb(usage.memory_bytes))));
        row.push(format!("{:.0}", load.usage.iter().map(|usage| mb(usage.memory_bytes)).sum::<f64>()));
        rows.push(row);
    }
    let mut head = vec!["CPU µs a node"];
    head.extend(&names);
    head.push("all");
    table(&head, rows)
}

/// All figures, round by round.
pub fn json(figures: &Figures) -> Value {
    let goals = goals(figures);
    json!({
        "payload_bytes": super::PAYLOAD_BYTES,
        "hops": HOPS,
        "fan_nodes": FAN_NODES,
        "rounds": figures.rounds.iter().map(round_json).collect::<Vec<_>>(),
        "memory": figures.memory.as_ref().map(|memory| json!({
            "unfinished_runs": memory.runs,
            "resident_bytes": memory.resident_bytes,
            "before_bytes": memory.before_bytes,
            "peak_bytes": memory.peak_bytes,
        })),
        "goals": goals.iter().map(|goal| json!({
            "name": goal.name, "value": goal.value, "bound": goal.bound, "at_least": goal.at_least,
        })).collect::<Vec<_>>(),
    })
}

fn round_json(round: &Round) -> Value {
    let pipe = |pipe: &PipeFigure| json!({ "protocol": pipe.protocol.as_str(), "in_flight": pipe.in_flight, "times": times_json(&pipe.times) });
    json!({
        "partitions": round.partitions,
        "pipe": round.pipes.iter().map(pipe).collect::<Vec<_>>(),
        "burst": round.bursts.iter().map(pipe).collect::<Vec<_>>(),
        "hops": times_json(&round.hops),
        "workflows": round.loads.iter().map(load_json).collect::<Vec<_>>(),
    })
}

fn times_json(times: &Times) -> Value {
    json!({ "count": times.count(), "per_second": times.per_second(), "p50_ms": times.p50_ms(), "p99_ms": times.p99_ms() })
}

fn load_json(load: &LoadFigure) -> Value {
    let usage = load.usage.iter().map(|usage| {
        let figures =
            json!({ "cpu_micros_a_node": micros_each(usage.cpu, load.nodes()), "memory_bytes": usage.memory_bytes });
        (usage.name.to_owned(), figures)
    });
    json!({
        "name": load.name,
        "in_flight": load.in_flight,
        "times": times_json(&load.times),
        "nodes_per_second": load.nodes_per_second(),
        "processes": usage.collect::<serde_json::Map<_, _>>(),
        "lag_records": load.lag_records,
        "caught_up_ms": load.caught_up.as_secs_f64() * 1_000.0,
    })
}
