//! What an event does not say itself and the ones before it have said: whose attempt it ends, how long that took, what
//! its run executes. Only runs that have not ended are remembered.

use crate::core::definition::DefinitionRef;
use crate::core::event::{Event, Recorded};
use crate::core::id::{AgentName, NodeId, RunId};
use crate::core::time::Timestamp;
use crate::wire::event::Published;
use std::collections::HashMap;
use std::time::Duration;

/// What is known of an event by those before it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// What its run executes; none: the run began before what is read.
    pub definition: Option<DefinitionRef>,
    /// Who executes its attempt.
    pub agent_name: Option<AgentName>,
    /// How long the attempt or the run took that it ends. An attempt begins with its hand-out: a worker says that it has
    /// started only where the node is not done at once, and some milliseconds later.
    pub duration: Option<Duration>,
}

/// The runs of a partition that have not ended.
#[derive(Debug, Default)]
pub struct OpenRuns {
    runs: HashMap<RunId, OpenRun>,
}

#[derive(Debug, Default)]
struct OpenRun {
    definition: Option<DefinitionRef>,
    attempts: HashMap<NodeId, OpenAttempt>,
}

#[derive(Debug)]
struct OpenAttempt {
    number: u32,
    agent_name: AgentName,
    scheduled_at: Timestamp,
}

impl OpenRuns {
    /// The next event of the partition.
    pub fn read(&mut self, published: &Published) -> Known {
        let Published::Run(recorded) = published else { return Known::default() };
        match &recorded.event {
            Event::WorkflowStarted(_) | Event::NodeScheduled(_) => {
                self.runs.entry(recorded.run_id.clone()).or_default().read(recorded)
            }
            Event::WorkflowCompleted(ended) => self.end(recorded, &ended.definition, ended.started_at),
            Event::WorkflowFailed(ended) => self.end(recorded, &ended.definition, ended.started_at),
            _ => self.runs.get_mut(&recorded.run_id).map_or_else(Known::default, |run| run.read(recorded)),
        }
    }

    fn end(&mut self, recorded: &Recorded, definition: &DefinitionRef, started_at: Timestamp) -> Known {
        self.runs.remove(&recorded.run_id);
        let duration = Some(recorded.time.since(started_at));
        Known { definition: Some(definition.clone()), agent_name: None, duration }
    }
}

impl OpenRun {
    fn read(&mut self, recorded: &Recorded) -> Known {
        let attempt = match &recorded.event {
            Event::WorkflowStarted(event) => {
                self.definition = Some(event.definition.clone());
                None
            }
            Event::NodeScheduled(event) => {
                let (number, agent_name) = (event.attempt, event.agent_name.clone());
                let attempt = OpenAttempt { number, agent_name, scheduled_at: recorded.time };
                self.attempts.insert(event.node_id.clone(), attempt);
                self.attempt(&event.node_id, number)
            }
            Event::NodeStarted(event) => self.attempt(&event.node_id, event.attempt),
            Event::NodeProgressed(event) => self.attempt(&event.node_id, event.attempt),
            Event::NodeCompleted(event) => return self.end(recorded, &event.node_id, event.attempt),
            Event::NodeFailed(event) => return self.end(recorded, &event.node_id, event.attempt),
            Event::NodeRecovered(event) => {
                self.attempts.remove(&event.node_id);
                None
            }
            Event::PlanMade(_)
            | Event::NodeRetryScheduled(_)
            | Event::StateTransitioned(_)
            | Event::WorkflowCompleted(_)
            | Event::WorkflowFailed(_) => None,
        };
        let agent_name = attempt.map(|attempt| attempt.agent_name.clone());
        Known { definition: self.definition.clone(), agent_name, duration: None }
    }

    fn attempt(&self, node_id: &NodeId, number: u32) -> Option<&OpenAttempt> {
        self.attempts.get(node_id).filter(|attempt| attempt.number == number)
    }

    fn end(&mut self, recorded: &Recorded, node_id: &NodeId, number: u32) -> Known {
        let is_open = self.attempt(node_id, number).is_some();
        let ended = if is_open { self.attempts.remove(node_id) } else { None };
        let duration = ended.as_ref().map(|attempt| recorded.time.since(attempt.scheduled_at));
        Known { definition: self.definition.clone(), agent_name: ended.map(|attempt| attempt.agent_name), duration }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::definition::DefinitionHash;
    use crate::core::event::{NodeCompleted, NodeScheduled, NodeStarted, WorkflowCompleted};
    use crate::core::id::{DefinitionName, WorkflowId};
    use crate::core::json::Json;

    struct Town {
        runs: OpenRuns,
        sequence: u64,
    }

    impl Town {
        fn reads(&mut self, millis: i64, event: Event) -> Known {
            self.sequence += 1;
            self.runs.read(&Published::Run(Recorded {
                workflow_id: WorkflowId::new("w").unwrap(),
                run_id: RunId::new(&"a".repeat(32)).unwrap(),
                sequence: self.sequence,
                time: Timestamp::from_millis(millis),
                event,
            }))
        }
    }

    fn node() -> NodeId {
        NodeId::new("sum").unwrap()
    }

    fn scheduled(attempt: u32) -> Event {
        Event::NodeScheduled(NodeScheduled {
            node_id: node(),
            agent_name: AgentName::new("adder").unwrap(),
            attempt,
            input: Json::null(),
            timeout_ms: 1,
            heartbeat: false,
            deadline: None,
        })
    }

    fn completed(attempt: u32) -> Event {
        Event::NodeCompleted(NodeCompleted { node_id: node(), attempt, output: Json::null(), usage: None })
    }

    #[test]
    fn an_attempt_takes_from_its_hand_out_to_its_end() {
        let mut town = Town { runs: OpenRuns::default(), sequence: 0 };
        town.reads(100, scheduled(1));
        let adder = Some(AgentName::new("adder").unwrap());
        let expected = |millis| Known {
            definition: None,
            agent_name: adder.clone(),
            duration: Some(Duration::from_millis(millis)),
        };
        assert_eq!(town.reads(130, completed(1)), expected(30));
        town.reads(200, scheduled(2));
        let started = Event::NodeStarted(NodeStarted { node_id: node(), attempt: 2, local: false });
        assert_eq!(town.reads(220, started).agent_name, adder);
        assert_eq!(town.reads(250, completed(2)), expected(50));
        assert_eq!(town.reads(260, completed(2)), Known::default(), "it has ended");
    }

    #[test]
    fn a_run_that_has_ended_is_forgotten() {
        let mut town = Town { runs: OpenRuns::default(), sequence: 0 };
        town.reads(100, scheduled(1));
        let (name, hash) = (DefinitionName::new("shop").unwrap(), DefinitionHash("h".into()));
        let definition = DefinitionRef { name, version: 3, hash };
        let (started_at, answer) = (Timestamp::from_millis(40), Json::null());
        let ended = Event::WorkflowCompleted(WorkflowCompleted { definition: definition.clone(), started_at, answer });
        let known = town.reads(140, ended);
        let duration = Some(Duration::from_millis(100));
        assert_eq!(known, Known { definition: Some(definition), agent_name: None, duration });
        assert!(town.runs.runs.is_empty());
    }
}
