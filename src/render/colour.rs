//! Colours by severity, apart from how a host writes them down. Pure.

use crate::model::text::nearest;
use crate::model::usage::Severity;

/// A colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    /// By its number in a terminal's palette. The first sixteen are the terminal's own.
    Indexed(u8),
    /// Red, green, blue.
    Rgb([u8; 3]),
}

/// How strong text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    Normal,
    Bold,
    Dim,
}

/// What text is written with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// `None`: whatever the host has.
    pub colour: Option<Colour>,
    pub weight: Weight,
}

/// An style for each severity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Palette {
    pub unknown: Style,
    pub ok: Style,
    pub warning: Style,
    pub critical: Style,
    pub exhausted: Style,
}

/// For terminals: from their own palette, so that every theme stays readable.
pub const TERMINAL: Palette = Palette {
    unknown: Style { colour: None, weight: Weight::Dim },
    ok: Style { colour: Some(Colour::Indexed(2)), weight: Weight::Normal },
    warning: Style { colour: Some(Colour::Indexed(3)), weight: Weight::Normal },
    critical: Style { colour: Some(Colour::Indexed(1)), weight: Weight::Normal },
    exhausted: Style { colour: Some(Colour::Indexed(1)), weight: Weight::Bold },
};

/// For bars that have no palette. What is fine looks like the rest of the bar.
pub const GRAPHICAL: Palette = Palette {
    unknown: rgb(0x88, 0x88, 0x88),
    ok: PLAIN,
    warning: rgb(0xe5, 0xc0, 0x7b),
    critical: rgb(0xff, 0x87, 0x00),
    exhausted: rgb(0xff, 0x5f, 0x5f),
};

const PLAIN: Style = Style { colour: None, weight: Weight::Normal };

const fn rgb(red: u8, green: u8, blue: u8) -> Style {
    Style { colour: Some(Colour::Rgb([red, green, blue])), weight: Weight::Normal }
}

const NAMES: [&str; 8] = ["black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"];
const BRIGHT: &str = "bright-";
/// The name of no colour at all.
const NONE: &str = "none";
/// What xterm shows for the first sixteen, for hosts without a palette.
const XTERM: [[u8; 3]; 16] = [
    [0x00, 0x00, 0x00],
    [0xcd, 0x00, 0x00],
    [0x00, 0xcd, 0x00],
    [0xcd, 0xcd, 0x00],
    [0x00, 0x00, 0xee],
    [0xcd, 0x00, 0xcd],
    [0x00, 0xcd, 0xcd],
    [0xe5, 0xe5, 0xe5],
    [0x7f, 0x7f, 0x7f],
    [0xff, 0x00, 0x00],
    [0x00, 0xff, 0x00],
    [0xff, 0xff, 0x00],
    [0x5c, 0x5c, 0xff],
    [0xff, 0x00, 0xff],
    [0x00, 0xff, 0xff],
    [0xff, 0xff, 0xff],
];

impl Colour {
    /// `red`, `bright-red`, a number from 0 to 255, `#rrggbb`.
    fn parse(text: &str) -> Option<Colour> {
        if let Some(digits) = text.strip_prefix('#') {
            let is_hex = digits.len() == 6 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
            let number = u32::from_str_radix(digits, 16).ok().filter(|_| is_hex)?;
            let [_, red, green, blue] = number.to_be_bytes();
            return Some(Colour::Rgb([red, green, blue]));
        }
        let (name, offset) = match text.strip_prefix(BRIGHT) {
            Some(name) => (name, 8),
            None => (text, 0),
        };
        match NAMES.iter().position(|known| *known == name) {
            Some(position) => Some(Colour::Indexed(position as u8 + offset)),
            None => text.parse().ok().map(Colour::Indexed),
        }
    }

    /// As `#rrggbb`. A terminal's own sixteen are what xterm has for them.
    pub fn hex(self) -> String {
        let [red, green, blue] = match self {
            Colour::Rgb(parts) => parts,
            Colour::Indexed(number @ 0..16) => XTERM[usize::from(number)],
            // A cube of six steps a side, then a ramp of greys.
            Colour::Indexed(number @ 16..232) => {
                let step = |value: u8| if value == 0 { 0 } else { 55 + 40 * value };
                let number = number - 16;
                [step(number / 36), step(number / 6 % 6), step(number % 6)]
            }
            Colour::Indexed(number) => [8 + 10 * (number - 232); 3],
        };
        format!("#{red:02x}{green:02x}{blue:02x}")
    }

    /// The name of one of the first eight, or (`true`) of their bright forms.
    pub fn name(self) -> Option<(bool, &'static str)> {
        match self {
            Colour::Indexed(number @ 0..16) => Some((number >= 8, NAMES[usize::from(number % 8)])),
            _ => None,
        }
    }
}

impl Palette {
    pub fn of(&self, severity: Severity) -> Style {
        match severity {
            Severity::Unknown => self.unknown,
            Severity::Ok => self.ok,
            Severity::Warning => self.warning,
            Severity::Critical => self.critical,
            Severity::Exhausted => self.exhausted,
        }
    }

    /// With some of them replaced; the last one of a severity counts.
    pub fn with(mut self, changes: &[(Severity, Style)]) -> Palette {
        for (severity, style) in changes {
            *match severity {
                Severity::Unknown => &mut self.unknown,
                Severity::Ok => &mut self.ok,
                Severity::Warning => &mut self.warning,
                Severity::Critical => &mut self.critical,
                Severity::Exhausted => &mut self.exhausted,
            } = *style;
        }
        self
    }
}

/// The value of `--colors`: `ok=green,critical=#ff8700`.
///
/// # Errors
/// What is wrong, with the nearest name where one is unknown.
pub fn parse(text: &str) -> Result<Vec<(Severity, Style)>, String> {
    text.split(',').map(|part| assignment(part.trim())).collect()
}

fn assignment(text: &str) -> Result<(Severity, Style), String> {
    let shown = |text: &str| crate::model::text::plain(text, 40);
    let (name, value) =
        text.split_once('=').ok_or("each part is SEVERITY=COLOUR, as in ok=green,warning=208")?;
    let (name, value) = (name.trim(), value.trim());
    let severity =
        Severity::ALL.into_iter().find(|severity| severity.name() == name).ok_or_else(|| {
            let near = nearest(name, Severity::ALL.map(Severity::name));
            format!("unknown severity {}; did you mean {near}?", shown(name))
        })?;
    if value == NONE {
        return Ok((severity, PLAIN));
    }
    let colour = Colour::parse(value).ok_or_else(|| {
        if value.starts_with('#') || value.bytes().all(|byte| byte.is_ascii_digit()) {
            return format!("{} is not a colour: 0 to 255, or #rrggbb", shown(value));
        }
        let bright = NAMES.map(|name| format!("{BRIGHT}{name}"));
        let known = NAMES.into_iter().chain([NONE]).chain(bright.iter().map(String::as_str));
        format!("unknown colour {}; did you mean {}?", shown(value), nearest(value, known))
    })?;
    Ok((severity, Style { colour: Some(colour), weight: Weight::Normal }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_read() {
        let check = |text: &str, hex: &str| {
            assert_eq!(Colour::parse(text).map(Colour::hex), Some(hex.into()))
        };
        check("red", "#cd0000");
        check("bright-blue", "#5c5cff");
        check("9", "#ff0000");
        check("16", "#000000");
        check("208", "#ff8700");
        check("231", "#ffffff");
        check("232", "#080808");
        check("255", "#eeeeee");
        check("#FF8700", "#ff8700");
    }

    #[test]
    fn the_last_one_counts() {
        let changes = parse("ok=blue, exhausted=none,ok=#010203").unwrap();
        let palette = TERMINAL.with(&changes);
        assert_eq!(palette.of(Severity::Ok), rgb(1, 2, 3));
        assert_eq!(palette.of(Severity::Exhausted), PLAIN);
        assert_eq!(palette.of(Severity::Warning), TERMINAL.warning);
    }

    #[test]
    fn mistakes_are_named_with_what_was_meant() {
        let check = |text: &str, expected: &str| assert_eq!(parse(text).unwrap_err(), expected);
        check("red", "each part is SEVERITY=COLOUR, as in ok=green,warning=208");
        check("ok=red,", "each part is SEVERITY=COLOUR, as in ok=green,warning=208");
        check("warn=red", "unknown severity warn; did you mean warning?");
        check("ok=gren", "unknown colour gren; did you mean green?");
        check("ok=bright-gren", "unknown colour bright-gren; did you mean bright-green?");
        for wrong in ["256", "#12345", "#12345g", "#+12345"] {
            check(
                &format!("ok={wrong}"),
                &format!("{wrong} is not a colour: 0 to 255, or #rrggbb"),
            );
        }
    }
}
