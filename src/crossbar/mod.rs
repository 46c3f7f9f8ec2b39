//! The crossbar: weights held by conductances, read and updated through the periphery.

mod cost;
mod digital;
mod mapping;
mod periphery;
mod reads;
mod refresh;
mod through;
mod trains;
pub mod wires;
mod writes;

pub use cost::{Built, Conversion, Cost, Item, Parallel, Technology, Usage};
pub use digital::Digital;
pub use mapping::{ArrayModel, Mapping, WeightMap};
pub use periphery::{
    Adc, AdcKind, BoundManagement, Compensation, Counts, Dac, Direction, Errors, Input,
    NoiseManagement, Periphery, RangeRule, Resolution, Response, Rounding, Scope, best_range,
};
pub use refresh::Refresh;
pub use through::{IrDrop, Route, Wires};
pub use writes::{Drive, Scheme, Selected, Writes};

use std::sync::Arc;

use self::periphery::Converters;
use self::refresh::Refresher;
use self::through::Through;

use crate::backend::{Backend, Place, Request, Shape, StackVector};
use crate::device::Counting;
use crate::error::Result;
use crate::number::{Purpose, Stream};

/// A stack of synaptic arrays that training can read and ask for changes.
///
/// # Errors
/// Those of the [`Backend`] that holds the arrays.
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
    /// True contributions of all cells to their weights, in weight units, a vector for each cell and an element for each
    /// replica: the measurement port. Only `bias` and `report` may use it; training sees what [`Synapses::multiply`] reads.
    fn inspect(&mut self, values: &mut [Vec<f64>]) -> Result<()>;
    /// Programming pulses applied so far, those of refreshes included.
    fn pulses(&mut self) -> Result<u64>;
    /// Resets of cells so far.
    fn resets(&self) -> u64;
    /// What was done so far, where that is metered.
    fn usage(&mut self) -> Result<Option<Usage>> {
        Ok(None)
    }
}

/// A stack of crossbars with their periphery: what training reads and writes.
///
/// Reads pass the [`Wires`] and the [`Periphery`]; every read of an output may carry Gaussian read noise.
pub struct Crossbar {
    model: ArrayModel,
    backend: Box<dyn Backend>,
    stream: Stream,
    first_replica: u32,
    /// Standard deviation of the current of one column, in amperes.
    read_noise: f32,
    /// None where converters are ideal: reads pass as they are.
    converters: Option<Box<Converters>>,
    counts: Counts,
    /// Factors of the outputs of every replica, where drift is compensated.
    compensation: Option<(StackVector, Compensation)>,
    input_sum: Vec<f32>,
    currents: StackVector,
    /// Voltages of pairs that are read against the flow.
    driven: StackVector,
    /// `Σ V²` over all reads and cells of every replica, weighted with how long each lasts; where it is metered.
    drive: Option<Vec<f64>>,
    columns: StackVector,
    scale: Vec<f32>,
    row_bits: Vec<u32>,
    column_bits: Vec<u32>,
    words: [Vec<u32>; 4],
    /// What a measurement or a dense request needs, one element a cell.
    cells: StackVector,
    refresher: Option<Refresher>,
    /// None where wires are ideal.
    through: Option<Through>,
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

impl Crossbar {
    /// A stack of `replicas` crossbars, numbered from `first_replica`.
    ///
    /// # Errors
    /// Where the stack does not fit into the memory of its place.
    ///
    /// # Panics
    /// For a periphery with a successive approximation of fewer than 2 or more than 16 bits, or with bit-serial inputs without levels.
    pub fn new(plan: &Plan, first_replica: usize, replicas: usize) -> Result<Self> {
        plan.periphery.assert_possible();
        let map = plan.model.map;
        let shape = Shape {
            replicas,
            rows: map.inputs(),
            columns: map.columns(),
        };
        let first_replica = first_replica as u32;
        let cells = Arc::clone(&plan.model.cells);
        // The noise of an output is that of its columns together.
        let per_ampere = map.per_window() / plan.model.cells.window().span();
        let read_noise = plan.read_noise / per_ampere / (map.cells_per_weight() as f64).sqrt();
        Ok(Self {
            model: plan.model.clone(),
            backend: plan
                .place
                .stack(shape, first_replica, plan.stream, cells, plan.aggregate)?,
            stream: plan.stream,
            first_replica,
            read_noise: read_noise as f32,
            converters: (!plan.periphery.is_ideal()).then(|| {
                Box::new(Converters::new(
                    &plan.periphery,
                    (map.inputs(), map.outputs()),
                    (first_replica, replicas),
                    plan.stream,
                ))
            }),
            counts: Counts::default(),
            compensation: None,
            driven: StackVector::default(),
            drive: None,
            input_sum: vec![0.0; replicas],
            currents: StackVector::zeros(shape.columns, replicas),
            columns: StackVector::zeros(shape.columns, replicas),
            scale: vec![0.0; replicas],
            row_bits: vec![0; shape.rows * replicas],
            column_bits: vec![0; shape.columns * replicas],
            words: std::array::from_fn(|_| vec![0; replicas]),
            cells: StackVector::zeros(shape.cells(), replicas),
            refresher: plan
                .refresh
                .and_then(|r| Refresher::new(r, &plan.model.cells, map, replicas)),
            through: plan
                .wires
                .and_then(|wires| Through::new(wires, shape, plan.model.cells.window())),
        })
    }

    /// Programs the same weights (row-major, inputs × outputs) into every crossbar at step `step`, exactly where the device has no
    /// [`Programming`](crate::device::Programming).
    ///
    /// # Errors
    /// Those of the backend.
    pub fn write(&mut self, step: u32, weights: &[f64]) -> Result<()> {
        let positions = self.model.map.positions(weights);
        self.through.iter_mut().for_each(Through::written);
        // What was lost of other weights says nothing of these.
        self.compensation = None;
        self.backend.program(step, &positions)
    }

    /// The conductance that a noiseless read of every single cell sees, in siemens: what it would be through ideal wires.
    ///
    /// # Errors
    /// Those of the backend.
    pub fn conductances(&mut self) -> Result<StackVector> {
        let shape = self.backend.shape();
        let mut out = StackVector::zeros(shape.cells(), shape.replicas);
        self.backend.conductances(&mut out)?;
        Ok(out)
    }

    /// Sets `scale` to the factor from |input| to a row's probability.
    fn row_scale(&mut self, inputs: &StackVector, per_bit: f32, managed: bool, gain: f32) {
        if !managed {
            self.scale.fill((gain * per_bit).sqrt());
            return;
        }
        let largest = |v: &StackVector, r: usize| {
            (0..v.len()).fold(0.0_f32, |m, i| m.max(v.lanes(i)[r].abs()))
        };
        for r in 0..self.scale.len() {
            let (x, d) = (largest(inputs, r), largest(&self.columns, r));
            self.scale[r] = if x > 0.0 {
                (d / x * per_bit).sqrt()
            } else {
                0.0
            };
        }
    }

    fn trains(&mut self, step: u32, purpose: Purpose, bits: u32, values: &StackVector) {
        let out = match purpose {
            Purpose::RowTrain => &mut self.row_bits,
            _ => &mut self.column_bits,
        };
        trains::draw(
            &self.stream,
            step,
            self.first_replica,
            purpose,
            bits,
            values,
            &self.scale,
            &mut self.words,
            out,
        );
    }
}

impl Synapses for Crossbar {
    fn replicas(&self) -> usize {
        self.backend.shape().replicas
    }

    fn dimensions(&self) -> (usize, usize) {
        (self.model.map.inputs(), self.model.map.outputs())
    }

    fn pulses(&mut self) -> Result<u64> {
        self.backend.pulses()
    }

    fn multiply(
        &mut self,
        step: u32,
        inputs: &StackVector,
        outputs: &mut StackVector,
    ) -> Result<()> {
        self.read_samples(Direction::Forward, step, inputs, outputs)
    }

    /// Pulses as `counting` says. Without update management the gain η/δ sets how a train's probability is shared between
    /// rows and columns.
    fn update_outer(
        &mut self,
        step: u32,
        inputs: &StackVector,
        changes: &StackVector,
        counting: Counting,
        rate: f64,
    ) -> Result<()> {
        self.through.iter_mut().for_each(Through::changed);
        let map = self.model.map;
        let per_weight = 1.0 / self.model.step();
        for column in 0..map.columns() {
            let factor = (map.share(column) * per_weight) as f32;
            let changes = changes.lanes(map.weight_of(column));
            for (d, change) in self.columns.lanes_mut(column).iter_mut().zip(changes) {
                *d = factor * change;
            }
        }
        let Counting::Coincidence {
            bits,
            update_management,
        } = counting
        else {
            let request = Request::Outer {
                rows: inputs,
                columns: &self.columns,
            };
            return self.backend.pulse(step, &request, counting);
        };
        let per_bit = 1.0 / bits as f32;
        self.row_scale(
            inputs,
            per_bit,
            update_management,
            (rate / self.model.step()) as f32,
        );
        self.trains(step, Purpose::RowTrain, bits, inputs);
        for s in &mut self.scale {
            *s = if *s > 0.0 { per_bit / *s } else { 0.0 };
        }
        let columns = std::mem::replace(&mut self.columns, StackVector::zeros(0, 0));
        self.trains(step, Purpose::ColumnTrain, bits, &columns);
        let request = Request::Trains {
            rows: inputs,
            columns: &columns,
            row_bits: &self.row_bits,
            column_bits: &self.column_bits,
        };
        let done = self.backend.pulse(step, &request, counting);
        self.columns = columns;
        done
    }

    fn update_dense(
        &mut self,
        step: u32,
        changes: &StackVector,
        counting: Counting,
        _rate: f64,
    ) -> Result<()> {
        self.through.iter_mut().for_each(Through::changed);
        let map = self.model.map;
        let per_weight = 1.0 / self.model.step();
        for cell in 0..map.cells() {
            let factor = (map.share(cell) * per_weight) as f32;
            let changes = changes.lanes(map.weight_of(cell));
            for (n, change) in self.cells.lanes_mut(cell).iter_mut().zip(changes) {
                *n = factor * change;
            }
        }
        let request = Request::Dense(&self.cells);
        request.assert_countable(counting);
        self.backend.pulse(step, &request, counting)
    }

    fn relax(&mut self, step: u32, elapsed: f64) -> Result<()> {
        self.through.iter_mut().for_each(Through::changed);
        self.backend.relax(step, elapsed)
    }

    fn refresh(&mut self, step: u32) -> Result<()> {
        if let Some(refresher) = &mut self.refresher {
            refresher.after(step, &mut *self.backend)?;
        }
        if let Some(through) = &mut self.through {
            through.after(step);
        }
        Ok(())
    }

    fn resets(&self) -> u64 {
        self.refresher.as_ref().map_or(0, |r| r.resets)
    }

    fn usage(&mut self) -> Result<Option<Usage>> {
        let Some(drive) = self.drive.clone() else {
            return Ok(None);
        };
        let usage = Usage {
            counts: self.counts,
            drive,
            pulses: self.backend.pulses()?,
            resets: self.resets(),
            conductance: self.mean_conductances()?,
            worn: self.worn()?,
        };
        Ok(Some(usage))
    }

    fn inspect(&mut self, values: &mut [Vec<f64>]) -> Result<()> {
        self.backend.inspect(&mut self.cells)?;
        for (cell, values) in values.iter_mut().enumerate() {
            for (v, &s) in values.iter_mut().zip(self.cells.lanes(cell)) {
                let position = self.model.cells.conductance(cell, f64::from(s));
                *v = self.model.map.value(position);
            }
        }
        Ok(())
    }
}
