//! Which samples are held out.

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;

/// Samples that are held out from training.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Split {
    /// Share of samples for testing; 0 for none.
    pub test: f64,
    /// Share of samples for validation; 0 for none.
    pub validation: f64,
    /// Of the order in which samples are drawn.
    pub seed: u64,
    /// Whether every class is split for itself.
    pub stratify: bool,
}

/// Too few samples for a split.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooFew {
    /// The class that has them; none for all together.
    pub class: Option<usize>,
    /// How many there are.
    pub samples: usize,
    /// Parts that need one each.
    pub parts: usize,
}

impl Split {
    /// This share of all samples for testing, the others for training.
    pub fn tested(test: f64, seed: u64) -> Self {
        Self {
            test,
            validation: 0.0,
            seed,
            stratify: false,
        }
    }

    /// Rows for training, validation and testing out of `samples`, each ascending; one at least in every part that has a share (of every class, if
    /// these are split for themselves). `classes` has the class of every sample, where there is such a thing.
    ///
    /// # Errors
    /// Fewer samples than parts.
    pub fn rows(
        &self,
        samples: usize,
        classes: Option<&[usize]>,
    ) -> Result<[Vec<usize>; 3], TooFew> {
        let mut order: Vec<usize> = (0..samples).collect();
        let mut rng = Pcg64::seed_from_u64(self.seed);
        for k in (1..samples).rev() {
            order.swap(k, rng.random_range(0..=k));
        }
        let mut rows = [const { Vec::new() }; 3];
        match classes.filter(|_| self.stratify) {
            None => self.share(&order, None, &mut rows)?,
            Some(classes) => {
                let count = classes.iter().max().map_or(0, |most| most + 1);
                let mut own = vec![Vec::new(); count];
                order.iter().for_each(|&r| own[classes[r]].push(r));
                // A class that no sample has is none of the samples.
                for (class, own) in own.iter().enumerate().filter(|(_, own)| !own.is_empty()) {
                    self.share(own, Some(class), &mut rows)?;
                }
            }
        }
        rows.iter_mut().for_each(|rows| rows.sort_unstable());
        Ok(rows)
    }

    /// Shares these samples out: the first for testing, the next for validation.
    fn share(
        &self,
        order: &[usize],
        class: Option<usize>,
        [training, validation, test]: &mut [Vec<usize>; 3],
    ) -> Result<(), TooFew> {
        let (samples, held) = (order.len(), [self.test, self.validation]);
        let parts = 1 + held.iter().filter(|share| **share > 0.0).count();
        if samples < parts {
            return Err(TooFew {
                class,
                samples,
                parts,
            });
        }
        let (mut rest, mut left) = (order, parts);
        for (share, part) in held.into_iter().zip([test, validation]) {
            if share > 0.0 {
                left -= 1;
                let most = rest.len() - left;
                let count = (share * samples as f64).round() as usize;
                let (own, others) = rest.split_at(count.clamp(1, most));
                part.extend(own);
                rest = others;
            }
        }
        training.extend(rest);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_order_of_earlier_versions_stays() {
        let [training, validation, test] = Split::tested(0.3, 7).rows(10, None).unwrap();
        assert_eq!((test.len(), training.len()), (3, 7));
        assert!(validation.is_empty());
        assert_eq!(test, [3, 5, 7]);
    }

    #[test]
    fn shares_are_rounded_and_leave_one_sample_at_least() {
        for (samples, test, held) in [(1797, 0.2, 359), (10, 0.01, 1), (10, 0.99, 9), (2, 0.5, 1)] {
            let rows = |seed| Split::tested(test, seed).rows(samples, None).unwrap();
            let [training, _, tested] = rows(3);
            assert_eq!((training.len(), tested.len()), (samples - held, held));
            assert!(samples < 1000 || rows(4)[2] != tested);
        }
    }

    proptest! {
        #[test]
        fn parts_are_disjoint_exhaustive_and_stratified(
            counts in prop::collection::vec(3_usize..40, 2..6),
            test in 0.05_f64..0.6,
            validation in 0.05_f64..0.35,
            seed in any::<u64>(),
            stratify in any::<bool>(),
        ) {
            let classes: Vec<usize> = counts.iter().enumerate().flat_map(|(c, n)| vec![c; *n]).collect();
            let split = Split { test, validation, seed, stratify };
            let parts = split.rows(classes.len(), Some(&classes)).unwrap();
            let mut all = parts.concat();
            all.sort_unstable();
            prop_assert_eq!(all, (0..classes.len()).collect::<Vec<_>>());
            prop_assert!(parts.iter().all(|p| !p.is_empty() && p.is_sorted()));
            prop_assert_eq!(&parts, &split.rows(classes.len(), Some(&classes)).unwrap());
            if stratify {
                for (class, n) in counts.iter().enumerate() {
                    let own = parts.each_ref().map(|p| p.iter().filter(|r| classes[**r] == class).count());
                    // Rounded, and one for training and for every part at least.
                    let tested = ((test * *n as f64).round() as usize).clamp(1, n - 2);
                    let validated = ((validation * *n as f64).round() as usize).clamp(1, n - tested - 1);
                    prop_assert_eq!(own, [n - tested - validated, validated, tested]);
                }
            }
        }
    }

    #[test]
    fn too_few_samples_are_refused() {
        let split = Split {
            test: 0.5,
            validation: 0.1,
            seed: 0,
            stratify: true,
        };
        let few = |class, samples| {
            Err(TooFew {
                class,
                samples,
                parts: 3,
            })
        };
        assert_eq!(split.rows(2, None), few(None, 2));
        let classes = [0, 0, 0, 0, 2, 2];
        assert_eq!(split.rows(6, Some(&classes)), few(Some(2), 2));
        let parts = split.rows(5, Some(&[0, 0, 0, 0, 0])).unwrap();
        assert_eq!(parts.map(|p| p.len()), [1, 1, 3]);
    }

    /// Every sample is as likely in every part: over 4000 seeds the counts of 20 samples in a test set of 5 follow chi-squared with 19 degrees of
    /// freedom (its 99.9 % quantile is 43.8; that a seed's counts add up to 5 makes it smaller by 15/20 · 20/19 on average).
    #[test]
    fn every_sample_is_as_likely() {
        let mut counts = [0.0; 20];
        for seed in 0..4000 {
            for r in &Split::tested(0.25, seed).rows(20, None).unwrap()[2] {
                counts[*r] += 1.0;
            }
        }
        let chi: f64 = counts
            .iter()
            .map(|c| (c - 1000.0_f64).powi(2) / 1000.0)
            .sum();
        assert!(chi < 43.8, "{chi}");
    }
}
