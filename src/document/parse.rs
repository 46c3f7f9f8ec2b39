//! From text to tree.

use std::ops::Range;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::tree::{Entry, Node, Origin, Table, Value};
use super::write::join;
use crate::error::Violation;

pub(super) struct Source<'t> {
    file: Arc<str>,
    pub(super) text: &'t str,
    line_starts: Vec<usize>,
}

impl<'t> Source<'t> {
    pub(super) fn new(file_name: &str, text: &'t str) -> Self {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let line_starts = std::iter::once(0)
            .chain(text.match_indices('\n').map(|(at, _)| at + 1))
            .collect();
        Self {
            file: file_name.into(),
            text,
            line_starts,
        }
    }

    pub(super) fn origin(&self, offset: usize) -> Origin {
        let line = self
            .line_starts
            .partition_point(|start| *start <= offset)
            .max(1);
        let start = self.line_starts.get(line - 1).copied().unwrap_or(0);
        let before = self
            .text
            .get(start..offset.min(self.text.len()))
            .unwrap_or("");
        Origin {
            file: self.file.clone(),
            line,
            column: before.chars().count() + 1,
        }
    }

    pub(super) fn syntax_violation(&self, error: &toml::de::Error) -> Violation {
        let span = error.span().unwrap_or(self.text.len()..self.text.len());
        let origin = self.origin(span.start);
        let message = error.message();
        if message.contains("duplicate key") {
            let key = self.text.get(span).unwrap_or("").trim();
            return origin.violation(
                key,
                None,
                "this key stands here a second time",
                "keep one of them",
            );
        }
        origin.violation(
            "",
            None,
            format!("not valid TOML: {message}"),
            "correct the syntax here",
        )
    }

    /// The tree under a table; a value that has no place in it becomes a violation.
    pub(super) fn table(
        &self,
        path: &str,
        table: DeTable<'t>,
        origin: Origin,
        violations: &mut Vec<Violation>,
    ) -> Node {
        let mut entries: Vec<_> = table.into_iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        let entries = entries.into_iter().map(|(key, value)| {
            let origin = self.origin(key.span().start);
            let key = key.into_inner().into_owned();
            let node = self.node(&join(path, &key), value, Some(&origin), violations);
            Entry { key, origin, node }
        });
        Node {
            value: Value::Table(Table {
                entries: entries.collect(),
            }),
            origin,
        }
    }

    fn node(
        &self,
        path: &str,
        value: Spanned<DeValue<'t>>,
        key_origin: Option<&Origin>,
        violations: &mut Vec<Violation>,
    ) -> Node {
        let span = value.span();
        let origin = self.origin(span.start);
        let mut refuse = |rule: &str, way_out: &str| {
            let written = self
                .text
                .get(span.clone() as Range<usize>)
                .map(str::to_owned);
            violations.push(origin.violation(path, written, rule, way_out));
            Value::Bool(false)
        };
        let value = match value.into_inner() {
            DeValue::Table(table) => {
                let origin = key_origin.cloned().unwrap_or(origin);
                return self.table(path, table, origin, violations);
            }
            DeValue::Array(items) => Value::List(
                items
                    .into_iter()
                    .enumerate()
                    .map(|(index, item)| {
                        self.node(&join(path, &index.to_string()), item, None, violations)
                    })
                    .collect(),
            ),
            DeValue::String(text) => Value::Text(text.into_owned()),
            DeValue::Boolean(bool) => Value::Bool(bool),
            DeValue::Integer(integer) => {
                match i64::from_str_radix(integer.as_str(), integer.radix()) {
                    Ok(integer) => Value::Integer(integer),
                    Err(_) => refuse(
                        "does not fit a 64-bit integer",
                        "write it with a decimal point",
                    ),
                }
            }
            DeValue::Float(float) => match float.as_str().parse::<f64>() {
                Ok(value) if !value.is_infinite() || float.as_str().contains("inf") => {
                    Value::Float(value)
                }
                _ => refuse(
                    "does not fit a 64-bit number",
                    "write a number below 1.8e308",
                ),
            },
            DeValue::Datetime(_) => refuse(
                "dates and times have no use here",
                "write it in quotes, as text",
            ),
        };
        Node { value, origin }
    }
}
