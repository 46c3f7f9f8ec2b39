//! From tree to text.

use std::fmt;

use super::tree::{Entry, Table, Value};
use crate::error::closest;

pub(super) fn write_table(out: &mut String, path: &str, table: &Table) {
    let is_table = |entry: &&Entry| matches!(entry.node.value, Value::Table(_));
    if !path.is_empty() && (table.is_empty() || !table.iter().all(|entry| is_table(&entry))) {
        let gap = if out.is_empty() { "" } else { "\n" };
        out.push_str(&format!("{gap}[{path}]\n"));
    }
    for entry in table.iter().filter(|entry| !is_table(entry)) {
        out.push_str(&format!("{} = {}\n", quoted(&entry.key), entry.node.value));
    }
    for entry in table.iter() {
        if let Value::Table(inner) = &entry.node.value {
            write_table(out, &join(path, &entry.key), inner);
        }
    }
}

pub(super) fn write_text(f: &mut impl fmt::Write, text: &str) -> fmt::Result {
    f.write_char('"')?;
    for c in text.chars() {
        match c {
            '"' => f.write_str("\\\"")?,
            '\\' => f.write_str("\\\\")?,
            '\n' => f.write_str("\\n")?,
            '\r' => f.write_str("\\r")?,
            '\t' => f.write_str("\\t")?,
            c if c.is_control() => write!(f, "\\u{:04X}", u32::from(c))?,
            c => f.write_char(c)?,
        }
    }
    f.write_char('"')
}

/// A key as TOML writes it: bare where that is allowed.
pub(super) fn quoted(key: &str) -> String {
    let is_bare = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if !key.is_empty() && key.chars().all(is_bare) {
        return key.to_owned();
    }
    Value::Text(key.to_owned()).to_string()
}

pub(super) fn join(path: &str, key: &str) -> String {
    let key = quoted(key);
    if path.is_empty() {
        key
    } else {
        format!("{path}.{key}")
    }
}

/// A table as sentences call it.
pub(super) fn named(path: &str) -> String {
    if path.is_empty() {
        "the top level of the file".to_owned()
    } else {
        format!("[{path}]")
    }
}

/// A value as messages show it: whole when it is short, and no tables.
pub(super) fn short(value: &Value) -> Option<String> {
    const LONGEST: usize = 60;
    if matches!(value, Value::Table(_)) {
        return None;
    }
    let text = value.to_string();
    if text.chars().count() <= LONGEST {
        return Some(text);
    }
    Some(
        text.chars()
            .take(LONGEST)
            .chain(std::iter::once('…'))
            .collect(),
    )
}

/// The word that was meant, or all that are known.
pub(super) fn suggestion<S: AsRef<str>>(word: &str, known: &[S]) -> String {
    let known: Vec<&str> = known.iter().map(AsRef::as_ref).collect();
    match closest(word, known.iter().copied()) {
        Some(meant) => format!("did you mean {meant}?"),
        None if known.is_empty() => "remove it: nothing is expected here".to_owned(),
        None => format!("known here: {}", known.join(", ")),
    }
}
