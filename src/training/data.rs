//! Tables of numbers from CSV files.

use std::path::Path;

use nalgebra::{DMatrix, DVector};

use super::task::Samples;
use crate::arrays::read_unpacked;
use crate::error::{Error, Result};

/// A table of numbers with named columns.
#[derive(Debug, Clone)]
pub struct Table {
    /// Name of the file, for messages.
    pub file: String,
    /// Column names.
    pub columns: Vec<String>,
    /// Values, one sample a row.
    pub values: DMatrix<f64>,
}

/// How a column was standardised: `(v - mean)/deviation`.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Standardisation {
    /// Column.
    pub column: String,
    /// Mean that was subtracted.
    pub mean: f64,
    /// Population standard deviation that was divided by.
    pub deviation: f64,
}

/// Reads a CSV file with a header line and one sample a line, which may be packed with gzip; every cell must be a finite number.
///
/// # Errors
/// [`Error::Read`] if the file cannot be read; [`Error::Data`] with line and column for a ragged row, an empty or non-numeric
/// cell, NaN, infinity, a repeated column name, or fewer than two rows.
pub fn read_table(path: &Path) -> Result<Table> {
    Ok(read_labelled(path, &[])?.0)
}

/// Reads a table from text; `file` names it in messages.
///
/// # Errors
/// As [`read_table`].
pub fn parse_table(file: &str, text: &str) -> Result<Table> {
    Ok(parse_labelled(file, text, &[])?.0)
}

/// As [`read_table`], for a file some of whose columns are text: the table of the others, and the cells of these, column by column in this order.
///
/// # Errors
/// As [`read_table`], and for a column that there is not.
pub(super) fn read_labelled(path: &Path, texts: &[&str]) -> Result<(Table, Vec<Vec<String>>)> {
    let bytes = read_unpacked(path)?;
    let text = String::from_utf8(bytes).map_err(|e| {
        let source = std::io::Error::new(std::io::ErrorKind::InvalidData, e);
        Error::read(path, source)
    })?;
    parse_labelled(&path.display().to_string(), &text, texts)
}

pub(super) fn parse_labelled(
    file: &str,
    text: &str,
    texts: &[&str],
) -> Result<(Table, Vec<Vec<String>>)> {
    let bad = |line: Option<u64>, column: Option<&str>, rule: String, way_out: &str| Error::Data {
        file: file.into(),
        line: line.map(|l| l as usize),
        column: column.map(Into::into),
        rule,
        way_out: way_out.into(),
    };
    let mut reader = csv::ReaderBuilder::new()
        .flexible(true)
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let header = reader
        .headers()
        .map_err(|e| bad(Some(1), None, e.to_string(), "save the file as UTF-8 text"))?;
    let columns: Vec<String> = header.iter().map(Into::into).collect();
    for (k, name) in columns.iter().enumerate() {
        if name.is_empty() || columns[..k].contains(name) {
            let rule = format!("column names must be unique and not empty, found \"{name}\" again");
            return Err(bad(
                Some(1),
                None,
                rule,
                "name every column in the first line",
            ));
        }
    }
    if columns.iter().all(|c| c.parse::<f64>().is_ok()) {
        let rule = "the first line must name the columns, found only numbers".into();
        return Err(bad(
            Some(1),
            None,
            rule,
            "add a header line such as a,b,target",
        ));
    }
    if let Some(missing) = texts.iter().find(|t| !columns.iter().any(|c| c == *t)) {
        return Err(no_column(file, missing, &columns));
    }
    // Where a cell goes: to a column of text, or to the numbers.
    let places: Vec<Option<usize>> = columns
        .iter()
        .map(|c| texts.iter().position(|t| t == c))
        .collect();
    let mut cells = vec![Vec::new(); texts.len()];
    let mut values = Vec::new();
    let mut rows = 0;
    for record in reader.records() {
        let record =
            record.map_err(|e| bad(None, None, e.to_string(), "save the file as UTF-8 text"))?;
        let line = record.position().map(csv::Position::line);
        if record.len() != columns.len() {
            let rule = format!(
                "every line must have {} values like the header, this one has {}",
                columns.len(),
                record.len()
            );
            return Err(bad(line, None, rule, "complete the line or remove it"));
        }
        rows += 1;
        for ((cell, name), place) in record.iter().zip(&columns).zip(&places) {
            if let Some(k) = place {
                cells[*k].push(cell.to_owned());
                continue;
            }
            match cell.parse::<f64>() {
                Ok(v) if v.is_finite() => values.push(v),
                _ => {
                    let rule = format!("must be a finite number, found \"{cell}\"");
                    let way_out = "remove the line or fill in the value";
                    return Err(bad(line, Some(name), rule, way_out));
                }
            }
        }
    }
    if rows < 2 {
        let rule = format!("must have at least 2 samples, found {rows}");
        return Err(bad(None, None, rule, "add lines below the header"));
    }
    let numbers = columns.into_iter().zip(places).filter(|(_, p)| p.is_none());
    let columns: Vec<String> = numbers.map(|(name, _)| name).collect();
    let table = Table {
        file: file.into(),
        values: DMatrix::from_row_slice(rows, columns.len(), &values),
        columns,
    };
    Ok((table, cells))
}

fn no_column(file: &str, column: &str, columns: &[String]) -> Error {
    Error::Data {
        file: file.into(),
        line: None,
        column: Some(column.into()),
        rule: "there is no such column".into(),
        way_out: format!("the columns are {}", columns.join(", ")),
    }
}

/// Mean and population standard deviation of a column, 0 for one that does not vary; none beyond all scales, where its squares cannot be computed.
pub(super) fn moments(column: &DVector<f64>) -> Option<(f64, f64)> {
    let (mean, deviation) = (column.mean(), column.variance().sqrt());
    let computed =
        deviation < 1e100 && mean.abs() < 1e100 && (deviation == 0.0 || deviation > 1e-100);
    // Rounding of the mean leaves a few units in the last place on a constant column.
    let constant = deviation <= 1e-12 * mean.abs();
    computed.then_some((mean, if constant { 0.0 } else { deviation }))
}

impl Table {
    /// Features and target of a regression; with `standardise` every column is centred and divided by its population
    /// standard deviation.
    ///
    /// # Errors
    /// [`Error::Data`] if there is no column `target`, no feature beside it, or a column that does not vary.
    pub fn regression(
        &self,
        target: &str,
        standardise: bool,
    ) -> Result<(Samples, Vec<Standardisation>)> {
        self.regression_by(target, standardise, None)
    }

    /// The same, standardised by the means and deviations of some rows (all without).
    ///
    /// # Errors
    /// As [`Table::regression`], for columns that do not vary in these rows.
    pub fn regression_by(
        &self,
        target: &str,
        standardise: bool,
        rows: Option<&[usize]>,
    ) -> Result<(Samples, Vec<Standardisation>)> {
        let bad = |column: &str, rule: &str, way_out: String| Error::Data {
            file: self.file.clone(),
            line: None,
            column: Some(column.into()),
            rule: rule.into(),
            way_out,
        };
        let Some(t) = self.columns.iter().position(|c| c == target) else {
            return Err(no_column(&self.file, target, &self.columns));
        };
        if self.columns.len() < 2 {
            let way_out = "add feature columns".into();
            return Err(bad(
                target,
                "there is no feature beside the target",
                way_out,
            ));
        }
        let mut values = self.values.clone();
        let mut done = Vec::new();
        for (name, mut column) in self.columns.iter().zip(values.column_iter_mut()) {
            let own = match rows {
                None => column.clone_owned(),
                Some(rows) => column.select_rows(rows),
            };
            let Some((mean, deviation)) = moments(&own) else {
                let way_out = "measure it in another unit".into();
                return Err(bad(
                    name,
                    "is beyond all scales: its squares cannot be computed",
                    way_out,
                ));
            };
            if deviation == 0.0 {
                let way_out = "remove the column: it tells the samples nothing apart".into();
                return Err(bad(name, "must vary between samples", way_out));
            }
            if standardise {
                column.apply(|v| *v = (*v - mean) / deviation);
                done.push(Standardisation {
                    column: name.clone(),
                    mean,
                    deviation,
                });
            }
        }
        let y = DVector::from(values.column(t));
        Ok((Samples::new(values.remove_column(t), y), done))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broken_tables_are_refused_with_line_and_column() {
        let cases = [
            ("a,b\n1,2\n3\n", "t.csv:3"),
            ("a,b\n1,NaN\n3,4\n", "column b"),
            ("a,b\n1,\n3,4\n", "column b"),
            ("a,b\n1,x\n3,4\n", "\"x\""),
            ("a,a\n1,2\n3,4\n", "unique"),
            ("1,2\n3,4\n5,6\n", "header"),
            ("a,b\n1,2\n", "at least 2"),
        ];
        for (text, expected) in cases {
            let message = parse_table("t.csv", text).unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
            assert!(message.contains("t.csv"), "{message}");
        }
    }

    #[test]
    fn standardised_columns_have_mean_zero_and_variance_one() {
        let table = parse_table("t.csv", "a,t,b\n1,5,2\n3,4,9\n8,1,7\n").unwrap();
        let (samples, how) = table.regression("t", true).unwrap();
        assert_eq!(samples.x.shape(), (3, 2));
        for column in samples.x.column_iter() {
            assert!(column.mean().abs() < 1e-15);
            assert!((column.variance() - 1.0).abs() < 1e-15);
        }
        assert_eq!(how[0].mean, 4.0);
        assert!(table.regression("c", true).is_err());
        let constant = parse_table("t.csv", "a,t\n1,5\n1,4\n").unwrap();
        assert!(constant.regression("t", false).is_err());
    }
}
