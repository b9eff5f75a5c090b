//! The hash that pins a definition: SHA-256 over its RFC 8785 form.
