//! Data for networks: where they come from, which samples are held out, and how features are scaled.

mod files;
mod prepare;
mod split;
mod synthetic;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use nalgebra::DMatrix;
use serde::Serialize;

pub use files::MNIST;
pub use prepare::{Preparation, Scaling};
pub use split::{Split, TooFew};
pub use synthetic::{Fourier, Synthetic};

use super::Standardisation;
use super::network::{Examples, Targets};
use crate::error::Result;

/// What the outputs of a network mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// One output a class, in ascending order of the labels: the largest decides.
    Class,
    /// One output: a number.
    Number,
}

/// Where data come from.
#[derive(Debug, Clone, PartialEq)]
pub enum Origin {
    /// A CSV file, which may be packed with gzip.
    Table {
        /// The file.
        file: PathBuf,
        /// Columns of the targets: one of classes, or numbers.
        targets: Vec<String>,
        /// What the targets are.
        answer: Answer,
        /// Columns that are left out; they may hold text.
        ignore: Vec<String>,
    },
    /// Arrays of files.
    Arrays {
        /// Samples to learn from.
        train: Arrays,
        /// Samples to test with, where they are apart.
        test: Option<Arrays>,
        /// What the targets are.
        answer: Answer,
    },
    /// Drawn from the seed of a study.
    Synthetic(Synthetic),
}

/// Features and targets, one sample along the first dimension each; further dimensions of images are flattened.
#[derive(Debug, Clone, PartialEq)]
pub struct Arrays {
    /// Features.
    pub features: ArrayFile,
    /// Classes or numbers.
    pub targets: ArrayFile,
}

/// Where an array is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ArrayFile {
    /// An NPY file, or an array of an NPZ file.
    Numpy {
        /// The file.
        file: PathBuf,
        /// Its name in an NPZ file.
        array: Option<String>,
    },
    /// An IDX file, which may be packed with gzip.
    Idx(PathBuf),
}

/// Data as they come.
#[derive(Debug, Clone)]
struct Raw {
    /// The file, for messages.
    file: String,
    features: Vec<String>,
    /// Names of target columns of numbers.
    targets: Vec<String>,
    /// Names of classes; empty for numbers.
    classes: Vec<String>,
    all: Examples,
    test: Option<Examples>,
    truth: Option<DMatrix<f64>>,
}

/// Data that are ready for training.
#[derive(Debug, Clone, PartialEq)]
pub struct DataSet {
    /// Samples to learn from.
    pub train: Examples,
    /// Samples to choose by.
    pub validation: Option<Examples>,
    /// Samples to test with.
    pub test: Option<Examples>,
    /// Name of every feature.
    pub features: Vec<String>,
    /// Name of every class, in ascending order; empty where targets are numbers.
    pub classes: Vec<String>,
    /// How features were standardised, by the samples for training alone; empty where they were not. A feature that does not vary there has
    /// deviation 0 and is 0 in all parts.
    pub standardisation: Vec<Standardisation>,
    /// The same of target columns.
    pub target_standardisation: Vec<Standardisation>,
    /// Rows of `train` whose class is not what it was, ascending.
    pub relabelled: Vec<usize>,
    /// The weights that made the targets, features × outputs, where they were made so.
    pub truth: Option<DMatrix<f64>>,
}

/// What a data set is made of, for the record of a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Record {
    /// Number of features.
    pub inputs: usize,
    /// Classes, or columns of numbers.
    pub outputs: usize,
    /// Name of every class.
    pub classes: Vec<String>,
    /// The samples for training.
    pub train: Part,
    /// Those for validation.
    pub validation: Option<Part>,
    /// Those for testing.
    pub test: Option<Part>,
    /// Samples for training whose class was replaced.
    pub relabelled: usize,
    /// How features were standardised.
    pub standardisation: Vec<Standardisation>,
    /// How targets were standardised.
    pub target_standardisation: Vec<Standardisation>,
}

/// Samples of one part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Part {
    /// All of them.
    pub samples: usize,
    /// Those of every class; empty where targets are numbers.
    pub of_class: Vec<usize>,
}

impl Part {
    fn of(examples: &Examples) -> Self {
        let of_class = match &examples.targets {
            Targets::Values(_) => Vec::new(),
            Targets::Classes { of, count } => {
                let mut counts = vec![0; *count];
                of.iter().for_each(|&c| counts[c] += 1);
                counts
            }
        };
        Self {
            samples: examples.len(),
            of_class,
        }
    }
}

impl ArrayFile {
    fn path(&self) -> &Path {
        match self {
            Self::Numpy { file, .. } | Self::Idx(file) => file,
        }
    }
}

impl Origin {
    /// The files that they are read from.
    pub fn files(&self) -> Vec<&Path> {
        match self {
            Self::Table { file, .. } => vec![file],
            Self::Arrays { train, test, .. } => std::iter::once(train)
                .chain(test)
                .flat_map(|a| [a.features.path(), a.targets.path()])
                .collect(),
            Self::Synthetic(_) => Vec::new(),
        }
    }

    /// What the targets are.
    pub fn answer(&self) -> Answer {
        match self {
            Self::Table { answer, .. } | Self::Arrays { answer, .. } => *answer,
            Self::Synthetic(made) => made.answer(),
        }
    }

    /// Whether samples for testing come apart from the others.
    pub fn has_test(&self) -> bool {
        matches!(self, Self::Arrays { test: Some(_), .. })
    }

    fn raw(&self, seed: u64) -> Result<Raw> {
        match self {
            Self::Table {
                file,
                targets,
                answer,
                ignore,
            } => files::table(file, targets, *answer, ignore),
            Self::Arrays {
                train,
                test,
                answer,
            } => files::arrays(train, test.as_ref(), *answer),
            Self::Synthetic(made) => Ok(made.draw(seed)),
        }
    }

    /// Reads or draws the data and prepares them. `seed` is that of synthetic data and of replaced labels.
    ///
    /// # Errors
    /// Files that cannot be read or are broken, classes with too few samples, numbers that cannot be standardised.
    pub fn load(&self, preparation: &Preparation, seed: u64) -> Result<DataSet> {
        preparation.apply(self.raw(seed)?, seed)
    }
}

impl DataSet {
    /// What it is made of.
    pub fn record(&self) -> Record {
        Record {
            inputs: self.features.len(),
            outputs: self.train.outputs(),
            classes: self.classes.clone(),
            train: Part::of(&self.train),
            validation: self.validation.as_ref().map(Part::of),
            test: self.test.as_ref().map(Part::of),
            relabelled: self.relabelled.len(),
            standardisation: self.standardisation.clone(),
            target_standardisation: self.target_standardisation.clone(),
        }
    }
}
