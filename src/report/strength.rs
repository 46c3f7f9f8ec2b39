//! The strength λ of the implicit L2, predicted and measured.

use plotters::style::RGBColor;

use super::Figure;
use super::abscissa::Abscissa;
use super::canvas::{BLUE, GREEN, INK, ORANGE, Pen, VERMILION, draw};
use super::format::finite;
use super::panel::{HEIGHT, LEFT, Panel, RIGHT, Sign, WIDTH, header};
use super::scale::Scale;
use crate::study::summary::{Estimate, Point, Summary};

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
        ("predicted, P0", p0, Pen::new(INK, 1.2).dashed()),
    ];
    let title = "Strength of the implicit L2, predicted and measured";
    let caption = "Lines: the strength E|g|·R' that the device law and the data predict, without a simulated pulse. \
        Points: four estimates from the simulation with 95 % intervals over replicas, set side by side. \
        They are different functionals of the same weights and need not coincide: the results table sets each beside its own prediction.";
    sweep("strength", title, caption, points, &abscissa, &lines, &measured)
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
    let title = "Implicit L2 raised by noise: closed law and measurement";
    let caption = "Line: λ by the closed law for Gaussian inputs, mean over the replicas' own problems. \
        Points: λ measured by gradient matching (E2), with 95 % intervals over replicas.";
    sweep("cycle-to-cycle-law", title, caption, points, &abscissa, &lines, &ESTIMATORS[1..2])
}

fn sweep(
    name: &str,
    title: &str,
    caption: &str,
    points: &[Point],
    abscissa: &Abscissa,
    lines: &[(&str, Vec<(f64, f64)>, Pen)],
    measured: &[(&str, RGBColor, Pick)],
) -> Result<Option<Figure>, String> {
    let values = lines.iter().flat_map(|(_, line, _)| line.iter().map(|(_, y)| *y));
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
    for (name, line, pen) in lines.iter().filter(|(_, line, _)| !line.is_empty()) {
        let sign = if line.len() > 1 { Sign::Line(*pen) } else { Sign::Cross(*pen) };
        legend.push((sign, (*name).to_string()));
    }
    for (name, colour, _) in measured {
        legend.push((Sign::Measured(*colour), (*name).to_string()));
    }
    let svg = draw((WIDTH as u32, HEIGHT as u32), |canvas| {
        let top = header(canvas, title, &legend);
        let panel = Panel::below(top, abscissa.scale.clone(), y);
        panel.axes(canvas, abscissa.name, "strength λ");
        for (_, line, pen) in lines {
            panel.curve(canvas, line, *pen);
            // A single point has no line, and labels no order: mark the points.
            if line.len() == 1 || abscissa.scale.named {
                for at in line.iter().filter_map(|&(x, y)| panel.at(x, y)) {
                    canvas.cross(at, 4.5, *pen);
                }
            }
        }
        let apart = (abscissa.pitch(WIDTH - LEFT - RIGHT) / 5.5).min(10.0);
        for (k, (_, colour, pick)) in measured.iter().enumerate() {
            let offset = apart * (k as f64 - 0.5 * (measured.len() as f64 - 1.0));
            for &i in &abscissa.order {
                let estimate = pick(&points[i]);
                let Some(value) = finite(estimate.value) else {
                    continue;
                };
                let interval = (finite(estimate.low), finite(estimate.high));
                let at = (abscissa.positions[i], value);
                panel.measured(canvas, at, interval, (offset, *colour));
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
