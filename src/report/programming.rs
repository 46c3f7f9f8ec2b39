//! How programmed conductances miss their targets.

use std::fmt::Write;

use serde::Serialize;

use super::Figure;
use super::canvas::{BLUE, GREY, Pen, draw};
use super::panel::{HEIGHT, Panel, Sign, WIDTH, header};
use super::scale::Scale;
use crate::device::Device;

/// Targets of the curve.
const POINTS: u32 = 64;

const MICRO: f64 = 1e6;

/// Statistics of programmed conductances over the window of a device, in siemens.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct ProgrammingCurve {
    /// Name of the device.
    pub name: String,
    /// Target, mean error and standard deviation.
    pub points: Vec<(f64, f64, f64)>,
}

impl ProgrammingCurve {
    /// The curve of a device that has such statistics.
    pub fn of(device: &Device) -> Option<Self> {
        let programming = device.programming()?;
        let window = device.window();
        let points = (0..=POINTS)
            .map(|k| {
                let target = window.g_min + window.span() * f64::from(k) / f64::from(POINTS);
                let [mean, deviation] = programming.moments(target);
                (target, mean - target, deviation)
            })
            .collect();
        Some(Self {
            name: device.name().to_owned(),
            points,
        })
    }

    /// The curve as a table with the columns target, error, deviation, in siemens.
    pub fn csv(&self) -> String {
        let mut text = String::from("target,error,deviation\n");
        for (target, error, deviation) in &self.points {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{target:e},{error:e},{deviation:e}");
        }
        text
    }
}

/// Draws the errors of programmed conductances, in microsiemens.
pub fn programming_figure(curve: &ProgrammingCurve) -> Figure {
    let title = format!("Programming of {}", curve.name);
    let svg = picture(curve, &title).unwrap_or_default();
    Figure {
        name: "programming".into(),
        title,
        caption:
            "Mean error of the conductance that a cell is programmed to, and one standard deviation about it."
                .into(),
        svg,
    }
}

fn picture(curve: &ProgrammingCurve, title: &str) -> Result<String, String> {
    let edge = |sign: f64| {
        let point = move |&(g, e, s): &(f64, f64, f64)| (MICRO * g, MICRO * (e + sign * s));
        curve.points.iter().map(point)
    };
    let mean: Vec<(f64, f64)> = edge(0.0).collect();
    let errors = edge(1.0).chain(edge(-1.0)).map(|(_, e)| e);
    let scales = Scale::linear(mean.iter().map(|(g, _)| *g), 8).zip(Scale::linear(errors, 7));
    let legend = [
        (Sign::Line(Pen::new(BLUE, 2.4)), "mean".to_owned()),
        (Sign::Band(GREY), "standard deviation".to_owned()),
    ];
    draw((WIDTH as u32, HEIGHT as u32), |canvas| {
        let top = header(canvas, title, &legend);
        let Some((x, y)) = scales else { return };
        let panel = Panel::below(top, x, y);
        panel.axes(canvas, "target conductance (µS)", "error (µS)");
        let low: Vec<_> = edge(-1.0).collect();
        let rim: Vec<_> = edge(1.0)
            .chain(low.into_iter().rev())
            .filter_map(|(g, e)| panel.at(g, e))
            .collect();
        canvas.polygon(&rim, GREY, 0.22);
        panel.curve(canvas, &mean, Pen::new(BLUE, 2.4));
    })
}
