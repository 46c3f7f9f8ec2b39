//! What time and wear do to the cells of a device, in words and numbers.

use comfy_table::{CellAlignment, Table};
use memridge::device::{
    Amount, Arrhenius, Dependence, Device, Drift, DriftForm, Past, Spread, Variation, Window,
};
use memridge::report::TABLE_STYLE;
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

/// Mean conductance and its deviation after `age` seconds of a cell that was at position `origin`.
fn after(device: &Device, origin: f64, age: f64) -> Option<[f64; 2]> {
    let window = device.window();
    let in_siemens = |x: f64| window.g_min + window.span() * x;
    if let Some(r) = device.retention() {
        let x = origin + (r.rest - origin) * r.lost(age);
        return Some([in_siemens(x), 0.0]);
    }
    let drift = device.drift()?;
    let past = |age, wander| Past {
        origin,
        wander,
        age,
    };
    // One wait from the beginning, by one deviation.
    let walked = drift.walked(window, &past(0.0, 0.0), age, age, 1.0);
    let at = |z| drift.position(window, &past(age, 0.0), z);
    let spread = 0.5 * (at(-1.0) - at(1.0)).abs();
    Some([in_siemens(at(0.0)), window.span() * walked.hypot(spread)])
}

/// Conductances against the logarithm of the time since they were pulsed; nothing for devices that keep them.
pub(super) fn table(device: &Device) -> Option<String> {
    let onset = match (device.retention(), device.drift()) {
        (Some(r), _) => 0.01 * r.lifetime,
        (_, Some(drift)) => drift.onset,
        _ => return None,
    };
    let mut table = Table::new();
    table.load_style(TABLE_STYLE);
    table.set_header(["time", "from 25 % of the window", "50 %", "90 %"]);
    for decade in 0..=5 {
        let age = onset * 10_f64.powi(decade);
        let cell = |x: f64| {
            let [mean, deviation] = after(device, x, age)?;
            let [mean, deviation] = [mean, deviation].map(|g| Siemens::new(rounded(g)));
            Some(if deviation.value() > 0.0 {
                format!("{mean} ± {deviation}")
            } else {
                mean.to_string()
            })
        };
        let cells = [0.25, 0.5, 0.9].map(cell);
        let cells = cells.into_iter().collect::<Option<Vec<String>>>()?;
        let age = Seconds::new(rounded(age)).to_string();
        table.add_row([vec![age], cells].concat());
    }
    for column in table.column_iter_mut() {
        column.set_cell_alignment(CellAlignment::Right);
    }
    Some(format!(
        "\nconductance after the time since the last pulse: mean of nominal cells and, where drift varies, its deviation\n{table}\n"
    ))
}

/// Four significant digits.
fn rounded(v: f64) -> f64 {
    format!("{v:.3e}").parse().unwrap_or(v)
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
