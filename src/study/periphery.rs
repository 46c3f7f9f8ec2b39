//! `[array]`: converters and the management of their ranges. All of it may be missing; what is missing is ideal.

use crate::crossbar::{
    Adc, AdcKind, BoundManagement, Dac, Errors, Input, NoiseManagement, Periphery, Resolution,
    Rounding,
};
use crate::document::{Rule, Section};

/// Reads the keys `dac`, `adc`, `noise-management` and `bound-management` of `[array]`.
pub(super) fn periphery(array: &Section) -> Periphery {
    let dac = array.optional_section("dac").map(|s| dac(&s));
    let adc = array
        .optional_choice("adc", &["ideal", "uniform", "sar", "ramp"])
        .map(|(kind, s)| adc(kind, &s));
    let periphery = Periphery {
        dac: dac.unwrap_or_default(),
        adc: adc.unwrap_or_default(),
        noise_management: noise_management(array),
        bound_management: bound_management(array),
    };
    if periphery.bound_management != BoundManagement::None {
        if adc.is_some_and(|a| a.range.is_none()) || !array.has("adc") {
            array.violation(
                "bound-management",
                "outputs that have no range do not saturate",
                "add an [array.adc.uniform] with bits and range, or remove bound-management",
            );
        }
        if periphery.dac.input == Input::BitSerial {
            array.violation(
                "bound-management",
                "bit planes are read at full voltage, whatever the inputs: to halve these does not lower the outputs",
                "write inputs = \"amplitude\" in [array.dac], or a larger range for the ADC and no bound-management",
            );
        }
    }
    periphery
}

/// `bits` or `steps`, not both.
fn resolution(section: &Section, required: bool) -> Option<Resolution> {
    if section.has("bits") && section.has("steps") {
        section.violation(
            "steps",
            "a resolution is given by bits or by steps",
            "remove one of them",
        );
        section.optional_integer::<u32>("bits", BITS);
    }
    if section.has("steps") {
        let steps = section.optional_integer("steps", Rule::Between(2.0, 65_534.0))?;
        let resolution = Resolution::steps(steps);
        if resolution.is_none() {
            section.violation(
                "steps",
                "must be even: as many steps above zero as below",
                "for example steps = 126, which is bits = 7",
            );
        }
        return resolution;
    }
    let bits = match required {
        true => Some(section.integer("bits", BITS)),
        false => section.optional_integer("bits", BITS),
    };
    bits.and_then(Resolution::bits)
}

/// Single precision carries no more.
const BITS: Rule = Rule::Between(2.0, 16.0);

/// What divides, and what is divided by, must stay a number of single precision.
pub(super) const SIZE: Rule = Rule::Between(1e-9, 1e9);

fn rounding(section: &Section) -> Rounding {
    match section.optional_one_of("rounding", &["nearest", "stochastic"]) {
        Some("stochastic") => Rounding::Stochastic,
        _ => Rounding::Nearest,
    }
}

/// Offset and gain of every converter, nonlinearity of those that have levels.
fn errors(section: &Section, resolution: Option<Resolution>) -> Errors {
    let number = |key, rule| section.optional_number(key, rule).unwrap_or(0.0);
    let errors = Errors {
        offset: number("offset", Rule::Between(0.0, 1e9)),
        gain: number("gain-error", Rule::Between(0.0, 0.15)),
        inl: number("inl", Rule::Between(0.0, 1e4)),
        dnl: number("dnl", Rule::Between(0.0, 100.0)),
    };
    for key in ["inl", "dnl"] {
        if !section.has(key) {
            continue;
        }
        match resolution {
            None => section.violation(
                key,
                "nonlinearity is counted in steps, and infinite resolution has none",
                "add bits, or remove the key",
            ),
            Some(r) if r.levels() > 2047 => section.violation(
                key,
                "nonlinearity is drawn level by level, for up to 12 bits",
                "write bits = 12 or less, or remove the key",
            ),
            Some(_) => {}
        }
    }
    errors
}

fn dac(section: &Section) -> Dac {
    let resolution = resolution(section, false);
    let range = match resolution {
        Some(_) => Some(section.number("range", SIZE)),
        None => section.optional_number("range", SIZE),
    };
    let input = match section.optional_one_of("inputs", &["amplitude", "pulse-width", "bit-serial"])
    {
        Some("pulse-width") => Input::PulseWidth,
        Some("bit-serial") => Input::BitSerial,
        _ => Input::Amplitude,
    };
    let dac = Dac {
        resolution,
        range,
        rounding: rounding(section),
        input,
        errors: errors(section, resolution),
    };
    if resolution.is_none() && !(section.has("bits") || section.has("steps")) {
        if input != Input::Amplitude {
            section.violation(
                "inputs",
                "pulse widths and bit planes count whole steps, and infinite resolution has none",
                "add bits and range",
            );
        }
        if section.has("rounding") {
            section.violation(
                "rounding",
                "infinite resolution rounds nothing",
                "add bits and range, or remove the key",
            );
        }
    }
    for key in ["inl", "dnl"] {
        if input != Input::Amplitude && section.has(key) {
            section.violation(
                key,
                "counted pulse widths and bit planes have equidistant levels",
                "remove the key, or write inputs = \"amplitude\"",
            );
        }
    }
    dac
}

fn adc(kind: &str, section: &Section) -> Adc {
    let (kind, resolution) = match kind {
        "uniform" => {
            let resolution = resolution(section, true);
            let rounding = rounding(section);
            if rounding == Rounding::Stochastic && (section.has("inl") || section.has("dnl")) {
                section.violation(
                    "rounding",
                    "a converter with inl or dnl compares with its own transitions: nothing is rounded at random",
                    "write rounding = \"nearest\", or remove inl and dnl",
                );
            }
            let uniform = resolution.map(|resolution| AdcKind::Uniform {
                resolution,
                rounding,
            });
            (uniform, resolution)
        }
        "sar" => {
            let bits = section.integer("bits", BITS);
            let mismatch = section.optional_number("capacitor-mismatch", Rule::Between(0.0, 0.1));
            for key in ["inl", "dnl"] {
                if section.has(key) {
                    section.violation(
                        key,
                        "the transitions of a SAR converter follow from its capacitors",
                        "write capacitor-mismatch, the relative deviation of a unit capacitor",
                    );
                    section.optional_number(key, Rule::NonNegative);
                }
            }
            let sar = AdcKind::Sar {
                bits,
                mismatch: mismatch.unwrap_or(0.0),
            };
            (Some(sar), Resolution::bits(bits))
        }
        "ramp" => {
            let resolution = resolution(section, true);
            let offset = section.optional_number("comparator-offset", Rule::Between(0.0, 1e9));
            let ramp = resolution.map(|resolution| AdcKind::Ramp {
                resolution,
                comparator_offset: offset.unwrap_or(0.0),
            });
            (ramp, resolution)
        }
        _ => (Some(AdcKind::Ideal), None),
    };
    let is_ideal = kind == Some(AdcKind::Ideal);
    Adc {
        kind: kind.unwrap_or_default(),
        range: match is_ideal {
            true => section.optional_number("range", SIZE),
            false => Some(section.number("range", SIZE)),
        },
        errors: match kind {
            Some(AdcKind::Sar { .. }) => Errors {
                offset: section
                    .optional_number("offset", Rule::Between(0.0, 1e9))
                    .unwrap_or(0.0),
                gain: section
                    .optional_number("gain-error", Rule::Between(0.0, 0.15))
                    .unwrap_or(0.0),
                ..Errors::default()
            },
            _ => errors(section, resolution),
        },
    }
}

fn noise_management(array: &Section) -> NoiseManagement {
    const KINDS: [&str; 4] = ["none", "abs-max", "constant", "average"];
    match array.optional_choice("noise-management", &KINDS) {
        Some(("abs-max", _)) => NoiseManagement::AbsMax,
        Some(("constant", s)) => NoiseManagement::Constant(s.number("largest-input", SIZE)),
        Some(("average", s)) => NoiseManagement::Average {
            decay: s.number("decay", Rule::Between(0.0, 0.999_999)),
        },
        _ => NoiseManagement::None,
    }
}

fn bound_management(array: &Section) -> BoundManagement {
    match array.optional_choice("bound-management", &["none", "iterative"]) {
        Some(("iterative", s)) => BoundManagement::Iterative {
            most_halvings: s.integer("most-halvings", Rule::Between(1.0, 30.0)),
        },
        _ => BoundManagement::None,
    }
}
