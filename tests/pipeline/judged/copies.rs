//! Copies of the stream with damage at random places.

use crate::support::{Installation, PARTITIONS, copy};
use crate::verify::verified;
use orchestrator::log::NewRecord;
use rand::RngExt;
use rand::rngs::StdRng;
use rand::seq::index::sample;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// How many places of a partition are damaged, a third of them in each way.
const PLACES: usize = 12;

/// Damage, as `verify` has to name it: the word, the subject and the number of the event.
type Damage = (&'static str, String, u64);

/// In a damaged copy of a partition everything is found, and nothing else.
pub fn damage_is_named(at: &Installation, dice: &mut StdRng) {
    let mut done: BTreeSet<Damage> = BTreeSet::new();
    let chosen = dice.random_range(0..PARTITIONS);
    let damaged = copy(at, "damaged", |partition, records| match partition == chosen {
        true => done.extend(damage(records, dice)),
        false => records.clear(),
    });
    let lines = verified(at, &["--events-of", &damaged, "--partition", &chosen.to_string()], 1);
    let named = |line: &Value| {
        let word = ["changed", "missing", "out_of_order"].into_iter().find(|word| line["difference"] == *word);
        let word = word.unwrap_or_else(|| panic!("nobody did that: {line}"));
        (word, line["subject"].as_str().unwrap().to_owned(), line["sequence"].as_u64().unwrap())
    };
    let found: Vec<Damage> = lines.iter().filter(|line| !line["difference"].is_null()).map(named).collect();
    assert_eq!(found.iter().cloned().collect::<BTreeSet<_>>(), done);
    assert_eq!(found.len(), done.len(), "each once: {found:?}");
}

/// Flips a byte, removes a record, swaps a pair, at places that are far enough from each other; what was done.
fn damage(records: &mut Vec<NewRecord>, dice: &mut StdRng) -> Vec<Damage> {
    let mut count: BTreeMap<String, usize> = BTreeMap::new();
    records.iter().for_each(|record| *count.entry(id(record)).or_default() += 1);
    // Not the last ones: a copy ends where it ends. Not what comes twice: without the one there is the other.
    let slots = records.len().saturating_sub(2) / 3;
    let mut places: Vec<usize> = sample(dice, slots, PLACES.min(slots)).into_iter().map(|slot| slot * 3).collect();
    places.retain(|place| records[*place..*place + 2].iter().all(|record| count[&id(record)] == 1));
    // From the end, so that a removal moves no other place.
    places.sort_unstable_by(|a, b| b.cmp(a));
    let mut done = Vec::new();
    for (way, place) in places.into_iter().enumerate() {
        let (subject, sequence) = id(&records[place]).rsplit_once('/').map(|(a, b)| (a.to_owned(), b.parse())).unwrap();
        let word = match way % 3 {
            0 => {
                let mut value = records[place].value.take().unwrap().to_vec();
                let at = dice.random_range(0..value.len());
                value[at] ^= dice.random_range(1..=255_u8);
                records[place].value = Some(value.into());
                "changed"
            }
            1 => {
                drop(records.remove(place));
                "missing"
            }
            _ => {
                records.swap(place, place + 1);
                "out_of_order"
            }
        };
        done.push((word, subject, sequence.unwrap()));
    }
    done
}

fn id(record: &NewRecord) -> String {
    let (_, value) = record.headers.iter().find(|(name, _)| &**name == "ce_id").expect("an id");
    String::from_utf8(value.to_vec()).unwrap()
}
