//! Criterion benches live in `benches/`, in a crate of their own so that ordinary builds do not see them.
//! Each reports elements per second, where an element is one output pixel: 1000 / (Melem/s) is ns per pixel.
//! `cargo bench -p zemosaic-benches --bench warp -- lanczos3` runs a part.
