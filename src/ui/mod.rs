//! What people see in a terminal. Text in, text out: nothing here prints.

pub mod graph;
