//! The reasons as sentences.

use super::time::{moment, span};
use crate::core::breaker::BreakerStatus;
use crate::core::failure::{Failure, FailureClass, Handling};
use crate::core::id::NodeId;
use crate::core::time::Timestamp;
use crate::core::why::{Attempt, Behind, Letter, Owner, Reason, Why, Work, Workers};
use crate::ui::counted;
use crate::ui::style::harmless;

/// Most nodes that a sentence names.
const MAX_NAMED: usize = 5;

/// What a reason says, as a clause: without a capital letter and without a full stop.
pub fn clause(reason: &Reason, partition: u32, now: Timestamp) -> String {
    let node = reason.node.as_ref().map_or_else(|| "the run".to_owned(), |id| format!("node `{id}`"));
    harmless(&said(&node, &reason.why, partition, now))
}

fn said(node: &str, why: &Why, partition: u32, now: Timestamp) -> String {
    match why {
        Why::Completed { at } => format!("it completed at {}", moment(*at, now)),
        Why::RunFailed { at, failure, attempt, exhausted, letter } => {
            run_failed(node, *at, failure, attempt.as_ref(), *exhausted, letter.as_ref(), now)
        }
        Why::RunCancelled { at } => format!("it was cancelled at {}", moment(*at, now)),
        Why::Paused => "a person has paused it".to_owned(),
        Why::AwaitingSignal => "it awaits a signal or an approval".to_owned(),
        Why::NoOwner(owner) => no_owner(owner, partition),
        Why::SetAside { definition, why } => {
            format!("the run is set aside, as {} version {} {why}", definition.name, definition.version)
        }
        Why::Failing { failure, open, letter } => {
            let until = if open.is_empty() { String::new() } else { format!(", and ends once {} ended", have(open)) };
            format!(
                "{node} has failed ({}): the run fails{until}{}",
                failure.code,
                letter_words(letter.as_ref(), failure, true)
            )
        }
        Why::Undoing { failure, letter } => format!(
            "{node} has failed ({}): the run fails, and what had completed is being undone{}",
            failure.code,
            letter_words(letter.as_ref(), failure, true)
        ),
        Why::NodeFailed { attempt, failure, letter, failure_node, undoes } => {
            let begin = format!("{node} has failed as well, {}: {}", numbered(attempt), brief(failure));
            let failure_node = failure_node.as_ref();
            let routed = failure_node.map_or_else(String::new, |id| format!(", and so has its failure node `{id}`"));
            let letter = match undoes {
                Some(of) => undo_words(of, letter.as_ref()),
                None => letter_words(letter.as_ref(), failure, false),
            };
            format!("{begin}{routed}{letter}")
        }
        Why::Handled { handling, failure } => handled(node, *handling, failure.as_ref()),
        Why::NodeCancelled => format!("{node} was under way, or awaited its next attempt, when the run ended"),
        Why::RunDeadline { at } => match *at > now {
            true => {
                format!("the run is given up at {}, {}, if it has not ended by then", moment(*at, now), ahead(*at, now))
            }
            false => format!("the run's time was up at {}, and the engine has not ended it yet", moment(*at, now)),
        },
        Why::ProjectorBehind(Behind { records, age }) => {
            let records = counted(usize::try_from(*records).unwrap_or(usize::MAX), "record");
            format!(
                "the projector is {records} behind in partition {partition}: the tables are about {} old",
                span(*age)
            )
        }
        Why::Work(work) => at_work(node, work, partition, now),
    }
}

/// Of a node that something is awaited for.
fn at_work(node: &str, work: &Work, partition: u32, now: Timestamp) -> String {
    match work {
        Work::NoWorker { attempt, workers, since } => format!(
            "no worker of agent {} is connected (the group {} has no member); {}, {node} since {}",
            attempt.agent,
            workers.group,
            if workers.tasks == 1 { "1 task waits".to_owned() } else { format!("{} tasks wait", workers.tasks) },
            moment(*since, now)
        ),
        Work::WorkerGone { attempt, workers, since, until } => format!(
            "{node} ({}) was begun at {}, and no worker of agent {} is connected any more (the group {} has no member); \
             the next worker begins it anew, or the attempt ends by its timeout at {}",
            numbered(attempt),
            moment(*since, now),
            attempt.agent,
            workers.group,
            moment(*until, now)
        ),
        Work::Breaker { attempt, state, last } => {
            let breaker = breaker(attempt, *state, partition, now);
            format!("{node} ({}) is held back: {breaker}{}", numbered(attempt), last_words(last.as_ref()))
        }
        Work::AwaitingRetry { attempt, due, last } => format!(
            "{node} ({}) is tried again at {}, {}{}",
            numbered(attempt),
            moment(*due, now),
            ahead(*due, now),
            last_words(last.as_ref())
        ),
        Work::RetryDue { attempt, due, last } => format!(
            "{node} ({}) is due since {}, and the engine has not handed it out yet{}",
            numbered(attempt),
            moment(*due, now),
            last_words(last.as_ref())
        ),
        Work::WorkersBusy { attempt, workers, before, since } => format!(
            "{node} ({}) waits for a worker of agent {} since {}: {}, {} before it",
            numbered(attempt),
            attempt.agent,
            moment(*since, now),
            connected(workers),
            counted(usize::try_from(*before).unwrap_or(usize::MAX), "task")
        ),
        Work::HandedOut { attempt, workers, since } => format!(
            "{node} ({}) was handed to agent {} at {}, and no worker has said that it works on it{}",
            numbered(attempt),
            attempt.agent,
            moment(*since, now),
            workers.as_ref().map_or_else(String::new, |workers| format!(" ({})", connected(workers)))
        ),
        Work::Running { attempt, since, until, heartbeat } => running(node, attempt, [*since, *until], *heartbeat, now),
        Work::Ready { agent } => format!("{node} is ready, and the engine hands it to agent {agent} next"),
        Work::OneAtATime { threshold, .. } => format!(
            "{node} is ready and waits its turn: while fewer than {threshold} nodes are ready or running, they run one \
             at a time (parallel_threshold)"
        ),
        Work::AwaitingInputs { missing } => {
            let each = missing.iter().take(MAX_NAMED).map(|(id, status)| {
                format!("`{id}` ({})", status.map_or("not handed out", crate::core::status::NodeStatus::as_str))
            });
            format!("{node} waits for the output of {}", list(each.collect(), missing.len()))
        }
    }
}

fn run_failed(
    node: &str,
    at: Timestamp,
    failure: &Failure,
    attempt: Option<&Attempt>,
    exhausted: bool,
    letter: Option<&Letter>,
    now: Timestamp,
) -> String {
    let said = brief(failure);
    let letter = letter_words(letter, failure, false);
    let at = moment(at, now);
    match attempt {
        Some(attempt) if exhausted => {
            format!("it failed at {at}: {node} is exhausted, {}: {said}{letter}", numbered(attempt))
        }
        Some(attempt) => {
            format!(
                "it failed at {at}: {node}, {}: {said} ({}, not tried again){letter}",
                numbered(attempt),
                failure.class.as_str()
            )
        }
        None => format!("it failed at {at}: {said}{letter}"),
    }
}

/// That nobody has a partition.
pub fn no_owner(Owner { group, engines, .. }: &Owner, partition: u32) -> String {
    match engines {
        0 => format!(
            "no engine owns partition {partition} (the group {group} has no member); `orchestrator serve` runs one"
        ),
        1 => format!(
            "no engine owns partition {partition}: one is connected, and the group {group} has not given it out yet"
        ),
        n => format!(
            "no engine owns partition {partition}: {n} are connected, and the group {group} has not given it out yet"
        ),
    }
}

fn breaker(attempt: &Attempt, state: crate::core::breaker::BreakerState, partition: u32, now: Timestamp) -> String {
    let begin = format!("the circuit breaker of agent {} is", attempt.agent);
    let since = moment(state.since, now);
    if state.status == BreakerStatus::HalfOpen {
        return format!("{begin} half-open in partition {partition} since {since}: it waits for how a few others end");
    }
    let until = state.until.map_or_else(String::new, |until| match until > now {
        true => format!(", next try at {}, {}", moment(until, now), ahead(until, now)),
        false => format!(", next try since {}", moment(until, now)),
    });
    let counted = match (state.calls, state.failures) {
        (0, _) => "the attempt that tried it last failed".to_owned(),
        (calls, failures) => format!("{failures} of {calls} attempts failed"),
    };
    format!("{begin} open in partition {partition} since {since}{until}: {counted}")
}

fn running(node: &str, attempt: &Attempt, [since, until]: [Timestamp; 2], heartbeat: bool, now: Timestamp) -> String {
    let begin = format!(
        "{node} ({}) runs at agent {} since {}, for {}",
        numbered(attempt),
        attempt.agent,
        moment(since, now),
        span(now.since(since))
    );
    match until > now {
        true if heartbeat => format!("{begin}; it has until {}, and longer with each heartbeat", moment(until, now)),
        true => format!("{begin}; it has until {}", moment(until, now)),
        false => format!("{begin}; its time was up at {}, and the engine has not ended it yet", moment(until, now)),
    }
}

fn handled(node: &str, handling: Option<Handling>, failure: Option<&Failure>) -> String {
    let failure = failure.map_or_else(String::new, |failure| format!(" ({})", failure.code));
    let how = match handling {
        Some(Handling::Skip) => "the run goes on without its output",
        Some(Handling::RouteTo) => "its failure node is to stand in for it",
        Some(Handling::ContinueWith | Handling::Compensate) | None => "another output stands in for its own",
    };
    format!("{node} has failed{failure}, and {how}")
}

/// `attempt 3 of 4`.
fn numbered(attempt: &Attempt) -> String {
    let of = attempt.of.map_or_else(String::new, |of| format!(" of {of}"));
    format!("attempt {}{of}", attempt.number)
}

fn connected(workers: &Workers) -> String {
    let workers = counted(workers.connected, "worker");
    if workers.starts_with("1 ") { format!("{workers} is connected") } else { format!("{workers} are connected") }
}

fn brief(failure: &Failure) -> String {
    format!("{}: {}", failure.code, failure.message)
}

fn last_words(last: Option<&Failure>) -> String {
    last.map_or_else(String::new, |failure| format!("; the last attempt failed with {}", brief(failure)))
}

/// What can be done about a dead letter: another attempt with the same input breaks the same contract.
fn letter_words(letter: Option<&Letter>, failure: &Failure, goes_on: bool) -> String {
    let verb = if failure.class == FailureClass::Contract { "edit" } else { "redrive" };
    let when = if goes_on { ", once the run has ended" } else { "" };
    match letter {
        None => String::new(),
        Some(Letter { letter_id, handled: None }) => {
            format!("; its dead letter is {letter_id}, worked off by `orchestrator dlq {verb} {letter_id}`{when}")
        }
        Some(Letter { letter_id, handled: Some(handled) }) => format!("; its dead letter {letter_id} is {handled}"),
    }
}

/// What can be done about the dead letter of a node that was to undo something: no other run does that.
fn undo_words(of: &NodeId, letter: Option<&Letter>) -> String {
    let undone = format!("; what node `{of}` has done is not undone");
    match letter {
        Some(Letter { letter_id, handled: None }) => format!(
            "{undone}: undo it by hand, then put its dead letter aside by `orchestrator dlq discard {letter_id}`"
        ),
        Some(Letter { letter_id, handled: Some(handled) }) => {
            format!("{undone}; its dead letter {letter_id} is {handled}")
        }
        None => undone,
    }
}

/// `in 8 s`.
fn ahead(at: Timestamp, now: Timestamp) -> String {
    format!("in {}", span(at.since(now)))
}

fn have(nodes: &[NodeId]) -> String {
    let have = if nodes.len() == 1 { "has" } else { "have" };
    format!("{} {have}", list(nodes.iter().take(MAX_NAMED).map(|id| format!("`{id}`")).collect(), nodes.len()))
}

fn list(named: Vec<String>, all: usize) -> String {
    let more = all.saturating_sub(named.len());
    let more = (more > 0).then(|| format!("{more} more"));
    named.into_iter().chain(more).collect::<Vec<_>>().join(", ")
}
