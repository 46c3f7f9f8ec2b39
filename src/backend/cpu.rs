//! The CPU backend: plain loops over replicas that the compiler turns into vector instructions.

use std::sync::Arc;

use super::{Backend, Request, Shape, StackVector};
use crate::device::{Cells, Counting, round_request};
use crate::number::{Purpose, Stream};

/// Cells that share one block of random words.
const BLOCK: usize = 4;

/// A stack of crossbars in main memory, cell-major: the replicas of one cell lie together.
pub struct Cpu {
    shape: Shape,
    first_replica: u32,
    stream: Stream,
    cells: Arc<Cells>,
    aggregate: bool,
    states: Vec<f32>,
    /// What a read sees where writing is noisy.
    apparent: Option<Vec<f32>>,
    pulses: u64,
    scratch: Scratch,
}

struct Scratch {
    counts: [Vec<f32>; BLOCK],
    uniforms: [Vec<f32>; BLOCK],
    normals: [Vec<f32>; BLOCK],
}

impl Cpu {
    /// A stack whose replicas are numbered from `first_replica` in the coordinates of random numbers.
    ///
    /// `aggregate`: the pulses that a cell gets in one step are drawn at once where the law allows it; otherwise one by one.
    pub fn new(
        shape: Shape,
        first_replica: u32,
        stream: Stream,
        cells: Arc<Cells>,
        aggregate: bool,
    ) -> Self {
        let lanes = || std::array::from_fn(|_| vec![0.0; shape.replicas]);
        let apparent =
            (cells.write_noise() > 0.0).then(|| vec![0.0; shape.cells() * shape.replicas]);
        Self {
            shape,
            first_replica,
            stream,
            aggregate: aggregate && cells.law().has_train(),
            cells,
            states: vec![0.0; shape.cells() * shape.replicas],
            apparent,
            pulses: 0,
            scratch: Scratch {
                counts: lanes(),
                uniforms: lanes(),
                normals: lanes(),
            },
        }
    }

    fn normals(&mut self, step: u32, block: usize, purpose: Purpose, index: u32) {
        self.stream.fill_normals(
            step,
            block as u32,
            self.first_replica,
            purpose,
            index,
            self.scratch.normals.each_mut().map(Vec::as_mut_slice),
        );
    }

    /// Draws the signed pulse counts of one block of cells into the scratch.
    fn count(&mut self, step: u32, block: usize, request: &Request, counting: Counting) {
        if counting == Counting::StochasticRounding && !matches!(request, Request::Trains { .. }) {
            self.stream.fill_uniforms(
                step,
                block as u32,
                self.first_replica,
                Purpose::CountRounding,
                0,
                self.scratch.uniforms.each_mut().map(Vec::as_mut_slice),
            );
        }
        let columns_of_array = self.shape.columns;
        let replicas = self.shape.replicas;
        for (k, cell) in
            (block * BLOCK..self.shape.cells().min((block + 1) * BLOCK)).enumerate()
        {
            let (row, column) = (cell / columns_of_array, cell % columns_of_array);
            let counts = &mut self.scratch.counts[k][..];
            let uniforms = &self.scratch.uniforms[k][..];
            pulp::Arch::new().dispatch(
                #[inline(always)]
                || match request {
                    Request::Outer { rows, columns } => {
                        for ((n, x), d) in counts
                            .iter_mut()
                            .zip(rows.lanes(row))
                            .zip(columns.lanes(column))
                        {
                            *n = x * d;
                        }
                        whole(counts, uniforms, counting);
                    }
                    Request::Dense(requests) => {
                        counts.copy_from_slice(requests.lanes(cell));
                        whole(counts, uniforms, counting);
                    }
                    Request::Trains {
                        rows,
                        columns,
                        row_bits,
                        column_bits,
                    } => {
                        let a = &row_bits[row * replicas..(row + 1) * replicas];
                        let b = &column_bits[column * replicas..(column + 1) * replicas];
                        let signs = rows.lanes(row).iter().zip(columns.lanes(column));
                        for (((n, a), b), (x, d)) in counts.iter_mut().zip(a).zip(b).zip(signs) {
                            *n = ((a & b).count_ones() as f32).copysign(x * d);
                        }
                    }
                },
            );
        }
    }

    /// Applies the counts in the scratch to one block of cells.
    fn apply(&mut self, step: u32, block: usize) {
        let range = block * BLOCK..self.shape.cells().min((block + 1) * BLOCK);
        let replicas = self.shape.replicas;
        let most = self.scratch.counts[..range.len()]
            .iter()
            .flatten()
            .fold(0.0_f32, |m, n| m.max(n.abs()));
        if most == 0.0 {
            return;
        }
        if self.aggregate {
            self.normals(step, block, Purpose::CycleNoise, 0);
            for (k, cell) in range.clone().enumerate() {
                self.cells.law().pulse_many(
                    &self.cells.single(cell),
                    &mut self.states[cell * replicas..(cell + 1) * replicas],
                    &self.scratch.counts[k],
                    &self.scratch.normals[k],
                );
            }
        } else {
            for pulse in 0..most as u32 {
                self.normals(step, block, Purpose::CycleNoise, pulse);
                for (k, cell) in range.clone().enumerate() {
                    self.cells.law().pulse_one(
                        &self.cells.single(cell),
                        &mut self.states[cell * replicas..(cell + 1) * replicas],
                        &self.scratch.counts[k],
                        pulse as f32,
                        &self.scratch.normals[k],
                    );
                }
            }
        }
        let counts = &self.scratch.counts[..range.len()];
        self.pulses += counts
            .iter()
            .map(|lanes| lanes.iter().map(|n| n.abs()).sum::<f32>() as u64)
            .sum::<u64>();
        self.write_noise(step, block, range);
    }

    /// Redraws the write noise of the cells that were pulsed.
    fn write_noise(&mut self, step: u32, block: usize, range: std::ops::Range<usize>) {
        if self.apparent.is_none() {
            return;
        }
        self.normals(step, block, Purpose::WriteNoise, 0);
        let scale = (self.cells.write_noise() * self.cells.nominal_step()) as f32;
        let replicas = self.shape.replicas;
        let Some(apparent) = &mut self.apparent else {
            return;
        };
        for (k, cell) in range.enumerate() {
            let lanes = cell * replicas..(cell + 1) * replicas;
            let states = self.states[lanes.clone()].iter();
            let seen = apparent[lanes].iter_mut();
            let draws = self.scratch.counts[k].iter().zip(&self.scratch.normals[k]);
            for ((a, s), (&n, z)) in seen.zip(states).zip(draws) {
                *a = if n == 0.0 { *a } else { s + scale * z };
            }
        }
    }
}

/// Rounds requests to whole pulses in place.
#[inline(always)]
fn whole(requests: &mut [f32], uniforms: &[f32], counting: Counting) {
    match counting {
        Counting::StochasticRounding => {
            for (n, &u) in requests.iter_mut().zip(uniforms) {
                *n = round_request(*n, u);
            }
        }
        Counting::Deterministic => {
            for n in requests {
                *n = round_request(*n, 0.5);
            }
        }
        Counting::Expected | Counting::Coincidence { .. } => {}
    }
}

impl Backend for Cpu {
    fn shape(&self) -> Shape {
        self.shape
    }

    fn write(&mut self, positions: &[f64]) {
        for (lanes, &p) in self
            .states
            .chunks_exact_mut(self.shape.replicas)
            .zip(positions)
        {
            lanes.fill(p as f32);
        }
        if let Some(apparent) = &mut self.apparent {
            apparent.copy_from_slice(&self.states);
        }
    }

    fn multiply(&mut self, voltages: &StackVector, currents: &mut StackVector) {
        let Shape {
            replicas,
            rows,
            columns,
        } = self.shape;
        let window = self.cells.window();
        let (g_min, span) = (window.g_min as f32, window.span() as f32);
        let states = self.apparent.as_ref().unwrap_or(&self.states);
        pulp::Arch::new().dispatch(
            #[inline(always)]
            || {
                for column in 0..columns {
                    let out = currents.lanes_mut(column);
                    out.fill(0.0);
                    for row in 0..rows {
                        let cell = row * columns + column;
                        let lanes = &states[cell * replicas..(cell + 1) * replicas];
                        let inputs = voltages.lanes(row);
                        for ((i, v), s) in out.iter_mut().zip(inputs).zip(lanes) {
                            *i += v * (g_min + span * s);
                        }
                    }
                }
            },
        );
    }

    fn pulse(&mut self, step: u32, request: &Request, counting: Counting) {
        let replicas = self.shape.replicas;
        for block in 0..self.shape.cells().div_ceil(BLOCK) {
            self.count(step, block, request, counting);
            if counting == Counting::Expected && !matches!(request, Request::Trains { .. }) {
                let range = block * BLOCK..self.shape.cells().min((block + 1) * BLOCK);
                for (k, cell) in range.enumerate() {
                    self.cells.law().pulse_expected(
                        &self.cells.single(cell),
                        &mut self.states[cell * replicas..(cell + 1) * replicas],
                        &self.scratch.counts[k],
                    );
                }
                // Without pulses there is no write noise either.
                if let Some(apparent) = &mut self.apparent {
                    apparent.copy_from_slice(&self.states);
                }
            } else {
                self.apply(step, block);
            }
        }
    }

    fn inspect(&self, cell: usize) -> &[f32] {
        &self.states[cell * self.shape.replicas..(cell + 1) * self.shape.replicas]
    }

    fn pulses(&self) -> u64 {
        self.pulses
    }
}
