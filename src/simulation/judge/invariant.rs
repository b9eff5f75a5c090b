//! What has to hold, by name.

use std::fmt;

/// What has to hold of every run of the simulation. Each has one small function of the judge that looks after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Invariant {
    /// Every accepted request has ended when all has come to rest.
    EveryRequestEnds,
    /// What was asked for happened: a bad request is refused for the right reason, a misplaced one is started once.
    EveryRequestGetsItsDue,
    /// Every input led to one transition.
    EveryInputIsDecidedOnce,
    /// An input that did nothing wrong is buried only after the four tries that are promised to it.
    TheInnocentAreTriedFourTimes,
    /// Steps that count have one number after the other, events of a run one sequence, without gap or twin.
    OneSequence,
    /// The same records count for every reader, wherever it starts.
    AllReadersAgree,
    /// Each owner is a new one.
    OwnersAreNew,
    /// At most one accepted completion of a node of a run.
    OneCompletionPerNode,
    /// A further attempt is awaited, due, and one of those that the policy allows.
    AttemptsWithinTheLimit,
    /// No node is handed out before its dependencies, and what is undone is undone in reverse order.
    DependenciesFirst,
    /// An event follows from the state before it, and nothing follows the end.
    LawfulLife,
    /// No agent is called while its breaker is open.
    BreakersAreKept,
    /// A workflow has one run, unless one that has failed was taken up.
    OneRunPerWorkflow,
    /// Time does not run backwards in a run, and is the log's.
    TimeIsTheLogs,
    /// No deadline fires while a result that came in time waits.
    DeadlinesWaitForResults,
    /// Positions do not go back, but where a loss is named.
    PositionsGoForward,
    /// Never two different answers of one run, nor two different of any other effect.
    OneAnswerPerRun,
    /// No effect of a void step, and none without the event that it follows from.
    EveryEffectHasItsEvent,
    /// Nothing that follows is missing when all has come to rest.
    NoEffectIsMissing,
    /// `effects_through` names a counting step, never goes back, and everything up to there is done.
    EffectsThroughIsTrue,
    /// The event stream has every event that counts, in order, and its chain holds.
    TheStreamIsWhole,
    /// An owner's memory is the fold of its journal, and replay gives it again.
    MemoryIsTheFold,
    /// The tables are the fold of the journal up to where they stand.
    ProjectionIsTheFold,
    /// What the log has lost is named.
    LossesAreNamed,
    /// No engine, projector or worker fails by itself.
    NothingFails,
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

/// An invariant that does not hold: what was expected and what was found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{invariant}: {what}")]
pub struct Fault {
    /// Which.
    pub invariant: Invariant,
    /// What was expected and what was found.
    pub what: String,
}

impl Invariant {
    /// It does not hold.
    pub fn broken(self, what: impl Into<String>) -> Fault {
        Fault { invariant: self, what: what.into() }
    }

    /// It has to hold.
    pub fn holds(self, holds: bool, what: impl FnOnce() -> String) -> Result<(), Fault> {
        if holds { Ok(()) } else { Err(self.broken(what())) }
    }
}

impl Fault {
    /// Says where.
    pub fn at(self, place: impl fmt::Display) -> Self {
        Self { what: format!("{place}: {}", self.what), ..self }
    }
}

/// Says of a fault which invariant it breaks.
pub trait Breaks<T> {
    /// Says it.
    fn breaks(self, invariant: Invariant) -> Result<T, Fault>;
}

impl<T, E: fmt::Display> Breaks<T> for Result<T, E> {
    fn breaks(self, invariant: Invariant) -> Result<T, Fault> {
        self.map_err(|error| invariant.broken(error.to_string()))
    }
}
