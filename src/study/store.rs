//! Results on disk: complete or not there.

use std::path::{Path, PathBuf};

use super::checkpoint;
use super::measure::ReadRow;
use super::misses::READ_COLUMNS;
use super::network::EpochRow;
use super::run::RunRow;
use crate::error::{Error, Result};

/// One file of a result directory.
#[derive(Debug, Clone)]
pub struct Artifact {
    /// File name.
    pub name: String,
    /// Content.
    pub content: Vec<u8>,
}

/// Fails if results cannot go to `directory`: it is a file, it holds something else than results, or nothing can be written beside
/// it. To be called before hours are spent.
///
/// # Errors
/// [`Error::Write`].
pub fn check_target(directory: &Path) -> Result<()> {
    let refuse = |reason: &str| {
        Err(Error::write(
            directory,
            std::io::Error::other(reason.to_owned()),
        ))
    };
    if directory.is_file() {
        return refuse("a file of this name is in the way, and it is not replaced");
    }
    // Checkpoints are replaced with the results of the run that they are of.
    let is_other = |e: std::io::Result<std::fs::DirEntry>| {
        e.map_or(true, |e| e.file_name() != checkpoint::FOLDER)
    };
    if let Ok(mut entries) = std::fs::read_dir(directory)
        && entries.any(is_other)
        && !directory.join("provenance.json").is_file()
    {
        return refuse(
            "the folder holds files that are no results of a study, and they are not replaced",
        );
    }
    // Nothing is left behind: an empty folder is made and removed where the first new folder would be.
    let there = parent(directory).ancestors().find(|p| p.exists());
    let there = there.unwrap_or(Path::new("."));
    let probe = there.join(format!(".memridge-{}", std::process::id()));
    std::fs::create_dir(&probe)
        .and_then(|()| std::fs::remove_dir(&probe))
        .map_err(|e| Error::write(directory, e))
}

/// The folder that `directory` is in.
fn parent(directory: &Path) -> &Path {
    match directory.parent() {
        Some(p) if !p.as_os_str().is_empty() => p,
        _ => Path::new("."),
    }
}

/// A hidden name of this process beside `directory`.
fn beside(directory: &Path, what: &str) -> PathBuf {
    let name = directory
        .file_name()
        .map_or_else(|| "results".into(), |n| n.to_string_lossy());
    parent(directory).join(format!(".{name}.{what}-{}", std::process::id()))
}

/// Writes all files into a directory of a temporary name beside `directory`, then renames it into place. An older result is
/// moved aside first and removed last, so that at every moment the directory is whole or absent.
///
/// # Errors
/// [`Error::Write`]; an earlier result stays.
pub fn store(directory: &Path, artifacts: &[Artifact]) -> Result<()> {
    check_target(directory)?;
    let parent = parent(directory);
    std::fs::create_dir_all(parent).map_err(|e| Error::write(parent, e))?;
    let (fresh, old) = (beside(directory, "partial"), beside(directory, "old"));
    let written = write_all(&fresh, artifacts).and_then(|()| {
        let existed = directory.exists();
        if existed {
            std::fs::rename(directory, &old).map_err(|e| Error::write(directory, e))?;
        }
        std::fs::rename(&fresh, directory).map_err(|e| {
            if existed {
                // Put the older result back; if that fails too, it is still there under its temporary name.
                let _ = std::fs::rename(&old, directory);
            }
            Error::write(directory, e)
        })
    });
    // What is left over has served; failing to remove it loses nothing.
    let _ = std::fs::remove_dir_all(&fresh);
    if written.is_ok() {
        let _ = std::fs::remove_dir_all(&old);
    }
    written
}

fn write_all(folder: &Path, artifacts: &[Artifact]) -> Result<()> {
    std::fs::create_dir_all(folder).map_err(|e| Error::write(folder, e))?;
    for artifact in artifacts {
        let path = folder.join(&artifact.name);
        std::fs::write(&path, &artifact.content).map_err(|e| Error::write(&path, e))?;
    }
    Ok(())
}

/// The table of runs as CSV: point, label, replica, excess loss, one column a weight.
///
/// # Errors
/// [`Error::Write`] if the table cannot be made.
pub fn runs_csv(rows: &[RunRow], labels: &[String], features: &[String]) -> Result<Vec<u8>> {
    let names = features.iter().map(String::as_str);
    let columns = std::iter::once("excess-loss").chain(names);
    let rows = rows.iter().map(|row| {
        let loss = std::iter::once(row.excess_loss);
        let values = loss.chain(row.weights.iter().copied()).collect();
        (row.point, row.replica, values)
    });
    csv_of("runs.csv", labels, columns, rows)
}

/// The table of reads as CSV: point, label, replica, seconds since programming, one column a finding.
///
/// # Errors
/// [`Error::Write`] if the table cannot be made.
pub fn reads_csv(rows: &[ReadRow], labels: &[String]) -> Result<Vec<u8>> {
    let columns = std::iter::once("time").chain(READ_COLUMNS);
    let rows = rows.iter().map(|row| {
        let time = std::iter::once(row.time);
        (row.point, row.replica, time.chain(row.values).collect())
    });
    csv_of("reads.csv", labels, columns, rows)
}

/// The table of epochs as CSV: point, label, replica, epoch, losses and accuracy.
///
/// # Errors
/// [`Error::Write`] if the table cannot be made.
pub fn epochs_csv(rows: &[EpochRow], labels: &[String]) -> Result<Vec<u8>> {
    let columns = ["epoch", "training-loss", "test-loss", "test-accuracy"];
    let rows = rows.iter().map(|row| {
        let epoch = f64::from(row.epoch);
        let values = vec![epoch, row.training_loss, row.test_loss, row.test_accuracy];
        (row.point, row.replica, values)
    });
    csv_of("epochs.csv", labels, columns.into_iter(), rows)
}

/// Point, label, replica and then what the columns name.
fn csv_of<'a>(
    file: &str,
    labels: &[String],
    columns: impl Iterator<Item = &'a str>,
    rows: impl Iterator<Item = (usize, usize, Vec<f64>)>,
) -> Result<Vec<u8>> {
    let fail = |e: csv::Error| Error::write(file, std::io::Error::other(e));
    let mut out = csv::Writer::from_writer(Vec::new());
    let header = ["point", "label", "replica"].into_iter().chain(columns);
    out.write_record(header).map_err(fail)?;
    for (point, replica, values) in rows {
        let mut record = vec![
            point.to_string(),
            labels.get(point).cloned().unwrap_or_default(),
            replica.to_string(),
        ];
        record.extend(values.iter().map(f64::to_string));
        out.write_record(&record).map_err(fail)?;
    }
    out.into_inner()
        .map_err(|e| Error::write(file, std::io::Error::other(e.to_string())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_replaces_the_older_one_as_a_whole() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("a/result");
        let artifact = |name: &str| Artifact {
            name: name.into(),
            content: b"x".to_vec(),
        };
        let mark = "provenance.json";
        store(&target, &[artifact(mark), artifact("one")]).unwrap();
        store(&target, &[artifact(mark)]).unwrap();
        let names = |p: &Path| {
            std::fs::read_dir(p)
                .unwrap()
                .map(|e| e.unwrap().file_name().into_string().unwrap())
                .collect::<Vec<_>>()
        };
        assert_eq!(names(&target), [mark]);
        // nothing temporary is left beside it
        assert_eq!(names(target.parent().unwrap()), ["result"]);
        // a file that cannot be written leaves the older result
        assert!(store(&target, &[artifact("no/such/folder")]).is_err());
        assert_eq!(names(&target), [mark]);
        assert_eq!(names(target.parent().unwrap()), ["result"]);
    }
}
