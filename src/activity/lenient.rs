//! Deserializes fields that may have an unexpected type. Versions of Codex differ, and one such
//! field must not make the whole line useless.

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// The value in `raw`; `None` if it is absent, null or of another shape.
pub fn read<'a, T: Deserialize<'a>>(raw: Option<&'a RawValue>) -> Option<T> {
    serde_json::from_str(raw?.get()).ok()
}

/// Parses an RFC 3339 time into unix milliseconds.
pub fn milliseconds(text: Option<&str>) -> Option<i64> {
    text?.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_millisecond)
}

/// A string; `None` for every other value.
pub fn text<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Cow<'de, str>>, D::Error> {
    Ok(match from.deserialize_any(AnyValue)? {
        Scalar::Text(text) => Some(text),
        Scalar::Number(_) | Scalar::Other => None,
    })
}

/// A finite number, which may also be written as a string; `None` for every other value.
pub fn number<'de, D: Deserializer<'de>>(from: D) -> Result<Option<f64>, D::Error> {
    let number = match from.deserialize_any(AnyValue)? {
        Scalar::Number(number) => Some(number),
        Scalar::Text(text) => text.trim().parse().ok(),
        Scalar::Other => None,
    };
    Ok(number.filter(|number| number.is_finite()))
}

/// A number that is not negative, without its fraction; `None` for every other value.
pub fn count<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    // The cast saturates. Token counts are far below 2^53, up to which a float is exact.
    Ok(number(from)?.filter(|number| *number >= 0.0).map(|number| number as u64))
}

enum Scalar<'de> {
    Text(Cow<'de, str>),
    Number(f64),
    Other,
}

/// Accepts a value of any type, and gives `None` for an unexpected one.
struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Scalar<'de>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "any value")
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Self::Value, E> {
        Ok(Scalar::Text(Cow::Borrowed(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Self::Value, E> {
        Ok(Scalar::Text(Cow::Owned(value.to_owned())))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
        Ok(Scalar::Number(value as f64))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Scalar::Number(value as f64))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
        Ok(Scalar::Number(value))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Scalar::Other)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Scalar::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<Self::Value, A::Error> {
        while values.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Scalar::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Scalar::Other)
    }
}
