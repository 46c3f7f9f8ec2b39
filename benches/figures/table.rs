//! The figures of one run beside their limits.

use std::path::{Path, PathBuf};

/// Where criterion leaves its estimates.
pub fn folder() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("target"),
        PathBuf::from,
    );
    target.join("criterion")
}

/// Median time of one iteration in nanoseconds, with the half width of its 95 % interval. `None` where a filter on the command
/// line left the benchmark out and no earlier run measured it.
pub fn median(id: &str) -> Option<(f64, f64)> {
    let path = folder().join(id).join("new/estimates.json");
    let text = std::fs::read_to_string(path).ok()?;
    let estimates: serde_json::Value = serde_json::from_str(&text).ok()?;
    let median = &estimates["median"];
    let bound = |k: &str| median["confidence_interval"][k].as_f64();
    let half = 0.5 * (bound("upper_bound")? - bound("lower_bound")?);
    Some((median["point_estimate"].as_f64()?, half))
}

/// What a figure is held against.
pub enum Limit {
    /// Nanoseconds for each unit of work.
    Target(f64),
    /// Another benchmark, by its id and its units of work: the time that the work of the figure would take at its rate.
    Rate(&'static str, f64),
}

/// One line of the table.
pub struct Figure {
    /// Id of the benchmark: group/function.
    pub id: String,
    /// Units of work in one iteration, and what they are.
    pub work: (f64, &'static str),
    /// What it is held against, and how much of that limit's unit the work is.
    pub limit: Option<(Limit, f64, &'static str)>,
}

/// Prints measured time for each unit, the limit, and their ratio (above 1: the limit is missed).
pub fn print(figures: &[Figure]) {
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    table.set_header([
        "figure",
        "ns a unit",
        "±",
        "unit",
        "limit, ns",
        "time/limit",
        "limit is",
    ]);
    for figure in figures {
        let Some((time, error)) = median(&figure.id) else {
            continue;
        };
        let (units, unit) = figure.work;
        let limit = figure.limit.as_ref().and_then(|(limit, amount, what)| {
            let per_iteration = match limit {
                Limit::Target(ns) => ns * units,
                Limit::Rate(id, units) => median(id)?.0 / units * amount,
            };
            Some((per_iteration, *what))
        });
        let digits = |x: f64| {
            if x < 0.1 {
                format!("{x:.4}")
            } else {
                format!("{x:.3}")
            }
        };
        let (ns, ratio, what) = match limit {
            Some((l, what)) => (digits(l / units), format!("{:.2}", time / l), what),
            None => (String::new(), String::new(), ""),
        };
        table.add_row([
            figure.id.clone(),
            digits(time / units),
            digits(error / units),
            unit.into(),
            ns,
            ratio,
            what.into(),
        ]);
    }
    println!("\n{table}");
}
