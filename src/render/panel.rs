//! All there is to know, as a small table of plain text: for tooltips and menus in a font of one width. Pure.

use super::glyphs::Glyphs;
use crate::model::pace;
use crate::model::text::{width, wrap};
use crate::model::time::{Timestamp, age, countdown};
use crate::model::usage::{BUDGET_LABEL, Budget, Usage, Window, whole_percent};
use crate::model::view::View;
use jiff::tz::TimeZone;

const BAR_WIDTH: usize = 10;
/// Messages are broken to the width of the table, but never to less than this.
const NARROWEST: usize = 44;
const GAP: &str = "  ";

enum PanelLine {
    Text(String),
    /// Label, bar, percentage, when it starts anew, what else there is.
    Row([String; 5]),
}

/// The lines, neither escaped nor wrapped into anything.
pub fn panel(view: &View, glyphs: &Glyphs, zone: Option<&TimeZone>) -> Vec<String> {
    let mut lines = Vec::new();
    match &view.usage {
        Some(usage) => numbers(usage, view, glyphs, zone, &mut lines),
        None => lines.push(PanelLine::Text(format!("Codex: {}", view.word()))),
    }
    lines.extend(view.today().map(|today| PanelLine::Text(format!("today {today}"))));
    let mut lines = align(lines);
    let columns = lines.iter().map(|line| width(line)).max().unwrap_or_default().max(NARROWEST);
    for limit in view.usage.iter().flat_map(Usage::limits) {
        let told = pace::words(&view.pace(&limit)).map(|words| format!("{}: {words}", limit.label));
        lines.extend(told.iter().flat_map(|told| wrap(told, columns)));
    }
    if let (Some(source), Some(seconds)) = (view.source, view.age_seconds) {
        lines.push(format!("source: {}, {}", source.name(), age(seconds)));
    }
    if let Some(problem) = &view.problem {
        lines.extend(wrap(&problem.message, columns));
        lines.extend(wrap(&problem.hint, columns));
    }
    lines
}

fn numbers(
    usage: &Usage,
    view: &View,
    glyphs: &Glyphs,
    zone: Option<&TimeZone>,
    lines: &mut Vec<PanelLine>,
) {
    let reset = |at: Timestamp| {
        let words = countdown(at.seconds_since(view.now));
        match zone {
            Some(zone) => format!("resets in {words} ({})", at.clock(view.now, zone)),
            None => format!("resets in {words}"),
        }
    };
    let row =
        |label: String, used: f64, resets_at: Option<Timestamp>, started: bool, note: String| {
            let when = match resets_at {
                Some(at) => reset(at),
                None if started => String::new(),
                None => "not started".into(),
            };
            let percent = format!("{:>4}", format!("{}%", whole_percent(used)));
            PanelLine::Row([label, glyphs.bar(used, BAR_WIDTH), percent, when, note])
        };
    let window = |window: &Window| {
        row(window.label(), window.used, window.resets_at, window.started, String::new())
    };
    let budget = |budget: &Budget| {
        let note = budget.limit.and(budget.used).and_then(|_| view.budget()).unwrap_or_default();
        row(BUDGET_LABEL.into(), budget.used_percent, budget.resets_at, true, note)
    };
    lines.push(PanelLine::Text(match &usage.plan {
        Some(plan) => format!("Codex {plan}"),
        None => "Codex".into(),
    }));
    lines.extend(usage.windows.iter().map(window));
    lines.extend(usage.budget.iter().map(budget));
    if usage.blocked.is_some() {
        lines.push(PanelLine::Text("work is refused until a limit starts anew".into()));
    }
    for pool in &usage.pools {
        lines.push(PanelLine::Text(pool.name.clone()));
        lines.extend(pool.windows.iter().map(window));
    }
    lines.extend(view.credits().map(|credits| PanelLine::Text(format!("credits {credits}"))));
}

/// Pads the columns of all rows to the same widths.
fn align(lines: Vec<PanelLine>) -> Vec<String> {
    let mut widest = [0; 5];
    for line in &lines {
        if let PanelLine::Row(cells) = line {
            for (widest, cell) in widest.iter_mut().zip(cells) {
                *widest = (*widest).max(width(cell));
            }
        }
    }
    let text = |line| match line {
        PanelLine::Text(text) => text,
        PanelLine::Row(cells) => {
            let mut text = String::new();
            for (cell, widest) in cells.iter().zip(widest).filter(|(_, widest)| *widest > 0) {
                text.push_str(cell);
                text.push_str(&" ".repeat(widest - width(cell)));
                text.push_str(GAP);
            }
            text.truncate(text.trim_end().len());
            text
        }
    };
    lines.into_iter().map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::entry::{Answer, Problem, Source};
    use crate::model::usage::{Credits, Pool, Thresholds};
    use crate::render::glyphs::{ASCII, UNICODE};

    // Sunday 2026-11-22 15:00 UTC.
    const NOW: Timestamp = Timestamp::from_unix_seconds(1_795_359_600);

    fn window(seconds: u32, used: f64, resets_in: Option<i64>) -> Window {
        let resets_at = resets_in.map(|seconds| NOW.plus(seconds));
        Window { seconds: Some(seconds), slot: None, used, resets_at, started: resets_in.is_some() }
    }

    fn view(usage: Usage) -> View {
        let answer = Answer { fetched_at: NOW.plus(-41), source: Source::Api, usage };
        View::of_answer(&answer, NOW, Thresholds { warn: 70.0, critical: 90.0 })
    }

    fn check(view: &View, glyphs: &Glyphs, expected: &[&str]) {
        assert_eq!(panel(view, glyphs, Some(&TimeZone::UTC)), expected);
    }

    #[test]
    fn columns_are_aligned() {
        let usage = Usage {
            plan: Some("plus".into()),
            windows: vec![window(18_000, 42.0, Some(3780)), window(604_800, 100.0, Some(460_800))],
            budget: Some(Budget {
                used_percent: 7.0,
                limit: Some(100.0),
                used: Some(7.25),
                remaining: None,
                resets_at: None,
            }),
            pools: vec![Pool {
                name: "プラス".into(), windows: vec![window(18_000, 0.0, None)]
            }],
            credits: Some(Credits { available: true, unlimited: false, balance: Some(12.5) }),
            ..Usage::default()
        };
        check(
            &view(usage),
            &UNICODE,
            &[
                "Codex plus",
                "5h      ████░░░░░░   42%  resets in 1h03m (16:03)",
                "7d      ██████████  100%  resets in 5d8h (Fri 23:00)",
                "budget  █░░░░░░░░░    7%                              7.25/100",
                "プラス",
                "5h      ░░░░░░░░░░    0%  not started",
                "credits 12.5",
                "5h: 37 points behind an even pace; lasts until the reset at",
                "this rate",
                "7d: 76 points ahead of an even pace",
                "source: api, just now",
            ],
        );
    }

    #[test]
    fn what_is_wrong_stands_at_the_end() {
        let mut view =
            view(Usage { windows: vec![window(18_000, 42.0, None)], ..Usage::default() });
        view.problem = Some(Problem {
            code: "server_error".into(),
            word: "server".into(),
            message: "https://example.invalid/backend-api/wham/usage: the server failed (500)"
                .into(),
            hint: "it will be asked again".into(),
        });
        check(
            &view,
            &ASCII,
            &[
                "Codex",
                "5h  ====------   42%  not started",
                "source: api, just now",
                "https://example.invalid/backend-api/wham/usage:",
                "the server failed (500)",
                "it will be asked again",
            ],
        );
        view.usage = None;
        view.age_seconds = None;
        assert_eq!(panel(&view, &ASCII, None)[0], "Codex: server");
    }
}
