//! A whole study on the graphics processor is the study on the CPU.

use memridge::backend::Place;
use memridge::study::{Outcome, Overrides, Study, run_study};

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

/// A step of the finer device, in weights.
const PULSE: f64 = 1e-3;

/// The random integers are the same, so replica r is the same replica. What differs is rounding, and the rare pulse that rounding
/// makes one too many or too few: it moves a weight by one step, and training forgets it within some 1/η = 20 samples, a
/// fraction of the 300 samples of the mean. So no mean may be off by a whole pulse, most replicas have none, and λ keeps its value
/// to a hundredth of its interval.
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
        let mut differences = Vec::new();
        assert_eq!(cpu.runs.len(), other.runs.len());
        for (a, b) in cpu.runs.iter().zip(&other.runs) {
            assert_eq!((a.point, a.replica), (b.point, b.replica));
            let weights = a.weights.iter().zip(&b.weights);
            differences.extend(weights.map(|(a, b)| (a - b).abs()));
        }
        differences.sort_by(f64::total_cmp);
        let (median, worst) = (
            differences[differences.len() / 2],
            differences[differences.len() - 1],
        );
        println!(
            "share of pulses {share:.1e}, mean weights: median {median:.1e}, worst {worst:.1e}"
        );
        assert!(share < 5e-5, "{share}");
        assert!(median < 0.01 * PULSE, "{median}");
        assert!(worst < PULSE, "{worst}");
        for (a, b) in cpu.summary.points.iter().zip(&other.summary.points) {
            for (a, b) in [
                (a.lambda_e1, b.lambda_e1),
                (a.lambda_e2, b.lambda_e2),
                (a.lambda_e3, b.lambda_e3),
            ] {
                let width = a.high.unwrap() - a.low.unwrap();
                let off = (a.value.unwrap() - b.value.unwrap()).abs() / width;
                assert!(off < 0.01, "{a:?} {b:?}");
            }
        }
    }
}
