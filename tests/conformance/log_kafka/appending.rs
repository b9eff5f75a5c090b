//! Appenders.

use super::*;
use orchestrator::core::id::AgentName;

#[test]
fn records_of_one_appender_stand_in_the_order_of_their_appends() {
    let Some(fixture) = Fixture::new().map(|f| f.topic(&Topic::Journal, 2)) else { return };
    let mut appender = fixture.appender(Purpose::Journal);
    for n in 0..2_000_u32 {
        appender.append(record(&Topic::Journal, Some(n % 2), None, &n.to_string()), n.into()).expect("queued");
    }
    assert!(acks(&mut *appender).iter().all(|ack| ack.result.is_ok()));
    let mut reader = fixture.reader();
    for partition in 0..2 {
        reader.assign(&Topic::Journal, partition, 0).expect("assigned");
        let all = read_to_end(&mut *reader, &Topic::Journal, partition, 1_000);
        let expected: Vec<String> = (0..1_000).map(|n| (2 * n + partition).to_string()).collect();
        assert_eq!(values_of(&Topic::Journal, &all), expected);
        reader.unassign(&Topic::Journal, partition).expect("unassigned");
    }
}

#[test]
fn every_append_ends_once_with_the_place_where_its_record_stands() {
    let Some(fixture) = Fixture::new().map(|f| f.topic(&Topic::Results, 1)) else { return };
    let mut appender = fixture.appender(Purpose::Client);
    for token in 100..110 {
        appender.append(record(&Topic::Results, Some(0), None, "x"), token).expect("queued");
    }
    assert_eq!(appender.in_flight(), 10);
    let mut ends: Vec<_> = acks(&mut *appender).into_iter().map(|a| (a.token, a.result.expect("confirmed"))).collect();
    ends.sort();
    assert_eq!(ends, (0..10).map(|n| (100 + n, (0, n))).collect::<Vec<_>>());
}

#[test]
fn key_value_headers_and_time_are_read_back_as_they_were_written() {
    let Some(fixture) = Fixture::new() else { return };
    let fixture = fixture.topic_with(&Topic::Requests, 1, &[("message.timestamp.type", "LogAppendTime")]);
    let header = |name: &'static str, value: &[u8]| (name.into(), Bytes::copy_from_slice(value));
    let written = [
        (
            Some(&b"key"[..]),
            Some(&b"value"[..]),
            vec![header("a", b"1"), header("empty", b""), header("a", b"\x00\xff")],
        ),
        (Some(b""), Some(b""), vec![]),
        (None, None, vec![header("only", b"header")]),
    ];
    let mut appender = fixture.appender(Purpose::Client);
    for (key, value, headers) in &written {
        let (key, value) = (key.map(Bytes::from_static), value.map(Bytes::from_static));
        let new = NewRecord { topic: Topic::Requests, partition: Some(0), key, value, headers: headers.clone() };
        append_one(&mut *appender, new).expect("confirmed");
    }
    let mut reader = fixture.reader();
    reader.assign(&Topic::Requests, 0, 0).expect("assigned");
    let all = read_to_end(&mut *reader, &Topic::Requests, 0, 3);
    for (delivery, (key, value, headers)) in all.iter().zip(&written) {
        let Delivery::Record(record) = delivery else { panic!("expected a record: {delivery:?}") };
        assert_eq!((record.key.as_deref(), record.value.as_deref()), (*key, *value));
        assert_eq!(&record.headers, headers);
        assert!(record.time.as_millis() > 1_600_000_000_000, "the append time is there: {:?}", record.time);
    }
}

#[test]
fn a_key_decides_the_partition_as_the_java_client_does() {
    let Some(fixture) = Fixture::new().map(|f| f.topic(&Topic::Requests, 4)) else { return };
    let mut appender = fixture.appender(Purpose::Client);
    // murmur2 of these keys from the tests of Kafka's Java client, made positive, modulo 4.
    let vectors: [(&str, i32); 3] =
        [("21", -973_932_308), ("foobar", -790_332_482), ("a-little-bit-long-string", -985_981_536)];
    for (key, hash) in vectors {
        let expected = ((hash & 0x7fff_ffff) % 4).cast_unsigned();
        let place = append_one(&mut *appender, record(&Topic::Requests, None, Some(key), "x")).expect("confirmed");
        assert_eq!(place.0, expected, "{key}");
    }
}

#[test]
fn a_record_of_eight_megabytes_passes_and_a_larger_one_is_refused() {
    let limit = (8 << 20).to_string();
    let Some(fixture) = Fixture::new().map(|f| f.topic_with(&Topic::Journal, 1, &[("max.message.bytes", &limit)]))
    else {
        return;
    };
    let mut appender = fixture.appender(Purpose::Journal);
    let large = "x".repeat((8 << 20) - 200);
    append_one(&mut *appender, record(&Topic::Journal, Some(0), None, &large)).expect("it is under the limit");
    for size in [(8 << 20) + 10, 9 << 20] {
        let refused = append_one(&mut *appender, record(&Topic::Journal, Some(0), None, &"x".repeat(size)));
        assert!(matches!(refused, Err(AppendError::Refused(_))), "{size}: {refused:?}");
    }
    let next = append_one(&mut *appender, record(&Topic::Journal, Some(0), None, "small"));
    assert_eq!(next, Ok((0, 1)), "a refused record does not hold up the next one");
    let mut reader = fixture.reader();
    reader.assign(&Topic::Journal, 0, 0).expect("assigned");
    let all = read_to_end(&mut *reader, &Topic::Journal, 0, 2);
    assert_eq!(values_of(&Topic::Journal, &all), [large, "small".to_owned()]);
}

#[test]
fn a_record_for_an_unknown_topic_is_refused() {
    let Some(fixture) = Fixture::with(&[("topic.metadata.propagation.max.ms", "200")]) else { return };
    let agent = AgentName::new("nobody").expect("legal");
    let refused =
        append_one(&mut *fixture.appender(Purpose::Effects), record(&Topic::Ready(agent), None, Some("k"), "x"));
    assert!(matches!(&refused, Err(AppendError::Refused(reason)) if reason.contains("ready.nobody")), "{refused:?}");
}

#[test]
fn a_partition_that_is_not_there_is_refused() {
    let Some(fixture) = Fixture::with(&[("topic.metadata.propagation.max.ms", "200")]) else { return };
    let fixture = fixture.topic(&Topic::Results, 1);
    for partition in [1, u32::MAX] {
        let new = record(&Topic::Results, Some(partition), None, "x");
        let refused = append_one(&mut *fixture.appender(Purpose::Client), new);
        assert!(matches!(refused, Err(AppendError::Refused(_))), "{partition}: {refused:?}");
    }
}

#[test]
fn a_full_queue_is_told_and_goes_on_after_a_poll() {
    let Some(fixture) = Fixture::with(&[("queue.buffering.max.messages", "10")]) else { return };
    let fixture = fixture.topic(&Topic::Results, 1);
    let mut appender = fixture.appender(Purpose::Client);
    let mut full = false;
    let mut queued = 0_u64;
    while !full {
        match appender.append(record(&Topic::Results, Some(0), None, "x"), queued) {
            Ok(()) => queued += 1,
            Err(AppendError::Full) => full = true,
            Err(other) => panic!("{other}"),
        }
        assert!(queued < 1_000_000, "the queue never fills");
    }
    assert_eq!(acks(&mut *appender).len() as u64, queued);
    append_one(&mut *appender, record(&Topic::Results, Some(0), None, "x")).expect("there is room again");
}

#[test]
fn a_publication_that_fails_poisons_its_appender() {
    let Some(fixture) = Fixture::new().map(|f| f.topic(&Topic::Events, 1)) else { return };
    let mut appender = fixture.appender(Purpose::Events);
    append_one(&mut *appender, record(&Topic::Events, Some(0), None, "first")).expect("confirmed");
    let large = record(&Topic::Events, Some(0), None, &"x".repeat(9 << 20));
    assert!(matches!(append_one(&mut *appender, large), Err(AppendError::Refused(_))));
    let next = append_one(&mut *appender, record(&Topic::Events, Some(0), None, "would leave a gap"));
    assert!(matches!(next, Err(AppendError::Fatal(_))), "{next:?}");
    assert_eq!(fixture.log.ends(&Topic::Events, 0).expect("ends").high, 1);
}

#[test]
fn a_header_name_that_cannot_be_read_back_is_refused() {
    let Some(fixture) = Fixture::new().map(|f| f.topic(&Topic::Results, 1)) else { return };
    let mut new = record(&Topic::Results, Some(0), None, "x");
    new.headers.push(("a\0b".into(), Bytes::from_static(b"v")));
    let refused = fixture.appender(Purpose::Client).append(new, 1);
    assert!(matches!(refused, Err(AppendError::Refused(_))), "{refused:?}");
}
