//! How well trained networks answer, as their arrays are read.

use super::run::Pass;
use super::{Layers, Network, Single, Target};
use crate::error::Result;

/// What replicas make of a set of samples.
#[derive(Debug, Clone, PartialEq)]
pub struct Scores {
    /// Mean loss of every replica.
    pub losses: Vec<f64>,
    /// Share of samples of every replica whose largest output is that of their class; none for numbers.
    pub accuracies: Option<Vec<f64>>,
    /// Samples of class i that were taken for class j by all replicas together, at `i · classes + j`; empty for numbers.
    pub confusion: Vec<u64>,
}

impl Scores {
    /// Adds the replicas of another stack after its own.
    pub fn join(&mut self, other: Self) {
        self.losses.extend(other.losses);
        if let (Some(a), Some(b)) = (&mut self.accuracies, other.accuracies) {
            a.extend(b);
        }
        for (a, b) in self.confusion.iter_mut().zip(other.confusion) {
            *a += b;
        }
    }
}

/// Reads all samples through the arrays. Reads of `turn` and those of another share no random numbers with each other or with training, as long as
/// all turns together have fewer than 2³⁰ samples.
///
/// # Errors
/// Those of the arrays.
pub fn score(network: &Network, data: &Single, turn: u32, layers: &mut Layers) -> Result<Scores> {
    let replicas = layers.replicas();
    let outputs = network.outputs();
    let mut pass = Pass::new(network, replicas);
    let mut out = Scores {
        losses: vec![0.0; replicas],
        accuracies: None,
        confusion: Vec::new(),
    };
    let mut right = vec![0_u32; replicas];
    let (mut z, mut e) = (vec![0.0; outputs], vec![0.0; outputs]);
    pass.each(data, turn, layers, false, |pass, first, _, _| {
        let read = pass.outputs();
        for lane in 0..read.width() {
            let (sample, replica) = (first + lane / replicas, lane % replicas);
            for (c, z) in z.iter_mut().enumerate() {
                *z = read.lanes(c)[lane];
            }
            let target = data.target(sample);
            let loss = network.objective.errors(&z, target, &mut e);
            out.losses[replica] += f64::from(loss);
            if let Target::Class(class) = target {
                let best = (1..outputs).fold(0, |b, c| if z[c] > z[b] { c } else { b });
                out.confusion.resize(outputs * outputs, 0);
                out.confusion[class * outputs + best] += 1;
                right[replica] += u32::from(best == class);
            }
        }
        Ok(())
    })?;
    let n = data.len() as f64;
    out.losses.iter_mut().for_each(|l| *l /= n);
    if !out.confusion.is_empty() {
        out.accuracies = Some(right.iter().map(|&k| f64::from(k) / n).collect());
    }
    Ok(out)
}
