//! Colours by severity, apart from how a host writes them down.

use crate::model::text::did_you_mean;
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
    /// Behind the text; `None`: whatever the host has.
    pub background: Option<Colour>,
    pub weight: Weight,
}

/// A style for each severity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Palette {
    pub unknown: Style,
    pub ok: Style,
    pub warning: Style,
    pub critical: Style,
    pub exhausted: Style,
}

/// The style of what is fine, and of a word in place of numbers: the host's own.
pub const PLAIN: Style = Style { colour: None, background: None, weight: Weight::Normal };

/// For terminals and multiplexers. Their background is not known, so trouble brings its own, in
/// fixed colours of the palette of 256, which no theme changes: black on yellow (a contrast of 15.0
/// to 1), white on red (5.4 to 1).
pub const TERMINAL: Palette = Palette {
    unknown: PLAIN,
    ok: PLAIN,
    warning: Style { background: Some(Colour::Indexed(220)), ..text_in(Colour::Indexed(16)) },
    critical: TERMINAL_CRITICAL,
    exhausted: Style { weight: Weight::Bold, ..TERMINAL_CRITICAL },
};
const TERMINAL_CRITICAL: Style =
    Style { background: Some(Colour::Indexed(160)), ..text_in(Colour::Indexed(231)) };

/// For dark bars that can colour a background: yellow text, and white on red (5.4 to 1).
pub const BAR: Palette = Palette {
    unknown: PLAIN,
    ok: PLAIN,
    warning: text_in(YELLOW),
    critical: BAR_CRITICAL,
    exhausted: BAR_CRITICAL,
};
const BAR_CRITICAL: Style = Style {
    background: Some(Colour::Rgb([0xd7, 0x00, 0x00])),
    ..text_in(Colour::Rgb([0xff, 0xff, 0xff]))
};

/// For dark bars that colour text only.
pub const TEXT_ONLY: Palette = Palette {
    unknown: PLAIN,
    ok: PLAIN,
    warning: text_in(YELLOW),
    critical: text_in(LIGHT_RED),
    exhausted: text_in(LIGHT_RED),
};

const YELLOW: Colour = Colour::Rgb([0xff, 0xd7, 0x5f]);
const LIGHT_RED: Colour = Colour::Rgb([0xff, 0x87, 0x87]);

const fn text_in(colour: Colour) -> Style {
    Style { colour: Some(colour), ..PLAIN }
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

    /// The same in bold where something is wrong.
    pub const fn in_bold(mut self) -> Palette {
        self.warning.weight = Weight::Bold;
        self.critical.weight = Weight::Bold;
        self.exhausted.weight = Weight::Bold;
        self
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
            let names = Severity::ALL.map(Severity::name);
            let near = did_you_mean(name, names);
            format!("{} is not a severity: {}{near}", shown(name), names.join(", "))
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
        format!("unknown colour {}{}", shown(value), did_you_mean(value, known))
    })?;
    Ok((severity, text_in(colour)))
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

    /// The contrast of two colours as WCAG 2 defines it, 1 to 21.
    fn contrast(one: Colour, other: Colour) -> f64 {
        let luminance = |colour: Colour| {
            let hex = colour.hex();
            let part = |from: usize| {
                let value = f64::from(u8::from_str_radix(&hex[from..from + 2], 16).unwrap());
                let value = value / 255.0;
                if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
            };
            0.2126 * part(1) + 0.7152 * part(3) + 0.0722 * part(5)
        };
        let (one, other) = (luminance(one), luminance(other));
        (one.max(other) + 0.05) / (one.min(other) + 0.05)
    }

    #[test]
    fn trouble_can_be_read_on_its_background_or_on_a_dark_bar() {
        for palette in [TERMINAL, BAR, TEXT_ONLY] {
            assert_eq!((palette.ok, palette.unknown), (PLAIN, PLAIN));
            for style in [palette.warning, palette.critical, palette.exhausted] {
                // The lightest stock background of these bars: swaybar's block in focus.
                let bar = Colour::Rgb([0x32, 0x32, 0x32]);
                let found = contrast(style.colour.unwrap(), style.background.unwrap_or(bar));
                assert!(found >= 4.5, "{style:?}: {found}");
            }
        }
    }

    #[test]
    fn the_last_one_counts() {
        let changes = parse("ok=blue, exhausted=none,ok=#010203").unwrap();
        let palette = TERMINAL.with(&changes);
        assert_eq!(palette.of(Severity::Ok), text_in(Colour::Rgb([1, 2, 3])));
        assert_eq!(palette.of(Severity::Exhausted), PLAIN);
        assert_eq!(palette.of(Severity::Warning), TERMINAL.warning);
    }

    #[test]
    fn mistakes_are_named_with_what_was_meant() {
        let check = |text: &str, expected: &str| assert_eq!(parse(text).unwrap_err(), expected);
        check("red", "each part is SEVERITY=COLOUR, as in ok=green,warning=208");
        check("ok=red,", "each part is SEVERITY=COLOUR, as in ok=green,warning=208");
        check("warn=red", "warn is not a severity: unknown, ok, warning, critical, exhausted");
        let near = "; did you mean warning?";
        check(
            "warnin=red",
            &format!("warnin is not a severity: unknown, ok, warning, critical, exhausted{near}"),
        );
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
