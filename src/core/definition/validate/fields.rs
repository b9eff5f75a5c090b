//! Fields: what a document and its nodes may say, each read with its faults collected.

use super::hint::closest;
use super::stand_by::stand_bys;
use super::{Fault, MAX_AGENT_CALLS, MAX_CLOSERS, MAX_NODES, MAX_PLANNERS};
use crate::core::definition::contract::Contract;
use crate::core::definition::expression::InputMapping;
use crate::core::definition::{AgentPolicies, ExecutionNode, Role};
use crate::core::id::{AgentName, DefinitionName, IllegalId, NodeId};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::time::Duration;

const DOCUMENT_FIELDS: [&str; 7] =
    ["name", "description", "input_contract", "max_agent_calls", "timeout", "agents", "nodes"];
const NODE_FIELDS: [&str; 14] = [
    "node_id",
    "agent_name",
    "dependencies",
    "input",
    "input_contract",
    "output_contract",
    "timeout",
    "heartbeat",
    "total_timeout",
    "role",
    "retry",
    "failure_rules",
    "on_failure",
    "undo",
];
/// What people call our fields elsewhere.
const ALSO_CALLED: [(&str, &str); 22] = [
    ("id", "node_id"),
    ("agent", "agent_name"),
    ("depends_on", "dependencies"),
    ("needs", "dependencies"),
    ("inputs", "input"),
    ("input_schema", "input_contract"),
    ("output_schema", "output_contract"),
    ("type", "role"),
    ("steps", "nodes"),
    ("tasks", "nodes"),
    ("retries", "retry"),
    ("retry_policy", "retry"),
    ("attempts", "max_retries"),
    ("max_attempts", "max_retries"),
    ("backoff", "base_delay"),
    ("max_backoff", "max_delay"),
    ("catch", "on_failure"),
    ("on_error", "on_failure"),
    ("fallback", "on_failure"),
    ("compensation", "undo"),
    ("heartbeat_timeout", "heartbeat"),
    ("schedule_to_close_timeout", "total_timeout"),
];
/// Longest duration.
const MAX_DURATION: Duration = Duration::from_secs(30 * 24 * 3600);

/// What a document says besides its nodes.
pub(crate) struct Header {
    pub name: DefinitionName,
    pub description: Option<String>,
    pub input_contract: Option<Value>,
    pub max_agent_calls: Option<u32>,
    pub timeout: Option<Duration>,
    pub agents: BTreeMap<AgentName, AgentPolicies>,
}

/// A node as far as it could be read: faults of one field do not hide those of the graph.
pub(crate) struct ReadNode {
    /// Its JSON pointer.
    pub at: String,
    pub id: Option<NodeId>,
    /// With the JSON pointer of each.
    pub dependencies: Vec<(NodeId, String)>,
    /// Node ids that the sound expressions of its mapping name, with the JSON pointer of each.
    pub named: Vec<(String, String)>,
    /// The nodes that run only when it has failed, or is to be undone, with the JSON pointer of each.
    pub stand_bys: Vec<(NodeId, String)>,
    /// The node, if none of its fields is at fault.
    pub node: Option<ExecutionNode>,
}

/// Reads and collects faults.
#[derive(Default)]
pub(crate) struct Reader {
    pub faults: Vec<Fault>,
}

pub(super) type Members = Map<String, Value>;

impl Reader {
    /// Notes a fault.
    pub fn fault(&mut self, place: &str, message: impl Into<String>) {
        self.faults.push(Fault::at(place, message));
    }

    /// Reads everything but the nodes; none where a part of it is at fault.
    pub fn header(&mut self, document: &Value) -> Option<Header> {
        let members = self.object("", document)?;
        self.known("", members, &DOCUMENT_FIELDS);
        let name = self.required("", members, "name", DefinitionName::new);
        let description = self.text("", members, "description").map(|text| text.map(str::to_owned));
        let input_contract = self.contract("", members, "input_contract");
        let max_agent_calls = self.max_agent_calls(members);
        let timeout = self.duration("", members, "timeout");
        let agents = self.agents(members);
        Some(Header {
            name: name?,
            description: description?,
            input_contract: input_contract?,
            max_agent_calls: max_agent_calls?,
            timeout,
            agents,
        })
    }

    /// Reads the list of nodes of a definition.
    pub fn nodes(&mut self, document: &Value) -> Vec<ReadNode> {
        let Value::Object(members) = document else { return Vec::new() };
        match members.get("nodes") {
            None => self.fault("", "`nodes` is missing; a definition needs at least one node"),
            Some(Value::Array(nodes)) if nodes.is_empty() => {
                self.fault("/nodes", "is empty; a definition needs at least one node");
            }
            Some(Value::Array(nodes)) => return self.list(nodes),
            Some(other) => self.wrong_type("/nodes", "a list of nodes", other),
        }
        Vec::new()
    }

    /// Reads nodes that stand under `/nodes`.
    pub fn list(&mut self, nodes: &[Value]) -> Vec<ReadNode> {
        if nodes.len() > MAX_NODES {
            self.fault("/nodes", format!("has {} nodes; at most {MAX_NODES} are allowed", nodes.len()));
            return Vec::new();
        }
        nodes.iter().enumerate().map(|(i, node)| self.node(format!("/nodes/{i}"), node)).collect()
    }

    fn node(&mut self, at: String, value: &Value) -> ReadNode {
        let before = self.faults.len();
        let Some(members) = self.object(&at, value) else {
            return ReadNode {
                at,
                id: None,
                dependencies: Vec::new(),
                named: Vec::new(),
                stand_bys: Vec::new(),
                node: None,
            };
        };
        self.known(&at, members, &NODE_FIELDS);
        let id = self.required(&at, members, "node_id", NodeId::new);
        let agent_name = self.required(&at, members, "agent_name", AgentName::new);
        let dependencies = self.dependencies(&at, members);
        let ids: Vec<NodeId> = dependencies.iter().map(|(id, _)| id.clone()).collect();
        let named = self.mapping(&at, members);
        let input_contract = self.contract(&at, members, "input_contract").flatten();
        let output_contract = self.contract(&at, members, "output_contract").flatten();
        let timeout = self.duration(&at, members, "timeout");
        let heartbeat = self.heartbeat(&at, members);
        let total_timeout = self.duration(&at, members, "total_timeout");
        let on_failure = self.on_failure(&at, members, output_contract.as_ref());
        let undo = self.undo(&at, members);
        let retry = self.retry(&at, members);
        let failure_rules = self.failure_rules(&at, members);
        let role = self.role(&at, members);
        let stand_bys = stand_bys(&at, &on_failure, undo.as_ref());
        let sound = self.faults.len() == before;
        let node = id.clone().zip(agent_name).filter(|_| sound).map(|(node_id, agent_name)| ExecutionNode {
            node_id,
            agent_name,
            dependencies: ids,
            input: members.get("input").cloned(),
            input_contract,
            output_contract,
            timeout,
            heartbeat,
            total_timeout,
            role,
            retry,
            failure_rules,
            on_failure,
            undo,
        });
        ReadNode { at, id, dependencies, named, stand_bys, node }
    }

    pub(super) fn wrong_type(&mut self, at: &str, expected: &str, found: &Value) {
        self.fault(at, format!("expected {expected}, found {}", described(found)));
    }

    pub fn object<'v>(&mut self, at: &str, value: &'v Value) -> Option<&'v Members> {
        let members = value.as_object();
        if members.is_none() {
            self.wrong_type(at, "an object", value);
        }
        members
    }

    /// Refuses fields that are not known, each by name.
    pub fn known(&mut self, at: &str, members: &Members, known: &[&str]) {
        for name in members.keys().filter(|name| !known.contains(&name.as_str())) {
            let place = format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"));
            let plain = name.to_lowercase().replace('-', "_");
            let also = ALSO_CALLED.iter().find(|(other, ours)| *other == plain && known.contains(ours));
            let close = also.map(|(_, ours)| *ours).or_else(|| closest(&plain, known.iter().copied()));
            let hint = match close {
                Some(close) => format!("did you mean `{close}`?"),
                None => format!("known are {}", known.join(", ")),
            };
            self.fault(&place, format!("unknown field `{name}`; {hint}"));
        }
    }

    fn required<T>(
        &mut self,
        at: &str,
        members: &Members,
        field: &str,
        make: fn(&str) -> Result<T, IllegalId>,
    ) -> Option<T> {
        let Some(text) = self.text(at, members, field)? else {
            self.fault(at, format!("`{field}` is missing"));
            return None;
        };
        make(text).map_err(|illegal| self.fault(&format!("{at}/{field}"), illegal.to_string())).ok()
    }

    /// A text that may be left out; the outer `None` is a fault.
    pub(super) fn text<'v>(&mut self, at: &str, members: &'v Members, field: &str) -> Option<Option<&'v str>> {
        match members.get(field) {
            None => Some(None),
            Some(Value::String(text)) => Some(Some(text)),
            Some(other) => {
                self.wrong_type(&format!("{at}/{field}"), "text", other);
                None
            }
        }
    }

    fn contract(&mut self, at: &str, members: &Members, field: &str) -> Option<Option<Value>> {
        let Some(schema) = members.get(field) else { return Some(None) };
        match Contract::compile(schema) {
            Ok(_) => Some(Some(schema.clone())),
            Err(breaches) => {
                for breach in breaches {
                    self.fault(&format!("{at}/{field}{}", breach.pointer), breach.message);
                }
                None
            }
        }
    }

    fn max_agent_calls(&mut self, members: &Members) -> Option<Option<u32>> {
        let Some(value) = members.get("max_agent_calls") else { return Some(None) };
        let calls =
            value.as_u64().and_then(|calls| u32::try_from(calls).ok()).filter(|calls| *calls <= MAX_AGENT_CALLS);
        if calls.is_none() {
            let expected = format!("a whole number from 0 to {MAX_AGENT_CALLS}");
            self.wrong_type("/max_agent_calls", &expected, value);
        }
        calls.map(Some)
    }

    fn dependencies(&mut self, at: &str, members: &Members) -> Vec<(NodeId, String)> {
        let items = match members.get("dependencies") {
            None => return Vec::new(),
            Some(Value::Array(items)) => items,
            Some(other) => {
                self.wrong_type(&format!("{at}/dependencies"), "a list of node ids", other);
                return Vec::new();
            }
        };
        let mut all: Vec<(NodeId, String)> = Vec::with_capacity(items.len());
        let mut seen = std::collections::HashSet::new();
        for (i, item) in items.iter().enumerate() {
            let place = format!("{at}/dependencies/{i}");
            let Value::String(text) = item else {
                self.wrong_type(&place, "a node id", item);
                continue;
            };
            match NodeId::new(text) {
                Err(illegal) => self.fault(&place, illegal.to_string()),
                Ok(id) if seen.insert(id.clone()) => all.push((id, place)),
                Ok(id) => self.fault(&place, format!("names \"{id}\" a second time; once is enough")),
            }
        }
        all
    }

    fn mapping(&mut self, at: &str, members: &Members) -> Vec<(String, String)> {
        let Some(input) = members.get("input") else { return Vec::new() };
        let (mapping, faults) = InputMapping::read(input);
        for (pointer, message) in faults {
            self.fault(&format!("{at}/input{pointer}"), message);
        }
        mapping.upstream().into_iter().map(|(id, pointer)| (id, format!("{at}/input{pointer}"))).collect()
    }

    /// A duration that may be left out.
    pub fn duration(&mut self, at: &str, members: &Members, field: &str) -> Option<Duration> {
        let value = members.get(field)?;
        let seconds = match value {
            Value::Number(number) => number.as_f64(),
            Value::String(text) => seconds(text),
            _ => None,
        };
        let duration = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        let legal = duration.filter(|duration| (Duration::from_millis(1)..=MAX_DURATION).contains(duration));
        if legal.is_none() {
            let expected =
                "seconds as a number, or a text like \"500ms\", \"30s\", \"2m\", \"1h\", from 1ms to 30 days";
            self.wrong_type(&format!("{at}/{field}"), expected, value);
        }
        legal
    }

    fn role(&mut self, at: &str, members: &Members) -> Role {
        const ROLES: [Role; 4] = [Role::Plain, Role::Planner, Role::Synthesizer, Role::Responder];
        let Some(Some(text)) = self.text(at, members, "role") else { return Role::Plain };
        if let Some(role) = ROLES.into_iter().find(|role| role.as_str() == text) {
            return role;
        }
        let hint = match closest(&text.to_lowercase(), ROLES.iter().map(|role| role.as_str())) {
            Some(close) => format!("did you mean \"{close}\"?"),
            None => "known are plain, planner, synthesizer, responder".to_owned(),
        };
        self.fault(&format!("{at}/role"), format!("unknown role {}; {hint}", described(&Value::from(text))));
        Role::Plain
    }

    /// Bounds what waits for what at run time.
    pub fn too_many(&mut self, nodes: &[&ExecutionNode]) {
        let count = |roles: &[Role]| nodes.iter().filter(|node| roles.contains(&node.role)).count();
        let planners = count(&[Role::Planner]);
        let closers = count(&[Role::Synthesizer, Role::Responder]);
        if planners > MAX_PLANNERS {
            self.fault("/nodes", format!("has {planners} planners; at most {MAX_PLANNERS} are allowed"));
        }
        if planners > 0 && closers > MAX_CLOSERS {
            let message =
                format!("has a planner and {closers} synthesizers and responders; at most {MAX_CLOSERS} are allowed");
            self.fault("/nodes", message);
        }
    }
}

/// What a value is, shortly, for a message.
pub(crate) fn described(value: &Value) -> String {
    let text = match value {
        Value::Null => return "nothing (null)".to_owned(),
        Value::Array(items) => return format!("a list of {}", items.len()),
        Value::Object(_) => return "an object".to_owned(),
        scalar => scalar.to_string(),
    };
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{} …", &text[..end]),
        None => text,
    }
}

/// Seconds of a text like `500ms`, `30s`, `2m`, `1.5h`.
fn seconds(text: &str) -> Option<f64> {
    let unit = text.find(|c: char| c.is_ascii_alphabetic())?;
    let (amount, unit) = (&text[..unit], &text[unit..]);
    if !amount.chars().all(|c| c.is_ascii_digit() || c == '.' || c == ' ') {
        return None;
    }
    let amount: f64 = amount.trim_end().parse().ok()?;
    let factor = match unit {
        "ms" => return Some(amount / 1e3),
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        "d" => 86_400.0,
        _ => return None,
    };
    Some(amount * factor)
}
