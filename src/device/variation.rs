//! Device-to-device variation: every cell its own parameters.

use rand::SeedableRng;
use rand_distr::{Distribution, StandardNormal};
use rand_pcg::Pcg64;

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
                    let Some(v) = variations.first() else {
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
    fn listed(&self, count: usize) -> Result<Option<Vec<f64>>> {
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
        let fail = |e: std::io::Error| Error::read(&path, e);
        let mut archive = npyz::npz::NpzArchive::open(&path).map_err(fail)?;
        let names: Vec<String> = archive.array_names().map(Into::into).collect();
        let Some(found) = archive.by_name(array).map_err(fail)? else {
            return Err(self.violation(
                format!("{} has no array \"{array}\"", path.display()),
                &format!("its arrays are {}", names.join(", ")),
            ));
        };
        found.into_vec::<f64>().map_err(fail)
    }
}
