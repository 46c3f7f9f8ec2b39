//! Reading the nodes of a [`Piecewise`] law: lists in the device file, or the columns of a table beside it.

use std::path::Path;

use super::piecewise::{MOST_NODE, NODES, Piecewise};
use super::variation::Variation;
use crate::document::{Rule, Section, Value};

const DIRECTIONS: [&str; 2] = ["potentiation", "depression"];

/// The law's own parameters. Broken rules go to the section's violations; what is returned then is a constant step.
pub(super) fn read(section: &Section) -> Vec<f64> {
    let form = section.one_of("interpolation", &["linear", "monotone-cubic"]);
    let [up, down] = match section.optional_text("csv") {
        Some(file) => {
            for key in DIRECTIONS {
                if section.has(key) {
                    section.violation(
                        key,
                        "must not stand beside csv, which gives the same nodes",
                        "keep the lists or the csv file",
                    );
                }
                section.node(key);
            }
            table(section, &file)
        }
        None => DIRECTIONS.map(|key| section.numbers(key, Rule::Between(0.0, MOST_NODE))),
    };
    let from_table = section.has("csv");
    let mut nodes = [up, down];
    for (name, nodes) in DIRECTIONS.iter().zip(&mut nodes) {
        let key = if from_table { "csv" } else { name };
        // What could not be read is reported already.
        let read = match section.node(key).map(|node| &node.value) {
            Some(Value::List(items)) => items.len() == nodes.len(),
            _ => from_table && !nodes.is_empty(),
        };
        if read && !(2..=NODES).contains(&nodes.len()) {
            section.violation(
                key,
                format!(
                    "{name} must have 2 to {NODES} nodes, and has {}",
                    nodes.len()
                ),
                "give nodes that are equally far from each other from lower to upper",
            );
        }
        if nodes.len() < 2 {
            *nodes = vec![1.0; 2];
        }
    }
    Piecewise::own(&nodes[0], &nodes[1], form == "monotone-cubic")
}

/// The columns of a table, whose path is relative to the file that names it.
fn table(section: &Section, file: &str) -> [Vec<f64>; 2] {
    let path = match section.node("csv") {
        Some(node) => Variation::folder(&node.origin).join(file),
        None => Path::new(file).to_owned(),
    };
    match columns(&path) {
        Ok(columns) => columns,
        Err((rule, way_out)) => {
            section.violation("csv", rule, way_out);
            [vec![], vec![]]
        }
    }
}

fn columns(path: &Path) -> std::result::Result<[Vec<f64>; 2], (String, String)> {
    let shown = path.display();
    let unreadable = |e: csv::Error| {
        let way_out = match e.kind() {
            csv::ErrorKind::Io(_) => "name a file beside the one that names it".to_owned(),
            _ => "give a head row and one row a node, with commas between".to_owned(),
        };
        (format!("{shown} cannot be read: {e}"), way_out)
    };
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .from_path(path)
        .map_err(unreadable)?;
    let heads = reader.headers().map_err(unreadable)?.clone();
    let mut places = [0; 2];
    for (place, name) in places.iter_mut().zip(DIRECTIONS) {
        *place = heads.iter().position(|h| h == name).ok_or_else(|| {
            let found: Vec<&str> = heads.iter().collect();
            (
                format!("{shown} has no column {name}"),
                format!("its columns are {}", found.join(", ")),
            )
        })?;
    }
    let mut columns = [vec![], vec![]];
    for (row, record) in reader.records().enumerate() {
        let record = record.map_err(unreadable)?;
        let line = record.position().map_or(0, csv::Position::line);
        for ((column, place), name) in columns.iter_mut().zip(places).zip(DIRECTIONS) {
            let text = record.get(place).unwrap_or_default();
            // The longer list goes on alone.
            if text.is_empty() {
                continue;
            }
            match text.parse::<f64>() {
                Ok(v) if (0.0..=MOST_NODE).contains(&v) && column.len() == row => column.push(v),
                Ok(_) if column.len() < row => {
                    return Err((
                        format!("{shown}:{line}: {name} goes on after an empty cell"),
                        "fill the gap: nodes are equally far from each other".to_owned(),
                    ));
                }
                _ => {
                    return Err((
                        format!(
                            "{shown}:{line}: {name} is \"{text}\" and must be a number between 0 and {MOST_NODE}"
                        ),
                        "give each node in nominal steps, without a sign".to_owned(),
                    ));
                }
            }
        }
    }
    if columns.iter().any(Vec::is_empty) {
        return Err((
            format!("{shown} has a column without nodes"),
            "give one row a node".to_owned(),
        ));
    }
    Ok(columns)
}
