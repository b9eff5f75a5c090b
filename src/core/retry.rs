//! When a failed attempt is tried again: exponential back-off with jitter, in whole milliseconds, without floats, so that
//! every engine computes the same.

use super::id::DispatchId;
use super::time::millis;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::time::Duration;

/// The rules by which one node is tried again, every one of them resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetryPolicy {
    /// How many attempts may follow the first.
    pub max_retries: u32,
    /// The delay before the second attempt, in milliseconds.
    pub base_delay_ms: u64,
    /// By how much each delay is longer than the one before.
    pub exponential_base: Factor,
    /// No delay is longer than this before jitter, in milliseconds.
    pub max_delay_ms: u64,
    /// How delays are spread.
    pub jitter: Jitter,
    /// No attempt begins later than this after the node's first one was scheduled, in milliseconds; none: no such limit.
    pub max_elapsed_ms: Option<u64>,
}

/// What a node or an agent says of retries; what is left out is said by the agent, or by the run's settings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RetryRules {
    /// See [`RetryPolicy::max_retries`].
    pub max_retries: Option<u32>,
    /// See [`RetryPolicy::base_delay_ms`].
    pub base_delay_ms: Option<u64>,
    /// See [`RetryPolicy::exponential_base`].
    pub exponential_base: Option<Factor>,
    /// See [`RetryPolicy::max_delay_ms`].
    pub max_delay_ms: Option<u64>,
    /// See [`RetryPolicy::jitter`].
    pub jitter: Option<Jitter>,
    /// See [`RetryPolicy::max_elapsed_ms`].
    pub max_elapsed_ms: Option<u64>,
}

/// A factor in thousandths, at least 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Factor(u32);

/// How delays are spread, so that what failed together does not come back together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Jitter {
    /// Not at all.
    None,
    /// Anything between nothing and the whole delay.
    Full,
    /// Half of the delay, and anything up to the other half.
    Equal,
}

impl Jitter {
    /// All kinds.
    pub const ALL: [Jitter; 3] = [Self::None, Self::Full, Self::Equal];

    /// The word used in definitions, settings and events.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Full => "full",
            Self::Equal => "equal",
        }
    }
}

/// Largest factor: beyond, one step is any delay.
const MAX_FACTOR: u32 = 1_000;
/// A source may ask for no more than this: a week.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(7 * 24 * 3_600);

impl Factor {
    /// Doubles.
    pub const TWO: Factor = Factor(2_000);
}

impl TryFrom<f64> for Factor {
    type Error = String;

    fn try_from(factor: f64) -> Result<Self, String> {
        if (1.0..=f64::from(MAX_FACTOR)).contains(&factor) {
            // At most a million: it fits.
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            return Ok(Self((factor * 1_000.0).round() as u32));
        }
        Err(format!("expected a factor from 1 to {MAX_FACTOR}, found {factor}"))
    }
}

impl From<Factor> for f64 {
    fn from(factor: Factor) -> f64 {
        f64::from(factor.0) / 1_000.0
    }
}

impl RetryRules {
    /// These rules, and where they say nothing, those.
    #[must_use]
    pub fn or(&self, other: &RetryRules) -> RetryRules {
        RetryRules {
            max_retries: self.max_retries.or(other.max_retries),
            base_delay_ms: self.base_delay_ms.or(other.base_delay_ms),
            exponential_base: self.exponential_base.or(other.exponential_base),
            max_delay_ms: self.max_delay_ms.or(other.max_delay_ms),
            jitter: self.jitter.or(other.jitter),
            max_elapsed_ms: self.max_elapsed_ms.or(other.max_elapsed_ms),
        }
    }
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            max_retries: 3,
            base_delay_ms: 1_000,
            exponential_base: Factor::TWO,
            max_delay_ms: 60_000,
            jitter: Jitter::Equal,
            max_elapsed_ms: None,
        }
    }
}

impl RetryPolicy {
    /// The policy of runs that were started before there were retries.
    pub fn never() -> Self {
        Self { max_retries: 0, ..Self::default() }
    }

    /// This policy, where these rules say nothing else.
    #[must_use]
    pub fn with(self, rules: &RetryRules) -> Self {
        Self {
            max_retries: rules.max_retries.unwrap_or(self.max_retries),
            base_delay_ms: rules.base_delay_ms.unwrap_or(self.base_delay_ms),
            exponential_base: rules.exponential_base.unwrap_or(self.exponential_base),
            max_delay_ms: rules.max_delay_ms.unwrap_or(self.max_delay_ms),
            jitter: rules.jitter.unwrap_or(self.jitter),
            max_elapsed_ms: rules.max_elapsed_ms.or(self.max_elapsed_ms),
        }
    }

    /// min(base × factor^(attempt − 1), max): the delay after this attempt has failed, before jitter.
    pub fn backoff(&self, attempt: u32) -> Duration {
        let max = u128::from(self.max_delay_ms) * 1_000;
        let mut delay = (u128::from(self.base_delay_ms) * 1_000).min(max);
        for _ in 1..attempt {
            let next = (delay * u128::from(self.exponential_base.0) / 1_000).min(max);
            if next == delay {
                break;
            }
            delay = next;
        }
        Duration::from_millis(u64::try_from(delay / 1_000).unwrap_or(u64::MAX))
    }

    /// The delay after an attempt has failed: back-off and jitter, which depend on the attempt alone; or what the
    /// source asked for, where that is longer.
    pub fn delay(&self, failed: &DispatchId, retry_after: Option<Duration>) -> Duration {
        let backoff = self.backoff(failed.attempt);
        let spread = |range: Duration| Duration::from_millis(below_or_at(millis(range), failed));
        let delay = match self.jitter {
            Jitter::None => backoff,
            Jitter::Full => spread(backoff),
            Jitter::Equal => {
                let half = Duration::from_millis(millis(backoff) / 2);
                half + spread(backoff.saturating_sub(half))
            }
        };
        delay.max(retry_after.unwrap_or_default().min(MAX_RETRY_AFTER))
    }
}

/// A number from 0 to `max`, both included, that depends on the attempt alone.
fn below_or_at(max: u64, attempt: &DispatchId) -> u64 {
    let digest = Sha256::digest(attempt.to_string().as_bytes());
    let mut first = [0; 8];
    first.copy_from_slice(&digest[..8]);
    // The upper half of the product is evenly spread (Lemire 2019, "Fast Random Integer Generation in an Interval").
    let product = u128::from(u64::from_be_bytes(first)) * (u128::from(max) + 1);
    u64::try_from(product >> 64).unwrap_or(max)
}
