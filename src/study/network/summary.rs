//! What is found of networks.

use serde::Serialize;

use super::super::summary::Estimate;
use crate::crossbar::Cost;

/// Numbers of samples.
#[derive(Debug, Clone, Copy, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Sizes {
    /// Samples of training.
    pub training: usize,
    /// Samples of validation.
    pub validation: Option<usize>,
    /// Samples that are held out.
    pub test: Option<usize>,
}

/// A number of every replica: its mean with an interval, and where most replicas are.
#[derive(Debug, Clone, Copy, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Band {
    /// The mean with its interval.
    pub mean: Estimate,
    /// 10 and 90 % of the replicas are below.
    pub tenths: Option<[f64; 2]>,
}

/// One epoch.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct EpochFound {
    /// Counted from 1.
    pub epoch: u32,
    /// Mean loss over the samples of the epoch, as training read them.
    pub training_loss: Band,
    /// Mean loss of the held-out samples.
    pub test_loss: Band,
    /// Share of the held-out samples whose class is found.
    pub test_accuracy: Band,
    /// Training loss of the digital twin.
    pub digital_training_loss: Band,
    /// Its test accuracy.
    pub digital_test_accuracy: Band,
    /// Share of the held-out samples of the first task whose class is found, while the second is learned.
    pub first_accuracy: Option<Band>,
    /// The same of the digital twin.
    pub digital_first_accuracy: Option<Band>,
}

/// One layer.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct LayerFound {
    /// Rows of its array, the bias line among them.
    pub rows: usize,
    /// Outputs.
    pub outputs: usize,
    /// λ by the update regression, pooled over weights that are taken to answer alike; predicted along the mean-field trajectory.
    pub lambda_e1: Estimate,
    /// λ by gradient matching at the mean weights.
    pub lambda_e2: Estimate,
    /// The same of the digital twin: what ending early looks like.
    pub digital_lambda_e2: Estimate,
    /// `‖w‖` of the mean weights of every replica over the averaging window.
    pub norm: Estimate,
    /// The same of the digital twin.
    pub digital_norm: Estimate,
    /// `‖w̄ - w_free‖` of its weights, w_free those of the digital twin over the same window.
    pub bias_norm: f64,
    /// `‖w̄ - w_Pt‖` over that.
    pub prediction_error_pt: Option<f64>,
    /// Standard error of w̄ over replicas, over that.
    pub monte_carlo_error: f64,
    /// Pulses of a weight over the run, mean over weights and replicas.
    pub pulses: f64,
    /// Centres and shares of the bins of a histogram of the weights of all replicas at the end.
    pub histogram: Vec<[f64; 2]>,
    /// Mean weights over window and replicas, row-major, in blocks of `map_block` rows and columns where there are many.
    pub map: Vec<Vec<f64>>,
    /// Rows and columns of a block of the map.
    pub map_block: [usize; 2],
    /// What its array costs over the run, where `[technology]` says what its parts do.
    pub cost: Option<Cost>,
}

/// A digital network with an explicit L2.
#[derive(Debug, Clone, Copy, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct ExplicitFound {
    /// λ of all weights; none where every weight has its own.
    pub lambda: Option<f64>,
    /// Mean loss of the samples of validation at the end, mean over replicas.
    pub validation_loss: Option<f64>,
    /// Share of them whose class is found.
    pub validation_accuracy: Option<f64>,
    /// Mean loss of the held-out samples at the end.
    pub test_loss: Estimate,
    /// Share of them whose class is found.
    pub test_accuracy: Estimate,
    /// `‖w̄ - w̄_device‖` of the window means, over the bias.
    pub from_device: f64,
}

/// A network that was trained.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct TrainedNetwork {
    /// Numbers of samples.
    pub samples: Sizes,
    /// Names of the classes.
    pub classes: Vec<String>,
    /// Epoch by epoch.
    pub epochs: Vec<EpochFound>,
    /// Mean loss over the samples of the last epoch, as training read them.
    pub training_loss: Estimate,
    /// Share of the samples of training whose class is found at the end.
    pub training_accuracy: Estimate,
    /// Mean loss of the held-out samples at the end.
    pub test_loss: Estimate,
    /// Share of them whose class is found.
    pub test_accuracy: Estimate,
    /// The same of the digital twin: exact weights and reads, the same samples from the same start.
    pub digital_test_accuracy: Estimate,
    /// Its loss.
    pub digital_test_loss: Estimate,
    /// Difference of the two accuracies, replica by replica.
    pub accuracy_lost: Estimate,
    /// `‖w̄ - w_free‖` over all layers.
    pub bias_norm: f64,
    /// `‖w̄ - w_Pt‖` over that.
    pub prediction_error_pt: Option<f64>,
    /// Standard error of w̄ over replicas, over that.
    pub monte_carlo_error: f64,
    /// Of two tasks, the share of held-out samples of the first whose class is found after the second.
    pub first_accuracy: Estimate,
    /// What it was before, less that, replica by replica.
    pub forgotten: Estimate,
    /// The same of the digital twin.
    pub digital_first_accuracy: Estimate,
    /// The same of the digital twin.
    pub digital_forgotten: Estimate,
    /// `‖w₁‖² - ‖w_L‖²` of the first and the last layer, which the flow of rectifier networks without bias lines keeps; predicted along the trajectory.
    pub balance: Estimate,
    /// The same of the digital twin.
    pub digital_balance: Estimate,
    /// λ_max of the mean training loss at the first weights and at the mean ones of the digital twin, those of the first replica where they start apart.
    pub curvature: Option<[f64; 2]>,
    /// Digital networks with each explicit L2 that was asked for.
    pub explicit: Vec<ExplicitFound>,
    /// The one of them that validation prefers: most right answers, then the least loss.
    pub best_explicit: Option<ExplicitFound>,
    /// The one whose weights have each the λ that is predicted of the device.
    pub foreseen_explicit: Option<ExplicitFound>,
    /// Layer by layer.
    pub layers: Vec<LayerFound>,
    /// Of all replicas together: samples of class i (row) that were taken for class j.
    pub confusion: Vec<Vec<u64>>,
    /// Core-seconds of training that an epoch of one replica takes.
    pub seconds_per_epoch: f64,
}

impl ExplicitFound {
    fn template() -> Self {
        let estimate = Estimate::template();
        Self {
            lambda: Some(1.0),
            validation_loss: Some(1.0),
            validation_accuracy: Some(1.0),
            test_loss: estimate,
            test_accuracy: estimate,
            from_device: 1.0,
        }
    }
}

impl LayerFound {
    fn template() -> Self {
        let estimate = Estimate::template();
        Self {
            lambda_e1: estimate,
            lambda_e2: estimate,
            digital_lambda_e2: estimate,
            norm: estimate,
            digital_norm: estimate,
            prediction_error_pt: Some(1.0),
            cost: Some(Cost::template()),
            ..Self::default()
        }
    }
}

impl TrainedNetwork {
    /// A network in which every number exists; only its shape means something.
    pub(in crate::study) fn template() -> Self {
        let estimate = Estimate::template();
        Self {
            samples: Sizes {
                training: 1,
                validation: Some(1),
                test: Some(1),
            },
            training_loss: estimate,
            training_accuracy: estimate,
            test_loss: estimate,
            test_accuracy: estimate,
            digital_test_accuracy: estimate,
            digital_test_loss: estimate,
            accuracy_lost: estimate,
            prediction_error_pt: Some(1.0),
            first_accuracy: estimate,
            forgotten: estimate,
            digital_first_accuracy: estimate,
            digital_forgotten: estimate,
            balance: estimate,
            digital_balance: estimate,
            curvature: Some([1.0; 2]),
            best_explicit: Some(ExplicitFound::template()),
            foreseen_explicit: Some(ExplicitFound::template()),
            explicit: vec![ExplicitFound::template(); 16],
            layers: vec![LayerFound::template(); 16],
            ..Self::default()
        }
    }

    /// All estimates by the names of their keys.
    pub(super) fn estimates(&self) -> Vec<(String, Estimate)> {
        let own = [
            ("training-loss", self.training_loss),
            ("training-accuracy", self.training_accuracy),
            ("test-loss", self.test_loss),
            ("test-accuracy", self.test_accuracy),
            ("digital-test-accuracy", self.digital_test_accuracy),
            ("digital-test-loss", self.digital_test_loss),
            ("accuracy-lost", self.accuracy_lost),
            ("first-accuracy", self.first_accuracy),
            ("forgotten", self.forgotten),
            ("digital-first-accuracy", self.digital_first_accuracy),
            ("digital-forgotten", self.digital_forgotten),
            ("balance", self.balance),
            ("digital-balance", self.digital_balance),
        ];
        let own = own.into_iter().map(|(name, e)| (name.to_owned(), e));
        let layers = self.layers.iter().enumerate().flat_map(|(k, l)| {
            let named = |name: &str| format!("{name} of layer {}", k + 1);
            [
                (named("lambda-e1"), l.lambda_e1),
                (named("lambda-e2"), l.lambda_e2),
                (named("digital-lambda-e2"), l.digital_lambda_e2),
                (named("norm"), l.norm),
                (named("digital-norm"), l.digital_norm),
            ]
        });
        own.chain(layers).collect()
    }
}
