//! What a stack remembers of each state beside it: ages, what drift started from, numbers of pulses. Only where the cells ask for it.

use super::Fixed;
use super::ahead::{Ahead, Kind};
use crate::arrays::Saved;
use crate::device::{Drift, Memory, Past, arrived, carried};
use crate::error::Result;
use crate::number::Purpose;

/// One number for each state, or none.
#[derive(Default)]
pub(super) struct History {
    pub(super) ages: Vec<f32>,
    /// What the rounding of the ages left out.
    carries: Vec<f32>,
    origins: Vec<f32>,
    walks: Vec<f32>,
    pub(super) pulses: Vec<u32>,
    /// The random numbers of one block of cells.
    normals: Ahead,
}

/// What pulses change of the history of some states.
#[derive(Default)]
pub(super) struct Marks<'a> {
    ages: &'a mut [f32],
    pulses: &'a mut [u32],
}

impl History {
    pub(super) fn new(memory: Memory, states: usize, replicas: usize) -> Self {
        let size = |kept| if kept { states } else { 0 };
        let lanes = if memory.origins { replicas } else { 0 };
        Self {
            ages: vec![0.0; size(memory.ages)],
            carries: vec![0.0; size(memory.ages)],
            origins: vec![0.0; size(memory.origins)],
            walks: vec![0.0; size(memory.walks)],
            pulses: vec![0; size(memory.pulses)],
            normals: Ahead::new(lanes),
        }
    }

    pub(super) fn keep(&mut self, saved: &mut Saved) -> Result<()> {
        saved.list("ages", &mut self.ages)?;
        saved.list("carries", &mut self.carries)?;
        saved.list("origins", &mut self.origins)?;
        saved.list("walks", &mut self.walks)?;
        saved.list("wear", &mut self.pulses)
    }

    pub(super) fn marks(&mut self) -> Marks<'_> {
        Marks {
            ages: &mut self.ages,
            pulses: &mut self.pulses,
        }
    }

    /// Makes all cells new, and puts them where wear lets them be.
    pub(super) fn written(&mut self, fixed: &Fixed, states: &mut [f32]) {
        self.ages.fill(0.0);
        let replicas = fixed.shape.replicas;
        for ((at, s), &pulses) in states.iter_mut().enumerate().zip(&self.pulses) {
            *s = fixed.cells.held(at / replicas, *s, pulses);
        }
    }

    /// Makes all cells older.
    pub(super) fn age(&mut self, elapsed: f64) {
        for (age, carry) in self.ages.iter_mut().zip(&mut self.carries) {
            (*age, *carry) = older(*age, *carry, elapsed as f32);
        }
    }

    /// Lets `elapsed` seconds pass after step `step`.
    pub(super) fn drift(
        &mut self,
        fixed: &Fixed,
        drift: &Drift,
        (step, elapsed): (u32, f64),
        states: &mut [f32],
        apparent: Option<&mut [f32]>,
    ) {
        fixed.arch.dispatch(Drifting {
            history: self,
            fixed,
            drift,
            // Where cells do not walk, each has one number for ever.
            step: if drift.wanders() { step } else { 0 },
            elapsed: elapsed as f32,
            states,
            apparent,
        });
    }
}

/// The loop through all cells that drift, compiled for several processors.
struct Drifting<'a> {
    history: &'a mut History,
    fixed: &'a Fixed,
    drift: &'a Drift,
    step: u32,
    elapsed: f32,
    states: &'a mut [f32],
    apparent: Option<&'a mut [f32]>,
}

impl pulp::WithSimd for Drifting<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _simd: S) {
        let Self {
            history,
            fixed,
            drift,
            step,
            elapsed,
            states,
            mut apparent,
        } = self;
        let (window, replicas) = (fixed.cells.window(), fixed.shape.replicas);
        for cell in 0..fixed.shape.cells() {
            let drawn = (step, Purpose::Drift, 0);
            let normals = history.normals.of(fixed, Kind::Normal, drawn, cell);
            let physics = fixed.cells.single(cell);
            let lanes = cell * replicas..(cell + 1) * replicas;
            for (at, &z) in lanes.zip(normals) {
                let before = states[at];
                let mut past = Past {
                    origin: history.origins[at],
                    wander: history.walks.get(at).copied().unwrap_or(0.0),
                    age: history.ages[at],
                };
                if past.age == 0.0 {
                    past.origin = before;
                    past.wander = 0.0;
                }
                let (next, carry) = older(past.age, history.carries[at], elapsed);
                let kept = drift.kept(window, &past, next, z);
                past.wander = drift.walked(window, &past, next, elapsed, z);
                past.age = next;
                let after = arrived(&physics, drift.position(window, &past, z));
                states[at] = after;
                if let Some(apparent) = &mut apparent {
                    apparent[at] = (apparent[at] - before).mul_add(kept, after);
                }
                (history.ages[at], history.carries[at]) = (next, carry);
                history.origins[at] = past.origin;
                if let Some(walk) = history.walks.get_mut(at) {
                    *walk = past.wander;
                }
            }
        }
    }
}

/// An age after `elapsed` more seconds, and what its rounding left out. At age zero nothing was.
fn older(age: f32, carry: f32, elapsed: f32) -> (f32, f32) {
    let added = elapsed + if age == 0.0 { 0.0 } else { carry };
    let next = age + added;
    (next, carried(added, age, next))
}

impl Marks<'_> {
    /// The marks of the first `n` states, and those of the others.
    pub(super) fn split(self, n: usize) -> (Self, Self) {
        let (ages, pulses) = (self.ages.len().min(n), self.pulses.len().min(n));
        let (ages, more_ages) = self.ages.split_at_mut(ages);
        let (pulses, more_pulses) = self.pulses.split_at_mut(pulses);
        let first = Self { ages, pulses };
        let others = Self {
            ages: more_ages,
            pulses: more_pulses,
        };
        (first, others)
    }

    /// Whether there is anything to mark.
    pub(super) fn any(&self) -> bool {
        !self.ages.is_empty() || !self.pulses.is_empty()
    }

    /// State `at`, of this cell, had `n` pulses, or the mean change of so many.
    pub(super) fn mark(
        &mut self,
        fixed: &Fixed,
        cell: usize,
        at: usize,
        n: f32,
        mean: bool,
        s: &mut f32,
    ) {
        if n == 0.0 {
            return;
        }
        if let Some(age) = self.ages.get_mut(at) {
            *age = 0.0;
        }
        if let Some(pulses) = self.pulses.get_mut(at) {
            if !mean {
                *pulses = pulses.saturating_add(n.abs() as u32);
            }
            *s = fixed.cells.held(cell, *s, *pulses);
        }
    }
}
