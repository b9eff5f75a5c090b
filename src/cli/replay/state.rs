//! A run as it was at a point of its history.

use super::{Args, walk};
use crate::cli::exit::{Exit, fail};
use crate::cli::frontier::{NoFrontier, frontier};
use crate::cli::history::read::{self, History};
use crate::cli::history::{find, unknown};
use crate::cli::{Context, connect, stand_ins};
use crate::core::attempts::attempts;
use crate::core::catalogue::Catalogue;
use crate::core::event::Recorded;
use crate::core::id::{NodeId, WorkflowId};
use crate::core::run::Run;
use crate::core::why::{self, Facts, Next};
use crate::history::point;
use crate::installation::Installation;
use crate::log::Log;
use crate::ui::replay::View;
use crate::ui::why::Answer;
use anyhow::{Context as _, Result, anyhow};
use std::collections::BTreeMap;

/// Shows the state at the point that was asked for, or at the end.
///
/// # Errors
/// Where there is no such run or point, or the log does not answer.
pub fn run(args: &Args, id: &WorkflowId, context: &Context) -> Result<Exit> {
    if args.walk && context.out.is_json() {
        return Err(fail(Exit::Usage, "--walk is for people: leave out --output json, or --walk"));
    }
    let log = connect::open_log(context.settings())?;
    let run_id = args.run.as_ref();
    let history = match args.from_events {
        false => find(id, run_id, log.as_ref(), context)?,
        true => match read::from_events(log.as_ref(), id, run_id)? {
            Some(history) => history,
            None => return Err(unknown::error(&unknown::look(context, id, run_id)?, id, run_id)),
        },
    };
    let replay = Replay::new(log.as_ref(), history);
    let count = match &args.to {
        Some(to) => to.events(&replay.history.events).map_err(|no| fail(Exit::NotFound, format!("--to {to}: {no}")))?,
        None if args.walk => 1,
        None => replay.history.events.len(),
    };
    if args.walk {
        return walk::run(&replay, count, context.out.paint);
    }
    let at = replay.at(count)?;
    if context.out.is_json() {
        context.out.json(&at.view(&replay).json())?;
    } else {
        context.out.text(&at.view(&replay).text(context.out.paint))?;
    }
    Ok(Exit::Done)
}

/// A history, and the definitions by which its states are explained.
pub struct Replay<'a> {
    log: &'a dyn Log,
    /// What was recorded.
    pub history: History,
    catalogue: std::cell::OnceCell<Result<Catalogue, String>>,
}

/// The run at a point of the history.
pub struct At<'a> {
    event: &'a Recorded,
    run: Run,
    facts: FactsAt,
}

/// What is derived of the state.
struct FactsAt {
    reasons: Vec<why::Reason>,
    ready: Option<Vec<NodeId>>,
    unseen: Vec<String>,
    stand_ins: BTreeMap<NodeId, crate::ui::stand_in::StandIn>,
    attempts: BTreeMap<NodeId, Vec<crate::core::attempts::Attempt>>,
    breakers: Option<BTreeMap<crate::core::id::AgentName, crate::core::breaker::BreakerState>>,
}

impl<'a> Replay<'a> {
    /// Replays a history. The log is asked for definitions, where a state needs one.
    pub fn new(log: &'a dyn Log, history: History) -> Self {
        Self { log, history, catalogue: std::cell::OnceCell::new() }
    }

    /// The run after so many events.
    ///
    /// # Errors
    /// Where the history is broken before.
    pub fn at(&self, count: usize) -> Result<At<'_>> {
        let events = self.history.events.get(..count).unwrap_or(&self.history.events);
        let run = point::state(events).context("the history is broken")?;
        let (Some(run), Some(event)) = (run, events.last()) else { return Err(anyhow!("the history is empty")) };
        let facts = self.facts(&run, events);
        Ok(At { event, run, facts })
    }

    fn facts(&self, run: &Run, events: &[Recorded]) -> FactsAt {
        let mut unseen = Vec::new();
        let next = if run.ended_at.is_some() { Next::Unseen } else { self.next(run, &mut unseen) };
        let ready = match &next {
            Next::Frontier(frontier) => {
                let id = |i: &usize| frontier.graph.nodes[*i].node.node_id.clone();
                Some(frontier.ready().iter().map(id).collect())
            }
            Next::Unseen | Next::Aside(_) => run.ended_at.map(|_| Vec::new()),
        };
        let breakers = self.history.breakers_at(run.time);
        if breakers.is_none() && run.ended_at.is_none() {
            unseen.push("circuit breakers: `--from-events` reads them along".to_owned());
        }
        let reasons = why::reasons(&Facts {
            now: run.time,
            partition: self.history.partition,
            run,
            next,
            breakers: breakers.clone().unwrap_or_default(),
            workers: BTreeMap::new(),
            owner: None,
            behind: None,
            letters: BTreeMap::new(),
        });
        let (stand_ins, attempts) = (stand_ins::of_events(events), attempts(events));
        FactsAt { reasons, ready, unseen, stand_ins, attempts, breakers }
    }

    /// What the run could do next, by its definition as it stands in the log now; it is pinned by its hash.
    fn next(&self, run: &Run, unseen: &mut Vec<String>) -> Next {
        let read = || Installation::read(self.log).map(|read| read.catalogue).map_err(|error| error.to_string());
        match self.catalogue.get_or_init(read) {
            Ok(catalogue) => match frontier(catalogue, run) {
                Ok(frontier) => Next::Frontier(Box::new(frontier)),
                Err(error @ (NoFrontier::Missing | NoFrontier::Invalid | NoFrontier::Unfitting(_))) => {
                    unseen.push(format!("what waited for what: the definition {error}"));
                    Next::Unseen
                }
            },
            Err(error) => {
                unseen.push(format!("the definition, and so what waited for what: {error}"));
                Next::Unseen
            }
        }
    }
}

impl At<'_> {
    /// The state.
    pub fn run(&self) -> &Run {
        &self.run
    }

    /// As it is shown.
    pub fn view<'a>(&'a self, replay: &'a Replay) -> View<'a> {
        let FactsAt { reasons, ready, unseen, stand_ins, attempts, breakers } = &self.facts;
        View {
            event: self.event,
            last: replay.history.events.last().map_or(0, |last| last.sequence),
            answer: Answer { run: &self.run, partition: replay.history.partition, now: self.run.time, reasons, unseen },
            stand_ins,
            attempts,
            ready: ready.as_deref(),
            breakers: breakers.as_ref(),
        }
    }
}
