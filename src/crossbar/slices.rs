//! Weights in digits: every cell holds a few bits of one.

use super::{Mapping, WeightMap};

/// Weights as codes of `weight_bits` bits, cut into digits of `bits_per_cell` bits, each in a cell of its own.
///
/// # Equation
/// Slice s has the digit `d_s` of `b_s` bits that begins at bit `b s` of the code, b the bits of a cell; the last slice has the bits that are left.
/// Its cells use their whole window: it holds the weight `w_s` that is the fraction `d_s/(2^b_s - 1)` of the range, and
/// `w = Σ f_s w_s` with `f_s = 2^(b s) (2^b_s - 1)/(2^B - 1)`. The factors add up to 1: weights have the range that they have without slices. What is wrong in
/// slices, independently, adds up to the variance `Σ f_s² σ_s²`; that of a digit counts most in the last slice.
///
/// Columns: codes 0 to `2^B - 1` from one end of the window to the other. Zero must be one of them ([`Slices::zero`]). References are at its position in all slices; an offset
/// column holds its digits.
/// One-sided pairs: codes are magnitudes, the sign is which of the cells holds the digits.
///
/// Every slice is a set of tiles with converters of its own; its products are shifted and added digitally.
///
/// # Differences
/// Xiao et al., IEEE Circuits and Systems Magazine 22(4), 26 (2022), doi:10.1109/MCAS.2022.3214409, describe this as bit slicing, with offsets or differential
/// cells; their offset is subtracted digitally, exactly, that of a [`Mapping::ReferenceColumn`] in each slice before it is digitised. Slices have
/// all the same number of bits there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slices {
    weight_bits: u32,
    bits_per_cell: u32,
}

impl Slices {
    /// `None` unless there is 1 bit a cell or more, not more than a weight has, and 16 at most.
    pub fn new(weight_bits: u32, bits_per_cell: u32) -> Option<Self> {
        let possible = weight_bits <= 16 && (1..=weight_bits).contains(&bits_per_cell);
        possible.then_some(Self {
            weight_bits,
            bits_per_cell,
        })
    }

    /// Whether such weights can have digits. The digit of a differential pair is shared by two cells, each of which would need twice the levels.
    pub fn suit(mapping: Mapping) -> bool {
        mapping != Mapping::DifferentialPair
    }

    /// Slices of a weight.
    pub fn count(self) -> usize {
        self.weight_bits.div_ceil(self.bits_per_cell) as usize
    }

    /// First bit and largest digit of slice `slice`.
    fn digit(self, slice: usize) -> (u32, u32) {
        let first = slice as u32 * self.bits_per_cell;
        let bits = self.bits_per_cell.min(self.weight_bits - first);
        (first, (1 << bits) - 1)
    }

    /// Largest code.
    fn steps(self) -> f64 {
        f64::from((1_u32 << self.weight_bits) - 1)
    }

    /// What a product of slice `slice`, the least digits first, is multiplied by: `f_s`.
    ///
    /// # Panics
    /// If there is no such slice.
    ///
    /// ```
    /// use memridge::crossbar::Slices;
    ///
    /// let slices = Slices::new(4, 2).unwrap();
    /// assert_eq!([0, 1].map(|s| slices.factor(s)), [0.2, 0.8]);
    /// ```
    pub fn factor(self, slice: usize) -> f64 {
        let (first, most) = self.digit(slice);
        f64::from(most) * f64::from(1_u32 << first) / self.steps()
    }

    /// The position of the code that is nearest to this one.
    pub fn zero(self, position: f64) -> f64 {
        (position * self.steps()).round() / self.steps()
    }

    /// The code of a weight and, of pairs, its sign.
    fn code(self, map: &WeightMap, weight: f64) -> (u32, f64) {
        let code = |x: f64| (x.clamp(0.0, 1.0) * self.steps()).round() as u32;
        match map.mapping() {
            Mapping::ReferenceColumn | Mapping::OffsetColumn => (code(map.position(weight)), 1.0),
            _ => (code(weight.abs() / map.range()[1]), weight.signum()),
        }
    }

    /// The weight that is this fraction of the range.
    fn weight(map: &WeightMap, fraction: f64, sign: f64) -> f64 {
        match map.mapping() {
            Mapping::ReferenceColumn | Mapping::OffsetColumn => map.value(fraction),
            _ => sign * fraction * map.range()[1],
        }
    }

    /// What slice `slice` holds of a weight: `w_s`.
    ///
    /// # Panics
    /// If there is no such slice.
    pub fn part(self, map: &WeightMap, slice: usize, weight: f64) -> f64 {
        let (code, sign) = self.code(map, weight);
        let (first, most) = self.digit(slice);
        let digit = code >> first & most;
        Self::weight(map, f64::from(digit) / f64::from(most), sign)
    }

    /// The weight that all slices hold together: the nearest one that has a code.
    pub fn nearest(self, map: &WeightMap, weight: f64) -> f64 {
        let (code, sign) = self.code(map, weight);
        Self::weight(map, f64::from(code) / self.steps(), sign)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Digits, weighted, are the code; no weight in the range is further from its code than half a step; zero is exact.
    #[test]
    fn digits_make_the_code() {
        for (bits, per_cell) in [(8, 1), (8, 3), (8, 8), (5, 2), (1, 1), (16, 4)] {
            let slices = Slices::new(bits, per_cell).unwrap();
            let factors = (0..slices.count()).map(|s| slices.factor(s));
            assert!((factors.sum::<f64>() - 1.0).abs() < 1e-15);
            for mapping in [
                Mapping::ReferenceColumn,
                Mapping::OffsetColumn,
                Mapping::OneSidedPair,
            ] {
                let zero = match mapping {
                    Mapping::OneSidedPair => 0.1,
                    _ => slices.zero(0.5),
                };
                let map = WeightMap::new(mapping, zero, 2.0, 1, 1);
                let [low, high] = map.range();
                // Codes are a whole range apart on one side of zero for pairs.
                let whole = if low == -high { high } else { high - low };
                let step = whole / f64::from((1_u32 << bits) - 1);
                for k in 0..=1000 {
                    let weight = low + (high - low) * f64::from(k) / 1000.0;
                    let nearest = slices.nearest(&map, weight);
                    let parts = (0..slices.count())
                        .map(|s| slices.factor(s) * slices.part(&map, s, weight));
                    assert!((parts.sum::<f64>() - nearest).abs() < 1e-14);
                    assert!((weight - nearest).abs() <= 0.5 * step + 1e-14, "{weight}");
                }
                assert!(slices.nearest(&map, 0.0).abs() < 1e-15, "{mapping:?}");
            }
        }
        assert_eq!(Slices::new(8, 9), None);
        assert_eq!(Slices::new(17, 2), None);
        assert_eq!(Slices::new(8, 0), None);
    }
}
