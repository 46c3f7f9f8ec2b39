//! `memridge backends`.

use std::process::ExitCode;

use comfy_table::Table;
use memridge::error::Result;
use memridge::report::TABLE_STYLE;
use serde_json::{Value, json};

use super::print;

/// Somewhere to compute: a row of the table, and the same for programs.
struct Line {
    row: [String; 5],
    json: Value,
}

/// This machine's processor.
fn processor() -> Line {
    let threads = rayon::current_num_threads();
    let vectors = format!("{:?}", pulp::Arch::new());
    let vectors = vectors.split('(').next().unwrap_or_default();
    let name = format!("{threads} threads, {vectors} instructions");
    Line {
        row: ["cpu", &name, "", "", ""].map(Into::into),
        json: json!({
            "backend": "cpu",
            "instructions": vectors,
            "threads": threads,
        }),
    }
}

/// The graphics processors, the most preferred first.
#[cfg(feature = "gpu")]
fn graphics_processors() -> Vec<Line> {
    let adapters = memridge::backend::Gpu::adapters().into_iter();
    let lines = adapters.map(|a| {
        // One state of four bytes a cell and replica.
        let cells = format!("{:.0}e6 cells × replicas", a.largest_binding as f64 / 4e6);
        let driver = format!("{} {}", a.interface, a.driver);
        Line {
            row: ["gpu".into(), a.name.clone(), a.kind.into(), driver, cells],
            json: json!({
                "backend": "gpu",
                "name": a.name,
                "kind": a.kind,
                "interface": a.interface,
                "driver": a.driver,
                "largest-binding-bytes": a.largest_binding,
                "largest-buffer-bytes": a.largest_buffer,
                "most-workgroups": a.most_workgroups,
            }),
        }
    });
    lines.collect()
}

#[cfg(not(feature = "gpu"))]
fn graphics_processors() -> Vec<Line> {
    Vec::new()
}

/// Prints where memridge can compute on this machine. The exit status is 1 where there is no graphics processor.
pub fn list(as_json: bool) -> Result<ExitCode> {
    let processors = graphics_processors();
    let found = !processors.is_empty();
    let all = std::iter::once(processor()).chain(processors);
    if as_json {
        let all: Vec<Value> = all.map(|line| line.json).collect();
        print(&super::json(&all)?);
    } else {
        let mut table = Table::new();
        table.load_style(TABLE_STYLE);
        table.set_header(["backend", "name", "kind", "driver", "largest array"]);
        for line in all {
            table.add_row(line.row);
        }
        print(&format!("{table}\n"));
        if !found {
            print(&format!("\n{}.\n", none()));
        }
    }
    Ok(ExitCode::from(u8::from(!found)))
}

/// What to do about it.
#[cfg(feature = "gpu")]
fn none() -> String {
    format!("No graphics processor: {}", memridge::backend::INSTALL)
}

#[cfg(not(feature = "gpu"))]
fn none() -> String {
    "This memridge was built without its GPU backend (feature gpu)".into()
}
