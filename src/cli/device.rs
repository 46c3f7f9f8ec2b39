//! `memridge device`.

use std::path::Path;
use std::process::ExitCode;

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use memridge::device::{Cells, Device, Faults, Kind, LIBRARY, Window, curvature, load_device};
use memridge::error::{Error, Result};
use memridge::report::{
    DeviceCurve, ProgrammingCurve, TABLE_STYLE, device_figure, programming_figure,
};
use memridge::units::{Joules, Kelvin, Metres, Ohms, Seconds, Siemens, Volts};
use serde_json::{Value, json};

use super::{json as pretty, print, time, uncertainty};

/// What a device does to learning, in a weight that spans [-1, 1] over the nominal window.
pub(super) struct Character {
    /// As a position.
    pub symmetric_point: Option<f64>,
    pub tau: Option<f64>,
    /// Symmetric point as a position and τ for infinitely fine pulses, where they are others.
    pub fine: Option<(f64, f64)>,
    /// Nominal steps that make the window, where there are pulses.
    pub states: Option<f64>,
}

/// Pulses that are so many times finer are as good as infinitely fine: what is left of the difference is 1e-5 of it.
const FINE: f64 = 1e5;

pub(super) fn character(device: &Device) -> Result<Character> {
    let pulsed = device.law().is_pulsed();
    let nominal = device.without_variation();
    let pull = |cells: &Cells| {
        let point = cells.nominal_symmetric_point().filter(|_| pulsed);
        // R' per position; the weight moves two units over the window.
        point.map(|s| (s, 2.0 / cells.response(0, s).slope()))
    };
    let cells = nominal.cells(1, 0)?;
    let here = pull(&cells);
    // The steps of laws without labels are in proportion to their size. Behind a readout, finer pulses would have less noise too.
    let labelled = device
        .law()
        .parameters()
        .iter()
        .any(|p| p.kind == Kind::Label);
    let fine = match labelled && !cells.is_read_out() {
        true => pull(&nominal.finer(FINE).cells(1, 0)?),
        false => None,
    };
    let differs = |((s, tau), (fine_s, fine_tau)): ((f64, f64), (f64, f64))| {
        let other = (s - fine_s).abs() > 2.5e-4 || (tau / fine_tau - 1.0).abs() > 5e-4;
        other.then_some((fine_s, fine_tau))
    };
    Ok(Character {
        symmetric_point: here.map(|(s, _)| s),
        tau: here.map(|(_, tau)| tau),
        fine: here.zip(fine).and_then(differs),
        states: pulsed.then(|| 1.0 / cells.nominal_step()),
    })
}

fn value(device: &Device) -> Result<Value> {
    let c = character(device)?;
    let w = device.window();
    Ok(json!({
        "name": device.name(),
        "description": device.description(),
        "material": device.material(),
        "cite": device.cite(),
        "source": device.source(),
        "law": device.law().name(),
        "g-min": w.g_min,
        "g-max": w.g_max,
        "parameters": parameters(device),
        "cycle-to-cycle": {
            "additive": device.noise().additive(),
            "multiplicative": device.noise().multiplicative(),
            "state-slope": device.noise().state_slope(),
            "correlated": device.noise().correlated(),
        },
        "write-noise": device.write_noise(),
        "read-noise": device.cell_noise().map(|n| {
            let parts = n.describe(w).into_iter();
            parts.map(|(kind, text)| (kind.to_owned(), json!(text))).collect::<serde_json::Map<_, _>>()
        }),
        "current-voltage": device.current_voltage().describe(),
        "faults": device.faults().map(|f| match f {
            Faults::Random(kinds) => json!(
                kinds
                    .iter()
                    .map(|k| json!({ "probability": k.probability, "position": k.position }))
                    .collect::<Vec<_>>()
            ),
            Faults::Mask { file, array, .. } => json!({ "npz": file, "array": array }),
        }),
        "reset": device.reset().map(|r| json!({
            "level": r.level, "deviation": r.deviation, "device-to-device": r.variation
        })),
        "retention": time::retention(device),
        "endurance": time::endurance(device),
        "bounds": if device.hard_bounds() { "hard" } else { "soft" },
        "symmetric-point": c.symmetric_point,
        "tau": c.tau,
        "fine-pulses": c.fine.map(|(s, tau)| json!({ "symmetric-point": s, "tau": tau })),
        "steps-across-window": c.states,
    }))
}

/// Parameters by name; nodes as lists.
fn parameters(device: &Device) -> serde_json::Map<String, Value> {
    let mut all = serde_json::Map::new();
    for (p, v) in device.parameters() {
        if p.kind == Kind::Node {
            let list = all.entry(p.name).or_insert_with(|| json!([]));
            if let Value::Array(list) = list {
                list.push(json!(v));
            }
        } else if p.kind != Kind::Derived {
            all.insert(p.name.to_owned(), json!(v));
        }
    }
    all
}

/// A conductance to four digits.
fn rounded(g: f64) -> Siemens {
    Siemens::new(format!("{g:.3e}").parse().unwrap_or(g))
}

/// Ratio of the ends of a window.
pub(super) fn on_off(window: &Window) -> String {
    if window.g_min > 0.0 {
        format!("{:.1}", window.g_max / window.g_min)
    } else {
        "∞".to_owned()
    }
}

/// A number of steps, where there are any.
pub(super) fn whole(steps: Option<f64>) -> String {
    steps.map_or_else(|| "–".to_owned(), |n| format!("{n:.0}"))
}

/// Prints the table of devices.
pub fn list(json: bool) -> Result<ExitCode> {
    let devices: Vec<(&str, Device)> = LIBRARY
        .iter()
        .map(|(name, _)| Ok((*name, load_device(name, Path::new("."))?)))
        .collect::<Result<_>>()?;
    if json {
        let all: Vec<Value> = devices
            .iter()
            .map(|(name, d)| {
                let mut v = value(d)?;
                v["file"] = Value::from(*name);
                Ok(v)
            })
            .collect::<Result<_>>()?;
        print(&pretty(&all)?);
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = Table::new();
    table.load_style(TABLE_STYLE);
    table.set_header([
        "device", "material", "law", "window", "on/off", "steps", "w⋄", "τ", "c2c", "cite",
    ]);
    for (name, d) in &devices {
        let (c, w) = (character(d)?, d.window());
        let dash = |v: Option<f64>| v.map_or_else(|| "–".into(), |v| format!("{v:.3}"));
        let noise = d.noise().in_the_middle();
        table.add_row([
            (*name).to_owned(),
            d.material().to_owned(),
            d.law().name().to_owned(),
            format!("{} – {}", rounded(w.g_min), rounded(w.g_max)),
            on_off(&w),
            whole(c.states),
            match d.reset() {
                Some(_) => "one-sided".into(),
                None => dash(c.symmetric_point.map(|s| 2.0 * s - 1.0)),
            },
            dash(c.tau),
            format!("{noise:.2}"),
            d.cite().join(" "),
        ]);
    }
    for column in table.column_iter_mut().skip(4).take(5) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    print(&format!(
        "{table}\nsteps: window over nominal step. w⋄, τ: symmetric point and 1/R'(w⋄) of a weight that spans [-1, 1] over the window; the implicit λ is E|g|/τ.\nc2c: cycle-to-cycle deviation relative to the step.\n"
    ));
    Ok(ExitCode::SUCCESS)
}

/// Prints one device.
pub fn show(name: &str, [svg, csv]: [Option<&Path>; 2], json: bool) -> Result<ExitCode> {
    let device = load_device(name, Path::new("."))?;
    let pulsed = device.law().is_pulsed();
    let programming = ProgrammingCurve::of(&device);
    let curve = pulsed.then(|| DeviceCurve::of(&device)).transpose()?;
    // What a device is drawn by: its pulses, or else how it is programmed.
    let (picture, points) = match (&curve, &programming) {
        (Some(curve), _) => (device_figure(curve), curve.csv()),
        (None, Some(curve)) => (programming_figure(curve), curve.csv()),
        (None, None) => (
            programming_figure(&ProgrammingCurve::default()),
            String::new(),
        ),
    };
    if let Some(path) = svg {
        std::fs::write(path, picture.svg).map_err(|e| Error::write(path, e))?;
    }
    if let Some(path) = csv {
        std::fs::write(path, points).map_err(|e| Error::write(path, e))?;
    }
    if json {
        let mut v = value(&device)?;
        v["response"] = serde_json::to_value(&curve).unwrap_or_default();
        v["programming"] = serde_json::to_value(&programming).unwrap_or_default();
        uncertainty::add(&device, &mut v);
        print(&pretty(&v)?);
        return Ok(ExitCode::SUCCESS);
    }
    let c = character(&device)?;
    let w = device.window();
    let siemens = |s: f64| Siemens::new(round(w.g_min + s * w.span())).to_string();
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic);
    for (p, v) in device.parameters().skip(usize::from(!pulsed)) {
        let shown = match p.kind {
            Kind::Node | Kind::Derived => continue,
            Kind::Ratio => format!("{v}"),
            Kind::Voltage => Volts::new(v).to_string(),
            Kind::Time => Seconds::new(v).to_string(),
            Kind::Length => Metres::new(v).to_string(),
            Kind::Resistance => Ohms::new(v).to_string(),
            Kind::Temperature => Kelvin::new(v).to_string(),
            Kind::Label => format!("{v} (curvature {:.4})", curvature(v)),
            Kind::Position => format!("{v} ({})", siemens(v)),
            Kind::Change => format!("{v} ({})", Siemens::new(round(v * w.span()))),
        };
        table.add_row([p.name.to_owned(), shown, p.meaning.to_owned()]);
    }
    for (name, nodes) in parameters(&device) {
        if let Value::Array(nodes) = nodes {
            let nodes: Vec<String> = nodes.iter().map(Value::to_string).collect();
            let meaning = "nodes from lower to upper, in nominal steps".to_owned();
            table.add_row([name, nodes.join(" "), meaning]);
        }
    }
    let noise = device.noise();
    let rows = [
        (
            "cycle-to-cycle, additive",
            format!("{}", noise.additive()),
            "deviation of a pulse relative to the step",
        ),
        (
            "cycle-to-cycle, multiplicative",
            format!("{}", noise.multiplicative()),
            "deviation of a pulse relative to its mean",
        ),
        (
            "write noise",
            format!("{}", device.write_noise()),
            "deviation of what a read sees, in steps",
        ),
    ];
    for (a, b, m) in rows.into_iter().filter(|_| pulsed) {
        table.add_row([a.to_owned(), b, m.to_owned()]);
    }
    if noise.state_slope() != 0.0 {
        table.add_row([
            "cycle-to-cycle, slope".to_owned(),
            format!("{}", noise.state_slope()),
            "growth of the additive deviation over the window".to_owned(),
        ]);
    }
    if noise.correlated() {
        table.add_row([
            "cycle-to-cycle, both".to_owned(),
            "correlated".to_owned(),
            "one random number: deviations add up, not variances".to_owned(),
        ]);
    }
    if let Some(pulse) = device.write_pulse().filter(|_| pulsed) {
        let middle = w.g_min + 0.5 * w.span();
        let shown = |v: f64| Joules::new(format!("{v:.3e}").parse().unwrap_or(v)).to_string();
        let energies = pulse.energies(middle).map(shown);
        let text = |k: usize| {
            let [volts, seconds] = [pulse.voltages[k], pulse.widths[k]];
            format!(
                "{}, {}, {}",
                Volts::new(volts),
                Seconds::new(seconds),
                energies[k]
            )
        };
        for (k, name) in ["potentiating pulse", "depressing pulse"]
            .into_iter()
            .enumerate()
        {
            let meaning = "amplitude, width, energy in mid-window".to_owned();
            table.add_row([name.to_owned(), text(k), meaning]);
        }
    }
    for (kind, text) in device.cell_noise().into_iter().flat_map(|n| n.describe(w)) {
        table.add_row([
            format!("read noise, {kind}"),
            text,
            "deviation of a read of one cell".to_owned(),
        ]);
    }
    if let Some(text) = device.current_voltage().describe() {
        let most = device.largest_voltage().map(Volts::new);
        table.add_row([
            "current".to_owned(),
            text,
            most.map_or("against the voltage".into(), |v| format!("up to {v}")),
        ]);
    }
    if let Some(r) = device.reset() {
        let change = |v: f64| format!("{v} ({})", Siemens::new(round(v * w.span())));
        let rows = [
            (
                "reset, level",
                format!("{} ({})", r.level, siemens(r.level)),
                "conductance after a reset",
            ),
            (
                "reset, deviation",
                change(r.deviation),
                "deviation from reset to reset",
            ),
            (
                "reset, device-to-device",
                change(r.variation),
                "deviation from cell to cell",
            ),
        ];
        for (a, b, m) in rows {
            table.add_row([a.to_owned(), b, m.to_owned()]);
        }
    }
    for (key, value, meaning) in time::rows(&device) {
        table.add_row([key, value, meaning.to_owned()]);
    }
    let faults = match device.faults() {
        Some(Faults::Random(kinds)) => kinds
            .iter()
            .map(|k| {
                (
                    format!("{} of the cells", k.probability),
                    siemens(k.position),
                )
            })
            .collect(),
        Some(Faults::Mask { file, .. }) => vec![(format!("cells as in {file}"), String::new())],
        None => Vec::new(),
    };
    for (which, at) in faults {
        let at = if at.is_empty() {
            at
        } else {
            format!(" at {at}")
        };
        table.add_row([
            "stuck".to_owned(),
            format!("{which}{at}"),
            "cells that nothing moves".into(),
        ]);
    }
    for v in device.variations() {
        let (p, _) = device
            .parameters()
            .nth(v.index)
            .unwrap_or((&memridge::device::COMMON[0], 0.0));
        table.add_row([
            format!("device-to-device, {}", p.name),
            time::form(&v.spread),
            "deviation from cell to cell".into(),
        ]);
    }
    let mut text = format!(
        "{}\n{}\nmaterial {}, law {}, window {} to {}, {} bounds\n\n{table}\n\n",
        device.name(),
        device.description(),
        device.material(),
        device.law().name(),
        Siemens::new(w.g_min),
        Siemens::new(w.g_max),
        if device.hard_bounds() { "hard" } else { "soft" },
    );
    match (c.symmetric_point, c.tau) {
        (Some(s), Some(tau)) => text.push_str(&format!(
            "symmetric point {} (position {s:.4})\nfor a weight that spans [-1, 1]: w⋄ = {:.4}, R'(w⋄) = {:.4}, τ = {tau:.4}; predicted implicit λ = {:.4} per unit of gradient noise E|g|\n",
            siemens(s),
            2.0 * s - 1.0,
            1.0 / tau,
            1.0 / tau
        )),
        _ if !pulsed => text.push_str("states are programmed: pulses are not modelled, nothing can be trained\n"),
        _ if device.reset().is_some() => text.push_str("one-sided: depressing pulses are not used, the cell is reset; no symmetric point\nin a pair whose cells fill up and are refreshed, weights are pulled to zero\n"),
        _ => text.push_str("no symmetric point: this device does not regularize towards any weight\n"),
    }
    if let Some((s, tau)) = c.fine {
        text.push_str(&format!(
            "with infinitely fine pulses: w⋄ = {:.4}, τ = {tau:.4}\n",
            2.0 * s - 1.0
        ));
    }
    text.push_str(&time::table(&device).unwrap_or_default());
    if pulsed {
        text.push_str(&uncertainty::text(&device));
    }
    let charts: Vec<String> = curve
        .iter()
        .map(response_chart)
        .chain(programming.iter().map(programming_chart))
        .collect();
    text.push_str(&format!(
        "\n{}\nsource: {}\n",
        charts.join("\n"),
        device.source()
    ));
    print(&text);
    Ok(ExitCode::SUCCESS)
}

/// Six significant digits: what is left of a product of decimal numbers that a person wrote.
pub(super) fn round(v: f64) -> f64 {
    format!("{v:.5e}").parse().unwrap_or(v)
}

/// The pulse response in characters.
fn response_chart(curve: &DeviceCurve) -> String {
    let points: Vec<f64> = curve
        .potentiation
        .iter()
        .chain(&curve.depression)
        .map(|p| p.1)
        .collect();
    let last = curve.depression.last().map_or(0.0, |p| p.0);
    chart(&points, "0", &format!("{last} pulses"))
}

/// The deviation of programmed conductances in characters.
fn programming_chart(curve: &ProgrammingCurve) -> String {
    let points: Vec<f64> = curve.points.iter().map(|p| p.2).collect();
    let end = |p: Option<&(f64, f64, f64)>| Siemens::new(p.map_or(0.0, |p| p.0)).to_string();
    let last = format!("{} target", end(curve.points.last()));
    format!(
        "standard deviation of the programmed conductance\n{}",
        chart(&points, &end(curve.points.first()), &last)
    )
}

/// Conductances in characters, every second point, from `first` to `last`.
fn chart(points: &[f64], first: &str, last: &str) -> String {
    const ROWS: usize = 14;
    let (low, high) = points
        .iter()
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), &v| {
            (a.min(v), b.max(v))
        });
    let columns: Vec<usize> = points
        .iter()
        .step_by(2)
        .map(|v| {
            ((v - low) / (high - low).max(f64::MIN_POSITIVE) * (ROWS - 1) as f64).round() as usize
        })
        .collect();
    let mut text = String::new();
    for row in (0..ROWS).rev() {
        let label = match row {
            r if r + 1 == ROWS => Siemens::new(round(high)).to_string(),
            0 => Siemens::new(round(low)).to_string(),
            _ => String::new(),
        };
        let line: String = columns
            .iter()
            .map(|&c| if c == row { '•' } else { ' ' })
            .collect();
        text.push_str(&format!("{label:>12} │{}\n", line.trim_end()));
    }
    text.push_str(&format!(
        "{:>12} └{}\n{:>13}{first}{last:>width$}\n",
        "",
        "─".repeat(columns.len()),
        "",
        width = (columns.len() + 1).saturating_sub(first.chars().count()),
    ));
    text
}
