//! What a device law is: the mean change that one pulse makes, written once for every number.

use super::count::{Count, digits};
pub use super::cycle_noise::CycleNoise;
use super::expand::{SinglePulses, constants, expanded_train, step_jet};
#[cfg(doc)]
use super::kernel::Action;
use super::kernel::{self, Update};
use super::motion::{self, DRIVE, Parts};
use super::readout::{self, ReadOut};
use super::shader::{self, Stage};
use crate::number::{Expr, Jet, Real};

/// Places of the three parameters that every cell has, whatever its law.
pub const STEP: usize = 0;
/// Lower end of the cell's own window.
pub const LOWER: usize = 1;
/// Upper end of the cell's own window.
pub const UPPER: usize = 2;
/// Where a law's own parameters begin.
pub const OWN: usize = 3;
/// Up to so many parameters a law's loops keep short copies of them.
pub const FEW_PARAMETERS: usize = 16;
/// The most parameters that a cell may have.
pub const MOST_PARAMETERS: usize = 80;

/// One parameter of a law: what device files, errors and documentation say about it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Parameter {
    /// Key in the device file.
    pub name: &'static str,
    /// What the number is measured in.
    pub kind: Kind,
    /// Smallest allowed value.
    pub least: f64,
    /// Largest allowed value.
    pub most: f64,
    /// One sentence for people.
    pub meaning: &'static str,
}

/// What a law's parameter is measured in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A place in the window: a fraction (0 at `g-min`, 1 at `g-max`) or a conductance.
    Position,
    /// A change of conductance: a fraction of the window or a conductance.
    Change,
    /// A plain ratio.
    Ratio,
    /// A voltage.
    Voltage,
    /// A time.
    Time,
    /// A length.
    Length,
    /// A resistance.
    Resistance,
    /// An absolute temperature.
    Temperature,
    /// A nonlinearity label in files, the curvature that it stands for in a cell (see [`Exponential`](super::Exponential)).
    Label,
    /// One node of a curve over the window: files give all nodes of a name as one list, and all cells share them.
    Node,
    /// A number that follows from others when a file is read.
    Derived,
}

/// The parameters that every cell has, in the order of the parameter slice.
pub const COMMON: [Parameter; OWN] = [
    Parameter {
        name: "step",
        kind: Kind::Change,
        least: 0.0,
        most: 0.5,
        meaning: "nominal size of one pulse's change",
    },
    Parameter {
        name: "lower",
        kind: Kind::Position,
        least: -1.0,
        most: 2.0,
        meaning: "lower end of the cell's own window",
    },
    Parameter {
        name: "upper",
        kind: Kind::Position,
        least: -1.0,
        most: 2.0,
        meaning: "upper end of the cell's own window",
    },
];

/// One programming pulse.
#[derive(Debug, Clone, Copy)]
pub struct Pulse<R> {
    /// +1 potentiation, -1 depression.
    pub polarity: R,
    /// Equal parts that the pulse is followed in, by laws that move ([`Law::MOVES`]); known before any loop.
    pub parts: usize,
}

impl<R: Real> Pulse<R> {
    /// `up` for a potentiating pulse, `down` for a depressing one; both are evaluated.
    #[inline(always)]
    pub fn choose(&self, up: R, down: R) -> R {
        R::select_lt(R::lit(0.0), self.polarity, up, down)
    }
}

/// A device law: one set of functions, generic over the number that they compute with.
///
/// The state `s` is the position in the nominal window, 0 at `g_min` and 1 at `g_max`, unless [`Law::conductance`] says how it is
/// read. The slice `p`
/// holds the cell's `step`, `lower`, `upper` ([`COMMON`]) and then the law's own [`Law::PARAMETERS`].
/// Laws are branch-free: [`Real::select_lt`] on values instead of `if` on effects. Counting,
/// noise and hard bounds are written once around them.
pub trait Law: Send + Sync + Sized + 'static {
    /// Key of the law in device files.
    const NAME: &'static str;
    /// The law's own parameters, in the order of `p[OWN..]`.
    const PARAMETERS: &'static [Parameter];

    /// Whether the nominal `step` follows from the pulse and is not given: that of physical laws. It is the mean change over the
    /// window of the state.
    const DERIVES_STEP: bool = Self::MOVES;

    /// Whether pulses change the state at all. Where they do not, states are programmed, and the nominal step is 0.
    const PULSED: bool = true;

    /// Whether a pulse is a motion in time by [`Law::rate`], followed in parts: a train of such pulses, without noise, is one long pulse.
    /// The law's first own parameters are those of pulses, its last ones are ramps and parts; its step follows from these.
    const MOVES: bool = false;

    /// Mean change of the state by one pulse, signed. Every law says it but those that move, which follow [`Law::rate`] by this default;
    /// a law that neither says it nor moves does not compile.
    #[inline(always)]
    fn step<R: Real>(p: &[R], s: R, pulse: &Pulse<R>) -> R {
        const { assert!(Self::MOVES, "a law that does not move needs a step") };
        motion::moved::<Self, R>(p, s, pulse)
    }

    /// Variance of the change by one pulse that follows from the law itself and is added to that of [`CycleNoise`]; `None` for most laws.
    /// [`Law::train`] contains it.
    #[inline(always)]
    fn own_variance<R: Real>(_p: &[R], _s: R, _pulse: &Pulse<R>) -> Option<R> {
        None
    }

    /// What of a pulse that starts at state `s` does not change during it, for laws that move.
    #[inline(always)]
    fn drive<R: Real>(_p: &[R], _s: R, _pulse: &Pulse<R>) -> [R; DRIVE] {
        [R::lit(0.0); DRIVE]
    }

    /// Speed of the state in 1/s while a pulse of this drive lasts, for laws that move.
    #[inline(always)]
    fn rate<R: Real>(_p: &[R], _drive: &[R; DRIVE], _s: R, _pulse: &Pulse<R>) -> R {
        R::lit(0.0)
    }

    /// The conductance that a read finds at state `s`, as a position in the nominal window (0 at `g_min`, 1 at `g_max`). It rises
    /// with the state.
    ///
    /// By default the state is its own readout.
    #[inline(always)]
    fn conductance<R: Real>(_p: &[R], s: R) -> R {
        s
    }

    /// Mean and variance of the state after `n` equal pulses, where a closed form exists. One pulse must give what
    /// [`Law::step`] gives, to the bit.
    ///
    /// `None`, or noise that follows the state: they are taken from the derivatives of [`Law::step`] where these are accurate enough,
    /// else pulses are made one by one.
    #[inline(always)]
    fn train<R: Real>(
        _p: &[R],
        _s: R,
        _pulse: &Pulse<R>,
        _n: &Count<R>,
        _noise: &CycleNoise<R>,
    ) -> Option<(R, R)> {
        None
    }

    /// Mean change by one pulse with its first three derivatives in the state; its value is [`Law::step`] to the bit.
    ///
    /// Laws with many parameters, few of which matter at one state, choose these before they differentiate.
    #[inline(always)]
    fn jet<R: Real>(p: &[R], s: R, pulse: &Pulse<R>) -> Jet<R> {
        step_jet::<Self, R>(p, s, pulse)
    }

    /// States where the step or its slope jumps: how long an expanded train may be is tried there too. None for most laws.
    fn kinks(_p: &[f64]) -> Vec<f64> {
        Vec::new()
    }
}

/// The physics of one cell as the loops see it.
#[derive(Debug, Clone, Copy)]
pub struct Cell<'a, R> {
    /// Parameters: common ones first, then the law's own.
    pub parameters: &'a [R],
    /// Cycle-to-cycle noise.
    pub noise: CycleNoise<R>,
    /// Whether the state stops hard at the ends of the cell's window.
    pub hard_bounds: bool,
    /// Parts that pulses and trains are followed in, by laws that move.
    pub parts: Parts,
}

/// A law behind an object: whole slices of `f32`, the `f64` oracle, third-order jets.
///
/// Every [`Law`] is one, so a user's own law works like ours.
pub trait AnyLaw: Send + Sync {
    /// Key of the law in device files.
    fn name(&self) -> &'static str;
    /// The law's own parameters.
    fn parameters(&self) -> &'static [Parameter];
    /// Whether the nominal step follows from the pulse.
    fn derives_step(&self) -> bool;
    /// Whether pulses change the state.
    fn is_pulsed(&self) -> bool;
    /// Whether there is noise that follows from the law.
    fn has_own_noise(&self) -> bool;
    /// [`Law::own_variance`] at a state that depends on something; 0 for most laws.
    fn own_variance(&self, p: &[f64], s: Jet<f64>, polarity: f64) -> Jet<f64>;
    /// Whether a pulse is a motion in time.
    fn moves(&self) -> bool;
    /// State after `n` pulses (sign = polarity) that a law that moves follows as one, in these parts.
    fn long_pulse(&self, p: &[f64], s: f64, n: f64, parts: Parts) -> f64;
    /// Records one stage of a motion on the tape of its arguments.
    fn record_motion<'t>(&self, cell: &Cell<Expr<'t>>, stage: &Stage<'t>) -> Vec<Expr<'t>>;
    /// Whether `n` pulses have a closed form.
    fn has_train(&self) -> bool;
    /// States where the step or its slope jumps.
    fn kinks(&self, p: &[f64]) -> Vec<f64>;
    /// Makes an update of many lanes.
    fn update(&self, update: Update);
    /// `f64` oracle of [`Action::Pulses`]: `n` pulses at once with the standard normal `z`.
    fn oracle_many(&self, cell: &Cell<f64>, s: f64, n: f64, z: f64) -> f64;
    /// `f64` oracle of one pulse.
    fn oracle_one(&self, cell: &Cell<f64>, s: f64, n: f64, z: f64) -> f64;
    /// `f64` oracle of [`Action::Expected`].
    fn oracle_expected(&self, cell: &Cell<f64>, s: f64, n: f64) -> f64;
    /// Reads many states.
    fn read_out(&self, read: ReadOut);
    /// Records the readout of a state.
    fn record_conductance<'t>(&self, p: &[Expr<'t>], s: Expr<'t>) -> Expr<'t>;
    /// [`Law::conductance`].
    fn conductance(&self, p: &[f64], s: f64) -> f64;
    /// [`Law::conductance`] of a state that depends on something.
    fn conductance_jet(&self, p: &[f64], s: Jet<f64>) -> Jet<f64>;
    /// Mean change by one pulse at a state that depends on something.
    fn step_of(&self, p: &[f64], s: Jet<f64>, polarity: f64) -> Jet<f64>;
    /// Records the state after `change` on the tape of its arguments.
    fn record<'t>(
        &self,
        cell: &Cell<Expr<'t>>,
        change: shader::Change,
        s: Expr<'t>,
        n: Expr<'t>,
        z: Expr<'t>,
    ) -> Expr<'t>;
    /// Mean change by one pulse.
    fn step(&self, p: &[f64], s: f64, polarity: f64) -> f64;
    /// Mean change by one pulse, with its first three derivatives in the state.
    fn step_jet(&self, p: &[f64], s: f64, polarity: f64) -> Jet<f64>;
    /// Mean and variance of the state after `n` pulses; hard bounds are not applied.
    fn train(&self, cell: &Cell<f64>, s: f64, polarity: f64, n: u32) -> (f64, f64);
    /// Mean and variance of the state after `n` pulses from derivatives of the law, which is what [`AnyLaw::update`] uses where
    /// there is no closed form and the law does not move.
    fn expanded(
        &self,
        p: &[f64],
        noise: &CycleNoise<f64>,
        s: f64,
        polarity: f64,
        n: u32,
    ) -> (f64, f64);
}

/// Whether `n` pulses have a closed form.
#[inline(always)]
pub(super) fn has_train<L: Law>() -> bool {
    let p = [0.5; MOST_PARAMETERS];
    let quiet = CycleNoise::new(0.0, 0.0);
    let pulse = Pulse {
        polarity: 1.0,
        parts: 1,
    };
    L::train(&p, 0.5, &pulse, &Count::new(1.0, 0), &quiet).is_some()
}

/// Parts that a pulse on a cell with parameters `p` is followed in.
#[inline(always)]
pub(super) fn parts_in(moves: bool, p: &[f64]) -> usize {
    match p.last() {
        Some(parts) if moves => *parts as usize,
        _ => 1,
    }
}

/// A pulse on a cell with parameters `p`.
#[inline(always)]
fn pulse_on<L: Law, R: Real>(p: &[f64], polarity: R) -> Pulse<R> {
    let parts = match p.get(..OWN + L::PARAMETERS.len()) {
        Some(p) => parts_in(L::MOVES, p),
        None => 1,
    };
    Pulse { polarity, parts }
}

impl<L: Law> AnyLaw for L {
    fn name(&self) -> &'static str {
        L::NAME
    }

    fn parameters(&self) -> &'static [Parameter] {
        L::PARAMETERS
    }

    fn derives_step(&self) -> bool {
        L::DERIVES_STEP
    }

    fn is_pulsed(&self) -> bool {
        L::PULSED
    }

    fn has_own_noise(&self) -> bool {
        let pulse = Pulse {
            polarity: 1.0,
            parts: 1,
        };
        L::own_variance(&[0.5; MOST_PARAMETERS], 0.5, &pulse).is_some()
    }

    fn own_variance(&self, p: &[f64], s: Jet<f64>, polarity: f64) -> Jet<f64> {
        let pulse = pulse_on::<L, _>(p, Jet::constant(polarity));
        let p = constants::<L, f64, MOST_PARAMETERS>(p);
        L::own_variance(&p, s, &pulse).unwrap_or(Jet::constant(0.0))
    }

    fn moves(&self) -> bool {
        L::MOVES
    }

    fn long_pulse(&self, p: &[f64], s: f64, n: f64, parts: Parts) -> f64 {
        let cell = Cell {
            parameters: p,
            noise: CycleNoise::new(0.0, 0.0),
            hard_bounds: false,
            parts,
        };
        motion::train::<L, f64>(&cell, s, n).0
    }

    fn record_motion<'t>(&self, cell: &Cell<Expr<'t>>, stage: &Stage<'t>) -> Vec<Expr<'t>> {
        stage.record::<L>(cell)
    }

    fn has_train(&self) -> bool {
        has_train::<L>()
    }

    fn kinks(&self, p: &[f64]) -> Vec<f64> {
        L::kinks(p)
    }

    fn update(&self, update: Update) {
        kernel::update::<L>(update);
    }

    fn oracle_many(&self, cell: &Cell<f64>, s: f64, n: f64, z: f64) -> f64 {
        kernel::many_pulses::<L, f64>(cell, s, n, digits(n.abs() as u32), z)
    }

    fn oracle_one(&self, cell: &Cell<f64>, s: f64, n: f64, z: f64) -> f64 {
        kernel::one_pulse::<L, f64>(cell, s, n, z)
    }

    fn oracle_expected(&self, cell: &Cell<f64>, s: f64, n: f64) -> f64 {
        kernel::expected::<L, f64>(cell, s, n)
    }

    fn record<'t>(
        &self,
        cell: &Cell<Expr<'t>>,
        change: shader::Change,
        s: Expr<'t>,
        n: Expr<'t>,
        z: Expr<'t>,
    ) -> Expr<'t> {
        match change {
            shader::Change::Train { digits } => kernel::many_pulses::<L, _>(cell, s, n, digits, z),
            shader::Change::Pulse => kernel::one_pulse::<L, _>(cell, s, n, z),
            shader::Change::Mean => kernel::expected::<L, _>(cell, s, n),
        }
    }

    fn read_out(&self, read: ReadOut) {
        readout::read_out::<L>(read);
    }

    fn record_conductance<'t>(&self, p: &[Expr<'t>], s: Expr<'t>) -> Expr<'t> {
        L::conductance(p, s)
    }

    fn conductance(&self, p: &[f64], s: f64) -> f64 {
        L::conductance(p, s)
    }

    fn conductance_jet(&self, p: &[f64], s: Jet<f64>) -> Jet<f64> {
        L::conductance(&constants::<L, f64, MOST_PARAMETERS>(p), s)
    }

    fn step_of(&self, p: &[f64], s: Jet<f64>, polarity: f64) -> Jet<f64> {
        let polarity = Jet::constant(polarity);
        let pulse = pulse_on::<L, _>(p, polarity);
        L::step(&constants::<L, f64, MOST_PARAMETERS>(p), s, &pulse)
    }

    fn step(&self, p: &[f64], s: f64, polarity: f64) -> f64 {
        L::step(p, s, &pulse_on::<L, _>(p, polarity))
    }

    fn step_jet(&self, p: &[f64], s: f64, polarity: f64) -> Jet<f64> {
        L::jet(p, s, &pulse_on::<L, _>(p, polarity))
    }

    fn train(&self, cell: &Cell<f64>, s: f64, polarity: f64, n: u32) -> (f64, f64) {
        let Some(last) = n.checked_sub(1) else {
            return (s, 0.0);
        };
        let (p, count) = (cell.parameters, Count::new(f64::from(n), digits(n)));
        let pulse = pulse_on::<L, _>(p, polarity);
        let closed = || L::train(p, s, &pulse, &count, &cell.noise);
        if let Some(moments) = cell.noise.has_trains().then(closed).flatten() {
            return moments;
        }
        // No closed form: carry mean and variance pulse by pulse.
        SinglePulses::new(self, &cell.noise, p, s, polarity)
            .nth(last as usize)
            .unwrap_or((s, 0.0))
    }

    fn expanded(
        &self,
        p: &[f64],
        noise: &CycleNoise<f64>,
        s: f64,
        polarity: f64,
        n: u32,
    ) -> (f64, f64) {
        expanded_train::<L, f64>(p, s, &pulse_on::<L, _>(p, polarity), f64::from(n), noise)
    }
}
