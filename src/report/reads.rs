//! What is read of programmed arrays: errors of products over the sweep or over time.

use plotters::style::RGBColor;

use super::Figure;
use super::canvas::{GREY, Pen, colour, draw};
use super::format::{clip, finite, short};
use super::panel::{HEIGHT, Panel, Sign, WIDTH, header};
use super::scale::Scale;
use crate::study::summary::{Estimate, Point, Read, Summary};

/// Height of the lower panel.
const LOWER: f64 = 190.0;

type Pick = fn(&Read) -> &Estimate;

/// One curve: its name and where its reads stand.
struct Series<'a> {
    name: String,
    reads: Vec<(f64, &'a Read)>,
}

/// Seconds as people say them.
pub(super) fn age(seconds: f64) -> String {
    const UNITS: [(f64, &str); 4] = [
        (31_536_000.0, "a"),
        (86_400.0, "d"),
        (3600.0, "h"),
        (60.0, "min"),
    ];
    let unit = UNITS.into_iter().find(|u| seconds >= u.0);
    let (size, name) = unit.unwrap_or((1.0, "s"));
    format!("{} {name}", short(Some(seconds / size)))
}

/// A setting as a number.
fn value(point: &Point, key: &str) -> Option<f64> {
    let (_, text) = point.settings.iter().find(|(k, _)| k == key)?;
    text.parse().ok()
}

/// The swept key with the most different numbers, and its name without the tables that it is in.
fn axis(points: &[Point]) -> Option<(&str, &str)> {
    let different = |key: &str| {
        let mut values: Vec<f64> = points
            .iter()
            .map(|p| value(p, key))
            .collect::<Option<_>>()?;
        values.sort_by(f64::total_cmp);
        values.dedup();
        Some(values.len()).filter(|n| *n > 1)
    };
    let keys = points.first()?.settings.iter().map(|(k, _)| k.as_str());
    let (_, key) = keys
        .filter_map(|k| Some((different(k)?, k)))
        .max_by_key(|k| k.0)?;
    Some((key, key.rsplit('.').next().unwrap_or(key)))
}

/// The settings of a point without one key.
fn others(point: &Point, key: &str) -> String {
    let kept = point.settings.iter().filter(|(k, _)| k != key);
    let named = kept.map(|(k, v)| format!("{} = {v}", k.rsplit('.').next().unwrap_or(k)));
    named.collect::<Vec<_>>().join(", ")
}

/// Curves over time, over a swept number, or over the points' labels.
fn series(points: &[Point]) -> (String, Scale, Vec<Series<'_>>) {
    if points.iter().any(|p| p.reads.len() > 1) {
        let curve = |p: &'_ Point| p.reads.iter().map(|r| r.time).collect::<Vec<_>>();
        let times: Vec<f64> = points.iter().flat_map(curve).collect();
        let scale = Scale::fitting(&times, 7).unwrap_or(Scale::between(0.0, 1.0, 5));
        let series = points.iter().map(|p| Series {
            name: p.label.clone(),
            reads: p.reads.iter().map(|r| (r.time, r)).collect(),
        });
        return ("seconds since programming".into(), scale, series.collect());
    }
    let first = |p: &'_ Point| !p.reads.is_empty();
    let Some((key, name)) = axis(points) else {
        let reads = points.iter().enumerate().filter(|(_, p)| first(p));
        let series = Series {
            name: String::new(),
            reads: reads.map(|(k, p)| (k as f64, &p.reads[0])).collect(),
        };
        let scale = Scale::labels(points.iter().map(|p| p.label.clone()).collect());
        return ("point of the sweep".into(), scale, vec![series]);
    };
    let mut series: Vec<Series> = Vec::new();
    let mut values = Vec::new();
    for point in points.iter().filter(|p| first(p)) {
        let Some(x) = value(point, key) else {
            continue;
        };
        values.push(x);
        let (name, read) = (others(point, key), &point.reads[0]);
        match series.iter_mut().find(|s| s.name == name) {
            Some(s) => s.reads.push((x, read)),
            None => series.push(Series {
                name,
                reads: vec![(x, read)],
            }),
        }
    }
    for s in &mut series {
        s.reads.sort_by(|a, b| a.0.total_cmp(&b.0));
    }
    let scale = Scale::fitting(&values, 8).unwrap_or(Scale::between(0.0, 1.0, 5));
    (name.to_owned(), scale, series)
}

/// Every number that a panel has to hold.
fn extent(series: &[Series], pick: Pick) -> Vec<f64> {
    let reads = series.iter().flat_map(|s| &s.reads);
    let numbers = |(_, r): &(f64, &Read)| {
        let e = pick(r);
        [e.value, e.low, e.high, e.predicted]
    };
    reads.flat_map(numbers).filter_map(finite).collect()
}

fn curves(
    canvas: &mut super::canvas::Canvas<'_>,
    panel: &Panel,
    series: &[Series],
    pick: Pick,
    named: bool,
) {
    for (k, s) in series.iter().enumerate() {
        let colour = colour(k, series.len());
        let line = |of: fn(&Estimate) -> Option<f64>| -> Vec<(f64, f64)> {
            let places = s
                .reads
                .iter()
                .filter_map(|(x, r)| Some((*x, finite(of(pick(r)))?)));
            places.collect()
        };
        if !named {
            panel.curve(canvas, &line(|e| e.predicted), Pen::new(GREY, 1.2).dashed());
            panel.curve(canvas, &line(|e| e.value), Pen::new(colour, 1.5));
        }
        for (x, read) in &s.reads {
            let e = pick(read);
            let Some(value) = finite(e.value) else {
                continue;
            };
            let interval = (finite(e.low), finite(e.high));
            panel.measured(canvas, (*x, value), interval, (0.0, colour));
        }
    }
}

/// Errors of the products above; accuracy, gain or effective bits below.
pub(super) fn figure(summary: &Summary) -> Result<Option<Figure>, String> {
    if summary.points.iter().all(|p| p.reads.is_empty()) {
        return Ok(None);
    }
    let (x_name, x, series) = series(&summary.points);
    let below: [(&str, Pick); 4] = [
        ("accuracy", |r| &r.accuracy),
        ("mean squared error", |r| &r.mean_squared_error),
        ("gain", |r| &r.gain),
        ("effective bits", |r| &r.effective_bits),
    ];
    let over_time = summary.points.iter().any(|p| p.reads.len() > 1);
    let suits =
        |name: &str| (name != "gain" || over_time) && (name != "effective bits" || !over_time);
    let lower = below.into_iter().find_map(|(name, pick)| {
        let scale = Scale::linear(extent(&series, pick), 5).filter(|_| suits(name))?;
        Some((name, pick, scale))
    });
    let error: Pick = |r| &r.error;
    let Some(y) = Scale::fitting(&extent(&series, error), 7) else {
        return Ok(None);
    };
    let n = series.len();
    let sign = |c: RGBColor| Sign::Measured(c);
    let mut legend: Vec<(Sign, String)> = Vec::new();
    for (k, s) in series
        .iter()
        .enumerate()
        .filter(|(_, s)| !s.name.is_empty())
    {
        legend.push((sign(colour(k, n)), clip(&s.name, 44)));
    }
    let predicted = series
        .iter()
        .flat_map(|s| &s.reads)
        .any(|(_, r)| r.error.predicted.is_some() || r.accuracy.predicted.is_some());
    if predicted && !x.named {
        let name = "closed form, or digital weights".to_owned();
        legend.push((Sign::Line(Pen::new(GREY, 1.2).dashed()), name));
    }
    let title = "Products of programmed arrays against exact ones";
    let height = HEIGHT + lower.as_ref().map_or(0.0, |_| LOWER);
    let svg = draw((WIDTH as u32, height as u32), |canvas| {
        let top = header(canvas, title, &legend);
        let panel = Panel::below(top, x.clone(), y);
        let upper_name = if lower.is_some() { "" } else { x_name.as_str() };
        panel.axes(canvas, upper_name, "rms error over rms output");
        curves(canvas, &panel, &series, error, x.named);
        if let Some((name, pick, scale)) = &lower {
            let panel = Panel {
                top: panel.bottom + 18.0,
                bottom: panel.bottom + LOWER,
                y: scale.clone(),
                ..panel.clone()
            };
            panel.axes(canvas, &x_name, name);
            curves(canvas, &panel, &series, *pick, x.named);
        }
    })?;
    let caption = "Points: means over replicas with 95 % intervals. Above: root mean square error of what is read, over that of the exact outputs. \
        Below: share of right classes, slope of what is read on what is exact, or effective bits, (SNR − 1.76 dB)/6.02 dB of the error. \
        Dashed: read noise and quantisation added in squares, LSB²/12, where nothing else is between; for answers, those of digital weights.";
    Ok(Some(Figure {
        name: "reads".into(),
        title: title.into(),
        caption: caption.into(),
        svg,
    }))
}
