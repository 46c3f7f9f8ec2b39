//! Data of files.

use std::io::ErrorKind;
use std::path::Path;

use nalgebra::DMatrix;

use super::{Answer, ArrayFile, Arrays, Raw};
use crate::arrays::{Array, read_array, read_idx};
use crate::error::{Error, Result};
use crate::training::data::read_labelled;
use crate::training::network::{Examples, Targets};

/// How to get the files that IDX was made for.
pub const MNIST: &str = "MNIST is train-images-idx3-ubyte.gz, train-labels-idx1-ubyte.gz, t10k-images-idx3-ubyte.gz and t10k-labels-idx1-ubyte.gz, \
    published at http://yann.lecun.com/exdb/mnist/ and mirrored at https://github.com/cvdfoundation/mnist; \
    Fashion-MNIST has files of the same names, at https://github.com/zalandoresearch/fashion-mnist";

/// Largest class that is told apart from its neighbours.
const MOST: f64 = 9_007_199_254_740_992.0;

fn bad(file: &str, column: Option<&str>, rule: String, way_out: &str) -> Error {
    Error::Data {
        file: file.into(),
        line: None,
        column: column.map(Into::into),
        rule,
        way_out: way_out.into(),
    }
}

/// Reads a CSV file.
pub(super) fn table(
    path: &Path,
    targets: &[String],
    answer: Answer,
    ignore: &[String],
) -> Result<Raw> {
    let label = targets.iter().filter(|_| answer == Answer::Class);
    let texts: Vec<&str> = label.chain(ignore).map(String::as_str).collect();
    let (mut table, cells) = read_labelled(path, &texts)?;
    let file = table.file;
    let (targets, classes, names) = match answer {
        Answer::Class => {
            let column = &targets[0];
            if let Some(r) = cells[0].iter().position(String::is_empty) {
                let rule = format!("every sample needs a class, sample {r} has none");
                return Err(bad(&file, Some(column), rule, "fill it in"));
            }
            let numbers: Option<Vec<f64>> = cells[0].iter().map(|c| c.parse().ok()).collect();
            let (of, classes) = match numbers {
                Some(numbers) => {
                    let classes = classes(&file, &numbers)?;
                    let of = numbers
                        .iter()
                        .map(|v| place(&classes, *v).expect("one of them"));
                    (of.collect(), classes.iter().map(f64::to_string).collect())
                }
                None => {
                    let mut classes = cells[0].clone();
                    classes.sort();
                    classes.dedup();
                    let class = |c: &String| classes.partition_point(|known| known < c);
                    (cells[0].iter().map(class).collect::<Vec<_>>(), classes)
                }
            };
            check_several(&file, &classes)?;
            let count = classes.len();
            (Targets::Classes { of, count }, classes, Vec::new())
        }
        Answer::Number => {
            let mut values = DMatrix::zeros(table.values.nrows(), targets.len());
            for (k, target) in targets.iter().enumerate() {
                let Some(at) = table.columns.iter().position(|c| c == target) else {
                    let way_out = format!("the columns are {}", table.columns.join(", "));
                    let rule = "there is no such column".into();
                    return Err(bad(&file, Some(target), rule, &way_out));
                };
                values.set_column(k, &table.values.column(at));
                table.values = table.values.remove_column(at);
                table.columns.remove(at);
            }
            (Targets::Values(values), Vec::new(), targets.to_vec())
        }
    };
    if table.columns.is_empty() {
        let rule = "there is no feature beside the target".into();
        return Err(bad(&file, None, rule, "add feature columns"));
    }
    Ok(Raw {
        file,
        features: table.columns,
        targets: names,
        classes,
        all: Examples {
            x: table.values,
            targets,
        },
        test: None,
        truth: None,
    })
}

/// The classes that these labels are of, ascending.
fn classes(file: &str, labels: &[f64]) -> Result<Vec<f64>> {
    let whole = |v: &f64| v.fract() == 0.0 && v.abs() <= MOST;
    if let Some((r, v)) = labels.iter().enumerate().find(|(_, v)| !whole(v)) {
        let rule = format!("classes are whole numbers or text, found {v} at sample {r}");
        return Err(bad(
            file,
            None,
            rule,
            "write target for numbers that are no classes",
        ));
    }
    // -0 and 0 are one class.
    let mut classes: Vec<f64> = labels.iter().map(|v| v + 0.0).collect();
    classes.sort_by(f64::total_cmp);
    classes.dedup();
    Ok(classes)
}

fn check_several(file: &str, classes: &[String]) -> Result<()> {
    if let [only] = classes {
        let rule = format!("all samples are of one class, {only}");
        return Err(bad(file, None, rule, "add samples of others"));
    }
    Ok(())
}

/// The place of a class.
fn place(classes: &[f64], label: f64) -> Option<usize> {
    let at = classes.partition_point(|c| *c < label);
    (classes.get(at) == Some(&label)).then_some(at)
}

/// Reads arrays.
pub(super) fn arrays(train: &Arrays, test: Option<&Arrays>, answer: Answer) -> Result<Raw> {
    let (x, images) = matrix(&train.features)?;
    let labels = train.targets.read()?;
    let file = train.features.name();
    let mut known = Vec::new();
    if answer == Answer::Class {
        known = classes(&train.targets.name(), &labels.values)?;
    }
    let all = pair(train, x, labels, answer, &known)?;
    if all.len() < 2 {
        let rule = format!("must have at least 2 samples, found {}", all.len());
        return Err(bad(&file, None, rule, "name an array with more"));
    }
    let classes: Vec<String> = known.iter().map(f64::to_string).collect();
    check_several(&train.targets.name(), &classes)?;
    let test = test
        .map(|arrays| {
            let (x, _) = matrix(&arrays.features)?;
            let found = pair(arrays, x, arrays.targets.read()?, answer, &known)?;
            let widths = |e: &Examples| (e.x.ncols(), e.outputs());
            if widths(&found) != widths(&all) {
                let ((f, o), (of, oo)) = (widths(&found), widths(&all));
                let rule = format!(
                    "has {f} features and {o} outputs, the samples for training have {of} and {oo}"
                );
                let name = arrays.features.name();
                return Err(bad(&name, None, rule, "name arrays that belong together"));
            }
            Ok(found)
        })
        .transpose()?;
    let letter = if images { 'p' } else { 'x' };
    let targets = if answer == Answer::Class {
        0
    } else {
        all.outputs()
    };
    Ok(Raw {
        file,
        features: (0..all.x.ncols()).map(|k| format!("{letter}{k}")).collect(),
        targets: (0..targets).map(|k| format!("y{k}")).collect(),
        classes,
        all,
        test,
        truth: None,
    })
}

/// Features and targets of as many samples.
fn pair(
    arrays: &Arrays,
    x: DMatrix<f64>,
    labels: Array,
    answer: Answer,
    known: &[f64],
) -> Result<Examples> {
    let name = arrays.targets.name();
    let samples = labels.shape.first().copied().unwrap_or(1);
    if samples != x.nrows() {
        let rule = format!(
            "has {samples} samples, but {} has {}",
            arrays.features.name(),
            x.nrows()
        );
        return Err(bad(&name, None, rule, "name arrays that belong together"));
    }
    let targets = match answer {
        Answer::Number => Targets::Values(flat(&name, labels)?),
        Answer::Class if labels.values.len() != samples => {
            let rule = format!("has {} values for {samples} samples", labels.values.len());
            let way_out = "save one class a sample (numpy.argmax of indicators)";
            return Err(bad(&name, None, rule, way_out));
        }
        Answer::Class => {
            let mut of = Vec::with_capacity(samples);
            for (r, &label) in labels.values.iter().enumerate() {
                of.push(place(known, label).ok_or_else(|| {
                    let rule = format!(
                        "has the class {label} at sample {r}, which no sample for training has"
                    );
                    bad(&name, None, rule, "look at what wrote it")
                })?);
            }
            Targets::Classes {
                of,
                count: known.len(),
            }
        }
    };
    Ok(Examples { x, targets })
}

/// Features, and whether they are of images.
fn matrix(from: &ArrayFile) -> Result<(DMatrix<f64>, bool)> {
    let (array, name) = (from.read()?, from.name());
    let images = array.shape.len() > 2;
    Ok((flat(&name, array)?, images))
}

/// One sample a row, whatever the number of dimensions.
fn flat(name: &str, array: Array) -> Result<DMatrix<f64>> {
    let Array { shape, values } = array;
    let rows = shape.first().copied().unwrap_or(1);
    if rows == 0 || values.is_empty() {
        let rule = "has no values".into();
        return Err(bad(name, None, rule, "name an array with samples"));
    }
    let columns = values.len() / rows;
    if let Some(at) = values.iter().position(|v| !v.is_finite()) {
        let rule = format!(
            "must hold finite numbers, found {} at sample {}",
            values[at],
            at / columns
        );
        return Err(bad(name, None, rule, "look at what wrote it"));
    }
    Ok(DMatrix::from_row_slice(rows, columns, &values))
}

impl ArrayFile {
    fn read(&self) -> Result<Array> {
        match self {
            Self::Numpy { file, array } => read_array(file, array.as_deref()),
            Self::Idx(file) => read_idx(file).map_err(|error| match error {
                Error::Read {
                    path,
                    source,
                    way_out,
                } if source.kind() == ErrorKind::NotFound => Error::Read {
                    path,
                    source,
                    way_out: format!("{way_out} {MNIST}"),
                },
                other => other,
            }),
        }
    }

    fn name(&self) -> String {
        match self {
            Self::Numpy { file, array } => match array {
                Some(array) => format!("{}, array {array}", file.display()),
                None => file.display().to_string(),
            },
            Self::Idx(file) => file.display().to_string(),
        }
    }
}
