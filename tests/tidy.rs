//! The house rules, kept by reading the source text.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use memridge::device::{Kind, LIBRARY, laws, load_device};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All files below `folder` with this extension, in order.
fn files(folder: &str, extension: &str) -> Vec<PathBuf> {
    fn walk(folder: &Path, extension: &str, out: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, extension, out);
            } else if path.extension().is_some_and(|e| e == extension) {
                out.push(path);
            }
        }
    }
    let mut out = Vec::new();
    walk(&root().join(folder), extension, &mut out);
    assert!(!out.is_empty(), "{folder} has no .{extension} file");
    out.sort();
    out
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

/// Path below the root, with forward slashes.
fn name(path: &Path) -> String {
    let parts = path.strip_prefix(root()).unwrap().iter();
    let parts: Vec<_> = parts.map(|p| p.to_string_lossy()).collect();
    parts.join("/")
}

/// The text without comments; line breaks stay. Rust's line comments only, and no string of this crate holds two slashes
/// except in addresses, whose rest does not matter here.
fn code(text: &str) -> String {
    text.lines()
        .map(|line| line.split("//").next().unwrap_or(""))
        .collect::<Vec<_>>()
        .join("\n")
}

/// The code of a file without its unit tests, which end every file that has them.
fn shipped(path: &Path) -> String {
    let text = code(&read(path));
    match text.find("#[cfg(test)]\nmod tests {") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}

/// Names of modules in files of their own that only tests have.
fn test_modules() -> BTreeSet<String> {
    let declared = files("src", "rs").into_iter().flat_map(|path| {
        let text = code(&read(&path));
        let folder = path.parent().unwrap().to_owned();
        let names: Vec<String> = text
            .split("#[cfg(test)]\n")
            .skip(1)
            .filter_map(|rest| {
                let line = rest.lines().next()?.trim().strip_suffix(';')?;
                let module = line.split_whitespace().last()?;
                Some(name(&folder.join(format!("{module}.rs"))))
            })
            .collect();
        names
    });
    declared.collect()
}

/// Modules from the bottom; each may use those before it.
const LAYERS: [&str; 13] = [
    "number", "units", "error", "arrays", "document", "device", "backend", "crossbar", "training",
    "bias", "study", "report", "cli",
];

fn height(module: &str) -> Option<usize> {
    LAYERS.iter().position(|m| *m == module)
}

/// The module that a source file belongs to: the first part of its path.
fn module_of(path: &Path) -> String {
    let name = name(path);
    let inside = name.strip_prefix("src/").unwrap();
    let first = inside.split('/').next().unwrap();
    first.strip_suffix(".rs").unwrap_or(first).to_owned()
}

/// Every top-level module that a text names after `prefix` (`crate::` or `memridge::`), one by one or in braces.
fn named_after(text: &str, prefix: &str) -> BTreeSet<String> {
    let word = |t: &str| -> String {
        t.chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect()
    };
    let mut out = BTreeSet::new();
    for rest in text.split(prefix).skip(1) {
        match rest.strip_prefix('{') {
            None => {
                out.insert(word(rest));
            }
            Some(group) => {
                // Names at depth one of the braces: what follows the brace or a comma there.
                let (mut depth, mut item) = (0, String::new());
                for c in group.chars() {
                    match c {
                        '{' => depth += 1,
                        '}' if depth == 0 => break,
                        '}' => depth -= 1,
                        ',' if depth == 0 => {
                            out.insert(word(item.trim()));
                            item.clear();
                        }
                        _ if depth == 0 => item.push(c),
                        _ => {}
                    }
                }
                out.insert(word(item.trim()));
            }
        }
    }
    out.remove("");
    out
}

#[test]
fn named_modules_are_found() {
    let text = "use crate::device::Cells;\nuse crate::{error::{Error, Result}, units};\nlet x = crate::number::f();";
    let found: Vec<_> = named_after(text, "crate::").into_iter().collect();
    assert_eq!(found, ["device", "error", "number", "units"]);
}

#[test]
fn imports_point_down() {
    for path in files("src", "rs") {
        let module = module_of(&path);
        if module == "lib" || module == "main" {
            continue;
        }
        let own = height(&module)
            .unwrap_or_else(|| panic!("{} belongs to no layer: give it one here", name(&path)));
        let text = code(&read(&path));
        for used in named_after(&text, "crate::") {
            // Macros and items of the crate root would need a layer of their own: there are none.
            let other = height(&used)
                .unwrap_or_else(|| panic!("{} uses crate::{used}, of no layer", name(&path)));
            assert!(
                other < own || used == module,
                "{} uses {used}, a layer above it",
                name(&path)
            );
        }
        // Only the program may see the library from outside.
        let outside = named_after(&text, "memridge::");
        if module == "cli" {
            for used in outside {
                assert!(
                    height(&used).is_some(),
                    "cli uses memridge::{used}, of no layer"
                );
            }
        } else {
            assert!(outside.is_empty(), "{} names its own crate", name(&path));
        }
    }
}

/// Relative imports stay in their module: `super::super` from a file directly in a layer would be the crate root.
#[test]
fn no_import_leaves_its_layer_by_super() {
    for path in files("src", "rs") {
        let depth = name(&path).split('/').count();
        let is_mod = path.file_name().is_some_and(|f| f == "mod.rs");
        let text = shipped(&path);
        // src/a/b.rs: one `super` is layer a; src/a/mod.rs and src/a.rs: none is left.
        let most = if is_mod { depth - 3 } else { depth - 2 };
        let upwards = vec!["super::"; most + 1].concat();
        assert!(
            !text.contains(&upwards),
            "{} leaves its layer by {upwards}",
            name(&path)
        );
    }
}

/// Training sees what the periphery reads, never true states. What stands for an array passes the measurement port on, in its own `inspect` alone.
#[test]
fn training_does_not_inspect() {
    for path in files("src/training", "rs") {
        let text = code(&read(&path));
        let mut parts = text.split("    fn inspect(");
        let mut rest = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            // A method ends with a brace at its own depth.
            let (_, after) = part.split_once("\n    }\n").unwrap();
            rest.push_str(after);
        }
        assert!(!rest.contains(".inspect("), "{}", name(&path));
        assert!(!rest.contains("::inspect"), "{}", name(&path));
    }
}

/// The files of laws: those that implement [`memridge::device::Law`].
fn law_files() -> Vec<PathBuf> {
    let files = files("src/device", "rs").into_iter();
    let laws: Vec<_> = files
        .filter(|p| shipped(p).contains("impl Law for "))
        .collect();
    let written: usize = laws
        .iter()
        .map(|p| shipped(p).matches("impl Law for ").count())
        .sum();
    assert_eq!(written, memridge::device::laws().len(), "{laws:?}");
    laws
}

/// Whether `text` has `word` with no letter, digit, `_` or `-` beside it.
fn has_word(text: &str, word: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    text.match_indices(word).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + word.len()..].chars().next();
        !before.is_some_and(part) && !after.is_some_and(part)
    })
}

/// Backends are loops and buffers: they know no law and no parameter of one.
#[test]
fn backends_hold_no_physics() {
    let mut forbidden: BTreeSet<String> = BTreeSet::new();
    for law in laws() {
        let keys = law.parameters().iter().filter(|p| p.kind != Kind::Derived);
        let own = keys.map(|p| p.name);
        for key in own.chain([law.name()]) {
            forbidden.insert(key.to_owned());
            forbidden.insert(key.replace('-', "_"));
        }
    }
    for path in law_files() {
        let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
        let camel = stem.split('_').map(|w| w[..1].to_uppercase() + &w[1..]);
        forbidden.insert(camel.collect());
        forbidden.insert(stem);
    }
    // Places in the parameter slice are parameter names too.
    for place in ["STEP", "LOWER", "UPPER", "OWN", "COMMON"] {
        forbidden.insert(place.to_owned());
    }
    let shaders = files("src/backend", "wgsl");
    for path in files("src/backend", "rs").into_iter().chain(shaders) {
        let text = code(&read(&path));
        for word in &forbidden {
            assert!(!has_word(&text, word), "{} knows {word}", name(&path));
        }
    }
}

#[test]
fn nothing_below_the_command_line_prints() {
    let tests = test_modules();
    for path in files("src", "rs") {
        if module_of(&path) == "cli" || tests.contains(&name(&path)) {
            continue;
        }
        let text = shipped(&path);
        for word in [
            "println!",
            "print!",
            "eprintln!",
            "eprint!",
            "dbg!",
            "stdout()",
            "stderr()",
        ] {
            assert!(!text.contains(word), "{} has {word}", name(&path));
        }
    }
}

/// All Rust files of the package.
fn all_code() -> Vec<PathBuf> {
    let mut all = files("src", "rs");
    all.extend(files("tests", "rs"));
    for folder in ["benches", "examples"] {
        let path = root().join(folder);
        if path.is_dir() && fs::read_dir(&path).unwrap().next().is_some() {
            all.extend(files(folder, "rs"));
        }
    }
    all
}

#[test]
fn nothing_is_unsafe_unfinished_or_left_out() {
    // In two pieces, so that this file does not hold what it forbids.
    let forbidden = [
        ("todo", "!"),
        ("unimplemented", "!"),
        ("#[ign", "ore"),
        ("unsafe", " {"),
        ("unsafe", " fn"),
        ("unsafe", " impl"),
        ("allow(unsafe", "_code"),
    ]
    .map(|(a, b)| format!("{a}{b}"));
    for path in all_code() {
        let text = code(&read(&path));
        for word in &forbidden {
            assert!(!text.contains(word), "{} has {word}", name(&path));
        }
    }
    let library = read(&root().join("src/lib.rs"));
    assert!(library.contains("#![forbid(unsafe_code)]"));
}

/// Random numbers are functions of coordinates: nothing draws from the clock, the machine or a hidden generator.
#[test]
fn nothing_is_seeded_by_the_machine() {
    for path in files("src", "rs") {
        let text = code(&read(&path));
        for word in [
            "thread_rng",
            "rand::rng()",
            "from_os_rng",
            "from_entropy",
            "static mut",
            "thread_local!",
        ] {
            assert!(!text.contains(word), "{} has {word}", name(&path));
        }
    }
}

/// A sentence and five sections.
#[test]
fn every_law_is_documented() {
    for path in law_files() {
        let text = read(&path);
        let header: Vec<&str> = text
            .lines()
            .map_while(|l| l.strip_prefix("//!"))
            .map(str::trim)
            .collect();
        assert!(
            header
                .first()
                .is_some_and(|l| l.ends_with('.') && !l.starts_with('#')),
            "{} begins with a sentence",
            name(&path)
        );
        let sections: Vec<&str> = header
            .iter()
            .copied()
            .filter(|l| l.starts_with("# "))
            .collect();
        assert_eq!(
            sections,
            [
                "# Equation",
                "# Symbols",
                "# Behaviour",
                "# Reference",
                "# Differences"
            ],
            "{}",
            name(&path)
        );
        let joined = header.join("\n");
        assert!(
            joined.contains("https://doi.org/"),
            "{} cites no DOI",
            name(&path)
        );
        assert!(
            joined.contains("| symbol | key | unit |"),
            "{}",
            name(&path)
        );
        // Every key of the law is in its table of symbols.
        let law = laws()
            .into_iter()
            .find(|l| text.contains(&format!("= \"{}\";", l.name())));
        let keys = law.unwrap().parameters().iter();
        for parameter in keys.filter(|p| p.kind != Kind::Derived) {
            let key = format!("`{}`", parameter.name);
            assert!(
                joined.contains(&key),
                "{} does not explain {key}",
                name(&path)
            );
        }
    }
}

fn references() -> BTreeSet<String> {
    let text = read(&root().join("references.bib"));
    let keys: Vec<String> = text
        .lines()
        .filter(|l| l.starts_with('@'))
        .filter_map(|l| Some(l.split_once('{')?.1.trim_end_matches(',').trim().to_owned()))
        .collect();
    let unique: BTreeSet<String> = keys.iter().cloned().collect();
    assert_eq!(keys.len(), unique.len(), "references.bib has a key twice");
    assert!(!unique.is_empty());
    unique
}

#[test]
fn every_citation_has_a_reference() {
    let references = references();
    for (device, _) in LIBRARY {
        let cite = load_device(device, root()).unwrap().cite().to_vec();
        assert!(!cite.is_empty(), "{device} cites nobody");
        for key in cite {
            assert!(references.contains(&key), "{device} cites {key}");
        }
    }
    for path in files("experiments", "toml") {
        let study: toml::Table = toml::from_str(&read(&path)).unwrap();
        let cite = study["cite"].as_array().unwrap();
        assert!(!cite.is_empty(), "{} cites nobody", name(&path));
        for key in cite {
            let key = key.as_str().unwrap();
            assert!(references.contains(key), "{} cites {key}", name(&path));
        }
    }
}

#[test]
fn every_device_file_is_in_the_library() {
    let listed: BTreeSet<String> = LIBRARY
        .iter()
        .map(|(n, _)| format!("device-models/{n}.toml"))
        .collect();
    let found: BTreeSet<String> = files("device-models", "toml")
        .iter()
        .map(|p| name(p))
        .collect();
    assert_eq!(listed, found);
}

/// Studies name devices of the library or files that exist, and validate.
#[test]
fn every_study_is_valid() {
    for path in files("experiments", "toml") {
        let study = memridge::study::Study::read(&path, &Default::default());
        if let Err(error) = study {
            panic!("{}: {error}", name(&path));
        }
    }
}
