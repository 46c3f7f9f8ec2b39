//! Networks under an explicit L2 of every strength, and where devices are among them.

use super::Figure;
use super::canvas::{INK, Pen, colour, draw};
use super::format::finite;
use super::network::networks;
use super::panel::{HEIGHT, Panel, Sign, WIDTH, header};
use super::scale::Scale;
use crate::study::summary::{Estimate, Summary, TrainedNetwork};

/// Test accuracy (or loss) over λ: a line of digital networks for each point, the network without L2 at its left end, and that of the device at its own λ.
pub(super) fn figure(summary: &Summary) -> Result<Option<Figure>, String> {
    let all: Vec<_> = networks(summary)
        .filter(|(_, n)| n.explicit.len() > 1)
        .collect();
    let classes = all
        .iter()
        .any(|(_, n)| finite(n.test_accuracy.value).is_some());
    let score = |accuracy: &Estimate, loss: &Estimate| {
        finite(if classes { accuracy.value } else { loss.value })
    };
    let line = |n: &TrainedNetwork| -> Vec<(f64, f64)> {
        let strengths = n.explicit.iter().filter(|e| e.lambda > Some(0.0));
        let mut line: Vec<_> = strengths
            .filter_map(|e| Some((e.lambda?, score(&e.test_accuracy, &e.test_loss)?)))
            .collect();
        line.sort_by(|a, b| a.0.total_cmp(&b.0));
        line
    };
    let own = |n: &TrainedNetwork| {
        let lambda = finite(n.layers.first()?.lambda_e2.value).filter(|l| *l > 0.0)?;
        Some((lambda, score(&n.test_accuracy, &n.test_loss)?))
    };
    let free = |n: &TrainedNetwork| score(&n.digital_test_accuracy, &n.digital_test_loss);
    let points = || {
        all.iter()
            .flat_map(|(_, n)| line(n).into_iter().chain(own(n)))
    };
    let values = points()
        .map(|p| p.1)
        .chain(all.iter().filter_map(|(_, n)| free(n)));
    let (Some(x), Some(y)) = (
        Scale::log(points().map(|p| p.0), 8),
        Scale::linear(values, 8),
    ) else {
        return Ok(None);
    };
    let what = if classes {
        "test accuracy"
    } else {
        "test loss"
    };
    let title = "Explicit L2 and that of the device".to_owned();
    let mut legend: Vec<(Sign, String)> = all
        .iter()
        .enumerate()
        .map(|(k, (p, _))| {
            let pen = Pen::new(colour(k, all.len()), 2.0);
            (Sign::Line(pen), p.label.clone())
        })
        .collect();
    legend.push((Sign::Disc(INK), "the device, at its λ".into()));
    legend.push((Sign::Ring(Pen::new(INK, 1.5)), "no L2".into()));
    let svg = draw((WIDTH as u32, HEIGHT as u32), |canvas| {
        let top = header(canvas, &title, &legend);
        let panel = Panel::below(top, x, y);
        panel.axes(canvas, "explicit L2 strength λ", what);
        for (k, (_, network)) in all.iter().enumerate() {
            let colour = colour(k, all.len());
            panel.curve(canvas, &line(network), Pen::new(colour, 2.0));
            if let Some(y) = free(network).and_then(|v| panel.up(v)) {
                canvas.ring((panel.left, y), 4.0, Pen::new(colour, 1.6));
            }
            if let Some(at) = own(network).and_then(|(x, y)| panel.at(x, y)) {
                canvas.disc(at, 5.0, colour);
            }
        }
    })?;
    Ok(Some(Figure {
        name: "explicit-l2".into(),
        title,
        caption: format!(
            "Lines: {what} of digital networks over the strength of an explicit L2, the same for all weights. Rings at the left: without any. Discs: the network on devices, \
             at the λ of its first layer by gradient matching. A disc on its line says that what the devices do is that L2; one below it has lost more, to the noise of its weights."
        ),
        svg,
    }))
}
