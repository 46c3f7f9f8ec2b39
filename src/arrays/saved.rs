//! What is kept of a run so that it can go on later: named lists of numbers, written and read in one order by one function.
//!
//! A file is, in little-endian order: eight bytes of [`MAGIC`], the format (u32), the length of the records (u64), the records, and the CRC-32 of all before (u32).
//! A record is the length of its name (u8), the name, its kind (u8), the number of its values (u64), and these.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::Flaw;
use crate::error::{Error, Result};

/// What every file begins with; line ends that are converted on the way break it.
const MAGIC: [u8; 8] = *b"MEMRIDG\n";

/// Changes with the meaning of the records.
const FORMAT: u32 = 1;

/// Bytes before the records.
const HEADER: usize = 20;

/// Bytes of the checksum.
const CHECKSUM: usize = 4;

/// Numbers that records have.
pub trait Plain: Copy {
    /// Tells it from the others.
    const KIND: u8;
    /// Bytes of one.
    const SIZE: usize;
    /// Appends its bytes.
    fn put(self, to: &mut Vec<u8>);
    /// From [`Plain::SIZE`] bytes.
    fn take(from: &[u8]) -> Self;
}

macro_rules! plain {
    ($($kind:literal: $number:ty),*) => {
        $(impl Plain for $number {
            const KIND: u8 = $kind;
            const SIZE: usize = size_of::<Self>();

            fn put(self, to: &mut Vec<u8>) {
                to.extend_from_slice(&self.to_le_bytes());
            }

            fn take(from: &[u8]) -> Self {
                let mut bytes = [0; size_of::<Self>()];
                bytes.copy_from_slice(from);
                Self::from_le_bytes(bytes)
            }
        })*
    };
}

plain!(b'b': u8, b'u': u32, b'U': u64, b'i': i32, b'f': f32, b'd': f64);

/// Records that are being written, or taken one after the other.
///
/// Whoever has a state says once, in one function, what it is made of: the same calls write it to a new `Saved` and take it from one that was
/// read. A record of another name, kind or length than the one that is asked for is an error.
///
/// ```
/// use memridge::arrays::Saved;
///
/// fn keep(weights: &mut [f32], updates: &mut u32, saved: &mut Saved) -> memridge::error::Result<()> {
///     saved.list("weights", weights)?;
///     saved.number("updates", updates)
/// }
///
/// let mut saved = Saved::new();
/// keep(&mut [0.5, f32::NAN], &mut 7, &mut saved)?;
/// let mut saved = Saved::of("x".as_ref(), saved.bytes())?;
/// let (mut weights, mut updates) = ([0.0; 2], 0);
/// keep(&mut weights, &mut updates, &mut saved)?;
/// saved.end()?;
/// assert!(weights[0] == 0.5 && weights[1].is_nan() && updates == 7);
/// # Ok::<(), memridge::error::Error>(())
/// ```
#[derive(Debug)]
pub struct Saved {
    /// A whole file; without its checksum while it is written.
    bytes: Vec<u8>,
    /// Where it was read, and the place of the next record.
    read: Option<(PathBuf, usize)>,
}

impl Default for Saved {
    fn default() -> Self {
        Self::new()
    }
}

impl Saved {
    /// Nothing yet.
    pub fn new() -> Self {
        let mut bytes = MAGIC.to_vec();
        FORMAT.put(&mut bytes);
        0_u64.put(&mut bytes);
        Self { bytes, read: None }
    }

    /// Whether records are taken from it.
    pub fn is_read(&self) -> bool {
        self.read.is_some()
    }

    /// The whole file.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        if self.read.is_none() {
            let length = (bytes.len() - HEADER) as u64;
            bytes[HEADER - 8..HEADER].copy_from_slice(&length.to_le_bytes());
            crc32fast::hash(&bytes).put(&mut bytes);
        }
        bytes
    }

    /// Writes the file: whole, or not at all.
    ///
    /// # Errors
    /// [`Error::Write`]; an older file of that name stays.
    pub fn write(&self, path: &Path) -> Result<()> {
        replace(path, &self.bytes()).map_err(|e| Error::write(path, e))
    }

    /// Reads a file.
    ///
    /// # Errors
    /// [`Error::Read`], and those of [`Saved::of`].
    pub fn read(path: &Path) -> Result<Self> {
        Self::of(path, std::fs::read(path).map_err(|e| Error::read(path, e))?)
    }

    /// From the bytes of a file of this name.
    ///
    /// # Errors
    /// [`Error::Data`] where it is something else, of another format, cut short or damaged.
    pub fn of(path: &Path, bytes: Vec<u8>) -> Result<Self> {
        let flaw = |rule: String, way_out: &str| {
            Err(Flaw::new(rule, way_out).of(path.display().to_string()))
        };
        let again = "remove it to begin again";
        if !bytes.starts_with(&MAGIC[..bytes.len().min(MAGIC.len())]) {
            return flaw(
                "is no saved state of memridge".into(),
                "name a file that memridge has written",
            );
        }
        if bytes.len() < HEADER + CHECKSUM {
            return flaw(
                format!("is cut short: {} bytes are left", bytes.len()),
                again,
            );
        }
        let format = u32::take(&bytes[8..12]);
        if format != FORMAT {
            return flaw(
                format!("has the format {format}, and this memridge reads {FORMAT}"),
                "go on with the memridge that wrote it, or remove it to begin again",
            );
        }
        let records = u64::take(&bytes[12..HEADER]);
        let whole = (HEADER as u64).saturating_add(records) + CHECKSUM as u64;
        if (bytes.len() as u64) < whole {
            let rule = format!("is cut short: {} of {whole} bytes", bytes.len());
            return flaw(rule, again);
        }
        let (content, checksum) = bytes.split_at(bytes.len() - CHECKSUM);
        if bytes.len() as u64 > whole || crc32fast::hash(content) != u32::take(checksum) {
            return flaw(
                "is damaged: its checksum is that of other bytes".into(),
                again,
            );
        }
        Ok(Self {
            bytes,
            read: Some((path.to_owned(), HEADER)),
        })
    }

    /// An error of this file.
    pub fn refused(&self, rule: impl Into<String>, way_out: impl Into<String>) -> Error {
        let file = match &self.read {
            Some((path, _)) => path.display().to_string(),
            None => "saved state".into(),
        };
        Flaw::new(rule, way_out).of(file)
    }

    fn other(&self, expected: &str, found: &str) -> Error {
        self.refused(
            format!("is the state of something else: {expected} expected, {found} found"),
            "go on with the study that it was saved of, or remove it to begin again",
        )
    }

    /// The number of values in the record that is next, and the place of the first. It has this name.
    fn find<T: Plain>(&mut self, name: &str) -> Result<(usize, usize)> {
        let Some((_, at)) = &self.read else {
            return Ok((0, 0));
        };
        let records = &self.bytes[*at..self.bytes.len() - CHECKSUM];
        let own = usize::from(records.first().copied().unwrap_or(0));
        let head = 1 + own + 9;
        let Some(found) = records.get(1..head) else {
            return Err(self.other(name, "nothing more"));
        };
        let kind = found[own];
        let count = u64::take(&found[own + 1..]);
        let size = count.checked_mul(T::SIZE as u64);
        if &found[..own] != name.as_bytes() || kind != T::KIND {
            let found = String::from_utf8_lossy(&found[..own]).into_owned();
            return Err(self.other(name, &found));
        }
        if size.is_none_or(|size| size > (records.len() - head) as u64) {
            return Err(self.other(name, "less of it"));
        }
        Ok((count as usize, at + head))
    }

    /// Takes the values of the record that is next.
    fn take<T: Plain>(&mut self, first: usize, values: &mut [T]) {
        let end = first + values.len() * T::SIZE;
        let from = self.bytes[first..end].chunks_exact(T::SIZE);
        values
            .iter_mut()
            .zip(from)
            .for_each(|(v, bytes)| *v = T::take(bytes));
        if let Some((_, at)) = &mut self.read {
            *at = end;
        }
    }

    fn put<T: Plain>(&mut self, name: &str, values: &[T]) {
        self.bytes.push(name.len() as u8);
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.push(T::KIND);
        (values.len() as u64).put(&mut self.bytes);
        self.bytes.reserve(values.len() * T::SIZE);
        values.iter().for_each(|v| v.put(&mut self.bytes));
    }

    /// A list whose length is known.
    ///
    /// # Errors
    /// [`Error::Data`] if the next record is another.
    ///
    /// # Panics
    /// For a name of more than 255 bytes.
    pub fn list<T: Plain>(&mut self, name: &str, values: &mut [T]) -> Result<()> {
        assert!(name.len() < 256, "the name of a record is short");
        if !self.is_read() {
            self.put(name, values);
            return Ok(());
        }
        let (count, first) = self.find::<T>(name)?;
        if count != values.len() {
            let expected = format!("{} × {name}", values.len());
            return Err(self.other(&expected, &format!("{count} ×")));
        }
        self.take(first, values);
        Ok(())
    }

    /// A list of any length.
    ///
    /// # Errors
    /// As [`Saved::list`].
    pub fn growing<T: Plain + Default>(&mut self, name: &str, values: &mut Vec<T>) -> Result<()> {
        if self.is_read() {
            let (count, _) = self.find::<T>(name)?;
            values.clear();
            values.resize(count, T::default());
        }
        self.list(name, values)
    }

    /// A list that may be missing.
    ///
    /// # Errors
    /// As [`Saved::list`].
    pub fn optional<T: Plain + Default>(
        &mut self,
        name: &str,
        values: &mut Option<Vec<T>>,
    ) -> Result<()> {
        let mut there = values.is_some();
        self.flag(name, &mut there)?;
        if !there {
            *values = None;
            return Ok(());
        }
        self.growing(name, values.get_or_insert_default())
    }

    /// One number.
    ///
    /// # Errors
    /// As [`Saved::list`].
    pub fn number<T: Plain>(&mut self, name: &str, value: &mut T) -> Result<()> {
        self.list(name, std::slice::from_mut(value))
    }

    /// Yes or no.
    ///
    /// # Errors
    /// As [`Saved::list`].
    pub fn flag(&mut self, name: &str, value: &mut bool) -> Result<()> {
        let mut byte = u8::from(*value);
        self.number(name, &mut byte)?;
        *value = byte != 0;
        Ok(())
    }

    /// A number of things.
    ///
    /// # Errors
    /// As [`Saved::list`].
    pub fn count(&mut self, name: &str, value: &mut usize) -> Result<()> {
        let mut number = *value as u64;
        self.number(name, &mut number)?;
        *value = number as usize;
        Ok(())
    }

    /// A text.
    ///
    /// # Errors
    /// As [`Saved::list`].
    pub fn text(&mut self, name: &str, text: &mut String) -> Result<()> {
        let mut bytes = std::mem::take(text).into_bytes();
        self.growing(name, &mut bytes)?;
        *text = String::from_utf8(bytes).map_err(|_| self.other(name, "no text"))?;
        Ok(())
    }

    /// That was all.
    ///
    /// # Errors
    /// [`Error::Data`] if records are left.
    pub fn end(&self) -> Result<()> {
        match &self.read {
            Some((_, at)) if *at + CHECKSUM != self.bytes.len() => {
                Err(self.other("the end", "more"))
            }
            _ => Ok(()),
        }
    }
}

/// Puts a file in place of an older one: at every moment, also after the power fails, one of them is there, whole.
fn replace(path: &Path, content: &[u8]) -> std::io::Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let fresh = path.with_file_name(format!(".{name}.{}", std::process::id()));
    let written = File::create(&fresh).and_then(|mut file| {
        file.write_all(content)?;
        file.sync_all()?;
        std::fs::rename(&fresh, path)
    });
    if written.is_err() {
        // What could not be written is of no use; failing to remove it loses nothing.
        let _ = std::fs::remove_file(&fresh);
    }
    // The folder has the new name on the disk too. Not every system opens folders as files: there the older file may come back.
    if let Some(folder) = path.parent().and_then(|p| File::open(p).ok()) {
        let _ = folder.sync_all();
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    struct State {
        states: Vec<f32>,
        ages: Vec<f64>,
        pulses: u64,
        name: String,
        factors: Option<Vec<f32>>,
        seen: bool,
    }

    impl State {
        fn new() -> Self {
            Self {
                states: vec![0.25, -0.0, f32::NAN, f32::MIN_POSITIVE / 2.0],
                ages: vec![1e300],
                pulses: u64::MAX,
                name: "τ".into(),
                factors: Some(vec![1.5]),
                seen: true,
            }
        }

        fn empty() -> Self {
            Self {
                states: vec![0.0; 4],
                ages: Vec::new(),
                pulses: 0,
                name: String::new(),
                factors: None,
                seen: false,
            }
        }

        fn keep(&mut self, saved: &mut Saved) -> Result<()> {
            saved.list("states", &mut self.states)?;
            saved.growing("ages", &mut self.ages)?;
            saved.number("pulses", &mut self.pulses)?;
            saved.text("name", &mut self.name)?;
            saved.optional("factors", &mut self.factors)?;
            saved.flag("seen", &mut self.seen)
        }
    }

    fn bytes() -> Vec<u8> {
        let mut saved = Saved::new();
        State::new().keep(&mut saved).unwrap();
        saved.bytes()
    }

    fn of(bytes: &[u8]) -> Result<Saved> {
        Saved::of("a.state".as_ref(), bytes.to_vec())
    }

    #[test]
    fn what_is_read_is_what_was_written_bit_by_bit() {
        let (mut saved, mut found, given) = (of(&bytes()).unwrap(), State::empty(), State::new());
        found.keep(&mut saved).unwrap();
        saved.end().unwrap();
        let bits = |s: &State| s.states.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&found), bits(&given));
        assert_eq!((found.ages, found.pulses), (given.ages, given.pulses));
        assert_eq!((found.name, found.factors), (given.name, given.factors));
        assert!(found.seen);
        // A file that was read can be written again.
        assert_eq!(of(&bytes()).unwrap().bytes(), bytes());
    }

    #[test]
    fn files_that_are_cut_damaged_or_foreign_are_refused() {
        let whole = bytes();
        for length in 0..whole.len() {
            let text = of(&whole[..length]).unwrap_err().to_string();
            assert!(text.contains("a.state: is cut short"), "{length}: {text}");
        }
        for at in 0..whole.len() {
            for bit in 0..8 {
                let mut broken = whole.clone();
                broken[at] ^= 1 << bit;
                let text = of(&broken).unwrap_err().to_string();
                let said = match at {
                    0..8 => "is no saved state",
                    8..12 => "has the format",
                    _ => "is ",
                };
                assert!(text.contains(said), "{at}: {text}");
            }
        }
        let longer = [&whole[..], &[0]].concat();
        let text = of(&longer).unwrap_err().to_string();
        assert!(text.contains("is damaged"), "{text}");
        let text = of(b"title = \"a study\"").unwrap_err().to_string();
        assert!(text.contains("is no saved state"), "{text}");
    }

    #[test]
    fn states_of_something_else_are_refused() {
        let refused = |keep: &dyn Fn(&mut Saved) -> Result<()>| {
            let mut saved = of(&bytes()).unwrap();
            let text = keep(&mut saved).unwrap_err().to_string();
            assert!(text.contains("is the state of something else"), "{text}");
            text
        };
        let text = refused(&|s| s.list("traps", &mut [0.0_f32; 4]));
        assert!(text.contains("traps expected, states found"), "{text}");
        let text = refused(&|s| s.list("states", &mut [0.0_f32; 5]));
        assert!(text.contains("5 × states expected, 4 × found"), "{text}");
        refused(&|s| s.list("states", &mut [0.0_f64; 4]));
        refused(&|s| s.end());
        refused(&|s| {
            State::empty().keep(s)?;
            s.number("more", &mut 0_u32)
        });
    }

    #[test]
    fn a_file_replaces_the_older_one_and_leaves_nothing_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.state");
        for pulses in [1_u64, 2] {
            let mut saved = Saved::new();
            saved.number("pulses", &mut { pulses }).unwrap();
            saved.write(&path).unwrap();
            let mut found = 0;
            Saved::read(&path)
                .unwrap()
                .number("pulses", &mut found)
                .unwrap();
            assert_eq!(found, pulses);
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        let missing = folder.path().join("no/a.state");
        assert!(Saved::new().write(&missing).is_err());
    }
}
