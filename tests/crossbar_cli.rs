//! `memridge crossbar solve` and `show` from outside: what they write, what they refuse and how they say so.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use npyz::WriterBuilder;
use npyz::npz::{NpzArchive, NpzWriter};
use tempfile::TempDir;

struct Ran {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

fn memridge(folder: &Path, args: &[&str]) -> Ran {
    run(folder, "solve", args)
}

/// Runs a command in a folder. Whatever it is given, it must not panic.
fn run(folder: &Path, command: &str, args: &[&str]) -> Ran {
    let output = Command::new(env!("CARGO_BIN_EXE_memridge"))
        .args(["crossbar", command])
        .args(args)
        .env("RUST_BACKTRACE", "0")
        .current_dir(folder)
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

type Array<'a> = (&'a str, &'a [u64], Vec<f64>);

fn circuit() -> Vec<Array<'static>> {
    vec![
        ("conductances_S", &[2, 2], vec![1e-3, 2e-3, 3e-3, 4e-3]),
        ("voltages_V", &[2, 1], vec![1.0, 0.5]),
        ("r_word_ohm", &[], vec![1.0]),
        ("r_bit_ohm", &[], vec![1.0]),
    ]
}

fn write(path: &Path, arrays: &[Array], order: npyz::Order) {
    let mut npz = NpzWriter::create(path).unwrap();
    for (name, shape, values) in arrays {
        let array = npz.array(name, Default::default()).unwrap();
        let mut array = array
            .default_dtype()
            .shape(shape)
            .order(order)
            .begin_nd()
            .unwrap();
        array.extend(values.iter().copied()).unwrap();
        array.finish().unwrap();
    }
}

/// The message for arrays that differ from [`circuit`] in one.
fn refusal(changed: Array) -> String {
    let folder = TempDir::new().unwrap();
    let mut arrays = circuit();
    let place = arrays.iter_mut().find(|a| a.0 == changed.0).unwrap();
    *place = changed;
    write(&folder.path().join("c.npz"), &arrays, npyz::Order::C);
    refused(folder.path(), &["c.npz", "--out", "i.npz"])
}

fn refused(folder: &Path, args: &[&str]) -> String {
    let ran = memridge(folder, args);
    assert_eq!(ran.code, Some(2), "{}{}", ran.stdout, ran.stderr);
    assert!(!folder.join("i.npz").exists());
    ran.stderr
}

fn read(path: &Path, name: &str) -> (Vec<u64>, Vec<f64>) {
    let mut archive = NpzArchive::open(path).unwrap();
    let array = archive.by_name(name).unwrap().unwrap();
    (array.shape().to_vec(), array.into_vec::<f64>().unwrap())
}

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data/irdrop")
        .join(name)
}

fn close(a: &[f64], b: &[f64], tolerance: f64) {
    assert_eq!(a.len(), b.len());
    let largest = b.iter().fold(0.0_f64, |m, x| m.max(x.abs()));
    for (a, b) in a.iter().zip(b) {
        assert!((a - b).abs() <= tolerance * largest, "{a} {b}");
    }
}

/// A file of the reference solver goes in, its answers come out under the same names and shapes.
#[test]
fn a_reference_file_is_solved() {
    let folder = TempDir::new().unwrap();
    let file = data("8x24_rw1_rb3.npz");
    let out = folder.path().join("i.npz");
    for (method, tolerance) in [("direct", 1e-11), ("iterative", 1e-7)] {
        let ran = memridge(
            folder.path(),
            &[file.to_str().unwrap(), "--out", "i.npz", "--method", method],
        );
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        for part in ["8 x 24", method, "largest drop"] {
            assert!(ran.stdout.contains(part), "{part}: {}", ran.stdout);
        }
        for name in [
            "output_currents_A",
            "word_line_voltages_V",
            "bit_line_voltages_V",
        ] {
            let (shape, ours) = read(&out, name);
            let (expected, theirs) = read(&file, name);
            assert_eq!(shape, expected);
            close(&ours, &theirs, tolerance);
        }
    }
    // whole: nothing temporary is left
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

/// Options add what a file does not hold: one cell with everything in series.
#[test]
fn drivers_and_senses_have_resistance() {
    let folder = TempDir::new().unwrap();
    let arrays: Vec<Array> = vec![
        ("conductances_S", &[1, 1], vec![0.01]),
        ("voltages_V", &[1], vec![2.0]),
        ("r_word_ohm", &[], vec![3.0]),
        ("r_bit_ohm", &[], vec![2.0]),
    ];
    write(&folder.path().join("c.npz"), &arrays, npyz::Order::C);
    let out = folder.path().join("i.npz");
    let current = |more: &[&str]| {
        let args = [&["c.npz", "--out", "i.npz"], more].concat();
        assert_eq!(memridge(folder.path(), &args).code, Some(0));
        read(&out, "output_currents_A").1[0]
    };
    close(&[current(&[])], &[2.0 / 105.0], 1e-14);
    let terminals = ["--driver-resistance", "7", "--sense-resistance", "8"];
    close(&[current(&terminals)], &[2.0 / 120.0], 1e-14);
    let both = [&terminals[..], &["--drive", "both", "--sense", "both"]].concat();
    close(&[current(&both)], &[2.0 / 110.0], 1e-14);
}

#[test]
fn bad_files_are_refused() {
    let text = refusal(("conductances_S", &[2, 2], vec![1e-3, f64::NAN, -1.0, 0.0]));
    assert!(
        text.contains("c.npz: conductances_S = NaN in row 0, column 1 (and 1 more)"),
        "{text}"
    );
    let text = refusal(("conductances_S", &[4], vec![1e-3; 4]));
    assert!(text.contains("conductances_S: has 1 dimensions"), "{text}");
    let text = refusal(("voltages_V", &[3, 1], vec![1.0; 3]));
    assert!(
        text.contains("voltages_V: is 3 x 1 where conductances_S has 2 rows"),
        "{text}"
    );
    let text = refusal(("voltages_V", &[2, 1], vec![1.0, f64::INFINITY]));
    assert!(
        text.contains("voltages_V = inf in row 1, vector 0"),
        "{text}"
    );
    let text = refusal(("r_word_ohm", &[], vec![-1.0]));
    assert!(text.contains("r_word_ohm = -1"), "{text}");
    let text = refusal(("r_bit_ohm", &[2], vec![1.0, 1.0]));
    assert!(text.contains("r_bit_ohm: has 2 values"), "{text}");
    let text = refusal(("conductances_S", &[0, 2], vec![]));
    assert!(text.contains("at least 1 x 1"), "{text}");
}

#[test]
fn arrays_stored_column_by_column_are_the_same_circuit() {
    let folder = TempDir::new().unwrap();
    let currents = |order, stored: [f64; 4]| {
        let mut arrays = circuit();
        arrays[0].2 = stored.to_vec();
        write(&folder.path().join("c.npz"), &arrays, order);
        let out = folder.path().join("i.npz");
        let ran = memridge(folder.path(), &["c.npz", "--out", "i.npz"]);
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        read(&out, "output_currents_A")
    };
    let by_rows = currents(npyz::Order::C, [1e-3, 2e-3, 3e-3, 4e-3]);
    let by_columns = currents(npyz::Order::Fortran, [1e-3, 3e-3, 2e-3, 4e-3]);
    assert_eq!(by_rows, by_columns);
}

#[test]
fn missing_keys_and_types_are_refused() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("c.npz");
    let args = ["c.npz", "--out", "i.npz"];
    let mut arrays = circuit();
    arrays[0].0 = "conductance_S";
    arrays.remove(3);
    write(&file, &arrays, npyz::Order::C);
    let text = refused(folder.path(), &args);
    assert!(
        text.contains("conductances_S: is missing; did you mean conductance_S?"),
        "{text}"
    );
    assert!(text.contains("r_bit_ohm: is missing"), "{text}");
    // a text in place of the array's numbers, which has the length of eight
    let mut npz = NpzWriter::create(&file).unwrap();
    npz.zip_writer()
        .start_file("conductances_S.npy", Default::default())
        .unwrap();
    let header = "{'descr': '|S8', 'fortran_order': False, 'shape': (), }\n";
    let bytes = [
        b"\x93NUMPY\x01\0",
        &[header.len() as u8, 0][..],
        header.as_bytes(),
    ]
    .concat();
    npz.zip_writer().write_all(&bytes).unwrap();
    drop(npz);
    let text = refused(folder.path(), &args);
    assert!(text.contains("conductances_S: has the type |S8"), "{text}");
    fs::write(&file, b"no archive").unwrap();
    let text = refused(folder.path(), &args);
    assert!(text.contains("c.npz: is no NPZ file"), "{text}");
    let text = refused(folder.path(), &["d.npz", "--out", "i.npz"]);
    assert!(
        text.contains("d.npz: cannot be read") && text.contains("c.npz"),
        "{text}"
    );
    write(&file, &circuit(), npyz::Order::C);
    let text = refused(
        folder.path(),
        &["c.npz", "--out", "i.npz", "--driver-resistance", "-1"],
    );
    assert!(text.contains("--driver-resistance = -1"), "{text}");
    let text = refused(folder.path(), &["c.npz", "--out", "c.npz"]);
    assert!(text.contains("not replaced"), "{text}");
    let text = refused(folder.path(), &["c.npz", "--out", "no/i.npz"]);
    assert!(text.contains("cannot be written"), "{text}");
}

/// A study of single weights, each one cell of 70 µS where it starts.
fn study(folder: &Path, features: usize, array: &str) {
    let text = format!(
        r#"
title = "one"
claim = "t"
cite = []
seed = 7
replicas = 4
[device]
model = "ideal/soft-bounds"
[device.window]
g-min = "50 uS"
g-max = "90 uS"
[array]
read-noise = 0.0
{array}
[array.mapping.reference-column]
zero = "middle"
conductance-per-weight = "20 uS"
[task.random-problems]
features = {features}
samples = 30
input-deviation = 1.0
truth-deviation = 0.2
label-noise = 0.3
[training]
loss = "squared-error"
learning-rate = 0.02
schedule = "constant"
steps = 600
batch = 1
update = "per-sample"
average-from = 0.5
log-every = 5
pulses = "stochastic-rounding"
"#
    );
    fs::write(folder.join("study.toml"), text).unwrap();
}

const WIRES: &str = r#"wires = { word-segment = "100 Ohm", bit-segment = "200 Ohm", driver-resistance = "1 kOhm", sense-resistance = "700 Ohm", refresh-every = 1 }"#;

/// One cell of 1/70 µS in series with 2 kΩ misses 2/(2 + 14.286) of the voltage, and so does its current.
#[test]
fn a_shown_cell_misses_what_is_in_series_with_it() {
    let folder = TempDir::new().unwrap();
    study(folder.path(), 1, WIRES);
    let ran = run(folder.path(), "show", &["study.toml", "--svg", "array.svg"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let missed = 100.0 * 2e3 / (2e3 + 1.0 / 70e-6);
    let lines = |what: &str| {
        let found = ran.stdout.lines().find(|l| l.contains(what));
        found.unwrap_or_else(|| panic!("{what}: {}", ran.stdout))
    };
    for what in ["largest drop", "mean drop", "mean size"] {
        assert!(
            lines(what).contains(&format!(" {missed:.3} %")),
            "{}",
            ran.stdout
        );
    }
    assert!(lines("largest error").contains(&format!("-{missed:.3} %")));
    assert!(lines("word lines x").contains("1 x 1"));
    let svg = fs::read_to_string(folder.path().join("array.svg")).unwrap();
    assert!(svg.starts_with("<svg") && svg.contains("% of the voltage"));
}

#[test]
fn the_farthest_cell_has_the_largest_drop() {
    let folder = TempDir::new().unwrap();
    study(folder.path(), 150, WIRES);
    let ran = run(folder.path(), "show", &["study.toml", "--svg", "array.svg"]);
    // The line is sensed at the bottom, so its first cells see the most of it.
    assert!(
        ran.stdout.contains("word line 0, bit line 0"),
        "{}",
        ran.stdout
    );
    // 128 cells at most are drawn, and 60 shades of the key.
    let svg = fs::read_to_string(folder.path().join("array.svg")).unwrap();
    assert!(svg.matches("<rect").count() < 260);
}

/// Tiles have wires of their own: each of these holds one cell, whatever the number of inputs.
#[test]
fn of_tiles_the_worst_is_shown() {
    let folder = TempDir::new().unwrap();
    study(
        folder.path(),
        9,
        &format!("{WIRES}\ntiles = {{ rows = 1, columns = 4 }}"),
    );
    let ran = run(folder.path(), "show", &["study.toml", "--svg", "array.svg"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let missed = 100.0 * 2e3 / (2e3 + 1.0 / 70e-6);
    assert!(ran.stdout.contains("of 9 tiles"), "{}", ran.stdout);
    assert!(ran.stdout.contains(" 1 x 1 "), "{}", ran.stdout);
    let missed = format!(" {missed:.3} %");
    assert!(ran.stdout.contains(&missed), "{}", ran.stdout);
}

#[test]
fn ideal_wires_are_not_shown() {
    let folder = TempDir::new().unwrap();
    study(folder.path(), 3, "");
    let ran = run(folder.path(), "show", &["study.toml"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("array.wires") && ran.stderr.contains("[array.wires]"));
    study(folder.path(), 3, WIRES);
    let ran = run(
        folder.path(),
        "show",
        &["study.toml", "--svg", "study.toml"],
    );
    assert_eq!(ran.code, Some(2), "{}", ran.stdout);
}
