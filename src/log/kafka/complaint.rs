//! Why no broker answers, as the client for questions has heard it.

use rdkafka::error::RDKafkaErrorCode as Code;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How much a complaint says of the cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Weight {
    /// That all are down follows from something.
    Consequence,
    /// A connection that could not be made, or broke.
    Connection,
    /// A broker that is there and turns us away, or that we do not trust: waiting is unlikely to help.
    Denial,
}

/// The most telling complaint since a broker last answered; of equal ones the first, so that whoever repeats it says
/// the same words as long as the cause is the same, however many brokers there are.
#[derive(Default)]
pub(super) struct Complaints(Mutex<Option<(Weight, String)>>);

impl Complaints {
    /// Takes in an error of the client.
    pub(super) fn hear(&self, code: Code, reason: &str) {
        let weight = match code {
            Code::AllBrokersDown => Weight::Consequence,
            Code::Authentication | Code::SSL => Weight::Denial,
            _ => Weight::Connection,
        };
        let mut told = self.lock();
        if told.as_ref().is_none_or(|(known, _)| *known < weight) {
            *told = Some((weight, words(code, reason)));
        }
    }

    /// A broker has answered.
    pub(super) fn forget(&self) {
        *self.lock() = None;
    }

    /// What has been heard.
    pub(super) fn told(&self) -> Option<String> {
        self.lock().as_ref().map(|(_, words)| words.clone())
    }

    /// Whether we are turned away, which asking again will not change soon.
    pub(super) fn is_denial(&self) -> bool {
        self.lock().as_ref().is_some_and(|(weight, _)| *weight == Weight::Denial)
    }

    fn lock(&self) -> MutexGuard<'_, Option<(Weight, String)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Librdkafka's `BROKER: REASON (after 5ms in state AUTH_REQ, 3 identical error(s) suppressed)` without what is
/// different each time, and with what to do about it.
fn words(code: Code, reason: &str) -> String {
    let reason = reason.rsplit_once(" (after ").map_or(reason, |(reason, _)| reason);
    let reason = match reason.split_once(": ") {
        Some((broker, rest)) if broker.contains("://") => rest,
        _ => reason,
    };
    match code {
        Code::Authentication => {
            format!("{reason}; check `sasl.mechanism`, `sasl.username` and `sasl.password`")
        }
        // A listener with TLS or SASL just hangs up on who does not speak it.
        Code::AllBrokersDown => format!("{reason}; are they there, and is `security.protocol` what they speak?"),
        _ => reason.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REFUSED: &str = "sasl_ssl://h:9093/bootstrap: SASL authentication error: Authentication failed: Invalid \
                           username or password (after 5ms in state AUTH_REQ, 3 identical error(s) suppressed)";

    #[test]
    fn what_is_different_each_time_is_left_out() {
        assert_eq!(
            words(Code::Authentication, REFUSED),
            "SASL authentication error: Authentication failed: Invalid username or password; check `sasl.mechanism`, \
             `sasl.username` and `sasl.password`"
        );
        assert_eq!(words(Code::BrokerTransportFailure, "Disconnected: why"), "Disconnected: why");
    }

    #[test]
    fn the_cause_is_told_and_not_what_follows_from_it() {
        let complaints = Complaints::default();
        assert!(complaints.told().is_none());
        complaints.hear(Code::AllBrokersDown, "2/2 brokers are down");
        complaints.hear(Code::BrokerTransportFailure, "h:1/bootstrap: Connect to ipv4#1.2.3.4:1 failed");
        complaints.hear(Code::BrokerTransportFailure, "h:2/bootstrap: Connect to ipv4#1.2.3.5:2 failed");
        assert!(complaints.told().is_some_and(|told| told.contains("1.2.3.4")) && !complaints.is_denial());
        complaints.hear(Code::Authentication, REFUSED);
        complaints.hear(Code::AllBrokersDown, "2/2 brokers are down");
        assert!(complaints.told().is_some_and(|told| told.starts_with("SASL")) && complaints.is_denial());
        complaints.forget();
        assert!(complaints.told().is_none() && !complaints.is_denial());
    }
}
