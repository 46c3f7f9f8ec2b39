//! Ordinary differential equations of trajectories: one rule with steps that follow its own estimate of the error.

use nalgebra::DVector;

/// How a trajectory is followed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Steps {
    /// Error of a step that is let pass: this much …
    pub tolerance: f64,
    /// … and this part of the largest component.
    pub relative: f64,
    /// First step.
    pub first: f64,
    /// No step is longer.
    pub longest: f64,
    /// Errors below this step are let pass: of slopes that jump.
    pub least: f64,
    /// Most steps, tried ones included.
    pub most: usize,
}

/// One step that was taken.
pub(super) struct Step<'a> {
    /// Where it begins.
    pub time: f64,
    /// How long it is.
    pub h: f64,
    /// States at its ends.
    pub y: [&'a DVector<f64>; 2],
    /// Slopes there.
    pub slopes: [&'a DVector<f64>; 2],
    /// Whether nothing moves any more: then it reaches to the end, and both states are equal.
    pub rests: bool,
}

impl Step<'_> {
    /// The state at the part `s` of it: the cubic through both ends with their slopes.
    pub fn at(&self, s: f64) -> DVector<f64> {
        hermite_cubic(self.y, self.slopes, self.h, s)
    }
}

/// Follows `y' = slope(y)` over `duration` and shows every step. Slopes that are not finite mean that a step was too long.
///
/// Runge–Kutta 5(4) of J. R. Dormand and P. J. Prince, J. Comput. Appl. Math. 6, 19 (1980),
/// <https://doi.org/10.1016/0771-050X(80)90013-3>. It stops where nothing moves any more. The state at the end; none where the steps do not reach it.
pub(super) fn follow(
    mut slope: impl FnMut(&DVector<f64>) -> DVector<f64>,
    mut y: DVector<f64>,
    duration: f64,
    steps: Steps,
    mut visit: impl FnMut(&Step),
) -> Option<DVector<f64>> {
    let mut begin = slope(&y);
    let (mut time, mut h) = (0.0, steps.first.min(steps.longest));
    for _ in 0..steps.most {
        if begin.amax() * (duration - time) <= steps.tolerance {
            // Nothing moves before the end.
            visit(&Step {
                time,
                h: duration - time,
                y: [&y, &y],
                slopes: [&begin, &begin],
                rests: true,
            });
            return Some(y);
        }
        h = h.min(duration - time);
        let (next, end, error) = dormand_prince(&mut slope, &y, &begin, h);
        let error = error.amax() / (steps.tolerance + steps.relative * next.amax());
        if !error.is_finite() && h <= steps.least.max(1e-12 * duration) {
            return None;
        }
        if error <= 1.0 || h <= steps.least {
            visit(&Step {
                time,
                h,
                y: [&y, &next],
                slopes: [&begin, &end],
                rests: false,
            });
            time += h;
            (y, begin) = (next, end);
            if duration - time <= 1e-12 * duration {
                return Some(y);
            }
        }
        let factor = match error.is_finite() {
            true => (0.9 * error.max(1e-10).powf(-0.2)).clamp(0.2, 5.0),
            false => 0.1,
        };
        h = (h * factor).clamp(steps.least, steps.longest);
    }
    None
}

/// One step: the state at its end, the slope there, and the estimated error.
fn dormand_prince(
    mut slope: impl FnMut(&DVector<f64>) -> DVector<f64>,
    y: &DVector<f64>,
    begin: &DVector<f64>,
    h: f64,
) -> (DVector<f64>, DVector<f64>, DVector<f64>) {
    // The last row is the step of fifth order: its slope is the first of the next step.
    const A: [&[f64]; 6] = [
        &[1.0 / 5.0],
        &[3.0 / 40.0, 9.0 / 40.0],
        &[44.0 / 45.0, -56.0 / 15.0, 32.0 / 9.0],
        &[
            19372.0 / 6561.0,
            -25360.0 / 2187.0,
            64448.0 / 6561.0,
            -212.0 / 729.0,
        ],
        &[
            9017.0 / 3168.0,
            -355.0 / 33.0,
            46732.0 / 5247.0,
            49.0 / 176.0,
            -5103.0 / 18656.0,
        ],
        &[
            35.0 / 384.0,
            0.0,
            500.0 / 1113.0,
            125.0 / 192.0,
            -2187.0 / 6784.0,
            11.0 / 84.0,
        ],
    ];
    // Fifth order less fourth.
    const ERROR: [f64; 7] = [
        71.0 / 57600.0,
        0.0,
        -71.0 / 16695.0,
        71.0 / 1920.0,
        -17253.0 / 339_200.0,
        22.0 / 525.0,
        -1.0 / 40.0,
    ];
    let mut slopes = vec![begin.clone()];
    let mut at = y.clone();
    for row in A {
        at.copy_from(y);
        for (a, k) in row.iter().zip(&slopes) {
            at.axpy(h * a, k, 1.0);
        }
        slopes.push(slope(&at));
    }
    let mut error = y * 0.0;
    for (e, k) in ERROR.iter().zip(&slopes) {
        error.axpy(h * e, k, 1.0);
    }
    (at, slopes.swap_remove(6), error)
}

/// The cubic through both ends of a step with their slopes, at the part `s` of it.
fn hermite_cubic(y: [&DVector<f64>; 2], k: [&DVector<f64>; 2], h: f64, s: f64) -> DVector<f64> {
    let r = 1.0 - s;
    y[0] * (r * r * (1.0 + 2.0 * s)) + y[1] * (s * s * (3.0 - 2.0 * s)) + k[0] * (h * s * r * r)
        - k[1] * (h * s * s * r)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A damped oscillation in steps of one length: its error.
    fn error(h: f64) -> [f64; 2] {
        // No error is small enough, and none is too large for the least step.
        let steps = Steps {
            tolerance: 1e-300,
            relative: 0.0,
            first: h,
            longest: h,
            least: h,
            most: 10_000,
        };
        let slope = |y: &DVector<f64>| DVector::from_vec(vec![y[1], -y[0] - 0.2 * y[1]]);
        let exact = |t: f64| {
            let w = 0.99_f64.sqrt();
            let (sin, cos) = (w * t).sin_cos();
            let y = [cos + 0.1 / w * sin, -sin / w];
            DVector::from_vec(y.to_vec()) * (-0.1 * t).exp()
        };
        let mut between = 0.0_f64;
        let end = follow(
            slope,
            DVector::from_vec(vec![1.0, 0.0]),
            8.0,
            steps,
            |step| {
                between = between.max((step.at(0.4) - exact(step.time + 0.4 * step.h)).norm());
            },
        );
        [(end.unwrap() - exact(8.0)).norm(), between]
    }

    #[test]
    fn steps_are_of_fifth_order_and_what_is_between_of_fourth() {
        let [[coarse, coarse_between], [fine, fine_between]] = [0.125, 0.0625].map(error);
        // Halving once more, the orders are 4.99 and 4.00.
        let order = (coarse / fine).log2();
        assert!((order - 5.0).abs() < 0.1, "{order}");
        let order = (coarse_between / fine_between).log2();
        assert!((order - 4.0).abs() < 0.1, "{order}");
    }

    #[test]
    fn errors_follow_the_tolerance_and_rest_is_seen() {
        let steps = |tolerance| Steps {
            tolerance,
            relative: 0.0,
            first: 1e-3,
            longest: 1e9,
            least: 0.0,
            most: 10_000,
        };
        let slope = |y: &DVector<f64>| DVector::from_element(1, -y[0]);
        for tolerance in [1e-4, 1e-6, 1e-8] {
            let end = follow(
                slope,
                DVector::from_element(1, 1.0),
                2.0,
                steps(tolerance),
                |_| (),
            );
            assert!((end.unwrap()[0] - (-2.0_f64).exp()).abs() < 5.0 * tolerance);
        }
        let (mut rests, mut count) = (0, 0);
        let still = |y: &DVector<f64>| y * 0.0;
        let end = follow(
            still,
            DVector::from_element(1, 1.0),
            2.0,
            steps(1e-6),
            |step| {
                rests += usize::from(step.rests && step.h == 2.0);
                count += 1;
            },
        );
        assert_eq!((end.unwrap()[0], rests, count), (1.0, 1, 1));
        // Growth beyond all numbers ends.
        let grow = |y: &DVector<f64>| y.map(|v| v * v);
        assert!(
            follow(
                grow,
                DVector::from_element(1, 1.0),
                2.0,
                steps(1e-6),
                |_| ()
            )
            .is_none()
        );
    }
}
