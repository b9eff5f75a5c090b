//! The headers of the stream, raw, by `kcat` alone.

use crate::support::{Installation, repository};
use std::collections::{BTreeMap, BTreeSet};

/// Every record has the headers that the contract names, its key's partition, and the next number of its run; a twin is
/// like the first.
pub fn are_right(at: &Installation) {
    let topic = format!("{}.events", at.namespace());
    let form = "%p\\t%k\\t%h\\n";
    let line = ["-C", "-b", at.brokers(), "-t", &topic, "-o", "beginning", "-e", "-q", "-f", form];
    let shown = at.run_other("kcat", &line, b"").expect(0).stdout;
    let (mut last, mut seen) = (BTreeMap::<String, u64>::new(), BTreeMap::<String, &str>::new());
    let mut types = BTreeSet::new();
    for line in shown.lines() {
        let [partition, key, headers] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let of: BTreeMap<&str, &str> = headers.split(',').filter_map(|header| header.split_once('=')).collect();
        let (who, sequence) = of["ce_id"].rsplit_once('/').expect("subject and number");
        if let Some(first) = seen.insert(of["ce_id"].to_owned(), headers) {
            assert_eq!(first, headers, "a twin that is not identical");
            continue;
        }
        let next = last.entry(who.to_owned()).or_default();
        *next += 1;
        assert_eq!((sequence.parse(), of["ce_sequence"]), (Ok(*next), &*format!("{next:020}")), "{line}");
        assert_eq!((of["ce_specversion"], of["content-type"]), ("1.0", "application/avro"), "{line}");
        assert_eq!((of["ce_source"], of["ce_subject"]), (at.namespace(), key), "{line}");
        let home = key.strip_prefix("partition-").map_or_else(|| at.home(key), |number| number.parse().unwrap());
        assert_eq!(partition.parse(), Ok(home), "{line}");
        assert_eq!((of["orchestrator_chain"].len(), of["ce_time"].len()), (32, 27), "{line}");
        types.insert(of["ce_type"].strip_prefix("orchestrator.").expect("ours").to_owned());
    }
    assert!(types.len() > 12, "{types:?}");
    types.iter().for_each(|name| assert!(repository().join(format!("schemas/{name}.avsc")).exists(), "{name}"));
}
