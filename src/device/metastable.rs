//! Metastable switches: the conductance of many two-state switches that heat throws over barriers, with the noise that follows from them.
//!
//! # Equation
//! N switches, the part s of them on. At the voltage V one that is off goes on at the rate `P_A/t_c`, `P_A = 1/(1 + e^{-β (V - V_A)})`, and one that is on
//! goes off at `P_B/t_c`, `P_B = 1/(1 + e^{β (V + V_B)})`, `β = q/k_B T`. With `x = (P_A + P_B) w/t_c` and `s_∞ = P_A/(P_A + P_B)` a pulse of width w
//! makes, on average, `d = κ (s_∞ - s)`, `κ = 1 - e^{-x}`. Every switch decides alone, so the change is a sum of two binomial
//! numbers: its variance is `[(1 - s) a (1 - a) + s b (1 - b)]/N` with `a = κ s_∞`, `b = κ (1 - s_∞)`.
//!
//! # Symbols
//! | symbol | key | unit |
//! | --- | --- | --- |
//! | V | `set-voltage`, `reset-voltage` | V |
//! | w | `set-width`, `reset-width` | s |
//! | t_c | `time-constant` | s |
//! | V_A, V_B | `on-barrier`, `off-barrier` | V |
//! | N | `switches` | – |
//! | T | `temperature` | K |
//!
//! # Behaviour
//! Soft bounds at the two `s_∞`: the mean step is affine in the state, so trains are closed-form and exact, `κ` of n pulses being `1 - e^{-n x}`;
//! variance too, because the switches of a train are as independent as those of a pulse. Noise from cycle to cycle falls as `1/√N`;
//! `[cycle-to-cycle]` is added to it. The shape is taken as Gaussian, as it is for many switches.
//!
//! # Reference
//! Nugent, Molter, PLoS ONE 9, e85175 (2014), <https://doi.org/10.1371/journal.pone.0085175>.
//!
//! # Differences
//! The paper takes steps of `α = Δt/t_c` that must be small; here a pulse is the exact solution of the rates. Its diode in parallel (the part
//! `1 - φ` of the current) is left out: reads are ohmic.

use super::affine::affine_train;
use super::count::Count;
use super::ion_drift::inside;
use super::law::{CycleNoise, Kind, Law, OWN, Parameter, Pulse, STEP};
use super::physical::{PULSES, joined, parameter};
use crate::number::Real;
use crate::units::BOLTZMANN;

/// `d = κ (s_∞ - s)`, with binomial noise.
#[derive(Debug, Clone, Copy)]
pub struct MetastableSwitches;

const fn barrier(name: &'static str, meaning: &'static str) -> Parameter {
    parameter(name, Kind::Voltage, -10.0, 10.0, meaning)
}

/// `1/(1 + e^{-x})`.
#[inline(always)]
fn logistic<R: Real>(x: R) -> R {
    // Beyond, nothing is left in single precision; the exponential must not overflow.
    let x = x.max(R::lit(-80.0)).min(R::lit(80.0));
    R::lit(1.0) / (R::lit(1.0) + (-x).exp())
}

/// Where a pulse leads, and how much of the way `n` of them go.
struct Drift<R> {
    end: R,
    kappa: R,
}

impl<R: Real> Drift<R> {
    #[inline(always)]
    fn of(p: &[R], pulse: &Pulse<R>, n: R) -> Self {
        let own = &p[OWN..];
        let beta = R::lit(1.0 / BOLTZMANN) / own[8];
        let voltage = pulse.choose(own[0], own[1]);
        let on = logistic(beta * (voltage - own[5]));
        let off = logistic(-(beta * (voltage + own[6])));
        let pulses = (on + off) * (pulse.choose(own[2], own[3]) / own[4]);
        Self {
            end: on / (on + off),
            kappa: -(-(n * pulses)).exp_m1(),
        }
    }

    /// Variance of the part of the switches that is on afterwards.
    #[inline(always)]
    fn variance(&self, p: &[R], s: R) -> R {
        let (one, s) = (R::lit(1.0), inside(p, s));
        let (on, off) = (self.kappa * self.end, self.kappa * (one - self.end));
        ((one - s) * on * (one - on) + s * off * (one - off)) / p[OWN + 7]
    }
}

impl Law for MetastableSwitches {
    const NAME: &'static str = "metastable-switches";
    const PARAMETERS: &'static [Parameter] = &joined::<9>(&[
        &PULSES,
        &[
            parameter(
                "time-constant",
                Kind::Time,
                1e-15,
                1e6,
                "mean time to a decision of a switch",
            ),
            barrier("on-barrier", "voltage at which half of the switches go on"),
            barrier(
                "off-barrier",
                "negative voltage at which half of them go off",
            ),
            parameter(
                "switches",
                Kind::Ratio,
                1.0,
                1e12,
                "number of switches in a cell",
            ),
            parameter(
                "temperature",
                Kind::Temperature,
                1.0,
                2000.0,
                "temperature of the switches",
            ),
        ],
    ]);
    const DERIVES_STEP: bool = true;

    #[inline(always)]
    fn step<R: Real>(p: &[R], s: R, pulse: &Pulse<R>) -> R {
        let drift = Drift::of(p, pulse, R::lit(1.0));
        drift.kappa * (drift.end - s)
    }

    #[inline(always)]
    fn own_variance<R: Real>(p: &[R], s: R, pulse: &Pulse<R>) -> Option<R> {
        Some(Drift::of(p, pulse, R::lit(1.0)).variance(p, s))
    }

    #[inline(always)]
    fn train<R: Real>(
        p: &[R],
        s: R,
        pulse: &Pulse<R>,
        n: &Count<R>,
        noise: &CycleNoise<R>,
    ) -> Option<(R, R)> {
        let one = Drift::of(p, pulse, R::lit(1.0));
        let many = Drift::of(p, pulse, n.value());
        let change = one.kappa * (one.end - s);
        let (_, added) = affine_train(s, change, one.kappa, p[STEP], n, noise);
        let mean = s + many.kappa * (many.end - s);
        Some((mean, added + many.variance(p, s)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::law::LOWER;
    use super::*;

    const P: [f64; 12] = [
        0.01, 0.001, 0.999, 0.2, -0.5, 1e-5, 1e-5, 3.2e-4, 0.17, 0.22, 1e3, 298.0,
    ];

    /// Variances add up over the pulses of a train: law of total variance with the mean `(1 - κ) s + κ s_∞`, whose binomial variance is linear
    /// in the state. Both sides are closed forms in double precision.
    #[test]
    fn a_train_has_the_variance_of_its_pulses() {
        let quiet = CycleNoise::new(0.0, 0.0);
        for polarity in [1.0, -1.0] {
            let pulse = Pulse { polarity, parts: 1 };
            let (mut mean, mut variance) = (0.3, 0.0);
            for n in 1..=40_u32 {
                let kappa = Drift::of(&P, &pulse, 1.0).kappa;
                let own = MetastableSwitches::own_variance(&P, mean, &pulse).unwrap();
                variance = variance * (1.0 - kappa) * (1.0 - kappa) + own;
                mean += MetastableSwitches::step(&P, mean, &pulse);
                let count = Count::new(f64::from(n), super::super::digits(n));
                let found = MetastableSwitches::train(&P, 0.3, &pulse, &count, &quiet).unwrap();
                assert!((found.0 - mean).abs() < 1e-14, "{n}: {} {mean}", found.0);
                assert!((found.1 / variance - 1.0).abs() < 1e-12, "{n}");
            }
        }
    }

    /// Far beyond both barriers a switch decides once in a time constant: `κ = 1 - e^{-w/t_c}`, towards 1 and towards 0.
    #[test]
    fn strong_pulses_relax_with_the_time_constant() {
        let mut p = P;
        (p[OWN], p[OWN + 1]) = (2.0, -2.0);
        let kappa = -(-1e-5_f64 / 3.2e-4).exp_m1();
        for (polarity, end) in [(1.0, 1.0), (-1.0, 0.0)] {
            let pulse = Pulse { polarity, parts: 1 };
            let step = MetastableSwitches::step(&p, 0.4, &pulse);
            assert!((step - kappa * (end - 0.4)).abs() < 1e-12, "{step}");
        }
        assert!(p[LOWER] < 0.4);
    }

    /// At rest without a voltage, a state keeps the variance `s (1 - s)/N` of independent switches: a long pulse forgets where it began.
    #[test]
    fn long_pulses_end_in_the_binomial_distribution() {
        let mut p = P;
        (p[OWN], p[OWN + 2], p[OWN + 5], p[OWN + 6]) = (0.02, 1.0, 0.03, 0.02);
        let pulse = Pulse {
            polarity: 1.0,
            parts: 1,
        };
        let end = Drift::of(&p, &pulse, 1.0).end;
        let found = MetastableSwitches::own_variance(&p, 0.9, &pulse).unwrap();
        assert!((found / (end * (1.0 - end) / 1e3) - 1.0).abs() < 1e-12);
    }
}
