//! Learned weights against their prediction, for all weights of all points.

use super::Figure;
use super::canvas::{GREY, Pen, Type, colour, draw};
use super::format::{clip, finite};
use super::panel::{HEIGHT, LEFT, Panel, RIGHT, Sign, WIDTH, header};
use super::scale::Scale;
use crate::study::summary::{Point, Summary};

/// Measured over predicted weights, and their difference magnified.
pub(super) fn figure(summary: &Summary) -> Result<Option<Figure>, String> {
    let weights = || summary.points.iter().flat_map(|p| &p.weights);
    let pairs: Vec<(f64, f64)> = weights()
        .map(|w| (w.p1, w.measured))
        .filter(|(p, m)| p.is_finite() && m.is_finite())
        .collect();
    let all = || pairs.iter().flat_map(|&(p, m)| [p, m]);
    // Error bars of hundreds of weights would hide each other.
    let crowded = pairs.len() > 150;
    let differences = weights()
        .filter(|w| (w.measured - w.p1).is_finite())
        .flat_map(|w| {
            let reach = finite(Some(1.96 * w.standard_error))
                .filter(|_| !crowded)
                .unwrap_or(0.0);
            [w.measured - w.p1 - reach, w.measured - w.p1 + reach]
        });
    let (Some(square), Some(across), Some(difference)) = (
        Scale::linear(all(), 6),
        Scale::linear(pairs.iter().map(|(p, _)| *p), 6),
        Scale::linear(differences.chain([0.0]), 7),
    ) else {
        return Ok(None);
    };
    let title = "Weights, measured against predicted (P1)";
    let points: Vec<&Point> = summary.points.iter().collect();
    let legend = point_legend(&points, Sign::Disc);
    let svg = draw((WIDTH as u32, HEIGHT as u32), |canvas| {
        let top = header(canvas, title, &legend) + 18.0;
        let width = 0.5 * (WIDTH - RIGHT - 2.0 * LEFT - 16.0);
        let mut left = Panel::below(top, square.clone(), square);
        left.right = left.left + width;
        let mut right = Panel::below(top, across, difference);
        right.left = left.right + LEFT + 16.0;
        let heading = Type::new(12.5).centred();
        for (panel, text) in [
            (&left, "all weights"),
            (
                &right,
                if crowded {
                    "difference"
                } else {
                    "difference, 95 %"
                },
            ),
        ] {
            let at = (0.5 * (panel.left + panel.right), top - 12.0);
            canvas.text(text, at, heading);
        }
        left.axes(canvas, "predicted weight", "measured weight");
        right.axes(canvas, "predicted weight", "measured − predicted");
        let guide = Pen::new(GREY, 1.2);
        canvas.line(&[(left.left, left.bottom), (left.right, left.top)], guide);
        if let Some(y) = right.up(0.0) {
            canvas.line(&[(right.left, y), (right.right, y)], guide);
        }
        for (i, point) in summary.points.iter().enumerate() {
            let colour = colour(i, summary.points.len());
            for weight in &point.weights {
                if let Some(at) = left.at(weight.p1, weight.measured) {
                    canvas.disc(at, if crowded { 2.0 } else { 3.2 }, colour);
                }
                let value = weight.measured - weight.p1;
                let reach = 1.96 * weight.standard_error;
                let interval = (finite(Some(value - reach)), finite(Some(value + reach)));
                if crowded {
                    if let Some(at) = right.at(weight.p1, value) {
                        canvas.disc(at, 2.0, colour);
                    }
                    continue;
                }
                right.measured(canvas, (weight.p1, value), interval, (0.0, colour));
            }
        }
    })?;
    let intervals = if crowded {
        ""
    } else {
        ", with 95 % intervals of the mean over replicas"
    };
    let caption = format!(
        "Left: every weight of every point against its prediction by the Gaussian closure (P1); on the diagonal the two agree. \
        Right: their difference on its own scale{intervals}."
    );
    Ok(Some(Figure {
        name: "weights".into(),
        title: title.into(),
        caption,
        svg,
    }))
}

/// Points and their colours; of very many only the ends of the ramp.
pub(super) fn point_legend(
    points: &[&Point],
    sign: fn(plotters::style::RGBColor) -> Sign,
) -> Vec<(Sign, String)> {
    let n = points.len();
    let shown = |i: usize| n <= 12 || i == 0 || i == n / 2 || i + 1 == n;
    points
        .iter()
        .enumerate()
        .filter(|(i, _)| shown(*i))
        .map(|(i, point)| {
            let name = clip(&point.label, 30);
            let name = if n > 12 && i > 0 {
                format!("… {name}")
            } else {
                name
            };
            (sign(colour(i, n)), name)
        })
        .collect()
}
