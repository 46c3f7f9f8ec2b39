//! Keys of `[training]` that all tasks share.

use crate::device::Counting;
use crate::document::{Rule, Section};
use crate::training::{Decay, Schedule, Update};

/// `update`
pub(super) fn update(section: &Section) -> Update {
    match section.one_of("update", &["per-sample", "summed"]) {
        "summed" => Update::Summed,
        _ => Update::PerSample,
    }
}

/// `schedule` and `warm-up`
pub(super) fn schedule(section: &Section) -> Schedule {
    const PART: Rule = Rule::OpenBetween(0.0, 1.0);
    const DECAYS: [&str; 5] = ["constant", "geometric", "inverse", "step", "cosine"];
    let decay = match section.choice("schedule", &DECAYS) {
        ("geometric", s) => Decay::Geometric {
            last: s.number("last", PART),
        },
        ("inverse", s) => Decay::Inverse {
            half: s.number("half", Rule::Positive),
        },
        ("step", s) => Decay::Step {
            factor: s.number("factor", PART),
            every: s.number("every", PART),
        },
        ("cosine", s) => Decay::Cosine {
            last: s.number("last", PART),
        },
        _ => Decay::Constant,
    };
    Schedule {
        warm_up: section.optional_number("warm-up", PART).unwrap_or(0.0),
        decay,
    }
}

/// `pulses`
pub(super) fn counting(section: &Section, update: Update) -> Counting {
    const PULSES: [&str; 5] = [
        "stochastic-rounding",
        "coincidence",
        "mean-count",
        "deterministic",
        "expected",
    ];
    let counting = match section.choice("pulses", &PULSES) {
        ("coincidence", s) => Counting::Coincidence {
            bits: s.integer("bit-length", Rule::Between(1.0, 32.0)),
            update_management: s.bool("update-management"),
            length_management: s.optional_bool("length-management").unwrap_or(false),
        },
        ("mean-count", s) => Counting::MeanCount {
            bits: s.integer("bit-length", Rule::Between(1.0, 32.0)),
            update_management: s.bool("update-management"),
        },
        ("deterministic", _) => Counting::Deterministic,
        ("expected", _) => Counting::Expected,
        _ => Counting::StochasticRounding,
    };
    if update == Update::Summed && counting.trains().is_some() {
        section.violation(
            "pulses",
            "bit trains, drawn or counted in the mean, make outer products of single samples",
            "write update = \"per-sample\", or other pulses",
        );
    }
    counting
}
