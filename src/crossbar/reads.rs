//! Reads of a crossbar, through the periphery where there is one.

use super::periphery::{Array, Driven};
use super::{
    Compensation, Counts, Crossbar, Direction, Mapping, RangeRule, Response, Scope, best_range,
};
use crate::backend::{ReadNoise, StackVector};
use crate::error::{Error, Result};

impl Array for Crossbar {
    /// Inputs are voltages (1 V a unit); the reference current `g_ref Σ V`, or the current of the negative column, is subtracted. Against
    /// the flow both columns of a pair are driven, the second with the opposite sign.
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
        let reference = (window.g_min + map.reference() * window.span()) as f32;
        if let Some(through) = &mut self.through {
            through.prepare(direction, &mut *self.backend)?;
        }
        let width = voltages.width();
        let pairs = map.mapping() != Mapping::ReferenceColumn;
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

impl Crossbar {
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

    /// One read of whole samples (lane = sample · replicas + replica), through the periphery and the compensation of drift. Random numbers
    /// of sample b are those of step `step` + b.
    pub(super) fn read_samples(
        &mut self,
        direction: Direction,
        step: u32,
        inputs: &StackVector,
        outputs: &mut StackVector,
    ) -> Result<()> {
        let Some(factors) = self.compensation.take() else {
            return self.read_raw(direction, step, inputs, outputs);
        };
        let done = match direction {
            Direction::Forward => {
                let done = self.read_raw(direction, step, inputs, outputs);
                scale(outputs, &factors.0);
                done
            }
            // One factor for all columns is one for all rows, and scaled inputs could leave the range of the converters.
            Direction::Transposed if factors.1 == Compensation::Global => {
                let done = self.read_raw(direction, step, inputs, outputs);
                scale_all(outputs, &factors.0);
                done
            }
            Direction::Transposed => {
                let mut inputs = inputs.clone();
                scale(&mut inputs, &factors.0);
                self.read_raw(direction, step, &inputs, outputs)
            }
        };
        self.compensation = Some(factors);
        done
    }

    /// As [`Crossbar::read_samples`], without compensation.
    fn read_raw(
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

    /// Weighted sums against the flow, `y_r = Σ_c x_c w_rc`, through the periphery: inputs on the outputs' side (one element an output of
    /// the array), outputs on the rows'. Whole samples, as for [`Synapses::multiply`](super::Synapses::multiply), whose random numbers are
    /// others.
    ///
    /// # Errors
    /// Those of the backend.
    ///
    /// # Panics
    /// If the vectors have not the array's dimensions, or not whole samples.
    pub fn multiply_transposed(
        &mut self,
        step: u32,
        inputs: &StackVector,
        outputs: &mut StackVector,
    ) -> Result<()> {
        self.read_samples(Direction::Transposed, step, inputs, outputs)
    }

    /// What the converters have done so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Chooses the ranges of the output converters from what they see of these inputs (whole samples), sets them, and returns them in
    /// units of the weighted sum, one an output; columns that see nothing but zeros get the range of the array. Ideal converters saturate
    /// at them from then on. All replicas share them, as they share converters. The read has noise at step `step`, as any other.
    ///
    /// # Errors
    /// [`Error::NotConverged`] where all outputs are zero, or not finite; those of the backend.
    ///
    /// # Panics
    /// For a quantile outside (0, 1], or a crossbar whose periphery is ideal: it has no converters.
    pub fn calibrate(
        &mut self,
        step: u32,
        direction: Direction,
        inputs: &StackVector,
        rule: RangeRule,
        scope: Scope,
    ) -> Result<Vec<f64>> {
        let outputs = match direction {
            Direction::Forward => self.model.map.outputs(),
            Direction::Transposed => self.model.map.inputs(),
        };
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
            return Err(Error::NotConverged {
                what: "the calibration of the output converters".into(),
                detail: "the sample inputs drive no output, so that every range is as good".into(),
            });
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
        self.set_ranges(direction, &ranges);
        Ok(ranges)
    }

    /// Sets the ranges of the output converters, one an output, in units of the weighted sum, as [`Crossbar::calibrate`] returns them:
    /// what one stack found serves others. Nothing happens where the periphery is ideal.
    ///
    /// # Panics
    /// If there is not one range an output.
    pub fn set_ranges(&mut self, direction: Direction, ranges: &[f64]) {
        if let Some(converters) = &mut self.converters {
            converters.set_ranges(direction, ranges);
        }
    }

    /// The response to known inputs (whole samples), without compensation: to be kept from after programming, and measured again later.
    ///
    /// # Errors
    /// Those of the backend.
    pub fn response(&mut self, step: u32, inputs: &StackVector) -> Result<Response> {
        let mut outputs = StackVector::zeros(self.model.map.outputs(), inputs.width());
        self.read_raw(Direction::Forward, step, inputs, &mut outputs)?;
        Ok(Response::new(&outputs, self.backend.shape().replicas))
    }

    /// Measures the response to the inputs that `then` was measured with, and scales outputs from now on so that it is `then` again. Against the flow
    /// factors of single columns scale inputs, which may leave the range of the converters.
    ///
    /// # Errors
    /// Those of the backend.
    pub fn compensate(
        &mut self,
        step: u32,
        inputs: &StackVector,
        then: &Response,
        compensation: Compensation,
    ) -> Result<()> {
        let now = self.response(step, inputs)?;
        self.compensation = Some((then.factors(&now, compensation), compensation));
        Ok(())
    }

    /// Ends the compensation of drift.
    pub fn end_compensation(&mut self) {
        self.compensation = None;
    }
}

/// The index of a read without converters: against the flow another one, so that a step may have both.
fn no_index(direction: Direction) -> u32 {
    match direction {
        Direction::Forward => 0,
        Direction::Transposed => 1 << 23,
    }
}

/// Multiplies every element by the factor that all columns of its replica share.
fn scale_all(vector: &mut StackVector, factors: &StackVector) {
    let factors = factors.lanes(0);
    for sample in vector.all_mut().chunks_mut(factors.len()) {
        for (y, f) in sample.iter_mut().zip(factors) {
            *y *= f;
        }
    }
}

/// Multiplies every sample by its replica's factors.
fn scale(vector: &mut StackVector, factors: &StackVector) {
    for c in 0..vector.len() {
        let factors = factors.lanes(c);
        for sample in vector.lanes_mut(c).chunks_mut(factors.len()) {
            for (y, f) in sample.iter_mut().zip(factors) {
                *y *= f;
            }
        }
    }
}
