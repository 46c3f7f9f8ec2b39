//! A stack whose pulses are looked at one by one.

use std::sync::Arc;

use memridge::backend::{Backend, Place, Request, Shape, StackVector};
use memridge::device::{Cells, Counting};
use memridge::number::Stream;

use super::{SEED, WINDOW, check_independent};

pub const N: usize = 20_000;

/// A sample in the shape (cells, replicas), cell by cell, against itself: one cell, two cells, one replica further.
pub fn check_neighbours(what: &str, sample: &[f64], replicas: usize) {
    let cells = sample.len() / replicas;
    let at = |cell: usize, replica: usize| sample[cell * replicas + replica];
    for lag in [1, 2, 4] {
        let pairs =
            (lag..cells).flat_map(|c| (0..replicas).map(move |r| (at(c, r), at(c - lag, r))));
        check_independent(&format!("{what}, cells {lag} apart"), pairs);
    }
    if replicas > 1 {
        let pairs = (0..cells).flat_map(|c| (1..replicas).map(move |r| (at(c, r), at(c, r - 1))));
        check_independent(&format!("{what}, neighbouring replicas"), pairs);
    }
}

pub struct Bench {
    pub stack: Box<dyn Backend>,
    pub shape: Shape,
}

impl Bench {
    pub fn new(place: &Place, replicas: usize, cells: Arc<Cells>, aggregate: bool) -> Self {
        let shape = Shape {
            replicas,
            rows: cells.len() / 5,
            columns: 5,
        };
        Self {
            stack: place
                .stack(shape, 30, Stream::new(SEED), cells, aggregate)
                .unwrap(),
            shape,
        }
    }

    pub fn write(&mut self, position: f64) {
        self.stack
            .write(&vec![position; self.shape.cells()])
            .unwrap();
    }

    pub fn pulse(&mut self, step: u32, count: f32) {
        let mut all = StackVector::zeros(self.shape.cells(), self.shape.replicas);
        all.fill(count);
        let request = Request::Dense(&all);
        self.stack
            .pulse(step, &request, Counting::Deterministic)
            .unwrap();
    }

    pub fn states(&mut self) -> Vec<f64> {
        let mut out = StackVector::zeros(self.shape.cells(), self.shape.replicas);
        self.stack.inspect(&mut out).unwrap();
        out.all().iter().map(|&s| f64::from(s)).collect()
    }

    /// Positions as a read of single cells sees them.
    pub fn seen(&mut self) -> Vec<f64> {
        let mut out = StackVector::zeros(self.shape.cells(), self.shape.replicas);
        self.stack.conductances(&mut out).unwrap();
        let position = |g: f64| (g - WINDOW.g_min) / WINDOW.span();
        out.all().iter().map(|&g| position(f64::from(g))).collect()
    }

    /// The states that `count` pulses at `step` make of `start`, less what they were.
    pub fn changes(&mut self, step: u32, start: f64, count: f32) -> Vec<f64> {
        self.write(start);
        let before = f64::from(start as f32);
        self.pulse(step, count);
        self.states().into_iter().map(|s| s - before).collect()
    }
}

pub fn standardised(sample: &[f64], mean: f64, deviation: f64) -> Vec<f64> {
    sample.iter().map(|x| (x - mean) / deviation).collect()
}
