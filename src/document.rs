//! Input files: a TOML tree that knows where each key and value was written, and a reader that reports every
//! broken rule of a file at once.
//!
//! A [`Document`] is read from a file, layered over others with [`Document::merge`] and changed by
//! [`Document::set`]. A [`Section`] reads one of its tables with typed getters. A getter that meets a missing or
//! wrong value records a [`Violation`] and returns a harmless stand-in, so the reading goes on to the next error;
//! [`Violations::check`] refuses the whole afterwards, and nothing ever uses the stand-ins.
//!
//! ```
//! use memridge::document::{Document, Rule, Violations};
//! use memridge::units::Siemens;
//!
//! let document = Document::parse("study.toml", r#"
//! [task]
//! learning-rate = -0.1
//! epoch = 20
//! g-max = "20 us"
//! "#)?;
//!
//! let violations = Violations::new();
//! let root = document.section(&violations);
//! let task = root.section("task");
//! let rate = task.number("learning-rate", Rule::Positive);
//! let epochs: usize = task.integer("epochs", Rule::AtLeast(1.0));
//! let g_max = task.quantity::<Siemens>("g-max", Rule::Positive);
//! task.finish();
//! root.finish();
//!
//! let error = violations.into_result((rate, epochs, g_max)).unwrap_err();
//! assert_eq!(error.to_string(), "\
//! study.toml:3:17: task.learning-rate = -0.1: must be greater than 0; for example learning-rate = 0.01
//! study.toml:4:1: task.epoch = 20: unknown key; did you mean epochs?
//! study.toml:5:9: task.g-max = \"20 us\": \"us\" is a unit of time; for example g-max = \"20 uS\"");
//! # Ok::<(), memridge::error::Error>(())
//! ```
//!
//! A section that goes out of scope reports the keys that nobody asked for, and the collector cannot be checked
//! while a section is open. So a misspelt key cannot pass silently: this does not compile, for want of
//! `root.finish()`.
//!
//! ```compile_fail,E0505
//! # use memridge::document::{Document, Rule, Violations};
//! let document = Document::parse("study.toml", "seed = 7")?;
//! let violations = Violations::new();
//! let root = document.section(&violations);
//! let seed: u64 = root.integer("seed", Rule::NonNegative);
//! violations.into_result(seed)
//! # ;root.finish(); Ok::<(), memridge::error::Error>(())
//! ```

use std::cell::{Cell, RefCell};
use std::fmt::{self, Write as _};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::error::{Error, Result, Violation, closest};
use crate::units::Quantity;

// ---------------------------------------------------------------------------------------------------- the tree

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
    fn kind(&self) -> &'static str {
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
    entries: Vec<Entry>,
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

    /// Writes the document as TOML that parses to an equal tree.
    pub fn to_toml(&self) -> String {
        let mut out = String::new();
        if let Value::Table(table) = &self.root.value {
            write_table(&mut out, "", table);
        }
        out
    }
}

fn merge(base: &mut Node, overlay: Node, choices: &[&str]) {
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
fn child<'n>(node: &'n mut Node, key: &str) -> std::result::Result<&'n mut Node, Vec<String>> {
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

// ------------------------------------------------------------------------------------------- from text to tree

struct Source<'t> {
    file: Arc<str>,
    text: &'t str,
    line_starts: Vec<usize>,
}

impl<'t> Source<'t> {
    fn new(file_name: &str, text: &'t str) -> Self {
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

    fn origin(&self, offset: usize) -> Origin {
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

    fn syntax_violation(&self, error: &toml::de::Error) -> Violation {
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
    fn table(
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

// ------------------------------------------------------------------------------------------- from tree to text

fn write_table(out: &mut String, path: &str, table: &Table) {
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

fn write_text(f: &mut impl fmt::Write, text: &str) -> fmt::Result {
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
fn quoted(key: &str) -> String {
    let is_bare = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if !key.is_empty() && key.chars().all(is_bare) {
        return key.to_owned();
    }
    Value::Text(key.to_owned()).to_string()
}

fn join(path: &str, key: &str) -> String {
    let key = quoted(key);
    if path.is_empty() {
        key
    } else {
        format!("{path}.{key}")
    }
}

/// A table as sentences call it.
fn named(path: &str) -> String {
    if path.is_empty() {
        "the top level of the file".to_owned()
    } else {
        format!("[{path}]")
    }
}

/// A value as messages show it: whole when it is short, and no tables.
fn short(value: &Value) -> Option<String> {
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
fn suggestion<S: AsRef<str>>(word: &str, known: &[S]) -> String {
    let known: Vec<&str> = known.iter().map(AsRef::as_ref).collect();
    match closest(word, known.iter().copied()) {
        Some(meant) => format!("did you mean {meant}?"),
        None if known.is_empty() => "remove it: nothing is expected here".to_owned(),
        None => format!("known here: {}", known.join(", ")),
    }
}

// ----------------------------------------------------------------------------------------------------- reading

/// What a number must satisfy. For a quantity the bounds are in SI units.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rule {
    /// Any finite number.
    Any,
    /// Greater than 0.
    Positive,
    /// 0 or greater.
    NonNegative,
    /// Between two bounds that belong to the range.
    Between(f64, f64),
    /// Between two bounds that do not belong to the range.
    OpenBetween(f64, f64),
    /// A bound or greater.
    AtLeast(f64),
}

impl Rule {
    /// Whether a number satisfies the rule; no rule accepts NaN or an infinity.
    pub fn accepts(self, value: f64) -> bool {
        value.is_finite()
            && match self {
                Self::Any => true,
                Self::Positive => value > 0.0,
                Self::NonNegative => value >= 0.0,
                Self::Between(low, high) => low <= value && value <= high,
                Self::OpenBetween(low, high) => low < value && value < high,
                Self::AtLeast(low) => value >= low,
            }
    }

    /// The rule as it follows "must be": `greater than 0`, with bounds written by `show`.
    fn phrase(self, show: impl Fn(f64) -> String) -> String {
        match self {
            Self::Any => "finite".to_owned(),
            Self::Positive => "greater than 0".to_owned(),
            Self::NonNegative => "0 or greater".to_owned(),
            Self::Between(low, high) => format!("between {} and {}", show(low), show(high)),
            Self::OpenBetween(low, high) => {
                format!("between {} and {}, both excluded", show(low), show(high))
            }
            Self::AtLeast(low) => format!("at least {}", show(low)),
        }
    }

    /// What is expected, as it follows "must be" for a value of another kind: `a number that is greater than 0`.
    fn expected(self, kind: &str, show: impl Fn(f64) -> String) -> String {
        if self == Self::Any {
            kind.to_owned()
        } else {
            format!("{kind} that is {}", self.phrase(show))
        }
    }

    /// A number that satisfies the rule.
    fn example(self) -> f64 {
        match self {
            Self::Any | Self::Positive | Self::NonNegative => 0.01,
            Self::Between(low, high) | Self::OpenBetween(low, high) => 0.5 * (low + high),
            Self::AtLeast(low) => low,
        }
    }

    /// A whole number that satisfies the rule, where there is one.
    fn whole_example(self) -> i64 {
        match self {
            Self::Any | Self::Positive | Self::NonNegative => 1,
            Self::Between(low, high) if low <= 1.0 && high >= 1.0 => 1,
            Self::Between(low, _) | Self::AtLeast(low) => low.ceil() as i64,
            Self::OpenBetween(low, _) => (low.floor() as i64).saturating_add(1),
        }
    }
}

/// The rule as it follows "must be": `greater than 0`, `between 0 and 1`.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.phrase(plain))
    }
}

/// A number as people write it: `1`, `0.5`, `1e-9`.
fn plain(value: f64) -> String {
    let text = format!("{value:?}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

/// A number, which is relative to something, or a quantity, which is absolute.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum NumberOr<Q> {
    /// A plain number.
    Number(f64),
    /// A quantity with its unit.
    Quantity(Q),
}

/// Collects the violations of all files that are read together.
#[derive(Debug, Default)]
pub struct Violations {
    found: RefCell<Vec<Violation>>,
}

impl Violations {
    /// An empty collection.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a violation, unless the very same is there already.
    pub fn add(&self, violation: Violation) {
        let mut found = self.found.borrow_mut();
        if !found.contains(&violation) {
            found.push(violation);
        }
    }

    /// Takes over the violations of a failed reading and goes on; other errors pass through.
    pub fn absorb<T>(&self, result: Result<T>) -> Result<Option<T>> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(Error::Invalid(violations)) => {
                violations
                    .into_iter()
                    .for_each(|violation| self.add(violation));
                Ok(None)
            }
            Err(other) => Err(other),
        }
    }

    /// Whether nothing was found so far. Open sections report missing and unknown keys only when they finish.
    pub fn is_empty(&self) -> bool {
        self.found.borrow().is_empty()
    }

    /// Succeeds if there are no violations, else fails with all of them in the order of the files.
    pub fn check(self) -> Result<()> {
        let mut found = self.found.into_inner();
        if found.is_empty() {
            return Ok(());
        }
        found.sort_by(|a, b| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
        Err(Error::Invalid(found))
    }

    /// The value if there are no violations, else all of them.
    pub fn into_result<T>(self, value: T) -> Result<T> {
        self.check().map(|()| value)
    }
}

/// A table that is being read.
///
/// Getters without a prefix require their key; `optional_` getters return `None` where it is missing. A wrong value
/// is recorded either way. After an error, getters return a stand-in that satisfies the rule. When the section goes
/// out of scope, or by [`Section::finish`], missing keys and keys that no getter asked for are recorded.
#[must_use = "an unread section reports all its keys as unknown"]
#[derive(Debug)]
pub struct Section<'a> {
    /// `None` for a table without entries: one that is absent, or a choice written as text.
    table: Option<&'a Table>,
    /// A stand-in for a table that is missing or wrong, which is reported already: it records nothing.
    stand_in: bool,
    origin: Origin,
    path: String,
    violations: &'a Violations,
    asked: RefCell<Vec<String>>,
    missing: RefCell<Vec<Missing>>,
    all_taken: Cell<bool>,
}

#[derive(Debug)]
struct Missing {
    key: String,
    expected: String,
    example: String,
}

/// What a getter looks for.
struct Wanted<'k> {
    key: &'k str,
    /// With its article, as it follows "must be".
    expected: String,
    /// How to write it.
    example: String,
}

/// Why a value is refused; without a way out of its own, the example of the getter serves.
struct Refusal {
    rule: String,
    way_out: Option<String>,
}

impl From<String> for Refusal {
    fn from(rule: String) -> Self {
        Self {
            rule,
            way_out: None,
        }
    }
}

type Read<T> = std::result::Result<T, Refusal>;

impl<'a> Section<'a> {
    /// Opens a table for reading; `path` is the dotted path that messages give it.
    pub fn new(node: &'a Node, path: &str, violations: &'a Violations) -> Self {
        let table = match &node.value {
            Value::Table(table) => Some(table),
            other => {
                let rule = format!("must be a table, not {}", other.kind());
                let way_out = format!("write it as [{path}] with its keys below");
                violations.add(node.origin.violation(path, short(other), rule, way_out));
                None
            }
        };
        Self::over(
            table,
            table.is_none(),
            node.origin.clone(),
            path.to_owned(),
            violations,
        )
    }

    fn over(
        table: Option<&'a Table>,
        stand_in: bool,
        origin: Origin,
        path: String,
        violations: &'a Violations,
    ) -> Self {
        Self {
            table,
            stand_in,
            origin,
            path,
            violations,
            asked: RefCell::default(),
            missing: RefCell::default(),
            all_taken: Cell::new(false),
        }
    }

    fn stand_in(&self, key: &str) -> Self {
        Self::over(
            None,
            true,
            self.origin.clone(),
            join(&self.path, key),
            self.violations,
        )
    }

    /// Where the section was written.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Dotted path of the section, empty for the whole file.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Whether a key is present; this does not count as asking for it.
    pub fn has(&self, key: &str) -> bool {
        self.table.is_some_and(|table| table.get(key).is_some())
    }

    // --- numbers

    /// A number.
    pub fn number(&self, key: &str, rule: Rule) -> f64 {
        self.required(number(key, rule), |value| read_number(value, rule))
            .unwrap_or(rule.example())
    }

    /// A number that may be missing.
    pub fn optional_number(&self, key: &str, rule: Rule) -> Option<f64> {
        self.optional(number(key, rule), |value| read_number(value, rule))
    }

    /// A list of numbers that all satisfy the rule; it may be empty.
    pub fn numbers(&self, key: &str, rule: Rule) -> Vec<f64> {
        self.required(list_of_numbers(key, rule), read_list)
            .map(|items| self.items(key, "a number", items, |value| read_number(value, rule)))
            .unwrap_or_default()
    }

    /// A list of numbers that may be missing.
    pub fn optional_numbers(&self, key: &str, rule: Rule) -> Option<Vec<f64>> {
        self.optional(list_of_numbers(key, rule), read_list)
            .map(|items| self.items(key, "a number", items, |value| read_number(value, rule)))
    }

    /// A whole number of any integer type that holds it.
    pub fn integer<T: TryFrom<i64> + From<u8>>(&self, key: &str, rule: Rule) -> T {
        self.required(integer(key, rule), |value| read_integer(value, rule))
            .unwrap_or_else(|| T::try_from(rule.whole_example()).unwrap_or(T::from(1)))
    }

    /// A whole number that may be missing.
    pub fn optional_integer<T: TryFrom<i64>>(&self, key: &str, rule: Rule) -> Option<T> {
        self.optional(integer(key, rule), |value| read_integer(value, rule))
    }

    /// A list of whole numbers that all satisfy the rule; it may be empty.
    pub fn integers<T: TryFrom<i64>>(&self, key: &str, rule: Rule) -> Vec<T> {
        self.required(list_of_integers(key, rule), read_list)
            .map(|items| {
                self.items(key, "a whole number", items, |value| {
                    read_integer(value, rule)
                })
            })
            .unwrap_or_default()
    }

    /// A list of whole numbers that may be missing.
    pub fn optional_integers<T: TryFrom<i64>>(&self, key: &str, rule: Rule) -> Option<Vec<T>> {
        self.optional(list_of_integers(key, rule), read_list)
            .map(|items| {
                self.items(key, "a whole number", items, |value| {
                    read_integer(value, rule)
                })
            })
    }

    // --- quantities

    /// A quantity with its unit, such as `"20 uS"`.
    pub fn quantity<Q: Quantity>(&self, key: &str, rule: Rule) -> Q {
        self.required(quantity::<Q>(key, rule), |value| read_quantity(value, rule))
            .unwrap_or_else(|| example_quantity(rule))
    }

    /// A quantity that may be missing.
    pub fn optional_quantity<Q: Quantity>(&self, key: &str, rule: Rule) -> Option<Q> {
        self.optional(quantity::<Q>(key, rule), |value| read_quantity(value, rule))
    }

    /// A plain number, or a quantity with its unit; the rule holds for both.
    pub fn number_or_quantity<Q: Quantity>(&self, key: &str, rule: Rule) -> NumberOr<Q> {
        self.required(number_or_quantity::<Q>(key, rule), |value| {
            read_number_or_quantity(value, rule)
        })
        .unwrap_or(NumberOr::Number(rule.example()))
    }

    /// A plain number or a quantity, which may be missing.
    pub fn optional_number_or_quantity<Q: Quantity>(
        &self,
        key: &str,
        rule: Rule,
    ) -> Option<NumberOr<Q>> {
        self.optional(number_or_quantity::<Q>(key, rule), |value| {
            read_number_or_quantity(value, rule)
        })
    }

    // --- text and switches

    /// A text that is not blank.
    pub fn text(&self, key: &str) -> String {
        self.required(text(key), read_text).unwrap_or_default()
    }

    /// A text that may be missing.
    pub fn optional_text(&self, key: &str) -> Option<String> {
        self.optional(text(key), read_text)
    }

    /// A list of texts; it may be empty.
    pub fn texts(&self, key: &str) -> Vec<String> {
        self.required(list_of_texts(key), read_list)
            .map(|items| self.items(key, "text", items, read_text))
            .unwrap_or_default()
    }

    /// A list of texts that may be missing.
    pub fn optional_texts(&self, key: &str) -> Option<Vec<String>> {
        self.optional(list_of_texts(key), read_list)
            .map(|items| self.items(key, "text", items, read_text))
    }

    /// `true` or `false`.
    pub fn bool(&self, key: &str) -> bool {
        self.required(switch(key), read_bool).unwrap_or_default()
    }

    /// `true` or `false`, or missing.
    pub fn optional_bool(&self, key: &str) -> Option<bool> {
        self.optional(switch(key), read_bool)
    }

    /// One of a few words; the first is the stand-in.
    pub fn one_of<'n>(&self, key: &str, names: &[&'n str]) -> &'n str {
        self.required(word(key, names), |value| read_word(value, names))
            .unwrap_or(names.first().copied().unwrap_or_default())
    }

    /// One of a few words, or missing.
    pub fn optional_one_of<'n>(&self, key: &str, names: &[&'n str]) -> Option<&'n str> {
        self.optional(word(key, names), |value| read_word(value, names))
    }

    // --- tables

    /// A table inside this one.
    pub fn section(&self, key: &str) -> Section<'a> {
        let wanted = self.table_wanted(key);
        let found = self.required(wanted, Ok);
        found.map_or_else(|| self.stand_in(key), |node| self.inner(key, node))
    }

    /// A table inside this one that may be missing.
    pub fn optional_section(&self, key: &str) -> Option<Section<'a>> {
        let wanted = self.table_wanted(key);
        self.optional(wanted, Ok).map(|node| self.inner(key, node))
    }

    /// A list of tables, `[[key]]`; none at all when the key is missing.
    pub fn sections(&self, key: &str) -> Vec<Section<'a>> {
        let example = format!("[[{}]]", join(&self.path, key));
        let wanted = Wanted {
            key,
            expected: "a list of tables".into(),
            example,
        };
        let items = self.optional(wanted, read_list).unwrap_or_default();
        let path = join(&self.path, key);
        let inner = |(index, item): (usize, &'a Node)| {
            Section::new(item, &join(&path, &index.to_string()), self.violations)
        };
        items.iter().enumerate().map(inner).collect()
    }

    /// A choice with its settings: a table that holds exactly one table, whose name is the choice
    /// (`[law.soft-bounds]`), or the name alone as text (`law = "soft-bounds"`), which chooses without settings.
    ///
    /// The first name, with a section that records nothing, is the stand-in.
    pub fn choice<'n>(&self, key: &str, names: &[&'n str]) -> (&'n str, Section<'a>) {
        let wanted = self.choice_wanted(key, names);
        self.required(wanted, |node| self.read_choice(key, node, names))
            .unwrap_or_else(|| {
                (
                    names.first().copied().unwrap_or_default(),
                    self.stand_in(key),
                )
            })
    }

    /// A choice with its settings that may be missing.
    pub fn optional_choice<'n>(
        &self,
        key: &str,
        names: &[&'n str],
    ) -> Option<(&'n str, Section<'a>)> {
        let wanted = self.choice_wanted(key, names);
        self.optional(wanted, |node| self.read_choice(key, node, names))
    }

    // --- what has no getter

    /// The bare value under a key; this counts as asking for it.
    pub fn node(&self, key: &str) -> Option<&'a Node> {
        self.ask(key);
        self.table?.get(key)
    }

    /// All entries that no getter asked for so far; this counts as asking for them. For tables whose keys the user
    /// names; the getters read the values by these keys.
    pub fn entries(&self) -> Vec<&'a Entry> {
        self.all_taken.set(true);
        let asked = self.asked.borrow();
        let free = |entry: &&Entry| !asked.contains(&entry.key);
        self.table
            .into_iter()
            .flat_map(Table::iter)
            .filter(free)
            .collect()
    }

    /// Records a violation at a key, or at the section if the key is missing.
    pub fn violation(&self, key: &str, rule: impl Into<String>, way_out: impl Into<String>) {
        if self.stand_in {
            return;
        }
        let node = self.table.and_then(|table| table.get(key));
        let origin = node.map_or(&self.origin, |node| &node.origin);
        let value = node.and_then(|node| short(&node.value));
        self.violations
            .add(origin.violation(&join(&self.path, key), value, rule, way_out));
    }

    /// Ends the reading: missing keys, and keys that no getter asked for, become violations.
    pub fn finish(self) {}

    // --- machinery

    fn ask(&self, key: &str) {
        let mut asked = self.asked.borrow_mut();
        if !asked.iter().any(|known| known == key) {
            asked.push(key.to_owned());
        }
    }

    fn required<T>(&self, wanted: Wanted<'_>, read: impl FnOnce(&'a Node) -> Read<T>) -> Option<T> {
        if !self.stand_in && !self.has(wanted.key) {
            let Wanted {
                key,
                expected,
                example,
            } = wanted;
            self.ask(key);
            self.missing.borrow_mut().push(Missing {
                key: key.to_owned(),
                expected,
                example,
            });
            return None;
        }
        self.optional(wanted, read)
    }

    fn optional<T>(&self, wanted: Wanted<'_>, read: impl FnOnce(&'a Node) -> Read<T>) -> Option<T> {
        let node = self.node(wanted.key)?;
        match read(node) {
            Ok(value) => Some(value),
            Err(Refusal { rule, way_out }) => {
                let rule = refused(rule, &wanted.expected, node);
                let way_out = way_out.unwrap_or_else(|| format!("for example {}", wanted.example));
                self.violation(wanted.key, rule, way_out);
                None
            }
        }
    }

    /// Reads the items of a list, each with its own place in messages.
    fn items<T>(
        &self,
        key: &str,
        expected: &str,
        items: &'a [Node],
        read: impl Fn(&'a Node) -> Read<T>,
    ) -> Vec<T> {
        let path = join(&self.path, key);
        let mut good = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            match read(item) {
                Ok(value) => good.push(value),
                Err(Refusal { rule, way_out }) => {
                    let rule = refused(rule, expected, item);
                    let path = join(&path, &index.to_string());
                    let way_out =
                        way_out.unwrap_or_else(|| "correct this item of the list".to_owned());
                    self.violations.add(item.origin.violation(
                        &path,
                        short(&item.value),
                        rule,
                        way_out,
                    ));
                }
            }
        }
        good
    }

    fn inner(&self, key: &str, node: &'a Node) -> Section<'a> {
        Section::new(node, &join(&self.path, key), self.violations)
    }

    fn table_wanted<'k>(&self, key: &'k str) -> Wanted<'k> {
        Wanted {
            key,
            expected: "a table".into(),
            example: format!("[{}]", join(&self.path, key)),
        }
    }

    fn choice_wanted<'k>(&self, key: &'k str, names: &[&str]) -> Wanted<'k> {
        let name = names.first().copied().unwrap_or_default();
        let example = format!("[{}]", join(&join(&self.path, key), name));
        Wanted {
            key,
            expected: format!("a table named after one of {}", names.join(", ")),
            example,
        }
    }

    fn read_choice<'n>(
        &self,
        key: &str,
        node: &'a Node,
        names: &[&'n str],
    ) -> Read<(&'n str, Section<'a>)> {
        let path = join(&self.path, key);
        let find = |name: &str| names.iter().copied().find(|known| *known == name);
        match &node.value {
            Value::Text(name) => {
                let name = find(name).ok_or_else(|| unknown_name(name, names))?;
                let path = join(&path, name);
                Ok((
                    name,
                    Self::over(None, false, node.origin.clone(), path, self.violations),
                ))
            }
            Value::Table(table) => match table.entries.as_slice() {
                [entry] => {
                    let inner = join(&path, &entry.key);
                    let Some(name) = find(&entry.key) else {
                        let Refusal { rule, way_out } = unknown_name(&entry.key, names);
                        let way_out = way_out.unwrap_or_default();
                        self.violations
                            .add(entry.origin.violation(&inner, None, rule, way_out));
                        return Ok((
                            names.first().copied().unwrap_or_default(),
                            self.stand_in(key),
                        ));
                    };
                    Ok((name, Section::new(&entry.node, &inner, self.violations)))
                }
                entries => {
                    let found: Vec<&str> = table.keys().collect();
                    let found = if entries.is_empty() {
                        "nothing".to_owned()
                    } else {
                        found.join(", ")
                    };
                    Err(format!(
                        "must hold exactly one of {}, but holds {found}",
                        names.join(", ")
                    )
                    .into())
                }
            },
            _ => Err(String::new().into()),
        }
    }

    fn close(&self) {
        if self.stand_in {
            return;
        }
        let asked = self.asked.borrow();
        let mut missing = self.missing.borrow_mut();
        let entries = self.table.into_iter().flat_map(Table::iter);
        for entry in entries.filter(|entry| !self.all_taken.get() && !asked.contains(&entry.key)) {
            // A misspelt required key is one mistake, not two.
            let absent =
                closest(&entry.key, missing.iter().map(|m| m.key.as_str())).map(str::to_owned);
            let way_out = match absent {
                Some(meant) => {
                    missing.retain(|m| m.key != meant);
                    format!("did you mean {meant}?")
                }
                None => suggestion(&entry.key, &asked),
            };
            let path = join(&self.path, &entry.key);
            let value = short(&entry.node.value);
            self.violations
                .add(entry.origin.violation(&path, value, "unknown key", way_out));
        }
        for Missing {
            key,
            expected,
            example,
        } in missing.drain(..)
        {
            let rule = format!("missing: {} needs {expected}", named(&self.path));
            let way_out = format!("for example {example}");
            self.violations.add(self.origin.violation(
                &join(&self.path, &key),
                None,
                rule,
                way_out,
            ));
        }
    }
}

impl Drop for Section<'_> {
    fn drop(&mut self) {
        self.close();
    }
}

// ------------------------------------------------------------------------- what the getters expect, and reading

fn number(key: &str, rule: Rule) -> Wanted<'_> {
    let example = format!("{} = {}", quoted(key), plain(rule.example()));
    Wanted {
        key,
        expected: rule.expected("a number", plain),
        example,
    }
}

fn list_of_numbers(key: &str, rule: Rule) -> Wanted<'_> {
    let example = format!("{} = [{}]", quoted(key), plain(rule.example()));
    Wanted {
        key,
        expected: "a list of numbers".into(),
        example,
    }
}

fn integer(key: &str, rule: Rule) -> Wanted<'_> {
    let example = format!("{} = {}", quoted(key), rule.whole_example());
    Wanted {
        key,
        expected: rule.expected("a whole number", plain),
        example,
    }
}

fn list_of_integers(key: &str, rule: Rule) -> Wanted<'_> {
    let example = format!("{} = [{}]", quoted(key), rule.whole_example());
    Wanted {
        key,
        expected: "a list of whole numbers".into(),
        example,
    }
}

fn quantity<Q: Quantity>(key: &str, rule: Rule) -> Wanted<'_> {
    let kind = format!("a {} with its unit", Q::NAME);
    let example = format!("{} = \"{}\"", quoted(key), example_quantity::<Q>(rule));
    Wanted {
        key,
        expected: rule.expected(&kind, with_unit::<Q>),
        example,
    }
}

fn number_or_quantity<Q: Quantity>(key: &str, rule: Rule) -> Wanted<'_> {
    let example = format!(
        "{key} = {} or {key} = \"{}\"",
        plain(rule.example()),
        example_quantity::<Q>(rule),
        key = quoted(key)
    );
    let kind = format!("a number or a {} with its unit", Q::NAME);
    Wanted {
        key,
        expected: rule.expected(&kind, plain),
        example,
    }
}

fn text(key: &str) -> Wanted<'_> {
    Wanted {
        key,
        expected: "text".into(),
        example: format!("{} = \"...\"", quoted(key)),
    }
}

fn list_of_texts(key: &str) -> Wanted<'_> {
    Wanted {
        key,
        expected: "a list of texts".into(),
        example: format!("{} = [\"...\"]", quoted(key)),
    }
}

fn switch(key: &str) -> Wanted<'_> {
    Wanted {
        key,
        expected: "true or false".into(),
        example: format!("{} = true", quoted(key)),
    }
}

fn word<'k>(key: &'k str, names: &[&str]) -> Wanted<'k> {
    let name = names.first().copied().unwrap_or_default();
    let example = format!("{} = \"{name}\"", quoted(key));
    Wanted {
        key,
        expected: format!("one of {}", names.join(", ")),
        example,
    }
}

fn with_unit<Q: Quantity>(value: f64) -> String {
    Q::from_si(value).to_string()
}

/// A quantity that satisfies the rule: the usual one if it does.
fn example_quantity<Q: Quantity>(rule: Rule) -> Q {
    match Q::EXAMPLE.parse::<Q>() {
        Ok(usual) if rule.accepts(usual.si()) => usual,
        _ => Q::from_si(rule.example()),
    }
}

/// The rule that a value breaks; an empty one stands for a value of the wrong kind.
fn refused(rule: String, expected: &str, node: &Node) -> String {
    if rule.is_empty() {
        format!("must be {expected}, not {}", node.value.kind())
    } else {
        rule
    }
}

/// A value of the wrong kind; the getter knows what it expected.
fn wrong_kind<T>() -> Read<T> {
    Err(String::new().into())
}

fn read_number(node: &Node, rule: Rule) -> Read<f64> {
    let value = match node.value {
        Value::Integer(integer) => integer as f64,
        Value::Float(float) if float.is_finite() => float,
        Value::Float(_) => return Err("must be a finite number".to_owned().into()),
        _ => return wrong_kind(),
    };
    if rule.accepts(value) {
        Ok(value)
    } else {
        Err(format!("must be {rule}").into())
    }
}

fn read_integer<T: TryFrom<i64>>(node: &Node, rule: Rule) -> Read<T> {
    const EXACT: f64 = 9_007_199_254_740_992.0; // 2⁵³
    match node.value {
        Value::Integer(integer) if !rule.accepts(integer as f64) => {
            Err(format!("must be {rule}").into())
        }
        Value::Integer(integer) => T::try_from(integer).map_err(|_| {
            let rule = if integer < 0 {
                "must be 0 or greater"
            } else {
                "is larger than fits"
            };
            rule.to_owned().into()
        }),
        Value::Float(float) if float.fract() == 0.0 && float.abs() < EXACT => Err(Refusal {
            rule: "must be a whole number, written without point and exponent".to_owned(),
            way_out: Some(format!("write {}", float as i64)),
        }),
        Value::Float(_) => Err("must be a whole number".to_owned().into()),
        _ => wrong_kind(),
    }
}

fn read_quantity<Q: Quantity>(node: &Node, rule: Rule) -> Read<Q> {
    match &node.value {
        Value::Text(text) => {
            let quantity = text
                .parse::<Q>()
                .map_err(|error| error.problem().to_owned())?;
            if rule.accepts(quantity.si()) {
                Ok(quantity)
            } else {
                Err(format!("must be {}", rule.phrase(with_unit::<Q>)).into())
            }
        }
        Value::Integer(_) | Value::Float(_) => {
            Err(format!("must be a {} with its unit, in quotes", Q::NAME).into())
        }
        _ => wrong_kind(),
    }
}

fn read_number_or_quantity<Q: Quantity>(node: &Node, rule: Rule) -> Read<NumberOr<Q>> {
    match &node.value {
        Value::Text(_) => read_quantity(node, rule).map(NumberOr::Quantity),
        _ => read_number(node, rule).map(NumberOr::Number),
    }
}

fn read_text(node: &Node) -> Read<String> {
    match &node.value {
        Value::Text(text) if text.trim().is_empty() => Err("must not be blank".to_owned().into()),
        Value::Text(text) => Ok(text.clone()),
        _ => wrong_kind(),
    }
}

fn read_bool(node: &Node) -> Read<bool> {
    if let Value::Bool(bool) = node.value {
        Ok(bool)
    } else {
        wrong_kind()
    }
}

fn read_word<'n>(node: &Node, names: &[&'n str]) -> Read<&'n str> {
    match &node.value {
        Value::Text(text) => names
            .iter()
            .copied()
            .find(|name| name == text)
            .ok_or_else(|| unknown_name(text, names)),
        _ => wrong_kind(),
    }
}

fn read_list(node: &Node) -> Read<&[Node]> {
    if let Value::List(items) = &node.value {
        Ok(items)
    } else {
        wrong_kind()
    }
}

fn unknown_name(name: &str, names: &[&str]) -> Refusal {
    let way_out = match closest(name, names.iter().copied()) {
        Some(meant) => format!("did you mean {meant}?"),
        None => "choose one of them".to_owned(),
    };
    Refusal {
        rule: format!("must be one of {}", names.join(", ")),
        way_out: Some(way_out),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::{Ohms, Siemens, Volts};
    use proptest::prelude::*;

    fn parse(text: &str) -> Document {
        Document::parse("t.toml", text).unwrap()
    }

    fn node(value: &str) -> Node {
        let document = Document::parse("sweep.toml", &format!("x = {value}")).unwrap();
        let Value::Table(table) = document.root.value else {
            panic!("a document is a table")
        };
        table.get("x").unwrap().clone()
    }

    /// The messages that reading a text gives.
    fn complaints(text: &str, read: impl FnOnce(&Section<'_>)) -> Vec<String> {
        let document = parse(text);
        let violations = Violations::new();
        let root = document.section(&violations);
        read(&root);
        root.finish();
        match violations.check() {
            Ok(()) => Vec::new(),
            Err(error) => error.to_string().lines().map(str::to_owned).collect(),
        }
    }

    fn syntax(text: &str) -> Vec<String> {
        let error = Document::parse("t.toml", text).unwrap_err();
        error.to_string().lines().map(str::to_owned).collect()
    }

    #[test]
    fn all_violations_of_a_file_come_at_once() {
        let text = r#"
seed = 7
step = -0.1

[device]
g-min = "1 us"
cite = 3

[task]
epochs = 1.5
momentun = 0.5
"#;
        let found = complaints(text, |root| {
            let _: u64 = root.integer("seed", Rule::NonNegative);
            root.number("step", Rule::Positive);
            let device = root.section("device");
            device.quantity::<Siemens>("g-min", Rule::Positive);
            device.quantity::<Siemens>("g-max", Rule::Positive);
            device.text("cite");
            let task = root.section("task");
            let _: usize = task.integer("epochs", Rule::AtLeast(1.0));
            task.optional_number("momentum", Rule::Between(0.0, 1.0));
        });
        assert_eq!(
            found,
            [
                "t.toml:3:8: step = -0.1: must be greater than 0; for example step = 0.01",
                "t.toml:5:2: device.g-max: missing: [device] needs a conductance with its unit that is greater than \
                 0; for example g-max = \"20 uS\"",
                "t.toml:6:9: device.g-min = \"1 us\": \"us\" is a unit of time; for example g-min = \"20 uS\"",
                "t.toml:7:8: device.cite = 3: must be text, not a number; for example cite = \"...\"",
                "t.toml:10:10: task.epochs = 1.5: must be a whole number; for example epochs = 1",
                "t.toml:11:1: task.momentun = 0.5: unknown key; did you mean momentum?",
            ]
        );
    }

    #[test]
    fn a_misspelt_required_key_is_one_violation() {
        let found = complaints("learing_rate = 0.1", |root| {
            root.number("learning-rate", Rule::Positive);
            root.number("decay", Rule::NonNegative);
        });
        assert_eq!(
            found,
            [
                "t.toml:1:1: learing_rate = 0.1: unknown key; did you mean learning-rate?",
                "t.toml:1:1: decay: missing: the top level of the file needs a number that is 0 or greater; for \
                 example decay = 0.01",
            ]
        );
        let found = complaints("colour = 1", |root| {
            root.optional_bool("verbose");
            root.optional_text("title");
        });
        assert_eq!(
            found,
            ["t.toml:1:1: colour = 1: unknown key; known here: verbose, title"]
        );
        let found = complaints("x = 1", |_| {});
        assert_eq!(
            found,
            ["t.toml:1:1: x = 1: unknown key; remove it: nothing is expected here"]
        );
    }

    #[test]
    fn syntax_errors_name_their_places() {
        assert_eq!(
            syntax("a = 1\n[t]\nb = 1\nb = 2\n"),
            ["t.toml:4:1: b: this key stands here a second time; keep one of them"]
        );
        let found = syntax("a = \nb = 1\nc = 'x\n[t\n");
        assert_eq!(found.len(), 3, "{found:?}");
        for (line, text) in [1, 3, 4].iter().zip(&found) {
            assert!(text.starts_with(&format!("t.toml:{line}:")), "{text}");
            assert!(text.contains("not valid TOML"), "{text}");
        }
        assert_eq!(
            syntax("d = 1979-05-27\nn = 99999999999999999999\nf = [1, 1e999]"),
            [
                "t.toml:1:5: d = 1979-05-27: dates and times have no use here; write it in quotes, as text",
                "t.toml:2:5: n = 99999999999999999999: does not fit a 64-bit integer; write it with a decimal point",
                "t.toml:3:9: f.1 = 1e999: does not fit a 64-bit number; write a number below 1.8e308",
            ]
        );
    }

    #[test]
    fn numbers_obey_their_rules() {
        let text = "a = nan\nb = inf\nc = 0\nd = 1.0\ne = 'x'\nf = [1, 'two', -3]\ng = 1e4\nh = -1\ni = 300\nj = 2";
        let found = complaints(text, |root| {
            root.number("a", Rule::Any);
            root.number("b", Rule::Any);
            root.number("c", Rule::Positive);
            root.number("d", Rule::OpenBetween(0.0, 1.0));
            root.number("e", Rule::AtLeast(0.5));
            assert_eq!(root.numbers("f", Rule::NonNegative), [1.0]);
            assert_eq!(root.integer::<usize>("g", Rule::AtLeast(1.0)), 1);
            root.integer::<u64>("h", Rule::Any);
            root.integer::<u8>("i", Rule::Any);
            assert_eq!(root.number("j", Rule::Between(0.0, 2.0)), 2.0);
        });
        assert_eq!(
            found,
            [
                "t.toml:1:5: a = nan: must be a finite number; for example a = 0.01",
                "t.toml:2:5: b = inf: must be a finite number; for example b = 0.01",
                "t.toml:3:5: c = 0: must be greater than 0; for example c = 0.01",
                "t.toml:4:5: d = 1.0: must be between 0 and 1, both excluded; for example d = 0.5",
                "t.toml:5:5: e = \"x\": must be a number that is at least 0.5, not text; for example e = 0.5",
                "t.toml:6:9: f.1 = \"two\": must be a number, not text; correct this item of the list",
                "t.toml:6:16: f.2 = -3: must be 0 or greater; correct this item of the list",
                "t.toml:7:5: g = 10000.0: must be a whole number, written without point and exponent; write 10000",
                "t.toml:8:5: h = -1: must be 0 or greater; for example h = 1",
                "t.toml:9:5: i = 300: is larger than fits; for example i = 1",
            ]
        );
    }

    #[test]
    fn stand_ins_satisfy_their_rules() {
        let rules = [
            Rule::Any,
            Rule::Positive,
            Rule::NonNegative,
            Rule::Between(-2.0, -1.0),
            Rule::OpenBetween(0.0, 2.0),
            Rule::AtLeast(3.0),
        ];
        let found = complaints("", |root| {
            for rule in rules {
                assert!(rule.accepts(root.number("x", rule)), "{rule}");
                assert!(
                    rule.accepts(root.quantity::<Volts>("x", rule).value()),
                    "{rule}"
                );
                assert!(
                    rule.accepts(root.integer::<i64>("x", rule) as f64),
                    "{rule}"
                );
            }
        });
        assert!(!found.is_empty());
    }

    #[test]
    fn quantities_read_with_and_without_units() {
        let text = "a = '20 uS'\nb = 0.1\nc = '5 S'\nd = 20\ne = '5 mOhm'\nf = '20'\ng = true";
        let found = complaints(text, |root| {
            let a = root.number_or_quantity::<Siemens>("a", Rule::Positive);
            assert_eq!(a, NumberOr::Quantity(Siemens::new(20e-6)));
            let b = root.number_or_quantity::<Siemens>("b", Rule::Positive);
            assert_eq!(b, NumberOr::Number(0.1));
            root.quantity::<Siemens>("c", Rule::Between(1e-6, 2e-3));
            root.quantity::<Siemens>("d", Rule::Any);
            assert_eq!(
                root.optional_quantity("e", Rule::Any),
                Some(Ohms::new(5e-3))
            );
            root.number_or_quantity::<Siemens>("f", Rule::Any);
            root.number_or_quantity::<Siemens>("g", Rule::Any);
            assert_eq!(root.optional_quantity::<Ohms>("h", Rule::Any), None);
        });
        assert_eq!(
            found,
            [
                "t.toml:3:5: c = \"5 S\": must be between 1 uS and 2 mS; for example c = \"20 uS\"",
                "t.toml:4:5: d = 20: must be a conductance with its unit, in quotes; for example d = \"20 uS\"",
                "t.toml:6:5: f = \"20\": \"20\" has no unit; for example f = 0.01 or f = \"20 uS\"",
                "t.toml:7:5: g = true: must be a number or a conductance with its unit, not true or false; for \
                 example g = 0.01 or g = \"20 uS\"",
            ]
        );
    }

    #[test]
    fn choices_are_tables_or_names() {
        const LAWS: &[&str] = &["linear-step", "soft-bounds"];
        let found = complaints("[law.soft-bounds]\nstep = 0.1", |root| {
            let (name, law) = root.choice("law", LAWS);
            assert_eq!((name, law.path()), ("soft-bounds", "law.soft-bounds"));
            assert_eq!(law.number("step", Rule::Positive), 0.1);
        });
        assert!(found.is_empty(), "{found:?}");

        let found = complaints("law = 'soft-bounds'", |root| {
            let (name, law) = root.choice("law", LAWS);
            assert_eq!(name, "soft-bounds");
            law.number("step", Rule::Positive);
        });
        assert_eq!(
            found,
            [
                "t.toml:1:7: law.soft-bounds.step: missing: [law.soft-bounds] needs a number that is greater than 0; \
              for example step = 0.01"
            ]
        );

        let wrong = |text: &str| {
            complaints(text, |root| {
                let (_, law) = root.choice("law", LAWS);
                law.number("step", Rule::Positive);
                law.section("more").text("deeper");
            })
        };
        assert_eq!(
            wrong("[law.soft-bonds]\nstep = 1"),
            [
                "t.toml:1:6: law.soft-bonds: must be one of linear-step, soft-bounds; did you mean soft-bounds?"
            ]
        );
        assert_eq!(
            wrong("law = 'magic'"),
            [
                "t.toml:1:7: law = \"magic\": must be one of linear-step, soft-bounds; choose one of them"
            ]
        );
        assert_eq!(
            wrong("[law]\na = 1\nb = 2"),
            [
                "t.toml:1:2: law: must hold exactly one of linear-step, soft-bounds, but holds a, b; for example \
              [law.linear-step]"
            ]
        );
        assert_eq!(
            wrong("law = 3"),
            [
                "t.toml:1:7: law = 3: must be a table named after one of linear-step, soft-bounds, not a number; for \
              example [law.linear-step]"
            ]
        );
        assert_eq!(
            wrong("law = { soft-bounds = 3 }"),
            [
                "t.toml:1:23: law.soft-bounds = 3: must be a table, not a number; write it as [law.soft-bounds] with \
              its keys below"
            ]
        );
        assert_eq!(
            wrong(""),
            [
                "t.toml:1:1: law: missing: the top level of the file needs a table named after one of linear-step, \
              soft-bounds; for example [law.linear-step]"
            ]
        );
    }

    #[test]
    fn sections_entries_and_words() {
        let text = "mode = 'onn'\nname = ' '\n[[layer]]\nsize = 3\n[[layer]]\nsize = 0\n[sweep]\nb = [1]\na = [2]\n\
                    tags = ['x', 1]\non = 1";
        let found = complaints(text, |root| {
            assert_eq!(root.one_of("mode", &["on", "off"]), "on");
            assert_eq!(root.optional_one_of("other", &["on", "off"]), None);
            root.text("name");
            let sizes: Vec<usize> = root
                .sections("layer")
                .iter()
                .map(|s| s.integer("size", Rule::Positive))
                .collect();
            assert_eq!(sizes, [3, 1]);
            let sweep = root.section("sweep");
            assert_eq!(sweep.texts("tags"), ["x"]);
            assert!(!sweep.bool("on"));
            let axes: Vec<&str> = sweep
                .entries()
                .iter()
                .map(|entry| entry.key.as_str())
                .collect();
            assert_eq!(axes, ["b", "a"]);
            assert_eq!(sweep.integers::<u32>("a", Rule::Any), [2]);
            sweep.violation("b", "has no such axis", "remove it");
            sweep.violation("b", "has no such axis", "remove it");
            assert!(root.optional_section("none").is_none());
            root.section("need").text("inside");
        });
        assert_eq!(
            found,
            [
                "t.toml:1:1: need: missing: the top level of the file needs a table; for example [need]",
                "t.toml:1:8: mode = \"onn\": must be one of on, off; did you mean on?",
                "t.toml:2:8: name = \" \": must not be blank; for example name = \"...\"",
                "t.toml:6:8: layer.1.size = 0: must be greater than 0; for example size = 1",
                "t.toml:8:5: sweep.b = [1]: has no such axis; remove it",
                "t.toml:10:14: sweep.tags.1 = 1: must be text, not a number; correct this item of the list",
                "t.toml:11:6: sweep.on = 1: must be true or false, not a number; for example on = true",
            ]
        );
    }

    #[test]
    fn places_survive_headers_dots_byte_order_marks_and_wide_characters() {
        let document = parse("\u{feff}a.b = 1\r\n[x.y]\r\n\"µ\" = { c = 2 }\r\n");
        let Value::Table(root) = &document.root.value else {
            panic!("a document is a table")
        };
        let place = |origin: &Origin| (origin.line, origin.column);
        let inside = |node: &Node, key: &str| {
            let Value::Table(table) = &node.value else {
                panic!("{key} is not in a table")
            };
            table.entry(key).unwrap().clone()
        };
        let a = root.entry("a").unwrap();
        assert_eq!((place(&a.origin), place(&a.node.origin)), ((1, 1), (1, 1)));
        let b = inside(&a.node, "b");
        assert_eq!((place(&b.origin), place(&b.node.origin)), ((1, 3), (1, 7)));
        let y = inside(root.get("x").unwrap(), "y");
        assert_eq!(place(&y.origin), (2, 4));
        let mu = inside(&y.node, "µ");
        assert_eq!(place(&mu.origin), (3, 1));
        let c = inside(&mu.node, "c");
        assert_eq!((place(&c.origin), place(&c.node.origin)), ((3, 9), (3, 13)));
    }

    #[test]
    fn merging_goes_key_by_key_and_keeps_places() {
        let mut base = parse("a = 1\n[t]\nb = 2\nc = [1, 2]\n[t.law.soft-bounds]\nstep = 1\n");
        let overlay = Document::parse(
            "over.toml",
            "\n\n[t]\nc = [3]\nd = 4\n[t.law.soft-bounds]\nbound = 2",
        );
        base.merge(overlay.unwrap().root, &["law"]);
        assert_eq!(
            base,
            parse(
                "a = 1\nt = {b = 2, c = [3], d = 4, law = {soft-bounds = {step = 1, bound = 2}}}"
            )
        );
        let Value::Table(root) = &base.root.value else {
            panic!("a document is a table")
        };
        let Value::Table(t) = &root.get("t").unwrap().value else {
            panic!("t is a table")
        };
        assert_eq!(
            (
                &*t.entry("c").unwrap().origin.file,
                t.entry("c").unwrap().origin.line
            ),
            ("over.toml", 4)
        );
        assert_eq!(
            (
                &*t.get("b").unwrap().origin.file,
                t.get("b").unwrap().origin.line
            ),
            ("t.toml", 3)
        );

        base.merge(parse("t.law = 'soft-bounds'").root, &["law"]);
        base.merge(parse("[t.law.linear-step]\nslope = 1").root, &["law"]);
        base.merge(parse("t.b = {x = 1}\na = 'one'").root, &["law"]);
        assert_eq!(
            base,
            parse(
                "a = 'one'\nt = {b = {x = 1}, c = [3], d = 4, law = {linear-step = {slope = 1}}}"
            )
        );
        base.merge(parse("t.law.linear-step = 'mine'").root, &[]);
        base.merge(parse("t.law.other = 1").root, &[]);
        assert!(
            base.to_toml()
                .contains("[t.law]\nlinear-step = \"mine\"\nother = 1"),
            "{}",
            base.to_toml()
        );
    }

    #[test]
    fn the_same_choice_by_name_keeps_its_settings() {
        let mut base = parse("[law.soft-bounds]\nstep = 1");
        let before = base.clone();
        base.merge(parse("law = 'soft-bounds'").root, &["law"]);
        assert_eq!(base, before);
        base.merge(parse("law = 'ideal'").root, &["law"]);
        assert_eq!(base, parse("law = 'ideal'"));
    }

    #[test]
    fn values_are_set_by_path() {
        let mut document = parse("seed = 1\n[task]\nrate = 0.1\n[[layer]]\nsize = 3\n");
        document.set("seed", node("2")).unwrap();
        document.set("task.rate", node("0.2")).unwrap();
        document.set("task.epochs", node("5")).unwrap();
        document.set("layer.0.size", node("4")).unwrap();
        assert_eq!(
            document,
            parse("seed = 2\ntask = {rate = 0.2, epochs = 5}\nlayer = [{size = 4}]")
        );
        for (path, message) in [
            (
                "tsk.rate",
                "there is no tsk in the top level of the file; did you mean task?",
            ),
            (
                "task.optimizer.rate",
                "there is no optimizer in [task]; known here: rate, epochs",
            ),
            (
                "task.rate.x",
                "[task.rate] is a number, which holds no x; write it as a table first: [task.rate]",
            ),
            (
                "layer.1",
                "[layer] has no item 1; its items are numbered from 0 and it has 1",
            ),
            (
                "layer.one.size",
                "there is no one in [layer]; known here: 0",
            ),
            ("", "the path must end in a key; for example task.epochs"),
            (
                "task.",
                "the path must end in a key; for example task.epochs",
            ),
            (
                "task.rate.x.y",
                "there is no x in [task.rate]; remove it: nothing is expected here",
            ),
        ] {
            let text = document.set(path, node("9")).unwrap_err().to_string();
            assert!(
                text.starts_with("sweep.toml:1:5: ") && text.ends_with(message),
                "{path}: {text}"
            );
        }
    }

    #[test]
    fn a_document_writes_what_it_reads() {
        let text = r#"
title = "quotes \" \\ and\nlines\u0001 µ"
"odd key.x" = [1, 2.0, [true, { a = 1, "b c" = {} }], 'x']
big = -9223372036854775808
tiny = 1e-300
huge = 1e300
inf = -inf
empty = []
[t.u.v]
w = 1
[t]
z = false
[none]
["a.b".c]
d = 0x10
[[layer]]
size = 1
[[layer]]
size = 2
inner = { deep = 'x' }
"#;
        let document = parse(text);
        let written = document.to_toml();
        assert_eq!(parse(&written), document, "{written}");
        assert_eq!(parse(&written).to_toml(), written);
        assert_eq!(parse("a = nan").to_toml(), "a = nan\n");
    }

    #[test]
    fn violations_of_other_readings_are_absorbed() {
        let violations = Violations::new();
        let document = violations.absorb(Document::parse("bad.toml", "a = 1\na = 2"));
        assert!(matches!(document, Ok(None)));
        let missing = violations.absorb(Document::read("no/such/file.toml"));
        assert!(matches!(missing, Err(Error::Read { .. })));
        assert!(!violations.is_empty());
        let error = violations.into_result(1).unwrap_err();
        assert!(matches!(error, Error::Invalid(list) if list.len() == 1));
    }

    #[test]
    fn a_file_is_called_by_its_path() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("study.toml");
        std::fs::write(&path, "a = 1\n").unwrap();
        let document = Document::read(&path).unwrap();
        assert_eq!(*document.root.origin.file, *path.display().to_string());
        std::fs::write(&path, b"a = \"\xff\"\n").unwrap();
        let text = Document::read(&path).unwrap_err().to_string();
        assert!(text.ends_with("save the file as text in UTF-8"), "{text}");
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_or_refused_with_a_place(text in "[a-z\\[\\]{}=.,\"'#0-9 \n\u{e9}\u{feff}-]{0,40}") {
            match Document::parse("t.toml", &text) {
                Ok(document) => prop_assert_eq!(parse(&document.to_toml()), document),
                Err(Error::Invalid(list)) => {
                    prop_assert!(!list.is_empty());
                    prop_assert!(list.iter().all(|v| v.line.is_some() && v.column.is_some()));
                }
                Err(other) => prop_assert!(false, "{}", other),
            }
        }

        #[test]
        fn any_text_and_any_number_survive_writing(key in ".*", text in ".*", number in prop::num::f64::ANY) {
            let value = if number.is_nan() { Value::Integer(0) } else { Value::Float(number) };
            let origin = node("1").origin;
            let mut table = Table::default();
            for (key, value) in [(format!("a{key}"), value), (key, Value::Text(text))] {
                let node = Node { value, origin: origin.clone() };
                table.insert(Entry { key, origin: origin.clone(), node });
            }
            let document = Document { root: Node { value: Value::Table(table), origin } };
            prop_assert_eq!(parse(&document.to_toml()), document);
        }
    }
}
