//! Yakopcic's generalised model: a state that moves exponentially with the voltage beyond a threshold, more slowly near the ends.
//!
//! # Equation
//! `ds/dt = g(V) f(s)`, `g = A_p (e^V - e^{V_p})` for V > V_p, `-A_n (e^{-V} - e^{V_n})` for V < -V_n, else 0 (V in volts), with
//! `f = e^{-α_p (s - x_p)} (1 - s)/(1 - x_p)` for g > 0 above x_p, `f = e^{α_n (s + x_n - 1)} s/(1 - x_n)` for g < 0 below `1 - x_n`, else 1.
//! Current `a s sinh(b V)`, read as the conductance `a b s`.
//!
//! # Symbols
//! | symbol | key | unit |
//! | --- | --- | --- |
//! | V | `set-voltage`, `reset-voltage` | V |
//! | – | `set-width`, `reset-width` | s |
//! | V_p, V_n | `set-threshold`, `reset-threshold` | V, both positive |
//! | A_p, A_n | `set-speed`, `reset-speed` | 1/s |
//! | x_p, x_n | `set-edge`, `reset-edge` | – |
//! | α_p, α_n | `set-decay`, `reset-decay` | – |
//! | a b | `g-max` of the window, whose `g-min` is 0 | S |
//!
//! # Behaviour
//! Free in the middle, the state comes to rest at the ends of 0 and 1, where the window is shut towards the end and open away from it. A pulse
//! at or below its threshold moves nothing. The conductance is the state, so noise makes no drift of its own.
//!
//! # Reference
//! Yakopcic, Taha, Subramanyam, Pino, Rogers, IEEE Electron Device Lett. 32, 1436 (2011), <https://doi.org/10.1109/LED.2011.2163292>.
//!
//! # Differences
//! The paper's η, which turns the direction round, is the sign of the voltages here. Its currents have two amplitudes, one for each sign of the
//! voltage; reads are ohmic here, `sinh(bV) = bV`. SPICE integrates any waveform; here a pulse has one voltage and one width.

use super::ion_drift::inside;
use super::law::{Kind, Law, OWN, Parameter, Pulse};
use super::motion::DRIVE;
use super::physical::{of_motion, parameter, voltage};
use crate::number::Real;

/// `ds/dt = A (e^V - e^{V_p}) f(s)`.
#[derive(Debug, Clone, Copy)]
pub struct Yakopcic;

const fn threshold(name: &'static str, meaning: &'static str) -> Parameter {
    parameter(name, Kind::Voltage, 0.0, 50.0, meaning)
}

const fn speed(name: &'static str, meaning: &'static str) -> Parameter {
    parameter(name, Kind::Ratio, 0.0, 1e15, meaning)
}

const fn edge(name: &'static str, meaning: &'static str) -> Parameter {
    parameter(name, Kind::Ratio, 0.0, 0.999, meaning)
}

const fn decay(name: &'static str, meaning: &'static str) -> Parameter {
    parameter(name, Kind::Ratio, 0.0, 50.0, meaning)
}

impl Law for Yakopcic {
    const NAME: &'static str = "yakopcic";
    const PARAMETERS: &'static [Parameter] = &of_motion::<17>(&[
        threshold("set-threshold", "voltage beyond which the state rises"),
        threshold(
            "reset-threshold",
            "size of the voltage beyond which it falls",
        ),
        speed("set-speed", "A_p in 1/s"),
        speed("reset-speed", "A_n in 1/s"),
        edge("set-edge", "state above which rising slows down"),
        edge(
            "reset-edge",
            "one less the state below which falling slows down",
        ),
        decay("set-decay", "how fast rising slows down"),
        decay("reset-decay", "how fast falling slows down"),
    ]);
    const MOVES: bool = true;

    /// The speed without its window, signed.
    #[inline(always)]
    fn drive<R: Real>(p: &[R], s: R, pulse: &Pulse<R>) -> [R; DRIVE] {
        let own = &p[OWN..];
        let (zero, voltage) = (R::lit(0.0), voltage::<Self, R>(p, s, pulse));
        let size = pulse.choose(voltage, -voltage);
        let above = (size.exp() - pulse.choose(own[4], own[5]).exp()).max(zero);
        let speed = pulse.choose(own[6], -own[7]) * above;
        [speed, zero, zero, zero]
    }

    #[inline(always)]
    fn rate<R: Real>(p: &[R], drive: &[R; DRIVE], s: R, pulse: &Pulse<R>) -> R {
        let (own, one) = (&p[OWN..], R::lit(1.0));
        let s = inside(p, s);
        // Seen from the end that the state moves to, rising and falling are the same.
        let gone = pulse.choose(s, one - s);
        let (edge, decay) = (pulse.choose(own[8], own[9]), pulse.choose(own[10], own[11]));
        let beyond = (gone - edge).max(R::lit(0.0));
        let window = (-(decay * beyond)).exp() * ((one - gone) / (one - edge)).min(one);
        drive[0] * window
    }
}
