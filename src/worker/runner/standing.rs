//! Whether the agents of a runner take tasks, and what they wait for else; shared with whoever wants to know.

use super::lock;
use crate::core::id::AgentName;
use std::collections::BTreeMap;
use std::sync::Mutex;

/// How the agents of a runner stand.
#[derive(Debug)]
pub struct Standing(Mutex<BTreeMap<AgentName, Option<String>>>);

impl Standing {
    /// None of these agents takes tasks yet.
    pub(super) fn new<'a>(agents: impl Iterator<Item = &'a AgentName>) -> Self {
        let begins = || Some("not begun yet".to_owned());
        Self(Mutex::new(agents.map(|agent| (agent.clone(), begins())).collect()))
    }

    /// The agent takes tasks, if there are any.
    pub(super) fn works(&self, agent: &AgentName) {
        lock(&self.0).insert(agent.clone(), None);
    }

    /// The agent takes none, and why.
    pub(super) fn waits(&self, agent: &AgentName, why: String) {
        lock(&self.0).insert(agent.clone(), Some(why));
    }

    /// What agents wait for, as a sentence for people; none: every one takes tasks.
    pub fn waiting(&self) -> Option<String> {
        let mut reasons: BTreeMap<String, Vec<AgentName>> = BTreeMap::new();
        for (agent, why) in lock(&self.0).iter() {
            if let Some(why) = why {
                reasons.entry(why.clone()).or_default().push(agent.clone());
            }
        }
        let sentence = |(why, agents): (&String, &Vec<AgentName>)| {
            let agents: Vec<_> = agents.iter().map(AgentName::as_str).collect();
            format!("{}: {why}", agents.join(", "))
        };
        let sentences: Vec<_> = reasons.iter().map(sentence).collect();
        (!sentences.is_empty()).then(|| sentences.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_several_wait_for_is_said_once() {
        let agents = ["echo", "sleep", "fail"].map(|name| AgentName::new(name).unwrap());
        let standing = Standing::new(agents.iter());
        assert_eq!(standing.waiting().as_deref(), Some("echo, fail, sleep: not begun yet"));
        standing.works(&agents[0]);
        standing.waits(&agents[2], "the log is away".to_owned());
        assert_eq!(standing.waiting().as_deref(), Some("sleep: not begun yet; fail: the log is away"));
        standing.works(&agents[1]);
        standing.works(&agents[2]);
        assert_eq!(standing.waiting(), None);
    }
}
