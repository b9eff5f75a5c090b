//! Workflows: requests published, responses read, so many in flight.

use super::figures::LoadFigure;
use super::setup::{Installation, Roles};
use super::times::Times;
use super::{clients, cores, definitions, meter, wait};
use anyhow::{Context, Result, bail};
use orchestrator::store::Store;
use rdkafka::Message;
use rdkafka::consumer::BaseConsumer;
use rdkafka::producer::{BaseProducer, BaseRecord};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// No workflow of a bench takes longer.
const STUCK: Duration = Duration::from_secs(60);
/// No two requests of this process have the same number: a number is part of an id, and installations outlive loads.
static SENT: AtomicU64 = AtomicU64::new(0);
/// The projector catches up within this.
const CATCH_UP_WITHIN: Duration = Duration::from_secs(60);

/// What runs, and how much of it at once.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    pub name: &'static str,
    /// Of one workflow.
    pub nodes: usize,
    pub in_flight: usize,
}

/// `chain:256`: a name and how many in flight.
pub fn case(text: &str) -> Result<Case> {
    let (name, in_flight) = text.split_once(':').context("expected NAME:IN_FLIGHT, such as chain:256")?;
    let (name, nodes) = match name {
        "chain" => ("chain", definitions::CHAIN_NODES),
        "fan" => ("fan", definitions::FAN_NODES),
        _ => bail!("expected chain or fan, found {name:?}"),
    };
    Ok(Case { name, nodes, in_flight: in_flight.parse()? })
}

/// A client of an installation.
pub struct Load<'a> {
    installation: &'a Installation<'a>,
    roles: &'a Roles,
    producer: BaseProducer,
    consumer: BaseConsumer,
    store: Arc<dyn Store>,
    requests: String,
    under_way: HashMap<u64, Instant>,
}

impl<'a> Load<'a> {
    pub fn open(installation: &'a Installation<'a>, roles: &'a Roles) -> Result<Self> {
        let brokers = installation.services.brokers();
        Ok(Self {
            producer: clients::producer(brokers)?,
            consumer: clients::consumer(brokers, &[&installation.topic("responses")], installation.partitions)?,
            store: orchestrator::store::open(&installation.store_url)?,
            requests: installation.topic("requests"),
            installation,
            roles,
            under_way: HashMap::new(),
        })
    }

    /// Keeps `in_flight` workflows going, then lets them end and the projector catch up.
    pub fn run(&mut self, case: Case, warm_up: Duration, window: Duration) -> Result<LoadFigure> {
        for _ in 0..case.in_flight {
            self.publish(case.name)?;
        }
        self.keep_going(case.name, warm_up, &mut Times::default())?;
        let groups = self.roles.groups();
        let (began, before, cores_before) = (Instant::now(), meter::read(&groups)?, cores::read(&groups)?);
        let mut times = Times::default();
        self.keep_going(case.name, window, &mut times)?;
        times.window = began.elapsed();
        let usage = meter::between(&before, &meter::read(&groups)?);
        let busy = cores::between(&cores_before, &cores::read(&groups)?);
        let lag_records = self.lag()?;
        while !self.under_way.is_empty() {
            self.collect()?;
        }
        let what = "the projector catches up";
        let caught_up = wait::until(what, CATCH_UP_WITHIN, || Ok((self.lag()? == 0).then_some(())))?.1;
        let Case { name, nodes, in_flight } = case;
        Ok(LoadFigure { name, in_flight, nodes_each: nodes, times, usage, busy, lag_records, caught_up })
    }

    /// Publishes a request for every response, for so long.
    fn keep_going(&mut self, definition: &str, window: Duration, times: &mut Times) -> Result<()> {
        let end = Instant::now() + window;
        while Instant::now() < end {
            for took in self.collect()? {
                times.add(took);
                self.publish(definition)?;
            }
            self.producer.poll(Duration::ZERO);
        }
        Ok(())
    }

    fn publish(&mut self, definition: &str) -> Result<()> {
        let number = SENT.fetch_add(1, Ordering::Relaxed);
        let key = format!("{definition}-{number}");
        let value = request(definition);
        self.under_way.insert(number, Instant::now());
        let record = BaseRecord::to(&self.requests).key(&key).payload(&value);
        self.producer.send(record).map_err(|(error, _)| error)?;
        Ok(())
    }

    /// Waits for responses; how long each took.
    fn collect(&mut self) -> Result<Vec<Duration>> {
        let (mut took, mut wait) = (Vec::new(), STUCK);
        while let Some(record) = clients::next(&self.consumer, wait)? {
            wait = Duration::ZERO;
            let value = record.payload().unwrap_or_default();
            let key = std::str::from_utf8(record.key().unwrap_or_default())?;
            let number: u64 = key.rsplit('-').next().unwrap_or_default().parse().context("a stranger's response")?;
            if !value.windows(COMPLETED.len()).any(|part| part == COMPLETED) {
                bail!("expected an answer, found {}", String::from_utf8_lossy(value));
            }
            took.extend(self.under_way.remove(&number).map(|began| began.elapsed()));
        }
        if !wait.is_zero() {
            bail!("no workflow has ended for {STUCK:?}");
        }
        Ok(took)
    }

    /// Journal records that are not in the store.
    fn lag(&self) -> Result<u64> {
        let journal = self.installation.topic("journal");
        let lag = |partition| {
            let end = clients::end_of(&self.consumer, &journal, partition)?;
            let position = self.store.position(partition)?.map_or(0, |position| position.next_offset);
            Ok(end.saturating_sub(position))
        };
        (0..self.installation.partitions).map(lag).sum()
    }
}

const COMPLETED: &[u8] = br#""status":"completed""#;

/// The request of a workflow.
pub fn request(definition: &str) -> String {
    let text = "x".repeat(super::PAYLOAD_BYTES - r#"{"text":""}"#.len());
    format!(r#"{{"definition":"{definition}","input":{{"text":"{text}"}}}}"#)
}
