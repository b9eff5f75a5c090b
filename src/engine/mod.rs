//! One partition's life: take, recover, drain, decide, append, read back, perform.
