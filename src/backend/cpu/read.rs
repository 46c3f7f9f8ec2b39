//! Reads: weighted sums of conductances, with noise on every output.
//!
//! Noise of the cells themselves is that of a normal number of the variance `Σ V² σ²`: a second product, of variances.

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};

use super::cell_noise::Noisy;
use super::{BLOCK, Cpu};
use crate::backend::{ReadNoise, StackVector, WIDE};
use crate::number::Purpose;

/// Partial sums of a product of two rows: they keep the vector units busy, and their order is fixed.
const PARTIAL: usize = 32;

/// Products and sums from which on threads share a read: some 0.15 ms, ten times what waking a thread takes.
const SHARED: usize = 1 << 23;

/// Buffers of the reads of few replicas.
#[derive(Default)]
pub(super) struct ReadScratch {
    /// The states of one replica, row-major.
    states: Vec<f32>,
    /// Its inputs, element by element.
    inputs: Vec<f32>,
    /// Its outputs.
    outputs: Vec<f32>,
    /// `Σ V` of every lane.
    sums: Vec<f32>,
    /// Noise of four outputs, replica by replica.
    normals: [Vec<f32>; BLOCK],
    /// Noise of all outputs of one replica.
    noise: Vec<f32>,
    /// Squares of the voltages, and the deviation of every output, where cells are noisy.
    squares: StackVector,
    deviations: StackVector,
}

impl Cpu {
    /// `I_o = Σ_i V_i G_io`, with inputs on rows, or on columns where `transposed`, as `g_min Σ V + span Σ V s`.
    pub(super) fn read(
        &mut self,
        transposed: bool,
        voltages: &StackVector,
        noise: ReadNoise,
        currents: &mut StackVector,
    ) {
        self.fixed.shape.ends(transposed, voltages, currents);
        self.refresh();
        let replicas = self.fixed.shape.replicas;
        let width = voltages.width();
        let mut scratch = std::mem::take(&mut self.read_scratch);
        let samples = width / replicas;
        self.sum(self.summed(), transposed, voltages, &mut scratch, currents);
        let window = self.fixed.cells.window();
        scratch.sums.clear();
        scratch.sums.resize(width, 0.0);
        self.fixed.arch.dispatch(Scale {
            g_min: window.g_min as f32,
            span: window.span() as f32,
            voltages,
            sums: &mut scratch.sums,
            currents,
        });
        let outputs = currents.len();
        let noisy = self.deviate(transposed, voltages, noise, outputs, &mut scratch);
        if noisy || noise.deviation > 0.0 {
            let deviations = noisy.then_some(&scratch.deviations);
            for sample in 0..samples {
                if replicas < WIDE {
                    let normals = &mut scratch.noise;
                    self.add_noise_across(noise, deviations, sample, normals, currents);
                } else {
                    let normals = &mut scratch.normals;
                    self.add_noise_along(noise, deviations, sample, normals, currents);
                }
            }
        }
        self.read_scratch = scratch;
    }

    /// `Σ V s` of all outputs, for numbers `states` of all cells.
    fn sum(
        &self,
        states: &[f32],
        transposed: bool,
        voltages: &StackVector,
        scratch: &mut ReadScratch,
        currents: &mut StackVector,
    ) {
        let (replicas, columns) = (self.fixed.shape.replicas, self.fixed.shape.columns);
        let samples = voltages.width() / replicas;
        if replicas < WIDE && samples > 1 {
            for replica in 0..replicas {
                self.read_samples(states, transposed, voltages, replica, scratch, currents);
            }
        } else {
            for sample in 0..samples {
                self.fixed.arch.dispatch(Read {
                    states,
                    columns,
                    replicas,
                    transposed,
                    first_lane: sample * replicas,
                    voltages,
                    currents,
                });
            }
        }
    }

    /// Fills the deviations of all outputs, `√(d² + span² Σ V² σ²)`, where cells are noisy; else tells that there are none.
    fn deviate(
        &self,
        transposed: bool,
        voltages: &StackVector,
        noise: ReadNoise,
        outputs: usize,
        scratch: &mut ReadScratch,
    ) -> bool {
        let Some(variances) = self.noisy.as_ref().and_then(Noisy::variances) else {
            return false;
        };
        let mut squares = std::mem::take(&mut scratch.squares);
        let mut deviations = std::mem::take(&mut scratch.deviations);
        fit(&mut squares, voltages.len(), voltages.width());
        fit(&mut deviations, outputs, voltages.width());
        for (square, v) in squares.all_mut().iter_mut().zip(voltages.all()) {
            *square = v * v;
        }
        self.sum(variances, transposed, &squares, scratch, &mut deviations);
        let (span, own) = (self.fixed.cells.window().span() as f32, noise.deviation);
        for d in deviations.all_mut() {
            *d = (own * own + span * span * d.max(0.0)).sqrt();
        }
        (scratch.squares, scratch.deviations) = (squares, deviations);
        true
    }

    /// All samples of one replica as one matrix product.
    fn read_samples(
        &self,
        seen: &[f32],
        transposed: bool,
        voltages: &StackVector,
        replica: usize,
        scratch: &mut ReadScratch,
        currents: &mut StackVector,
    ) {
        let replicas = self.fixed.shape.replicas;
        let (inputs, outputs) = (voltages.len(), currents.len());
        let samples = voltages.width() / replicas;
        let own = |all: &[f32], out: &mut Vec<f32>| {
            out.clear();
            out.extend(all[replica..].iter().step_by(replicas));
        };
        // One replica lies contiguous as it is.
        let (states, x) = if replicas == 1 {
            (seen, voltages.all())
        } else {
            own(seen, &mut scratch.states);
            own(voltages.all(), &mut scratch.inputs);
            (&scratch.states[..], &scratch.inputs[..])
        };
        let states =
            MatRef::from_row_major_slice(states, self.fixed.shape.rows, self.fixed.shape.columns);
        let states = if transposed {
            states
        } else {
            states.transpose()
        };
        let x = MatRef::from_row_major_slice(x, inputs, samples);
        if replicas == 1 {
            product(states, x, currents.all_mut());
        } else {
            scratch.outputs.resize(outputs * samples, 0.0);
            product(states, x, &mut scratch.outputs);
            let lanes = currents.all_mut()[replica..].iter_mut().step_by(replicas);
            lanes.zip(&scratch.outputs).for_each(|(i, y)| *i = *y);
        }
    }

    /// Noise of few replicas: drawn across the outputs of each. Outputs have deviations of their own where there are any.
    fn add_noise_across(
        &self,
        noise: ReadNoise,
        deviations: Option<&StackVector>,
        sample: usize,
        normals: &mut Vec<f32>,
        currents: &mut StackVector,
    ) {
        let (replicas, width) = (self.fixed.shape.replicas, currents.width());
        normals.resize(currents.len(), 0.0);
        for replica in 0..replicas {
            let step = noise.step.wrapping_add(sample as u32);
            let fixed = &self.fixed;
            let at = fixed.draw(step, replica, Purpose::ReadNoise, noise.index);
            fixed.stream.fill_cell_normals(fixed.arch, at, 0, normals);
            let lane = sample * replicas + replica;
            let outputs = currents.all_mut()[lane..].iter_mut().step_by(width);
            match deviations {
                None => {
                    for (i, z) in outputs.zip(&*normals) {
                        *i += noise.deviation * z;
                    }
                }
                Some(deviations) => {
                    let own = deviations.all()[lane..].iter().step_by(width);
                    for ((i, z), d) in outputs.zip(&*normals).zip(own) {
                        *i += d * z;
                    }
                }
            }
        }
    }

    /// Noise of many replicas: drawn along the replicas of every output.
    fn add_noise_along(
        &self,
        noise: ReadNoise,
        deviations: Option<&StackVector>,
        sample: usize,
        normals: &mut [Vec<f32>; BLOCK],
        currents: &mut StackVector,
    ) {
        let replicas = self.fixed.shape.replicas;
        for buffer in normals.iter_mut() {
            buffer.resize(replicas, 0.0);
        }
        for block in 0..currents.len().div_ceil(BLOCK) {
            self.fixed.stream.fill_normals(
                noise.step.wrapping_add(sample as u32),
                block as u32,
                self.fixed.first_replica,
                Purpose::ReadNoise,
                noise.index,
                normals.each_mut().map(Vec::as_mut_slice),
            );
            let outputs = block * BLOCK..currents.len().min((block + 1) * BLOCK);
            for (normals, o) in normals.iter().zip(outputs) {
                let lanes = &mut currents.lanes_mut(o)[sample * replicas..][..replicas];
                match deviations {
                    None => {
                        for (i, z) in lanes.iter_mut().zip(normals) {
                            *i += noise.deviation * z;
                        }
                    }
                    Some(deviations) => {
                        let own = &deviations.lanes(o)[sample * replicas..][..replicas];
                        for ((i, z), d) in lanes.iter_mut().zip(normals).zip(own) {
                            *i += d * z;
                        }
                    }
                }
            }
        }
    }
}

/// A vector of that shape, with any numbers.
fn fit(vector: &mut StackVector, len: usize, width: usize) {
    if vector.len() != len || vector.width() != width {
        *vector = StackVector::zeros(len, width);
    }
}

/// The matrix product of states and inputs, one row of `out` for each output; threads share a large one. Its size alone decides how
/// it is cut, and no piece has a single output, for which other sums are made: the number of threads changes no bit.
fn product(states: MatRef<f32>, x: MatRef<f32>, out: &mut [f32]) {
    let (outputs, inputs, samples) = (states.nrows(), states.ncols(), x.ncols());
    if outputs < 4 || outputs * inputs * samples < SHARED {
        let out = MatMut::from_row_major_slice_mut(out, outputs, samples);
        matmul(out, Accum::Replace, states, x, 1.0, Par::Seq);
        return;
    }
    let half = outputs / 2;
    let (upper, lower) = states.split_at_row(half);
    let (upper_out, lower_out) = out.split_at_mut(half * samples);
    rayon::join(
        || product(upper, x, upper_out),
        || product(lower, x, lower_out),
    );
}

/// `Σ V s` of one sample.
struct Read<'a> {
    states: &'a [f32],
    columns: usize,
    replicas: usize,
    transposed: bool,
    first_lane: usize,
    voltages: &'a StackVector,
    currents: &'a mut StackVector,
}

impl pulp::WithSimd for Read<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _simd: S) {
        let Self {
            replicas,
            columns,
            first_lane,
            voltages,
            currents,
            ..
        } = self;
        let lanes = first_lane..first_lane + replicas;
        let rows = self.states.chunks_exact(columns * replicas);
        if replicas == 1 && currents.width() == 1 {
            if self.transposed {
                for (i, row) in currents.all_mut().iter_mut().zip(rows) {
                    *i = dot(voltages.all(), row);
                }
            } else {
                currents.fill(0.0);
                weigh(voltages.all(), self.states, columns, currents.all_mut());
            }
            return;
        }
        for o in 0..currents.len() {
            currents.lanes_mut(o)[lanes.clone()].fill(0.0);
        }
        for (r, row) in rows.enumerate() {
            for (c, states) in row.chunks_exact(replicas).enumerate() {
                let (input, output) = if self.transposed { (c, r) } else { (r, c) };
                let terms = voltages.lanes(input)[lanes.clone()].iter().zip(states);
                let sums = currents.lanes_mut(output)[lanes.clone()].iter_mut();
                for (i, (v, s)) in sums.zip(terms) {
                    *i = v.mul_add(*s, *i);
                }
            }
        }
    }
}

/// Adds the rows, each times its voltage, to `sums`: four at a time, so that the sums are loaded and stored less often than the states.
#[inline(always)]
fn weigh(voltages: &[f32], states: &[f32], columns: usize, sums: &mut [f32]) {
    let (fours, rest) = voltages.as_chunks::<4>();
    let groups = states.chunks_exact(4 * columns);
    for (v, rows) in fours.iter().zip(groups) {
        let (upper, lower) = rows.split_at(2 * columns);
        let (a, b) = upper.split_at(columns);
        let (c, d) = lower.split_at(columns);
        let states = a.iter().zip(b).zip(c.iter().zip(d));
        for (sum, ((a, b), (c, d))) in sums.iter_mut().zip(states) {
            // One after the other, as along replicas: the cut into stacks changes no bit.
            let upper = v[1].mul_add(*b, v[0].mul_add(*a, *sum));
            *sum = v[3].mul_add(*d, v[2].mul_add(*c, upper));
        }
    }
    let last = states[4 * fours.len() * columns..].chunks_exact(columns);
    for (v, row) in rest.iter().zip(last) {
        for (sum, s) in sums.iter_mut().zip(row) {
            *sum = v.mul_add(*s, *sum);
        }
    }
}

/// `Σ a b` by a fixed number of partial sums.
#[inline(always)]
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let (a, a_rest) = a.as_chunks::<PARTIAL>();
    let (b, b_rest) = b.as_chunks::<PARTIAL>();
    let mut partial = [0.0; PARTIAL];
    for (a, b) in a.iter().zip(b) {
        for k in 0..PARTIAL {
            partial[k] = a[k].mul_add(b[k], partial[k]);
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    partial.iter().sum::<f32>() + rest
}

/// `g_min Σ V + span Σ V s` from `Σ V s`.
struct Scale<'a> {
    g_min: f32,
    span: f32,
    voltages: &'a StackVector,
    sums: &'a mut [f32],
    currents: &'a mut StackVector,
}

impl pulp::WithSimd for Scale<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _simd: S) {
        for input in 0..self.voltages.len() {
            for (sum, v) in self.sums.iter_mut().zip(self.voltages.lanes(input)) {
                *sum += v;
            }
        }
        for output in 0..self.currents.len() {
            let lanes = self.currents.lanes_mut(output).iter_mut();
            for (i, sum) in lanes.zip(&*self.sums) {
                *i = self.g_min * sum + self.span * *i;
            }
        }
    }
}
