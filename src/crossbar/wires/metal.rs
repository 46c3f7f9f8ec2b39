//! Resistance of copper wires as narrow as those of an array.

/// Copper of one width, with the barrier and the scattering that come with it.
///
/// # Equation
/// `R = ρ L/(w² a)`, `ρ = ρ₃₀₀ (1 + 0.00451/K (T - 300 K))`, a the height of the wire over its width w.
///
/// # Reference
/// Widths, aspect ratios and resistivities of DNN+NeuroSim V2.1 (`Param.cpp`); Peng et al., IEEE TCAD 40, 2306 (2021),
/// <https://doi.org/10.1109/TCAD.2020.3043731>.
///
/// # Differences
/// There the resistance rises below 300 K too, by `|T - 300 K|`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Metal {
    /// Width in metres.
    pub width: f64,
    /// Height over width.
    pub aspect: f64,
    /// Resistivity at 300 K, in ohm metres.
    pub resistivity: f64,
}

/// In ascending order of widths: nanometres, height over width, 1e-8 ohm metres.
const WIDTHS: [(u16, f64, f64); 7] = [
    (14, 2.10, 7.43),
    (22, 2.00, 5.41),
    (32, 1.90, 4.51),
    (40, 1.90, 4.03),
    (50, 2.34, 3.91),
    (100, 2.30, 2.73),
    (200, 2.10, 2.42),
];

impl Metal {
    /// The widths that there are numbers for, in nanometres.
    pub fn widths() -> impl Iterator<Item = u16> {
        WIDTHS.into_iter().map(|(width, ..)| width)
    }

    /// Copper of this width in metres; `None` where there are no numbers for it.
    pub fn of_width(width: f64) -> Option<Self> {
        let found = WIDTHS
            .into_iter()
            .find(|(nanometres, ..)| (width / (1e-9 * f64::from(*nanometres)) - 1.0).abs() < 1e-9);
        found.map(|(nanometres, aspect, resistivity)| Self {
            width: 1e-9 * f64::from(nanometres),
            aspect,
            resistivity: 1e-8 * resistivity,
        })
    }

    /// Resistance of `length` metres at `temperature` kelvin, in ohm.
    pub fn resistance(&self, length: f64, temperature: f64) -> f64 {
        let resistivity = self.resistivity * 0.00451_f64.mul_add(temperature - 300.0, 1.0);
        resistivity * length / (self.width * self.width * self.aspect)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By hand: 4.51e-8 · 64e-9/((32e-9)² · 1.9) = 1.4836 ohm, 45.1 % more at 400 K.
    #[test]
    fn a_segment_by_hand() {
        let metal = Metal::of_width(32e-9).unwrap();
        assert!((metal.resistance(64e-9, 300.0) - 1.483_552_6).abs() < 1e-7);
        let ratio = metal.resistance(64e-9, 400.0) / metal.resistance(64e-9, 300.0);
        assert!((ratio - 1.451).abs() < 1e-12);
        assert!(Metal::of_width(33e-9).is_none());
        assert!(Metal::widths().is_sorted());
    }
}
