//! Reset of some cells.

use super::history::Marks;
use super::{BLOCK, Fixed};
use crate::backend::{Shape, StackVector};
use crate::device::{Cells, emptied};
use crate::number::Purpose;

/// The random numbers of one block of cells; none where nothing is reset.
pub(super) type Normals = [Vec<f32>; BLOCK];

pub(super) fn normals(shape: Shape, cells: &Cells) -> Normals {
    let replicas = if cells.is_one_sided() {
        shape.replicas
    } else {
        0
    };
    std::array::from_fn(|_| vec![0.0; replicas])
}

/// Resets every cell whose element of `which` is not zero: a pulse to what cells remember. Reads see it with new write noise.
pub(super) fn reset(
    fixed: &Fixed,
    step: u32,
    which: &StackVector,
    normals: &mut Normals,
    mut marks: Marks,
    states: &mut [f32],
    mut apparent: Option<&mut [f32]>,
) {
    let (cells, replicas) = (&fixed.cells, fixed.shape.replicas);
    assert_eq!(which.all().len(), states.len(), "one element a cell");
    if !cells.is_one_sided() {
        return;
    }
    let draw = |block: usize, purpose: Purpose, normals: &mut Normals| {
        fixed.stream.fill_normals(
            step,
            block as u32,
            fixed.first_replica,
            purpose,
            0,
            normals.each_mut().map(Vec::as_mut_slice),
        );
    };
    let (deviation, write_deviation) = (cells.reset_deviation(), cells.write_deviation());
    for block in 0..cells.len().div_ceil(BLOCK) {
        let range = block * BLOCK..cells.len().min((block + 1) * BLOCK);
        let lanes = range.start * replicas..range.end * replicas;
        if which.all()[lanes].iter().all(|&w| w == 0.0) {
            continue;
        }
        draw(block, Purpose::Reset, normals);
        for (cell, z) in range.clone().zip(&*normals) {
            let (physics, level) = (cells.single(cell), cells.reset_levels()[cell]);
            let own = &mut states[cell * replicas..(cell + 1) * replicas];
            let lanes = own.iter_mut().zip(z).zip(which.lanes(cell)).enumerate();
            for (replica, ((s, &z), &w)) in lanes {
                if w != 0.0 {
                    *s = emptied(&physics, level, deviation, z);
                    marks.mark(fixed, cell, cell * replicas + replica, 1.0, false, s);
                }
            }
        }
        let Some(apparent) = &mut apparent else {
            continue;
        };
        if write_deviation > 0.0 {
            draw(block, Purpose::WriteNoise, normals);
        }
        for (cell, z) in range.zip(&*normals) {
            let lanes = cell * replicas..(cell + 1) * replicas;
            super::show(
                apparent[lanes.clone()].iter_mut(),
                states[lanes].iter(),
                which.lanes(cell),
                z,
                write_deviation,
            );
        }
    }
}
