//! Publishes requests as any client would, and follows what becomes of them on the event stream and on `responses`.

use super::error::DemoError;
use super::shop::ShopRequest;
use super::shop::papers::Answer;
use super::view::board::Board;
use crate::core::definition::DefinitionRef;
use crate::core::event::Recorded;
use crate::core::id::WorkflowId;
use crate::core::json::Json;
use crate::core::run::Outcome;
use crate::embedded::Embedded;
use crate::installation::records::{append, read_to_end};
use crate::log::{Delivery, NewRecord, Reader, Record, Topic};
use crate::wire::answer::{self, Response};
use crate::wire::event::{self, Published};
use serde_json::json;
use std::collections::{BTreeMap, HashSet};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How long one poll waits: also how often the live view moves.
const POLL: Duration = Duration::from_millis(50);

/// A request that is about to be published.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Its key.
    pub workflow_id: WorkflowId,
    /// What the customer wrote.
    pub message: String,
    record: NewRecord,
}

/// Gives each request an id that is not taken in this folder: `demo-espresso`, then `demo-espresso-2`, ….
///
/// # Errors
/// Where the log does not answer.
pub fn prepare(
    embedded: &Embedded,
    requests: Vec<ShopRequest>,
    definition: &DefinitionRef,
) -> Result<Vec<Asked>, DemoError> {
    let taken = published(embedded)?;
    let id = |request: &ShopRequest, round: usize| match round {
        1 => request.id.clone(),
        round => format!("{}-{round}", request.id),
    };
    // Every round takes an id each, so that one of the first `taken + 1` is free.
    let is_free = |round: &usize| requests.iter().all(|request| !taken.contains(id(request, *round).as_bytes()));
    let round = (1..=taken.len() + 1).find(is_free).unwrap_or(taken.len() + 1);
    requests.iter().map(|request| asked(request, &id(request, round), definition)).collect()
}

fn asked(request: &ShopRequest, id: &str, definition: &DefinitionRef) -> Result<Asked, DemoError> {
    let workflow_id = WorkflowId::new(id).map_err(|fault| DemoError::Bundled(fault.to_string()))?;
    // What anyone would publish with any Kafka client.
    let body = json!({ "definition": definition.name, "version": definition.version, "input": request.input });
    let record = NewRecord {
        topic: Topic::Requests,
        partition: None,
        key: Some(id.as_bytes().to_vec().into()),
        value: Some(body.to_string().into()),
        headers: Vec::new(),
    };
    Ok(Asked { workflow_id, message: request.message().to_owned(), record })
}

/// The keys of all requests that are there. They are kept for longer than a used id is recognised as a duplicate.
fn published(embedded: &Embedded) -> Result<HashSet<Vec<u8>>, DemoError> {
    let mut keys = HashSet::new();
    for partition in 0..embedded.partitions() {
        read_to_end(&**embedded.log(), &Topic::Requests, partition, 0, |record| {
            keys.extend(record.key.map(|key| key.to_vec()));
            Ok::<_, DemoError>(ControlFlow::Continue(()))
        })?;
    }
    Ok(keys)
}

/// Publishes the requests.
///
/// # Errors
/// Where the log does not take them.
pub fn publish(embedded: &Embedded, asked: &[Asked]) -> Result<(), DemoError> {
    append(&**embedded.log(), asked.iter().map(|asked| asked.record.clone()).collect())?;
    Ok(())
}

/// Reads events and responses from a moment on.
pub struct Follow<'a> {
    embedded: &'a Embedded,
    reader: Box<dyn Reader>,
    ids: Vec<WorkflowId>,
    answers: BTreeMap<WorkflowId, Answer>,
    limit: Duration,
}

impl<'a> Follow<'a> {
    /// Begins at the ends of both topics: what is published from now on.
    ///
    /// # Errors
    /// Where the log does not answer.
    pub fn begin(embedded: &'a Embedded, ids: &[WorkflowId], limit: Duration) -> Result<Self, DemoError> {
        let mut reader = embedded.log().reader()?;
        for topic in [Topic::Events, Topic::Responses] {
            for partition in 0..embedded.partitions() {
                let end = embedded.log().ends(&topic, partition)?.high;
                reader.assign(&topic, partition, end)?;
            }
        }
        Ok(Self { embedded, reader, ids: ids.to_vec(), answers: BTreeMap::new(), limit })
    }

    /// Follows until every workflow has ended and its answer is there. `show` is called with each event once the board
    /// has taken it, and without one from time to time.
    ///
    /// # Errors
    /// Where a request is refused or fails, or not all answers come in time.
    pub fn until_answered(
        &mut self,
        stop: &AtomicBool,
        board: &mut Board,
        mut show: impl FnMut(&Board, Option<&Recorded>) -> std::io::Result<()>,
    ) -> Result<Vec<(WorkflowId, Answer)>, DemoError> {
        let begun = Instant::now();
        let mut deliveries = Vec::new();
        while self.answers.len() < self.ids.len() || board.ended_at().is_none() {
            self.check(stop, begun, board)?;
            self.reader.poll(POLL, &mut deliveries)?;
            for delivery in deliveries.drain(..) {
                let Delivery::Record(record) = delivery else { continue };
                if record.topic == Topic::Responses {
                    self.response(&record)?;
                } else if let Published::Run(recorded) = event(&record)?
                    && board.apply(&recorded)
                {
                    show(board, Some(&recorded))?;
                }
            }
            show(board, None)?;
        }
        Ok(self.ids.iter().filter_map(|id| self.answers.remove_entry(id)).collect())
    }

    fn check(&self, stop: &AtomicBool, begun: Instant, board: &Board) -> Result<(), DemoError> {
        if stop.load(Ordering::Relaxed) {
            return Err(DemoError::Stopped);
        }
        if let Some(role) = self.embedded.ended() {
            return Err(DemoError::Ended(role));
        }
        if begun.elapsed() < self.limit {
            return Ok(());
        }
        let missing = self.ids.iter().filter(|id| !self.answers.contains_key(*id)).map(|id| doing(board, id));
        let missing: Vec<String> = missing.collect();
        Err(DemoError::Late { seconds: self.limit.as_secs(), missing: missing.join(", ") })
    }

    fn response(&mut self, record: &Record) -> Result<(), DemoError> {
        let value = record.value.as_deref().unwrap_or_default();
        let response = answer::decode(value).map_err(|fault| unreadable(record, fault))?;
        match response {
            Response::Answer { workflow_id, outcome, .. } if self.ids.contains(&workflow_id) => match outcome {
                Outcome::Answer(words) => {
                    let answer = read_answer(&workflow_id, &words)?;
                    self.answers.insert(workflow_id, answer);
                    Ok(())
                }
                Outcome::Failure(_, failure) => Err(DemoError::Failed { workflow_id, message: failure.message }),
            },
            Response::Refused { workflow_id: Some(workflow_id), reason, message, .. }
                if self.ids.contains(&workflow_id) =>
            {
                Err(DemoError::Refused { workflow_id, reason, message })
            }
            Response::Answer { .. } | Response::Refused { .. } => Ok(()),
        }
    }
}

fn event(record: &Record) -> Result<Published, DemoError> {
    event::decode(record.value.as_deref().unwrap_or_default()).map_err(|fault| unreadable(record, fault))
}

fn unreadable(record: &Record, fault: crate::wire::WireError) -> DemoError {
    DemoError::Unreadable { topic: record.topic.to_string(), fault }
}

fn read_answer(workflow_id: &WorkflowId, words: &Json) -> Result<Answer, DemoError> {
    serde_json::from_str(words.as_str()).map_err(|fault| {
        let message = format!("its answer is not of the form that write-answer gives: {fault}");
        DemoError::Failed { workflow_id: workflow_id.clone(), message }
    })
}

/// What a workflow is doing, for the message that it is late.
fn doing(board: &Board, id: &WorkflowId) -> String {
    let open = board.run(id).into_iter().flat_map(|run| &run.nodes).filter(|node| node.state.is_open());
    let open: Vec<&str> = open.map(|node| node.id.as_str()).collect();
    match (board.run(id).and_then(|run| run.status), open.as_slice()) {
        (None, _) => format!("{id} (not started)"),
        (Some(status), []) => format!("{id} ({status})"),
        (Some(status), open) => format!("{id} ({status}: {})", open.join(", ")),
    }
}
