//! The GPU backend: loops in WGSL around the physics that device laws record of themselves.
//!
//! A stack's states stay on the device; requests and voltages go there, currents come back. Operations that give nothing back are
//! collected and cost the host no wait.

mod arguments;
mod kernels;
mod open;
mod queue;

use std::sync::Arc;

pub use open::{AdapterSummary, Choice, Gpu, INSTALL};

use self::arguments::Arguments;
use self::kernels::Kernel;
use self::queue::Queue;
use super::{Backend, ReadNoise, Request, Shape, StackVector};
use crate::arrays::Saved;
use crate::device::{CellNoise, Cells, Counting, Telegraph};
use crate::error::Result;
use crate::number::{Purpose, Stream};

/// Invocations of a workgroup.
const WORKGROUP: u64 = 64;
/// Elements of a workgroup where each is its own work.
const STRIPS: u64 = 4 * WORKGROUP;
/// Invocations of a workgroup of a read.
const READERS: u64 = 256;
/// Invocations that keep a large device busy.
const BUSY: u64 = 1 << 17;
/// Most invocations that share the inputs of a lane only to keep the device busy.
const SHARERS: u64 = 16;
/// Outputs and samples of a tile.
const TILE: u64 = 64;
/// From this many samples and outputs on, reads go tile by tile; fewer would leave most of a tile empty.
const MANY: u64 = 32;

// Codes of `stack.wgsl`.
const OUTER: u32 = 0;
const DENSE: u32 = 1;
const TRAINS: u32 = 2;
const AS_ASKED: u32 = 0;
const WHOLE: u32 = 1;
const RANDOM: u32 = 2;

/// The bits of a vector.
fn floats(vector: &StackVector) -> &[u32] {
    bytemuck::cast_slice(vector.all())
}

/// A stack of crossbars on a graphics processor, laid out as on the CPU: cell-major, the replicas of one cell together.
pub struct GpuStack {
    shape: Shape,
    cells: Arc<Cells>,
    /// What every operation has in common.
    common: Arguments,
    /// Seconds since the cells were written.
    elapsed: f64,
    queue: Queue,
}

impl GpuStack {
    /// A stack whose replicas are numbered from `first_replica` in the coordinates of random numbers.
    ///
    /// `aggregate`: the pulses that a cell gets in one step are drawn at once where the law allows it; otherwise one by one.
    ///
    /// # Errors
    /// Where the stack is too large for the device, or the device refuses its shader.
    pub fn new(
        gpu: Arc<Gpu>,
        shape: Shape,
        first_replica: u32,
        stream: Stream,
        cells: Arc<Cells>,
        aggregate: bool,
    ) -> Result<Self> {
        let shader = cells.shader();
        let longest = if aggregate { cells.longest_train() } else { 1 };
        let window = cells.window();
        let elements = (shape.cells() as u64).saturating_mul(shape.replicas as u64);
        let queue = Queue::new(
            gpu,
            kernels::module(&shader),
            elements,
            [
                cells.write_noise() > 0.0 || cells.is_read_out(),
                cells.cell_noise().and_then(CellNoise::telegraph).is_some(),
            ],
            cells.memory().planes(),
            &shader.parameters,
        )?;
        let stuck = !cells.stuck().is_empty();
        let mut stack = Self {
            shape,
            cells,
            // There are at most as many of each as elements, and the buffer of these has less than 2³².
            common: Arguments {
                key: stream.key(),
                first_replica,
                replicas: shape.replicas as u32,
                rows: shape.rows as u32,
                columns: shape.columns as u32,
                g_min: window.g_min as f32,
                span: window.span() as f32,
                longest,
                ..Arguments::default()
            },
            elapsed: 0.0,
            queue,
        };
        if stuck {
            stack.write(&vec![0.0; shape.cells()])?;
        }
        stack.draw_traps(0, 0, 0.0)?;
        Ok(stack)
    }

    /// Sends what was collected to the device, without waiting for it.
    ///
    /// # Errors
    /// What the device reports.
    pub fn flush(&mut self) -> Result<()> {
        self.queue.flush()
    }

    fn telegraph(&self) -> Option<Telegraph> {
        self.cells.cell_noise().and_then(CellNoise::telegraph)
    }

    /// States of the traps, if there are any, after a time that leaves `kept` of their correlation.
    fn draw_traps(&mut self, step: u32, index: u32, kept: f32) -> Result<()> {
        if self.telegraph().is_none() {
            return Ok(());
        }
        let arguments = Arguments {
            step,
            label: (Purpose::Telegraph as u32) << 24 | index,
            kept,
            ..self.common
        };
        let workgroups = self.elements().div_ceil(STRIPS);
        self.queue.add(Kernel::Traps, arguments, &[], workgroups)
    }

    /// States of the stack.
    fn elements(&self) -> u64 {
        (self.shape.cells() * self.shape.replicas) as u64
    }

    fn read(
        &mut self,
        transposed: bool,
        voltages: &StackVector,
        noise: ReadNoise,
        currents: &mut StackVector,
    ) -> Result<()> {
        let (inputs, outputs) = self.shape.ends(transposed, voltages, currents);
        let (lanes, replicas) = (voltages.width() as u64, self.shape.replicas as u64);
        let strides = [1, self.shape.columns as u32];
        let [output_stride, input_stride] = if transposed {
            [strides[1], strides[0]]
        } else {
            strides
        };
        let tiled = lanes / replicas >= MANY && outputs as u64 >= MANY;
        // Where there are fewer lanes than invocations, several share the inputs of one; some share them also where there are more
        // lanes, but too few for the device.
        let blocks = (outputs as u64).div_ceil(4);
        let idle = (BUSY / (blocks * lanes).max(1)).clamp(1, SHARERS);
        let parts = (READERS / lanes.clamp(1, READERS).next_power_of_two()).max(1 << idle.ilog2());
        let arguments = Arguments {
            step: noise.step,
            label: (Purpose::ReadNoise as u32) << 24 | noise.index,
            deviation: noise.deviation,
            lanes: lanes as u32,
            inputs: inputs as u32,
            outputs: outputs as u32,
            input_stride,
            output_stride,
            parts: parts as u32,
            effective: u32::from(self.queue.is_effective()),
            growth: self
                .cells
                .cell_noise()
                .map_or(0.0, |noise| noise.growth(self.elapsed) as f32),
            ..self.common
        };
        let (kernel, workgroups) = if tiled {
            let across = (outputs as u64).div_ceil(TILE);
            let down = (lanes / replicas).div_ceil(TILE);
            (Kernel::ReadTiles, across * down * replicas)
        } else {
            (Kernel::ReadLanes, blocks * lanes.div_ceil(READERS / parts))
        };
        self.queue.make_room_for_outputs(outputs as u64 * lanes)?;
        let vectors = [floats(voltages)];
        self.queue.add(kernel, arguments, &vectors, workgroups)?;
        self.queue.read(|b| b.outputs.clone(), currents.all_mut())
    }
}

impl Backend for GpuStack {
    fn shape(&self) -> Shape {
        self.shape
    }

    fn write(&mut self, positions: &[f64]) -> Result<()> {
        assert_eq!(positions.len(), self.shape.cells(), "one position a cell");
        self.elapsed = 0.0;
        let states = self.cells.states(positions);
        let bits: Vec<u32> = states.iter().map(|s| s.to_bits()).collect();
        let workgroups = self.elements().div_ceil(STRIPS);
        self.queue
            .add(Kernel::Write, self.common, &[&bits], workgroups)
    }

    fn restore(&mut self, _states: &StackVector) -> Result<()> {
        Err(self.queue.unable("set every cell of every crossbar apart"))
    }

    fn program(&mut self, step: u32, positions: &[f64]) -> Result<()> {
        assert_eq!(positions.len(), self.shape.cells(), "one position a cell");
        let Some(targets) = self.cells.targets(positions) else {
            return self.write(positions);
        };
        self.elapsed = 0.0;
        let arguments = Arguments {
            step,
            ..self.common
        };
        let vectors = [&targets.means, &targets.deviations].map(|v| bytemuck::cast_slice(v));
        let workgroups = self.elements().div_ceil(STRIPS);
        self.queue
            .add(Kernel::Program, arguments, &vectors, workgroups)
    }

    fn conductances(&mut self, out: &mut StackVector) -> Result<()> {
        assert_eq!(
            out.all().len() as u64,
            self.elements(),
            "one conductance a cell"
        );
        let apart = self.cells.write_noise() > 0.0 || self.cells.is_read_out();
        let seen = |b: &queue::Buffers| {
            if apart {
                b.apparent.clone()
            } else {
                b.states.clone()
            }
        };
        self.queue.read(seen, out.all_mut())?;
        if let Some(noise) = self.cells.cell_noise().filter(|n| n.telegraph().is_some()) {
            let mut traps = vec![0.0; out.all().len()];
            self.queue.read(|b| b.traps.clone(), &mut traps)?;
            for (x, b) in out.all_mut().iter_mut().zip(traps) {
                *x = noise.seen(self.cells.window(), *x, b);
            }
        }
        for g in out.all_mut() {
            *g = self.common.g_min + self.common.span * *g;
        }
        Ok(())
    }

    fn multiply(
        &mut self,
        voltages: &StackVector,
        noise: ReadNoise,
        currents: &mut StackVector,
    ) -> Result<()> {
        self.read(false, voltages, noise, currents)
    }

    fn multiply_transposed(
        &mut self,
        voltages: &StackVector,
        noise: ReadNoise,
        currents: &mut StackVector,
    ) -> Result<()> {
        self.read(true, voltages, noise, currents)
    }

    fn read_as(&mut self, positions: Option<&StackVector>) -> Result<()> {
        let positions = positions.map(StackVector::all);
        if let Some(positions) = positions {
            assert_eq!(
                positions.len() as u64,
                self.elements(),
                "one position a cell"
            );
        }
        self.queue.read_as(positions)
    }

    fn pulse(&mut self, step: u32, request: &Request, counting: Counting) -> Result<()> {
        request.assert_countable(counting);
        let (rows, columns) = (self.shape.rows, self.shape.columns);
        let mut vectors: [&[u32]; 4] = [&[]; 4];
        let (request_code, lengths) = match request {
            Request::Outer {
                rows: x,
                columns: d,
            } => {
                vectors[..2].copy_from_slice(&[floats(x), floats(d)]);
                (OUTER, [rows, columns, 0, 0])
            }
            Request::Dense(requests) => {
                vectors[0] = floats(requests);
                (DENSE, [self.shape.cells(), 0, 0, 0])
            }
            Request::Trains {
                rows: x,
                columns: d,
                row_bits,
                column_bits,
            } => {
                vectors = [floats(x), floats(d), row_bits, column_bits];
                (TRAINS, [rows, columns, rows, columns])
            }
        };
        for (vector, length) in vectors.iter().zip(lengths) {
            assert_eq!(
                vector.len(),
                length * self.shape.replicas,
                "one element a lane"
            );
        }
        let counting_code = match counting {
            _ if request_code == TRAINS => AS_ASKED,
            Counting::StochasticRounding => RANDOM,
            Counting::Deterministic => WHOLE,
            Counting::Expected | Counting::Coincidence { .. } | Counting::MeanCount { .. } => {
                AS_ASKED
            }
        };
        let arguments = Arguments {
            step,
            request: request_code,
            counting: counting_code,
            ..self.common
        };
        if request.is_mean(counting) {
            let workgroups = self.elements().div_ceil(STRIPS);
            return self
                .queue
                .add(Kernel::PulseExpected, arguments, &vectors, workgroups);
        }
        let kernel = if self.common.longest == 1 {
            Kernel::PulseSingly
        } else {
            Kernel::PulseTogether
        };
        let blocks = self.shape.cells().div_ceil(4) * self.shape.replicas;
        self.queue.add(
            kernel,
            arguments,
            &vectors,
            (blocks as u64).div_ceil(WORKGROUP),
        )
    }

    fn exchange(&mut self, _cells: Arc<Cells>) -> Result<()> {
        Err(self.queue.unable("exchange the cells of a stack"))
    }

    fn count(
        &mut self,
        _step: u32,
        _request: &Request,
        _counting: Counting,
        _out: &mut StackVector,
    ) -> Result<()> {
        Err(self.queue.unable("give back how many pulses cells got"))
    }

    fn disturb(
        &mut self,
        _step: u32,
        _index: u32,
        _cells: &Arc<Cells>,
        _counts: &StackVector,
    ) -> Result<()> {
        Err(self.queue.unable("disturb cells"))
    }

    fn reset(&mut self, step: u32, cells: &StackVector) -> Result<()> {
        assert_eq!(
            cells.all().len() as u64,
            self.elements(),
            "one element a cell"
        );
        if !self.cells.is_one_sided() {
            return Ok(());
        }
        let arguments = Arguments {
            step,
            ..self.common
        };
        let blocks = self.shape.cells().div_ceil(4) * self.shape.replicas;
        let workgroups = (blocks as u64).div_ceil(WORKGROUP);
        self.queue
            .add(Kernel::Reset, arguments, &[floats(cells)], workgroups)
    }

    fn relax(&mut self, step: u32, elapsed: f64) -> Result<()> {
        self.elapsed += elapsed;
        if let Some(telegraph) = self.telegraph() {
            self.draw_traps(step, 1, telegraph.kept(elapsed) as f32)?;
        }
        let retention = self.cells.retention();
        if retention.is_none() && !self.cells.memory().ages {
            return Ok(());
        }
        let arguments = Arguments {
            rest: retention.map_or(0.0, |r| r.rest as f32),
            lost: retention.map_or(0.0, |r| r.lost(elapsed) as f32),
            step,
            fine: u32::from(retention.is_some_and(|r| r.is_fine(elapsed))),
            elapsed: elapsed as f32,
            ..self.common
        };
        let workgroups = self.elements().div_ceil(STRIPS);
        self.queue.add(Kernel::Relax, arguments, &[], workgroups)
    }

    fn keep(&mut self, _saved: &mut Saved) -> Result<()> {
        Err(self.queue.unable("save what its cells remember"))
    }

    fn inspect(&mut self, states: &mut StackVector) -> Result<()> {
        assert_eq!(
            states.all().len() as u64,
            self.elements(),
            "one state a cell"
        );
        self.queue.read(|b| b.states.clone(), states.all_mut())
    }

    fn pulses(&mut self) -> Result<u64> {
        let mut words = [0_u32; 2];
        self.queue.read(|b| b.counter.clone(), &mut words)?;
        Ok(u64::from(words[0]) | u64::from(words[1]) << 32)
    }

    fn ages(&mut self, out: &mut StackVector) -> Result<()> {
        out.fill(0.0);
        if !self.cells.memory().ages {
            return Ok(());
        }
        // The first plane.
        self.queue.read(|b| b.history.clone(), out.all_mut())
    }

    fn wear(&mut self, out: &mut StackVector) -> Result<()> {
        out.fill(0.0);
        let memory = self.cells.memory();
        if !memory.pulses {
            return Ok(());
        }
        let elements = self.elements() as usize;
        let mut history = vec![0_u32; memory.planes() * elements];
        self.queue.read(|b| b.history.clone(), &mut history)?;
        let pulses = &history[memory.plane_of_pulses() * elements..];
        let pulses = out.all_mut().iter_mut().zip(pulses);
        pulses.for_each(|(o, n)| *o = *n as f32);
        Ok(())
    }
}
