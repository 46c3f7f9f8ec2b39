//! What was written into arrays: achieved against target conductance.

use super::Figure;
use super::canvas::{GREY, Pen, colour, draw};
use super::format::{MISSING, clip, percent, significant};
use super::html::{grid, measured, name, number};
use super::panel::{HEIGHT, Panel, Sign, WIDTH, header};
use super::scale::Scale;
use crate::study::summary::{Estimate, Point, Programmed, Summary};

/// Height of the lower panel.
const LOWER: f64 = 200.0;

/// Points that are drawn.
const MOST: usize = 6;

pub(super) const MICRO: f64 = 1e6;

/// Points whose writing was looked at.
pub(super) fn written(points: &[Point]) -> Vec<(&Point, &Programmed)> {
    let found = points.iter().map(|p| Some((p, p.programmed.as_ref()?)));
    found.flatten().collect()
}

/// The same estimate in another unit.
pub(super) fn scaled(estimate: &Estimate, factor: f64) -> Estimate {
    let times = |v: Option<f64>| v.map(|v| factor * v);
    Estimate {
        value: times(estimate.value),
        low: times(estimate.low),
        high: times(estimate.high),
        predicted: times(estimate.predicted),
        missing: estimate.missing,
    }
}

/// The table of the page.
pub(super) fn section(summary: &Summary) -> String {
    let all = written(&summary.points);
    if all.is_empty() {
        return String::new();
    }
    let headers = [
        "point",
        "device",
        "mean error (µS)",
        "rms error (µS)",
        "tolerance (µS)",
        "inside it",
        "seen inside it",
        "pulses a cell",
        "95 % had at most",
        "resets a cell",
        "verify reads a cell",
        "energy (J)",
    ];
    let rows: Vec<_> = all
        .iter()
        .map(|(point, p)| {
            vec![
                number(point.label.clone()),
                name(&point.device),
                measured(&scaled(&p.mean_error, MICRO)),
                measured(&scaled(&p.rms_error, MICRO)),
                number(significant(p.tolerance.map(|t| MICRO * t), 3)),
                measured(&p.inside),
                measured(&p.accepted),
                measured(&p.pulses),
                number(p.most_pulses.map_or(MISSING.into(), |n| n.to_string())),
                number(significant(p.resets, 3)),
                number(significant(p.verify_reads, 3)),
                number(significant(p.energy.value, 3)),
            ]
        })
        .collect();
    format!(
        "<h2>Writing</h2>\n<p>Achieved minus target conductance of all cells, and what a cell took: cells that are not seen inside the tolerance were given up.</p>\n{}",
        grid(&headers, &rows)
    )
}

/// Achieved against target conductance above, shares of cells within an error below.
pub(super) fn figure(summary: &Summary) -> Result<Option<Figure>, String> {
    let mut all = written(&summary.points);
    all.truncate(MOST);
    let cells = || all.iter().flat_map(|(_, p)| &p.cells).flatten();
    let conductances: Vec<f64> = cells().map(|g| MICRO * g).collect();
    let steps = || all.iter().flat_map(|(_, p)| &p.shares);
    let errors: Vec<f64> = steps().map(|[e, _]| MICRO * e).collect();
    let (Some(x), Some(y)) = (
        Scale::linear(conductances.iter().copied(), 8),
        Scale::linear(conductances.iter().copied(), 7),
    ) else {
        return Ok(None);
    };
    let lower = Scale::log(errors, 8);
    let legend: Vec<(Sign, String)> = all
        .iter()
        .enumerate()
        .map(|(k, (point, p))| {
            let inside = match p.inside.value {
                Some(share) => format!(", {} % inside", percent(Some(share))),
                None => String::new(),
            };
            let name = format!("{}{inside}", clip(&point.label, 44));
            (Sign::Disc(colour(k, all.len())), name)
        })
        .collect();
    let title = "Conductances as written, against their targets";
    let height = HEIGHT + lower.as_ref().map_or(0.0, |_| LOWER + 44.0);
    let svg = draw((WIDTH as u32, height as u32), |canvas| {
        let top = header(canvas, title, &legend);
        let panel = Panel::below(top, x.clone(), y);
        panel.axes(
            canvas,
            "target conductance (µS)",
            "achieved conductance (µS)",
        );
        let ends = (
            conductances.iter().copied().fold(f64::INFINITY, f64::min),
            conductances
                .iter()
                .copied()
                .fold(f64::NEG_INFINITY, f64::max),
        );
        let diagonal = [(ends.0, ends.0), (ends.1, ends.1)];
        panel.curve(canvas, &diagonal, Pen::new(GREY, 1.2).dashed());
        for (k, (_, p)) in all.iter().enumerate() {
            for [target, achieved] in &p.cells {
                if let Some(place) = panel.at(MICRO * target, MICRO * achieved) {
                    canvas.disc(place, 1.8, colour(k, all.len()));
                }
            }
        }
        let Some(x) = lower else { return };
        let panel = Panel {
            top: panel.bottom + 60.0,
            bottom: panel.bottom + LOWER + 44.0,
            x,
            y: Scale::between(0.0, 1.0, 5),
            ..panel
        };
        panel.axes(canvas, "error (µS)", "share of cells within");
        for (k, (_, p)) in all.iter().enumerate() {
            let line: Vec<(f64, f64)> = p.shares.iter().map(|[e, s]| (MICRO * e, *s)).collect();
            panel.curve(canvas, &line, Pen::new(colour(k, all.len()), 1.6));
            if let Some(t) = p.tolerance {
                let pen = Pen::new(colour(k, all.len()), 1.0).dashed();
                panel.curve(canvas, &[(MICRO * t, 0.0), (MICRO * t, 1.0)], pen);
            }
        }
    })?;
    Ok(Some(Figure {
        name: "written".into(),
        title: title.into(),
        caption: "Above: up to 400 cells of the first replica. Below: shares of all cells whose conductance misses its target by no more; dashed, the tolerance of write–verify."
            .into(),
        svg,
    }))
}
