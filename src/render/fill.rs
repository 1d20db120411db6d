//! A template filled with what is known: the line in the host's markup.

use super::colour::{Palette, Style};
use super::glyphs::Glyphs;
use super::style::Markup;
use super::template::{Count, Field, Piece, Slot, Template, Which};
use crate::model::pace::points_text;
use crate::model::text::short_count;
use crate::model::time::{age, countdown};
use crate::model::usage::{Limit, Severity, Thresholds, whole_percent};
use crate::model::view::View;
use jiff::tz::TimeZone;

/// What a line is made from, beside the numbers.
pub struct LineOptions<'a> {
    pub line: &'a Template,
    pub window: &'a Template,
    pub separator: &'a str,
    /// What `{icon}` is.
    pub icon: &'a str,
    /// The icon stands in front of the line.
    pub icon_leads: bool,
    pub glyphs: &'a Glyphs,
    pub thresholds: Thresholds,
    pub markup: Markup,
    pub palette: Palette,
    /// Needed only if a template says `reset_at` ([`Template::needs_zone`]) or the host does.
    pub zone: Option<&'a TimeZone>,
}

impl LineOptions<'_> {
    fn paint(&self, severity: Severity, text: &str, out: &mut String) {
        (self.markup.paint)(self.palette.of(severity), text, out);
    }

    /// Escapes and paints.
    fn write(&self, severity: Severity, text: &str, out: &mut String) {
        let mut escaped = String::with_capacity(text.len());
        (self.markup.escape)(text, &mut escaped);
        self.paint(severity, &escaped, out);
    }

    /// What a line begins with: the icon and the account's name, if they lead or there is no line to hold them.
    fn start(&self, view: &View, is_only_a_word: bool) -> String {
        let mut out = String::with_capacity(128);
        if !self.icon.is_empty() && (self.icon_leads || is_only_a_word && self.line.places_icon()) {
            out.push_str(self.icon);
            out.push(' ');
        }
        if let Some(account) = &view.account
            && (is_only_a_word || !self.line.places_account())
        {
            (self.markup.escape)(account, &mut out);
            out.push(' ');
        }
        out
    }

    /// The style of a severity.
    pub fn style(&self, severity: Severity) -> Style {
        self.palette.of(severity)
    }
}

/// The line: in the host's markup, without its end.
pub fn render(view: &View, style: &LineOptions) -> String {
    let is_of_today = view.today.is_some() && style.line.tells_only_today();
    let is_only_a_word = view.usage.is_none() && !is_of_today;
    let mut out = style.start(view, is_only_a_word);
    if is_only_a_word {
        style.write(view.severity, view.word(), &mut out);
    } else {
        let has_limits = view.binding.is_some();
        if let Some(blocked) = view.blocked().filter(|_| has_limits && !is_of_today) {
            style.write(view.severity, &blocked, &mut out);
            out.push_str(style.separator);
        }
        write(&style.line.pieces, None, view, style, &mut out);
        if let Some(age) = view.stale_age().filter(|_| !is_of_today) {
            let [before, behind] = style.glyphs.stale;
            out.push_str(before);
            out.push_str(&age);
            out.push_str(behind);
        }
    }
    if let Some(mistake) = &view.mistake {
        out.push_str(" (");
        (style.markup.escape)(mistake, &mut out);
        out.push(')');
    }
    out
}

/// The shortest form, for narrow bars: the binding limit.
pub fn render_short(view: &View, style: &LineOptions) -> String {
    let mut out = style.start(view, true);
    match (&view.usage, &view.binding) {
        (None, _) => style.write(view.severity, view.word(), &mut out),
        (Some(_), None) => style.write(view.severity, &view.without_limits(), &mut out),
        (Some(usage), Some(limit)) => {
            let blocked = if usage.block_without_limit().is_some() { "blocked " } else { "" };
            style.write(
                view.severity,
                &format!("{blocked}{} {}%", limit.label, whole_percent(limit.used)),
                &mut out,
            );
        }
    }
    let is_old = view.usage.is_some() && view.stale_age().is_some();
    if is_old || view.mistake.is_some() {
        out.push_str(style.glyphs.stale_short);
    }
    out
}

/// Appends pieces; whether every value was there.
fn write(
    pieces: &[Piece],
    this: Option<&Limit>,
    view: &View,
    style: &LineOptions,
    out: &mut String,
) -> bool {
    let mut complete = true;
    for piece in pieces {
        match piece {
            Piece::Text(text) => out.push_str(text),
            Piece::Slot(value) => {
                if !write_value(value, this, view, style, out) {
                    complete = false;
                    out.truncate(out.trim_end_matches(' ').len());
                }
            }
            Piece::Optional(inner) => {
                let before = out.len();
                let mut part = String::new();
                if write(inner, this, view, style, &mut part) {
                    out.push_str(&part);
                }
                debug_assert!(out.len() >= before);
            }
        }
    }
    complete
}

fn write_value(
    value: &Slot,
    this: Option<&Limit>,
    view: &View,
    style: &LineOptions,
    out: &mut String,
) -> bool {
    let usage = view.usage.as_ref();
    let text = match value {
        Slot::Windows => return write_windows(view, style, out),
        Slot::Account => view.account.clone(),
        Slot::Plan => usage.and_then(|usage| usage.plan.clone()),
        Slot::Credits => view.credits(),
        Slot::Budget => view.budget(),
        Slot::Age => view.age_seconds.map(age),
        // The user's own, in the host's markup if they like.
        Slot::Icon if style.icon.is_empty() => None,
        Slot::Icon => {
            out.push_str(style.icon);
            return true;
        }
        Slot::Today(count) => view.today.map(|today| {
            short_count(match count {
                Count::Sessions => today.counts.sessions,
                Count::Turns => today.counts.turns,
                Count::Tokens => today.counts.total_tokens,
            })
        }),
        Slot::Of(which, field) => {
            let found = match which {
                Which::This => this.cloned(),
                Which::Binding => view.binding.clone(),
                Which::Named(label) => {
                    usage.and_then(|usage| usage.limits().find(|limit| limit.label == *label))
                }
            };
            let text = found.as_ref().and_then(|limit| field_text(field, limit, view, style));
            // Inside a window the whole window is painted, by the caller.
            if let (Some(limit), Some(text), true) = (&found, &text, this.is_none()) {
                style.write(view.severity_of(limit, style.thresholds), text, out);
                return true;
            }
            text
        }
    };
    match text {
        Some(text) => {
            (style.markup.escape)(&text, out);
            true
        }
        None => false,
    }
}

fn write_windows(view: &View, style: &LineOptions, out: &mut String) -> bool {
    let Some(usage) = &view.usage else { return false };
    let mut first = true;
    for limit in usage.limits() {
        if !std::mem::take(&mut first) {
            out.push_str(style.separator);
        }
        let mut text = String::with_capacity(32);
        write(&style.window.pieces, Some(&limit), view, style, &mut text);
        style.paint(view.severity_of(&limit, style.thresholds), &text, out);
    }
    if first {
        // No window and no budget: a plan is then told by its state.
        style.write(view.severity, &view.without_limits(), out);
    }
    true
}

fn field_text(field: &Field, limit: &Limit, view: &View, style: &LineOptions) -> Option<String> {
    let now = view.now;
    let used = whole_percent(limit.used);
    match field {
        Field::Label => Some(limit.label.clone()),
        Field::Used => Some(format!("{used}%")),
        Field::Left => Some(format!("{}%", 100 - used)),
        Field::Bar(width) => Some(style.glyphs.bar(limit.used, *width)),
        Field::Reset => limit.resets_at.map(|reset| countdown(reset.seconds_since(now))),
        Field::ResetAt => Some(limit.resets_at?.clock(now, style.zone?)),
        Field::Pace => points_text(&view.pace(limit)),
        Field::RunsOut => view.pace(limit).runs_out.map(countdown),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::entry::{Answer, Source};
    use crate::model::time::Timestamp;
    use crate::model::today::Counts;
    use crate::model::today::Today;
    use crate::model::usage::{Usage, Window};
    use crate::render::colour::TERMINAL;
    use crate::render::glyphs::{ASCII, NERD, UNICODE};
    use crate::render::style;
    use crate::render::template::TemplateKind;

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_795_359_600);

    fn view(windows: &[(u32, f64, Option<i64>)]) -> View {
        let windows = windows
            .iter()
            .map(|(seconds, used, resets_in)| Window {
                slot: None,
                seconds: Some(*seconds),
                used: *used,
                resets_at: resets_in.map(|seconds| NOW.plus(seconds)),
                started: resets_in.is_some(),
            })
            .collect();
        let usage = Usage { windows, plan: Some("plus".into()), ..Usage::default() };
        let answer = Answer { fetched_at: NOW.plus(-42), source: Source::Api, usage };
        View::of_answer(&answer, NOW, Thresholds { warn: 70.0, critical: 90.0 })
    }

    fn check(line: &str, window: &str, view: &View, expected: &str) {
        let zone = TimeZone::UTC;
        let style = LineOptions {
            line: &Template::parse(line, TemplateKind::Line).unwrap(),
            window: &Template::parse(window, TemplateKind::Window).unwrap(),
            separator: " · ",
            icon: "⌬",
            icon_leads: false,
            glyphs: &UNICODE,
            palette: TERMINAL,
            thresholds: Thresholds { warn: 70.0, critical: 90.0 },
            markup: Markup { escape: style::verbatim, paint: style::uncoloured },
            zone: Some(&zone),
        };
        assert_eq!(render(view, &style), expected, "{line} {window}");
    }

    fn with_today(mut view: View, sessions: u64, turns: u64, total_tokens: u64) -> View {
        let counts = Counts { sessions, turns, total_tokens, ..Counts::default() };
        view.today = Some(Today { counted_at: NOW, ends_at: NOW.plus(60), counts });
        view
    }

    const WINDOW: &str = "{label} {used} {reset}";

    #[test]
    fn lines() {
        let both = view(&[(18_000, 42.4, Some(3780)), (604_800, 17.0, Some(460_800))]);
        check("{windows}", WINDOW, &both, "5h 42% 1h03m · 7d 17% 5d8h");
        check("{windows}", "{label}:{left}", &both, "5h:58% · 7d:83%");
        check("{plan} {5h.used}/{7d.used} {age}", WINDOW, &both, "plus 42%/17% 42s");
        check("{binding.label} {binding.bar:4}", WINDOW, &both, "5h ██░░");
        check("{icon} {windows}", "{used}", &both, "⌬ 42% · 17%");
        check("{5h.reset_at}", WINDOW, &both, "16:03");
        check("{windows}", "{label} {pace}[ out {runs_out}]", &both, "5h -36 · 7d -7");
        let fast = view(&[(18_000, 60.0, Some(2 * 3600))]);
        check("{binding.pace} {5h.runs_out}[ {7d.runs_out}]", WINDOW, &fast, "+0 1h58m");
        let faster = view(&[(18_000, 90.0, Some(2 * 3600))]);
        check("{binding.pace} {5h.runs_out} {windows}", "{runs_out}", &faster, "+30 19m 19m");
        check("{30d.used}[ credits {credits}]{plan}", WINDOW, &both, "plus");
        check("a[ {plan}][ {30d.used}] {{x}} [[y]]", WINDOW, &both, "a plus {x} [y]");
    }

    #[test]
    fn what_was_done_today() {
        const COUNTS: &str = "[{sessions_today} sessions, ]{turns_today} turns, {tokens_today}";
        let both = || view(&[(18_000, 42.4, Some(3780))]);
        check(
            &format!("{{5h.used}} {COUNTS}"),
            WINDOW,
            &with_today(both(), 3, 41, 1_400_000),
            "42% 3 sessions, 41 turns, 1.4M",
        );
        check("{5h.used}[ {tokens_today}]", WINDOW, &with_today(both(), 0, 0, 0), "42% 0");
        check("{5h.used}[ {tokens_today}]", WINDOW, &both(), "42%");
        // Numbers of the plan are missed where there are to be some.
        let nothing = || View { usage: None, ..both() };
        check(COUNTS, WINDOW, &with_today(nothing(), 1, 2, 3), "1 sessions, 2 turns, 3");
        check("{icon} {turns_today}", WINDOW, &with_today(nothing(), 1, 2, 3), "⌬ 2");
        check("{turns_today} {windows}", WINDOW, &with_today(nothing(), 1, 2, 3), "loading");
        check("{turns_today}", WINDOW, &nothing(), "loading");
        // Nor does their age matter beside counts alone.
        let old = || View { is_stale: true, age_seconds: Some(1380), ..both() };
        check("{turns_today}", WINDOW, &with_today(old(), 1, 2, 3), "2");
        check("{turns_today} {5h.used}", WINDOW, &with_today(old(), 1, 2, 3), "2 42% (23m ago)");
    }

    #[test]
    fn every_form_has_its_icon_and_its_mark() {
        let check = |line: &str, glyphs: &Glyphs, is_old: bool, long: &str, short: &str| {
            let mut view = view(&[(18_000, 42.4, None), (604_800, 17.0, None)]);
            if is_old {
                view.is_stale = true;
                view.age_seconds = Some(1380);
            }
            let line = Template::parse(line, TemplateKind::Line).unwrap();
            let style = LineOptions {
                line: &line,
                window: &Template::parse("{label} {used} {bar:4}", TemplateKind::Window).unwrap(),
                separator: glyphs.separator,
                icon: glyphs.icon,
                icon_leads: !line.places_icon(),
                glyphs,
                palette: TERMINAL,
                thresholds: Thresholds { warn: 70.0, critical: 90.0 },
                markup: Markup { escape: style::verbatim, paint: style::uncoloured },
                zone: None,
            };
            assert_eq!(
                (render(&view, &style).as_str(), render_short(&view, &style).as_str()),
                (long, short)
            );
        };
        check("{windows}", &UNICODE, false, "⌬ 5h 42% ██░░ · 7d 17% █░░░", "⌬ 5h 42%");
        check(
            "{windows} {icon}",
            &UNICODE,
            true,
            "5h 42% ██░░ · 7d 17% █░░░ ⌬ (23m ago)",
            "⌬ 5h 42%*",
        );
        check(
            "{windows}",
            &ASCII,
            true,
            "codex 5h 42% ==-- | 7d 17% =--- (23m ago)",
            "codex 5h 42%*",
        );
        let nerd = "\u{f0e4} 5h 42% ▰▰▱▱ \u{e0b1} 7d 17% ▰▱▱▱ \u{f017} 23m";
        check("{windows}", &NERD, true, nerd, "\u{f0e4} 5h 42% \u{f017}");
    }

    #[test]
    fn a_missing_value_takes_its_blanks_along() {
        let unstarted = view(&[(604_800, 0.0, None)]);
        check("{windows}", WINDOW, &unstarted, "7d 0%");
        check("{plan} {5h.used} {plan}", WINDOW, &unstarted, "plus plus");
    }

    #[test]
    fn percentages_do_not_lie_at_the_ends() {
        for (used, percent, text) in [
            (0.0, 0, "░░░░"),
            (0.2, 1, "█░░░"),
            (49.5, 50, "██░░"),
            (99.7, 99, "███░"),
            (100.0, 100, "████"),
        ] {
            assert_eq!((whole_percent(used), UNICODE.bar(used, 4).as_str()), (percent, text));
        }
    }
}
