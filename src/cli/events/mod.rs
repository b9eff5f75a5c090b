//! What `tail` and `export` share: events as they stand on the stream, whether one is missing or comes twice, and which
//! of them are wanted.

pub mod order;
pub mod place;
pub mod stream;

use crate::core::id::WorkflowId;
use crate::wire::event;
use clap::builder::PossibleValuesParser;
use place::Placed;

/// The flags that tell events apart.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Which {
    /// Events of this workflow alone
    #[arg(long, value_name = "WORKFLOW_ID")]
    pub workflow: Option<WorkflowId>,
    /// Events with these names alone
    #[arg(long = "type", value_delimiter = ',', value_name = "EVENT", value_parser = PossibleValuesParser::new(event::names()))]
    pub types: Vec<String>,
}

impl Which {
    /// Whether an event is asked for.
    pub fn wants(&self, placed: &Placed) -> bool {
        let of_type = self.types.is_empty() || self.types.iter().any(|wanted| wanted == placed.name());
        of_type && self.workflow.as_ref().is_none_or(|wanted| placed.workflow_id() == Some(wanted))
    }
}
