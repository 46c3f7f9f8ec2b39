use super::*;
use crate::error::Error;
use crate::units::{Ohms, Siemens, Volts};
use proptest::prelude::*;

fn parse(text: &str) -> Document {
    Document::parse("t.toml", text).unwrap()
}

fn node(value: &str) -> Node {
    let document = Document::parse("sweep.toml", &format!("x = {value}")).unwrap();
    let Value::Table(table) = document.root.value else {
        panic!("a document is a table")
    };
    table.get("x").unwrap().clone()
}

/// The messages that reading a text gives.
fn complaints(text: &str, read: impl FnOnce(&Section<'_>)) -> Vec<String> {
    let document = parse(text);
    let violations = Violations::new();
    let root = document.section(&violations);
    read(&root);
    root.finish();
    match violations.check() {
        Ok(()) => Vec::new(),
        Err(error) => error.to_string().lines().map(str::to_owned).collect(),
    }
}

fn syntax(text: &str) -> Vec<String> {
    let error = Document::parse("t.toml", text).unwrap_err();
    error.to_string().lines().map(str::to_owned).collect()
}

#[test]
fn all_violations_of_a_file_come_at_once() {
    let text = r#"
seed = 7
step = -0.1

[device]
g-min = "1 us"
cite = 3

[task]
epochs = 1.5
momentun = 0.5
"#;
    let found = complaints(text, |root| {
        let _: u64 = root.integer("seed", Rule::NonNegative);
        root.number("step", Rule::Positive);
        let device = root.section("device");
        device.quantity::<Siemens>("g-min", Rule::Positive);
        device.quantity::<Siemens>("g-max", Rule::Positive);
        device.text("cite");
        let task = root.section("task");
        let _: usize = task.integer("epochs", Rule::AtLeast(1.0));
        task.optional_number("momentum", Rule::Between(0.0, 1.0));
    });
    assert_eq!(
        found,
        [
            "t.toml:3:8: step = -0.1: must be greater than 0; for example step = 0.01",
            "t.toml:5:2: device.g-max: missing: [device] needs a conductance with its unit that is greater than \
             0; for example g-max = \"20 uS\"",
            "t.toml:6:9: device.g-min = \"1 us\": \"us\" is a unit of time; for example g-min = \"20 uS\"",
            "t.toml:7:8: device.cite = 3: must be text, not a number; for example cite = \"...\"",
            "t.toml:10:10: task.epochs = 1.5: must be a whole number; for example epochs = 1",
            "t.toml:11:1: task.momentun = 0.5: unknown key; did you mean momentum?",
        ]
    );
}

#[test]
fn a_misspelt_required_key_is_one_violation() {
    let found = complaints("learing_rate = 0.1", |root| {
        root.number("learning-rate", Rule::Positive);
        root.number("decay", Rule::NonNegative);
    });
    assert_eq!(
        found,
        [
            "t.toml:1:1: learing_rate = 0.1: unknown key; did you mean learning-rate?",
            "t.toml:1:1: decay: missing: the top level of the file needs a number that is 0 or greater; for \
             example decay = 0.01",
        ]
    );
    let found = complaints("colour = 1", |root| {
        root.optional_bool("verbose");
        root.optional_text("title");
    });
    assert_eq!(
        found,
        ["t.toml:1:1: colour = 1: unknown key; known here: verbose, title"]
    );
    let found = complaints("x = 1", |_| {});
    assert_eq!(
        found,
        ["t.toml:1:1: x = 1: unknown key; remove it: nothing is expected here"]
    );
}

#[test]
fn syntax_errors_name_their_places() {
    assert_eq!(
        syntax("a = 1\n[t]\nb = 1\nb = 2\n"),
        ["t.toml:4:1: b: this key stands here a second time; keep one of them"]
    );
    let found = syntax("a = \nb = 1\nc = 'x\n[t\n");
    assert_eq!(found.len(), 3, "{found:?}");
    for (line, text) in [1, 3, 4].iter().zip(&found) {
        assert!(text.starts_with(&format!("t.toml:{line}:")), "{text}");
        assert!(text.contains("not valid TOML"), "{text}");
    }
    assert_eq!(
        syntax("d = 1979-05-27\nn = 99999999999999999999\nf = [1, 1e999]"),
        [
            "t.toml:1:5: d = 1979-05-27: dates and times have no use here; write it in quotes, as text",
            "t.toml:2:5: n = 99999999999999999999: does not fit a 64-bit integer; write it with a decimal point",
            "t.toml:3:9: f.1 = 1e999: does not fit a 64-bit number; write a number below 1.8e308",
        ]
    );
}

#[test]
fn numbers_obey_their_rules() {
    let text = "a = nan\nb = inf\nc = 0\nd = 1.0\ne = 'x'\nf = [1, 'two', -3]\ng = 1e4\nh = -1\ni = 300\nj = 2";
    let found = complaints(text, |root| {
        root.number("a", Rule::Any);
        root.number("b", Rule::Any);
        root.number("c", Rule::Positive);
        root.number("d", Rule::OpenBetween(0.0, 1.0));
        root.number("e", Rule::AtLeast(0.5));
        assert_eq!(root.numbers("f", Rule::NonNegative), [1.0]);
        assert_eq!(root.integer::<usize>("g", Rule::AtLeast(1.0)), 1);
        root.integer::<u64>("h", Rule::Any);
        root.integer::<u8>("i", Rule::Any);
        assert_eq!(root.number("j", Rule::Between(0.0, 2.0)), 2.0);
    });
    assert_eq!(
        found,
        [
            "t.toml:1:5: a = nan: must be a finite number; for example a = 0.01",
            "t.toml:2:5: b = inf: must be a finite number; for example b = 0.01",
            "t.toml:3:5: c = 0: must be greater than 0; for example c = 0.01",
            "t.toml:4:5: d = 1.0: must be between 0 and 1, both excluded; for example d = 0.5",
            "t.toml:5:5: e = \"x\": must be a number that is at least 0.5, not text; for example e = 0.5",
            "t.toml:6:9: f.1 = \"two\": must be a number, not text; correct this item of the list",
            "t.toml:6:16: f.2 = -3: must be 0 or greater; correct this item of the list",
            "t.toml:7:5: g = 10000.0: must be a whole number, written without point and exponent; write 10000",
            "t.toml:8:5: h = -1: must be 0 or greater; for example h = 1",
            "t.toml:9:5: i = 300: must be at most 255; for example i = 1",
        ]
    );
}

#[test]
fn stand_ins_satisfy_their_rules() {
    let rules = [
        Rule::Any,
        Rule::Positive,
        Rule::NonNegative,
        Rule::Between(-2.0, -1.0),
        Rule::OpenBetween(0.0, 2.0),
        Rule::AtLeast(3.0),
    ];
    let found = complaints("", |root| {
        for rule in rules {
            assert!(rule.accepts(root.number("x", rule)), "{rule}");
            assert!(
                rule.accepts(root.quantity::<Volts>("x", rule).value()),
                "{rule}"
            );
            assert!(
                rule.accepts(root.integer::<i64>("x", rule) as f64),
                "{rule}"
            );
        }
    });
    assert!(!found.is_empty());
}

#[test]
fn quantities_read_with_and_without_units() {
    let text = "a = '20 uS'\nb = 0.1\nc = '5 S'\nd = 20\ne = '5 mOhm'\nf = '20'\ng = true";
    let found = complaints(text, |root| {
        let a = root.number_or_quantity::<Siemens>("a", Rule::Positive);
        assert_eq!(a, NumberOr::Quantity(Siemens::new(20e-6)));
        let b = root.number_or_quantity::<Siemens>("b", Rule::Positive);
        assert_eq!(b, NumberOr::Number(0.1));
        root.quantity::<Siemens>("c", Rule::Between(1e-6, 2e-3));
        root.quantity::<Siemens>("d", Rule::Any);
        assert_eq!(
            root.optional_quantity("e", Rule::Any),
            Some(Ohms::new(5e-3))
        );
        root.number_or_quantity::<Siemens>("f", Rule::Any);
        root.number_or_quantity::<Siemens>("g", Rule::Any);
        assert_eq!(root.optional_quantity::<Ohms>("h", Rule::Any), None);
    });
    assert_eq!(
        found,
        [
            "t.toml:3:5: c = \"5 S\": must be between 1 uS and 2 mS; for example c = \"20 uS\"",
            "t.toml:4:5: d = 20: must be a conductance with its unit, in quotes; for example d = \"20 uS\"",
            "t.toml:6:5: f = \"20\": \"20\" has no unit; for example f = 0.01 or f = \"20 uS\"",
            "t.toml:7:5: g = true: must be a number or a conductance with its unit, not true or false; for \
             example g = 0.01 or g = \"20 uS\"",
        ]
    );
}

#[test]
fn choices_are_tables_or_names() {
    const LAWS: &[&str] = &["linear-step", "soft-bounds"];
    let found = complaints("[law.soft-bounds]\nstep = 0.1", |root| {
        let (name, law) = root.choice("law", LAWS);
        assert_eq!((name, law.path()), ("soft-bounds", "law.soft-bounds"));
        assert_eq!(law.number("step", Rule::Positive), 0.1);
    });
    assert!(found.is_empty(), "{found:?}");

    let found = complaints("law = 'soft-bounds'", |root| {
        let (name, law) = root.choice("law", LAWS);
        assert_eq!(name, "soft-bounds");
        law.number("step", Rule::Positive);
    });
    assert_eq!(
        found,
        [
            "t.toml:1:7: law.soft-bounds.step: missing: [law.soft-bounds] needs a number that is greater than 0; \
          for example step = 0.01"
        ]
    );

    let wrong = |text: &str| {
        complaints(text, |root| {
            let (_, law) = root.choice("law", LAWS);
            law.number("step", Rule::Positive);
            law.section("more").text("deeper");
        })
    };
    assert_eq!(
        wrong("[law.soft-bonds]\nstep = 1"),
        [
            "t.toml:1:6: law.soft-bonds: must be one of linear-step, soft-bounds; did you mean soft-bounds?"
        ]
    );
    assert_eq!(
        wrong("law = 'magic'"),
        [
            "t.toml:1:7: law = \"magic\": must be one of linear-step, soft-bounds; choose one of them"
        ]
    );
    assert_eq!(
        wrong("[law]\na = 1\nb = 2"),
        [
            "t.toml:1:2: law: must hold exactly one of linear-step, soft-bounds, but holds a, b; for example \
          [law.linear-step]"
        ]
    );
    assert_eq!(
        wrong("law = 3"),
        [
            "t.toml:1:7: law = 3: must be a table named after one of linear-step, soft-bounds, not a number; for \
          example [law.linear-step]"
        ]
    );
    assert_eq!(
        wrong("law = { soft-bounds = 3 }"),
        [
            "t.toml:1:23: law.soft-bounds = 3: must be a table, not a number; write it as [law.soft-bounds] with \
          its keys below"
        ]
    );
    assert_eq!(
        wrong(""),
        [
            "t.toml:1:1: law: missing: the top level of the file needs a table named after one of linear-step, \
          soft-bounds; for example [law.linear-step]"
        ]
    );
}

#[test]
fn sections_entries_and_words() {
    let text = "mode = 'onn'\nname = ' '\n[[layer]]\nsize = 3\n[[layer]]\nsize = 0\n[sweep]\nb = [1]\na = [2]\n\
                tags = ['x', 1]\non = 1";
    let found = complaints(text, |root| {
        assert_eq!(root.one_of("mode", &["on", "off"]), "on");
        assert_eq!(root.optional_one_of("other", &["on", "off"]), None);
        root.text("name");
        let sizes: Vec<usize> = root
            .sections("layer")
            .iter()
            .map(|s| s.integer("size", Rule::Positive))
            .collect();
        assert_eq!(sizes, [3, 1]);
        let sweep = root.section("sweep");
        assert_eq!(sweep.texts("tags"), ["x"]);
        assert!(!sweep.bool("on"));
        let axes: Vec<&str> = sweep
            .entries()
            .iter()
            .map(|entry| entry.key.as_str())
            .collect();
        assert_eq!(axes, ["b", "a"]);
        assert_eq!(sweep.integers::<u32>("a", Rule::Any), [2]);
        sweep.violation("b", "has no such axis", "remove it");
        sweep.violation("b", "has no such axis", "remove it");
        assert!(root.optional_section("none").is_none());
        root.section("need").text("inside");
    });
    assert_eq!(
        found,
        [
            "t.toml:1:1: need: missing: the top level of the file needs a table; for example [need]",
            "t.toml:1:8: mode = \"onn\": must be one of on, off; did you mean on?",
            "t.toml:2:8: name = \" \": must not be blank; for example name = \"...\"",
            "t.toml:6:8: layer.1.size = 0: must be greater than 0; for example size = 1",
            "t.toml:8:5: sweep.b = [1]: has no such axis; remove it",
            "t.toml:10:14: sweep.tags.1 = 1: must be text, not a number; correct this item of the list",
            "t.toml:11:6: sweep.on = 1: must be true or false, not a number; for example on = true",
        ]
    );
}

#[test]
fn places_survive_headers_dots_byte_order_marks_and_wide_characters() {
    let document = parse("\u{feff}a.b = 1\r\n[x.y]\r\n\"µ\" = { c = 2 }\r\n");
    let Value::Table(root) = &document.root.value else {
        panic!("a document is a table")
    };
    let place = |origin: &Origin| (origin.line, origin.column);
    let inside = |node: &Node, key: &str| {
        let Value::Table(table) = &node.value else {
            panic!("{key} is not in a table")
        };
        table.entry(key).unwrap().clone()
    };
    let a = root.entry("a").unwrap();
    assert_eq!((place(&a.origin), place(&a.node.origin)), ((1, 1), (1, 1)));
    let b = inside(&a.node, "b");
    assert_eq!((place(&b.origin), place(&b.node.origin)), ((1, 3), (1, 7)));
    let y = inside(root.get("x").unwrap(), "y");
    assert_eq!(place(&y.origin), (2, 4));
    let mu = inside(&y.node, "µ");
    assert_eq!(place(&mu.origin), (3, 1));
    let c = inside(&mu.node, "c");
    assert_eq!((place(&c.origin), place(&c.node.origin)), ((3, 9), (3, 13)));
}

#[test]
fn merging_goes_key_by_key_and_keeps_places() {
    let mut base = parse("a = 1\n[t]\nb = 2\nc = [1, 2]\n[t.law.soft-bounds]\nstep = 1\n");
    let overlay = Document::parse(
        "over.toml",
        "\n\n[t]\nc = [3]\nd = 4\n[t.law.soft-bounds]\nbound = 2",
    );
    base.merge(overlay.unwrap().root, &["law"]);
    assert_eq!(
        base,
        parse("a = 1\nt = {b = 2, c = [3], d = 4, law = {soft-bounds = {step = 1, bound = 2}}}")
    );
    let Value::Table(root) = &base.root.value else {
        panic!("a document is a table")
    };
    let Value::Table(t) = &root.get("t").unwrap().value else {
        panic!("t is a table")
    };
    assert_eq!(
        (
            &*t.entry("c").unwrap().origin.file,
            t.entry("c").unwrap().origin.line
        ),
        ("over.toml", 4)
    );
    assert_eq!(
        (
            &*t.get("b").unwrap().origin.file,
            t.get("b").unwrap().origin.line
        ),
        ("t.toml", 3)
    );

    base.merge(parse("t.law = 'soft-bounds'").root, &["law"]);
    base.merge(parse("[t.law.linear-step]\nslope = 1").root, &["law"]);
    base.merge(parse("t.b = {x = 1}\na = 'one'").root, &["law"]);
    assert_eq!(
        base,
        parse("a = 'one'\nt = {b = {x = 1}, c = [3], d = 4, law = {linear-step = {slope = 1}}}")
    );
    base.merge(parse("t.law.linear-step = 'mine'").root, &[]);
    base.merge(parse("t.law.other = 1").root, &[]);
    assert!(
        base.to_toml()
            .contains("[t.law]\nlinear-step = \"mine\"\nother = 1"),
        "{}",
        base.to_toml()
    );
}

#[test]
fn the_same_choice_by_name_keeps_its_settings() {
    let mut base = parse("[law.soft-bounds]\nstep = 1");
    let before = base.clone();
    base.merge(parse("law = 'soft-bounds'").root, &["law"]);
    assert_eq!(base, before);
    base.merge(parse("law = 'ideal'").root, &["law"]);
    assert_eq!(base, parse("law = 'ideal'"));
}

#[test]
fn values_are_set_by_path() {
    let mut document = parse("seed = 1\n[task]\nrate = 0.1\n[[layer]]\nsize = 3\n");
    document.set("seed", node("2")).unwrap();
    document.set("task.rate", node("0.2")).unwrap();
    document.set("task.epochs", node("5")).unwrap();
    document.set("layer.0.size", node("4")).unwrap();
    assert_eq!(
        document,
        parse("seed = 2\ntask = {rate = 0.2, epochs = 5}\nlayer = [{size = 4}]")
    );
    for (path, message) in [
        (
            "tsk.rate",
            "there is no tsk in the top level of the file; did you mean task?",
        ),
        (
            "task.optimizer.rate",
            "there is no optimizer in [task]; known here: rate, epochs",
        ),
        (
            "task.rate.x",
            "[task.rate] is a number, which holds no x; write it as a table first: [task.rate]",
        ),
        (
            "layer.1",
            "[layer] has no item 1; its items are numbered from 0 and it has 1",
        ),
        (
            "layer.one.size",
            "there is no one in [layer]; known here: 0",
        ),
        ("", "the path must end in a key; for example task.epochs"),
        (
            "task.",
            "the path must end in a key; for example task.epochs",
        ),
        (
            "task.rate.x.y",
            "there is no x in [task.rate]; remove it: nothing is expected here",
        ),
    ] {
        let text = document.set(path, node("9")).unwrap_err().to_string();
        assert!(
            text.starts_with("sweep.toml:1:5: ") && text.ends_with(message),
            "{path}: {text}"
        );
    }
}

#[test]
fn a_document_writes_what_it_reads() {
    let text = r#"
title = "quotes \" \\ and\nlines\u0001 µ"
"odd key.x" = [1, 2.0, [true, { a = 1, "b c" = {} }], 'x']
big = -9223372036854775808
tiny = 1e-300
huge = 1e300
inf = -inf
empty = []
[t.u.v]
w = 1
[t]
z = false
[none]
["a.b".c]
d = 0x10
[[layer]]
size = 1
[[layer]]
size = 2
inner = { deep = 'x' }
"#;
    let document = parse(text);
    let written = document.to_toml();
    assert_eq!(parse(&written), document, "{written}");
    assert_eq!(parse(&written).to_toml(), written);
    assert_eq!(parse("a = nan").to_toml(), "a = nan\n");
}

#[test]
fn violations_of_other_readings_are_absorbed() {
    let violations = Violations::new();
    let document = violations.absorb(Document::parse("bad.toml", "a = 1\na = 2"));
    assert!(matches!(document, Ok(None)));
    let missing = violations.absorb(Document::read("no/such/file.toml"));
    assert!(matches!(missing, Err(Error::Read { .. })));
    assert!(!violations.is_empty());
    let error = violations.into_result(1).unwrap_err();
    assert!(matches!(error, Error::Invalid(list) if list.len() == 1));
}

#[test]
fn a_file_is_called_by_its_path() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("study.toml");
    std::fs::write(&path, "a = 1\n").unwrap();
    let document = Document::read(&path).unwrap();
    assert_eq!(*document.root.origin.file, *path.display().to_string());
    std::fs::write(&path, b"a = \"\xff\"\n").unwrap();
    let text = Document::read(&path).unwrap_err().to_string();
    assert!(text.ends_with("save the file as text in UTF-8"), "{text}");
}

proptest! {
    #[test]
    fn any_text_is_parsed_or_refused_with_a_place(text in "[a-z\\[\\]{}=.,\"'#0-9 \n\u{e9}\u{feff}-]{0,40}") {
        match Document::parse("t.toml", &text) {
            Ok(document) => prop_assert_eq!(parse(&document.to_toml()), document),
            Err(Error::Invalid(list)) => {
                prop_assert!(!list.is_empty());
                prop_assert!(list.iter().all(|v| v.line.is_some() && v.column.is_some()));
            }
            Err(other) => prop_assert!(false, "{}", other),
        }
    }

    #[test]
    fn any_text_and_any_number_survive_writing(key in ".*", text in ".*", number in prop::num::f64::ANY) {
        let value = if number.is_nan() { Value::Integer(0) } else { Value::Float(number) };
        let origin = node("1").origin;
        let mut table = Table::default();
        for (key, value) in [(format!("a{key}"), value), (key, Value::Text(text))] {
            let node = Node { value, origin: origin.clone() };
            table.insert(Entry { key, origin: origin.clone(), node });
        }
        let document = Document { root: Node { value: Value::Table(table), origin } };
        prop_assert_eq!(parse(&document.to_toml()), document);
    }
}
