//! Noise of reads of single cells: traps that jump while time passes, and the variance of every cell.

use super::Fixed;
use super::ahead::{Ahead, Kind};
use crate::arrays::Saved;
use crate::device::{CellNoise, Window};
use crate::error::Result;
use crate::number::Purpose;

/// What noisy reads need of each cell and replica.
pub(super) struct Noisy {
    /// Seconds since the cells were written.
    elapsed: f64,
    /// Whether the traps are occupied, 0 or 1; none where there are no traps.
    traps: Vec<f32>,
    /// Positions with the traps, where there are any.
    seen: Vec<f32>,
    /// Variance of a read in squares of the window; none where reads draw nothing.
    variances: Vec<f32>,
    /// Whether these are those of older states.
    stale: bool,
}

impl Noisy {
    /// None where reads of cells have no noise. Traps are as time has left them.
    pub(super) fn new(fixed: &Fixed) -> Option<Self> {
        let noise = fixed.cells.cell_noise()?;
        let elements = fixed.shape.cells() * fixed.shape.replicas;
        let room = |wanted: bool| vec![0.0; if wanted { elements } else { 0 }];
        let trapped = noise.telegraph().is_some();
        let mut noisy = Self {
            elapsed: 0.0,
            traps: room(trapped),
            seen: room(trapped),
            variances: room(noise.is_drawn()),
            stale: true,
        };
        noisy.draw_traps(fixed, 0, 0, 0.0);
        Some(noisy)
    }

    pub(super) fn keep(&mut self, saved: &mut Saved) -> Result<()> {
        saved.number("elapsed", &mut self.elapsed)?;
        saved.list("traps", &mut self.traps)?;
        // The rest follows from the states.
        self.stale = true;
        Ok(())
    }

    /// The states have changed.
    pub(super) fn touch(&mut self) {
        self.stale = true;
    }

    /// The cells were written.
    pub(super) fn restart(&mut self) {
        self.elapsed = 0.0;
        self.stale = true;
    }

    /// Lets time pass after a step.
    pub(super) fn pass(&mut self, fixed: &Fixed, step: u32, elapsed: f64) {
        self.elapsed += elapsed;
        self.stale = true;
        let telegraph = fixed.cells.cell_noise().and_then(CellNoise::telegraph);
        if let Some(telegraph) = telegraph {
            self.draw_traps(fixed, step, 1, telegraph.kept(elapsed) as f32);
        }
    }

    fn draw_traps(&mut self, fixed: &Fixed, step: u32, index: u32, kept: f32) {
        let telegraph = fixed.cells.cell_noise().and_then(CellNoise::telegraph);
        let Some(telegraph) = telegraph else {
            return;
        };
        let replicas = fixed.shape.replicas;
        let mut uniforms = Ahead::new(replicas);
        for (cell, traps) in self.traps.chunks_exact_mut(replicas).enumerate() {
            let drawn = (step, Purpose::Telegraph, index);
            let uniforms = uniforms.of(fixed, Kind::Uniform, drawn, cell);
            for (b, &u) in traps.iter_mut().zip(uniforms) {
                *b = telegraph.next(*b, kept, u);
            }
        }
    }

    /// Makes what reads need from the positions that they would find without traps.
    pub(super) fn refresh(&mut self, fixed: &Fixed, positions: &[f32]) {
        let noise = fixed.cells.cell_noise().filter(|_| self.stale);
        let Some(noise) = noise else {
            return;
        };
        self.stale = false;
        let (window, growth) = (fixed.cells.window(), noise.growth(self.elapsed) as f32);
        let traps = self.traps.iter().zip(positions);
        for (seen, (&b, &x)) in self.seen.iter_mut().zip(traps) {
            *seen = noise.seen(window, x, b);
        }
        fixed.arch.dispatch(Variances {
            noise,
            window,
            growth,
            positions: if self.seen.is_empty() {
                positions
            } else {
                &self.seen
            },
            out: &mut self.variances,
        });
    }

    /// Positions with the traps, where there are any.
    pub(super) fn seen(&self) -> Option<&[f32]> {
        (!self.seen.is_empty()).then_some(&self.seen)
    }

    /// Variances of reads, where they draw numbers.
    pub(super) fn variances(&self) -> Option<&[f32]> {
        (!self.variances.is_empty()).then_some(&self.variances)
    }
}

/// Variances of reads of many cells.
struct Variances<'a> {
    noise: &'a CellNoise,
    window: Window,
    growth: f32,
    positions: &'a [f32],
    out: &'a mut [f32],
}

impl pulp::WithSimd for Variances<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _simd: S) {
        for (v, &x) in self.out.iter_mut().zip(self.positions) {
            *v = self.noise.variance(self.window, x, self.growth);
        }
    }
}
