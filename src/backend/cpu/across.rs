//! Updates of few replicas: loops run across the cells of one replica.
//!
//! Rows where most cells get a pulse are updated whole, chunk by chunk ([`Cpu::chunk`]); elsewhere the cells that get one are
//! gathered first ([`super::sparse`]). Both make the same numbers.

use std::ops::Range;

use super::count::{Count, Fired, From, Piece, set_bits};
use super::sparse::Sparse;
use super::{BLOCK, Cpu};
use crate::backend::{Request, Shape, StackVector};
use crate::device::{Action, Counting, Update};
use crate::number::{Draw, Purpose};

/// Cells that are updated at a time: their buffers stay in the first-level cache.
pub(super) const CHUNK: usize = 512;

/// Coincidences a cell below which a row is gathered: about where times cross.
const GATHER_BELOW: f64 = 0.35;

/// Share of cells with pulses left below which the rest of a chunk is gathered: about where times cross.
const GATHER_REST_BELOW: f64 = 0.25;

/// Buffers of one chunk of cells and of one replica's request.
pub(super) struct Across {
    counts: Vec<f32>,
    uniforms: Vec<f32>,
    normals: Vec<f32>,
    piece: Vec<f32>,
    states: Vec<f32>,
    /// The columns' part of the request.
    pub(super) columns: Vec<f32>,
    pub(super) column_bits: Vec<u32>,
    /// How many columns have each bit.
    with_bit: [u32; 32],
    pub(super) sparse: Sparse,
}

impl Across {
    pub(super) fn new(shape: Shape) -> Self {
        let used = |n: usize| if shape.replicas < super::WIDE { n } else { 0 };
        let chunk = || vec![0.0; used(CHUNK)];
        Self {
            counts: chunk(),
            // Numbers are drawn from whole blocks on.
            uniforms: vec![0.0; used(CHUNK + BLOCK)],
            normals: vec![0.0; used(CHUNK + BLOCK)],
            piece: chunk(),
            states: chunk(),
            columns: vec![0.0; used(shape.columns)],
            column_bits: vec![0; used(shape.columns)],
            with_bit: [0; 32],
            sparse: Sparse::new(used(shape.columns)),
        }
    }
}

/// One replica's update.
#[derive(Clone, Copy)]
pub(super) struct Job<'a> {
    pub(super) step: u32,
    pub(super) request: &'a Request<'a>,
    pub(super) counting: Counting,
    pub(super) replica: usize,
}

impl Cpu {
    pub(super) fn pulse_across(&mut self, step: u32, request: &Request, counting: Counting) {
        for replica in 0..self.shape.replicas {
            let job = Job {
                step,
                request,
                counting,
                replica,
            };
            self.take_columns(&job);
            // Rows that wait to be updated whole.
            let mut whole = 0..0;
            for row in 0..self.shape.rows {
                let cells = row * self.shape.columns..(row + 1) * self.shape.columns;
                if self.is_sparse(&job, row) {
                    self.chunks(&job, whole);
                    whole = cells.end..cells.end;
                    self.gather_row(&job, row);
                } else {
                    whole.end = cells.end;
                }
            }
            self.chunks(&job, whole);
            self.finish_gathered(&job);
        }
    }

    /// Takes the columns' part of the request.
    fn take_columns(&mut self, job: &Job) {
        let (replicas, replica) = (self.shape.replicas, job.replica);
        let one = |v: &StackVector, out: &mut [f32]| {
            let all = v.all()[replica..].iter().step_by(replicas);
            out.iter_mut().zip(all).for_each(|(o, x)| *o = *x);
        };
        match job.request {
            Request::Outer { columns, .. } => one(columns, &mut self.across.columns),
            Request::Dense(_) => {}
            Request::Trains {
                columns,
                column_bits,
                ..
            } => {
                one(columns, &mut self.across.columns);
                let bits = column_bits[replica..].iter().step_by(replicas);
                let out = self.across.column_bits.iter_mut();
                out.zip(bits).for_each(|(o, x)| *o = *x);
                self.across.with_bit = [0; 32];
                for &bits in &self.across.column_bits {
                    for bit in set_bits(bits.into()) {
                        self.across.with_bit[bit] += 1;
                    }
                }
                self.across.sparse.clear();
            }
        }
    }

    /// Whether few cells of a row get a pulse. Only the request decides, so that results cannot depend on it.
    fn is_sparse(&self, job: &Job, row: usize) -> bool {
        let Request::Trains { row_bits, .. } = job.request else {
            return false;
        };
        let train = row_bits[row * self.shape.replicas + job.replica];
        let coincidences: u32 = set_bits(train.into())
            .map(|bit| self.across.with_bit[bit])
            .sum();
        f64::from(coincidences) < GATHER_BELOW * self.shape.columns as f64
    }

    /// Updates these cells, all of them.
    fn chunks(&mut self, job: &Job, cells: Range<usize>) {
        let mut start = cells.start;
        while start < cells.end {
            let end = cells.end.min(start + CHUNK);
            self.chunk(job, start..end);
            start = end;
        }
    }

    fn chunk(&mut self, job: &Job, cells: Range<usize>) {
        let fired = self.count_chunk(job, cells.clone());
        if job.request.is_mean(job.counting) {
            return self.update_chunk(job, cells, Action::Expected, false);
        }
        if fired.total == 0 {
            return;
        }
        self.pulses += fired.total;
        let len = cells.len();
        if fired.most <= self.longest {
            self.chunk_normals(job, cells.clone(), Purpose::CycleNoise, 0);
            self.update_chunk(
                job,
                cells.clone(),
                Action::Pulses { most: fired.most },
                false,
            );
        } else {
            for piece in 0..fired.most.div_ceil(self.longest) {
                let left = self.arch.dispatch(Piece {
                    counts: &self.across.counts[..len],
                    done: (piece * self.longest) as f32,
                    length: self.longest as f32,
                    out: &mut self.across.piece[..len],
                });
                if (left as f64) < GATHER_REST_BELOW * len as f64 {
                    let Across { counts, sparse, .. } = &mut self.across;
                    let done = (piece * self.longest) as f32;
                    sparse.take_rest(cells.clone(), counts, done);
                    self.finish_rest(job, piece);
                    break;
                }
                self.chunk_normals(job, cells.clone(), Purpose::CycleNoise, piece);
                let most = Action::Pulses { most: self.longest };
                self.update_chunk(job, cells.clone(), most, true);
            }
        }
        self.chunk_write_noise(job, cells);
    }

    /// Draws the signed counts of a chunk.
    fn count_chunk(&mut self, job: &Job, cells: Range<usize>) -> Fired {
        let (columns, replicas) = (self.shape.columns, self.shape.replicas);
        let skip = cells.start % BLOCK;
        if job.request.is_rounded(job.counting) {
            let at = self.draw(job, Purpose::CountRounding, 0);
            let out = &mut self.across.uniforms[..skip + cells.len()];
            self.stream
                .fill_cell_uniforms(self.arch, at, (cells.start / BLOCK) as u32, out);
        }
        let mut fired = Fired::default();
        let mut cell = cells.start;
        while cell < cells.end {
            let (row, column) = (cell / columns, cell % columns);
            let end = cells.end.min((row + 1) * columns);
            let (from, to) = (cell - cells.start, end - cells.start);
            let part = column..column + (end - cell);
            let across = &mut self.across;
            let source = match job.request {
                Request::Outer { rows, .. } => {
                    From::Row(rows.lanes(row)[job.replica], &across.columns[part])
                }
                Request::Dense(requests) => {
                    let all = &requests.all()[cell * replicas..end * replicas];
                    let given = all[job.replica..].iter().step_by(replicas);
                    let out = across.piece[from..to].iter_mut();
                    out.zip(given).for_each(|(o, x)| *o = *x);
                    From::Dense(&across.piece[from..to])
                }
                Request::Trains { rows, row_bits, .. } => From::RowTrain {
                    sign: rows.lanes(row)[job.replica],
                    signs: &across.columns[part.clone()],
                    train: row_bits[row * replicas + job.replica],
                    bits: &across.column_bits[part],
                },
            };
            fired = fired.and(self.arch.dispatch(Count {
                counts: &mut across.counts[from..to],
                uniforms: &across.uniforms[skip + from..skip + to],
                counting: job.counting,
                from: source,
            }));
            cell = end;
        }
        fired
    }

    pub(super) fn draw(&self, job: &Job, purpose: Purpose, index: u32) -> Draw {
        Draw {
            step: job.step,
            replica: self.first_replica.wrapping_add(job.replica as u32),
            purpose,
            index,
        }
    }

    fn chunk_normals(&mut self, job: &Job, cells: Range<usize>, purpose: Purpose, index: u32) {
        let at = self.draw(job, purpose, index);
        let out = &mut self.across.normals[..cells.start % BLOCK + cells.len()];
        self.stream
            .fill_cell_normals(self.arch, at, (cells.start / BLOCK) as u32, out);
    }

    fn update_chunk(&mut self, job: &Job, cells: Range<usize>, action: Action, piece: bool) {
        let (replicas, len, skip) = (self.shape.replicas, cells.len(), cells.start % BLOCK);
        let across = &mut self.across;
        let alone = replicas == 1;
        let all = &mut self.states[cells.start * replicas..cells.end * replicas];
        if !alone {
            let own = all[job.replica..].iter().step_by(replicas);
            across.states.iter_mut().zip(own).for_each(|(o, s)| *o = *s);
        }
        self.cells.law().update(Update {
            arch: self.arch,
            action,
            cell: self.cells.single(0),
            own: self.cells.own(cells.clone()),
            states: if alone {
                all
            } else {
                &mut across.states[..len]
            },
            counts: if piece {
                &across.piece[..len]
            } else {
                &across.counts[..len]
            },
            normals: &across.normals[skip..skip + len],
        });
        if !alone {
            let own = &mut self.states[cells.start * replicas..cells.end * replicas];
            let own = own[job.replica..].iter_mut().step_by(replicas);
            own.zip(&across.states).for_each(|(s, new)| *s = *new);
        }
    }

    /// Redraws the write noise of the cells of a chunk that were pulsed.
    fn chunk_write_noise(&mut self, job: &Job, cells: Range<usize>) {
        if self.apparent.is_none() {
            return;
        }
        self.chunk_normals(job, cells.clone(), Purpose::WriteNoise, 0);
        let deviation = self.cells.write_deviation();
        let replicas = self.shape.replicas;
        let Some(apparent) = &mut self.apparent else {
            return;
        };
        let first = cells.start * replicas + job.replica;
        let lanes = first..cells.end * replicas;
        let seen = apparent[lanes.clone()].iter_mut().step_by(replicas);
        let states = self.states[lanes].iter().step_by(replicas);
        let normals = &self.across.normals[cells.start % BLOCK..];
        Self::rewrite(seen, states, &self.across.counts, normals, deviation);
    }
}
