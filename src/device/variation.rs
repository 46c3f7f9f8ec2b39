//! Device-to-device variation: every cell its own parameters.

use rand::SeedableRng;
use rand_distr::{Distribution, StandardNormal};
use rand_pcg::Pcg64;

use crate::arrays::read_array;
use crate::document::{Origin, Rule, Section};
use crate::error::{Error, Result};

/// How a parameter varies from cell to cell.
#[derive(Debug, Clone, PartialEq)]
pub enum Spread {
    /// Normal, standard deviation in the parameter's own unit.
    Normal(f64),
    /// Normal, standard deviation relative to the nominal value.
    RelativeNormal(f64),
    /// Log-normal: the standard deviation of the logarithm; the median is the nominal value.
    LogNormal(f64),
    /// Cell by cell, row-major.
    List(Vec<f64>),
    /// Cell by cell from an array of an NPZ file.
    Npz {
        /// The file, relative to the file that names it.
        file: String,
        /// The array in it.
        array: String,
    },
}

/// One parameter's spread and where it was written.
#[derive(Debug, Clone)]
pub struct Variation {
    /// Index of the parameter in the cell's slice.
    pub index: usize,
    /// The spread.
    pub spread: Spread,
    /// Where it was written.
    pub(super) origin: Origin,
    /// Its dotted key.
    pub(super) key: String,
}

impl Spread {
    /// Reads a spread from its table, exactly one form.
    pub(super) fn parse(section: &Section) -> Option<Self> {
        let forms = ["normal", "relative-normal", "log-normal", "list", "npz"];
        let given: Vec<&str> = forms.into_iter().filter(|f| section.has(f)).collect();
        let number = |key| section.optional_number(key, Rule::NonNegative);
        let out = match given[..] {
            ["normal"] => number("normal").map(Self::Normal),
            ["relative-normal"] => number("relative-normal").map(Self::RelativeNormal),
            ["log-normal"] => number("log-normal").map(Self::LogNormal),
            ["list"] => section.optional_numbers("list", Rule::Any).map(Self::List),
            ["npz"] => section.optional_text("npz").map(|file| Self::Npz {
                file,
                array: section.text("array"),
            }),
            _ => {
                section.violation(
                    given.get(1).copied().unwrap_or("normal"),
                    format!("needs exactly one of {}", forms.join(", ")),
                    "for example { relative-normal = 0.3 }",
                );
                None
            }
        };
        for form in forms {
            // Mark every form as known, so that a second one is not also called misspelt.
            section.node(form);
        }
        out
    }
}

/// Most draws for one cell before its spread is called too wide.
const TRIES: usize = 1000;

/// Parameters of `count` cells; `check` says what is unphysical about a cell.
pub(super) fn draw(
    variations: &[Variation],
    nominal: &[f64],
    count: usize,
    seed: u64,
    check: impl Fn(&[f64]) -> std::result::Result<(), String>,
) -> Result<Vec<f64>> {
    let mut rng = Pcg64::seed_from_u64(seed);
    let lists: Vec<Option<Vec<f64>>> = variations
        .iter()
        .map(|v| v.listed(count))
        .collect::<Result<_>>()?;
    let mut out = Vec::with_capacity(count * nominal.len());
    for cell in 0..count {
        let mut tries = 0;
        let p = loop {
            let mut p = nominal.to_vec();
            for (variation, list) in variations.iter().zip(&lists) {
                let z: f64 = StandardNormal.sample(&mut rng);
                let value = &mut p[variation.index];
                match (&variation.spread, list) {
                    (_, Some(list)) => *value = list[cell],
                    (Spread::Normal(s), _) => *value += s * z,
                    (Spread::RelativeNormal(s), _) => *value *= 1.0 + s * z,
                    (Spread::LogNormal(s), _) => *value *= (s * z).exp(),
                    (Spread::List(_) | Spread::Npz { .. }, None) => {}
                }
            }
            tries += 1;
            match check(&p) {
                Ok(()) => break p,
                Err(_) if tries < TRIES && lists.iter().any(Option::is_none) => {}
                Err(rule) => {
                    // Lists are not drawn: what they say is wrong.
                    let listed = lists.iter().position(Option::is_some);
                    let Some(v) = variations.get(listed.unwrap_or(0)) else {
                        break p;
                    };
                    return Err(v.violation(
                        format!("cell {cell} is unphysical: {rule}"),
                        "narrow the spread or correct the list",
                    ));
                }
            }
        };
        out.extend(p);
    }
    Ok(out)
}

impl Variation {
    fn violation(&self, rule: String, way_out: &str) -> Error {
        Error::from(self.origin.violation(&self.key, None, rule, way_out))
    }

    /// Values cell by cell, where the spread lists them.
    pub(super) fn listed(&self, count: usize) -> Result<Option<Vec<f64>>> {
        let list = match &self.spread {
            Spread::List(list) => list.clone(),
            Spread::Npz { file, array } => self.read_npz(file, array)?,
            _ => return Ok(None),
        };
        if list.len() != count {
            return Err(self.violation(
                format!(
                    "the array has {count} cells, the list {} values",
                    list.len()
                ),
                "give one value a cell, row by row (a differential pair has two cells a weight)",
            ));
        }
        Ok(Some(list))
    }

    fn read_npz(&self, file: &str, array: &str) -> Result<Vec<f64>> {
        let path = Self::folder(&self.origin).join(file);
        Ok(read_array(&path, Some(array))?.values)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::load_device;

    /// Writes a device file beside an NPZ with the symmetric points of its cells.
    fn device(folder: &Path, spread: &str) -> String {
        let text = format!(
            r#"
name = "t"
description = "t"
material = "t"
cite = []
source = "t"
bounds = "soft"
write-noise = 0.0
window = {{ g-min = "10 uS", g-max = "50 uS" }}
law = {{ soft-bounds = {{ step = 0.001, lower = 0.0, upper = 1.0, symmetric-point = 0.5 }} }}
cycle-to-cycle = {{ additive = 0.0, multiplicative = 0.0 }}
device-to-device = {{ {spread} }}
"#
        );
        let path = folder.join("t.toml");
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    fn parameters(name: &str, count: usize, index: usize) -> crate::error::Result<Vec<f64>> {
        let cells = load_device(name, Path::new(""))?.cells(count, 7)?;
        Ok((0..count)
            .map(|k| cells.double(k).parameters[index])
            .collect())
    }

    #[test]
    fn normal_and_log_normal_spreads_have_their_moments() {
        let folder = tempfile::tempdir().unwrap();
        let n = 20_000;
        let spread = "step = { log-normal = 0.3 }, symmetric-point = { normal = 0.05 }";
        let name = device(folder.path(), spread);
        let step = parameters(&name, n, 0).unwrap();
        let point = parameters(&name, n, 3).unwrap();
        let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
        let sd = |v: &[f64]| {
            let m = mean(v);
            mean(&v.iter().map(|x| (x - m).powi(2)).collect::<Vec<_>>()).sqrt()
        };
        let logs: Vec<f64> = step.iter().map(|s| (s / 0.001).ln()).collect();
        // five standard errors of mean and deviation of 20000 draws
        let error = 5.0 / (n as f64).sqrt();
        assert!(mean(&logs).abs() < 0.3 * error && (sd(&logs) / 0.3 - 1.0).abs() < error);
        assert!((mean(&point) - 0.5).abs() < 0.05 * error);
        assert!((sd(&point) / 0.05 - 1.0).abs() < error);
    }

    #[test]
    fn no_cell_is_unphysical_however_wide_the_spread() {
        let folder = tempfile::tempdir().unwrap();
        let spread = "step = { relative-normal = 1.0 }, upper = { normal = 0.5 }";
        let name = device(folder.path(), spread);
        assert!(parameters(&name, 2000, 0).unwrap().iter().all(|&s| s > 0.0));
        // the upper bound stays above the symmetric point
        assert!(parameters(&name, 2000, 2).unwrap().iter().all(|&u| u > 0.5));
    }

    #[test]
    fn values_cell_by_cell_come_from_an_npz_file() {
        use npyz::WriterBuilder;
        let folder = tempfile::tempdir().unwrap();
        let mut npz = npyz::npz::NpzWriter::create(folder.path().join("cells.npz")).unwrap();
        let mut array = npz
            .array("point", Default::default())
            .unwrap()
            .default_dtype()
            .shape(&[3])
            .begin_nd()
            .unwrap();
        array.extend([0.4, 0.5, 0.6]).unwrap();
        array.finish().unwrap();
        drop(npz);
        let spread = |array: &str| {
            format!("symmetric-point = {{ npz = \"cells.npz\", array = \"{array}\" }}")
        };
        let name = device(folder.path(), &spread("point"));
        assert_eq!(parameters(&name, 3, 3).unwrap(), [0.4, 0.5, 0.6]);
        let message = parameters(&name, 4, 3).unwrap_err().to_string();
        assert!(
            message.contains("4 cells") && message.contains("3 values"),
            "{message}"
        );
        let name = device(folder.path(), &spread("points"));
        let message = parameters(&name, 3, 3).unwrap_err().to_string();
        assert!(message.contains("did you mean point?"), "{message}");
    }
}
