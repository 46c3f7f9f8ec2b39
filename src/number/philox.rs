//! The counter-based generator Philox4x32-10.

/// How many counters [`philox4x32_10_lanes`] encrypts at once.
pub const LANES: usize = 16;

/// Multipliers of the two halves of a round.
const MULTIPLIERS: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
/// Increments of the key after each round: the golden ratio and `√3 − 1`.
const INCREMENTS: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];
/// Number of rounds.
const ROUNDS: u32 = 10;

/// Four random words, a pure function of a counter and a key: Philox4x32-10.
///
/// One of ten rounds, with `k` raised by `(φ, √3 − 1)` between them:
///
/// ```text
/// (c₀, c₁, c₂, c₃) → (hi(M₁c₂) ⊕ c₁ ⊕ k₀, lo(M₁c₂), hi(M₀c₀) ⊕ c₃ ⊕ k₁, lo(M₀c₀))
/// ```
///
/// ```
/// use memridge::number::philox::philox4x32_10;
///
/// assert_eq!(philox4x32_10([0; 4], [0; 2])[0], 0x6627_e8d5);
/// ```
///
/// Source: J. K. Salmon, M. A. Moraes, R. O. Dror and D. E. Shaw, *Parallel random numbers: as easy as
/// 1, 2, 3*, SC'11, doi:10.1145/2063384.2063405.
pub fn philox4x32_10(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for _ in 0..ROUNDS {
        let [c0, c1, c2, c3] = counter;
        let (high0, low0) = product(c0, MULTIPLIERS[0]);
        let (high1, low1) = product(c2, MULTIPLIERS[1]);
        counter = [high1 ^ c1 ^ key[0], low1, high0 ^ c3 ^ key[1], low0];
        key = next_key(key);
    }
    counter
}

/// [`philox4x32_10`] of [`LANES`] counters at once: `counter[i][lane]` is word `i` of a lane's counter.
///
/// It is always inlined, so that its loops are compiled for the processor features of the caller.
#[inline(always)]
pub fn philox4x32_10_lanes(counter: [[u32; LANES]; 4], key: [u32; 2]) -> [[u32; LANES]; 4] {
    rounds(counter, key, ROUNDS)
}

/// The last `count` rounds.
#[inline(always)]
fn rounds(mut counter: [[u32; LANES]; 4], mut key: [u32; 2], count: u32) -> [[u32; LANES]; 4] {
    for _ in 0..count {
        let (high0, low0) = products(&counter[0], MULTIPLIERS[0]);
        let (high1, low1) = products(&counter[2], MULTIPLIERS[1]);
        let mut next = [[0; LANES]; 4];
        for lane in 0..LANES {
            next[0][lane] = high1[lane] ^ counter[1][lane] ^ key[0];
            next[1][lane] = low1[lane];
            next[2][lane] = high0[lane] ^ counter[3][lane] ^ key[1];
            next[3][lane] = low0[lane];
        }
        counter = next;
        key = next_key(key);
    }
    counter
}

/// [`philox4x32_10`] of [`LANES`] counters that differ in their third word only, which counts up from
/// `counter[2]` (and wraps).
///
/// Equal to [`philox4x32_10_lanes`] and about a third faster: the other words are scalars in the first
/// round, and two of them still are in the second.
///
/// It is always inlined, as [`philox4x32_10_lanes`] is.
#[inline(always)]
pub fn philox4x32_10_ascending(counter: [u32; 4], key: [u32; 2]) -> [[u32; LANES]; 4] {
    let [c0, c1, first, c3] = counter;
    let mut c2 = [0; LANES];
    for (i, lane) in (0..).zip(&mut c2) {
        *lane = first.wrapping_add(i);
    }

    // Round 1: (c0, c1, c2, c3) with only c2 in lanes.
    let (high0, low0) = product(c0, MULTIPLIERS[0]);
    let (high1, low1) = products(&c2, MULTIPLIERS[1]);
    let mut d0 = [0; LANES];
    for lane in 0..LANES {
        d0[lane] = high1[lane] ^ c1 ^ key[0];
    }
    let (d1, d2, d3) = (low1, high0 ^ c3 ^ key[1], low0);

    // Round 2: (d0, d1, d2, d3) with d2 and d3 still scalar.
    let key = next_key(key);
    let (high0, low0) = products(&d0, MULTIPLIERS[0]);
    let (high1, low1) = product(d2, MULTIPLIERS[1]);
    let mut next = [[0; LANES]; 4];
    for lane in 0..LANES {
        next[0][lane] = high1 ^ d1[lane] ^ key[0];
        next[1][lane] = low1;
        next[2][lane] = high0[lane] ^ d3 ^ key[1];
        next[3][lane] = low0[lane];
    }
    rounds(next, next_key(key), ROUNDS - 2)
}

/// [`philox4x32_10`] of [`LANES`] counters that differ in their second word only, whatever it is.
///
/// Equal to [`philox4x32_10_lanes`] and about a fifth faster: the second word is not multiplied before the second round, so
/// two rounds and a half are half scalar.
///
/// It is always inlined, as [`philox4x32_10_lanes`] is.
#[inline(always)]
pub fn philox4x32_10_blocks(
    c0: u32,
    c1: &[u32; LANES],
    c2: u32,
    c3: u32,
    key: [u32; 2],
) -> [[u32; LANES]; 4] {
    // Round 1: (c0, c1, c2, c3) with only c1 in lanes, which no product sees.
    let (high0, low0) = product(c0, MULTIPLIERS[0]);
    let (high1, low1) = product(c2, MULTIPLIERS[1]);
    let mut d0 = [0; LANES];
    for lane in 0..LANES {
        d0[lane] = c1[lane] ^ (high1 ^ key[0]);
    }
    let (d1, d2, d3) = (low1, high0 ^ c3 ^ key[1], low0);

    // Round 2: (d0, d1, d2, d3) with only d0 in lanes.
    let key = next_key(key);
    let (high0, e3) = products(&d0, MULTIPLIERS[0]);
    let (high1, e1) = product(d2, MULTIPLIERS[1]);
    let e0 = high1 ^ d1 ^ key[0];
    let mut e2 = [0; LANES];
    for lane in 0..LANES {
        e2[lane] = high0[lane] ^ (d3 ^ key[1]);
    }

    // Round 3: (e0, e1, e2, e3) with e0 and e1 still scalar.
    let key = next_key(key);
    let (high0, low0) = product(e0, MULTIPLIERS[0]);
    let (high1, low1) = products(&e2, MULTIPLIERS[1]);
    let mut next = [[0; LANES]; 4];
    for lane in 0..LANES {
        next[0][lane] = high1[lane] ^ (e1 ^ key[0]);
        next[1][lane] = low1[lane];
        next[2][lane] = e3[lane] ^ (high0 ^ key[1]);
        next[3][lane] = low0;
    }
    rounds(next, next_key(key), ROUNDS - 3)
}

/// High and low half of a product.
#[inline(always)]
fn product(a: u32, b: u32) -> (u32, u32) {
    let wide = u64::from(a) * u64::from(b);
    ((wide >> 32) as u32, wide as u32)
}

/// High and low halves of the products of all lanes. The low halves are multiplied apart: a product that
/// keeps its width vectorises better than one that is split in two.
#[inline(always)]
fn products(a: &[u32; LANES], b: u32) -> ([u32; LANES], [u32; LANES]) {
    let (mut high, mut low) = ([0; LANES], [0; LANES]);
    for lane in 0..LANES {
        high[lane] = ((u64::from(a[lane]) * u64::from(b)) >> 32) as u32;
    }
    for lane in 0..LANES {
        low[lane] = a[lane].wrapping_mul(b);
    }
    (high, low)
}

/// The key of the next round.
#[inline(always)]
fn next_key(key: [u32; 2]) -> [u32; 2] {
    [
        key[0].wrapping_add(INCREMENTS[0]),
        key[1].wrapping_add(INCREMENTS[1]),
    ]
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
            assert_eq!(philox4x32_10(counter, key), words);
            let lanes = philox4x32_10_lanes(counter.map(|c| [c; LANES]), key);
            assert_eq!(lanes, words.map(|w| [w; LANES]));
        }
    }

    #[test]
    fn ascending_counters_are_lanes() {
        for [c0, c1, first, c3] in [[0; 4], [7, 1 << 31, u32::MAX - 3, 0x0100_0002], [!0; 4]] {
            let c2 = std::array::from_fn(|lane| first.wrapping_add(lane as u32));
            let lanes = [[c0; LANES], [c1; LANES], c2, [c3; LANES]];
            for key in [[0, 0], [0x89ab_cdef, 0x0123_4567]] {
                assert_eq!(
                    philox4x32_10_ascending([c0, c1, first, c3], key),
                    philox4x32_10_lanes(lanes, key),
                );
            }
        }
    }

    #[test]
    fn blocks_are_lanes() {
        for [c0, first, c2, c3] in [[0_u32; 4], [7, 1 << 31, 12, 0x0100_0002], [!0; 4]] {
            let c1 =
                std::array::from_fn(|lane| first.wrapping_add(lane as u32 * lane as u32 * 977));
            let lanes = [[c0; LANES], c1, [c2; LANES], [c3; LANES]];
            for key in [[0, 0], [0x89ab_cdef, 0x0123_4567]] {
                assert_eq!(
                    philox4x32_10_blocks(c0, &c1, c2, c3, key),
                    philox4x32_10_lanes(lanes, key),
                );
            }
        }
    }

    #[test]
    fn lanes_are_independent_counters() {
        let key = [0xdead_beef, 17];
        let counter: [[u32; LANES]; 4] =
            std::array::from_fn(|i| std::array::from_fn(|l| (977 * i + 31 * l) as u32));
        let lanes = philox4x32_10_lanes(counter, key);
        for lane in 0..LANES {
            assert_eq!(
                lanes.map(|word| word[lane]),
                philox4x32_10(counter.map(|word| word[lane]), key),
            );
        }
    }
}
