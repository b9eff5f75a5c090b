//! The bare pipe: engine → ready → worker → results → engine, with nothing but produce and consume; and the same with
//! a journal record appended and read back in each round, which is the floor of the protocol.

use super::clients;
use super::figures::PipeFigure;
use super::setup::Services;
use super::times::Times;
use anyhow::{Result, bail};
use rdkafka::Message;
use rdkafka::consumer::BaseConsumer;
use rdkafka::producer::{BaseProducer, Producer};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How many journal records of a partition may be under way, as in the engine (`max_steps_ahead`).
const STEPS_AHEAD: usize = 4;
/// Nothing takes longer on a machine that works.
const STUCK: Duration = Duration::from_secs(30);

/// What a round consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Bare,
    Journal,
}

impl Protocol {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::Journal => "journal",
        }
    }
}

/// A worker without work: whatever comes from one topic goes to the other, into the same partition.
pub struct Echo {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<()>>>,
}

impl Echo {
    pub fn start(brokers: &str, from: &str, to: &str, partitions: u32) -> Result<Self> {
        let (producer, consumer) = (clients::producer(brokers)?, clients::consumer(brokers, &[from], partitions)?);
        let stop = Arc::new(AtomicBool::new(false));
        let (flag, to) = (stop.clone(), to.to_owned());
        let run = move || {
            while !flag.load(Ordering::Relaxed) {
                let mut wait = Duration::from_millis(50);
                while let Some(record) = clients::next(&consumer, wait)? {
                    clients::send(&producer, &to, record.partition(), record.payload().unwrap_or_default())?;
                    wait = Duration::ZERO;
                }
                producer.poll(Duration::ZERO);
            }
            Ok(())
        };
        Ok(Self { stop, thread: Some(std::thread::spawn(run)) })
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(Ok(Err(error))) = self.thread.take().map(JoinHandle::join) {
            eprintln!("pipeline: the echo of the bare pipe ended: {error:#}");
        }
    }
}

/// The engine's side of the pipe, and the worker.
pub struct Pipe {
    partitions: usize,
    producer: BaseProducer,
    consumer: BaseConsumer,
    ready: String,
    journal: String,
    results: String,
    _echo: Echo,
}

/// What a run is about.
struct Run {
    protocol: Protocol,
    began: Vec<Instant>,
    /// By partition: tokens that wait for a journal record, and how many of those are under way.
    waiting: Vec<Vec<u32>>,
    steps: Vec<usize>,
}

impl Pipe {
    pub fn open(services: &Services, partitions: u32) -> Result<Self> {
        let brokers = services.brokers();
        let [ready, journal, results] =
            ["ready", "journal", "results"].map(|topic| format!("pipe-{}-{partitions}.{topic}", std::process::id()));
        clients::create_topics(brokers, &[&ready, &journal, &results], partitions)?;
        let echo = Echo::start(brokers, &ready, &results, partitions)?;
        let consumer = clients::consumer(brokers, &[&results, &journal], partitions)?;
        let producer = clients::producer(brokers)?;
        Ok(Self { partitions: partitions as usize, producer, consumer, ready, journal, results, _echo: echo })
    }

    /// Keeps `in_flight` records going round.
    pub fn run(
        &mut self,
        protocol: Protocol,
        in_flight: usize,
        warm_up: Duration,
        window: Duration,
    ) -> Result<PipeFigure> {
        let mut times = Times::default();
        let mut run = self.start(protocol, in_flight);
        let (begin, end) = (Instant::now() + warm_up, Instant::now() + warm_up + window);
        let mut under_way = in_flight;
        self.depart(&mut run, (0..in_flight as u32).collect())?;
        while under_way > 0 {
            let arrived = self.turn(&mut run)?;
            let now = Instant::now();
            if now >= begin && now < end {
                arrived.iter().for_each(|token| times.add(now - run.began[*token as usize]));
            }
            if now < end {
                self.depart(&mut run, arrived)?;
            } else {
                under_way -= arrived.len();
            }
        }
        times.window = window;
        Ok(PipeFigure { protocol, in_flight, times })
    }

    /// Sends `size` at once and waits for all, again and again.
    pub fn burst(
        &mut self,
        protocol: Protocol,
        size: usize,
        warm_up: Duration,
        window: Duration,
    ) -> Result<PipeFigure> {
        let mut times = Times::default();
        let mut run = self.start(protocol, size);
        let begin = Instant::now() + warm_up;
        while Instant::now() < begin + window {
            let began = Instant::now();
            self.depart(&mut run, (0..size as u32).collect())?;
            let mut arrived = 0;
            while arrived < size {
                arrived += self.turn(&mut run)?.len();
            }
            if began >= begin {
                times.add(began.elapsed());
            }
        }
        times.window = window;
        Ok(PipeFigure { protocol, in_flight: size, times })
    }

    fn start(&self, protocol: Protocol, tokens: usize) -> Run {
        Run {
            protocol,
            began: vec![Instant::now(); tokens],
            waiting: vec![Vec::new(); self.partitions],
            steps: vec![0; self.partitions],
        }
    }

    /// Tokens begin a round.
    fn depart(&self, run: &mut Run, tokens: Vec<u32>) -> Result<()> {
        let now = Instant::now();
        for token in tokens {
            run.began[token as usize] = now;
            match run.protocol {
                Protocol::Bare => self.dispatch(token)?,
                Protocol::Journal => run.waiting[token as usize % self.partitions].push(token),
            }
        }
        for partition in 0..self.partitions {
            self.write_ahead(run, partition)?;
        }
        Ok(())
    }

    /// One journal record for all that waits.
    fn write_ahead(&self, run: &mut Run, partition: usize) -> Result<()> {
        if run.waiting[partition].is_empty() || run.steps[partition] >= STEPS_AHEAD {
            return Ok(());
        }
        let tokens = std::mem::take(&mut run.waiting[partition]);
        let mut step = Vec::with_capacity(tokens.len() * super::PAYLOAD_BYTES);
        tokens.iter().for_each(|token| step.extend_from_slice(&payload(*token)));
        run.steps[partition] += 1;
        clients::send(&self.producer, &self.journal, i32::try_from(partition)?, &step)
    }

    fn dispatch(&self, token: u32) -> Result<()> {
        clients::send(&self.producer, &self.ready, i32::try_from(token as usize % self.partitions)?, &payload(token))
    }

    /// Waits for something to come; the tokens whose round is over.
    fn turn(&self, run: &mut Run) -> Result<Vec<u32>> {
        let (mut arrived, mut wait) = (Vec::new(), STUCK);
        while let Some(record) = clients::next(&self.consumer, wait)? {
            wait = Duration::ZERO;
            let tokens = tokens(record.payload().unwrap_or_default());
            if record.topic() == self.results {
                arrived.extend(tokens);
                continue;
            }
            let partition = usize::try_from(record.partition())?;
            run.steps[partition] -= 1;
            for token in tokens {
                self.dispatch(token)?;
            }
            self.write_ahead(run, partition)?;
        }
        if !wait.is_zero() {
            bail!(
                "nothing came through the bare pipe for {STUCK:?}; {} appends are open",
                self.producer.in_flight_count()
            );
        }
        self.producer.poll(Duration::ZERO);
        Ok(arrived)
    }
}

/// A record that carries a token.
fn payload(token: u32) -> [u8; super::PAYLOAD_BYTES] {
    let mut payload = [b'x'; super::PAYLOAD_BYTES];
    payload[..4].copy_from_slice(&token.to_le_bytes());
    payload
}

/// The tokens in a record.
fn tokens(value: &[u8]) -> impl Iterator<Item = u32> {
    value.chunks_exact(super::PAYLOAD_BYTES).map(|one| u32::from_le_bytes([one[0], one[1], one[2], one[3]]))
}
