//! How fast the event stream is read by those who come with us, `export` and the example's consumer, and beside it the bound:
//! the same records read by a plain client that looks at none of them.

use super::setup::{Installation, Services};
use super::{PARTITIONS, clients, rebuild, say};
use anyhow::{Context, Result, ensure};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{Offset, TopicPartitionList};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// How often each reads it; the middle one counts.
const ROUNDS: usize = 3;

pub fn measure(services: &Services) -> Result<()> {
    say("readers: the workflows of `rebuild` are run, then the stream is read");
    let installation = Installation::make(services, "readers", PARTITIONS, &[("chain", rebuild::chain())])?;
    rebuild::live(&installation)?;
    let stream = bare(&installation)?;
    let folder = tempfile::tempdir()?;
    println!(
        "\n{} events of {:.0} MB, headers and keys left out ({PARTITIONS} partitions)\n",
        stream.events,
        stream.bytes as f64 / 1e6
    );
    println!("{:36} {:>8} {:>12} {:>10} {:>12}", "", "s", "events/s", "MB/s read", "MB written");
    stream.row("bound: rdkafka, and nothing done", middle(|| Ok(bare(&installation)?.took))?, 0);
    for form in ["jsonl", "parquet"] {
        let file = folder.path().join(form);
        let took = middle(|| export(&installation, form, &file))?;
        stream.row(&format!("export --to {form}"), took, file.metadata()?.len());
    }
    let database = folder.path().join("analytics.db");
    match consumer(&installation, &database) {
        Ok(took) => stream.row("consumer.py, each event into SQLite", took, database.metadata()?.len()),
        Err(error) => say(&format!("consumer.py is left out: {error:#}")),
    }
    Ok(())
}

/// A reading of the whole stream.
struct Stream {
    events: u64,
    bytes: usize,
    took: Duration,
}

impl Stream {
    fn row(&self, name: &str, took: Duration, written: u64) {
        let (seconds, events) = (took.as_secs_f64(), self.events as f64);
        let (read, written) = (self.bytes as f64 / 1e6 / seconds, written as f64 / 1e6);
        println!("{name:36} {seconds:8.2} {:12.0} {read:10.1} {written:12.1}", events / seconds);
    }
}

fn middle(mut round: impl FnMut() -> Result<Duration>) -> Result<Duration> {
    let mut rounds = (0..ROUNDS).map(|_| round()).collect::<Result<Vec<_>>>()?;
    rounds.sort_unstable();
    Ok(rounds[ROUNDS / 2])
}

/// Reads every record from the start to the end there is now.
fn bare(installation: &Installation) -> Result<Stream> {
    let topic = installation.topic("events");
    let consumer: BaseConsumer = clients::consumer(installation.services.brokers(), &[], 0)?;
    let (mut all, mut left) = (TopicPartitionList::new(), 0);
    for partition in 0..PARTITIONS {
        all.add_partition_offset(&topic, partition as i32, Offset::Beginning)?;
        left += clients::end_of(&consumer, &topic, partition)?;
    }
    let (began, mut stream) = (Instant::now(), Stream { events: left, bytes: 0, took: Duration::ZERO });
    consumer.assign(&all)?;
    while left > 0 {
        let record = clients::next(&consumer, Duration::from_secs(30))?.context("nothing came for 30 s")?;
        stream.bytes += record.payload_len();
        left -= 1;
    }
    stream.took = began.elapsed();
    Ok(stream)
}

fn export(installation: &Installation, form: &str, file: &Path) -> Result<Duration> {
    let began = Instant::now();
    installation.run(&["export", "--to", form, "--force", "--out", &file.to_string_lossy()])?;
    Ok(began.elapsed())
}

/// Once, into a new file, with the Python that has its packages.
fn consumer(installation: &Installation, database: &Path) -> Result<Duration> {
    let python = std::env::var("ORCHESTRATOR_TEST_PYTHON").unwrap_or_else(|_| ".venv-test/bin/python".to_owned());
    let began = Instant::now();
    let topic = installation.topic("events");
    let output = Command::new(python)
        .args(["examples/analytics/consumer.py", "--to-end", "--brokers", installation.services.brokers(), "--db"])
        .arg(database)
        .env("ORCHESTRATOR_NAMESPACE", topic.trim_end_matches(".events"))
        .output()
        .context("Python with the packages of scripts/requirements.txt (ORCHESTRATOR_TEST_PYTHON)")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(began.elapsed())
}
