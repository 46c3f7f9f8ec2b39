//! Reads of one tile, through the periphery where there is one.

use super::periphery::{Array, Driven};
use super::tile::Tile;
use super::{Direction, Mapping, RangeRule, Scope, best_range};
use crate::backend::{ReadNoise, StackVector};
use crate::error::Result;

impl Array for Tile {
    /// Inputs are voltages (1 V a unit); the reference current `g_ref Σ V`, or the current of the negative column, is subtracted. Against
    /// the flow both columns of a pair are driven, the second with the opposite sign. With an offset column nothing is subtracted here.
    fn read(
        &mut self,
        direction: Direction,
        (step, index): (u32, u32),
        driven: &Driven,
        sums: &mut StackVector,
    ) -> Result<()> {
        let voltages = driven.voltages;
        let (map, window) = (self.model.map, self.model.cells.window());
        let per_ampere = (map.per_window() / window.span()) as f32;
        let reference = match map.mapping() {
            Mapping::OffsetColumn => 0.0,
            _ => (window.g_min + map.reference() * window.span()) as f32,
        };
        if let Some(through) = &mut self.through {
            through.prepare(direction, &mut *self.backend)?;
        }
        let width = voltages.width();
        let pairs = map.cells_per_weight() == 2;
        let mut noise = ReadNoise {
            step,
            index,
            deviation: self.read_noise,
        };
        if direction == Direction::Transposed {
            // A row is one output, whatever the number of columns that are driven.
            noise.deviation *= (map.cells_per_weight() as f32).sqrt();
            if pairs {
                self.driven.reshape(map.columns(), width);
                for c in 0..map.outputs() {
                    let own = voltages.lanes(c);
                    self.driven.lanes_mut(2 * c).copy_from_slice(own);
                    let other = self.driven.lanes_mut(2 * c + 1).iter_mut();
                    other.zip(own).for_each(|(o, v)| *o = -v);
                }
                self.meter_read(driven, map.inputs() * map.cells_per_weight());
                self.backend
                    .multiply_transposed(&self.driven, noise, sums)?;
            } else {
                self.meter_read(driven, map.inputs());
                self.backend.multiply_transposed(voltages, noise, sums)?;
                self.sum_inputs(voltages);
            }
            for row in 0..map.inputs() {
                let lanes = sums.lanes_mut(row).iter_mut();
                if pairs {
                    lanes.for_each(|y| *y *= per_ampere);
                } else {
                    for (y, sum) in lanes.zip(&self.input_sum) {
                        *y = (*y - reference * sum) * per_ampere;
                    }
                }
            }
            return Ok(());
        }
        self.meter_read(driven, map.columns());
        self.currents.reshape(map.columns(), width);
        self.backend.multiply(voltages, noise, &mut self.currents)?;
        if pairs {
            for column in 0..map.outputs() {
                let plus = self.currents.lanes(2 * column).iter();
                let minus = self.currents.lanes(2 * column + 1);
                for (y, (p, m)) in sums.lanes_mut(column).iter_mut().zip(plus.zip(minus)) {
                    *y = (p - m) * per_ampere;
                }
            }
            return Ok(());
        }
        self.sum_inputs(voltages);
        for column in 0..map.outputs() {
            let currents = self.currents.lanes(column).iter().zip(&self.input_sum);
            for (y, (i, sum)) in sums.lanes_mut(column).iter_mut().zip(currents) {
                *y = (i - reference * sum) * per_ampere;
            }
        }
        Ok(())
    }
}

impl Tile {
    /// `Σ V` of every lane.
    fn sum_inputs(&mut self, voltages: &StackVector) {
        self.input_sum.clear();
        self.input_sum.resize(voltages.width(), 0.0);
        for input in 0..voltages.len() {
            for (sum, v) in self.input_sum.iter_mut().zip(voltages.lanes(input)) {
                *sum += v;
            }
        }
    }

    /// Adds what a read applies to `cells` cells on each of its lines.
    fn meter_read(&mut self, driven: &Driven, cells: usize) {
        let Some(drive) = &mut self.drive else { return };
        let replicas = drive.len();
        for lanes in driven.voltages.all().chunks_exact(replicas) {
            for (r, (sum, &v)) in drive.iter_mut().zip(lanes).enumerate() {
                let read = driven.again.is_none_or(|again| again[r] > 0);
                let v = f64::from(v).abs();
                let squared = v * driven.full.map_or(v, f64::from);
                *sum += if read { squared * cells as f64 } else { 0.0 };
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
