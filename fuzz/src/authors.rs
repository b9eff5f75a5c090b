//! What authors of definitions write, and models that make plans: documents, expressions, contracts.

use super::is_said;
use orchestrator::core::definition::contract::Contract;
use orchestrator::core::definition::expression::{Filter, InputMapping, Scope};
use orchestrator::core::definition::graph::Graph;
use orchestrator::core::definition::validate::{Fault, validate};
use orchestrator::core::definition::{Definition, plan};
use orchestrator::core::id::NodeId;
use orchestrator::core::json::Json;
use serde_json::{Value, json};
use std::sync::LazyLock;

/// A definition, as YAML or JSON.
pub fn definition(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match Definition::read(text) {
        Ok(definition) => {
            let graph = Graph::compile(&definition);
            assert_eq!(graph.nodes.len(), definition.nodes.len());
            let written = definition.document.to_string();
            assert_eq!(Definition::read(&written).as_ref(), Ok(&definition), "its document says the same as JSON");
        }
        Err(faults) => are_said(&faults),
    }
}

/// What a planner answers.
pub fn plan(data: &[u8]) {
    static PLANNED: LazyLock<Graph> = LazyLock::new(|| {
        let nodes = json!([
            {"node_id": "look", "agent_name": "x"},
            {"node_id": "plan", "agent_name": "x", "role": "planner", "dependencies": ["look"]},
            {"node_id": "aside", "agent_name": "x"},
            {"node_id": "sum", "agent_name": "x", "role": "synthesizer"},
        ]);
        Graph::compile(&validate(json!({"name": "planned", "nodes": nodes})).expect("a sound definition"))
    });
    const MOST: u32 = 20;
    let Some(answer) = std::str::from_utf8(data).ok().and_then(|text| Json::parse(text).ok()) else { return };
    let planner = NodeId::new("plan").expect("a legal id");
    match plan::read(&answer, &PLANNED, &planner, MOST) {
        Ok(nodes) => {
            assert!(nodes.len() <= MOST as usize);
            let graph = PLANNED.with_plan(&planner, &nodes);
            assert_eq!(graph.nodes.len(), PLANNED.nodes.len() + nodes.len());
        }
        Err(failure) => {
            is_said(&failure.code);
            is_said(&failure.message);
        }
    }
}

/// A node's `input`: an expression, or, where the text is JSON, a mapping.
pub fn expression(data: &[u8]) {
    struct Known {
        request: Json,
    }
    impl Scope for Known {
        fn request(&self) -> &Json {
            &self.request
        }
        fn output(&self, node_id: &str) -> Option<Json> {
            (node_id != "none").then(|| Json::from_value(&json!({"id": node_id, "items": [1, 2.5, "x", null]})))
        }
    }
    let Ok(text) = std::str::from_utf8(data) else { return };
    let input = Json::parse(text).map_or_else(|_| Value::from(text), |json| json.value());
    match InputMapping::compile(Some(&input), &[]) {
        Ok(mapping) => {
            let made = mapping.evaluate(&Known { request: Json::from_value(&object()) });
            assert_eq!(made, mapping.evaluate(&Known { request: Json::from_value(&object()) }), "there is one answer");
            match made {
                Ok(input) => assert!(Json::parse(input.as_str()).is_ok(), "no JSON: {}", input.as_str()),
                Err(why) => is_said(&why),
            }
        }
        Err(faults) => {
            assert!(!faults.is_empty());
            faults.iter().for_each(|(_, message)| is_said(message));
        }
    }
}

/// The condition of `--filter`.
pub fn filter(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match Filter::compile(text, &["data", "sequence", "type"]) {
        Ok(filter) => {
            let event = json!({"type": "NodeFailed", "sequence": 7, "data": object()});
            let met = filter.is_met(&event);
            assert_eq!(met, filter.is_met(&event), "there is one answer");
            met.map_or_else(|why| is_said(&why), drop);
        }
        Err(why) => is_said(&why),
    }
}

/// A contract and a value: `{"schema": …, "value": …}`.
pub fn contract(data: &[u8]) {
    let Some(document) = std::str::from_utf8(data).ok().and_then(|text| Json::parse(text).ok()) else { return };
    let document = document.value();
    match Contract::compile(&document["schema"]) {
        Ok(contract) => {
            if let Err(breach) = contract.check(&document["value"]) {
                is_said(&breach.message);
                assert!(document["value"].pointer(&breach.pointer).is_some(), "no such place: {breach:?}");
            }
        }
        Err(faults) => {
            assert!(!faults.is_empty());
            faults.iter().for_each(|fault| is_said(&fault.message));
        }
    }
}

/// Something of everything that JSON has.
fn object() -> Value {
    json!({
        "order": 7, "price": 2.5, "big": u64::MAX, "small": i64::MIN, "vip": true, "note": null, "name": "Ada ☕",
        "items": [{"sku": "a", "n": 1}, {"sku": "b", "n": 3}], "at": "2024-02-29T12:00:00Z", "for": "90s",
        "map": {"z": 1, "b": 2, "k": 3}, "none": [], "code": "http_503",
    })
}

fn are_said(faults: &[Fault]) {
    assert!(!faults.is_empty());
    faults.iter().for_each(|fault| is_said(&fault.message));
}
