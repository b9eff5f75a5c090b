//! The schemas of `schemas/`, parsed once, found by fingerprint.
