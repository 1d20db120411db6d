//! The rows of the limits: a label, a bar, a number, and when it is reset.

use super::marks::{Line, Mark, padded, plain, span};
use super::words::sentence;
use super::{GAP, LABEL, PageWriter};
use crate::model::pace::{self, Pace};
use crate::model::text::width;
use crate::model::time::{Timestamp, countdown};
use crate::model::usage::{Limit, Measure, Usage};
use crate::model::view::View;

/// The columns of `100% left`.
const NUMBER: usize = 9;
const BAR: usize = 20;
const WIDE_BAR: usize = 30;
/// A bar of fewer columns says nothing.
const SHORTEST_BAR: usize = 4;

impl PageWriter<'_> {
    pub(super) fn limits(&mut self, view: &View, usage: &Usage) {
        if let Some(blocked) = usage.block_without_limit() {
            self.blank();
            let is_left = usage.limits().next().is_some();
            self.text(if is_left { "Blocked, though limits are left." } else { "Blocked." });
            self.text(&match &blocked.reason {
                Some(reason) => sentence(&format!("Codex says: {reason}")),
                None => "Codex gives no reason.".to_string(),
            });
            if let Some(until) = blocked.until {
                self.text(&format!("Back in {}.", self.when(until, view)));
            }
        }
        self.blank();
        self.rows(view, usage);
    }

    /// A row for each limit, and below them those of the pools.
    pub(super) fn rows(&mut self, view: &View, usage: &Usage) {
        if usage.limits().next().is_none() {
            let mark = Mark::Number(view.severity);
            self.lines.push(vec![span(&view.without_limits(), mark)]);
        }
        for window in &usage.windows {
            let limit = window.limit();
            self.limit(&limit, window.started, &view.pace(&limit), view);
        }
        if let Some(limit) = usage.budget_limit() {
            self.limit(&limit, true, &view.pace(&limit), view);
            if let Some(budget) = view.budget().filter(|text| text.contains('/')) {
                self.indented(&format!("{} used", budget.replace('/', " of ")));
            }
        }
        for pool in &usage.pools {
            self.blank();
            self.text(&pool.name);
            for (window, limit) in pool.windows.iter().zip(pool.limits()) {
                self.limit(&limit, window.started, &view.pace(&limit), view);
            }
        }
    }

    pub(super) fn limit(&mut self, limit: &Limit, started: bool, pace: &Pace, view: &View) {
        let by_use = self.options.thresholds.severity(limit.used);
        let severity = match view.measure {
            Measure::Used => by_use,
            Measure::Pace => pace::severity(limit, pace, self.options.thresholds),
        };
        let mut line = Line::new();
        if width(&limit.label) < LABEL {
            line.push(plain(&padded(&limit.label, LABEL)));
        } else {
            self.text(&limit.label);
            line.push(plain(&" ".repeat(LABEL)));
        }
        let room = self.columns - LABEL - NUMBER;
        let bar = (if self.is_wide { WIDE_BAR } else { BAR }).min(room.saturating_sub(GAP));
        let number = self.options.show.amount(limit.used);
        let mut before = NUMBER.saturating_sub(width(&number));
        if bar >= SHORTEST_BAR {
            let [full, rest] = self.options.glyphs.page_bar;
            let filled = self.options.glyphs.filled(self.options.show.share(limit.used), bar);
            line.push(plain(&full.repeat(filled)));
            line.push(span(&rest.repeat(bar - filled), Mark::Faint));
            before += GAP;
        }
        line.push(plain(&" ".repeat(before)));
        line.push(span(&number, Mark::Number(severity)));
        let when = match limit.resets_at {
            Some(at) if limit.used >= 100.0 => format!("back in {}", self.when(at, view)),
            Some(at) => format!("resets in {}", self.when(at, view)),
            None if !started => "starts with its first use".to_string(),
            None => String::new(),
        };
        let needed = line.iter().map(|span| width(&span.text)).sum::<usize>() + GAP + width(&when);
        if self.is_wide && needed <= self.columns && !when.is_empty() {
            line.push(plain(&" ".repeat(GAP)));
            line.push(plain(&when));
            self.lines.push(line);
        } else {
            self.lines.push(line);
            self.indented(&when);
        }
    }

    /// `1h03m (22:07)`.
    pub(super) fn when(&self, at: Timestamp, view: &View) -> String {
        let left = countdown(at.seconds_since(view.now));
        match self.options.zone {
            Some(zone) => format!("{left} ({})", at.clock(view.now, zone)),
            None => left,
        }
    }
}
