//! The course of a window as a chart, with its legend, its axis and its times.

use super::PageWriter;
use super::marks::{Mark, plain, span};
use crate::model::pace::Sample;
use crate::model::text::width;
use crate::model::time::{DAY, Timestamp};
use crate::model::usage::Window;
use crate::model::view::View;
use crate::render::chart::Chart;
use crate::render::glyphs::ASCII;

pub(super) const CHART_ROWS: usize = 7;

impl PageWriter<'_> {
    /// The course of a window so far, if there are samples of it and the page still fits.
    pub(super) fn chart(&mut self, window: &Window, view: &View) {
        let limit = window.limit();
        let (Some(end), Some(seconds)) = (window.resets_at, window.seconds) else { return };
        // The title, the rows, the axis, the times, and the blank line before them.
        let needed = CHART_ROWS + 4;
        if self.options.lines.is_some_and(|lines| self.lines.len() + needed > lines) {
            return;
        }
        let start = end.plus(-i64::from(seconds));
        let mut samples =
            view.history.as_ref().map(|history| history.of(&limit.label)).unwrap_or_default();
        let latest = Sample { at: view.measured_at(), used: limit.used };
        if samples.last().is_some_and(|last| last.at < latest.at) {
            samples.push(latest);
        }
        let margin = width("100% |");
        let columns = self.columns - margin;
        let is_unicode = *self.options.glyphs != ASCII;
        let show = self.options.show;
        let chart =
            Chart { samples: &samples, start, end, columns, rows: CHART_ROWS, show, is_unicode };
        let Some(rows) = chart.draw() else { return };
        let ([upright, corner, level], [course, even]) = match is_unicode {
            true => (["│", "└", "─"], ["⠒⠒", "⠂⠂"]),
            false => (["|", "+", "-"], ["**", ".."]),
        };
        // Over days, weekdays would be the same at both ends: those have dates, as of moments that
        // are far away.
        let is_long = i64::from(seconds) >= 6 * DAY;
        let Some(zone) = self.options.zone else { return };
        let clock =
            |at: Timestamp| at.clock(if is_long { at.plus(14 * DAY) } else { view.now }, zone);
        let (from, to) = (clock(start), clock(end));
        let word = show.word();
        self.blank();
        self.lines.push(vec![
            span(&limit.label, Mark::Title),
            plain(&format!(" since {from}, % {word}     {course} {word}   {even} an even pace")),
        ]);
        for (number, row) in rows.iter().enumerate() {
            let label = match number {
                0 => "100%",
                _ if number == CHART_ROWS / 2 => " 50%",
                _ if number == CHART_ROWS - 1 => "  0%",
                _ => "    ",
            };
            let axis = span(&format!(" {upright}"), Mark::Faint);
            self.lines.push(vec![plain(label), axis, plain(row.trim_end())]);
        }
        let axis = format!("{corner}{}", level.repeat(columns));
        self.lines.push(vec![plain("     "), span(&axis, Mark::Faint)]);
        let between = columns.saturating_sub(width(&from) + width(&to));
        let times = format!("{}{from}{}{to}", " ".repeat(margin), " ".repeat(between));
        self.lines.push(vec![plain(&times)]);
    }
}
