//! `memridge crossbar solve`.

use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use comfy_table::Table;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use memridge::arrays::{Archive, Array};
use memridge::crossbar::wires::{Circuit, Ends, Lines, Method, Solution, Solver};
use memridge::error::{Error, Result, Violation};
use memridge::report::TABLE_STYLE;
use npyz::WriterBuilder;
use npyz::npz::NpzWriter;

use super::fit::{check_target, write_whole};
use super::print;

#[derive(Args)]
pub struct SolveArgs {
    /// An NPZ file of arrays of numbers: conductances_S (rows x columns), voltages_V (rows, or rows x vectors), and
    /// r_word_ohm and r_bit_ohm, the resistance of one segment of a word line and of a bit line.
    circuit: PathBuf,
    /// The NPZ file to write: output_currents_A (vectors x columns), word_line_voltages_V and bit_line_voltages_V (rows x columns x vectors).
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Where word lines are driven.
    #[arg(long, value_enum, default_value_t = Drive::Left)]
    drive: Drive,
    /// Where bit lines are held at ground and sensed.
    #[arg(long, value_enum, default_value_t = Sense::Bottom)]
    sense: Sense,
    /// Resistance of each driver, in ohm.
    #[arg(
        long,
        value_name = "OHM",
        default_value_t = 0.0,
        allow_negative_numbers = true
    )]
    driver_resistance: f64,
    /// Resistance of each sense, in ohm.
    #[arg(
        long,
        value_name = "OHM",
        default_value_t = 0.0,
        allow_negative_numbers = true
    )]
    sense_resistance: f64,
    /// How to solve.
    #[arg(long, value_enum, default_value_t = By::Direct)]
    method: By,
}

#[derive(Clone, Copy, ValueEnum)]
enum Drive {
    Left,
    Right,
    Both,
}

#[derive(Clone, Copy, ValueEnum)]
enum Sense {
    Top,
    Bottom,
    Both,
}

#[derive(Clone, Copy, ValueEnum)]
enum By {
    /// Sparse Cholesky factors, exact to rounding.
    Direct,
    /// Conjugate gradients to a tolerance of 1e-8: faster for few vectors.
    Iterative,
}

/// Arrays of one NPZ file, and what is wrong with them.
struct Arrays {
    file: String,
    archive: Archive,
    violations: Vec<Violation>,
}

impl Arrays {
    fn open(path: &Path) -> Result<Self> {
        Ok(Self {
            file: path.display().to_string(),
            archive: Archive::open(path)?,
            violations: Vec::new(),
        })
    }

    fn broken(&mut self, key: &str, rule: String, way_out: &str) {
        let violation = violation(&self.file, key, None, rule, way_out);
        self.violations.push(violation);
    }

    /// One array, if it is there and well formed.
    fn array(&mut self, key: &str, dimensions: &[usize]) -> Option<Array> {
        match self.archive.array(key) {
            Ok(found) if dimensions.contains(&found.shape.len()) => return Some(found),
            Ok(found) => {
                let wanted: Vec<String> = dimensions.iter().map(usize::to_string).collect();
                let rule = format!("has {} dimensions", found.shape.len());
                let way_out = format!("it must have {}", wanted.join(" or "));
                self.broken(key, rule, &way_out);
            }
            Err(flaw) => self.broken(key, flaw.rule, &flaw.way_out),
        }
        None
    }
}

fn violation(
    file: &str,
    key: &str,
    value: Option<String>,
    rule: String,
    way_out: &str,
) -> Violation {
    Violation {
        file: file.into(),
        line: None,
        column: None,
        key: key.into(),
        value,
        rule,
        way_out: way_out.into(),
    }
}

/// The key of a file or the option that a circuit's own name stands for.
fn renamed(key: &str) -> &str {
    match key {
        "conductances" | "size" => "conductances_S",
        "word.segment" => "r_word_ohm",
        "bit.segment" => "r_bit_ohm",
        "word.terminals.first" | "word.terminals.last" => "--driver-resistance",
        "bit.terminals.first" | "bit.terminals.last" => "--sense-resistance",
        other => other,
    }
}

/// The circuit of a file and the vectors of its word lines' voltages.
fn read(args: &SolveArgs) -> Result<(Circuit, Vec<Vec<f64>>)> {
    let mut arrays = Arrays::open(&args.circuit)?;
    let cells = arrays.array("conductances_S", &[2]);
    let voltages = arrays.array("voltages_V", &[1, 2]);
    let mut wire = |key: &str| {
        let values = arrays.array(key, &[0, 1]).map_or(vec![0.0], |a| a.values);
        if values.len() != 1 {
            let rule = format!("has {} values", values.len());
            arrays.broken(key, rule, "all segments of a side have one resistance");
        }
        values.first().copied().unwrap_or(0.0)
    };
    let (word, bit) = (wire("r_word_ohm"), wire("r_bit_ohm"));
    let side = |segment, ends, terminal| Lines {
        terminals: [terminal; 2],
        ..Lines::new(segment, ends)
    };
    let drive = match args.drive {
        Drive::Left => Ends::First,
        Drive::Right => Ends::Last,
        Drive::Both => Ends::Both,
    };
    let sense = match args.sense {
        Sense::Top => Ends::First,
        Sense::Bottom => Ends::Last,
        Sense::Both => Ends::Both,
    };
    let mut vectors = Vec::new();
    let mut circuit = None;
    if let Some(Array { shape, values: g }) = cells {
        let (m, n) = (shape[0], shape[1]);
        if let Some(Array { shape, values: v }) = voltages {
            let count = shape.get(1).copied().unwrap_or(1);
            if shape[0] != m || count == 0 {
                let rule = format!("is {} where conductances_S has {m} rows", sizes(&shape));
                arrays.broken(
                    "voltages_V",
                    rule,
                    "give a voltage a row, and a column a vector",
                );
            } else if let Some(at) = v.iter().position(|v| !v.is_finite()) {
                let value = format!("{} in row {}, vector {}", v[at], at / count, at % count);
                let rule = "must be finite".into();
                let found = violation(
                    &arrays.file,
                    "voltages_V",
                    Some(value),
                    rule,
                    "drive open lines at 0 V",
                );
                arrays.violations.push(found);
            } else {
                let vector = |k: usize| (0..m).map(|i| v[i * count + k]).collect();
                vectors = (0..count).map(vector).collect();
            }
        }
        let made = Circuit::new(
            m,
            n,
            g,
            side(word, drive, args.driver_resistance),
            side(bit, sense, args.sense_resistance),
        );
        match made {
            Ok(made) => circuit = Some(made),
            Err(Error::Invalid(found)) => {
                for mut violation in found {
                    let key = renamed(&violation.key).to_owned();
                    violation.file = match key.starts_with('-') {
                        true => "command line".into(),
                        false => arrays.file.clone(),
                    };
                    violation.key = key;
                    if !arrays.violations.contains(&violation) {
                        arrays.violations.push(violation);
                    }
                }
            }
            Err(other) => return Err(other),
        }
    }
    match circuit {
        Some(circuit) if arrays.violations.is_empty() => Ok((circuit, vectors)),
        _ => Err(Error::Invalid(arrays.violations)),
    }
}

fn sizes(shape: &[usize]) -> String {
    let sizes: Vec<String> = shape.iter().map(usize::to_string).collect();
    sizes.join(" x ")
}

/// Vectors that are solved before the bar moves.
const AT_ONCE: usize = 32;

/// Solves a circuit and writes what it found.
pub fn solve(args: &SolveArgs) -> Result<ExitCode> {
    check_target(&args.out, &args.circuit)?;
    let (circuit, vectors) = read(args)?;
    let method = match args.method {
        By::Direct => Method::Direct,
        By::Iterative => Method::ITERATIVE,
    };
    let start = Instant::now();
    let bar =
        ProgressBar::with_draw_target(Some(vectors.len() as u64), ProgressDrawTarget::hidden());
    if let Ok(style) = ProgressStyle::with_template("solving {bar:40} {pos} of {len}  {elapsed}") {
        bar.set_style(style);
    }
    let mut solver = Solver::new(circuit, method)?;
    let ground = vec![0.0; solver.circuit().columns()];
    let drives: Vec<_> = vectors.into_iter().map(|v| (v, ground.clone())).collect();
    let mut solutions = Vec::with_capacity(drives.len());
    for some in drives.chunks(AT_ONCE) {
        if start.elapsed() > Duration::from_secs(1) {
            bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        solutions.extend(solver.solve_many(some)?);
        bar.inc(some.len() as u64);
    }
    bar.finish_and_clear();
    write_whole(
        &args.out,
        &content(solver.circuit(), &solutions, &args.out)?,
    )?;
    print(&table(&solver, &drives, &solutions));
    print(&format!("{}\n", args.out.display()));
    Ok(ExitCode::SUCCESS)
}

/// Size, method, the largest drop and the largest error of a current.
fn table(solver: &Solver, drives: &[(Vec<f64>, Vec<f64>)], solutions: &[Solution]) -> String {
    let circuit = solver.circuit();
    let n = circuit.columns();
    let (mut drop, mut error, mut largest) = (0.0_f64, 0.0_f64, 0.0_f64);
    for ((word, _), s) in drives.iter().zip(solutions) {
        let mut ideal = vec![0.0; n];
        for (k, g) in circuit.conductances().iter().enumerate() {
            let v = word[k / n];
            ideal[k % n] += g * v;
            drop = drop.max((v - (s.word[k] - s.bit[k])).abs());
        }
        for (i, ideal) in s.bit_currents.iter().zip(&ideal) {
            error = error.max((i - ideal).abs());
            largest = largest.max(ideal.abs());
        }
    }
    let method = match (solver.iterates(), solver.fallbacks()) {
        (false, _) => "direct".to_owned(),
        (true, 0) => "iterative, tolerance 1e-8".to_owned(),
        (true, k) => format!("iterative; direct for {k} vectors that did not converge"),
    };
    let relative = match largest > 0.0 {
        true => format!("{:.3e}", error / largest),
        false => "–".to_owned(),
    };
    let mut table = Table::new();
    table.load_style(TABLE_STYLE);
    table.add_row(["cells".to_owned(), format!("{} x {n}", circuit.rows())]);
    table.add_row(["vectors".to_owned(), solutions.len().to_string()]);
    table.add_row(["method".to_owned(), method]);
    table.add_row([
        "largest drop on the way to a cell".to_owned(),
        format!("{drop:.3e} V"),
    ]);
    table.add_row([
        "largest error of a current, of the largest with ideal wires".to_owned(),
        relative,
    ]);
    format!("{table}\n")
}

/// The arrays of the answer as NPZ.
fn content(circuit: &Circuit, solutions: &[Solution], out: &Path) -> Result<Vec<u8>> {
    let (m, n, count) = (circuit.rows(), circuit.columns(), solutions.len());
    let mut bytes = Cursor::new(Vec::new());
    let mut npz = NpzWriter::new(&mut bytes);
    let mut add = |name: &str, shape: &[u64], values: Vec<f64>| -> std::io::Result<()> {
        let mut array = npz
            .array(name, Default::default())?
            .default_dtype()
            .shape(shape)
            .begin_nd()?;
        array.extend(values)?;
        array.finish()
    };
    let (rows, columns, vectors) = (m as u64, n as u64, count as u64);
    let currents = solutions
        .iter()
        .flat_map(|s| s.bit_currents.iter().copied())
        .collect();
    let planes = |plane: fn(&Solution) -> &[f64]| -> Vec<f64> {
        let cells = 0..m * n;
        cells
            .flat_map(|c| solutions.iter().map(move |s| plane(s)[c]))
            .collect()
    };
    add("output_currents_A", &[vectors, columns], currents)
        .and_then(|()| {
            add(
                "word_line_voltages_V",
                &[rows, columns, vectors],
                planes(|s| &s.word),
            )
        })
        .and_then(|()| {
            add(
                "bit_line_voltages_V",
                &[rows, columns, vectors],
                planes(|s| &s.bit),
            )
        })
        .map_err(|e| Error::write(out, e))?;
    drop(npz);
    Ok(bytes.into_inner())
}
