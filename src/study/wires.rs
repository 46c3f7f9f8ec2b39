//! `[array.wires]`: what the array is read through. Without it wires are ideal.

use crate::crossbar::{
    Route, Wires,
    wires::{Ends, Metal},
};
use crate::document::{Rule, Section};
use crate::units::{Kelvin, Metres, Ohms};

/// Reads `[array.wires]`; arrays that learn say how often their effective matrix is computed, others have that of every state.
pub(super) fn wires(array: &Section, learns: bool) -> Option<Wires> {
    const EVERY: &str = "refresh-every";
    let section = array.optional_section("wires")?;
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
    let [word_segment, bit_segment] = segments(&section);
    let wires = Wires {
        word_segment,
        bit_segment,
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

/// Resistances of the segments of word lines and bit lines: given, or those of metal along the width and the height of a cell.
fn segments(section: &Section) -> [f64; 2] {
    let keys = ["word-segment", "bit-segment"];
    let Some(metal) = section.optional_section("metal") else {
        return keys.map(|key| section.quantity::<Ohms>(key, Rule::NonNegative).value());
    };
    for key in keys {
        if section.optional_text(key).is_some() {
            section.violation(
                key,
                "the resistance of a segment follows from [array.wires.metal]",
                "remove the key or the table",
            );
        }
    }
    let width = metal.quantity::<Metres>("width", Rule::Positive).value();
    let lengths = ["cell-width", "cell-height"]
        .map(|key| metal.quantity::<Metres>(key, Rule::Positive).value());
    // Copper's coefficient holds about room temperature.
    let temperature = metal
        .quantity::<Kelvin>("temperature", Rule::Between(200.0, 500.0))
        .value();
    let found = Metal::of_width(width);
    if found.is_none() {
        let all: Vec<String> = Metal::widths().map(|w| w.to_string()).collect();
        metal.violation(
            "width",
            format!("there are numbers for widths of {} nm", all.join(", ")),
            "write one of these, or word-segment and bit-segment in [array.wires] in place of the table",
        );
    }
    metal.finish();
    lengths.map(|length| found.map_or(0.0, |m| m.resistance(length, temperature)))
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
