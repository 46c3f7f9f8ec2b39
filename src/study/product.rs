//! The operands of a task that is read: weights to program, vectors to multiply them with, and what comes out exactly.

use std::ops::Range;
use std::path::Path;

use nalgebra::{DMatrix, DVector};
use rand::{RngExt, SeedableRng};
use rand_distr::{Distribution, StandardNormal};
use rand_pcg::Pcg64;

use super::reading::{Draw, Layer, LayerWeights, Operands};
use super::summary::Held;
use crate::arrays::read_matrix;
use crate::backend::StackVector;
use crate::crossbar::{WeightMap, WeightScale};
use crate::error::{Error, Result};
use crate::number::{Coordinates, Purpose, Stream};
use crate::training::datasets::Answer;
use crate::training::read_table;

/// Vectors that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vectors {
    /// Those that are compared with their exact products.
    Tested = 0,
    /// Those of calibration and compensation.
    Known = 1,
}

/// A matrix and where its vectors come from.
pub struct Product {
    /// Weights, row-major (inputs × outputs).
    pub weights: Vec<f64>,
    /// Share of drawn weights that stopped at an end of the window.
    pub clipped: f64,
    /// Vectors for each replica.
    pub samples: usize,
    /// What is right for every sample, where there is such a thing.
    pub answers: Option<Answers>,
    /// Inputs and outputs of the array.
    pub dimensions: (usize, usize),
    /// How samples were split, where some are held out.
    pub held: Option<Held>,
    source: Source,
}

/// What outputs should say.
#[derive(Debug, Clone, PartialEq)]
pub enum Answers {
    /// The output that should be largest.
    Classes(Vec<usize>),
    /// What the first output should be, in units of the programmed weights, and how many of these make one of the data.
    Numbers(Vec<f64>, f64),
}

enum Source {
    Drawn(Draw, Stream),
    /// One sample a row: those that are tested, and those that known vectors are taken of.
    Table([DMatrix<f64>; 2]),
}

impl Operands {
    /// Inputs and outputs of the array.
    ///
    /// # Errors
    /// Unreadable or broken data.
    pub fn dimensions(&self) -> Result<(usize, usize)> {
        match self {
            Self::Random {
                inputs, outputs, ..
            } => Ok((*inputs, *outputs)),
            Self::Layer(layer) => {
                let layer = Loaded::read(layer)?;
                Ok((layer.x.ncols(), layer.outputs))
            }
        }
    }

    /// The operands of a study with this seed, for weights that `map` can hold when they are scaled like this.
    ///
    /// # Errors
    /// Unreadable or broken data; least squares without a solution.
    pub(super) fn product(
        &self,
        seed: u64,
        map: &WeightMap,
        scale: WeightScale,
    ) -> Result<Product> {
        let [low, high] = map.range();
        let (inputs, outputs, samples, weights, vectors) = match self {
            Self::Layer(layer) => return Loaded::read(layer)?.product(high.min(-low)),
            Self::Random {
                inputs,
                outputs,
                samples,
                weights,
                vectors,
            } => (*inputs, *outputs, *samples, *weights, *vectors),
        };
        let mut rng = Pcg64::seed_from_u64(seed);
        let mut draw = || -> f64 {
            match weights {
                Draw::Normal(deviation) => {
                    let z: f64 = StandardNormal.sample(&mut rng);
                    deviation * z
                }
                Draw::Uniform(largest) => rng.random_range(-largest..=largest),
            }
        };
        let drawn: Vec<f64> = (0..inputs * outputs).map(|_| draw()).collect();
        // Columns that are scaled fit.
        let [low, high] = match scale {
            WeightScale::Matrix => [low, high],
            WeightScale::Column => [f64::NEG_INFINITY, f64::INFINITY],
        };
        let clipped = drawn.iter().filter(|w| !(low..=high).contains(*w)).count();
        Ok(Product {
            clipped: clipped as f64 / drawn.len() as f64,
            weights: drawn.into_iter().map(|w| w.clamp(low, high)).collect(),
            samples,
            answers: None,
            held: None,
            dimensions: (inputs, outputs),
            source: Source::Drawn(vectors, Stream::new(seed)),
        })
    }
}

/// A layer with its data.
struct Loaded {
    /// One sample a row, the bias its last column.
    x: DMatrix<f64>,
    /// What is right.
    y: DVector<f64>,
    /// Rows that the layer is fitted to, and rows that it is tested with.
    rows: [Vec<usize>; 2],
    held: Option<Held>,
    /// Labels in ascending order; empty where the answer is a number.
    classes: Vec<f64>,
    outputs: usize,
    /// The constant input of the last row of weights.
    bias: Option<f64>,
    weights: LayerWeights,
    file: String,
}

impl Loaded {
    fn read(layer: &Layer) -> Result<Self> {
        let Layer {
            data,
            answer: (column, answer),
            standardise,
            bias,
            weights,
            split,
        } = layer;
        let table = read_table(data)?;
        // Labels are never standardised: they are names.
        let (raw, _) = table.regression(column, false)?;
        let n = raw.y.len();
        let rows = match split {
            None => [(); 2].map(|()| (0..n).collect()),
            Some(split) => {
                // A table has two samples at least.
                let [training, _, test] = split.rows(n, None).expect("a sample for each part");
                [training, test]
            }
        };
        let own = split.filter(|_| *standardise).map(|_| &rows[0][..]);
        let (samples, _) = table.regression_by(column, *standardise, own)?;
        let held = split.map(|s| Held {
            training: rows[0].len(),
            test: rows[1].len(),
            share: s.test,
            seed: s.seed,
        });
        let y = match answer {
            Answer::Class => raw.y,
            Answer::Number => samples.y,
        };
        let mut classes: Vec<f64> = Vec::new();
        if *answer == Answer::Class {
            classes.extend(y.iter());
            classes.sort_by(f64::total_cmp);
            classes.dedup();
        }
        let mut x = samples.x;
        if let Some(bias) = bias {
            let last = x.ncols();
            x = x.insert_column(last, *bias);
        }
        Ok(Self {
            x,
            y,
            outputs: classes.len().max(1),
            classes,
            rows,
            held,
            bias: *bias,
            weights: weights.clone(),
            file: table.file,
        })
    }

    fn class(&self, label: f64) -> usize {
        self.classes.partition_point(|c| *c < label)
    }

    /// Fails for weights that do not fit the layer; `file` has `rows` lines of `columns`.
    fn misfit(&self, file: String, (rows, columns): (usize, usize), way_out: &str) -> Error {
        Error::Data {
            file,
            line: None,
            column: None,
            rule: format!(
                "has {rows} lines of {columns} weights, but the layer has {} inputs (features{}) and {} outputs",
                self.x.ncols(),
                if self.bias.is_some() { " and bias" } else { "" },
                self.outputs
            ),
            way_out: way_out.into(),
        }
    }

    /// Weights of an NPZ or NPY file.
    fn array(
        &self,
        path: &Path,
        array: Option<&str>,
        bias: Option<&str>,
        transposed: bool,
    ) -> Result<DMatrix<f64>> {
        let mut found = read_matrix(path, array)?;
        if transposed {
            found = found.transpose();
        }
        if let (Some(name), Some(input)) = (bias, self.bias) {
            let biases = read_matrix(path, Some(name))?;
            if biases.len() != self.outputs {
                return Err(self.misfit(
                    format!("{}, array {name}", path.display()),
                    biases.shape(),
                    "one bias an output",
                ));
            }
            let last = found.nrows();
            found = found.insert_row(last, 0.0);
            for (b, weight) in biases.iter().zip(found.row_mut(last).iter_mut()) {
                *weight = b / input;
            }
        }
        if found.shape() != (self.x.ncols(), self.outputs) {
            let file = path.display().to_string();
            let way_out = "a row an input (the bias last, if it is not in bias-array), a column an output; transposed = true exchanges them";
            return Err(self.misfit(file, found.shape(), way_out));
        }
        Ok(found)
    }

    /// Weights, inputs × outputs.
    fn weights(&self) -> Result<DMatrix<f64>> {
        let inputs = self.x.ncols();
        let ridge = match &self.weights {
            LayerWeights::LeastSquares { ridge } => *ridge,
            LayerWeights::File(path) => {
                let table = read_table(path)?;
                if table.values.shape() != (inputs, self.outputs) {
                    let way_out = "one column an output, one line an input below the header";
                    return Err(self.misfit(table.file, table.values.shape(), way_out));
                }
                return Ok(table.values);
            }
            LayerWeights::Array {
                path,
                array,
                bias,
                transposed,
            } => return self.array(path, array.as_deref(), bias.as_deref(), *transposed),
        };
        let x = self.x.select_rows(&self.rows[0]);
        let y = self.y.select_rows(&self.rows[0]);
        let n = y.len() as f64;
        let target = DMatrix::from_fn(y.len(), self.outputs, |i, c| {
            match self.classes.is_empty() {
                true => y[i],
                false => f64::from(u8::from(self.class(y[i]) == c)),
            }
        });
        let mut gram = x.tr_mul(&x) / n;
        for k in 0..inputs - usize::from(self.bias.is_some()) {
            gram[(k, k)] += ridge;
        }
        let solved = gram.cholesky().map(|c| c.solve(&(x.tr_mul(&target) / n)));
        solved
            .filter(|w| w.iter().all(|v| v.is_finite()))
            .ok_or_else(|| Error::NotConverged {
                what: format!("least squares on {}", self.file),
                detail: "the features depend on one another: write a larger ridge in task.inference.weights.least-squares".into(),
            })
    }

    /// The layer with its largest weight at the end of the window, `most`.
    fn product(self, most: f64) -> Result<Product> {
        let weights = self.weights()?;
        let largest = weights.amax();
        let scale = if largest > 0.0 { most / largest } else { 1.0 };
        let y = self.y.select_rows(&self.rows[1]);
        let answers = match self.classes.is_empty() {
            true => Answers::Numbers(y.iter().map(|y| y * scale).collect(), scale),
            false => Answers::Classes(y.iter().map(|&y| self.class(y)).collect()),
        };
        Ok(Product {
            // Column by column of the transposed: row by row.
            weights: (weights * scale).transpose().iter().copied().collect(),
            clipped: 0.0,
            samples: self.rows[1].len(),
            answers: Some(answers),
            dimensions: (self.x.ncols(), self.outputs),
            held: self.held,
            source: Source::Table([1, 0].map(|k| self.x.select_rows(&self.rows[k]))),
        })
    }
}

impl Product {
    /// These samples for `replicas` replicas from `first` on: lane = sample · replicas + replica. All replicas read the same table.
    /// `known` vectors out of a table are spread evenly over it.
    pub fn vectors(
        &self,
        which: Vectors,
        samples: Range<usize>,
        (first, replicas): (usize, usize),
    ) -> StackVector {
        let mut out = StackVector::zeros(self.dimensions.0, samples.len() * replicas);
        let known = samples.len();
        for input in 0..self.dimensions.0 {
            let lanes = out.lanes_mut(input).chunks_mut(replicas);
            for (sample, lanes) in samples.clone().zip(lanes) {
                let (draw, stream) = match &self.source {
                    Source::Drawn(draw, stream) => (draw, stream),
                    Source::Table(tables) => {
                        let x = &tables[which as usize];
                        let row = match which {
                            Vectors::Tested => sample,
                            Vectors::Known => sample * x.nrows() / known,
                        };
                        lanes.fill(x[(row, input)] as f32);
                        continue;
                    }
                };
                for (r, v) in lanes.iter_mut().enumerate() {
                    let at = Coordinates {
                        step: sample as u32,
                        cell: input as u32,
                        replica: (first + r) as u32,
                        purpose: Purpose::Input,
                        index: which as u32,
                    };
                    *v = match *draw {
                        Draw::Normal(deviation) => deviation as f32 * stream.normal(at),
                        Draw::Uniform(largest) => largest as f32 * (2.0 * stream.uniform(at) - 1.0),
                    };
                }
            }
        }
        out
    }

    /// Exact products in double precision, one element an output and lane, output by output.
    pub fn exact(&self, vectors: &StackVector) -> Vec<f64> {
        let (width, outputs) = (vectors.width(), self.dimensions.1);
        let mut out = vec![0.0; outputs * width];
        for (input, weights) in self.weights.chunks(outputs).enumerate() {
            let x = vectors.lanes(input);
            for (sums, w) in out.chunks_mut(width).zip(weights) {
                for (y, x) in sums.iter_mut().zip(x) {
                    *y += w * f64::from(*x);
                }
            }
        }
        out
    }

    /// How well outputs answer sample `sample`, if there are answers: 1 or 0 for a right or wrong class, the squared error of a number.
    /// `output` gives each of them.
    pub fn score(&self, sample: usize, output: impl Fn(usize) -> f64) -> Option<f64> {
        Some(match self.answers.as_ref()? {
            Answers::Classes(right) => {
                let all = 0..self.dimensions.1;
                let first = |best: (usize, f64), c| {
                    let y = output(c);
                    if y > best.1 { (c, y) } else { best }
                };
                if all.clone().any(|c| !output(c).is_finite()) {
                    return Some(f64::NAN);
                }
                let (class, _) = all.fold((0, f64::NEG_INFINITY), first);
                f64::from(u8::from(class == right[sample]))
            }
            Answers::Numbers(right, scale) => ((output(0) - right[sample]) / scale).powi(2),
        })
    }
}
