//! The loops over cells that every law shares.

use std::marker::PhantomData;

use super::count::{Count, SINGLE_DIGITS, digits};
use super::expand::expanded_train;
use super::law::{Cell, LOWER, Law, MOST_PARAMETERS, OWN, Pulse, STEP, UPPER};
use crate::number::Real;

/// Lanes that a loop with parameters of their own takes at a time.
pub const TILE: usize = 64;

/// Parameters that differ from lane to lane; all others are those of the update's cell.
#[derive(Debug, Clone, Copy)]
pub struct Own<'a> {
    /// Which parameters they are.
    pub places: &'a [usize],
    /// Lane by lane, `width` numbers each: first one for each of `places`, then any numbers.
    pub rows: &'a [f32],
    /// 4, 8 or 16.
    pub width: usize,
    /// The same numbers 64 lanes together, one parameter after the other, where there is such a copy: it spares the loop
    /// to turn them.
    pub tiles: Option<&'a [f32]>,
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

/// Mean and variance of the state after one pulse of the sign of `n`.
#[inline(always)]
fn single<L: Law, R: Real>(cell: &Cell<R>, s: R, n: R) -> (R, R) {
    let p = cell.parameters;
    let change = L::step(p, s, &Pulse { polarity: n });
    (s + change, cell.noise.variance(p[STEP], change))
}

/// Mean and variance of the state after `|n|` pulses, at most `2^digits`, of the sign of `n`. Laws without a closed form take the
/// expanded one.
#[inline(always)]
fn several<L: Law, R: Real>(cell: &Cell<R>, s: R, n: R, digits: usize) -> (R, R) {
    let (p, noise, pulse) = (cell.parameters, &cell.noise, Pulse { polarity: n });
    match L::train(p, s, &pulse, &Count::new(n.abs(), digits), noise) {
        Some(moments) => moments,
        None => expanded_train::<L, R>(p, s, &pulse, n.abs(), noise),
    }
}

/// The state between hard bounds, if it stops there.
#[inline(always)]
fn bounded<R: Real>(hard: bool, bounds: [R; 2], s: R) -> R {
    if hard {
        s.max(bounds[0]).min(bounds[1])
    } else {
        s
    }
}

/// The state drawn from its moments by a standard normal `z`; without pulses the one that it was.
#[inline(always)]
fn drawn<R: Real>(cell: &Cell<R>, s: R, n: R, (mean, variance): (R, R), z: R) -> R {
    let bounds = [cell.parameters[LOWER], cell.parameters[UPPER]];
    let next = bounded(cell.hard_bounds, bounds, mean + variance.sqrt() * z);
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
    let change = L::step(cell.parameters, s, &Pulse { polarity: n });
    (s + n.abs() * change, R::lit(0.0))
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

    fn moments(cell: &Cell<f32>, s: f32, n: f32) -> (f32, f32);
}

/// Trains of at most `2^DIGITS` pulses.
struct Train<L, const DIGITS: usize>(PhantomData<L>);

impl<L: Law, const DIGITS: usize> Change for Train<L, DIGITS> {
    const WIDTH: usize = OWN + L::PARAMETERS.len();

    #[inline(always)]
    fn moments(cell: &Cell<f32>, s: f32, n: f32) -> (f32, f32) {
        if DIGITS == 0 {
            single::<L, f32>(cell, s, n)
        } else {
            several::<L, f32>(cell, s, n, DIGITS)
        }
    }
}

struct Mean<L>(PhantomData<L>);

impl<L: Law> Change for Mean<L> {
    const WIDTH: usize = OWN + L::PARAMETERS.len();

    #[inline(always)]
    fn moments(cell: &Cell<f32>, s: f32, n: f32) -> (f32, f32) {
        linear::<L, f32>(cell, s, n)
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
            _ => run::<Train<L, SINGLE_DIGITS>>(update),
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
            *s = drawn(&cell, *s, n, C::moments(&cell, *s, n), z);
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
        let mut planes = [[0.0; TILE]; MOST_PARAMETERS];
        for (plane, &p) in planes.iter_mut().zip(&shared).take(C::WIDTH) {
            plane.fill(p);
        }
        let cell = update.cell;
        let (states, rest) = update.states.as_chunks_mut::<TILE>();
        let (counts, more_counts) = update.counts.as_chunks::<TILE>();
        let (normals, more_normals) = update.normals.as_chunks::<TILE>();
        let mut rows = own.rows.chunks_exact(TILE * own.width);
        let size = TILE * own.places.len();
        let mut turned = own.tiles.unwrap_or(&[]).chunks_exact(size);
        let tiles = states.iter_mut().zip(counts).zip(normals);
        for (((states, counts), normals), rows) in tiles.zip(&mut rows) {
            match turned.next() {
                Some(tile) => {
                    for (plane, &place) in tile.as_chunks().0.iter().zip(own.places) {
                        planes[place] = *plane;
                    }
                }
                None => unpack(&own, rows, &mut planes),
            }
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
        // Four columns of four rows at a time: loads that a few shuffles turn.
        let mut four = [[[0.0; 4]; TILE / 4]; 4];
        for (i, rows) in rows.as_chunks::<4>().0.iter().enumerate() {
            let part = |row: &[f32; WIDTH]| {
                let part: [f32; 4] = std::array::from_fn(|k| row[(4 * group + k) % WIDTH]);
                part
            };
            let [a, b, c, d] = [&rows[0], &rows[1], &rows[2], &rows[3]].map(part);
            for k in 0..4 {
                four[k][i] = [a[k], b[k], c[k], d[k]];
            }
        }
        for (plane, &place) in four.iter().zip(places) {
            planes[place].copy_from_slice(plane.as_flattened());
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
    // Two loops: the shorter a chain of results that wait for each other, the more of them a processor works on at once.
    let mut means = [0.0; TILE];
    let mut variances = [0.0; TILE];
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
        (means[i], variances[i]) = C::moments(&cell, states[i], counts[i]);
    }
    for i in 0..TILE {
        let mut parameters = [0.0; MOST_PARAMETERS];
        parameters[LOWER] = planes[LOWER][i];
        parameters[UPPER] = planes[UPPER][i];
        let cell = Cell {
            parameters: &parameters,
            ..*cell
        };
        let moments = (means[i], variances[i]);
        states[i] = drawn(&cell, states[i], counts[i], moments, normals[i]);
    }
}
