//! Nodes that run only when another one has failed, or is to be undone.

use crate::core::definition::ExecutionNode;
use std::collections::HashMap;

/// Who calls upon whom, by position, and when, in words.
pub(super) fn calls(nodes: &[ExecutionNode]) -> Vec<(usize, usize, &'static str)> {
    let index: HashMap<&str, usize> = nodes.iter().enumerate().map(|(i, node)| (node.node_id.as_str(), i)).collect();
    let mut calls = Vec::new();
    for (from, node) in nodes.iter().enumerate() {
        let named = [(node.on_failure.failure_node(), "on failure"), (node.undo.as_ref(), "undo")];
        let found = named.into_iter().filter_map(|(id, when)| Some((from, *index.get(id?.as_str())?, when)));
        calls.extend(found);
    }
    calls
}
