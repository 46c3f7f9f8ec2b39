//! Tables and the style sheet of the page.

use super::format::{MISSING, escape, estimate_parts, finite, significant};
use crate::study::summary::Estimate;

/// The style sheet, for screens of any width and for paper.
pub(super) const STYLE: &str = "
:root { color-scheme: light; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1200px; padding: 2rem 1.25rem 4rem; background: #fff; color: #1b1b1b;
  font: 16px/1.5 system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', 'DejaVu Sans', sans-serif; }
header, p, ul { max-width: 52rem; }
h1 { font-size: 1.75rem; line-height: 1.2; margin: 0 0 .5rem; }
h2 { font-size: 1.2rem; margin: 2.5rem 0 .6rem; padding-bottom: .25rem; border-bottom: 1px solid #d5d5d5; }
h3 { font-size: 1rem; margin: 1.2rem 0 .3rem; }
.claim { font-size: 1.1rem; margin: .3rem 0 .8rem; }
.facts { color: #555; font-size: .9rem; }
.note { color: #555; font-size: .88rem; }
.scroll { overflow-x: auto; margin: .5rem 0 1rem; }
table { border-collapse: collapse; font-size: .86rem; font-variant-numeric: tabular-nums; }
th, td { padding: .34rem .55rem; text-align: right; vertical-align: top; border-bottom: 1px solid #e3e3e3; white-space: nowrap; }
th { border-bottom: 1.5px solid #888; vertical-align: bottom; font-weight: 600; white-space: normal; line-height: 1.25; }
th:first-child, td:first-child, .words, .name { text-align: left; }
.words { white-space: normal; min-width: 14rem; max-width: 34rem; }
td small { display: block; color: #666; font-size: .92em; }
td small.interval { color: inherit; }
.badge { display: inline-block; padding: .02rem .55rem; border-radius: 1rem; font-weight: 600; font-size: .82rem; border: 1px solid; }
.met { color: #00543d; background: #e2f4ee; border-color: #009e73; }
.missed { color: #8a2f00; background: #fdebe0; border-color: #d55e00; }
.left { color: #555; background: #f2f2f2; border-color: #aaa; }
.warning { border-left: 4px solid #e69f00; padding: .3rem .8rem; background: #fff8ea; max-width: 52rem; }
figure { margin: 1.5rem 0 2rem; }
figure svg { display: block; max-width: 100%; height: auto; }
figcaption { max-width: 46rem; font-size: .9rem; color: #444; }
details { margin: .5rem 0; }
summary { cursor: pointer; font-weight: 600; }
pre { overflow-x: auto; background: #f6f6f6; border: 1px solid #e3e3e3; padding: .8rem; font-size: .82rem; line-height: 1.4;
  font-family: ui-monospace, 'DejaVu Sans Mono', Consolas, monospace; }
@media print {
  body { max-width: none; padding: 0; font-size: 10.5pt; }
  table { font-size: 7.5pt; } th, td { padding: .15rem .3rem; }
  figure, tr { break-inside: avoid; } h2, h3 { break-after: avoid; }
  .scroll { overflow: visible; } pre { white-space: pre-wrap; }
}
";

/// A cell: HTML and the class of its column.
pub(super) struct Cell(pub String, pub &'static str);

/// A number, or anything else on the right.
pub(super) fn number(text: String) -> Cell {
    Cell(escape(&text), "")
}

/// A name, on one line.
pub(super) fn name(text: &str) -> Cell {
    Cell(escape(text), "name")
}

/// Words that may break over lines.
pub(super) fn words(text: &str) -> Cell {
    Cell(escape(text), "words")
}

/// Rows under headers, leaving out columns of numbers that are all missing.
pub(super) fn grid(headers: &[&str], rows: &[Vec<Cell>]) -> String {
    let shown: Vec<usize> = (0..headers.len())
        .filter(|&k| {
            k == 0
                || rows
                    .iter()
                    .any(|r| r.get(k).is_some_and(|c| c.0 != MISSING))
        })
        .collect();
    let class = |k: usize| {
        let classes = rows.iter().filter_map(|r| r.get(k)).map(|c| c.1);
        match classes.max().unwrap_or_default() {
            "" => String::new(),
            class => format!(" class=\"{class}\""),
        }
    };
    let mut html = String::from("<div class=\"scroll\"><table>\n<thead><tr>");
    for &k in &shown {
        html.push_str(&format!("<th{}>{}</th>", class(k), escape(headers[k])));
    }
    html.push_str("</tr></thead>\n<tbody>\n");
    for row in rows {
        html.push_str("<tr>");
        for &k in &shown {
            let text = row.get(k).map_or("", |c| c.0.as_str());
            html.push_str(&format!("<td{}>{text}</td>", class(k)));
        }
        html.push_str("</tr>\n");
    }
    html.push_str("</tbody>\n</table></div>\n");
    html
}

/// Value, interval and, beneath, what the prediction says.
pub(super) fn measured(estimate: &Estimate) -> Cell {
    let (value, interval) = estimate_parts(estimate);
    let mut html = escape(&value);
    if let Some(interval) = interval {
        html.push_str(&format!(
            "<small class=\"interval\">{}</small>",
            escape(&interval)
        ));
    }
    if finite(estimate.predicted).is_some() {
        let predicted = escape(&significant(estimate.predicted, 4));
        html.push_str(&format!("<small>predicted {predicted}</small>"));
    }
    Cell(html, "")
}
