//! VTEAM: a state that moves as a power of the voltage above a threshold.
//!
//! # Equation
//! `ds/dt = |k|/D · (V/V_th - 1)^α · f(s)` with `k, V_th, α` of the pulse's direction, `R(s) = R_on s + R_off (1 - s)`, Biolek's window
//! `f = 1 - s^{2p}` towards R_on and `1 - (1 - s)^{2p}` back. Conductance `1/R(s)`.
//!
//! # Symbols
//! | symbol | key | unit |
//! | --- | --- | --- |
//! | V | `set-voltage`, `reset-voltage` | V |
//! | – | `set-width`, `reset-width` | s |
//! | k | `on-speed`, `off-speed` | m/s |
//! | V_th | `on-threshold`, `off-threshold` | V |
//! | α | `on-exponent`, `off-exponent` | – |
//! | D | `thickness` | m |
//! | R_on, R_off | `on-resistance`, `off-resistance` | Ω |
//! | p | `window-exponent` | – |
//!
//! # Behaviour
//! A pulse at or below its threshold moves nothing. At one voltage the speed is a constant times the window, so set and reset are as
//! unequal as their speeds are. The state s is 1 at R_on. Pulses are followed in parts by a rule of fourth order.
//!
//! # Reference
//! Kvatinsky, Ramadan, Friedman, Kolodny, IEEE Trans. Circuits Syst. II 62, 786 (2015), <https://doi.org/10.1109/TCSII.2015.2433536>,
//! Eq. 1.
//!
//! # Differences
//! The paper measures its state w from R_on; here s = 1 - w/D rises with the conductance. MemTorch integrates with steps of 10⁻¹⁰ s by Euler's
//! rule and stops hard at both ends without a window: a large `window-exponent` is that.

use super::ion_drift::{biolek, conductance, inside};
use super::law::{Kind, Law, OWN, Parameter, Pulse};
use super::motion::DRIVE;
use super::physical::{OFF_RESISTANCE, ON_RESISTANCE, WINDOW_EXPONENT, of_motion, voltage};
use crate::number::Real;

/// `ds/dt = |k|/D · (V/V_th - 1)^α · f(s)`.
#[derive(Debug, Clone, Copy)]
pub struct Vteam;

const fn speed(name: &'static str, meaning: &'static str) -> Parameter {
    Parameter {
        name,
        kind: Kind::Ratio,
        least: 0.0,
        most: 1e9,
        meaning,
    }
}

const fn threshold(name: &'static str, meaning: &'static str) -> Parameter {
    Parameter {
        name,
        kind: Kind::Voltage,
        least: -100.0,
        most: 100.0,
        meaning,
    }
}

const fn exponent(name: &'static str, meaning: &'static str) -> Parameter {
    Parameter {
        name,
        kind: Kind::Ratio,
        least: 0.5,
        most: 20.0,
        meaning,
    }
}

impl Law for Vteam {
    const NAME: &'static str = "vteam";
    const PARAMETERS: &'static [Parameter] = &of_motion::<19>(&[
        speed("on-speed", "|k_on| in m/s"),
        speed("off-speed", "|k_off| in m/s"),
        threshold(
            "on-threshold",
            "voltage beyond which the state moves towards R_on",
        ),
        threshold(
            "off-threshold",
            "voltage beyond which the state moves towards R_off",
        ),
        exponent(
            "on-exponent",
            "power of the voltage above the threshold towards R_on",
        ),
        exponent(
            "off-exponent",
            "power of the voltage above the threshold towards R_off",
        ),
        Parameter {
            name: "thickness",
            kind: Kind::Length,
            least: 1e-10,
            most: 1e-5,
            meaning: "range of the state",
        },
        ON_RESISTANCE,
        OFF_RESISTANCE,
        WINDOW_EXPONENT,
    ]);
    const MOVES: bool = true;

    #[inline(always)]
    fn conductance<R: Real>(p: &[R], s: R) -> R {
        conductance(p[OWN + 11] / p[OWN + 12], inside(p, s))
    }

    /// The speed without its window, signed.
    #[inline(always)]
    fn drive<R: Real>(p: &[R], s: R, pulse: &Pulse<R>) -> [R; DRIVE] {
        let own = &p[OWN..];
        let (speed, threshold) = (pulse.choose(own[4], own[5]), pulse.choose(own[6], own[7]));
        let (zero, least) = (R::lit(0.0), R::lit(1e-37));
        let above = voltage::<Self, R>(p, s, pulse) / threshold - R::lit(1.0);
        // A small normal number keeps the logarithm finite.
        let power = above.max(least).powf(pulse.choose(own[8], own[9]));
        let speed = speed / own[10] * R::select_lt(zero, above, power, zero);
        [pulse.choose(speed, -speed), zero, zero, zero]
    }

    #[inline(always)]
    fn rate<R: Real>(p: &[R], drive: &[R; DRIVE], s: R, pulse: &Pulse<R>) -> R {
        drive[0] * biolek(inside(p, s), p[OWN + 13], pulse)
    }
}
