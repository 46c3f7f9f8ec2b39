//! The command line, from outside: what it refuses and how it says so, and what it leaves behind.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use memridge::device::LIBRARY;
use serde_json::Value;
use tempfile::TempDir;

/// A study that runs in milliseconds.
const STUDY: &str = r#"title = "Small"
claim = "None"
cite = ["wu2024"]
seed = 1
replicas = 24

[device]
model = "ideal/soft-bounds"

[device.law.soft-bounds]
step = "400 nS"

[array]
read-noise = 0.0

[array.mapping.reference-column]
zero = "symmetric-point"
conductance-per-weight = "20 uS"

[task]
data = "own.csv"
target = "price"
standardise = true

[training]
loss = "squared-error"
learning-rate = 0.02
schedule = "constant"
steps = 300
batch = 1
update = "per-sample"
average-from = 0.5
log-every = 5
pulses = "stochastic-rounding"
"#;

const DATA: &str = "size,age,price\n\
    0.9,-1.4,0.2\n-1.4,-0.7,-1.1\n-0.7,0.4,-0.5\n-1.4,-0.3,-0.1\n0.3,0.6,0.1\n0.2,-0.4,0.3\n\
    1.1,0.8,0.9\n-0.2,1.5,0.7\n0.6,-1.1,-0.6\n1.7,0.1,1.2\n-0.9,1.0,0.4\n0.1,0.5,-0.4\n";

/// A folder with a study and its data.
struct Place {
    folder: TempDir,
}

/// What a command left behind.
struct Ran {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Place {
    /// The small study with some of its text replaced.
    fn with(edits: &[(&str, &str)]) -> Self {
        let mut text = STUDY.to_owned();
        for (old, new) in edits {
            assert!(text.contains(old), "the study has no {old}");
            text = text.replace(old, new);
        }
        Self::of(text)
    }

    /// The small study with text at its end.
    fn and(end: &str) -> Self {
        Self::of(format!("{STUDY}\n{end}\n"))
    }

    fn of(study: impl AsRef<[u8]>) -> Self {
        let place = Self {
            folder: TempDir::new().unwrap(),
        };
        place.write("study.toml", study);
        place.write("own.csv", DATA);
        place
    }

    fn data(self, text: &str) -> Self {
        self.write("own.csv", text);
        self
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.path(name), content).unwrap();
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    fn summary(&self, out: &str) -> Value {
        serde_json::from_str(&self.read(&format!("{out}/summary.json"))).unwrap()
    }

    /// Runs the program in this folder. Whatever it is given, it must not panic.
    fn memridge(&self, args: &[&str]) -> Ran {
        let output = Command::new(env!("CARGO_BIN_EXE_memridge"))
            .args(args)
            .env("RUST_BACKTRACE", "0")
            .current_dir(self.folder.path())
            .output()
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let ran = Ran {
            code: output.status.code(),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        };
        assert!(!ran.stderr.contains("panicked"), "{}", ran.stderr);
        assert!(matches!(ran.code, Some(0..=2)), "{:?}", ran.code);
        ran
    }

    fn run(&self, out: &str) -> Ran {
        self.memridge(&["run", "study.toml", "--out", out])
    }

    /// Runs the study, which must succeed in silence.
    fn runs(&self, out: &str) -> Ran {
        let ran = self.run(out);
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
        ran
    }

    /// Every file below the folder with its content.
    fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        fn walk(folder: &Path, into: &mut BTreeMap<PathBuf, Vec<u8>>) {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    walk(&path, into);
                    into.insert(path, Vec::new());
                } else {
                    let content = fs::read(&path).unwrap();
                    into.insert(path, content);
                }
            }
        }
        let mut files = BTreeMap::new();
        walk(self.folder.path(), &mut files);
        files
    }

    /// `run` and `predict` refuse with status 2, say all of `parts`, and touch no file.
    #[track_caller]
    fn refused(&self, parts: &[&str]) {
        let before = self.files();
        for command in ["run", "predict"] {
            let ran = self.memridge(&[command, "study.toml"]);
            assert_eq!(ran.code, Some(2), "{command}: {}", ran.stderr);
            assert_eq!(ran.stdout, "", "{command}");
            for part in parts {
                assert!(
                    ran.stderr.contains(part),
                    "{command}: no \"{part}\" in\n{}",
                    ran.stderr
                );
            }
        }
        assert!(before == self.files(), "a refused study left files");
    }
}

/// Line of the study, counted from 1, that starts with a text.
fn line(start: &str) -> usize {
    1 + STUDY.lines().position(|l| l.starts_with(start)).unwrap()
}

// ------------------------------------------------------------------------------------------------ what is refused

#[test]
fn an_unknown_key_is_met_with_the_one_that_was_meant() {
    let at = format!("study.toml:{}:1: ", line("read-noise"));
    Place::with(&[("read-noise", "read-noize")]).refused(&[
        &at,
        "array.read-noize = 0.0: unknown key; did you mean read-noise?",
    ]);
    Place::and("[contrls]\npoint = 0").refused(&["contrls: unknown key; did you mean controls?"]);
}

#[test]
fn a_mistake_in_the_quick_table_shows_in_a_whole_run_too() {
    let place = Place::and("[quick]\nreplicsa = 3");
    let ran = place.run("out");
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    assert!(ran.stderr.contains("replicsa"), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("did you mean replicas?"),
        "{}",
        ran.stderr
    );
}

#[test]
fn an_unknown_key_of_the_device_is_met_with_the_one_that_was_meant() {
    let at = format!("study.toml:{}:1: ", line("step = "));
    Place::with(&[("step = \"400", "stepp = \"400")]).refused(&[
        &at,
        "device.law.soft-bounds.stepp = \"400 nS\": unknown key; did you mean step?",
    ]);
    Place::with(&[("law.soft-bounds", "law.soft-bound")])
        .refused(&["device.law.soft-bound", "did you mean soft-bounds?"]);
}

#[test]
fn a_step_that_is_not_positive_is_refused() {
    for step in ["\"-400 nS\"", "-0.01", "0.0", "nan", "inf", "\"30 uS\""] {
        let at = format!("study.toml:{}:8: ", line("step = "));
        let named = format!("device.law.soft-bounds.step = {step}: ");
        Place::with(&[("\"400 nS\"", step)]).refused(&[&at, &named, "must", "; "]);
    }
}

#[test]
fn a_unit_that_cannot_be_read_is_refused() {
    Place::with(&[("400 nS", "400 nX")]).refused(&[
        "study.toml:11:8: device.law.soft-bounds.step = \"400 nX\": \"nX\" is not a unit of conductance",
        "for example step",
    ]);
    Place::with(&[("\"20 uS\"", "20")]).refused(&[
        "conductance-per-weight = 20: must be a conductance with its unit",
        "for example conductance-per-weight = \"20 uS\"",
    ]);
}

#[test]
fn a_study_that_is_no_study_is_refused() {
    let place = Place::with(&[]);
    let before = place.files();
    for command in ["run", "predict", "cite"] {
        let missing = place.memridge(&[command, "studdy.toml"]);
        assert_eq!(missing.code, Some(2));
        assert!(
            missing.stderr.contains("studdy.toml: cannot be read")
                && missing.stderr.contains("did you mean study.toml?"),
            "{}",
            missing.stderr
        );
        let folder = place.memridge(&[command, "."]);
        assert_eq!(folder.code, Some(2));
        assert!(
            folder.stderr.contains("name a file inside this folder"),
            "{}",
            folder.stderr
        );
    }
    assert!(before == place.files());
}

#[test]
fn binary_garbage_empty_files_and_broken_syntax_are_refused() {
    let garbage: Vec<u8> = (0..4000u32).map(|k| (k * k * 31 + k) as u8).collect();
    Place::of(garbage).refused(&["study.toml: cannot be read", "UTF-8"]);
    Place::of([0; 64]).refused(&["study.toml:1:", "not valid TOML"]);
    Place::of("").refused(&[
        "study.toml:1:1: seed: missing",
        "for example seed = 1",
        "device: missing",
    ]);
    Place::with(&[("seed = 1", "seed = = 1")]).refused(&["study.toml:4:8: not valid TOML"]);
    Place::with(&[("seed = 1", "seed = 1\nseed = 2")])
        .refused(&["study.toml:5:1: seed: this key stands here a second time"]);
    Place::of(format!("a = {}", "[".repeat(10_000))).refused(&["study.toml:1:", "not valid TOML"]);
}

#[test]
fn several_errors_are_reported_at_once() {
    Place::with(&[
        ("seed = 1", "seed = -1"),
        ("replicas = 24", "replicas = 1"),
        ("400 nS", "400 nX"),
        ("read-noise = 0.0", "read-noise = -1.0"),
        ("steps = 300", "stepz = 300"),
        ("\"squared-error\"", "\"absolute-error\""),
    ])
    .refused(&[
        "study.toml:4:8: seed = -1",
        "study.toml:5:12: replicas = 1",
        "study.toml:11:8: device.law.soft-bounds.step",
        "array.read-noise = -1.0",
        "training.stepz = 300: unknown key; did you mean steps?",
        "training.loss = \"absolute-error\"",
    ]);
}

#[test]
fn a_missing_table_of_data_is_refused() {
    Place::with(&[("own.csv", "owm.csv")])
        .refused(&["owm.csv: cannot be read", "did you mean own.csv?"]);
}

#[test]
fn a_cell_that_is_no_number_is_refused() {
    for cell in ["NaN", "inf", "", "n/a", "1e999"] {
        Place::with(&[])
            .data(&format!("size,age,price\n1,2,3\n4,{cell},6\n7,9,8\n"))
            .refused(&[
                "own.csv:3: column age: must be a finite number",
                &format!("\"{cell}\""),
                "; ",
            ]);
    }
}

#[test]
fn a_ragged_row_is_refused() {
    for row in ["4,5", "4,5,6,7"] {
        Place::with(&[])
            .data(&format!("size,age,price\n1,2,3\n{row}\n7,9,8\n"))
            .refused(&["own.csv:3: every line must have 3 values", "; "]);
    }
}

#[test]
fn a_table_without_names_or_rows_is_refused() {
    for text in ["", "size,age,price\n", "1,2,3\n4,5,6\n7,9,8\n"] {
        Place::with(&[]).data(text).refused(&["own.csv", "; "]);
    }
}

#[test]
fn a_constant_column_is_refused() {
    Place::with(&[])
        .data("size,age,price\n1,2,3\n1,4,5\n1,3,4\n")
        .refused(&["own.csv: column size: must vary", "; remove the column"]);
}

#[test]
fn an_unknown_target_is_met_with_the_columns() {
    Place::with(&[("\"price\"", "\"prize\"")]).refused(&[
        "own.csv: column prize: there is no such column",
        "size, age, price",
    ]);
}

#[test]
fn a_window_without_width_is_refused() {
    Place::and("[device.window]\ng-max = \"10 uS\"").refused(&[
        "study.toml:",
        "device.window.g-max = \"10 uS\": the window must have a width",
        "choose g-max above 10 uS",
    ]);
}

#[test]
fn a_learning_rate_beyond_the_stability_limit_is_refused_with_the_limit() {
    let data = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/experiments/data/diabetes.csv\""
    );
    let place = Place::with(&[
        ("own.csv\"", data),
        ("\"price\"", "\"target\""),
        ("learning-rate = 0.02", "learning-rate = 0.2"),
    ]);
    let at = format!("study.toml:{}:", line("learning-rate"));
    place.refused(&[&at, "training.learning-rate = 0.2: ", "choose"]);
    // The limit is about 0.11.
    place.refused(&["0.1099"]);
}

#[test]
fn an_unknown_device_is_met_with_the_one_that_was_meant() {
    Place::with(&[("ideal/soft-bounds", "ideal/softbounds")]).refused(&[
        "study.toml:8:9: device.model = \"ideal/softbounds\": there is no such device",
        "did you mean ideal/soft-bounds?",
    ]);
    let place = Place::with(&[]);
    let shown = place.memridge(&["device", "show", "ecram/kim2020"]);
    assert_eq!(shown.code, Some(2));
    assert!(
        shown.stderr.contains("did you mean ecram/kim2019?"),
        "{}",
        shown.stderr
    );
}

#[test]
fn axes_of_unequal_length_cannot_run_together() {
    Place::and(
        "[sweep]\ncombine = \"zip\"\n[sweep.axes]\n\"array.read-noise\" = [0.0]\n\"training.learning-rate\" = [0.01, 0.02]",
    )
    .refused(&["study.toml:", "sweep.combine = \"zip\"", "equally long", "[1, 2]", "; "]);
}

#[test]
fn an_axis_that_leads_nowhere_is_refused() {
    let axis = |path: &str| format!("[sweep]\ncombine = \"product\"\n[sweep.axes]\n{path}");
    Place::and(&axis("\"trainin.learning-rate\" = [0.01]")).refused(&[
        "study.toml:39:",
        "trainin.learning-rate = 0.01: there is no trainin",
        "did you mean training?",
    ]);
    Place::and(&axis("\"training.learning-rat\" = [0.01]")).refused(&[
        "study.toml:39:",
        "training.learning-rat = 0.01: unknown key; did you mean learning-rate?",
    ]);
    Place::and(&axis("\"training.learning-rate\" = []"))
        .refused(&["study.toml:39:", "at least one"]);
    Place::and(&axis("\"training.learning-rate\" = [0.01, -0.02]")).refused(&[
        "study.toml:39:",
        "training.learning-rate = -0.02: must be greater than 0",
    ]);
}

#[test]
fn an_axis_without_effect_is_refused() {
    for axis in ["title", "claim"] {
        Place::and(&format!(
            "[sweep]\ncombine = \"product\"\n[sweep.axes]\n{axis} = [\"a\", \"b\"]"
        ))
        .refused(&["study.toml:39:"]);
    }
}

#[test]
fn a_sweep_over_devices_sweeps_over_devices_or_is_refused() {
    let place = Place::and(
        "[sweep]\ncombine = \"product\"\n[sweep.axes]\n\"device.model\" = [\"ideal/soft-bounds\", \"ecram/tang2018\"]",
    );
    let ran = place.run("out");
    if ran.code != Some(2) {
        let points = &place.summary("out")["points"];
        assert_ne!(points[0]["device"], points[1]["device"]);
        assert_ne!(points[0]["bias-norm"], points[1]["bias-norm"]);
    }
}

/// The same value with another seed of the same random numbers would not do: what the value brings has to arrive, and at its own point alone.
#[test]
fn a_value_of_an_axis_may_bring_others() {
    let axis = |values: &str| {
        format!(
            "[sweep]\ncombine = \"product\"\n[sweep.axes]\n\"training.learning-rate\" = {values}"
        )
    };
    let place = Place::and(&axis(
        "[0.01, { value = 0.01, with = { array = { read-noise = 0.5 } }, label = \"noisy\" }, { value = 0.01, label = \"again\" }]",
    ));
    let ran = place.run("out");
    assert_eq!(ran.code, Some(0));
    // Names say all, without the key.
    let said = |label| ran.stdout.contains(&format!("\n{label} "));
    assert!(
        said("learning-rate = 0.01") && said("noisy") && said("again"),
        "{}",
        ran.stdout
    );
    let points = &place.summary("out")["points"];
    assert_eq!(points[0]["bias-norm"], points[2]["bias-norm"]);
    assert_ne!(points[0]["bias-norm"], points[1]["bias-norm"]);
    for with in [
        "{ title = \"a\" }",
        "{ device = { model = \"ecram/tang2018\" } }",
        "3",
    ] {
        let axis = axis(&format!("[{{ value = 0.01, with = {with} }}]"));
        Place::and(&axis).refused(&["study.toml:39:", "a value that brings others is"]);
    }
    Place::and(&axis("[{ value = 0.01, label = 3 }]"))
        .refused(&["study.toml:39:", "the label of a value is a text"]);
    // It does not change what another axis says.
    let other = "\n\"training.steps\" = [300, { value = 200, with = { training = { learning-rate = 0.001 } } }]";
    let place = Place::and(&(axis("[0.01, 0.02]") + other));
    assert_eq!(place.run("out").code, Some(0));
    let points = &place.summary("out")["points"];
    let rates: Vec<f64> = (0..4)
        .map(|k| points[k]["learning-rate"].as_f64().unwrap())
        .collect();
    assert_eq!(rates, [0.01, 0.01, 0.02, 0.02]);
    Place::and(&axis(
        "[{ value = 0.01, with = { array = { read-nois = 0.5 } } }]",
    ))
    .refused(&["study.toml:39:", "read-nois"]);
}

const TECHNOLOGY: &str = r#"
[technology]
node = "40 nm"
cell-area = 12.0
read-voltage = "200 mV"
read-time = "10 ns"
dac-energy = "100 fJ"
dac-area = "10 um2"
adc-time = "5 ns"
adc-area = "3000 um2"
outputs-per-adc = 8
operation-energy = "20 fJ"
writes = "row"

[technology.adc-energy.walden]
figure-of-merit = "10 fJ"
bits = 8
"#;

/// 300 reads of two inputs and one output; the energy is the sum of counts times units, in the summary and on the page, whatever the number
/// of threads. The inputs are standardised: their squares are 2 a read but for which samples were drawn, with a standard deviation of
/// less than 0.1 in 300 draws of 24 replicas.
#[test]
fn a_run_says_what_it_costs() {
    let place = Place::and(&format!(
        "{TECHNOLOGY}\n[device.write-pulse]\npotentiation-voltage = \"2 V\"\npotentiation-width = \"1 us\"\n\
        depression-voltage = \"-1 V\"\ndepression-width = \"3 us\""
    ));
    let ran = place.run("out");
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(
        ran.stdout.contains("Cost of one crossbar"),
        "{}",
        ran.stdout
    );
    let summary = place.summary("out");
    let cost = &summary["points"][0]["cost"];
    let items = cost["items"].as_array().unwrap();
    let number = |v: &Value| v.as_f64().unwrap();
    let mut sum = 0.0;
    for item in items {
        let energy = number(&item["count"]) * number(&item["unit"]);
        assert!(
            (energy - number(&item["energy"])).abs() <= 1e-12 * energy,
            "{item}"
        );
        sum += energy;
    }
    let total = number(&cost["energy"]);
    assert!((sum / total - 1.0).abs() < 1e-12, "{sum} {total}");
    let count = |k: usize| number(&items[k]["count"]);
    assert!((count(0) / 600.0 - 1.0).abs() < 0.05, "{}", count(0));
    assert_eq!([count(1), count(2)], [600.0, 300.0]);
    // Pulses a cell and sample, of two cells in 300 steps.
    let pulses = number(&summary["pulses-per-device-update"]) * 600.0;
    assert!(
        (count(4) / pulses - 1.0).abs() < 1e-12,
        "{} {pulses}",
        count(4)
    );
    assert!((number(&cost["pulses-per-cell"]) - pulses / 2.0).abs() < 1e-9 * pulses);
    let page = place.read("out/report.html");
    assert!(page.contains("<h2>Cost</h2>") && page.contains("output conversions"));
}

#[test]
fn a_technology_is_complete_and_possible() {
    let without = TECHNOLOGY.replace("read-time = \"10 ns\"\n", "");
    Place::and(&without).refused(&["technology.read-time: missing"]);
    let expected = Place::of(format!(
        "{}\n{TECHNOLOGY}",
        STUDY.replace("\"stochastic-rounding\"", "\"expected\"")
    ));
    expected.refused(&["technology", "without pulses"]);
    let long = STUDY
        .replace("steps = 300", "steps = 90000000")
        .replace("batch = 1", "batch = 60");
    Place::of(long).refused(&["training.steps", "2³²"]);
    let wrong = TECHNOLOGY.replace("\"3000 um2\"", "\"3000 um\"");
    Place::and(&wrong).refused(&["technology.adc-area = \"3000 um\"", "unit of length"]);
}

#[test]
fn a_control_at_a_point_outside_the_sweep_is_refused() {
    Place::and("[controls]\npoint = 3\nreplicas = 8\ntime = true").refused(&[
        "study.toml",
        "controls.point = 3",
        "1 sweep point",
        "choose a point",
    ]);
}

#[test]
fn a_list_of_the_wrong_length_is_refused() {
    Place::and("[device.device-to-device]\nstep = { list = [0.01, 0.01, 0.01] }").refused(&[
        "study.toml:37:",
        "device.device-to-device.step",
        "2 cells, the list 3 values",
        "one value a cell",
    ]);
}

#[test]
fn an_expectation_has_one_form() {
    let expect = |form: &str| format!("[[expect]]\nname = \"e\"\nmetric = \"bias-norm\"\n{form}");
    for form in [
        "value = 1.0\ntolerance = 0.1\nat-most = 2.0",
        "value = 1.0\ntolerance = 0.1\nrelative-tolerance = 0.1",
        "value = 1.0",
        "",
    ] {
        Place::and(&expect(form)).refused(&[
            "study.toml:",
            "expect.0.value",
            "a value with one tolerance, or a bound",
            "at-most alone",
        ]);
    }
    Place::and(&expect("at-most = 1.0\npoint = 5")).refused(&["study.toml", "point = 5"]);
}

#[test]
fn an_expectation_of_a_number_that_does_not_exist_is_refused() {
    Place::and("[[expect]]\nname = \"e\"\nmetric = \"bias-nrom\"\nat-most = 2.0")
        .refused(&["study.toml:", "bias-nrom"]);
    Place::and(
        "[[expect]]\nname = \"e\"\nmetric = \"lambda-e1.value\"\ncontrol = \"double-time\"\nat-most = 2.0",
    )
    .refused(&["study.toml:", "double-time"]);
}

#[test]
fn an_unknown_citation_is_refused() {
    let place = Place::with(&[("wu2024", "wu2042")]);
    let before = place.files();
    let ran = place.memridge(&["cite", "study.toml"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""));
    for part in ["study.toml", "cite = \"wu2042\"", "references.bib", "; "] {
        assert!(ran.stderr.contains(part), "{}", ran.stderr);
    }
    assert!(before == place.files());
}

#[test]
fn numbers_beyond_all_scales_do_not_panic() {
    for data in [
        "a,b,price\n1e200,1e200,2\n2e200,3e200,3\n3e200,1e200,4\n",
        "a,b,price\n1e300,1,2\n-1e300,2,3\n3,4,4\n",
        "a,b,price\n1e-200,1e-200,2\n2e-200,3e-200,3\n3e-200,1e-200,4\n",
    ] {
        for standardise in ["standardise = true", "standardise = false"] {
            Place::with(&[("standardise = true", standardise)])
                .data(data)
                .refused(&["own.csv"]);
        }
    }
    for deviation in ["1e200", "1e-200"] {
        let task = format!(
            "random-problems = {{ features = 3, samples = 9, input-deviation = {deviation}, truth-deviation = 0.3, label-noise = 0.1 }}"
        );
        Place::with(&[(
            "data = \"own.csv\"\ntarget = \"price\"\nstandardise = true",
            &task,
        )])
        .refused(&["; "]);
    }
}

// --------------------------------------------------------------------------------------------------- where it writes

#[test]
fn a_folder_that_cannot_be_made_is_refused() {
    let place = Place::with(&[]);
    let before = place.files();
    for out in ["own.csv/out", "own.csv/a/out", "/proc/out"] {
        let ran = place.run(out);
        assert_eq!(ran.code, Some(2), "{out}");
        assert!(ran.stderr.contains("cannot be written"), "{}", ran.stderr);
    }
    assert!(before == place.files());
}

#[test]
fn a_file_in_place_of_the_results_stays() {
    let place = Place::with(&[]);
    place.write("out", "a file");
    let before = place.files();
    let ran = place.run("out");
    assert_eq!(ran.code, Some(2), "{}", ran.stdout);
    assert!(
        ran.stderr.contains("out: cannot be written"),
        "{}",
        ran.stderr
    );
    assert!(before == place.files());
}

#[test]
fn a_folder_that_holds_no_results_is_not_replaced() {
    let place = Place::with(&[]);
    fs::create_dir(place.path("photos")).unwrap();
    place.write("photos/cat.jpg", "cat");
    let before = place.files();
    assert_eq!(place.run("photos").code, Some(2));
    assert!(before == place.files());
}

#[test]
fn an_older_result_stays_whole_when_the_new_one_fails() {
    let place = Place::with(&[]);
    // So long that a temporary name beside it does not fit the file system.
    let out = "r".repeat(250);
    place.runs("out");
    fs::rename(place.path("out"), place.path(&out)).unwrap();
    let before = place.files();
    assert_eq!(place.run(&out).code, Some(2));
    assert!(before == place.files());
    // A study that is refused does not touch it either.
    place.write("study.toml", "seed = 1");
    let before = place.files();
    assert_eq!(place.run(&out).code, Some(2));
    assert!(before == place.files());
}

#[test]
fn an_older_result_is_replaced_as_a_whole() {
    let place = Place::with(&[]);
    place.runs("out");
    place.write("out/stale.svg", "");
    place.runs("out");
    assert!(!place.path("out/stale.svg").exists());
    let beside: Vec<PathBuf> = fs::read_dir(place.folder.path())
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    assert_eq!(beside.len(), 3, "{beside:?}");
}

#[test]
fn results_go_below_the_current_folder() {
    let place = Place::with(&[]);
    assert_eq!(place.memridge(&["run", "study.toml"]).code, Some(0));
    assert!(place.path("results/study/report.html").exists());
    fs::create_dir_all(place.path("experiments/group")).unwrap();
    for name in ["study.toml", "own.csv"] {
        fs::copy(place.path(name), place.path("experiments/group").join(name)).unwrap();
    }
    let ran = place.memridge(&["run", "experiments/group/study.toml"]);
    assert_eq!(ran.code, Some(0));
    assert!(place.path("results/group/study/report.html").exists());
}

// ------------------------------------------------------------------------------------------------------- what it does

#[test]
fn own_data_are_learned_and_reported() {
    let place = Place::with(&[]);
    let ran = place.runs("out");
    assert!(ran.stdout.starts_with("Small\n"), "{}", ran.stdout);
    assert!(ran.stdout.contains("report: out/report.html"));
    let runs = place.read("out/runs.csv");
    assert!(runs.starts_with("point,label,replica,excess-loss,size,age\n"));
    assert_eq!(runs.lines().count(), 1 + 24);
    assert!(!runs.contains("NaN") && !runs.contains("inf"), "{runs}");
    let page = place.read("out/report.html");
    assert!(page.contains("size") && page.contains("<svg"));
    // Another target makes the old one a feature.
    let other = Place::with(&[("\"price\"", "\"age\"")]);
    other.runs("out");
    assert!(other.read("out/runs.csv").contains(",size,price\n"));
}

#[test]
fn column_names_are_text_not_markup() {
    let place = Place::with(&[]);
    place.write(
        "own.csv",
        DATA.replace("size,age", "\"<script>alert(1)</script>\",\"a,\"\"b\"\"\""),
    );
    place.runs("out");
    assert!(!place.read("out/report.html").contains("<script>alert"));
    let runs = place.read("out/runs.csv");
    let mut reader = csv::Reader::from_reader(runs.as_bytes());
    assert_eq!(reader.headers().unwrap().get(5), Some("a,\"b\""));
}

#[test]
fn runs_depend_on_the_seed_and_not_on_threads() {
    // More replicas than fit one stack, so that there is something to share out.
    let place = Place::with(&[("replicas = 24", "replicas = 400"), ("300", "60")]);
    let runs = |out: &str, more: &[&str]| {
        let mut args = vec!["run", "study.toml", "--out", out];
        args.extend(more);
        assert_eq!(place.memridge(&args).code, Some(0));
        place.read(&format!("{out}/runs.csv"))
    };
    let one = runs("one", &["--threads", "1"]);
    assert_eq!(one, runs("two", &["--threads", "2"]));
    assert_eq!(one, runs("again", &["--seed", "1"]));
    assert_ne!(one, runs("other", &["--seed", "2"]));
    assert_eq!(place.summary("other")["seed"], 2);
    // Everything but the clock is the same.
    let timeless = |out: &str| {
        let mut summary = place.summary(out);
        for key in ["device-updates-per-second", "wall-seconds"] {
            summary[key].take();
        }
        summary
    };
    assert_eq!(timeless("one"), timeless("two"));
}

/// Kebab-case keys of a struct in the source of the schema.
fn documented(name: &str) -> Vec<String> {
    let source = include_str!("../src/study/summary.rs");
    let start = source.find(&format!("pub struct {name} {{")).unwrap();
    let body = &source[start..start + source[start..].find("\n}").unwrap()];
    let fields = body.lines().skip(1).filter_map(|l| {
        let field = l.trim().strip_prefix("pub ")?;
        Some(field.split_once(':')?.0.replace('_', "-"))
    });
    fields.collect()
}

#[test]
fn the_summary_has_every_documented_key() {
    let place = Place::and(
        "[controls]\npoint = 0\nreplicas = 8\nexplicit-ridge = 0.3\nsymmetric-device = true\nlearning-rate = true\ntime = true\n\
         [[expect]]\nname = \"e\"\nmetric = \"bias-norm\"\nat-most = 9.0",
    );
    let text = place.read("study.toml").replace(
        "standardise = true",
        "standardise = true\ncross-validation = { folds = 3, replicas = 4 }",
    );
    place.write("study.toml", text);
    place.runs("out");
    let summary = place.summary("out");
    let point = &summary["points"][0];
    let control = &summary["controls"][0];
    for (name, value) in [
        ("Summary", &summary),
        ("Point", point),
        ("Control", control),
        ("Expectation", &summary["expectations"][0]),
        ("Estimate", &point["lambda-e2"]),
        ("Estimate", &control["values"][0][1]),
        ("Budget", &point["budget"]),
        ("TestError", &point["test-error"]),
        ("Weight", &point["weights"][0]),
        ("Mode", &point["modes"][0]),
        ("CurvePoint", &point["learning-curve"][0]),
        ("Ridge", &point["ridge-path"][0]),
    ] {
        let keys = documented(name);
        let object = value.as_object().unwrap_or_else(|| panic!("no {name}"));
        assert!(keys.len() > 1);
        for key in &keys {
            assert!(object.contains_key(key), "{name} has no {key}");
        }
        assert_eq!(object.len(), keys.len(), "{name} has more keys");
    }
    let names: Vec<&Value> = summary["controls"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| &c["name"])
        .collect();
    assert_eq!(
        names,
        [
            "explicit-ridge",
            "symmetric-device",
            "half-learning-rate",
            "double-learning-rate",
            "double-time"
        ]
    );
    for key in ["value", "low", "high", "predicted"] {
        assert!(point["lambda-e2"][key].is_f64(), "lambda-e2.{key}");
    }
    for key in documented("TestError") {
        assert!(point["test-error"][&key].is_number(), "test-error.{key}");
    }
}

#[test]
fn the_study_as_run_is_whole() {
    let place = Place::with(&[("own.csv", "DATA")]);
    let data = place.path("own.csv").display().to_string();
    let text = place.read("study.toml").replace("DATA", &data);
    place.write(
        "study.toml",
        text + "\n[quick]\nreplicas = 6\n[sweep]\ncombine = \"zip\"\n[sweep.axes]\n\
            \"device.window.g-max\" = [\"50 uS\", \"90 uS\"]\n\"training.learning-rate\" = [0.02, 0.01]\n\
            [device.device-to-device]\nlower = { list = [0.0, 0.05] }\n[[expect]]\nname = \"e\"\nmetric = \"bias-norm\"\nat-most = 9.0",
    );
    for more in [&["--seed", "7"][..], &["--quick"]] {
        let mut args = vec!["run", "study.toml", "--out", "out"];
        args.extend(more);
        assert_eq!(place.memridge(&args).code, Some(0));
        let again = place.memridge(&["run", "out/study.toml", "--out", "again"]);
        assert_eq!((again.code, again.stderr.as_str()), (Some(0), ""));
        for file in ["runs.csv", "study.toml"] {
            assert_eq!(
                place.read(&format!("out/{file}")),
                place.read(&format!("again/{file}")),
                "{file}"
            );
        }
    }
}

/// Devices that a study sweeps over keep their own numbers, and are found by their paths.
#[test]
fn the_study_as_run_sweeps_over_the_same_devices() {
    let device = include_str!("../device-models/ecram/tang2018.toml");
    let place = Place::and(
        "[sweep]\ncombine = \"product\"\n[sweep.axes]\n\"device.model\" = [\"ideal/soft-bounds\", \
        { value = \"own.toml\", with = { array = { read-noise = 0.1 } } }]",
    );
    place.write("own.toml", device);
    // Keys of one law would be refused by the other device.
    let text = place.read("study.toml");
    place.write(
        "study.toml",
        text.replace("[device.law.soft-bounds]\nstep = \"400 nS\"\n", ""),
    );
    let ran = place.run("deep/out");
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let points = &place.summary("deep/out")["points"];
    assert_ne!(points[0]["device"], points[1]["device"]);
    let again = place.memridge(&["run", "deep/out/study.toml", "--out", "again"]);
    assert_eq!((again.code, again.stderr.as_str()), (Some(0), ""));
    // Points are called by the path of their device, which is now the whole path.
    let own = place.path("own.toml").display().to_string();
    let runs = place.read("again/runs.csv").replace(&own, "own.toml");
    assert_eq!(place.read("deep/out/runs.csv"), runs);
    assert_eq!(
        place.read("deep/out/study.toml"),
        place.read("again/study.toml")
    );
}

#[test]
fn the_study_as_run_finds_its_data() {
    let place = Place::with(&[]);
    assert_eq!(place.run("deep/er/out").code, Some(0));
    let again = place.memridge(&["run", "deep/er/out/study.toml", "--out", "again"]);
    assert_eq!((again.code, again.stderr.as_str()), (Some(0), ""));
    assert_eq!(
        place.read("deep/er/out/runs.csv"),
        place.read("again/runs.csv")
    );
}

#[test]
fn the_study_as_run_needs_no_device_file() {
    let device = include_str!("../device-models/ideal/soft-bounds.toml");
    let place = Place::with(&[("ideal/soft-bounds", "mine.toml")]);
    place.write("mine.toml", device.replace("Ideal soft bounds", "Mine"));
    place.runs("out");
    assert_eq!(place.summary("out")["points"][0]["device"], "Mine");
    fs::copy(place.path("own.csv"), place.path("out/own.csv")).unwrap();
    let again = place.memridge(&["run", "out/study.toml", "--out", "again"]);
    assert_eq!((again.code, again.stderr.as_str()), (Some(0), ""));
    assert_eq!(place.read("out/runs.csv"), place.read("again/runs.csv"));
}

/// A measured device names its table, which the study as run finds from anywhere.
#[test]
fn the_study_as_run_finds_the_nodes_of_its_device() {
    let device = include_str!("../device-models/ideal/soft-bounds.toml");
    let start = device.find("[law.soft-bounds]").unwrap();
    let end = device.find("[cycle-to-cycle]").unwrap();
    let law = "[law.piecewise]\nstep = 0.01\nlower = 0.0\nupper = 1.0\ninterpolation = \"monotone-cubic\"\ncsv = \"steps.csv\"\n";
    let place = Place::with(&[
        ("ideal/soft-bounds", "devices/mine.toml"),
        ("[device.law.soft-bounds]\nstep = \"400 nS\"\n", ""),
    ]);
    fs::create_dir(place.path("devices")).unwrap();
    let text = format!("{}{law}\n{}", &device[..start], &device[end..]);
    place.write("devices/mine.toml", text);
    place.write(
        "devices/steps.csv",
        "potentiation,depression\n2.0,0.1\n1.0,1.0\n0.1,2.0\n",
    );
    place.runs("out");
    let again = place.memridge(&["run", "out/study.toml", "--out", "again"]);
    assert_eq!((again.code, again.stderr.as_str()), (Some(0), ""));
    assert_eq!(place.read("out/runs.csv"), place.read("again/runs.csv"));
}

#[test]
fn the_spread_of_a_device_can_be_replaced_by_another_form() {
    let place = Place::with(&[
        ("ideal/soft-bounds", "rpu/gokmen2016"),
        (
            "[device.law.soft-bounds]\nstep = \"400 nS\"",
            "[device.device-to-device]\nstep = { log-normal = 0.1 }",
        ),
        ("\"symmetric-point\"", "\"middle\""),
    ]);
    place.runs("out");
}

#[test]
fn json_is_all_there_is_on_standard_output() {
    let place = Place::with(&[]);
    let ran = place.memridge(&["run", "study.toml", "--out", "out", "--json"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    let printed: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(printed, place.summary("out"));
    for args in [
        &["predict", "study.toml", "--json"][..],
        &["device", "list", "--json"],
        &["device", "show", "ecram/tang2018", "--json"],
    ] {
        let ran = place.memridge(args);
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
        serde_json::from_str::<Value>(&ran.stdout).unwrap();
    }
}

#[test]
fn a_missed_expectation_is_said_and_returned() {
    let expect = |at_most: f64| {
        Place::and(&format!(
            "[quick]\nreplicas = 6\n[[expect]]\nname = \"little bias\"\nmetric = \"bias-norm\"\nat-most = {at_most:?}"
        ))
    };
    let missed = expect(0.0);
    let ran = missed.run("out");
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(1), ""));
    let said = |text: &str, start: &str| {
        text.lines()
            .any(|l| l.starts_with(start) && l.contains("little bias"))
    };
    assert!(said(&ran.stdout, "MISSED "), "{}", ran.stdout);
    assert_eq!(missed.summary("out")["all-met"], false);
    assert_eq!(missed.summary("out")["expectations"][0]["met"], false);
    let met = expect(9.0).runs("out");
    assert!(said(&met.stdout, "met "), "{}", met.stdout);
    // A quick run leaves it out.
    let quick = missed.memridge(&["run", "study.toml", "--out", "out", "--quick"]);
    assert_eq!(quick.code, Some(0));
    assert!(said(&quick.stdout, "left out"), "{}", quick.stdout);
    assert_eq!(missed.summary("out")["replicas"], 6);
}

#[test]
fn predict_writes_nothing() {
    let place = Place::with(&[]);
    let before = place.files();
    let ran = place.memridge(&["predict", "study.toml"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    assert!(
        ran.stdout.contains("λ P1") && !ran.stdout.contains("NaN"),
        "{}",
        ran.stdout
    );
    assert!(before == place.files());
}

#[test]
fn cite_prints_every_reference_once() {
    let ran = Place::with(&[]).memridge(&["cite", "study.toml"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    // The study's own and its device's.
    for key in ["wu2024", "frascaroli2018"] {
        let entries = ran.stdout.matches(&format!("{{{key},")).count();
        assert_eq!(entries, 1, "{key}");
    }
    assert_eq!(ran.stdout.matches("\n@").count() + 1, 2);
}

#[test]
fn devices_are_listed_shown_and_drawn() {
    let place = Place::with(&[]);
    let list = place.memridge(&["device", "list"]);
    assert_eq!((list.code, list.stderr.as_str()), (Some(0), ""));
    let json = place.memridge(&["device", "list", "--json"]);
    let devices: Vec<Value> = serde_json::from_str(&json.stdout).unwrap();
    assert!(devices.len() > 5);
    for device in &devices {
        let name = device["file"].as_str().unwrap();
        assert!(list.stdout.contains(name), "{name}");
        let shown = place.memridge(&["device", "show", name, "--svg", "device.svg"]);
        assert_eq!((shown.code, shown.stderr.as_str()), (Some(0), ""), "{name}");
        assert!(!shown.stdout.contains("NaN"), "{name}");
        let svg = place.read("device.svg");
        assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
        assert!(!svg.contains("NaN"), "{name}");
        fs::remove_file(place.path("device.svg")).unwrap();
    }
}

#[test]
fn a_device_file_is_shown_by_its_path() {
    let place = Place::with(&[]);
    let text = include_str!("../device-models/ecram/tang2018.toml");
    place.write("mine.toml", text.replace("Li ECRAM", "Mine"));
    let path = place.path("mine.toml").display().to_string();
    for name in ["mine.toml", "./mine.toml", &path] {
        let ran = place.memridge(&["device", "show", name]);
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
        assert!(ran.stdout.starts_with("Mine"), "{}", ran.stdout);
    }
    for (name, part) in [
        ("mime.toml", "did you mean"),
        ("own.csv", "path of a .toml file"),
        ("study.toml", "study.toml:1:1: name: missing"),
    ] {
        let ran = place.memridge(&["device", "show", name]);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{name}");
        assert!(ran.stderr.contains(part), "{}", ran.stderr);
    }
    let ran = place.memridge(&["device", "show", "mine.toml", "--svg", "no/such.svg"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("no/such.svg: cannot be written"));
}

/// The table in the repository is the one that the program prints.
#[test]
fn the_readme_of_the_devices_is_printed() {
    let ran = Place::with(&[]).memridge(&["device", "list", "--markdown"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    let readme = include_str!("../device-models/README.md");
    let heading = readme.strip_suffix(&ran.stdout).unwrap_or_else(|| {
        panic!(
            "write this below the heading of device-models/README.md:\n{}",
            ran.stdout
        )
    });
    assert!(heading.starts_with("# Device models\n"));
    assert!(heading.contains("`memridge device list --markdown`"));
    // All of the table is below the heading.
    assert!(!heading.contains('|'), "{heading}");
    let rows = ran.stdout.lines().filter(|l| l.starts_with("| [")).count();
    assert_eq!(rows, LIBRARY.len());
}

#[test]
fn a_device_file_is_checked() {
    let place = Place::with(&[]);
    for (name, _) in LIBRARY {
        let ran = place.memridge(&["device", "check", name]);
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{name}");
        assert!(ran.stdout.starts_with("ok\n"), "{}", ran.stdout);
        assert_eq!(ran.stdout.lines().count(), 2);
    }
    let text = include_str!("../device-models/reram/jo2010.toml");
    place.write("mine.toml", text);
    let ran = place.memridge(&["device", "check", "mine.toml"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    let summary = "ok\nAg:a-Si ReRAM (Jo 2010): exponential, 3.07692 nS – 38.4615 nS, 97 steps across the window, w⋄ = -0.326, τ = 0.969\n";
    assert_eq!(ran.stdout, summary);
    // Every violation at once.
    let broken = text
        .replace("label-potentiation = 2.4", "label-potentiation = 12")
        .replace("g-max = \"38", "g-max = \"1")
        .replace("depression-ratio", "depression-ration")
        .replace("additive = 3.395", "additive = -1");
    place.write("mine.toml", broken);
    let ran = place.memridge(&["device", "check", "mine.toml"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""));
    for part in [
        "mine.toml:20:9",
        "the window must have a width",
        "label-potentiation",
        "must lie between -9 and 9",
        "did you mean depression-ratio?",
        "additive",
        "0 or greater",
    ] {
        assert!(ran.stderr.contains(part), "no {part} in\n{}", ran.stderr);
    }
    // A spread that no cell survives.
    let spread = "[device-to-device]\nlower = { list = [2.0] }\n";
    place.write("mine.toml", format!("{text}\n{spread}"));
    let ran = place.memridge(&["device", "check", "mine.toml"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""));
    assert!(ran.stderr.contains("unphysical"), "{}", ran.stderr);
    let ran = place.memridge(&["device", "check", "no.toml"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""));
}

/// The table of the pulse response: P pulses up end at the upper end, and noise is in the figure alone.
#[test]
fn a_pulse_response_is_written_as_a_table() {
    let place = Place::with(&[]);
    let ran = place.memridge(&["device", "show", "reram/jo2010", "--csv", "curve.csv"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    for part in [
        "w⋄ = -0.32",
        "R'(w⋄) = 1.03",
        "τ = 0.96",
        "per unit of gradient noise",
    ] {
        assert!(ran.stdout.contains(part), "no {part} in\n{}", ran.stdout);
    }
    let table = place.read("curve.csv");
    let mut lines = table.lines();
    assert_eq!(lines.next(), Some("direction,pulse,conductance,low,high"));
    let rows: Vec<Vec<&str>> = lines.map(|l| l.split(',').collect()).collect();
    assert!(
        rows.iter()
            .all(|r| r.len() == 5 && r[3].is_empty() && r[4].is_empty())
    );
    let at = |direction: &str, pulse: f64| -> f64 {
        let row = rows
            .iter()
            .find(|r| r[0] == direction && r[1].parse::<f64>().unwrap() >= pulse);
        row.unwrap()[2].parse().unwrap()
    };
    assert!((at("potentiation", 0.0) / 3.076923077e-9 - 1.0).abs() < 1e-9);
    // Beyond 97 pulses the hard bound holds.
    assert!((at("potentiation", 97.0) / 38.46153846e-9 - 1.0).abs() < 1e-7);
    let ran = place.memridge(&[
        "device",
        "show",
        "reram/gong2018-soft-bounds",
        "--csv",
        "curve.csv",
    ]);
    assert_eq!(ran.code, Some(0));
    for row in place.read("curve.csv").lines().skip(1) {
        let numbers: Vec<f64> = row.split(',').skip(1).map(|v| v.parse().unwrap()).collect();
        assert!(numbers[2] <= numbers[3], "{row}");
    }
    let ran = place.memridge(&["device", "show", "reram/jo2010", "--csv", "no/such.csv"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("no/such.csv: cannot be written"));
}

#[test]
fn every_command_says_what_it_does() {
    let place = Place::with(&[]);
    for (args, part) in [
        (&["--help"][..], "Exit status: 0 all well, 1"),
        (&["run", "--help"], "simulate, measure"),
        (&["predict", "--help"], "without simulating a pulse"),
        (&["cite", "--help"], "BibTeX"),
        (&["device", "--help"], "devices that come with the program"),
        (&["device", "list", "--help"], "table of the devices"),
        (&["device", "check", "--help"], "every rule that it breaks"),
        (&["device", "show", "--help"], "symmetric point"),
        (&["backends", "--help"], "where memridge can compute"),
    ] {
        let ran = place.memridge(args);
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
        assert!(ran.stdout.contains(part), "{args:?}: {}", ran.stdout);
        assert!(ran.stdout.contains("Usage: memridge"), "{args:?}");
    }
    for args in [
        &[][..],
        &["rum"],
        &["run"],
        &["run", "study.toml", "--threads", "x"],
    ] {
        let ran = place.memridge(args);
        assert_eq!(ran.code, Some(2));
        assert!(ran.stderr.contains("Usage") || ran.stderr.contains("--help"));
    }
}

// ------------------------------------------------------------------------------------------------------- where to compute

/// What `memridge backends --json` says.
fn backends(place: &Place) -> Vec<Value> {
    let ran = place.memridge(&["backends", "--json"]);
    let list: Vec<Value> = serde_json::from_str(&ran.stdout).unwrap();
    // Without a graphics processor the status is 1.
    assert_eq!(ran.code, Some(i32::from(list.len() == 1)));
    list
}

fn computed_by(place: &Place, out: &str) -> String {
    let provenance = place.read(&format!("{out}/provenance.json"));
    let provenance: Value = serde_json::from_str(&provenance).unwrap();
    provenance["backend"].as_str().unwrap().to_owned()
}

#[test]
fn backends_are_listed() {
    let place = Place::with(&[]);
    let list = backends(&place);
    assert_eq!(list[0]["backend"], "cpu");
    assert!(list[0]["threads"].as_u64().unwrap() > 0);
    let table = place.memridge(&["backends"]).stdout;
    assert!(table.contains("backend") && table.contains(" cpu ") && table.contains("threads"));
    for processor in &list[1..] {
        assert_eq!(processor["backend"], "gpu");
        assert!(processor["largest-binding-bytes"].as_u64().unwrap() >= 1 << 27);
        assert!(processor["most-workgroups"].as_u64().unwrap() > 0);
        for key in ["name", "kind", "interface", "driver"] {
            let text = processor[key].as_str().unwrap();
            assert!(!text.is_empty() && (key == "driver" || table.contains(text)));
        }
    }
    assert_eq!(
        table.contains("memridge was built without"),
        !cfg!(feature = "gpu")
    );
}

#[cfg(feature = "gpu")]
#[test]
fn a_study_runs_on_a_graphics_processor() {
    let place = Place::with(&[]);
    let list = backends(&place);
    let name = list.get(1).expect("a graphics processor")["name"]
        .as_str()
        .unwrap();
    place.runs("cpu");
    assert_eq!(computed_by(&place, "cpu"), "cpu");
    let of_cpu = &place.summary("cpu")["points"][0];
    let part = name[..name.len().min(4)].to_uppercase();
    for (out, choice) in [
        ("gpu", ["--backend", "gpu"]),
        ("adapter", ["--adapter", &part]),
    ] {
        let ran = place.memridge(&[&["run", "study.toml", "--out", out][..], &choice].concat());
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        assert_eq!(computed_by(&place, out), format!("gpu ({name})"));
        let point = &place.summary(out)["points"][0];
        for (key, value) in of_cpu.as_object().unwrap() {
            let there = &point[key];
            assert_eq!(value.is_null(), there.is_null(), "{key}");
        }
        // The same random integers: far nearer than the 24 replicas' error.
        let norm = |point: &Value| point["bias-norm"].as_f64().unwrap();
        let error = of_cpu["monte-carlo-error"].as_f64().unwrap();
        assert!((norm(point) / norm(of_cpu) - 1.0).abs() < 0.1 * error);
    }
}

/// Small studies stay on the CPU; for large ones a software driver does not count: it is slower than the CPU backend.
#[test]
fn the_choice_of_the_backend_can_be_left_to_the_program() {
    let place = Place::with(&[]);
    let run = |study: &str, out: &str| {
        let arguments = [
            "run",
            study,
            "--out",
            out,
            "--backend",
            "auto",
            "--threads",
            "1",
        ];
        let ran = place.memridge(&arguments);
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        (computed_by(&place, out), ran.stderr)
    };
    let (backend, says) = run("study.toml", "out");
    assert_eq!(backend, "cpu");
    let part = "computing on the CPU: it is faster for fewer than 20000 cells × replicas on 1 threads, and this is 48";
    assert!(says.contains(part), "{says}");

    let hardware = |p: &Value| p["backend"] == "gpu" && p["kind"] != "software";
    let found = backends(&place).iter().any(hardware);
    let large = STUDY.replace("replicas = 24", "replicas = 10000");
    place.write("large.toml", large.replace("steps = 300", "steps = 20"));
    let (backend, says) = run("large.toml", "large");
    assert_eq!(backend == "cpu", !found);
    let fell_back = says.contains("computing on the CPU: no graphics processor ");
    assert_eq!(fell_back, !found, "{says}");
}

#[test]
fn a_graphics_processor_that_is_not_there_is_refused() {
    let place = Place::with(&[]);
    let before = place.files();
    let ran = place.memridge(&["run", "study.toml", "--adapter", "nonsense"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""));
    let part = if cfg!(feature = "gpu") {
        "no graphics processor is called \"nonsense\"; there is "
    } else {
        "no graphics processor can be used by a memridge built without its GPU backend; build it with the feature gpu"
    };
    assert!(ran.stderr.contains(part), "{}", ran.stderr);
    let both = ["run", "study.toml", "--adapter", "x", "--backend", "gpu"];
    let ran = place.memridge(&both);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""));
    assert!(
        ran.stderr
            .contains("--adapter <NAME>' cannot be used with '--backend"),
        "{}",
        ran.stderr
    );
    if cfg!(not(feature = "gpu")) {
        let ran = place.memridge(&["run", "study.toml", "--backend", "gpu"]);
        assert_eq!(ran.code, Some(2));
    }
    assert!(before == place.files(), "a refused run left files");
}

// ------------------------------------------------------------------------------------------------------- strange studies

/// Every number of a summary is finite by its format; what must exist is not `null`.
#[track_caller]
fn measures(place: &Place) {
    place.runs("out");
    let runs = place.read("out/runs.csv");
    assert!(!runs.contains("NaN") && !runs.contains("inf"), "{runs}");
    let page = place.read("out/report.html");
    assert!(!page.contains("NaN"));
    for point in place.summary("out")["points"].as_array().unwrap() {
        assert!(point["bias-norm"].is_f64());
        for weight in point["weights"].as_array().unwrap() {
            for key in ["measured", "standard-error", "deviation", "free"] {
                assert!(weight[key].is_number(), "{key} of {weight}");
            }
        }
    }
}

const TASK: &str = "data = \"own.csv\"\ntarget = \"price\"\nstandardise = true";

#[test]
fn the_shortest_and_smallest_studies_run() {
    measures(&Place::with(&[
        ("steps = 300", "steps = 10"),
        ("replicas = 24", "replicas = 2"),
        ("average-from = 0.5", "average-from = 0.99"),
        ("log-every = 5", "log-every = 1000000"),
    ]));
    measures(&Place::with(&[]).data("size,price\n1,2\n3,5\n4,4\n"));
    // Two features that are one: H is singular.
    measures(&Place::with(&[]).data("a,b,price\n1,1,2\n2,2,3\n3,3,5\n"));
}

#[test]
fn every_device_learns_in_either_mapping() {
    let devices = Place::with(&[])
        .memridge(&["device", "list", "--json"])
        .stdout;
    let devices: Vec<Value> = serde_json::from_str(&devices).unwrap();
    for device in devices {
        let name = device["file"].as_str().unwrap();
        if device["law"] == "programmed" || !device["reset"].is_null() {
            // Without pulses, or for pairs of a mapping of their own.
            continue;
        }
        // A weight of 1 is half the window of any device, so that requests are of the size that they are for the study's own.
        let conductance = |key: &str| device[key].as_f64().unwrap();
        let half = 0.5e6 * (conductance("g-max") - conductance("g-min"));
        let half = format!("conductance-per-weight = \"{half} uS\"");
        // Reads of some cells depend on how much time passes.
        let clock = match name {
            "ideal/noisy-reads" => "log-every = 5\nseconds-per-step = \"1 us\"",
            _ => "log-every = 5",
        };
        for mapping in ["reference-column", "differential-pair"] {
            let place = Place::with(&[
                ("log-every = 5", clock),
                ("ideal/soft-bounds", name),
                ("[device.law.soft-bounds]\nstep = \"400 nS\"\n", ""),
                ("\"symmetric-point\"", "\"middle\""),
                ("conductance-per-weight = \"20 uS\"", &half),
                ("reference-column", mapping),
            ]);
            // Two equal cells without any symmetric point leave their common mode free: no prediction, but said.
            let ran = place.run("out");
            if ran.code == Some(2) {
                assert!(
                    ran.stderr.contains("not determined"),
                    "{name} {mapping}: {}",
                    ran.stderr
                );
            } else {
                measures(&place);
            }
        }
    }
}

#[test]
fn every_way_to_count_pulses_and_to_batch_runs() {
    let pulses = "pulses = \"stochastic-rounding\"";
    for other in [
        "pulses = \"deterministic\"",
        "pulses = \"expected\"",
        "pulses = { coincidence = { bit-length = 1, update-management = true } }",
        "pulses = { coincidence = { bit-length = 31, update-management = false } }",
    ] {
        measures(&Place::with(&[(pulses, other)]));
    }
    for (batch, update) in [
        ("8", "per-sample"),
        ("8", "summed"),
        ("4096", "summed"),
        ("\"full\"", "summed"),
    ] {
        measures(&Place::with(&[
            ("batch = 1", &format!("batch = {batch}")),
            ("per-sample", update),
            ("steps = 300", "steps = 100"),
        ]));
    }
    for schedule in [
        "schedule = { geometric = { last = 0.1 } }",
        "schedule = { inverse = { half = 100.0 } }",
        "schedule = { step = { factor = 0.3, every = 0.25 } }",
        "schedule = { cosine = { last = 0.1 } }\nwarm-up = 0.2",
    ] {
        measures(&Place::with(&[("schedule = \"constant\"", schedule)]));
    }
    // Just below the limit of stability.
    measures(&Place::with(&[(
        "learning-rate = 0.02",
        "learning-rate = 0.4",
    )]));
}

#[test]
fn random_tasks_run() {
    let random = "random-problems = { features = 3, samples = 4, input-deviation = 1.0, truth-deviation = 0.3, label-noise = 0.1 }";
    let gaussian = "gaussian-inputs = { features = 3, truth-deviation = 0.3, label-noise = 0.1 }";
    measures(&Place::with(&[(TASK, random)]));
    measures(&Place::with(&[
        (TASK, random),
        ("batch = 1", "batch = \"full\""),
        (
            "update = \"per-sample\"",
            "update = \"summed\"\ngradient-noise = 0.3",
        ),
    ]));
    measures(&Place::with(&[(TASK, gaussian)]));
    Place::with(&[
        (TASK, gaussian),
        ("batch = 1", "batch = \"full\""),
        ("per-sample", "summed"),
    ])
    .refused(&[
        "study.toml:",
        "training.batch",
        "; write a number of samples",
    ]);
}

#[test]
fn cross_validation_needs_as_many_samples_as_folds() {
    let folds = |n: usize| {
        format!("standardise = true\ncross-validation = {{ folds = {n}, replicas = 4 }}")
    };
    let place = Place::with(&[("standardise = true", &folds(12))]);
    measures(&place);
    for key in documented("TestError") {
        assert!(place.summary("out")["points"][0]["test-error"][&key].is_number());
    }
    let before = Place::with(&[("standardise = true", &folds(13))]);
    let ran = before.run("out");
    assert_eq!(ran.code, Some(2), "{}", ran.stdout);
    assert!(ran.stderr.contains("folds"), "{}", ran.stderr);
}

/// Programmed states are for inference: nothing can be trained with them, and they are shown by how they miss their targets.
#[test]
fn devices_without_pulses_are_shown_and_not_trained() {
    let place = Place::with(&[
        ("model = \"ideal/soft-bounds\"", "model = \"pcm/joshi2020\""),
        ("\n[device.law.soft-bounds]\nstep = \"400 nS\"\n", ""),
        ("zero = \"symmetric-point\"", "zero = \"middle\""),
    ]);
    let ran = place.memridge(&["run", "study.toml", "--out", "out"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""));
    for part in ["device.law", "has no pulses", "nothing can be trained"] {
        assert!(ran.stderr.contains(part), "{}", ran.stderr);
    }
    assert!(!place.path("out").exists());
    let ran = place.memridge(&["device", "show", "pcm/joshi2020", "--csv", "p.csv"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    assert!(
        ran.stdout
            .contains("standard deviation of the programmed conductance")
    );
    // At 25 uS: 0.28638599 + 0.07585724 · 25 - 0.00178767 · 25² uS.
    let last = place.read("p.csv").lines().last().unwrap().to_owned();
    let numbers: Vec<f64> = last.split(',').map(|v| v.parse().unwrap()).collect();
    assert!(
        (numbers[0] - 25e-6).abs() < 1e-12 && numbers[1] == 0.0,
        "{last}"
    );
    assert!((numbers[2] - 1.065_523_24e-6).abs() < 1e-13, "{last}");
}
