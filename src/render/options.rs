//! What a line is made from, beside the numbers, and what its two forms have in common.

use super::colour::{Palette, Style};
use super::glyphs::Glyphs;
use super::style::Markup;
use super::template::Template;
use crate::model::show::Show;
use crate::model::usage::{Severity, Thresholds};
use crate::model::view::View;
use jiff::tz::TimeZone;

/// What the line begins with, if no icon stands in its place.
pub(super) const TITLE: &str = "Codex";

/// What a line is made from, beside the numbers.
#[derive(Clone, Copy)]
pub struct LineOptions<'a> {
    /// `None`: the program's own form.
    pub templates: Option<Templates<'a>>,
    /// Stands between limits, and in the own form between accounts.
    pub separator: &'a str,
    /// The icon that was asked for, in the host's markup; it stands in place of the word Codex.
    pub icon: Option<&'a str>,
    pub show: Show,
    /// Every limit has its time, not only those in trouble.
    pub always_resets: bool,
    pub glyphs: &'a Glyphs,
    pub thresholds: Thresholds,
    pub markup: Markup,
    pub palette: Palette,
    /// Needed only if a template says `reset_at` ([`Template::needs_zone`]) or the host does.
    pub zone: Option<&'a TimeZone>,
}

/// `--format` and `--window`.
#[derive(Clone, Copy)]
pub struct Templates<'a> {
    pub line: &'a Template,
    pub window: &'a Template,
}

impl LineOptions<'_> {
    pub(super) fn paint(&self, severity: Severity, text: &str, out: &mut String) {
        (self.markup.paint)(self.palette.of(severity), text, out);
    }

    /// Escapes and paints.
    pub(super) fn write(&self, severity: Severity, text: &str, out: &mut String) {
        self.paint(severity, &self.escaped(text), out);
    }

    pub(super) fn escaped(&self, text: &str) -> String {
        let mut escaped = String::with_capacity(text.len());
        (self.markup.escape)(text, &mut escaped);
        escaped
    }

    /// The style of a severity.
    pub fn style(&self, severity: Severity) -> Style {
        self.palette.of(severity)
    }
}

/// ` (23m ago, outage)`, not escaped.
pub(super) fn stale_mark(view: &View, account: Option<&str>, options: &LineOptions) -> String {
    let [before, behind] = options.glyphs.stale;
    let mut out = String::from(before);
    if let Some(account) = account {
        out.push_str(account);
        out.push(' ');
    }
    out.push_str(&view.stale_age().unwrap_or_default());
    if let Some(reason) = view.stale_reason() {
        out.push_str(", ");
        out.push_str(reason);
    }
    out.push_str(behind);
    out
}
