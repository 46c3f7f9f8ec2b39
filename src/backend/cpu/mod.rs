//! The CPU backend: plain loops that the compiler turns into vector instructions.

mod read;

use std::sync::Arc;

use self::read::ReadScratch;
use super::{Backend, ReadNoise, Request, Shape, StackVector};
use crate::device::{Cells, Counting, relaxed, round_request};
use crate::error::Result;
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
    read_scratch: ReadScratch,
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
            read_scratch: ReadScratch::default(),
        }
    }

    fn normals(&mut self, step: u32, block: usize, purpose: Purpose, index: u32) {
        self.stream.fill_normals(
            step,
            block as u32,
            self.first_replica,
            purpose,
            index,
            needed(&mut self.scratch.normals, self.shape.cells(), block),
        );
    }

    /// Draws the signed pulse counts of one block of cells into the scratch; returns how many pulses they are.
    fn count<'a>(
        &mut self,
        step: u32,
        block: usize,
        request: &Request<'a>,
        counting: Counting,
    ) -> u64 {
        if counting == Counting::StochasticRounding && !matches!(request, Request::Trains { .. }) {
            self.stream.fill_uniforms(
                step,
                block as u32,
                self.first_replica,
                Purpose::CountRounding,
                0,
                needed(&mut self.scratch.uniforms, self.shape.cells(), block),
            );
        }
        let columns_of_array = self.shape.columns;
        let replicas = self.shape.replicas;
        let mut fired = 0;
        for (k, cell) in (block * BLOCK..self.shape.cells().min((block + 1) * BLOCK)).enumerate() {
            let (row, column) = (cell / columns_of_array, cell % columns_of_array);
            let replica = |v: &'a [u32], i: usize| &v[i * replicas..(i + 1) * replicas];
            fired += pulp::Arch::new().dispatch(Count {
                counts: &mut self.scratch.counts[k],
                uniforms: &self.scratch.uniforms[k],
                counting,
                from: match request {
                    Request::Outer { rows, columns } => {
                        From::Outer(rows.lanes(row), columns.lanes(column))
                    }
                    Request::Dense(requests) => From::Dense(requests.lanes(cell)),
                    Request::Trains {
                        rows,
                        columns,
                        row_bits,
                        column_bits,
                    } => From::Trains {
                        signs: (rows.lanes(row), columns.lanes(column)),
                        bits: (replica(row_bits, row), replica(column_bits, column)),
                    },
                },
            });
        }
        fired
    }

    /// Applies the counts in the scratch to one block of cells.
    fn apply(&mut self, step: u32, block: usize, fired: u64) {
        let range = block * BLOCK..self.shape.cells().min((block + 1) * BLOCK);
        let replicas = self.shape.replicas;
        if fired == 0 {
            return;
        }
        self.pulses += fired;
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
            let most = self.scratch.counts[..range.len()]
                .iter()
                .flatten()
                .fold(0.0_f32, |m, n| m.max(n.abs()));
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
        self.write_noise(step, block, range);
    }

    fn pulse_all(&mut self, step: u32, request: &Request, counting: Counting) {
        let replicas = self.shape.replicas;
        for block in 0..self.shape.cells().div_ceil(BLOCK) {
            let fired = self.count(step, block, request, counting);
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
                self.forget_write_noise();
            } else {
                self.apply(step, block, fired);
            }
        }
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

/// The buffers of a block; none for its second pair of cells where the array ends before it.
fn needed(buffers: &mut [Vec<f32>; BLOCK], cells: usize, block: usize) -> [&mut [f32]; BLOCK] {
    let [a, b, c, d] = buffers;
    if cells - block * BLOCK <= 2 {
        [a, b, &mut [], &mut []]
    } else {
        [a, b, c, d]
    }
}

/// Where the requests of one cell's replicas come from.
enum From<'a> {
    Outer(&'a [f32], &'a [f32]),
    Dense(&'a [f32]),
    Trains {
        signs: (&'a [f32], &'a [f32]),
        bits: (&'a [u32], &'a [u32]),
    },
}

/// The loop that turns requests into signed counts. The loops of this file are tasks of their own because the compiler
/// vectorises them for the processor at hand only when `pulp` can inline them whole.
struct Count<'a> {
    counts: &'a mut [f32],
    uniforms: &'a [f32],
    counting: Counting,
    from: From<'a>,
}

impl pulp::WithSimd for Count<'_> {
    type Output = u64;

    /// The number of pulses (meaningless for [`Counting::Expected`], which has none).
    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _simd: S) -> u64 {
        let counts = self.counts;
        match self.from {
            From::Outer(rows, columns) => {
                for ((n, x), d) in counts.iter_mut().zip(rows).zip(columns) {
                    *n = x * d;
                }
            }
            From::Dense(requests) => counts.copy_from_slice(requests),
            From::Trains { signs, bits } => {
                let signs = signs.0.iter().zip(signs.1);
                let bits = bits.0.iter().zip(bits.1);
                for ((n, (a, b)), (x, d)) in counts.iter_mut().zip(bits).zip(signs) {
                    *n = (ones(a & b) as f32).copysign(x * d);
                }
                return total(counts);
            }
        }
        match self.counting {
            Counting::StochasticRounding => {
                for (n, &u) in counts.iter_mut().zip(self.uniforms) {
                    *n = round_request(*n, u);
                }
            }
            Counting::Deterministic => {
                for n in counts.iter_mut() {
                    *n = round_request(*n, 0.5);
                }
            }
            Counting::Expected | Counting::Coincidence { .. } => {}
        }
        total(counts)
    }
}

/// Number of pulses in signed counts.
#[inline(always)]
fn total(counts: &[f32]) -> u64 {
    // Adding 2²³ brings a whole number below 2²³ to the low bits; integer sums vectorise, float sums may not.
    let whole = |n: &f32| (n.abs() + 8_388_608.0).to_bits() & 0x007f_ffff;
    u64::from(counts.iter().map(whole).sum::<u32>())
}

/// Number of ones, in steps that vectorise everywhere (a population count instruction for vectors is rare).
#[inline(always)]
fn ones(x: u32) -> i32 {
    let x = x - ((x >> 1) & 0x5555_5555);
    let x = (x & 0x3333_3333) + ((x >> 2) & 0x3333_3333);
    ((((x + (x >> 4)) & 0x0f0f_0f0f).wrapping_mul(0x0101_0101)) >> 24) as i32
}

impl Backend for Cpu {
    fn shape(&self) -> Shape {
        self.shape
    }

    fn write(&mut self, positions: &[f64]) -> Result<()> {
        let lanes = self.states.chunks_exact_mut(self.shape.replicas);
        for (lanes, &p) in lanes.zip(positions) {
            lanes.fill(p as f32);
        }
        self.forget_write_noise();
        Ok(())
    }

    fn conductances(&mut self, out: &mut StackVector) -> Result<()> {
        let window = self.cells.window();
        let (g_min, span) = (window.g_min as f32, window.span() as f32);
        for (g, s) in out.all_mut().iter_mut().zip(self.seen()) {
            *g = g_min + span * s;
        }
        Ok(())
    }

    fn multiply(
        &mut self,
        voltages: &StackVector,
        noise: ReadNoise,
        currents: &mut StackVector,
    ) -> Result<()> {
        self.read(false, voltages, noise, currents);
        Ok(())
    }

    fn multiply_transposed(
        &mut self,
        voltages: &StackVector,
        noise: ReadNoise,
        currents: &mut StackVector,
    ) -> Result<()> {
        self.read(true, voltages, noise, currents);
        Ok(())
    }

    fn pulse(&mut self, step: u32, request: &Request, counting: Counting) -> Result<()> {
        self.pulse_all(step, request, counting);
        Ok(())
    }

    fn relax(&mut self, elapsed: f64) -> Result<()> {
        if let Some(retention) = self.cells.retention() {
            let (rest, lost) = (retention.rest as f32, retention.lost(elapsed) as f32);
            for s in &mut self.states {
                *s = relaxed(*s, rest, lost);
            }
            // What is written on a cell decays with it.
            for a in self.apparent.iter_mut().flatten() {
                *a = relaxed(*a, rest, lost);
            }
        }
        Ok(())
    }

    fn inspect(&mut self, states: &mut StackVector) -> Result<()> {
        states.all_mut().copy_from_slice(&self.states);
        Ok(())
    }

    fn pulses(&mut self) -> Result<u64> {
        Ok(self.pulses)
    }
}

impl Cpu {
    /// The states as a read sees them.
    fn seen(&self) -> &[f32] {
        self.apparent.as_ref().unwrap_or(&self.states)
    }

    fn forget_write_noise(&mut self) {
        if let Some(apparent) = &mut self.apparent {
            apparent.copy_from_slice(&self.states);
        }
    }
}
