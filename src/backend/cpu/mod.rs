//! The CPU backend: plain loops that the compiler turns into vector instructions.

mod across;
mod ahead;
mod cell_noise;
mod count;
mod history;
mod program;
mod read;
mod relax;
mod reset;
mod sparse;
mod wide;

use std::sync::Arc;

use pulp::Arch;

use self::across::Across;
use self::cell_noise::Noisy;
use self::history::{History, Marks};
use self::read::ReadScratch;
use self::relax::Relaxing;
use self::wide::Wide;
use super::{Backend, ReadNoise, Request, Shape, StackVector, WIDE};
use crate::arrays::Saved;
use crate::device::{Cells, Counting, Own, ReadOut};
use crate::error::Result;
use crate::number::{Draw, Purpose, Stream};

/// Cells that share one block of random words.
const BLOCK: usize = 4;

/// A stack of crossbars in main memory, cell-major: the replicas of one cell lie together.
pub struct Cpu {
    fixed: Fixed,
    states: Vec<f32>,
    /// What a read sees where it is not the state.
    apparent: Option<Vec<f32>>,
    /// What products use in its place.
    effective: Option<Vec<f32>>,
    /// Where reads of cells have noise of their own.
    noisy: Option<Noisy>,
    pulses: u64,
    walk: Walk,
    read_scratch: ReadScratch,
    relaxing: Relaxing,
    history: History,
    /// For resets and what reads see of them.
    normals: reset::Normals,
}

/// What does not change in the life of a stack.
struct Fixed {
    shape: Shape,
    first_replica: u32,
    stream: Stream,
    cells: Arc<Cells>,
    arch: Arch,
    /// The most pulses of a cell that are drawn at once.
    longest: u32,
    /// What random numbers of pulses are for, and where their indices begin.
    pulsed: (Purpose, u32),
}

impl Fixed {
    /// Turns the states of all cells into the positions of their conductances.
    fn read_all(&self, states: &mut [f32]) {
        let (cells, replicas) = (&self.cells, self.shape.replicas);
        if replicas == 1 {
            return self.read_out(0, cells.own_from(0), states);
        }
        for (cell, lanes) in states.chunks_exact_mut(replicas).enumerate() {
            self.read_out(cell, None, lanes);
        }
    }

    /// Turns states of a cell, or of cells with parameters of their own, into positions of their conductances.
    fn read_out(&self, cell: usize, own: Option<Own>, values: &mut [f32]) {
        if self.cells.is_read_out() {
            self.cells.law().read_out(ReadOut {
                arch: self.arch,
                cell: self.cells.single(cell),
                own,
                values,
            });
        }
    }

    /// Where the random numbers of a replica are drawn.
    fn draw(&self, step: u32, replica: usize, purpose: Purpose, index: u32) -> Draw {
        Draw {
            step,
            replica: self.first_replica.wrapping_add(replica as u32),
            purpose,
            index,
        }
    }
}

/// How updates go through the cells, with their buffers.
enum Walk {
    /// Along the replicas of one cell after the other.
    Along(Box<Wide>),
    /// Across the cells of one replica after the other, in bands of rows that are updated side by side.
    Across(Vec<Across>),
}

impl Walk {
    /// Makes room for what these cells do not share.
    fn fit(&mut self, cells: &Cells) {
        if let Self::Across(bands) = self {
            bands.iter_mut().for_each(|band| band.sparse.fit(cells));
        }
    }

    /// Updates all cells, with their states, what reads see of them and what they remember; tells with how many pulses.
    fn pulse(
        &mut self,
        fixed: &Fixed,
        (states, apparent, marks): (&mut [f32], Option<&mut [f32]>, Marks),
        step: u32,
        request: &Request,
        counting: Counting,
    ) -> u64 {
        match self {
            Self::Along(buffers) => Part::new(fixed, 0, states, apparent, marks, &mut **buffers)
                .pulse(step, request, counting),
            Self::Across(bands) => Part::new(fixed, 0, states, apparent, marks, &mut bands[..])
                .pulse(step, request, counting),
        }
    }
}

/// Some cells of a stack, one after the other, and the buffers of a walk through them.
struct Part<'a, B: ?Sized> {
    fixed: &'a Fixed,
    /// The first of the cells.
    first: usize,
    states: &'a mut [f32],
    apparent: Option<&'a mut [f32]>,
    marks: Marks<'a>,
    buffers: &'a mut B,
    /// Pulses so far.
    pulses: u64,
}

/// Whether updates run along replicas: what a loop costs before it runs comes once for four cells then, else once for a replica and a
/// chunk of its cells. Reads and trains decide by the replicas alone.
pub(super) fn is_wide(replicas: usize, cells: usize) -> bool {
    replicas >= WIDE && (replicas >= 4 * WIDE || cells <= 4 * replicas)
}

impl<'a, B: ?Sized> Part<'a, B> {
    /// The cells from `first` on that have these states.
    fn new(
        fixed: &'a Fixed,
        first: usize,
        states: &'a mut [f32],
        apparent: Option<&'a mut [f32]>,
        marks: Marks<'a>,
        buffers: &'a mut B,
    ) -> Self {
        Self {
            fixed,
            first,
            states,
            apparent,
            marks,
            buffers,
            pulses: 0,
        }
    }
}

impl Cpu {
    /// A stack whose replicas are numbered from `first_replica` in the coordinates of random numbers.
    ///
    /// `aggregate`: the pulses that a cell gets in one step are drawn at once where the law allows it; otherwise one by one.
    /// Large arrays of few replicas are updated by as many threads as the present pool has.
    pub fn new(
        shape: Shape,
        first_replica: u32,
        stream: Stream,
        cells: Arc<Cells>,
        aggregate: bool,
    ) -> Self {
        let apart = cells.write_noise() > 0.0 || cells.is_read_out();
        let apparent = apart.then(|| vec![0.0; shape.cells() * shape.replicas]);
        let walk = if is_wide(shape.replicas, shape.cells()) {
            Walk::Along(Box::new(Wide::new(shape)))
        } else {
            Walk::Across(across::bands(shape, &cells))
        };
        let fixed = Fixed {
            shape,
            first_replica,
            stream,
            arch: Arch::new(),
            longest: if aggregate { cells.longest_train() } else { 1 },
            pulsed: (Purpose::CycleNoise, 0),
            cells,
        };
        let mut stack = Self {
            states: vec![0.0; shape.cells() * shape.replicas],
            apparent,
            effective: None,
            pulses: 0,
            walk,
            read_scratch: ReadScratch::default(),
            relaxing: Relaxing::new(shape, &fixed.cells),
            history: History::new(
                fixed.cells.memory(),
                shape.cells() * shape.replicas,
                shape.replicas,
            ),
            normals: reset::normals(shape, &fixed.cells),
            noisy: Noisy::new(&fixed),
            fixed,
        };
        stack.hold();
        stack
    }

    /// The same stack, its updates made with other instructions than the best that the processor has (but for random numbers along
    /// replicas). The results are the same.
    pub fn with_arch(mut self, arch: Arch) -> Self {
        self.fixed.arch = arch;
        self
    }
}

impl Cpu {
    /// What follows when states were set.
    fn is_written(&mut self) {
        self.history.written(&self.fixed, &mut self.states);
        self.show_all();
        self.hold();
        self.noisy.iter_mut().for_each(Noisy::restart);
    }
}

impl Backend for Cpu {
    fn shape(&self) -> Shape {
        self.fixed.shape
    }

    fn write(&mut self, positions: &[f64]) -> Result<()> {
        let lanes = self.states.chunks_exact_mut(self.fixed.shape.replicas);
        for (lanes, s) in lanes.zip(self.fixed.cells.states(positions)) {
            lanes.fill(s);
        }
        self.is_written();
        Ok(())
    }

    fn restore(&mut self, states: &StackVector) -> Result<()> {
        self.states.copy_from_slice(states.all());
        self.is_written();
        Ok(())
    }

    fn program(&mut self, step: u32, positions: &[f64]) -> Result<()> {
        let Some(targets) = self.fixed.cells.targets(positions) else {
            return self.write(positions);
        };
        program::program(&self.fixed, step, &targets, &mut self.states);
        self.is_written();
        Ok(())
    }

    fn conductances(&mut self, out: &mut StackVector) -> Result<()> {
        self.refresh();
        let window = self.fixed.cells.window();
        let (g_min, span) = (window.g_min as f32, window.span() as f32);
        for (g, s) in out.all_mut().iter_mut().zip(self.seen()) {
            *g = g_min + span * s;
        }
        Ok(())
    }

    fn multiply(
        &mut self,
        voltages: &StackVector,
        noise: ReadNoise,
        currents: &mut StackVector,
    ) -> Result<()> {
        self.read(false, voltages, noise, currents);
        Ok(())
    }

    fn multiply_transposed(
        &mut self,
        voltages: &StackVector,
        noise: ReadNoise,
        currents: &mut StackVector,
    ) -> Result<()> {
        self.read(true, voltages, noise, currents);
        Ok(())
    }

    fn read_as(&mut self, positions: Option<&StackVector>) -> Result<()> {
        self.effective = positions.map(|positions| {
            assert_eq!(
                positions.all().len(),
                self.states.len(),
                "one position a cell"
            );
            let mut room = self.effective.take().unwrap_or_default();
            room.clear();
            room.extend_from_slice(positions.all());
            room
        });
        Ok(())
    }

    fn pulse(&mut self, step: u32, request: &Request, counting: Counting) -> Result<()> {
        request.assert_countable(counting);
        let (fixed, states) = (&self.fixed, &mut self.states[..]);
        let (apparent, marks) = (self.apparent.as_deref_mut(), self.history.marks());
        let walk = &mut self.walk;
        self.pulses += walk.pulse(fixed, (states, apparent, marks), step, request, counting);
        if request.is_mean(counting) {
            // Without pulses there is no write noise either.
            self.show_all();
        }
        self.hold();
        self.noisy.iter_mut().for_each(Noisy::touch);
        Ok(())
    }

    fn exchange(&mut self, cells: Arc<Cells>) -> Result<()> {
        assert_eq!(
            cells.len(),
            self.fixed.cells.len(),
            "cells of the same array"
        );
        self.walk.fit(&cells);
        self.fixed.cells = cells;
        self.hold();
        Ok(())
    }

    fn count(
        &mut self,
        step: u32,
        request: &Request,
        counting: Counting,
        out: &mut StackVector,
    ) -> Result<()> {
        request.assert_countable(counting);
        assert!(!request.is_mean(counting), "mean changes have no pulses");
        assert_eq!(out.all().len(), self.states.len(), "one element a cell");
        let fixed = &self.fixed;
        match &mut self.walk {
            Walk::Along(buffers) => {
                Part::new(fixed, 0, &mut [], None, Marks::default(), &mut **buffers)
                    .counts(step, request, counting, out);
            }
            Walk::Across(bands) => {
                Part::new(fixed, 0, &mut [], None, Marks::default(), &mut bands[0])
                    .counts(step, request, counting, out);
            }
        }
        Ok(())
    }

    fn disturb(
        &mut self,
        step: u32,
        index: u32,
        cells: &Arc<Cells>,
        counts: &StackVector,
    ) -> Result<()> {
        assert!(index < 16, "disturbance {index} of a step");
        let written = self.written();
        self.walk.fit(cells);
        let own = std::mem::replace(&mut self.fixed.cells, Arc::clone(cells));
        let pulsed = (Purpose::Disturbance, index << 20);
        let usual = std::mem::replace(&mut self.fixed.pulsed, pulsed);
        let request = Request::Dense(counts);
        let parts = (&mut self.states[..], None, Marks::default());
        self.walk
            .pulse(&self.fixed, parts, step, &request, Counting::Deterministic);
        self.fixed.pulsed = usual;
        self.fixed.cells = own;
        self.show_written(written);
        self.hold();
        self.noisy.iter_mut().for_each(Noisy::touch);
        Ok(())
    }

    fn reset(&mut self, step: u32, cells: &StackVector) -> Result<()> {
        reset::reset(
            &self.fixed,
            step,
            cells,
            &mut self.normals,
            self.history.marks(),
            &mut self.states,
            self.apparent.as_deref_mut(),
        );
        self.hold();
        self.noisy.iter_mut().for_each(Noisy::touch);
        Ok(())
    }

    fn relax(&mut self, step: u32, elapsed: f64) -> Result<()> {
        if let Some(noisy) = &mut self.noisy {
            noisy.pass(&self.fixed, step, elapsed);
        }
        let fixed = &self.fixed;
        let cells = &fixed.cells;
        if cells.retention().is_none() && cells.drift().is_none() {
            self.history.age(elapsed);
            return Ok(());
        }
        // States behind a readout relax, and what a read sees of them follows; what is written on a cell stays.
        let read_out = cells.is_read_out();
        let written = if read_out { self.written() } else { None };
        let apparent = self.apparent.as_deref_mut().filter(|_| !read_out);
        let (states, history) = (&mut self.states, &mut self.history);
        if let Some(drift) = cells.drift() {
            history.drift(fixed, drift, (step, elapsed), states, apparent);
        } else if let Some(retention) = cells.retention() {
            let relaxing = &mut self.relaxing;
            relax::relax(
                fixed,
                retention,
                (step, elapsed),
                relaxing,
                states,
                apparent,
            );
            history.age(elapsed);
        }
        if read_out {
            self.show_written(written);
        }
        self.hold();
        Ok(())
    }

    fn keep(&mut self, saved: &mut Saved) -> Result<()> {
        saved.list("states", &mut self.states)?;
        if let Some(apparent) = &mut self.apparent {
            saved.list("apparent", apparent)?;
        }
        saved.number("pulses", &mut self.pulses)?;
        self.history.keep(saved)?;
        self.noisy.iter_mut().try_for_each(|n| n.keep(saved))
    }

    fn inspect(&mut self, states: &mut StackVector) -> Result<()> {
        states.all_mut().copy_from_slice(&self.states);
        Ok(())
    }

    fn pulses(&mut self) -> Result<u64> {
        Ok(self.pulses)
    }

    fn ages(&mut self, out: &mut StackVector) -> Result<()> {
        out.fill(0.0);
        let ages = out.all_mut().iter_mut().zip(&self.history.ages);
        ages.for_each(|(o, age)| *o = *age);
        Ok(())
    }

    fn wear(&mut self, out: &mut StackVector) -> Result<()> {
        out.fill(0.0);
        let pulses = out.all_mut().iter_mut().zip(&self.history.pulses);
        pulses.for_each(|(o, n)| *o = *n as f32);
        Ok(())
    }
}

impl Cpu {
    /// The states as a read sees them, after [`Cpu::refresh`].
    fn seen(&self) -> &[f32] {
        let trapped = self.noisy.as_ref().and_then(Noisy::seen);
        trapped.unwrap_or_else(|| self.apparent.as_ref().unwrap_or(&self.states))
    }

    /// What products sum.
    fn summed(&self) -> &[f32] {
        self.effective.as_deref().unwrap_or_else(|| self.seen())
    }

    /// Makes what reads of noisy cells need of the present states.
    fn refresh(&mut self) {
        if let Some(noisy) = &mut self.noisy {
            let positions = self.apparent.as_ref().unwrap_or(&self.states);
            noisy.refresh(&self.fixed, positions);
        }
    }

    /// Puts stuck cells back where they are stuck: the loops need not know of them.
    fn hold(&mut self) {
        let replicas = self.fixed.shape.replicas;
        let cells = &self.fixed.cells;
        for &(cell, position) in cells.stuck() {
            let lanes = cell * replicas..(cell + 1) * replicas;
            self.states[lanes.clone()].fill(cells.state(cell, position) as f32);
            if let Some(apparent) = &mut self.apparent {
                apparent[lanes].fill(position as f32);
            }
        }
    }

    /// What reads see beside the states: their write noise, where there is any.
    fn written(&self) -> Option<Vec<f32>> {
        let seen = self.apparent.as_ref()?;
        if self.fixed.cells.write_noise() == 0.0 {
            return None;
        }
        let mut plain = self.states.clone();
        self.fixed.read_all(&mut plain);
        Some(seen.iter().zip(plain).map(|(a, x)| a - x).collect())
    }

    /// Lets reads see all states, with write noise that they had before.
    fn show_written(&mut self, written: Option<Vec<f32>>) {
        self.show_all();
        let seen = self.apparent.iter_mut().flatten();
        for (a, noise) in seen.zip(written.iter().flatten()) {
            *a += noise;
        }
    }

    /// Lets reads see all states, without write noise.
    fn show_all(&mut self) {
        if let Some(apparent) = &mut self.apparent {
            apparent.copy_from_slice(&self.states);
            self.fixed.read_all(apparent);
        }
    }
}

/// Lets reads see every cell that was pulsed, with new write noise, and leaves those that rested. `positions` are those of the
/// conductances.
fn show<'a>(
    seen: impl Iterator<Item = &'a mut f32>,
    positions: impl Iterator<Item = &'a f32>,
    counts: &[f32],
    normals: &[f32],
    deviation: f32,
) {
    let draws = counts.iter().zip(normals);
    for ((a, s), (&n, z)) in seen.zip(positions).zip(draws) {
        *a = if n == 0.0 { *a } else { s + deviation * z };
    }
}
