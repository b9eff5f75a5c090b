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
//! | `text output` | each line of it has to be printed by the commands before (digits may differ) |
//! | `yaml definition` | a definition to read; it has to be valid, as has to be each that is saved |
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

#[path = "docs/blocks.rs"]
mod blocks;
#[path = "docs/links.rs"]
mod links;
#[path = "docs/session.rs"]
mod session;

use blocks::{Block, blocks_of};
use session::Session;
use std::fs;
use std::path::{Path, PathBuf};

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
    let readme = fs::read_to_string(Path::new(ROOT).join("README.md")).unwrap();
    let blocks = blocks_of(&readme);
    let mut session = Session::begin();
    let mut ran = 0;
    for block in &blocks {
        match (block.purpose.as_str(), block.file()) {
            (_, Some(name)) => session.save(name, &block.text),
            ("run=background", _) => session.start(&block.text),
            ("run", _) => {
                session.run(&block.text, block.line);
                ran += 1;
            }
            ("output", _) => session.printed(&block.text, block.line),
            _ => {}
        }
    }
    assert!(ran >= 2, "README.md has commands to run");
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
    session.run(&format!("orchestrator definitions validate {}", files.join(" ")), 0);
}

#[test]
fn links_lead_somewhere() {
    let faults: Vec<String> = documents().iter().flat_map(|document| links::broken_in(document)).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
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
