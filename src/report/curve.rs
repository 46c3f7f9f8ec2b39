//! The pulse response of a device file: what [`super::device_figure`] draws.

use std::fmt::Write;
use std::sync::Arc;

use super::DeviceCurve;
use crate::backend::{Backend, Cpu, Request, Shape, StackVector};
use crate::device::{Cells, Counting, Device, LOWER, UPPER};
use crate::error::Result;
use crate::number::Stream;

/// Most points of a curve in each direction.
const POINTS: usize = 80;
/// Cells of the device-to-device band.
const BAND: usize = 200;
/// Seed of the cells and of the run shown.
const SEED: u64 = 1;

impl DeviceCurve {
    /// The response of `device` to as many pulses as cross its window about twice, then as many back, or a reset: nominal cell, 5 %
    /// to 95 % of 200 varied cells, and one run of the nominal cell with its cycle-to-cycle noise on the CPU backend.
    ///
    /// # Errors
    /// Device-to-device variation that finds no physical cell.
    pub fn of(device: &Device) -> Result<Self> {
        let step = device.parameters().next().map_or(1e-3, |(_, v)| v);
        // Laws without closed trains walk pulse by pulse: no more than a picture can show.
        let most = if device.law().has_train() && !device.noise().is_affine() {
            usize::MAX
        } else {
            1000
        };
        // The nominal cell: the same device without its spread.
        let nominal = device.without_variation().cells(1, SEED)?;
        let pulses = if device.law().derives_step() {
            crossing(&nominal)
        } else {
            2.0 / step
        };
        let points = (pulses.ceil() as usize).clamp(2, POINTS);
        let per_point = ((pulses / points as f64).ceil() as usize).clamp(1, most);
        let siemens = |s: f64| device.window().g_min + s * device.window().span();
        let count = device.listed_cells().unwrap_or(BAND);
        let varied = device.cells(count, SEED)?;
        let course = [points, per_point];
        let mean = walk(&nominal, 0, course);
        let all: Vec<Vec<f64>> = (0..count).map(|k| walk(&varied, k, course)).collect();
        let band = (!device.variations().is_empty()).then(|| {
            (0..mean.len())
                .map(|i| {
                    let mut here: Vec<f64> = all.iter().map(|c| siemens(c[i])).collect();
                    here.sort_by(f64::total_cmp);
                    (here[count / 20], here[count - 1 - count / 20])
                })
                .collect()
        });
        let numbered = |curve: &[f64], first: usize| {
            let point = |(i, s): (usize, &f64)| (((first + i) * per_point) as f64, siemens(*s));
            curve.iter().enumerate().map(point).collect::<Vec<_>>()
        };
        let half = points + 1;
        Ok(Self {
            name: device.name().to_owned(),
            subtitle: String::new(),
            potentiation: numbered(&mean[..half], 0),
            depression: numbered(&mean[half..], half - 1),
            band,
            one_sided: nominal.is_one_sided(),
            symmetric_point: nominal.nominal_symmetric_point().map(siemens),
            traces: if nominal.is_noisy() {
                let trace = noisy_run(nominal, course)?;
                let mut points = numbered(&trace[..half], 0);
                points.extend(numbered(&trace[half..], half - 1));
                vec![points]
            } else {
                vec![]
            },
        })
    }

    /// The curve as a table with the columns direction, pulse, conductance, low, high (in siemens; the last two are empty where devices
    /// do not vary).
    pub fn csv(&self) -> String {
        let mut text = String::from("direction,pulse,conductance,low,high\n");
        let up = self.potentiation.iter().map(|p| ("potentiation", p));
        let down = self.depression.iter().map(|p| ("depression", p));
        for (i, (direction, (pulse, g))) in up.chain(down).enumerate() {
            let band = self.band.as_ref().and_then(|band| band.get(i));
            let band =
                band.map_or_else(|| ",".to_owned(), |(low, high)| format!("{low:e},{high:e}"));
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{direction},{pulse},{g:e},{band}");
        }
        text
    }
}

/// The same course as [`walk`] with noise, by the loops that simulations use.
fn noisy_run(cells: Cells, [points, per_point]: [usize; 2]) -> Result<Vec<f64>> {
    let cells = Arc::new(cells);
    let lower = cells.conductance(0, cells.double(0).parameters[LOWER]);
    let shape = Shape {
        replicas: 1,
        rows: 1,
        columns: 1,
    };
    let mut stack = Cpu::new(shape, 0, Stream::new(SEED), Arc::clone(&cells), true);
    stack.write(&[lower])?;
    let mut state = StackVector::zeros(1, 1);
    let mut out = vec![lower];
    for polarity in [1.0, -1.0] {
        if polarity < 0.0 {
            out.push(out.last().copied().unwrap_or(lower));
        }
        if polarity < 0.0 && cells.is_one_sided() {
            let mut which = StackVector::zeros(1, 1);
            which.fill(1.0);
            stack.reset(0, &which)?;
            stack.inspect(&mut state)?;
            out.push(f64::from(state.all()[0]));
            break;
        }
        let mut pulses = StackVector::zeros(1, 1);
        pulses.fill(polarity * per_point as f32);
        for _ in 0..points {
            let step = out.len() as u32;
            stack.pulse(step, &Request::Dense(&pulses), Counting::Deterministic)?;
            stack.inspect(&mut state)?;
            out.push(cells.conductance(0, f64::from(state.all()[0])));
        }
    }
    Ok(out)
}

/// Pulses that take the nominal cell through most of its window in the slower direction.
fn crossing(cells: &Cells) -> f64 {
    const PLACES: usize = 64;
    let p = cells.double(0).parameters;
    let width = (p[UPPER] - p[LOWER]) / PLACES as f64;
    // Without the ends, where a window may be shut.
    let inner = (1..PLACES - 1).map(|k| p[LOWER] + width * (k as f64 + 0.5));
    let pulses = |polarity: f64| {
        let times = inner
            .clone()
            .map(|s| width / cells.law().step(p, s, polarity).abs());
        times.sum::<f64>()
    };
    // A direction that hardly moves must not fill the picture.
    let down = if cells.is_one_sided() {
        0.0
    } else {
        pulses(-1.0)
    };
    pulses(1.0).max(down).min(1e5)
}

/// Mean conductances of cell `k` from its lower bound up and back down (or reset): the first and then one after every `per_point` pulses, in each
/// direction.
fn walk(cells: &Cells, k: usize, [points, per_point]: [usize; 2]) -> Vec<f64> {
    let cell = cells.double(k);
    let mut s = cell.parameters[LOWER];
    let seen = |s| cells.conductance(k, s);
    let mut out = vec![seen(s)];
    for polarity in [1.0, -1.0] {
        if polarity < 0.0 {
            out.push(seen(s));
        }
        if let Some(level) = cells.reset_levels().get(k).filter(|_| polarity < 0.0) {
            let level = f64::from(*level).clamp(cell.parameters[LOWER], cell.parameters[UPPER]);
            out.push(level);
            break;
        }
        for _ in 0..points {
            if cells.law().has_train() && !cells.noise().is_affine() {
                let n = polarity * per_point as f64;
                s = cells.law().oracle_many(&cell, s, n, 0.0);
            } else {
                for _ in 0..per_point {
                    s = cells.law().oracle_one(&cell, s, polarity, 0.0);
                }
            }
            out.push(seen(s));
        }
    }
    out
}
