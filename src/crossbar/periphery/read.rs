//! One read through the converters, and its repetitions.

use pulp::Arch;

use super::adc::AdcBank;
use super::dac::DacBank;
use super::mismatch::Mismatch;
use super::{BoundManagement, Counts, Direction, Input, Periphery, manage};
use crate::arrays::Saved;
use crate::backend::{StackVector, WIDE};
use crate::error::Result;
use crate::number::{Draw, Purpose, Stream};

/// The array between the converters: `sums` in units of the weighted sum for voltages in volts, with noise of the periphery and the
/// cells at this step and index.
pub(in crate::crossbar) trait Array {
    /// `at` is the step of the first sample and the index.
    fn read(
        &mut self,
        direction: Direction,
        at: (u32, u32),
        driven: &Driven,
        sums: &mut StackVector,
    ) -> Result<()>;
}

/// What the lines are driven with.
#[derive(Clone, Copy)]
pub(in crate::crossbar) struct Driven<'a> {
    /// Voltages, or the parts of a read that pulses of full voltage last times that.
    pub voltages: &'a StackVector,
    /// Where only lanes of one sample with a number above 0 are read: the others are computed along, and nothing is made of them.
    pub again: Option<&'a [u32]>,
    /// The full voltage, where inputs are widths of pulses.
    pub full: Option<f32>,
}

/// The converters of a stack with their buffers.
pub(in crate::crossbar) struct Converters {
    periphery: Periphery,
    stream: Stream,
    arch: Arch,
    first_replica: u32,
    replicas: usize,
    forward: Side,
    transposed: Side,
    scale: Vec<f32>,
    buffers: Buffers,
    /// One sample that is read again.
    again: (StackVector, StackVector),
}

/// The converters of one direction.
struct Side {
    dac: DacBank,
    adc: AdcBank,
    /// Running mean of each replica's largest input.
    average: Vec<f32>,
}

#[derive(Default)]
struct Buffers {
    dither: StackVector,
    levels: StackVector,
    voltages: StackVector,
    plane: StackVector,
    /// What the outputs of each lane are multiplied by.
    rescale: Vec<f32>,
    saturated: Vec<u32>,
    uniforms: [Vec<f32>; 4],
}

/// A read: which way, at which step, and how often it was halved before.
#[derive(Clone, Copy)]
struct Place {
    direction: Direction,
    step: u32,
    halvings: u32,
}

impl Place {
    /// The index of random numbers: 1 bit for the direction, 15 for the repetition, 8 for the plane. A first read of amplitudes has that of a
    /// read without converters, 0.
    fn index(self, plane: u32) -> u32 {
        let transposed = u32::from(self.direction == Direction::Transposed);
        transposed << 23 | self.halvings << 8 | plane
    }
}

impl Converters {
    pub fn new(
        periphery: &Periphery,
        (inputs, outputs): (usize, usize),
        (first_replica, replicas): (u32, usize),
        stream: Stream,
    ) -> Self {
        let side = |direction, inputs, outputs| {
            let draw = Mismatch { stream, direction };
            Side {
                dac: DacBank::new(periphery.dac, inputs, &draw),
                adc: AdcBank::new(&periphery.adc, outputs, &draw),
                average: vec![f32::NAN; replicas],
            }
        };
        Self {
            periphery: periphery.clone(),
            stream,
            arch: Arch::new(),
            first_replica,
            replicas,
            forward: side(Direction::Forward, inputs, outputs),
            transposed: side(Direction::Transposed, outputs, inputs),
            scale: Vec::new(),
            buffers: Buffers::default(),
            again: Default::default(),
        }
    }

    pub fn periphery(&self) -> &Periphery {
        &self.periphery
    }

    pub fn keep(&mut self, saved: &mut Saved) -> Result<()> {
        for side in [&mut self.forward, &mut self.transposed] {
            saved.list("largest", &mut side.average)?;
            side.adc.keep(saved)?;
        }
        Ok(())
    }

    pub fn set_ranges(&mut self, direction: Direction, ranges: &[f64]) {
        self.side(direction).adc.set_ranges(ranges);
    }

    fn side(&mut self, direction: Direction) -> &mut Side {
        self.side_and_buffers(direction).0
    }

    fn side_and_buffers(&mut self, direction: Direction) -> (&mut Side, &mut Buffers) {
        let side = match direction {
            Direction::Forward => &mut self.forward,
            Direction::Transposed => &mut self.transposed,
        };
        (side, &mut self.buffers)
    }

    /// Reads all samples of `inputs`, with the repetitions that bound management asks for.
    pub fn read(
        &mut self,
        array: &mut dyn Array,
        direction: Direction,
        step: u32,
        inputs: &StackVector,
        outputs: &mut StackVector,
        counts: &mut Counts,
    ) -> Result<()> {
        let mut scale = self.scales(direction, inputs);
        let mut place = Place {
            direction,
            step,
            halvings: 0,
        };
        self.once(array, place, inputs, None, &scale, outputs)?;
        let lanes = inputs.width();
        self.count(lanes, inputs.len(), outputs.len(), counts);
        if let BoundManagement::Iterative { most_halvings } = self.periphery.bound_management {
            let mut saturated = std::mem::take(&mut self.buffers.saturated);
            for sample in 0..lanes / self.replicas {
                let own = sample * self.replicas..(sample + 1) * self.replicas;
                place.step = step.wrapping_add(sample as u32);
                let (scale, saturated) = (&mut scale[own.clone()], &mut saturated[own]);
                self.halve(
                    array,
                    place,
                    most_halvings,
                    (inputs, outputs, sample),
                    (scale, saturated),
                    counts,
                )?;
            }
            self.buffers.saturated = saturated;
        }
        let ends = self.buffers.saturated.iter().map(|&n| u64::from(n));
        counts.saturated += ends.sum::<u64>();
        self.scale = scale;
        Ok(())
    }

    /// Reads one sample again with halved inputs until none of its lanes saturates. Sample by sample, so that a lane's numbers do not depend on
    /// which others saturate beside it.
    fn halve(
        &mut self,
        array: &mut dyn Array,
        mut place: Place,
        most: u32,
        (inputs, outputs, sample): (&StackVector, &mut StackVector, usize),
        (scale, saturated): (&mut [f32], &mut [u32]),
        counts: &mut Counts,
    ) -> Result<()> {
        let lanes = sample * self.replicas..(sample + 1) * self.replicas;
        let (mut x, mut y) = std::mem::take(&mut self.again);
        let mut kept = false;
        for halvings in 1..=most {
            let again = saturated.iter().filter(|n| **n > 0).count();
            if again == 0 {
                break;
            }
            if !kept {
                x.reshape(inputs.len(), self.replicas);
                y.reshape(outputs.len(), self.replicas);
                for i in 0..inputs.len() {
                    x.lanes_mut(i)
                        .copy_from_slice(&inputs.lanes(i)[lanes.clone()]);
                }
                kept = true;
            }
            for (scale, n) in scale.iter_mut().zip(&*saturated) {
                *scale *= if *n > 0 { 2.0 } else { 1.0 };
            }
            place.halvings = halvings;
            self.once(array, place, &x, Some(saturated), scale, &mut y)?;
            self.count(again, inputs.len(), outputs.len(), counts);
            counts.repeated += again as u64;
            for o in 0..outputs.len() {
                let old = outputs.lanes_mut(o)[lanes.clone()].iter_mut();
                for ((old, new), n) in old.zip(y.lanes(o)).zip(&*saturated) {
                    *old = if *n > 0 { *new } else { *old };
                }
            }
            for (n, now) in saturated.iter_mut().zip(&self.buffers.saturated) {
                *n = if *n > 0 { *now } else { 0 };
            }
        }
        self.again = (x, y);
        Ok(())
    }

    fn count(&self, lanes: usize, inputs: usize, outputs: usize, counts: &mut Counts) {
        let planes = self.periphery.dac.planes().unwrap_or(1);
        counts.count(lanes as u64 * u64::from(planes), inputs, outputs);
    }

    /// What the inputs of each lane are divided by.
    fn scales(&mut self, direction: Direction, inputs: &StackVector) -> Vec<f32> {
        let mut scale = std::mem::take(&mut self.scale);
        let management = self.periphery.noise_management;
        match management {
            manage::NoiseManagement::None | manage::NoiseManagement::Constant(_) => {
                scale.resize(inputs.width(), 1.0);
            }
            _ => manage::largest(self.arch, inputs, &mut scale),
        }
        let full = self.periphery.dac.full();
        manage::scales(
            management,
            full,
            &mut self.side(direction).average,
            &mut scale,
        );
        scale
    }

    /// What the output converters of all planes see for these inputs, plane by plane, without digitising it.
    pub fn sense(
        &mut self,
        array: &mut dyn Array,
        direction: Direction,
        step: u32,
        inputs: &StackVector,
        outputs: usize,
        counts: &mut Counts,
    ) -> Result<Vec<StackVector>> {
        let scale = self.scales(direction, inputs);
        let place = Place {
            direction,
            step,
            halvings: 0,
        };
        let mut seen = Vec::new();
        self.drive(place, inputs, &scale);
        let planes = self.periphery.dac.planes();
        for plane in 0..planes.unwrap_or(1) {
            let mut sums = StackVector::zeros(outputs, inputs.width());
            let at = (step, place.index(plane));
            self.voltages(direction, planes.map(|_| plane));
            array.read(direction, at, &self.driven(None), &mut sums)?;
            seen.push(sums);
        }
        self.scale = scale;
        counts.count(
            inputs.width() as u64 * seen.len() as u64,
            inputs.len(),
            outputs,
        );
        Ok(seen)
    }

    /// Levels of the inputs.
    fn drive(&mut self, place: Place, inputs: &StackVector, scale: &[f32]) {
        if self.side(place.direction).dac.is_dithered() {
            let at = (place.step, Purpose::InputRounding, place.index(0));
            self.dither(at, (inputs.len(), inputs.width()));
        }
        let arch = self.arch;
        let (side, buffers) = self.side_and_buffers(place.direction);
        let Buffers { dither, levels, .. } = buffers;
        levels.reshape(inputs.len(), inputs.width());
        side.dac.levels(arch, inputs, scale, dither, levels);
    }

    /// Voltages of the levels, or of one of their planes.
    fn voltages(&mut self, direction: Direction, plane: Option<u32>) {
        let arch = self.arch;
        let (side, buffers) = self.side_and_buffers(direction);
        let (levels, voltages) = (&mut buffers.levels, &mut buffers.voltages);
        match plane {
            Some(plane) => {
                voltages.reshape(levels.len(), levels.width());
                side.dac.plane(plane, levels, voltages);
            }
            None => {
                side.dac.drive(arch, levels);
                std::mem::swap(levels, voltages);
            }
        }
    }

    fn driven<'a>(&'a self, again: Option<&'a [u32]>) -> Driven<'a> {
        let dac = &self.periphery.dac;
        Driven {
            voltages: &self.buffers.voltages,
            again,
            full: (dac.input == Input::PulseWidth).then(|| dac.full()),
        }
    }

    /// One read of all lanes; the saturated outputs of each go to the buffers.
    fn once(
        &mut self,
        array: &mut dyn Array,
        place: Place,
        inputs: &StackVector,
        again: Option<&[u32]>,
        scale: &[f32],
        outputs: &mut StackVector,
    ) -> Result<()> {
        self.buffers.saturated.clear();
        self.buffers.saturated.resize(inputs.width(), 0);
        self.buffers.rescale.clear();
        self.buffers.rescale.extend(scale);
        self.drive(place, inputs, scale);
        let Some(planes) = self.periphery.dac.planes() else {
            self.voltages(place.direction, None);
            let at = (place.step, place.index(0));
            array.read(place.direction, at, &self.driven(again), outputs)?;
            self.digitise(place, 0, outputs);
            return Ok(());
        };
        let l = self.periphery.dac.resolution.map_or(1, |r| r.levels());
        let mut sums = std::mem::take(&mut self.buffers.plane);
        sums.reshape(outputs.len(), outputs.width());
        outputs.fill(0.0);
        for plane in 0..planes {
            let weight = (f64::from(1_u32 << plane) / f64::from(l)) as f32;
            for (r, s) in self.buffers.rescale.iter_mut().zip(scale) {
                *r = weight * s;
            }
            self.voltages(place.direction, Some(plane));
            let at = (place.step, place.index(plane));
            array.read(place.direction, at, &self.driven(again), &mut sums)?;
            self.digitise(place, plane, &mut sums);
            for (y, part) in outputs.all_mut().iter_mut().zip(sums.all()) {
                *y += part;
            }
        }
        self.buffers.plane = sums;
        Ok(())
    }

    fn digitise(&mut self, place: Place, plane: u32, outputs: &mut StackVector) {
        if self.side(place.direction).adc.is_dithered() {
            let at = (place.step, Purpose::OutputRounding, place.index(plane));
            self.dither(at, (outputs.len(), outputs.width()));
        }
        let arch = self.arch;
        let (side, buffers) = self.side_and_buffers(place.direction);
        let Buffers {
            rescale,
            dither,
            saturated,
            ..
        } = buffers;
        side.adc.convert(arch, rescale, dither, outputs, saturated);
    }

    /// A uniform number for each element and lane, at (step + sample, element, replica).
    fn dither(
        &mut self,
        (step, purpose, index): (u32, Purpose, u32),
        (len, width): (usize, usize),
    ) {
        let replicas = self.replicas;
        let Buffers {
            uniforms,
            dither: out,
            ..
        } = &mut self.buffers;
        out.reshape(len, width);
        for sample in 0..width / replicas {
            let step = step.wrapping_add(sample as u32);
            let first = sample * replicas;
            if replicas < WIDE {
                let own = &mut uniforms[0];
                own.resize(len, 0.0);
                for r in 0..replicas {
                    let at = Draw {
                        step,
                        replica: self.first_replica.wrapping_add(r as u32),
                        purpose,
                        index,
                    };
                    self.stream.fill_cell_uniforms(self.arch, at, 0, own);
                    let lane = out.all_mut()[first + r..].iter_mut().step_by(width);
                    lane.zip(&*own).for_each(|(o, u)| *o = *u);
                }
                continue;
            }
            uniforms.iter_mut().for_each(|u| u.resize(replicas, 0.0));
            for block in 0..len.div_ceil(4) {
                let four = uniforms.each_mut().map(|u| &mut u[..replicas]);
                self.stream.fill_uniforms(
                    step,
                    block as u32,
                    self.first_replica,
                    purpose,
                    index,
                    four,
                );
                for (u, i) in uniforms.iter().zip(block * 4..len) {
                    out.lanes_mut(i)[first..][..replicas].copy_from_slice(&u[..replicas]);
                }
            }
        }
    }
}

impl Counts {
    /// Adds `reads` vectors of an array with so many inputs and outputs.
    pub(in crate::crossbar) fn count(&mut self, reads: u64, inputs: usize, outputs: usize) {
        self.reads += reads;
        self.dac += reads * inputs as u64;
        self.adc += reads * outputs as u64;
    }

    pub(in crate::crossbar) fn keep(&mut self, saved: &mut Saved) -> Result<()> {
        for count in [
            &mut self.reads,
            &mut self.repeated,
            &mut self.dac,
            &mut self.adc,
            &mut self.saturated,
            &mut self.additions,
        ] {
            saved.number("counts", count)?;
        }
        Ok(())
    }

    /// Adds what another stack did.
    pub(in crate::crossbar) fn add(&mut self, other: &Self) {
        self.reads += other.reads;
        self.repeated += other.repeated;
        self.dac += other.dac;
        self.adc += other.adc;
        self.saturated += other.saturated;
        self.additions += other.additions;
    }
}
