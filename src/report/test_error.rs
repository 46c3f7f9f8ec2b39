//! Test errors without regularization, with that of the device, and with the best explicit one.

use super::Figure;
use super::abscissa::Abscissa;
use super::canvas::{BLUE, GREEN, GREY, INK, ORANGE, Pen, draw};
use super::panel::{HEIGHT, LEFT, Panel, RIGHT, Sign, WIDTH, header};
use super::scale::Scale;
use crate::study::summary::{Summary, TestError};

type Pick = fn(&TestError) -> f64;

/// Test errors over the sweep.
pub(super) fn figure(summary: &Summary) -> Result<Option<Figure>, String> {
    let points = &summary.points;
    let abscissa = Abscissa::of(points);
    let grey = Pen::new(GREY, 1.4).dashed();
    let series: [(&str, Pick, Sign, Pen); 5] = [
        ("none: least squares", |t| t.none, Sign::Line(grey), grey),
        (
            "explicit, GCV",
            |t| t.explicit_gcv,
            Sign::DiscOnLine(ORANGE, Pen::new(ORANGE, 1.4)),
            Pen::new(ORANGE, 1.4),
        ),
        (
            "explicit, best λ",
            |t| t.explicit_best,
            Sign::DiscOnLine(GREEN, Pen::new(GREEN, 1.4)),
            Pen::new(GREEN, 1.4),
        ),
        (
            "implicit, simulated",
            |t| t.implicit,
            Sign::DiscOnLine(BLUE, Pen::new(BLUE, 1.8)),
            Pen::new(BLUE, 1.8),
        ),
        (
            "implicit, predicted (P1)",
            |t| t.implicit_predicted,
            Sign::Cross(Pen::new(INK, 1.5)),
            Pen::new(INK, 1.5),
        ),
    ];
    let lines: Vec<_> = series
        .iter()
        .map(|(name, pick, sign, pen)| {
            let line = abscissa.series(points, |p| p.test_error.as_ref().map(pick));
            (*name, line, *sign, *pen)
        })
        .filter(|(_, line, _, _)| !line.is_empty())
        .collect();
    let values = lines
        .iter()
        .flat_map(|(_, line, _, _)| line.iter().map(|(_, y)| *y));
    let Some(y) = Scale::linear(values, 7) else {
        return Ok(None);
    };
    let title = "Test error: none, implicit and explicit L2";
    let legend: Vec<_> = lines
        .iter()
        .map(|(name, _, sign, _)| (*sign, (*name).to_string()))
        .collect();
    let svg = draw((WIDTH as u32, HEIGHT as u32), |canvas| {
        let top = header(canvas, title, &legend);
        let panel = Panel::below(top, abscissa.scale.clone(), y);
        panel.axes(canvas, abscissa.name, "mean squared error, held out");
        let single = points.len() < 2;
        let pitch = abscissa.pitch(WIDTH - LEFT - RIGHT);
        for (k, (_, line, sign, pen)) in lines.iter().enumerate() {
            // Side by side where there is no line to follow.
            let offset = if single {
                0.3 * pitch * (k as f64 - 2.0)
            } else {
                0.0
            };
            if !matches!(sign, Sign::Cross(_)) {
                panel.curve(canvas, line, *pen);
            }
            for (x, y) in line.iter().filter_map(|&(x, y)| panel.at(x, y)) {
                let at = (x + offset, y);
                match sign {
                    Sign::Cross(pen) => canvas.cross(at, 5.5, *pen),
                    Sign::DiscOnLine(colour, _) => canvas.disc(at, 4.0, *colour),
                    _ if single => canvas.disc(at, 4.0, GREY),
                    _ => {}
                }
            }
        }
    })?;
    let caption = "Mean squared error on held-out data, averaged over folds: least squares, the trained device, ridge regression with λ chosen by generalized cross-validation, \
        and ridge regression with the λ that is best in hindsight.";
    Ok(Some(Figure {
        name: "test-error".into(),
        title: title.into(),
        caption: caption.into(),
        svg,
    }))
}
