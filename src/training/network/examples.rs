//! Samples with classes or numbers as targets.

use nalgebra::DMatrix;

/// What a network should say of every sample.
#[derive(Debug, Clone, PartialEq)]
pub enum Targets {
    /// A class a sample, below the number of classes.
    Classes {
        /// The class of every sample.
        of: Vec<usize>,
        /// Number of classes.
        count: usize,
    },
    /// Numbers, one sample a row.
    Values(DMatrix<f64>),
}

/// Samples of one set.
#[derive(Debug, Clone, PartialEq)]
pub struct Examples {
    /// Features, one sample a row.
    pub x: DMatrix<f64>,
    /// Targets.
    pub targets: Targets,
}

impl Examples {
    /// Number of samples.
    pub fn len(&self) -> usize {
        self.x.nrows()
    }

    /// Whether there is no sample.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Outputs that a network needs for these targets.
    pub fn outputs(&self) -> usize {
        match &self.targets {
            Targets::Classes { count, .. } => *count,
            Targets::Values(values) => values.ncols(),
        }
    }

    /// The same samples with their features in this order.
    #[must_use]
    pub fn rearranged(&self, order: &[usize]) -> Self {
        Self {
            x: self.x.select_columns(order),
            targets: self.targets.clone(),
        }
    }

    /// Some samples, in this order.
    #[must_use]
    pub fn select(&self, rows: &[usize]) -> Self {
        Self {
            x: self.x.select_rows(rows),
            targets: match &self.targets {
                Targets::Classes { of, count } => Targets::Classes {
                    of: rows.iter().map(|&r| of[r]).collect(),
                    count: *count,
                },
                Targets::Values(values) => Targets::Values(values.select_rows(rows)),
            },
        }
    }
}
