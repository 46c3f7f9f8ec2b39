//! Where algorithms come to rest on problems whose answer is known.

use memridge::study::summary::Point;
use memridge::study::{Overrides, Study, run_study};

/// A study of one array, weights ±1 about the middle of the window, on these data.
fn settle(device: &str, data: &str, training: &str) -> Point {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("data.csv"), data).unwrap();
    let text = format!(
        r#"title = "t"
claim = "t"
cite = []
seed = 11
replicas = 64
[device]
model = "ideal/{device}
[array]
read-noise = 0.0
[array.mapping.reference-column]
zero = "middle"
conductance-per-weight = "20 uS"
[task]
data = "data.csv"
target = "y"
standardise = false
[training]
loss = "squared-error"
schedule = "constant"
log-every = 1
{training}
"#
    );
    let path = folder.path().join("t.toml");
    std::fs::write(&path, text).unwrap();
    let study = Study::read(&path, &Overrides::default()).unwrap_or_else(|e| panic!("{e}"));
    run_study(&study, &()).unwrap().summary.points.remove(0)
}

/// All signs of three inputs, and for each of them these errors about `0.4 a - 0.3 b`: H = 1.
fn factorial(errors: &[f64]) -> String {
    let mut data = "a,b,c,y\n".to_owned();
    for k in 0..8 {
        let [a, b, c] = [1, 2, 4].map(|bit| if k & bit == 0 { 1.0 } else { -1.0 });
        for error in errors {
            data += &format!("{a},{b},{c},{}\n", 0.4 * a - 0.3 * b + error);
        }
    }
    data
}

/// With the sign of the whole gradient weights walk to least squares and stay within the steps that they take, whatever the learning rate.
#[test]
fn signs_of_whole_gradients_find_least_squares_within_their_steps() {
    for pulses in [1, 5, 25] {
        let training = format!(
            "learning-rate = 0.7\nsteps = 1200\naverage-from = 0.5\nbatch = \"full\"\nupdate = \"summed\"\npulses = \"deterministic\"\n\
             algorithm = {{ sign = {{ pulses = {pulses} }} }}"
        );
        let point = settle("constant-step\"", &factorial(&[-0.3, 0.3]), &training);
        // 20 nS of 20 µS; gradients of zero are rounded in single precision.
        let step = 0.001 * f64::from(pulses);
        for (w, expected) in point.weights.iter().zip([0.4, -0.3, 0.0]) {
            assert!((w.free - expected).abs() < 1e-12);
            let miss = (w.measured - expected).abs();
            assert!(miss < step && w.deviation < step, "{pulses}: {w:?}");
        }
        // The largest weight is beyond the steps of the finest walk that have not been taken yet at half of the run.
        assert!(point.weights[0].measured > 0.35);
    }
}

/// With signs of single samples weights settle at the median: of y/x = 0, 0, 0, 1, 1 at 0, where the mean is 0.4. The walk is up with 2/5 and down with 3/5
/// beyond 0, up with 2/5 and still with 3/5 at it: stationary with a ratio r = 2/3 from step to step, mean r/(1-r) = 2 steps and deviation √r/(1-r) = √6.
#[test]
fn signs_of_single_samples_find_the_median() {
    let data = "x,y\n1,0\n1,0\n1,0\n1,1\n1,1\n-1,0\n-1,0\n-1,0\n-1,-1\n-1,-1\n";
    let training = "learning-rate = 0.1\nsteps = 40000\naverage-from = 0.1\nbatch = 1\nupdate = \"per-sample\"\npulses = \"deterministic\"\n\
         algorithm = { sign = { pulses = 1, dead-zone = 1e-4 } }";
    let point = settle("constant-step\"", data, training);
    let w = &point.weights[0];
    assert!((w.free - 0.4).abs() < 1e-12);
    // The walk relaxes at 1 - 2√(.4·.6) = .02 a step: some 100 steps a sample of the deviation 2.4, 64 · 36 000 of them: ±.016 and, of a square with a long
    // tail, ±1 %; four times that.
    assert!((w.measured / 0.001 - 2.0).abs() < 0.065, "{w:?}");
    let deviation = w.deviation / 0.001 / 6.0_f64.sqrt();
    assert!((deviation - 1.0).abs() < 0.04, "{w:?}");
    let plain = training.split("algorithm").next().unwrap();
    let plain = &settle("constant-step\"", data, plain).weights[0];
    assert!((plain.measured - 0.4).abs() < 0.02, "{plain:?}");
}

/// The family of Tiki-Taka on soft bounds, where plain descent is off by `λ w/(1 + λ)`, λ = E|g|/τ: what is left is about λ = E|g| E|a|/(τ² s), a what is read
/// of the fast array and s how much of the mean of a gets through. |g| = .5, and a forgets in T = τ/(η E|g|) updates, 200, and deviates by √(η |g| τ/2) = .05.
///
/// Where signs turn, at twice the rate, T = 100 and the deviation is .071. At random, every 150 updates (3 lines, 50 reads): the mean of `sign · a` follows
/// `-(1/T + 2/150)`, so that s = 1/(1 + 200/150) = .43. Regularly: `1 - tanh(x/2)/(x/2) + tanh(x/2)` with x = 150/T, the second term what the reference
/// remembers of the last peak, .79; and reads less the reference, which remembers some .3 T of them, deviate by about 1.3 times as much.
#[test]
fn tiki_taka_finds_least_squares_where_plain_descent_does_not() {
    let run = |algorithm: &str| {
        let training = format!(
            "learning-rate = 0.01\nsteps = 24000\naverage-from = 0.5\nbatch = 1\nupdate = \"per-sample\"\npulses = \"stochastic-rounding\"\n{algorithm}"
        );
        settle("soft-bounds\"", &factorial(&[-0.5, 0.5]), &training)
    };
    let plain = run("");
    let expected = 0.5 / 1.5;
    // P0; fluctuations raise E|g| by a few parts in a hundred.
    assert!(
        (plain.bias_norm / (0.5 * expected) - 1.0).abs() < 0.05,
        "{}",
        plain.bias_norm
    );
    let pair = "fast-rate = 1.0, transfer-every = 1, transfer-rate = 0.02";
    let turned = "fast-rate = 2.0, transfer-every = 1, transfer-rate = 0.01";
    for (algorithm, deviation) in [
        (format!("tiki-taka = {{ {pair} }}"), 0.05),
        (format!("tiki-taka-v2 = {{ {pair} }}"), 0.05),
        (
            format!("tiki-taka-v2 = {{ {pair}, calibration = {{ pairs = 100, reads = 1 }} }}"),
            0.05,
        ),
        (
            format!("chopped-tiki-taka = {{ {turned}, turn-probability = 0.02 }}"),
            0.0707 / 0.43,
        ),
        (
            format!("agad = {{ {turned}, turn-every = 50, average = 0.1 }}"),
            1.3 * 0.0707 / 0.79,
        ),
    ] {
        let lambda = 0.5 * (2.0 / std::f64::consts::PI).sqrt() * deviation;
        let expected = 0.5 * lambda / (1.0 + lambda);
        let bias = run(&format!("algorithm = {{ {algorithm} }}")).bias_norm;
        // Digital matrices average some of the noise away before it is written.
        assert!(
            bias < 1.05 * expected && bias > 0.8 * expected,
            "{algorithm}: {bias}"
        );
    }
    // Weights that are C + γ A follow A at once, which pulls back what C has too much.
    let residual = run(&format!(
        "algorithm = {{ residual-learning = {{ {pair}, lines = 1, gamma = 0.5 }} }}"
    ));
    assert!(residual.bias_norm < 0.0098, "{}", residual.bias_norm);
}

/// Nothing to learn, y = ±1 at random: plain descent rests between zero and the symmetric points of its cells, which zero-shifting makes zero.
#[test]
fn zero_shifted_descent_rests_at_its_own_zero() {
    let mut data = "a,b,c,y\n".to_owned();
    for k in 0..8 {
        let [a, b, c] = [1, 2, 4].map(|bit| if k & bit == 0 { 1 } else { -1 });
        data += &format!("{a},{b},{c},1\n{a},{b},{c},-1\n");
    }
    let device = "soft-bounds\"\n[device.device-to-device]\nsymmetric-point = { normal = 0.08 }";
    let run = |algorithm: &str| {
        let training = format!(
            "learning-rate = 0.01\nsteps = 20000\naverage-from = 0.1\nbatch = 1\nupdate = \"per-sample\"\npulses = \"stochastic-rounding\"\n{algorithm}"
        );
        settle(device, &data, &training)
    };
    let plain = run("");
    let shifted = run("algorithm = { zero-shifting = { pairs = 8000, reads = 1 } }");
    for (plain, shifted) in plain.weights.iter().zip(&shifted.weights) {
        // P1 is that of the cells as drawn.
        let errors = (plain.measured - plain.p1) / plain.standard_error;
        assert!(errors.abs() < 4.0, "{plain:?}");
        // The last pulse went down: zero is half a step of 0.001 below the symmetric point.
        let miss = shifted.measured.abs();
        assert!(miss < 4.0 * shifted.standard_error + 5e-4, "{shifted:?}");
    }
    assert!(plain.weights.iter().any(|w| w.measured.abs() > 0.05));
}

/// Proximal steps of the whole set settle at least squares at a hundred times the largest explicit rate, on an ideal device as well; those of single samples
/// where samples count by `1/(1 + η|x|²)`.
#[test]
fn proximal_steps_find_least_squares_at_any_rate() {
    let run = |rate: f64, more: &str| {
        let training = format!(
            "learning-rate = {rate}\nsteps = 60\naverage-from = 0.5\n{more}\nstep-rule = \"proximal\"\n"
        );
        // H = 1: 2/λ_max is 2.
        settle("constant-step\"", &factorial(&[-0.3, 0.3]), &training)
    };
    for pulses in ["expected", "stochastic-rounding"] {
        let whole = format!("batch = \"full\"\nupdate = \"summed\"\npulses = \"{pulses}\"");
        let point = run(200.0, &whole);
        // Errors of single precision, times the rate; rounding to a step of 0.001 leaves √64 replicas less of it.
        let tolerance = if pulses == "expected" { 2e-5 } else { 5e-4 };
        assert!(point.bias_norm < tolerance, "{pulses}: {}", point.bias_norm);
        assert!(point.lambda_predicted.is_none());
        let words = "theory speaks of explicit steps";
        assert!(
            point.warnings.iter().any(|w| w.contains(words)),
            "{:?}",
            point.warnings
        );
    }
    // y/x = 1 at x = 1 and 0 at x = 2: by weights of 1/(1 + 3) and 1/(1 + 3 · 4), (1/4)/(1/4 + 4/13) = 13/29, where least squares are 1/5.
    let data = "x,y\n1,1\n-1,-1\n2,0\n-2,0\n";
    let training = "learning-rate = 3.0\nsteps = 4000\naverage-from = 0.1\nbatch = 1\nupdate = \"per-sample\"\npulses = \"expected\"\nstep-rule = \"proximal\"";
    let w = &settle("constant-step\"", data, training).weights[0];
    assert!((w.free - 0.2).abs() < 1e-12);
    // Deviations of 0.3 that forget within a step or two: 64 · 3600 of them.
    assert!((w.measured - 13.0 / 29.0).abs() < 0.005, "{w:?}");
}
