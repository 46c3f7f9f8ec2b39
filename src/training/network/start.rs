//! What the weights of a network start with.

use rand::RngExt;
use rand_pcg::Pcg64;

use super::Network;
use crate::backend::StackVector;

/// What the weights of a network start with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Start {
    /// All with this weight.
    Value(f64),
    /// Uniform numbers between `± scale/√inputs`, cut to what the arrays can hold.
    Uniform {
        /// In units of `1/√inputs`.
        scale: f64,
        /// Whether all replicas start with the same weights.
        shared: bool,
        /// Factor of the first layer's weights, by which the last layer's are divided. Networks of rectified sums without bias lines compute the same
        /// whatever it is.
        rescale: f64,
    },
}

impl Start {
    /// Whether all replicas start with the same weights.
    pub fn is_shared(self) -> bool {
        match self {
            Self::Value(_) => true,
            Self::Uniform { shared, .. } => shared,
        }
    }

    /// The weights of layer `index` (row-major) of some replicas.
    pub fn weights(
        self,
        network: &Network,
        index: usize,
        range: [f64; 2],
        seed: u64,
        first_replica: usize,
        replicas: usize,
    ) -> StackVector {
        let layer = &network.layers[index];
        let mut out = StackVector::zeros(layer.weights(), replicas);
        match self {
            Self::Value(value) => out.fill(value as f32),
            Self::Uniform {
                scale,
                shared,
                rescale,
            } => {
                let last = network.layers.len() - 1;
                let factor = match index {
                    _ if last == 0 => 1.0,
                    0 => rescale,
                    k if k == last => 1.0 / rescale,
                    _ => 1.0,
                };
                let most = factor * scale / (layer.inputs as f64).sqrt();
                for r in 0..replicas {
                    let replica = if shared { 0 } else { first_replica + r };
                    let state = u128::from(seed) << 64 | (replica as u128) << 16 | index as u128;
                    let mut rng = Pcg64::new(state, 0x57A7);
                    for k in 0..layer.weights() {
                        let w = rng.random_range(-1.0..1.0) * most;
                        out.lanes_mut(k)[r] = w.clamp(range[0], range[1]) as f32;
                    }
                }
            }
        }
        out
    }
}
