//! Who works for an agent, and which tasks stand before those of a run.

use crate::core::id::{AgentName, DispatchId, NodeId};
use crate::core::partition::partition_of;
use crate::core::run::Run;
use crate::core::status::NodeStatus;
use crate::core::why::Workers;
use crate::installation::records::read_to_end;
use crate::log::{GroupSeen, Log, LogError, Topic};
use crate::wire::task;
use crate::worker::RunnerSettings;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

/// So many tasks of a partition are looked through for those of the run; whoever has more before it knows enough.
const MAX_LOOKED_THROUGH: u64 = 10_000;

/// The agents that a run waits for: those of its open attempts.
pub fn awaited(run: &Run) -> BTreeSet<AgentName> {
    run.nodes.values().filter(|node| node.status.is_open()).map(|node| node.agent_name.clone()).collect()
}

/// The workers of an agent, and where the tasks of a run stand.
///
/// # Errors
/// Where the log does not answer.
pub fn of(log: &dyn Log, namespace: &str, run: &Run, agent: &AgentName) -> Result<Workers, LogError> {
    let group = RunnerSettings { namespace: namespace.to_owned(), ..RunnerSettings::default() }.group(agent);
    let topic = Topic::Ready(agent.clone());
    let seen = match log.look_at_group(&group, &topic) {
        Ok(seen) => seen,
        // Neither a worker nor an engine has ever met the agent.
        Err(LogError::UnknownTopic(_)) => GroupSeen { members: 0, partitions: Vec::new() },
        Err(error) => return Err(error),
    };
    let tasks = seen.partitions.iter().map(|partition| partition.lag()).sum();
    let before = if seen.members == 0 { BTreeMap::new() } else { positions(log, &topic, run, agent, &seen)? };
    Ok(Workers { group, connected: seen.members, tasks, before })
}

/// How many tasks that are not done stand before each one of the run that waits for a worker.
fn positions(
    log: &dyn Log,
    topic: &Topic,
    run: &Run,
    agent: &AgentName,
    seen: &GroupSeen,
) -> Result<BTreeMap<NodeId, u64>, LogError> {
    let mut wanted: BTreeMap<u32, BTreeSet<DispatchId>> = BTreeMap::new();
    let count = u32::try_from(seen.partitions.len()).unwrap_or(u32::MAX);
    for (node_id, node) in run.nodes.iter().filter(|(_, node)| node.agent_name == *agent) {
        if node.status == NodeStatus::Scheduled {
            let key = task::key(&run.workflow_id, node_id);
            let id = DispatchId { run_id: run.run_id.clone(), node_id: node_id.clone(), attempt: node.attempt };
            wanted.entry(partition_of(key.as_bytes(), count)).or_default().insert(id);
        }
    }
    let mut found = BTreeMap::new();
    for (partition, mut wanted) in wanted {
        let Some(from) = seen.partitions.get(partition as usize).map(|shared| shared.next()) else { continue };
        let mut before = 0;
        read_to_end(log, topic, partition, from, |record| {
            // What is not a task is no worker's work either.
            if let Some(Ok(task)) = record.value.as_ref().map(|value| task::decode(value)) {
                if wanted.remove(&task.dispatch_id) {
                    found.insert(task.dispatch_id.node_id, before);
                }
                before += 1;
            }
            let enough = wanted.is_empty() || before >= MAX_LOOKED_THROUGH;
            Ok::<_, LogError>(if enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        // At least so many.
        found.extend(wanted.into_iter().filter(|_| before >= MAX_LOOKED_THROUGH).map(|id| (id.node_id, before)));
    }
    Ok(found)
}
