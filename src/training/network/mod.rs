//! Networks of dense layers, each an array: what they are, what they compute exactly, and how they are trained.
//!
//! A layer computes `a = φ(z)`, `z_c = Σ_r x_r w_rc`, with one row more than it has inputs where it has a bias line, which is driven with 1.
//! Errors flow back as `∂L/∂x_r = Σ_c w_rc ∂L/∂z_c`, and the gradient of one sample is the outer product `x_r ∂L/∂z_c`.

mod activation;
mod curvature;
mod exact;
mod examples;
mod importance;
mod layers;
mod normalisation;
mod objective;
mod run;
mod score;
mod start;

pub use activation::Activation;
pub use curvature::largest_curvature;
pub(crate) use exact::transposed_product;
pub use exact::{Passes, gradient_errors};
pub use examples::{Examples, Targets};
pub use importance::importances;
pub use layers::Layers;
pub use normalisation::{Normalisation, Normaliser};
pub use objective::{Objective, Target};
pub use run::{APART, Course, Single, Watcher, train_network};
pub use score::{Scores, score};
pub use start::Start;

/// One layer: an array and what is done to its sums.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dense {
    /// Inputs, without the bias line.
    pub inputs: usize,
    /// Outputs.
    pub outputs: usize,
    /// Whether there is a bias line, the last row of the array.
    pub bias: bool,
    /// What is done to the sums.
    pub activation: Activation,
}

impl Dense {
    /// Rows of the array.
    pub fn rows(&self) -> usize {
        self.inputs + usize::from(self.bias)
    }

    /// Number of weights.
    pub fn weights(&self) -> usize {
        self.rows() * self.outputs
    }
}

/// Layers in the order of the forward pass, and what their outputs are compared by.
#[derive(Debug, Clone, PartialEq)]
pub struct Network {
    /// The layers.
    pub layers: Vec<Dense>,
    /// The loss of the last sums; the activation of the last layer is the identity.
    pub objective: Objective,
    /// How the sums of hidden layers are normalised over batches, if they are. Exact passes know nothing of it.
    pub normalisation: Option<Normalisation>,
}

impl Network {
    /// A network of `inputs` features and layers of these sizes, all but the last with `activation`.
    ///
    /// # Panics
    /// Without layers.
    pub fn new(
        inputs: usize,
        sizes: &[usize],
        bias: bool,
        activation: Activation,
        objective: Objective,
    ) -> Self {
        assert!(!sizes.is_empty(), "a network has layers");
        let before = std::iter::once(&inputs).chain(sizes);
        let last = sizes.len() - 1;
        let layers = before.zip(sizes).enumerate();
        Self {
            layers: layers
                .map(|(k, (&inputs, &outputs))| Dense {
                    inputs,
                    outputs,
                    bias,
                    activation: match k == last {
                        true => Activation::Identity,
                        false => activation,
                    },
                })
                .collect(),
            objective,
            normalisation: None,
        }
    }

    /// Features that it takes.
    pub fn inputs(&self) -> usize {
        self.layers[0].inputs
    }

    /// Outputs that it gives.
    pub fn outputs(&self) -> usize {
        self.layers[self.layers.len() - 1].outputs
    }

    /// Number of weights of all layers.
    pub fn weights(&self) -> usize {
        self.layers.iter().map(Dense::weights).sum()
    }
}
