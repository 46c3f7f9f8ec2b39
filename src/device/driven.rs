//! Cells that pulses reach with less than their whole voltage.

use super::cells::Cells;
use super::file::mean_step;
use super::law::{AnyLaw, COMMON, LOWER, STEP, UPPER};
use super::physical::VOLTAGES;

/// How the step of a behavioural law, which knows no voltage, depends on that of the pulse: the factor for a pulse of the part d of its
/// voltage.
///
/// # Reference
/// The power is VTEAM's far above its threshold (Kvatinsky et al., IEEE Trans. Circuits Syst. II 62, 786 (2015),
/// <https://doi.org/10.1109/TCSII.2015.2433536>); the hyperbolic sine that of ions which hop in a field (Jiang et al., IEEE Trans. Electron
/// Devices 63, 1884 (2016), <https://doi.org/10.1109/TED.2016.2545412>). Measure either on the device: `d ln(step)/d ln(V)` at the pulse's
/// voltage is γ of the power, and `γ coth(γ)` of the sine.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum VoltageDependence {
    /// `d^γ`.
    Power(f64),
    /// `sinh(γ d)/sinh(γ)`, γ the voltage of the pulse over that which bends the law.
    Sinh(f64),
}

impl VoltageDependence {
    /// Step by a pulse of the part `drive` (0 to 1) of the voltage, over that by a whole one.
    pub fn factor(self, drive: f64) -> f64 {
        match self {
            Self::Power(exponent) => drive.powf(exponent),
            // The limit.
            Self::Sinh(0.0) => drive,
            // `e^{γ(d-1)} (1 - e^{-2γd})/(1 - e^{-2γ})`: no exponential of a large number.
            Self::Sinh(bend) => {
                let part = |d: f64| -(-2.0 * bend * d).exp_m1();
                (bend * (drive - 1.0)).exp() * part(drive) / part(1.0)
            }
        }
    }
}

impl Cells {
    /// The same cells for pulses of which the part `drive` of the voltage arrives, from 0 to 1, cell by cell.
    ///
    /// Physical laws, which name the voltages of their pulses, get these (and ramps of them) times it; of behavioural laws the nominal step
    /// shrinks by `dependence`, and with it whatever the law and its noise count in steps. Write noise stays. All that is said of nominal cells, the
    /// longest train included, is that of whole pulses: weaker ones move less, so that longer trains would be exact too.
    ///
    /// # Panics
    /// For parts outside of [0, 1] or another number of them than of cells, and a behavioural law without a dependence.
    pub fn driven(&self, drive: &[f64], dependence: Option<VoltageDependence>) -> Self {
        assert_eq!(drive.len(), self.len(), "one part a cell");
        let mut parameters = self.all_parameters().to_vec();
        let weak = Weak {
            law: self.law(),
            dependence,
            noisy: self.noise().additive() > 0.0 || self.noise().state_slope() != 0.0,
        };
        let width = self.width();
        let mut last: Option<(Vec<f64>, f64, Vec<f64>)> = None;
        for (p, &drive) in parameters.chunks_exact_mut(width).zip(drive) {
            assert!((0.0..=1.0).contains(&drive), "a part {drive} of a voltage");
            // Equal cells that see the same are derived once.
            match &last {
                Some((given, part, derived)) if *part == drive && given == p => {
                    p.copy_from_slice(derived);
                }
                _ => {
                    let given = p.to_vec();
                    weak.weaken(p, drive);
                    last = Some((given, drive, p.to_vec()));
                }
            }
        }
        self.with_all_parameters(parameters)
    }

    /// Whether no pulse changes any state: those of a law with thresholds, below them.
    pub fn are_still(&self) -> bool {
        let law = self.law();
        (0..self.len()).all(|k| {
            let p = self.double(k).parameters;
            // Windows are shut at the very ends, and ramps may cross a threshold anywhere.
            let inner = (0..=64).map(|i| f64::from(i) / 64.0);
            let mut places = inner
                .chain([1e-6, 1e-3, 1.0 - 1e-3, 1.0 - 1e-6])
                .map(|x| p[LOWER] + (p[UPPER] - p[LOWER]) * x);
            places.all(|s| {
                [1.0, -1.0]
                    .iter()
                    .all(|&polarity| law.step(p, s, polarity) == 0.0)
            })
        })
    }
}

/// Pulses that have lost a part of their voltage.
struct Weak<'a> {
    law: &'a dyn AnyLaw,
    dependence: Option<VoltageDependence>,
    /// Whether there is noise in units of a step.
    noisy: bool,
}

impl Weak<'_> {
    fn weaken(&self, p: &mut [f64], drive: f64) {
        if drive == 1.0 {
            return;
        }
        if !self.law.derives_step() {
            let Some(dependence) = self.dependence else {
                panic!("the law {} knows no voltage", self.law.name());
            };
            p[STEP] *= dependence.factor(drive);
            return;
        }
        let named = COMMON.iter().chain(self.law.parameters()).zip(&mut *p);
        for (_, value) in named.filter(|(parameter, _)| VOLTAGES.contains(&parameter.name)) {
            *value *= drive;
        }
        // A cell's own step is that of its own noise; nothing else looks at it (a symmetric control is made before pulses are weakened).
        if self.noisy {
            p[STEP] = mean_step(self.law, p);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::cells::BOTH;
    use super::super::{LIBRARY, OWN, load_device};
    use super::*;

    const DEPENDENCE: Option<VoltageDependence> = Some(VoltageDependence::Power(3.0));

    fn library() -> impl Iterator<Item = Cells> {
        let all = LIBRARY.iter();
        all.map(|(name, _)| load_device(name, Path::new("")).unwrap())
            .filter(|device| device.law().is_pulsed())
            .map(|device| device.without_variation().cells(3, 1).unwrap())
    }

    /// Limits of both dependences, and the logarithmic slope at the whole voltage, by a central difference of error 1e-10 γ³.
    #[test]
    fn factors_have_the_slopes_that_they_are_named_after() {
        for (dependence, slope) in [
            (VoltageDependence::Power(4.0), 4.0),
            (VoltageDependence::Sinh(4.0), 4.0 / 4.0_f64.tanh()),
            // Beyond, the sines overflow.
            (VoltageDependence::Sinh(800.0), 800.0),
        ] {
            assert_eq!(dependence.factor(0.0), 0.0);
            assert_eq!(dependence.factor(1.0), 1.0);
            let h = 1e-5;
            let ln = |d: f64| dependence.factor(d).ln();
            let found = (ln(1.0 + h) - ln(1.0 - h)) / (2.0 * h);
            assert!((found / slope - 1.0).abs() < 1e-4, "{found} {slope}");
        }
        let half = VoltageDependence::Sinh(3.0).factor(0.5);
        assert!((half - 1.5_f64.sinh() / 3.0_f64.sinh()).abs() < 1e-15);
    }

    /// The steps of every behavioural law are proportional to the nominal one, everywhere in the window: by the factor of the dependence. (That of
    /// the exponential law is a part of its curve: eight eighths of a pulse are a whole one.) Nothing else changes, and the whole voltage changes nothing at all.
    #[test]
    fn steps_shrink_by_the_factor_and_whole_pulses_stay() {
        let mut behavioural = 0;
        for cells in library() {
            let same = cells.driven(&[1.0; 3], DEPENDENCE);
            assert_eq!(same.all_parameters(), cells.all_parameters());
            if cells.law().derives_step() {
                continue;
            }
            behavioural += 1;
            let weak = cells.driven(&[1.0, 0.5, 0.0], DEPENDENCE);
            for (k, factor) in [(0, 1.0), (1, 0.125), (2, 0.0)] {
                let [whole, p] = [&cells, &weak].map(|c| c.double(k).parameters);
                assert_eq!(p[STEP], whole[STEP] * factor);
                assert_eq!(p[STEP + 1..], whole[STEP + 1..]);
                for s in [0.1, 0.5, 0.8] {
                    for polarity in BOTH {
                        let law = cells.law();
                        let [a, b] = [p, whole].map(|p| law.step(p, s, polarity));
                        if law.name() == "exponential" && k == 1 {
                            let (eight, _) = law.train(&weak.double(k), s, polarity, 8);
                            assert!((eight - (s + b)).abs() <= 1e-14, "{eight}");
                        } else {
                            assert!((a - factor * b).abs() <= 1e-15, "{}", law.name());
                        }
                    }
                }
            }
        }
        assert!(behavioural > 20, "{behavioural}");
    }

    /// Of physical laws the voltages of pulses and nothing else, thresholds least of all.
    #[test]
    fn physical_pulses_lose_voltage() {
        let mut physical = 0;
        for cells in library().filter(|c| c.law().derives_step()) {
            physical += 1;
            let weak = cells.driven(&[0.9; 3], None);
            let [whole, p] = [&cells, &weak].map(|c| c.double(1).parameters);
            let names = COMMON.iter().chain(cells.law().parameters());
            for (parameter, (a, b)) in names.zip(p.iter().zip(whole)).skip(OWN) {
                let factor = if VOLTAGES.contains(&parameter.name) {
                    0.9
                } else {
                    1.0
                };
                assert_eq!(*a, b * factor, "{}", parameter.name);
            }
            assert_ne!(p[OWN], whole[OWN]);
        }
        assert!(physical > 5, "{physical}");
    }

    /// Trains that are long enough for whole pulses are for weaker ones: searched anew, they come out no shorter.
    #[test]
    fn weaker_pulses_allow_trains_as_long() {
        for cells in library() {
            for drive in [0.95, 0.7, 0.5, 0.2] {
                let weak = cells.driven(&[drive; 3], DEPENDENCE);
                if weak.are_still() {
                    continue;
                }
                let searched = weak.clone().with_trains(&BOTH).longest_train();
                assert_eq!(weak.longest_train(), cells.longest_train());
                assert!(
                    searched >= cells.longest_train(),
                    "{} at {drive}: {searched} of {}",
                    cells.law().name(),
                    cells.longest_train()
                );
            }
        }
    }

    /// VTEAM and Yakopcic's model below their thresholds: not a bit of any state moves, in single precision too.
    #[test]
    fn below_a_threshold_nothing_moves() {
        let mut tried = 0;
        for cells in library().filter(|c| ["vteam", "yakopcic"].contains(&c.law().name())) {
            tried += 1;
            assert!(!cells.are_still());
            let weak = cells.driven(&[0.01; 3], None);
            assert!(weak.are_still());
            let cell = weak.double(0);
            let (lower, upper) = (cell.parameters[LOWER], cell.parameters[UPPER]);
            for s in [lower, 0.5 * (lower + upper), upper] {
                for n in [-7.0, 7.0] {
                    assert_eq!(weak.law().oracle_many(&cell, s, n, 1.0), s);
                }
            }
        }
        assert!(tried >= 2, "{tried}");
    }
}
