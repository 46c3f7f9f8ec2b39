//! The numbers that device laws are written in, and the random numbers they consume.
//!
//! - [`Real`] is the vocabulary of a law. `f64` is the oracle, `f32` (with the polynomials of
//!   [`elementary`]) the CPU backend, [`Expr`] prints the GPU's, and [`Jet`] carries three derivatives along.
//! - [`Stream`] is randomness as a pure function of coordinates: the same seed, step, cell, replica,
//!   [`Purpose`] and index give the same integer on every machine, in any order, on any thread.

mod along;
pub mod elementary;
pub mod expr;
pub mod jet;
pub mod philox;
pub mod quadrature;
pub mod random;
pub mod real;
pub mod shader;
mod student;

pub use along::Draw;
pub(crate) use along::{Blocks, LANES};
pub use expr::{Expr, Tape};
pub use jet::{Jet, derivatives, variable};
pub use random::{Coordinates, Purpose, Stream};
pub use real::Real;
pub use student::student_quantile;
