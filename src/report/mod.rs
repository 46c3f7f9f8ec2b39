//! What readers see of a study: figures, tables for the terminal and one self-contained HTML page.
//!
//! Everything here turns a [`Summary`] into text in memory. Nothing is computed that the summary does not hold, apart from
//! its presentation, and nothing is written or printed.
//!
//! - [`plots`] draws the figures that the data allow, [`device_figure`] the pulse response of a device, [`array_figure`] what wires take.
//! - [`page`] gathers all of it in one HTML page, [`table`], [`expectations`] and [`controls`] are for the terminal.
//! - [`answer`] says in words whether the L2 that the device gives for free is too little, right or too much.

mod abscissa;
mod answer;
mod array;
mod budget;
mod canvas;
mod cost;
mod curve;
mod device;
mod explicit;
mod fit;
mod format;
mod html;
mod learning;
mod network;
mod page;
mod panel;
mod programming;
mod reads;
mod ridge_path;
mod scale;
mod shrinkage;
mod strength;
mod table;
mod test_error;
mod weights;
mod written;

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod tests;

use serde::Serialize;

use crate::study::summary::{Point, Summary};

pub use answer::answer;
pub use array::array_figure;
pub use cost::costs;
pub use device::{DeviceCurve, device_figure};
pub use fit::fit_figure;
pub use page::{page, warnings};
pub use programming::{ProgrammingCurve, programming_figure};
pub use table::{TABLE_STYLE, controls, expectations, table};

/// A figure: an SVG picture and the words that go with it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Figure {
    /// Stem of its file, such as `ridge-path`.
    pub name: String,
    /// One line, also set above the picture.
    pub title: String,
    /// What is drawn and how to read it.
    pub caption: String,
    /// The picture, a complete SVG document whose text is set in the reader's own font.
    pub svg: String,
}

/// Draws all figures of a study whose data exist.
///
/// # Errors
/// A sentence, if the drawing backend fails.
pub fn plots(summary: &Summary) -> Result<Vec<Figure>, String> {
    let figures = [
        strength::figure(summary)?,
        strength::law_figure(summary)?,
        ridge_path::figure(summary)?,
        weights::figure(summary)?,
        shrinkage::figure(summary)?,
        learning::figure(summary)?,
        test_error::figure(summary)?,
        budget::figure(summary)?,
        reads::figure(summary)?,
        written::figure(summary)?,
    ];
    let mut all: Vec<Figure> = figures.into_iter().flatten().collect();
    all.extend(network::figures(summary)?);
    Ok(all)
}

/// The point in the middle of the sweep among those that have what a figure needs.
fn representative(summary: &Summary, suits: impl Fn(&Point) -> bool) -> Option<&Point> {
    let suitable: Vec<&Point> = summary.points.iter().filter(|p| suits(p)).collect();
    suitable.get(suitable.len() / 2).copied()
}

/// The label of a point in a title, unless it is the only point.
fn title_at(title: &str, point: &Point, summary: &Summary) -> String {
    if summary.points.len() > 1 && !point.label.is_empty() {
        format!("{title} at {}", point.label)
    } else {
        title.into()
    }
}
