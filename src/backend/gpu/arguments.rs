//! The arguments of one operation, as the kernels read them.

/// Words of [`Arguments`], a whole number of vectors of four.
pub(super) const WORDS: usize = 32;

/// `Arguments` of `stack.wgsl`, in its order.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Arguments {
    pub key: [u32; 2],
    pub step: u32,
    pub first_replica: u32,
    pub replicas: u32,
    pub rows: u32,
    pub columns: u32,
    pub request: u32,
    pub counting: u32,
    /// Where in the uploads the vectors of the operation begin, in words.
    pub vectors: [u32; 4],
    pub lanes: u32,
    pub inputs: u32,
    pub outputs: u32,
    pub input_stride: u32,
    pub output_stride: u32,
    pub parts: u32,
    pub label: u32,
    pub deviation: f32,
    pub g_min: f32,
    pub span: f32,
    pub rest: f32,
    pub lost: f32,
    pub longest: u32,
    pub fine: u32,
    pub growth: f32,
    pub kept: f32,
    /// Seconds that pass.
    pub elapsed: f32,
    /// Whether a read has the effective positions in place of the history.
    pub effective: u32,
}

impl Arguments {
    pub(super) fn words(&self) -> [u32; WORDS] {
        let [first, second, third, fourth] = self.vectors;
        [
            0, // hides numbers from the compiler
            self.key[0],
            self.key[1],
            self.step,
            self.first_replica,
            self.replicas,
            self.rows,
            self.columns,
            self.request,
            self.counting,
            first,
            second,
            third,
            fourth,
            self.lanes,
            self.inputs,
            self.outputs,
            self.input_stride,
            self.output_stride,
            self.parts,
            self.label,
            self.deviation.to_bits(),
            self.g_min.to_bits(),
            self.span.to_bits(),
            self.rest.to_bits(),
            self.lost.to_bits(),
            self.longest,
            self.fine,
            self.growth.to_bits(),
            self.kept.to_bits(),
            self.elapsed.to_bits(),
            self.effective,
        ]
    }
}
