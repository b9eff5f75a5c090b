//! What attempts have spent: time, money and tokens.

use super::counted;
use super::time::duration;
use crate::core::attempts::Spent;
use crate::core::usage::{Cost, Usage};
use serde_json::{Value, json};

/// A cost, without a currency (which the installation alone knows) and without useless zeros.
pub fn cost(cost: Cost) -> String {
    let text = format!("{:.9}", cost.amount());
    let text = text.trim_end_matches('0');
    text.strip_suffix('.').unwrap_or(text).to_owned()
}

/// What was used: the cost, and tokens where there are some.
pub fn words(usage: Usage) -> String {
    match (usage.input_tokens, usage.output_tokens) {
        (0, 0) => cost(usage.cost),
        (read, written) => format!("{} ({read} + {written} tokens)", cost(usage.cost)),
    }
}

/// What was spent, in a clause.
pub fn spent_words(spent: &Spent) -> String {
    let time = format!("{} in {}", duration(spent.took), counted(spent.attempts, "attempt"));
    match spent.usage {
        Some(usage) => format!("{time}, which cost {}", words(usage)),
        None => format!("{time}, of which no worker said what they cost"),
    }
}

/// The same for programs.
pub fn spent_json(spent: &Spent) -> Value {
    let took_us = u64::try_from(spent.took.as_micros()).unwrap_or(u64::MAX);
    json!({ "attempts": spent.attempts, "took_us": took_us, "usage": spent.usage })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cost_has_the_digits_that_it_needs() {
        for (amount, text) in
            [(0.0, "0"), (0.0021, "0.0021"), (12.5, "12.5"), (3.0, "3"), (0.000_000_001, "0.000000001")]
        {
            assert_eq!(cost(Cost::new(amount).unwrap()), text);
        }
        let usage = Usage { cost: Cost::new(0.5).unwrap(), input_tokens: 8, output_tokens: 2 };
        assert_eq!(words(usage), "0.5 (8 + 2 tokens)");
    }
}
