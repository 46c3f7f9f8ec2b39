//! What a sweep is drawn over: the first device setting that differs at every point, otherwise the points' labels.

use super::scale::Scale;
use crate::study::summary::Point;

/// The horizontal axis of a sweep.
pub(super) struct Abscissa {
    /// Name of the axis.
    pub name: &'static str,
    /// Where each point stands.
    pub positions: Vec<f64>,
    /// The scale.
    pub scale: Scale,
    /// Points from left to right.
    pub order: Vec<usize>,
}

/// Finite and all different.
fn distinct(values: impl Iterator<Item = Option<f64>>) -> Option<Vec<f64>> {
    let values: Vec<f64> = values
        .map(|v| v.filter(|v| v.is_finite()))
        .collect::<Option<_>>()?;
    let mut sorted = values.clone();
    sorted.sort_by(f64::total_cmp);
    let apart = |pair: &[f64]| pair[1] - pair[0] > 1e-9 * pair[1].abs().max(pair[0].abs());
    (values.len() > 1 && sorted.windows(2).all(apart)).then_some(values)
}

impl Abscissa {
    /// Over τ if it differs at every point, otherwise over another setting that does, otherwise over labels.
    pub fn of(points: &[Point]) -> Self {
        Self::noise(points, Self::tau(points))
    }

    /// Over the noise if it differs at every point, otherwise like [`Abscissa::of`].
    pub fn of_noise(points: &[Point]) -> Self {
        let noise = Self::noise(points, None);
        if noise.scale.named {
            Self::of(points)
        } else {
            noise
        }
    }

    fn tau(points: &[Point]) -> Option<Self> {
        let values = distinct(points.iter().map(|p| p.tau))?;
        Self::numeric(
            "device asymmetry τ = 1/R'(symmetric point), in weight units",
            values,
        )
    }

    fn noise(points: &[Point], first: Option<Self>) -> Self {
        let over = |name, value: fn(&Point) -> f64| {
            Self::numeric(name, distinct(points.iter().map(|p| Some(value(p))))?)
        };
        first
            .or_else(|| {
                over("additive cycle-to-cycle noise, in steps", |p| {
                    p.cycle_to_cycle[0]
                })
            })
            .or_else(|| {
                over("multiplicative cycle-to-cycle noise", |p| {
                    p.cycle_to_cycle[1]
                })
            })
            .or_else(|| over("learning rate η", |p| p.learning_rate))
            .or_else(|| over("pulse step δ, in weight units", |p| p.step))
            .unwrap_or_else(|| Self::labelled(points))
    }

    fn numeric(name: &'static str, positions: Vec<f64>) -> Option<Self> {
        let scale = Scale::fitting(&positions, 7)?;
        let mut order: Vec<usize> = (0..positions.len()).collect();
        order.sort_by(|&a, &b| positions[a].total_cmp(&positions[b]));
        Some(Self {
            name,
            positions,
            scale,
            order,
        })
    }

    /// Over the labels of the points.
    pub fn labelled(points: &[Point]) -> Self {
        Self {
            name: "point of the sweep",
            positions: (0..points.len()).map(|i| i as f64).collect(),
            scale: Scale::labels(points.iter().map(|p| p.label.clone()).collect()),
            order: (0..points.len()).collect(),
        }
    }

    /// The least distance of neighbours in a panel of this width, at most 60 pixels.
    pub fn pitch(&self, width: f64) -> f64 {
        let places: Vec<f64> = self
            .order
            .iter()
            .filter_map(|&i| Some(width * self.scale.at(self.positions[i])?))
            .collect();
        places
            .windows(2)
            .map(|pair| pair[1] - pair[0])
            .fold(60.0, f64::min)
    }

    /// A series from left to right without what is missing.
    pub fn series(
        &self,
        points: &[Point],
        value: impl Fn(&Point) -> Option<f64>,
    ) -> Vec<(f64, f64)> {
        self.order
            .iter()
            .filter_map(|&i| {
                let value = value(&points[i]).filter(|v| v.is_finite())?;
                Some((self.positions[i], value))
            })
            .collect()
    }
}
