//! `memridge backends`.

use std::process::ExitCode;

use comfy_table::Table;
#[cfg(feature = "gpu")]
use memridge::backend::Gpu;
use memridge::error::Result;
use memridge::report::TABLE_STYLE;

use super::{json, print};

/// Prints where memridge can compute on this machine. The exit status is 1 where there is no graphics processor.
pub fn list(as_json: bool) -> Result<ExitCode> {
    #[cfg(feature = "gpu")]
    let adapters = Gpu::adapters();
    #[cfg(feature = "gpu")]
    let found = !adapters.is_empty();
    #[cfg(not(feature = "gpu"))]
    let found = false;

    let threads = rayon::current_num_threads();
    let vectors = format!("{:?}", pulp::Arch::new());
    let vectors = vectors.split('(').next().unwrap_or_default();
    if as_json {
        let mut all = vec![serde_json::json!({
            "backend": "cpu",
            "instructions": vectors,
            "threads": threads,
        })];
        #[cfg(feature = "gpu")]
        all.extend(adapters.iter().map(|a| {
            serde_json::json!({
                "backend": "gpu",
                "name": a.name,
                "kind": a.kind,
                "interface": a.interface,
                "driver": a.driver,
                "largest-binding-bytes": a.largest_binding,
                "largest-buffer-bytes": a.largest_buffer,
                "most-workgroups": a.most_workgroups,
            })
        }));
        print(&json(&all)?);
    } else {
        let mut table = Table::new();
        table.load_style(TABLE_STYLE);
        table.set_header(["backend", "name", "kind", "driver", "largest array"]);
        let cpu = format!("{threads} threads, {vectors} instructions");
        table.add_row(["cpu", &cpu, "", "", ""]);
        #[cfg(feature = "gpu")]
        for a in &adapters {
            // One state of four bytes a cell and replica.
            let cells = format!("{:.0}e6 cells × replicas", a.largest_binding as f64 / 4e6);
            let driver = format!("{} {}", a.interface, a.driver);
            table.add_row(["gpu", &a.name, a.kind, &driver, &cells]);
        }
        print(&format!("{table}\n"));
        if !found {
            print(NONE);
        }
    }
    Ok(ExitCode::from(u8::from(!found)))
}

#[cfg(feature = "gpu")]
const NONE: &str = "\nNo graphics processor: install the vendor's Vulkan driver, or a software one \
     (Debian: apt-get install mesa-vulkan-drivers libvulkan1).\n";

#[cfg(not(feature = "gpu"))]
const NONE: &str = "\nThis memridge was built without its GPU backend (feature gpu).\n";
