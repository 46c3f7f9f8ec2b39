//! The implicit L2 bias: predicted from the device, measured in simulation, held against explicit Tikhonov regularization.

mod closure;
mod counts;
mod cycle;
mod gaussian;
pub mod interval;
mod law;
mod measure;
pub mod network;
mod ode;
mod predict;
mod seen;
pub mod tikhonov;

pub use closure::{Gradient, Setting};
pub use cycle::cycle_field;
pub use law::CycleLaw;
pub use measure::{Curve, Landscape, Log, Recorder, Regression, Sums};
pub use predict::{
    Prediction, Trajectory, gaussian_closure, mean_field, pair_trajectory, stationary_covariance,
    trajectory,
};
