//! Forks at every node of a run, and at random nodes of others.

use super::graphs::{has_planner, own_nodes, upstream};
use super::replays::Histories;
use super::storm::Storm;
use orchestrator::core::event::{Event, Recorded};
use orchestrator::core::lineage::LineageKind;
use orchestrator::store::query::Filter;
use rand::RngExt;
use rand::rngs::StdRng;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// How many random forks there are beside those of one run.
const MORE: usize = 6;

/// Forks that were asked for: the workflow, and what it has to take over, as its definition's document says it.
pub struct Forked(BTreeMap<String, (String, BTreeSet<String>)>);

impl Forked {
    /// How many.
    pub fn count(&self) -> usize {
        self.0.len()
    }
}

/// Forks the completed run of the largest graph at every node, and some others at a random one, and waits for their end.
pub fn at_every_node(storm: &mut Storm, dice: &mut StdRng) -> Forked {
    let completed: Vec<(String, &Value)> = completed(storm);
    let size = |definition: &Value| own_nodes(definition).len();
    let (largest, graph) = completed.iter().max_by_key(|(_, definition)| size(definition)).expect("a completed run");
    let mut forked = Forked(BTreeMap::new());
    let nodes = own_nodes(graph);
    let dry = nodes[dice.random_range(0..nodes.len())];
    let told = storm.at.run(&["fork", largest, "--from", dry, "--dry-run", "--output", "json"]).expect(0).json();
    let taken = told["nodes"].as_array().expect("nodes").iter().filter(|node| node["taken_over"] == true);
    let taken: BTreeSet<String> = taken.map(|node| node["node_id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(taken, upstream(graph, dry), "{largest} from {dry}, before it is done");
    nodes.iter().for_each(|node| fork(storm, &mut forked, largest, graph, node));
    for _ in 0..MORE {
        let (workflow, graph) = &completed[dice.random_range(0..completed.len())];
        let nodes = own_nodes(graph);
        fork(storm, &mut forked, workflow, graph, nodes[dice.random_range(0..nodes.len())]);
    }
    let runs = storm.runs() + forked.count();
    storm.rest(runs);
    forked
}

/// Workflows whose newest run has completed, with a graph in which nobody plans, by name.
fn completed<'a>(storm: &Storm<'a>) -> Vec<(String, &'a Value)> {
    let filter = Filter { limit: 500, ..Filter::default() };
    let runs = storm.at.store().query().runs(&filter).unwrap();
    let of = |name: &str| storm.definitions.iter().find(|definition| definition["name"] == name);
    let runs = runs.into_iter().filter(|run| run.status.as_str() == "completed");
    let graphs = runs.filter_map(|run| Some((run.workflow_id.to_string(), of(&run.definition)?)));
    graphs.filter(|(_, definition)| !has_planner(definition)).collect()
}

fn fork(storm: &Storm, forked: &mut Forked, workflow: &str, graph: &Value, node: &str) {
    let id = format!("{workflow} from {node}");
    if forked.0.contains_key(&id) {
        return;
    }
    storm.at.run(&["fork", workflow, "--from", node, "--set", "/text=\"tea\"", "--id", &id]).expect(0);
    forked.0.insert(id, (workflow.to_owned(), upstream(graph, node)));
}

/// Each fork has taken over exactly the upstream, with the outputs that the forked run had, and executed none of it.
pub fn take_over_the_upstream(forked: &Forked, histories: &Histories) {
    for (id, (origin, upstream)) in &forked.0 {
        let mut runs = histories.values().filter(|events| events[0].workflow_id.as_str() == id);
        let (Some(fork), None) = (runs.next(), runs.next()) else { panic!("{id} has not one run") };
        let Event::WorkflowStarted(start) = &fork[0].event else { panic!("{id} begins with {:?}", fork[0]) };
        let lineage = start.lineage.as_ref().expect("a fork has lineage");
        assert_eq!((lineage.kind, lineage.workflow_id.as_str()), (LineageKind::Fork, origin.as_str()));
        let carried: BTreeMap<String, &str> =
            start.carried.iter().map(|node| (node.node_id.to_string(), node.output.as_str())).collect();
        assert_eq!(carried.keys().cloned().collect::<BTreeSet<_>>(), *upstream, "{id}");
        let executed = fork.iter().filter_map(|recorded| match &recorded.event {
            Event::NodeScheduled(event) => Some(event.node_id.to_string()),
            _ => None,
        });
        executed.for_each(|node| assert!(!carried.contains_key(&node), "{id} executes {node}, which it took over"));
        let outputs = outputs(&histories[lineage.run_id.as_str()]);
        carried.iter().for_each(|(node, output)| assert_eq!(outputs.get(node), Some(&(*output).to_owned()), "{id}"));
    }
}

/// The last output of each node, as its event has it.
fn outputs(events: &[Recorded]) -> BTreeMap<String, String> {
    let mut outputs = BTreeMap::new();
    for recorded in events {
        match &recorded.event {
            Event::WorkflowStarted(event) => outputs
                .extend(event.carried.iter().map(|node| (node.node_id.to_string(), node.output.as_str().to_owned()))),
            Event::NodeCompleted(event) => {
                outputs.insert(event.node_id.to_string(), event.output.as_str().to_owned());
            }
            Event::NodeRecovered(event) => {
                outputs.insert(event.node_id.to_string(), event.output.as_str().to_owned());
            }
            _ => {}
        }
    }
    outputs
}
