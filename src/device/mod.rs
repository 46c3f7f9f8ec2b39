//! Device physics: laws (one file each), pulse counting, noise, variation, device files.
//!
//! A law is written once, generic over the number ([`Law`]); everything else in the crate reads it through
//! [`AnyLaw`]. [`SoftBounds`] is the reference for adding one.

mod affine;
mod cells;
mod constant_step;
mod count;
mod exp_step;
mod expand;
mod file;
pub mod fit;
mod kernel;
mod law;
mod library;
mod linear_step;
mod power_step;
mod response;
mod retention;
mod shader;
mod soft_bounds;
mod uncertainty;
mod variation;

pub use cells::{Cells, Window};
pub use constant_step::ConstantStep;
pub use count::{Count, CountMoments, Counting, digits, piece, round_request};
pub use exp_step::ExpStep;
pub use file::{Device, laws};
pub use kernel::{Action, Own, TILE, Update};
pub use law::{
    AnyLaw, COMMON, Cell, CycleNoise, Kind, LOWER, Law, MOST_PARAMETERS, OWN, Parameter, Pulse,
    STEP, UPPER,
};
pub use library::{LIBRARY, device_document, load_device};
pub use linear_step::LinearStep;
pub use power_step::PowerStep;
pub use response::{Response, bounded_mean, symmetric_point};
pub use retention::{Retention, relaxed};
pub use shader::{Change, Shader};
pub use soft_bounds::SoftBounds;
pub use uncertainty::{Covariance, Uncertain};
pub use variation::{Spread, Variation};
