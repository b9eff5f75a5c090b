//! What `verify` finds in copies that are not as they should be, and that it finds nothing in those that are.

use crate::damage::{batch, copy, flipped, header, id, installation, process, stream, verified, verify_copy};
use bytes::Bytes;
use orchestrator::history::verify::Kind;
use orchestrator::log::Record;
use orchestrator::store::Store;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng, random};

/// Positions of records that are the first of their event.
fn firsts(records: &[Record]) -> Vec<usize> {
    let mut seen = std::collections::BTreeSet::new();
    (0..records.len()).filter(|at| seen.insert(id(&records[*at]))).collect()
}

#[test]
fn an_undamaged_stream_with_retries_restarts_and_twins_is_whole() {
    let mut twins = 0;
    for seed in 0..20 {
        let of = installation(seed);
        let live = verified(&process(&of.log), &process(&of.log), false, Some(&of.store));
        assert_eq!(live.faults, [], "seed {seed}");
        assert!(live.report.runs > 0 && live.report.unpublished == 0, "seed {seed}: {:?}", live.report);
        let copied = verify_copy(&of, &stream(&of));
        assert_eq!((&copied.faults[..], copied.report.records), (&[][..], live.report.records), "seed {seed}");
        twins += live.report.twins;
    }
    assert!(twins > 5, "{twins} twins");
}

#[test]
fn every_flipped_byte_is_found_and_named() {
    let seed = random();
    let mut rng = StdRng::seed_from_u64(seed);
    let of = installation(3);
    let records = stream(&of);
    for _ in 0..60 {
        let mut damaged = records.clone();
        let at = rng.random_range(0..records.len());
        let value = damaged[at].value.clone().unwrap();
        let byte = rng.random_range(0..value.len());
        damaged[at].value = Some(flipped(&value, byte));
        let heard = verify_copy(&of, &damaged);
        let (subject, sequence) = id(&records[at]);
        let what = format!("seed {seed}, record {at}, byte {byte}: {:?}", heard.faults);
        assert!(heard.names(&subject, sequence) && heard.faults.len() == 1, "{what}");
        let fault = &heard.faults[0];
        assert!([Kind::Changed, Kind::TwinDiffers].contains(&fault.kind), "{what}");
        assert_eq!((fault.field.as_deref(), fault.events_offset), (Some("value"), Some(at as u64)), "{what}");
        assert!(fault.found.contains(&format!("byte {byte} of")), "{what}");
    }
}

#[test]
fn every_changed_header_and_key_is_found_and_named() {
    let seed = random();
    let mut rng = StdRng::seed_from_u64(seed);
    let of = installation(4);
    let records = stream(&of);
    for _ in 0..60 {
        let mut damaged = records.clone();
        let at = rng.random_range(0..records.len());
        let headers = &mut damaged[at].headers;
        let which = rng.random_range(0..headers.len());
        let byte = rng.random_range(0..headers[which].1.len());
        let name = headers[which].0.clone();
        headers[which].1 = flipped(&headers[which].1, byte);
        let heard = verify_copy(&of, &damaged);
        let (subject, sequence) = id(&records[at]);
        let what = format!("seed {seed}, record {at}, header {name}: {:?}", heard.faults);
        assert!(heard.names(&subject, sequence) && heard.faults.len() == 1, "{what}");
        assert_eq!(heard.faults[0].field.as_deref(), Some(&*format!("header {name}")), "{what}");
    }
    let mut damaged = records.clone();
    damaged[5].key = Some(Bytes::from("another"));
    let heard = verify_copy(&of, &damaged);
    assert_eq!((heard.faults.len(), heard.faults[0].field.as_deref()), (1, Some("key")));
    damaged[5] = records[5].clone();
    damaged[6].headers.retain(|(name, _)| name != "orchestrator_chain");
    let heard = verify_copy(&of, &damaged);
    assert_eq!((heard.faults.len(), &*heard.faults[0].found), (1, "nothing"));
    assert_eq!(heard.faults[0].expected, header(&records[6], "orchestrator_chain"));
}

#[test]
fn every_removed_record_is_missed_unless_a_twin_is_left() {
    let of = installation(5);
    let records = stream(&of);
    let firsts = firsts(&records);
    for (i, at) in firsts.iter().copied().enumerate() {
        let mut damaged = records.clone();
        let (subject, sequence) = id(&damaged.remove(at));
        let heard = verify_copy(&of, &damaged);
        let twin = damaged.iter().position(|record| id(record) == (subject.clone(), sequence));
        // One that stands before whatever comes next takes its place.
        if twin.is_some_and(|twin| firsts.get(i + 1).is_none_or(|next| twin + 1 < *next)) {
            assert_eq!(heard.faults, [], "record {at} of {}", records.len());
            continue;
        }
        let twin = twin.is_some();
        let what = format!("record {at} of {}: {:?}", records.len(), heard.faults);
        if at == records.len() - 1 {
            // A copy may have been made before it was published.
            assert_eq!((heard.faults.len(), heard.report.unpublished), (0, 1), "{what}");
        } else {
            let kind = if twin { Kind::OutOfOrder } else { Kind::Missing };
            assert!(heard.names(&subject, sequence), "{what}");
            assert!(heard.kinds().iter().all(|found| *found == kind), "{what}");
        }
    }
    // On the installation's own stream a missing end is missed, too: it was acknowledged.
    let mut damaged = records;
    let (subject, sequence) = id(&damaged.pop().unwrap());
    let heard = verified(&process(&of.log), &copy(&damaged), false, Some(&of.store));
    assert!(heard.names(&subject, sequence) && heard.kinds() == [Kind::Missing], "{:?}", heard.faults);
}

#[test]
fn every_swapped_pair_is_found_and_named() {
    let of = installation(6);
    let records = stream(&of);
    let firsts = firsts(&records);
    let pairs = firsts.windows(2).filter(|pair| pair[1] == pair[0] + 1);
    let mut count = 0;
    for pair in pairs {
        let mut damaged = records.clone();
        damaged.swap(pair[0], pair[1]);
        let heard = verify_copy(&of, &damaged);
        let (subject, sequence) = id(&records[pair[0]]);
        assert!(heard.names(&subject, sequence) && heard.faults.len() == 1, "{pair:?}: {:?}", heard.faults);
        let fault = &heard.faults[0];
        assert_eq!((fault.kind, fault.events_offset), (Kind::OutOfOrder, Some(pair[1] as u64)), "{fault:?}");
        count += 1;
    }
    assert!(count > 20, "{count} pairs");
}

#[test]
fn a_twin_is_no_fault_unless_it_says_something_else() {
    let of = installation(7);
    let records = stream(&of);
    let mut repeated = records.clone();
    repeated.extend(records.clone());
    let heard = verify_copy(&of, &repeated);
    assert_eq!((heard.faults.len(), heard.report.twins >= records.len() as u64), (0, true), "{:?}", heard.faults);
    let at = records.len() / 2;
    let mut twin = records[at].clone();
    let value = twin.value.clone().unwrap();
    twin.value = Some(flipped(&value, value.len() - 1));
    let mut damaged = records.clone();
    damaged.push(twin);
    let heard = verify_copy(&of, &damaged);
    let (subject, sequence) = id(&records[at]);
    assert!(heard.names(&subject, sequence) && heard.kinds() == [Kind::TwinDiffers], "{:?}", heard.faults);
    assert_eq!(heard.faults[0].events_offset, Some(records.len() as u64));
}

#[test]
fn an_event_that_the_journal_does_not_have_is_found_and_one_that_only_it_has() {
    let (of, other) = (installation(8), installation(9));
    let foreign = stream(&other).into_iter().find(|record| !header(record, "ce_id").starts_with("partition-")).unwrap();
    let mut damaged = stream(&of);
    damaged.insert(4, foreign.clone());
    let heard = verify_copy(&of, &damaged);
    let (subject, sequence) = id(&foreign);
    assert!(heard.names(&subject, sequence) && heard.kinds() == [Kind::Unknown], "{:?}", heard.faults);
    assert_eq!(heard.faults[0].events_offset, Some(4));

    let mut rubbish = foreign;
    rubbish.value = Some(Bytes::from("rubbish"));
    damaged[4] = rubbish;
    assert_eq!(verify_copy(&of, &damaged).kinds(), [Kind::Unreadable]);

    // Nothing at all is on the stream.
    let heard = verified(&process(&of.log), &copy(&[]), false, Some(&of.store));
    assert_eq!(heard.kinds(), [Kind::Missing]);
    assert_eq!(heard.faults.len(), firsts(&stream(&of)).len());
}

#[test]
fn a_row_that_was_changed_is_found_field_by_field() {
    use orchestrator::store::query::{Filter, Query};
    use orchestrator::store::row::RunRow;
    let of = installation(10);
    let summary = of.store.runs(&Filter { limit: 1, ..Filter::default() }).unwrap().remove(0);
    let (_, mut run) = of.store.run(&summary.workflow_id, Some(&summary.run_id)).unwrap().unwrap();
    run.definition.version += 1;
    for node in run.nodes.values_mut() {
        node.attempt += 1;
    }
    batch(&of, |batch| batch.runs = vec![RunRow { run, chain: [0; 16] }]);
    let heard = verified(&process(&of.log), &process(&of.log), false, Some(&of.store));
    assert_eq!(heard.kinds(), [Kind::RowDiffers], "{:?}", heard.faults);
    let fields: Vec<_> = heard.faults.iter().filter_map(|fault| fault.field.as_deref()).collect();
    assert!(fields.contains(&"definition"), "{fields:?}");
    assert!(heard.faults.iter().all(|f| f.subject.as_deref() == Some(summary.run_id.as_str()) && f.table.is_some()));

    let position = of.store.position(0).unwrap().unwrap();
    batch(&of, |batch| batch.next.partition_sequence += 1);
    let heard = verified(&process(&of.log), &process(&of.log), false, Some(&of.store));
    let own = heard.of(Kind::RowDiffers).into_iter().find(|fault| fault.field.as_deref() == Some("sequence")).unwrap();
    assert_eq!(own.expected, position.partition_sequence.to_string());
}
