//! The strength λ of the implicit L2, predicted and measured.

use plotters::style::RGBColor;

use super::Figure;
use super::abscissa::Abscissa;
use super::canvas::{BLUE, GREEN, GREY, INK, ORANGE, Pen, VERMILION, draw};
use super::format::finite;
use super::panel::{HEIGHT, LEFT, Panel, RIGHT, Sign, WIDTH, header};
use super::scale::Scale;
use crate::study::summary::{Estimate, Point, Summary};

/// Height of the lower panel.
const LOWER: f64 = 170.0;

/// A predicted series: its name, places and values, and how it is drawn.
type Line = (&'static str, Vec<(f64, f64)>, Pen);

type Pick = fn(&Point) -> &Estimate;

const ESTIMATORS: [(&str, RGBColor, Pick); 4] = [
    ("E1 update regression", BLUE, |p| &p.lambda_e1),
    ("E2 gradient matching", VERMILION, |p| &p.lambda_e2),
    ("E3 nearest ridge", GREEN, |p| &p.lambda_e3),
    ("E4 eigenmodes", ORANGE, |p| &p.lambda_e4),
];

/// λ over the sweep: P1 and P0 as lines, E1 to E4 as points.
pub(super) fn figure(summary: &Summary) -> Result<Option<Figure>, String> {
    let points = &summary.points;
    let abscissa = Abscissa::of(points);
    let p1 = abscissa.series(points, |p| p.lambda_predicted);
    let p0 = abscissa.series(points, |p| p.lambda_predicted_p0);
    let measured: Vec<_> = ESTIMATORS
        .iter()
        .filter(|(_, _, pick)| points.iter().any(|p| finite(pick(p).value).is_some()))
        .copied()
        .collect();
    let lines = vec![
        ("predicted, P1", p1, Pen::new(INK, 1.8)),
        ("predicted, P0", p0, Pen::new(GREY, 1.4).dashed()),
    ];
    let title = "Strength of the implicit L2, predicted and measured";
    let caption = "Lines: the strength E|g|·R' that the device law and the data predict, without a simulated pulse. \
        Points: four estimates from the simulation with 95 % intervals over replicas, set side by side. \
        They are different functionals of the same weights and need not coincide, so below each is divided by its own value at the predicted weights: \
        one means that the prediction holds.";
    sweep(
        "strength", title, caption, points, &abscissa, &lines, &measured,
    )
}

/// For the closed cycle-to-cycle law: λ by the law and measured, over the noise.
pub(super) fn law_figure(summary: &Summary) -> Result<Option<Figure>, String> {
    let points = &summary.points;
    if !points.iter().any(|p| finite(p.lambda_law.value).is_some()) {
        return Ok(None);
    }
    let abscissa = Abscissa::of_noise(points);
    let law = abscissa.series(points, |p| p.lambda_law.value);
    let lines = vec![("closed cycle-to-cycle law", law, Pen::new(INK, 1.8))];
    let title = "Implicit L2 over the noise: closed law and measurement";
    let caption = "Line: λ by the closed law for Gaussian inputs, mean over the replicas' own problems. \
        Points: λ measured by gradient matching (E2), with 95 % intervals over replicas; \
        below, divided by its own value at the predicted weights.";
    sweep(
        "cycle-to-cycle-law",
        title,
        caption,
        points,
        &abscissa,
        &lines,
        &ESTIMATORS[1..2],
    )
}

fn sweep(
    name: &str,
    title: &str,
    caption: &str,
    points: &[Point],
    abscissa: &Abscissa,
    lines: &[Line],
    measured: &[(&str, RGBColor, Pick)],
) -> Result<Option<Figure>, String> {
    let values = lines
        .iter()
        .flat_map(|(_, line, _)| line.iter().map(|(_, y)| *y));
    let estimates = measured
        .iter()
        .flat_map(|(_, _, pick)| points.iter().map(pick))
        .filter(|e| finite(e.value).is_some())
        .flat_map(|e| [e.value, e.low, e.high])
        .flatten();
    let values: Vec<f64> = values.chain(estimates).filter(|v| v.is_finite()).collect();
    let Some(y) = Scale::fitting(&values, 7) else {
        return Ok(None);
    };
    let mut legend = Vec::new();
    for (name, _, pen) in lines.iter().filter(|(_, line, _)| !line.is_empty()) {
        legend.push((Sign::Line(*pen), (*name).to_string()));
    }
    for (name, colour, _) in measured {
        legend.push((Sign::Measured(*colour), (*name).to_string()));
    }
    let ratios = ratio_scale(points, measured);
    let height = if ratios.is_some() {
        HEIGHT + LOWER
    } else {
        HEIGHT
    };
    let svg = draw((WIDTH as u32, height as u32), |canvas| {
        let top = header(canvas, title, &legend);
        let panel = Panel::below(top, abscissa.scale.clone(), y);
        let apart = (abscissa.pitch(WIDTH - LEFT - RIGHT) / 5.5).min(10.0);
        let offset = |k: usize| apart * (k as f64 - 0.5 * (measured.len() as f64 - 1.0));
        let below = ratios.map(|ratios| Panel {
            top: panel.bottom + 18.0,
            bottom: panel.bottom + LOWER,
            y: ratios,
            ..panel.clone()
        });
        let x_name = if below.is_some() { "" } else { abscissa.name };
        panel.axes(canvas, x_name, "strength λ");
        for (_, line, pen) in lines {
            if line.len() > 1 && !abscissa.scale.named {
                panel.curve(canvas, line, *pen);
                continue;
            }
            // Labels have no order that a line could follow: a level at each of them.
            for (x, y) in line.iter().filter_map(|&(x, y)| panel.at(x, y)) {
                let reach = 2.2 * apart;
                canvas.line(&[(x - reach, y), (x + reach, y)], *pen);
            }
        }
        for (k, (_, colour, pick)) in measured.iter().enumerate() {
            for &i in &abscissa.order {
                let estimate = pick(&points[i]);
                let Some(value) = finite(estimate.value) else {
                    continue;
                };
                let interval = (finite(estimate.low), finite(estimate.high));
                let at = (abscissa.positions[i], value);
                panel.measured(canvas, at, interval, (offset(k), *colour));
            }
        }
        if let Some(panel) = below {
            panel.axes(canvas, abscissa.name, "over its prediction");
            if let Some(y) = panel.up(1.0) {
                canvas.line(&[(panel.left, y), (panel.right, y)], Pen::new(INK, 1.4));
            }
            for (k, (_, colour, pick)) in measured.iter().enumerate() {
                for &i in &abscissa.order {
                    let Some((low, value, high)) = ratio(pick(&points[i])) else {
                        continue;
                    };
                    let at = (abscissa.positions[i], value);
                    panel.measured(canvas, at, (low, high), (offset(k), *colour));
                }
            }
        }
    })?;
    Ok(Some(Figure {
        name: name.into(),
        title: title.into(),
        caption: caption.into(),
        svg,
    }))
}

/// Low, measured and high over the estimator's own prediction, where that is clearly not zero.
fn ratio(estimate: &Estimate) -> Option<(Option<f64>, f64, Option<f64>)> {
    let value = finite(estimate.value)?;
    let (low, high) = (finite(estimate.low), finite(estimate.high));
    let width = high.unwrap_or(value) - low.unwrap_or(value);
    let predicted = finite(estimate.predicted).filter(|p| p.abs() > width && p.abs() > 1e-12)?;
    let over = |v: f64| v / predicted;
    Some((low.map(over), over(value), high.map(over)))
}

fn ratio_scale(points: &[Point], measured: &[(&str, RGBColor, Pick)]) -> Option<Scale> {
    let ratios: Vec<f64> = measured
        .iter()
        .flat_map(|(_, _, pick)| points.iter().map(pick))
        .filter_map(ratio)
        .flat_map(|(low, value, high)| [low.unwrap_or(value), value, high.unwrap_or(value)])
        .map(|v| v.clamp(-1.0, 3.0))
        .collect();
    if ratios.is_empty() {
        return None;
    }
    Scale::linear(ratios.into_iter().chain([1.0]), 5)
}
