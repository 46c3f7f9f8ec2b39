//! Tables of measured pulse trains.

use std::collections::HashMap;
use std::path::Path;

use crate::error::{Error, Result, closest};
use crate::units::Siemens;

/// Readings of one cell in one cycle, without a gap: reading `i` follows pulse `i`.
#[derive(Debug, Clone)]
pub struct Run {
    /// Label of the cycle.
    pub cycle: String,
    /// Number of the first pulse.
    pub first: i64,
    /// Signs of the pulses; that of the first reading is not used.
    pub polarities: Vec<f64>,
    /// Conductances in siemens.
    pub conductances: Vec<f64>,
}

/// All readings of one cell.
#[derive(Debug, Clone)]
pub struct CellPulses {
    /// Label of the cell.
    pub name: String,
    /// Its trains.
    pub runs: Vec<Run>,
}

/// Measured pulse trains of some cells.
#[derive(Debug, Clone)]
pub struct Pulses {
    /// Name of the file, for messages.
    pub file: String,
    /// Cells in the order of the file.
    pub cells: Vec<CellPulses>,
    /// Jumps in the number of the pulse: nothing is learned from what happens there.
    pub gaps: usize,
}

/// Fewest pulses of either sign that a cell must have.
const FEWEST: usize = 10;
/// Greatest conductance in siemens that is believed.
const LARGEST: f64 = 1.0;

const COLUMNS: [&str; 5] = ["cell", "cycle", "pulse", "polarity", "conductance"];

impl Pulses {
    /// Reads a CSV file with the columns `cell`, `cycle`, `pulse`, `polarity` and `conductance` in any order.
    ///
    /// # Errors
    /// [`Error::Read`], or as [`Pulses::parse`].
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|e| Error::read(path, e))?;
        Self::parse(&path.display().to_string(), &text)
    }

    /// Reads a table from text; `file` names it in messages.
    ///
    /// # Errors
    /// [`Error::Data`] with line and column: a missing column or one that is not known, a conductance that is no finite number of 0 or greater, a
    /// polarity other than +1 and -1 (0 is allowed where a train starts), pulse numbers that do not rise, too few pulses of
    /// either sign in a cell, conductances that never change.
    pub fn parse(file: &str, text: &str) -> Result<Self> {
        Table { file }.parse(text)
    }

    /// Number of pulses between two readings.
    pub fn pulses(&self) -> usize {
        let runs = self.cells.iter().flat_map(|c| &c.runs);
        runs.map(|r| r.conductances.len() - 1).sum()
    }

    /// Least and greatest conductance in siemens.
    pub fn extremes(&self) -> (f64, f64) {
        let runs = self.cells.iter().flat_map(|c| &c.runs);
        let all = runs.flat_map(|r| r.conductances.iter().copied());
        all.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), g| {
            (a.min(g), b.max(g))
        })
    }
}

struct Table<'a> {
    file: &'a str,
}

/// Where the five columns are, and the unit of the last.
struct Header {
    places: [usize; 5],
    width: usize,
    unit: String,
}

/// Where the rows of a cell go.
struct Place {
    cell: usize,
    /// The last run of each cycle.
    last: HashMap<String, usize>,
}

impl Table<'_> {
    fn bad(
        &self,
        line: Option<u64>,
        column: Option<&str>,
        rule: impl Into<String>,
        way_out: impl Into<String>,
    ) -> Error {
        Error::Data {
            file: self.file.into(),
            line: line.map(|l| l as usize),
            column: column.map(Into::into),
            rule: rule.into(),
            way_out: way_out.into(),
        }
    }

    fn parse(&self, text: &str) -> Result<Pulses> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut reader = csv::ReaderBuilder::new()
            .flexible(true)
            .trim(csv::Trim::All)
            .from_reader(text.as_bytes());
        let names = reader
            .headers()
            .map_err(|e| self.bad(Some(1), None, e.to_string(), "save the file as UTF-8 text"))?
            .clone();
        let header = self.header(&names)?;
        let mut out = Pulses {
            file: self.file.into(),
            cells: Vec::new(),
            gaps: 0,
        };
        let mut places = HashMap::new();
        let mut rows = 0;
        for record in reader.records() {
            let record = record
                .map_err(|e| self.bad(None, None, e.to_string(), "save the file as UTF-8 text"))?;
            self.row(&header, &record, &mut places, &mut out)?;
            rows += 1;
        }
        if rows < 2 {
            let rule = format!("must have at least 2 readings, found {rows}");
            let way_out = "add one line a pulse below the header";
            return Err(self.bad(None, None, rule, way_out));
        }
        // A reading alone tells nothing.
        for cell in &mut out.cells {
            cell.runs.retain(|r| r.conductances.len() > 1);
        }
        self.enough(&out)?;
        Ok(out)
    }

    fn header(&self, names: &csv::StringRecord) -> Result<Header> {
        let mut unit = "S".to_owned();
        let mut found: Vec<String> = Vec::new();
        for name in names {
            let Some((word, rest)) = name.split_once('[') else {
                found.push(name.to_lowercase());
                continue;
            };
            let word = word.trim().to_lowercase();
            if word == "conductance" {
                let symbol = rest.trim_end_matches(']').trim();
                let way_out = "write for example conductance [uS]";
                format!("1 {symbol}")
                    .parse::<Siemens>()
                    .map_err(|e| self.bad(Some(1), Some(name), e.problem(), way_out))?;
                unit = symbol.to_owned();
            }
            found.push(word);
        }
        let mut places = [0; 5];
        for (place, column) in places.iter_mut().zip(COLUMNS) {
            let mut here = (0..found.len()).filter(|&k| found[k] == column);
            *place = here.next().ok_or_else(|| {
                let round = |name: &&String| {
                    let rest = name.strip_prefix(column).unwrap_or_default();
                    rest.trim_start().starts_with('(')
                };
                let unit = found.iter().find(round);
                let way_out = match closest(column, found.iter().map(String::as_str)) {
                    _ if unit.is_some() => {
                        format!("write its unit in brackets, for example {column} [uS]")
                    }
                    Some(near) => format!("did you mean it by {near}?"),
                    None => format!(
                        "the first line must name {}, for example cell,cycle,pulse,polarity,conductance [uS]",
                        COLUMNS.join(", ")
                    ),
                };
                self.bad(Some(1), Some(column), "there is no such column", way_out)
            })?;
            if here.next().is_some() {
                let rule = "there are two columns of this name";
                return Err(self.bad(Some(1), Some(column), rule, "remove one of them"));
            }
        }
        Ok(Header {
            places,
            width: found.len(),
            unit,
        })
    }

    fn row(
        &self,
        header: &Header,
        record: &csv::StringRecord,
        places: &mut HashMap<String, Place>,
        out: &mut Pulses,
    ) -> Result<()> {
        let line = record.position().map(csv::Position::line);
        if record.len() != header.width {
            let rule = format!(
                "every line must have {} values like the header, this one has {}",
                header.width,
                record.len()
            );
            return Err(self.bad(line, None, rule, "complete the line or remove it"));
        }
        let text = |k: usize| record.get(header.places[k]).unwrap_or_default();
        let bad = |k: usize, rule: String, way_out: &str| {
            Err(self.bad(line, Some(COLUMNS[k]), rule, way_out))
        };
        for k in [0, 1] {
            if text(k).is_empty() {
                return bad(k, "must not be empty".into(), "name the cell and the cycle");
            }
        }
        let Ok(pulse) = text(2).parse::<i64>() else {
            let rule = format!("must be a whole number, found \"{}\"", text(2));
            return bad(2, rule, "number the pulses of a cycle 0, 1, 2, …");
        };
        // With its unit as text: the double nearest to what was written.
        let conductance = match text(4).parse::<f64>() {
            Ok(v) if v.is_finite() => format!("{} {}", text(4), header.unit).parse::<Siemens>(),
            _ => {
                let rule = format!("must be a finite number, found \"{}\"", text(4));
                return bad(4, rule, "remove the line or fill in the value");
            }
        };
        let conductance = match conductance {
            Ok(g) => g.value(),
            Err(e) => return bad(4, e.problem().into(), "write it as 12.3 or 1.23e1"),
        };
        if conductance < 0.0 {
            let rule = format!("must be 0 or greater, found {}", text(4));
            return bad(
                4,
                rule,
                "remove the line, or correct the offset of the reading",
            );
        }
        if conductance > LARGEST {
            let rule = format!("{} is no conductance of a cell", Siemens::new(conductance));
            let way_out = "give the unit in the header, for example conductance [uS]";
            return bad(4, rule, way_out);
        }
        let (cell, cycle) = (text(0), text(1));
        let place = places.entry(cell.into()).or_insert_with(|| {
            out.cells.push(CellPulses {
                name: cell.into(),
                runs: Vec::new(),
            });
            Place {
                cell: out.cells.len() - 1,
                last: HashMap::new(),
            }
        });
        let cell = &mut out.cells[place.cell];
        let run = place.last.get(cycle).and_then(|&r| cell.runs.get_mut(r));
        let next = run
            .as_ref()
            .map(|r| i128::from(r.first) + r.conductances.len() as i128);
        if let Some(next) = next
            && i128::from(pulse) < next
        {
            let rule = format!(
                "pulse {pulse} of cycle {cycle} of cell {} must come after pulse {}",
                cell.name,
                next - 1
            );
            let way_out = "sort the lines by pulse, and give each cycle its own name";
            return bad(2, rule, way_out);
        }
        let follows = next == Some(i128::from(pulse));
        let polarity = match (text(3).parse::<f64>(), follows) {
            (Ok(p), _) if p == 1.0 || p == -1.0 => p,
            (Ok(0.0), false) => 0.0,
            _ => {
                let rule = format!("must be +1 or -1, found \"{}\"", text(3));
                let way_out =
                    "+1 potentiates, -1 depresses; 0 is for the reading before the first pulse";
                return bad(3, rule, way_out);
            }
        };
        match run {
            Some(run) if follows => {
                run.polarities.push(polarity);
                run.conductances.push(conductance);
            }
            before => {
                out.gaps += usize::from(before.is_some());
                place.last.insert(cycle.into(), cell.runs.len());
                cell.runs.push(Run {
                    cycle: cycle.into(),
                    first: pulse,
                    polarities: vec![polarity],
                    conductances: vec![conductance],
                });
            }
        }
        Ok(())
    }

    /// Whether there is enough to fit.
    fn enough(&self, pulses: &Pulses) -> Result<()> {
        for cell in &pulses.cells {
            let signs = || cell.runs.iter().flat_map(|r| r.polarities.iter().skip(1));
            for (sign, what) in [(1.0, "potentiating"), (-1.0, "depressing")] {
                let n = signs().filter(|&&p| p == sign).count();
                if n < FEWEST {
                    let rule = format!(
                        "cell {} must have at least {FEWEST} {what} pulses with a reading before and after, found {n}",
                        cell.name
                    );
                    let way_out = match pulses.gaps {
                        0 if cell.runs.is_empty() => {
                            "no cycle of it has two readings: give all readings of a train the same cycle".to_owned()
                        }
                        0 => "a law has two directions: measure both, or leave the cell out"
                            .to_owned(),
                        gaps => format!(
                            "the numbers of the pulses jump {gaps} times: read after every pulse"
                        ),
                    };
                    return Err(self.bad(None, Some("polarity"), rule, way_out));
                }
            }
            let readings = || cell.runs.iter().flat_map(|r| &r.conductances);
            let first = readings().next().copied().unwrap_or_default();
            if readings().all(|&g| (g - first).abs() <= 1e-9 * first) {
                let rule = format!(
                    "must change, cell {} stays at {}",
                    cell.name,
                    Siemens::new(first)
                );
                let way_out = "leave out cells that are stuck";
                return Err(self.bad(None, Some("conductance"), rule, way_out));
            }
        }
        self.directions(pulses)
    }

    /// Whether pulses of +1 raise the conductance above what pulses of -1 do.
    fn directions(&self, pulses: &Pulses) -> Result<()> {
        let mean = |sign: f64| {
            let (mut n, mut sum) = (0.0, 0.0);
            for run in pulses.cells.iter().flat_map(|c| &c.runs) {
                for (g, &p) in run.conductances.windows(2).zip(&run.polarities[1..]) {
                    if p == sign {
                        (n, sum) = (n + 1.0, sum + g[1] - g[0]);
                    }
                }
            }
            sum / n
        };
        let (up, down) = (mean(1.0), mean(-1.0));
        if up <= down {
            let rule = format!(
                "pulses of +1 must raise the conductance, and change it by {} on average, those of -1 by {}",
                Siemens::new(up),
                Siemens::new(down)
            );
            let way_out = "exchange the signs, or measure more pulses";
            return Err(self.bad(None, Some("polarity"), rule, way_out));
        }
        Ok(())
    }
}
