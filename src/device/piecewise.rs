//! Piecewise: the change of a pulse is interpolated between nodes along the window, for devices that are known by measurements only.
//!
//! # Equation
//! With `x = (s - l)/(u - l)` and the nodes `y_i` of a direction at `x = i/n`, `i = 0 … n`: `d± = ± step f±(x)`,
//! `f = y_i + t Δ + t (1 - t) [(1 - t)(m_i - Δ) - t (m_{i+1} - Δ)]`, `t = n x - i` in the interval i that x is in,
//! `Δ = y_{i+1} - y_i`. Linear interpolation has `m = Δ`; the monotone cubic has one slope m a node.
//!
//! # Symbols
//! | symbol | key | unit |
//! | --- | --- | --- |
//! | step | `step` | S, or fraction of the window: what the nodes are measured in |
//! | l, u | `lower`, `upper` | S, or position in the window |
//! | y₊ | `potentiation` | steps: a list of 2 to 17 nodes, equally far from each other from l to u |
//! | y₋ | `depression` | steps: the same for depression; the two lists may differ in length |
//! | – | `csv` | in place of the lists: a file with the columns potentiation and depression |
//! | – | `interpolation` | `"linear"` or `"monotone-cubic"` |
//! | n₊, n₋ | `potentiation-intervals`, `depression-intervals` | – : follow from the lists |
//! | m₊, m₋ | `potentiation-slope`, `depression-slope` | steps an interval: follow from the lists |
//! | – | `cubic` | – : 1 for the monotone cubic, 0 for linear: follows from the interpolation |
//!
//! # Behaviour
//! The nodes are met exactly. The cubic is monotone wherever the nodes are and never leaves their range; its slope is continuous. With
//! linear interpolation the slope jumps at nodes, and derivatives there are those from above. At the upper end and beyond both ends f
//! is constant. No closed form for trains: expanded ones are as short as the nodes ask for.
//!
//! # Reference
//! Fritsch & Carlson, SIAM J. Numer. Anal. 17, 238 (1980), <https://doi.org/10.1137/0717021>, for the slopes.
//!
//! # Differences
//! aihwkit's `PiecewiseStep` interpolates linearly between nodes that are relative to the step at w = 0, with nodes equally far from each
//! other; CrossSim's lookup tables keep whole distributions of the change at every state. Here noise is that of the device file.

use super::law::{Kind, LOWER, Law, OWN, Parameter, Pulse, STEP, UPPER};
use crate::number::{Jet, Real, variable};

/// The most nodes of one direction.
pub const NODES: usize = 17;

/// Where the own parameters of each kind begin, after `OWN`.
const CUBIC: usize = 2;
const UP: usize = 3;
const DOWN: usize = UP + NODES;
const UP_SLOPE: usize = DOWN + NODES;
const DOWN_SLOPE: usize = UP_SLOPE + NODES;
const WIDTH: usize = DOWN_SLOPE + NODES;

/// Change interpolated between nodes along the window.
#[derive(Debug, Clone, Copy)]
pub struct Piecewise;

const fn parameter(name: &'static str, kind: Kind, most: f64, meaning: &'static str) -> Parameter {
    Parameter {
        name,
        kind,
        least: if matches!(kind, Kind::Node) {
            0.0
        } else {
            -most
        },
        most,
        meaning,
    }
}

/// The largest node, in nominal steps.
pub(super) const MOST_NODE: f64 = 1e3;

const fn parameters() -> [Parameter; WIDTH] {
    let up = parameter(
        "potentiation",
        Kind::Node,
        MOST_NODE,
        "potentiation step along the window, in nominal steps",
    );
    let down = parameter(
        "depression",
        Kind::Node,
        MOST_NODE,
        "depression step along the window, in nominal steps",
    );
    let mut all = [parameter(
        "cubic",
        Kind::Derived,
        1.0,
        "whether interpolation is cubic",
    ); WIDTH];
    all[0] = parameter(
        "potentiation-intervals",
        Kind::Derived,
        NODES as f64,
        "intervals between the nodes of potentiation",
    );
    all[1] = parameter(
        "depression-intervals",
        Kind::Derived,
        NODES as f64,
        "intervals between the nodes of depression",
    );
    let mut k = 0;
    while k < NODES {
        all[UP + k] = up;
        all[DOWN + k] = down;
        all[UP_SLOPE + k] = parameter(
            "potentiation-slope",
            Kind::Derived,
            3.0 * MOST_NODE,
            "slope of the cubic at a node of potentiation",
        );
        all[DOWN_SLOPE + k] = parameter(
            "depression-slope",
            Kind::Derived,
            3.0 * MOST_NODE,
            "slope of the cubic at a node of depression",
        );
        k += 1;
    }
    all
}

impl Piecewise {
    /// The law's own parameters from the nodes of both directions, each of 2 to [`NODES`] numbers; of more, the first ones count.
    pub fn own(potentiation: &[f64], depression: &[f64], cubic: bool) -> Vec<f64> {
        let mut own = vec![0.0; WIDTH];
        own[CUBIC] = f64::from(u8::from(cubic));
        for (k, (nodes, places)) in [
            (potentiation, [UP, UP_SLOPE]),
            (depression, [DOWN, DOWN_SLOPE]),
        ]
        .into_iter()
        .enumerate()
        {
            let nodes = &nodes[..nodes.len().min(NODES)];
            own[k] = nodes.len().saturating_sub(1) as f64;
            // Beyond the last node the step stays what it is there.
            let last = nodes.last().copied().unwrap_or(0.0);
            own[places[0]..places[0] + NODES].fill(last);
            own[places[0]..places[0] + nodes.len()].copy_from_slice(nodes);
            if cubic {
                let slopes = monotone_slopes(nodes);
                own[places[1]..places[1] + nodes.len()].copy_from_slice(&slopes);
            }
        }
        own
    }

    /// The interval that the state is in, in the pulse's direction.
    #[inline(always)]
    fn piece<R: Real>(p: &[R], s: R, pulse: &Pulse<R>) -> Piece<R> {
        let own = &p[OWN..];
        let node = |k: usize| {
            [
                pulse.choose(own[UP + k], own[DOWN + k]),
                pulse.choose(own[UP_SLOPE + k], own[DOWN_SLOPE + k]),
            ]
        };
        let intervals = pulse.choose(own[0], own[1]);
        // Above the window it stays in the last interval, whose end it keeps; fewer nodes than there is room for leave others after it.
        let at = place(p, s, intervals).min(intervals - R::lit(0.5));
        let mut piece = Piece {
            intervals,
            begin: R::lit(0.0),
            left: node(0),
            right: node(1),
        };
        // The last interval that does not begin above the state. Written out: a loop in the loop over cells would keep that from
        // being vectorised.
        macro_rules! later {
            ($($k:literal)*) => {$(
                let here = R::lit($k as f64);
                let (now, next) = (node($k), node($k + 1));
                piece = Piece {
                    intervals,
                    begin: R::select_lt(at, here, piece.begin, here),
                    left: [0, 1].map(|i| R::select_lt(at, here, piece.left[i], now[i])),
                    right: [0, 1].map(|i| R::select_lt(at, here, piece.right[i], next[i])),
                };
            )*};
        }
        later!(1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
        piece
    }
}

/// One interval between nodes.
struct Piece<R> {
    /// Intervals of the direction.
    intervals: R,
    /// Number of its lower node.
    begin: R,
    /// Step and slope at its lower node.
    left: [R; 2],
    /// Step and slope at its upper node.
    right: [R; 2],
}

/// How many nodes the state is above the lower bound.
#[inline(always)]
fn place<R: Real>(p: &[R], s: R, intervals: R) -> R {
    (s - p[LOWER]) / (p[UPPER] - p[LOWER]) * intervals
}

impl<R: Real> Piece<R> {
    /// The signed step; `p` holds the common parameters and the law's first three.
    #[inline(always)]
    fn step(&self, p: &[R], s: R, pulse: &Pulse<R>) -> R {
        let (zero, one) = (R::lit(0.0), R::lit(1.0));
        let t = place(p, s, self.intervals) - self.begin;
        let t = R::select_lt(t, zero, zero, R::select_lt(t, one, t, one));
        let rise = self.right[0] - self.left[0];
        let bend = |slope: R| R::select_lt(p[OWN + CUBIC], R::lit(0.5), zero, slope - rise);
        let rest = one - t;
        let bent = rest * bend(self.left[1]) - t * bend(self.right[1]);
        let size = (t * rest).mul_add(bent, t.mul_add(rise, self.left[0]));
        pulse.choose(p[STEP], -p[STEP]) * size
    }
}

impl Law for Piecewise {
    const NAME: &'static str = "piecewise";
    const PARAMETERS: &'static [Parameter] = &parameters();

    #[inline(always)]
    fn step<R: Real>(p: &[R], s: R, pulse: &Pulse<R>) -> R {
        Self::piece(p, s, pulse).step(p, s, pulse)
    }

    /// The interval is chosen first: only what is in it is differentiated.
    #[inline(always)]
    fn jet<R: Real>(p: &[R], s: R, pulse: &Pulse<R>) -> Jet<R> {
        let piece = Self::piece(p, s, pulse);
        let constants: [Jet<R>; OWN + CUBIC + 1] = std::array::from_fn(|k| Jet::constant(p[k]));
        let polarity = Jet::constant(pulse.polarity);
        let piece = Piece {
            intervals: Jet::constant(piece.intervals),
            begin: Jet::constant(piece.begin),
            left: piece.left.map(Jet::constant),
            right: piece.right.map(Jet::constant),
        };
        let pulse = Pulse {
            polarity,
            parts: pulse.parts,
        };
        piece.step(&constants, variable(s), &pulse)
    }

    fn kinks(p: &[f64]) -> Vec<f64> {
        let places = |intervals: f64| {
            let count = intervals as usize;
            (0..=count).map(move |k| p[LOWER] + (p[UPPER] - p[LOWER]) * k as f64 / intervals)
        };
        places(p[OWN]).chain(places(p[OWN + 1])).collect()
    }
}

/// Slopes at nodes one apart such that the cubic between them is monotone wherever they are.
///
/// Fritsch & Carlson's method: the mean of both sides (of three points at the ends), 0 at extremes and beside level pieces, and both
/// slopes of a piece shortened into the circle of radius 3 about 0 in units of its rise.
pub(super) fn monotone_slopes(nodes: &[f64]) -> Vec<f64> {
    let rises: Vec<f64> = nodes.windows(2).map(|w| w[1] - w[0]).collect();
    let (Some(&first), Some(&last)) = (rises.first(), rises.last()) else {
        return vec![0.0; nodes.len()];
    };
    // A parabola through three points at the ends; two points make a straight line.
    let end = |near: f64, next: Option<&f64>| next.map_or(near, |next| 1.5 * near - 0.5 * next);
    let mut slopes = vec![end(first, rises.get(1))];
    slopes.extend(rises.windows(2).map(|w| 0.5 * (w[0] + w[1])));
    slopes.push(end(last, rises.iter().rev().nth(1)));
    for (k, slope) in slopes.iter_mut().enumerate() {
        let beside = [k.checked_sub(1).and_then(|k| rises.get(k)), rises.get(k)];
        if beside
            .into_iter()
            .flatten()
            .any(|rise| *slope * rise <= 0.0)
        {
            *slope = 0.0;
        }
    }
    for (k, rise) in rises.iter().enumerate() {
        let length = slopes[k].hypot(slopes[k + 1]);
        if length > 3.0 * rise.abs() {
            let factor = 3.0 * rise.abs() / length;
            slopes[k] *= factor;
            slopes[k + 1] *= factor;
        }
    }
    slopes
}
