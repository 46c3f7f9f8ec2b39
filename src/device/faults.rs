//! Faults: cells that are stuck where they are.

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;

use super::cells::{Cells, Window};
use super::variation::{Spread, Variation};
use crate::document::{Origin, Rule, Section};
use crate::error::{Error, Result};

/// Positions that a stuck cell may have.
const LEAST: f64 = -1.0;
const MOST: f64 = 2.0;

/// How cells of an array come to be stuck.
#[derive(Debug, Clone)]
pub enum Faults {
    /// Each cell on its own.
    Random(Vec<StuckAt>),
    /// Cell by cell from an array of an NPZ file: the position that the cell is stuck at, NaN where it is healthy.
    Mask {
        /// The file, relative to the file that names it.
        file: String,
        /// The array in it.
        array: String,
        /// Where it was written.
        origin: Origin,
        /// Its dotted key.
        key: String,
    },
}

/// One kind of stuck cell.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StuckAt {
    /// Probability that a cell is of this kind.
    pub probability: f64,
    /// Position that it holds.
    pub position: f64,
}

impl Faults {
    /// Reads `[faults]`, if there is one: `stuck-on` and `stuck-off` (probabilities of positions 1 and 0), `stuck-at`, or `mask`.
    pub(super) fn parse(device: &Section, window: Window) -> Option<Self> {
        let section = device.optional_section("faults")?;
        let named = |key, position| {
            let probability = section.optional_number(key, Rule::Between(0.0, 1.0))?;
            Some(StuckAt {
                probability,
                position,
            })
        };
        let mut kinds: Vec<StuckAt> = [named("stuck-on", 1.0), named("stuck-off", 0.0)]
            .into_iter()
            .flatten()
            .collect();
        if let Some(inner) = section.optional_section("stuck-at") {
            let probability = inner.number("probability", Rule::Between(0.0, 1.0));
            let position = window.position(inner.number_or_quantity("position", Rule::Any));
            if inner.has("position")
                && let Err(rule) = check(position, window)
            {
                inner.violation("position", rule, "for example position = 0.5");
            }
            inner.finish();
            kinds.push(StuckAt {
                probability,
                position,
            });
        }
        const KEYS: [&str; 4] = ["stuck-on", "stuck-off", "stuck-at", "mask"];
        let first = KEYS.into_iter().find(|key| section.has(key));
        if first.is_none() {
            section.violation(
                KEYS[0],
                "missing: the table must say which cells are stuck",
                format!("give one of {}, or remove the table", KEYS.join(", ")),
            );
        }
        let total: f64 = kinds.iter().map(|k| k.probability).sum();
        // A decimal sum of one may be a rounding more.
        if total > 1.0 + 1e-12 {
            section.violation(
                first.unwrap_or(KEYS[0]),
                format!(
                    "the probabilities of all kinds of stuck cells add up to {total}, more than 1"
                ),
                "lower them",
            );
        }
        let mask = section.optional_section("mask").map(|inner| Self::Mask {
            file: inner.text("npz"),
            array: inner.text("array"),
            origin: inner.origin().clone(),
            key: inner.path().to_owned(),
        });
        if mask.is_some() && !kinds.is_empty() {
            section.violation(
                "mask",
                "a mask says of every cell whether it is stuck, and leaves nothing to chance",
                "remove the mask, or the probabilities",
            );
        }
        section.finish();
        Some(mask.unwrap_or(Self::Random(kinds)))
    }

    /// The stuck cells among `count`, ascending, with their positions. Raising a probability or adding a kind leaves no stuck
    /// cell healthy.
    ///
    /// # Errors
    /// An unreadable mask, one of the wrong length, or with impossible positions.
    pub(super) fn draw(
        &self,
        count: usize,
        seed: u64,
        window: Window,
    ) -> Result<Vec<(usize, f64)>> {
        match self {
            Self::Random(kinds) => {
                // A generator of its own: the healthy cells are those of the array without faults.
                let mut rng = Pcg64::seed_from_u64(seed ^ 0xFA17);
                let mut stuck = Vec::new();
                for cell in 0..count {
                    let mut u: f64 = rng.random();
                    for kind in kinds {
                        if u < kind.probability {
                            stuck.push((cell, kind.position));
                            break;
                        }
                        u -= kind.probability;
                    }
                }
                Ok(stuck)
            }
            Self::Mask {
                file,
                array,
                origin,
                key,
            } => {
                let spread = Spread::Npz {
                    file: file.clone(),
                    array: array.clone(),
                };
                let list = Variation {
                    index: 0,
                    spread,
                    origin: origin.clone(),
                    key: key.clone(),
                }
                .listed(count)?
                .unwrap_or_default();
                let all = list.into_iter().enumerate();
                let stuck: Vec<(usize, f64)> = all.filter(|(_, p)| !p.is_nan()).collect();
                for &(cell, position) in &stuck {
                    check(position, window).map_err(|rule| {
                        Error::from(origin.violation(
                            key,
                            None,
                            format!("cell {cell}: {rule}"),
                            "correct the array: a position for a stuck cell, NaN for a healthy one",
                        ))
                    })?;
                }
                Ok(stuck)
            }
        }
    }
}

/// What is wrong with the position of a stuck cell.
fn check(position: f64, window: Window) -> std::result::Result<(), String> {
    if !(LEAST..=MOST).contains(&position) {
        return Err(format!(
            "the position in the window (0 at g-min, 1 at g-max) is {position} and must lie between {LEAST} and {MOST}"
        ));
    }
    if window.g_min + position * window.span() < -1e-9 * window.span() {
        return Err(format!(
            "at the position {position} the conductance is negative"
        ));
    }
    Ok(())
}

impl Cells {
    /// The same cells, of which some are stuck: cell by cell, with the position that it holds whatever is written, pulsed or
    /// waited for. Write noise leaves them alone. Pulses that are sent to them are counted.
    pub fn with_stuck(mut self, mut stuck: Vec<(usize, f64)>) -> Self {
        stuck.retain(|(cell, _)| *cell < self.len());
        stuck.sort_by_key(|(cell, _)| *cell);
        stuck.dedup_by_key(|(cell, _)| *cell);
        self.stuck = stuck;
        self
    }

    /// The stuck cells, ascending, with their positions.
    pub fn stuck(&self) -> &[(usize, f64)] {
        &self.stuck
    }

    /// The position that cell `k` is stuck at.
    pub fn stuck_at(&self, k: usize) -> Option<f64> {
        let place = self.stuck.binary_search_by_key(&k, |(cell, _)| *cell);
        place.ok().map(|place| self.stuck[place].1)
    }
}
