//! The pieces that a page is made of, and how they are marked. Whoever shows the page says how a
//! mark is written.

use crate::model::text::width;
use crate::model::usage::Severity;
use crate::render::colour::{PLAIN, Palette, Style, Weight};

/// How a piece of a line is marked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Mark {
    Plain,
    Title,
    /// The rest of a bar.
    Faint,
    /// A number, by how bad it is.
    Number(Severity),
}

/// A piece of a line.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    pub text: String,
    pub mark: Mark,
}

pub type Line = Vec<Span>;

impl Mark {
    /// How a terminal writes it.
    pub fn style(self, palette: &Palette) -> Style {
        match self {
            Mark::Plain => PLAIN,
            Mark::Title => Style { weight: Weight::Bold, ..PLAIN },
            Mark::Faint => Style { weight: Weight::Dim, ..PLAIN },
            Mark::Number(severity) => palette.of(severity),
        }
    }

    /// Whether it is bold where there are no colours.
    pub fn is_bold(self) -> bool {
        match self {
            Mark::Plain | Mark::Faint => false,
            Mark::Title => true,
            Mark::Number(severity) => severity >= Severity::Warning,
        }
    }
}

/// The text of a line without its marks.
pub fn plain_text(line: &Line) -> String {
    line.iter().map(|span| span.text.as_str()).collect()
}

pub(super) fn span(text: &str, mark: Mark) -> Span {
    Span { text: text.to_string(), mark }
}

pub(super) fn plain(text: &str) -> Span {
    span(text, Mark::Plain)
}

pub(super) fn padded(text: &str, columns: usize) -> String {
    format!("{text}{}", " ".repeat(columns.saturating_sub(width(text))))
}
