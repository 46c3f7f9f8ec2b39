//! The fit of a law to all cells: what it is told, what it tells, and the whole of it.

use std::sync::Arc;

use serde::Serialize;

use super::super::cells::Window;
use super::super::law::AnyLaw;
use super::data::Pulses;
use super::work::Work;
use crate::error::Result;

/// What a fit is told beside the data.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Conductance of position 0 in siemens; the least reading without it.
    pub g_min: Option<f64>,
    /// Conductance of position 1 in siemens; the greatest reading without it.
    pub g_max: Option<f64>,
    /// Parameters that are held, by name.
    pub held: Vec<(String, f64)>,
    /// Write noise in steps; fitted without it.
    pub write_noise: Option<f64>,
}

/// One number of the nominal cell.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Nominal {
    /// Key in the device file.
    pub name: &'static str,
    /// Mean over cells: a position or part of the window, or a ratio.
    pub value: f64,
    /// Ends of the 95 % interval; `None` for a number that was held.
    pub interval: Option<(f64, f64)>,
    /// Standard deviation of the true number from cell to cell; `None` for one cell or a number that was held.
    pub device_to_device: Option<f64>,
    /// How probable the scatter of the cells would be if they did not differ (Cochran's Q).
    pub p_equal: Option<f64>,
}

/// One kind of noise.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Noise {
    /// Standard deviation, as device files give it.
    pub value: f64,
    /// Ends of the 95 % interval; `None` for a number that was held or that the data leave open.
    pub interval: Option<(f64, f64)>,
    /// Whether it was not held.
    pub fitted: bool,
}

/// A law fitted to pulse trains.
#[derive(Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Fit {
    /// The law.
    #[serde(skip)]
    pub law: Arc<dyn AnyLaw>,
    /// Its name.
    #[serde(rename = "law")]
    pub name: &'static str,
    /// Conductances of positions 0 and 1 in siemens.
    #[serde(skip)]
    pub window: Window,
    /// The nominal cell.
    pub parameters: Vec<Nominal>,
    /// Which of them are not held.
    #[serde(skip)]
    pub free: Vec<usize>,
    /// Covariance of the free numbers.
    pub covariance: Vec<Vec<f64>>,
    /// Degrees of freedom of that covariance, those of its part that is from the scatter of cells; `None` for one cell.
    pub degrees_of_freedom: Option<u32>,
    /// Additive and multiplicative noise from cycle to cycle.
    pub additive: Noise,
    /// The multiplicative one.
    pub multiplicative: Noise,
    /// Noise of a reading in steps.
    pub write_noise: Noise,
    /// Logarithm of the likelihood of the positions.
    pub log_likelihood: f64,
    /// Numbers fitted, those of all cells together.
    pub fitted: usize,
    /// Akaike's criterion `2 fitted - 2 log-likelihood`.
    pub aic: f64,
    /// Pulses that it is fitted to.
    pub pulses: usize,
    /// Names of the cells.
    pub cells: Vec<String>,
    /// Parameters of each cell, all of them in the order of the law.
    pub cell_parameters: Vec<Vec<f64>>,
    /// The conductance in siemens that the fit finds behind every reading: of each cell, run by run.
    #[serde(skip)]
    pub states: Vec<Vec<Vec<f64>>>,
    /// What a reader should know.
    pub notes: Vec<String>,
}

impl Fit {
    /// Numbers of the nominal cell in the order of the law.
    pub fn nominal(&self) -> Vec<f64> {
        self.parameters.iter().map(|p| p.value).collect()
    }
}

/// Fits one law; `progress` hears the fraction that is done.
///
/// # Errors
/// A held name that the law does not have, a window without width, a fit that does not converge or that the data do not
/// determine, a law that they make unphysical.
pub fn fit_law(
    law: &Arc<dyn AnyLaw>,
    pulses: &Pulses,
    options: &Options,
    progress: &(dyn Fn(f64) + Sync),
) -> Result<Fit> {
    Work::new(law, pulses, options)?.fit(progress)
}

/// A law's name and what its fit gave.
pub type Candidate = (&'static str, Result<Fit>);

/// Fits every law that device files can name; the best, by Akaike's criterion, first and those that failed last.
///
/// # Reference
/// Akaike, IEEE Trans. Autom. Control 19, 716 (1974), <https://doi.org/10.1109/TAC.1974.1100705>.
pub fn compare(
    pulses: &Pulses,
    options: &Options,
    progress: &(dyn Fn(f64) + Sync),
) -> Vec<Candidate> {
    let laws = super::fittable();
    let n = laws.len() as f64;
    let mut out: Vec<Candidate> = laws
        .iter()
        .enumerate()
        .map(|(k, law)| {
            let part = |x: f64| progress((k as f64 + x) / n);
            (law.name(), fit_law(law, pulses, options, &part))
        })
        .collect();
    let aic = |c: &Candidate| c.1.as_ref().map_or(f64::INFINITY, |f| f.aic);
    out.sort_by(|a, b| aic(a).total_cmp(&aic(b)));
    out
}
