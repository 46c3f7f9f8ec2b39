//! What is solved: cells, wires, and what the wires end in.

use std::collections::HashSet;

use crate::error::{Error, Result, Violation};

/// The ends at which lines are connected to their terminals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ends {
    /// The left end of word lines, the top of bit lines.
    First,
    /// The right end of word lines, the bottom of bit lines.
    Last,
    /// Both ends, which have one voltage and whose currents add up.
    Both,
}

impl Ends {
    fn connected(self) -> [bool; 2] {
        match self {
            Self::First => [true, false],
            Self::Last => [false, true],
            Self::Both => [true, true],
        }
    }
}

/// A broken segment of one line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Break {
    /// The line, counted from 0.
    pub line: usize,
    /// The segment before cell `segment` of the line; the number of cells names the segment after the last cell. The first and
    /// the last segment lead to the terminals: without them the line is open.
    pub segment: usize,
}

/// All word lines or all bit lines of a crossbar.
///
/// A connected end has one more segment, between its outermost cell and its terminal, and the resistance of the terminal after it; an
/// end that is not connected has nothing after the last cell.
#[derive(Debug, Clone, PartialEq)]
pub struct Lines {
    /// Resistance of one segment, in ohm: 0 (or less than 5.6e-309) for ideal wires, infinite for lines that are cut everywhere.
    pub segment: f64,
    /// Where the lines are connected.
    pub ends: Ends,
    /// Resistance of what drives or senses the lines at their first and last end, in ohm; that of an end which is not connected is
    /// not used.
    pub terminals: [f64; 2],
    /// Segments that do not conduct.
    pub broken: Vec<Break>,
}

impl Lines {
    /// Lines with segments of so many ohm, connected at `ends` to terminals without resistance.
    pub fn new(segment: f64, ends: Ends) -> Self {
        Self {
            segment,
            ends,
            terminals: [0.0; 2],
            broken: Vec::new(),
        }
    }

    /// Whether segments conduct better than any number: below about 5.6e-309 ohm.
    fn is_ideal(&self) -> bool {
        (1.0 / self.segment).is_infinite()
    }

    /// Every rule that these lines break, as lines called `name`, `lines` of them with so many cells.
    fn violations(&self, name: &str, lines: usize, cells: usize, out: &mut Vec<Violation>) {
        if self.segment.is_nan() || self.segment < 0.0 {
            out.push(violation(
                format!("{name}.segment"),
                Some(self.segment.to_string()),
                "must be a resistance of 0 ohm or more".into(),
                "0 for ideal wires, inf for open ones",
            ));
        }
        for (end, resistance) in ["first", "last"].into_iter().zip(self.terminals) {
            if resistance.is_nan() || resistance < 0.0 {
                out.push(violation(
                    format!("{name}.terminals.{end}"),
                    Some(resistance.to_string()),
                    "must be a resistance of 0 ohm or more".into(),
                    "0 for an ideal source or a virtual ground",
                ));
            }
        }
        for broken in &self.broken {
            if broken.line >= lines || broken.segment > cells {
                out.push(violation(
                    format!("{name}.broken"),
                    Some(format!("line {}, segment {}", broken.line, broken.segment)),
                    format!("there are {lines} lines with segments 0 to {cells}"),
                    "count lines and segments from 0",
                ));
            }
        }
    }
}

fn violation(key: String, value: Option<String>, rule: String, way_out: &str) -> Violation {
    Violation {
        file: "circuit".into(),
        line: None,
        column: None,
        key,
        value,
        rule,
        way_out: way_out.into(),
    }
}

/// A crossbar of ohmic cells between word lines (rows) and bit lines (columns) with resistance.
///
/// Word line i has a node at each of its cells, and so has bit line j; cell (i, j) is between node j of word line i and
/// node i of bit line j.
#[derive(Debug, Clone, PartialEq)]
pub struct Circuit {
    rows: usize,
    columns: usize,
    conductances: Vec<f64>,
    word: Lines,
    bit: Lines,
}

impl Circuit {
    /// A crossbar of `rows` word lines and `columns` bit lines, with the conductances of its cells (S, row by row; 0 for an open
    /// cell).
    ///
    /// # Errors
    /// [`Error::Invalid`] with all that is wrong: no cell, a wrong number of conductances, one that is negative, infinite or not
    /// a number, resistances that are negative or not a number, broken segments that do not exist.
    pub fn new(
        rows: usize,
        columns: usize,
        conductances: Vec<f64>,
        word: Lines,
        bit: Lines,
    ) -> Result<Self> {
        let mut broken = Vec::new();
        if rows == 0 || columns == 0 || rows.saturating_mul(columns) > MOST_CELLS {
            broken.push(violation(
                "size".into(),
                Some(format!("{rows} x {columns}")),
                format!("must be at least 1 x 1 and at most {MOST_CELLS} cells"),
                "cut a larger matrix into tiles",
            ));
        } else {
            broken.extend(check(rows, columns, &conductances));
            word.violations("word", rows, columns, &mut broken);
            bit.violations("bit", columns, rows, &mut broken);
        }
        if !broken.is_empty() {
            return Err(Error::Invalid(broken));
        }
        Ok(Self {
            rows,
            columns,
            conductances,
            word,
            bit,
        })
    }

    /// The usual circuit: word lines driven at the left, bit lines held at ground at the bottom, with segments of `word` and `bit`
    /// ohm. There is a segment before the first cell of a word line and none after its last, and one after the last cell of a bit
    /// line and none before its first.
    ///
    /// # Errors
    /// As [`Circuit::new`].
    pub fn usual(
        rows: usize,
        columns: usize,
        conductances: Vec<f64>,
        word: f64,
        bit: f64,
    ) -> Result<Self> {
        Self::new(
            rows,
            columns,
            conductances,
            Lines::new(word, Ends::First),
            Lines::new(bit, Ends::Last),
        )
    }

    /// Number of word lines.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of bit lines.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Conductances of all cells, in siemens, row by row.
    pub fn conductances(&self) -> &[f64] {
        &self.conductances
    }

    /// The word lines.
    pub fn word(&self) -> &Lines {
        &self.word
    }

    /// The bit lines.
    pub fn bit(&self) -> &Lines {
        &self.bit
    }

    /// Replaces the conductances of all cells (S, row by row).
    ///
    /// # Errors
    /// As [`Circuit::new`]; the circuit stays as it was.
    pub fn set_conductances(&mut self, conductances: &[f64]) -> Result<()> {
        let broken: Vec<_> = check(self.rows, self.columns, conductances).collect();
        if !broken.is_empty() {
            return Err(Error::Invalid(broken));
        }
        self.conductances.copy_from_slice(conductances);
        Ok(())
    }

    /// Whether nothing resists but cells and terminals on one side: its lines are single nodes.
    pub(super) fn has_ideal_lines(&self) -> bool {
        self.word.is_ideal() || self.bit.is_ideal()
    }

    pub(super) fn word_wiring(&self) -> Wiring {
        Wiring::new(&self.word, self.columns)
    }

    pub(super) fn bit_wiring(&self) -> Wiring {
        Wiring::new(&self.bit, self.rows)
    }
}

/// Nodes are numbered in 32 bits.
const MOST_CELLS: usize = 1 << 28;

/// What is wrong with conductances: their number, or the first bad one and how many there are.
fn check(rows: usize, columns: usize, conductances: &[f64]) -> impl Iterator<Item = Violation> {
    let key = || "conductances".to_owned();
    let number = (conductances.len() != rows * columns).then(|| {
        violation(
            key(),
            None,
            format!(
                "{rows} x {columns} cells need {} values, not {}",
                rows * columns,
                conductances.len()
            ),
            "give one conductance a cell, row by row",
        )
    });
    let bad = |g: &&f64| !(g.is_finite() && **g >= 0.0);
    let count = conductances.iter().filter(bad).count();
    let first = conductances.iter().position(|g| bad(&g));
    let value = first.filter(|_| number.is_none()).map(|k| {
        let more = match count {
            1 => String::new(),
            _ => format!(" (and {} more)", count - 1),
        };
        violation(
            key(),
            Some(format!(
                "{} in row {}, column {}{more}",
                conductances[k],
                k / columns,
                k % columns
            )),
            "must be finite and not negative".into(),
            "0 for an open cell; a short is a large conductance",
        )
    });
    number.into_iter().chain(value)
}

/// Conductances of the segments of one side, in siemens: infinite for ideal ones, zero for open ones.
pub(super) struct Wiring {
    cells: usize,
    segment: f64,
    /// Of the segment and the terminal after it.
    leads: [f64; 2],
    broken: HashSet<Break>,
}

impl Wiring {
    fn new(lines: &Lines, cells: usize) -> Self {
        let connected = lines.ends.connected();
        let lead = |end: usize| match connected[end] {
            true => 1.0 / (lines.segment + lines.terminals[end]),
            false => 0.0,
        };
        Self {
            cells,
            segment: 1.0 / lines.segment,
            leads: [lead(0), lead(1)],
            broken: lines.broken.iter().copied().collect(),
        }
    }

    fn intact(&self, line: usize, segment: usize) -> bool {
        self.broken.is_empty() || !self.broken.contains(&Break { line, segment })
    }

    /// Of the segment between cells `cell` and `cell + 1` of a line; zero after the last cell.
    pub(super) fn link(&self, line: usize, cell: usize) -> f64 {
        if cell + 1 < self.cells && self.intact(line, cell + 1) {
            self.segment
        } else {
            0.0
        }
    }

    /// Between the outermost cells of a line and its terminal: at the first cell and at the last.
    pub(super) fn leads(&self, line: usize) -> [f64; 2] {
        [(0, 0), (1, self.cells)].map(|(end, segment)| {
            if self.intact(line, segment) {
                self.leads[end]
            } else {
                0.0
            }
        })
    }

    /// Whether all segments are alike and conduct, and every line reaches a terminal.
    pub(super) fn is_whole(&self) -> bool {
        self.broken.is_empty() && self.segment > 0.0 && self.leads.iter().any(|&g| g > 0.0)
    }
}
