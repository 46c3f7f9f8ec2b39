//! `[array.wires]`: what the array is read through. Without it wires are ideal.

use crate::crossbar::{Route, Wires, wires::Ends};
use crate::document::{Rule, Section};
use crate::units::Ohms;

/// Reads `[array.wires]`; arrays that learn say how often their effective matrix is computed, others have that of every state.
pub(super) fn wires(array: &Section, learns: bool) -> Option<Wires> {
    const EVERY: &str = "refresh-every";
    let section = array.optional_section("wires")?;
    let segment = |key| section.quantity::<Ohms>(key, Rule::NonNegative).value();
    let terminal = |key| {
        let resistance = section.optional_quantity::<Ohms>(key, Rule::NonNegative);
        resistance.map_or(0.0, Ohms::value)
    };
    let forward = Route {
        driven: ends(&section, "drive", ["left", "right"], Ends::First),
        sensed: ends(&section, "sense", ["top", "bottom"], Ends::Last),
        driver: terminal("driver-resistance"),
        sense: terminal("sense-resistance"),
    };
    let wires = Wires {
        word_segment: segment("word-segment"),
        bit_segment: segment("bit-segment"),
        forward,
        // The same terminals, which have changed places.
        transposed: Route {
            driven: forward.sensed,
            sensed: forward.driven,
            ..forward
        },
        every: learns.then(|| section.integer(EVERY, Rule::Between(1.0, 1e8))),
        writes: None,
    };
    if !learns && section.has(EVERY) {
        section.violation(
            EVERY,
            "nothing is learned here, and reads see the effective matrix of the present states",
            "remove the key",
        );
    }
    section.finish();
    Some(wires)
}

/// One end of lines by its name, or both.
fn ends(section: &Section, key: &str, [first, last]: [&str; 2], usual: Ends) -> Ends {
    match section.optional_one_of(key, &[first, last, "both"]) {
        None => usual,
        Some("both") => Ends::Both,
        Some(name) if name == first => Ends::First,
        Some(_) => Ends::Last,
    }
}
