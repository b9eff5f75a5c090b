//! Work under an engine that is killed.

use super::graphs;
use crate::support::{Installation, PARTITIONS, Process, Stream, text, until};
use bytes::Bytes;
use orchestrator::log::{NewRecord, Topic};
use orchestrator::store::query::Filter;
use rand::RngExt;
use rand::rngs::StdRng;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

/// How often the engine is killed while requests come in.
const KILLS: usize = 4;

/// Applies random definitions; their documents.
pub fn definitions(at: &Installation, dice: &mut StdRng, count: usize) -> Vec<Value> {
    let definitions: Vec<Value> = (0..count).map(|number| graphs::random(dice, number)).collect();
    let file = |(number, definition): (usize, &Value)| {
        let path = at.folder().join(format!("graph-{number}.json"));
        fs::write(&path, definition.to_string()).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let files: Vec<String> = definitions.iter().enumerate().map(file).collect();
    let line: Vec<&str> = ["definitions", "apply"].into_iter().chain(files.iter().map(String::as_str)).collect();
    at.run(&line).expect(0);
    definitions
}

/// An installation whose engine is killed.
pub struct Storm<'a> {
    pub at: &'a Installation,
    pub definitions: &'a [Value],
    events: Stream,
    journal: Stream,
    read: usize,
    started: BTreeSet<String>,
    ended: BTreeSet<String>,
    engines: usize,
    engine: Option<Process>,
}

impl<'a> Storm<'a> {
    pub fn new(at: &'a Installation, definitions: &'a [Value]) -> Self {
        let (events, journal) = (at.stream(Topic::Events), at.stream(Topic::Journal));
        let (started, ended) = Default::default();
        Self { at, definitions, events, journal, read: 0, started, ended, engines: 0, engine: None }
    }

    /// Starts an engine. Each is a group of its own, so that it tries at once and does not wait until the broker misses the
    /// one that was killed: only the journal's terms are between it and what that one has left under way.
    fn start(&mut self) {
        self.engines += 1;
        let mut command = self.at.command(&["serve", "--group", &format!("storm-{}", self.engines)]);
        // A third of what recovery waits before time runs out for an attempt.
        command.env("ORCHESTRATOR_DEADLINE_GRACE", "100ms");
        self.engine = Some(self.at.start_command(command, "serve"));
    }

    /// Kills the engine a random while after it has begun to work, and starts another.
    fn strike(&mut self, dice: &mut StdRng) {
        let before = self.journal.records().len();
        until("the engine works", || (self.journal.records().len() > before + 4).then_some(()));
        std::thread::sleep(dice.random_range(Duration::from_millis(50)..Duration::from_millis(1_200)));
        if let Some(engine) = self.engine.take() {
            engine.kill();
        }
        self.start();
    }

    /// Waits until so many runs have begun, and all that have begun have ended.
    pub fn rest(&mut self, runs: usize) {
        let events = |partition| self.at.log().ends(&Topic::Events, partition).unwrap().high as usize;
        let there: usize = (0..PARTITIONS).map(events).sum();
        until("all runs have ended", || {
            let records = self.events.records();
            for record in &records[self.read..] {
                let (kind, id) = (text(record, "ce_type"), text(record, "ce_id"));
                let run = id.split('/').next().unwrap_or_default().to_owned();
                match kind.split('.').nth(1) {
                    Some("WorkflowStarted") => drop(self.started.insert(run)),
                    Some("WorkflowCompleted" | "WorkflowFailed") => drop(self.ended.insert(run)),
                    _ => {}
                }
            }
            self.read = records.len();
            (self.read >= there && self.started.len() >= runs && self.started == self.ended).then_some(())
        });
        // Letters and forks are looked for in the tables.
        let (store, all) = (self.at.store(), Filter { limit: 1_000_000, ..Filter::default() });
        until("the tables say so", || {
            let runs = store.query().runs(&all).unwrap();
            (runs.len() == self.started.len() && runs.iter().all(|run| run.ended_at.is_some())).then_some(())
        });
    }

    /// How many runs there are.
    pub fn runs(&self) -> usize {
        self.started.len()
    }

    /// Publishes the requests in waves, and kills the engine in each.
    pub fn rage(&mut self, dice: &mut StdRng, workflows: usize) {
        self.start();
        let mut published = 0;
        for wave in 1..=KILLS {
            let until = workflows * wave / KILLS;
            let requests = (published..until).map(|number| self.request(dice, number)).collect();
            self.at.publish_all(requests);
            published = until;
            self.strike(dice);
        }
        self.rest(workflows);
    }

    fn request(&self, dice: &mut StdRng, number: usize) -> NewRecord {
        let definition = &self.definitions[dice.random_range(0..self.definitions.len())];
        let id = format!("order {number}");
        let input = json!({ "number": number, "text": "☕" });
        NewRecord {
            topic: Topic::Requests,
            partition: Some(self.at.home(&id)),
            key: Some(Bytes::from(id.clone())),
            value: Some(json!({ "definition": definition["name"], "input": input }).to_string().into()),
            headers: vec![],
        }
    }

    /// Puts some dead letters aside and has all others redriven, while the engine is killed.
    pub fn redrive(&mut self, dice: &mut StdRng) {
        let before = self.runs();
        self.at.run(&["dlq", "discard", "--kind", "node", "--limit", "3", "--yes", "--by", "ada"]).expect(0);
        // It ends once the tables say of every letter that it was worked off.
        let line = ["dlq", "redrive", "--kind", "node", "--yes", "--by", "ada", "--timeout", "60"];
        let redrive = self.at.start("redrive", &line);
        self.strike(dice);
        let code = redrive.wait();
        let said = fs::read_to_string(self.at.folder().join("redrive.log")).unwrap();
        // What was to undo something is not done again by another run, and is said to be left to a person.
        let left: Vec<&str> = said.lines().filter(|line| line.contains("cannot be redriven")).collect();
        assert!(left.iter().all(|line| line.contains("it was to undo what node")), "{left:?}");
        assert_eq!(code, i32::from(!left.is_empty()), "{said}");
        self.rest(before + 1);
    }
}
