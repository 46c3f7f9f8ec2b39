//! Cells that are not ohmic: the voltage of an input, and what can be read of them.

use crate::crossbar::{Input, Periphery, Wires};
use crate::device::{Curve, Device};
use crate::document::{Rule, Section};
use crate::units::Volts;

/// Factors of an input that single precision, in which reads are made, holds together with what is multiplied by them.
const SINGLE: f64 = 1e20;

/// How the cells of the device conduct in reads, where that is not ohmic: `read-voltage` of `[array]`, the voltage of the largest input.
pub(super) fn curve(
    array: &Section,
    device: &Device,
    periphery: &Periphery,
    wires: Option<&Wires>,
) -> Option<Curve> {
    const KEY: &str = "read-voltage";
    let voltage = array.optional_quantity::<Volts>(KEY, Rule::Positive);
    let law = device.current_voltage();
    if law.is_ohmic() {
        return None;
    }
    let (name, window) = (device.name(), device.window());
    let Some(range) = periphery.dac.range else {
        array.violation(
            "dac",
            format!("the cells of the device {name} are not ohmic: what an input means in volts is known by the largest one"),
            "add [array.dac] with range, the largest input, and read-voltage, its voltage",
        );
        return None;
    };
    let Some(voltage) = voltage.map(Volts::value) else {
        if !array.has(KEY) {
            array.violation(
                KEY,
                format!("missing: the cells of the device {name} are not ohmic, and the voltage of the largest input decides what is read"),
                "for example read-voltage = \"200 mV\"",
            );
        }
        return None;
    };
    let way_out = "read at a lower voltage";
    if let Some(most) = device.largest_voltage().filter(|most| voltage > *most) {
        let rule = format!(
            "the current-voltage curve of the device {name} ends at {}",
            Volts::new(most)
        );
        array.violation(KEY, rule, way_out);
    } else if law.wrong(window, voltage).is_some()
        || (law.is_separable() && law.current(1.0, voltage) / voltage > SINGLE)
    {
        let rule = format!(
            "the current of the device {name} leaves the range of numbers, or has not the sign of this voltage"
        );
        array.violation(KEY, rule, way_out);
    }
    let resist = wires.is_some_and(|w| !w.is_ideal());
    if resist && let Some(v) = law.falling(window, voltage) {
        let rule = format!(
            "behind wires with resistance the current of a cell must rise with its voltage; that of the device {name} falls at {}",
            Volts::new(v)
        );
        array.violation(KEY, rule, way_out);
    }
    if resist && periphery.dac.input == Input::PulseWidth {
        array.violation(
            "wires",
            format!("the cells of the device {name} are not ohmic: pulses of several lengths that end one after the other are not solved behind wires with resistance"),
            "write inputs = \"amplitude\" or \"bit-serial\" in [array.dac], or remove the wires",
        );
    }
    if device.cell_noise().is_some() && (resist || !law.is_separable()) {
        array.violation(
            KEY,
            format!("the [read-noise] of the device {name} is not known where its current is bent by its state or seen through wires with resistance"),
            "remove the wires or the device's [read-noise]",
        );
    }
    Some(Curve {
        law,
        volts: voltage / range,
    })
}
