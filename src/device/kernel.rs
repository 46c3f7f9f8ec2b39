//! The loops over cells that every law shares.

use std::marker::PhantomData;

use super::count::{Count, digits};
use super::expand::expanded_train;
use super::law::{Cell, Law, MOST_PARAMETERS, OWN, Pulse, STEP};
use crate::number::Real;

/// Lanes that a loop with parameters of their own takes at a time.
const TILE: usize = 64;

/// Parameters that differ from lane to lane; all others are those of the update's cell.
#[derive(Debug, Clone, Copy)]
pub struct Own<'a> {
    /// Which parameters they are.
    pub places: &'a [usize],
    /// Lane by lane, `width` numbers each: first one for each of `places`, then any numbers.
    pub rows: &'a [f32],
    /// 4, 8 or 16.
    pub width: usize,
}

/// What happens to the lanes of an [`Update`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// `counts[i]` pulses, at most `most`, drawn at once.
    Pulses {
        /// The largest count.
        most: u32,
    },
    /// The mean response to `counts[i]` pulses, any real number; normals are not used.
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

/// State after one pulse of the sign of `n` with standard normal `z`, where `n` is not zero.
#[inline(always)]
pub(super) fn one_pulse<L: Law, R: Real>(cell: &Cell<R>, s: R, n: R, z: R) -> R {
    let p = cell.parameters;
    let pulse = Pulse { polarity: n };
    let change = L::step(p, s, &pulse);
    let next = cell.bound(s + change + cell.noise.variance(p[STEP], change).sqrt() * z);
    R::select_lt(R::lit(0.0), n.abs(), next, s)
}

/// State after `n` pulses at once (sign = polarity), `|n|` at most `2^digits`, with one standard normal `z`: mean and variance
/// of the single pulses, shape Gaussian. Laws without a closed form take the expanded one.
#[inline(always)]
pub(super) fn many_pulses<L: Law, R: Real>(cell: &Cell<R>, s: R, n: R, digits: usize, z: R) -> R {
    let pulse = Pulse { polarity: n };
    let count = Count::new(n.abs(), digits);
    let (mean, variance) = match L::train(cell.parameters, s, &pulse, &count, &cell.noise) {
        Some(moments) => moments,
        None => expanded_train::<L, R>(cell.parameters, s, &pulse, n.abs(), &cell.noise),
    };
    let next = cell.bound(mean + variance.sqrt() * z);
    R::select_lt(R::lit(0.0), n.abs(), next, s)
}

/// State after the *expected* update of `n` pulses, `n` any real number: the response linear in the request,
/// `U(w, Δ) = Δ F(w) - |Δ| G(w)` (Gokmen & Haensch 2020, <https://doi.org/10.3389/fnins.2020.00103>).
#[inline(always)]
pub(super) fn expected<L: Law, R: Real>(cell: &Cell<R>, s: R, n: R) -> R {
    let pulse = Pulse { polarity: n };
    cell.bound(s + n.abs() * L::step(cell.parameters, s, &pulse))
}

/// What happens to one lane. A trait and not a closure: closures are called, not inlined, in a vector loop.
trait Change {
    /// Parameters of a cell.
    const WIDTH: usize;

    fn change(cell: &Cell<f32>, s: f32, n: f32, z: f32) -> f32;
}

/// Trains of at most `2^DIGITS` pulses.
struct Train<L, const DIGITS: usize>(PhantomData<L>);

impl<L: Law, const DIGITS: usize> Change for Train<L, DIGITS> {
    const WIDTH: usize = OWN + L::PARAMETERS.len();

    #[inline(always)]
    fn change(cell: &Cell<f32>, s: f32, n: f32, z: f32) -> f32 {
        if DIGITS == 0 {
            one_pulse::<L, f32>(cell, s, n, z)
        } else {
            many_pulses::<L, f32>(cell, s, n, DIGITS, z)
        }
    }
}

struct Mean<L>(PhantomData<L>);

impl<L: Law> Change for Mean<L> {
    const WIDTH: usize = OWN + L::PARAMETERS.len();

    #[inline(always)]
    fn change(cell: &Cell<f32>, s: f32, n: f32, _z: f32) -> f32 {
        expected::<L, f32>(cell, s, n)
    }
}

/// Makes an update with the shortest loop that holds its counts.
#[inline]
pub(super) fn update<L: Law>(update: Update) {
    match update.action {
        Action::Expected => run::<Mean<L>>(update),
        Action::Pulses { most } => match digits(most) {
            0 => run::<Train<L, 0>>(update),
            1..=3 => run::<Train<L, 3>>(update),
            4..=5 => run::<Train<L, 5>>(update),
            // Counts are whole numbers of single precision.
            _ => run::<Train<L, 24>>(update),
        },
    }
}

fn run<C: Change>(update: Update) {
    let arch = update.arch;
    match update.own {
        None => arch.dispatch(Same::<C>(update, PhantomData)),
        Some(own) => arch.dispatch(Different::<C>(update, own, PhantomData)),
    }
}

/// A loop over lanes that are copies of one cell, compiled for several processors.
struct Same<'a, C>(Update<'a>, PhantomData<C>);

impl<C: Change> pulp::WithSimd for Same<'_, C> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _simd: S) {
        let update = self.0;
        // A copy that no store to the states can change: without it the loop would reload the parameters and stay scalar.
        let parameters = filled(update.cell.parameters);
        let cell = Cell {
            parameters: &parameters,
            ..update.cell
        };
        let lanes = update.states.iter_mut().zip(update.counts);
        for ((s, &n), &z) in lanes.zip(update.normals) {
            *s = C::change(&cell, *s, n, z);
        }
    }
}

/// Parameters on the stack.
#[inline(always)]
fn filled(given: &[f32]) -> [f32; MOST_PARAMETERS] {
    let mut parameters = [0.0; MOST_PARAMETERS];
    for (own, given) in parameters.iter_mut().zip(given) {
        *own = *given;
    }
    parameters
}

/// A loop over lanes that are different cells, compiled for several processors.
struct Different<'a, C>(Update<'a>, Own<'a>, PhantomData<C>);

impl<C: Change> pulp::WithSimd for Different<'_, C> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _simd: S) {
        let (update, own) = (self.0, self.1);
        let shared = filled(update.cell.parameters);
        let mut planes = shared.map(|p| [p; TILE]);
        let cell = update.cell;
        let (states, rest) = update.states.as_chunks_mut::<TILE>();
        let (counts, more_counts) = update.counts.as_chunks::<TILE>();
        let (normals, more_normals) = update.normals.as_chunks::<TILE>();
        let mut rows = own.rows.chunks_exact(TILE * own.width);
        let tiles = states.iter_mut().zip(counts).zip(normals);
        for (((states, counts), normals), rows) in tiles.zip(&mut rows) {
            unpack(&own, rows, &mut planes);
            tile::<C>(&cell, &planes, states, counts, normals);
        }
        if rest.is_empty() {
            return;
        }
        // The last lanes in a tile whose other lanes get no pulse.
        let lanes = rest.len();
        let mut last = [[0.0; TILE]; 3];
        let [states, counts, normals] = &mut last;
        states[..lanes].copy_from_slice(rest);
        counts[..lanes].copy_from_slice(&more_counts[..lanes]);
        if !more_normals.is_empty() {
            normals[..lanes].copy_from_slice(&more_normals[..lanes]);
        }
        let mut padded = [0.0; TILE * MOST_PARAMETERS];
        for row in padded.chunks_exact_mut(own.width).take(TILE) {
            for (value, &place) in row.iter_mut().zip(own.places) {
                *value = shared[place];
            }
        }
        let given = &own.rows[(update.counts.len() - lanes) * own.width..][..lanes * own.width];
        padded[..given.len()].copy_from_slice(given);
        unpack(&own, &padded[..TILE * own.width], &mut planes);
        tile::<C>(&cell, &planes, states, counts, normals);
        rest.copy_from_slice(&states[..lanes]);
    }
}

/// The parameters of a tile, lane by lane, as one plane a parameter.
#[inline(always)]
fn unpack(own: &Own, rows: &[f32], planes: &mut [[f32; TILE]; MOST_PARAMETERS]) {
    match own.width {
        4 => transpose::<4>(own.places, rows, planes),
        8 => transpose::<8>(own.places, rows, planes),
        _ => transpose::<16>(own.places, rows, planes),
    }
}

#[inline(always)]
fn transpose<const WIDTH: usize>(
    places: &[usize],
    rows: &[f32],
    planes: &mut [[f32; TILE]; MOST_PARAMETERS],
) {
    let rows: &[[f32; WIDTH]] = rows.as_chunks().0;
    let Some(rows) = rows.first_chunk::<TILE>() else {
        return;
    };
    for (group, places) in places.chunks(4).enumerate() {
        // Four columns together: loads of four numbers that shuffles turn.
        let mut four = [[0.0; TILE]; 4];
        for i in 0..TILE {
            four[0][i] = rows[i][4 * group];
            four[1][i] = rows[i][4 * group + 1];
            four[2][i] = rows[i][4 * group + 2];
            four[3][i] = rows[i][4 * group + 3];
        }
        for (plane, &place) in four.iter().zip(places) {
            planes[place] = *plane;
        }
    }
}

#[inline(always)]
fn tile<C: Change>(
    cell: &Cell<f32>,
    planes: &[[f32; TILE]; MOST_PARAMETERS],
    states: &mut [f32; TILE],
    counts: &[f32; TILE],
    normals: &[f32; TILE],
) {
    for i in 0..TILE {
        let mut parameters = [0.0; MOST_PARAMETERS];
        for (k, p) in parameters.iter_mut().enumerate() {
            if k < C::WIDTH {
                *p = planes[k][i];
            }
        }
        let cell = Cell {
            parameters: &parameters,
            ..*cell
        };
        states[i] = C::change(&cell, states[i], counts[i], normals[i]);
    }
}
