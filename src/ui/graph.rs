//! A definition's graph as text: for the terminal, for Graphviz, for Mermaid.

mod boxes;
mod stand_by;

use super::counted;
use crate::core::definition::graph::waits;
use crate::core::definition::{Definition, ExecutionNode, Role};
use boxes::{Row, connector};
use stand_by::calls;
use std::collections::HashSet;
use std::fmt::Write;

/// Most nodes that stand side by side; a wider layer becomes one box with a list.
const MAX_BESIDE: usize = 12;
/// Most columns of a drawing: a terminal that is not narrow.
const MAX_COLUMNS: usize = 100;
/// Most names that a list shows; a drawing is to be looked at.
const MAX_LISTED: usize = 120;
/// Most dependencies that are named beside a node.
const MAX_NAMED: usize = 3;

/// The graph for a terminal, top to bottom: a node stands one layer below the last that it waits for. Lines join two
/// layers where every node of the lower waits for all of the upper and for nothing else; elsewhere each node says
/// what it waits for (`← a, b`). Nodes that are only called upon stand below (`a ╌╌ on failure ╌╌▶ b`). Ends with a line
/// break.
pub fn draw(definition: &Definition) -> String {
    let nodes = &definition.nodes;
    let waits = waits(nodes);
    let calls = calls(nodes);
    let layers = layers(&waits, &calls);
    let rows: Vec<(Row, bool)> = (0..layers.len())
        .map(|at| {
            let joined = at > 0 && layers[at].iter().all(|node| same(&waits[*node], &layers[at - 1]));
            (row(nodes, &waits, &layers[at], joined || at == 0), joined)
        })
        .collect();
    // Odd, as boxes are, so that boxes which stand alone stand exactly below each other.
    let width = rows.iter().map(|(row, _)| row.width()).max().unwrap_or(0) | 1;
    let mut text =
        format!("{} · {}, {}\n\n", definition.name, counted(nodes.len(), "node"), counted(layers.len(), "layer"));
    let mut above: Vec<usize> = Vec::new();
    for (row, joined) in rows {
        let left = (width - row.width()) / 2;
        let centers: Vec<usize> = row.centers().into_iter().map(|center| center + left).collect();
        for line in connector(&above, &centers, joined) {
            push_line(&mut text, &line);
        }
        for line in row.lines() {
            push_line(&mut text, &format!("{:left$}{line}", ""));
        }
        above = centers;
    }
    if let Some(planners) = planners(definition) {
        let _ = write!(text, "\n{planners}\n");
    }
    text.push_str(&called_upon(nodes, &calls));
    text
}

/// A line for each node that is only called upon; empty where there are none.
fn called_upon(nodes: &[ExecutionNode], calls: &[(usize, usize, &str)]) -> String {
    let line = |(from, to, when): &(usize, usize, &str)| {
        format!("{} ╌╌ {when} ╌╌▶ {} · {}\n", nodes[*from].node_id, nodes[*to].node_id, executor(&nodes[*to]))
    };
    let more = calls.len().saturating_sub(MAX_LISTED);
    let more = if more > 0 { format!("… {more} more\n") } else { String::new() };
    let lines: String = calls.iter().take(MAX_LISTED).map(line).collect();
    if lines.is_empty() { lines } else { format!("\n{lines}{more}") }
}

/// The graph in Graphviz' DOT language. Dashed: waits that follow from a role, not from `dependencies`; with a label:
/// nodes that are only called upon.
pub fn dot(definition: &Definition) -> String {
    let nodes = &definition.nodes;
    let quoted = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    let mut text = format!("digraph {} {{\n  node [shape=box];\n", quoted(definition.name.as_str()));
    for node in nodes {
        let id = quoted(node.node_id.as_str());
        let label =
            [node.node_id.as_str(), &executor(node)].map(|line| line.replace('\\', "\\\\").replace('"', "\\\""));
        let shape = match node.role {
            Role::Plain => "",
            Role::Planner => ", shape=hexagon",
            Role::Synthesizer => ", shape=box, peripheries=2",
            Role::Responder => ", shape=oval",
        };
        let _ = writeln!(text, "  {id} [label=\"{}\"{shape}];", label.join("\\n"));
    }
    for (from, to, is_named) in edges(nodes) {
        let style = if is_named { "" } else { " [style=dashed]" };
        let [from, to] = [from, to].map(|i| quoted(nodes[i].node_id.as_str()));
        let _ = writeln!(text, "  {from} -> {to}{style};");
    }
    for (from, to, when) in calls(nodes) {
        let [from, to] = [from, to].map(|i| quoted(nodes[i].node_id.as_str()));
        let _ = writeln!(text, "  {from} -> {to} [style=dashed, label=\"{when}\"];");
    }
    text.push_str("}\n");
    text
}

/// The graph in Mermaid's language. Dotted: waits that follow from a role, not from `dependencies`; with a label: nodes
/// that are only called upon.
pub fn mermaid(definition: &Definition) -> String {
    let nodes = &definition.nodes;
    let escaped =
        |text: &str| text.replace('#', "#35;").replace('"', "#quot;").replace('<', "#lt;").replace('>', "#gt;");
    let mut text = "flowchart TD\n".to_owned();
    // Named by position: words such as `end` are not legal names there.
    for (i, node) in nodes.iter().enumerate() {
        let (open, close) = match node.role {
            Role::Plain => ("[", "]"),
            Role::Planner => ("{{", "}}"),
            Role::Synthesizer => ("[[", "]]"),
            Role::Responder => ("([", "])"),
        };
        let label = [node.node_id.as_str(), &executor(node)].map(escaped).join("<br/>");
        let _ = writeln!(text, "  n{i}{open}\"{label}\"{close}");
    }
    for (from, to, is_named) in edges(nodes) {
        let arrow = if is_named { "-->" } else { "-.->" };
        let _ = writeln!(text, "  n{from} {arrow} n{to}");
    }
    for (from, to, when) in calls(nodes) {
        let _ = writeln!(text, "  n{from} -. {when} .-> n{to}");
    }
    text
}

/// From, to, and whether the author named it.
fn edges(nodes: &[ExecutionNode]) -> Vec<(usize, usize, bool)> {
    let mut edges = Vec::new();
    for (to, waits) in waits(nodes).into_iter().enumerate() {
        let named = nodes[to].dependencies.len();
        edges.extend(waits.into_iter().enumerate().map(|(i, from)| (from, to, i < named)));
    }
    edges
}

/// Positions of nodes by the longest path that leads to them, without those that are only called upon: these wait for
/// nobody, and nobody waits for them.
fn layers(waits: &[Vec<usize>], calls: &[(usize, usize, &str)]) -> Vec<Vec<usize>> {
    let stands_by: HashSet<usize> = calls.iter().map(|(_, to, _)| *to).collect();
    let mut open: Vec<usize> = waits.iter().map(Vec::len).collect();
    let mut dependents = vec![Vec::new(); waits.len()];
    for (node, dependencies) in waits.iter().enumerate() {
        dependencies.iter().for_each(|to| dependents[*to].push(node));
    }
    let mut layers = Vec::new();
    let first = |node: &usize| open[*node] == 0 && !stands_by.contains(node);
    let mut layer: Vec<usize> = (0..waits.len()).filter(first).collect();
    while !layer.is_empty() {
        let mut next = Vec::new();
        for node in layer.iter().flat_map(|node| &dependents[*node]) {
            open[*node] -= 1;
            if open[*node] == 0 {
                next.push(*node);
            }
        }
        next.sort_unstable();
        layers.push(std::mem::replace(&mut layer, next));
    }
    layers
}

fn same(waits: &[usize], layer: &[usize]) -> bool {
    let mut waits = waits.to_vec();
    waits.sort_unstable();
    waits == layer
}

/// A layer: boxes side by side where they fit, else one box with a list.
fn row(nodes: &[ExecutionNode], waits: &[Vec<usize>], layer: &[usize], joined: bool) -> Row {
    let waits_for = |node: &usize| (!joined).then(|| names(nodes, &waits[*node])).filter(|names| !names.is_empty());
    let beside = |node: &usize| -> Vec<String> {
        let head = [nodes[*node].node_id.to_string(), executor(&nodes[*node])];
        head.into_iter().chain(waits_for(node).map(|names| format!("← {names}"))).collect()
    };
    if layer.len() <= MAX_BESIDE {
        let row = Row::of(layer.iter().map(beside).collect());
        if row.width() <= MAX_COLUMNS || layer.len() == 1 {
            return row;
        }
        let line = |node: &usize| beside(node).join("  ");
        return Row::of(vec![layer.iter().map(line).collect()]);
    }
    Row::of(vec![folded(nodes, waits, layer, joined)])
}

/// A count, the agents with their roles, what all wait for, and the names.
fn folded(nodes: &[ExecutionNode], waits: &[Vec<usize>], layer: &[usize], joined: bool) -> Vec<String> {
    let mut executors: Vec<(String, usize)> = Vec::new();
    for node in layer {
        let name = executor(&nodes[*node]);
        match executors.iter().position(|(known, _)| *known == name) {
            Some(at) => executors[at].1 += 1,
            None if executors.len() < MAX_BESIDE => executors.push((name, 1)),
            None => {}
        }
    }
    let executors: Vec<String> = executors.into_iter().map(|(name, count)| format!("{name} ×{count}")).collect();
    let mut lines = vec![counted(layer.len(), "node")];
    wrap(&executors, &mut lines);
    let alike = layer.iter().all(|node| waits[*node] == waits[layer[0]]);
    let named = |node: &usize| match names(nodes, &waits[*node]) {
        waits if joined || alike || waits.is_empty() => nodes[*node].node_id.to_string(),
        waits => format!("{} (← {waits})", nodes[*node].node_id),
    };
    if !joined && alike {
        lines.push(format!("← {}", names(nodes, &waits[layer[0]])));
    }
    let mut listed: Vec<String> = layer.iter().take(MAX_LISTED).map(named).collect();
    if layer.len() > MAX_LISTED {
        listed.push(format!("… {} more", layer.len() - MAX_LISTED));
    }
    wrap(&listed, &mut lines);
    lines
}

/// Words, with commas between, in lines that fit.
fn wrap(words: &[String], lines: &mut Vec<String>) {
    let mut line = String::new();
    for (i, word) in words.iter().enumerate() {
        let comma = if i + 1 < words.len() { "," } else { "" };
        if !line.is_empty() && line.chars().count() + word.chars().count() + 2 > MAX_COLUMNS - 4 {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
        line.push_str(comma);
    }
    lines.push(line);
}

fn names(nodes: &[ExecutionNode], some: &[usize]) -> String {
    let mut names: Vec<String> = some.iter().take(MAX_NAMED).map(|i| nodes[*i].node_id.to_string()).collect();
    if some.len() > MAX_NAMED {
        names.push(format!("{} more", some.len() - MAX_NAMED));
    }
    names.join(", ")
}

/// Who executes a node, and what for.
fn executor(node: &ExecutionNode) -> String {
    match node.role {
        Role::Plain => node.agent_name.to_string(),
        role => format!("{} ({})", node.agent_name, role.as_str()),
    }
}

fn planners(definition: &Definition) -> Option<String> {
    let planners = definition.nodes.iter().filter(|node| node.role == Role::Planner);
    let planners: Vec<&str> = planners.map(|node| node.node_id.as_str()).collect();
    let first = planners.first()?;
    let who = match planners.len() {
        1 => format!("{first} adds"),
        n => format!("{first} and {} add", counted(n - 1, "other planner")),
    };
    let how_many = match definition.max_agent_calls {
        Some(calls) => format!("up to {}", counted(calls as usize, "node")),
        None => "nodes".to_owned(),
    };
    Some(format!("{who} {how_many} at run time; synthesizers and responders wait for them."))
}

fn push_line(text: &mut String, line: &str) {
    text.push_str(line.trim_end());
    text.push('\n');
}
