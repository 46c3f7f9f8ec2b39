//! Crossbars with wire resistance: a reference solver's circuits, answers by hand, conserved power, reciprocity, limits, and methods
//! against each other.

use std::path::Path;

use memridge::crossbar::wires::{Break, Circuit, Ends, Lines, Method, Solver};
use memridge::device::CurrentVoltage;

/// Numbers in [0, 1) that depend on the seed and their order alone.
struct Uniforms {
    state: u64,
}

impl Uniforms {
    fn next(&mut self) -> f64 {
        // splitmix64
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() * n as f64) as usize
    }

    fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.next()
    }

    /// Log-uniform.
    fn scale(&mut self, low: f64, high: f64) -> f64 {
        self.between(low.ln(), high.ln()).exp()
    }

    fn vector(&mut self, n: usize, low: f64, high: f64) -> Vec<f64> {
        (0..n).map(|_| self.between(low, high)).collect()
    }
}

/// One array of a reference file, with its shape.
fn array(path: &Path, name: &str) -> Option<(Vec<f64>, Vec<u64>)> {
    let mut archive = npyz::npz::NpzArchive::open(path).unwrap();
    let found = archive.by_name(name).unwrap()?;
    let shape = found.shape().to_vec();
    let fortran = found.order() == npyz::Order::Fortran && shape.len() > 1;
    let mut values = found.into_vec::<f64>().unwrap();
    if fortran {
        let (rows, columns) = (shape[0] as usize, shape[1] as usize);
        values = (0..rows * columns)
            .map(|k| values[k % columns * rows + k / columns])
            .collect();
    }
    Some((values, shape))
}

fn largest(v: &[f64]) -> f64 {
    v.iter().fold(0.0, |m, x| m.max(x.abs()))
}

fn difference(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).fold(0.0, |m, (a, b)| m.max((a - b).abs()))
}

/// The circuit of a reference file and its applied voltages, vector by vector.
fn reference(path: &Path) -> (Circuit, Vec<Vec<f64>>) {
    let (g, shape) = array(path, "conductances_S").unwrap();
    let (m, n) = (shape[0] as usize, shape[1] as usize);
    let wire = |name: &str| array(path, name).unwrap().0[0];
    let circuit = Circuit::usual(m, n, g, wire("r_word_ohm"), wire("r_bit_ohm")).unwrap();
    let (v, shape) = array(path, "voltages_V").unwrap();
    let count = shape[1] as usize;
    let vectors = (0..count).map(|k| (0..m).map(|i| v[i * count + k]).collect());
    (circuit, vectors.collect())
}

/// Both methods against all reference files that the repository carries: currents, and voltages where they are given.
#[test]
fn reference_circuits() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/irdrop");
    let mut files = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|e| e != "npz") {
            continue;
        }
        files += 1;
        let (circuit, vectors) = reference(&path);
        let (m, n) = (circuit.rows(), circuit.columns());
        let (currents, _) = array(&path, "output_currents_A").unwrap();
        let ground = vec![0.0; n];
        let drives: Vec<_> = vectors
            .iter()
            .map(|v| (v.clone(), ground.clone()))
            .collect();
        // The reference is exact to 3e-13, as an independent nodal solution found.
        for (method, tolerance) in [
            (Method::Direct, 1e-11),
            (Method::Iterative { tolerance: 1e-12 }, 1e-10),
        ] {
            let mut solver = Solver::new(circuit.clone(), method).unwrap();
            let solved = solver.solve_many(&drives).unwrap();
            for (k, s) in solved.iter().enumerate() {
                let expected = &currents[k * n..(k + 1) * n];
                let error = difference(&s.bit_currents, expected) / largest(expected);
                assert!(error < tolerance, "{}: {method:?}: {error}", path.display());
                for (name, ours) in [
                    ("word_line_voltages_V", &s.word),
                    ("bit_line_voltages_V", &s.bit),
                ] {
                    let Some((all, _)) = array(&path, name) else {
                        continue;
                    };
                    let count = vectors.len();
                    let theirs: Vec<f64> = (0..m * n).map(|c| all[c * count + k]).collect();
                    let error = difference(ours, &theirs) / largest(&vectors[k]);
                    assert!(error < tolerance, "{}: {name}: {error}", path.display());
                }
            }
            let matrix = solver.effective_matrix().unwrap();
            for (k, v) in vectors.iter().enumerate() {
                let expected = &currents[k * n..(k + 1) * n];
                let products: Vec<f64> = (0..n)
                    .map(|j| (0..m).map(|i| v[i] * matrix[i * n + j]).sum())
                    .collect();
                let error = difference(&products, expected) / largest(expected);
                assert!(error < tolerance, "{}: matrix: {error}", path.display());
            }
            assert_eq!(solver.fallbacks(), 0);
        }
    }
    assert_eq!(files, 14);
}

/// A random circuit of up to 12 × 12 cells, with faults, at any ends; some have ideal wires on a side.
fn random_circuit(u: &mut Uniforms) -> Circuit {
    let (m, n) = (1 + u.below(12), 1 + u.below(12));
    let scale = u.scale(1e-6, 1e-3);
    let g = (0..m * n)
        .map(|_| match u.next() {
            x if x < 0.1 => 0.0,
            _ => scale * u.scale(0.01, 1.0),
        })
        .collect();
    let mut lines = |count: usize, cells: usize| Lines {
        segment: match u.next() {
            x if x < 0.15 => 0.0,
            x if x < 0.17 => f64::INFINITY,
            _ => u.scale(0.01, 100.0),
        },
        ends: [Ends::First, Ends::Last, Ends::Both][u.below(3)],
        terminals: [(); 2].map(|()| match u.next() {
            x if x < 0.5 => 0.0,
            _ => u.scale(0.1, 1000.0),
        }),
        broken: (0..u.below(4))
            .map(|_| Break {
                line: u.below(count),
                segment: u.below(cells + 1),
            })
            .collect(),
    };
    let (word, bit) = (lines(m, n), lines(n, m));
    Circuit::new(m, n, g, word, bit).unwrap()
}

/// Conductances of segments and leads, written down anew: between places j and j + 1 of line i, and at its two ends.
fn wires(lines: &Lines, cells: usize, line: usize) -> (Vec<f64>, [f64; 2]) {
    let intact = |segment: usize| !lines.broken.contains(&Break { line, segment });
    let links = (1..cells)
        .map(|k| if intact(k) { 1.0 / lines.segment } else { 0.0 })
        .collect();
    let connected = match lines.ends {
        Ends::First => [true, false],
        Ends::Last => [false, true],
        Ends::Both => [true, true],
    };
    let lead = |end: usize| match connected[end] && intact(end * cells) {
        true => 1.0 / (lines.segment + lines.terminals[end]),
        false => 0.0,
    };
    (links, [lead(0), lead(1)])
}

/// What all wires of one side dissipate at node voltages `at(line, cell)` and terminal voltages `ends`; nothing in ideal ones.
fn dissipated(lines: &Lines, cells: usize, at: impl Fn(usize, usize) -> f64, ends: &[f64]) -> f64 {
    let power = |g: f64, v: f64| if g.is_finite() { g * v * v } else { 0.0 };
    let mut sum = 0.0;
    for (line, &end) in ends.iter().enumerate() {
        let (links, leads) = wires(lines, cells, line);
        for (k, g) in links.into_iter().enumerate() {
            sum += power(g, at(line, k) - at(line, k + 1));
        }
        sum += power(leads[0], at(line, 0) - end);
        sum += power(leads[1], at(line, cells - 1) - end);
    }
    sum
}

/// 200 random circuits at random voltages of both sides: three ways to the same currents, the power of the sources is what cells and wires
/// dissipate (Tellegen), and currents add up to zero.
#[test]
fn random_circuits_by_three_methods() {
    let mut u = Uniforms { state: 11 };
    for case in 0..200 {
        let circuit = random_circuit(&mut u);
        let (m, n) = (circuit.rows(), circuit.columns());
        let (v, w) = (u.vector(m, -1.0, 1.0), u.vector(n, -1.0, 1.0));
        let mut direct = Solver::new(circuit.clone(), Method::Direct).unwrap();
        let mut iterative =
            Solver::new(circuit.clone(), Method::Iterative { tolerance: 1e-10 }).unwrap();
        let exact = direct.solve(&v, &w).unwrap();
        let close = iterative.solve(&v, &w).unwrap();
        let scale = largest(&exact.bit_currents).max(largest(&exact.word_currents));
        // Where next to nothing flows, the rounding of voltages of 1 V across the cells is left.
        let scale = scale.max(1e-4 * largest(circuit.conductances()));
        // Corrections of the direct method end below 1e-10.
        let tolerance = 1e-10 * scale;
        // A voltage error of 1e-10 in the norm of power, of up to 144 cells, in the current of one line.
        let loose = 1e-8 * scale;
        assert!(
            difference(&close.bit_currents, &exact.bit_currents) <= loose,
            "{case}"
        );
        assert!(
            difference(&close.word_currents, &exact.word_currents) <= loose,
            "{case}"
        );

        let power: f64 = v
            .iter()
            .zip(&exact.word_currents)
            .map(|(v, i)| v * i)
            .sum::<f64>()
            - w.iter()
                .zip(&exact.bit_currents)
                .map(|(v, i)| v * i)
                .sum::<f64>();
        let cells: f64 = (circuit.conductances().iter())
            .zip(exact.cell_voltages())
            .map(|(g, v)| g * v * v)
            .sum();
        let all = cells
            + dissipated(circuit.word(), n, |i, j| exact.word[i * n + j], &v)
            + dissipated(circuit.bit(), m, |j, i| exact.bit[i * n + j], &w);
        assert!(
            (power - all).abs() <= 1e-9 * all + tolerance,
            "{case}: {power} {all}"
        );
        let sums: f64 =
            exact.word_currents.iter().sum::<f64>() - exact.bit_currents.iter().sum::<f64>();
        assert!(sums.abs() <= tolerance, "{case}: {sums}");

        // Reads in both directions are one matrix.
        let matrix = direct.effective_matrix().unwrap();
        let ground = (vec![0.0; m], vec![0.0; n]);
        let forward = direct.solve(&v, &ground.1).unwrap();
        let backward = direct.solve(&ground.0, &w).unwrap();
        for j in 0..n {
            let product: f64 = (0..m).map(|i| v[i] * matrix[i * n + j]).sum();
            assert!(
                (product - forward.bit_currents[j]).abs() <= tolerance,
                "{case}"
            );
        }
        for i in 0..m {
            let product: f64 = (0..n).map(|j| matrix[i * n + j] * w[j]).sum();
            assert!(
                (product + backward.word_currents[i]).abs() <= tolerance,
                "{case}"
            );
        }
        // Where next to nothing flows, rounding is more than the tolerance, and the direct method takes over.
        let flows = scale > 1e-3 * largest(circuit.conductances());
        assert!(iterative.fallbacks() == 0 || !flows, "{case}");
    }
}

/// One cell: everything in series, and both ends in parallel.
#[test]
fn one_cell_by_hand() {
    let mut word = Lines::new(3.0, Ends::First);
    word.terminals = [7.0, 100.0];
    let mut bit = Lines::new(2.0, Ends::Both);
    bit.terminals = [8.0, 28.0];
    let circuit = Circuit::new(1, 1, vec![0.01], word, bit).unwrap();
    // 3 + 7 + 100 + (2 + 8 beside 2 + 28) ohm
    let expected = 2.0 / (110.0 + 10.0 * 30.0 / 40.0);
    for method in [Method::Direct, Method::ITERATIVE] {
        let s = Solver::new(circuit.clone(), method)
            .unwrap()
            .solve(&[2.0], &[0.0])
            .unwrap();
        assert!((s.bit_currents[0] / expected - 1.0).abs() < 1e-14);
        assert!((s.word_currents[0] / expected - 1.0).abs() < 1e-14);
        assert!((s.cell_voltages()[0] / (expected * 100.0) - 1.0).abs() < 1e-14);
    }
}

/// A ladder: one word line of equal cells whose bit lines are ideal. With `cosh θ = 1 + r g / 2`, the voltage at cell j of n is
/// `V cosh((n - j + 1/2) θ) / cosh((n + 1/2) θ)`, j from 1. Turned round, it is one bit line.
#[test]
fn ladders_in_closed_form() {
    let (n, r, g) = (40, 5.0, 2e-3);
    let theta: f64 = (1.0_f64 + r * g / 2.0).acosh();
    let at = |j: usize| ((n - j) as f64 + 0.5) * theta;
    let expected: Vec<f64> = (1..=n).map(|j| at(j).cosh() / at(0).cosh()).collect();
    let row = Circuit::usual(1, n, vec![g; n], r, 0.0).unwrap();
    let s = Solver::new(row, Method::Direct)
        .unwrap()
        .solve(&[1.0], &vec![0.0; n])
        .unwrap();
    // rounding of 40 cells in a row
    assert!(difference(&s.word, &expected) < 1e-13);
    let column = Circuit::usual(n, 1, vec![g; n], 0.0, r).unwrap();
    let s = Solver::new(column, Method::Direct)
        .unwrap()
        .solve(&vec![0.0; n], &[1.0])
        .unwrap();
    let turned: Vec<f64> = s.bit.iter().rev().copied().collect();
    assert!(difference(&turned, &expected) < 1e-13);
}

/// Small resistances lead to ideal wires, with an error in proportion.
#[test]
fn ideal_wires_are_the_limit() {
    let mut u = Uniforms { state: 3 };
    let (m, n) = (9, 7);
    let (g, v) = (u.vector(m * n, 1e-5, 1e-4), u.vector(m, -1.0, 1.0));
    let currents = |word: f64, bit: f64| {
        let circuit = Circuit::usual(m, n, g.clone(), word, bit).unwrap();
        let mut solver = Solver::new(circuit, Method::Direct).unwrap();
        solver.solve(&v, &vec![0.0; n]).unwrap().bit_currents
    };
    let ideal: Vec<f64> = (0..n)
        .map(|j| (0..m).map(|i| g[i * n + j] * v[i]).sum())
        .collect();
    assert!(difference(&currents(0.0, 0.0), &ideal) < 1e-15 * m as f64 * largest(&ideal));
    for (word, bit) in [(1.0, 1.0), (1.0, 0.0), (0.0, 1.0)] {
        let at = |r: f64| difference(&currents(r * word, r * bit), &ideal);
        let ratio = at(1e-3) / at(1e-4);
        // First order: the second is r g n² = 1e-5 of it.
        assert!((ratio - 10.0).abs() < 1e-2, "{ratio}");
    }
}

/// 512 × 512 cells of 1 mS with segments of 10 ohm: the hard case converges, and its currents balance.
#[test]
fn the_hard_case_converges() {
    let n = 512;
    let mut u = Uniforms { state: 5 };
    let (g, v) = (u.vector(n * n, 1e-4, 1e-3), u.vector(n, 0.0, 1.0));
    let circuit = Circuit::usual(n, n, g, 10.0, 10.0).unwrap();
    let mut iterative = Solver::new(circuit.clone(), Method::ITERATIVE).unwrap();
    let close = iterative.solve(&v, &vec![0.0; n]).unwrap();
    assert_eq!(iterative.fallbacks(), 0);
    let exact = Solver::new(circuit.clone(), Method::Direct).unwrap();
    let exact = { exact }.solve(&v, &vec![0.0; n]).unwrap();
    // What is promised: the power of the error, of what the cells dissipate. The direct solution adds 1e-12 of a volt.
    let apart = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a - b).collect::<Vec<_>>();
    let (dw, db) = (
        apart(&close.word, &exact.word),
        apart(&close.bit, &exact.bit),
    );
    let cells = |w: &[f64], b: &[f64]| -> f64 {
        let places = w.iter().zip(b).zip(circuit.conductances());
        places.map(|((w, b), g)| g * (w - b).powi(2)).sum()
    };
    let none = vec![0.0; n];
    let missed = cells(&dw, &db)
        + dissipated(circuit.word(), n, |i, j| dw[i * n + j], &none)
        + dissipated(circuit.bit(), n, |j, i| db[i * n + j], &none);
    let norm = (missed / cells(&exact.word, &exact.bit)).sqrt();
    assert!(norm <= 1.01e-8, "{norm}");
    // The tolerance of 1e-8 is that of the voltages' power; a current may miss by a few times more.
    let error = difference(&close.bit_currents, &exact.bit_currents) / largest(&exact.bit_currents);
    assert!(error < 1e-7, "{error}");
    let (into, out): (f64, f64) = (
        exact.word_currents.iter().sum(),
        exact.bit_currents.iter().sum(),
    );
    assert!((into / out - 1.0).abs() < 1e-10, "{into} {out}");
}

/// The true diagonal as preconditioner: 19 iterations at 128 × 128, where the lumped one takes 66.
#[test]
fn iterations_are_few() {
    let mut u = Uniforms { state: 6 };
    for (n, segment, scale, most) in [
        (64, 10.0, 1e-3, 15),
        (128, 10.0, 1e-3, 25),
        (128, 1.0, 1e-4, 6),
    ] {
        let g = u.vector(n * n, 0.1 * scale, scale);
        let v = u.vector(n, 0.1, 1.0);
        let circuit = Circuit::usual(n, n, g, segment, segment).unwrap();
        let mut solver = Solver::new(circuit, Method::ITERATIVE).unwrap();
        solver.solve(&v, &vec![0.0; n]).unwrap();
        assert!(
            solver.fallbacks() == 0 && solver.iterations() <= most,
            "{n}: {}",
            solver.iterations()
        );
    }
}

/// Where nothing flows, iterations end all the same: no voltage after another one, one voltage everywhere, no conductance.
#[test]
fn iterations_end_where_nothing_flows() {
    let n = 24;
    let mut u = Uniforms { state: 9 };
    let (g, v) = (u.vector(n * n, 1e-4, 1e-3), u.vector(n, 0.1, 1.0));
    let mut solver = Solver::new(
        Circuit::usual(n, n, g, 10.0, 10.0).unwrap(),
        Method::ITERATIVE,
    )
    .unwrap();
    let ground = vec![0.0; n];
    solver.solve(&v, &ground).unwrap();
    let none = solver.solve(&ground, &ground).unwrap();
    assert_eq!(largest(&none.word).max(largest(&none.bit_currents)), 0.0);
    solver.solve(&v, &ground).unwrap();
    let level = vec![0.7; n];
    let same = solver.solve(&level, &level).unwrap();
    assert!(same.word.iter().chain(&same.bit).all(|v| *v == 0.7));
    assert_eq!(largest(&same.bit_currents), 0.0);
    solver.solve(&v, &ground).unwrap();
    solver.set_conductances(&vec![0.0; n * n]).unwrap();
    let open = solver.solve(&v, &ground).unwrap();
    for (row, v) in open.word.chunks_exact(n).zip(&v) {
        // rounding of 1 V
        assert!(row.iter().all(|w| (w - v).abs() < 1e-14));
    }
    assert_eq!(largest(&open.bit_currents), 0.0);
    assert_eq!(solver.fallbacks(), 0);
}

/// Wires 10¹⁷ times better than cells are refused where they spoil the factors; a solver that failed goes on with what it can solve.
#[test]
fn lost_pivots_are_refused() {
    let make = |segment: f64| {
        let mut word = Lines::new(segment, Ends::First);
        word.broken = vec![Break {
            line: 0,
            segment: 0,
        }];
        Circuit::new(1, 3, vec![1e-6; 3], word, Lines::new(1.0, Ends::Last)).unwrap()
    };
    // By hand: the word line floats at a third of the voltage, for all three cells are alike; 1e-6 (1 - 1/3) / (1 + 1e-6).
    let expected = -2e-6 / 3.0 / (1.0 + 1e-6);
    for segment in [1.5e-23, 1e-24, 1e-26, 1e-28, 1e-30, 1e-3, 1.0, 0.0, 1e-320] {
        let bit = [1.0, 0.0, 0.0];
        let solved =
            Solver::new(make(segment), Method::Direct).and_then(|mut s| s.solve(&[0.0], &bit));
        match solved {
            // cells 3e-6 of a wire; corrections end at 1e-10 of 1 V
            Ok(s) => assert!(
                (s.bit_currents[0] / expected - 1.0).abs() < 1e-5,
                "{segment}: {:?}",
                s.bit_currents
            ),
            Err(e) => assert!(
                segment > 0.0 && segment < 1e-9 && e.to_string().contains("make the smallest"),
                "{segment}: {e}"
            ),
        }
    }
    // Cells too far from the wires, and back.
    let mut solver = Solver::new(make(1e-3), Method::Direct).unwrap();
    let good = solver.solve(&[0.0], &[1.0, 0.0, 0.0]).unwrap();
    assert!(solver.set_conductances(&[1e-19; 3]).is_err());
    assert!(solver.solve(&[0.0], &[1.0, 0.0, 0.0]).is_err());
    solver.set_conductances(&[1e-6; 3]).unwrap();
    assert_eq!(solver.solve(&[0.0], &[1.0, 0.0, 0.0]).unwrap(), good);
}

/// Random circuits by iterations have the matrix of the direct method, and nonlinear cells keep Kirchhoff's law and Tellegen's theorem.
#[test]
fn random_matrices_and_nonlinear_cells() {
    let mut u = Uniforms { state: 12 };
    for case in 0..60 {
        let circuit = random_circuit(&mut u);
        let (m, n) = (circuit.rows(), circuit.columns());
        let (v, w) = (u.vector(m, -1.0, 1.0), u.vector(n, -1.0, 1.0));
        let most = largest(circuit.conductances());
        let mut direct = Solver::new(circuit.clone(), Method::Direct).unwrap();
        let method = Method::Iterative { tolerance: 1e-10 };
        let mut iterative = Solver::new(circuit.clone(), method).unwrap();
        let (exact, close) = (
            direct.effective_matrix().unwrap(),
            iterative.effective_matrix().unwrap(),
        );
        // 1e-10 in the norm of power, of up to 144 cells, in one line; rounding where next to nothing flows
        let scale = largest(&exact).max(1e-4 * most);
        assert!(difference(&exact, &close) <= 1e-8 * scale, "{case}");

        let law = CurrentVoltage::Sinh { slope: 3.0 };
        let s = direct.solve_nonlinear(&v, &w, law).unwrap().solution;
        let sums: f64 = s.word_currents.iter().sum::<f64>() - s.bit_currents.iter().sum::<f64>();
        let flows = largest(&s.word_currents)
            .max(largest(&s.bit_currents))
            .max(1e-4 * most);
        // steps end at 1e-9, corrections at 1e-10 of a volt
        assert!(sums.abs() <= 1e-8 * flows, "{case}: {sums}");
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let power = dot(&v, &s.word_currents) - dot(&w, &s.bit_currents);
        let cells: f64 = (circuit.conductances().iter().zip(s.cell_voltages()))
            .map(|(g, u)| law.at(*g, u).0 * u)
            .sum();
        let all = cells
            + dissipated(circuit.word(), n, |i, j| s.word[i * n + j], &v)
            + dissipated(circuit.bit(), m, |j, i| s.bit[i * n + j], &w);
        assert!(
            (power - all).abs() <= 1e-8 * (all + flows),
            "{case}: {power} {all}"
        );
    }
}

/// Starting at the last solution, a small change of the cells takes fewer iterations and ends in the same place.
#[test]
fn a_warm_start_saves_iterations() {
    let n = 64;
    let mut u = Uniforms { state: 8 };
    let (mut g, v) = (u.vector(n * n, 1e-4, 1e-3), u.vector(n, 0.0, 1.0));
    let ground = vec![0.0; n];
    let mut solver = Solver::new(
        Circuit::usual(n, n, g.clone(), 10.0, 10.0).unwrap(),
        Method::ITERATIVE,
    )
    .unwrap();
    solver.solve(&v, &ground).unwrap();
    let cold = solver.iterations();
    g.iter_mut().for_each(|g| *g *= 1.0 + 1e-5 * u.next());
    solver.set_conductances(&g).unwrap();
    let warm = solver.solve(&v, &ground).unwrap();
    assert!(
        solver.iterations() < cold / 2 + 1,
        "{cold} {}",
        solver.iterations()
    );
    solver.forget();
    let anew = solver.solve(&v, &ground).unwrap();
    assert!(
        difference(&warm.bit_currents, &anew.bit_currents) < 1e-6 * largest(&anew.bit_currents)
    );
}

/// One cell of `G sinh(kV)/k` behind wires: the voltage across it solves one equation, found here by bisection.
#[test]
fn one_nonlinear_cell_by_bisection() {
    for (law, v) in [
        (CurrentVoltage::Sinh { slope: 5.0 }, 3.0),
        (CurrentVoltage::Sinh { slope: 40.0 }, 3.0),
        (
            CurrentVoltage::Polynomial {
                quadratic: 0.3,
                cubic: 2.0,
            },
            -3.0,
        ),
    ] {
        let circuit = Circuit::usual(1, 1, vec![1e-3], 30.0, 20.0).unwrap();
        let mut solver = Solver::new(circuit, Method::Direct).unwrap();
        let found = solver.solve_nonlinear(&[v], &[0.0], law).unwrap();
        let (mut low, mut high) = (0.0, v);
        for _ in 0..200 {
            let u = 0.5 * (low + high);
            let missing = (v - u) / 50.0 - law.at(1e-3, u).0;
            if missing * v > 0.0 {
                low = u;
            } else {
                high = u;
            }
        }
        let u = found.solution.cell_voltages()[0];
        assert!((u - low).abs() < 1e-13, "{law:?}: {u} {low}");
        assert!((found.solution.bit_currents[0] / ((v - low) / 50.0) - 1.0).abs() < 1e-11);
    }
}

/// Newton's steps shrink with the square of the step before, by both methods; currents balance; k → 0 is ohmic, with an error of k².
#[test]
fn newton_is_quadratic_and_small_slopes_are_ohmic() {
    let (m, n) = (12, 10);
    let mut u = Uniforms { state: 21 };
    let (g, v) = (u.vector(m * n, 1e-4, 1e-3), u.vector(m, -1.0, 1.0));
    let ground = vec![0.0; n];
    let circuit = Circuit::usual(m, n, g, 10.0, 10.0).unwrap();
    for method in [Method::Direct, Method::Iterative { tolerance: 1e-11 }] {
        let mut solver = Solver::new(circuit.clone(), method).unwrap();
        let found = solver
            .solve_nonlinear(&v, &ground, CurrentVoltage::Sinh { slope: 4.0 })
            .unwrap();
        // Order from the last steps above rounding.
        let steps: Vec<f64> = found
            .steps
            .iter()
            .copied()
            .filter(|s| *s > 1e-12 && *s < 0.2)
            .collect();
        let [.., a, b, c] = steps[..] else {
            panic!("{:?}", found.steps);
        };
        let order = (c / b).ln() / (b / a).ln();
        assert!(order > 1.7, "{:?}: {order}", found.steps);
        let s = &found.solution;
        let balance: f64 = s.word_currents.iter().sum::<f64>() - s.bit_currents.iter().sum::<f64>();
        assert!(
            balance.abs() < 1e-10 * largest(&s.bit_currents),
            "{balance}"
        );
        let ohmic = solver.solve(&v, &ground).unwrap().bit_currents;
        let mut error = |slope: f64| {
            let law = CurrentVoltage::Sinh { slope };
            let found = solver.solve_nonlinear(&v, &ground, law).unwrap();
            difference(&found.solution.bit_currents, &ohmic)
        };
        assert!(error(0.0) < 1e-9 * largest(&ohmic));
        let ratio = error(0.2) / error(0.1);
        // The next order is k² V² / 20 of the first, 2e-3 at k = 0.2.
        assert!((ratio - 4.0).abs() < 0.02, "{ratio}");
    }
}

/// A cell cut off has no current; the rest is as if it were not there.
#[test]
fn broken_lines_carry_nothing() {
    let (m, n) = (4, 3);
    let mut word = Lines::new(1.0, Ends::First);
    word.broken = vec![Break {
        line: 2,
        segment: 0,
    }];
    let mut bit = Lines::new(1.0, Ends::Last);
    bit.broken = vec![Break {
        line: 1,
        segment: m,
    }];
    let circuit = Circuit::new(m, n, vec![1e-4; m * n], word, bit).unwrap();
    for method in [Method::Direct, Method::Iterative { tolerance: 1e-12 }] {
        let mut solver = Solver::new(circuit.clone(), method).unwrap();
        let s = solver.solve(&[1.0, 1.0, 1.0, 1.0], &[0.0; 3]).unwrap();
        let most = largest(&s.bit_currents);
        assert!(s.word_currents[2].abs() < 1e-11 * most && s.bit_currents[1].abs() < 1e-11 * most);
        // Through the cells of the open bit line, the open word line is not at ground.
        assert!(s.word[2 * n] > 0.1);
        assert!(most > 2.9e-4);
    }
    // Nothing is connected at all.
    let open = Lines::new(f64::INFINITY, Ends::Both);
    let circuit = Circuit::new(m, n, vec![1e-4; m * n], open.clone(), open).unwrap();
    for method in [Method::Direct, Method::ITERATIVE] {
        let s = Solver::new(circuit.clone(), method)
            .unwrap()
            .solve(&[1.0; 4], &[0.0; 3])
            .unwrap();
        assert!(
            s.bit_currents
                .iter()
                .chain(&s.word_currents)
                .all(|i| *i == 0.0)
        );
    }
}

/// Everything that is wrong is said at once.
#[test]
fn bad_circuits_are_refused() {
    let mut word = Lines::new(-1.0, Ends::First);
    word.terminals[1] = f64::NAN;
    let mut bit = Lines::new(f64::NAN, Ends::Last);
    bit.broken = vec![Break {
        line: 2,
        segment: 0,
    }];
    let text = Circuit::new(2, 2, vec![1.0, f64::NAN, -1.0, 0.0], word, bit)
        .unwrap_err()
        .to_string();
    for part in [
        "NaN in row 0, column 1 (and 1 more)",
        "word.segment",
        "word.terminals.last",
        "bit.segment",
        "line 2, segment 0",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(Circuit::usual(2, 2, vec![1.0; 3], 1.0, 1.0).is_err());
    assert!(Circuit::usual(0, 2, vec![], 1.0, 1.0).is_err());
    let mut solver = Solver::new(
        Circuit::usual(1, 1, vec![1.0], 1.0, 1.0).unwrap(),
        Method::ITERATIVE,
    )
    .unwrap();
    assert!(solver.solve(&[1.0, 1.0], &[0.0]).is_err());
    assert!(solver.solve(&[f64::INFINITY], &[0.0]).is_err());
    assert!(
        solver
            .solve_nonlinear(&[1.0], &[0.0], CurrentVoltage::Sinh { slope: -1.0 })
            .is_err()
    );
}

/// Derivatives against central differences of 1e-4 of a conductance: 1e-8 of it are left as curvature, and 1e-12 of the matrix as rounding,
/// which is 1e-8 of a difference.
#[test]
fn effective_matrices_follow_their_derivatives() {
    let mut u = Uniforms { state: 29 };
    for _ in 0..40 {
        let circuit = random_circuit(&mut u);
        let g = circuit.conductances().to_vec();
        let mut solver = Solver::new(circuit, Method::Direct).unwrap();
        let derivative = solver.derivative().unwrap();
        for _ in 0..4 {
            let k = u.below(g.len());
            if g[k] == 0.0 {
                continue;
            }
            let step = 1e-4 * g[k];
            let mut at = |step: f64| {
                let mut g = g.clone();
                g[k] += step;
                solver.set_conductances(&g).unwrap();
                solver.effective_matrix().unwrap()
            };
            let (high, low) = (at(step), at(-step));
            let scale = largest(&high) / g[k];
            for (e, (high, low)) in high.iter().zip(&low).enumerate() {
                let slope = (high - low) / (2.0 * step);
                let error = (slope - derivative.of(e, k)).abs();
                assert!(
                    error < 1e-7 * (1.0 + scale),
                    "{slope} {}",
                    derivative.of(e, k)
                );
            }
        }
    }
}
