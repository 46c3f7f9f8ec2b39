//! Networks that are trained: what the study file says of them, their runs and what is found.

mod findings;
mod predict;
mod run;
mod running;
mod settings;
pub mod summary;

pub use run::EpochRow;
pub use settings::NetworkTask;

pub(super) use run::run;
pub(super) use settings::{KIND, task};
