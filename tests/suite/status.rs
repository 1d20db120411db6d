//! Pace, the page, the guard, the command on a change, the doctor: what is more than a line.

use serde_json::{Value, json};

use crate::support::home::{ACCOUNT, Home, Login};
use crate::support::server::{Answer, Server};
use crate::support::{USAGE, fresh_fixture, now, usage};

/// 5 hours of which `resets_in` seconds are left, and a week at its beginning.
fn five_hours(used: f64, resets_in: i64) -> Value {
    let mut value = usage();
    let window = &mut value["rate_limit"]["primary_window"];
    window["used_percent"] = json!(used);
    window["reset_after_seconds"] = json!(resets_in);
    window["reset_at"] = json!(now() + resets_in);
    value
}

/// Gives the entry these samples of the window of 5 hours: seconds ago and percent.
fn remember(home: &Home, samples: &[(i64, i64)]) {
    home.patch(|entry| {
        let track: Vec<Value> = samples.iter().map(|(ago, used)| json!([now() - ago, used * 10])).collect();
        entry["history"] = json!({"5h": track});
    });
}

// --- pace -------------------------------------------------------------------------------------------------------------

#[test]
fn pace_and_running_out_stand_in_line_window_and_json() {
    // 2 of 5 hours are left: 60 % would be even, and 75 % last for one hour more.
    let server = Server::usage(five_hours(75.0, 7230));
    let home = Home::new(&server);
    home.fill();
    let line = |format: &str| home.run(&["--format", format]).stdout;
    assert_eq!(
        line("{binding.label} {binding.pace} {5h.runs_out} {7d.pace}[ {7d.runs_out}]"),
        "5h +15 59m -7\n"
    );
    let output = home.run(&["--window", "{label} {pace}[ empty in {runs_out}]"]);
    assert_eq!(output.stdout, "5h +15 empty in 59m · 7d -7\n");
    let json = home.run(&["json"]).json();
    let window = &json["windows"][0];
    assert!((14.9..=15.5).contains(&window["pace"].as_f64().unwrap()), "{json}");
    assert!((3500..=3600).contains(&window["runs_out_seconds"].as_i64().unwrap()), "{json}");
    assert_eq!(json["windows"][1]["runs_out_seconds"], Value::Null);
    let tooltip = home.run(&["waybar"]).json()["tooltip"].as_str().unwrap().to_string();
    assert!(
        tooltip.contains(
            "5h: 15 points ahead of an even pace; at this rate empty in 59m, 1h00m before the reset"
        ),
        "{tooltip}"
    );
}

#[test]
fn the_rate_is_the_present_one_if_samples_tell_it() {
    let server = Server::usage(five_hours(75.0, 7230));
    let home = Home::new(&server);
    home.fill();
    remember(&home, &[(2400, 75), (1200, 75)]);
    let out = |home: &Home| home.run(&["--format", "[{5h.runs_out}]"]).stdout;
    assert_eq!(out(&home), "\n", "nothing was used for 40 minutes");
    remember(&home, &[(2400, 55), (1200, 65)]);
    assert!(["49m\n", "50m\n"].contains(&out(&home).as_str()), "20 points in 40 minutes: 25 more in 50");
    // The next answer adds to the samples instead of replacing them.
    home.fill();
    let samples = home.entry().unwrap()["history"]["5h"].as_array().unwrap().len();
    assert_eq!(samples, 3);
    assert!(["49m\n", "50m\n"].contains(&out(&home).as_str()));
}

#[test]
fn samples_end_with_the_account_and_outlive_a_failure_and_a_new_token() {
    let server = Server::usage(five_hours(75.0, 7230));
    let home = Home::new(&server);
    home.fill();
    remember(&home, &[(2400, 55), (1200, 65)]);
    let samples = |home: &Home| home.entry().unwrap()["history"]["5h"].as_array().map_or(0, Vec::len);
    server.push(USAGE, Answer::status(500));
    assert_eq!(home.run(&["fetch"]).code, Some(1));
    assert_eq!(samples(&home), 2);
    home.sign_in(&Login::of(ACCOUNT));
    home.fill();
    assert_eq!(samples(&home), 3);
    let mut other = five_hours(5.0, 7230);
    other["account_id"] = json!("acc-2");
    server.push(USAGE, Answer::json(200, &other));
    home.sign_in(&Login::of("acc-2"));
    home.fill();
    assert_eq!(samples(&home), 1, "{:?}", home.entry());
}

#[test]
fn samples_that_make_no_sense_do_not_matter() {
    let server = Server::usage(usage());
    let home = Home::new(&server);
    home.fill();
    for history in [json!(5), json!({"5h": "x"}), json!({"5h": [[1, 2, 3]]}), json!({"5h": [[-1, 70_000]]})] {
        home.patch(|entry| entry["history"] = history.clone());
        assert_eq!(home.run(&["--format", "{5h.used} {5h.pace}"]).stdout, "42% -37\n", "{history}");
    }
}

#[test]
fn the_entry_stays_small_however_often_is_asked() {
    let server = Server::usage(fresh_fixture("model-unavailable-reserve-pool-2026-09"));
    let home = Home::new(&server);
    home.fill();
    for turn in 0..30 {
        home.patch(|entry| {
            let history = entry["history"].to_string();
            let mut history: Value = serde_json::from_str(&history).unwrap();
            for track in history.as_object_mut().unwrap().values_mut() {
                for sample in track.as_array_mut().unwrap() {
                    sample[0] = json!(sample[0].as_i64().unwrap() - 900);
                }
            }
            entry["history"] = history;
            entry["answer"]["fetched_at"] = json!(now() - 900);
        });
        if turn % 3 == 0 {
            home.fill();
        }
    }
    let entry = home.entry().unwrap();
    assert!(entry.to_string().len() < 8192);
    let tracks = entry["history"].as_object().unwrap();
    assert!(!tracks.is_empty() && tracks.values().all(|track| track.as_array().unwrap().len() <= 24));
}

#[test]
fn severity_may_follow_the_pace() {
    let state = |used: f64, resets_in: i64, severity: &str| {
        let server = Server::usage(five_hours(used, resets_in));
        let home = Home::new(&server);
        home.fill();
        let output = home.run(&["json", "--severity", severity]);
        output.json()["state"].as_str().unwrap().to_string()
    };
    // Nearly full, but its reset is near; nearly empty, but too fast.
    assert_eq!((state(92.0, 600, "used"), state(92.0, 600, "pace")), ("critical".into(), "ok".into()));
    assert_eq!((state(40.0, 15_000, "used"), state(40.0, 15_000, "pace")), ("ok".into(), "warning".into()));
    assert_eq!(state(92.0, 7200, "pace"), "critical");
    assert_eq!(state(100.0, 7200, "pace"), "exhausted");
    let home = Home::signed_out();
    let output = home.run(&["--severity", "speed"]);
    assert_eq!(
        (output.code, output.stderr.as_str()),
        (Some(2), "codexline: --severity 'speed': is not used or pace; see codexline --help\n")
    );
}

#[test]
fn colour_follows_the_pace_too() {
    let server = Server::usage(five_hours(40.0, 15_000));
    let home = Home::new(&server);
    home.fill();
    let line = |severity: &str| {
        home.run(&["--color", "always", "--severity", severity, "--window", "{label}"]).stdout
    };
    assert_eq!(line("used"), "\u{1b}[32m5h\u{1b}[0m · \u{1b}[32m7d\u{1b}[0m\n");
    assert_eq!(line("pace"), "\u{1b}[33m5h\u{1b}[0m · \u{1b}[32m7d\u{1b}[0m\n");
}
