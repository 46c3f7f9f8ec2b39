// What recorded expressions need of WGSL. The module around them defines `hidden_zero() -> u32`: a zero that the
// compiler cannot see.

/// The same number, which algebra on real numbers cannot be carried through.
fn opaque(x: f32) -> f32 {
    return bitcast<f32>(bitcast<u32>(x) ^ hidden_zero());
}

/// 2ⁿ for an integer n from -126 to 127; zero for -127. Above, it stays at 2¹²⁷: shaders may assume that nothing is infinite.
fn two_to_the(n: f32) -> f32 {
    return bitcast<f32>((bitcast<u32>(min(n, 127.0f) + 12582912.0f) + 127u) << 23u);
}

/// The n of x = m · 2ⁿ with m in [√½, √2), as an integer.
fn exponent_bits(x: f32) -> i32 {
    return bitcast<i32>(bitcast<u32>(x) - 0x3f3504f3u) >> 23u;
}

/// The m of x = m · 2ⁿ.
fn mantissa(x: f32) -> f32 {
    return bitcast<f32>(bitcast<u32>(x) - (bitcast<u32>(exponent_bits(x)) << 23u));
}

/// The n of x = m · 2ⁿ.
fn exponent(x: f32) -> f32 {
    return f32(exponent_bits(x));
}

/// Sine of an angle turned onwards by n quarter turns.
fn turned_sine(n: f32, sine: f32, cosine: f32) -> f32 {
    let quarters = bitcast<u32>(n + 12582912.0f);
    let chosen = select(sine, cosine, (quarters & 1u) != 0u);
    return bitcast<f32>(bitcast<u32>(chosen) ^ ((quarters & 2u) << 30u));
}

/// Cosine of an angle turned onwards by n quarter turns.
fn turned_cosine(n: f32, sine: f32, cosine: f32) -> f32 {
    let quarters = bitcast<u32>(n + 12582912.0f);
    let chosen = select(cosine, sine, (quarters & 1u) != 0u);
    return bitcast<f32>(bitcast<u32>(chosen) ^ (((quarters + 1u) & 2u) << 30u));
}
