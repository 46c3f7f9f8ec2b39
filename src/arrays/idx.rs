//! IDX files, the form of MNIST and its relatives.
//!
//! Two zero bytes, the type of the values, the number of dimensions, the length along each of them (32 bits), and the values, all with the most
//! significant byte first, as <http://yann.lecun.com/exdb/mnist/> describes it.

use std::path::Path;

use super::{Array, Flaw, read_unpacked};
use crate::error::Result;

/// Reads an IDX file, which may be packed with gzip.
///
/// # Errors
/// [`Error::Read`](crate::error::Error::Read) if it cannot be read; [`Error::Data`](crate::error::Error::Data) if it is no IDX file, or does not
/// have as many values as it says.
pub fn read_idx(path: &Path) -> Result<Array> {
    let bytes = read_unpacked(path)?;
    parse(&bytes).map_err(|flaw| flaw.of(path.display().to_string()))
}

fn parse(bytes: &[u8]) -> std::result::Result<Array, Flaw> {
    const FETCH: &str = "fetch it again: it may be cut off";
    let Some((&[0, 0, kind, dimensions], rest)) = bytes.split_first_chunk() else {
        return Err(Flaw::new(
            "is no IDX file: these begin with two zero bytes, their type and the number of their dimensions",
            "name a file such as train-images-idx3-ubyte.gz",
        ));
    };
    let (size, value): (usize, fn(&[u8]) -> f64) = match kind {
        0x08 => (1, |b| f64::from(b[0])),
        0x09 => (1, |b| f64::from(b[0] as i8)),
        0x0b => (2, |b| f64::from(i16::from_be_bytes([b[0], b[1]]))),
        0x0c => (4, |b| {
            f64::from(i32::from_be_bytes([b[0], b[1], b[2], b[3]]))
        }),
        0x0d => (4, |b| {
            f64::from(f32::from_be_bytes([b[0], b[1], b[2], b[3]]))
        }),
        0x0e => (8, |b| {
            f64::from_be_bytes([b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]])
        }),
        _ => {
            return Err(Flaw::new(
                format!("has values of the type {kind:#04x}, which IDX files do not know"),
                "fetch it again: types are 0x08, 0x09 and 0x0b to 0x0e",
            ));
        }
    };
    let dimensions = usize::from(dimensions);
    if dimensions == 0 {
        return Err(Flaw::new("has no dimensions", FETCH));
    }
    let Some((lengths, data)) = rest.split_at_checked(4 * dimensions) else {
        return Err(Flaw::new(
            format!("ends within the lengths of its {dimensions} dimensions"),
            FETCH,
        ));
    };
    let shape: Vec<usize> = lengths
        .chunks_exact(4)
        .map(|b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]) as usize)
        .collect();
    // What it promises is held against what it has before there is room for anything.
    let promised = shape
        .iter()
        .try_fold(size, |all, &n| all.checked_mul(n))
        .filter(|&n| n == data.len());
    if promised.is_none() {
        let said: Vec<String> = shape.iter().map(usize::to_string).collect();
        return Err(Flaw::new(
            format!(
                "says that it has {} values of {size} bytes, but has {} bytes",
                said.join(" × "),
                data.len()
            ),
            FETCH,
        ));
    }
    let values = data.chunks_exact(size).map(value).collect();
    Ok(Array { shape, values })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file of this type and these lengths.
    fn idx(kind: u8, shape: &[u32], data: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0, 0, kind, shape.len() as u8];
        shape.iter().for_each(|n| bytes.extend(n.to_be_bytes()));
        bytes.extend(data);
        bytes
    }

    #[test]
    fn values_of_every_type_are_read() {
        let two = |kind, data: &[u8]| parse(&idx(kind, &[2], data)).unwrap().values;
        assert_eq!(two(0x08, &[0, 255]), [0.0, 255.0]);
        assert_eq!(two(0x09, &[1, 255]), [1.0, -1.0]);
        let bytes = |v: [i16; 2]| v.map(i16::to_be_bytes).concat();
        assert_eq!(two(0x0b, &bytes([-300, 7])), [-300.0, 7.0]);
        let bytes = |v: [i32; 2]| v.map(i32::to_be_bytes).concat();
        assert_eq!(two(0x0c, &bytes([-70_000, 7])), [-70_000.0, 7.0]);
        let bytes = |v: [f32; 2]| v.map(f32::to_be_bytes).concat();
        assert_eq!(two(0x0d, &bytes([0.5, -8.0])), [0.5, -8.0]);
        let bytes = |v: [f64; 2]| v.map(f64::to_be_bytes).concat();
        assert_eq!(two(0x0e, &bytes([0.1, -8.0])), [0.1, -8.0]);
        let cube = parse(&idx(0x08, &[1, 2, 3], &[1, 2, 3, 4, 5, 6])).unwrap();
        assert_eq!(cube.shape, [1, 2, 3]);
        assert_eq!(cube.values, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    }

    #[test]
    fn broken_files_are_refused_with_a_sentence() {
        let cases = [
            (b"PK\x03\x04 not at all".to_vec(), "no IDX file"),
            (vec![0, 0, 8], "no IDX file"),
            (vec![], "no IDX file"),
            (idx(0x0a, &[1], &[1]), "type 0x0a"),
            (idx(0x08, &[], &[1]), "no dimensions"),
            (vec![0, 0, 8, 3, 0, 0, 0, 1], "ends within the lengths"),
            (
                idx(0x08, &[2, 2], &[1, 2, 3]),
                "2 × 2 values of 1 bytes, but has 3",
            ),
            (idx(0x08, &[2], &[1, 2, 3]), "but has 3 bytes"),
            (idx(0x0c, &[1], &[1, 2]), "values of 4 bytes, but has 2"),
            // No memory has these, and their product has more than 64 bits.
            (idx(0x0e, &[u32::MAX; 3], &[1]), "but has 1 bytes"),
            (idx(0x0e, &[u32::MAX], &[1]), "but has 1 bytes"),
            (idx(0x08, &[u32::MAX; 255], &[]), "but has 0 bytes"),
        ];
        for (bytes, expected) in cases {
            let rule = parse(&bytes).expect_err(expected).rule;
            assert!(rule.contains(expected), "{rule}");
        }
    }
}
