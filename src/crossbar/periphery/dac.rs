//! What drives the inputs.

use pulp::{Arch, Simd, WithSimd};

use super::mismatch::{Item, Mismatch};
use super::{Continuous, Errors, Nearest, Resolution, Round, Rounding, Stochastic, cut};
use crate::backend::StackVector;

/// Digital-to-analog converters of the inputs.
///
/// `v = gain · range · k/L + offset` for the level `k = round(L x / range)`, cut to `-L … L`; with infinite resolution
/// `v = gain · x + offset`, cut to the range where there is one. 1 V a unit.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Dac {
    /// Levels; none for infinitely many.
    pub resolution: Option<Resolution>,
    /// Largest input; none for no bound.
    pub range: Option<f64>,
    /// How inputs become levels.
    pub rounding: Rounding,
    /// What a level is on the line.
    pub input: Input,
    /// What the converters miss.
    pub errors: Errors,
}

/// What the level of an input is on its line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Input {
    /// A voltage.
    #[default]
    Amplitude,
    /// The length of a pulse of full voltage, in whole clock ticks: levels are equidistant, `gain` is that of the voltage, and the
    /// offset a skew of the edges. The charge is what amplitudes would give. Noise of cells is taken to be slow against a read.
    PulseWidth,
    /// The binary digits of the level one after the other, each with the sign of the input and full voltage. Every plane is digitised, and
    /// the planes are added digitally with their weights `2^p/L`; noise of reads and errors of converters enter with every plane.
    BitSerial,
}

impl Dac {
    /// Largest input, 1 where there is no bound: what noise management scales to.
    pub(super) fn full(&self) -> f32 {
        self.range.unwrap_or(1.0) as f32
    }

    /// How many vectors one read puts on the array.
    pub(super) fn planes(&self) -> Option<u32> {
        match (self.input, self.resolution) {
            (Input::BitSerial, Some(resolution)) => Some(resolution.digits()),
            _ => None,
        }
    }
}

/// The converters of all inputs of one direction.
pub(super) struct DacBank {
    dac: Dac,
    /// Steps for one unit of input, and back.
    per_unit: f32,
    step: f32,
    /// Largest level.
    limit: f32,
    gain: Vec<f32>,
    offset: Vec<f32>,
    /// Voltages of the levels `-L … L` of each converter before gain and offset, where they are not equidistant.
    levels: Option<Vec<f32>>,
}

impl DacBank {
    pub fn new(dac: Dac, inputs: usize, draw: &Mismatch) -> Self {
        let (per_unit, step, limit) = match (dac.resolution, dac.range) {
            (Some(resolution), range) => {
                let (l, range) = (f64::from(resolution.levels()), range.unwrap_or(1.0));
                (l / range, range / l, l)
            }
            (None, range) => (1.0, 1.0, range.unwrap_or(f64::INFINITY)),
        };
        let errors = &dac.errors;
        let levels = match dac.resolution {
            Some(resolution) if errors.is_curved() => {
                let l = resolution.levels();
                let items = [Item::InputInl, Item::InputDnl];
                let of = |i| {
                    let inl = draw.nonlinearity(items, i, 2 * l, errors).into_iter();
                    inl.enumerate()
                        .map(move |(k, e)| (step * (k as f64 - f64::from(l) + e)) as f32)
                };
                Some((0..inputs).flat_map(of).collect())
            }
            _ => None,
        };
        Self {
            dac,
            per_unit: per_unit as f32,
            step: step as f32,
            limit: limit as f32,
            gain: draw.each(Item::InputGain, inputs, 1.0, errors.gain),
            offset: draw.each(Item::InputOffset, inputs, 0.0, errors.offset),
            levels,
        }
    }

    /// Whether it needs uniform numbers.
    pub fn is_dithered(&self) -> bool {
        self.dac.resolution.is_some() && self.dac.rounding == Rounding::Stochastic
    }

    /// Levels of the inputs, each lane divided by its scale. `dither` has the shape of the inputs where the bank is dithered.
    pub fn levels(
        &self,
        arch: Arch,
        inputs: &StackVector,
        scale: &[f32],
        dither: &StackVector,
        out: &mut StackVector,
    ) {
        match (self.dac.resolution, self.dac.rounding) {
            (None, _) => self.round(arch, Continuous, inputs, scale, inputs, out),
            (_, Rounding::Nearest) => self.round(arch, Nearest, inputs, scale, inputs, out),
            (_, Rounding::Stochastic) => self.round(arch, Stochastic, inputs, scale, dither, out),
        }
    }

    fn round(
        &self,
        arch: Arch,
        round: impl Round,
        inputs: &StackVector,
        scale: &[f32],
        dither: &StackVector,
        out: &mut StackVector,
    ) {
        arch.dispatch(Convert {
            bank: self,
            inputs,
            scale,
            dither,
            out,
            round,
        });
    }

    /// Turns levels into voltages.
    pub fn drive(&self, arch: Arch, levels: &mut StackVector) {
        if let Some(table) = &self.levels {
            let each = 2 * self.limit as usize + 1;
            for (i, table) in table.chunks_exact(each).enumerate() {
                for k in levels.lanes_mut(i) {
                    // Levels are whole and within the limit, but for inputs that are no numbers.
                    let place = (*k + self.limit) as usize;
                    *k = table[place.min(each - 1)].mul_add(self.gain[i], self.offset[i]);
                }
            }
            return;
        }
        arch.dispatch(Drive { bank: self, levels });
    }

    /// The voltages of bit plane `plane` of the levels: `±range` where the digit is 1.
    pub fn plane(&self, plane: u32, levels: &StackVector, out: &mut StackVector) {
        let full = self.dac.full();
        for i in 0..levels.len() {
            let pairs = out.lanes_mut(i).iter_mut().zip(levels.lanes(i));
            for (v, &k) in pairs {
                let digit = (k.abs() as u32 >> plane) & 1;
                let level = full.copysign(k) * digit as f32;
                *v = level.mul_add(self.gain[i], self.offset[i]);
            }
        }
    }
}

/// Inputs become levels.
struct Convert<'a, R> {
    bank: &'a DacBank,
    inputs: &'a StackVector,
    scale: &'a [f32],
    dither: &'a StackVector,
    out: &'a mut StackVector,
    #[allow(dead_code, reason = "a type, not a value")]
    round: R,
}

impl<R: Round> WithSimd for Convert<'_, R> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        let (per_unit, limit) = (self.bank.per_unit, self.bank.limit);
        let level = |x: f32, scale: f32, u: f32| R::round(cut(x / scale * per_unit, limit), u);
        if let [scale] = *self.scale {
            let inputs = self.inputs.all().iter().zip(self.dither.all());
            for (k, (&x, &u)) in self.out.all_mut().iter_mut().zip(inputs) {
                *k = level(x, scale, u);
            }
            return;
        }
        for i in 0..self.inputs.len() {
            let inputs = self.inputs.lanes(i).iter().zip(self.dither.lanes(i));
            let lanes = self.out.lanes_mut(i).iter_mut().zip(self.scale);
            for ((k, &scale), (&x, &u)) in lanes.zip(inputs) {
                *k = level(x, scale, u);
            }
        }
    }
}

/// Equidistant levels become voltages.
struct Drive<'a> {
    bank: &'a DacBank,
    levels: &'a mut StackVector,
}

impl WithSimd for Drive<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        let step = self.bank.step;
        let errors = self.bank.gain.iter().zip(&self.bank.offset);
        if self.levels.width() == 1 {
            for (k, (&gain, &offset)) in self.levels.all_mut().iter_mut().zip(errors) {
                *k = (*k * step).mul_add(gain, offset);
            }
            return;
        }
        for (i, (&gain, &offset)) in errors.enumerate() {
            for k in self.levels.lanes_mut(i) {
                *k = (*k * step).mul_add(gain, offset);
            }
        }
    }
}
