//! One self-contained HTML page a study: no scripts, nothing loaded from elsewhere.

use super::Figure;
use super::answer::{amount, answer};
use super::format::{MISSING, escape, estimate_parts, finite, percent, short, significant};
use super::table::{expected, known};
use crate::study::summary::{Estimate, Point, Summary};

const STYLE: &str = "
:root { color-scheme: light; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1120px; padding: 2rem 1.25rem 4rem; background: #fff; color: #1b1b1b;
  font: 16px/1.5 system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', 'DejaVu Sans', sans-serif; }
header, p, ul { max-width: 52rem; }
h1 { font-size: 1.75rem; line-height: 1.2; margin: 0 0 .5rem; }
h2 { font-size: 1.2rem; margin: 2.5rem 0 .6rem; padding-bottom: .25rem; border-bottom: 1px solid #d5d5d5; }
h3 { font-size: 1rem; margin: 1.2rem 0 .3rem; }
.claim { font-size: 1.1rem; margin: .3rem 0 .8rem; }
.facts { color: #555; font-size: .9rem; }
.note { color: #555; font-size: .88rem; }
.scroll { overflow-x: auto; margin: .5rem 0 1rem; }
table { border-collapse: collapse; font-size: .86rem; font-variant-numeric: tabular-nums; }
th, td { padding: .34rem .65rem; text-align: right; vertical-align: top; border-bottom: 1px solid #e3e3e3; white-space: nowrap; }
th { border-bottom: 1.5px solid #888; vertical-align: bottom; font-weight: 600; }
th:first-child, td:first-child, .words { text-align: left; }
.words { white-space: normal; min-width: 14rem; max-width: 34rem; }
td small { display: block; color: #666; font-size: .92em; }
.badge { display: inline-block; padding: .02rem .55rem; border-radius: 1rem; font-weight: 600; font-size: .82rem; border: 1px solid; }
.met { color: #00543d; background: #e2f4ee; border-color: #009e73; }
.missed { color: #8a2f00; background: #fdebe0; border-color: #d55e00; }
.left { color: #555; background: #f2f2f2; border-color: #aaa; }
.warning { border-left: 4px solid #e69f00; padding: .3rem .8rem; background: #fff8ea; max-width: 52rem; }
figure { margin: 1.5rem 0 2rem; }
figure svg { display: block; max-width: 100%; height: auto; }
figcaption { max-width: 46rem; font-size: .9rem; color: #444; }
details { margin: .5rem 0; }
summary { cursor: pointer; font-weight: 600; }
pre { overflow-x: auto; background: #f6f6f6; border: 1px solid #e3e3e3; padding: .8rem; font-size: .82rem; line-height: 1.4;
  font-family: ui-monospace, 'DejaVu Sans Mono', Consolas, monospace; }
@media print {
  body { max-width: none; padding: 0; font-size: 10.5pt; }
  table { font-size: 7.5pt; } th, td { padding: .15rem .3rem; }
  figure, tr { break-inside: avoid; } h2, h3 { break-after: avoid; }
  .scroll { overflow: visible; } pre { white-space: pre-wrap; }
}
";

const READ: &str = "While it trains, an asymmetric device pulls each weight toward its symmetric point; the strength of that pull, λ, \
    is in the units of the explicit penalty ½ λ ‖w − w⋄‖², so the two can be compared directly. \
    Predictions use the device law and the data but no simulated pulse (P0: mean field, P1: with the fluctuations of the weights, Pt: along the trajectory); \
    measurements come from the simulation (E1: regression of the logged updates, E2: gradient at the mean weights, E3: nearest ridge solution, E4: shrinkage of the eigenmodes), \
    carry 95 % intervals over replicas, and each is to be compared with its own predicted value, set small beneath it. \
    The bias is the distance from the learned to the unregularized weights, and every error in per cent, the distance to the ridge path included, is a share of it; \
    none can be resolved below the Monte-Carlo error in the last column.";

/// The page: claim, expectations, results, figures, controls, data, the study file as run and its provenance.
///
/// `figures` are set in the order given; all text is escaped, and their pictures are set as they are.
pub fn page(
    summary: &Summary,
    figures: &[Figure],
    study_toml: &str,
    provenance_json: &str,
) -> String {
    let title = if summary.title.is_empty() { &summary.study } else { &summary.title };
    let title = escape(title);
    let body = [
        head(summary, &title),
        expectations(summary),
        results(summary),
        verdicts(summary),
        test_errors(summary),
        pictures(figures),
        controls(summary),
        budgets(summary),
        weights(summary),
        data(summary),
        sources(study_toml, provenance_json),
    ];
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
        <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
        <title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n{}</body>\n</html>\n",
        body.concat()
    )
}

fn head(summary: &Summary, title: &str) -> String {
    let mut facts = vec![
        format!("study {}", summary.study),
        format!("seed {}", summary.seed),
        format!("{} replicas a point", summary.replicas),
        format!("{} points", summary.points.len()),
        format!("{} s", short(Some(summary.wall_seconds))),
        format!("{} device updates a second and core", short(Some(summary.device_updates_per_second))),
        format!("{} pulses a device update", short(Some(summary.pulses_per_device_update))),
    ];
    if !summary.cite.is_empty() {
        facts.push(format!("after {}", summary.cite.join(", ")));
    }
    let quick = if summary.quick {
        "<p class=\"warning\">This was a quick run: few replicas, short training, and expectations left out.</p>\n"
    } else {
        ""
    };
    format!(
        "<header>\n<h1>{title}</h1>\n<p class=\"claim\">{}</p>\n<p class=\"facts\">{}</p>\n</header>\n{quick}\
        <h2>How to read this page</h2>\n<p>{}</p>\n",
        escape(&summary.claim),
        escape(&facts.join(" · ")),
        escape(READ)
    )
}

/// A cell: HTML, and whether it holds words.
struct Cell(String, bool);

fn number(text: String) -> Cell {
    Cell(escape(&text), false)
}

fn words(text: &str) -> Cell {
    Cell(escape(text), true)
}

/// Rows under headers, leaving out columns of numbers that are all missing.
fn grid(headers: &[&str], rows: &[Vec<Cell>]) -> String {
    let shown: Vec<usize> = (0..headers.len())
        .filter(|&k| k == 0 || rows.iter().any(|r| r.get(k).is_some_and(|c| c.0 != MISSING)))
        .collect();
    let mut html = String::from("<div class=\"scroll\"><table>\n<thead><tr>");
    for &k in &shown {
        let class = if rows.iter().any(|r| r.get(k).is_some_and(|c| c.1)) {
            " class=\"words\""
        } else {
            ""
        };
        html.push_str(&format!("<th{class}>{}</th>", escape(headers[k])));
    }
    html.push_str("</tr></thead>\n<tbody>\n");
    for row in rows {
        html.push_str("<tr>");
        for cell in shown.iter().filter_map(|&k| row.get(k)) {
            let class = if cell.1 { " class=\"words\"" } else { "" };
            html.push_str(&format!("<td{class}>{}</td>", cell.0));
        }
        html.push_str("</tr>\n");
    }
    html.push_str("</tbody>\n</table></div>\n");
    html
}

/// Value, interval and, beneath, what the prediction says.
fn measured(estimate: &Estimate) -> Cell {
    let (value, interval) = estimate_parts(estimate);
    let mut html = escape(&value);
    if let Some(interval) = interval {
        html.push_str(&format!(" {}", escape(&interval)));
    }
    if finite(estimate.predicted).is_some() {
        let predicted = escape(&significant(estimate.predicted, 4));
        html.push_str(&format!("<small>predicted {predicted}</small>"));
    }
    Cell(html, false)
}

fn expectations(summary: &Summary) -> String {
    if summary.expectations.is_empty() {
        return "<h2>Expectations</h2>\n<p>The study states none.</p>\n".into();
    }
    let rows: Vec<_> = summary
        .expectations
        .iter()
        .map(|e| {
            let (class, text) = match e.met {
                Some(true) => ("met", "met"),
                Some(false) => ("missed", "missed"),
                None => ("left", "left out (quick)"),
            };
            let badge = format!("<span class=\"badge {class}\">{text}</span>");
            vec![
                Cell(badge, false),
                words(&e.name),
                number(short(e.measured)),
                number(expected(e)),
            ]
        })
        .collect();
    let missed = summary.expectations.iter().filter(|e| e.met == Some(false)).count();
    let left = summary.expectations.iter().filter(|e| e.met.is_none()).count();
    let met = summary.expectations.len() - missed - left;
    let mut verdict = format!("{met} met, {missed} missed");
    if left > 0 {
        verdict.push_str(&format!(", {left} left out by the quick run"));
    }
    let table = grid(&["", "expectation", "measured", "expected"], &rows);
    format!("<h2>Expectations</h2>\n<p>{verdict}.</p>\n{table}")
}

fn results(summary: &Summary) -> String {
    let headers = [
        "point", "τ", "λ P1", "λ P0", "E|g|·R′", "E1", "E2", "E3", "E3 Euclidean", "E4", "λ by law", "bias",
        "P0 error %", "P1 error %", "Pt error %", "ridge distance %", "diagonal %", "Monte-Carlo %",
    ];
    let rows: Vec<_> = summary
        .points
        .iter()
        .map(|p| {
            vec![
                number(p.label.clone()),
                number(short(p.tau)),
                number(significant(p.lambda_predicted, 4)),
                number(significant(p.lambda_predicted_p0, 4)),
                measured(&p.lambda_gradient),
                measured(&p.lambda_e1),
                measured(&p.lambda_e2),
                measured(&p.lambda_e3),
                measured(&p.lambda_e3_euclidean),
                measured(&p.lambda_e4),
                measured(&p.lambda_law),
                number(significant(Some(p.bias_norm), 4)),
                number(percent(p.prediction_error_p0)),
                number(percent(p.prediction_error_p1)),
                number(percent(p.prediction_error_pt)),
                number(percent(p.tikhonov_residual)),
                number(percent(p.tikhonov_residual_diagonal)),
                number(percent(Some(p.monte_carlo_error))),
            ]
        })
        .collect();
    let rest: Vec<_> = summary
        .points
        .iter()
        .map(|p| {
            vec![
                number(p.label.clone()),
                words(&p.device),
                number(short(Some(p.learning_rate))),
                number(short(Some(p.step))),
                number(short(Some(p.cycle_to_cycle[0]))),
                number(short(Some(p.cycle_to_cycle[1]))),
                measured(&p.weight_deviation),
                measured(&p.excess_loss),
                number(short(p.lambda_gcv)),
                number(short(p.effective_dof)),
                number(percent(p.strength_spread)),
            ]
        })
        .collect();
    let headers_rest = [
        "point", "device", "learning rate η", "step δ", "noise, additive", "noise, multiplicative", "deviation of the weights",
        "excess loss", "λ by GCV", "degrees of freedom", "spread of strengths %",
    ];
    format!(
        "<h2>Results</h2>\n{}<p class=\"note\">Diagonal: the distance to a ridge whose strengths have the predicted proportions. \
        Bias and weights are dimensionless.</p>\n{}",
        grid(&headers, &rows),
        grid(&headers_rest, &rest)
    )
}

fn verdicts(summary: &Summary) -> String {
    let mut items = String::new();
    for point in &summary.points {
        let name = escape(&point.label);
        if !point.verdict.is_empty() {
            items.push_str(&format!("<li><b>{name}</b>: {}</li>\n", escape(&point.verdict)));
        }
        for warning in &point.warnings {
            items.push_str(&format!("<li class=\"warning\"><b>{name}</b>: {}</li>\n", escape(warning)));
        }
    }
    if items.is_empty() {
        return String::new();
    }
    format!("<h2>Which prediction is valid</h2>\n<ul>\n{items}</ul>\n")
}

fn test_errors(summary: &Summary) -> String {
    let rows: Vec<_> = summary
        .points
        .iter()
        .filter_map(|p: &Point| {
            let t = p.test_error?;
            let error = |v: f64| number(significant(Some(v), 4));
            let amount = amount(p).map_or(MISSING, |a| a.words());
            Some(vec![
                number(p.label.clone()),
                error(t.none),
                error(t.implicit),
                error(t.implicit_predicted),
                error(t.explicit_gcv),
                error(t.explicit_best),
                number(short(p.lambda_e3.value)),
                number(short(Some(t.explicit_gcv_lambda))),
                number(short(Some(t.explicit_best_lambda))),
                number(t.folds.to_string()),
                number(amount.into()),
            ])
        })
        .collect();
    if rows.is_empty() {
        return String::new();
    }
    let headers = [
        "point", "none", "implicit", "implicit, predicted", "explicit, GCV", "explicit, best", "λ implicit (E3)", "λ by GCV",
        "λ best", "folds", "the free L2 is",
    ];
    let answer = answer(summary).map_or(String::new(), |a| format!("<p>{}</p>\n", escape(&a)));
    format!("<h2>Test error</h2>\n{answer}{}", grid(&headers, &rows))
}

fn pictures(figures: &[Figure]) -> String {
    if figures.is_empty() {
        return String::new();
    }
    let mut html = String::from("<h2>Figures</h2>\n");
    for figure in figures {
        let title = escape(&figure.title);
        let named = format!("<svg role=\"img\" aria-label=\"{title}\" ");
        html.push_str(&format!(
            "<figure id=\"{}\">\n{}<figcaption>{}</figcaption>\n</figure>\n",
            escape(&figure.name),
            figure.svg.replacen("<svg ", &named, 1),
            escape(&figure.caption)
        ));
    }
    html
}

fn controls(summary: &Summary) -> String {
    if summary.controls.is_empty() {
        return String::new();
    }
    let mut rows = Vec::new();
    for control in &summary.controls {
        if control.values.is_empty() {
            rows.push(vec![number(control.name.clone()), words(&control.claim)]);
        }
        for (i, (name, value)) in control.values.iter().enumerate() {
            let (head, claim) = if i == 0 { (control.name.as_str(), control.claim.as_str()) } else { ("", "") };
            let (known, inside) = known(value).unwrap_or((MISSING.into(), None));
            let (text, interval) = estimate_parts(value);
            let text = interval.map_or(text.clone(), |i| format!("{text} {i}"));
            let inside = match inside {
                Some(true) => "<span class=\"badge met\">inside</span>",
                Some(false) => "<span class=\"badge missed\">outside</span>",
                None => MISSING,
            };
            rows.push(vec![
                number(head.into()),
                words(claim),
                words(name),
                number(text),
                number(known),
                Cell(inside.into(), false),
            ]);
        }
    }
    let headers = ["control", "what must come out", "number", "measured", "known", "known value in the interval"];
    format!(
        "<h2>Controls</h2>\n<p>Runs whose answer is known. Of many 95 % intervals, one in twenty misses by chance.</p>\n{}",
        grid(&headers, &rows)
    )
}

fn budgets(summary: &Summary) -> String {
    let rows: Vec<_> = summary
        .points
        .iter()
        .filter_map(|p| {
            let b = p.budget?;
            let cell = |v: f64| number(significant(Some(v), 3));
            let closure = number(short(Some(b.closure_in_errors)));
            let mut row = vec![number(p.label.clone())];
            row.extend([b.gradient, b.a, b.b, b.c, b.d, b.logged, b.closure].map(cell));
            row.push(closure);
            Some(row)
        })
        .collect();
    if rows.is_empty() {
        return String::new();
    }
    let headers = [
        "point", "gradient", "A rectification", "B readout", "C retention", "D bounds", "logged drift", "closure", "closure, in its errors",
    ];
    format!(
        "<h2>Drift budget</h2>\n<p>Each part as the strength λ of the pull that it makes. \
        The closure is the logged drift less all parts; over its Monte-Carlo error it is about 1 when nothing is missing.</p>\n{}",
        grid(&headers, &rows)
    )
}

fn weights(summary: &Summary) -> String {
    let mut html = String::new();
    for point in summary.points.iter().filter(|p| !p.weights.is_empty()) {
        let rows: Vec<_> = point
            .weights
            .iter()
            .map(|w| {
                let cell = |v: f64| number(significant(Some(v), 4));
                vec![
                    number(w.name.clone()),
                    cell(w.measured),
                    number(significant(Some(w.standard_error), 2)),
                    cell(w.p0),
                    cell(w.p1),
                    cell(w.pt),
                    cell(w.free),
                    number(significant(w.symmetric_point, 4)),
                    number(significant(w.lambda, 4)),
                    number(significant(Some(w.abs_gradient), 4)),
                    number(significant(Some(w.deviation), 3)),
                    number(significant(Some(w.deviation_predicted), 3)),
                ]
            })
            .collect();
        let headers = [
            "weight", "measured", "standard error", "P0", "P1", "Pt", "free", "symmetric point", "λ P1", "E|g|", "deviation",
            "deviation, P1",
        ];
        html.push_str(&format!(
            "<details>\n<summary>{} ({} weights)</summary>\n{}</details>\n",
            escape(&point.label),
            point.weights.len(),
            grid(&headers, &rows)
        ));
    }
    if html.is_empty() { html } else { format!("<h2>Weights</h2>\n{html}") }
}

fn data(summary: &Summary) -> String {
    if summary.standardisation.is_empty() {
        return String::new();
    }
    let rows: Vec<_> = summary
        .standardisation
        .iter()
        .map(|s| {
            vec![
                number(s.column.clone()),
                number(significant(Some(s.mean), 6)),
                number(significant(Some(s.deviation), 6)),
            ]
        })
        .collect();
    let table = grid(&["column", "mean", "standard deviation"], &rows);
    format!("<h2>Standardisation of the data</h2>\n<p>Each column less its mean, over its population standard deviation.</p>\n\
        <details>\n<summary>{} columns</summary>\n{table}</details>\n", summary.standardisation.len())
}

fn sources(study_toml: &str, provenance_json: &str) -> String {
    let mut html = String::new();
    for (title, text) in [("The study as run", study_toml), ("Provenance", provenance_json)] {
        if !text.trim().is_empty() {
            html.push_str(&format!("<h2>{title}</h2>\n<pre>{}</pre>\n", escape(text.trim_end())));
        }
    }
    html
}
