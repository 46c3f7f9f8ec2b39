//! Laws whose pulse is a motion in time: parts of a pulse, trains, and the loops over cells.

use std::marker::PhantomData;

use super::kernel::{Action, Planes, TILE, Update, drawn, planes};
use super::law::{AnyLaw, Cell, LOWER, Law, OWN, Pulse, STEP, UPPER};
use super::physical::width;
use crate::number::Real;

/// Numbers of a pulse that do not depend on the state ([`Law::drive`]).
pub const DRIVE: usize = 4;

/// Fewest and most parts of a pulse.
pub(super) const PARTS: [usize; 2] = [1, 64];

/// How much of the change and of a mean step a pulse, or a train, may miss for want of parts.
const MISS: f64 = 1e-4;

/// Equal parts in which laws that move are followed; one for all others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parts {
    /// Those of one pulse.
    pub pulse: usize,
    /// Those of a train of several.
    pub train: usize,
}

impl Parts {
    /// For pulses of so many parts, without longer trains.
    pub fn of_pulse(pulse: usize) -> Self {
        Self {
            pulse,
            train: pulse,
        }
    }

    /// Parts that `n` whole pulses are followed in; none for none.
    #[inline(always)]
    fn of<R: Real>(self, n: R) -> R {
        let [one, several] = [self.pulse, self.train].map(|k| R::lit(k as f64));
        let any = R::select_lt(n, R::lit(1.5), one, several);
        R::select_lt(R::lit(0.5), n, any, R::lit(0.0))
    }
}

/// How `n` pulses (sign = polarity) are followed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace<R> {
    /// Number of parts.
    pub(super) parts: R,
    /// Time of one part in seconds.
    pub(super) time: R,
}

impl<R: Real> Pace<R> {
    #[inline(always)]
    pub(super) fn new<L: Law>(p: &[R], s: R, n: R, parts: Parts) -> Self {
        let pulse = Pulse {
            polarity: n,
            parts: parts.pulse,
        };
        let followed = parts.of(n.abs());
        // Without pulses there is nothing to divide.
        let pulses = n.abs() / followed.max(R::lit(1.0));
        Self {
            parts: followed,
            time: width::<L, R>(p, s, &pulse) * pulses,
        }
    }
}

/// How far a state that started at `s` has moved after one more part of this time: the classical method of Runge and Kutta.
///
/// # Reference
/// Hairer, Nørsett, Wanner, *Solving Ordinary Differential Equations I*, 2nd ed., Springer 1993, §II.1,
/// <https://doi.org/10.1007/978-3-540-78862-1> (fourth order).
#[inline(always)]
pub(super) fn onward<L: Law, R: Real>(
    p: &[R],
    drive: &[R; DRIVE],
    s: R,
    pulse: &Pulse<R>,
    time: R,
    moved: R,
) -> R {
    let (half, here) = (R::lit(0.5) * time, s + moved);
    let first = L::rate(p, drive, here, pulse);
    let second = L::rate(p, drive, half.mul_add(first, here), pulse);
    let third = L::rate(p, drive, half.mul_add(second, here), pulse);
    let fourth = L::rate(p, drive, time.mul_add(third, here), pulse);
    let middle = second + third;
    (time * R::lit(1.0 / 6.0)).mul_add(first + middle + middle + fourth, moved)
}

/// One pulse of a law that moves, in its parts.
#[inline(always)]
pub(super) fn moved<L: Law, R: Real>(p: &[R], s: R, pulse: &Pulse<R>) -> R {
    let drive = L::drive(p, s, pulse);
    let time = width::<L, R>(p, s, pulse) * R::lit(1.0 / pulse.parts as f64);
    let mut moved = R::lit(0.0);
    for _ in 0..pulse.parts {
        moved = onward::<L, R>(p, &drive, s, pulse, time, moved);
    }
    moved
}

/// State after `n` pulses (sign = polarity), followed as one long pulse; and the variance of one pulse that moved it so, which is that
/// of a train where there is no noise.
#[inline(always)]
pub(super) fn train<L: Law, R: Real>(cell: &Cell<R>, s: R, n: R) -> (R, R) {
    let (p, parts) = (cell.parameters, cell.parts);
    let pulse = Pulse {
        polarity: n,
        parts: parts.pulse,
    };
    let drive = L::drive(p, s, &pulse);
    let pace = Pace::new::<L>(p, s, n, parts);
    let mut moved = R::lit(0.0);
    for k in 0..parts.pulse.max(parts.train) {
        let next = onward::<L, R>(p, &drive, s, &pulse, pace.time, moved);
        moved = R::select_lt(R::lit(k as f64 + 0.5), pace.parts, next, moved);
    }
    (s + moved, cell.noise.variance(p[STEP], s, moved, n))
}

/// Fewest parts (a power of two) in which a pulse on a cell with parameters `p` is followed to the change with four times as many, at 65
/// places of the window: it may miss [`MISS`] of itself and as much of a mean step. `None` where [`PARTS`] are not enough.
pub(super) fn parts_for(law: &dyn AnyLaw, p: &[f64]) -> Option<usize> {
    let [least, most] = PARTS;
    let mut parts = least;
    while parts <= most {
        if resolves(law, p, parts, 64, MISS) {
            return Some(parts);
        }
        parts *= 2;
    }
    None
}

/// Whether so many parts follow a pulse to this miss, against four times as many, at `places` and one places of the window.
pub(super) fn resolves(law: &dyn AnyLaw, p: &[f64], parts: usize, places: u32, miss: f64) -> bool {
    let with = |parts: usize| {
        let mut p = p.to_vec();
        p[OWN + law.parameters().len() - 1] = parts as f64;
        p
    };
    let (coarse, fine) = (with(parts), with(4 * parts));
    let (lower, width) = (p[LOWER], p[UPPER] - p[LOWER]);
    let at = |k: u32| lower + width * f64::from(k) / f64::from(places);
    let changes: Vec<[f64; 2]> = (0..=places)
        .flat_map(|k| [1.0, -1.0].map(|polarity| (at(k), polarity)))
        .map(|(s, polarity)| [law.step(&coarse, s, polarity), law.step(&fine, s, polarity)])
        .collect();
    let sum: f64 = changes.iter().map(|[_, change]| change.abs()).sum();
    let step = sum / changes.len() as f64;
    // Not a number misses too.
    changes
        .iter()
        .all(|[found, change]| (found - change).abs() <= miss * (change.abs() + step))
}

/// The longest quiet train that can be followed as one long pulse in fewer parts than its pulses have, and its parts, for all of these
/// cells: 1 and those of a pulse where there is none.
///
/// Against single pulses in double precision at 33 places of the window, for nine lengths up to it: a train may miss [`MISS`] of its
/// change and as much of a nominal step.
pub(super) fn longest_train(law: &dyn AnyLaw, pulse: usize, cells: &[&[f64]]) -> (u32, usize) {
    for length in [32, 16, 8, 4, 2] {
        // A train of two costs as much as one of the longest.
        for factor in [1, 2, 4] {
            let train = factor * pulse;
            let fewer = 2 * factor <= length as usize;
            if fewer
                && cells
                    .iter()
                    .all(|p| holds(law, p, length, Parts { pulse, train }))
            {
                return (length, train);
            }
        }
    }
    (1, pulse)
}

fn holds(law: &dyn AnyLaw, p: &[f64], longest: u32, parts: Parts) -> bool {
    const LENGTHS: [u32; 9] = [2, 3, 4, 6, 8, 12, 16, 24, 32];
    const PLACES: i32 = 32;
    // The ends first, where windows shut and steps are steep.
    let places = (0..=PLACES).map(|k| if k % 2 == 0 { k / 2 } else { PLACES - k / 2 });
    let places =
        places.map(|k| p[LOWER] + (p[UPPER] - p[LOWER]) * f64::from(k) / f64::from(PLACES));
    let ways = places.flat_map(|s| [(s, 1.0), (s, -1.0)]);
    ways.into_iter().all(|(start, polarity)| {
        let mut s = start;
        (1..=longest).all(|n| {
            s += law.step(p, s, polarity);
            let found = || law.long_pulse(p, start, polarity * f64::from(n), parts);
            !LENGTHS.contains(&n) || {
                let allowed = MISS * ((s - start).abs() + p[STEP]);
                (found() - s).abs() <= allowed
            }
        })
    })
}

/// Lanes that are followed together.
const LANES: usize = 32;

/// Room for the parameters of laws that move.
const SIZE: usize = 32;

/// Makes an update of a law that moves.
pub(super) fn update<L: Law>(update: Update) {
    const {
        assert!(!L::MOVES || OWN + L::PARAMETERS.len() <= SIZE);
    }
    let arch = update.arch;
    arch.dispatch(Loop::<L>(update, PhantomData));
}

/// A loop over lanes, compiled for several processors.
struct Loop<'a, L>(Update<'a>, PhantomData<L>);

impl<L: Law> pulp::WithSimd for Loop<'_, L> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _simd: S) {
        let update = self.0;
        let (cell, expected) = (update.cell, update.action == Action::Expected);
        let mut shared = [[0.0; TILE]; SIZE];
        if update.own.is_none() {
            for (plane, &p) in shared.iter_mut().zip(cell.parameters) {
                plane.fill(p);
            }
        }
        let states = update.states.chunks_mut(TILE);
        let lanes = states
            .zip(update.counts.chunks(TILE))
            .zip(update.normals.chunks(TILE));
        for (tile, ((states, counts), normals)) in lanes.enumerate() {
            let planes = match update.own {
                None => shared.each_ref(),
                Some(own) => {
                    let tiles = own.tiles.as_chunks().0;
                    let first = tile * own.places.len();
                    planes(&own, &tiles[first..first + own.places.len()])
                }
            };
            let groups = states
                .chunks_mut(LANES)
                .zip(counts.chunks(LANES))
                .zip(normals.chunks(LANES));
            for (group, ((states, counts), normals)) in groups.enumerate() {
                // Lanes beyond the last get no pulse.
                let mut lanes = [[0.0; LANES]; 3];
                let [s, n, z] = &mut lanes;
                s[..states.len()].copy_from_slice(states);
                n[..states.len()].copy_from_slice(counts);
                z[..states.len()].copy_from_slice(normals);
                follow::<L>(&cell, &planes, group, expected, &mut lanes);
                states.copy_from_slice(&lanes[0][..states.len()]);
            }
        }
    }
}

/// The parameters of one lane.
#[inline(always)]
fn gathered<L: Law>(planes: &[&[f32; LANES]; SIZE], lane: usize) -> [f32; SIZE] {
    let mut parameters = [0.0; SIZE];
    for (k, p) in parameters.iter_mut().enumerate() {
        if k < OWN + L::PARAMETERS.len() {
            *p = planes[k][lane];
        }
    }
    parameters
}

/// Follows the lanes `[states, counts, normals]` part by part, all lanes in each: a loop over parts inside of one over lanes would not
/// become vectors. A lane stops after its own parts, so that it does not matter which lanes are followed together.
#[inline(always)]
fn follow<L: Law>(
    cell: &Cell<f32>,
    planes: &Planes<SIZE>,
    group: usize,
    expected: bool,
    [states, counts, normals]: &mut [[f32; LANES]; 3],
) {
    let parts = cell.parts;
    // Whole arrays: places that might lie outside of a plane would keep the loops from becoming vectors.
    let planes = &planes.map(|plane| &plane.as_chunks::<LANES>().0[group]);
    let mut drives = [[0.0; LANES]; DRIVE];
    let [mut ends, mut times, mut whole, mut moved] = [[0.0_f32; LANES]; 4];
    for i in 0..LANES {
        let p = gathered::<L>(planes, i);
        // A request of any size is answered by a multiple of one pulse.
        let one = if counts[i] < 0.0 { -1.0 } else { 1.0 };
        let one = if counts[i] == 0.0 { 0.0 } else { one };
        let polarity = if expected { one } else { counts[i] };
        let pulse = Pulse {
            polarity,
            parts: parts.pulse,
        };
        let drive = L::drive(&p, states[i], &pulse);
        for k in 0..DRIVE {
            drives[k][i] = drive[k];
        }
        let pace = Pace::new::<L>(&p, states[i], polarity, parts);
        (ends[i], times[i], whole[i]) = (pace.parts, pace.time, polarity);
    }
    let most = ends.iter().fold(0.0_f32, |m, &e| m.max(e));
    let mut part = 0.0_f32;
    while part < most {
        for i in 0..LANES {
            let p = gathered::<L>(planes, i);
            let drive = [drives[0][i], drives[1][i], drives[2][i], drives[3][i]];
            let polarity = whole[i];
            let pulse = Pulse {
                polarity,
                parts: parts.pulse,
            };
            let next = onward::<L, f32>(&p, &drive, states[i], &pulse, times[i], moved[i]);
            moved[i] = if part < ends[i] { next } else { moved[i] };
        }
        part += 1.0;
    }
    for i in 0..LANES {
        let p = gathered::<L>(planes, i);
        let (s, n, moved) = (states[i], counts[i], moved[i]);
        let cell = Cell {
            parameters: &p,
            ..*cell
        };
        let mean = if expected {
            n.abs().mul_add(moved, s)
        } else {
            s + moved
        };
        let variance = if expected {
            0.0
        } else {
            cell.noise.variance(p[STEP], s, moved, n)
        };
        states[i] = drawn(&cell, s, n, (mean, variance), normals[i]);
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::load_device;
    use super::*;

    /// Errors fall by sixteen where parts double (order four).
    #[test]
    fn the_rule_is_of_fourth_order() {
        let device = load_device("reram/strukov2008-joglekar", Path::new("")).unwrap();
        let mut p: Vec<f64> = device.parameters().map(|(_, v)| v).collect();
        let mut step = |parts: usize| {
            let last = p.len() - 1;
            p[last] = parts as f64;
            p[OWN + 2] = 0.3;
            device.law().step(&p, 0.2, 1.0)
        };
        let exact = step(1 << 12);
        assert!((0.2..0.7).contains(&exact), "{exact}");
        let ratio = (step(16) - exact) / (step(32) - exact);
        assert!((ratio - 16.0).abs() < 1.6, "{ratio}");
    }
}
