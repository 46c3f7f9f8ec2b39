//! Linear ion drift: the boundary between doped and undoped oxide moves with the current, more slowly near the electrodes.
//!
//! # Equation
//! `ds/dt = μ R_on/D² · V/R(s) · f(s)`, `R(s) = R_on s + R_off (1 - s)`, with the window of Joglekar `f = 1 - (2s - 1)^{2p}` or of Biolek
//! `f = 1 - s^{2p}` for V > 0, `1 - (1 - s)^{2p}` for V < 0. Conductance `1/R(s)`.
//!
//! # Symbols
//! | symbol | key | unit |
//! | --- | --- | --- |
//! | V | `set-voltage`, `reset-voltage` | V |
//! | – | `set-width`, `reset-width` | s |
//! | μ | `mobility` | m²/(V s) |
//! | D | `thickness` | m |
//! | R_on, R_off | `on-resistance`, `off-resistance` | Ω |
//! | p | `window-exponent` | – |
//!
//! # Behaviour
//! The state s is the doped part of the thickness, 1 at R_on. Steps of the conductance grow towards R_on, so noise of the state drifts
//! the conductance up. With Joglekar's window a state at an electrode never leaves it again; Biolek's lets it go. Pulses are followed
//! in parts by a rule of fourth order; a train without noise is one long pulse.
//!
//! # Reference
//! Strukov, Snider, Stewart, Williams, Nature 453, 80 (2008), <https://doi.org/10.1038/nature06932>; Joglekar, Wolf, Eur. J. Phys. 30,
//! 661 (2009), <https://doi.org/10.1088/0143-0807/30/4/001>; Biolek, Biolek, Biolková, Radioengineering 18, 210 (2009).
//!
//! # Differences
//! MemTorch integrates any waveform with steps of 10⁻⁴ s by Euler's rule and ignores voltages below thresholds; here a pulse has one
//! voltage and one width, which the file names.

use super::law::{Kind, LOWER, Law, OWN, Parameter, Pulse, UPPER};
use super::motion::DRIVE;
use super::physical::{OFF_RESISTANCE, ON_RESISTANCE, WINDOW_EXPONENT, of_motion, voltage};
use crate::number::Real;

/// Linear ion drift with Joglekar's window.
#[derive(Debug, Clone, Copy)]
pub struct JoglekarDrift;

/// Linear ion drift with Biolek's window.
#[derive(Debug, Clone, Copy)]
pub struct BiolekDrift;

const PARAMETERS: &[Parameter] = &of_motion::<14>(&[
    Parameter {
        name: "mobility",
        kind: Kind::Ratio,
        least: 1e-20,
        most: 1e-6,
        meaning: "mobility of the dopants in m²/(V s)",
    },
    Parameter {
        name: "thickness",
        kind: Kind::Length,
        least: 1e-10,
        most: 1e-5,
        meaning: "thickness of the oxide",
    },
    ON_RESISTANCE,
    OFF_RESISTANCE,
    WINDOW_EXPONENT,
]);

/// `x^{2p}` of a number of any sign.
#[inline(always)]
fn even_power<R: Real>(x: R, p: R) -> R {
    // The smallest normal number keeps the logarithm finite.
    x.square().max(R::lit(1e-37)).powf(p)
}

/// Conductance over that between both ends, of resistances that are linear in the state: `(1/R - 1/R_off)/(1/R_on - 1/R_off)`, `ratio`
/// R_on over R_off.
#[inline(always)]
pub(super) fn conductance<R: Real>(ratio: R, s: R) -> R {
    ratio * s / resistance(ratio, s)
}

/// Resistance over R_off.
#[inline(always)]
fn resistance<R: Real>(ratio: R, s: R) -> R {
    // In this form nothing cancels near R_on.
    ratio.mul_add(s, R::lit(1.0) - s)
}

/// The state in the cell's window: expectations over noise look beyond it, where there is no oxide.
#[inline(always)]
pub(super) fn inside<R: Real>(p: &[R], s: R) -> R {
    s.max(p[LOWER]).min(p[UPPER])
}

/// Biolek's window.
#[inline(always)]
pub(super) fn biolek<R: Real>(s: R, exponent: R, pulse: &Pulse<R>) -> R {
    let one = R::lit(1.0);
    one - even_power(pulse.choose(s, one - s), exponent)
}

/// R_on over R_off, and the speed without its window.
#[inline(always)]
fn drive<L: Law, R: Real>(p: &[R], s: R, pulse: &Pulse<R>) -> [R; DRIVE] {
    let own = &p[OWN..];
    let ratio = own[6] / own[7];
    // μ R_on/(D² R_off) V, in an order that single precision can hold.
    let speed = (own[4] / own[5]) * ratio * (voltage::<L, R>(p, s, pulse) / own[5]);
    [ratio, speed, R::lit(0.0), R::lit(0.0)]
}

#[inline(always)]
fn rate<R: Real>([ratio, speed, ..]: &[R; DRIVE], s: R, window: R) -> R {
    *speed * window / resistance(*ratio, s)
}

impl Law for JoglekarDrift {
    const NAME: &'static str = "linear-ion-drift-joglekar";
    const PARAMETERS: &'static [Parameter] = PARAMETERS;
    const MOVES: bool = true;

    #[inline(always)]
    fn conductance<R: Real>(p: &[R], s: R) -> R {
        conductance(p[OWN + 6] / p[OWN + 7], inside(p, s))
    }

    #[inline(always)]
    fn drive<R: Real>(p: &[R], s: R, pulse: &Pulse<R>) -> [R; DRIVE] {
        drive::<Self, R>(p, s, pulse)
    }

    #[inline(always)]
    fn rate<R: Real>(p: &[R], drive: &[R; DRIVE], s: R, _pulse: &Pulse<R>) -> R {
        let (s, one) = (inside(p, s), R::lit(1.0));
        rate(drive, s, one - even_power(s + s - one, p[OWN + 8]))
    }
}

impl Law for BiolekDrift {
    const NAME: &'static str = "linear-ion-drift-biolek";
    const PARAMETERS: &'static [Parameter] = PARAMETERS;
    const MOVES: bool = true;

    #[inline(always)]
    fn conductance<R: Real>(p: &[R], s: R) -> R {
        conductance(p[OWN + 6] / p[OWN + 7], inside(p, s))
    }

    #[inline(always)]
    fn drive<R: Real>(p: &[R], s: R, pulse: &Pulse<R>) -> [R; DRIVE] {
        drive::<Self, R>(p, s, pulse)
    }

    #[inline(always)]
    fn rate<R: Real>(p: &[R], drive: &[R; DRIVE], s: R, pulse: &Pulse<R>) -> R {
        let s = inside(p, s);
        rate(drive, s, biolek(s, p[OWN + 8], pulse))
    }
}
