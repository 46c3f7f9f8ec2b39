//! Shrinkage of each eigenmode of the inputs' second moments.

use super::Figure;
use super::canvas::{COLOURS, GREY, INK, Pen, Type, colour, draw};
use super::format::finite;
use super::panel::{HEIGHT, Panel, Sign, WIDTH, header};
use super::scale::Scale;
use super::weights::point_legend;
use crate::study::summary::{Mode, Point, Summary};

/// Shrinkage beyond these limits is noise of modes that the target hardly uses.
const LIMITS: (f64, f64) = (-0.25, 1.5);

/// c/c_LS over the eigenvalue: measured, predicted and by the ridge formula.
pub(super) fn figure(summary: &Summary) -> Result<Option<Figure>, String> {
    let with_modes: Vec<&Point> = summary
        .points
        .iter()
        .filter(|p| !p.modes.is_empty())
        .collect();
    let points = spread(&with_modes, COLOURS.len());
    let left_out = with_modes.len() - points.len();
    let modes = || points.iter().flat_map(|p| &p.modes);
    let values: Vec<f64> = modes()
        .flat_map(|m| [m.shrinkage, m.predicted, m.ridge])
        .flatten()
        .filter(|v| v.is_finite())
        .collect();
    let measured = modes().filter_map(|m| finite(m.shrinkage));
    let beyond = measured.filter(|v| *v < LIMITS.0 || *v > LIMITS.1).count();
    let shown = values.iter().copied().chain([0.0, 1.0]);
    let eigenvalues = modes()
        .filter(|m| finite(m.shrinkage).or(finite(m.predicted)).is_some())
        .map(|m| m.eigenvalue);
    let (Some(x), Some(y), false) = (
        Scale::log(eigenvalues, 8),
        Scale::linear(shown.map(|v| v.clamp(LIMITS.0, LIMITS.1)), 7),
        values.is_empty(),
    ) else {
        return Ok(None);
    };
    let title = "Shrinkage of each eigenmode";
    let mut legend = point_legend(&points, Sign::Measured);
    legend.push((Sign::Line(Pen::new(INK, 1.5)), "predicted, P1".into()));
    legend.push((
        Sign::Line(Pen::new(INK, 1.2).dashed()),
        "ridge, d/(d + λ)".into(),
    ));
    let svg = draw((WIDTH as u32, HEIGHT as u32), |canvas| {
        let top = header(canvas, title, &legend);
        let panel = Panel::below(top, x, y);
        panel.axes(canvas, "eigenvalue d of E[x xᵀ]", "shrinkage c/c_LS");
        for value in [0.0, 1.0] {
            if let Some(y) = panel.up(value) {
                let pen = Pen::new(GREY, 1.0).faint(0.8);
                canvas.line(&[(panel.left, y), (panel.right, y)], pen);
            }
        }
        if let Some(y) = panel.up(1.0) {
            let at = (panel.left + 6.0, y + 9.0);
            canvas.text("no shrinkage", at, Type::new(11.0).coloured(GREY));
        }
        for (i, point) in points.iter().enumerate() {
            let colour = colour(i, points.len());
            let line = |value: fn(&Mode) -> Option<f64>| {
                let mut line: Vec<_> = point
                    .modes
                    .iter()
                    .filter_map(|m| Some((m.eigenvalue, finite(value(m))?)))
                    .collect();
                line.sort_by(|a, b| a.0.total_cmp(&b.0));
                line
            };
            let pen = Pen::new(colour, 1.5).faint(0.8);
            panel.curve(canvas, &line(|m| m.predicted), pen);
            let pen = Pen::new(colour, 1.1).dashed();
            panel.curve(canvas, &line(|m| m.ridge), pen);
        }
        for (i, point) in points.iter().enumerate() {
            for mode in &point.modes {
                let Some(value) = finite(mode.shrinkage) else {
                    continue;
                };
                let reach = mode.standard_error.map(|e| 1.96 * e);
                let interval = (
                    finite(reach.map(|r| value - r)),
                    finite(reach.map(|r| value + r)),
                );
                let colour = colour(i, points.len());
                panel.measured(canvas, (mode.eigenvalue, value), interval, (0.0, colour));
            }
        }
    })?;
    let mut caption = String::from(
        "Points: how much of each least-squares coefficient is left after training on the device, measured from the symmetric point, with 95 % intervals. \
        Solid: predicted (P1). Dashed: what a ridge penalty of the measured strength (E3) would leave. An L2 penalty shrinks the modes of small eigenvalues most.",
    );
    if left_out > 0 {
        caption.push_str(&format!(
            " {left_out} points of the sweep are left out for legibility."
        ));
    }
    if beyond > 0 {
        caption.push_str(&format!(
            " {beyond} measured values outside {}…{} are not shown: the target hardly uses those modes.",
            LIMITS.0, LIMITS.1
        ));
    }
    Ok(Some(Figure {
        name: "shrinkage".into(),
        title: title.into(),
        caption,
        svg,
    }))
}

/// At most `most` of the points, evenly spread, the first and the last among them.
fn spread<'a>(points: &[&'a Point], most: usize) -> Vec<&'a Point> {
    let n = points.len();
    if n <= most {
        return points.to_vec();
    }
    let chosen = (0..most).map(|k| (k * (n - 1)) / (most - 1));
    chosen.filter_map(|i| points.get(i).copied()).collect()
}
