//! The loops over cells that every law shares.

use std::marker::PhantomData;

use super::count::{Count, SINGLE_DIGITS, digits};
#[cfg(doc)]
use super::cycle_noise::CycleNoise;
use super::cycle_noise::Kinds;
use super::expand::expanded_train;
use super::law::{
    Cell, FEW_PARAMETERS, LOWER, Law, MOST_PARAMETERS, OWN, Pulse, STEP, UPPER, has_train,
};
use super::motion;
use crate::number::Real;

/// Lanes that a loop with parameters of their own takes at a time.
pub const TILE: usize = 64;

/// Parameters that differ from lane to lane.
#[derive(Debug, Clone, Copy)]
pub struct Own<'a> {
    /// Which parameters they are.
    pub places: &'a [usize],
    /// 64 lanes together, one parameter after the other, in whole tiles: lanes beyond the last have any numbers.
    pub tiles: &'a [f32],
    /// A tile of all parameters of one cell, for those that all lanes share.
    pub shared: &'a [f32],
}

/// What happens to the lanes of an [`Update`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// `counts[i]` pulses, at most `most`, drawn at once.
    Pulses {
        /// The largest count.
        most: u32,
    },
    /// The mean response to `counts[i]` pulses, any real number; nothing is drawn.
    Expected,
}

/// One update of many lanes, each a state of its own.
pub struct Update<'a> {
    /// Instructions to use: the results are the same with any.
    pub arch: pulp::Arch,
    /// What happens.
    pub action: Action,
    /// The cell of all lanes.
    pub cell: Cell<'a, f32>,
    /// Where lanes are different cells.
    pub own: Option<Own<'a>>,
    /// Positions in the window.
    pub states: &'a mut [f32],
    /// Signed counts.
    pub counts: &'a [f32],
    /// Standard normal numbers.
    pub normals: &'a [f32],
}

/// A pulse of the sign of `n`.
#[inline(always)]
fn pulse<R: Real>(cell: &Cell<R>, n: R) -> Pulse<R> {
    Pulse {
        polarity: n,
        parts: cell.parts.pulse,
    }
}

/// Mean and variance of the state after one pulse of the sign of `n`.
#[inline(always)]
fn single<L: Law, R: Real>(cell: &Cell<R>, s: R, n: R) -> (R, R) {
    let p = cell.parameters;
    let pulse = pulse(cell, n);
    let change = L::step(p, s, &pulse);
    let variance = cell.noise.variance(p[STEP], s, change, n);
    let variance = match L::own_variance(p, s, &pulse) {
        Some(own) => variance + own,
        None => variance,
    };
    (s + change, variance)
}

/// Mean and variance of the state after `|n|` pulses, at most `2^digits`, of the sign of `n`. Laws without a closed form, and
/// noise that has none, take the expanded one.
#[inline(always)]
fn several<L: Law, R: Real>(cell: &Cell<R>, s: R, n: R, digits: usize) -> (R, R) {
    if L::MOVES {
        return motion::train::<L, R>(cell, s, n);
    }
    let (p, noise, pulse) = (cell.parameters, &cell.noise, pulse(cell, n));
    let closed = if noise.has_trains() {
        L::train(p, s, &pulse, &Count::new(n.abs(), digits), noise)
    } else {
        None
    };
    match closed {
        Some(moments) => moments,
        None => expanded_train::<L, R>(p, s, &pulse, n.abs(), noise),
    }
}

/// The state between hard bounds, if it stops there.
#[inline(always)]
pub(super) fn bounded<R: Real>(hard: bool, bounds: [R; 2], s: R) -> R {
    if hard {
        s.max(bounds[0]).min(bounds[1])
    } else {
        s
    }
}

/// The state drawn from its moments by a standard normal `z`; without pulses the one that it was.
#[inline(always)]
pub(super) fn drawn<R: Real>(cell: &Cell<R>, s: R, n: R, (mean, variance): (R, R), z: R) -> R {
    let bounds = [cell.parameters[LOWER], cell.parameters[UPPER]];
    let next = bounded(cell.hard_bounds, bounds, variance.sqrt().mul_add(z, mean));
    R::select_lt(R::lit(0.0), n.abs(), next, s)
}

/// State after one pulse of the sign of `n` with standard normal `z`, where `n` is not zero.
#[inline(always)]
pub(super) fn one_pulse<L: Law, R: Real>(cell: &Cell<R>, s: R, n: R, z: R) -> R {
    drawn(cell, s, n, single::<L, R>(cell, s, n), z)
}

/// State after `n` pulses at once (sign = polarity), `|n|` at most `2^digits`, with one standard normal `z`: mean and variance
/// of the single pulses, shape Gaussian.
#[inline(always)]
pub(super) fn many_pulses<L: Law, R: Real>(cell: &Cell<R>, s: R, n: R, digits: usize, z: R) -> R {
    drawn(cell, s, n, several::<L, R>(cell, s, n, digits), z)
}

/// Mean and variance of the state after the *expected* update of `n` pulses, `n` any real number: the response linear in the
/// request, `U(w, Δ) = Δ F(w) - |Δ| G(w)` (Gokmen & Haensch 2020, <https://doi.org/10.3389/fnins.2020.00103>).
#[inline(always)]
fn linear<L: Law, R: Real>(cell: &Cell<R>, s: R, n: R) -> (R, R) {
    let change = L::step(cell.parameters, s, &pulse(cell, n));
    (n.abs().mul_add(change, s), R::lit(0.0))
}

/// State after the expected update of `n` pulses.
#[inline(always)]
pub(super) fn expected<L: Law, R: Real>(cell: &Cell<R>, s: R, n: R) -> R {
    drawn(cell, s, n, linear::<L, R>(cell, s, n), R::lit(0.0))
}

/// Mean and variance of the state of one lane. A trait and not a closure: closures are called, not inlined, in a vector loop.
trait Change {
    /// Parameters of a cell.
    const WIDTH: usize;
    /// Whether they are few.
    const FEW: bool = Self::WIDTH <= FEW_PARAMETERS;

    fn moments(cell: &Cell<f32>, s: f32, n: f32) -> (f32, f32);
}

/// Trains of at most `2^DIGITS` pulses with noise of one of the [`KnownNoise`].
struct Train<L, N, const DIGITS: usize>(PhantomData<(L, N)>);

impl<L: Law, N: KnownNoise, const DIGITS: usize> Change for Train<L, N, DIGITS> {
    const WIDTH: usize = OWN + L::PARAMETERS.len();

    #[inline(always)]
    fn moments(cell: &Cell<f32>, s: f32, n: f32) -> (f32, f32) {
        let noise = cell.noise.known(N::KINDS, N::FEEDBACK);
        let cell = Cell { noise, ..*cell };
        if DIGITS == 0 {
            single::<L, f32>(&cell, s, n)
        } else {
            several::<L, f32>(&cell, s, n, DIGITS)
        }
    }
}

/// Kinds of noise that loops are compiled for: inside a loop, the compiler would compute what is not there and throw it away.
trait KnownNoise {
    /// What there can be.
    const KINDS: Kinds;
    /// [`CycleNoise::feeds_back`], if it is known.
    const FEEDBACK: Option<bool>;
}

struct Additive;
struct Multiplicative;
struct FedBack;
struct Both;
struct Affine;

impl KnownNoise for Additive {
    const KINDS: Kinds = Kinds::plain(true, false);
    const FEEDBACK: Option<bool> = None;
}

impl KnownNoise for Multiplicative {
    const KINDS: Kinds = Kinds::plain(false, true);
    const FEEDBACK: Option<bool> = Some(false);
}

impl KnownNoise for FedBack {
    const KINDS: Kinds = Kinds::plain(false, true);
    const FEEDBACK: Option<bool> = Some(true);
}

impl KnownNoise for Both {
    const KINDS: Kinds = Kinds::plain(true, true);
    const FEEDBACK: Option<bool> = None;
}

impl KnownNoise for Affine {
    const KINDS: Kinds = Kinds::AFFINE;
    const FEEDBACK: Option<bool> = Some(true);
}

struct Mean<L>(PhantomData<L>);

impl<L: Law> Change for Mean<L> {
    const WIDTH: usize = OWN + L::PARAMETERS.len();

    #[inline(always)]
    fn moments(cell: &Cell<f32>, s: f32, n: f32) -> (f32, f32) {
        linear::<L, f32>(cell, s, n)
    }
}

/// Makes an update with the shortest loop that holds its counts and its noise.
#[inline]
pub(super) fn update<L: Law>(update: Update) {
    if !L::PULSED {
        return;
    }
    if L::MOVES {
        return motion::update::<L>(update);
    }
    let noise = update.cell.noise;
    match update.action {
        Action::Expected => run::<Mean<L>>(update),
        Action::Pulses { most } if noise.is_affine() => trains::<L, Affine>(update, most),
        // Tables outweigh what unknown noise costs: one loop is enough.
        Action::Pulses { most } if const { OWN + L::PARAMETERS.len() > FEW_PARAMETERS } => {
            trains::<L, Both>(update, most);
        }
        Action::Pulses { most } => match [noise.kinds().additive, noise.kinds().multiplicative] {
            [_, false] => trains::<L, Additive>(update, most),
            [false, true] if !noise.feeds_back() => trains::<L, Multiplicative>(update, most),
            [false, true] => trains::<L, FedBack>(update, most),
            [true, true] => trains::<L, Both>(update, most),
        },
    }
}

fn trains<L: Law, N: KnownNoise>(update: Update, most: u32) {
    match digits(most) {
        0 => run::<Train<L, N, 0>>(update),
        // Expanded trains do not count digits.
        _ if !has_train::<L>() || N::KINDS.affine => run::<Train<L, N, 1>>(update),
        1..=3 => run::<Train<L, N, 3>>(update),
        4 => run::<Train<L, N, 4>>(update),
        5 => run::<Train<L, N, 5>>(update),
        _ => run::<Train<L, N, SINGLE_DIGITS>>(update),
    }
}

fn run<C: Change>(update: Update) {
    if C::FEW {
        sized::<C, FEW_PARAMETERS>(update);
    } else {
        sized::<C, MOST_PARAMETERS>(update);
    }
}

/// With room for `SIZE` parameters.
fn sized<C: Change, const SIZE: usize>(update: Update) {
    let arch = update.arch;
    match update.own {
        None => arch.dispatch(Same::<C, SIZE>(update, PhantomData)),
        Some(own) => arch.dispatch(Different::<C, SIZE>(update, own, PhantomData)),
    }
}

/// A loop over lanes that are copies of one cell, compiled for several processors.
struct Same<'a, C, const SIZE: usize>(Update<'a>, PhantomData<C>);

impl<C: Change, const SIZE: usize> pulp::WithSimd for Same<'_, C, SIZE> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _simd: S) {
        let update = self.0;
        // A copy that no store to the states can change: without it the loop would reload the parameters and stay scalar.
        let parameters = filled::<SIZE>(update.cell.parameters);
        let cell = Cell {
            parameters: &parameters,
            ..update.cell
        };
        let states = update.states.chunks_mut(TILE);
        let counts = update.counts.chunks(TILE);
        for ((states, counts), normals) in states.zip(counts).zip(update.normals.chunks(TILE)) {
            // Apart from the states, as in `tile`.
            let mut next = [0.0; TILE];
            let lanes = states.iter().zip(counts).zip(normals);
            for (next, ((&s, &n), &z)) in next.iter_mut().zip(lanes) {
                *next = drawn(&cell, s, n, C::moments(&cell, s, n), z);
            }
            states.copy_from_slice(&next[..states.len()]);
        }
    }
}

/// Parameters on the stack.
#[inline(always)]
pub(super) fn filled<const SIZE: usize>(given: &[f32]) -> [f32; SIZE] {
    let mut parameters = [0.0; SIZE];
    for (own, given) in parameters.iter_mut().zip(given) {
        *own = *given;
    }
    parameters
}

/// A loop over lanes that are different cells, compiled for several processors.
struct Different<'a, C, const SIZE: usize>(Update<'a>, Own<'a>, PhantomData<C>);

/// The parameters of a tile, one plane a parameter.
pub(super) type Planes<'a, const SIZE: usize> = [&'a [f32; TILE]; SIZE];

impl<C: Change, const SIZE: usize> pulp::WithSimd for Different<'_, C, SIZE> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _simd: S) {
        let (update, own) = (self.0, self.1);
        let cell = update.cell;
        let (states, last_states) = update.states.as_chunks_mut::<TILE>();
        let (counts, last_counts) = update.counts.as_chunks::<TILE>();
        let (normals, last_normals) = update.normals.as_chunks::<TILE>();
        let mut tiles = own.tiles.as_chunks().0.chunks_exact(own.places.len());
        let lanes = states.iter_mut().zip(counts).zip(normals);
        for (((states, counts), normals), own_planes) in lanes.zip(&mut tiles) {
            let planes = planes(&own, own_planes);
            tile::<C, SIZE>(&cell, &planes, states, counts, normals);
        }
        let Some(own_planes) = tiles.next().filter(|_| !last_states.is_empty()) else {
            return;
        };
        // The last lanes in a tile whose other lanes get no pulse.
        let lanes = last_states.len();
        let mut last = [[0.0; TILE]; 3];
        let [states, counts, normals] = &mut last;
        states[..lanes].copy_from_slice(last_states);
        counts[..lanes].copy_from_slice(&last_counts[..lanes]);
        normals[..lanes].copy_from_slice(&last_normals[..lanes]);
        let planes = planes(&own, own_planes);
        tile::<C, SIZE>(&cell, &planes, states, counts, normals);
        last_states.copy_from_slice(&states[..lanes]);
    }
}

/// Parameters that a law does not have.
static NOTHING: [f32; TILE] = [0.0; TILE];

/// Shared parameters, and a tile's own at their places.
#[inline(always)]
pub(super) fn planes<'a, const SIZE: usize>(
    own: &Own<'a>,
    tile: &'a [[f32; TILE]],
) -> Planes<'a, SIZE> {
    let mut planes = [&NOTHING; SIZE];
    for (plane, shared) in planes.iter_mut().zip(own.shared.as_chunks().0) {
        *plane = shared;
    }
    for (plane, &place) in tile.iter().zip(own.places) {
        planes[place] = plane;
    }
    planes
}

#[inline(always)]
fn tile<C: Change, const SIZE: usize>(
    cell: &Cell<f32>,
    planes: &Planes<SIZE>,
    states: &mut [f32; TILE],
    counts: &[f32; TILE],
    normals: &[f32; TILE],
) {
    // Two loops: the shorter a chain of results that wait for each other, the more of them a processor works on at once.
    let mut means = [0.0; TILE];
    let mut variances = [0.0; TILE];
    for i in 0..TILE {
        let mut parameters = [0.0; SIZE];
        for (k, p) in parameters.iter_mut().enumerate() {
            if k < C::WIDTH {
                *p = planes[k][i];
            }
        }
        let cell = Cell {
            parameters: &parameters,
            ..*cell
        };
        (means[i], variances[i]) = C::moments(&cell, states[i], counts[i]);
    }
    for i in 0..TILE {
        let mut parameters = [0.0; SIZE];
        parameters[LOWER] = planes[LOWER][i];
        parameters[UPPER] = planes[UPPER][i];
        let cell = Cell {
            parameters: &parameters,
            ..*cell
        };
        let moments = (means[i], variances[i]);
        means[i] = drawn(&cell, states[i], counts[i], moments, normals[i]);
    }
    // Apart: a state that is written only where there was a pulse becomes a masked store, dozens of operations on some processors.
    *states = means;
}
