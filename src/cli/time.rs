//! What time and wear do to the cells of a device, in words and numbers.

use memridge::device::{
    Amount, Arrhenius, Dependence, Device, Drift, DriftForm, Spread, Variation, Window,
};
use memridge::units::{ElectronVolts, Kelvin, Seconds, Siemens};
use serde_json::{Value, json};

use super::device::round;

/// A key, its value, and what it means.
type Row = (String, String, &'static str);

/// The form of a spread.
pub(super) fn form(spread: &Spread) -> String {
    match spread {
        Spread::Normal(s) => format!("normal, {s}"),
        Spread::RelativeNormal(s) => format!("normal, {s} of the value"),
        Spread::LogNormal(s) => format!("log-normal, {s}"),
        Spread::List(l) => format!("{} values, cell by cell", l.len()),
        Spread::Npz { file, .. } => format!("cell by cell from {file}"),
    }
}

/// All that a device file says of retention and endurance.
pub(super) fn rows(device: &Device) -> Vec<Row> {
    let window = device.window();
    let mut rows = Vec::new();
    let mut add = |key: &str, value: String, meaning| rows.push((key.to_owned(), value, meaning));
    if let Some(leak) = device.leak() {
        let r = leak.nominal;
        let rest = Siemens::new(round(window.g_min + r.rest * window.span()));
        add(
            "retention, rest",
            rest.to_string(),
            "conductance that states relax to",
        );
        add(
            "retention, lifetime",
            Seconds::new(round(r.lifetime)).to_string(),
            "time after which 1/e of the distance is left",
        );
        spreads(
            &leak.variations,
            "retention",
            &["rest", "lifetime"],
            &mut add,
        );
        heat(leak.arrhenius, &mut add);
    }
    if let Some(drift) = device.drift() {
        add(
            "drift, onset",
            Seconds::new(round(drift.onset)).to_string(),
            "age from which conductances change",
        );
        match &drift.form {
            DriftForm::PowerLaw { .. } => {
                for [g, mean, deviation] in exponents(drift, window) {
                    add(
                        "drift, exponent",
                        format!(
                            "{:.4} ± {:.4} at {}",
                            mean,
                            deviation,
                            Siemens::new(round(g))
                        ),
                        "power of the age over its onset that is lost, from cell to cell",
                    );
                }
            }
            DriftForm::Logarithmic {
                shift,
                deviation,
                growth,
            } => {
                add(
                    "drift, shift",
                    amount(*shift),
                    "lost for each factor e of the age",
                );
                add("drift, deviation", amount(*deviation), "at the onset");
                add(
                    "drift, growth",
                    amount(*growth),
                    "of the deviation for each factor e of the age",
                );
            }
        }
        heat(drift.arrhenius, &mut add);
    }
    if let Some(wear) = device.wear() {
        let e = wear.nominal;
        add(
            "endurance, pulses",
            format!("{:e}", e.pulses),
            "after which 1 - 1/e of the losses are there",
        );
        add(
            "endurance, shape",
            e.shape.to_string(),
            "power of the number of pulses",
        );
        add(
            "endurance, losses",
            format!("{} and {}", e.losses[0], e.losses[1]),
            "parts of the window that its lower and its upper end lose",
        );
        spreads(&wear.variations, "endurance", &["pulses"], &mut add);
    }
    rows
}

fn spreads(
    variations: &[Variation],
    of: &str,
    names: &[&str],
    add: &mut impl FnMut(&str, String, &'static str),
) {
    for v in variations {
        let name = names.get(v.index).copied().unwrap_or_default();
        let key = format!("{of}, device-to-device, {name}");
        add(&key, form(&v.spread), "deviation from cell to cell");
    }
}

fn heat(arrhenius: Option<Arrhenius>, add: &mut impl FnMut(&str, String, &'static str)) {
    if let Some(a) = arrhenius {
        let kelvin = |t: f64| Kelvin::new(round(t));
        add(
            "activation energy",
            format!(
                "{}: times at {} instead of {}",
                ElectronVolts::new(a.activation_energy),
                kelvin(a.temperature),
                kelvin(a.reference_temperature)
            ),
            "the times above are those of the temperature",
        );
    }
}

fn amount(amount: Amount) -> String {
    match amount {
        Amount::Absolute(g) => Siemens::new(round(g)).to_string(),
        Amount::Relative(part) => format!("{part} of the conductance"),
    }
}

/// Conductance, mean exponent and its deviation over the window.
fn exponents(drift: &Drift, window: Window) -> Vec<[f64; 3]> {
    let DriftForm::PowerLaw {
        exponent,
        deviation,
    } = &drift.form
    else {
        return Vec::new();
    };
    [0.1, 0.5, 1.0]
        .map(|x| {
            let g = window.g_min + x * window.span();
            let at = |of: &Dependence| of.at(g);
            [g, at(exponent), at(deviation)]
        })
        .to_vec()
}

/// Retention for programs; nothing where states are kept for ever.
pub(super) fn retention(device: &Device) -> Value {
    let heated = |arrhenius: Option<Arrhenius>| {
        arrhenius.map(|a| {
            json!({
                "activation-energy": a.activation_energy,
                "reference-temperature": a.reference_temperature,
                "temperature": a.temperature,
            })
        })
    };
    if let Some(leak) = device.leak() {
        return json!({
            "form": "exponential",
            "rest": leak.nominal.rest,
            "lifetime": leak.nominal.lifetime,
            "arrhenius": heated(leak.arrhenius),
        });
    }
    let Some(drift) = device.drift() else {
        return Value::Null;
    };
    let siemens = |amount: &Amount| match amount {
        Amount::Absolute(g) => json!({ "siemens": g }),
        Amount::Relative(part) => json!({ "relative": part }),
    };
    let mut value = match &drift.form {
        DriftForm::PowerLaw { .. } => json!({
            "form": "power-law",
            "exponents": exponents(drift, device.window()),
        }),
        DriftForm::Logarithmic {
            shift,
            deviation,
            growth,
        } => json!({
            "form": "logarithmic",
            "shift": siemens(shift),
            "deviation": siemens(deviation),
            "growth": siemens(growth),
        }),
    };
    value["onset"] = json!(drift.onset);
    value["arrhenius"] = json!(heated(drift.arrhenius));
    value
}

/// Endurance for programs; nothing where nothing wears.
pub(super) fn endurance(device: &Device) -> Value {
    device.wear().map_or(Value::Null, |wear| {
        json!({
            "pulses": wear.nominal.pulses,
            "shape": wear.nominal.shape,
            "lower-loss": wear.nominal.losses[0],
            "upper-loss": wear.nominal.losses[1],
        })
    })
}
