//! Device physics: laws (one file each), pulse counting, noise, variation, device files.
//!
//! A law is written once, generic over the number ([`Law`]); everything else in the crate reads it through
//! [`AnyLaw`]. [`SoftBounds`] is the reference for adding one.

mod affine;
mod aging;
mod arrhenius;
mod cell_noise;
mod cells;
mod constant_step;
mod count;
mod course;
mod cycle_noise;
mod dependence;
mod drift;
mod driven;
mod endurance;
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
mod reset;
mod response;
mod retention;
mod shader;
mod sigmoid_readout;
mod soft_bounds;
mod stanford_pku;
mod uncertainty;
mod variation;
mod vteam;
mod write_pulse;
mod yakopcic;

pub use aging::Memory;
pub use arrhenius::Arrhenius;
pub use cell_noise::{CellNoise, Telegraph};
pub use cells::{Cells, Window};
pub use constant_step::ConstantStep;
pub use count::{Count, CountMoments, Counting, digits, piece, round_request};
pub use course::Course;
pub use cycle_noise::CycleNoise;
pub use dependence::Dependence;
pub use drift::{Amount, Drift, DriftForm, Past, arrived, carried};
pub use driven::VoltageDependence;
pub use endurance::{Endurance, Wear};
pub use exp_step::ExpStep;
pub use exponential::{Exponential, curvature, label_of};
pub use exponential_readout::ExponentialReadout;
pub use faults::{Faults, StuckAt};
pub use file::{Device, laws};
pub use ion_drift::{BiolekDrift, JoglekarDrift};
pub use kernel::{Action, Own, TILE, Update};
pub use law::{
    AnyLaw, COMMON, Cell, FEW_PARAMETERS, Kind, LOWER, Law, MOST_PARAMETERS, OWN, Parameter, Pulse,
    STEP, UPPER,
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
pub use reset::{Reset, emptied};
pub use response::{Pulsed, Response, bounded_mean, symmetric_point};
pub use retention::{Leak, Retention, lost, relaxation, relaxed, rounding};
pub use shader::{Change, Shader, Stage};
pub use sigmoid_readout::SigmoidReadout;
pub use soft_bounds::SoftBounds;
pub use stanford_pku::StanfordPku;
pub(crate) use uncertainty::quantile;
pub use uncertainty::{Covariance, Uncertain};
pub use variation::{Spread, Variation};
pub use vteam::Vteam;
pub use write_pulse::WritePulse;
pub use yakopcic::Yakopcic;
