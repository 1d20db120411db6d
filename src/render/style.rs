//! How a host marks text up: escaping of what came from outside, colour.

use super::colour::{Colour, Style, Weight};

/// A host's markup. Both append to `out`.
#[derive(Clone, Copy)]
pub struct Markup {
    /// Writes text that came from outside so that the host shows it as it is.
    pub escape: fn(text: &str, out: &mut String),
    /// Writes `text`, which is markup already, in a style.
    pub paint: fn(style: Style, text: &str, out: &mut String),
    /// The same where there are to be no colours.
    pub without_colours: fn(style: Style, text: &str, out: &mut String),
}

impl Markup {
    /// The same, with its colours or without.
    pub fn in_colours(self, coloured: bool) -> Markup {
        if coloured { self } else { Markup { paint: self.without_colours, ..self } }
    }
}

/// Copies: for hosts that show everything as it is.
pub fn verbatim(text: &str, out: &mut String) {
    out.push_str(text);
}

/// Copies: for hosts that mark text by other means, and for `--color never`.
pub fn uncoloured(_: Style, text: &str, out: &mut String) {
    out.push_str(text);
}

/// Escapes for Pango, as element text and as attribute.
pub fn escape_pango(text: &str, out: &mut String) {
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\'' => out.push_str("&#39;"),
            '"' => out.push_str("&quot;"),
            _ => out.push(character),
        }
    }
}

/// Doubles a character that begins the host's markup.
pub fn escape_doubling(special: char, text: &str, out: &mut String) {
    for character in text.chars() {
        if character == special {
            out.push(special);
        }
        out.push(character);
    }
}

/// Colours with Pango spans.
pub fn paint_pango(style: Style, text: &str, out: &mut String) {
    let mut attributes = String::new();
    if let Some(colour) = style.colour {
        attributes.push_str(&format!(" foreground=\"{}\"", colour.hex()));
    }
    if let Some(colour) = style.background {
        attributes.push_str(&format!(" background=\"{}\"", colour.hex()));
    }
    match style.weight {
        Weight::Normal => {}
        Weight::Bold => attributes.push_str(" weight=\"bold\""),
        Weight::Dim => attributes.push_str(" alpha=\"60%\""),
    }
    if attributes.is_empty() {
        out.push_str(text);
    } else {
        out.push_str(&format!("<span{attributes}>{text}</span>"));
    }
}

/// Marks what is bold with Pango, and leaves colours to the bar.
pub fn embolden_pango(style: Style, text: &str, out: &mut String) {
    match style.weight {
        Weight::Bold => out.push_str(&format!("<b>{text}</b>")),
        Weight::Normal | Weight::Dim => out.push_str(text),
    }
}

/// Colours with ANSI sequences; the first sixteen colours by the old codes, which every terminal
/// knows.
pub fn paint_ansi(style: Style, text: &str, out: &mut String) {
    match ansi_codes(style) {
        codes if codes.is_empty() => out.push_str(text),
        codes => out.push_str(&format!("\x1b[{codes}m{text}\x1b[0m")),
    }
}

/// The parameters of the ANSI sequence that begins a style; empty if there is nothing to begin.
pub fn ansi_codes(style: Style) -> String {
    let mut codes = Vec::new();
    match style.weight {
        Weight::Normal => {}
        Weight::Bold => codes.push("1".to_string()),
        Weight::Dim => codes.push("2".to_string()),
    }
    codes.extend(style.colour.map(|colour| ansi_colour(colour, 30)));
    codes.extend(style.background.map(|colour| ansi_colour(colour, 40)));
    codes.join(";")
}

/// `first` is the code of black: 30 for text, 40 behind it.
fn ansi_colour(colour: Colour, first: u8) -> String {
    match colour {
        Colour::Indexed(number @ 0..8) => format!("{}", first + number),
        Colour::Indexed(number @ 8..16) => format!("{}", first + 60 + number - 8),
        Colour::Indexed(number) => format!("{};5;{number}", first + 8),
        Colour::Rgb([red, green, blue]) => format!("{};2;{red};{green};{blue}", first + 8),
    }
}

/// Colours with `#[fg=…]` … `#[default]`, as tmux reads it and zjstatus too. `name` is how the host
/// calls a colour.
pub fn paint_brackets(style: Style, name: fn(Colour) -> String, text: &str, out: &mut String) {
    let mut attributes = Vec::new();
    attributes.extend(style.colour.map(|colour| format!("fg={}", name(colour))));
    attributes.extend(style.background.map(|colour| format!("bg={}", name(colour))));
    match style.weight {
        Weight::Normal => {}
        Weight::Bold => attributes.push("bold".into()),
        Weight::Dim => attributes.push("dim".into()),
    }
    if attributes.is_empty() {
        out.push_str(text);
    } else {
        out.push_str(&format!("#[{}]{text}#[default]", attributes.join(",")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::colour::{PLAIN, TERMINAL};

    #[test]
    fn pango_text_is_inert() {
        let mut out = String::new();
        escape_pango("<b a='1'>&\"", &mut out);
        assert_eq!(out, "&lt;b a=&#39;1&#39;&gt;&amp;&quot;");
    }

    #[test]
    fn every_kind_of_colour_has_its_code() {
        let check = |style: Style, ansi: &str, pango: &str| {
            let (mut terminal, mut bar) = (String::new(), String::new());
            paint_ansi(style, "x", &mut terminal);
            paint_pango(style, "x", &mut bar);
            assert_eq!((terminal.as_str(), bar.as_str()), (ansi, pango), "{style:?}");
        };
        let of = |colour: Colour| Style { colour: Some(colour), ..PLAIN };
        let (green, red) = (of(Colour::Indexed(2)), of(Colour::Indexed(1)));
        check(PLAIN, "x", "x");
        let dim = Style { weight: Weight::Dim, ..PLAIN };
        check(dim, "\x1b[2mx\x1b[0m", "<span alpha=\"60%\">x</span>");
        check(green, "\x1b[32mx\x1b[0m", "<span foreground=\"#00cd00\">x</span>");
        let bold = Style { weight: Weight::Bold, ..red };
        let both = "<span foreground=\"#cd0000\" weight=\"bold\">x</span>";
        check(bold, "\x1b[1;31mx\x1b[0m", both);
        let behind = Style { background: Some(Colour::Indexed(9)), ..green };
        let both = "<span foreground=\"#00cd00\" background=\"#ff0000\">x</span>";
        check(behind, "\x1b[32;101mx\x1b[0m", both);
        let red = "<span foreground=\"#ff0000\">x</span>";
        check(of(Colour::Indexed(9)), "\x1b[91mx\x1b[0m", red);
        let orange = "<span foreground=\"#ff8700\">x</span>";
        check(of(Colour::Indexed(208)), "\x1b[38;5;208mx\x1b[0m", orange);
        check(of(Colour::Rgb([255, 135, 0])), "\x1b[38;2;255;135;0mx\x1b[0m", orange);
    }

    #[test]
    fn trouble_has_the_codes_of_the_palette_of_256() {
        assert_eq!(ansi_codes(TERMINAL.ok), "");
        assert_eq!(ansi_codes(TERMINAL.warning), "38;5;16;48;5;220");
        assert_eq!(ansi_codes(TERMINAL.critical), "38;5;231;48;5;160");
        assert_eq!(ansi_codes(TERMINAL.exhausted), "1;38;5;231;48;5;160");
    }
}
