//! Gathers what is known of a run. Log and store are asked each for itself: what one cannot say is noted, and the other
//! answers all the same.

use super::{journal, workers};
use crate::cli::frontier::{NoFrontier, frontier};
use crate::cli::history::read::{self, History};
use crate::cli::{Context, connect};
use crate::core::id::{AgentName, NodeId, RunId, WorkflowId};
use crate::core::run::Run;
use crate::core::status::NodeStatus;
use crate::core::time::Timestamp;
use crate::core::why::{self, Facts, Letter, Next, Owner, Reason, Workers};
use crate::installation::Installation;
use crate::log::{Log, LogError, Topic};
use crate::store::Store;
use crate::store::letter::{LetterFilter, LetterKind, LetterState};
use anyhow::{Error, Result};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Most dead letters of a workflow that are looked at.
const MAX_LETTERS: usize = 1_000;

/// Log and store as far as they answer, and what could not be seen.
pub struct Seen<'a> {
    context: &'a Context,
    /// The log; none: it does not answer.
    pub log: Option<Arc<dyn Log>>,
    store: Option<Arc<dyn Store>>,
    /// What could not be seen, and why, each a sentence.
    pub unseen: Vec<String>,
}

impl<'a> Seen<'a> {
    /// Asks both whether they are there.
    ///
    /// # Errors
    /// Where neither is.
    pub fn open(context: &'a Context) -> Result<Self> {
        let log = connect::open_log(context.settings()).and_then(|log| {
            // One question that waits in vain is enough.
            log.brokers()?;
            Ok(log)
        });
        let store = connect::open_store(context.settings()).and_then(|store| {
            store.query().positions()?;
            Ok(store)
        });
        let mut unseen = Vec::new();
        let (log, store) = match (log, store) {
            (Err(error), Err(_)) => return Err(error),
            (log, store) => (noted(log, LOG, &mut unseen), noted(store, STORE, &mut unseen)),
        };
        Ok(Self { context, log, store, unseen })
    }

    /// The state of a run, as fresh as it can be had, and the partition in which it lives.
    ///
    /// # Errors
    /// Where what is there cannot be read.
    pub fn run(&mut self, id: &WorkflowId, run_id: Option<&RunId>) -> Result<Option<(u32, Run)>> {
        match (self.log.clone(), self.store.clone()) {
            (Some(log), Some(store)) => {
                let stored = store.query().run(id, run_id)?;
                match read::from_journal(log.as_ref(), store.as_ref(), id, run_id).and_then(folded) {
                    Ok(found) => Ok(found.or(stored)),
                    Err(error) if stored.is_some() => {
                        self.unseen.push(format!("what is not in the tables yet: {error:#}"));
                        Ok(stored)
                    }
                    Err(error) => Err(error),
                }
            }
            (Some(log), None) => folded(read::from_events(log.as_ref(), id, run_id)?),
            (None, Some(store)) => Ok(store.query().run(id, run_id)?),
            (None, None) => Ok(None),
        }
    }

    /// The workflow of a run that was named by its own id.
    ///
    /// # Errors
    /// Where the store says no.
    pub fn workflow_of(&self, id: &WorkflowId) -> Result<Option<(WorkflowId, RunId)>> {
        let (Ok(run_id), Some(store)) = (RunId::new(id.as_str()), &self.store) else { return Ok(None) };
        let operations = store.query().operations(&run_id)?;
        Ok(operations.into_iter().next().map(|operation| (operation.workflow_id, run_id)))
    }

    /// Everything that gives a reason.
    ///
    /// # Errors
    /// Where the store says no.
    pub fn facts<'r>(&mut self, partition: u32, run: &'r Run) -> Result<Facts<'r>> {
        let now = connect::now().max(run.time);
        let goes_on = run.ended_at.is_none();
        let standing = self.standing(partition, now);
        let (workers, owner) = if goes_on { (self.workers(run), self.owner(partition)) } else { Default::default() };
        Ok(Facts {
            now,
            partition,
            run,
            next: self.next(run),
            breakers: standing.breakers,
            workers,
            owner,
            behind: standing.behind,
            letters: self.letters(run)?,
        })
    }

    /// The nodes that circuit breakers hold back.
    pub fn held(&mut self, partition: u32, run: &Run) -> Vec<Reason> {
        let now = connect::now().max(run.time);
        let breakers = self.standing(partition, now).breakers;
        if breakers.is_empty() {
            return Vec::new();
        }
        let (workers, letters) = (BTreeMap::new(), BTreeMap::new());
        let next = self.next(run);
        why::held(&Facts { now, partition, run, next, breakers, workers, owner: None, behind: None, letters })
    }

    fn standing(&mut self, partition: u32, now: Timestamp) -> journal::Standing {
        let Some(store) = &self.store else { return journal::Standing::default() };
        let position = match store.position(partition) {
            Ok(position) => position,
            Err(error) => {
                self.unseen.push(format!("circuit breakers: {error}"));
                return journal::Standing::default();
            }
        };
        let of_the_tables = || journal::Standing {
            breakers: position.as_ref().map(|position| position.breakers.clone()).unwrap_or_default(),
            behind: None,
        };
        let Some(log) = &self.log else { return of_the_tables() };
        journal::standing(log.as_ref(), partition, position.as_ref(), now).unwrap_or_else(|error| {
            self.unseen.push(format!("how far the tables are behind: {error:#}"));
            of_the_tables()
        })
    }

    /// What the run can do next.
    fn next(&mut self, run: &Run) -> Next {
        let Some(log) = &self.log else { return Next::Unseen };
        next(log.as_ref(), run).unwrap_or_else(|error| {
            self.unseen.push(format!("the definition, and so what waits for what: {error:#}"));
            Next::Unseen
        })
    }

    fn owner(&mut self, partition: u32) -> Option<Owner> {
        owner(self.log.as_ref()?.as_ref(), self.context, partition)
            .map_err(|error| self.unseen.push(format!("whether an engine owns partition {partition}: {error}")))
            .ok()
    }

    fn workers(&mut self, run: &Run) -> BTreeMap<AgentName, Workers> {
        let Some(log) = &self.log else { return BTreeMap::new() };
        let mut all = BTreeMap::new();
        for agent in workers::awaited(run) {
            match workers::of(log.as_ref(), &self.context.settings().namespace, run, &agent) {
                Ok(workers) => drop(all.insert(agent, workers)),
                Err(error @ LogError::Unreachable { .. }) => {
                    self.unseen.push(format!("the workers: {error}"));
                    break;
                }
                Err(error) => self.unseen.push(format!("the workers of agent {agent}: {error}")),
            }
        }
        all
    }

    /// The dead letters of the run's nodes: of each the newest.
    fn letters(&self, run: &Run) -> Result<BTreeMap<NodeId, Letter>> {
        let mut all = BTreeMap::new();
        let Some(store) = self.store.as_ref().filter(|_| run.count(NodeStatus::has_failed) > 0) else { return Ok(all) };
        let workflow = Some(run.workflow_id.as_str().to_owned());
        let filter = LetterFilter { workflow, kind: Some(LetterKind::Node), limit: MAX_LETTERS, ..Default::default() };
        for found in store.query().letters(&filter)? {
            if let (Some(node_id), true) = (&found.letter.node_id, found.letter.run_id.as_ref() == Some(&run.run_id)) {
                let state = found.state();
                let handled = (state != LetterState::Open).then(|| state.as_str());
                let letter = Letter { letter_id: found.letter.letter_id.clone(), handled };
                all.entry(node_id.clone()).or_insert(letter);
            }
        }
        Ok(all)
    }
}

/// Who owns a partition.
///
/// # Errors
/// Where the log does not answer.
pub fn owner(log: &dyn Log, context: &Context, partition: u32) -> Result<Owner, LogError> {
    let group = context.settings().group.clone();
    let seen = log.look_at_group(&group, &Topic::Requests)?;
    let is_held = seen.partitions.get(partition as usize).is_some_and(|shared| shared.is_held);
    Ok(Owner { group, engines: seen.members, is_held })
}

/// What a run can do next, by its definition as it stands in the log.
///
/// # Errors
/// Where the log does not answer.
pub fn next(log: &dyn Log, run: &Run) -> Result<Next> {
    let catalogue = Installation::read(log)?.catalogue;
    Ok(match frontier(&catalogue, run) {
        Ok(frontier) => Next::Frontier(Box::new(frontier)),
        Err(missing @ NoFrontier::Missing) => Next::Aside(format!("{missing}: it goes on when that is applied again")),
        Err(error) => Next::Aside(error.to_string()),
    })
}

/// What is not there when the log does not answer.
const LOG: &str = "the log, and with it engines, workers, and what waits for what";
/// What is not there when the store does not answer.
const STORE: &str = "the tables, and with them circuit breakers and what was done with dead letters";

fn noted<T>(found: Result<T, Error>, what: &str, unseen: &mut Vec<String>) -> Option<T> {
    found.map_err(|error| unseen.push(format!("{what}: {error:#}"))).ok()
}

fn folded(history: Option<History>) -> Result<Option<(u32, Run)>> {
    history.map(|History { partition, events, .. }| Ok((partition, read::folded(&events)?))).transpose()
}
