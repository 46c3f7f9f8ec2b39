//! The cells of one array: every cell's own parameters under one law.

use std::sync::Arc;

use super::aging::Aging;
use super::cell_noise::CellNoise;
use super::count::SINGLE_DIGITS;
use super::current_voltage::Curve;
use super::cycle_noise::CycleNoise;
use super::expand::{longest_train, steepest, steepness};
use super::kernel::{Own, TILE};
use super::law::{AnyLaw, COMMON, Cell, LOWER, OWN, STEP, UPPER, parts_in};
use super::motion::{self, Parts};
use super::programming::Programming;
use super::readout::is_read_out;
use super::reset::Resets;
use super::response::{Pulsed, Response, average, bounded_mean, crossing, symmetric_point};
use super::retention::Retention;
use crate::document::NumberOr;
use crate::number::Real;
use crate::units::Siemens;

/// The polarities of pulses on cells that take potentiating and depressing ones.
pub(super) const BOTH: [f64; 2] = [1.0, -1.0];

/// The conductance window of a device, in siemens.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Window {
    /// Conductance at position 0.
    pub g_min: f64,
    /// Conductance at position 1.
    pub g_max: f64,
}

impl Window {
    /// Width in siemens.
    pub fn span(&self) -> f64 {
        self.g_max - self.g_min
    }

    /// A position, which may be given as a conductance.
    pub fn position(&self, given: NumberOr<Siemens>) -> f64 {
        match given {
            NumberOr::Number(position) => position,
            NumberOr::Quantity(g) => (g.value() - self.g_min) / self.span(),
        }
    }
}

/// The cells of one array, in row-major order; every replica of the array has the same ones.
#[derive(Clone)]
pub struct Cells {
    law: Arc<dyn AnyLaw>,
    window: Window,
    noise: CycleNoise<f64>,
    write_noise: f64,
    hard_bounds: bool,
    nominal: Vec<f64>,
    parameters: Vec<f64>,
    single: Vec<f32>,
    varied: Varied,
    longest_train: u32,
    parts: Parts,
    programming: Option<Programming>,
    cell_noise: Option<CellNoise>,
    pub(super) curve: Option<Curve>,
    pub(super) retention: Option<Retention>,
    /// Cell by cell, or empty where all are equal.
    pub(super) own_retention: Vec<Retention>,
    pub(super) aging: Aging,
    read_out: bool,
    pub(super) resets: Option<Resets>,
    /// Whether updates are mean responses, without pulses.
    unpulsed: bool,
    /// Ascending, with their positions.
    pub(super) stuck: Vec<(usize, f64)>,
}

/// The parameters that are not the same in all cells.
#[derive(Clone)]
struct Varied {
    places: Vec<usize>,
    /// Cell by cell: 4, 8, 16 … numbers, at least the number of places; 0 for none.
    rows: Vec<f32>,
    width: usize,
    /// The same numbers in tiles, parameter by parameter.
    tiles: Vec<f32>,
    /// A tile of all parameters of cell 0, where others differ.
    first: Vec<f32>,
}

impl Varied {
    /// From the parameters of all cells, `width` each.
    fn new(parameters: &[f32], width: usize) -> Self {
        let cells = || parameters.chunks_exact(width);
        let places: Vec<usize> = (0..width)
            .filter(|&k| cells().any(|p| p[k] != parameters[k]))
            .collect();
        let row = match places.len() {
            0 => 0,
            n => n.next_power_of_two().max(4),
        };
        let mut rows = vec![0.0; row * (parameters.len() / width)];
        if row > 0 {
            for (row, p) in rows.chunks_exact_mut(row).zip(cells()) {
                for (value, &place) in row.iter_mut().zip(&places) {
                    *value = p[place];
                }
            }
        }
        let varied = Self {
            places,
            rows,
            width: row,
            tiles: Vec::new(),
            first: Vec::new(),
        };
        if varied.places.is_empty() {
            return varied;
        }
        let first = parameters[..width].iter();
        let first = first.flat_map(|&p| std::iter::repeat_n(p, TILE)).collect();
        let all: Vec<u32> = (0..cells().len() as u32).collect();
        let mut tiles = vec![0.0; varied.size(all.len())];
        varied.turn(pulp::Arch::new(), &all, &mut tiles);
        Self {
            tiles,
            first,
            ..varied
        }
    }

    /// Numbers in the tiles of so many cells.
    fn size(&self, cells: usize) -> usize {
        cells.div_ceil(TILE) * TILE * self.places.len()
    }

    /// Writes the tiles of these cells.
    fn turn(&self, arch: pulp::Arch, cells: &[u32], tiles: &mut [f32]) {
        let varied = self;
        arch.dispatch(Turn {
            varied,
            cells,
            tiles,
        });
    }
}

/// The loop that turns the parameters of some cells into tiles.
struct Turn<'a> {
    varied: &'a Varied,
    cells: &'a [u32],
    tiles: &'a mut [f32],
}

impl pulp::WithSimd for Turn<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _simd: S) {
        match self.varied.width {
            0 => {}
            4 => turn::<4>(self),
            8 => turn::<8>(self),
            16 => turn::<16>(self),
            32 => turn::<32>(self),
            64 => turn::<64>(self),
            _ => turn::<128>(self),
        }
    }
}

#[inline(always)]
fn turn<const WIDTH: usize>(task: Turn) {
    let rows: &[[f32; WIDTH]] = task.varied.rows.as_chunks().0;
    let planes = task.tiles.as_chunks_mut::<TILE>().0;
    let tiles = planes.chunks_exact_mut(task.varied.places.len());
    for (planes, cells) in tiles.zip(task.cells.chunks(TILE)) {
        // Whole rows first: the loads do not wait for each other, wherever the cells lie.
        let mut own = [[0.0; WIDTH]; TILE];
        for (own, &cell) in own.iter_mut().zip(cells) {
            *own = rows[cell as usize];
        }
        for (group, planes) in planes.chunks_mut(4).enumerate() {
            let k = 4 * group % WIDTH;
            let [mut a, mut b, mut c, mut d] = [[0.0; TILE]; 4];
            for (i, own) in own.iter().enumerate() {
                [a[i], b[i], c[i], d[i]] = [own[k], own[k + 1], own[k + 2], own[k + 3]];
            }
            for (plane, four) in planes.iter_mut().zip([&a, &b, &c, &d]) {
                *plane = *four;
            }
        }
    }
}

impl Cells {
    /// Cells from their parameters (common ones, then the law's own), `nominal.len()` numbers a cell; `write_noise` in nominal
    /// steps. Device files are the validated way to make them.
    pub fn new(
        law: Arc<dyn AnyLaw>,
        window: Window,
        noise: CycleNoise<f64>,
        write_noise: f64,
        hard_bounds: bool,
        nominal: Vec<f64>,
        parameters: Vec<f64>,
    ) -> Self {
        Self::without_trains(
            law,
            window,
            noise,
            write_noise,
            hard_bounds,
            nominal,
            parameters,
        )
        .with_trains(&BOTH)
    }

    /// The same, pulse by pulse until [`Cells::with_trains`] has found how long trains may be.
    pub(super) fn without_trains(
        law: Arc<dyn AnyLaw>,
        window: Window,
        noise: CycleNoise<f64>,
        write_noise: f64,
        hard_bounds: bool,
        nominal: Vec<f64>,
        parameters: Vec<f64>,
    ) -> Self {
        let single: Vec<f32> = parameters.iter().map(|&p| p as f32).collect();
        let width = OWN + law.parameters().len();
        let parts = Parts::of_pulse(parts_in(law.moves(), &nominal));
        Self {
            varied: Varied::new(&single, width),
            parts,
            longest_train: 1,
            read_out: is_read_out(&*law, &nominal),
            law,
            window,
            noise,
            write_noise,
            hard_bounds,
            nominal,
            parameters,
            single,
            retention: None,
            programming: None,
            cell_noise: None,
            curve: None,
            own_retention: Vec::new(),
            aging: Aging::default(),
            resets: None,
            unpulsed: false,
            stuck: Vec::new(),
        }
    }

    /// The same cells, their trains and the feedback of their noise as pulses of these polarities allow.
    pub(super) fn with_trains(mut self, polarities: &[f64]) -> Self {
        let law = &*self.law;
        let cells = || self.parameters.chunks_exact(self.width());
        // Slopes matter to noise that feeds back, and to laws without closed trains.
        let closed = law.has_train() && self.noise.has_trains();
        let slopes: Vec<f64> = if closed && self.noise.multiplicative() == 0.0 {
            Vec::new()
        } else {
            cells().map(|p| steepness(law, p, polarities)).collect()
        };
        let noise = self.noise.for_slopes(slopes.iter().copied());
        let mut parts = self.parts;
        let noisy = noise.is_noisy();
        let longest = if closed {
            1 << SINGLE_DIGITS
        } else if law.moves() && noisy || law.has_own_noise() {
            // The noise of a pulse is stretched and bent by the next.
            1
        } else if law.moves() {
            let mut steep = steepest(slopes.into_iter().zip(cells()));
            // Equal cells need no second try.
            steep.dedup();
            let (longest, train) = motion::longest_train(law, parts.pulse, &steep);
            parts.train = train;
            longest
        } else {
            longest_train(law, &noise, slopes.into_iter().zip(cells()), polarities)
        };
        self.parts = parts;
        (self.noise, self.longest_train) = (noise, longest);
        self
    }

    /// The same cells, which miss what they are programmed to.
    pub fn with_programming(self, programming: Programming) -> Self {
        Self {
            programming: Some(programming),
            ..self
        }
    }

    /// The same cells for updates by [`Counting::Expected`](super::Counting::Expected): what is said of responses and symmetric points
    /// is that of mean changes, without the noise of pulses.
    pub fn without_pulses(self) -> Self {
        Self {
            unpulsed: true,
            ..self
        }
    }

    /// How programmed cells miss their targets, if they do.
    pub fn programming(&self) -> Option<&Programming> {
        self.programming.as_ref()
    }

    /// The same cells, whose reads are noisy.
    pub fn with_cell_noise(self, noise: CellNoise) -> Self {
        Self {
            cell_noise: Some(noise),
            ..self
        }
    }

    /// Noise of reads of single cells, if there is any.
    pub fn cell_noise(&self) -> Option<&CellNoise> {
        self.cell_noise.as_ref()
    }

    /// The cells at these places, in this order: those of an array that is a part of a larger one. How long trains may be stays as the
    /// whole allows it.
    ///
    /// # Panics
    /// For a place beyond the last cell.
    pub fn pick(&self, places: &[usize]) -> Self {
        let width = self.width();
        let parameters: Vec<f64> = places
            .iter()
            .flat_map(|&k| &self.parameters[k * width..(k + 1) * width])
            .copied()
            .collect();
        let single: Vec<f32> = parameters.iter().map(|&p| p as f32).collect();
        let own = |k: &usize| self.own_retention.get(*k).copied();
        let stuck = |(new, k): (usize, &usize)| Some((new, self.stuck_at(*k)?));
        // Field by field: what all cells have is not copied for a part of them.
        Self {
            law: Arc::clone(&self.law),
            window: self.window,
            noise: self.noise,
            write_noise: self.write_noise,
            hard_bounds: self.hard_bounds,
            nominal: self.nominal.clone(),
            varied: Varied::new(&single, width),
            longest_train: self.longest_train,
            parts: self.parts,
            programming: self.programming.clone(),
            cell_noise: self.cell_noise.clone(),
            curve: self.curve,
            retention: self.retention,
            own_retention: places.iter().filter_map(own).collect(),
            aging: self.aging.pick(places),
            read_out: self.read_out,
            resets: self.resets.as_ref().map(|r| r.pick(places)),
            unpulsed: self.unpulsed,
            stuck: places.iter().enumerate().filter_map(stuck).collect(),
            parameters,
            single,
        }
    }

    /// Whether conductances are other functions of the states than the states themselves.
    pub fn is_read_out(&self) -> bool {
        self.read_out
    }

    /// Number of cells.
    pub fn len(&self) -> usize {
        self.parameters.len() / self.width()
    }

    /// Whether there is no cell.
    pub fn is_empty(&self) -> bool {
        self.parameters.is_empty()
    }

    /// Which parameters are not the same in all cells.
    pub(super) fn varied_places(&self) -> &[usize] {
        &self.varied.places
    }

    /// Whether all cells have the same parameters.
    pub fn are_equal(&self) -> bool {
        self.varied.places.is_empty()
    }

    /// Whether the states stop hard at the ends of the cells' windows.
    pub fn hard_bounds(&self) -> bool {
        self.hard_bounds
    }

    /// Numbers a cell.
    pub(super) fn width(&self) -> usize {
        OWN + self.law.parameters().len()
    }

    /// The law.
    pub fn law(&self) -> &dyn AnyLaw {
        &*self.law
    }

    /// Parameters of the nominal cell.
    pub(super) fn nominal(&self) -> &[f64] {
        &self.nominal
    }

    /// The window of the nominal device.
    pub fn window(&self) -> Window {
        self.window
    }

    /// Parameters of all cells.
    pub(super) fn all_parameters(&self) -> &[f64] {
        &self.parameters
    }

    /// The same array of cells with other parameters; what is said of nominal ones stays.
    pub(super) fn with_all_parameters(&self, parameters: Vec<f64>) -> Self {
        let single: Vec<f32> = parameters.iter().map(|&p| p as f32).collect();
        Self {
            varied: Varied::new(&single, self.width()),
            parameters,
            single,
            ..self.clone()
        }
    }

    /// Nominal step, as a fraction of the window.
    pub fn nominal_step(&self) -> f64 {
        self.nominal[STEP]
    }

    /// Whether two equal pulses may make different changes.
    pub fn is_noisy(&self) -> bool {
        self.noise.is_noisy() || self.law.has_own_noise()
    }

    /// Cycle-to-cycle noise.
    pub fn noise(&self) -> CycleNoise<f64> {
        self.noise
    }

    /// Standard deviation of the write noise, in nominal steps.
    pub fn write_noise(&self) -> f64 {
        self.write_noise
    }

    /// Standard deviation of the write noise, as a position.
    pub fn write_deviation(&self) -> f32 {
        (self.write_noise * self.nominal_step()) as f32
    }

    /// Symmetric point of the nominal cell, as a position.
    pub fn nominal_symmetric_point(&self) -> Option<f64> {
        self.symmetric_point_of(&self.nominal)
    }

    /// The physics of cell `k` for the loops.
    #[inline]
    pub fn single(&self, k: usize) -> Cell<'_, f32> {
        let width = self.width();
        self.with_parameters(&self.single[k * width..(k + 1) * width])
    }

    /// The physics of a cell with these parameters, in any number.
    #[inline]
    pub(super) fn with_parameters<'a, R: Real>(&self, parameters: &'a [R]) -> Cell<'a, R> {
        Cell {
            parameters,
            noise: self.noise.cast(),
            hard_bounds: self.hard_bounds,
            parts: self.parts,
        }
    }

    /// The most pulses that may be drawn at once in single precision: laws without a closed form expand a train only as far as
    /// that is accurate. 1 where pulses must be made one by one.
    pub fn longest_train(&self) -> u32 {
        self.longest_train
    }

    /// What the cells from `first` on do not share with cell 0, where `first` is a multiple of [`TILE`]; `None` where all cells
    /// are equal.
    pub fn own_from(&self, first: usize) -> Option<Own<'_>> {
        debug_assert!(first.is_multiple_of(TILE));
        let varied = &self.varied;
        (varied.width > 0).then(|| Own {
            places: &varied.places,
            tiles: &varied.tiles[first * varied.places.len()..],
            shared: &varied.first,
        })
    }

    /// What these cells do not share with cell 0, in a buffer of [`Cells::own_size`]; `None` where all cells are equal.
    pub fn own_of<'a>(
        &'a self,
        arch: pulp::Arch,
        cells: &[u32],
        buffer: &'a mut [f32],
    ) -> Option<Own<'a>> {
        let varied = &self.varied;
        varied.turn(arch, cells, buffer);
        (varied.width > 0).then_some(Own {
            places: &varied.places,
            tiles: &buffer[..varied.size(cells.len())],
            shared: &varied.first,
        })
    }

    /// Size of a buffer for what `n` cells do not share.
    pub fn own_size(&self, n: usize) -> usize {
        self.varied.size(n)
    }

    /// The physics of cell `k` in double precision.
    pub fn double(&self, k: usize) -> Cell<'_, f64> {
        let width = self.width();
        self.with_parameters(&self.parameters[k * width..(k + 1) * width])
    }

    /// `F`, `G` of cell `k` whose conductance is at position `x`, in units of the nominal step; zero for a stuck cell.
    pub fn response(&self, k: usize, x: f64) -> Response {
        if self.stuck_at(k).is_some() {
            return Response {
                f: [0.0; 4],
                g: [0.0; 4],
                variance: None,
            };
        }
        let (cell, unit) = (self.double(k), self.nominal_step());
        if self.read_out || self.law.has_own_noise() {
            let s = self.state(k, x);
            return Response::seen(|polarity| self.pulsed(k, s, polarity), unit);
        }
        let response = Response::of(&*self.law, cell.parameters, x, unit);
        let response = if self.noise.is_affine() {
            response.with_variance_of(&*self.law, &cell, x, unit)
        } else {
            response
        };
        if self.is_one_sided() {
            response.one_sided()
        } else {
            response
        }
    }

    /// `[F, G]` of cell `k` whose conductance is at position `x`, without derivatives.
    pub fn response_values(&self, k: usize, x: f64) -> [f64; 2] {
        if self.stuck_at(k).is_some() {
            return [0.0; 2];
        }
        let (up, down) = if self.read_out {
            let s = self.state(k, x);
            let mean = |polarity| self.pulsed(k, s, polarity).change.re;
            (mean(1.0), -mean(-1.0))
        } else {
            let p = self.double(k).parameters;
            let down = if self.is_one_sided() {
                0.0
            } else {
                -self.law.step(p, x, -1.0)
            };
            (self.law.step(p, x, 1.0), down)
        };
        [
            0.5 * (up + down) / self.nominal_step(),
            0.5 * (down - up) / self.nominal_step(),
        ]
    }

    /// The part of `[F, G]` of cell `k` at position `x` that the curvature of the readout makes.
    pub fn bent_values(&self, k: usize, x: f64) -> [f64; 2] {
        if !self.read_out || self.stuck_at(k).is_some() {
            return [0.0; 2];
        }
        let s = self.state(k, x);
        let [up, down] = [1.0, -1.0].map(|polarity| self.pulsed(k, s, polarity).bent);
        [
            0.5 * (up - down) / self.nominal_step(),
            -0.5 * (up + down) / self.nominal_step(),
        ]
    }

    /// Mean position of the conductance of cell `k` after `n` pulses at state `s`, hard bounds applied.
    pub fn mean_after(&self, k: usize, s: f64, polarity: f64, n: u32) -> f64 {
        if self.is_one_sided() && polarity < 0.0 {
            return self.conductance(k, s);
        }
        let cell = self.double(k);
        let (mean, variance) = self.law.train(&cell, s, polarity, n);
        self.mean_position(&cell, mean, variance)
    }

    /// Mean position of the conductance of a cell whose state has these moments before hard bounds are applied.
    pub(super) fn mean_position(&self, cell: &Cell<f64>, mean: f64, variance: f64) -> f64 {
        if !self.read_out {
            return bounded_mean(cell, mean, variance);
        }
        let bounds = (cell.parameters[LOWER], cell.parameters[UPPER]);
        average(mean, variance, |s| {
            let s = if self.hard_bounds {
                s.clamp(bounds.0, bounds.1)
            } else {
                s
            };
            self.law.conductance(cell.parameters, s)
        })
    }

    /// What one pulse does to the conductance of cell `k` at state `s`.
    pub fn pulsed(&self, k: usize, s: f64, polarity: f64) -> Pulsed {
        let cell = self.double(k);
        match self.unpulsed {
            true => Pulsed::tangent(&*self.law, &cell, s, polarity),
            false => Pulsed::of(&*self.law, &cell, s, polarity),
        }
    }

    /// Symmetric point of cell `k`, as a position of its conductance; for a stuck cell the one that it holds.
    pub fn symmetric_point(&self, k: usize) -> Option<f64> {
        self.stuck_at(k)
            .or_else(|| self.symmetric_point_of(self.double(k).parameters))
    }

    fn symmetric_point_of(&self, p: &[f64]) -> Option<f64> {
        if self.is_one_sided() {
            return None;
        }
        if !self.read_out {
            return symmetric_point(&*self.law, p);
        }
        if self.unpulsed {
            return Some(self.law.conductance(p, symmetric_point(&*self.law, p)?));
        }
        let cell = self.with_parameters(p);
        let asymmetry = |s| {
            let mean = |polarity| Pulsed::of(&*self.law, &cell, s, polarity).change.re;
            -mean(-1.0) - mean(1.0)
        };
        Some(self.law.conductance(p, crossing(asymmetry, p)?))
    }

    /// The same cells under the symmetric control law: constant steps without asymmetry, the same step sizes and the same
    /// noise, also of reads, no bounds, no cell stuck, nothing that relaxes, one-sided if they are. Its expected update has no regularizing
    /// part at all.
    pub fn symmetric_control(&self) -> Self {
        let parameters = (0..self.len())
            .flat_map(|k| {
                let p = self.double(k).parameters;
                COMMON.iter().enumerate().map(|(i, _)| p[i]).chain([0.0])
            })
            .collect();
        let mut nominal = self.nominal[..OWN].to_vec();
        nominal.push(0.0);
        let control = Self::new(
            Arc::new(super::ConstantStep),
            self.window,
            self.noise,
            self.write_noise,
            false,
            nominal,
            parameters,
        );
        Self {
            cell_noise: self.cell_noise.clone(),
            curve: self.curve,
            resets: self.resets.clone(),
            ..control
        }
    }
}
