//! Times, throughput and CPU of the rounds, drawn.

use super::chart::bars::{self, Bar, Column, Group, Part};
use super::chart::lines::{Chart, Curve, Panel};
use super::figures::{Figures, Layout, LoadFigure, Round, micros_each};
use super::hops::HOPS;
use super::pipe::Protocol;
use super::report::{cases, loads, merged, partitions, rounds};
use super::times::Times;

/// Of the horizontal axis: workflows, or records of the bare pipe.
const IN_FLIGHT: [f64; 6] = [1.0, 4.0, 16.0, 64.0, 256.0, 1_024.0];
const X_LABEL: &str = "in flight: workflows, or records of the bare pipe";
const CHAIN: &str = "#2563eb";
const FAN: &str = "#ea580c";
const BARE: &str = "#64748b";
const JOURNAL: &str = "#0d9488";
const HOPS_COLOUR: &str = "#111827";

/// Every picture by the name of its file.
pub fn all(figures: &Figures) -> Vec<(String, String)> {
    let file = |name: &str| format!("{name}{}.svg", figures.layout.suffix());
    vec![(file("latency"), latency(figures)), (file("throughput"), throughput(figures)), (file("cpu"), cpu(figures))]
}

fn latency(figures: &Figures) -> String {
    let p50: fn(&Times) -> f64 = Times::p50_ms;
    let curves = |rounds: &[&Round]| {
        let mut curves = Vec::new();
        let quantiles = [("p50", false, p50), ("p99", true, Times::p99_ms)];
        for (name, colour) in [("chain", CHAIN), ("fan", FAN)] {
            for (words, dashed, of) in quantiles {
                let points = load_points(rounds, name, |times, _| of(times));
                curves.push(Curve { name: format!("{name}, {words}"), colour, dashed, points });
            }
        }
        for (words, dashed, of) in quantiles {
            let points = pipe_points(rounds, Protocol::Bare, of);
            curves.push(Curve { name: format!("bare pipe, one round, {words}"), colour: BARE, dashed, points });
        }
        let hops = of_all(rounds.iter().map(|round| &round.hops), p50);
        let name = format!("{HOPS} bare hops, p50");
        curves.push(Curve {
            name,
            colour: HOPS_COLOUR,
            dashed: false,
            points: hops.map(|y| (1.0, y)).into_iter().collect(),
        });
        curves
    };
    let title = "From request to answer: chain of 10 nodes, fan of 101, and the bare pipe";
    draw_lines(figures, title, "ms", curves)
}

fn throughput(figures: &Figures) -> String {
    let curves = |rounds: &[&Round]| {
        let mut curves = Vec::new();
        for (name, colour) in [("chain", CHAIN), ("fan", FAN)] {
            let points = load_points(rounds, name, |times, nodes| times.per_second() * nodes as f64);
            curves.push(Curve { name: name.to_owned(), colour, dashed: false, points });
        }
        for (protocol, name, colour) in
            [(Protocol::Bare, "bare pipe", BARE), (Protocol::Journal, "bare pipe with a journal", JOURNAL)]
        {
            let points = pipe_points(rounds, protocol, Times::per_second);
            curves.push(Curve { name: name.to_owned(), colour, dashed: true, points });
        }
        curves
    };
    draw_lines(figures, "Nodes a second: chain of 10 nodes, fan of 101, and the bare pipe", "nodes/s", curves)
}

/// Says of which processes the figures are, where it is not the usual ones.
pub fn titled(title: &str, layout: Layout) -> String {
    match layout {
        Layout::Apart => title.to_owned(),
        Layout::Together => format!("{title}; engine and agents one process"),
    }
}

/// A panel for each number of partitions.
fn draw_lines(figures: &Figures, title: &str, y_label: &str, curves: impl Fn(&[&Round]) -> Vec<Curve>) -> String {
    let panel = |partitions: u32| {
        let rounds: Vec<&Round> = rounds(figures, partitions).collect();
        Panel { title: count(partitions as usize, "partition"), curves: curves(&rounds) }
    };
    let panels = partitions(figures).into_iter().map(panel).collect();
    let title = &titled(title, figures.layout);
    Chart { title, x_label: X_LABEL, y_label, x_ticks: &IN_FLIGHT, panels }.draw()
}

/// Workflows of a name: at so many in flight, what the times of all rounds say, and the nodes of each.
fn load_points(rounds: &[&Round], name: &str, of: impl Fn(&Times, usize) -> f64) -> Vec<(f64, f64)> {
    let point = |(name, in_flight): (&'static str, usize)| {
        let nodes = loads(rounds, (name, in_flight)).next().map_or(0, |load| load.nodes_each);
        let y = of_all(loads(rounds, (name, in_flight)).map(|load| &load.times), |times| of(times, nodes));
        y.map(move |y| (in_flight as f64, y))
    };
    cases(rounds).into_iter().filter(|case| case.0 == name).flat_map(point).collect()
}

fn pipe_points(rounds: &[&Round], protocol: Protocol, of: impl Fn(&Times) -> f64) -> Vec<(f64, f64)> {
    let of = &of;
    let point = |in_flight: f64| {
        let pipes = rounds.iter().filter_map(move |round| round.pipe(protocol, in_flight as usize));
        of_all(pipes.map(|pipe| &pipe.times), of).map(move |y| (in_flight, y))
    };
    IN_FLIGHT.into_iter().flat_map(point).collect()
}

/// What all rounds say together; nothing when none of them has any.
fn of_all<'a>(times: impl Iterator<Item = &'a Times>, of: impl Fn(&Times) -> f64) -> Option<f64> {
    let all = merged(times);
    (all.count() > 0).then(|| of(&all))
}

/// A bar for each case; a chain alone in flight costs ten times as much and has a scale of its own.
fn cpu(figures: &Figures) -> String {
    let names = figures.rounds.iter().find_map(|round| round.loads.first());
    let names: Vec<_> = names.map(|load| load.usage.iter().map(|usage| usage.name).collect()).unwrap_or_default();
    let group = |is_in: fn((&str, usize)) -> bool| {
        let (mut rows, mut bars) = (Vec::new(), Vec::new());
        for partitions in partitions(figures) {
            let rounds: Vec<&Round> = rounds(figures, partitions).collect();
            for case in cases(&rounds).into_iter().filter(|case| is_in(*case)) {
                rows.push(format!("{}, {} in flight, {}", case.0, case.1, count(partitions as usize, "partition")));
                bars.push(Bar { parts: cpu_of(&rounds, case, &names), range: None });
            }
        }
        Group { rows, columns: vec![Column { label: "CPU µs a node".to_owned(), bars, bound: None }] }
    };
    let groups = vec![group(|case| case == ("chain", 1)), group(|case| case != ("chain", 1))];
    let parts = colours_of(names.iter().copied());
    bars::Chart { title: &titled("CPU of a node, by process", figures.layout), parts: &parts, groups }.draw()
}

/// Microseconds a node, by process.
fn cpu_of(rounds: &[&Round], case: (&'static str, usize), names: &[&'static str]) -> Vec<f64> {
    let nodes: u64 = loads(rounds, case).map(LoadFigure::nodes).sum();
    let of = |name: &&str| {
        let used = loads(rounds, case).flat_map(|load| load.usage.iter().filter(|usage| usage.name == *name));
        used.map(|usage| micros_each(usage.cpu, nodes)).sum()
    };
    names.iter().map(of).collect()
}

/// The processes in the colours that they have in every picture.
pub fn colours_of(names: impl Iterator<Item = &'static str>) -> Vec<Part> {
    let part = |name| {
        let (name, colour) = match name {
            "engine" => ("engine", CHAIN),
            "engine,worker" => ("engine with agents", CHAIN),
            "worker" => ("worker", FAN),
            "projector" => ("projector", "#eab308"),
            "broker" => ("broker", "#475569"),
            "postgres" => ("Postgres", JOURNAL),
            "bench" => ("client", "#cbd5e1"),
            other => (other, "#a855f7"),
        };
        Part { name, colour }
    };
    names.map(part).collect()
}

/// `1 engine`, `4 partitions`.
pub fn count(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}
