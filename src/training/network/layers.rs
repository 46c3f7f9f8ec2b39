//! What a stack of networks consists of: arrays, and the digital numbers between them.

use super::{Network, Normaliser};
use crate::arrays::Saved;
use crate::crossbar::Synapses;
use crate::error::Result;

/// A stack of networks: one array a layer, and the normalization behind each of the hidden ones where there is any.
pub struct Layers {
    /// The arrays.
    pub arrays: Vec<Box<dyn Synapses>>,
    pub(super) normalisers: Vec<Normaliser>,
}

impl Layers {
    /// The network on these arrays.
    ///
    /// # Panics
    /// For another number of arrays than layers.
    pub fn new(network: &Network, arrays: Vec<Box<dyn Synapses>>) -> Self {
        assert_eq!(arrays.len(), network.layers.len(), "one array a layer");
        let replicas = arrays[0].replicas();
        let hidden = &network.layers[..network.layers.len() - 1];
        let plans = network.normalisation.into_iter();
        let normalisers = plans.flat_map(|plan| {
            let of = move |l: &super::Dense| Normaliser::new(plan, l.outputs, replicas);
            hidden.iter().map(of)
        });
        Self {
            normalisers: normalisers.collect(),
            arrays,
        }
    }

    /// Number of networks.
    pub fn replicas(&self) -> usize {
        self.arrays[0].replicas()
    }

    /// Writes everything that later results depend on to `saved`, or takes it from there.
    ///
    /// # Errors
    /// As [`Synapses::keep`].
    pub fn keep(&mut self, saved: &mut Saved) -> Result<()> {
        self.arrays.iter_mut().try_for_each(|a| a.keep(saved))?;
        self.normalisers.iter_mut().try_for_each(|n| n.keep(saved))
    }
}
