//! Learning-rate schedules.
//!
//! The rate η of the file is the largest. It may rise to η first (warm-up), and then goes on as a [`Decay`] says, whose steps s count from the end of
//! the rise, T in all.
//!
//! | decay | rate | training time `Σ η` of the first s steps |
//! | --- | --- | --- |
//! | constant | `η` | `η s` |
//! | geometric | `η last^(s/T)` | `η T (last^(s/T) - 1)/ln last` |
//! | inverse | `η / (1 + s/half)` | `η half ln(1 + s/half)` |
//! | step | `η factor^⌊s/(every T)⌋` | a geometric sum |
//! | cosine | `η (last + (1 - last)(1 + cos π(s + ½)/T)/2)` | `η (last s + (1 - last)(s + T/π sin πs/T)/2)` |
//!
//! Times are those of rates that change continuously, right to half a step; those of constant rates, of falls between whole steps, of cosines and of warm-up are exact or nearly so.
//!
//! # References
//! H. Robbins, S. Monro, Ann. Math. Statist. 22 (1951) 400, <https://doi.org/10.1214/aoms/1177729586> (inverse). I. Loshchilov, F. Hutter, arXiv:1608.03983 (cosine).
//! P. Goyal et al., arXiv:1706.02677 (warm-up, falls in steps).

use std::f64::consts::PI;

/// The learning rate over a run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Schedule {
    /// Part of the run over which the rate rises linearly: n steps of `η (s + 1)/n`. Below 1.
    pub warm_up: f64,
    /// How it goes on from there.
    pub decay: Decay,
}

/// How a learning rate falls.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Decay {
    /// Not at all.
    Constant,
    /// Geometrically, to `last` times the first value.
    Geometric {
        /// Ratio of the last to the first learning rate, between 0 and 1.
        last: f64,
    },
    /// As Robbins and Monro have it.
    Inverse {
        /// Step at which the learning rate has halved.
        half: f64,
    },
    /// By a factor, now and then.
    Step {
        /// Ratio of the learning rate after a fall to that before, between 0 and 1.
        factor: f64,
        /// Part of the steps from one fall to the next, between 0 and 1.
        every: f64,
    },
    /// Along half a period of a cosine, to `last` times the first value.
    Cosine {
        /// Ratio of the last to the first learning rate, between 0 and 1.
        last: f64,
    },
}

impl Schedule {
    /// η throughout.
    pub const CONSTANT: Self = Self {
        warm_up: 0.0,
        decay: Decay::Constant,
    };

    /// Steps of the rise.
    fn rise(&self, steps: u32) -> u32 {
        (self.warm_up * f64::from(steps)) as u32
    }

    /// Learning rate at step `step` of `steps`, for the largest value `rate`.
    pub fn rate(&self, rate: f64, step: u32, steps: u32) -> f64 {
        let n = self.rise(steps);
        match step.checked_sub(n) {
            None => rate * f64::from(step + 1) / f64::from(n),
            Some(step) => rate * self.decay.of(f64::from(step), f64::from(steps - n)),
        }
    }

    /// Learning rate at training time `time`, as if rates changed continuously.
    pub fn rate_at(&self, rate: f64, time: f64, steps: u32) -> f64 {
        let step = self.step_at(rate, time, steps);
        let n = f64::from(self.rise(steps));
        match step < n {
            // So that the sum of (s + 1)/n over steps is the integral.
            true => rate * (step + 0.5) / n,
            false => rate * self.decay.at(step - n, f64::from(steps) - n),
        }
    }

    /// Training time `Σ η` after `step` of `steps` steps.
    pub fn time(&self, rate: f64, step: u32, steps: u32) -> f64 {
        match *self == Self::CONSTANT {
            true => rate * f64::from(step),
            false => (0..step).map(|t| self.rate(rate, t, steps)).sum(),
        }
    }

    /// The step, a real number, at training time `time`: the inverse of [`Schedule::time`] to half a step. At most `steps`.
    pub fn step_at(&self, rate: f64, time: f64, steps: u32) -> f64 {
        let (time, n) = (time / rate, f64::from(self.rise(steps)));
        let risen = 0.5 * (n + 1.0);
        if time < risen && n > 0.0 {
            return 0.5 * ((1.0 + 8.0 * n * time).sqrt() - 1.0);
        }
        let time = if n > 0.0 { time - risen } else { time };
        n + self.decay.step(time, f64::from(steps) - n)
    }
}

impl Decay {
    /// The rate of step `step` of `steps`, in units of the first: that at its beginning, but in the middle of a cosine's, whose sums are then integrals
    /// even where the rate is small.
    fn of(self, step: f64, steps: f64) -> f64 {
        let middle = match self {
            Self::Cosine { .. } => (step + 0.5).min(steps),
            _ => step,
        };
        self.at(middle, steps)
    }

    /// The rate at step `step` of `steps`, in units of the first.
    fn at(self, step: f64, steps: f64) -> f64 {
        match self {
            Self::Constant => 1.0,
            Self::Geometric { last } => last.powf(step / steps),
            Self::Inverse { half } => 1.0 / (1.0 + step / half),
            // No step is left for a fall at the end.
            Self::Step { factor, every } => {
                factor.powf(falls(step.min(steps - 1.0), every * steps))
            }
            Self::Cosine { last } => last + (1.0 - last) * 0.5 * (1.0 + (PI * step / steps).cos()),
        }
    }

    /// Its integral over the first `step` steps.
    fn time(self, step: f64, steps: f64) -> f64 {
        match self {
            Self::Constant => step,
            Self::Geometric { last } => steps * (last.powf(step / steps) - 1.0) / last.ln(),
            Self::Inverse { half } => half * (step / half).ln_1p(),
            Self::Step { factor, every } => {
                let length = every * steps;
                let k = falls(step, length);
                let past = factor.powf(k);
                length * (1.0 - past) / (1.0 - factor) + past * (step - k * length)
            }
            Self::Cosine { last } => {
                let sine = steps / PI * (PI * step / steps).sin();
                last * step + (1.0 - last) * 0.5 * (step + sine)
            }
        }
    }

    /// Its inverse: the step at which the integral is `time`, at most `steps`.
    fn step(self, time: f64, steps: f64) -> f64 {
        if time >= self.time(steps, steps) {
            return steps;
        }
        match self {
            Self::Constant => time,
            Self::Geometric { last } => steps * (time * last.ln() / steps).ln_1p() / last.ln(),
            Self::Inverse { half } => half * (time / half).exp_m1(),
            Self::Step { factor, every } => {
                let length = every * steps;
                let left = 1.0 - time * (1.0 - factor) / length;
                let k = (left.ln() / factor.ln()).floor().max(0.0);
                let past = factor.powf(k);
                k * length + (time - length * (1.0 - past) / (1.0 - factor)) / past
            }
            Self::Cosine { .. } => {
                // No closed form; halved until nothing is left of the interval in double precision.
                let (mut low, mut high) = (0.0, steps);
                for _ in 0..60 {
                    let middle = 0.5 * (low + high);
                    match self.time(middle, steps) < time {
                        true => low = middle,
                        false => high = middle,
                    }
                }
                0.5 * (low + high)
            }
        }
    }
}

/// How often the rate has fallen at `step`; steps that are whole in exact numbers are so here.
fn falls(step: f64, length: f64) -> f64 {
    (step / length + 1e-9).floor()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DECAYS: [Decay; 5] = [
        Decay::Constant,
        Decay::Geometric { last: 0.1 },
        Decay::Inverse { half: 4000.0 },
        Decay::Step {
            factor: 0.3,
            every: 0.15,
        },
        Decay::Cosine { last: 0.02 },
    ];

    fn constant_at_first(decay: Decay) -> Schedule {
        Schedule {
            warm_up: 0.0,
            decay,
        }
    }

    #[test]
    fn schedules_start_and_end_where_they_say() {
        let rate = |decay, step| constant_at_first(decay).rate(0.5, step, 100);
        let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-15, "{a} {b}");
        for decay in [Decay::Geometric { last: 0.1 }, Decay::Cosine { last: 0.1 }] {
            let tiny = match decay {
                // (π/400)²·0.9/2
                Decay::Cosine { .. } => 3e-5,
                _ => 1e-15,
            };
            assert!((rate(decay, 0) - 0.5).abs() < tiny);
            near(rate(decay, 100), 0.05);
        }
        let both = rate(Decay::Cosine { last: 0.1 }, 49) + rate(Decay::Cosine { last: 0.1 }, 50);
        near(both, 0.55);
        near(rate(Decay::Inverse { half: 40.0 }, 40), 0.25);
        // 0.1 of 100 steps three times over is 30, which 3 · 0.1 is not.
        let falling = Decay::Step {
            factor: 0.5,
            every: 0.1,
        };
        for (step, expected) in [(0, 0.5), (9, 0.5), (10, 0.25), (29, 0.125), (30, 0.0625)] {
            near(rate(falling, step), expected);
        }
        near(rate(falling, 100), rate(falling, 99));
        let warm = Schedule {
            warm_up: 0.2,
            decay: Decay::Geometric { last: 0.1 },
        };
        for (step, expected) in [(0, 0.025), (9, 0.25), (19, 0.5), (20, 0.5), (100, 0.05)] {
            near(warm.rate(0.5, step, 100), expected);
        }
    }

    #[test]
    fn sums_are_those_in_closed_form() {
        let near = |a: f64, b: f64| assert!((a / b - 1.0).abs() < 1e-12, "{a} {b}");
        let time = |decay, step| constant_at_first(decay).time(0.5, step, 100);
        near(time(Decay::Constant, 10), 5.0);
        // Geometric series.
        let q = 0.1_f64.powf(0.01);
        let expected = 0.5 * (1.0 - q.powi(70)) / (1.0 - q);
        near(time(Decay::Geometric { last: 0.1 }, 70), expected);
        let falling = Decay::Step {
            factor: 0.5,
            every: 0.2,
        };
        near(time(falling, 50), 0.5 * (20.0 + 10.0 + 2.5));
        // Σ cos π(s + ½)/T
        let cosines = (0.3 * PI).sin() / (2.0 * (PI / 200.0).sin());
        let expected = 0.5 * (30.0 * 0.1 + 0.45 * (30.0 + cosines));
        near(time(Decay::Cosine { last: 0.1 }, 30), expected);
        let warm = Schedule {
            warm_up: 0.2,
            decay: falling,
        };
        // 1 + 2 + … + 20 twentieths; then 16 steps from fall to fall.
        near(warm.time(0.5, 15, 100), 0.5 * 6.0);
        near(warm.time(0.5, 60, 100), 0.5 * (10.5 + 16.0 + 8.0 + 2.0));
    }

    /// Steps follow from times and rates from both, in double precision; sums are integrals to half a step.
    #[test]
    fn steps_times_and_rates_go_together() {
        const STEPS: u32 = 10_000;
        for decay in DECAYS {
            for warm_up in [0.0, 0.17] {
                let schedule = Schedule { warm_up, decay };
                // None where a rate jumps.
                for step in [1, 40, 1_690, 1_720, 3_210, 5_000, 9_010, 9_990] {
                    let time = schedule.time(0.5, step, STEPS);
                    let found = schedule.step_at(0.5, time, STEPS);
                    let miss = (found - f64::from(step)).abs();
                    // Half a step of the largest rate, at a rate of a fiftieth at the end.
                    let rate = schedule.rate(0.5, step, STEPS);
                    assert!(
                        miss < 0.51 * 0.5 / rate + 1e-6,
                        "{schedule:?} {step}: {found}"
                    );
                    let h = 1e-3 * rate;
                    let (a, b) = (time - h, time + h);
                    let steps = schedule.step_at(0.5, b, STEPS) - schedule.step_at(0.5, a, STEPS);
                    let slope = 2.0 * h / steps;
                    let expected = schedule.rate_at(0.5, 0.5 * (a + b), STEPS);
                    // Central differences of a thousandth of a step.
                    assert!(
                        (slope / expected - 1.0).abs() < 1e-5,
                        "{schedule:?} {step}: {slope} {expected}"
                    );
                }
                let end = 2.0 * schedule.time(0.5, STEPS, STEPS);
                assert_eq!(schedule.step_at(0.5, end, STEPS), f64::from(STEPS));
            }
            let half = f64::from(STEPS) / 2.0;
            let back = decay.step(decay.time(half, 1e4), 1e4);
            assert!((back / half - 1.0).abs() < 1e-12, "{decay:?}: {back}");
        }
    }
}
