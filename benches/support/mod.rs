//! What all benches stand on: Kafka, Postgres and the roles as processes, plain clients, and how long things took.

pub mod clients;
pub mod databases;
pub mod meter;
pub mod setup;
pub mod times;
pub mod wait;
