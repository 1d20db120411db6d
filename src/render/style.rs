//! How a host marks text up: escaping of what came from outside, colour by severity.

use crate::usage::Severity;

/// A host's markup. Both append to `out`.
#[derive(Clone, Copy)]
pub struct Markup {
    /// Writes text that came from outside so that the host shows it as it is.
    pub escape: fn(text: &str, out: &mut String),
    /// Writes `text`, which is markup already, in the colour of its severity.
    pub paint: fn(severity: Severity, text: &str, out: &mut String),
}

/// Copies: for hosts that show everything as it is.
pub fn verbatim(text: &str, out: &mut String) {
    out.push_str(text);
}

/// Copies: for hosts that colour by other means, and for `--color never`.
pub fn uncoloured(_: Severity, text: &str, out: &mut String) {
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

/// The colour of a severity for hosts that want `#RRGGBB`; `None` where it needs none.
pub fn hex(severity: Severity) -> Option<&'static str> {
    match severity {
        Severity::Unknown => Some("#888888"),
        Severity::Ok => None,
        Severity::Warning => Some("#e5c07b"),
        Severity::Critical => Some("#ff8700"),
        Severity::Exhausted => Some("#ff5f5f"),
    }
}

/// Colours with Pango spans.
pub fn paint_pango(severity: Severity, text: &str, out: &mut String) {
    match hex(severity) {
        Some(colour) => {
            out.push_str("<span foreground=\"");
            out.push_str(colour);
            out.push_str("\">");
            out.push_str(text);
            out.push_str("</span>");
        }
        None => out.push_str(text),
    }
}

/// Colours with ANSI sequences, from the terminal's own palette.
pub fn paint_ansi(severity: Severity, text: &str, out: &mut String) {
    let code = match severity {
        Severity::Unknown => "2",
        Severity::Ok => "32",
        Severity::Warning => "33",
        Severity::Critical => "31",
        Severity::Exhausted => "1;31",
    };
    out.push_str("\x1b[");
    out.push_str(code);
    out.push('m');
    out.push_str(text);
    out.push_str("\x1b[0m");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pango_text_is_inert() {
        let mut out = String::new();
        escape_pango("<b a='1'>&\"", &mut out);
        assert_eq!(out, "&lt;b a=&#39;1&#39;&gt;&amp;&quot;");
    }
}
