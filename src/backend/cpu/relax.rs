//! Relaxation of all states.

use super::{BLOCK, Fixed};
use crate::backend::Shape;
use crate::device::{Cells, Retention, relaxation, relaxed};
use crate::number::Purpose;

/// The random numbers of one block of cells; none where nothing relaxes.
pub(super) type Uniforms = [Vec<f32>; BLOCK];

pub(super) fn uniforms(shape: Shape, cells: &Cells) -> Uniforms {
    let replicas = cells.retention().map_or(0, |_| shape.replicas);
    std::array::from_fn(|_| vec![0.5; replicas])
}

/// Lets `elapsed` seconds pass after step `step`. What is written on a cell decays with it.
pub(super) fn relax(
    fixed: &Fixed,
    retention: Retention,
    (step, elapsed): (u32, f64),
    uniforms: &mut Uniforms,
    states: &mut [f32],
    mut apparent: Option<&mut [f32]>,
) {
    let (rest, lost) = (retention.rest as f32, retention.lost(elapsed) as f32);
    let fine = retention.is_fine(elapsed);
    let replicas = fixed.shape.replicas;
    if !fine {
        uniforms.iter_mut().for_each(|u| u.fill(0.5));
    }
    for cell in 0..fixed.shape.cells() {
        if fine && cell.is_multiple_of(BLOCK) {
            fixed.stream.fill_uniforms(
                step,
                (cell / BLOCK) as u32,
                fixed.first_replica,
                Purpose::Relaxation,
                0,
                uniforms.each_mut().map(Vec::as_mut_slice),
            );
        }
        let physics = fixed.cells.single(cell);
        let lanes = cell * replicas..(cell + 1) * replicas;
        let u = &uniforms[cell % BLOCK];
        let decay = |values: &mut [f32]| {
            for (s, &u) in values.iter_mut().zip(u) {
                *s = relaxed(&physics, *s, relaxation(*s, rest, lost, u));
            }
        };
        decay(&mut states[lanes.clone()]);
        if let Some(apparent) = &mut apparent {
            decay(&mut apparent[lanes]);
        }
    }
}
