//! Every figure of speed, measured in one run and printed beside its limit: `cargo bench`.

mod limits;
mod reads;
mod table;
mod updates;

use criterion::Criterion;

fn main() {
    let mut c = Criterion::default()
        .output_directory(&table::folder())
        .configure_from_args();
    limits::measure(&mut c);
    reads::measure(&mut c);
    updates::measure(&mut c);
    c.final_summary();
    let figures: Vec<_> = reads::figures()
        .into_iter()
        .chain(updates::figures())
        .collect();
    table::print(&figures);
}
