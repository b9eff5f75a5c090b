//! Readers of a stream with both framings, on a log in memory and a played registry.

use crate::player::Player;
use bytes::Bytes;
use orchestrator::core::time::Timestamp;
use orchestrator::log::memory::{Clock, MemoryLog, ProcessId};
use orchestrator::log::{Delivery, Log, LogError, NewRecord, Purpose, Reader, Topic};
use orchestrator::registry::{FramedLog, Registry, register_events};
use orchestrator::wire::schema::{self, Schema};
use orchestrator::wire::{event, framing};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A registry that gives out ids from 1 and knows what they stand for.
fn registry() -> Player {
    let registered = Mutex::new(Vec::<String>::new());
    Player::new(move |asked| {
        let mut registered = registered.lock().unwrap();
        if let Some(id) = asked.line.strip_prefix("GET /schemas/ids/") {
            let id: usize = id.parse().unwrap();
            return match registered.get(id.wrapping_sub(1)) {
                Some(text) => (200, json!({ "schema": text }).to_string()),
                None => (404, r#"{"error_code":40403,"message":"Schema not found"}"#.to_owned()),
            };
        }
        let body: Value = serde_json::from_str(&asked.body).unwrap();
        let text = body["schema"].as_str().unwrap().to_owned();
        if asked.line.ends_with("/versions") {
            registered.push(text.clone());
        }
        match registered.iter().position(|known| *known == text) {
            Some(at) => (200, json!({ "id": at + 1 }).to_string()),
            None => (404, r#"{"error_code":40403,"message":"Schema not found"}"#.to_owned()),
        }
    })
}

/// An event in single-object framing.
fn event() -> Bytes {
    let digits: String = include_str!("../golden/wire/NodeStarted.hex").split_whitespace().collect();
    hex::decode(digits).unwrap().into()
}

fn append(log: &dyn Log, topic: Topic, value: &Bytes) {
    let mut appender = log.appender(Purpose::Events).unwrap();
    let record = NewRecord { topic, partition: Some(0), key: None, value: Some(value.clone()), headers: vec![] };
    appender.append(record, 0).unwrap();
    let mut acks = Vec::new();
    while acks.is_empty() {
        appender.poll(&mut acks);
    }
    assert!(acks[0].result.is_ok(), "{acks:?}");
}

fn log() -> Arc<dyn Log> {
    let log = Arc::new(MemoryLog::new(Clock::at(Timestamp(0)), 1).process(ProcessId(1)));
    log.create_topics(&orchestrator::log::plan::topic_plan(1, 1)).unwrap();
    log
}

/// What there is.
fn read(reader: &mut dyn Reader) -> Result<Vec<Bytes>, LogError> {
    let mut deliveries = Vec::new();
    for _ in 0..5 {
        reader.poll(Duration::from_millis(5), &mut deliveries)?;
    }
    let value = |delivery| match delivery {
        Delivery::Record(record) => record.value,
        Delivery::End { .. } | Delivery::Lost { .. } => None,
    };
    Ok(deliveries.into_iter().filter_map(value).collect())
}

fn reader(log: &dyn Log, topic: &Topic) -> Box<dyn Reader> {
    let mut reader = log.reader().unwrap();
    reader.assign(topic, 0, 0).unwrap();
    reader
}

#[test]
fn both_framings_are_read_as_one() {
    let (player, log) = (registry(), log());
    let ids = register_events(&Registry::new(&player.url()).unwrap(), "shop.events").unwrap();
    let publishing = FramedLog::publishing(log.clone(), ids);
    append(log.as_ref(), Topic::Events, &event());
    append(&publishing, Topic::Events, &event());
    append(&publishing, Topic::Events, &event());
    append(log.as_ref(), Topic::Events, &event());

    let raw = read(reader(log.as_ref(), &Topic::Events).as_mut()).unwrap();
    let firsts: Vec<u8> = raw.iter().map(|value| value[0]).collect();
    assert_eq!(firsts, [0xC3, 0, 0, 0xC3]);
    // Only the frame differs.
    assert_eq!(raw[1][framing::CONFLUENT_FRAME_BYTES..], raw[0][schema::FRAME_BYTES..]);

    let before = player.asked().len();
    let reading = FramedLog::reading(log, Registry::new(&player.url()).unwrap());
    assert_eq!(read(reader(&reading, &Topic::Events).as_mut()).unwrap(), vec![event(); 4]);
    assert_eq!(read(reader(&reading, &Topic::Events).as_mut()).unwrap().len(), 4);
    assert_eq!(player.asked().len() - before, 1, "an id is asked for once");
}

#[test]
fn other_topics_are_left_alone() {
    let (player, log) = (registry(), log());
    let ids = register_events(&Registry::new(&player.url()).unwrap(), "shop.events").unwrap();
    let publishing = FramedLog::publishing(log.clone(), ids);
    // A journal record that looks like an event, and a request with a foreign id.
    append(&publishing, Topic::Journal, &event());
    let foreign = framing::to_confluent(99, &event());
    append(&publishing, Topic::Requests, &foreign);
    let reading = FramedLog::reading(log, Registry::new(&player.url()).unwrap());
    assert_eq!(read(reader(&reading, &Topic::Journal).as_mut()).unwrap(), [event()]);
    assert_eq!(read(reader(&reading, &Topic::Requests).as_mut()).unwrap(), [foreign]);
}

#[test]
fn an_id_that_names_none_of_ours_is_left_to_the_decoder_and_ends_nothing() {
    let other = r#"{"type":"record","name":"Tea","fields":[]}"#;
    let player = Player::new(move |asked| match asked.line.as_str() {
        "GET /schemas/ids/7" => (200, json!({ "schema": other }).to_string()),
        "GET /schemas/ids/8" => (200, json!({ "schema": "message Tea {}", "schemaType": "PROTOBUF" }).to_string()),
        _ => (404, r#"{"error_code":40403,"message":"Schema not found"}"#.to_owned()),
    });
    let log = log();
    for id in [7, 8, 9] {
        append(log.as_ref(), Topic::Events, &framing::to_confluent(id, &event()));
    }
    append(log.as_ref(), Topic::Events, &event());
    let reading = FramedLog::reading(log, Registry::new(&player.url()).unwrap());
    let found = read(reader(&reading, &Topic::Events).as_mut()).unwrap();
    let faults: Vec<_> = found.iter().map(|value| event::decode(value).map_err(|fault| fault.to_string())).collect();
    for (fault, id) in faults.iter().zip([7, 8, 9]) {
        assert!(fault.as_ref().unwrap_err().contains(&format!("the schema id {id}")), "{fault:?}");
    }
    assert!(faults[3].is_ok());
}

#[test]
fn a_registry_that_is_away_is_waited_for_and_nothing_overtakes() {
    let away = Arc::new(AtomicBool::new(true));
    let gone = Arc::clone(&away);
    let started: &Schema = schema::of(&event()).unwrap();
    let player = Player::new(move |_| match gone.load(Ordering::SeqCst) {
        true => (503, String::new()),
        false => (200, json!({ "schema": started.text }).to_string()),
    });
    let log = log();
    append(log.as_ref(), Topic::Events, &event());
    append(log.as_ref(), Topic::Events, &framing::to_confluent(3, &event()));
    append(log.as_ref(), Topic::Events, &event());
    let reading = FramedLog::reading(log, Registry::new(&player.url()).unwrap());
    let mut reader = reader(&reading, &Topic::Events);
    assert_eq!(read(reader.as_mut()).unwrap().len(), 1, "up to where it is needed");
    assert_eq!(read(reader.as_mut()).unwrap().len(), 0);
    away.store(false, Ordering::SeqCst);
    assert_eq!(read(reader.as_mut()).unwrap(), [event(), event()]);
    // What is read anew is not handed out twice.
    away.store(true, Ordering::SeqCst);
    reader.assign(&Topic::Events, 0, 2).unwrap();
    assert_eq!(read(reader.as_mut()).unwrap(), [event()]);
}

#[test]
fn a_registry_that_refuses_readers_ends_them_with_its_words() {
    let player = Player::always(403, r#"{"error_code":40301,"message":"no reading for you"}"#);
    let log = log();
    append(log.as_ref(), Topic::Events, &framing::to_confluent(3, &event()));
    let reading = FramedLog::reading(log, Registry::new(&player.url()).unwrap());
    let error = read(reader(&reading, &Topic::Events).as_mut()).unwrap_err();
    assert!(error.to_string().contains("no reading for you"), "{error}");
}
