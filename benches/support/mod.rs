//! What all benches stand on: Kafka, Postgres and the roles as processes, plain clients, how long things took, and pictures.

pub mod chart;
pub mod clients;
pub mod cores;
pub mod databases;
pub mod meter;
pub mod setup;
pub mod times;
pub mod wait;
