//! Runs that are killed, damaged or diverge, and go on: the command line from outside.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// Two points of networks that forget. Some seconds where the end of every epoch goes to the disk.
const STUDY: &str = r#"title = "Small"
claim = "None"
cite = []
seed = 3
replicas = 6

[device]
model = "ideal/soft-bounds"
write-noise = 0.2

[device.retention.exponential]
lifetime = "1000 s"
rest = 0.3

[array]
read-noise = 0.0

[array.mapping.differential-pair]
conductance-per-weight = "half-window"
zero = "symmetric-point"

[task.network]
hidden = [8]
activation = "tanh"
bias = true

[task.network.data.source.gaussian-mixture]
classes = 4
features = 8
samples = 200
separation = 3.0
spread = 1.0

[task.network.data]
scaling = "standardise"
split = { test = 0.2, seed = 1, stratify = true }

[training]
loss = "cross-entropy"
learning-rate = 0.1
epochs = 60
batch = 4
update = "per-sample"
pulses = "stochastic-rounding"
schedule = "constant"
start = { uniform = { scale = 1.0, shared = false } }
average-from = 0.5
log-every = 3
seconds-per-step = "0.1 s"

[training.algorithm.tiki-taka-v2]
fast-rate = 1.0
transfer-every = 1
lines = 1
transfer-rate = 0.05

[sweep]
combine = "product"
[sweep.axes]
"array.read-noise" = [0.0, 0.02]
"#;

/// A linear task on the same devices with the same algorithm; a second or two where states are written after every part.
fn linear() -> String {
    let (head, rest) = STUDY.split_once("[task.network]").unwrap();
    let (_, algorithm) = rest.split_once("[training.algorithm").unwrap();
    let (algorithm, _) = algorithm.split_once("[sweep]").unwrap();
    let head = head.replace("replicas = 6", "replicas = 70");
    let task = r#"[task]
random-problems = { features = 6, samples = 30, input-deviation = 1.0, truth-deviation = 0.3, label-noise = 0.1 }

[training]
loss = "squared-error"
learning-rate = 0.02
schedule = "constant"
steps = 6000
batch = 2
update = "per-sample"
pulses = "stochastic-rounding"
average-from = 0.5
log-every = 3
seconds-per-step = "0.1 s"
"#;
    format!("{head}{task}\n[training.algorithm{algorithm}")
}

/// A line whose digital twin diverges after some epochs: its rate is beyond what the curvature allows, a little.
const DIVERGES: &str = r#"title = "Steep"
claim = "None"
cite = []
seed = 3
replicas = 4

[device]
model = "ideal/soft-bounds"

[array]
read-noise = 0.0

[array.mapping.differential-pair]
conductance-per-weight = "half-window"
zero = "symmetric-point"

[task.network]
bias = false

[task.network.data.source.linear]
features = 3
outputs = 1
samples = 40
input-deviation = 1.0
truth-deviation = 0.1
target-noise = 0.1

[task.network.data]
scaling = "standardise"
split = { test = 0.2, seed = 1 }

[training]
loss = "squared-error"
learning-rate = 2.5
epochs = 100
batch = 32
update = "summed"
pulses = "stochastic-rounding"
schedule = "constant"
average-from = 0.9
log-every = 1
"#;

struct Place(TempDir);

impl Place {
    fn of(study: &str) -> Self {
        let place = Self(TempDir::new().unwrap());
        place.write("study.toml", study);
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.path(name), content).unwrap();
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_memridge"));
        command
            .args(["run", "study.toml", "--out", "out"])
            .args(args)
            .current_dir(self.0.path());
        command
    }

    fn runs(&self, args: &[&str]) -> Output {
        let output = self.command(args).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
        output
    }

    fn refused(&self, args: &[&str]) -> String {
        let output = self.command(args).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{}", said(&output));
        said(&output)
    }

    /// Files of checkpoints that are whole.
    fn states(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.path("out/checkpoint")).into_iter();
        let paths = entries.flatten().map(|e| e.unwrap().path());
        let mut states: Vec<_> = paths
            .filter(|p| p.extension().is_some_and(|e| e == "state"))
            .collect();
        states.sort();
        states
    }

    /// What was found, but for times.
    fn found(&self) -> (Value, String) {
        let text = |name: &str| fs::read_to_string(self.path(name)).unwrap();
        let mut summary = serde_json::from_str(&text("out/summary.json")).unwrap();
        forget_times(&mut summary);
        let rows = ["out/epochs.csv", "out/runs.csv"];
        let rows = rows.iter().find(|name| self.path(name).exists());
        (summary, text(rows.expect("rows of all replicas")))
    }
}

fn said(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!text.contains("panicked"), "{text}");
    text
}

fn forget_times(value: &mut Value) {
    match value {
        Value::Object(entries) => {
            entries.retain(|key, _| !key.contains("second"));
            entries.values_mut().for_each(forget_times);
        }
        Value::Array(values) => values.iter_mut().for_each(forget_times),
        _ => {}
    }
}

#[test]
fn a_run_that_was_killed_twice_finds_what_one_in_peace_does() {
    killed_twice(STUDY);
}

#[test]
fn linear_tasks_go_on_too_and_with_their_own_settings_alone() {
    let place = killed_twice(&linear());
    let mut running = place.command(&["--checkpoint-every", "0 s"]);
    let running = running.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let mut running = running.unwrap();
    let begun = Instant::now();
    while place.states().is_empty() {
        assert!(begun.elapsed() < Duration::from_secs(60), "no checkpoint");
        std::thread::sleep(Duration::from_millis(1));
    }
    running.kill().unwrap();
    running.wait().unwrap();
    place.write(
        "study.toml",
        linear().replace("learning-rate = 0.02", "learning-rate = 0.01"),
    );
    let text = place.refused(&["--resume"]);
    assert!(
        text.contains("training.learning-rate was 0.02 and is 0.01"),
        "{text}"
    );
}

fn killed_twice(study: &str) -> Place {
    let place = Place::of(study);
    place.runs(&[]);
    // Such a short run has left no checkpoints.
    assert!(!place.path("out/checkpoint").exists());
    let whole = place.found();
    fs::remove_dir_all(place.path("out")).unwrap();
    for kill in 0..2 {
        let resume: &[&str] = if kill == 0 { &[] } else { &["--resume"] };
        let mut command = place.command(&[&["--checkpoint-every", "0 s"], resume].concat());
        let quiet = || Stdio::null();
        let running = command.stdout(quiet()).stderr(quiet()).spawn();
        let mut running = running.unwrap();
        let begun = Instant::now();
        let time = |path: &PathBuf| fs::metadata(path).and_then(|m| m.modified()).ok();
        let before: Vec<_> = place.states().iter().map(time).collect();
        while place.states().iter().map(time).collect::<Vec<_>>() == before {
            assert!(begun.elapsed() < Duration::from_secs(60), "no checkpoint");
            std::thread::sleep(Duration::from_millis(1));
        }
        running.kill().unwrap();
        running.wait().unwrap();
        assert!(!place.path("out/summary.json").exists());
    }
    let text = place.refused(&[]);
    assert!(text.contains("go on with --resume"), "{text}");
    let output = place.runs(&["--resume"]);
    assert_eq!(said(&output), "");
    assert_eq!(place.found(), whole);
    assert!(!place.path("out/checkpoint").exists());
    place
}

#[test]
fn a_run_that_diverged_goes_on_with_another_rate_and_says_so() {
    let place = Place::of(DIVERGES);
    let text = place.refused(&[]);
    assert!(text.contains("it diverges"), "{text}");
    assert!(
        text.contains("go on with --resume from the last good state, that after epoch"),
        "{text}"
    );
    let [state] = &place.states()[..] else {
        panic!("{:?}", place.states());
    };
    assert!(text.contains("point-0-digital-0.state"), "{text}");
    // As it was it diverges again.
    let again = place.refused(&["--resume"]);
    assert!(again.contains("it diverges"), "{again}");

    // Whatever is done to the file, it is refused by name or it is whole.
    let whole = fs::read(state).unwrap();
    for broken in [
        whole[..whole.len() / 2].to_vec(),
        [&whole[..100], &[whole[100] ^ 1], &whole[101..]].concat(),
        b"title = \"not a state\"".to_vec(),
    ] {
        fs::write(state, broken).unwrap();
        let text = place.refused(&["--resume"]);
        assert!(text.contains("point-0-digital-0.state: is "), "{text}");
    }
    fs::write(state, whole).unwrap();

    let other = DIVERGES.replace("learning-rate = 2.5", "learning-rate = 0.2");
    place.write("study.toml", other.replace("seed = 3\n", "seed = 4\n"));
    let text = place.refused(&["--resume"]);
    assert!(
        text.contains("other settings: seed was 3 and is 4"),
        "{text}"
    );
    place.write("study.toml", other);
    let output = place.runs(&["--resume"]);
    let text = String::from_utf8_lossy(&output.stdout);
    let note = "replicas 0 to 3 (digital) went on after epoch";
    assert!(text.contains(note), "{text}");
    assert!(
        text.contains("training.learning-rate was 2.5 and is 0.2"),
        "{text}"
    );
    let warnings = place.found().0["points"][0]["warnings"].to_string();
    assert!(warnings.contains(note), "{warnings}");
}

#[test]
fn there_may_be_nothing_to_go_on_from() {
    let short = STUDY.replace("epochs = 60", "epochs = 2");
    let place = Place::of(&short);
    let output = place.runs(&["--resume"]);
    let text = said(&output);
    assert_eq!(
        text,
        "out: has no checkpoints, so the run begins at the start\n"
    );
    let text = place.refused(&["--checkpoint-every=-1 s"]);
    assert!(text.contains("checkpoint-every"), "{text}");
}
