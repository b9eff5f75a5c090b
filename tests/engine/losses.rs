//! A loss of input is recorded once.

use super::town::Town;
use bytes::Bytes;
use orchestrator::core::event::PartitionEvent;
use orchestrator::log::Topic;
use std::time::Duration;

#[test]
fn a_loss_in_a_topic_that_was_never_read_is_recorded_once_not_at_every_taking() {
    let mut town = Town::new(&[]);
    for n in 0..10 {
        town.append(Topic::Signals, Some(n % 2), None, Bytes::from_static(b"trimmed"), vec![]);
    }
    town.board.lock().unwrap().trimmed = Some((Topic::Signals, 5));
    let lost = |town: &Town| {
        let events = town.partition_events().into_iter();
        events.filter(|event| matches!(event, PartitionEvent::InputLost(lost) if lost.resumed_at == 5)).count()
    };
    for _ in 0..3 {
        town.start_and_own();
        town.turns_for(Duration::from_secs(5));
        assert_eq!(lost(&town), 2, "one in each partition");
        town.kill();
    }
}
