//! What study files may say of data, and the data that are shipped.

use super::*;
use crate::document::{Document, Violations};
use crate::training::network::{Examples, Targets};

fn parse(text: &str) -> Result<DataSpec> {
    let document = Document::parse("study.toml", text)?;
    let violations = Violations::new();
    let root = document.section(&violations);
    let data = root.section("data");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments/data");
    let spec = dataset(&data, &folder);
    data.finish();
    root.finish();
    violations.into_result(spec)
}

fn load(text: &str) -> DataSet {
    parse(text).unwrap().load(1).unwrap()
}

fn counts(examples: &Examples) -> Vec<usize> {
    let Targets::Classes { of, count } = &examples.targets else {
        panic!("classes");
    };
    let mut counts = vec![0; *count];
    of.iter().for_each(|&c| counts[c] += 1);
    counts
}

/// Means of the features of a class.
fn means(examples: &Examples, class: usize) -> Vec<f64> {
    let Targets::Classes { of, .. } = &examples.targets else {
        panic!("classes");
    };
    let own: Vec<usize> = (0..of.len()).filter(|&r| of[r] == class).collect();
    examples
        .x
        .select_rows(&own)
        .row_mean()
        .iter()
        .copied()
        .collect()
}

#[test]
fn the_iris_data_have_the_means_of_fisher() {
    let data =
        load("[data]\nscaling = 'none'\n[data.source.table]\nfile = 'iris.csv'\nlabel = 'species'");
    assert_eq!(data.train.x.shape(), (150, 4));
    assert_eq!(data.classes, ["setosa", "versicolor", "virginica"]);
    assert_eq!(counts(&data.train), [50; 3]);
    // Fisher, Annals of Eugenics 7 (1936) 179, table 2, in cm, to three digits after the point.
    let published = [
        [5.006, 3.428, 1.462, 0.246],
        [5.936, 2.770, 4.260, 1.326],
        [6.588, 2.974, 5.552, 2.026],
    ];
    for (class, published) in published.iter().enumerate() {
        for (mean, published) in means(&data.train, class).iter().zip(published) {
            assert!((mean - published).abs() < 5e-4, "{mean} {published}");
        }
    }
}

#[test]
fn the_wine_data_have_the_published_statistics() {
    let data = load(
        "[data]\nscaling = 'none'\n[data.source.table]\nfile = 'wine.csv'\nlabel = 'cultivar'",
    );
    assert_eq!(data.train.x.shape(), (178, 13));
    assert_eq!(counts(&data.train), [59, 71, 48]);
    // Smallest, largest and mean in the description of the data by scikit-learn, to the digits that it has.
    let published = [
        (0, 11.0, 14.8, 13.0, 0.05),
        (1, 0.74, 5.80, 2.34, 0.005),
        (3, 10.6, 30.0, 19.5, 0.05),
        (4, 70.0, 162.0, 99.7, 0.05),
        (6, 0.34, 5.08, 2.03, 0.005),
        (12, 278.0, 1680.0, 746.0, 1.0),
    ];
    for (column, least, most, mean, half) in published {
        let x = data.train.x.column(column);
        for (found, published) in [(x.min(), least), (x.max(), most), (x.mean(), mean)] {
            assert!((found - published).abs() <= half, "{column}: {found}");
        }
    }
}

#[test]
fn the_digits_have_all_pixels_and_the_published_counts() {
    let text = "[data]\nscaling = { divide = 16.0 }\nlabel-noise = 0.1\n[data.source.table]\nfile = 'digits.csv.gz'\nlabel = 'digit'\n";
    let data = load(text);
    assert_eq!(data.train.x.shape(), (1797, 64));
    assert_eq!((data.train.x.min(), data.train.x.max()), (0.0, 1.0));
    assert_eq!((data.relabelled.len(), data.classes.len()), (180, 10));
    let data = load(&text.replace("0.1", "0.0"));
    // The counts in the description of the test part in the UCI repository.
    let published = [178, 182, 177, 183, 181, 182, 181, 179, 174, 180];
    assert_eq!(counts(&data.train), published);
    // The other file of these images leaves out the pixels that are always blank.
    let small = load(
        &text
            .replace("0.1", "0.0")
            .replace("digits.csv.gz", "digits.csv"),
    );
    assert_eq!(small.train.targets, data.train.targets);
    assert_eq!(
        small.train.x,
        data.train.x.clone().remove_columns_at(&[0, 32, 39])
    );
    let split =
        format!("{text}[data.split]\ntest = 0.25\nvalidation = 0.1\nseed = 0\nstratify = true\n");
    let data = load(&split.replace("{ divide = 16.0 }", "'standardise'"));
    let record = data.record();
    let part = |part: &Option<_>| part.clone().unwrap();
    assert_eq!(
        part(&record.test).of_class,
        [45, 46, 44, 46, 45, 46, 45, 45, 44, 45]
    );
    assert_eq!(
        part(&record.validation).samples + part(&record.test).samples + record.train.samples,
        1797
    );
    assert_eq!(
        data.relabelled.len(),
        (0.1 * record.train.samples as f64).round() as usize
    );
    assert_eq!(record.standardisation.len(), 64);
    assert_eq!(record.standardisation[32].deviation, 0.0);
}

#[test]
fn every_source_is_read() {
    let spec = |source: &str| parse(&format!("[data]\nscaling = 'none'\n{source}"));
    let linear = "[data.source.linear]\nfeatures = 3\noutputs = 2\nsamples = 9\ninput-deviation = 1.0\ntruth-deviation = 1.0\ntarget-noise = 0.0";
    let sparse = "[data.source.sparse]\nfeatures = 30\nnonzero = 2\nsize = 1.0\nsamples = 9\ninput-deviation = 1.0\ntarget-noise = 0.0";
    let mixture = "[data.source.gaussian-mixture]\nclasses = 3\nfeatures = 2\nsamples = 9\nseparation = 2.0\nspread = 1.0";
    let sines = "[data.source.sinusoids]\nfrequencies = [1.0, 2.0]\namplitudes = [1.0, 1.0]\nsamples = 9\ntarget-noise = 0.0\nfourier = { pairs = 2, deviation = 1.0 }";
    let shapes = [
        (linear, (3, 2)),
        (sparse, (30, 1)),
        (mixture, (2, 3)),
        (sines, (4, 1)),
    ];
    for (text, expected) in shapes {
        let spec = spec(text).unwrap();
        let data = spec.load(3).unwrap();
        assert_eq!((data.features.len(), data.train.outputs()), expected);
        assert_eq!(
            (data.train.len(), data.features.len()),
            data.train.x.shape()
        );
        assert_eq!(data, spec.load(3).unwrap());
        assert_ne!(data, spec.load(4).unwrap());
    }
    let arrays = "[data.source.arrays]\nfeatures = { file = 'a.npz', array = 'x' }\nlabel = { file = 'y.npy' }\n\
        test = { features = { file = 'tx.npy' }, label = { file = 'ty.npy' } }";
    let found = spec(arrays).unwrap();
    assert!(found.has_test() && !found.has_validation());
    assert_eq!(found.answer(), Answer::Class);
    let text = found.load(1).unwrap_err().to_string();
    assert!(text.contains("a.npz: cannot be read"), "{text}");
    let idx = "[data.source.idx]\nimages = 'train-images-idx3-ubyte.gz'\nlabels = 'train-labels-idx1-ubyte.gz'\n\
        test = { images = 't10k-images-idx3-ubyte.gz', labels = 't10k-labels-idx1-ubyte.gz' }";
    let text = spec(idx).unwrap().load(1).unwrap_err().to_string();
    assert!(text.contains("yann.lecun.com/exdb/mnist"), "{text}");
}

#[test]
fn all_violations_are_found_at_once() {
    let refused = |text: &str, expected: &[&str]| {
        let error = parse(text).unwrap_err().to_string();
        for part in expected {
            assert!(error.contains(part), "{part}:\n{error}");
        }
        assert_eq!(error.lines().count(), expected.len(), "{error}");
    };
    refused(
        "[data]\ntarget-scaling = 'none'\nlabel-noise = 1.5\nscalling = 'none'\n[data.source.table]\nfile = 'a'\ntarget = 'y'\nlabel = 'k'\nignore = ['k', 'k']\n\
        [data.split]\ntest = 0.6\nvalidation = 0.5\nseed = -1\n",
        &[
            "target-scaling = \"none\": targets are classes",
            "label-noise = 1.5",
            "data.scalling = \"none\": unknown key; did you mean scaling?",
            "target = \"y\": targets are a label, of classes, or numbers",
            "ignore = [\"k\", \"k\"]: k is a target",
            "ignore = [\"k\", \"k\"]: k is named twice",
            "validation = 0.5: test and validation together",
            "seed = -1",
        ],
    );
    refused(
        "[data]\nscaling = { divide = 0.0 }\nlabel-noise = 0.1\n[data.source.sinusoids]\nfrequencies = [1.0, 0.0]\namplitudes = [1.0]\nphases = []\nsamples = 100000000\ntarget-noise = 0.0\n\
        [data.split]\nseed = 1\nstratify = true\n",
        &[
            "divide = 0.0",
            "label-noise = 0.1: targets are numbers",
            "frequencies.1 = 0.0",
            "amplitudes = [1.0]: every frequency has one: 2 are needed",
            "phases = []: every frequency has one",
            "samples = 100000000: features and targets",
            "split.test: missing",
            "stratify = true: targets are numbers",
        ],
    );
    refused(
        "[data]\nscaling = 'none'\n[data.source.gaussian-mixture]\nclasses = 5\nfeatures = 3\nsamples = 4\nseparation = 1.0\nspread = 0.0\n",
        &[
            "classes = 5: in 3 dimensions",
            "samples = 4: every class",
            "spread = 0.0",
        ],
    );
    refused(
        "[data]\nscaling = 'none'\n[data.source.idx]\nimages = 'a'\nlabels = 'b'\ntest = { images = 'c', label = 'd' }\n[data.split]\ntest = 0.1\nseed = 1",
        &[
            "test.label = \"d\": unknown key; did you mean labels?",
            "split.test = 0.1: the samples for testing come from files",
        ],
    );
    refused(
        "[data]\n[data.source.arrays]\nfeatures = { file = 'a.npz' }\n",
        &[
            "scaling: missing",
            "features.array: missing",
            "label: missing",
        ],
    );
    refused("[data]\nscaling = 'none'\n", &["data.source: missing"]);
}
