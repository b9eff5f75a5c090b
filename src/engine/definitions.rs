//! The definitions that an engine knows: read from their topic, compiled once each.

use super::io::Io;
use crate::core::catalogue::{Applied, Catalogue};
use crate::core::definition::graph::Graph;
use crate::core::definition::validate::validate;
use crate::core::definition::{DefinitionHash, DefinitionRef};
use crate::core::id::{AgentName, DefinitionName};
use crate::core::time::Timestamp;
use crate::log::{Record, Topic};
use crate::wire::definition::{DefinitionRecord, decode};
use serde_json::Value;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

/// So many definitions are kept compiled; beyond, those that no run holds are compiled anew when they are asked for.
const MAX_COMPILED: usize = 1_000;
/// The pause before a question that was not answered is asked again: it may have taken seconds.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// All definitions read so far.
#[derive(Default)]
pub struct Definitions {
    catalogue: Catalogue,
    /// Compiled; none: it cannot be executed.
    graphs: HashMap<DefinitionHash, Option<Arc<Graph>>>,
    /// The agents that they name.
    agents: HashSet<AgentName>,
    read: usize,
    next: u64,
    /// The end that was asked for last, and when.
    asked: Option<(Timestamp, u64)>,
    /// When that was asked last without an answer.
    unanswered: Option<Timestamp>,
}

impl Definitions {
    /// Takes the next record of the topic.
    pub fn read(&mut self, record: &Record) {
        self.next = self.next.max(record.offset + 1);
        let (Some(key), Some(value)) = (&record.key, &record.value) else { return };
        match decode(key, value) {
            Ok(DefinitionRecord::Applied { reference, applied_at, document }) => {
                self.add(Applied { reference, applied_at, document });
            }
            Ok(DefinitionRecord::Installation { .. }) => {}
            Err(error) => {
                tracing::error!(offset = record.offset, %error, "a record of `definitions` cannot be read; it is left out");
            }
        }
    }

    /// Everything below `offset` has been read.
    pub fn reached(&mut self, offset: u64) {
        self.next = self.next.max(offset);
    }

    /// The definition of a name: the version asked for, or the newest; without a graph where it cannot be executed.
    pub fn find(&mut self, name: &DefinitionName, version: Option<u32>) -> Option<(DefinitionRef, Option<Arc<Graph>>)> {
        let applied = match version {
            Some(version) => self.catalogue.version(name.as_str(), version)?,
            None => self.catalogue.newest(name.as_str())?,
        };
        let reference = applied.reference.clone();
        let graph = self.graph(&reference.hash);
        Some((reference, graph))
    }

    /// The graph with this hash, if it is known and can be executed.
    pub fn graph(&mut self, hash: &DefinitionHash) -> Option<Arc<Graph>> {
        if let Some(graph) = self.graphs.get(hash) {
            return graph.clone();
        }
        let Applied { reference, document, .. } = self.catalogue.by_hash(hash)?;
        let graph = compile(reference, document.clone());
        self.keep(hash.clone(), graph.clone());
        graph
    }

    /// Whether everything that stood in the topic at `since` has been read; asks for its end if that is not known.
    /// Where the log does not say, it is asked again after a pause: whoever needs to know waits.
    pub fn up_to_date(&mut self, since: Timestamp, now: Timestamp, io: &Io) -> bool {
        if let Some((at, high)) = self.asked
            && at >= since
        {
            return self.next >= high;
        }
        if self.unanswered.is_some_and(|at| now.since(at) < ASK_AGAIN) {
            return false;
        }
        match io.ends(&Topic::Definitions, 0) {
            Ok(ends) => {
                (self.asked, self.unanswered) = (Some((now, ends.high)), None);
                self.next >= ends.high
            }
            Err(error) => {
                tracing::warn!(%error, "where `definitions` ends is not known; what needs one that is not known waits");
                self.unanswered = Some(now);
                false
            }
        }
    }

    /// Whether one of them names an agent.
    pub fn name_agent(&self, agent: &AgentName) -> bool {
        self.agents.contains(agent)
    }

    /// How many definitions have been read.
    pub fn read_so_far(&self) -> usize {
        self.read
    }

    fn add(&mut self, applied: Applied) {
        let Applied { document, .. } = applied.clone();
        let reference = self.catalogue.fold(applied);
        if self.graphs.contains_key(&reference.hash) {
            return;
        }
        self.read += 1;
        let graph = compile(&reference, document);
        self.agents.extend(graph.iter().flat_map(|graph| &graph.nodes).map(|node| node.node.agent_name.clone()));
        self.keep(reference.hash, graph);
    }

    /// Keeps a compiled definition, and drops some that no run holds where there are many.
    fn keep(&mut self, hash: DefinitionHash, graph: Option<Arc<Graph>>) {
        if self.graphs.len() >= MAX_COMPILED {
            self.graphs.retain(|_, graph| graph.as_ref().is_some_and(|graph| Arc::strong_count(graph) > 1));
        }
        self.graphs.insert(hash, graph);
    }
}

/// Compiles a document. One that cannot be executed is named in the log.
fn compile(reference: &DefinitionRef, document: Value) -> Option<Arc<Graph>> {
    match validate(document) {
        Ok(definition) if definition.hash == reference.hash => return Some(Arc::new(Graph::compile(&definition))),
        Ok(definition) => tracing::error!(name = %reference.name, expected = %reference.hash,
            found = %definition.hash, "a definition is not what its hash says; it cannot be executed"),
        Err(faults) => tracing::error!(name = %reference.name, version = reference.version, ?faults,
            "a definition is not valid for this version of orchestrator; it cannot be executed"),
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn many_definitions_are_all_found_and_few_are_kept_compiled() {
        let mut definitions = Definitions::default();
        let mut held = Vec::new();
        let all: Vec<_> = (0..MAX_COMPILED * 2).map(|number| format!("job-{number}")).collect();
        for name in &all {
            let node = json!({ "node_id": "n", "agent_name": "a" });
            let definition = validate(json!({ "name": name, "nodes": [node] })).unwrap();
            let reference = DefinitionRef { name: definition.name, version: 1, hash: definition.hash };
            definitions.add(Applied { reference, applied_at: Timestamp(0), document: definition.document });
            if held.len() < 3 {
                held.extend(definitions.find(&name.parse().unwrap(), None).and_then(|(_, graph)| graph));
            }
        }
        assert!(definitions.graphs.len() <= MAX_COMPILED + held.len());
        // What a run holds is never compiled a second time.
        for graph in &held {
            assert!(Arc::ptr_eq(&definitions.graph(&graph.hash).unwrap(), graph));
        }
        for name in all.iter().step_by(100) {
            assert!(definitions.find(&name.parse().unwrap(), None).is_some(), "{name}");
        }
    }
}
