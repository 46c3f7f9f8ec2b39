//! Training on chip: tasks, losses, schedules and the loop that reads, compares and asks for changes.

pub mod algorithms;
mod data;
pub mod datasets;
mod loss;
pub mod network;
mod proximal;
mod run;
mod schedule;
mod stability;
mod task;

pub use data::{Standardisation, Table, parse_table, read_table};
pub use loss::{Loss, gradient_error};
pub use run::{Batch, Probe, StepRule, Training, Update, train};
pub use schedule::{Decay, Schedule};
pub use stability::{stability_limit, stability_limit_gaussian};
pub use task::{Samples, Source, Task};
