//! Sites, stacks and numbers that all contracts use.

use std::sync::Arc;

use memridge::backend::{Backend, Cpu, Place, Shape, StackVector};
use memridge::device::Cells;
use memridge::error::Result;
use memridge::number::{Coordinates, Purpose, Stream};
use pulp::Arch;

pub const SEED: u64 = 0x5eed_0123_4567_89ab;

/// Replicas are numbered from here, so that a backend that forgets the offset fails.
pub const FIRST: u32 = 1000;

/// Where a contract is checked.
#[derive(Clone)]
pub enum Site {
    /// The CPU, its updates made with other instructions than the best.
    Instructions(Arch),
    /// Where a study can be computed; the CPU with the best instructions that it has.
    Place(Place),
}

impl Site {
    /// A stack there whose replicas begin at `first`.
    pub fn stack(
        &self,
        shape: Shape,
        first: u32,
        stream: Stream,
        cells: Arc<Cells>,
        aggregate: bool,
    ) -> Result<Box<dyn Backend>> {
        match self {
            Self::Instructions(arch) => {
                let stack = Cpu::new(shape, first, stream, cells, aggregate);
                Ok(Box::new(stack.with_arch(*arch)))
            }
            Self::Place(place) => place.stack(shape, first, stream, cells, aggregate),
        }
    }
}

/// The CPU without vector instructions.
pub fn scalar() -> Site {
    Site::Instructions(Arch::Scalar)
}

/// The CPU with 256-bit vectors, where it has them and longer ones.
pub fn avx2() -> Site {
    #[cfg(target_arch = "x86_64")]
    if let Some(v3) = pulp::x86::V3::try_new() {
        return Site::Instructions(Arch::V3(v3));
    }
    cpu()
}

pub fn cpu() -> Site {
    Site::Place(Place::Cpu)
}

/// The graphics processor, a software driver if there is no other; never nothing.
#[cfg(feature = "gpu")]
pub fn gpu_place() -> Place {
    use memridge::backend::{Choice, Gpu};
    use std::sync::OnceLock;
    static GPU: OnceLock<std::result::Result<Arc<Gpu>, String>> = OnceLock::new();
    let opened = GPU.get_or_init(|| Gpu::open(&Choice::Any).map_err(|e| e.to_string()));
    match opened {
        Ok(gpu) => Place::Gpu(Arc::clone(gpu)),
        Err(message) => panic!("{message}"),
    }
}

#[cfg(feature = "gpu")]
pub fn gpu() -> Site {
    Site::Place(gpu_place())
}

pub fn shape(replicas: usize, rows: usize, columns: usize) -> Shape {
    Shape {
        replicas,
        rows,
        columns,
    }
}

pub fn stream() -> Stream {
    Stream::new(SEED)
}

pub fn stack(site: &Site, shape: Shape, cells: &Arc<Cells>, aggregate: bool) -> Box<dyn Backend> {
    site.stack(shape, FIRST, stream(), Arc::clone(cells), aggregate)
        .unwrap()
}

/// The coordinates of a cell's (or output's) random number.
pub fn at(step: u32, cell: usize, replica: usize, purpose: Purpose, index: u32) -> Coordinates {
    Coordinates {
        step,
        cell: cell as u32,
        replica: FIRST + replica as u32,
        purpose,
        index,
    }
}

/// Standard normal number in double precision from the same words as the backends': Box–Muller of the exact uniform numbers.
pub fn normal(step: u32, cell: usize, replica: usize, purpose: Purpose, index: u32) -> f64 {
    let uniform = |cell| f64::from(stream().uniform(at(step, cell, replica, purpose, index)));
    let pair = cell / 2 * 2;
    let (u0, u1) = (uniform(pair), uniform(pair + 1));
    let (sin, cos) = (std::f64::consts::TAU * u1).sin_cos();
    (-2.0 * u0.ln()).sqrt() * if cell.is_multiple_of(2) { cos } else { sin }
}

/// Element `i` of lane `l` is `f(i, l)`.
pub fn vector(len: usize, width: usize, f: impl Fn(usize, usize) -> f32) -> StackVector {
    let mut out = StackVector::zeros(len, width);
    for i in 0..len {
        for (lane, v) in out.lanes_mut(i).iter_mut().enumerate() {
            *v = f(i, lane);
        }
    }
    out
}

/// A number in [0, 1) that looks random: the fractional part of a multiple of the golden ratio.
pub fn scattered(k: usize) -> f64 {
    (k as f64 * 0.618_033_988_749_895).fract()
}

/// States of all cells.
pub fn states(stack: &mut dyn Backend) -> StackVector {
    let shape = stack.shape();
    let mut out = StackVector::zeros(shape.cells(), shape.replicas);
    stack.inspect(&mut out).unwrap();
    out
}

/// The largest distance of single-precision numbers from their oracle, in the oracle's unit.
#[derive(Debug, Clone, Copy, Default)]
pub struct Worst(pub f64);

impl Worst {
    pub fn see(&mut self, actual: f32, oracle: f64) {
        let distance = (f64::from(actual) - oracle).abs();
        // A NaN is infinitely wrong.
        self.0 = if distance <= self.0 {
            self.0
        } else if distance.is_nan() {
            f64::INFINITY
        } else {
            distance
        };
    }

    pub fn of(actual: &StackVector, oracle: impl Fn(usize, usize) -> f64) -> Self {
        let mut worst = Self::default();
        for i in 0..actual.len() {
            for (lane, &v) in actual.lanes(i).iter().enumerate() {
                worst.see(v, oracle(i, lane));
            }
        }
        worst
    }

    /// Asserts the tolerance of the contract: four times what scalar single precision loses; and that this loss itself is
    /// below `sane`, so that two wrong results cannot excuse each other.
    pub fn check(self, what: &str, scalar: Self, sane: f64) {
        println!("{what}: {:.2e}, scalar arithmetic {:.2e}", self.0, scalar.0);
        assert!(
            scalar.0 <= sane,
            "{what}: scalar arithmetic is off by {:e}",
            scalar.0
        );
        assert!(
            self.0 <= 4.0 * scalar.0,
            "{what}: off by {:e}, scalar by {:e}",
            self.0,
            scalar.0
        );
    }
}
