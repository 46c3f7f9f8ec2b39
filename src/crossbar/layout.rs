//! How the weights of a matrix are laid out on physical arrays.

use std::ops::Range;

use super::{Direction, WeightMap};

/// How the weights of a matrix are laid out on physical arrays. The default is one array that holds all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Layout {
    /// The most that one array holds; none for no bound.
    pub tiles: Option<TileSize>,
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
    /// Bit lines: cells of a row, those of a weight always together.
    pub columns: usize,
}

/// The weights that one tile holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// Its inputs, of those of the matrix.
    pub inputs: Range<usize>,
    /// Its outputs, of those of the matrix.
    pub outputs: Range<usize>,
}

impl Layout {
    /// Whether a tile holds at least one weight of this map.
    pub fn fits(&self, map: &WeightMap) -> bool {
        let size = self.tiles;
        size.is_none_or(|s| s.rows > 0 && s.columns >= map.cells_per_weight())
    }

    /// What the tiles hold, in their order: along the outputs first, then along the inputs.
    ///
    /// # Panics
    /// If a tile has no room for one weight ([`Layout::fits`]).
    pub fn cuts(&self, map: &WeightMap) -> Vec<Cut> {
        assert!(self.fits(map), "tiles have no room for one weight");
        let (rows, columns) = match self.tiles {
            Some(size) => (size.rows, size.columns / map.cells_per_weight()),
            None => (map.inputs(), map.outputs()),
        };
        let mut cuts = Vec::new();
        for inputs in parts(map.inputs(), rows) {
            for outputs in parts(map.outputs(), columns) {
                let inputs = inputs.clone();
                cuts.push(Cut { inputs, outputs });
            }
        }
        cuts
    }
}

impl Layout {
    /// Partial sums that make one output.
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

    /// The cell of the whole array that its cell `k` is; both are numbered row-major.
    pub fn cell(&self, whole: &WeightMap, k: usize) -> usize {
        let n = whole.cells_per_weight();
        self.weight(whole, k / n) * n + k % n
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
        ] {
            let map = WeightMap::new(mapping, 0.5, 2.0, inputs, outputs);
            let tiles = Some(TileSize { rows, columns });
            let cuts = Layout { tiles }.cuts(&map);
            let mut seen = vec![0; map.cells()];
            for cut in &cuts {
                let own = cut.map(&map);
                assert!(own.inputs() <= rows && own.columns() <= columns);
                assert!(!cut.inputs.is_empty() && !cut.outputs.is_empty());
                (0..own.cells()).for_each(|k| seen[cut.cell(&map, k)] += 1);
            }
            assert!(seen.iter().all(|n| *n == 1), "{seen:?}");
            let count = inputs.div_ceil(rows) * outputs.div_ceil(columns / map.cells_per_weight());
            assert_eq!(cuts.len(), count);
        }
        let map = WeightMap::new(Mapping::ReferenceColumn, 0.5, 2.0, 130, 1);
        let tiles = Some(TileSize {
            rows: 128,
            columns: 1,
        });
        let sizes = Layout { tiles }.cuts(&map);
        assert_eq!(
            sizes.iter().map(|c| c.inputs.len()).collect::<Vec<_>>(),
            [65, 65]
        );
    }
}
