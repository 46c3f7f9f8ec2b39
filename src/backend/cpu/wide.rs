//! Updates of many replicas: loops run along the replicas of one cell.

use super::count::{Count, Fired, From, Piece};
use super::{BLOCK, Part, show};
use crate::backend::{Request, Shape, StackVector};
use crate::device::{Action, Counting, Update};
use crate::number::Purpose;

/// Buffers of one block of cells, one number a replica.
pub(super) struct Wide {
    counts: [Vec<f32>; BLOCK],
    uniforms: [Vec<f32>; BLOCK],
    normals: [Vec<f32>; BLOCK],
    /// Part of the counts of one cell.
    piece: Vec<f32>,
}

impl Wide {
    pub(super) fn new(shape: Shape) -> Self {
        let lanes = || std::array::from_fn(|_| vec![0.0; shape.replicas]);
        Self {
            counts: lanes(),
            uniforms: lanes(),
            normals: lanes(),
            piece: vec![0.0; shape.replicas],
        }
    }
}

impl Part<'_, Wide> {
    /// Updates the cells, and tells with how many pulses.
    pub(super) fn pulse(mut self, step: u32, request: &Request, counting: Counting) -> u64 {
        for block in 0..self.fixed.shape.cells().div_ceil(BLOCK) {
            let fired = self.count(step, block, request, counting);
            if request.is_mean(counting) {
                self.each(block, Action::Expected, false);
                self.mark(block, true);
            } else if fired.total > 0 {
                self.pulses += fired.total;
                self.apply(step, block, fired.most);
                self.mark(block, false);
                self.show(step, block);
            }
        }
        self.pulses
    }

    /// Writes the signed numbers of pulses.
    pub(super) fn counts(
        mut self,
        step: u32,
        request: &Request,
        counting: Counting,
        out: &mut StackVector,
    ) {
        for block in 0..self.fixed.shape.cells().div_ceil(BLOCK) {
            self.count(step, block, request, counting);
            for (k, cell) in self.cells_of(block).enumerate() {
                out.lanes_mut(cell).copy_from_slice(&self.buffers.counts[k]);
            }
        }
    }

    fn cells_of(&self, block: usize) -> std::ops::Range<usize> {
        block * BLOCK..self.fixed.shape.cells().min((block + 1) * BLOCK)
    }

    fn normals(&mut self, step: u32, block: usize, purpose: Purpose, index: u32) {
        self.fixed.stream.fill_normals(
            step,
            block as u32,
            self.fixed.first_replica,
            purpose,
            index,
            needed(&mut self.buffers.normals, self.fixed.shape.cells(), block),
        );
    }

    /// Draws the signed pulse counts of one block of cells.
    fn count<'a>(
        &mut self,
        step: u32,
        block: usize,
        request: &Request<'a>,
        counting: Counting,
    ) -> Fired {
        if request.is_rounded(counting) {
            self.fixed.stream.fill_uniforms(
                step,
                block as u32,
                self.fixed.first_replica,
                Purpose::CountRounding,
                0,
                needed(&mut self.buffers.uniforms, self.fixed.shape.cells(), block),
            );
        }
        let columns_of_array = self.fixed.shape.columns;
        let replicas = self.fixed.shape.replicas;
        let mut fired = Fired::default();
        for (k, cell) in self.cells_of(block).enumerate() {
            let (row, column) = (cell / columns_of_array, cell % columns_of_array);
            let replica = |v: &'a [u32], i: usize| &v[i * replicas..(i + 1) * replicas];
            fired = fired.and(self.fixed.arch.dispatch(Count {
                counts: &mut self.buffers.counts[k],
                uniforms: &self.buffers.uniforms[k],
                counting,
                one_sided: self.fixed.cells.is_one_sided(),
                from: match request {
                    Request::Outer { rows, columns } => {
                        From::Outer(rows.lanes(row), columns.lanes(column))
                    }
                    Request::Dense(requests) => From::Dense(requests.lanes(cell)),
                    Request::Trains {
                        rows,
                        columns,
                        row_bits,
                        column_bits,
                    } => From::Trains {
                        signs: (rows.lanes(row), columns.lanes(column)),
                        bits: (replica(row_bits, row), replica(column_bits, column)),
                    },
                },
            }));
        }
        fired
    }

    /// Applies the counts to one block of cells, in trains of at most the longest.
    fn apply(&mut self, step: u32, block: usize, most: u32) {
        let (purpose, first) = self.fixed.pulsed;
        if most <= self.fixed.longest {
            self.normals(step, block, purpose, first);
            return self.each(block, Action::Pulses { most }, false);
        }
        for piece in 0..most.div_ceil(self.fixed.longest) {
            self.normals(step, block, purpose, first + piece);
            for (k, cell) in self.cells_of(block).enumerate() {
                self.fixed.arch.dispatch(Piece {
                    counts: &self.buffers.counts[k],
                    done: (piece * self.fixed.longest) as f32,
                    length: self.fixed.longest as f32,
                    out: &mut self.buffers.piece,
                });
                self.update(
                    k,
                    cell,
                    Action::Pulses {
                        most: self.fixed.longest,
                    },
                    true,
                );
            }
        }
    }

    fn each(&mut self, block: usize, action: Action, piece: bool) {
        for (k, cell) in self.cells_of(block).enumerate() {
            self.update(k, cell, action, piece);
        }
    }

    fn update(&mut self, k: usize, cell: usize, action: Action, piece: bool) {
        let replicas = self.fixed.shape.replicas;
        self.fixed.cells.law().update(Update {
            arch: self.fixed.arch,
            action,
            cell: self.fixed.cells.single(cell),
            own: None,
            states: &mut self.states[cell * replicas..(cell + 1) * replicas],
            counts: if piece {
                &self.buffers.piece
            } else {
                &self.buffers.counts[k]
            },
            normals: &self.buffers.normals[k],
        });
    }

    /// Remembers the pulses of one block of cells, or their mean.
    fn mark(&mut self, block: usize, mean: bool) {
        if !self.marks.any() {
            return;
        }
        let replicas = self.fixed.shape.replicas;
        for (k, cell) in self.cells_of(block).enumerate() {
            let lanes = cell * replicas..(cell + 1) * replicas;
            for (at, &n) in lanes.zip(&self.buffers.counts[k]) {
                self.marks
                    .mark(self.fixed, cell, at, n, mean, &mut self.states[at]);
            }
        }
    }

    /// Lets reads see the cells that were pulsed.
    fn show(&mut self, step: u32, block: usize) {
        if self.apparent.is_none() {
            return;
        }
        let deviation = self.fixed.cells.write_deviation();
        if deviation > 0.0 {
            self.normals(step, block, Purpose::WriteNoise, 0);
        }
        let replicas = self.fixed.shape.replicas;
        let range = self.cells_of(block);
        let Some(apparent) = &mut self.apparent else {
            return;
        };
        for (k, cell) in range.enumerate() {
            let lanes = cell * replicas..(cell + 1) * replicas;
            let positions = &mut self.buffers.piece;
            positions.copy_from_slice(&self.states[lanes.clone()]);
            self.fixed.read_out(cell, None, positions);
            let (counts, normals) = (&self.buffers.counts[k], &self.buffers.normals[k]);
            let seen = apparent[lanes].iter_mut();
            show(seen, positions.iter(), counts, normals, deviation);
        }
    }
}

/// The buffers of a block; none for its second pair of cells where the array ends before it.
fn needed(buffers: &mut [Vec<f32>; BLOCK], cells: usize, block: usize) -> [&mut [f32]; BLOCK] {
    let [a, b, c, d] = buffers;
    if cells - block * BLOCK <= 2 {
        [a, b, &mut [], &mut []]
    } else {
        [a, b, c, d]
    }
}
