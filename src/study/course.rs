//! Keys of `[training]` that all tasks share.

use crate::device::Counting;
use crate::document::{Rule, Section};
use crate::training::{Schedule, Update};

/// `update`
pub(super) fn update(section: &Section) -> Update {
    match section.one_of("update", &["per-sample", "summed"]) {
        "summed" => Update::Summed,
        _ => Update::PerSample,
    }
}

/// `schedule`
pub(super) fn schedule(section: &Section) -> Schedule {
    match section.choice("schedule", &["constant", "geometric", "inverse"]) {
        ("geometric", s) => Schedule::Geometric {
            last: s.number("last", Rule::OpenBetween(0.0, 1.0)),
        },
        ("inverse", s) => Schedule::Inverse {
            half: s.number("half", Rule::Positive),
        },
        _ => Schedule::Constant,
    }
}

/// `pulses`
pub(super) fn counting(section: &Section, update: Update) -> Counting {
    const PULSES: [&str; 4] = [
        "stochastic-rounding",
        "coincidence",
        "deterministic",
        "expected",
    ];
    let counting = match section.choice("pulses", &PULSES) {
        ("coincidence", s) => Counting::Coincidence {
            bits: s.integer("bit-length", Rule::Between(1.0, 32.0)),
            update_management: s.bool("update-management"),
        },
        ("deterministic", _) => Counting::Deterministic,
        ("expected", _) => Counting::Expected,
        _ => Counting::StochasticRounding,
    };
    if update == Update::Summed && matches!(counting, Counting::Coincidence { .. }) {
        section.violation(
            "pulses",
            "bit trains make outer products of single samples",
            "write update = \"per-sample\", or other pulses",
        );
    }
    counting
}
