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
//! | [`store`] | Tables projected from the journal: Postgres, SQLite, memory |
//! | [`engine`] | One partition's life: take, recover, drain, decide, append, read back, perform |
//! | [`projector`] | Journal to store |
//! | [`worker`] | The agent trait, the runner, built-in agents |
//! | [`ui`] | What people see in a terminal |
//!
//! Deliberately absent: Kafka transactions (the journal is a write-ahead log with terms), a scheduler (a node starts
//! when its inputs are there), and an ORM.

pub mod core;
pub mod engine;
pub mod journal;
pub mod log;
pub mod projector;
pub mod store;
pub mod ui;
pub mod wire;
pub mod worker;
