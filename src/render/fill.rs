//! A template filled with what is known.

use super::options::{LineOptions, TITLE, Templates, stale_mark};
use super::template::{Count, Field, Piece, Placeholder, Template, Which};
use crate::model::pace::points_text;
use crate::model::show::Show;
use crate::model::text::short_count;
use crate::model::time::{age, countdown};
use crate::model::usage::Limit;
use crate::model::view::View;

/// Appends a view as a template says. The word Codex or an icon stands before the first view only.
pub(super) fn fill(
    view: &View,
    is_first: bool,
    templates: &Templates,
    options: &LineOptions,
    out: &mut String,
) {
    let line = templates.line;
    let tells_only_today = view.today.is_some() && line.tells_only_today();
    let is_only_a_word = view.usage.is_none() && !tells_only_today;
    if is_first {
        let own_icon = line.places_icon().then_some(options.glyphs.icon);
        let (title, behind) = match is_only_a_word {
            true => (options.icon.or(own_icon).unwrap_or(TITLE), ": "),
            false if line.places_icon() => ("", " "),
            false => (options.icon.unwrap_or_default(), " "),
        };
        if !title.is_empty() {
            out.push_str(title);
            out.push_str(behind);
        }
    }
    if let Some(account) = &view.account
        && (is_only_a_word || !line.places_account())
    {
        (options.markup.escape)(account, out);
        out.push(' ');
    }
    if is_only_a_word {
        return options.write(view.severity, view.word(), out);
    }
    let filler = Filler { view, window: templates.window, options };
    // A template has no place for it.
    if let Some(blocked) = view.blocked().filter(|_| view.binding.is_some() && !tells_only_today) {
        options.write(view.severity, &blocked, out);
        let mut rest = String::new();
        filler.write(&line.pieces, None, &mut rest);
        if !rest.is_empty() {
            out.push_str(options.separator);
            out.push_str(&rest);
        }
    } else {
        filler.write(&line.pieces, None, out);
    }
    if view.stale_age().is_some() && !tells_only_today {
        (options.markup.escape)(&stale_mark(view, None, options), out);
    }
}

/// Fills the pieces of a template with what is known.
struct Filler<'a> {
    view: &'a View,
    /// The template of `--window`.
    window: &'a Template,
    options: &'a LineOptions<'a>,
}

impl Filler<'_> {
    /// Appends pieces; whether every value was there.
    fn write(&self, pieces: &[Piece], this: Option<&Limit>, out: &mut String) -> bool {
        let mut complete = true;
        for piece in pieces {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Placeholder(value) => {
                    if !self.write_value(value, this, out) {
                        complete = false;
                        out.truncate(out.trim_end_matches(' ').len());
                    }
                }
                Piece::Optional(inner) => {
                    let before = out.len();
                    let mut part = String::new();
                    if self.write(inner, this, &mut part) {
                        out.push_str(&part);
                    }
                    debug_assert!(out.len() >= before);
                }
            }
        }
        complete
    }

    fn write_value(&self, value: &Placeholder, this: Option<&Limit>, out: &mut String) -> bool {
        let Filler { view, options, .. } = *self;
        let usage = view.usage.as_ref();
        let text = match value {
            Placeholder::Windows => return self.write_windows(out),
            Placeholder::Pools => {
                return usage.is_some_and(|usage| self.write_limits(usage.pool_limits(), out));
            }
            Placeholder::Resets => view.banked_resets().map(|banked| banked.count.to_string()),
            Placeholder::ResetsExpire => view
                .banked_resets()
                .and_then(|banked| banked.next_expires_at)
                .map(|at| countdown(at.seconds_since(view.now))),
            Placeholder::ModelsOut => view.models_out(),
            Placeholder::Account => view.account.clone(),
            Placeholder::Plan => usage.and_then(|usage| usage.plan.clone()),
            Placeholder::Credits => view.credits(),
            Placeholder::Budget => view.budget(),
            Placeholder::Age => view.age_seconds.map(age),
            // The user's own, in the host's markup if they like.
            Placeholder::Icon => match options.icon.unwrap_or(options.glyphs.icon) {
                "" => None,
                icon => {
                    out.push_str(icon);
                    return true;
                }
            },
            Placeholder::Today(count) => view.today.map(|today| {
                short_count(match count {
                    Count::Sessions => today.counts.sessions,
                    Count::Turns => today.counts.turns,
                    Count::Tokens => today.counts.total_tokens,
                })
            }),
            Placeholder::Of(which, field) => {
                let found = match which {
                    Which::This => this.cloned(),
                    Which::Binding => view.binding.clone(),
                    Which::Pool { name, label } => {
                        usage.and_then(|usage| usage.pool_limit(name, label.as_deref()))
                    }
                    Which::Named(label) => {
                        usage.and_then(|usage| usage.limits().find(|limit| limit.label == *label))
                    }
                };
                let text = found.as_ref().and_then(|limit| field_text(field, limit, view, options));
                // Inside a window the whole window is painted, by the caller.
                if let (Some(limit), Some(text), true) = (&found, &text, this.is_none()) {
                    options.write(view.severity_of(limit, options.thresholds), text, out);
                    return true;
                }
                text
            }
        };
        match text {
            Some(text) => {
                (options.markup.escape)(&text, out);
                true
            }
            None => false,
        }
    }

    fn write_windows(&self, out: &mut String) -> bool {
        let Filler { view, options, .. } = *self;
        let Some(usage) = &view.usage else { return false };
        if !self.write_limits(usage.limits(), out) {
            // No window and no budget: a plan is then told by its state.
            options.write(view.severity, &view.without_limits(), out);
        }
        true
    }

    /// Appends each limit by the template of `--window`; whether there was one.
    fn write_limits(&self, limits: impl Iterator<Item = Limit>, out: &mut String) -> bool {
        let Filler { view, options, .. } = *self;
        let mut is_first = true;
        for limit in limits {
            if !std::mem::take(&mut is_first) {
                out.push_str(options.separator);
            }
            let mut text = String::with_capacity(32);
            self.write(&self.window.pieces, Some(&limit), &mut text);
            options.paint(view.severity_of(&limit, options.thresholds), &text, out);
        }
        !is_first
    }
}

fn field_text(field: &Field, limit: &Limit, view: &View, options: &LineOptions) -> Option<String> {
    let now = view.now;
    match field {
        Field::Label => Some(limit.label.clone()),
        Field::Used => Some(Show::Used.percent(limit.used)),
        Field::Left => Some(Show::Left.percent(limit.used)),
        Field::Bar(width) => Some(options.glyphs.bar(options.show.share(limit.used), *width)),
        Field::Reset => limit.resets_at.map(|reset| countdown(reset.seconds_since(now))),
        Field::ResetAt => Some(limit.resets_at?.clock(now, options.zone?)),
        Field::Pace => points_text(&view.pace(limit)),
        Field::RunsOut => view.pace(limit).runs_out.map(countdown),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::entry::{Answer, Source};
    use crate::model::pace::History;
    use crate::model::time::Timestamp;
    use crate::model::today::Counts;
    use crate::model::today::Today;
    use crate::model::usage::{Pool, Thresholds, Usage, Window};
    use crate::render::colour::TERMINAL;
    use crate::render::glyphs::{ASCII, Glyphs, NERD, UNICODE};
    use crate::render::line::render;
    use crate::render::style::{self, Markup};
    use crate::render::template::{Template, TemplateKind};
    use jiff::tz::TimeZone;

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
        let answer =
            Answer { fetched_at: NOW.plus(-42), source: Source::Api, asked_at: None, usage };
        View::of_answer(&answer, NOW, Thresholds { warn: 70.0, critical: 90.0 })
    }

    fn check(line: &str, window: &str, view: &View, expected: &str) {
        let options = LineOptions {
            templates: Some(Templates {
                line: &Template::parse(line, TemplateKind::Line).unwrap(),
                window: &Template::parse(window, TemplateKind::Window).unwrap(),
            }),
            separator: " · ",
            icon: None,
            show: Show::Used,
            always_resets: false,
            glyphs: &UNICODE,
            palette: TERMINAL,
            thresholds: Thresholds { warn: 70.0, critical: 90.0 },
            markup: Markup {
                escape: style::verbatim,
                paint: style::uncoloured,
                without_colours: style::uncoloured,
            },
            zone: Some(&TimeZone::UTC),
        };
        assert_eq!(render(std::slice::from_ref(view), &options), expected, "{line} {window}");
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
        check("{plan} {5h.used}/{7d.used} {age}", WINDOW, &both, "plus 42%/17% just now");
        check("{binding.label} {binding.bar:4}", WINDOW, &both, "5h ██░░");
        check("{icon} {windows}", "{used}", &both, "⌬ 42% · 17%");
        check("{5h.reset_at}", WINDOW, &both, "16:03");
        check("{windows}", "{label} {pace}[ out {runs_out}]", &both, "5h -36 · 7d -7");
        let fast = view(&[(18_000, 60.0, Some(2 * 3600))]);
        check("{binding.pace} {5h.runs_out}[ {7d.runs_out}]", WINDOW, &fast, "+0 1h58m");
        let faster = view(&[(18_000, 90.0, Some(2 * 3600))]);
        check("{binding.pace} {5h.runs_out} {windows}", "{runs_out}", &faster, "+30 19m 19m");
        // Of the samples each takes its own: the pool has used as much, but in the last half hour.
        let mut pooled = view(&[(18_000, 40.0, Some(2 * 3600))]);
        let before = pooled.usage.clone().unwrap();
        let usage = pooled.usage.as_mut().unwrap();
        usage.pools = vec![Pool { name: "A-Spark".into(), windows: usage.windows.clone() }];
        let after = usage.clone();
        let mut earlier = after.clone();
        earlier.pools[0].windows[0].used = 0.0;
        assert_eq!(earlier.windows, before.windows);
        let history = History::after(None, &earlier, NOW.plus(-1842));
        pooled.history = History::after(history.as_ref(), &after, NOW.plus(-42));
        let window = "{label} {pace}[ out {runs_out}]";
        check("{windows} | {pools}", window, &pooled, "5h -20 | spark 5h -20 out 44m");
        check("{pool.spark.runs_out}", window, &pooled, "44m");
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
        check("{turns_today} {windows}", WINDOW, &with_today(nothing(), 1, 2, 3), "Codex: loading");
        check("{turns_today}", WINDOW, &nothing(), "Codex: loading");
        check("{icon} {turns_today}", WINDOW, &nothing(), "⌬: loading");
        // Nor does their age matter beside counts alone.
        let old = || View { is_stale: true, age_seconds: Some(1380), ..both() };
        check("{turns_today}", WINDOW, &with_today(old(), 1, 2, 3), "2");
        check("{turns_today} {5h.used}", WINDOW, &with_today(old(), 1, 2, 3), "2 42% (23m ago)");
    }

    #[test]
    fn every_form_has_its_icon_and_its_mark() {
        let check = |line: &str, glyphs: &Glyphs, is_old: bool, long: &str| {
            let mut view = view(&[(18_000, 42.4, None), (604_800, 17.0, None)]);
            if is_old {
                view.is_stale = true;
                view.age_seconds = Some(1380);
            }
            let line = Template::parse(line, TemplateKind::Line).unwrap();
            let options = LineOptions {
                templates: Some(Templates {
                    line: &line,
                    window: &Template::parse("{label} {used} {bar:4}", TemplateKind::Window)
                        .unwrap(),
                }),
                separator: glyphs.separator,
                icon: Some(glyphs.icon),
                show: Show::Used,
                always_resets: false,
                glyphs,
                palette: TERMINAL,
                thresholds: Thresholds { warn: 70.0, critical: 90.0 },
                markup: Markup {
                    escape: style::verbatim,
                    paint: style::uncoloured,
                    without_colours: style::uncoloured,
                },
                zone: None,
            };
            assert_eq!(render(std::slice::from_ref(&view), &options), long);
        };
        check("{windows}", &UNICODE, false, "⌬ 5h 42% ██░░ · 7d 17% █░░░");
        check("{windows} {icon}", &UNICODE, true, "5h 42% ██░░ · 7d 17% █░░░ ⌬ (23m ago)");
        check("{windows}", &ASCII, true, "codex 5h 42% ==-- | 7d 17% =--- (23m ago)");
        let nerd = "\u{f0e4} 5h 42% ▰▰▱▱ \u{e0b1} 7d 17% ▰▱▱▱ \u{f017} 23m ago";
        check("{windows}", &NERD, true, nerd);
    }

    #[test]
    fn a_missing_value_takes_its_blanks_along() {
        let unstarted = view(&[(604_800, 0.0, None)]);
        check("{windows}", WINDOW, &unstarted, "7d 0%");
        check("{plan} {5h.used} {plan}", WINDOW, &unstarted, "plus plus");
    }

    #[test]
    fn a_bar_is_never_full_or_empty_before_its_time() {
        for (share, text) in
            [(0.0, "░░░░"), (0.2, "█░░░"), (49.5, "██░░"), (99.7, "███░"), (100.0, "████")]
        {
            assert_eq!(UNICODE.bar(share, 4), text);
        }
    }
}
