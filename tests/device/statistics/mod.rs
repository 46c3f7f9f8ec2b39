//! Checks of distributions and of independence, for tests of every kind of randomness.

pub mod bench;

use memridge::backend::Place;
use memridge::device::Window;
use statrs::distribution::{ContinuousCDF, Normal};

pub const SEED: u64 = 0x0d15_7ab1;

pub const WINDOW: Window = Window {
    g_min: 1e-5,
    g_max: 5e-5,
};

/// Asserts that `sample` is standard normal.
pub fn check_normal(what: &str, sample: &[f64]) {
    let normal = Normal::standard();
    let mut sorted = sample.to_vec();
    sorted.sort_by(f64::total_cmp);
    let n = sorted.len() as f64;
    let distance = sorted.iter().enumerate().fold(0.0_f64, |d, (k, &x)| {
        let p = normal.cdf(x);
        d.max((p - k as f64 / n).abs())
            .max(((k + 1) as f64 / n - p).abs())
    });
    let d = n.sqrt() * distance;
    println!("{what}: √n D = {d:.2}");
    assert!(d < 1.9495, "{what}: √n D = {d}");
    // Kolmogorov–Smirnov is weak in the tails: mean and variance to four standard errors.
    let mean = sample.iter().sum::<f64>() / n;
    let square = sample.iter().map(|x| x * x).sum::<f64>() / n;
    assert!(n.sqrt() * mean.abs() < 4.0, "{what}: mean {mean}");
    assert!(
        (n / 2.0).sqrt() * (square - 1.0).abs() < 4.0,
        "{what}: mean square {square}"
    );
}

/// Asserts that two samples of standard normal numbers have nothing to do with each other: neither they nor their squares correlate.
pub fn check_independent(what: &str, pairs: impl Iterator<Item = (f64, f64)> + Clone) {
    let n = pairs.clone().count() as f64;
    assert!(n > 1000.0, "{what}: {n} pairs show little");
    let linear = pairs.clone().map(|(a, b)| a * b).sum::<f64>() / n.sqrt();
    // The square less one has a variance of two.
    let squares = pairs
        .map(|(a, b)| (a * a - 1.0) * (b * b - 1.0) / 2.0)
        .sum::<f64>()
        / n.sqrt();
    println!("{what}: √n r = {linear:.2}, of squares {squares:.2}");
    assert!(linear.abs() < 4.0, "{what}: √n r = {linear}");
    // Products of squares have longer tails than a Gaussian: a little more room.
    assert!(squares.abs() < 5.0, "{what}: √n r = {squares} of squares");
}

/// Where devices are simulated, and with how many replicas: loops along them and across cells.
pub fn sites() -> Vec<(String, Place, usize)> {
    let mut all = vec![
        ("CPU, along replicas".to_owned(), Place::Cpu, 200),
        ("CPU, across cells".to_owned(), Place::Cpu, 1),
    ];
    #[cfg(feature = "gpu")]
    all.push(("GPU".to_owned(), Place::gpu(None).unwrap(), 40));
    all
}
