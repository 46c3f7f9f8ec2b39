//! Programming of all cells.

use super::{BLOCK, Fixed};
use crate::device::{Targets, written};
use crate::number::Purpose;

/// Writes every cell to its target, which each replica misses by a number of its own.
pub(super) fn program(fixed: &Fixed, step: u32, targets: &Targets, states: &mut [f32]) {
    let (replicas, zero) = (fixed.shape.replicas, fixed.cells.zero());
    let mut normals: [Vec<f32>; BLOCK] = std::array::from_fn(|_| vec![0.0; replicas]);
    let moments = targets.means.iter().zip(&targets.deviations);
    for (cell, (lanes, (&mean, &deviation))) in
        states.chunks_exact_mut(replicas).zip(moments).enumerate()
    {
        if cell.is_multiple_of(BLOCK) {
            fixed.stream.fill_normals(
                step,
                (cell / BLOCK) as u32,
                fixed.first_replica,
                Purpose::Programming,
                0,
                normals.each_mut().map(Vec::as_mut_slice),
            );
        }
        let physics = fixed.cells.single(cell);
        for (s, &z) in lanes.iter_mut().zip(&normals[cell % BLOCK]) {
            *s = written(&physics, mean, deviation, z, zero);
        }
    }
}
