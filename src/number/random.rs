//! Randomness as a pure function of coordinates.
//!
//! Nothing here has a state. A [`Stream`] is a key; a random word is the value of a cipher at a point:
//!
//! ```text
//! key     = seed (64 bits)
//! counter = [step, block, replica, purpose · 2²⁴ + index],   block = cell / 4
//! word    = cell mod 4
//! ```
//!
//! A cell is counted flat, `row · columns + column`, so that narrow arrays use all four words too. Every
//! machine computes the same words, whatever the order, the chunks or the number of threads; the derived
//! [`uniform`](Stream::uniform) and [`normal`](Stream::normal) numbers are single precision, built from
//! correctly rounded operations only, and therefore the same on every processor.
//!
//! The coordinates are part of the promise on results: to change them is value-breaking.

use pulp::{Arch, Simd, WithSimd};

use super::elementary::{self, Single};
use super::philox::{RoundKeys, philox4x32_10};

/// How many blocks are drawn at a time.
pub(super) const BATCH: usize = 128;

/// How many are where there are no more: small buffers cost less to make.
const FEW: usize = 32;

/// The four words of some blocks, or what became of them: one row for each place in a block.
type Batch<T, const N: usize = BATCH> = [[T; N]; 4];

/// What a random number is for. Numbers for different purposes are independent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Purpose {
    /// Cycle-to-cycle noise of the step that a pulse makes. Index: the pulse, or the train of pulses that are drawn at once.
    CycleNoise = 1,
    /// Rounding of an expected number of pulses to an integer.
    CountRounding = 2,
    /// The bits of the stochastic pulse trains on the rows: of row r, binary digit d of the uniform numbers that its bits are made of
    /// is that of cell `4 r + d mod 4`. Index: `⌊d/4⌋`.
    RowTrain = 3,
    /// The bits of the stochastic pulse trains on the columns, likewise.
    ColumnTrain = 4,
    /// Noise of a read-out. Index: the read within the step.
    ReadNoise = 5,
    /// Noise of a write. Index: the attempt.
    WriteNoise = 6,
    /// Which training sample a step takes. Index: the place in the batch.
    Sample = 7,
    /// Input vectors. Index: the sample.
    Input = 8,
    /// Noise that is added to a gradient. Index: the sample.
    GradientNoise = 9,
    /// Noise of the labels. Index: the sample.
    Label = 10,
    /// The teacher and other constants of a problem.
    Problem = 11,
    /// Rounding of a relaxed state to a number of single precision.
    Relaxation = 12,
    /// Deviation of a programmed conductance from its target.
    Programming = 13,
    /// State of a cell's trap. Index: 0 for the first, 1 for what follows while time passes.
    Telegraph = 14,
    /// Where a reset leaves a cell.
    Reset = 15,
    /// Drift of a conductance: the luck of a cell at step 0 where it has one exponent for ever, else a step of its walk.
    Drift = 16,
    /// Stochastic rounding of an input by its converter. Index: the read, as that of [`Purpose::ReadNoise`].
    InputRounding = 17,
    /// Stochastic rounding of an output by its converter. Index: as that of [`Purpose::ReadNoise`].
    OutputRounding = 18,
    /// What a converter misses of its nominal self, at step 0 and replica 0. Index: which of its numbers.
    ConverterMismatch = 19,
    /// Noise of a read that verifies what was written, at the round as step.
    Verify = 20,
    /// Cycle-to-cycle noise of pulses that disturb cells which are not selected. Index: the disturbance of the step · 2²⁰ + that of
    /// [`Purpose::CycleNoise`].
    Disturbance = 22,
    /// The key of another array ([`Stream::part`]), at its number as the step.
    Part = 24,
}

impl Purpose {
    /// The last word of the counter.
    ///
    /// # Panics
    ///
    /// If the index has more than 24 bits.
    #[inline(always)]
    pub(super) fn label(self, index: u32) -> u32 {
        assert!(
            index < 1 << 24,
            "the index of a random number has 24 bits, but is {index}"
        );
        (self as u32) << 24 | index
    }
}

/// The point at which a [`Stream`] is evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Coordinates {
    /// The step of a training or programming run.
    pub step: u32,
    /// The cell, `row · columns + column`.
    pub cell: u32,
    /// The replica, or whichever array of a stack.
    pub replica: u32,
    /// What the number is for.
    pub purpose: Purpose,
    /// Pulse, bit plane, sample …, as [`Purpose`] says. At most 24 bits.
    pub index: u32,
}

/// A source of random numbers without a state: the seed, as a key of Philox4x32-10.
///
/// ```
/// use memridge::number::{Coordinates, Purpose, Stream};
///
/// let stream = Stream::new(7);
/// let at = Coordinates { step: 3, cell: 5, replica: 0, purpose: Purpose::CycleNoise, index: 0 };
/// assert_eq!(stream.normal(at), stream.normal(at));
/// assert_ne!(stream.word(at), stream.word(Coordinates { cell: 6, ..at }));
/// ```
///
/// Source: J. K. Salmon et al., *Parallel random numbers: as easy as 1, 2, 3*, SC'11,
/// doi:10.1145/2063384.2063405.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Stream {
    key: [u32; 2],
}

impl Stream {
    /// The stream of a seed.
    pub const fn new(seed: u64) -> Self {
        Self {
            key: [seed as u32, (seed >> 32) as u32],
        }
    }

    /// The stream of array `k` of those that a larger one is cut into: of the first this one, of others one whose key is a random number of
    /// this one. Two of them have independent numbers at the same coordinates.
    pub fn part(&self, k: u32) -> Self {
        if k == 0 {
            return *self;
        }
        let [low, high, ..] = self.block(Coordinates {
            step: k,
            cell: 0,
            replica: 0,
            purpose: Purpose::Part,
            index: 0,
        });
        Self { key: [low, high] }
    }

    /// The key of the cipher, low word first.
    #[inline(always)]
    pub const fn key(&self) -> [u32; 2] {
        self.key
    }

    /// 32 random bits.
    pub fn word(&self, at: Coordinates) -> u32 {
        self.block(at)[at.cell as usize % 4]
    }

    /// A uniform number in the open interval (0, 1), see [`uniform`].
    pub fn uniform(&self, at: Coordinates) -> f32 {
        uniform(self.word(at))
    }

    /// A standard normal number, see [`normal_pair`].
    pub fn normal(&self, at: Coordinates) -> f32 {
        let words = self.block(at);
        let pair = at.cell as usize % 4 / 2 * 2;
        let (even, odd) = normal_pair(words[pair], words[pair + 1]);
        if at.cell.is_multiple_of(2) { even } else { odd }
    }

    /// The four words of the block that a cell is in.
    fn block(&self, at: Coordinates) -> [u32; 4] {
        let label = at.purpose.label(at.index);
        let counter = [at.step, at.cell / 4, at.replica, label];
        philox4x32_10(counter, &RoundKeys::new(self.key))
    }

    /// The words of cells `4·block … 4·block + 3` for replicas `first_replica …`: one slice a cell, one
    /// element a replica. The last two slices may be empty.
    ///
    /// # Panics
    ///
    /// If the slices differ in length, or the index has more than 24 bits.
    pub fn fill_words(
        &self,
        step: u32,
        block: u32,
        first_replica: u32,
        purpose: Purpose,
        index: u32,
        out: [&mut [u32]; 4],
    ) {
        let counter = [step, block, first_replica, purpose.label(index)];
        self.fill(counter, Out::Words(out));
    }

    /// Uniform numbers in the shape of [`fill_words`](Stream::fill_words), see [`uniform`].
    ///
    /// # Panics
    ///
    /// As [`fill_words`](Stream::fill_words).
    pub fn fill_uniforms(
        &self,
        step: u32,
        block: u32,
        first_replica: u32,
        purpose: Purpose,
        index: u32,
        out: [&mut [f32]; 4],
    ) {
        let counter = [step, block, first_replica, purpose.label(index)];
        self.fill(counter, Out::Uniforms(out));
    }

    /// Standard normal numbers in the shape of [`fill_words`](Stream::fill_words), see [`normal_pair`]: words 0 and
    /// 1 make the numbers of the first two cells, words 2 and 3 those of the others.
    ///
    /// # Panics
    ///
    /// As [`fill_words`](Stream::fill_words).
    pub fn fill_normals(
        &self,
        step: u32,
        block: u32,
        first_replica: u32,
        purpose: Purpose,
        index: u32,
        out: [&mut [f32]; 4],
    ) {
        let counter = [step, block, first_replica, purpose.label(index)];
        self.fill(counter, Out::Normals(out));
    }

    fn fill(&self, counter: [u32; 4], out: Out) {
        Arch::new().dispatch(Fill {
            stream: *self,
            counter,
            out,
        });
    }
}

/// What a [`Fill`] writes.
enum Out<'a> {
    Words([&'a mut [u32]; 4]),
    Uniforms([&'a mut [f32]; 4]),
    Normals([&'a mut [f32]; 4]),
}

/// One block of cells for many replicas, as a task that `pulp` compiles for several processors.
struct Fill<'a> {
    stream: Stream,
    /// Of the first replica.
    counter: [u32; 4],
    out: Out<'a>,
}

impl WithSimd for Fill<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        let (stream, counter) = (&self.stream, self.counter);
        match self.out {
            Out::Words(out) => along_replicas::<Words>(stream, counter, out),
            Out::Uniforms(out) => along_replicas::<Uniforms>(stream, counter, out),
            Out::Normals(out) => along_replicas::<Normals>(stream, counter, out),
        }
    }
}

/// Block `i` of a batch.
#[inline(always)]
pub(super) fn take<T: Copy, const N: usize>(batch: &Batch<T, N>, i: usize) -> [T; 4] {
    [batch[0][i], batch[1][i], batch[2][i], batch[3][i]]
}

/// Sets block `i` of a batch.
#[inline(always)]
pub(super) fn put<T, const N: usize>(batch: &mut Batch<T, N>, i: usize, block: [T; 4]) {
    for (row, value) in batch.iter_mut().zip(block) {
        row[i] = value;
    }
}

/// What the words of a block become. A trait and not a closure: closures are called, not inlined, in a vector loop.
pub(super) trait Map {
    /// A word, or a number.
    type Value: Copy + Default;

    fn map(words: [u32; 4]) -> [Self::Value; 4];
}

/// The words themselves.
struct Words;

/// [`uniform`] numbers.
pub(super) struct Uniforms;

/// Numbers of [`normal_pair`].
pub(super) struct Normals;

impl Map for Words {
    type Value = u32;

    #[inline(always)]
    fn map(words: [u32; 4]) -> [u32; 4] {
        words
    }
}

impl Map for Uniforms {
    type Value = f32;

    #[inline(always)]
    fn map([a, b, c, d]: [u32; 4]) -> [f32; 4] {
        [uniform(a), uniform(b), uniform(c), uniform(d)]
    }
}

impl Map for Normals {
    type Value = f32;

    #[inline(always)]
    fn map([a, b, c, d]: [u32; 4]) -> [f32; 4] {
        let (first, second) = (normal_pair(a, b), normal_pair(c, d));
        [first.0, first.1, second.0, second.1]
    }
}

#[inline(always)]
fn along_replicas<M: Map>(stream: &Stream, counter: [u32; 4], out: [&mut [M::Value]; 4]) {
    if common_length(&out) <= FEW {
        in_batches::<M, FEW>(stream, counter, out);
    } else {
        in_batches::<M, BATCH>(stream, counter, out);
    }
}

#[inline(always)]
fn in_batches<M: Map, const N: usize>(
    stream: &Stream,
    [step, block, first, label]: [u32; 4],
    mut out: [&mut [M::Value]; 4],
) {
    let length = out[0].len();
    let keys = RoundKeys::new(stream.key);
    let mut words: Batch<u32, N> = [[0; N]; 4];
    let mut values: Batch<M::Value, N> = [[M::Value::default(); N]; 4];
    for start in (0..length).step_by(N) {
        let n = N.min(length - start);
        let first = first.wrapping_add(start as u32);
        for i in 0..n {
            let counter = [step, block, first.wrapping_add(i as u32), label];
            put(&mut words, i, philox4x32_10(counter, &keys));
        }
        for i in 0..n {
            put(&mut values, i, M::map(take(&words, i)));
        }
        for (out, values) in out.iter_mut().zip(&values) {
            if !out.is_empty() {
                out[start..start + n].copy_from_slice(&values[..n]);
            }
        }
    }
}

/// A uniform number in the open interval (0, 1) from the upper 23 bits of a word.
///
/// ```text
/// u = (⌊w / 2⁹⌋ + ½) 2⁻²³
/// ```
///
/// Neither 0 nor 1 is ever reached, the numbers are symmetric about ½ and exact in single precision.
#[inline(always)]
pub fn uniform(word: u32) -> f32 {
    // The conversion from signed integers is one instruction everywhere; nine bits were shifted out.
    centred((word >> 9) as i32 as f32)
}

/// `(n + ½) 2⁻²³` for a whole number `n` below 2²³, exactly.
#[inline(always)]
pub(super) fn centred<S: Single>(n: S) -> S {
    (n + S::lit(0.5)) * S::lit(1.0 / 8_388_608.0)
}

/// Two independent standard normal numbers from two words, by the transform of Box and Muller.
///
/// ```text
/// z₀ = √(−2 ln u₀) cos 2πu₁,   z₁ = √(−2 ln u₀) sin 2πu₁
/// ```
///
/// The 2²³ radii end at 5.77, which a normal number exceeds once in 10⁸ times.
///
/// Source: G. E. P. Box and M. E. Muller, *A note on the generation of random normal deviates*,
/// Ann. Math. Statist. 29 (1958) 610–611, doi:10.1214/aoms/1177706645.
#[inline(always)]
pub fn normal_pair(word0: u32, word1: u32) -> (f32, f32) {
    box_muller(uniform(word0), uniform(word1))
}

/// [`normal_pair`] of two uniform numbers in (0, 1).
#[inline(always)]
pub(super) fn box_muller<S: Single>(u0: S, u1: S) -> (S, S) {
    on_circle(squared_radius(u0), u1)
}

/// `−2 ln u`.
#[inline(always)]
pub(super) fn squared_radius<S: Single>(u: S) -> S {
    S::lit(-2.0) * elementary::ln(u)
}

/// The two coordinates at `u` turns on the circle of a squared radius.
#[inline(always)]
pub(super) fn on_circle<S: Single>(squared_radius: S, u: S) -> (S, S) {
    let radius = squared_radius.sqrt();
    let (sin, cos) = elementary::turns_sin_cos(u);
    (radius * cos, radius * sin)
}

/// The one length of four slices; the last two may be empty where a block has only two cells.
#[inline(always)]
fn common_length<T>(out: &[&mut [T]; 4]) -> usize {
    let length = out[0].len();
    let pair = out[2].is_empty() && out[3].is_empty();
    assert!(
        out[..if pair { 2 } else { 4 }]
            .iter()
            .all(|slice| slice.len() == length),
        "the slices of a block must have the same length",
    );
    length
}

#[cfg(test)]
mod tests {
    use statrs::distribution::{ContinuousCDF, DiscreteCDF, Normal, Poisson};

    use super::*;

    const SEED: u64 = 0x0123_4567_89ab_cdef;

    /// Four equally long slices of a vector.
    fn quarters<T>(all: &mut [T]) -> [&mut [T]; 4] {
        let n = all.len() / 4;
        let (a, rest) = all.split_at_mut(n);
        let (b, rest) = rest.split_at_mut(n);
        let (c, d) = rest.split_at_mut(n);
        [a, b, c, &mut d[..n]]
    }

    /// `count` normal numbers: four cells of `replicas` replicas, over as many steps as it takes.
    fn many(count: usize, replicas: usize, fill: impl Fn(u32, [&mut [f32]; 4])) -> Vec<f32> {
        let mut all = vec![0.0; count];
        for (step, chunk) in (0..).zip(all.chunks_exact_mut(4 * replicas)) {
            fill(step, quarters(chunk));
        }
        all
    }

    fn uniforms(count: usize) -> Vec<f32> {
        let stream = Stream::new(SEED);
        many(count, 250, |step, out| {
            stream.fill_uniforms(step, 9, 0, Purpose::Input, 1, out)
        })
    }

    fn normals(count: usize) -> Vec<f32> {
        let stream = Stream::new(SEED);
        many(count, 250, |step, out| {
            stream.fill_normals(step, 9, 0, Purpose::CycleNoise, 1, out)
        })
    }

    #[test]
    fn a_word_is_a_word_of_the_cipher() {
        let stream = Stream::new(0x2222_2222_1111_1111);
        let at = Coordinates {
            step: 5,
            cell: 4 * 77 + 2,
            replica: 8,
            purpose: Purpose::CycleNoise,
            index: 0xabcdef,
        };
        let keys = RoundKeys::new([0x1111_1111, 0x2222_2222]);
        let words = philox4x32_10([5, 77, 8, 0x01ab_cdef], &keys);
        assert_eq!(stream.word(at), words[2]);
    }

    /// A change of these bits is value-breaking.
    #[test]
    fn values_are_stable() {
        let stream = Stream::new(SEED);
        let purpose = Purpose::CycleNoise;
        let at = |cell| Coordinates {
            step: 1,
            cell,
            replica: 2,
            purpose,
            index: 3,
        };
        let words = [4, 5, 6, 7].map(|cell| stream.word(at(cell)));
        let normals = [4, 5, 6, 7].map(|cell| stream.normal(at(cell)).to_bits());
        assert_eq!(words, [0x878d_4e0f, 0x241e_db94, 0x55d5_f902, 0xcfa3_e810]);
        assert_eq!(
            normals,
            [0x3f36_7a72, 0x3f5f_b255, 0x3f0d_bc50, 0xbfaf_74a6]
        );
    }

    #[test]
    fn vectors_are_the_scalars() {
        let stream = Stream::new(SEED);
        let (purpose, index) = (Purpose::ReadNoise, 3);
        for length in [0, 1, 15, 16, 17, 127, 128, 129, 300] {
            for (step, block, first) in [(0, 0, 0), (7, 123_456, 5), (u32::MAX, 1 << 30, 1 << 20)] {
                let block = block.min(u32::MAX / 4);
                let mut words = vec![0; 4 * length];
                let mut floats = vec![0.0; 4 * length];
                let check = |what: &str, same: &dyn Fn(usize, Coordinates) -> bool| {
                    for i in 0..4 * length {
                        let (cell, replica) = ((i / length) as u32, (i % length) as u32);
                        let (cell, replica) = (4 * block + cell, first + replica);
                        let at = Coordinates {
                            step,
                            cell,
                            replica,
                            purpose,
                            index,
                        };
                        assert!(same(i, at), "{what}, length {length}, {at:?}");
                    }
                };

                stream.fill_words(step, block, first, purpose, index, quarters(&mut words));
                check("word", &|i, at| words[i] == stream.word(at));

                stream.fill_uniforms(step, block, first, purpose, index, quarters(&mut floats));
                check("uniform", &|i, at| {
                    floats[i].to_bits() == stream.uniform(at).to_bits()
                });

                stream.fill_normals(step, block, first, purpose, index, quarters(&mut floats));
                check("normal", &|i, at| {
                    floats[i].to_bits() == stream.normal(at).to_bits()
                });
            }
        }
    }

    #[test]
    fn uniforms_are_open_and_symmetric() {
        assert_eq!(uniform(0), 0.5_f32.powi(24));
        assert_eq!(uniform(u32::MAX), 1.0 - 0.5_f32.powi(24));
        assert_eq!(uniform(1 << 31) - 0.5, 0.5 - uniform((1 << 31) - 1));
    }

    #[test]
    fn normals_end_where_the_uniforms_do() {
        let largest = normal_pair(0, 0).0;
        assert!((f64::from(largest) - (48.0 * 2.0_f64.ln()).sqrt()).abs() < 1e-5);
        assert!(normal_pair(u32::MAX, 0).0 > 0.0);
    }

    #[test]
    #[should_panic(expected = "24 bits")]
    fn an_index_does_not_reach_into_the_purpose() {
        let purpose = Purpose::Problem;
        let at = Coordinates {
            step: 0,
            cell: 0,
            replica: 0,
            purpose,
            index: 1 << 24,
        };
        Stream::new(0).word(at);
    }

    /// The statistic of Kolmogorov and Smirnov times `√n`, below 1.9495 with probability 1 − 10⁻³.
    fn kolmogorov_smirnov(mut sample: Vec<f32>, cdf: impl Fn(f64) -> f64) -> f64 {
        sample.sort_by(f32::total_cmp);
        let n = sample.len() as f64;
        let distance = |(i, &x): (usize, &f32)| {
            let (i, p) = (i as f64, cdf(f64::from(x)));
            (p - i / n).max((i + 1.0) / n - p)
        };
        sample.iter().enumerate().map(distance).fold(0.0, f64::max) * n.sqrt()
    }

    /// n = 10⁶, α = 10⁻³.
    #[test]
    fn distributions_pass_kolmogorov_smirnov() {
        let normal = Normal::standard();
        let d = kolmogorov_smirnov(normals(1_000_000), |x| normal.cdf(x));
        assert!(d < 1.9495, "normals: {d}");
        let d = kolmogorov_smirnov(uniforms(1_000_000), |x| x);
        assert!(d < 1.9495, "uniforms: {d}");
    }

    /// Asserts that the mean of `f` over a sample is within five standard errors of `expected`.
    fn check_mean(
        name: &str,
        sample: &[f32],
        f: impl Fn(f64) -> f64,
        expected: f64,
        variance: f64,
    ) {
        let n = sample.len() as f64;
        let mean = sample.iter().map(|&x| f(f64::from(x))).sum::<f64>() / n;
        let deviation = (mean - expected) / (variance / n).sqrt();
        assert!(
            deviation.abs() < 5.0,
            "{name}: {mean} is {deviation:.2} standard errors off"
        );
    }

    #[test]
    fn four_moments() {
        // The mean of zᵏ and its variance, E z²ᵏ − (E zᵏ)².
        let z = normals(1_000_000);
        check_mean("z", &z, |z| z, 0.0, 1.0);
        check_mean("z²", &z, |z| z * z, 1.0, 2.0);
        check_mean("z³", &z, |z| z.powi(3), 0.0, 15.0);
        check_mean("z⁴", &z, |z| z.powi(4), 3.0, 96.0);
        let u = uniforms(1_000_000);
        for k in 1..=4 {
            let power = f64::from(k);
            let (mean, square) = (1.0 / (power + 1.0), 1.0 / (2.0 * power + 1.0));
            check_mean("uᵏ", &u, |u| u.powi(k), mean, square - mean * mean);
        }
    }

    /// 2²⁶ numbers, α = 10⁻³ on either side of each count.
    #[test]
    fn tails_beyond_four_and_five_sigma() {
        const N: usize = 1 << 26;
        const REPLICAS: usize = 1 << 12;
        let stream = Stream::new(SEED);
        let mut chunk = vec![0.0; 4 * REPLICAS];
        let mut beyond = [[0_u64; 2]; 2];
        for step in 0..(N / chunk.len()) as u32 {
            stream.fill_normals(step, 0, 0, Purpose::WriteNoise, 0, quarters(&mut chunk));
            for z in &chunk {
                for (sigma, counts) in [4.0, 5.0].into_iter().zip(&mut beyond) {
                    counts[0] += u64::from(*z > sigma);
                    counts[1] += u64::from(*z < -sigma);
                }
            }
        }
        for (sigma, counts) in [4.0, 5.0].into_iter().zip(beyond) {
            let expected = N as f64 * Normal::standard().sf(sigma);
            let poisson = Poisson::new(expected).unwrap();
            for count in counts {
                println!("beyond {sigma} sigma: {count}, expected {expected:.1}");
                assert!(
                    poisson.cdf(count) > 1e-3,
                    "{count} of {expected} beyond {sigma} sigma"
                );
                assert!(
                    poisson.sf(count) > 1e-3,
                    "{count} of {expected} beyond {sigma} sigma"
                );
            }
        }
    }

    /// Numbers whose coordinates differ in one place are uncorrelated, and so are their squares
    /// (Box–Muller shares a radius between cells), within 5/√n.
    #[test]
    fn neighbours_are_independent() {
        const N: usize = 1 << 18;
        let stream = Stream::new(SEED);
        let at = |n: u32| Coordinates {
            step: n / 512,
            cell: 3 * (n % 64),
            replica: n / 64 % 8,
            purpose: Purpose::CycleNoise,
            index: 2,
        };
        type Shift = fn(Coordinates) -> Coordinates;
        let neighbours: [(&str, Shift); 7] = [
            ("cell", |at| Coordinates {
                cell: at.cell ^ 1,
                ..at
            }),
            ("pair", |at| Coordinates {
                cell: at.cell ^ 2,
                ..at
            }),
            ("block", |at| Coordinates {
                cell: at.cell + 4,
                ..at
            }),
            ("replica", |at| Coordinates {
                replica: at.replica + 8,
                ..at
            }),
            ("step", |at| Coordinates {
                step: at.step + 10_000,
                ..at
            }),
            ("index", |at| Coordinates { index: 3, ..at }),
            ("purpose", |at| Coordinates {
                purpose: Purpose::ReadNoise,
                ..at
            }),
        ];
        let bound = 5.0 / (N as f64).sqrt();
        for (name, neighbour) in neighbours {
            let (mut linear, mut squares) = (0.0, 0.0);
            for n in 0..N as u32 {
                let a = f64::from(stream.normal(at(n)));
                let b = f64::from(stream.normal(neighbour(at(n))));
                linear += a * b;
                squares += (a * a - 1.0) * (b * b - 1.0) / 2.0;
            }
            let (linear, squares) = (linear / N as f64, squares / N as f64);
            assert!(linear.abs() < bound, "{name}: correlation {linear}");
            assert!(
                squares.abs() < bound,
                "{name}: correlation of squares {squares}"
            );
        }
        let other = Stream::new(SEED + (1 << 32));
        let product = |n| f64::from(stream.normal(at(n)) * other.normal(at(n)));
        let correlation = (0..N as u32).map(product).sum::<f64>() / N as f64;
        assert!(correlation.abs() < bound, "seed: correlation {correlation}");
    }
}
