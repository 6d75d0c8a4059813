//! Criterion benches live in `benches/`; this library is empty so that ordinary builds do not see them.
