//! Predictions without simulating a pulse: P0 (mean field), P1 (Gaussian closure), P-t (trajectory).

use nalgebra::{DMatrix, DVector};

use super::closure::{Closure, Setting, Step};
use crate::crossbar::Refresh;
use crate::device::{LOWER, UPPER};
use crate::error::{Error, Result};

/// A predicted stationary state.
#[derive(Debug, Clone)]
pub struct Prediction {
    /// Mean weights.
    pub weights: DVector<f64>,
    /// Covariance of the weights (zero in the mean field).
    pub covariance: DMatrix<f64>,
    /// `E|g_j|` of every weight.
    pub abs_gradient: DVector<f64>,
    /// `E|g_j| R'(w⋄_j)`, and retention's own strength: the implicit L2 strength of every weight, where its cells have a symmetric
    /// point.
    pub lambda: Option<DVector<f64>>,
    /// The part of retention (channel C), `1/(η F(w⋄_j) t)` with t the lifetime in steps; zero without.
    pub retention: DVector<f64>,
    /// `E[|g_j| R(w_j)]`, and that of retention: the pull itself.
    pub pull: DVector<f64>,
    /// Standard deviation of each cell's value.
    pub cell_deviation: DVector<f64>,
    /// How many weights can move: the others have only stuck cells, and no strength.
    pub free: usize,
}

impl Prediction {
    /// Mean of the diagonal strengths over the weights that can move.
    pub fn mean_lambda(&self) -> Option<f64> {
        let lambda = self.lambda.as_ref().filter(|_| self.free > 0);
        lambda.map(|l| l.sum() / self.free as f64)
    }

    /// Mean of the part of retention over the weights that can move.
    pub fn mean_retention(&self) -> f64 {
        self.retention.sum() / self.free.max(1) as f64
    }

    /// The ratio of theory §2 pooled over weights: `Σ E[|g|R] (w̄ - w⋄) / Σ (w̄ - w⋄)²`.
    pub fn pooled_lambda(&self, centre: &DVector<f64>) -> f64 {
        let u = &self.weights - centre;
        self.pull.dot(&u) / u.norm_squared()
    }

    /// `E[½ (w - w*)ᵀ H (w - w*)]`: the expected loss above its minimum at `w*`.
    pub fn excess_loss(&self, h: &DMatrix<f64>, minimum: &DVector<f64>) -> f64 {
        let u = &self.weights - minimum;
        0.5 * (u.dot(&(h * &u)) + (h * &self.covariance).trace())
    }
}

/// The mean field P0: `E_ξ[U_j(w, -η g_j(w; ξ))] = 0`, averaged exactly over the data.
///
/// # Errors
/// [`Error::NotConverged`] if Newton's method does not settle, and for one-sided cells.
pub fn mean_field(setting: &Setting) -> Result<Prediction> {
    if setting.model.cells.is_one_sided() {
        return Err(not_converged(
            "P0, the mean field",
            "the common mode of one-sided pairs only rises: nothing is stationary without refreshes, and with them a cycle",
        ));
    }
    let closure = Closure::new(setting);
    let k = closure.cells();
    let zero = DMatrix::zeros(k, k);
    let mut mu = start(setting, &closure);
    // Implicit Euler steps along the drift, each twice as long as the last, until they are Newton's: far from the solution, a weak pull
    // on the common mode of pairs would send Newton's own to another one, outside the window.
    let mut damping = f64::NAN;
    for _ in 0..400 {
        let mut step = closure.step(&mu, &zero, true);
        damping = if damping.is_nan() {
            step.jacobian.amax()
        } else {
            0.5 * damping
        };
        for i in 0..k {
            step.jacobian[(i, i)] -= damping;
        }
        let change = newton(&step, "P0, the mean field")?;
        // |g| has kinks at the samples: half steps cannot cycle between two sides of one.
        let size = change.amax();
        mu -= change * if size > 1e-6 { 0.5 } else { 1.0 };
        if size < 1e-11 {
            let step = closure.step(&mu, &zero, true);
            return Ok(describe(setting, &closure, &mu, zero, &step));
        }
    }
    Err(not_converged("P0, the mean field", "400 Newton steps"))
}

/// The Gaussian closure P1: mean and covariance of the state, self-consistently.
///
/// Mean: the closure's average of the one-step drift is zero, with the second-order effect of saturating trains.
/// Covariance: `C = (I+J) C (I+J)ᵀ + E[Cov(step | state)]`.
///
/// # Errors
/// [`Error::NotConverged`] if the iteration does not settle or the linearised dynamics are unstable.
pub fn gaussian_closure(setting: &Setting, start: &Prediction) -> Result<Prediction> {
    const WHAT: &str = "P1, the Gaussian closure";
    let closure = Closure::new(setting);
    let k = closure.cells();
    // The mean field's cells: pairs share the weight evenly about their reference.
    let mut mu = DVector::from_fn(k, |i, _| start.cells_value(setting, i));
    let mut c = DMatrix::zeros(k, k);
    for iteration in 0..400 {
        let step = closure.step(&mu, &c, false);
        let change = newton(&step, WHAT)?;
        let transition = DMatrix::identity(k, k) + &step.jacobian;
        let Some(next) = stationary_covariance(&transition, &step.noise) else {
            // Pairs of devices with a weak pull may look unstable where the mean has still far to go.
            if iteration < 100 && change.amax() > 1e-6 {
                mu -= change * 0.7;
                continue;
            }
            return Err(not_converged(
                WHAT,
                "the linearised dynamics grow: the learning rate is too large",
            ));
        };
        let moved = change.amax() + (&next - &c).amax().sqrt() * 1e-3;
        mu -= change * 0.7;
        // Half steps keep coarse devices from overshooting; near the end the plain iteration contracts faster.
        let close = (&next - &c).amax() < 0.1 * next.amax();
        c = if c.amax() == 0.0 || close {
            next
        } else {
            (c + next) * 0.5
        };
        if moved < 1e-9 {
            let step = closure.step(&mu, &c, false);
            return Ok(describe(setting, &closure, &mu, c, &step));
        }
    }
    Err(not_converged(WHAT, "400 iterations"))
}

impl Prediction {
    /// Value of cell `k` whose weight is predicted: the even split about the symmetric points.
    fn cells_value(&self, setting: &Setting, k: usize) -> f64 {
        let model = &setting.model;
        let j = model.map.weight_of(k);
        if model.map.cells_per_weight() == 1 {
            return self.weights[j];
        }
        let centre = model.symmetric_weight(j).unwrap_or(0.0);
        // The cells that are not stuck share the distance.
        let share = match model.cells.stuck_at(k) {
            Some(_) => 0.0,
            None => model.map.sign(k) / model.free_cells(j) as f64,
        };
        model.symmetric_value(k).unwrap_or(0.0) + share * (self.weights[j] - centre)
    }
}

/// Solution `C` of `C = M C Mᵀ + Q` by Smith's doubling (SIAM J. Appl. Math. 16, 198 (1968),
/// <https://doi.org/10.1137/0116017>): quadratic convergence for spectral radius below 1, `None` above.
pub fn stationary_covariance(m: &DMatrix<f64>, q: &DMatrix<f64>) -> Option<DMatrix<f64>> {
    let (mut power, mut sum) = (m.clone(), q.clone());
    // 2⁶⁰ terms: enough for any learning rate an f64 can tell from zero.
    for _ in 0..60 {
        let add = &power * &sum * power.transpose();
        let small = add.amax() <= 1e-15 * sum.amax();
        sum += add;
        if small {
            return Some((&sum + sum.transpose()) * 0.5);
        }
        power = &power * &power;
        if !sum.iter().all(|v| v.is_finite()) {
            return None;
        }
    }
    None
}

/// Trajectory of the mean weights.
#[derive(Debug, Clone)]
pub struct Trajectory {
    /// Training times `Σ η`.
    pub times: Vec<f64>,
    /// Mean weights at these times.
    pub weights: Vec<DVector<f64>>,
}

impl Trajectory {
    /// Mean of the weights over times of at least `from` (trapezoidal rule).
    pub fn mean_from(&self, from: f64) -> DVector<f64> {
        let first = self
            .times
            .iter()
            .position(|&t| t >= from)
            .unwrap_or(self.times.len() - 1);
        let mut sum = self.weights[first].clone() * 0.0;
        let mut width = 0.0;
        for k in first + 1..self.times.len() {
            let h = self.times[k] - self.times[k - 1];
            sum += (&self.weights[k] + &self.weights[k - 1]) * (0.5 * h);
            width += h;
        }
        if width > 0.0 {
            sum / width
        } else {
            self.weights[first].clone()
        }
    }
}

/// The trajectory P-t: `dw/dt = E[U]/η` of the mean field from `initial` over training time `duration`, by the classical
/// fourth-order Runge–Kutta method.
///
/// The step is a quarter of the fastest time constant, which leaves a relative error below (1/4)⁵/120 ≈ 1e-5 a step in the
/// fastest mode and far less in the modes that last.
pub fn trajectory(setting: &Setting, initial: &[f64], duration: f64) -> Trajectory {
    course(setting, initial, duration, f64::INFINITY, |_, _| {})
}

/// The trajectory P-t of one-sided pairs: cells stop at the ends of their windows, and every `look` of training time those pairs that are
/// due are refreshed, as far as that goes without noise and without rounding. `None`: never.
///
/// No step is longer than the fastest cell needs for a tenth of the window.
pub fn pair_trajectory(
    setting: &Setting,
    refresh: Option<(Refresh, f64)>,
    initial: &[f64],
    duration: f64,
) -> Trajectory {
    let (map, cells) = (setting.model.map, &setting.model.cells);
    // Nothing moves stuck cells, wherever they are.
    let end: Vec<f64> = (0..map.cells())
        .map(|k| match cells.stuck_at(k) {
            Some(_) => f64::INFINITY,
            None => map.value(cells.double(k).parameters[UPPER]),
        })
        .collect();
    let empty: Vec<f64> = (0..map.cells())
        .map(|k| {
            let level = f64::from(cells.reset_levels()[k]);
            map.value(level.max(cells.double(k).parameters[LOWER]))
                .min(end[k])
        })
        .collect();
    let written = DVector::from_vec(map.values(initial));
    let fastest = Closure::new(setting).drift(&written).amax() / setting.rate;
    let longest = 0.1 * map.per_window() / fastest.max(f64::MIN_POSITIVE);
    let mut looks = 0.0;
    course(setting, initial, duration, longest, |time, mu| {
        for (value, end) in mu.iter_mut().zip(&end) {
            *value = value.min(*end);
        }
        let Some((refresh, look)) = refresh.filter(|(_, look)| time >= (looks + 1.0) * look) else {
            return;
        };
        looks = (time / look).floor();
        for j in 0..map.weights() {
            let [plus, minus] = [2 * j, 2 * j + 1];
            if !refresh.is_due(map.position(mu[plus]), map.position(mu[minus])) {
                continue;
            }
            let weight = mu[plus] - mu[minus];
            // One round takes both cells to be at the nominal level; more of them correct what is left.
            let short = match refresh.rounds {
                1 => weight,
                _ => weight - empty[plus] + empty[minus],
            };
            for (k, room) in [(plus, short.max(0.0)), (minus, -short.min(0.0))] {
                if cells.stuck_at(k).is_none() {
                    mu[k] = (empty[k] + room).min(end[k]);
                }
            }
        }
    })
}

/// The trajectory with steps of at most `longest`; `after` may change the state after each.
fn course(
    setting: &Setting,
    initial: &[f64],
    duration: f64,
    longest: f64,
    mut after: impl FnMut(f64, &mut DVector<f64>),
) -> Trajectory {
    let closure = Closure::new(setting);
    let (k, map) = (closure.cells(), setting.model.map);
    let slope = |mu: &DVector<f64>| closure.drift(mu) / setting.rate;
    let spectrum =
        nalgebra::SymmetricEigen::new(setting.x.tr_mul(&setting.x) / setting.x.nrows() as f64);
    let fastest = spectrum.eigenvalues.max().max(1e-12) + closure.retention_rate();
    let steps = ((4.0 * duration * fastest).ceil() as usize).clamp(200, 20_000);
    let steps = steps.max(((duration / longest).ceil() as usize).min(100_000));
    let h = duration / steps as f64;
    let written = map.values(initial);
    // As they are written: stuck cells stay where they are.
    let mut mu = DVector::from_fn(k, |i, _| match setting.model.cells.stuck_at(i) {
        Some(position) => map.value(position),
        None => written[i],
    });
    let mut out = Trajectory {
        times: vec![0.0],
        weights: vec![closure.weights(&mu)],
    };
    for n in 1..=steps {
        let k1 = slope(&mu);
        let k2 = slope(&(&mu + &k1 * (0.5 * h)));
        let k3 = slope(&(&mu + &k2 * (0.5 * h)));
        let k4 = slope(&(&mu + &k3 * h));
        mu += (k1 + (k2 + k3) * 2.0 + k4) * (h / 6.0);
        after(h * n as f64, &mut mu);
        out.times.push(h * n as f64);
        out.weights.push(closure.weights(&mu));
    }
    out
}

fn start(setting: &Setting, closure: &Closure) -> DVector<f64> {
    let model = &setting.model;
    DVector::from_fn(closure.cells(), |k, _| {
        model.symmetric_value(k).unwrap_or(0.0)
    })
}

fn newton(step: &Step, what: &str) -> Result<DVector<f64>> {
    step.jacobian
        .clone()
        .lu()
        .solve(&step.drift)
        .filter(|d| d.iter().all(|v| v.is_finite()))
        .ok_or_else(|| {
            not_converged(
                what,
                "the Jacobian is singular: some weight is not determined by data or device",
            )
        })
}

fn not_converged(what: &str, detail: &str) -> Error {
    Error::NotConverged {
        what: what.into(),
        detail: detail.into(),
    }
}

fn describe(
    setting: &Setting,
    closure: &Closure,
    mu: &DVector<f64>,
    c: DMatrix<f64>,
    step: &Step,
) -> Prediction {
    let weights = closure.weights(mu);
    let slopes: Option<Vec<f64>> = (0..weights.len())
        .map(|j| setting.model.weight_slope(j))
        .collect();
    let retention = DVector::from_fn(weights.len(), |j, _| closure.retention_strength(j));
    Prediction {
        covariance: closure.weight_covariance(&c),
        lambda: slopes.map(|s| step.abs_gradient.component_mul(&DVector::from_vec(s)) + &retention),
        retention,
        abs_gradient: step.abs_gradient.clone(),
        pull: step.pull.clone(),
        cell_deviation: c.diagonal().map(|v| v.max(0.0).sqrt()),
        weights,
        free: setting.model.free_weights(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::closure::Gradient;
    use super::super::tikhonov::{LeastSquares, Norm};
    use super::*;
    use crate::crossbar::{ArrayModel, Mapping, WeightMap};
    use crate::device::{Cells, Counting, CycleNoise, SoftBounds, Window};
    use crate::training::{Samples, parse_table};

    fn diabetes() -> Samples {
        let text = include_str!("../../experiments/data/diabetes.csv");
        let table = parse_table("diabetes.csv", text).unwrap();
        table.regression("target", true).unwrap().0
    }

    /// Soft bounds `q± = 1 ∓ (w - c)/τ` of step δ, in a window of weights from -2 to 2.
    fn setting(tau: &[f64], c: &[f64], eta: f64, delta: f64, sigma: f64) -> Setting {
        let position = |w: f64| 0.5 + w / 4.0;
        let cell = |t: f64, c: f64| [delta / 4.0, position(c - t), position(c + t), position(c)];
        let samples = diabetes();
        let parameters = (0..10)
            .flat_map(|j| cell(tau[j % tau.len()], c[j % c.len()]))
            .collect();
        let noise = CycleNoise::new(0.0, sigma);
        let window = Window {
            g_min: 10e-6,
            g_max: 90e-6,
        };
        let cells = Cells::new(
            Arc::new(SoftBounds),
            window,
            noise,
            0.0,
            false,
            cell(1.0, 0.0).to_vec(),
            parameters,
        );
        Setting {
            model: ArrayModel {
                cells: Arc::new(cells),
                map: WeightMap::new(Mapping::ReferenceColumn, 0.5, 4.0, 10, 1),
            },
            x: samples.x,
            y: samples.y,
            gradient: Gradient::PerSample,
            rate: eta,
            counting: Counting::StochasticRounding,
            read_noise: 0.0,
            seconds: 0.0,
            age: 0.0,
        }
    }

    #[test]
    fn the_reference_rows_of_the_diabetes_problem_are_reproduced() {
        let tau = [
            0.7862, 0.6721, 0.9282, 1.1344, 1.4061, 1.0335, 0.8472, 0.7902, 1.2519, 1.6330,
        ];
        let c = [
            0.0409, -0.1850, -0.1437, 0.2400, 0.0304, -0.2598, -0.0126, -0.1745, -0.0944, -0.0732,
        ];
        // τ, c, η, δ, σ_c; bias and mean λ of P0; E|g|/τ and sd(w) of P1: independent prototype
        type Row<'a> = (&'a [f64], &'a [f64], f64, f64, f64, f64, f64, f64, f64);
        let rows: [Row; 8] = [
            (
                &[0.6],
                &[0.0],
                0.03,
                0.001,
                0.3,
                0.6916,
                0.8023,
                0.8484,
                0.0607,
            ),
            (
                &[1.0],
                &[0.0],
                0.003,
                0.001,
                0.3,
                0.6707,
                0.4651,
                0.4680,
                0.0212,
            ),
            (
                &[1.0],
                &[0.0],
                0.03,
                0.001,
                0.3,
                0.6707,
                0.4651,
                0.4976,
                0.0671,
            ),
            (
                &[2.0],
                &[0.0],
                0.003,
                0.001,
                0.3,
                0.6470,
                0.2265,
                0.2284,
                0.0235,
            ),
            (
                &[5.0],
                &[0.0],
                0.003,
                0.001,
                0.3,
                0.6076,
                0.0896,
                0.0903,
                0.0260,
            ),
            (&tau, &c, 0.003, 0.001, 0.3, 0.8732, 0.4807, 0.4845, 0.0212),
            (
                &[1.0],
                &[0.0],
                0.01,
                0.02,
                0.0,
                0.6707,
                0.4651,
                0.4822,
                0.0623,
            ),
            // here what the reference *simulates*: its closure leaves out the correlation of |g| with the state, 4.6 %
            (
                &[1.0],
                &[0.0],
                0.01,
                0.02,
                3.5,
                0.6707,
                0.4651,
                0.6724,
                0.2840,
            ),
        ];
        for (tau, c, eta, delta, sigma, bias, lambda0, lambda1, sd) in rows {
            let setting = setting(tau, c, eta, delta, sigma);
            let problem = LeastSquares::from_rows(&setting.x, &setting.y).unwrap();
            let minimum = problem.solution().unwrap();
            let p0 = mean_field(&setting).unwrap();
            let p1 = gaussian_closure(&setting, &p0).unwrap();
            let path = trajectory(&setting, &[0.0; 10], 60.0);
            let deviation = p1.covariance.diagonal().map(f64::sqrt).mean();
            // E2, E3 in the H norm, E3 Euclidean and E4 at the P0 weights, to the printed digits of the reference
            let printed = match tau {
                [0.6] => Some([0.787, 0.795, 0.806, 0.798]),
                [1.0] => Some([0.456, 0.462, 0.467, 0.470]),
                [2.0] => Some([0.222, 0.226, 0.227, 0.228]),
                [5.0] => Some([0.088, 0.090, 0.089, 0.089]),
                _ => None,
            };
            if let Some(printed) = printed {
                let (centre, spectrum) = (DVector::zeros(10), problem.spectrum().unwrap());
                let nearest = |norm| {
                    let found = spectrum.nearest_on_path(&p0.weights, &centre, norm);
                    found.unwrap().lambda
                };
                let found = [
                    problem.gradient_matching(&p0.weights, &centre).unwrap(),
                    nearest(Norm::H),
                    nearest(Norm::Euclidean),
                    spectrum.eigenmode_median(&p0.weights, &centre).unwrap(),
                ];
                for (found, printed) in found.iter().zip(printed) {
                    assert!((found - printed).abs() < 5.1e-4, "{found} {printed}");
                }
            }
            // the printed digits of the reference
            assert!(((&p0.weights - &minimum).norm() - bias).abs() < 1e-4);
            assert!((p0.mean_lambda().unwrap() - lambda0).abs() < 1e-4);
            // The reference leaves out the second-order effect of trains (relative size η E|g|/(2τ) ≈ 1 %); the last row's
            // simulation has a Monte-Carlo error of 1.6 %.
            let tolerance = if sigma > 1.0 { 0.016 } else { 0.01 };
            assert!((p1.mean_lambda().unwrap() / lambda1 - 1.0).abs() < tolerance);
            assert!((deviation / sd - 1.0).abs() < tolerance);
            // At the end of a run long enough the trajectory is the mean field.
            let end = path.weights.last().unwrap();
            if tau[0] <= 1.0 {
                assert!((end - &p0.weights).norm() < 1e-2 * bias);
            }
        }
    }
}
