//! Studies: a file that makes a claim, run to results on disk.

mod analyse;
mod course;
mod curve;
mod dataset;
mod expect;
mod file;
mod forecast;
mod layout;
mod measure;
mod misses;
mod network;
mod over;
mod periphery;
mod problem;
mod product;
mod reading;
mod run;
mod settings;
mod simulate;
mod store;
pub mod summary;
mod wires;
mod writing;
mod written;

pub use dataset::{DATA_FILES, DataSpec, dataset};
pub use file::{Controls, Overrides, Study};
pub use forecast::{Forecast, forecast};
pub use measure::ReadRow;
pub use misses::READ_COLUMNS;
pub use network::{EpochRow, NetworkTask};
pub use problem::{Problem, Problems};
pub use reading::{Draw, Layer, LayerWeights, Operands, Reading};
pub use run::{Outcome, Prepared, Progress, RunRow, run_study};
pub use settings::{Material, Settings, TaskSpec};
pub use store::{Artifact, check_target, epochs_csv, reads_csv, runs_csv, store};
