//! Cycle-to-cycle noise that follows the state, and noise whose kinds share one random number: single pulses and trains against exact
//! moments, the response that predictions read, and device files.

use std::sync::Arc;

use memridge::device::{AnyLaw, Cells, CycleNoise, STEP, Window, laws};

use crate::text::{read, whole};

const WINDOW: Window = Window {
    g_min: 1e-5,
    g_max: 5e-5,
};

fn law(name: &str) -> Arc<dyn AnyLaw> {
    laws().into_iter().find(|l| l.name() == name).unwrap()
}

fn cell(name: &str, p: &[f64], noise: CycleNoise<f64>) -> Cells {
    Cells::new(law(name), WINDOW, noise, 0.0, false, p.to_vec(), p.to_vec())
}

/// Laws with their parameters: affine ones, and others.
const LAWS: [(&str, &[f64]); 5] = [
    ("constant-step", &[0.004, 0.0, 1.0, 0.2]),
    ("soft-bounds", &[0.004, 0.0, 1.0, 0.4]),
    ("linear-step", &[0.004, 0.0, 1.0, 0.1, 0.5, 0.6, -0.2]),
    (
        "exp-step",
        &[0.004, 0.0, 1.0, 0.1, 1.0, 0.1, 5.0, 1.0, 0.9, 5.0],
    ),
    ("power-step", &[0.004, 0.0, 1.0, 0.5, 2.0, 1.5]),
];

/// Additive, multiplicative, slope, correlated. The first is aihwkit's preset of phase-change memory in steps.
const NOISES: [(f64, f64, f64, bool); 5] = [
    (2.52, 0.6, 12.96, true),
    (0.5, 0.0, 2.0, false),
    (0.0, 0.8, 1.5, false),
    (1.5, 0.7, -1.5, true),
    (1.0, 0.5, 0.0, true),
];

fn noise((additive, multiplicative, slope, correlated): (f64, f64, f64, bool)) -> CycleNoise<f64> {
    CycleNoise::new(additive, multiplicative).along_window(slope, correlated)
}

/// The deviation of one pulse as [`CycleNoise`] states it.
fn deviation(
    (a, m, b, correlated): (f64, f64, f64, bool),
    cells: &Cells,
    s: f64,
    polarity: f64,
) -> f64 {
    let p = cells.double(0).parameters;
    let additive = p[STEP] * (a + b * s).max(0.0);
    let multiplicative = m * cells.law().step(p, s, polarity).abs();
    if correlated {
        additive + multiplicative
    } else {
        additive.hypot(multiplicative)
    }
}

#[test]
fn a_pulse_has_the_stated_deviation() {
    for (name, p) in LAWS {
        for form in NOISES {
            let cells = cell(name, p, noise(form));
            let (cell, law) = (cells.double(0), cells.law());
            for (s, polarity) in [(0.0, 1.0), (0.3, 1.0), (0.3, -1.0), (1.0, -1.0)] {
                let after = |z| law.oracle_one(&cell, s, polarity, z);
                let found = 0.5 * (after(1.0) - after(-1.0));
                let exact = deviation(form, &cells, s, polarity);
                // Roundings of numbers of the size of the window.
                assert!(
                    (found - exact).abs() < 1e-15,
                    "{name} {form:?} {s}: {found} {exact}"
                );
                assert!((after(0.0) - s - law.step(cell.parameters, s, polarity)).abs() < 1e-15);
                // A train of one pulse is that pulse.
                assert_eq!(law.oracle_many(&cell, s, polarity, 0.7), after(0.7));
            }
        }
    }
}

/// The aihwkit preset: `0.6 (|Δw| + 0.042 + 0.108 |w|)` for weights from 0 to 2 and steps of 0.01.
#[test]
fn the_form_of_aihwkit_is_contained() {
    let form = (0.6 * 0.042 / 0.01, 0.6, 0.6 * 0.108 * 2.0 / 0.01, true);
    assert!((form.2 - 12.96_f64).abs() < 1e-14);
    let cells = cell("soft-bounds", &[0.005, 0.0, 1.0, 0.5], noise(form));
    for w in [0.0, 0.5, 1.4] {
        let change = 2.0 * cells.law().step(cells.double(0).parameters, 0.5 * w, 1.0);
        let exact = 0.6 * (change.abs() + 0.042 + 0.108 * w);
        let found = 2.0 * deviation(form, &cells, 0.5 * w, 1.0);
        assert!((found - exact).abs() < 1e-15);
    }
}

/// Mean and variance of n pulses of an affine law, exactly: `E σ²` of a Gaussian or any other state is that of its first two moments
/// where σ² is a parabola.
fn exact_moments(
    form: (f64, f64, f64, bool),
    cells: &Cells,
    s: f64,
    polarity: f64,
    n: u32,
) -> (f64, f64) {
    let (a, m, b, correlated) = form;
    let (p, law) = (cells.double(0).parameters, cells.law());
    let (mut mean, mut variance) = (s, 0.0);
    for _ in 0..n {
        let d = law.step_jet(p, mean, polarity);
        let (additive, along) = (p[STEP] * (a + b * mean), p[STEP] * b);
        let (multiplicative, follows) = (m * polarity * d.re, m * polarity * d.v1);
        let own = if correlated {
            (additive + multiplicative).powi(2) + (along + follows).powi(2) * variance
        } else {
            additive.powi(2) + multiplicative.powi(2) + (along.powi(2) + follows.powi(2)) * variance
        };
        variance = variance * (1.0 + d.v1).powi(2) + own;
        mean += d.re;
    }
    (mean, variance)
}

/// As long as a train may be at once, its moments are those of single pulses to the documented thousandth: of the variance and 1e-5 of
/// that of nominal steps; the mean to 1e-4 of itself and of a step.
#[test]
fn trains_have_the_moments_of_single_pulses() {
    for (name, p) in &LAWS[..3] {
        for form in NOISES {
            let cells = cell(name, p, noise(form));
            let (cell, law) = (cells.double(0), cells.law());
            let longest = cells.longest_train();
            assert!(longest > 1, "{name} {form:?}: pulse by pulse");
            for (s, polarity) in [(0.1, 1.0), (0.6, 1.0), (0.5, -1.0), (0.95, -1.0)] {
                for n in 1..=longest {
                    let (mean, variance) = exact_moments(form, &cells, s, polarity, n);
                    // Beyond the window noise may have ended.
                    if !(0.0..=1.0).contains(&mean) {
                        break;
                    }
                    let signed = f64::from(n) * polarity;
                    let after = |z| law.oracle_many(&cell, s, signed, z);
                    let found = (0.5 * (after(1.0) - after(-1.0))).powi(2);
                    let nominal = cells.noise().variance(p[STEP], 0.5, p[STEP], 1.0);
                    let allowed = 1e-3 * variance + 1e-5 * f64::from(n) * nominal;
                    assert!(
                        (found - variance).abs() < allowed,
                        "{name} {form:?} {s} {n}: {found:e} and not {variance:e}"
                    );
                    let allowed = 1e-4 * ((mean - s).abs() + p[STEP]);
                    assert!((after(0.0) - mean).abs() < allowed, "{name} {form:?} {n}");
                }
            }
        }
    }
}

/// Without a closed form the moments of any number of pulses are those of single pulses, clipped noise included.
#[test]
fn mean_and_variance_are_carried_pulse_by_pulse() {
    let form = NOISES[0];
    let cells = cell("soft-bounds", LAWS[1].1, noise(form));
    for n in [1, 40, 300] {
        let (mean, variance) = cells.law().train(&cells.double(0), 0.2, 1.0, n);
        let exact = exact_moments(form, &cells, 0.2, 1.0, n);
        assert!((mean - exact.0).abs() < 1e-13 && (variance / exact.1 - 1.0).abs() < 1e-12);
    }
}

/// The variance that the Gaussian closure reads, and its derivatives by differences.
#[test]
fn predictions_know_the_variance_along_the_window() {
    for (name, p) in LAWS {
        for form in NOISES {
            let cells = cell(name, p, noise(form));
            let variance = |x: f64| cells.response(0, x).variance.unwrap();
            let h = 1e-4;
            for x in [0.25, 0.6] {
                let [before, here, after] = [x - h, x, x + h].map(variance);
                for (k, polarity) in [(0, 1.0), (1, -1.0)] {
                    let exact = (deviation(form, &cells, x, polarity) / p[STEP]).powi(2);
                    assert!((here[k][0] / exact - 1.0).abs() < 1e-12);
                    let [a, b, c] = [before, here, after].map(|v| v[k][0]);
                    // Differences err by h² of the next derivatives and by roundings over h and h².
                    let scale = 1.0 + b;
                    assert!((here[k][1] - (c - a) / (2.0 * h)).abs() < 1e-4 * scale);
                    assert!((here[k][2] - (c - 2.0 * b + a) / (h * h)).abs() < 1e-3 * scale);
                }
            }
        }
    }
    let plain = cell("soft-bounds", LAWS[1].1, CycleNoise::new(0.5, 0.5));
    assert!(plain.response(0, 0.3).variance.is_none());
}

fn device(cycle: &str) -> memridge::error::Result<memridge::device::Device> {
    let lines = format!(
        r#"
bounds = "hard"
write-noise = 0.0
law = {{ soft-bounds = {{ step = 0.02, lower = 0.0, upper = 1.0, symmetric-point = 0.5 }} }}
cycle-to-cycle = {{ {cycle} }}
"#
    );
    read(&whole(&lines))
}

#[test]
fn files_say_how_noise_follows_the_state() {
    let noise =
        device("additive = 0.5, multiplicative = 0.2, state-slope = 3.0, correlated = true")
            .unwrap()
            .noise();
    assert_eq!(
        (noise.state_slope(), noise.correlated(), noise.is_affine()),
        (3.0, true, true)
    );
    // Nothing is correlated with nothing: the fast loops stay.
    let noise = device("additive = 0.5, multiplicative = 0.0, correlated = true")
        .unwrap()
        .noise();
    assert!(!noise.is_affine());
    let refused = device("additive = 0.5, multiplicative = 0.0, state-slope = -0.6").err();
    let text = refused.unwrap().to_string();
    assert!(
        text.contains("state-slope") && text.contains("must not be negative"),
        "{text}"
    );
}
