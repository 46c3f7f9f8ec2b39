//! The writes of one stack: cells as their pulses reach them, and the disturbance of those that are not selected.

use std::sync::Arc;

use super::Writes;
use super::through::Wires;
use super::wires::{Method, Solver};
use super::writes::{Drive, Scheme, Selected};
use crate::arrays::Saved;
use crate::backend::{Backend, Request, Shape, StackVector};
use crate::device::{Cells, Counting};
use crate::error::{Error, Result};

/// Makes an update: through the wires where writes see them.
pub(super) fn pulse(
    pulsing: &mut Option<Box<Pulsing>>,
    backend: &mut dyn Backend,
    step: u32,
    request: &Request,
    counting: Counting,
) -> Result<()> {
    match pulsing {
        Some(pulsing) => pulsing.pulse(backend, step, request, counting),
        None => backend.pulse(step, request, counting),
    }
}

/// What pulses of one stack see of the wires.
pub(super) struct Pulsing {
    wires: Wires,
    writes: Writes,
    shape: Shape,
    method: Method,
    /// As whole pulses reach them.
    cells: Arc<Cells>,
    /// None where wires are ideal: voltages are those of the scheme for ever.
    solver: Option<Option<Solver>>,
    /// Whether the voltages must be computed anew.
    due: bool,
    /// The last that were.
    drive: Option<Drive>,
    seen: StackVector,
    disturbances: Vec<Disturbance>,
    counts: StackVector,
    disturbing: StackVector,
    sums: Sums,
}

/// In which way cells are not selected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Row,
    Column,
    /// Either, where they see the same voltage.
    Line,
    Rest,
}

/// What pulses on others do to the cells that are not selected in one way.
struct Disturbance {
    kind: Kind,
    cells: Arc<Cells>,
    /// -1 for cells that are pulsed the wrong way round.
    signs: Vec<f32>,
}

/// Pulses of one polarity, replica by replica: while a word line is selected, on a bit line, all of them.
#[derive(Default)]
struct Sums {
    rows: StackVector,
    columns: StackVector,
    all: Vec<f32>,
}

impl Pulsing {
    /// None where writes do not see the wires, or nothing of them: the stack is as any other then.
    ///
    /// # Panics
    /// For more than one replica through wires that resist: each has voltages of its own, and cells are those of a whole stack.
    pub(super) fn new(wires: Wires, shape: Shape, cells: &Arc<Cells>) -> Option<Box<Self>> {
        let writes = wires.writes?;
        let ideal = wires.is_ideal_forward();
        let disturb = writes.disturb && writes.scheme != Scheme::Isolated;
        if ideal && !disturb {
            return None;
        }
        assert!(
            ideal || shape.replicas == 1,
            "writes through wires that resist need a stack for every replica"
        );
        let all = || StackVector::zeros(shape.cells(), shape.replicas);
        let mut new = Self {
            writes: Writes { disturb, ..writes },
            method: wires.method(shape, cells.window().g_max),
            wires,
            shape,
            cells: Arc::clone(cells),
            solver: (!ideal).then_some(None),
            due: !ideal,
            drive: None,
            seen: if ideal { StackVector::default() } else { all() },
            disturbances: Vec::new(),
            counts: if disturb {
                all()
            } else {
                StackVector::default()
            },
            disturbing: if disturb {
                all()
            } else {
                StackVector::default()
            },
            sums: Sums::default(),
        };
        if ideal {
            let drive = Drive::ideal(shape.cells(), writes.scheme);
            new.disturbances = new.disturbances(&drive);
        }
        Some(Box::new(new))
    }

    /// The array was written.
    pub(super) fn written(&mut self) {
        self.due = self.solver.is_some();
    }

    /// A step of training has ended.
    pub(super) fn after(&mut self, step: u32) {
        if step.wrapping_add(1).is_multiple_of(self.writes.every) {
            self.written();
        }
    }

    fn disturbances(&self, drive: &Drive) -> Vec<Disturbance> {
        let kinds = match drive.row == drive.column {
            true => vec![(Kind::Line, &drive.row), (Kind::Rest, &drive.rest)],
            false => vec![
                (Kind::Row, &drive.row),
                (Kind::Column, &drive.column),
                (Kind::Rest, &drive.rest),
            ],
        };
        let felt = kinds
            .into_iter()
            .filter(|(_, drive)| drive.iter().any(|d| *d != 0.0));
        let disturbance = |(kind, drive): (Kind, &Vec<f64>)| {
            let sizes: Vec<f64> = drive.iter().map(|d| d.abs()).collect();
            Disturbance {
                kind,
                cells: Arc::new(self.cells.driven(&sizes, self.writes.dependence)),
                signs: drive.iter().map(|d| d.signum() as f32).collect(),
            }
        };
        let all = felt.map(disturbance);
        // Below thresholds there is nothing to do.
        all.filter(|d| !d.cells.are_still()).collect()
    }

    /// Computes the voltages from the present conductances.
    fn look(&mut self, backend: &mut dyn Backend) -> Result<()> {
        let Some(solver) = &mut self.solver else {
            return Ok(());
        };
        backend.conductances(&mut self.seen)?;
        // What write noise makes negative does not conduct.
        let seen: Vec<f64> = self
            .seen
            .all()
            .iter()
            .map(|g| f64::from(g.max(0.0)))
            .collect();
        let drive = self
            .wires
            .drive_by(solver, self.shape, &seen, self.method)?;
        self.reach(&drive, backend)?;
        self.drive = Some(drive);
        self.due = false;
        Ok(())
    }

    /// Has pulses reach cells with these voltages.
    fn reach(&mut self, drive: &Drive, backend: &mut dyn Backend) -> Result<()> {
        let cells = self.cells.driven(&drive.selected, self.writes.dependence);
        backend.exchange(Arc::new(cells))?;
        if self.writes.disturb {
            self.disturbances = self.disturbances(drive);
        }
        Ok(())
    }

    /// Voltages may be those of older states.
    pub(super) fn keep(&mut self, backend: &mut dyn Backend, saved: &mut Saved) -> Result<()> {
        if self.solver.is_none() {
            return Ok(());
        }
        saved.flag("due", &mut self.due)?;
        let mut looked = self.drive.is_some();
        saved.flag("looked", &mut looked)?;
        if !looked {
            return Ok(());
        }
        let (cells, scheme) = (self.shape.cells(), self.writes.scheme);
        let drive = self.drive.take();
        let mut drive = drive.unwrap_or_else(|| Drive::ideal(cells, scheme));
        for voltages in [
            &mut drive.selected,
            &mut drive.row,
            &mut drive.column,
            &mut drive.rest,
        ] {
            saved.list("voltages", voltages)?;
        }
        if saved.is_read() {
            self.reach(&drive, backend)?;
        }
        self.drive = Some(drive);
        Ok(())
    }

    /// Makes an update. Pulses that disturb come after its own: in even steps the potentiating ones first, in odd ones the others. Cells that
    /// see them the wrong way round get a part of the pulse of the other polarity.
    ///
    /// # Errors
    /// [`Error::TooMany`] disturbing pulses; those of the backend and of the solver.
    fn pulse(
        &mut self,
        backend: &mut dyn Backend,
        step: u32,
        request: &Request,
        counting: Counting,
    ) -> Result<()> {
        if self.due {
            self.look(backend)?;
        }
        if self.disturbances.is_empty() {
            return backend.pulse(step, request, counting);
        }
        backend.count(step, request, counting, &mut self.counts)?;
        backend.pulse(step, request, counting)?;
        let first = if step.is_multiple_of(2) { 1.0 } else { -1.0 };
        for polarity in [first, -first] {
            self.sums
                .take(&self.counts, self.shape, self.writes.selected, polarity);
            if self.sums.all.iter().all(|n| *n == 0.0) {
                continue;
            }
            for (k, disturbance) in (0..).zip(&self.disturbances) {
                let counts = (&self.counts, &mut self.disturbing);
                disturbance.count(&self.sums, self.shape, polarity, counts);
                check_countable(step, &self.disturbing)?;
                let index = 2 * k + u32::from(polarity < 0.0);
                backend.disturb(step, index, &disturbance.cells, &self.disturbing)?;
            }
        }
        Ok(())
    }
}

/// Most pulses that disturb one cell in one step: backends add those of some thousand cells in 32 bits.
const MOST: f32 = ((1 << 20) - 1) as f32;

fn check_countable(step: u32, disturbing: &StackVector) -> Result<()> {
    if disturbing.all().iter().all(|n| n.abs() <= MOST) {
        return Ok(());
    }
    Err(Error::TooMany {
        what: format!("pulses that disturb a cell in step {step}"),
        most: MOST as u64,
        way_out: "ask for smaller changes, cut the array into tiles ([array.tiles]), or write disturb = false in [array.wires.writes]".to_owned(),
    })
}

impl Sums {
    /// Takes the pulses of one polarity. A word line on which many cells are written at once is selected for as long as the one
    /// with most pulses takes.
    fn take(&mut self, counts: &StackVector, shape: Shape, selected: Selected, polarity: f32) {
        let replicas = shape.replicas;
        self.rows.reshape(shape.rows, replicas);
        self.columns.reshape(shape.columns, replicas);
        self.rows.fill(0.0);
        self.columns.fill(0.0);
        self.all.clear();
        self.all.resize(replicas, 0.0);
        for cell in 0..shape.cells() {
            let own = counts.lanes(cell).iter().map(|n| (polarity * n).max(0.0));
            let row = self.rows.lanes_mut(cell / shape.columns);
            let column = self.columns.lanes_mut(cell % shape.columns);
            for (n, (row, column)) in own.zip(row.iter_mut().zip(column)) {
                *row = match selected {
                    Selected::Cell => *row + n,
                    Selected::Row => row.max(n),
                };
                *column += n;
            }
        }
        for row in 0..shape.rows {
            let rows = self.all.iter_mut().zip(self.rows.lanes(row));
            rows.for_each(|(all, row)| *all += row);
        }
    }
}

impl Disturbance {
    /// How many pulses on others disturb every cell, signed.
    fn count(
        &self,
        sums: &Sums,
        shape: Shape,
        polarity: f32,
        (counts, out): (&StackVector, &mut StackVector),
    ) {
        for cell in 0..shape.cells() {
            let (rows, columns) = (
                sums.rows.lanes(cell / shape.columns),
                sums.columns.lanes(cell % shape.columns),
            );
            let sign = polarity * self.signs[cell];
            let own = counts.lanes(cell).iter().map(|n| (polarity * n).max(0.0));
            let lanes = out.lanes_mut(cell).iter_mut().zip(own);
            let lines = rows.iter().zip(columns).zip(&sums.all);
            for ((out, n), ((row, column), all)) in lanes.zip(lines) {
                let others = match self.kind {
                    Kind::Row => row - n,
                    Kind::Column => column - n,
                    Kind::Line => row + column - n - n,
                    Kind::Rest => all - row - column + n,
                };
                *out = sign * others;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Selection by selection: one cell for each of its pulses, or one row for as long as its slowest cell takes. Every other cell counts what
    /// it sees.
    #[test]
    fn disturbing_pulses_are_those_of_every_selection() {
        let shape = Shape {
            replicas: 2,
            rows: 3,
            columns: 4,
        };
        let mut counts = StackVector::zeros(12, 2);
        for (k, n) in counts.all_mut().iter_mut().enumerate() {
            *n = ((7 * k + 3) % 8) as f32 - 3.0;
        }
        let mut sums = Sums::default();
        let mut found = StackVector::zeros(12, 2);
        for (selected, polarity) in [
            (Selected::Cell, 1.0),
            (Selected::Cell, -1.0),
            (Selected::Row, 1.0),
            (Selected::Row, -1.0),
        ] {
            sums.take(&counts, shape, selected, polarity);
            for replica in 0..2 {
                let pulses = |row: usize, column: usize| {
                    let n = polarity * counts.lanes(4 * row + column)[replica];
                    n.max(0.0) as usize
                };
                // Every pulse: the row that is selected, and the columns.
                let mut all: Vec<(usize, Vec<usize>)> = Vec::new();
                for row in 0..3 {
                    match selected {
                        Selected::Cell => (0..4).for_each(|column| {
                            all.extend(vec![(row, vec![column]); pulses(row, column)]);
                        }),
                        Selected::Row => {
                            let most = (0..4).map(|c| pulses(row, c)).max().unwrap();
                            all.extend(
                                (0..most).map(|t| {
                                    (row, (0..4).filter(|&c| pulses(row, c) > t).collect())
                                }),
                            );
                        }
                    }
                }
                for kind in [Kind::Row, Kind::Column, Kind::Line, Kind::Rest] {
                    let disturbance = Disturbance {
                        kind,
                        cells: cells(),
                        signs: vec![-1.0; 12],
                    };
                    disturbance.count(&sums, shape, polarity, (&counts, &mut found));
                    for cell in 0..12 {
                        let (row, column) = (cell / 4, cell % 4);
                        let seen = all.iter().filter(|(r, columns)| {
                            let on = [*r == row, columns.contains(&column)];
                            match kind {
                                Kind::Row => on == [true, false],
                                Kind::Column => on == [false, true],
                                Kind::Line => on[0] != on[1],
                                Kind::Rest => on == [false, false],
                            }
                        });
                        let expected = -polarity * seen.count() as f32;
                        assert_eq!(found.lanes(cell)[replica], expected, "{kind:?} {cell}");
                    }
                }
            }
        }
    }

    fn cells() -> Arc<Cells> {
        let device = crate::device::load_device("ideal/soft-bounds", "".as_ref()).unwrap();
        Arc::new(device.without_variation().cells(12, 1).unwrap())
    }
}
