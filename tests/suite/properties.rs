//! Properties that hold for every input, tested through the library: templates, escaping, the
//! answer. No input panics.

use codexline::cli;
use codexline::codex::{answer, config::Config};
use codexline::config::options::OPTIONS;
use codexline::config::settings::Settings;
use codexline::hosts::{HOSTS, Host};
use codexline::io::env::Env;
use codexline::line::compose;
use codexline::model::entry::{Answer, Entry, Source};
use codexline::model::text;
use codexline::model::time::{Timestamp, age, countdown, retry_after, window_label};
use codexline::model::usage::whole_percent;
use codexline::model::usage::{Thresholds, Usage, Window};
use codexline::model::view::View;
use codexline::render::style::escape_pango;
use codexline::render::template::{Template, TemplateKind};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};
use std::path::Path;

const NOW: Timestamp = Timestamp::from_unix_seconds(1_795_359_600);
const THRESHOLDS: Thresholds = Thresholds { warn: 70.0, critical: 90.0 };

fn env() -> Env {
    Env::for_test(&[("HOME", "/nowhere")], || NOW)
}

/// What a host prints for a usage, with these templates.
fn line(
    host: &'static Host,
    usage: Usage,
    format: Template,
    window: Template,
    now: Timestamp,
) -> String {
    let settings = Settings { format: Some(format), window: Some(window), ..Settings::new(host) };
    let answer = Answer { fetched_at: NOW, asked_at: None, source: Source::Api, usage };
    compose(&settings, &env(), &[View::of_answer(&answer, now, THRESHOLDS)])
}

// --- what inputs look like -----------------------------------------------------------------------

/// Text with everything that some host or terminal could stumble over.
fn hostile() -> impl Strategy<Value = String> {
    let pieces = select(vec![
        "#",
        "#(",
        "#[fg=red]",
        "#{x}",
        "%{F#f00}",
        "%",
        "<",
        "</span>",
        ">",
        "&",
        "&amp;",
        "'",
        "\"",
        "\\",
        "\n",
        "\r",
        "\t",
        "\u{1b}[31m",
        "\u{7}",
        "\0",
        "\u{9b}",
        "\u{202e}",
        "\u{200b}",
        "\u{2028}",
        "{",
        "}",
        "{{",
        "[",
        "]",
        "·",
        "😀",
        "é",
        " ",
        "a",
        "5h",
        "$(x)",
        "`",
        ":",
    ]);
    prop_oneof![
        prop::collection::vec(pieces, 0..12).prop_map(|pieces| pieces.concat()),
        any::<String>()
    ]
}

/// Templates: pieces of the language in any order. Many are valid, and many are nearly so.
fn template() -> impl Strategy<Value = String> {
    let pieces = select(vec![
        "{windows}",
        "{plan}",
        "{credits}",
        "{budget}",
        "{age}",
        "{binding.used}",
        "{binding.bar:3}",
        "{5h.left}",
        "{7d.reset}",
        "{30d.label}",
        "{7d.reset_at}",
        "{label}",
        "{used}",
        "{left}",
        "{bar}",
        "{bar:8}",
        "{bar:0}",
        "{reset}",
        "{reset_at}",
        "[",
        "]",
        "{",
        "}",
        "{{",
        "}}",
        "[[",
        "]]",
        " ",
        "x",
        "·",
        "{x}",
        "{.}",
        "{5h.}",
        "{bar:}",
        "{:}",
        "{}",
        "{binding}",
        "\u{1b}",
        "%",
    ]);
    prop_oneof![
        prop::collection::vec(pieces, 0..10).prop_map(|pieces| pieces.concat()),
        any::<String>()
    ]
}

/// `TemplateKind` has no `Debug`, which the values of a strategy need.
fn kind_of(is_line: bool) -> TemplateKind {
    if is_line { TemplateKind::Line } else { TemplateKind::Window }
}

/// A number in each form in which one arrives, and in some in which none should.
fn number() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<i64>().prop_map(Value::from),
        (-10.0..200.0).prop_map(|number: f64| json!(number)),
        any::<f64>().prop_map(|number| json!(number)),
        (-10.0..200.0).prop_map(|number: f64| json!(number.to_string())),
        select(vec![300, 900, 3600, 18_000, 604_800, 2_592_000]).prop_map(Value::from),
        (-9_000_000..9_000_000_i64).prop_map(|after| json!(NOW.unix_seconds() + after)),
        select(vec!["", "NaN", "inf", "1e999", "-0", "42.7%", " 5 ", "٣"]).prop_map(Value::from),
        Just(Value::Null),
    ]
}

/// Any JSON.
fn anything() -> impl Strategy<Value = Value> {
    let leaf =
        prop_oneof![number(), hostile().prop_map(Value::from), any::<bool>().prop_map(Value::from)];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((hostile(), inner), 0..4)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

/// Mostly `good`, sometimes anything at all in its place.
fn or_anything(good: impl Strategy<Value = Value> + 'static) -> BoxedStrategy<Value> {
    prop_oneof![6 => good, 1 => anything(), 1 => Just(Value::Null)].boxed()
}

/// An object with some of these keys, each mostly of its own kind.
fn object(keys: Vec<(&'static str, BoxedStrategy<Value>)>) -> impl Strategy<Value = Value> {
    let parts: Vec<_> = keys
        .into_iter()
        .map(|(key, value)| {
            prop::option::weighted(0.8, value).prop_map(move |value| Some((key.to_owned(), value?)))
        })
        .collect();
    parts.prop_map(|pairs| Value::Object(pairs.into_iter().flatten().collect()))
}

fn rate_limit() -> BoxedStrategy<Value> {
    let window = || {
        or_anything(object(vec![
            ("used_percent", or_anything(number())),
            ("limit_window_seconds", or_anything(number())),
            ("reset_after_seconds", or_anything(number())),
            ("reset_at", or_anything(number())),
        ]))
    };
    let flag = || or_anything(any::<bool>().prop_map(Value::from));
    or_anything(object(vec![
        ("allowed", flag()),
        ("limit_reached", flag()),
        ("primary_window", window()),
        ("secondary_window", window()),
    ]))
}

/// Something like an answer: the right keys, with right and wrong values.
fn an_answer() -> impl Strategy<Value = Value> {
    let word = || or_anything(hostile().prop_map(Value::from));
    let flag = || or_anything(any::<bool>().prop_map(Value::from));
    let pool = object(vec![
        ("limit_name", word()),
        ("metered_feature", word()),
        ("rate_limit", rate_limit()),
    ]);
    let limit = object(vec![
        ("limit", or_anything(number())),
        ("used", or_anything(number())),
        ("remaining", or_anything(number())),
        ("used_percent", or_anything(number())),
        ("remaining_percent", or_anything(number())),
        ("reset_after_seconds", or_anything(number())),
        ("reset_at", or_anything(number())),
    ]);
    let spend = object(vec![("reached", flag()), ("individual_limit", or_anything(limit))]);
    let credits = object(vec![
        ("has_credits", flag()),
        ("unlimited", flag()),
        ("balance", or_anything(number())),
    ]);
    object(vec![
        ("plan_type", word()),
        ("account_id", word()),
        ("user_id", word()),
        ("rate_limit", rate_limit()),
        ("code_review_rate_limit", rate_limit()),
        (
            "additional_rate_limits",
            or_anything(prop::collection::vec(pool, 0..4).prop_map(Value::from)),
        ),
        ("credits", or_anything(credits)),
        ("spend_control", or_anything(spend)),
        ("rate_limit_reached_type", word()),
    ])
}

fn parse(value: &Value) -> Option<Usage> {
    answer::parse(value.to_string().as_bytes(), NOW).ok().map(|answer| answer.usage)
}

/// Whether the text holds nothing that could end a line or move a terminal's cursor.
fn is_inert(text: &str) -> bool {
    !text.contains(|character: char| {
        character.is_control()
            || matches!(character, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}')
    })
}

/// The text that Pango shows for markup without tags; `None` if the markup is not valid.
fn pango_shows(markup: &str) -> Option<String> {
    let mut shown = String::new();
    let mut rest = markup;
    while let Some(character) = rest.chars().next() {
        let entities = [
            ("&amp;", '&'),
            ("&lt;", '<'),
            ("&gt;", '>'),
            ("&#39;", '\''),
            ("&apos;", '\''),
            ("&quot;", '"'),
        ];
        if let Some((entity, meant)) = entities.iter().find(|(entity, _)| rest.starts_with(entity))
        {
            shown.push(*meant);
            rest = &rest[entity.len()..];
        } else if matches!(character, '&' | '<' | '>' | '\'' | '"') {
            return None;
        } else {
            shown.push(character);
            rest = &rest[character.len_utf8()..];
        }
    }
    Some(shown)
}

/// The text that bash shows for a part of PS1; `None` if it would act on something in it.
///
/// bash reads it twice. First it decodes backslashes, then it expands what is left.
fn bash_shows(escaped: &str) -> Option<String> {
    let unescape = |text: &str, special: &str| {
        let mut shown = String::new();
        let mut characters = text.chars();
        while let Some(character) = characters.next() {
            shown.push(match character {
                '\\' => characters.next().filter(|escaped| special.contains(*escaped))?,
                '$' | '`' if special.contains(character) => return None,
                other => other,
            });
        }
        Some(shown)
    };
    unescape(&unescape(escaped, "\\")?, "\\$`")
}

proptest! {
    #![proptest_config(crate::support::cases(400))]

    // --- templates -------------------------------------------------------------------------------

    #[test]
    fn no_template_panics_and_every_mistake_is_told_in_one_line(
        template in template(),
        is_line in any::<bool>(),
    ) {
        if let Err(reason) = Template::parse(&template, kind_of(is_line)) {
            prop_assert!(!reason.is_empty());
            prop_assert!(!reason.contains('\n') || template.contains('\n'), "{reason:?}");
        }
    }

    #[test]
    fn doubled_brackets_are_literal_whatever_the_text(
        text in "[^\\n]{0,40}",
        is_line in any::<bool>(),
    ) {
        let mut doubled = String::new();
        for character in text.chars() {
            doubled.push(character);
            if "{}[]".contains(character) {
                doubled.push(character);
            }
        }
        let parsed = Template::parse(&doubled, kind_of(is_line));
        prop_assert!(parsed.is_ok(), "{doubled:?}: {parsed:?}");
        if is_line {
            let window = Template::parse("", TemplateKind::Window).unwrap();
            let plain = HOSTS.iter().find(|host| host.name == "plain").unwrap();
            let shown = line(plain, Usage::default(), parsed.unwrap(), window, NOW);
            prop_assert_eq!(shown, format!("{text}\n"));
        }
    }

    #[test]
    fn whatever_the_answer_and_the_templates_every_host_gets_what_it_can_read(
        answer in an_answer(),
        format in template(),
        window in template(),
        later in prop_oneof![0..100_000_i64, any::<i64>()],
    ) {
        let Some(usage) = parse(&answer) else { return Ok(()) };
        let valid = |text: &str, kind, default| {
            let own = Template::parse(text, kind).ok().filter(|_| is_inert(text));
            own.unwrap_or_else(|| Template::parse(default, kind).unwrap())
        };
        let now = NOW.plus(later);
        for host in HOSTS {
            let all = "{plan} {windows} {credits} {budget} {age}";
            let format = valid(&format, TemplateKind::Line, all);
            let all = "{label} {used} {left} {bar} {reset} {reset_at}";
            let window = valid(&window, TemplateKind::Window, all);
            let output = line(host, usage.clone(), format, window, now);
            prop_assert!(output.ends_with('\n'), "{}: {output:?}", host.name);
            let colour = |text: &str| text.replace('\u{1b}', "");
            let are_inert = output.lines().all(|line| is_inert(&colour(line)));
            prop_assert!(are_inert, "{}: {output:?}", host.name);
            let lines = output.lines().count();
            match host.name {
                "i3blocks" => prop_assert!((2..=3).contains(&lines), "{output:?}"),
                // A bar and a menu.
                "swiftbar" => {
                    let parts = output.lines().filter(|line| *line == "---").count();
                    prop_assert!(parts == 2, "{output:?}");
                }
                _ => prop_assert_eq!(lines, 1, "{}: {:?}", host.name, output),
            }
            if matches!(host.name, "json" | "waybar" | "swaybar" | "i3status-rust") {
                let parsed: Value = serde_json::from_str(&output).unwrap();
                prop_assert!(parsed.is_object());
            }
        }
    }

    // --- escaping --------------------------------------------------------------------------------

    #[test]
    fn pango_shows_exactly_the_text(text in hostile()) {
        let mut markup = String::new();
        escape_pango(&text, &mut markup);
        prop_assert_eq!(pango_shows(&markup), Some(text));
    }

    #[test]
    fn every_host_s_escaping_makes_text_inert(text in hostile()) {
        for host in HOSTS {
            let mut escaped = String::from("before");
            (host.markup.escape)(&text, &mut escaped);
            let escaped = escaped.strip_prefix("before").expect("it appends");
            match host.name {
                "tmux" => {
                    prop_assert_eq!(escaped.replace("##", "#"), text.clone());
                    prop_assert!(!escaped.replace("##", "").contains('#'), "{escaped:?}");
                }
                "waybar" | "i3blocks" | "swaybar" | "i3status-rust" => {
                    prop_assert_eq!(pango_shows(escaped), Some(text.clone()));
                }
                "zsh" | "powerlevel10k" => {
                    prop_assert_eq!(escaped.replace("%%", "%"), text.clone());
                    prop_assert!(!escaped.replace("%%", "").contains('%'), "{escaped:?}");
                }
                "polybar" => {
                    prop_assert_eq!(escaped.replace("%{O0}", ""), text.clone());
                    prop_assert!(!escaped.replace("%{O0}", "|").contains("%{"), "{escaped:?}");
                }
                "zjstatus" => {
                    prop_assert_eq!(escaped.replace("#[default]", ""), text.clone());
                    prop_assert!(!escaped.replace("#[default]", "|").contains("#["), "{escaped:?}");
                }
                "bash" => prop_assert_eq!(bash_shows(escaped), Some(text.clone())),
                _ => prop_assert_eq!(escaped, text.as_str()),
            }
        }
    }

    #[test]
    fn waybar_s_text_and_tooltip_are_markup_whatever_the_server_says(answer in an_answer()) {
        let Some(usage) = parse(&answer) else { return Ok(()) };
        let waybar = HOSTS.iter().find(|host| host.name == "waybar").unwrap();
        let format = Template::parse("{plan} {credits}", TemplateKind::Line).unwrap();
        let window = Template::parse("{label}", TemplateKind::Window).unwrap();
        let output = line(waybar, usage, format, window, NOW);
        let block: Value = serde_json::from_str(&output).unwrap();
        let tooltip = block["tooltip"].as_str();
        let tooltip = tooltip.and_then(|text| text.strip_prefix("<tt>")?.strip_suffix("</tt>"));
        for text in [block["text"].as_str(), tooltip] {
            // Bold is ours: what came from outside has no tag left.
            let text = text.map(|text| text.replace("<b>", "").replace("</b>", ""));
            prop_assert!(text.as_deref().and_then(pango_shows).is_some(), "{block}");
        }
        let percentage = block["percentage"].as_u64();
        prop_assert!(percentage.is_some_and(|percentage| percentage <= 100), "{block}");
    }

    #[test]
    fn text_from_outside_is_stripped_and_cut(text in hostile(), longest in 0..60_usize) {
        let plain = text::plain(&text, longest);
        prop_assert!(is_inert(&plain), "{plain:?}");
        prop_assert!(plain.chars().count() <= longest);
        prop_assert!(is_inert(&text::one_line(&text)));
    }

    // --- the answer ------------------------------------------------------------------------------

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = answer::parse(&bytes, NOW);
    }

    #[test]
    fn no_json_panics(value in anything()) {
        let _ = parse(&value);
    }

    #[test]
    fn whatever_is_accepted_is_within_bounds(answer in an_answer(), later in any::<i64>()) {
        let Some(usage) = parse(&answer) else { return Ok(()) };
        let now = NOW.plus(later);
        for usage in [usage.clone(), usage.clone().as_of(NOW, now)] {
            let pools = usage.pools.iter().flat_map(|pool| &pool.windows);
            for window in usage.windows.iter().chain(pools) {
                prop_assert!((0.0..=100.0).contains(&window.used), "{window:?}");
                prop_assert!(!window.label().is_empty());
            }
            if let Some(budget) = &usage.budget {
                prop_assert!((0.0..=100.0).contains(&budget.used_percent), "{budget:?}");
            }
            let pools = usage.pools.iter().map(|pool| &pool.name);
            prop_assert!(usage.plan.iter().chain(pools).all(|name| is_inert(name)));
            let fullest = usage.limits().map(|limit| limit.used).fold(0.0, f64::max);
            prop_assert_eq!(usage.binding().map_or(0.0, |limit| limit.used), fullest);
        }
        // The form in the cache is small and says the same, except for the last bit of a fraction:
        // serde_json reads fast.
        let stored = serde_json::to_vec(&usage).unwrap();
        prop_assert!(stored.len() < 7 * 1024, "{} bytes", stored.len());
        let read: Usage = serde_json::from_slice(&stored).unwrap();
        for (before, after) in usage.limits().zip(read.limits()) {
            prop_assert_eq!((&before.label, before.resets_at), (&after.label, after.resets_at));
            prop_assert!((before.used - after.used).abs() < 1e-9);
        }
        prop_assert_eq!(read.limits().count(), usage.limits().count());
        prop_assert_eq!(read.pools.len(), usage.pools.len());
        prop_assert_eq!((read.plan, read.blocked), (usage.plan, usage.blocked));
    }

    #[test]
    fn the_slots_of_an_answer_mean_nothing(first in rate_limit()) {
        let mut swapped = first.clone();
        if let Some(object) = swapped.as_object_mut() {
            let slots = [object.remove("primary_window"), object.remove("secondary_window")];
            for (slot, window) in ["secondary_window", "primary_window"].into_iter().zip(slots) {
                if let Some(window) = window {
                    object.insert(slot.into(), window);
                }
            }
        }
        let windows = |rate_limit: Value| {
            let usage = parse(&json!({"plan_type": "x", "rate_limit": rate_limit}))?;
            // The slot stands only in names, where the lengths alone would not tell them apart.
            let nameless = |window| Window { slot: None, ..window };
            let windows = usage.windows.into_iter().map(nameless);
            let mut windows: Vec<String> = windows.map(|window| format!("{window:?}")).collect();
            windows.sort();
            Some(windows)
        };
        prop_assert_eq!(windows(first), windows(swapped));
    }

    // --- the cache entry -------------------------------------------------------------------------

    #[test]
    fn an_entry_comes_back_as_it_was_and_no_half_of_one_is_one(
        answer in an_answer(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in any::<prop::sample::Index>(),
        later in any::<i64>(),
    ) {
        let Some(usage) = parse(&answer) else { return Ok(()) };
        let home = Path::new("/nowhere");
        let answer = Answer { fetched_at: NOW, asked_at: None, source: Source::Api, usage };
        let entry = Entry::answered(home, "stamp".into(), Some("acc-1".into()), answer);
        let bytes = serde_json::to_vec(&entry).unwrap();
        let read = Entry::parse(&bytes, home, NOW).ok().unwrap();
        // All but the last bit of a fraction, for which see above.
        let rest = |entry: &Entry| {
            let mut value = serde_json::to_value(entry).unwrap();
            value["answer"]["usage"] = Value::Null;
            value
        };
        prop_assert_eq!(rest(&read), rest(&entry));
        prop_assert!(Entry::parse(&bytes, Path::new("/else"), NOW).is_err());
        prop_assert!(Entry::parse(&bytes[..cut.index(bytes.len())], home, NOW).is_err());
        let mut damaged = bytes;
        for (place, byte) in damage {
            let place = place.index(damaged.len());
            damaged[place] = byte;
        }
        if let Ok(entry) = Entry::parse(&damaged, home, NOW) {
            // Whatever is believed of it can be shown.
            let now = NOW.plus(later);
            let answer = entry.answer.as_ref();
            let _ = answer.map(|answer| (answer.holds(now), answer.usage_at(now)));
            let _ = entry.is_backing_off(now);
        }
    }

    // --- the small things ------------------------------------------------------------------------

    #[test]
    fn spans_and_labels_are_short(seconds in any::<i64>(), length in any::<u32>()) {
        prop_assert!(!countdown(seconds).is_empty() && !age(seconds).is_empty());
        prop_assert!(countdown(seconds % 100_000_000).len() <= 8);
        prop_assert!(window_label(length).ends_with(['s', 'm', 'h', 'd']));
    }

    #[test]
    fn percentages_do_not_lie_at_the_ends(used in 0.0..=100.0_f64) {
        let whole = whole_percent(used);
        prop_assert!((0..=100).contains(&whole) && (whole as f64 - used).abs() <= 1.0);
        prop_assert_eq!((whole == 0, whole == 100), (used == 0.0, used == 100.0));
    }

    #[test]
    fn retry_after_takes_anything(value in prop_oneof![
        hostile(),
        "[0-9]{0,30}",
        "[A-Z][a-z]{2}, [0-9]{1,2} [A-Z][a-z]{2} [0-9]{2,5} [0-9:]{8} GMT",
    ]) {
        let _ = retry_after(&value, NOW);
    }

    #[test]
    fn times_have_dates(seconds in any::<i64>(), now in any::<i64>()) {
        let time = Timestamp::from_unix_seconds(seconds);
        let zone = jiff::tz::TimeZone::UTC;
        prop_assert!(!time.clock(Timestamp::from_unix_seconds(now), &zone).is_empty());
        prop_assert!(time.rfc3339().ends_with('Z'));
    }

    #[test]
    fn no_config_panics(text in prop_oneof![
        hostile(),
        "(chatgpt_base_url|profile|a) ?= ?[\"'\\[{]?[a-z:/.]{0,20}[\"'\\]}]?\n?",
    ]) {
        if let Ok(config) = Config::parse(&text) {
            prop_assert!(config.usage_url().ends_with("/usage"));
        }
    }

    #[test]
    fn no_command_line_panics(arguments in prop::collection::vec(prop_oneof![
        hostile(),
        template(),
        select(OPTIONS.iter().map(|option| format!("--{}", option.name)).collect::<Vec<_>>()),
        select(HOSTS.iter().map(|host| host.name.to_owned()).collect::<Vec<_>>()),
        select(vec!["fetch", "demo", "--", "-", "--worker", "-h", "2m", "70", "auto"])
            .prop_map(String::from),
    ], 0..5)) {
        let mut line = vec![std::ffi::OsString::from("codexline")];
        line.extend(arguments.iter().map(Into::into));
        if let Err(error) = cli::parse(line, &env()) {
            prop_assert!(!error.to_string().is_empty());
            prop_assert!(!error.hint().is_empty());
        }
    }
}
