//! Noise of reads of single cells: white, 1/f, and the random telegraph of a trap.

use super::cells::{Cells, Window};
use super::dependence::Dependence;
use crate::document::{NumberOr, Rule, Section};
use crate::number::Real;
use crate::units::{Seconds, Siemens};

/// What a read adds to the conductance of each cell; any of three kinds.
///
/// # Equation
/// A read finds `g (1 - A b) + σ z`, z standard normal and drawn anew for every read, with the trap's state b = 0 or 1 and
/// `σ² = (r g)² + a² + D(g)² + g² Q(g)² ln((t + t_r)/(2 t_r))`.
///
/// # Symbols
/// | symbol | key | unit |
/// | --- | --- | --- |
/// | r | `white.relative` | – |
/// | a | `white.absolute` | S, or fraction of the window |
/// | D | `white.deviation` | g, or `times` |
/// | Q | `flicker.amplitude` | – ; with `times`, Q · `times` stands for g Q |
/// | t_r | `flicker.read-time` | s |
/// | t | time since the cells were written | s |
/// | A | `telegraph.amplitude` | – |
/// | τ₁, τ₀ | `telegraph.occupied`, `telegraph.empty` | s: mean dwell times |
///
/// D and Q are [`Dependence`]s; below zero they count as zero.
///
/// # Behaviour
/// The trap is a two-state Markov chain: occupied for a share `p = τ₁/(τ₀ + τ₁)` of the time, correlation
/// `p (1 - p) e^{-t/τ}`, `1/τ = 1/τ₀ + 1/τ₁`. It moves while time passes and is the same for all reads between; it belongs to the cell, and
/// no write resets it. Every cell has one, a stuck cell too. 1/f noise is that of the band from the time of a read to the time since
/// programming, and drawn anew for each read; there is none before t = t_r.
///
/// The noise of a product `Σ V_i g_i` is the normal number of variance `Σ V_i² σ_i²`: what cells drawn one by one add up to.
///
/// # Reference
/// Nandakumar et al., ICECS 2019, <https://ieeexplore.ieee.org/document/8964852>; Joshi et al., Nat. Commun. 11, 2473 (2020),
/// <https://doi.org/10.1038/s41467-020-16108-9> (1/f); Ruiz-Castro et al., Mathematics 9, 390 (2021), <https://doi.org/10.3390/math9040390>
/// (random telegraph noise of resistive memories).
///
/// # Differences
/// aihwkit draws the 1/f noise of its inference models once for each time, not for each read.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CellNoise {
    white: Option<White>,
    flicker: Option<Flicker>,
    telegraph: Option<Telegraph>,
}

#[derive(Debug, Clone, PartialEq)]
struct White {
    relative: f64,
    /// As a fraction of the window.
    absolute: f64,
    deviation: Option<Deviation>,
}

#[derive(Debug, Clone, PartialEq)]
struct Flicker {
    read_time: f64,
    amplitude: Deviation,
}

/// Two-level random telegraph noise.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Telegraph {
    /// Part of the conductance that an occupied trap blocks.
    pub amplitude: f64,
    /// Mean dwell time of the occupied state in seconds.
    pub occupied: f64,
    /// Mean dwell time of the empty state in seconds.
    pub empty: f64,
}

/// A deviation that depends on the conductance: a part of it, or of a given one.
#[derive(Debug, Clone, PartialEq)]
struct Deviation {
    of: Dependence,
    /// In siemens.
    times: Option<f64>,
}

impl Deviation {
    fn parse(section: &Section) -> Self {
        let times = section.optional_quantity::<Siemens>("times", Rule::Positive);
        Self {
            of: Dependence::parse(section),
            times: times.map(Siemens::value),
        }
    }

    /// In windows, at the conductance `g` in windows.
    #[inline(always)]
    fn at<R: Real>(&self, window: Window, g: R) -> R {
        let span = window.span();
        let part = self.of.at(g * R::lit(span)).max(R::lit(0.0));
        part * self.times.map_or(g, |times| R::lit(times / span))
    }

    /// Whether it is finite over the window.
    fn check(&self, section: &Section, key: &str, window: Window) {
        let wrong = (0..=64)
            .map(|k| window.g_min / window.span() + f64::from(k) / 64.0)
            .find(|&g| !self.at(window, g).is_finite());
        if let Some(g) = wrong {
            section.violation(
                key,
                format!(
                    "must be finite at every conductance of the window, at {} it is not",
                    Siemens::new(g * window.span())
                ),
                "check the numbers of the curve",
            );
        }
    }
}

impl Telegraph {
    /// Share of the time that the trap is occupied.
    pub fn share(&self) -> f64 {
        self.occupied / (self.occupied + self.empty)
    }

    /// Time constant of its correlation in seconds.
    pub fn time_constant(&self) -> f64 {
        1.0 / (1.0 / self.occupied + 1.0 / self.empty)
    }

    /// What is left of the correlation after `elapsed` seconds.
    pub fn kept(&self, elapsed: f64) -> f64 {
        (-elapsed / self.time_constant()).exp()
    }

    /// State of the trap, 0 or 1, after a time that leaves `kept` of the correlation, with `u` in (0, 1); 0 draws it anew.
    #[inline(always)]
    pub fn next<R: Real>(&self, before: R, kept: R, u: R) -> R {
        let share = R::lit(self.share());
        let probability = kept.mul_add(before - share, share);
        R::select_lt(u, probability, R::lit(1.0), R::lit(0.0))
    }

    fn parse(section: &Section) -> Self {
        let found = Self {
            amplitude: section.number("amplitude", Rule::Positive),
            occupied: section
                .quantity::<Seconds>("occupied", Rule::Positive)
                .value(),
            empty: section.quantity::<Seconds>("empty", Rule::Positive).value(),
        };
        if section.has("amplitude") && found.amplitude > 1.0 {
            section.violation(
                "amplitude",
                "an occupied trap cannot block more than the whole conductance",
                "a number above 0, at most 1",
            );
        }
        found
    }
}

impl White {
    fn parse(section: &Section, window: Window) -> Self {
        let keys = ["relative", "absolute", "deviation"];
        if !keys.iter().any(|k| section.has(k)) {
            section.violation(
                "",
                format!("needs at least one of {}", keys.join(", ")),
                "for example relative = 0.01",
            );
        }
        let absolute =
            section.optional_number_or_quantity::<Siemens>("absolute", Rule::NonNegative);
        let deviation = section.optional_section("deviation");
        let deviation = deviation.map(|s| Deviation::parse(&s));
        if let Some(deviation) = &deviation {
            deviation.check(section, "deviation", window);
        }
        Self {
            relative: section
                .optional_number("relative", Rule::NonNegative)
                .unwrap_or(0.0),
            absolute: match absolute {
                Some(NumberOr::Number(v)) => v,
                Some(NumberOr::Quantity(g)) => g.value() / window.span(),
                None => 0.0,
            },
            deviation,
        }
    }
}

impl CellNoise {
    /// Reads `[read-noise]`, if there is one.
    pub(super) fn parse(device: &Section, window: Window) -> Option<Self> {
        let section = device.optional_section("read-noise")?;
        let keys = ["white", "flicker", "telegraph"];
        if !keys.iter().any(|k| section.has(k)) {
            section.violation(
                "",
                format!("needs at least one of {}", keys.join(", ")),
                "for example [read-noise.white] with relative = 0.01, or remove the table",
            );
        }
        let white = section.optional_section("white");
        let flicker = section.optional_section("flicker").map(|s| {
            let flicker = Flicker {
                read_time: s.quantity::<Seconds>("read-time", Rule::Positive).value(),
                amplitude: Deviation::parse(&s.section("amplitude")),
            };
            flicker.amplitude.check(&s, "amplitude", window);
            flicker
        });
        let telegraph = section.optional_section("telegraph");
        let found = Self {
            white: white.map(|s| White::parse(&s, window)),
            flicker,
            telegraph: telegraph.map(|s| Telegraph::parse(&s)),
        };
        section.finish();
        Some(found)
    }

    /// Whether reads draw a number: white or 1/f noise.
    pub fn is_drawn(&self) -> bool {
        self.white.is_some() || self.flicker.is_some()
    }

    /// Whether it depends on how much time passes.
    pub fn needs_time(&self) -> bool {
        self.flicker.is_some() || self.telegraph.is_some()
    }

    /// Random telegraph noise, if there is any.
    pub fn telegraph(&self) -> Option<Telegraph> {
        self.telegraph
    }

    /// Time of a read in seconds, where there is 1/f noise.
    pub fn read_time(&self) -> Option<f64> {
        self.flicker.as_ref().map(|f| f.read_time)
    }

    /// Growth of the 1/f noise, `ln((t + t_r)/(2 t_r))`, `elapsed` seconds t after a write; 0 where there is none.
    pub fn growth<R: Real>(&self, elapsed: R) -> R {
        let zero = R::lit(0.0);
        self.flicker.as_ref().map_or(zero, |f| {
            let part = (elapsed + R::lit(f.read_time)) * R::lit(0.5 / f.read_time);
            part.ln().max(zero)
        })
    }

    /// Position that reads find on average where the trap's state is `occupied`, 0 or 1.
    #[inline(always)]
    pub fn seen<R: Real>(&self, window: Window, x: R, occupied: R) -> R {
        self.telegraph.map_or(x, |t| {
            let g = x + R::lit(window.g_min / window.span());
            (g * R::lit(-t.amplitude)).mul_add(occupied, x)
        })
    }

    /// Variance of a read of the cell at position `x`, in squares of the window, where the 1/f noise has this
    /// [`CellNoise::growth`].
    #[inline(always)]
    pub fn variance<R: Real>(&self, window: Window, x: R, growth: R) -> R {
        let g = x + R::lit(window.g_min / window.span());
        let mut sum = R::lit(0.0);
        if let Some(white) = &self.white {
            if white.relative > 0.0 {
                sum = sum + (R::lit(white.relative) * g).square();
            }
            if white.absolute > 0.0 {
                sum = sum + R::lit(white.absolute * white.absolute);
            }
            if let Some(deviation) = &white.deviation {
                sum = sum + deviation.at(window, g).square();
            }
        }
        if let Some(flicker) = &self.flicker {
            sum = sum + flicker.amplitude.at(window, g).square() * growth;
        }
        sum
    }

    /// For people: what, how much.
    pub fn describe(&self, window: Window) -> Vec<(&'static str, String)> {
        let middle = 0.5 * (window.g_min + window.g_max) / window.span();
        let there = |d: &Deviation| {
            let deviation = Siemens::new(
                format!("{:.3e}", d.at(window, middle) * window.span())
                    .parse()
                    .unwrap_or(0.0),
            );
            format!("{deviation} in mid-window")
        };
        let mut out = Vec::new();
        if let Some(white) = &self.white {
            let mut parts = Vec::new();
            if white.relative > 0.0 {
                parts.push(format!("{} of the conductance", white.relative));
            }
            if white.absolute > 0.0 {
                parts.push(format!("{} of the window", white.absolute));
            }
            parts.extend(white.deviation.as_ref().map(there));
            out.push(("white", parts.join(" and ")));
        }
        if let Some(flicker) = &self.flicker {
            let text = format!(
                "{} times √ln((t + t_r)/2t_r), t_r = {}",
                there(&flicker.amplitude),
                Seconds::new(flicker.read_time)
            );
            out.push(("1/f", text));
        }
        if let Some(t) = self.telegraph {
            let text = format!(
                "{} of the conductance, {} occupied, {} empty",
                t.amplitude,
                Seconds::new(t.occupied),
                Seconds::new(t.empty)
            );
            out.push(("telegraph", text));
        }
        out
    }
}

impl Cells {
    /// Variance of one read of a cell at position `x`, `elapsed` seconds after a write, in squares of the window; without the
    /// telegraph.
    pub fn read_variance(&self, x: f64, elapsed: f64) -> f64 {
        self.cell_noise().map_or(0.0, |noise| {
            noise.variance(self.window(), x, noise.growth(elapsed))
        })
    }
}
