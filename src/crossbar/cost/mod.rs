//! What a run costs on hardware: counts, and from them energy, time and area.

mod technology;

use serde::Serialize;

pub use self::technology::{Conversion, Parallel, Technology};

use super::tile::Tile;
use super::{Counts, Crossbar, Layout, WeightMap};
use crate::backend::StackVector;
use crate::device::WritePulse;
use crate::error::Result;

/// What a stack of crossbars did, over all its crossbars.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Usage {
    /// Reads and conversions.
    pub counts: Counts,
    /// `Σ x²` over all reads and cells for each replica, x what the line of a cell is driven with; of pulses whose width is the input, the square
    /// of their voltage times the part of a read that they last.
    pub drive: Vec<f64>,
    /// The same of lines that are charged: pulses whose width is the input count whole, however short.
    pub charged: Vec<f64>,
    /// Programming pulses, those of refreshes included.
    pub pulses: u64,
    /// Resets of cells.
    pub resets: u64,
    /// Mean conductance of each replica's cells at the end, in siemens.
    pub conductance: Vec<f64>,
    /// Share of each replica's cells that had more pulses than they endure; empty where nothing wears.
    pub worn: Vec<f64>,
}

impl Usage {
    /// Adds what another stack, of the replicas that follow, did.
    pub fn join(&mut self, other: Self) {
        self.counts.add(&other.counts);
        self.drive.extend(other.drive);
        self.charged.extend(other.charged);
        self.pulses += other.pulses;
        self.resets += other.resets;
        self.conductance.extend(other.conductance);
        self.worn.extend(other.worn);
    }

    /// What the arrays of the same replicas did together, each with its number of cells.
    pub(crate) fn beside(tiles: Vec<(Self, usize)>) -> Self {
        let cells: usize = tiles.iter().map(|(_, n)| n).sum();
        let mut tiles = tiles.into_iter();
        let Some((mut all, first)) = tiles.next() else {
            return Self::default();
        };
        if first == cells {
            return all;
        }
        let share = |n: usize| n as f64 / cells as f64;
        let means = all.conductance.iter_mut().chain(&mut all.worn);
        means.for_each(|m| *m *= share(first));
        let add = |to: &mut [f64], from: &[f64], share: f64| {
            let pairs = to.iter_mut().zip(from);
            pairs.for_each(|(a, b)| *a += share * b);
        };
        for (own, n) in tiles {
            all.counts.add(&own.counts);
            all.pulses += own.pulses;
            all.resets += own.resets;
            add(&mut all.drive, &own.drive, 1.0);
            add(&mut all.charged, &own.charged, 1.0);
            add(&mut all.conductance, &own.conductance, share(n));
            add(&mut all.worn, &own.worn, share(n));
        }
        all
    }
}

/// The arrays that did it, which work side by side.
#[derive(Debug, Clone, PartialEq)]
pub struct Built {
    /// Every tile.
    pub tiles: Vec<Tiled>,
    /// Voltages and widths of pulses, where they are known.
    pub pulse: Option<WritePulse>,
}

/// One physical array.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tiled {
    /// Word lines.
    pub rows: usize,
    /// Bit lines.
    pub columns: usize,
    /// Inputs and outputs, that of an offset column included.
    pub dimensions: (usize, usize),
}

impl Built {
    /// The arrays of such weights.
    pub fn new(layout: &Layout, map: &WeightMap, pulse: Option<WritePulse>) -> Self {
        let tile = |cut: super::Cut| {
            let map = cut.tile(map);
            Tiled {
                rows: map.inputs(),
                columns: map.columns(),
                dimensions: (map.inputs(), map.outputs()),
            }
        };
        Self {
            tiles: layout.cuts(map).into_iter().map(tile).collect(),
            pulse,
        }
    }
}

impl Crossbar {
    /// Meters from now on what reads apply to cells, for [`Synapses::usage`](super::Synapses::usage).
    pub fn meter(&mut self) {
        let replicas = self.replicas;
        for part in &mut self.tiles {
            let drive = &mut part.tile.drive;
            drive.get_or_insert_with(|| [(); 2].map(|()| vec![0.0; replicas]));
        }
    }
}

impl Tile {
    /// Mean conductance of the cells of every replica, in siemens.
    pub(super) fn mean_conductances(&mut self) -> Result<Vec<f64>> {
        self.backend.conductances(&mut self.cells)?;
        let mut means = vec![0.0; self.cells.width()];
        for k in 0..self.cells.len() {
            let lanes = means.iter_mut().zip(self.cells.lanes(k));
            lanes.for_each(|(m, &g)| *m += f64::from(g));
        }
        let n = self.cells.len() as f64;
        Ok(means.into_iter().map(|m| m / n).collect())
    }

    /// Share of each replica's cells that had more than Nₑ pulses; empty where nothing wears.
    pub(super) fn worn(&mut self) -> Result<Vec<f64>> {
        let shape = self.backend.shape();
        let Some(endurance) = self.model.cells.endurance() else {
            return Ok(Vec::new());
        };
        let mut pulses = StackVector::zeros(shape.cells(), shape.replicas);
        self.backend.wear(&mut pulses)?;
        let mut shares = vec![0.0; shape.replicas];
        for k in 0..shape.cells() {
            let lives = self.model.cells.lives();
            let life = lives.map_or(endurance.pulses, |l| l[k]);
            for (share, &n) in shares.iter_mut().zip(pulses.lanes(k)) {
                *share += if f64::from(n) > life { 1.0 } else { 0.0 };
            }
        }
        let n = shape.cells() as f64;
        Ok(shares.into_iter().map(|s| s / n).collect())
    }
}

/// One kind of work: how often it was done, and what once costs.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Item {
    /// What is done.
    pub name: &'static str,
    /// How often, mean over crossbars.
    pub count: f64,
    /// Joules of one; `null` where the device does not say.
    pub unit: Option<f64>,
    /// Joules of all.
    pub energy: Option<f64>,
}

/// What one crossbar of a run costs.
///
/// # Equation
/// Energy: `Σ count · unit`. A read dissipates `V² ḡ t x²` in a cell whose line is driven with x, ḡ the mean conductance at the end of the run; a pulse `V² ḡ t`, the mean
/// of a potentiating and a depressing one. Where the capacitance C of a line is known, `C V² x²` for every cell of a driven line: charged and discharged once, to the full voltage where the width of
/// a pulse is the input. Every converted output takes one digital operation (subtraction, shift, scale, threshold), and so does
/// every partial sum of tiles and slices that is added, and every output that an offset column is subtracted from.
///
/// Tiles work side by side: the time is that of the mean one, areas are added, and so are digital operations that add partial sums.
///
/// Time: reads follow each other, each `read-time` and the conversions of the outputs that share a converter. Pulses come in slots of both
/// polarities, as many cells at once as `writes` says, as if all of these used every slot: a lower bound. A reset takes a depressing pulse.
///
/// Area: cells, a converter an input, converters of outputs.
///
/// # Differences
/// Not modelled: reference columns, reads of calibration, reads that verify what was written, what programs devices without pulses, charging of
/// lines by pulses and the delay of lines, decoders, buffers, leakage, links between arrays, and the digital work of training itself (losses, gradients).
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Cost {
    /// Kinds of work.
    pub items: Vec<Item>,
    /// Joules of all items whose unit is known.
    pub energy: f64,
    /// Seconds of reads.
    pub read_time: f64,
    /// Seconds of pulses, where their width is known.
    pub write_time: Option<f64>,
    /// Square metres.
    pub area: f64,
    /// Mean number of pulses of a cell.
    pub pulses_per_cell: f64,
    /// Share of cells that had more pulses than they endure, where the device says how many that are.
    pub worn: Option<f64>,
}

impl Cost {
    /// A cost in which every number exists; only its shape means something.
    pub(crate) fn template() -> Self {
        Self {
            items: Vec::new(),
            energy: 1.0,
            read_time: 1.0,
            write_time: Some(1.0),
            area: 1.0,
            pulses_per_cell: 1.0,
            worn: Some(0.0),
        }
    }

    /// The cost of one crossbar: means over the `usage.drive.len()` replicas.
    pub fn new(technology: &Technology, built: &Built, usage: &Usage) -> Self {
        let replicas = usage.drive.len().max(1) as f64;
        let mean = |n: u64| n as f64 / replicas;
        let t = technology;
        let average = |values: &[f64]| values.iter().sum::<f64>() / replicas;
        let conductance = average(&usage.conductance);
        let read = t.read_voltage.powi(2) * conductance * t.read_time;
        let pulse = built.pulse.map(|p| p.energies(conductance));
        let item = |name, count: f64, unit: Option<f64>| Item {
            name,
            count,
            unit,
            energy: unit.map(|u| u * count).or((count == 0.0).then_some(0.0)),
        };
        let drive = average(&usage.drive);
        let charge = t.line_capacitance.map(|c| c * t.read_voltage.powi(2));
        let mut items = vec![
            item("reads of cells, by x²", drive, Some(read)),
            item(
                "input conversions",
                mean(usage.counts.dac),
                Some(t.dac_energy),
            ),
            item(
                "output conversions",
                mean(usage.counts.adc),
                Some(t.adc.energy()),
            ),
            item(
                "digital operations",
                mean(usage.counts.adc + usage.counts.additions),
                Some(t.operation_energy),
            ),
            item(
                "pulses",
                mean(usage.pulses),
                pulse.map(|[up, down]| 0.5 * (up + down)),
            ),
            item("resets", mean(usage.resets), pulse.map(|[_, down]| down)),
        ];
        items.extend(charge.map(|c| {
            item(
                "charging of read lines, by x²",
                average(&usage.charged),
                Some(c),
            )
        }));
        let per_adc = t.outputs_per_adc as usize;
        let sum = |f: &dyn Fn(&Tiled) -> usize| built.tiles.iter().map(f).sum::<usize>() as f64;
        let most = built.tiles.iter().map(|b| b.dimensions.1).max();
        let shared = per_adc.min(most.unwrap_or(0));
        let converters = sum(&|b| b.dimensions.1.div_ceil(per_adc));
        let cells = sum(&|b| b.rows * b.columns);
        let tiles = built.tiles.len() as f64;
        let together = match t.writes {
            Parallel::Array => cells,
            Parallel::Row => sum(&|b| b.columns),
            Parallel::Cell => tiles,
        };
        Self {
            energy: items.iter().filter_map(|i| i.energy).sum(),
            items,
            read_time: mean(usage.counts.reads) / tiles
                * (shared as f64).mul_add(t.adc_time, t.read_time),
            write_time: built.pulse.map(|p| {
                let slots = mean(usage.pulses) * (p.widths[0] + p.widths[1]);
                mean(usage.resets).mul_add(p.widths[1], slots) / together
            }),
            area: (cells * t.cell_area).mul_add(
                t.node * t.node,
                sum(&|b| b.dimensions.0).mul_add(t.dac_area, converters * t.adc_area),
            ),
            pulses_per_cell: mean(usage.pulses) / cells,
            worn: (!usage.worn.is_empty()).then(|| average(&usage.worn)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn technology(writes: Parallel) -> Technology {
        Technology {
            node: 30e-9,
            cell_area: 12.0,
            line_capacitance: Some(2e-16),
            read_voltage: 0.5,
            read_time: 10e-9,
            dac_energy: 1e-13,
            dac_area: 1e-11,
            adc: Conversion::Walden(1e-14, 8.0),
            adc_time: 5e-9,
            adc_area: 3e-9,
            outputs_per_adc: 3,
            operation_energy: 2e-14,
            writes,
        }
    }

    fn built(pulse: Option<WritePulse>) -> Built {
        let tile = Tiled {
            rows: 8,
            columns: 10,
            dimensions: (8, 5),
        };
        Built {
            tiles: vec![tile],
            pulse,
        }
    }

    const PULSE: WritePulse = WritePulse {
        voltages: [3.0, -2.0],
        widths: [1e-6, 2e-6],
    };

    /// Two replicas.
    fn usage() -> Usage {
        let counts = Counts {
            reads: 40,
            repeated: 0,
            dac: 320,
            adc: 200,
            saturated: 0,
            additions: 0,
        };
        Usage {
            counts,
            drive: vec![100.0, 300.0],
            charged: vec![200.0, 400.0],
            pulses: 1600,
            resets: 4,
            conductance: vec![1e-5, 3e-5],
            worn: vec![0.25, 0.75],
        }
    }

    fn close(a: f64, b: f64) {
        assert!((a / b - 1.0).abs() < 1e-12, "{a} and not {b}");
    }

    /// By hand: mean conductance 20 µS, and means over two crossbars.
    #[test]
    fn a_cost_by_hand() {
        let cost = Cost::new(&technology(Parallel::Row), &built(Some(PULSE)), &usage());
        let by_hand = [
            (200.0, 0.25 * 2e-5 * 10e-9),
            (160.0, 1e-13),
            (100.0, 2.56e-12),
            (100.0, 2e-14),
            (800.0, 0.5 * (9.0 * 2e-5 * 1e-6 + 4.0 * 2e-5 * 2e-6)),
            (2.0, 4.0 * 2e-5 * 2e-6),
            (300.0, 2e-16 * 0.25),
        ];
        assert_eq!(cost.items.len(), by_hand.len());
        for (item, (count, unit)) in cost.items.iter().zip(by_hand) {
            close(item.count, count);
            close(item.unit.unwrap(), unit);
            close(item.energy.unwrap(), count * unit);
        }
        close(cost.energy, by_hand.iter().map(|(n, u)| n * u).sum());
        // 20 reads, with three conversions after each other; two converters for five outputs.
        close(cost.read_time, 20.0 * (10e-9 + 3.0 * 5e-9));
        close(cost.write_time.unwrap(), (800.0 * 3e-6 + 2.0 * 2e-6) / 10.0);
        close(cost.area, 80.0 * 12.0 * 9e-16 + 8.0 * 1e-11 + 2.0 * 3e-9);
        close(cost.pulses_per_cell, 10.0);
        close(cost.worn.unwrap(), 0.5);
    }

    /// What is not known is left out and said to be.
    #[test]
    fn pulses_of_unknown_energy_cost_nothing_known() {
        let cost = Cost::new(&technology(Parallel::Array), &built(None), &usage());
        assert_eq!(cost.items[4].energy, None);
        assert_eq!(cost.write_time, None);
        let without = Usage {
            pulses: 0,
            resets: 0,
            ..usage()
        };
        let none = Cost::new(&technology(Parallel::Array), &built(None), &without);
        close(cost.energy, none.energy);
        assert_eq!(none.items[4].energy, Some(0.0));
    }

    /// Walden: 10 fJ and 8 bits, 2.56 pJ. Schreier: 8 bits are 49.92 dB, at 170 dB 0.5·10^(-12.008) J = 0.491 pJ.
    #[test]
    fn converters_have_their_figures_of_merit() {
        close(Conversion::Walden(1e-14, 8.0).energy(), 2.56e-12);
        close(
            Conversion::Schreier(170.0, 8.0).energy(),
            0.5 * 10_f64.powf(-12.008),
        );
        close(Conversion::Fixed(3e-12).energy(), 3e-12);
    }

    /// NeuroSim's table for a perceptron and a million images (Jerry et al., IEDM 2017): the latencies of five devices are to four digits
    /// one number of writes of a row, 7000 an image, times the levels and the widths of both pulses. That every level takes a slot of
    /// both polarities is what is checked; that there are 7000 the table does not explain. Its energies and areas need circuits that
    /// are not modelled here.
    #[test]
    fn writing_takes_as_long_as_in_neurosim() {
        let table = [
            ("gao2015", 102, [40e-3, 10e-3], 3.57e10),
            ("park2013", 50, [1e-3, 1e-3], 7.00e8),
            ("jo2010", 100, [300e-6, 300e-6], 4.20e8),
            ("woo2016", 40, [100e-6, 100e-6], 5.60e7),
            ("jerry2017", 32, [75e-9, 75e-9], 3.36e4),
        ];
        for (name, levels, widths, latency) in table {
            let pulse = WritePulse { widths, ..PULSE };
            let usage = Usage {
                pulses: 7_000_000_000 * levels * 10,
                drive: vec![0.0],
                resets: 0,
                ..usage()
            };
            let cost = Cost::new(&technology(Parallel::Row), &built(Some(pulse)), &usage);
            let time = cost.write_time.unwrap();
            // Three digits are printed.
            assert!((time / latency - 1.0).abs() < 2e-3, "{name}: {time}");
        }
    }
}
