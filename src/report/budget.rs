//! The budget of the drift, channel by channel.

use plotters::style::RGBColor;

use super::Figure;
use super::abscissa::Abscissa;
use super::canvas::{BLACK, BLUE, GREEN, INK, ORANGE, PURPLE, Pen, SKY, VERMILION, draw};
use super::panel::{HEIGHT, Panel, Sign, WIDTH, header};
use super::scale::Scale;
use crate::study::summary::{Budget, Summary};

type Pick = fn(&Budget) -> f64;

const CHANNELS: [(&str, RGBColor, Pick); 7] = [
    ("gradient", SKY, |b| b.gradient),
    ("A rectification", BLUE, |b| b.a),
    ("B readout", GREEN, |b| b.b),
    ("C retention", ORANGE, |b| b.c),
    ("D bounds, dead zone", PURPLE, |b| b.d),
    ("sum of these", VERMILION, |b| {
        b.gradient + b.a + b.b + b.c + b.d
    }),
    ("logged drift", BLACK, |b| b.logged),
];

/// Bars for the gradient, the channels A to D, their sum and the logged drift.
pub(super) fn figure(summary: &Summary) -> Result<Option<Figure>, String> {
    let points: Vec<_> = summary
        .points
        .iter()
        .filter(|p| p.budget.is_some())
        .cloned()
        .collect();
    let budgets = points.iter().filter_map(|p| p.budget.as_ref());
    let values: Vec<f64> = budgets
        .flat_map(|b| CHANNELS.map(|(_, _, pick)| pick(b)))
        .filter(|v| v.is_finite())
        .collect();
    let Some(y) = Scale::linear(values.iter().copied().chain([0.0]), 7) else {
        return Ok(None);
    };
    if values.is_empty() {
        return Ok(None);
    }
    let abscissa = Abscissa::labelled(&points);
    let title = "Drift budget, as strength of the pull that each part makes";
    let legend = CHANNELS.map(|(name, colour, _)| (Sign::Bar(colour), name.to_string()));
    let svg = draw((WIDTH as u32, HEIGHT as u32), |canvas| {
        let top = header(canvas, title, &legend);
        let panel = Panel::below(top, abscissa.scale.clone(), y);
        panel.axes(canvas, abscissa.name, "pull, as λ");
        let slot = (panel.right - panel.left) / points.len().max(1) as f64;
        let bar = (0.8 * slot / CHANNELS.len() as f64).min(22.0);
        let Some(base) = panel.up(0.0) else {
            return;
        };
        for (i, point) in points.iter().enumerate() {
            let (Some(budget), Some(x)) = (&point.budget, panel.across(i as f64)) else {
                continue;
            };
            for (k, (_, colour, pick)) in CHANNELS.iter().enumerate() {
                let Some(y) = panel.up(pick(budget)) else {
                    continue;
                };
                let left = x + bar * (k as f64 - 0.5 * CHANNELS.len() as f64);
                // What is zero stays visible as a hairline.
                let y = if (y - base).abs() < 1.0 {
                    base - 1.0
                } else {
                    y
                };
                canvas.rectangle((left + 0.06 * bar, y), (left + 0.94 * bar, base), *colour);
            }
        }
        canvas.line(
            &[(panel.left, base), (panel.right, base)],
            Pen::new(INK, 1.0),
        );
    })?;
    let caption = "The mean drift of the weights, projected on their distance from the symmetric point and divided by the learning rate: positive pulls toward the symmetric point. \
        The gradient and each channel are computed independently; when the budget closes, their sum equals the logged drift, and both vanish once training is stationary.";
    Ok(Some(Figure {
        name: "budget".into(),
        title: title.into(),
        caption: caption.into(),
        svg,
    }))
}
