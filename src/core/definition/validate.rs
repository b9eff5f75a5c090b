//! Validation: every fault of a document at once, each with its place.

pub(super) mod fields;
mod hint;
mod policies;
pub(super) mod stand_by;
pub(super) mod topology;

use super::parse::{Places, parse};
use super::{Definition, ExecutionNode, contract, hash};
use fields::Reader;
pub(crate) use hint::closest;
use serde_json::Value;
use std::fmt;
use topology::{Outside, Topology};

/// Most nodes of a definition: a run's state holds them all in memory.
pub const MAX_NODES: usize = 10_000;
/// Most planners of a definition, as every synthesizer waits for every one of them.
pub const MAX_PLANNERS: usize = 100;
/// Most synthesizers and responders of a definition that has a planner, as each waits for all sinks of a plan.
pub const MAX_CLOSERS: usize = 1_000;
/// Largest `max_agent_calls` of a definition, for the same reason.
pub const MAX_AGENT_CALLS: u32 = 1_000;

/// Longest message of a fault, in characters: it quotes what was found, and that of a plan is recorded with its node.
pub(super) const MAX_MESSAGE_CHARS: usize = 1_000;

/// One thing that is wrong with a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// JSON pointer of what is wrong; empty for the whole document.
    pub place: String,
    /// The line it stands in, counted from 1, where the text was there to tell.
    pub line: Option<u32>,
    /// What was expected, what was found, what to do.
    pub message: String,
}

impl Fault {
    /// A fault whose line is not known (yet).
    pub fn at(place: impl Into<String>, message: impl Into<String>) -> Self {
        let message = contract::shortened(message.into(), MAX_MESSAGE_CHARS);
        Self { place: place.into(), line: None, message }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}, ")?;
        }
        match self.place.as_str() {
            "" => write!(f, "the document: {}", self.message),
            place => write!(f, "{place}: {}", self.message),
        }
    }
}

impl Definition {
    /// Reads a definition from YAML or JSON text.
    ///
    /// # Errors
    /// Every fault, each with its place and line, from the first line to the last.
    pub fn read(text: &str) -> Result<Definition, Vec<Fault>> {
        let (document, places) = parse(text)?;
        validate(document).map_err(|faults| with_lines(faults, &places))
    }
}

fn with_lines(faults: Vec<Fault>, places: &Places) -> Vec<Fault> {
    let mut faults: Vec<Fault> =
        faults.into_iter().map(|fault| Fault { line: places.line(&fault.place), ..fault }).collect();
    faults.sort_by_key(|fault| fault.line);
    faults
}

/// Makes a definition of a document.
///
/// # Errors
/// Every fault, in the order of the document: first those of single fields, then those of the graph.
pub fn validate(document: Value) -> Result<Definition, Vec<Fault>> {
    let mut reader = Reader::default();
    let header = reader.header(&document);
    let nodes = reader.nodes(&document);
    let sound: Vec<&ExecutionNode> = nodes.iter().filter_map(|node| node.node.as_ref()).collect();
    reader.too_many(&sound);
    reader.used_agents(header.as_ref().map(|header| &header.agents), &sound);
    let outside = Outside::default();
    let topology = Topology::of(&nodes, &outside, &mut reader.faults);
    topology.check_mappings(&nodes, &outside, &mut reader.faults);
    stand_by::check(&nodes, &mut reader.faults);
    let hash = hash::of(&document).map_err(|error| reader.fault("", error)).ok();
    match (header, hash) {
        (Some(header), Some(hash)) if reader.faults.is_empty() => Ok(Definition {
            name: header.name,
            description: header.description,
            input_contract: header.input_contract,
            max_agent_calls: header.max_agent_calls,
            timeout: header.timeout,
            agents: header.agents,
            nodes: nodes.into_iter().filter_map(|node| node.node).collect(),
            document,
            hash,
        }),
        _ => Err(reader.faults),
    }
}
