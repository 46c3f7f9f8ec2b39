//! Endurance: windows that close as pulses come.

use super::cells::Cells;
use super::law::{Cell, LOWER, UPPER};
use super::variation::{self, Variation};
use crate::document::{Rule, Section};
use crate::error::Result;
use crate::number::Real;

/// The window of a cell shrinks with the number of its pulses.
///
/// # Equation
/// `lower(N) = lower + a (upper - lower) w(N)`, `upper(N) = upper - b (upper - lower) w(N)`, `w(N) = 1 - e^{-(N/Nₑ)^β}`
///
/// # Symbols
/// | symbol | key | unit |
/// | --- | --- | --- |
/// | Nₑ | `pulses` | |
/// | β | `shape` | |
/// | a, b | `lower-loss`, `upper-loss` | part of the cell's window |
///
/// Nₑ may vary from cell to cell by `[endurance.device-to-device]`.
///
/// # Behaviour
/// Few pulses wear a cell by a power of their number, `(N/Nₑ)^β`, as logarithmic plots of measured windows show it; many leave `1 - a - b` of
/// the window. Every pulse counts as one whatever it does, also at a bound; writes count nothing. After the pulses of an update
/// the state is held inside the worn window, hard, whatever the bounds of the device are. Retention may lead it out again: the window is what
/// pulses reach. Laws whose state is not the conductance wear in the state.
///
/// # Reference
/// Zhao et al., IEDM 2018, <https://doi.org/10.1109/IEDM.2018.8614664>: weak pulses wear analogue ReRAM by far less than full switching, and
/// what is lost is dynamic range. The stretched exponential is ours: a power law that ends.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Endurance {
    /// Nₑ of the nominal cell.
    pub pulses: f64,
    /// β
    pub shape: f64,
    /// Parts of the window that the lower and the upper end lose.
    pub losses: [f64; 2],
}

/// What a device file says of endurance.
#[derive(Debug, Clone)]
pub struct Wear {
    /// The nominal cell's.
    pub nominal: Endurance,
    /// Spreads of Nₑ (index 0).
    pub variations: Vec<Variation>,
}

impl Wear {
    /// Reads `[endurance]`, if there is one.
    pub(super) fn parse(device: &Section) -> Option<Self> {
        let section = device.optional_section("endurance")?;
        let pulses = section.number("pulses", Rule::Positive);
        let shape = section.number("shape", Rule::Between(0.05, 10.0));
        let losses =
            ["lower-loss", "upper-loss"].map(|key| section.number(key, Rule::Between(0.0, 1.0)));
        let total = losses[0] + losses[1];
        // A decimal sum of one may be a rounding more.
        if total > 1.0 + 1e-12 {
            section.violation(
                "upper-loss",
                format!("both ends together lose {total} of the window, more than there is"),
                "for example lower-loss = 0.5 and upper-loss = 0.5: it closes in the middle",
            );
        }
        let variations = Variation::parse_all(&section, &["pulses"]);
        section.finish();
        Some(Self {
            nominal: Endurance {
                pulses,
                shape,
                losses,
            },
            variations,
        })
    }

    /// Nₑ of each of `count` cells; nothing where all are equal.
    ///
    /// # Errors
    /// As [`Device::cells`](super::Device::cells).
    pub(super) fn draw(&self, count: usize, seed: u64) -> Result<Vec<f64>> {
        if self.variations.is_empty() {
            return Ok(Vec::new());
        }
        let check = |p: &[f64]| match p[0] > 0.0 && p[0].is_finite() {
            true => Ok(()),
            false => Err(format!("it is worn after {} pulses", p[0])),
        };
        // A generator of its own: the other numbers of the cells are those of the array that does not wear.
        let nominal = [self.nominal.pulses];
        variation::draw(&self.variations, &nominal, count, seed ^ 0xE0D5, check)
    }
}

impl Endurance {
    /// Worn part `w(N)` of a cell whose Nₑ is `life`.
    #[inline(always)]
    pub fn worn<R: Real>(&self, pulses: R, life: R) -> R {
        // No logarithm of zero; and e^{-e⁴} is none of any window.
        let logarithm = (pulses / life).max(R::lit(1e-30)).ln() * R::lit(self.shape);
        let worn = -(-logarithm.min(R::lit(4.0)).exp()).exp_m1();
        R::select_lt(R::lit(0.0), pulses, worn, R::lit(0.0))
    }

    /// The state of a cell inside the window that so many pulses have left.
    #[inline(always)]
    pub fn held<R: Real>(&self, cell: &Cell<R>, s: R, pulses: R, life: R) -> R {
        let [lower, upper] = self.window(cell, pulses, life);
        s.max(lower).min(upper)
    }

    /// The window that so many pulses have left.
    #[inline(always)]
    pub fn window<R: Real>(&self, cell: &Cell<R>, pulses: R, life: R) -> [R; 2] {
        let [lower, upper] = [cell.parameters[LOWER], cell.parameters[UPPER]];
        let lost = (upper - lower) * self.worn(pulses, life);
        [
            R::lit(self.losses[0]).mul_add(lost, lower),
            R::lit(-self.losses[1]).mul_add(lost, upper),
        ]
    }
}

impl Cells {
    /// The same cells, whose windows close: each after its own of these lives, or all after the nominal one where there is none.
    ///
    /// # Panics
    /// If `lives` is neither empty nor as long as there are cells.
    pub fn with_endurance(mut self, endurance: Endurance, lives: Vec<f64>) -> Self {
        assert!(
            lives.is_empty() || lives.len() == self.len(),
            "one life a cell"
        );
        self.aging.endurance = Some(endurance);
        self.aging.lives = lives;
        self
    }

    /// How windows close, if they do.
    pub fn endurance(&self) -> Option<Endurance> {
        self.aging.endurance
    }

    /// Nₑ of each cell, where that is not the same for all.
    pub fn lives(&self) -> Option<&[f64]> {
        Some(&*self.aging.lives).filter(|lives| !lives.is_empty())
    }

    /// The window that so many pulses have left of cell `k`, as states; its whole window where nothing wears.
    pub fn worn_window(&self, k: usize, pulses: f64) -> [f64; 2] {
        let cell = self.double(k);
        match self.aging.endurance {
            Some(endurance) => endurance.window(&cell, pulses, self.life(k, endurance)),
            None => [cell.parameters[LOWER], cell.parameters[UPPER]],
        }
    }

    fn life(&self, k: usize, endurance: Endurance) -> f64 {
        self.aging.lives.get(k).copied().unwrap_or(endurance.pulses)
    }

    /// State of cell `k` inside the window that so many pulses have left, as the loops hold it.
    #[inline]
    pub fn held(&self, k: usize, s: f32, pulses: u32) -> f32 {
        match self.aging.endurance {
            Some(endurance) => {
                let life = self.life(k, endurance) as f32;
                endurance.held(&self.single(k), s, pulses as f32, life)
            }
            None => s,
        }
    }
}
