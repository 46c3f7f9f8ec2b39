//! Device files: text to a validated device to the cells of an array.

use std::path::Path;
use std::sync::Arc;

use super::aging::parse_retention;
use super::cell_noise::CellNoise;
use super::cells::{BOTH, Cells, Window};
use super::current_voltage::CurrentVoltage;
use super::cycle_noise::CycleNoise;
use super::drift::Drift;
use super::endurance::Wear;
use super::faults::Faults;
use super::law::{AnyLaw, COMMON, Kind, LOWER, OWN, Parameter, STEP, UPPER, parts_in};
use super::motion::{parts_for, resolves};
use super::programming::Programming;
use super::readout::reads_out;
use super::reset::Reset;
use super::retention::{Leak, Retention};
use super::uncertainty::Covariance;
use super::variation::{Spread, Variation};
use super::write_pulse::WritePulse;
use super::{
    BiolekDrift, ConstantStep, ExpStep, Exponential, ExponentialReadout, JoglekarDrift, LinearStep,
    Messaris, MessarisSquare, MetastableSwitches, Piecewise, PowerStep, Programmed, SigmoidReadout,
    SoftBounds, StanfordPku, Vteam, Yakopcic, exponential, nodes, physical,
};
use crate::document::{NumberOr, Origin, Rule, Section, Violations};
use crate::error::{Result, Violation};
use crate::units::{Kelvin, Metres, Ohms, Seconds, Siemens, Volts};

/// The laws that device files can name.
pub fn laws() -> Vec<Arc<dyn AnyLaw>> {
    vec![
        Arc::new(ConstantStep),
        Arc::new(LinearStep),
        Arc::new(SoftBounds),
        Arc::new(ExpStep),
        Arc::new(PowerStep),
        Arc::new(Exponential),
        Arc::new(Piecewise),
        Arc::new(ExponentialReadout),
        Arc::new(SigmoidReadout),
        Arc::new(JoglekarDrift),
        Arc::new(BiolekDrift),
        Arc::new(Vteam),
        Arc::new(StanfordPku),
        Arc::new(Yakopcic),
        Arc::new(Messaris),
        Arc::new(MessarisSquare),
        Arc::new(MetastableSwitches),
        Arc::new(Programmed),
    ]
}

/// A validated device.
#[derive(Clone)]
pub struct Device {
    name: String,
    description: String,
    material: String,
    cite: Vec<String>,
    source: String,
    window: Window,
    law: Arc<dyn AnyLaw>,
    nominal: Vec<f64>,
    noise: CycleNoise<f64>,
    write_noise: f64,
    hard_bounds: bool,
    variations: Vec<Variation>,
    leak: Option<Leak>,
    drift: Option<Drift>,
    wear: Option<Wear>,
    write_pulse: Option<WritePulse>,
    programming: Option<Programming>,
    cell_noise: Option<CellNoise>,
    /// And where it ends, in volts.
    current_voltage: (CurrentVoltage, Option<f64>),
    reset: Option<Reset>,
    faults: Option<Faults>,
    covariance: Option<Covariance>,
}

impl Device {
    /// Reads a device from its table; every broken rule goes to `violations`.
    pub fn parse(section: &Section, violations: &Violations) -> Self {
        // A study's device may say which file it started from; the values are merged already.
        section.optional_text("model");
        let (name, description) = (section.text("name"), section.text("description"));
        let (material, source) = (section.text("material"), section.text("source"));
        let cite = section.texts("cite");
        let hard_bounds = section.one_of("bounds", &["hard", "soft"]) == "hard";
        let window = window(section);
        let laws = laws();
        let names: Vec<&str> = laws.iter().map(|l| l.name()).collect();
        let (law, parameters) = section.choice("law", &names);
        let law = laws
            .iter()
            .find(|l| l.name() == law)
            .map_or_else(|| Arc::new(SoftBounds) as Arc<dyn AnyLaw>, Arc::clone);
        let all = || COMMON.iter().chain(law.parameters());
        let later =
            |p: &Parameter| (law.derives_step() || !law.is_pulsed()) && p.name == COMMON[STEP].name;
        let mut nominal: Vec<f64> = all()
            .map(|p| {
                if later(p) {
                    // Not known yet, and no key of the file.
                    return f64::NAN;
                }
                value(&parameters, p, window)
            })
            .collect();
        if law.parameters().iter().any(|p| p.kind == Kind::Node) {
            nominal.splice(OWN.., nodes::read(&parameters));
        }
        let (noise, write_noise) = if law.is_pulsed() {
            pulse_noise(section)
        } else {
            (CycleNoise::new(0.0, 0.0), 0.0)
        };
        let mut variations = Vec::new();
        if let Some(spreads) = section.optional_section("device-to-device") {
            let shared = |p: &Parameter| matches!(p.kind, Kind::Node | Kind::Derived);
            let own = all().enumerate().filter(|(_, p)| !shared(p) && !later(p));
            for (index, parameter) in own {
                let form = spreads.optional_section(parameter.name);
                if let Some(form) = &form
                    && nominal[index] == 0.0
                    && let Some(key) = ["relative-normal", "log-normal"]
                        .into_iter()
                        .find(|k| form.has(k))
                {
                    form.violation(
                        key,
                        format!(
                            "the nominal {} is 0, of which no part can vary",
                            parameter.name
                        ),
                        "give the deviation itself, for example { normal = 0.05 }",
                    );
                }
                variations.extend(
                    form.and_then(|form| Spread::parse(&form).map(|s| (s, form)))
                        .map(|(spread, form)| Variation {
                            index,
                            spread,
                            origin: form.origin().clone(),
                            key: form.path().to_owned(),
                        }),
                );
            }
            spreads.finish();
        }
        if let Some(scheme) = section.optional_section("pulse-scheme") {
            let ramps = physical::scheme(&scheme);
            if law.moves() {
                let end = nominal.len() - 1;
                nominal[end - ramps.len()..end].copy_from_slice(&ramps);
            } else {
                section.violation(
                    "pulse-scheme",
                    format!(
                        "the law {} has no pulses whose voltage or width could rise",
                        law.name()
                    ),
                    "remove the table, or choose a physical law",
                );
            }
            scheme.finish();
        }
        if violations.is_empty()
            && let Err((key, rule, way_out)) = derived(&*law, &mut nominal, &variations)
                .and_then(|()| unphysical(&*law, window, &nominal, section.has("reset")))
        {
            parameters.violation(key, rule, way_out);
        }
        parameters.finish();
        let (leak, drift) = parse_retention(section, window);
        if (leak.is_some() || drift.is_some()) && reads_out(&*law) {
            section.violation(
                "retention",
                format!(
                    "the law {} has no retention: its state is not its conductance",
                    law.name()
                ),
                "remove the table, or choose a law without a readout",
            );
        }
        let programming = Programming::parse(section, window);
        if programming.is_some() && reads_out(&*law) {
            section.violation(
                "programming",
                format!(
                    "the law {} has no programming: its state is not its conductance",
                    law.name()
                ),
                "remove the table, or choose a law without a readout",
            );
        }
        let cell_noise = CellNoise::parse(section, window);
        let current_voltage = CurrentVoltage::parse(section, window);
        let wear = Wear::parse(section);
        let write_pulse = WritePulse::parse(section, &*law);
        let reset = Reset::parse(section, window);
        if reset.is_some() && reads_out(&*law) {
            section.violation(
                "reset",
                format!(
                    "the law {} has no reset: its state is not its conductance",
                    law.name()
                ),
                "remove the table, or choose a law without a readout",
            );
        }
        let faults = Faults::parse(section, window);
        let covariance = section.optional_section("covariance").and_then(|section| {
            let derives_step = law.derives_step() || !law.is_pulsed();
            Covariance::parse(
                &section,
                &all().collect::<Vec<_>>(),
                derives_step,
                violations,
            )
        });
        Self {
            name,
            description,
            material,
            cite,
            source,
            window,
            law,
            nominal,
            noise,
            write_noise,
            hard_bounds,
            variations,
            leak,
            drift,
            wear,
            write_pulse,
            programming,
            cell_noise,
            current_voltage,
            reset,
            faults,
            covariance,
        }
    }

    /// Name for people.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// One or two sentences.
    pub fn description(&self) -> &str {
        &self.description
    }

    /// Material system.
    pub fn material(&self) -> &str {
        &self.material
    }

    /// Citation keys.
    pub fn cite(&self) -> &[String] {
        &self.cite
    }

    /// Where each number is from.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The conductance window.
    pub fn window(&self) -> Window {
        self.window
    }

    /// The law.
    pub fn law(&self) -> &dyn AnyLaw {
        &*self.law
    }

    /// Nominal parameters: common ones, then the law's own, with what they are.
    pub fn parameters(&self) -> impl Iterator<Item = (&'static Parameter, f64)> + '_ {
        COMMON
            .iter()
            .chain(self.law.parameters())
            .zip(self.nominal.iter().copied())
    }

    /// Cycle-to-cycle noise.
    pub fn noise(&self) -> CycleNoise<f64> {
        self.noise
    }

    /// Voltages and widths of its pulses, where they are known.
    pub fn write_pulse(&self) -> Option<WritePulse> {
        self.write_pulse
            .or_else(|| WritePulse::of_law(&*self.law, &self.nominal))
    }

    /// Current of a cell against its voltage.
    pub fn current_voltage(&self) -> CurrentVoltage {
        self.current_voltage.0
    }

    /// The voltage that the curve ends at, if it does.
    pub fn largest_voltage(&self) -> Option<f64> {
        self.current_voltage.1
    }

    /// Standard deviation of the write noise in nominal steps.
    pub fn write_noise(&self) -> f64 {
        self.write_noise
    }

    /// Whether states stop hard at the ends of the window.
    pub fn hard_bounds(&self) -> bool {
        self.hard_bounds
    }

    /// Covariance of the estimates of its parameters, if the file has one.
    pub fn covariance(&self) -> Option<&Covariance> {
        self.covariance.as_ref()
    }

    /// Device-to-device spreads.
    pub fn variations(&self) -> &[Variation] {
        &self.variations
    }

    /// How states of the nominal cell relax, if they do.
    pub fn retention(&self) -> Option<Retention> {
        self.leak.as_ref().map(|leak| leak.nominal)
    }

    /// How conductances drift, if they do.
    pub fn drift(&self) -> Option<&Drift> {
        self.drift.as_ref()
    }

    /// Whether states change while no pulse comes.
    pub fn forgets(&self) -> bool {
        self.leak.is_some() || self.drift.is_some()
    }

    /// What the file says of endurance.
    pub fn wear(&self) -> Option<&Wear> {
        self.wear.as_ref()
    }

    /// What the file says of exponential relaxation.
    pub fn leak(&self) -> Option<&Leak> {
        self.leak.as_ref()
    }

    /// How programmed cells miss their targets, if they do.
    pub fn programming(&self) -> Option<&Programming> {
        self.programming.as_ref()
    }

    /// Noise of reads of single cells, if there is any.
    pub fn cell_noise(&self) -> Option<&CellNoise> {
        self.cell_noise.as_ref()
    }

    /// What a reset does; a device that has one is one-sided.
    pub fn reset(&self) -> Option<Reset> {
        self.reset
    }

    /// How cells come to be stuck, if they do.
    pub fn faults(&self) -> Option<&Faults> {
        self.faults.as_ref()
    }

    /// Number of cells that spreads given cell by cell speak of, if there are any.
    pub fn listed_cells(&self) -> Option<usize> {
        let leak = self.leak.iter().flat_map(|leak| &leak.variations);
        let wear = self.wear.iter().flat_map(|wear| &wear.variations);
        let mut all = self.variations.iter().chain(leak).chain(wear);
        all.find_map(|v| match &v.spread {
            Spread::List(list) => Some(list.len()),
            _ => None,
        })
    }

    /// The same device with all cells nominal, and none stuck.
    pub fn without_variation(&self) -> Self {
        Self {
            variations: Vec::new(),
            leak: self.leak.clone().map(|leak| Leak {
                variations: Vec::new(),
                ..leak
            }),
            wear: self.wear.clone().map(|wear| Wear {
                variations: Vec::new(),
                ..wear
            }),
            faults: None,
            ..self.clone()
        }
    }

    /// The same device with `factor` times as many pulses across its window, each as much smaller. Physical laws, whose pulses are given
    /// by voltage and width, stay as they are.
    pub fn finer(&self, factor: f64) -> Self {
        let mut finer = self.clone();
        finer.nominal[STEP] /= factor;
        finer
    }

    /// The same device, all cells nominal and none stuck, with these numbers for its nominal ones and what follows from them.
    pub(super) fn with_nominal(&self, nominal: &[f64]) -> Self {
        let mut device = self.without_variation();
        device.nominal = nominal.to_vec();
        if self.law.derives_step() {
            device.nominal[STEP] = mean_step(&*self.law, nominal);
        }
        device
    }

    /// A device of another law, for laws that no device file names: the same window, noise and bounds, all cells nominal.
    ///
    /// `nominal` are the parameters as positions and fractions of the window: [`COMMON`] ones first, then the law's own.
    ///
    /// # Errors
    /// The wrong number of parameters, or values that are unphysical under the law.
    pub fn with_law(&self, law: Arc<dyn AnyLaw>, nominal: &[f64]) -> Result<Self> {
        let violation = |key: &str, value: String, rule: String, way_out: String| Violation {
            file: format!("device of the law {}", law.name()),
            line: None,
            column: None,
            key: key.into(),
            value: Some(value),
            rule,
            way_out,
        };
        let names: Vec<&str> = COMMON
            .iter()
            .chain(law.parameters())
            .map(|p| p.name)
            .collect();
        if nominal.len() != names.len() {
            let rule = format!("the law has {} parameters", names.len());
            let way_out = format!("give, in this order, {}", names.join(", "));
            return Err(violation("parameters", format!("{nominal:?}"), rule, way_out).into());
        }
        // Resets lead to states that are their own readouts.
        let reset = self.reset.filter(|_| !reads_out(&*law));
        if let Err((key, rule, way_out)) = unphysical(&*law, self.window, nominal, reset.is_some())
        {
            let value = names.iter().position(|n| *n == key).map(|k| nominal[k]);
            let value = value.map_or_else(String::new, |v| v.to_string());
            return Err(violation(key, value, rule, way_out).into());
        }
        Ok(Self {
            name: law.name().into(),
            reset,
            law,
            nominal: nominal.to_vec(),
            variations: Vec::new(),
            faults: None,
            covariance: None,
            ..self.clone()
        })
    }

    /// Draws the `count` cells of an array, row-major, from `seed`.
    ///
    /// A cell that would be unphysical (a window without width, a negative conductance, a step of the wrong sign) is drawn
    /// anew, which truncates the distributions.
    ///
    /// # Errors
    /// A list of the wrong length, an unreadable NPZ file, a listed value that is unphysical, or a spread so wide
    /// that 1000 draws find no physical cell; a mask of stuck cells that is unreadable or wrong.
    pub fn cells(&self, count: usize, seed: u64) -> Result<Cells> {
        let parameters =
            super::variation::draw(&self.variations, &self.nominal, count, seed, |p| {
                unphysical(&*self.law, self.window, p, self.reset.is_some())
                    .map_err(|(_, rule, _)| rule)
            })?;
        let stuck = match &self.faults {
            Some(faults) => faults.draw(count, seed, self.window)?,
            None => Vec::new(),
        };
        let cells = Cells::without_trains(
            Arc::clone(&self.law),
            self.window,
            self.noise,
            self.write_noise,
            self.hard_bounds,
            exponential::in_cells(&*self.law, &self.nominal),
            exponential::in_cells(&*self.law, &parameters),
        );
        let cells = cells.with_stuck(stuck);
        let cells = match self.reset {
            Some(reset) => cells.with_resets(reset, &reset.draw(count, seed)),
            None => cells.with_trains(&BOTH),
        };
        let cells = match &self.programming {
            Some(programming) => cells.with_programming(programming.clone()),
            None => cells,
        };
        let cells = match &self.cell_noise {
            Some(noise) => cells.with_cell_noise(noise.clone()),
            None => cells,
        };
        let cells = match &self.leak {
            Some(leak) => cells.with_retentions(leak.nominal, leak.draw(count, seed)?),
            None => cells,
        };
        let cells = match &self.drift {
            Some(drift) => cells.with_drift(drift.clone()),
            None => cells,
        };
        Ok(match &self.wear {
            Some(wear) => cells.with_endurance(wear.nominal, wear.draw(count, seed)?),
            None => cells,
        })
    }
}

/// Cycle-to-cycle noise and write noise.
fn pulse_noise(section: &Section) -> (CycleNoise<f64>, f64) {
    let cycle = section.section("cycle-to-cycle");
    let noise = CycleNoise::parse(&cycle);
    cycle.finish();
    (noise, section.number("write-noise", Rule::NonNegative))
}

fn window(section: &Section) -> Window {
    let window = section.section("window");
    let g_min = window
        .quantity::<Siemens>("g-min", Rule::NonNegative)
        .value();
    let g_max = window.quantity::<Siemens>("g-max", Rule::Positive).value();
    if window.has("g-min") && window.has("g-max") && g_max <= g_min {
        window.violation(
            "g-max",
            "the window must have a width: g-max must be greater than g-min",
            format!("choose g-max above {}", Siemens::new(g_min)),
        );
    }
    window.finish();
    Window { g_min, g_max }
}

/// Mean size of a pulse's change over the window of the state, both polarities.
pub(super) fn mean_step(law: &dyn AnyLaw, p: &[f64]) -> f64 {
    const PLACES: usize = 64;
    let places = (0..PLACES).map(|k| {
        let part = (k as f64 + 0.5) / PLACES as f64;
        let s = p[LOWER] + (p[UPPER] - p[LOWER]) * part;
        law.step(p, s, 1.0).abs() + law.step(p, s, -1.0).abs()
    });
    places.sum::<f64>() / (2 * PLACES) as f64
}

/// One parameter in the law's own number: a fraction or position in the window, or a ratio.
fn value(section: &Section, parameter: &Parameter, window: Window) -> f64 {
    let span = window.span();
    let value = match parameter.kind {
        Kind::Ratio | Kind::Label => section.number(parameter.name, Rule::Any),
        // They are read together.
        Kind::Node | Kind::Derived => return 0.0,
        Kind::Voltage => section.quantity::<Volts>(parameter.name, Rule::Any).value(),
        Kind::Time => section
            .quantity::<Seconds>(parameter.name, Rule::Any)
            .value(),
        Kind::Length => section
            .quantity::<Metres>(parameter.name, Rule::Any)
            .value(),
        Kind::Resistance => section.quantity::<Ohms>(parameter.name, Rule::Any).value(),
        Kind::Temperature => section
            .quantity::<Kelvin>(parameter.name, Rule::Any)
            .value(),
        Kind::Change => match section.number_or_quantity::<Siemens>(parameter.name, Rule::Positive)
        {
            NumberOr::Number(v) => v,
            NumberOr::Quantity(g) => g.value() / span,
        },
        Kind::Position => window.position(section.number_or_quantity(parameter.name, Rule::Any)),
    };
    let (least, most) = (parameter.least, parameter.most);
    if section.has(parameter.name) && !(least..=most).contains(&value) {
        let what = match parameter.kind {
            Kind::Ratio | Kind::Label | Kind::Node | Kind::Derived => "the number",
            Kind::Voltage | Kind::Time | Kind::Length | Kind::Resistance | Kind::Temperature => {
                "the number of SI units"
            }
            Kind::Change => "the change as a fraction of the window",
            Kind::Position => "the position in the window (0 at g-min, 1 at g-max)",
        };
        section.violation(
            parameter.name,
            format!("{what} is {value} and must lie between {least} and {most}"),
            format!("it is the {}", parameter.meaning),
        );
    }
    value
}

/// Key, rule, way out.
type Broken = (&'static str, String, String);

/// What a cell with parameters `p` breaks. Depressing pulses of one-sided cells do not exist.
pub(super) fn unphysical(
    law: &dyn AnyLaw,
    window: Window,
    p: &[f64],
    one_sided: bool,
) -> std::result::Result<(), Broken> {
    let fail = |key, rule: &str, way_out: &str| Err((key, rule.to_owned(), way_out.to_owned()));
    if law.derives_step() && !(p[LOWER] >= 0.0 && p[UPPER] <= 1.0) {
        return fail(
            "upper",
            "the state of this law is a part of a whole: its bounds must lie between 0 and 1",
            "for example lower = 0.0 and upper = 1.0",
        );
    }
    if law.derives_step() && (p[STEP] <= 0.0 || p[STEP].is_nan()) {
        return fail(
            "set-voltage",
            "no pulse moves the state",
            "give pulses beyond their thresholds, longer or stronger ones",
        );
    }
    if law.is_pulsed() && p[STEP] <= 0.0 {
        return fail(
            "step",
            "must be greater than 0",
            "give the size of one pulse's change",
        );
    }
    if p[LOWER] >= p[UPPER] {
        return fail(
            "upper",
            "the cell's window must have a width: upper must be greater than lower",
            "for example lower = 0.0 and upper = 1.0",
        );
    }
    let lowest = law.conductance(p, p[LOWER]);
    if window.g_min + lowest * window.span() < -1e-9 * window.span() {
        return fail(
            "lower",
            "the conductance at the lower bound must not be negative",
            "raise lower or g-min",
        );
    }
    for (parameter, &v) in COMMON.iter().chain(law.parameters()).zip(p).skip(OWN) {
        if !(parameter.least..=parameter.most).contains(&v) {
            let rule = format!(
                "must lie between {} and {}",
                parameter.least, parameter.most
            );
            return Err((parameter.name, rule, parameter.meaning.to_owned()));
        }
        if parameter.kind == Kind::Position && (v <= p[LOWER] || v >= p[UPPER]) {
            return fail(
                parameter.name,
                "must lie between the cell's lower and upper bound",
                "move it into the window",
            );
        }
    }
    const PLACES: usize = 64;
    let p = &*exponential::in_cells(law, p);
    for k in 0..=PLACES {
        let s = p[LOWER] + (p[UPPER] - p[LOWER]) * k as f64 / PLACES as f64;
        let up = law.step(p, s, 1.0);
        let down = if one_sided { 0.0 } else { law.step(p, s, -1.0) };
        let next = s + (p[UPPER] - p[LOWER]) / PLACES as f64;
        let (here, there) = (law.conductance(p, s), law.conductance(p, next));
        if k < PLACES && (there <= here || !(there - here).is_finite()) {
            return fail(
                "upper",
                "the conductance must rise with the state everywhere in the window",
                "check the numbers of the readout",
            );
        }
        // Soft bounds reach zero at the bound, to rounding.
        let slack = 1e-9 * p[STEP];
        if up < -slack || down > slack {
            return fail(
                "step",
                "potentiation must not decrease and depression not increase the conductance anywhere in the window",
                "check signs and rates of the law, or narrow the window",
            );
        }
        if !(up - down).is_finite() {
            return fail(
                "step",
                "a pulse must change the state by a finite amount everywhere in the window",
                "check the signs and sizes of the law's parameters",
            );
        }
        if up.max(-down) > 0.5 * (p[UPPER] - p[LOWER]) {
            return fail(
                "step",
                "one pulse must not cross half the window",
                "make the step smaller or the window wider",
            );
        }
    }
    if law.moves() && !resolves(law, p, parts_in(true, p), 8, 1e-3) {
        return fail("set-voltage", UNRESOLVED.0, UNRESOLVED.1);
    }
    Ok(())
}

/// What is wrong with a pulse that no number of parts follows, and the way out.
const UNRESOLVED: (&str, &str) = (
    "the motion during one pulse must be followed to 1e-4 of itself in at most 64 parts",
    "give shorter or weaker pulses",
);

/// Fills in what follows from other numbers: the parts that pulses are followed in, for the nominal cell and 32 that are drawn with the
/// file's spreads, and the step.
fn derived(
    law: &dyn AnyLaw,
    nominal: &mut [f64],
    variations: &[Variation],
) -> std::result::Result<(), Broken> {
    const DRAWN: usize = 32;
    if law.moves()
        && let Some(last) = nominal.len().checked_sub(1)
    {
        // Values cell by cell belong to one array alone.
        let drawn: Vec<Variation> = variations
            .iter()
            .filter(|v| !matches!(v.spread, Spread::List(_) | Spread::Npz { .. }))
            .cloned()
            .collect();
        let cells = super::variation::draw(&drawn, nominal, DRAWN, 0, |_| Ok(()));
        let cells = cells.unwrap_or_default();
        let cells = if drawn.is_empty() { &[] } else { &cells[..] };
        let needed = |p: &[f64]| parts_for(law, p);
        let Some(mut parts) = needed(nominal) else {
            let (rule, way_out) = UNRESOLVED;
            return Err(("set-voltage", rule.into(), way_out.into()));
        };
        // Cells that are unphysical will be drawn anew.
        for p in cells.chunks_exact(nominal.len()) {
            parts = parts.max(needed(p).unwrap_or(parts));
        }
        nominal[last] = parts as f64;
    }
    if !law.is_pulsed() {
        nominal[STEP] = 0.0;
    } else if law.derives_step() {
        nominal[STEP] = mean_step(law, nominal);
    }
    Ok(())
}

impl Variation {
    /// Reads an NPZ path relative to the file that names it.
    pub(super) fn folder(origin: &Origin) -> &Path {
        Path::new(&*origin.file).parent().unwrap_or(Path::new(""))
    }
}
