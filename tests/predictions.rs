//! Predictions against what the simulator makes of the same study: batches, noise of writes and reads, pairs, counts.
//!
//! All problems are tiny, so that stationary deviations are known within the stated Monte-Carlo error: 512 replicas × some 1500 steps
//! with a memory of some 10 leave 75 000 independent weights, ±0.3 % (one standard error of a deviation).

use memridge::study::summary::Point;
use memridge::study::{Overrides, Study, run_study};

/// Inputs ±1, targets 0.3 x ± 1: H = 1, residuals of about ±1.
const SIGNS: &str = "x,y\n1,1.3\n1,-0.7\n-1,0.7\n-1,-1.3\n";

/// A study of soft bounds on these data, with the lines of a case.
struct Case<'a> {
    data: &'a str,
    /// Range of the weights is from -τ to τ.
    tau: f64,
    /// Nominal step in weights.
    step: f64,
    write_noise: f64,
    mapping: &'a str,
    /// `[array.wires]`, if any.
    wires: &'a str,
    /// Lines of `[training]`.
    training: &'a str,
    schedule: &'a str,
}

const COLUMN: &str = "reference-column";

impl Case<'_> {
    fn run(&self) -> Point {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("data.csv"), self.data).unwrap();
        // 20 uS a weight; a pair spans twice the range of its cells.
        let span = 40.0 * self.tau;
        let text = format!(
            r#"
title = "t"
claim = "t"
cite = []
seed = 7
replicas = 512
[device]
name = "t"
description = "t"
material = "t"
cite = []
source = "t"
bounds = "soft"
write-noise = {write}
window = {{ g-min = "10 uS", g-max = "{max} uS" }}
law = {{ soft-bounds = {{ step = {step}, lower = 0.0, upper = 1.0, symmetric-point = 0.5 }} }}
cycle-to-cycle = {{ additive = 0.0, multiplicative = 0.0 }}
[array]
read-noise = 0.0
[array.mapping.{mapping}]
zero = "symmetric-point"
conductance-per-weight = "20 uS"
{wires}
[task]
data = "data.csv"
target = "y"
standardise = false
[training]
loss = "squared-error"
steps = 2000
average-from = 0.25
log-every = 3
schedule = {schedule}
{training}
"#,
            write = self.write_noise,
            max = 10.0 + span,
            step = self.step / (2.0 * self.tau),
            mapping = self.mapping,
            wires = self.wires,
            training = self.training,
            schedule = self.schedule,
        );
        let path = folder.path().join("t.toml");
        std::fs::write(&path, text).unwrap();
        let study = Study::read(&path, &Overrides::default()).unwrap_or_else(|e| panic!("{e}"));
        run_study(&study, &()).unwrap().summary.points.remove(0)
    }

    /// Asserts that the simulated deviation of the weights is the predicted one within `tolerance`.
    fn deviates(&self, tolerance: f64) {
        let found = self.run().weight_deviation;
        let ratio = found.predicted.unwrap() / found.value.unwrap();
        println!("{:?}: {found:?} {ratio}", self.training);
        assert!(
            (ratio - 1.0).abs() < tolerance,
            "{}: {found:?}",
            self.training
        );
    }
}

fn wide(training: &str) -> Case<'_> {
    Case {
        data: SIGNS,
        tau: 20.0,
        step: 1e-4,
        write_noise: 0.0,
        mapping: COLUMN,
        wires: "",
        training,
        schedule: "\"constant\"",
    }
}

/// The spread of the mean gradient over the state is no noise: what sampling makes is 1/B of the second moment less its square.
#[test]
fn deviations_follow_summed_batches() {
    for batch in [1, 2, 4] {
        let training = format!(
            "learning-rate = 0.3\nbatch = {batch}\nupdate = \"summed\"\npulses = \"expected\""
        );
        wide(&training).deviates(0.015);
    }
}

/// The samples of a batch are read at the same weights, so a batch is one long step and not B short ones.
#[test]
fn deviations_follow_batches_that_fire_one_by_one() {
    for (rate, batch) in [(0.3, 2), (0.5, 4), (1.0, 8)] {
        let training = format!(
            "learning-rate = {rate}\nbatch = {batch}\nupdate = \"per-sample\"\npulses = \"expected\""
        );
        wide(&training).deviates(0.015);
    }
}

/// Write noise is on the cells, so all samples of a batch read the same; and where nothing is written there is none. Steps so fine that
/// every update writes every cell.
#[test]
fn write_noise_is_shared_by_a_batch() {
    let data = (0..64).fold("x,y\n".to_owned(), |t, i| {
        let (x, y) = ([1.0, -1.0][i % 2], [0.2, -0.2][i / 2 % 2]);
        t + &format!("{x},{}\n", 0.3 * x + y)
    });
    for training in [
        "batch = \"full\"\nupdate = \"summed\"\npulses = \"stochastic-rounding\"",
        "batch = 16\nupdate = \"summed\"\npulses = \"stochastic-rounding\"",
        "batch = 16\nupdate = \"per-sample\"\npulses = \"stochastic-rounding\"",
        "batch = 1\nupdate = \"per-sample\"\npulses = \"expected\"",
    ] {
        let training = format!("learning-rate = 0.3\n{training}");
        let case = Case {
            data: &data,
            write_noise: 2000.0,
            ..wide(&training)
        };
        case.deviates(0.02);
    }
}

/// The two cells of a pair share the train of their row: about one pulse an update, whose count varies together.
#[test]
fn pairs_share_the_trains_of_their_rows() {
    let training = "learning-rate = 0.1\nbatch = 1\nupdate = \"per-sample\"\n\
        pulses = { coincidence = { bit-length = 31, update-management = true } }";
    let case = Case {
        // Responses so wide that states hardly change them: what remains is counting.
        tau: 20.0,
        step: 0.05,
        mapping: "differential-pair",
        ..wide(training)
    };
    case.deviates(0.01);
}

/// Where every request is below half a pulse, nothing ever moves, and no prediction may say that it does.
#[test]
fn requests_that_are_lost_are_said_to_be() {
    let training =
        "learning-rate = 0.1\nbatch = 1\nupdate = \"per-sample\"\npulses = \"deterministic\"";
    let case = Case {
        tau: 2.0,
        step: 0.5,
        ..wide(training)
    };
    let point = case.run();
    assert!(
        point
            .verdict
            .contains("of the requested changes are below half a pulse and lost"),
        "{}",
        point.verdict
    );
    assert_eq!(point.prediction_error_p1, None);
    assert_eq!((point.weights[0].measured, point.weights[0].pt), (0.0, 0.0));
    // A part of them: half of the requests are of 0.4 steps.
    let data = "x,y\n1,0.4\n1,-0.4\n-1,1.2\n-1,-1.2\n";
    let case = Case {
        data,
        tau: 4.0,
        step: 0.1,
        ..wide(training)
    };
    let point = case.run();
    println!("{} {:?}", point.verdict, point.weights);
    assert!(point.verdict.contains("%"), "{}", point.verdict);
}

/// Trains cannot be fuller than full: requests of four pulses, more or less, to trains of four bits.
#[test]
fn full_trains_make_less_than_is_asked() {
    let training = "learning-rate = 0.08\nbatch = 1\nupdate = \"per-sample\"\n\
        pulses = { coincidence = { bit-length = 4, update-management = true } }";
    let case = Case {
        step: 0.02,
        ..wide(training)
    };
    case.deviates(0.02);
    let verdict = case.run().verdict;
    assert!(
        verdict.contains("of the requested changes are lost"),
        "{verdict}"
    );
}

/// A falling learning rate: the window averages over steps, so that late times count more. One mode of eigenvalue 0.005 without noise,
/// rounded in single precision.
#[test]
fn averages_are_over_steps_where_learning_rates_fall() {
    for (schedule, rate) in [
        ("{ inverse = { half = 100.0 } }", 1.0),
        ("{ step = { factor = 0.1, every = 0.375 } }", 0.3),
        ("{ cosine = { last = 0.001 } }\nwarm-up = 0.4", 0.3),
    ] {
        let training = format!(
            "learning-rate = {rate}\nbatch = \"full\"\nupdate = \"summed\"\npulses = \"expected\""
        );
        let case = Case {
            data: "x,y\n0.0707107,0.0707107\n-0.0707107,-0.0707107\n",
            schedule,
            ..wide(&training)
        };
        let weight = case.run().weights.remove(0);
        println!("{weight:?}");
        assert!((weight.pt - weight.measured).abs() < 2e-3, "{weight:?}");
    }
}

/// Pairs that are read through wires which take a third: weights grow by what reads lose, so that gradient matching, which compares with
/// ideal reads, finds another λ than the update regression; both are those predicted. Four standard errors, of each of five numbers: by
/// chance 3 in 10 000 seeds miss.
#[test]
fn weights_grow_by_what_wires_take() {
    let mut data = "a,b,y\n".to_owned();
    for (a, b, noise) in [(1, 1, 1), (1, -1, 1), (-1, 1, 1), (-1, -1, 1)]
        .into_iter()
        .flat_map(|(a, b, e)| [(a, b, e), (a, b, -e)])
    {
        let y = 0.6 * f64::from(a) - 0.4 * f64::from(b) + f64::from(noise);
        data += &format!("{a},{b},{y}\n");
    }
    let case = Case {
        data: &data,
        tau: 2.0,
        step: 1e-3,
        mapping: "differential-pair",
        wires: "[array.wires]\nword-segment = \"1 kOhm\"\nbit-segment = \"1 kOhm\"\nrefresh-every = 1",
        ..wide(
            "learning-rate = 0.05\nbatch = 1\nupdate = \"per-sample\"\npulses = \"stochastic-rounding\"",
        )
    };
    let point = case.run();
    println!("{:?} {:?}", point.weights, point.read_gain);
    for w in &point.weights {
        let errors = (w.measured - w.p1) / w.standard_error;
        assert!(errors.abs() < 4.0, "{errors}: {w:?}");
        assert!(
            (w.deviation / w.deviation_predicted - 1.0).abs() < 0.02,
            "{w:?}"
        );
    }
    for e in [point.lambda_e1, point.lambda_e2] {
        println!("{e:?}");
        // A 95 % interval of 512 replicas is 1.96 standard errors wide on either side.
        let error = (e.high.unwrap() - e.low.unwrap()) / (2.0 * 1.96);
        let errors = (e.value.unwrap() - e.predicted.unwrap()) / error;
        assert!(errors.abs() < 4.0, "{errors}: {e:?}");
    }
    let (e1, e2) = (
        point.lambda_e1.value.unwrap(),
        point.lambda_e2.value.unwrap(),
    );
    assert!(
        e1 - e2 > 0.15 && point.read_gain.unwrap() < 0.8,
        "{e1} {e2}"
    );
}
