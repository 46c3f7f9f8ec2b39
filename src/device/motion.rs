//! Laws whose pulse is a motion in time: parts of a pulse, trains, and the loops over cells.

use std::marker::PhantomData;

use super::expand::constants;
use super::kernel::{Action, Planes, TILE, Update, drawn, planes};
use super::law::{AnyLaw, Cell, CycleNoise, LOWER, Law, OWN, Pulse, STEP, UPPER};
use super::physical::width;
use crate::number::{Jet, Real, variable};

/// Numbers of a pulse that do not depend on the state ([`Law::drive`]).
pub const DRIVE: usize = 4;

/// Fewest and most parts of a pulse.
pub(super) const PARTS: [usize; 2] = [4, 256];

/// Parts that `n` whole pulses are followed in, where one is followed in `parts`; none for none.
///
/// The midpoint rule errs by the square of a part, relative to the change: four times the length in twice the parts errs four times as
/// much, and [`super::expand::longest_train`] says up to which length that is little enough.
#[inline(always)]
fn parts_of<R: Real>(n: R, parts: usize) -> R {
    let [one, two, four, eight] = [1.0, 2.0, 4.0, 8.0].map(|k| R::lit(k * parts as f64));
    let long = R::select_lt(n, R::lit(16.5), four, eight);
    let some = R::select_lt(n, R::lit(4.5), two, long);
    let any = R::select_lt(n, R::lit(1.5), one, some);
    R::select_lt(R::lit(0.5), n, any, R::lit(0.0))
}

/// How `n` pulses (sign = polarity) are followed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace<R> {
    /// Number of parts.
    pub(super) parts: R,
    /// Time of one part in seconds.
    pub(super) time: R,
    /// Pulses in one part.
    pub(super) pulses: R,
}

impl<R: Real> Pace<R> {
    #[inline(always)]
    pub(super) fn new(p: &[R], s: R, n: R, parts: usize) -> Self {
        let pulse = Pulse { polarity: n, parts };
        let followed = parts_of(n.abs(), parts);
        // Without pulses there is nothing to divide.
        let pulses = n.abs() / followed.max(R::lit(1.0));
        Self {
            parts: followed,
            time: width(p, s, &pulse) * pulses,
            pulses,
        }
    }
}

/// Where a motion has got to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Motion<R> {
    /// Change of the state.
    pub(super) moved: R,
    /// Slope of the state in the state at the start.
    pub(super) slope: R,
    /// Variance that noise of variance 1 a pulse would have made, spread over the time.
    pub(super) spread: R,
}

impl<R: Real> Motion<R> {
    #[inline(always)]
    pub(super) fn start() -> Self {
        Self {
            moved: R::lit(0.0),
            slope: R::lit(1.0),
            spread: R::lit(0.0),
        }
    }
}

/// One part of a motion by the midpoint rule; with `slopes` its slope and spread too.
///
/// # Reference
/// Hairer, Nørsett, Wanner, *Solving Ordinary Differential Equations I*, 2nd ed., Springer 1993, §II.1,
/// <https://doi.org/10.1007/978-3-540-78862-1> (second order).
#[inline(always)]
pub(super) fn onward<L: Law, R: Real>(
    p: &[R],
    drive: &[R; DRIVE],
    s: R,
    pulse: &Pulse<R>,
    pace: &Pace<R>,
    m: Motion<R>,
    slopes: bool,
) -> Motion<R> {
    let half = R::lit(0.5);
    let here = s + m.moved;
    if !slopes {
        let start = L::rate(p, drive, here, pulse);
        let middle = (pace.time * half).mul_add(start, here);
        return Motion {
            moved: pace.time.mul_add(L::rate(p, drive, middle, pulse), m.moved),
            ..m
        };
    }
    let constants = constants::<L, R, SIZE>(p);
    let drive = drive.map(Jet::constant);
    let pulse = Pulse {
        polarity: Jet::constant(pulse.polarity),
        parts: pulse.parts,
    };
    let here = variable(here);
    let start = L::rate(&constants, &drive, here, &pulse);
    let middle = Jet::constant(pace.time * half).mul_add(start, here);
    let rate = L::rate(&constants, &drive, middle, &pulse);
    let slope = pace.time.mul_add(rate.v1, R::lit(1.0));
    // What comes within the part, half before it and half after it.
    let half = half * pace.pulses;
    Motion {
        moved: pace.time.mul_add(rate.re, m.moved),
        slope: m.slope * slope,
        spread: slope.square().mul_add(m.spread + half, half),
    }
}

/// Mean and variance of the state after `n` pulses that moved it so.
///
/// # Equation
/// Noise v_k of pulse k reaches the end times the slope `F_k = ∂s_n/∂s_k` of the motion, `V = Σ v_k F_k²`. For a motion by its state
/// alone `F_k = f(s_n)/f(s_k)`. Additive noise: the sum is the integral (the spread) and half of what its ends differ by, `½(1 - F₀²)`.
/// Multiplicative: `v_k = σ² d_k²` with `d_k ≈ f(s_k)(1 - ½ f′(s_k))`, so `V = σ² f(s_n)² (n - ∫f′) = σ² (F₀ f(s_0))² (n - ln F₀)`. Both are
/// right to the square of the step's slope.
#[inline(always)]
pub(super) fn arrival<L: Law, R: Real>(
    cell: &Cell<R>,
    drive: &[R; DRIVE],
    s: R,
    n: R,
    m: Motion<R>,
    slopes: bool,
) -> (R, R) {
    let (p, noise, one) = (cell.parameters, &cell.noise, R::lit(1.0));
    let single = noise.variance(p[STEP], m.moved);
    if !slopes {
        return (s + m.moved, single);
    }
    let pulse = Pulse {
        polarity: n,
        parts: cell.parts,
    };
    // Slopes are positive; the smallest that matters to a variance in single precision has a logarithm.
    let slope = m.slope.max(R::lit(1e-18));
    let many = noise.sum(
        #[inline(always)]
        || {
            let ends = R::lit(0.5) * (one - slope.square());
            (noise.additive() * p[STEP]).square() * (m.spread + ends)
        },
        #[inline(always)]
        || {
            let first = width(p, s, &pulse) * L::rate(p, drive, s, &pulse);
            (noise.multiplicative() * slope * first).square() * (n.abs() - slope.ln())
        },
    );
    let several = many.max(R::lit(0.0));
    (
        s + m.moved,
        R::select_lt(n.abs(), R::lit(1.5), single, several),
    )
}

/// [`Law::step`] of a law that moves: one pulse in its parts.
#[inline(always)]
pub(super) fn moved<L: Law, R: Real>(p: &[R], s: R, pulse: &Pulse<R>) -> R {
    let drive = L::drive(p, s, pulse);
    let pulses = R::lit(1.0 / pulse.parts as f64);
    let pace = Pace {
        parts: R::lit(pulse.parts as f64),
        time: width(p, s, pulse) * pulses,
        pulses,
    };
    let mut motion = Motion::start();
    for _ in 0..pulse.parts {
        motion = onward::<L, R>(p, &drive, s, pulse, &pace, motion, false);
    }
    motion.moved
}

/// Mean and variance of the state after `n` pulses (sign = polarity), `1 ≤ |n| ≤ 2^digits`, followed as one long pulse.
#[inline(always)]
pub(super) fn train<L: Law, R: Real>(cell: &Cell<R>, s: R, n: R, digits: usize) -> (R, R) {
    let p = cell.parameters;
    let pulse = Pulse {
        polarity: n,
        parts: cell.parts,
    };
    let drive = L::drive(p, s, &pulse);
    let pace = Pace::new(p, s, n, cell.parts);
    let slopes = is_noisy(&cell.noise);
    let mut motion = Motion::start();
    let most = parts_of((1_u64 << digits) as f64, cell.parts) as usize;
    for k in 0..most {
        let next = onward::<L, R>(p, &drive, s, &pulse, &pace, motion, slopes);
        let choose = |next, last| R::select_lt(R::lit(k as f64 + 0.5), pace.parts, next, last);
        motion = Motion {
            moved: choose(next.moved, motion.moved),
            slope: choose(next.slope, motion.slope),
            spread: choose(next.spread, motion.spread),
        };
    }
    arrival::<L, R>(cell, &drive, s, n, motion, slopes)
}

/// Whether there is any noise from cycle to cycle.
#[inline(always)]
pub(super) fn is_noisy<R: Real>(noise: &CycleNoise<R>) -> bool {
    noise.kinds() != [false, false]
}

/// Fewest parts (a power of two) in which a pulse on a cell with parameters `p` is followed to the change with four times as many, at 65
/// places of the window: it may miss 10⁻⁴ of itself and as much of a nominal step. `None` where [`PARTS`] are not enough.
pub(super) fn parts_for(law: &dyn AnyLaw, p: &[f64]) -> Option<usize> {
    let [least, most] = PARTS;
    let mut parts = least;
    while parts <= most {
        if resolves(law, p, parts, 64, 1e-4) {
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

/// Lanes that are followed together.
const LANES: usize = 32;

/// Room for the parameters of laws that move.
const SIZE: usize = 32;

/// Makes an update of a law that moves.
pub(super) fn update<L: Law>(update: Update) {
    const {
        assert!(!L::MOVES || OWN + L::PARAMETERS.len() <= SIZE);
    }
    let (arch, noisy) = (update.arch, is_noisy(&update.cell.noise));
    match update.action {
        Action::Pulses { most } if noisy && most > 1 => {
            arch.dispatch(Loop::<L, true>(update, PhantomData));
        }
        _ => arch.dispatch(Loop::<L, false>(update, PhantomData)),
    }
}

/// A loop over lanes, compiled for several processors.
struct Loop<'a, L, const SLOPES: bool>(Update<'a>, PhantomData<L>);

impl<L: Law, const SLOPES: bool> pulp::WithSimd for Loop<'_, L, SLOPES> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _simd: S) {
        let update = self.0;
        let (cell, expected) = (update.cell, update.action == Action::Expected);
        let mut shared = [[0.0; TILE]; SIZE];
        for (plane, &p) in shared.iter_mut().zip(cell.parameters) {
            plane.fill(p);
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
                    planes(&shared, own.places, &tiles[first..first + own.places.len()])
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
                follow::<L, SLOPES>(&cell, &planes, group * LANES, expected, &mut lanes);
                states.copy_from_slice(&lanes[0][..states.len()]);
            }
        }
    }
}

/// The parameters of one lane.
#[inline(always)]
fn gathered<L: Law>(planes: &Planes<SIZE>, lane: usize) -> [f32; SIZE] {
    let mut parameters = [0.0; SIZE];
    for (k, p) in parameters.iter_mut().enumerate() {
        if k < OWN + L::PARAMETERS.len() {
            *p = planes[k][lane];
        }
    }
    parameters
}

/// Follows the lanes `[states, counts, normals]` part by part, all lanes in each: loops over parts inside of lanes would not be vectors.
#[inline(always)]
fn follow<L: Law, const SLOPES: bool>(
    cell: &Cell<f32>,
    planes: &Planes<SIZE>,
    first: usize,
    expected: bool,
    [states, counts, normals]: &mut [[f32; LANES]; 3],
) {
    let parts = cell.parts;
    let mut drives = [[0.0; LANES]; DRIVE];
    let [mut ends, mut times, mut pulses, mut whole] = [[0.0; LANES]; 4];
    let mut most = 0.0_f32;
    for i in 0..LANES {
        let p = gathered::<L>(planes, first + i);
        // A request of any size is answered by a multiple of one pulse.
        let one = if counts[i] < 0.0 { -1.0 } else { 1.0 };
        let one = if counts[i] == 0.0 { 0.0 } else { one };
        whole[i] = if expected { one } else { counts[i] };
        let polarity = whole[i];
        let drive = L::drive(&p, states[i], &Pulse { polarity, parts });
        for k in 0..DRIVE {
            drives[k][i] = drive[k];
        }
        let pace = Pace::new(&p, states[i], polarity, parts);
        (ends[i], times[i], pulses[i]) = (pace.parts, pace.time, pace.pulses);
        most = most.max(pace.parts);
    }
    let [mut moved, mut slope, mut spread] = [[0.0_f32; LANES]; 3];
    slope.fill(1.0);
    let mut part = 0.0_f32;
    while part < most {
        for i in 0..LANES {
            let p = gathered::<L>(planes, first + i);
            let drive = [drives[0][i], drives[1][i], drives[2][i], drives[3][i]];
            let polarity = whole[i];
            let pace = Pace {
                parts: ends[i],
                time: times[i],
                pulses: pulses[i],
            };
            let m = Motion {
                moved: moved[i],
                slope: slope[i],
                spread: spread[i],
            };
            let pulse = Pulse { polarity, parts };
            let next = onward::<L, f32>(&p, &drive, states[i], &pulse, &pace, m, SLOPES);
            let goes_on = part < ends[i];
            moved[i] = if goes_on { next.moved } else { m.moved };
            if SLOPES {
                slope[i] = if goes_on { next.slope } else { m.slope };
                spread[i] = if goes_on { next.spread } else { m.spread };
            }
        }
        part += 1.0;
    }
    for i in 0..LANES {
        let p = gathered::<L>(planes, first + i);
        let drive = [drives[0][i], drives[1][i], drives[2][i], drives[3][i]];
        let cell = Cell {
            parameters: &p,
            ..*cell
        };
        let m = Motion {
            moved: moved[i],
            slope: slope[i],
            spread: spread[i],
        };
        let (s, n) = (states[i], counts[i]);
        let (mut mean, mut variance) = arrival::<L, f32>(&cell, &drive, s, n, m, SLOPES);
        if expected {
            (mean, variance) = (n.abs().mul_add(m.moved, s), 0.0);
        }
        states[i] = drawn(&cell, s, n, (mean, variance), normals[i]);
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::load_device;
    use super::*;

    /// Errors fall by four where parts double (order two).
    #[test]
    fn the_rule_is_of_second_order() {
        let device = load_device("reram/strukov2008-biolek", Path::new("")).unwrap();
        let mut p: Vec<f64> = device.parameters().map(|(_, v)| v).collect();
        // A pulse that crosses half the window.
        p[OWN + 2] *= 20.0;
        let mut step = |parts: usize| {
            let last = p.len() - 1;
            p[last] = parts as f64;
            device.law().step(&p, 0.2, 1.0)
        };
        let exact = step(1 << 14);
        let ratio = (step(64) - exact) / (step(128) - exact);
        assert!((ratio - 4.0).abs() < 0.1, "{ratio}");
    }
}
