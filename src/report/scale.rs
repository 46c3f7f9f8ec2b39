//! The scale of one axis: linear, logarithmic or a list of labels, with ticks that read well.

use super::format::{fixed, scientific};

/// Numbers beyond this are no data that a plot could show.
const LARGEST: f64 = 1e100;

/// Maps the values of one axis to `0..1`.
#[derive(Clone, Debug)]
pub(super) struct Scale {
    low: f64,
    high: f64,
    log: bool,
    /// Labelled ticks.
    pub ticks: Vec<(f64, String)>,
    /// Ticks without labels.
    pub minor: Vec<f64>,
    /// Whether the ticks are labels of points rather than numbers.
    pub named: bool,
}

/// Least and greatest of the finite values.
fn extent(values: impl IntoIterator<Item = f64>) -> Option<(f64, f64)> {
    values
        .into_iter()
        .filter(|v| v.abs() < LARGEST)
        .fold(None, |seen, v| match seen {
            None => Some((v, v)),
            Some((low, high)) => Some((low.min(v), high.max(v))),
        })
}

impl Scale {
    /// A linear scale that holds all finite values with a margin; `None` without any.
    pub fn linear(values: impl IntoIterator<Item = f64>, most: usize) -> Option<Self> {
        let (low, high) = extent(values)?;
        let margin = match high - low {
            0.0 if low == 0.0 => 1.0,
            0.0 => 0.2 * low.abs(),
            width => 0.05 * width,
        };
        Some(Self::between(low - margin, high + margin, most))
    }

    /// A linear scale from zero up, for counts and times.
    pub fn from_zero(values: impl IntoIterator<Item = f64>, most: usize) -> Option<Self> {
        let (low, high) = extent(values)?;
        if low < 0.0 || high <= 0.0 {
            return Self::linear([low, high], most);
        }
        Some(Self::between(0.0, 1.02 * high, most))
    }

    /// A linear scale between two values.
    pub fn between(low: f64, high: f64, most: usize) -> Self {
        let ticks = linear_ticks(low, high, most);
        Self {
            low,
            high,
            log: false,
            ticks,
            minor: Vec::new(),
            named: false,
        }
    }

    /// A logarithmic scale that holds all positive values with a margin; `None` without any.
    pub fn log(values: impl IntoIterator<Item = f64>, most: usize) -> Option<Self> {
        let positive = values.into_iter().filter(|v| *v > 1.0 / LARGEST);
        let (low, high) = extent(positive)?;
        let (low, high) = (low.log10(), high.log10());
        let margin = if high > low { 0.05 * (high - low) } else { 0.2 };
        let (low, high) = (low - margin, high + margin);
        let (ticks, minor) = log_ticks(low, high, most);
        Some(Self {
            low,
            high,
            log: true,
            ticks,
            minor,
            named: false,
        })
    }

    /// Logarithmic if all values are positive and span more than a factor of five, linear otherwise.
    pub fn fitting(values: &[f64], most: usize) -> Option<Self> {
        let (low, high) = extent(values.iter().copied())?;
        if low > 0.0 && high > 5.0 * low {
            Self::log([low, high], most)
        } else {
            Self::linear([low, high], most)
        }
    }

    /// The points 0, 1, 2 … with their labels.
    pub fn labels(labels: Vec<String>) -> Self {
        let high = labels.len().max(1) as f64 - 0.5;
        let ticks = labels.into_iter().enumerate();
        Self {
            low: -0.5,
            high,
            log: false,
            ticks: ticks.map(|(i, label)| (i as f64, label)).collect(),
            minor: Vec::new(),
            named: true,
        }
    }

    /// Where a value stands, 0 at the start of the axis and 1 at its end; `None` if it has no place on this scale.
    pub fn at(&self, value: f64) -> Option<f64> {
        if value.is_nan() || value.abs() >= LARGEST || (self.log && value <= 0.0) {
            return None;
        }
        let value = if self.log { value.log10() } else { value };
        Some((value - self.low) / (self.high - self.low))
    }
}

/// Multiples of 1, 2 or 5 times a power of ten, about `most` of them.
fn linear_ticks(low: f64, high: f64, most: usize) -> Vec<(f64, String)> {
    let raw = (high - low) / most.max(1) as f64;
    if !(raw > 0.0 && raw.is_finite()) {
        return Vec::new();
    }
    let magnitude = raw.log10().floor();
    let unit = 10f64.powf(magnitude);
    let factor = [1.0, 2.0, 5.0].into_iter().find(|f| f * unit >= raw);
    let (step, magnitude) = match factor {
        Some(factor) => (factor * unit, magnitude),
        None => (10.0 * unit, magnitude + 1.0),
    };
    let (first, last) = ((low / step).ceil(), (high / step).floor());
    let count = (last - first).clamp(0.0, 100.0) as usize;
    let largest = low.abs().max(high.abs());
    let plain = largest < 1e5 && magnitude >= -5.0;
    let label = |value: f64| {
        if plain || value == 0.0 {
            fixed(value, (-magnitude).max(0.0) as usize)
        } else {
            let digits = value.abs().log10().floor() - magnitude;
            scientific(value, digits.clamp(0.0, 8.0) as usize)
        }
    };
    (0..=count)
        .map(|i| (first + i as f64) * step)
        .map(|value| {
            let zero = value == 0.0;
            let text = if zero && !plain {
                "0".into()
            } else {
                label(value)
            };
            (value, text)
        })
        .collect()
}

/// Powers of ten, thinned or filled to about `most` labels; `low` and `high` are logarithms.
fn log_ticks(low: f64, high: f64, most: usize) -> (Vec<(f64, String)>, Vec<f64>) {
    let (first, last) = (low.floor() as i32, high.ceil() as i32);
    let inside = |v: &f64| (low..=high).contains(&v.log10());
    let multiples = |factors: &'static [f64]| {
        (first..=last)
            .flat_map(move |k| factors.iter().map(move |f| f * 10f64.powi(k)))
            .filter(inside)
            .collect::<Vec<f64>>()
    };
    let decades = multiples(&[1.0]);
    let minor = if high - low < 7.0 {
        multiples(&[2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0])
    } else {
        Vec::new()
    };
    let fine = multiples(&[1.0, 2.0, 5.0]);
    if fine.len() < 3 {
        return (
            linear_ticks(10f64.powf(low), 10f64.powf(high), most),
            Vec::new(),
        );
    }
    let chosen = if fine.len() <= most.max(3) {
        fine
    } else if decades.len() >= 3 || (decades.len() == 2 && high - low > 1.6) {
        let stride = decades.len().div_ceil(most.max(2));
        decades.into_iter().step_by(stride).collect()
    } else {
        fine
    };
    let plain = chosen.iter().all(|v| (0.9e-3..1.1e4).contains(v));
    let label = |value: f64| {
        if plain {
            let decimals = (-(value * 1.000_001).log10().floor()).max(0.0);
            fixed(value, decimals as usize)
        } else {
            scientific(value, 0)
        }
    };
    let ticks = chosen.into_iter().map(|v| (v, label(v))).collect();
    (ticks, minor)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(scale: &Scale) -> Vec<&str> {
        scale.ticks.iter().map(|(_, text)| text.as_str()).collect()
    }

    #[test]
    fn ticks_are_round() {
        let scale = Scale::between(-0.31, 0.52, 6);
        assert_eq!(labels(&scale), ["−0.2", "0.0", "0.2", "0.4"]);
        let scale = Scale::log([0.0086, 4.02], 7).unwrap();
        assert_eq!(labels(&scale), ["0.01", "0.10", "1.00"].map(trim));
        let scale = Scale::log([0.6, 5.0], 7).unwrap();
        assert_eq!(labels(&scale), ["1", "2", "5"]);
        let scale = Scale::log([1e-9, 1e3], 6).unwrap();
        assert_eq!(labels(&scale)[0], "10⁻⁹");
        let scale = Scale::linear([0.97, 1.02], 5).unwrap();
        assert!(labels(&scale).contains(&"0.98"));
        let scale = Scale::between(0.0, 3e6, 4);
        assert_eq!(labels(&scale), ["0", "10⁶", "2×10⁶", "3×10⁶"]);
    }

    fn trim(text: &str) -> &str {
        text.trim_end_matches('0').trim_end_matches('.')
    }

    #[test]
    fn odd_data_have_a_scale_or_none() {
        assert!(Scale::linear([f64::NAN, f64::INFINITY], 5).is_none());
        assert!(Scale::log([0.0, -1.0], 5).is_none());
        for value in [0.0, 1.0, -3.0, 1e-300, 1e99] {
            let scale = Scale::linear([value], 5).unwrap();
            assert!(scale.at(value).unwrap().is_finite());
        }
        assert!(Scale::labels(Vec::new()).at(0.0).is_some());
        let scale = Scale::log([2.0], 5).unwrap();
        assert!((scale.at(2.0).unwrap() - 0.5).abs() < 1e-9);
        assert_eq!(scale.at(-2.0), None);
        assert_eq!(scale.at(f64::NAN), None);
    }
}
