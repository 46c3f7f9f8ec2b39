//! Noise from cycle to cycle and of readings.

use nalgebra::{DMatrix, DVector};
use rayon::prelude::*;

use super::super::law::STEP;
use super::super::uncertainty::quantile;
use super::filter::{Deviations, Miss, Train};
use super::solve::{Axis, Likelihood, Summit, climb, covariance};
use super::whole::Noise;
use super::work::{Estimate, Work, filled};

/// The three kinds of noise, as logarithms between these ends.
pub(super) const LN_NOISE: (f64, f64) = (-9.2, 7.0);

/// What one cell tells of the noise, after what is not known of the cell is taken out of it.
struct Joint {
    /// Information about variances.
    variances: DMatrix<f64>,
    /// How the cell's own estimates move with the variances: `-I_pp⁻¹ I_pn`.
    turn: DMatrix<f64>,
}

/// What is not known of the noise that all cells share.
pub(super) struct Doubt {
    /// Kinds of noise in the order of the matrix below.
    pub kinds: Vec<usize>,
    /// Covariance of their variances.
    pub variances: DMatrix<f64>,
    /// Covariance of the mean cell that comes of it.
    pub of_cell: DMatrix<f64>,
}

impl Work<'_> {
    /// Which kinds of noise can be told apart under the law `p`, and where their fit starts.
    pub fn noise_start(&self, p: &[f64]) -> ([f64; 3], [bool; 3]) {
        let all: Vec<&Train> = self.cells.iter().flatten().collect();
        let misses = self
            .misses(p, &Deviations::equal(), &all)
            .unwrap_or_default();
        let n = misses.len().max(1) as f64;
        let rms = (misses.iter().map(|(v, _)| v * v).sum::<f64>() / n).sqrt();
        let squares = || {
            self.cells.iter().flatten().flat_map(|t| {
                let pulses = t.polarities.iter().skip(1).zip(&t.positions);
                pulses.map(|(&sign, &s)| self.law.step(p, s, sign).powi(2))
            })
        };
        let mean = squares().sum::<f64>() / n;
        let deviation = (squares().map(|d| (d - mean).powi(2)).sum::<f64>() / n).sqrt();
        let part = (0.5 * rms / p[STEP]).clamp(0.01, 100.0);
        let multiplicative = (0.5 * rms / mean.sqrt()).clamp(0.01, 100.0);
        // Where all steps are alike, noise relative to them is additive noise.
        let two = deviation > 0.05 * mean;
        let start = [
            part,
            if two { multiplicative } else { 0.0 },
            self.write_noise.unwrap_or(part) * p[STEP] / self.step,
        ];
        (start, [true, two, self.write_noise.is_none()])
    }

    /// The noise that makes all trains most likely; `alone` is the law of all cells, else each has its own.
    pub fn climb_noise(
        &self,
        cells: &[&[f64]],
        noise: [f64; 3],
        fitted: [bool; 3],
    ) -> Option<[f64; 3]> {
        let free: Vec<usize> = (0..3).filter(|&k| fitted[k]).collect();
        let parts = |q: &[f64]| {
            let mut parts = noise;
            for (&k, v) in free.iter().zip(q) {
                parts[k] = v.exp();
            }
            parts
        };
        let axis = Axis {
            least: LN_NOISE.0,
            most: LN_NOISE.1,
            scale: 1.0,
        };
        let likelihood = Likelihood {
            axes: vec![axis; free.len()],
            misses: &|q| self.all_misses(cells, &self.deviations(parts(q))),
        };
        let start: Vec<f64> = free.iter().map(|&k| noise[k].ln()).collect();
        Some(parts(&climb(&likelihood, &start, 20)?.p))
    }

    pub fn all_misses(&self, cells: &[&[f64]], noise: &Deviations) -> Option<Vec<Miss>> {
        let parts: Vec<Vec<Miss>> = cells
            .par_iter()
            .zip(&self.cells)
            .map(|(p, trains)| self.misses(p, noise, &trains.iter().collect::<Vec<_>>()))
            .collect::<Option<_>>()?;
        Some(parts.concat())
    }

    /// Information of every cell about its own parameters and, after them, the variances of the noise `kinds`.
    fn joint_information(
        &self,
        free: &[usize],
        estimate: &Estimate,
        kinds: &[usize],
    ) -> Option<Vec<Joint>> {
        let total: f64 = estimate.noise.iter().map(|v| v * v).sum();
        let variance = Axis {
            least: 0.0,
            most: f64::MAX,
            scale: total.max(1e-12),
        };
        let (n, m) = (free.len(), kinds.len());
        let of_cell = |summit: &Summit, trains: &[Train]| -> Option<Joint> {
            let trains: Vec<&Train> = trains.iter().collect();
            let axis = |k: &usize| self.frame().axis(*k, summit.p[*k]);
            let likelihood = Likelihood {
                axes: free.iter().map(axis).chain(vec![variance; m]).collect(),
                misses: &|q| {
                    let (q, squares) = q.split_at(n);
                    let mut parts = estimate.noise;
                    for (&k, v) in kinds.iter().zip(squares) {
                        parts[k] = v.sqrt();
                    }
                    let p = filled(&summit.p, free, q);
                    // A negative variance has no root.
                    let real = parts.iter().all(|v| v.is_finite());
                    real.then(|| self.misses(&p, &self.deviations(parts), &trains))?
                },
            };
            let own = free.iter().map(|&k| summit.p[k]);
            let at: Vec<f64> = own
                .chain(kinds.iter().map(|&k| estimate.noise[k].powi(2)))
                .collect();
            let all = likelihood.point(&at)?.information;
            let cell = covariance(&all.view((0, 0), (n, n)).into_owned())?;
            let cross = all.view((0, n), (n, m)).into_owned();
            let turn = -(cell * &cross);
            Some(Joint {
                variances: all.view((n, n), (m, m)).into_owned() + cross.tr_mul(&turn),
                turn,
            })
        };
        estimate
            .cells
            .par_iter()
            .zip(&self.cells)
            .map(|(summit, trains)| of_cell(summit, trains))
            .collect()
    }

    /// Covariance of the variances of the noise `kinds`, the cells as little known as they are; and what it adds to the covariance of
    /// the mean cell: `Ḡ Σ Ḡᵀ`.
    ///
    /// Noise of pulses is counted in steps, so its whole tells of the step what it tells of σ_a: estimates of all cells move together with the
    /// noise that they share, and their scatter does not show it.
    fn doubt(&self, free: &[usize], estimate: &Estimate, kinds: &[usize]) -> Option<Doubt> {
        let cells = self.joint_information(free, estimate, kinds)?;
        let (n, m) = (free.len(), kinds.len());
        let information = cells
            .iter()
            .fold(DMatrix::zeros(m, m), |sum, c| sum + &c.variances);
        let turn = cells
            .iter()
            .fold(DMatrix::zeros(n, m), |sum, c| sum + &c.turn)
            / cells.len() as f64;
        let variances = covariance(&information)?;
        Some(Doubt {
            of_cell: &turn * &variances * turn.transpose(),
            variances,
            kinds: kinds.to_vec(),
        })
    }

    /// The same for all noise that was asked for; where the data leave a kind open that came out as none, for the others.
    pub fn shared_doubt(&self, free: &[usize], estimate: &Estimate) -> Option<Doubt> {
        let asked = estimate.asked();
        self.doubt(free, estimate, &asked).or_else(|| {
            let there: Vec<usize> = asked
                .into_iter()
                .filter(|&k| estimate.noise[k] > 0.0)
                .collect();
            self.doubt(free, estimate, &there)
        })
    }

    /// Information of one cell about its own parameters.
    pub fn cell_information(
        &self,
        free: &[usize],
        p: &[f64],
        noise: [f64; 3],
        trains: &[Train],
    ) -> Option<DMatrix<f64>> {
        let trains: Vec<&Train> = trains.iter().collect();
        let noise = self.deviations(noise);
        let likelihood = Likelihood {
            axes: free.iter().map(|&k| self.frame().axis(k, p[k])).collect(),
            misses: &|q| self.misses(&filled(p, free, q), &noise, &trains),
        };
        let at: Vec<f64> = free.iter().map(|&k| p[k]).collect();
        Some(likelihood.point(&at)?.information)
    }

    /// The noise without what the parameters of the cells have swallowed of it: the step from the likelihood towards the restricted one,
    /// which has `-½ ln det I_c` of every cell beside. Where all readings scatter alike it is the divisor `N - K` of a regression.
    ///
    /// # Reference
    /// Patterson & Thompson, Biometrika 58, 545 (1971), <https://doi.org/10.1093/biomet/58.3.545>.
    pub fn restricted(&self, free: &[usize], estimate: &Estimate) -> Option<[f64; 3]> {
        let there: Vec<usize> = estimate
            .asked()
            .into_iter()
            .filter(|&k| estimate.noise[k] > 0.0)
            .collect();
        let known = self.doubt(free, estimate, &there)?.variances;
        // Part of a variance to either side: the information changes smoothly with it.
        const H: f64 = 1e-3;
        let slope = |k: usize| -> Option<f64> {
            let total = |sign: f64| {
                let mut noise = estimate.noise;
                noise[k] *= (1.0 + sign * H).sqrt();
                let parts: Vec<f64> = estimate
                    .cells
                    .par_iter()
                    .zip(&self.cells)
                    .map(|(s, trains)| {
                        let information = self.cell_information(free, &s.p, noise, trains)?;
                        Some(0.5 * information.determinant().ln())
                    })
                    .collect::<Option<_>>()?;
                Some(parts.iter().sum::<f64>())
            };
            Some((total(1.0)? - total(-1.0)?) / (2.0 * H * estimate.noise[k].powi(2)))
        };
        let slopes: Option<Vec<f64>> = there.iter().map(|&k| slope(k)).collect();
        let step = known * DVector::from_vec(slopes?);
        let mut out = estimate.noise;
        for (&k, step) in there.iter().zip(step.iter()) {
            let square = out[k].powi(2);
            // A correction beyond this is none: the data are too few.
            out[k] = (square - step).clamp(0.25 * square, 4.0 * square).sqrt();
        }
        out.iter().all(|v| v.is_finite()).then_some(out)
    }

    /// Noise with intervals, which come from the information about variances: that is regular where one is zero. `step`: the nominal one
    /// and half its interval, in whose unit write noise is returned.
    pub fn noises(&self, estimate: &Estimate, doubt: &Doubt, step: (f64, f64)) -> [Noise; 3] {
        let known = &doubt.variances;
        std::array::from_fn(|k| {
            // Write noise goes from mean changes to nominal steps, which are not known either.
            let (unit, unsure) = match k {
                2 => (self.step / step.0, 2.0 * step.1 / step.0),
                _ => (1.0, 0.0),
            };
            let square = (unit * estimate.noise[k]).powi(2);
            let place = doubt.kinds.iter().position(|&a| a == k);
            let interval = place.map(|j| {
                let own = quantile(None) * unit * unit * known[(j, j)].max(0.0).sqrt();
                let half = own.hypot(unsure * square);
                ((square - half).max(0.0).sqrt(), (square + half).sqrt())
            });
            Noise {
                value: square.sqrt(),
                interval,
                fitted: estimate.asked[k],
            }
        })
    }
}
