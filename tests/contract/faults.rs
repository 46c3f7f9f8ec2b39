//! What a graphics processor cannot do, and what it stops doing, ends in an error that names the way out.

use std::sync::Arc;
use std::time::Duration;

use memridge::backend::{Backend, Choice, Gpu, GpuStack, Request, StackVector};
use memridge::device::Counting;

use super::devices::{self, counters};
use super::fixture::{FIRST, shape, stream, vector};

#[test]
fn a_missing_adapter() {
    let choice = Choice::Named("no such processor".into());
    let message = Gpu::open(&choice).unwrap_err().to_string();
    assert!(
        message.contains("is called \"no such processor\"; there is "),
        "{message}"
    );
}

#[test]
fn adapters_have_names_and_limits() {
    let adapters = Gpu::adapters();
    assert!(!adapters.is_empty());
    assert!(
        adapters
            .iter()
            .all(|a| !a.name.is_empty() && a.largest_binding >= 1 << 27)
    );
}

#[test]
fn a_stack_that_is_too_large() {
    let gpu = Gpu::open(&Choice::Any).unwrap();
    // 2⁴⁰ states.
    let shape = shape(1 << 38, 2, 2);
    let stack = GpuStack::new(gpu, shape, FIRST, stream(), counters(4), true);
    let message = stack.err().unwrap().to_string();
    assert!(
        message.contains("the states need 4398046511104 bytes"),
        "{message}"
    );
    assert!(
        message.contains("its limit max_") && message.contains("use fewer replicas"),
        "{message}"
    );
}

/// A device that does not answer in time: here, within no time at all.
#[test]
fn silence() {
    let gpu = Gpu::open_with_patience(&Choice::Any, Duration::ZERO).unwrap();
    let shape = shape(4096, 4, 4);
    let all = devices::all(shape.cells());
    let (_, cells) = &all[0];
    let mut stack = GpuStack::new(gpu, shape, FIRST, stream(), Arc::clone(cells), false).unwrap();
    stack.write(&vec![0.5; shape.cells()]).unwrap();
    let requests = vector(shape.cells(), shape.replicas, |_, _| 20.0);
    let request = Request::Dense(&requests);
    for step in 0..4 {
        stack
            .pulse(step, &request, Counting::Deterministic)
            .unwrap();
    }
    let mut states = StackVector::zeros(shape.cells(), shape.replicas);
    for _ in 0..2 {
        let message = stack.inspect(&mut states).unwrap_err().to_string();
        assert!(message.contains("did not answer within 0ns"), "{message}");
    }
}
