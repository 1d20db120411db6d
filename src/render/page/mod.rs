//! The page that tells everything: `codexline status`, waybar's tooltip and SwiftBar's menu. One
//! layout in two widths: 80 columns where there is room for them, else 40.
//!
//! The page is made of lines of marked pieces. Here is what stands on it in which order, and how a
//! line gets into its width; each part of the page has a file.

mod course;
mod facts;
mod limits;
mod marks;
mod words;

pub use marks::{Line, Mark, plain_text};

use super::glyphs::Glyphs;
use crate::model::entry::Problem;
use crate::model::show::Show;
use crate::model::text::{fit, width};
use crate::model::time::countdown;
use crate::model::usage::Thresholds;
use crate::model::view::View;
use jiff::tz::TimeZone;
use marks::{padded, plain, span};
use words::{sentence, title, updated, what_happened};

/// What a page is drawn on.
#[derive(Clone, Copy)]
pub struct PageOptions<'a> {
    /// Columns that there are. No line is longer, down to [`NARROWEST`].
    pub columns: usize,
    /// Lines that there are: a chart is drawn only if the page still fits. `None`: as many as it
    /// takes.
    pub lines: Option<usize>,
    /// It opens beside the line, and tells the age in a row of its own.
    pub is_tooltip: bool,
    pub glyphs: &'a Glyphs,
    pub show: Show,
    pub thresholds: Thresholds,
    /// `None`: no clock times.
    pub zone: Option<&'a TimeZone>,
}

/// Narrower screens are written on as if they had so many columns.
pub const NARROWEST: usize = 20;
/// The width of a tooltip, and of a page that has less than [`WIDE`].
pub const NARROW: usize = 40;
/// From here on the page is wide.
const WIDE: usize = 76;
/// It is never wider.
const WIDEST: usize = 80;

/// The columns of a row's name.
const LABEL: usize = 9;
/// Blank columns between parts of a line.
const GAP: usize = 2;

/// The page for one view or for one of each account.
pub fn page(views: &[View], options: &PageOptions) -> Vec<Line> {
    let columns = options.columns.max(NARROWEST);
    let is_wide = columns >= WIDE;
    let columns = columns.min(if is_wide { WIDEST } else { NARROW });
    let mut page = PageWriter { options, columns, is_wide, lines: Vec::new() };
    match views {
        [view] => page.whole(view),
        views if options.is_tooltip => page.tooltip_of_several(views),
        views => {
            for (number, view) in views.iter().enumerate() {
                if number > 0 {
                    page.blank();
                }
                page.whole(view);
            }
        }
    }
    page.lines
}

struct PageWriter<'a> {
    options: &'a PageOptions<'a>,
    columns: usize,
    is_wide: bool,
    lines: Vec<Line>,
}

impl PageWriter<'_> {
    fn whole(&mut self, view: &View) {
        let Some(usage) = &view.usage else { return self.without_numbers(view) };
        let updated = updated(view);
        let has_row = self.title(&title(view, usage), updated.as_deref());
        self.why_old(view);
        self.limits(view, usage);
        let facts = self.facts(view, usage, updated.filter(|_| has_row));
        self.group(facts);
        if self.is_wide {
            for window in &usage.windows {
                self.chart(window, view);
            }
        }
    }

    /// The accounts one below the other, and one row for the age of all.
    fn tooltip_of_several(&mut self, views: &[View]) {
        self.lines.push(vec![span("Codex", Mark::Title)]);
        for view in views {
            let account = view.account.as_deref().unwrap_or_default();
            match &view.usage {
                None => {
                    self.blank();
                    self.lines.push(vec![
                        span(account, Mark::Title),
                        plain("  "),
                        plain(view.word()),
                    ]);
                }
                Some(usage) => {
                    self.blank();
                    self.lines.push(vec![span(account, Mark::Title)]);
                    self.rows(view, usage);
                }
            }
        }
        let oldest = views.iter().max_by_key(|view| view.age_seconds);
        let facts = oldest.and_then(updated).map(|updated| ("updated", vec![updated]));
        self.group(facts.into_iter().collect());
    }

    fn without_numbers(&mut self, view: &View) {
        let mut line = vec![span("Codex", Mark::Title)];
        if let Some(account) = &view.account {
            line.push(span(&format!(" {account}"), Mark::Title));
        }
        line.push(plain("  "));
        line.push(plain(view.word()));
        self.lines.push(line);
        if let Some(problem) = &view.problem {
            self.blank();
            self.problem(problem, view);
        }
        let today = self.today(view);
        self.group(today.into_iter().collect());
    }

    /// The title, with the age at the end of its line if that is its place and fits; whether the
    /// age needs a row.
    fn title(&mut self, title: &str, updated: Option<&str>) -> bool {
        let mut line = vec![span(title, Mark::Title)];
        let mut has_row = updated.is_some();
        if let Some(updated) = updated.filter(|_| !self.options.is_tooltip) {
            let text = format!("updated {updated}");
            let needed = width(title) + GAP + width(&text);
            if needed <= self.columns {
                line.push(plain(&" ".repeat(self.columns - needed + GAP)));
                line.push(plain(&text));
                has_row = false;
            }
        }
        if width(title) <= self.columns {
            self.lines.push(line);
        } else {
            for part in fit(title, self.columns) {
                self.lines.push(vec![span(&part, Mark::Title)]);
            }
        }
        has_row
    }

    /// Why there are no newer numbers.
    fn why_old(&mut self, view: &View) {
        if !view.is_stale && view.problem.is_none() {
            return;
        }
        self.blank();
        if let Some(seconds) = view.age_seconds.filter(|_| view.is_stale) {
            self.text(&format!("Numbers are {} old.", countdown(seconds)));
        }
        if let Some(problem) = &view.problem {
            self.problem(problem, view);
        }
    }

    fn problem(&mut self, problem: &Problem, view: &View) {
        self.text(&what_happened(problem));
        let next = view.retry_at.map(|at| at.seconds_since(view.now)).filter(|left| *left > 0);
        match next {
            Some(left) if problem.hint.starts_with("nothing") => {
                self.text(&format!("Next try in {}.", countdown(left)));
            }
            _ => self.text(&sentence(&problem.hint)),
        }
    }

    /// Rows of a name and its lines, with a blank line before them.
    fn group(&mut self, facts: Vec<(&'static str, Vec<String>)>) {
        if facts.is_empty() {
            return;
        }
        self.blank();
        for (name, texts) in facts {
            let room = self.columns - LABEL;
            let lines = texts.iter().flat_map(|text| fit(text, room));
            for (number, text) in lines.enumerate() {
                let label = if number == 0 { name } else { "" };
                self.lines.push(vec![plain(&padded(label, LABEL)), plain(&text)]);
            }
        }
    }

    fn text(&mut self, text: &str) {
        for line in fit(text, self.columns) {
            self.lines.push(vec![plain(&line)]);
        }
    }

    fn indented(&mut self, text: &str) {
        for line in fit(text, self.columns - LABEL) {
            self.lines.push(vec![plain(&" ".repeat(LABEL)), plain(&line)]);
        }
    }

    fn blank(&mut self) {
        self.lines.push(Line::new());
    }
}

#[cfg(test)]
mod tests;
