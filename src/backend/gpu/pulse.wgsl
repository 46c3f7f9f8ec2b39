// Updates. One invocation has four cells of one replica: they share a block of random words.

var<workgroup> fired_together: atomic<u32>;

/// What one cell of one replica is asked for, in nominal steps; for trains of bits the signed number of coincidences.
fn asked(cell: u32, replica: u32) -> f32 {
    if run.request == DENSE {
        return upload(run.first_at + cell * run.replicas + replica);
    }
    let row = (cell / run.columns) * run.replicas + replica;
    let column = (cell % run.columns) * run.replicas + replica;
    if run.request == OUTER {
        // Rounded before anything is added to it: a fused sum would count differently from the CPU now and then.
        return opaque(upload(run.first_at + row) * upload(run.second_at + column));
    }
    let coincidences = f32(countOneBits(uploads[run.third_at + row] & uploads[run.fourth_at + column]));
    let sign = (uploads[run.first_at + row] ^ uploads[run.second_at + column]) & 0x80000000u;
    return bitcast<f32>(bitcast<u32>(coincidences) | sign);
}

/// The same, of which one-sided cells take only what is positive.
fn requested(cell: u32, replica: u32) -> f32 {
    let m = asked(cell, replica);
    if ONE_SIDED {
        return max(m, 0.0f);
    }
    return m;
}

/// Signed pulse counts of a block of cells.
fn counts_of(block: u32, replica: u32) -> vec4<f32> {
    var u = vec4<f32>(0.5f);
    if run.counting == RANDOM {
        u = uniforms(words_of(run.step, block, replica, COUNT_ROUNDING));
    }
    var counts = vec4<f32>(0.0f);
    for (var k = 0u; k < 4u; k++) {
        let cell = 4u * block + k;
        if cell < cells() {
            let m = requested(cell, replica);
            if run.counting == AS_ASKED {
                counts[k] = m;
            } else {
                counts[k] = rounded(m, u[k]);
            }
        }
    }
    return counts;
}

fn normals_of(block: u32, replica: u32, label: u32) -> vec4<f32> {
    return normals(words_of(run.step, block, replica, label));
}

/// Adds the pulses of a workgroup to the counter of the stack. All invocations of the workgroup must come here.
fn add_to_counter(counts: vec4<f32>, local: u32) {
    let whole = vec4<u32>(round(abs(counts)));
    let fired = whole.x + whole.y + whole.z + whole.w;
    if fired != 0u {
        atomicAdd(&fired_together, fired);
    }
    workgroupBarrier();
    if local == 0u {
        let fired = atomicLoad(&fired_together);
        if fired != 0u {
            let before = atomicAdd(&pulse_counter[0], fired);
            if before + fired < before {
                atomicAdd(&pulse_counter[1], 1u);
            }
        }
    }
}

/// Remembers the pulses of a block of cells.
fn mark(block: u32, replica: u32, counts: vec4<f32>) {
    for (var k = 0u; k < 4u; k++) {
        let cell = 4u * block + k;
        if counts[k] != 0.0f && !is_stuck(cell) {
            let at = cell * run.replicas + replica;
            renew(at);
            states[at] = wear(at, states[at], u32(abs(counts[k])));
        }
    }
}

/// Lets reads see the cells that were pulsed, with new write noise.
fn show(block: u32, replica: u32, counts: vec4<f32>) {
    var z = vec4<f32>(0.0f);
    if WRITE_NOISY {
        z = normals_of(block, replica, WRITE_NOISE);
    }
    for (var k = 0u; k < 4u; k++) {
        let cell = 4u * block + k;
        if counts[k] != 0.0f && !is_stuck(cell) {
            let at = cell * run.replicas + replica;
            apparent[at] = read_at(cell, states[at]) + WRITE_DEVIATION * z[k];
        }
    }
}

/// The pulses of a train at once, by the shortest code that holds them: all give the same.
fn after(p: Parameters, s: f32, n: f32, z: f32) -> f32 {
    if abs(n) == 1.0f {
        return after_pulse(p, s, n, z);
    }
    if abs(n) <= SHORT {
        return after_short_train(p, s, n, z);
    }
    return after_long_train(p, s, n, z);
}

/// In trains of at most the longest, each with noise of its own.
fn pulse_block(block: u32, replica: u32, counts: vec4<f32>, singly: bool) {
    let size = abs(counts);
    let most = u32(max(max(size.x, size.y), max(size.z, size.w)));
    for (var number = 0u; number * run.longest < most; number++) {
        var z = vec4<f32>(0.0f);
        if CYCLE_NOISY {
            z = normals_of(block, replica, CYCLE_NOISE | number);
        }
        for (var k = 0u; k < 4u; k++) {
            let n = piece(counts[k], f32(number * run.longest), f32(run.longest));
            let cell = 4u * block + k;
            if n != 0.0f && !is_stuck(cell) {
                let at = cell * run.replicas + replica;
                if singly {
                    states[at] = after_pulse(parameters_of(cell), states[at], n, z[k]);
                } else {
                    states[at] = after(parameters_of(cell), states[at], n, z[k]);
                }
            }
        }
    }
}

fn pulse_workgroup(group: u32, local: u32, singly: bool) {
    let at = group * WORKGROUP + local;
    let block = at / run.replicas;
    let replica = at % run.replicas;
    var counts = vec4<f32>(0.0f);
    if 4u * block < cells() {
        counts = counts_of(block, replica);
    }
    if any(counts != vec4<f32>(0.0f)) {
        pulse_block(block, replica, counts, singly);
        if AGEING || WEARING {
            mark(block, replica, counts);
        }
        if WRITE_NOISY || READ_OUT {
            show(block, replica, counts);
        }
    }
    add_to_counter(counts, local);
}

@compute @workgroup_size(64)
fn pulse_together(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    pulse_workgroup(workgroup_number(group, groups), local, false);
}

@compute @workgroup_size(64)
fn pulse_singly(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    pulse_workgroup(workgroup_number(group, groups), local, true);
}

/// The mean response, linear in the request. Without pulses there is no write noise either.
@compute @workgroup_size(64)
fn pulse_expected(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let first = workgroup_number(group, groups) * STRIP * WORKGROUP + local;
    for (var k = 0u; k < STRIP; k++) {
        let at = first + k * WORKGROUP;
        if at < cells() * run.replicas && !is_stuck(at / run.replicas) {
            let cell = at / run.replicas;
            let n = requested(cell, at % run.replicas);
            var next = after_mean(parameters_of(cell), states[at], n);
            if n != 0.0f {
                renew(at);
                next = wear(at, next, 0u);
            }
            states[at] = next;
            if WRITE_NOISY || READ_OUT {
                apparent[at] = read_at(cell, next);
            }
        }
    }
}

/// Resets the cells whose element of the upload is not zero.
@compute @workgroup_size(64)
fn reset(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let invocation = workgroup_number(group, groups) * WORKGROUP + local;
    let block = invocation / run.replicas;
    let replica = invocation % run.replicas;
    if !ONE_SIDED || 4u * block >= cells() {
        return;
    }
    var which = vec4<f32>(0.0f);
    for (var k = 0u; k < 4u; k++) {
        let cell = 4u * block + k;
        if cell < cells() {
            which[k] = upload(run.first_at + cell * run.replicas + replica);
        }
    }
    if !any(which != vec4<f32>(0.0f)) {
        return;
    }
    let z = normals_of(block, replica, RESET);
    for (var k = 0u; k < 4u; k++) {
        let cell = 4u * block + k;
        if which[k] != 0.0f && !is_stuck(cell) {
            let at = cell * run.replicas + replica;
            renew(at);
            states[at] = wear(at, emptied(parameters_of(cell), reset_level(cell), z[k]), 1u);
        }
    }
    if WRITE_NOISY || READ_OUT {
        show(block, replica, which);
    }
}
