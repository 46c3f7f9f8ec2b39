//! Measurement of a running study through the measurement port: time averages, the update regression, the drift budget.

use std::sync::Arc;

use nalgebra::{DMatrix, DVector, Matrix4, Vector4};

use crate::arrays::Saved;
use crate::backend::StackVector;
use crate::crossbar::{ArrayModel, Synapses};
use crate::device::{Counting, bounded_mean};
use crate::error::Result;
use crate::training::Probe;

/// Sums that one weight of one replica leaves behind over the logged steps.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sums {
    /// Number of logged steps.
    pub count: f64,
    /// `Σ w`, `Σ w²`
    pub weight: [f64; 2],
    /// `Σ |g| (w-c)^k`, k = 0, 1, 2
    pub abs_gradient: [f64; 3],
    /// `Σ g (w-c)^k`, k = 0, 1, 2
    pub gradient: [f64; 3],
    /// `Σ Δw/η · (w-c)^k`, k = 0, 1
    pub change: [f64; 2],
    /// `Σ sgn(g) Δw/η · (w-c)^k`, k = 0, 1
    pub signed_change: [f64; 2],
    /// Sums of the drift channels, each over η: gradient `-g F`, rectification A `-|g| G`, curvature of the readout B, bounds and
    /// trains D, retention C.
    pub channels: [f64; 5],
}

impl Sums {
    /// The sums of two sets of logged steps.
    pub fn plus(&self, o: &Self) -> Self {
        fn add<const N: usize>(a: [f64; N], b: [f64; N]) -> [f64; N] {
            std::array::from_fn(|k| a[k] + b[k])
        }
        Self {
            count: self.count + o.count,
            weight: add(self.weight, o.weight),
            abs_gradient: add(self.abs_gradient, o.abs_gradient),
            gradient: add(self.gradient, o.gradient),
            change: add(self.change, o.change),
            signed_change: add(self.signed_change, o.signed_change),
            channels: add(self.channels, o.channels),
        }
    }

    /// The sums without those of `o`.
    pub fn minus(&self, o: &Self) -> Self {
        let negative = |v: f64| -v;
        self.plus(&Self {
            count: -o.count,
            weight: o.weight.map(negative),
            abs_gradient: o.abs_gradient.map(negative),
            gradient: o.gradient.map(negative),
            change: o.change.map(negative),
            signed_change: o.signed_change.map(negative),
            channels: o.channels.map(negative),
        })
    }

    /// All of them.
    fn numbers_mut(&mut self) -> impl Iterator<Item = &mut f64> {
        let lists = [
            &mut self.weight[..],
            &mut self.abs_gradient,
            &mut self.gradient,
            &mut self.change,
            &mut self.signed_change,
            &mut self.channels,
        ];
        std::iter::once(&mut self.count).chain(lists.into_iter().flatten())
    }

    /// Mean of the weight.
    pub fn mean_weight(&self) -> f64 {
        self.weight[0] / self.count
    }

    /// Estimator E1 on this weight: the response.
    ///
    /// Regresses `Δw/η = -g (F₀ + F₁u) - |g| (G₀ + G₁u)`, `u = w - c`, weighted by 1/|g|. Counts and
    /// cycle-to-cycle noise have variance ∝ |g|, so this is the efficient weighting, and its normal equations contain
    /// the plain mean of the residual: an explicit Tikhonov term, which is not of this form, returns its λ too, and so does the
    /// relaxation of the step (channel C).
    pub fn regress(&self) -> Option<Regression> {
        let (a, g) = (&self.abs_gradient, &self.gradient);
        // Order: F₀, F₁, G₀, G₁; entries Σ regressor · regressor / |g|.
        let matrix = Matrix4::new(
            a[0], a[1], g[0], g[1], //
            a[1], a[2], g[1], g[2], //
            g[0], g[1], a[0], a[1], //
            g[1], g[2], a[1], a[2],
        );
        let right = -Vector4::new(
            self.signed_change[0],
            self.signed_change[1],
            self.change[0],
            self.change[1],
        );
        let c = matrix.lu().solve(&right)?;
        Some(Regression {
            f: [c[0], c[1]],
            g: [c[2], c[3]],
        })
    }
}

/// What the update regression E1 finds for one weight.
#[derive(Debug, Clone, Copy)]
pub struct Regression {
    /// `F = f[0] + f[1] (w - c)`
    pub f: [f64; 2],
    /// `G = g[0] + g[1] (w - c)`
    pub g: [f64; 2],
}

impl Regression {
    /// `E[|g| R(w)]` over the steps of `sums`, `R ≈ (G₀ + G₁u)(1 - F₁u/F₀)/F₀` to second order in u.
    pub fn pull(&self, sums: &Sums) -> f64 {
        let ([f0, f1], [g0, g1], a) = (self.f, self.g, &sums.abs_gradient);
        let slope = f1 / f0;
        (g0 * a[0] + (g1 - g0 * slope) * a[1] - g1 * slope * a[2]) / (f0 * sums.count)
    }
}

/// The learning curve: sums over replicas at chosen steps.
#[derive(Debug, Clone, Default)]
pub struct Curve {
    /// Steps.
    pub steps: Vec<u32>,
    /// `Σ_r w` at each.
    pub weights: Vec<DVector<f64>>,
    /// `Σ_r` excess loss.
    pub excess: Vec<f64>,
}

/// What is logged of one run.
#[derive(Debug, Clone)]
pub struct Log {
    /// First step of the averaging window.
    pub from: u32,
    /// Every how many steps.
    pub every: u32,
    /// Steps of the learning curve, ascending.
    pub curve: Vec<u32>,
}

/// The least-squares landscape of a replica, for excess losses.
#[derive(Debug, Clone)]
pub struct Landscape {
    /// `H`
    pub h: DMatrix<f64>,
    /// `w_LS`
    pub minimum: DVector<f64>,
}

/// Records one stack.
pub struct Recorder {
    log: Log,
    model: Option<ArrayModel>,
    budget: bool,
    counting: Counting,
    /// Seconds of relaxation that an update has a share of.
    seconds: f64,
    centre: Vec<f64>,
    landscapes: Arc<Vec<Landscape>>,
    first_replica: usize,
    weights: usize,
    replicas: usize,
    before: Vec<Vec<f64>>,
    after: Vec<Vec<f64>>,
    /// Sums of weight j of replica r at `r · weights + j`.
    pub sums: Vec<Sums>,
    /// Sum of the excess loss of each replica over the logged steps.
    pub excess: Vec<f64>,
    /// The learning curve.
    pub curve: Curve,
}

impl Recorder {
    /// A recorder for a stack. `model` is the array for the drift budget, `None` for digital weights; `centre` the point
    /// that offsets are counted from, one number a weight; landscapes: replica r lives on `r mod len`; `seconds` of relaxation come
    /// after every update (or all of a step's after its last).
    #[expect(clippy::too_many_arguments, reason = "what one stack's log depends on")]
    pub fn new(
        log: &Log,
        model: Option<ArrayModel>,
        counting: Counting,
        seconds: f64,
        centre: Vec<f64>,
        landscapes: Arc<Vec<Landscape>>,
        first_replica: usize,
        replicas: usize,
    ) -> Self {
        let weights = centre.len();
        let cells = model.as_ref().map_or(weights, |m| m.map.cells());
        Self {
            log: log.clone(),
            model,
            budget: true,
            counting,
            seconds,
            centre,
            landscapes,
            first_replica,
            weights,
            replicas,
            before: vec![vec![0.0; replicas]; cells],
            after: vec![vec![0.0; replicas]; cells],
            sums: vec![Sums::default(); weights * replicas],
            excess: vec![0.0; replicas],
            curve: Curve::default(),
        }
    }

    /// Without the drift budget, whose channels take longer than training where there are many weights.
    #[must_use]
    pub fn without_budget(mut self) -> Self {
        self.budget = false;
        self
    }

    /// Writes what was recorded to `saved`, or takes it from there.
    ///
    /// # Errors
    /// Those of [`Saved::list`]: it is of another stack.
    pub fn keep(&mut self, saved: &mut Saved) -> Result<()> {
        // Most runs are saved before their window begins.
        let mut any = self.sums.iter().any(|s| s.count != 0.0);
        saved.flag("any", &mut any)?;
        if any {
            let numbers = self.sums.iter_mut().flat_map(Sums::numbers_mut);
            let mut all: Vec<f64> = numbers.map(|n| *n).collect();
            saved.list("sums", &mut all)?;
            let numbers = self.sums.iter_mut().flat_map(Sums::numbers_mut);
            numbers.zip(all).for_each(|(n, saved)| *n = saved);
        }
        saved.list("excess", &mut self.excess)?;
        let curve = &mut self.curve;
        saved.growing("curve-steps", &mut curve.steps)?;
        saved.growing("curve-excess", &mut curve.excess)?;
        let none = DVector::zeros(self.weights);
        curve.weights.resize(curve.steps.len(), none);
        let mut weights = curve.weights.iter_mut();
        weights.try_for_each(|w| saved.list("curve-weights", w.as_mut_slice()))
    }

    /// Forgets all that was recorded.
    pub fn begin(&mut self) {
        self.sums.fill(Sums::default());
        self.excess.fill(0.0);
        self.curve = Curve::default();
    }

    fn in_window(&self, step: u32) -> bool {
        step >= self.log.from && (step - self.log.from).is_multiple_of(self.log.every)
    }

    fn cells_of(&self, weight: usize) -> std::ops::Range<usize> {
        let n = self.before.len() / self.weights;
        weight * n..(weight + 1) * n
    }

    fn sign(&self, cell: usize) -> f64 {
        self.model.as_ref().map_or(1.0, |m| m.map.sign(cell))
    }

    /// Weight `j` of replica `r` before the update.
    fn weight(&self, j: usize, r: usize) -> f64 {
        self.cells_of(j)
            .map(|k| self.sign(k) * self.before[k][r])
            .sum()
    }

    /// Weights of replica `r` before the update, and their loss above the minimum: none without a landscape.
    fn excess_of(&self, r: usize) -> (DVector<f64>, f64) {
        if self.landscapes.is_empty() {
            return (DVector::zeros(0), 0.0);
        }
        let landscape = &self.landscapes[(self.first_replica + r) % self.landscapes.len()];
        let w = DVector::from_fn(self.weights, |j, _| self.weight(j, r));
        let u = &w - &landscape.minimum;
        let excess = 0.5 * u.dot(&(&landscape.h * &u));
        (w, excess)
    }

    /// Drift channels of one weight at its state before the update, over η: gradient, A, B, D, C.
    fn channels(&self, j: usize, r: usize, g: f64, rate: f64) -> [f64; 5] {
        let Some(model) = self.model.as_ref().filter(|_| self.budget) else {
            return [-g, 0.0, 0.0, 0.0, 0.0];
        };
        let value = |k: usize| self.before[k][r];
        let (f, asymmetric) = model.weight_response_values(j, value);
        let (f_bent, g_bent) = model.weight_bent_values(j, value);
        let bounds: f64 = self
            .cells_of(j)
            .filter(|&k| model.cells.stuck_at(k).is_none())
            .map(|k| self.sign(k) * self.beyond_linear(model, k, self.before[k][r], -rate * g))
            .sum();
        let others = [
            -g * (f - f_bent),
            -g.abs() * (asymmetric - g_bent),
            -g * f_bent - g.abs() * g_bent,
            bounds / rate,
        ];
        let kept = if model.cells.own_retention().is_some() {
            self.forgotten_apart(model, j, r, g, rate)
        } else {
            self.forgotten(model, j, r, rate, others.iter().sum())
        };
        let [gradient, a, b, d] = others;
        [gradient, a, b, d, kept]
    }

    /// Channel C of one weight: what is lost, by the law of retention alone, of the distance from the resting state at which the other
    /// channels leave it.
    fn forgotten(&self, model: &ArrayModel, j: usize, r: usize, rate: f64, others: f64) -> f64 {
        let Some(retention) = model.cells.retention() else {
            return 0.0;
        };
        let rest = model.map.value(retention.rest);
        let distance: f64 = self
            .cells_of(j)
            .filter(|&k| model.cells.stuck_at(k).is_none())
            .map(|k| self.sign(k) * (self.before[k][r] - rest))
            .sum();
        -retention.lost(self.seconds) * (distance / rate + others)
    }

    /// The same where every cell loses its own part.
    fn forgotten_apart(&self, model: &ArrayModel, j: usize, r: usize, g: f64, rate: f64) -> f64 {
        let of = |k: usize| {
            let retention = model.cells.retention_of(k)?;
            let value = self.before[k][r];
            let request = model.map.share(k) * -rate * g;
            let [symmetric, asymmetric] = model.cell_response_values(k, value);
            let moved = request * symmetric - request.abs() * asymmetric
                + self.beyond_linear(model, k, value, -rate * g);
            let distance = value + moved - model.map.value(retention.rest);
            Some(self.sign(k) * retention.lost(self.seconds) * distance)
        };
        let free = self.cells_of(j);
        let free = free.filter(|&k| model.cells.stuck_at(k).is_none());
        -free.filter_map(of).sum::<f64>() / rate
    }

    /// Channel D of one cell: the exact mean over counts of the bounded train, minus the linear response.
    fn beyond_linear(&self, model: &ArrayModel, cell: usize, value: f64, change: f64) -> f64 {
        let request = model.map.share(cell) * change;
        if model.cells.is_one_sided() && request < 0.0 {
            return 0.0;
        }
        let m = request.abs() / model.step();
        let x = model.map.position(value);
        let cells = &model.cells;
        let s = cells.state(cell, x);
        let polarity = request.signum();
        let [f, g] = cells.response_values(cell, x);
        let linear = m * cells.nominal_step() * (polarity * f - g);
        let exact = if self.counting == Counting::Expected {
            let moved = m * cells.law().step(cells.double(cell).parameters, s, polarity);
            cells.conductance(cell, bounded_mean(&cells.double(cell), s + moved, 0.0)) - x
        } else {
            let mean = |n: u32| match n {
                0 => x,
                _ => cells.mean_after(cell, s, polarity, n),
            };
            self.counting.average(m, mean) - x
        };
        (exact - linear) * model.map.per_window()
    }
}

impl Probe for Recorder {
    fn wants(&self, step: u32) -> bool {
        self.in_window(step) || self.log.curve.binary_search(&step).is_ok()
    }

    fn before(&mut self, step: u32, synapses: &mut dyn Synapses) -> Result<()> {
        synapses.inspect(&mut self.before)?;
        if self.log.curve.binary_search(&step).is_ok() && self.curve.steps.last() != Some(&step) {
            let mut weights = DVector::zeros(self.weights);
            let mut sum = 0.0;
            for r in 0..self.replicas {
                let (w, excess) = self.excess_of(r);
                weights += w;
                sum += excess;
            }
            self.curve.steps.push(step);
            self.curve.weights.push(weights);
            self.curve.excess.push(sum);
        }
        Ok(())
    }

    fn after(
        &mut self,
        step: u32,
        synapses: &mut dyn Synapses,
        gradient: &StackVector,
        rate: f64,
    ) -> Result<()> {
        if !self.in_window(step) {
            return Ok(());
        }
        synapses.inspect(&mut self.after)?;
        for j in 0..self.weights {
            let mut change = vec![0.0; self.replicas];
            for k in self.cells_of(j) {
                let sign = self.sign(k);
                let moves = self.after[k].iter().zip(&self.before[k]);
                for (d, (a, b)) in change.iter_mut().zip(moves) {
                    *d += sign * (a - b) / rate;
                }
            }
            for (r, d) in change.into_iter().enumerate() {
                let g = f64::from(gradient.lanes(j)[r]);
                let w = self.weight(j, r);
                let u = w - self.centre[j];
                let channels = self.channels(j, r, g, rate);
                // Requests of nothing have no direction: `signum` of zero would be one.
                let sign = if g == 0.0 { 0.0 } else { g.signum() };
                let record = Sums {
                    count: 1.0,
                    weight: [w, w * w],
                    abs_gradient: [g.abs(), g.abs() * u, g.abs() * u * u],
                    gradient: [g, g * u, g * u * u],
                    change: [d, d * u],
                    signed_change: [sign * d, sign * d * u],
                    channels,
                };
                let sums = &mut self.sums[r * self.weights + j];
                *sums = sums.plus(&record);
            }
        }
        for r in 0..self.replicas {
            self.excess[r] += self.excess_of(r).1;
        }
        Ok(())
    }
}
