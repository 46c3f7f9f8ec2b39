//! `memridge device fit` from outside: what it refuses and how it says so, what it writes, and what reads that.

use std::fs;
use std::path::PathBuf;

use assert_cmd::Command;
use memridge::number::{Coordinates, Purpose, Stream};
use serde_json::Value;
use tempfile::TempDir;

struct Ran {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

/// A folder with a table of pulses.
struct Place {
    folder: TempDir,
}

impl Place {
    fn with(csv: impl AsRef<[u8]>) -> Self {
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("pulses.csv"), csv).unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path()).unwrap();
        let mut names: Vec<String> = entries
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
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
        ran
    }

    fn fit(&self, more: &[&str]) -> Ran {
        let all = [
            &["device", "fit", "pulses.csv", "--out", "device.toml"],
            more,
        ]
        .concat();
        self.memridge(&all)
    }

    /// The fit is refused with status 2, says all of `parts`, and writes nothing.
    #[track_caller]
    fn refused(&self, more: &[&str], parts: &[&str]) {
        let before = self.names();
        let ran = self.fit(more);
        assert_eq!(
            (ran.code, ran.stdout.as_str()),
            (Some(2), ""),
            "{}",
            ran.stderr
        );
        for part in parts {
            assert!(
                ran.stderr.contains(part),
                "no \"{part}\" in\n{}",
                ran.stderr
            );
        }
        assert_eq!(before, self.names());
    }
}

const HEADER: &str = "cell,cycle,pulse,polarity,conductance [uS]\n";

/// Soft bounds between 10 and 50 µS, steps of 3 % of what is left, noise of a fifth of that.
fn rows(cells: u32, pulses: u32) -> Vec<String> {
    let stream = Stream::new(5);
    let mut rows = Vec::new();
    for cell in 0..cells {
        let mut s: f64 = 0.3;
        for pulse in 0..=2 * pulses {
            let up = pulse <= pulses;
            let polarity = match (pulse, up) {
                (0, _) => 0,
                (_, true) => 1,
                _ => -1,
            };
            if pulse > 0 {
                let at = Coordinates {
                    step: pulse,
                    cell,
                    replica: 0,
                    purpose: Purpose::Input,
                    index: 0,
                };
                // Uniform with the variance of a fifth of the step of 0.03.
                let noise = 0.006 * 12.0_f64.sqrt() * (f64::from(stream.uniform(at)) - 0.5);
                s += noise + if up { 0.03 * (1.0 - s) } else { -0.03 * s };
            }
            rows.push(format!(
                "A{cell},first,{pulse},{polarity},{}",
                10.0 + 40.0 * s
            ));
        }
    }
    rows
}

fn csv(rows: &[String]) -> String {
    format!("{HEADER}{}\n", rows.join("\n"))
}

fn good() -> String {
    csv(&rows(6, 80))
}

#[test]
fn a_fit_is_written_drawn_and_read_again() {
    let place = Place::with(good());
    let ran = place.fit(&[
        "--law",
        "soft-bounds",
        "--svg",
        "fit.svg",
        "--g-min",
        "10 uS",
        "--g-max",
        "50 uS",
    ]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    for part in [
        "symmetric-point",
        "device to device",
        "AIC",
        "95 %: implicit λ",
    ] {
        assert!(ran.stdout.contains(part), "{part} in {}", ran.stdout);
    }
    assert_eq!(place.names(), ["device.toml", "fit.svg", "pulses.csv"]);
    let svg = place.read("fit.svg");
    assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>") && !svg.contains("NaN"));
    let shown = place.memridge(&["device", "show", "device.toml"]);
    assert_eq!((shown.code, shown.stderr.as_str()), (Some(0), ""));
    assert!(shown.stdout.starts_with("pulses\n"), "{}", shown.stdout);
    assert!(
        shown.stdout.contains("95 %: symmetric point"),
        "{}",
        shown.stdout
    );
    let json = place.memridge(&["device", "show", "device.toml", "--json"]);
    let json: Value = serde_json::from_str(&json.stdout).unwrap();
    let lambda = &json["lambda-per-gradient"];
    let number = |key: &str| lambda[key].as_f64().unwrap();
    // λ = 1/τ = 1 in a weight that spans [-1, 1]; from 960 pulses of noise 0.2, in 6 cells, it is known to a few percent.
    assert!(number("low") < 1.0 && 1.0 < number("high"), "{lambda}");
    assert!(number("high") - number("low") < 0.2, "{lambda}");
    assert!((1.0 / json["tau"].as_f64().unwrap() - number("value")).abs() < 1e-9);
}

#[test]
fn a_prediction_says_what_is_not_known_of_its_device() {
    let place = Place::with(good());
    assert_eq!(place.fit(&["--law", "soft-bounds"]).code, Some(0));
    fs::write(
        place.path("own.csv"),
        "size,price\n0.9,0.2\n-1.4,-1.1\n-0.7,-0.5\n0.3,0.1\n1.1,0.9\n",
    )
    .unwrap();
    for (mapping, cells) in [("reference-column", 1.0), ("differential-pair", 2.0)] {
        let study = format!(
            r#"title = "Small"
claim = "None"
cite = ["wu2024"]
seed = 1
replicas = 24
[device]
model = "device.toml"
[array]
read-noise = 0.0
[array.mapping.{mapping}]
zero = "symmetric-point"
conductance-per-weight = "20 uS"
[task]
data = "own.csv"
target = "price"
standardise = true
[training]
loss = "squared-error"
learning-rate = 0.005
schedule = "constant"
steps = 300
batch = 1
update = "per-sample"
average-from = 0.5
log-every = 5
pulses = "stochastic-rounding"
"#
        );
        fs::write(place.path("study.toml"), study).unwrap();
        let ran = place.memridge(&["predict", "study.toml"]);
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{mapping}");
        assert!(
            ran.stdout
                .contains("what is not known of the device, 95 %: w⋄ = "),
            "{}",
            ran.stdout
        );
        let json = place.memridge(&["predict", "study.toml", "--json"]);
        let json: Value = serde_json::from_str(&json.stdout).unwrap();
        let lambda = &json[0]["lambda-per-gradient"];
        // The cells of the study are drawn if they differ: here they do not, and every weight is nominal.
        let tau = json[0]["tau"].as_f64().unwrap();
        assert!(
            (lambda["value"].as_f64().unwrap() * tau - 1.0).abs() < 1e-6,
            "{mapping} {lambda} {tau}"
        );
        assert!(lambda["low"].as_f64().unwrap() < lambda["value"].as_f64().unwrap());
        let w = &json[0]["symmetric-weight"];
        assert!(w["value"].as_f64().unwrap().abs() < 1e-9, "{w}");
        let width = w["high"].as_f64().unwrap() - w["low"].as_f64().unwrap();
        assert_eq!(width > 0.0, cells == 1.0, "{w}");
    }
}

#[test]
fn all_laws_are_compared_unless_one_is_named() {
    let place = Place::with(good());
    let ran = place.fit(&["--json"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    let json: Value = serde_json::from_str(&ran.stdout).unwrap();
    let candidates = json["candidates"].as_array().unwrap();
    assert_eq!(candidates.len(), memridge::device::fit::fittable().len());
    let aic: Vec<f64> = candidates
        .iter()
        .filter_map(|c| c["aic"].as_f64())
        .collect();
    assert!(aic.len() > 1 && aic.is_sorted());
    assert_eq!(candidates[0]["law"], json["law"]);
    assert!(["soft-bounds", "linear-step"].contains(&json["law"].as_str().unwrap()));
    let text = place.fit(&[]);
    assert!(text.stdout.contains("above the best"), "{}", text.stdout);
}

#[test]
fn the_form_of_the_table_does_not_matter() {
    let place = Place::with(good());
    let one = place.fit(&["--law", "soft-bounds", "--json"]);
    assert_eq!(one.code, Some(0), "{}", one.stderr);
    // Ends of lines and a mark of Windows, columns in another order and one more, siemens without a unit, cells line by line.
    let windows = format!("\u{feff}{}", good().replace('\n', "\r\n"));
    let swapped = |row: &String| {
        let v: Vec<&str> = row.split(',').collect();
        format!("{},note,{},{},{},{}", v[4], v[3], v[0], v[2], v[1])
    };
    let swapped: Vec<String> = rows(6, 80).iter().map(swapped).collect();
    let swapped = format!(
        "Conductance [µS],remark,Polarity,Cell,Pulse,Cycle\n{}",
        swapped.join("\n")
    );
    let all = rows(6, 80);
    let turned: Vec<String> = (0..161)
        .flat_map(|k| (0..6).map(move |c| 161 * c + k))
        .map(|k| all[k].clone())
        .collect();
    for text in [windows, swapped, csv(&turned)] {
        let other = Place::with(&text).fit(&["--law", "soft-bounds", "--json"]);
        assert_eq!(other.stdout, one.stdout, "{}", other.stderr);
    }
}

#[test]
fn tables_that_tell_nothing_are_refused() {
    let all = rows(2, 30);
    let edited = |line: usize, from: &str, to: &str| {
        let mut rows = all.clone();
        assert!(rows[line].contains(from));
        rows[line] = rows[line].replacen(from, to, 1);
        csv(&rows)
    };
    let up: Vec<String> = all
        .iter()
        .filter(|r| !r.contains(",-1,"))
        .cloned()
        .collect();
    let still: Vec<String> = all
        .iter()
        .map(|r| format!("{},20", r.rsplit_once(',').unwrap().0))
        .collect();
    let alone: Vec<String> = (0..)
        .zip(&all)
        .map(|(k, r)| r.replacen("first", &format!("cycle {k}"), 1))
        .collect();
    let turned: Vec<String> = all
        .iter()
        .map(|r| {
            let v: Vec<&str> = r.split(',').collect();
            let sign = -v[3].parse::<i32>().unwrap();
            format!("{},{},{},{sign},{}", v[0], v[1], v[2], v[4])
        })
        .collect();
    // The greatest number that there is, twice.
    let last = [
        "A0,first,9223372036854775807,1,20".to_owned(),
        "A0,first,9223372036854775807,1,21".to_owned(),
    ];
    let jumping: Vec<String> = all.iter().step_by(2).cloned().collect();
    for (text, parts) in [
        (
            String::new(),
            vec!["pulses.csv:1: column cell: there is no such column"],
        ),
        (HEADER.to_owned(), vec!["at least 2 readings, found 0"]),
        (csv(&all[..1]), vec!["at least 2 readings, found 1"]),
        (
            csv(&all[..9]),
            vec!["column polarity: cell A0 must have at least 10", "found 8"],
        ),
        (csv(&up), vec!["10 depressing pulses", "found 0"]),
        (
            csv(&still),
            vec!["column conductance: must change, cell A0 stays at 20 uS"],
        ),
        (csv(&jumping), vec!["read after every pulse"]),
        (
            good().replace("conductance [uS]", "g"),
            vec!["column conductance: there is no such column"],
        ),
        (
            good().replace("polarity", "polarty"),
            vec!["did you mean it by polarty?"],
        ),
        (
            good().replace("[uS]", "[us]"),
            vec!["unit of time", "conductance [uS]"],
        ),
        (
            good().replace("cycle", "cell"),
            vec!["column cell: there are two columns"],
        ),
        (
            good().replace("polarity,conductance [uS]", "conductance [uS],polarity"),
            vec!["pulses.csv:2: column polarity: must be +1 or -1, found \"22\""],
        ),
        (
            edited(4, ",4,", ",3,"),
            vec![
                "pulses.csv:6: column pulse: pulse 3 of cycle first of cell A0 must come after pulse 3",
            ],
        ),
        (
            edited(4, ",4,", ",4.5,"),
            vec!["column pulse: must be a whole number"],
        ),
        (
            edited(4, ",1,", ",2,"),
            vec!["pulses.csv:6: column polarity: must be +1 or -1, found \"2\""],
        ),
        (edited(4, ",1,", ",0,"), vec!["column polarity"]),
        (
            edited(4, ",1,", ",1,-"),
            vec!["pulses.csv:6: column conductance: must be 0 or greater"],
        ),
        (
            edited(4, ",1,", ",1,NaN #"),
            vec!["pulses.csv:6: column conductance: must be a finite number"],
        ),
        (edited(4, ",1,", ",1,1e300"), vec!["column conductance"]),
        (edited(4, ",1,", ",1,1e9"), vec!["column conductance"]),
        (
            edited(4, ",1,", ",1,1,"),
            vec!["pulses.csv:6: every line must have 5 values"],
        ),
        (edited(4, "A0", ""), vec!["column cell: must not be empty"]),
        (
            good().replace(" [uS]", ""),
            vec!["is no conductance of a cell", "give the unit in the header"],
        ),
        (
            good().replace("[uS]", "(uS)"),
            vec!["write its unit in brackets, for example conductance [uS]"],
        ),
        (
            csv(&alone),
            vec![
                "cell A0 must have at least 10",
                "no cycle of it has two readings",
            ],
        ),
        (
            csv(&turned),
            vec![
                "column polarity: pulses of +1 must raise",
                "exchange the signs",
            ],
        ),
        (
            csv(&last),
            vec!["must come after pulse 9223372036854775807"],
        ),
    ] {
        Place::with(&text).refused(&[], &parts);
    }
    Place::with([0xff, 0xfe, 0x00]).refused(&[], &["pulses.csv: cannot be read"]);
    // One value within the limits that is far from all others: whatever comes of it, it is said in words.
    let wide = Place::with(good().replacen(",1,2", ",1,900002", 1)).fit(&["--law", "soft-bounds"]);
    assert!(matches!(wide.code, Some(0 | 2)) && (wide.stdout.is_empty() != wide.stderr.is_empty()));
}

#[test]
fn options_that_cannot_be_are_refused() {
    let place = Place::with(good());
    for (options, parts) in [
        (
            &["--law", "soft-bound"][..],
            &["--law = \"soft-bound\"", "did you mean soft-bounds?"][..],
        ),
        (
            &["--law", "soft-bounds", "--fix", "lover=0"],
            &["--fix = lover=0", "lower, upper, symmetric-point"],
        ),
        (
            &["--law", "soft-bounds", "--fix", "symmetric-point=3"],
            &["between 0 and 1"],
        ),
        (
            &[
                "--law",
                "soft-bounds",
                "--g-min",
                "30 uS",
                "--g-max",
                "20 uS",
            ],
            &["must have a width"],
        ),
        (
            &[
                "--law",
                "soft-bounds",
                "--g-min",
                "100 uS",
                "--g-max",
                "110 uS",
            ],
            &["outside the window"],
        ),
        (
            &["--svg", "no/such.svg"],
            &["no/such.svg: cannot be written"],
        ),
        (&["--svg", "pulses.csv"], &["these are the data"]),
        (&["--svg", "."], &["cannot be written"]),
        (&["--svg", "device.toml"], &["name the same file"]),
        (&["--svg", "./device.toml"], &["name the same file"]),
        (
            &["--law", "soft-bounds", "--fix", "step=0"],
            &["--fix = step=0", "greater than 0"],
        ),
        (
            &[
                "--law",
                "soft-bounds",
                "--fix",
                "upper=1",
                "--fix",
                "upper=1.1",
            ],
            &["more than one value"],
        ),
        (
            &["--law", "soft-bounds", "--g-min=-1 uS"],
            &["g-min, must be 0 or greater"],
        ),
    ] {
        place.refused(options, parts);
    }
    for options in [
        ["--fix", "lower"],
        ["--fix", "lower=x"],
        ["--write-noise", "-1"],
        ["--g-min", "20"],
    ] {
        let ran = place.fit(&options);
        assert_eq!(ran.code, Some(2), "{options:?}");
        assert!(ran.stderr.contains("--help"), "{}", ran.stderr);
    }
    let ran = place.memridge(&["device", "fit", "puls.csv"]);
    assert_eq!(ran.code, Some(2));
    assert!(
        ran.stderr.contains("did you mean pulses.csv?"),
        "{}",
        ran.stderr
    );
    assert_eq!(place.read("pulses.csv"), good());
}

#[test]
fn held_numbers_stay_and_are_said_to() {
    let place = Place::with(good());
    let ran = place.fit(&[
        "--law",
        "soft-bounds",
        "--fix",
        "lower=0",
        "--fix",
        "upper=1",
        "--g-min",
        "10 uS",
        "--g-max",
        "50 uS",
        "--write-noise",
        "0",
        "--json",
    ]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    let json: Value = serde_json::from_str(&ran.stdout).unwrap();
    let parameters = json["parameters"].as_array().unwrap();
    assert_eq!(parameters[1]["value"], 0.0);
    assert_eq!(parameters[2]["value"], 1.0);
    assert!(parameters[1]["interval"].is_null() && parameters[3]["interval"].is_array());
    assert_eq!(json["write-noise"]["value"], 0.0);
    assert!(
        place
            .read("device.toml")
            .contains("parameters = [\"step\", \"symmetric-point\"]")
    );
}

#[test]
fn the_help_shows_the_table() {
    let ran = Place::with("").memridge(&["device", "fit", "--help"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    for part in [
        "cell,cycle,pulse,polarity,conductance [uS]",
        "--law",
        "Usage: memridge device fit",
    ] {
        assert!(ran.stdout.contains(part), "{}", ran.stdout);
    }
}

/// One cell has no scatter to others: its intervals are its own, and it is said.
#[test]
fn one_cell_is_enough() {
    let place = Place::with(csv(&rows(1, 80)));
    let ran = place.fit(&["--law", "soft-bounds"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    assert!(ran.stdout.contains("one cell"), "{}", ran.stdout);
    assert!(!place.read("device.toml").contains("[device-to-device]"));
}

/// All numbers of the law held: noise alone is fitted, and the file has no covariance to be empty.
#[test]
fn a_law_that_is_held_as_a_whole_is_written() {
    let place = Place::with(good());
    let ran = place.fit(&[
        "--law",
        "constant-step",
        "--fix",
        "step=0.015",
        "--fix",
        "asymmetry=0",
    ]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    assert!(
        ran.stdout.contains("no number of the law was fitted"),
        "{}",
        ran.stdout
    );
    let text = place.read("device.toml");
    assert!(!text.contains("[covariance]"), "{text}");
    let checked = place.memridge(&["device", "check", "device.toml"]);
    assert_eq!(checked.code, Some(0), "{}", checked.stderr);
    for (table, part) in [
        ("parameters = []\nmatrix = []", "at least one parameter"),
        (
            "parameters = [\"lever\"]\nmatrix = [[1.0]]",
            "its parameters are step, lower",
        ),
    ] {
        fs::write(
            place.path("device.toml"),
            format!("{text}\n[covariance]\n{table}\n"),
        )
        .unwrap();
        let checked = place.memridge(&["device", "check", "device.toml"]);
        assert_eq!(checked.code, Some(2), "{}", checked.stdout);
        assert!(checked.stderr.contains(part), "{}", checked.stderr);
    }
}
