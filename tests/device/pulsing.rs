//! Updates through wires: what cells take of their pulses, and what those of others do to them.

use std::sync::Arc;

use memridge::backend::{Backend, Place, Request, Shape, StackVector};
use memridge::crossbar::{
    ArrayModel, Crossbar, Layout, Mapping, Periphery, Plan, Scheme, Selected, Synapses, TileSize,
    WeightMap, Wires, Writes,
};
use memridge::device::{Cells, Counting, VoltageDependence, load_device};
use memridge::number::{Coordinates, Purpose, Stream};
use memridge::study::run_study;

use crate::statistics::SEED;
use crate::text::{read, study, whole};

const POWER: Option<VoltageDependence> = Some(VoltageDependence::Power(2.0));

fn writes(scheme: Scheme, disturb: bool) -> Writes {
    Writes {
        scheme,
        selected: Selected::Cell,
        every: 1,
        disturb,
        dependence: POWER,
    }
}

fn through(ohm: f64, writes: Writes) -> Option<Wires> {
    Some(Wires {
        writes: Some(writes),
        ..Wires::new(ohm, ohm)
    })
}

/// Soft bounds about 0.4, without noise: `s ← s + step (1 - s)/0.6` and back by `s/0.4`.
fn soft_bounds(noise: &str, count: usize) -> Arc<Cells> {
    let device = read(&whole(&format!(
        "bounds = \"soft\"\nwrite-noise = 0.0\n[law.soft-bounds]\nstep = 0.01\nlower = 0.0\nupper = 1.0\nsymmetric-point = 0.4\n\
         [cycle-to-cycle]\n{noise}\n"
    )));
    Arc::new(device.unwrap().cells(count, 1).unwrap())
}

const QUIET: &str = "additive = 0.0\nmultiplicative = 0.0";
const NOISY: &str = "additive = 0.3\nmultiplicative = 0.2";

fn stack(cells: &Arc<Cells>, (first, replicas): (u32, usize)) -> Box<dyn Backend> {
    let shape = Shape {
        replicas,
        rows: 3,
        columns: cells.len() / 3,
    };
    let stream = Stream::new(SEED);
    let mut stack = Place::Cpu
        .stack(shape, first, stream, Arc::clone(cells), true)
        .unwrap();
    stack.write(&vec![0.5; cells.len()]).unwrap();
    stack
}

fn states(stack: &mut dyn Backend) -> StackVector {
    let shape = stack.shape();
    let mut out = StackVector::zeros(shape.cells(), shape.replicas);
    stack.inspect(&mut out).unwrap();
    out
}

/// Uniform numbers in ±1.
fn number(i: usize, replica: usize, step: u32) -> f32 {
    let at = Coordinates {
        step,
        cell: i as u32,
        replica: replica as u32,
        purpose: Purpose::Input,
        index: 0,
    };
    2.0 * Stream::new(3).uniform(at) - 1.0
}

fn vector(
    len: usize,
    (first, replicas): (usize, usize),
    f: impl Fn(usize, usize) -> f32,
) -> StackVector {
    let mut out = StackVector::zeros(len, replicas);
    for i in 0..len {
        for (r, v) in out.lanes_mut(i).iter_mut().enumerate() {
            *v = f(i, first + r);
        }
    }
    out
}

/// Along replicas and across cells: the counts are those by which states move, and their sum the pulses.
#[test]
fn counts_are_those_of_the_update() {
    let device = load_device("ideal/constant-step", "".as_ref()).unwrap();
    let cells = Arc::new(device.without_variation().cells(3000, 1).unwrap());
    let step = cells.nominal_step();
    for replicas in [1, 3, 70] {
        let mut stack = stack(&cells, (5, replicas));
        let shape = stack.shape();
        let all = (5, replicas);
        let (rows, columns) = (
            vector(shape.rows, all, |i, r| 3.0 * number(i, r, 1)),
            vector(shape.columns, all, |i, r| 3.0 * number(i, r, 2)),
        );
        let dense = vector(shape.cells(), all, |i, r| 4.0 * number(i, r, 3));
        let bits = |n: usize| -> Vec<u32> {
            (0..n * replicas)
                .map(|k| (k as u32).wrapping_mul(0x9E37_79B9) >> 24)
                .collect()
        };
        let (row_bits, column_bits) = (bits(shape.rows), bits(shape.columns));
        let requests = [
            Request::Outer {
                rows: &rows,
                columns: &columns,
            },
            Request::Dense(&dense),
            Request::Trains {
                rows: &rows,
                columns: &columns,
                row_bits: &row_bits,
                column_bits: &column_bits,
            },
        ];
        for (k, request) in (0..).zip(&requests) {
            let before = (states(&mut *stack), stack.pulses().unwrap());
            let mut counts = StackVector::zeros(shape.cells(), replicas);
            let counting = match request {
                Request::Dense(_) => Counting::Deterministic,
                _ => Counting::StochasticRounding,
            };
            stack.count(k, request, counting, &mut counts).unwrap();
            assert_eq!(states(&mut *stack), before.0);
            stack.pulse(k, request, counting).unwrap();
            let after = states(&mut *stack);
            let sum: f64 = counts.all().iter().map(|n| f64::from(n.abs())).sum();
            assert!(sum > 0.0);
            assert_eq!(stack.pulses().unwrap() - before.1, sum as u64);
            let moves = after.all().iter().zip(before.0.all());
            for ((a, b), n) in moves.zip(counts.all()) {
                let found = f64::from(a - b) / step;
                // Two roundings of a state near 1/2, of a step.
                assert!((found - f64::from(*n)).abs() < 1.2e-7 / step, "{found} {n}");
            }
        }
    }
}

/// `s → w + (s - w)(1 - κ f)^N` towards either bound w, f = 2^-γ, for every N; nothing is counted, and random numbers depend on nothing but
/// step, cell, replica and which disturbance it is.
#[test]
fn disturbed_cells_move_as_weaker_pulses_do() {
    let cells = soft_bounds(QUIET, 12);
    let half = Arc::new(cells.driven(&[0.5; 12], POWER));
    let mut one = stack(&cells, (0, 2));
    let counts = vector(12, (0, 2), |i, r| (5 * i + 40 * r) as f32 - 30.0);
    one.disturb(7, 3, &half, &counts).unwrap();
    assert_eq!(one.pulses().unwrap(), 0);
    let found = states(&mut *one);
    for cell in 0..12 {
        for r in 0..2 {
            let n = counts.lanes(cell)[r];
            let (bound, kappa) = match n > 0.0 {
                true => (1.0, 0.01 / 0.6),
                false => (0.0, 0.01 / 0.4),
            };
            let left = (1.0_f64 - 0.25 * kappa).powi(n.abs() as i32);
            let exact = bound + (0.5 - bound) * left;
            // A train is at most three pieces, each of some ten roundings of numbers below 1.
            assert!(
                (f64::from(found.lanes(cell)[r]) - exact).abs() < 1e-6,
                "{n}"
            );
        }
    }
    let cells = soft_bounds(NOISY, 12);
    let half = Arc::new(cells.driven(&[0.5; 12], POWER));
    let run = |part: (u32, usize), step: u32, index: u32| {
        let mut stack = stack(&cells, part);
        let counts = vector(12, (part.0 as usize, part.1), |i, r| {
            ((i + r) % 5) as f32 - 2.0
        });
        stack.disturb(step, index, &half, &counts).unwrap();
        states(&mut *stack)
    };
    let whole = run((0, 40), 7, 3);
    for part in [(0, 3), (11, 1), (20, 20)] {
        let own = run(part, 7, 3);
        for cell in 0..12 {
            let first = part.0 as usize;
            assert_eq!(&whole.lanes(cell)[first..first + part.1], own.lanes(cell));
        }
    }
    for (step, index) in [(8, 3), (7, 2)] {
        let other = run((0, 40), step, index);
        let pairs = whole.all().iter().zip(other.all());
        let same = pairs.filter(|(a, b)| a == b && **a != 0.5).count();
        assert!(same < 5, "{same}");
    }
}

fn plan(cells: Arc<Cells>, wires: Option<Wires>) -> Plan {
    let (inputs, outputs) = (4, 3);
    let map = WeightMap::new(Mapping::DifferentialPair, 0.5, 2.0, inputs, outputs);
    Plan {
        model: ArrayModel { cells, map },
        read_noise: 0.01,
        periphery: Periphery::default(),
        layout: Layout::default(),
        wires,
        refresh: None,
        aggregate: true,
        stream: Stream::new(SEED),
        place: Place::Cpu,
    }
}

/// Steps of training without their reads; states of every cell, as contributions to weights, after each.
fn trained(plan: &Plan, (first, replicas): (usize, usize), steps: u32) -> Vec<Vec<Vec<f64>>> {
    let mut crossbar = Crossbar::new(plan, first, replicas).unwrap();
    let map = plan.model.map;
    let weights: Vec<f64> = (0..map.weights())
        .map(|k| 0.4 * f64::from(number(k, 0, 99)))
        .collect();
    crossbar.write(0, &weights).unwrap();
    let mut all = Vec::new();
    for step in 0..steps {
        let part = (first, replicas);
        let x = vector(map.inputs(), part, |i, r| number(i, r, step));
        let d = vector(map.outputs(), part, |i, r| 0.2 * number(i, r, 1000 + step));
        crossbar
            .update_outer(step, &x, &d, Counting::StochasticRounding, 0.1)
            .unwrap();
        crossbar.refresh(step).unwrap();
        let mut values = vec![vec![0.0; replicas]; map.cells()];
        crossbar.inspect(&mut values).unwrap();
        all.push(values);
    }
    all
}

/// Without wires and without disturbance the table is not there: no bit changes. Disturbance changes some, wires too.
#[test]
fn what_is_switched_off_changes_no_bit() {
    let cells = soft_bounds(NOISY, 24);
    let run = |wires| trained(&plan(Arc::clone(&cells), wires), (0, 1), 4);
    let plain = run(None);
    for scheme in [Scheme::Half, Scheme::Third, Scheme::Isolated] {
        assert_eq!(plain, run(through(0.0, writes(scheme, false))));
        assert_ne!(plain, run(through(300.0, writes(scheme, false))));
        if scheme != Scheme::Isolated {
            assert_ne!(plain, run(through(0.0, writes(scheme, true))));
        }
    }
    // Behind transistors there is nothing to disturb.
    assert_eq!(plain, run(through(0.0, writes(Scheme::Isolated, true))));
}

/// One replica in a stack of its own (as wires need it) or among others, any number of threads: the same bits.
#[test]
fn neither_stacks_nor_threads_change_a_bit() {
    let cells = soft_bounds(NOISY, 24);
    for (ohm, parts) in [
        (0.0, vec![(0, 40), (17, 1), (3, 30)]),
        (200.0, vec![(17, 1)]),
    ] {
        let plan = plan(
            Arc::clone(&cells),
            through(ohm, writes(Scheme::Third, true)),
        );
        let run = |threads: usize, part| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
            pool.unwrap().install(|| trained(&plan, part, 3))
        };
        let alone = run(1, (17, 1));
        for part in parts {
            let whole = run(3, part);
            for (whole, alone) in whole.iter().flatten().zip(alone.iter().flatten()) {
                assert_eq!(whole[17 - part.0], alone[0]);
            }
        }
    }
}

/// The first update moves every cell by what its part of the voltage makes of its pulses (the drive by [`Wires::drive`] at the
/// conductances of the start), and later ones by the voltages of the last refresh.
#[test]
fn pulses_have_the_voltage_of_the_last_refresh() {
    let cells = soft_bounds(QUIET, 24);
    let map = plan(Arc::clone(&cells), None).model.map;
    let writes = Writes {
        every: 2,
        ..writes(Scheme::Half, false)
    };
    let plan = plan(Arc::clone(&cells), through(2000.0, writes));
    let wires = plan.wires.unwrap();
    let mut crossbar = Crossbar::new(&plan, 0, 1).unwrap();
    crossbar.write(0, &[0.2; 12]).unwrap();
    let mut drive = Vec::new();
    for step in 0..4 {
        let mut before = vec![vec![0.0]; 24];
        crossbar.inspect(&mut before).unwrap();
        if step % 2 == 0 {
            let seen = crossbar.conductances().unwrap();
            let seen: Vec<f64> = seen.all().iter().map(|g| f64::from(*g)).collect();
            drive = wires.drive(4, 6, &seen).unwrap().selected;
            let least = drive.iter().copied().fold(1.0, f64::min);
            assert!((0.3..0.8).contains(&least), "{least}");
        }
        // Three nominal steps for every cell of a pair, up and down.
        let change = vec![6.0 * plan.model.step() as f32; 12];
        let mut changes = StackVector::zeros(12, 1);
        changes.all_mut().copy_from_slice(&change);
        crossbar
            .update_dense(step, &changes, Counting::Deterministic, 0.1)
            .unwrap();
        crossbar.refresh(step).unwrap();
        let mut after = vec![vec![0.0]; 24];
        crossbar.inspect(&mut after).unwrap();
        for cell in 0..24 {
            let n = (6.0 * map.share(cell)).round();
            let s = map.position(before[cell][0]);
            let (bound, kappa) = match n > 0.0 {
                true => (1.0, 0.01 / 0.6),
                false => (0.0, 0.01 / 0.4),
            };
            let left = (1.0_f64 - kappa * drive[cell].powi(2)).powi(n.abs() as i32);
            let exact = bound + (s - bound) * left;
            let found = map.position(after[cell][0]);
            // Some ten roundings of a state below 1.
            assert!((found - exact).abs() < 1e-6, "{cell}: {found} {exact}");
            assert!((found - s).abs() > 1e-3);
        }
    }
}

/// Yakopcic's model with pulses of ±0.3 V: half of them is not beyond its thresholds (0.16 V and 0.15 V), and disturbs nothing, to the bit.
/// Where no voltage is lost its writes see nothing of the wires, either.
#[test]
fn thresholds_protect_half_selected_cells() {
    let device = load_device("reram/yakopcic2011", "".as_ref()).unwrap();
    let cells = Arc::new(device.without_variation().cells(24, 1).unwrap());
    let run = |disturb| {
        let writes = Writes {
            dependence: None,
            ..writes(Scheme::Half, disturb)
        };
        trained(&plan(Arc::clone(&cells), through(0.0, writes)), (0, 3), 3)
    };
    let (quiet, disturbed) = (run(false), run(true));
    assert_eq!(quiet, disturbed);
    assert_ne!(quiet[0], quiet[2]);
}

/// Own pulses by their closed form, then those on others, cell by cell: on the lines, and under V/3 on all others the wrong way round; the
/// potentiating ones first in even steps, the others in odd ones.
#[test]
fn updates_disturb_in_their_order() {
    let cells = soft_bounds(QUIET, 24);
    let moved = |s: f64, n: f64, part: f64| {
        let (bound, kappa) = match n > 0.0 {
            true => (1.0, 0.01 / 0.6),
            false => (0.0, 0.01 / 0.4),
        };
        bound + (s - bound) * (1.0 - kappa * part).powi(n.abs() as i32)
    };
    for (scheme, part) in [(Scheme::Half, 0.25), (Scheme::Third, 1.0 / 9.0)] {
        for step in [4, 7] {
            let plan = plan(Arc::clone(&cells), through(0.0, writes(scheme, true)));
            let map = plan.model.map;
            let mut crossbar = Crossbar::new(&plan, 0, 1).unwrap();
            crossbar.write(0, &[0.2; 12]).unwrap();
            let mut before = vec![vec![0.0]; 24];
            crossbar.inspect(&mut before).unwrap();
            let asked = |weight: usize| ((5 * weight + 2) % 7) as f64 - 3.0;
            let changes = vector(12, (0, 1), |k, _| {
                (2.0 * asked(k) * plan.model.step()) as f32
            });
            crossbar
                .update_dense(step, &changes, Counting::Deterministic, 0.1)
                .unwrap();
            let mut after = vec![vec![0.0]; 24];
            crossbar.inspect(&mut after).unwrap();
            let own = |cell: usize| {
                let n = 2.0 * asked(map.weight_of(cell)) * map.share(cell);
                n.round()
            };
            // Pulses of one polarity on others: those that share a line, or those that do not.
            let others = |cell: usize, polarity: f64, lines: bool| -> f64 {
                let on = |k: &usize| {
                    let shared = [k / 6 == cell / 6, k % 6 == cell % 6];
                    *k != cell && (shared[0] || shared[1]) == lines
                };
                let all = (0..24).filter(on).map(|k| (polarity * own(k)).max(0.0));
                all.sum()
            };
            let first = if step % 2 == 0 { 1.0 } else { -1.0 };
            for cell in 0..24 {
                let mut s = moved(map.position(before[cell][0]), own(cell), 1.0);
                for polarity in [first, -first] {
                    s = moved(s, polarity * others(cell, polarity, true), part);
                    if scheme == Scheme::Third {
                        s = moved(s, -polarity * others(cell, polarity, false), part);
                    }
                }
                let found = map.position(after[cell][0]);
                // Five trains of some ten roundings each, of a state below 1.
                assert!((found - s).abs() < 3e-6, "{scheme:?} {cell}: {found} {s}");
            }
        }
    }
}

/// Pulses in the upper of two tiles disturb its own cells alone; in one array, all others on their columns.
#[test]
fn tiles_disturb_none_but_their_own_cells() {
    let cells = soft_bounds(QUIET, 24);
    let run = |tiles: Option<TileSize>| {
        let mut plan = plan(Arc::clone(&cells), through(0.0, writes(Scheme::Half, true)));
        plan.layout = Layout {
            tiles,
            ..Layout::default()
        };
        let mut crossbar = Crossbar::new(&plan, 0, 1).unwrap();
        crossbar.write(0, &[0.3; 12]).unwrap();
        let asked = 20.0 * plan.model.step() as f32;
        let changes = vector(12, (0, 1), |k, _| if k < 6 { asked } else { 0.0 });
        let mut values = [vec![vec![0.0]; 24], vec![vec![0.0]; 24]];
        crossbar.inspect(&mut values[0]).unwrap();
        crossbar
            .update_dense(0, &changes, Counting::Deterministic, 0.1)
            .unwrap();
        crossbar.inspect(&mut values[1]).unwrap();
        let [before, after] = values;
        let moved = before.iter().zip(&after).map(|(a, b)| a != b);
        moved.collect::<Vec<_>>()
    };
    let mut upper = [true; 24];
    upper[12..].fill(false);
    let tiles = TileSize {
        rows: 2,
        columns: 6,
    };
    assert_eq!(run(Some(tiles)), upper);
    assert_eq!(run(None), [true; 24]);
}

/// Twelve weights with 2 10⁵ pulses each disturb every cell more than 2²⁰ times.
#[test]
fn more_disturbing_pulses_than_can_be_counted_are_refused() {
    let cells = soft_bounds(QUIET, 24);
    let plan = plan(cells, through(0.0, writes(Scheme::Third, true)));
    let mut crossbar = Crossbar::new(&plan, 0, 1).unwrap();
    crossbar.write(0, &[0.0; 12]).unwrap();
    let mut ask = |pulses: f64| {
        let changes = vector(12, (0, 1), |_, _| (2.0 * pulses * plan.model.step()) as f32);
        crossbar.update_dense(0, &changes, Counting::Deterministic, 0.1)
    };
    ask(10.0).unwrap();
    let text = ask(2e5).unwrap_err().to_string();
    for part in ["disturb a cell in step 0", "1048575", "disturb = false"] {
        assert!(text.contains(part), "no \"{part}\" in {text}");
    }
}

#[test]
fn studies_write_through_wires() {
    let bias = |array: &str| {
        let summary = run_study(&study(array).unwrap(), &()).unwrap().summary;
        format!("{:?}", summary.points[0].bias_norm)
    };
    let wires = |ohm: &str, write: &str| {
        format!(
            "wires = {{ word-segment = \"{ohm}\", bit-segment = \"{ohm}\", refresh-every = 5{write} }}"
        )
    };
    let write = |disturb: bool| {
        format!(
            ", writes = {{ scheme = \"half\", selected = \"cell\", refresh-every = 5, disturb = {disturb}, step = {{ power = {{ exponent = 3.0 }} }} }}"
        )
    };
    let ideal = bias("");
    assert_eq!(ideal, bias(&wires("0 Ohm", &write(false))));
    assert_ne!(ideal, bias(&wires("0 Ohm", &write(true))));
    let reads = bias(&wires("500 Ohm", ""));
    assert_ne!(reads, bias(&wires("500 Ohm", &write(false))));
}

#[test]
fn wrong_writes_are_refused_with_a_way_out() {
    let start =
        "wires = { word-segment = \"1 Ohm\", bit-segment = \"1 Ohm\", refresh-every = 1, writes = ";
    for (write, parts) in [
        (
            "{ scheme = \"V/2\", refresh-every = 0, disturb = 1 }",
            &[
                "array.wires.writes.scheme = \"V/2\"",
                "array.wires.writes.selected: missing",
                "array.wires.writes.refresh-every = 0",
                "array.wires.writes.disturb = 1",
                "array.wires.writes.step: missing",
            ][..],
        ),
        (
            "{ scheme = \"isolated\", selected = \"cell\", disturb = true, refresh-every = 1, step = { sinh = { bend = 0.0 } }, x = 1 }",
            &[
                "array.wires.writes.selected = \"cell\"",
                "transistors isolate",
                "array.wires.writes.step.sinh.bend = 0",
                "array.wires.writes.x",
            ],
        ),
    ] {
        let array = format!("{start}{write} }}");
        let text = study(&array).err().expect(write).to_string();
        for part in parts {
            assert!(text.contains(part), "no \"{part}\" in\n{text}");
        }
    }
}
