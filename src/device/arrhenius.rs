//! Thermally activated times: measured at one temperature, wanted at another.

use crate::document::{Rule, Section};
use crate::units::{BOLTZMANN, ElectronVolts, Kelvin};

/// What heat does to a time constant.
///
/// # Equation
/// `T(θ) = T(θ_ref) e^{E_a/k_B (1/θ - 1/θ_ref)}`
///
/// # Symbols
/// | symbol | key | unit |
/// | --- | --- | --- |
/// | E_a | `activation-energy` | eV |
/// | θ_ref | `reference-temperature`: where the file's times were measured | K |
/// | θ | `temperature`: what the cells have | K |
///
/// # Behaviour
/// The times that retention names (a lifetime, the time from which drift is known) are those at θ_ref, and are scaled once, when the file
/// is read: hotter cells are older cells.
///
/// # Reference
/// Arrhenius, Z. Phys. Chem. 4, 226 (1889).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Arrhenius {
    /// E_a in eV.
    pub activation_energy: f64,
    /// θ_ref in K.
    pub reference_temperature: f64,
    /// θ in K.
    pub temperature: f64,
}

impl Arrhenius {
    /// Reads `[….arrhenius]`, if there is one.
    pub(super) fn parse(retention: &Section) -> Option<Self> {
        let section = retention.optional_section("arrhenius")?;
        let kelvin = |key| section.quantity::<Kelvin>(key, Rule::Positive).value();
        let found = Self {
            activation_energy: section
                .quantity::<ElectronVolts>("activation-energy", Rule::NonNegative)
                .value(),
            reference_temperature: kelvin("reference-temperature"),
            temperature: kelvin("temperature"),
        };
        let factor = found.factor();
        let whole = ["activation-energy", "reference-temperature", "temperature"];
        // Where a number is missing, that is said already.
        if whole.iter().all(|key| section.has(key)) && !(1e-30..=1e30).contains(&factor) {
            section.violation(
                "temperature",
                format!("times at this temperature would be {factor:e} times those at the reference temperature"),
                "choose temperatures closer to each other, or a smaller activation energy",
            );
        }
        section.finish();
        Some(found)
    }

    /// What times at the reference temperature are multiplied by.
    pub fn factor(&self) -> f64 {
        let inverse = 1.0 / self.temperature - 1.0 / self.reference_temperature;
        (self.activation_energy / BOLTZMANN * inverse).exp()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ten years at 85 °C by an activation energy of 1.1 eV, from a bake at 150 °C: the acceleration factor of such a test is
    /// e^{1.1/8.617333e-5 (1/358.15 - 1/423.15)} = 239.
    #[test]
    fn a_bake_at_150_degrees_is_239_times_faster_than_life_at_85() {
        let bake = Arrhenius {
            activation_energy: 1.1,
            reference_temperature: 423.15,
            temperature: 358.15,
        };
        assert!((bake.factor() - 239.0).abs() < 1.0, "{}", bake.factor());
        let back = Arrhenius {
            reference_temperature: 358.15,
            temperature: 423.15,
            ..bake
        };
        assert!((bake.factor() * back.factor() - 1.0).abs() < 1e-12);
    }
}
