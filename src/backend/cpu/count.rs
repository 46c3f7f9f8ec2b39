//! From requests to signed counts.

use std::ops::Range;

use crate::device::{Counting, round_request};

/// Where the requests of some lanes come from: the replicas of one cell, or neighbouring cells of one replica.
pub(super) enum From<'a> {
    /// Products of two factors.
    Outer(&'a [f32], &'a [f32]),
    Dense(&'a [f32]),
    Trains {
        signs: (&'a [f32], &'a [f32]),
        bits: (&'a [u32], &'a [u32]),
    },
    /// Products of factors of rows and columns, for cells from this one on.
    Products(usize, Lane<'a, f32>, &'a [f32]),
    /// Trains of columns that meet those of rows, likewise.
    Meetings {
        first: usize,
        signs: (Lane<'a, f32>, &'a [f32]),
        bits: (Lane<'a, u32>, &'a [u32]),
    },
}

/// What belongs to one replica, of lists that hold all of them side by side.
#[derive(Clone, Copy)]
pub(super) struct Lane<'a, T> {
    pub(super) all: &'a [T],
    pub(super) replica: usize,
    pub(super) replicas: usize,
}

impl<T: Copy> Lane<'_, T> {
    #[inline(always)]
    fn at(&self, k: usize) -> T {
        self.all[k * self.replicas + self.replica]
    }

    /// Copies all of it.
    pub(super) fn take(&self, out: &mut [T]) {
        if self.replicas == 1 {
            return out.copy_from_slice(self.all);
        }
        let own = self.all[self.replica..].iter().step_by(self.replicas);
        out.iter_mut().zip(own).for_each(|(o, x)| *o = *x);
    }
}

/// How many pulses some lanes get.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Fired {
    /// All of them.
    pub(super) total: u64,
    /// The largest count.
    pub(super) most: u32,
}

impl Fired {
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            total: self.total + other.total,
            most: self.most.max(other.most),
        }
    }
}

/// The loop that turns requests into signed counts. The loops of this backend are tasks of their own because the compiler
/// vectorises them for the processor at hand only when `pulp` can inline them whole.
pub(super) struct Count<'a> {
    pub(super) counts: &'a mut [f32],
    pub(super) uniforms: &'a [f32],
    pub(super) counting: Counting,
    /// Whether negative counts are none.
    pub(super) one_sided: bool,
    pub(super) from: From<'a>,
}

impl pulp::WithSimd for Count<'_> {
    type Output = Fired;

    /// The pulses (meaningless for [`Counting::Expected`], which has none).
    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _simd: S) -> Fired {
        let (counts, one_sided) = (self.counts, self.one_sided);
        match self.from {
            From::Outer(rows, columns) => {
                for ((n, x), d) in counts.iter_mut().zip(rows).zip(columns) {
                    *n = x * d;
                }
            }
            From::Products(first, rows, columns) => {
                for (row, part, own) in by_rows(first, counts.len(), columns.len()) {
                    let x = rows.at(row);
                    for (n, d) in counts[own].iter_mut().zip(&columns[part]) {
                        *n = x * d;
                    }
                }
            }
            From::Dense(requests) => counts.copy_from_slice(requests),
            From::Trains { signs, bits } => {
                let signs = signs.0.iter().zip(signs.1);
                let bits = bits.0.iter().zip(bits.1);
                for ((n, (a, b)), (x, d)) in counts.iter_mut().zip(bits).zip(signs) {
                    *n = signed(a & b, *x, *d);
                }
                return fired(counts, one_sided);
            }
            From::Meetings { first, signs, bits } => {
                for (row, part, own) in by_rows(first, counts.len(), bits.1.len()) {
                    let (train, sign) = (bits.0.at(row), signs.0.at(row));
                    let across = bits.1[part.clone()].iter().zip(&signs.1[part]);
                    for (n, (b, d)) in counts[own].iter_mut().zip(across) {
                        *n = signed(train & b, sign, *d);
                    }
                }
                return fired(counts, one_sided);
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
            Counting::Expected | Counting::Coincidence { .. } | Counting::MeanCount { .. } => {}
        }
        fired(counts, one_sided)
    }
}

/// Each row that these cells are in, which of its columns, and which of the cells they are.
#[inline(always)]
fn by_rows(
    first: usize,
    cells: usize,
    columns: usize,
) -> impl Iterator<Item = (usize, Range<usize>, Range<usize>)> {
    let last = first + cells;
    (first / columns..last.div_ceil(columns)).map(move |row| {
        let start = row * columns;
        let (from, to) = (first.max(start), last.min(start + columns));
        (row, from - start..to - start, from - first..to - first)
    })
}

/// The number of coincidences with the sign of a product.
#[inline(always)]
fn signed(coincidences: u32, x: f32, d: f32) -> f32 {
    let sign = (x.to_bits() ^ d.to_bits()) & 0x8000_0000;
    f32::from_bits((ones(coincidences) as f32).to_bits() | sign)
}

/// Number of pulses in signed counts, and the largest. Of one-sided cells, negative counts become none first.
#[inline(always)]
fn fired(counts: &mut [f32], one_sided: bool) -> Fired {
    if one_sided {
        for n in counts.iter_mut() {
            *n = n.max(0.0);
        }
    }
    let (mut total, mut most) = (0, 0);
    // So few that sums of whole numbers below 2²³ have room.
    for counts in counts.chunks(256) {
        let mut sum = 0;
        for n in counts {
            // Adding 2²³ brings a whole number below 2²³ to the low bits; integer sums vectorise, float sums may not.
            let whole = (n.abs() + 8_388_608.0).to_bits() & 0x007f_ffff;
            sum += whole;
            most = most.max(whole);
        }
        total += u64::from(sum);
    }
    Fired { total, most }
}

/// Number of ones, in steps that vectorise everywhere (a population count instruction for vectors is rare).
#[inline(always)]
pub(super) fn ones(x: u32) -> i32 {
    let x = x - ((x >> 1) & 0x5555_5555);
    let x = (x & 0x3333_3333) + ((x >> 2) & 0x3333_3333);
    ((((x + (x >> 4)) & 0x0f0f_0f0f).wrapping_mul(0x0101_0101)) >> 24) as i32
}

/// Places of the ones of a word, the lowest first.
pub(super) fn set_bits(word: u64) -> impl Iterator<Item = usize> {
    let rests = std::iter::successors(Some(word), |rest| Some(rest & rest.wrapping_sub(1)));
    rests
        .take_while(|rest| *rest != 0)
        .map(|rest| rest.trailing_zeros() as usize)
}

/// Writes what is left of counts after `done` pulses, at most `length`; returns how many have something left.
pub(super) struct Piece<'a> {
    pub(super) counts: &'a [f32],
    pub(super) done: f32,
    pub(super) length: f32,
    pub(super) out: &'a mut [f32],
}

impl pulp::WithSimd for Piece<'_> {
    type Output = usize;

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _simd: S) -> usize {
        let mut left = 0_u32;
        for (out, &n) in self.out.iter_mut().zip(self.counts) {
            *out = crate::device::piece(n, self.done, self.length);
            left += u32::from(n.abs() > self.done);
        }
        left as usize
    }
}
