//! `[array.tiles]`, `[array.slices]` and `weight-scale`: how weights are laid out on physical arrays. Without them one array holds all of them as
//! they are.

use crate::crossbar::{Layout, Mapping, Slices, TileSize, WeightScale};
use crate::document::{Rule, Section};

const SCALE: &str = "weight-scale";
const SLICES: &str = "slices";

/// Reads the keys of `[array]` that say how weights are laid out; `read` where nothing is trained.
pub(super) fn layout(array: &Section, mapping: Mapping, read: bool) -> Layout {
    let layout = Layout {
        tiles: array.optional_section("tiles").map(|s| tiles(&s, mapping)),
        slices: array
            .optional_section(SLICES)
            .and_then(|s| slices(&s, mapping)),
        scale: match array.optional_one_of(SCALE, &["matrix", "column"]) {
            Some("column") => WeightScale::Column,
            _ => WeightScale::Matrix,
        },
    };
    let refuse = |key, rule: &str, way_out: &str| array.violation(key, rule, way_out);
    if !read && mapping == Mapping::OffsetColumn {
        refuse(
            "mapping",
            "an offset column is programmed once, and pulses of training would leave it where it is while they disturb what it stands for: only arrays that are read have one",
            "write [array.mapping.reference-column] with the same keys, or a task that is only read",
        );
    }
    if !read && array.has(SLICES) {
        refuse(
            SLICES,
            "pulses cannot carry from one digit of a weight to the next: only weights that are read are cut into digits",
            "remove [array.slices], or choose a task that is only read",
        );
    }
    if !read && layout.scale == WeightScale::Column {
        refuse(
            SCALE,
            "columns are scaled to weights that are known before they are written, and training starts without them",
            "write weight-scale = \"matrix\", or choose a task that is only read",
        );
    }
    if array.has(SLICES) && !Slices::suit(mapping) {
        refuse(
            SLICES,
            "a differential pair shares every digit between two cells, each of which would need twice the levels of its bits",
            "write [array.mapping.one-sided-pair]: the cell of the sign holds the digit, the other stays empty; any device can be read so",
        );
    }
    layout
}

fn tiles(section: &Section, mapping: Mapping) -> TileSize {
    const COLUMNS: &str = "columns";
    let size = |key| section.integer::<u32>(key, Rule::Between(1.0, 1e6)) as usize;
    let found = TileSize {
        rows: size("rows"),
        columns: size(COLUMNS),
    };
    let least = mapping.cells_per_weight() + mapping.further_columns();
    if section.has(COLUMNS) && found.columns > 0 && found.columns < least {
        section.violation(
            COLUMNS,
            format!(
                "columns are bit lines, and the cells of a weight{} take {least} of them in one tile",
                match mapping.further_columns() {
                    0 => "",
                    _ => " and its offset",
                }
            ),
            format!("write columns = {least} or more"),
        );
    }
    TileSize {
        rows: found.rows.max(1),
        columns: found.columns.max(least),
    }
}

fn slices(section: &Section, mapping: Mapping) -> Option<Slices> {
    const WEIGHT: &str = "weight-bits";
    const CELL: &str = "bits-per-cell";
    let bits = |key| section.integer::<u32>(key, Rule::Between(1.0, 16.0));
    let (weight, cell) = (bits(WEIGHT), bits(CELL));
    if section.has(WEIGHT) && weight == 1 && mapping.cells_per_weight() == 1 {
        section.violation(
            WEIGHT,
            "a column needs codes on both sides of zero and zero itself, and one bit makes two codes",
            "write weight-bits = 2 or more, or [array.mapping.one-sided-pair], whose sign is no bit",
        );
    }
    let both = section.has(WEIGHT) && section.has(CELL);
    if both && (1..cell).contains(&weight) {
        section.violation(
            CELL,
            format!("a cell would hold {cell} bits, and a weight has {weight}"),
            format!("write bits-per-cell = {weight} or less"),
        );
    }
    Slices::new(weight, cell)
}
