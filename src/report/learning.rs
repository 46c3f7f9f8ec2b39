//! The learning curve beside the predicted and the bias-free trajectory.

use super::canvas::{BLUE, GREY, Pen, VERMILION, draw};
use super::panel::{HEIGHT, Panel, Sign, WIDTH, header};
use super::scale::Scale;
use super::{Figure, representative, title_at};
use crate::study::summary::{CurvePoint, Summary};

/// Losses are shown over at most this range.
const RANGE: f64 = 1e6;

type Pick = fn(&CurvePoint) -> f64;

/// Loss above its minimum over training time, logarithmic.
pub(super) fn figure(summary: &Summary) -> Result<Option<Figure>, String> {
    let Some(point) = representative(summary, |p| p.learning_curve.len() > 1) else {
        return Ok(None);
    };
    let curve = &point.learning_curve;
    let series: [(&str, Pick, Pen); 4] = [
        (
            "loss, mean over replicas",
            |c| c.replicas,
            Pen::new(GREY, 1.2),
        ),
        (
            "without bias",
            |c| c.free,
            Pen::new(VERMILION, 1.6).dashed(),
        ),
        (
            "loss of the mean weights",
            |c| c.measured,
            Pen::new(BLUE, 2.6).faint(0.75),
        ),
        (
            "the same predicted, P-t",
            |c| c.predicted,
            Pen::new(plotters::style::BLACK, 1.3).dashed(),
        ),
    ];
    let positive = |v: &f64| *v > 0.0 && v.is_finite();
    let values = series
        .iter()
        .flat_map(|(_, pick, _)| curve.iter().map(pick));
    let values: Vec<f64> = values.filter(positive).collect();
    let floor = values.iter().copied().fold(0.0, f64::max) / RANGE;
    let (Some(x), Some(y)) = (
        Scale::from_zero(curve.iter().map(|c| c.time), 8),
        Scale::log(values.iter().map(|v| v.max(floor)), 7),
    ) else {
        return Ok(None);
    };
    let title = title_at("Learning curve", point, summary);
    let lines: Vec<_> = series
        .iter()
        .map(|(name, pick, pen)| {
            let line: Vec<_> = curve.iter().map(|c| (c.time, pick(c))).collect();
            (*name, line, *pen)
        })
        .filter(|(_, line, _)| line.iter().any(|(_, v)| positive(v)))
        .collect();
    let legend: Vec<_> = lines
        .iter()
        .map(|(name, _, pen)| (Sign::Line(*pen), (*name).to_string()))
        .collect();
    let svg = draw((WIDTH as u32, HEIGHT as u32), |canvas| {
        let top = header(canvas, &title, &legend);
        let panel = Panel::below(top, x, y);
        panel.axes(canvas, "training time Σ η", "loss above its minimum");
        for (_, line, pen) in &lines {
            panel.curve(canvas, line, *pen);
        }
    })?;
    let caption = "Loss above its minimum over training time. The loss of the mean weights levels off where the pull of the device and the gradient balance; \
        its predicted trajectory (P-t) uses no simulated pulse. Without bias the loss would go on falling. The mean over replicas also holds the fluctuations of the weights.";
    Ok(Some(Figure {
        name: "learning-curve".into(),
        title,
        caption: caption.into(),
        svg,
    }))
}
