//! Numbers and text as readers see them: few digits, a dash for what is missing, HTML escaped.

use crate::study::summary::Estimate;

/// What stands for a number that does not exist.
pub(super) const MISSING: &str = "–";

/// The number if it is one.
pub(super) fn finite(value: Option<f64>) -> Option<f64> {
    value.filter(|v| v.is_finite())
}

/// `value` to a number of decimals, without a minus before zero.
pub(super) fn fixed(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    match text.strip_prefix('-') {
        Some(rest) if rest.bytes().all(|b| b == b'0' || b == b'.') => rest.into(),
        Some(rest) => format!("−{rest}"),
        None => text,
    }
}

/// Whole exponent of ten of a positive number.
fn exponent(value: f64) -> i32 {
    value.log10().floor() as i32
}

/// A number to `digits` significant digits; very small and very large ones in powers of ten.
pub(super) fn significant(value: Option<f64>, digits: usize) -> String {
    let Some(value) = finite(value) else {
        return MISSING.into();
    };
    if value == 0.0 {
        return "0".into();
    }
    let exponent = exponent(value.abs());
    if (-4..6).contains(&exponent) {
        let decimals = (digits as i32 - 1 - exponent).clamp(0, 8);
        fixed(value, decimals as usize)
    } else {
        scientific(value, digits.saturating_sub(1))
    }
}

/// `1.5×10⁻⁷`; a mantissa of exactly one is left out.
pub(super) fn scientific(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let power = format!("10{}", superscript(exponent));
    match mantissa.trim_end_matches('0').trim_end_matches('.') {
        "1" => power,
        "-1" => format!("−{power}"),
        _ => format!("{}×{power}", mantissa.replace('-', "−")),
    }
}

fn superscript(digits: &str) -> String {
    let raise = |c| match c {
        '-' => '⁻',
        '0' => '⁰',
        '1' => '¹',
        '2' => '²',
        '3' => '³',
        '4' => '⁴',
        '5' => '⁵',
        '6' => '⁶',
        '7' => '⁷',
        '8' => '⁸',
        _ => '⁹',
    };
    digits.chars().map(raise).collect()
}

/// Three significant digits without trailing zeros, as settings and plain numbers are shown.
pub(super) fn short(value: Option<f64>) -> String {
    trimmed(value, 3)
}

/// So many significant digits, without trailing zeros.
pub(super) fn trimmed(value: Option<f64>, digits: usize) -> String {
    let text = significant(value, digits);
    let (mantissa, power) = match text.split_once('×') {
        Some((mantissa, power)) => (mantissa, format!("×{power}")),
        None => (text.as_str(), String::new()),
    };
    if !mantissa.contains('.') {
        return text;
    }
    let mantissa = mantissa.trim_end_matches('0').trim_end_matches('.');
    format!("{mantissa}{power}")
}

/// A share of one, in per cent without the sign.
pub(super) fn percent(share: Option<f64>) -> String {
    let Some(share) = finite(share) else {
        return MISSING.into();
    };
    let value = 100.0 * share;
    match value.abs() {
        v if v < 9.995 => fixed(value, 2),
        v if v < 99.95 => fixed(value, 1),
        v if v < 1e6 => fixed(value, 0),
        _ => scientific(value, 1),
    }
}

/// A measured number and its interval, apart, with as many decimals as the width of the interval deserves.
pub(super) fn estimate_parts(estimate: &Estimate) -> (String, Option<String>) {
    let value = finite(estimate.value);
    let (Some(low), Some(high)) = (finite(estimate.low), finite(estimate.high)) else {
        return (significant(value, 4), None);
    };
    let half = 0.5 * (high - low).abs();
    let largest = value.unwrap_or(0.0).abs().max(low.abs()).max(high.abs());
    if half <= 1e-7 || largest >= 1e6 {
        let interval = format!(
            "[{}, {}]",
            significant(Some(low), 4),
            significant(Some(high), 4)
        );
        return (significant(value, 4), Some(interval));
    }
    let leading = half / 10f64.powi(exponent(half));
    let decimals = (-exponent(half) + i32::from(leading < 2.0)).clamp(0, 7) as usize;
    let middle = value.map_or(MISSING.into(), |v| fixed(v, decimals));
    let interval = format!("[{}, {}]", fixed(low, decimals), fixed(high, decimals));
    (middle, Some(interval))
}

/// A measured number and its interval: `0.465 [0.461, 0.469]`.
pub(super) fn estimate(estimate: &Estimate) -> String {
    match estimate_parts(estimate) {
        (value, Some(interval)) => format!("{value} {interval}"),
        (value, None) => value,
    }
}

/// Text for HTML, in elements and in attributes.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            // Control characters are no text in HTML or XML.
            c if c.is_control() && !matches!(c, '\n' | '\t') => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    escaped
}

/// At most `most` characters, the last an ellipsis if some are left out.
pub(super) fn clip(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.into();
    }
    let kept: String = text.chars().take(most.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_missing_ones_are_a_dash() {
        assert_eq!(significant(Some(0.46512), 4), "0.4651");
        assert_eq!(significant(Some(-12.0), 3), "−12.0");
        assert_eq!(significant(Some(f64::NAN), 3), "–");
        assert_eq!(significant(None, 3), "–");
        assert_eq!(significant(Some(2.5e-7), 2), "2.5×10⁻⁷");
        assert_eq!(short(Some(0.6)), "0.6");
        assert_eq!(short(Some(100.0)), "100");
        assert_eq!(short(Some(2.3e8)), "2.3×10⁸");
        assert_eq!(fixed(-0.0001, 2), "0.00");
        assert_eq!(percent(Some(0.0034)), "0.34");
    }

    #[test]
    fn intervals_have_the_decimals_they_deserve() {
        let mut e = Estimate {
            value: Some(0.46512),
            low: Some(0.46123),
            high: Some(0.46891),
            ..Estimate::default()
        };
        assert_eq!(estimate(&e), "0.465 [0.461, 0.469]");
        e.low = Some(f64::NEG_INFINITY);
        assert_eq!(estimate(&e), "0.4651");
        e.value = None;
        assert_eq!(estimate(&e), "–");
    }

    #[test]
    fn text_is_escaped_and_clipped() {
        assert_eq!(
            escape("<a b='\"'>&\u{1}"),
            "&lt;a b=&#39;&quot;&#39;&gt;&amp; "
        );
        assert_eq!(clip("τ = 0.6, η = 0.03", 8), "τ = 0.6…");
    }
}
