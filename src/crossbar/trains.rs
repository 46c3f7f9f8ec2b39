//! Stochastic bit trains: the periphery of the pulsed outer-product update.
//!
//! Every bit of a train is 1 with the train's probability p, independently: where a uniform number, given by its binary digits, is below p. Digits
//! are random words that all bits of a train share, the first one first; a bit is decided by the first digit in which its number and p differ,
//! so that a whole train takes about six words and seldom more than eight. p has 32 digits, cut there; 0 and 1 are exact.
//!
//! Reference: Gokmen & Vlasov, Front. Neurosci. 10, 333 (2016), <https://doi.org/10.3389/fnins.2016.00333>.

use pulp::{Arch, Simd, WithSimd};

use crate::backend::{StackVector, WIDE};
use crate::number::{Blocks, Draw, LANES, Purpose, Stream};

/// Digits that one block of random words gives a train.
const PLANES: usize = 4;

/// Blocks that are drawn at a time: few trains are not complete then.
const DRAWN: u32 = 2;

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
    words: [Vec<u32>; PLANES],
    /// Lines whose trains have bits that are not decided.
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
        self.fit(values.len());
        let at = Draw {
            step: place.step,
            replica: place.first_replica.wrapping_add(replica as u32),
            purpose: place.purpose,
            index: 0,
        };
        arch.dispatch(Across {
            blocks: Blocks::new(stream, at),
            keep,
            scale,
            values: &values.all()[replica..],
            replicas,
            drawer: self,
            out: &mut out[replica..],
        });
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
        self.fit(replicas);
        for buffer in &mut self.words {
            buffer.resize(replicas, 0);
        }
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

    /// Room for so many trains, in whole groups.
    fn fit(&mut self, trains: usize) {
        let trains = trains.next_multiple_of(LANES);
        for buffer in [
            &mut self.lines,
            &mut self.digits,
            &mut self.trains,
            &mut self.open,
        ] {
            buffer.resize(trains, 0);
        }
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

/// The next digits of the numbers of a train's bits meet those of its probability, which moves on.
#[inline(always)]
fn meet(words: [u32; PLANES], digits: &mut u32, train: &mut u32, open: &mut u32) {
    let (mut p, mut ones, mut left) = (*digits, *train, *open);
    for word in words {
        let digit = ((p as i32) >> 31) as u32;
        ones |= left & digit & !word;
        left &= !(word ^ digit);
        p <<= 1;
    }
    // Of what is equal so far nothing is below p when p has no more digits.
    left = if p == 0 { 0 } else { left };
    (*digits, *train, *open) = (p, ones, left);
}

/// The next digits of all trains, one lane a train.
struct Decide<'a> {
    words: [&'a [u32]; PLANES],
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
            meet([*a, *b, *c, *d], digits, train, open);
            any |= *open;
        }
        any
    }
}

/// The trains of every line of one replica, whose values and trains are those from the first on, `replicas` apart.
struct Across<'a> {
    blocks: Blocks,
    keep: u32,
    scale: f32,
    values: &'a [f32],
    replicas: usize,
    drawer: &'a mut Drawer,
    out: &'a mut [u32],
}

impl WithSimd for Across<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        let drawer = self.drawer;
        let count = self.values.len().div_ceil(self.replicas);
        // Side by side first, so that what follows are loops over whole vectors.
        let values = self.values.iter().step_by(self.replicas);
        for (own, value) in drawer.digits.iter_mut().zip(values) {
            *own = value.to_bits();
        }
        // All lines in order.
        let groups = drawer.digits.as_chunks_mut().0.iter_mut();
        let groups = groups.zip(drawer.trains.as_chunks_mut().0);
        let groups = groups.zip(drawer.open.as_chunks_mut().0);
        for (first, ((digits, trains), open)) in (0..count).step_by(LANES).zip(groups) {
            let mut group = Group::default();
            let mut any = 0;
            for (i, value) in digits.iter().enumerate() {
                let probability = f32::from_bits(*value).abs() * self.scale;
                group.lines[i] = (first + i) as u32;
                group.digits[i] = self::digits(probability);
                group.trains[i] = if probability < 1.0 { 0 } else { self.keep };
                any |= group.digits[i];
            }
            if any != 0 {
                group.open = [self.keep; LANES];
                group.draw(&self.blocks, 0);
            }
            (*digits, *trains, *open) = (group.digits, group.trains, group.open);
        }
        // Then the few whose trains are not complete.
        let (lines, digits) = (&mut drawer.lines[..], &mut drawer.digits[..]);
        let (trains, open) = (&mut drawer.trains[..], &mut drawer.open[..]);
        let mut found = 0;
        for (line, open) in (0..).zip(&open[..count]) {
            lines[found] = line;
            found += usize::from(*open != 0);
        }
        let mut index = 0;
        while found > 0 {
            index += DRAWN;
            let all = std::mem::take(&mut found);
            for start in (0..all).step_by(LANES) {
                let some = LANES.min(all - start);
                let mut group = Group::default();
                for i in 0..some {
                    group.lines[i] = lines[start + i];
                    let line = lines[start + i] as usize;
                    group.digits[i] = digits[line];
                    group.trains[i] = trains[line];
                    group.open[i] = open[line];
                }
                group.draw(&self.blocks, index);
                for i in 0..some {
                    let line = group.lines[i] as usize;
                    digits[line] = group.digits[i];
                    trains[line] = group.trains[i];
                    open[line] = group.open[i];
                    lines[found] = group.lines[i];
                    found += usize::from(group.open[i] != 0);
                }
            }
        }
        let out = self.out.iter_mut().step_by(self.replicas);
        out.zip(&*trains).for_each(|(o, train)| *o = *train);
    }
}

/// Some lines, the digits that their probabilities have left, their trains, and the bits that are not decided.
#[derive(Default)]
struct Group {
    lines: [u32; LANES],
    digits: [u32; LANES],
    trains: [u32; LANES],
    open: [u32; LANES],
}

impl Group {
    /// Draws the digits of the next blocks, from this one on.
    #[inline(always)]
    fn draw(&mut self, blocks: &Blocks, first: u32) {
        for index in first..first + DRAWN {
            let [a, b, c, d] = blocks.words(index, &self.lines);
            for i in 0..LANES {
                meet(
                    [a[i], b[i], c[i], d[i]],
                    &mut self.digits[i],
                    &mut self.trains[i],
                    &mut self.open[i],
                );
            }
        }
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
        for (lines, width) in [(40, 1), (16, 3), (17, 18), (1, 15)] {
            let mut values = StackVector::zeros(lines, width);
            let count = (lines * width) as f32;
            for (i, v) in values.all_mut().iter_mut().enumerate() {
                *v = (i as f32 / (count - 1.0)).powi(3);
            }
            let trains = drawn(PLACE, 31, &values, 1.0);
            for (k, train) in trains.into_iter().enumerate() {
                let (line, replica) = ((k / width) as u32, (k % width) as u32);
                for bit in 0..31 {
                    let number = (0..32).fold(0_u64, |number, digit| {
                        let word = Stream::new(5).word(Coordinates {
                            step: PLACE.step,
                            cell: 4 * line + digit % 4,
                            replica,
                            purpose: PLACE.purpose,
                            index: digit / 4,
                        });
                        number << 1 | u64::from(word >> bit & 1)
                    });
                    let below = (number as f64) < f64::from(values.all()[k]) * 2_f64.powi(32);
                    assert_eq!(train >> bit & 1 == 1, below, "{line} {replica} {bit}");
                }
            }
        }
    }

    /// What a drawer drew before does not matter: vectors grow, shrink and change their width.
    #[test]
    fn a_drawer_can_be_used_again() {
        let mut drawer = Drawer::default();
        for (lines, width) in [
            (70, 1),
            (10, 1),
            (15, 2),
            (33, 17),
            (16, 1),
            (32, 15),
            (1, 1),
        ] {
            let mut values = StackVector::zeros(lines, width);
            for (i, v) in values.all_mut().iter_mut().enumerate() {
                *v = (i % 7) as f32 / 6.0;
            }
            let mut again = vec![u32::MAX; lines * width];
            let (bits, scale) = (vec![31; width], vec![1.0; width]);
            drawer.draw(&Stream::new(5), PLACE, &values, &bits, &scale, &mut again);
            assert_eq!(again, drawn(PLACE, 31, &values, 1.0), "{lines} {width}");
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
