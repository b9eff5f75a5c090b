//! What an attempt has used, as its worker says: what it cost, and the tokens that a model read and wrote.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::ops::AddAssign;

/// An amount of money in the installation's currency, exact to a billionth of its unit.
///
/// Outside it is a number (`0.0021`), inside an integer: amounts add up without a rest, and what was recorded reads back
/// as what was decided.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cost {
    /// Billionths of the unit.
    nanos: u64,
}

impl Cost {
    /// The largest cost of an attempt, in the currency's unit. Up to it every billionth has a `double` of its own.
    pub const MAX: f64 = 1_000_000.0;

    /// So many billionths of the unit.
    pub fn from_nanos(nanos: u64) -> Self {
        Self { nanos }
    }

    /// An amount in the currency's unit, rounded to a billionth; none: it is negative, no number, or above [`Cost::MAX`].
    pub fn new(amount: f64) -> Option<Self> {
        let nanos = (amount * 1e9).round();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it has just been looked at")]
        (0.0..=Self::MAX).contains(&amount).then_some(Self { nanos: nanos as u64 })
    }

    /// The amount in the currency's unit.
    #[expect(
        clippy::cast_precision_loss,
        reason = "a sum of more than nine million units is not told to the billionth"
    )]
    pub fn amount(self) -> f64 {
        self.nanos as f64 / 1e9
    }

    /// Billionths of the unit.
    pub fn nanos(self) -> u64 {
        self.nanos
    }
}

impl AddAssign for Cost {
    fn add_assign(&mut self, other: Self) {
        self.nanos = self.nanos.saturating_add(other.nanos);
    }
}

impl Serialize for Cost {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_f64(self.amount())
    }
}

impl<'de> Deserialize<'de> for Cost {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let amount = f64::deserialize(from)?;
        Self::new(amount)
            .ok_or_else(|| serde::de::Error::custom(format!("expected a cost from 0 to {}, found {amount}", Self::MAX)))
    }
}

/// Most tokens of an attempt that are taken for true, and that every reader's number holds exactly.
pub const MAX_TOKENS: u64 = 1 << 53;

/// What an attempt has used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// What it cost, in the installation's currency.
    #[serde(default)]
    pub cost: Cost,
    /// Tokens that a model read, at most [`MAX_TOKENS`].
    #[serde(default)]
    pub input_tokens: u64,
    /// Tokens that a model wrote, at most [`MAX_TOKENS`].
    #[serde(default)]
    pub output_tokens: u64,
}

impl Usage {
    /// Itself, unless it names more tokens than anyone can have used.
    ///
    /// # Errors
    /// What was expected and what was found.
    pub fn checked(self) -> Result<Self, String> {
        match self.input_tokens.max(self.output_tokens) {
            tokens if tokens > MAX_TOKENS => Err(format!("expected at most {MAX_TOKENS} tokens, found {tokens}")),
            _ => Ok(self),
        }
    }
}

impl AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        self.cost += other.cost;
        self.input_tokens = self.input_tokens.saturating_add(other.input_tokens);
        self.output_tokens = self.output_tokens.saturating_add(other.output_tokens);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_as_a_number_is_read_back(nanos in 0..=1_000_000_000_000_000_u64) {
            let cost = Cost { nanos };
            prop_assert_eq!(Cost::new(cost.amount()), Some(cost));
        }
    }

    #[test]
    fn amounts_that_no_attempt_can_cost_are_refused() {
        for wrong in [-0.01, f64::NAN, f64::INFINITY, 1_000_000.1] {
            assert_eq!(Cost::new(wrong), None, "{wrong}");
        }
        assert!(serde_json::from_str::<Usage>(r#"{"cost":-1}"#).is_err());
        assert!(Usage { input_tokens: MAX_TOKENS + 1, ..Usage::default() }.checked().is_err());
    }

    #[test]
    fn tenths_add_up() {
        let tenth = Usage { cost: Cost::new(0.1).unwrap(), input_tokens: 1, output_tokens: 2 };
        let mut sum = Usage::default();
        (0..3).for_each(|_| sum += tenth);
        assert_eq!(sum, Usage { cost: Cost::new(0.3).unwrap(), input_tokens: 3, output_tokens: 6 });
    }
}
