//! Random numbers of one replica: of many cells, in order or in any order, and words of many indices.
//!
//! The same numbers as [`Stream::normal`], [`Stream::uniform`] and [`Stream::word`] give one by one, made in vector loops.

use std::marker::PhantomData;

use pulp::{Arch, Simd, WithSimd};

use super::philox::{RoundKeys, philox4x32_10};
use super::random::{
    BATCH, Batch, FEW, Map, Normals, Purpose, Stream, Uniforms, on_circle, put, squared_radius,
    take, uniform,
};

/// Where random numbers of one replica are drawn: everything but the cell.
#[derive(Debug, Clone, Copy)]
pub struct Draw {
    /// The step of a training or programming run.
    pub step: u32,
    /// The replica.
    pub replica: u32,
    /// What the numbers are for.
    pub purpose: Purpose,
    /// Pulse, piece …, as [`Purpose`] says. At most 24 bits.
    pub index: u32,
}

impl Stream {
    /// The words of cells `4·block … 4·block + 3` of each of these blocks, in any order: one slice for each place in a block.
    ///
    /// # Panics
    /// If the index has more than 24 bits.
    pub fn fill_block_words(&self, arch: Arch, at: Draw, blocks: &[u32], out: [&mut [u32]; 4]) {
        let stream = *self;
        arch.dispatch(Blocks {
            stream,
            at,
            blocks,
            out,
        });
    }

    /// Normal numbers of the cells from `4 · first_block` on.
    ///
    /// # Panics
    /// If the index has more than 24 bits.
    pub fn fill_cell_normals(&self, arch: Arch, at: Draw, first_block: u32, out: &mut [f32]) {
        self.consecutive::<Normals>(arch, at, first_block, out);
    }

    /// Uniform numbers of the cells from `4 · first_block` on.
    ///
    /// # Panics
    /// If the index has more than 24 bits.
    pub fn fill_cell_uniforms(&self, arch: Arch, at: Draw, first_block: u32, out: &mut [f32]) {
        self.consecutive::<Uniforms>(arch, at, first_block, out);
    }

    fn consecutive<M: Map<Value = f32>>(
        &self,
        arch: Arch,
        at: Draw,
        first_block: u32,
        out: &mut [f32],
    ) {
        let stream = *self;
        arch.dispatch(Consecutive::<M> {
            stream,
            at,
            first_block,
            out,
            map: PhantomData,
        });
    }

    /// The normal number of each of these cells, in any order.
    ///
    /// # Panics
    /// If the index has more than 24 bits.
    pub fn fill_scattered_normals(&self, arch: Arch, at: Draw, cells: &[u32], out: &mut [f32]) {
        let stream = *self;
        arch.dispatch(Scattered {
            stream,
            at,
            cells,
            out,
        });
    }
}

/// As many lanes in whole vectors: what is left over would be computed one by one, more slowly than all of one more vector.
#[inline(always)]
fn whole_vectors(lanes: usize) -> usize {
    lanes.next_multiple_of(16)
}

struct Blocks<'a> {
    stream: Stream,
    at: Draw,
    blocks: &'a [u32],
    out: [&'a mut [u32]; 4],
}

impl WithSimd for Blocks<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        let Draw { step, replica, .. } = self.at;
        let label = self.at.purpose.label(self.at.index);
        let keys = RoundKeys::new(self.stream.key());
        let mut own = [0; FEW];
        let mut words = [[0; FEW]; 4];
        let mut out = self.out;
        for (start, blocks) in (0..).step_by(FEW).zip(self.blocks.chunks(FEW)) {
            own[..blocks.len()].copy_from_slice(blocks);
            let lanes = whole_vectors(blocks.len()).min(FEW);
            for (i, &block) in own.iter().enumerate().take(lanes) {
                put(
                    &mut words,
                    i,
                    philox4x32_10([step, block, replica, label], &keys),
                );
            }
            for (out, words) in out.iter_mut().zip(&words) {
                out[start..start + blocks.len()].copy_from_slice(&words[..blocks.len()]);
            }
        }
    }
}

struct Consecutive<'a, M> {
    stream: Stream,
    at: Draw,
    first_block: u32,
    out: &'a mut [f32],
    map: PhantomData<M>,
}

impl<M: Map<Value = f32>> WithSimd for Consecutive<'_, M> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        if self.out.len() <= 4 * FEW {
            self.in_batches::<FEW>();
        } else {
            self.in_batches::<BATCH>();
        }
    }
}

impl<M: Map<Value = f32>> Consecutive<'_, M> {
    #[inline(always)]
    fn in_batches<const N: usize>(self) {
        let Draw { step, replica, .. } = self.at;
        let label = self.at.purpose.label(self.at.index);
        let keys = RoundKeys::new(self.stream.key());
        let mut words: Batch<u32, N> = [[0; N]; 4];
        let mut values: Batch<f32, N> = [[0.0; N]; 4];
        let mut first = self.first_block;
        for out in self.out.chunks_mut(4 * N) {
            let blocks = whole_vectors(out.len().div_ceil(4)).min(N);
            for i in 0..blocks {
                let counter = [step, first.wrapping_add(i as u32), replica, label];
                put(&mut words, i, philox4x32_10(counter, &keys));
            }
            for i in 0..blocks {
                put(&mut values, i, M::map(take(&words, i)));
            }
            let (whole, rest) = out.as_chunks_mut::<4>();
            let last = whole.len();
            for (i, four) in whole.iter_mut().enumerate().take(N) {
                *four = take(&values, i);
            }
            for (k, v) in rest.iter_mut().enumerate() {
                *v = values[k][last];
            }
            first = first.wrapping_add(N as u32);
        }
    }
}

struct Scattered<'a> {
    stream: Stream,
    at: Draw,
    cells: &'a [u32],
    out: &'a mut [f32],
}

impl WithSimd for Scattered<'_> {
    type Output = ();

    /// Each cell takes its own block: neighbours that share one cost less than finding them.
    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        let Draw { step, replica, .. } = self.at;
        let label = self.at.purpose.label(self.at.index);
        let keys = RoundKeys::new(self.stream.key());
        let mut pairs = [[0; BATCH]; 2];
        let mut squares = [0.0; BATCH];
        let batches = self.cells.chunks(BATCH);
        for (cells, out) in batches.zip(self.out.chunks_mut(BATCH)) {
            let n = cells.len().min(out.len()).min(BATCH);
            for i in 0..n {
                let words = philox4x32_10([step, cells[i] / 4, replica, label], &keys);
                // A choice by masks: an `if` becomes an address for each lane, and scalar loads.
                let second = (cells[i] >> 1 & 1).wrapping_neg();
                pairs[0][i] = words[0] ^ ((words[0] ^ words[2]) & second);
                pairs[1][i] = words[1] ^ ((words[1] ^ words[3]) & second);
            }
            // Two loops: the shorter a chain of results that wait for each other, the more of them a processor works on at once.
            for i in 0..n {
                squares[i] = squared_radius(uniform(pairs[0][i]));
            }
            for i in 0..n {
                let (even, odd) = on_circle(squares[i], uniform(pairs[1][i]));
                out[i] = if cells[i] & 1 == 0 { even } else { odd };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::random::Coordinates;
    use super::*;

    const AT: Draw = Draw {
        step: 7,
        replica: 3,
        purpose: Purpose::CycleNoise,
        index: 5,
    };

    fn at(cell: u32) -> Coordinates {
        Coordinates {
            step: AT.step,
            cell,
            replica: AT.replica,
            purpose: AT.purpose,
            index: AT.index,
        }
    }

    #[test]
    fn consecutive_cells_have_their_own_numbers() {
        let stream = Stream::new(0x0123_4567_89ab_cdef);
        for arch in [Arch::Scalar, Arch::new()] {
            for length in [0, 1, 3, 4, 63, 64, 65, 511, 512, 513, 1030] {
                for first in [0, 1, 12_345, (u32::MAX - 2048) / 4] {
                    let mut z = vec![0.0; length];
                    let mut u = vec![0.0; length];
                    stream.fill_cell_normals(arch, AT, first, &mut z);
                    stream.fill_cell_uniforms(arch, AT, first, &mut u);
                    for (cell, (z, u)) in (4 * first..).zip(z.iter().zip(&u)) {
                        assert_eq!(z.to_bits(), stream.normal(at(cell)).to_bits(), "{cell}");
                        assert_eq!(u.to_bits(), stream.uniform(at(cell)).to_bits(), "{cell}");
                    }
                }
            }
        }
    }

    #[test]
    fn blocks_have_their_own_words() {
        let stream = Stream::new(0x0123_4567_89ab_cdef);
        for arch in [Arch::Scalar, Arch::new()] {
            for length in [0, 1, 31, 32, 33, 70] {
                let blocks: Vec<u32> = (0..length).map(|i| (i * i * 3 / 7) % 1_009).collect();
                let mut words: [Vec<u32>; 4] = std::array::from_fn(|_| vec![0; blocks.len()]);
                let out = words.each_mut().map(Vec::as_mut_slice);
                stream.fill_block_words(arch, AT, &blocks, out);
                for (k, words) in (0..).zip(&words) {
                    for (word, block) in words.iter().zip(&blocks) {
                        assert_eq!(*word, stream.word(at(4 * block + k)));
                    }
                }
            }
        }
    }

    #[test]
    fn scattered_cells_have_their_own_numbers() {
        let stream = Stream::new(0x0123_4567_89ab_cdef);
        for arch in [Arch::Scalar, Arch::new()] {
            for length in [0, 1, 15, 16, 17, 255, 256, 257, 700] {
                // Neighbours, repetitions and jumps in both directions.
                let cells: Vec<u32> = (0..length).map(|i| (i * i * 3 / 7) % 1_009).collect();
                let mut z = vec![0.0; cells.len()];
                stream.fill_scattered_normals(arch, AT, &cells, &mut z);
                for (z, &cell) in z.iter().zip(&cells) {
                    assert_eq!(z.to_bits(), stream.normal(at(cell)).to_bits(), "{cell}");
                }
            }
        }
    }
}
