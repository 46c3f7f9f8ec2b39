//! The numbers of this module in WGSL.

use super::random::{box_muller, centred};
use super::{Purpose, Tape, expr};

/// The purposes of the random numbers that a backend draws, by their names in shaders.
const PURPOSES: [(&str, Purpose); 9] = [
    ("CYCLE_NOISE", Purpose::CycleNoise),
    ("COUNT_ROUNDING", Purpose::CountRounding),
    ("READ_NOISE", Purpose::ReadNoise),
    ("WRITE_NOISE", Purpose::WriteNoise),
    ("RELAXATION", Purpose::Relaxation),
    ("PROGRAMMING", Purpose::Programming),
    ("TELEGRAPH", Purpose::Telegraph),
    ("DRIFT", Purpose::Drift),
    ("RESET", Purpose::Reset),
];

/// WGSL functions that draw the random numbers of a [`Stream`](super::Stream), and those that recorded expressions call.
///
/// ```text
/// fn random_words(key: vec2<u32>, step: u32, block: u32, replica: u32, label: u32) -> vec4<u32>
/// fn uniforms(words: vec4<u32>) -> vec4<f32>
/// fn normals(words: vec4<u32>) -> vec4<f32>
/// ```
///
/// A label is a purpose (those of `PURPOSES`) or'ed with an index. The integers are the CPU's; the uniform numbers too, because they
/// are exact. The module around them defines `hidden_zero() -> u32`, a zero that the compiler cannot see.
pub fn functions() -> String {
    let mut out = [expr::WGSL, include_str!("philox.wgsl")].join("\n");
    out.push('\n');
    for (name, purpose) in PURPOSES {
        out.push_str(&format!("const {name}: u32 = {}u << 24u;\n", purpose as u8));
    }
    // The upper 23 bits of a word, a whole number that single precision holds.
    let tape = Tape::new();
    let whole = tape.input("f32(word >> 9u)");
    out.push_str(&tape.function("uniform_of", "word: u32", &[centred(whole)]));
    let tape = Tape::new();
    let (even, odd) = box_muller(tape.input("u0"), tape.input("u1"));
    out.push_str(&tape.function("normal_pair", "u0: f32, u1: f32", &[even, odd]));
    out.push_str(
        "\
fn random_words(key: vec2<u32>, step: u32, block: u32, replica: u32, label: u32) -> vec4<u32> {
    return philox4x32_10(vec4<u32>(step, block, replica, label), key);
}
fn uniforms(words: vec4<u32>) -> vec4<f32> {
    return vec4<f32>(uniform_of(words.x), uniform_of(words.y), uniform_of(words.z), uniform_of(words.w));
}
fn normals(words: vec4<u32>) -> vec4<f32> {
    let u = uniforms(words);
    return vec4<f32>(normal_pair(u.x, u.y), normal_pair(u.z, u.w));
}
",
    );
    out
}
