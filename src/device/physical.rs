//! What physical laws share: the parameters of pulses.

use super::law::{Kind, OWN, Parameter, Pulse};
use super::motion;
use crate::number::Real;

/// Width in seconds of a pulse on a cell at state `s`: the first four parameters of every law that moves are [`SET_VOLTAGE`],
/// [`RESET_VOLTAGE`], [`SET_WIDTH`] and [`RESET_WIDTH`].
#[inline(always)]
pub(super) fn width<R: Real>(p: &[R], _s: R, pulse: &Pulse<R>) -> R {
    pulse.choose(p[OWN + 2], p[OWN + 3])
}

/// Voltage of a pulse on a cell at state `s`.
#[inline(always)]
pub(super) fn voltage<R: Real>(p: &[R], _s: R, pulse: &Pulse<R>) -> R {
    pulse.choose(p[OWN], p[OWN + 1])
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
/// Parts that a pulse is followed in, of every law that moves its last parameter; chosen when a file is read
/// ([`parts_for`](super::motion::parts_for)).
pub(super) const PARTS: Parameter = parameter(
    "parts",
    Kind::Derived,
    motion::PARTS[0] as f64,
    motion::PARTS[1] as f64,
    "equal parts in which a pulse is followed",
);
