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
use super::motion::{DRIVE, moved};
use super::physical::{
    OFF_RESISTANCE, ON_RESISTANCE, PARTS, RAMPS, RESET_VOLTAGE, RESET_WIDTH, SET_VOLTAGE,
    SET_WIDTH, parameter, voltage,
};
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

/// Places of the parameters that both laws have, in `p[OWN..]`.
struct Places {
    boundary: usize,
    resistances: usize,
}

const PLACES: Places = Places {
    boundary: 10,
    resistances: 14,
};

const SQUARE: Places = Places {
    boundary: 8,
    resistances: 12,
};

impl Places {
    /// The resistance at which a pulse of this voltage ends.
    #[inline(always)]
    fn end<R: Real>(&self, p: &[R], voltage: R, pulse: &Pulse<R>) -> R {
        let own = &p[OWN + self.boundary..];
        let slope = pulse.choose(own[2], own[3]);
        slope.mul_add(voltage, pulse.choose(own[0], own[1]))
    }

    /// How far the resistance at state `s` is from the end of the pulse; none beyond it.
    #[inline(always)]
    fn distance<R: Real>(&self, p: &[R], end: R, s: R, pulse: &Pulse<R>) -> R {
        let own = &p[OWN + self.resistances..];
        let resistance = (own[0] - own[1]).mul_add(inside(p, s), own[1]);
        pulse
            .choose(resistance - end, end - resistance)
            .max(R::lit(0.0))
    }

    /// Speed of the state in 1/s for a speed of the resistance.
    #[inline(always)]
    fn of_state<R: Real>(&self, p: &[R], speed: R, pulse: &Pulse<R>) -> R {
        let own = &p[OWN + self.resistances..];
        pulse.choose(speed, -speed) / (own[1] - own[0])
    }

    #[inline(always)]
    fn conductance<R: Real>(&self, p: &[R], s: R) -> R {
        let own = &p[OWN + self.resistances..];
        conductance(own[0] / own[1], inside(p, s))
    }
}

impl Law for Messaris {
    const NAME: &'static str = "messaris";
    const PARAMETERS: &'static [Parameter] = &[
        SET_VOLTAGE,
        RESET_VOLTAGE,
        SET_WIDTH,
        RESET_WIDTH,
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
        RAMPS[0],
        RAMPS[1],
        RAMPS[2],
        RAMPS[3],
        PARTS,
    ];
    const DERIVES_STEP: bool = true;
    const MOVES: bool = true;

    #[inline(always)]
    fn conductance<R: Real>(p: &[R], s: R) -> R {
        PLACES.conductance(p, s)
    }

    #[inline(always)]
    fn step<R: Real>(p: &[R], s: R, pulse: &Pulse<R>) -> R {
        moved::<Self, R>(p, s, pulse)
    }

    /// Speed of the state without its window, and the resistance at which the pulse ends.
    #[inline(always)]
    fn drive<R: Real>(p: &[R], s: R, pulse: &Pulse<R>) -> [R; DRIVE] {
        let (own, zero) = (&p[OWN..], R::lit(0.0));
        let voltage = voltage::<Self, R>(p, s, pulse);
        let growth = (pulse.choose(own[6], own[7]) * voltage.abs())
            .exp_m1()
            .abs();
        let speed = PLACES.of_state(p, pulse.choose(own[4], own[5]) * growth, pulse);
        [speed, PLACES.end(p, voltage, pulse), zero, zero]
    }

    #[inline(always)]
    fn rate<R: Real>(p: &[R], [speed, end, ..]: &[R; DRIVE], s: R, pulse: &Pulse<R>) -> R {
        let own = &p[OWN..];
        let distance = PLACES.distance(p, *end, s, pulse);
        *speed * (pulse.choose(own[8], own[9]) * distance).exp_m1()
    }
}

impl Law for MessarisSquare {
    const NAME: &'static str = "messaris-square";
    const PARAMETERS: &'static [Parameter] = &[
        SET_VOLTAGE,
        RESET_VOLTAGE,
        SET_WIDTH,
        RESET_WIDTH,
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
        RAMPS[0],
        RAMPS[1],
        RAMPS[2],
        RAMPS[3],
        PARTS,
    ];
    const DERIVES_STEP: bool = true;
    const MOVES: bool = true;

    #[inline(always)]
    fn conductance<R: Real>(p: &[R], s: R) -> R {
        SQUARE.conductance(p, s)
    }

    #[inline(always)]
    fn step<R: Real>(p: &[R], s: R, pulse: &Pulse<R>) -> R {
        moved::<Self, R>(p, s, pulse)
    }

    /// Speed of the state at a distance of 1 Ω from its end, and the resistance at which the pulse ends.
    #[inline(always)]
    fn drive<R: Real>(p: &[R], s: R, pulse: &Pulse<R>) -> [R; DRIVE] {
        let (own, zero) = (&p[OWN..], R::lit(0.0));
        let voltage = voltage::<Self, R>(p, s, pulse);
        let growth = (voltage.abs() / pulse.choose(own[6], own[7]))
            .exp_m1()
            .abs();
        let speed = SQUARE.of_state(p, pulse.choose(own[4], own[5]) * growth, pulse);
        [speed, SQUARE.end(p, voltage, pulse), zero, zero]
    }

    #[inline(always)]
    fn rate<R: Real>(p: &[R], [speed, end, ..]: &[R; DRIVE], s: R, pulse: &Pulse<R>) -> R {
        *speed * SQUARE.distance(p, *end, s, pulse).square()
    }
}
