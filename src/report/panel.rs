//! Axes, legends and the placing of data inside them.

use plotters::style::RGBColor;

use super::canvas::{Canvas, FAINT, INK, Pen, Type, text_width};
use super::format::clip;
use super::scale::Scale;

/// Width of a figure in logical pixels.
pub(super) const WIDTH: f64 = 720.0;
/// Height of a figure.
pub(super) const HEIGHT: f64 = 440.0;
/// Room for numbers and name left of a panel.
pub(super) const LEFT: f64 = 72.0;
/// Room right of a panel.
pub(super) const RIGHT: f64 = 18.0;
/// Room for numbers and name below a panel.
pub(super) const BELOW: f64 = 56.0;

const TICK: f64 = 12.0;
const NAME: f64 = 13.0;
const LEGEND: f64 = 12.5;

/// What a legend shows before a name.
#[derive(Clone, Copy, Debug)]
pub(super) enum Sign {
    Line(Pen),
    Disc(RGBColor),
    DiscOnLine(RGBColor, Pen),
    Measured(RGBColor),
    Ring(Pen),
    Cross(Pen),
    Bar(RGBColor),
    Band(RGBColor),
}

impl Sign {
    fn draw(self, canvas: &mut Canvas<'_>, x: f64, y: f64) {
        let middle = (x + 11.0, y);
        match self {
            Self::Line(pen) => canvas.line(&[(x, y), (x + 22.0, y)], pen),
            Self::Disc(colour) => canvas.disc(middle, 4.0, colour),
            Self::DiscOnLine(colour, pen) => {
                canvas.line(&[(x, y), (x + 22.0, y)], pen);
                canvas.disc(middle, 4.0, colour);
            }
            Self::Measured(colour) => {
                canvas.error_bar(middle.0, y - 7.0, y + 7.0, Pen::new(colour, 1.3));
                canvas.disc(middle, 3.6, colour);
            }
            Self::Ring(pen) => canvas.ring(middle, 4.0, pen),
            Self::Cross(pen) => canvas.cross(middle, 4.5, pen),
            Self::Bar(colour) => {
                canvas.rectangle((x + 5.0, y - 5.5), (x + 17.0, y + 5.5), colour);
            }
            Self::Band(colour) => {
                let (a, b) = ((x, y - 5.5), (x + 22.0, y + 5.5));
                canvas.polygon(&[a, (b.0, a.1), b, (a.0, b.1)], colour, 0.22);
            }
        }
    }
}

/// Title and, in rows beneath it, a legend; returns the height where a panel can start.
pub(super) fn header(canvas: &mut Canvas<'_>, title: &str, legend: &[(Sign, String)]) -> f64 {
    canvas.text(&clip(title, 88), (16.0, 20.0), Type::new(15.0).bold());
    let (mut x, mut y) = (16.0, 46.0);
    for (sign, name) in legend {
        let name = clip(name, 80);
        let width = 28.0 + text_width(&name, LEGEND) + 18.0;
        if x > 16.0 && x + width > WIDTH - 8.0 {
            x = 16.0;
            y += 19.0;
        }
        sign.draw(canvas, x, y);
        canvas.text(&name, (x + 28.0, y), Type::new(LEGEND));
        x += width;
    }
    if legend.is_empty() { 44.0 } else { y + 20.0 }
}

/// A legend as a column.
pub(super) fn column(
    canvas: &mut Canvas<'_>,
    (x, mut y): (f64, f64),
    room: (f64, f64),
    legend: &[(Sign, String)],
) {
    let pitch = (room.1 / legend.len().max(1) as f64).min(19.0);
    let most = ((room.0 - 28.0) / text_width("m", LEGEND)).max(3.0) as usize;
    for (sign, name) in legend {
        sign.draw(canvas, x, y);
        let size = LEGEND.min(pitch);
        canvas.text(&clip(name, most), (x + 28.0, y), Type::new(size));
        y += pitch;
    }
}

/// A pair of axes on a rectangle.
#[derive(Clone, Debug)]
pub(super) struct Panel {
    pub left: f64,
    pub top: f64,
    pub right: f64,
    pub bottom: f64,
    pub x: Scale,
    pub y: Scale,
}

impl Panel {
    /// The panel that fills a figure below its header.
    pub fn below(top: f64, x: Scale, y: Scale) -> Self {
        let room = if x.named { BELOW + 12.0 } else { BELOW };
        Self {
            left: LEFT,
            top,
            right: WIDTH - RIGHT,
            bottom: HEIGHT - room,
            x,
            y,
        }
    }

    fn place(&self, (u, v): (f64, f64)) -> (f64, f64) {
        (
            self.left + u * (self.right - self.left),
            self.bottom + v * (self.top - self.bottom),
        )
    }

    /// Where a value stands across.
    pub fn across(&self, x: f64) -> Option<f64> {
        let u = self.x.at(x).filter(|u| (-1e-9..=1.0 + 1e-9).contains(u))?;
        Some(self.place((u, 0.0)).0)
    }

    /// Where a value stands up.
    pub fn up(&self, y: f64) -> Option<f64> {
        let v = self.y.at(y).filter(|v| (-1e-9..=1.0 + 1e-9).contains(v))?;
        Some(self.place((0.0, v)).1)
    }

    /// Where a value stands up, at the rim if it lies beyond.
    pub fn up_clamped(&self, y: f64) -> Option<f64> {
        let v = match self.y.at(y) {
            Some(v) => v,
            // On a logarithmic axis zero and less are infinitely far down.
            None if y <= 0.0 => 0.0,
            None => return None,
        };
        Some(self.place((0.0, v.clamp(0.0, 1.0))).1)
    }

    /// Where a point stands; `None` outside.
    pub fn at(&self, x: f64, y: f64) -> Option<(f64, f64)> {
        Some((self.across(x)?, self.up(y)?))
    }

    /// A line through data, cut at the rim; a point without a place interrupts it.
    pub fn curve(&self, canvas: &mut Canvas<'_>, data: &[(f64, f64)], pen: Pen) {
        let place = |&(x, y): &(f64, f64)| Some((self.x.at(x)?, self.y.at(y)?));
        let mut run: Vec<(f64, f64)> = Vec::new();
        for pair in data.windows(2) {
            let cut = match (place(&pair[0]), place(&pair[1])) {
                (Some(a), Some(b)) => clipped(a, b),
                _ => None,
            };
            let Some((a, b)) = cut else {
                canvas.line(&std::mem::take(&mut run), pen);
                continue;
            };
            let (a, b) = (self.place(a), self.place(b));
            if run.last() != Some(&a) {
                canvas.line(&std::mem::take(&mut run), pen);
                run.push(a);
            }
            run.push(b);
        }
        canvas.line(&run, pen);
    }

    /// A measured value with its interval, moved sideways by `offset` pixels.
    pub fn measured(
        &self,
        canvas: &mut Canvas<'_>,
        (x, y): (f64, f64),
        (low, high): (Option<f64>, Option<f64>),
        (offset, colour): (f64, RGBColor),
    ) {
        let Some((px, py)) = self.at(x, y) else {
            return;
        };
        if let (Some(low), Some(high)) = (low, high)
            && let (Some(a), Some(b)) = (self.up_clamped(low), self.up_clamped(high))
        {
            canvas.error_bar(px + offset, a, b, Pen::new(colour, 1.3));
        }
        canvas.disc((px + offset, py), 3.6, colour);
    }

    /// Grid, ticks, axes and their names; without a name, the horizontal axis has no numbers either.
    pub fn axes(&self, canvas: &mut Canvas<'_>, x_name: &str, y_name: &str) {
        let grid = Pen::new(FAINT, 1.0);
        let axis = Pen::new(INK, 1.0);
        for (value, label) in &self.y.ticks {
            if let Some(y) = self.up(*value) {
                canvas.line(&[(self.left, y), (self.right, y)], grid);
                canvas.line(&[(self.left - 4.0, y), (self.left, y)], axis);
                let at = (self.left - 7.0, y);
                canvas.text(label, at, Type::new(TICK).right());
            }
        }
        for y in self.y.minor.iter().filter_map(|v| self.up(*v)) {
            canvas.line(&[(self.left - 2.0, y), (self.left, y)], axis);
        }
        let minor = self.x.minor.iter().filter(|_| !x_name.is_empty());
        for x in minor.filter_map(|v| self.across(*v)) {
            canvas.line(&[(x, self.bottom), (x, self.bottom + 2.0)], axis);
        }
        if x_name.is_empty() {
            for (x, _) in self.x.ticks.iter().filter(|_| !self.x.named) {
                if let Some(x) = self.across(*x) {
                    canvas.line(&[(x, self.top), (x, self.bottom)], grid);
                }
            }
        } else if self.x.named {
            self.labels(canvas);
        } else {
            for (value, label) in &self.x.ticks {
                if let Some(x) = self.across(*value) {
                    canvas.line(&[(x, self.top), (x, self.bottom)], grid);
                    canvas.line(&[(x, self.bottom), (x, self.bottom + 4.0)], axis);
                    let at = (x, self.bottom + 15.0);
                    canvas.text(label, at, Type::new(TICK).centred());
                }
            }
        }
        canvas.line(&[(self.left, self.top), (self.left, self.bottom)], axis);
        canvas.line(&[(self.left, self.bottom), (self.right, self.bottom)], axis);
        let down = if self.x.named { 48.0 } else { 38.0 };
        let middle = (0.5 * (self.left + self.right), self.bottom + down);
        canvas.text(x_name, middle, Type::new(NAME).centred());
        let middle = (self.left - 54.0, 0.5 * (self.top + self.bottom));
        canvas.text(y_name, middle, Type::new(NAME).upward());
    }

    /// Names of points below the axis: one row, else two in turns, else only some.
    fn labels(&self, canvas: &mut Canvas<'_>) {
        let slot = (self.right - self.left) / self.x.ticks.len().max(1) as f64;
        let names: Vec<String> = self.x.ticks.iter().map(|(_, l)| clip(l, 26)).collect();
        let widest = names
            .iter()
            .map(|n| text_width(n, TICK) + 8.0)
            .fold(0.0, f64::max);
        let (rows, stride) = if widest <= slot {
            (1, 1)
        } else {
            (2, (widest / (2.0 * slot)).ceil().max(1.0) as usize)
        };
        let ticks = self.x.ticks.iter().zip(&names).step_by(stride);
        for (i, ((value, _), name)) in ticks.enumerate() {
            let Some(x) = self.across(*value) else {
                continue;
            };
            let row = (i % rows) as f64;
            let axis = Pen::new(INK, 1.0);
            canvas.line(&[(x, self.bottom), (x, self.bottom + 4.0)], axis);
            let half = 0.5 * text_width(name, TICK);
            let x = x.clamp((8.0 + half).min(x), (WIDTH - 6.0 - half).max(8.0 + half));
            let at = (x, self.bottom + 15.0 + 15.0 * row);
            canvas.text(name, at, Type::new(TICK).centred());
        }
    }
}

/// The part of a segment inside the unit square.
fn clipped(a: (f64, f64), b: (f64, f64)) -> Option<((f64, f64), (f64, f64))> {
    let (dx, dy) = (b.0 - a.0, b.1 - a.1);
    let (mut from, mut to) = (0.0_f64, 1.0_f64);
    for (p, q) in [(-dx, a.0), (dx, 1.0 - a.0), (-dy, a.1), (dy, 1.0 - a.1)] {
        if p == 0.0 {
            if q < 0.0 {
                return None;
            }
        } else if p < 0.0 {
            from = from.max(q / p);
        } else {
            to = to.min(q / p);
        }
    }
    let point = |t: f64| match t {
        0.0 => a,
        1.0 => b,
        t => (a.0 + t * dx, a.1 + t * dy),
    };
    (from <= to).then(|| (point(from), point(to)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_cut_at_the_rim() {
        let cut = clipped((-1.0, 0.5), (3.0, 0.5));
        assert_eq!(cut, Some(((0.0, 0.5), (1.0, 0.5))));
        assert_eq!(clipped((-1.0, 2.0), (3.0, 2.0)), None);
        let inside = ((0.2, 0.3), (0.4, 0.9));
        assert_eq!(clipped(inside.0, inside.1), Some(inside));
    }

    #[test]
    fn data_without_a_place_are_left_out() {
        let y = Scale::log([0.1, 10.0], 5).unwrap();
        let panel = Panel::below(50.0, Scale::between(0.0, 1.0, 5), y);
        assert_eq!(panel.at(0.5, -1.0), None);
        assert_eq!(panel.at(f64::NAN, 1.0), None);
        assert_eq!(panel.at(2.0, 1.0), None);
        assert_eq!(panel.up_clamped(0.0), Some(panel.bottom));
        assert_eq!(panel.up_clamped(f64::NAN), None);
    }
}
