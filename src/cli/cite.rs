//! `memridge cite`.

use std::path::Path;
use std::process::ExitCode;

use memridge::error::{Result, Violation};
use memridge::study::{Overrides, Study};

use super::print;

const REFERENCES: &str = include_str!("../../references.bib");

/// The BibTeX entry of a key.
fn entry(key: &str) -> Option<&'static str> {
    let mark = format!("{{{key},");
    let found = REFERENCES.find(&mark)?;
    let start = REFERENCES[..found].rfind('@')?;
    let end = REFERENCES[start..].find("\n}")? + start + 2;
    Some(&REFERENCES[start..end])
}

/// Prints the references of a study and its devices.
pub fn cite(path: &Path) -> Result<ExitCode> {
    let study = Study::read(path, &Overrides::default())?;
    let devices = study.points.iter().flat_map(|p| p.device.cite());
    let mut keys: Vec<&String> = study.cite.iter().chain(devices).collect();
    let mut seen = std::collections::HashSet::new();
    keys.retain(|k| seen.insert(*k));
    for key in keys {
        let Some(entry) = entry(key) else {
            return Err(Violation {
                file: path.display().to_string(),
                line: None,
                column: None,
                key: "cite".into(),
                value: Some(format!("\"{key}\"")),
                rule: "must be a key of references.bib".into(),
                way_out: "correct the key, or add the entry".into(),
            }
            .into());
        };
        print(&format!("{entry}\n\n"));
    }
    Ok(ExitCode::SUCCESS)
}
