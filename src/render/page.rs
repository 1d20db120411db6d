//! The page that tells everything: `codexline status`, waybar's tooltip and SwiftBar's menu. One
//! layout in two widths: 80 columns where there is room for them, else 40.
//!
//! The page is made of lines of marked pieces. Whoever shows it says how a mark is written.

use super::chart::Chart;
use super::colour::{PLAIN, Palette, Style, Weight};
use super::glyphs::{ASCII, Glyphs};
use crate::model::entry::{Problem, Source};
use crate::model::pace::{self, Pace, Sample};
use crate::model::show::Show;
use crate::model::text::{fit, width};
use crate::model::time::{DAY, Timestamp, age, countdown};
use crate::model::usage::{Limit, Measure, Severity, Thresholds, Usage, Window};
use crate::model::view::View;
use jiff::tz::TimeZone;

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

const LABEL: usize = 9;
/// `100% left`.
const NUMBER: usize = 9;
const GAP: usize = 2;
const BAR: usize = 20;
const WIDE_BAR: usize = 30;
/// A bar of fewer columns says nothing.
const SHORTEST_BAR: usize = 4;
const CHART_ROWS: usize = 7;

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

    fn limits(&mut self, view: &View, usage: &Usage) {
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
    fn rows(&mut self, view: &View, usage: &Usage) {
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
            for window in &pool.windows {
                let limit = window.limit();
                self.limit(&limit, window.started, &view.pool_pace(pool, &limit), view);
            }
        }
    }

    fn limit(&mut self, limit: &Limit, started: bool, pace: &Pace, view: &View) {
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
    fn when(&self, at: Timestamp, view: &View) -> String {
        let left = countdown(at.seconds_since(view.now));
        match self.options.zone {
            Some(zone) => format!("{left} ({})", at.clock(view.now, zone)),
            None => left,
        }
    }

    /// What there is to say beside the limits, by name. `updated`: the age, if it needs a row.
    fn facts(
        &self,
        view: &View,
        usage: &Usage,
        updated: Option<String>,
    ) -> Vec<(&'static str, Vec<String>)> {
        let mut facts = Vec::new();
        let pace = self.paces(view, usage);
        if !pace.is_empty() {
            facts.push(("pace", pace));
        }
        if let Some(banked) = usage.banked_resets.filter(|banked| banked.count > 0) {
            let (resets, first) = match banked.count {
                1 => ("1 reset".to_string(), "it expires in"),
                count => (format!("{count} resets"), "the first expires in"),
            };
            let left = banked.next_expires_at.map(|at| at.seconds_since(view.now));
            let expires = left.map(|left| format!("{first} {}", countdown(left)));
            facts.push((
                "banked",
                match expires {
                    Some(expires) if self.is_wide => vec![format!("{resets}, {expires}")],
                    Some(expires) => vec![resets, expires],
                    None => vec![resets],
                },
            ));
        }
        let models = usage.unavailable_models.iter().map(|model| match model.available_at {
            Some(at) => format!("{} is out, back in {}", model.name, self.when(at, view)),
            None => format!("{} is out", model.name),
        });
        let models: Vec<String> = models.collect();
        if !models.is_empty() {
            facts.push(("models", models));
        }
        facts.extend(view.credits().map(|credits| ("credits", vec![credits])));
        facts.extend(self.today(view));
        facts.extend(updated.map(|updated| ("updated", vec![updated])));
        facts
    }

    fn today(&self, view: &View) -> Option<(&'static str, Vec<String>)> {
        view.today().map(|today| ("today", vec![today]))
    }

    /// The limits that do not last, or, on a narrow page, that all do.
    fn paces(&self, view: &View, usage: &Usage) -> Vec<String> {
        let paces: Vec<(Limit, Pace)> = usage
            .limits()
            .map(|limit| {
                let pace = view.pace(&limit);
                (limit, pace)
            })
            .collect();
        let told: Vec<String> = paces
            .iter()
            .filter_map(|(limit, pace)| {
                let runs_out = format!("{} runs out in {}", limit.label, countdown(pace.runs_out?));
                Some(match pace.before_reset {
                    Some(before) => {
                        format!("{runs_out}, {} before its reset", countdown(before))
                    }
                    None => runs_out,
                })
            })
            .collect();
        let known: Vec<bool> = paces.iter().filter_map(|(_, pace)| pace.lasts).collect();
        if told.is_empty() && !self.is_wide && !known.is_empty() && known.iter().all(|lasts| *lasts)
        {
            return vec!["all last until they reset".to_string()];
        }
        told
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

    /// The course of a window so far, if there are samples of it and the page still fits.
    fn chart(&mut self, window: &Window, view: &View) {
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

fn span(text: &str, mark: Mark) -> Span {
    Span { text: text.to_string(), mark }
}

fn plain(text: &str) -> Span {
    span(text, Mark::Plain)
}

fn padded(text: &str, columns: usize) -> String {
    format!("{text}{}", " ".repeat(columns.saturating_sub(width(text))))
}

/// `Codex Plus`, or `Codex work · Plus` for one of several accounts.
fn title(view: &View, usage: &Usage) -> String {
    let plan = usage.plan.as_deref().map(|plan| {
        let plan = plan.replace('_', " ");
        let mut letters = plan.chars();
        let first = letters.next().map(|first| first.to_uppercase().to_string());
        first.unwrap_or_default() + letters.as_str()
    });
    match (&view.account, plan) {
        (Some(account), Some(plan)) => format!("Codex {account} · {plan}"),
        (Some(account), None) => format!("Codex {account}"),
        (None, Some(plan)) => format!("Codex {plan}"),
        (None, None) => "Codex".to_string(),
    }
}

/// `just now`, or `23m ago, from the session files`.
fn updated(view: &View) -> Option<String> {
    let age = age(view.age_seconds?);
    Some(match view.source {
        None | Some(Source::Api) => age,
        Some(Source::Codex) => format!("{age}, from codex itself"),
        Some(Source::Sessions) => format!("{age}, from the session files"),
    })
}

/// What went wrong, as a sentence for somebody who does not know the program.
fn what_happened(problem: &Problem) -> String {
    match problem.code.as_str() {
        "not_signed_in" => "There is no ChatGPT login to ask with.".to_string(),
        "refresh_refused" => "The login has ended.".to_string(),
        "server_error" => {
            let status = problem.message.rsplit_once('(').map(|(_, status)| format!(" ({status}"));
            format!("Codex does not answer{}.", status.unwrap_or_default())
        }
        _ => sentence(&short_urls(&problem.message)),
    }
}

/// With the host alone in place of each URL.
fn short_urls(text: &str) -> String {
    let word = |word: &str| match word.split_once("://") {
        Some((_, rest)) => {
            let host = rest.split('/').next().unwrap_or(rest).trim_end_matches(':');
            format!("{host}{}", if word.ends_with(':') { ":" } else { "" })
        }
        None => word.to_string(),
    };
    text.split(' ').map(word).collect::<Vec<String>>().join(" ")
}

/// With a capital letter, unless it begins with a name or a path, and a full stop.
fn sentence(text: &str) -> String {
    let first = text.split(' ').next().unwrap_or_default();
    let is_name = first.contains(['.', '/', ':', '_']);
    let mut letters = text.chars();
    let start = letters.next().map(|letter| match is_name {
        true => letter.to_string(),
        false => letter.to_uppercase().to_string(),
    });
    let end = if text.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{}{}{end}", start.unwrap_or_default(), letters.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::entry::Answer;
    use crate::model::today::{Counts, Today};
    use crate::model::usage::{
        BankedResets, Blocked, Budget, Credits, Pool, UnavailableModel, Usage, Window,
    };
    use crate::render::glyphs::{SETS, UNICODE};
    use proptest::prelude::*;

    // Sunday 2026-11-22 21:04 UTC.
    const NOW: Timestamp = Timestamp::from_unix_seconds(1_795_381_440);
    static ZONE: TimeZone = TimeZone::UTC;
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

    fn hours(used: f64) -> Window {
        window(18_000, used, Some(3780))
    }

    fn usage(windows: Vec<Window>) -> Usage {
        Usage { plan: Some("plus".into()), windows, ..Usage::default() }
    }

    fn view(usage: Usage) -> View {
        View::of_answer(
            &Answer { fetched_at: NOW, source: Source::Api, asked_at: None, usage },
            NOW,
            THRESHOLDS,
        )
    }

    /// As in the design: a week that does not last, and resets in hand.
    fn week_in_trouble() -> Usage {
        let next_expires_at = Some(NOW.plus(187_200));
        Usage {
            banked_resets: Some(BankedResets { count: 2, next_expires_at }),
            ..usage(vec![hours(42.0), window(604_800, 78.0, Some(460_800))])
        }
    }

    fn options(columns: usize) -> PageOptions<'static> {
        PageOptions {
            columns,
            lines: None,
            is_tooltip: false,
            glyphs: &UNICODE,
            show: Show::Left,
            thresholds: THRESHOLDS,
            zone: Some(&ZONE),
        }
    }

    fn text(views: &[View], options: &PageOptions) -> String {
        let line = |line| format!("{}\n", plain_text(line).trim_end());
        page(views, options).iter().map(line).collect()
    }

    #[track_caller]
    fn tooltip(views: &[View], expected: &str) {
        assert_eq!(text(views, &PageOptions { is_tooltip: true, ..options(NARROW) }), expected);
    }

    #[test]
    fn a_tooltip_has_forty_columns() {
        tooltip(
            &[view(week_in_trouble())],
            "\
Codex Plus

5h       ━━━━━━━━━━━━────────   58% left
         resets in 1h03m (22:07)
7d       ━━━━────────────────   22% left
         resets in 5d8h (Sat 05:04)

pace     7d runs out in 11h16m, 4d20h
         before its reset
banked   2 resets
         the first expires in 2d4h
updated  just now
",
        );
        let mut old = view(usage(vec![hours(42.0), window(604_800, 17.0, Some(460_800))]));
        old.is_stale = true;
        old.age_seconds = Some(23 * 60);
        old.problem =
            Some(problem("refresh_refused", "the login in x has ended", "run codex login"));
        tooltip(
            &[old],
            "\
Codex Plus

Numbers are 23m old.
The login has ended.
Run codex login.

5h       ━━━━━━━━━━━━────────   58% left
         resets in 1h03m (22:07)
7d       ━━━━━━━━━━━━━━━━━───   83% left
         resets in 5d8h (Sat 05:04)

pace     all last until they reset
updated  23m ago
",
        );
        let of = |account: &str, usage| View { account: Some(account.into()), ..view(usage) };
        tooltip(
            &[
                of("work", usage(vec![hours(42.0)])),
                of("home", usage(vec![window(604_800, 78.0, Some(100_800))])),
            ],
            "\
Codex

work
5h       ━━━━━━━━━━━━────────   58% left
         resets in 1h03m (22:07)

home
7d       ━━━━────────────────   22% left
         resets in 1d4h (Tue 01:04)

updated  just now
",
        );
    }

    fn problem(code: &str, message: &str, hint: &str) -> Problem {
        Problem {
            code: code.into(),
            word: "signed out".into(),
            message: message.into(),
            hint: hint.into(),
        }
    }

    #[test]
    fn what_went_wrong_is_told_in_sentences() {
        let check = |problem: Problem, retry_in: Option<i64>, expected: &str| {
            let mut view = view(usage(vec![hours(42.0)]));
            view.retry_at = retry_in.map(|seconds| NOW.plus(seconds));
            view.problem = Some(problem);
            view.is_stale = true;
            view.age_seconds = Some(23 * 60);
            let text = text(&[view], &options(NARROW));
            let start = format!("\n\nNumbers are 23m old.\n{expected}\n\n5h ");
            assert!(text.contains(&start), "{text}");
        };
        let url = "https://chatgpt.com/backend-api/wham/usage";
        let outage = format!("{url} has an outage (503)");
        check(
            problem("server_error", &outage, "nothing to do: codexline asks again later"),
            Some(120),
            "Codex does not answer (503).\nNext try in 2m.",
        );
        check(
            problem(
                "timed_out",
                &format!("{url}: timed out while connecting"),
                "check the network",
            ),
            None,
            "chatgpt.com: timed out while connecting.\nCheck the network.",
        );
        let signed_out = View {
            problem: Some(problem("not_signed_in", "not signed in: no login", "run codex login")),
            ..View::new(None, "", None, NOW, THRESHOLDS)
        };
        tooltip(
            &[signed_out],
            "Codex  signed out\n\nThere is no ChatGPT login to ask with.\nRun codex login.\n",
        );
        tooltip(&[View::new(None, "", None, NOW, THRESHOLDS)], "Codex  loading\n");
        let blocked = Some(Blocked::default());
        let blocked = view(Usage { blocked, ..usage(vec![hours(5.0)]) });
        let text = text(&[blocked], &options(NARROW));
        let expected = "\n\nBlocked, though limits are left.\nCodex gives no reason.\n\n5h ";
        assert!(text.contains(expected), "{text}");
    }

    fn full() -> View {
        let mut view = view(Usage {
            pools: vec![Pool {
                name: "GPT-5.3-Codex-Spark".into(),
                windows: vec![window(18_000, 12.0, Some(9000))],
            }],
            credits: Some(Credits { available: true, unlimited: false, balance: Some(12.5) }),
            unavailable_models: vec![UnavailableModel {
                name: "gpt-reserve".into(),
                available_at: Some(NOW.plus(9000)),
            }],
            ..week_in_trouble()
        });
        let counts = Counts { sessions: 3, turns: 12, total_tokens: 503_000, ..Counts::default() };
        view.today = Some(Today { counted_at: NOW, ends_at: NOW.plus(60), counts });
        view
    }

    #[test]
    fn the_page_has_eighty_columns_at_most() {
        let expected = "\
Codex Plus                                                      updated just now

5h       ━━━━━━━━━━━━━━━━━─────────────   58% left  resets in 1h03m (22:07)
7d       ━━━━━━━───────────────────────   22% left  resets in 5d8h (Sat 05:04)

GPT-5.3-Codex-Spark
5h       ━━━━━━━━━━━━━━━━━━━━━━━━━━────   88% left  resets in 2h30m (23:34)

pace     7d runs out in 11h16m, 4d20h before its reset
banked   2 resets, the first expires in 2d4h
models   gpt-reserve is out, back in 2h30m (23:34)
credits  12.5
today    3 sessions, 12 turns, 503k tokens
";
        assert_eq!(text(&[full()], &options(80)), expected);
        assert_eq!(text(&[full()], &options(120)), expected, "it does not spread");
        // What is fine has no row for its pace.
        let fine = text(&[view(usage(vec![hours(42.0)]))], &options(80));
        assert!(!fine.contains("pace"), "{fine}");
        let account = View { account: Some("work".into()), ..view(usage(vec![hours(42.0)])) };
        assert!(text(&[account], &options(80)).starts_with("Codex work · Plus  "));
    }

    #[test]
    fn at_forty_columns_the_age_stands_in_the_title() {
        let text = text(&[full()], &options(79 - 4));
        assert!(text.starts_with("Codex Plus              updated just now\n\n5h  "), "{text}");
        assert!(
            text.contains("\ntoday    3 sessions, 12 turns, 503k\n         tokens\n"),
            "{text}"
        );
    }

    #[test]
    fn used_instead_of_left() {
        let options = PageOptions { show: Show::Used, ..options(80) };
        let text = text(&[view(usage(vec![hours(42.0)]))], &options);
        let row =
            "\n5h       ━━━━━━━━━━━━━──────────────────   42% used  resets in 1h03m (22:07)\n";
        assert!(
            text.contains(&row.replace(
                "━━━━━━━━━━━━━──────────────────",
                &format!("{}{}", "━".repeat(13), "─".repeat(17))
            )),
            "{text}"
        );
    }

    #[test]
    fn a_budget_tells_its_amounts() {
        let budget = Budget {
            used_percent: 25.0,
            limit: Some(200.0),
            used: Some(50.0),
            remaining: Some(150.0),
            resets_at: Some(NOW.plus(864_000)),
        };
        let usage = Usage { budget: Some(budget), ..Usage::default() };
        let text = text(&[view(usage)], &options(80));
        assert!(text.contains("75% left\n         resets in 10d0h (2 Dec 21:04)\n"), "{text}");
        assert!(text.contains("\n         50 of 200 used\n"), "{text}");
    }

    fn with_samples() -> View {
        let mut view = full();
        let start = NOW.plus(3780 - 18_000).unix_seconds();
        let samples = format!(
            "{{\"5h\":[[{},100],[{},250],[{},400]]}}",
            start + 3600,
            start + 7200,
            start + 13_000
        );
        view.history = serde_json::from_str(&samples).unwrap();
        view
    }

    #[test]
    fn a_chart_has_a_legend_and_begins_with_what_is_known() {
        let text = text(&[with_samples()], &options(80));
        let (_, chart) = text.split_once("\n\n5h since ").unwrap();
        let lines: Vec<&str> = chart.lines().collect();
        assert_eq!(lines[0], "17:07, % left     ⠒⠒ left   ⠂⠂ an even pace");
        assert_eq!(lines.len(), 1 + CHART_ROWS + 2, "{chart}");
        let labels: Vec<&str> = lines[1..=CHART_ROWS].iter().map(|line| &line[..4]).collect();
        assert_eq!(labels, ["100%", "    ", "    ", " 50%", "    ", "    ", "  0%"]);
        // The first sample came an hour after the beginning, a fifth of the way.
        let first = lines[1].chars().skip(6).take(13).collect::<String>();
        assert!(!first.contains(['⠉', '⠒', '⠤']), "{chart}");
        let times = format!("      17:07{}22:07", " ".repeat(64));
        assert_eq!(lines[CHART_ROWS + 2], times);
    }

    #[test]
    fn a_chart_is_drawn_only_where_the_page_still_fits() {
        let lines = text(&[with_samples()], &options(80)).lines().count();
        let in_lines = |lines| text(&[with_samples()], &PageOptions { lines, ..options(80) });
        assert!(in_lines(Some(lines)).contains("since"));
        assert!(!in_lines(Some(lines - 1)).contains("since"));
    }

    #[test]
    fn only_what_is_wrong_is_marked() {
        let numbers: Vec<(String, Mark)> = page(&[view(week_in_trouble())], &options(80))
            .into_iter()
            .flatten()
            .filter(|span| matches!(span.mark, Mark::Number(_)))
            .map(|span| (span.text, span.mark))
            .collect();
        assert_eq!(
            numbers,
            [
                ("58% left".to_string(), Mark::Number(Severity::Ok)),
                ("22% left".to_string(), Mark::Number(Severity::Warning)),
            ]
        );
        assert!(!numbers[0].1.is_bold() && numbers[1].1.is_bold());
    }

    proptest! {
        #[test]
        fn no_line_is_wider_than_the_page(
            columns in 0..130_usize, set in 0..3_usize, used in 0.0..=100.0_f64,
            is_tooltip in any::<bool>(), age in 0..999_999_i64,
        ) {
            let mut view = with_samples();
            view.usage.as_mut().unwrap().windows[0].used = used;
            view.age_seconds = Some(age);
            view.source = Some(Source::Sessions);
            view.problem = Some(problem(
                "x",
                "/home/somebody/a/long/path/that/does/not/fit/into/a/line: permission denied",
                "check https://example.invalid/a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p",
            ));
            let options = PageOptions { is_tooltip, glyphs: SETS[set], ..options(columns) };
            for line in page(&[view], &options) {
                let line = plain_text(&line);
                prop_assert!(width(&line) <= columns.clamp(NARROWEST, WIDEST), "{line:?}");
                prop_assert!(columns >= WIDE || width(&line) <= NARROW, "{line:?}");
                prop_assert!(SETS[set] != &ASCII || line.is_ascii(), "{line:?}");
            }
        }
    }
}
