//! The language of `--format` and `--window`.
//!
//! `{name}` is a value, `[ … ]` a part that vanishes when a value in it is missing, `{{ }} [[ ]]`
//! are the characters themselves. A value that is missing outside such a part prints nothing, and
//! takes the blanks before it along: `{label} {used} {reset}` does not end in a blank for a window
//! without a reset.

use crate::model::text::{did_you_mean, nearest};
use crate::model::usage::{BUDGET_LABEL, WindowSlot};

/// A parsed `--format` or `--window`.
#[derive(Clone, Debug, PartialEq)]
pub struct Template {
    pub(super) pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Piece {
    Text(String),
    Placeholder(Placeholder),
    Optional(Vec<Piece>),
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Placeholder {
    /// Every window, by the template of `--window`.
    Windows,
    Account,
    Plan,
    Credits,
    Budget,
    Age,
    Icon,
    Today(Count),
    /// How many resets are banked.
    Resets,
    /// The time until the next of them lapses.
    ResetsExpire,
    /// The models that cannot be used now.
    ModelsOut,
    /// Every window of every further pool, by the template of `--window`.
    Pools,
    Of(Which, Field),
}

/// What was done today.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Count {
    Sessions,
    Turns,
    Tokens,
}

/// Which limit a value is of.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Which {
    /// The one at hand in a window template.
    This,
    Binding,
    Named(String),
    /// Of a further pool: the fullest window, or the one of this label.
    Pool {
        name: String,
        label: Option<String>,
    },
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Field {
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
pub const LINE_NAMES: [&str; 14] = [
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
    "resets",
    "resets_expire",
    "models_out",
    "pools",
];
/// What can be said of a limit.
pub const FIELD_NAMES: [&str; 8] =
    ["label", "used", "left", "bar", "reset", "reset_at", "pace", "runs_out"];
/// What stands before the name of a pool.
const POOL: &str = "pool.";
const BAR_WIDTH: usize = 8;
const WIDEST_BAR: usize = 200;

/// Where a template stands decides which names it knows.
#[derive(Clone, Copy, PartialEq)]
pub enum TemplateKind {
    Line,
    Window,
}

impl Template {
    /// # Errors
    /// What is wrong, with the nearest name where a name is unknown.
    pub fn parse(text: &str, kind: TemplateKind) -> Result<Template, String> {
        let mut pieces = Vec::new();
        let mut part: Option<Vec<Piece>> = None;
        let mut literal = String::new();
        let mut rest = text;
        while let Some(character) = rest.chars().next() {
            if rest.len() >= 2
                && ["{{", "}}", "[[", "]]"].contains(&rest.get(..2).unwrap_or_default())
            {
                literal.push(character);
                rest = &rest[2..];
                continue;
            }
            rest = &rest[character.len_utf8()..];
            match character {
                '{' => {
                    let end = rest.find('}').ok_or("{ without its }; a literal one is {{")?;
                    flush(&mut literal, part.as_mut().unwrap_or(&mut pieces));
                    let value = Placeholder::parse(&rest[..end], kind)?;
                    part.as_mut().unwrap_or(&mut pieces).push(Piece::Placeholder(value));
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
        any(&self.pieces, &|value| matches!(value, Placeholder::Of(_, Field::ResetAt)))
    }

    /// Whether it tells what was done today, which has to be counted.
    pub fn tells_today(&self) -> bool {
        any(&self.pieces, &|value| matches!(value, Placeholder::Today(_)))
    }

    /// Whether it tells of pools.
    pub fn tells_pools(&self) -> bool {
        any(&self.pieces, &|value| {
            matches!(value, Placeholder::Pools | Placeholder::Of(Which::Pool { .. }, _))
        })
    }

    /// Whether it tells of the budget, by its name or as one of the limits.
    pub fn tells_budget(&self) -> bool {
        any(&self.pieces, &|value| match value {
            Placeholder::Windows | Placeholder::Budget => true,
            Placeholder::Of(Which::Named(label), _) => label == BUDGET_LABEL,
            Placeholder::Of(which, _) => *which == Which::Binding,
            _ => false,
        })
    }

    /// Whether it tells nothing else: then the plan's numbers are not missed.
    pub(super) fn tells_only_today(&self) -> bool {
        let is_other = |value: &Placeholder| {
            !matches!(value, Placeholder::Today(_) | Placeholder::Account | Placeholder::Icon)
        };
        self.tells_today() && !any(&self.pieces, &is_other)
    }

    /// Whether it says where the icon stands.
    pub fn places_icon(&self) -> bool {
        any(&self.pieces, &|value| *value == Placeholder::Icon)
    }

    /// Whether it says where the account's name stands.
    pub(super) fn places_account(&self) -> bool {
        any(&self.pieces, &|value| *value == Placeholder::Account)
    }

    /// Whether it lists the windows.
    pub fn lists_windows(&self) -> bool {
        any(&self.pieces, &|value| matches!(value, Placeholder::Windows | Placeholder::Pools))
    }
}

fn any(pieces: &[Piece], is_wanted: &impl Fn(&Placeholder) -> bool) -> bool {
    pieces.iter().any(|piece| match piece {
        Piece::Placeholder(value) => is_wanted(value),
        Piece::Optional(inner) => any(inner, is_wanted),
        Piece::Text(_) => false,
    })
}

fn flush(literal: &mut String, pieces: &mut Vec<Piece>) {
    if !literal.is_empty() {
        pieces.push(Piece::Text(std::mem::take(literal)));
    }
}

impl Placeholder {
    fn parse(name: &str, kind: TemplateKind) -> Result<Placeholder, String> {
        let unknown = || {
            let near = match (kind, name.rsplit_once('.')) {
                (TemplateKind::Window, _) => nearest(name, FIELD_NAMES).map(String::from),
                (TemplateKind::Line, None) => nearest(name, LINE_NAMES).map(String::from),
                (TemplateKind::Line, Some((_, field))) => {
                    nearest(field, FIELD_NAMES).map(|near| format!("binding.{near}"))
                }
            };
            let near = near.map_or_else(String::new, |near| format!("; did you mean {{{near}}}?"));
            format!("unknown name {{{}}}{near}", crate::model::text::plain(name, 40))
        };
        match (kind, name, name.rsplit_once('.')) {
            (TemplateKind::Line, "windows", _) => Ok(Placeholder::Windows),
            (TemplateKind::Line, "account", _) => Ok(Placeholder::Account),
            (TemplateKind::Line, "plan", _) => Ok(Placeholder::Plan),
            (TemplateKind::Line, "credits", _) => Ok(Placeholder::Credits),
            (TemplateKind::Line, "budget", _) => Ok(Placeholder::Budget),
            (TemplateKind::Line, "age", _) => Ok(Placeholder::Age),
            (TemplateKind::Line, "icon", _) => Ok(Placeholder::Icon),
            (TemplateKind::Line, "sessions_today", _) => Ok(Placeholder::Today(Count::Sessions)),
            (TemplateKind::Line, "turns_today", _) => Ok(Placeholder::Today(Count::Turns)),
            (TemplateKind::Line, "tokens_today", _) => Ok(Placeholder::Today(Count::Tokens)),
            (TemplateKind::Line, "resets", _) => Ok(Placeholder::Resets),
            (TemplateKind::Line, "resets_expire", _) => Ok(Placeholder::ResetsExpire),
            (TemplateKind::Line, "models_out", _) => Ok(Placeholder::ModelsOut),
            (TemplateKind::Line, "pools", _) => Ok(Placeholder::Pools),
            (TemplateKind::Line, _, Some((which, field))) => {
                let which = match which {
                    pool if pool.starts_with(POOL) => Which::pool(&pool[POOL.len()..]),
                    "binding" => Which::Binding,
                    label if is_label(label) => Which::Named(label.to_string()),
                    _ => return Err(unknown()),
                };
                Ok(Placeholder::Of(which, Field::parse(field)?))
            }
            (TemplateKind::Window, _, None)
                if FIELD_NAMES.contains(&name.split(':').next().unwrap_or_default()) =>
            {
                Ok(Placeholder::Of(Which::This, Field::parse(name)?))
            }
            _ => Err(unknown()),
        }
    }
}

impl Which {
    /// `spark` or `spark.5h`. The names of pools have dots, too: `GPT-5.3-Codex-Spark`.
    fn pool(text: &str) -> Which {
        match text.rsplit_once('.').filter(|(_, label)| is_label(label)) {
            Some((name, label)) => Which::Pool { name: name.into(), label: Some(label.into()) },
            None => Which::Pool { name: text.into(), label: None },
        }
    }
}

/// `5h`, `30d`, `budget`: what a limit may be called.
pub fn is_label(label: &str) -> bool {
    let digits = label.trim_end_matches(['s', 'm', 'h', 'd']);
    if let Some((length, "secondary")) = label.split_once('-') {
        return is_label(length);
    }
    label == BUDGET_LABEL
        || WindowSlot::NAMES.contains(&label)
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
                _ => Err(format!("unknown field {name:?}{}", did_you_mean(name, FIELD_NAMES))),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_are_named_with_what_was_meant() {
        let check = |text: &str, kind: TemplateKind, expected: &str| {
            assert_eq!(Template::parse(text, kind).unwrap_err(), expected);
        };
        check("{window}", TemplateKind::Line, "unknown name {window}; did you mean {windows}?");
        check("{usd}", TemplateKind::Window, "unknown name {usd}; did you mean {used}?");
        check("{5h.usd}", TemplateKind::Line, "unknown field \"usd\"; did you mean used?");
        check(
            "{5x.used}",
            TemplateKind::Line,
            "unknown name {5x.used}; did you mean {binding.used}?",
        );
        check("{bar:0}", TemplateKind::Window, "the width in {bar:…} is a number from 1 to 200");
        check("{plan", TemplateKind::Line, "{ without its }; a literal one is {{");
        check("plan}", TemplateKind::Line, "} without its {; a literal one is }}");
        check("[a", TemplateKind::Line, "[ without its ]; a literal one is [[");
        check("a]", TemplateKind::Line, "] without its [; a literal one is ]]");
        check("[a[b]", TemplateKind::Line, "[ inside of [ ]; a literal one is [[");
    }
}
