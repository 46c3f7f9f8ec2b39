//! Checkpoints: states of a run that may be interrupted and go on later, one file a stack.
//!
//! A file says first what it is the state of: version, settings of the point, a checksum of the data and the drawn cells, the way that was done. It is taken up by a
//! run of the same settings alone, but for those that are [free](About::free).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::arrays::Saved;
use crate::crossbar::Plan;
use crate::error::{Error, Result};

/// Folder of checkpoints in a folder of results.
pub(super) const FOLDER: &str = "checkpoint";

/// Settings that the training of a network may go on with other values of.
pub(super) const FREE: [&str; 5] = [
    "training.learning-rate",
    "training.schedule",
    "training.epochs",
    "training.average-from",
    "training.log-every",
];

/// What a state must have been written by: sampled values may change with the version.
const PROGRAM: &str = concat!("memridge ", env!("CARGO_PKG_VERSION"));

/// Where checkpoints of a run are, and how often they are written.
#[derive(Debug, Clone)]
pub struct Checkpoints {
    folder: PathBuf,
    every: Duration,
    resume: bool,
    begun: Instant,
}

impl Checkpoints {
    /// Checkpoints of a run whose results go to the folder `results`, where [`store`](super::store) replaces them; of each stack one at the ends of epochs, with at
    /// least `every` between two; with `resume` those that are there are taken up.
    ///
    /// # Errors
    /// [`Error::Data`] if there are checkpoints that are not to be taken up.
    pub fn new(results: &Path, every: Duration, resume: bool) -> Result<Self> {
        let new = Self {
            folder: results.join(FOLDER),
            every,
            resume,
            begun: Instant::now(),
        };
        if !resume && new.exist() {
            return Err(Error::Data {
                file: new.folder.display().to_string(),
                line: None,
                column: None,
                rule: "has checkpoints of a run that did not end".into(),
                way_out: "go on with --resume, or remove the folder to begin again".into(),
            });
        }
        Ok(new)
    }

    /// Whether there are any.
    pub fn exist(&self) -> bool {
        std::fs::read_dir(&self.folder).is_ok_and(|mut files| files.next().is_some())
    }
}

/// What a state is the state of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct About {
    /// Keys of the point with their values.
    pub(super) settings: Vec<(String, String)>,
    /// A checksum of what these do not say: data, drawn cells.
    pub(super) digest: u32,
    /// What of the point it is, and the name of the file.
    pub(super) part: String,
    /// What it is called.
    pub(super) label: String,
    /// Epochs that the run is to have, or parts that it is kept after.
    pub(super) epochs: u32,
    /// First step that is averaged, and every how many steps.
    pub(super) averaged: [u32; 2],
    /// Settings that a run may go on with other values of; tables with all that is in them.
    pub(super) free: &'static [&'static str],
}

/// The checkpoints of one stack.
pub(super) struct Keeper<'a> {
    checkpoints: &'a Checkpoints,
    about: About,
    path: PathBuf,
    /// Where settings were others before.
    pub(super) notes: Vec<String>,
    written: Instant,
    /// The last state that is good, and its epochs.
    good: Option<(u32, Saved)>,
}

/// A state to go on from.
pub(super) struct Taken {
    /// Epochs that are done.
    pub(super) done: u32,
    /// First step that was averaged, and every how many steps.
    pub(super) averaged: [u32; 2],
    /// The state.
    pub(super) saved: Saved,
}

impl<'a> Keeper<'a> {
    pub(super) fn new(checkpoints: &'a Checkpoints, about: About) -> Self {
        Self {
            path: checkpoints.folder.join(format!("{}.state", about.part)),
            checkpoints,
            about,
            notes: Vec::new(),
            written: checkpoints.begun,
            good: None,
        }
    }

    /// The state to go on from, if it was left behind and is wanted.
    ///
    /// # Errors
    /// A file that cannot be read, is damaged, or of another run.
    pub(super) fn take_up(&mut self) -> Result<Option<Taken>> {
        if !self.checkpoints.resume || !self.path.exists() {
            return Ok(None);
        }
        let mut saved = Saved::read(&self.path)?;
        let (mut there, mut done) = (self.about.clone(), 0);
        let mut notes = Vec::new();
        head(&mut there, &mut done, &mut notes, &mut saved)?;
        let begin = format!(
            "or remove {} to begin again",
            self.checkpoints.folder.display()
        );
        let (mut fixed, free): (Vec<_>, Vec<_>) = changes(&there.settings, &self.about.settings)
            .into_iter()
            .partition(|c| !self.about.free.iter().any(|f| is_within(&c.key, f)));
        if let Some(change) = fixed.pop() {
            return Err(saved.refused(
                format!("is of a run with other settings: {change}"),
                format!("go on with the study as it was, {begin}"),
            ));
        }
        if there.part != self.about.part || there.digest != self.about.digest {
            let what = match there.part == self.about.part {
                true => "other data, or arrays of numbers that device files name".to_owned(),
                false => format!("another part of the run, {}", there.part),
            };
            return Err(saved.refused(format!("is of {what}"), format!("bring them back, {begin}")));
        }
        if done > self.about.epochs {
            return Err(saved.refused(
                format!(
                    "is the state after {done} epochs, and the study has {}",
                    self.about.epochs
                ),
                format!("write training.epochs = {done} or more, {begin}"),
            ));
        }
        if !free.is_empty() {
            let changes: Vec<String> = free.iter().map(ToString::to_string).collect();
            notes.push(format!(
                "{} went on after epoch {done} with other settings: {}",
                self.about.label,
                changes.join(", ")
            ));
        }
        self.notes = notes;
        Ok(Some(Taken {
            done,
            averaged: there.averaged,
            saved,
        }))
    }

    /// Keeps the state after `done` epochs, which `fill` writes: in a file where it is time to, and for [`Keeper::rescue`] where it is good.
    pub(super) fn keep(
        &mut self,
        done: u32,
        good: bool,
        fill: impl FnOnce(&mut Saved) -> Result<()>,
    ) -> Result<()> {
        // Stacks that are done wait for others.
        let since = match done == self.about.epochs {
            true => self.checkpoints.begun,
            false => self.written,
        };
        let due = since.elapsed() >= self.checkpoints.every;
        if !due && !good {
            return Ok(());
        }
        let mut saved = Saved::new();
        let about = &mut self.about.clone();
        head(about, &mut { done }, &mut self.notes, &mut saved)?;
        fill(&mut saved)?;
        if due {
            self.write(&saved)?;
            self.written = Instant::now();
        }
        if good {
            self.good = Some((done, saved));
        }
        Ok(())
    }

    fn write(&self, saved: &Saved) -> Result<()> {
        let folder = &self.checkpoints.folder;
        std::fs::create_dir_all(folder).map_err(|e| Error::write(folder, e))?;
        saved.write(&self.path)
    }

    /// Writes the last state that is good where a run diverges, and says so.
    pub(super) fn rescue(&mut self, error: Error) -> Error {
        match (error, self.good.take()) {
            (Error::NotConverged { what, detail }, Some((done, saved))) => Error::NotConverged {
                detail: match self.write(&saved) {
                    Ok(()) => format!(
                        "{detail}, and go on with --resume from the last good state, that after epoch {done}, in {}",
                        self.path.display()
                    ),
                    Err(e) => format!("{detail} (the state after epoch {done} is lost: {e})"),
                },
                what,
            },
            (error, _) => error,
        }
    }
}

/// What a file says of itself before the state. Another version is refused before anything else is read.
fn head(
    about: &mut About,
    done: &mut u32,
    notes: &mut Vec<String>,
    saved: &mut Saved,
) -> Result<()> {
    let mut program = PROGRAM.to_owned();
    saved.text("program", &mut program)?;
    if program != PROGRAM {
        return Err(saved.refused(
            format!(
                "was written by {program}, and this is {PROGRAM}, which may draw other numbers"
            ),
            format!("go on with {program}, or remove it to begin again"),
        ));
    }
    let mut lines: Vec<String> = about
        .settings
        .iter()
        .map(|(k, v)| format!("{k}\t{v}"))
        .collect();
    texts("settings", &mut lines, saved)?;
    let pair = |line: String| {
        let (key, value) = line.split_once('\t')?;
        Some((key.to_owned(), value.to_owned()))
    };
    about.settings = lines.into_iter().filter_map(pair).collect();
    saved.number("digest", &mut about.digest)?;
    saved.text("part", &mut about.part)?;
    saved.list("averaged", &mut about.averaged)?;
    saved.number("done", done)?;
    texts("notes", notes, saved)
}

fn texts(name: &str, texts: &mut Vec<String>, saved: &mut Saved) -> Result<()> {
    let mut count = texts.len();
    saved.count(name, &mut count)?;
    if saved.is_read() {
        texts.clear();
        for _ in 0..count {
            let mut text = String::new();
            saved.text(name, &mut text)?;
            texts.push(text);
        }
        return Ok(());
    }
    texts.iter_mut().try_for_each(|t| saved.text(name, t))
}

/// Adds numbers to a checksum.
pub(super) fn hash_numbers(numbers: &[f64], hasher: &mut crc32fast::Hasher) {
    for number in numbers {
        hasher.update(&number.to_le_bytes());
    }
}

/// Adds the drawn cells of arrays to a checksum.
pub(super) fn hash_cells<'a>(
    plans: impl Iterator<Item = &'a Plan>,
    hasher: &mut crc32fast::Hasher,
) {
    for plan in plans {
        let cells = &plan.model.cells;
        for k in 0..cells.len() {
            hash_numbers(cells.double(k).parameters, hasher);
        }
    }
}

/// A key with another value, or none, here or there.
#[derive(Debug, PartialEq, Eq)]
struct Change {
    key: String,
    there: Option<String>,
    here: Option<String>,
}

impl std::fmt::Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let value = |v: &Option<String>| v.clone().unwrap_or("missing".into());
        let (there, here) = (value(&self.there), value(&self.here));
        write!(f, "{} was {there} and is {here}", self.key)
    }
}

fn changes(there: &[(String, String)], here: &[(String, String)]) -> Vec<Change> {
    let map = |pairs: &[(String, String)]| pairs.iter().cloned().collect::<BTreeMap<_, _>>();
    let (there, here) = (map(there), map(here));
    let keys: std::collections::BTreeSet<&String> = there.keys().chain(here.keys()).collect();
    let changed = keys.into_iter().filter(|k| there.get(*k) != here.get(*k));
    let change = |key: &String| Change {
        key: key.clone(),
        there: there.get(key).cloned(),
        here: here.get(key).cloned(),
    };
    changed.map(change).collect()
}

/// Whether a key is this one or in this table.
pub(super) fn is_within(key: &str, table: &str) -> bool {
    key.strip_prefix(table)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn about() -> About {
        let settings = [
            ("seed", "1"),
            ("training.learning-rate", "0.1"),
            ("training.epochs", "5"),
            ("array.read-noise", "0.0"),
        ];
        About {
            settings: settings.map(|(k, v)| (k.into(), v.into())).into(),
            digest: 7,
            free: &FREE,
            part: "point-0-device-0".into(),
            label: "the device".into(),
            epochs: 5,
            averaged: [10, 1],
        }
    }

    /// A folder with the state 42 after three epochs.
    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let checkpoints = Checkpoints::new(folder.path(), Duration::ZERO, false).unwrap();
        keep(&mut Keeper::new(&checkpoints, about()), 3);
        folder
    }

    fn keep(keeper: &mut Keeper, done: u32) {
        keep_if(keeper, done, true);
    }

    fn keep_if(keeper: &mut Keeper, done: u32, good: bool) {
        let fill = |s: &mut Saved| s.number("x", &mut 42_u32);
        keeper.keep(done, good, fill).unwrap();
    }

    /// Takes it up with another description.
    fn take(folder: &Path, change: impl Fn(&mut About)) -> Result<(Taken, Vec<String>)> {
        let checkpoints = Checkpoints::new(folder, HOUR, true)?;
        let mut about = about();
        change(&mut about);
        let mut keeper = Keeper::new(&checkpoints, about);
        let taken = keeper.take_up()?;
        Ok((taken.unwrap(), keeper.notes))
    }

    fn set(about: &mut About, key: &str, value: &str) {
        about.settings.retain(|(k, _)| k != key);
        about.settings.push((key.into(), value.into()));
    }

    #[test]
    fn a_run_goes_on_where_it_was() {
        let folder = folder();
        let (mut taken, notes) = take(folder.path(), |_| {}).unwrap();
        let mut x = 0_u32;
        taken.saved.number("x", &mut x).unwrap();
        taken.saved.end().unwrap();
        assert_eq!((x, taken.done, taken.averaged), (42, 3, [10, 1]));
        assert!(notes.is_empty());
        // Where nothing was left behind it begins.
        let empty = tempfile::tempdir().unwrap();
        let checkpoints = Checkpoints::new(empty.path(), HOUR, true).unwrap();
        assert!(!checkpoints.exist());
        let taken = Keeper::new(&checkpoints, about()).take_up().unwrap();
        assert!(taken.is_none());
    }

    #[test]
    fn other_rates_and_lengths_are_noted() {
        let folder = folder();
        let (_, notes) = take(folder.path(), |about| {
            set(about, "training.learning-rate", "0.05");
            set(about, "training.schedule.geometric.last", "0.1");
            set(about, "training.epochs", "8");
            about.epochs = 8;
        })
        .unwrap();
        let [note] = &notes[..] else {
            panic!("{notes:?}");
        };
        assert_eq!(
            note,
            "the device went on after epoch 3 with other settings: training.epochs was 5 and is 8, training.learning-rate was 0.1 and is 0.05, \
             training.schedule.geometric.last was missing and is 0.1"
        );
    }

    #[test]
    fn states_of_other_runs_are_refused() {
        let folder = folder();
        let refused = |change: &dyn Fn(&mut About)| {
            let text = match take(folder.path(), change) {
                Ok(_) => panic!("taken up"),
                Err(e) => e.to_string(),
            };
            assert!(text.contains("point-0-device-0.state: is "), "{text}");
            assert!(text.contains("to begin again"), "{text}");
            text
        };
        let text = refused(&|a| set(a, "array.read-noise", "0.1"));
        assert!(
            text.contains("other settings: array.read-noise was 0.0 and is 0.1;"),
            "{text}"
        );
        refused(&|a| set(a, "training.learning-rates", "0.1"));
        let text = refused(&|a| a.digest = 8);
        assert!(text.contains("of other data"), "{text}");
        let text = refused(&|a| a.epochs = 2);
        assert!(
            text.contains("after 3 epochs, and the study has 2"),
            "{text}"
        );
        // Renamed.
        let own = folder.path().join(FOLDER).join("point-0-device-0.state");
        let other = own.with_file_name("point-1-device-0.state");
        std::fs::copy(own, other).unwrap();
        let renamed = take(folder.path(), |a| a.part = "point-1-device-0".into());
        let text = renamed.err().unwrap().to_string();
        assert!(text.contains("another part of the run"), "{text}");
    }

    #[test]
    fn states_of_another_version_are_refused() {
        let folder = folder();
        let path = folder.path().join(FOLDER).join("point-0-device-0.state");
        let bytes = std::fs::read(&path).unwrap();
        let at = bytes.windows(PROGRAM.len());
        let at = at.clone().position(|w| w == PROGRAM.as_bytes()).unwrap();
        let mut other = bytes[..bytes.len() - 4].to_vec();
        other[at + PROGRAM.len() - 1] += 1;
        let checksum = crc32fast::hash(&other).to_le_bytes();
        std::fs::write(&path, [&other[..], &checksum].concat()).unwrap();
        let text = take(folder.path(), |_| {}).err().unwrap().to_string();
        assert!(text.contains("was written by memridge"), "{text}");
    }

    #[test]
    fn checkpoints_are_not_overwritten_by_a_new_run() {
        let folder = folder();
        let error = Checkpoints::new(folder.path(), HOUR, false);
        let text = error.unwrap_err().to_string();
        assert!(text.contains("--resume"), "{text}");
    }

    #[test]
    fn files_are_written_when_it_is_time_to_or_when_a_run_diverges() {
        let folder = tempfile::tempdir().unwrap();
        let checkpoints = Checkpoints::new(folder.path(), HOUR, false).unwrap();
        let mut keeper = Keeper::new(&checkpoints, about());
        let diverged = || Error::NotConverged {
            what: "training".into(),
            detail: "choose a lower learning rate".into(),
        };
        // Nothing was good yet.
        let text = keeper.rescue(diverged()).to_string();
        assert!(text.ends_with("learning rate"), "{text}");
        keep(&mut keeper, 1);
        keep(&mut keeper, 2);
        keep_if(&mut keeper, 3, false);
        assert!(!checkpoints.exist());
        let text = keeper.rescue(diverged()).to_string();
        assert!(
            text.contains("with --resume from the last good state, that after epoch 2,"),
            "{text}"
        );
        assert_eq!(take(folder.path(), |_| {}).unwrap().0.done, 2);
    }
}
