//! The Stanford–PKU model of filamentary oxide memory: a gap that grows and shrinks by hopping in a field, heated by its own current.
//!
//! # Equation
//! `dg/dt = -v₀ e^{-E_a/k_B T} sinh(γ a₀ q V/(L k_B T))`, `γ = γ₀ - β (g/1 nm)³`, `T = T₀ + R_th |V| I`,
//! `I = I₀ e^{-g/g₀} sinh(|V|/V₀)`. State `s = (g_max - g)/(g_max - g_min)`, conductance `∝ e^{-g/g₀}`.
//!
//! # Symbols
//! | symbol | key | unit |
//! | --- | --- | --- |
//! | V | `set-voltage`, `reset-voltage` | V |
//! | – | `set-width`, `reset-width` | s |
//! | v₀ | `velocity` | m/s |
//! | E_a | `activation-energy` | eV |
//! | γ₀, β | `enhancement`, `enhancement-loss` | – |
//! | a₀, L | `hopping-distance`, `thickness` | m |
//! | R_th | `thermal-resistance` | K/W |
//! | T₀ | `temperature` | K |
//! | I₀, V₀ | `current`, `current-voltage` | A, V |
//! | g₀ | `decay-length` | m |
//! | g_min, g_max | `least-gap`, `largest-gap` | m |
//!
//! # Behaviour
//! The conductance is exponential in the state, with `k = (g_max - g_min)/g₀` as in the exponential readout. Heat makes a state of much
//! current move faster: set accelerates itself. Pulses are followed in parts by a rule of fourth order, with the temperature of each.
//!
//! # Reference
//! Jiang, Wu, Yu, Yang, Song, Karim, Wong, IEEE Trans. Electron Devices 63, 1884 (2016), <https://doi.org/10.1109/TED.2016.2545412>.
//!
//! # Differences
//! The compact model's smallest field `F_min` and its own random gap variation are left out: noise is given by `[cycle-to-cycle]` like
//! that of all devices. Currents are those at the pulse's voltage; reads are taken to be ohmic.

use super::exponential_readout::exponential;
use super::ion_drift::inside;
use super::law::{Kind, Law, OWN, Parameter, Pulse};
use super::motion::DRIVE;
use super::physical::{of_motion, parameter, voltage};
use crate::number::Real;
use crate::units::BOLTZMANN;

/// `dg/dt = -v₀ e^{-E_a/k_B T} sinh(γ a₀ q V/(L k_B T))`.
#[derive(Debug, Clone, Copy)]
pub struct StanfordPku;

impl Law for StanfordPku {
    const NAME: &'static str = "stanford-pku";
    const PARAMETERS: &'static [Parameter] = &of_motion::<22>(&[
        parameter("velocity", Kind::Ratio, 1e-6, 1e9, "v₀ in m/s"),
        parameter("activation-energy", Kind::Ratio, 0.0, 10.0, "E_a in eV"),
        parameter(
            "enhancement",
            Kind::Ratio,
            0.0,
            1e3,
            "γ₀, local field over mean field",
        ),
        parameter(
            "enhancement-loss",
            Kind::Ratio,
            0.0,
            1e3,
            "β, what a gap of 1 nm takes from it",
        ),
        parameter(
            "hopping-distance",
            Kind::Length,
            1e-11,
            1e-7,
            "distance of one hop",
        ),
        parameter(
            "thickness",
            Kind::Length,
            1e-10,
            1e-6,
            "thickness of the oxide",
        ),
        parameter("thermal-resistance", Kind::Ratio, 0.0, 1e9, "R_th in K/W"),
        parameter(
            "temperature",
            Kind::Temperature,
            1.0,
            2000.0,
            "ambient temperature",
        ),
        parameter("current", Kind::Ratio, 0.0, 1e3, "I₀ in A"),
        parameter(
            "current-voltage",
            Kind::Voltage,
            1e-3,
            1e3,
            "voltage that bends the current",
        ),
        parameter(
            "decay-length",
            Kind::Length,
            1e-12,
            1e-7,
            "gap that takes the current down by e",
        ),
        parameter(
            "least-gap",
            Kind::Length,
            0.0,
            1e-6,
            "gap at the upper end of the state",
        ),
        parameter(
            "largest-gap",
            Kind::Length,
            1e-12,
            1e-6,
            "gap at the lower end of the state",
        ),
    ]);
    const MOVES: bool = true;

    #[inline(always)]
    fn conductance<R: Real>(p: &[R], s: R) -> R {
        let own = &p[OWN..];
        exponential((own[16] - own[15]) / own[14], inside(p, s))
    }

    /// Heat at no gap in kelvin, and the mean field times a hop in volts.
    #[inline(always)]
    fn drive<R: Real>(p: &[R], s: R, pulse: &Pulse<R>) -> [R; DRIVE] {
        let own = &p[OWN..];
        let (half, voltage) = (R::lit(0.5), voltage::<Self, R>(p, s, pulse));
        let size = voltage.abs();
        let bend = size / own[13];
        let heat = own[10] * size * own[12] * half * (bend.exp() - (-bend).exp());
        let field = voltage * (own[8] / own[9]);
        [heat, field, R::lit(0.0), R::lit(0.0)]
    }

    #[inline(always)]
    fn rate<R: Real>(p: &[R], [heat, field, ..]: &[R; DRIVE], s: R, _pulse: &Pulse<R>) -> R {
        let own = &p[OWN..];
        let range = own[16] - own[15];
        let gap = own[16] - inside(p, s) * range;
        let thermal = R::lit(BOLTZMANN) * (own[11] + *heat * (-(gap / own[14])).exp());
        let nanometres = gap * R::lit(1e9);
        let enhancement = own[6] - own[7] * nanometres.square() * nanometres;
        let push = enhancement * *field;
        // Exponentials of sums: each alone would leave the range of single precision.
        let forward = ((push - own[5]) / thermal).exp();
        let backward = (-(push + own[5]) / thermal).exp();
        own[4] / range * R::lit(0.5) * (forward - backward)
    }
}
