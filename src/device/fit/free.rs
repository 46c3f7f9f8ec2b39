//! Which parameters of a law data can tell apart, and where a fit starts.

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;

use super::super::cells::Window;
use super::super::law::{AnyLaw, COMMON, Kind, LOWER, OWN, Parameter, STEP, UPPER};
use super::super::uncertainty::DIFFERENCE;
use super::solve::Axis;

/// A law whose parameters are fitted to data in a window.
#[derive(Clone, Copy)]
pub(super) struct Frame<'a> {
    pub law: &'a dyn AnyLaw,
    pub window: Window,
    /// Mean size of a change in the data, as a part of the window.
    pub step: f64,
}

/// A change of the law that is none, to rounding, in mean steps.
const NOTHING: f64 = 1e-7;

/// Starting points of a fit.
const STARTS: usize = 16;

impl Frame<'_> {
    pub fn parameters(&self) -> Vec<&'static Parameter> {
        COMMON.iter().chain(self.law.parameters()).collect()
    }

    /// The range of a parameter; the conductance at the lower bound is not negative.
    pub fn axis(&self, k: usize, value: f64) -> Axis {
        let parameter = self.parameters()[k];
        let floor = -self.window.g_min / self.window.span();
        Axis {
            least: match k {
                STEP => 1e-3 * self.step,
                LOWER => parameter.least.max(floor),
                _ => parameter.least,
            },
            most: parameter.most,
            scale: match parameter.kind {
                Kind::Change => value.abs(),
                Kind::Position => 1.0,
                // Other kinds than ratios are not fitted: see `fittable`.
                _ => value.abs().max(1.0),
            },
        }
    }

    /// Whether bounds and positions are in order: beyond that, steps have no meaning.
    pub fn ordered(&self, p: &[f64]) -> bool {
        let own = self.law.parameters().iter().zip(&p[OWN..]);
        let mut inside = own.filter(|(parameter, _)| parameter.kind == Kind::Position);
        p[LOWER] < p[UPPER] && inside.all(|(_, &v)| p[LOWER] < v && v < p[UPPER])
    }

    /// The parameters, apart from `fixed` ones, in the order in which they are freed.
    ///
    /// To find the law of all cells, ratios come first: a shape may need either sign of its amplitudes, and a step that multiplies them would
    /// have one. To describe cells that are alike in shape, the step comes first: it is what differs.
    pub fn order(&self, shape_first: bool, fixed: &[usize]) -> Vec<usize> {
        let parameters = self.parameters();
        let of = |kind| {
            (OWN..parameters.len()).filter(move |&k| {
                COMMON
                    .iter()
                    .chain(self.law.parameters())
                    .nth(k)
                    .is_some_and(|p| p.kind == kind)
            })
        };
        let mut order: Vec<usize> = of(Kind::Ratio).collect();
        if shape_first {
            order.reverse();
            order.push(STEP);
        } else {
            order.insert(0, STEP);
        }
        order.extend(of(Kind::Change).chain(of(Kind::Position)));
        order.extend([UPPER, LOWER]);
        order.retain(|k| !fixed.contains(k));
        order
    }

    /// Those of `order`, one by one, that change the law in a way that those before them do not.
    pub fn independent(&self, p: &[f64], order: &[usize]) -> Vec<usize> {
        let mut basis: Vec<Vec<f64>> = Vec::new();
        let mut free = Vec::new();
        for &k in order {
            let mut slope = self.slope(p, k, &[1.0, -1.0]);
            let size = norm(&slope) * self.axis(k, p[k]).scale;
            if !size.is_finite() || size <= NOTHING * self.step {
                continue;
            }
            normalise(&mut slope);
            for b in basis.iter().chain(&basis) {
                let dot: f64 = b.iter().zip(&slope).map(|(a, b)| a * b).sum();
                slope.iter_mut().zip(b).for_each(|(s, b)| *s -= dot * b);
            }
            // Central differences are good to 1e-10; what is new in a direction is far more.
            if norm(&slope) > 1e-6 {
                normalise(&mut slope);
                basis.push(slope);
                free.push(k);
            }
        }
        free.sort_unstable();
        free
    }

    /// Those of `free` that change the steps of this sign.
    pub fn acting(&self, p: &[f64], free: &[usize], sign: f64) -> Vec<usize> {
        let slope = |k: usize| self.slope(p, k, &[sign]);
        let matters =
            |k: &usize| norm(&slope(*k)) * self.axis(*k, p[*k]).scale > NOTHING * self.step;
        free.iter().copied().filter(matters).collect()
    }

    /// The derivative of the steps of these signs in one parameter, at states over the whole window.
    fn slope(&self, p: &[f64], k: usize, signs: &[f64]) -> Vec<f64> {
        const PLACES: usize = 32;
        let h = DIFFERENCE * self.axis(k, p[k]).scale;
        let at = |h: f64, s: f64, sign: f64| {
            let mut q = p.to_vec();
            q[k] += h;
            self.law.step(&q, s, sign)
        };
        let states = (0..=PLACES).map(|k| k as f64 / PLACES as f64);
        let slope = |(s, sign): (f64, f64)| (at(h, s, sign) - at(-h, s, sign)) / (2.0 * h);
        states
            .flat_map(|s| signs.iter().map(move |&sign| (s, sign)))
            .map(slope)
            .collect()
    }

    /// The longest part of the cell's window in which no step has the wrong sign, for laws that know no bounds.
    pub fn signed(&self, p: &[f64]) -> Option<(f64, f64)> {
        const PLACES: usize = 256;
        let place = |k: usize| p[LOWER] + (p[UPPER] - p[LOWER]) * k as f64 / PLACES as f64;
        let good = |s: f64| self.law.step(p, s, 1.0) >= 0.0 && self.law.step(p, s, -1.0) <= 0.0;
        let mut longest: Option<(usize, usize)> = None;
        let mut first = None;
        for k in 0..=PLACES {
            first = good(place(k)).then(|| first.unwrap_or(k));
            let wider = |a: usize| longest.is_none_or(|(from, to)| k - a > to - from);
            if let Some(a) = first.filter(|a| wider(*a)) {
                longest = Some((a, k));
            }
        }
        // From a place where signs are right towards one where they are not.
        let end = |mut inside: f64, mut outside: f64| {
            for _ in 0..50 {
                let middle = 0.5 * (inside + outside);
                if good(middle) {
                    inside = middle;
                } else {
                    outside = middle;
                }
            }
            inside
        };
        let (a, b) = longest?;
        Some((
            if a > 0 {
                end(place(a), place(a - 1))
            } else {
                place(a)
            },
            if b < PLACES {
                end(place(b), place(b + 1))
            } else {
                place(b)
            },
        ))
    }

    /// Parameters to start from; `fixed` ones have their values.
    pub fn starts(&self, fixed: &[(usize, f64)]) -> Vec<Vec<f64>> {
        let mut rng = Pcg64::seed_from_u64(0x5eed);
        let parameters = self.parameters();
        let start = |n: usize, rng: &mut Pcg64| {
            let mut p: Vec<f64> = parameters
                .iter()
                .enumerate()
                .map(|(k, parameter)| {
                    let u: f64 = rng.random();
                    match (k, parameter.kind) {
                        (STEP, _) => self.step,
                        // A little beyond the data: no step vanishes among them.
                        (LOWER, _) => self.axis(k, 0.0).least.max(-0.02 - 0.2 * u),
                        (UPPER, _) => 1.02 + 0.2 * u,
                        (_, Kind::Change) => self.step * (0.5 + u),
                        (_, Kind::Position) => 0.25 + 0.5 * u,
                        _ => {
                            let (low, high) = (parameter.least.max(-3.0), parameter.most.min(4.0));
                            if n == 0 {
                                0.5 * (low + high)
                            } else {
                                low + u * (high - low)
                            }
                        }
                    }
                })
                .collect();
            for &(k, v) in fixed {
                p[k] = v;
            }
            p
        };
        (0..STARTS).map(|n| start(n, &mut rng)).collect()
    }

    /// What a parameter is held at that the data do not show: the ends of the window, its middle, a ratio of 0.
    pub fn neutral(&self, k: usize) -> f64 {
        let parameter = self.parameters()[k];
        match (k, parameter.kind) {
            (STEP, _) | (_, Kind::Change) => self.step,
            (LOWER, _) => 0.0,
            (UPPER, _) => 1.0,
            (_, Kind::Position) => 0.5,
            _ => 0.0_f64.clamp(parameter.least, parameter.most),
        }
    }
}

fn norm(v: &[f64]) -> f64 {
    v.iter().map(|x| x * x).sum::<f64>().sqrt()
}

fn normalise(v: &mut [f64]) {
    let size = norm(v);
    v.iter_mut().for_each(|x| *x /= size);
}

#[cfg(test)]
mod tests {
    use super::super::super::file::laws;
    use super::*;

    /// Two straight lines have four numbers, two exponentials with offsets six, two powers six.
    #[test]
    fn as_many_parameters_are_free_as_the_law_has_shapes() {
        let expected = [
            ("constant-step", 2),
            ("linear-step", 4),
            ("soft-bounds", 4),
            ("exp-step", 6),
            ("power-step", 6),
        ];
        for (name, count) in expected {
            let law = laws().into_iter().find(|l| l.name() == name).unwrap();
            let frame = Frame {
                law: &*law,
                window: Window {
                    g_min: 1e-6,
                    g_max: 2e-6,
                },
                step: 0.01,
            };
            for shape_first in [true, false] {
                for p in &frame.starts(&[])[1..] {
                    let free = frame.independent(p, &frame.order(shape_first, &[]));
                    assert_eq!(free.len(), count, "{name} {shape_first} {free:?} at {p:?}");
                }
            }
        }
    }
}
