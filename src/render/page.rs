//! The page of `codexline status`: everything that is known, for a person at a terminal. Pure.

use super::chart::Chart;
use super::colour::{Palette, Style};
use super::glyphs::{ASCII, Glyphs};
use crate::model::pace::{Pace, Sample, words};
use crate::model::text::{self, width};
use crate::model::time::{DAY, Timestamp, age, countdown};
use crate::model::usage::{Limit, Severity, Thresholds, Window, whole_percent};
use crate::model::view::View;
use jiff::tz::TimeZone;

/// What a page is drawn on.
pub struct PageOptions<'a> {
    /// Characters in a line. No line is longer, down to [`NARROWEST`].
    pub columns: usize,
    pub glyphs: &'a Glyphs,
    pub paint: fn(style: Style, text: &str, out: &mut String),
    pub palette: Palette,
    pub thresholds: Thresholds,
    pub zone: &'a TimeZone,
}

/// Narrower paper is written on as if it were this wide.
pub const NARROWEST: usize = 20;
/// From here on names stand in a column of their own.
const TWO_COLUMNS: usize = 48;
/// Longer names stand above what is said of them.
const LONGEST_NAME: usize = 18;
const LONGEST_BAR: usize = 36;
/// Below this a bar says nothing.
const SHORTEST_BAR: usize = 6;
/// ` 100% used, 100% left`.
const AMOUNTS: usize = 22;
const CHART_ROWS: usize = 4;
const LONGEST_CHART: usize = 60;

/// The page; ends with a line feed.
pub fn page(view: &View, paper: &PageOptions) -> String {
    let columns = paper.columns.max(NARROWEST);
    let mut sheet = Sheet {
        paper,
        columns,
        indent: if columns >= TWO_COLUMNS { name_width(view) } else { 2 },
        text: String::new(),
    };
    if let Some(account) = &view.account {
        sheet.fact("account", account);
    }
    let Some(usage) = &view.usage else {
        sheet.painted("Codex", view.severity, view.word());
        sheet.problem(view);
        sheet.today(view);
        return sheet.text;
    };
    if let Some(plan) = &usage.plan {
        sheet.fact("plan", plan);
    }
    for window in &usage.windows {
        let limit = window.limit();
        sheet.limit(&limit.label, &limit, window.started, &view.pace(&limit), view);
    }
    if let Some(limit) = usage.budget_limit() {
        sheet.limit(&limit.label, &limit, true, &view.pace(&limit), view);
        if let Some(budget) = view.budget().filter(|text| text.contains('/')) {
            sheet.more(&format!("{} used", budget.replace('/', " of ")));
        }
    }
    for pool in &usage.pools {
        for window in &pool.windows {
            let limit = window.limit();
            let pace = view.pool_pace(pool, &limit);
            sheet.limit(
                &format!("{} {}", pool.name, limit.label),
                &limit,
                window.started,
                &pace,
                view,
            );
        }
    }
    if usage.limits().next().is_none() {
        sheet.painted("limits", view.severity, &view.without_limits());
    } else if view.blocked().is_some() {
        sheet.painted("state", view.severity, "work is refused");
    }
    if let Some(credits) = view.credits() {
        sheet.fact("credits", &credits);
    }
    if let Some(banked) = usage.banked_resets {
        sheet.fact("banked resets", &banked.count.to_string());
    }
    sheet.today(view);
    if let (Some(source), Some(seconds)) = (view.source, view.age_seconds) {
        sheet.fact("source", &format!("{}, {}", source.name(), age(seconds)));
    }
    sheet.problem(view);
    for window in &usage.windows {
        sheet.chart(window, view);
    }
    sheet.text
}

/// Of the column of names.
fn name_width(view: &View) -> usize {
    let usage = view.usage.as_ref();
    let pools = usage.iter().flat_map(|usage| &usage.pools).flat_map(|pool| {
        pool.windows.iter().map(|window| width(&format!("{} {}", pool.name, window.label())))
    });
    pools
        .filter(|width| *width <= LONGEST_NAME)
        .max()
        .unwrap_or_default()
        .max(width("banked resets"))
        + 2
}

struct Sheet<'a> {
    paper: &'a PageOptions<'a>,
    columns: usize,
    /// Where what is said of a name begins.
    indent: usize,
    text: String,
}

impl Sheet<'_> {
    /// A name, and the line's rest if the name leaves room for it.
    fn name(&mut self, name: &str) {
        if width(name) + 2 <= self.indent {
            self.text.push_str(name);
            self.text.push_str(&" ".repeat(self.indent - width(name)));
            return;
        }
        for line in fit(name, self.columns) {
            self.text.push_str(&line);
            self.text.push('\n');
        }
        self.text.push_str(&" ".repeat(self.indent));
    }

    fn paint(&mut self, severity: Severity, text: &str) {
        (self.paper.paint)(self.paper.palette.of(severity), text, &mut self.text);
    }

    fn room(&self) -> usize {
        self.columns - self.indent
    }

    fn fact(&mut self, name: &str, text: &str) {
        self.name(name);
        let mut lines = fit(text, self.room()).into_iter();
        self.text.push_str(&lines.next().unwrap_or_default());
        self.text.push('\n');
        for line in lines {
            self.indented(&line);
        }
    }

    fn today(&mut self, view: &View) {
        if let Some(today) = view.today() {
            self.fact("today", &today);
        }
    }

    fn painted(&mut self, name: &str, severity: Severity, text: &str) {
        self.name(name);
        let text = fit(text, self.room()).into_iter().next().unwrap_or_default();
        self.paint(severity, &text);
        self.text.push('\n');
    }

    /// Further text of the last name.
    fn more(&mut self, text: &str) {
        for line in fit(text, self.room()) {
            self.indented(&line);
        }
    }

    fn indented(&mut self, line: &str) {
        self.text.push_str(&" ".repeat(self.indent));
        self.text.push_str(line);
        self.text.push('\n');
    }

    fn limit(&mut self, name: &str, limit: &Limit, started: bool, pace: &Pace, view: &View) {
        self.name(name);
        let used = whole_percent(limit.used);
        let amounts = format!("{used}% used, {}% left", 100 - used);
        let severity = match view.measure {
            crate::model::usage::Measure::Used => self.paper.thresholds.severity(limit.used),
            crate::model::usage::Measure::Pace => {
                crate::model::pace::severity(limit, pace, self.paper.thresholds)
            }
        };
        let is_beside = self.room() >= AMOUNTS + SHORTEST_BAR;
        let bar_width =
            if is_beside { self.room() - AMOUNTS } else { self.room() }.min(LONGEST_BAR);
        self.paint(severity, &self.paper.glyphs.bar(limit.used, bar_width));
        if is_beside {
            self.text.push_str(&format!(" {amounts}\n"));
        } else {
            self.text.push('\n');
            self.more(&amounts);
        }
        match limit.resets_at {
            Some(reset) => {
                let clock = reset.clock(view.now, self.paper.zone);
                self.more(&format!(
                    "resets in {}, at {clock}",
                    countdown(reset.seconds_since(view.now))
                ));
            }
            None if !started => self.more("has not started: its time begins with the first use"),
            None => self.more("when it resets is not known"),
        }
        if let Some(words) = words(pace) {
            self.more(&words);
        }
    }

    fn problem(&mut self, view: &View) {
        if let Some(problem) = &view.problem {
            self.fact("problem", &problem.message);
            self.more(&problem.hint);
        }
    }

    /// The course of a window so far, if there are samples of it.
    fn chart(&mut self, window: &Window, view: &View) {
        let limit = window.limit();
        let (Some(end), Some(seconds)) = (window.resets_at, window.seconds) else { return };
        let start = end.plus(-i64::from(seconds));
        let mut samples =
            view.history.as_ref().map(|history| history.of(&limit.label)).unwrap_or_default();
        let latest = Sample { at: view.measured_at(), used: limit.used };
        if samples.last().is_some_and(|last| last.at < latest.at) {
            samples.push(latest);
        }
        let margin = width("100% |");
        let columns = (self.columns - margin).min(LONGEST_CHART);
        let is_unicode = *self.paper.glyphs != ASCII;
        let chart = Chart { samples: &samples, start, end, columns, rows: CHART_ROWS, is_unicode };
        let Some(rows) = chart.draw() else { return };
        let [upright, corner, level] =
            if is_unicode { ["│", "└", "─"] } else { ["|", "+", "-"] };
        self.text.push_str(&format!("\n{} so far\n", limit.label));
        for (number, row) in rows.iter().enumerate() {
            let label = if number == 0 { "100%" } else { "    " };
            self.text.push_str(&format!("{label} {upright}"));
            self.paint(view.severity_of(&limit, self.paper.thresholds), row.trim_end());
            self.text.push('\n');
        }
        self.text.push_str(&format!("  0% {corner}{}\n", level.repeat(columns)));
        // Over days, weekdays would be the same at both ends: dates, as of moments that are far away.
        let is_long = i64::from(seconds) >= 6 * DAY;
        let clock = |at: Timestamp| {
            let now = if is_long { at.plus(7 * DAY) } else { view.now };
            at.clock(now, self.paper.zone)
        };
        let (from, to) = (clock(start), clock(end));
        let from = if width(&from) + width(&to) < columns { from } else { String::new() };
        let between = columns.saturating_sub(width(&from) + width(&to));
        self.text.push_str(&format!("{}{from}{}{to}\n", " ".repeat(margin), " ".repeat(between)));
    }
}

/// Lines of at most `columns`; a word that is longer is broken itself.
fn fit(text: &str, columns: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for line in text::wrap(text, columns) {
        let mut part = String::new();
        for character in line.chars() {
            if width(&part) + width(character.encode_utf8(&mut [0; 4])) > columns
                && !part.is_empty()
            {
                lines.push(std::mem::take(&mut part));
            }
            part.push(character);
        }
        lines.push(part);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::entry::{Answer, Problem, Source};
    use crate::model::usage::{BankedResets, Budget, Credits, Measure, Pool, Usage};
    use crate::render::colour::TERMINAL;
    use crate::render::glyphs::{SETS, UNICODE};
    use crate::render::style::{paint_ansi, uncoloured};
    use proptest::prelude::*;

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_795_359_600);
    const THRESHOLDS: Thresholds = Thresholds { warn: 70.0, critical: 90.0 };

    fn window(seconds: u32, used: f64, resets_in: Option<i64>) -> Window {
        Window {
            seconds: Some(seconds),
            slot: None,
            used,
            resets_at: resets_in.map(|seconds| NOW.plus(seconds)),
            started: resets_in.is_some(),
        }
    }

    fn view(usage: Usage) -> View {
        View::of_answer(&Answer { fetched_at: NOW, source: Source::Api, usage }, NOW, THRESHOLDS)
    }

    fn full() -> View {
        let budget = Budget {
            used_percent: 25.0,
            limit: Some(200.0),
            used: Some(50.0),
            remaining: Some(150.0),
            resets_at: Some(NOW.plus(864_000)),
        };
        let mut view = view(Usage {
            plan: Some("plus".into()),
            windows: vec![window(18_000, 82.0, Some(7200)), window(604_800, 0.0, None)],
            budget: Some(budget),
            pools: vec![Pool {
                name: "code review".into(),
                windows: vec![window(604_800, 3.0, Some(302_400))],
            }],
            credits: Some(Credits { available: true, unlimited: false, balance: Some(12.5) }),
            banked_resets: Some(BankedResets { count: 2, next_expires_at: None }),
            ..Usage::default()
        });
        let samples = r#"{"5h":[[1795349600,120],[1795352000,400],[1795357600,600]]}"#;
        view.history = serde_json::from_str(samples).unwrap();
        view.problem = Some(Problem {
            code: "x".into(),
            word: "x".into(),
            message:
                "https://example.invalid/a/long/path/that/does/not/fit: timed out while connecting"
                    .into(),
            hint: "check the network".into(),
        });
        view
    }

    fn draw(view: &View, columns: usize, glyphs: &Glyphs) -> String {
        let paper = PageOptions {
            columns,
            glyphs,
            paint: uncoloured,
            palette: TERMINAL,
            thresholds: THRESHOLDS,
            zone: &TimeZone::UTC,
        };
        page(view, &paper)
    }

    #[test]
    fn everything_on_a_wide_page() {
        let drawn = draw(&full(), 80, &UNICODE);
        let expected = "\
plan            plus
5h              ██████████████████████████████░░░░░░ 82% used, 18% left
                resets in 2h00m, at 17:00
                22 points ahead of an even pace; at this rate empty in 27m,
                1h32m before the reset
7d              ░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░ 0% used, 100% left
                has not started: its time begins with the first use
budget          █████████░░░░░░░░░░░░░░░░░░░░░░░░░░░ 25% used, 75% left
                resets in 10d0h, at 2 Dec 15:00
                50 of 200 used
code review 7d  █░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░ 3% used, 97% left
                resets in 3d12h, at Thu 03:00
                47 points behind an even pace; lasts until the reset at this
                rate
credits         12.5
banked resets   2
source          api, just now
problem         https://example.invalid/a/long/path/that/does/not/fit: timed out
                while connecting
                check the network
";
        assert!(drawn.starts_with(expected), "{drawn}");
        assert!(drawn.contains("\n5h so far\n100% │"), "{drawn}");
        assert!(
            drawn.ends_with("      12:00                                                  17:00\n"),
            "{drawn}"
        );
    }

    #[test]
    fn a_narrow_page_in_letters() {
        let drawn = draw(&full(), 30, &ASCII);
        assert!(drawn.is_ascii());
        assert!(
            drawn.contains("5h\n  =====- 82% used, 18% left\n  resets in 2h00m, at 17:00\n"),
            "{drawn}"
        );
    }

    #[test]
    fn nothing_known_is_a_word_and_what_to_do() {
        let mut empty = View::new(None, "", None, NOW, THRESHOLDS);
        assert_eq!(draw(&empty, 80, &UNICODE), "Codex          loading\n");
        empty.problem = full().problem;
        assert!(draw(&empty, 80, &UNICODE).contains("check the network"));
    }

    #[test]
    fn colour_is_of_the_severity() {
        let mut view = full();
        let paper = PageOptions {
            columns: 80,
            glyphs: &UNICODE,
            paint: paint_ansi,
            palette: TERMINAL,
            thresholds: THRESHOLDS,
            zone: &TimeZone::UTC,
        };
        assert!(page(&view, &paper).contains("5h              \u{1b}[38;5;16;48;5;220m█"));
        view.usage.as_mut().unwrap().windows[0].used = 40.0;
        assert!(page(&view, &paper).contains("5h              █"));
        view.measure = Measure::Pace;
        view.history = None;
        view.usage.as_mut().unwrap().windows[0].used = 65.0;
        assert!(page(&view, &paper).contains("5h              \u{1b}[38;5;16;48;5;220m█"));
    }

    proptest! {
        #[test]
        fn no_line_is_wider_than_the_paper(columns in 0..130_usize, set in 0..3_usize, used in 0.0..=100.0_f64) {
            let mut view = full();
            view.usage.as_mut().unwrap().windows[0].used = used;
            let drawn = draw(&view, columns, SETS[set]);
            for line in drawn.lines() {
                prop_assert!(width(line) <= columns.max(NARROWEST), "{line:?} at {columns}");
            }
            prop_assert!(drawn.ends_with('\n'));
        }
    }
}
