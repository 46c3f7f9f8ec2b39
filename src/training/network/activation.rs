//! What is done to the sums of a layer.

use crate::number::Real;

/// An activation function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// `z`
    Identity,
    /// `tanh z`
    Tanh,
    /// `1/(1 + e^-z)`
    Sigmoid,
    /// `max(z, 0)`
    Relu,
}

impl Activation {
    /// All of them by the names that studies give them.
    pub const NAMED: [(&'static str, Self); 4] = [
        ("identity", Self::Identity),
        ("tanh", Self::Tanh),
        ("sigmoid", Self::Sigmoid),
        ("relu", Self::Relu),
    ];

    /// `φ(z)`
    #[inline(always)]
    pub fn value<R: Real>(self, z: R) -> R {
        match self {
            Self::Identity => z,
            Self::Tanh => tanh(z),
            Self::Sigmoid => (tanh(z * R::lit(0.5)) + R::lit(1.0)) * R::lit(0.5),
            Self::Relu => z.max(R::lit(0.0)),
        }
    }

    /// `φ'(z)`, from `a = φ(z)`. That of the rectifier at its kink is 0.
    #[inline(always)]
    pub fn slope<R: Real>(self, a: R) -> R {
        let one = R::lit(1.0);
        match self {
            Self::Identity => one,
            Self::Tanh => one - a.square(),
            Self::Sigmoid => a * (one - a),
            Self::Relu => R::select_lt(R::lit(0.0), a, one, R::lit(0.0)),
        }
    }
}

/// Without cancellation near zero, and without overflow.
#[inline(always)]
fn tanh<R: Real>(z: R) -> R {
    let e = (z.abs() * R::lit(-2.0)).exp_m1();
    let magnitude = -e / (e + R::lit(2.0));
    R::select_lt(z, R::lit(0.0), -magnitude, magnitude)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_and_slopes_are_those_of_the_library() {
        for z in [-30.0, -2.0, -0.3, -1e-9, 0.0, 1e-9, 0.7, 4.0, 800.0] {
            let z: f64 = z;
            assert!((Activation::Tanh.value(z) - z.tanh()).abs() <= 4e-16 * z.tanh().abs());
            let logistic = 1.0 / (1.0 + (-z).exp());
            assert!((Activation::Sigmoid.value(z) - logistic).abs() < 4e-16);
            for (name, f) in Activation::NAMED {
                // f32 is accurate to some ulp of 1
                let single = f64::from(f.value(z as f32));
                assert!(
                    (single - f.value(z)).abs() <= 4e-7 * z.abs().max(1.0),
                    "{name} {z}"
                );
                let h = 1e-6;
                let difference = (f.value(z + h) - f.value(z - h)) / (2.0 * h);
                // h² and ε/h are 1e-12 and 1e-10; the kink of the rectifier is left out
                if f != Activation::Relu || z.abs() > h {
                    let slope = f.slope(f.value(z));
                    assert!(
                        (difference - slope).abs() < 1e-8 * z.abs().max(1.0),
                        "{name} {z}"
                    );
                }
            }
        }
    }
}
