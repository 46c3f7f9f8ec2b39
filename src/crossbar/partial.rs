//! One product from the partial sums of tiles, and what is done to it digitally.

use super::{
    Compensation, Counts, Crossbar, Direction, Part, RangeRule, Response, Scope, Synapses,
};
use crate::arrays::Saved;
use crate::backend::StackVector;
use crate::error::{Error, Result};

impl Crossbar {
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

    /// As [`Crossbar::read_samples`], without compensation. Partial sums are shifted and added tile by tile in double precision, columns scaled
    /// back, and rounded once.
    fn read_raw(
        &mut self,
        direction: Direction,
        step: u32,
        inputs: &StackVector,
        outputs: &mut StackVector,
    ) -> Result<()> {
        let offset = self.model.map.mapping().further_columns() > 0;
        if let ([only], None, false) = (&mut self.tiles[..], &self.scales, offset) {
            return only.tile.read_samples(direction, step, inputs, outputs);
        }
        let against = direction == Direction::Transposed;
        let scaled = self.scaled(direction, inputs);
        let inputs = scaled.as_ref().unwrap_or(inputs);
        let width = inputs.width();
        self.sums.clear();
        self.sums.resize(outputs.all().len(), 0.0);
        for part in &mut self.tiles {
            part.give(direction, inputs);
            let (given, taken) = (&part.given, &mut part.taken);
            taken.reshape(part.tile.outputs(direction), width);
            part.tile.read_samples(direction, step, given, taken)?;
            let (_, to) = part.cut.ends(direction);
            let sums = &mut self.sums[to.start * width..to.end * width];
            for (sum, y) in sums.iter_mut().zip(taken.all()) {
                *sum += part.factor * f64::from(*y);
            }
            self.additions += sums.len() as u64;
            if offset && !against {
                for sums in sums.chunks_mut(width) {
                    for (sum, y) in sums.iter_mut().zip(taken.lanes(to.len())) {
                        *sum -= part.factor * f64::from(*y);
                    }
                }
                self.additions += sums.len() as u64;
            }
        }
        // The first of every sum is not added to anything.
        self.additions -= outputs.all().len() as u64;
        let sums = self.sums.chunks(width.max(1));
        for (c, (y, sums)) in outputs
            .all_mut()
            .chunks_mut(width.max(1))
            .zip(sums)
            .enumerate()
        {
            let scales = self.scales.as_ref().filter(|_| !against);
            let scale = scales.map_or(1.0, |s| s[c]);
            for (y, sum) in y.iter_mut().zip(sums) {
                *y = (sum / scale) as f32;
            }
        }
        Ok(())
    }

    /// What the converters of all tiles have done so far.
    pub fn counts(&self) -> Counts {
        let mut all = Counts {
            additions: self.additions,
            ..Counts::default()
        };
        for part in &self.tiles {
            all.add(&part.tile.counts);
        }
        all
    }

    /// Inputs against the flow of columns that are scaled one by one; none where they pass as they are.
    fn scaled(&self, direction: Direction, inputs: &StackVector) -> Option<StackVector> {
        let against = direction == Direction::Transposed;
        self.scales.as_ref().filter(|_| against).map(|scales| {
            let mut inputs = inputs.clone();
            for (c, s) in scales.iter().enumerate() {
                let lanes = inputs.lanes_mut(c).iter_mut();
                lanes.for_each(|x| *x = (f64::from(*x) / s) as f32);
            }
            inputs
        })
    }

    /// Chooses the ranges of the output converters from what they see of these inputs (whole samples), sets them, and returns them in
    /// units of the weighted sum, one an output and tile (that of an offset column last), tile by tile in the order of
    /// [`Layout::cuts`](super::Layout::cuts); columns that see nothing but zeros get the range of the tile, tiles that do the largest of the others. Ideal
    /// converters saturate at them from then on. All replicas share them, as they share converters. The read has noise at step `step`, as any other.
    ///
    /// # Errors
    /// [`Error::NotConverged`] where all outputs of all tiles are zero, or not finite; those of the backend.
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
        let scaled = self.scaled(direction, inputs);
        let inputs = scaled.as_ref().unwrap_or(inputs);
        let mut found = Vec::new();
        for part in &mut self.tiles {
            part.give(direction, inputs);
            let own = part
                .tile
                .calibrate(step, direction, &part.given, rule, scope)?;
            found.push((own, part.tile.outputs(direction)));
        }
        let seen = found.iter().filter_map(|(own, _)| own.as_ref()).flatten();
        let Some(largest) = seen.copied().reduce(f64::max) else {
            return Err(Error::NotConverged {
                what: "the calibration of the output converters".into(),
                detail: "the sample inputs drive no output, so that every range is as good".into(),
            });
        };
        let of = |(own, outputs): (Option<Vec<f64>>, usize)| own.unwrap_or(vec![largest; outputs]);
        let ranges: Vec<f64> = found.into_iter().flat_map(of).collect();
        self.set_ranges(direction, &ranges);
        Ok(ranges)
    }

    /// Sets the ranges of the output converters, one an output and tile, in units of the weighted sum, as [`Crossbar::calibrate`] returns them:
    /// what one stack found serves others. Nothing happens where the periphery is ideal.
    ///
    /// # Panics
    /// If there is not one range an output and tile.
    pub fn set_ranges(&mut self, direction: Direction, ranges: &[f64]) {
        let mut rest = ranges;
        for part in &mut self.tiles {
            let own = rest.split_off(..part.tile.outputs(direction));
            let own = own.expect("one range an output and tile");
            part.tile.set_ranges(direction, own);
        }
        assert!(rest.is_empty(), "one range an output and tile");
    }

    /// The response to known inputs (whole samples), without compensation: to be kept from after programming, and measured again later.
    ///
    /// # Errors
    /// Those of the backend.
    pub fn response(&mut self, step: u32, inputs: &StackVector) -> Result<Response> {
        let mut outputs = StackVector::zeros(self.model.map.outputs(), inputs.width());
        self.read_raw(Direction::Forward, step, inputs, &mut outputs)?;
        Ok(Response::new(outputs, self.replicas()))
    }

    /// Measures the response to the inputs that `then` was measured with, and scales outputs from now on so that its slope on `then` is one. Against the flow
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

    pub(super) fn keep_compensation(&mut self, saved: &mut Saved) -> Result<()> {
        let (factors, kind) = self.compensation.take().unzip();
        let mut global = kind == Some(Compensation::Global);
        let mut factors = factors.map(|f| f.all().to_vec());
        saved.optional("compensation", &mut factors)?;
        saved.flag("global", &mut global)?;
        self.compensation = factors.map(|all| {
            let mut factors = StackVector::zeros(all.len() / self.replicas, self.replicas);
            factors.all_mut().copy_from_slice(&all);
            let kind = match global {
                true => Compensation::Global,
                false => Compensation::PerColumn,
            };
            (factors, kind)
        });
        Ok(())
    }

    /// Ends the compensation of drift.
    pub fn end_compensation(&mut self) {
        self.compensation = None;
    }
}

impl Part {
    /// Takes its elements of what the whole is given. Against the flow an offset column is driven with minus the sum of the others.
    fn give(&mut self, direction: Direction, inputs: &StackVector) {
        let (from, _) = self.cut.ends(direction);
        let width = inputs.width();
        let own = from.start * width..from.end * width;
        cut_rows(inputs, from, &mut self.given);
        let further = self.tile.model.map.mapping().further_columns();
        if direction == Direction::Transposed && further > 0 {
            let last = self.given.len();
            self.given.reshape(last + further, width);
            let (given, offset) = self.given.all_mut().split_at_mut(own.len());
            given.copy_from_slice(&inputs.all()[own]);
            offset.fill(0.0);
            for given in given.chunks(width) {
                offset.iter_mut().zip(given).for_each(|(o, x)| *o -= x);
            }
        }
    }
}

/// The elements `rows` of a vector.
pub(super) fn cut_rows(from: &StackVector, rows: std::ops::Range<usize>, out: &mut StackVector) {
    let width = from.width();
    out.reshape(rows.len(), width);
    let own = &from.all()[rows.start * width..rows.end * width];
    out.all_mut().copy_from_slice(own);
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
