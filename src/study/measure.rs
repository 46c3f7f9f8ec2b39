//! Studies that are not trained: weights are programmed and read, and what is read is compared with the exact product.

use std::time::Instant;

use rayon::prelude::*;

use super::file::Study;
use super::misses::{Misses, effective_bits};
use super::over::of_values;
use super::product::{Answers, Product, Vectors};
use super::reading::Reading;
use super::run::{Outcome, Progress, swept_label};
use super::settings::Settings;
use super::simulate::stacks;
use super::summary::{Estimate, Point, Read, SCHEMA, Summary};
use super::written::Tally;
use crate::crossbar::{
    Adc, AdcKind, BoundManagement, Counts, Crossbar, Dac, Direction, Errors, Mapping,
    NoiseManagement, Plan, RangeRule, Rounding, Synapses, Usage, WeightScale, Writing, Written,
};
use crate::error::Result;

/// Lanes of one read: what a processor's cache holds of an array with hundreds of rows.
const LANES: usize = 4096;

/// Share of conversions that may saturate where the closed form of noise is given.
const MOST_SATURATED: f64 = 1e-3;

/// Replicas that calibration looks at: it must not depend on how replicas are cut into stacks.
const CALIBRATED: usize = 16;

/// One replica at one time.
#[derive(Debug, Clone)]
pub struct ReadRow {
    /// Index of the sweep point.
    pub point: usize,
    /// Number of the replica.
    pub replica: usize,
    /// Seconds since programming.
    pub time: f64,
    /// What was found: a name of [`READ_COLUMNS`](super::READ_COLUMNS) each.
    pub values: [f64; 7],
}

/// A point made ready.
struct Bench<'a> {
    settings: &'a Settings,
    reading: &'a Reading,
    plan: Plan,
    product: Product,
}

/// What the replicas of a point left behind, time by time.
struct Found {
    /// Replica by replica.
    errors: Vec<Vec<Misses>>,
    counts: Vec<Counts>,
    /// What all of it took, where that is metered.
    usage: Option<Usage>,
    written: Option<Tally>,
}

impl<'a> Bench<'a> {
    fn new(settings: &'a Settings, reading: &'a Reading) -> Result<Self> {
        let (inputs, outputs) = reading.operands.dimensions()?;
        let plan = settings.plan(inputs, outputs)?;
        let (map, scale) = (&plan.model.map, plan.layout.scale);
        let product = reading.operands.product(settings.seed, map, scale)?;
        Ok(Self {
            settings,
            reading,
            plan,
            product,
        })
    }

    fn stacks(&self) -> Vec<(usize, usize)> {
        stacks(self.settings.replicas, self.settings.replicas_at_once())
    }

    fn work(&self) -> u64 {
        (self.stacks().len() * self.reading.times.len()) as u64
    }

    fn programmed(&self, stack: (usize, usize)) -> Result<(Crossbar, Option<Written>)> {
        let mut crossbar = Crossbar::new(&self.plan, stack.0, stack.1)?;
        if self.settings.technology.is_some() {
            crossbar.meter();
        }
        let weights = &self.product.weights;
        let Some(writing) = &self.reading.writing else {
            crossbar.write(0, weights)?;
            return Ok((crossbar, None));
        };
        let written = crossbar.write_by(0, weights, writing)?;
        Ok((crossbar, Some(written)))
    }

    fn known(&self, stack: (usize, usize)) -> crate::backend::StackVector {
        let samples = 0..self.reading.known;
        self.product.vectors(Vectors::Known, samples, stack)
    }

    /// Ranges of the output converters, where the study has them calibrated: right after programming, on the first replicas.
    fn ranges(&self) -> Result<Option<Vec<f64>>> {
        let Some((rule, scope)) = self.reading.calibration else {
            return Ok(None);
        };
        let some = (0, self.settings.replicas.min(CALIBRATED));
        let ranges = self.programmed(some)?.0.calibrate(
            1,
            Direction::Forward,
            &self.known(some),
            rule,
            scope,
        )?;
        Ok(Some(ranges))
    }

    fn measure(&self, ranges: Option<&[f64]>, progress: &dyn Progress) -> Result<Found> {
        let parts: Vec<Found> = self
            .stacks()
            .into_par_iter()
            .map(|stack| self.stack(stack, ranges, progress))
            .collect::<Result<_>>()?;
        let mut parts = parts.into_iter();
        // There is at least one replica.
        let Some(mut found) = parts.next() else {
            return Ok(Found {
                errors: Vec::new(),
                counts: Vec::new(),
                usage: None,
                written: None,
            });
        };
        for part in parts {
            for (all, own) in found.errors.iter_mut().zip(part.errors) {
                all.extend(own);
            }
            for (all, own) in found.counts.iter_mut().zip(part.counts) {
                *all = plus(*all, own, 1);
            }
            if let Some(usage) = part.usage {
                found.usage.get_or_insert_default().join(usage);
            }
            if let (Some(all), Some(own)) = (&mut found.written, part.written) {
                all.join(own);
            }
        }
        Ok(found)
    }

    /// Steps count the samples read, so that no two of them share random numbers. Calibration has the first.
    fn stack(
        &self,
        stack: (usize, usize),
        ranges: Option<&[f64]>,
        progress: &dyn Progress,
    ) -> Result<Found> {
        let (reading, product, replicas) = (self.reading, &self.product, stack.1);
        let (mut crossbar, written) = self.programmed(stack)?;
        let device = &self.settings.device;
        let written = written.zip(reading.writing.as_ref());
        let written = written.map(|(w, how)| Tally::new(&w, stack.0, how, device));
        if let Some(ranges) = ranges {
            crossbar.set_ranges(Direction::Forward, ranges);
        }
        let known = self.known(stack);
        let mut step = 1 + reading.known as u32;
        let mut fresh = None;
        if reading.compensation.is_some() {
            fresh = Some(crossbar.response(step, &known)?);
            step += reading.known as u32;
        }
        let (_, outputs) = crossbar.dimensions();
        let batch = (LANES / replicas).clamp(1, product.samples);
        let mut found = Found {
            errors: Vec::new(),
            counts: Vec::new(),
            usage: None,
            written,
        };
        let mut age = 0.0;
        for &time in &reading.times {
            if time > age {
                crossbar.relax(step, time - age)?;
                age = time;
                step += 1;
            }
            if let (Some(compensation), Some(fresh)) = (reading.compensation, &fresh) {
                crossbar.compensate(step, &known, fresh, compensation)?;
                step += reading.known as u32;
            }
            let before = crossbar.counts();
            let mut errors = vec![Misses::default(); replicas];
            for first in (0..product.samples).step_by(batch) {
                let samples = first..(first + batch).min(product.samples);
                let inputs = product.vectors(Vectors::Tested, samples, stack);
                let exact = product.exact(&inputs);
                let mut read = crate::backend::StackVector::zeros(outputs, inputs.width());
                crossbar.multiply(step + first as u32, &inputs, &mut read)?;
                let all = read.all().chunks(replicas).zip(exact.chunks(replicas));
                for (read, exact) in all {
                    for (e, (read, exact)) in errors.iter_mut().zip(read.iter().zip(exact)) {
                        e.add(*read, *exact);
                    }
                }
                if product.answers.is_some() {
                    let width = inputs.width();
                    for lane in 0..width {
                        let sample = first + lane / replicas;
                        let e = &mut errors[lane % replicas];
                        let own = product.score(sample, |c| f64::from(read.lanes(c)[lane]));
                        let digital = product.score(sample, |c| exact[c * width + lane]);
                        e.answered += 1.0;
                        e.score += own.unwrap_or(0.0);
                        e.digital += digital.unwrap_or(0.0);
                    }
                }
            }
            step += product.samples as u32;
            found.errors.push(errors);
            found.counts.push(plus(crossbar.counts(), before, -1));
            progress.advance(1);
        }
        found.usage = crossbar.usage()?;
        Ok(found)
    }

    /// Standard deviation of an output by the closed forms of read noise and quantisation, where nothing else is between an exact product
    /// and what is read: `σ² + LSB²/12` (`LSB²/6` for stochastic rounding) for each tile that is added, the mean over converters.
    fn expected_noise(&self, ranges: Option<&[f64]>) -> Option<f64> {
        let (cells, periphery) = (&self.plan.model.cells, &self.plan.periphery);
        let device = &self.settings.device;
        let exact_writes = match self.reading.writing {
            None | Some(Writing::Device) => cells.programming().is_none(),
            Some(writing) => writing == Writing::Exact,
        };
        // Of pulses that have one voltage a curve makes a factor that is known.
        let straight = cells.curve().is_none_or(|c| {
            c.law.is_separable() && periphery.dac.input != crate::crossbar::Input::Amplitude
        });
        let exact_cells = exact_writes
            && straight
            && cells.cell_noise().is_none()
            && cells.write_noise() == 0.0
            && cells.stuck().is_empty()
            && !device.forgets();
        let exact_wires = self.plan.wires.is_none_or(|w| w.is_ideal());
        let exact_converters = periphery.dac == Dac::default()
            && periphery.adc.errors == Errors::default()
            && periphery.noise_management == NoiseManagement::None
            && periphery.bound_management == BoundManagement::None;
        let share = match periphery.adc {
            Adc {
                kind: AdcKind::Ideal,
                range: None,
                ..
            } => 0.0,
            Adc {
                kind: AdcKind::Uniform { rounding, .. },
                ..
            } => match rounding {
                Rounding::Nearest => 1.0 / 12.0,
                Rounding::Stochastic => 1.0 / 6.0,
            },
            _ => return None,
        };
        // What scales outputs was measured with their noise, and ranges that are not the largest cut some of them.
        let cut = match self.reading.calibration {
            Some((RangeRule::Quantile(share), _)) => share < 1.0,
            Some((RangeRule::LeastSquares, _)) => true,
            _ => false,
        };
        let scaled = self.reading.compensation.is_some();
        // Codes are off by more than noise, and scaled columns and offsets have noise of their own size.
        let layout = &self.plan.layout;
        let plain = layout.slices.is_none()
            && layout.scale == WeightScale::Matrix
            && self.plan.model.map.mapping() != Mapping::OffsetColumn;
        if !exact_cells || !exact_converters || !exact_wires || scaled || cut || !plain {
            return None;
        }
        let levels = periphery
            .adc
            .resolution()
            .map_or(1.0, |r| f64::from(r.levels()));
        let own = [periphery.adc.range.unwrap_or(1.0)];
        let ranges = ranges.unwrap_or(&own);
        let steps = ranges.iter().map(|r| (r / levels).powi(2)).sum::<f64>() / ranges.len() as f64;
        // What tiles read adds up along the inputs.
        let layers = self.plan.layout.layers(&self.plan.model.map) as f64;
        Some((layers * (self.plan.read_noise.powi(2) + share * steps)).sqrt())
    }

    fn point(&self, label: String, ranges: Option<&[f64]>, found: &Found) -> Point {
        let noise = self.expected_noise(ranges);
        let read = |k: usize| {
            let (errors, counts) = (&found.errors[k], &found.counts[k]);
            let saturated = counts.saturated as f64 / counts.adc as f64;
            // The closed form knows of no saturation.
            let noise = noise.filter(|_| saturated <= MOST_SATURATED);
            let values: Vec<[f64; 7]> = errors.iter().map(Misses::values).collect();
            let over = |column: usize, predicted: Option<f64>| {
                let values: Vec<f64> = values.iter().map(|v| v[column]).collect();
                of_values(&values, predicted)
            };
            // Over the rms of the exact outputs, replica by replica as the errors are.
            let error = noise.map(|noise| {
                let all = errors.iter().map(|e| noise / (e.exact / e.count).sqrt());
                all.sum::<f64>() / errors.len() as f64
            });
            let score = || {
                let digital = errors.iter().map(|e| e.digital / e.answered);
                over(5, Some(digital.sum::<f64>() / errors.len() as f64))
            };
            let (accuracy, mean_squared_error) = match &self.product.answers {
                Some(Answers::Classes(_)) => (score(), Estimate::default()),
                Some(Answers::Numbers(..)) => (Estimate::default(), score()),
                None => Default::default(),
            };
            Read {
                accuracy,
                mean_squared_error,
                time: self.reading.times[k],
                error: over(0, error),
                effective_bits: over(1, error.map(effective_bits)),
                largest_error: over(2, None),
                gain: over(3, noise.map(|_| 1.0)),
                unexplained_error: over(4, error),
                saturated,
                vectors: counts.reads,
                repeated: counts.repeated,
                input_conversions: counts.dac,
                output_conversions: counts.adc,
            }
        };
        let mut point = Point {
            label,
            settings: self.settings.swept.clone(),
            device: self.settings.device.name().to_owned(),
            held_out: self.product.held,
            programmed: self
                .reading
                .writing
                .zip(found.written.as_ref())
                .map(|(how, written)| written.summary(&how, &self.settings.device)),
            reads: (0..found.errors.len()).map(read).collect(),
            cost: found
                .usage
                .as_ref()
                .and_then(|usage| self.settings.cost(self.plan.model.map, usage)),
            ..Point::untrained()
        };
        let complaint = |(name, e): (&str, Estimate)| e.complaint(name, self.settings.replicas);
        if let Some(programmed) = &point.programmed {
            let all = programmed.estimates().into_iter();
            point.warnings.extend(all.filter_map(complaint));
        }
        for (read, time) in point.reads.iter().zip(&self.reading.times) {
            let all = read.estimates().into_iter().filter_map(complaint);
            point
                .warnings
                .extend(all.map(|c| format!("at {time} s: {c}")));
        }
        if self.product.clipped > 0.01 {
            point.warnings.push(format!(
                "{:.0} % of the drawn weights stopped at an end of the window: draw smaller ones, or make conductance-per-weight smaller",
                100.0 * self.product.clipped
            ));
        }
        point
    }
}

impl Settings {
    /// The array of this point, and the weights (row-major) that it is programmed to at the start: those that are read, or those that training
    /// starts from.
    ///
    /// # Errors
    /// Broken data; devices that cannot be drawn.
    pub fn programmed(&self) -> Result<(Plan, Vec<f64>)> {
        if let Some(reading) = self.task.reading() {
            let bench = Bench::new(self, reading)?;
            return Ok((bench.plan, bench.product.weights));
        }
        if let Some(task) = self.task.network() {
            // The first layer.
            let network = task.load(self.seed)?.0;
            let layer = &network.layers[0];
            let plan = self.plan(layer.rows(), layer.outputs)?;
            let range = plan.model.map.range();
            let start = task.start.weights(&network, 0, range, self.seed, 0, 1);
            return Ok((plan, start.all().iter().map(|w| f64::from(*w)).collect()));
        }
        let plan = self.plan(self.material()?.task.features, 1)?;
        let weights = vec![self.training.start; plan.model.map.weights()];
        Ok((plan, weights))
    }
}

/// `a + sign · b`.
fn plus(a: Counts, b: Counts, sign: i64) -> Counts {
    let add = |a: u64, b: u64| a.wrapping_add_signed(sign * b as i64);
    Counts {
        reads: add(a.reads, b.reads),
        repeated: add(a.repeated, b.repeated),
        dac: add(a.dac, b.dac),
        adc: add(a.adc, b.adc),
        saturated: add(a.saturated, b.saturated),
        additions: add(a.additions, b.additions),
    }
}

/// Runs a study whose tasks are read.
///
/// # Errors
/// Devices that cannot be drawn, a calibration that sees nothing, those of the backend.
pub(super) fn run(study: &Study, progress: &dyn Progress) -> Result<Outcome> {
    let start = Instant::now();
    let benches: Vec<Bench> = study
        .points
        .iter()
        .filter_map(|s| Some(Bench::new(s, s.task.reading()?)))
        .collect::<Result<_>>()?;
    progress.begin(benches.iter().map(Bench::work).sum());
    let found: Vec<(Option<Vec<f64>>, Found)> = benches
        .par_iter()
        .map(|b| {
            let ranges = b.ranges()?;
            let found = b.measure(ranges.as_deref(), progress)?;
            Ok((ranges, found))
        })
        .collect::<Result<_>>()?;
    let pairs = || benches.iter().zip(&found);
    let points: Vec<Point> = pairs()
        .map(|(b, (ranges, f))| b.point(swept_label(b.settings), ranges.as_deref(), f))
        .collect();
    let mut reads = Vec::new();
    for (point, (bench, (_, found))) in pairs().enumerate() {
        for (&time, errors) in bench.reading.times.iter().zip(&found.errors) {
            reads.extend(errors.iter().enumerate().map(|(replica, e)| ReadRow {
                point,
                replica,
                time,
                values: e.values(),
            }));
        }
    }
    let expectations: Vec<_> = study
        .expect
        .iter()
        .map(|e| e.check(&points, &[], study.quick))
        .collect();
    let first = &study.points[0];
    Ok(Outcome {
        summary: Summary {
            schema: SCHEMA,
            study: study.name.clone(),
            title: study.title.clone(),
            claim: study.claim.clone(),
            cite: study.cite.clone(),
            seed: first.seed,
            replicas: first.replicas,
            quick: study.quick,
            features: Vec::new(),
            standardisation: Vec::new(),
            points,
            controls: Vec::new(),
            all_met: expectations.iter().all(|e| e.met != Some(false)),
            expectations,
            device_updates_per_second: f64::NAN,
            pulses_per_device_update: f64::NAN,
            wall_seconds: start.elapsed().as_secs_f64(),
        },
        runs: Vec::new(),
        reads,
        epochs: Vec::new(),
    })
}
