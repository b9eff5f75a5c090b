//! Requests: misrouted ones are sent on, known ones are recognised, the others start a run.

use super::decide::{Decided, origin_of, place_of, traceparent};
use super::input::Arrived;
use super::owner::{Owning, Stop};
use super::partition::Env;
use super::state::Entry;
use super::step::Planned;
use crate::core::command::{Origin, Request, Resume, StartWorkflow};
use crate::core::decide::{Given, start_workflow};
use crate::core::definition::DefinitionRef;
use crate::core::definition::graph::Graph;
use crate::core::event::{InputForwarded, PartitionEvent};
use crate::core::id::{RunId, WorkflowId};
use crate::core::lineage::LineageKind;
use crate::core::partition::partition_of;
use crate::core::rejection::{Refusal, RefusalReason, Rejection};
use crate::core::status::Status;
use crate::core::time::Timestamp;
use crate::journal::record::Cause;
use crate::log::Record;
use crate::planted::{Bug, is_planted};
use crate::wire::{dead_letter, headers, request};
use std::sync::Arc;
use std::time::Duration;

/// Where a request's definition stands.
enum Lookup {
    Found(DefinitionRef, Arc<Graph>),
    /// It is there, and cannot be executed by this version.
    NotValid(DefinitionRef),
    /// Nobody had applied it by the time the request came in.
    Unknown,
    /// Not before the definitions have been read to their end.
    NotYet,
}

/// The run that has a workflow's id.
struct Known {
    run_id: RunId,
    payload_hash: String,
    status: Status,
    /// When it ended, if it has.
    ended_at: Option<Timestamp>,
    /// It began with the very request that asks for it again: that was forwarded twice, or its topic is read anew.
    is_its_request: bool,
}

impl Owning {
    pub(super) fn decide_request(&mut self, arrived: &Arrived, env: &mut Env) -> Result<Decided, Stop> {
        let record = &arrived.record;
        let decoded = request::decode(record.key.as_deref(), record.value.as_deref(), env.settings.max_record_bytes);
        let request = match decoded {
            Ok(request) => request,
            Err(refusal) => return Ok(Decided::to(self.refuse(record, place_of(record), refusal, env))),
        };
        let partitions = env.settings.partitions;
        let (workflow_id, origin) = match &request.workflow_id {
            Some(id) => (id.clone(), origin_of(record, id, partitions)),
            // It is at home wherever it stands.
            None => (request::derived_workflow_id(&place_of(record), partitions), place_of(record)),
        };
        if let Some(planned) = self.send_home(record, &workflow_id, env) {
            return Ok(Decided::to(planned));
        }
        let (definition, graph) = match self.look_up(&request, arrived, env) {
            Lookup::Found(definition, graph) => (definition, graph),
            Lookup::NotYet => return Ok(Decided::NotYet),
            Lookup::NotValid(definition) => {
                let refusal = definition_not_valid(&definition, workflow_id);
                return Ok(Decided::to(self.refuse(record, origin, refusal, env)));
            }
            Lookup::Unknown => {
                let refusal = unknown_definition(&request, workflow_id);
                return Ok(Decided::to(self.refuse(record, origin, refusal, env)));
            }
        };
        let start = start_of(request, workflow_id, definition, origin, record);
        self.start(record, start, &graph, env).map(Decided::to)
    }

    fn start(
        &mut self,
        record: &Record,
        mut start: StartWorkflow,
        graph: &Arc<Graph>,
        env: &mut Env,
    ) -> Result<Planned, Stop> {
        let mut now = self.clock.at(env.now);
        let resume = start.resume.as_ref().filter(|resume| resume.kind == LineageKind::Redrive);
        let known = match (resume, self.known_run(&start, now)) {
            // The run that is taken up has failed, and no other has begun since. The client's own request is to be
            // recognised by the new one, too.
            (Some(resume), Some(known))
                if known.run_id == resume.run_id
                    && (known.status == Status::Failed || is_planted(Bug::TakesUpAnything)) =>
            {
                if let Ok(hash) = hex::decode(&known.payload_hash).unwrap_or_default().try_into() {
                    start.payload_hash = hash;
                }
                // The later run of two is the one that ended later, and a clock that was ahead may stand still for a
                // while.
                self.clock.not_before(known.ended_at.unwrap_or_default().after(Duration::from_micros(1)));
                now = self.clock.at(env.now);
                None
            }
            (Some(resume), Some(known)) => return Ok(self.refuse_resume(record, &start, resume, &known, env)),
            (_, known) => known,
        };
        let start = &start;
        if let Some(known) = known {
            return Ok(self.recognise(record, start, known, env));
        }
        let given = Given { limits: &env.settings.limits, gate: self.breakers.gate(), now };
        match start_workflow(start, graph, &given) {
            Err(refusal) => Ok(self.refuse(record, start.origin.clone(), refusal, env)),
            Ok(events) => {
                let cause = Cause::Input(start.origin.clone());
                let (id, run_id) = (&start.workflow_id, &start.run_id);
                self.record(id, run_id, start.traceparent.clone(), events, cause, Some(graph), now)
            }
        }
    }

    /// The workflow's id is taken: by this very request, by the same one once more, or by another one.
    fn recognise(&mut self, record: &Record, start: &StartWorkflow, known: Known, env: &mut Env) -> Planned {
        let Known { run_id, payload_hash, is_its_request, .. } = known;
        if hex::encode(start.payload_hash) == payload_hash {
            let rejection = match is_its_request {
                true => Rejection::AlreadyAccepted(run_id.clone()),
                false => Rejection::DuplicateStart(run_id.clone()),
            };
            return self.reject(record, start.workflow_id.clone(), Some(run_id), &rejection, env);
        }
        let message = format!(
            "workflow_id {:?} is taken by run {run_id}, which was asked for with another payload",
            start.workflow_id
        );
        let refusal = Refusal {
            workflow_id: Some(start.workflow_id.clone()),
            ..Refusal::new(RefusalReason::IdConflict, message)
        };
        self.refuse(record, start.origin.clone(), refusal, env)
    }

    /// What is asked to be taken up has not failed, or has been taken up already.
    fn refuse_resume(
        &mut self,
        record: &Record,
        start: &StartWorkflow,
        resume: &Resume,
        known: &Known,
        env: &mut Env,
    ) -> Planned {
        let run_id = &known.run_id;
        if *run_id != resume.run_id {
            let rejection = match known.is_its_request {
                true => Rejection::AlreadyAccepted(run_id.clone()),
                false => Rejection::NotTheLast { found: resume.run_id.clone(), last: run_id.clone() },
            };
            return self.reject(record, start.workflow_id.clone(), Some(run_id.clone()), &rejection, env);
        }
        let message = format!("run {run_id} is {}; only a run that has failed can be taken up", known.status.as_str());
        let refusal =
            Refusal { workflow_id: Some(start.workflow_id.clone()), ..Refusal::new(RefusalReason::Resume, message) };
        self.refuse(record, start.origin.clone(), refusal, env)
    }

    /// The unfinished run of a workflow, or the last one that ended inside the window.
    fn known_run(&mut self, start: &StartWorkflow, now: Timestamp) -> Option<Known> {
        if let Some(Entry { run, .. }) = self.state.runs.get(&start.workflow_id) {
            return Some(Known {
                run_id: run.run_id.clone(),
                payload_hash: run.payload_hash.clone(),
                status: run.status,
                ended_at: run.ended_at,
                is_its_request: run.origin == start.origin,
            });
        }
        self.state.window.find(&start.workflow_id, now).map(|ended| Known {
            run_id: ended.run_id.clone(),
            payload_hash: ended.payload_hash.clone(),
            status: ended.status,
            ended_at: Some(ended.ended_at),
            is_its_request: ended.began_at(&start.origin),
        })
    }

    /// The definitions that are known may be older than the request: before a name is called unknown, they are read
    /// to an end that was asked for after the request came in.
    fn look_up(&self, request: &Request, arrived: &Arrived, env: &mut Env) -> Lookup {
        match env.definitions.find(&request.definition, request.version) {
            Some((definition, Some(graph))) => return Lookup::Found(definition, graph),
            Some((definition, None)) => return Lookup::NotValid(definition),
            None => {}
        }
        let all_read = env.definitions.up_to_date(arrived.at, env.now, env.io);
        if all_read { Lookup::Unknown } else { Lookup::NotYet }
    }

    /// A record that stands in another partition than its workflow's is sent on, once.
    pub(super) fn send_home(&mut self, record: &Record, workflow_id: &WorkflowId, env: &mut Env) -> Option<Planned> {
        let home = partition_of(workflow_id.as_str().as_bytes(), env.settings.partitions);
        if home == self.claimant.partition {
            return None;
        }
        let origin = place_of(record);
        if record.header(headers::ORIGIN).is_some() {
            let refusal = Refusal {
                workflow_id: Some(workflow_id.clone()),
                ..Refusal::new(
                    RefusalReason::WrongPartition,
                    format!(
                        "it belongs into partition {home}, and was forwarded before to partition {}",
                        record.partition
                    ),
                )
            };
            return Some(self.refuse(record, origin, refusal, env));
        }
        let kept = dead_letter::keep(record.key.as_ref(), record.value.as_ref(), &record.headers);
        let event = PartitionEvent::InputForwarded(InputForwarded {
            origin: origin.clone(),
            to_partition: home,
            workflow_id: workflow_id.clone(),
        });
        Some(self.record_partition_event(Cause::Input(origin), event, Some(kept), traceparent(record), env))
    }
}

fn start_of(
    request: Request,
    workflow_id: WorkflowId,
    definition: DefinitionRef,
    origin: Origin,
    record: &Record,
) -> StartWorkflow {
    StartWorkflow {
        payload_hash: request::payload_hash(&request),
        workflow_id,
        // By its place, not by its origin: whoever may publish requests may write the header that says where one
        // stood first, and two runs with one id would take each other's results.
        run_id: request::run_id(&place_of(record)),
        definition,
        input: request.input,
        conversation_id: request.conversation_id,
        origin,
        traceparent: traceparent(record),
        resume: request.resume,
    }
}

fn unknown_definition(request: &Request, workflow_id: WorkflowId) -> Refusal {
    let version = request.version.map(|version| format!(" version {version}")).unwrap_or_default();
    Refusal {
        workflow_id: Some(workflow_id),
        ..Refusal::new(
            RefusalReason::UnknownDefinition,
            format!(
                "nobody has applied definition {}{version}; `orchestrator definitions apply` does",
                request.definition
            ),
        )
    }
}

/// A newer version of the orchestrator may have checked it when it was applied.
fn definition_not_valid(definition: &DefinitionRef, workflow_id: WorkflowId) -> Refusal {
    Refusal {
        workflow_id: Some(workflow_id),
        ..Refusal::new(
            RefusalReason::Unsupported,
            format!(
                "definition {} version {} ({}) is not valid for orchestrator {}, as the engine's log says in full; \
                 a newer one may be needed",
                definition.name,
                definition.version,
                definition.hash,
                env!("CARGO_PKG_VERSION")
            ),
        )
    }
}
