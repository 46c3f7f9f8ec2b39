//! How much each weight matters to what a network has learned.

use super::run::Pass;
use super::{Layers, Network, Single};
use crate::backend::StackVector;
use crate::error::Result;

/// The mean square `E[(x_r ∂L/∂z_c)²]` of the gradients of single samples, the diagonal of the empirical Fisher information, of every layer (row-major, one element a weight and
/// replica), as the arrays are read forwards and backwards; a network that is normalised learns its means
/// once more. `turn` as for [`score`](super::score()).
///
/// # Errors
/// Those of the arrays.
pub fn importances(
    network: &Network,
    data: &Single,
    turn: u32,
    layers: &mut Layers,
) -> Result<Vec<StackVector>> {
    let replicas = layers.replicas();
    let mut pass = Pass::new(network, replicas);
    let mut sums: Vec<StackVector> = network
        .layers
        .iter()
        .map(|l| StackVector::zeros(l.weights(), replicas))
        .collect();
    let mut losses = vec![0.0; replicas];
    pass.each(data, turn, layers, true, |pass, _, step, layers| {
        pass.compare(data, &mut losses);
        pass.backward(step, layers)?;
        for (k, sum) in sums.iter_mut().enumerate() {
            pass.add_squares(k, sum);
        }
        Ok(())
    })?;
    let share = 1.0 / data.len() as f32;
    for sum in &mut sums {
        sum.all_mut().iter_mut().for_each(|s| *s *= share);
    }
    Ok(sums)
}
