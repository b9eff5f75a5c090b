//! Anything that can be written, for tests that write and read it.

use bytes::Bytes;
use orchestrator::core::command::Origin;
use orchestrator::core::definition::{DefinitionHash, DefinitionRef};
use orchestrator::core::event::*;
use orchestrator::core::failure::{
    ClassifiedBy, Failure, FailureClass, FinalBecause, Handling, Recovery, ReportedFailure,
};
use orchestrator::core::id::*;
use orchestrator::core::json::Json;
use orchestrator::core::letter::LetterAction;
use orchestrator::core::lineage::{Carried, GivenAgent, GivenInput, Lineage, LineageKind};
use orchestrator::core::retry::{Factor, Jitter, RetryPolicy};
use orchestrator::core::run::Outcome;
use orchestrator::core::status::{NodeStatus, Status};
use orchestrator::core::time::Timestamp;
use orchestrator::core::usage::{Cost, MAX_TOKENS, Usage};
use orchestrator::journal::record::*;
use orchestrator::wire::answer::Response;
use orchestrator::wire::definition::DefinitionRecord;
use orchestrator::wire::event::{self, PartitionRecorded};
use orchestrator::wire::report::{Report, ReportOutcome};
use orchestrator::wire::task::Task;
use orchestrator::wire::wakeup::Wakeup;
use proptest::collection::{btree_map, vec};
use proptest::option::of;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use serde_json::Value;

/// So many cases from a seed that a failing test prints; `PROPTEST_RNG_SEED` runs them again.
pub fn cases(cases: u32) -> ProptestConfig {
    let default = ProptestConfig::default();
    let seed = match default.rng_seed {
        RngSeed::Fixed(seed) => seed,
        RngSeed::Random => rand::random(),
    };
    println!("PROPTEST_RNG_SEED={seed}");
    ProptestConfig { cases, rng_seed: RngSeed::Fixed(seed), failure_persistence: None, ..default }
}

fn id<T: std::str::FromStr<Err = IllegalId>>(text: String) -> T {
    text.parse().unwrap()
}

fn workflow_id() -> impl Strategy<Value = WorkflowId> {
    "[^\\p{Cc}]{1,60}".prop_map(id)
}

fn conversation_id() -> impl Strategy<Value = ConversationId> {
    "[^\\p{Cc}]{1,20}".prop_map(id)
}

fn name<T: std::str::FromStr<Err = IllegalId> + std::fmt::Debug>() -> impl Strategy<Value = T> {
    "[A-Za-z0-9_-]{1,100}".prop_map(id)
}

fn hex_digits(count: usize) -> impl Strategy<Value = String> {
    proptest::string::string_regex(&format!("[0-9a-f]{{{count}}}")).unwrap()
}

fn run_id() -> impl Strategy<Value = RunId> {
    hex_digits(32).prop_map(id)
}

/// Any text, also with control characters.
fn text() -> impl Strategy<Value = String> {
    any::<String>()
}

pub fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(|number| Value::from(if number.is_finite() { number } else { 0.5 })),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::from),
            btree_map(text(), inner, 0..6).prop_map(|members| members.into_iter().collect()),
        ]
    })
}

pub fn json() -> impl Strategy<Value = Json> {
    (value(), any::<bool>()).prop_map(|(value, spaced)| {
        Json::parse(&if spaced { format!("{value:#}") } else { value.to_string() }).unwrap()
    })
}

fn time() -> impl Strategy<Value = Timestamp> {
    any::<i64>().prop_map(Timestamp)
}

/// A time that RFC 3339 can say.
fn written_time() -> impl Strategy<Value = Timestamp> {
    (-62_135_596_800_000_000i64..253_402_300_799_999_999).prop_map(Timestamp)
}

/// What Avro's `long` and Kafka's offsets hold.
fn number() -> impl Strategy<Value = u64> {
    prop_oneof![0u64..1000, 0..=i64::MAX as u64]
}

/// What Avro's `int` and Kafka's partitions hold.
fn small() -> impl Strategy<Value = u32> {
    prop_oneof![0u32..8, 0..=i32::MAX as u32]
}

pub fn origin() -> impl Strategy<Value = Origin> {
    ("[a-z.]{1,20}", small(), number(), time()).prop_map(|(topic, partition, offset, time)| Origin {
        topic,
        partition,
        offset,
        time,
    })
}

fn written_origin() -> impl Strategy<Value = Origin> {
    (origin(), written_time()).prop_map(|(origin, time)| Origin { time, ..origin })
}

fn definition() -> impl Strategy<Value = DefinitionRef> {
    (name(), 1..=i32::MAX as u32, hex_digits(64)).prop_map(|(name, version, hash)| DefinitionRef {
        name,
        version,
        hash: DefinitionHash(hash.into()),
    })
}

fn class() -> impl Strategy<Value = FailureClass> {
    use FailureClass::*;
    proptest::sample::select(&[Retryable, NonRetryable, Timeout, RateLimited, Contract, Cancelled][..])
}

fn status() -> impl Strategy<Value = Status> {
    proptest::sample::select(&Status::ALL[..])
}

fn failure() -> impl Strategy<Value = Failure> {
    (class(), text(), text(), of(json())).prop_map(|(class, code, message, details)| Failure {
        class,
        code,
        message,
        details,
    })
}

fn settings() -> impl Strategy<Value = RunSettings> {
    (any::<u32>(), any::<u32>(), number(), retry(), of(number())).prop_map(
        |(parallel_threshold, max_agent_calls, agent_timeout_ms, retry, timeout_ms)| RunSettings {
            parallel_threshold,
            max_agent_calls,
            agent_timeout_ms,
            retry,
            timeout_ms,
        },
    )
}

fn retry() -> impl Strategy<Value = RetryPolicy> {
    (any::<u32>(), number(), 1_000..=1_000_000_u32, number(), proptest::sample::select(&Jitter::ALL[..]), of(number()))
        .prop_map(|(max_retries, base_delay_ms, thousandths, max_delay_ms, jitter, max_elapsed_ms)| RetryPolicy {
            max_retries,
            base_delay_ms,
            exponential_base: Factor::try_from(f64::from(thousandths) / 1_000.0).unwrap(),
            max_delay_ms,
            jitter,
            max_elapsed_ms,
        })
}

fn started() -> impl Strategy<Value = Event> {
    let taken_over = (of(lineage()), vec(carried(), 0..3), vec(given_input(), 0..3), vec(given_agent(), 0..3));
    (definition(), json(), of(conversation_id()), origin(), hex_digits(32), of(text()), settings(), taken_over)
        .prop_map(|(definition, input, conversation_id, origin, payload_hash, traceparent, settings, taken_over)| {
            let (lineage, carried, inputs, agents) = taken_over;
            Event::WorkflowStarted(WorkflowStarted {
                lineage,
                carried,
                inputs,
                definition,
                input,
                conversation_id,
                origin,
                payload_hash,
                traceparent,
                settings,
                agents,
            })
        })
}

fn lineage() -> impl Strategy<Value = Lineage> {
    let kind = proptest::sample::select(&[LineageKind::Redrive, LineageKind::Fork][..]);
    (kind, workflow_id(), run_id(), of(text()), of(name()))
        .prop_map(|(kind, workflow_id, run_id, by, from_node)| Lineage { kind, workflow_id, run_id, by, from_node })
}

fn given_agent() -> impl Strategy<Value = GivenAgent> {
    (name(), name()).prop_map(|(node_id, agent_name)| GivenAgent { node_id, agent_name })
}

fn usage() -> impl Strategy<Value = Usage> {
    (0..=1_000_000_000_000_000_u64, 0..=MAX_TOKENS, 0..=MAX_TOKENS).prop_map(|(nanos, input_tokens, output_tokens)| {
        Usage { cost: Cost::from_nanos(nanos), input_tokens, output_tokens }
    })
}

fn carried() -> impl Strategy<Value = Carried> {
    let status = proptest::sample::select(&[NodeStatus::Completed, NodeStatus::Recovered, NodeStatus::Skipped][..]);
    (name(), name(), status, json()).prop_map(|(node_id, agent_name, status, output)| Carried {
        node_id,
        agent_name,
        status,
        output,
    })
}

fn given_input() -> impl Strategy<Value = GivenInput> {
    (name(), json()).prop_map(|(node_id, input)| GivenInput { node_id, input })
}

fn recovered() -> impl Strategy<Value = Event> {
    use Recovery::*;
    let how = proptest::sample::select(&[Skip, ContinueWith, RouteTo, Supply][..]);
    (name(), small(), how, json(), of(name()), of(text())).prop_map(
        |(node_id, attempt, how, output, failure_node, by)| {
            Event::NodeRecovered(NodeRecovered { node_id, attempt, how, output, failure_node, by })
        },
    )
}

fn handling() -> impl Strategy<Value = Handling> {
    use Handling::*;
    proptest::sample::select(&[Skip, ContinueWith, RouteTo, Compensate][..])
}

fn node_event() -> impl Strategy<Value = Event> {
    (name(), name(), small(), json(), number(), failure(), time(), (of(handling()), of(usage())), 0..7).prop_map(
        |(node_id, agent_name, attempt, json, timeout_ms, failure, due_at, (handling, usage), which)| match which {
            0 => Event::NodeScheduled(NodeScheduled {
                heartbeat: handling.is_some(),
                deadline: handling.is_some().then_some(due_at),
                node_id,
                agent_name,
                attempt,
                input: json,
                timeout_ms,
            }),
            1 => Event::NodeStarted(NodeStarted { node_id, attempt, local: attempt % 2 == 0 }),
            2 => Event::NodeCompleted(NodeCompleted { node_id, attempt, output: json, usage }),
            3 => {
                let delay_ms = timeout_ms;
                Event::NodeRetryScheduled(NodeRetryScheduled { node_id, agent_name, attempt, delay_ms, due_at })
            }
            6 => Event::NodeProgressed(NodeProgressed { node_id, attempt }),
            _ => {
                let Failure { class, code, message, details } = failure;
                Event::NodeFailed(NodeFailed {
                    handling,
                    node_id,
                    agent_name,
                    attempt,
                    class,
                    code,
                    message,
                    details,
                    input: (which == 4).then_some(json),
                    classified_by: if which == 4 { ClassifiedBy::Nobody } else { ClassifiedBy::Agent },
                    retry_after_ms: (which == 4).then_some(timeout_ms),
                    final_because: (which == 5).then_some(FinalBecause::MaxElapsed),
                    usage,
                })
            }
        },
    )
}

fn workflow_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        (of(name()), of(hex_digits(64)), of(json())).prop_map(|(planner, definition_hash, plan)| {
            Event::PlanMade(PlanMade { planner, definition_hash, plan })
        }),
        (status(), status()).prop_map(|(from, to)| Event::StateTransitioned(StateTransitioned { from, to })),
        (definition(), time(), json()).prop_map(|(definition, started_at, answer)| {
            Event::WorkflowCompleted(WorkflowCompleted { definition, started_at, answer })
        }),
        (definition(), time(), of(name()), failure(), of(json())).prop_map(
            |(definition, started_at, node_id, Failure { class, code, message, details }, context)| {
                Event::WorkflowFailed(WorkflowFailed {
                    context,
                    definition,
                    started_at,
                    node_id,
                    class,
                    code,
                    message,
                    details,
                })
            }
        ),
    ]
}

pub fn recorded() -> impl Strategy<Value = Recorded> {
    (workflow_id(), run_id(), number(), time(), prop_oneof![started(), node_event(), recovered(), workflow_event()])
        .prop_map(|(workflow_id, run_id, sequence, time, event)| Recorded {
            workflow_id,
            run_id,
            sequence,
            time,
            event,
        })
}

pub fn refused() -> impl Strategy<Value = InputRefused> {
    (origin(), text(), text(), of(json()), of(workflow_id())).prop_map(
        |(origin, reason, message, details, workflow_id)| InputRefused {
            origin,
            reason,
            message,
            details,
            workflow_id,
        },
    )
}

fn partition_event() -> impl Strategy<Value = PartitionEvent> {
    prop_oneof![
        refused().prop_map(PartitionEvent::InputRefused),
        (origin(), text(), text(), workflow_id(), of(run_id())).prop_map(
            |(origin, reason, message, workflow_id, run_id)| {
                PartitionEvent::InputRejected(InputRejected { origin, reason, message, workflow_id, run_id })
            }
        ),
        (origin(), small(), workflow_id()).prop_map(|(origin, to_partition, workflow_id)| {
            PartitionEvent::InputForwarded(InputForwarded { origin, to_partition, workflow_id })
        }),
        (text(), number(), text(), text(), of(workflow_id())).prop_map(
            |(effect, step, topic, message, workflow_id)| {
                PartitionEvent::EffectFailed(EffectFailed { effect, step, topic, message, workflow_id })
            }
        ),
        (text(), number(), number(), text()).prop_map(|(topic, expected, resumed_at, message)| {
            PartitionEvent::InputLost(InputLost { topic, expected, resumed_at, message })
        }),
        (origin(), 1..=5u32).prop_map(|(origin, times)| PartitionEvent::Trying(Trying { origin, times })),
        (
            "[0-9a-f]{16}",
            proptest::sample::select(&LetterAction::ALL[..]),
            text(),
            of(text()),
            of(workflow_id()),
            of(run_id())
        )
            .prop_map(|(letter_id, action, by, note, workflow_id, run_id)| {
                let letter_id = LetterId::new(&letter_id).unwrap();
                PartitionEvent::DeadLetterHandled(DeadLetterHandled {
                    letter_id,
                    action,
                    by,
                    note,
                    workflow_id,
                    run_id,
                })
            }),
    ]
}

pub fn partition_recorded() -> impl Strategy<Value = PartitionRecorded> {
    (small(), number(), time(), partition_event()).prop_map(|(partition, sequence, time, event)| PartitionRecorded {
        partition,
        sequence,
        time,
        event,
    })
}

fn bytes() -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..40).prop_map(Bytes::from)
}

pub fn input_record() -> impl Strategy<Value = InputRecord> {
    (of(bytes()), of(bytes()), number(), text(), vec((text().prop_map(Into::into), bytes()), 0..4)).prop_map(
        |(key, value, value_bytes, value_sha256, headers)| InputRecord {
            key,
            value,
            value_bytes,
            value_sha256,
            headers,
        },
    )
}

fn transition() -> impl Strategy<Value = Transition> {
    let cause = prop_oneof![
        origin().prop_map(Cause::Input),
        Just(Cause::Timer),
        Just(Cause::Continuation),
        Just(Cause::EffectFailed),
    ];
    let events = vec(prop_oneof![recorded().prop_map(|event| event::encode(&event)), bytes()], 0..4);
    (cause, any::<[u8; 16]>(), of(text()), events, of(input_record()))
        .prop_map(|(cause, chain, traceparent, events, input)| Transition { cause, chain, traceparent, events, input })
}

fn owner() -> impl Strategy<Value = Owner> {
    any::<[u8; 16]>().prop_map(Owner)
}

fn step() -> impl Strategy<Value = Step> {
    let below = (number(), time()).prop_map(|(offset, time)| Below { offset, time });
    let position = (text(), number(), of(below)).prop_map(|(topic, next, below)| InputPosition { topic, next, below });
    let through = (number(), number()).prop_map(|(step, offset)| EffectsThrough { step, offset });
    (number(), owner(), number(), time(), vec(position, 0..4), of(through), vec(transition(), 0..6)).prop_map(
        |(term, owner, number, time, positions, effects_through, transitions)| Step {
            term,
            owner,
            number,
            time,
            positions,
            effects_through,
            transitions,
        },
    )
}

pub fn journal_record() -> impl Strategy<Value = JournalRecord> {
    let taken = (number(), owner(), time(), text(), text(), text(), text()).prop_map(
        |(term, owner, time, group, host, version, cluster)| PartitionTaken {
            term,
            owner,
            time,
            group,
            host,
            version,
            cluster,
        },
    );
    prop_oneof![
        1 => taken.prop_map(JournalRecord::PartitionTaken),
        4 => step().prop_map(JournalRecord::Step),
    ]
}

fn dispatch_id() -> impl Strategy<Value = DispatchId> {
    (run_id(), name(), 1..u32::MAX).prop_map(|(run_id, node_id, attempt)| DispatchId { run_id, node_id, attempt })
}

pub fn task() -> impl Strategy<Value = Task> {
    (dispatch_id(), workflow_id(), name(), json(), any::<u64>(), any::<bool>(), text(), any::<u32>()).prop_map(
        |(dispatch_id, workflow_id, agent_name, input, timeout_ms, heartbeat, reply_topic, reply_partition)| Task {
            dispatch_id,
            workflow_id,
            agent_name,
            input,
            timeout_ms,
            heartbeat,
            reply_topic,
            reply_partition,
        },
    )
}

pub fn wakeup() -> impl Strategy<Value = Wakeup> {
    (dispatch_id(), workflow_id(), written_time()).prop_map(|(dispatch_id, workflow_id, due_at)| Wakeup {
        dispatch_id,
        workflow_id,
        due_at,
    })
}

pub fn report() -> impl Strategy<Value = Report> {
    let outcome = prop_oneof![
        Just(ReportOutcome::Started),
        Just(ReportOutcome::Heartbeat),
        json().prop_map(ReportOutcome::Completed),
        (details_that_are_not_null(), any::<bool>(), of(0..1_000_000_u64)).prop_map(|(failure, says, after)| {
            let class = says.then_some(failure.class);
            let retry_after = after.map(std::time::Duration::from_millis);
            ReportOutcome::Failed(ReportedFailure { class, retry_after, ..failure.into() })
        }),
    ];
    (dispatch_id(), workflow_id(), outcome, of(usage())).prop_map(|(dispatch_id, workflow_id, outcome, usage)| Report {
        dispatch_id,
        workflow_id,
        outcome,
        usage,
    })
}

/// In JSON records, details that are `null` are no details.
fn details_that_are_not_null() -> impl Strategy<Value = Failure> {
    failure()
        .prop_map(|failure| Failure { details: failure.details.filter(|details| *details != Json::null()), ..failure })
}

pub fn response() -> impl Strategy<Value = Response> {
    let outcome = prop_oneof![
        json().prop_map(Outcome::Answer),
        (of(name()), details_that_are_not_null()).prop_map(|(node, failure)| Outcome::Failure(node, failure)),
    ];
    let context = of(json().prop_filter("no context", |context| *context != Json::null()));
    let answer = (workflow_id(), run_id(), definition(), outcome, context, written_time(), written_time()).prop_map(
        |(workflow_id, run_id, definition, outcome, context, started_at, ended_at)| Response::Answer {
            // Only a failure has one.
            context: context.filter(|_| matches!(outcome, Outcome::Failure(..))),
            workflow_id,
            run_id,
            definition,
            outcome,
            started_at,
            ended_at,
        },
    );
    let refused = (of(workflow_id()), of(run_id()), text(), text(), of(json()), written_origin()).prop_map(
        |(workflow_id, run_id, reason, message, details, origin)| Response::Refused {
            workflow_id,
            run_id,
            reason,
            message,
            details: details.filter(|details| *details != Json::null()),
            origin,
        },
    );
    prop_oneof![answer, refused]
}

pub fn definition_record() -> impl Strategy<Value = DefinitionRecord> {
    prop_oneof![
        (definition(), written_time(), value()).prop_map(|(reference, applied_at, document)| {
            DefinitionRecord::Applied { reference, applied_at, document }
        }),
        (1..=i32::MAX as u32).prop_map(|partitions| DefinitionRecord::Installation { partitions }),
    ]
}
