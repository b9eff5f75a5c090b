//! Faults of the engine itself that are planted, one at a time, to see whether the simulation finds them.
//!
//! The places where one may stand ask [`is_planted`]. Without the feature `planted-bugs`, which only tests build, the
//! answer is a constant, and nothing of it is left in the program.

use std::fmt;

/// A fault that can be planted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Bug {
    /// Effects are performed when the step is appended, not when it is read back.
    ActsBeforeReadBack,
    /// An owner goes on when another one has taken the partition, and acts on its own steps even where they are void.
    IgnoresATaking,
    /// A step counts whoever wrote it, if its number is next.
    AcceptsAVoidStep,
    /// A taking counts with the current term, too.
    AcceptsAnEqualTerm,
    /// A step does not say how far `results` has been decided.
    ForgetsAPosition,
    /// `effects_through` moves over a step while one effect of it is under way.
    MovesEffectsThroughEarly,
    /// An effect that was not confirmed is taken as done.
    TakesUnconfirmedAsDone,
    /// A new owner does not hand out again what is open.
    HandsOutNothingAgain,
    /// A new owner does not wait for the retries that its predecessor waited for.
    ForgetsRetries,
    /// A new owner does not know which runs have ended.
    ForgetsEndedRuns,
    /// A second result of an attempt is accepted.
    AcceptsASecondCompletion,
    /// A node is ready when one of its dependencies has an output.
    WaitsForOneDependency,
    /// One attempt more than the policy allows.
    RetriesOnceMore,
    /// A deadline does not wait for the results that came before it.
    DeadlineOvertakesResults,
    /// The owner's clock is not corrected by the log's.
    TrustsItsClock,
    /// A refused input gets no dead letter.
    WritesNoLetter,
    /// A misplaced request is sent on without saying where it stood first.
    ForwardsWithoutOrigin,
    /// An agent is called although its breaker is open.
    IgnoresBreakers,
    /// A run that has not failed is taken up as if it had.
    TakesUpAnything,
    /// Recovery does not check the record that the store's position remembers.
    TrustsTheStore,
    /// An owner reads on where its journal has lost records.
    ReadsOnWhereTheJournalIsLost,
    /// The projector's position is durable before its rows are.
    StoresPositionApart,
    /// The projector writes no outputs of nodes.
    ProjectsNoResults,
    /// Requests that are held back once are held back for good.
    HoldsRequestsBackForGood,
    /// Who answers again answers otherwise.
    AnswersDifferAfterATaking,
    /// Attempts are handed over in memory when their step is appended, not when it is read back.
    HandsOverBeforeReadBack,
    /// An attempt that was handed over in memory is taken as dispatched for good.
    TakesAHandOverAsDone,
    /// A new owner does not hand out again what had begun in the process of the last one.
    ForgetsWhatBeganInMemory,
    /// An attempt that its runner has dropped is not handed out again.
    ForgetsWhatARunnerDropped,
}

impl Bug {
    /// All of them.
    pub const ALL: [Self; 29] = [
        Self::ActsBeforeReadBack,
        Self::IgnoresATaking,
        Self::AcceptsAVoidStep,
        Self::AcceptsAnEqualTerm,
        Self::ForgetsAPosition,
        Self::MovesEffectsThroughEarly,
        Self::TakesUnconfirmedAsDone,
        Self::HandsOutNothingAgain,
        Self::ForgetsRetries,
        Self::ForgetsEndedRuns,
        Self::AcceptsASecondCompletion,
        Self::WaitsForOneDependency,
        Self::RetriesOnceMore,
        Self::DeadlineOvertakesResults,
        Self::TrustsItsClock,
        Self::WritesNoLetter,
        Self::ForwardsWithoutOrigin,
        Self::IgnoresBreakers,
        Self::TakesUpAnything,
        Self::TrustsTheStore,
        Self::ReadsOnWhereTheJournalIsLost,
        Self::StoresPositionApart,
        Self::ProjectsNoResults,
        Self::HoldsRequestsBackForGood,
        Self::AnswersDifferAfterATaking,
        Self::HandsOverBeforeReadBack,
        Self::TakesAHandOverAsDone,
        Self::ForgetsWhatBeganInMemory,
        Self::ForgetsWhatARunnerDropped,
    ];
}

impl fmt::Display for Bug {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

#[cfg(feature = "planted-bugs")]
thread_local! {
    static PLANTED: std::cell::Cell<Option<Bug>> = const { std::cell::Cell::new(None) };
}

/// Plants a fault in everything that runs on this thread, or none.
#[cfg(feature = "planted-bugs")]
pub fn plant(bug: Option<Bug>) {
    PLANTED.set(bug);
}

/// Whether this fault is planted.
#[cfg(feature = "planted-bugs")]
pub fn is_planted(bug: Bug) -> bool {
    PLANTED.get() == Some(bug)
}

/// Whether this fault is planted: never, in this build.
#[cfg(not(feature = "planted-bugs"))]
#[inline(always)]
pub const fn is_planted(_: Bug) -> bool {
    false
}
