//! The same numbers from every source: the usage endpoint, Codex itself, the session files.

use std::fs;

use serde_json::{Value, json};

use crate::support::codex::{Lifetime, LoginServer};
use crate::support::double::Codex;
use crate::support::home::{ACCOUNT, Home};
use crate::support::server::{Answer, Server};
use crate::support::{USAGE, fresh_fixture, now, usage, usage_of};

/// What `json` says with this source, without what must differ: the source, ages, and countdowns.
fn told(home: &Home, source: &str) -> Value {
    const DIFFERENT: [&str; 6] = [
        "source",
        "age_seconds",
        "answer_age_seconds",
        "resets_in_seconds",
        "pace",
        "runs_out_seconds",
    ];
    fn strip(value: &mut Value) {
        match value {
            Value::Object(object) => {
                object.retain(|key, _| !DIFFERENT.contains(&key.as_str()));
                object.values_mut().for_each(strip);
            }
            Value::Array(items) => items.iter_mut().for_each(strip),
            _ => {}
        }
    }
    let output = home.run(&["fetch", "--source", source]);
    assert_eq!(output.code, Some(0), "{source}: {output:?}");
    let mut json = home.run(&["json", "--offline", "--source", source]).json();
    strip(&mut json);
    json
}

/// Two objects, key by key.
#[track_caller]
fn same(what: &str, left: &Value, right: &Value) {
    let keys =
        |value: &Value| -> Vec<String> { value.as_object().unwrap().keys().cloned().collect() };
    assert_eq!(keys(left), keys(right), "{what}");
    for key in keys(left) {
        assert_eq!(left[&key], right[&key], "{what}: {key}");
    }
}

/// Fixtures that Codex 0.169 can decode. The others lack a field without which it refuses the whole
/// answer, or have numbers as strings.
const CARRIED: [&str; 9] = [
    "plus-5h-and-weekly-2026-05",
    "pro-weekly-only-2026-09",
    "free-weekly-only-2026-05",
    "team-2026-02-code-review-window",
    "business-spend-control-2026-07",
    "business-usage-based-depleted",
    "plus-5h-exhausted-reached-type-object-2026-05",
    "plus-primary-30d-secondary-7d",
    "unstarted-window-reset_after-equals-window",
];

#[test]
fn the_same_body_says_the_same_by_the_api_and_by_codex() {
    let program = needs!("codex");
    let logins = LoginServer::start();
    let mut home = logins.home(Lifetime::Long);
    home.set("CODEXLINE_CODEX_BIN", program.as_os_str());
    let mut bodies: Vec<(String, Value)> = CARRIED
        .into_iter()
        .map(|name| {
            let mut body = fresh_fixture(name);
            for id in ["user_id", "account_id"] {
                if body[id].is_string() {
                    body[id] = "user-1".into();
                }
            }
            // These two only the usage endpoint tells.
            for key in ["model_usage", "code_review_rate_limit"] {
                body.as_object_mut().unwrap().remove(key);
            }
            (name.to_string(), body)
        })
        .collect();
    let mut blocked = usage();
    blocked["account_id"] = ACCOUNT.into();
    blocked["rate_limit"]["allowed"] = false.into();
    blocked["rate_limit"]["limit_reached"] = true.into();
    blocked["rate_limit_reached_type"] = json!({"type": "workspace_owner_credits_depleted"});
    bodies.push(("blocked with limits left".into(), blocked));
    for (name, body) in bodies {
        logins.server.script(move |request| match request.line().as_str() {
            USAGE => Answer::json(200, &body),
            _ => Answer::json(404, &json!({})),
        });
        let (api, codex) = (told(&home, "api"), told(&home, "codex"));
        same(&name, &api, &codex);
    }
}

#[test]
fn codex_makes_three_requests_when_it_is_asked() {
    let program = needs!("codex");
    let logins = LoginServer::start();
    let mut home = logins.home(Lifetime::Long);
    home.set("CODEXLINE_CODEX_BIN", program.as_os_str());
    let mut body = usage();
    body["account_id"] = ACCOUNT.into();
    body["rate_limit_reset_credits"] = json!({"available_count": 1});
    logins.server.script(move |request| match request.line().as_str() {
        USAGE => Answer::json(200, &body),
        _ => Answer::json(404, &json!({})),
    });
    let json = told(&home, "codex");
    assert_eq!(json["banked_resets"], 1);
    home.settle();
    let requests = logins.server.requests();
    let lines: Vec<String> = requests.iter().map(|request| request.line()).collect();
    assert!(lines.len() <= 3, "{lines:?}");
}

#[test]
fn an_older_codex_is_asked_without_what_it_objects_to() {
    let server = Server::usage(usage());
    let mut home = Home::new(&server);
    let codex = Codex::new(&home);
    codex.set("old", "");
    home.set("CODEXLINE_CODEX_BIN", codex.path());
    assert_eq!(told(&home, "codex")["windows"][0]["used_percent"], 42);
    let log = codex.log();
    assert_eq!(log.lines().filter(|line| line.starts_with("started")).count(), 2, "{log}");
}

/// A home whose `codex` is made up and answers this.
fn made_up(answer: &Value) -> (Home, Server, Codex) {
    let server = Server::usage(usage());
    let mut home = Home::new(&server);
    let codex = Codex::new(&home);
    codex.set("answer", &answer.to_string());
    home.set("CODEXLINE_CODEX_BIN", codex.path());
    (home, server, codex)
}

fn codexs_answer() -> Value {
    json!({
        "rateLimits": {
            "limitId": "codex",
            "primary": {"usedPercent": 5, "windowDurationMins": 300, "resetsAt": now() + 3645},
            "secondary": null,
            "planType": "plus",
        },
        "accountId": ACCOUNT,
    })
}

#[test]
fn codex_may_name_no_account_or_the_user() {
    let check = |account: Value, expected: Option<&str>| {
        let mut answer = codexs_answer();
        answer["accountId"] = account;
        let (home, _server, _codex) = made_up(&answer);
        home.run(&["fetch", "--source", "codex"]);
        let json = home.run(&["json", "--offline", "--source", "codex"]).json();
        assert_eq!(json["error"]["code"].as_str(), expected, "{json}");
    };
    check(json!(ACCOUNT), None);
    check(Value::Null, None);
    check(json!("user-made-up"), None);
    check(json!("another-account"), Some("login_changed"));
}

#[test]
fn what_codex_says_beside_the_windows_is_read() {
    let mut answer = codexs_answer();
    answer["ordinaryUsageAllowed"] = false.into();
    answer["rateLimits"]["individualLimit"] =
        json!({"limit": "100", "used": "25", "remainingPercent": 75, "resetsAt": now() + 90_000});
    let expiry = now() + 86_400;
    answer["rateLimitResetCredits"] = json!({
        "availableCount": 2,
        "credits": [{"expiresAt": expiry + 50}, {"expiresAt": expiry}, {"expiresAt": 5}],
    });
    let (home, _server, _codex) = made_up(&answer);
    let json = told(&home, "codex");
    assert_eq!((&json["state"], &json["banked_resets"]), (&json!("exhausted"), &json!(2)));
    assert_eq!(json["banked_resets_expire_at"], expiry);
    assert_eq!(json["budget"]["used_percent"], 25);
    assert_eq!(json["budget"]["resets_at"], answer["rateLimits"]["individualLimit"]["resetsAt"]);
}

#[test]
fn an_answer_of_codex_without_limits_is_not_no_limits() {
    let unreadable = json!({"usedPercent": "n/a", "windowDurationMins": 300});
    for limits in [json!({}), json!({"planType": "plus"}), json!({"primary": unreadable})] {
        let answer = json!({"rateLimits": limits, "accountId": ACCOUNT});
        let (home, _server, _codex) = made_up(&answer);
        let output = home.run(&["fetch", "--source", "codex"]);
        assert_eq!(output.code, Some(1), "{limits}");
        let json = home.run(&["json", "--offline", "--source", "codex"]).json();
        assert_eq!(json["state"], "unknown", "{limits}");
    }
}

/// What `json` says after a turn of five minutes ago whose session file has these limits.
fn by_session(limits: &Value) -> Value {
    let server = Server::usage(usage_of(1, 1));
    let home = Home::new(&server);
    let at = |ago: i64| jiff::Timestamp::from_second(now() - ago).unwrap().to_string();
    let directory = home.codex_home().join("sessions/2026/11/22");
    fs::create_dir_all(&directory).unwrap();
    // In the order in which Codex writes keys.
    let owner = format!(r#"{{"id":"s","creator_account_id":"{ACCOUNT}"}}"#);
    let meta = format!(r#""timestamp":"{}","type":"session_meta","payload":{owner}"#, at(600));
    let count = format!(r#"{{"type":"token_count","info":null,"rate_limits":{limits}}}"#);
    let line = format!(r#""timestamp":"{}","type":"event_msg","payload":{count}"#, at(300));
    let text = format!("{{{meta}}}\n{{{line}}}\n");
    fs::write(directory.join("rollout-s.jsonl"), text).unwrap();
    home.run(&["fetch", "--source", "sessions"]);
    home.run(&["json", "--offline", "--source", "sessions"]).json()
}

#[test]
fn session_files_tell_budgets_and_blocks_too() {
    let window = json!({"used_percent": 5.0, "window_minutes": 300, "resets_at": now() + 3645});
    let with = |key: &str, value: Value| {
        let mut limits = json!({"limit_id": "codex", "primary": window, "secondary": null});
        limits[key] = value;
        by_session(&limits)
    };
    let budget = json!({"limit": "100", "used": "25", "resets_at": now() + 90_000});
    let json = with("individual_limit", budget);
    assert_eq!((&json["budget"]["used_percent"], &json["state"]), (&json!(25), &json!("ok")));
    let json = with("spend_control_reached", true.into());
    assert_eq!(json["blocked"]["reason"], "spend control reached");
    let json = with("rate_limit_reached_type", "rate_limit_reached".into());
    assert_eq!(json["state"], "exhausted");
    assert_eq!(json["windows"][0]["used_percent"], 5);
    // A turn that was refused has no windows.
    let refused = json!({"primary": null, "rate_limit_reached_type": "credits_depleted"});
    let json = by_session(&refused);
    assert_eq!(json["blocked"]["reason"], "credits depleted", "{json}");
}

#[test]
fn limits_in_a_session_file_that_cannot_be_read_are_not_taken_for_none() {
    let unreadable = json!({"used_percent": "n/a", "window_minutes": 300});
    let json = by_session(&json!({"primary": unreadable, "secondary": null}));
    assert_eq!((&json["state"], &json["error"]["code"]), (&json!("unknown"), &json!("bad_answer")));
    let good = json!({"used_percent": 5, "window_minutes": 10_079, "resets_at": now() + 9000});
    let json = by_session(&json!({"primary": unreadable, "secondary": good}));
    assert_eq!((&json["windows"][0]["label"], &json["lost_windows"]), (&json!("7d"), &json!(1)));
}
