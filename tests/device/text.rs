//! Devices from text.

use std::path::Path;

use memridge::device::{Device, load_device};
use memridge::error::Result;

/// What every device file says: names, and a window from 10 to 50 µS.
const HEAD: &str = r#"
name = "t"
description = "t"
material = "t"
cite = []
source = "t"
window = { g-min = "10 uS", g-max = "50 uS" }
"#;

/// A whole device file: bounds, noise and law, then tables.
pub fn whole(lines: &str) -> String {
    format!("{HEAD}{lines}")
}

/// Reads a whole device file.
pub fn read(text: &str) -> Result<Device> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.toml");
    std::fs::write(&path, text).unwrap();
    load_device(&path.display().to_string(), Path::new(""))
}
