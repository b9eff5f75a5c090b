//! Waiting for the answer of a request.

use crate::cli::output::say;
use crate::cli::{Context, connect};
use crate::core::command::Origin;
use crate::core::id::{RunId, WorkflowId};
use crate::core::partition::partition_of;
use crate::core::run::Run;
use crate::installation::records::{POLL, poll, read_one, read_to_end};
use crate::log::{Delivery, Log, LogError, Reader, Record, Topic};
use crate::ui::time::duration;
use crate::wire::answer::{self, Response};
use crate::wire::request;
use anyhow::{Result, anyhow};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

/// After how long without any response it is said that perhaps no engine is running.
const SILENCE: Duration = Duration::from_secs(5);

/// The responses of one partition, from the moment before the request.
pub struct Answers {
    reader: Box<dyn Reader>,
    partition: u32,
    workflow_id: WorkflowId,
}

impl Answers {
    /// Begins to read at the end of the partition where the answer will stand.
    ///
    /// # Errors
    /// Where the log does not answer.
    pub fn begin(log: &dyn Log, workflow_id: &WorkflowId) -> Result<Self> {
        let missing = || LogError::UnknownTopic(Topic::Responses.to_string());
        let partitions = log.partitions(&Topic::Responses)?.ok_or_else(missing)?;
        let partition = partition_of(workflow_id.as_str().as_bytes(), partitions);
        let mut reader = log.reader()?;
        reader.assign(&Topic::Responses, partition, log.ends(&Topic::Responses, partition)?.high)?;
        Ok(Self { reader, partition, workflow_id: workflow_id.clone() })
    }

    /// Waits for what becomes of the request at this place; `None`: not in time.
    ///
    /// # Errors
    /// Where the log does not answer.
    pub fn wait_for(
        &mut self,
        context: &Context,
        log: &dyn Log,
        partition: u32,
        offset: u64,
        at_most: Duration,
    ) -> Result<Option<Response>> {
        let begun = Instant::now();
        let request = read_one(log, &Topic::Requests, partition, offset)?;
        let removed =
            || anyhow!("{}/{partition} has no record at offset {offset}: it has been removed", Topic::Requests);
        let time = request.ok_or_else(removed)?.time;
        let origin = Origin { topic: Topic::Requests.to_string(), partition, offset, time };
        let mut watch = Watch::new(self.workflow_id.clone(), origin);
        let mut silent = true;
        loop {
            let left = at_most.saturating_sub(begun.elapsed());
            for delivery in poll(self.reader.as_mut(), left.min(POLL))? {
                let Delivery::Record(record) = delivery else { continue };
                // Whoever is answered, an engine runs.
                silent = false;
                match decoded(&record).map(|response| watch.see(response)) {
                    Some(Seen::End(response)) => return Ok(Some(*response)),
                    Some(Seen::FirstRun(run_id)) => {
                        if let Some(response) = self.first_answer(context, log, &run_id) {
                            return Ok(Some(response));
                        }
                        // It has not ended: its answer will come by.
                    }
                    Some(Seen::Nothing) | None => {}
                }
            }
            let waited = begun.elapsed();
            if waited >= at_most {
                return Ok(None);
            }
            if silent && waited >= SILENCE {
                silent = false;
                say(format!(
                    "nothing heard for {}; perhaps no engine is running: `orchestrator health` tells (still waiting)",
                    duration(SILENCE)
                ));
            }
        }
    }

    /// The answer of a run that may have ended before this command began: from the store, else from all responses.
    fn first_answer(&self, context: &Context, log: &dyn Log, run_id: &RunId) -> Option<Response> {
        let from_store = || -> Result<Option<Response>> {
            let store = connect::open_store(context.settings())?;
            let run = store.query().run(&self.workflow_id, Some(run_id))?;
            Ok(run.and_then(|(_, run)| of_run(run)))
        };
        if let Ok(Some(response)) = from_store() {
            return Some(response);
        }
        let mut found = None;
        let scan = read_to_end(log, &Topic::Responses, self.partition, 0, |record| {
            if let Some(response) = decoded(&record)
                && matches!(&response, Response::Answer { run_id: of, .. } if of == run_id)
            {
                found = Some(response);
                return Ok(ControlFlow::Break(()));
            }
            Ok::<_, LogError>(ControlFlow::Continue(()))
        });
        if let Err(error) = scan {
            tracing::warn!("{error:#}; waiting for the answer to come by");
        }
        found
    }
}

/// What a record says; none where it is not a response that this version reads (someone else's, then).
fn decoded(record: &Record) -> Option<Response> {
    match answer::decode(record.value.as_ref()?) {
        Ok(response) => Some(response),
        Err(error) => {
            tracing::warn!("responses/{}, offset {}: {error}", record.partition, record.offset);
            None
        }
    }
}

fn of_run(run: Run) -> Option<Response> {
    Some(Response::Answer {
        outcome: run.outcome?,
        context: None,
        ended_at: run.ended_at?,
        workflow_id: run.workflow_id,
        run_id: run.run_id,
        definition: run.definition,
        started_at: run.started_at,
    })
}

/// Tells what belongs to one request from what else comes by.
struct Watch {
    workflow_id: WorkflowId,
    origin: Origin,
    /// The run that the request made, or the first one if it was a duplicate.
    wanted: RunId,
    /// Answers of other runs of the workflow: one of them may turn out to be the first run's.
    others: BTreeMap<RunId, Response>,
}

/// What a response means for the request.
#[derive(Debug, PartialEq)]
enum Seen {
    /// It is not ours.
    Nothing,
    /// It is the end.
    End(Box<Response>),
    /// The request was a duplicate of this run, whose answer has not come by.
    FirstRun(RunId),
}

impl Watch {
    fn new(workflow_id: WorkflowId, origin: Origin) -> Self {
        Self { workflow_id, wanted: request::run_id(&origin), origin, others: BTreeMap::new() }
    }

    fn see(&mut self, response: Response) -> Seen {
        match &response {
            Response::Answer { workflow_id, run_id, .. } => {
                if *run_id == self.wanted {
                    return Seen::End(Box::new(response));
                }
                if *workflow_id == self.workflow_id {
                    self.others.insert(run_id.clone(), response);
                }
                Seen::Nothing
            }
            Response::Refused { origin, .. } if !self.is_ours(origin) => Seen::Nothing,
            Response::Refused { reason, run_id: Some(first), .. } if reason == "duplicate" => {
                self.wanted = first.clone();
                match self.others.remove(first) {
                    Some(answer) => Seen::End(Box::new(answer)),
                    None => Seen::FirstRun(first.clone()),
                }
            }
            Response::Refused { .. } => Seen::End(Box::new(response)),
        }
    }

    /// By place alone: the time is the broker's, and the place is enough.
    fn is_ours(&self, origin: &Origin) -> bool {
        (&origin.topic, origin.partition, origin.offset)
            == (&self.origin.topic, self.origin.partition, self.origin.offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::definition::{DefinitionHash, DefinitionRef};
    use crate::core::id::DefinitionName;
    use crate::core::json::Json;
    use crate::core::run::Outcome;
    use crate::core::time::Timestamp;

    fn id(text: &str) -> WorkflowId {
        WorkflowId::new(text).unwrap()
    }

    fn run(digit: char) -> RunId {
        RunId::new(&digit.to_string().repeat(32)).unwrap()
    }

    fn origin(offset: u64) -> Origin {
        Origin { topic: "requests".to_owned(), partition: 0, offset, time: Timestamp(7) }
    }

    fn watch() -> Watch {
        Watch { workflow_id: id("w"), origin: origin(5), wanted: run('a'), others: BTreeMap::new() }
    }

    fn answer(workflow: &str, run_id: RunId) -> Response {
        Response::Answer {
            context: None,
            workflow_id: id(workflow),
            run_id,
            definition: DefinitionRef {
                name: DefinitionName::new("shop").unwrap(),
                version: 1,
                hash: DefinitionHash("h".into()),
            },
            outcome: Outcome::Answer(Json::null()),
            started_at: Timestamp(0),
            ended_at: Timestamp(1),
        }
    }

    fn refused(offset: u64, reason: &str, run_id: Option<RunId>) -> Response {
        let (message, details) = (String::new(), None);
        let reason = reason.to_owned();
        Response::Refused { workflow_id: Some(id("w")), run_id, reason, message, details, origin: origin(offset) }
    }

    #[test]
    fn only_the_own_run_answers() {
        let mut watch = watch();
        assert_eq!(watch.see(answer("other", run('b'))), Seen::Nothing);
        assert_eq!(watch.see(answer("w", run('b'))), Seen::Nothing);
        assert_eq!(watch.see(refused(4, "contract", None)), Seen::Nothing);
        assert_eq!(watch.see(answer("w", run('a'))), Seen::End(Box::new(answer("w", run('a')))));
    }

    #[test]
    fn a_refusal_of_the_own_request_is_the_end() {
        let refusal = refused(5, "unknown_definition", None);
        assert_eq!(watch().see(refusal.clone()), Seen::End(Box::new(refusal)));
    }

    #[test]
    fn a_duplicate_gets_the_first_runs_answer_whenever_it_comes() {
        let mut later = watch();
        assert_eq!(later.see(refused(5, "duplicate", Some(run('b')))), Seen::FirstRun(run('b')));
        assert_eq!(later.see(answer("w", run('b'))), Seen::End(Box::new(answer("w", run('b')))));

        let mut earlier = watch();
        assert_eq!(earlier.see(answer("w", run('b'))), Seen::Nothing);
        let seen = earlier.see(refused(5, "duplicate", Some(run('b'))));
        assert_eq!(seen, Seen::End(Box::new(answer("w", run('b')))));
    }
}
