//! Devices and studies from text.

use std::path::Path;

use memridge::device::{Device, load_device};
use memridge::error::Result;
use memridge::study::{Overrides, Study};

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

/// What the small study learns, and how.
pub const TRAINED: &str = r#"[task.random-problems]
features = 4
samples = 30
input-deviation = 1.0
truth-deviation = 0.2
label-noise = 0.3
[training]
loss = "squared-error"
learning-rate = 0.02
schedule = "constant"
steps = 600
batch = 1
update = "per-sample"
average-from = 0.5
log-every = 5
pulses = "stochastic-rounding"
"#;

/// The small study with these lines after `[array]`.
pub fn study(array: &str) -> Result<Study> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.toml");
    let text = format!(
        r#"
title = "t"
claim = "t"
cite = []
seed = 7
replicas = 24
[device]
model = "ideal/soft-bounds"
[array]
read-noise = 0.0
{array}
[array.mapping.reference-column]
zero = "symmetric-point"
conductance-per-weight = "20 uS"
{TRAINED}"#
    );
    std::fs::write(&path, text).unwrap();
    Study::read(&path, &Overrides::default())
}
