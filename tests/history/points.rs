//! A point of a history, and the state there.

use crate::histories::{History, choices};
use orchestrator::core::event::{Event, Recorded};
use orchestrator::core::time::Timestamp;
use orchestrator::history::point::{NoPoint, To, state};
use orchestrator::wire::event::{Published, decode, encode};
use proptest::prelude::*;

fn to(text: &str) -> To {
    text.parse().unwrap()
}

/// As it is read from its bytes.
fn read(events: &[Recorded]) -> Vec<Recorded> {
    let read = |event| match decode(&encode(event)).unwrap() {
        Published::Run(recorded) => recorded,
        Published::Partition(_) => panic!("an event of a run"),
    };
    events.iter().map(read).collect()
}

proptest! {
    #[test]
    fn replay_at_every_number_is_the_state_that_folding_had_there(choices in choices(60)) {
        let mut live = Vec::new();
        let mut history = History::started(7, "order", &orchestrator::core::json::Json::null());
        live.push(history.run.clone());
        for event in History::made(7, &choices).events.into_iter().skip(1) {
            history.then(1, event.event);
            live.push(history.run.clone());
        }
        let events = read(&history.events);
        for (count, live) in (1..).zip(&live) {
            let point = To::Sequence(count as u64).events(&events).unwrap();
            let replayed = state(&events[..point]).unwrap();
            prop_assert_eq!(replayed.as_ref(), Some(live));
        }
    }

    #[test]
    fn the_state_at_a_time_is_that_of_the_last_event_until_then(choices in choices(40), after in 0..90_000_000i64) {
        let history = History::made(3, &choices);
        let begun = history.events[0].time;
        let at = Timestamp(begun.0 + after);
        let count = To::Time(at).events(&history.events).unwrap();
        prop_assert!(history.events[count - 1].time <= at);
        prop_assert!(history.events.get(count).is_none_or(|next| next.time > at));
        prop_assert_eq!(To::Time(Timestamp(begun.0 - 1)).events(&history.events), Err(NoPoint::Before { began: begun }));
    }

    #[test]
    fn right_before_a_node_it_has_not_been_handed_out(choices in choices(60)) {
        let history = History::made(5, &choices);
        let scheduled = |recorded: &Recorded| match &recorded.event {
            Event::NodeScheduled(event) => Some(event.node_id.clone()),
            _ => None,
        };
        for node in history.events.iter().filter_map(scheduled) {
            let count = To::Node(node.clone()).events(&history.events).unwrap();
            prop_assert_eq!(scheduled(&history.events[count]), Some(node.clone()));
            prop_assert!(history.events[..count].iter().all(|before| scheduled(before).as_ref() != Some(&node)));
        }
    }
}

#[test]
fn a_point_is_read_from_a_number_a_time_or_a_node() {
    assert_eq!(to("12"), To::Sequence(12));
    assert_eq!(to("1970-01-01T00:00:01Z"), To::Time(Timestamp(1_000_000)));
    assert_eq!(to("1970-01-01T01:00:01+01:00"), To::Time(Timestamp(1_000_000)));
    assert_eq!((to("pay").to_string(), to("node:12").to_string()), ("node:pay".to_owned(), "node:12".to_owned()));
    let wrong = "no node".parse::<To>().unwrap_err();
    assert!(wrong.contains("found \"no node\""), "{wrong}");
}

#[test]
fn a_point_that_is_not_there_says_what_is() {
    let history = History::made(2, &[]);
    let words = |to: &To| to.events(&history.events).unwrap_err().to_string();
    assert_eq!(words(&To::Sequence(9)), "the run has events 1 to 1, and no event 9");
    assert_eq!(words(&To::Sequence(0)), "the run has events 1 to 1, and no event 0");
    assert_eq!(words(&to("pay")), "node pay was never handed out; these were: none");
}
