//! What circuits around an array cost.

use crate::document::{Rule, Section};
use crate::units::{Farads, Joules, Metres, Quantity, Seconds, SquareMetres, Volts};

/// How many cells are written at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parallel {
    /// The whole array, as by trains on rows and columns that coincide.
    Array,
    /// A row.
    Row,
    /// One.
    Cell,
}

/// Energy of one conversion from analog to digital.
///
/// # Equation
/// Walden: `E = FoM · 2^b`. Schreier: `E = ½ 10^((SNDR - FoM)/10)`, `SNDR = 6.02 b + 1.76` dB at the Nyquist rate.
///
/// # Reference
/// Walden, IEEE J. Sel. Areas Commun. 17, 539 (1999), <https://doi.org/10.1109/49.761034>; Schreier & Temes, Understanding Delta–Sigma Data
/// Converters, Wiley (2005), with the bandwidth of half the sampling rate. b is the effective number of bits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Conversion {
    /// Figure of merit in joules per conversion step, and b.
    Walden(f64, f64),
    /// Figure of merit in dB, and b.
    Schreier(f64, f64),
    /// Joules.
    Fixed(f64),
}

impl Conversion {
    /// Joules of one conversion.
    pub fn energy(self) -> f64 {
        match self {
            Self::Walden(merit, bits) => merit * bits.exp2(),
            Self::Schreier(merit, bits) => {
                0.5 * 10_f64.powf((6.02_f64.mul_add(bits, 1.76) - merit) / 10.0)
            }
            Self::Fixed(energy) => energy,
        }
    }
}

/// The circuits around an array: what their parts need. All in SI units.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Technology {
    /// Feature size F.
    pub node: f64,
    /// Area of a cell with its access device, in F².
    pub cell_area: f64,
    /// Voltage of an input of 1.
    pub read_voltage: f64,
    /// Capacitance of the segment of a line that belongs to one cell, in farads; none leaves the charging of lines out.
    pub line_capacitance: Option<f64>,
    /// How long a read takes, without conversion.
    pub read_time: f64,
    /// Joules of converting one input.
    pub dac_energy: f64,
    /// Area of the converter of one input.
    pub dac_area: f64,
    /// Energy of converting one output.
    pub adc: Conversion,
    /// How long that takes.
    pub adc_time: f64,
    /// Area of one such converter.
    pub adc_area: f64,
    /// Outputs that share one.
    pub outputs_per_adc: u32,
    /// Joules of one digital operation on an output.
    pub operation_energy: f64,
    /// How many cells are written at once.
    pub writes: Parallel,
}

impl Technology {
    /// Reads `[technology]`, if there is one.
    pub fn parse(study: &Section) -> Option<Self> {
        let section = study.optional_section("technology")?;
        fn si<Q: Quantity>(section: &Section, key: &str, rule: Rule) -> f64 {
            section.quantity::<Q>(key, rule).si()
        }
        let bits = |s: &Section| s.number("bits", Rule::Between(1.0, 24.0));
        let adc = match section.choice("adc-energy", &["walden", "schreier", "fixed"]) {
            ("walden", s) => Conversion::Walden(
                si::<Joules>(&s, "figure-of-merit", Rule::Positive),
                bits(&s),
            ),
            ("schreier", s) => Conversion::Schreier(
                s.number("figure-of-merit", Rule::Between(60.0, 220.0)),
                bits(&s),
            ),
            (_, s) => Conversion::Fixed(si::<Joules>(&s, "energy", Rule::NonNegative)),
        };
        let found = Self {
            node: si::<Metres>(&section, "node", Rule::Positive),
            cell_area: section.number("cell-area", Rule::Positive),
            read_voltage: si::<Volts>(&section, "read-voltage", Rule::Positive),
            line_capacitance: section
                .optional_quantity::<Farads>("line-capacitance", Rule::Positive)
                .map(Farads::si),
            read_time: si::<Seconds>(&section, "read-time", Rule::Positive),
            dac_energy: si::<Joules>(&section, "dac-energy", Rule::NonNegative),
            dac_area: si::<SquareMetres>(&section, "dac-area", Rule::NonNegative),
            adc,
            adc_time: si::<Seconds>(&section, "adc-time", Rule::NonNegative),
            adc_area: si::<SquareMetres>(&section, "adc-area", Rule::NonNegative),
            outputs_per_adc: u32::from(
                section.integer::<u16>("outputs-per-adc", Rule::AtLeast(1.0)),
            ),
            operation_energy: si::<Joules>(&section, "operation-energy", Rule::NonNegative),
            writes: match section.one_of("writes", &["array", "row", "cell"]) {
                "array" => Parallel::Array,
                "row" => Parallel::Row,
                _ => Parallel::Cell,
            },
        };
        section.finish();
        Some(found)
    }
}
