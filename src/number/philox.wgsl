// Philox4x32-10, the same integers as philox.rs. WGSL has no wide product: the high half is put together from
// products of 16-bit pieces, none of which overflows.

fn high_product(a: u32, b: u32) -> u32 {
    let a0 = a & 0xffffu;
    let a1 = a >> 16u;
    let b0 = b & 0xffffu;
    let b1 = b >> 16u;
    let middle = a1 * b0 + ((a0 * b0) >> 16u);
    let other = a0 * b1 + (middle & 0xffffu);
    return a1 * b1 + (middle >> 16u) + (other >> 16u);
}

fn philox4x32_10(start: vec4<u32>, seed: vec2<u32>) -> vec4<u32> {
    var counter = start;
    var key = seed;
    for (var i = 0u; i < 10u; i++) {
        counter = vec4<u32>(
            high_product(counter.z, 0xCD9E8D57u) ^ counter.y ^ key.x,
            counter.z * 0xCD9E8D57u,
            high_product(counter.x, 0xD2511F53u) ^ counter.w ^ key.y,
            counter.x * 0xD2511F53u,
        );
        key += vec2<u32>(0x9E3779B9u, 0xBB67AE85u);
    }
    return counter;
}
