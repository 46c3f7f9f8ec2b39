//! What a stack sends to the device and gets back.
//!
//! Operations are collected with their vectors and go out together: when something is to be read back, or when enough came together.
//! Vectors travel in one buffer; the kernels find theirs by its place there.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use wgpu::{BufferUsages, PollType, SubmissionIndex};

use super::arguments::{Arguments, WORDS};
use super::kernels::Kernel;
use super::open::Gpu;
use crate::error::{Error, Result};

/// Most operations in one submission.
const MOST_TOGETHER: usize = 256;
/// Most submissions that the device may be behind: beyond, the host would fill its memory with what waits.
const MOST_BEHIND: usize = 4;
/// How long a result is asked for again and again before its wait sleeps.
const EAGER: Duration = Duration::from_millis(1);
/// Words from which on a vector is handed over at once, so that it is copied once less.
const LARGE: usize = 1 << 16;
/// Words of uploads that there is always room for.
const ROOM: usize = 1 << 20;

/// The buffers that kernels work on, in the order of their bindings after the arguments.
pub(super) struct Buffers {
    pub uploads: wgpu::Buffer,
    pub states: wgpu::Buffer,
    pub apparent: wgpu::Buffer,
    pub parameters: wgpu::Buffer,
    pub counter: wgpu::Buffer,
    pub outputs: wgpu::Buffer,
    pub traps: wgpu::Buffer,
    pub history: wgpu::Buffer,
}

/// What reads find in place of the history where wires resist.
struct Effective {
    positions: wgpu::Buffer,
    group: wgpu::BindGroup,
    used: bool,
}

/// One dispatch.
struct Operation {
    kernel: Kernel,
    /// Place of its arguments in the uploads, in bytes.
    arguments: u32,
    workgroups: [u32; 2],
    effective: bool,
}

/// The way to the device and back.
pub(super) struct Queue {
    gpu: Arc<Gpu>,
    source: String,
    pipelines: HashMap<Kernel, wgpu::ComputePipeline>,
    pub buffers: Buffers,
    group: wgpu::BindGroup,
    effective: Option<Effective>,
    download: wgpu::Buffer,
    /// Arguments and vectors that go out together, for the beginning of the buffer.
    uploads: Vec<u32>,
    /// Words of large vectors at the end of the buffer.
    sent: usize,
    operations: Vec<Operation>,
    behind: VecDeque<SubmissionIndex>,
}

impl Queue {
    /// An operation that there is no program for.
    pub fn unable(&self, what: &str) -> Error {
        let problem = format!("it cannot {what}");
        self.gpu.error(problem, "compute on the CPU")
    }

    /// Buffers for `elements` states with so many `planes` of history, `parameters` of the cells, and the kernels of `source`; whether
    /// reads see what is not the state, and whether cells have traps.
    pub(super) fn new(
        gpu: Arc<Gpu>,
        source: String,
        elements: u64,
        [reads_are_apart, trapped]: [bool; 2],
        planes: usize,
        parameters: &[f32],
    ) -> Result<Self> {
        let storage = BufferUsages::STORAGE | BufferUsages::COPY_SRC | BufferUsages::COPY_DST;
        let buffers = Buffers {
            uploads: uploads(&gpu, ROOM)?,
            states: gpu.buffer("the states", elements, storage)?,
            apparent: gpu.buffer(
                "the states as reads see them",
                if reads_are_apart { elements } else { 1 },
                storage,
            )?,
            parameters: gpu.buffer("the cells' parameters", parameters.len() as u64, storage)?,
            counter: gpu.buffer("the pulse counter", 2, storage)?,
            outputs: gpu.buffer("the currents", 1, storage)?,
            traps: gpu.buffer(
                "the cells' traps",
                if trapped { elements } else { 1 },
                storage,
            )?,
            history: gpu.buffer(
                "the history of the states",
                elements.saturating_mul(planes as u64),
                storage,
            )?,
        };
        if !parameters.is_empty() {
            let bytes = bytemuck::cast_slice(parameters);
            gpu.queue.write_buffer(&buffers.parameters, 0, bytes);
        }
        let group = bind(&gpu, &buffers, &buffers.history);
        let download = download(&gpu, 1)?;
        gpu.check()?;
        Ok(Self {
            gpu,
            source,
            pipelines: HashMap::new(),
            buffers,
            group,
            effective: None,
            download,
            uploads: Vec::new(),
            sent: 0,
            operations: Vec::new(),
            behind: VecDeque::new(),
        })
    }

    /// Makes the buffer of outputs at least `words` long.
    pub(super) fn make_room_for_outputs(&mut self, words: u64) -> Result<()> {
        if self.buffers.outputs.size() < 4 * words {
            let usage = self.buffers.outputs.usage();
            self.buffers.outputs = self.gpu.buffer("the currents", words, usage)?;
            self.bind_anew();
        }
        Ok(())
    }

    /// After a buffer was replaced.
    fn bind_anew(&mut self) {
        self.group = bind(&self.gpu, &self.buffers, &self.buffers.history);
        if let Some(effective) = &mut self.effective {
            effective.group = bind(&self.gpu, &self.buffers, &effective.positions);
        }
    }

    /// Gives reads these positions from now on, or none. What was collected before is no read: results of these are waited for.
    pub(super) fn read_as(&mut self, positions: Option<&[f32]>) -> Result<()> {
        let Some(values) = positions else {
            self.effective.iter_mut().for_each(|e| e.used = false);
            return Ok(());
        };
        let effective = match &mut self.effective {
            Some(effective) => effective,
            none => {
                let positions = self.gpu.buffer(
                    "the effective conductances",
                    values.len() as u64,
                    BufferUsages::STORAGE | BufferUsages::COPY_DST,
                )?;
                let group = bind(&self.gpu, &self.buffers, &positions);
                none.insert(Effective {
                    positions,
                    group,
                    used: true,
                })
            }
        };
        effective.used = true;
        let bytes = bytemuck::cast_slice(values);
        self.gpu.queue.write_buffer(&effective.positions, 0, bytes);
        self.gpu.check()
    }

    /// Whether reads have positions of their own.
    pub(super) fn is_effective(&self) -> bool {
        self.effective.as_ref().is_some_and(|e| e.used)
    }

    /// Adds an operation of `workgroups` workgroups. Its `vectors` are copied; their places go into the arguments.
    pub(super) fn add(
        &mut self,
        kernel: Kernel,
        mut arguments: Arguments,
        vectors: &[&[u32]],
        workgroups: u64,
    ) -> Result<()> {
        if workgroups == 0 {
            return Ok(());
        }
        if !self.pipelines.contains_key(&kernel) {
            let pipeline = self.gpu.pipeline(&self.source, kernel)?;
            self.pipelines.insert(kernel, pipeline);
        }
        let alignment = self.gpu.limits().min_uniform_buffer_offset_alignment as usize / 4;
        let alignment = alignment.max(1);
        let need = alignment + WORDS + vectors.iter().map(|v| v.len()).sum::<usize>();
        if self.uploads.len() + need + self.sent > self.room() {
            self.flush()?;
            if need > self.room() {
                self.buffers.uploads = uploads(&self.gpu, need.next_power_of_two())
                    .or_else(|_| uploads(&self.gpu, need))?;
                self.bind_anew();
            }
        }
        let start = self.uploads.len().next_multiple_of(alignment);
        self.uploads.resize(start + WORDS, 0);
        for (place, vector) in arguments.vectors.iter_mut().zip(vectors) {
            if vector.len() < LARGE {
                *place = self.uploads.len() as u32;
                self.uploads.extend_from_slice(vector);
            } else {
                self.sent += vector.len();
                let start = self.room() - self.sent;
                *place = start as u32;
                let bytes = bytemuck::cast_slice(vector);
                let queue = &self.gpu.queue;
                queue.write_buffer(&self.buffers.uploads, 4 * start as u64, bytes);
            }
        }
        self.uploads[start..start + WORDS].copy_from_slice(&arguments.words());
        self.operations.push(Operation {
            kernel,
            arguments: 4 * start as u32,
            workgroups: self.grid(workgroups),
            effective: arguments.effective != 0,
        });
        if self.operations.len() >= MOST_TOGETHER {
            self.flush()?;
        }
        Ok(())
    }

    /// Words of the upload buffer.
    fn room(&self) -> usize {
        (self.buffers.uploads.size() / 4) as usize
    }

    /// Two dimensions for a number of workgroups that may be too large for one.
    fn grid(&self, workgroups: u64) -> [u32; 2] {
        let most = u64::from(
            self.gpu
                .limits()
                .max_compute_workgroups_per_dimension
                .max(1),
        );
        let rows = workgroups.div_ceil(most);
        [workgroups.div_ceil(rows) as u32, rows as u32]
    }

    /// Sends what was collected, without waiting for it.
    pub(super) fn flush(&mut self) -> Result<()> {
        self.submit(|_| ())?;
        while self.behind.len() > MOST_BEHIND {
            if let Some(oldest) = self.behind.pop_front() {
                self.gpu.wait(&oldest)?;
            }
        }
        self.gpu.poll(PollType::Poll)
    }

    /// Sends what was collected and then `more`.
    fn submit(&mut self, more: impl FnOnce(&mut wgpu::CommandEncoder)) -> Result<()> {
        self.gpu.check()?;
        if !self.uploads.is_empty() {
            let bytes = bytemuck::cast_slice(&self.uploads);
            self.gpu.queue.write_buffer(&self.buffers.uploads, 0, bytes);
        }
        let mut encoder = self.gpu.device.create_command_encoder(&Default::default());
        if !self.operations.is_empty() {
            let mut pass = encoder.begin_compute_pass(&Default::default());
            for operation in &self.operations {
                let Some(pipeline) = self.pipelines.get(&operation.kernel) else {
                    continue;
                };
                pass.set_pipeline(pipeline);
                let effective = self.effective.as_ref().filter(|_| operation.effective);
                let group = effective.map_or(&self.group, |e| &e.group);
                pass.set_bind_group(0, group, &[operation.arguments]);
                let [x, y] = operation.workgroups;
                pass.dispatch_workgroups(x, y, 1);
            }
        }
        more(&mut encoder);
        self.uploads.clear();
        self.sent = 0;
        self.operations.clear();
        self.behind
            .push_back(self.gpu.queue.submit([encoder.finish()]));
        self.gpu.check()
    }

    /// Sends what was collected and reads `out` back from the beginning of one of the buffers.
    pub(super) fn read<T: bytemuck::Pod>(
        &mut self,
        from: impl Fn(&Buffers) -> wgpu::Buffer,
        out: &mut [T],
    ) -> Result<()> {
        let out: &mut [u8] = bytemuck::cast_slice_mut(out);
        if out.is_empty() {
            return self.flush();
        }
        let size = out.len() as u64;
        if self.download.size() < size {
            self.download = download(&self.gpu, size.div_ceil(4))?;
        }
        let source = from(&self.buffers);
        let target = self.download.clone();
        self.submit(|encoder| encoder.copy_buffer_to_buffer(&source, 0, &target, 0, size))?;
        let slice = target.slice(..size);
        let (sender, receiver) = channel();
        slice.map_async(wgpu::MapMode::Read, move |result| {
            // Nobody listens any more where the wait has failed.
            let _ = sender.send(result);
        });
        let newest = self.behind.pop_back();
        self.behind.clear();
        let failed = |detail: &str| {
            let problem = format!("does not give its results: {detail}");
            self.gpu.error(problem, "start again, or use the CPU")
        };
        // The answer of a small operation is there before a sleeping thread would wake: it is asked for again and again at first.
        // A software driver needs the processor itself.
        let eager = if self.gpu.summary().is_hardware() {
            EAGER.min(self.gpu.patience())
        } else {
            Duration::ZERO
        };
        let asked = Instant::now();
        let mut mapped = None;
        while asked.elapsed() < eager {
            self.gpu.poll(PollType::Poll)?;
            mapped = receiver.try_recv().ok();
            if mapped.is_some() {
                break;
            }
            std::hint::spin_loop();
        }
        if let (None, Some(newest)) = (&mapped, newest) {
            self.gpu.wait(&newest)?;
        }
        // Another thread's poll may have noticed the end of the copy, and tells it in its own time.
        match mapped.map_or_else(|| receiver.recv_timeout(self.gpu.patience()), Ok) {
            Ok(Ok(())) => {
                let view = slice
                    .get_mapped_range()
                    .map_err(|e| failed(&e.to_string()))?;
                out.copy_from_slice(&view);
                drop(view);
                target.unmap();
                Ok(())
            }
            Ok(Err(e)) => Err(failed(&e.to_string())),
            Err(_) => Err(failed("the buffer was not mapped")),
        }
    }
}

fn uploads(gpu: &Gpu, words: usize) -> Result<wgpu::Buffer> {
    let usage = BufferUsages::STORAGE | BufferUsages::UNIFORM | BufferUsages::COPY_DST;
    gpu.buffer("the vectors of an operation", words as u64, usage)
}

fn download(gpu: &Gpu, words: u64) -> Result<wgpu::Buffer> {
    let usage = BufferUsages::MAP_READ | BufferUsages::COPY_DST;
    gpu.buffer("results", words, usage)
}

/// `last` is the history, or what a read finds in its place.
fn bind(gpu: &Gpu, buffers: &Buffers, last: &wgpu::Buffer) -> wgpu::BindGroup {
    let arguments = wgpu::BufferBinding {
        buffer: &buffers.uploads,
        offset: 0,
        size: std::num::NonZeroU64::new(4 * WORDS as u64),
    };
    let whole = [
        &buffers.uploads,
        &buffers.states,
        &buffers.apparent,
        &buffers.parameters,
        &buffers.counter,
        &buffers.outputs,
        &buffers.traps,
        last,
    ];
    let mut entries = vec![wgpu::BindGroupEntry {
        binding: 0,
        resource: wgpu::BindingResource::Buffer(arguments),
    }];
    entries.extend(
        (1..)
            .zip(whole)
            .map(|(binding, buffer)| wgpu::BindGroupEntry {
                binding,
                resource: buffer.as_entire_binding(),
            }),
    );
    gpu.device.create_bind_group(&wgpu::BindGroupDescriptor {
        label: Some("memridge"),
        layout: &gpu.layout,
        entries: &entries,
    })
}
