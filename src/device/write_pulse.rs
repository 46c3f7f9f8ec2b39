//! Programming pulses as voltages and widths: what a pulse costs.

use super::law::AnyLaw;
use crate::document::{Rule, Section};
use crate::units::{Seconds, Volts};

/// Voltage and width of a device's programming pulses.
///
/// Behavioural laws do not know them, so that files give them in `[write-pulse]`; of physical laws they are parameters, and unknown where a
/// `[pulse-scheme]` makes them follow the level of a cell. They say what pulses cost, and
/// nothing of what they do.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WritePulse {
    /// Amplitudes of a potentiating and a depressing pulse in volts, with their signs.
    pub voltages: [f64; 2],
    /// Widths of both in seconds.
    pub widths: [f64; 2],
}

impl WritePulse {
    /// Reads `[write-pulse]`, if there is one.
    pub(super) fn parse(device: &Section, law: &dyn AnyLaw) -> Option<Self> {
        let section = device.optional_section("write-pulse")?;
        let voltages = ["potentiation-voltage", "depression-voltage"]
            .map(|key| section.quantity::<Volts>(key, Rule::Any).value());
        let widths = ["potentiation-width", "depression-width"]
            .map(|key| section.quantity::<Seconds>(key, Rule::Positive).value());
        if law.derives_step() {
            section.violation(
                "potentiation-voltage",
                format!("the law {} has voltages and widths of its own", law.name()),
                "remove the table [write-pulse]",
            );
        }
        section.finish();
        Some(Self { voltages, widths })
    }

    /// That of a law whose pulses have a voltage and a width, from its nominal parameters.
    pub(super) fn of_law(law: &dyn AnyLaw, nominal: &[f64]) -> Option<Self> {
        let value = |key: &str| {
            let parameters = super::COMMON.iter().chain(law.parameters());
            let mut named = parameters.zip(nominal);
            named.find(|(p, _)| p.name == key).map(|(_, &v)| v)
        };
        let ramps = [
            "set-voltage-ramp",
            "reset-voltage-ramp",
            "set-width-ramp",
            "reset-width-ramp",
        ];
        // Pulses that follow the level of a cell have no one voltage and width.
        if ramps.iter().any(|key| value(key).is_some_and(|v| v != 0.0)) {
            return None;
        }
        Some(Self {
            voltages: [value("set-voltage")?, value("reset-voltage")?],
            widths: [value("set-width")?, value("reset-width")?],
        })
    }

    /// Joules that a potentiating and a depressing pulse dissipate in a cell of mean conductance `conductance` in siemens, `V² g t`.
    pub fn energies(&self, conductance: f64) -> [f64; 2] {
        std::array::from_fn(|k| self.voltages[k].powi(2) * conductance * self.widths[k])
    }
}
