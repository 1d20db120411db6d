//! How a host marks text up: escaping of what came from outside, colour.

use super::colour::{Colour, Style, Weight};

/// A host's markup. Both append to `out`.
#[derive(Clone, Copy)]
pub struct Markup {
    /// Writes text that came from outside so that the host shows it as it is.
    pub escape: fn(text: &str, out: &mut String),
    /// Writes `text`, which is markup already, with an style.
    pub paint: fn(style: Style, text: &str, out: &mut String),
}

/// Copies: for hosts that show everything as it is.
pub fn verbatim(text: &str, out: &mut String) {
    out.push_str(text);
}

/// Copies: for hosts that colour by other means, and for `--color never`.
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

/// Colours with ANSI sequences; the first sixteen colours by the old codes, which every terminal knows.
pub fn paint_ansi(style: Style, text: &str, out: &mut String) {
    let weight = match style.weight {
        Weight::Normal => "",
        Weight::Bold => "1",
        Weight::Dim => "2",
    };
    let colour = match style.colour {
        None => String::new(),
        Some(Colour::Indexed(number @ 0..8)) => format!("{}", 30 + number),
        Some(Colour::Indexed(number @ 8..16)) => format!("{}", 90 + number - 8),
        Some(Colour::Indexed(number)) => format!("38;5;{number}"),
        Some(Colour::Rgb([red, green, blue])) => format!("38;2;{red};{green};{blue}"),
    };
    if weight.is_empty() && colour.is_empty() {
        out.push_str(text);
        return;
    }
    out.push_str("\x1b[");
    out.push_str(weight);
    if !weight.is_empty() && !colour.is_empty() {
        out.push(';');
    }
    out.push_str(&colour);
    out.push('m');
    out.push_str(text);
    out.push_str("\x1b[0m");
}

/// Colours with `#[fg=…]` … `#[default]`, as tmux reads it and zjstatus too. `name` is how the host calls a colour.
pub fn paint_brackets(style: Style, name: fn(Colour) -> String, text: &str, out: &mut String) {
    let mut attributes = Vec::new();
    attributes.extend(style.colour.map(|colour| format!("fg={}", name(colour))));
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
    use crate::render::colour::TERMINAL;

    #[test]
    fn pango_text_is_inert() {
        let mut out = String::new();
        escape_pango("<b a='1'>&\"", &mut out);
        assert_eq!(out, "&lt;b a=&#39;1&#39;&gt;&amp;&quot;");
    }

    #[test]
    fn every_kind_of_colour_has_its_code() {
        let check = |colour: Option<Colour>, weight: Weight, ansi: &str, pango: &str| {
            let style = Style { colour, weight };
            let (mut terminal, mut bar) = (String::new(), String::new());
            paint_ansi(style, "x", &mut terminal);
            paint_pango(style, "x", &mut bar);
            assert_eq!((terminal.as_str(), bar.as_str()), (ansi, pango), "{style:?}");
        };
        let (normal, bold) = (Weight::Normal, Weight::Bold);
        check(None, normal, "x", "x");
        check(None, Weight::Dim, "\x1b[2mx\x1b[0m", "<span alpha=\"60%\">x</span>");
        check(
            TERMINAL.ok.colour,
            normal,
            "\x1b[32mx\x1b[0m",
            "<span foreground=\"#00cd00\">x</span>",
        );
        let both = "<span foreground=\"#cd0000\" weight=\"bold\">x</span>";
        check(TERMINAL.critical.colour, bold, "\x1b[1;31mx\x1b[0m", both);
        let red = "<span foreground=\"#ff0000\">x</span>";
        check(Some(Colour::Indexed(9)), normal, "\x1b[91mx\x1b[0m", red);
        let orange = "<span foreground=\"#ff8700\">x</span>";
        check(Some(Colour::Indexed(208)), normal, "\x1b[38;5;208mx\x1b[0m", orange);
        check(Some(Colour::Rgb([255, 135, 0])), normal, "\x1b[38;2;255;135;0mx\x1b[0m", orange);
    }
}
