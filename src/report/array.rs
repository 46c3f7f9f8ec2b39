//! An array that is read through its wires: the voltage that reaches its cells, and what its outputs miss.

use plotters::style::RGBColor;

use super::Figure;
use super::canvas::{Canvas, GREY, INK, Pen, Type, VERMILION, draw};
use super::format::short;
use super::panel::{LEFT, Panel, Sign, WIDTH, header};
use super::scale::Scale;
use crate::crossbar::IrDrop;

/// Height of the figure.
const HEIGHT: f64 = 560.0;
/// Room of the map of the cells.
const MAP: (f64, f64) = (500.0, 290.0);
/// Largest side of a cell.
const CELL: f64 = 44.0;
/// Most cells of a side that are drawn one by one; of larger arrays means of blocks.
const MOST: usize = 128;
/// Most columns whose bars have numbers of their own.
const NUMBERED: usize = 12;

/// Colours of shares from the least to all of the voltage: light is dropped least.
const SHADES: [[f64; 3]; 4] = [
    [8.0, 29.0, 88.0],
    [34.0, 94.0, 168.0],
    [86.0, 180.0, 233.0],
    [240.0, 246.0, 252.0],
];

fn shade(place: f64) -> RGBColor {
    let place = 3.0 * place.clamp(0.0, 1.0);
    let from = (place as usize).min(2);
    let share = place - from as f64;
    let mixed = |k: usize| SHADES[from][k] * (1.0 - share) + SHADES[from + 1][k] * share;
    RGBColor(mixed(0) as u8, mixed(1) as u8, mixed(2) as u8)
}

/// Draws the share of the voltage that reaches every cell of `drop` as a map, and the errors of its outputs as bars; `study` is the name of
/// the study that the array is of.
pub fn array_figure(drop: &IrDrop, study: &str) -> Figure {
    let title = format!("Voltage at the cells, {study}");
    let svg = picture(drop, &title).unwrap_or_default();
    let ((row, column), largest) = drop.largest();
    let caption = format!(
        "Share of the applied voltage that reaches each cell, all inputs alike, and error of each output current against ideal wires. The \
         largest drop, {} %, is that of the cell at word line {row}, bit line {column}; the mean drop is {} %.",
        short(Some(100.0 * largest)),
        short(Some(100.0 * drop.mean())),
    );
    Figure {
        name: "array".into(),
        title,
        caption,
        svg,
    }
}

fn picture(drop: &IrDrop, title: &str) -> Result<String, String> {
    let least = 1.0 - drop.largest().1;
    let percent: Vec<f64> = drop.errors().iter().map(|e| 100.0 * e).collect();
    let errors = Scale::linear(percent.iter().copied().chain([0.0]), 5);
    draw((WIDTH as u32, HEIGHT as u32), |canvas| {
        let legend = [(
            Sign::Bar(VERMILION),
            "error of an output current".to_owned(),
        )];
        let top = header(canvas, title, &legend) + 12.0;
        let width = MAP.0.min(CELL * drop.columns as f64).max(120.0);
        let height = MAP.1.min(CELL * drop.rows as f64);
        let map = (LEFT, top, LEFT + width, top + height);
        cells(canvas, drop, map, least);
        key(canvas, (map.2 + 34.0, top), height.max(90.0), least);
        if let Some(y) = errors {
            bars(canvas, &percent, (map.0, map.2, map.3 + 26.0), y);
        }
    })
}

/// The map, with the numbers of the outer lines.
fn cells(
    canvas: &mut Canvas<'_>,
    drop: &IrDrop,
    (left, top, right, bottom): (f64, f64, f64, f64),
    least: f64,
) {
    let blocks = |count: usize| count.div_ceil(count.div_ceil(MOST));
    let (rows, columns) = (blocks(drop.rows), blocks(drop.columns));
    let range = |k: usize, of: usize, count: usize| k * count / of..(k + 1) * count / of;
    let x = |c: usize| left + (right - left) * c as f64 / columns as f64;
    let y = |r: usize| top + (bottom - top) * r as f64 / rows as f64;
    for r in 0..rows {
        for c in 0..columns {
            let (mut sum, mut count) = (0.0, 0.0);
            for i in range(r, rows, drop.rows) {
                for j in range(c, columns, drop.columns) {
                    sum += drop.voltages[i * drop.columns + j];
                    count += 1.0;
                }
            }
            let place = (sum / count - least) / (1.0 - least).max(1e-12);
            canvas.rectangle((x(c), y(r)), (x(c + 1), y(r + 1)), shade(place));
        }
    }
    let rim = [
        (left, top),
        (right, top),
        (right, bottom),
        (left, bottom),
        (left, top),
    ];
    canvas.line(&rim, Pen::new(INK, 1.0));
    let style = Type::new(12.0).right();
    let half = 0.5 * (bottom - top) / drop.rows as f64;
    canvas.text("0", (left - 7.0, top + half.max(6.0)), style);
    if drop.rows > 1 {
        let last = (drop.rows - 1).to_string();
        canvas.text(&last, (left - 7.0, bottom - half.max(6.0)), style);
    }
    let middle = (left - 54.0, 0.5 * (top + bottom).max(top + 60.0));
    canvas.text("word line", middle, Type::new(13.0).upward());
}

/// What the shades mean.
fn key(canvas: &mut Canvas<'_>, (left, top): (f64, f64), height: f64, least: f64) {
    const STEPS: usize = 60;
    let at = |k: usize| top + height * k as f64 / STEPS as f64;
    for k in 0..STEPS {
        let place = 1.0 - (k as f64 + 0.5) / STEPS as f64;
        canvas.rectangle((left, at(k)), (left + 14.0, at(k + 1)), shade(place));
    }
    let scale = Scale::between(100.0 * least, 100.0, 5);
    for (value, label) in &scale.ticks {
        if let Some(v) = scale.at(*value) {
            let y = top + height * (1.0 - v);
            canvas.line(&[(left + 14.0, y), (left + 18.0, y)], Pen::new(INK, 1.0));
            canvas.text(label, (left + 22.0, y), Type::new(12.0));
        }
    }
    let middle = (left + 70.0, top + 0.5 * height);
    canvas.text("% of the voltage", middle, Type::new(13.0).upward());
}

/// Errors of the outputs, below their columns.
fn bars(canvas: &mut Canvas<'_>, percent: &[f64], (left, right, top): (f64, f64, f64), y: Scale) {
    let columns = percent.len();
    let x = match columns <= NUMBERED {
        true => Scale::labels((0..columns).map(|c| c.to_string()).collect()),
        false => Scale::between(-0.5, columns as f64 - 0.5, 8),
    };
    let panel = Panel {
        left,
        right,
        top,
        bottom: HEIGHT - 64.0,
        x,
        y,
    };
    panel.axes(canvas, "bit line", "error (%)");
    let Some(zero) = panel.up(0.0) else { return };
    let half = 0.36 * (right - left) / columns as f64;
    for (c, error) in percent.iter().enumerate() {
        if let Some((x, y)) = panel.at(c as f64, *error) {
            canvas.rectangle((x - half, zero), (x + half, y), VERMILION);
        }
    }
    canvas.line(&[(left, zero), (right, zero)], Pen::new(GREY, 1.2));
}
