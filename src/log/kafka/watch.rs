//! Notices when the brokers are away, and says so once: when it begins, and when it is over.

use super::complaint::Complaints;
use super::raw::{self, Event, Tap};
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::message::DeliveryResult;
use rdkafka::producer::ProducerContext;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

/// How long a probe waits for an answer.
const PROBE: Duration = Duration::from_secs(2);
/// How long until the next probe.
const PAUSE: Duration = Duration::from_millis(250);
/// After so many probes in vain the probing client is told anew where the brokers are.
const REMINDER: u32 = 4;
/// How librdkafka says that no broker is left.
const ALL_DOWN: &str = "brokers are down";

/// The client for questions, which also probes.
pub(super) struct Control {
    tap: Tap<BaseConsumer<Context>>,
    complaints: Complaints,
}

impl Control {
    /// Over a consumer without a group.
    pub(super) fn new(consumer: BaseConsumer<Context>) -> Option<Self> {
        Tap::consumer(consumer).map(|tap| Self { tap, complaints: Complaints::default() })
    }

    /// The client itself.
    pub(super) fn client(&self) -> &BaseConsumer<Context> {
        self.tap.client()
    }

    /// Why a question has had no answer, as far as [`Self::serve`] has heard.
    pub(super) fn complaints(&self) -> &Complaints {
        &self.complaints
    }

    /// Takes the client's own log lines and errors off its queue, where they would pile up. Its errors are kept as the
    /// reason of a question that fails, and said nowhere else: the clients that carry records report theirs.
    pub(super) fn serve(&self) {
        while self.tap.poll(|event| match event {
            Event::Log { facility, line } => log_line(&facility, &line),
            Event::Client { code, reason } => self.complaints.hear(code, &reason),
            _ => {}
        }) {}
    }
}

/// The state of the connection, shared by all clients of one log.
pub(super) struct Watch {
    brokers: String,
    probe_topic: String,
    control: OnceLock<Weak<Control>>,
    state: Mutex<State>,
    recoveries: AtomicU64,
}

enum State {
    /// Nothing is known to be wrong.
    Fine,
    /// A client has reported a fault; a thread finds out whether it is more than one lost connection.
    Suspected { reason: String },
    /// No broker answers, and that has been said.
    Away { since: Instant },
}

impl Watch {
    /// For these brokers; asks for `probe_topic`, which need not exist.
    pub(super) fn new(brokers: String, probe_topic: String) -> Arc<Self> {
        Arc::new(Self {
            brokers,
            probe_topic,
            control: OnceLock::new(),
            state: Mutex::new(State::Fine),
            recoveries: AtomicU64::new(0),
        })
    }

    /// Where the brokers are.
    pub(super) fn brokers(&self) -> &str {
        &self.brokers
    }

    /// A topic to ask for, which need not exist.
    pub(super) fn probe_topic(&self) -> &str {
        &self.probe_topic
    }

    /// How often a broker has answered after a fault.
    pub(super) fn recoveries(&self) -> u64 {
        self.recoveries.load(Ordering::Relaxed)
    }

    /// Names the client that probes.
    pub(super) fn probe_with(&self, control: &Arc<Control>) {
        // The first one stays; there is only one.
        let _ = self.control.set(Arc::downgrade(control));
    }

    /// A client has met a fault. Costs nothing while one is being looked into.
    pub(super) fn suspect(self: &Arc<Self>, reason: &str) {
        {
            let mut state = self.state();
            match &mut *state {
                State::Fine => *state = State::Suspected { reason: reason.to_owned() },
                // That all are down follows from something, which often comes right behind.
                State::Suspected { reason: first } if first.contains(ALL_DOWN) => return reason.clone_into(first),
                _ => return,
            }
        }
        let watch = Arc::clone(self);
        let thread = std::thread::Builder::new().name("kafka-watch".into()).spawn(move || watch.look());
        if thread.is_err() {
            tracing::warn!("Kafka at {} may be away: {reason}; no thread to look", self.brokers);
            *self.state() = State::Fine;
        }
    }

    /// Probes until the brokers answer or the log is gone.
    fn look(&self) {
        for round in 0_u32.. {
            std::thread::sleep(PAUSE);
            let Some(control) = self.control.get().and_then(Weak::upgrade) else { return };
            if round % REMINDER == REMINDER - 1 {
                // It may have forgotten them: see `lifeline.rs`.
                raw::add_brokers(control.client().client(), &self.brokers);
            }
            let answers = control.client().fetch_metadata(Some(&self.probe_topic), PROBE).is_ok();
            control.serve();
            if answers {
                control.complaints().forget();
            }
            drop(control);
            if self.learn(answers) {
                return;
            }
        }
    }

    /// Takes the answer of a probe in; true: all is well again.
    fn learn(&self, answers: bool) -> bool {
        let mut state = self.state();
        match &*state {
            State::Away { since } if answers => {
                tracing::info!("Kafka at {} answers again after {} s", self.brokers, since.elapsed().as_secs());
            }
            State::Suspected { reason } if !answers => {
                tracing::warn!("Kafka at {} does not answer: {reason}; waiting", self.brokers);
                *state = State::Away { since: Instant::now() };
            }
            _ => {}
        }
        if answers {
            *state = State::Fine;
            self.recoveries.fetch_add(1, Ordering::Relaxed);
        }
        answers
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What librdkafka tells a client: log lines go to `tracing` at debug, errors to the [`Watch`].
pub(super) struct Context(pub(super) Arc<Watch>);

impl ClientContext for Context {
    fn log(&self, _: RDKafkaLogLevel, facility: &str, message: &str) {
        log_line(facility, message);
    }

    fn stats_raw(&self, _: &[u8]) {}

    fn error(&self, error: KafkaError, reason: &str) {
        if !matches!(error, KafkaError::PartitionEOF(_)) {
            self.0.suspect(reason);
        }
    }
}

impl ConsumerContext for Context {}

impl ProducerContext for Context {
    type DeliveryOpaque = usize;

    /// Reports are read from the queue itself; what comes here is left over when an appender is dropped.
    fn delivery(&self, _: &DeliveryResult<'_>, _: usize) {}
}

/// One of librdkafka's own log lines.
pub(super) fn log_line(facility: &str, message: &str) {
    tracing::debug!(target: "librdkafka", "{facility}: {message}");
}
