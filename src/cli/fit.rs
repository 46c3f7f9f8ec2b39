//! `memridge device fit`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, ValueEnum};
use comfy_table::{CellAlignment, Table};
use indicatif::{ProgressBar, ProgressStyle};
use memridge::device::fit::fittable;
use memridge::device::fit::{
    Candidate, Fit, Labels, Noise, Options, Pulses, compare, device_file, fit_law,
};
use memridge::device::{AnyLaw, Device, Kind};
use memridge::error::{Error, Result, Violation, closest};
use memridge::report::{TABLE_STYLE, fit_figure};
use memridge::units::Siemens;
use serde_json::{Value, json};

use super::device::round;
use super::{json as pretty, print, uncertainty};

/// What `device fit` takes.
#[derive(Args)]
#[command(after_long_help = FORMAT)]
pub struct FitArgs {
    /// Measured pulse trains, a CSV file; `memridge device fit --help` shows its format.
    pulses: PathBuf,
    /// Law to fit, or `auto`: all of them, the best by Akaike's criterion.
    #[arg(long, value_name = "LAW", default_value = "auto")]
    law: String,
    /// Write the device file here.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Write a plot of data and fit as SVG to this file.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
    /// Conductance of position 0, such as "10 uS" [default: the least reading].
    #[arg(long, value_name = "CONDUCTANCE")]
    g_min: Option<Siemens>,
    /// Conductance of position 1 [default: the greatest reading].
    #[arg(long, value_name = "CONDUCTANCE")]
    g_max: Option<Siemens>,
    /// Hold a parameter of the law at a value (a position in the window, a part of it, or a ratio); may be repeated.
    #[arg(long, value_name = "NAME=VALUE", value_parser = held)]
    fix: Vec<(String, f64)>,
    /// Noise of a reading in steps [default: fitted].
    #[arg(long, value_name = "STEPS", value_parser = write_noise)]
    write_noise: Option<f64>,
    /// Whether the device file lets states stop hard at the ends of the window. The fit itself knows no hard stop.
    #[arg(long, value_enum, default_value_t = Bounds::Soft)]
    bounds: Bounds,
    /// Name of the device [default: that of the file].
    #[arg(long, value_name = "TEXT")]
    name: Option<String>,
    /// Material system.
    #[arg(long, value_name = "TEXT", default_value = "not stated")]
    material: String,
    /// Where the data are from [default: the file].
    #[arg(long, value_name = "TEXT")]
    source: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Bounds {
    Soft,
    Hard,
}

const FORMAT: &str = "\
The CSV file has a header line and one reading a line; the columns may come in any order, others are ignored:

  cell,cycle,pulse,polarity,conductance [uS]
  A1,1,0,0,12.31
  A1,1,1,1,12.55
  A1,1,2,1,12.74
  A1,1,3,-1,12.49
  A1,2,0,0,12.40
  ...

  cell         a name; each cell gets parameters of its own
  cycle        a name; a train of pulses that are read one by one
  pulse        number of the pulse; where it jumps, nothing is learned
  polarity     +1 potentiation, -1 depression; 0 for the reading before the first pulse
  conductance  read after the pulse; its unit in brackets, siemens without one

Every cell needs at least ten pulses of either polarity. The result is the device file that --out names, with the spread from device to \
device, the noise from cycle to cycle, and the covariance of the estimates, from which `device show` and `predict` give 95 % intervals.";

fn held(text: &str) -> std::result::Result<(String, f64), String> {
    let (name, value) = text
        .split_once('=')
        .ok_or("write NAME=VALUE, for example lower=0")?;
    let value: f64 = value
        .trim()
        .parse()
        .map_err(|_| format!("\"{value}\" is not a number"))?;
    match value.is_finite() {
        true => Ok((name.trim().to_owned(), value)),
        false => Err("the value must be finite".into()),
    }
}

fn write_noise(text: &str) -> std::result::Result<f64, String> {
    match text.parse::<f64>() {
        Ok(v) if (0.0..=1e3).contains(&v) => Ok(v),
        _ => Err("must be a number of steps between 0 and 1000".into()),
    }
}

/// The law of that name; `None` for all of them.
fn law(name: &str) -> Result<Option<Arc<dyn AnyLaw>>> {
    if name == "auto" {
        return Ok(None);
    }
    let laws = fittable();
    if let Some(law) = laws.iter().find(|l| l.name() == name) {
        return Ok(Some(Arc::clone(law)));
    }
    let names: Vec<&str> = laws.iter().map(|l| l.name()).chain(["auto"]).collect();
    Err(Violation {
        file: "command line".into(),
        line: None,
        column: None,
        key: "--law".into(),
        value: Some(format!("\"{name}\"")),
        rule: format!("must be one of {}", names.join(", ")),
        way_out: match closest(name, names) {
            Some(near) => format!("did you mean {near}?"),
            None => "auto fits all of them".into(),
        },
    }
    .into())
}

/// Fits a device and writes its file.
pub fn fit(args: &FitArgs) -> Result<ExitCode> {
    let law = law(&args.law)?;
    for target in args.out.iter().chain(&args.svg) {
        check_target(target, &args.pulses)?;
    }
    if let (Some(out), Some(svg)) = (&args.out, &args.svg)
        && place(out) == place(svg)
    {
        let reason = "--out and --svg name the same file; name two";
        return Err(Error::write(svg, std::io::Error::other(reason)));
    }
    let pulses = Pulses::read(&args.pulses)?;
    let options = Options {
        g_min: args.g_min.map(Siemens::value),
        g_max: args.g_max.map(Siemens::value),
        held: args.fix.clone(),
        write_noise: args.write_noise,
    };
    let bar = ProgressBar::new(1000);
    let style = "{msg} {bar:40} {percent:>3} %  {elapsed} elapsed, about {eta} left";
    if let Ok(style) = ProgressStyle::with_template(style) {
        bar.set_style(style);
    }
    bar.set_message(format!("fitting {}", args.law));
    bar.enable_steady_tick(std::time::Duration::from_millis(200));
    let progress = |x: f64| bar.set_position((1000.0 * x) as u64);
    let candidates = match &law {
        Some(law) => vec![(law.name(), fit_law(law, &pulses, &options, &progress))],
        None => compare(&pulses, &options, &progress),
    };
    bar.finish_and_clear();
    let best = match candidates.first() {
        Some((_, Ok(fit))) => fit.clone(),
        _ => return Err(failure(candidates)),
    };
    let labels = labels(args);
    let (toml, device) = device_file(&best, &labels)?;
    // The picture first: where the device file is, all is there.
    if let Some(path) = &args.svg {
        let figure =
            fit_figure(&best, &pulses).map_err(|e| Error::write(path, std::io::Error::other(e)))?;
        write_whole(path, figure.svg.as_bytes())?;
    }
    if let Some(path) = &args.out {
        write_whole(path, toml.as_bytes())?;
    }
    if args.json {
        print(&pretty(&value(&candidates, &best, &device))?);
    } else {
        print(&text(&candidates, &best, &device, &pulses));
    }
    Ok(ExitCode::SUCCESS)
}

/// Why no law could be fitted.
fn failure(candidates: Vec<Candidate>) -> Error {
    let mut errors: Vec<(&str, Error)> = candidates
        .into_iter()
        .filter_map(|(name, fit)| fit.err().map(|e| (name, e)))
        .collect();
    if errors.len() == 1 {
        return errors.remove(0).1;
    }
    let reasons: Vec<String> = errors
        .iter()
        .map(|(name, e)| format!("{name}: {e}"))
        .collect();
    Error::NotConverged {
        what: "every law".into(),
        detail: format!("\n{}", reasons.join("\n")),
    }
}

fn labels(args: &FitArgs) -> Labels {
    let stem = args
        .pulses
        .file_stem()
        .map(|s| s.to_string_lossy().into_owned());
    let file = args.pulses.display();
    let filled = |text: &Option<String>| text.clone().filter(|t| !t.trim().is_empty());
    Labels {
        name: filled(&args.name)
            .or(stem)
            .unwrap_or_else(|| "fitted device".into()),
        material: filled(&Some(args.material.clone())).unwrap_or_else(|| "not stated".into()),
        source: filled(&args.source).unwrap_or_else(|| format!("pulse trains of {file}")),
        hard_bounds: args.bounds == Bounds::Hard,
    }
}

/// Fails where a file cannot be written, before the work is done; the data themselves are never replaced.
pub(super) fn check_target(target: &Path, data: &Path) -> Result<()> {
    let same = matches!((target.canonicalize(), data.canonicalize()), (Ok(a), Ok(b)) if a == b);
    if same {
        let reason = "these are the data, and they are not replaced";
        return Err(Error::write(target, std::io::Error::other(reason)));
    }
    let probe = beside(target);
    std::fs::write(&probe, b"")
        .and_then(|()| std::fs::remove_file(&probe))
        .map_err(|e| Error::write(target, e))?;
    if target.is_dir() {
        let reason = "it is a folder";
        return Err(Error::write(target, std::io::Error::other(reason)));
    }
    Ok(())
}

/// Where a file is or will be, whatever way it is named.
fn place(target: &Path) -> Option<PathBuf> {
    let folder = match target.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let new = || Some(folder.canonicalize().ok()?.join(target.file_name()?));
    target.canonicalize().ok().or_else(new)
}

/// A hidden name of this process beside a file.
fn beside(target: &Path) -> PathBuf {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    target.with_file_name(format!(".{name}.partial-{}", std::process::id()))
}

/// Writes under a temporary name and renames: the file is whole or as it was.
pub(super) fn write_whole(target: &Path, content: &[u8]) -> Result<()> {
    let fresh = beside(target);
    let done = std::fs::write(&fresh, content).and_then(|()| std::fs::rename(&fresh, target));
    done.map_err(|e| {
        // What is left over has served; failing to remove it loses nothing.
        let _ = std::fs::remove_file(&fresh);
        Error::write(target, e)
    })
}

fn value(candidates: &[Candidate], best: &Fit, device: &Device) -> Value {
    let candidates: Vec<Value> = candidates
        .iter()
        .map(|(name, fit)| match fit {
            Ok(f) => json!({ "law": name, "aic": f.aic, "log-likelihood": f.log_likelihood, "fitted": f.fitted }),
            Err(e) => json!({ "law": name, "refused": e.to_string() }),
        })
        .collect();
    let mut value = serde_json::to_value(best).unwrap_or_default();
    value["g-min"] = json!(best.window.g_min);
    value["g-max"] = json!(best.window.g_max);
    value["candidates"] = json!(candidates);
    value["symmetric-point"] = json!(device.uncertain_symmetric_point());
    uncertainty::add(device, &mut value);
    value
}

fn text(candidates: &[Candidate], best: &Fit, device: &Device, pulses: &Pulses) -> String {
    let mut text = format!(
        "{} fitted to {} pulses of {} cells in {}, window {} to {}\n\n",
        best.name,
        best.pulses,
        best.cells.len(),
        pulses.file,
        Siemens::new(round(best.window.g_min)),
        Siemens::new(round(best.window.g_max)),
    );
    text.push_str(&format!("{}\n", numbers(best)));
    if candidates.len() > 1 {
        text.push_str(&format!("\n{}\n", laws_table(candidates)));
        for (name, fit) in candidates {
            match fit {
                Ok(f) if f.name != best.name => {
                    f.notes
                        .iter()
                        .for_each(|note| text.push_str(&format!("{name}: {note}\n")));
                }
                Ok(_) => {}
                Err(e) => text.push_str(&format!("{name}: {e}\n")),
            }
        }
    } else {
        text.push_str(&format!(
            "\nlog-likelihood {:.2}, {} numbers fitted, AIC {:.2}\n",
            best.log_likelihood, best.fitted, best.aic
        ));
    }
    let intervals = uncertainty::text(device);
    text.push_str(match intervals.as_str() {
        "" if device.covariance().is_none() => "\nno intervals: no number of the law was fitted\n",
        "" => "\nno symmetric point: this device does not regularize towards any weight\n",
        _ => "\n",
    });
    text.push_str(&intervals);
    for note in &best.notes {
        text.push_str(&format!("{note}\n"));
    }
    text
}

/// The nominal cell and the noise.
fn numbers(fit: &Fit) -> Table {
    let mut table = Table::new();
    table.load_style(TABLE_STYLE);
    table.set_header(["", "estimate", "95 %", "", "device to device"]);
    let span = fit.window.span();
    let six = |v: f64| format!("{}", round(v));
    let interval = |i: Option<(f64, f64)>, fitted: bool| match i {
        Some((a, b)) => format!("{} to {}", six(a), six(b)),
        None if fitted => "not known".to_owned(),
        None => "held".into(),
    };
    let kinds = memridge::device::COMMON.iter().chain(fit.law.parameters());
    for (p, parameter) in fit.parameters.iter().zip(kinds) {
        let siemens = match parameter.kind {
            Kind::Change => Siemens::new(round(p.value * span)).to_string(),
            Kind::Position => Siemens::new(round(fit.window.g_min + p.value * span)).to_string(),
            _ => String::new(),
        };
        let spread = match (p.device_to_device, p.p_equal) {
            (Some(d), Some(q)) => format!("{} (p of equal cells {q:.3})", six(d)),
            _ => String::new(),
        };
        table.add_row([
            p.name.to_owned(),
            six(p.value),
            interval(p.interval, false),
            siemens,
            spread,
        ]);
    }
    let rows: [(&str, Noise); 3] = [
        ("cycle-to-cycle, additive", fit.additive),
        ("cycle-to-cycle, multiplicative", fit.multiplicative),
        ("write noise", fit.write_noise),
    ];
    for (name, noise) in rows {
        let unit = if name.ends_with("multiplicative") {
            "of the change"
        } else {
            "steps"
        };
        table.add_row([
            name.to_owned(),
            six(noise.value),
            interval(noise.interval, noise.fitted),
            unit.into(),
            String::new(),
        ]);
    }
    if let Some(column) = table.column_mut(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// All laws, the best first.
fn laws_table(candidates: &[Candidate]) -> Table {
    let mut table = Table::new();
    table.load_style(TABLE_STYLE);
    table.set_header(["law", "numbers", "log-likelihood", "AIC", "above the best"]);
    let least = candidates
        .first()
        .and_then(|c| c.1.as_ref().ok())
        .map_or(0.0, |f| f.aic);
    for (name, fit) in candidates {
        match fit {
            Ok(f) => table.add_row([
                (*name).to_owned(),
                f.fitted.to_string(),
                format!("{:.2}", f.log_likelihood),
                format!("{:.2}", f.aic),
                format!("{:.2}", f.aic - least),
            ]),
            Err(_) => table.add_row([*name, "–", "–", "–", "–"]),
        };
    }
    table
}
