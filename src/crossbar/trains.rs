//! Stochastic bit trains: the periphery of the pulsed outer-product update.
//!
//! Every bit of a train is 1 with the train's probability, independently. Trains are built from 23 random words by
//! the binary expansion of the probability (AND for a 0, OR for a 1, from the lowest digit), which makes 32 bits at once
//! with a probability exact to 2⁻²⁴ (rounded to 23 digits).
//!
//! Reference: Gokmen & Vlasov, Front. Neurosci. 10, 333 (2016), <https://doi.org/10.3389/fnins.2016.00333>.

use crate::backend::StackVector;
use crate::number::{Purpose, Stream};

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
    let keep = u32::MAX >> (32 - bits);
    for block in 0..values.len().div_ceil(4) {
        let range = block * 4..values.len().min((block + 1) * 4);
        out[range.start * replicas..range.end * replicas].fill(0);
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
                pulp::Arch::new().dispatch(Digit {
                    train,
                    words,
                    values,
                    scale,
                    plane,
                });
            }
        }
        for t in &mut out[range.start * replicas..range.end * replicas] {
            *t &= keep;
        }
    }
}

/// One binary digit of the probability joins every train.
struct Digit<'a> {
    train: &'a mut [u32],
    words: &'a [u32],
    values: &'a [f32],
    scale: &'a [f32],
    plane: u32,
}

impl pulp::WithSimd for Digit<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _simd: S) {
        let inputs = self.words.iter().zip(self.values).zip(self.scale);
        for (t, ((&w, &v), &s)) in self.train.iter_mut().zip(inputs) {
            // Below 1 by one part in 2²³, so that the digits fit; adding 2²³ brings the digits of p·2²³ to the low bits.
            let p = (v.abs() * s).min(1.0 - 1.0 / 8_388_608.0);
            let digits = (p * 8_388_608.0 + 8_388_608.0).to_bits() & 0x007f_ffff;
            let digit = ((digits >> self.plane) & 1).wrapping_neg();
            *t = (*t & (w | digit)) | (w & digit);
        }
    }
}
