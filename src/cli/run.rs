//! `memridge run`.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use indicatif::{ProgressBar, ProgressStyle};
use memridge::backend::Place;
use memridge::error::{Error, Result};
use memridge::report::{self, DeviceCurve, ProgrammingCurve};
use memridge::study::{
    Artifact, Checkpoints, Outcome, Progress, Settings, Study, check_target, epochs_csv, reads_csv,
    run_study, runs_csv, store,
};

use super::{Backend, RunArgs, json, print};

/// A progress bar; invisible where standard error is no terminal.
struct Bar(ProgressBar);

impl Progress for Bar {
    fn begin(&self, total: u64) {
        self.0.set_length(total);
        self.0.reset_eta();
    }

    fn advance(&self, units: u64) {
        self.0.inc(units);
    }
}

/// Where to compute; a fallback is said on standard error.
fn place(args: &RunArgs, study: &Study) -> Result<Place> {
    if let Some(name) = &args.adapter {
        return Place::gpu(Some(name));
    }
    Ok(match args.backend {
        Backend::Cpu => Place::Cpu,
        Backend::Gpu => Place::gpu(None)?,
        Backend::Auto => {
            if let Some((_, what)) = study.points.iter().find_map(Settings::needs_cpu) {
                eprintln!("computing on the CPU: {what} are made there");
                return Ok(Place::Cpu);
            }
            let states = study.points.iter().map(|point| point.states());
            let most = states.collect::<Result<Vec<_>>>()?.into_iter().max();
            let (place, why) = Place::auto(most.unwrap_or(0));
            if let Some(why) = why {
                eprintln!("computing on the CPU: {why}");
            }
            place
        }
    })
}

/// Where states are kept while it runs.
fn checkpoints(args: &RunArgs, out: &Path) -> Result<Checkpoints> {
    let checkpoints = Checkpoints::new(out, args.checkpoint_every, args.resume)?;
    if args.resume && !checkpoints.exist() {
        eprintln!(
            "{}: has no checkpoints, so the run begins at the start",
            out.display()
        );
    }
    Ok(checkpoints)
}

/// Runs a study and writes its results.
pub fn run(args: &RunArgs) -> Result<ExitCode> {
    args.study.set_threads()?;
    let path = &args.study.study;
    let study = Study::read(path, &args.study.overrides())?;
    let place = place(args, &study)?;
    let study = study.at(&place);
    let out = args.out.clone().unwrap_or_else(|| default_folder(path));
    check_target(&out)?;
    let study = study.kept(checkpoints(args, &out)?);
    let bar = Bar(ProgressBar::new(1));
    let style = "{msg} {bar:40} {percent:>3} %  {elapsed} elapsed, about {eta} left";
    if let Ok(style) = ProgressStyle::with_template(style) {
        bar.0.set_style(style);
    }
    bar.0.set_message(study.name.clone());
    bar.0
        .enable_steady_tick(std::time::Duration::from_millis(200));
    let outcome = run_study(&study, &bar);
    bar.0.finish_and_clear();
    let outcome = outcome?;
    let summary = &outcome.summary;

    let mut figures = report::plots(summary).map_err(|e| broken("the plots", &e))?;
    let base = &study.points[study.points.len() / 2];
    if base.device.law().is_pulsed() {
        figures.push(report::device_figure(&DeviceCurve::of(&base.device)?));
    } else if let Some(curve) = ProgrammingCurve::of(&base.device) {
        figures.push(report::programming_figure(&curve));
    }
    let study_toml = study.document.to_toml();
    let provenance = provenance(&outcome, args, &place)?;
    let labels: Vec<String> = summary.points.iter().map(|p| p.label.clone()).collect();
    let file = |name: &str, content: Vec<u8>| Artifact {
        name: name.into(),
        content,
    };
    let rows = if study.is_read() {
        file("reads.csv", reads_csv(&outcome.reads, &labels)?)
    } else if study.is_network() {
        file("epochs.csv", epochs_csv(&outcome.epochs, &labels)?)
    } else {
        let runs = runs_csv(&outcome.runs, &labels, &summary.features)?;
        file("runs.csv", runs)
    };
    let mut artifacts = vec![
        file(
            "report.html",
            report::page(summary, &figures, &study_toml, &provenance).into_bytes(),
        ),
        file("summary.json", json(summary)?.into_bytes()),
        rows,
        file("study.toml", study_toml.into_bytes()),
        file("provenance.json", provenance.into_bytes()),
    ];
    artifacts.extend(
        figures
            .iter()
            .map(|f| file(&format!("{}.svg", f.name), f.svg.clone().into_bytes())),
    );
    store(&out, &artifacts)?;

    if args.study.json {
        print(&json(summary)?);
    } else {
        print(&text(&outcome, &out));
    }
    Ok(ExitCode::from(u8::from(!summary.all_met)))
}

fn text(outcome: &Outcome, out: &Path) -> String {
    let s = &outcome.summary;
    let mut text = format!("{}\n{}\n", s.title, report::table(s));
    if !s.controls.is_empty() {
        text.push_str(&format!("\nControls\n{}", report::controls(s)));
    }
    if let Some(costs) = report::costs(s) {
        text.push_str(&format!("\nCost of one crossbar over the run\n{costs}"));
    }
    if let Some(answer) = report::answer(s) {
        text.push_str(&format!("\n{answer}\n"));
    }
    for (points, warning) in report::warnings(s) {
        text.push_str(&format!("warning: {}: {warning}\n", points.join("; ")));
    }
    let done = match s
        .points
        .iter()
        .flat_map(|p| &p.reads)
        .map(|r| r.vectors)
        .sum()
    {
        0_u64 => format!(
            "{:.3e} device updates a second and core, {:.2} pulses each",
            s.device_updates_per_second, s.pulses_per_device_update
        ),
        vectors => format!("{vectors} vectors read"),
    };
    text.push_str(&format!(
        "\n{done}; {:.1} s in all\nreport: {}\n\n",
        s.wall_seconds,
        out.join("report.html").display(),
    ));
    text.push_str(&report::expectations(s));
    text
}

/// `results/` and the study's path below a folder `experiments`, or its name alone.
fn default_folder(study: &Path) -> PathBuf {
    let path = study.with_extension("");
    let parts: Vec<_> = path.components().collect();
    let below = parts
        .iter()
        .rposition(|c| c.as_os_str() == "experiments")
        .map_or(parts.len().saturating_sub(1), |k| k + 1);
    Path::new("results").join(parts[below..].iter().collect::<PathBuf>())
}

fn broken(what: &str, detail: &str) -> Error {
    Error::NotConverged {
        what: what.into(),
        detail: detail.into(),
    }
}

/// What produced the results, as JSON.
fn provenance(outcome: &Outcome, args: &RunArgs, place: &Place) -> Result<String> {
    let folder = args
        .study
        .study
        .parent()
        .filter(|p| !p.as_os_str().is_empty());
    let commit = Command::new("git")
        .args(["rev-parse", "HEAD"])
        .current_dir(folder.unwrap_or(Path::new(".")))
        .output()
        .ok()
        .filter(|o| o.status.success())
        .map(|o| String::from_utf8_lossy(&o.stdout).trim().to_owned());
    let processor = std::fs::read_to_string("/proc/cpuinfo").ok().and_then(|t| {
        let line = t.lines().find(|l| l.starts_with("model name"))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    });
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    json(&serde_json::json!({
        "program": "memridge",
        "version": env!("CARGO_PKG_VERSION"),
        "git-commit": commit,
        "seed": outcome.summary.seed,
        "backend": place.to_string(),
        "threads": rayon::current_num_threads(),
        "machine": {
            "processor": processor,
            "architecture": std::env::consts::ARCH,
            "system": std::env::consts::OS,
        },
        "finished-at-unix-time": since.map(|d| d.as_secs()).ok(),
        "wall-seconds": outcome.summary.wall_seconds,
    }))
}
