//! Networks that were trained: learning curves, weights, confusions.

use plotters::style::RGBColor;

use super::canvas::{BLUE, Canvas, INK, Pen, Type, VERMILION, colour, draw};
use super::format::{clip, finite, percent, short, significant};
use super::html::{Cell, grid, measured, name, number};
use super::panel::{HEIGHT, LEFT, Panel, RIGHT, Sign, WIDTH, header};
use super::scale::Scale;
use super::{Figure, explicit, representative, title_at};
use crate::study::summary::{
    Band, EpochFound, ExplicitFound, LayerFound, Point, Summary, TrainedNetwork,
};

/// How to read the page.
pub(super) const TRAINED: &str = "A network is trained on arrays of devices: read forwards and backwards through their periphery, updated by pulses. \
    Beside it a digital twin starts from the same weights and sees the same samples in the same order, with exact weights and reads. \
    Bands hold eight of ten replicas; numbers are means over replicas with 95 % intervals. \
    The bias is the distance between the mean weights of the two over the averaging window, and errors are shares of it. \
    λ by regression (E1) is from the logged updates of single steps, by gradient matching (E2) from the gradient at the mean weights; both are in the units of the penalty ½ λ ‖w − w⋄‖².";

/// The points with networks.
pub(super) fn networks(summary: &Summary) -> impl Iterator<Item = (&Point, &TrainedNetwork)> {
    let points = summary.points.iter();
    points.filter_map(|p| Some((p, p.network.as_ref()?)))
}

/// Whether networks were trained.
pub(super) fn is_trained(summary: &Summary) -> bool {
    networks(summary).next().is_some()
}

/// All figures.
pub(super) fn figures(summary: &Summary) -> Result<Vec<Figure>, String> {
    let mut out = Vec::new();
    out.extend(curves(summary)?);
    out.extend(first_task(summary)?);
    out.extend(explicit::figure(summary)?);
    let Some(point) = representative(summary, |p| p.network.is_some()) else {
        return Ok(out);
    };
    if let Some(network) = &point.network {
        out.extend(histograms(summary, point, network)?);
        out.extend(maps(summary, point, network)?);
        out.extend(confusions(summary, point, network)?);
    }
    Ok(out)
}

type Pick = fn(&EpochFound) -> Option<&Band>;

/// Accuracy (or loss) over epochs.
fn curves(summary: &Summary) -> Result<Option<Figure>, String> {
    let all: Vec<_> = networks(summary).collect();
    let classified = all
        .iter()
        .any(|(_, n)| finite(n.test_accuracy.value).is_some());
    let tested = all.iter().any(|(_, n)| finite(n.test_loss.value).is_some());
    let (own, twin, what): (Pick, Pick, &str) = match (classified, tested) {
        (true, _) => (
            |e| Some(&e.test_accuracy),
            |e| Some(&e.digital_test_accuracy),
            "test accuracy",
        ),
        (false, true) => (
            |e| Some(&e.test_loss),
            |e| Some(&e.digital_training_loss),
            "loss",
        ),
        (false, false) => (
            |e| Some(&e.training_loss),
            |e| Some(&e.digital_training_loss),
            "training loss",
        ),
    };
    over_epochs(&all, own, twin, "learning-curves", "Learning curves", what)
}

/// Accuracy of the first of two tasks, while the second is learned.
fn first_task(summary: &Summary) -> Result<Option<Figure>, String> {
    let all: Vec<_> = networks(summary).collect();
    over_epochs(
        &all,
        |e| e.first_accuracy.as_ref(),
        |e| e.digital_first_accuracy.as_ref(),
        "first-task",
        "What is left of the first task while the second is learned",
        "test accuracy of the first task",
    )
}

fn over_epochs(
    all: &[(&Point, &TrainedNetwork)],
    own: Pick,
    twin: Pick,
    name: &str,
    title: &str,
    what: &str,
) -> Result<Option<Figure>, String> {
    let bands = all.iter().flat_map(|(_, n)| {
        let bands = |e| {
            let both = [own(e), twin(e)].into_iter().flatten();
            both.flat_map(|b| b.tenths.into_iter().flatten().chain(b.mean.value))
        };
        n.epochs.iter().flat_map(bands)
    });
    let values: Vec<f64> = bands.filter(|v| v.is_finite()).collect();
    let last = all.iter().map(|(_, n)| n.epochs.len()).max().unwrap_or(0);
    let (Some(y), true) = (Scale::linear(values, 8), last > 1) else {
        return Ok(None);
    };
    let begun = all.iter().flat_map(|(_, n)| &n.epochs);
    let begun = begun.filter(|e| own(e).is_some()).map(|e| e.epoch).min();
    let x = Scale::between(f64::from(begun.unwrap_or(1)), last as f64, 10);
    let title = title.to_owned();
    let colours: Vec<RGBColor> = (0..all.len()).map(|k| colour(k, all.len())).collect();
    let mut legend: Vec<(Sign, String)> = all
        .iter()
        .zip(&colours)
        .map(|((p, _), c)| (Sign::Line(Pen::new(*c, 2.0)), p.label.clone()))
        .collect();
    legend.push((
        Sign::Line(Pen::new(INK, 1.2).dashed()),
        "its digital twin".into(),
    ));
    let svg = draw((WIDTH as u32, HEIGHT as u32), |canvas| {
        let top = header(canvas, &title, &legend);
        let panel = Panel::below(top, x, y);
        panel.axes(canvas, "epoch", what);
        for ((_, network), colour) in all.iter().zip(&colours) {
            let epochs = &network.epochs;
            let edge = |k: usize| {
                let places = epochs
                    .iter()
                    .filter_map(move |e| Some((f64::from(e.epoch), own(e)?.tenths?[k])));
                places
                    .filter_map(|(x, y)| panel.at(x, y))
                    .collect::<Vec<_>>()
            };
            let (low, mut high) = (edge(0), edge(1));
            high.reverse();
            canvas.polygon(&[low, high].concat(), *colour, 0.15);
            let line = |pick: Pick| -> Vec<(f64, f64)> {
                let places = epochs.iter();
                places
                    .filter_map(|e| Some((f64::from(e.epoch), finite(pick(e)?.mean.value)?)))
                    .collect()
            };
            panel.curve(canvas, &line(twin), Pen::new(*colour, 1.2).dashed());
            panel.curve(canvas, &line(own), Pen::new(*colour, 2.0));
        }
    })?;
    Ok(Some(Figure {
        name: name.into(),
        title,
        caption: format!(
            "Mean {what} over epochs, as the arrays are read, with the band that holds eight of ten replicas; dashed, that of the digital twin, which has the same start and the same samples."
        ),
        svg,
    }))
}

/// Weights at the end, layer by layer.
fn histograms(
    summary: &Summary,
    point: &Point,
    network: &TrainedNetwork,
) -> Result<Option<Figure>, String> {
    let shown: Vec<&LayerFound> = network
        .layers
        .iter()
        .filter(|l| l.histogram.len() > 1)
        .collect();
    let bins = || shown.iter().flat_map(|l| &l.histogram);
    let (Some(x), Some(y)) = (
        Scale::linear(bins().map(|b| b[0]), 9),
        Scale::from_zero(bins().map(|b| 100.0 * b[1]), 6),
    ) else {
        return Ok(None);
    };
    let title = title_at("Weights at the end", point, summary);
    let legend: Vec<(Sign, String)> = shown
        .iter()
        .enumerate()
        .map(|(k, l)| {
            let pen = Pen::new(colour(k, shown.len()), 2.0);
            let name = format!("layer {}, {} × {}", k + 1, l.rows, l.outputs);
            (Sign::Line(pen), name)
        })
        .collect();
    let svg = draw((WIDTH as u32, HEIGHT as u32), |canvas| {
        let top = header(canvas, &title, &legend);
        let panel = Panel::below(top, x, y);
        panel.axes(canvas, "weight", "share of the weights (%)");
        for (k, layer) in shown.iter().enumerate() {
            let half = 0.5 * (layer.histogram[1][0] - layer.histogram[0][0]);
            // Steps, from bin to bin.
            let mut line = Vec::new();
            for [centre, share] in &layer.histogram {
                line.push((centre - half, 100.0 * share));
                line.push((centre + half, 100.0 * share));
            }
            panel.curve(canvas, &line, Pen::new(colour(k, shown.len()), 2.0));
        }
    })?;
    Ok(Some(Figure {
        name: "weight-histograms".into(),
        title,
        caption: "True weights of all replicas at the end, in 40 bins of each layer's own range."
            .into(),
        svg,
    }))
}

/// From blue through white to vermilion.
fn diverging(place: f64) -> RGBColor {
    let end = if place < 0.0 { BLUE } else { VERMILION };
    let share = place.abs().min(1.0);
    let mixed = |c: u8| (255.0 + (f64::from(c) - 255.0) * share) as u8;
    RGBColor(mixed(end.0), mixed(end.1), mixed(end.2))
}

/// A matrix of coloured fields in a frame.
fn fields(
    canvas: &mut Canvas<'_>,
    rows: &[Vec<f64>],
    (left, top, right, bottom): (f64, f64, f64, f64),
    shade: impl Fn(f64) -> RGBColor,
) {
    let height = (bottom - top) / rows.len() as f64;
    for (r, row) in rows.iter().enumerate() {
        let width = (right - left) / row.len() as f64;
        for (c, v) in row.iter().enumerate() {
            let at = (left + width * c as f64, top + height * r as f64);
            canvas.rectangle(at, (at.0 + width, at.1 + height), shade(*v));
        }
    }
    let (a, b, c, d) = (left, top, right, bottom);
    canvas.line(
        &[(a, b), (c, b), (c, d), (a, d), (a, b)],
        Pen::new(INK, 1.0),
    );
}

/// Mean weights of every layer as they lie on the array.
fn maps(
    summary: &Summary,
    point: &Point,
    network: &TrainedNetwork,
) -> Result<Option<Figure>, String> {
    const MOST_LAYERS: usize = 4;
    let shown: Vec<_> = network.layers.iter().take(MOST_LAYERS).collect();
    let largest = shown.iter().flat_map(|l| l.map.iter().flatten());
    let largest = largest.fold(0.0_f64, |m, v| m.max(v.abs()));
    if shown.is_empty() || !(largest.is_finite() && largest > 0.0) {
        return Ok(None);
    }
    let title = title_at("Mean weights on the arrays", point, summary);
    let svg = draw((WIDTH as u32, HEIGHT as u32), |canvas| {
        let top = header(canvas, &title, &[]) + 18.0;
        let slot = (WIDTH - LEFT - RIGHT) / shown.len() as f64;
        let room = (slot - 24.0, HEIGHT - top - 60.0);
        for (k, layer) in shown.iter().enumerate() {
            let left = LEFT - 40.0 + slot * k as f64;
            let size = |n: usize, room: f64| (14.0 * n as f64).min(room);
            let right = left + size(layer.map[0].len(), room.0);
            let bottom = top + size(layer.map.len(), room.1);
            fields(canvas, &layer.map, (left, top, right, bottom), |v| {
                diverging(v / largest)
            });
            let name = format!("layer {}, {} × {}", k + 1, layer.rows, layer.outputs);
            canvas.text(&clip(&name, 30), (left, top - 12.0), Type::new(12.5));
        }
        let text = format!("blue −{0}, white 0, red {0}", short(Some(largest)));
        canvas.text(&text, (LEFT - 40.0, HEIGHT - 24.0), Type::new(12.5));
    })?;
    Ok(Some(Figure {
        name: "weight-maps".into(),
        title,
        caption: "Weights as they lie on the arrays, inputs down (the bias line last), outputs across; means over the averaging window and all replicas, and over blocks where an array has more than 64 rows or columns. Where replicas start apart, hidden units are not the same and their means say little.".into(),
        svg,
    }))
}

/// Which class is taken for which.
fn confusions(
    summary: &Summary,
    point: &Point,
    network: &TrainedNetwork,
) -> Result<Option<Figure>, String> {
    const MOST: usize = 20;
    let classes = network.confusion.len();
    if !(2..=MOST).contains(&classes) {
        return Ok(None);
    }
    let title = title_at("Confusion of the held-out samples", point, summary);
    let shares: Vec<Vec<f64>> = network
        .confusion
        .iter()
        .map(|row| {
            let all = row.iter().sum::<u64>().max(1) as f64;
            row.iter().map(|n| *n as f64 / all).collect()
        })
        .collect();
    let svg = draw((WIDTH as u32, HEIGHT as u32 + 60), |canvas| {
        let top = header(canvas, &title, &[]) + 30.0;
        let side = ((HEIGHT + 60.0 - top - 20.0) / classes as f64).min(44.0);
        let left = 150.0;
        let end = side * classes as f64;
        // Small shares are seen: the shade follows the root.
        let shade = |v: f64| diverging(-v.sqrt() * 0.85);
        fields(canvas, &shares, (left, top, left + end, top + end), shade);
        for (i, row) in shares.iter().enumerate() {
            let y = top + side * (i as f64 + 0.5);
            let class = network
                .classes
                .get(i)
                .map_or_else(|| i.to_string(), Clone::clone);
            let class = clip(&class, 16);
            canvas.text(&class, (left - 8.0, y), Type::new(12.0).right());
            let x = left + side * (i as f64 + 0.5);
            canvas.text(&clip(&class, 6), (x, top - 10.0), Type::new(12.0).centred());
            for (j, share) in row.iter().enumerate().filter(|(_, s)| **s > 0.0) {
                let at = (left + side * (j as f64 + 0.5), y);
                canvas.text(&percent(Some(*share)), at, Type::new(9.5).centred());
            }
        }
        canvas.text("class", (60.0, top - 10.0), Type::new(12.5));
    })?;
    Ok(Some(Figure {
        name: "confusion".into(),
        title,
        caption: "Per cent of the held-out samples of a class (row) that are taken for each class (column), over all replicas, at the end.".into(),
        svg,
    }))
}

/// The results, and those of every layer, as HTML.
pub(super) fn section(summary: &Summary) -> String {
    let rows: Vec<Vec<Cell>> = networks(summary)
        .map(|(p, n)| {
            vec![
                number(p.label.clone()),
                name(&p.device),
                number(n.epochs.len().to_string()),
                measured(&n.training_loss),
                measured(&n.training_accuracy),
                measured(&n.test_loss),
                measured(&n.test_accuracy),
                measured(&n.digital_test_accuracy),
                measured(&n.accuracy_lost),
                number(significant(Some(n.bias_norm), 4)),
                number(percent(n.prediction_error_pt)),
                number(percent(Some(n.monte_carlo_error))),
                measured(&n.first_accuracy),
                measured(&n.forgotten),
                measured(&n.digital_forgotten),
                measured(&n.balance),
                measured(&n.digital_balance),
                number(significant(n.curvature.map(|c| 2.0 / c[0]), 3)),
                number(significant(n.curvature.map(|c| 2.0 / c[1]), 3)),
                number(significant(Some(1e3 * n.seconds_per_epoch), 3)),
            ]
        })
        .collect();
    let headers = [
        "point",
        "device",
        "epochs",
        "training loss",
        "training accuracy",
        "test loss",
        "test accuracy",
        "digital twin",
        "accuracy lost",
        "bias",
        "P-t misses %",
        "Monte-Carlo error %",
        "of the first task",
        "forgotten",
        "by the twin",
        "‖w₁‖² − ‖w_L‖²",
        "of the twin",
        "2/λ_max at the start",
        "at the twin's end",
        "ms an epoch, one replica and core",
    ];
    let layers: Vec<Vec<Cell>> = networks(summary)
        .flat_map(|(p, n)| n.layers.iter().enumerate().map(move |(k, l)| (p, k, l)))
        .map(|(p, k, l)| {
            let cost = l.cost.as_ref();
            vec![
                number(p.label.clone()),
                number((k + 1).to_string()),
                number(format!("{} × {}", l.rows, l.outputs)),
                measured(&l.lambda_e1),
                measured(&l.lambda_e2),
                measured(&l.digital_lambda_e2),
                measured(&l.norm),
                measured(&l.digital_norm),
                number(significant(Some(l.bias_norm), 4)),
                number(percent(l.prediction_error_pt)),
                number(percent(Some(l.monte_carlo_error))),
                number(significant(Some(l.pulses), 3)),
                number(significant(cost.map(|c| c.energy), 3)),
                number(significant(cost.map(|c| c.read_time), 3)),
                number(significant(cost.and_then(|c| c.write_time), 3)),
            ]
        })
        .collect();
    let of_layers = [
        "point",
        "layer",
        "array",
        "λ, E1",
        "λ, E2",
        "λ, E2, of the twin",
        "‖w‖",
        "‖w‖ of the twin",
        "bias",
        "P-t misses %",
        "Monte-Carlo error %",
        "pulses a weight",
        "energy (J)",
        "reads take (s)",
        "pulses take (s)",
    ];
    let mut text = format!(
        "<h2>Results</h2>\n{}<h2>Layers</h2>\n{}",
        grid(&headers, &rows),
        grid(&of_layers, &layers)
    );
    let explicit = explicit(summary);
    if !explicit.is_empty() {
        let headers = [
            "point",
            "explicit L2",
            "validation loss",
            "validation accuracy",
            "test loss",
            "test accuracy",
            "from the device, of the bias",
        ];
        text.push_str("<h2>Explicit L2 of digital networks</h2>\n");
        text.push_str(&grid(&headers, &explicit));
    }
    text
}

/// Digital networks with an explicit L2, below each point's own numbers.
fn explicit(summary: &Summary) -> Vec<Vec<Cell>> {
    let row = |p: &Point, what: String, e: &ExplicitFound| {
        vec![
            number(p.label.clone()),
            name(&what),
            number(significant(e.validation_loss, 4)),
            number(significant(e.validation_accuracy, 4)),
            measured(&e.test_loss),
            measured(&e.test_accuracy),
            number(significant(Some(e.from_device), 3)),
        ]
    };
    let of_point = |(p, n): (&Point, &TrainedNetwork)| {
        let best = n.best_explicit.as_ref().and_then(|e| e.lambda);
        let alike = n.explicit.iter().map(|e| {
            let chosen = if e.lambda == best { ", chosen" } else { "" };
            let what = format!("λ = {}{chosen}", short(e.lambda));
            row(p, what, e)
        });
        let foreseen = n.foreseen_explicit.iter();
        let foreseen = foreseen.map(|e| row(p, "as predicted, weight by weight".into(), e));
        alike.chain(foreseen).collect::<Vec<_>>()
    };
    networks(summary).flat_map(of_point).collect()
}
