//! The topics of an installation: made where they are missing, checked where they are there.

use super::{Installation, InstallationError, record, records};
use crate::core::id::AgentName;
use crate::log::plan::{self, Deviation};
use crate::log::{Log, LogError, TopicSpec};
use crate::wire::definition::DefinitionRecord;

/// What was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// The pinned number of partitions.
    pub partitions: u32,
    /// The topics that were not there before.
    pub created: Vec<String>,
}

/// Creates the topics that are missing and pins the number of partitions. `asked` is what somebody asked for,
/// `otherwise` what a new installation gets if nobody did.
///
/// # Errors
/// Where another number is pinned, or a topic has another number.
pub fn make(log: &dyn Log, asked: Option<u32>, otherwise: u32) -> Result<Made, InstallationError> {
    let found = Installation::read(log)?;
    let partitions = settle(found.partitions, asked, otherwise)?;
    let plan = plan::topic_plan(partitions, log.brokers()?);
    let created = missing(log, &plan)?;
    log.create_topics(&plan)?;
    if found.partitions.is_none() {
        records::append(log, vec![record(&DefinitionRecord::Installation { partitions })])?;
    }
    Ok(Made { partitions, created })
}

fn settle(pinned: Option<u32>, asked: Option<u32>, otherwise: u32) -> Result<u32, InstallationError> {
    match (pinned, asked) {
        (Some(pinned), Some(asked)) if pinned != asked => Err(InstallationError::Pinned { asked, pinned }),
        (Some(pinned), _) => Ok(pinned),
        (None, asked) => Ok(asked.unwrap_or(otherwise)),
    }
}

/// The planned topics that are not there; one that is there has to have the planned number of partitions.
fn missing(log: &dyn Log, plan: &[TopicSpec]) -> Result<Vec<String>, InstallationError> {
    let (mut missing, mut faults) = (Vec::new(), Vec::new());
    for planned in plan {
        match log.partitions(&planned.topic)? {
            None => missing.push(planned.topic.to_string()),
            Some(found) if found != planned.partitions => faults.push(other_partitions(planned, found)),
            Some(_) => {}
        }
    }
    if faults.is_empty() { Ok(missing) } else { Err(InstallationError::Topics { place: log.cluster(), faults }) }
}

/// Creates the topics of agents where they are missing.
///
/// # Errors
/// Where the log does not answer.
pub fn make_for_agents<'a>(
    log: &dyn Log,
    agents: impl IntoIterator<Item = &'a AgentName>,
    partitions: u32,
) -> Result<(), LogError> {
    let brokers = log.brokers()?;
    let topics: Vec<_> = agents.into_iter().flat_map(|agent| plan::agent_topics(agent, partitions, brokers)).collect();
    log.create_topics(&topics)
}

/// Checks the topics against the plan: all there, with the pinned number of partitions, with settings on which
/// safety can rest. Returns what is odd without being unsafe, as sentences. `place` is where, for people.
///
/// # Errors
/// Everything that is unsafe, at once.
pub fn check(log: &dyn Log, place: &str, partitions: u32) -> Result<Vec<String>, InstallationError> {
    let brokers = log.brokers()?;
    let (mut faults, mut warnings) = (Vec::new(), Vec::new());
    for planned in plan::topic_plan(partitions, brokers) {
        match log.partitions(&planned.topic)? {
            None => faults.push(format!("the topic {} does not exist: run `orchestrator init` once", planned.topic)),
            Some(found) if found != planned.partitions => faults.push(other_partitions(&planned, found)),
            Some(_) => {
                let found = log.topic_settings(&planned.topic)?;
                for deviation in plan::deviations(&planned, &found) {
                    let list = if deviation.unsafe_to_run { &mut faults } else { &mut warnings };
                    list.push(words(&deviation));
                }
            }
        }
    }
    if faults.is_empty() { Ok(warnings) } else { Err(InstallationError::Topics { place: place.to_owned(), faults }) }
}

fn other_partitions(planned: &TopicSpec, found: u32) -> String {
    format!(
        "the topic {} has {found} partitions, expected {}: the number is pinned by `init` and can't be changed; use \
         another --namespace for a new installation",
        planned.topic, planned.partitions
    )
}

fn words(deviation: &Deviation) -> String {
    let Deviation { topic, setting, planned, found, .. } = deviation;
    format!(
        "the topic {topic} has {setting}={found}, expected {planned}: set it with Kafka's own tools (kafka-configs.sh \
         --alter); `orchestrator init` sets it on topics that it creates"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pinned_number_stays_and_another_is_refused_by_name() {
        assert_eq!(settle(None, None, 4).unwrap(), 4);
        assert_eq!(settle(None, Some(7), 4).unwrap(), 7);
        assert_eq!(settle(Some(8), None, 4).unwrap(), 8);
        assert_eq!(settle(Some(8), Some(8), 4).unwrap(), 8);
        let refused = settle(Some(8), Some(4), 4).unwrap_err();
        assert!(refused.to_string().contains("pinned to 8"), "{refused}");
    }
}
