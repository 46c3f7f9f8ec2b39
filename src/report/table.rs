//! Tables and lists for the terminal.

use comfy_table::{Cell, CellAlignment, ContentArrangement, LineStyle, Table, TableStyle};

use super::format::{
    MISSING, clip, estimate, estimate_parts, finite, fixed, percent, short, significant, trimmed,
};
use super::reads::age;
use super::written::{MICRO, scaled, written};
use crate::study::summary::{
    Estimate, Expectation, ExplicitFound, LayerFound, Point, Programmed, Read, Summary,
    TrainedNetwork,
};

/// Columns of a terminal that every table fits in.
const ROOM: usize = 110;

/// Horizontal lines around the header and below the last row: the look of every table in the terminal.
pub const TABLE_STYLE: TableStyle = {
    const LINE: LineStyle = LineStyle::none().fill('─').junction('─');
    TableStyle::new()
        .top_border(LINE)
        .header_separator(LINE)
        .bottom_border(LINE)
};

/// One column: its header in up to two lines, and its cells.
struct Column {
    header: String,
    cells: Vec<String>,
}

impl Column {
    fn missing(&self) -> bool {
        self.cells.iter().all(|c| c == MISSING)
    }
}

/// How intervals are set.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Intervals {
    Beside,
    Below,
}

/// The main results, one row a point, at most 110 columns wide: intervals go below their values, and the errors to a second
/// table, when they do not fit beside. Columns without any number are left out.
pub fn table(summary: &Summary) -> String {
    let points = &summary.points;
    if points.is_empty() {
        return "no points\n".into();
    }
    if points.iter().any(|p| !p.reads.is_empty()) {
        return reads_table(points) + &written_table(points);
    }
    if points.iter().any(|p| p.network.is_some()) {
        return network_tables(points);
    }
    let mut text = tables(points);
    if points.iter().any(misses) {
        text.push_str("* P1 misses the simulation by more than 5 % of the bias\n");
    }
    text
}

fn tables(points: &[Point]) -> String {
    for label in [28, 20, 14] {
        let name = name_column(points, label);
        let errors = error_columns(points);
        for split in [false, true] {
            for intervals in [Intervals::Beside, Intervals::Below] {
                let strengths = strength_columns(points, intervals);
                let name = std::iter::once(&name);
                let text = if split {
                    stacked(name, &strengths, &errors, false)
                } else {
                    layout(name.chain(&strengths).chain(&errors), false)
                };
                if width(&text) <= ROOM {
                    return text;
                }
            }
        }
    }
    // More columns than two tables hold: as many tables as it takes, each with the whole names.
    let name = name_column(points, 28);
    let mut columns = strength_columns(points, Intervals::Beside);
    columns.extend(error_columns(points));
    columns.retain(|c| !c.missing());
    let mut text = String::new();
    let mut rest = &columns[..];
    while !rest.is_empty() {
        let fits = |n: &usize| {
            let table = layout(std::iter::once(&name).chain(&rest[..*n]), false);
            width(&table) <= ROOM
        };
        let most = (1..=rest.len()).rev().find(fits).unwrap_or(1);
        let (here, later) = rest.split_at(most);
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&layout(std::iter::once(&name).chain(here), true));
        rest = later;
    }
    text
}

/// The text that `make` gives for the most characters of a label and a way to set estimates: the first that fits, of those that shorten labels and leave
/// intervals out, else the narrowest.
fn fitting(make: impl Fn(usize, &dyn Fn(&Estimate) -> String) -> String) -> String {
    let mut text = String::new();
    for (most, intervals) in [
        (40, true),
        (28, true),
        (40, false),
        (28, false),
        (14, false),
    ] {
        text = make(most, &|e| match intervals {
            true => estimate(e),
            false => estimate_parts(e).0,
        });
        if width(&text) <= ROOM {
            break;
        }
    }
    text
}

/// One row a point and time, with intervals where they fit.
fn reads_table(points: &[Point]) -> String {
    let rows: Vec<(&Point, &Read)> = points
        .iter()
        .flat_map(|p| p.reads.iter().map(move |r| (p, r)))
        .collect();
    let column = |header: &str, cell: &dyn Fn(&Point, &Read) -> String| Column {
        header: header.into(),
        cells: rows.iter().map(|(p, r)| cell(p, r)).collect(),
    };
    let timed = rows.iter().any(|(_, r)| r.time > 0.0);
    fitting(|most, number| {
        let mut columns = vec![column("point", &|p, _| clip(&p.label, most))];
        if timed {
            columns.push(column("time", &|_, r| age(r.time)));
        }
        columns.extend([
            column("rms error", &|_, r| number(&r.error)),
            column("bits", &|_, r| number(&r.effective_bits)),
            column("largest", &|_, r| significant(r.largest_error.value, 3)),
            column("gain", &|_, r| number(&r.gain)),
            column("error\nbeside\ngain", &|_, r| {
                significant(r.unexplained_error.value, 3)
            }),
            column("accuracy", &|_, r| number(&r.accuracy)),
            column("digital", &|_, r| significant(r.accuracy.predicted, 4)),
            column("squared\nerror", &|_, r| number(&r.mean_squared_error)),
            column("digital", &|_, r| {
                significant(r.mean_squared_error.predicted, 4)
            }),
            column("saturated\n%", &|_, r| percent(Some(r.saturated))),
        ]);
        layout(columns.iter(), false)
    })
}

/// Networks, one row a point, then one row a layer.
fn network_tables(points: &[Point]) -> String {
    let all: Vec<(&Point, &TrainedNetwork)> = points
        .iter()
        .filter_map(|p| Some((p, p.network.as_ref()?)))
        .collect();
    let layers: Vec<(&Point, usize, &LayerFound)> = all
        .iter()
        .flat_map(|(p, n)| n.layers.iter().enumerate().map(|(k, l)| (*p, k, l)))
        .collect();
    fitting(|most, set| {
        let column = |header: &str, cell: &dyn Fn(&TrainedNetwork) -> String| Column {
            header: header.into(),
            cells: all.iter().map(|(_, n)| cell(n)).collect(),
        };
        let columns = [
            Column {
                header: "point".into(),
                cells: all.iter().map(|(p, _)| clip(&p.label, most)).collect(),
            },
            column("test\nloss", &|n| significant(n.test_loss.value, 3)),
            column("test accuracy", &|n| set(&n.test_accuracy)),
            column("predicted", &|n| significant(n.test_accuracy.predicted, 4)),
            column("digital\ntwin", &|n| {
                significant(n.digital_test_accuracy.value, 4)
            }),
            column("lost", &|n| set(&n.accuracy_lost)),
            column("first\ntask", &|n| set(&n.first_accuracy)),
            column("forgotten", &|n| set(&n.forgotten)),
            column("by the\ntwin", &|n| {
                significant(n.digital_forgotten.value, 3)
            }),
            column("bias", &|n| significant(Some(n.bias_norm), 3)),
            column("P-t\nmisses %", &|n| percent(n.prediction_error_pt)),
            column("MC\n%", &|n| percent(Some(n.monte_carlo_error))),
            column("ms an\nepoch", &|n| {
                significant(Some(1e3 * n.seconds_per_epoch), 3)
            }),
        ];
        let own = |header: &str, cell: &dyn Fn(&LayerFound) -> String| Column {
            header: header.into(),
            cells: layers.iter().map(|(_, _, l)| cell(l)).collect(),
        };
        let of_layers = [
            Column {
                header: "point".into(),
                cells: layers
                    .iter()
                    .map(|(p, _, _)| clip(&p.label, most))
                    .collect(),
            },
            Column {
                header: "layer".into(),
                cells: layers.iter().map(|(_, k, _)| (k + 1).to_string()).collect(),
            },
            own("array", &|l| format!("{} × {}", l.rows, l.outputs)),
            own("λ (E1)", &|l| set(&l.lambda_e1)),
            own("λ (E2)", &|l| set(&l.lambda_e2)),
            own("predicted", &|l| significant(l.lambda_e2.predicted, 3)),
            own("λ (E2)\ntwin", &|l| {
                significant(l.digital_lambda_e2.value, 3)
            }),
            own("bias", &|l| significant(Some(l.bias_norm), 3)),
            own("P-t\nmisses %", &|l| percent(l.prediction_error_pt)),
            own("MC\n%", &|l| percent(Some(l.monte_carlo_error))),
            own("pulses\na weight", &|l| significant(Some(l.pulses), 3)),
        ];
        let [first, second] = [
            layout(columns.iter(), false),
            layout(of_layers.iter(), false),
        ];
        format!("{first}\n{second}{}", explicit_table(&all, most))
    })
}

/// No L2, that of the device and explicit ones, one row a point; empty where none was asked for.
fn explicit_table(all: &[(&Point, &TrainedNetwork)], most: usize) -> String {
    let beside = |n: &TrainedNetwork| n.best_explicit.is_some() || n.foreseen_explicit.is_some();
    let all: Vec<_> = all.iter().filter(|(_, n)| beside(n)).collect();
    if all.is_empty() {
        return String::new();
    }
    let classes = all.iter().any(|(_, n)| n.test_accuracy.value.is_some());
    let what = if classes {
        "test accuracy"
    } else {
        "test loss"
    };
    let set = |e: &Estimate| significant(e.value, 4);
    let score = |e: &ExplicitFound| match classes {
        true => set(&e.test_accuracy),
        false => set(&e.test_loss),
    };
    let column = |header: String, cell: &dyn Fn(&TrainedNetwork) -> String| Column {
        header,
        cells: all.iter().map(|(_, n)| cell(n)).collect(),
    };
    let missing = || MISSING.to_owned();
    let columns = [
        Column {
            header: "point".into(),
            cells: all
                .iter()
                .map(|(p, _)| clip(&p.label, most.max(28)))
                .collect(),
        },
        column(format!("{what}\nwithout L2"), &|n| match classes {
            true => set(&n.digital_test_accuracy),
            false => set(&n.digital_test_loss),
        }),
        column("of the\ndevice".into(), &|n| match classes {
            true => set(&n.test_accuracy),
            false => set(&n.test_loss),
        }),
        column("digital, with\nits λ".into(), &|n| {
            n.foreseen_explicit.as_ref().map_or_else(missing, score)
        }),
        column("with the\nbest L2".into(), &|n| {
            n.best_explicit.as_ref().map_or_else(missing, score)
        }),
        column("which is\nλ =".into(), &|n| {
            significant(n.best_explicit.and_then(|e| e.lambda), 3)
        }),
    ];
    format!("\n{}", layout(columns.iter(), false))
}

/// What was written, one row a point; empty where that was not looked at.
fn written_table(points: &[Point]) -> String {
    let all = written(points);
    if all.is_empty() {
        return String::new();
    }
    let text = fitting(|most, number| {
        let column = |header: &str, cell: &dyn Fn(&Programmed) -> String| Column {
            header: header.into(),
            cells: all.iter().map(|(_, p)| cell(p)).collect(),
        };
        let share = |e: &Estimate| percent(e.value);
        let columns = [
            Column {
                header: "written".into(),
                cells: all.iter().map(|(p, _)| clip(&p.label, most)).collect(),
            },
            column("mean error\nµS", &|p| {
                number(&scaled(&p.mean_error, MICRO))
            }),
            column("rms error\nµS", &|p| number(&scaled(&p.rms_error, MICRO))),
            column("inside\n%", &|p| share(&p.inside)),
            column("seen\ninside\n%", &|p| share(&p.accepted)),
            column("pulses\na cell", &|p| number(&p.pulses)),
            column("of 95 %\nat most", &|p| {
                p.most_pulses.map_or(MISSING.into(), |n| n.to_string())
            }),
            column("resets\na cell", &|p| significant(p.resets, 3)),
            column("reads\na cell", &|p| significant(p.verify_reads, 3)),
            column("energy\nJ", &|p| significant(p.energy.value, 3)),
        ];
        layout(columns.iter(), false)
    });
    format!("\n{text}")
}

/// Two tables, one below the other; the second only if it holds a number.
fn stacked<'a>(
    name: impl Iterator<Item = &'a Column> + Clone,
    first: &'a [Column],
    second: &'a [Column],
    squeeze: bool,
) -> String {
    let mut text = layout(name.clone().chain(first), squeeze);
    if !second.iter().all(Column::missing) {
        text.push('\n');
        text.push_str(&layout(name.chain(second), squeeze));
    }
    text
}

fn width(table: &str) -> usize {
    table.lines().map(|l| l.chars().count()).max().unwrap_or(0)
}

fn name_column(points: &[Point], most: usize) -> Column {
    Column {
        header: "point".into(),
        cells: points.iter().map(|p| clip(&p.label, most)).collect(),
    }
}

/// Whether P1 misses the simulation by more than a twentieth of the bias.
fn misses(point: &Point) -> bool {
    point.prediction_error_p1.is_some_and(|e| e > 0.05)
}

fn column(header: &str, points: &[Point], cell: impl Fn(&Point) -> String) -> Column {
    Column {
        header: header.into(),
        cells: points.iter().map(cell).collect(),
    }
}

fn strength_columns(points: &[Point], intervals: Intervals) -> Vec<Column> {
    let measured = |header: &str, pick: fn(&Point) -> &Estimate| {
        column(header, points, |p| match intervals {
            Intervals::Beside => estimate(pick(p)),
            Intervals::Below => match estimate_parts(pick(p)) {
                (value, Some(interval)) => format!("{value}\n{interval}"),
                (value, None) => value,
            },
        })
    };
    let mut columns = Vec::new();
    // A label such as `τ = 0.6` says it already.
    let named = |p: &Point| p.tau.is_none() || p.label == format!("τ = {}", short(p.tau));
    if !points.iter().all(named) {
        columns.push(column("τ", points, |p| short(p.tau)));
    }
    // Where all devices have one centre, it is that of the study.
    let centres = |p: &Point| p.centre.predicted;
    if points.iter().any(|p| centres(p) != centres(&points[0])) {
        columns.push(column("w⋄", points, |p| significant(centres(p), 3)));
        columns.push(measured("w⋄ E1", |p| &p.centre));
    }
    columns.extend([
        column("λ P1", points, |p| significant(p.lambda_predicted, 3)),
        measured("E1", |p| &p.lambda_e1),
        measured("E2", |p| &p.lambda_e2),
        measured("E3", |p| &p.lambda_e3),
        measured("E4", |p| &p.lambda_e4),
    ]);
    columns
}

fn error_columns(points: &[Point]) -> Vec<Column> {
    vec![
        column("ridge\ndist.\n%", points, |p| percent(p.tikhonov_residual)),
        column("P0\nerr.\n%", points, |p| percent(p.prediction_error_p0)),
        column("P1\nerr.\n%", points, |p| {
            let mark = if misses(p) { " *" } else { "" };
            percent(p.prediction_error_p1) + mark
        }),
        column("MC\nerr.\n%", points, |p| {
            percent(Some(p.monte_carlo_error))
        }),
    ]
}

fn layout<'a>(columns: impl Iterator<Item = &'a Column>, squeeze: bool) -> String {
    let columns: Vec<&Column> = columns
        .enumerate()
        .filter(|(i, c)| *i == 0 || !c.missing())
        .map(|(_, c)| c)
        .collect();
    let mut table = Table::new();
    table.load_style(TABLE_STYLE);
    if squeeze {
        table.set_content_arrangement(ContentArrangement::Dynamic);
        table.set_width(ROOM as u16);
    } else {
        table.set_content_arrangement(ContentArrangement::Disabled);
    }
    let aligned = |i: usize, text: &str| {
        let side = if i == 0 {
            CellAlignment::Left
        } else {
            CellAlignment::Right
        };
        Cell::new(text).set_alignment(side)
    };
    let header = columns
        .iter()
        .enumerate()
        .map(|(i, c)| aligned(i, &c.header));
    table.set_header(header.collect::<Vec<_>>());
    let rows = columns.first().map_or(0, |c| c.cells.len());
    for row in 0..rows {
        let cells = columns.iter().enumerate();
        let cells =
            cells.map(|(i, c)| aligned(i, c.cells.get(row).map_or(MISSING, String::as_str)));
        table.add_row(cells.collect::<Vec<_>>());
    }
    for (i, column) in table.column_iter_mut().enumerate() {
        column.set_padding((u16::from(i > 0), 0));
    }
    let text: Vec<String> = table.lines().map(|l| l.trim_end().to_string()).collect();
    format!("{}\n", text.join("\n"))
}

/// What an expectation asks for, in words.
///
/// An expectation without tolerance is an upper bound.
pub(super) fn expected(expectation: &Expectation) -> String {
    let bound = trimmed(Some(expectation.expected), 4);
    if let Some(tolerance) = expectation.tolerance {
        return format!("{bound} ± {}", short(Some(tolerance)));
    }
    format!("at most {bound}")
}

/// One line for each expectation of the study: met, missed, or left out by a quick run.
pub fn expectations(summary: &Summary) -> String {
    let mut lines = String::new();
    for e in &summary.expectations {
        let measured = trimmed(e.measured, 4);
        let expected = expected(e);
        let line = match e.met {
            Some(true) => format!(
                "met     {}: measured {measured}, expected {expected}\n",
                e.name
            ),
            Some(false) => format!(
                "MISSED  {}: measured {measured}, expected {expected}\n",
                e.name
            ),
            None => format!("left out (quick)  {}: expected {expected}\n", e.name),
        };
        lines.push_str(&line);
    }
    lines
}

/// How a control's number lies to its known answer: `known 0.3, inside the interval`.
pub(super) fn known(estimate: &Estimate) -> Option<(String, Option<bool>)> {
    let known = finite(estimate.predicted)?;
    let inside = match (finite(estimate.low), finite(estimate.high)) {
        (Some(low), Some(high)) => Some((low..=high).contains(&known)),
        _ => None,
    };
    let text = if known.abs() < 1e-12 {
        fixed(0.0, 0)
    } else {
        short(Some(known))
    };
    Some((text, inside))
}

/// The controls of the study: what must come out, and below it what came out.
pub fn controls(summary: &Summary) -> String {
    let mut lines = String::new();
    for control in &summary.controls {
        lines.push_str(&format!("{}: {}\n", control.name, control.claim));
        for (name, value) in &control.values {
            lines.push_str(&format!("    {name}: {}", estimate(value)));
            if let Some((known, inside)) = known(value) {
                lines.push_str(&format!(", known {known}"));
                lines.push_str(match inside {
                    Some(true) => " (inside)",
                    Some(false) => " (outside)",
                    None => "",
                });
            }
            lines.push('\n');
        }
    }
    lines
}
