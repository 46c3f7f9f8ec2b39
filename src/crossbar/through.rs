//! Reads through wires with resistance: products with the effective matrix of every replica.

use rayon::prelude::*;

use super::Direction;
use super::Writes;
use super::effective::effective_matrix;
use super::wires::{Circuit, Ends, Lines, Method, Solver};
use crate::arrays::Saved;
use crate::backend::{Backend, Shape, StackVector};
use crate::device::Window;
use crate::error::Result;

/// Where and through what the lines of a read are driven and sensed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Route {
    /// Ends at which inputs are applied.
    pub driven: Ends,
    /// Ends at which the other lines are held at ground and their currents sensed.
    pub sensed: Ends,
    /// Resistance of every driver, in ohm.
    pub driver: f64,
    /// Resistance of every sense, in ohm.
    pub sense: f64,
}

/// Wires that an array is read through.
///
/// A read is a product with the effective matrix ([`Solver::effective_matrix`]) of the cells as they conduct, replica by replica. The reference
/// current of a [`Mapping::ReferenceColumn`](super::Mapping::ReferenceColumn) does not pass them. Noise that cells add to a read is that of
/// ideal wires: to first order in what the wires take, its deviation is right. A conductance that write noise makes negative stays out of
/// the circuit and is added as through ideal wires.
///
/// Pulses see them where [`Wires::writes`] says how; single cells that are looked at (refreshes of pairs) have their full voltage.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Wires {
    /// Resistance of a segment of a word line, in ohm.
    pub word_segment: f64,
    /// Resistance of a segment of a bit line, in ohm.
    pub bit_segment: f64,
    /// Word lines driven, bit lines sensed.
    pub forward: Route,
    /// Bit lines driven, word lines sensed.
    pub transposed: Route,
    /// Steps of training after which the effective matrix is computed anew, from the states of steps 0, k, 2k …; in between it is that of
    /// older states. None: it is that of the present states at every read.
    pub every: Option<u32>,
    /// How pulses see the wires; not at all without: every cell gets their full voltage then.
    pub writes: Option<Writes>,
}

impl Wires {
    /// Word lines driven at the left, bit lines sensed at the bottom, where they are driven against the flow; drivers and senses without
    /// resistance; always exact.
    pub fn new(word_segment: f64, bit_segment: f64) -> Self {
        let route = |driven, sensed| Route {
            driven,
            sensed,
            driver: 0.0,
            sense: 0.0,
        };
        Self {
            word_segment,
            bit_segment,
            forward: route(Ends::First, Ends::Last),
            transposed: route(Ends::Last, Ends::First),
            every: None,
            writes: None,
        }
    }

    /// Whether nothing resists.
    pub fn is_ideal(&self) -> bool {
        let routes = [self.forward, self.transposed];
        let all = routes.iter().flat_map(|r| [r.driver, r.sense]);
        all.chain([self.word_segment, self.bit_segment])
            .all(|r| r == 0.0)
    }

    /// Whether nothing resists pulses, which arrive as forward reads do.
    pub(super) fn is_ideal_forward(&self) -> bool {
        let forward = Self {
            transposed: self.forward,
            ..*self
        };
        forward.is_ideal()
    }

    /// Word lines and bit lines of reads in one direction.
    pub fn lines(&self, direction: Direction) -> (Lines, Lines) {
        let lines = |segment, ends, terminal| Lines {
            terminals: [terminal; 2],
            ..Lines::new(segment, ends)
        };
        let (words, bits) = match direction {
            Direction::Forward => {
                let r = self.forward;
                ((r.driven, r.driver), (r.sensed, r.sense))
            }
            Direction::Transposed => {
                let r = self.transposed;
                ((r.sensed, r.sense), (r.driven, r.driver))
            }
        };
        (
            lines(self.word_segment, words.0, words.1),
            lines(self.bit_segment, bits.0, bits.1),
        )
    }

    /// What these wires take of a read of so many inputs, all 1 V, where cells have these conductances (S, row by row).
    ///
    /// # Errors
    /// Those of [`Circuit::new`] and [`Solver::solve`].
    pub fn drop(&self, rows: usize, columns: usize, conductances: &[f64]) -> Result<IrDrop> {
        let (word, bit) = self.lines(Direction::Forward);
        let circuit = Circuit::new(rows, columns, conductances.to_vec(), word, bit)?;
        let mut solver = Solver::new(circuit, Method::Direct)?;
        let solved = solver.solve(&vec![1.0; rows], &vec![0.0; columns])?;
        let mut ideal = vec![0.0; columns];
        for (k, g) in conductances.iter().enumerate() {
            ideal[k % columns] += g;
        }
        Ok(IrDrop {
            rows,
            columns,
            voltages: solved.cell_voltages(),
            currents: solved.bit_currents,
            ideal,
        })
    }

    /// The faster way to an effective matrix. Iterations grow with the root of what the wires take of a line's voltage, about
    /// `g R n²`; measured, they cost as much as factors at 5 (64²) to 15 (128²) of that. Small arrays have no time to gain.
    pub(super) fn method(&self, shape: Shape, g_max: f64) -> Method {
        let [m, n] = [shape.rows, shape.columns].map(|n| n as f64);
        let harshness = 0.5 * g_max * (self.word_segment * n * n + self.bit_segment * m * m);
        if shape.cells() >= 2048 && harshness < 8.0 {
            Method::ITERATIVE
        } else {
            Method::Direct
        }
    }
}

/// A read of inputs that are all 1 V.
#[derive(Debug, Clone, PartialEq)]
pub struct IrDrop {
    /// Word lines.
    pub rows: usize,
    /// Bit lines.
    pub columns: usize,
    /// Voltages across all cells, in volt, row by row: the share of what is applied that reaches them.
    pub voltages: Vec<f64>,
    /// Currents of all bit lines, in ampere.
    pub currents: Vec<f64>,
    /// The same with ideal wires.
    pub ideal: Vec<f64>,
}

impl IrDrop {
    /// The cell that is reached by least (row and column, counted from 0) and what it misses, in volt.
    pub fn largest(&self) -> ((usize, usize), f64) {
        let least = (0..self.voltages.len()).min_by(|&a, &b| {
            let (a, b) = (self.voltages[a], self.voltages[b]);
            a.total_cmp(&b)
        });
        let k = least.unwrap_or(0);
        ((k / self.columns, k % self.columns), 1.0 - self.voltages[k])
    }

    /// What a cell misses in the mean, in volt.
    pub fn mean(&self) -> f64 {
        1.0 - self.voltages.iter().sum::<f64>() / self.voltages.len() as f64
    }

    /// Relative errors of all output currents; 0 where there is no current.
    pub fn errors(&self) -> Vec<f64> {
        let pairs = self.currents.iter().zip(&self.ideal);
        pairs
            .map(|(i, ideal)| if *ideal == 0.0 { 0.0 } else { i / ideal - 1.0 })
            .collect()
    }
}

/// The effective matrices of one stack.
pub(super) struct Through {
    wires: Wires,
    shape: Shape,
    window: Window,
    method: Method,
    /// Forward, and against the flow where that is another circuit.
    circuits: Vec<Effective>,
    /// Which of them the backend has.
    loaded: Option<usize>,
    seen: StackVector,
}

/// One circuit of every replica.
struct Effective {
    direction: Direction,
    /// What replicas that are solved side by side share: any of them leaves it as good as new.
    solvers: Vec<Option<Solver>>,
    /// Effective conductances as positions in the window.
    positions: StackVector,
    fresh: bool,
}

impl Through {
    /// None where wires are ideal.
    pub(super) fn new(wires: Wires, shape: Shape, window: Window) -> Option<Self> {
        if wires.is_ideal() {
            return None;
        }
        let all = StackVector::zeros(shape.cells(), shape.replicas);
        let mut circuits = vec![Effective::new(Direction::Forward, all.clone())];
        // The network is reciprocal.
        if wires.lines(Direction::Forward) != wires.lines(Direction::Transposed) {
            circuits.push(Effective::new(Direction::Transposed, all.clone()));
        }
        Some(Self {
            wires,
            shape,
            window,
            method: wires.method(shape, window.g_max),
            circuits,
            loaded: None,
            seen: all,
        })
    }

    /// The array was written.
    pub(super) fn written(&mut self) {
        self.circuits.iter_mut().for_each(|c| c.fresh = false);
    }

    /// States have changed in another way.
    pub(super) fn changed(&mut self) {
        if self.wires.every.is_none() {
            self.written();
        }
    }

    /// A step of training has ended.
    pub(super) fn after(&mut self, step: u32) {
        if (self.wires.every).is_none_or(|every| step.wrapping_add(1).is_multiple_of(every)) {
            self.written();
        }
    }

    /// Matrices may be those of older states.
    pub(super) fn keep(&mut self, saved: &mut Saved) -> Result<()> {
        for circuit in &mut self.circuits {
            saved.flag("fresh", &mut circuit.fresh)?;
            saved.list("effective", circuit.positions.all_mut())?;
        }
        if saved.is_read() {
            self.loaded = None;
        }
        Ok(())
    }

    /// Has products of the backend use the effective matrix of this direction.
    pub(super) fn prepare(
        &mut self,
        direction: Direction,
        backend: &mut dyn Backend,
    ) -> Result<()> {
        let which = match direction {
            Direction::Forward => 0,
            Direction::Transposed => self.circuits.len() - 1,
        };
        let effective = &mut self.circuits[which];
        if !effective.fresh {
            backend.conductances(&mut self.seen)?;
            let lines = self.wires.lines(effective.direction);
            effective.solve(&self.seen, self.shape, lines, self.method, self.window)?;
            self.loaded = None;
        }
        if self.loaded != Some(which) {
            backend.read_as(Some(&effective.positions))?;
            self.loaded = Some(which);
        }
        Ok(())
    }
}

impl Effective {
    fn new(direction: Direction, positions: StackVector) -> Self {
        Self {
            direction,
            solvers: Vec::new(),
            positions,
            fresh: false,
        }
    }

    /// Replicas are cut into as many parts as there are threads. A result is a function of the replica's conductances alone.
    fn solve(
        &mut self,
        seen: &StackVector,
        shape: Shape,
        lines: (Lines, Lines),
        method: Method,
        window: Window,
    ) -> Result<()> {
        let part = shape
            .replicas
            .div_ceil(rayon::current_num_threads().max(1))
            .max(1);
        let parts = shape.replicas.div_ceil(part);
        self.solvers.resize_with(parts, || None);
        let solved: Vec<Vec<f32>> = self
            .solvers
            .par_iter_mut()
            .enumerate()
            .map(|(k, solver)| {
                let own = k * part..shape.replicas.min((k + 1) * part);
                let mut out = Vec::with_capacity(own.len() * shape.cells());
                let mut all = vec![0.0; shape.cells()];
                for replica in own {
                    for (cell, g) in all.iter_mut().enumerate() {
                        *g = f64::from(seen.lanes(cell)[replica]);
                    }
                    let matrix = effective_matrix(solver, &all, shape, &lines, method)?;
                    let position = |g| ((g - window.g_min) / window.span()) as f32;
                    let whole = matrix.into_iter().map(position);
                    out.extend(whole);
                }
                Ok(out)
            })
            .collect::<Result<_>>()?;
        let matrices = solved.iter().flat_map(|part| part.chunks(shape.cells()));
        for (replica, matrix) in matrices.enumerate() {
            for (cell, x) in matrix.iter().enumerate() {
                self.positions.lanes_mut(cell)[replica] = *x;
            }
        }
        self.fresh = true;
        Ok(())
    }
}

/// A solver for one replica, which starts as good as new.
pub(super) fn one_circuit<'a>(
    solver: &'a mut Option<Solver>,
    conductances: &[f64],
    shape: Shape,
    (word, bit): &(Lines, Lines),
    method: Method,
) -> Result<&'a mut Solver> {
    Ok(match solver {
        Some(solver) => {
            solver.set_conductances(conductances)?;
            // What it starts at must not depend on whose solution the last one was.
            solver.forget();
            solver
        }
        None => {
            let circuit = Circuit::new(
                shape.rows,
                shape.columns,
                conductances.to_vec(),
                word.clone(),
                bit.clone(),
            )?;
            solver.insert(Solver::new(circuit, method)?)
        }
    })
}
