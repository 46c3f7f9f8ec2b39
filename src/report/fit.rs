//! Measured pulses against the law that was fitted to them.

use plotters::style::RGBColor;

use super::Figure;
use super::canvas::{BLUE, Canvas, GREY, INK, Pen, VERMILION, draw};
use super::panel::{HEIGHT, LEFT, Panel, RIGHT, Sign, WIDTH, header};
use super::scale::Scale;
use crate::device::fit::{CellPulses, Fit, Pulses, Run};
use crate::device::quantile;

/// Most single changes that are drawn of either polarity.
const DOTS: usize = 800;
/// Parts of the window whose changes are averaged.
const BINS: usize = 16;
/// Fewest changes that make a mean with an interval.
const FEW: usize = 5;

/// Draws one train with the law's mean response to its pulses, and the change of every pulse against the conductance it starts at.
///
/// The change is counted from the state that the fit finds before the pulse, not from the reading there: that would be a regression on a noisy
/// abscissa, and its means would fall more steeply than the law.
///
/// # Errors
/// Why nothing was drawn.
pub fn fit_figure(fit: &Fit, pulses: &Pulses) -> Result<Figure, String> {
    let title = format!("{} fitted to {} pulses", fit.name, fit.pulses);
    let svg = picture(fit, pulses, &title)?;
    Ok(Figure {
        name: "fit".into(),
        title,
        caption: "Left: one measured train (dots) and the fitted cell's mean response to the same pulses (line). Right: the change that every \
            pulse makes, from the state that the fit finds before it to the reading after it, its mean in parts of the window with 95 % intervals, \
            and the nominal cell's mean change."
            .into(),
        svg,
    })
}

/// Factor and name of the unit in which `g` siemens are a number between 1 and 1000.
fn unit(g: f64) -> (f64, &'static str) {
    const UNITS: [(f64, &str); 5] = [
        (1.0, "S"),
        (1e3, "mS"),
        (1e6, "µS"),
        (1e9, "nS"),
        (1e12, "pS"),
    ];
    let fits = UNITS.into_iter().find(|(factor, _)| g * factor >= 1.0);
    fits.unwrap_or(UNITS[4])
}

/// Towards white.
fn pale(colour: RGBColor) -> RGBColor {
    let mix = |c: u8| (255.0 - 0.35 * (255.0 - f64::from(c))) as u8;
    RGBColor(mix(colour.0), mix(colour.1), mix(colour.2))
}

/// The changes by pulses of one sign: conductance before, change.
fn changes(fit: &Fit, pulses: &Pulses, sign: f64) -> Vec<(f64, f64)> {
    let runs = pulses.cells.iter().flat_map(|c| &c.runs);
    runs.zip(fit.states.iter().flatten())
        .flat_map(|(run, states)| {
            let after = run.conductances.iter().zip(&run.polarities).skip(1);
            states
                .iter()
                .zip(after)
                .filter(move |(_, (_, p))| **p == sign)
                .map(|(before, (after, _))| (*before, after - before))
        })
        .collect()
}

/// Means of changes with their 95 % intervals.
fn means(changes: &[(f64, f64)], from: f64, to: f64) -> Vec<(f64, f64, f64)> {
    let mut bins: Vec<Vec<(f64, f64)>> = vec![Vec::new(); BINS];
    for &(g, d) in changes {
        let k = ((g - from) / (to - from) * BINS as f64).floor();
        if (0.0..BINS as f64).contains(&k) {
            bins[k as usize].push((g, d));
        }
    }
    bins.iter()
        .filter(|b| b.len() >= FEW)
        .map(|b| {
            let n = b.len() as f64;
            let mean = |f: fn(&(f64, f64)) -> f64| b.iter().map(f).sum::<f64>() / n;
            let (g, d) = (mean(|x| x.0), mean(|x| x.1));
            let variance = b.iter().map(|x| (x.1 - d).powi(2)).sum::<f64>() / (n - 1.0);
            (
                g,
                d,
                quantile(Some(b.len() as u32 - 1)) * (variance / n).sqrt(),
            )
        })
        .collect()
}

/// The longest train of the first cell.
fn shown<'a>(fit: &'a Fit, pulses: &'a Pulses) -> Option<(&'a CellPulses, &'a Run, &'a [f64])> {
    let cell = pulses.cells.first()?;
    let longest = cell.runs.iter().max_by_key(|r| r.conductances.len())?;
    // Of equally long ones the first.
    let run = cell
        .runs
        .iter()
        .find(|r| r.conductances.len() == longest.conductances.len())?;
    Some((cell, run, fit.cell_parameters.first()?))
}

/// The mean response of a cell to the pulses of a train, in siemens.
fn response(fit: &Fit, p: &[f64], run: &Run) -> Vec<f64> {
    let span = fit.window.span();
    let mut g = run.conductances.first().copied().unwrap_or_default();
    let mut out = vec![g];
    for &sign in run.polarities.iter().skip(1) {
        let s = (g - fit.window.g_min) / span;
        g += span * fit.law.step(p, s, sign);
        out.push(g);
    }
    out
}

fn picture(fit: &Fit, pulses: &Pulses, title: &str) -> Result<String, String> {
    let Some((cell, run, parameters)) = shown(fit, pulses) else {
        return Err("there is no train".into());
    };
    let (least, greatest) = pulses.extremes();
    let (factor, name) = unit(greatest);
    let number = |i: usize| run.first as f64 + i as f64;
    let scaled = |values: &[f64]| -> Vec<(f64, f64)> {
        let place = |(i, g): (usize, &f64)| (number(i), factor * g);
        values.iter().enumerate().map(place).collect()
    };
    let (data, line) = (
        scaled(&run.conductances),
        scaled(&response(fit, parameters, run)),
    );
    let both = [(1.0, VERMILION), (-1.0, BLUE)];
    let dots = both.map(|(sign, _)| changes(fit, pulses, sign));
    let bars = [0, 1].map(|k| means(&dots[k], least, greatest));
    let steps: Vec<f64> = dots.iter().flatten().map(|d| d.1 * factor).collect();
    // All but a twenty-fifth of the changes fill the picture: a few far ones would flatten it.
    let mut sorted = steps.clone();
    sorted.sort_by(f64::total_cmp);
    let cut = sorted.len() / 50;
    let middle = sorted.get(cut..sorted.len() - cut).unwrap_or(&sorted);
    let scales = (
        Scale::linear(data.iter().map(|d| d.0), 4),
        Scale::linear(data.iter().chain(&line).map(|d| d.1), 7),
        Scale::linear([factor * least, factor * greatest], 4),
        Scale::linear(middle.iter().copied().chain([0.0]), 7),
    );
    let (Some(pulse), Some(conductance), Some(start), Some(change)) = scales else {
        return Err("the data have no scale".into());
    };
    let legend = vec![
        (
            Sign::Disc(GREY),
            format!("measured, cell {}, cycle {}", cell.name, run.cycle),
        ),
        (Sign::Line(Pen::new(INK, 2.0)), "fit".to_owned()),
        (Sign::Measured(VERMILION), "potentiation".to_owned()),
        (Sign::Measured(BLUE), "depression".to_owned()),
    ];
    let law = fit.nominal();
    let curve = |sign: f64| -> Vec<(f64, f64)> {
        let at = |k: i32| {
            let g = least + (greatest - least) * f64::from(k) / 100.0;
            let s = (g - fit.window.g_min) / fit.window.span();
            (
                factor * g,
                factor * fit.window.span() * fit.law.step(&law, s, sign),
            )
        };
        (0..=100).map(at).collect()
    };
    draw((WIDTH as u32, HEIGHT as u32), |canvas| {
        let top = header(canvas, title, &legend);
        let mut left = Panel::below(top, pulse, conductance);
        left.right = 0.5 * WIDTH - RIGHT;
        left.axes(canvas, "pulse", &format!("conductance ({name})"));
        for at in data.iter().filter_map(|&(n, g)| left.at(n, g)) {
            canvas.disc(at, 1.5, GREY);
        }
        left.curve(canvas, &line, Pen::new(INK, 2.0));
        let mut right = Panel::below(top, start, change);
        right.left = 0.5 * WIDTH + LEFT;
        right.axes(
            canvas,
            &format!("conductance ({name})"),
            &format!("change by a pulse ({name})"),
        );
        for ((sign, colour), dots) in both.iter().zip(&dots) {
            let every = dots.len().div_ceil(DOTS).max(1);
            for &(g, d) in dots.iter().step_by(every) {
                if let Some(at) = right.at(factor * g, factor * d) {
                    canvas.disc(at, 1.2, pale(*colour));
                }
            }
            right.curve(canvas, &curve(*sign), Pen::new(INK, 2.0));
        }
        for ((_, colour), bars) in both.iter().zip(&bars) {
            measured(canvas, &right, bars, factor, *colour);
        }
    })
}

fn measured(
    canvas: &mut Canvas<'_>,
    panel: &Panel,
    bars: &[(f64, f64, f64)],
    factor: f64,
    colour: RGBColor,
) {
    for &(g, d, half) in bars {
        let ends = (Some(factor * (d - half)), Some(factor * (d + half)));
        panel.measured(canvas, (factor * g, factor * d), ends, (0.0, colour));
    }
}
