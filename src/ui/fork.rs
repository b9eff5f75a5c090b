//! What a fork would take over, and what it would run.

use super::money::{spent_json, spent_words};
use super::style::Paint;
use super::table::{lines, table};
use super::time::duration;
use crate::core::attempts::{Attempt, Spent};
use crate::core::fork::Fork;
use crate::core::id::NodeId;
use crate::core::run::Run;
use crate::ui::counted;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write;

/// A fork, beside the run that is forked.
pub struct View<'a> {
    /// The run.
    pub run: &'a Run,
    /// The fork.
    pub fork: &'a Fork,
    /// What the run's nodes have spent.
    pub recorded: &'a BTreeMap<NodeId, Vec<Attempt>>,
}

impl View<'_> {
    fn spent(&self, node: &NodeId) -> Spent {
        Spent::by(self.recorded.get(node).into_iter().flatten())
    }

    /// What the run spent on nodes that would run again.
    fn again(&self) -> Spent {
        Spent::by(self.fork.runs().filter_map(|node| self.recorded.get(node)).flatten())
    }

    /// What the run spent on nodes that are taken over.
    fn saved(&self) -> Spent {
        Spent::by(self.fork.carried.keys().filter_map(|node| self.recorded.get(node)).flatten())
    }

    /// Whether further nodes may come: by a planner that runs again.
    fn may_plan(&self) -> bool {
        let is_planner = |id: &&NodeId| {
            let node = self.fork.graph.index.get(*id).map(|i| &self.fork.graph.nodes[*i].node);
            node.is_some_and(|node| node.role == crate::core::definition::Role::Planner)
        };
        self.fork.runs().any(|id| is_planner(&id))
    }
}

/// For people.
pub fn text(view: &View, paint: Paint) -> String {
    let mut rows = table(&["node", "agent", "fork", "recorded attempts", "took", "cost"], paint);
    for node in view.fork.graph.nodes.iter().filter(|node| node.stands_by.is_none()) {
        let id = &node.node.node_id;
        let spent = view.spent(id);
        let is_recorded = spent.attempts > 0;
        rows.add_row(vec![
            id.to_string(),
            node.node.agent_name.to_string(),
            if view.fork.carried.contains_key(id) { "taken over" } else { "runs" }.to_owned(),
            if is_recorded { spent.attempts.to_string() } else { String::new() },
            if is_recorded { duration(spent.took) } else { String::new() },
            spent.usage.map(super::money::words).unwrap_or_default(),
        ]);
    }
    let runs = view.fork.runs().count();
    let mut text = lines(&rows);
    let more = if view.may_plan() { ", and what its planner plans" } else { "" };
    let _ = writeln!(
        text,
        "\n{} would run{more}; run {} spent on the same ones {}.",
        counted(runs, "node"),
        view.run.run_id,
        spent_words(&view.again())
    );
    let carried = view.fork.carried.len();
    if carried > 0 {
        let outputs = counted(carried, "output");
        let _ = writeln!(text, "{outputs} would be taken over, on which it spent {}.", spent_words(&view.saved()));
    }
    text
}

/// For programs.
pub fn json(view: &View) -> Value {
    let nodes = view.fork.graph.nodes.iter().filter(|node| node.stands_by.is_none()).map(|node| {
        let id = &node.node.node_id;
        json!({
            "node_id": id.as_str(),
            "agent_name": node.node.agent_name.as_str(),
            "taken_over": view.fork.carried.contains_key(id),
            "recorded": spent_json(&view.spent(id)),
        })
    });
    json!({
        "format": 1,
        "workflow_id": view.run.workflow_id.as_str(),
        "run_id": view.run.run_id.as_str(),
        "nodes": nodes.collect::<Vec<_>>(),
        "may_plan": view.may_plan(),
        "runs": spent_json(&view.again()),
        "taken_over": spent_json(&view.saved()),
    })
}
