//! The documents hold: what they tell a reader to run runs, what they show comes out, the definitions in them are
//! valid, and their links lead somewhere.
//!
//! A fenced block says after its language what it is for:
//!
//! | info string | meaning |
//! |---|---|
//! | `yaml file=NAME`, `python file=NAME` | the reader saves it under this name |
//! | `sh run` | the commands are run, on the embedded leg, and have to succeed |
//! | `sh run=background` | one command that goes on running, as in a terminal of its own |
//! | `text output` | each line of it has to be printed by the commands before (digits may differ, `…` is anything) |
//! | `sh run-kafka`, `sh run-kafka=background`, `text output-kafka` | the same on Kafka and Postgres |
//! | `sql run-kafka` | a question to that Postgres, which it has to understand |
//! | `yaml definition` | a definition to read; it has to be valid, as has to be each that is saved |
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

#[path = "docs/blocks.rs"]
mod blocks;
#[path = "docs/links.rs"]
mod links;
#[path = "docs/session.rs"]
mod session;
#[path = "support/pipeline/mod.rs"]
#[allow(dead_code, unused_imports, reason = "shared with other test targets")]
mod support;

use blocks::{Block, blocks_of};
use orchestrator::core::classify::DEFAULT_TABLE;
use orchestrator::core::failure::FailureClass;
use session::Session;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use support::{Installation, Leg};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Every Markdown file of the repository.
fn documents() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for folder in ["", "docs", "docs/decisions"] {
        for entry in fs::read_dir(Path::new(ROOT).join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "md") {
                found.push(path);
            }
        }
    }
    found.sort();
    assert!(found.len() > 5, "the documents are not where this test looks: {found:?}");
    found
}

fn is_definition(block: &Block) -> bool {
    block.language == "yaml" && (block.purpose == "definition" || block.file().is_some())
}

#[test]
fn the_readers_first_workflow_runs_as_it_is_told() {
    let mut session = Session::begin();
    assert!(play(&mut session, "README.md", "") >= 2, "README.md has commands to run");
}

#[test]
fn what_is_told_about_kafka_and_postgres_runs_as_it_is_told() {
    if !Leg::all().contains(&Leg::Kafka) {
        return;
    }
    let installation = Installation::new(Leg::Kafka);
    let mut session = Session::on_kafka(&installation);
    assert!(play(&mut session, "README.md", "-kafka") >= 4, "README.md has commands to run on Kafka");
    assert!(play(&mut session, "docs/operations.md", "-kafka") >= 6, "operators have commands to run");
}

/// Does what a document says, on the leg that `leg` stands for; how many blocks were run.
fn play(session: &mut Session, document: &str, leg: &str) -> usize {
    let blocks = blocks_of(&fs::read_to_string(Path::new(ROOT).join(document)).unwrap());
    let mut ran = 0;
    for (block, next) in blocks.iter().zip(blocks.iter().skip(1).map(Some).chain([None])) {
        // What is shown right below a block is what it prints.
        let shown = next.filter(|next| next.purpose == format!("output{leg}")).map_or("", |next| &next.text);
        match (block.language.as_str(), block.purpose.strip_suffix("=background").unwrap_or(&block.purpose)) {
            _ if leg.is_empty() && block.file().is_some() => {
                session.save(block.file().unwrap_or_default(), &block.text);
                continue;
            }
            ("sh", purpose) if purpose == format!("run{leg}") => match purpose == block.purpose {
                true => session.run(&block.text, shown, block.line),
                false => session.start(&block.text),
            },
            ("sql", purpose) if purpose == format!("run{leg}") => session.ask(&block.text, block.line),
            _ => continue,
        }
        ran += 1;
    }
    ran
}

#[test]
fn definitions_in_documents_and_examples_are_valid() {
    let session = Session::begin();
    let mut files = Vec::new();
    for document in documents() {
        for block in blocks_of(&fs::read_to_string(&document).unwrap()).iter().filter(|block| is_definition(block)) {
            let name = format!("{}-{}.yaml", document.file_stem().unwrap().display(), block.line);
            session.save(&name, &block.text);
            files.push(name);
        }
    }
    assert!(files.len() >= 2, "{files:?}");
    for folder in ["examples/definitions", "examples/shop"] {
        for entry in fs::read_dir(Path::new(ROOT).join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "yaml") {
                files.push(path.to_str().unwrap().to_owned());
            }
        }
    }
    session.run(&format!("orchestrator definitions validate {}", files.join(" ")), "", 0);
}

#[test]
fn links_lead_somewhere() {
    let faults: Vec<String> = documents().iter().flat_map(|document| links::broken_in(document)).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn the_default_table_is_the_one_that_decides() {
    let page = fs::read_to_string(Path::new(ROOT).join("docs/failures.md")).unwrap();
    let (_, table) = page.split_once("## The default table").unwrap();
    let shown: Vec<&str> = table.lines().filter(|line| line.starts_with("| `")).collect();
    let line =
        |(code, class, what): &(&str, FailureClass, &str)| format!("| `{code}` | `{}` | {what} |", class.as_str());
    assert_eq!(shown, DEFAULT_TABLE.iter().map(line).collect::<Vec<_>>());
}

#[test]
fn the_first_command_of_the_readme_names_no_program() {
    let metadata =
        Command::new(env!("CARGO")).args(["metadata", "--no-deps", "--format-version", "1"]).output().unwrap();
    let metadata: serde_json::Value = serde_json::from_slice(&metadata.stdout).unwrap();
    assert_eq!(metadata["packages"][0]["default_run"], "orchestrator");
    assert!(fs::read_to_string(Path::new(ROOT).join("README.md")).unwrap().contains("cargo run --release -- demo"));
}

#[test]
fn every_dependency_has_its_reason() {
    let manifest = fs::read_to_string(Path::new(ROOT).join("Cargo.toml")).unwrap();
    let reasons = fs::read_to_string(Path::new(ROOT).join("docs/dependencies.md")).unwrap();
    let mut in_dependencies = false;
    let mut missing = Vec::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            in_dependencies = line.ends_with("dependencies]");
        } else if in_dependencies
            && let Some((name, _)) = line.split_once(" =")
            && !reasons.contains(&format!("| `{name}` |"))
        {
            missing.push(name.to_owned());
        }
    }
    assert!(missing.is_empty(), "docs/dependencies.md says nothing about {missing:?}");
}
