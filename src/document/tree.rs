//! The tree: values that know where they were written.

use std::fmt::{self, Write as _};
use std::path::Path;
use std::sync::Arc;

use toml::de::DeTable;

use super::parse::Source;
use super::rule::Violations;
use super::section::Section;
use super::write::{join, named, quoted, short, suggestion, write_table, write_text};
use crate::error::{Error, Result, Violation};

/// The place where a key or a value was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The file as the user named it.
    pub file: Arc<str>,
    /// Line, counted from 1.
    pub line: usize,
    /// Column in characters, counted from 1.
    pub column: usize,
}

impl Origin {
    /// A violation at this place.
    pub fn violation(
        &self,
        key: &str,
        value: Option<String>,
        rule: impl Into<String>,
        way_out: impl Into<String>,
    ) -> Violation {
        Violation {
            file: self.file.to_string(),
            line: Some(self.line),
            column: Some(self.column),
            key: key.to_owned(),
            value,
            rule: rule.into(),
            way_out: way_out.into(),
        }
    }
}

/// A value and the place where it was written. Two nodes are equal when their values are, wherever they stand.
#[derive(Clone, Debug)]
pub struct Node {
    /// The value.
    pub value: Value,
    /// Where it was written; for a table that is where its name first appears.
    pub origin: Origin,
}

impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

/// A TOML value. Dates and times have no use here and are refused when a document is parsed.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Text.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// A number with a point or an exponent.
    Float(f64),
    /// `true` or `false`.
    Bool(bool),
    /// A list.
    List(Vec<Node>),
    /// A table.
    Table(Table),
}

impl Value {
    /// What the value is, with its article: `a number`, `a table`.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "text",
            Self::Integer(_) | Self::Float(_) => "a number",
            Self::Bool(_) => "true or false",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
        }
    }
}

/// Writes the value as TOML in one line.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write_text(f, text),
            Self::Integer(integer) => write!(f, "{integer}"),
            Self::Float(float) if float.is_nan() => f.write_str("nan"),
            Self::Float(float) => write!(f, "{float:?}"),
            Self::Bool(bool) => write!(f, "{bool}"),
            Self::List(items) => {
                f.write_char('[')?;
                for (index, item) in items.iter().enumerate() {
                    let comma = if index > 0 { ", " } else { "" };
                    write!(f, "{comma}{}", item.value)?;
                }
                f.write_char(']')
            }
            Self::Table(table) if table.is_empty() => f.write_str("{}"),
            Self::Table(table) => {
                f.write_str("{ ")?;
                for (index, entry) in table.iter().enumerate() {
                    let comma = if index > 0 { ", " } else { "" };
                    write!(f, "{comma}{} = {}", quoted(&entry.key), entry.node.value)?;
                }
                f.write_str(" }")
            }
        }
    }
}

/// One line of a table.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Where the key was written.
    pub origin: Origin,
    /// The value.
    pub node: Node,
}

/// A table in the order of the file. Two tables are equal when they hold the same entries in any order.
#[derive(Clone, Debug, Default)]
pub struct Table {
    pub(super) entries: Vec<Entry>,
}

impl PartialEq for Table {
    fn eq(&self, other: &Self) -> bool {
        self.entries.len() == other.entries.len()
            && self
                .entries
                .iter()
                .all(|entry| other.get(&entry.key) == Some(&entry.node))
    }
}

impl Table {
    /// The value under a key.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|entry| &entry.node)
    }

    /// The value under a key, to be changed.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Node> {
        let index = self.position(key)?;
        Some(&mut self.entries[index].node)
    }

    /// The entry under a key.
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    /// All entries in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Entry> {
        self.entries.iter()
    }

    /// All keys in order.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|entry| entry.key.as_str())
    }

    /// The number of entries.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Adds an entry, or replaces the one that has its key, in its place.
    pub fn insert(&mut self, entry: Entry) {
        match self.position(&entry.key) {
            Some(index) => self.entries[index] = entry,
            None => self.entries.push(entry),
        }
    }

    /// Takes an entry out.
    pub fn remove(&mut self, key: &str) -> Option<Entry> {
        self.position(key).map(|index| self.entries.remove(index))
    }

    fn position(&self, key: &str) -> Option<usize> {
        self.entries.iter().position(|entry| entry.key == key)
    }
}

/// A TOML file in memory.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// The table of the whole file.
    pub root: Node,
}

impl Document {
    /// Reads and parses a file.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        match std::fs::read_to_string(path) {
            Ok(text) => Self::parse(&path.display().to_string(), &text),
            Err(source) => Err(Error::read(path, source)),
        }
    }

    /// Parses a text; `file_name` is what errors call it. All syntax errors are reported at once.
    pub fn parse(file_name: &str, text: &str) -> Result<Self> {
        let source = Source::new(file_name, text);
        let (table, errors) = DeTable::parse_recoverable(source.text);
        let mut violations: Vec<Violation> = Vec::new();
        for error in errors {
            let violation = source.syntax_violation(&error);
            // What follows the first error of a line is mostly its echo.
            if !violations
                .iter()
                .any(|earlier| earlier.line == violation.line)
            {
                violations.push(violation);
            }
        }
        let root = if violations.is_empty() {
            source.table("", table.into_inner(), source.origin(0), &mut violations)
        } else {
            return Err(Error::Invalid(violations));
        };
        if violations.is_empty() {
            Ok(Self { root })
        } else {
            Err(Error::Invalid(violations))
        }
    }

    /// Opens the whole file for reading.
    pub fn section<'a>(&'a self, violations: &'a Violations) -> Section<'a> {
        Section::new(&self.root, "", violations)
    }

    /// Lays another tree over this one: tables merge key by key, everything else is replaced.
    ///
    /// A key in `choices` holds a table whose only key is a choice (`[law.soft-bounds]`), or that key as text. It
    /// merges when both trees choose the same; another choice replaces the old one with all its settings. Each
    /// value keeps the place where it was written.
    ///
    /// ```
    /// use memridge::document::Document;
    ///
    /// let mut device = Document::parse("a.toml", "cite = 'x'\n[law.linear-step]\nstep = 0.1\nslope = 0.3")?;
    /// device.merge(Document::parse("b.toml", "[law.linear-step]\nstep = 0.2")?.root, &["law"]);
    /// assert_eq!(device.to_toml(), "cite = \"x\"\n\n[law.linear-step]\nstep = 0.2\nslope = 0.3\n");
    /// device.merge(Document::parse("c.toml", "[law.constant-step]\nstep = 0.5")?.root, &["law"]);
    /// assert_eq!(device.to_toml(), "cite = \"x\"\n\n[law.constant-step]\nstep = 0.5\n");
    /// # Ok::<(), memridge::error::Error>(())
    /// ```
    pub fn merge(&mut self, overlay: Node, choices: &[&str]) {
        merge(&mut self.root, overlay, choices);
    }

    /// Puts a value at a dotted path such as `task.optimizer.learning-rate` or `layers.0.size`.
    ///
    /// The table that holds it must exist; the key itself may be new. Keys that contain a dot are out of reach.
    pub fn set(&mut self, path: &str, node: Node) -> Result<()> {
        let refuse = |node: &Node, rule: String, way_out: String| {
            Err(Error::from(node.origin.violation(
                path,
                short(&node.value),
                rule,
                way_out,
            )))
        };
        let (parents, last) = path.rsplit_once('.').unwrap_or(("", path));
        let mut place = &mut self.root;
        let mut walked = String::new();
        for key in parents.split('.').filter(|_| !parents.is_empty()) {
            place = match child(place, key) {
                Ok(found) => found,
                Err(known) => {
                    return refuse(
                        &node,
                        format!("there is no {key} in {}", named(&walked)),
                        suggestion(key, &known),
                    );
                }
            };
            walked = join(&walked, key);
        }
        match &mut place.value {
            Value::Table(table) if !last.is_empty() => {
                table.insert(Entry {
                    key: last.to_owned(),
                    origin: node.origin.clone(),
                    node,
                });
                Ok(())
            }
            Value::List(items) => match last
                .parse::<usize>()
                .ok()
                .and_then(|index| items.get_mut(index))
            {
                Some(item) => {
                    *item = node;
                    Ok(())
                }
                None => {
                    let rule = format!("{} has no item {last}", named(&walked));
                    refuse(
                        &node,
                        rule,
                        format!("its items are numbered from 0 and it has {}", items.len()),
                    )
                }
            },
            Value::Table(_) => refuse(
                &node,
                "the path must end in a key".into(),
                "for example task.epochs".into(),
            ),
            other => {
                let rule = format!(
                    "{} is {}, which holds no {last}",
                    named(&walked),
                    other.kind()
                );
                refuse(
                    &node,
                    rule,
                    format!("write it as a table first: [{walked}]"),
                )
            }
        }
    }

    /// Every value that is no table, as TOML, with its dotted key.
    pub fn lines(&self) -> Vec<(String, String)> {
        fn walk(node: &Node, path: &str, out: &mut Vec<(String, String)>) {
            match &node.value {
                Value::Table(table) if !table.is_empty() => {
                    for entry in table.iter() {
                        walk(&entry.node, &join(path, &entry.key), out);
                    }
                }
                value => out.push((path.to_owned(), value.to_string())),
            }
        }
        let mut out = Vec::new();
        walk(&self.root, "", &mut out);
        out
    }

    /// Writes the document as TOML that parses to an equal tree.
    pub fn to_toml(&self) -> String {
        let mut out = String::new();
        if let Value::Table(table) = &self.root.value {
            write_table(&mut out, "", table);
        }
        out
    }
}

pub(super) fn merge(base: &mut Node, overlay: Node, choices: &[&str]) {
    match (&mut base.value, overlay) {
        (
            Value::Table(base),
            Node {
                value: Value::Table(overlay),
                ..
            },
        ) => {
            for entry in overlay.entries {
                let Some(index) = base.position(&entry.key) else {
                    base.entries.push(entry);
                    continue;
                };
                let old = &mut base.entries[index];
                let is_choice = choices.contains(&entry.key.as_str());
                match (&old.node.value, &entry.node.value) {
                    (Value::Table(before), Value::Table(after))
                        if !is_choice || before.keys().eq(after.keys()) =>
                    {
                        merge(&mut old.node, entry.node, choices);
                    }
                    // The same choice once more, with nothing to change in it.
                    (Value::Table(before), Value::Text(name))
                        if is_choice && before.keys().eq([name.as_str()]) => {}
                    _ => *old = entry,
                }
            }
        }
        (_, overlay) => *base = overlay,
    }
}

/// The child of a table or list, or the keys that there are.
pub(super) fn child<'n>(
    node: &'n mut Node,
    key: &str,
) -> std::result::Result<&'n mut Node, Vec<String>> {
    match &mut node.value {
        Value::Table(table) => match table.position(key) {
            Some(index) => Ok(&mut table.entries[index].node),
            None => Err(table.keys().map(str::to_owned).collect()),
        },
        Value::List(items) => {
            let known = (0..items.len()).map(|index| index.to_string()).collect();
            key.parse::<usize>()
                .ok()
                .and_then(|index| items.get_mut(index))
                .ok_or(known)
        }
        _ => Err(Vec::new()),
    }
}
