//! The crossbar: weights held by conductances, read and updated through the periphery.

mod bent;
mod cost;
mod digital;
mod effective;
mod layout;
mod mapping;
mod partial;
mod periphery;
mod program;
mod pulsing;
mod reads;
mod refresh;
mod slices;
mod through;
mod tile;
mod trains;
pub mod wires;
mod writes;

pub use cost::{Built, Conversion, Cost, Item, Parallel, Technology, Tiled, Usage};
pub use digital::Digital;
pub use effective::{EffectiveArray, Sensitivity};
pub use layout::{Cut, Layout, TileSize, WeightScale};
pub use mapping::{ArrayModel, Mapping, WeightMap};
pub use periphery::{
    Adc, AdcKind, BoundManagement, Compensation, Counts, Dac, Direction, Errors, Input,
    NoiseManagement, Periphery, RangeRule, Resolution, Response, Rounding, Scope, best_range,
};
pub use program::{Effort, OpenLoop, Start, WriteVerify, Writing, Written};
pub use refresh::Refresh;
pub use slices::Slices;
pub use through::{IrDrop, Route, Wires};
pub use writes::{Drive, Scheme, Selected, Writes};

use self::partial::cut_rows;
use self::tile::Tile;

use crate::arrays::Saved;
use crate::backend::{Place, StackVector};
use crate::device::Counting;
use crate::error::Result;
use crate::number::Stream;

/// A stack of synaptic arrays that training can read and ask for changes.
///
/// # Errors
/// Those of the [`Backend`](crate::backend::Backend) that holds the arrays.
pub trait Synapses {
    /// Number of arrays in the stack.
    fn replicas(&self) -> usize;
    /// Inputs and outputs.
    fn dimensions(&self) -> (usize, usize);
    /// Weighted sums `y_c = Σ_r x_r w_rc` as the periphery reads them at step `step`, in units of the weights. The vectors may hold many
    /// samples (lane = sample · replicas + replica): sample b is read at step `step` + b, wrapping.
    fn multiply(
        &mut self,
        step: u32,
        inputs: &StackVector,
        outputs: &mut StackVector,
    ) -> Result<()>;
    /// Weighted sums against the flow, `y_r = Σ_c x_c w_rc`: inputs on the outputs' side (one element an output of the array), outputs on the
    /// rows'. Whole samples, as for [`Synapses::multiply`], whose random numbers are others.
    ///
    /// # Panics
    /// If the vectors have not the array's dimensions, or not whole samples.
    fn multiply_transposed(
        &mut self,
        step: u32,
        inputs: &StackVector,
        outputs: &mut StackVector,
    ) -> Result<()>;
    /// Sets every weight of every array to its own value (row-major, one element a weight and replica), exactly.
    ///
    /// # Panics
    /// For weights in digits, scaled columns and offset columns.
    fn start(&mut self, weights: &StackVector) -> Result<()>;
    /// Asks every weight (r, c) for the change `inputs[r] · changes[c]`; `rate` is the learning rate in `changes`.
    fn update_outer(
        &mut self,
        step: u32,
        inputs: &StackVector,
        changes: &StackVector,
        counting: Counting,
        rate: f64,
    ) -> Result<()>;
    /// Asks every weight (row-major) for its own change; `rate` is the learning rate in `changes`.
    ///
    /// # Panics
    /// A device asked for changes by [`Counting::Coincidence`]: bit trains make outer products alone.
    fn update_dense(
        &mut self,
        step: u32,
        changes: &StackVector,
        counting: Counting,
        rate: f64,
    ) -> Result<()>;
    /// Lets `elapsed` seconds pass after step `step`: what forgets, forgets.
    fn relax(&mut self, step: u32, elapsed: f64) -> Result<()>;
    /// What the periphery does at the end of step `step`: full one-sided pairs are refreshed, and effective matrices that are due.
    fn refresh(&mut self, step: u32) -> Result<()>;
    /// Ends a task: weights are from now on held to where they are read now, each as it matters to what was learned, its `importance` (row-major, one element
    /// a weight and replica). Arrays and rules without such a penalty let it pass.
    fn consolidate(&mut self, importance: &StackVector) -> Result<()> {
        let _ = importance;
        Ok(())
    }
    /// True contributions of all cells to their weights, in weight units, a vector for each cell and an element for each
    /// replica: the measurement port. Only `bias` and `report` may use it; training sees what [`Synapses::multiply`] reads.
    fn inspect(&mut self, values: &mut [Vec<f64>]) -> Result<()>;
    /// Programming pulses applied so far, those of refreshes included.
    fn pulses(&mut self) -> Result<u64>;
    /// Resets of cells so far.
    fn resets(&self) -> u64;
    /// Writes everything that later results depend on to `saved`, or takes it from there: both go on alike then, bit by bit. Those that take
    /// it were made as those were that wrote it; they need not have been started.
    ///
    /// # Errors
    /// Those of [`Saved::list`]: the state is that of others.
    fn keep(&mut self, saved: &mut Saved) -> Result<()>;
    /// What was done so far, where that is metered.
    fn usage(&mut self) -> Result<Option<Usage>> {
        Ok(None)
    }
}

/// What a stack of crossbars is made of.
#[derive(Clone)]
pub struct Plan {
    /// Cells and their map to weights.
    pub model: ArrayModel,
    /// Standard deviation of the read noise of one output, in units of the weighted sum.
    pub read_noise: f64,
    /// Converters and their management.
    pub periphery: Periphery,
    /// How weights are laid out on physical arrays, each of which has converters and wires of its own.
    pub layout: Layout,
    /// Wires that it is read through; ideal ones without.
    pub wires: Option<Wires>,
    /// When and how pairs of one-sided cells are refreshed, if they are.
    pub refresh: Option<Refresh>,
    /// Whether the pulses that one cell gets in one step are drawn at once where the law allows it.
    pub aggregate: bool,
    /// Random numbers of the study.
    pub stream: Stream,
    /// Where it is computed.
    pub place: Place,
}

/// A stack of crossbars with their periphery: what training reads and writes.
///
/// Reads pass the [`Wires`] and the [`Periphery`]; every read of an output may carry Gaussian read noise. Where the [`Layout`] has tiles, all of
/// this is theirs, and what they read is added digitally; updates are cut likewise. Slices are tiles whose products are shifted before.
pub struct Crossbar {
    model: ArrayModel,
    layout: Layout,
    replicas: usize,
    tiles: Vec<Part>,
    /// Factors of the outputs of every replica, where drift is compensated.
    compensation: Option<(StackVector, Compensation)>,
    /// Sums of what tiles read.
    sums: Vec<f64>,
    /// Digital additions of partial sums, and subtractions of offsets.
    additions: u64,
    /// What the columns of the matrix were multiplied by when they were written.
    scales: Option<Vec<f64>>,
}

/// A tile and what it holds.
struct Part {
    cut: Cut,
    tile: Tile,
    /// What its products are multiplied by.
    factor: f64,
    /// Its elements of what the whole is given, and what it gives.
    given: StackVector,
    taken: StackVector,
}

impl Part {
    /// Gives it the elements of its weights.
    fn cut_weights(&mut self, map: &WeightMap, whole: &StackVector) {
        let given = &mut self.given;
        given.reshape(self.cut.map(map).weights(), whole.width());
        for k in 0..given.len() {
            let own = whole.lanes(self.cut.weight(map, k));
            given.lanes_mut(k).copy_from_slice(own);
        }
    }
}

impl Crossbar {
    /// A stack of `replicas` crossbars, numbered from `first_replica`.
    ///
    /// # Errors
    /// Where the stack does not fit into the memory of its place.
    ///
    /// # Panics
    /// For a periphery with a successive approximation of fewer than 2 or more than 16 bits, or with bit-serial inputs without levels; for
    /// tiles without room for one weight; for more than one replica where pulses see wires that resist ([`Wires::replicas_at_once`]); for
    /// weights in digits that do not suit the mapping ([`Slices::suit`]).
    pub fn new(plan: &Plan, first_replica: usize, replicas: usize) -> Result<Self> {
        plan.periphery.assert_possible();
        let whole = &plan.model;
        let cuts = plan.layout.cuts(&whole.map);
        let alone = cuts.len() == 1 && whole.map.mapping().further_columns() == 0;
        let part = |(k, cut): (usize, Cut)| {
            let model = match alone {
                true => whole.clone(),
                false => whole.part(&cut),
            };
            let stream = plan.stream.part(k as u32);
            Ok(Part {
                tile: Tile::new(plan, model, stream, (first_replica as u32, replicas))?,
                factor: plan.layout.factor(cut.slice),
                cut,
                given: StackVector::default(),
                taken: StackVector::default(),
            })
        };
        Ok(Self {
            tiles: cuts
                .into_iter()
                .enumerate()
                .map(part)
                .collect::<Result<_>>()?,
            model: whole.clone(),
            layout: plan.layout,
            replicas,
            compensation: None,
            sums: Vec::new(),
            additions: 0,
            scales: None,
        })
    }

    /// Programs the same weights (row-major, inputs × outputs) into every crossbar at step `step`, exactly where the device has no
    /// [`Programming`](crate::device::Programming).
    ///
    /// # Errors
    /// Those of the backend.
    pub fn write(&mut self, step: u32, weights: &[f64]) -> Result<()> {
        let held = self.held(weights);
        for (part, held) in self.tiles.iter_mut().zip(held) {
            part.tile.write(step, &held)?;
        }
        Ok(())
    }

    /// Writes the same weights into every crossbar as `writing` says, with the random numbers of `step` and, where cells are pulsed, of one
    /// more step for each round. What is written is told cell by cell in the order of [`Layout::cells`].
    ///
    /// # Errors
    /// Those of the backend.
    pub fn write_by(&mut self, step: u32, weights: &[f64], writing: &Writing) -> Result<Written> {
        let held = self.held(weights);
        let map = self.model.map;
        let mut all = Written::nothing(self.layout.cells(&map), self.replicas);
        for (Part { cut, tile, .. }, held) in self.tiles.iter_mut().zip(held) {
            let written = tile.write_by(step, &held, writing)?;
            all.take(&written, |k| cut.drawn(&map, k));
        }
        Ok(all)
    }

    /// What every tile is to hold of these weights (row-major): those of its cut, scaled, its digit of them, and that of zero in its offset column. What was
    /// known of other weights is forgotten.
    fn held(&mut self, weights: &[f64]) -> Vec<Vec<f64>> {
        let map = &self.model.map;
        self.compensation = None;
        self.scales = self.layout.scale.factors(map, weights);
        let (slices, scales) = (self.layout.slices, &self.scales);
        let own = |part: &Part| {
            let cut = &part.cut;
            let row = |input: usize| {
                let weights = &weights[input * map.outputs()..][cut.outputs.clone()];
                let scales = scales.as_ref().map(|s| &s[cut.outputs.clone()]);
                let own = weights.iter().enumerate().map(move |(c, w)| {
                    let w = scales.map_or(*w, |s| s[c] * w);
                    slices.map_or(w, |s| s.part(map, cut.slice, w))
                });
                let zero = slices.map_or(0.0, |s| s.part(map, cut.slice, 0.0));
                own.chain(std::iter::repeat_n(zero, map.mapping().further_columns()))
            };
            cut.inputs.clone().flat_map(row).collect()
        };
        self.tiles.iter().map(own).collect()
    }

    /// The conductance that a noiseless read of every single cell sees, in siemens: what it would be through ideal wires. One element a cell,
    /// row-major over the whole, slice after slice; without those of offset columns.
    ///
    /// # Errors
    /// Those of the backend.
    pub fn conductances(&mut self) -> Result<StackVector> {
        let map = self.model.map;
        let slices = self.layout.slice_count();
        let mut all = StackVector::zeros(slices * map.cells(), self.replicas);
        for part in &mut self.tiles {
            let own = part.tile.conductances()?;
            let first = part.cut.slice * map.cells();
            for k in 0..own.len() {
                if let Some(cell) = part.cut.cell(&map, k) {
                    all.lanes_mut(first + cell).copy_from_slice(own.lanes(k));
                }
            }
        }
        Ok(all)
    }

    /// The tiles, each with the conductances of its cells as [`Crossbar::conductances`] gives them, row-major.
    ///
    /// # Errors
    /// Those of the backend.
    pub fn tiles(&mut self) -> Result<Vec<(Cut, StackVector)>> {
        let tile = |part: &mut Part| Ok((part.cut.clone(), part.tile.conductances()?));
        self.tiles.iter_mut().map(tile).collect()
    }

    /// # Panics
    /// For weights in digits, scaled columns and offset columns.
    fn assert_trainable(&self) {
        let plain = self.layout.slices.is_none() && self.layout.scale == WeightScale::Matrix;
        assert!(
            plain && self.model.map.mapping().further_columns() == 0,
            "weights in digits, scaled columns and offset columns are written and read, not updated"
        );
    }
}

impl Synapses for Crossbar {
    fn replicas(&self) -> usize {
        self.replicas
    }

    fn dimensions(&self) -> (usize, usize) {
        (self.model.map.inputs(), self.model.map.outputs())
    }

    fn multiply(
        &mut self,
        step: u32,
        inputs: &StackVector,
        outputs: &mut StackVector,
    ) -> Result<()> {
        self.read_samples(Direction::Forward, step, inputs, outputs)
    }

    /// Columns that were scaled when they were written scale inputs, which may leave the range of the converters.
    fn multiply_transposed(
        &mut self,
        step: u32,
        inputs: &StackVector,
        outputs: &mut StackVector,
    ) -> Result<()> {
        self.read_samples(Direction::Transposed, step, inputs, outputs)
    }

    fn start(&mut self, weights: &StackVector) -> Result<()> {
        self.assert_trainable();
        self.compensation = None;
        if let [Part { tile, .. }] = &mut self.tiles[..] {
            return tile.start(weights);
        }
        for part in &mut self.tiles {
            part.cut_weights(&self.model.map, weights);
            part.tile.start(&part.given)?;
        }
        Ok(())
    }

    /// Pulses as `counting` says. Without update management the gain η/δ sets how a train's probability is shared between
    /// rows and columns; with it the largest elements of each tile do.
    ///
    /// # Panics
    /// For weights in digits, scaled columns and offset columns, as [`Synapses::update_dense`]: they are written and read.
    fn update_outer(
        &mut self,
        step: u32,
        inputs: &StackVector,
        changes: &StackVector,
        counting: Counting,
        rate: f64,
    ) -> Result<()> {
        self.assert_trainable();
        if let [Part { tile, .. }] = &mut self.tiles[..] {
            return tile.update_outer(step, inputs, changes, counting, rate);
        }
        for part in &mut self.tiles {
            cut_rows(inputs, part.cut.inputs.clone(), &mut part.given);
            cut_rows(changes, part.cut.outputs.clone(), &mut part.taken);
            let (given, taken) = (&part.given, &part.taken);
            part.tile.update_outer(step, given, taken, counting, rate)?;
        }
        Ok(())
    }

    fn update_dense(
        &mut self,
        step: u32,
        changes: &StackVector,
        counting: Counting,
        rate: f64,
    ) -> Result<()> {
        self.assert_trainable();
        if let [Part { tile, .. }] = &mut self.tiles[..] {
            return tile.update_dense(step, changes, counting, rate);
        }
        for part in &mut self.tiles {
            part.cut_weights(&self.model.map, changes);
            let given = &part.given;
            part.tile.update_dense(step, given, counting, rate)?;
        }
        Ok(())
    }

    fn relax(&mut self, step: u32, elapsed: f64) -> Result<()> {
        let mut tiles = self.tiles.iter_mut();
        tiles.try_for_each(|part| part.tile.relax(step, elapsed))
    }

    fn refresh(&mut self, step: u32) -> Result<()> {
        let mut tiles = self.tiles.iter_mut();
        tiles.try_for_each(|part| part.tile.refresh(step))
    }

    /// Of weights in digits, those of the cells at one place in all slices together; offset columns are taken for exact.
    fn inspect(&mut self, values: &mut [Vec<f64>]) -> Result<()> {
        let whole = &self.model.map;
        values.iter_mut().for_each(|v| v.fill(0.0));
        for part in &mut self.tiles {
            let model = part.tile.model.clone();
            let states = part.tile.states()?;
            for k in 0..states.len() {
                let Some(cell) = part.cut.cell(whole, k) else {
                    continue;
                };
                let output = whole.weight_of(cell) % whole.outputs();
                let scale = self.scales.as_ref().map_or(1.0, |s| s[output]);
                let factor = part.factor / scale;
                for (v, &s) in values[cell].iter_mut().zip(states.lanes(k)) {
                    let x = model.cells.conductance(k, f64::from(s));
                    *v += factor * model.map.value(x);
                }
            }
        }
        Ok(())
    }

    fn pulses(&mut self) -> Result<u64> {
        self.tiles.iter_mut().map(|p| p.tile.pulses()).sum()
    }

    fn resets(&self) -> u64 {
        self.tiles.iter().map(|p| p.tile.resets()).sum()
    }

    fn keep(&mut self, saved: &mut Saved) -> Result<()> {
        for part in &mut self.tiles {
            part.tile.keep(saved)?;
        }
        saved.number("additions", &mut self.additions)?;
        saved.optional("scales", &mut self.scales)?;
        self.keep_compensation(saved)
    }

    fn usage(&mut self) -> Result<Option<Usage>> {
        let mut parts = Vec::new();
        for part in &mut self.tiles {
            let cells = part.tile.model.cells.len();
            let Some(usage) = part.tile.usage()? else {
                return Ok(None);
            };
            parts.push((usage, cells));
        }
        let mut usage = Usage::beside(parts);
        usage.counts.additions += self.additions;
        Ok(Some(usage))
    }
}
