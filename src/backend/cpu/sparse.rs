//! Updates of the few cells that get a pulse: found, gathered, updated, put back.

use std::ops::Range;

use pulp::Arch;

use super::Part;
use super::across::{Across, Job};
use super::count::{Piece, set_bits};
use crate::backend::Request;
use crate::device::{Action, Cells, Own, Update};
use crate::number::Purpose;

/// Gathered cells that are updated at a time.
const GROUP: usize = 1024;

/// Cells to gather before they are updated: enough that no loop runs nearly empty.
const WAITING: usize = 1024;

/// Members in one word of a set.
const WORD: usize = 64;

/// Members of a word from which on they are looked up eight at a time instead of one by one: about where times cross.
const LOOKED_UP: u32 = 4;

/// The members of every set of eight, in order; then any.
const MEMBERS: [[u32; 8]; 256] = {
    let mut all = [[0; 8]; 256];
    let mut set = 0;
    while set < 256 {
        let (mut column, mut found) = (0, 0);
        while column < 8 {
            if set >> column & 1 == 1 {
                all[set][found] = column;
                found += 1;
            }
            column += 1;
        }
        set += 1;
    }
    all
};

/// The bit of a cell in [`Once`], and of a member, that says that its pulse depresses.
const DEPRESSED: u32 = 1 << 31;

/// Cells that wait for one pulse, each with its sign in the highest bit, in a buffer that is longer than they are.
#[derive(Default)]
struct Once {
    buffer: Vec<u32>,
    len: usize,
}

impl Once {
    /// Room for `n` cells, and for what [`Push`] writes behind them.
    fn new(n: usize) -> Self {
        Self {
            buffer: vec![0; n + 16],
            len: 0,
        }
    }
}

/// What the members of a word of a set become: `origin + stride · member`, with the sign.
#[derive(Clone, Copy)]
struct Places {
    origin: u32,
    stride: u32,
}

/// A way to write down the members of a set.
trait Push: Copy {
    /// Writes them from place `len` on, and more that are nothing behind them; returns the place behind the last member.
    fn push(self, buffer: &mut [u32], len: usize, set: u64, negative: u64, places: Places)
    -> usize;
}

/// The next places of a list.
#[inline(always)]
fn room<const N: usize>(buffer: &mut [u32], len: usize) -> &mut [u32; N] {
    match buffer[len..].first_chunk_mut() {
        Some(room) => room,
        None => unreachable!("lists have room for a line more"),
    }
}

/// One by one, or eight at a time by [`MEMBERS`].
#[derive(Clone, Copy)]
struct Table;

impl Push for Table {
    #[inline(always)]
    fn push(
        self,
        buffer: &mut [u32],
        mut len: usize,
        set: u64,
        negative: u64,
        Places { origin, stride }: Places,
    ) -> usize {
        if set.count_ones() < LOOKED_UP {
            for column in set_bits(set) {
                let sign = (negative >> column) as u32;
                buffer[len] = (origin + stride * column as u32) | sign << 31;
                len += 1;
            }
            return len;
        }
        let bytes = set.to_le_bytes().into_iter().zip(negative.to_le_bytes());
        for ((set, negative), first) in bytes.zip((0..).step_by(8)) {
            let out: &mut [u32; 8] = room(buffer, len);
            let members = &MEMBERS[usize::from(set)];
            let negative = u32::from(negative);
            for k in 0..8 {
                let sign = (negative << (31 - members[k])) & DEPRESSED;
                out[k] = (origin + stride * (first + members[k])) | sign;
            }
            len += set.count_ones() as usize;
        }
        len
    }
}

/// Sixteen at a time, by the instruction that moves chosen lanes together.
#[cfg(target_arch = "x86_64")]
impl Push for pulp::x86::V4 {
    #[inline(always)]
    fn push(
        self,
        buffer: &mut [u32],
        mut len: usize,
        set: u64,
        negative: u64,
        Places { origin, stride }: Places,
    ) -> usize {
        if set == 0 {
            return len;
        }
        let simd = self.avx512f;
        for first in (0..WORD as u32).step_by(16) {
            let out: &mut [u32; 16] = room(buffer, len);
            let mut places = [0; 16];
            for (k, place) in (first..).zip(&mut places) {
                *place = origin + stride * k;
            }
            let (own, negative) = ((set >> first) as u16, (negative >> first) as u16);
            let places = pulp::cast(places);
            let sign = pulp::cast([DEPRESSED; 16]);
            let signed = simd._mm512_mask_or_epi32(places, negative, places, sign);
            let chosen = simd._mm512_maskz_compress_epi32(own, signed);
            *out = pulp::cast(chosen);
            len += own.count_ones() as usize;
        }
        len
    }
}

/// Cells and signed counts from [`Once`].
struct Unpack<'a> {
    once: &'a [u32],
    cells: &'a mut [u32],
    counts: &'a mut [f32],
}

impl pulp::WithSimd for Unpack<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _simd: S) {
        let out = self.cells.iter_mut().zip(self.counts);
        for ((cell, count), once) in out.zip(self.once) {
            *cell = once & !DEPRESSED;
            *count = f32::from_bits(1.0_f32.to_bits() | once & DEPRESSED);
        }
    }
}

/// Cells that wait, with their signed counts.
#[derive(Default)]
struct Counted {
    cells: Vec<u32>,
    counts: Vec<f32>,
    len: usize,
}

impl Counted {
    /// Room for `n` cells, and for what [`Push`] writes behind them.
    fn new(n: usize) -> Self {
        Self {
            cells: vec![0; n + 16],
            counts: vec![0.0; n],
            len: 0,
        }
    }

    fn cells(&self) -> &[u32] {
        &self.cells[..self.len]
    }

    /// Becomes a copy of another list.
    fn copy(&mut self, other: &Self) {
        self.len = other.len;
        self.cells[..self.len].copy_from_slice(other.cells());
        self.counts[..self.len].copy_from_slice(&other.counts[..self.len]);
    }

    /// Adds a cell if it has more than `done` pulses.
    #[inline(always)]
    fn push(&mut self, cell: u32, count: f32, done: f32) {
        self.cells[self.len] = cell;
        self.counts[self.len] = count;
        self.len += usize::from(count.abs() > done);
    }

    /// Keeps the cells with more than `done` pulses.
    fn keep_above(&mut self, done: f32) {
        let all = std::mem::take(&mut self.len);
        for i in 0..all {
            self.push(self.cells[i], self.counts[i], done);
        }
    }
}

/// Cells of a line of the array, a row or a column: those of its members, the lines across.
struct Line {
    train: u32,
    negative: bool,
    /// The cell of the first member, and how many cells lie from one to the next.
    first: u32,
    stride: u32,
}

/// Where the members' trains have their bits, and the cells found so far.
pub(super) struct Sparse {
    /// For every bit of a train, the set of members that have it, 64 a word.
    with_bit: Vec<u64>,
    /// The members with a negative sign.
    negative: Vec<u64>,
    /// Their trains.
    trains: Vec<u32>,
    /// A buffer: the bits of all trains, 32 of them a column.
    square: Vec<u32>,
    /// Whether the sets are those of the present request.
    known: bool,
    /// Cells of one pulse, and of more than one: the first need a shorter loop.
    once: Once,
    several: Counted,
    /// The largest count of several.
    most: u32,
    /// Cells with pulses left.
    rest: Counted,
    cells: Vec<u32>,
    states: Vec<f32>,
    counts: Vec<f32>,
    normals: Vec<f32>,
    /// What the cells of a group do not share.
    own: Vec<f32>,
}

impl Sparse {
    /// For lines of so many members, and chunks of so many cells.
    pub(super) fn new(members: usize, chunk: usize, cells: &Cells) -> Self {
        let words = members.div_ceil(WORD);
        let waiting = WAITING + members;
        Self {
            with_bit: vec![0; 32 * words],
            negative: vec![0; words],
            trains: Vec::with_capacity(members),
            square: vec![0; 64 * words],
            known: false,
            once: Once::new(waiting),
            several: Counted::new(waiting),
            most: 0,
            rest: Counted::new(waiting.max(chunk + 1)),
            cells: vec![0; GROUP],
            states: vec![0.0; GROUP],
            counts: vec![0.0; GROUP],
            normals: vec![0.0; GROUP],
            own: vec![0.0; cells.own_size(GROUP)],
        }
    }

    /// Makes room for what other cells do not share.
    pub(super) fn fit(&mut self, cells: &Cells) {
        let size = self.own.len().max(cells.own_size(GROUP));
        self.own.resize(size, 0.0);
    }

    /// What some neighbouring cells, no more than a group, do not share with cell 0.
    pub(super) fn own<'a>(
        &'a mut self,
        physics: &'a Cells,
        arch: Arch,
        range: Range<usize>,
    ) -> Option<Own<'a>> {
        let cells = &mut self.cells[..range.len()];
        for (cell, k) in cells.iter_mut().zip(range) {
            *cell = k as u32;
        }
        physics.own_of(arch, cells, &mut self.own)
    }

    /// Forgets the members of the last request.
    pub(super) fn clear(&mut self) {
        self.known = false;
    }

    /// Takes the cells of a chunk that have more than `done` pulses.
    pub(super) fn take_rest(&mut self, cells: Range<usize>, counts: &[f32], done: f32) {
        self.rest.len = 0;
        for (cell, &n) in cells.zip(counts) {
            self.rest.push(cell as u32, n, done);
        }
    }

    /// Takes the members: their signs and trains.
    fn find(&mut self, arch: Arch, signs: &[f32], trains: &[u32]) {
        if self.known {
            return;
        }
        self.known = true;
        self.trains.clear();
        self.trains.extend_from_slice(trains);
        let words = trains.len().div_ceil(WORD);
        arch.dispatch(Sets {
            signs,
            trains,
            with_bit: &mut self.with_bit[..32 * words],
            negative: &mut self.negative[..words],
            square: &mut self.square[..64 * words],
        });
    }
}

/// Turns the trains of members into sets of members, bit by bit.
struct Sets<'a> {
    signs: &'a [f32],
    trains: &'a [u32],
    with_bit: &'a mut [u64],
    negative: &'a mut [u64],
    square: &'a mut [u32],
}

impl pulp::WithSimd for Sets<'_> {
    type Output = ();

    /// Squares of 32 × 32 bits lie side by side, and are transposed together: quarters, then quarters of these, change places.
    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _simd: S) {
        let square = self.square;
        let squares = square.len() / 32;
        square.fill(0);
        for (k, trains) in self.trains.chunks(32).enumerate() {
            for (row, train) in square.chunks_exact_mut(squares).zip(trains) {
                row[k] = *train;
            }
        }
        for (half, mask) in [
            (16, 0x0000_ffff),
            (8, 0x00ff_00ff),
            (4, 0x0f0f_0f0f),
            (2, 0x3333_3333),
            (1, 0x5555_5555),
        ] {
            for both in square.chunks_exact_mut(2 * half * squares) {
                let (upper, lower) = both.split_at_mut(half * squares);
                for (a, b) in upper.iter_mut().zip(lower) {
                    let change = ((*a >> half) ^ *b) & mask;
                    *a ^= change << half;
                    *b ^= change;
                }
            }
        }
        for (set, halves) in self.with_bit.iter_mut().zip(square.as_chunks::<2>().0) {
            *set = u64::from(halves[0]) | u64::from(halves[1]) << 32;
        }
        for (set, signs) in self.negative.iter_mut().zip(self.signs.chunks(WORD)) {
            let signs = signs.iter().map(|s| u64::from(s.to_bits() >> 31));
            *set = (0..).zip(signs).fold(0, |set, (k, sign)| set | sign << k);
        }
    }
}

/// Finds the cells of a line that get a pulse; returns how many pulses there are.
struct Find<'a, P> {
    push: P,
    line: Line,
    /// Whether negative pulses are none.
    one_sided: bool,
    sparse: &'a mut Sparse,
}

impl<P: Push> pulp::WithSimd for Find<'_, P> {
    type Output = u64;

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _simd: S) -> u64 {
        let Sparse {
            with_bit,
            negative,
            trains,
            once: single,
            several,
            most,
            ..
        } = self.sparse;
        let (line, push) = (self.line, self.push);
        // Lengths in registers, not behind the pointers that the loop writes through.
        let (mut singles, mut several_cells) = (single.len, several.len);
        let (single_cells, cells) = (&mut single.buffer[..], &mut several.cells[..]);
        let words = trains.len().div_ceil(WORD);
        let mut starts = [0; 32];
        let mut ones = 0;
        for bit in set_bits(line.train.into()) {
            starts[ones] = bit * words;
            ones += 1;
        }
        let flipped = if line.negative { u64::MAX } else { 0 };
        let dropped = if self.one_sided { u64::MAX } else { 0 };
        let mut pulses = 0;
        let mut first = 0;
        for (word, negative) in negative[..words].iter().enumerate() {
            // Members with at least one coincidence, and with at least two.
            let (mut once, mut twice) = (0_u64, 0_u64);
            for start in &starts[..ones] {
                let with = with_bit[start + word];
                twice |= once & with;
                once |= with;
            }
            let negative = negative ^ flipped;
            let kept = !(negative & dropped);
            (once, twice) = (once & !twice & kept, twice & kept);
            pulses += u64::from(once.count_ones());
            let own = Places {
                origin: line.first + line.stride * first,
                stride: line.stride,
            };
            let members = Places {
                origin: first,
                stride: 1,
            };
            singles = push.push(single_cells, singles, once, negative, own);
            several_cells = push.push(cells, several_cells, twice, negative, members);
            first += WORD as u32;
        }
        let cells = cells[several.len..several_cells].iter_mut();
        for (cell, count) in cells.zip(&mut several.counts[several.len..]) {
            let sign = *cell & DEPRESSED;
            let member = *cell & !DEPRESSED;
            *cell = line.first + line.stride * member;
            let n = (line.train & trains[member as usize]).count_ones();
            pulses += u64::from(n);
            *most = (*most).max(n);
            *count = f32::from_bits((n as f32).to_bits() | sign);
        }
        (single.len, several.len) = (singles, several_cells);
        pulses
    }
}

impl Part<'_, Across> {
    /// Finds the cells of a row that get a pulse.
    pub(super) fn gather_row(&mut self, job: &Job, row: usize) {
        let Request::Trains { rows, row_bits, .. } = job.request else {
            return;
        };
        let train = row_bits[row * self.fixed.shape.replicas + job.replica];
        if train == 0 {
            return;
        }
        let across = &mut *self.buffers;
        let (signs, trains) = (&across.columns, &across.column_bits);
        across.sparse.find(self.fixed.arch, signs, trains);
        let line = Line {
            train,
            negative: rows.lanes(row)[job.replica].is_sign_negative(),
            first: (row * self.fixed.shape.columns) as u32,
            stride: 1,
        };
        self.gather(job, line);
    }

    /// Finds the cells of some rows that get a pulse, column by column: columns of narrow arrays are longer.
    pub(super) fn gather_columns(&mut self, job: &Job, rows: Range<usize>) {
        let columns = self.fixed.shape.columns;
        let across = &mut *self.buffers;
        let (signs, trains) = (&across.rows, &across.row_bits);
        across.sparse.find(self.fixed.arch, signs, trains);
        for column in 0..columns {
            let across = &*self.buffers;
            let line = Line {
                train: across.column_bits[column],
                negative: across.columns[column].is_sign_negative(),
                first: (rows.start * columns + column) as u32,
                stride: columns as u32,
            };
            if line.train != 0 {
                self.gather(job, line);
            }
        }
    }

    fn finder<P: Push>(&mut self, line: Line, push: P) -> Find<'_, P> {
        Find {
            push,
            line,
            one_sided: self.fixed.cells.is_one_sided(),
            sparse: &mut self.buffers.sparse,
        }
    }

    fn gather(&mut self, job: &Job, line: Line) {
        let arch = self.fixed.arch;
        self.pulses += match arch {
            #[cfg(target_arch = "x86_64")]
            Arch::V4(best) => arch.dispatch(self.finder(line, best)),
            _ => arch.dispatch(self.finder(line, Table)),
        };
        let sparse = &self.buffers.sparse;
        if sparse.once.len.max(sparse.several.len) >= WAITING {
            self.finish_gathered(job);
        }
    }

    /// Updates the cells found so far.
    pub(super) fn finish_gathered(&mut self, job: &Job) {
        let mut once = std::mem::take(&mut self.buffers.sparse.once);
        let mut cells = std::mem::take(&mut self.buffers.sparse.cells);
        let mut counts = std::mem::take(&mut self.buffers.sparse.counts);
        for once in once.buffer[..once.len].chunks(GROUP) {
            let (cells, counts) = (&mut cells[..once.len()], &mut counts[..once.len()]);
            self.fixed.arch.dispatch(Unpack {
                once,
                cells,
                counts,
            });
            self.update_group(job, cells, counts, 0, 1);
            self.mark_gathered(job, cells, counts);
            self.show_gathered(job, cells);
        }
        once.len = 0;
        let sparse = &mut self.buffers.sparse;
        (sparse.once, sparse.cells, sparse.counts) = (once, cells, counts);

        let mut several = std::mem::take(&mut self.buffers.sparse.several);
        let most = std::mem::take(&mut self.buffers.sparse.most);
        self.buffers.sparse.rest.copy(&several);
        self.finish_rest(job, 0, most);
        self.mark_gathered(job, several.cells(), &several.counts[..several.len]);
        self.show_gathered(job, several.cells());
        several.len = 0;
        self.buffers.sparse.several = several;
    }

    /// Updates the cells of the rest, of at most `most` pulses, from piece `first` on.
    pub(super) fn finish_rest(&mut self, job: &Job, first: u32, most: u32) {
        let mut rest = std::mem::take(&mut self.buffers.sparse.rest);
        let longest = self.fixed.longest;
        let mut piece = first;
        while rest.len > 0 {
            let done = piece.saturating_mul(longest);
            let counts = rest.counts[..rest.len].chunks(GROUP);
            for (cells, counts) in rest.cells().chunks(GROUP).zip(counts) {
                if most <= longest {
                    self.update_group(job, cells, counts, piece, most);
                    continue;
                }
                let mut own = std::mem::take(&mut self.buffers.sparse.counts);
                self.fixed.arch.dispatch(Piece {
                    counts,
                    done: done as f32,
                    length: longest as f32,
                    out: &mut own[..cells.len()],
                });
                let most = longest.min(most.saturating_sub(done));
                self.update_group(job, cells, &own[..cells.len()], piece, most);
                self.buffers.sparse.counts = own;
            }
            piece += 1;
            let done = piece.saturating_mul(longest);
            if most <= done {
                break;
            }
            rest.keep_above(done as f32);
        }
        rest.len = 0;
        self.buffers.sparse.rest = rest;
    }

    /// Updates cells by these counts, at most `most`.
    fn update_group(&mut self, job: &Job, cells: &[u32], counts: &[f32], piece: u32, most: u32) {
        let (replicas, len) = (self.fixed.shape.replicas, cells.len());
        let (purpose, index) = self.fixed.pulsed;
        let at = self.draw(job, purpose, index + piece);
        let (fixed, first) = (self.fixed, self.first);
        let sparse = &mut self.buffers.sparse;
        let (states, normals) = (&mut sparse.states[..len], &mut sparse.normals[..len]);
        fixed
            .stream
            .fill_scattered_normals(fixed.arch, at, cells, normals);
        let lane = |cell: u32| (cell as usize - first) * replicas + job.replica;
        for (s, &cell) in states.iter_mut().zip(cells) {
            *s = self.states[lane(cell)];
        }
        fixed.cells.law().update(Update {
            arch: fixed.arch,
            action: Action::Pulses { most },
            cell: fixed.cells.single(0),
            own: fixed.cells.own_of(fixed.arch, cells, &mut sparse.own),
            states,
            counts,
            normals,
        });
        for (s, &cell) in states.iter().zip(cells) {
            self.states[lane(cell)] = *s;
        }
    }

    /// Remembers the pulses of these cells.
    fn mark_gathered(&mut self, job: &Job, cells: &[u32], counts: &[f32]) {
        if !self.marks.any() {
            return;
        }
        let replicas = self.fixed.shape.replicas;
        for (&cell, &n) in cells.iter().zip(counts) {
            let cell = cell as usize;
            let at = (cell - self.first) * replicas + job.replica;
            self.marks
                .mark(self.fixed, cell, at, n, false, &mut self.states[at]);
        }
    }

    /// Lets reads see these cells, which were pulsed.
    fn show_gathered(&mut self, job: &Job, cells: &[u32]) {
        let at = self.draw(job, Purpose::WriteNoise, 0);
        let (fixed, first) = (self.fixed, self.first);
        let deviation = fixed.cells.write_deviation();
        let Some(apparent) = &mut self.apparent else {
            return;
        };
        let sparse = &mut self.buffers.sparse;
        let lane = |cell: u32| (cell as usize - first) * fixed.shape.replicas + job.replica;
        for cells in cells.chunks(GROUP) {
            let normals = &mut sparse.normals[..cells.len()];
            if deviation > 0.0 {
                fixed
                    .stream
                    .fill_scattered_normals(fixed.arch, at, cells, normals);
            }
            let positions = &mut sparse.states[..cells.len()];
            for (x, &cell) in positions.iter_mut().zip(cells) {
                *x = self.states[lane(cell)];
            }
            if fixed.cells.is_read_out() {
                let own = fixed.cells.own_of(fixed.arch, cells, &mut sparse.own);
                fixed.read_out(0, own, positions);
            }
            for ((&cell, z), x) in cells.iter().zip(normals.iter()).zip(positions.iter()) {
                apparent[lane(cell)] = x + deviation * z;
            }
        }
    }
}
