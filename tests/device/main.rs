//! Devices: laws, noise, variation, faults, what time does, the files of the library, and the periphery that reads them. One program, because each costs its own link.

mod affine_noise;
mod aging;
mod algorithms;
mod cell_noise;
mod checkpoints;
mod curves;
mod faults;
mod laws;
mod library;
mod mapping;
mod mean_counts;
mod networks;
mod onesided;
mod periphery;
mod physical;
mod pulses;
mod pulsing;
mod readouts;
mod rest_points;
mod retention;
mod seen;
mod statistics;
mod text;
mod tiles;
mod variation;
mod wires;
mod writes;
mod writing;

use std::sync::Arc;

use memridge::backend::Place;
use memridge::crossbar::{ArrayModel, Layout, Periphery, Plan};
use memridge::device::{AnyLaw, laws};
use memridge::number::Stream;

/// A law as the library holds it: one made here would compile its loops once more.
fn law(name: &str) -> Arc<dyn AnyLaw> {
    laws().into_iter().find(|l| l.name() == name).unwrap()
}

/// An array by itself, whose periphery and wires are ideal.
fn plain(model: ArrayModel, stream: Stream) -> Plan {
    Plan {
        model,
        read_noise: 0.0,
        periphery: Periphery::default(),
        layout: Layout::default(),
        wires: None,
        refresh: None,
        aggregate: true,
        stream,
        place: Place::Cpu,
    }
}
