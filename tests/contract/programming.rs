//! Programming: means, deviations and random numbers are the same everywhere.

use std::path::Path;
use std::sync::Arc;

use memridge::backend::StackVector;
use memridge::device::load_device;
use memridge::number::Purpose;

use super::fixture::{Site, Worst, normal, scalar, scattered, shape, stack, states};

const STEP: u32 = 5;

/// Every cell is its mean and its own number of deviations, not below 0 S, and inside hard bounds.
pub fn programmed(site: Site) {
    let shape = shape(21, 5, 7);
    let files = [
        "pcm/joshi2020",
        "flash/agrawal2022-day-3",
        "reram/falcone2025-coarse",
    ];
    for name in files {
        let device = load_device(name, Path::new("")).unwrap();
        let cells = Arc::new(device.cells(shape.cells(), 7).unwrap());
        // The lowest cells are often stopped at zero.
        let start: Vec<f64> = (0..shape.cells()).map(|k| scattered(k).powi(3)).collect();
        let window = device.window();
        let moments = |k: usize| {
            let target = window.g_min + start[k] * window.span();
            device.programming().unwrap().moments(target)
        };
        let run = |site: &Site| {
            let mut stack = stack(site, shape, &cells, true);
            stack.program(STEP, &start).unwrap();
            let found = states(&mut *stack);
            let mut seen = StackVector::zeros(shape.cells(), shape.replicas);
            stack.conductances(&mut seen).unwrap();
            let as_seen = Worst::of(&seen, |k, r| {
                window.g_min + window.span() * f64::from(found.lanes(k)[r])
            });
            // A few roundings of a conductance.
            assert!(as_seen.0 <= 5e-7 * window.g_max, "{name}: {}", as_seen.0);
            Worst::of(&found, |k, r| {
                let [mean, deviation] = moments(k);
                let g = mean + deviation * normal(STEP, k, r, Purpose::Programming, 0);
                let s = (g.max(0.0) - window.g_min) / window.span();
                if device.hard_bounds() {
                    s.clamp(0.0, 1.0)
                } else {
                    s
                }
            })
        };
        run(&site).check(name, run(&scalar()), 1e-6);
    }
}
