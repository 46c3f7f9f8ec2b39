//! What digitises the outputs.

use pulp::{Arch, Simd, WithSimd};

use super::mismatch::{Item, Mismatch};
use super::{Continuous, Errors, Nearest, Resolution, Round, Rounding, Stochastic, cut};
use crate::arrays::Saved;
use crate::backend::StackVector;
use crate::error::Result;

/// Analog-to-digital converters of the outputs.
///
/// `y = range · k/L` for the code `k = round(L (gain · y + offset)/range)`, cut to `-L … L`. A code at either end counts as saturated:
/// digital logic cannot see more.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Adc {
    /// How it converts.
    pub kind: AdcKind,
    /// Largest weighted sum; none for no bound, which only ideal converters can do without (others take 1).
    pub range: Option<f64>,
    /// What the converters miss. A ramp is shared by all columns, and so is its nonlinearity; gain errors are those of the columns' own
    /// amplifiers.
    pub errors: Errors,
}

/// How an output becomes a code.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum AdcKind {
    /// Infinite resolution.
    #[default]
    Ideal,
    /// Equidistant levels.
    Uniform {
        /// Levels.
        resolution: Resolution,
        /// How outputs become levels. Converters with nonlinearity compare with their transitions, to the nearest.
        rounding: Rounding,
    },
    /// Successive approximation with binary-weighted capacitors, bit by bit from the largest.
    ///
    /// Capacitor j is 2^j units, each with the given relative deviation: `C_j = 2^j + deviation √2^j z_j`, and one more unit ends the
    /// array. The code n is compared at `2^bits Σ_{j in n} C_j/(Σ_j C_j + C_end) - 2^(bits-1) - ½` steps.
    /// J. L. McCreary and P. R. Gray, IEEE J. Solid-State Circuits 10 (1975) 371–379.
    Sar {
        /// Binary digits.
        bits: u32,
        /// Relative standard deviation of a unit capacitor.
        mismatch: f64,
    },
    /// A counter that runs until a common ramp has passed the output; each column has its comparator.
    Ramp {
        /// Levels.
        resolution: Resolution,
        /// Standard deviation of the comparators' offsets, in units of the weighted sum.
        comparator_offset: f64,
    },
}

impl Adc {
    /// The levels, none for infinitely many.
    pub fn resolution(&self) -> Option<Resolution> {
        match self.kind {
            AdcKind::Ideal => None,
            AdcKind::Uniform { resolution, .. } | AdcKind::Ramp { resolution, .. } => {
                Some(resolution)
            }
            AdcKind::Sar { bits, .. } => Resolution::bits(bits),
        }
    }
}

/// How codes are found.
enum Search {
    Infinite,
    Nearest,
    Stochastic,
    /// Weights of the capacitors of each converter in steps, smallest first.
    Capacitors(Vec<f32>),
    /// Transitions in steps from the lowest, of each converter or of all.
    Transitions {
        all: Vec<f32>,
        shared: bool,
    },
}

/// The converters of all outputs of one direction.
pub(super) struct AdcBank {
    /// Largest code, infinite without bound.
    levels: Option<Resolution>,
    search: Search,
    gain: Vec<f32>,
    offset: Vec<f32>,
    /// For each converter: steps a unit, units a step, largest code.
    per_unit: Vec<f32>,
    step: Vec<f32>,
    limit: Vec<f32>,
}

impl AdcBank {
    pub fn new(adc: &Adc, outputs: usize, draw: &Mismatch) -> Self {
        let errors = &adc.errors;
        let mut offset = draw.each(Item::OutputOffset, outputs, 0.0, errors.offset);
        let levels = adc.resolution();
        let search = match (adc.kind, levels) {
            (AdcKind::Ideal, _) | (_, None) => Search::Infinite,
            (AdcKind::Sar { bits, mismatch }, _) => {
                let weights = |c| capacitors(bits, mismatch, c, draw);
                Search::Capacitors((0..outputs).flat_map(weights).collect())
            }
            (
                AdcKind::Ramp {
                    comparator_offset, ..
                },
                Some(resolution),
            ) => {
                let own = draw.each(Item::Comparator, outputs, 0.0, comparator_offset);
                offset.iter_mut().zip(own).for_each(|(o, own)| *o += own);
                Search::Transitions {
                    all: transitions(resolution, errors, 0, draw),
                    shared: true,
                }
            }
            (AdcKind::Uniform { .. }, Some(resolution)) if errors.is_curved() => {
                let of = |c| transitions(resolution, errors, c, draw);
                Search::Transitions {
                    all: (0..outputs).flat_map(of).collect(),
                    shared: false,
                }
            }
            (AdcKind::Uniform { rounding, .. }, _) => match rounding {
                Rounding::Nearest => Search::Nearest,
                Rounding::Stochastic => Search::Stochastic,
            },
        };
        let mut bank = Self {
            levels,
            search,
            gain: draw.each(Item::OutputGain, outputs, 1.0, errors.gain),
            offset,
            per_unit: Vec::new(),
            step: Vec::new(),
            limit: Vec::new(),
        };
        let range = adc.range.or(levels.map(|_| 1.0));
        bank.set_ranges(&vec![range.unwrap_or(f64::INFINITY); outputs]);
        bank
    }

    /// One range a converter, in units of the weighted sum.
    pub fn set_ranges(&mut self, ranges: &[f64]) {
        let l = self.levels.map(|l| f64::from(l.levels()));
        let each = |f: &dyn Fn(f64) -> f64| ranges.iter().map(|&r| f(r) as f32).collect();
        self.per_unit = each(&|r| l.map_or(1.0, |l| l / r));
        self.step = each(&|r| l.map_or(1.0, |l| r / l));
        self.limit = each(&|r| l.unwrap_or(r));
    }

    /// The ranges.
    pub fn keep(&mut self, saved: &mut Saved) -> Result<()> {
        for part in [&mut self.per_unit, &mut self.step, &mut self.limit] {
            saved.list("range", part)?;
        }
        Ok(())
    }

    /// Whether it needs uniform numbers.
    pub fn is_dithered(&self) -> bool {
        matches!(self.search, Search::Stochastic)
    }

    /// Digitises outputs and multiplies each lane by `rescale`; adds the saturated ones of each lane to `saturated`.
    pub fn convert(
        &self,
        arch: Arch,
        rescale: &[f32],
        dither: &StackVector,
        outputs: &mut StackVector,
        saturated: &mut [u32],
    ) {
        match &self.search {
            Search::Nearest => self.round(arch, Nearest, rescale, &[], outputs, saturated),
            Search::Infinite => self.round(arch, Continuous, rescale, &[], outputs, saturated),
            Search::Stochastic => {
                self.round(arch, Stochastic, rescale, dither.all(), outputs, saturated);
            }
            Search::Capacitors(weights) => {
                let bits = weights.len() / self.gain.len();
                self.search(rescale, outputs, saturated, |c, t| {
                    let weights = &weights[c * bits..][..bits];
                    arch.dispatch(Approximate { weights, t });
                });
            }
            Search::Transitions { all, shared } => {
                let each = 2 * self.levels.map_or(0, |l| l.levels() as usize);
                self.search(rescale, outputs, saturated, |c, t| {
                    let own = if *shared {
                        all
                    } else {
                        &all[c * each..][..each]
                    };
                    for t in t {
                        let below = own.partition_point(|x| *x <= *t);
                        *t = below as f32 - (each / 2) as f32;
                    }
                });
            }
        }
    }

    /// Conversion to equidistant levels. `dither` is empty where it is not looked at.
    fn round(
        &self,
        arch: Arch,
        round: impl Round,
        rescale: &[f32],
        dither: &[f32],
        outputs: &mut StackVector,
        saturated: &mut [u32],
    ) {
        arch.dispatch(Convert {
            bank: self,
            rescale,
            dither,
            outputs,
            saturated,
            round,
        });
    }

    /// Conversion by a search for codes: `codes` turns numbers of steps of a converter into codes.
    fn search(
        &self,
        rescale: &[f32],
        outputs: &mut StackVector,
        saturated: &mut [u32],
        codes: impl Fn(usize, &mut [f32]),
    ) {
        for c in 0..outputs.len() {
            let lanes = outputs.lanes_mut(c);
            let (gain, offset, per_unit) = (self.gain[c], self.offset[c], self.per_unit[c]);
            for y in &mut *lanes {
                *y = y.mul_add(gain, offset) * per_unit;
            }
            codes(c, lanes);
            let (step, limit) = (self.step[c], self.limit[c]);
            let lanes = lanes.iter_mut().zip(rescale).zip(&mut *saturated);
            for ((y, scale), saturated) in lanes {
                let k = y.max(-limit);
                *saturated += u32::from(k.abs() >= limit);
                *y = k * step * scale;
            }
        }
    }
}

/// Weights of the capacitors of converter `c` in steps.
fn capacitors(bits: u32, mismatch: f64, c: usize, draw: &Mismatch) -> Vec<f32> {
    let unit = |j: u32| {
        let nominal = f64::from(1_u32 << j);
        nominal + mismatch * nominal.sqrt() * draw.normal(Item::Capacitor, c, j)
    };
    let end = 1.0 + mismatch * draw.normal(Item::Capacitor, c, bits);
    let sum = (0..bits).map(unit).sum::<f64>() + end;
    let all = f64::from(1_u32 << bits);
    (0..bits).map(|j| (unit(j) * all / sum) as f32).collect()
}

/// Transitions of converter `c` in steps, from that between `-L` and `-L + 1` on, in order: where one would lie below another, its code
/// is missing.
fn transitions(resolution: Resolution, errors: &Errors, c: usize, draw: &Mismatch) -> Vec<f32> {
    let l = resolution.levels();
    let items = [Item::OutputInl, Item::OutputDnl];
    let inl = draw.nonlinearity(items, c, 2 * l - 1, errors);
    let mut last = f64::NEG_INFINITY;
    let place = |(m, e): (usize, f64)| {
        last = last.max(m as f64 - f64::from(l) + 0.5 + e);
        last as f32
    };
    inl.into_iter().enumerate().map(place).collect()
}

/// Numbers of steps become codes bit by bit.
struct Approximate<'a> {
    weights: &'a [f32],
    t: &'a mut [f32],
}

impl WithSimd for Approximate<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        const N: usize = 64;
        let lowest = -((1_u32 << (self.weights.len() - 1)) as f32);
        for t in self.t.chunks_mut(N) {
            let (mut level, mut code) = ([lowest - 0.5; N], [lowest; N]);
            for (j, weight) in self.weights.iter().enumerate().rev() {
                let digit = (1_u32 << j) as f32;
                let found = level.iter_mut().zip(&mut code);
                for ((level, code), t) in found.zip(&*t) {
                    let trial = *level + weight;
                    let keep = *t >= trial;
                    *level = if keep { trial } else { *level };
                    *code += if keep { digit } else { 0.0 };
                }
            }
            t.iter_mut().zip(&code).for_each(|(t, code)| *t = *code);
        }
    }
}

/// Equidistant levels, or infinitely many.
struct Convert<'a, R> {
    bank: &'a AdcBank,
    rescale: &'a [f32],
    dither: &'a [f32],
    outputs: &'a mut StackVector,
    saturated: &'a mut [u32],
    #[allow(dead_code, reason = "a type, not a value")]
    round: R,
}

impl<R: Round> WithSimd for Convert<'_, R> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        let bank = self.bank;
        let width = self.outputs.width();
        if let ([rescale], [saturated]) = (self.rescale, &mut *self.saturated) {
            let errors = bank.gain.iter().zip(&bank.offset);
            let ranges = bank.per_unit.iter().zip(&bank.step).zip(&bank.limit);
            // What is not looked at must be as long as the outputs all the same.
            let dither = if self.dither.is_empty() {
                &bank.gain
            } else {
                self.dither
            };
            let outputs = self.outputs.all_mut().iter_mut().zip(dither);
            let mut ends = 0;
            for ((y, &u), ((&gain, &offset), ((&per_unit, &step), &limit))) in
                outputs.zip(errors.zip(ranges))
            {
                let k = R::round(cut(y.mul_add(gain, offset) * per_unit, limit), u);
                ends += u32::from(k.abs() >= limit);
                *y = k * step * rescale;
            }
            *saturated += ends;
            return;
        }
        for c in 0..self.outputs.len() {
            let (gain, offset) = (bank.gain[c], bank.offset[c]);
            let (per_unit, step, limit) = (bank.per_unit[c], bank.step[c], bank.limit[c]);
            let dither = if self.dither.is_empty() {
                self.rescale
            } else {
                &self.dither[c * width..][..width]
            };
            let lanes = self.outputs.lanes_mut(c).iter_mut().zip(self.rescale);
            let marks = self.saturated.iter_mut().zip(dither);
            for ((y, rescale), (saturated, &u)) in lanes.zip(marks) {
                let k = R::round(cut(y.mul_add(gain, offset) * per_unit, limit), u);
                *saturated += u32::from(k.abs() >= limit);
                *y = k * step * rescale;
            }
        }
    }
}
