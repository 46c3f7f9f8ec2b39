//! A step of training asks for no memory: what a run allocates does not depend on its length.

use std::path::Path;

use memridge::crossbar::Crossbar;
use memridge::device::Counting;
use memridge::study::{Overrides, Prepared, Study};
use memridge::training::{Update, train};

#[test]
fn a_step_allocates_nothing() {
    check("diabetes");
    // With relaxation between steps.
    check("retention");
}

fn check(study: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments/implicit-l2");
    let path = folder.join(study).with_extension("toml");
    let study = Study::read(&path, &Overrides::default()).unwrap();
    let coincidence = Counting::Coincidence {
        bits: 31,
        update_management: true,
        length_management: false,
    };
    // What is predicted of each way of counting is nothing to the loop.
    let point = Prepared::new(study.points[1].clone()).unwrap();
    for update in [Update::PerSample, Update::Summed] {
        for counting in [
            Counting::Expected,
            Counting::Deterministic,
            Counting::StochasticRounding,
            coincidence,
        ] {
            // A summed gradient is written cell by cell: it has no trains.
            if update == Update::Summed && counting == coincidence {
                continue;
            }
            for replicas in [1, 40] {
                let allocations = |steps| {
                    let mut training = point.settings.training.clone();
                    training.steps = steps;
                    training.update = update;
                    training.counting = counting;
                    allocation_counter::measure(|| {
                        let mut array = Crossbar::new(&point.plan, 0, replicas).unwrap();
                        array.write(0, &[0.1; 10]).unwrap();
                        let (task, stream) = (&point.material.task, &point.plan.stream);
                        train(
                            task,
                            &training,
                            0..training.steps,
                            stream,
                            0,
                            &mut array,
                            &mut (),
                            &|_| (),
                        )
                        .unwrap();
                    })
                    .count_total
                };
                // The first steps may grow buffers to their final size.
                assert_eq!(
                    allocations(20),
                    allocations(200),
                    "{update:?}, {counting:?}, {replicas} replicas"
                );
            }
        }
    }
}
