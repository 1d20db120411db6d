//! Fresh without asking: the numbers follow what Codex writes into its session files, and the
//! service is asked only if that is worth a request.

use crate::support::home::{ACCOUNT, Home};
use crate::support::server::{Answer, Server};
use crate::support::{USAGE, now, usage};
use serde_json::{Value, json};
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

const MINUTE: Duration = Duration::from_secs(60);

/// A service whose answer can be changed, and a home that has it in its cache and the usual rules
/// of when to ask.
fn stage() -> (Server, Home, Arc<Mutex<Value>>) {
    let said = Arc::new(Mutex::new(usage()));
    let server = Server::start({
        let said = Arc::clone(&said);
        move |request| match request.line().as_str() {
            USAGE => Answer::json(200, &said.lock().unwrap()),
            _ => Answer::json(404, &json!({})),
        }
    });
    let mut home = Home::new(&server);
    home.unset("CODEXLINE_MAX_IDLE");
    home.fill();
    (server, home, said)
}

/// The file of a session that an account began so many seconds ago.
fn session(home: &Home, account: &str, begun: i64) -> PathBuf {
    let at = jiff::Timestamp::from_second(now() - begun).unwrap();
    let day = home.codex_home().join("sessions").join(at.strftime("%Y/%m/%d").to_string());
    fs::create_dir_all(&day).unwrap();
    let id = format!("01a2043b-2290-7cc0-977d-{begun:012}");
    let path = day.join(format!("rollout-{}-{id}.jsonl", at.strftime("%Y-%m-%dT%H-%M-%S")));
    let meta = format!(r#""id":"{id}","creator_account_id":"{account}""#);
    append(&path, begun, "session_meta", &meta);
    path
}

/// A line, with its keys in the order in which Codex writes them; `payload` without its braces.
fn append(path: &Path, ago: i64, kind: &str, payload: &str) {
    let at = jiff::Timestamp::from_second(now() - ago).unwrap();
    let mut file = fs::File::options().append(true).create(true).open(path).unwrap();
    writeln!(file, r#"{{"timestamp":"{at}","type":"{kind}","payload":{{{payload}}}}}"#).unwrap();
}

/// A response of the model: the limits that Codex was told with it, so many seconds ago.
fn respond(path: &Path, ago: i64, five_hours: f64, week: f64) {
    let window = |used: f64, minutes: u64, left: i64| {
        let resets_at = now() + left;
        json!({"used_percent": used, "window_minutes": minutes, "resets_at": resets_at})
    };
    let limits = json!({
        "limit_id": "codex", "primary": window(five_hours, 300, 3600),
        "secondary": window(week, 10_080, 90_000), "plan_type": "plus",
    });
    let payload = format!(r#""type":"token_count","info":null,"rate_limits":{limits}"#);
    append(path, ago, "event_msg", &payload);
}

/// Makes it a file that was last written so many seconds ago.
fn written(path: &Path, ago: u64) {
    let file = fs::File::options().append(true).open(path).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_secs(ago)).unwrap();
}

/// What a line shows that waits for fresh numbers, if such come.
fn shown(home: &Home) -> Value {
    let shown = home.run(&["json", "--wait", "2s"]).json();
    home.settle();
    shown
}

fn used(shown: &Value) -> Vec<f64> {
    let windows = shown["windows"].as_array().unwrap();
    windows.iter().map(|window| window["used_percent"].as_f64().unwrap()).collect()
}

fn reason(home: &Home) -> String {
    home.entry().unwrap()["asking"].as_str().unwrap_or_default().to_string()
}

#[test]
fn while_codex_is_in_use_the_numbers_are_its_own_and_nobody_is_asked() {
    let (server, home, said) = stage();
    said.lock().unwrap()["rate_limit_reset_credits"] = json!({"available_count": 2});
    home.fill();
    let asked = server.count(USAGE);
    let file = session(&home, ACCOUNT, 600);
    home.age(5 * MINUTE);
    respond(&file, 10, 55.0, 18.0);
    let shown_now = shown(&home);
    assert_eq!(used(&shown_now), [55.0, 18.0], "{}", reason(&home));
    assert_eq!(shown_now["source"], "sessions");
    // Both ages: that of the windows, and that of what only the service tells.
    let ages = ["age_seconds", "answer_age_seconds"].map(|key| shown_now[key].as_i64().unwrap());
    assert!((10..30).contains(&ages[0]) && (300..330).contains(&ages[1]), "{ages:?}");
    assert_eq!(shown_now["banked_resets"], 2);
    assert_eq!(server.count(USAGE), asked);
    assert!(
        reason(&home).starts_with("the service is not asked: the session files"),
        "{}",
        reason(&home)
    );

    // The next turn is seen although the entry is not older than `--max-age`.
    home.age(Duration::from_secs(6));
    respond(&file, 0, 56.5, 19.0);
    assert_eq!(used(&shown(&home)), [56.5, 19.0]);
    // A new session in the same folder likewise.
    home.age(Duration::from_secs(6));
    respond(&session(&home, ACCOUNT, 1), 0, 57.0, 19.0);
    assert_eq!(used(&shown(&home)), [57.0, 19.0]);
    assert_eq!(server.count(USAGE), asked);
    let doctor = home.run(&["doctor", "--all"]).stdout + &home.run(&["doctor"]).stdout;
    assert!(doctor.contains("the service is not asked"), "{doctor}");
    let line = home.run(&["--verbose"]).stderr;
    assert!(line.contains("at the last look: the service is not asked"), "{line}");
}

#[test]
fn while_nothing_happens_the_service_is_asked_as_seldom_as_max_idle_says() {
    let (server, home, said) = stage();
    said.lock().unwrap()["rate_limit"]["primary_window"]["used_percent"] = json!(43);
    for minutes in [3, 3, 3] {
        home.age(minutes * MINUTE);
        assert_eq!(used(&shown(&home))[0], 42.0);
        assert!(reason(&home).contains("nothing has happened"), "{}", reason(&home));
    }
    assert_eq!(server.count(USAGE), 1);
    home.age(6 * MINUTE);
    assert_eq!(used(&shown(&home))[0], 43.0);
    assert_eq!(server.count(USAGE), 2);
    assert!(reason(&home).contains("use elsewhere is unseen"), "{}", reason(&home));
    // Who asks by hand is answered at once, and so is who wants it more often.
    assert_eq!(home.run(&["fetch"]).code, Some(0));
    assert_eq!(server.count(USAGE), 3);
    home.age(3 * MINUTE);
    let line = home.run(&["json", "--wait", "2s", "--max-idle", "2m"]);
    assert_eq!((line.code, server.count(USAGE)), (Some(0), 4));
}

#[test]
fn work_that_has_brought_no_limits_yet_is_worth_a_request() {
    let (server, home, said) = stage();
    said.lock().unwrap()["rate_limit"]["primary_window"]["used_percent"] = json!(44);
    home.age(3 * MINUTE);
    let file = session(&home, ACCOUNT, 60);
    append(&file, 50, "event_msg", r#""type":"task_started","turn_id":"1""#);
    // It goes on, so it will tell them itself.
    assert_eq!(used(&shown(&home))[0], 42.0);
    assert_eq!(server.count(USAGE), 1);
    // It has ended without.
    written(&file, 61);
    home.age(3 * MINUTE);
    assert_eq!(used(&shown(&home))[0], 44.0);
    assert_eq!(server.count(USAGE), 2);
    assert!(reason(&home).contains("Codex has been at work"), "{}", reason(&home));
}

#[test]
fn near_a_threshold_max_age_is_the_bound() {
    let (server, home, said) = stage();
    said.lock().unwrap()["rate_limit"]["primary_window"]["used_percent"] = json!(68);
    home.fill();
    let asked = server.count(USAGE);
    home.age(3 * MINUTE);
    shown(&home);
    assert_eq!(server.count(USAGE), asked + 1);
    assert!(reason(&home).contains("near a threshold"), "{}", reason(&home));
}

#[test]
fn another_accounts_work_is_neither_shown_nor_a_reason_to_show_it() {
    let (server, home, _) = stage();
    home.age(3 * MINUTE);
    let file = session(&home, "acc-of-another", 100);
    respond(&file, 70, 99.0, 98.0);
    written(&file, 70);
    assert_eq!(used(&shown(&home)), [42.0, 17.0]);
    // It is work, though, and whose limits it moved is for the service to say.
    assert_eq!(server.count(USAGE), 2);
}

#[test]
fn a_window_that_the_service_did_not_tell_of_is_worth_a_request() {
    let (server, home, said) = stage();
    said.lock().unwrap()["rate_limit"]["secondary_window"] = Value::Null;
    home.fill();
    let asked = server.count(USAGE);
    home.age(3 * MINUTE);
    respond(&session(&home, ACCOUNT, 60), 30, 43.0, 18.0);
    said.lock().unwrap()["rate_limit"]["primary_window"]["used_percent"] = json!(44);
    assert_eq!(used(&shown(&home)), [44.0]);
    assert_eq!(server.count(USAGE), asked + 1);
}

#[test]
fn who_is_shown_what_no_session_file_tells_has_it_from_the_service() {
    let (server, home, said) = stage();
    let pool = json!({
        "limit_name": "GPT-5.3-Codex-Spark", "metered_feature": "spark",
        "rate_limit": said.lock().unwrap()["rate_limit"].clone(),
    });
    said.lock().unwrap()["additional_rate_limits"] = json!([pool]);
    said.lock().unwrap()["spend_control"] = json!({
        "reached": false,
        "individual_limit": {"limit": "100", "used": "25", "reset_at": now() + 90_000},
    });
    home.fill();
    let file = session(&home, ACCOUNT, 600);
    // How often the service is asked by a line with these options after a turn.
    let asks = |budget: bool, options: &[&str]| {
        home.fill();
        let asked = server.count(USAGE);
        home.age(5 * MINUTE);
        let window = |used: f64, minutes: u64, left: i64| {
            let resets_at = now() + left;
            json!({"used_percent": used, "window_minutes": minutes, "resets_at": resets_at})
        };
        let mut limits = json!({
            "limit_id": "codex", "primary": window(55.0, 300, 3600),
            "secondary": window(18.0, 10_080, 90_000),
        });
        if budget {
            limits["individual_limit"] =
                json!({"limit": "100", "used": "26", "resets_at": now() + 90_000});
        }
        let payload = format!(r#""type":"token_count","info":null,"rate_limits":{limits}"#);
        append(&file, 0, "event_msg", &payload);
        home.run(&[&["--wait", "2s"], options].concat());
        home.settle();
        (server.count(USAGE) - asked, reason(&home))
    };
    for (options, expected) in [
        (&["--format", "{pools}"][..], "pools are shown"),
        (&["--format", "a[ {pool.spark.left}]"], "pools are shown"),
        (&["--format", "{5h.left}"], ""),
        (&[], ""),
    ] {
        let (count, reason) = asks(true, options);
        assert_eq!(count, usize::from(!expected.is_empty()), "{options:?}: {reason}");
        assert!(reason.contains(expected), "{options:?}: {reason}");
    }
    // An older Codex does not write the budget down.
    for (options, expected) in [
        (&[][..], "the budget is shown"),
        (&["--format", "{budget}"], "the budget is shown"),
        (&["--format", "{budget.left}"], "the budget is shown"),
        (&["--format", "{windows}"], "the budget is shown"),
        (&["--format", "{5h.left}"], ""),
    ] {
        let (count, reason) = asks(false, options);
        assert_eq!(count, usize::from(!expected.is_empty()), "{options:?}: {reason}");
        assert!(reason.contains(expected), "{options:?}: {reason}");
    }
}
