//! What one crossbar of a run costs, in words and numbers.

use comfy_table::Table;

use super::TABLE_STYLE;
use super::format::escape;
use super::html::{Cell, grid, number, words};
use crate::crossbar::Cost;
use crate::study::summary::{Point, Summary};
use crate::units::{Joules, Quantity, Seconds, SquareMetres};

/// Three significant digits and the unit.
fn shown<Q: Quantity>(v: f64) -> String {
    let rounded = format!("{v:.2e}").parse().unwrap_or(v);
    Q::from_si(rounded).to_string()
}

fn known<Q: Quantity>(v: Option<f64>) -> String {
    v.map_or_else(|| "–".to_owned(), shown::<Q>)
}

fn count(n: f64) -> String {
    if n < 1e6 {
        format!("{n:.0}")
    } else {
        format!("{n:.3e}")
    }
}

const HEADERS: [&str; 7] = [
    "point",
    "energy",
    "reads take",
    "pulses take",
    "area",
    "pulses a cell",
    "worn out",
];

/// One row a point whose cost is known.
fn rows(points: &[Point]) -> Vec<[String; 7]> {
    let costs = points.iter().filter_map(|p| Some((p, p.cost.as_ref()?)));
    costs
        .map(|(p, c)| {
            let partial = c.items.iter().any(|i| i.energy.is_none());
            [
                p.label.clone(),
                format!(
                    "{}{}",
                    shown::<Joules>(c.energy),
                    if partial { " *" } else { "" }
                ),
                shown::<Seconds>(c.read_time),
                known::<Seconds>(c.write_time),
                shown::<SquareMetres>(c.area),
                count(c.pulses_per_cell),
                c.worn
                    .map_or_else(|| "–".to_owned(), |w| format!("{:.1} %", 100.0 * w)),
            ]
        })
        .collect()
}

const NOTE: &str = "pulses take at least this long; worn out: share of cells that had more pulses than they endure";

const PARTIAL: &str = "* without what the device does not say: the energy of its pulses";

/// The costs of all points as text, if any are known.
pub fn costs(summary: &Summary) -> Option<String> {
    let rows = rows(&summary.points);
    if rows.is_empty() {
        return None;
    }
    let mut table = Table::new();
    table.load_style(TABLE_STYLE).set_header(HEADERS);
    let partial = rows.iter().any(|r| r[1].ends_with('*'));
    table.add_rows(rows);
    let note = if partial {
        format!("\n{PARTIAL}")
    } else {
        String::new()
    };
    Some(format!("{table}\n{NOTE}{note}\n"))
}

/// The section of the page, if any cost is known.
pub(super) fn section(summary: &Summary) -> String {
    let all = rows(&summary.points);
    if all.is_empty() {
        return String::new();
    }
    let cells = |r: &[String; 7]| r.iter().map(|t| number(escape(t))).collect::<Vec<_>>();
    let totals: Vec<Vec<Cell>> = all.iter().map(cells).collect();
    let items = summary
        .points
        .iter()
        .filter_map(|p| Some((p, p.cost.as_ref()?)));
    let items: Vec<Vec<Cell>> = items.flat_map(|(p, c)| of(&p.label, c)).collect();
    format!(
        "<h2>Cost</h2>\n<p>Of one crossbar over the whole run (means over replicas). Reference columns, reads that calibrate or verify, what programs devices without pulses, \
        the delay of lines, decoders, buffers, leakage and the digital work of training itself are not modelled, nor are lines where their capacitance is not given; {NOTE}. {}</p>\n{}\n{}",
        if all.iter().any(|r| r[1].ends_with('*')) {
            PARTIAL
        } else {
            ""
        },
        grid(&HEADERS, &totals),
        grid(
            &["point", "work", "count", "energy of one", "energy"],
            &items
        ),
    )
}

fn of(label: &str, cost: &Cost) -> Vec<Vec<Cell>> {
    let row = |i: &crate::crossbar::Item| {
        vec![
            number(escape(label)),
            words(i.name),
            number(count(i.count)),
            number(known::<Joules>(i.unit)),
            number(known::<Joules>(i.energy)),
        ]
    };
    cost.items.iter().map(row).collect()
}
