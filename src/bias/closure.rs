//! The one-step mean and covariance of a trained array under a Gaussian closure: the core of every prediction.
//!
//! States are the cells' contributions to their weights, in weight units (`w = Σ sign · value`). The same routine with
//! covariance zero is the mean field.

use nalgebra::{DMatrix, DVector};

use super::gaussian::{Joint, Normal};
use super::seen::Seen;
use crate::crossbar::{ArrayModel, Layout, Wires};
use crate::device::{Counting, Response, Retention};
use crate::error::Result;
use crate::number::quadrature::hermite;

/// What gradient a step descends.
#[derive(Debug, Clone)]
pub enum Gradient {
    /// Samples fire one by one: `g = x (w·x - y)`, samples equally likely.
    PerSample {
        /// How many samples are read at the same weights before they fire.
        batch: u32,
    },
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
    /// Wires that it is read through; ideal ones without.
    pub wires: Option<Wires>,
    /// The tiles that it is cut into, each with wires of its own.
    pub layout: Layout,
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
    /// Jacobian of the mean step, averaged over the state; while it is summed, its part by way of the residual or gradient alone.
    pub jacobian: DMatrix<f64>,
    /// Of the Jacobian, the derivatives of the mean step in each cell's own state, without those by way of the residual.
    pub own: DVector<f64>,
    /// Covariance of any two firings of a step, by the write noise that both read; of it, `noise` contains B - 1.
    shared: DMatrix<f64>,
    /// Sum of the sizes of all cells' requests.
    pub asked: f64,
    /// What whole pulses make of it.
    pub made: f64,
    /// `E Cov(Δs | s)`
    pub noise: DMatrix<f64>,
    /// `E|g_j|` of every weight.
    pub abs_gradient: DVector<f64>,
    /// `E[|g_j| G_j]/F_j` of every weight, and what saturating trains and retention add: the pull of the device.
    pub pull: DVector<f64>,
}

impl Step {
    /// Part of the requested changes that is not made (negative: too much is made).
    pub fn lost(&self) -> f64 {
        match self.asked > 0.0 {
            true => 1.0 - self.made / self.asked,
            false => 0.0,
        }
    }

    /// Joins the parts of the Jacobian.
    fn join(&mut self) {
        for k in 0..self.own.len() {
            self.jacobian[(k, k)] += self.own[k];
        }
    }
}

/// A cell's state given the residual (or gradient) of the step.
pub(super) struct Given {
    /// Mean of the state minus its unconditional mean.
    pub shift: f64,
    /// Variance of the state.
    pub variance: f64,
}

impl Given {
    /// Regression of the state on `r`: `h = Cov(s, r)`, `c = Var s`.
    pub fn residual(r: &Normal, h: f64, c: f64, value: f64) -> Self {
        Self {
            shift: h / r.v * (value - r.m),
            variance: c - h * h / r.v,
        }
    }
}

/// Nodes for functions of the residual that have no closed form.
const NODES: usize = 41;

/// `E f(z)` of a standard normal as a sum over 400 strips from -8 to 8.
pub(super) fn midpoints() -> Vec<(f64, f64)> {
    let strips = (0..400).map(|i| -8.0 + 0.04 * (f64::from(i) + 0.5));
    let nodes = strips.map(|z| {
        (
            z,
            0.04 * (-0.5 * z * z).exp() / std::f64::consts::TAU.sqrt(),
        )
    });
    nodes.collect()
}

/// The strength of channel C on a weight, `1/(η F(w⋄) t)` with t the lifetime in steps, exactly `l/((1 - l) η F)` for a loss l a
/// step; F at the resting state where there is no symmetric point. Where its cells lose different parts, the mean of l/(1 - l): right
/// if they share what the weight is off. 0 where all cells are stuck.
pub(super) fn retention_strength(
    model: &ArrayModel,
    seconds: f64,
    rate: f64,
    weight: usize,
) -> f64 {
    let n = model.map.cells_per_weight();
    let cells = weight * n..(weight + 1) * n;
    let lost = |k: usize| (model.cells.retention_of(k)).map_or(0.0, |r| r.lost(seconds));
    let rest = |k: usize| (model.cells.retention_of(k)).map_or(0.0, |r| model.map.value(r.rest));
    let free = cells.clone();
    let free = free.filter(|&k| model.cells.stuck_at(k).is_none());
    let parts: f64 = free.map(|k| lost(k) / (1.0 - lost(k))).sum();
    if parts == 0.0 {
        return 0.0;
    }
    let f: f64 = cells
        .map(|k| {
            let at = model.symmetric_value(k).unwrap_or(rest(k));
            model.map.share(k).abs() * model.cell_response_values(k, at)[0]
        })
        .sum();
    parts / model.free_cells(weight) as f64 / (rate * f)
}

/// One closure: a setting with what does not change between evaluations.
pub(super) struct Closure<'a> {
    pub(super) setting: &'a Setting,
    /// The array as pulses reach it at the state that was entered last.
    pub(super) model: ArrayModel,
    pub(super) nodes: Vec<(f64, f64)>,
    pub(super) h: DMatrix<f64>,
    b: DVector<f64>,
    /// Fraction of the distance to the resting state that each cell loses after one firing (channel C).
    lost: DVector<f64>,
    /// Value of each cell at its resting state.
    rest: DVector<f64>,
    /// What reads see of the cells at the state that was looked at last.
    pub(super) seen: Seen,
    /// Variance of the write noise of each cell's value. It is held until the next pulse, and taken as new at every read: where cells
    /// rest for many reads, the deviation of the weights comes out up to 5 % too small.
    written: DVector<f64>,
}

impl<'a> Closure<'a> {
    pub fn new(setting: &'a Setting) -> Self {
        let n = setting.x.nrows() as f64;
        let map = setting.model.map;
        let of = |of: &dyn Fn(Retention) -> f64| {
            let cells = &setting.model.cells;
            DVector::from_fn(map.cells(), |k, _| cells.retention_of(k).map_or(0.0, of))
        };
        let write = setting.model.cells.write_noise() * setting.model.step();
        let written = DVector::from_fn(map.cells(), |k, _| {
            // Without pulses nothing is written, and on a stuck cell nothing can be.
            let rests =
                setting.counting == Counting::Expected || setting.model.cells.stuck_at(k).is_some();
            if rests { 0.0 } else { write * write }
        });
        Self {
            written,
            lost: of(&|r| r.lost(setting.seconds)),
            rest: of(&|r| map.value(r.rest)),
            nodes: match setting.counting {
                // Nearest whole numbers jump: a fine midpoint rule.
                Counting::Deterministic => midpoints(),
                _ => hermite(NODES),
            },
            h: setting.x.tr_mul(&setting.x) / n,
            b: setting.x.tr_mul(&setting.y) / n,
            seen: Seen::new(setting),
            model: setting.model.clone(),
            setting,
        }
    }

    pub fn cells(&self) -> usize {
        self.model.map.cells()
    }

    /// Firings of one step, all with residuals that were read at the same weights.
    pub fn firings(&self) -> f64 {
        match self.setting.gradient {
            Gradient::PerSample { batch } => f64::from(batch),
            Gradient::Summed { .. } => 1.0,
        }
    }

    /// Transition of the mean and covariance by a whole step of B firings: residuals are those of its beginning, `R`, while responses
    /// follow the state, `D`, whose effect within the step is taken to first order: `Σ (I+D)^b (D+R)` and `Σ (I+D)^b Q (I+D)^b`.
    pub fn batch(&self, step: &Step) -> (DMatrix<f64>, DMatrix<f64>) {
        let n = self.firings();
        let within = DMatrix::from_diagonal(&(&step.own * (0.5 * (n - 1.0))));
        let each = DMatrix::identity(self.cells(), self.cells()) + within;
        (
            DMatrix::identity(self.cells(), self.cells()) + &each * &step.jacobian * n,
            &each * &step.noise * &each * n,
        )
    }

    /// Covariance averaged over the firings of a step, before each of which it is logged, from that at its beginning.
    pub fn logged(&self, step: &Step, c: &DMatrix<f64>) -> DMatrix<f64> {
        let n = self.firings();
        // Means of b and b² for b < n.
        let (b, b2) = (0.5 * (n - 1.0), (n - 1.0) * (2.0 * n - 1.0) / 6.0);
        let moved = &step.jacobian * c;
        let first = &step.noise - &step.shared * (n - 1.0);
        // After b firings: b of their own, and b (b - 1) pairs.
        c + (&moved + moved.transpose() + first) * b
            + moved * step.jacobian.transpose() * b2
            + &step.shared * (b2 - b)
    }

    /// Mean step of the mean field at `mu` with the requests that are lost, as far as residuals without noise tell.
    ///
    /// # Errors
    /// Those of [`Closure::enter`].
    pub fn counted_drift(&mut self, mu: &DVector<f64>) -> Result<DVector<f64>> {
        let mut drift = self.drift(mu)?;
        if !self.may_lose() {
            return Ok(drift);
        }
        let read = self.enter(mu)?;
        let (setting, map) = (self.setting, self.model.map);
        let kept = self.lost.map(|lost| 1.0 - lost);
        if let Gradient::Summed { .. } = setting.gradient {
            let g = &self.h * read - &self.b;
            for k in 0..self.cells() {
                let a = DVector::from_fn(self.cells(), |l, _| {
                    if l == k {
                        setting.rate * map.share(k)
                    } else {
                        0.0
                    }
                });
                drift[k] += kept[k] * self.lost_drift(0, g[map.weight_of(k)], &a, mu)[k];
            }
            return Ok(drift);
        }
        let residual = &setting.x * read - &setting.y;
        let share = kept / setting.x.nrows() as f64;
        for (i, &r) in residual.iter().enumerate() {
            drift += self
                .lost_drift(i, r, &self.requests(i), mu)
                .component_mul(&share);
        }
        Ok(drift)
    }

    /// Requests of each cell for sample `i` per unit of `-r`.
    fn requests(&self, i: usize) -> DVector<f64> {
        let (setting, map) = (self.setting, self.model.map);
        DVector::from_fn(self.cells(), |k, _| {
            setting.rate * map.share(k) * setting.x[(i, map.weight_of(k))]
        })
    }

    /// Mean step of the mean field at `mu` of a linear response: [`Closure::step`] with covariance zero, without the rest.
    ///
    /// # Errors
    /// Those of [`Closure::enter`].
    pub fn drift(&mut self, mu: &DVector<f64>) -> Result<DVector<f64>> {
        let k = self.cells();
        let read = self.model.cells.cell_noise().is_some_and(|n| n.is_drawn());
        let noisy = self.setting.read_noise > 0.0 || self.written.amax() > 0.0 || read;
        if noisy || !matches!(self.setting.gradient, Gradient::PerSample { .. }) {
            return Ok(self.step(mu, &DMatrix::zeros(k, k), true)?.drift);
        }
        let read = self.enter(mu)?;
        let (setting, map) = (self.setting, self.model.map);
        let residual = &setting.x * read - &setting.y;
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
        Ok(DVector::from_fn(k, |k, _| {
            let [f, g] = self.model.cell_response_values(k, mu[k]);
            let j = map.weight_of(k);
            let drift = -map.share(k) * signed[j] * f - map.share(k).abs() * size[j] * g;
            match self.model.cells.stuck_at(k) {
                Some(_) => 0.0,
                None => self.kept(k, drift, mu[k]),
            }
        }))
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
        let map = self.model.map;
        for k in 0..mu.len() {
            step.drift[k] = self.kept(k, step.drift[k], mu[k]);
            // Seen from the gradient, before the relaxation takes its share of everything.
            if self.model.cells.stuck_at(k).is_some() {
                continue;
            }
            let part = self.lost[k] / (1.0 - self.lost[k]);
            let pull = part * (mu[k] - self.rest[k]) / self.setting.rate;
            step.pull[map.weight_of(k)] += map.sign(k) * pull;
        }
        let kept = self.lost.map(|lost| 1.0 - lost);
        step.own.component_mul_assign(&kept);
        step.own -= &self.lost;
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
        for &(k, _) in self.model.cells.stuck() {
            step.drift[k] = 0.0;
            step.jacobian.row_mut(k).fill(0.0);
            // What is not where it is stuck is back after a step.
            step.jacobian[(k, k)] = -1.0 / self.firings();
            step.own[k] = 0.0;
            step.noise.row_mut(k).fill(0.0);
            step.noise.column_mut(k).fill(0.0);
        }
    }

    /// [`retention_strength`] on a weight.
    pub fn retention_strength(&self, weight: usize) -> f64 {
        retention_strength(&self.model, self.setting.seconds, self.setting.rate, weight)
    }

    /// Rate at which retention shrinks a mode, at most, of training time.
    pub fn retention_rate(&self) -> f64 {
        self.lost.max() / self.setting.rate
    }

    /// One-step moments at mean `mu` and covariance `c`; `quiet` leaves out all that needs the covariance's own equation.
    ///
    /// # Errors
    /// Those of [`Closure::look`].
    pub fn step(&mut self, mu: &DVector<f64>, c: &DMatrix<f64>, quiet: bool) -> Result<Step> {
        self.look(mu)?;
        let map = self.model.map;
        let k = self.cells();
        let responses: Vec<Response> = (0..k).map(|i| self.model.response(i, mu[i])).collect();
        let mut step = Step {
            drift: DVector::zeros(k),
            jacobian: DMatrix::zeros(k, k),
            own: DVector::zeros(k),
            shared: DMatrix::zeros(k, k),
            asked: 0.0,
            made: 0.0,
            noise: DMatrix::zeros(k, k),
            abs_gradient: DVector::zeros(map.weights()),
            pull: DVector::zeros(map.weights()),
        };
        match self.setting.gradient {
            Gradient::PerSample { .. } => self.per_sample(mu, c, &responses, quiet, &mut step),
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
            step.pull[j] = match self.model.free_cells(j) {
                0 => 0.0,
                _ => step.pull[j] / f,
            };
        }
        Ok(step)
    }

    fn per_sample(
        &self,
        mu: &DVector<f64>,
        c: &DMatrix<f64>,
        responses: &[Response],
        quiet: bool,
        step: &mut Step,
    ) {
        let map = self.model.map;
        let (n, cells) = (self.setting.x.nrows(), self.cells());
        let share = 1.0 / n as f64;
        let own = self.cell_variances(mu);
        for i in 0..n {
            let u = self.seen.features.row(i).transpose();
            let h = c * &u;
            let terms = u.iter().zip(self.written.iter());
            let written: f64 = terms.map(|(u, v)| u * u * v).sum();
            let extra = self.read_variance(i, own.as_ref()) + written;
            let r = Normal::new(u.dot(mu) - self.seen.targets[i], u.dot(&h) + extra);
            for j in 0..map.weights() {
                step.abs_gradient[j] += share * self.setting.x[(i, j)].abs() * r.abs;
            }
            // Signed and unsigned request of each cell per unit residual.
            let a = self.requests(i);
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
        let reading = step.jacobian.clone();
        step.join();
        if !quiet {
            // The drift vanishes at the fixed point; its spread over the state is taken out once, so that what is left is
            // the covariance given the state.
            step.noise -= &step.jacobian * c * step.jacobian.transpose();
            // The samples of a batch are read with the same write noise: every other firing adds a covariance.
            step.shared = &reading * DMatrix::from_diagonal(&self.written) * reading.transpose();
            step.noise += &step.shared * (self.firings() - 1.0);
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
        let map = self.model.map;
        step.drift[k] -= signed * joint.r_f + size * joint.abs_g;
        let along = signed * joint.f + size * joint.sign_g;
        for l in 0..u.len() {
            step.jacobian[(k, l)] -= along * u[l];
        }
        step.own[k] -= signed * joint.r_df + size * joint.abs_dg;
        step.pull[map.weight_of(k)] += map.sign(k) * size * joint.abs_g / self.setting.rate;
    }

    /// Adds drift beyond the linear response: it pulls like the asymmetry does.
    pub(super) fn add_drift(&self, k: usize, drift: f64, step: &mut Step) {
        let map = self.model.map;
        step.drift[k] += drift;
        step.pull[map.weight_of(k)] -= map.sign(k) * drift / self.setting.rate;
    }

    /// `E[Δ Δᵀ]` of the mean response `-a r F - |a r| G` over samples and residuals, with `F` and `G` at the mean state: how they vary with the
    /// state and how long trains saturate nearly cancel in the covariance of soft bounds, and neither is counted.
    fn add_second_moment(
        &self,
        share: f64,
        r: &Normal,
        a: &DVector<f64>,
        responses: &[Response],
        step: &mut Step,
    ) {
        let f = DVector::from_fn(self.cells(), |k, _| a[k] * responses[k].f[0]);
        let g = DVector::from_fn(self.cells(), |k, _| a[k].abs() * responses[k].g[0]);
        let mixed = &f * g.transpose();
        step.noise += (&f * f.transpose() + &g * g.transpose()) * (share * r.square());
        step.noise += (&mixed + mixed.transpose()) * (share * r.signed_square());
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
        let map = self.model.map;
        let (eta, cells) = (self.setting.rate, self.cells());
        let noise = self.gradient_noise(mu, c, batch, sd);
        let mean = &self.h * &self.seen.weights - &self.b;
        // Gradient of weight j given the cells: row j of H as reads see the cells.
        let rows = self.seen.of_cells(&self.h, map);
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
                    let (h, c) = (with_cells[(j, k)], c[(k, k)]);
                    self.add_summed_counts(k, signed, &g, h, c, &responses[k], step);
                }
            }
        }
        step.join();
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
        let w = &self.seen.weights;
        // What is written on the cells is read with all samples of a batch: of it, only what sampling makes is averaged.
        let written = self.read_covariance(&DMatrix::from_diagonal(&self.written));
        let cw = self.read_covariance(c) + &written;
        let own = self.cell_variances(mu);
        let mut weighted = x.clone();
        for (i, mut row) in weighted.row_iter_mut().enumerate() {
            let xi = x.row(i).transpose();
            // Sampling moves a full batch not at all; noisy reads move every batch.
            let sampled = match batch {
                Some(_) => (xi.dot(w) - self.setting.y[i]).powi(2) + xi.dot(&(&cw * &xi)),
                None => 0.0,
            };
            row *= (sampled + self.read_variance(i, own.as_ref())) / (reads * n as f64);
        }
        noise += weighted.tr_mul(x);
        if batch.is_some() {
            // E of the mean gradient's square, over the state too.
            let mean = &self.h * w - &self.b;
            noise -= (&mean * mean.transpose() + &self.h * cw * &self.h) / reads;
        }
        noise + &self.h * written * &self.h
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
        let map = self.model.map;
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
