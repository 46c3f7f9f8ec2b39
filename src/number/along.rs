//! Random numbers of one replica: of many cells, in order or in any order, and words of whole blocks.
//!
//! The same numbers as [`Stream::normal`], [`Stream::uniform`] and [`Stream::word`] give one by one, made in vector loops.

use std::marker::PhantomData;

use pulp::{Arch, Simd, WithSimd};

use super::philox::{RoundKeys, philox4x32_10};
use super::random::{
    BATCH, Map, Normals, Purpose, Stream, Uniforms, on_circle, put, squared_radius, take, uniform,
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

/// Lanes of loops whose length is known: none is left over, which would be computed alone and several times as slowly.
pub const LANES: usize = 16;

/// The words of whole blocks at one place, for vector loops of others.
#[derive(Debug, Clone, Copy)]
pub struct Blocks {
    at: Draw,
    keys: RoundKeys,
}

impl Blocks {
    /// At this place, its index aside.
    #[inline(always)]
    pub fn new(stream: &Stream, at: Draw) -> Self {
        let keys = RoundKeys::new(stream.key());
        Self { at, keys }
    }

    /// The words of cells `4·block … 4·block + 3` of each of these blocks, `index` further: one row for each place in a block.
    ///
    /// # Panics
    /// If the index has more than 24 bits.
    #[inline(always)]
    pub fn words(&self, index: u32, blocks: &[u32; LANES]) -> [[u32; LANES]; 4] {
        let Draw { step, replica, .. } = self.at;
        let label = self.at.purpose.label(self.at.index + index);
        let mut words = [[0; LANES]; 4];
        for (i, &block) in blocks.iter().enumerate() {
            let counter = [step, block, replica, label];
            put(&mut words, i, philox4x32_10(counter, &self.keys));
        }
        words
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
        let blocks = Blocks::new(&self.stream, self.at);
        let mut first = self.first_block;
        let (whole, rest) = self.out.as_chunks_mut();
        for out in whole {
            consecutive::<M>(&blocks, first, out);
            first = first.wrapping_add(LANES as u32);
        }
        if !rest.is_empty() {
            let mut more = [0.0; 4 * LANES];
            consecutive::<M>(&blocks, first, &mut more);
            rest.copy_from_slice(&more[..rest.len()]);
        }
    }
}

/// Numbers of consecutive blocks.
#[inline(always)]
fn consecutive<M: Map<Value = f32>>(blocks: &Blocks, first: u32, out: &mut [f32; 4 * LANES]) {
    let mut own = [0; LANES];
    for (k, block) in (0..).zip(&mut own) {
        *block = first.wrapping_add(k);
    }
    let words = blocks.words(0, &own);
    for i in 0..LANES {
        let values = M::map(take(&words, i));
        out[4 * i..4 * i + 4].copy_from_slice(&values);
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
        let blocks: [u32; LANES] = std::array::from_fn(|i| (i * i * 331 % 1_009) as u32);
        let first = Draw { index: 3, ..AT };
        let words = Blocks::new(&stream, first).words(2, &blocks);
        for (k, words) in (0..).zip(&words) {
            for (word, block) in words.iter().zip(blocks) {
                assert_eq!(*word, stream.word(at(4 * block + k)));
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
