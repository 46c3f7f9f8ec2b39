//! Relaxation of all states.

use super::Fixed;
use super::ahead::{Ahead, Kind};
use crate::backend::Shape;
use crate::device::{Cell, Cells, Retention, relaxation, relaxed};
use crate::number::Purpose;

/// What relaxation keeps from one time to the next: buffers, and what cells lose.
#[derive(Default)]
pub(super) struct Relaxing {
    /// Random numbers; none where nothing relaxes.
    uniforms: Ahead,
    /// What stands for them where nothing is rounded at random.
    halves: Vec<f32>,
    /// The seconds that the losses are those of.
    elapsed: f64,
    /// Of every cell, or one for all where they are equal.
    losses: Vec<Loss>,
}

/// What one cell loses.
struct Loss {
    rest: f32,
    lost: f32,
    /// Whether its states are rounded at random.
    fine: bool,
}

impl Relaxing {
    pub(super) fn new(shape: Shape, cells: &Cells) -> Self {
        let replicas = cells.retention().map_or(0, |_| shape.replicas);
        Self {
            uniforms: Ahead::new(replicas),
            halves: vec![0.5; replicas],
            ..Self::default()
        }
    }

    /// Finds what is lost in so many seconds, if that is not known from the last time.
    fn find(&mut self, nominal: Retention, own: Option<&[Retention]>, elapsed: f64) {
        if self.losses.is_empty() || self.elapsed != elapsed {
            self.elapsed = elapsed;
            let all = own.unwrap_or(std::slice::from_ref(&nominal));
            let losses = all.iter().map(|r| Loss {
                rest: r.rest as f32,
                lost: r.lost(elapsed) as f32,
                fine: r.is_fine(elapsed),
            });
            self.losses = losses.collect();
        }
    }
}

/// Lets `elapsed` seconds pass after step `step`. What is written on a cell decays with it.
pub(super) fn relax(
    fixed: &Fixed,
    nominal: Retention,
    (step, elapsed): (u32, f64),
    relaxing: &mut Relaxing,
    states: &mut [f32],
    apparent: Option<&mut [f32]>,
) {
    let own = fixed.cells.own_retention();
    relaxing.find(nominal, own, elapsed);
    fixed.arch.dispatch(Decay {
        fixed,
        step,
        relaxing,
        states,
        apparent,
    });
}

/// The loop through all cells, compiled for several processors.
struct Decay<'a> {
    fixed: &'a Fixed,
    step: u32,
    relaxing: &'a mut Relaxing,
    states: &'a mut [f32],
    apparent: Option<&'a mut [f32]>,
}

impl pulp::WithSimd for Decay<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _simd: S) {
        let Self {
            fixed,
            step,
            relaxing,
            states,
            mut apparent,
        } = self;
        let Relaxing {
            uniforms,
            halves,
            losses,
            ..
        } = relaxing;
        let any_fine = losses.iter().any(|loss| loss.fine);
        let replicas = fixed.shape.replicas;
        for cell in 0..fixed.shape.cells() {
            let drawn = match any_fine {
                true => uniforms.of(fixed, Kind::Uniform, (step, Purpose::Relaxation, 0), cell),
                false => halves,
            };
            let physics = fixed.cells.single(cell);
            let lanes = cell * replicas..(cell + 1) * replicas;
            // Equal cells have one loss.
            let &Loss { rest, lost, fine } = losses.get(cell).unwrap_or(&losses[0]);
            let u = if fine { drawn } else { &*halves };
            decay(&physics, (rest, lost), u, &mut states[lanes.clone()]);
            if let Some(apparent) = &mut apparent {
                decay(&physics, (rest, lost), u, &mut apparent[lanes]);
            }
        }
    }
}

/// Lets the replicas of a cell relax.
#[inline(always)]
fn decay(physics: &Cell<f32>, (rest, lost): (f32, f32), u: &[f32], values: &mut [f32]) {
    for (s, &u) in values.iter_mut().zip(u) {
        *s = relaxed(physics, *s, relaxation(*s, rest, lost, u));
    }
}
