//! Scale as a table, as JSON and as a picture.

use super::chart::bars::{Bar, Chart, Column, Group};
use super::chart::number;
use super::pictures::{colours_of, count, titled};
use super::scale::{Cell, IN_FLIGHT, Scale};
use super::table::table as columns;
use serde_json::{Value, json};

/// For people.
pub fn table(scale: &Scale) -> String {
    let names = scale.cells.first().map(Cell::processes).unwrap_or_default();
    let row = |cell: &Cell| {
        let (least, most) = cell.range();
        let mut row = vec![
            name(cell),
            number(cell.nodes_per_second()),
            format!("{} to {}", number(least), number(most)),
            number(cell.nodes_per_second() / scale.bare_per_second(cell.partitions).max(1.0)),
        ];
        row.extend(names.iter().map(|name| format!("{:.2}", cell.cores(name))));
        row.push(scale.limit(cell));
        row
    };
    let mut head = vec!["", "nodes/s", "of the rounds", "to the pipe"];
    let cores: Vec<String> = names.iter().map(|name| format!("{name} cores")).collect();
    head.extend(cores.iter().map(String::as_str));
    head.push("what limits");
    let title = format!("\nchains, {IN_FLIGHT} in flight, median of {} round(s)\n\n", rounds(scale));
    title + &columns(&head, scale.cells.iter().map(row).collect()) + "\n"
}

fn name(cell: &Cell) -> String {
    format!("{}, {}", count(cell.partitions as usize, "partition"), count(cell.engines, "engine"))
}

fn rounds(scale: &Scale) -> usize {
    scale.cells.iter().map(|cell| cell.loads.len()).max().unwrap_or(0)
}

/// For programs.
pub fn json(scale: &Scale) -> Value {
    let cell = |cell: &Cell| {
        let cores = cell.processes().into_iter().map(|name| (name.to_owned(), json!(cell.cores(name))));
        json!({
            "partitions": cell.partitions,
            "engines": cell.engines,
            "nodes_per_second": cell.nodes_per_second(),
            "least": cell.range().0,
            "most": cell.range().1,
            "bare_per_second": scale.bare_per_second(cell.partitions),
            "cores": cores.collect::<serde_json::Map<_, _>>(),
            "limit": scale.limit(cell),
        })
    };
    json!({ "in_flight": IN_FLIGHT, "cores": scale.cores, "cells": scale.cells.iter().map(cell).collect::<Vec<_>>() })
}

/// Throughput, and beside it who has the cores.
pub fn pictures(scale: &Scale) -> Vec<(String, String)> {
    let names = scale.cells.first().map(Cell::processes).unwrap_or_default();
    let rate = |cell: &Cell| Bar { parts: vec![cell.nodes_per_second()], range: Some(cell.range()) };
    let cores = |cell: &Cell| Bar { parts: names.iter().map(|name| cell.cores(name)).collect(), range: None };
    let columns = vec![
        Column { label: "nodes/s".to_owned(), bars: scale.cells.iter().map(rate).collect(), bound: None },
        Column {
            label: "cores busy".to_owned(),
            bars: scale.cells.iter().map(cores).collect(),
            bound: Some((scale.cores, format!("all {}", scale.cores))),
        },
    ];
    let title = format!("Chains of ten nodes, {} in flight", number(IN_FLIGHT as f64));
    let chart = Chart {
        title: &titled(&title, scale.layout),
        parts: &colours_of(names.iter().copied()),
        groups: vec![Group { rows: scale.cells.iter().map(name).collect(), columns }],
    };
    vec![(format!("scale{}.svg", scale.layout.suffix()), chart.draw())]
}
