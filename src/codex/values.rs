//! Values as Codex's answers have them: a number may come as a string, and a value of the wrong
//! kind counts as absent.

use crate::model::text::plain;
use crate::model::time::Timestamp;
use serde_json::Value;

/// Longest name kept, in characters.
pub(super) const MAX_NAME: usize = 48;
/// No real amount is larger, and every one up to here survives the way through JSON.
const LARGEST: f64 = 1e15;

/// A finite number, also one that comes as a string.
pub(super) fn number(value: &Value) -> Option<f64> {
    let number = match value {
        Value::Number(number) => number.as_f64()?,
        Value::String(text) => text.trim().trim_end_matches('%').parse().ok()?,
        _ => return None,
    };
    number.is_finite().then(|| number.clamp(-LARGEST, LARGEST))
}

/// An amount of money or credits, also as people write it: `$2.50`, `1,234.5`.
pub(super) fn amount(value: &Value) -> Option<f64> {
    number(value).or_else(|| {
        let text = value.as_str()?;
        let is_digit = |letter: char| letter.is_ascii_digit();
        let (start, last) = text.find(is_digit).zip(text.rfind(is_digit))?;
        let sign = if text[..start].contains('-') { -1.0 } else { 1.0 };
        let digits = &text[start..=last];
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
        let mut groups = whole.split(',');
        let first = groups.next()?;
        let is_whole = groups.clone().count() == 0 || (1..=3).contains(&first.len());
        if !is_whole || !groups.all(|group| group.len() == 3) {
            return None;
        }
        let plain = Value::String(format!("{}.{fraction}", whole.replace(',', "")));
        number(&plain).map(|number| sign * number)
    })
}

/// Text without control characters, cut to [`MAX_NAME`]; `None` if nothing is left.
pub(super) fn text(value: &Value) -> Option<String> {
    value.as_str().map(|text| plain(text, MAX_NAME)).filter(|text| !text.is_empty())
}

/// A point in time, as unix seconds or as RFC 3339.
pub(super) fn time(value: &Value) -> Option<Timestamp> {
    match number(value) {
        Some(seconds) => (seconds > 0.0).then(|| Timestamp::from_unix_seconds(seconds as i64)),
        None => value.as_str()?.parse::<jiff::Timestamp>().ok().map(Timestamp::from),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn amounts_are_read_as_people_write_them() {
        for (text, expected) in [
            ("12.5", Some(12.5)),
            ("$2.50", Some(2.5)),
            ("-$2.50", Some(-2.5)),
            ("$-2.50", Some(-2.5)),
            ("1,234.5", Some(1234.5)),
            ("$1,234,567", Some(1_234_567.0)),
            ("2.50 USD", Some(2.5)),
            ("€ 7", Some(7.0)),
            // Which of the two it is, nobody can tell.
            ("1,5", None),
            ("1,23,456", None),
            ("1.234,50", None),
            ("n/a", None),
            ("", None),
            ("-", None),
        ] {
            assert_eq!(amount(&json!(text)), expected, "{text}");
        }
        assert_eq!(amount(&json!({"amount": 1})), None);
    }

    #[test]
    fn times_come_as_numbers_and_as_dates() {
        let noon = Some(Timestamp::from_unix_seconds(1_788_645_600));
        assert_eq!(time(&json!(1_788_645_600)), noon);
        assert_eq!(time(&json!("2026-09-05T22:00:00Z")), noon);
        assert_eq!(time(&json!("soon")), None);
        assert_eq!(time(&json!(null)), None);
    }
}
