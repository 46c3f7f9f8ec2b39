//! Programming of all cells.

use super::Fixed;
use super::ahead::{Ahead, Kind};
use crate::device::{Targets, written};
use crate::number::Purpose;

/// Writes every cell to its target, which each replica misses by a number of its own.
pub(super) fn program(fixed: &Fixed, step: u32, targets: &Targets, states: &mut [f32]) {
    let (replicas, zero) = (fixed.shape.replicas, fixed.cells.zero());
    let mut normals = Ahead::new(replicas);
    let moments = targets.means.iter().zip(&targets.deviations);
    for (cell, (lanes, (&mean, &deviation))) in
        states.chunks_exact_mut(replicas).zip(moments).enumerate()
    {
        let drawn = (step, Purpose::Programming, 0);
        let normals = normals.of(fixed, Kind::Normal, drawn, cell);
        let physics = fixed.cells.single(cell);
        for (s, &z) in lanes.iter_mut().zip(normals) {
            *s = written(&physics, mean, deviation, z, zero);
        }
    }
}
