//! The request that takes up a failed run: what its nodes have done is carried over, and it goes on from those that are
//! exhausted.
//!
//! A run is taken up once, by a request that works off all its letters: the nodes of those that were not asked for are
//! run again, too, since nothing else can stand in for what they have not done.

use super::work::{Bench, How, Made, Outcome};
use crate::cli::frontier::frontier;
use crate::cli::submit::{self, check};
use crate::config::table::MAX_REQUEST_BYTES;
use crate::core::command::{Request, Resume};
use crate::core::definition::contract::Breach;
use crate::core::definition::graph::{Graph, GraphNode, StandsBy};
use crate::core::frontier::Frontier;
use crate::core::id::{LetterId, NodeId};
use crate::core::json::Json;
use crate::core::letter::LetterAction;
use crate::core::lineage::{GivenInput, LineageKind};
use crate::core::run::Run;
use crate::core::status::NodeStatus;
use crate::log::NewRecord;
use crate::store::letter::{FoundLetter, LetterFilter, LetterKind, LetterState};
use crate::ui::run::refusal_words;
use crate::wire::letter_handling::{self, MAX_LETTERS};
use crate::wire::{headers, request};
use anyhow::Result;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What is done about the node of a letter.
pub enum Remedy {
    /// It is run again.
    Again,
    /// It is run again, with this input.
    Given(Json),
    /// The run goes on without it.
    Skip,
    /// The run goes on with this output.
    Supply(Json),
}

impl Remedy {
    fn action(&self) -> LetterAction {
        match self {
            Self::Again => LetterAction::Redrive,
            Self::Given(_) => LetterAction::Edit,
            Self::Skip => LetterAction::Skip,
            Self::Supply(_) => LetterAction::Supply,
        }
    }
}

/// The request that takes up the run of these letters; the inner error says why that cannot be.
///
/// # Errors
/// Where the store does not answer.
pub fn take_up(
    letters: &[FoundLetter],
    bench: &Bench,
    how: &How,
    remedy: impl Fn(&FoundLetter) -> Result<Result<Remedy, String>>,
) -> Result<Result<Made, String>> {
    let earlier = match Earlier::find(&letters[0], bench)? {
        Ok(earlier) => earlier,
        Err(reason) => return Ok(Err(reason)),
    };
    let mut next = Next::after(&earlier);
    let (mut done, mut left) = (Vec::new(), Vec::new());
    for (number, found) in letters.iter().enumerate() {
        let remedy = match number < MAX_LETTERS {
            true => remedy(found)?,
            false => Err(format!("a run is taken up with at most {MAX_LETTERS} of its letters; discard the others")),
        };
        match remedy.and_then(|remedy| next.apply(found, remedy, &earlier)) {
            Ok(action) => done.push((found.clone(), action)),
            Err(reason) => left.push((found.clone(), reason)),
        }
    }
    if done.is_empty() {
        return Ok(Err(left.pop().map_or_else(String::new, |(_, reason)| reason)));
    }
    let with = earlier.other_letters(letters, MAX_LETTERS - done.len(), bench)?;
    Ok(record(&earlier, next, &done, &with, bench, how).map(|(record, words)| {
        let letters = done.into_iter().map(|(found, _)| found).collect();
        Made { record, outcome: Outcome { letters, with, left, words: Some(words), workflow_id: None } }
    }))
}

/// The run that is taken up.
struct Earlier {
    run: Run,
    /// With the nodes of its plans.
    graph: Arc<Graph>,
}

impl Earlier {
    fn find(found: &FoundLetter, bench: &Bench) -> Result<Result<Self, String>> {
        if found.letter.kind == LetterKind::Input {
            return Ok(Err("it is a refused record, and has no node: redrive, edit or discard it".to_owned()));
        }
        let (Some(workflow_id), Some(run_id)) = (&found.letter.workflow_id, &found.letter.run_id) else {
            return Ok(Err("it names no run".to_owned()));
        };
        let Some((_, run)) = bench.query.run(workflow_id, None)? else {
            return Ok(Err(format!("the tables do not have its run {run_id}")));
        };
        if run.run_id != *run_id {
            let last = &run.run_id;
            return Ok(Err(match run.lineage.as_ref().filter(|lineage| lineage.run_id == *run_id) {
                Some(lineage) => {
                    let by = lineage.by.as_ref().map_or_else(String::new, |by| format!(", asked by {by}"));
                    format!("its run has been taken up already: run {last} goes on from it{by}")
                }
                None => format!("its run {run_id} is not the last of its workflow any more: run {last} is"),
            }));
        }
        if run.ended_at.is_none() {
            return Ok(Err("its run has not ended: other nodes of it are still at work".to_owned()));
        }
        let (name, version) = (&run.definition.name, run.definition.version);
        Ok(match frontier(bench.catalogue, &run) {
            Ok(Frontier { graph, .. }) => Ok(Self { run, graph }),
            Err(error) => Err(format!("definition {name} version {version} {error}")),
        })
    }

    fn node(&self, id: &NodeId) -> Result<&GraphNode, String> {
        let node = self.graph.index.get(id).map(|index| &*self.graph.nodes[*index]);
        node.ok_or_else(|| format!("the definition of its run has no node {id}"))
    }

    /// The node whose output is missing: this one, or the one that it stands by for.
    fn missing(&self, id: &NodeId) -> Result<&GraphNode, String> {
        let mut node = self.node(id)?;
        while let Some(stands_by) = node.stands_by {
            let (StandsBy::Failure(caller) | StandsBy::Undo(caller)) = stands_by;
            let caller = &self.graph.nodes[caller];
            if matches!(stands_by, StandsBy::Undo(_)) {
                let of = &caller.node.node_id;
                return Err(format!(
                    "it was to undo what node {of} has done, and no other run does: undo it by hand, then discard it"
                ));
            }
            node = caller;
        }
        Ok(node)
    }

    /// The other open letters of the run; those of nodes that undo are for a person.
    fn other_letters(&self, picked: &[FoundLetter], room: usize, bench: &Bench) -> Result<Vec<FoundLetter>> {
        let filter = LetterFilter {
            workflow: Some(self.run.workflow_id.to_string()),
            state: Some(LetterState::Open),
            kind: Some(LetterKind::Node),
            limit: picked.len() + 2 * MAX_LETTERS,
            ..LetterFilter::default()
        };
        let is_other = |found: &FoundLetter| {
            let FoundLetter { letter, .. } = found;
            letter.run_id.as_ref() == Some(&self.run.run_id)
                && picked.iter().all(|picked| picked.letter.letter_id != letter.letter_id)
                && letter.node_id.as_ref().is_some_and(|node| self.missing(node).is_ok())
        };
        Ok(bench.query.letters(&filter)?.into_iter().filter(is_other).take(room).collect())
    }
}

/// What the next run is given.
struct Next {
    carried: BTreeMap<NodeId, (NodeStatus, Json)>,
    inputs: BTreeMap<NodeId, Json>,
    words: String,
}

impl Next {
    /// What the earlier run has done; nothing of one that was undone.
    fn after(earlier: &Earlier) -> Self {
        let Earlier { run, graph } = earlier;
        let mut carried = BTreeMap::new();
        let is_done = |id: &NodeId| earlier.node(id).is_ok_and(|node| node.stands_by.is_none());
        for (id, node) in run.nodes.iter().filter(|(id, node)| node.status.has_output() && is_done(id)) {
            if let (Some(output), false) = (&node.output, run.compensating) {
                carried.insert(id.clone(), (node.status, output.clone()));
            }
        }
        let words = match (run.compensating, carried.len()) {
            (true, _) => "what its run had done was undone, so it starts anew".to_owned(),
            (false, 0) => "no node of its run has completed, so it starts anew".to_owned(),
            (false, 1) => "it goes on with the output of 1 node".to_owned(),
            (false, nodes) => format!("it goes on with the outputs of {nodes} nodes"),
        };
        // Planned nodes are there only where their plan is carried over.
        let is_there = |id: &NodeId| {
            let index = graph.index.get(id);
            index.is_some_and(|index| *index < graph.static_nodes || !run.compensating)
        };
        let inputs = run.inputs.iter().filter(|(id, _)| is_there(id));
        Self { carried, inputs: inputs.map(|(id, input)| (id.clone(), input.clone())).collect(), words }
    }

    fn apply(&mut self, found: &FoundLetter, remedy: Remedy, earlier: &Earlier) -> Result<LetterAction, String> {
        let node_id = found.letter.node_id.as_ref().ok_or("it names no node")?;
        let missing = earlier.missing(node_id)?.node.node_id.clone();
        let action = remedy.action();
        match remedy {
            Remedy::Again => {}
            Remedy::Given(input) => {
                // The engine would say so, too, and the new run would fail by it at once.
                if let Some(contract) = &earlier.node(node_id)?.input_contract {
                    let breaks =
                        |breach: Breach| format!("the repaired input breaks the contract of node {node_id} {breach}");
                    contract.check(&input.value()).map_err(breaks)?;
                }
                self.inputs.insert(node_id.clone(), input);
            }
            Remedy::Skip => drop(self.carried.insert(missing, (NodeStatus::Skipped, Json::null()))),
            Remedy::Supply(output) => drop(self.carried.insert(missing, (NodeStatus::Recovered, output))),
        }
        Ok(action)
    }
}

/// The request, and what is to be said of it.
fn record(
    earlier: &Earlier,
    next: Next,
    done: &[(FoundLetter, LetterAction)],
    with: &[FoundLetter],
    bench: &Bench,
    how: &How,
) -> Result<(NewRecord, String), String> {
    let (run, Next { carried, mut inputs, words }) = (&earlier.run, next);
    inputs.retain(|node_id, _| !carried.contains_key(node_id));
    let request = Request {
        definition: run.definition.name.clone(),
        version: Some(run.definition.version),
        input: run.input.clone(),
        workflow_id: Some(run.workflow_id.clone()),
        conversation_id: run.conversation_id.clone(),
        resume: Some(Resume {
            workflow_id: None,
            agents: Vec::new(),
            from_node: None,
            kind: LineageKind::Redrive,
            run_id: run.run_id.clone(),
            by: Some(how.by.name()),
            carried: carried.into_iter().map(|(id, (status, output))| (id, status, output)).collect(),
            inputs: inputs.into_iter().map(|(node_id, input)| GivenInput { node_id, input }).collect(),
        }),
    };
    let Request { definition, version, input, resume, .. } = &request;
    check::check(bench.catalogue, definition, *version, input, resume.as_ref()).map_err(|refusal| {
        let words = refusal_words(refusal.reason.as_str(), &refusal.message, refusal.details.as_ref());
        format!("its request would be refused: {words}")
    })?;
    let (value, most) = (request::encode(&request), bench.settings.max_request_bytes);
    if value.len() > most {
        let bytes = value.len();
        return Err(format!(
            "with the outputs that are carried over its request has {bytes} bytes, and {most} are allowed ({MAX_REQUEST_BYTES})"
        ));
    }
    let mut others: Vec<(LetterId, LetterAction)> =
        done[1..].iter().map(|(found, action)| (found.letter.letter_id.clone(), *action)).collect();
    others.extend(with.iter().map(|found| (found.letter.letter_id.clone(), LetterAction::Redrive)));
    let (first, action) = &done[0];
    let mut headers = vec![(headers::LETTER.into(), letter_handling::encode(&how.handling(first, *action), &others))];
    headers.extend(run.traceparent.iter().map(|trace| (headers::TRACEPARENT.into(), Bytes::from(trace.clone()))));
    Ok((submit::record(&run.workflow_id, value, bench.partitions, headers), words))
}
