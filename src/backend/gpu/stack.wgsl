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
    label: u32,            // READ_NOISE (TELEGRAPH) and the index of the read (draw)
    deviation: f32,        // of the read noise, A
    g_min: f32,            // S
    span: f32,             // S
    rest: f32,             // of retention, as a position
    lost: f32,             // fraction of the distance to it that is lost
    longest: u32,          // most pulses that are made at once
    fine: u32,             // whether a relaxed state is rounded at random
    growth: f32,           // of the 1/f noise of cells
    kept: f32,             // correlation of traps that is left
    elapsed: f32,          // that relaxation takes, s
    effective: u32,        // whether a read finds effective positions in place of the history
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
/// Number j of cell k at j · cells + k, and where cells are stuck, how each relaxes, how long it lives, and where resets leave it.
@group(0) @binding(4) var<storage, read> cell_parameters: array<f32>;
/// Low and high word of the number of pulses so far.
@group(0) @binding(5) var<storage, read_write> pulse_counter: array<atomic<u32>, 2>;
@group(0) @binding(6) var<storage, read_write> outputs: array<f32>;
/// Whether each cell's trap is occupied, 0 or 1.
@group(0) @binding(7) var<storage, read_write> trap_states: array<f32>;
/// What is remembered of each state, plane by plane: bits of the age in seconds and of what its sum left out, of the position at age
/// zero, of the walk, and the number of pulses. Only what the cells ask for. Reads through wires have another buffer here: bits of the
/// position of every cell's effective conductance.
@group(0) @binding(8) var<storage, read_write> history: array<u32>;

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

/// Number j of those by which a cell relaxes.
fn retention_of(cell: u32, j: u32) -> f32 {
    return cell_parameters[(PARAMETERS + u32(STUCK) + j) * cells() + cell];
}

/// Pulses that a cell lives for.
fn life_of(cell: u32) -> f32 {
    if OWN_LIFE {
        return retention_of(cell, 2u * u32(OWN_RETENTION));
    }
    return LIFE;
}

// Planes of the history.
const AGE: u32 = 0u;
const CARRY: u32 = 1u;
const ORIGIN: u32 = 2u;
const WALK: u32 = 3u;

fn remembered(plane: u32, at: u32) -> f32 {
    return bitcast<f32>(history[plane * cells() * run.replicas + at]);
}

fn remember(plane: u32, at: u32, value: f32) {
    history[plane * cells() * run.replicas + at] = bitcast<u32>(value);
}

/// Seconds since the last pulse or write.
fn age_of(at: u32) -> f32 {
    if AGEING {
        return remembered(AGE, at);
    }
    return 0.0f;
}

/// A cell is new, or was pulsed.
fn renew(at: u32) {
    if AGEING {
        remember(AGE, at, 0.0f);
    }
}

/// Counts pulses, and returns the state inside the window that they leave.
fn wear(at: u32, state: f32, pulses: u32) -> f32 {
    if !WEARING {
        return state;
    }
    let place = PULSES * cells() * run.replicas + at;
    let before = history[place];
    let after = before + min(pulses, 0xffffffffu - before);
    history[place] = after;
    let cell = at / run.replicas;
    return held(parameters_of(cell), state, f32(after), life_of(cell));
}

/// Makes a cell older, and returns its age. At age zero, its rounding left nothing out.
fn age(at: u32) -> f32 {
    let before = remembered(AGE, at);
    var added = run.elapsed;
    if before != 0.0f {
        added += remembered(CARRY, at);
    }
    // A sum that the compiler saw through would leave nothing out.
    let next = opaque(before + added);
    remember(AGE, at, next);
    remember(CARRY, at, carried(added, before, next));
    return next;
}

/// Lets a conductance drift.
fn drift(at: u32, cell: u32) {
    let before = states[at];
    let young = remembered(AGE, at);
    var origin = remembered(ORIGIN, at);
    var walk = 0.0f;
    // Where cells do not walk, each has one number for ever.
    var step = 0u;
    if WALKING {
        walk = remembered(WALK, at);
        step = run.step;
    }
    if young == 0.0f {
        origin = before;
        walk = 0.0f;
    }
    let z = normals(words_of(step, cell / 4u, at % run.replicas, DRIFT))[cell % 4u];
    let old = age(at);
    if WALKING {
        walk = walked(origin, walk, young, old, run.elapsed, z);
        remember(WALK, at, walk);
    }
    remember(ORIGIN, at, origin);
    let after = drifted(parameters_of(cell), origin, walk, old, z);
    states[at] = after;
    if READ_OUT {
        var noise = 0.0f;
        if WRITE_NOISY {
            noise = apparent[at] - read_at(cell, before);
        }
        apparent[at] = read_at(cell, after) + noise;
    } else if WRITE_NOISY {
        apparent[at] = (apparent[at] - before) * kept(origin, young, old, z) + after;
    }
}

/// Where a reset leaves a one-sided cell on average.
fn reset_level(cell: u32) -> f32 {
    return retention_of(cell, 2u * u32(OWN_RETENTION) + u32(OWN_LIFE));
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

/// Position that a read finds on average.
fn position(at: u32) -> f32 {
    if TRAPPED {
        return trapped(seen(at), trap_states[at]);
    }
    return seen(at);
}

fn conductance(at: u32) -> f32 {
    return run.g_min + run.span * position(at);
}

/// Traps are filled and emptied.
@compute @workgroup_size(64)
fn traps(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let first = workgroup_number(group, groups) * STRIP * WORKGROUP + local;
    for (var k = 0u; k < STRIP; k++) {
        let at = first + k * WORKGROUP;
        if TRAPPED && at < cells() * run.replicas {
            let cell = at / run.replicas;
            let words = words_of(run.step, cell / 4u, at % run.replicas, run.label);
            trap_states[at] = next_trap(trap_states[at], run.kept, uniform_of(words[cell % 4u]));
        }
    }
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
            var state = upload(run.first_at + cell);
            renew(at);
            if !is_stuck(cell) {
                state = wear(at, state, 0u);
            }
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
                state = wear(at, state, 0u);
            }
            renew(at);
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
            if DRIFTING {
                drift(at, cell);
                continue;
            }
            if AGEING {
                age(at);
            }
            if !RETENTIVE {
                continue;
            }
            let p = parameters_of(cell);
            var u = 0.5f;
            if run.fine != 0u || OWN_RETENTION {
                let words = words_of(run.step, cell / 4u, at % run.replicas, RELAXATION);
                u = uniform_of(words[cell % 4u]);
            }
            var rest = run.rest;
            var part = run.lost;
            if OWN_RETENTION {
                rest = retention_of(cell, 0u);
                part = lost(run.elapsed, retention_of(cell, 1u));
                u = rounding(part, u);
            }
            let before = states[at];
            let after = relaxed(p, before, rest, part, u);
            states[at] = after;
            if READ_OUT {
                var noise = 0.0f;
                if WRITE_NOISY {
                    noise = apparent[at] - read_at(cell, before);
                }
                apparent[at] = read_at(cell, after) + noise;
            } else if WRITE_NOISY {
                apparent[at] = relaxed(p, apparent[at], rest, part, u);
            }
        }
    }
}
