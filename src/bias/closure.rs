//! The one-step mean and covariance of a trained array under a Gaussian closure: the core of every prediction.
//!
//! States are the cells' contributions to their weights, in weight units (`w = Σ sign · value`). The same routine with
//! covariance zero is the mean field.

use nalgebra::{DMatrix, DVector};

use super::gaussian::{Joint, Normal};
use crate::crossbar::ArrayModel;
use crate::device::{Counting, Response, Retention};
use crate::number::quadrature::hermite;

/// What gradient a step descends.
#[derive(Debug, Clone)]
pub enum Gradient {
    /// One sample fires at a time: `g = x (w·x - y)`, samples equally likely.
    PerSample,
    /// The mean over a batch (`None`: all samples), plus Gaussian noise of this deviation in every component; taken as Gaussian.
    Summed {
        /// Batch size.
        batch: Option<u32>,
        /// Standard deviation of the added noise.
        noise: f64,
    },
}

/// Everything a prediction needs to know: the array, the data, and how it is trained.
#[derive(Clone)]
pub struct Setting {
    /// The array.
    pub model: ArrayModel,
    /// Samples × features.
    pub x: DMatrix<f64>,
    /// Targets.
    pub y: DVector<f64>,
    /// What gradient a step descends.
    pub gradient: Gradient,
    /// Learning rate of one firing.
    pub rate: f64,
    /// How requests become pulses.
    pub counting: Counting,
    /// Standard deviation of the read noise of the output.
    pub read_noise: f64,
    /// Seconds of relaxation after one firing.
    pub seconds: f64,
    /// Seconds since the array was written, for noise of reads that grows with time.
    pub age: f64,
}

/// One-step moments at a Gaussian state `N(μ, C)`.
#[derive(Debug, Clone)]
pub(super) struct Step {
    /// `E Δs`
    pub drift: DVector<f64>,
    /// Jacobian of the mean step, averaged over the state.
    pub jacobian: DMatrix<f64>,
    /// `E Cov(Δs | s)`
    pub noise: DMatrix<f64>,
    /// `E|g_j|` of every weight.
    pub abs_gradient: DVector<f64>,
    /// `E[|g_j| G_j]/F_j` of every weight, and what saturating trains and retention add: the pull of the device.
    pub pull: DVector<f64>,
}

/// A cell's state given the residual (or gradient) of the step.
struct Given {
    /// Mean of the state minus its unconditional mean.
    shift: f64,
    /// Variance of the state.
    variance: f64,
}

impl Given {
    /// Regression of the state on `r`: `h = Cov(s, r)`, `c = Var s`.
    fn residual(r: &Normal, h: f64, c: f64, value: f64) -> Self {
        Self {
            shift: h / r.v * (value - r.m),
            variance: c - h * h / r.v,
        }
    }
}

/// Nodes for functions of the residual that have no closed form.
const NODES: usize = 41;

/// One closure: a setting with what does not change between evaluations.
pub(super) struct Closure<'a> {
    setting: &'a Setting,
    nodes: Vec<(f64, f64)>,
    h: DMatrix<f64>,
    b: DVector<f64>,
    /// Fraction of the distance to the resting state that each cell loses after one firing (channel C).
    lost: DVector<f64>,
    /// Value of each cell at its resting state.
    rest: DVector<f64>,
    /// Features of each cell, with the cell's sign: `∂(w·x)/∂s_k`.
    features: DMatrix<f64>,
}

impl<'a> Closure<'a> {
    pub fn new(setting: &'a Setting) -> Self {
        let n = setting.x.nrows() as f64;
        let map = setting.model.map;
        let features = DMatrix::from_fn(setting.x.nrows(), map.cells(), |i, k| {
            setting.x[(i, map.weight_of(k))] * map.sign(k)
        });
        let of = |of: &dyn Fn(Retention) -> f64| {
            let cells = &setting.model.cells;
            DVector::from_fn(map.cells(), |k, _| cells.retention_of(k).map_or(0.0, of))
        };
        Self {
            lost: of(&|r| r.lost(setting.seconds)),
            rest: of(&|r| map.value(r.rest)),
            nodes: hermite(NODES),
            h: setting.x.tr_mul(&setting.x) / n,
            b: setting.x.tr_mul(&setting.y) / n,
            features,
            setting,
        }
    }

    pub fn cells(&self) -> usize {
        self.setting.model.map.cells()
    }

    /// Weights of cell values.
    pub fn weights(&self, values: &DVector<f64>) -> DVector<f64> {
        let map = self.setting.model.map;
        let mut w = DVector::zeros(map.weights());
        for k in 0..map.cells() {
            w[map.weight_of(k)] += map.sign(k) * values[k];
        }
        w
    }

    /// Covariance of the weights from that of the cells.
    pub fn weight_covariance(&self, c: &DMatrix<f64>) -> DMatrix<f64> {
        let map = self.setting.model.map;
        let mut out = DMatrix::zeros(map.weights(), map.weights());
        for k in 0..map.cells() {
            for l in 0..map.cells() {
                out[(map.weight_of(k), map.weight_of(l))] += map.sign(k) * map.sign(l) * c[(k, l)];
            }
        }
        out
    }

    /// Variance of a read of every cell at mean values `mu`, in squares of a weight; none where reads of cells are exact.
    fn cell_variances(&self, mu: &DVector<f64>) -> Option<DVector<f64>> {
        let model = &self.setting.model;
        let noise = model.cells.cell_noise().filter(|n| n.is_drawn())?;
        let growth = noise.growth(self.setting.age);
        let square = model.map.per_window().powi(2);
        let of = |&value: &f64| {
            let x = model.map.position(value);
            square * noise.variance(model.cells.window(), x, growth)
        };
        Some(DVector::from_iterator(mu.len(), mu.iter().map(of)))
    }

    /// Variance that read and write noise add to the residual of a sample; `cells` are [`Closure::cell_variances`].
    fn output_variance(&self, x: &[f64], cells: Option<&DVector<f64>>) -> f64 {
        let map = self.setting.model.map;
        let own = cells.map_or(0.0, |v| {
            let terms = v.iter().enumerate();
            terms.map(|(k, v)| x[map.weight_of(k)].powi(2) * v).sum()
        });
        own + self.shared_variance(x.iter().copied())
    }

    /// Variance that the noise of outputs and of writing adds to the residual of a sample.
    fn shared_variance(&self, x: impl Iterator<Item = f64>) -> f64 {
        let model = &self.setting.model;
        let write = model.cells.write_noise() * model.step();
        let cells = model.map.cells_per_weight() as f64;
        self.setting.read_noise.powi(2) + cells * write * write * x.map(|x| x * x).sum::<f64>()
    }

    /// Mean step of the mean field at `mu`: [`Closure::step`] with covariance zero, without the rest.
    pub fn drift(&self, mu: &DVector<f64>) -> DVector<f64> {
        let (setting, map) = (self.setting, self.setting.model.map);
        let k = self.cells();
        let cells = &setting.model.cells;
        let read = cells.cell_noise().is_some_and(|n| n.is_drawn());
        let noisy = setting.read_noise > 0.0 || cells.write_noise() > 0.0 || read;
        if noisy || !matches!(setting.gradient, Gradient::PerSample) {
            return self.step(mu, &DMatrix::zeros(k, k), true).drift;
        }
        let residual = &setting.x * self.weights(mu) - &setting.y;
        let share = setting.rate / setting.x.nrows() as f64;
        let mut signed = DVector::zeros(map.weights());
        let mut size = DVector::zeros(map.weights());
        for (j, column) in setting.x.column_iter().enumerate() {
            let (g, abs) = column
                .iter()
                .zip(residual.iter())
                .fold((0.0, 0.0), |(g, a), (x, r)| (g + x * r, a + (x * r).abs()));
            signed[j] = share * g;
            size[j] = share * abs;
        }
        DVector::from_fn(k, |k, _| {
            let [f, g] = setting.model.cell_response_values(k, mu[k]);
            let j = map.weight_of(k);
            let drift = -map.share(k) * signed[j] * f - map.share(k).abs() * size[j] * g;
            match setting.model.cells.stuck_at(k) {
                Some(_) => 0.0,
                None => self.kept(k, drift, mu[k]),
            }
        })
    }

    /// What relaxation leaves of the mean step `drift` of cell `k` from the mean value `mu`, its own step included.
    fn kept(&self, k: usize, drift: f64, mu: f64) -> f64 {
        drift - self.lost[k] * (mu + drift - self.rest[k])
    }

    /// Relaxation follows the update: it is linear in the state, so mean, Jacobian and covariance take it exactly.
    fn relax(&self, mu: &DVector<f64>, step: &mut Step) {
        if self.lost.iter().all(|&lost| lost == 0.0) {
            return;
        }
        let map = self.setting.model.map;
        for k in 0..mu.len() {
            step.drift[k] = self.kept(k, step.drift[k], mu[k]);
            // Seen from the gradient, before the relaxation takes its share of everything.
            if self.setting.model.cells.stuck_at(k).is_some() {
                continue;
            }
            let part = self.lost[k] / (1.0 - self.lost[k]);
            let pull = part * (mu[k] - self.rest[k]) / self.setting.rate;
            step.pull[map.weight_of(k)] += map.sign(k) * pull;
        }
        let kept = self.lost.map(|lost| 1.0 - lost);
        for k in 0..mu.len() {
            step.jacobian.row_mut(k).scale_mut(kept[k]);
            step.jacobian[(k, k)] -= self.lost[k];
            step.noise
                .column_mut(k)
                .component_mul_assign(&(&kept * kept[k]));
        }
    }

    /// Stuck cells do not move, and where they were moved, they would be back at once.
    fn hold(&self, step: &mut Step) {
        for &(k, _) in self.setting.model.cells.stuck() {
            step.drift[k] = 0.0;
            step.jacobian.row_mut(k).fill(0.0);
            step.jacobian[(k, k)] = -1.0;
            step.noise.row_mut(k).fill(0.0);
            step.noise.column_mut(k).fill(0.0);
        }
    }

    /// The strength of channel C on a weight, `1/(η F(w⋄) t)` with t the lifetime in steps, exactly `l/((1 - l) η F)` for a loss l a
    /// step; F at the resting state where there is no symmetric point. Where its cells lose different parts, the mean of l/(1 - l): right
    /// if they share what the weight is off. 0 where all cells are stuck.
    pub fn retention_strength(&self, weight: usize) -> f64 {
        let model = &self.setting.model;
        let n = model.map.cells_per_weight();
        let cells = weight * n..(weight + 1) * n;
        let f: f64 = cells
            .clone()
            .map(|k| {
                let at = model.symmetric_value(k).unwrap_or(self.rest[k]);
                model.map.share(k).abs() * model.cell_response_values(k, at)[0]
            })
            .sum();
        let free = cells.filter(|&k| model.cells.stuck_at(k).is_none());
        let parts: f64 = free.map(|k| self.lost[k] / (1.0 - self.lost[k])).sum();
        match model.free_cells(weight) {
            0 => 0.0,
            n => parts / n as f64 / (self.setting.rate * f),
        }
    }

    /// Rate at which retention shrinks a mode, at most, of training time.
    pub fn retention_rate(&self) -> f64 {
        self.lost.max() / self.setting.rate
    }

    /// One-step moments at mean `mu` and covariance `c`; `quiet` leaves out all that needs the covariance's own equation.
    pub fn step(&self, mu: &DVector<f64>, c: &DMatrix<f64>, quiet: bool) -> Step {
        let map = self.setting.model.map;
        let k = self.cells();
        let responses: Vec<Response> = (0..k)
            .map(|i| self.setting.model.response(i, mu[i]))
            .collect();
        let mut step = Step {
            drift: DVector::zeros(k),
            jacobian: DMatrix::zeros(k, k),
            noise: DMatrix::zeros(k, k),
            abs_gradient: DVector::zeros(map.weights()),
            pull: DVector::zeros(map.weights()),
        };
        match self.setting.gradient {
            Gradient::PerSample => self.per_sample(mu, c, &responses, quiet, &mut step),
            Gradient::Summed { batch, noise } => {
                self.summed(mu, c, &responses, quiet, batch, noise, &mut step);
            }
        }
        self.relax(mu, &mut step);
        self.hold(&mut step);
        for j in 0..map.weights() {
            let n = map.cells_per_weight();
            let f: f64 = (j * n..(j + 1) * n)
                .map(|i| {
                    map.share(i).abs() * (responses[i].f[0] + 0.5 * responses[i].f[2] * c[(i, i)])
                })
                .sum();
            step.pull[j] = match self.setting.model.free_cells(j) {
                0 => 0.0,
                _ => step.pull[j] / f,
            };
        }
        step
    }

    fn per_sample(
        &self,
        mu: &DVector<f64>,
        c: &DMatrix<f64>,
        responses: &[Response],
        quiet: bool,
        step: &mut Step,
    ) {
        let map = self.setting.model.map;
        let (eta, n, cells) = (self.setting.rate, self.setting.x.nrows(), self.cells());
        let share = 1.0 / n as f64;
        let own = self.cell_variances(mu);
        for i in 0..n {
            let u = self.features.row(i).transpose();
            let h = c * &u;
            let row: Vec<f64> = self.setting.x.row(i).iter().copied().collect();
            let extra = self.output_variance(&row, own.as_ref());
            let r = Normal::new(u.dot(mu) - self.setting.y[i], u.dot(&h) + extra);
            for j in 0..map.weights() {
                step.abs_gradient[j] += share * self.setting.x[(i, j)].abs() * r.abs;
            }
            // Signed and unsigned request of each cell per unit residual.
            let a = DVector::from_fn(cells, |k, _| {
                eta * map.share(k) * self.setting.x[(i, map.weight_of(k))]
            });
            for k in 0..cells {
                let joint = Joint::new(&r, &responses[k].f, &responses[k].g, h[k], c[(k, k)]);
                let (signed, size) = (share * a[k], share * a[k].abs());
                self.add_mean(k, signed, size, &joint, &u, step);
            }
            if !quiet {
                self.add_second_moment(share, &r, &a, responses, step);
                self.add_counts(i, share, &r, &a, &h, responses, c, step);
            }
        }
        if !quiet {
            // The drift vanishes at the fixed point; its spread over the state is taken out once, so that what is left is
            // the covariance given the state.
            step.noise -= &step.jacobian * c * step.jacobian.transpose();
        }
    }

    /// Adds one term's share to drift, Jacobian and pull of cell `k`: requests `signed · r`, `|signed| = size`, and
    /// `∂r/∂s = u`.
    fn add_mean(
        &self,
        k: usize,
        signed: f64,
        size: f64,
        joint: &Joint,
        u: &DVector<f64>,
        step: &mut Step,
    ) {
        let map = self.setting.model.map;
        step.drift[k] -= signed * joint.r_f + size * joint.abs_g;
        let along = signed * joint.f + size * joint.sign_g;
        for l in 0..u.len() {
            step.jacobian[(k, l)] -= along * u[l];
        }
        step.jacobian[(k, k)] -= signed * joint.r_df + size * joint.abs_dg;
        step.pull[map.weight_of(k)] += map.sign(k) * size * joint.abs_g / self.setting.rate;
    }

    /// Adds drift beyond the linear response: it pulls like the asymmetry does.
    fn add_drift(&self, k: usize, drift: f64, step: &mut Step) {
        let map = self.setting.model.map;
        step.drift[k] += drift;
        step.pull[map.weight_of(k)] -= map.sign(k) * drift / self.setting.rate;
    }

    /// `E[Δ Δᵀ]` of the mean response over samples and residuals.
    fn add_second_moment(
        &self,
        share: f64,
        r: &Normal,
        a: &DVector<f64>,
        responses: &[Response],
        step: &mut Step,
    ) {
        let cells = self.cells();
        let linear = DVector::from_fn(cells, |k, _| a[k] * responses[k].f[0]);
        let rectified = DVector::from_fn(cells, |k, _| a[k].abs() * responses[k].g[0]);
        let (even, odd) = (share * r.square(), share * r.signed_square());
        for k in 0..cells {
            for l in 0..cells {
                step.noise[(k, l)] += even * (linear[k] * linear[l] + rectified[k] * rectified[l])
                    + odd * (linear[k] * rectified[l] + rectified[k] * linear[l]);
            }
        }
    }

    /// What whole pulses add: count and cycle-to-cycle noise to the covariance, saturating trains to the drift.
    #[expect(
        clippy::too_many_arguments,
        reason = "one sample's share of one expectation"
    )]
    fn add_counts(
        &self,
        sample: usize,
        share: f64,
        r: &Normal,
        a: &DVector<f64>,
        h: &DVector<f64>,
        responses: &[Response],
        c: &DMatrix<f64>,
        step: &mut Step,
    ) {
        let counting = self.setting.counting;
        if counting == Counting::Expected {
            return;
        }
        let (delta, sd) = (self.setting.model.step(), r.v.sqrt());
        let largest = self
            .setting
            .x
            .row(sample)
            .iter()
            .fold(0.0_f64, |m, x| m.max(x.abs()));
        for &(z, weight) in &self.nodes {
            let residual = r.m + sd * z;
            let p = share * weight;
            for k in 0..a.len() {
                let request = -a[k] * residual;
                let given = Given::residual(r, h[k], c[(k, k)], residual);
                let (drift, variance) = self.count_terms(request, &responses[k], &given, k);
                self.add_drift(k, p * drift, step);
                step.noise[(k, k)] += p * variance;
            }
            if let Counting::Coincidence {
                bits,
                update_management,
            } = counting
            {
                self.add_shared_trains(
                    p,
                    residual,
                    largest,
                    bits,
                    update_management,
                    a,
                    responses,
                    delta,
                    step,
                );
            }
        }
    }

    /// Mean beyond the linear response (to second order in the train) and variance of one cell's change for `request`, in
    /// weight units: `½ E n(n-1) d d'` and `δ²(Var n q² + E n (σ_a² + σ_m² q²))`, `q` expanded about the mean state.
    fn count_terms(
        &self,
        request: f64,
        response: &Response,
        given: &Given,
        cell: usize,
    ) -> (f64, f64) {
        let model = &self.setting.model;
        let delta = model.step();
        let q = if request > 0.0 {
            response.up()
        } else {
            response.down()
        };
        let moments = self.setting.counting.moments(request.abs() / delta);
        let (d, c) = (given.shift, given.variance);
        let mean = q[0] + d * (q[1] + 0.5 * d * q[2]);
        let slope = q[1] + d * q[2];
        let square = mean * mean + (slope * slope + mean * q[2]) * c;
        let noise = model.cells.noise();
        let own =
            model.cells.double(cell).parameters[crate::device::STEP] / model.cells.nominal_step();
        let cycle = match response.variance {
            Some([up, down]) => {
                let v = if request > 0.0 { up } else { down };
                v[0] + d * v[1] + 0.5 * (d * d + c) * v[2]
            }
            None => (noise.additive() * own).powi(2) + noise.multiplicative().powi(2) * square,
        };
        (
            0.5 * delta * delta * moments.factorial * (mean * slope + 1.5 * slope * q[2] * c),
            delta * delta * (moments.variance * square + moments.mean * cycle),
        )
    }

    /// Cells of one column share its train: `Cov(n_k, n_l) = m_k m_l (1 - p)/(BL p)` with p the column's probability.
    #[expect(
        clippy::too_many_arguments,
        reason = "one sample's share of one expectation"
    )]
    fn add_shared_trains(
        &self,
        p: f64,
        residual: f64,
        largest: f64,
        bits: u32,
        managed: bool,
        a: &DVector<f64>,
        responses: &[Response],
        delta: f64,
        step: &mut Step,
    ) {
        let map = self.setting.model.map;
        let (bits, per) = (f64::from(bits), map.cells_per_weight());
        let asked = self.setting.rate * residual.abs() / (per as f64 * delta);
        let column = if managed {
            (largest * asked / bits).sqrt()
        } else {
            asked / (bits * self.setting.rate / delta).sqrt()
        }
        .min(1.0);
        if column <= 0.0 {
            return;
        }
        let factor = p * (1.0 - column) / (bits * column);
        let change: Vec<f64> = (0..a.len())
            .map(|k| {
                let request = -a[k] * residual;
                let q = if request > 0.0 {
                    responses[k].up()[0]
                } else {
                    responses[k].down()[0]
                };
                request * q
            })
            .collect();
        for k in 0..a.len() {
            for l in (0..a.len()).filter(|&l| l != k && l % per == k % per) {
                step.noise[(k, l)] += factor * change[k] * change[l];
            }
        }
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "the parts of one Gaussian gradient"
    )]
    fn summed(
        &self,
        mu: &DVector<f64>,
        c: &DMatrix<f64>,
        responses: &[Response],
        quiet: bool,
        batch: Option<u32>,
        sd: f64,
        step: &mut Step,
    ) {
        let map = self.setting.model.map;
        let (eta, cells) = (self.setting.rate, self.cells());
        let noise = self.gradient_noise(mu, c, batch, sd);
        let mean = &self.h * self.weights(mu) - &self.b;
        // Gradient of weight j given the cells: row j of H with the cells' signs.
        let rows = DMatrix::from_fn(map.weights(), cells, |j, k| {
            self.h[(j, map.weight_of(k))] * map.sign(k)
        });
        let with_cells = &rows * c;
        for j in 0..map.weights() {
            let u = rows.row(j).transpose();
            let v = with_cells.row(j).transpose().dot(&u) + noise[(j, j)];
            let g = Normal::new(mean[j], v);
            step.abs_gradient[j] = g.abs;
            let given = Normal::new(mean[j], noise[(j, j)]);
            for k in (0..cells).filter(|&k| map.weight_of(k) == j) {
                let joint = Joint::new(
                    &g,
                    &responses[k].f,
                    &responses[k].g,
                    with_cells[(j, k)],
                    c[(k, k)],
                );
                let signed = eta * map.share(k);
                self.add_mean(k, signed, signed.abs(), &joint, &u, step);
                if !quiet {
                    self.add_gradient_noise(k, &given, &noise, &mean, responses, step);
                    if self.setting.counting != Counting::Expected {
                        for &(z, weight) in &self.nodes {
                            let value = g.m + g.v.sqrt() * z;
                            let state = Given::residual(&g, with_cells[(j, k)], c[(k, k)], value);
                            let (drift, variance) =
                                self.count_terms(-signed * value, &responses[k], &state, k);
                            self.add_drift(k, weight * drift, step);
                            step.noise[(k, k)] += weight * variance;
                        }
                    }
                }
            }
        }
    }

    /// Covariance of a summed gradient given the weights.
    fn gradient_noise(
        &self,
        mu: &DVector<f64>,
        c: &DMatrix<f64>,
        batch: Option<u32>,
        sd: f64,
    ) -> DMatrix<f64> {
        let d = self.h.nrows();
        let mut noise = DMatrix::identity(d, d) * (sd * sd);
        let (x, n) = (&self.setting.x, self.setting.x.nrows());
        let reads = f64::from(batch.unwrap_or(n as u32));
        let w = self.weights(mu);
        let cw = self.weight_covariance(c);
        let own = self.cell_variances(mu);
        let mut weighted = x.clone();
        for (i, mut row) in weighted.row_iter_mut().enumerate() {
            let xi = x.row(i).transpose();
            let read = self.output_variance(xi.as_slice(), own.as_ref());
            // Sampling moves a full batch not at all; noisy reads move every batch.
            let sampled = match batch {
                Some(_) => (xi.dot(&w) - self.setting.y[i]).powi(2) + xi.dot(&(&cw * &xi)),
                None => 0.0,
            };
            row *= (sampled + read) / (reads * n as f64);
        }
        noise += weighted.tr_mul(x);
        if batch.is_some() {
            let mean = &self.h * &w - &self.b;
            noise -= &mean * mean.transpose() / reads;
        }
        noise
    }

    /// Row `k` of the covariance of the mean response to a Gaussian gradient given the state. Between different weights
    /// `Cov(g, |g'|) = N E sgn` exactly and `Cov(|g|, |g'|) ≈ N E sgn E sgn' + 2 N² p p'` (Mehler, second order).
    fn add_gradient_noise(
        &self,
        k: usize,
        given: &Normal,
        noise: &DMatrix<f64>,
        mean: &DVector<f64>,
        responses: &[Response],
        step: &mut Step,
    ) {
        let map = self.setting.model.map;
        let eta = self.setting.rate;
        let (j, f, g) = (map.weight_of(k), responses[k].f[0], responses[k].g[0]);
        let (a, b) = (eta * map.share(k) * f, eta * map.share(k).abs() * g);
        for (l, response) in responses.iter().enumerate() {
            let i = map.weight_of(l);
            let (al, bl) = (
                eta * map.share(l) * response.f[0],
                eta * map.share(l).abs() * response.g[0],
            );
            let n = noise[(j, i)];
            let cov = if i == j {
                let rectified = given.square() - given.abs * given.abs;
                let cross = given.signed_square() - given.m * given.abs;
                a * al * n + b * bl * rectified + (a * bl + b * al) * cross
            } else if n == 0.0 {
                0.0
            } else {
                let other = Normal::new(mean[i], noise[(i, i)]);
                let both =
                    n * given.sign * other.sign + 2.0 * n * n * given.density * other.density;
                a * al * n + b * bl * both + n * (a * bl * other.sign + b * al * given.sign)
            };
            step.noise[(k, l)] += cov;
        }
    }
}
