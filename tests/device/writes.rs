//! Writes through wires: what reaches cells, selected or not.

use memridge::crossbar::wires::{Circuit, Ends, Method, Solver};
use memridge::crossbar::{Direction, Drive, Route, Scheme, Selected, Wires, Writes};
use memridge::number::{Coordinates, Purpose, Stream};

use crate::statistics::SEED;

const SCHEMES: [Scheme; 3] = [Scheme::Half, Scheme::Third, Scheme::Isolated];

fn writes(scheme: Scheme, selected: Selected) -> Writes {
    Writes {
        scheme,
        selected,
        every: 1,
        disturb: false,
        dependence: None,
    }
}

fn through(wires: Wires, scheme: Scheme, selected: Selected) -> Wires {
    Wires {
        writes: Some(writes(scheme, selected)),
        ..wires
    }
}

/// Conductances of 10 to 100 µS, and some open cells.
fn conductances(cells: usize, which: u32) -> Vec<f64> {
    let numbers = (0..cells).map(|k| {
        let at = Coordinates {
            step: which,
            cell: k as u32,
            replica: 0,
            purpose: Purpose::Problem,
            index: 0,
        };
        f64::from(Stream::new(SEED).uniform(at))
    });
    numbers
        .map(|u| if u < 0.05 { 0.0 } else { 1e-5 + 9e-5 * u })
        .collect()
}

fn assert_close(found: &[f64], expected: &[f64], tolerance: f64, what: &str) {
    assert_eq!(found.len(), expected.len());
    for (k, (a, b)) in found.iter().zip(expected).enumerate() {
        assert!((a - b).abs() <= tolerance, "{what}, cell {k}: {a}, not {b}");
    }
}

/// Ideal wires, and writes that do not see them: selected cells see 1, others 1/2 and 0, or 1/3 and -1/3, or nothing. The solver says the same
/// of wires of 1 nΩ, to their share of 1e-13.
#[test]
fn ideal_wires_bring_the_voltages_of_the_scheme() {
    let g = conductances(12, 0);
    for (scheme, half, rest) in [
        (Scheme::Half, 0.5, 0.0),
        (Scheme::Third, 1.0 / 3.0, -1.0 / 3.0),
        (Scheme::Isolated, 0.0, 0.0),
    ] {
        for selected in [Selected::Cell, Selected::Row] {
            for wires in [Wires::new(0.0, 0.0), Wires::new(1e-9, 1e-9)] {
                let wires = through(wires, scheme, selected);
                let drive = wires.drive(4, 3, &g).unwrap();
                assert_close(&drive.selected, &[1.0; 12], 1e-11, "selected");
                assert_close(&drive.row, &[half; 12], 1e-11, "row");
                assert_close(&drive.column, &[half; 12], 1e-11, "column");
                assert_close(&drive.rest, &[rest; 12], 1e-11, "rest");
            }
        }
    }
    let blind = Wires::new(900.0, 900.0).drive(4, 3, &g).unwrap();
    assert_eq!(blind, Drive::ideal(12, Scheme::Half));
}

/// One cell divides the voltage with its lines and their terminals: `1/(1 + G R)`. So does every cell of one word line that has no
/// resistance, with its own bit line; half of that where it is not selected.
#[test]
fn single_cells_divide_the_voltage() {
    let mut wires = Wires::new(700.0, 300.0);
    wires.forward.driver = 100.0;
    wires.forward.sense = 50.0;
    for scheme in SCHEMES {
        let wires = through(wires, scheme, Selected::Cell);
        let drive = wires.drive(1, 1, &[1e-4]).unwrap();
        let expected = 1.0 / (1.0 + 1e-4 * 1150.0);
        assert_close(&drive.selected, &[expected], 1e-12, "one cell");
    }
    let g = conductances(5, 1);
    for scheme in SCHEMES {
        let wires = through(Wires::new(0.0, 2000.0), scheme, Selected::Cell);
        let drive = wires.drive(1, 5, &g).unwrap();
        let expected: Vec<f64> = g.iter().map(|g| 1.0 / (1.0 + 2000.0 * g)).collect();
        assert_close(&drive.selected, &expected, 1e-12, "selected");
        let [share, rest] = match scheme {
            Scheme::Half => [0.5, 0.0],
            Scheme::Third => [1.0 / 3.0, 0.0],
            Scheme::Isolated => [0.0, 0.0],
        };
        let expected: Vec<f64> = expected.iter().map(|v| share * v).collect();
        assert_close(&drive.row, &expected, 1e-12, "row");
        assert_eq!(rest, 0.0);
    }
}

/// Paths of single cells by hand: an isolated cell of the second row and third column of 4 × 5, connected at either end or both.
#[test]
fn isolated_cells_see_their_paths() {
    let g = vec![2e-4; 20];
    let both = |a: f64, b: f64| a * b / (a + b);
    for (driven, sensed, path) in [
        (
            Ends::First,
            Ends::Last,
            10.0 + 3.0 * 20.0 + 5.0 + 3.0 * 30.0,
        ),
        (
            Ends::Last,
            Ends::First,
            10.0 + 3.0 * 20.0 + 5.0 + 2.0 * 30.0,
        ),
        (
            Ends::Both,
            Ends::Both,
            both(70.0, 70.0) + both(5.0 + 60.0, 5.0 + 90.0),
        ),
    ] {
        let forward = Route {
            driven,
            sensed,
            driver: 10.0,
            sense: 5.0,
        };
        let wires = Wires {
            forward,
            ..Wires::new(20.0, 30.0)
        };
        let wires = through(wires, Scheme::Isolated, Selected::Cell);
        let drive = wires.drive(4, 5, &g).unwrap();
        let expected = 1.0 / (1.0 + 2e-4 * path);
        assert!((drive.selected[7] - expected).abs() < 1e-14, "{path}");
    }
}

/// Two cells of 100 µS on a word line with segments of 1 kΩ, by hand: the far one takes `1/(1 + gR) = 1/1.1` of what is at its end, so that the line
/// after the first segment has `1/(1 + gR + gR/(1 + gR))`. And any rows behind bit lines as one circuit in which no other cell conducts.
#[test]
fn isolated_rows_load_their_word_line() {
    let row = |word, bit| through(Wires::new(word, bit), Scheme::Isolated, Selected::Row);
    let drive = row(1000.0, 0.0).drive(1, 2, &[1e-4; 2]).unwrap();
    let near = 1.0 / (1.0 + 0.1 + 0.1 / 1.1);
    assert!((drive.selected[0] - near).abs() < 1e-12, "{drive:?}");
    assert!((drive.selected[1] - near / 1.1).abs() < 1e-12, "{drive:?}");

    let wires = row(200.0, 300.0);
    let g: Vec<f64> = (1..=12).map(|k| 1e-5 * f64::from(k)).collect();
    let drive = wires.drive(3, 4, &g).unwrap();
    let (word, bit) = wires.lines(Direction::Forward);
    for line in 0..3 {
        let alone = g.iter().enumerate();
        let alone = alone.map(|(k, g)| if k / 4 == line { *g } else { 0.0 });
        let circuit = Circuit::new(3, 4, alone.collect(), word.clone(), bit.clone()).unwrap();
        let mut solver = Solver::new(circuit, Method::Direct).unwrap();
        let mut driven = [0.0; 3];
        driven[line] = 1.0;
        let across = solver.solve(&driven, &[0.0; 4]).unwrap().cell_voltages();
        let own = 4 * line..4 * (line + 1);
        for (found, expected) in drive.selected[own.clone()].iter().zip(&across[own]) {
            assert!((found - expected).abs() < 1e-12, "row {line}");
        }
    }
}

/// Terminal voltages of a selected cell, or of a row with these bit lines.
fn terminals(scheme: Scheme, [m, n]: [usize; 2], row: usize, on: &[bool]) -> (Vec<f64>, Vec<f64>) {
    let [word, bit] = match scheme {
        Scheme::Half => [0.5, 0.5],
        _ => [1.0 / 3.0, 2.0 / 3.0],
    };
    let words = (0..m).map(|i| if i == row { 1.0 } else { word });
    let bits = (0..n).map(|j| if on[j] { 0.0 } else { bit });
    (words.collect(), bits.collect())
}

/// Against solutions of the network with the terminal voltages of every selection, on random arrays: selected cells exactly, the others in
/// the mean over the selections in which they are none. Voltages are right to 1e-12 of the largest, sums of up to 40 of them to 1e-10.
#[test]
fn drives_are_those_of_every_selection() {
    let shapes = [[1, 6], [7, 1], [2, 2], [5, 4], [4, 7]];
    let ends = [Ends::First, Ends::Last, Ends::Both];
    for (which, [m, n]) in (2..).zip(shapes) {
        let g = conductances(m * n, which);
        let mut wires = Wires::new(400.0, 150.0);
        wires.forward = Route {
            driven: ends[which as usize % 3],
            sensed: ends[(which as usize + 1) % 3],
            driver: 80.0,
            sense: 30.0,
        };
        for scheme in [Scheme::Half, Scheme::Third] {
            for selected in [Selected::Cell, Selected::Row] {
                let wires = through(wires, scheme, selected);
                let drive = wires.drive(m, n, &g).unwrap();
                let (word, bit) = wires.lines(Direction::Forward);
                let circuit = Circuit::new(m, n, g.clone(), word, bit).unwrap();
                let mut solver = Solver::new(circuit, Method::Direct).unwrap();
                let mut check = |row: usize, on: &[bool]| {
                    let (word, bit) = terminals(scheme, [m, n], row, on);
                    solver.solve(&word, &bit).unwrap().cell_voltages()
                };
                let one = |j: usize| (0..n).map(|c| c == j).collect::<Vec<_>>();
                let all_but = |j: usize| (0..n).map(|c| c != j).collect::<Vec<_>>();
                let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
                for k in 0..m * n {
                    let (row, column) = (k / n, k % n);
                    // What the cell sees where row i is selected, with its own bit line and without.
                    let mut seen = |i: usize, own: bool| match (selected, own) {
                        (Selected::Cell, true) => check(i, &one(column))[k],
                        (Selected::Row, true) => check(i, &vec![true; n])[k],
                        (Selected::Row, false) => check(i, &all_but(column))[k],
                        (Selected::Cell, false) => {
                            let others = (0..n).filter(|j| *j != column);
                            mean(&others.map(|j| check(i, &one(j))[k]).collect::<Vec<_>>())
                        }
                    };
                    let near = |a: f64, b: f64| (a - b).abs() < 1e-10;
                    let expected = seen(row, true);
                    assert!(near(drive.selected[k], expected), "{k}: {expected}");
                    if n > 1 {
                        let expected = seen(row, false);
                        assert!(near(drive.row[k], expected), "row {k}: {expected}");
                    }
                    let others: Vec<usize> = (0..m).filter(|i| *i != row).collect();
                    if m > 1 {
                        let all: Vec<f64> = others.iter().map(|&i| seen(i, true)).collect();
                        assert!(near(drive.column[k], mean(&all)), "column {k}");
                    }
                    if m > 1 && n > 1 && scheme == Scheme::Third {
                        let all: Vec<f64> = others.iter().map(|&i| seen(i, false)).collect();
                        assert!(near(drive.rest[k], mean(&all)), "rest {k}");
                    }
                }
            }
        }
    }
}
