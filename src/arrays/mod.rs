//! Arrays of numbers from files: NPY and NPZ, IDX, and what is packed with gzip; states of runs that go on later.

mod idx;
mod npy;
mod packed;
mod saved;

pub use idx::read_idx;
pub use npy::{Archive, read_array, read_matrix};
pub use packed::read_unpacked;
pub use saved::{Plain, Saved};

use crate::error::Error;

/// An array of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    /// Length along every dimension.
    pub shape: Vec<usize>,
    /// The values, those of the last dimension side by side.
    pub values: Vec<f64>,
}

/// What is wrong with an array, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flaw {
    /// The rule that it breaks.
    pub rule: String,
    /// What to do instead.
    pub way_out: String,
}

impl Flaw {
    fn new(rule: impl Into<String>, way_out: impl Into<String>) -> Self {
        Self {
            rule: rule.into(),
            way_out: way_out.into(),
        }
    }

    fn malformed(what: impl std::fmt::Display) -> Self {
        Self::new(
            format!("is malformed: {what}"),
            "save it again (numpy.save, numpy.savez)",
        )
    }

    fn of(self, file: String) -> Error {
        Error::Data {
            file,
            line: None,
            column: None,
            rule: self.rule,
            way_out: self.way_out,
        }
    }
}
