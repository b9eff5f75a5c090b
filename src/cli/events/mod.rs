//! What `tail` and `export` share: events as they stand on the stream, whether one is missing or comes twice, and which
//! of them are wanted.

pub mod order;
pub mod place;
pub mod stream;

use crate::core::definition::expression::Filter;
use crate::core::id::WorkflowId;
use crate::wire::event;
use clap::builder::PossibleValuesParser;
use place::{MEMBERS, Placed};
use serde_json::Value;

/// The flags that tell events apart.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Which {
    /// Events of this workflow alone
    #[arg(long, value_name = "WORKFLOW_ID")]
    pub workflow: Option<WorkflowId>,
    /// Events with these names alone
    #[arg(long = "type", value_delimiter = ',', value_name = "EVENT", value_parser = PossibleValuesParser::new(event::names()))]
    pub types: Vec<String>,
    /// Events that meet this expression (CEL) over the event as JSON alone: data.attempt > 1
    #[arg(long = "where", value_name = "CEL", value_parser = filter)]
    pub condition: Option<Filter>,
}

fn filter(source: &str) -> Result<Filter, String> {
    Filter::compile(source, &MEMBERS)
}

impl Which {
    /// The event as JSON, if it is asked for.
    ///
    /// # Errors
    /// Where the expression has no answer for it: a sentence with the place.
    pub fn wanted(&self, placed: &Placed) -> Result<Option<Value>, String> {
        let of_type = self.types.is_empty() || self.types.iter().any(|wanted| wanted == placed.name());
        if !of_type || self.workflow.as_ref().is_some_and(|wanted| placed.workflow_id() != Some(wanted)) {
            return Ok(None);
        }
        let json = placed.json();
        let is_met = self.condition.as_ref().map_or(Ok(true), |condition| condition.is_met(&json));
        let (partition, offset) = (placed.partition, placed.offset);
        let is_met = is_met.map_err(|fault| format!("events/{partition}, offset {offset}: {fault}"))?;
        Ok(is_met.then_some(json))
    }
}
