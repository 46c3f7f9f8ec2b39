//! Data of files, whole and broken.

use npyz::WriterBuilder;

use super::files::{arrays, table};
use super::*;
use std::path::Path;

const NONE: [String; 0] = [];

fn read(text: &str, target: &[&str], answer: Answer, ignore: &[&str]) -> Result<Raw> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.csv");
    std::fs::write(&path, text).unwrap();
    let owned = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
    table(&path, &owned(target), answer, &owned(ignore))
}

fn of(examples: &Examples) -> &[usize] {
    match &examples.targets {
        Targets::Classes { of, .. } => of,
        Targets::Values(_) => panic!("classes"),
    }
}

#[test]
fn labels_are_text_or_whole_numbers_in_order() {
    let raw = read(
        "a,k,b\n1,oak,2\n3,ash,4\n5,oak,6\n",
        &["k"],
        Answer::Class,
        &[],
    )
    .unwrap();
    assert_eq!(
        (raw.classes, raw.features),
        (
            vec!["ash".into(), "oak".into()],
            vec!["a".into(), "b".into()]
        )
    );
    assert_eq!(of(&raw.all), [1, 0, 1]);
    assert_eq!(
        raw.all.x,
        DMatrix::from_row_slice(3, 2, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    );
    // As numbers 2 comes before 10; as text it would not.
    let raw = read(
        "a,k\n1,10\n3,2\n5,2.0\n6,-0\n7,0\n",
        &["k"],
        Answer::Class,
        &[],
    )
    .unwrap();
    assert_eq!(raw.classes, ["0", "2", "10"]);
    assert_eq!(of(&raw.all), [2, 1, 1, 0, 0]);
}

#[test]
fn several_columns_are_targets_and_others_are_ignored() {
    let text = "id,a,y,b,z\nfirst,1,2,3,4\n,5,6,7,8\n";
    let raw = read(text, &["z", "y"], Answer::Number, &["id"]).unwrap();
    assert_eq!(
        (raw.features, raw.targets),
        (vec!["a".into(), "b".into()], vec!["z".into(), "y".into()])
    );
    assert_eq!(
        raw.all.x,
        DMatrix::from_row_slice(2, 2, &[1.0, 3.0, 5.0, 7.0])
    );
    let y = DMatrix::from_row_slice(2, 2, &[4.0, 2.0, 8.0, 6.0]);
    assert_eq!(raw.all.targets, Targets::Values(y));
}

#[test]
fn broken_tables_are_refused_with_a_sentence() {
    let class = |text, expected: &str| {
        let error = read(text, &["k"], Answer::Class, &[])
            .unwrap_err()
            .to_string();
        assert!(
            error.contains(expected) && error.contains("t.csv"),
            "{error}"
        );
    };
    class("a,k\n1,0.5\n2,1\n", "found 0.5 at sample 0");
    class("a,k\n1,NaN\n2,1\n", "whole numbers or text, found NaN");
    class("a,k\n1,1e300\n2,1\n", "whole numbers or text");
    class("a,k\n1,x\n2,\n", "sample 1 has none");
    class("a,k\n1,x\n2,x\n", "all samples are of one class, x");
    class("a,k\n1,x\nNaN,y\n", "column a");
    class("a,k\n1,x\n2\n", "t.csv:3");
    class("a,k\n1,x\n", "at least 2 samples");
    class("k\nx\ny\n", "no feature");
    class("a,b\n1,2\n3,4\n", "column k: there is no such column");
    let error = read("a,y\n1,2\n3,4\n", &["z"], Answer::Number, &[]).unwrap_err();
    assert!(
        error.to_string().contains("the columns are a, y"),
        "{error}"
    );
    let error = read("a,y\n1,2\n3,4\n", &["y"], Answer::Number, &["id"]).unwrap_err();
    assert!(error.to_string().contains("column id"), "{error}");
}

fn npy<T: npyz::AutoSerialize + Copy>(path: &Path, shape: &[u64], values: &[T]) {
    let file = std::fs::File::create(path).unwrap();
    let options = npyz::WriteOptions::new().default_dtype().shape(shape);
    let mut writer = options.writer(file).begin_nd().unwrap();
    writer.extend(values.iter().copied()).unwrap();
    writer.finish().unwrap();
}

fn idx(path: &Path, shape: &[u32], data: &[u8]) {
    let mut bytes = vec![0, 0, 8, shape.len() as u8];
    shape.iter().for_each(|n| bytes.extend(n.to_be_bytes()));
    bytes.extend(data);
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn images_are_flattened_and_test_sets_are_held_against_the_classes() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    idx(
        &at("x"),
        &[3, 2, 2],
        &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12],
    );
    idx(&at("y"), &[3], &[7, 3, 7]);
    idx(&at("tx"), &[1, 2, 2], &[0, 0, 0, 255]);
    idx(&at("ty"), &[1], &[3]);
    let pair = |x: &str, y: &str| Arrays {
        features: ArrayFile::Idx(at(x)),
        targets: ArrayFile::Idx(at(y)),
    };
    let raw = arrays(&pair("x", "y"), Some(&pair("tx", "ty")), Answer::Class).unwrap();
    assert_eq!(
        (raw.features, raw.classes),
        (
            vec!["p0".into(), "p1".into(), "p2".into(), "p3".into()],
            vec!["3".into(), "7".into()]
        )
    );
    assert_eq!(
        raw.all.x.row(1).transpose().as_slice(),
        [5.0, 6.0, 7.0, 8.0]
    );
    assert_eq!(of(&raw.all), [1, 0, 1]);
    let test = raw.test.unwrap();
    assert_eq!((of(&test), test.x[3]), (&[0][..], 255.0));

    let refused = |train: Arrays, test: Option<Arrays>, expected: &str| {
        let error = arrays(&train, test.as_ref(), Answer::Class)
            .unwrap_err()
            .to_string();
        assert!(error.contains(expected), "{error}");
    };
    idx(&at("four"), &[4], &[1, 2, 3, 4]);
    refused(pair("x", "four"), None, "has 4 samples, but");
    idx(&at("nine"), &[1], &[9]);
    refused(
        pair("x", "y"),
        Some(pair("tx", "nine")),
        "has the class 9 at sample 0, which no sample for training has",
    );
    idx(&at("wide"), &[1, 3], &[9, 9, 9]);
    refused(
        pair("x", "y"),
        Some(pair("wide", "ty")),
        "has 3 features and 2 outputs, the samples for training have 4 and 2",
    );
    idx(&at("same"), &[3], &[7, 7, 7]);
    refused(pair("x", "same"), None, "one class, 7");
    idx(&at("one-hot"), &[3, 2], &[0, 1, 1, 0, 0, 1]);
    refused(pair("x", "one-hot"), None, "has 6 values for 3 samples");
    idx(&at("none"), &[0, 2, 2], &[]);
    refused(pair("none", "y"), None, "has no values");
    refused(pair("tx", "ty"), None, "at least 2 samples");
    refused(
        pair("train-images-idx3-ubyte.gz", "y"),
        None,
        "train-labels-idx1-ubyte.gz, t10k-images-idx3-ubyte.gz and t10k-labels-idx1-ubyte.gz, published at",
    );
}

#[test]
fn arrays_of_numbers_are_read_and_checked() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| ArrayFile::Numpy {
        file: folder.path().join(name),
        array: None,
    };
    let path = |name: &str| folder.path().join(name);
    npy(&path("x"), &[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    npy(&path("y"), &[2, 2], &[1.0_f32, 2.0, 3.0, 4.0]);
    npy(&path("nan"), &[2, 1], &[1.0, f64::NAN]);
    npy(&path("half"), &[2], &[0.5, 1.0]);
    let pair = |x: &str, y: &str| Arrays {
        features: at(x),
        targets: at(y),
    };
    let raw = arrays(&pair("x", "y"), None, Answer::Number).unwrap();
    assert_eq!(
        (raw.features.len(), raw.targets, raw.classes.len()),
        (3, vec!["y0".into(), "y1".into()], 0)
    );
    assert_eq!(raw.all.outputs(), 2);
    let error = arrays(&pair("nan", "y"), None, Answer::Number)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("finite numbers, found NaN at sample 1"),
        "{error}"
    );
    let error = arrays(&pair("x", "half"), None, Answer::Class)
        .unwrap_err()
        .to_string();
    assert!(error.contains("found 0.5 at sample 0"), "{error}");
    let error = arrays(&pair("x", "nan"), None, Answer::Class)
        .unwrap_err()
        .to_string();
    assert!(error.contains("found NaN at sample 1"), "{error}");
    let raw = table(&path("z.csv"), &NONE, Answer::Number, &NONE);
    assert!(raw.is_err());
}
