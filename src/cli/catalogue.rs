//! `memridge device list --markdown` and `memridge device check`.

use std::fmt::Write;
use std::path::Path;
use std::process::ExitCode;

use memridge::device::{Device, LIBRARY, load_device};
use memridge::error::Result;
use memridge::units::Siemens;

use super::device::{character, on_off, whole};
use super::print;

/// Six significant digits.
fn siemens(g: f64) -> Siemens {
    Siemens::new(format!("{g:.5e}").parse().unwrap_or(g))
}

/// Without the minus of a zero that rounding made.
fn decimals(v: Option<f64>) -> String {
    match v.map(|v| format!("{v:.3}")) {
        Some(text) if text == "-0.000" => "0.000".to_owned(),
        Some(text) => text,
        None => "–".to_owned(),
    }
}

/// One row of the table: what a device is and what it does to learning.
fn row(name: &str, device: &Device) -> Result<String> {
    let (c, w) = (character(device)?, device.window());
    let weight = c.symmetric_point.map(|s| 2.0 * s - 1.0);
    let noise = if !device.law().is_pulsed() {
        None
    } else if device.law().has_own_noise() {
        let cells = device.without_variation().cells(1, 0)?;
        Some(cells.pulsed(0, 0.5, 1.0).variance.re.sqrt() / cells.nominal_step())
    } else {
        Some(device.noise().in_the_middle())
    };
    let noise = noise.map_or_else(|| "–".to_owned(), |n| format!("{n:.2}"));
    let both = |whole: Option<f64>, fine: Option<f64>| match fine {
        Some(_) => format!("{} ({})", decimals(whole), decimals(fine)),
        None => decimals(whole),
    };
    let fine = c.fine.map(|(s, tau)| (2.0 * s - 1.0, tau));
    Ok(format!(
        "| [{name}]({name}.toml) | {} | {} | {} – {} | {} | {} | {} | {} | {noise} | {} |\n",
        device.material(),
        device.law().name(),
        siemens(w.g_min),
        siemens(w.g_max),
        on_off(&w),
        whole(c.states),
        match device.reset() {
            Some(_) => "one-sided".to_owned(),
            None => both(weight, fine.map(|f| f.0)),
        },
        both(c.tau, fine.map(|f| f.1)),
        device.cite().join(", "),
    ))
}

const NOTES: &str = "
window: conductance at positions 0 and 1. states: nominal steps across the window. w⋄, τ: symmetric point and 1/R'(w⋄) of a weight
that spans [-1, 1] over the window; the implicit λ is E|g|/τ. c2c: cycle-to-cycle deviation of one pulse, in nominal steps. one-sided: cells
that pulses only raise and a reset empties; they make weights in pairs.
cite: keys of `references.bib`; each file says which figure, table or preset its numbers are from. Devices of the law `programmed` are for
inference: they are written to a target, which they miss as measured, and have no pulses.

In parentheses: what w⋄ and τ would be if pulses were infinitely fine. One of P whole pulses of the exponential law goes 1 - e^{-k/P} of the way to the
end of its curve, and not k/P; the difference is large where both curves bend alike and pulses are few.
";

/// Prints the library as a Markdown table with its notes.
pub fn markdown() -> Result<ExitCode> {
    let mut text = String::from(
        "| device | material | law | window | on/off | states | w⋄ | τ | c2c | cite |\n\
         | --- | --- | --- | --- | ---: | ---: | ---: | ---: | ---: | --- |\n",
    );
    for (name, _) in LIBRARY {
        text.push_str(&row(name, &load_device(name, Path::new("."))?)?);
    }
    text.push_str(NOTES);
    print(&text);
    Ok(ExitCode::SUCCESS)
}

/// Prints `ok` and what the device is.
///
/// # Errors
/// Every rule that the file breaks, or device-to-device spread that finds no physical cell.
pub fn check(file: &str) -> Result<ExitCode> {
    let device = load_device(file, Path::new("."))?;
    // Spreads are physical where some cells can be drawn.
    device.cells(device.listed_cells().unwrap_or(200), 1)?;
    let (c, w) = (character(&device)?, device.window());
    let mut text = format!(
        "ok\n{}: {}, {} – {}",
        device.name(),
        device.law().name(),
        siemens(w.g_min),
        siemens(w.g_max),
    );
    if c.states.is_none() {
        text.push_str(", no pulses\n");
        print(&text);
        return Ok(ExitCode::SUCCESS);
    }
    // Writing to a string cannot fail.
    let _ = write!(text, ", {} steps across the window", whole(c.states));
    let _ = match (c.symmetric_point, c.tau) {
        (Some(s), Some(tau)) => writeln!(
            text,
            ", w⋄ = {}, τ = {tau:.3}",
            decimals(Some(2.0 * s - 1.0))
        ),
        _ if device.reset().is_some() => writeln!(text, ", one-sided"),
        _ => writeln!(text, ", no symmetric point"),
    };
    print(&text);
    Ok(ExitCode::SUCCESS)
}
