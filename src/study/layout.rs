//! `[array.tiles]`: how weights are laid out on physical arrays. Without it one array holds all of them.

use crate::crossbar::{Layout, Mapping, TileSize};
use crate::document::{Rule, Section};

/// Reads the keys of `[array]` that say how weights are laid out.
pub(super) fn layout(array: &Section, mapping: Mapping) -> Layout {
    Layout {
        tiles: array.optional_section("tiles").map(|s| tiles(&s, mapping)),
    }
}

fn tiles(section: &Section, mapping: Mapping) -> TileSize {
    const COLUMNS: &str = "columns";
    let size = |key| section.integer::<u32>(key, Rule::Between(1.0, 1e6)) as usize;
    let found = TileSize {
        rows: size("rows"),
        columns: size(COLUMNS),
    };
    let least = mapping.cells_per_weight();
    if section.has(COLUMNS) && found.columns > 0 && found.columns < least {
        section.violation(
            COLUMNS,
            format!(
                "columns are bit lines, and the cells of a weight take {least} of them in one tile"
            ),
            format!("write columns = {least} or more"),
        );
    }
    TileSize {
        rows: found.rows.max(1),
        columns: found.columns.max(least),
    }
}
