//! Reads of one tile, through the periphery where there is one.

use super::periphery::{Array, Driven};
use super::tile::Tile;
use super::{Direction, Mapping, RangeRule, Scope, best_range};
use crate::backend::{ReadNoise, StackVector};
use crate::error::Result;

impl Array for Tile {
    /// Inputs are voltages (1 V a unit, where cells are ohmic); the reference current `g_ref Σ V`, or the current of the negative column, is
    /// subtracted. Against the flow both columns of a pair are driven, the second with the opposite sign. With an offset column nothing is
    /// subtracted here.
    fn read(
        &mut self,
        direction: Direction,
        at: (u32, u32),
        driven: &Driven,
        sums: &mut StackVector,
    ) -> Result<()> {
        let map = self.model.map;
        let cells = match direction {
            Direction::Forward => map.columns(),
            Direction::Transposed => map.inputs() * map.cells_per_weight(),
        };
        self.meter_read(driven, cells);
        if let Some(mut bent) = self.bent.take() {
            let done = bent.read(self, direction, at, driven, sums);
            self.bent = Some(bent);
            return done;
        }
        if let Some(through) = &mut self.through {
            through.prepare(direction, &mut *self.backend)?;
        }
        let (noise, reference) = (self.noise(at), self.reference() as f32);
        self.straight(direction, driven.voltages, -1.0, noise, reference, sums)
    }
}

impl Tile {
    /// Conductance of the reference, in siemens.
    pub(super) fn reference(&self) -> f64 {
        let window = self.model.cells.window();
        window.g_min + self.model.map.reference() * window.span()
    }

    /// Noise of a read at this step and index.
    pub(super) fn noise(&self, (step, index): (u32, u32)) -> ReadNoise {
        ReadNoise {
            step,
            index,
            deviation: self.read_noise,
        }
    }

    /// Weighted sums of ohmic cells for these voltages, against a reference of this conductance (S). Against the flow the second column of a
    /// pair is driven with `other` times the voltage.
    pub(super) fn straight(
        &mut self,
        direction: Direction,
        voltages: &StackVector,
        other: f32,
        mut noise: ReadNoise,
        reference: f32,
        sums: &mut StackVector,
    ) -> Result<()> {
        let map = self.model.map;
        if direction == Direction::Forward {
            self.currents.reshape(map.columns(), voltages.width());
            self.backend.multiply(voltages, noise, &mut self.currents)?;
        } else {
            // A row is one output, whatever the number of columns that are driven.
            noise.deviation *= (map.cells_per_weight() as f32).sqrt();
            let driven = match map.cells_per_weight() {
                1 => voltages,
                _ => {
                    self.drive_columns(voltages, other);
                    &self.driven
                }
            };
            self.backend.multiply_transposed(driven, noise, sums)?;
        }
        self.sum_inputs(voltages, |v| v);
        self.input_sum.iter_mut().for_each(|sum| *sum *= reference);
        self.weigh(direction, sums);
        Ok(())
    }

    /// Voltages of all columns against the flow: those of a pair have opposite signs where `other` is -1.
    pub(super) fn drive_columns<'a>(
        &'a mut self,
        voltages: &'a StackVector,
        other: f32,
    ) -> &'a StackVector {
        let map = self.model.map;
        if map.cells_per_weight() == 1 {
            return voltages;
        }
        self.driven.reshape(map.columns(), voltages.width());
        for c in 0..map.outputs() {
            let own = voltages.lanes(c);
            self.driven.lanes_mut(2 * c).copy_from_slice(own);
            let second = self.driven.lanes_mut(2 * c + 1).iter_mut();
            second.zip(own).for_each(|(o, v)| *o = other * v);
        }
        &self.driven
    }

    /// Turns currents, in `currents` or against the flow in `sums`, into weighted sums; those of the reference are in `input_sum`.
    pub(super) fn weigh(&mut self, direction: Direction, sums: &mut StackVector) {
        let (map, window) = (self.model.map, self.model.cells.window());
        let per_ampere = (map.per_window() / window.span()) as f32;
        let subtracts = map.mapping() == Mapping::ReferenceColumn;
        let weight = |i: f32, other: f32| (i - other) * per_ampere;
        if let (true, &[reference]) = (subtracts, &self.input_sum[..]) {
            let sums = sums.all_mut();
            if direction == Direction::Transposed {
                sums.iter_mut().for_each(|y| *y = weight(*y, reference));
            } else {
                let currents = self.currents.all();
                assert_eq!(sums.len(), currents.len(), "one sum a column");
                let pairs = sums.iter_mut().zip(currents);
                pairs.for_each(|(y, i)| *y = weight(*i, reference));
            }
            return;
        }
        if direction == Direction::Transposed {
            for row in 0..map.inputs() {
                let lanes = sums.lanes_mut(row).iter_mut();
                if subtracts {
                    for (y, &reference) in lanes.zip(&self.input_sum) {
                        *y = weight(*y, reference);
                    }
                } else {
                    lanes.for_each(|y| *y *= per_ampere);
                }
            }
            return;
        }
        let subtract = |sums: &mut [f32], from: &[f32], what: &[f32]| {
            for (y, (&i, &other)) in sums.iter_mut().zip(from.iter().zip(what)) {
                *y = weight(i, other);
            }
        };
        for column in 0..map.outputs() {
            let sums = sums.lanes_mut(column);
            if map.cells_per_weight() == 2 {
                let [plus, minus] = [0, 1].map(|k| self.currents.lanes(2 * column + k));
                subtract(sums, plus, minus);
            } else if subtracts {
                subtract(sums, self.currents.lanes(column), &self.input_sum);
            } else {
                let lanes = sums.iter_mut().zip(self.currents.lanes(column));
                lanes.for_each(|(y, i)| *y = i * per_ampere);
            }
        }
    }

    /// Sets `input_sum` to the sum of a function of the voltages of every lane, where there is a reference.
    pub(super) fn sum_inputs(&mut self, voltages: &StackVector, of: impl Fn(f32) -> f32) {
        self.input_sum.clear();
        if self.model.map.mapping() != Mapping::ReferenceColumn {
            return;
        }
        self.input_sum.resize(voltages.width(), 0.0);
        if let [sum] = &mut self.input_sum[..] {
            voltages.all().iter().for_each(|v| *sum += of(*v));
            return;
        }
        for input in 0..voltages.len() {
            for (sum, v) in self.input_sum.iter_mut().zip(voltages.lanes(input)) {
                *sum += of(*v);
            }
        }
    }

    /// Adds what a read applies to `cells` cells on each of its lines.
    fn meter_read(&mut self, driven: &Driven, cells: usize) {
        let Some([drive, charged]) = &mut self.drive else {
            return;
        };
        for lanes in driven.voltages.all().chunks_exact(drive.len()) {
            let sums = drive.iter_mut().zip(&mut *charged);
            for (r, ((sum, charged), &v)) in sums.zip(lanes).enumerate() {
                if driven.again.is_some_and(|again| again[r] == 0) {
                    continue;
                }
                let v = f64::from(v).abs();
                let full = driven.full.map_or(v, f64::from);
                *sum += v * full * cells as f64;
                *charged += if v > 0.0 {
                    full * full * cells as f64
                } else {
                    0.0
                };
            }
        }
    }

    /// One read of whole samples (lane = sample · replicas + replica) through the periphery. Random numbers of sample b are those of step
    /// `step` + b.
    pub(super) fn read_samples(
        &mut self,
        direction: Direction,
        step: u32,
        inputs: &StackVector,
        outputs: &mut StackVector,
    ) -> Result<()> {
        let mut counts = self.counts;
        let done = match self.converters.take() {
            None => {
                counts.count(inputs.width() as u64, inputs.len(), outputs.len());
                let driven = Driven {
                    voltages: inputs,
                    again: None,
                    full: None,
                };
                self.read(direction, (step, no_index(direction)), &driven, outputs)
            }
            Some(mut converters) => {
                let done = converters.read(self, direction, step, inputs, outputs, &mut counts);
                self.converters = Some(converters);
                done
            }
        };
        self.counts = counts;
        done
    }

    /// As [`Crossbar::calibrate`](super::Crossbar::calibrate), for one tile.
    pub fn calibrate(
        &mut self,
        step: u32,
        direction: Direction,
        inputs: &StackVector,
        rule: RangeRule,
        scope: Scope,
    ) -> Result<Option<Vec<f64>>> {
        let outputs = self.outputs(direction);
        let mut counts = self.counts;
        let mut converters = self
            .converters
            .take()
            .expect("an ideal periphery has no converters to calibrate");
        let seen = converters.sense(self, direction, step, inputs, outputs, &mut counts);
        let resolution = converters.periphery().adc.resolution();
        self.counts = counts;
        self.converters = Some(converters);
        let seen = seen?;
        let all: Vec<f32> = seen.iter().flat_map(|s| s.all().iter().copied()).collect();
        let Some(array) = best_range(&all, resolution, rule).filter(|r| r.is_finite()) else {
            return Ok(None);
        };
        let of = |column: usize| {
            let own: Vec<f32> = seen
                .iter()
                .flat_map(|s| s.lanes(column).iter().copied())
                .collect();
            best_range(&own, resolution, rule).unwrap_or(array)
        };
        let ranges: Vec<f64> = match scope {
            Scope::Array => vec![array; outputs],
            Scope::Column => (0..outputs).map(of).collect(),
        };
        Ok(Some(ranges))
    }

    /// One range an output; nothing happens where the periphery is ideal.
    pub fn set_ranges(&mut self, direction: Direction, ranges: &[f64]) {
        if let Some(converters) = &mut self.converters {
            converters.set_ranges(direction, ranges);
        }
    }
}

/// The index of a read without converters: against the flow another one, so that a step may have both.
fn no_index(direction: Direction) -> u32 {
    match direction {
        Direction::Forward => 0,
        Direction::Transposed => 1 << 23,
    }
}
