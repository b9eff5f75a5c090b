//! The topics, by what they are for.

use crate::core::id::AgentName;
use std::fmt;
use std::time::Duration;

/// A topic of one installation. Its name on the log is `<namespace>.<this>`, e.g. `orchestrator.requests`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Topic {
    /// Starts, from anyone allowed to ask.
    Requests,
    /// Whatever concerns a run that exists.
    Signals,
    /// The write-ahead log and the truth.
    Journal,
    /// What workers report.
    Results,
    /// The answer of each run, or the refusal of a request.
    Responses,
    /// Refused inputs and exhausted nodes, whole.
    DeadLetters,
    /// The public event stream.
    Events,
    /// Definitions, and the pinned number of partitions. Compacted, one partition.
    Definitions,
    /// Attempts for the workers of an agent.
    Ready(AgentName),
    /// Cancels for the workers of an agent.
    Control(AgentName),
    /// Records that wait for a fixed time.
    Delay(DelayTier),
    /// No topic: what agents report in the engine's own process, in memory.
    Local,
}

/// The tiers of the delay topics, one fixed delay each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DelayTier {
    /// 1 s
    Second,
    /// 10 s
    TenSeconds,
    /// 1 min
    Minute,
    /// 10 min
    TenMinutes,
    /// 1 h
    Hour,
    /// 1 d
    Day,
}

impl DelayTier {
    /// All tiers, the shortest first.
    pub const ALL: [DelayTier; 6] =
        [Self::Second, Self::TenSeconds, Self::Minute, Self::TenMinutes, Self::Hour, Self::Day];

    /// How long its records wait.
    pub const fn delay(self) -> Duration {
        Duration::from_secs(match self {
            Self::Second => 1,
            Self::TenSeconds => 10,
            Self::Minute => 60,
            Self::TenMinutes => 600,
            Self::Hour => 3_600,
            Self::Day => 86_400,
        })
    }

    /// The part of the topic's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Second => "1s",
            Self::TenSeconds => "10s",
            Self::Minute => "1m",
            Self::TenMinutes => "10m",
            Self::Hour => "1h",
            Self::Day => "1d",
        }
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Requests => f.write_str("requests"),
            Self::Signals => f.write_str("signals"),
            Self::Journal => f.write_str("journal"),
            Self::Results => f.write_str("results"),
            Self::Responses => f.write_str("responses"),
            Self::DeadLetters => f.write_str("dead-letters"),
            Self::Events => f.write_str("events"),
            Self::Definitions => f.write_str("definitions"),
            Self::Ready(agent) => write!(f, "ready.{agent}"),
            Self::Control(agent) => write!(f, "control.{agent}"),
            Self::Delay(tier) => write!(f, "delay.{}", tier.as_str()),
            Self::Local => f.write_str("local"),
        }
    }
}

impl std::str::FromStr for Topic {
    type Err = String;
    /// Reads what `Display` writes.
    fn from_str(text: &str) -> Result<Self, String> {
        let agent = |name: &str| AgentName::new(name).map_err(|e| e.to_string());
        Ok(match text {
            "requests" => Self::Requests,
            "signals" => Self::Signals,
            "journal" => Self::Journal,
            "results" => Self::Results,
            "responses" => Self::Responses,
            "dead-letters" => Self::DeadLetters,
            "events" => Self::Events,
            "definitions" => Self::Definitions,
            "local" => Self::Local,
            other => {
                if let Some(name) = other.strip_prefix("ready.") {
                    Self::Ready(agent(name)?)
                } else if let Some(name) = other.strip_prefix("control.") {
                    Self::Control(agent(name)?)
                } else if let Some(tier) = other.strip_prefix("delay.") {
                    let tier = DelayTier::ALL.into_iter().find(|t| t.as_str() == tier);
                    Self::Delay(tier.ok_or_else(|| format!("{other:?} is not a topic of orchestrator"))?)
                } else {
                    return Err(format!("{other:?} is not a topic of orchestrator"));
                }
            }
        })
    }
}
