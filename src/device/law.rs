//! What a device law is: the mean change that one pulse makes, written once for every number.

use std::marker::PhantomData;

use super::shader;
use crate::number::{Expr, Jet, Real};

/// Places of the three parameters that every cell has, whatever its law.
pub const STEP: usize = 0;
/// Lower end of the cell's own window.
pub const LOWER: usize = 1;
/// Upper end of the cell's own window.
pub const UPPER: usize = 2;
/// Where a law's own parameters begin.
pub const OWN: usize = 3;
/// The most parameters that a cell may have.
pub const MOST_PARAMETERS: usize = 16;

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
}

impl<R: Real> Pulse<R> {
    /// `up` for a potentiating pulse, `down` for a depressing one; both are evaluated.
    #[inline(always)]
    pub fn choose(&self, up: R, down: R) -> R {
        R::select_lt(R::lit(0.0), self.polarity, up, down)
    }
}

/// Cycle-to-cycle noise: each pulse misses its mean change by a Gaussian of variance
/// `(additive · step)² + (multiplicative · change)²`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CycleNoise<R> {
    additive: R,
    multiplicative: R,
    /// Which kinds there are: known before any loop, so that loops leave out what is not there.
    kinds: [bool; 2],
}

impl<R: Real> CycleNoise<R> {
    /// `additive`: standard deviation relative to the cell's nominal step, the same everywhere in the window.
    /// `multiplicative`: relative to the mean change at the present state.
    pub fn new(additive: f64, multiplicative: f64) -> Self {
        Self {
            additive: R::lit(additive),
            multiplicative: R::lit(multiplicative),
            kinds: [additive != 0.0, multiplicative != 0.0],
        }
    }

    /// Standard deviation relative to the nominal step.
    #[inline(always)]
    pub fn additive(&self) -> R {
        self.additive
    }

    /// Standard deviation relative to the mean change.
    #[inline(always)]
    pub fn multiplicative(&self) -> R {
        self.multiplicative
    }

    /// Variances of the additive and the multiplicative kind; each is computed only where it exists.
    #[inline(always)]
    pub fn sum(&self, additive: impl FnOnce() -> R, multiplicative: impl FnOnce() -> R) -> R {
        match self.kinds {
            [false, false] => R::lit(0.0),
            [true, false] => additive(),
            [false, true] => multiplicative(),
            [true, true] => additive() + multiplicative(),
        }
    }

    /// Variance of one pulse's change whose mean is `change`, for a cell of nominal step `step`.
    #[inline(always)]
    pub fn variance(&self, step: R, change: R) -> R {
        self.sum(
            #[inline(always)]
            || (self.additive * step).square(),
            #[inline(always)]
            || (self.multiplicative * change).square(),
        )
    }
}

/// A device law: one set of functions, generic over the number that they compute with.
///
/// The state `s` is the position in the nominal window, 0 at `g_min` and 1 at `g_max`. The slice `p`
/// holds the cell's `step`, `lower`, `upper` ([`COMMON`]) and then the law's own [`Law::PARAMETERS`].
/// Laws are branch-free: [`Real::select_lt`] on values instead of `if` on effects. Counting,
/// noise and hard bounds are written once around them.
pub trait Law: Send + Sync + 'static {
    /// Key of the law in device files.
    const NAME: &'static str;
    /// The law's own parameters, in the order of `p[OWN..]`.
    const PARAMETERS: &'static [Parameter];

    /// Mean change of the state by one pulse, signed.
    fn step<R: Real>(p: &[R], s: R, pulse: &Pulse<R>) -> R;

    /// Mean and variance of the state after `n` equal pulses, where a closed form exists.
    /// `None`: the pulses are made one by one.
    #[inline(always)]
    fn train<R: Real>(
        _p: &[R],
        _s: R,
        _pulse: &Pulse<R>,
        _n: R,
        _noise: &CycleNoise<R>,
    ) -> Option<(R, R)> {
        None
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
}

impl<R: Real> Cell<'_, R> {
    #[inline(always)]
    fn bound(&self, s: R) -> R {
        if self.hard_bounds {
            s.max(self.parameters[LOWER]).min(self.parameters[UPPER])
        } else {
            s
        }
    }
}

/// State after one pulse of the sign of `n` with standard normal `z`, where `n` is not zero.
#[inline(always)]
pub fn one_pulse<L: Law, R: Real>(cell: &Cell<R>, s: R, n: R, z: R) -> R {
    let p = cell.parameters;
    let pulse = Pulse { polarity: n };
    let change = L::step(p, s, &pulse);
    let next = cell.bound(s + change + cell.noise.variance(p[STEP], change).sqrt() * z);
    R::select_lt(R::lit(0.0), n.abs(), next, s)
}

/// State after `n` pulses at once (sign = polarity) with one standard normal `z`:
/// mean exact, variance right, shape Gaussian. Only for laws with a closed-form [`Law::train`].
#[inline(always)]
fn many_pulses<L: Law, R: Real>(cell: &Cell<R>, s: R, n: R, z: R) -> R {
    let pulse = Pulse { polarity: n };
    let next = match L::train(cell.parameters, s, &pulse, n.abs(), &cell.noise) {
        Some((mean, variance)) => cell.bound(mean + variance.sqrt() * z),
        None => s,
    };
    R::select_lt(R::lit(0.0), n.abs(), next, s)
}

/// State after the *expected* update of `n` pulses, `n` any real number: the response linear in the request,
/// `U(w, Δ) = Δ F(w) - |Δ| G(w)` (Gokmen & Haensch 2020, <https://doi.org/10.3389/fnins.2020.00103>).
#[inline(always)]
fn expected<L: Law, R: Real>(cell: &Cell<R>, s: R, n: R) -> R {
    let pulse = Pulse { polarity: n };
    cell.bound(s + n.abs() * L::step(cell.parameters, s, &pulse))
}

/// A law behind an object: whole slices of `f32`, the `f64` oracle, third-order jets.
///
/// Every [`Law`] is one, so a user's own law works like ours.
pub trait AnyLaw: Send + Sync {
    /// Key of the law in device files.
    fn name(&self) -> &'static str;
    /// The law's own parameters.
    fn parameters(&self) -> &'static [Parameter];
    /// Whether `n` pulses have a closed form.
    fn has_train(&self) -> bool;
    /// Applies `counts[i]` pulses at once to `states[i]` with the standard normal `normals[i]`; all lanes are copies of one
    /// cell. Only where [`AnyLaw::has_train`]: a law without a closed form keeps its state.
    fn pulse_many(&self, cell: &Cell<f32>, states: &mut [f32], counts: &[f32], normals: &[f32]);
    /// Applies one pulse to every lane with `|counts[i]| > done`.
    fn pulse_one(
        &self,
        cell: &Cell<f32>,
        states: &mut [f32],
        counts: &[f32],
        done: f32,
        normals: &[f32],
    );
    /// Applies the expected update of `requests[i]` pulses.
    fn pulse_expected(&self, cell: &Cell<f32>, states: &mut [f32], requests: &[f32]);
    /// `f64` oracle of [`AnyLaw::pulse_many`]; like it, only for laws with a closed form (others keep the state).
    fn oracle_many(&self, cell: &Cell<f64>, s: f64, n: f64, z: f64) -> f64;
    /// `f64` oracle of one pulse.
    fn oracle_one(&self, cell: &Cell<f64>, s: f64, n: f64, z: f64) -> f64;
    /// `f64` oracle of [`AnyLaw::pulse_expected`].
    fn oracle_expected(&self, cell: &Cell<f64>, s: f64, n: f64) -> f64;
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
    fn step_jet(&self, p: &[f64], s: f64, polarity: f64) -> Jet;
    /// Mean and variance of the state after `n` pulses; hard bounds are not applied.
    fn train(&self, cell: &Cell<f64>, s: f64, polarity: f64, n: u32) -> (f64, f64);
}

/// The largest parameter slice, as jets that do not vary.
fn constants(p: &[f64]) -> [Jet; MOST_PARAMETERS] {
    std::array::from_fn(|k| Jet::lit(p.get(k).copied().unwrap_or(0.0)))
}

/// A loop over lanes that `pulp` compiles for the processor features found at run time.
struct Lanes<'a, C> {
    cell: &'a Cell<'a, f32>,
    change: C,
    states: &'a mut [f32],
    counts: &'a [f32],
    normals: &'a [f32],
}

/// What happens to one lane. A trait and not a closure: closures are called, not inlined, in a vector loop.
trait Change {
    fn change(&self, cell: &Cell<f32>, s: f32, n: f32, z: f32) -> f32;
}

struct Many<L>(PhantomData<L>);

impl<L: Law> Change for Many<L> {
    #[inline(always)]
    fn change(&self, cell: &Cell<f32>, s: f32, n: f32, z: f32) -> f32 {
        many_pulses::<L, f32>(cell, s, n, z)
    }
}

struct One<L> {
    law: PhantomData<L>,
    done: f32,
}

impl<L: Law> Change for One<L> {
    #[inline(always)]
    fn change(&self, cell: &Cell<f32>, s: f32, n: f32, z: f32) -> f32 {
        let n = f32::select_lt(self.done, n.abs(), n, 0.0);
        one_pulse::<L, f32>(cell, s, n, z)
    }
}

struct Mean<L>(PhantomData<L>);

impl<L: Law> Change for Mean<L> {
    #[inline(always)]
    fn change(&self, cell: &Cell<f32>, s: f32, n: f32, _z: f32) -> f32 {
        expected::<L, f32>(cell, s, n)
    }
}

impl<C: Change> pulp::WithSimd for Lanes<'_, C> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _simd: S) {
        // A copy that no store to the states can change: without it the loop would reload the parameters and stay scalar.
        let mut parameters = [0.0; MOST_PARAMETERS];
        for (own, given) in parameters.iter_mut().zip(self.cell.parameters) {
            *own = *given;
        }
        let cell = Cell {
            parameters: &parameters,
            ..*self.cell
        };
        let (change, counts, normals) = (self.change, self.counts, self.normals);
        for ((s, &n), &z) in self.states.iter_mut().zip(counts).zip(normals) {
            *s = change.change(&cell, *s, n, z);
        }
    }
}

impl<L: Law> AnyLaw for L {
    fn name(&self) -> &'static str {
        L::NAME
    }

    fn parameters(&self) -> &'static [Parameter] {
        L::PARAMETERS
    }

    fn has_train(&self) -> bool {
        let p = [0.5; MOST_PARAMETERS];
        let quiet = CycleNoise::new(0.0, 0.0);
        L::train(&p, 0.5, &Pulse { polarity: 1.0 }, 1.0, &quiet).is_some()
    }

    fn pulse_many(&self, cell: &Cell<f32>, states: &mut [f32], counts: &[f32], normals: &[f32]) {
        pulp::Arch::new().dispatch(Lanes {
            cell,
            change: Many::<L>(PhantomData),
            states,
            counts,
            normals,
        });
    }

    fn pulse_one(
        &self,
        cell: &Cell<f32>,
        states: &mut [f32],
        counts: &[f32],
        done: f32,
        normals: &[f32],
    ) {
        pulp::Arch::new().dispatch(Lanes {
            cell,
            change: One::<L> {
                law: PhantomData,
                done,
            },
            states,
            counts,
            normals,
        });
    }

    fn pulse_expected(&self, cell: &Cell<f32>, states: &mut [f32], requests: &[f32]) {
        pulp::Arch::new().dispatch(Lanes {
            cell,
            change: Mean::<L>(PhantomData),
            states,
            counts: requests,
            normals: requests,
        });
    }

    fn oracle_many(&self, cell: &Cell<f64>, s: f64, n: f64, z: f64) -> f64 {
        many_pulses::<L, f64>(cell, s, n, z)
    }

    fn oracle_one(&self, cell: &Cell<f64>, s: f64, n: f64, z: f64) -> f64 {
        one_pulse::<L, f64>(cell, s, n, z)
    }

    fn oracle_expected(&self, cell: &Cell<f64>, s: f64, n: f64) -> f64 {
        expected::<L, f64>(cell, s, n)
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
            shader::Change::Train => many_pulses::<L, _>(cell, s, n, z),
            shader::Change::Pulse => one_pulse::<L, _>(cell, s, n, z),
            shader::Change::Mean => expected::<L, _>(cell, s, n),
        }
    }

    fn step(&self, p: &[f64], s: f64, polarity: f64) -> f64 {
        L::step(p, s, &Pulse { polarity })
    }

    fn step_jet(&self, p: &[f64], s: f64, polarity: f64) -> Jet {
        let pulse = Pulse {
            polarity: Jet::lit(polarity),
        };
        L::step(&constants(p), crate::number::variable(s), &pulse)
    }

    fn train(&self, cell: &Cell<f64>, s: f64, polarity: f64, n: u32) -> (f64, f64) {
        let (p, pulse) = (cell.parameters, Pulse { polarity });
        if let Some(moments) = L::train(p, s, &pulse, f64::from(n), &cell.noise) {
            return moments;
        }
        // No closed form: carry mean and variance pulse by pulse, the law expanded to second order.
        let (mut mean, mut variance) = (s, 0.0);
        for _ in 0..n {
            let jet = self.step_jet(p, mean, polarity);
            let change = jet.re + 0.5 * jet.v2 * variance;
            let spread = cell.noise.variance(p[STEP], jet.re);
            mean += change;
            variance = variance * (1.0 + jet.v1).powi(2) + spread;
        }
        (mean, variance)
    }
}
