//! The counter-based generator Philox4x32-10.

/// Multipliers of the two halves of a round.
const MULTIPLIERS: [u64; 2] = [0xD251_1F53, 0xCD9E_8D57];
/// Increments of the key after each round: the golden ratio and `√3 − 1`.
const INCREMENTS: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];
/// Number of rounds.
const ROUNDS: usize = 10;

/// The keys of the ten rounds.
#[derive(Debug, Clone, Copy)]
pub struct RoundKeys([[u64; 2]; ROUNDS]);

impl RoundKeys {
    /// From the key of the cipher, low word first: the increments are added after each round.
    #[inline(always)]
    pub fn new(mut key: [u32; 2]) -> Self {
        let mut keys = [[0; 2]; ROUNDS];
        for round in &mut keys {
            *round = key.map(u64::from);
            key[0] = key[0].wrapping_add(INCREMENTS[0]);
            key[1] = key[1].wrapping_add(INCREMENTS[1]);
        }
        Self(keys)
    }
}

/// Four random words, a pure function of a counter and a key: Philox4x32-10.
///
/// One of ten rounds, with `k` raised by `(φ, √3 − 1)` between them:
///
/// ```text
/// (c₀, c₁, c₂, c₃) → (hi(M₁c₂) ⊕ c₁ ⊕ k₀, lo(M₁c₂), hi(M₀c₀) ⊕ c₃ ⊕ k₁, lo(M₀c₀))
/// ```
///
/// ```
/// use memridge::number::philox::{RoundKeys, philox4x32_10};
///
/// assert_eq!(philox4x32_10([0; 4], &RoundKeys::new([0; 2]))[0], 0x6627_e8d5);
/// ```
///
/// It is always inlined: a plain loop over counters that calls it vectorises for the processor features of its caller, and
/// what equal words of all counters make of the first rounds is computed once, before the loop. Each word stays in the lower half
/// of 64 bits, where the product of two halves is one instruction everywhere and its upper half one shift; what stands in the
/// upper halves is masked off in the product, which costs nothing.
///
/// Source: J. K. Salmon, M. A. Moraes, R. O. Dror and D. E. Shaw, *Parallel random numbers: as easy as
/// 1, 2, 3*, SC'11, doi:10.1145/2063384.2063405.
#[inline(always)]
pub fn philox4x32_10(counter: [u32; 4], keys: &RoundKeys) -> [u32; 4] {
    let mut words = counter.map(u64::from);
    for key in keys.0 {
        let [c0, c1, c2, c3] = words;
        let product0 = (c0 & 0xffff_ffff) * MULTIPLIERS[0];
        let product1 = (c2 & 0xffff_ffff) * MULTIPLIERS[1];
        words = [
            product1 >> 32 ^ c1 ^ key[0],
            product1,
            product0 >> 32 ^ c3 ^ key[1],
            product0,
        ];
    }
    words.map(|word| word as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counter, key and words of the published `kat_vectors` of Random123.
    const KNOWN: [([u32; 4], [u32; 2], [u32; 4]); 3] = [
        (
            [0; 4],
            [0; 2],
            [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8],
        ),
        (
            [!0; 4],
            [!0; 2],
            [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd],
        ),
        (
            [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344],
            [0xa409_3822, 0x299f_31d0],
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1],
        ),
    ];

    #[test]
    fn known_answers() {
        for (counter, key, words) in KNOWN {
            assert_eq!(philox4x32_10(counter, &RoundKeys::new(key)), words);
        }
    }
}
