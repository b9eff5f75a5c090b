//! Journal to store.
