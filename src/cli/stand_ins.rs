//! How the nodes of a run that were skipped or recovered came to their outputs: from its history; of nodes that were taken
//! over from an earlier run, from what was done with its dead letters.

use super::history::read;
use super::{Context, connect};
use crate::core::event::{Event, Recorded};
use crate::core::failure::Recovery;
use crate::core::id::NodeId;
use crate::core::run::{NodeRun, Run};
use crate::core::status::NodeStatus;
use crate::store::letter::{FoundLetter, LetterFilter, LetterKind, LetterState};
use crate::ui::stand_in::StandIn;
use anyhow::Result;
use std::collections::BTreeMap;

/// Most dead letters of a workflow that are looked at.
const MAX_LETTERS: usize = 1_000;

/// What stands in for which node. What log or store do not say is left out, and warned of.
pub fn stand_ins(context: &Context, run: &Run) -> BTreeMap<NodeId, StandIn> {
    let is_one = |node: &&NodeRun| matches!(node.status, NodeStatus::Skipped | NodeStatus::Recovered);
    let (carried, own): (Vec<_>, Vec<_>) = run.nodes.values().filter(is_one).partition(|node| node.is_carried());
    let mut all = BTreeMap::new();
    for (is_wanted, found) in [(!own.is_empty(), of_history as fn(_, _) -> _), (!carried.is_empty(), of_letters)] {
        if is_wanted {
            match found(context, run) {
                Ok(found) => all.extend(found),
                Err(error) => tracing::warn!("what stands in for nodes that have failed is not known: {error:#}"),
            }
        }
    }
    all
}

fn of_history(context: &Context, run: &Run) -> Result<BTreeMap<NodeId, StandIn>> {
    let log = connect::open_log(context.settings())?;
    let store = connect::open_store(context.settings());
    let (id, run_id) = (&run.workflow_id, Some(&run.run_id));
    let history = store.and_then(|store| read::from_journal(log.as_ref(), store.as_ref(), id, run_id));
    let history = history.or_else(|_| read::from_events(log.as_ref(), id, run_id))?;
    Ok(history.map(|history| of_events(&history.events)).unwrap_or_default())
}

/// What stands in for which node, as these events of a run tell.
pub fn of_events(events: &[Recorded]) -> BTreeMap<NodeId, StandIn> {
    let (mut failures, mut all) = (BTreeMap::new(), BTreeMap::new());
    for recorded in events {
        match &recorded.event {
            Event::NodeFailed(event) => drop(failures.insert(&event.node_id, event.failure())),
            Event::NodeRecovered(event) => {
                let (failure, failure_node) = (failures.remove(&event.node_id), event.failure_node.clone());
                let stand_in = StandIn { how: event.how, failure_node, by: event.by.clone(), failure };
                all.insert(event.node_id.clone(), stand_in);
            }
            _ => {}
        }
    }
    all
}

/// What people have done about the nodes of the earlier run.
fn of_letters(context: &Context, run: &Run) -> Result<BTreeMap<NodeId, StandIn>> {
    let store = connect::open_store(context.settings())?;
    let filter = LetterFilter {
        workflow: Some(run.workflow_id.to_string()),
        kind: Some(LetterKind::Node),
        limit: MAX_LETTERS,
        ..LetterFilter::default()
    };
    let of_run = |found: FoundLetter| {
        let handled = found.handled.filter(|handled| handled.run_id.as_ref() == Some(&run.run_id))?;
        let how = match handled.state {
            LetterState::Skipped => Recovery::Skip,
            LetterState::Supplied => Recovery::Supply,
            _ => return None,
        };
        Some((found.letter.node_id?, StandIn { how, failure_node: None, by: Some(handled.by), failure: None }))
    };
    Ok(store.query().letters(&filter)?.into_iter().filter_map(of_run).collect())
}
