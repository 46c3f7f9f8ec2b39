//! A tile: one physical array with its periphery.

use std::sync::Arc;

use super::bent::Bent;
use super::cost::Usage;
use super::periphery::{Converters, Counts, largest};
use super::program::{Writer, Writing, Written};
use super::pulsing::{self, Pulsing};
use super::refresh::Refresher;
use super::through::Through;
use super::{ArrayModel, Direction, Plan, trains};
use crate::arrays::Saved;
use crate::backend::{Backend, Request, Shape, StackVector};
use crate::device::Counting;
use crate::error::Result;
use crate::number::{Purpose, Stream};

/// A stack of physical arrays with their periphery: weights of some inputs and outputs of a [`Crossbar`](super::Crossbar), or all of them.
pub(super) struct Tile {
    pub(super) model: ArrayModel,
    pub(super) backend: Box<dyn Backend>,
    stream: Stream,
    first_replica: u32,
    /// Standard deviation of the current of one column, in amperes.
    pub(super) read_noise: f32,
    /// None where converters are ideal: reads pass as they are.
    pub(super) converters: Option<Box<Converters>>,
    pub(super) counts: Counts,
    pub(super) input_sum: Vec<f32>,
    pub(super) currents: StackVector,
    /// Voltages of pairs that are read against the flow.
    pub(super) driven: StackVector,
    /// `Σ V²` over all reads and cells of every replica, weighted with how long each lasts, and without that weight; where it
    /// is metered.
    pub(super) drive: Option<[Vec<f64>; 2]>,
    columns: StackVector,
    /// What mean counts ask of rows.
    rows: StackVector,
    scale: Vec<f32>,
    /// Bits of the trains of every replica.
    lengths: Vec<u32>,
    /// The largest |input| and |change| of every replica.
    largest: [Vec<f32>; 2],
    row_bits: Vec<u32>,
    column_bits: Vec<u32>,
    drawer: trains::Drawer,
    /// What a measurement or a dense request needs, one element a cell.
    pub(super) cells: StackVector,
    refresher: Option<Refresher>,
    /// Those of writing.
    resets: u64,
    /// None where wires are ideal.
    pub(super) through: Option<Through>,
    /// None where pulses see nothing of the wires.
    pulsing: Option<Box<Pulsing>>,
    /// None where cells are ohmic.
    pub(super) bent: Option<Bent>,
}

impl Tile {
    /// `replicas` arrays with the cells of `model`, numbered from `first_replica`; random numbers are those of `stream`.
    pub fn new(
        plan: &Plan,
        model: ArrayModel,
        stream: Stream,
        (first_replica, replicas): (u32, usize),
    ) -> Result<Self> {
        let map = model.map;
        let shape = Shape {
            replicas,
            rows: map.inputs(),
            columns: map.columns(),
        };
        let cells = Arc::clone(&model.cells);
        let pulsing = plan
            .wires
            .and_then(|wires| Pulsing::new(wires, shape, &cells));
        // The noise of an output is that of its columns together.
        let per_ampere = map.per_window() / model.cells.window().span();
        let read_noise = plan.read_noise / per_ampere / (map.cells_per_weight() as f64).sqrt();
        Ok(Self {
            backend: plan
                .place
                .stack(shape, first_replica, stream, cells, plan.aggregate)?,
            stream,
            first_replica,
            read_noise: read_noise as f32,
            converters: (!plan.periphery.is_ideal()).then(|| {
                Box::new(Converters::new(
                    &plan.periphery,
                    (map.inputs(), map.outputs()),
                    (first_replica, replicas),
                    stream,
                ))
            }),
            counts: Counts::default(),
            driven: StackVector::default(),
            drive: None,
            input_sum: vec![0.0; replicas],
            currents: StackVector::zeros(shape.columns, replicas),
            columns: StackVector::zeros(shape.columns, replicas),
            rows: StackVector::default(),
            scale: vec![0.0; replicas],
            lengths: vec![0; replicas],
            largest: Default::default(),
            row_bits: vec![0; shape.rows * replicas],
            column_bits: vec![0; shape.columns * replicas],
            drawer: trains::Drawer::default(),
            cells: StackVector::zeros(shape.cells(), replicas),
            resets: 0,
            refresher: plan
                .refresh
                .and_then(|r| Refresher::new(r, &model.cells, map, replicas)),
            bent: Bent::new(plan, &model.cells, stream, first_replica)?,
            through: plan
                .wires
                .and_then(|wires| Through::new(wires, shape, model.cells.window())),
            pulsing,
            model,
        })
    }

    /// Programs the same weights (row-major, inputs × outputs) into every array at step `step`, exactly where the device has no
    /// [`Programming`](crate::device::Programming).
    pub fn write(&mut self, step: u32, weights: &[f64]) -> Result<()> {
        let positions = self.model.map.positions(weights);
        self.through.iter_mut().for_each(Through::written);
        self.pulsing.iter_mut().for_each(|w| w.written());
        self.backend.program(step, &positions)
    }

    /// Sets the weights of every array (row-major, one element a weight and replica), exactly.
    pub fn start(&mut self, weights: &StackVector) -> Result<()> {
        let (cells, replicas) = (&self.model.cells, weights.width());
        let mut states = StackVector::zeros(cells.len(), replicas);
        let mut own = vec![0.0; weights.len()];
        for r in 0..replicas {
            for (k, w) in own.iter_mut().enumerate() {
                *w = f64::from(weights.lanes(k)[r]);
            }
            let held = cells.states(&self.model.map.positions(&own));
            for (k, s) in held.into_iter().enumerate() {
                states.lanes_mut(k)[r] = s;
            }
        }
        self.through.iter_mut().for_each(Through::written);
        self.pulsing.iter_mut().for_each(|w| w.written());
        self.backend.restore(&states)
    }

    /// Writes the same weights into every array as `writing` says.
    pub fn write_by(&mut self, step: u32, weights: &[f64], writing: &Writing) -> Result<Written> {
        let targets = self.model.map.positions(weights);
        self.through.iter_mut().for_each(Through::written);
        self.pulsing.iter_mut().for_each(|w| w.written());
        let writer = Writer {
            backend: &mut *self.backend,
            cells: &self.model.cells,
            stream: self.stream,
            first_replica: self.first_replica,
            targets: &targets,
        };
        let written = writer.write(step, writing)?;
        self.resets += written.efforts.iter().map(|e| e.resets).sum::<u64>();
        Ok(written)
    }

    /// The conductance that a noiseless read of every single cell sees, in siemens: what it would be through ideal wires.
    pub fn conductances(&mut self) -> Result<StackVector> {
        let shape = self.backend.shape();
        let mut out = StackVector::zeros(shape.cells(), shape.replicas);
        self.backend.conductances(&mut out)?;
        Ok(out)
    }

    /// Outputs of a read, that of an offset column included.
    pub fn outputs(&self, direction: Direction) -> usize {
        match direction {
            Direction::Forward => self.model.map.outputs(),
            Direction::Transposed => self.model.map.inputs(),
        }
    }

    /// Sets the lengths of trains, and `scale` to the factor from |input| to a row's probability.
    fn row_scale(&mut self, inputs: &StackVector, counting: Counting, gain: f32) {
        let Some((bits, managed)) = counting.trains() else {
            return;
        };
        let per_bit = 1.0 / bits as f32;
        self.lengths.fill(bits);
        if !managed && !counting.shortens() {
            self.scale.fill((gain * per_bit).sqrt());
            return;
        }
        let [x, d] = &mut self.largest;
        let arch = pulp::Arch::new();
        largest(arch, inputs, x);
        largest(arch, &self.columns, d);
        let lanes = self.scale.iter_mut().zip(&mut self.lengths);
        for ((scale, length), (x, d)) in lanes.zip(x.iter().zip(d)) {
            let mut per_bit = per_bit;
            if counting.shortens() {
                // As many bits as the largest request has steps: its probability is nearly 1.
                *length = ((*x * *d).ceil() as u32).clamp(1, bits);
                per_bit = 1.0 / *length as f32;
            }
            *scale = match managed {
                false => (gain * per_bit).sqrt(),
                true if *x > 0.0 => (*d / x * per_bit).sqrt(),
                true => 0.0,
            };
        }
    }

    fn trains(&mut self, step: u32, purpose: Purpose, values: &StackVector) {
        let out = match purpose {
            Purpose::RowTrain => &mut self.row_bits,
            _ => &mut self.column_bits,
        };
        let place = trains::Place {
            step,
            first_replica: self.first_replica,
            purpose,
        };
        self.drawer
            .draw(&self.stream, place, values, &self.lengths, &self.scale, out);
    }

    /// Pulses as `counting` says. Without update management the gain η/δ sets how a train's probability is shared between
    /// rows and columns.
    pub fn update_outer(
        &mut self,
        step: u32,
        inputs: &StackVector,
        changes: &StackVector,
        counting: Counting,
        rate: f64,
    ) -> Result<()> {
        self.through.iter_mut().for_each(Through::changed);
        let map = self.model.map;
        let per_weight = 1.0 / self.model.step();
        let factor = |column| (map.share(column) * per_weight) as f32;
        let ask = |columns: &mut [f32], changes: &[f32], factor: f32| {
            let pairs = columns.iter_mut().zip(changes);
            pairs.for_each(|(d, change)| *d = factor * change);
        };
        if map.cells_per_weight() == 1 {
            let (asked, columns) = (changes.all().len(), self.columns.all().len());
            assert_eq!(asked, columns, "one change a column and replica");
            ask(self.columns.all_mut(), changes.all(), factor(0));
        } else {
            for column in 0..map.columns() {
                let changes = changes.lanes(map.weight_of(column));
                ask(self.columns.lanes_mut(column), changes, factor(column));
            }
        }
        let Some((bits, _)) = counting.trains() else {
            let request = Request::Outer {
                rows: inputs,
                columns: &self.columns,
            };
            let backend = &mut *self.backend;
            return pulsing::pulse(&mut self.pulsing, backend, step, &request, counting);
        };
        let gain = (rate / self.model.step()) as f32;
        self.row_scale(inputs, counting, gain);
        if matches!(counting, Counting::MeanCount { .. }) {
            return self.update_by_mean_counts(step, inputs, bits as f32);
        }
        self.trains(step, Purpose::RowTrain, inputs);
        for (s, &length) in self.scale.iter_mut().zip(&self.lengths) {
            let per_bit = 1.0 / length as f32;
            *s = if *s > 0.0 { per_bit / *s } else { 0.0 };
        }
        let columns = std::mem::replace(&mut self.columns, StackVector::zeros(0, 0));
        self.trains(step, Purpose::ColumnTrain, &columns);
        let request = Request::Trains {
            rows: inputs,
            columns: &columns,
            row_bits: &self.row_bits,
            column_bits: &self.column_bits,
        };
        let backend = &mut *self.backend;
        let done = pulsing::pulse(&mut self.pulsing, backend, step, &request, counting);
        self.columns = columns;
        done
    }

    /// What is asked of lines is cut where the probability of a train would be 1; mean counts are products then.
    fn update_by_mean_counts(&mut self, step: u32, inputs: &StackVector, bits: f32) -> Result<()> {
        self.rows.reshape(inputs.len(), inputs.width());
        self.rows.all_mut().copy_from_slice(inputs.all());
        // Where all rows or all columns are zero, so is the scale; nothing is asked for then.
        let cut = |v: &mut StackVector, most: &dyn Fn(f32) -> f32, scale: &[f32]| {
            for i in 0..v.len() {
                for (v, &s) in v.lanes_mut(i).iter_mut().zip(scale) {
                    let most = most(s);
                    *v = v.clamp(-most, most);
                }
            }
        };
        cut(&mut self.rows, &|s| 1.0 / s, &self.scale);
        cut(&mut self.columns, &|s| bits * s, &self.scale);
        let request = Request::Outer {
            rows: &self.rows,
            columns: &self.columns,
        };
        let backend = &mut *self.backend;
        let counting = Counting::StochasticRounding;
        pulsing::pulse(&mut self.pulsing, backend, step, &request, counting)
    }

    /// Asks every weight (row-major) for its own change.
    pub fn update_dense(
        &mut self,
        step: u32,
        changes: &StackVector,
        counting: Counting,
        _rate: f64,
    ) -> Result<()> {
        self.through.iter_mut().for_each(Through::changed);
        let map = self.model.map;
        let per_weight = 1.0 / self.model.step();
        for cell in 0..map.cells() {
            let factor = (map.share(cell) * per_weight) as f32;
            let changes = changes.lanes(map.weight_of(cell));
            for (n, change) in self.cells.lanes_mut(cell).iter_mut().zip(changes) {
                *n = factor * change;
            }
        }
        let request = Request::Dense(&self.cells);
        request.assert_countable(counting);
        let backend = &mut *self.backend;
        pulsing::pulse(&mut self.pulsing, backend, step, &request, counting)
    }

    /// Lets time pass.
    pub fn relax(&mut self, step: u32, elapsed: f64) -> Result<()> {
        self.through.iter_mut().for_each(Through::changed);
        self.backend.relax(step, elapsed)
    }

    /// What the periphery does at the end of a step.
    pub fn refresh(&mut self, step: u32) -> Result<()> {
        if let Some(refresher) = &mut self.refresher {
            refresher.after(step, &mut *self.backend)?;
        }
        if let Some(through) = &mut self.through {
            through.after(step);
        }
        if let Some(pulsing) = &mut self.pulsing {
            pulsing.after(step);
        }
        Ok(())
    }

    /// Programming pulses so far, those of refreshes included.
    pub fn pulses(&mut self) -> Result<u64> {
        self.backend.pulses()
    }

    /// Resets of cells so far.
    pub fn resets(&self) -> u64 {
        self.resets + self.refresher.as_ref().map_or(0, |r| r.resets)
    }

    pub fn keep(&mut self, saved: &mut Saved) -> Result<()> {
        // Its cells before their states.
        if let Some(pulsing) = &mut self.pulsing {
            pulsing.keep(&mut *self.backend, saved)?;
        }
        self.backend.keep(saved)?;
        if let Some(through) = &mut self.through {
            through.keep(saved)?;
        }
        if let Some(converters) = &mut self.converters {
            converters.keep(saved)?;
        }
        self.counts.keep(saved)?;
        let [mut drive, mut charged] = match self.drive.take() {
            Some(sums) => sums.map(Some),
            None => [None, None],
        };
        saved.optional("drive", &mut drive)?;
        saved.optional("charged", &mut charged)?;
        self.drive = drive.zip(charged).map(<[_; 2]>::from);
        saved.number("resets", &mut self.resets)?;
        match &mut self.refresher {
            Some(refresher) => saved.number("refreshed", &mut refresher.resets),
            None => Ok(()),
        }
    }

    /// True states (positions) of all cells.
    pub fn states(&mut self) -> Result<&StackVector> {
        self.backend.inspect(&mut self.cells)?;
        Ok(&self.cells)
    }

    /// What was done so far, where that is metered.
    pub fn usage(&mut self) -> Result<Option<Usage>> {
        let Some([drive, charged]) = self.drive.clone() else {
            return Ok(None);
        };
        let usage = Usage {
            counts: self.counts,
            drive,
            charged,
            pulses: self.backend.pulses()?,
            resets: self.resets(),
            conductance: self.mean_conductances()?,
            worn: self.worn()?,
        };
        Ok(Some(usage))
    }
}
