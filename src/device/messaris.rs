//! The data-driven model of Messaris and others: the resistance moves towards a boundary that depends on the voltage.
//!
//! # Equation
//! `dR/dt = s(V) f(R, V)`. Law `messaris`: `s = A (e^{t |V|} - 1)`, `f = e^{k (r(V) - R)} - 1` while the resistance rises to r, `e^{k (R - r(V))} - 1` while
//! it falls to r. Law `messaris-square`: `s = A (e^{|V|/t} - 1)`, `f = (R - r(V))²`. Beyond the boundary `r(V) = r₀ + r₁ V` nothing moves.
//! State `s = (R_off - R)/(R_off - R_on)`, conductance `1/R`.
//!
//! # Symbols
//! | symbol | key | unit |
//! | --- | --- | --- |
//! | V | `set-voltage`, `reset-voltage` | V |
//! | – | `set-width`, `reset-width` | s |
//! | \|A\| | `set-speed`, `reset-speed` | Ω/s; 1/(Ω s) for `messaris-square` |
//! | t | `set-slope`, `reset-slope` | 1/V; V for `messaris-square` |
//! | k | `set-decay`, `reset-decay` | 1/Ω, `messaris` alone |
//! | r₀ | `set-boundary`, `reset-boundary` | Ω |
//! | r₁ | `set-boundary-slope`, `reset-boundary-slope` | Ω/V |
//! | R_on, R_off | `on-resistance`, `off-resistance` | Ω: ends of the window |
//!
//! # Behaviour
//! A set pulse lowers the resistance, fast far from its boundary and with the logarithm of time near it (`messaris`), or with its
//! inverse (`messaris-square`). Steps differ by orders of magnitude over a wide window, so the window of a file is the part that its pulses cross.
//!
//! # Reference
//! Messaris, Serb, Stathopoulos, Khiat, Nikolaidis, Prodromakis, IEEE TCAD 37, 3151 (2018),
//! <https://doi.org/10.1109/TCAD.2018.2791468>; the square in its preprint, <https://arxiv.org/abs/1703.01167>.
//!
//! # Differences
//! Signs of A are those of the directions: the file gives sizes, and voltages of the sign that moves the cell so. MemTorch's `Data_Driven` steps a
//! closed solution of the same equation at fixed times and stops hard at R_on and R_off; its `Data_Driven2021` writes the square with times
//! of opposite sign. Currents `a/R sinh(bV)` are read as ohmic.

use super::ion_drift::{conductance, inside};
use super::law::{Kind, Law, OWN, Parameter, Pulse};
use super::motion::DRIVE;
use super::physical::{OFF_RESISTANCE, ON_RESISTANCE, of_motion, own, parameter, voltage};
use crate::number::Real;

/// `dR/dt = A (e^{t |V|} - 1)(e^{k (R - r(V))} - 1)`.
#[derive(Debug, Clone, Copy)]
pub struct Messaris;

/// `dR/dt = A (e^{|V|/t} - 1)(R - r(V))²`.
#[derive(Debug, Clone, Copy)]
pub struct MessarisSquare;

const fn speed(name: &'static str) -> Parameter {
    parameter(
        name,
        Kind::Ratio,
        0.0,
        1e18,
        "size of A, how fast the resistance moves",
    )
}

const fn slope(name: &'static str, kind: Kind) -> Parameter {
    parameter(
        name,
        kind,
        -1e3,
        1e3,
        "how fast the speed grows with the voltage",
    )
}

const fn decay(name: &'static str) -> Parameter {
    parameter(
        name,
        Kind::Ratio,
        1e-12,
        1.0,
        "how fast the speed grows with the distance from the boundary, in 1/Ohm",
    )
}

const fn boundary(name: &'static str) -> Parameter {
    parameter(
        name,
        Kind::Ratio,
        -1e12,
        1e12,
        "resistance at which motion ends at no voltage, in Ohm",
    )
}

const fn boundary_slope(name: &'static str) -> Parameter {
    parameter(
        name,
        Kind::Ratio,
        -1e12,
        1e12,
        "what a volt adds to it, in Ohm/V",
    )
}

/// The six parameters from the boundary on, which both laws have last.
#[inline(always)]
fn shared<L: Law, R: Real>(p: &[R]) -> &[R] {
    let own = own::<L, R>(p);
    &own[own.len() - 6..]
}

#[inline(always)]
fn readout<L: Law, R: Real>(p: &[R], s: R) -> R {
    let shared = shared::<L, R>(p);
    conductance(shared[4] / shared[5], inside(p, s))
}

/// Speed of the state without its dependence on the resistance, and the resistance at which a pulse of this voltage ends; `growth` is
/// the exponent of the voltage.
#[inline(always)]
fn drive<L: Law, R: Real>(p: &[R], voltage: R, growth: R, pulse: &Pulse<R>) -> [R; DRIVE] {
    let (own, shared, zero) = (&p[OWN..], shared::<L, R>(p), R::lit(0.0));
    let speed = pulse.choose(own[4], own[5]) * growth.exp_m1().abs();
    let speed = pulse.choose(speed, -speed) / (shared[5] - shared[4]);
    let slope = pulse.choose(shared[2], shared[3]);
    let end = slope.mul_add(voltage, pulse.choose(shared[0], shared[1]));
    [speed, end, zero, zero]
}

/// How far the resistance at state `s` is from the end of the pulse; none beyond it.
#[inline(always)]
fn distance<L: Law, R: Real>(p: &[R], end: R, s: R, pulse: &Pulse<R>) -> R {
    let shared = shared::<L, R>(p);
    let resistance = (shared[4] - shared[5]).mul_add(inside(p, s), shared[5]);
    pulse
        .choose(resistance - end, end - resistance)
        .max(R::lit(0.0))
}

impl Law for Messaris {
    const NAME: &'static str = "messaris";
    const PARAMETERS: &'static [Parameter] = &of_motion::<21>(&[
        speed("set-speed"),
        speed("reset-speed"),
        slope("set-slope", Kind::Ratio),
        slope("reset-slope", Kind::Ratio),
        decay("set-decay"),
        decay("reset-decay"),
        boundary("set-boundary"),
        boundary("reset-boundary"),
        boundary_slope("set-boundary-slope"),
        boundary_slope("reset-boundary-slope"),
        ON_RESISTANCE,
        OFF_RESISTANCE,
    ]);
    const MOVES: bool = true;

    #[inline(always)]
    fn conductance<R: Real>(p: &[R], s: R) -> R {
        readout::<Self, R>(p, s)
    }

    #[inline(always)]
    fn drive<R: Real>(p: &[R], s: R, pulse: &Pulse<R>) -> [R; DRIVE] {
        let voltage = voltage::<Self, R>(p, s, pulse);
        let growth = pulse.choose(p[OWN + 6], p[OWN + 7]) * voltage.abs();
        drive::<Self, R>(p, voltage, growth, pulse)
    }

    #[inline(always)]
    fn rate<R: Real>(p: &[R], [speed, end, ..]: &[R; DRIVE], s: R, pulse: &Pulse<R>) -> R {
        let own = &p[OWN..];
        let distance = distance::<Self, R>(p, *end, s, pulse);
        *speed * (pulse.choose(own[8], own[9]) * distance).exp_m1()
    }
}

impl Law for MessarisSquare {
    const NAME: &'static str = "messaris-square";
    const PARAMETERS: &'static [Parameter] = &of_motion::<19>(&[
        speed("set-speed"),
        speed("reset-speed"),
        slope("set-slope", Kind::Voltage),
        slope("reset-slope", Kind::Voltage),
        boundary("set-boundary"),
        boundary("reset-boundary"),
        boundary_slope("set-boundary-slope"),
        boundary_slope("reset-boundary-slope"),
        ON_RESISTANCE,
        OFF_RESISTANCE,
    ]);
    const MOVES: bool = true;

    #[inline(always)]
    fn conductance<R: Real>(p: &[R], s: R) -> R {
        readout::<Self, R>(p, s)
    }

    #[inline(always)]
    fn drive<R: Real>(p: &[R], s: R, pulse: &Pulse<R>) -> [R; DRIVE] {
        let voltage = voltage::<Self, R>(p, s, pulse);
        let growth = voltage.abs() / pulse.choose(p[OWN + 6], p[OWN + 7]);
        drive::<Self, R>(p, voltage, growth, pulse)
    }

    #[inline(always)]
    fn rate<R: Real>(p: &[R], [speed, end, ..]: &[R; DRIVE], s: R, pulse: &Pulse<R>) -> R {
        *speed * distance::<Self, R>(p, *end, s, pulse).square()
    }
}
