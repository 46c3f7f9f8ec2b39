//! Wires with resistance: the voltages and currents of a whole crossbar, solved exactly.
//!
//! # Circuit
//! [`Circuit`] is a grid of cells between word lines and bit lines whose segments, drivers and senses have resistance. Its usual
//! form drives word lines at the left and holds bit lines at ground at the bottom; the direct method agrees with the reference solver badcrossbar on it.
//! Both sets of terminals may have any voltages ([`Solver::solve`]): reads (`V`, 0), transposed reads (0, `V`), half-selected
//! writes (`V/2`, `-V/2`).
//!
//! # Methods
//! [`Method::Direct`] factors the nodal equations (sparse Cholesky, nested dissection), corrects every solution with residuals of
//! voltage differences, and keeps the symbolic part for other conductances. [`Method::Iterative`] uses conjugate gradients on the word
//! lines and starts at the last solution; where it does not converge, the direct method takes over
//! ([`Solver::fallbacks`] counts that). Ideal wires on a side make single nodes of its lines: both methods are then direct.
//! Nothing unconverged is returned.
//!
//! # The effective matrix
//! Ohmic currents are linear in the voltages: [`Solver::effective_matrix`] holds all reads of one state. A network of conductances is
//! reciprocal, so the read of the same circuit in the other direction (bit lines driven, word lines held at ground and sensed, both at the
//! ends where this circuit connects them) has exactly the transposed matrix. A transposed read at other ends, or through other
//! resistances of drivers and senses, is another [`Circuit`] with a matrix of its own.
//!
//! [`Solver::derivative`] says how it follows the conductances of the cells.
//!
//! # Reference
//! D. Joksas and A. Mehonic, badcrossbar, SoftwareX 12, 100617 (2020), <https://doi.org/10.1016/j.softx.2020.100617>.

mod circuit;
mod derivative;
mod direct;
mod metal;
mod nodes;
mod nonlinear;
mod schur;
mod solver;
mod sweeps;

pub use circuit::{Break, Circuit, Ends, Lines};
pub use derivative::Derivative;
pub use metal::Metal;
pub use nonlinear::NonlinearSolution;
pub use solver::{Method, Solution, Solver};
