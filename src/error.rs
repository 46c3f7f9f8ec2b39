//! What can go wrong, said in sentences that name the place, the rule and a way out.

use std::fmt;
use std::path::{Path, PathBuf};

/// The result of everything in this crate that can fail.
pub type Result<T> = std::result::Result<T, Error>;

/// One broken rule in one place of an input file.
///
/// ```
/// use memridge::error::Violation;
///
/// let violation = Violation {
///     file: "study.toml".into(),
///     line: Some(12),
///     column: Some(17),
///     key: "task.learning-rate".into(),
///     value: Some("-0.1".into()),
///     rule: "must be greater than 0".into(),
///     way_out: "for example learning-rate = 0.01".into(),
/// };
/// assert_eq!(
///     violation.to_string(),
///     "study.toml:12:17: task.learning-rate = -0.1: must be greater than 0; for example learning-rate = 0.01",
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The file as the user named it.
    pub file: String,
    /// Line, counted from 1.
    pub line: Option<usize>,
    /// Column in characters, counted from 1.
    pub column: Option<usize>,
    /// Dotted path of the key, empty when the place has none (a syntax error).
    pub key: String,
    /// The value that was found, as it would be written in the file.
    pub value: Option<String>,
    /// The rule that it breaks.
    pub rule: String,
    /// What to write instead.
    pub way_out: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_place(f, &self.file, self.line, self.column)?;
        match (self.key.as_str(), &self.value) {
            ("", None) => {}
            ("", Some(value)) => write!(f, "{value}: ")?,
            (key, None) => write!(f, "{key}: ")?,
            (key, Some(value)) => write!(f, "{key} = {value}: ")?,
        }
        write_rule(f, &self.rule, &self.way_out)
    }
}

/// Everything that can go wrong in this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Input files break rules; every violation found is listed.
    #[error("{}", Listing(.0))]
    Invalid(Vec<Violation>),

    /// A file cannot be read.
    #[error("{}: cannot be read: {source}; {way_out}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why the operating system refused.
        source: std::io::Error,
        /// What to do about it.
        way_out: String,
    },

    /// A file cannot be written.
    #[error(
        "{}: cannot be written: {source}; check that the folder exists, is writable and has space left",
        .path.display()
    )]
    Write {
        /// The file.
        path: PathBuf,
        /// Why the operating system refused.
        source: std::io::Error,
    },

    /// The content of a file of data breaks a rule.
    #[error("{}", DataLine { file, line: *line, column: column.as_deref(), rule, way_out })]
    Data {
        /// The file as the user named it.
        file: String,
        /// Line, counted from 1.
        line: Option<usize>,
        /// Name of the column.
        column: Option<String>,
        /// The rule that is broken.
        rule: String,
        /// What to write instead.
        way_out: String,
    },

    /// There is no graphics processor, or none of those that were asked for.
    #[error("no graphics processor {asked}; {way_out}")]
    NoAdapter {
        /// What was looked for.
        asked: String,
        /// What to do about it.
        way_out: String,
    },

    /// A graphics processor cannot do what it was asked for, or stopped doing it.
    #[error("graphics processor {adapter}: {problem}; {way_out}")]
    Graphics {
        /// Its name.
        adapter: String,
        /// What happened.
        problem: String,
        /// What to do about it.
        way_out: String,
    },

    /// An iterative method stopped before it reached its tolerance; no value is returned.
    #[error("{what} did not converge: {detail}")]
    NotConverged {
        /// What was solved.
        what: String,
        /// How far it came, and what to change.
        detail: String,
    },

    /// More of something than can be counted.
    #[error("{what}: more than the {most} that can be counted; {way_out}")]
    TooMany {
        /// What it is, and where.
        what: String,
        /// How many there may be.
        most: u64,
        /// What to do about it.
        way_out: String,
    },
}

impl Error {
    /// An error for a file that could not be read, with a way out that fits the reason: a file of a similar name
    /// beside the one asked for, if there is one.
    pub fn read(path: impl Into<PathBuf>, source: std::io::Error) -> Self {
        use std::io::ErrorKind;
        let path = path.into();
        let way_out = match source.kind() {
            ErrorKind::NotFound => match similar_file(&path) {
                Some(name) => format!("did you mean {name}?"),
                None => "check the path: relative paths start at the current folder".to_owned(),
            },
            ErrorKind::InvalidData => "save the file as text in UTF-8".to_owned(),
            ErrorKind::PermissionDenied => "allow this user to read it".to_owned(),
            ErrorKind::IsADirectory => "name a file inside this folder".to_owned(),
            _ => "check that it is a readable file".to_owned(),
        };
        Self::Read {
            path,
            source,
            way_out,
        }
    }

    /// An error for a file that could not be written.
    pub fn write(path: impl Into<PathBuf>, source: std::io::Error) -> Self {
        Self::Write {
            path: path.into(),
            source,
        }
    }
}

impl From<Violation> for Error {
    fn from(violation: Violation) -> Self {
        Self::Invalid(vec![violation])
    }
}

/// The candidate that a misspelt word most likely meant, if any is close enough.
///
/// ```
/// use memridge::error::closest;
///
/// assert_eq!(closest("learing_rate", ["epochs", "learning-rate"]), Some("learning-rate"));
/// assert_eq!(closest("colour", ["epochs", "learning-rate"]), None);
/// ```
pub fn closest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    const CLOSE_ENOUGH: f64 = 0.6;
    let word = word.to_lowercase();
    let mut best = None;
    let mut best_score = CLOSE_ENOUGH;
    for candidate in candidates {
        let score = strsim::normalized_damerau_levenshtein(&word, &candidate.to_lowercase());
        if score > best_score || (score >= CLOSE_ENOUGH && best.is_none()) {
            best = Some(candidate);
            best_score = score;
        }
    }
    best
}

/// A file beside `path` whose name is close to the one asked for.
fn similar_file(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let mut names: Vec<String> = std::fs::read_dir(folder.unwrap_or(Path::new(".")))
        .ok()?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    names.sort();
    let found = closest(name, names.iter().map(String::as_str))?;
    Some(path.with_file_name(found).display().to_string())
}

/// All violations, one a line, in the order of the files.
struct Listing<'a>(&'a [Violation]);

impl fmt::Display for Listing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut sorted: Vec<&Violation> = self.0.iter().collect();
        sorted.sort_by_key(|v| (&v.file, v.line, v.column));
        for (index, violation) in sorted.into_iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{violation}")?;
        }
        Ok(())
    }
}

struct DataLine<'a> {
    file: &'a str,
    line: Option<usize>,
    column: Option<&'a str>,
    rule: &'a str,
    way_out: &'a str,
}

impl fmt::Display for DataLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_place(f, self.file, self.line, None)?;
        if let Some(column) = self.column {
            write!(f, "column {column}: ")?;
        }
        write_rule(f, self.rule, self.way_out)
    }
}

fn write_place(
    f: &mut fmt::Formatter<'_>,
    file: &str,
    line: Option<usize>,
    column: Option<usize>,
) -> fmt::Result {
    f.write_str(file)?;
    if let Some(line) = line {
        write!(f, ":{line}")?;
        if let Some(column) = column {
            write!(f, ":{column}")?;
        }
    }
    f.write_str(": ")
}

fn write_rule(f: &mut fmt::Formatter<'_>, rule: &str, way_out: &str) -> fmt::Result {
    f.write_str(rule)?;
    if way_out.is_empty() {
        Ok(())
    } else {
        write!(f, "; {way_out}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn violation(file: &str, line: usize) -> Violation {
        Violation {
            file: file.into(),
            line: Some(line),
            column: None,
            key: "a.b".into(),
            value: None,
            rule: "is wrong".into(),
            way_out: String::new(),
        }
    }

    #[test]
    fn violations_are_listed_in_the_order_of_the_files() {
        let error = Error::Invalid(vec![
            violation("b.toml", 1),
            violation("a.toml", 10),
            violation("a.toml", 2),
        ]);
        assert_eq!(
            error.to_string(),
            "a.toml:2: a.b: is wrong\na.toml:10: a.b: is wrong\nb.toml:1: a.b: is wrong"
        );
    }

    #[test]
    fn data_errors_name_line_and_column() {
        let error = Error::Data {
            file: "diabetes.csv".into(),
            line: Some(7),
            column: Some("bmi".into()),
            rule: "\"n/a\" is not a number".into(),
            way_out: "remove the row".into(),
        };
        assert_eq!(
            error.to_string(),
            "diabetes.csv:7: column bmi: \"n/a\" is not a number; remove the row"
        );
    }

    #[test]
    fn a_missing_file_is_met_with_its_neighbour() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("gong2018.toml"), "").unwrap();
        let path = folder.path().join("gong2008.toml");
        let source = std::fs::read(&path).unwrap_err();
        let text = Error::read(&path, source).to_string();
        assert!(text.contains("gong2008.toml: cannot be read"), "{text}");
        assert!(
            text.contains("did you mean") && text.ends_with("gong2018.toml?"),
            "{text}"
        );
    }

    #[test]
    fn errors_travel_between_threads() {
        fn assert_travels<T: Send + Sync + 'static>() {}
        assert_travels::<Error>();
    }
}
