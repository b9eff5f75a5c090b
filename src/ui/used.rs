//! What the nodes of a run have used.

use crate::core::attempts::{Attempt, Spent};
use crate::core::id::NodeId;
use crate::core::usage::Usage;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What the nodes of a run have used so far, all attempts of each together, as far as their workers said.
pub type Used = BTreeMap<NodeId, Usage>;

/// By these attempts.
pub fn of_attempts(attempts: &BTreeMap<NodeId, Vec<Attempt>>) -> Used {
    attempts.iter().filter_map(|(id, of)| Some((id.clone(), Spent::by(of).usage?))).collect()
}

/// What all nodes have used; none: no worker said.
pub fn total(used: &Used) -> Option<Usage> {
    used.values().copied().reduce(|mut sum, usage| {
        sum += usage;
        sum
    })
}

/// Adds to a run for programs what it has used: `usage` of the run and of each node, null where no worker said.
pub fn add_used(run: &mut Value, used: &Used) {
    run["usage"] = json!(total(used));
    for (node_id, node) in run["nodes"].as_object_mut().into_iter().flatten() {
        node["usage"] = json!(used.iter().find(|(id, _)| id.as_str() == node_id).map(|(_, usage)| usage));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::usage::Cost;

    #[test]
    fn a_run_has_used_what_its_nodes_have() {
        let usage = |cost, tokens| Usage { cost: Cost::from_nanos(cost), input_tokens: tokens, output_tokens: 2 };
        let id = |id| NodeId::new(id).unwrap();
        let used = Used::from([(id("a"), usage(2_100_000, 850)), (id("b"), usage(400_000_000, 0))]);
        let mut run = json!({ "nodes": { "a": {}, "b": {}, "c": {} } });
        add_used(&mut run, &used);
        assert_eq!(run["usage"], json!({ "cost": 0.4021, "input_tokens": 850, "output_tokens": 4 }));
        assert_eq!((&run["nodes"]["b"]["usage"]["cost"], &run["nodes"]["c"]["usage"]), (&json!(0.4), &Value::Null));
        add_used(&mut run, &Used::new());
        assert_eq!((&run["usage"], &run["nodes"]["a"]["usage"]), (&Value::Null, &Value::Null));
    }
}
