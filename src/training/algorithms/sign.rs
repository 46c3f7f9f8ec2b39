//! The sign rule ("Manhattan"): every weight gets the same few pulses, in the direction in which the loss falls.
//!
//! `Δw = -n ε sign(g)` where `|g|` is beyond a dead zone: no learning rate, no size of the gradient.
//!
//! # Reference
//! E. Zamanidoost, F. M. Bayat, D. Strukov, I. Kataeva, Manhattan rule training for memristive crossbar circuit pattern classifiers, IEEE International
//! Symposium on Intelligent Signal Processing (2015).

use super::planned::Rule;
use super::whole;
use crate::arrays::Saved;
use crate::backend::StackVector;
use crate::crossbar::Synapses;
use crate::device::Counting;
use crate::error::Result;

/// Parameters of the sign rule.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sign {
    /// Pulses an update, n.
    pub pulses: u32,
    /// Gradients up to this size make no pulse.
    pub dead_zone: f64,
}

impl Sign {
    pub(super) fn rule(self, quantum: f64) -> Box<dyn Rule> {
        Box::new(SignRule {
            change: (f64::from(self.pulses) * quantum) as f32,
            dead_zone: self.dead_zone,
        })
    }
}

struct SignRule {
    change: f32,
    dead_zone: f64,
}

impl Rule for SignRule {
    fn plan(
        &mut self,
        changes: &mut StackVector,
        counting: Counting,
        rate: f64,
        _array: &mut dyn Synapses,
    ) -> Result<Counting> {
        let dead = (self.dead_zone * rate) as f32;
        for d in changes.all_mut() {
            *d = match d.abs() > dead {
                true => self.change.copysign(*d),
                false => 0.0,
            };
        }
        Ok(whole(counting))
    }

    fn begin(&mut self) {}

    fn keep(&mut self, _saved: &mut Saved) -> Result<()> {
        Ok(())
    }
}
