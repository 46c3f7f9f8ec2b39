//! Commands, progress bars, exit codes.

mod array;
mod backends;
mod catalogue;
mod cite;
mod crossbar;
mod device;
mod fit;
mod predict;
mod run;
mod time;
mod uncertainty;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use memridge::error::{Error, Result};
use memridge::study::Overrides;
use memridge::units::Seconds;

/// Simulates memristor crossbars that learn on chip, and predicts and measures the L2 regularization that their devices add.
#[derive(Parser)]
#[command(
    version,
    max_term_width = 100,
    after_help = "Exit status: 0 all well, 1 an expectation of the study was missed, 2 the input was refused.\n\nStart with: memridge run experiments/implicit-l2/diabetes.toml"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run a study: simulate, measure, hold against the prediction, write a report.
    Run(RunArgs),
    /// Predict a study analytically, without simulating a pulse.
    Predict(PredictArgs),
    /// Look at the devices that come with the program, or at a device file.
    #[command(subcommand)]
    Device(DeviceCommand),
    /// Solve circuits of crossbars.
    #[command(subcommand)]
    Crossbar(CrossbarCommand),
    /// List where memridge can compute on this machine; the exit status is 1 where there is no graphics processor.
    Backends {
        /// Print it as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Print the references of a study and its devices as BibTeX.
    Cite(CiteArgs),
}

/// What every command that reads a study takes.
#[derive(Args)]
struct StudyArgs {
    /// The study file.
    study: PathBuf,
    /// Use this seed instead of the study's.
    #[arg(long)]
    seed: Option<u64>,
    /// Few replicas, as the study's [quick] table says; expectations that need more are left out.
    #[arg(long)]
    quick: bool,
    /// Number of threads; results do not depend on it [default: all cores].
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Print the findings as JSON instead of tables.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct RunArgs {
    #[command(flatten)]
    study: StudyArgs,
    /// Folder for the results; an older result there is replaced as a whole [default: results/<study>].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Where to compute.
    #[arg(long, value_enum, default_value_t = Backend::Cpu)]
    backend: Backend,
    /// Go on with a run that was interrupted or has diverged, from the checkpoints in its folder, or from the start where there are none. Of a network, learning-rate,
    /// schedule, epochs, average-from and log-every of [training] may be others than they were.
    #[arg(long)]
    resume: bool,
    /// Least time between two checkpoints of what is trained on the CPU. They are written at the ends of epochs, or of parts of a linear task, to the folder `checkpoint` of the
    /// results, and go when these are written.
    #[arg(long, value_name = "TIME", default_value = "1 min", value_parser = time)]
    checkpoint_every: Duration,
    /// Compute on the graphics processor whose name contains this text; `memridge backends` lists them.
    #[arg(long, value_name = "NAME", conflicts_with = "backend")]
    adapter: Option<String>,
}

#[derive(Args)]
struct PredictArgs {
    #[command(flatten)]
    study: StudyArgs,
}

#[derive(Args)]
struct CiteArgs {
    /// The study file.
    study: PathBuf,
}

#[derive(Clone, Copy, ValueEnum)]
enum Backend {
    /// This machine's processor.
    Cpu,
    /// A graphics processor; a software driver if there is nothing else.
    Gpu,
    /// A hardware graphics processor if there is one and the study is large enough for it, else the CPU.
    Auto,
}

#[derive(Subcommand)]
enum DeviceCommand {
    /// A table of the devices that come with the program.
    List {
        /// Print it as JSON.
        #[arg(long, conflicts_with = "markdown")]
        json: bool,
        /// Print it as Markdown, with footnotes.
        #[arg(long)]
        markdown: bool,
    },
    /// Check a device file: what it is, or every rule that it breaks.
    Check {
        /// The path of a device file, or a name from `device list`.
        file: String,
    },
    /// One device: parameters, symmetric point, pulse response.
    Show {
        /// A name from `device list`, or the path of a device file.
        name: String,
        /// Write the pulse response as SVG to this file.
        #[arg(long, value_name = "FILE")]
        svg: Option<PathBuf>,
        /// Write the pulse response as a table to this file: direction, pulse, conductance, low and high of the devices.
        #[arg(long, value_name = "FILE")]
        csv: Option<PathBuf>,
        /// Print parameters and response as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Fit a law to measured pulse trains and write a device file.
    Fit(fit::FitArgs),
}

#[derive(Subcommand)]
enum CrossbarCommand {
    /// Voltages and currents of a resistive crossbar whose wires have resistance.
    Solve(crossbar::SolveArgs),
    /// What the wires of a study's array take of the voltages of its cells, at its first point, as it starts, with all inputs 1.
    Show(array::ShowArgs),
}

/// Parses the command line and runs the command.
pub fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Run(args) => run::run(&args),
        Command::Predict(args) => predict::predict(&args.study),
        Command::Device(DeviceCommand::List { markdown: true, .. }) => catalogue::markdown(),
        Command::Device(DeviceCommand::List { json, .. }) => device::list(json),
        Command::Device(DeviceCommand::Check { file }) => catalogue::check(&file),
        Command::Device(DeviceCommand::Fit(args)) => fit::fit(&args),
        Command::Device(DeviceCommand::Show {
            name,
            svg,
            csv,
            json,
        }) => device::show(&name, [svg.as_deref(), csv.as_deref()], json),
        Command::Crossbar(CrossbarCommand::Solve(args)) => crossbar::solve(&args),
        Command::Crossbar(CrossbarCommand::Show(args)) => array::show(&args),
        Command::Backends { json } => backends::list(json),
        Command::Cite(args) => cite::cite(&args.study),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

impl StudyArgs {
    fn overrides(&self) -> Overrides {
        Overrides {
            seed: self.seed,
            quick: self.quick,
        }
    }

    fn set_threads(&self) -> Result<()> {
        if let Some(n) = self.threads {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(n)
                .build_global();
            pool.map_err(|e| Error::NotConverged {
                what: format!("starting {n} threads"),
                detail: e.to_string(),
            })?;
        }
        Ok(())
    }
}

/// A time with its unit, 0 s or more.
fn time(text: &str) -> std::result::Result<Duration, String> {
    let seconds: Seconds = text.parse().map_err(|e| format!("{e}"))?;
    Duration::try_from_secs_f64(seconds.value()).map_err(|e| e.to_string())
}

/// Prints to standard output; a reader that has gone away (`| head`) is no error.
fn print(text: &str) {
    use std::io::Write;
    let _ = std::io::stdout().write_all(text.as_bytes());
}

/// A value as indented JSON with a line end.
fn json(value: &impl serde::Serialize) -> Result<String> {
    match serde_json::to_string_pretty(value) {
        Ok(text) => Ok(text + "\n"),
        Err(e) => Err(Error::write("JSON", std::io::Error::other(e))),
    }
}
