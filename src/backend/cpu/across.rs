//! Updates of few replicas: loops run across the cells of one replica.
//!
//! Rows where most cells get a pulse are updated whole, chunk by chunk ([`Part::chunk`]); elsewhere the cells that get one are
//! gathered first ([`super::sparse`]). Both make the same numbers. Bands of rows are updated by threads of their own.

use std::ops::Range;

use super::count::{Count, Fired, From, Lane, Piece, ones};
use super::sparse::Sparse;
use super::{BLOCK, Fixed, Part, show};
use crate::backend::{Request, Shape, StackVector};
use crate::device::{Action, Cells, Counting, Own, TILE, Update};
use crate::number::{Draw, Purpose};

/// Cells that are updated at a time: enough to outweigh what a loop costs before it runs, few enough for the fast caches.
const CHUNK: usize = 2048;

/// Coincidences a cell, as they are expected of the numbers of ones, below which a row is gathered: about where times cross.
const GATHER_BELOW: f64 = 0.55;

/// Share of cells with pulses left below which the rest of a chunk is gathered: about where times cross.
const GATHER_REST_BELOW: f64 = 0.33;

/// Cells of a band, at least: below, waking a thread takes longer than it saves.
const BAND: usize = 1 << 13;

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
    /// The rows' part of it; signs only where the array is narrow.
    pub(super) rows: Vec<f32>,
    pub(super) row_bits: Vec<u32>,
    /// Ones of every row's train, of arrays that are not narrow.
    row_ones: Vec<u32>,
    /// Rows whose trains have fewer ones are gathered.
    gather_below: u32,
    pub(super) sparse: Sparse,
}

impl Across {
    fn new(shape: Shape, cells: &Cells) -> Self {
        let chunk = CHUNK.min(shape.cells());
        let members = match is_narrow(shape) {
            true => shape.rows,
            false => shape.columns,
        };
        Self {
            counts: vec![0.0; chunk],
            // Numbers are drawn from whole blocks on.
            uniforms: vec![0.0; chunk + BLOCK],
            normals: vec![0.0; chunk + BLOCK],
            piece: vec![0.0; chunk],
            states: vec![0.0; chunk],
            columns: vec![0.0; shape.columns],
            column_bits: vec![0; shape.columns],
            rows: Vec::new(),
            row_bits: Vec::new(),
            row_ones: Vec::new(),
            gather_below: 0,
            sparse: Sparse::new(members, chunk, cells),
        }
    }
}

/// Whether rows are so short that an array is better taken as a whole: all cells, or those with a pulse column by column.
fn is_narrow(shape: Shape) -> bool {
    shape.columns < TILE
}

/// Buffers of every band that an array is updated in: one for each thread, if the array is large enough.
pub(super) fn bands(shape: Shape, cells: &Cells) -> Vec<Across> {
    let threads = rayon::current_num_threads();
    let most = (shape.cells() * shape.replicas / BAND).min(shape.rows);
    (0..threads.min(most).max(1))
        .map(|_| Across::new(shape, cells))
        .collect()
}

/// One replica's update.
#[derive(Clone, Copy)]
pub(super) struct Job<'a> {
    pub(super) step: u32,
    pub(super) request: &'a Request<'a>,
    pub(super) counting: Counting,
    pub(super) replica: usize,
}

impl Job<'_> {
    /// What belongs to this replica.
    fn lane<'a, T>(&self, all: &'a [T], replicas: usize) -> Lane<'a, T> {
        Lane {
            all,
            replica: self.replica,
            replicas,
        }
    }
}

impl Part<'_, [Across]> {
    /// Updates the cells, and tells with how many pulses.
    pub(super) fn pulse(self, step: u32, request: &Request, counting: Counting) -> u64 {
        let shape = self.fixed.shape;
        let bands = self.buffers.len();
        if bands == 1 {
            let buffers = &mut self.buffers[0];
            let (states, apparent) = (self.states, self.apparent);
            let band = Part::new(
                self.fixed, self.first, states, apparent, self.marks, buffers,
            );
            return band.pulse(step, request, counting);
        }
        let rows = self.states.len() / (shape.columns * shape.replicas);
        let cells = rows * (bands / 2) / bands * shape.columns;
        let lanes = cells * shape.replicas;
        let (states, more_states) = self.states.split_at_mut(lanes);
        let (apparent, more_apparent) = match self.apparent {
            Some(apparent) => {
                let (apparent, more) = apparent.split_at_mut(lanes);
                (Some(apparent), Some(more))
            }
            None => (None, None),
        };
        let (marks, more_marks) = self.marks.split(lanes);
        let (buffers, more_buffers) = self.buffers.split_at_mut(bands / 2);
        let upper = Part {
            states,
            apparent,
            marks,
            buffers,
            ..self
        };
        let lower = Part {
            first: self.first + cells,
            states: more_states,
            apparent: more_apparent,
            marks: more_marks,
            buffers: more_buffers,
            ..self
        };
        let (a, b) = rayon::join(
            || upper.pulse(step, request, counting),
            || lower.pulse(step, request, counting),
        );
        a + b
    }
}

impl Part<'_, Across> {
    fn pulse(mut self, step: u32, request: &Request, counting: Counting) -> u64 {
        let (replicas, columns) = (self.fixed.shape.replicas, self.fixed.shape.columns);
        let rows = self.states.len() / (columns * replicas);
        let first_row = self.first / columns;
        for replica in 0..replicas {
            let job = Job {
                step,
                request,
                counting,
                replica,
            };
            let band = first_row..first_row + rows;
            self.take_columns(&job);
            if self.is_gathered(&job, band.clone()) {
                self.gather_columns(&job, band);
                self.finish_gathered(&job);
                continue;
            }
            // Rows that wait to be updated whole.
            let mut whole = self.first..self.first;
            for (k, row) in band.enumerate() {
                let cells = row * columns..(row + 1) * columns;
                let across = &*self.buffers;
                let ones = across.row_ones.get(k);
                if ones.is_some_and(|ones| *ones < across.gather_below) {
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
        self.pulses
    }

    /// Writes the signed numbers of pulses of all cells.
    pub(super) fn counts(
        mut self,
        step: u32,
        request: &Request,
        counting: Counting,
        out: &mut StackVector,
    ) {
        let cells = self.fixed.shape.cells();
        for replica in 0..self.fixed.shape.replicas {
            let job = Job {
                step,
                request,
                counting,
                replica,
            };
            self.take_columns(&job);
            for start in (0..cells).step_by(CHUNK) {
                let chunk = start..cells.min(start + CHUNK);
                self.count_chunk(&job, chunk.clone());
                for (cell, n) in chunk.zip(&self.buffers.counts) {
                    out.lanes_mut(cell)[replica] = *n;
                }
            }
        }
    }

    /// Where the states of these cells lie.
    fn lanes(&self, cells: &Range<usize>) -> Range<usize> {
        let replicas = self.fixed.shape.replicas;
        (cells.start - self.first) * replicas..(cells.end - self.first) * replicas
    }

    /// Takes the columns' part of the request.
    fn take_columns(&mut self, job: &Job) {
        let replicas = self.fixed.shape.replicas;
        let across = &mut *self.buffers;
        match job.request {
            Request::Outer { columns, .. } => {
                job.lane(columns.all(), replicas).take(&mut across.columns);
            }
            Request::Dense(_) => {}
            Request::Trains {
                columns,
                column_bits,
                ..
            } => {
                job.lane(columns.all(), replicas).take(&mut across.columns);
                job.lane(column_bits, replicas)
                    .take(&mut across.column_bits);
                across.sparse.clear();
            }
        }
    }

    /// Takes the trains of these rows, and decides by the numbers of ones which rows are gathered; whether all rows of a narrow array are, whose
    /// signs are taken then. Only the request decides, so that results cannot depend on it.
    fn is_gathered(&mut self, job: &Job, rows: Range<usize>) -> bool {
        let shape = self.fixed.shape;
        let across = &mut *self.buffers;
        across.gather_below = 0;
        let Request::Trains {
            rows: signs,
            row_bits,
            ..
        } = job.request
        else {
            return false;
        };
        // Where cells are gathered, their numbers leave room for a sign.
        if shape.cells() > i32::MAX as usize {
            return false;
        }
        let arch = self.fixed.arch;
        let columns = arch.dispatch(Ones {
            trains: &across.column_bits,
            each: &mut [],
        });
        let length = u32::BITS - columns.any.leading_zeros();
        // A one of a row meets one of every column with the share of ones among the columns' bits.
        let coincidences = f64::from(columns.ones) / f64::from(length.max(1));
        let limit = GATHER_BELOW * shape.columns as f64;
        let lanes = rows.start * shape.replicas..rows.end * shape.replicas;
        across.row_bits.resize(rows.len(), 0);
        let narrow = is_narrow(shape);
        across
            .row_ones
            .resize(if narrow { 0 } else { rows.len() }, 0);
        job.lane(&row_bits[lanes.clone()], shape.replicas)
            .take(&mut across.row_bits);
        let ones = arch.dispatch(Ones {
            trains: &across.row_bits,
            each: &mut across.row_ones,
        });
        if !narrow {
            across.gather_below = (limit / coincidences).ceil() as u32;
            return false;
        }
        let gathered = f64::from(ones.ones) * coincidences < limit * rows.len() as f64;
        if gathered {
            across.rows.resize(rows.len(), 0.0);
            job.lane(&signs.all()[lanes], shape.replicas)
                .take(&mut across.rows);
        }
        gathered
    }

    /// Updates these cells, all of them.
    fn chunks(&mut self, job: &Job, cells: Range<usize>) {
        let mut start = cells.start;
        while start < cells.end {
            // Only the first chunk may begin within a tile.
            let whole = if start.is_multiple_of(TILE) {
                CHUNK
            } else {
                TILE
            };
            let end = cells.end.min((start / TILE * TILE) + whole);
            self.chunk(job, start..end);
            start = end;
        }
    }

    fn chunk(&mut self, job: &Job, cells: Range<usize>) {
        let fired = self.count_chunk(job, cells.clone());
        if job.request.is_mean(job.counting) {
            self.update_chunk(job, cells.clone(), Action::Expected, false);
            return self.mark_chunk(job, cells);
        }
        if fired.total == 0 {
            return;
        }
        self.pulses += fired.total;
        let (len, longest) = (cells.len(), self.fixed.longest);
        let (purpose, first) = self.fixed.pulsed;
        if fired.most <= longest {
            self.chunk_normals(job, cells.clone(), purpose, first);
            let all = Action::Pulses { most: fired.most };
            self.update_chunk(job, cells.clone(), all, false);
        } else {
            for piece in 0..fired.most.div_ceil(longest) {
                let done = (piece * longest) as f32;
                let left = self.fixed.arch.dispatch(Piece {
                    counts: &self.buffers.counts[..len],
                    done,
                    length: longest as f32,
                    out: &mut self.buffers.piece[..len],
                });
                if (left as f64) < GATHER_REST_BELOW * len as f64 {
                    let Across { counts, sparse, .. } = &mut *self.buffers;
                    sparse.take_rest(cells.clone(), counts, done);
                    self.finish_rest(job, piece, fired.most);
                    break;
                }
                self.chunk_normals(job, cells.clone(), purpose, first + piece);
                let most = Action::Pulses { most: longest };
                self.update_chunk(job, cells.clone(), most, true);
            }
        }
        self.mark_chunk(job, cells.clone());
        self.show_chunk(job, cells);
    }

    /// Remembers the pulses of a chunk.
    fn mark_chunk(&mut self, job: &Job, cells: Range<usize>) {
        if !self.marks.any() {
            return;
        }
        let mean = job.request.is_mean(job.counting);
        let first = self.lanes(&cells).start + job.replica;
        let places = (first..).step_by(self.fixed.shape.replicas);
        for ((cell, at), &n) in cells.zip(places).zip(&self.buffers.counts) {
            self.marks
                .mark(self.fixed, cell, at, n, mean, &mut self.states[at]);
        }
    }

    /// Draws the signed counts of a chunk.
    fn count_chunk(&mut self, job: &Job, cells: Range<usize>) -> Fired {
        let fixed = self.fixed;
        let replicas = fixed.shape.replicas;
        let skip = cells.start % BLOCK;
        if job.request.is_rounded(job.counting) {
            let at = self.draw(job, Purpose::CountRounding, 0);
            let out = &mut self.buffers.uniforms[..skip + cells.len()];
            let first_block = (cells.start / BLOCK) as u32;
            fixed
                .stream
                .fill_cell_uniforms(fixed.arch, at, first_block, out);
        }
        let (first, len) = (cells.start, cells.len());
        let across = &mut *self.buffers;
        let from = match job.request {
            Request::Outer { rows, .. } => {
                From::Products(first, job.lane(rows.all(), replicas), &across.columns)
            }
            Request::Dense(requests) => {
                let own = &requests.all()[first * replicas..cells.end * replicas];
                job.lane(own, replicas).take(&mut across.piece[..len]);
                From::Dense(&across.piece[..len])
            }
            Request::Trains { rows, row_bits, .. } => From::Meetings {
                first,
                signs: (job.lane(rows.all(), replicas), &across.columns),
                bits: (job.lane(row_bits, replicas), &across.column_bits),
            },
        };
        fixed.arch.dispatch(Count {
            counts: &mut across.counts[..len],
            uniforms: &across.uniforms[skip..skip + len],
            counting: job.counting,
            one_sided: fixed.cells.is_one_sided(),
            from,
        })
    }

    pub(super) fn draw(&self, job: &Job, purpose: Purpose, index: u32) -> Draw {
        self.fixed.draw(job.step, job.replica, purpose, index)
    }

    fn chunk_normals(&mut self, job: &Job, cells: Range<usize>, purpose: Purpose, index: u32) {
        let at = self.draw(job, purpose, index);
        let out = &mut self.buffers.normals[..cells.start % BLOCK + cells.len()];
        let first_block = (cells.start / BLOCK) as u32;
        let Fixed { stream, arch, .. } = self.fixed;
        stream.fill_cell_normals(*arch, at, first_block, out);
    }

    fn update_chunk(&mut self, job: &Job, cells: Range<usize>, action: Action, piece: bool) {
        let replicas = self.fixed.shape.replicas;
        let (len, skip) = (cells.len(), cells.start % BLOCK);
        let lanes = self.lanes(&cells);
        let across = &mut *self.buffers;
        let Fixed {
            cells: physics,
            arch,
            ..
        } = self.fixed;
        let own = own_of(self.fixed, &mut across.sparse, &cells);
        let alone = replicas == 1;
        let all = &mut self.states[lanes.clone()];
        if !alone {
            job.lane(all, replicas).take(&mut across.states[..len]);
        }
        physics.law().update(Update {
            arch: *arch,
            action,
            cell: physics.single(0),
            own,
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
            let own = self.states[lanes][job.replica..].iter_mut();
            let new = across.states.iter();
            own.step_by(replicas)
                .zip(new)
                .for_each(|(s, new)| *s = *new);
        }
    }

    /// Lets reads see the cells of a chunk that were pulsed.
    fn show_chunk(&mut self, job: &Job, cells: Range<usize>) {
        if self.apparent.is_none() {
            return;
        }
        let deviation = self.fixed.cells.write_deviation();
        if deviation > 0.0 {
            self.chunk_normals(job, cells.clone(), Purpose::WriteNoise, 0);
        }
        let replicas = self.fixed.shape.replicas;
        let lanes = self.lanes(&cells);
        let Some(apparent) = &mut self.apparent else {
            return;
        };
        let seen = apparent[lanes.clone()][job.replica..].iter_mut();
        let states = self.states[lanes][job.replica..].iter();
        let across = &mut *self.buffers;
        let positions = &mut across.piece[..cells.len()];
        let own = positions.iter_mut().zip(states.step_by(replicas));
        own.for_each(|(x, s)| *x = *s);
        if self.fixed.cells.is_read_out() {
            let own = own_of(self.fixed, &mut across.sparse, &cells);
            self.fixed.read_out(0, own, positions);
        }
        let normals = &across.normals[cells.start % BLOCK..];
        let seen = seen.step_by(replicas);
        show(seen, positions.iter(), &across.counts, normals, deviation);
    }
}

/// Counts the ones of trains, as many as there is room for one by one too.
struct Ones<'a> {
    trains: &'a [u32],
    each: &'a mut [u32],
}

/// What [`Ones`] finds.
struct Found {
    /// Ones of all trains.
    ones: u32,
    /// Bits that any train has.
    any: u32,
}

impl pulp::WithSimd for Ones<'_> {
    type Output = Found;

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _simd: S) -> Found {
        for (each, train) in self.each.iter_mut().zip(self.trains) {
            *each = ones(*train) as u32;
        }
        let trains = self.trains.iter();
        Found {
            ones: trains.clone().map(|t| ones(*t) as u32).sum(),
            any: trains.fold(0, |any, t| any | t),
        }
    }
}

/// What a chunk of cells does not share with cell 0.
fn own_of<'a>(fixed: &'a Fixed, sparse: &'a mut Sparse, cells: &Range<usize>) -> Option<Own<'a>> {
    if cells.start.is_multiple_of(TILE) {
        fixed.cells.own_from(cells.start)
    } else {
        sparse.own(&fixed.cells, fixed.arch, cells.clone())
    }
}
