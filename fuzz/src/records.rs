//! What the program writes and reads again, and what others read: the journal, the event stream, JSON records.

use super::is_said;
use bytes::Bytes;
use orchestrator::core::apply;
use orchestrator::core::run::Run;
use orchestrator::journal::record::JournalRecord;
use orchestrator::journal::rule::ReadersRule;
use orchestrator::ui;
use orchestrator::wire::event::Published;
use orchestrator::wire::{
    WireError, answer, dead_letter, dead_letter_read, definition, event, framing, headers, journal, schema, task,
    wakeup,
};
use serde_json::Value;

/// A body of the event stream, in single-object framing.
pub fn event(data: &[u8]) {
    let Some(published) = read_or_refused(event::decode(data)) else { return };
    let written = match &published {
        Published::Run(recorded) => event::encode(recorded),
        Published::Partition(recorded) => event::encode_partition(recorded),
    };
    assert_eq!(event::decode(&written).as_ref(), Ok(&published), "what is written reads back");
    // Whatever can be read can be published and shown.
    let headers = headers::event_headers("fuzz", &published, data, 0, &[0; 16], None);
    assert!(headers.iter().all(|(_, value)| std::str::from_utf8(value).is_ok()));
    assert!(ui::event::json(&published).is_object());
}

/// A body of the event stream, in the framing of a schema registry.
pub fn confluent(data: &[u8]) {
    let Some((id, body)) = framing::confluent(data) else { return };
    let events: Vec<_> = schema::all().iter().filter(|schema| schema.is_event()).collect();
    let schema = events[id as usize % events.len()];
    let single_object = framing::to_single_object(schema, body);
    assert_eq!(framing::to_confluent(id, &single_object), data, "a frame is taken off and put on again");
    event(&single_object);
}

/// A record of the journal: read, judged, and its events folded.
pub fn journal(data: &[u8]) {
    let Some(record) = read_or_refused(journal::decode(&Bytes::copy_from_slice(data))) else { return };
    let written = journal::encode(&record);
    assert_eq!(journal::decode(&written).as_ref(), Ok(&record), "what is written reads back");
    let mut rule = ReadersRule::default();
    rule.read(&record);
    let JournalRecord::Step(step) = &record else { return };
    ReadersRule::seeded(step).read(&record);
    let events = || step.transitions.iter().flat_map(|transition| &transition.events);
    let (mut run, mut again) = (None, None);
    for bytes in events() {
        event(bytes);
        fold(&mut run, bytes);
    }
    events().for_each(|bytes| fold(&mut again, bytes));
    assert_eq!(run, again, "the same events make the same state");
}

/// Folds an event as if it were the next one: any may follow any.
fn fold(run: &mut Option<Run>, bytes: &[u8]) {
    let Ok(Published::Run(mut recorded)) = event::decode(bytes) else { return };
    let before = run.as_ref().map_or(0, |run| run.sequence);
    recorded.sequence = before + 1;
    match apply::fold(run, &recorded) {
        Ok(()) => assert_eq!(run.as_ref().map(|run| run.sequence), Some(before + 1)),
        Err(fault) => is_said(&fault.to_string()),
    }
}

/// A record of `ready.<agent>`.
pub fn task(data: &[u8]) {
    round_trip(data, task::decode, task::encode);
}

/// A record of `delay.<tier>`.
pub fn wakeup(data: &[u8]) {
    round_trip(data, wakeup::decode, wakeup::encode);
}

/// A record of `responses`.
pub fn response(data: &[u8]) {
    round_trip(data, answer::decode, answer::encode);
}

/// A record of `dead-letters`, as each of its readers reads it.
pub fn dead_letter(data: &[u8]) {
    read_or_refused(dead_letter::decode_input(data));
    read_or_refused(dead_letter_read::input_of_node(data));
    read_or_refused(dead_letter_read::decode(data));
}

/// A record of `definitions`, under the key that its body asks for, and as the installation's own.
pub fn definition_record(data: &[u8]) {
    let body: Value = serde_json::from_slice(data).unwrap_or_default();
    let key = format!("{}@{}", body["name"].as_str().unwrap_or("?"), body["hash"].as_str().unwrap_or("?"));
    for key in [key.as_bytes(), definition::INSTALLATION_KEY] {
        let Some(record) = read_or_refused(definition::decode(key, data)) else { continue };
        let (again, value) = definition::encode(&record);
        assert_eq!(again, key);
        assert_eq!(definition::decode(key, &value).as_ref(), Ok(&record), "what is written reads back");
    }
}

fn round_trip<T: PartialEq + std::fmt::Debug>(
    data: &[u8],
    decode: impl Fn(&[u8]) -> Result<T, WireError>,
    encode: impl Fn(&T) -> Bytes,
) {
    if let Some(record) = read_or_refused(decode(data)) {
        assert_eq!(decode(&encode(&record)).as_ref(), Ok(&record), "what is written reads back");
    }
}

fn read_or_refused<T>(read: Result<T, WireError>) -> Option<T> {
    read.map_err(|fault| is_said(&fault.to_string())).ok()
}
