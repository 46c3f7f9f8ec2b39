//! The pulse response of a device.

use serde::Serialize;

use super::Figure;
use super::canvas::{BLUE, GREEN, GREY, Pen, Type, VERMILION, draw};
use super::format::{finite, short};
use super::panel::{HEIGHT, Panel, Sign, WIDTH, header};
use super::scale::Scale;

/// How a device answers to pulses that potentiate it and then pulses that depress it.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct DeviceCurve {
    /// Name of the device.
    pub name: String,
    /// What else its title says, such as the source of the data.
    pub subtitle: String,
    /// Pulse number and mean conductance in siemens while it is potentiated.
    pub potentiation: Vec<(f64, f64)>,
    /// The same while it is depressed; the pulses may go on counting or start again.
    pub depression: Vec<(f64, f64)>,
    /// Low and high conductance in siemens at the potentiation's and then the depression's points.
    pub band: Option<Vec<(f64, f64)>>,
    /// Single noisy runs: pulse number (counted through) and conductance in siemens.
    pub traces: Vec<Vec<(f64, f64)>>,
    /// Whether the device is reset and not depressed.
    pub one_sided: bool,
    /// Conductance of the symmetric point in siemens, if it has one.
    pub symmetric_point: Option<f64>,
}

const MICRO: f64 = 1e6;

/// Draws the pulse response of a device, conductance in microsiemens.
pub fn device_figure(device: &DeviceCurve) -> Figure {
    let title = format!("Pulse response of {}", device.name);
    let svg = picture(device, &title).unwrap_or_else(|_| empty());
    let mut caption = String::from(if device.one_sided {
        "Mean conductance while equal pulses potentiate the device and after a reset."
    } else {
        "Mean conductance while equal pulses potentiate and then depress the device."
    });
    if device.band.is_some() {
        caption.push_str(" Band: 5 % to 95 % of devices.");
    }
    if !device.traces.is_empty() {
        caption.push_str(" Thin line: a single run with cycle-to-cycle noise.");
    }
    if let Some(g) = finite(device.symmetric_point) {
        caption.push_str(&format!(
            " Symmetric point, where both steps are equal and toward which training pulls: {} µS.",
            short(Some(MICRO * g))
        ));
    }
    if !device.subtitle.is_empty() {
        caption.push_str(&format!(" {}", device.subtitle));
    }
    Figure {
        name: "device".into(),
        title,
        caption,
        svg,
    }
}

fn empty() -> String {
    "<svg width=\"720\" height=\"440\" viewBox=\"0 0 720 440\" xmlns=\"http://www.w3.org/2000/svg\"></svg>".into()
}

fn picture(device: &DeviceCurve, title: &str) -> Result<String, String> {
    let micro = |data: &[(f64, f64)], shift: f64| -> Vec<(f64, f64)> {
        let place = |&(n, g): &(f64, f64)| (n + shift, MICRO * g);
        data.iter().map(place).collect()
    };
    let up = micro(&device.potentiation, 0.0);
    let turn = up.last().map_or(0.0, |(n, _)| *n);
    let restarts = device.depression.first().is_some_and(|(n, _)| *n < turn);
    let down = micro(&device.depression, if restarts { turn } else { 0.0 });
    let traces: Vec<_> = device.traces.iter().map(|t| micro(t, 0.0)).collect();
    let band: Vec<(f64, f64, f64)> = match &device.band {
        Some(band) => up
            .iter()
            .chain(&down)
            .zip(band)
            .map(|((n, _), (low, high))| (*n, MICRO * low, MICRO * high))
            .filter(|(n, low, high)| (n + low + high).is_finite())
            .collect(),
        None => Vec::new(),
    };
    let symmetric = finite(device.symmetric_point).map(|g| MICRO * g);
    let lines = || up.iter().chain(&down).chain(traces.iter().flatten());
    let conductances = lines()
        .map(|(_, g)| *g)
        .chain(band.iter().flat_map(|(_, low, high)| [*low, *high]))
        .chain(symmetric);
    let (Some(x), Some(y)) = (
        Scale::from_zero(lines().map(|(n, _)| *n), 8),
        Scale::linear(conductances, 7),
    ) else {
        return draw((WIDTH as u32, HEIGHT as u32), |canvas| {
            header(canvas, title, &[]);
            let style = Type::new(13.0).coloured(GREY);
            canvas.text("no pulse response to show", (16.0, 52.0), style);
        });
    };
    let mut legend = vec![
        (
            Sign::Line(Pen::new(VERMILION, 2.4)),
            "potentiation".to_string(),
        ),
        (
            Sign::Line(Pen::new(BLUE, 2.4)),
            if device.one_sided {
                "reset".into()
            } else {
                "depression".into()
            },
        ),
    ];
    if !band.is_empty() {
        legend.push((Sign::Band(GREY), "devices".into()));
    }
    if !traces.is_empty() {
        legend.push((Sign::Line(Pen::new(GREY, 0.8)), "single run".into()));
    }
    if symmetric.is_some() {
        legend.push((
            Sign::Line(Pen::new(GREEN, 1.4).dashed()),
            "symmetric point".into(),
        ));
    }
    draw((WIDTH as u32, HEIGHT as u32), |canvas| {
        let top = header(canvas, title, &legend);
        let panel = Panel::below(top, x, y);
        panel.axes(canvas, "pulse", "conductance (µS)");
        let low = band.iter().map(|(n, low, _)| (*n, *low));
        let high = band.iter().rev().map(|(n, _, high)| (*n, *high));
        let rim: Vec<_> = low
            .chain(high)
            .filter_map(|(n, g)| panel.at(n, g))
            .collect();
        if rim.len() > 2 {
            canvas.polygon(&rim, GREY, 0.22);
        }
        for trace in &traces {
            panel.curve(canvas, trace, Pen::new(GREY, 0.8).faint(0.7));
        }
        if let Some(g) = symmetric.and_then(|g| panel.up(g)) {
            let pen = Pen::new(GREEN, 1.4).dashed();
            canvas.line(&[(panel.left, g), (panel.right, g)], pen);
        }
        for (line, colour) in [(&up, VERMILION), (&down, BLUE)] {
            panel.curve(canvas, line, Pen::new(colour, 2.4));
            if line.len() < 40 {
                for at in line.iter().filter_map(|&(n, g)| panel.at(n, g)) {
                    canvas.disc(at, 3.0, colour);
                }
            }
        }
    })
}
