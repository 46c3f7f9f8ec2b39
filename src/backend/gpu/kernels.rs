//! The shader of a stack: hand-written loops around the recorded physics of its cells.

use crate::device::Shader;
use crate::number::shader;

/// Everything that runs on the device; the names are those of the entry points.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kernel {
    Write,
    Program,
    Relax,
    Traps,
    PulseTogether,
    PulseSingly,
    PulseExpected,
    Reset,
    ReadLanes,
    ReadTiles,
}

impl Kernel {
    #[cfg(test)]
    pub(super) const ALL: [Self; 10] = [
        Self::Write,
        Self::Program,
        Self::Relax,
        Self::Traps,
        Self::PulseTogether,
        Self::PulseSingly,
        Self::PulseExpected,
        Self::Reset,
        Self::ReadLanes,
        Self::ReadTiles,
    ];

    pub(super) fn entry_point(self) -> &'static str {
        match self {
            Self::Write => "write_positions",
            Self::Program => "program",
            Self::Relax => "relax",
            Self::Traps => "traps",
            Self::PulseTogether => "pulse_together",
            Self::PulseSingly => "pulse_singly",
            Self::PulseExpected => "pulse_expected",
            Self::Reset => "reset",
            Self::ReadLanes => "read_lanes",
            Self::ReadTiles => "read_tiles",
        }
    }
}

/// The whole module of a stack of such cells.
pub(super) fn module(cells: &Shader) -> String {
    [
        include_str!("stack.wgsl"),
        &shader::functions(),
        &cells.functions,
        include_str!("pulse.wgsl"),
        include_str!("read.wgsl"),
    ]
    .join("\n")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use naga::valid::{Capabilities, ValidationFlags, Validator};

    use super::*;
    use crate::device::{LIBRARY, laws, load_device};

    /// Validates a module without any device, and that it has every kernel.
    fn validate(name: &str, shader: &Shader) {
        let source = module(shader);
        let parsed = naga::front::wgsl::parse_str(&source)
            .unwrap_or_else(|e| panic!("{name}: {}", e.emit_to_string(&source)));
        let entry_points: Vec<_> = parsed.entry_points.iter().map(|e| &e.name[..]).collect();
        for kernel in Kernel::ALL {
            assert!(entry_points.contains(&kernel.entry_point()), "{name}");
        }
        assert_eq!(entry_points.len(), Kernel::ALL.len(), "{name}");
        // No capability beyond what every device has.
        Validator::new(ValidationFlags::all(), Capabilities::empty())
            .validate(&parsed)
            .unwrap_or_else(|e| panic!("{name}: {}", e.emit_to_string(&source)));
    }

    #[test]
    fn shaders_of_every_device_file_are_valid() {
        let mut seen = std::collections::BTreeSet::new();
        for (name, _) in LIBRARY {
            let device = load_device(name, Path::new("")).unwrap();
            let cells = device.cells(6, 7).unwrap();
            seen.insert(cells.law().name().to_owned());
            validate(name, &cells.shader());
            validate(name, &cells.symmetric_control().shader());
        }
        println!("laws in the library: {seen:?} of {}", laws().len());
    }

    /// Laws that no device file uses, and parameters that all differ from cell to cell.
    #[test]
    fn shaders_of_every_law_are_valid() {
        use crate::device::{Cells, CycleNoise, Window};
        for law in laws() {
            // Step and window come before what is the law's own.
            let width = 3 + law.parameters().len();
            let name = law.name();
            let parameters: Vec<f64> = (0..3 * width).map(|k| 0.3 + 0.01 * k as f64).collect();
            for (noise, write_noise, hard) in [([0.0; 2], 0.0, true), ([0.3, 0.5], 1.0, false)] {
                let cells = Cells::new(
                    law.clone(),
                    Window {
                        g_min: 1e-5,
                        g_max: 5e-5,
                    },
                    CycleNoise::new(noise[0], noise[1]),
                    write_noise,
                    hard,
                    parameters[..width].to_vec(),
                    parameters.clone(),
                );
                let shader = cells.shader();
                assert_eq!(shader.parameters.len(), 3 * width, "{name}");
                validate(name, &shader);
            }
        }
    }

    /// The host writes the arguments word by word: their number and order are those of the structure in WGSL.
    #[test]
    fn arguments_are_those_of_the_shader() {
        use super::super::arguments::{Arguments, WORDS};
        let source = include_str!("stack.wgsl");
        let body = source.split("struct Arguments {").nth(1).unwrap();
        let fields: Vec<&str> = body
            .lines()
            .take_while(|line| *line != "}")
            .filter_map(|line| Some(line.split_once(':')?.0.trim()))
            .collect();
        assert_eq!(fields.len(), WORDS);
        let place = |name: &str| fields.iter().position(|f| *f == name).unwrap();
        let words = Arguments {
            key: [11, 12],
            step: 13,
            first_replica: 14,
            replicas: 15,
            rows: 16,
            columns: 17,
            request: 18,
            counting: 19,
            vectors: [20, 21, 22, 23],
            lanes: 24,
            inputs: 25,
            outputs: 26,
            input_stride: 27,
            output_stride: 28,
            parts: 29,
            label: 30,
            deviation: 31.0,
            g_min: 32.0,
            span: 33.0,
            rest: 34.0,
            lost: 35.0,
            longest: 36,
            fine: 37,
            growth: 38.0,
            kept: 39.0,
            elapsed: 36.0,
            effective: 40,
        }
        .words();
        let whole = [
            "zero",
            "key_low",
            "key_high",
            "step",
            "first_replica",
            "replicas",
            "rows",
            "columns",
            "request",
            "counting",
            "first_at",
            "second_at",
            "third_at",
            "fourth_at",
            "lanes",
            "inputs",
            "outputs",
            "input_stride",
            "output_stride",
            "parts",
            "label",
        ];
        for (k, name) in whole.iter().enumerate() {
            let expected = if k == 0 { 0 } else { 10 + k as u32 };
            assert_eq!(words[place(name)], expected, "{name}");
        }
        assert_eq!(words[place("longest")], 36);
        assert_eq!(words[place("fine")], 37);
        assert_eq!(words[place("effective")], 40);
        assert_eq!(f32::from_bits(words[place("growth")]), 38.0);
        assert_eq!(f32::from_bits(words[place("kept")]), 39.0);
        for (k, name) in ["deviation", "g_min", "span", "rest", "lost", "elapsed"]
            .iter()
            .enumerate()
        {
            assert_eq!(
                f32::from_bits(words[place(name)]),
                31.0 + k as f32,
                "{name}"
            );
        }
    }
}
