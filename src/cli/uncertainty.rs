//! What is not known of a device, in words.

use memridge::device::{Device, Uncertain};
use memridge::study::Forecast;
use memridge::units::Siemens;
use serde_json::{Value, json};

use super::device::round;

/// Half of an uncertain number: what it is in a weight that spans two units over the window.
fn half(u: Uncertain) -> Uncertain {
    Uncertain {
        value: 0.5 * u.value,
        low: 0.5 * u.low,
        high: 0.5 * u.high,
    }
}

/// The symmetric point and λ of a device with their intervals, in a weight that spans [-1, 1]; empty for a device without covariance.
pub fn text(device: &Device) -> String {
    let window = device.window();
    let siemens = |s: f64| Siemens::new(round(window.g_min + s * window.span())).to_string();
    let mut text = String::new();
    if let Some(s) = device.uncertain_symmetric_point() {
        text.push_str(&format!(
            "95 %: symmetric point {} to {} (w⋄ = {:.4} [{:.4}, {:.4}])\n",
            siemens(s.low),
            siemens(s.high),
            2.0 * s.value - 1.0,
            2.0 * s.low - 1.0,
            2.0 * s.high - 1.0,
        ));
    }
    if let Some(l) = device.uncertain_slope().map(half) {
        text.push_str(&format!(
            "95 %: implicit λ = {:.4} [{:.4}, {:.4}] per unit of E|g|\n",
            l.value, l.low, l.high
        ));
    }
    text
}

/// Adds the same to what programs read.
pub fn add(device: &Device, value: &mut Value) {
    if let Some(s) = device.uncertain_symmetric_point() {
        value["symmetric-point-interval"] = json!([s.low, s.high]);
    }
    if let Some(l) = device.uncertain_slope().map(half) {
        value["lambda-per-gradient"] = json!(l);
    }
}

/// The same of a nominal weight of a study.
pub fn forecast(forecast: &Forecast) -> String {
    let interval = |u: Uncertain| format!("{:.4} [{:.4}, {:.4}]", u.value, u.low, u.high);
    let (Some(w), Some(l)) = (forecast.symmetric_weight, forecast.lambda_per_gradient) else {
        return String::new();
    };
    let label = &forecast.label;
    format!(
        "{label}: what is not known of the device, 95 %: w⋄ = {}, λ = {} per unit of E|g|\n",
        interval(w),
        interval(l)
    )
}
