//! A bare pipe with the hops of a chain of ten nodes, one after another: 1 request, 11 journal, 10 ready, 10 results,
//! 1 response, each a produce and a consume.

use super::clients;
use super::definitions::CHAIN_NODES;
use super::pipe::Echo;
use super::setup::Services;
use super::times::Times;
use anyhow::{Context, Result};
use rdkafka::Message;
use rdkafka::consumer::BaseConsumer;
use rdkafka::producer::BaseProducer;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How many hops a record makes.
pub const HOPS: usize = 2 + (CHAIN_NODES + 1) + 2 * CHAIN_NODES;

/// The client's side; engine and worker are threads.
pub struct Hops {
    partitions: u32,
    producer: BaseProducer,
    consumer: BaseConsumer,
    requests: String,
    stop: Arc<AtomicBool>,
    engine: Option<JoinHandle<Result<()>>>,
    _echo: Echo,
}

/// The names of the topics.
struct Topics {
    requests: String,
    journal: String,
    ready: String,
    results: String,
    responses: String,
}

impl Hops {
    pub fn open(services: &Services, partitions: u32) -> Result<Self> {
        let brokers = services.brokers();
        let name = |topic: &str| format!("hops-{}-{partitions}.{topic}", std::process::id());
        let topics = Topics {
            requests: name("requests"),
            journal: name("journal"),
            ready: name("ready"),
            results: name("results"),
            responses: name("responses"),
        };
        let Topics { requests, journal, ready, results, responses } = &topics;
        clients::create_topics(brokers, &[requests, journal, ready, results, responses], partitions)?;
        let echo = Echo::start(brokers, ready, results, partitions)?;
        let consumer = clients::consumer(brokers, &[responses], partitions)?;
        let producer = clients::producer(brokers)?;
        let requests = requests.clone();
        let stop = Arc::new(AtomicBool::new(false));
        let engine = engine(brokers, topics, partitions, stop.clone())?;
        Ok(Self { partitions, producer, consumer, requests, stop, engine: Some(engine), _echo: echo })
    }

    /// One request at a time.
    pub fn run(&mut self, warm_up: Duration, window: Duration) -> Result<Times> {
        let mut times = Times::default();
        let begin = Instant::now() + warm_up;
        for i in 0u32.. {
            let began = Instant::now();
            if began >= begin + window {
                break;
            }
            // Byte 0 counts the nodes that are done.
            let mut payload = [b'x'; super::PAYLOAD_BYTES];
            payload[0] = 0;
            clients::send(&self.producer, &self.requests, i32::try_from(i % self.partitions)?, &payload)?;
            self.producer.poll(Duration::ZERO);
            clients::next(&self.consumer, Duration::from_secs(30))?.context("nothing came back from the hops")?;
            if began >= begin {
                times.add(began.elapsed());
            }
        }
        times.window = window;
        Ok(times)
    }
}

impl Drop for Hops {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(Ok(Err(error))) = self.engine.take().map(JoinHandle::join) {
            eprintln!("pipeline: the engine of the hops ended: {error:#}");
        }
    }
}

/// Requests and results go to the journal, and what is read back goes on.
fn engine(brokers: &str, topics: Topics, partitions: u32, stop: Arc<AtomicBool>) -> Result<JoinHandle<Result<()>>> {
    let producer = clients::producer(brokers)?;
    let Topics { requests, journal, ready, results, responses } = topics;
    let consumer = clients::consumer(brokers, &[&requests, &journal, &results], partitions)?;
    let run = move || {
        while !stop.load(Ordering::Relaxed) {
            let mut wait = Duration::from_millis(50);
            while let Some(record) = clients::next(&consumer, wait)? {
                wait = Duration::ZERO;
                let mut payload = record.payload().unwrap_or_default().to_vec();
                let to = if record.topic() == requests {
                    &journal
                } else if record.topic() == results {
                    payload[0] += 1;
                    &journal
                } else if usize::from(payload[0]) < CHAIN_NODES {
                    &ready
                } else {
                    &responses
                };
                clients::send(&producer, to, record.partition(), &payload)?;
            }
            producer.poll(Duration::ZERO);
        }
        Ok(())
    };
    Ok(std::thread::spawn(run))
}
