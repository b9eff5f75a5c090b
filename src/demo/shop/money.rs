//! Amounts of money: euro cents, so that nothing is lost in rounding.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Euro cents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cents(pub i64);

impl Cents {
    /// This many of it.
    pub fn times(self, quantity: u32) -> Self {
        Self(self.0.saturating_mul(i64::from(quantity)))
    }

    /// So many percent of it, rounded half up to a cent.
    pub fn percent(self, percent: u8) -> Self {
        Self(self.0.saturating_mul(i64::from(percent)).saturating_add(50).div_euclid(100))
    }

    /// What is left after so many percent have been taken off.
    pub fn less_percent(self, percent: u8) -> Self {
        Self(self.0 - self.percent(percent).0)
    }
}

impl std::iter::Sum for Cents {
    fn sum<I: Iterator<Item = Cents>>(all: I) -> Cents {
        Cents(all.map(|cents| cents.0).sum())
    }
}

impl std::ops::Sub for Cents {
    type Output = Cents;
    fn sub(self, other: Cents) -> Cents {
        Cents(self.0 - other.0)
    }
}

impl std::ops::Add for Cents {
    type Output = Cents;
    fn add(self, other: Cents) -> Cents {
        Cents(self.0 + other.0)
    }
}

impl fmt::Display for Cents {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let cents = self.0.unsigned_abs();
        write!(f, "{sign}€{}.{:02}", cents / 100, cents % 100)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cents_are_rounded_once_and_written_as_people_do() {
        assert_eq!(Cents(1_290).less_percent(5), Cents(1_225));
        assert_eq!(Cents(1_290).percent(5) + Cents(1_290).less_percent(5), Cents(1_290));
        assert_eq!([Cents(5), Cents(-1_205)].map(|c| c.to_string()), ["€0.05", "-€12.05"]);
    }
}
