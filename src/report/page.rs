//! One self-contained HTML page a study: no scripts, nothing loaded from elsewhere.

use super::Figure;
use super::answer::{amount, answer};
use super::format::{MISSING, escape, estimate_parts, percent, short, significant, trimmed};
use super::html::{Cell, STYLE, grid, measured, name, number, words};
use super::reads::age;
use super::table::{expected, known};
use crate::study::summary::{Point, Summary};

/// How to read the page of a study that is not trained.
const PROGRAMMED: &str = "Weights are programmed into the array, vectors are read through its periphery, and what comes out is compared with the exact product. \
    Errors are over the root mean square of the exact outputs; means over replicas carry 95 % intervals. \
    Effective bits are (SNR − 1.76 dB)/6.02 dB of the error. The gain is the slope of what is read on what is exact: a digital factor could take it back, and not the error beside it. \
    Predicted, set small beneath, is the closed form of read noise and quantisation where nothing else is between, and for answers that of digital weights.";

const READ: &str = "While it trains, an asymmetric device pulls each weight toward its symmetric point; the strength of that pull, λ, \
    is in the units of the explicit penalty ½ λ ‖w − w⋄‖², so the two can be compared directly. \
    Predictions use the device law and the data but no simulated pulse (P0: mean field, P1: with the fluctuations of the weights, Pt: along the trajectory); \
    measurements come from the simulation (E1: regression of the logged updates, E2: gradient at the mean weights, E3: nearest ridge solution, E4: shrinkage of the eigenmodes), \
    carry 95 % intervals over replicas, and each is to be compared with its own predicted value, set small beneath it. \
    The bias is the distance from the learned to the unregularized weights, and every error in per cent, the distance to the ridge path included, is a share of it; \
    none can be resolved below the Monte-Carlo error in the last column.";

/// The page: claim, results, figures, controls, expectations, data, the study file as run and its provenance.
///
/// `figures` are set in the order given; all text is escaped, and their pictures are set as they are.
pub fn page(
    summary: &Summary,
    figures: &[Figure],
    study_toml: &str,
    provenance_json: &str,
) -> String {
    let title = if summary.title.is_empty() {
        &summary.study
    } else {
        &summary.title
    };
    let title = escape(title);
    let body = [
        head(summary, &title),
        match kind(summary) {
            Kind::Read => reads(summary),
            Kind::Network => super::network::section(summary),
            Kind::Trained => results(summary),
        },
        super::written::section(summary),
        pictures(figures),
        verdicts(summary),
        test_errors(summary),
        controls(summary),
        budgets(summary),
        super::cost::section(summary),
        weights(summary),
        expectations(summary),
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

/// What a study does.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Arrays are read and not trained.
    Read,
    /// Networks are trained.
    Network,
    /// Single arrays are trained.
    Trained,
}

fn kind(summary: &Summary) -> Kind {
    if summary.points.iter().any(|p| !p.reads.is_empty()) {
        Kind::Read
    } else if super::network::is_trained(summary) {
        Kind::Network
    } else {
        Kind::Trained
    }
}

fn reads(summary: &Summary) -> String {
    let headers = [
        "point",
        "device",
        "time",
        "rms error",
        "effective bits",
        "largest error",
        "gain",
        "error beside the gain",
        "accuracy",
        "mean squared error",
        "saturated %",
        "vectors read",
        "repeated",
        "input conversions",
        "output conversions",
    ];
    let rows: Vec<_> = summary
        .points
        .iter()
        .flat_map(|p| p.reads.iter().map(move |r| (p, r)))
        .map(|(p, r)| {
            vec![
                number(p.label.clone()),
                name(&p.device),
                number(age(r.time)),
                measured(&r.error),
                measured(&r.effective_bits),
                measured(&r.largest_error),
                measured(&r.gain),
                measured(&r.unexplained_error),
                measured(&r.accuracy),
                measured(&r.mean_squared_error),
                number(percent(Some(r.saturated))),
                number(r.vectors.to_string()),
                number(r.repeated.to_string()),
                number(r.input_conversions.to_string()),
                number(r.output_conversions.to_string()),
            ]
        })
        .collect();
    format!("<h2>Results</h2>\n{}", grid(&headers, &rows))
}

fn head(summary: &Summary, title: &str) -> String {
    let mut facts = vec![
        format!("study {}", summary.study),
        format!("seed {}", summary.seed),
        format!("{} replicas a point", summary.replicas),
        format!("{} points", summary.points.len()),
        format!("{} s", short(Some(summary.wall_seconds))),
    ];
    if kind(summary) != Kind::Read {
        facts.push(format!(
            "{} device updates a second and core",
            short(Some(summary.device_updates_per_second))
        ));
        facts.push(format!(
            "{} pulses a device update",
            short(Some(summary.pulses_per_device_update))
        ));
    }
    if !summary.cite.is_empty() {
        facts.push(format!("after {}", summary.cite.join(", ")));
    }
    if !summary.expectations.is_empty() {
        facts.push(format!("expectations: {}", met_and_missed(summary)));
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
        escape(match kind(summary) {
            Kind::Read => PROGRAMMED,
            Kind::Network => super::network::TRAINED,
            Kind::Trained => READ,
        })
    )
}

/// How many expectations are met, missed and left out, in words.
fn met_and_missed(summary: &Summary) -> String {
    let missed = summary
        .expectations
        .iter()
        .filter(|e| e.met == Some(false))
        .count();
    let left = summary
        .expectations
        .iter()
        .filter(|e| e.met.is_none())
        .count();
    let met = summary.expectations.len() - missed - left;
    let mut verdict = format!("{met} met, {missed} missed");
    if left > 0 {
        verdict.push_str(&format!(", {left} left out by the quick run"));
    }
    verdict
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
                Cell(badge, ""),
                words(&e.name),
                number(trimmed(e.measured, 4)),
                number(expected(e)),
            ]
        })
        .collect();
    let verdict = met_and_missed(summary);
    let table = grid(&["", "expectation", "measured", "expected"], &rows);
    format!("<h2>Expectations</h2>\n<p>{verdict}.</p>\n{table}")
}

fn results(summary: &Summary) -> String {
    let headers = [
        "point",
        "τ",
        "λ P1",
        "E1",
        "E2",
        "E3",
        "E4",
        "λ by law",
        "bias",
        "P0 error %",
        "P1 error %",
        "Pt error %",
        "ridge distance %",
        "Monte-Carlo error %",
    ];
    let rows: Vec<_> = summary
        .points
        .iter()
        .map(|p| {
            vec![
                number(p.label.clone()),
                number(short(p.tau)),
                number(significant(p.lambda_predicted, 4)),
                measured(&p.lambda_e1),
                measured(&p.lambda_e2),
                measured(&p.lambda_e3),
                measured(&p.lambda_e4),
                measured(&p.lambda_law),
                number(significant(Some(p.bias_norm), 4)),
                number(percent(p.prediction_error_p0)),
                number(percent(p.prediction_error_p1)),
                number(percent(p.prediction_error_pt)),
                number(percent(p.tikhonov_residual)),
                number(percent(Some(p.monte_carlo_error))),
            ]
        })
        .collect();
    format!(
        "<h2>Results</h2>\n{}{}",
        grid(&headers, &rows),
        further_results(summary)
    )
}

/// The settings of each point, and what else is known about its weights.
fn further_results(summary: &Summary) -> String {
    let headers = [
        "point",
        "device",
        "learning rate η",
        "step δ",
        "additive noise",
        "multiplicative noise",
        "λ P0",
        "E|g|·R′",
        "E3 Euclidean",
        "diagonal ridge distance %",
        "deviation of weights",
        "excess loss",
        "λ by GCV",
        "degrees of freedom",
        "spread of strengths %",
    ];
    let rows: Vec<_> = summary
        .points
        .iter()
        .map(|p| {
            vec![
                number(p.label.clone()),
                name(&p.device),
                number(short(Some(p.learning_rate))),
                number(short(Some(p.step))),
                number(short(Some(p.cycle_to_cycle[0]))),
                number(short(Some(p.cycle_to_cycle[1]))),
                number(significant(p.lambda_predicted_p0, 4)),
                measured(&p.lambda_gradient),
                measured(&p.lambda_e3_euclidean),
                number(percent(p.tikhonov_residual_diagonal)),
                measured(&p.weight_deviation),
                measured(&p.excess_loss),
                number(short(p.lambda_gcv)),
                number(short(p.effective_dof)),
                number(percent(p.strength_spread)),
            ]
        })
        .collect();
    format!(
        "<h3>Settings and further numbers</h3>\n{}<p class=\"note\">E|g|·R′: the predicted law at the measured gradients. \
        Diagonal ridge distance: to a ridge whose strengths have the predicted proportions, where those differ by the spread given. \
        Deviation: over time and replicas, mean over weights. Weights are dimensionless.</p>\n",
        grid(&headers, &rows)
    )
}

/// Every warning once, with the points that it is about: all of them are one.
pub fn warnings(summary: &Summary) -> Vec<(Vec<&str>, &str)> {
    let mut all: Vec<(Vec<&str>, &str)> = Vec::new();
    for point in &summary.points {
        for warning in &point.warnings {
            match all.iter_mut().find(|(_, known)| known == warning) {
                Some((points, _)) => points.push(&point.label),
                None => all.push((vec![&point.label], warning)),
            }
        }
    }
    for (points, _) in &mut all {
        if points.len() > 1 && points.len() == summary.points.len() {
            *points = vec!["all points"];
        }
    }
    all
}

fn verdicts(summary: &Summary) -> String {
    let mut items = String::new();
    for point in &summary.points {
        let name = escape(&point.label);
        if !point.verdict.is_empty() {
            items.push_str(&format!(
                "<li><b>{name}</b>: {}</li>\n",
                escape(&point.verdict)
            ));
        }
    }
    for (points, warning) in warnings(summary) {
        items.push_str(&format!(
            "<li class=\"warning\"><b>{}</b>: {}</li>\n",
            escape(&points.join("; ")),
            escape(warning)
        ));
    }
    if items.is_empty() {
        return String::new();
    }
    let title = match kind(summary) {
        Kind::Trained => "Which prediction is valid",
        _ => "Warnings",
    };
    format!("<h2>{title}</h2>\n<ul>\n{items}</ul>\n")
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
        "point",
        "none",
        "implicit",
        "implicit, predicted",
        "explicit, GCV",
        "explicit, best",
        "λ implicit (E3)",
        "λ by GCV",
        "λ best",
        "folds",
        "the free L2 is",
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
            let (head, claim) = if i == 0 {
                (control.name.as_str(), control.claim.as_str())
            } else {
                ("", "")
            };
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
                super::html::name(name),
                number(text),
                number(known),
                Cell(inside.into(), ""),
            ]);
        }
    }
    let headers = [
        "control",
        "what must come out",
        "number",
        "measured",
        "known",
        "known value in the interval",
    ];
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
        "point",
        "gradient",
        "A rectification",
        "B readout",
        "C retention",
        "D bounds",
        "logged drift",
        "closure",
        "closure, in its errors",
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
            "weight",
            "measured",
            "standard error",
            "P0",
            "P1",
            "Pt",
            "free",
            "symmetric point",
            "λ P1",
            "E|g|",
            "deviation",
            "deviation, P1",
        ];
        html.push_str(&format!(
            "<details>\n<summary>{} ({} weights)</summary>\n{}</details>\n",
            escape(&point.label),
            point.weights.len(),
            grid(&headers, &rows)
        ));
    }
    if html.is_empty() {
        html
    } else {
        format!("<h2>Weights</h2>\n{html}")
    }
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
    format!(
        "<h2>Standardisation of the data</h2>\n<p>Each column less its mean, over its population standard deviation.</p>\n\
        <details>\n<summary>{} columns</summary>\n{table}</details>\n",
        summary.standardisation.len()
    )
}

fn sources(study_toml: &str, provenance_json: &str) -> String {
    let mut html = String::new();
    for (title, text) in [
        ("The study as run", study_toml),
        ("Provenance", provenance_json),
    ] {
        if !text.trim().is_empty() {
            html.push_str(&format!(
                "<h2>{title}</h2>\n<pre>{}</pre>\n",
                escape(text.trim_end())
            ));
        }
    }
    html
}
