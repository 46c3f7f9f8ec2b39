//! The mean drift of all cells of a network.

use nalgebra::{DMatrix, DVector};
use rayon::prelude::*;

use super::requests::{Asked, Blocks};
use super::{Held, NetworkSetting, matrix};
use crate::crossbar::ArrayModel;
use crate::device::{LOWER, UPPER};
use crate::error::{Error, Result};

/// Cells that a thread takes at once.
const CHUNK: usize = 512;

/// The drift as a function of all states: values of cells in weight units, or weights themselves; row-major, layer by layer.
pub(super) struct Drift<'a> {
    pub setting: &'a NetworkSetting<'a>,
    pub blocks: Blocks,
    layers: Vec<Layer>,
}

/// Where the states of a layer lie, and what bounds them.
struct Layer {
    first: usize,
    states: usize,
    /// Least and largest value of every cell; empty where there are none.
    bounds: Vec<[f64; 2]>,
    /// Part of the distance to the resting state that every cell loses after a firing, and that state's value; empty where nothing relaxes.
    retention: Vec<[f64; 2]>,
}

/// # Errors
/// For arrays of one-sided pairs, and of cells whose time or wear is not predicted.
pub(super) fn assert_predictable(setting: &NetworkSetting) -> Result<()> {
    for held in &setting.layers {
        let Held::Cells(model) = held else {
            continue;
        };
        let why = match model.cells.unpredictable() {
            Some(why) => why.to_string(),
            None if model.cells.is_one_sided() => {
                "the refreshes of one-sided pairs are not followed".to_owned()
            }
            None => continue,
        };
        return Err(Error::NotConverged {
            what: "P-t of a network".into(),
            detail: why,
        });
    }
    Ok(())
}

impl<'a> Drift<'a> {
    /// # Errors
    /// As [`assert_predictable`].
    ///
    /// # Panics
    /// If arrays have other sizes than the layers of the network.
    pub fn new(setting: &'a NetworkSetting<'a>) -> Result<Self> {
        assert_predictable(setting)?;
        let mut first = 0;
        let mut layers = Vec::new();
        assert_eq!(setting.layers.len(), setting.network.layers.len());
        for (held, dense) in setting.layers.iter().zip(&setting.network.layers) {
            let mut layer = Layer {
                first,
                states: dense.weights(),
                bounds: Vec::new(),
                retention: Vec::new(),
            };
            if let Held::Cells(model) = held {
                let (map, cells) = (model.map, &model.cells);
                assert_eq!([map.inputs(), map.outputs()], [dense.rows(), dense.outputs]);
                layer.states = map.cells();
                if cells.hard_bounds() {
                    let bounds = |k: usize| {
                        let p = cells.double(k).parameters;
                        [LOWER, UPPER].map(|at| map.value(cells.conductance(k, p[at])))
                    };
                    layer.bounds = (0..map.cells()).map(bounds).collect();
                }
                let relaxes = setting.seconds > 0.0
                    && (0..map.cells()).any(|k| cells.retention_of(k).is_some());
                if relaxes {
                    let of = |k: usize| match cells.retention_of(k) {
                        Some(r) => [r.lost(setting.seconds), map.value(r.rest)],
                        None => [0.0; 2],
                    };
                    layer.retention = (0..map.cells()).map(of).collect();
                }
            }
            first += layer.states;
            layers.push(layer);
        }
        Ok(Self {
            setting,
            blocks: Blocks::new(setting.examples),
            layers,
        })
    }

    /// States that hold these weights (rows × outputs of every layer): stuck cells stay where they are.
    pub fn states(&self, weights: &[DMatrix<f64>]) -> DVector<f64> {
        let mut all = Vec::new();
        for (held, w) in self.setting.layers.iter().zip(weights) {
            let weights = super::row_major(w);
            match held {
                Held::Digital(_) => all.extend(weights),
                Held::Cells(model) => {
                    let written = model.map.values(&weights).into_iter().enumerate();
                    all.extend(written.map(|(k, v)| match model.cells.stuck_at(k) {
                        Some(position) => model.map.value(position),
                        None => v,
                    }));
                }
            }
        }
        DVector::from_vec(all)
    }

    /// Weights of all layers for these states.
    pub fn weights(&self, states: &DVector<f64>) -> Vec<DMatrix<f64>> {
        let dense = self.setting.network.layers.iter();
        let parts = self.layers.iter().zip(&self.setting.layers).zip(dense);
        let of = |((layer, held), dense): ((&Layer, &Held), _)| {
            let dense: &crate::training::network::Dense = dense;
            let own = &states.as_slice()[layer.first..layer.first + layer.states];
            matrix(dense.rows(), dense.outputs, |j| match held {
                Held::Digital(_) => own[j],
                Held::Cells(model) => {
                    let n = model.map.cells_per_weight();
                    let cells = j * n..(j + 1) * n;
                    cells.map(|k| model.map.sign(k) * own[k]).sum()
                }
            })
        };
        parts.map(of).collect()
    }

    /// `d(states)/dt`, t the training time.
    pub fn slope(&self, states: &DVector<f64>) -> DVector<f64> {
        let mut inside = states.clone();
        for layer in &self.layers {
            for (k, [least, most]) in layer.bounds.iter().enumerate() {
                let v = &mut inside[layer.first + k];
                *v = v.clamp(*least, *most);
            }
        }
        let weights = self.weights(&inside);
        let asked = self.blocks.asked(self.setting, &weights);
        let mut out = DVector::zeros(states.len());
        for (k, (layer, asked)) in self.layers.iter().zip(&asked).enumerate() {
            let range = layer.first..layer.first + layer.states;
            let own = &inside.as_slice()[range.clone()];
            let slopes = &mut out.as_mut_slice()[range.clone()];
            match &self.setting.layers[k] {
                Held::Cells(model) => {
                    let given = &states.as_slice()[range];
                    self.cells(layer, model, asked, own, given, slopes);
                }
                Held::Digital(penalty) => {
                    let columns = asked.gradient.ncols();
                    for (j, slope) in slopes.iter_mut().enumerate() {
                        let at = (j / columns, j % columns);
                        let pull = penalty
                            .as_ref()
                            .map_or(0.0, |p| p.strength[at] * (own[j] - p.centre[at]));
                        *slope = -asked.gradient[at] - pull;
                    }
                }
            }
        }
        out
    }

    fn cells(
        &self,
        layer: &Layer,
        model: &ArrayModel,
        asked: &Asked,
        own: &[f64],
        given: &[f64],
        slopes: &mut [f64],
    ) {
        let map = model.map;
        let [mean, size] = asked.fired();
        let rate = self.setting.rate;
        let chunks = slopes.par_chunks_mut(CHUNK).enumerate();
        chunks.for_each(|(chunk, slopes)| {
            for (k, slope) in (chunk * CHUNK..).zip(slopes) {
                if model.cells.stuck_at(k).is_some() {
                    continue;
                }
                let j = map.weight_of(k);
                let at = (j / map.outputs(), j % map.outputs());
                let [f, g] = model.cell_response_values(k, own[k]);
                let share = map.share(k);
                *slope = -share * mean[at] * f - share.abs() * size[at] * g;
                if let Some([lost, rest]) = layer.retention.get(k) {
                    *slope -= lost * (*slope + (own[k] - rest) / rate);
                }
                if let Some([least, most]) = layer.bounds.get(k) {
                    // Nothing leaves the window.
                    let outwards =
                        given[k] >= *most && *slope > 0.0 || given[k] <= *least && *slope < 0.0;
                    if outwards {
                        *slope = 0.0;
                    }
                }
            }
        });
    }
}

impl Asked {
    /// Mean and mean modulus of the gradients that pulses are made of.
    pub fn fired(&self) -> [&DMatrix<f64>; 2] {
        match &self.made {
            Some([mean, size]) => [mean, size],
            None => [&self.gradient, &self.size],
        }
    }
}
