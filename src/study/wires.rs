//! `[array.wires]`: what the array is read through. Without it wires are ideal.

use crate::crossbar::{
    Route, Scheme, Selected, Wires, Writes,
    wires::{Ends, Metal},
};
use crate::device::{Device, VoltageDependence};
use crate::document::{Rule, Section};
use crate::units::{Kelvin, Metres, Ohms};

/// Reads `[array.wires]`; arrays that learn say how often their effective matrix is computed, others have that of every state.
pub(super) fn wires(array: &Section, device: &Device, learns: bool) -> Option<Wires> {
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
        writes: writes(&section, device, learns),
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

/// Reads `[array.wires.writes]`: how pulses see the wires. Without it every cell gets their full voltage, and no other is disturbed.
fn writes(wires: &Section, device: &Device, learns: bool) -> Option<Writes> {
    const KEY: &str = "writes";
    let section = wires.optional_section(KEY)?;
    if !learns {
        wires.violation(
            KEY,
            "arrays that are only read are written at full voltage",
            "remove the table",
        );
    }
    let scheme = match section.one_of("scheme", &["half", "third", "isolated"]) {
        "third" => Scheme::Third,
        "isolated" => Scheme::Isolated,
        _ => Scheme::Half,
    };
    let (selected, disturb) = match scheme {
        Scheme::Isolated => (Selected::Cell, isolated(&section)),
        _ => {
            let selected = match section.one_of("selected", &["cell", "row"]) {
                "row" => Selected::Row,
                _ => Selected::Cell,
            };
            (selected, section.bool("disturb"))
        }
    };
    if disturb && (device.drift().is_some() || device.wear().is_some()) {
        section.violation(
            "disturb",
            format!(
                "the cells of the device {} remember when they were last pulsed, or how often, and what a weak pulse is to that is not known",
                device.name()
            ),
            "write disturb = false, or choose a device without drift and endurance",
        );
    }
    let writes = Writes {
        scheme,
        selected,
        every: section.integer("refresh-every", Rule::Between(1.0, 1e8)),
        disturb,
        dependence: dependence(&section, device),
    };
    section.finish();
    Some(writes)
}

/// Behind transistors nothing is half-selected: there is nothing to say of it.
fn isolated(section: &Section) -> bool {
    for key in ["selected", "disturb"] {
        section.node(key);
        if section.has(key) {
            section.violation(
                key,
                "transistors isolate the cells that are not selected: one cell conducts, and no other is disturbed",
                "remove the key, or write scheme = \"half\" or \"third\"",
            );
        }
    }
    false
}

/// How steps depend on the voltage of pulses: physical laws know it, of all others it must be said.
fn dependence(section: &Section, device: &Device) -> Option<VoltageDependence> {
    const KEY: &str = "step";
    if device.law().derives_step() {
        section.node(KEY);
        if section.has(KEY) {
            section.violation(
                KEY,
                format!(
                    "the law {} says itself what a voltage does",
                    device.law().name()
                ),
                "remove the key",
            );
        }
        return None;
    }
    let (kind, law) = section.choice(KEY, &["power", "sinh"]);
    let dependence = match kind {
        "sinh" => VoltageDependence::Sinh(law.number("bend", Rule::OpenBetween(0.0, 700.0))),
        _ => VoltageDependence::Power(law.number("exponent", Rule::Between(0.0, 100.0))),
    };
    law.finish();
    Some(dependence)
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
