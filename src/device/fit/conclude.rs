//! From the estimates of all cells to the nominal one.

use std::sync::Arc;

use nalgebra::DMatrix;
use statrs::distribution::{ChiSquared, ContinuousCDF};

use super::super::file::unphysical;
use super::super::law::{LOWER, STEP, UPPER};
use super::super::uncertainty::quantile;
use super::filter::{Train, states};
use super::noise::LN_NOISE;
use super::solve::{Summit, covariance};
use super::whole::{Fit, Noise, Nominal};
use super::work::{Estimate, Work};
use crate::error::{Result, Violation};

impl Work<'_> {
    /// Numbers and intervals from the estimates of all cells.
    pub fn conclude(&self, free: &[usize], estimate: &Estimate) -> Result<Fit> {
        let (count, n) = (self.cells.len(), self.count as f64);
        let names = &self.pulses.cells;
        let unreached = estimate.cells.iter().filter(|s| !s.reached).count();
        if unreached > 0 {
            let detail = format!(
                "{unreached} of {count} cells: the data do not say where the law ends; hold a parameter by --fix, or choose a law with fewer"
            );
            return Err(self.not_converged(&detail));
        }
        let own = (count * free.len()) as f64;
        if n <= own + 1.0 {
            let detail = format!("{own} parameters from {n} pulses; measure more pulses a cell");
            return Err(self.not_converged(&detail));
        }
        let found = estimate;
        let estimate = &Estimate {
            noise: self.restricted(free, estimate).ok_or_else(|| {
                let detail = "the data do not determine all parameters of a cell and the noise; hold one by --fix, or choose a law with fewer";
                self.not_converged(detail)
            })?,
            cells: estimate.cells.clone(),
            asked: estimate.asked,
        };
        let mut covariances = Vec::new();
        for (summit, (trains, cell)) in estimate.cells.iter().zip(self.cells.iter().zip(names)) {
            let found = self.cell_information(free, &summit.p, estimate.noise, trains);
            let found = found.and_then(|information| covariance(&information));
            covariances.push(found.ok_or_else(|| {
                self.not_converged(&format!(
                    "cell {} does not determine all parameters; hold one by --fix, or choose a law with fewer",
                    cell.name
                ))
            })?);
        }
        let values = |k: usize| estimate.cells.iter().map(move |s| s.p[k]);
        let mean = |k: usize| match free.contains(&k) {
            true => values(k).sum::<f64>() / count as f64,
            false => estimate.cells[0].p[k],
        };
        let mut nominal: Vec<f64> = (0..self.frame().parameters().len()).map(mean).collect();
        let drawn_in = self.draw_in(free, &mut nominal);
        if let Err((key, rule, way_out)) = unphysical(&*self.law, self.window, &nominal, false) {
            return Err(Violation {
                file: self.pulses.file.clone(),
                line: None,
                column: None,
                key: format!("law.{}.{key}", self.law.name()),
                value: None,
                rule: format!("the fitted law is unphysical: {rule}"),
                way_out: format!(
                    "{way_out}; --fix a parameter, give --g-min and --g-max, or choose another law"
                ),
            }
            .into());
        }
        let spread = scatter(&estimate.cells, free);
        let several = count > 1;
        let own = if several {
            &spread / count as f64
        } else {
            covariances[0].clone()
        };
        let doubt = self.shared_doubt(free, estimate).ok_or_else(|| {
            self.not_converged("the data do not determine the noise; give --write-noise")
        })?;
        let covariance = &own + &doubt.of_cell;
        let freedom = several.then(|| count as u32 - 1);
        let half = |j: usize| {
            let (all, own) = (covariance[(j, j)].max(0.0), own[(j, j)]);
            quantile(freedom.map(|n| effective(n, own, all))) * all.sqrt()
        };
        let parameters = self.frame().parameters();
        let parameters: Vec<Nominal> = parameters
            .iter()
            .enumerate()
            .map(|(k, parameter)| {
                let place = free.iter().position(|&f| f == k);
                let own = |j: usize| covariances.iter().map(move |v| v[(j, j)]);
                Nominal {
                    name: parameter.name,
                    value: nominal[k],
                    interval: place.map(|j| (nominal[k] - half(j), nominal[k] + half(j))),
                    device_to_device: place.filter(|_| several).map(|j| {
                        let uncertain = own(j).sum::<f64>() / count as f64;
                        (spread[(j, j)] - uncertain).max(0.0).sqrt()
                    }),
                    p_equal: place
                        .filter(|_| several)
                        .and_then(|j| equal(values(k), own(j))),
                }
            })
            .collect();
        let cost: f64 = estimate.cells.iter().map(|s| s.cost).sum();
        let fitted = count * free.len() + estimate.asked.iter().filter(|f| **f).count();
        let step = free.iter().position(|&k| k == STEP);
        let step = (nominal[STEP], step.map_or(0.0, half));
        let [additive, multiplicative, write_noise] = self.noises(estimate, &doubt, step);
        let write_noise = Noise {
            value: self.write_noise.unwrap_or(write_noise.value),
            ..write_noise
        };
        Ok(Fit {
            law: Arc::clone(&self.law),
            name: self.law.name(),
            window: self.window,
            notes: drawn_in
                .into_iter()
                .chain(self.notes(free, found))
                .collect(),
            parameters,
            free: free.to_vec(),
            covariance: covariance
                .row_iter()
                .map(|r| r.iter().copied().collect())
                .collect(),
            degrees_of_freedom: freedom,
            additive,
            multiplicative,
            write_noise,
            log_likelihood: -cost,
            fitted,
            aic: 2.0 * (fitted as f64 + cost),
            pulses: self.count,
            cells: names.iter().map(|c| c.name.clone()).collect(),
            states: self.states(estimate),
            cell_parameters: estimate.cells.iter().map(|s| s.p.clone()).collect(),
        })
    }

    /// Draws bounds that the law does not know, and nobody gave, in to where its steps end: at the extreme readings, which noise has carried
    /// there, they would have the wrong sign.
    fn draw_in(&self, free: &[usize], nominal: &mut [f64]) -> Option<String> {
        let frame = self.frame();
        let bounds = [LOWER, UPPER];
        let given = |k: &usize| free.contains(k) || self.held.iter().any(|(h, _)| h == k);
        let known = [1.0, -1.0].map(|sign| frame.acting(nominal, &bounds, sign));
        if bounds.iter().any(given) || known.iter().any(|k| !k.is_empty()) {
            return None;
        }
        let (lower, upper) = frame.signed(nominal)?;
        let width = nominal[UPPER] - nominal[LOWER];
        // A law that fails in half of the window is another fault.
        if upper - lower >= width || upper - lower < 0.5 * width {
            return None;
        }
        (nominal[LOWER], nominal[UPPER]) = (lower, upper);
        Some(format!(
            "lower and upper are {lower:.4} and {upper:.4}, where the fitted steps end: readings beyond are noise"
        ))
    }

    /// The conductances behind the readings of all cells, run by run.
    fn states(&self, estimate: &Estimate) -> Vec<Vec<Vec<f64>>> {
        let noise = self.deviations(estimate.noise);
        let cells = estimate.cells.iter().zip(&self.cells);
        let siemens = |s: f64| self.window.g_min + s * self.window.span();
        cells
            .map(|(summit, trains)| {
                let of = |train: &Train| states(&*self.law, &summit.p, &noise, train);
                let trains = trains.iter().filter_map(of);
                trains
                    .map(|states| states.into_iter().map(siemens).collect())
                    .collect()
            })
            .collect()
    }

    fn notes(&self, free: &[usize], estimate: &Estimate) -> Vec<String> {
        let mut notes = Vec::new();
        let parameters = self.frame().parameters();
        for &k in free {
            let axis = self.frame().axis(k, 1.0);
            let margin = 1e-6 * (axis.most - axis.least);
            let at_end = |s: &&Summit| {
                s.p[k] - axis.least < margin.min(1e-3 * self.step) || axis.most - s.p[k] < margin
            };
            let n = estimate.cells.iter().filter(at_end).count();
            if n > 0 {
                notes.push(format!(
                    "{} ended at a limit of its range in {n} of {} cells: its interval is not valid",
                    parameters[k].name,
                    self.cells.len()
                ));
            }
        }
        const KINDS: [&str; 3] = ["additive noise", "multiplicative noise", "write noise"];
        for k in estimate.asked() {
            let ln = estimate.noise[k].ln();
            // None at all is no limit.
            if ln.is_finite() && (ln < LN_NOISE.0 + 0.05 || ln > LN_NOISE.1 - 0.05) {
                let kind = KINDS[k];
                notes.push(format!(
                    "{kind} ended at a limit of its range: neither it nor its interval is valid"
                ));
            }
        }
        let held: Vec<&str> = (0..parameters.len())
            .filter(|k| !free.contains(k))
            .map(|k| parameters[k].name)
            .collect();
        if !held.is_empty() {
            notes.push(format!(
                "held, because it was asked for or the data cannot tell: {}",
                held.join(", ")
            ));
        }
        if self.cells.len() == 1 {
            notes.push("one cell: intervals are its own and say nothing about other cells".into());
        }
        if self.pulses.gaps > 0 {
            notes.push(format!(
                "{} jumps in the number of the pulse are left out",
                self.pulses.gaps
            ));
        }
        notes
    }
}

/// Degrees of freedom of the variance `all`, of which the part `own` has n and the rest is as good as known.
///
/// # Reference
/// Satterthwaite, Biometrics Bull. 2, 110 (1946), <https://doi.org/10.2307/3002019>.
fn effective(n: u32, own: f64, all: f64) -> u32 {
    // Rounded down, and at most what an integer holds.
    (f64::from(n) * (all / own).powi(2)).max(1.0) as u32
}

/// Sample covariance of the cells' estimates.
fn scatter(cells: &[Summit], free: &[usize]) -> DMatrix<f64> {
    let n = cells.len() as f64;
    let values = DMatrix::from_fn(cells.len(), free.len(), |i, j| cells[i].p[free[j]]);
    let mean = values.row_mean();
    let centred = DMatrix::from_fn(cells.len(), free.len(), |i, j| values[(i, j)] - mean[j]);
    centred.tr_mul(&centred) / (n - 1.0).max(1.0)
}

/// Probability of the scatter of equal cells: Cochran's Q, Biometrics 10, 101 (1954), <https://doi.org/10.2307/3001666>.
fn equal(
    values: impl Iterator<Item = f64> + Clone,
    variances: impl Iterator<Item = f64> + Clone,
) -> Option<f64> {
    let pairs = || values.clone().zip(variances.clone());
    let weight: f64 = variances.clone().map(|v| 1.0 / v).sum();
    let mean = pairs().map(|(x, v)| x / v).sum::<f64>() / weight;
    let q: f64 = pairs().map(|(x, v)| (x - mean).powi(2) / v).sum();
    let freedom = values.count() as f64 - 1.0;
    ChiSquared::new(freedom).ok().map(|d| d.sf(q))
}
