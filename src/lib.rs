//! `orchestrator`: an event-sourced stream processor that runs graphs of AI agent calls on Kafka and Postgres.
//!
//! The rooms, in reading order:
//!
//! | room | what it is |
//! |---|---|
//! | [`core`] | PURE. What a workflow is, what may happen to it (`decide`), what has happened (`apply`), what follows (`effects`) |
//! | [`journal`] | PURE. The record of a step, and the rule by which every reader knows what counts |
//! | [`wire`] | Bytes to core and back: JSON, Avro, framing, headers |
//! | [`log`] | Topics of records: Kafka, SQLite, memory |
//! | [`registry`] | Ids of a schema registry in the event stream's frames, in place of fingerprints |
//! | [`store`] | Tables projected from the journal: Postgres, SQLite, memory |
//! | [`local`] | Attempts in memory, between an engine and the agents of its own process |
//! | [`engine`] | One partition's life: take, recover, drain, decide, append, read back, perform |
//! | [`projector`] | Journal to store |
//! | [`history`] | What was recorded, read again: the state at a point of it; whether stream, journal and tables agree |
//! | [`worker`] | The agent trait, the runner, built-in agents |
//! | [`installation`] | The topics, the pinned number of partitions, the definitions: making and reading them |
//! | [`embedded`] | Everything in one process and one folder |
//! | [`demo`] | Three requests about a coffee shop, live |
//! | [`simulation`] | Engines, projectors and workers on the log in memory, under every fault, by seed |
//! | [`planted`] | Faults of the engine that are planted to see whether the simulation finds them; without a feature of tests, nothing |
//! | [`config`] | Every setting, in one table |
//! | [`cli`] | One file per verb; the place that puts the parts together |
//! | [`api`], [`ui`] | What a running process answers; how things look in a terminal |
//! | [`telemetry`], [`shutdown`] | Log lines; ending in order |
//!
//! Deliberately absent: Kafka transactions (the journal is a write-ahead log with terms), a scheduler (a node starts
//! when its inputs are there), and an ORM.

pub mod api;
pub mod cli;
pub mod config;
pub mod core;
pub mod demo;
pub mod embedded;
pub mod engine;
pub mod history;
pub mod installation;
pub mod journal;
pub mod local;
pub mod log;
pub mod planted;
pub mod projector;
pub mod registry;
pub mod shutdown;
pub mod simulation;
pub mod store;
pub mod telemetry;
pub mod ui;
pub mod wire;
pub mod worker;
