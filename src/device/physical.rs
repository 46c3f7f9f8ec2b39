//! What physical laws share: the motion of a state under one pulse, and parameters of pulses.

use super::law::{Kind, Parameter};
use crate::number::Real;

/// Equal parts of a pulse. Device files whose worst pulse this does not resolve are refused ([`super::file`]).
pub(super) const PARTS: usize = 8;

/// Change of the state `s` in `duration` at this rate (1/s), by the midpoint rule in `parts` equal parts.
///
/// # Reference
/// Hairer, Nørsett, Wanner, *Solving Ordinary Differential Equations I*, 2nd ed., Springer 1993, §II.1,
/// <https://doi.org/10.1007/978-3-540-78862-1> (second order).
#[inline(always)]
pub(super) fn moved<R: Real>(s: R, duration: R, parts: usize, rate: impl Fn(R) -> R) -> R {
    let part = duration * R::lit(1.0 / parts as f64);
    let half = part * R::lit(0.5);
    let mut sum = R::lit(0.0);
    for _ in 0..parts {
        let middle = half.mul_add(rate(s + sum), s + sum);
        sum = part.mul_add(rate(middle), sum);
    }
    sum
}

/// One parameter of a physical law.
pub(super) const fn parameter(
    name: &'static str,
    kind: Kind,
    least: f64,
    most: f64,
    meaning: &'static str,
) -> Parameter {
    Parameter {
        name,
        kind,
        least,
        most,
        meaning,
    }
}

/// Voltage of a potentiating pulse.
pub(super) const SET_VOLTAGE: Parameter = parameter(
    "set-voltage",
    Kind::Voltage,
    -100.0,
    100.0,
    "voltage of a potentiating pulse",
);
/// Voltage of a depressing pulse.
pub(super) const RESET_VOLTAGE: Parameter = parameter(
    "reset-voltage",
    Kind::Voltage,
    -100.0,
    100.0,
    "voltage of a depressing pulse",
);
/// Width of a potentiating pulse.
pub(super) const SET_WIDTH: Parameter = parameter(
    "set-width",
    Kind::Time,
    1e-15,
    1e3,
    "width of a potentiating pulse",
);
/// Width of a depressing pulse.
pub(super) const RESET_WIDTH: Parameter = parameter(
    "reset-width",
    Kind::Time,
    1e-15,
    1e3,
    "width of a depressing pulse",
);
/// Resistance at state 1.
pub(super) const ON_RESISTANCE: Parameter = parameter(
    "on-resistance",
    Kind::Resistance,
    1e-3,
    1e15,
    "resistance at the upper end of the state",
);
/// Resistance at state 0.
pub(super) const OFF_RESISTANCE: Parameter = parameter(
    "off-resistance",
    Kind::Resistance,
    1e-3,
    1e15,
    "resistance at the lower end of the state",
);
/// Exponent p of windows `1 - x^{2p}`.
pub(super) const WINDOW_EXPONENT: Parameter = parameter(
    "window-exponent",
    Kind::Ratio,
    1.0,
    20.0,
    "how flat the window is away from the ends of the state",
);

#[cfg(test)]
mod tests {
    use super::*;

    /// `ds/dt = -s`: the error falls by four where parts double (order two).
    #[test]
    fn the_rule_is_of_second_order() {
        let error = |parts| moved(1.0, 1.0, parts, |s: f64| -s) - (-1.0_f64).exp_m1();
        let ratio = error(16) / error(32);
        assert!((ratio - 4.0).abs() < 0.2, "{ratio}");
    }
}
