//! `memridge predict`.

use std::process::ExitCode;

use comfy_table::{CellAlignment, Table};
use memridge::error::Result;
use memridge::report::TABLE_STYLE;
use memridge::study::{Forecast, Study, forecast};

use super::{StudyArgs, json, print};

fn number(value: Option<f64>, digits: usize) -> String {
    value
        .filter(|v| v.is_finite())
        .map_or_else(|| "–".into(), |v| format!("{v:.digits$}"))
}

/// Prints the analytic levels of every sweep point.
pub fn predict(args: &StudyArgs) -> Result<ExitCode> {
    args.set_threads()?;
    let study = Study::read(&args.study, &args.overrides())?;
    let forecasts = forecast(&study)?;
    if args.json {
        print(&json(&forecasts)?);
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = Table::new();
    table.load_style(TABLE_STYLE);
    table.set_header([
        "point", "τ", "λ P0", "λ P1", "E2", "E3", "E4", "bias P0", "bias P1", "bias P-t", "sd(w)",
        "λ GCV",
    ]);
    for f in &forecasts {
        table.add_row([
            f.label.clone(),
            number(f.tau, 3),
            number(f.lambda_p0, 4),
            number(f.lambda_p1.or(f.lambda_law), 4),
            number(f.lambda_e2, 4),
            number(f.lambda_e3, 4),
            number(f.lambda_e4, 4),
            number(f.bias_norm_p0, 4),
            number(f.bias_norm_p1, 4),
            number(f.bias_norm_pt, 4),
            number(f.weight_deviation, 4),
            number(f.lambda_gcv, 4),
        ]);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let mut text = format!("{}\n{table}\n", study.title);
    for Forecast { label, verdict, .. } in &forecasts {
        text.push_str(&format!("{label}: {verdict}\n"));
    }
    for f in &forecasts {
        text.push_str(&super::uncertainty::forecast(f));
    }
    text.push_str(
        "\nλ: mean over weights of E|g| R'(w⋄), and 1/(η t) where states relax with a lifetime of t steps. E2, E3, E4: what the estimators would return at the P1 weights. bias: distance from least squares.\n",
    );
    print(&text);
    Ok(ExitCode::SUCCESS)
}
