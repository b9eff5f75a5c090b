//! Bytes that no one of us wrote: never a panic, never memory for what is not there.

use crate::{samples, strategies};
use bytes::Bytes;
use orchestrator::core::letter::LetterAction;
use orchestrator::journal::record::JournalRecord;
use orchestrator::wire::{
    WireError, answer, dead_letter, dead_letter_read, definition, event, journal, letter_handling, report, request,
    schema, signal, task, wakeup,
};
use proptest::prelude::*;

/// Hands the bytes to every decoder. What they say does not matter here, only that they say it.
fn decode_all(bytes: &[u8]) {
    let _ = event::decode(bytes);
    let _ = journal::decode(&Bytes::copy_from_slice(bytes));
    let _ = task::decode(bytes);
    let _ = wakeup::decode(bytes);
    let _ = answer::decode(bytes);
    let _ = definition::decode(bytes, bytes);
    let _ = definition::decode(definition::INSTALLATION_KEY, bytes);
    let _ = request::read_origin(bytes);
    let _ = letter_handling::decode(bytes);
    let _ = dead_letter_read::decode(bytes);
    for key in [None, Some(bytes)] {
        let _ = request::decode(key, Some(bytes), usize::MAX);
        let _ = report::decode(key, Some(bytes), usize::MAX);
        let _ = signal::decode(key, Some(bytes), usize::MAX);
    }
}

/// One of everything that can be written, with a frame where there is one.
fn written() -> Vec<Bytes> {
    let mut all: Vec<Bytes> = samples::run_events().iter().map(event::encode).collect();
    all.extend(samples::partition_events().iter().map(event::encode_partition));
    all.push(journal::encode(&JournalRecord::Step(samples::step())));
    all.push(journal::encode(&JournalRecord::PartitionTaken(samples::taken())));
    all.push(task::encode(&samples::task()));
    all.extend(samples::reports().iter().map(|(_, sample)| report::encode(sample)));
    all.extend(samples::responses().iter().map(|(_, sample)| answer::encode(sample)));
    all.extend(samples::definitions().iter().map(|(_, sample)| definition::encode(sample).1));
    all.extend([samples::discard(), samples::supply()].iter().map(signal::encode));
    all.push(request::encode(&samples::resuming()));
    all.push(dead_letter::encode_input(&samples::letter_id(), &samples::refused(), &samples::input_record()));
    all.push(letter_handling::encode(&samples::handling(), &[(samples::letter_id(), LetterAction::Skip)]));
    all.push(crate::inbound::avro_request().into());
    all.push(crate::inbound::avro_report().into());
    all
}

#[test]
fn every_truncation_and_every_flipped_bit() {
    for bytes in written() {
        for length in 0..bytes.len() {
            decode_all(&bytes[..length]);
        }
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.to_vec();
            flipped[bit / 8] ^= 1 << (bit % 8);
            decode_all(&flipped);
        }
    }
}

#[test]
fn a_truncated_or_lengthened_avro_record_is_never_accepted() {
    for recorded in samples::run_events() {
        let bytes = event::encode(&recorded);
        for length in 0..bytes.len() {
            assert!(event::decode(&bytes[..length]).is_err(), "{} cut at {length}", recorded.event.name());
        }
        let longer = [&bytes[..], b"\0"].concat();
        let fault = event::decode(&longer).unwrap_err();
        assert!(fault.to_string().contains("1 bytes after the end"), "{fault}");
    }
    let bytes = journal::encode(&JournalRecord::Step(samples::step()));
    for length in 0..bytes.len() {
        assert!(journal::decode(&bytes.slice(..length)).is_err(), "step cut at {length}");
    }
}

/// Avro's variable-length zig-zag form of a number.
fn varint(number: i64) -> Vec<u8> {
    let mut rest = ((number << 1) ^ (number >> 63)) as u64;
    let mut bytes = Vec::new();
    while rest > 0x7f {
        bytes.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    bytes.push(rest as u8);
    bytes
}

#[test]
fn a_length_of_2_to_the_60_allocates_nothing() {
    // At every place of every record, so at every length prefix too: a huge, a negative and the least number.
    for bytes in written().iter().filter(|bytes| bytes.starts_with(&schema::SINGLE_OBJECT)) {
        for place in schema::FRAME_BYTES..bytes.len() {
            for number in [1 << 60, -(1 << 60), i64::MIN, i64::MAX, 1 << 32] {
                decode_all(&[&bytes[..place], &varint(number), &bytes[place..]].concat());
                decode_all(&[&bytes[..place], &varint(number)].concat());
            }
        }
    }
}

#[test]
fn a_schema_of_the_future_is_told_from_rubbish() {
    let mut bytes = event::encode(&samples::run_events()[0]).to_vec();
    bytes[2..10].fill(0xAB);
    for fault in [event::decode(&bytes).unwrap_err(), journal::decode(&bytes.clone().into()).unwrap_err()] {
        assert!(matches!(&fault, WireError::Newer { found, .. } if found.contains("abababababababab")), "{fault}");
    }
    bytes[0] = b'{';
    assert!(matches!(event::decode(&bytes), Err(WireError::Malformed { .. })));
    let taken = journal::encode(&JournalRecord::PartitionTaken(samples::taken()));
    let fault = event::decode(&taken).unwrap_err();
    assert!(fault.to_string().contains("a PartitionTaken"), "{fault}");
    let fault = task::decode(br#"{"format":2,"anything":[]}"#).unwrap_err();
    assert!(matches!(fault, WireError::Newer { .. }), "{fault}");
}

proptest! {
    #![proptest_config(strategies::cases(2_000))]

    #[test]
    fn random_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        decode_all(&bytes);
    }

    #[test]
    fn random_bytes_behind_a_frame(which in 0..18usize, body in proptest::collection::vec(any::<u8>(), 0..300)) {
        let frame = schema::all()[which % schema::all().len()].frame();
        decode_all(&[&frame[..], &body].concat());
    }

    #[test]
    fn json_of_any_shape(value in strategies::value()) {
        decode_all(value.to_string().as_bytes());
    }
}
