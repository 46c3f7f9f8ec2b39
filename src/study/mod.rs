//! Studies: a file that makes a claim, run to results on disk.

mod analyse;
mod expect;
mod file;
mod forecast;
mod periphery;
mod problem;
mod run;
mod settings;
mod simulate;
mod store;
pub mod summary;
mod wires;

pub use file::{Controls, Overrides, Study};
pub use forecast::{Forecast, forecast};
pub use problem::{Problem, Problems};
pub use run::{Outcome, Prepared, Progress, RunRow, run_study};
pub use settings::{Material, Settings, TaskSpec};
pub use store::{Artifact, check_target, runs_csv, store};
