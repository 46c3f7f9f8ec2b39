//! What was written: conductances against their targets, and what it took.

use std::collections::BTreeMap;

use super::over::of_values;
use super::summary::{Estimate, Programmed};
use crate::crossbar::{Writing, Written};
use crate::device::Device;

/// Errors are counted in so many classes a decade, …
const CLASSES: i32 = 10;
/// … of so many decades below the window.
const DECADES: i32 = 5;

/// Cells that are shown one by one.
const SHOWN: usize = 400;

/// One replica.
#[derive(Debug, Clone, Copy, Default)]
struct Row {
    /// Mean and root mean square of achieved minus target, in siemens.
    mean: f64,
    rms: f64,
    /// Share of cells whose conductance is within the tolerance.
    inside: f64,
    /// Share of cells that were accepted.
    accepted: f64,
    pulses: f64,
    resets: f64,
    reads: f64,
    /// Joules.
    energy: Option<f64>,
}

/// What was written into the replicas of a point.
#[derive(Debug, Default)]
pub(super) struct Tally {
    rows: Vec<Row>,
    /// Cells of all replicas by their pulses.
    pulses: BTreeMap<u32, u64>,
    /// Cells of all replicas by the class of their error.
    errors: BTreeMap<i32, u64>,
    /// Target and achieved conductance of some cells of replica 0.
    shown: Vec<[f64; 2]>,
}

/// Largest accepted difference in siemens, where there is such a thing.
fn tolerance(writing: &Writing, device: &Device) -> Option<f64> {
    match writing {
        Writing::WriteVerify(how) => Some(how.tolerance * device.window().span()),
        _ => None,
    }
}

/// Upper end of a class of errors, as a fraction of the window; the last one has no end.
fn end(class: i32) -> f64 {
    10_f64.powf(f64::from(class) / f64::from(CLASSES) - f64::from(DECADES))
}

/// The class of an error that is this fraction of the window.
fn class(error: f64) -> i32 {
    // A difference of two conductances in single precision may be zero.
    let place = (error.abs().max(1e-30).log10() + f64::from(DECADES)) * f64::from(CLASSES);
    place.ceil().clamp(0.0, f64::from(CLASSES * DECADES) + 1.0) as i32
}

impl Tally {
    /// Of one stack, whose first replica is `first`.
    pub fn new(written: &Written, first: usize, writing: &Writing, device: &Device) -> Self {
        let cells = written.targets.len();
        let replicas = written.efforts.len();
        // Cells were compared as positions, whose rounding is no error.
        let tolerance = tolerance(writing, device).map(|t| t + 1e-9 * device.window().span());
        let pulse = device.write_pulse();
        let mut tally = Self {
            rows: vec![Row::default(); replicas],
            ..Self::default()
        };
        for (k, &target) in written.targets.iter().enumerate() {
            let lanes = written
                .achieved
                .lanes(k)
                .iter()
                .zip(written.pulses.lanes(k));
            for (row, (&g, &n)) in tally.rows.iter_mut().zip(lanes) {
                let error = f64::from(g) - target;
                row.mean += error;
                row.rms += error * error;
                row.inside += f64::from(u8::from(tolerance.is_some_and(|t| error.abs() <= t)));
                row.pulses += f64::from(n);
                *tally.pulses.entry(n as u32).or_default() += 1;
                let class = class(error / device.window().span());
                *tally.errors.entry(class).or_default() += 1;
            }
        }
        let n = cells as f64;
        for (row, effort) in tally.rows.iter_mut().zip(&written.efforts) {
            row.mean /= n;
            row.rms = (row.rms / n).sqrt();
            row.inside /= n;
            row.pulses /= n;
            row.accepted = effort.accepted as f64 / n;
            row.resets = effort.resets as f64 / n;
            row.reads = effort.reads as f64 / n;
            row.energy = pulse.map(|p| {
                // Joules a siemens.
                let [up, down] = p.energies(1.0);
                let [by_up, by_down] = effort.conducted;
                up * by_up + down * (by_down + effort.reset_conducted)
            });
        }
        if first == 0 {
            let shown = cells.min(SHOWN);
            tally.shown = (0..shown)
                .map(|i| i * cells / shown)
                .map(|k| [written.targets[k], f64::from(written.achieved.lanes(k)[0])])
                .collect();
        }
        tally
    }

    /// Adds the replicas that follow.
    pub fn join(&mut self, other: Self) {
        self.rows.extend(other.rows);
        for (n, cells) in other.pulses {
            *self.pulses.entry(n).or_default() += cells;
        }
        for (class, cells) in other.errors {
            *self.errors.entry(class).or_default() += cells;
        }
    }

    /// What the summary says of it.
    pub fn summary(&self, writing: &Writing, device: &Device) -> Programmed {
        let over = |pick: fn(&Row) -> f64| {
            let values: Vec<f64> = self.rows.iter().map(pick).collect();
            of_values(&values, None)
        };
        let mean = |pick: fn(&Row) -> f64| {
            self.rows.iter().map(pick).sum::<f64>() / self.rows.len() as f64
        };
        let verified = |pick| match writing {
            Writing::WriteVerify(_) => over(pick),
            _ => Estimate::default(),
        };
        let pulsed = matches!(writing, Writing::OpenLoop(_) | Writing::WriteVerify(_));
        let all: u64 = self.pulses.values().sum();
        let mut below = 0;
        let most = self.pulses.iter().find(|(_, cells)| {
            below += **cells;
            below as f64 >= 0.95 * all as f64
        });
        let energy: Option<Vec<f64>> = self.rows.iter().map(|r| r.energy).collect();
        let mut within = 0;
        let shares = self.errors.iter().filter(|(c, _)| **c <= CLASSES * DECADES);
        Programmed {
            mean_error: over(|r| r.mean),
            rms_error: over(|r| r.rms),
            tolerance: tolerance(writing, device),
            inside: verified(|r| r.inside),
            accepted: verified(|r| r.accepted),
            pulses: match pulsed {
                true => over(|r| r.pulses),
                false => Estimate::default(),
            },
            most_pulses: most.filter(|_| pulsed).map(|(n, _)| *n),
            resets: pulsed.then(|| mean(|r| r.resets)),
            verify_reads: pulsed.then(|| mean(|r| r.reads)),
            energy: match (pulsed, energy) {
                (true, Some(joules)) => of_values(&joules, None),
                _ => Estimate::default(),
            },
            shares: shares
                .map(|(class, cells)| {
                    within += cells;
                    let error = end(*class) * device.window().span();
                    [error, within as f64 / all as f64]
                })
                .collect(),
            cells: self.shown.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An error is in the first class whose end is not below it.
    #[test]
    fn errors_are_counted_in_their_classes() {
        for error in [2e-6, 1e-5, 1.1e-5, -3e-3, 0.02, 0.7, 1.0] {
            let k = class(error);
            assert!(error.abs() <= end(k) * (1.0 + 1e-12), "{error}");
            assert!(k == 0 || error.abs() > end(k - 1), "{error}");
        }
        assert_eq!((class(0.0), class(1.5)), (0, CLASSES * DECADES + 1));
    }
}
