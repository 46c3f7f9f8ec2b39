//! One law for all cells, from several starting points.

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;
use rayon::prelude::*;

use super::filter::{Deviations, Train};
use super::solve::Summit;
use super::work::{Work, filled};
use crate::error::Result;

/// Pulses that starting points are tried on.
const TRIAL: usize = 3000;

impl Work<'_> {
    /// One law for all cells, all pulses weighing alike: the best of several starts.
    pub fn common(&self, progress: &(dyn Fn(f64) + Sync)) -> Result<(Vec<f64>, Vec<usize>)> {
        let frame = self.frame();
        let fixed: Vec<usize> = self.held.iter().map(|(k, _)| *k).collect();
        let order = frame.order(true, &fixed);
        let all: Vec<&Train> = self.cells.iter().flatten().collect();
        let trial = self.trial();
        let some: Vec<&Train> = match &trial {
            Some(pulses) => pulses.iter().collect(),
            None => all.clone(),
        };
        let equal = Deviations::equal();
        let done = std::sync::atomic::AtomicUsize::new(0);
        let starts = frame.starts(&self.held);
        let total = starts.len();
        let tried: Vec<(Summit, Vec<usize>)> = starts
            .into_par_iter()
            .filter_map(|mut p| {
                let free = frame.independent(&p, &order);
                for &k in order.iter().filter(|k| !free.contains(k)) {
                    p[k] = frame.neutral(k);
                }
                let found = self.climb_law(&p, &free, &equal, &some, 15);
                let n = done.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1;
                progress(0.3 * n as f64 / total as f64);
                Some((found?, free))
            })
            .collect();
        let best = tried.iter().min_by(|a, b| a.0.cost.total_cmp(&b.0.cost));
        let (summit, free) = best.ok_or_else(|| {
            self.not_converged(
                "no starting point has a likelihood; give the window by --g-min and --g-max",
            )
        })?;
        let p = self.joined(&tried, free, &some).unwrap_or(summit.p.clone());
        let p = match self.climb_law(&p, free, &equal, &all, 15) {
            Some(summit) => summit.p,
            None => p,
        };
        Ok((p, free.clone()))
    }

    /// Single pulses, about [`TRIAL`] of them, from wherever in the data; `None` where there are no more than that. While all pulses weigh
    /// alike, a train is no more than its pulses.
    fn trial(&self) -> Option<Vec<Train>> {
        let part = TRIAL as f64 / self.count as f64;
        let mut rng = Pcg64::seed_from_u64(0x7121a1);
        let mut chosen = Vec::new();
        for train in self.cells.iter().flatten().filter(|_| part < 1.0) {
            for k in 1..train.positions.len() {
                if rng.random::<f64>() < part {
                    chosen.push(Train {
                        polarities: train.polarities[k - 1..=k].to_vec(),
                        positions: train.positions[k - 1..=k].to_vec(),
                    });
                }
            }
        }
        (part < 1.0).then_some(chosen)
    }

    /// Where the two directions of a law share no number, a start that is right in one may be wrong in the other: the best of each
    /// direction together. `None` where they share one.
    fn joined(
        &self,
        tried: &[(Summit, Vec<usize>)],
        free: &[usize],
        trains: &[&Train],
    ) -> Option<Vec<f64>> {
        let signs: Vec<f64> = trains
            .iter()
            .flat_map(|t| t.polarities.iter().skip(1).copied())
            .collect();
        let squares = |p: &[f64], sign: f64| {
            let misses = self.misses(p, &Deviations::equal(), trains)?;
            let own = misses.iter().zip(&signs).filter(|(_, s)| **s == sign);
            Some(own.map(|((v, _), _)| v * v).sum::<f64>())
        };
        let best = |sign: f64| {
            let alike = tried.iter().filter(|(_, own)| own == free);
            let all = alike.filter_map(|(summit, _)| Some((squares(&summit.p, sign)?, &summit.p)));
            all.min_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, p)| p)
        };
        let (up, down) = (best(1.0)?, best(-1.0)?);
        let [of_up, of_down] = [1.0, -1.0].map(|sign| self.frame().acting(up, free, sign));
        if of_up.iter().any(|k| of_down.contains(k)) {
            return None;
        }
        let own: Vec<f64> = of_down.iter().map(|&k| down[k]).collect();
        Some(filled(up, &of_down, &own))
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::file::laws;
    use super::super::data::Pulses;
    use super::super::whole::Options;
    use super::*;

    /// Trains of one sign in turn, every second of which would be of one sign; and one long train, its pulses of either sign in turn.
    #[test]
    fn starts_are_tried_on_some_pulses_of_both_signs() {
        const COUNT: usize = 20_000;
        let law = laws()
            .into_iter()
            .find(|l| l.name() == "soft-bounds")
            .unwrap();
        for length in [100, COUNT] {
            let mut text = String::from("cell,cycle,pulse,polarity,conductance [uS]\n");
            for cycle in 0..COUNT / length {
                for pulse in 0..=length {
                    let turn = if length == COUNT { pulse } else { cycle };
                    let sign = if turn % 2 == 0 { 1 } else { -1 };
                    let g = 20.0 + 0.1 * f64::from(sign) * (pulse % 100) as f64;
                    text.push_str(&format!("a,{cycle},{pulse},{sign},{g}\n"));
                }
            }
            let pulses = Pulses::parse("t.csv", &text).unwrap();
            let work = Work::new(&law, &pulses, &Options::default()).unwrap();
            let trial = work.trial().unwrap();
            // Binomial: 3000 ± 50, and half of them ± 0.9 %; six deviations.
            assert!(trial.len().abs_diff(TRIAL) < 300, "{}", trial.len());
            let up = trial.iter().filter(|t| t.polarities[1] == 1.0).count();
            let part = up as f64 / trial.len() as f64;
            assert!((part - 0.5).abs() < 0.055, "{length}: {part}");
        }
    }
}
