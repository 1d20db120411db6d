//! What is made of an answer: the numbers that Codex itself would show, and never a fine state
//! where work is refused or the numbers are not known.

use std::time::{Duration, Instant};

use codexline::hosts::HOSTS;
use serde_json::{Value, json};

use crate::support::home::{Home, Output};
use crate::support::now;
use crate::support::server::{Answer, Gate, Server};
use crate::support::{fixture, fresh_fixture, usage_of};

/// Every host but `json`, whose word for the state is what the others are compared with.
fn hosts() -> impl Iterator<Item = &'static str> {
    HOSTS.iter().map(|host| host.name).filter(|name| *name != "json")
}

/// A home whose cache holds what the server says.
fn home_with(answer: &Value) -> (Home, Server) {
    let server = Server::usage(answer.clone());
    let home = Home::new(&server);
    home.fill();
    (home, server)
}

fn json_of(home: &Home) -> Value {
    home.run(&["json", "--offline"]).json()
}

fn check_fails(home: &Home, named: &str) {
    let output = home.run(&["check", "--left", "10%", "--offline"]);
    assert_eq!(output.code, Some(1), "{output:?}");
    assert!(output.stderr.contains(named), "{named} is not said: {output:?}");
}

/// Whether a host says that all is well: by its class or state, or by the colour of `ok`, which it
/// is told here, because by default that is the host's own.
fn is_fine(home: &Home, host: &str) -> (bool, Output) {
    let colour = ["--color", "always", "--colors", "ok=#123456"];
    let output = home.run(&[&[host, "--offline"][..], &colour].concat());
    let marks = ["\"ok\"", "\"Good\"", "\"Idle\"", "CODEXLINE_OK", "123456", "18;52;86"];
    let is_powerlevel = host == "powerlevel10k" && output.stdout.starts_with("OK");
    (marks.iter().any(|mark| output.stdout.contains(mark)) || is_powerlevel, output)
}

/// That no host says that all is well.
fn no_host_is_fine(home: &Home, what: &str) {
    for host in hosts() {
        let (is_fine, output) = is_fine(home, host);
        assert!(!is_fine, "{what} in {host}: {output:?}");
    }
}

/// That every host shows the same text as a terminal, each in its own way.
fn every_host_has_the_text(home: &Home, what: &str) {
    let arguments = |host| [host, "--offline", "--color", "never"];
    let plain = home.run(&arguments("plain")).stdout;
    for host in hosts() {
        let output = home.run(&arguments(host));
        assert_eq!((output.stderr.as_str(), output.code), ("", Some(0)), "{what} in {host}");
        // Bold is no colour, and `%` is doubled where the host expands it.
        let bold = ["<b>", "</b>", "\u{1b}[1m", "\u{1b}[0m"];
        let text =
            bold.iter().fold(output.stdout.replace("%%", "%"), |text, mark| text.replace(mark, ""));
        assert!(text.contains(plain.trim_end()), "{what} in {host}: {plain}{text}");
    }
}

// --- blocked, whatever the windows say -----------------------------------------------------------

#[test]
fn blocked_is_said_first_in_every_host_however_much_is_left() {
    let with = |key: &str, value: Value| {
        let mut answer = usage_of(5, 5);
        answer[key] = value;
        answer
    };
    let rate_limit = |key: &str, value: bool| {
        let mut answer = usage_of(5, 5);
        answer["rate_limit"][key] = value.into();
        answer
    };
    let mut typed = with("rate_limit_reached_type", json!({"type": "credits_depleted"}));
    typed["rate_limit"].as_object_mut().unwrap().remove("allowed");
    let answers = [
        rate_limit("allowed", false),
        rate_limit("limit_reached", true),
        with("spend_control", json!({"reached": true, "individual_limit": null})),
        typed,
    ];
    for (index, answer) in answers.iter().enumerate() {
        let (home, _server) = home_with(answer);
        let json = json_of(&home);
        assert_eq!(json["state"], "exhausted", "{answer}");
        assert!(json["blocked"].is_object(), "{answer}");
        let plain = home.run(&["--offline", "--color", "never"]).stdout;
        let line = plain.trim_start_matches("Codex").trim_start();
        assert!(line.starts_with("blocked"), "{answer}: {plain}");
        check_fails(&home, "work is refused");
        // One of them in every host is enough; the others differ in json alone.
        if index == 0 {
            for host in hosts() {
                let output = home.run(&[host, "--offline", "--color", "always"]);
                assert!(output.stdout.contains("blocked"), "{host}: {output:?}");
            }
            no_host_is_fine(&home, "blocked");
            // By this, waybar picks an icon: nothing is left.
            for (show, percentage) in [("left", 0), ("used", 100)] {
                let block = home.run(&["waybar", "--offline", "--show", show]).json();
                assert_eq!(block["percentage"], percentage, "{show}");
            }
        }
    }
}

#[test]
fn a_reached_type_beside_allowed_is_no_block() {
    let mut answer = usage_of(5, 5);
    answer["rate_limit"]["allowed"] = true.into();
    answer["rate_limit_reached_type"] = json!({"type": "rate_limit_reached"});
    let (home, _server) = home_with(&answer);
    assert_eq!(
        (json_of(&home)["state"].clone(), json_of(&home)["blocked"].clone()),
        ("ok".into(), Value::Null)
    );
}

#[test]
fn a_limit_in_trouble_takes_the_colour_of_ok_from_the_others() {
    for (used, state) in [(75, "warning"), (95, "critical"), (100, "exhausted")] {
        let (home, _server) = home_with(&usage_of(used, 5));
        assert_eq!(json_of(&home)["state"], state);
        no_host_is_fine(&home, state);
        for options in [["--format", "{7d.left}"], ["--window", "{label} {left}"]] {
            let colour = ["--offline", "--color", "always", "--colors", "ok=#123456"];
            let output = home.run(&[&colour[..], &options].concat());
            assert!(!output.stdout.contains("18;52;86"), "{output:?}");
        }
    }
}

#[test]
fn a_block_says_why_and_until_when_if_the_answer_does() {
    let ends = now() + 7200 + 45;
    let mut answer = usage_of(5, 5);
    answer["spend_control"] = json!({
        "reached": true,
        "individual_limit": {"limit": "100", "used": "60", "reset_at": ends},
    });
    let (home, _server) = home_with(&answer);
    let json = json_of(&home);
    assert_eq!(json["blocked"], json!({"reason": "spend control reached", "until": ends}));
    check_fails(&home, "spend control reached");
}

// --- numbers that cannot be read -----------------------------------------------------------------

/// An answer whose two windows have these values for what is used.
fn used(first: &Value, second: &Value) -> Value {
    let mut answer = usage_of(5, 5);
    for (slot, value) in [("primary_window", first), ("secondary_window", second)] {
        match value {
            Value::String(text) if text == "missing" => {
                answer["rate_limit"][slot].as_object_mut().unwrap().remove("used_percent");
            }
            value => answer["rate_limit"][slot]["used_percent"] = value.clone(),
        }
    }
    answer
}

#[test]
fn limits_of_which_none_can_be_read_are_a_bad_answer() {
    for value in [json!("missing"), json!("n/a"), json!(null), json!({"percent": 5})] {
        let server = Server::usage(used(&value, &value));
        let home = Home::new(&server);
        assert_eq!(home.run(&["fetch"]).code, Some(1), "{value}");
        let json = json_of(&home);
        assert_eq!(
            (&json["state"], &json["error"]["code"]),
            (&json!("unknown"), &json!("bad_answer"))
        );
        no_host_is_fine(&home, "unreadable");
        check_fails(&home, "cannot be read");
    }
}

#[test]
fn the_last_numbers_stay_and_are_marked_when_the_next_cannot_be_read() {
    let (home, server) = home_with(&usage_of(42, 17));
    assert_eq!(json_of(&home)["state"], "ok");
    server.always(Answer::json(200, &used(&json!("n/a"), &json!("n/a"))));
    assert_eq!(home.run(&["fetch"]).code, Some(1));
    let json = json_of(&home);
    assert_eq!(json["windows"][0]["used_percent"], 42);
    assert_eq!((&json["state"], &json["stale"]), (&json!("unknown"), &json!(true)));
    let plain = home.run(&["--offline"]).stdout;
    assert!(plain.contains("5h") && plain.contains('('), "{plain}");
    check_fails(&home, "cannot be read");
}

#[test]
fn one_window_that_cannot_be_read_is_missed_beside_a_good_one() {
    let (home, _server) = home_with(&used(&json!("n/a"), &json!(17)));
    let json = json_of(&home);
    assert_eq!(json["windows"].as_array().unwrap().len(), 1);
    assert_eq!(
        (&json["lost_windows"], &json["error"]["code"]),
        (&json!(1), &json!("partial_answer"))
    );
    let said = "one limit in the answer cannot be read";
    check_fails(&home, said);
    let as_one_line = |text: String| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let status = as_one_line(home.run(&["status", "--offline"]).stdout);
    assert!(status.contains("One limit in the answer cannot be read."), "{status}");
    let waybar: Value = home.run(&["waybar", "--offline"]).json();
    let tooltip = as_one_line(waybar["tooltip"].as_str().unwrap().to_string());
    assert!(tooltip.contains("One limit in the answer cannot be read."), "{tooltip}");
    let verbose = home.run(&["fetch", "--verbose"]).stderr;
    assert!(verbose.contains(said), "{verbose}");
}

#[test]
fn no_limits_is_said_only_when_the_answer_says_so() {
    let (home, _server) = home_with(&json!({"plan_type": "x", "rate_limit": null}));
    assert_eq!(json_of(&home)["error"], Value::Null);
    for silent in [json!({"plan_type": "x"}), json!({"rate_limit": {"allowed": true}})] {
        let server = Server::usage(silent);
        let home = Home::new(&server);
        assert_eq!(home.run(&["fetch"]).code, Some(1));
        assert_eq!(json_of(&home)["state"], "unknown");
    }
}

#[test]
fn two_windows_never_bear_the_same_label() {
    let labels = |first: Value, second: Value| -> Vec<String> {
        let mut answer = usage_of(5, 5);
        answer["rate_limit"]["primary_window"]["limit_window_seconds"] = first;
        answer["rate_limit"]["secondary_window"]["limit_window_seconds"] = second;
        let (home, _server) = home_with(&answer);
        let windows = json_of(&home)["windows"].as_array().unwrap().clone();
        windows.iter().map(|window| window["label"].as_str().unwrap().to_string()).collect()
    };
    assert_eq!(labels(Value::Null, Value::Null), ["primary", "secondary"]);
    assert_eq!(labels(json!(18_000), json!(18_000)), ["5h", "5h-secondary"]);
    assert_eq!(labels(json!(299 * 60), json!(10_079 * 60)), ["5h", "7d"]);
    assert_eq!(labels(json!(1e300), json!(604_800)), ["7d", "primary"]);
}

#[test]
fn a_balance_is_read_as_people_write_it() {
    for (text, balance) in [("$2.50", 2.5), ("1,234.5", 1234.5)] {
        let mut answer = usage_of(5, 5);
        answer["credits"] = json!({"has_credits": true, "unlimited": false, "balance": text});
        let (home, _server) = home_with(&answer);
        assert_eq!(json_of(&home)["credits"]["balance"], balance);
    }
}

#[test]
fn a_budget_is_one_wherever_it_stands() {
    let limit = json!({"limit": "100", "used": "25", "reset_at": now() + 90_000});
    let mut inside = usage_of(5, 5);
    inside["rate_limit"]["individual_limit"] = limit.clone();
    let mut at_the_top = usage_of(5, 5);
    at_the_top["individual_limit"] = limit.clone();
    let mut usual = usage_of(5, 5);
    usual["spend_control"] = json!({"reached": false, "individual_limit": limit});
    for answer in [inside, at_the_top, usual] {
        let (home, _server) = home_with(&answer);
        let json = json_of(&home);
        assert_eq!(json["budget"]["used_percent"], 25, "{answer}");
        assert_eq!(json["windows"].as_array().unwrap().len(), 2);
    }
}

#[test]
fn no_fixture_is_fine_in_any_host_unless_its_state_is_ok() {
    let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/usage");
    let mut names: Vec<String> = std::fs::read_dir(directory)
        .unwrap()
        .filter_map(|entry| {
            entry.unwrap().file_name().to_str()?.strip_suffix(".json").map(Into::into)
        })
        .collect();
    names.sort();
    assert!(names.len() >= 16, "{names:?}");
    let mut states = std::collections::BTreeMap::new();
    for name in names {
        // Two are bodies of errors, two are of other endpoints: whoever takes them for a usage
        // answer must not call that fine either.
        serde_json::from_str::<Value>(&fixture(&name)).unwrap();
        let server = Server::usage(fresh_fixture(&name));
        let home = Home::new(&server);
        home.run(&["fetch"]);
        let json = json_of(&home);
        let state = json["state"].as_str().unwrap().to_string();
        every_host_has_the_text(&home, &name);
        if state == "ok" {
            // Or else the mark of that host is not known here, and its absence proves nothing.
            for host in hosts() {
                let (is_fine, output) = is_fine(&home, host);
                assert!(is_fine, "{name} in {host}: {output:?}");
            }
        } else {
            no_host_is_fine(&home, &name);
            let others = ["warning", "critical", "exhausted", "unknown"];
            assert!(others.contains(&state.as_str()), "{name}: {json}");
        }
        states.insert(name, state);
    }
    let state = |name: &str| states[name].as_str();
    assert_eq!(state("plus-5h-exhausted-reached-type-object-2026-05"), "exhausted");
    assert_eq!(state("business-usage-based-depleted"), "exhausted");
    assert_eq!(state("pro-weekly-only-2026-09"), "critical");
    assert_eq!(state("error-401-token_expired"), "unknown");
    assert_eq!(state("plus-5h-and-weekly-2026-05"), "ok");
}

// --- what people lose money by not seeing --------------------------------------------------------

const LIST: &str = "GET /backend-api/wham/rate-limit-reset-credits";

/// An answer with so many banked resets.
fn with_resets(count: i64) -> Value {
    let mut answer = usage_of(42, 17);
    answer["rate_limit_reset_credits"] = json!({"available_count": count});
    answer
}

/// A server that says so, and lists resets that lapse so many seconds from now.
fn lists(count: i64, expiries: &'static [i64]) -> Server {
    let answer = with_resets(count);
    Server::start(move |request| match request.line().as_str() {
        LIST => {
            let credit =
                |seconds: &i64| json!({"status": "available", "expires_at": now() + seconds});
            let credits: Vec<Value> = expiries.iter().map(credit).collect();
            Answer::json(200, &json!({"credits": credits, "available_count": count}))
        }
        _ => Answer::json(200, &answer),
    })
}

#[test]
fn banked_resets_are_told_with_the_time_until_they_lapse() {
    let server = lists(2, &[900_000, 3 * 86_400 + 45]);
    let home = Home::new(&server);
    home.fill();
    assert_eq!(server.count(LIST), 1);
    assert!(server.requests().iter().all(|request| request.method == "GET"));
    let json = json_of(&home);
    let left = json["banked_resets_expire_at"].as_i64().unwrap() - now();
    assert!((3 * 86_400..3 * 86_400 + 50).contains(&left), "{left}");
    let line = home.run(&["--offline", "--format", "{resets} until {resets_expire}"]);
    assert!(line.stdout.starts_with("2 until 3d0h"), "{line:?}");
    let status = home.run(&["status", "--offline"]).stdout;
    assert!(status.contains("2 resets") && status.contains("3d0h"), "{status}");
    let age = |seconds: i64| {
        home.age(Duration::from_secs(seconds as u64));
        home.patch(|entry| {
            let listed = &mut entry["answer"]["usage"]["resets_listed_at"];
            *listed = (listed.as_i64().unwrap() - seconds).into();
        });
    };
    // The list holds for six hours, as long as the count is the same.
    age(5 * 3600);
    home.fill();
    assert_eq!(server.count(LIST), 1);
    age(3700);
    home.fill();
    assert_eq!(server.count(LIST), 2);
    let more = with_resets(3);
    server.script(move |_| Answer::json(200, &more));
    home.fill();
    assert_eq!(server.count(LIST), 3);
}

#[test]
fn a_list_of_banked_resets_that_fails_costs_nothing_and_none_asks_for_none() {
    for answer in [Answer::status(500), Answer::html(403, "<html>"), Answer::hang_up()] {
        let server = Server::usage(with_resets(1));
        server.push(LIST, answer);
        let home = Home::new(&server);
        home.fill();
        let json = json_of(&home);
        assert_eq!((&json["state"], &json["error"]), (&json!("ok"), &Value::Null));
        assert_eq!(
            (&json["banked_resets"], &json["banked_resets_expire_at"]),
            (&json!(1), &Value::Null)
        );
        home.fill();
        assert_eq!(server.count(LIST), 1, "it is left alone for a while");
    }
    let server = Server::usage(with_resets(0));
    let home = Home::new(&server);
    home.fill();
    assert_eq!(server.count(LIST), 0);
}

#[test]
fn a_list_of_banked_resets_that_hangs_does_not_delay_the_numbers() {
    let server = Server::usage(with_resets(1));
    let gate = Gate::closed();
    server.push(LIST, Answer::json(200, &json!({"credits": []})).behind(&gate));
    let home = Home::new(&server);
    let begun = Instant::now();
    home.fill();
    let took = begun.elapsed();
    gate.open();
    assert!(took < Duration::from_secs(8), "{took:?}");
    let json = json_of(&home);
    assert_eq!((&json["state"], &json["banked_resets"]), (&json!("ok"), &json!(1)));
    assert_eq!(json["error"], Value::Null);
}

/// What `--on-change` is told, one line for each event, after these answers.
fn events(answers: &[Value]) -> String {
    let server = Server::usage(answers[0].clone());
    let home = Home::new(&server);
    let notes = home.path().join("events");
    let command = format!("echo $CODEXLINE_EVENT $CODEXLINE_MODEL >> '{}'", notes.display());
    for answer in answers {
        server.always(Answer::json(200, answer));
        let output = home.run(&["fetch", "--on-change", &command]);
        assert_eq!(output.code, Some(0), "{output:?}");
    }
    std::fs::read_to_string(notes).unwrap_or_default()
}

#[test]
fn resets_that_are_about_to_lapse_are_told_once() {
    let lapsing = |seconds: i64| {
        let mut answer = with_resets(1);
        let credits = json!([{"status": "available", "expires_at": now() + seconds}]);
        answer["rate_limit_reset_credits"]["credits"] = credits;
        answer
    };
    let (later, soon) = (lapsing(3 * 86_400), lapsing(86_400));
    assert_eq!(events(&[later.clone(), later.clone()]), "");
    assert_eq!(events(&[later, soon.clone(), soon.clone()]), "resets-expiring\n");
    // The first answer ever has none before it to compare with.
    assert_eq!(events(&[soon.clone(), soon]), "resets-expiring\n");
}

#[test]
fn models_that_are_out_are_told_everywhere() {
    let mut out = usage_of(42, 17);
    out["model_usage"] = json!({
        "gpt-6-astra": {"available": false, "available_at": now() + 7245},
        "gpt-5": {"available": true},
    });
    let (home, _server) = home_with(&out);
    let json = json_of(&home);
    assert_eq!(json["unavailable_models"][0]["name"], "gpt-6-astra");
    assert_eq!(json["unavailable_models"].as_array().unwrap().len(), 1);
    let line = home.run(&["--offline", "--format", "out: {models_out}"]).stdout;
    assert!(line.starts_with("out: gpt-6-astra"), "{line}");
    let status = home.run(&["status", "--offline"]).stdout;
    assert!(status.contains("gpt-6-astra") && status.contains("2h00m"), "{status}");
    let tooltip = home.run(&["waybar", "--offline"]).json()["tooltip"].to_string();
    assert!(tooltip.contains("gpt-6-astra"), "{tooltip}");
    let back = usage_of(42, 17);
    assert_eq!(
        events(&[back.clone(), out, back]),
        "model-out gpt-6-astra\nmodel-back gpt-6-astra\n"
    );
}

#[test]
fn further_pools_stand_in_a_line_that_asks_for_them() {
    let (home, _server) = home_with(&fresh_fixture("model-unavailable-reserve-pool-2026-09"));
    let line = |format: &str| {
        let window = "{label} {used}";
        let output = home.run(&["--offline", "--format", format, "--window", window]);
        output.stdout.trim_end().to_string()
    };
    assert_eq!(line("{pools}"), "spark 5h 12% · spark 7d 34% · reserve 7d 71%");
    assert_eq!(line("{pool.spark.left}"), "66%");
    assert_eq!(line("{pool.GPT-5.3-Codex-Spark.5h.left}"), "88%");
    assert_eq!(line("[{pool.nobody.left}]a"), "a");
    let plain = home.run(&["--offline"]).stdout;
    assert!(!plain.contains("spark"), "off by default: {plain}");
}
