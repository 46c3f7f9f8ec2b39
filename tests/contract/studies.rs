//! A whole study on the graphics processor is the study on the CPU.

use memridge::backend::Place;
use memridge::study::{Outcome, Overrides, Study, run_study};
use statrs::statistics::Statistics;

/// Noise of every kind; two points that run side by side.
const STUDY: &str = r#"
title = "Two places"
claim = "The place changes nothing."
cite = ["wu2024"]
seed = 5
replicas = 40

[device]
model = "ideal/soft-bounds"
write-noise = 0.5

[device.cycle-to-cycle]
additive = 0.3
multiplicative = 0.3

[array]
read-noise = 0.02

[array.mapping.differential-pair]
zero = "symmetric-point"
conductance-per-weight = "20 uS"

[task.random-problems]
features = 5
samples = 40
input-deviation = 1.0
truth-deviation = 0.2
label-noise = 0.3

[training]
loss = "squared-error"
learning-rate = 0.05
schedule = "constant"
steps = 600
batch = 1
update = "per-sample"
average-from = 0.5
log-every = 5
pulses = "stochastic-rounding"

[sweep]
combine = "product"

[sweep.axes]
"device.law.soft-bounds.step" = ["20 nS", "40 nS"]
"#;

/// The same with trains instead of rounding.
fn with_trains() -> String {
    let pulses = "[training.pulses.coincidence]\nbit-length = 31\nupdate-management = true\n";
    STUDY.replace("pulses = \"stochastic-rounding\"\n", pulses)
}

fn run(text: &str, place: &Place) -> Outcome {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("places.toml");
    std::fs::write(&path, text).unwrap();
    let study = Study::read(&path, &Overrides::default()).unwrap();
    run_study(&study.at(place), &()).unwrap()
}

/// What tells a mean weight of another trajectory from one of the same trajectory, rounded otherwise: a hundredth of a step of the
/// finer device.
const MOVED: f64 = 1e-5;

/// The random integers are the same, so replica r is the same replica. What differs is rounding, and the rare bit of a train that
/// rounding sets or clears: from there on that replica goes another way. The pulse more or less changes the requests of some 20
/// samples, and they make as many again, so the ways meet late or never; at worst they are two draws of the same replica. So:
/// - no mean weight moves by more than two draws are apart, and most do not move;
/// - some three bits flip in a whole study (below), each in one of the 80 replicas: more than twelve moved ones has a probability of
///   1e-5;
/// - λ moves by less than a tenth of its interval: a replica of 40 that moves by its standard deviation takes it along by 4 % of
///   the width (σ/40 of 4σ/√40), and most move by much less.
///
/// How many pulses: products and sums that one place fuses and the other does not leave residuals off by some 1e-6 of themselves.
/// 48 000 samples with eleven trains of 31 bits that are set with probability 0.2 have 16 million bits, of which some three flip; one
/// in a column's train makes or takes two or three of that sample's pulses, and the answer of training as many again: 15 in 6 · 10⁵,
/// 2.5e-5. Twice that is allowed. (Counts of the same requests are held to 1e-5 in `counts.rs`.)
pub fn the_same_numbers(place: &Place) {
    for text in [STUDY.to_owned(), with_trains()] {
        let (cpu, other) = (run(&text, &Place::Cpu), run(&text, place));
        let pulses = |o: &Outcome| o.summary.pulses_per_device_update;
        let share = (pulses(&other) / pulses(&cpu) - 1.0).abs();
        assert_eq!(cpu.runs.len(), other.runs.len());
        let (mut moved, mut worst) = (0, 0.0_f64);
        for (a, b) in cpu.runs.iter().zip(&other.runs) {
            assert_eq!((a.point, a.replica), (b.point, b.replica));
            let mut apart = 0.0_f64;
            for (j, (v, w)) in a.weights.iter().zip(&b.weights).enumerate() {
                let same_point = cpu.runs.iter().filter(|r| r.point == a.point);
                let deviation = same_point.map(|r| r.weights[j]).std_dev();
                assert!((v - w).abs() < 4.0 * 2_f64.sqrt() * deviation);
                apart = apart.max((v - w).abs());
            }
            moved += usize::from(apart > MOVED);
            worst = worst.max(apart);
        }
        println!("share of pulses {share:.1e}, replicas moved {moved}, worst by {worst:.1e}");
        assert!(share < 5e-5, "{share}");
        assert!(moved <= 12, "{moved}");
        for (a, b) in cpu.summary.points.iter().zip(&other.summary.points) {
            for (a, b) in [
                (a.lambda_e1, b.lambda_e1),
                (a.lambda_e2, b.lambda_e2),
                (a.lambda_e3, b.lambda_e3),
            ] {
                let width = a.high.unwrap() - a.low.unwrap();
                let off = (a.value.unwrap() - b.value.unwrap()).abs() / width;
                assert!(off < 0.1, "{a:?} {b:?}");
            }
        }
    }
}
