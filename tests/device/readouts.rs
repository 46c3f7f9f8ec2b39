//! Conductances that are not the states: drift by noise and curvature, derivatives, the way back, and the backend against all of them.

use std::sync::Arc;

use memridge::backend::{Backend, Cpu, Request, Shape, StackVector};
use memridge::device::{Cells, Counting, CycleNoise, Window, laws};
use memridge::number::Stream;

const WINDOW: Window = Window {
    g_min: 1e-5,
    g_max: 5e-5,
};

fn cells(law: &str, additive: f64, multiplicative: f64, p: &[f64]) -> Cells {
    let law = laws().into_iter().find(|l| l.name() == law).unwrap();
    let noise = CycleNoise::new(additive, multiplicative);
    Cells::new(law, WINDOW, noise, 0.0, false, p.to_vec(), p.to_vec())
}

/// The drift constant of a pair at equal states: what `E Δw` grows by with w, for pulses that are as often up as down.
fn drift(cells: &Cells, s: f64) -> f64 {
    let slope = |polarity| cells.pulsed(0, s, polarity).change.v1;
    0.5 * (slope(1.0) + slope(-1.0))
}

/// Steps a = 0.01 with noise σ = 0.1 of the state, `½ (a² + σ²) φ‴/φ′`: +.0465 for `e^{3s}` and for `1 - e^{-3s}` at s = ½, -.0099 for
/// tanh(s) at s = 0. The exponentials are known exactly, too: `e^{9σ²/2} cosh(3a) - 1`.
#[test]
fn noise_and_curvature_drift_by_the_known_constants() {
    let exact = (4.5_f64 * 0.01).exp() * 0.03_f64.cosh() - 1.0;
    for curvature in [3.0, -3.0] {
        let p = [0.01, 0.0, 1.0, 0.0, curvature, 0.0];
        let found = drift(&cells("exponential-readout", 10.0, 0.0, &p), 0.5);
        // Rounding alone: 21 nodes integrate an exponential of this width to the last bits.
        assert!((found - exact).abs() < 1e-12, "{found} {exact}");
        assert!((found - 0.0465).abs() < 5e-5, "{found}");
    }
    // tanh(s) over s from -3 to 3: the state's range is 6.
    let p = [0.01 / 6.0, 0.0, 1.0, 0.0, 6.0, 0.0];
    let found = drift(&cells("sigmoid-readout", 10.0, 0.0, &p), 0.5);
    assert!((found + 0.0099).abs() < 5e-5, "{found}");
}

/// Cells with both kinds of noise, coarse steps and a compensation in between.
fn curved() -> [Cells; 2] {
    [
        cells(
            "exponential-readout",
            2.0,
            0.5,
            &[0.02, 0.0, 1.0, 0.1, 2.5, 0.4],
        ),
        cells(
            "sigmoid-readout",
            2.0,
            0.5,
            &[0.02, 0.0, 1.0, -0.2, 5.0, 0.6],
        ),
    ]
}

#[test]
fn derivatives_are_those_in_the_conductance() {
    for cells in curved() {
        for x in [0.2, 0.45, 0.7] {
            for polarity in [1.0, -1.0] {
                let at = |x: f64| cells.pulsed(0, cells.state(0, x), polarity);
                let h = 1e-3;
                let here = at(x);
                for (jet, value) in [
                    (
                        here.change,
                        (|p| p.change.re) as fn(memridge::device::Pulsed) -> f64,
                    ),
                    (here.variance, |p| p.variance.re),
                ] {
                    let [a, b, c] = [x - h, x, x + h].map(|x| value(at(x)));
                    let scale = b.abs();
                    // Central differences err by h²/6 and h²/12 of the next derivatives, which are some hundred times the value.
                    assert!((jet.v1 - (c - a) / (2.0 * h)).abs() < 1e-3 * scale);
                    assert!((jet.v2 - (c - 2.0 * b + a) / (h * h)).abs() < 1e-2 * scale);
                }
            }
        }
    }
}

#[test]
fn writing_finds_the_state_of_a_conductance() {
    for cells in curved() {
        for k in 0..=100 {
            let x = f64::from(k) / 100.0;
            let back = cells.conductance(0, cells.state(0, x));
            assert!((back - x).abs() < 1e-14, "{x} {back}");
        }
        assert_eq!(cells.state(0, -0.1), 0.0);
        assert_eq!(cells.state(0, 1.1), 1.0);
        // The device's symmetric point is where the conductance does not drift on average, of which the state knows nothing.
        if let Some(x) = cells.symmetric_point(0) {
            let s = cells.state(0, x);
            let drift = |polarity| cells.pulsed(0, s, polarity).change.re;
            assert!((drift(1.0) + drift(-1.0)).abs() < 1e-12);
        }
    }
}

/// One pulse on many replicas: mean and variance of the conductance are the predicted ones, at z < 4.5 each (eight comparisons,
/// α = 5e-5 in all) with n = 2·10⁵.
#[test]
fn the_backend_draws_what_is_predicted() {
    let replicas = 200_000;
    for cells in curved() {
        let cells = Arc::new(cells);
        for polarity in [1.0_f32, -1.0] {
            let x = 0.25;
            let shape = Shape {
                replicas,
                rows: 1,
                columns: 1,
            };
            let mut stack = Cpu::new(shape, 0, Stream::new(11), Arc::clone(&cells), true);
            stack.write(&[x]).unwrap();
            let mut requests = StackVector::zeros(1, replicas);
            requests.all_mut().fill(polarity);
            let request = Request::Dense(&requests);
            stack.pulse(1, &request, Counting::Deterministic).unwrap();
            let mut seen = StackVector::zeros(1, replicas);
            stack.conductances(&mut seen).unwrap();
            let moves: Vec<f64> = seen
                .all()
                .iter()
                .map(|&g| (f64::from(g) - WINDOW.g_min) / WINDOW.span() - x)
                .collect();
            let n = replicas as f64;
            let mean = moves.iter().sum::<f64>() / n;
            let squares: Vec<f64> = moves.iter().map(|m| (m - mean).powi(2)).collect();
            let variance = squares.iter().sum::<f64>() / n;
            let fourth = squares.iter().map(|s| (s - variance).powi(2)).sum::<f64>() / n;
            let known = cells.pulsed(0, cells.state(0, x), f64::from(polarity));
            let z = (mean - known.change.re) / (variance / n).sqrt();
            assert!(z.abs() < 4.5, "mean {mean} {z}");
            let z = (variance - known.variance.re) / (fourth / n).sqrt();
            assert!(z.abs() < 4.5, "variance {variance} {z}");
            // The test sees the drift: it is at least six standard errors large.
            assert!(known.bent.abs() > 6.0 * (variance / n).sqrt());
        }
    }
}

/// Mean updates without pulses have neither noise nor the curvature of a whole pulse: steps of the state that are equal up and down are
/// equal steps of the conductance, `φ′ d`.
#[test]
fn mean_updates_follow_the_tangent_of_the_readout() {
    for (law, curvature) in [("sigmoid-readout", 6.0), ("exponential-readout", 3.0)] {
        let p = [0.01, 0.0, 1.0, 0.0, curvature, 0.0];
        let pulsed = cells(law, 10.0, 0.0, &p);
        let mean = cells(law, 10.0, 0.0, &p).without_pulses();
        let s = mean.state(0, 0.3);
        let h = 1e-5;
        let slope = (mean.conductance(0, s + h) - mean.conductance(0, s - h)) / (2.0 * h);
        let [f, g] = mean.response_values(0, 0.3);
        // Differences of h leave h² φ‴/φ′.
        assert!((f / slope - 1.0).abs() < 1e-8, "{f} {slope}");
        assert!(g.abs() < 1e-9, "{g}");
        assert!(pulsed.response_values(0, 0.3)[1].abs() > 1e-3);
        let response = mean.response(0, 0.3);
        assert_eq!(response.variance, Some([[0.0; 3]; 2]));
        assert!(response.g.iter().all(|g| g.abs() < 1e-6), "{response:?}");
        // No asymmetry anywhere, so no preferred state.
        assert_eq!(mean.symmetric_point(0), None);
        assert_eq!(mean.bent_values(0, 0.3), [0.0; 2]);
    }
}
