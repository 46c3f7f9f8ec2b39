//! What a study file says of the data of a network.

#[cfg(test)]
mod tests;

use std::path::Path;

use super::periphery::SIZE;
use crate::document::{Rule, Section, Value};
use crate::error::Result;
use crate::training::datasets::{
    Answer, ArrayFile, Arrays, DataSet, Fourier, Origin, Preparation, Scaling, Split, Synthetic,
};

/// A share of samples.
pub(super) const SHARE: Rule = Rule::OpenBetween(0.0, 1.0);

/// Most numbers of synthetic data, 1 GiB.
const MOST: usize = 1 << 27;

/// Keys below the table of the data that are paths, relative to the folder of the study.
pub const DATA_FILES: [&str; 11] = [
    "source.table.file",
    "source.arrays.features.file",
    "source.arrays.label.file",
    "source.arrays.target.file",
    "source.arrays.test.features.file",
    "source.arrays.test.label.file",
    "source.arrays.test.target.file",
    "source.idx.images",
    "source.idx.labels",
    "source.idx.test.images",
    "source.idx.test.labels",
];

/// The data of a network, as a study asks for them.
#[derive(Debug, Clone, PartialEq)]
pub struct DataSpec {
    origin: Origin,
    preparation: Preparation,
    /// What is used where a file is missing.
    otherwise: Option<Box<DataSpec>>,
}

impl DataSpec {
    /// The first file that is not there, where there are other data to use.
    pub fn missing(&self) -> Option<&Path> {
        self.otherwise.as_ref()?;
        self.origin.files().into_iter().find(|f| !f.exists())
    }

    /// What the targets are.
    pub fn answer(&self) -> Answer {
        self.origin.answer()
    }

    /// Where the data come from.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// What is done to them.
    pub fn preparation(&self) -> &Preparation {
        &self.preparation
    }

    /// Whether some samples are for validation.
    pub fn has_validation(&self) -> bool {
        let share = |split: Split| split.validation > 0.0;
        let others = self.otherwise.as_ref().is_none_or(|o| o.has_validation());
        others && self.preparation.split.is_some_and(share)
    }

    /// Whether some samples are for testing.
    pub fn has_test(&self) -> bool {
        let share = |split: Split| split.test > 0.0;
        let others = self.otherwise.as_ref().is_none_or(|o| o.has_test());
        others && (self.origin.has_test() || self.preparation.split.is_some_and(share))
    }

    /// Reads or draws the data. `seed` is that of the study: of synthetic data and of replaced labels.
    ///
    /// # Errors
    /// As [`Origin::load`].
    pub fn load(&self, seed: u64) -> Result<DataSet> {
        if let (Some(_), Some(other)) = (self.missing(), &self.otherwise) {
            return other.load(seed);
        }
        self.origin.load(&self.preparation, seed)
    }
}

/// Reads a table of data; paths are relative to `folder`. Files are not looked for before they are loaded.
pub fn dataset(section: &Section, folder: &Path) -> DataSpec {
    const SOURCES: [&str; 7] = [
        "table",
        "arrays",
        "idx",
        "linear",
        "sparse",
        "gaussian-mixture",
        "sinusoids",
    ];
    let origin = match section.choice("source", &SOURCES) {
        ("table", s) => table(&s, folder),
        ("arrays", s) => arrays(&s, folder),
        ("idx", s) => idx(&s, folder),
        (kind, s) => {
            let made = synthetic(kind, &s);
            if made.size() > MOST {
                s.violation(
                    "samples",
                    format!(
                        "features and targets of all samples are {} numbers, more than {MOST}",
                        made.size()
                    ),
                    "draw fewer",
                );
            }
            Origin::Synthetic(made)
        }
    };
    let answer = origin.answer();
    let preparation = Preparation {
        split: section
            .optional_section("split")
            .map(|s| split(&s, answer, origin.has_test())),
        scaling: scaling(section, "scaling"),
        target_scaling: match section.has("target-scaling") {
            true => scaling(section, "target-scaling"),
            false => {
                section.node("target-scaling");
                Scaling::None
            }
        },
        label_noise: section
            .optional_number("label-noise", Rule::Between(0.0, 1.0))
            .unwrap_or(0.0),
    };
    let misplaced = match answer {
        Answer::Class => ("target-scaling", "targets are classes, which have no scale"),
        Answer::Number => (
            "label-noise",
            "targets are numbers, which have no other class",
        ),
    };
    if section.has(misplaced.0) {
        section.violation(misplaced.0, misplaced.1, "remove the key");
    }
    let otherwise = section.optional_section("otherwise").map(|s| {
        let other = dataset(&s, folder);
        if other.answer() != answer {
            section.violation(
                "otherwise",
                "targets are classes in one of the two data sets and numbers in the other",
                "name data of the same kind, as one network learns either",
            );
        }
        s.finish();
        Box::new(other)
    });
    if otherwise.is_some() && origin.files().is_empty() {
        section.violation(
            "otherwise",
            "these data are drawn and not read, so that no file can be missing",
            "remove it",
        );
    }
    DataSpec {
        origin,
        preparation,
        otherwise,
    }
}

fn scaling(section: &Section, key: &str) -> Scaling {
    if let Some(Value::Table(_)) = section.node(key).map(|n| &n.value) {
        return Scaling::Divide(section.section(key).number("divide", SIZE));
    }
    match section.one_of(key, &["none", "standardise"]) {
        "standardise" => Scaling::Standardise,
        _ => Scaling::None,
    }
}

fn split(section: &Section, answer: Answer, has_test: bool) -> Split {
    let share = |key| section.optional_number(key, SHARE).unwrap_or(0.0);
    let split = Split {
        test: share("test"),
        validation: share("validation"),
        seed: section.integer("seed", Rule::NonNegative),
        stratify: section.optional_bool("stratify").unwrap_or(false),
    };
    if !section.has("test") && !section.has("validation") {
        section.violation(
            "test",
            "missing: a split holds out samples for testing or validation",
            "for example test = 0.25",
        );
    }
    if split.test + split.validation >= 1.0 {
        section.violation(
            "validation",
            "test and validation together must leave samples for training",
            "for example test = 0.2 and validation = 0.1",
        );
    }
    if has_test && section.has("test") {
        section.violation(
            "test",
            "the samples for testing come from files of their own",
            "remove it here, or the source's table test",
        );
    }
    if split.stratify && answer == Answer::Number {
        section.violation(
            "stratify",
            "targets are numbers: there are no classes to split one by one",
            "write stratify = false",
        );
    }
    split
}

fn table(section: &Section, folder: &Path) -> Origin {
    let file = folder.join(section.text("file"));
    let ignore = section.optional_texts("ignore").unwrap_or_default();
    let (answer, key) = answer(section, &["label", "target", "targets"]);
    let targets = match key {
        "targets" => section.texts(key),
        _ => vec![section.text(key)],
    };
    if section.has("targets") && targets.is_empty() {
        section.violation("targets", "there must be a target", "name a column");
    }
    for (list, names) in [(key, &targets), ("ignore", &ignore)] {
        for (k, name) in names.iter().enumerate() {
            if names[..k].contains(name) {
                section.violation(list, format!("{name} is named twice"), "name it once");
            }
        }
    }
    for target in targets.iter().filter(|t| ignore.contains(t)) {
        section.violation(
            "ignore",
            format!("{target} is a target, which cannot be left out"),
            "name other columns",
        );
    }
    Origin::Table {
        file,
        targets,
        answer,
        ignore,
    }
}

/// Which of these keys says what the targets are; the first is of classes. All but one are violations.
fn answer<'k>(section: &Section, keys: &[&'k str]) -> (Answer, &'k str) {
    let mut given = keys.iter().filter(|k| section.has(k));
    let key = given.next().unwrap_or(&keys[0]);
    for other in given {
        section.node(other);
        section.violation(
            other,
            "targets are a label, of classes, or numbers, and not both",
            format!("remove {key} or {other}"),
        );
    }
    // Asked for, so that a misspelt one is known.
    keys.iter()
        .filter(|k| !section.has(k) && *k != key)
        .for_each(|k| {
            section.node(k);
        });
    let answer = if key == &keys[0] {
        Answer::Class
    } else {
        Answer::Number
    };
    (answer, key)
}

fn array(section: &Section, key: &str, folder: &Path) -> ArrayFile {
    let s = section.section(key);
    let (file, array) = (s.text("file"), s.optional_text("array"));
    if file.ends_with(".npz") && array.is_none() {
        s.violation(
            "array",
            "missing: an NPZ file may hold several arrays",
            "for example array = \"x_train\"",
        );
    }
    ArrayFile::Numpy {
        file: folder.join(file),
        array,
    }
}

fn arrays(section: &Section, folder: &Path) -> Origin {
    let (answer, key) = answer(section, &["label", "target"]);
    let pair = |s: &Section| Arrays {
        features: array(s, "features", folder),
        targets: array(s, key, folder),
    };
    Origin::Arrays {
        train: pair(section),
        test: section.optional_section("test").map(|s| pair(&s)),
        answer,
    }
}

fn idx(section: &Section, folder: &Path) -> Origin {
    let pair = |s: &Section| {
        let file = |key| ArrayFile::Idx(folder.join(s.text(key)));
        Arrays {
            features: file("images"),
            targets: file("labels"),
        }
    };
    Origin::Arrays {
        train: pair(section),
        test: section.optional_section("test").map(|s| pair(&s)),
        answer: Answer::Class,
    }
}

fn synthetic(kind: &str, s: &Section) -> Synthetic {
    let count = |key, least| s.integer::<u32>(key, Rule::Between(least, 1e8)) as usize;
    match kind {
        "linear" => Synthetic::Linear {
            features: count("features", 1.0),
            outputs: count("outputs", 1.0),
            samples: count("samples", 2.0),
            input: s.number("input-deviation", SIZE),
            truth: s.number("truth-deviation", SIZE),
            noise: s.number("target-noise", Rule::NonNegative),
        },
        "sparse" => {
            let features = count("features", 1.0);
            let nonzero = count("nonzero", 1.0);
            if nonzero > features {
                s.violation(
                    "nonzero",
                    format!("there are {features} weights, one a feature"),
                    "ask for fewer, or for more features",
                );
            }
            Synthetic::Sparse {
                features,
                nonzero,
                size: s.number("size", SIZE),
                samples: count("samples", 2.0),
                input: s.number("input-deviation", SIZE),
                noise: s.number("target-noise", Rule::NonNegative),
            }
        }
        "gaussian-mixture" => {
            let classes = count("classes", 2.0);
            let features = count("features", 1.0);
            let samples = count("samples", 2.0);
            if classes > features + 1 {
                s.violation(
                    "classes",
                    format!(
                        "in {features} dimensions at most {} points are equally far apart",
                        features + 1
                    ),
                    "ask for fewer, or for more features",
                );
            }
            if samples < classes {
                s.violation("samples", "every class needs a sample", "draw more");
            }
            Synthetic::GaussianMixture {
                classes,
                features,
                samples,
                separation: s.number("separation", Rule::NonNegative),
                spread: s.number("spread", SIZE),
            }
        }
        _ => sinusoids(s, count("samples", 2.0)),
    }
}

fn sinusoids(s: &Section, samples: usize) -> Synthetic {
    let frequencies = s.numbers("frequencies", Rule::Positive);
    let amplitudes = s.numbers("amplitudes", Rule::Any);
    let phases = s.optional_numbers("phases", Rule::Any);
    if s.has("frequencies") && frequencies.is_empty() {
        s.violation("frequencies", "there must be one", "for example [1.0, 5.0]");
    }
    // As they are written: a wrong one is reported already.
    let length = |key| match s.node(key).map(|n| &n.value) {
        Some(Value::List(items)) => items.len(),
        _ => 0,
    };
    let needed = length("frequencies");
    for key in ["amplitudes", "phases"] {
        if s.has(key) && length(key) != needed {
            s.violation(
                key,
                format!("every frequency has one: {needed} are needed"),
                "write as many as there are frequencies",
            );
        }
    }
    Synthetic::Sinusoids {
        frequencies,
        amplitudes,
        phases,
        samples,
        noise: s.number("target-noise", Rule::NonNegative),
        fourier: s.optional_section("fourier").map(|s| Fourier {
            pairs: s.integer::<u16>("pairs", Rule::AtLeast(1.0)).into(),
            deviation: s.number("deviation", SIZE),
        }),
    }
}
