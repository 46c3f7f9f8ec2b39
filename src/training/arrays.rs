//! Matrices from NPY and NPZ files.

use std::path::Path;

use nalgebra::DMatrix;
use npyz::npz::NpzArchive;
use npyz::{NpyFile, Order};

use crate::error::{Error, Result, closest};

/// Reads a matrix, or a list as one column, of 32- or 64-bit floats, stored row by row or column by column: the array `array` of an NPZ file, or the one of
/// an NPY file.
///
/// # Errors
/// [`Error::Read`] if the file cannot be read; [`Error::Data`] if it has no such array, or one of another type, of more dimensions, or with a
/// number that is not finite.
pub fn read_array(path: &Path, array: Option<&str>) -> Result<DMatrix<f64>> {
    let file = match array {
        Some(array) => format!("{}, array {array}", path.display()),
        None => path.display().to_string(),
    };
    let bad = |rule: String, way_out: String| Error::Data {
        file: file.clone(),
        line: None,
        column: None,
        rule,
        way_out,
    };
    let opened = std::fs::File::open(path).map_err(|e| Error::read(path, e))?;
    let opened = std::io::BufReader::new(opened);
    let malformed = |kind: &str, how: &str, e: std::io::Error| {
        bad(
            format!("is no {kind} file: {e}"),
            format!("write it with {how}"),
        )
    };
    let Some(array) = array else {
        let npy = NpyFile::new(opened).map_err(|e| malformed("NPY", "numpy.save", e))?;
        return matrix(npy, &bad);
    };
    let npz = |e| malformed("NPZ", "numpy.savez", e);
    let mut archive = NpzArchive::new(opened).map_err(npz)?;
    let names: Vec<String> = archive.array_names().map(Into::into).collect();
    let Some(found) = archive.by_name(array).map_err(npz)? else {
        let way_out = match closest(array, names.iter().map(String::as_str)) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("its arrays are {}", names.join(", ")),
        };
        return Err(bad("there is no such array".into(), way_out));
    };
    matrix(found, &bad)
}

fn matrix<R: std::io::Read>(
    found: NpyFile<R>,
    bad: &dyn Fn(String, String) -> Error,
) -> Result<DMatrix<f64>> {
    let shape: Vec<usize> = found.shape().iter().map(|&n| n as usize).collect();
    let (rows, columns) = match shape[..] {
        [rows] => (rows, 1),
        [rows, columns] => (rows, columns),
        _ => {
            return Err(bad(
                format!("has {} dimensions", shape.len()),
                "save a matrix, inputs by outputs".into(),
            ));
        }
    };
    let (dtype, order) = (found.dtype().descr(), found.order());
    let broken = |e: std::io::Error| bad(format!("is malformed: {e}"), "save it again".into());
    let values = match dtype.trim_matches('\'') {
        "<f8" | ">f8" => found.into_vec::<f64>().map_err(broken)?,
        "<f4" | ">f4" => {
            let single = found.into_vec::<f32>().map_err(broken)?;
            single.into_iter().map(f64::from).collect()
        }
        _ => {
            return Err(bad(
                format!("has the type {dtype}"),
                "save 32- or 64-bit floats (numpy.float32, numpy.float64)".into(),
            ));
        }
    };
    if rows.checked_mul(columns) != Some(values.len()) {
        let rule = format!(
            "has {} values for a shape of {rows} × {columns}",
            values.len()
        );
        return Err(bad(rule, "save it again".into()));
    }
    let read = match order {
        Order::C => DMatrix::from_row_slice(rows, columns, &values),
        Order::Fortran => DMatrix::from_column_slice(rows, columns, &values),
    };
    for r in 0..rows {
        for c in 0..columns {
            if !read[(r, c)].is_finite() {
                let rule = format!(
                    "must hold finite numbers, found {} at ({r}, {c})",
                    read[(r, c)]
                );
                return Err(bad(rule, "look at what wrote it".into()));
            }
        }
    }
    Ok(read)
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
        let file = std::fs::File::create(path).unwrap();
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
    fn matrices_are_read_in_both_orders_and_precisions() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npy");
        let expected = DMatrix::from_row_slice(2, 3, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.5]);
        write(&path, &[2, 3], Order::C, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.5]);
        assert_eq!(read_array(&path, None).unwrap(), expected);
        write(
            &path,
            &[2, 3],
            Order::Fortran,
            &[1.0_f32, 4.0, 2.0, 5.0, 3.0, 6.5],
        );
        assert_eq!(read_array(&path, None).unwrap(), expected);
        write(&path, &[3], Order::C, &[1.0, 2.0, 3.0]);
        assert_eq!(read_array(&path, None).unwrap().shape(), (3, 1));
    }

    #[test]
    fn what_is_no_matrix_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npy");
        let refused = |array| read_array(&path, array).unwrap_err().to_string();
        write(&path, &[2], Order::C, &[1_i64, 2]);
        assert!(refused(None).contains("type '<i8'"), "{}", refused(None));
        write(&path, &[1, 1, 2], Order::C, &[1.0, 2.0]);
        assert!(refused(None).contains("3 dimensions"));
        write(&path, &[1, 2], Order::C, &[1.0, f64::NAN]);
        assert!(refused(None).contains("NaN at (0, 1)"));
        assert!(refused(Some("w")).contains("no NPZ file"));
        std::fs::write(&path, "text").unwrap();
        assert!(refused(None).contains("no NPY file"));
        let npz = folder.path().join("a.npz");
        let mut writer = npyz::npz::NpzWriter::create(&npz).unwrap();
        let options = Default::default();
        let array = writer.array("weights", options).unwrap();
        let mut array = array.default_dtype().shape(&[2, 1]).begin_nd().unwrap();
        array.extend([3.0, 4.0]).unwrap();
        array.finish().unwrap();
        drop(writer);
        assert_eq!(read_array(&npz, Some("weights")).unwrap()[(1, 0)], 4.0);
        let missing = read_array(&npz, Some("weight")).unwrap_err().to_string();
        assert!(missing.contains("did you mean weights"), "{missing}");
    }
}
