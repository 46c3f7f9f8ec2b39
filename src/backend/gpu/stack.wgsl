// What all kernels of a stack share: the arguments of the operation at hand, the buffers, and how invocations are numbered.
// The host writes `Arguments` word by word (arguments.rs keeps the same order).

struct Arguments {
    zero: u32,             // always; see hidden_zero
    key_low: u32,
    key_high: u32,
    step: u32,
    first_replica: u32,
    replicas: u32,
    rows: u32,
    columns: u32,
    request: u32,          // OUTER, DENSE or TRAINS
    counting: u32,         // WHOLE, RANDOM or AS_ASKED
    first_at: u32,         // where in `uploads` the operation's vectors begin, in words
    second_at: u32,
    third_at: u32,
    fourth_at: u32,
    lanes: u32,            // of a read: samples · replicas
    inputs: u32,
    outputs: u32,
    input_stride: u32,     // cells from one input (output) to the next
    output_stride: u32,
    parts: u32,            // invocations that share the inputs of one lane
    label: u32,            // READ_NOISE and the index of the read
    deviation: f32,        // of the read noise, A
    g_min: f32,            // S
    span: f32,             // S
    rest: f32,             // of retention, as a position
    lost: f32,             // fraction of the distance to it that is lost
    longest: u32,          // most pulses that are made at once
    fine: u32,             // whether a relaxed state is rounded at random
}

const OUTER: u32 = 0u;
const DENSE: u32 = 1u;
const TRAINS_OF_BITS: u32 = 2u;

const AS_ASKED: u32 = 0u;
const WHOLE: u32 = 1u;
const RANDOM: u32 = 2u;

@group(0) @binding(0) var<uniform> run: Arguments;
@group(0) @binding(1) var<storage, read> uploads: array<u32>;
/// Cell-major, the replicas of one cell together.
@group(0) @binding(2) var<storage, read_write> states: array<f32>;
/// What a read sees where it is not the state.
@group(0) @binding(3) var<storage, read_write> apparent: array<f32>;
/// Number j of cell k at j · cells + k, where cells are stuck, and where resets leave them.
@group(0) @binding(4) var<storage, read> cell_parameters: array<f32>;
/// Low and high word of the number of pulses so far.
@group(0) @binding(5) var<storage, read_write> pulse_counter: array<atomic<u32>, 2>;
@group(0) @binding(6) var<storage, read_write> outputs: array<f32>;

const WORKGROUP: u32 = 64u;
/// Elements that an invocation has where each is its own work: enough to wait for memory together.
const STRIP: u32 = 4u;

fn hidden_zero() -> u32 {
    return run.zero;
}

fn upload(at: u32) -> f32 {
    return bitcast<f32>(uploads[at]);
}

fn cells() -> u32 {
    return run.rows * run.columns;
}

/// Dispatches have two dimensions only because one has room for too few workgroups.
fn workgroup_number(group: vec3<u32>, groups: vec3<u32>) -> u32 {
    return group.y * groups.x + group.x;
}

fn words_of(step: u32, block: u32, replica: u32, label: u32) -> vec4<u32> {
    return random_words(vec2<u32>(run.key_low, run.key_high), step, block, run.first_replica + replica, label);
}

fn parameters_of(cell: u32) -> Parameters {
    var p: Parameters;
    for (var j = 0u; j < PARAMETERS; j++) {
        p[j] = cell_parameters[j * cells() + cell];
    }
    return p;
}

/// The position that a cell is stuck at, HEALTHY if it is not.
fn stuck_at(cell: u32) -> f32 {
    if STUCK {
        return cell_parameters[PARAMETERS * cells() + cell];
    }
    return HEALTHY;
}

/// Where a reset leaves a one-sided cell on average.
fn reset_level(cell: u32) -> f32 {
    var place = PARAMETERS;
    if STUCK {
        place += 1u;
    }
    return cell_parameters[place * cells() + cell];
}

/// Whether nothing moves a cell.
fn is_stuck(cell: u32) -> bool {
    return stuck_at(cell) > HEALTHY;
}

/// Position of a cell's replica as a read sees it.
fn seen(at: u32) -> f32 {
    if WRITE_NOISY || READ_OUT {
        return apparent[at];
    }
    return states[at];
}

/// Position of the conductance at a state, without write noise.
fn read_at(cell: u32, state: f32) -> f32 {
    if READ_OUT {
        return read_out(parameters_of(cell), state);
    }
    return state;
}

fn conductance(at: u32) -> f32 {
    return run.g_min + run.span * seen(at);
}

/// The same state in every replica of a cell.
@compute @workgroup_size(64)
fn write_positions(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let first = workgroup_number(group, groups) * STRIP * WORKGROUP + local;
    for (var k = 0u; k < STRIP; k++) {
        let at = first + k * WORKGROUP;
        if at < cells() * run.replicas {
            let cell = at / run.replicas;
            let state = upload(run.first_at + cell);
            states[at] = state;
            if WRITE_NOISY || READ_OUT {
                apparent[at] = read_at(cell, state);
                if is_stuck(cell) {
                    apparent[at] = stuck_at(cell);
                }
            }
        }
    }
}

/// Every replica of a cell misses its target by a number of its own.
@compute @workgroup_size(64)
fn program(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let first = workgroup_number(group, groups) * STRIP * WORKGROUP + local;
    for (var k = 0u; k < STRIP; k++) {
        let at = first + k * WORKGROUP;
        if at < cells() * run.replicas {
            let cell = at / run.replicas;
            var state = upload(run.first_at + cell);
            let deviation = upload(run.second_at + cell);
            if !is_stuck(cell) {
                let words = words_of(run.step, cell / 4u, at % run.replicas, PROGRAMMING);
                state = written(parameters_of(cell), state, deviation, normals(words)[cell % 4u]);
            }
            states[at] = state;
            if WRITE_NOISY || READ_OUT {
                apparent[at] = state;
            }
        }
    }
}

/// What is written on a cell decays with it.
@compute @workgroup_size(64)
fn relax(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let first = workgroup_number(group, groups) * STRIP * WORKGROUP + local;
    for (var k = 0u; k < STRIP; k++) {
        let at = first + k * WORKGROUP;
        if at < cells() * run.replicas && !is_stuck(at / run.replicas) {
            let cell = at / run.replicas;
            let p = parameters_of(cell);
            var u = 0.5f;
            if run.fine != 0u {
                let words = words_of(run.step, cell / 4u, at % run.replicas, RELAXATION);
                u = uniform_of(words[cell % 4u]);
            }
            let before = states[at];
            let after = relaxed(p, before, run.rest, run.lost, u);
            states[at] = after;
            if READ_OUT {
                var noise = 0.0f;
                if WRITE_NOISY {
                    noise = apparent[at] - read_at(cell, before);
                }
                apparent[at] = read_at(cell, after) + noise;
            } else if WRITE_NOISY {
                apparent[at] = relaxed(p, apparent[at], run.rest, run.lost, u);
            }
        }
    }
}
