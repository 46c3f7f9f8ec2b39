//! What time does to states.

use std::sync::Arc;

use memridge::device::{Cells, Retention};

use super::devices::forgetful;
use super::fixture::{Site, Worst, scalar, shape, stack, states};

/// Cells that lose their own parts: each after its own law, whether that is rounded at random or not.
pub fn own_relaxation(site: Site) {
    let shape = shape(40, 3, 7);
    let cells = forgetful(shape.cells());
    let nominal = cells.retention().unwrap();
    // Losses from 1e-4, which are rounded at random, to nearly everything.
    let own: Vec<Retention> = (0..shape.cells())
        .map(|k| Retention {
            rest: 0.2 + 0.03 * k as f64,
            lifetime: 7000.0 * 0.6_f64.powi(k as i32),
        })
        .collect();
    let cells = Arc::new(Cells::clone(&cells).with_retentions(nominal, own.clone()));
    let start: Vec<f64> = (0..shape.cells()).map(|k| 0.9 - 0.04 * k as f64).collect();
    let run = |site: &Site| {
        let mut stack = stack(site, shape, &cells, true);
        stack.write(&start).unwrap();
        // The second time as long, so that what was found for the first does not do.
        stack.relax(3, 0.5).unwrap();
        stack.relax(4, 0.5).unwrap();
        stack.relax(5, 1.0).unwrap();
        Worst::of(&states(&mut *stack), |k, _| {
            let left = (-2.0 / own[k].lifetime).exp();
            own[k].rest + (start[k] - own[k].rest) * left
        })
    };
    run(&site).check("states of unequal lifetimes", run(&scalar()), 3e-7);
}
