//! The language of `--format` and `--window`.
//!
//! `{name}` is a value, `[ … ]` a part that vanishes when a value in it is missing, `{{ }} [[ ]]` are the
//! characters themselves. A value that is missing outside such a part prints nothing, and takes the
//! blanks before it along: `{label} {used} {reset}` does not end in a blank for a window without a reset.

use super::colour::{Ink, Inks};
use super::glyphs::Glyphs;
use super::style::Markup;
use crate::pace::points_text;
use crate::text::{nearest, short_count};
use crate::time::{age, countdown};
use crate::usage::{Limit, Severity, Thresholds, whole_percent};
use crate::view::View;
use jiff::tz::TimeZone;

/// A parsed `--format` or `--window`.
#[derive(Clone, Debug, PartialEq)]
pub struct Template {
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq)]
enum Piece {
    Text(String),
    Value(Value),
    Optional(Vec<Piece>),
}

#[derive(Clone, Debug, PartialEq)]
enum Value {
    /// Every window, by the template of `--window`.
    Windows,
    Account,
    Plan,
    Credits,
    Budget,
    Age,
    Icon,
    Today(Count),
    Of(Which, Field),
}

/// What was done today.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Count {
    Sessions,
    Turns,
    Tokens,
}

/// Which limit a value is of.
#[derive(Clone, Debug, PartialEq)]
enum Which {
    /// The one at hand in a window template.
    This,
    Binding,
    Named(String),
}

#[derive(Clone, Debug, PartialEq)]
enum Field {
    Label,
    Used,
    Left,
    Bar(usize),
    Reset,
    ResetAt,
    Pace,
    RunsOut,
}

/// What a line's template can name without a prefix.
pub const LINE_NAMES: [&str; 10] = [
    "windows",
    "account",
    "plan",
    "credits",
    "budget",
    "age",
    "icon",
    "sessions_today",
    "turns_today",
    "tokens_today",
];
/// What can be said of a limit.
pub const FIELD_NAMES: [&str; 8] = ["label", "used", "left", "bar", "reset", "reset_at", "pace", "runs_out"];
const BAR_WIDTH: usize = 8;
const WIDEST_BAR: usize = 200;

/// Where a template stands decides which names it knows.
#[derive(Clone, Copy, PartialEq)]
pub enum Kind {
    Line,
    Window,
}

impl Template {
    /// # Errors
    /// What is wrong, with the nearest name where a name is unknown.
    pub fn parse(text: &str, kind: Kind) -> Result<Template, String> {
        let mut pieces = Vec::new();
        let mut part: Option<Vec<Piece>> = None;
        let mut literal = String::new();
        let mut rest = text;
        while let Some(character) = rest.chars().next() {
            if rest.len() >= 2 && ["{{", "}}", "[[", "]]"].contains(&rest.get(..2).unwrap_or_default()) {
                literal.push(character);
                rest = &rest[2..];
                continue;
            }
            rest = &rest[character.len_utf8()..];
            match character {
                '{' => {
                    let end = rest.find('}').ok_or("{ without its }; a literal one is {{")?;
                    flush(&mut literal, part.as_mut().unwrap_or(&mut pieces));
                    let value = Value::parse(&rest[..end], kind)?;
                    part.as_mut().unwrap_or(&mut pieces).push(Piece::Value(value));
                    rest = &rest[end + 1..];
                }
                '}' => return Err("} without its {; a literal one is }}".into()),
                '[' if part.is_some() => return Err("[ inside of [ ]; a literal one is [[".into()),
                '[' => {
                    flush(&mut literal, &mut pieces);
                    part = Some(Vec::new());
                }
                ']' => {
                    let mut inner = part.take().ok_or("] without its [; a literal one is ]]")?;
                    flush(&mut literal, &mut inner);
                    pieces.push(Piece::Optional(inner));
                }
                _ => literal.push(character),
            }
        }
        if part.is_some() {
            return Err("[ without its ]; a literal one is [[".into());
        }
        flush(&mut literal, &mut pieces);
        Ok(Template { pieces })
    }

    /// `{windows}`.
    pub fn windows() -> Template {
        Template { pieces: vec![Piece::Value(Value::Windows)] }
    }

    /// Whether a time zone is needed to render it.
    pub fn needs_zone(&self) -> bool {
        any(&self.pieces, &|value| matches!(value, Value::Of(_, Field::ResetAt)))
    }

    /// Whether it tells what was done today, which has to be counted.
    pub fn tells_today(&self) -> bool {
        any(&self.pieces, &|value| matches!(value, Value::Today(_)))
    }

    /// Whether it tells nothing else: then the plan's numbers are not missed.
    fn tells_only_today(&self) -> bool {
        let is_other = |value: &Value| !matches!(value, Value::Today(_) | Value::Account | Value::Icon);
        self.tells_today() && !any(&self.pieces, &is_other)
    }

    /// Whether it says where the icon stands.
    pub fn places_icon(&self) -> bool {
        any(&self.pieces, &|value| *value == Value::Icon)
    }

    /// Whether it says where the account's name stands.
    fn places_account(&self) -> bool {
        any(&self.pieces, &|value| *value == Value::Account)
    }

    /// Whether it lists the windows.
    pub fn lists_windows(&self) -> bool {
        any(&self.pieces, &|value| *value == Value::Windows)
    }
}

fn any(pieces: &[Piece], is_wanted: &impl Fn(&Value) -> bool) -> bool {
    pieces.iter().any(|piece| match piece {
        Piece::Value(value) => is_wanted(value),
        Piece::Optional(inner) => any(inner, is_wanted),
        Piece::Text(_) => false,
    })
}

fn flush(literal: &mut String, pieces: &mut Vec<Piece>) {
    if !literal.is_empty() {
        pieces.push(Piece::Text(std::mem::take(literal)));
    }
}

impl Value {
    fn parse(name: &str, kind: Kind) -> Result<Value, String> {
        let unknown = || {
            let near = match (kind, name.rsplit_once('.')) {
                (Kind::Window, _) => nearest(name, FIELD_NAMES).to_string(),
                (Kind::Line, None) => nearest(name, LINE_NAMES).to_string(),
                (Kind::Line, Some((_, field))) => format!("binding.{}", nearest(field, FIELD_NAMES)),
            };
            format!("unknown name {{{}}}; did you mean {{{near}}}?", crate::text::plain(name, 40))
        };
        match (kind, name, name.rsplit_once('.')) {
            (Kind::Line, "windows", _) => Ok(Value::Windows),
            (Kind::Line, "account", _) => Ok(Value::Account),
            (Kind::Line, "plan", _) => Ok(Value::Plan),
            (Kind::Line, "credits", _) => Ok(Value::Credits),
            (Kind::Line, "budget", _) => Ok(Value::Budget),
            (Kind::Line, "age", _) => Ok(Value::Age),
            (Kind::Line, "icon", _) => Ok(Value::Icon),
            (Kind::Line, "sessions_today", _) => Ok(Value::Today(Count::Sessions)),
            (Kind::Line, "turns_today", _) => Ok(Value::Today(Count::Turns)),
            (Kind::Line, "tokens_today", _) => Ok(Value::Today(Count::Tokens)),
            (Kind::Line, _, Some((which, field))) => {
                let which = match which {
                    "binding" => Which::Binding,
                    label if is_label(label) => Which::Named(label.to_string()),
                    _ => return Err(unknown()),
                };
                Ok(Value::Of(which, Field::parse(field)?))
            }
            (Kind::Window, _, None) if FIELD_NAMES.contains(&name.split(':').next().unwrap_or_default()) => {
                Ok(Value::Of(Which::This, Field::parse(name)?))
            }
            _ => Err(unknown()),
        }
    }
}

/// `5h`, `30d`, `budget`: what a limit may be called.
pub fn is_label(label: &str) -> bool {
    let digits = label.trim_end_matches(['s', 'm', 'h', 'd']);
    label == crate::usage::BUDGET_LABEL
        || (digits.len() + 1 == label.len()
            && !digits.is_empty()
            && digits.bytes().all(|byte| byte.is_ascii_digit()))
}

impl Field {
    fn parse(name: &str) -> Result<Field, String> {
        match name {
            "label" => Ok(Field::Label),
            "used" => Ok(Field::Used),
            "left" => Ok(Field::Left),
            "reset" => Ok(Field::Reset),
            "reset_at" => Ok(Field::ResetAt),
            "pace" => Ok(Field::Pace),
            "runs_out" => Ok(Field::RunsOut),
            "bar" => Ok(Field::Bar(BAR_WIDTH)),
            _ => match name.split_once(':') {
                Some(("bar", width)) => match width.parse() {
                    Ok(width @ 1..=WIDEST_BAR) => Ok(Field::Bar(width)),
                    _ => Err(format!("the width in {{bar:…}} is a number from 1 to {WIDEST_BAR}")),
                },
                _ => Err(format!("unknown field {name:?}; did you mean {}?", nearest(name, FIELD_NAMES))),
            },
        }
    }
}

/// What a line is made from, beside the numbers.
pub struct Style<'a> {
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
    pub inks: Inks,
    /// Needed only if a template says `reset_at` ([`Template::needs_zone`]) or the host does.
    pub zone: Option<&'a TimeZone>,
}

impl Style<'_> {
    fn paint(&self, severity: Severity, text: &str, out: &mut String) {
        (self.markup.paint)(self.inks.of(severity), text, out);
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

    /// The ink of a severity.
    pub fn ink(&self, severity: Severity) -> Ink {
        self.inks.of(severity)
    }
}

/// The line: in the host's markup, without its end.
pub fn render(view: &View, style: &Style) -> String {
    let is_of_today = view.today.is_some() && style.line.tells_only_today();
    let is_only_a_word = view.usage.is_none() && !is_of_today;
    let mut out = style.start(view, is_only_a_word);
    if is_only_a_word {
        style.write(view.severity, view.word(), &mut out);
    } else {
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
pub fn render_short(view: &View, style: &Style) -> String {
    let mut out = style.start(view, true);
    match (&view.usage, &view.binding) {
        (None, _) => style.write(view.severity, view.word(), &mut out),
        (Some(_), None) => style.write(view.severity, &view.without_limits(), &mut out),
        (Some(_), Some(limit)) => {
            style.write(view.severity, &format!("{} {}%", limit.label, whole_percent(limit.used)), &mut out);
        }
    }
    let is_old = view.usage.is_some() && view.stale_age().is_some();
    if is_old || view.mistake.is_some() {
        out.push_str(style.glyphs.stale_short);
    }
    out
}

/// Appends pieces; whether every value was there.
fn write(pieces: &[Piece], this: Option<&Limit>, view: &View, style: &Style, out: &mut String) -> bool {
    let mut complete = true;
    for piece in pieces {
        match piece {
            Piece::Text(text) => out.push_str(text),
            Piece::Value(value) => {
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

fn write_value(value: &Value, this: Option<&Limit>, view: &View, style: &Style, out: &mut String) -> bool {
    let usage = view.usage.as_ref();
    let text = match value {
        Value::Windows => return write_windows(view, style, out),
        Value::Account => view.account.clone(),
        Value::Plan => usage.and_then(|usage| usage.plan.clone()),
        Value::Credits => view.credits(),
        Value::Budget => view.budget(),
        Value::Age => view.age_seconds.map(age),
        // The user's own, in the host's markup if they like.
        Value::Icon if style.icon.is_empty() => None,
        Value::Icon => {
            out.push_str(style.icon);
            return true;
        }
        Value::Today(count) => view.today.map(|today| {
            short_count(match count {
                Count::Sessions => today.counts.sessions,
                Count::Turns => today.counts.turns,
                Count::Tokens => today.counts.total_tokens,
            })
        }),
        Value::Of(which, field) => {
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

fn write_windows(view: &View, style: &Style, out: &mut String) -> bool {
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

fn field_text(field: &Field, limit: &Limit, view: &View, style: &Style) -> Option<String> {
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
    use crate::activity::report::Counts;
    use crate::activity::today::Today;
    use crate::cache::{Answer, Source};
    use crate::render::colour::TERMINAL;
    use crate::render::glyphs::{ASCII, NERD, UNICODE};
    use crate::render::style;
    use crate::time::Timestamp;
    use crate::usage::{Usage, Window};

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_795_359_600);

    fn view(windows: &[(u32, f64, Option<i64>)]) -> View {
        let windows = windows
            .iter()
            .map(|(seconds, used, resets_in)| Window {
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
        let style = Style {
            line: &Template::parse(line, Kind::Line).unwrap(),
            window: &Template::parse(window, Kind::Window).unwrap(),
            separator: " · ",
            icon: "⌬",
            icon_leads: false,
            glyphs: &UNICODE,
            inks: TERMINAL,
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
        check("{turns_today} {windows}", WINDOW, &with_today(nothing(), 1, 2, 3), "pending");
        check("{turns_today}", WINDOW, &nothing(), "pending");
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
            let line = Template::parse(line, Kind::Line).unwrap();
            let style = Style {
                line: &line,
                window: &Template::parse("{label} {used} {bar:4}", Kind::Window).unwrap(),
                separator: glyphs.separator,
                icon: glyphs.icon,
                icon_leads: !line.places_icon(),
                glyphs,
                inks: TERMINAL,
                thresholds: Thresholds { warn: 70.0, critical: 90.0 },
                markup: Markup { escape: style::verbatim, paint: style::uncoloured },
                zone: None,
            };
            assert_eq!((render(&view, &style).as_str(), render_short(&view, &style).as_str()), (long, short));
        };
        check("{windows}", &UNICODE, false, "⌬ 5h 42% ██░░ · 7d 17% █░░░", "⌬ 5h 42%");
        check("{windows} {icon}", &UNICODE, true, "5h 42% ██░░ · 7d 17% █░░░ ⌬ (23m ago)", "⌬ 5h 42%*");
        check("{windows}", &ASCII, true, "codex 5h 42% ==-- | 7d 17% =--- (23m ago)", "codex 5h 42%*");
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
        for (used, percent, text) in
            [(0.0, 0, "░░░░"), (0.2, 1, "█░░░"), (49.5, 50, "██░░"), (99.7, 99, "███░"), (100.0, 100, "████")]
        {
            assert_eq!((whole_percent(used), UNICODE.bar(used, 4).as_str()), (percent, text));
        }
    }

    #[test]
    fn mistakes_are_named_with_what_was_meant() {
        let check = |text: &str, kind: Kind, expected: &str| {
            assert_eq!(Template::parse(text, kind).unwrap_err(), expected);
        };
        check("{window}", Kind::Line, "unknown name {window}; did you mean {windows}?");
        check("{usd}", Kind::Window, "unknown name {usd}; did you mean {used}?");
        check("{5h.usd}", Kind::Line, "unknown field \"usd\"; did you mean used?");
        check("{5x.used}", Kind::Line, "unknown name {5x.used}; did you mean {binding.used}?");
        check("{bar:0}", Kind::Window, "the width in {bar:…} is a number from 1 to 200");
        check("{plan", Kind::Line, "{ without its }; a literal one is {{");
        check("plan}", Kind::Line, "} without its {; a literal one is }}");
        check("[a", Kind::Line, "[ without its ]; a literal one is [[");
        check("a]", Kind::Line, "] without its [; a literal one is ]]");
        check("[a[b]", Kind::Line, "[ inside of [ ]; a literal one is [[");
    }
}
