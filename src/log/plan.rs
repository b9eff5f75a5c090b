//! Which topics an installation has, with which settings, and what is wrong with those that are there.

use super::TopicSpec;
use super::topic::{DelayTier, Topic};
use crate::core::id::AgentName;

/// The largest record of every topic: a step of the journal and a dead letter have to fit.
pub const MAX_RECORD_BYTES: u64 = 8 << 20;

const DAY_MS: i64 = 24 * 3_600_000;
/// Kafka's word for "kept for ever".
const FOR_EVER: i64 = -1;

/// The topics that `init` creates. Those of agents come with the definitions ([`agent_topics`]).
///
/// `requests`, `signals`, `results`, `responses`, `dead-letters`, `journal`, `delay.*` and `events` have the same
/// number of partitions, so that the partitions of a number belong together.
pub fn topic_plan(partitions: u32, brokers: u32) -> Vec<TopicSpec> {
    let mut plan = vec![
        spec(Topic::Requests, partitions, brokers, 7 * DAY_MS),
        spec(Topic::Signals, partitions, brokers, 7 * DAY_MS),
        spec(Topic::Journal, partitions, brokers, FOR_EVER),
        spec(Topic::Results, partitions, brokers, 7 * DAY_MS),
        spec(Topic::Responses, partitions, brokers, 7 * DAY_MS),
        spec(Topic::DeadLetters, partitions, brokers, 30 * DAY_MS),
        spec(Topic::Events, partitions, brokers, FOR_EVER),
        compacted(Topic::Definitions, brokers),
    ];
    plan.extend(DelayTier::ALL.map(|tier| {
        // Twice the tier, and a day at least: whoever is away for an hour has not lost a wake-up.
        let retention = (2 * tier_ms(tier)).max(DAY_MS);
        spec(Topic::Delay(tier), partitions, brokers, retention)
    }));
    plan
}

/// The topics of an agent. Attempts wait in `ready` for as long as no worker is there: a month, then someone has to
/// look anyway.
pub fn agent_topics(agent: &AgentName, partitions: u32, brokers: u32) -> Vec<TopicSpec> {
    vec![
        spec(Topic::Ready(agent.clone()), partitions, brokers, 30 * DAY_MS),
        spec(Topic::Control(agent.clone()), 1, brokers, DAY_MS),
    ]
}

fn tier_ms(tier: DelayTier) -> i64 {
    i64::try_from(tier.delay().as_millis()).unwrap_or(i64::MAX)
}

fn spec(topic: Topic, partitions: u32, brokers: u32, retention_ms: i64) -> TopicSpec {
    let mut settings = common(brokers);
    settings.push(("cleanup.policy".to_owned(), "delete".to_owned()));
    settings.push(("retention.ms".to_owned(), retention_ms.to_string()));
    settings.push(("retention.bytes".to_owned(), FOR_EVER.to_string()));
    TopicSpec { topic, partitions, settings }
}

fn compacted(topic: Topic, brokers: u32) -> TopicSpec {
    let mut settings = common(brokers);
    settings.push(("cleanup.policy".to_owned(), "compact".to_owned()));
    TopicSpec { topic, partitions: 1, settings }
}

fn common(brokers: u32) -> Vec<(String, String)> {
    let mut settings = vec![
        ("max.message.bytes", MAX_RECORD_BYTES.to_string()),
        // Positions are checked by the broker's append times, and a client's clock decides nothing.
        ("message.timestamp.type", "LogAppendTime".to_owned()),
        ("unclean.leader.election.enable", "false".to_owned()),
    ];
    if brokers >= 3 {
        settings.push(("min.insync.replicas", "2".to_owned()));
    }
    settings.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

/// A setting of a topic that is not as planned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deviation {
    /// The topic.
    pub topic: Topic,
    /// The setting, by Kafka's name.
    pub setting: String,
    /// What was planned.
    pub planned: String,
    /// What is there.
    pub found: String,
    /// Whether what the log promises rests on it: then `serve` refuses to start.
    pub unsafe_to_run: bool,
}

/// Compares the settings of a topic with the plan. A setting that the log does not report is not compared.
pub fn deviations(planned: &TopicSpec, found: &[(String, String)]) -> Vec<Deviation> {
    let differing = planned.settings.iter().filter_map(|(setting, planned_value)| {
        let (_, found_value) = found.iter().find(|(key, _)| key == setting)?;
        (!is_enough(setting, planned_value, found_value)).then(|| Deviation {
            topic: planned.topic.clone(),
            setting: setting.clone(),
            planned: planned_value.clone(),
            found: found_value.clone(),
            unsafe_to_run: is_unsafe(&planned.topic, setting),
        })
    });
    differing.collect()
}

/// Whether a value promises at least what the plan's does.
fn is_enough(setting: &str, planned: &str, found: &str) -> bool {
    let number = |text: &str| text.parse::<i64>().ok();
    match (setting, number(planned), number(found)) {
        ("max.message.bytes" | "min.insync.replicas", Some(planned), Some(found)) => found >= planned,
        ("retention.ms" | "retention.bytes", Some(planned), Some(found)) => {
            found == FOR_EVER || (planned != FOR_EVER && found >= planned)
        }
        _ => planned == found,
    }
}

/// Whether a run could be lost by it. How long what has been read is kept is the operator's choice.
fn is_unsafe(topic: &Topic, setting: &str) -> bool {
    match setting {
        "retention.ms" | "retention.bytes" => matches!(topic, Topic::Journal),
        // One replica less in sync is a risk to be warned of, and sometimes what an operator needs to go on.
        "min.insync.replicas" => false,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn golden(plan: &[TopicSpec]) -> String {
        let line = |spec: &TopicSpec| {
            let settings = spec.settings.iter().map(|(key, value)| format!("{key}={value}"));
            format!("{} {} {}\n", spec.topic, spec.partitions, settings.collect::<Vec<_>>().join(" "))
        };
        plan.iter().map(line).collect()
    }

    #[test]
    fn the_plan_is_the_one_that_a_reviewer_has_read() {
        let mut found = format!("one broker\n{}", golden(&topic_plan(4, 1)));
        found += &format!("three brokers\n{}", golden(&topic_plan(12, 3)));
        found += &format!("an agent\n{}", golden(&agent_topics(&AgentName::new("prices").unwrap(), 4, 1)));
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/topics.txt");
        if std::env::var_os("GOLDEN_WRITE").is_some() {
            std::fs::write(path, &found).unwrap();
        }
        assert_eq!(found, std::fs::read_to_string(path).unwrap(), "GOLDEN_WRITE=1 writes tests/golden/topics.txt anew");
    }

    #[test]
    fn more_than_planned_is_enough_and_less_is_named() {
        let journal = spec(Topic::Journal, 4, 3, FOR_EVER);
        let mut found = journal.settings.clone();
        assert_eq!(deviations(&journal, &found), []);
        for (key, value) in &mut found {
            match key.as_str() {
                "max.message.bytes" => *value = (MAX_RECORD_BYTES * 2).to_string(),
                "retention.ms" => *value = "604800000".to_owned(),
                "min.insync.replicas" => *value = "1".to_owned(),
                _ => {}
            }
        }
        let names: Vec<_> =
            deviations(&journal, &found).into_iter().map(|found| (found.setting, found.unsafe_to_run)).collect();
        assert_eq!(names, [("min.insync.replicas".to_owned(), false), ("retention.ms".to_owned(), true)]);
    }

    #[test]
    fn a_log_without_settings_has_no_deviations() {
        assert_eq!(deviations(&spec(Topic::Journal, 4, 1, FOR_EVER), &[]), []);
    }
}
