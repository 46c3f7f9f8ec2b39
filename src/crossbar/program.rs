//! Weights written by pulses: open loop, or by rounds of reading and correcting.

use crate::backend::{Backend, Request, StackVector};
use crate::device::{Cells, Counting};
use crate::error::Result;
use crate::number::{Purpose, Stream};

/// How an array is written.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Writing {
    /// As the device's [`Programming`](crate::device::Programming) says, exactly where it has none.
    #[default]
    Device,
    /// Exactly, whatever the device.
    Exact,
    /// By the number of pulses that the nominal cell takes on average.
    OpenLoop(OpenLoop),
    /// By reading, comparing and correcting.
    WriteVerify(WriteVerify),
}

/// Where cells are before they are pulsed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Start {
    /// Each at the lower end of its own window.
    Lowest,
    /// One-sided cells after a [`Reset`](crate::device::Reset), with its deviation.
    Reset,
    /// All at this position in the window.
    Position(f64),
}

/// Every cell gets, at once, the number of pulses by which the mean response of the nominal cell ([`Cells::mean_course`]) comes nearest to the
/// target. Nothing is read: what cells are off is their own variation, the noise of their pulses and half a step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OpenLoop {
    /// Where cells begin.
    pub start: Start,
    /// Most pulses of a cell.
    pub most_pulses: u32,
}

/// Rounds of writing. Every round reads the cells that are still open; one that is seen within the tolerance of its target is accepted and left
/// alone, others get pulses of the polarity that leads to the target. One-sided cells that are seen above it are reset. A cell whose pulses
/// and resets are used up is given up.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WriteVerify {
    /// Where cells begin.
    pub start: Start,
    /// Most pulses of a cell, resets counted with them.
    pub most_pulses: u32,
    /// Largest accepted difference from the target, as a fraction of the window.
    pub tolerance: f64,
    /// Standard deviation of one read of one cell, as a fraction of the window. All else that makes reads noisy is left out.
    pub noise: f64,
    /// Whether a round gives as many pulses as the nominal cell needs from where it is seen (at least one), instead of one.
    pub by_response: bool,
}

/// What writing has taken of one crossbar.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Effort {
    /// Potentiating and depressing pulses.
    pub pulses: [u64; 2],
    /// `Σ g` in siemens over these pulses, each at the mean of the conductances before and after its round: their energy is this times V² t.
    pub conducted: [f64; 2],
    /// Resets after the start.
    pub resets: u64,
    /// `Σ g` over them, before each.
    pub reset_conducted: f64,
    /// Reads of single cells.
    pub reads: u64,
    /// Cells that were seen within the tolerance.
    pub accepted: u64,
}

/// What was written into a stack of crossbars.
#[derive(Debug, Clone, PartialEq)]
pub struct Written {
    /// Conductances that were aimed at, in siemens, one a cell.
    pub targets: Vec<f64>,
    /// Conductances that a read finds, in siemens: an element a cell, a lane a replica.
    pub achieved: StackVector,
    /// Pulses of every cell, of both polarities together.
    pub pulses: StackVector,
    /// One a replica.
    pub efforts: Vec<Effort>,
}

impl Effort {
    /// With what another array took.
    fn and(self, other: Self) -> Self {
        let both = |a: [u64; 2], b: [u64; 2]| [a[0] + b[0], a[1] + b[1]];
        let sums = |a: [f64; 2], b: [f64; 2]| [a[0] + b[0], a[1] + b[1]];
        Self {
            pulses: both(self.pulses, other.pulses),
            conducted: sums(self.conducted, other.conducted),
            resets: self.resets + other.resets,
            reset_conducted: self.reset_conducted + other.reset_conducted,
            reads: self.reads + other.reads,
            accepted: self.accepted + other.accepted,
        }
    }
}

impl Written {
    /// Before anything is written.
    pub(super) fn nothing(cells: usize, replicas: usize) -> Self {
        Self {
            targets: vec![0.0; cells],
            achieved: StackVector::zeros(cells, replicas),
            pulses: StackVector::zeros(cells, replicas),
            efforts: vec![Effort::default(); replicas],
        }
    }

    /// Adds what was written into one of its parts, whose cell k is `cell(k)` here.
    pub(super) fn take(&mut self, part: &Self, cell: impl Fn(usize) -> usize) {
        for (k, target) in part.targets.iter().enumerate() {
            let own = cell(k);
            self.targets[own] = *target;
            let (achieved, pulses) = (part.achieved.lanes(k), part.pulses.lanes(k));
            self.achieved.lanes_mut(own).copy_from_slice(achieved);
            self.pulses.lanes_mut(own).copy_from_slice(pulses);
        }
        for (all, own) in self.efforts.iter_mut().zip(&part.efforts) {
            *all = all.and(*own);
        }
    }
}

/// The most pieces of a train.
const MOST_PIECES: u32 = 1024;

/// Writes one stack.
pub(super) struct Writer<'a> {
    pub backend: &'a mut dyn Backend,
    pub cells: &'a Cells,
    pub stream: Stream,
    pub first_replica: u32,
    /// Positions in the window.
    pub targets: &'a [f64],
}

impl Writer<'_> {
    /// Random numbers are those of `step` and the steps that follow, one a round or piece of a train.
    pub fn write(self, step: u32, writing: &Writing) -> Result<Written> {
        match writing {
            Writing::Device => self.backend.program(step, self.targets)?,
            Writing::Exact => self.backend.write(self.targets)?,
            Writing::OpenLoop(how) => return self.open_loop(step, how),
            Writing::WriteVerify(how) => return self.write_verify(step, how),
        }
        let mut rounds = Rounds::new(&*self.backend);
        self.backend.conductances(&mut rounds.now)?;
        Ok(self.done(rounds))
    }

    fn done(&self, rounds: Rounds) -> Written {
        let window = self.cells.window();
        let siemens = |x: &f64| window.g_min + x * window.span();
        Written {
            targets: self.targets.iter().map(siemens).collect(),
            achieved: rounds.now,
            pulses: rounds.pulses,
            efforts: rounds.efforts,
        }
    }

    /// Brings all cells to where they begin, and says where the nominal one is.
    fn begin(&mut self, step: u32, start: Start) -> Result<f64> {
        if let Start::Position(x) = start {
            self.backend.write(&vec![x; self.targets.len()])?;
            return Ok(x);
        }
        self.backend.write(&self.cells.lowest())?;
        let lowest = self.cells.nominal_course(1.0).positions().next();
        let reset = self.cells.reset().filter(|_| start == Start::Reset);
        let Some(reset) = reset else {
            return Ok(lowest.unwrap_or(0.0));
        };
        let shape = self.backend.shape();
        let mut all = StackVector::zeros(shape.cells(), shape.replicas);
        all.fill(1.0);
        self.backend.reset(step, &all)?;
        Ok(reset.level)
    }

    fn open_loop(mut self, step: u32, how: &OpenLoop) -> Result<Written> {
        let start = self.begin(step, how.start)?;
        let mut rounds = Rounds::new(&*self.backend);
        let up = self.cells.mean_course(start, 1.0, how.most_pulses);
        let down = self.cells.mean_course(start, -1.0, how.most_pulses);
        for (k, &target) in self.targets.iter().enumerate() {
            let n = if target >= start {
                up.pulses_to(target)
            } else if self.cells.is_one_sided() {
                0.0
            } else {
                -down.pulses_to(target)
            };
            rounds.requests.lanes_mut(k).fill(n.round() as f32);
        }
        self.backend.conductances(&mut rounds.now)?;
        self.pulse(step.wrapping_add(1), &mut rounds)?;
        Ok(self.done(rounds))
    }

    fn write_verify(mut self, step: u32, how: &WriteVerify) -> Result<Written> {
        self.begin(step, how.start)?;
        let shape = self.backend.shape();
        let mut rounds = Rounds::new(&*self.backend);
        // Pulses and resets so far; negative for cells that are closed.
        let mut used = vec![0_i64; shape.cells() * shape.replicas];
        let courses = [1.0, -1.0].map(|polarity| self.cells.nominal_course(polarity));
        let window = self.cells.window();
        let mut seen: [Vec<f32>; 4] = std::array::from_fn(|_| vec![0.0; shape.replicas]);
        self.backend.conductances(&mut rounds.now)?;
        let mut step = step.wrapping_add(1);
        loop {
            let mut open = false;
            rounds.requests.fill(0.0);
            rounds.resets.fill(0.0);
            for (k, &target) in self.targets.iter().enumerate() {
                if k % 4 == 0 && how.noise > 0.0 {
                    let (first, four) = (self.first_replica, seen.each_mut());
                    let four = four.map(Vec::as_mut_slice);
                    let block = (k / 4) as u32;
                    self.stream
                        .fill_normals(step, block, first, Purpose::Verify, 0, four);
                }
                let lanes = k * shape.replicas..(k + 1) * shape.replicas;
                for (r, used) in used[lanes].iter_mut().enumerate().filter(|(_, u)| **u >= 0) {
                    let g = f64::from(rounds.now.lanes(k)[r]);
                    let z = f64::from(seen[k % 4][r]);
                    let x = how.noise.mul_add(z, (g - window.g_min) / window.span());
                    let effort = &mut rounds.efforts[r];
                    effort.reads += 1;
                    let left = i64::from(how.most_pulses) - *used;
                    if (x - target).abs() <= how.tolerance || left <= 0 {
                        let accepted = (x - target).abs() <= how.tolerance;
                        effort.accepted += u64::from(accepted);
                        *used = -1;
                        continue;
                    }
                    open = true;
                    if x > target && self.cells.is_one_sided() {
                        rounds.resets.lanes_mut(k)[r] = 1.0;
                        *used += 1;
                        continue;
                    }
                    let course = &courses[usize::from(x > target)];
                    let n = match how.by_response {
                        true => (course.pulses_to(target) - course.pulses_to(x)).round(),
                        false => 1.0,
                    };
                    let n = n.clamp(1.0, left as f64);
                    *used += n as i64;
                    rounds.requests.lanes_mut(k)[r] = (n * (target - x).signum()) as f32;
                }
            }
            if !open {
                break;
            }
            step = self.pulse(step, &mut rounds)?;
        }
        Ok(self.done(rounds))
    }

    /// Resets and pulses what is asked for, looks at all cells, and notes what it took. Returns the step after the last one that it used.
    ///
    /// Where noise meets hard bounds, long trains are given in pieces: one train would meet its bound once, at its end.
    fn pulse(&mut self, step: u32, rounds: &mut Rounds) -> Result<u32> {
        if rounds.resets.all().iter().any(|&w| w != 0.0) {
            self.backend.reset(step, &rounds.resets)?;
        }
        let noise = self.cells.noise();
        let bounded =
            self.cells.hard_bounds() && (noise.additive() > 0.0 || noise.multiplicative() > 0.0);
        let asked = rounds.requests.all().iter();
        let longest = asked.fold(0.0_f32, |m, n| m.max(n.abs())) as u32;
        let pieces = match bounded {
            true => longest.min(MOST_PIECES),
            false => 1,
        };
        let length = longest.div_ceil(pieces.max(1)) as f32;
        let mut next = step;
        let mut piece = rounds.requests.clone();
        for k in 0..pieces {
            let given = k as f32 * length;
            let asked = piece.all_mut().iter_mut().zip(rounds.requests.all());
            asked.for_each(|(p, n)| *p = n.signum() * (n.abs() - given).clamp(0.0, length));
            let request = Request::Dense(&piece);
            self.backend
                .pulse(next, &request, Counting::Deterministic)?;
            next = next.wrapping_add(1);
        }
        std::mem::swap(&mut rounds.now, &mut rounds.before);
        self.backend.conductances(&mut rounds.now)?;
        rounds.note();
        Ok(next)
    }
}

/// What is known while a stack is written.
struct Rounds {
    /// Conductances before and after the last round.
    before: StackVector,
    now: StackVector,
    /// Signed pulses of the round.
    requests: StackVector,
    /// 1 where a cell is reset in the round.
    resets: StackVector,
    pulses: StackVector,
    efforts: Vec<Effort>,
}

impl Rounds {
    fn new(backend: &dyn Backend) -> Self {
        let shape = backend.shape();
        let cells = || StackVector::zeros(shape.cells(), shape.replicas);
        Self {
            before: cells(),
            now: cells(),
            requests: cells(),
            resets: cells(),
            pulses: cells(),
            efforts: vec![Effort::default(); shape.replicas],
        }
    }

    fn note(&mut self) {
        for k in 0..self.requests.len() {
            let asked = self.requests.lanes(k).iter().zip(self.resets.lanes(k));
            let conductances = self.before.lanes(k).iter().zip(self.now.lanes(k));
            let lanes = asked.zip(conductances).zip(self.pulses.lanes_mut(k));
            let efforts = self.efforts.iter_mut();
            for (effort, (((&n, &reset), (&before, &now)), pulses)) in efforts.zip(lanes) {
                if n != 0.0 {
                    let down = usize::from(n < 0.0);
                    *pulses += n.abs();
                    effort.pulses[down] += n.abs() as u64;
                    effort.conducted[down] +=
                        f64::from(n.abs()) * 0.5 * (f64::from(before) + f64::from(now));
                }
                if reset != 0.0 {
                    effort.resets += 1;
                    effort.reset_conducted += f64::from(before);
                }
            }
        }
    }
}
