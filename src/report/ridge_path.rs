//! The explicit ridge path, and on it the weights that the device learned.

use plotters::style::RGBColor;

use super::canvas::{COLOURS, Canvas, GREY, INK, Pen, Type, draw};
use super::format::{finite, significant};
use super::panel::{HEIGHT, Panel, Sign, WIDTH, column, header};
use super::scale::Scale;
use super::{Figure, representative, title_at};
use crate::study::summary::{Point, Summary, Weight};

/// Names in the column at the right.
const NAMED: usize = 14;
const COLUMN: f64 = 132.0;

/// One line a weight over λ, with the measured and predicted weights at the E3 λ.
pub(super) fn figure(summary: &Summary) -> Result<Option<Figure>, String> {
    let Some(point) = representative(summary, |p| path(p).len() > 1 && !p.weights.is_empty())
    else {
        return Ok(None);
    };
    let path = path(point);
    let lambda = strength(point);
    let pens = pens(&point.weights);
    let values = path.iter().flat_map(|(_, weights)| weights.iter().copied());
    let learned = point
        .weights
        .iter()
        .flat_map(|w| [w.measured, w.p1, w.free]);
    let lambdas = path.iter().map(|(lambda, _)| *lambda).chain(lambda);
    let (Some(x), Some(y)) = (
        Scale::log(lambdas, 8),
        Scale::linear(values.chain(learned), 7),
    ) else {
        return Ok(None);
    };
    let title = title_at("Learned weights on the ridge path", point, summary);
    let mut legend = vec![(
        Sign::Line(Pen::new(GREY, 1.4)),
        "explicit ridge".to_string(),
    )];
    if lambda.is_some() {
        legend.push((Sign::Measured(INK), "measured, 95 %".into()));
        legend.push((Sign::Cross(Pen::new(INK, 1.5)), "predicted, P1".into()));
    }
    legend.push((
        Sign::Ring(Pen::new(GREY, 1.5)),
        "free: least squares".into(),
    ));
    let svg = draw((WIDTH as u32, HEIGHT as u32), |canvas| {
        let top = header(canvas, &title, &legend);
        let mut panel = Panel::below(top, x, y);
        panel.right = WIDTH - COLUMN - 14.0;
        panel.axes(canvas, "explicit L2 strength λ", "weight");
        zero(canvas, &panel);
        for (j, pen) in pens.iter().enumerate() {
            let line: Vec<_> = path
                .iter()
                .filter_map(|(lambda, weights)| Some((*lambda, *weights.get(j)?)))
                .collect();
            panel.curve(canvas, &line, *pen);
        }
        for (weight, pen) in point.weights.iter().zip(&pens).filter(|(_, p)| named(p)) {
            if let Some(y) = panel.up(weight.free) {
                canvas.ring((panel.left, y), 3.5, Pen::new(pen.colour, 1.6));
            }
        }
        if let Some(lambda) = lambda {
            learned_weights(canvas, &panel, lambda, &point.weights, &pens);
        }
        let names = names(&point.weights, &pens);
        let room = (COLUMN, panel.bottom - panel.top);
        column(canvas, (panel.right + 14.0, panel.top + 8.0), room, &names);
    })?;
    let caption = "Lines: the weights of explicit ridge regression over its strength λ, centred like the device. \
        Points: the weights that the device learned, drawn at the λ of the nearest ridge solution (E3); crosses: their prediction (P1). \
        Where all points lie on their lines, what the device does is an L2 penalty. Rings at the left: least squares, without any bias.";
    Ok(Some(Figure {
        name: "ridge-path".into(),
        title,
        caption: caption.into(),
        svg,
    }))
}

/// The path's part with positive λ, ascending; at most 300 times weaker and 100 times stronger than the device.
fn path(point: &Point) -> Vec<(f64, &[f64])> {
    let (low, high) = match strength(point) {
        Some(lambda) => (lambda / 300.0, lambda * 100.0),
        None => (0.0, f64::INFINITY),
    };
    let mut path: Vec<_> = point
        .ridge_path
        .iter()
        .filter(|r| r.lambda > 0.0 && r.lambda.is_finite())
        .filter(|r| (low..=high).contains(&r.lambda))
        .map(|r| (r.lambda, r.weights.as_slice()))
        .collect();
    path.sort_by(|a, b| a.0.total_cmp(&b.0));
    path
}

fn strength(point: &Point) -> Option<f64> {
    finite(point.lambda_e3.value).filter(|l| *l > 0.0 && *l < 1e100)
}

/// A colour for each of the largest weights, solid and then dashed; grey for the rest.
fn pens(weights: &[Weight]) -> Vec<Pen> {
    let mut pens = vec![Pen::new(GREY, 0.9).faint(0.6); weights.len()];
    for (rank, j) in largest(weights).into_iter().enumerate() {
        let pen = Pen::new(COLOURS[rank % COLOURS.len()], 1.5);
        pens[j] = if rank < COLOURS.len() {
            pen
        } else {
            pen.dashed()
        };
    }
    pens
}

/// Whether a pen belongs to a weight with a name in the legend.
fn named(pen: &Pen) -> bool {
    pen.opacity == 1.0
}

fn size(weight: &Weight) -> f64 {
    let size = weight.free.abs().max(weight.measured.abs());
    if size.is_finite() { size } else { 0.0 }
}

fn largest(weights: &[Weight]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..weights.len()).collect();
    order.sort_by(|&a, &b| size(&weights[b]).total_cmp(&size(&weights[a])));
    order.truncate(NAMED);
    order
}

/// Names in the order in which the lines start at the left.
fn names(weights: &[Weight], pens: &[Pen]) -> Vec<(Sign, String)> {
    let mut order = largest(weights);
    order.sort_by(|&a, &b| weights[b].free.total_cmp(&weights[a].free));
    let mut names: Vec<_> = order
        .iter()
        .map(|&j| (Sign::Line(pens[j]), weights[j].name.clone()))
        .collect();
    if weights.len() > NAMED {
        let rest = format!("{} others", weights.len() - NAMED);
        names.push((Sign::Line(Pen::new(GREY, 0.9)), rest));
    }
    names
}

fn zero(canvas: &mut Canvas<'_>, panel: &Panel) {
    if let Some(y) = panel.up(0.0) {
        let pen = Pen::new(GREY, 1.0).faint(0.7);
        canvas.line(&[(panel.left, y), (panel.right, y)], pen);
    }
}

fn learned_weights(
    canvas: &mut Canvas<'_>,
    panel: &Panel,
    lambda: f64,
    weights: &[Weight],
    pens: &[Pen],
) {
    let Some(x) = panel.across(lambda) else {
        return;
    };
    let pen = Pen::new(INK, 1.0).dashed().faint(0.6);
    canvas.line(&[(x, panel.top), (x, panel.bottom)], pen);
    let text = format!("E3: λ = {}", significant(Some(lambda), 3));
    let at = (x + 6.0, panel.bottom - 10.0);
    canvas.text(&text, at, Type::new(12.0));
    for (weight, _) in weights.iter().zip(pens).filter(|(_, p)| !named(p)) {
        if let Some(at) = panel.at(lambda, weight.measured) {
            canvas.disc(at, 1.8, GREY);
        }
    }
    let named = || weights.iter().zip(pens).filter(|(_, p)| named(p));
    for (weight, pen) in named() {
        let reach = 1.96 * weight.standard_error;
        let interval = (
            finite(Some(weight.measured - reach)),
            finite(Some(weight.measured + reach)),
        );
        let colour: RGBColor = pen.colour;
        panel.measured(canvas, (lambda, weight.measured), interval, (0.0, colour));
    }
    for (weight, _) in named() {
        if let Some(at) = panel.at(lambda, weight.p1) {
            canvas.cross(at, 4.5, Pen::new(INK, 1.1));
        }
    }
}
