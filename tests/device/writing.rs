//! Weights written by pulses: open loop and write–verify against closed forms, limits, and whatever is stuck, one-sided or cut into stacks.

use std::sync::Arc;

use memridge::crossbar::{
    ArrayModel, Crossbar, Mapping, OpenLoop, Plan, Start, Synapses, TileSize, WeightMap,
    WriteVerify, Writing, Written,
};
use memridge::device::{Cells, CycleNoise, load_device};
use memridge::number::Stream;
use rand::SeedableRng;
use rand_distr::{Distribution, StandardNormal};
use rand_pcg::Pcg64;
use statrs::distribution::{ChiSquared, ContinuousCDF, Normal};

use crate::statistics::{SEED, WINDOW, check_normal};

/// An array of one row: weight 0 is position 0, weight 1 position 1.
fn plan(cells: Cells) -> Plan {
    let map = WeightMap::new(Mapping::ReferenceColumn, 0.0, 1.0, 1, cells.len());
    crate::plain(
        ArrayModel {
            cells: Arc::new(cells),
            map,
        },
        Stream::new(SEED),
    )
}

/// Cells of a law with parameters from 0 to 1 and this step.
fn cells(law: &str, count: usize, step: f64, own: &[f64], noise: CycleNoise<f64>) -> Cells {
    let p = [&[step, 0.0, 1.0], own].concat();
    let all = p.repeat(count);
    Cells::new(crate::law(law), WINDOW, noise, 0.0, false, p, all)
}

fn quiet() -> CycleNoise<f64> {
    CycleNoise::new(0.0, 0.0)
}

fn write(plan: &Plan, first: usize, replicas: usize, targets: &[f64], how: Writing) -> Written {
    let mut crossbar = Crossbar::new(plan, first, replicas).unwrap();
    let written = crossbar.write_by(0, targets, &how).unwrap();
    // What was noted is what happened.
    let noted = written.efforts.iter().flat_map(|e| e.pulses).sum::<u64>();
    assert_eq!(noted, crossbar.pulses().unwrap());
    let all: f64 = written.pulses.all().iter().map(|&n| f64::from(n)).sum();
    assert_eq!(noted as f64, all);
    assert_eq!(crossbar.conductances().unwrap(), written.achieved);
    written
}

/// Positions that were achieved, cell by cell.
fn positions(written: &Written) -> Vec<f64> {
    let all = written.achieved.all().iter();
    all.map(|&g| (f64::from(g) - WINDOW.g_min) / WINDOW.span())
        .collect()
}

/// Spread over the window, none of them halfway between two steps of 0.01.
fn spread(count: usize) -> Vec<f64> {
    (0..count)
        .map(|k| 0.05 + 0.9 * (0.618_034 * k as f64).fract())
        .collect()
}

const VERIFY: WriteVerify = WriteVerify {
    start: Start::Position(0.4),
    most_pulses: 300,
    tolerance: 0.0051,
    noise: 0.0,
    by_response: false,
};

#[test]
fn cells_without_noise_take_the_pulses_that_they_need() {
    let (step, targets) = (0.01, spread(50));
    let plan = plan(cells("constant-step", 50, step, &[0.0], quiet()));
    let needed: Vec<f32> = targets
        .iter()
        .map(|t| ((t - 0.4) / step).round().abs() as f32)
        .collect();
    let open = OpenLoop {
        start: VERIFY.start,
        most_pulses: 300,
    };
    for how in [
        Writing::OpenLoop(open),
        Writing::WriteVerify(VERIFY),
        Writing::WriteVerify(WriteVerify {
            by_response: true,
            ..VERIFY
        }),
    ] {
        let written = write(&plan, 0, 3, &targets, how);
        for (k, (x, t)) in positions(&written).iter().zip(repeat(&targets)).enumerate() {
            // Up to 60 sums in single precision.
            assert!((x - t).abs() < 0.5 * step + 60.0 * 6e-8, "{x} {t}");
            assert_eq!(written.pulses.all()[k], needed[k / 3], "{how:?} {t}");
        }
        let all: f32 = needed.iter().sum();
        let (reads, accepted) = match how {
            Writing::WriteVerify(h) if h.by_response => {
                (50 + needed.iter().filter(|n| **n > 0.0).count() as u64, 50)
            }
            Writing::WriteVerify(_) => (50 + all as u64, 50),
            _ => (0, 0),
        };
        for effort in &written.efforts {
            assert_eq!((effort.reads, effort.accepted), (reads, accepted));
        }
    }
}

/// Every target three times: lanes of three replicas.
fn repeat(targets: &[f64]) -> impl Iterator<Item = &f64> {
    targets.iter().flat_map(|t| [t; 3])
}

/// What one round reads decides where a cell on a lattice goes next: an absorbing chain, whose end is known without simulation.
#[test]
fn verify_noise_ends_where_its_chain_does() {
    let (step, tolerance, noise) = (0.01, 0.011, 0.016);
    let (start, target) = (0.4, 0.4737);
    let (count, replicas) = (60, 200);
    let plan = plan(cells("constant-step", count, step, &[0.0], quiet()));
    let how = WriteVerify {
        tolerance,
        noise,
        most_pulses: 10_000,
        ..VERIFY
    };
    let written = write(
        &plan,
        5,
        replicas,
        &vec![target; count],
        Writing::WriteVerify(how),
    );
    let normal = Normal::standard();
    const PLACES: usize = 60;
    let off = |k: usize| start + (k as f64 - 20.0) * step - target;
    let below = |k: usize| normal.cdf((-tolerance - off(k)) / noise);
    let above = |k: usize| normal.cdf(-(tolerance - off(k)) / noise);
    let (mut open, mut ended, mut reads) = ([0.0; PLACES], [0.0; PLACES], 0.0);
    open[20] = 1.0;
    for _ in 0..2000 {
        let mut next = [0.0; PLACES];
        for k in 1..PLACES - 1 {
            reads += open[k];
            ended[k] += open[k] * (1.0 - below(k) - above(k));
            next[k + 1] += open[k] * below(k);
            next[k - 1] += open[k] * above(k);
        }
        open = next;
    }
    // Nobody is still open, or left the lattice.
    assert!((ended.iter().sum::<f64>() - 1.0).abs() < 1e-9);
    let mut found = [0.0; PLACES];
    for x in positions(&written) {
        found[((x - start) / step + 20.0).round() as usize] += 1.0;
    }
    let n = (count * replicas) as f64;
    let (mut square, mut classes) = (0.0, 0.0);
    let mut rest = [0.0; 2];
    for k in 0..PLACES {
        let expected = n * ended[k];
        if expected >= 5.0 {
            square += (found[k] - expected).powi(2) / expected;
            classes += 1.0;
        } else {
            rest = [rest[0] + found[k], rest[1] + expected];
        }
    }
    square += (rest[0] - rest[1]).powi(2) / rest[1].max(1.0);
    // One in a thousand, at 12 000 cells.
    let most = ChiSquared::new(classes).unwrap().inverse_cdf(0.999);
    println!("χ² = {square:.1} of {classes} classes, at most {most:.1}");
    assert!(classes > 5.0 && square < most, "{square} {classes}");
    let looked = written.efforts.iter().map(|e| e.reads).sum::<u64>() as f64 / n;
    // Reads of a cell spread about as much as their mean: 1 % of it, four times.
    assert!((looked / reads - 1.0).abs() < 0.04, "{looked} {reads}");
}

/// With a tolerance of many steps, noise of pulses and reads that are exact leave no cell outside.
#[test]
fn wide_tolerances_hold_every_cell() {
    let targets = spread(40);
    let noise = CycleNoise::new(0.5, 0.5);
    let plan = plan(cells("soft-bounds", 40, 0.005, &[0.5], noise));
    for by_response in [false, true] {
        let how = WriteVerify {
            tolerance: 0.04,
            by_response,
            ..VERIFY
        };
        let written = write(&plan, 0, 50, &targets, Writing::WriteVerify(how));
        for (k, x) in positions(&written).iter().enumerate() {
            assert!((x - targets[k / 50]).abs() <= 0.04, "{x}");
        }
        assert!(written.efforts.iter().all(|e| e.accepted == 40));
        let reads: u64 = written.efforts.iter().map(|e| e.reads).sum();
        // Single pulses are looked at one by one, others rarely.
        assert_eq!(by_response, reads < 4 * 40 * 50);
    }
}

/// Soft bounds: `x_n = 1 - (1 - x₀) ρⁿ`, ρ = 1 - κ, with the variance `(σ_a step)² (1 - ρ²ⁿ)/(1 - ρ²)`.
#[test]
fn open_loops_miss_by_the_noise_of_their_trains() {
    let (step, additive, start) = (0.004, 0.7, 0.1);
    let (kappa, targets) = (2.0 * step, spread(60));
    let noise = CycleNoise::new(additive, 0.0);
    let plan = plan(cells("soft-bounds", 60, step, &[0.5], noise));
    let how = OpenLoop {
        start: Start::Position(start),
        most_pulses: 1000,
    };
    let replicas = 100;
    let written = write(&plan, 0, replicas, &targets, Writing::OpenLoop(how));
    let rho: f64 = 1.0 - kappa;
    let mut z = Vec::new();
    for (k, x) in positions(&written).iter().enumerate() {
        let target = targets[k / replicas];
        // From above, the mirror image.
        let (from, to) = match target > start {
            true => (1.0 - start, 1.0 - target),
            false => (start, target),
        };
        let n = f64::from(written.pulses.all()[k]);
        let mean = from * rho.powf(n);
        // The nearest whole number of pulses.
        assert!((mean - to).abs() <= (mean - from * rho.powf(n + 1.0)).abs() * 0.51);
        let variance = (additive * step).powi(2) * (1.0 - rho.powf(2.0 * n)) / (1.0 - rho * rho);
        let off = match target > start {
            true => mean - (1.0 - x),
            false => x - mean,
        };
        if n > 0.0 {
            z.push(off / variance.sqrt());
        }
    }
    // √n D < 1.95: one in a thousand.
    check_normal("errors of an open loop", &z);
}

/// Long trains meet hard bounds pulse by pulse: equal steps of a hundredth with five times their noise, fifty of them up from the bound, against a walk
/// that is clipped at each. Means of 6000 cells are known to .0035 (their deviation is .27), and differ by .07 from one clip at the end.
#[test]
fn bounds_are_met_by_every_pulse_of_a_train() {
    let p = [0.01, 0.0, 1.0, 0.0];
    let noise = CycleNoise::new(5.0, 0.0);
    let law = crate::law("constant-step");
    let cells = Cells::new(law, WINDOW, noise, 0.0, true, p.to_vec(), p.repeat(60));
    let how = OpenLoop {
        start: Start::Lowest,
        most_pulses: 1000,
    };
    let replicas = 100;
    let written = write(
        &plan(cells),
        0,
        replicas,
        &[0.5; 60],
        Writing::OpenLoop(how),
    );
    let n = written.pulses.all()[0];
    assert!(written.pulses.all().iter().all(|&own| own == n));
    let mut rng = Pcg64::seed_from_u64(5);
    let walk = |_| {
        (0..n as usize).fold(0.0_f64, |x, _| {
            let z: f64 = StandardNormal.sample(&mut rng);
            (x + 0.01 + 0.05 * z).clamp(0.0, 1.0)
        })
    };
    let walked: f64 = (0..60 * replicas).map(walk).sum::<f64>() / 6000.0;
    let found = positions(&written).iter().sum::<f64>() / 6000.0;
    // Five standard errors of the difference.
    assert!(
        (found - walked).abs() < 5.0 * 0.0035 * 2_f64.sqrt(),
        "{found} {walked}"
    );
}

#[test]
fn budgets_end_what_does_not_arrive() {
    let targets = vec![0.9; 12];
    let stuck = vec![(3, 0.2), (7, 0.9)];
    let plan = plan(cells("constant-step", 12, 0.01, &[0.0], quiet()).with_stuck(stuck));
    let how = WriteVerify {
        most_pulses: 60,
        ..VERIFY
    };
    let written = write(&plan, 0, 4, &targets, Writing::WriteVerify(how));
    for (k, x) in positions(&written).iter().enumerate() {
        let (pulses, place) = match k / 4 {
            3 => (60.0, 0.2),
            7 => (0.0, 0.9),
            _ => (50.0, 0.9),
        };
        assert_eq!(written.pulses.all()[k], pulses);
        assert!((x - place).abs() < 0.0051, "{x}");
    }
    // The stuck one that happens to be right is right.
    assert!(written.efforts.iter().all(|e| e.accepted == 11));
    for by_response in [false, true] {
        let how = WriteVerify {
            most_pulses: 20,
            by_response,
            ..VERIFY
        };
        let written = write(&plan, 0, 4, &targets, Writing::WriteVerify(how));
        let most = written.pulses.all().iter().fold(0.0_f32, |m, n| m.max(*n));
        assert_eq!(most, 20.0);
        assert!(written.efforts.iter().all(|e| e.accepted == 1));
    }
}

#[test]
fn one_sided_cells_that_overshoot_are_reset() {
    let device = load_device("pcm/nandakumar2020", "".as_ref()).unwrap();
    let cells = device.cells(40, 1).unwrap();
    let window = cells.window();
    let targets: Vec<f64> = (0..40).map(|k| 0.2 + 0.015 * f64::from(k)).collect();
    let plan = plan(cells);
    let how = WriteVerify {
        start: Start::Reset,
        most_pulses: 2000,
        tolerance: 0.02,
        noise: 0.0,
        by_response: true,
    };
    let mut crossbar = Crossbar::new(&plan, 0, 30).unwrap();
    let written = crossbar
        .write_by(0, &targets, &Writing::WriteVerify(how))
        .unwrap();
    for (k, &g) in written.achieved.all().iter().enumerate() {
        let x = (f64::from(g) - window.g_min) / window.span();
        assert!((x - targets[k / 30]).abs() <= 0.02 + 1e-9, "{k}: {x}");
    }
    let sum = |of: fn(&memridge::crossbar::Effort) -> u64| written.efforts.iter().map(of).sum();
    let (down, resets, accepted): (u64, u64, u64) =
        (sum(|e| e.pulses[1]), sum(|e| e.resets), sum(|e| e.accepted));
    assert_eq!((down, accepted), (0, 40 * 30));
    assert!(resets > 0);
    // Resets conducted something, and less than full cells do.
    for e in written.efforts.iter().filter(|e| e.resets > 0) {
        let mean = e.reset_conducted / e.resets as f64;
        assert!(mean > window.g_min && mean < 1.5 * window.g_max);
    }
}

#[test]
fn neither_cuts_nor_threads_change_a_bit() {
    let targets = spread(30);
    let noise = CycleNoise::new(0.4, 0.4);
    let plan = plan(cells("soft-bounds", 30, 0.01, &[0.5], noise));
    let how = Writing::WriteVerify(WriteVerify {
        noise: 0.003,
        by_response: true,
        ..VERIFY
    });
    let whole = write(&plan, 2, 20, &targets, how);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build();
    let parts = pool.unwrap().install(|| {
        [
            write(&plan, 2, 7, &targets, how),
            write(&plan, 9, 13, &targets, how),
        ]
    });
    let efforts = parts.iter().flat_map(|p| p.efforts.clone());
    assert_eq!(whole.efforts, efforts.collect::<Vec<_>>());
    for k in 0..30 {
        for pick in [
            |w: &Written, k: usize| w.achieved.lanes(k).to_vec(),
            |w: &Written, k: usize| w.pulses.lanes(k).to_vec(),
        ] {
            let joined = [pick(&parts[0], k), pick(&parts[1], k)].concat();
            assert_eq!(pick(&whole, k), joined, "cell {k}");
        }
    }
}

/// `Σ g` over pulses of constant steps: half the sum of the ends, times their number.
#[test]
fn what_pulses_conduct_is_their_mean_conductance() {
    let plan = plan(cells("constant-step", 5, 0.01, &[0.0], quiet()));
    for by_response in [false, true] {
        let how = WriteVerify {
            by_response,
            ..VERIFY
        };
        let written = write(&plan, 0, 2, &[0.7; 5], Writing::WriteVerify(how));
        let mean = WINDOW.g_min + WINDOW.span() * 0.5 * (0.4 + 0.7);
        let expected = 5.0 * 30.0 * mean;
        for e in &written.efforts {
            assert_eq!(e.pulses, [150, 0]);
            assert!((e.conducted[0] / expected - 1.0).abs() < 1e-5);
            assert_eq!((e.conducted[1], e.resets), (0.0, 0));
        }
    }
}

/// What tiles take is added up, and every cell is found again.
#[test]
fn tiles_are_written_as_wholes_are() {
    let targets = spread(60);
    let cells = cells("constant-step", 60, 0.01, &[0.0], quiet());
    let map = WeightMap::new(Mapping::ReferenceColumn, 0.0, 1.0, 6, 10);
    let mut plan = plan(cells);
    plan.model.map = map;
    let how = Writing::WriteVerify(VERIFY);
    let whole = write(&plan, 0, 3, &targets, how);
    plan.layout.tiles = Some(TileSize {
        rows: 4,
        columns: 3,
    });
    let tiled = write(&plan, 0, 3, &targets, how);
    assert_eq!(
        (&whole.targets, &whole.pulses),
        (&tiled.targets, &tiled.pulses)
    );
    assert_eq!(whole.achieved, tiled.achieved);
    for (a, b) in whole.efforts.iter().zip(&tiled.efforts) {
        assert_eq!(
            (a.pulses, a.reads, a.accepted),
            (b.pulses, b.reads, b.accepted)
        );
        // Sums in another order.
        assert!((a.conducted[0] / b.conducted[0] - 1.0).abs() < 1e-12);
    }
}
