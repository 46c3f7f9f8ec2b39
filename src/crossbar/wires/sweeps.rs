//! Tridiagonal sweeps over all lines of one side at once.
//!
//! A line is a chain of nodes with conductances `s` between them and `e` to elsewhere. Its elimination needs no subtraction:
//! what a node sees of everything before it is `e` and `s` in series, so pivots are exact to rounding however far apart the
//! conductances are. Planes of places are stored row by row; bit lines are swept from row to row, all columns at once, and word lines in
//! bands of [`LANES`] rows.

use pulp::{Simd, WithSimd};

use super::circuit::Wiring;

/// Word lines that are swept together, a lane each.
pub(super) const LANES: usize = 8;

/// One number a lane.
pub(super) type Lane = [f64; LANES];

/// Conductances between neighbours of a line, for rows of a plane of places.
pub(super) struct Links {
    columns: usize,
    /// One row where all are alike, else all rows; then a row of zeros.
    rows: Vec<f64>,
    uniform: bool,
    last: usize,
}

impl Links {
    /// Of word lines: row i has those between places j and j + 1.
    pub(super) fn of_words(wiring: &Wiring, m: usize, n: usize) -> Self {
        Self::new(wiring.is_whole(), (m, n), m, |i, j| wiring.link(i, j))
    }

    /// Of bit lines: row i has those between places i and i + 1.
    pub(super) fn of_bits(wiring: &Wiring, m: usize, n: usize) -> Self {
        Self::new(wiring.is_whole(), (m, n), m - 1, |i, j| wiring.link(j, i))
    }

    fn new(
        uniform: bool,
        (m, n): (usize, usize),
        last: usize,
        link: impl Fn(usize, usize) -> f64,
    ) -> Self {
        let rows = if uniform { last.min(1) } else { last.min(m) };
        let mut all = Vec::with_capacity((rows + 1) * n);
        for i in 0..rows {
            all.extend((0..n).map(|j| link(i, j)));
        }
        all.resize((rows + 1) * n, 0.0);
        Self {
            columns: n,
            rows: all,
            uniform,
            last,
        }
    }

    /// Row i; zeros beyond the last.
    #[inline(always)]
    pub(super) fn row(&self, i: usize) -> &[f64] {
        let n = self.columns;
        let row = match (i < self.last, self.uniform) {
            (false, _) => self.rows.len() / n - 1,
            (true, true) => 0,
            (true, false) => i,
        };
        &self.rows[row * n..(row + 1) * n]
    }
}

/// Sum of products, in an order that does not depend on the instructions.
#[inline(always)]
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let (a, a_rest) = a.as_chunks::<LANES>();
    let (b, b_rest) = b.as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for (a, b) in a.iter().zip(b) {
        for l in 0..LANES {
            sums[l] = a[l].mul_add(b[l], sums[l]);
        }
    }
    let rest = a_rest.iter().zip(b_rest).map(|(a, b)| a * b);
    sums.iter().sum::<f64>() + rest.sum::<f64>()
}

/// Row i of a plane and the row before it.
#[inline(always)]
fn with_before(plane: &mut [f64], i: usize, n: usize) -> (&[f64], &mut [f64]) {
    let (before, rest) = plane.split_at_mut(i * n);
    (&before[(i - 1) * n..], &mut rest[..n])
}

/// A step of conjugate gradients along the last direction, a new direction, and the bit lines' answer to it, as far as one sweep downwards
/// finds it.
pub(super) struct Down<'a> {
    pub n: usize,
    /// Last step: `x += α p`, `p = z + β p`, where there is one.
    pub step: Option<(f64, f64, &'a mut [f64], &'a [f64])>,
    pub p: &'a mut [f64],
    pub g: &'a [f64],
    pub bits: &'a Links,
    pub pivots: &'a [f64],
    /// Currents fed into the bit lines.
    pub fed: Option<&'a [f64]>,
    pub y: &'a mut [f64],
}

impl WithSimd for Down<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, _simd: S) {
        let n = self.n;
        for i in 0..self.p.len() / n {
            let row = i * n..(i + 1) * n;
            let p = &mut self.p[row.clone()];
            if let Some((alpha, beta, x, z)) = &mut self.step {
                let (x, z) = (&mut x[row.clone()], &z[row.clone()]);
                for ((x, p), z) in x.iter_mut().zip(p.iter_mut()).zip(z) {
                    *x = alpha.mul_add(*p, *x);
                    *p = beta.mul_add(*p, *z);
                }
            }
            let (g, pivots) = (&self.g[row.clone()], &self.pivots[row.clone()]);
            if i == 0 {
                let y = &mut self.y[row.clone()];
                for ((y, (g, p)), v) in y.iter_mut().zip(g.iter().zip(p.iter())).zip(pivots) {
                    *y = g * p * v;
                }
            } else {
                let (before, y) = with_before(self.y, i, n);
                let seen = self.bits.row(i - 1).iter().zip(before);
                let own = g.iter().zip(p.iter()).zip(pivots);
                for ((y, ((g, p), v)), (s, b)) in y.iter_mut().zip(own).zip(seen) {
                    *y = s.mul_add(*b, g * p) * v;
                }
            }
            if let Some(fed) = self.fed {
                let y = self.y[row.clone()].iter_mut().zip(pivots);
                for ((y, v), f) in y.zip(&fed[row]) {
                    *y = f.mul_add(*v, *y);
                }
            }
        }
    }
}

/// The rest of the bit lines' answer, upwards, and the currents that leave the word-line places; gives `p·q`.
pub(super) struct Up<'a> {
    pub n: usize,
    pub p: &'a [f64],
    pub g: &'a [f64],
    pub words: &'a Links,
    pub word_leads: &'a [Vec<f64>; 2],
    pub bits: &'a Links,
    pub pivots: &'a [f64],
    /// From [`Down`]; then the voltages of the bit lines.
    pub y: &'a mut [f64],
    pub q: &'a mut [f64],
}

impl WithSimd for Up<'_> {
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) -> f64 {
        let n = self.n;
        let rows = self.p.len() / n;
        let mut sum = 0.0;
        for i in (0..rows).rev() {
            let row = i * n..(i + 1) * n;
            if i + 1 < rows {
                let (y, below) = self.y[i * n..(i + 2) * n].split_at_mut(n);
                let seen = self.bits.row(i).iter().zip(&self.pivots[row.clone()]);
                for ((y, b), (s, v)) in y.iter_mut().zip(below).zip(seen) {
                    *y = (s * v).mul_add(*b, *y);
                }
            }
            let (p, q) = (&self.p[row.clone()], &mut self.q[row.clone()]);
            let (g, b) = (&self.g[row.clone()], &self.y[row]);
            for ((q, p), (g, b)) in q.iter_mut().zip(p).zip(g.iter().zip(b)) {
                *q = g * (p - b);
            }
            let s = &self.words.row(i)[..n - 1];
            for (q, (s, (p, next))) in q.iter_mut().zip(s.iter().zip(p.iter().zip(&p[1..]))) {
                *q = s.mul_add(p - next, *q);
            }
            for (q, (s, (p, next))) in q[1..].iter_mut().zip(s.iter().zip(p.iter().zip(&p[1..]))) {
                *q = s.mul_add(next - p, *q);
            }
            q[0] += self.word_leads[0][i] * p[0];
            q[n - 1] += self.word_leads[1][i] * p[n - 1];
            sum += dot(p, q);
        }
        sum
    }
}

/// The missing currents after a step, `r -= α q`, and the preconditioner's answer `z = M⁻¹ r`; gives `r·z`.
pub(super) struct Band<'a> {
    pub n: usize,
    pub alpha: f64,
    /// Whole bands, row by row; rows beyond the last word line are zero.
    pub q: &'a [f64],
    pub words: &'a Links,
    pub pivots: &'a [Lane],
    pub r: &'a mut [Lane],
    pub t: &'a mut [Lane],
    pub z: &'a mut [f64],
}

/// Segments after places of a band of word lines: one row where all are alike, else a row a lane.
enum Segments<'a> {
    Alike(&'a [f64]),
    Each([&'a [f64]; LANES]),
}

impl<'a> Segments<'a> {
    #[inline(always)]
    fn of(words: &'a Links, band: usize) -> Self {
        // Lanes beyond the last line have no currents.
        match words.uniform {
            true => Self::Alike(words.row(0)),
            false => Self::Each(std::array::from_fn(|l| words.row(band * LANES + l))),
        }
    }

    #[inline(always)]
    fn at(&self, j: usize) -> Lane {
        match self {
            Self::Alike(row) => [row[j]; LANES],
            Self::Each(rows) => std::array::from_fn(|l| rows[l][j]),
        }
    }
}

impl WithSimd for Band<'_> {
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) -> f64 {
        let n = self.n;
        let mut sums = [0.0; LANES];
        let bands = (self.q.chunks_exact(LANES * n)).zip(self.z.chunks_exact_mut(LANES * n));
        let lanes = self.r.chunks_exact_mut(n).zip(self.pivots.chunks_exact(n));
        for (band, ((q, z), (r, pivots))) in bands.zip(lanes).enumerate() {
            let q: [&[f64]; LANES] = std::array::from_fn(|l| &q[l * n..][..n]);
            let segments = Segments::of(self.words, band);
            let t = &mut self.t[..n];
            // Results wait for one multiplication and addition only.
            let (mut last, mut s): (Lane, Lane) = ([0.0; LANES], [0.0; LANES]);
            for j in 0..n {
                let (r, v) = (&mut r[j], &pivots[j]);
                for l in 0..LANES {
                    r[l] = (-self.alpha).mul_add(q[l][j], r[l]);
                    last[l] = (s[l] * v[l]).mul_add(last[l], r[l] * v[l]);
                }
                t[j] = last;
                s = segments.at(j);
            }
            let mut last: Lane = [0.0; LANES];
            for j in (0..n).rev() {
                let (r, v, t, s) = (&r[j], &pivots[j], &t[j], segments.at(j));
                for l in 0..LANES {
                    last[l] = (s[l] * v[l]).mul_add(last[l], t[l]);
                    sums[l] = r[l].mul_add(last[l], sums[l]);
                }
                for l in 0..LANES {
                    z[l * n + j] = last[l];
                }
            }
        }
        sums.iter().sum()
    }
}

/// `r·M⁻¹r` of word lines with other pivots.
pub(super) struct Bound<'a> {
    pub n: usize,
    pub words: &'a Links,
    pub pivots: &'a [Lane],
    pub r: &'a [Lane],
}

impl WithSimd for Bound<'_> {
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) -> f64 {
        let n = self.n;
        let mut sums = [0.0; LANES];
        let bands = self.r.chunks_exact(n).zip(self.pivots.chunks_exact(n));
        for (band, (r, pivots)) in bands.enumerate() {
            let segments = Segments::of(self.words, band);
            let (mut last, mut s): (Lane, Lane) = ([0.0; LANES], [0.0; LANES]);
            for (j, (r, v)) in r.iter().zip(pivots).enumerate() {
                for l in 0..LANES {
                    let arrives = s[l].mul_add(last[l], r[l]);
                    last[l] = (s[l] * v[l]).mul_add(last[l], r[l] * v[l]);
                    sums[l] = arrives.mul_add(last[l], sums[l]);
                }
                s = segments.at(j);
            }
        }
        sums.iter().sum()
    }
}

/// Reciprocal pivots of all bit lines: `e` has the conductances to elsewhere, row by row.
pub(super) struct BitPivots<'a> {
    pub n: usize,
    pub bits: &'a Links,
    pub e: &'a mut [f64],
    pub pivots: &'a mut [f64],
}

impl WithSimd for BitPivots<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        let n = self.n;
        let rows = self.e.len() / n;
        for i in 0..rows {
            let s = self.bits.row(i);
            let (e, below) = self.e[i * n..].split_at_mut(n);
            let pivots = &mut self.pivots[i * n..(i + 1) * n];
            for ((v, e), s) in pivots.iter_mut().zip(e.iter()).zip(s) {
                *v = 1.0 / (e + s);
            }
            if i + 1 < rows {
                let seen = pivots.iter().zip(e.iter().zip(s));
                for (below, (v, (e, s))) in below[..n].iter_mut().zip(seen) {
                    *below += e * s * v;
                }
            }
        }
    }
}

/// Conductances from all word-line places by way of their cells to anywhere else: the cell, and what its bit-line place sees without it.
pub(super) struct Elsewhere<'a> {
    pub n: usize,
    pub g: &'a [f64],
    /// From the bit-line places to terminals.
    pub leads: &'a [f64],
    pub bits: &'a Links,
    /// From [`BitPivots`].
    pub e: &'a [f64],
    pub pivots: &'a [f64],
    /// Room for a row.
    pub below: &'a mut [f64],
    pub out: &'a mut [f64],
}

impl WithSimd for Elsewhere<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        let n = self.n;
        let row = |i: usize| i * n..(i + 1) * n;
        // Nothing in series with nothing is nothing.
        let series = |a: f64, b: f64| a * (b / (a + b).max(f64::MIN_POSITIVE));
        self.below.fill(0.0);
        for i in (0..self.out.len() / n).rev() {
            let (g, leads, out) = (&self.g[row(i)], &self.leads[row(i)], &mut self.out[row(i)]);
            for (out, (lead, below)) in out.iter_mut().zip(leads.iter().zip(self.below.iter())) {
                *out = lead + below;
            }
            if i > 0 {
                let s = self.bits.row(i - 1);
                for (below, (s, (g, rest))) in self
                    .below
                    .iter_mut()
                    .zip(s.iter().zip(g.iter().zip(out.iter())))
                {
                    *below = series(*s, g + rest);
                }
                let above = self.e[row(i - 1)].iter().zip(&self.pivots[row(i - 1)]);
                for (out, (s, (e, v))) in out.iter_mut().zip(s.iter().zip(above)) {
                    *out += e * s * v;
                }
            }
            for (out, g) in out.iter_mut().zip(g) {
                *out = series(*g, *out);
            }
        }
    }
}

/// Reciprocal pivots of all word lines in bands: `e` has the conductances to elsewhere, in whole bands row by row.
pub(super) struct WordPivots<'a> {
    pub n: usize,
    pub words: &'a Links,
    pub e: &'a [f64],
    pub pivots: &'a mut [Lane],
}

impl WithSimd for WordPivots<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        let n = self.n;
        let bands = self.e.chunks_exact(LANES * n);
        for (band, (e, pivots)) in bands.zip(self.pivots.chunks_exact_mut(n)).enumerate() {
            let e: [&[f64]; LANES] = std::array::from_fn(|l| &e[l * n..][..n]);
            let segments = Segments::of(self.words, band);
            let mut seen = [0.0; LANES];
            for j in 0..n {
                let s = segments.at(j);
                for l in 0..LANES {
                    let (e, s) = (e[l][j] + seen[l], s[l]);
                    pivots[j][l] = 1.0 / (e + s);
                    seen[l] = e * s * pivots[j][l];
                }
            }
        }
    }
}
