//! The hash chain over a run's history, by which anyone can check that nothing was changed or left out.

use sha2::{Digest, Sha256};

/// The chain before a run's first event.
pub const START: [u8; 16] = [0; 16];

/// The chain after an event: the first 16 bytes of SHA-256(previous chain ‖ the event's body as published).
pub fn next(previous: &[u8; 16], body: &[u8]) -> [u8; 16] {
    let hash = Sha256::new().chain_update(previous).chain_update(body).finalize();
    super::first_16(&hash)
}
