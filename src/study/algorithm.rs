//! `[training.algorithm]`: what becomes of the changes that training asks for.

use crate::crossbar::{Mapping, NoiseManagement, Periphery};
use crate::device::{Counting, Device};
use crate::document::{Rule, Section};
use crate::training::algorithms::{
    Algorithm, Calibration, Chopper, Clip, Descent, OWN_STEPS, Optimizer, Penalty, Reference, Sign,
    TikiTaka,
};

const KEY: &str = "algorithm";

const NAMES: [&str; 16] = [
    "sgd",
    "digital-sgd",
    "momentum",
    "nesterov",
    "adagrad",
    "rmsprop",
    "adam",
    "adamw",
    "sign",
    "mixed-precision",
    "zero-shifting",
    "tiki-taka",
    "tiki-taka-v2",
    "chopped-tiki-taka",
    "agad",
    "residual-learning",
];

/// A part of something, from none to less than all.
const SHARE: Rule = Rule::Between(0.0, 0.999_999);

/// `algorithm`, if `[training]` has one.
pub(super) fn algorithm(training: &Section) -> Algorithm {
    let Some((name, section)) = training.optional_choice(KEY, &NAMES) else {
        return Algorithm::Sgd;
    };
    let algorithm = match name {
        "sgd" => Algorithm::Sgd,
        "sign" => Algorithm::Sign(Sign {
            pulses: section.integer("pulses", Rule::Between(1.0, 1e6)),
            dead_zone: section
                .optional_number("dead-zone", Rule::NonNegative)
                .unwrap_or(0.0),
        }),
        "mixed-precision" => Algorithm::MixedPrecision {
            granularity: section
                .optional_integer("granularity", Rule::Between(1.0, 1e6))
                .unwrap_or(1),
        },
        "zero-shifting" => Algorithm::ZeroShifting(calibration(&section)),
        "tiki-taka" | "tiki-taka-v2" | "chopped-tiki-taka" | "agad" | "residual-learning" => {
            Algorithm::TikiTaka(tiki_taka(&section, name))
        }
        _ => Algorithm::Optimizer(optimizer(&section, name)),
    };
    section.finish();
    algorithm
}

fn optimizer(section: &Section, name: &str) -> Optimizer {
    let epsilon = || section.number("epsilon", Rule::Positive);
    let momentum = || section.number("momentum", SHARE);
    let descent = match name {
        "momentum" => Descent::Momentum {
            momentum: momentum(),
        },
        "nesterov" => Descent::Nesterov {
            momentum: momentum(),
        },
        "adagrad" => Descent::AdaGrad { epsilon: epsilon() },
        "rmsprop" => Descent::RmsProp {
            decay: section.number("decay", SHARE),
            epsilon: epsilon(),
        },
        "adam" | "adamw" => Descent::Adam {
            first: section.number("beta-1", SHARE),
            second: section.number("beta-2", SHARE),
            epsilon: epsilon(),
        },
        _ => Descent::Plain,
    };
    let decoupled = name == "adamw";
    let value = section.optional_number("clip-value", Rule::Positive);
    let norm = section.optional_number("clip-norm", Rule::Positive);
    if value.is_some() && norm.is_some() {
        section.violation(
            "clip-norm",
            "gradients are bounded by their components or by their norm, not by both",
            "remove clip-norm or clip-value",
        );
    }
    let penalty = match decoupled {
        true => Some(penalty(&section.section("penalty"))),
        false => section
            .optional_section("penalty")
            .map(|section| penalty(&section)),
    };
    Optimizer {
        descent,
        clip: value.map(Clip::Value).or(norm.map(Clip::Norm)),
        penalty,
        decoupled,
    }
}

fn penalty(section: &Section) -> Penalty {
    let strength = |key| section.optional_number(key, Rule::NonNegative);
    let strengths = ["l2", "l1", "orthogonality", "consolidation"].map(strength);
    if strengths.iter().all(Option::is_none) {
        section.violation(
            "l2",
            "a penalty has at least one strength: l2, l1, orthogonality or consolidation",
            "for example l2 = 0.1",
        );
    }
    let [l2, l1, orthogonality, consolidation] = strengths.map(|s| s.unwrap_or(0.0));
    let centre = section.optional_number("centre", Rule::Any);
    Penalty {
        l2,
        l1,
        orthogonality,
        consolidation,
        centre: centre.unwrap_or(0.0),
        read_every: section.integer("read-every", Rule::AtLeast(1.0)),
        fade: section.optional_integer("fade", Rule::AtLeast(1.0)),
    }
}

fn calibration(section: &Section) -> Calibration {
    Calibration {
        pairs: section.integer("pairs", Rule::Between(1.0, 1e6)),
        reads: section.integer("reads", Rule::Between(1.0, 1e6)),
    }
}

fn tiki_taka(section: &Section, name: &str) -> TikiTaka {
    let lines = if section.has("lines") {
        Some(section.integer("lines", Rule::AtLeast(1.0)))
    } else {
        (name != "residual-learning").then_some(1)
    };
    let gamma = match name {
        "residual-learning" => section.number("gamma", Rule::Positive),
        "tiki-taka" => section
            .optional_number("gamma", Rule::NonNegative)
            .unwrap_or(0.0),
        _ => 0.0,
    };
    let chopper = match name {
        "chopped-tiki-taka" => Some(Chopper::Random(
            section.number("turn-probability", Rule::Between(0.0, 1.0)),
        )),
        "agad" => Some(Chopper::Regular(
            section.integer("turn-every", Rule::AtLeast(1.0)),
        )),
        _ => None,
    };
    let reference = match name {
        "agad" => Reference::Tracked(section.number("average", Rule::OpenBetween(0.0, 1.000_001))),
        _ => match section.optional_section("calibration") {
            Some(section) => Reference::Calibrated(calibration(&section)),
            None => Reference::Nominal,
        },
    };
    TikiTaka {
        fast_rate: section.number("fast-rate", Rule::Positive),
        every: section.integer("transfer-every", Rule::AtLeast(1.0)),
        lines,
        transfer_rate: section.number("transfer-rate", Rule::Positive),
        gamma,
        buffered: !matches!(name, "tiki-taka" | "residual-learning"),
        chopper,
        reference,
    }
}

/// Refuses what makes no sense together. `samples` are those of all steps together, which number random numbers of reads.
pub(super) fn check_algorithm(
    section: &Section,
    algorithm: &Algorithm,
    (counting, samples): (Counting, u64),
    device: &Device,
    mapping: Mapping,
    periphery: &Periphery,
) {
    if algorithm.writes_matrices() && counting.trains().is_some() {
        section.violation(
            "pulses",
            "this algorithm forms the gradient digitally and writes a matrix, while bit trains make outer products of single samples",
            "write other pulses, such as \"stochastic-rounding\"",
        );
    }
    let pair = algorithm.arrays() > 1;
    if pair && mapping == Mapping::OneSidedPair {
        section.violation(
            KEY,
            "the fast array must come to rest at a symmetric point, and one-sided pairs, which fill up, have none",
            "choose another mapping, or an algorithm with one array such as \"mixed-precision\"",
        );
    }
    let pointless = || {
        let cells = device.without_variation().cells(1, 0);
        mapping == Mapping::OneSidedPair
            || cells.is_ok_and(|c| c.nominal_symmetric_point().is_none())
    };
    if algorithm.calibration().is_some() && pointless() {
        section.violation(
            KEY,
            format!(
                "cells of the device {} have no symmetric point that alternating pulses bring them to",
                device.name()
            ),
            "choose another device or mapping, or leave out the calibration",
        );
    }
    let short = periphery.dac.range.is_some_and(|range| range < 1.0);
    if algorithm.reads_lines() && short && periphery.noise_management == NoiseManagement::None {
        section.violation(
            KEY,
            "this algorithm reads single lines with inputs of 1, which array.dac.range cuts off",
            "write noise-management = \"abs-max\", or a range of at least 1",
        );
    }
    if *algorithm != Algorithm::Sgd && samples >= u64::from(OWN_STEPS) {
        section.violation(
            "steps",
            "with an algorithm that reads by itself, steps times the batch must stay below 2³¹: beyond, random numbers would meet",
            "train for fewer steps, or with a smaller batch",
        );
    }
}
