//! Every device file of the library, and every law with parameters that all differ from cell to cell: the crate's own, and the
//! one that the example adds from outside.

use std::path::Path;
use std::sync::Arc;

use memridge::device::{
    self, AnyLaw, Cells, CycleNoise, Kind, LIBRARY, OWN, Piecewise, Retention, STEP, Window,
    load_device,
};

use super::custom_law::BowedBounds;

pub const WINDOW: Window = Window {
    g_min: 1e-5,
    g_max: 5e-5,
};

/// A step whose whole multiples, added to the middle of the window, are exact in single precision here.
pub const EXACT_STEP: f64 = 1.0 / 1024.0;

/// The laws that device files can name, and one of a user's own.
fn laws() -> Vec<Arc<dyn AnyLaw>> {
    let own: Arc<dyn AnyLaw> = Arc::new(BowedBounds);
    device::laws().into_iter().chain([own]).collect()
}

/// Equal cells of a law.
fn equal(
    law: &str,
    noise: [f64; 2],
    write_noise: f64,
    hard: bool,
    p: &[f64],
    count: usize,
) -> Cells {
    Cells::new(
        laws().into_iter().find(|l| l.name() == law).unwrap(),
        WINDOW,
        CycleNoise::new(noise[0], noise[1]),
        write_noise,
        hard,
        p.to_vec(),
        p.repeat(count),
    )
}

/// Cells whose state counts their pulses exactly.
pub fn counters(count: usize) -> Arc<Cells> {
    let p = [EXACT_STEP, 0.0, 1.0, 0.0];
    Arc::new(equal("constant-step", [0.0; 2], 0.0, false, &p, count))
}

/// Counters whose writing is noisy, in nominal steps.
pub fn noisy_counters(count: usize, write_noise: f64) -> Arc<Cells> {
    let p = [EXACT_STEP, 0.0, 1.0, 0.0];
    Arc::new(equal(
        "constant-step",
        [0.0; 2],
        write_noise,
        false,
        &p,
        count,
    ))
}

/// Cells whose states relax.
pub fn forgetful(count: usize) -> Arc<Cells> {
    let p = [EXACT_STEP, 0.0, 1.0, 0.0];
    let retention = Retention {
        rest: 0.4,
        lifetime: 2.0,
    };
    Arc::new(equal("constant-step", [0.0; 2], 1.0, false, &p, count).with_retention(retention))
}

/// Sensible parameters of every law.
fn sensible(law: &str) -> Vec<f64> {
    let p: &[f64] = match law {
        "piecewise" => {
            let (up, down) = ([2.0, 1.2, 1.0, 0.9, 0.2], [0.3, 0.4, 1.5]);
            return [vec![0.01, 0.0, 1.0], Piecewise::own(&up, &down, true)].concat();
        }
        "constant-step" => &[0.01, 0.0, 1.0, 0.1],
        "linear-step" => &[0.01, 0.0, 1.0, 0.1, 0.5, 0.6, -0.2],
        "soft-bounds" => &[0.01, 0.0, 1.0, 0.5],
        "exp-step" => &[0.01, 0.0, 1.0, 0.1, 1.0, 0.1, 5.0, 1.0, 0.9, 5.0],
        "bowed-bounds" => &[0.01, 0.0, 1.0, 0.8],
        "power-step" => &[0.01, 0.0, 1.0, 0.5, 2.0, 1.5],
        "exponential-readout" => &[0.01, 0.0, 1.0, 0.1, 3.0, 0.5],
        "sigmoid-readout" => &[0.01, 0.0, 1.0, 0.1, 4.0, 0.5],
        "linear-ion-drift-joglekar" | "linear-ion-drift-biolek" => &[
            0.001, 0.0, 1.0, 1.0, -1.0, 1e-3, 1e-3, 1e-14, 1e-8, 100.0, 16e3, 1.0, 0.0, 0.0, 0.0,
            0.0, 8.0,
        ],
        "vteam" => &[
            0.004, 0.0, 1.0, -0.25, 0.5, 1e-10, 1e-9, 10.0, 5e-4, -0.2, 0.02, 3.0, 1.0, 3e-9, 50.0,
            1e3, 10.0, 0.0, 0.0, 0.0, 0.0, 8.0,
        ],
        "stanford-pku" => &[
            0.004, 0.0, 1.0, 1.0, -1.0, 5e-8, 5e-8, 10.0, 0.6, 16.0, 0.8, 2.5e-10, 1.2e-8, 2100.0,
            298.0, 1e-3, 0.25, 2.5e-10, 2e-10, 1.7e-9, 0.02, 0.0, 1e-8, 0.0, 8.0,
        ],
        "yakopcic" => &[
            0.008, 0.01, 1.0, 0.3, -0.3, 2e-5, 2e-5, 0.16, 0.15, 4e3, 4e3, 0.3, 0.5, 1.0, 5.0,
            0.05, 0.0, 0.0, 1e-5, 4.0,
        ],
        "messaris" => &[
            0.009, 0.0, 1.0, -1.0, 0.9, 2e-5, 2e-6, 68012.3, 743.5, 0.31645, 6.51, 1.17e-3,
            5.11e-4, 29304.8, 16719.0, 23692.8, 0.0, 6e3, 11e3, 0.0, 0.0, 0.0, 0.0, 4.0,
        ],
        "messaris-square" => &[
            0.012, 0.0, 1.0, 1.5, -1.5, 5e-8, 1e-6, 600.0, 34.6, -0.0212, -0.0534, 2699.2, 649.4,
            -672.9, -1474.3, 1.7e3, 2.85e3, 0.0, 0.0, 0.0, 0.0, 2.0,
        ],
        "metastable-switches" => &[
            0.013, 0.001, 0.999, 0.2, -0.5, 1e-5, 1e-5, 3.2e-4, 0.17, 0.22, 500.0, 298.0,
        ],
        "programmed" => &[0.0, 0.0, 1.0],
        "exponential" => &[0.01, 0.0, 1.0, 2.0, -5.0, 0.9],
        other => panic!("give the law {other} parameters here"),
    };
    p.to_vec()
}

/// Cells of a law that differ in every parameter but those that all cells of a device share, with both kinds of noise.
fn varied(law: &str, hard: bool, count: usize) -> Cells {
    varied_with(law, CycleNoise::new(0.3, 0.5), hard, count)
}

/// The same with other noise.
fn varied_with(law: &str, noise: CycleNoise<f64>, hard: bool, count: usize) -> Cells {
    let nominal = sensible(law);
    let law = laws().into_iter().find(|l| l.name() == law).unwrap();
    let physical = law.derives_step();
    let shared = |i: usize| {
        let own = i.checked_sub(OWN).and_then(|k| law.parameters().get(k));
        own.is_some_and(|p| matches!(p.kind, Kind::Node | Kind::Derived))
    };
    let parameters = (0..count)
        .flat_map(|cell| {
            let shared = &shared;
            nominal.iter().enumerate().map(move |(i, &p)| {
                if shared(i) {
                    return p;
                }
                let part = 0.03 * ((cell + 3 * i) % 5) as f64;
                // Bounds move outwards, so that no reference leaves the window.
                match i {
                    STEP => p * (1.0 + part),
                    // The state is a part of a whole.
                    1 if physical => p + 0.1 * part,
                    2 if physical => p - 0.1 * part,
                    1 => p - part,
                    // SI units, and exponentials of them.
                    3.. if physical => p * (1.0 + 0.1 * part),
                    _ => p + part,
                }
            })
        })
        .collect();
    Cells::new(
        Arc::clone(&law),
        WINDOW,
        noise,
        0.5,
        hard,
        nominal.clone(),
        parameters,
    )
}

/// All of them, by name, with `count` cells.
pub fn all(count: usize) -> Vec<(String, Arc<Cells>)> {
    let files = LIBRARY.iter().map(|(name, _)| {
        let device = load_device(name, Path::new("")).unwrap();
        (
            (*name).to_owned(),
            Arc::new(device.cells(count, 7).unwrap()),
        )
    });
    let laws = laws().into_iter().flat_map(|law| {
        let name = law.name();
        [true, false].map(|hard| {
            let bounds = if hard { "hard" } else { "soft" };
            (
                format!("{name}, {bounds}"),
                Arc::new(varied(name, hard, count)),
            )
        })
    });
    // Noise along the window, of laws with and without closed trains; a slope that ends it inside the window, too.
    let affine = [
        "soft-bounds",
        "constant-step",
        "exp-step",
        "sigmoid-readout",
    ];
    let affine = affine.into_iter().flat_map(|name| {
        [(1.0, false), (-0.5, true), (2.0, true)].map(|(slope, correlated)| {
            let noise = CycleNoise::new(0.3, 0.5).along_window(slope, correlated);
            let kind = if correlated { "correlated " } else { "" };
            (
                format!("{name}, {kind}noise of slope {slope}"),
                Arc::new(varied_with(name, noise, true, count)),
            )
        })
    });
    files.chain(laws).chain(affine).collect()
}
