//! Connecting, and brokers that are away. These need no broker.

use super::*;
use orchestrator::log::LogError;
use rdkafka::mocking::MockCluster;

fn settings(brokers: &str, properties: &[(&str, &str)]) -> KafkaSettings {
    KafkaSettings {
        brokers: brokers.into(),
        properties: properties.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect(),
        ..KafkaSettings::default()
    }
}

fn refusal(settings: KafkaSettings) -> String {
    match KafkaLog::connect(settings) {
        Err(LogError::Refused(reason)) => reason,
        Err(other) => panic!("expected a refusal: {other}"),
        Ok(_) => panic!("expected a refusal"),
    }
}

#[test]
fn settings_that_safety_rests_on_are_refused_all_at_once_and_by_name() {
    let reason = refusal(settings("localhost:1", &[("acks", "1"), ("isolation.level", "read_uncommitted")]));
    assert!(reason.contains("`acks`") && reason.contains("`isolation.level`"), "{reason}");
}

#[test]
fn a_setting_that_librdkafka_does_not_know_is_refused_without_its_value() {
    let reason = refusal(settings("localhost:1", &[("sasl.pasword", "secret")]));
    assert!(reason.contains("`sasl.pasword`") && !reason.contains("secret"), "{reason}");
}

#[test]
fn a_mechanism_that_cannot_work_is_refused_and_not_waited_for() {
    for (mechanism, named) in [("OAUTHBEARER", "SCRAM-SHA-512"), ("GSSAPI", "GSSAPI"), ("NONSENSE", "NONSENSE")] {
        let properties = [("security.protocol", "SASL_SSL"), ("sasl.mechanism", mechanism), ("sasl.username", "u")];
        let reason = refusal(settings("localhost:1", &properties));
        assert!(reason.contains(named), "{reason}");
    }
}

#[test]
fn an_illegal_namespace_is_refused() {
    for namespace in ["", "a b", "ü", "a/b"] {
        let reason = refusal(KafkaSettings { namespace: namespace.into(), ..settings("localhost:1", &[]) });
        assert!(reason.contains("namespace"), "{reason}");
    }
}

#[test]
fn a_broker_that_is_away_does_not_stop_the_start_and_a_question_has_a_limit() {
    let log = KafkaLog::connect(settings("127.0.0.1:1", &[])).expect("nobody is asked yet");
    let mut reader = log.reader().expect("a reader");
    reader.assign(&Topic::Journal, 0, 0).expect("nobody is asked yet");
    let mut out = Vec::new();
    reader.poll(Duration::from_millis(200), &mut out).expect("it is waited for");
    assert_eq!(out, []);
    match log.partitions(&Topic::Journal) {
        Err(LogError::Unreachable { at, reason }) => {
            assert!(at.contains("127.0.0.1:1") && reason.contains("refused"), "{at}: {reason}");
        }
        other => panic!("nobody can have answered: {other:?}"),
    }
}

#[test]
fn a_journal_record_that_nobody_takes_ends_unconfirmed() {
    let away = KafkaSettings { journal_timeout: Duration::from_millis(500), ..settings("127.0.0.1:1", &[]) };
    let log = KafkaLog::connect(away).expect("nobody is asked yet");
    let mut appender = log.appender(Purpose::Journal).expect("an appender");
    let end = append_one(&mut *appender, record(&Topic::Journal, Some(0), None, "x"));
    assert!(matches!(end, Err(AppendError::Unconfirmed(_))), "{end:?}");
}

#[test]
fn a_broker_that_goes_away_and_comes_back_is_waited_for() {
    let cluster = MockCluster::new(1).expect("a cluster inside this process");
    cluster.create_topic("orchestrator.events", 1, 1).expect("a topic");
    let log = KafkaLog::connect(settings(&cluster.bootstrap_servers(), &[])).expect("legal settings");
    let mut appender = log.appender(Purpose::Events).expect("an appender");
    let mut reader = log.reader().expect("a reader");
    reader.assign(&Topic::Events, 0, 0).expect("assigned");
    write(&mut *appender, &Topic::Events, 0, numbers(0..10));
    let mut seen = read_to_end(&mut *reader, &Topic::Events, 0, 10);

    cluster.broker_down(1).expect("down");
    for n in 10..20_u32 {
        appender.append(record(&Topic::Events, Some(0), None, &n.to_string()), n.into()).expect("queued");
    }
    let (mut acks, began) = (Vec::new(), Instant::now());
    while began.elapsed() < Duration::from_secs(3) {
        appender.poll(&mut acks);
        reader.poll(Duration::from_millis(20), &mut seen).expect("it is waited for");
    }
    assert_eq!((acks.len(), appender.in_flight()), (0, 10), "publications are tried until they land");

    cluster.broker_up(1).expect("up");
    until("all appends have ended", || {
        appender.poll(&mut acks);
        appender.in_flight() == 0
    });
    assert!(acks.iter().all(|ack| ack.result.is_ok()), "{acks:?}");
    seen.extend(read_to_end(&mut *reader, &Topic::Events, 0, 20));
    assert_eq!(values_of(&Topic::Events, &seen), numbers(0..20).collect::<Vec<_>>());
}
