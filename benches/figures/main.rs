//! Every figure of speed, measured in one run and printed beside its limit: `cargo bench`.

mod limits;
mod reads;
mod table;

use criterion::Criterion;

fn main() {
    let mut c = Criterion::default()
        .output_directory(&table::folder())
        .configure_from_args();
    limits::measure(&mut c);
    reads::measure(&mut c);
    c.final_summary();
    table::print(&reads::figures());
}
