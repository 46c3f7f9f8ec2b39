//! Stochastic bit trains: the periphery of the pulsed outer-product update.
//!
//! Every bit of a train is 1 with the train's probability, independently. Trains are built from 23 random words by
//! the binary expansion of the probability (AND for a 0, OR for a 1, from the lowest digit), which makes 32 bits at once
//! with a probability exact to 2⁻²⁴ (rounded to 23 digits).
//!
//! Reference: Gokmen & Vlasov, Front. Neurosci. 10, 333 (2016), <https://doi.org/10.3389/fnins.2016.00333>.

use crate::backend::{StackVector, WIDE};
use crate::number::{Draw, Purpose, Stream};

/// Binary digits of a probability.
const PLANES: u32 = 23;

/// Draws one train for every element of `values` into `out`, with probability `min(1, |value| · scale[replica])`.
#[expect(
    clippy::too_many_arguments,
    reason = "coordinates and buffers of one draw"
)]
pub(super) fn draw(
    stream: &Stream,
    step: u32,
    first_replica: u32,
    purpose: Purpose,
    bits: u32,
    values: &StackVector,
    scale: &[f32],
    words: &mut [Vec<u32>; 4],
    out: &mut [u32],
) {
    let replicas = values.width();
    let arch = pulp::Arch::new();
    out.fill(0);
    for block in 0..values.len().div_ceil(4) {
        let range = block * 4..values.len().min((block + 1) * 4);
        if replicas < WIDE {
            for replica in 0..replicas {
                let at = Draw {
                    step,
                    replica: first_replica.wrapping_add(replica as u32),
                    purpose,
                    index: 0,
                };
                let planes = stream.words_by_index::<{ PLANES as usize }>(arch, at, block as u32);
                for (words, i) in planes.iter().zip(range.clone()) {
                    let p = digits(values.lanes(i)[replica], scale[replica]);
                    let train = &mut out[i * replicas + replica];
                    for (plane, &word) in (0..).zip(words) {
                        *train = joined(*train, word, p, plane);
                    }
                }
            }
            continue;
        }
        for plane in 0..PLANES {
            stream.fill_words(
                step,
                block as u32,
                first_replica,
                purpose,
                plane,
                words.each_mut().map(Vec::as_mut_slice),
            );
            for (k, i) in range.clone().enumerate() {
                let train = &mut out[i * replicas..(i + 1) * replicas];
                let (words, values) = (&words[k][..], values.lanes(i));
                arch.dispatch(Plane {
                    train,
                    words,
                    values,
                    scale,
                    plane,
                });
            }
        }
    }
    let keep = u32::MAX >> (32 - bits);
    for train in out {
        *train &= keep;
    }
}

/// The binary digits of the probability `min(1, |value| · scale)`.
#[inline(always)]
fn digits(value: f32, scale: f32) -> u32 {
    // Below 1 by one part in 2²³, so that the digits fit; adding 2²³ brings the digits of p·2²³ to the low bits.
    let p = (value.abs() * scale).min(1.0 - 1.0 / 8_388_608.0);
    (p * 8_388_608.0 + 8_388_608.0).to_bits() & 0x007f_ffff
}

/// A train that the digit of one plane has joined, with a random word: AND for a 0, OR for a 1.
#[inline(always)]
fn joined(train: u32, word: u32, digits: u32, plane: u32) -> u32 {
    let digit = ((digits >> plane) & 1).wrapping_neg();
    (train & (word | digit)) | (word & digit)
}

/// One binary digit of the probability joins every train.
struct Plane<'a> {
    train: &'a mut [u32],
    words: &'a [u32],
    values: &'a [f32],
    scale: &'a [f32],
    plane: u32,
}

impl pulp::WithSimd for Plane<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _simd: S) {
        let inputs = self.words.iter().zip(self.values).zip(self.scale);
        for (t, ((&w, &v), &s)) in self.train.iter_mut().zip(inputs) {
            *t = joined(*t, w, digits(v, s), self.plane);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(first: u32, values: &StackVector) -> Vec<u32> {
        let replicas = values.width();
        let mut words: [Vec<u32>; 4] = std::array::from_fn(|_| vec![0; replicas]);
        let mut out = vec![0; values.len() * replicas];
        let stream = Stream::new(5);
        let scale = vec![0.7; replicas];
        let purpose = Purpose::RowTrain;
        draw(
            &stream, 9, first, purpose, 31, values, &scale, &mut words, &mut out,
        );
        out
    }

    /// Along replicas and along digits: the same trains.
    #[test]
    fn a_replica_alone_has_the_trains_that_it_has_in_a_stack() {
        let value = |i: usize, r: usize| ((7 * i + 3 * r) % 19) as f32 / 12.0 - 0.8;
        let mut values = StackVector::zeros(10, 18);
        for i in 0..10 {
            for r in 0..18 {
                values.lanes_mut(i)[r] = value(i, r);
            }
        }
        let together = drawn(100, &values);
        for r in 0..18 {
            let mut one = StackVector::zeros(10, 1);
            for (i, v) in one.all_mut().iter_mut().enumerate() {
                *v = value(i, r);
            }
            let alone = drawn(100 + r as u32, &one);
            let own: Vec<u32> = together[r..].iter().step_by(18).copied().collect();
            assert_eq!(alone, own);
        }
        assert!(together.iter().all(|t| t >> 31 == 0));
        assert!(together.iter().any(|t| *t != 0));
    }
}
