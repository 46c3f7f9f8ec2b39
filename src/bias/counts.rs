//! What whole pulses add to a step: their noise, saturating trains, and requests that are not made.

use nalgebra::{DMatrix, DVector};

use super::closure::{Closure, Given, Step};
use super::gaussian::Normal;
use crate::crossbar::ArrayModel;
use crate::device::{CountMoments, Counting, Response, STEP};

/// Probabilities of a 1 in the bit trains of one sample.
struct Bits {
    length: f64,
    column: f64,
    /// Of the row of every cell.
    rows: Vec<f64>,
    /// Whether the balance of rows and columns follows the error.
    managed: bool,
    /// Whether trains are counted in the mean, which is rounded.
    rounded: bool,
}

impl Bits {
    /// Moments of the coincidences in cell `k`, and the power of the residual that their mean goes with.
    fn moments(&self, k: usize) -> (CountMoments, f64) {
        let (row, n) = (self.rows[k], self.length);
        let p = row * self.column;
        let free = |p: f64| f64::from(u8::from(p < 1.0));
        let power = match self.managed {
            true => 0.5 * (free(row) + free(self.column)),
            false => free(self.column),
        };
        let moments = match self.rounded {
            true => Counting::StochasticRounding.moments(n * p),
            false => CountMoments {
                mean: n * p,
                variance: n * p * (1.0 - p),
                factorial: n * (n - 1.0) * p * p,
            },
        };
        (moments, power)
    }
}

/// The change of one cell given the residual, in weight units.
pub(super) struct Train {
    /// Mean by a linear response: request times q.
    linear: f64,
    /// The same for the pulses that are made of the request.
    made: f64,
    /// What saturation adds: `½ E n(n-1) d d'`.
    saturation: f64,
    /// `δ²(Var n q² + E n (σ_a² + σ_m² q²))`
    pub variance: f64,
}

impl Train {
    /// Mean beyond the linear response.
    fn beyond(&self) -> f64 {
        self.made - self.linear + self.saturation
    }
}

/// The change of cell `k` for `request`, to second order in the train, `q` expanded about the mean state. Its variance is linear in the
/// moments, so that those of many requests of one sign may be averaged before.
pub(super) fn train(
    model: &ArrayModel,
    request: f64,
    moments: CountMoments,
    response: &Response,
    given: &Given,
    k: usize,
) -> Train {
    let delta = model.step();
    let q = if request > 0.0 {
        response.up()
    } else {
        response.down()
    };
    let (d, c) = (given.shift, given.variance);
    let mean = q[0] + d * (q[1] + 0.5 * d * q[2]);
    let slope = q[1] + d * q[2];
    let square = mean * mean + (slope * slope + mean * q[2]) * c;
    let noise = model.cells.noise();
    let own = model.cells.double(k).parameters[STEP] / model.cells.nominal_step();
    let cycle = match response.variance {
        Some([up, down]) => {
            let v = if request > 0.0 { up } else { down };
            v[0] + d * v[1] + 0.5 * (d * d + c) * v[2]
        }
        None => (noise.additive() * own).powi(2) + noise.multiplicative().powi(2) * square,
    };
    let expected = mean + 0.5 * c * q[2];
    let pairs = 0.5 * delta * delta * moments.factorial;
    Train {
        linear: request * expected,
        made: request.signum() * delta * moments.mean * expected,
        saturation: pairs * (mean * slope + 1.5 * slope * q[2] * c),
        variance: delta * delta * (moments.variance * square + moments.mean * cycle),
    }
}

impl Closure<'_> {
    /// Whether requests may be lost: below half a pulse, or above a full train.
    pub(super) fn may_lose(&self) -> bool {
        let counting = self.setting.counting;
        counting == Counting::Deterministic || counting.trains().is_some()
    }

    /// Adds sample `i`'s share of what whole pulses do: residual `r`, requests `-a r`, `h = Cov(s, r)`.
    #[expect(
        clippy::too_many_arguments,
        reason = "one sample's share of one expectation"
    )]
    pub(super) fn add_counts(
        &self,
        i: usize,
        share: f64,
        r: &Normal,
        a: &DVector<f64>,
        h: &DVector<f64>,
        responses: &[Response],
        c: &DMatrix<f64>,
        step: &mut Step,
    ) {
        if self.setting.counting == Counting::Expected {
            return;
        }
        let (delta, sd, cells) = (self.model.step(), r.v.sqrt(), a.len());
        let u = self.seen.features.row(i);
        let mut linear = DMatrix::zeros(cells, self.nodes.len());
        let mut all = linear.clone();
        for (node, &(z, weight)) in self.nodes.iter().enumerate() {
            let residual = r.m + sd * z;
            let p = share * weight;
            let bits = self.bits(i, residual, a);
            let mut made = vec![0.0; cells];
            for k in 0..cells {
                // Where the residual and the state have a share in each other, the state is conditioned on it.
                let request = -a[k] * residual;
                let given = Given::residual(r, h[k], c[(k, k)], residual);
                let (moments, power) = match &bits {
                    Some(bits) => bits.moments(k),
                    None => (self.setting.counting.moments(request.abs() / delta), 1.0),
                };
                let train = train(&self.model, request, moments, &responses[k], &given, k);
                self.add_drift(k, p * train.beyond(), step);
                self.add_lost(k, p, request, &moments, step);
                step.noise[(k, k)] += p * train.variance;
                linear[(k, node)] = p.sqrt() * train.linear;
                all[(k, node)] = p.sqrt() * train.made;
                made[k] = train.made;
                // Lost requests go with a power of the residual; the nearest whole number has no
                // derivative, but its mean over a spread of residuals has (Stein).
                let lost = match self.setting.counting {
                    Counting::Deterministic if sd * a[k].abs() > 0.05 * delta => {
                        (train.made - train.linear) * z / sd
                    }
                    Counting::Coincidence { .. } | Counting::MeanCount { .. }
                        if residual != 0.0 =>
                    {
                        (power * train.made - train.linear) / residual
                    }
                    _ => 0.0,
                };
                for (l, u) in u.iter().enumerate() {
                    step.jacobian[(k, l)] += p * lost * u;
                }
            }
            if let Some(bits) = bits.filter(|b| !b.rounded) {
                self.add_shared_trains(p, &bits, &made, step);
            }
        }
        // The second moment of the mean changes, of which the linear part is known in closed form.
        step.noise += &all * all.transpose() - &linear * linear.transpose();
    }

    /// The same for the gradient `g` of one weight: requests `-signed g` of cell `k`, `h = Cov(s, g)`, `c = Var s`.
    #[expect(
        clippy::too_many_arguments,
        reason = "one cell's share of one expectation"
    )]
    pub(super) fn add_summed_counts(
        &self,
        k: usize,
        signed: f64,
        g: &Normal,
        h: f64,
        c: f64,
        response: &Response,
        step: &mut Step,
    ) {
        if self.setting.counting == Counting::Expected {
            return;
        }
        let delta = self.model.step();
        for &(z, p) in &self.nodes {
            let value = g.m + g.v.sqrt() * z;
            let given = Given::residual(g, h, c, value);
            let request = -signed * value;
            let moments = self.setting.counting.moments(request.abs() / delta);
            let train = train(&self.model, request, moments, response, &given, k);
            self.add_drift(k, p * train.beyond(), step);
            self.add_lost(k, p, request, &moments, step);
            step.noise[(k, k)] += p * train.variance;
        }
    }

    /// Counts what is asked and what is made of it.
    fn add_lost(&self, k: usize, p: f64, request: f64, moments: &CountMoments, step: &mut Step) {
        if self.model.cells.stuck_at(k).is_none() {
            step.asked += p * request.abs();
            step.made += p * moments.mean * self.model.step();
        }
    }

    /// The bit trains of sample `i` for this residual; none where counts are no coincidences.
    fn bits(&self, i: usize, residual: f64, a: &DVector<f64>) -> Option<Bits> {
        let (bits, managed) = self.setting.counting.trains()?;
        let (setting, delta) = (self.setting, self.model.step());
        let (n, per) = (f64::from(bits), self.model.map.cells_per_weight() as f64);
        let asked = setting.rate * residual.abs() / (per * delta);
        let largest = setting.x.row(i).iter().fold(0.0_f64, |m, x| m.max(x.abs()));
        let column = if managed {
            (largest * asked / n).sqrt()
        } else {
            asked / (n * setting.rate / delta).sqrt()
        };
        let row = |a: f64| match column > 0.0 {
            true => (a * residual).abs() / (delta * n * column),
            false => 0.0,
        };
        Some(Bits {
            length: n,
            column: column.min(1.0),
            rows: a.iter().map(|&a| row(a).min(1.0)).collect(),
            managed,
            rounded: matches!(self.setting.counting, Counting::MeanCount { .. }),
        })
    }

    /// Cells of one column share its train, `Cov(n_k, n_l) = m_k m_l (1 - p)/(BL p)` with p the column's probability; so do the
    /// cells of a pair, with that of their row.
    fn add_shared_trains(&self, p: f64, bits: &Bits, made: &[f64], step: &mut Step) {
        let per = self.model.map.cells_per_weight();
        let shared = |probability: f64| match probability > 0.0 {
            true => p * (1.0 - probability) / (bits.length * probability),
            false => 0.0,
        };
        let column = shared(bits.column);
        for k in 0..made.len() {
            let row = shared(bits.rows[k]);
            for l in (0..made.len()).filter(|&l| l != k) {
                if l % per == k % per {
                    step.noise[(k, l)] += column * made[k] * made[l];
                } else if l / per == k / per {
                    step.noise[(k, l)] += row * made[k] * made[l];
                }
            }
        }
    }

    /// What the mean field of a linear response leaves out at cell `k`: requests `-a r` of exact residuals that are lost.
    pub(super) fn lost_drift(
        &self,
        i: usize,
        residual: f64,
        a: &DVector<f64>,
        mu: &DVector<f64>,
    ) -> DVector<f64> {
        let delta = self.model.step();
        let bits = self.bits(i, residual, a);
        DVector::from_fn(a.len(), |k, _| {
            let request = -a[k] * residual;
            let made = match &bits {
                Some(bits) => bits.moments(k).0.mean,
                None => self.setting.counting.moments(request.abs() / delta).mean,
            };
            let [f, g] = self.model.cell_response_values(k, mu[k]);
            let q = if request > 0.0 { f - g } else { f + g };
            (request.signum() * delta * made - request) * q
        })
    }
}
