//! A device law of your own, predicted and then simulated on the CPU and on the GPU: `cargo run --release --example custom_law`.
use memridge::device::{Kind, Law, OWN, Parameter, Pulse, STEP};
use memridge::{backend::Place, error::Result, number::Real, report, study};

const STUDY: &str = "experiments/implicit-l2/diabetes.toml";

/// Bowed soft bounds: `d₊ = 2 step (1-s)(1+bs)/(1+b/2)`, `d₋ = -2 step s (1+b(1-s))/(1+b/2)`; one step in mid-window.
pub struct BowedBounds;

impl Law for BowedBounds {
    const NAME: &'static str = "bowed-bounds";
    const PARAMETERS: &'static [Parameter] = &[Parameter {
        name: "bow",
        kind: Kind::Ratio,
        least: 0.0,
        most: 1.0,
        meaning: "how far steps within the window rise above those of soft bounds",
    }];
    fn step<R: Real>(p: &[R], s: R, pulse: &Pulse<R>) -> R {
        let (one, bow, room) = (R::lit(1.0), p[OWN], pulse.choose(R::lit(1.0) - s, s));
        let size = p[STEP] * room * (one + bow * (one - room)) / (R::lit(0.5) + R::lit(0.25) * bow);
        pulse.choose(size, -size)
    }
}

pub fn main() -> Result<()> {
    let mut study = study::Study::read(STUDY.as_ref(), &Default::default())?.without_claims();
    study.points.truncate(1);
    let point = &mut study.points[0];
    (point.replicas, point.training.steps) = (32, 3000);
    point.training.learning_rate = 0.03;
    let (law, step) = (std::sync::Arc::new(BowedBounds), 5e-4);
    point.device = point.device.with_law(law, &[step, 0.0, 1.0, 0.8])?; // in the window from 0 to 1, bow 0.8
    for place in [Place::Cpu, Place::gpu(None)?] {
        let found = study::run_study(&study.clone().at(&place), &())?.summary;
        println!("{place}\n{}", report::table(&found));
    }
    Ok(())
}
