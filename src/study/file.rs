//! Study files: a claim, its settings, its sweep and what it expects.

use std::path::{Path, PathBuf};

use super::checkpoint::{Checkpoints, is_within};
use super::dataset::DATA_FILES;
use super::expect::Expect;
use super::settings::{Settings, TaskSpec};
use crate::backend::Place;
use crate::device::{COMMON, LIBRARY, device_document, laws};
use crate::document::{Document, Entry, Node, Rule, Section, Table, Value, Violations};
use crate::error::{Error, Result, Violation};
use crate::training::StepRule;

/// Tables that hold exactly one named table.
const CHOICES: [&str; 18] = [
    "adc",
    "adc-energy",
    "algorithm",
    "bound-management",
    "current-voltage",
    "law",
    "mapping",
    "noise-management",
    "pulses",
    "retention",
    "rule",
    "scaling",
    "schedule",
    "source",
    "target-scaling",
    "vectors",
    "weights",
    "write",
];

/// What an overlay replaces whole where it chooses otherwise: [`CHOICES`], and the spread of every parameter.
fn choices() -> Vec<&'static str> {
    let own = laws().into_iter().flat_map(|l| l.parameters());
    let spreads = COMMON.iter().chain(own).map(|p| p.name);
    CHOICES.into_iter().chain(spreads).collect()
}

/// Overrides from the command line.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// Another seed.
    pub seed: Option<u64>,
    /// Few replicas, as the study's `[quick]` says.
    pub quick: bool,
}

/// Which controls a study runs.
#[derive(Debug, Clone, PartialEq)]
pub struct Controls {
    /// Strength of the explicit digital ridge.
    pub explicit_ridge: Option<f64>,
    /// The symmetric device with the same noise.
    pub symmetric_device: bool,
    /// Half and double learning rate at fixed training time.
    pub learning_rate: bool,
    /// Doubled time.
    pub time: bool,
    /// Sweep point that the controls vary.
    pub point: usize,
    /// Replicas of each control.
    pub replicas: usize,
}

impl Controls {
    /// Names of the controls that run.
    pub fn names(&self) -> Vec<&'static str> {
        let all = [
            ("explicit-ridge", self.explicit_ridge.is_some()),
            ("symmetric-device", self.symmetric_device),
            ("half-learning-rate", self.learning_rate),
            ("double-learning-rate", self.learning_rate),
            ("double-time", self.time),
        ];
        all.into_iter().filter(|c| c.1).map(|c| c.0).collect()
    }
}

/// A validated study.
#[derive(Clone)]
pub struct Study {
    /// Stem of the file.
    pub name: String,
    /// Where the file is.
    pub folder: PathBuf,
    /// Title.
    pub title: String,
    /// What it claims.
    pub claim: String,
    /// Citation keys.
    pub cite: Vec<String>,
    /// Whether this is a quick run.
    pub quick: bool,
    /// Sweep points.
    pub points: Vec<Settings>,
    /// Controls.
    pub controls: Option<Controls>,
    /// Expectations.
    pub expect: Vec<Expect>,
    /// The study as run: one file that holds the device too.
    pub document: Document,
    /// Where its states are kept while it runs, if they are.
    pub checkpoints: Option<Checkpoints>,
}

impl Study {
    /// Reads and validates a study file; nothing is run.
    ///
    /// # Errors
    /// Every broken rule of the file, of its device and of every sweep point at once.
    pub fn read(path: &Path, overrides: &Overrides) -> Result<Self> {
        let study = Self::read_once(path, overrides)?;
        if !overrides.quick {
            // A mistake in `[quick]` shows now, not in the quick run that comes one day.
            let quick = Overrides {
                quick: true,
                ..overrides.clone()
            };
            Self::read_once(path, &quick)?;
        }
        Ok(study)
    }

    /// The same sweep points alone: no controls, no cross-validation, no expectations. For a study whose device was exchanged.
    pub fn without_claims(mut self) -> Self {
        self.controls = None;
        self.expect.clear();
        for point in &mut self.points {
            if let TaskSpec::Data { validation, .. } = &mut point.task {
                *validation = None;
            }
        }
        self
    }

    /// Whether its tasks are read and not trained.
    pub fn is_read(&self) -> bool {
        self.points.iter().all(|p| p.task.reading().is_some())
    }

    /// Whether its tasks are networks.
    pub fn is_network(&self) -> bool {
        self.points.iter().all(|p| p.task.network().is_some())
    }

    /// The same study, computed at `place`.
    pub fn at(mut self, place: &Place) -> Self {
        for point in &mut self.points {
            point.place = place.clone();
        }
        self
    }

    /// The same study, whose states are kept while it runs.
    pub fn kept(mut self, checkpoints: Checkpoints) -> Self {
        self.checkpoints = Some(checkpoints);
        self
    }

    fn read_once(path: &Path, overrides: &Overrides) -> Result<Self> {
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        let mut raw = Document::read(path)?;
        override_with(&mut raw, overrides)?;
        let mut document = with_device(raw.clone(), &folder)?;
        let violations = Violations::new();
        let root = document.section(&violations);
        let study = Self::parse(&root, path, &folder, overrides, &violations, &document);
        root.finish();
        let (mut study, sweep) = study;
        violations.check()?;
        // The sections are gone: now each point is the document with its sweep values set.
        study.points = points(&raw, &sweep, &folder)?;
        if let Some(controls) = &study.controls
            && controls.point >= study.points.len()
        {
            return Err(outside(
                path,
                "controls.point",
                controls.point,
                study.points.len(),
            ));
        }
        let proximal = |p: &Settings| p.training.step_rule == StepRule::Proximal;
        if study.controls.is_some() && study.points.iter().any(proximal) {
            return Err(Violation {
                file: path.display().to_string(),
                line: None,
                column: None,
                key: "controls".into(),
                value: None,
                rule: "controls compare with what is known of explicit steps".into(),
                way_out: "remove [controls], or training.step-rule".into(),
            }
            .into());
        }
        if !study.is_read() && study.points.iter().any(|p| p.task.reading().is_some()) {
            return Err(Violation {
                file: path.display().to_string(),
                line: None,
                column: None,
                key: "sweep".into(),
                value: None,
                rule: "some points of the sweep are trained and some are only read".into(),
                way_out: "make two studies of it".into(),
            }
            .into());
        }
        let known: Vec<&str> = study.controls.iter().flat_map(Controls::names).collect();
        let unknown = study.expect.iter().filter_map(|e| e.unknown(&known));
        let unknown: Vec<Violation> = unknown.collect();
        if !unknown.is_empty() {
            return Err(Error::Invalid(unknown));
        }
        for expect in &study.expect {
            for point in expect.points() {
                if point >= study.points.len() {
                    return Err(outside(path, "expect.point", point, study.points.len()));
                }
            }
            let reads = study
                .points
                .iter()
                .map(|p| p.task.reading().map_or(0, |r| r.times.len()));
            expect.check_read(reads.min().unwrap_or(0))?;
        }
        if sweep.axes.iter().any(|(key, _)| key == MODEL) {
            // Each point lays the study over its own device, so none of their files is merged into it.
            document = raw;
            find_models(&mut document, &folder);
        } else {
            forget_model(&mut document);
        }
        for key in [
            "task.data",
            "task.inference.data",
            "task.inference.weights.csv.file",
            "task.inference.weights.npz.file",
            "task.inference.weights.npy.file",
        ] {
            make_absolute(&mut document, key, Some(&folder))?;
        }
        for key in DATA_FILES {
            for table in ["data", "data.otherwise"] {
                let key = format!("task.network.{table}.{key}");
                make_absolute(&mut document, &key, Some(&folder))?;
            }
        }
        make_absolute(&mut document, "device.law.piecewise.csv", None)?;
        for key in arrays() {
            make_absolute(&mut document, &key, None)?;
        }
        study.document = document;
        Ok(study)
    }

    fn parse(
        root: &Section,
        path: &Path,
        folder: &Path,
        overrides: &Overrides,
        violations: &Violations,
        document: &Document,
    ) -> (Self, Sweep) {
        // `[quick]` was applied already; it stays in the file as run.
        root.node("quick");
        let controls = root.optional_section("controls").map(|s| Controls {
            explicit_ridge: s.optional_number("explicit-ridge", Rule::Positive),
            symmetric_device: s.optional_bool("symmetric-device").unwrap_or(false),
            learning_rate: s.optional_bool("learning-rate").unwrap_or(false),
            time: s.optional_bool("time").unwrap_or(false),
            point: usize::from(s.integer::<u16>("point", Rule::NonNegative)),
            replicas: usize::from(s.integer::<u16>("replicas", Rule::AtLeast(2.0))),
        });
        let expect = root.sections("expect").iter().map(Expect::parse).collect();
        let sweep = Sweep::parse(root);
        let settings = Settings::parse(root, folder, Vec::new(), violations);
        let study = Self {
            name: path
                .file_stem()
                .map_or_else(|| "study".into(), |s| s.to_string_lossy().into_owned()),
            folder: folder.to_owned(),
            title: root.text("title"),
            claim: root.text("claim"),
            cite: root.texts("cite"),
            quick: overrides.quick,
            points: vec![settings],
            controls,
            expect,
            document: document.clone(),
            checkpoints: None,
        };
        (study, sweep)
    }
}

fn outside(path: &Path, key: &str, point: usize, points: usize) -> Error {
    Violation {
        file: path.display().to_string(),
        line: None,
        column: None,
        key: key.into(),
        value: Some(point.to_string()),
        rule: format!("the study has {points} sweep points, counted from 0"),
        way_out: format!("choose a point from 0 to {}", points - 1),
    }
    .into()
}

/// The study with its device's file merged under its own `[device]` table.
fn with_device(study: Document, folder: &Path) -> Result<Document> {
    let Value::Table(root) = &study.root.value else {
        return Ok(study);
    };
    let Some(Value::Table(device)) = root.get("device").map(|n| &n.value) else {
        return Ok(study);
    };
    let Some(model) = device.get("model") else {
        return Ok(study);
    };
    let Value::Text(name) = &model.value else {
        return Ok(study);
    };
    let base = device_document(name, folder).map_err(|e| at(&model.origin, name, e))?;
    let mut table = Table::default();
    table.insert(Entry {
        key: "device".into(),
        origin: model.origin.clone(),
        node: base.root,
    });
    let mut merged = Document {
        root: Node {
            value: Value::Table(table),
            origin: study.root.origin.clone(),
        },
    };
    merged.merge(study.root, &choices());
    Ok(merged)
}

/// An unknown device, said at the place that names it.
fn at(origin: &crate::document::Origin, name: &str, error: Error) -> Error {
    match error {
        Error::Invalid(v) if v.len() == 1 && v[0].line.is_none() => Error::from(origin.violation(
            "device.model",
            Some(format!("\"{name}\"")),
            v[0].rule.clone(),
            v[0].way_out.clone(),
        )),
        other => other,
    }
}

fn override_with(document: &mut Document, overrides: &Overrides) -> Result<()> {
    if let Some(seed) = overrides.seed {
        let line = format!("seed = {seed}");
        document.merge(Document::parse("--seed", &line)?.root, &choices());
    }
    if overrides.quick
        && let Value::Table(root) = &document.root.value
        && let Some(quick) = root.get("quick").cloned()
    {
        document.merge(quick, &choices());
    }
    Ok(())
}

/// The key that names a study's device.
const MODEL: &str = "device.model";

/// What belongs to the study as a whole and not to one of its points.
const INERT: [&str; 7] = [
    "title", "claim", "cite", "quick", "controls", "expect", "sweep",
];

/// What belongs to a point.
const OWN: [&str; 5] = ["device", "array", "task", "training", "technology"];

/// Removes the device's name, whose values are all in the document: the study as run needs no other file.
fn forget_model(document: &mut Document) {
    if let Value::Table(root) = &mut document.root.value
        && let Some(mut entry) = root.remove("device")
    {
        if let Value::Table(device) = &mut entry.node.value {
            device.remove("model");
        }
        root.insert(entry);
    }
}

/// Makes the paths of device files independent of the folder that they are read from, where they are not names of the library.
fn find_models(document: &mut Document, folder: &Path) {
    let absolute = |node: &mut Node| {
        if let Value::Text(name) = &mut node.value
            && !LIBRARY.iter().any(|(known, _)| known == name)
        {
            let path = folder.join(&*name);
            *name = std::path::absolute(&path)
                .unwrap_or(path)
                .display()
                .to_string();
        }
    };
    if let Some(model) = within(&mut document.root, &["device", "model"]) {
        absolute(model);
    }
    let axis = within(&mut document.root, &["sweep", "axes", MODEL]);
    if let Some(Value::List(values)) = axis.map(|n| &mut n.value) {
        for value in values {
            match within(value, &["value"]) {
                Some(own) => absolute(own),
                None => absolute(value),
            }
        }
    }
}

/// What is below these keys.
fn within<'n>(node: &'n mut Node, keys: &[&str]) -> Option<&'n mut Node> {
    let Some((first, rest)) = keys.split_first() else {
        return Some(node);
    };
    match &mut node.value {
        Value::Table(table) => within(table.get_mut(first)?, rest),
        _ => None,
    }
}

/// Where a device can name arrays of a file: the values of a spread, and the cells that are stuck.
fn arrays() -> impl Iterator<Item = String> {
    let own = laws().into_iter().flat_map(|l| l.parameters());
    let spreads = COMMON.iter().chain(own);
    let spreads = spreads.map(|p| format!("device.device-to-device.{}.npz", p.name));
    spreads.chain(["device.faults.mask.npz".to_owned()])
}

/// Makes a path of the document independent of the folder that it is read from: `folder`, or that of the file that names it.
fn make_absolute(document: &mut Document, key: &str, folder: Option<&Path>) -> Result<()> {
    let found = key
        .split('.')
        .try_fold(&document.root, |node, key| match &node.value {
            Value::Table(table) => table.get(key),
            _ => None,
        });
    let Some(mut node) = found.cloned() else {
        return Ok(());
    };
    if let Value::Text(path) = &node.value {
        let own = Path::new(&*node.origin.file).parent();
        let path = folder.or(own).unwrap_or(Path::new("")).join(path);
        let path = std::path::absolute(&path).unwrap_or(path);
        node.value = Value::Text(path.display().to_string());
        document.set(key, node)?;
    }
    Ok(())
}

/// The axes of a sweep.
#[derive(Debug, Clone, Default)]
struct Sweep {
    /// Values run together (all lists equally long) instead of in every combination.
    zip: bool,
    axes: Vec<(String, Vec<Choice>)>,
}

/// One value of an axis.
#[derive(Debug, Clone)]
struct Choice {
    value: Node,
    /// What else it sets: a table that is merged over the study, as `[quick]` is.
    with: Option<Node>,
    /// What tables and figures call it.
    label: String,
    /// Whether the file names it: the name says all.
    named: bool,
}

impl Choice {
    /// `v`, or `{ value = v, with = { … }, label = "…" }`, of which one of the last two may be missing. A table without `value` is a value itself.
    fn parse(node: &Node, key: &str, axes: &Section) -> Self {
        let plain = Self {
            value: node.clone(),
            with: None,
            label: said(&node.value),
            named: false,
        };
        let Value::Table(table) = &node.value else {
            return plain;
        };
        let (with, label) = (table.get("with"), table.get("label"));
        let Some(value) = table
            .get("value")
            .filter(|_| with.is_some() || label.is_some())
        else {
            return plain;
        };
        let own = |t: &Table| {
            let device = t.get("device").map(|d| &d.value);
            let named = matches!(device, Some(Value::Table(d)) if d.get("model").is_some());
            t.keys().all(|k| OWN.contains(&k)) && !named
        };
        let parts = 1 + usize::from(with.is_some()) + usize::from(label.is_some());
        let right = with.is_none_or(|with| matches!(&with.value, Value::Table(t) if own(t)));
        if !right || table.len() > parts {
            axes.violation(
                key,
                format!(
                    "a value that brings others is {{ value = …, with = {{ … }} }}, where `with` holds tables of {}, and names no device; it may have a label",
                    OWN.join(", ")
                ),
                "for example { value = \"pcm/nandakumar2020\", with = { training = { steps = 1000 } } }; devices are values of \"device.model\"",
            );
        }
        let named = label.is_some();
        let label = match label.map(|l| &l.value) {
            Some(Value::Text(label)) if !label.trim().is_empty() => label.clone(),
            None => said(&value.value),
            Some(_) => {
                axes.violation(
                    key,
                    "the label of a value is a text",
                    "for example { value = 0.0, label = \"exact cells\" }",
                );
                String::new()
            }
        };
        Self {
            value: value.clone(),
            with: with.cloned(),
            label,
            named,
        }
    }

    /// The point that this value makes of `key`, in words: devices and what has a name need no key, others have it without the tables that it is in.
    fn spoken(&self, key: &str) -> String {
        match self.named || key == MODEL {
            true => self.label.clone(),
            false => format!("{} = {}", key.rsplit('.').next().unwrap_or(key), self.label),
        }
    }
}

impl Sweep {
    fn parse(root: &Section) -> Self {
        let Some(section) = root.optional_section("sweep") else {
            return Self::default();
        };
        let zip = section.one_of("combine", &["product", "zip"]) == "zip";
        let axes = section.section("axes");
        let mut out = Self {
            zip,
            axes: Vec::new(),
        };
        for entry in axes.entries() {
            axes.node(&entry.key);
            let first = entry.key.split('.').next().unwrap_or_default();
            if INERT.contains(&first) {
                axes.violation(
                    &entry.key,
                    "a sweep over this key has no effect",
                    "sweep over keys of device, array, task or training",
                );
            }
            match &entry.node.value {
                Value::List(values) if !values.is_empty() => {
                    let choice = |node| Choice::parse(node, &entry.key, &axes);
                    let choices = values.iter().map(choice).collect();
                    out.axes.push((entry.key.clone(), choices));
                }
                _ => axes.violation(
                    &entry.key,
                    "an axis is a list of at least one value",
                    format!("for example \"{}\" = [0.1, 0.2]", entry.key),
                ),
            }
        }
        let lengths: Vec<usize> = out.axes.iter().map(|(_, v)| v.len()).collect();
        if zip && lengths.windows(2).any(|w| w[0] != w[1]) {
            section.violation(
                "combine",
                format!(
                    "axes that run together must be equally long, these have {lengths:?} values"
                ),
                "complete the lists, or write combine = \"product\"",
            );
        }
        out
    }

    /// Index of each axis's value at every point.
    fn points(&self) -> Vec<Vec<usize>> {
        if self.zip {
            let n = self.axes.first().map_or(1, |(_, v)| v.len());
            return (0..n).map(|k| vec![k; self.axes.len()]).collect();
        }
        self.axes
            .iter()
            .fold(vec![Vec::new()], |points, (_, values)| {
                points
                    .iter()
                    .flat_map(|p| {
                        (0..values.len()).map(move |k| {
                            let mut p = p.clone();
                            p.push(k);
                            p
                        })
                    })
                    .collect()
            })
    }
}

/// A value as labels say it: a choice with its settings as `choice (key = value, …)`.
fn said(value: &Value) -> String {
    let settings = |t: &Table| {
        let named = |e: &Entry| format!("{} = {}", e.key, said(&e.node.value));
        t.iter().map(named).collect::<Vec<_>>().join(", ")
    };
    match value {
        Value::Text(t) => t.clone(),
        Value::Table(t) => match t
            .iter()
            .map(|e| (&e.key, &e.node.value))
            .collect::<Vec<_>>()[..]
        {
            [(choice, Value::Table(own))] => format!("{choice} ({})", settings(own)),
            _ => format!("({})", settings(t)),
        },
        other => other.to_string(),
    }
}

/// Settings of every sweep point.
fn points(document: &Document, sweep: &Sweep, folder: &Path) -> Result<Vec<Settings>> {
    let mut broken: Vec<Violation> = Vec::new();
    let mut points = Vec::new();
    for indices in sweep.points() {
        let mut here = document.clone();
        let mut swept = Vec::new();
        let axes = || sweep.axes.iter().zip(&indices);
        // The device first: the other axes change what its file says.
        for ((key, values), &k) in axes().filter(|((key, _), _)| key == MODEL) {
            here.set(key, values[k].value.clone())?;
        }
        here = with_device(here, folder)?;
        // What values bring does not change what another axis says.
        for ((_, values), &k) in axes() {
            if let Some(with) = &values[k].with {
                here.merge(with.clone(), &choices());
            }
        }
        for ((key, values), &k) in axes() {
            if key != MODEL {
                here.set(key, values[k].value.clone())?;
            }
            swept.push((key.clone(), values[k].label.clone()));
        }
        let violations = Violations::new();
        let root = here.section(&violations);
        for key in INERT {
            root.node(key);
        }
        let words: Vec<String> = axes()
            .map(|((key, values), &k)| values[k].spoken(key))
            .collect();
        let mut settings = Settings::parse(&root, folder, swept, &violations);
        settings.label = words.join(", ");
        root.finish();
        settings.lines = here.lines();
        let is_own = |(key, _): &(String, String)| !INERT.iter().any(|k| is_within(key, k));
        settings.lines.retain(is_own);
        match violations.check() {
            Ok(()) => points.push(settings),
            Err(Error::Invalid(v)) => {
                broken.extend(
                    v.into_iter()
                        .filter(|v| !broken.contains(v))
                        .collect::<Vec<_>>(),
                );
            }
            Err(other) => return Err(other),
        }
    }
    if broken.is_empty() {
        Ok(points)
    } else {
        Err(Error::Invalid(broken))
    }
}
