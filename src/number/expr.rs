//! Numbers that record what is done to them, and print it as WGSL.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::ops::{Add, Div, Mul, Neg, Sub};

use super::elementary::{self, Single};
use super::real::Real;

/// The WGSL functions that printed expressions call. The module around them defines `hidden_zero() -> u32`, a zero that
/// the compiler cannot see ([`Single::opaque`] hides numbers behind it).
pub const WGSL: &str = include_str!("expr.wgsl");

/// Straight-line code in single precision, recorded by doing arithmetic with [`Expr`]s.
///
/// Constants are folded in `f32` (correctly rounded, as on the CPU), equal operations are recorded once, and
/// [`Tape::function`] prints only what its results need. Two identities hold up to the sign of zero and for finite
/// numbers: `0 · x = 0` and `x + 0 = x`.
///
/// ```
/// use memridge::number::{Real, Tape};
///
/// fn law<R: Real>(s: R, step: R) -> R {
///     s + step * (R::lit(1.0) - s)
/// }
/// let tape = Tape::new();
/// let next = law(tape.input("s"), Real::lit(0.25));
/// assert_eq!(
///     tape.function("next", "s: f32", &[next]),
///     "fn next(s: f32) -> f32 {\n    let v1 = 1.0f - s;\n    let v2 = 0.25f * v1;\n    let v3 = s + v2;\n    return v3;\n}\n",
/// );
/// assert_eq!(tape.evaluate(&[0.5], next), law(0.5_f32, 0.25));
/// ```
#[derive(Debug, Default)]
pub struct Tape {
    record: RefCell<Record>,
}

#[derive(Debug, Default)]
struct Record {
    nodes: Vec<Node>,
    known: HashMap<Node, u32>,
    inputs: Vec<String>,
}

/// A number on a [`Tape`], or a constant that no tape has seen yet.
#[derive(Debug, Clone, Copy)]
pub enum Expr<'t> {
    /// A constant.
    Constant(f32),
    /// What a node of a tape computes.
    Recorded(&'t Tape, u32),
}

/// One operation. Operands that it does not have are zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Node {
    op: Op,
    operands: [Operand; 4],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Operand {
    /// The bits of a constant.
    Constant(u32),
    Node(u32),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Op {
    Input(u32),
    Add,
    Sub,
    Mul,
    Div,
    Neg,
    Sqrt,
    Abs,
    Min,
    Max,
    Floor,
    Round,
    /// `a · b + c`
    MulAdd,
    /// `a < b ? c : d`
    SelectLt,
    /// `a` has the binary digit `2ᵏ ? b : c`
    SelectDigit(u32),
    Opaque,
    TwoToThe,
    Mantissa,
    Exponent,
    TurnedSine,
    TurnedCosine,
}

impl Op {
    /// Number of operands.
    fn arity(self) -> usize {
        match self {
            Self::Input(_) => 0,
            Self::Neg
            | Self::Sqrt
            | Self::Abs
            | Self::Floor
            | Self::Round
            | Self::Opaque
            | Self::TwoToThe
            | Self::Mantissa
            | Self::Exponent => 1,
            Self::Add | Self::Sub | Self::Mul | Self::Div | Self::Min | Self::Max => 2,
            Self::MulAdd | Self::SelectDigit(_) | Self::TurnedSine | Self::TurnedCosine => 3,
            Self::SelectLt => 4,
        }
    }

    /// What the operation gives on the CPU. Inputs have no value of their own.
    fn value(self, [a, b, c, d]: [f32; 4]) -> f32 {
        match self {
            Self::Input(_) => f32::NAN,
            Self::Add => a + b,
            Self::Sub => a - b,
            Self::Mul => a * b,
            Self::Div => a / b,
            Self::Neg => -a,
            Self::Sqrt => a.sqrt(),
            Self::Abs => a.abs(),
            Self::Min => Real::min(a, b),
            Self::Max => Real::max(a, b),
            Self::Floor => elementary::floor(a),
            Self::Round => Single::round(a),
            Self::MulAdd => a.mul_add(b, c),
            Self::SelectLt => <f32 as Real>::select_lt(a, b, c, d),
            Self::SelectDigit(k) => <f32 as Real>::select_digit(a, k, b, c),
            Self::Opaque => a,
            // As in WGSL: finite.
            Self::TwoToThe => <f32 as Single>::two_to_the(Real::min(a, 127.0)),
            Self::Mantissa => Single::split(a).0,
            Self::Exponent => Single::split(a).1,
            Self::TurnedSine => <f32 as Single>::turn_quarters(a, b, c).0,
            Self::TurnedCosine => <f32 as Single>::turn_quarters(a, b, c).1,
        }
    }

    /// The operation in WGSL; every operand is a name or a literal.
    fn wgsl(self, [a, b, c, d]: &[String; 4], inputs: &[String]) -> String {
        match self {
            Self::Input(k) => inputs[k as usize].clone(),
            Self::Add => format!("{a} + {b}"),
            Self::Sub => format!("{a} - {b}"),
            Self::Mul => format!("{a} * {b}"),
            Self::Div => format!("{a} / {b}"),
            Self::Neg => format!("-{a}"),
            Self::Sqrt => format!("sqrt({a})"),
            Self::Abs => format!("abs({a})"),
            Self::Min => format!("min({a}, {b})"),
            Self::Max => format!("max({a}, {b})"),
            Self::Floor => format!("floor({a})"),
            Self::Round => format!("round({a})"),
            Self::MulAdd => format!("fma({a}, {b}, {c})"),
            Self::SelectLt => format!("select({d}, {c}, {a} < {b})"),
            Self::SelectDigit(k) => {
                format!("select({c}, {b}, ((bitcast<u32>({a} + 8388608.0f) >> {k}u) & 1u) != 0u)")
            }
            Self::Opaque => format!("opaque({a})"),
            Self::TwoToThe => format!("two_to_the({a})"),
            Self::Mantissa => format!("mantissa({a})"),
            Self::Exponent => format!("exponent({a})"),
            Self::TurnedSine => format!("turned_sine({a}, {b}, {c})"),
            Self::TurnedCosine => format!("turned_cosine({a}, {b}, {c})"),
        }
    }

    /// Identities that need not be computed: the operand that is the result, or a constant.
    fn shortcut<'t>(self, [a, b, c, d]: [Expr<'t>; 4]) -> Option<Expr<'t>> {
        match self {
            Self::Add if a.is(0.0) => Some(b),
            Self::Add | Self::Sub if b.is(0.0) => Some(a),
            Self::Mul if a.is(1.0) => Some(b),
            Self::Mul | Self::Div if b.is(1.0) => Some(a),
            Self::Mul if a.is(0.0) || b.is(0.0) => Some(Expr::Constant(0.0)),
            Self::Div if a.is(0.0) => Some(Expr::Constant(0.0)),
            Self::MulAdd if a.is(0.0) || b.is(0.0) => Some(c),
            Self::MulAdd if a.is(1.0) => Some(b + c),
            Self::MulAdd if b.is(1.0) => Some(a + c),
            Self::MulAdd if c.is(0.0) => Some(a * b),
            Self::SelectLt if c.operand() == d.operand() => Some(c),
            // A choice that is made already, whatever its sides are.
            Self::SelectLt => match (a, b) {
                (Expr::Constant(a), Expr::Constant(b)) => Some(if a < b { c } else { d }),
                _ => None,
            },
            _ => None,
        }
    }
}

/// The shortest decimal that reads back as the same number. Infinities have no literal in WGSL: the largest numbers stand for
/// them. A NaN prints as a name that no module defines, so that the compiler refuses it.
fn literal(x: f32) -> String {
    let x = if x.is_nan() {
        x
    } else {
        x.clamp(f32::MIN, f32::MAX)
    };
    if x.is_sign_negative() {
        format!("({x:?}f)")
    } else {
        format!("{x:?}f")
    }
}

impl Tape {
    /// An empty tape.
    pub fn new() -> Self {
        Self::default()
    }

    /// A number that the printed code reads as `source`: a parameter of the function, or any expression of type `f32`.
    pub fn input(&self, source: &str) -> Expr<'_> {
        let mut record = self.record.borrow_mut();
        let index = match record.inputs.iter().position(|i| i == source) {
            Some(index) => index,
            None => {
                record.inputs.push(source.to_owned());
                record.inputs.len() - 1
            }
        };
        drop(record);
        Expr::Recorded(
            self,
            self.push(Node {
                op: Op::Input(index as u32),
                operands: [Operand::Constant(0); 4],
            }),
        )
    }

    /// Records a node unless it is known.
    fn push(&self, node: Node) -> u32 {
        let Record { nodes, known, .. } = &mut *self.record.borrow_mut();
        *known.entry(node).or_insert_with(|| {
            nodes.push(node);
            nodes.len() as u32 - 1
        })
    }

    /// A WGSL function that returns `results`: an `f32`, or a vector of two to four of them. `parameters` is its parameter list.
    pub fn function(&self, name: &str, parameters: &str, results: &[Expr<'_>]) -> String {
        let record = self.record.borrow();
        let mut needed = vec![false; record.nodes.len()];
        for result in results {
            if let Operand::Node(k) = result.operand() {
                needed[k as usize] = true;
            }
        }
        for k in (0..needed.len())
            .rev()
            .filter(|&k| record.nodes[k].op.arity() > 0)
        {
            if needed[k] {
                for operand in record.nodes[k].operands {
                    if let Operand::Node(k) = operand {
                        needed[k as usize] = true;
                    }
                }
            }
        }
        let kind = match results.len() {
            1 => "f32".to_owned(),
            n => format!("vec{n}<f32>"),
        };
        let mut out = format!("fn {name}({parameters}) -> {kind} {{\n");
        let show = |operand: Operand| match operand {
            Operand::Constant(bits) => literal(f32::from_bits(bits)),
            Operand::Node(k) => match record.nodes[k as usize].op {
                Op::Input(input) => record.inputs[input as usize].clone(),
                _ => format!("v{k}"),
            },
        };
        for (k, node) in record.nodes.iter().enumerate() {
            if needed[k] && node.op.arity() > 0 {
                let right = node.op.wgsl(&node.operands.map(show), &record.inputs);
                // Writing to a string cannot fail.
                let _ = writeln!(out, "    let v{k} = {right};");
            }
        }
        let shown: Vec<String> = results.iter().map(|r| show(r.operand())).collect();
        let _ = match &shown[..] {
            [one] => writeln!(out, "    return {one};\n}}"),
            several => writeln!(out, "    return {kind}({});\n}}", several.join(", ")),
        };
        out
    }

    /// What the recorded code gives on the CPU, operation by operation, for the inputs in the order of their first mention.
    ///
    /// # Panics
    /// If there are fewer values than inputs.
    pub fn evaluate(&self, inputs: &[f32], result: Expr<'_>) -> f32 {
        let record = self.record.borrow();
        let mut values: Vec<f32> = Vec::with_capacity(record.nodes.len());
        let value = |values: &[f32], operand| match operand {
            Operand::Constant(bits) => f32::from_bits(bits),
            Operand::Node(k) => values[k as usize],
        };
        for node in &record.nodes {
            let next = match node.op {
                Op::Input(k) => inputs[k as usize],
                op => op.value(node.operands.map(|o| value(&values, o))),
            };
            values.push(next);
        }
        value(&values, result.operand())
    }

    /// Number of operations recorded so far, inputs included.
    pub fn len(&self) -> usize {
        self.record.borrow().nodes.len()
    }

    /// Whether nothing is recorded.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<'t> Expr<'t> {
    fn operand(self) -> Operand {
        match self {
            Self::Constant(x) => Operand::Constant(x.to_bits()),
            Self::Recorded(_, k) => Operand::Node(k),
        }
    }

    /// Whether this is the constant `x` (of either sign if it is zero).
    fn is(self, x: f32) -> bool {
        matches!(self, Self::Constant(c) if c == x)
    }

    /// Folds an operation on constants, or records it on the tape of its operands.
    fn apply<const N: usize>(op: Op, given: [Self; N]) -> Self {
        debug_assert_eq!(N, op.arity());
        let mut operands = [Self::Constant(0.0); 4];
        operands[..N].copy_from_slice(&given);
        if let Some(simple) = op.shortcut(operands) {
            return simple;
        }
        let tape = operands.iter().find_map(|o| match o {
            Self::Recorded(tape, _) => Some(*tape),
            Self::Constant(_) => None,
        });
        match tape {
            Some(tape) => Self::Recorded(
                tape,
                tape.push(Node {
                    op,
                    operands: operands.map(Self::operand),
                }),
            ),
            None => Self::Constant(op.value(operands.map(|o| match o {
                Self::Constant(x) => x,
                Self::Recorded(..) => f32::NAN,
            }))),
        }
    }
}

impl Add for Expr<'_> {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self::apply(Op::Add, [self, other])
    }
}

impl Sub for Expr<'_> {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self::apply(Op::Sub, [self, other])
    }
}

impl Mul for Expr<'_> {
    type Output = Self;
    fn mul(self, other: Self) -> Self {
        Self::apply(Op::Mul, [self, other])
    }
}

impl Div for Expr<'_> {
    type Output = Self;
    fn div(self, other: Self) -> Self {
        Self::apply(Op::Div, [self, other])
    }
}

impl Neg for Expr<'_> {
    type Output = Self;
    fn neg(self) -> Self {
        Self::apply(Op::Neg, [self])
    }
}

impl Single for Expr<'_> {
    fn lit(x: f32) -> Self {
        Self::Constant(x)
    }
    fn select_lt(a: Self, b: Self, then: Self, otherwise: Self) -> Self {
        Self::apply(Op::SelectLt, [a, b, then, otherwise])
    }
    fn round(self) -> Self {
        Self::apply(Op::Round, [self])
    }
    fn sqrt(self) -> Self {
        Self::apply(Op::Sqrt, [self])
    }
    fn mul_add(self, a: Self, b: Self) -> Self {
        Self::apply(Op::MulAdd, [self, a, b])
    }
    fn opaque(self) -> Self {
        Self::apply(Op::Opaque, [self])
    }
    fn two_to_the(n: Self) -> Self {
        Self::apply(Op::TwoToThe, [n])
    }
    fn split(self) -> (Self, Self) {
        (
            Self::apply(Op::Mantissa, [self]),
            Self::apply(Op::Exponent, [self]),
        )
    }
    fn turn_quarters(n: Self, sin: Self, cos: Self) -> (Self, Self) {
        (
            Self::apply(Op::TurnedSine, [n, sin, cos]),
            Self::apply(Op::TurnedCosine, [n, sin, cos]),
        )
    }
}

/// What stands for the logarithm of a number that is not a positive normal one. Its products with any sensible exponent are
/// finite, and its exponential is zero.
const LOWEST_LOGARITHM: f32 = -1e30;

/// The GPU backend: the polynomials of [`elementary`], like the CPU.
///
/// Shaders may assume that no number is infinite or NaN, so where `f32` gives one of these, this stays finite: `exp` saturates
/// near 1.7e38 and `ln` is −10³⁰ for everything below the smallest normal number.
impl Real for Expr<'_> {
    fn lit(x: f64) -> Self {
        Self::Constant(x as f32)
    }
    fn exp(self) -> Self {
        elementary::exp(self)
    }
    fn exp_m1(self) -> Self {
        elementary::exp_m1(self)
    }
    fn ln(self) -> Self {
        let lowest = Self::Constant(LOWEST_LOGARITHM);
        let least = Self::Constant(f32::MIN_POSITIVE);
        <Self as Single>::select_lt(self, least, lowest, elementary::ln(self))
    }
    fn ln_1p(self) -> Self {
        let lowest = Self::Constant(LOWEST_LOGARITHM);
        <Self as Single>::select_lt(Self::Constant(-1.0), self, elementary::ln_1p(self), lowest)
    }
    fn sqrt(self) -> Self {
        Single::sqrt(self)
    }
    fn mul_add(self, a: Self, b: Self) -> Self {
        Single::mul_add(self, a, b)
    }
    fn abs(self) -> Self {
        Self::apply(Op::Abs, [self])
    }
    fn min(self, other: Self) -> Self {
        Self::apply(Op::Min, [self, other])
    }
    fn max(self, other: Self) -> Self {
        Self::apply(Op::Max, [self, other])
    }
    fn floor(self) -> Self {
        Self::apply(Op::Floor, [self])
    }
    fn select_lt(a: Self, b: Self, then: Self, otherwise: Self) -> Self {
        <Self as Single>::select_lt(a, b, then, otherwise)
    }
    fn select_digit(n: Self, k: u32, then: Self, otherwise: Self) -> Self {
        Self::apply(Op::SelectDigit(k), [n, then, otherwise])
    }
    fn turns_sin_cos(self) -> (Self, Self) {
        elementary::turns_sin_cos(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An expression that uses the whole vocabulary.
    fn everything<R: Real>(x: R) -> R {
        let half = R::lit(0.5);
        let (s, c) = x.turns_sin_cos();
        let smooth = (-x).exp() + x.exp_m1() * half - x.ln() + (x / R::lit(3.0)).ln_1p();
        let kinked = x.min(half).max(R::lit(0.1)) + (x - half).abs() + (x * R::lit(2.5)).floor();
        let chosen = R::select_lt(x, half, Real::sqrt(x), x.square());
        let digit = R::select_digit((x * R::lit(9.0)).floor(), 1, x, half);
        let fused = Real::mul_add(s, c, chosen + digit);
        smooth + kinked + fused + x.powf(R::lit(1.5))
    }

    /// Bit for bit: the tape records the operations that `f32` does, in their order.
    #[test]
    fn a_recorded_expression_is_the_direct_one() {
        let tape = Tape::new();
        let y = everything(tape.input("x"));
        for i in 1..20_000 {
            let x = i as f32 * 1e-4 + 3e-5;
            assert_eq!(
                tape.evaluate(&[x], y).to_bits(),
                everything(x).to_bits(),
                "{x}"
            );
        }
    }

    #[test]
    fn constants_fold_to_the_direct_result() {
        for x in [0.1, 0.7, 1.9_f32] {
            let Expr::Constant(y) = everything(Expr::Constant(x)) else {
                panic!("a constant was recorded");
            };
            assert_eq!(y.to_bits(), everything(x).to_bits());
        }
    }

    #[test]
    fn equal_operations_are_recorded_once_and_idle_ones_are_not_printed() {
        let tape = Tape::new();
        let (x, y) = (tape.input("x"), tape.input("y"));
        let twice = (x + y) * (x + y);
        assert_eq!(tape.len(), 4);
        let _idle = x / y;
        let same = twice + x * Expr::Constant(0.0) - Expr::Constant(0.0);
        assert_eq!(
            tape.function("f", "x: f32, y: f32", &[same, x]),
            "fn f(x: f32, y: f32) -> vec2<f32> {\n    let v2 = x + y;\n    let v3 = v2 * v2;\n    return vec2<f32>(v3, x);\n}\n",
        );
    }

    /// What is infinite or undefined in `f32` stays finite here.
    #[test]
    fn results_are_finite() {
        let tape = Tape::new();
        let x = tape.input("x");
        let at = |y: Expr, x: f32| tape.evaluate(&[x], y);
        let powers = [x.powf(Expr::Constant(0.5)), x.powf(Expr::Constant(20.0))];
        for y in powers {
            assert_eq!(at(y, 0.0), 0.0);
        }
        for y in [Real::exp(x), x.exp_m1()] {
            for large in [88.3, 88.4, 100.0, 1e30] {
                assert!((1e38..f32::INFINITY).contains(&at(y, large)), "{large}");
            }
        }
        assert_eq!(at(Real::exp(x), -1e30), 0.0);
        for y in [Real::ln(x), x.ln_1p()] {
            for low in [-1.0, -2.0] {
                assert_eq!(at(y, low), LOWEST_LOGARITHM);
            }
        }
    }

    #[test]
    fn literals_read_back_as_themselves() {
        for x in [
            0.1,
            -0.1,
            1e-37,
            f32::MIN_POSITIVE,
            12_582_912.0,
            f32::MAX,
            0.001_388_251,
        ] {
            let text = literal(x);
            let digits = text.trim_matches(['(', ')']).strip_suffix('f').unwrap();
            assert_eq!(
                digits.parse::<f32>().unwrap().to_bits(),
                x.to_bits(),
                "{text}"
            );
        }
        assert_eq!(literal(f32::INFINITY), literal(f32::MAX));
    }
}
