//! The agent `hand`: the test itself, which reads tasks and reports by hand what it likes.

use super::{Installation, Stream, json};
use bytes::Bytes;
use orchestrator::core::id::AgentName;
use orchestrator::log::{NewRecord, Topic};
use serde_json::{Value, json};

/// Reads the tasks of the agent `hand`.
pub struct Hand<'a> {
    installation: &'a Installation,
    tasks: Stream,
}

impl<'a> Hand<'a> {
    /// Takes the place of the agent's workers. A definition that names it has been applied.
    pub fn new(installation: &'a Installation) -> Self {
        let topic = Topic::Ready(AgentName::new("hand").expect("a legal name"));
        Self { installation, tasks: installation.stream(topic) }
    }

    /// Waits for the task of a node.
    #[track_caller]
    pub fn task(&mut self, workflow_id: &str, node_id: &str) -> Value {
        let what = format!("the task of {workflow_id}/{node_id}");
        self.tasks.wait_json(&what, |task| {
            task["workflow_id"] == workflow_id && task["dispatch_id"].as_str().is_some_and(|id| id.contains(node_id))
        })
    }

    /// Says something of a task: `type` and whatever belongs to it. Where it stands.
    pub fn report(&self, task: &Value, more: &Value) -> (u32, u64) {
        let mut report = json!({ "dispatch_id": task["dispatch_id"], "workflow_id": task["workflow_id"] });
        for (name, value) in more.as_object().expect("an object") {
            report[name] = value.clone();
        }
        let partition = task["reply"]["partition"].as_u64().and_then(|partition| u32::try_from(partition).ok());
        self.installation.publish(NewRecord {
            topic: Topic::Results,
            partition,
            key: task["workflow_id"].as_str().map(|id| Bytes::copy_from_slice(id.as_bytes())),
            value: Some(Bytes::from(report.to_string())),
            headers: vec![],
        })
    }

    /// Completes a task.
    pub fn complete(&self, task: &Value, output: &Value) -> (u32, u64) {
        self.report(task, &json!({ "type": "completed", "output": output }))
    }

    /// How many tasks have come so far for a node.
    pub fn count(&mut self, workflow_id: &str, node_id: &str) -> usize {
        let key = format!("{workflow_id}/{node_id}");
        let is_it = |task: &Value| task["workflow_id"] == workflow_id;
        let records = self.tasks.records().iter();
        records.filter(|record| record.key.as_deref() == Some(key.as_bytes()) && is_it(&json(record))).count()
    }
}
