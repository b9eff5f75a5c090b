//! Fates of records and partitions that take long, or that a log should not know.

use super::tests::{ME, OTHER, append, log, numbers, only};
use super::*;
use crate::log::{AppendError, Delivery, GroupEvent};

#[test]
fn a_lost_suffix_is_lost_to_readers_beyond_it() {
    let log = log(1, Faults::default());
    append(&log, Purpose::Journal, &Topic::Journal, 10);
    let mut reader = log.process(ME).reader().expect("a reader");
    reader.assign(&Topic::Journal, 0, 0).expect("assigned");
    let mut out = Vec::new();
    reader.poll(Duration::ZERO, &mut out).expect("read");
    log.lose_suffix(&Topic::Journal, 0, 4);
    assert_eq!(log.process(ME).ends(&Topic::Journal, 0).expect("the ends"), Ends { low: 0, high: 6 });
    out.clear();
    reader.poll(Duration::ZERO, &mut out).expect("read");
    let lost = Delivery::Lost { topic: Topic::Journal, partition: 0, wanted: 10, low: 0, high: 6 };
    assert_eq!((out.len(), &out[0]), (8, &lost), "lost, six records, the end");
}

#[test]
fn a_loss_is_told_even_where_as_much_has_been_appended_since() {
    let log = log(1, Faults::default());
    append(&log, Purpose::Journal, &Topic::Journal, 10);
    let mut reader = log.process(ME).reader().expect("a reader");
    reader.assign(&Topic::Journal, 0, 0).expect("assigned");
    let mut out = Vec::new();
    reader.poll(Duration::ZERO, &mut out).expect("read");
    log.lose_suffix(&Topic::Journal, 0, 4);
    append(&log, Purpose::Journal, &Topic::Journal, 6);
    out.clear();
    reader.poll(Duration::ZERO, &mut out).expect("read");
    let lost = Delivery::Lost { topic: Topic::Journal, partition: 0, wanted: 10, low: 0, high: 12 };
    assert_eq!((out.len(), &out[0]), (14, &lost), "lost, twelve records, the end");
    let mut late = log.process(ME).reader().expect("a reader");
    late.assign(&Topic::Journal, 0, 10).expect("assigned");
    out.clear();
    late.poll(Duration::ZERO, &mut out).expect("read");
    assert!(matches!(out[0], Delivery::Record(_)), "who begins after the loss does not know of it");
}

#[test]
fn a_late_twin_lands_after_its_appender_is_gone() {
    let faults = only(|faults| (faults.twice_late, faults.stray_delay) = (1.0, Duration::from_secs(60)));
    let log = log(1, faults);
    let acks = append(&log, Purpose::Journal, &Topic::Journal, 1);
    assert!(matches!(acks[0].result, Err(AppendError::Unconfirmed(_))), "{acks:?}");
    log.drop_process(ME);
    log.advance(Duration::from_secs(61));
    assert_eq!(numbers(&log, &Topic::Journal, 0), [0, 0]);
    assert_eq!(log.under_way(), 0);
}

#[test]
fn a_refused_record_never_stands_in_the_log_and_a_clients_own_is_never_refused() {
    let log = log(1, only(|faults| faults.refused = 1.0));
    let mut appender = log.process(ME).appender(Purpose::Effects).expect("an appender");
    let mut acks = Vec::new();
    let mut refused = 0;
    for number in 0..20 {
        match appender.append(super::tests::record(&Topic::Journal, 0, number), number) {
            Err(AppendError::Refused(_)) => refused += 1,
            other => other.expect("taken, and refused later"),
        }
    }
    appender.poll(&mut acks);
    assert!(acks.iter().all(|ack| matches!(ack.result, Err(AppendError::Refused(_)))), "{acks:?}");
    assert!(refused > 0 && refused + acks.len() == 20, "{refused} at once, {} later", acks.len());
    assert_eq!(numbers(&log, &Topic::Journal, 0), [0; 0]);
    append(&log, Purpose::Client, &Topic::Journal, 1);
    assert_eq!(numbers(&log, &Topic::Journal, 0), [0]);
}

#[test]
fn a_stampede_gives_a_partition_to_everyone_anew() {
    let log = log(1, Faults::default());
    let join =
        |process| log.process(process).group("engine", &[Topic::Requests], Membership::AssignOnly).expect("joined");
    let mut members = [join(ME), join(OTHER)];
    let mut events = Vec::new();
    for member in &mut members {
        member.poll(Duration::ZERO, &mut events).expect("polled");
    }
    log.stampede(&Topic::Requests, 0);
    for member in &mut members {
        events.clear();
        member.poll(Duration::ZERO, &mut events).expect("polled");
        let given = |event: &GroupEvent| matches!(event, GroupEvent::Given { partition: 0, .. });
        assert!(events.last().is_some_and(given), "{events:?}");
    }
}
