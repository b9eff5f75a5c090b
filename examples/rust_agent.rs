//! An agent in Rust: `cargo run --example rust_agent -- localhost:9092` runs the nodes whose `agent_name` is `shout`.

use orchestrator::core::failure::{Failure, FailureClass, ReportedFailure};
use orchestrator::core::id::AgentName;
use orchestrator::log::kafka::{KafkaLog, KafkaSettings};
use orchestrator::worker::{Agent, Agents, Call, Runner, RunnerSettings};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

struct Shout;

impl Agent for Shout {
    async fn run(&self, call: Call) -> Result<Value, ReportedFailure> {
        let not_text = || Failure::new(FailureClass::NonRetryable, "not_text", "expected a string as input");
        Ok(json!(call.input.as_str().ok_or_else(not_text)?.to_uppercase()))
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let brokers = std::env::args().nth(1).unwrap_or_else(|| "localhost:9092".to_owned());
    let log = KafkaLog::connect(KafkaSettings { brokers, ..KafkaSettings::default() })?;
    let agents = Agents::new().with(AgentName::new("shout")?, Shout);
    let runner = Runner::new(Arc::new(log), agents, RunnerSettings::default());
    let stop = Arc::new(AtomicBool::new(false));
    let running = tokio::task::spawn_blocking({
        let stop = stop.clone();
        move || runner.run(&stop)
    });
    tokio::signal::ctrl_c().await?;
    stop.store(true, Ordering::Relaxed);
    Ok(running.await??)
}
