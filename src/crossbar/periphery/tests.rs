//! Converters alone: each imperfection against a closed form or an independent sum.

use proptest::prelude::*;
use pulp::Arch;

use super::adc::AdcBank;
use super::dac::DacBank;
use super::mismatch::{Item, Mismatch};
use super::*;
use crate::backend::StackVector;
use crate::number::{Coordinates, Purpose, Stream};

const DRAW: Mismatch = Mismatch {
    stream: Stream::new(0xADC),
    direction: Direction::Forward,
};

/// Uniform numbers in (0, 1).
fn uniforms(n: usize, step: u32) -> StackVector {
    let mut out = StackVector::zeros(1, n);
    for (cell, u) in (0..).zip(out.all_mut()) {
        *u = DRAW.stream.uniform(Coordinates {
            step,
            cell,
            replica: 0,
            purpose: Purpose::Input,
            index: 0,
        });
    }
    out
}

fn vector(values: &[f32]) -> StackVector {
    let mut out = StackVector::zeros(1, values.len());
    out.all_mut().copy_from_slice(values);
    out
}

fn uniform(bits: u32) -> AdcKind {
    AdcKind::Uniform {
        resolution: Resolution::bits(bits).unwrap(),
        rounding: Rounding::Nearest,
    }
}

fn adc(kind: AdcKind, range: f64) -> Adc {
    Adc {
        kind,
        range: Some(range),
        errors: Errors::default(),
    }
}

/// Values of many samples through converter `c` of a bank, and how many saturate.
fn through(adc: &Adc, c: usize, values: &[f32]) -> (Vec<f32>, u32) {
    let bank = AdcBank::new(adc, c + 1, &DRAW);
    let mut y = StackVector::zeros(c + 1, values.len());
    y.lanes_mut(c).copy_from_slice(values);
    let mut dither = StackVector::zeros(c + 1, values.len());
    dither
        .lanes_mut(c)
        .copy_from_slice(uniforms(values.len(), 9).all());
    let mut saturated = vec![0; values.len()];
    bank.convert(
        Arch::new(),
        &vec![1.0; values.len()],
        &dither,
        &mut y,
        &mut saturated,
    );
    (y.lanes(c).to_vec(), saturated.iter().sum())
}

/// The place, in steps, above which converter `c` gives more than `code`: by bisection.
fn transition(adc: &Adc, c: usize, code: i32) -> f64 {
    let l = f64::from(adc.resolution().unwrap().levels());
    let step = adc.range.unwrap() / l;
    let (mut low, mut high) = (-l - 4.0, l + 4.0);
    for _ in 0..40 {
        let middle = 0.5 * (low + high);
        let k = f64::from(through(adc, c, &[(middle * step) as f32]).0[0]) / step;
        if k.round() > f64::from(code) {
            high = middle;
        } else {
            low = middle;
        }
    }
    0.5 * (low + high)
}

#[test]
fn bits_and_steps() {
    assert_eq!(Resolution::bits(9).unwrap().levels(), 255);
    assert_eq!(Resolution::bits(9).unwrap().digits(), 8);
    assert_eq!(Resolution::bits(2).unwrap().levels(), 1);
    assert!(Resolution::bits(1).is_none() && Resolution::bits(17).is_none());
    assert!(Resolution::steps(7).is_none() && Resolution::steps(0).is_none());
}

#[test]
fn whole_numbers_are_never_rounded_away() {
    for k in -70..=70 {
        let t = k as f32;
        for u in [0.5 / 8_388_608.0, 0.5, 1.0 - 0.5 / 8_388_608.0] {
            assert_eq!(Stochastic::round(t, u), t);
        }
    }
    assert_eq!(Stochastic::round(-0.25, 0.7), 0.0);
    assert_eq!(Stochastic::round(-0.25, 0.8), -1.0);
}

/// Errors of rounding to nearest are uniform over a step: Kolmogorov–Smirnov at α = 0.001, n = 100 000; mean square 1/12 to four standard
/// errors, its variance being 1/180.
#[test]
fn errors_of_a_quantiser_are_uniform() {
    let n = 100_000;
    let x: Vec<f32> = uniforms(n, 1)
        .all()
        .iter()
        .map(|u| 3.8 * (u - 0.5))
        .collect();
    let (y, saturated) = through(&adc(uniform(6), 2.0), 0, &x);
    assert_eq!(
        saturated,
        y.iter().filter(|y| y.abs() == 2.0).count() as u32
    );
    let step = 2.0 / 31.0;
    let mut errors: Vec<f64> = x
        .iter()
        .zip(&y)
        .map(|(x, y)| f64::from(y - x) / step)
        .collect();
    errors.sort_by(f64::total_cmp);
    let distance = errors.iter().enumerate().fold(0.0_f64, |d, (k, e)| {
        let p = e + 0.5;
        let n = n as f64;
        d.max((p - k as f64 / n).abs())
            .max(((k + 1) as f64 / n - p).abs())
    });
    assert!((n as f64).sqrt() * distance < 1.9495, "{distance}");
    let square = errors.iter().map(|e| e * e).sum::<f64>() / n as f64;
    let z = (square - 1.0 / 12.0) * (180.0 * n as f64).sqrt();
    assert!(z.abs() < 4.0, "{z}");
}

/// Right on average, with variance f(1 - f), to four standard errors.
#[test]
fn stochastic_rounding_is_unbiased() {
    let n = 40_000;
    let stochastic = AdcKind::Uniform {
        resolution: Resolution::bits(5).unwrap(),
        rounding: Rounding::Stochastic,
    };
    let dac = Dac {
        resolution: Resolution::bits(5),
        range: Some(15.0),
        rounding: Rounding::Stochastic,
        ..Dac::default()
    };
    for t in [-7.9_f32, -3.25, 0.1, 0.5, 11.7] {
        let (y, _) = through(&adc(stochastic, 15.0), 0, &vec![t; n]);
        let mut x = vector(&vec![t; n]);
        let inputs = x.clone();
        let bank = DacBank::new(dac, 1, &DRAW);
        bank.levels(Arch::new(), &inputs, &vec![1.0; n], &uniforms(n, 3), &mut x);
        for rounded in [&y[..], x.all()] {
            let f = f64::from(t - t.floor());
            let variance = f * (1.0 - f);
            let n = n as f64;
            let mean = rounded.iter().map(|y| f64::from(*y)).sum::<f64>() / n;
            let z = (mean - f64::from(t)) * (n / variance).sqrt();
            assert!(z.abs() < 4.0, "{t}: {z}");
            let second = rounded
                .iter()
                .map(|y| (f64::from(*y) - f64::from(t)).powi(2))
                .sum::<f64>()
                / n;
            // (y - t)² is f² or (1-f)², so its variance is f(1-f)(1-2f)²; at ½ it is the same number always.
            let deviation = (variance * (1.0 - 2.0 * f).powi(2) / n).sqrt() + 1e-6;
            assert!((second - variance).abs() < 4.0 * deviation, "{t}: {second}");
            assert!(rounded.iter().all(|y| *y == t.floor() || *y == t.ceil()));
        }
    }
}

#[test]
fn what_is_beyond_the_range_ends_at_it() {
    let x = [-1e30, -3.0, -2.0, -1.9, 0.0, 1.9, 2.0, 3.0, f32::MAX];
    for kind in [
        uniform(8),
        AdcKind::Ideal,
        AdcKind::Sar {
            bits: 8,
            mismatch: 0.0,
        },
        AdcKind::Ramp {
            resolution: Resolution::bits(8).unwrap(),
            comparator_offset: 0.0,
        },
    ] {
        let (y, saturated) = through(&adc(kind, 2.0), 0, &x);
        assert_eq!(saturated, 6, "{kind:?}");
        assert_eq!(y[..3], [-2.0; 3], "{kind:?}");
        assert_eq!(y[6..], [2.0; 3], "{kind:?}");
        assert_eq!(y[4], 0.0);
        assert!((y[3] + 1.9).abs() < 0.5 * 2.0 / 127.0 + 1e-6);
    }
    let dac = Dac {
        range: Some(2.0),
        ..Dac::default()
    };
    let mut out = vector(&x);
    let bank = DacBank::new(dac, 1, &DRAW);
    bank.levels(Arch::new(), &vector(&x), &[1.0; 9], &vector(&x), &mut out);
    bank.drive(Arch::new(), &mut out);
    assert_eq!(out.all(), [-2.0, -2.0, -2.0, -1.9, 0.0, 1.9, 2.0, 2.0, 2.0]);
}

/// Gain and offset are those that were drawn, for loops over lanes and over converters.
#[test]
fn gains_and_offsets_are_exact() {
    let errors = Errors {
        offset: 0.3,
        gain: 0.05,
        ..Errors::default()
    };
    let n = 9;
    let own = |gain, offset, i: usize| {
        let gain = (1.0 + 0.05 * DRAW.normal(gain, i, 0)) as f32;
        (gain, (0.3 * DRAW.normal(offset, i, 0)) as f32)
    };
    for width in [1, 5] {
        let mut y = StackVector::zeros(n, width);
        y.fill(0.7);
        let x = y.clone();
        let adc = Adc {
            errors,
            ..Adc::default()
        };
        let bank = AdcBank::new(&adc, n, &DRAW);
        bank.convert(
            Arch::new(),
            &vec![1.0; width],
            &StackVector::default(),
            &mut y,
            &mut vec![0; width],
        );
        let dac = Dac {
            errors,
            ..Dac::default()
        };
        let mut v = x.clone();
        let bank = DacBank::new(dac, n, &DRAW);
        bank.levels(Arch::new(), &x, &vec![1.0; width], &x, &mut v);
        bank.drive(Arch::new(), &mut v);
        for i in 0..n {
            let (gain, offset) = own(Item::OutputGain, Item::OutputOffset, i);
            assert_eq!(y.lanes(i), vec![0.7_f32.mul_add(gain, offset); width]);
            let (gain, offset) = own(Item::InputGain, Item::InputOffset, i);
            assert_eq!(v.lanes(i), vec![0.7_f32.mul_add(gain, offset); width]);
        }
    }
}

#[test]
fn a_perfect_sar_converter_and_a_perfect_ramp_are_uniform_quantisers() {
    let x: Vec<f32> = uniforms(20_000, 2)
        .all()
        .iter()
        .map(|u| 4.4 * (u - 0.5))
        .collect();
    for bits in [2, 5, 9, 12] {
        // From the middle between two levels comparators go up, and rounding goes to the even one.
        let per_unit = (Resolution::bits(bits).unwrap().levels() as f32) / 2.0;
        let x: Vec<f32> = x
            .iter()
            .copied()
            .filter(|x| x * per_unit - (x * per_unit).floor() != 0.5)
            .collect();
        let plain = through(&adc(uniform(bits), 2.0), 0, &x);
        let sar = AdcKind::Sar {
            bits,
            mismatch: 0.0,
        };
        let ramp = AdcKind::Ramp {
            resolution: Resolution::bits(bits).unwrap(),
            comparator_offset: 0.0,
        };
        assert!(through(&adc(sar, 2.0), 3, &x) == plain, "SAR, {bits} bits");
        assert!(
            through(&adc(ramp, 2.0), 3, &x) == plain,
            "ramp, {bits} bits"
        );
    }
}

/// Transition by transition against the sum of the capacitors that a code switches, for a mismatch that leaves them in order.
#[test]
fn transitions_of_a_sar_converter_are_sums_of_capacitors() {
    let (bits, sigma, c) = (6_u32, 0.02, 2);
    let sar = adc(
        AdcKind::Sar {
            bits,
            mismatch: sigma,
        },
        31.0,
    );
    let units: Vec<f64> = (0..=bits)
        .map(|j| {
            let nominal = if j == bits {
                1.0
            } else {
                2.0_f64.powi(j as i32)
            };
            nominal + sigma * nominal.sqrt() * DRAW.normal(Item::Capacitor, c, j)
        })
        .collect();
    let total: f64 = units.iter().sum();
    let mut moved = 0.0_f64;
    for code in 2..64_u32 {
        let switched: f64 = (0..bits)
            .filter(|j| code >> j & 1 == 1)
            .map(|j| units[j as usize])
            .sum();
        let expected = 64.0 * switched / total - 32.5;
        let found = transition(&sar, c, code as i32 - 33);
        // Sums of single precision of numbers up to 64.
        assert!(
            (found - expected).abs() < 2e-5,
            "{code}: {found} {expected}"
        );
        moved = moved.max((found - (f64::from(code) - 32.5)).abs());
    }
    assert!(moved > 0.02, "{moved}");
}

#[test]
fn a_ramp_is_monotonic_and_its_columns_are_shifted() {
    let errors = Errors {
        dnl: 1.5,
        inl: 0.5,
        ..Errors::default()
    };
    let ramp = Adc {
        kind: AdcKind::Ramp {
            resolution: Resolution::bits(6).unwrap(),
            comparator_offset: 0.7,
        },
        range: Some(31.0),
        errors,
    };
    let x: Vec<f32> = (0..8000).map(|k| 0.01 * (k - 4000) as f32).collect();
    for c in [0, 4] {
        let (y, _) = through(&ramp, c, &x);
        assert!(y.windows(2).all(|w| w[0] <= w[1]));
    }
    // The same ramp for both, behind comparators of their own.
    let shift = |c| 0.7 * DRAW.normal(Item::Comparator, c, 0);
    for code in [-31, -3, 30] {
        let apart = transition(&ramp, 0, code) - transition(&ramp, 4, code);
        assert!((apart - (shift(4) - shift(0))).abs() < 1e-4, "{apart}");
    }
}

/// From the transitions and levels themselves, by the end-point definition.
#[test]
fn nonlinearity_is_measured_as_it_was_drawn() {
    let errors = Errors {
        inl: 0.8,
        dnl: 0.1,
        ..Errors::default()
    };
    let (c, l) = (3, 31_u32);
    let measured = |at: &[f64]| -> Vec<f64> {
        let n = at.len() - 1;
        let mean = (at[n] - at[0]) / n as f64;
        let line = |k: usize| at[0] + k as f64 * mean;
        (0..=n).map(|k| (at[k] - line(k)) / mean).collect()
    };
    let close = |found: Vec<f64>, drawn: Vec<f64>| {
        assert_eq!(found.len(), drawn.len());
        for (a, b) in found.iter().zip(&drawn) {
            // Bisection and single precision, in steps.
            assert!((a - b).abs() < 2e-5, "{a} {b}");
        }
    };
    let converter = Adc {
        errors,
        ..adc(uniform(6), 31.0)
    };
    let transitions: Vec<f64> = (-31..31).map(|k| transition(&converter, c, k)).collect();
    let items = [Item::OutputInl, Item::OutputDnl];
    close(
        measured(&transitions),
        DRAW.nonlinearity(items, c, 2 * l - 1, &errors),
    );
    let dac = Dac {
        resolution: Resolution::bits(6),
        range: Some(31.0),
        errors,
        ..Dac::default()
    };
    let bank = DacBank::new(dac, c + 1, &DRAW);
    let levels: Vec<f64> = (-31..=31)
        .map(|k| {
            let mut v = StackVector::zeros(c + 1, 1);
            v.fill(k as f32);
            bank.drive(Arch::new(), &mut v);
            f64::from(v.lanes(c)[0])
        })
        .collect();
    let items = [Item::InputInl, Item::InputDnl];
    close(
        measured(&levels),
        DRAW.nonlinearity(items, c, 2 * l, &errors),
    );
}

/// A sinusoid over the whole width of all codes: SINAD = 6.02 b + 1.76 dB. The error of a sinusoid of A steps has the mean square
/// `1/12 + Σ_k (-1)^k J₀(2πkA)/(πk)²`, whose first term is 7 % at 6 bits and vanishes for A = L + 3/8 (asymptotically). The code that is not
/// used and the missing eighth cost -log2(2A/2^b) bits, 0.028 at 6; the second term is below 0.015 there.
#[test]
fn an_ideal_converter_has_all_its_bits() {
    for bits in [6, 8, 10, 12] {
        let l = f64::from(Resolution::bits(bits).unwrap().levels());
        let amplitude = 1.0 + 0.375 / l;
        let n = 1 << 15;
        let wave: Vec<f64> = (0..n)
            .map(|k| {
                let turns = 1021.0 * f64::from(k) / f64::from(n) + 0.123;
                amplitude * (std::f64::consts::TAU * turns).sin()
            })
            .collect();
        let x: Vec<f32> = wave.iter().map(|x| *x as f32).collect();
        let (y, _) = through(&adc(uniform(bits), 1.0), 0, &x);
        let noise: f64 = wave
            .iter()
            .zip(&y)
            .map(|(x, y)| (f64::from(*y) - x).powi(2))
            .sum();
        let signal: f64 = wave.iter().map(|x| x * x).sum();
        let sinad = 10.0 * (signal / noise).log10();
        let enob = (sinad - 1.76) / 6.02;
        assert!((enob - f64::from(bits)).abs() < 0.05, "{bits}: {enob}");
    }
}

proptest! {
    /// Whatever the converter and the input, outputs are numbers within the range.
    #[test]
    fn outputs_are_numbers_within_the_range(
        kind in 0..5, bits in 2_u32..12, range in 1e-3_f64..1e3, gain in 0.0_f64..0.15, offset in 0.0_f64..2.0,
        inl in 0.0_f64..5.0, dnl in 0.0_f64..3.0, values in prop::collection::vec(any::<f32>(), 1..40),
    ) {
        let resolution = Resolution::bits(bits).unwrap();
        let kind = match kind {
            0 => AdcKind::Ideal,
            1 => uniform(bits),
            2 => AdcKind::Uniform { resolution, rounding: Rounding::Stochastic },
            3 => AdcKind::Sar { bits, mismatch: 0.1 },
            _ => AdcKind::Ramp { resolution, comparator_offset: offset },
        };
        let curved = !matches!(kind, AdcKind::Uniform { rounding: Rounding::Stochastic, .. });
        let errors = Errors { offset, gain, inl: if curved { inl } else { 0.0 }, dnl: if curved { dnl } else { 0.0 } };
        let values: Vec<f32> = values.into_iter().map(|v| if v.is_nan() { 0.5 } else { v }).collect();
        let (y, _) = through(&Adc { kind, range: Some(range), errors }, 1, &values);
        // A rounding of range/L · L.
        let most = range as f32 * (1.0 + 2.0 * f32::EPSILON);
        prop_assert!(y.iter().all(|y| y.abs() <= most), "{:?}", y);
        let dac = Dac {
            resolution: (kind != AdcKind::Ideal).then_some(resolution),
            range: Some(range),
            errors: Errors { offset: 0.0, gain: 0.0, ..errors },
            ..Dac::default()
        };
        let bank = DacBank::new(dac, 1, &DRAW);
        let mut v = vector(&values);
        let inputs = v.clone();
        bank.levels(Arch::new(), &inputs, &vec![1.0; values.len()], &inputs, &mut v);
        bank.drive(Arch::new(), &mut v);
        prop_assert!(v.all().iter().all(|v| v.is_finite()));
    }
}
