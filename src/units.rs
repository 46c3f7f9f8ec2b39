//! Physical quantities with their units, as people write them in files.
//!
//! Inside the crate every number is in SI units; these types stand at the boundary, where text such as
//! `"20 uS"` comes in and goes out.
//!
//! ```
//! use memridge::units::{Siemens, Volts};
//!
//! let g: Siemens = "20 uS".parse()?;
//! assert_eq!(g.value(), 20e-6);
//! assert_eq!(g.to_string(), "20 uS");
//!
//! let refused = "20 us".parse::<Siemens>().unwrap_err();
//! assert_eq!(
//!     refused.to_string(),
//!     "expected a conductance such as \"20 uS\", but \"us\" is a unit of time",
//! );
//! assert_eq!(Volts::new(-0.6).to_string(), "-600 mV");
//! # Ok::<(), memridge::units::ParseQuantityError>(())
//! ```

use std::fmt;
use std::str::FromStr;

/// A physical quantity: a number of SI units that is read and written together with its unit.
pub trait Quantity:
    Copy + fmt::Debug + fmt::Display + PartialEq + PartialOrd + FromStr<Err = ParseQuantityError>
{
    /// Symbol of the SI unit, as it is written.
    const SYMBOL: &'static str;
    /// What is measured, such as `conductance`.
    const NAME: &'static str;
    /// A typical value, for error messages.
    const EXAMPLE: &'static str;

    /// The quantity of `value` SI units.
    fn from_si(value: f64) -> Self;

    /// The number of SI units.
    fn si(self) -> f64;
}

/// Why a text is not the quantity that is expected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a {name} such as \"{example}\", but {problem}")]
pub struct ParseQuantityError {
    name: &'static str,
    example: &'static str,
    problem: String,
}

impl ParseQuantityError {
    /// What is wrong with the text, as the end of a sentence: `"20" has no unit`.
    pub fn problem(&self) -> &str {
        &self.problem
    }
}

macro_rules! quantities {
    ($($(#[$doc:meta])* $type:ident: $name:literal, $symbol:literal $(or $alias:literal)*, $example:literal;)*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
            pub struct $type(f64);

            impl $type {
                #[doc = concat!("The ", $name, " of `value` ", stringify!($type), ".")]
                pub const fn new(value: f64) -> Self {
                    Self(value)
                }

                #[doc = concat!("The number of ", stringify!($type), ".")]
                pub const fn value(self) -> f64 {
                    self.0
                }
            }

            impl Quantity for $type {
                const SYMBOL: &'static str = $symbol;
                const NAME: &'static str = $name;
                const EXAMPLE: &'static str = $example;

                fn from_si(value: f64) -> Self {
                    Self(value)
                }

                fn si(self) -> f64 {
                    self.0
                }
            }

            impl FromStr for $type {
                type Err = ParseQuantityError;

                fn from_str(text: &str) -> Result<Self, Self::Err> {
                    match parse_si(text, $name) {
                        Ok(value) => Ok(Self(value)),
                        Err(problem) => {
                            Err(ParseQuantityError { name: $name, example: $example, problem })
                        }
                    }
                }
            }

            impl fmt::Display for $type {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    f.pad(&format_si(self.0, $symbol))
                }
            }
        )*

        /// Every accepted unit symbol with the name of the quantity it measures.
        const UNITS: &[(&str, &str)] = &[$(($symbol, $name), $(($alias, $name),)*)*];
    };
}

quantities! {
    /// Conductance, in siemens (S).
    Siemens: "conductance", "S", "20 uS";
    /// Voltage, in volts (V).
    Volts: "voltage", "V", "200 mV";
    /// Time, in seconds (s); `min`, `h`, `day`, `month` (30 days) and `year` (365 days) are read too.
    Seconds: "time", "s", "100 ns";
    /// Length, in metres (m).
    Metres: "length", "m", "10 nm";
    /// Resistance, in ohms; written `Ohm`, also read as `ohm` and `Ω`.
    Ohms: "resistance", "Ohm" or "ohm" or "\u{3a9}" or "\u{2126}", "2.5 Ohm";
    /// Absolute temperature, in kelvin (K).
    Kelvin: "temperature", "K", "300 K";
    /// Area, in square metres; written `m2`, a prefix counts twice.
    SquareMetres: "area", "m2" or "m\u{b2}", "3 um2";
    /// Capacitance, in farads (F).
    Farads: "capacitance", "F", "20 fF";
    /// Energy, in joules (J).
    Joules: "energy", "J", "2 pJ";
    /// Energy of one particle, in electronvolts (eV): the one quantity that is not kept in SI units.
    ElectronVolts: "energy of a particle", "eV", "1.1 eV";
}

/// Boltzmann's constant in eV/K (2019 SI, exact to the digits given).
pub const BOLTZMANN: f64 = 8.617_333_262e-5;

/// Longer times as people say them, in seconds: a month has 30 days, a year 365.
const TIMES: &[(&str, f64)] = &[
    ("min", 60.0),
    ("h", 3600.0),
    ("day", 86_400.0),
    ("days", 86_400.0),
    ("month", 2_592_000.0),
    ("months", 2_592_000.0),
    ("year", 31_536_000.0),
    ("years", 31_536_000.0),
];

/// SI prefixes and their powers of ten; the first of a power is the one that is written.
const PREFIXES: &[(&str, i32)] = &[
    ("f", -15),
    ("p", -12),
    ("n", -9),
    ("u", -6),
    ("\u{b5}", -6),
    ("\u{3bc}", -6),
    ("m", -3),
    ("", 0),
    ("k", 3),
    ("M", 6),
    ("G", 9),
];

/// Reads `number [prefix]unit` as a number of SI units, or says what is wrong.
///
/// The prefix is folded into the decimal exponent of the text before it is parsed, so the result is the double
/// nearest to what was written; `20.0 * 1e-6` is not.
fn parse_si(text: &str, name: &str) -> Result<f64, String> {
    let text = text.trim();
    let (mantissa, exponent, unit) = split_number(text)
        .ok_or_else(|| format!("{text:?} does not start with a finite number"))?;
    let unit = unit.trim_start();
    if unit.is_empty() {
        return Err(format!("{text:?} has no unit"));
    }
    let longer = TIMES.iter().find(|(word, _)| *word == unit);
    let found = longer.map_or_else(|| unit_of(unit), |_| Some((Seconds::NAME, 0)));
    let power = match found {
        Some((measured, power)) if measured == name => power,
        Some((measured, _)) => return Err(format!("{unit:?} is a unit of {measured}")),
        None => {
            return Err(format!(
                "{unit:?} is not a unit of {name} (upper and lower case matter)"
            ));
        }
    };
    let exponent = i64::from(power) + exponent;
    let value: f64 = format!("{mantissa}e{exponent}")
        .parse()
        .map_err(|_| format!("{text:?} does not start with a finite number"))?;
    let value = longer.map_or(value, |(_, seconds)| seconds * value);
    if !value.is_finite() {
        return Err(format!("{text:?} is too large for a double"));
    }
    if value == 0.0 && mantissa.contains(|c: char| ('1'..='9').contains(&c)) {
        return Err(format!("{text:?} is too small for a double"));
    }
    Ok(value)
}

/// What a unit with an optional prefix measures, and the power of ten of the prefix.
fn unit_of(unit: &str) -> Option<(&'static str, i32)> {
    UNITS.iter().find_map(|&(symbol, name)| {
        let prefix = unit.strip_suffix(symbol)?;
        let (_, power) = PREFIXES.iter().find(|(known, _)| *known == prefix)?;
        Some((name, *power * dimension(symbol)))
    })
}

/// How often the prefix of a unit counts: `um2` is a square of micrometres.
fn dimension(symbol: &str) -> i32 {
    if symbol.ends_with(['2', '\u{b2}']) {
        2
    } else {
        1
    }
}

/// Splits off a decimal number: its sign and digits, its exponent and what follows.
fn split_number(text: &str) -> Option<(&str, i64, &str)> {
    let bytes = text.as_bytes();
    let digits_from = |start: usize| {
        start
            + bytes[start.min(bytes.len())..]
                .iter()
                .take_while(|b| b.is_ascii_digit())
                .count()
    };

    let start = usize::from(matches!(bytes.first(), Some(b'+' | b'-')));
    let mut end = digits_from(start);
    let mut digits = end - start;
    if bytes.get(end) == Some(&b'.') {
        let after = digits_from(end + 1);
        digits += after - (end + 1);
        end = after;
    }
    if digits == 0 {
        return None;
    }
    let mantissa = &text[..end];

    let mut exponent = 0;
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        let last = digits_from(end + 1 + sign);
        if last > end + 1 + sign {
            // An exponent of more digits than fit is as good as the largest that does.
            exponent = text[end + 1..last].parse::<i32>().map_or_else(
                |_| {
                    if bytes[end + 1] == b'-' {
                        i64::from(i32::MIN)
                    } else {
                        i64::from(i32::MAX)
                    }
                },
                i64::from,
            );
            end = last;
        }
    }
    Some((mantissa, exponent, &text[end..]))
}

/// Writes a number of SI units with the engineering prefix that leaves one to three digits before the point (one to six of an area).
///
/// The digits are the shortest that identify the double, only the point moves, so reading the text gives the same
/// double again. What no prefix reaches is written with an exponent.
fn format_si(value: f64, symbol: &str) -> String {
    if value == 0.0 || !value.is_finite() {
        return format!("{value} {symbol}");
    }
    let scientific = format!("{value:e}");
    let parts = scientific
        .split_once('e')
        .and_then(|(m, e)| Some((m, e.parse::<i32>().ok()?)));
    let Some((mantissa, exponent)) = parts else {
        return format!("{scientific} {symbol}");
    };
    let (dimension, group) = (dimension(symbol), 3 * dimension(symbol));
    let power = exponent.div_euclid(group) * group;
    let Some((prefix, _)) = PREFIXES.iter().find(|(_, p)| p * dimension == power) else {
        return format!("{scientific} {symbol}");
    };
    let (sign, mantissa) = mantissa
        .strip_prefix('-')
        .map_or(("", mantissa), |m| ("-", m));
    let mut digits = mantissa.replace('.', "");
    let whole = 1 + exponent.rem_euclid(group) as usize;
    while digits.len() < whole {
        digits.push('0');
    }
    let (before, after) = digits.split_at(whole);
    let point = if after.is_empty() { "" } else { "." };
    format!("{sign}{before}{point}{after} {prefix}{symbol}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn siemens(text: &str) -> f64 {
        text.parse::<Siemens>().unwrap().value()
    }

    fn refusal(text: &str) -> String {
        text.parse::<Siemens>().unwrap_err().to_string()
    }

    #[test]
    fn prefixes_are_powers_of_ten_to_the_last_bit() {
        assert_eq!(siemens("20 uS"), 20e-6);
        assert_eq!(siemens("20uS"), 20e-6);
        assert_eq!(siemens(" +0.3 \u{b5}S "), 0.3e-6);
        assert_eq!(siemens("7 \u{3bc}S"), 7e-6);
        assert_eq!(siemens("1 fS"), 1e-15);
        assert_eq!(siemens("1 pS"), 1e-12);
        assert_eq!(siemens("1.7 nS"), 1.7e-9);
        assert_eq!(siemens("3 mS"), 3e-3);
        assert_eq!(siemens("-3 S"), -3.0);
        assert_eq!(siemens("2 kS"), 2e3);
        assert_eq!(siemens("2 MS"), 2e6);
        assert_eq!(siemens("2 GS"), 2e9);
        assert_eq!(siemens("2.5e1 uS"), 2.5e-5);
        assert_eq!(siemens(".5E-3 uS"), 0.5e-9);
        assert_eq!(siemens("0 S"), 0.0);
    }

    #[test]
    fn every_quantity_has_an_example_that_reads_and_writes() {
        fn check<Q: Quantity>() {
            let example: Q = Q::EXAMPLE.parse().unwrap();
            assert_eq!(example.to_string(), Q::EXAMPLE);
            assert!(Q::EXAMPLE.ends_with(Q::SYMBOL));
            assert_eq!(Q::from_si(example.si()), example);
        }
        check::<Siemens>();
        check::<Volts>();
        check::<Seconds>();
        check::<Ohms>();
        check::<Kelvin>();
        check::<Joules>();
        check::<SquareMetres>();
    }

    #[test]
    fn prefixes_of_areas_count_twice() {
        let area = |text: &str| text.parse::<SquareMetres>().unwrap().value();
        assert_eq!(area("3 um2"), 3e-12);
        assert_eq!(area("1.5 mm\u{b2}"), 1.5e-6);
        assert_eq!(area("484 nm2"), 484e-18);
        for (value, text) in [(3e-12, "3 um2"), (1.5e-7, "150000 um2"), (2.0, "2 m2")] {
            assert_eq!(SquareMetres::new(value).to_string(), text);
        }
    }

    #[test]
    fn ohms_have_several_spellings() {
        for text in ["2.5 kOhm", "2.5kohm", "2.5 k\u{3a9}", "2.5 k\u{2126}"] {
            assert_eq!(text.parse::<Ohms>().unwrap().value(), 2500.0, "{text}");
        }
    }

    #[test]
    fn long_times_are_read_in_words() {
        let seconds = |text: &str| text.parse::<Seconds>().unwrap().value();
        for (text, value) in [
            ("90 min", 5400.0),
            ("1 h", 3600.0),
            ("1day", 86_400.0),
            ("1 month", 2_592_000.0),
            ("1 year", 31_536_000.0),
            ("1e1 years", 315_360_000.0),
            ("0.5 days", 43_200.0),
            ("3 ms", 3e-3),
            ("2 Ms", 2e6),
        ] {
            assert_eq!(seconds(text), value, "{text}");
        }
        assert_eq!(
            refusal("1 h").rsplit("but ").next(),
            Some("\"h\" is a unit of time")
        );
        assert!("1 mh".parse::<Seconds>().is_err());
        assert!("1e308 years".parse::<Seconds>().is_err());
    }

    #[test]
    fn refusals_say_what_was_read_and_what_is_expected() {
        let expected = "expected a conductance such as \"20 uS\", but ";
        for (text, problem) in [
            ("20", "\"20\" has no unit"),
            (
                "20 u",
                "\"u\" is not a unit of conductance (upper and lower case matter)",
            ),
            ("20 us", "\"us\" is a unit of time"),
            ("20 kOhm", "\"kOhm\" is a unit of resistance"),
            (
                "20 uuS",
                "\"uuS\" is not a unit of conductance (upper and lower case matter)",
            ),
            (
                "20 u S",
                "\"u S\" is not a unit of conductance (upper and lower case matter)",
            ),
            (
                "20 uS/V",
                "\"uS/V\" is not a unit of conductance (upper and lower case matter)",
            ),
            ("nan S", "\"nan S\" does not start with a finite number"),
            ("inf S", "\"inf S\" does not start with a finite number"),
            ("", "\"\" does not start with a finite number"),
            ("- S", "\"- S\" does not start with a finite number"),
            (".uS", "\".uS\" does not start with a finite number"),
            ("uS", "\"uS\" does not start with a finite number"),
            ("1e400 S", "\"1e400 S\" is too large for a double"),
            (
                "1e99999999999 S",
                "\"1e99999999999 S\" is too large for a double",
            ),
            ("1e-400 S", "\"1e-400 S\" is too small for a double"),
            (
                "1e-99999999999 S",
                "\"1e-99999999999 S\" is too small for a double",
            ),
        ] {
            assert_eq!(refusal(text), format!("{expected}{problem}"));
        }
    }

    #[test]
    fn display_chooses_the_engineering_prefix() {
        for (value, text) in [
            (20e-6, "20 uS"),
            (1e-6, "1 uS"),
            (999e-9, "999 nS"),
            (1.25e-5, "12.5 uS"),
            (0.0, "0 S"),
            (1.0, "1 S"),
            (-1500.0, "-1.5 kS"),
            (1e-15, "1 fS"),
            (1e-16, "1e-16 S"),
            (999e9, "999 GS"),
            (1e12, "1e12 S"),
        ] {
            assert_eq!(Siemens::new(value).to_string(), text);
        }
        assert_eq!(format!("{:>8}", Siemens::new(1e-6)), "    1 uS");
    }

    proptest! {
        #[test]
        fn display_round_trips(value in prop::num::f64::NORMAL | prop::num::f64::SUBNORMAL) {
            let text = Siemens::new(value).to_string();
            prop_assert_eq!(siemens(&text), value, "{}", text);
        }

        #[test]
        fn no_text_makes_the_parser_fail_otherwise_than_by_refusing(text in "[-+.0-9eEuµkSsΩ ]{0,12}") {
            if let Ok(quantity) = text.parse::<Siemens>() {
                prop_assert!(quantity.value().is_finite());
            }
        }
    }
}
