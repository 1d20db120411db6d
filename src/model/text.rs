//! Makes text from outside safe to print on one line, and measures and wraps text.

use std::borrow::Cow;
use unicode_width::UnicodeWidthStr;

/// The text without control characters and invisible characters that can reorder a line. Line
/// breaks become spaces. The result has at most `longest` characters.
pub fn plain(text: &str, longest: usize) -> String {
    text.chars().filter_map(visible).take(longest).collect::<String>().trim().to_string()
}

/// Like [`plain`], but without a limit on the length, and without a copy if nothing has to be
/// removed.
pub fn one_line(text: &str) -> Cow<'_, str> {
    if text.chars().all(|character| visible(character) == Some(character)) {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(text.chars().filter_map(visible).collect())
    }
}

fn visible(character: char) -> Option<char> {
    match character {
        '\n' | '\r' | '\t' | '\u{2028}' | '\u{2029}' => Some(' '),
        // Marks and overrides of text direction reorder the characters around them.
        '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{2069}'
        | '\u{61c}'
        | '\u{feff}' => None,
        // Tag characters are invisible, and can carry any text.
        '\u{e0000}'..='\u{e007f}' => None,
        _ if character.is_control() => None,
        _ => Some(character),
    }
}

/// How many terminal columns a text takes.
pub fn width(text: &str) -> usize {
    text.width()
}

/// A count in at most five characters: `9999`, `12.3k`, `123k`, `1.2M`.
pub fn short_count(count: u64) -> String {
    if count < 10_000 {
        return count.to_string();
    }
    let short = |(power, letter): (u32, char)| {
        let unit = 1000_u128.pow(power);
        let rounded = |parts: u128| (u128::from(count) * parts + unit / 2) / unit;
        match (rounded(10), rounded(1)) {
            (tenths @ ..1000, _) => Some(format!("{}.{}{letter}", tenths / 10, tenths % 10)),
            (_, whole @ ..1000) => Some(format!("{whole}{letter}")),
            _ => None,
        }
    };
    (1..).zip("kMGTPE".chars()).find_map(short).unwrap_or_else(|| count.to_string())
}

/// Breaks a text at spaces into lines of at most `columns`. A word that is longer stays whole.
pub fn wrap(text: &str, columns: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if width(line) + 1 + width(word) <= columns => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_string()),
        }
    }
    lines
}

/// Breaks a text into lines of at most `columns`. A word that is longer is broken too, after a `/`
/// if it has one.
pub fn fit(text: &str, columns: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for line in wrap(text, columns) {
        let mut part = String::new();
        for character in line.chars() {
            let letter = width(character.encode_utf8(&mut [0; 4]));
            if width(&part) + letter > columns && !part.is_empty() {
                let end = part.rfind('/').filter(|end| *end > 0).map_or(part.len(), |end| end + 1);
                let rest = part.split_off(end);
                lines.push(std::mem::replace(&mut part, rest));
            }
            part.push(character);
        }
        lines.push(part);
    }
    lines
}

/// The known name that was probably meant: of those that differ from `name` in at most a third of
/// its letters, the most alike.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let letters = name.chars().count();
    let is_close = |candidate: &&str| strsim::osa_distance(name, candidate) * 3 <= letters;
    let likeness = |candidate: &str| strsim::jaro_winkler(name, candidate);
    known
        .into_iter()
        .filter(is_close)
        .max_by(|left, right| likeness(left).total_cmp(&likeness(right)))
}

/// The end of a message about an unknown name: "; did you mean X?", or nothing if no name is near.
pub fn did_you_mean<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(name, known).map_or_else(String::new, |near| format!("; did you mean {near}?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_go() {
        assert_eq!(plain(" a\u{1b}[31mb\r\nc\u{7}\u{202e}d ", 99), "a[31mb  cd");
        assert_eq!(plain("a\u{61c}b\u{e0041}\u{e007f}c", 99), "abc");
        assert_eq!(plain("abcdef", 3), "abc");
        assert!(matches!(one_line("plain ·"), Cow::Borrowed(_)));
        assert_eq!(one_line("a\nb\0"), "a b");
    }

    #[test]
    fn widths_are_those_of_terminals() {
        for (text, columns) in
            [("5h ██░░ ·", 9), ("プラス", 6), ("e\u{301}", 1), ("⚡", 2), ("", 0)]
        {
            assert_eq!(width(text), columns, "{text}");
        }
    }

    #[test]
    fn counts_are_short() {
        for (count, expected) in [
            (0, "0"),
            (9_999, "9999"),
            (10_000, "10.0k"),
            (99_949, "99.9k"),
            (99_950, "100k"),
            (999_499, "999k"),
            (999_500, "1.0M"),
            (1_234_567, "1.2M"),
            (u64::MAX, "18.4E"),
        ] {
            assert_eq!(short_count(count), expected);
        }
    }

    #[test]
    fn a_word_that_is_too_long_breaks_behind_a_slash() {
        assert_eq!(fit("in /home/me/file: no", 10), ["in", "/home/me/", "file:", "no"]);
        assert_eq!(fit("abcdefgh", 3), ["abc", "def", "gh"]);
    }

    #[test]
    fn lines_break_at_blanks() {
        assert_eq!(wrap("a bb  ccc dddddd e", 6), ["a bb", "ccc", "dddddd", "e"]);
        assert_eq!(wrap("プ ラ ス", 5), ["プ ラ", "ス"]);
        assert_eq!(wrap(" ", 5), [""; 0]);
    }

    #[test]
    fn the_nearest_name() {
        for (name, known, expected) in [
            ("usd", &["label", "used", "left"][..], Some("used")),
            ("wrok", &["home", "work"], Some("work")),
            ("sessoins", &["sessions"], Some("sessions")),
            ("claude-cod", &["clear", "claude-code"], Some("claude-code")),
            // Two of five letters, and a mere beginning.
            ("wxybr", &["waybar", "wxy"], None),
            ("claude", &["claude-code"], None),
            ("xyzzy", &["waybar", "zsh"], None),
            ("", &["used"], None),
            ("used", &[], None),
        ] {
            assert_eq!(nearest(name, known.iter().copied()), expected, "{name}");
        }
        assert_eq!(did_you_mean("fsh", ["zsh", "fish"]), "; did you mean fish?");
        assert_eq!(did_you_mean("xyzzy", ["zsh", "fish"]), "");
    }
}
