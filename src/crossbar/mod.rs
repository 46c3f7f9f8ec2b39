//! The crossbar: weights held by conductances, read and updated through the periphery.

mod digital;
mod mapping;
mod trains;

pub use digital::Digital;
pub use mapping::{ArrayModel, Mapping, WeightMap};

use std::sync::Arc;

use crate::backend::{Backend, Cpu, Request, Shape, StackVector};
use crate::device::Counting;
use crate::number::{Purpose, Stream};

/// A stack of synaptic arrays that training can read and ask for changes.
pub trait Synapses {
    /// Number of arrays in the stack.
    fn replicas(&self) -> usize;
    /// Inputs and outputs.
    fn dimensions(&self) -> (usize, usize);
    /// Weighted sums `y_c = Σ_r x_r w_rc` as the periphery reads them at step `step`, in units of the weights.
    fn multiply(&mut self, step: u32, inputs: &StackVector, outputs: &mut StackVector);
    /// Asks every weight (r, c) for the change `inputs[r] · changes[c]`; `rate` is the learning rate in `changes`.
    fn update_outer(
        &mut self,
        step: u32,
        inputs: &StackVector,
        changes: &StackVector,
        counting: Counting,
        rate: f64,
    );
    /// Asks every weight (row-major) for its own change; `rate` is the learning rate in `changes`.
    fn update_dense(&mut self, step: u32, changes: &StackVector, counting: Counting, rate: f64);
    /// True contributions of a cell to its weight, in weight units, one for each replica: the measurement port. Only
    /// `bias` and `report` may use it; training sees what [`Synapses::multiply`] reads.
    fn inspect(&self, cell: usize, values: &mut [f64]);
    /// Programming pulses applied so far.
    fn pulses(&self) -> u64;
}

/// A stack of crossbars with their periphery: what training reads and writes.
///
/// Converters and wires are ideal; every read of an output may carry Gaussian read noise.
pub struct Crossbar {
    model: ArrayModel,
    backend: Box<dyn Backend>,
    stream: Stream,
    first_replica: u32,
    read_noise: f32,
    input_sum: Vec<f32>,
    currents: StackVector,
    columns: StackVector,
    scale: Vec<f32>,
    row_bits: Vec<u32>,
    column_bits: Vec<u32>,
    words: [Vec<u32>; 4],
    normals: [Vec<f32>; 4],
}

/// What a stack of crossbars is made of.
#[derive(Clone)]
pub struct Plan {
    /// Cells and their map to weights.
    pub model: ArrayModel,
    /// Standard deviation of the read noise of one output, in units of the weighted sum.
    pub read_noise: f64,
    /// Whether the pulses that one cell gets in one step are drawn at once where the law allows it.
    pub aggregate: bool,
    /// Random numbers of the study.
    pub stream: Stream,
}

impl Crossbar {
    /// A stack of `replicas` crossbars on the CPU, numbered from `first_replica`.
    pub fn new(plan: &Plan, first_replica: usize, replicas: usize) -> Self {
        let map = plan.model.map;
        let shape = Shape {
            replicas,
            rows: map.inputs(),
            columns: map.columns(),
        };
        let first_replica = first_replica as u32;
        let cells = Arc::clone(&plan.model.cells);
        Self {
            model: plan.model.clone(),
            backend: Box::new(Cpu::new(
                shape,
                first_replica,
                plan.stream,
                cells,
                plan.aggregate,
            )),
            stream: plan.stream,
            first_replica,
            read_noise: plan.read_noise as f32,
            input_sum: vec![0.0; replicas],
            currents: StackVector::zeros(shape.columns, replicas),
            columns: StackVector::zeros(shape.columns, replicas),
            scale: vec![0.0; replicas],
            row_bits: vec![0; shape.rows * replicas],
            column_bits: vec![0; shape.columns * replicas],
            words: std::array::from_fn(|_| vec![0; replicas]),
            normals: std::array::from_fn(|_| vec![0.0; replicas]),
        }
    }

    /// Writes the same weights (row-major, inputs × outputs) into every crossbar, without write noise.
    pub fn write(&mut self, weights: &[f64]) {
        self.backend.write(&self.model.map.positions(weights));
    }

    fn add_read_noise(&mut self, step: u32, outputs: &mut StackVector) {
        for block in 0..outputs.len().div_ceil(4) {
            self.stream.fill_normals(
                step,
                block as u32,
                self.first_replica,
                Purpose::ReadNoise,
                0,
                self.normals.each_mut().map(Vec::as_mut_slice),
            );
            for (k, c) in (block * 4..outputs.len().min(block * 4 + 4)).enumerate() {
                for (y, z) in outputs.lanes_mut(c).iter_mut().zip(&self.normals[k]) {
                    *y += self.read_noise * z;
                }
            }
        }
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

    fn pulses(&self) -> u64 {
        self.backend.pulses()
    }

    /// Inputs are voltages (1 V a unit); the reference current `g_ref Σ V`, or the current of the negative column, is subtracted.
    fn multiply(&mut self, step: u32, inputs: &StackVector, outputs: &mut StackVector) {
        self.backend.multiply(inputs, &mut self.currents);
        let (map, window) = (self.model.map, self.model.cells.window());
        let per_ampere = (map.per_window() / window.span()) as f32;
        match map.mapping() {
            Mapping::ReferenceColumn => {
                let reference = (window.g_min + map.reference() * window.span()) as f32;
                self.input_sum.fill(0.0);
                for row in 0..map.inputs() {
                    for (sum, v) in self.input_sum.iter_mut().zip(inputs.lanes(row)) {
                        *sum += v;
                    }
                }
                for column in 0..map.outputs() {
                    let currents = self.currents.lanes(column).iter().zip(&self.input_sum);
                    for (y, (i, sum)) in outputs.lanes_mut(column).iter_mut().zip(currents) {
                        *y = (i - reference * sum) * per_ampere;
                    }
                }
            }
            Mapping::DifferentialPair => {
                for column in 0..map.outputs() {
                    let plus = self.currents.lanes(2 * column).iter();
                    let minus = self.currents.lanes(2 * column + 1);
                    for (y, (p, m)) in outputs.lanes_mut(column).iter_mut().zip(plus.zip(minus)) {
                        *y = (p - m) * per_ampere;
                    }
                }
            }
        }
        if self.read_noise > 0.0 {
            self.add_read_noise(step, outputs);
        }
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
    ) {
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
        self.backend.pulse(step, &request, counting);
        self.columns = columns;
    }

    fn update_dense(&mut self, step: u32, changes: &StackVector, counting: Counting, _rate: f64) {
        let map = self.model.map;
        let per_weight = 1.0 / self.model.step();
        let mut requests = StackVector::zeros(map.cells(), self.replicas());
        for cell in 0..map.cells() {
            let factor = (map.share(cell) * per_weight) as f32;
            let changes = changes.lanes(map.weight_of(cell));
            for (n, change) in requests.lanes_mut(cell).iter_mut().zip(changes) {
                *n = factor * change;
            }
        }
        self.backend
            .pulse(step, &Request::Dense(&requests), counting);
    }

    fn inspect(&self, cell: usize, values: &mut [f64]) {
        for (v, &s) in values.iter_mut().zip(self.backend.inspect(cell)) {
            *v = self.model.map.value(f64::from(s));
        }
    }
}
