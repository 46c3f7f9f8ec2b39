//! The pulse response of a device file: what [`super::device_figure`] draws.

use super::DeviceCurve;
use crate::device::{Cells, Device};
use crate::error::Result;
use crate::number::{Coordinates, Purpose, Stream};

/// Points of a curve in each direction.
const POINTS: usize = 80;
/// Cells of the device-to-device band.
const BAND: usize = 64;
/// Noisy runs shown.
const TRACES: u32 = 3;
/// Seed of the cells and runs shown.
const SEED: u64 = 1;

impl DeviceCurve {
    /// The response of `device` to as many pulses as cross its window about twice, then as many back: nominal cell, 5 %
    /// to 95 % of varied cells, three noisy runs.
    ///
    /// # Errors
    /// Device-to-device variation that finds no physical cell.
    pub fn of(device: &Device) -> Result<Self> {
        let step = device.parameters().next().map_or(1e-3, |(_, v)| v);
        // Laws without closed trains walk pulse by pulse: no more than a picture can show.
        let most = if device.law().has_train() {
            usize::MAX
        } else {
            1000
        };
        let per_point = ((2.0 / step / POINTS as f64).ceil() as usize).clamp(1, most);
        let siemens = |s: f64| device.window().g_min + s * device.window().span();
        let count = device.listed_cells().unwrap_or(BAND);
        let varied = device.cells(count, SEED)?;
        // The nominal cell: the same device without its spread.
        let nominal = device.without_variation().cells(1, SEED)?;
        let run = |cells: &Cells, k: usize, trace: Option<u32>| walk(cells, k, per_point, trace);
        let mean = run(&nominal, 0, None);
        let all: Vec<Vec<f64>> = (0..count).map(|k| run(&varied, k, None)).collect();
        let band = (!device.variations().is_empty()).then(|| {
            (0..mean.len())
                .map(|i| {
                    let mut here: Vec<f64> = all.iter().map(|c| siemens(c[i])).collect();
                    here.sort_by(f64::total_cmp);
                    (here[count / 20], here[count - 1 - count / 20])
                })
                .collect()
        });
        let noise = device.noise();
        let noisy = noise.additive() > 0.0 || noise.multiplicative() > 0.0;
        let numbered = |curve: &[f64], first: usize| {
            let point = |(i, s): (usize, &f64)| (((first + i) * per_point) as f64, siemens(*s));
            curve.iter().enumerate().map(point).collect::<Vec<_>>()
        };
        let half = mean.len() / 2;
        Ok(Self {
            name: device.name().to_owned(),
            subtitle: String::new(),
            potentiation: numbered(&mean[..half], 0),
            depression: numbered(&mean[half..], half - 1),
            band,
            traces: (0..if noisy { TRACES } else { 0 })
                .map(|t| {
                    let trace = run(&varied, t as usize % count, Some(t));
                    let mut points = numbered(&trace[..half], 0);
                    points.extend(numbered(&trace[half..], half - 1));
                    points
                })
                .collect(),
            symmetric_point: nominal.nominal_symmetric_point().map(siemens),
        })
    }
}

/// States of cell `k` from its lower bound up and back down: `POINTS + 1` of each, every `per_point` pulses. With
/// `trace` the pulses are noisy.
fn walk(cells: &Cells, k: usize, per_point: usize, trace: Option<u32>) -> Vec<f64> {
    let cell = cells.double(k);
    let stream = Stream::new(SEED);
    let mut s = cell.parameters[crate::device::LOWER];
    let mut out = vec![s];
    let mut pulse = 0;
    for polarity in [1.0, -1.0] {
        if polarity < 0.0 {
            out.push(s);
        }
        for _ in 0..POINTS {
            let mut normal = || {
                pulse += 1;
                trace.map_or(0.0, |replica| {
                    f64::from(stream.normal(Coordinates {
                        step: pulse,
                        cell: k as u32,
                        replica,
                        purpose: Purpose::CycleNoise,
                        index: 0,
                    }))
                })
            };
            if cells.law().has_train() {
                let n = polarity * per_point as f64;
                s = cells.law().oracle_many(&cell, s, n, normal());
            } else {
                for _ in 0..per_point {
                    s = cells.law().oracle_one(&cell, s, polarity, normal());
                }
            }
            out.push(s);
        }
    }
    out
}
