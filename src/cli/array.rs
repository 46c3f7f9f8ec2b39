//! `memridge crossbar show`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use comfy_table::{CellAlignment, Table};
use memridge::crossbar::{Crossbar, Cut, IrDrop};
use memridge::error::{Error, Result, Violation};
use memridge::report::{TABLE_STYLE, array_figure};
use memridge::study::{Overrides, Settings, Study};

use super::fit::{check_target, write_whole};
use super::print;

#[derive(Args)]
pub struct ShowArgs {
    /// The study file.
    study: PathBuf,
    /// Draw the array to this file: the voltage that reaches its cells, and the errors of its outputs.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
}

/// Prints, and draws, what the wires take in the array of a study's first point; of tiles, in the one with the largest drop.
pub fn show(args: &ShowArgs) -> Result<ExitCode> {
    if let Some(svg) = &args.svg {
        check_target(svg, &args.study)?;
    }
    let study = Study::read(&args.study, &Overrides::default())?;
    let Some(settings) = study.points.first() else {
        return Ok(ExitCode::SUCCESS);
    };
    let (drop, tile) = started(settings, &args.study)?;
    let swept: Vec<String> = settings
        .swept
        .iter()
        .map(|(key, value)| format!("{key} = {value}"))
        .collect();
    let title = match swept.is_empty() {
        true => study.title.clone(),
        false => format!("{}; {}", study.title, swept.join(", ")),
    };
    let title = match &tile {
        Some(tile) => format!("{title}\n{tile}"),
        None => title,
    };
    print(&format!("{title}\n{}", table(&drop)));
    if let Some(svg) = &args.svg {
        write_whole(svg, array_figure(&drop, &study.name).svg.as_bytes())?;
        print(&format!("{}\n", svg.display()));
    }
    Ok(ExitCode::SUCCESS)
}

/// The array of the first replica as it is programmed, and which of its tiles it is where it has several.
fn started(settings: &Settings, file: &Path) -> Result<(IrDrop, Option<String>)> {
    let Some(wires) = settings.wires() else {
        return Err(Error::from(Violation {
            file: file.display().to_string(),
            line: None,
            column: None,
            key: "array.wires".into(),
            value: None,
            rule: "missing: the wires of this study are ideal, and every cell has its full voltage"
                .into(),
            way_out: "add [array.wires] with word-segment and bit-segment, and refresh-every where it trains".into(),
        }));
    };
    let (plan, weights) = settings.programmed()?;
    let map = plan.model.map;
    let mut crossbar = Crossbar::new(&plan, 0, 1)?;
    crossbar.write(0, &weights)?;
    let tiles = crossbar.tiles()?;
    let drops = tiles.iter().map(|(cut, seen)| {
        let conductances: Vec<f64> = seen.all().iter().map(|g| f64::from(*g).max(0.0)).collect();
        let own = cut.tile(&map);
        wires.drop(own.inputs(), own.columns(), &conductances)
    });
    let drops: Vec<IrDrop> = drops.collect::<Result<_>>()?;
    let largest = |k: &usize| drops[*k].largest().1;
    let worst = (0..drops.len()).max_by(|a, b| largest(a).total_cmp(&largest(b)));
    // There is at least one tile.
    let worst = worst.unwrap_or(0);
    let (cut, count) = (&tiles[worst].0, tiles.len());
    let named = (count > 1).then(|| named(cut, count, settings.layout().slice_count()));
    Ok((drops[worst].clone(), named))
}

/// Which tile it is.
fn named(cut: &Cut, count: usize, slices: usize) -> String {
    let slice = match slices {
        1 => String::new(),
        _ => format!(", digit {} of {slices} from the least", cut.slice + 1),
    };
    format!(
        "of {count} tiles the one where most is missing: inputs {} to {}, outputs {} to {}{slice}",
        cut.inputs.start,
        cut.inputs.end - 1,
        cut.outputs.start,
        cut.outputs.end - 1
    )
}

/// Size, drops, and errors of the outputs.
fn table(drop: &IrDrop) -> String {
    let percent = |share: f64| format!("{:.3} %", 100.0 * share);
    let ((row, column), largest) = drop.largest();
    let errors = drop.errors();
    let worst = (0..errors.len())
        .max_by(|&a, &b| errors[a].abs().total_cmp(&errors[b].abs()))
        .unwrap_or(0);
    let mean = errors.iter().map(|e| e.abs()).sum::<f64>() / errors.len() as f64;
    let mut table = Table::new();
    table.load_style(TABLE_STYLE);
    table.set_header(["all inputs 1, as programmed", "", "where"]);
    let size = format!("{} x {}", drop.rows, drop.columns);
    table.add_row(["word lines x bit lines", &size, ""]);
    table.add_row([
        "largest drop of a cell's voltage",
        &percent(largest),
        &format!("word line {row}, bit line {column}"),
    ]);
    table.add_row(["mean drop", &percent(drop.mean()), ""]);
    table.add_row([
        "largest error of an output current",
        &percent(errors[worst]),
        &format!("bit line {worst}"),
    ]);
    table.add_row(["mean size of the errors", &percent(mean), ""]);
    if let Some(column) = table.column_mut(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    format!("{table}\n")
}
