//! A desk: an agent that answers one kind of question from the books, after the time that such work takes.

use super::data::Shop;
use crate::core::failure::{Failure, FailureClass, ReportedFailure};
use crate::worker::{Agent, Call};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// How long a desk takes, in milliseconds: between these two, decided by the question, so that the same question
/// takes the same time in every run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// At best.
    pub least: u64,
    /// At worst.
    pub most: u64,
}

impl Pace {
    /// Answers at once.
    pub const NONE: Pace = Pace { least: 0, most: 0 };

    /// How long a question to a desk takes.
    pub fn of(self, desk: &str, question: &Value) -> Duration {
        let span = self.most.saturating_sub(self.least);
        let hash = fnv1a(desk.bytes().chain(question.to_string().bytes()));
        Duration::from_millis(self.least + if span == 0 { 0 } else { hash % (span + 1) })
    }
}

/// FNV-1a, 64 bits (the IETF draft `draft-eastlake-fnv`): the same on every machine.
fn fnv1a(bytes: impl Iterator<Item = u8>) -> u64 {
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// An agent that reads the books.
pub struct Desk<Q, A> {
    name: &'static str,
    pace: Pace,
    shop: Arc<Shop>,
    work: fn(&Shop, Q) -> Result<A, Failure>,
}

impl<Q, A> Desk<Q, A> {
    /// A desk that does this work.
    pub fn new(name: &'static str, pace: Pace, shop: Arc<Shop>, work: fn(&Shop, Q) -> Result<A, Failure>) -> Self {
        Self { name, pace, shop, work }
    }
}

impl<Q: DeserializeOwned + 'static, A: Serialize + 'static> Agent for Desk<Q, A> {
    async fn run(&self, call: Call) -> Result<Value, ReportedFailure> {
        tokio::time::sleep(self.pace.of(self.name, &call.input)).await;
        Ok(answer(self.name, &self.shop, self.work, call.input)?)
    }
}

fn answer<Q: DeserializeOwned, A: Serialize>(
    name: &str,
    shop: &Shop,
    work: fn(&Shop, Q) -> Result<A, Failure>,
    input: Value,
) -> Result<Value, Failure> {
    let question = serde_json::from_value(input)
        .map_err(|fault| refuse("bad_input", format!("{name} cannot read its input: {fault}")))?;
    let answer = work(shop, question)?;
    serde_json::to_value(answer)
        .map_err(|fault| refuse("bad_output", format!("{name} cannot write its answer: {fault}")))
}

/// A failure that no other attempt would mend.
pub fn refuse(code: &str, message: impl Into<String>) -> Failure {
    Failure::new(FailureClass::NonRetryable, code, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_same_question_takes_the_same_time() {
        let pace = Pace { least: 150, most: 900 };
        let times: Vec<_> = (0..200).map(|n| pace.of("find-order", &json!({ "order": n }))).collect();
        assert_eq!(times[7], pace.of("find-order", &json!({ "order": 7 })));
        assert!(times.iter().all(|time| (150..=900).contains(&time.as_millis())), "{times:?}");
        assert!(times.iter().any(|time| *time != times[0]));
    }

    #[test]
    fn an_input_of_another_shape_is_refused_with_what_is_missing() {
        let shop = Shop::bundled().unwrap();
        let fault = answer("find-order", &shop, super::super::desks::find_order::work, json!({ "order": 1042 }));
        let fault = fault.unwrap_err();
        assert_eq!((fault.class, fault.code.as_str()), (FailureClass::NonRetryable, "bad_input"));
        assert!(fault.message.contains("find-order") && fault.message.contains("`customer`"), "{}", fault.message);
    }
}
