//! Sparse symmetric systems of `K` unknowns per frame whose pattern is the network of compared pairs. The matrix is positive
//! definite but for the constants: the first unknown of every frame of a connected part may be raised by one amount.
//!
//! Contents, in the order of the data:
//! - [`block`]: matrices of `K` x `K`
//! - [`order`]: elimination orders: minimum degree, reverse Cuthill-McKee
//! - [`pattern`]: the network, its parts, and the pattern of the factor
//! - [`system`]: matrix, product, right-hand side
//! - [`factor`]: Cholesky factor, exact or incomplete, and solve with it
//! - [`conjugate`]: preconditioned conjugate gradients, which are one step where the factor is exact
//! - [`variance`]: diagonal of the inverse, exact (Takahashi) or probed
//! - [`shared`]: variances where links share noise

pub(crate) mod block;
pub(crate) mod conjugate;
pub(crate) mod factor;
pub(crate) mod order;
pub(crate) mod pattern;
pub(crate) mod shared;
pub(crate) mod system;
pub(crate) mod variance;

pub(crate) use block::Unknowns;
pub(crate) use factor::Factor;
pub(crate) use pattern::Pattern;
pub(crate) use system::System;
