//! How the weights of a matrix are laid out on physical arrays.

use std::ops::Range;

use super::{Direction, Slices, WeightMap};

/// How the weights of a matrix are laid out on physical arrays. The default is one array that holds all of them as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Layout {
    /// The most that one array holds; none for no bound.
    pub tiles: Option<TileSize>,
    /// How many bits of a weight one cell holds; none for all of it, without codes.
    pub slices: Option<Slices>,
    /// What is scaled to the window when weights are written.
    pub scale: WeightScale,
}

/// What is scaled to the window when weights are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WeightScale {
    /// Nothing: whoever writes a matrix has scaled it.
    #[default]
    Matrix,
    /// Every column of the matrix is multiplied by a factor of its own so that the first of its weights reaches an end of
    /// [`WeightMap::range`], and its outputs are divided by it digitally. Columns of zeros stay as they are, and so do all that have weights on a side of zero
    /// where the window has no room.
    Column,
}

impl WeightScale {
    /// What every column is multiplied by, for weights (row-major) that `map` holds; none for all of them by 1.
    pub(super) fn factors(self, map: &WeightMap, weights: &[f64]) -> Option<Vec<f64>> {
        if self == Self::Matrix {
            return None;
        }
        let range = map.range();
        let factor = |c: usize| {
            let column = weights.iter().skip(c).step_by(map.outputs());
            let room = column.map(|w| match *w {
                0.0 => f64::INFINITY,
                w => range[usize::from(w > 0.0)] / w,
            });
            let factor = room.fold(f64::INFINITY, f64::min);
            if factor > 0.0 && factor.is_finite() {
                factor
            } else {
                1.0
            }
        };
        Some((0..map.outputs()).map(factor).collect())
    }
}

/// The most word lines and bit lines of one array.
///
/// Both sides of a matrix are cut into as few parts as fit, about equally large. Every tile has converters, wires and read noise of its own,
/// and random numbers of its own ([`Stream::part`](crate::number::Stream::part)); its share of a read is digitised, and the shares are added
/// digitally.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TileSize {
    /// Word lines (inputs).
    pub rows: usize,
    /// Bit lines: cells of a row, those of a weight always together, and that of an offset column.
    pub columns: usize,
}

/// The weights that one tile holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// Its inputs, of those of the matrix.
    pub inputs: Range<usize>,
    /// Its outputs, of those of the matrix.
    pub outputs: Range<usize>,
    /// Its slice of them, the least digits first; 0 where there are none.
    pub slice: usize,
    /// The first of the drawn cells of its slice, and of those of its offset column.
    first: [usize; 2],
}

impl Layout {
    /// Whether a tile holds at least one weight of this map, and weights can have digits if they are to.
    pub fn fits(&self, map: &WeightMap) -> bool {
        let mapping = map.mapping();
        let least = mapping.cells_per_weight() + mapping.further_columns();
        let fits = self.tiles.is_none_or(|s| s.rows > 0 && s.columns >= least);
        fits && (self.slices.is_none() || Slices::suit(mapping))
    }

    /// Most inputs and outputs of a tile.
    fn most(&self, map: &WeightMap) -> (usize, usize) {
        assert!(self.fits(map), "tiles have no room for one weight");
        let further = map.mapping().further_columns();
        match self.tiles {
            Some(s) => (s.rows, (s.columns - further) / map.cells_per_weight()),
            None => (map.inputs(), map.outputs()),
        }
    }

    /// What the tiles hold, in their order: along the outputs first, then along the inputs, then slice by slice.
    ///
    /// # Panics
    /// If a tile has no room for one weight, or digits do not suit the mapping ([`Layout::fits`]).
    pub fn cuts(&self, map: &WeightMap) -> Vec<Cut> {
        let (rows, columns) = self.most(map);
        let per_slice = self.cells(map) / self.slice_count();
        let mut cuts = Vec::new();
        for slice in 0..self.slice_count() {
            let first = slice * per_slice;
            for inputs in parts(map.inputs(), rows) {
                for (across, outputs) in parts(map.outputs(), columns).enumerate() {
                    cuts.push(Cut {
                        inputs: inputs.clone(),
                        outputs,
                        slice,
                        first: [first, first + map.cells() + across * map.inputs()],
                    });
                }
            }
        }
        cuts
    }

    /// Slices of every weight, 1 without digits.
    pub fn slice_count(&self) -> usize {
        self.slices.map_or(1, Slices::count)
    }

    /// What the products of a tile of slice `slice` are multiplied by.
    pub(super) fn factor(&self, slice: usize) -> f64 {
        self.slices.map_or(1.0, |s| s.factor(slice))
    }

    /// Cells of all tiles, those of offset columns included: slice by slice, each row-major, then its offset columns.
    ///
    /// # Panics
    /// As [`Layout::cuts`].
    pub fn cells(&self, map: &WeightMap) -> usize {
        let across = map.outputs().div_ceil(self.most(map).1);
        let further = map.mapping().further_columns() * across * map.inputs();
        self.slice_count() * (map.cells() + further)
    }

    /// Tiles whose partial sums make one output of a slice.
    pub fn layers(&self, map: &WeightMap) -> usize {
        self.tiles.map_or(1, |s| map.inputs().div_ceil(s.rows))
    }
}

impl Cut {
    /// What it takes of the vectors of a read, and what it gives.
    pub(super) fn ends(&self, direction: Direction) -> (Range<usize>, Range<usize>) {
        let (inputs, outputs) = (self.inputs.clone(), self.outputs.clone());
        match direction {
            Direction::Forward => (inputs, outputs),
            Direction::Transposed => (outputs, inputs),
        }
    }

    /// The map of its weights.
    pub fn map(&self, whole: &WeightMap) -> WeightMap {
        whole.part(self.inputs.len(), self.outputs.len())
    }

    /// The weight of the matrix that its weight `k` is; both are numbered row-major.
    pub fn weight(&self, whole: &WeightMap, k: usize) -> usize {
        let (row, column) = (k / self.outputs.len(), k % self.outputs.len());
        (self.inputs.start + row) * whole.outputs() + self.outputs.start + column
    }

    /// The map of the physical array: that of its weights, and an output more where there is an offset column, the last.
    pub fn tile(&self, whole: &WeightMap) -> WeightMap {
        let further = whole.mapping().further_columns();
        whole.part(self.inputs.len(), self.outputs.len() + further)
    }

    /// The cell of the whole array that its cell `k` is in its slice; both are numbered row-major. None for cells of its offset column.
    pub fn cell(&self, whole: &WeightMap, k: usize) -> Option<usize> {
        let n = whole.cells_per_weight();
        let columns = self.tile(whole).columns();
        let (row, column) = (k / columns, k % columns);
        let own = column < n * self.outputs.len();
        let first = (self.inputs.start + row) * whole.columns() + n * self.outputs.start;
        own.then_some(first + column)
    }

    /// Which of the cells that are drawn, in the order of [`Layout::cells`], its cell `k` is.
    pub(super) fn drawn(&self, whole: &WeightMap, k: usize) -> usize {
        let row = self.inputs.start + k / self.tile(whole).columns();
        let [slice, offset] = self.first;
        self.cell(whole, k).map_or(offset + row, |c| slice + c)
    }
}

/// `0 … len` in as few parts of at most `most` as fit, about equally large.
fn parts(len: usize, most: usize) -> impl Iterator<Item = Range<usize>> {
    let count = len.div_ceil(most);
    (0..count).map(move |k| k * len / count..(k + 1) * len / count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crossbar::Mapping;

    /// Every cell of the whole is in one tile, which is no larger than it may be.
    #[test]
    fn tiles_cover_the_array_once() {
        for (mapping, [inputs, outputs], [rows, columns]) in [
            (Mapping::ReferenceColumn, [10, 7], [4, 3]),
            (Mapping::DifferentialPair, [10, 7], [4, 5]),
            (Mapping::DifferentialPair, [3, 2], [100, 2]),
            (Mapping::OneSidedPair, [1, 1], [1, 2]),
            (Mapping::OffsetColumn, [10, 7], [4, 3]),
        ] {
            let map = WeightMap::new(mapping, 0.5, 2.0, inputs, outputs);
            let slices = Slices::new(5, 2).filter(|_| Slices::suit(mapping));
            let layout = Layout {
                tiles: Some(TileSize { rows, columns }),
                slices,
                ..Layout::default()
            };
            let cuts = layout.cuts(&map);
            let mut seen = vec![0; layout.cells(&map)];
            let mut held = vec![0; map.cells()];
            for cut in &cuts {
                let own = cut.tile(&map);
                assert!(own.inputs() <= rows && own.columns() <= columns);
                assert!(!cut.inputs.is_empty() && !cut.outputs.is_empty());
                for k in 0..own.cells() {
                    seen[cut.drawn(&map, k)] += 1;
                    cut.cell(&map, k).into_iter().for_each(|c| held[c] += 1);
                }
            }
            assert!(seen.iter().all(|n| *n == 1), "{seen:?}");
            assert!(held.iter().all(|n| *n == layout.slice_count()), "{held:?}");
            let room = (columns - mapping.further_columns()) / map.cells_per_weight();
            let count = inputs.div_ceil(rows) * outputs.div_ceil(room);
            assert_eq!(cuts.len(), layout.slice_count() * count);
        }
        let map = WeightMap::new(Mapping::ReferenceColumn, 0.5, 2.0, 130, 1);
        let tiles = Some(TileSize {
            rows: 128,
            columns: 1,
        });
        let layout = Layout {
            tiles,
            ..Layout::default()
        };
        let sizes = layout.cuts(&map);
        assert_eq!(
            sizes.iter().map(|c| c.inputs.len()).collect::<Vec<_>>(),
            [65, 65]
        );
    }
}
