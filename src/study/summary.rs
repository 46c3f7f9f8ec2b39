//! What a study finds: the schema of `summary.json` (kebab-case keys, SI units, dimensionless weights).
//!
//! Numbers that do not exist for a device or task (a symmetric point that a device lacks, say) are `null`.

use serde::Serialize;

pub use super::network::summary::{
    Band, EpochFound, ExplicitFound, LayerFound, Sizes, TrainedNetwork,
};
use crate::crossbar::Cost;

/// The version of this schema; it grows when a key changes its meaning or goes.
pub const SCHEMA: u32 = 1;

/// The findings of a whole study.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Summary {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Name of the study (the stem of its file).
    pub study: String,
    /// Its title.
    pub title: String,
    /// What it claims.
    pub claim: String,
    /// Citation keys in references.bib.
    pub cite: Vec<String>,
    /// Seed of all random numbers.
    pub seed: u64,
    /// Replicas a point.
    pub replicas: usize,
    /// Whether this was a `--quick` run.
    pub quick: bool,
    /// Names of the weights (feature names).
    pub features: Vec<String>,
    /// How the data were standardised, if they were.
    pub standardisation: Vec<crate::training::Standardisation>,
    /// One entry a sweep point.
    pub points: Vec<Point>,
    /// The controls of the study.
    pub controls: Vec<Control>,
    /// What the study expects and what was found.
    pub expectations: Vec<Expectation>,
    /// Whether every expectation is met.
    pub all_met: bool,
    /// Device updates (one cell offered one sample) a second and core, training loop alone.
    pub device_updates_per_second: f64,
    /// Programming pulses over device updates.
    pub pulses_per_device_update: f64,
    /// Wall time of the whole study.
    pub wall_seconds: f64,
}

/// A measured number with its 95 % interval over replicas and its own value at the predicted mean weights.
#[derive(Debug, Clone, Copy, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Estimate {
    /// Measured.
    pub value: Option<f64>,
    /// Lower end of the 95 % interval.
    pub low: Option<f64>,
    /// Upper end of the 95 % interval.
    pub high: Option<f64>,
    /// The same functional at the predicted (P1) mean weights.
    pub predicted: Option<f64>,
    /// For how many replicas it does not exist, where it exists for others: a warning then says why there is no value.
    #[serde(skip)]
    pub(crate) missing: usize,
}

/// One channel's drift, as the strength λ of the pull that it makes: `-drift·u/(η u·u)`, `u = w̄ - w⋄`.
#[derive(Debug, Clone, Copy, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Budget {
    /// The logged drift (zero when stationary).
    pub logged: f64,
    /// The gradient's own share, `-g F`.
    pub gradient: f64,
    /// A: rectification, `-|g| G`.
    pub a: f64,
    /// B: noise-induced drift behind a nonlinear readout (these devices read out their state itself).
    pub b: f64,
    /// C: retention between updates; zero for devices that keep their state.
    pub c: f64,
    /// D: bounds, dead zone, saturated trains: exact mean minus linear response.
    pub d: f64,
    /// logged - gradient - A - B - C - D.
    pub closure: f64,
    /// Norm of the closure vector over its Monte-Carlo error; about 1 when the budget closes.
    pub closure_in_errors: f64,
}

/// Mean squared error on held-out data, over folds.
#[derive(Debug, Clone, Copy, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct TestError {
    /// No regularization: least squares.
    pub none: f64,
    /// The trained device, simulated.
    pub implicit: f64,
    /// The trained device, predicted mean weights (P1).
    pub implicit_predicted: f64,
    /// Explicit ridge with λ chosen by GCV on the training part.
    pub explicit_gcv: f64,
    /// Explicit ridge with the best λ in hindsight.
    pub explicit_best: f64,
    /// That λ.
    pub explicit_best_lambda: f64,
    /// λ chosen by GCV (mean over folds).
    pub explicit_gcv_lambda: f64,
    /// Number of folds.
    pub folds: usize,
}

/// One weight: predicted, measured.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Weight {
    /// Name of its feature.
    pub name: String,
    /// Mean over window and replicas.
    pub measured: f64,
    /// Standard error of that mean over replicas.
    pub standard_error: f64,
    /// Standard deviation of the weight over time and replicas.
    pub deviation: f64,
    /// Predicted standard deviation (P1).
    pub deviation_predicted: f64,
    /// Mean field.
    pub p0: f64,
    /// Gaussian closure.
    pub p1: f64,
    /// Trajectory, averaged over the same window.
    pub pt: f64,
    /// Without bias: least squares.
    pub free: f64,
    /// Symmetric point.
    pub symmetric_point: Option<f64>,
    /// Predicted strength `E|g| R'(w⋄)` (P1).
    pub lambda: Option<f64>,
    /// Measured `E|g|`.
    pub abs_gradient: f64,
}

impl Weight {
    /// One of which every number exists.
    fn template() -> Self {
        Self {
            name: String::new(),
            measured: 1.0,
            standard_error: 1.0,
            deviation: 1.0,
            deviation_predicted: 1.0,
            p0: 1.0,
            p1: 1.0,
            pt: 1.0,
            free: 1.0,
            symmetric_point: Some(1.0),
            lambda: Some(1.0),
            abs_gradient: 1.0,
        }
    }
}

/// One eigenmode of H.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Mode {
    /// Eigenvalue d.
    pub eigenvalue: f64,
    /// Measured shrinkage `c/c_LS` about the symmetric point.
    pub shrinkage: Option<f64>,
    /// Its standard error.
    pub standard_error: Option<f64>,
    /// The same at the predicted weights (P1).
    pub predicted: Option<f64>,
    /// `d/(d + λ)` at the measured E3 λ.
    pub ridge: Option<f64>,
}

/// One time of the learning curve.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct CurvePoint {
    /// Training time `Σ η`.
    pub time: f64,
    /// Measured loss of the mean weights above the minimum, `½ (w̄-w_LS)ᵀH(w̄-w_LS)`.
    pub measured: f64,
    /// The same along the predicted trajectory (P-t).
    pub predicted: f64,
    /// The same along the bias-free trajectory.
    pub free: f64,
    /// Mean over replicas of the loss above the minimum (fluctuations included).
    pub replicas: f64,
}

/// One point of the explicit ridge path.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Ridge {
    /// λ.
    pub lambda: f64,
    /// Weights.
    pub weights: Vec<f64>,
}

/// What was read at one time, against exact products; means over replicas. Errors are over the root mean square of the exact outputs.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Read {
    /// Seconds since programming.
    pub time: f64,
    /// Root mean square error; predicted by read noise and quantisation, where there is nothing else.
    pub error: Estimate,
    /// `(SNR - 1.76 dB)/6.02 dB` of that error.
    pub effective_bits: Estimate,
    /// Largest error.
    pub largest_error: Estimate,
    /// Slope of the regression of what is read on what is exact, through zero.
    pub gain: Estimate,
    /// Root mean square error that is left when that slope is taken off.
    pub unexplained_error: Estimate,
    /// Share of samples whose class the largest output is; predicted is that of the exact products, digital weights.
    pub accuracy: Estimate,
    /// Mean squared error of the output against the right number; predicted likewise.
    pub mean_squared_error: Estimate,
    /// Share of conversions that saturated.
    pub saturated: f64,
    /// Vectors that were put on arrays, over all replicas, tiles, bit planes and repetitions.
    pub vectors: u64,
    /// Those among them that bound management asked for.
    pub repeated: u64,
    /// Inputs converted.
    pub input_conversions: u64,
    /// Outputs converted.
    pub output_conversions: u64,
}

/// How the samples of a layer were split.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Held {
    /// Samples that weights are fitted to.
    pub training: usize,
    /// Samples that are held out, read and scored.
    pub test: usize,
    /// Share that the study asks for.
    pub share: f64,
    /// Seed of the split.
    pub seed: u64,
}

/// What was written into the arrays of a point before they are read. Conductances in siemens, errors are achieved minus target; estimates are over
/// replicas, counts means a cell.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Programmed {
    /// Mean error.
    pub mean_error: Estimate,
    /// Root mean square error.
    pub rms_error: Estimate,
    /// Largest error that is accepted, where cells are verified.
    pub tolerance: Option<f64>,
    /// Share of cells whose conductance is within the tolerance.
    pub inside: Estimate,
    /// Share of cells that were seen within it; the others were given up.
    pub accepted: Estimate,
    /// Pulses of a cell.
    pub pulses: Estimate,
    /// 95 % of all cells had at most so many.
    pub most_pulses: Option<u32>,
    /// Resets of a cell after the start.
    pub resets: Option<f64>,
    /// Reads of a cell.
    pub verify_reads: Option<f64>,
    /// Joules that the pulses and resets of one array dissipate in its cells, where the device says their voltage and width.
    pub energy: Estimate,
    /// Errors, and the shares of cells whose own are not larger.
    pub shares: Vec<[f64; 2]>,
    /// Target and achieved conductance of some cells of the first replica.
    pub cells: Vec<[f64; 2]>,
}

/// The findings at one sweep point.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Point {
    /// Short label, such as `τ = 1`.
    pub label: String,
    /// The swept keys and their values.
    pub settings: Vec<(String, String)>,
    /// Name of the device.
    pub device: String,
    /// `1/R'(w⋄)` in weight units, mean over weights.
    pub tau: Option<f64>,
    /// Learning rate.
    pub learning_rate: f64,
    /// Nominal step δ in weight units.
    pub step: f64,
    /// Cycle-to-cycle noise: additive and multiplicative, relative to the step.
    pub cycle_to_cycle: [f64; 2],
    /// `‖w̄ - w_free‖`.
    pub bias_norm: f64,
    /// The same at the P0 weights.
    pub bias_norm_p0: Option<f64>,
    /// Standard error of w̄ over replicas, over the bias.
    pub monte_carlo_error: f64,
    /// `‖w̄ - w_P0‖/bias`.
    pub prediction_error_p0: Option<f64>,
    /// `‖w̄ - w_P1‖/bias`.
    pub prediction_error_p1: Option<f64>,
    /// The error of P1 in Monte-Carlo errors: what says whether it is right where the bias is nearly zero.
    pub prediction_errors_p1: Option<f64>,
    /// `‖w̄ - w_Pt‖/bias`, the trajectory averaged over the same window.
    pub prediction_error_pt: Option<f64>,
    /// `min_λ ‖w̄ - w_ridge(λ)‖/bias`.
    pub tikhonov_residual: Option<f64>,
    /// The same for the diagonal penalty with the predicted proportions.
    pub tikhonov_residual_diagonal: Option<f64>,
    /// Mean over weights of `E|g| R'(w⋄)` by P1, with retention's own strength.
    pub lambda_predicted: Option<f64>,
    /// The same by P0.
    pub lambda_predicted_p0: Option<f64>,
    /// The part of it that is retention's, `1/(η F(w⋄) t)` with t the lifetime in steps.
    pub lambda_retention: Option<f64>,
    /// The same as `lambda-predicted` with the measured `E|g|`.
    pub lambda_gradient: Estimate,
    /// Update regression, pooled ratio.
    pub lambda_e1: Estimate,
    /// Weight at which the asymmetry found by E1 vanishes, pooled over weights; predicted is the mean symmetric point.
    pub centre: Estimate,
    /// Gradient matching.
    pub lambda_e2: Estimate,
    /// Nearest ridge solution in the H norm.
    pub lambda_e3: Estimate,
    /// Nearest ridge solution in the Euclidean norm.
    pub lambda_e3_euclidean: Estimate,
    /// Median over eigenmodes.
    pub lambda_e4: Estimate,
    /// For the closed cycle-to-cycle law (Gaussian inputs): its λ at each replica's truth, as the prediction of λ.
    pub lambda_law: Estimate,
    /// Predicted gain of reads through the wires of `[array.wires]`: slope of outputs as they are read over those of the weights that are
    /// held. About `w⋄ = 0`, E2 is less than the λ of the pull by `(1 - gain) wᵀHw/wᵀw`, because it compares with ideal reads.
    pub read_gain: Option<f64>,
    /// Standard deviation of the weights: mean over weights, measured and predicted.
    pub weight_deviation: Estimate,
    /// Expected loss above its minimum, per replica and time: measured and predicted.
    pub excess_loss: Estimate,
    /// Refreshes of a weight over the run, mean over weights and replicas; for one-sided pairs.
    pub refreshes: Option<f64>,
    /// What one crossbar of the run costs, where `[technology]` says what its parts do.
    pub cost: Option<Cost>,
    /// Drift budget.
    pub budget: Option<Budget>,
    /// Test errors.
    pub test_error: Option<TestError>,
    /// GCV choice of λ on all data.
    pub lambda_gcv: Option<f64>,
    /// Effective degrees of freedom at E3 λ.
    pub effective_dof: Option<f64>,
    /// How far from equal the strengths of the weights are: deviation over mean.
    pub strength_spread: Option<f64>,
    /// Which level of prediction is valid here, in words.
    pub verdict: String,
    /// Weights in order.
    pub weights: Vec<Weight>,
    /// Eigenmodes, ascending.
    pub modes: Vec<Mode>,
    /// Learning curve.
    pub learning_curve: Vec<CurvePoint>,
    /// Explicit ridge path, centred like the device.
    pub ridge_path: Vec<Ridge>,
    /// How samples were split, where some are held out.
    pub held_out: Option<Held>,
    /// What was written, where nothing is trained and the study says how to write.
    pub programmed: Option<Programmed>,
    /// What was found of the network, where one is trained.
    pub network: Option<TrainedNetwork>,
    /// What was read, time by time, where nothing is trained.
    pub reads: Vec<Read>,
    /// Warnings for the reader.
    pub warnings: Vec<String>,
}

/// A control: a run whose answer is known.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Control {
    /// `explicit-ridge`, `symmetric-device`, `half-learning-rate`, `double-learning-rate`, `double-time`.
    pub name: String,
    /// What must come out, in words.
    pub claim: String,
    /// The numbers: name, measured with interval, known answer.
    pub values: Vec<(String, Estimate)>,
}

/// One expectation of the study.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Expectation {
    /// What is expected.
    pub name: String,
    /// What was found.
    pub measured: Option<f64>,
    /// The expected value or bound.
    pub expected: f64,
    /// Absolute tolerance; `null` for a one-sided bound.
    pub tolerance: Option<f64>,
    /// Whether it is met; `null` when a quick run leaves it out.
    pub met: Option<bool>,
}

impl Estimate {
    /// An estimate in which every number exists; only its shape means something.
    pub(super) fn template() -> Self {
        Self {
            value: Some(1.0),
            low: Some(0.0),
            high: Some(2.0),
            predicted: Some(1.0),
            missing: 0,
        }
    }
}

impl Programmed {
    /// All of them by the names of their keys.
    pub(super) fn estimates(&self) -> [(&'static str, Estimate); 6] {
        [
            ("mean-error", self.mean_error),
            ("rms-error", self.rms_error),
            ("inside", self.inside),
            ("accepted", self.accepted),
            ("pulses", self.pulses),
            ("energy", self.energy),
        ]
    }
}

impl Read {
    /// All of them by the names of their keys.
    pub(super) fn estimates(&self) -> [(&'static str, Estimate); 7] {
        [
            ("error", self.error),
            ("effective-bits", self.effective_bits),
            ("largest-error", self.largest_error),
            ("gain", self.gain),
            ("unexplained-error", self.unexplained_error),
            ("accuracy", self.accuracy),
            ("mean-squared-error", self.mean_squared_error),
        ]
    }

    /// A read in which every number exists; only its shape means something.
    pub(super) fn template() -> Self {
        let estimate = Estimate::template();
        Self {
            error: estimate,
            effective_bits: estimate,
            largest_error: estimate,
            gain: estimate,
            unexplained_error: estimate,
            accuracy: estimate,
            mean_squared_error: estimate,
            ..Self::default()
        }
    }
}

impl Programmed {
    /// What was written where every number exists; only its shape means something.
    fn template() -> Self {
        let (number, estimate) = (Some(1.0), Estimate::template());
        Self {
            mean_error: estimate,
            rms_error: estimate,
            tolerance: number,
            inside: estimate,
            accepted: estimate,
            pulses: estimate,
            most_pulses: Some(1),
            resets: number,
            verify_reads: number,
            energy: estimate,
            ..Self::default()
        }
    }
}

impl Point {
    /// A point where nothing is trained: numbers of training do not exist (`null` in the file).
    pub(super) fn untrained() -> Self {
        Self {
            learning_rate: f64::NAN,
            step: f64::NAN,
            cycle_to_cycle: [f64::NAN; 2],
            bias_norm: f64::NAN,
            monte_carlo_error: f64::NAN,
            ..Self::default()
        }
    }

    /// A point in which every number exists; only its shape means something.
    pub(super) fn template() -> Self {
        let (number, estimate) = (Some(1.0), Estimate::template());
        Self {
            tau: number,
            bias_norm_p0: number,
            prediction_error_p0: number,
            prediction_error_p1: number,
            prediction_errors_p1: number,
            prediction_error_pt: number,
            tikhonov_residual: number,
            tikhonov_residual_diagonal: number,
            lambda_predicted: number,
            lambda_predicted_p0: number,
            lambda_retention: number,
            read_gain: number,
            refreshes: number,
            lambda_gcv: number,
            effective_dof: number,
            strength_spread: number,
            lambda_gradient: estimate,
            lambda_e1: estimate,
            centre: estimate,
            lambda_e2: estimate,
            lambda_e3: estimate,
            lambda_e3_euclidean: estimate,
            lambda_e4: estimate,
            lambda_law: estimate,
            weight_deviation: estimate,
            excess_loss: estimate,
            cost: Some(Cost::template()),
            budget: Some(Budget::default()),
            test_error: Some(TestError::default()),
            programmed: Some(Programmed::template()),
            network: Some(TrainedNetwork::template()),
            reads: vec![Read::template()],
            weights: vec![Weight::template(); 64],
            ..Self::default()
        }
    }
}
