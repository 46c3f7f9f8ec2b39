//! Graphics processors: finding one, opening it, and what goes wrong with it.

use std::collections::HashMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use wgpu::{Adapter, DeviceType, PollError, PollType, SubmissionIndex};

use super::kernels::Kernel;
use crate::error::{Error, Result};

/// How long the host waits for the device before it gives up.
const PATIENCE: Duration = Duration::from_secs(60);

/// What to install where there is no adapter at all.
pub const INSTALL: &str = "install the vendor's Vulkan driver, or a software one (Debian: apt-get install mesa-vulkan-drivers libvulkan1)";

/// Which graphics processor to open.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Choice {
    /// The fastest kind there is; a software driver if there is nothing else.
    #[default]
    Any,
    /// The fastest kind of hardware there is.
    Hardware,
    /// The first whose name contains this text, whatever its case.
    Named(String),
}

/// A graphics processor that could be opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdapterSummary {
    /// Name of the processor.
    pub name: String,
    /// Kind of processor, for example `discrete` or `software`.
    pub kind: &'static str,
    /// The interface it is reached by, for example `Vulkan`.
    pub interface: String,
    /// Name and version of the driver.
    pub driver: String,
    /// Largest buffer that one binding may have, in bytes: the limit of a stack's states.
    pub largest_binding: u64,
    /// Largest buffer in bytes.
    pub largest_buffer: u64,
    /// Most workgroups in one dimension of a dispatch.
    pub most_workgroups: u32,
}

impl AdapterSummary {
    fn of(adapter: &Adapter) -> Self {
        let (info, limits) = (adapter.get_info(), adapter.limits());
        Self {
            name: info.name,
            kind: match info.device_type {
                DeviceType::DiscreteGpu => "discrete",
                DeviceType::IntegratedGpu => "integrated",
                DeviceType::VirtualGpu => "virtual",
                DeviceType::Cpu => "software",
                DeviceType::Other => "other",
            },
            interface: info.backend.to_string(),
            driver: [info.driver, info.driver_info].join(" ").trim().to_owned(),
            largest_binding: limits.max_storage_buffer_binding_size,
            largest_buffer: limits.max_buffer_size,
            most_workgroups: limits.max_compute_workgroups_per_dimension,
        }
    }

    /// Whether this is a processor and not a program that plays one.
    pub fn is_hardware(&self) -> bool {
        self.kind != "software"
    }
}

/// Place in the order of preference, the smallest first.
fn rank(adapter: &Adapter) -> usize {
    match adapter.get_info().device_type {
        DeviceType::DiscreteGpu => 0,
        DeviceType::IntegratedGpu => 1,
        DeviceType::VirtualGpu => 2,
        DeviceType::Other => 3,
        DeviceType::Cpu => 4,
    }
}

/// All adapters in the order of preference.
fn found() -> Vec<Adapter> {
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
    descriptor.backends = wgpu::Backends::PRIMARY;
    // Validation layers are for those who develop shaders.
    descriptor.flags = wgpu::InstanceFlags::empty();
    let instance = wgpu::Instance::new(descriptor);
    let mut adapters = pollster::block_on(instance.enumerate_adapters(wgpu::Backends::PRIMARY));
    adapters.sort_by_key(rank);
    adapters
}

/// An opened graphics processor; stacks share it.
pub struct Gpu {
    pub(super) device: wgpu::Device,
    pub(super) queue: wgpu::Queue,
    pub(super) layout: wgpu::BindGroupLayout,
    summary: AdapterSummary,
    limits: wgpu::Limits,
    patience: Duration,
    trouble: Arc<Mutex<Trouble>>,
    silent: AtomicBool,
    modules: Mutex<HashMap<String, Module>>,
}

/// A compiled shader and those of its kernels that were needed so far.
struct Module {
    module: wgpu::ShaderModule,
    pipelines: HashMap<Kernel, wgpu::ComputePipeline>,
}

/// What the device reported by itself since it was last asked.
#[derive(Default)]
struct Trouble {
    error: Option<wgpu::Error>,
    lost: Option<String>,
}

/// The content of a lock, also after a panic elsewhere: all our locks hold whole values at any time.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Gpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Gpu").field(&self.summary).finish()
    }
}

impl Gpu {
    /// What could be opened, the most preferred first.
    pub fn adapters() -> Vec<AdapterSummary> {
        found().iter().map(AdapterSummary::of).collect()
    }

    /// Opens a graphics processor.
    ///
    /// # Errors
    /// Where there is none of that choice, or its driver refuses.
    pub fn open(choice: &Choice) -> Result<Arc<Self>> {
        Self::open_with_patience(choice, PATIENCE)
    }

    /// Opens a graphics processor whose silence is an error after `patience`.
    ///
    /// # Errors
    /// As [`Gpu::open`].
    pub fn open_with_patience(choice: &Choice, patience: Duration) -> Result<Arc<Self>> {
        let adapters = found();
        let names = || {
            let names: Vec<_> = adapters.iter().map(|a| a.get_info().name).collect();
            names.join(", ")
        };
        let fits = |adapter: &&Adapter| match choice {
            Choice::Any => true,
            Choice::Hardware => AdapterSummary::of(adapter).is_hardware(),
            Choice::Named(part) => {
                let name = adapter.get_info().name.to_lowercase();
                name.contains(&part.to_lowercase())
            }
        };
        let Some(adapter) = adapters.iter().find(fits) else {
            let asked = match choice {
                _ if adapters.is_empty() => "was found".to_owned(),
                Choice::Any | Choice::Hardware => format!("but software ones: {}", names()),
                Choice::Named(part) => format!("is called \"{part}\""),
            };
            let way_out = if adapters.is_empty() {
                format!("{INSTALL}, or use the CPU")
            } else {
                format!("there is {}; or use the CPU", names())
            };
            return Err(Error::NoAdapter { asked, way_out });
        };
        Self::open_adapter(adapter, patience).map(Arc::new)
    }

    fn open_adapter(adapter: &Adapter, patience: Duration) -> Result<Self> {
        let summary = AdapterSummary::of(adapter);
        // All that the adapter has: the default limits are those of small machines.
        let limits = adapter.limits();
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("memridge"),
            required_limits: limits.clone(),
            ..Default::default()
        };
        let opened = pollster::block_on(adapter.request_device(&descriptor));
        let (device, queue) = opened.map_err(|e| Error::Graphics {
            adapter: summary.name.clone(),
            problem: format!("cannot be opened: {e}"),
            way_out: "close other programs that use it, update its driver, or use the CPU".into(),
        })?;
        let trouble = Arc::new(Mutex::new(Trouble::default()));
        let seen = Arc::clone(&trouble);
        device.on_uncaptured_error(Arc::new(move |error| {
            locked(&seen).error.get_or_insert(error);
        }));
        let seen = Arc::clone(&trouble);
        device.set_device_lost_callback(move |reason, message| {
            let why = format!("{message} ({reason:?})");
            locked(&seen).lost.get_or_insert(why);
        });
        Ok(Self {
            layout: layout(&device),
            device,
            queue,
            summary,
            limits,
            patience,
            trouble,
            silent: AtomicBool::new(false),
            modules: Mutex::default(),
        })
    }

    /// What was opened.
    pub fn summary(&self) -> &AdapterSummary {
        &self.summary
    }

    pub(super) fn limits(&self) -> &wgpu::Limits {
        &self.limits
    }

    pub(super) fn patience(&self) -> Duration {
        self.patience
    }

    pub(super) fn error(&self, problem: String, way_out: &str) -> Error {
        Error::Graphics {
            adapter: self.summary.name.clone(),
            problem,
            way_out: way_out.into(),
        }
    }

    /// What the device reported by itself, as an error.
    pub(super) fn check(&self) -> Result<()> {
        if self.silent.load(Ordering::Relaxed) {
            return Err(self.silence());
        }
        let mut trouble = locked(&self.trouble);
        if let Some(why) = &trouble.lost {
            let problem = format!("was lost: {}", why.trim());
            return Err(self.error(problem, "start again, with shorter runs or on the CPU"));
        }
        match trouble.error.take() {
            None => Ok(()),
            Some(error) => Err(self.refusal(&error, "an operation")),
        }
    }

    fn refusal(&self, error: &wgpu::Error, what: &str) -> Error {
        match error {
            wgpu::Error::OutOfMemory { .. } => self.error(
                format!("has no memory left for {what}"),
                "use fewer replicas at once or smaller arrays, or the CPU",
            ),
            other => self.error(
                format!("refused {what}: {other}"),
                "use the CPU, and please report this message",
            ),
        }
    }

    /// Runs `make`, and returns the first error that it caused.
    fn guarded<T>(&self, what: &str, make: impl FnOnce() -> T) -> Result<T> {
        let filters = [
            wgpu::ErrorFilter::Validation,
            wgpu::ErrorFilter::OutOfMemory,
            wgpu::ErrorFilter::Internal,
        ];
        let mut scopes = filters.map(|f| Some(self.device.push_error_scope(f)));
        let made = make();
        let mut error = None;
        // Innermost first.
        for scope in scopes.iter_mut().rev().filter_map(Option::take) {
            error = error.or(pollster::block_on(scope.pop()));
        }
        self.check()?;
        match error {
            None => Ok(made),
            Some(error) => Err(self.refusal(&error, what)),
        }
    }

    /// A buffer of `words` 32-bit numbers, all zero.
    pub(super) fn buffer(
        &self,
        what: &str,
        words: u64,
        usage: wgpu::BufferUsages,
    ) -> Result<wgpu::Buffer> {
        // Buffers and bindings are never empty.
        let size = words.max(1).saturating_mul(4);
        let binding = self.limits.max_storage_buffer_binding_size;
        let (name, most) = if usage.contains(wgpu::BufferUsages::STORAGE)
            && binding < self.limits.max_buffer_size
        {
            ("max_storage_buffer_binding_size", binding)
        } else {
            ("max_buffer_size", self.limits.max_buffer_size)
        };
        // Kernels count in 32 bits, rounded up to whole workgroups.
        let countable = u64::from(u32::MAX) - (1 << 20);
        if size > most || words > countable {
            return Err(self.error(
                format!(
                    "{what} need {size} bytes in one buffer, more than its limit {name} = {most}"
                ),
                "use fewer replicas at once or smaller arrays, or the CPU",
            ));
        }
        self.guarded(what, || {
            self.device.create_buffer(&wgpu::BufferDescriptor {
                label: Some(what),
                size,
                usage,
                mapped_at_creation: false,
            })
        })
    }

    /// A kernel of the module with this source, compiled once for all stacks.
    pub(super) fn pipeline(&self, source: &str, kernel: Kernel) -> Result<wgpu::ComputePipeline> {
        let mut modules = locked(&self.modules);
        if !modules.contains_key(source) {
            let module = self.guarded("a shader", || {
                self.device
                    .create_shader_module(wgpu::ShaderModuleDescriptor {
                        label: Some("memridge"),
                        source: wgpu::ShaderSource::Wgsl(source.into()),
                    })
            })?;
            let pipelines = HashMap::new();
            modules.insert(source.to_owned(), Module { module, pipelines });
        }
        let Some(Module { module, pipelines }) = modules.get_mut(source) else {
            return Err(self.error("lost a shader".into(), "please report this message"));
        };
        if let Some(pipeline) = pipelines.get(&kernel) {
            return Ok(pipeline.clone());
        }
        let pipeline = self.guarded("a kernel", || {
            let layout = self
                .device
                .create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
                    label: None,
                    bind_group_layouts: &[Some(&self.layout)],
                    immediate_size: 0,
                });
            self.device
                .create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                    label: Some(kernel.entry_point()),
                    layout: Some(&layout),
                    module,
                    entry_point: Some(kernel.entry_point()),
                    compilation_options: wgpu::PipelineCompilationOptions::default(),
                    cache: None,
                })
        })?;
        pipelines.insert(kernel, pipeline.clone());
        Ok(pipeline)
    }

    /// Waits until the device has done a submission, for as long as its patience lasts.
    pub(super) fn wait(&self, submission: &SubmissionIndex) -> Result<()> {
        self.poll(PollType::Wait {
            submission_index: Some(submission.clone()),
            timeout: Some(self.patience),
        })
    }

    /// Takes notice of what the device has done.
    pub(super) fn poll(&self, kind: PollType) -> Result<()> {
        self.check()?;
        // The interface panics where the driver reports a loss during a wait: that is an error of ours, too.
        let polled = catch_unwind(AssertUnwindSafe(|| self.device.poll(kind)));
        self.check()?;
        match polled {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(PollError::Timeout)) => {
                self.silent.store(true, Ordering::Relaxed);
                Err(self.silence())
            }
            Ok(Err(e)) => Err(self.error(
                format!("cannot be waited for: {e}"),
                "start again, or use the CPU",
            )),
            Err(_) => Err(self.error(
                "was lost during a wait".into(),
                "start again, with shorter runs or on the CPU",
            )),
        }
    }

    fn silence(&self) -> Error {
        self.error(
            format!("did not answer within {:?}", self.patience),
            "start again with smaller arrays or fewer replicas, or use the CPU",
        )
    }
}

impl Drop for Gpu {
    fn drop(&mut self) {
        if *self.silent.get_mut() {
            // Closing the queue would wait for what does not answer, without end.
            std::mem::forget(self.queue.clone());
            std::mem::forget(self.device.clone());
        }
    }
}

/// The bindings of every kernel, in the order of `stack.wgsl`.
fn layout(device: &wgpu::Device) -> wgpu::BindGroupLayout {
    use wgpu::BufferBindingType::{Storage, Uniform};
    let storage = |read_only| Storage { read_only };
    let kinds = [
        Uniform,
        storage(true),
        storage(false),
        storage(false),
        storage(true),
        storage(false),
        storage(false),
        storage(false),
        storage(false),
    ];
    let entries: Vec<_> = (0..)
        .zip(kinds)
        .map(|(binding, ty)| wgpu::BindGroupLayoutEntry {
            binding,
            visibility: wgpu::ShaderStages::COMPUTE,
            ty: wgpu::BindingType::Buffer {
                ty,
                has_dynamic_offset: ty == Uniform,
                min_binding_size: None,
            },
            count: None,
        })
        .collect();
    device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
        label: Some("memridge"),
        entries: &entries,
    })
}
