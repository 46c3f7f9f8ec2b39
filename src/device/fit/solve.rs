//! Climbing a Gaussian likelihood.

use std::cell::RefCell;

use argmin::core::{CostFunction, Executor, Gradient, Hessian, State};
use argmin::solver::trustregion::{Steihaug, TrustRegion};
use argmin_math::{ArgminAdd, ArgminDot, ArgminL2Norm, ArgminMul, ArgminZeroLike};
use nalgebra::{DMatrix, DVector, SymmetricEigen};

use super::super::uncertainty::DIFFERENCE;
use super::filter::Miss;

/// One number that is fitted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Axis {
    pub least: f64,
    pub most: f64,
    /// Size of a change that matters.
    pub scale: f64,
}

/// Misses of all readings under some parameters; `None` where these have no meaning.
pub(super) type Misses<'a> = dyn Fn(&[f64]) -> Option<Vec<Miss>> + Sync + 'a;

/// A likelihood of parameters inside a box.
pub(super) struct Likelihood<'a> {
    pub axes: Vec<Axis>,
    pub misses: &'a Misses<'a>,
}

/// Minus the logarithm of the likelihood, its gradient and the expected information.
pub(super) struct Point {
    pub cost: f64,
    pub gradient: DVector<f64>,
    pub information: DMatrix<f64>,
}

fn cost(misses: &[Miss]) -> f64 {
    let ln_2_pi = (2.0 * std::f64::consts::PI).ln();
    misses
        .iter()
        .map(|(v, s)| 0.5 * (v * v / s + s.ln() + ln_2_pi))
        .sum()
}

impl Likelihood<'_> {
    /// Minus the logarithm of the likelihood.
    pub fn cost(&self, p: &[f64]) -> Option<f64> {
        (self.misses)(p).map(|m| cost(&m)).filter(|c| c.is_finite())
    }

    /// With derivatives: `∂(v²/S + ln S)/2`, and the information `Σ ∂v ∂vᵀ/S + ∂S ∂Sᵀ/(2 S²)` of a Gaussian.
    pub fn point(&self, p: &[f64]) -> Option<Point> {
        let here = (self.misses)(p)?;
        let slopes: Vec<Vec<Miss>> = (0..p.len())
            .map(|k| {
                let h = DIFFERENCE * self.axes[k].scale;
                let at = |h: f64| {
                    let mut q = p.to_vec();
                    q[k] += h;
                    (self.misses)(&q).filter(|m| m.len() == here.len())
                };
                // Beside a wall, to the side that is open.
                let (above, below) = (at(h), at(-h));
                let width = h * f64::from(u8::from(above.is_some()) + u8::from(below.is_some()));
                let (a, b) = (
                    above.as_ref().unwrap_or(&here),
                    below.as_ref().unwrap_or(&here),
                );
                let slope = |(a, b): (&Miss, &Miss)| ((a.0 - b.0) / width, (a.1 - b.1) / width);
                (width > 0.0).then(|| a.iter().zip(b).map(slope).collect())
            })
            .collect::<Option<_>>()?;
        let n = p.len();
        let mut gradient = DVector::zeros(n);
        let mut information = DMatrix::zeros(n, n);
        for (i, &(v, s)) in here.iter().enumerate() {
            for j in 0..n {
                let (dv, ds) = slopes[j][i];
                gradient[j] += v * dv / s + 0.5 * (1.0 - v * v / s) * ds / s;
                for k in 0..=j {
                    let (ev, es) = slopes[k][i];
                    information[(j, k)] += dv * ev / s + 0.5 * ds * es / (s * s);
                }
            }
        }
        information.fill_upper_triangle_with_lower_triangle();
        let finite = gradient
            .iter()
            .chain(information.iter())
            .all(|v: &f64| v.is_finite());
        finite.then(|| Point {
            cost: cost(&here),
            gradient,
            information,
        })
    }

    fn inside(&self, theta: &[f64]) -> Vec<f64> {
        let one =
            |(a, t): (&Axis, &f64)| 0.5 * (a.least + a.most) + 0.5 * (a.most - a.least) * t.sin();
        self.axes.iter().zip(theta).map(one).collect()
    }

    fn angles(&self, p: &[f64]) -> Vec<f64> {
        let one = |(a, v): (&Axis, &f64)| {
            let x = (2.0 * v - a.least - a.most) / (a.most - a.least);
            // Not exactly at an end, where the sine has no slope.
            x.clamp(-1.0 + 1e-9, 1.0 - 1e-9).asin()
        };
        self.axes.iter().zip(p).map(one).collect()
    }
}

/// A likelihood as argmin sees it: in coordinates in which the information is the unit matrix where they start.
struct Whitened<'a> {
    likelihood: &'a Likelihood<'a>,
    centre: Vec<f64>,
    /// Angles for whitened coordinates.
    back: DMatrix<f64>,
    /// The derivatives of the last place: they are asked for one by one.
    last: RefCell<Option<(Place, Derivatives)>>,
}

/// Whitened coordinates, with the operations that argmin asks for.
#[derive(Debug, Clone, PartialEq)]
struct Place(DVector<f64>);

/// A matrix between them.
#[derive(Debug, Clone)]
struct Curvature(DMatrix<f64>);

impl ArgminAdd<Self, Self> for Place {
    fn add(&self, other: &Self) -> Self {
        Self(&self.0 + &other.0)
    }
}

impl ArgminMul<f64, Self> for Place {
    fn mul(&self, factor: &f64) -> Self {
        Self(&self.0 * *factor)
    }
}

impl ArgminDot<Self, f64> for Place {
    fn dot(&self, other: &Self) -> f64 {
        self.0.dot(&other.0)
    }
}

impl ArgminL2Norm<f64> for Place {
    fn l2_norm(&self) -> f64 {
        self.0.norm()
    }
}

impl ArgminZeroLike for Place {
    fn zero_like(&self) -> Self {
        Self(&self.0 * 0.0)
    }
}

impl ArgminDot<Place, Place> for Curvature {
    fn dot(&self, other: &Place) -> Place {
        Place(&self.0 * &other.0)
    }
}

/// Gradient and matrix.
type Derivatives = (Place, Curvature);
type Argmin<T> = std::result::Result<T, argmin::core::Error>;

/// What stands for a likelihood that does not exist: no trust region goes there.
const NOWHERE: f64 = 1e300;

impl Whitened<'_> {
    fn angles(&self, z: &Place) -> Vec<f64> {
        let shift = &self.back * &z.0;
        self.centre
            .iter()
            .zip(shift.iter())
            .map(|(c, d)| c + d)
            .collect()
    }

    fn derivatives(&self, z: &Place) -> Argmin<Derivatives> {
        if let Some((at, known)) = &*self.last.borrow()
            && at == z
        {
            return Ok(known.clone());
        }
        let (_, gradient, matrix) = in_angles(self.likelihood, &self.angles(z))
            .ok_or_else(|| argmin::core::Error::msg("no likelihood here"))?;
        let gradient = self.back.tr_mul(&gradient);
        let matrix = self.back.tr_mul(&(matrix * &self.back));
        let found = (Place(gradient), Curvature(matrix));
        *self.last.borrow_mut() = Some((z.clone(), found.clone()));
        Ok(found)
    }
}

/// Cost, gradient and curvature in angles: the information, and at a wall of the box what the turn of the sine adds. Without that a step
/// would promise the same gain however near the wall is.
fn in_angles(l: &Likelihood, theta: &[f64]) -> Option<(f64, DVector<f64>, DMatrix<f64>)> {
    let point = l.point(&l.inside(theta))?;
    let part = |f: fn(f64) -> f64| {
        let one = |(a, t): (&Axis, &f64)| 0.5 * (a.most - a.least) * f(*t);
        DVector::from_iterator(theta.len(), l.axes.iter().zip(theta).map(one))
    };
    let (slope, bend) = (part(f64::cos), part(|t| -t.sin()));
    let turn = DMatrix::from_diagonal(&slope);
    let wall = point.gradient.component_mul(&bend).map(|v| v.max(0.0));
    Some((
        point.cost,
        point.gradient.component_mul(&slope),
        &turn * point.information * &turn + DMatrix::from_diagonal(&wall),
    ))
}

impl CostFunction for Whitened<'_> {
    type Param = Place;
    type Output = f64;

    fn cost(&self, z: &Place) -> Argmin<f64> {
        let p = self.likelihood.inside(&self.angles(z));
        Ok(self.likelihood.cost(&p).unwrap_or(NOWHERE))
    }
}

impl Gradient for Whitened<'_> {
    type Param = Place;
    type Gradient = Place;

    fn gradient(&self, z: &Place) -> Argmin<Place> {
        Ok(self.derivatives(z)?.0)
    }
}

impl Hessian for Whitened<'_> {
    type Param = Place;
    type Hessian = Curvature;

    fn hessian(&self, z: &Place) -> Argmin<Curvature> {
        Ok(self.derivatives(z)?.1)
    }
}

/// Where the likelihood is greatest, and how good that is.
#[derive(Debug, Clone)]
pub(super) struct Summit {
    pub p: Vec<f64>,
    pub cost: f64,
    /// Whether no step promises more than 10⁻⁸ in the logarithm of the likelihood.
    pub reached: bool,
}

/// Steps between two changes of coordinates.
const STEPS: u64 = 6;

/// Climbs from `start`, for at most `rounds` changes of coordinates.
pub(super) fn climb(l: &Likelihood, start: &[f64], rounds: usize) -> Option<Summit> {
    // Where all is held there is nothing to climb.
    if start.is_empty() {
        return Some(Summit {
            p: Vec::new(),
            cost: l.cost(&[])?,
            reached: true,
        });
    }
    let mut theta = l.angles(start);
    let mut reached = false;
    let mut cost = f64::INFINITY;
    for _ in 0..rounds {
        let (here, gradient, information) = in_angles(l, &theta)?;
        let stalled = cost - here <= 1e-11 * here.abs().max(1.0);
        cost = here;
        let back = whitening(&information)?;
        let whitened = back.tr_mul(&gradient);
        // What a full step gains is half of the squared length of the whitened gradient.
        let length = whitened.norm();
        if 0.5 * length * length < 1e-8 {
            reached = true;
            break;
        }
        if stalled {
            // Rounding: the sum of many terms resolves no more than this.
            reached = 0.5 * length * length < 1e-5;
            break;
        }
        let problem = Whitened {
            likelihood: l,
            centre: theta.clone(),
            back,
            last: RefCell::new(None),
        };
        let region = TrustRegion::new(Steihaug::new().with_max_iters(50))
            .with_radius(length.clamp(1e-3, 1e6))
            .and_then(|r| r.with_max_radius(1e6))
            .ok()?;
        let zero = Place(DVector::zeros(theta.len()));
        let result = Executor::new(problem, region)
            .configure(|state| state.param(zero).max_iters(STEPS))
            .ctrlc(false)
            .run()
            .ok()?;
        let z = result.state().get_best_param()?.clone();
        let problem = result.problem().problem.as_ref()?;
        theta = problem.angles(&z);
    }
    let p = l.inside(&theta);
    Some(Summit {
        cost: l.cost(&p)?,
        p,
        reached,
    })
}

/// `A` with `Aᵀ I A = 1`; directions that the data leave open get a long, finite axis.
fn whitening(information: &DMatrix<f64>) -> Option<DMatrix<f64>> {
    let sizes = information
        .diagonal()
        .map(|v| if v > 0.0 { 1.0 / v.sqrt() } else { 0.0 });
    let turn = DMatrix::from_diagonal(&sizes);
    let scaled = &turn * information * &turn;
    let eigen = SymmetricEigen::try_new(scaled, 1e-15, 1000)?;
    let roots = eigen.eigenvalues.map(|v| 1.0 / v.max(1e-10).sqrt());
    Some(turn * eigen.eigenvectors * DMatrix::from_diagonal(&roots))
}

/// Inverse of an information, or `None` where a direction is not determined at all.
pub(super) fn covariance(information: &DMatrix<f64>) -> Option<DMatrix<f64>> {
    let n = information.nrows();
    if n == 0 {
        return Some(DMatrix::zeros(0, 0));
    }
    let sizes = information.diagonal().map(|v| 1.0 / v.sqrt());
    if !sizes.iter().all(|v| v.is_finite()) {
        return None;
    }
    let turn = DMatrix::from_diagonal(&sizes);
    let scaled = &turn * information * &turn;
    let eigen = SymmetricEigen::try_new(scaled, 1e-15, 1000)?;
    if eigen.eigenvalues.min() < 1e-11 {
        return None;
    }
    let inverse = DMatrix::from_diagonal(&eigen.eigenvalues.map(|v| 1.0 / v));
    let v = turn * eigen.eigenvectors;
    let out = &v * inverse * v.transpose();
    Some((&out + out.transpose()) * 0.5)
}
