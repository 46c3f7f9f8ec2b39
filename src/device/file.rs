//! Device files: text to a validated device to the cells of an array.

use std::path::Path;
use std::sync::Arc;

use super::cells::{Cells, Window};
use super::law::{AnyLaw, COMMON, CycleNoise, Kind, LOWER, OWN, Parameter, STEP, UPPER};
use super::uncertainty::Covariance;
use super::variation::{Spread, Variation};
use super::{ConstantStep, ExpStep, LinearStep, PowerStep, SoftBounds};
use crate::document::{NumberOr, Origin, Rule, Section, Violations};
use crate::error::{Result, Violation};
use crate::units::Siemens;

/// The laws that device files can name.
pub fn laws() -> Vec<Arc<dyn AnyLaw>> {
    vec![
        Arc::new(ConstantStep),
        Arc::new(LinearStep),
        Arc::new(SoftBounds),
        Arc::new(ExpStep),
        Arc::new(PowerStep),
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
        let write_noise = section.number("write-noise", Rule::NonNegative);
        let window = window(section);
        let laws = laws();
        let names: Vec<&str> = laws.iter().map(|l| l.name()).collect();
        let (law, parameters) = section.choice("law", &names);
        let law = laws
            .iter()
            .find(|l| l.name() == law)
            .map_or_else(|| Arc::new(SoftBounds) as Arc<dyn AnyLaw>, Arc::clone);
        let all = || COMMON.iter().chain(law.parameters());
        let nominal: Vec<f64> = all().map(|p| value(&parameters, p, window)).collect();
        if violations.is_empty()
            && let Err((key, rule, way_out)) = unphysical(&*law, window, &nominal)
        {
            parameters.violation(key, rule, way_out);
        }
        parameters.finish();
        let cycle = section.section("cycle-to-cycle");
        let noise = CycleNoise::new(
            cycle.number("additive", Rule::NonNegative),
            cycle.number("multiplicative", Rule::NonNegative),
        );
        cycle.finish();
        let mut variations = Vec::new();
        if let Some(spreads) = section.optional_section("device-to-device") {
            for (index, parameter) in all().enumerate() {
                let form = spreads.optional_section(parameter.name);
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
        let covariance = section.optional_section("covariance").and_then(|section| {
            Covariance::parse(&section, &all().collect::<Vec<_>>(), violations)
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

    /// Number of cells that spreads given cell by cell speak of, if there are any.
    pub fn listed_cells(&self) -> Option<usize> {
        self.variations.iter().find_map(|v| match &v.spread {
            Spread::List(list) => Some(list.len()),
            _ => None,
        })
    }

    /// The same device with all cells nominal.
    pub fn without_variation(&self) -> Self {
        Self {
            variations: Vec::new(),
            ..self.clone()
        }
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
        if let Err((key, rule, way_out)) = unphysical(&*law, self.window, nominal) {
            let value = names.iter().position(|n| *n == key).map(|k| nominal[k]);
            let value = value.map_or_else(String::new, |v| v.to_string());
            return Err(violation(key, value, rule, way_out).into());
        }
        Ok(Self {
            name: law.name().into(),
            law,
            nominal: nominal.to_vec(),
            variations: Vec::new(),
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
    /// that 1000 draws find no physical cell.
    pub fn cells(&self, count: usize, seed: u64) -> Result<Cells> {
        let parameters =
            super::variation::draw(&self.variations, &self.nominal, count, seed, |p| {
                unphysical(&*self.law, self.window, p).map_err(|(_, rule, _)| rule)
            })?;
        Ok(Cells::new(
            Arc::clone(&self.law),
            self.window,
            self.noise,
            self.write_noise,
            self.hard_bounds,
            self.nominal.clone(),
            parameters,
        ))
    }
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

/// One parameter in the law's own number: a fraction or position in the window, or a ratio.
fn value(section: &Section, parameter: &Parameter, window: Window) -> f64 {
    let span = window.span();
    let value = match parameter.kind {
        Kind::Ratio => section.number(parameter.name, Rule::Any),
        Kind::Change => match section.number_or_quantity::<Siemens>(parameter.name, Rule::Positive)
        {
            NumberOr::Number(v) => v,
            NumberOr::Quantity(g) => g.value() / span,
        },
        Kind::Position => match section.number_or_quantity::<Siemens>(parameter.name, Rule::Any) {
            NumberOr::Number(v) => v,
            NumberOr::Quantity(g) => (g.value() - window.g_min) / span,
        },
    };
    let (least, most) = (parameter.least, parameter.most);
    if section.has(parameter.name) && !(least..=most).contains(&value) {
        let what = match parameter.kind {
            Kind::Ratio => "the number",
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

/// What a cell with parameters `p` breaks: key, rule, way out.
pub(super) fn unphysical(
    law: &dyn AnyLaw,
    window: Window,
    p: &[f64],
) -> std::result::Result<(), (&'static str, String, String)> {
    let fail = |key, rule: &str, way_out: &str| Err((key, rule.to_owned(), way_out.to_owned()));
    if p[STEP] <= 0.0 {
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
    if window.g_min + p[LOWER] * window.span() < -1e-9 * window.span() {
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
    for k in 0..=PLACES {
        let s = p[LOWER] + (p[UPPER] - p[LOWER]) * k as f64 / PLACES as f64;
        let (up, down) = (law.step(p, s, 1.0), law.step(p, s, -1.0));
        // Soft bounds reach zero at the bound, to rounding.
        let slack = 1e-9 * p[STEP];
        if up < -slack || down > slack {
            return fail(
                "step",
                "potentiation must not decrease and depression not increase the conductance anywhere in the window",
                "check signs and rates of the law, or narrow the window",
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
    Ok(())
}

impl Variation {
    /// Reads an NPZ path relative to the file that names it.
    pub(super) fn folder(origin: &Origin) -> &Path {
        Path::new(&*origin.file).parent().unwrap_or(Path::new(""))
    }
}
