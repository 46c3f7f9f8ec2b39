// Reads: output o of lane l is Σ_i V_il G_oi. Lane = sample · replicas + replica; the conductances are the replica's.
// Four neighbouring outputs share a block of random words. Cells that are noisy themselves add Σ V² σ² to the variance.

/// The conductance of a cell, or what the wires make of it.
fn read_conductance(at: u32) -> f32 {
    if run.effective != 0u {
        return run.g_min + run.span * bitcast<f32>(history[at]);
    }
    return conductance(at);
}

fn read_noise(block: u32, lane: u32, variances: vec4<f32>) -> vec4<f32> {
    if run.deviation == 0.0f && !CELL_NOISY {
        return vec4<f32>(0.0f);
    }
    let words = words_of(run.step + lane / run.replicas, block, lane % run.replicas, run.label);
    if CELL_NOISY {
        let own = vec4<f32>(run.deviation * run.deviation);
        return sqrt(own + (run.span * run.span) * max(variances, vec4<f32>(0.0f))) * normals(words);
    }
    return run.deviation * normals(words);
}

/// Variances of reads of four cells, in squares of the window.
fn variances_of(at: vec4<u32>) -> vec4<f32> {
    return vec4<f32>(
        cell_variance(position(at.x), run.growth),
        cell_variance(position(at.y), run.growth),
        cell_variance(position(at.z), run.growth),
        cell_variance(position(at.w), run.growth),
    );
}

fn store_outputs(block: u32, lane: u32, sums: vec4<f32>, variances: vec4<f32>) {
    let currents = sums + read_noise(block, lane, variances);
    for (var k = 0u; k < 4u; k++) {
        let output = 4u * block + k;
        if output < run.outputs {
            outputs[output * run.lanes + lane] = currents[k];
        }
    }
}

/// Invocations of a workgroup of a read.
const READERS: u32 = 256u;

var<workgroup> partial_sums: array<vec4<f32>, 256>;
var<workgroup> partial_variances: array<vec4<f32>, NOISE_ROOM>;

/// Few samples: an invocation sums every `parts`-th input of one lane for four outputs, neighbours have neighbouring lanes, and
/// the parts are added at the end.
@compute @workgroup_size(256)
fn read_lanes(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let width = READERS / run.parts;
    let lane_groups = (run.lanes + width - 1u) / width;
    let number = workgroup_number(group, groups);
    let block = number / lane_groups;
    let lane = (number % lane_groups) * width + local % width;
    let inside = 4u * block < run.outputs && lane < run.lanes;

    var sums = vec4<f32>(0.0f);
    var variances = vec4<f32>(0.0f);
    if inside {
        let replica = lane % run.replicas;
        // Outputs that do not exist repeat the last one, and are not stored.
        let own = min(4u * block + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(run.outputs - 1u)) * run.output_stride;
        for (var input = local / width; input < run.inputs; input += run.parts) {
            let cell = own + input * run.input_stride;
            let at = cell * run.replicas + replica;
            let g = vec4<f32>(read_conductance(at.x), read_conductance(at.y), read_conductance(at.z), read_conductance(at.w));
            let v = upload(run.first_at + input * run.lanes + lane);
            sums += v * g;
            if CELL_NOISY {
                variances += (v * v) * variances_of(at);
            }
        }
    }
    partial_sums[local] = sums;
    if CELL_NOISY {
        partial_variances[local % NOISE_ROOM] = variances;
    }
    workgroupBarrier();
    for (var rest = run.parts / 2u; rest > 0u; rest /= 2u) {
        if local / width < rest {
            partial_sums[local] += partial_sums[local + rest * width];
            if CELL_NOISY {
                partial_variances[local % NOISE_ROOM] += partial_variances[(local + rest * width) % NOISE_ROOM];
            }
        }
        workgroupBarrier();
    }
    if inside && local < width {
        store_outputs(block, lane, partial_sums[local], partial_variances[local % NOISE_ROOM]);
    }
}

// Many samples: a workgroup computes a tile of 64 outputs times 64 samples of one replica, 16 inputs at a time; every invocation
// has four outputs of four samples. Neighbours in a tile are vectors of four, as the invocations take them.
const TILE: u32 = 64u;
const QUARTER: u32 = 16u;
const DEPTH: u32 = 16u;
var<workgroup> voltage_tile: array<vec4<f32>, 256>;
var<workgroup> conductance_tile: array<vec4<f32>, 256>;
var<workgroup> variance_tile: array<vec4<f32>, NOISE_ROOM>;

@compute @workgroup_size(256)
fn read_tiles(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let samples = run.lanes / run.replicas;
    let across = (run.outputs + TILE - 1u) / TILE;
    let down = (samples + TILE - 1u) / TILE;
    // Neighbouring workgroups have neighbouring replicas, which are neighbours in memory, too.
    let number = workgroup_number(group, groups);
    let replica = number % run.replicas;
    let tile = number / run.replicas;
    // Tiles after the last are those of samples that do not exist.
    let first_output = (tile % across) * TILE;
    let first_sample = (tile / across) * TILE;
    let my_output = local % QUARTER;
    let my_sample = local / QUARTER;

    var sums: array<vec4<f32>, 4>;
    var variances: array<vec4<f32>, 4>;
    for (var first_input = 0u; first_input < run.inputs; first_input += DEPTH) {
        // An invocation fetches one vector of each tile.
        let sample = first_sample + 4u * (local % QUARTER);
        let input = first_input + local / QUARTER;
        var v = vec4<f32>(0.0f);
        for (var k = 0u; k < 4u; k++) {
            if sample + k < samples && input < run.inputs {
                v[k] = upload(run.first_at + input * run.lanes + (sample + k) * run.replicas + replica);
            }
        }
        voltage_tile[local] = v;
        // Neighbours read neighbouring cells, whichever way the array is read.
        var x = local % QUARTER;
        var y = local / QUARTER;
        if run.input_stride == 1u {
            x = local / DEPTH;
            y = local % DEPTH;
        }
        var g = vec4<f32>(0.0f);
        var variance = vec4<f32>(0.0f);
        for (var k = 0u; k < 4u; k++) {
            let output = first_output + 4u * x + k;
            if output < run.outputs && first_input + y < run.inputs {
                let cell = output * run.output_stride + (first_input + y) * run.input_stride;
                let at = cell * run.replicas + replica;
                g[k] = read_conductance(at);
                if CELL_NOISY {
                    variance[k] = cell_variance(position(at), run.growth);
                }
            }
        }
        conductance_tile[y * QUARTER + x] = g;
        if CELL_NOISY {
            variance_tile[(y * QUARTER + x) % NOISE_ROOM] = variance;
        }
        workgroupBarrier();
        for (var depth = 0u; depth < DEPTH; depth++) {
            let g = conductance_tile[depth * QUARTER + my_output];
            let v = voltage_tile[depth * QUARTER + my_sample];
            for (var sample = 0u; sample < 4u; sample++) {
                sums[sample] += v[sample] * g;
            }
            if CELL_NOISY {
                let own = variance_tile[(depth * QUARTER + my_output) % NOISE_ROOM];
                for (var sample = 0u; sample < 4u; sample++) {
                    variances[sample] += (v[sample] * v[sample]) * own;
                }
            }
        }
        workgroupBarrier();
    }
    for (var sample = 0u; sample < 4u; sample++) {
        let mine = first_sample + 4u * my_sample + sample;
        let output = first_output + 4u * my_output;
        if mine < samples && output < run.outputs {
            store_outputs(output / 4u, mine * run.replicas + replica, sums[sample], variances[sample]);
        }
    }
}
