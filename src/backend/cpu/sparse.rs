//! Updates of the few cells that get a pulse: found, gathered, updated, put back.

use std::ops::Range;

use super::Cpu;
use super::across::{CHUNK, Job};
use super::count::{Piece, set_bits, signed};
use crate::backend::Request;
use crate::device::{Action, MOST_PARAMETERS, Own, Update};
use crate::number::Purpose;

/// Gathered cells that are updated at a time.
const GROUP: usize = 256;

/// Cells to gather before they are updated: enough that no loop runs nearly empty.
const WAITING: usize = 1024;

/// Cells and their signed counts.
#[derive(Default)]
struct List {
    cells: Vec<u32>,
    counts: Vec<f32>,
    /// The largest count.
    most: f32,
}

impl List {
    fn with_capacity(n: usize) -> Self {
        Self {
            cells: Vec::with_capacity(n),
            counts: Vec::with_capacity(n),
            most: 0.0,
        }
    }

    fn clear(&mut self) {
        self.cells.clear();
        self.counts.clear();
        self.most = 0.0;
    }

    /// Becomes another list.
    fn copy(&mut self, other: &Self) {
        self.clear();
        self.cells.extend_from_slice(&other.cells);
        self.counts.extend_from_slice(&other.counts);
        self.most = other.most;
    }

    #[inline]
    fn push(&mut self, cell: usize, count: f32) {
        self.cells.push(cell as u32);
        self.counts.push(count);
        self.most = self.most.max(count.abs());
    }

    /// Keeps the cells with more than `done` pulses.
    fn keep_above(&mut self, done: f32) {
        let mut kept = 0;
        for i in 0..self.cells.len() {
            let (cell, count) = (self.cells[i], self.counts[i]);
            self.cells[kept] = cell;
            self.counts[kept] = count;
            kept += usize::from(count.abs() > done);
        }
        self.cells.truncate(kept);
        self.counts.truncate(kept);
    }
}

/// Where the columns' trains have their bits, and the cells found so far.
pub(super) struct Sparse {
    /// For every bit of a train, the set of columns that have it, 64 columns a word.
    columns_with: Vec<u64>,
    words: usize,
    /// Whether the sets are those of the present request.
    known: bool,
    /// Cells of one pulse, and of more: the first need a shorter loop.
    single: List,
    several: List,
    /// Cells with pulses left.
    rest: List,
    states: Vec<f32>,
    counts: Vec<f32>,
    normals: Vec<f32>,
    rows: Vec<f32>,
}

impl Sparse {
    pub(super) fn new(columns: usize) -> Self {
        let words = columns.div_ceil(64);
        let group = |n: usize| vec![0.0; if columns > 0 { n } else { 0 }];
        let waiting = if columns > 0 {
            WAITING + columns.max(CHUNK)
        } else {
            0
        };
        Self {
            columns_with: vec![0; 32 * words],
            words,
            known: false,
            single: List::with_capacity(waiting),
            several: List::with_capacity(waiting),
            rest: List::with_capacity(waiting),
            states: group(GROUP),
            counts: group(GROUP),
            normals: group(GROUP),
            rows: group(GROUP * MOST_PARAMETERS),
        }
    }

    /// Forgets the columns of the last request.
    pub(super) fn clear(&mut self) {
        self.known = false;
    }

    /// Takes the cells of a chunk that have more than `done` pulses.
    pub(super) fn take_rest(&mut self, cells: Range<usize>, counts: &[f32], done: f32) {
        for (cell, &n) in cells.zip(counts) {
            if n.abs() > done {
                self.rest.push(cell, n);
            }
        }
    }

    fn find(&mut self, column_bits: &[u32]) {
        if self.known {
            return;
        }
        self.known = true;
        self.columns_with.fill(0);
        for (column, bits) in column_bits.iter().enumerate() {
            for bit in set_bits((*bits).into()) {
                self.columns_with[bit * self.words + column / 64] |= 1 << (column % 64);
            }
        }
    }
}

impl Cpu {
    /// Finds the cells of a row that get a pulse.
    pub(super) fn gather_row(&mut self, job: &Job, row: usize) {
        let Request::Trains { rows, row_bits, .. } = job.request else {
            return;
        };
        let train = row_bits[row * self.shape.replicas + job.replica];
        if train == 0 {
            return;
        }
        let sign = rows.lanes(row)[job.replica];
        let across = &mut self.across;
        let (columns, bits) = (&across.columns, &across.column_bits);
        let sparse = &mut across.sparse;
        sparse.find(bits);
        let first = row * self.shape.columns;
        for word in 0..sparse.words {
            // Columns with at least one coincidence, and with at least two.
            let (mut once, mut twice) = (0_u64, 0_u64);
            for bit in set_bits(train.into()) {
                let with = sparse.columns_with[bit * sparse.words + word];
                twice |= once & with;
                once |= with;
            }
            once &= !twice;
            self.pulses += u64::from(once.count_ones());
            if once != 0 {
                sparse.single.most = 1.0;
            }
            for column in set_bits(once).map(|bit| word * 64 + bit) {
                let signs = sign.to_bits() ^ columns[column].to_bits();
                let one = 1.0_f32.copysign(f32::from_bits(signs));
                sparse.single.cells.push((first + column) as u32);
                sparse.single.counts.push(one);
            }
            for column in set_bits(twice).map(|bit| word * 64 + bit) {
                let meet = train & bits[column];
                self.pulses += u64::from(meet.count_ones());
                sparse
                    .several
                    .push(first + column, signed(meet, sign, columns[column]));
            }
        }
        if sparse.single.cells.len() >= WAITING || sparse.several.cells.len() >= WAITING {
            self.finish_gathered(job);
        }
    }

    /// Updates the cells found so far.
    pub(super) fn finish_gathered(&mut self, job: &Job) {
        let single = std::mem::take(&mut self.across.sparse.single);
        self.across.sparse.single = self.finish_list(job, single);
        let several = std::mem::take(&mut self.across.sparse.several);
        self.across.sparse.several = self.finish_list(job, several);
    }

    /// Updates the cells of a list, and returns it empty.
    fn finish_list(&mut self, job: &Job, mut list: List) -> List {
        self.across.sparse.rest.copy(&list);
        self.finish_rest(job, 0);
        self.gathered_write_noise(job, &list);
        list.clear();
        list
    }

    /// Updates the cells of the rest, from piece `first` on.
    pub(super) fn finish_rest(&mut self, job: &Job, first: u32) {
        let mut rest = std::mem::take(&mut self.across.sparse.rest);
        self.update_gathered(job, &mut rest, first);
        rest.clear();
        self.across.sparse.rest = rest;
    }

    /// Updates the cells of a list, from piece `first` on; what has no pulses left is dropped from it.
    fn update_gathered(&mut self, job: &Job, list: &mut List, first: u32) {
        let most = list.most as u32;
        let mut piece = first;
        loop {
            let done = piece.saturating_mul(self.longest) as f32;
            for start in (0..list.cells.len()).step_by(GROUP) {
                let range = start..list.cells.len().min(start + GROUP);
                let (cells, counts) = (&list.cells[range.clone()], &list.counts[range]);
                self.update_group(job, cells, counts, piece, done, most);
            }
            piece += 1;
            if most <= self.longest.saturating_mul(piece) {
                return;
            }
            list.keep_above(piece.saturating_mul(self.longest) as f32);
            if list.cells.is_empty() {
                return;
            }
        }
    }

    fn update_group(
        &mut self,
        job: &Job,
        cells: &[u32],
        counts: &[f32],
        piece: u32,
        done: f32,
        most: u32,
    ) {
        let (replicas, replica, len) = (self.shape.replicas, job.replica, cells.len());
        let at = self.draw(job, Purpose::CycleNoise, piece);
        let sparse = &mut self.across.sparse;
        self.stream
            .fill_scattered_normals(self.arch, at, cells, &mut sparse.normals[..len]);
        for (s, &cell) in sparse.states.iter_mut().zip(cells) {
            *s = self.states[cell as usize * replicas + replica];
        }
        let cut = most > self.longest;
        if cut {
            self.arch.dispatch(Piece {
                counts,
                done,
                length: self.longest as f32,
                out: &mut sparse.counts[..len],
            });
        }
        let own = self.cells.own(0..self.cells.len()).map(|own| {
            match own.width {
                4 => gather::<4>(cells, own.rows, &mut sparse.rows),
                8 => gather::<8>(cells, own.rows, &mut sparse.rows),
                _ => gather::<16>(cells, own.rows, &mut sparse.rows),
            }
            Own {
                rows: &sparse.rows[..len * own.width],
                tiles: None,
                ..own
            }
        });
        self.cells.law().update(Update {
            arch: self.arch,
            action: Action::Pulses {
                most: most.min(self.longest),
            },
            cell: self.cells.single(0),
            own,
            states: &mut sparse.states[..len],
            counts: if cut { &sparse.counts[..len] } else { counts },
            normals: &sparse.normals[..len],
        });
        for (s, &cell) in sparse.states.iter().zip(cells) {
            self.states[cell as usize * replicas + replica] = *s;
        }
    }

    fn gathered_write_noise(&mut self, job: &Job, list: &List) {
        let at = self.draw(job, Purpose::WriteNoise, 0);
        let deviation = self.cells.write_deviation();
        let Some(apparent) = &mut self.apparent else {
            return;
        };
        let normals = &mut self.across.sparse.normals;
        for cells in list.cells.chunks(GROUP) {
            self.stream
                .fill_scattered_normals(self.arch, at, cells, &mut normals[..cells.len()]);
            for (&cell, z) in cells.iter().zip(normals.iter()) {
                let lane = cell as usize * self.shape.replicas + job.replica;
                apparent[lane] = self.states[lane] + deviation * z;
            }
        }
    }
}

/// The own parameters of these cells, one after the other.
fn gather<const WIDTH: usize>(cells: &[u32], rows: &[f32], out: &mut [f32]) {
    let (rows, out) = (rows.as_chunks::<WIDTH>().0, out.as_chunks_mut::<WIDTH>().0);
    for (out, &cell) in out.iter_mut().zip(cells) {
        *out = rows[cell as usize];
    }
}
