//! The physics of an array's cells in WGSL, recorded from the same functions that the CPU runs.

use super::cells::Cells;
use super::count::{SHORT_DIGITS, SINGLE_DIGITS, piece, round_request};
use super::kernel::drawn;
use super::law::{Cell, Law, Pulse, STEP};
use super::motion::{DRIVE, Pace, onward};
use super::programming::written;
use super::reset::emptied;
use super::retention::{lost, relaxation, relaxed, rounding};
use crate::number::{Expr, Real, Tape};

/// What [`AnyLaw::record`](super::AnyLaw::record) writes down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// A train of at most `2^digits` pulses at once.
    Train {
        /// Binary digits of the number of pulses less one.
        digits: usize,
    },
    /// One pulse.
    Pulse,
    /// The expected update of any number of pulses.
    Mean,
}

/// A stage of the motion of a law that moves, with what it needs: the loop between them is written once, in WGSL.
pub struct Stage<'t> {
    pub(super) kind: StageKind,
    pub(super) s: Expr<'t>,
    pub(super) n: Expr<'t>,
    pub(super) z: Expr<'t>,
    pub(super) drive: [Expr<'t>; DRIVE],
    pub(super) time: Expr<'t>,
    pub(super) moved: Expr<'t>,
}

/// What is recorded of a motion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StageKind {
    /// [`Law::drive`].
    Drive,
    /// Number of parts, and the time of each.
    Pace,
    /// One part.
    Onward,
    /// The state after all parts.
    Arrival,
    /// The state after the expected update, from the motion of one pulse.
    Mean,
}

impl<'t> Stage<'t> {
    fn new(tape: &'t Tape, kind: StageKind) -> Self {
        let [s, n, z] = ["s", "n", "z"].map(|name| tape.input(name));
        let drive = ["d.x", "d.y", "d.z", "d.w"].map(|name| tape.input(name));
        let [time, moved] = ["time", "moved"].map(|name| tape.input(name));
        Self {
            kind,
            s,
            n,
            z,
            drive,
            time,
            moved,
        }
    }

    /// Records the stage of this law.
    pub(super) fn record<L: Law>(&self, cell: &Cell<Expr<'t>>) -> Vec<Expr<'t>> {
        let (p, s, n, parts) = (cell.parameters, self.s, self.n, cell.parts);
        let pulse = Pulse {
            polarity: n,
            parts: parts.pulse,
        };
        match self.kind {
            StageKind::Drive => L::drive(p, s, &pulse).to_vec(),
            StageKind::Pace => {
                let pace = Pace::new::<L>(p, s, n, parts);
                vec![pace.parts, pace.time]
            }
            StageKind::Onward => {
                let (time, moved) = (self.time, self.moved);
                vec![onward::<L, _>(p, &self.drive, s, &pulse, time, moved)]
            }
            StageKind::Arrival => {
                let variance = cell.noise.variance(p[STEP], s, self.moved, n);
                vec![drawn(cell, s, n, (s + self.moved, variance), self.z)]
            }
            StageKind::Mean => {
                let mean = n.abs().mul_add(self.moved, s);
                let zero = Real::lit(0.0);
                vec![drawn(cell, s, n, (mean, zero), zero)]
            }
        }
    }
}

/// The loop over the parts of a motion.
const MOTION: &str = "\
fn motion_of(p: Parameters, s: f32, n: f32) -> f32 {
    let drive = motion_drive(p, s, n);
    let pace = motion_pace(p, s, n);
    var moved = 0.0f;
    for (var part = 0.0f; part < pace.x; part += 1.0f) {
        moved = motion_onward(p, s, n, drive, pace.y, moved);
    }
    return moved;
}
fn after_pulse(p: Parameters, s: f32, n: f32, z: f32) -> f32 {
    return motion_arrival(p, s, n, z, motion_of(p, s, n));
}
fn after_short_train(p: Parameters, s: f32, n: f32, z: f32) -> f32 {
    return after_pulse(p, s, n, z);
}
fn after_long_train(p: Parameters, s: f32, n: f32, z: f32) -> f32 {
    return after_pulse(p, s, n, z);
}
fn after_mean(p: Parameters, s: f32, n: f32) -> f32 {
    return motion_mean(p, s, n, motion_of(p, s, sign(n)));
}
";

/// Stands for no position: below all that a cell can be stuck at.
const HEALTHY: f32 = -8.0;

/// The physics of one array's cells in WGSL.
///
/// Numbers that all cells share are constants of the code, so that what follows from them is computed once, here. The others are
/// [`Shader::parameters`], which the kernels read.
#[derive(Debug, Clone, PartialEq)]
pub struct Shader {
    /// ```text
    /// const PARAMETERS: u32;                // how many numbers a cell has of its own
    /// alias Parameters = array<f32, …>;     // at least one, so that the type exists
    /// const CYCLE_NOISY: bool;              // whether z matters
    /// const WRITE_NOISY: bool;
    /// const READ_OUT: bool;                 // whether conductances are not the states
    /// const WRITE_DEVIATION: f32;           // of what a read sees, as a position
    /// const STUCK: bool;                    // whether there are stuck cells
    /// const CELL_NOISY: bool;               // whether reads of cells draw numbers
    /// const TRAPPED: bool;                  // whether cells have traps
    /// const NOISE_ROOM: u32;                // 256 where reads draw numbers, else 1
    /// const HEALTHY: f32;                   // below every position; see Shader::parameters
    /// const OWN_RETENTION: bool;            // whether cells relax by numbers of their own
    /// const AGEING: bool;                   // whether ages are kept
    /// const RETENTIVE: bool;                // whether states relax exponentially
    /// const DRIFTING: bool;                 // whether conductances drift
    /// const WALKING: bool;                  // … by steps of a walk
    /// const WEARING: bool;                  // whether pulses are counted, because windows close
    /// const PULSES: u32;                    // plane of the history that has the numbers of pulses, see Memory
    /// const OWN_LIFE: bool;                 // whether each cell has a life of its own
    /// const LIFE: f32;                      // that of all cells, in pulses
    /// const SHORT: f32;                     // the most pulses that after_short_train makes at once
    /// const ONE_SIDED: bool;                // whether negative requests do nothing
    /// fn after_short_train(p: Parameters, s: f32, n: f32, z: f32) -> f32
    /// fn after_long_train(p: Parameters, s: f32, n: f32, z: f32) -> f32
    /// fn after_pulse(p: Parameters, s: f32, n: f32, z: f32) -> f32
    /// fn after_mean(p: Parameters, s: f32, n: f32) -> f32
    /// fn emptied(p: Parameters, level: f32, z: f32) -> f32    // after a reset
    /// fn read_out(p: Parameters, s: f32) -> f32          // position of the conductance
    /// fn rounded(m: f32, u: f32) -> f32     // a request as a whole number of pulses
    /// fn piece(n: f32, done: f32, length: f32) -> f32   // what is left of a count, at most length
    /// fn written(p: Parameters, mean: f32, deviation: f32, z: f32) -> f32
    /// fn trapped(x: f32, occupied: f32) -> f32          // position that a read finds
    /// fn cell_variance(x: f32, growth: f32) -> f32      // of a read, in squares of the window
    /// fn next_trap(before: f32, kept: f32, u: f32) -> f32
    /// fn lost(elapsed: f32, lifetime: f32) -> f32
    /// fn rounding(lost: f32, u: f32) -> f32
    /// fn relaxation(s: f32, rest: f32, lost: f32, u: f32) -> f32
    /// fn relaxed(p: Parameters, s: f32, rest: f32, lost: f32, u: f32) -> f32
    /// fn carried(added: f32, age: f32, next: f32) -> f32
    /// fn walked(origin: f32, wander: f32, age: f32, next: f32, elapsed: f32, z: f32) -> f32
    /// fn kept(origin: f32, age: f32, next: f32, z: f32) -> f32
    /// fn drifted(p: Parameters, origin: f32, wander: f32, age: f32, z: f32) -> f32
    /// fn held(p: Parameters, s: f32, pulses: f32, life: f32) -> f32
    /// ```
    pub functions: String,
    /// The numbers that differ from cell to cell: number `j` of cell `k` at `j · cells + k`. Where there are stuck cells, after them the
    /// position of each cell that is stuck, and `HEALTHY` for the others. Where cells relax by numbers of their own, after these the
    /// resting positions of all, and their lifetimes in seconds; where each has its own life, these; where cells are one-sided, last the
    /// position of each after a reset.
    pub parameters: Vec<f32>,
}

impl Cells {
    /// A cell's parameters on a tape: constants, or what the kernels read.
    pub(super) fn recorded<'t>(&self, tape: &'t Tape) -> Vec<Expr<'t>> {
        let own = self.varied_places();
        (0..self.width())
            .map(|index| match own.iter().position(|&i| i == index) {
                Some(place) => tape.input(&format!("p[{place}]")),
                None if self.is_empty() => Real::lit(0.0),
                None => Expr::Constant(self.single(0).parameters[index]),
            })
            .collect()
    }

    /// The physics of these cells for a graphics processor.
    pub fn shader(&self) -> Shader {
        let value = |cell: usize, index: usize| self.single(cell).parameters[index];
        let own = self.varied_places();
        let mut parameters: Vec<f32> = own
            .iter()
            .flat_map(|&index| (0..self.len()).map(move |cell| value(cell, index)))
            .collect();
        if !self.stuck().is_empty() {
            let positions = (0..self.len()).map(|k| self.stuck_at(k));
            parameters.extend(positions.map(|p| p.map_or(HEALTHY, |p| p as f32)));
        }
        if let Some(own) = self.own_retention() {
            parameters.extend(own.iter().map(|r| r.rest as f32));
            parameters.extend(own.iter().map(|r| r.lifetime as f32));
        }
        parameters.extend(self.lives().into_iter().flatten().map(|&life| life as f32));
        parameters.extend(self.reset_levels());

        let cell_noise = self.cell_noise().cloned().unwrap_or_default();
        let (drawn, telegraph) = (cell_noise.is_drawn(), cell_noise.telegraph());
        let trapped = telegraph.is_some();
        let short = 1_u32 << SHORT_DIGITS;
        let write_deviation = self.write_deviation();
        let noisy = self.is_noisy();
        let mut functions = format!(
            "\
const PARAMETERS: u32 = {}u;
alias Parameters = array<f32, {}>;
const SHORT: f32 = {short}.0f;
const CYCLE_NOISY: bool = {noisy};
const WRITE_NOISY: bool = {};
const READ_OUT: bool = {};
const WRITE_DEVIATION: f32 = {write_deviation:?}f;
const STUCK: bool = {};
const HEALTHY: f32 = {HEALTHY:?}f;
const CELL_NOISY: bool = {};
const TRAPPED: bool = {};
const NOISE_ROOM: u32 = {}u;
const OWN_RETENTION: bool = {};
const ONE_SIDED: bool = {};
{}",
            own.len(),
            own.len().max(1),
            self.write_noise() > 0.0,
            self.is_read_out(),
            !self.stuck().is_empty(),
            drawn,
            trapped,
            if drawn { 256 } else { 1 },
            self.own_retention().is_some(),
            self.is_one_sided(),
            self.aging_constants(),
        );
        if self.law().moves() {
            let stages = [
                ("motion_drive", StageKind::Drive, ""),
                ("motion_pace", StageKind::Pace, ""),
                (
                    "motion_onward",
                    StageKind::Onward,
                    ", d: vec4<f32>, time: f32, moved: f32",
                ),
                ("motion_arrival", StageKind::Arrival, ", z: f32, moved: f32"),
                ("motion_mean", StageKind::Mean, ", moved: f32"),
            ];
            for (name, kind, more) in stages {
                let tape = Tape::new();
                let p = self.recorded(&tape);
                let cell = self.with_parameters(&p);
                let results = self.law().record_motion(&cell, &Stage::new(&tape, kind));
                let arguments = format!("p: Parameters, s: f32, n: f32{more}");
                functions.push_str(&tape.function(name, &arguments, &results));
            }
            functions.push_str(MOTION);
        } else {
            self.record_changes(&mut functions);
        }

        let tape = Tape::new();
        let p = self.recorded(&tape);
        let seen = self.law().record_conductance(&p, tape.input("s"));
        let arguments = "p: Parameters, s: f32";
        functions.push_str(&tape.function("read_out", arguments, &[seen]));

        let tape = Tape::new();
        let [x, occupied] = ["x", "occupied"].map(|name| tape.input(name));
        let seen = cell_noise.seen(self.window(), x, occupied);
        functions.push_str(&tape.function("trapped", "x: f32, occupied: f32", &[seen]));
        let tape = Tape::new();
        let [x, growth] = ["x", "growth"].map(|name| tape.input(name));
        let variance = cell_noise.variance(self.window(), x, growth);
        functions.push_str(&tape.function("cell_variance", "x: f32, growth: f32", &[variance]));
        let tape = Tape::new();
        let [before, kept, u] = ["before", "kept", "u"].map(|name| tape.input(name));
        let next = telegraph.map_or(before, |t| t.next(before, kept, u));
        let arguments = "before: f32, kept: f32, u: f32";
        functions.push_str(&tape.function("next_trap", arguments, &[next]));
        let tape = Tape::new();
        let p = self.recorded(&tape);
        let [level, z] = ["level", "z"].map(|name| tape.input(name));
        let deviation = Real::lit(f64::from(self.reset_deviation()));
        let next = emptied(&self.with_parameters(&p), level, deviation, z);
        let arguments = "p: Parameters, level: f32, z: f32";
        functions.push_str(&tape.function("emptied", arguments, &[next]));

        let tape = Tape::new();
        let n = round_request(tape.input("m"), tape.input("u"));
        functions.push_str(&tape.function("rounded", "m: f32, u: f32", &[n]));
        let tape = Tape::new();
        let [n, done, length] = ["n", "done", "length"].map(|name| tape.input(name));
        let arguments = "n: f32, done: f32, length: f32";
        functions.push_str(&tape.function("piece", arguments, &[piece(n, done, length)]));
        let tape = Tape::new();
        let p = self.recorded(&tape);
        let [mean, deviation, z] = ["mean", "deviation", "z"].map(|name| tape.input(name));
        let zero = Expr::Constant(self.zero());
        let next = written(&self.with_parameters(&p), mean, deviation, z, zero);
        let arguments = "p: Parameters, mean: f32, deviation: f32, z: f32";
        functions.push_str(&tape.function("written", arguments, &[next]));
        let tape = Tape::new();
        let lifetimes = tape.input("elapsed") / tape.input("lifetime");
        let arguments = "elapsed: f32, lifetime: f32";
        functions.push_str(&tape.function("lost", arguments, &[lost(lifetimes)]));
        let tape = Tape::new();
        let u = rounding(tape.input("lost"), tape.input("u"));
        functions.push_str(&tape.function("rounding", "lost: f32, u: f32", &[u]));
        let tape = Tape::new();
        let [s, rest, lost, u] = ["s", "rest", "lost", "u"].map(|name| tape.input(name));
        let arguments = "s: f32, rest: f32, lost: f32, u: f32";
        let change = relaxation(s, rest, lost, u);
        functions.push_str(&tape.function("relaxation", arguments, &[change]));
        let tape = Tape::new();
        let p = self.recorded(&tape);
        // A sum in another order would round before the random number can.
        let change = tape.input("opaque(relaxation(s, rest, lost, u))");
        let next = relaxed(&self.with_parameters(&p), tape.input("s"), change);
        let arguments = format!("p: Parameters, {arguments}");
        functions.push_str(&tape.function("relaxed", &arguments, &[next]));
        self.record_aging(&mut functions);
        Shader {
            functions,
            parameters,
        }
    }

    /// Records what trains, pulses and expected updates do.
    fn record_changes(&self, functions: &mut String) {
        let mut record = |name: &str, change: Change| {
            let tape = Tape::new();
            let p = self.recorded(&tape);
            let cell = self.with_parameters(&p);
            let [s, n, z] = ["s", "n", "z"].map(|name| tape.input(name));
            let next = self.law().record(&cell, change, s, n, z);
            let z = if change == Change::Mean {
                ""
            } else {
                ", z: f32"
            };
            let arguments = format!("p: Parameters, s: f32, n: f32{z}");
            functions.push_str(&tape.function(name, &arguments, &[next]));
        };
        record(
            "after_short_train",
            Change::Train {
                digits: SHORT_DIGITS,
            },
        );
        record(
            "after_long_train",
            Change::Train {
                digits: SINGLE_DIGITS,
            },
        );
        record("after_pulse", Change::Pulse);
        record("after_mean", Change::Mean);
    }
}
