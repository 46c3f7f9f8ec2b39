//! The device files that come with the program.

use std::path::Path;

use crate::document::{Document, Violations};
use crate::error::{Result, Violation, closest};

use super::file::Device;

macro_rules! files {
    ($($name:literal)*) => {
        &[$(($name, include_str!(concat!("../../device-models/", $name, ".toml")))),*]
    };
}

/// Name and text of every device file of the library.
pub const LIBRARY: &[(&str, &str)] = files! {
    "capacitor/li2018"
    "capacitor/neurosim-3t1c"
    "ecram/kim2019"
    "ecram/tang2018"
    "fefet/jerry2017"
    "fefet/neurosim-2t1f"
    "flash/agrawal2022-day-0"
    "flash/agrawal2022-day-1"
    "flash/agrawal2022-day-2"
    "flash/agrawal2022-day-3"
    "flash/agrawal2022-day-4"
    "flash/agrawal2022-day-5"
    "ideal/constant-step"
    "ideal/crosssim-cubic"
    "ideal/crosssim-default"
    "ideal/exponential-readout"
    "ideal/neurosim-dnn"
    "ideal/neurosim-ideal"
    "ideal/neurosim-targeted"
    "ideal/noisy-reads"
    "ideal/rasch2019"
    "ideal/saturating-readout"
    "ideal/sigmoid-readout"
    "ideal/soft-bounds"
    "mram/neurosim-digital"
    "pcm/boybat2018"
    "pcm/joshi2020"
    "pcm/legallo2023"
    "pcm/nandakumar2019"
    "pcm/nandakumar2020"
    "pcm/vasilopoulos2023"
    "reram/choi2018"
    "reram/falcone2025-coarse"
    "reram/falcone2025-fine"
    "reram/gao2015"
    "reram/gao2015-iedm2017"
    "reram/gong2018-exp-step"
    "reram/gong2018-soft-bounds"
    "reram/gong2022-hfo2"
    "reram/gong2022-optimized"
    "reram/jiang2016"
    "reram/jo2010"
    "reram/kvatinsky2015"
    "reram/meliso-taox-hfox"
    "reram/messaris2018"
    "reram/messaris2018-square"
    "reram/milo2021"
    "reram/nugent2014"
    "reram/park2013"
    "reram/strukov2008-biolek"
    "reram/strukov2008-joglekar"
    "reram/wan2022"
    "reram/wan2022-1d"
    "reram/wan2022-1s"
    "reram/wan2022-2d"
    "reram/woo2016"
    "reram/yakopcic2011"
    "rpu/gokmen2016"
};

/// The document of a device: a name from the library, or the path of a `.toml` file (relative to `folder`).
///
/// # Errors
/// A file that cannot be read or parsed, or a name that is not in the library.
pub fn device_document(name: &str, folder: &Path) -> Result<Document> {
    if let Some((name, text)) = LIBRARY.iter().find(|(n, _)| *n == name) {
        return Document::parse(&format!("device-models/{name}.toml"), text);
    }
    if Path::new(name).extension().is_some_and(|e| e == "toml") {
        return Document::read(folder.join(name));
    }
    let names = LIBRARY.iter().map(|(n, _)| *n);
    let way_out = match closest(name, names.clone()) {
        Some(near) => format!("did you mean {near}?"),
        None => format!(
            "the library has {}; or give the path of a .toml file",
            names.collect::<Vec<_>>().join(", ")
        ),
    };
    Err(Violation {
        file: "device library".into(),
        line: None,
        column: None,
        key: "device".into(),
        value: Some(format!("\"{name}\"")),
        rule: "there is no such device".into(),
        way_out,
    }
    .into())
}

/// A validated device by name or path.
///
/// # Errors
/// As [`device_document`], and every broken rule of the file.
pub fn load_device(name: &str, folder: &Path) -> Result<Device> {
    let document = device_document(name, folder)?;
    let violations = Violations::new();
    let section = document.section(&violations);
    let device = Device::parse(&section, &violations);
    section.finish();
    violations.into_result(device)
}
