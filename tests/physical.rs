//! Physical laws against their limits and against finer integration.

use std::path::Path;

use memridge::device::{
    AnyLaw, Cells, CycleNoise, LIBRARY, LOWER, OWN, STEP, UPPER, laws, load_device,
};

const DEVICES: [&str; 4] = [
    "reram/strukov2008-joglekar",
    "reram/strukov2008-biolek",
    "reram/kvatinsky2015",
    "reram/jiang2016",
];

/// Places of the widths in the parameters of every physical law.
const WIDTHS: [usize; 2] = [OWN + 2, OWN + 3];

/// One pulse is 64 pulses of a 64th of its width to 2·10⁻⁴ of change and nominal step: parts are chosen so that a pulse misses four times as many by
/// half of that, and the midpoint rule errs by the square of a part.
#[test]
fn a_pulse_is_followed_finely_enough() {
    for name in DEVICES {
        let device = load_device(name, Path::new("")).unwrap();
        let cells = device.cells(1, 0).unwrap();
        let p = cells.double(0).parameters.to_vec();
        let mut short = p.clone();
        for place in WIDTHS {
            short[place] /= 64.0;
        }
        println!("{name}: {} parts, trains of {}", p[p.len() - 1], cells.longest_train());
        for k in 1..20 {
            let s = p[LOWER] + (p[UPPER] - p[LOWER]) * f64::from(k) / 20.0;
            for polarity in [1.0, -1.0] {
                let change = cells.law().step(&p, s, polarity);
                let end = (0..64).fold(s, |s, _| s + cells.law().step(&short, s, polarity));
                let miss = (change - (end - s)).abs() / (change.abs() + p[STEP]);
                assert!(miss < 2e-4, "{name} at {s}, {polarity}: {miss}");
                assert!(change * polarity > 0.0);
            }
        }
    }
}

/// Parts are chosen by the worst pulse: longer pulses get more of them, and the longest are refused.
#[test]
fn parts_follow_from_the_worst_pulse() {
    let text = LIBRARY.iter().find(|(n, _)| *n == "reram/strukov2008-biolek");
    let text = text.unwrap().1;
    let folder = tempfile::tempdir().unwrap();
    let load = |width: &str| {
        let path = folder.path().join("t.toml");
        std::fs::write(&path, text.replace("\"500 us\"", &format!("\"{width}\""))).unwrap();
        load_device(&path.display().to_string(), Path::new(""))
    };
    let parts = |width| {
        let device = load(width).unwrap();
        device.parameters().last().unwrap().1
    };
    let found = ["1 us", "500 us", "2 ms", "5 ms"].map(parts);
    assert_eq!(found[0], 4.0);
    assert!(found.windows(2).all(|w| w[0] <= w[1]), "{found:?}");
    assert!(found[3] > found[1], "{found:?}");
    let message = load("50 ms").err().unwrap().to_string();
    assert!(message.contains("half the window") || message.contains("256 parts"), "{message}");
}

/// A noisy train has the moments of its pulses as far as trains are made, and a quiet one ends where single pulses end.
#[test]
fn trains_are_one_long_pulse() {
    for name in DEVICES {
        for noise in [[0.0, 0.0], [0.5, 0.0], [0.0, 0.5], [0.3, 0.4]] {
            let device = load_device(name, Path::new("")).unwrap();
            let p: Vec<f64> = device.parameters().map(|(_, v)| v).collect();
            let noise = CycleNoise::new(noise[0], noise[1]);
            let law = law(device.law().name());
            let cells = Cells::new(law, device.window(), noise, 0.0, false, p.clone(), p.clone());
            println!("{name} {noise:?}: {}", cells.longest_train());
            let cell = cells.double(0);
            for n in [2, 3, 4, 7, 16, 31].into_iter().filter(|&n| n <= cells.longest_train()) {
                for k in 0..=7 {
                    let s = p[LOWER] + (p[UPPER] - p[LOWER]) * f64::from(k) / 7.0;
                    for polarity in [1.0, -1.0] {
                        let (mean, variance) = cells.law().train(&cell, s, polarity, n);
                        let found = cells.law().expanded(&p, &cells.noise(), s, polarity, n);
                        let allowed = 1e-4 * ((mean - s).abs() + p[STEP]);
                        assert!((found.0 - mean).abs() <= allowed);
                        let floor = 1e-5 * f64::from(n) * noise.variance(p[STEP], p[STEP]);
                        assert!((found.1 - variance).abs() <= 1e-3 * variance + floor);
                    }
                }
            }
        }
    }
}

fn law(name: &str) -> std::sync::Arc<dyn AnyLaw> {
    laws().into_iter().find(|l| l.name() == name).unwrap()
}

/// Linear drift at mid-window of a flat window: charge moves the boundary by `μ R_on/D² · V t/R`, and resistances are linear in it.
#[test]
fn linear_drift_moves_as_strukov_wrote() {
    let law = law("linear-ion-drift-biolek");
    let width = 1e-9;
    let p = [
        1e-3, 0.0, 1.0, 1.0, -1.0, width, width, 1e-14, 1e-8, 100.0, 16e3, 20.0,
        8.0,
    ];
    let s = 0.4;
    let resistance = 100.0 * s + 16e3 * (1.0 - s);
    let known = 1e-14 * 100.0 / 1e-16 / resistance * width;
    // The window is flat to 0.4^40, and the state moves by 10⁻⁹ of itself.
    let found = law.step(&p, s, 1.0);
    assert!((found / known - 1.0).abs() < 1e-8, "{found} {known}");
    let x = (1.0 / resistance - 1.0 / 16e3) / (1.0 / 100.0 - 1.0 / 16e3);
    assert!((law.conductance(&p, s) / x - 1.0).abs() < 1e-13);
}

/// VTEAM: eight times the speed at twice the voltage above a threshold with exponent three, nothing below the threshold.
#[test]
fn vteam_has_its_thresholds_and_powers() {
    let law = law("vteam");
    let step = |set: f64| {
        let p = [
            1e-3, 0.0, 1.0, set, 0.5, 1e-13, 1e-12, 10.0, 5e-4, -0.2, 0.02, 3.0, 1.0, 3e-9, 50.0,
            1e3, 10.0, 8.0,
        ];
        law.step(&p, 0.5, 1.0)
    };
    // Nothing, to the cube of the smallest number that has a logarithm in single precision.
    assert!(step(-0.19).abs() < 1e-90);
    let ratio = step(-0.3) / step(-0.25);
    assert!((ratio - 8.0).abs() < 1e-3, "{ratio}");
    // |k|/D (V/V_th - 1)³ t
    let known = 10.0 / 3e-9 * 0.25_f64.powi(3) * 1e-13;
    assert!((step(-0.25) / known - 1.0).abs() < 1e-5);
}

/// Stanford–PKU: without heat and at a small gap, `v₀ e^{-E/kT} sinh(γ a₀ V/(L kT))`; heat makes it faster.
#[test]
fn the_filament_hops_as_arrhenius_says() {
    let law = law("stanford-pku");
    let step = |heat: f64, temperature: f64| {
        let p = [
            1e-3,
            0.0,
            1.0,
            1.0,
            -1.0,
            1e-12,
            1e-12,
            10.0,
            0.6,
            16.0,
            0.0,
            2.5e-10,
            1.2e-8,
            heat,
            temperature,
            1e-3,
            0.25,
            2.5e-10,
            2e-10,
            1.7e-9,
            8.0,
        ];
        law.step(&p, 0.9, 1.0)
    };
    let thermal = 8.617333262e-5 * 298.0;
    let velocity = 10.0 * (-0.6_f64 / thermal).exp() * (16.0 * 2.5e-10 / 1.2e-8 / thermal).sinh();
    let known = velocity / 1.5e-9 * 1e-12;
    assert!((step(0.0, 298.0) / known - 1.0).abs() < 1e-6);
    assert!(step(2100.0, 298.0) > 1.05 * known);
    assert!(step(0.0, 310.0) > 1.05 * known);
}
