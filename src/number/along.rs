//! Random numbers of many cells of one replica.
//!
//! The same numbers as [`Stream::normal`] and [`Stream::uniform`] give cell by cell, made a batch of blocks at a time.

use pulp::{Arch, Simd, WithSimd};

use super::philox::{LANES, philox4x32_10_blocks};
use super::random::{Purpose, Stream, normal_pair, uniform};

/// Blocks of four cells that are drawn at a time.
const BATCH: usize = 128;

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
        self.consecutive(arch, at, first_block, Map::Normal, out);
    }

    /// Uniform numbers of the cells from `4 · first_block` on.
    ///
    /// # Panics
    /// If the index has more than 24 bits.
    pub fn fill_cell_uniforms(&self, arch: Arch, at: Draw, first_block: u32, out: &mut [f32]) {
        self.consecutive(arch, at, first_block, Map::Uniform, out);
    }

    fn consecutive(&self, arch: Arch, at: Draw, first_block: u32, map: Map, out: &mut [f32]) {
        arch.dispatch(Consecutive {
            stream: *self,
            at,
            first_block,
            map,
            out,
        });
    }

    /// The normal number of each of these cells, in any order.
    ///
    /// # Panics
    /// If the index has more than 24 bits.
    pub fn fill_scattered_normals(&self, arch: Arch, at: Draw, cells: &[u32], out: &mut [f32]) {
        arch.dispatch(Scattered {
            stream: *self,
            at,
            cells,
            out,
        });
    }

    /// Words of [`LANES`] blocks.
    #[inline(always)]
    fn blocks(&self, at: Draw, blocks: &[u32; LANES]) -> [[u32; LANES]; 4] {
        let label = at.purpose.label(at.index);
        philox4x32_10_blocks(at.step, blocks, at.replica, label, self.key())
    }
}

/// What words become.
#[derive(Clone, Copy)]
enum Map {
    Normal,
    Uniform,
}

struct Consecutive<'a> {
    stream: Stream,
    at: Draw,
    first_block: u32,
    map: Map,
    out: &'a mut [f32],
}

impl WithSimd for Consecutive<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        let mut words = [[0; BATCH]; 4];
        let mut values = [[0.0; BATCH]; 4];
        let mut first = self.first_block;
        for out in self.out.chunks_mut(4 * BATCH) {
            let batches = out.len().div_ceil(4 * LANES);
            for batch in 0..batches {
                let start = first.wrapping_add((batch * LANES) as u32);
                let mut blocks = [0; LANES];
                for (i, block) in (0..).zip(&mut blocks) {
                    *block = start.wrapping_add(i);
                }
                let found = self.stream.blocks(self.at, &blocks);
                for (all, found) in words.iter_mut().zip(&found) {
                    all[batch * LANES..(batch + 1) * LANES].copy_from_slice(found);
                }
            }
            let used = batches * LANES;
            match self.map {
                Map::Normal => {
                    for pair in [0, 2] {
                        for i in 0..used.min(BATCH) {
                            let (even, odd) = normal_pair(words[pair][i], words[pair + 1][i]);
                            values[pair][i] = even;
                            values[pair + 1][i] = odd;
                        }
                    }
                }
                Map::Uniform => {
                    for (values, words) in values.iter_mut().zip(&words) {
                        for (v, &w) in values.iter_mut().zip(words) {
                            *v = uniform(w);
                        }
                    }
                }
            }
            let (whole, rest) = out.as_chunks_mut::<4>();
            let blocks = whole.len();
            let [a, b, c, d] = &values;
            let lanes = a.iter().zip(b).zip(c.iter().zip(d));
            for (four, ((a, b), (c, d))) in whole.iter_mut().zip(lanes) {
                *four = [*a, *b, *c, *d];
            }
            for (k, v) in rest.iter_mut().enumerate() {
                *v = values[k][blocks];
            }
            first = first.wrapping_add(BATCH as u32);
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

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        let (cells, last_cells) = self.cells.as_chunks::<LANES>();
        let (out, last_out) = self.out.as_chunks_mut::<LANES>();
        for (out, cells) in out.iter_mut().zip(cells) {
            *out = scattered(&self.stream, self.at, cells);
        }
        if !last_cells.is_empty() {
            let mut cells = [0; LANES];
            cells[..last_cells.len()].copy_from_slice(last_cells);
            let values = scattered(&self.stream, self.at, &cells);
            last_out.copy_from_slice(&values[..last_cells.len()]);
        }
    }
}

/// Normal numbers of any cells. Each takes its own block: neighbours that share one cost less than finding them.
#[inline(always)]
fn scattered(stream: &Stream, at: Draw, cells: &[u32; LANES]) -> [f32; LANES] {
    let mut blocks = [0; LANES];
    for (block, cell) in blocks.iter_mut().zip(cells) {
        *block = cell / 4;
    }
    let words = stream.blocks(at, &blocks);
    let mut out = [0.0; LANES];
    for i in 0..LANES {
        // A choice by masks: an `if` becomes an address for each lane, and scalar loads.
        let second = (cells[i] >> 1 & 1).wrapping_neg();
        let radius = words[0][i] ^ ((words[0][i] ^ words[2][i]) & second);
        let angle = words[1][i] ^ ((words[1][i] ^ words[3][i]) & second);
        let (even, odd) = normal_pair(radius, angle);
        out[i] = if cells[i] & 1 == 0 { even } else { odd };
    }
    out
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
