//! What was recorded, read again. Nothing is executed here, and nothing is written.
//!
//! | file | what it is |
//! |---|---|
//! | [`point`] | A point of a run's history, and the state there |
//! | [`verify`] | Whether event stream, journal and tables agree |

pub mod point;
pub mod verify;
