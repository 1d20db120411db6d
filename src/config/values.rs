//! What the values of options mean, as they are typed.

use crate::model::text::did_you_mean;
use std::time::Duration;

/// Words that a value can be, each with its meaning.
pub type Choices<T, const N: usize> = [(&'static str, T); N];

/// The words alone.
pub const fn words<T: Copy, const N: usize>(choices: &Choices<T, N>) -> [&'static str; N] {
    let mut words = [""; N];
    let mut index = 0;
    while index < N {
        words[index] = choices[index].0;
        index += 1;
    }
    words
}

/// The meaning of a word.
pub fn one_of<T: Copy, const N: usize>(choices: &Choices<T, N>, text: &str) -> Result<T, String> {
    let found = choices.iter().find(|(word, _)| *word == text);
    found.map(|(_, value)| *value).ok_or_else(|| {
        let words = words(choices);
        let near = did_you_mean(text, words);
        let (last, others) = words.split_last().unwrap_or((&"", &[]));
        format!("is not {} or {last}{near}", others.join(", "))
    })
}

pub fn duration(text: &str, longest: Duration) -> Result<Duration, String> {
    let value = humantime::parse_duration(text.trim())
        .map_err(|_| "is not a duration like 90s, 2m or 1h 30m".to_string())?;
    if value > longest {
        let hint = if text.contains('M') { "; M are months, m are minutes" } else { "" };
        return Err(format!("is more than {}{hint}", humantime::format_duration(longest)));
    }
    Ok(value)
}

/// A percentage, with or without its sign.
///
/// # Errors
/// What is wrong with it.
pub fn percent(text: &str) -> Result<f64, String> {
    match text.trim().trim_end_matches('%').parse::<f64>() {
        Ok(value) if (0.0..=100.0).contains(&value) => Ok(value),
        _ => Err("is not a percentage from 0 to 100".into()),
    }
}

/// Whether a switch's value turns it on.
pub fn is_on(text: &str) -> bool {
    switch(text) == Ok(true)
}

pub fn switch(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "true" | "yes" | "on" => Ok(true),
        "0" | "false" | "no" | "off" => Ok(false),
        _ => Err("is not 1 or 0".into()),
    }
}
