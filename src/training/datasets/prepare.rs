//! Splits, scales and spoils data.

use nalgebra::{DMatrix, DVector};
use rand::RngExt;
use rand::seq::index;

use super::synthetic::{Draws, generator};
use super::{DataSet, Raw, Split, TooFew};
use crate::error::{Error, Result};
use crate::training::Standardisation;
use crate::training::data::moments;
use crate::training::network::{Examples, Targets};

/// How columns are scaled.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Scaling {
    /// They stay as they are.
    None,
    /// `(v - mean)/deviation`, by the samples for training alone.
    Standardise,
    /// Divided by this number.
    Divide(f64),
}

/// What is done to data before they are used.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Preparation {
    /// Which samples are held out.
    pub split: Option<Split>,
    /// How features are scaled.
    pub scaling: Scaling,
    /// How targets that are numbers are scaled.
    pub target_scaling: Scaling,
    /// Share of the samples for training whose class is replaced by another one, any other as likely.
    pub label_noise: f64,
}

impl Preparation {
    pub(super) fn apply(&self, raw: Raw, seed: u64) -> Result<DataSet> {
        let Raw {
            file,
            features,
            targets,
            classes,
            all,
            test: apart,
            truth,
        } = raw;
        let [mut train, mut validation, mut test] = match &self.split {
            None => [Some(all), None, None],
            Some(split) => {
                let own = match &all.targets {
                    Targets::Classes { of, .. } => Some(&of[..]),
                    Targets::Values(_) => None,
                };
                split
                    .rows(all.len(), own)
                    .map_err(|few| too_few(file.clone(), few, &classes))?
                    .map(|rows| (!rows.is_empty()).then(|| all.select(&rows)))
            }
        };
        test = apart.or(test);
        let mut parts: Vec<&mut Examples> = [&mut train, &mut validation, &mut test]
            .into_iter()
            .flatten()
            .collect();
        let scale = |columns: Vec<&mut DMatrix<f64>>, names: &[String], scaling| {
            scale(columns, names, scaling).map_err(|column| Error::Data {
                file: file.clone(),
                line: None,
                column: Some(column),
                rule: "is beyond all scales: squares of its numbers cannot be computed".into(),
                way_out: "measure it in another unit".into(),
            })
        };
        let x = parts.iter_mut().map(|p| &mut p.x).collect();
        let standardisation = scale(x, &features, self.scaling)?;
        let y = parts
            .iter_mut()
            .filter_map(|p| match &mut p.targets {
                Targets::Values(values) => Some(values),
                Targets::Classes { .. } => None,
            })
            .collect();
        let target_standardisation = scale(y, &targets, self.target_scaling)?;
        let mut train = train.expect("a split leaves samples for training");
        let relabelled = relabel(&mut train.targets, self.label_noise, seed);
        Ok(DataSet {
            train,
            validation,
            test,
            features,
            classes,
            standardisation,
            target_standardisation,
            relabelled,
            truth,
        })
    }
}

fn too_few(file: String, few: TooFew, classes: &[String]) -> Error {
    let TooFew {
        class,
        samples,
        parts,
    } = few;
    let of = class.map_or(String::new(), |c| format!(" of the class {}", classes[c]));
    let them = if samples == 1 { "sample" } else { "samples" };
    Error::Data {
        file,
        line: None,
        column: None,
        rule: format!("has {samples} {them}{of}, too few for {parts} parts"),
        way_out: match class {
            Some(_) => "leave the class out, or write stratify = false",
            None => "add samples, or hold out fewer parts",
        }
        .into(),
    }
}

/// Largest number whose square fits single precision, with room for sums.
const MOST: f64 = 1e15;

/// Scales the columns of all parts; the first part is that for training. Fails with the name of a column beyond all scales.
fn scale(
    mut parts: Vec<&mut DMatrix<f64>>,
    names: &[String],
    scaling: Scaling,
) -> std::result::Result<Vec<Standardisation>, String> {
    let mut done = Vec::new();
    match scaling {
        _ if parts.is_empty() => {}
        Scaling::None => {}
        Scaling::Divide(by) => parts.iter_mut().for_each(|p| **p /= by),
        Scaling::Standardise => {
            for (k, name) in names.iter().enumerate() {
                let own: DVector<f64> = parts[0].column(k).clone_owned();
                let (mean, deviation) = moments(&own).ok_or_else(|| name.clone())?;
                for part in &mut parts {
                    part.column_mut(k).apply(|v| {
                        *v = match deviation > 0.0 {
                            true => (*v - mean) / deviation,
                            // It tells samples nothing apart in training: what it is later must not drive weights that have learned nothing.
                            false => 0.0,
                        };
                    });
                }
                done.push(Standardisation {
                    column: name.clone(),
                    mean,
                    deviation,
                });
            }
        }
    }
    for part in parts {
        let beyond = |k: &usize| part.column(*k).amax() > MOST;
        if let Some(k) = (0..part.ncols()).find(beyond) {
            return Err(names[k].clone());
        }
    }
    Ok(done)
}

/// Replaces this share of the classes and says of which samples.
fn relabel(targets: &mut Targets, share: f64, seed: u64) -> Vec<usize> {
    let Targets::Classes { of, count } = targets else {
        return Vec::new();
    };
    let mut rng = generator(seed, Draws::Labels);
    let spoilt = (share * of.len() as f64).round() as usize;
    let mut rows = index::sample(&mut rng, of.len(), spoilt.min(of.len())).into_vec();
    rows.sort_unstable();
    for &r in &rows {
        let other = rng.random_range(0..*count - 1);
        of[r] = if other < of[r] { other } else { other + 1 };
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Preparation = Preparation {
        split: None,
        scaling: Scaling::None,
        target_scaling: Scaling::None,
        label_noise: 0.0,
    };

    const SPLIT: Split = Split {
        test: 0.25,
        validation: 0.25,
        seed: 3,
        stratify: true,
    };

    /// Two classes of `n` samples each; the second feature does not vary.
    fn raw(n: usize) -> Raw {
        let of: Vec<usize> = (0..2 * n).map(|k| k % 2).collect();
        Raw {
            file: "t.csv".into(),
            features: vec!["a".into(), "b".into()],
            targets: Vec::new(),
            classes: vec!["no".into(), "yes".into()],
            all: Examples {
                x: DMatrix::from_fn(2 * n, 2, |r, c| if c == 0 { (r * r) as f64 } else { 5.0 }),
                targets: Targets::Classes { of, count: 2 },
            },
            test: None,
            truth: None,
        }
    }

    #[test]
    fn only_samples_for_training_decide_how_columns_are_standardised() {
        let preparation = Preparation {
            split: Some(SPLIT),
            scaling: Scaling::Standardise,
            ..PLAIN
        };
        let done = preparation.apply(raw(8), 0).unwrap();
        let plain = Preparation {
            scaling: Scaling::None,
            ..preparation
        };
        let before = plain.apply(raw(8), 0).unwrap();
        let own = before.train.x.column(0);
        let mean = own.sum() / 8.0;
        let deviation = (own.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 8.0).sqrt();
        let how = &done.standardisation[0];
        assert!((how.mean - mean).abs() < 1e-12 * mean);
        assert!((how.deviation - deviation).abs() < 1e-12 * deviation);
        assert!(done.train.x.column(0).mean().abs() < 1e-15);
        let held = [
            (&done.test, &before.test),
            (&done.validation, &before.validation),
        ];
        for (after, before) in held {
            let (after, before) = (after.as_ref().unwrap(), before.as_ref().unwrap());
            assert_eq!((after.len(), &after.targets), (4, &before.targets));
            for (a, b) in after.x.column(0).iter().zip(&before.x.column(0)) {
                assert_eq!(*a, (b - how.mean) / how.deviation);
            }
        }
        // What does not vary is 0, and the record says so.
        assert_eq!(
            (
                done.standardisation[1].mean,
                done.standardisation[1].deviation
            ),
            (5.0, 0.0)
        );
        assert_eq!(done.test.unwrap().x.column(1).amax(), 0.0);
        let divided = Preparation {
            scaling: Scaling::Divide(16.0),
            ..plain
        };
        let divided = divided.apply(raw(8), 0).unwrap();
        assert_eq!(divided.train.x, before.train.x / 16.0);
        assert!(divided.standardisation.is_empty());
    }

    #[test]
    fn targets_that_are_numbers_are_scaled_apart() {
        let mut raw = raw(8);
        let y = DMatrix::from_fn(16, 1, |r, _| 100.0 + r as f64);
        (raw.all.targets, raw.targets) = (Targets::Values(y), vec!["y".into()]);
        raw.classes.clear();
        let split = Split {
            stratify: false,
            ..SPLIT
        };
        let preparation = Preparation {
            split: Some(split),
            target_scaling: Scaling::Standardise,
            ..PLAIN
        };
        let done = preparation.apply(raw, 0).unwrap();
        let Targets::Values(y) = &done.train.targets else {
            panic!("numbers stay numbers");
        };
        // Means of 8 numbers about 107, divided by about 4.6.
        assert!(y.mean().abs() < 1e-14 && (y.variance() - 1.0).abs() < 1e-14);
        assert!(done.standardisation.is_empty());
        assert_eq!(done.target_standardisation[0].column, "y");
        assert!(done.relabelled.is_empty());
    }

    #[test]
    fn labels_are_replaced_in_training_only_and_by_other_ones() {
        let preparation = Preparation {
            split: Some(SPLIT),
            label_noise: 0.25,
            ..PLAIN
        };
        let clean = Preparation {
            label_noise: 0.0,
            ..preparation
        };
        let (noisy, clean) = (
            preparation.apply(raw(400), 5).unwrap(),
            clean.apply(raw(400), 5).unwrap(),
        );
        assert_eq!(
            (&noisy.test, &noisy.validation),
            (&clean.test, &clean.validation)
        );
        let classes = |set: &DataSet| match &set.train.targets {
            Targets::Classes { of, .. } => of.clone(),
            Targets::Values(_) => panic!("classes stay classes"),
        };
        let changed: Vec<usize> = classes(&noisy)
            .iter()
            .zip(&classes(&clean))
            .enumerate()
            .filter(|(_, (a, b))| a != b)
            .map(|(r, _)| r)
            .collect();
        assert_eq!((changed.len(), &changed), (100, &noisy.relabelled));
        assert_eq!(noisy, preparation.apply(raw(400), 5).unwrap());
        assert_ne!(noisy, preparation.apply(raw(400), 6).unwrap());
        // Of three classes both others are as likely: 2000 draws, 5 standard deviations are 112.
        let mut targets = Targets::Classes {
            of: vec![1; 2000],
            count: 3,
        };
        assert_eq!(relabel(&mut targets, 1.0, 1).len(), 2000);
        let Targets::Classes { of, .. } = targets else {
            panic!("classes stay classes");
        };
        let zeros = of.iter().filter(|c| **c == 0).count();
        assert!(
            of.iter().all(|c| *c != 1) && zeros.abs_diff(1000) < 112,
            "{zeros}"
        );
    }

    #[test]
    fn classes_with_too_few_samples_are_named() {
        let mut few = raw(4);
        few.all.targets = Targets::Classes {
            of: vec![0, 0, 0, 0, 0, 0, 0, 1],
            count: 2,
        };
        let preparation = Preparation {
            split: Some(SPLIT),
            ..PLAIN
        };
        let text = preparation.apply(few, 0).unwrap_err().to_string();
        assert_eq!(
            text,
            "t.csv: has 1 sample of the class yes, too few for 3 parts; leave the class out, or write stratify = false"
        );
        let mut vast = raw(4);
        vast.all.x[(3, 0)] = 1e200;
        let preparation = Preparation {
            scaling: Scaling::Standardise,
            ..PLAIN
        };
        let text = preparation.apply(vast, 0).unwrap_err().to_string();
        assert!(text.contains("column a: is beyond all scales"), "{text}");
        // A sample for testing that lies 10²⁰ deviations away can be computed with, but not in single precision.
        let mut far = raw(4);
        far.test = Some(far.all.select(&[0, 1]));
        far.test.as_mut().expect("just put there").x[(1, 0)] = 1e22;
        let text = preparation.apply(far, 0).unwrap_err().to_string();
        assert!(text.contains("column a: is beyond all scales"), "{text}");
    }
}
