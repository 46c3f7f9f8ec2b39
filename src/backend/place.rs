//! Where stacks of crossbars are computed.

use std::fmt;
use std::sync::Arc;

use super::{Backend, Cpu, Shape};
#[cfg(feature = "gpu")]
use super::{Choice, Gpu, GpuStack};
use crate::device::Cells;
#[cfg(not(feature = "gpu"))]
use crate::error::Error;
use crate::error::Result;
use crate::number::Stream;

/// Most replicas in one stack on the CPU: measured, 300 replicas in one stack run 10 to 20 % faster than in three (fewer calls a
/// cell), and their buffers still fit the first-level cache.
const STACK: usize = 320;

/// Cells from which on an array is large: with 650, ten replicas take as long alone as together, with 8000, 7 % less.
const LARGE: usize = 1 << 10;

/// Most replicas in one stack on a graphics processor: enough to keep one busy with arrays of a few cells, and few enough for
/// arrays of a million cells to fit.
#[cfg(feature = "gpu")]
const GPU_STACK: usize = 4096;

/// States that a thread of the CPU updates while a graphics processor gives one answer, however small: 0.1 to 0.2 ms (an H100 by
/// `experiments/gpu.md`), 5 to 10 ns a state. A step of training waits for its reads.
const WORTH_A_WAIT: usize = 20_000;

/// Where stacks of crossbars are computed: chosen once, by whoever plans a run, and handed down.
#[derive(Clone, Debug, Default)]
pub enum Place {
    /// This machine's processor.
    #[default]
    Cpu,
    /// A graphics processor.
    #[cfg(feature = "gpu")]
    Gpu(Arc<Gpu>),
}

impl Place {
    /// The first graphics processor whose name contains `name`, or the fastest kind there is; a software driver if there is nothing
    /// else.
    ///
    /// # Errors
    /// Where there is none, it cannot be opened, or memridge was built without its GPU backend.
    #[cfg(feature = "gpu")]
    pub fn gpu(name: Option<&str>) -> Result<Self> {
        let choice = name.map_or(Choice::Any, |name| Choice::Named(name.into()));
        Ok(Self::Gpu(Gpu::open(&choice)?))
    }

    /// No graphics processor: memridge was built without its GPU backend.
    ///
    /// # Errors
    /// Always.
    #[cfg(not(feature = "gpu"))]
    pub fn gpu(_name: Option<&str>) -> Result<Self> {
        Err(Error::NoAdapter {
            asked: "can be used by a memridge built without its GPU backend".into(),
            way_out: "build it with the feature gpu, or use the CPU".into(),
        })
    }

    /// The fastest hardware graphics processor where steps update `states` states, enough for it; else the CPU and why. A software
    /// driver would be slower than the CPU backend.
    pub fn auto(states: usize) -> (Self, Option<String>) {
        let threads = rayon::current_num_threads();
        let enough = WORTH_A_WAIT * threads;
        if states < enough {
            let why = format!(
                "it is faster for fewer than {enough} cells × replicas on {threads} threads, and this is {states}"
            );
            return (Self::Cpu, Some(why));
        }
        Self::hardware().map_or_else(
            |error| (Self::Cpu, Some(error.to_string())),
            |place| (place, None),
        )
    }

    #[cfg(feature = "gpu")]
    fn hardware() -> Result<Self> {
        Gpu::open(&Choice::Hardware).map(Self::Gpu)
    }

    #[cfg(not(feature = "gpu"))]
    fn hardware() -> Result<Self> {
        Self::gpu(None)
    }

    /// A stack of crossbars there; the arguments are those of [`Cpu::new`].
    ///
    /// # Errors
    /// Where the stack does not fit.
    pub fn stack(
        &self,
        shape: Shape,
        first_replica: u32,
        stream: Stream,
        cells: Arc<Cells>,
        aggregate: bool,
    ) -> Result<Box<dyn Backend>> {
        Ok(match self {
            Self::Cpu => Box::new(Cpu::new(shape, first_replica, stream, cells, aggregate)),
            #[cfg(feature = "gpu")]
            Self::Gpu(gpu) => Box::new(GpuStack::new(
                Arc::clone(gpu),
                shape,
                first_replica,
                stream,
                cells,
                aggregate,
            )?),
        })
    }

    /// Most of so many replicas of arrays with so many cells that are worth one stack. Where they are too few for loops along them, large arrays
    /// are better alone: their cells lie together, and threads share them.
    pub fn together(&self, replicas: usize, cells: usize) -> usize {
        match self {
            Self::Cpu if cells >= LARGE && !super::cpu::is_wide(replicas, cells) => 1,
            _ => self.replicas_at_once(),
        }
    }

    /// Most replicas that are worth one stack.
    pub fn replicas_at_once(&self) -> usize {
        match self {
            Self::Cpu => STACK,
            #[cfg(feature = "gpu")]
            Self::Gpu(_) => GPU_STACK,
        }
    }
}

/// `cpu`, or `gpu` and the name of the processor.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            #[cfg(feature = "gpu")]
            Self::Gpu(gpu) => write!(f, "gpu ({})", gpu.summary().name),
        }
    }
}
