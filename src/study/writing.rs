//! How the weights of a task that is read get into the array: what the study file says of it.

use crate::crossbar::{OpenLoop, Start, WriteVerify, Writing};
use crate::device::Device;
use crate::document::{NumberOr, Rule, Section, Value};
use crate::units::Siemens;

const KEY: &str = "write";

/// `write`, if the task has one.
pub(super) fn writing(task: &Section, device: &Device) -> Option<Writing> {
    const KINDS: [&str; 4] = ["device", "exact", "open-loop", "write-verify"];
    let (kind, section) = task.optional_choice(KEY, &KINDS)?;
    let pulsed = kind == KINDS[2] || kind == KINDS[3];
    if pulsed && !device.law().is_pulsed() {
        task.violation(
            KEY,
            format!(
                "the device {} has no pulses to write with",
                device.name()
            ),
            "write = \"device\" draws what its [programming] says; or choose a device whose law is not programmed (memridge device list shows them)",
        );
    }
    let writing = match kind {
        "exact" => Writing::Exact,
        "open-loop" => Writing::OpenLoop(OpenLoop {
            start: start(&section, device),
            most_pulses: most_pulses(&section),
        }),
        "write-verify" => {
            let start = start(&section, device);
            let share = |key, rule| match section.number_or_quantity::<Siemens>(key, rule) {
                NumberOr::Number(x) => x,
                NumberOr::Quantity(g) => g.value() / device.window().span(),
            };
            Writing::WriteVerify(WriteVerify {
                start,
                most_pulses: most_pulses(&section),
                tolerance: share("tolerance", Rule::Positive),
                noise: share("verify-noise", Rule::NonNegative),
                by_response: section.one_of("pulses", &["one", "response"]) == "response",
            })
        }
        _ => Writing::Device,
    };
    section.finish();
    Some(writing)
}

fn most_pulses(section: &Section) -> u32 {
    section.integer("most-pulses", Rule::Between(1.0, 1e6))
}

/// `start`: where cells are before they are pulsed.
fn start(section: &Section, device: &Device) -> Start {
    const KEY: &str = "start";
    let one_sided = device.reset().is_some();
    let named = section.node(KEY).is_some_and(
        |n| matches!(&n.value, Value::Text(t) if !t.starts_with(|c: char| c.is_ascii_digit())),
    );
    if named || !section.has(KEY) {
        let start = match section.one_of(KEY, &["lowest", "reset"]) {
            "reset" => Start::Reset,
            _ => Start::Lowest,
        };
        if start == Start::Reset && !one_sided {
            section.violation(
                KEY,
                format!(
                    "the device {} has no [reset]: its cells are emptied by depressing pulses",
                    device.name()
                ),
                "write start = \"lowest\", each cell at the lower end of its own window; or a position or conductance",
            );
        }
        return start;
    }
    let given = section.number_or_quantity::<Siemens>(KEY, Rule::NonNegative);
    let position = device.window().position(given);
    if !(0.0..=1.0).contains(&position) {
        section.violation(
            KEY,
            format!("cells begin in the window, the position is {position:.3}"),
            "a position from 0 (g-min) to 1 (g-max), or a conductance between them",
        );
    }
    Start::Position(position)
}
