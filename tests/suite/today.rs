//! What was done today, in the line: counted by a worker behind it, from session files with known
//! totals.

use crate::support::home::{Home, Login, TempDir, collect, kill};
use crate::support::server::{Answer, Server};
use crate::support::sessions::{Disk, Version, Work, Writer, by_day};
use crate::support::{USAGE, eventually, now, usage};
use codexline::activity::store::Store;
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant, SystemTime};

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

const FORMAT: &str = "--format={5h.used}[ {sessions_today}/{turns_today}/{tokens_today}]";

/// A zone in which it is noon: no test begins on one day and ends on another.
fn noon() -> String {
    let ahead = 43_200 - now() % 86_400;
    let (sign, seconds) = if ahead < 0 { ("", -ahead) } else { ("-", ahead) };
    format!("XXX{sign}{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

fn at_noon(mut home: Home) -> Home {
    home.set("TZ", noon());
    home
}

/// Work from so many milliseconds before now on, of one session.
fn played(home: &Path, ago: i64, turns: usize) -> Writer<Disk> {
    // Other numbers for each.
    let mut codex = Writer::new(ago as u64 + turns as u64, Disk::new(home));
    (codex.clock, codex.pace) = (now() * 1000 - ago, 1000);
    let session = codex.begin(Version::Legacy);
    (0..turns).for_each(|_| codex.turn(session));
    assert!(codex.clock < now() * 1000);
    codex
}

/// As the line tells today's work.
fn told(work: &[&[Work]]) -> String {
    let zone = TimeZone::posix(&noon()).unwrap();
    let today =
        jiff::Timestamp::from_second(now()).unwrap().to_zoned(zone.clone()).date().to_string();
    let (days, _) = by_day(&work.concat(), &zone);
    let (sessions, turns, tokens) = days.get(&today).copied().unwrap_or_default();
    format!("{sessions}/{turns}/{}", codexline::model::text::short_count(tokens[4]))
}

fn line(home: &Home) -> String {
    let output = home.run(&["starship", FORMAT, "--color=never"]);
    assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""), "{output:?}");
    output.stdout.trim_end().to_string()
}

/// The line once everything is there.
fn counted(home: &Home) -> String {
    line(home);
    home.settle();
    line(home)
}

fn age_counts(entry: &mut Value) {
    entry["today"]["counted_at"] = json!(entry["today"]["counted_at"].as_i64().unwrap() - 300);
}

/// The store of the session files, if there is one.
fn store(home: &Home) -> Option<PathBuf> {
    let files = std::fs::read_dir(home.cache_directory()).ok()?.map(|entry| entry.unwrap().path());
    files.into_iter().find(|path| path.to_str().unwrap().ends_with("-activity.bin"))
}

fn make_older(path: &Path, by: i64) {
    let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_millis(by as u64)).unwrap();
}

#[test]
fn a_line_shows_what_was_counted_behind_the_one_before() {
    let server = Server::usage(usage());
    let home = at_noon(Home::new(&server));
    let mut codex = played(&home.codex_home(), 2 * HOUR, 4);
    let before = played(&home.codex_home(), 3 * DAY, 3);
    make_older(&home.codex_home().join(&before.files()[0]), 3 * DAY);
    assert_eq!(line(&home), "Codex: loading");
    home.settle();
    let expected = format!("42% {}", told(&[&codex.work]));
    assert!(expected.starts_with("42% 1/4/"), "{expected}");
    assert_eq!(line(&home), expected);
    // Of files without anything of today nothing was read; who asks for their days reads them.
    let known = || Store::load(&store(&home).unwrap()).entries.len();
    assert_eq!(known(), 1);
    let report = home.run(&["activity", "--json", "--days=7"]).json();
    assert_eq!(report["total"]["turns"], 7);
    assert_eq!(known(), 2);

    // Counts grow old by themselves, and are counted anew without the service being asked.
    codex.turn(0);
    assert_eq!(line(&home), expected);
    home.patch(age_counts);
    assert_eq!(line(&home), expected);
    home.settle();
    let expected = format!("42% {}", told(&[&codex.work]));
    assert_eq!(line(&home), expected);
    assert_eq!(server.count(USAGE), 1);
    // The other way round, too.
    codex.turn(0);
    home.age(Duration::from_secs(300));
    line(&home);
    home.settle();
    assert_eq!((line(&home), server.count(USAGE)), (expected, 2));
}

#[test]
fn whoever_waits_gets_them_at_once() {
    let server = Server::usage(usage());
    let home = at_noon(Home::new(&server));
    let codex = played(&home.codex_home(), HOUR, 2);
    let output = home.run(&["--wait=10s", FORMAT]);
    assert_eq!(output.stdout, format!("42% {}\n", told(&[&codex.work])));
    let other = played(&home.codex_home(), HOUR + 5000, 3);
    home.patch(age_counts);
    let output = home.run(&["--wait=10s", FORMAT]);
    assert_eq!(output.stdout, format!("42% {}\n", told(&[&codex.work, &other.work])));
    // By hand everything is made anew.
    let third = played(&home.codex_home(), HOUR + 9000, 1);
    home.fill();
    assert_eq!(line(&home), format!("42% {}", told(&[&codex.work, &other.work, &third.work])));
}

#[test]
fn every_host_that_tells_more_tells_it() {
    let server = Server::usage(usage());
    let home = at_noon(Home::new(&server));
    let codex = played(&home.codex_home(), HOUR, 2);
    let told = told(&[&codex.work]);
    let [sessions, turns, tokens] = told.split('/').collect::<Vec<_>>()[..] else {
        panic!("{told}")
    };
    assert_eq!((sessions, turns), ("1", "2"));
    let told = format!("1 session, 2 turns, {tokens} tokens");
    let object = home.run(&["json", "--wait=10s"]).json();
    let report = home.run(&["activity", "--json", "--days=1"]).json();
    for (key, value) in report["total"].as_object().unwrap() {
        assert_eq!(object["activity"][key], *value, "{key}");
    }
    assert!((0..20).contains(&object["activity"]["age_seconds"].as_i64().unwrap()), "{object}");
    let page = home.run(&["status"]).stdout;
    assert!(
        page.lines().any(|line| line.starts_with("today  ") && line.ends_with(&told)),
        "{page}"
    );
    let tooltip = home.run(&["waybar"]).json()["tooltip"].as_str().unwrap().to_owned();
    let words: Vec<&str> = tooltip.split_whitespace().collect();
    assert!(words.join(" ").contains(&format!("today {told}")), "{tooltip}");
}

#[test]
fn a_day_that_is_over_tells_nothing_of_the_next() {
    let server = Server::usage(usage());
    let home = at_noon(Home::new(&server));
    let codex = played(&home.codex_home(), HOUR, 2);
    let expected = counted(&home);
    assert_eq!(expected, format!("42% {}", told(&[&codex.work])));
    let entry = home.entry().unwrap();
    let left = entry["today"]["ends_at"].as_i64().unwrap() - now();
    assert!((11 * 3600..=12 * 3600).contains(&left), "{left}");
    for key in ["sessions", "turns", "total_tokens"] {
        assert!(entry["today"]["counts"][key].as_u64().unwrap() > 0, "{entry}");
    }
    // As if it had been counted before midnight, a moment ago.
    home.patch(|entry| entry["today"]["ends_at"] = json!(now()));
    assert_eq!(home.run(&["json", "--offline"]).json()["activity"], Value::Null);
    assert_eq!(line(&home), "42%");
    home.settle();
    assert_eq!(line(&home), expected);
}

#[test]
fn accounts_are_counted_each_for_itself() {
    let server = Server::usage(usage());
    let (home, other) = (at_noon(Home::new(&server)), TempDir::new());
    std::fs::copy(home.codex_home().join("config.toml"), other.path().join("config.toml")).unwrap();
    std::fs::write(other.path().join("auth.json"), Login::of("acc-1").json().to_string()).unwrap();
    played(&home.codex_home(), HOUR, 2);
    played(other.path(), HOUR, 3);
    let option =
        format!("--account=a={},b={}", home.codex_home().display(), other.path().display());
    let output = home.run(&[&option, "--format={account}:[{turns_today}]", "--wait=10s"]);
    assert_eq!(output.stdout, "a:2 | b:3\n");
    let list = home.run(&[&option, "json"]).json();
    assert_eq!(
        (&list[0]["activity"]["turns"], &list[1]["activity"]["turns"]),
        (&json!(2), &json!(3))
    );
}

#[test]
fn who_does_not_ask_pays_nothing() {
    let server = Server::usage(usage());
    let home = at_noon(Home::new(&server));
    played(&home.codex_home(), HOUR, 2);
    for arguments in [
        &["starship"][..],
        &["tmux"],
        &["--wait=10s"],
        &["--wait=10s", "--short", FORMAT],
        &["check", "--left=1"],
        &["json", "--offline"],
        &["--offline", FORMAT],
    ] {
        let output = home.run(arguments);
        assert_eq!(output.code, Some(0), "{output:?}");
        home.settle();
    }
    let names =
        std::fs::read_dir(home.cache_directory()).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<String> = names.map(|name| name.into_string().unwrap()).collect();
    names.sort();
    let key = names[0].strip_suffix(".json").unwrap();
    assert_eq!(names, [format!("{key}.json"), format!("{key}.lock")]);
    assert_eq!(home.entry().unwrap().get("today"), None);
    // Nor does a command of --on-fetch count, which would go on for ever.
    let output =
        home.run_with(&[FORMAT, "--wait=10s"], &[("CODEXLINE_PUSHED_AT", &now().to_string())]);
    assert_eq!((output.stdout.as_str(), store(&home)), ("42%\n", None));
}

#[test]
fn the_service_has_no_part_in_it() {
    let server = Server::start(|_| Answer::status(500));
    let home = at_noon(Home::new(&server));
    let mut codex = played(&home.codex_home(), HOUR, 2);
    let only = ["--wait=10s", "--format={turns_today} today"];
    assert_eq!(home.run(&only).stdout, "2 today\n");
    assert_eq!(home.entry().unwrap()["failure"]["count"], 1);
    // Backing off: the service is not asked, the files are read.
    codex.turn(0);
    home.patch(age_counts);
    assert_eq!(home.run(&only).stdout, "3 today\n");
    assert_eq!(server.count(USAGE), 1);
    // Beside numbers that are missing the line is a word, as ever.
    assert_eq!(line(&home), "Codex: outage");

    let signed_out = at_noon(Home::signed_out());
    played(&signed_out.codex_home(), HOUR, 4);
    assert_eq!(signed_out.run(&only).stdout, "4 today\n");
    assert_eq!(line(&signed_out), "Codex: signed out");
    let page = signed_out.run(&["status"]).stdout;
    assert!(page.starts_with("Codex  signed out\n\nThere is no ChatGPT login"), "{page}");
    assert!(page.lines().last().unwrap().starts_with("today    1 session, 4 turns, "), "{page}");
    let object = signed_out.run(&["json"]).json();
    assert_eq!(
        (&object["activity"]["turns"], &object["error"]["code"]),
        (&json!(4), &json!("not_signed_in"))
    );
}

/// The first count meets a line so long that it is at it until the test ends.
#[test]
fn a_count_that_takes_long_delays_no_numbers_and_is_the_only_one() {
    let server = Server::usage(usage());
    let home = at_noon(Home::new(&server));
    let codex = played(&home.codex_home(), HOUR, 2);
    let file = home.codex_home().join(&codex.files()[0]);
    let length = file.metadata().unwrap().len();
    let resize = |length| {
        std::fs::OpenOptions::new().write(true).open(&file).unwrap().set_len(length).unwrap()
    };
    resize(1 << 40);
    line(&home);
    eventually("the numbers are there", || {
        home.entry().is_some_and(|entry| entry.get("answer").is_some())
    });
    eventually("the fetch has ended", || home.processes().len() == 1);
    let counting = home.processes();
    for round in 2..5 {
        home.patch_while_running(|entry| {
            entry["answer"]["fetched_at"] =
                json!(entry["answer"]["fetched_at"].as_i64().unwrap() - 300);
        });
        for _ in 0..10 {
            assert_eq!(line(&home), "42%");
        }
        eventually("a fetch beside the count", || server.count(USAGE) == round);
        eventually("the fetch has ended", || home.processes() == counting);
    }
    assert_eq!(home.entry().unwrap().get("today"), None);
    // Whoever waits does so for a moment.
    assert_eq!(home.run(&[FORMAT]).stdout, "42%\n");

    counting.into_iter().for_each(kill);
    home.settle();
    resize(length);
    assert_eq!(home.run(&["--wait=10s", FORMAT]).stdout, format!("42% {}\n", told(&[&codex.work])));
}

#[test]
fn the_bar_is_told_of_new_counts() {
    let server = Server::usage(usage());
    let home = at_noon(Home::new(&server));
    let mut codex = played(&home.codex_home(), HOUR, 2);
    counted(&home);
    let log = home.path().join("log");
    let command = format!("--on-fetch=echo \"$(codexline {FORMAT})\" >> '{}'", log.display());
    let line = || {
        home.patch(age_counts);
        home.run(&["starship", FORMAT, &command]);
        home.settle();
        std::fs::read_to_string(&log).unwrap_or_default().lines().count()
    };
    // Nothing new is no news.
    assert_eq!(line(), 0);
    codex.turn(0);
    assert_eq!(line(), 1);
    assert_eq!(server.count(USAGE), 1);
}

#[test]
fn of_many_lines_at_once_one_counts() {
    let server = Server::usage(usage());
    let home = at_noon(Home::new(&server));
    let codex = played(&home.codex_home(), HOUR, 2);
    counted(&home);
    home.patch(age_counts);
    let expected = format!("42% {}\n", told(&[&codex.work]));
    let (began, mut workers) = (Instant::now(), 0);
    let start = |_| {
        let mut command = home.command(&["starship", FORMAT, "--color=never", "--verbose"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    for child in (0..100).map(start).collect::<Vec<Child>>() {
        let output = collect(child, began);
        assert_eq!((output.code, &output.stdout), (Some(0), &expected), "{output:?}");
        workers += output.stderr.matches("a count of today's sessions has been started").count();
    }
    assert!((1..=3).contains(&workers), "{workers} counts were started");
    home.settle();
    assert_eq!(server.count(USAGE), 1);
}
