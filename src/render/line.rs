//! The line: the program's own form, or that of `--format` and `--window`; and the short form.
//!
//! The own form tells each limit from the shortest window on, and a time only for one that is in
//! trouble. When nothing is left, only the limit that stops the work is shown. At most one remark
//! stands at the end.

use super::fill::fill;
use super::options::{LineOptions, TITLE, Templates, stale_mark};
use crate::model::time::{DAY, countdown};
use crate::model::usage::{Limit, Severity};
use crate::model::view::View;

/// Banked resets that expire within this many seconds are told.
const EXPIRES_SOON: i64 = 3 * DAY;
/// What stands between accounts whose lines are made from a template.
const BETWEEN_TEMPLATES: &str = " | ";

/// The line for one view or for one of each account: in the host's markup, without its end.
pub fn render(views: &[View], options: &LineOptions) -> String {
    match options.templates {
        None => own_form(views, options),
        Some(templates) => from_templates(views, &templates, options),
    }
}

/// The short form, for narrow bars: of each account only the limit that binds. Old numbers have a
/// mark instead of a remark.
pub fn render_short(views: &[View], options: &LineOptions) -> String {
    let mut out = title(views, options);
    let parts = views.iter().map(|view| account_parts(view, options, view.account.as_deref()));
    out.push_str(&parts.flatten().collect::<Vec<_>>().join(options.separator));
    let is_old = |view: &View| view.usage.is_some() && view.stale_age().is_some();
    if views.iter().any(|view| is_old(view) || view.mistake.is_some()) {
        out.push_str(options.glyphs.stale_short);
    }
    out
}

fn own_form(views: &[View], options: &LineOptions) -> String {
    let mut out = title(views, options);
    let parts: Vec<String> = match views {
        [view] => {
            if let Some(account) = &view.account {
                out.push_str(&options.escaped(account));
                out.push(' ');
            }
            parts(view, options)
        }
        _ => views
            .iter()
            .flat_map(|view| account_parts(view, options, view.account.as_deref()))
            .collect(),
    };
    out.push_str(&parts.join(options.separator));
    out.push_str(&tail(views, options));
    out
}

/// The word Codex or the icon. A colon behind it says that no number follows.
fn title(views: &[View], options: &LineOptions) -> String {
    let mut out = String::with_capacity(128);
    out.push_str(options.icon.unwrap_or(TITLE));
    if !out.is_empty() {
        out.push_str(if views.iter().all(|view| view.usage.is_none()) { ": " } else { " " });
    }
    out
}

/// Every limit of a plan, or the one that stops the work.
fn parts(view: &View, options: &LineOptions) -> Vec<String> {
    let Some(usage) = view.usage.as_ref().filter(|_| !is_stopped(view)) else {
        return account_parts(view, options, None);
    };
    let part = |limit: Limit| {
        let severity = view.severity_of(&limit, options.thresholds);
        limit_part(view, &limit, severity, options, None)
    };
    let parts: Vec<String> = usage.limits().map(part).collect();
    if parts.is_empty() { account_parts(view, options, None) } else { parts }
}

/// Nothing is left of a limit, or Codex says no for another reason.
fn is_stopped(view: &View) -> bool {
    let is_empty = |limit: &Limit| limit.used >= 100.0;
    view.usage.as_ref().is_some_and(|usage| usage.blocked.is_some())
        || view.binding.as_ref().is_some_and(is_empty)
}

/// The limit that binds, or what stands in its place. The account's name is marked with it.
fn account_parts(view: &View, options: &LineOptions, account: Option<&str>) -> Vec<String> {
    let named = |text: &str| match account {
        Some(account) => format!("{account} {text}"),
        None => text.to_string(),
    };
    let alone = |text: &str| {
        let mut out = String::new();
        options.write(view.severity, &named(text), &mut out);
        vec![out]
    };
    match (&view.usage, &view.binding) {
        (None, _) => alone(view.word()),
        (Some(_), None) => alone(&view.without_limits()),
        (Some(usage), Some(limit)) => match usage.block_without_limit() {
            Some(blocked) => {
                let mut out = String::new();
                options.write(Severity::Exhausted, &named("blocked"), &mut out);
                if let Some(until) = blocked.until {
                    out.push_str(", back in ");
                    out.push_str(&options.escaped(&countdown(until.seconds_since(view.now))));
                    out.push_str(options.separator);
                } else {
                    out.push_str(", ");
                }
                // The limit is not the reason: it is told, and not marked.
                out.push_str(&limit_part(view, limit, Severity::Ok, options, None));
                vec![out]
            }
            None => {
                let severity = view.severity_of(limit, options.thresholds);
                vec![limit_part(view, limit, severity, options, account)]
            }
        },
    }
}

/// A limit's label and number, and its time if there is a reason to tell it.
fn limit_part(
    view: &View,
    limit: &Limit,
    severity: Severity,
    options: &LineOptions,
    account: Option<&str>,
) -> String {
    let mut text = account.map(|account| format!("{account} ")).unwrap_or_default();
    text.push_str(&limit.label);
    text.push(' ');
    text.push_str(&options.show.amount(limit.used));
    let mut out = String::new();
    options.write(severity, &text, &mut out);
    let is_empty = limit.used >= 100.0;
    if is_empty && view.works_on_credits() {
        out.push_str(", on credits");
    } else if let Some(reset) = limit.resets_at
        && (severity >= Severity::Warning || options.always_resets)
    {
        let when = if is_empty { ", back in " } else { ", resets in " };
        out.push_str(when);
        out.push_str(&options.escaped(&countdown(reset.seconds_since(view.now))));
    }
    out
}

/// The one remark at the end of the own form: the first of these that there is.
fn tail(views: &[View], options: &LineOptions) -> String {
    if let Some(old) = old_mark(views, options) {
        return options.escaped(&old);
    }
    if let Some(mistake) = mistake_mark(views) {
        return options.escaped(&mistake);
    }
    match views {
        [view] => banked_resets(view, options).unwrap_or_default(),
        _ => String::new(),
    }
}

/// Resets in hand, where that is worth knowing: nothing is left, or the next one expires soon.
fn banked_resets(view: &View, options: &LineOptions) -> Option<String> {
    let banked = view.usage.as_ref()?.banked_resets.filter(|banked| banked.count > 0)?;
    let (resets, expire) = match banked.count {
        1 => ("1 reset".to_string(), "expires"),
        count => (format!("{count} resets"), "expire"),
    };
    let told = if is_stopped(view) {
        format!("{resets} banked")
    } else {
        let left = banked.next_expires_at?.seconds_since(view.now);
        if !(0..EXPIRES_SOON).contains(&left) {
            return None;
        }
        format!("{resets} {expire} in {}", countdown(left))
    };
    Some(format!("{}{}", options.separator, options.escaped(&told)))
}

/// How old numbers are that are not to be trusted blindly, and why there are no newer ones. Of
/// several accounts, of the one whose numbers are the oldest; it is named if others are new.
fn old_mark(views: &[View], options: &LineOptions) -> Option<String> {
    let has_numbers = |view: &&View| view.usage.is_some();
    let old = || views.iter().filter(has_numbers).filter(|view| view.stale_age().is_some());
    let oldest = old().max_by_key(|view| view.age_seconds)?;
    let account = oldest.account.as_deref();
    let account = account.filter(|_| old().count() < views.iter().filter(has_numbers).count());
    Some(stale_mark(oldest, account, options))
}

fn from_templates(views: &[View], templates: &Templates, options: &LineOptions) -> String {
    let mut out = String::with_capacity(128);
    for view in views {
        if !out.is_empty() {
            out.push_str(BETWEEN_TEMPLATES);
        }
        let is_first = out.is_empty();
        fill(view, is_first, templates, options, &mut out);
    }
    if old_mark(views, options).is_none() {
        out.push_str(&options.escaped(&mistake_mark(views).unwrap_or_default()));
    }
    out
}

/// ` (config line 3)`, not escaped.
fn mistake_mark(views: &[View]) -> Option<String> {
    views.iter().find_map(|view| view.mistake.as_ref()).map(|mistake| format!(" ({mistake})"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::entry::{Answer, Problem, Source};
    use crate::model::show::Show;
    use crate::model::text::width;
    use crate::model::time::Timestamp;
    use crate::model::usage::{BankedResets, Blocked, Budget, Credits, Thresholds, Usage, Window};
    use crate::render::colour::TERMINAL;
    use crate::render::glyphs::{ASCII, UNICODE};
    use crate::render::style::{Markup, uncoloured, verbatim};

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_795_359_600);
    const THRESHOLDS: Thresholds = Thresholds { warn: 70.0, critical: 90.0 };
    const HOURS: (u32, i64) = (18_000, 3780);
    const WEEK: (u32, i64) = (604_800, 460_800);

    fn window((seconds, resets_in): (u32, i64), used: f64) -> Window {
        Window {
            seconds: Some(seconds),
            slot: None,
            used,
            resets_at: Some(NOW.plus(resets_in)),
            started: true,
        }
    }

    fn both(hours: f64, week: f64) -> Usage {
        Usage { windows: vec![window(HOURS, hours), window(WEEK, week)], ..Usage::default() }
    }

    fn view(usage: Usage) -> View {
        View::of_answer(
            &Answer { fetched_at: NOW, source: Source::Api, asked_at: None, usage },
            NOW,
            THRESHOLDS,
        )
    }

    fn problem(word: &str) -> Option<Problem> {
        Some(Problem { code: "x".into(), word: word.into(), message: "".into(), hint: "".into() })
    }

    fn word(word: &str) -> View {
        View::new(None, "", problem(word), NOW, THRESHOLDS)
    }

    fn old(usage: Usage, word: Option<&str>) -> View {
        View {
            age_seconds: Some(23 * 60),
            is_stale: true,
            problem: word.and_then(problem),
            ..view(usage)
        }
    }

    fn of(account: &str, view: View) -> View {
        View { account: Some(account.into()), ..view }
    }

    /// Brackets around what is marked, as the table of the design has them.
    fn options() -> LineOptions<'static> {
        LineOptions {
            templates: None,
            separator: UNICODE.separator,
            icon: None,
            show: Show::Left,
            always_resets: false,
            glyphs: &UNICODE,
            thresholds: THRESHOLDS,
            markup: Markup {
                escape: verbatim,
                paint: |style, text, out| {
                    let is_marked =
                        [TERMINAL.warning, TERMINAL.critical, TERMINAL.exhausted].contains(&style);
                    let marked = if is_marked { format!("[{text}]") } else { text.into() };
                    out.push_str(&marked);
                },
                without_colours: uncoloured,
            },
            palette: TERMINAL,
            zone: None,
        }
    }

    /// The line of these views, and its width without the brackets.
    #[track_caller]
    fn check(views: &[View], expected: &str, columns: usize) {
        let line = render(views, &options());
        assert_eq!(line, expected);
        assert_eq!(width(&line.replace(['[', ']'], "")), columns, "{line}");
    }

    #[test]
    fn every_state_has_its_line() {
        let fine = || both(42.0, 17.0);
        check(&[view(fine())], "Codex 5h 58% left · 7d 83% left", 31);
        check(&[view(both(78.0, 17.0))], "Codex [5h 22% left], resets in 1h03m · 7d 83% left", 48);
        check(&[view(both(42.0, 78.0))], "Codex 5h 58% left · [7d 22% left], resets in 5d8h", 47);
        check(&[view(both(96.0, 17.0))], "Codex [5h 4% left], resets in 1h03m · 7d 83% left", 47);
        check(&[view(both(100.0, 17.0))], "Codex [5h 0% left], back in 1h03m", 31);
        let banked = |usage, expires_in: Option<i64>| {
            let next_expires_at = expires_in.map(|seconds| NOW.plus(seconds));
            let banked_resets = Some(BankedResets { count: 2, next_expires_at });
            view(Usage { banked_resets, ..usage })
        };
        let line = "Codex [5h 0% left], back in 1h03m · 2 resets banked";
        check(&[banked(both(100.0, 17.0), Some(187_200))], line, 49);
        let line = "Codex 5h 58% left · 7d 83% left";
        check(&[banked(fine(), None)], line, 31);
        check(&[banked(fine(), Some(3 * DAY))], line, 31);
        let line = "Codex 5h 58% left · 7d 83% left · 2 resets expire in 2d4h";
        check(&[banked(fine(), Some(187_200))], line, 57);
        let mut timeless = both(100.0, 17.0);
        timeless.windows[0].resets_at = None;
        check(&[view(timeless)], "Codex [5h 0% left]", 16);
        let credits = Credits { available: true, unlimited: false, balance: Some(12.5) };
        let on_credits = |usage| Usage { credits: Some(credits.clone()), ..usage };
        check(&[view(on_credits(both(100.0, 17.0)))], "Codex [5h 0% left], on credits", 28);
        let blocked = |usage| Usage { blocked: Some(Blocked::default()), ..usage };
        check(&[view(blocked(both(5.0, 1.0)))], "Codex [blocked], 5h 95% left", 26);
        let until = Some(Blocked { until: Some(NOW.plus(3780)), ..Blocked::default() });
        let until = Usage { blocked: until, ..both(5.0, 1.0) };
        check(&[view(until)], "Codex [blocked], back in 1h03m · 5h 95% left", 42);
        check(
            &[view(blocked(on_credits(both(100.0, 17.0))))],
            "Codex [5h 0% left], back in 1h03m",
            31,
        );
        let weekly = Usage { windows: vec![window(WEEK, 17.0)], ..Usage::default() };
        check(&[view(weekly)], "Codex 7d 83% left", 17);
        let budget =
            Budget { used_percent: 1.0, limit: None, used: None, remaining: None, resets_at: None };
        let business = Usage { budget: Some(budget), ..Usage::default() };
        check(&[view(business)], "Codex budget 99% left", 21);
    }

    #[test]
    fn accounts_have_their_binding_limits() {
        let week = |used, resets_in| Usage {
            windows: vec![window((604_800, resets_in), used)],
            ..Usage::default()
        };
        let work = || of("work", view(both(42.0, 17.0)));
        check(
            &[work(), of("home", view(week(9.0, 460_800)))],
            "Codex work 5h 58% left · home 7d 91% left",
            41,
        );
        check(
            &[work(), of("home", view(week(78.0, 100_800)))],
            "Codex work 5h 58% left · [home 7d 22% left], resets in 1d4h",
            57,
        );
        check(&[work(), of("home", word("sign in"))], "Codex work 5h 58% left · home sign in", 37);
        check(
            &[of("work", word("offline")), of("home", word("sign in"))],
            "Codex: work offline · home sign in",
            34,
        );
        check(&[work()], "Codex work 5h 58% left · 7d 83% left", 36);
        let blocked = Usage { blocked: Some(Blocked::default()), ..both(5.0, 1.0) };
        check(
            &[work(), of("home", view(blocked))],
            "Codex work 5h 58% left · [home blocked], 5h 95% left",
            50,
        );
        // The remark at the end names its account, unless it is true of all.
        let old_home = || of("home", old(both(50.0, 1.0), Some("outage")));
        check(
            &[work(), old_home()],
            "Codex work 5h 58% left · home 5h 50% left (home 23m ago, outage)",
            64,
        );
        check(
            &[of("work", old(both(42.0, 1.0), None)), old_home()],
            "Codex work 5h 58% left · home 5h 50% left (23m ago, outage)",
            59,
        );
    }

    #[test]
    fn what_is_not_as_usual_stands_at_the_end() {
        let fine = || both(42.0, 17.0);
        let line = |tail: &str| format!("Codex 5h 58% left · 7d 83% left{tail}");
        check(&[old(fine(), Some("sign in"))], &line(" (23m ago, sign in)"), 50);
        check(&[old(fine(), Some("outage"))], &line(" (23m ago, outage)"), 49);
        check(&[old(fine(), None)], &line(" (23m ago)"), 41);
        check(&[word("signed out")], "Codex: signed out", 17);
        check(&[View::new(None, "", None, NOW, THRESHOLDS)], "Codex: loading", 14);
        let mistaken = |view| View { mistake: Some("config line 3".into()), ..view };
        check(&[mistaken(view(fine()))], &line(" (config line 3)"), 47);
        check(&[mistaken(word("signed out"))], "Codex: signed out (config line 3)", 33);
        // One remark at most: old numbers win.
        let banked_resets = Some(BankedResets { count: 2, next_expires_at: None });
        let banked = Usage { banked_resets, ..both(100.0, 17.0) };
        check(
            &[mistaken(old(banked, Some("outage")))],
            "Codex [5h 0% left], back in 1h03m (23m ago, outage)",
            49,
        );
    }

    #[test]
    fn plans_without_limits_say_so() {
        let credits = |unlimited, balance| Some(Credits { available: true, unlimited, balance });
        let check = |usage: Usage, expected: &str| {
            assert_eq!(render(&[view(usage)], &options()), expected);
        };
        check(Usage::default(), "Codex no limits");
        check(Usage { credits: credits(true, None), ..Usage::default() }, "Codex unlimited");
        check(
            Usage { credits: credits(false, Some(12.5)), ..Usage::default() },
            "Codex 12.5 credits",
        );
        check(Usage { blocked: Some(Blocked::default()), ..Usage::default() }, "Codex [used up]");
    }

    #[test]
    fn options_change_the_form() {
        let check = |change: fn(&mut LineOptions), view: View, long: &str, short: &str| {
            let mut options = options();
            change(&mut options);
            let views = [view];
            assert_eq!(render(&views, &options), long);
            assert_eq!(render_short(&views, &options), short);
        };
        let fine = || view(both(42.0, 17.0));
        check(|_| (), fine(), "Codex 5h 58% left · 7d 83% left", "Codex 5h 58% left");
        check(
            |options| options.show = Show::Used,
            fine(),
            "Codex 5h 42% used · 7d 17% used",
            "Codex 5h 42% used",
        );
        check(
            |options| options.show = Show::Used,
            view(both(100.0, 17.0)),
            "Codex [5h 100% used], back in 1h03m",
            "Codex [5h 100% used], back in 1h03m",
        );
        check(
            |options| options.always_resets = true,
            fine(),
            "Codex 5h 58% left, resets in 1h03m · 7d 83% left, resets in 5d8h",
            "Codex 5h 58% left, resets in 1h03m",
        );
        check(
            |options| {
                options.glyphs = &ASCII;
                options.separator = ASCII.separator;
            },
            fine(),
            "Codex 5h 58% left | 7d 83% left",
            "Codex 5h 58% left",
        );
        let icon = |options: &mut LineOptions| options.icon = Some("⌬");
        check(icon, fine(), "⌬ 5h 58% left · 7d 83% left", "⌬ 5h 58% left");
        check(icon, word("signed out"), "⌬: signed out", "⌬: signed out");
        check(
            |options| options.icon = Some(""),
            fine(),
            "5h 58% left · 7d 83% left",
            "5h 58% left",
        );
        check(
            |_| (),
            old(both(78.0, 17.0), None),
            "Codex [5h 22% left], resets in 1h03m · 7d 83% left (23m ago)",
            "Codex [5h 22% left], resets in 1h03m*",
        );
        check(|_| (), word("signed out"), "Codex: signed out", "Codex: signed out");
    }
}
