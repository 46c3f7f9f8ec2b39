//! Reads: weighted sums of conductances, with noise on every output.
//!
//! Noise of the cells themselves is that of a normal number of the variance `Σ V² σ²`: a second product, of variances.

use std::ops::Range;

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};

use super::cell_noise::Noisy;
use super::{BLOCK, Cpu};
use crate::backend::{ReadNoise, StackVector, WIDE};
use crate::number::Purpose;

/// Inputs whose products are added up one after the other; sums of more are sums of such sums. That of the matrix product, and of
/// whatever else stands in for it: the way a read is computed changes no bit.
const DEPTH: usize = 512;

/// Lanes whose noise is drawn before it is added: rows of outputs are then touched once for all of them.
const DRAWN: usize = 16;

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
    /// Noise of all outputs of some lanes, lane by lane.
    noise: Vec<f32>,
    /// Sums of further inputs than the first [`DEPTH`].
    partial: Vec<f32>,
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
            if replicas < WIDE {
                self.add_noise_across(noise, deviations, &mut scratch.noise, currents);
            } else {
                for sample in 0..samples {
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
        if replicas == 1 && samples == 1 && transposed {
            self.read_against(states, voltages, scratch, currents);
        } else if replicas < WIDE && samples > 1 {
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
                    partial: &mut scratch.partial,
                    currents,
                });
            }
        }
    }

    /// One sample of one replica against the flow: as the first of two samples, because rows that lie contiguous would be summed in another
    /// order.
    fn read_against(
        &self,
        states: &[f32],
        voltages: &StackVector,
        scratch: &mut ReadScratch,
        currents: &mut StackVector,
    ) {
        let shape = self.fixed.shape;
        if shape.rows == 1 {
            let (x, partial) = (voltages.all(), &mut scratch.partial);
            let out = currents.all_mut();
            return self.fixed.arch.dispatch(OneOutput {
                states,
                x,
                partial,
                out,
            });
        }
        scratch.inputs.clear();
        let twice = voltages.all().iter().flat_map(|v| [*v, 0.0]);
        scratch.inputs.extend(twice);
        scratch.outputs.resize(2 * shape.rows, 0.0);
        let states = MatRef::from_row_major_slice(states, shape.rows, shape.columns);
        let x = MatRef::from_row_major_slice(&scratch.inputs, shape.columns, 2);
        product(states, x, &mut scratch.outputs, &mut scratch.partial);
        let first = scratch.outputs.iter().step_by(2);
        let currents = currents.all_mut().iter_mut();
        currents.zip(first).for_each(|(i, y)| *i = *y);
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
        let matrix =
            MatRef::from_row_major_slice(states, self.fixed.shape.rows, self.fixed.shape.columns);
        let matrix = if transposed {
            matrix
        } else {
            matrix.transpose()
        };
        let out = if replicas == 1 {
            currents.all_mut()
        } else {
            scratch.outputs.resize(outputs * samples, 0.0);
            &mut scratch.outputs[..]
        };
        if outputs == 1 {
            // Products of one row are summed in another order by the library.
            let partial = &mut scratch.partial;
            self.fixed.arch.dispatch(OneOutput {
                states,
                x,
                partial,
                out,
            });
        } else {
            let x = MatRef::from_row_major_slice(x, inputs, samples);
            product(matrix, x, out, &mut scratch.partial);
        }
        if replicas > 1 {
            let lanes = currents.all_mut()[replica..].iter_mut().step_by(replicas);
            lanes.zip(&scratch.outputs).for_each(|(i, y)| *i = *y);
        }
    }

    /// Noise of few replicas: drawn across the outputs of each, for some lanes at once. Outputs have deviations of their own where there are
    /// any.
    fn add_noise_across(
        &self,
        noise: ReadNoise,
        deviations: Option<&StackVector>,
        normals: &mut Vec<f32>,
        currents: &mut StackVector,
    ) {
        let (fixed, replicas) = (&self.fixed, self.fixed.shape.replicas);
        let (outputs, width) = (currents.len(), currents.width());
        normals.resize(DRAWN.min(width) * outputs, 0.0);
        for first in (0..width).step_by(DRAWN) {
            let lanes = first..width.min(first + DRAWN);
            for (lane, own) in lanes.clone().zip(normals.chunks_exact_mut(outputs)) {
                let step = noise.step.wrapping_add((lane / replicas) as u32);
                let at = fixed.draw(step, lane % replicas, Purpose::ReadNoise, noise.index);
                fixed.stream.fill_cell_normals(fixed.arch, at, 0, own);
            }
            if let (1, None) = (width, deviations) {
                let all = currents.all_mut().iter_mut().zip(&*normals);
                all.for_each(|(i, z)| *i += noise.deviation * z);
                return;
            }
            for o in 0..outputs {
                let drawn = normals[o..].iter().step_by(outputs);
                let own = currents.lanes_mut(o)[lanes.clone()].iter_mut().zip(drawn);
                match deviations {
                    None => own.for_each(|(i, z)| *i += noise.deviation * z),
                    Some(deviations) => {
                        let d = &deviations.lanes(o)[lanes.clone()];
                        own.zip(d).for_each(|((i, z), d)| *i += d * z);
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
fn product(states: MatRef<f32>, x: MatRef<f32>, out: &mut [f32], partial: &mut Vec<f32>) {
    partial.resize(if states.ncols() > DEPTH { out.len() } else { 0 }, 0.0);
    share(states, x, out, partial);
}

/// [`product`] with a buffer as large as the outputs, where there is more than one block of inputs.
fn share(states: MatRef<f32>, x: MatRef<f32>, out: &mut [f32], partial: &mut [f32]) {
    let (outputs, inputs, samples) = (states.nrows(), states.ncols(), x.ncols());
    if outputs < 4 || outputs * inputs * samples < SHARED {
        for first in (0..inputs).step_by(DEPTH) {
            let depth = DEPTH.min(inputs - first);
            let (states, x) = (states.subcols(first, depth), x.subrows(first, depth));
            let block = |out: &mut [f32]| {
                let out = MatMut::from_row_major_slice_mut(out, outputs, samples);
                matmul(out, Accum::Replace, states, x, 1.0, Par::Seq);
            };
            if first == 0 {
                block(out);
                continue;
            }
            // Not added by the library: what it does to a block of a single input rounds once less.
            block(partial);
            out.iter_mut().zip(&*partial).for_each(|(i, p)| *i += p);
        }
        return;
    }
    let half = outputs / 2;
    let (upper, lower) = states.split_at_row(half);
    let (upper_out, lower_out) = out.split_at_mut(half * samples);
    let own = partial.len().min(half * samples);
    let (upper_partial, lower_partial) = partial.split_at_mut(own);
    let mut first = || share(upper, x, upper_out, upper_partial);
    let mut second = || share(lower, x, lower_out, lower_partial);
    if rayon::current_num_threads() > 1 {
        rayon::join(first, second);
    } else {
        // Handing work to the one thread of a pool costs a fifth of a read: it runs on another core, whose caches are cold.
        first();
        second();
    }
}

/// `Σ V s` of many samples, sample by sample, for the one output of an array.
struct OneOutput<'a> {
    states: &'a [f32],
    x: &'a [f32],
    partial: &'a mut Vec<f32>,
    out: &'a mut [f32],
}

impl pulp::WithSimd for OneOutput<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _simd: S) {
        let samples = self.out.len();
        self.partial.resize(samples, 0.0);
        self.out.fill(0.0);
        let x = self.x.chunks(DEPTH * samples);
        for (states, x) in self.states.chunks(DEPTH).zip(x) {
            self.partial.fill(0.0);
            weigh(states, x, samples, self.partial);
            let partial = self.partial.iter();
            self.out.iter_mut().zip(partial).for_each(|(i, p)| *i += p);
        }
    }
}

/// `Σ V s` of one sample.
struct Read<'a> {
    states: &'a [f32],
    columns: usize,
    replicas: usize,
    transposed: bool,
    first_lane: usize,
    voltages: &'a StackVector,
    partial: &'a mut Vec<f32>,
    currents: &'a mut StackVector,
}

impl pulp::WithSimd for Read<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _simd: S) {
        let (replicas, first_lane) = (self.replicas, self.first_lane);
        let lanes = first_lane..first_lane + replicas;
        for first in (0..self.voltages.len()).step_by(DEPTH) {
            let inputs = first..self.voltages.len().min(first + DEPTH);
            if first == 0 {
                let width = self.currents.width();
                let sums = &mut self.currents.all_mut()[first_lane..];
                add(
                    self.states,
                    (self.columns, replicas, self.transposed),
                    (self.voltages, inputs, lanes.clone()),
                    (sums, width),
                );
                continue;
            }
            self.partial.resize(self.currents.len() * replicas, 0.0);
            add(
                self.states,
                (self.columns, replicas, self.transposed),
                (self.voltages, inputs, lanes.clone()),
                (self.partial, replicas),
            );
            for (o, partial) in self.partial.chunks_exact(replicas).enumerate() {
                let sums = self.currents.lanes_mut(o)[lanes.clone()].iter_mut();
                sums.zip(partial).for_each(|(i, p)| *i += p);
            }
        }
    }
}

/// Sets `sums`, `width` numbers an output of which the first are the lanes', to `Σ V s` of these inputs.
#[inline(always)]
fn add(
    states: &[f32],
    (columns, replicas, transposed): (usize, usize, bool),
    (voltages, inputs, lanes): (&StackVector, Range<usize>, Range<usize>),
    (sums, width): (&mut [f32], usize),
) {
    if replicas == 1 && width == 1 && !transposed {
        sums.fill(0.0);
        let rows = &states[inputs.start * columns..inputs.end * columns];
        return weigh(&voltages.all()[inputs], rows, columns, sums);
    }
    for sums in sums.chunks_mut(width) {
        sums[..replicas].fill(0.0);
    }
    let (rows, cells) = match transposed {
        true => (0..states.len() / (columns * replicas), inputs),
        false => (inputs, 0..columns),
    };
    for r in rows {
        for c in cells.clone() {
            let states = &states[(r * columns + c) * replicas..][..replicas];
            let (input, output) = if transposed { (c, r) } else { (r, c) };
            let terms = voltages.lanes(input)[lanes.clone()].iter().zip(states);
            let sums = sums[output * width..][..replicas].iter_mut();
            for (i, (v, s)) in sums.zip(terms) {
                *i = v.mul_add(*s, *i);
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
        if let [sum] = self.sums {
            for v in self.voltages.all() {
                *sum += v;
            }
            let offset = self.g_min * *sum;
            for i in self.currents.all_mut() {
                *i = offset + self.span * *i;
            }
            return;
        }
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
