//! The hash chain over a run's history, by which anyone can check that nothing was changed or left out.

/// The chain before a run's first event.
pub const START: [u8; 16] = [0; 16];

/// The chain after an event: the first 16 bytes of SHA-256(previous chain ‖ the event's body as published).
pub fn next(_previous: &[u8; 16], _body: &[u8]) -> [u8; 16] {
    todo!()
}
