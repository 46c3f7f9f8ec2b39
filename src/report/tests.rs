//! The whole layer on findings that are complete, empty, odd, single and many.

use super::fixture::{NONE, around, device, point, summary};
use super::*;
use crate::study::summary::*;

/// Whether tags balance, attributes are quoted and no markup hides in text; enough for what the backend writes.
fn well_formed(xml: &str) -> Result<(), String> {
    let mut open: Vec<&str> = Vec::new();
    let mut rest = xml;
    while let Some(start) = rest.find('<') {
        if rest[..start].contains('>') {
            return Err("a bare > in text".into());
        }
        let end = rest[start..].find('>').ok_or("a tag without end")? + start;
        let tag = &rest[start + 1..end];
        if tag.matches('"').count() % 2 == 1 || tag.contains('<') {
            return Err(format!("quotes in <{tag}>"));
        }
        if let Some(name) = tag.strip_prefix('/') {
            if open.pop() != Some(name) {
                return Err(format!("</{name}> closes something else"));
            }
        } else if !tag.ends_with('/') {
            open.push(tag.split_whitespace().next().unwrap_or(""));
        }
        rest = &rest[end + 1..];
    }
    if open.is_empty() {
        Ok(())
    } else {
        Err(format!("not closed: {open:?}"))
    }
}

fn checked(summary: &Summary) -> Vec<Figure> {
    let figures = plots(summary).unwrap();
    for figure in &figures {
        assert_eq!(well_formed(&figure.svg), Ok(()), "{}", figure.name);
        assert!(figure.svg.starts_with("<svg width=\"720\" height=\""));
        assert!(!figure.svg.contains("NaN") && !figure.svg.contains("inf"));
        assert!(!figure.caption.is_empty() && !figure.title.is_empty());
    }
    let page = page(summary, &figures, "title = \"<x>\"", "{\"a\": 1}");
    assert!(page.starts_with("<!DOCTYPE html>") && page.ends_with("</html>\n"));
    assert!(page.contains("title = &quot;&lt;x&gt;&quot;"));
    for banned in ["<script", "http://", "https://", "NaN", ">inf"] {
        let page = page.replace("xmlns=\"http://www.w3.org/2000/svg\"", "");
        assert!(!page.contains(banned), "{banned}");
    }
    for line in table(summary).lines() {
        assert!(line.chars().count() <= 110, "{line}");
    }
    expectations(summary);
    controls(summary);
    figures
}

fn names(figures: &[Figure]) -> Vec<&str> {
    figures.iter().map(|f| f.name.as_str()).collect()
}

#[test]
fn a_full_study_has_all_figures_and_sections() {
    let summary = summary();
    let figures = checked(&summary);
    assert_eq!(
        names(&figures),
        [
            "strength",
            "ridge-path",
            "weights",
            "shrinkage",
            "learning-curve",
            "test-error",
            "budget"
        ]
    );
    let page = page(&summary, &figures, "seed = 7", "{}");
    for text in [
        "Soft bounds regularize linear regression",
        "badge met",
        "badge missed",
        "left out (quick)",
        "0.4633<small class=\"interval\">[0.4614, 0.4652]</small>",
        "predicted 0.4638",
        "too little, right, or too much?",
        "Drift budget",
        "explicit-ridge",
        "<details>",
        "P1 is valid",
        "26.3758",
        "seed = 7",
    ] {
        assert!(page.contains(text), "{text}");
    }
}

#[test]
fn tables_for_the_terminal_say_what_counts() {
    let summary = summary();
    let table = table(&summary);
    for text in [
        "τ = 0.6",
        "λ P1",
        "E1",
        "E4",
        "P1",
        "0.34",
        "0.468",
        "[0.4614, 0.4652]",
    ] {
        assert!(table.contains(text), "{text} in\n{table}");
    }
    assert_eq!(
        expectations(&summary),
        "met     P1 error at τ = 1: measured 0.0014, expected at most 0.005\n\
         met     mean λ at τ = 1: measured 0.4682, expected 0.468 ± 0.001\n\
         MISSED  ridge distance at τ = 0.6: measured 0.047, expected at most 0.04\n\
         left out (quick)  effective degrees of freedom: expected 5.3 ± 0.1\n"
    );
    let controls = controls(&summary);
    assert!(controls.contains("    E3: 0.2999 [0.2989, 0.3009], known 0.3 (inside)\n"));
    assert!(controls.contains("known 0 (outside)\n"), "{controls}");
}

#[test]
fn columns_without_numbers_are_left_out() {
    let mut summary = summary();
    for point in &mut summary.points {
        point.lambda_e4 = NONE;
        point.tikhonov_residual = None;
    }
    let table = table(&summary);
    assert!(!table.contains("E4") && !table.contains("ridge"), "{table}");
    assert!(table.contains("E3"));
}

#[test]
fn empty_findings_have_no_figures_but_a_page() {
    let mut empty = summary();
    empty.points.clear();
    empty.expectations.clear();
    empty.controls.clear();
    empty.standardisation.clear();
    assert!(checked(&empty).is_empty());
    assert_eq!(answer(&empty), None);
    assert_eq!(table(&empty), "no points\n");
}

#[test]
fn missing_and_odd_numbers_are_left_out() {
    for odd in [
        f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
        0.0,
        -1.0,
        1e300,
        1e-300,
    ] {
        let mut summary = summary();
        for (i, point) in summary.points.iter_mut().enumerate() {
            if i % 2 == 0 {
                point.tau = Some(odd);
                point.bias_norm = odd;
                point.monte_carlo_error = odd;
                point.lambda_predicted = Some(odd);
                point.lambda_e1 = around(odd, odd, odd);
                point.lambda_e3 = around(odd, odd, odd);
                for weight in &mut point.weights {
                    weight.measured = odd;
                    weight.standard_error = odd;
                    weight.free = odd;
                }
                for mode in &mut point.modes {
                    mode.eigenvalue = odd;
                }
                for at in &mut point.learning_curve {
                    at.free = odd;
                    at.time = odd;
                }
                for at in &mut point.ridge_path {
                    at.lambda = odd;
                    at.weights.truncate(3);
                }
                if let Some(test) = &mut point.test_error {
                    test.implicit = odd;
                    test.explicit_best_lambda = odd;
                }
                if let Some(budget) = &mut point.budget {
                    budget.a = odd;
                }
            } else {
                point.lambda_e2 = NONE;
                point.modes.clear();
                point.budget = None;
                point.test_error = None;
            }
        }
        checked(&summary);
        for point in &mut summary.points {
            point.tau = None;
            point.weights.clear();
        }
        checked(&summary);
    }
}

#[test]
fn one_point_is_a_study_too() {
    let mut summary = summary();
    summary.points.truncate(1);
    assert_eq!(checked(&summary).len(), 7);
    let point = &mut summary.points[0];
    point.weights.truncate(1);
    point.modes.truncate(1);
    point.learning_curve.truncate(1);
    point.ridge_path.truncate(1);
    let figures = checked(&summary);
    assert_eq!(
        names(&figures),
        ["strength", "weights", "shrinkage", "test-error", "budget"]
    );
}

#[test]
fn many_features_and_points_with_long_names_fit() {
    let mut summary = summary();
    summary.points = (0..24)
        .map(|i| {
            let mut p = point(0.5 + 0.25 * i as f64, 60, i);
            p.label = format!("a <very> long & \"quoted\" label number {i}");
            p.tau = Some(1.0);
            p.lambda_e1 = around(-1234.5678, 0.001, 1.0);
            p.warnings.push("replicas & <few>".into());
            p
        })
        .collect();
    let figures = checked(&summary);
    assert!(figures[1].svg.contains("46 others"));
}

#[test]
fn a_noise_study_shows_its_law() {
    let mut summary = summary();
    for (i, point) in summary.points.iter_mut().enumerate() {
        let noise = i as f64;
        point.tau = Some(1.0);
        point.label = format!("σ = {i}");
        point.cycle_to_cycle = [noise, 0.0];
        let law = 0.2146 + 0.0024 * noise * noise;
        point.lambda_law = around(law, 0.0, law);
        point.lambda_e2 = around(law - 0.001, 0.003, law);
    }
    let figures = checked(&summary);
    assert_eq!(figures[1].name, "cycle-to-cycle-law");
    assert!(figures[1].svg.contains("additive cycle-to-cycle noise"));
}

#[test]
fn devices_are_drawn_in_microsiemens() {
    let figure = device_figure(&device());
    assert_eq!(well_formed(&figure.svg), Ok(()));
    assert!(figure.svg.contains("conductance (µS)") && figure.svg.contains("&lt;test&gt;"));
    assert!(figure.caption.contains("11.4 µS"));
    assert_eq!(
        well_formed(&device_figure(&DeviceCurve::default()).svg),
        Ok(())
    );
    let odd = DeviceCurve {
        potentiation: vec![(f64::NAN, 1e-6), (1.0, f64::INFINITY), (2.0, 3e-6)],
        band: Some(vec![(f64::NAN, 0.0)]),
        traces: vec![Vec::new(), vec![(0.0, f64::NAN)]],
        symmetric_point: Some(f64::NAN),
        ..DeviceCurve::default()
    };
    assert_eq!(well_formed(&device_figure(&odd).svg), Ok(()));
}

/// The balance check itself finds what is broken.
#[test]
fn the_check_of_the_check() {
    assert!(well_formed("<a b=\"1\"><c/></a>").is_ok());
    assert!(well_formed("<a><b></a></b>").is_err());
    assert!(well_formed("<a b=\"1>x</a>").is_err());
    assert!(well_formed("<a>").is_err());
}
