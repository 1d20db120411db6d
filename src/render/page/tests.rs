//! Whole pages, as they are shown.

use super::course::CHART_ROWS;
use super::*;
use crate::model::entry::{Answer, Source};
use crate::model::time::Timestamp;
use crate::model::today::{Counts, Today};
use crate::model::usage::{
    BankedResets, Blocked, Budget, Credits, Pool, Severity, UnavailableModel, Usage, Window,
};
use crate::render::glyphs::{ASCII, SETS, UNICODE};
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
    old.problem = Some(problem("refresh_refused", "the login in x has ended", "run codex login"));
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
        problem("timed_out", &format!("{url}: timed out while connecting"), "check the network"),
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
    assert!(text.contains("\ntoday    3 sessions, 12 turns, 503k\n         tokens\n"), "{text}");
}

#[test]
fn used_instead_of_left() {
    let options = PageOptions { show: Show::Used, ..options(80) };
    let text = text(&[view(usage(vec![hours(42.0)]))], &options);
    let row = "\n5h       ━━━━━━━━━━━━━──────────────────   42% used  resets in 1h03m (22:07)\n";
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
