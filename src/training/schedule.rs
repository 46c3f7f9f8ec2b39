//! Learning-rate schedules.

/// The learning rate over a run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Schedule {
    /// η
    Constant,
    /// η · final^(t/T): a geometric fall to `last` times the first value.
    Geometric {
        /// Ratio of the last to the first learning rate.
        last: f64,
    },
    /// η / (1 + t/half): Robbins–Monro.
    Inverse {
        /// Step at which the learning rate has halved.
        half: f64,
    },
}

impl Schedule {
    /// Learning rate at step `step` of `steps`, for the first value `rate`.
    pub fn rate(&self, rate: f64, step: u32, steps: u32) -> f64 {
        match *self {
            Self::Constant => rate,
            Self::Geometric { last } => rate * last.powf(f64::from(step) / f64::from(steps)),
            Self::Inverse { half } => rate / (1.0 + f64::from(step) / half),
        }
    }

    /// Learning rate at training time `time`, as if rates changed continuously.
    pub fn rate_at(&self, rate: f64, time: f64, steps: u32) -> f64 {
        match *self {
            Self::Constant => rate,
            // t = η (last^(s/T) - 1) T/ln last
            Self::Geometric { last } => rate + time * last.ln() / f64::from(steps),
            // t = η half ln(1 + s/half)
            Self::Inverse { half } => rate * (-time / (rate * half)).exp(),
        }
    }

    /// Training time `Σ η` after `step` of `steps` steps.
    pub fn time(&self, rate: f64, step: u32, steps: u32) -> f64 {
        match self {
            Self::Constant => rate * f64::from(step),
            _ => (0..step).map(|t| self.rate(rate, t, steps)).sum(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules_start_and_end_where_they_say() {
        let geometric = Schedule::Geometric { last: 0.1 };
        assert!((geometric.rate(0.5, 0, 100) - 0.5).abs() < 1e-15);
        assert!((geometric.rate(0.5, 100, 100) - 0.05).abs() < 1e-15);
        let inverse = Schedule::Inverse { half: 40.0 };
        assert!((inverse.rate(0.5, 40, 100) - 0.25).abs() < 1e-15);
        assert!((Schedule::Constant.time(0.5, 10, 100) - 5.0).abs() < 1e-15);
        let sum: f64 = (0..10).map(|t| inverse.rate(0.5, t, 100)).sum();
        assert!((inverse.time(0.5, 10, 100) - sum).abs() < 1e-15);
        // Sums are integrals to half a step.
        for schedule in [geometric, Schedule::Inverse { half: 4000.0 }] {
            let time = schedule.time(0.5, 9_000, 10_000);
            let ratio = schedule.rate_at(0.5, time, 10_000) / schedule.rate(0.5, 9_000, 10_000);
            assert!((ratio - 1.0).abs() < 1e-3, "{schedule:?}: {ratio}");
        }
    }
}
