//! A drawing surface in logical pixels, and the palette of all figures.
//!
//! The SVG backend rounds to whole pixels, so the surface behind is finer by [`FINE`] and the picture is shown smaller.

use std::fmt::Display;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// The colours of Okabe and Ito (2008), which readers with colour-vision deficiencies tell apart, without their yellow,
/// which is too light for lines on white.
pub(super) const COLOURS: [RGBColor; 7] = [BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, BLACK];
pub(super) const BLUE: RGBColor = RGBColor(0, 114, 178);
pub(super) const VERMILION: RGBColor = RGBColor(213, 94, 0);
pub(super) const GREEN: RGBColor = RGBColor(0, 158, 115);
pub(super) const PURPLE: RGBColor = RGBColor(204, 121, 167);
pub(super) const ORANGE: RGBColor = RGBColor(230, 159, 0);
pub(super) const SKY: RGBColor = RGBColor(86, 180, 233);
pub(super) const BLACK: RGBColor = RGBColor(0, 0, 0);
/// Text and axes.
pub(super) const INK: RGBColor = RGBColor(34, 34, 34);
/// What stays behind the data.
pub(super) const GREY: RGBColor = RGBColor(128, 128, 128);
/// Grid lines.
pub(super) const FAINT: RGBColor = RGBColor(228, 228, 228);

/// Points of the surface in a logical pixel.
const FINE: f64 = 4.0;

/// The colour of the `i`-th of `n` series: the palette, or a ramp from blue to orange where the palette is too short.
pub(super) fn colour(i: usize, n: usize) -> RGBColor {
    if n <= COLOURS.len() {
        return COLOURS[i % COLOURS.len()];
    }
    const RAMP: [[f64; 3]; 4] = [
        [0.0, 60.0, 130.0],
        [86.0, 150.0, 200.0],
        [190.0, 160.0, 120.0],
        [190.0, 80.0, 0.0],
    ];
    let place = 3.0 * i as f64 / (n - 1) as f64;
    let from = (place as usize).min(2);
    let share = place - from as f64;
    let mixed = |k: usize| RAMP[from][k] * (1.0 - share) + RAMP[from + 1][k] * share;
    RGBColor(mixed(0) as u8, mixed(1) as u8, mixed(2) as u8)
}

/// How a line is drawn.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pen {
    pub colour: RGBColor,
    pub width: f64,
    pub opacity: f64,
    pub dashed: bool,
}

impl Pen {
    pub fn new(colour: RGBColor, width: f64) -> Self {
        Self {
            colour,
            width,
            opacity: 1.0,
            dashed: false,
        }
    }

    pub fn dashed(self) -> Self {
        Self {
            dashed: true,
            ..self
        }
    }

    pub fn faint(self, opacity: f64) -> Self {
        Self { opacity, ..self }
    }

    fn style(self) -> ShapeStyle {
        ShapeStyle {
            color: self.colour.mix(self.opacity),
            filled: false,
            stroke_width: (self.width * FINE).round() as u32,
        }
    }
}

/// How a text is set.
#[derive(Clone, Copy)]
pub(super) struct Type {
    pub size: f64,
    pub colour: RGBColor,
    pub bold: bool,
    pub across: HPos,
    pub upward: bool,
}

impl Type {
    pub const fn new(size: f64) -> Self {
        Self {
            size,
            colour: INK,
            bold: false,
            across: HPos::Left,
            upward: false,
        }
    }

    pub const fn right(self) -> Self {
        Self {
            across: HPos::Right,
            ..self
        }
    }

    pub const fn centred(self) -> Self {
        Self {
            across: HPos::Center,
            ..self
        }
    }

    pub const fn bold(self) -> Self {
        Self { bold: true, ..self }
    }

    pub const fn upward(self) -> Self {
        Self {
            upward: true,
            across: HPos::Center,
            ..self
        }
    }

    pub const fn coloured(self, colour: RGBColor) -> Self {
        Self { colour, ..self }
    }
}

/// About how wide a text is: fonts are the reader's.
pub(super) fn text_width(text: &str, size: f64) -> f64 {
    0.56 * size * text.chars().count() as f64
}

/// The surface. The first failure of the backend is kept until the end.
pub(super) struct Canvas<'a> {
    area: DrawingArea<SVGBackend<'a>, Shift>,
    failure: Option<String>,
}

fn fine(x: f64, y: f64) -> (i32, i32) {
    ((x * FINE).round() as i32, (y * FINE).round() as i32)
}

impl Canvas<'_> {
    fn keep<E: Display>(&mut self, outcome: Result<(), E>) {
        if let (None, Err(error)) = (&self.failure, outcome) {
            self.failure = Some(format!("the plot could not be drawn: {error}"));
        }
    }

    /// A line through points, solid or dashed.
    pub fn line(&mut self, points: &[(f64, f64)], pen: Pen) {
        if points.len() < 2 {
            return;
        }
        if !pen.dashed {
            let path: Vec<_> = points.iter().map(|&(x, y)| fine(x, y)).collect();
            let drawn = self.area.draw(&PathElement::new(path, pen.style()));
            return self.keep(drawn);
        }
        for dash in dashes(points, 6.0, 4.0) {
            self.line(
                &dash,
                Pen {
                    dashed: false,
                    ..pen
                },
            );
        }
    }

    /// A filled circle with a white rim, so that neighbours stay apart.
    pub fn disc(&mut self, (x, y): (f64, f64), radius: f64, colour: RGBColor) {
        let size = ((radius + 0.7) * FINE).round() as i32;
        let drawn = self
            .area
            .draw(&Circle::new(fine(x, y), size, WHITE.filled()));
        self.keep(drawn);
        let size = (radius * FINE).round() as i32;
        let drawn = self
            .area
            .draw(&Circle::new(fine(x, y), size, colour.filled()));
        self.keep(drawn);
    }

    /// An open circle.
    pub fn ring(&mut self, (x, y): (f64, f64), radius: f64, pen: Pen) {
        let size = (radius * FINE).round() as i32;
        let drawn = self.area.draw(&Circle::new(fine(x, y), size, pen.style()));
        self.keep(drawn);
    }

    /// A filled polygon.
    pub fn polygon(&mut self, points: &[(f64, f64)], colour: RGBColor, opacity: f64) {
        let path: Vec<_> = points.iter().map(|&(x, y)| fine(x, y)).collect();
        let style = colour.mix(opacity).filled();
        let drawn = self.area.draw(&Polygon::new(path, style));
        self.keep(drawn);
    }

    /// A filled rectangle between two corners.
    pub fn rectangle(&mut self, a: (f64, f64), b: (f64, f64), colour: RGBColor) {
        let corners = [
            fine(a.0.min(b.0), a.1.min(b.1)),
            fine(a.0.max(b.0), a.1.max(b.1)),
        ];
        let drawn = self.area.draw(&Rectangle::new(corners, colour.filled()));
        self.keep(drawn);
    }

    /// A diagonal cross.
    pub fn cross(&mut self, (x, y): (f64, f64), radius: f64, pen: Pen) {
        let r = radius;
        self.line(&[(x - r, y - r), (x + r, y + r)], pen);
        self.line(&[(x - r, y + r), (x + r, y - r)], pen);
    }

    /// An upright error bar with caps.
    pub fn error_bar(&mut self, x: f64, low: f64, high: f64, pen: Pen) {
        self.line(&[(x, low), (x, high)], pen);
        for y in [low, high] {
            self.line(&[(x - 2.5, y), (x + 2.5, y)], pen);
        }
    }

    /// A text whose middle height is at `y`.
    pub fn text(&mut self, text: &str, (x, y): (f64, f64), style: Type) {
        // The backend divides sizes by 1.24.
        let font = ("sans-serif", style.size * FINE * 1.24).into_font();
        let font = if style.bold {
            font.style(FontStyle::Bold)
        } else {
            font
        };
        let font = if style.upward {
            font.transform(FontTransform::Rotate270)
        } else {
            font
        };
        let style = TextStyle::from(font)
            .color(&style.colour)
            .pos(Pos::new(style.across, VPos::Center));
        let clean: String = text
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect();
        let drawn = self.area.draw_text(&clean, &style, fine(x, y));
        self.keep(drawn);
    }
}

/// Cuts a line into dashes.
fn dashes(points: &[(f64, f64)], on: f64, off: f64) -> Vec<Vec<(f64, f64)>> {
    let mut cut = Vec::new();
    let mut dash = Vec::new();
    let (mut drawing, mut left) = (true, on);
    for pair in points.windows(2) {
        let ((x0, y0), (x1, y1)) = (pair[0], pair[1]);
        let length = (x1 - x0).hypot(y1 - y0);
        let mut done = 0.0;
        if drawing && dash.is_empty() {
            dash.push((x0, y0));
        }
        while length - done > left {
            done += left;
            let share = done / length;
            let here = (x0 + share * (x1 - x0), y0 + share * (y1 - y0));
            if drawing {
                dash.push(here);
                cut.push(std::mem::take(&mut dash));
            } else {
                dash.push(here);
            }
            drawing = !drawing;
            left = if drawing { on } else { off };
        }
        left -= length - done;
        if drawing {
            dash.push((x1, y1));
        }
    }
    if drawing {
        cut.push(dash);
    }
    cut
}

/// Draws a picture of `width` by `height` logical pixels on white.
pub(super) fn draw(
    (width, height): (u32, u32),
    picture: impl FnOnce(&mut Canvas<'_>),
) -> Result<String, String> {
    let size = (width * FINE as u32, height * FINE as u32);
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        let mut canvas = Canvas {
            area,
            failure: None,
        };
        let filled = canvas.area.fill(&WHITE);
        canvas.keep(filled);
        picture(&mut canvas);
        let presented = canvas.area.present();
        canvas.keep(presented);
        if let Some(failure) = canvas.failure {
            return Err(failure);
        }
    }
    let large = format!("<svg width=\"{}\" height=\"{}\"", size.0, size.1);
    let shown = format!("<svg width=\"{width}\" height=\"{height}\"");
    Ok(svg.replacen(&large, &shown, 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dashes_cover_the_line_in_turns() {
        let cut = dashes(&[(0.0, 0.0), (5.0, 0.0), (25.0, 0.0)], 6.0, 4.0);
        assert_eq!(cut.len(), 3);
        assert_eq!(cut[0], [(0.0, 0.0), (5.0, 0.0), (6.0, 0.0)]);
        assert_eq!(cut[1], [(10.0, 0.0), (16.0, 0.0)]);
        assert_eq!(cut[2], [(20.0, 0.0), (25.0, 0.0)]);
    }

    #[test]
    fn a_picture_has_its_logical_size() {
        let svg = draw((72, 44), |canvas| {
            canvas.text("<&>", (1.0, 2.0), Type::new(10.0));
        });
        let svg = svg.unwrap();
        assert!(svg.starts_with("<svg width=\"72\" height=\"44\" viewBox=\"0 0 288 176\""));
        assert!(svg.contains("&lt;&amp;&gt;"));
    }

    #[test]
    fn many_series_have_colours() {
        for n in [1, 7, 8, 60] {
            for i in 0..n {
                assert_ne!(colour(i, n), WHITE);
            }
        }
    }
}
