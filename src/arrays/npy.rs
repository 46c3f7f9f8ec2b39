//! NPY and NPZ files.

use std::fs::File;
use std::io::{BufReader, Cursor, Read};
use std::path::Path;

use nalgebra::DMatrix;
use npyz::npz::{NpzArchive, file_name_from_array_name};
use npyz::{Deserialize, NpyFile, Order};

use super::{Array, Flaw};
use crate::error::{Error, Result, closest};

/// Longest text of a header, that NumPy itself reads.
const HEADER: usize = 10_000;

/// An open NPZ file.
pub struct Archive {
    npz: NpzArchive<BufReader<File>>,
}

impl Archive {
    /// Opens the file.
    ///
    /// # Errors
    /// [`Error::Read`] if it cannot be read, [`Error::Data`] if it is no NPZ file.
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|e| Error::read(path, e))?;
        let npz = NpzArchive::new(BufReader::new(file)).map_err(|e| {
            Flaw::new(format!("is no NPZ file: {e}"), "write it with numpy.savez")
                .of(path.display().to_string())
        })?;
        Ok(Self { npz })
    }

    /// Names of its arrays.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.npz.array_names().map(Into::into).collect()
    }

    /// The array of that name.
    ///
    /// # Errors
    /// What is wrong, if there is none or it is not an array of numbers.
    pub fn array(&mut self, name: &str) -> std::result::Result<Array, Flaw> {
        let names = self.names();
        if !names.iter().any(|n| n == name) {
            let way_out = match closest(name, names.iter().map(String::as_str)) {
                Some(near) => format!("did you mean {near}?"),
                None => format!("its arrays are {}", names.join(", ")),
            };
            return Err(Flaw::new("is missing", way_out));
        }
        let file = file_name_from_array_name(name);
        let entry = self.npz.zip_archive().by_name(&file);
        parse(entry.map_err(Flaw::malformed)?)
    }
}

/// The array `array` of an NPZ file, or the one of an NPY file.
///
/// # Errors
/// [`Error::Read`] if the file cannot be read; [`Error::Data`] if it has no such array, or one that does not hold numbers.
pub fn read_array(path: &Path, array: Option<&str>) -> Result<Array> {
    match array {
        None => {
            let file = File::open(path).map_err(|e| Error::read(path, e))?;
            parse(BufReader::new(file))
        }
        Some(name) => Archive::open(path)?.array(name),
    }
    .map_err(|flaw| flaw.of(named(path, array)))
}

/// As [`read_array`], for a matrix of finite numbers, or a list as one column.
///
/// # Errors
/// As [`read_array`]; [`Error::Data`] for more dimensions, and for a number that is not finite.
pub fn read_matrix(path: &Path, array: Option<&str>) -> Result<DMatrix<f64>> {
    let found = read_array(path, array)?;
    let bad = |rule: String, way_out: &str| Flaw::new(rule, way_out).of(named(path, array));
    let (rows, columns) = match found.shape[..] {
        [rows] => (rows, 1),
        [rows, columns] => (rows, columns),
        _ => {
            let rule = format!("has {} dimensions", found.shape.len());
            return Err(bad(rule, "save a matrix (numpy.reshape)"));
        }
    };
    if let Some(at) = found.values.iter().position(|v| !v.is_finite()) {
        let (value, r, c) = (found.values[at], at / columns, at % columns);
        let rule = format!("must hold finite numbers, found {value} at ({r}, {c})");
        return Err(bad(rule, "look at what wrote it"));
    }
    Ok(DMatrix::from_row_slice(rows, columns, &found.values))
}

fn named(path: &Path, array: Option<&str>) -> String {
    match array {
        Some(array) => format!("{}, array {array}", path.display()),
        None => path.display().to_string(),
    }
}

/// Reads an NPY file.
fn parse(mut from: impl Read) -> std::result::Result<Array, Flaw> {
    let start = header(&mut from)?;
    let npy = NpyFile::new(Cursor::new(start).chain(from)).map_err(Flaw::malformed)?;
    let shape: Vec<usize> = npy.shape().iter().map(|&n| n as usize).collect();
    let (dtype, order) = (npy.dtype().descr(), npy.order());
    let kind = dtype.trim_matches('\'');
    let values = match kind {
        "<f8" | ">f8" => values::<f64, _>(npy, |v| v),
        "<f4" | ">f4" => values::<f32, _>(npy, f64::from),
        "|b1" => values::<bool, _>(npy, |v| f64::from(u8::from(v))),
        "|u1" => values::<u8, _>(npy, f64::from),
        "|i1" => values::<i8, _>(npy, f64::from),
        "<u2" | ">u2" => values::<u16, _>(npy, f64::from),
        "<i2" | ">i2" => values::<i16, _>(npy, f64::from),
        "<u4" | ">u4" => values::<u32, _>(npy, f64::from),
        "<i4" | ">i4" => values::<i32, _>(npy, f64::from),
        "<u8" | ">u8" => values::<u64, _>(npy, |v| v as f64),
        "<i8" | ">i8" => values::<i64, _>(npy, |v| v as f64),
        _ => {
            return Err(Flaw::new(
                format!("has the type {kind}"),
                "save numbers, for example 64-bit floats (numpy.float64)",
            ));
        }
    }?;
    let values = match order {
        Order::C => values,
        Order::Fortran => by_rows(&shape, &values),
    };
    Ok(Array { shape, values })
}

/// The first bytes of an NPY file, to the end of its header, which the library's parser trusts: what is nested takes its stack and its time, and lengths that
/// no memory has make it overflow.
fn header(from: &mut impl Read) -> std::result::Result<Vec<u8>, Flaw> {
    let no_npy = || Flaw::new("is no NPY file", "write it with numpy.save or numpy.savez");
    let mut start = vec![0; 10];
    from.read_exact(&mut start).map_err(|_| no_npy())?;
    if !start.starts_with(b"\x93NUMPY") {
        return Err(no_npy());
    }
    let mut length = usize::from(start[8]) | usize::from(start[9]) << 8;
    if start[6] > 1 {
        let mut more = [0; 2];
        from.read_exact(&mut more).map_err(Flaw::malformed)?;
        length |= usize::from(more[0]) << 16 | usize::from(more[1]) << 24;
        start.extend(more);
    }
    if length > HEADER {
        return Err(Flaw::malformed(format!(
            "its header has {length} bytes, more than {HEADER}"
        )));
    }
    let text = start.len();
    start.resize(text + length, 0);
    from.read_exact(&mut start[text..])
        .map_err(Flaw::malformed)?;
    let text = &start[text..];
    // {'shape': (2, 3), …}: a dictionary with a tuple, and lists of tuples with tuples in types that are refused later.
    let (mut depth, mut deepest) = (0_usize, 0);
    for byte in text {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    if deepest > 5 {
        return Err(Flaw::malformed("its header is nested too deeply"));
    }
    // All numbers of the header, those of types too: generous, and independent of how it is written.
    let numbers = text
        .split(|b| !b.is_ascii_digit())
        .filter(|n| !n.is_empty());
    let cells = numbers
        .map(|n| std::str::from_utf8(n).ok()?.parse::<u64>().ok())
        .try_fold(1_u64, |all, n| all.checked_mul(n?.max(1)));
    if cells.is_none() {
        return Err(Flaw::malformed("its shape is larger than any memory"));
    }
    Ok(start)
}

/// All values. Room is made as they come: a header may lie.
fn values<T: Deserialize, R: Read>(
    npy: NpyFile<R>,
    number: impl Fn(T) -> f64,
) -> std::result::Result<Vec<f64>, Flaw> {
    let mut values = Vec::new();
    for value in npy.data::<T>().map_err(Flaw::malformed)? {
        values.push(number(value.map_err(Flaw::malformed)?));
    }
    Ok(values)
}

/// Values stored with the first dimension side by side, in the order of [`Array::values`].
fn by_rows(shape: &[usize], stored: &[f64]) -> Vec<f64> {
    let mut strides = Vec::with_capacity(shape.len());
    let mut stride = 1;
    for n in shape {
        strides.push(stride);
        stride *= n;
    }
    let mut place = vec![0; shape.len()];
    let mut values = Vec::with_capacity(stored.len());
    for _ in stored {
        let at: usize = place.iter().zip(&strides).map(|(k, s)| k * s).sum();
        values.push(stored[at]);
        for (k, n) in place.iter_mut().zip(shape).rev() {
            *k += 1;
            if *k < *n {
                break;
            }
            *k = 0;
        }
    }
    values
}

#[cfg(test)]
mod tests {
    use npyz::WriterBuilder;

    use super::*;

    /// Writes `values` in this order.
    fn write<T: npyz::AutoSerialize + Copy>(
        path: &Path,
        shape: &[u64],
        order: Order,
        values: &[T],
    ) {
        let file = File::create(path).unwrap();
        let mut writer = npyz::WriteOptions::new()
            .default_dtype()
            .shape(shape)
            .order(order)
            .writer(file)
            .begin_nd()
            .unwrap();
        writer.extend(values.iter().copied()).unwrap();
        writer.finish().unwrap();
    }

    #[test]
    fn matrices_are_read_in_both_orders_and_all_precisions() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npy");
        let expected = DMatrix::from_row_slice(2, 3, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.5]);
        write(&path, &[2, 3], Order::C, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.5]);
        assert_eq!(read_matrix(&path, None).unwrap(), expected);
        let columns = [1.0_f32, 4.0, 2.0, 5.0, 3.0, 6.5];
        write(&path, &[2, 3], Order::Fortran, &columns);
        assert_eq!(read_matrix(&path, None).unwrap(), expected);
        write(&path, &[3], Order::C, &[1.0, 2.0, 3.0]);
        assert_eq!(read_matrix(&path, None).unwrap().shape(), (3, 1));
        write(&path, &[2, 2], Order::C, &[0_u8, 255, 3, 4]);
        let bytes = DMatrix::from_row_slice(2, 2, &[0.0, 255.0, 3.0, 4.0]);
        assert_eq!(read_matrix(&path, None).unwrap(), bytes);
        write(&path, &[1, 2], Order::C, &[-7_i64, 9]);
        let longs = DMatrix::from_row_slice(1, 2, &[-7.0, 9.0]);
        assert_eq!(read_matrix(&path, None).unwrap(), longs);
        // a[i, j, k] = 100 i + 10 j + k
        let stored = [0, 100, 10, 110, 1, 101, 11, 111, 2, 102, 12, 112];
        write(&path, &[2, 2, 3], Order::Fortran, &stored.map(f64::from));
        let rows = [0, 1, 2, 10, 11, 12, 100, 101, 102, 110, 111, 112];
        let cube = read_array(&path, None).unwrap();
        assert_eq!(
            (cube.shape.len(), cube.values),
            (3, rows.map(f64::from).into())
        );
        assert!(read_matrix(&path, None).is_err());
    }

    #[test]
    fn a_matrix_of_no_numbers_and_a_missing_one_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npy");
        write(&path, &[1, 2], Order::C, &[1.0, f64::NAN]);
        let text = read_matrix(&path, None).unwrap_err().to_string();
        assert!(text.contains("found NaN at (0, 1)"), "{text}");
        std::fs::write(&path, "a,b\n1,2\n").unwrap();
        let text = read_matrix(&path, None).unwrap_err().to_string();
        assert!(text.contains("is no NPY file"), "{text}");
        let npz = folder.path().join("w.npz");
        let mut writer = npyz::npz::NpzWriter::create(&npz).unwrap();
        let array = writer.array("weights", Default::default()).unwrap();
        let mut array = array.default_dtype().shape(&[2, 1]).begin_nd().unwrap();
        array.extend([3.0, 4.0]).unwrap();
        array.finish().unwrap();
        drop(writer);
        assert_eq!(read_matrix(&npz, Some("weights")).unwrap()[(1, 0)], 4.0);
        let missing = read_matrix(&npz, Some("weight")).unwrap_err().to_string();
        assert!(missing.contains("did you mean weights"), "{missing}");
    }

    /// An NPY file with this header, and eight bytes of data.
    fn crafted(text: &str) -> std::result::Result<Array, Flaw> {
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend(u16::try_from(text.len()).unwrap().to_le_bytes());
        bytes.extend(text.bytes());
        bytes.extend(1.5_f64.to_le_bytes());
        parse(&bytes[..])
    }

    #[test]
    fn headers_made_to_break_the_parser_are_refused() {
        let with = |shape: &str| {
            crafted(&format!(
                "{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}\n"
            ))
        };
        assert_eq!(with("(1,)").unwrap().values, [1.5]);
        assert_eq!(with("()").unwrap().values, [1.5]);
        let refused = [
            // nested: exponential time or no stack
            with(&"(".repeat(30)),
            with(&format!("{}1{}", "[".repeat(4000), "]".repeat(4000))),
            // products over 64 bits; with a zero, too
            with("(9223372036854775807, 4)"),
            with("(0, 9223372036854775807, 4)"),
            with("(99999999999999999999999,)"),
            // more than there is
            with("(70368744177664,)"),
            with("(2,)"),
            with(&"1".repeat(20_000)),
            crafted("no dictionary"),
            crafted(""),
        ];
        for (k, flaw) in refused.into_iter().enumerate() {
            let rule = flaw.expect_err(&k.to_string()).rule;
            assert!(rule.contains("malformed"), "{k}: {rule}");
        }
        assert!(crafted("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }\n").is_err());
    }
}
