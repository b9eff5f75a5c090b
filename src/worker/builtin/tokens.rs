//! What the answer of a model's API says that it has used.

use crate::core::usage::{Cost, MAX_TOKENS, Usage};
use serde::{Deserialize, Deserializer, de};
use serde_json::Value;

/// Tokens that a price is for.
const PRICED: f64 = 1_000_000.0;

/// What a million tokens cost, in the installation's currency.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Prices {
    /// Those that the model reads.
    #[serde(deserialize_with = "price")]
    input: f64,
    /// Those that it writes.
    #[serde(deserialize_with = "price")]
    output: f64,
}

fn price<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    let price = f64::deserialize(from)?;
    let expected = || de::Error::custom(format!("expected a price from 0 to {}, found {price}", Cost::MAX));
    Cost::new(price).map(|_| price).ok_or_else(expected)
}

/// What the body of a response says in `usage`: `prompt_tokens` and `completion_tokens` as OpenAI's chat completions, or
/// `input_tokens` and `output_tokens` as Anthropic's messages and OpenAI's responses. None: it does not say.
///
/// The cost is that of these tokens; without prices it is 0. Whatever no attempt can have used is not taken for true.
pub fn used(body: &Value, prices: Option<Prices>) -> Option<Usage> {
    let said = body.get("usage")?;
    let tokens = |names: [&str; 2]| {
        let found = names.iter().find_map(|name| said.get(name)?.as_u64());
        found.filter(|tokens| *tokens <= MAX_TOKENS)
    };
    let (read, written) = (tokens(["prompt_tokens", "input_tokens"]), tokens(["completion_tokens", "output_tokens"]));
    if read.is_none() && written.is_none() {
        return None;
    }
    let (input_tokens, output_tokens) = (read.unwrap_or_default(), written.unwrap_or_default());
    #[expect(clippy::cast_precision_loss, reason = "every count up to the most that is taken has a double of its own")]
    let amount =
        |Prices { input, output }: Prices| (input_tokens as f64 * input + output_tokens as f64 * output) / PRICED;
    let cost = match prices.map(amount) {
        Some(amount) => Cost::new(amount)?,
        None => Cost::default(),
    };
    Some(Usage { cost, input_tokens, output_tokens })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_no_usage_is_none() {
        for body in [
            json!("text"),
            json!({}),
            json!({ "usage": null }),
            json!({ "usage": { "total_tokens": 7 } }),
            json!({ "usage": { "input_tokens": -1, "output_tokens": 1.5 } }),
            json!({ "usage": { "input_tokens": u64::MAX } }),
        ] {
            assert_eq!(used(&body, None), None, "{body}");
        }
        let dear = Prices { input: Cost::MAX, output: 0.0 };
        assert_eq!(used(&json!({ "usage": { "input_tokens": MAX_TOKENS } }), Some(dear)), None);
    }

    #[test]
    fn prices_are_amounts() {
        for bad in [json!({ "input": -1, "output": 1 }), json!({ "input": 1 }), json!({ "input": "1", "output": 1 })] {
            assert!(serde_json::from_value::<Prices>(bad.clone()).is_err(), "{bad}");
        }
    }
}
