//! The targets of `fuzz/` with the pinned compiler: over their corpus, and over mutations of it from a seed that is
//! printed (`PROPTEST_RNG_SEED` runs them again, `PROPTEST_CASES` says how many). `fuzz/README.md` says how to search
//! for hours.

#![allow(clippy::unwrap_used, clippy::panic, reason = "what fails in a test's helper fails the test")]

#[path = "../fuzz/src/lib.rs"]
mod fuzz;
#[path = "support/mutation.rs"]
mod mutation;
#[path = "support/watch.rs"]
mod watch;

use fuzz::TARGETS;
use proptest::test_runner::{Config, RngSeed, TestError, TestRunner};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use watch::Watch;

const FUZZ: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz");

/// The files of a target's corpus, by name.
fn corpus(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = fs::read_dir(Path::new(FUZZ).join("corpus").join(target));
    let mut files: Vec<PathBuf> = folder.expect("every target has a corpus").map(|file| file.unwrap().path()).collect();
    files.sort();
    files.into_iter().map(|file| (file.clone(), fs::read(file).unwrap())).collect()
}

/// So many cases for each target, or as many as the environment says.
fn config(cases: u32) -> Config {
    let default = Config::default();
    let seed = match default.rng_seed {
        RngSeed::Fixed(seed) => seed,
        RngSeed::Random => rand::random(),
    };
    println!("PROPTEST_RNG_SEED={seed}");
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { default.cases } else { cases };
    // A case is a few kilobytes: what remains of it after so many steps is small enough to be read.
    Config { cases, rng_seed: RngSeed::Fixed(seed), failure_persistence: None, max_shrink_iters: 4_096, ..default }
}

#[test]
fn everything_that_was_found_holds() {
    let watch = Watch::begin();
    let mut faults = Vec::new();
    for target in &TARGETS {
        for (file, data) in corpus(target.name) {
            watch.case(&file.display().to_string(), &data);
            if std::panic::catch_unwind(|| (target.holds)(&data)).is_err() {
                faults.push(file);
            }
        }
    }
    assert!(faults.is_empty(), "what was said above is of {faults:#?}");
}

#[test]
fn mutations_of_what_was_found_hold() {
    let watch = Watch::begin();
    let config = config(2_000);
    let mut faults = Vec::new();
    for target in &TARGETS {
        let seeds = corpus(target.name).into_iter().map(|(_, data)| data).collect();
        let mut runner = TestRunner::new(config.clone());
        let ran = runner.run(&mutation::of(seeds), |data| {
            watch.case(target.name, &data);
            (target.holds)(&data);
            Ok(())
        });
        match ran {
            Ok(()) => {}
            Err(TestError::Fail(why, data)) => {
                faults.push(format!("{}: {why}\n{}", target.name, watch::kept(target.name, &data)));
            }
            Err(aborted) => faults.push(format!("{}: {aborted}", target.name)),
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_target_can_be_given_to_a_fuzzer() {
    let manifest = fs::read_to_string(Path::new(FUZZ).join("Cargo.toml")).unwrap();
    let names: BTreeSet<&str> = TARGETS.iter().map(|target| target.name).collect();
    assert_eq!(names.len(), TARGETS.len(), "each name once");
    for name in &names {
        let file = format!("fuzz_targets/{name}.rs");
        let text = fs::read_to_string(Path::new(FUZZ).join(&file)).unwrap_or_else(|_| panic!("no {file}"));
        assert!(text.contains(&format!("::{name}(data)")), "{file} runs another target");
        assert!(manifest.contains(&format!("path = \"{file}\"")), "fuzz/Cargo.toml does not name {file}");
    }
    for folder in ["fuzz_targets", "corpus"] {
        for entry in fs::read_dir(Path::new(FUZZ).join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap();
            assert!(names.contains(name), "{} is of no target", path.display());
        }
    }
}

#[test]
fn every_reader_is_fuzzed() {
    // A target that refuses all of its corpus would hold of a decoder that reads nothing.
    let accepted = |target: &str, is_read: fn(&[u8]) -> bool| {
        assert!(corpus(target).iter().any(|(_, data)| is_read(data)), "nothing in the corpus of {target} is read");
    };
    use orchestrator::core::definition::Definition;
    use orchestrator::wire::*;
    accepted("request", |data| request::decode(None, Some(data), usize::MAX).is_ok());
    accepted("report", |data| report::decode(None, Some(data), usize::MAX).is_ok());
    accepted("signal", |data| signal::decode(None, Some(data), usize::MAX).is_ok());
    accepted("letter_handling", |data| letter_handling::decode(data).is_ok());
    accepted("origin", |data| request::read_origin(data).is_some());
    accepted("event", |data| event::decode(data).is_ok());
    accepted("journal", |data| journal::decode(&bytes::Bytes::copy_from_slice(data)).is_ok());
    accepted("task", |data| task::decode(data).is_ok());
    accepted("wakeup", |data| wakeup::decode(data).is_ok());
    accepted("response", |data| answer::decode(data).is_ok());
    accepted("dead_letter", |data| dead_letter_read::decode(data).is_ok());
    accepted("dead_letter", |data| matches!(dead_letter_read::input_of_node(data), Ok(Some(_))));
    accepted("definition_record", |data| definition::decode(definition::INSTALLATION_KEY, data).is_ok());
    accepted("definition", |data| std::str::from_utf8(data).is_ok_and(|text| Definition::read(text).is_ok()));
}
