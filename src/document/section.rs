//! Reading one table with typed getters.

use std::cell::{Cell, RefCell};

use super::read::{
    Read, Refusal, Wanted, example_quantity, integer, list_of_integers, list_of_numbers,
    list_of_texts, number, number_or_quantity, quantity, read_bool, read_integer, read_list,
    read_number, read_number_or_quantity, read_quantity, read_text, read_word, refused, switch,
    text, unknown_name, word,
};
use super::rule::{NumberOr, Rule, Violations};
use super::tree::{Entry, Node, Origin, Table, Value};
use super::write::{join, named, short, suggestion};
use crate::error::closest;
use crate::units::Quantity;

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
pub(super) struct Missing {
    key: String,
    expected: String,
    example: String,
}

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
