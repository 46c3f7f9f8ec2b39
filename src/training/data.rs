//! Tables of numbers from CSV files.

use std::path::Path;

use nalgebra::{DMatrix, DVector};

use super::task::Samples;
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

/// Reads a CSV file with a header line and one sample a line; every cell must be a finite number.
///
/// # Errors
/// [`Error::Read`] if the file cannot be read; [`Error::Data`] with line and column for a ragged row, an empty or non-numeric
/// cell, NaN, infinity, a repeated column name, or fewer than two rows.
pub fn read_table(path: &Path) -> Result<Table> {
    let text = std::fs::read_to_string(path).map_err(|e| Error::read(path, e))?;
    parse_table(&path.display().to_string(), &text)
}

/// Reads a table from text; `file` names it in messages.
///
/// # Errors
/// As [`read_table`].
pub fn parse_table(file: &str, text: &str) -> Result<Table> {
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
    let mut values = Vec::new();
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
        for (cell, name) in record.iter().zip(&columns) {
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
    let rows = values.len() / columns.len().max(1);
    if rows < 2 {
        let rule = format!("must have at least 2 samples, found {rows}");
        return Err(bad(None, None, rule, "add lines below the header"));
    }
    Ok(Table {
        file: file.into(),
        values: DMatrix::from_row_slice(rows, columns.len(), &values),
        columns,
    })
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
            let names = self.columns.join(", ");
            return Err(bad(
                target,
                "there is no such column",
                format!("the columns are {names}"),
            ));
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
            let (mean, variance) = match rows {
                None => (column.mean(), column.variance()),
                Some(rows) => {
                    let own = column.select_rows(rows);
                    (own.mean(), own.variance())
                }
            };
            let deviation = variance.sqrt();
            if !(deviation < 1e100
                && mean.abs() < 1e100
                && (deviation == 0.0 || deviation > 1e-100))
            {
                let way_out = "measure it in another unit".into();
                return Err(bad(
                    name,
                    "is beyond all scales: its squares cannot be computed",
                    way_out,
                ));
            }
            // Rounding of the mean leaves a few units in the last place on a constant column.
            if deviation <= 1e-12 * mean.abs() || deviation == 0.0 {
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
