//! The language of `--format` and `--window`.
//!
//! `{name}` is a value, `[ … ]` a part that vanishes when a value in it is missing, `{{ }} [[ ]]` are the
//! characters themselves. A value that is missing outside such a part prints nothing, and takes the
//! blanks before it along: `{label} {used} {reset}` does not end in a blank for a window without a reset.

use super::style::Markup;
use crate::text::nearest;
use crate::time::{Timestamp, age, countdown};
use crate::usage::{Limit, Thresholds};
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
    Plan,
    Credits,
    Budget,
    Age,
    Of(Which, Field),
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
}

const LINE_NAMES: [&str; 5] = ["windows", "plan", "credits", "budget", "age"];
const FIELD_NAMES: [&str; 6] = ["label", "used", "left", "bar", "reset", "reset_at"];
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

    /// Whether a time zone is needed to render it.
    pub fn needs_zone(&self) -> bool {
        fn any(pieces: &[Piece]) -> bool {
            pieces.iter().any(|piece| match piece {
                Piece::Value(Value::Of(_, Field::ResetAt)) => true,
                Piece::Optional(inner) => any(inner),
                _ => false,
            })
        }
        any(&self.pieces)
    }
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
            (Kind::Line, "plan", _) => Ok(Value::Plan),
            (Kind::Line, "credits", _) => Ok(Value::Credits),
            (Kind::Line, "budget", _) => Ok(Value::Budget),
            (Kind::Line, "age", _) => Ok(Value::Age),
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
fn is_label(label: &str) -> bool {
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
    pub thresholds: Thresholds,
    pub markup: Markup,
    /// Needed only if a template says `reset_at`: [`Template::needs_zone`].
    pub zone: Option<&'a TimeZone>,
}

/// The line: in the host's markup, without its end.
pub fn render(view: &View, style: &Style) -> String {
    let mut out = String::with_capacity(128);
    if view.usage.is_none() {
        let mut word = String::new();
        (style.markup.escape)(view.word(), &mut word);
        (style.markup.paint)(view.severity, &word, &mut out);
    } else {
        write(&style.line.pieces, None, view, style, &mut out);
    }
    if let Some(mark) = view.mark() {
        out.push_str(" (");
        (style.markup.escape)(&mark, &mut out);
        out.push(')');
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
        Value::Plan => usage.and_then(|usage| usage.plan.clone()),
        Value::Credits => view.credits(),
        Value::Budget => view.budget(),
        Value::Age => view.age_seconds.map(age),
        Value::Of(which, field) => {
            let found = match which {
                Which::This => this.cloned(),
                Which::Binding => view.binding.clone(),
                Which::Named(label) => {
                    usage.and_then(|usage| usage.limits().find(|limit| limit.label == *label))
                }
            };
            let text = found.as_ref().and_then(|limit| field_text(field, limit, view.now, style.zone));
            // Inside a window the whole window is painted, by the caller.
            if let (Some(limit), Some(text), true) = (&found, &text, this.is_none()) {
                let mut escaped = String::new();
                (style.markup.escape)(text, &mut escaped);
                (style.markup.paint)(style.thresholds.severity(limit.used), &escaped, out);
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
        (style.markup.paint)(style.thresholds.severity(limit.used), &text, out);
    }
    if first {
        // No window and no budget: a plan is then told by its state.
        let mut word = String::new();
        (style.markup.escape)(&view.without_limits(), &mut word);
        (style.markup.paint)(view.severity, &word, out);
    }
    true
}

fn field_text(field: &Field, limit: &Limit, now: Timestamp, zone: Option<&TimeZone>) -> Option<String> {
    let used = whole_percent(limit.used);
    match field {
        Field::Label => Some(limit.label.clone()),
        Field::Used => Some(format!("{used}%")),
        Field::Left => Some(format!("{}%", 100 - used)),
        Field::Bar(width) => Some(bar(limit.used, *width)),
        Field::Reset => limit.resets_at.map(|reset| countdown(reset.seconds_since(now))),
        Field::ResetAt => Some(limit.resets_at?.clock(now, zone?)),
    }
}

/// To whole percent, but never to an end of the scale that is not reached: 99.6 is not 100.
pub fn whole_percent(used: f64) -> i64 {
    if used <= 0.0 {
        0
    } else if used >= 100.0 {
        100
    } else {
        (used.round() as i64).clamp(1, 99)
    }
}

/// A bar of `width` characters, filled to the nearest one, and like the percentage never full or empty
/// before its time.
fn bar(used: f64, width: usize) -> String {
    let exact = used.clamp(0.0, 100.0) / 100.0 * width as f64;
    let filled = match exact.round() as usize {
        0 if used > 0.0 && width > 1 => 1,
        filled if filled == width && used < 100.0 && width > 1 => width - 1,
        filled => filled,
    };
    "█".repeat(filled) + &"░".repeat(width - filled)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::{Answer, Source};
    use crate::render::style;
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
            thresholds: Thresholds { warn: 70.0, critical: 90.0 },
            markup: Markup { escape: style::verbatim, paint: style::uncoloured },
            zone: Some(&zone),
        };
        assert_eq!(render(view, &style), expected, "{line} {window}");
    }

    const WINDOW: &str = "{label} {used} {reset}";

    #[test]
    fn lines() {
        let both = view(&[(18_000, 42.4, Some(3780)), (604_800, 17.0, Some(460_800))]);
        check("{windows}", WINDOW, &both, "5h 42% 1h03m · 7d 17% 5d8h");
        check("{windows}", "{label}:{left}", &both, "5h:58% · 7d:83%");
        check("{plan} {5h.used}/{7d.used} {age}", WINDOW, &both, "plus 42%/17% 42s");
        check("{binding.label} {binding.bar:4}", WINDOW, &both, "5h ██░░");
        check("{5h.reset_at}", WINDOW, &both, "16:03");
        check("{30d.used}[ credits {credits}]{plan}", WINDOW, &both, "plus");
        check("a[ {plan}][ {30d.used}] {{x}} [[y]]", WINDOW, &both, "a plus {x} [y]");
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
            assert_eq!((whole_percent(used), bar(used, 4).as_str()), (percent, text));
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
