//! A fit as a device file.

use std::fmt::Write;

use super::super::file::Device;
use super::Fit;
use crate::document::{Document, Value, Violations};
use crate::error::Result;
use crate::units::Siemens;

/// What a device file says beside its numbers.
#[derive(Debug, Clone)]
pub struct Labels {
    /// Name for people.
    pub name: String,
    /// Material system.
    pub material: String,
    /// Where the data are from.
    pub source: String,
    /// Whether states stop hard at the ends of the window.
    pub hard_bounds: bool,
}

/// Cells are said to differ in a parameter where equal ones would scatter as much with less than this probability.
const DIFFERENT: f64 = 0.01;

/// The device file of a fit, and the device that is read from it.
///
/// # Errors
/// A device that its file refuses.
pub fn device_file(fit: &Fit, labels: &Labels) -> Result<(String, Device)> {
    let text = device_toml(fit, labels);
    let document = Document::parse("the fitted device", &text)?;
    let violations = Violations::new();
    let section = document.section(&violations);
    let device = Device::parse(&section, &violations);
    section.finish();
    Ok((text, violations.into_result(device)?))
}

fn device_toml(fit: &Fit, labels: &Labels) -> String {
    let text = |t: &str| Value::Text(t.to_owned()).to_string();
    let number = |v: f64| Value::Float(v).to_string();
    let mut out = String::new();
    let mut line = |l: String| {
        // Writing to a string cannot fail.
        let _ = writeln!(out, "{l}");
    };
    let description = format!(
        "{} fitted to {} pulses of {}.",
        fit.name,
        fit.pulses,
        match fit.cells.len() {
            1 => "one cell".to_owned(),
            n => format!("{n} cells"),
        }
    );
    line(format!(
        "# Fitted by maximum likelihood: log-likelihood {:.3}, AIC {:.3}.",
        fit.log_likelihood, fit.aic
    ));
    for note in &fit.notes {
        line(format!("# {note}"));
    }
    line(String::new());
    line(format!("name = {}", text(&labels.name)));
    line(format!("description = {}", text(&description)));
    line(format!("material = {}", text(&labels.material)));
    line("cite = []".into());
    line(format!("source = {}", text(&labels.source)));
    line(format!(
        "bounds = \"{}\"",
        if labels.hard_bounds { "hard" } else { "soft" }
    ));
    line(format!("write-noise = {}", number(fit.write_noise.value)));
    line("\n[window]".into());
    for (key, g) in [("g-min", fit.window.g_min), ("g-max", fit.window.g_max)] {
        line(format!("{key} = \"{}\"", Siemens::new(g)));
    }
    line(format!("\n[law.{}]", fit.name));
    for p in &fit.parameters {
        let comment = match p.interval {
            Some((a, b)) => format!("# 95 %: {a:.6e} to {b:.6e}"),
            None => "# held".into(),
        };
        line(format!("{} = {}  {comment}", p.name, number(p.value)));
    }
    line("\n[cycle-to-cycle]".into());
    for (key, noise) in [
        ("additive", fit.additive),
        ("multiplicative", fit.multiplicative),
    ] {
        let comment = match (noise.interval, noise.fitted) {
            (Some((a, b)), _) => format!("# 95 %: {a:.6} to {b:.6}"),
            (None, true) => "# the data give no interval".into(),
            (None, false) => {
                "# held: all steps are alike, so this is not told from additive noise".into()
            }
        };
        line(format!("{key} = {}  {comment}", number(noise.value)));
    }
    let mut spreads = fit
        .parameters
        .iter()
        .filter_map(|p| {
            let real = p.p_equal.is_some_and(|p| p < DIFFERENT);
            p.device_to_device
                .filter(|d| real && *d > 0.0)
                .map(|d| (p.name, d))
        })
        .peekable();
    if spreads.peek().is_some() {
        line("\n[device-to-device]".into());
        for (name, deviation) in spreads {
            line(format!("{name} = {{ normal = {} }}", number(deviation)));
        }
    }
    let names: Vec<String> = fit
        .free
        .iter()
        .map(|&k| text(fit.parameters[k].name))
        .collect();
    if names.is_empty() {
        return out;
    }
    line("\n# Covariance of the estimates above, in the same numbers.\n[covariance]".into());
    line(format!("parameters = [{}]", names.join(", ")));
    if let Some(n) = fit.degrees_of_freedom {
        line(format!("degrees-of-freedom = {n}"));
    }
    line("matrix = [".into());
    for row in &fit.covariance {
        let row: Vec<String> = row.iter().map(|v| number(*v)).collect();
        line(format!("    [{}],", row.join(", ")));
    }
    line("]".into());
    out
}
