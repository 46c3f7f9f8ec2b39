//! Device physics: laws (one file each), pulse counting, noise, variation, device files.
//!
//! A law is written once, generic over the number ([`Law`]); everything else in the crate reads it through
//! [`AnyLaw`]. [`SoftBounds`] is the reference for adding one.

mod affine;
mod cells;
mod constant_step;
mod count;
mod dependence;
mod exp_step;
mod expand;
mod exponential;
mod exponential_readout;
mod faults;
mod file;
pub mod fit;
mod ion_drift;
mod kernel;
mod law;
mod library;
mod linear_step;
mod messaris;
mod metastable;
mod motion;
mod nodes;
mod physical;
mod piecewise;
mod power_step;
mod programmed;
mod programming;
mod readout;
mod response;
mod retention;
mod shader;
mod sigmoid_readout;
mod soft_bounds;
mod stanford_pku;
mod uncertainty;
mod variation;
mod vteam;
mod yakopcic;

pub use cells::{Cells, Window};
pub use constant_step::ConstantStep;
pub use count::{Count, CountMoments, Counting, digits, piece, round_request};
pub use dependence::Dependence;
pub use exp_step::ExpStep;
pub use exponential::{Exponential, curvature, label_of};
pub use exponential_readout::ExponentialReadout;
pub use faults::{Faults, StuckAt};
pub use file::{Device, laws};
pub use ion_drift::{BiolekDrift, JoglekarDrift};
pub use kernel::{Action, Own, TILE, Update};
pub use law::{
    AnyLaw, COMMON, Cell, CycleNoise, FEW_PARAMETERS, Kind, LOWER, Law, MOST_PARAMETERS, OWN,
    Parameter, Pulse, STEP, UPPER,
};
pub use library::{LIBRARY, device_document, load_device};
pub use linear_step::LinearStep;
pub use messaris::{Messaris, MessarisSquare};
pub use metastable::MetastableSwitches;
pub use motion::{DRIVE, Parts};
pub use piecewise::{NODES, Piecewise};
pub use power_step::PowerStep;
pub use programmed::Programmed;
pub use programming::{Programming, Targets, written};
pub use readout::ReadOut;
pub use response::{Pulsed, Response, bounded_mean, symmetric_point};
pub use retention::{Retention, relaxation, relaxed};
pub use shader::{Change, Shader, Stage};
pub use sigmoid_readout::SigmoidReadout;
pub use soft_bounds::SoftBounds;
pub use stanford_pku::StanfordPku;
pub(crate) use uncertainty::quantile;
pub use uncertainty::{Covariance, Uncertain};
pub use variation::{Spread, Variation};
pub use vteam::Vteam;
pub use yakopcic::Yakopcic;
