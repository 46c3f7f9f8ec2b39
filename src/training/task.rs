//! Tasks: where samples come from.

use std::sync::Arc;

use nalgebra::{DMatrix, DVector};

use crate::backend::StackVector;
use crate::number::{Purpose, Stream};

/// A fixed set of samples.
#[derive(Debug, Clone)]
pub struct Samples {
    /// One sample a row.
    pub x: DMatrix<f64>,
    /// One target a sample.
    pub y: DVector<f64>,
    single: Vec<f32>,
    targets: Vec<f32>,
}

impl Samples {
    /// Samples from features (one row each) and targets.
    pub fn new(x: DMatrix<f64>, y: DVector<f64>) -> Self {
        let single = x.transpose().iter().map(|&v| v as f32).collect();
        let targets = y.iter().map(|&v| v as f32).collect();
        Self {
            x,
            y,
            single,
            targets,
        }
    }

    /// The samples whose index `keep` accepts.
    pub fn subset(&self, keep: impl Fn(usize) -> bool) -> Self {
        let kept: Vec<usize> = (0..self.y.len()).filter(|&i| keep(i)).collect();
        Self::new(
            self.x.select_rows(&kept),
            DVector::from_iterator(kept.len(), kept.iter().map(|&i| self.y[i])),
        )
    }

    /// Number of samples.
    pub fn len(&self) -> usize {
        self.targets.len()
    }

    /// Whether there is no sample.
    pub fn is_empty(&self) -> bool {
        self.targets.is_empty()
    }
}

/// Where samples come from.
#[derive(Debug, Clone)]
pub enum Source {
    /// Fixed sets; replica r learns from set `r mod sets`.
    Sets(Vec<Arc<Samples>>),
    /// A fresh sample every time: `x ~ N(0, I)`, `y = truth_r · x + label_noise · N(0, 1)`; one truth a replica.
    Gaussian {
        /// The weights that made the targets, for each replica.
        truths: Vec<DVector<f64>>,
        /// Standard deviation of the label noise.
        label_noise: f64,
    },
}

/// A regression task: linear in its features, one target.
#[derive(Debug, Clone)]
pub struct Task {
    /// Number of features.
    pub features: usize,
    /// Where samples come from.
    pub source: Source,
}

/// Buffers for the random words of one draw.
pub(super) struct Draws {
    words: [Vec<u32>; 4],
    pub(super) normals: [Vec<f32>; 4],
    /// Where each replica's sample begins.
    rows: Vec<usize>,
}

impl Draws {
    pub(super) fn new(replicas: usize) -> Self {
        Self {
            words: std::array::from_fn(|_| vec![0; replicas]),
            normals: std::array::from_fn(|_| vec![0.0; replicas]),
            rows: vec![0; replicas],
        }
    }
}

impl Task {
    /// Draws sample `sample` of step `step` for every replica of a stack: features into `x`, targets into `y`.
    ///
    /// From sets the draw is uniform with replacement; `all`: sample number `sample` of each set instead.
    #[expect(
        clippy::too_many_arguments,
        reason = "coordinates and buffers of one draw"
    )]
    pub(super) fn draw(
        &self,
        stream: &Stream,
        step: u32,
        sample: u32,
        all: bool,
        first_replica: usize,
        draws: &mut Draws,
        x: &mut StackVector,
        y: &mut [f32],
    ) {
        let first = first_replica as u32;
        match &self.source {
            Source::Sets(sets) => {
                if !all {
                    stream.fill_words(
                        step,
                        sample / 4,
                        first,
                        Purpose::Sample,
                        0,
                        draws.words.each_mut().map(Vec::as_mut_slice),
                    );
                }
                let words = &draws.words[(sample % 4) as usize];
                let index = |r: usize, set: &Samples| {
                    if all {
                        sample as usize
                    } else {
                        // The high half of the product is uniform to one part in 2³² / len.
                        ((u64::from(words[r]) * set.len() as u64) >> 32) as usize
                    }
                };
                let d = self.features;
                if let [set] = &sets[..] {
                    // One set for all: feature by feature, so that stores run along the lanes.
                    for (r, (y, row)) in y.iter_mut().zip(&mut draws.rows).enumerate() {
                        let i = index(r, set);
                        *y = set.targets[i];
                        *row = i * d;
                    }
                    for j in 0..d {
                        let single = &set.single[j..];
                        for (x, &row) in x.lanes_mut(j).iter_mut().zip(&draws.rows) {
                            *x = single[row];
                        }
                    }
                    return;
                }
                for (r, y) in y.iter_mut().enumerate() {
                    let set = &sets[(first_replica + r) % sets.len()];
                    let i = index(r, set);
                    *y = set.targets[i];
                    for (j, &v) in set.single[i * d..(i + 1) * d].iter().enumerate() {
                        x.lanes_mut(j)[r] = v;
                    }
                }
            }
            Source::Gaussian {
                truths,
                label_noise,
            } => {
                let normals = &mut draws.normals;
                let out = normals.each_mut().map(Vec::as_mut_slice);
                stream.fill_normals(step, sample / 4, first, Purpose::Label, 0, out);
                for (y, z) in y.iter_mut().zip(&normals[(sample % 4) as usize]) {
                    *y = *label_noise as f32 * z;
                }
                for block in 0..self.features.div_ceil(4) {
                    let out = normals.each_mut().map(Vec::as_mut_slice);
                    stream.fill_normals(step, block as u32, first, Purpose::Input, sample, out);
                    for (k, j) in (block * 4..self.features.min(block * 4 + 4)).enumerate() {
                        x.lanes_mut(j).copy_from_slice(&normals[k]);
                        for (r, (y, x)) in y.iter_mut().zip(&normals[k]).enumerate() {
                            *y += x * truths[first_replica + r][j] as f32;
                        }
                    }
                }
            }
        }
    }
}
