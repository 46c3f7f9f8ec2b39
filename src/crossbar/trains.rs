//! Stochastic bit trains: the periphery of the pulsed outer-product update.
//!
//! Every bit of a train is 1 with the train's probability p, independently: where a uniform number, given by its binary digits, is below p. Digits
//! are random words that all bits of a train share, the first one first; a bit is decided by the first digit in which its number and p differ,
//! so that a whole train takes about six words and seldom more than eight. p has 32 digits, cut there; 0 and 1 are exact.
//!
//! Reference: Gokmen & Vlasov, Front. Neurosci. 10, 333 (2016), <https://doi.org/10.3389/fnins.2016.00333>.

use pulp::{Arch, Simd, WithSimd};

use crate::backend::{StackVector, WIDE};
use crate::number::{Draw, Purpose, Stream};

/// Digits that one block of random words gives a train.
const PLANES: u32 = 4;

/// Binary digits of a probability below 1.
const DIGITS: u32 = 32;

/// Where trains are drawn.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub step: u32,
    pub first_replica: u32,
    pub purpose: Purpose,
}

/// Draws trains; it is its buffers.
#[derive(Default)]
pub(super) struct Drawer {
    words: [Vec<u32>; PLANES as usize],
    /// Lines that have a train.
    lines: Vec<u32>,
    digits: Vec<u32>,
    trains: Vec<u32>,
    /// Bits that are not decided.
    open: Vec<u32>,
}

impl Drawer {
    /// Draws one train for every element of `values` into `out`, of `bits[replica]` bits with probability `min(1, |value| · scale[replica])`.
    pub fn draw(
        &mut self,
        stream: &Stream,
        place: Place,
        values: &StackVector,
        bits: &[u32],
        scale: &[f32],
        out: &mut [u32],
    ) {
        let replicas = values.width();
        let arch = Arch::new();
        if replicas < WIDE {
            for (replica, &scale) in scale.iter().enumerate() {
                let keep = keep(bits[replica]);
                self.across(arch, stream, place, replica, values, keep, scale, out);
            }
        } else {
            for line in 0..values.len() {
                let own = &mut out[line * replicas..][..replicas];
                self.along(
                    arch,
                    stream,
                    place,
                    line as u32,
                    values.lanes(line),
                    bits,
                    scale,
                    own,
                );
            }
        }
    }

    /// The trains of all lines of one replica: a lane is a line.
    #[expect(clippy::too_many_arguments, reason = "coordinates of one draw")]
    fn across(
        &mut self,
        arch: Arch,
        stream: &Stream,
        place: Place,
        replica: usize,
        values: &StackVector,
        keep: u32,
        scale: f32,
        out: &mut [u32],
    ) {
        let replicas = values.width();
        let own = values.all()[replica..].iter().step_by(replicas);
        self.fit(values.len(), keep);
        let mut found = 0;
        for (line, value) in own.enumerate() {
            let probability = value.abs() * scale;
            let digits = digits(probability);
            self.lines[found] = line as u32;
            self.digits[found] = digits;
            found += usize::from(digits != 0);
            out[line * replicas + replica] = if probability < 1.0 { 0 } else { keep };
        }
        let mut at = Draw {
            step: place.step,
            replica: place.first_replica.wrapping_add(replica as u32),
            purpose: place.purpose,
            index: 0,
        };
        while found > 0 {
            let words = self.words.each_mut().map(|w| &mut w[..found]);
            stream.fill_block_words(arch, at, &self.lines[..found], words);
            self.decide(arch, found);
            at.index += 1;
            if at.index == 1 {
                // Hardly a train is complete.
                continue;
            }
            let all = std::mem::take(&mut found);
            for k in 0..all {
                let line = self.lines[k];
                out[line as usize * replicas + replica] = self.trains[k];
                self.lines[found] = line;
                self.digits[found] = self.digits[k];
                self.trains[found] = self.trains[k];
                self.open[found] = self.open[k];
                found += usize::from(self.open[k] != 0);
            }
        }
    }

    /// The trains of one line for all replicas: a lane is a replica.
    #[expect(clippy::too_many_arguments, reason = "coordinates of one draw")]
    fn along(
        &mut self,
        arch: Arch,
        stream: &Stream,
        place: Place,
        line: u32,
        values: &[f32],
        bits: &[u32],
        scale: &[f32],
        out: &mut [u32],
    ) {
        let replicas = values.len();
        self.fit(replicas, 0);
        let mut open = 0;
        for (k, (value, scale)) in values.iter().zip(scale).enumerate() {
            let keep = keep(bits[k]);
            let probability = value.abs() * scale;
            let digits = digits(probability);
            self.digits[k] = digits;
            self.trains[k] = if probability < 1.0 { 0 } else { keep };
            self.open[k] = if digits == 0 { 0 } else { keep };
            open |= self.open[k];
        }
        let mut index = 0;
        while open != 0 {
            let words = self.words.each_mut().map(|w| &mut w[..replicas]);
            let (first, purpose) = (place.first_replica, place.purpose);
            stream.fill_words(place.step, line, first, purpose, index, words);
            open = self.decide(arch, replicas);
            index += 1;
        }
        out.copy_from_slice(&self.trains[..replicas]);
    }

    /// Room for so many trains, all of whose bits are open.
    fn fit(&mut self, trains: usize, keep: u32) {
        for buffer in &mut self.words {
            buffer.resize(trains, 0);
        }
        // One more, for what is written and not counted.
        self.lines.resize(trains + 1, 0);
        self.digits.resize(trains + 1, 0);
        self.trains.clear();
        self.trains.resize(trains, 0);
        self.open.clear();
        self.open.resize(trains, keep);
    }

    /// Compares the next digits; the bits that are open in any of the trains.
    fn decide(&mut self, arch: Arch, trains: usize) -> u32 {
        arch.dispatch(Decide {
            words: self.words.each_ref().map(|w| &w[..trains]),
            digits: &mut self.digits[..trains],
            trains: &mut self.trains[..trains],
            open: &mut self.open[..trains],
        })
    }
}

/// The bits of trains of this length, 1 to 32.
#[inline(always)]
fn keep(bits: u32) -> u32 {
    u32::MAX >> (32 - bits)
}

/// The binary digits of a probability below 1, `⌊2³² p⌋`; none of others.
#[inline(always)]
fn digits(probability: f32) -> u32 {
    let bits = probability.to_bits();
    let mantissa = (bits << 8) | 1 << 31;
    // p = mantissa · 2^-32 · 2^-zeros
    let zeros = 126_u32.wrapping_sub(bits >> 23);
    if zeros < DIGITS { mantissa >> zeros } else { 0 }
}

/// The next digits of all trains meet those of their probabilities, which move on.
struct Decide<'a> {
    words: [&'a [u32]; PLANES as usize],
    digits: &'a mut [u32],
    trains: &'a mut [u32],
    open: &'a mut [u32],
}

impl WithSimd for Decide<'_> {
    type Output = u32;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) -> u32 {
        let [a, b, c, d] = self.words;
        let words = a.iter().zip(b).zip(c.iter().zip(d));
        let lanes = self.digits.iter_mut().zip(self.trains).zip(self.open);
        let mut any = 0;
        for (((digits, train), open), ((a, b), (c, d))) in lanes.zip(words) {
            let (mut p, mut ones, mut left) = (*digits, *train, *open);
            for word in [a, b, c, d] {
                let digit = ((p as i32) >> 31) as u32;
                ones |= left & digit & !word;
                left &= !(word ^ digit);
                p <<= 1;
            }
            // Of what is equal so far nothing is below p when p has no more digits.
            left = if p == 0 { 0 } else { left };
            (*digits, *train, *open) = (p, ones, left);
            any |= left;
        }
        any
    }
}

#[cfg(test)]
mod tests {
    use statrs::distribution::{Binomial, ChiSquared, ContinuousCDF, Discrete, DiscreteCDF};

    use super::*;
    use crate::number::Coordinates;

    const PLACE: Place = Place {
        step: 9,
        first_replica: 0,
        purpose: Purpose::RowTrain,
    };

    fn drawn(place: Place, bits: u32, values: &StackVector, scale: f32) -> Vec<u32> {
        let replicas = values.width();
        let mut out = vec![0; values.len() * replicas];
        let (bits, scale) = (vec![bits; replicas], vec![scale; replicas]);
        Drawer::default().draw(&Stream::new(5), place, values, &bits, &scale, &mut out);
        out
    }

    /// Along replicas and across lines: the same trains.
    #[test]
    fn a_replica_alone_has_the_trains_that_it_has_in_a_stack() {
        let value = |i: usize, r: usize| ((7 * i + 3 * r) % 19) as f32 / 12.0 - 0.8;
        let mut values = StackVector::zeros(10, 18);
        for i in 0..10 {
            for r in 0..18 {
                values.lanes_mut(i)[r] = value(i, r);
            }
        }
        let at = |first_replica| Place {
            first_replica,
            ..PLACE
        };
        let together = drawn(at(100), 31, &values, 0.7);
        for r in 0..18 {
            let mut one = StackVector::zeros(10, 1);
            for (i, v) in one.all_mut().iter_mut().enumerate() {
                *v = value(i, r);
            }
            let alone = drawn(at(100 + r as u32), 31, &one, 0.7);
            let own: Vec<u32> = together[r..].iter().step_by(18).copied().collect();
            assert_eq!(alone, own);
        }
        assert!(together.iter().all(|t| t >> 31 == 0));
        assert!(together.iter().any(|t| *t != 0));
    }
    /// The digits of a train are the words that [`Purpose::RowTrain`] says, compared one by one.
    #[test]
    fn a_bit_is_one_where_its_number_is_below() {
        let mut values = StackVector::zeros(40, 1);
        for (i, v) in values.all_mut().iter_mut().enumerate() {
            *v = (i as f32 / 39.0).powi(3);
        }
        let trains = drawn(PLACE, 31, &values, 1.0);
        for (line, train) in (0..).zip(trains) {
            for bit in 0..31 {
                let number = (0..32).fold(0_u64, |number, digit| {
                    let word = Stream::new(5).word(Coordinates {
                        step: PLACE.step,
                        cell: 4 * line + digit % 4,
                        replica: 0,
                        purpose: PLACE.purpose,
                        index: digit / 4,
                    });
                    number << 1 | u64::from(word >> bit & 1)
                });
                let below =
                    (number as f64) < f64::from(values.all()[line as usize]) * 2_f64.powi(32);
                assert_eq!(train >> bit & 1 == 1, below, "{line} {bit}");
            }
        }
    }

    /// Pearson's statistic of the ones of 40 000 trains against the binomial distribution, and that of every bit's own number of ones; each
    /// may fail once in 10⁴ seeds. Zero, one and more are exact.
    #[test]
    fn ones_are_binomial_and_bits_alike() {
        const TRAINS: usize = 40_000;
        for bits in [31, 7, 1] {
            for p in [1e-3, 0.25, 0.4, 0.999] {
                let mut values = StackVector::zeros(TRAINS, 1);
                values.fill(p);
                let trains = drawn(PLACE, bits, &values, 1.0);
                let mut seen = vec![0.0; bits as usize + 1];
                let mut each = vec![0.0; bits as usize];
                for train in &trains {
                    seen[train.count_ones() as usize] += 1.0;
                    for (bit, n) in each.iter_mut().enumerate() {
                        *n += f64::from(train >> bit & 1);
                    }
                }
                let binomial = Binomial::new(f64::from(p), u64::from(bits)).unwrap();
                // Rare numbers of ones together, so that every class expects ten or more.
                let (mut statistic, mut classes) = (0.0, 0);
                let (mut n, mut expected) = (0.0, 0.0);
                for (ones, seen) in seen.iter().enumerate() {
                    n += seen;
                    expected += TRAINS as f64 * binomial.pmf(ones as u64);
                    let rest = TRAINS as f64 * (1.0 - binomial.cdf(ones as u64));
                    if expected > 10.0 && (rest > 10.0 || ones as u32 == bits) {
                        statistic += (n - expected) * (n - expected) / expected;
                        classes += 1;
                        (n, expected) = (0.0, 0.0);
                    }
                }
                if classes > 1 {
                    let limit = ChiSquared::new(f64::from(classes - 1)).unwrap();
                    assert!(
                        statistic < limit.inverse_cdf(1.0 - 1e-4),
                        "{bits} {p}: {statistic}"
                    );
                }
                let variance = TRAINS as f64 * f64::from(p * (1.0 - p));
                let mean = TRAINS as f64 * f64::from(p);
                let statistic: f64 = each
                    .iter()
                    .map(|n| (n - mean) * (n - mean) / variance)
                    .sum();
                let limit = ChiSquared::new(f64::from(bits)).unwrap();
                assert!(
                    statistic < limit.inverse_cdf(1.0 - 1e-4),
                    "{bits} {p}: {statistic}"
                );
            }
            let keep = u32::MAX >> (32 - bits);
            for (p, train) in [(0.0, 0), (1.0, keep), (7.5, keep), (f32::INFINITY, keep)] {
                for width in [1, 20] {
                    let mut values = StackVector::zeros(3, width);
                    values.fill(p);
                    let trains = drawn(PLACE, bits, &values, 1.0);
                    assert!(trains.iter().all(|t| *t == train), "{bits} {p}");
                }
            }
        }
    }
}
