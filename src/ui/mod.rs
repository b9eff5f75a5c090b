//! How things look in a terminal. Pure: values in, text out.

pub mod event;
pub mod graph;
pub mod run;
pub mod style;
pub mod table;
pub mod time;
pub mod timeline;
