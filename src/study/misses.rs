//! How far what is read is off: sums over the outputs of a replica, and the findings that they make.

/// Columns of `reads.csv` after point, label, replica and time. The score is the accuracy of classes, the mean squared error of numbers, and
/// NaN where there are no answers.
pub const READ_COLUMNS: [&str; 7] = [
    "error",
    "effective-bits",
    "largest-error",
    "gain",
    "unexplained-error",
    "score",
    "digital-score",
];

/// One replica's reads at one time, against exact products.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Misses {
    /// Outputs.
    pub count: f64,
    /// Σ y²
    pub exact: f64,
    /// Σ (ŷ - y) y
    along: f64,
    /// Σ (ŷ - y)²
    miss: f64,
    /// max |ŷ - y|
    largest: f64,
    /// Samples with an answer.
    pub answered: f64,
    /// How well what is read answers them, summed.
    pub score: f64,
    /// The same of the exact products.
    pub digital: f64,
}

impl Misses {
    /// One output.
    pub fn add(&mut self, read: f32, exact: f64) {
        let miss = f64::from(read) - exact;
        self.count += 1.0;
        self.exact += exact * exact;
        self.along += miss * exact;
        self.miss += miss * miss;
        self.largest = self.largest.max(miss.abs());
    }

    /// In the order of [`READ_COLUMNS`].
    pub fn values(&self) -> [f64; 7] {
        let error = (self.miss / self.exact).sqrt();
        let slope = self.along / self.exact;
        let unexplained = (self.miss / self.exact - slope * slope).max(0.0).sqrt();
        [
            error,
            effective_bits(error),
            self.largest / (self.exact / self.count).sqrt(),
            1.0 + slope,
            unexplained,
            self.score / self.answered,
            self.digital / self.answered,
        ]
    }
}

/// `(SNR - 1.76 dB)/6.02 dB` of an error relative to the rms of the exact outputs, exactly `-log₂(ε √(3/2))`: the bits of a quantiser that
/// leaves a sine of its full range the same signal-to-noise ratio, `3/2 · 4^bits`.
///
/// R. H. Walden, IEEE J. Sel. Areas Commun. 17 (1999) 539–550, doi:10.1109/49.761034.
pub(super) fn effective_bits(error: f64) -> f64 {
    -(error * 1.5_f64.sqrt()).log2()
}
