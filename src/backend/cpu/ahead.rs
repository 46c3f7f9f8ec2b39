//! Random numbers of all cells and replicas, some cells ahead.

use super::{BLOCK, Fixed};
use crate::backend::WIDE;
use crate::number::{Draw, Purpose};

/// Cells of few replicas whose numbers are drawn at a time.
const CELLS: usize = 64;

/// The numbers of some neighbouring cells: along the replicas of a block where they are many, else across the cells of every replica.
#[derive(Default)]
pub(super) struct Ahead {
    /// Cell by cell.
    numbers: Vec<f32>,
    /// Those of one replica.
    one: Vec<f32>,
    replicas: usize,
}

/// What numbers are drawn.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Uniform,
    Normal,
}

impl Ahead {
    pub(super) fn new(replicas: usize) -> Self {
        let cells = if replicas < WIDE { CELLS } else { BLOCK };
        Self {
            numbers: vec![0.0; cells * replicas],
            one: vec![0.0; if replicas < WIDE { CELLS } else { 0 }],
            replicas,
        }
    }

    /// The numbers of a cell for all replicas. Those of a step are asked for from cell 0 on, in order.
    pub(super) fn of(
        &mut self,
        fixed: &Fixed,
        kind: Kind,
        (step, purpose, index): (u32, Purpose, u32),
        cell: usize,
    ) -> &[f32] {
        let cells = self.numbers.len() / self.replicas;
        let place = cell % cells;
        if place == 0 {
            let block = (cell / BLOCK) as u32;
            self.draw(fixed, kind, (step, purpose, index), block);
        }
        &self.numbers[place * self.replicas..][..self.replicas]
    }

    fn draw(
        &mut self,
        fixed: &Fixed,
        kind: Kind,
        (step, purpose, index): (u32, Purpose, u32),
        block: u32,
    ) {
        let (stream, replicas) = (&fixed.stream, self.replicas);
        if replicas >= WIDE {
            let (upper, lower) = self.numbers.split_at_mut(2 * replicas);
            let ((a, b), (c, d)) = (upper.split_at_mut(replicas), lower.split_at_mut(replicas));
            let (first, out) = (fixed.first_replica, [a, b, c, d]);
            return match kind {
                Kind::Uniform => stream.fill_uniforms(step, block, first, purpose, index, out),
                Kind::Normal => stream.fill_normals(step, block, first, purpose, index, out),
            };
        }
        for replica in 0..replicas {
            let at: Draw = fixed.draw(step, replica, purpose, index);
            match kind {
                Kind::Uniform => stream.fill_cell_uniforms(fixed.arch, at, block, &mut self.one),
                Kind::Normal => stream.fill_cell_normals(fixed.arch, at, block, &mut self.one),
            }
            let own = self.numbers[replica..].iter_mut().step_by(replicas);
            own.zip(&self.one).for_each(|(o, x)| *o = *x);
        }
    }
}
