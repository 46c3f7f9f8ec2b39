//! What physical laws share: the parameters of pulses, and ramps of them.

use super::ion_drift::inside;
use super::law::{Kind, LOWER, Law, OWN, Parameter, Pulse, UPPER};
use super::motion;
use crate::document::{Rule, Section};
use crate::number::Real;
use crate::units::{Seconds, Volts};

/// How far through the window a pulse finds a cell at state `s`, by its conductance: 0 at the end that the pulse comes from, 1 at the one
/// that it goes to.
#[inline(always)]
fn progress<L: Law, R: Real>(p: &[R], s: R, pulse: &Pulse<R>) -> R {
    let [from, here, to] = [p[LOWER], inside(p, s), p[UPPER]].map(|s| L::conductance(p, s));
    pulse.choose(here - from, to - here) / (to - from)
}

/// What a law that moves has for itself and its pulses, and its [`MOTION`].
#[inline(always)]
fn split<L: Law, R: Real>(p: &[R]) -> (&[R], &[R]) {
    p[OWN..OWN + L::PARAMETERS.len()].split_at(L::PARAMETERS.len() - MOTION.len())
}

/// What a law that moves has for itself and its pulses.
#[inline(always)]
pub(super) fn own<L: Law, R: Real>(p: &[R]) -> &[R] {
    split::<L, R>(p).0
}

/// Ramps of a law that moves.
#[inline(always)]
fn ramps<L: Law, R: Real>(p: &[R]) -> &[R] {
    split::<L, R>(p).1
}

/// Width in seconds of a pulse on a cell that it finds at state `s`: the first four parameters of every law that moves are
/// [`PULSES`], the last five [`MOTION`].
#[inline(always)]
pub(super) fn width<L: Law, R: Real>(p: &[R], s: R, pulse: &Pulse<R>) -> R {
    let ramps = ramps::<L, R>(p);
    let ramp = pulse.choose(ramps[2], ramps[3]);
    ramp.mul_add(
        progress::<L, R>(p, s, pulse),
        pulse.choose(p[OWN + 2], p[OWN + 3]),
    )
}

/// Voltage of a pulse on a cell that it finds at state `s`.
#[inline(always)]
pub(super) fn voltage<L: Law, R: Real>(p: &[R], s: R, pulse: &Pulse<R>) -> R {
    let ramps = ramps::<L, R>(p);
    let ramp = pulse.choose(ramps[0], ramps[1]);
    ramp.mul_add(
        progress::<L, R>(p, s, pulse),
        pulse.choose(p[OWN], p[OWN + 1]),
    )
}

/// Reads `[pulse-scheme]`, the ramps of pulses across the window, in the order of [`MOTION`].
///
/// # Equation
/// Level k of `levels` gets a pulse of `V + k ΔV` and `w + k Δw`; a controller that counts levels along the conductance x finds k =
/// `levels` x on the way up and `levels` (1 - x) on the way down (incremental-step pulse programming).
///
/// # Symbols
/// | symbol | key | unit |
/// | --- | --- | --- |
/// | – | `levels` | – |
/// | ΔV | `set-voltage-step`, `reset-voltage-step` | V, with the sign of the change |
/// | Δw | `set-width-step`, `reset-width-step` | s |
///
/// # Reference
/// Jerry et al., IEDM 2017, <https://doi.org/10.1109/IEDM.2017.8268338> (ferroelectric transistors: 75 ns from 2.85 V in steps of 50 mV).
pub(super) fn scheme(section: &Section) -> [f64; 4] {
    let levels = section.number("levels", Rule::Positive);
    let volts = ["set-voltage-step", "reset-voltage-step"]
        .map(|key| section.optional_quantity::<Volts>(key, Rule::Any));
    let seconds = ["set-width-step", "reset-width-step"]
        .map(|key| section.optional_quantity::<Seconds>(key, Rule::Any));
    let of = |step: Option<f64>| levels * step.unwrap_or(0.0);
    [
        of(volts[0].map(Volts::value)),
        of(volts[1].map(Volts::value)),
        of(seconds[0].map(Seconds::value)),
        of(seconds[1].map(Seconds::value)),
    ]
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

/// Voltages and widths of potentiating and depressing pulses: the first parameters of every physical law.
pub(super) const PULSES: [Parameter; 4] = [
    volts("set-voltage", "voltage of a potentiating pulse"),
    volts("reset-voltage", "voltage of a depressing pulse"),
    seconds("set-width", "width of a potentiating pulse"),
    seconds("reset-width", "width of a depressing pulse"),
];

const fn volts(name: &'static str, meaning: &'static str) -> Parameter {
    parameter(name, Kind::Voltage, -100.0, 100.0, meaning)
}

const fn seconds(name: &'static str, meaning: &'static str) -> Parameter {
    parameter(name, Kind::Time, 1e-15, 1e3, meaning)
}

/// Names of all that is a voltage of a pulse.
pub(super) const VOLTAGES: [&str; 4] = [
    PULSES[0].name,
    PULSES[1].name,
    MOTION[0].name,
    MOTION[1].name,
];

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
/// Ramps of the pulses from one end of the window to the other, which `[pulse-scheme]` gives, and the parts that a pulse is followed in,
/// chosen when a file is read ([`parts_for`](super::motion::parts_for)): the last parameters of every law that moves.
const MOTION: [Parameter; 5] = [
    ramp("set-voltage-ramp", 100.0),
    ramp("reset-voltage-ramp", 100.0),
    ramp("set-width-ramp", 1e3),
    ramp("reset-width-ramp", 1e3),
    parameter(
        "parts",
        Kind::Derived,
        motion::PARTS[0] as f64,
        motion::PARTS[1] as f64,
        "equal parts in which a pulse is followed",
    ),
];

const fn ramp(name: &'static str, most: f64) -> Parameter {
    parameter(
        name,
        Kind::Derived,
        -most,
        most,
        "what pulses gain across the window",
    )
}

/// The `N` parameters of a law that moves, from those between [`PULSES`] and [`MOTION`].
pub(super) const fn of_motion<const N: usize>(own: &[Parameter]) -> [Parameter; N] {
    joined(&[&PULSES, own, &MOTION])
}

/// Lists of `N` parameters in all, one after another.
pub(super) const fn joined<const N: usize>(lists: &[&[Parameter]]) -> [Parameter; N] {
    let mut all = [PULSES[0]; N];
    let (mut list, mut next, mut count) = (0, 0, 0);
    while list < lists.len() {
        if next < lists[list].len() {
            all[count] = lists[list][next];
            (next, count) = (next + 1, count + 1);
        } else {
            (list, next) = (list + 1, 0);
        }
    }
    assert!(count == N, "N parameters in all");
    all
}
