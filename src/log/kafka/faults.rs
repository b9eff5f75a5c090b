//! What Kafka's error codes mean for the trait.

use super::super::{AppendError, LogError};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

/// Whether the topic or partition is not there.
pub(super) fn is_unknown_topic(code: Code) -> bool {
    matches!(code, Code::UnknownTopicOrPartition | Code::UnknownTopic | Code::UnknownPartition)
}

/// Whether it is the network's or the brokers' state of the moment, which heals without us.
pub(super) fn is_operating(code: Code) -> bool {
    matches!(
        code,
        Code::BrokerTransportFailure
            | Code::AllBrokersDown
            | Code::Resolve
            | Code::Authentication
            | Code::SSL
            | Code::MessageTimedOut
            | Code::OperationTimedOut
            | Code::TimedOutQueue
            | Code::RequestTimedOut
            | Code::WaitingForCoordinator
            | Code::Retry
            | Code::NetworkException
            | Code::BrokerNotAvailable
            | Code::LeaderNotAvailable
            | Code::NotLeaderForPartition
            | Code::ReplicaNotAvailable
            | Code::CoordinatorLoadInProgress
            | Code::CoordinatorNotAvailable
            | Code::NotCoordinator
            | Code::NotController
            | Code::KafkaStorageError
            | Code::FencedLeaderEpoch
            | Code::UnknownLeaderEpoch
            | Code::OffsetNotAvailable
            | Code::PreferredLeaderNotAvailable
            | Code::NotEnoughReplicas
            | Code::NotEnoughReplicasAfterAppend
    )
}

/// Whether a record with this code will never be taken.
fn is_refusal(code: Code) -> bool {
    is_unknown_topic(code)
        || matches!(
            code,
            Code::MessageSizeTooLarge
                | Code::MessageBatchTooLarge
                | Code::InvalidMessage
                | Code::InvalidMessageSize
                | Code::InvalidRecord
                | Code::InvalidTimestamp
                | Code::InvalidTopic
                | Code::InvalidArgument
                | Code::InvalidRequiredAcks
                | Code::UnsupportedForMessageFormat
                | Code::UnsupportedVersion
                | Code::PolicyViolation
                | Code::TopicAuthorizationFailed
                | Code::ClusterAuthorizationFailed
        )
}

/// Why an append failed; `fatal` is what the producer says of itself.
pub(super) fn append_error(topic: &str, code: Code, fatal: Option<String>) -> AppendError {
    match (fatal, code) {
        (Some(reason), _) => AppendError::Fatal(reason),
        (None, Code::QueueFull) => AppendError::Full,
        (None, Code::Fatal | Code::GaplessGuarantee | Code::State) => AppendError::Fatal(code.to_string()),
        (None, code) if is_refusal(code) => AppendError::Refused(format!("{topic}: {code}")),
        (None, code) => AppendError::Unconfirmed(format!("{topic}: {code}")),
    }
}

/// Whether the group does not take this member for one, or not now: it joins again by itself.
pub(super) fn is_of_membership(code: Code) -> bool {
    matches!(code, Code::UnknownMemberId | Code::IllegalGeneration | Code::RebalanceInProgress | Code::AssignmentLost)
}

/// What a question that failed is for the trait: `doing` says what was asked.
pub(super) fn log_error(at: &str, doing: &str, error: &KafkaError) -> LogError {
    match error.rdkafka_error_code() {
        Some(code) if is_operating(code) => unreachable(at, doing, &code.to_string()),
        Some(code) => LogError::Refused(format!("{doing}: {code}")),
        None => LogError::Refused(format!("{doing}: {error}")),
    }
}

/// A question that was not answered in time.
pub(super) fn unreachable(at: &str, doing: &str, reason: &str) -> LogError {
    LogError::Unreachable { at: format!("Kafka {at}"), reason: format!("{doing}: {reason}") }
}

/// A setting that librdkafka does not take; without its value, which may be a secret.
pub(super) fn setting_error(error: &KafkaError) -> LogError {
    match error {
        KafkaError::ClientConfig(_, reason, name, _) => {
            LogError::Refused(format!("the Kafka setting `{name}` is not accepted: {reason}"))
        }
        other => LogError::Refused(format!("the Kafka settings are not accepted: {other}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_that_is_too_large_is_refused_and_a_timeout_is_not() {
        assert!(matches!(append_error("t", Code::MessageSizeTooLarge, None), AppendError::Refused(_)));
        assert!(matches!(append_error("t", Code::MessageTimedOut, None), AppendError::Unconfirmed(_)));
        assert_eq!(append_error("t", Code::QueueFull, None), AppendError::Full);
    }

    #[test]
    fn a_producer_that_has_failed_for_good_makes_every_error_fatal() {
        let error = append_error("t", Code::MessageTimedOut, Some("out of order".into()));
        assert_eq!(error, AppendError::Fatal("out of order".into()));
    }

    #[test]
    fn a_question_without_an_answer_is_no_refusal() {
        let found = |code| log_error("host:1", "asking", &KafkaError::MetadataFetch(code));
        assert!(matches!(found(Code::BrokerTransportFailure), LogError::Unreachable { .. }));
        assert!(matches!(found(Code::TopicAuthorizationFailed), LogError::Refused(_)));
    }
}
