//! Reads of cells whose current is not proportional to their voltage.

use rayon::prelude::*;

use super::periphery::Driven;
use super::through::one_circuit;
use super::tile::Tile;
use super::wires::{Method, Solver};
use super::{Direction, Input, Plan, Wires};
use crate::backend::{Place, ReadNoise, StackVector};
use crate::device::{Cells, Curve};
use crate::error::{Error, Result, Violation};
use crate::number::{Coordinates, Purpose, Stream};

/// What reads of one stack make of a [`Curve`].
///
/// The digital side takes cells for ohmic: an input x of amplitude qx volt counts as x, though its current is `I(G, qx)/q`. Through ideal wires that is one product
/// where the current is `G f(V)`, with `f(qx)/q` in place of x; and a product more for each power of the voltage whose coefficient depends on the
/// cell. Inputs that are lengths of pulses or bit planes have one amplitude: what a separable curve makes of them is one factor, which the digital side
/// knows and divides by. Through wires with resistance every vector is solved for itself, by Newton's method, on the CPU. The energy of reads is
/// counted as that of ohmic cells.
pub(super) struct Bent {
    curve: Curve,
    input: Input,
    /// Largest voltage of an input.
    full: f64,
    wires: Option<Wires>,
    stream: Stream,
    first_replica: u32,
    seen: StackVector,
    driven: StackVector,
    matrix: StackVector,
    part: StackVector,
}

/// Sign of a cell's voltage, word line over bit line, where its input is positive.
fn polarity(direction: Direction) -> f64 {
    match direction {
        Direction::Forward => 1.0,
        Direction::Transposed => -1.0,
    }
}

impl Bent {
    /// None for ohmic cells.
    ///
    /// # Errors
    /// [`Error::Invalid`] for what is not computed: wires on a graphics processor, or with pulses of several lengths at once.
    pub fn new(
        plan: &Plan,
        cells: &Cells,
        stream: Stream,
        first_replica: u32,
    ) -> Result<Option<Self>> {
        let Some(curve) = cells.curve() else {
            return Ok(None);
        };
        let dac = &plan.periphery.dac;
        let wires = plan.wires.filter(|w| !w.is_ideal());
        let refuse = |rule: &str, way_out: &str| {
            Err(Error::from(Violation {
                file: "the study".into(),
                line: None,
                column: None,
                key: "array.wires".into(),
                value: None,
                rule: rule.into(),
                way_out: way_out.into(),
            }))
        };
        if wires.is_some() && !matches!(plan.place, Place::Cpu) {
            return refuse(
                "cells that are not ohmic behind wires with resistance are solved vector by vector, which graphics processors do not do",
                "run with --backend cpu, or remove [array.wires] or the device's [current-voltage]",
            );
        }
        if wires.is_some() && dac.input == Input::PulseWidth {
            return refuse(
                "pulses of several lengths that end one after the other are not solved where cells are not ohmic and wires have resistance",
                "write inputs = \"amplitude\" or \"bit-serial\", or remove [array.wires]",
            );
        }
        Ok(Some(Self {
            full: curve.volts * dac.range.unwrap_or(1.0),
            curve,
            input: dac.input,
            wires,
            stream,
            first_replica,
            seen: StackVector::default(),
            driven: StackVector::default(),
            matrix: StackVector::default(),
            part: StackVector::default(),
        }))
    }

    /// What the digital side divides bit planes by: the known factor of a curve at the one voltage that there is.
    fn known(&self) -> f64 {
        match self.input {
            Input::BitSerial if self.curve.law.is_separable() => {
                self.full / self.curve.law.current(1.0, self.full)
            }
            _ => 1.0,
        }
    }

    /// As [`Array::read`](super::periphery::Array::read).
    pub fn read(
        &mut self,
        tile: &mut Tile,
        direction: Direction,
        at: (u32, u32),
        driven: &Driven,
        sums: &mut StackVector,
    ) -> Result<()> {
        let noise = tile.noise(at);
        let reference = tile.reference();
        if self.wires.is_some() {
            self.currents(tile, direction, driven.voltages, sums)?;
            self.add_noise(tile, direction, noise, sums);
            let (law, q, known) = (self.curve.law, self.curve.volts, self.known());
            // Against the flow a cell has the opposite voltage.
            let sign = polarity(direction);
            let current = |x: f32| {
                (sign * known / q * law.current(reference, sign * q * f64::from(x))) as f32
            };
            tile.sum_inputs(driven.voltages, current);
            tile.weigh(direction, sums);
            return Ok(());
        }
        let reference = reference as f32;
        if !self.curve.law.is_separable() {
            tile.straight(direction, driven.voltages, -1.0, noise, reference, sums)?;
            return self.graded(tile, direction, driven, sums);
        }
        if driven.full.is_some() {
            // Pulses of one voltage, whose factor is known.
            return tile.straight(direction, driven.voltages, -1.0, noise, reference, sums);
        }
        let (law, q, known) = (self.curve.law, self.curve.volts, self.known());
        self.drive(driven.voltages, |x| known / q * law.current(1.0, q * x));
        tile.straight(direction, &self.driven, -1.0, noise, reference, sums)
    }

    /// Sets `driven` to a function of the voltages.
    fn drive(&mut self, voltages: &StackVector, of: impl Fn(f64) -> f64) {
        self.driven.reshape(voltages.len(), voltages.width());
        for (u, &x) in self.driven.all_mut().iter_mut().zip(voltages.all()) {
            *u = of(f64::from(x)) as f32;
        }
    }

    /// Adds the products with the coefficients of V² and V³.
    fn graded(
        &mut self,
        tile: &mut Tile,
        direction: Direction,
        driven: &Driven,
        sums: &mut StackVector,
    ) -> Result<()> {
        let shape = tile.backend.shape();
        self.seen.reshape(shape.cells(), shape.replicas);
        tile.backend.conductances(&mut self.seen)?;
        let window = tile.model.cells.window();
        let (law, q) = (self.curve.law, self.curve.volts);
        let coefficient = |g: f64, k: usize| law.graded_parts(g).map_or(0.0, |n| n[k]);
        self.part.reshape(sums.len(), sums.width());
        for k in 0..2 {
            self.matrix.reshape(shape.cells(), shape.replicas);
            let cells = self.matrix.all_mut().iter_mut().zip(self.seen.all());
            for (x, &g) in cells {
                *x = ((coefficient(f64::from(g), k) - window.g_min) / window.span()) as f32;
            }
            // Over q, as the current is: x² q and x³ q², or of a pulse of full voltage its length times that.
            let full = driven.full.map(|full| q * f64::from(full));
            let sign = polarity(direction);
            self.drive(driven.voltages, |x| {
                let v = full.unwrap_or((q * x).abs());
                if k == 0 {
                    sign * v * x.abs()
                } else {
                    v * v * x
                }
            });
            tile.backend.read_as(Some(&self.matrix))?;
            let reference = coefficient(tile.reference(), k) as f32;
            // Columns that are driven the other way round: a square has no sign.
            let other = if k == 0 { 1.0 } else { -1.0 };
            let (u, part) = (&self.driven, &mut self.part);
            let done = tile.straight(direction, u, other, ReadNoise::NONE, reference, part);
            tile.backend.read_as(None)?;
            done?;
            for (y, part) in sums.all_mut().iter_mut().zip(self.part.all()) {
                *y += part;
            }
        }
        Ok(())
    }

    /// Currents of all sensed lines over q, solved vector by vector: in `tile.currents`, or `sums` against the flow. A replica's do not depend on
    /// which others are solved beside it.
    fn currents(
        &mut self,
        tile: &mut Tile,
        direction: Direction,
        voltages: &StackVector,
        sums: &mut StackVector,
    ) -> Result<()> {
        let Some(wires) = self.wires else {
            return Ok(());
        };
        let shape = tile.backend.shape();
        self.seen.reshape(shape.cells(), shape.replicas);
        tile.backend.conductances(&mut self.seen)?;
        let forward = direction == Direction::Forward;
        let driven = match forward {
            true => voltages,
            false => tile.drive_columns(voltages, -1.0),
        };
        let sensed = if forward { shape.columns } else { shape.rows };
        let lines = wires.lines(direction);
        let (law, q, known) = (self.curve.law, self.curve.volts, self.known());
        let (seen, samples) = (&self.seen, voltages.width() / shape.replicas);
        let part = shape
            .replicas
            .div_ceil(rayon::current_num_threads().max(1))
            .max(1);
        let parts = shape.replicas.div_ceil(part);
        // Kept for the replicas of one read alone: reads against the flow are of other circuits.
        let mut solvers: Vec<Option<Solver>> = Vec::new();
        solvers.resize_with(parts, || None);
        let solved: Vec<Vec<f32>> = solvers
            .par_iter_mut()
            .enumerate()
            .map(|(k, solver)| {
                let mut out = Vec::new();
                for replica in k * part..shape.replicas.min((k + 1) * part) {
                    let of = |cell: usize| f64::from(seen.lanes(cell)[replica]);
                    let all: Vec<f64> = (0..shape.cells()).map(|c| of(c).max(0.0)).collect();
                    let solver = one_circuit(solver, &all, shape, &lines, Method::Direct)?;
                    for sample in 0..samples {
                        let lane = sample * shape.replicas + replica;
                        let volts = |line: usize| q * f64::from(driven.lanes(line)[lane]);
                        let given: Vec<f64> = (0..driven.len()).map(volts).collect();
                        let ground = vec![0.0; sensed];
                        let (word, bit) = match forward {
                            true => (&given, &ground),
                            false => (&ground, &given),
                        };
                        let found = solver.solve_nonlinear(word, bit, law)?.solution;
                        out.extend((0..sensed).map(|line| {
                            let current = match forward {
                                true => found.bit_currents[line],
                                false => -found.word_currents[line],
                            };
                            // What write noise makes negative stays out of the circuit.
                            let negative = (0..given.len()).map(|other| {
                                let cell = match forward {
                                    true => other * shape.columns + line,
                                    false => line * shape.columns + other,
                                };
                                law.current(of(cell).min(0.0), given[other])
                            });
                            ((current + negative.sum::<f64>()) * known / q) as f32
                        }));
                    }
                }
                Ok(out)
            })
            .collect::<Result<_>>()?;
        let out = match forward {
            true => &mut tile.currents,
            false => sums,
        };
        out.reshape(sensed, voltages.width());
        let each = solved.iter().flat_map(|s| s.chunks_exact(samples * sensed));
        for (replica, currents) in each.enumerate() {
            for (sample, currents) in currents.chunks_exact(sensed).enumerate() {
                for (line, i) in currents.iter().enumerate() {
                    out.lanes_mut(line)[sample * shape.replicas + replica] = *i;
                }
            }
        }
        Ok(())
    }

    /// The noise of the periphery, as backends add it.
    fn add_noise(
        &self,
        tile: &mut Tile,
        direction: Direction,
        noise: ReadNoise,
        sums: &mut StackVector,
    ) {
        let replicas = tile.backend.shape().replicas;
        let (out, deviation) = match direction {
            Direction::Forward => (&mut tile.currents, noise.deviation),
            Direction::Transposed => {
                let cells = tile.model.map.cells_per_weight() as f32;
                (sums, noise.deviation * cells.sqrt())
            }
        };
        if deviation == 0.0 {
            return;
        }
        for o in 0..out.len() {
            for (lane, y) in out.lanes_mut(o).iter_mut().enumerate() {
                let z = self.stream.normal(Coordinates {
                    step: noise.step.wrapping_add((lane / replicas) as u32),
                    cell: o as u32,
                    replica: self.first_replica.wrapping_add((lane % replicas) as u32),
                    purpose: Purpose::ReadNoise,
                    index: noise.index,
                });
                *y = deviation.mul_add(z, *y);
            }
        }
    }
}
