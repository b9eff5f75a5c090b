//! What is written reads back as it was, and others read the same.

use crate::golden::read_independently;
use crate::strategies;
use bytes::Bytes;
use orchestrator::core::command::Request;
use orchestrator::journal::record::JournalRecord;
use orchestrator::wire::event::Published;
use orchestrator::wire::{answer, definition, event, journal, report, request, task, wakeup};
use proptest::prelude::*;
use serde_json::json;

proptest! {
    #![proptest_config(strategies::cases(200))]

    #[test]
    fn events_of_a_run(recorded in strategies::recorded()) {
        let bytes = event::encode(&recorded);
        prop_assert_eq!(read_independently(recorded.event.name(), &bytes)["sequence"].as_u64(), Some(recorded.sequence));
        prop_assert_eq!(event::decode(&bytes), Ok(Published::Run(recorded)));
    }

    #[test]
    fn events_of_a_partition(recorded in strategies::partition_recorded()) {
        let bytes = event::encode_partition(&recorded);
        prop_assert_eq!(read_independently(recorded.event.name(), &bytes)["time"].as_i64(), Some(recorded.time.0));
        prop_assert_eq!(event::decode(&bytes), Ok(Published::Partition(recorded)));
    }

    #[test]
    fn journal_records(record in strategies::journal_record()) {
        let bytes = journal::encode(&record);
        let read = journal::decode(&bytes);
        prop_assert_eq!(read.as_ref(), Ok(&record));
        if let Ok(JournalRecord::Step(step)) = read {
            let inside = |part: &Bytes| part.is_empty() || bytes.as_ptr_range().contains(&part.as_ptr());
            let events = step.transitions.iter().flat_map(|transition| &transition.events);
            prop_assert!(events.into_iter().all(inside), "events are slices of the record, not copies");
        }
    }

    #[test]
    fn tasks(sample in strategies::task()) {
        prop_assert_eq!(task::decode(&task::encode(&sample)), Ok(sample));
    }

    #[test]
    fn wakeups(sample in strategies::wakeup()) {
        prop_assert_eq!(wakeup::decode(&wakeup::encode(&sample)), Ok(sample));
    }

    #[test]
    fn reports(sample in strategies::report()) {
        let bytes = report::encode(&sample);
        prop_assert_eq!(report::decode(None, Some(&bytes), usize::MAX), Ok(sample.clone()));
        prop_assert_eq!(report::decode(Some(sample.workflow_id.as_str().as_bytes()), Some(&bytes), usize::MAX), Ok(sample));
    }

    #[test]
    fn responses(sample in strategies::response()) {
        prop_assert_eq!(answer::decode(&answer::encode(&sample)), Ok(sample));
    }

    #[test]
    fn definition_records(sample in strategies::definition_record()) {
        let (key, value) = definition::encode(&sample);
        prop_assert_eq!(definition::decode(&key, &value), Ok(sample));
    }

    #[test]
    fn requests(input in strategies::value(), version in proptest::option::of(1..=u32::MAX)) {
        let text = json!({"definition": "d", "version": version, "input": input}).to_string();
        let read = request::decode(None, Some(text.as_bytes()), usize::MAX);
        let value = read.as_ref().map(|request: &Request| (request.version, request.input.value()));
        prop_assert_eq!(value, Ok((version, input)));
    }

    #[test]
    fn origins(origin in strategies::origin()) {
        let read = request::read_origin(request::write_origin(&origin).as_bytes()).unwrap();
        prop_assert_eq!((read.time.as_millis(), &read.topic), (origin.time.as_millis(), &origin.topic));
        prop_assert_eq!((read.partition, read.offset), (origin.partition, origin.offset));
        prop_assert_eq!(request::run_id(&read), request::run_id(&origin));
    }
}
