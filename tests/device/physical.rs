//! Physical laws against their limits and against finer integration.

use std::path::Path;
use std::sync::Arc;

use memridge::backend::{Place, Request, Shape, StackVector};
use memridge::device::{
    AnyLaw, Cells, Counting, CycleNoise, Device, LIBRARY, LOWER, OWN, STEP, UPPER, laws,
    load_device,
};
use memridge::number::Stream;

use crate::text::read;

const DEVICES: [&str; 7] = [
    "reram/strukov2008-joglekar",
    "reram/strukov2008-biolek",
    "reram/kvatinsky2015",
    "reram/jiang2016",
    "reram/yakopcic2011",
    "reram/messaris2018",
    "reram/messaris2018-square",
];

/// Places of the widths in the parameters of every physical law.
const WIDTHS: [usize; 2] = [OWN + 2, OWN + 3];

/// One pulse is 64 pulses of a 64th of its width to 2·10⁻⁴ of change and nominal step: parts are chosen so that a pulse misses four times as many by
/// half of that, and the midpoint rule errs by the square of a part.
#[test]
fn a_pulse_is_followed_finely_enough() {
    for name in DEVICES {
        let device = load_device(name, Path::new("")).unwrap();
        let cells = device.cells(1, 0).unwrap();
        let p = cells.double(0).parameters.to_vec();
        let mut short = p.clone();
        for place in WIDTHS {
            short[place] /= 64.0;
        }
        println!(
            "{name}: {} parts, trains of {}",
            p[p.len() - 1],
            cells.longest_train()
        );
        for k in 1..20 {
            let s = p[LOWER] + (p[UPPER] - p[LOWER]) * f64::from(k) / 20.0;
            for polarity in [1.0, -1.0] {
                let change = cells.law().step(&p, s, polarity);
                let end = (0..64).fold(s, |s, _| s + cells.law().step(&short, s, polarity));
                let miss = (change - (end - s)).abs() / (change.abs() + p[STEP]);
                assert!(miss < 2e-4, "{name} at {s}, {polarity}: {miss}");
                assert!(change * polarity > 0.0);
            }
        }
    }
}

/// Parts are chosen by the worst pulse: longer pulses get more of them, and the longest are refused.
#[test]
fn parts_follow_from_the_worst_pulse() {
    let text = LIBRARY
        .iter()
        .find(|(n, _)| *n == "reram/strukov2008-biolek");
    let text = text.unwrap().1;
    let load = |width: &str| read(&text.replace("\"2 ms\"", &format!("\"{width}\"")));
    let parts = |width| {
        let device = load(width).unwrap();
        device.parameters().last().unwrap().1
    };
    let found = ["1 us", "200 us", "2 ms", "5 ms"].map(parts);
    assert_eq!(found[0], 1.0);
    assert!(found.windows(2).all(|w| w[0] <= w[1]), "{found:?}");
    assert!(found[3] > found[1], "{found:?}");
    let message = load("500 ms").err().unwrap().to_string();
    assert!(
        message.contains("half the window") || message.contains("64 parts"),
        "{message}"
    );
}

/// Quiet trains end where single pulses end, in double precision and in the loops, as far as they are made; noisy pulses are made one by one.
#[test]
fn trains_are_one_long_pulse() {
    for name in DEVICES {
        let device = load_device(name, Path::new("")).unwrap();
        let cells = device.cells(1, 0).unwrap();
        println!(
            "{name}: trains of {}, {:?}",
            cells.longest_train(),
            cells.double(0).parts
        );
        let (cell, p) = (cells.double(0), cells.double(0).parameters);
        let longest = cells.longest_train();
        for n in [2, 3, 5, 9, 17, 31].into_iter().filter(|&n| n <= longest) {
            for k in 0..=9 {
                let start = p[LOWER] + (p[UPPER] - p[LOWER]) * f64::from(k) / 9.0;
                for polarity in [1.0, -1.0] {
                    let n = polarity * f64::from(n);
                    let one = |s, _| cells.law().oracle_one(&cell, s, polarity, 0.0);
                    let end = (0..n.abs() as u32).fold(start, one);
                    let found = cells.law().oracle_many(&cell, start, n, 0.0);
                    // 1e-4 where trains were tried, and as much again between.
                    let allowed = 2e-4 * ((end - start).abs() + p[STEP]);
                    assert!(
                        (found - end).abs() <= allowed,
                        "{name} {n} {start}: {found} {end}"
                    );
                }
            }
        }
        let p = p.to_vec();
        let noise = CycleNoise::new(0.5, 0.0);
        let law = law(device.law().name());
        let noisy = Cells::new(law, device.window(), noise, 0.0, false, p.clone(), p);
        assert_eq!(noisy.longest_train(), 1);
    }
}

/// A device from a file of the library with a table at its end.
fn with_table(name: &str, table: &str) -> memridge::error::Result<Device> {
    let (_, text) = LIBRARY.iter().find(|(n, _)| *n == name).unwrap();
    read(&format!("{text}\n{table}\n"))
}

/// The largest distance of the potentiation curve, the conductance over the pulses that cross 90 % of the window, from the straight line.
fn bend(device: &Device) -> f64 {
    let cells = device.cells(1, 0).unwrap();
    let cell = cells.double(0);
    let seen = |s| cells.conductance(0, s);
    let mut s = cell.parameters[LOWER];
    let (first, last) = (seen(s), seen(cell.parameters[UPPER]));
    let mut curve = vec![0.0];
    while curve.last() < Some(&0.9) {
        s = cells.law().oracle_one(&cell, s, 1.0, 0.0);
        curve.push((seen(s) - first) / (last - first));
        assert!(curve.len() < 10_000);
    }
    let (end, pulses) = (curve[curve.len() - 1], (curve.len() - 1) as f64);
    let miss = |(k, x): (usize, &f64)| (x / end - k as f64 / pulses).abs();
    curve.iter().enumerate().map(miss).fold(0.0, f64::max)
}

/// Incremental-step pulses make a saturating potentiation curve straighter, by voltage and by width, which is what they are for.
#[test]
fn ramps_straighten_curves() {
    let plain = bend(&with_table("reram/yakopcic2011", "").unwrap());
    for steps in [
        "set-voltage-step = \"4 mV\"",
        "set-width-step = \"1 us\"",
        "set-voltage-step = \"2 mV\"\nset-width-step = \"500 ns\"",
    ] {
        let table = format!("[pulse-scheme]\nlevels = 64\n{steps}");
        let ramped = bend(&with_table("reram/yakopcic2011", &table).unwrap());
        println!("{plain} {ramped}");
        assert!(ramped < 0.7 * plain, "{steps}: {ramped} and {plain}");
    }
}

/// Level k of `levels` gets `V + k ΔV` and `w + k Δw`: the step there is that of the device with this pulse at every level.
#[test]
fn a_ramp_is_a_pulse_of_each_level() {
    let scheme =
        "[pulse-scheme]\nlevels = 50\nset-voltage-step = \"2 mV\"\nreset-width-step = \"400 ns\"";
    let ramped = with_table("reram/yakopcic2011", scheme).unwrap();
    let mut p: Vec<f64> = ramped.parameters().map(|(_, v)| v).collect();
    let parts = p.len() - 1;
    let s = 0.01 + 0.99 * 0.4;
    let [up, down] = [1.0, -1.0].map(|polarity| ramped.law().step(&p, s, polarity));
    // Level 20 on the way up, 30 on the way down.
    (p[OWN], p[OWN + 3]) = (0.3 + 20.0 * 2e-3, 20e-6 + 30.0 * 4e-7);
    p[parts - 4..parts].fill(0.0);
    for (polarity, found) in [(1.0, up), (-1.0, down)] {
        let known = ramped.law().step(&p, s, polarity);
        assert!((found / known - 1.0).abs() < 1e-12, "{found} {known}");
    }
}

#[test]
fn broken_schemes_are_refused() {
    for (name, table, expected) in [
        ("reram/yakopcic2011", "levels = 0", "levels"),
        (
            "reram/yakopcic2011",
            "set-voltage-step = \"2 mV\"",
            "levels",
        ),
        (
            "reram/yakopcic2011",
            "levels = 8\nvoltage-step = \"2 mV\"",
            "unknown key",
        ),
        ("ideal/soft-bounds", "levels = 8", "physical law"),
        // Widths that fall below nothing turn the pulse round.
        (
            "reram/yakopcic2011",
            "levels = 50\nset-width-step = \"-1 us\"",
            "decrease",
        ),
    ] {
        let found = with_table(name, &format!("[pulse-scheme]\n{table}"));
        let message = found.err().unwrap().to_string();
        assert!(message.contains(expected), "{table}: {message}");
    }
}

/// Yakopcic: `A (e^V - e^{V_p})` in the middle, and `e^{-α (s - x_p)} (1 - s)/(1 - x_p)` times as much near the end.
#[test]
fn thresholds_and_windows_of_yakopcic() {
    let device = with_table("reram/yakopcic2011", "").unwrap();
    let mut p: Vec<f64> = device.parameters().map(|(_, v)| v).collect();
    (p[OWN + 2], p[OWN + 3]) = (1e-9, 1e-9);
    let step = |s, polarity| device.law().step(&p, s, polarity);
    let up = 4000.0 * (0.3_f64.exp() - 0.16_f64.exp()) * 1e-9;
    assert!((step(0.2, 1.0) / up - 1.0).abs() < 1e-9);
    let near = up * (-0.5_f64).exp() * 0.2 / 0.7;
    // The state moves by 10⁻⁶ of what is left of the window.
    assert!((step(0.8, 1.0) / near - 1.0).abs() < 1e-5);
    let down = -4000.0 * (0.3_f64.exp() - 0.15_f64.exp()) * 1e-9;
    assert!((step(0.6, -1.0) / down - 1.0).abs() < 1e-9);
    let near = down * (5.0_f64 * (0.2 + 0.5 - 1.0)).exp() * 0.2 / 0.5;
    assert!((step(0.2, -1.0) / near - 1.0).abs() < 1e-5);
    p[OWN] = 0.1;
    assert_eq!(device.law().step(&p, 0.5, 1.0), 0.0);
}

/// The data-driven model has closed solutions at a constant voltage: `1/(R - r) = 1/(R₀ - r) + s t` for the square, and
/// `e^{-kx} = 1 - (1 - e^{-kx₀}) e^{-k s t}`, `x = R - r`, for the exponential.
#[test]
fn resistances_move_as_messaris_solved() {
    let device = with_table("reram/messaris2018-square", "").unwrap();
    let p: Vec<f64> = device.parameters().map(|(_, v)| v).collect();
    let (on, off) = (1700.0, 2850.0);
    let resistance = |s: f64| off + (on - off) * s;
    let s = 0.3;
    let end = 2699.2336 - 672.930205 * 1.5;
    let speed = 600.10075 * (1.0 - (-1.5_f64 / 0.0212028).exp());
    let x = 1.0 / (1.0 / (resistance(s) - end) + speed * 50e-9);
    let known = (off - (end + x)) / (off - on) - s;
    // 10⁻⁴ of the change and of a step by the choice of parts.
    let miss = |law: &dyn AnyLaw, p: &[f64], known: f64| {
        (law.step(p, s, 1.0) - known).abs() / (known + p[STEP])
    };
    assert!(miss(device.law(), &p, known) < 1e-4);
    let device = with_table("reram/messaris2018", "").unwrap();
    let p: Vec<f64> = device.parameters().map(|(_, v)| v).collect();
    let (on, off) = (6e3, 11e3);
    let end = 29304.82557 - 23692.77225;
    let speed = 68012.28374 * 0.31645_f64.exp_m1();
    let x: f64 = off + (on - off) * s - end;
    let k = 1.17e-3;
    let left = 1.0 - (-(k * x)).exp();
    let x = -(1.0 - left * (k * speed * 20e-6_f64).exp().recip()).ln() / k;
    let known = (off - (end + x)) / (off - on) - s;
    assert!(miss(device.law(), &p, known) < 1e-4, "{known}");
}

fn law(name: &str) -> std::sync::Arc<dyn AnyLaw> {
    laws().into_iter().find(|l| l.name() == name).unwrap()
}

/// Linear drift at mid-window of a flat window: charge moves the boundary by `μ R_on/D² · V t/R`, and resistances are linear in it.
#[test]
fn linear_drift_moves_as_strukov_wrote() {
    let law = law("linear-ion-drift-biolek");
    let width = 1e-9;
    let p = [
        1e-3, 0.0, 1.0, 1.0, -1.0, width, width, 1e-14, 1e-8, 100.0, 16e3, 20.0, 0.0, 0.0, 0.0,
        0.0, 8.0,
    ];
    let s = 0.4;
    let resistance = 100.0 * s + 16e3 * (1.0 - s);
    let known = 1e-14 * 100.0 / 1e-16 / resistance * width;
    // The window is flat to 0.4^40, and the state moves by 10⁻⁹ of itself.
    let found = law.step(&p, s, 1.0);
    assert!((found / known - 1.0).abs() < 1e-8, "{found} {known}");
    let x = (1.0 / resistance - 1.0 / 16e3) / (1.0 / 100.0 - 1.0 / 16e3);
    assert!((law.conductance(&p, s) / x - 1.0).abs() < 1e-13);
}

/// VTEAM: eight times the speed at twice the voltage above a threshold with exponent three, nothing below the threshold.
#[test]
fn vteam_has_its_thresholds_and_powers() {
    let law = law("vteam");
    let step = |set: f64| {
        let p = [
            1e-3, 0.0, 1.0, set, 0.5, 1e-13, 1e-12, 10.0, 5e-4, -0.2, 0.02, 3.0, 1.0, 3e-9, 50.0,
            1e3, 10.0, 0.0, 0.0, 0.0, 0.0, 8.0,
        ];
        law.step(&p, 0.5, 1.0)
    };
    // Nothing, to the cube of the smallest number that has a logarithm in single precision.
    assert!(step(-0.19).abs() < 1e-90);
    let ratio = step(-0.3) / step(-0.25);
    assert!((ratio - 8.0).abs() < 1e-3, "{ratio}");
    // |k|/D (V/V_th - 1)³ t
    let known = 10.0 / 3e-9 * 0.25_f64.powi(3) * 1e-13;
    assert!((step(-0.25) / known - 1.0).abs() < 1e-5);
}

/// Stanford–PKU: without heat and at a small gap, `v₀ e^{-E/kT} sinh(γ a₀ V/(L kT))`; heat makes it faster.
#[test]
fn the_filament_hops_as_arrhenius_says() {
    let law = law("stanford-pku");
    let step = |heat: f64, temperature: f64| {
        let p = [
            1e-3,
            0.0,
            1.0,
            1.0,
            -1.0,
            1e-12,
            1e-12,
            10.0,
            0.6,
            16.0,
            0.0,
            2.5e-10,
            1.2e-8,
            heat,
            temperature,
            1e-3,
            0.25,
            2.5e-10,
            2e-10,
            1.7e-9,
            0.0,
            0.0,
            0.0,
            0.0,
            8.0,
        ];
        law.step(&p, 0.9, 1.0)
    };
    let thermal = 8.617333262e-5 * 298.0;
    let velocity = 10.0 * (-0.6_f64 / thermal).exp() * (16.0 * 2.5e-10 / 1.2e-8 / thermal).sinh();
    let known = velocity / 1.5e-9 * 1e-12;
    assert!((step(0.0, 298.0) / known - 1.0).abs() < 1e-6);
    assert!(step(2100.0, 298.0) > 1.05 * known);
    assert!(step(0.0, 310.0) > 1.05 * known);
}

/// Cells of 500 switches get five pulses, at once and one by one: mean and variance of 40 000 of them are those of independent switches that
/// each change with probability `κ s_∞` or `κ (1 - s_∞)`. Five standard errors: `√(V/n)` of the mean, `√(2/n)` of the variance.
#[test]
fn switches_bring_binomial_noise() {
    const REPLICAS: usize = 40_000;
    let device = load_device("reram/nugent2014", Path::new("")).unwrap();
    let mut p: Vec<f64> = device.parameters().map(|(_, v)| v).collect();
    p[OWN + 7] = 500.0;
    let law = law("metastable-switches");
    let quiet = CycleNoise::new(0.0, 0.0);
    let cells = Arc::new(Cells::new(
        law,
        device.window(),
        quiet,
        0.0,
        true,
        p.clone(),
        p,
    ));
    assert!(cells.is_noisy() && !cells.is_read_out());
    let shape = Shape {
        replicas: REPLICAS,
        rows: 1,
        columns: 1,
    };
    // Rates in thermal voltages, by hand: 0.2 V and -0.5 V at barriers of 0.17 V and 0.22 V.
    let thermal = 8.617333262e-5 * 298.0;
    let start = 0.4;
    for (pulses, voltage) in [(5.0_f32, 0.2), (-5.0, -0.5)] {
        let on = 1.0 / (1.0 + f64::exp(-(voltage - 0.17) / thermal));
        let off = 1.0 / (1.0 + f64::exp((voltage + 0.22) / thermal));
        let kappa = 1.0 - f64::exp(-5.0 * (on + off) * 10.0 / 320.0);
        let (up, down) = (kappa * on / (on + off), kappa * off / (on + off));
        let mean = start + (1.0 - start) * up - start * down;
        let variance = ((1.0 - start) * up * (1.0 - up) + start * down * (1.0 - down)) / 500.0;
        for aggregate in [true, false] {
            let stream = Stream::new(5);
            let mut stack = Place::Cpu
                .stack(shape, 0, stream, Arc::clone(&cells), aggregate)
                .unwrap();
            stack.write(&[start]).unwrap();
            let mut states = StackVector::zeros(1, REPLICAS);
            states.all_mut().fill(pulses);
            let request = states.clone();
            let request = Request::Dense(&request);
            stack.pulse(0, &request, Counting::Deterministic).unwrap();
            stack.inspect(&mut states).unwrap();
            let n = REPLICAS as f64;
            let found = states.all().iter().map(|&s| f64::from(s)).sum::<f64>() / n;
            let square = |s: &f32| (f64::from(*s) - found).powi(2);
            let spread = states.all().iter().map(square).sum::<f64>() / n;
            assert!(
                (found - mean).abs() < 5.0 * (variance / n).sqrt(),
                "{found} {mean}"
            );
            let miss = (spread / variance - 1.0).abs();
            assert!(miss < 5.0 * (2.0 / n).sqrt(), "{spread} {variance}");
        }
    }
}
