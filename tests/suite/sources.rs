//! Where the numbers come from: who is asked in which situation and who is not, whose numbers are
//! shown, and how old they are.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::double::Codex;
use crate::support::home::{ACCOUNT, Home, Login, jwt, set_mode};
use crate::support::server::{Answer, Server};
use crate::support::{
    TOKEN, USAGE, USUAL_LINE, USUAL_LINE_WITH_RESETS, now, signed_in, usage, usage_of,
};

const MINUTE: i64 = 60;

/// A session of `account` (of nobody, if that is empty) that began `begun` seconds ago. It has one
/// line for each of `told`: seconds ago, and percent used of 5 hours, which reset an hour from now.
fn session(home: &Home, name: &str, account: &str, begun: i64, told: &[(i64, i64)]) -> PathBuf {
    let window =
        |used: i64| json!({"used_percent": used, "window_minutes": 300, "resets_at": now() + 3645});
    let told: Vec<(i64, Value)> = told.iter().map(|(ago, used)| (*ago, window(*used))).collect();
    session_of(home, name, account, begun, &told)
}

/// The same with whole windows.
fn session_of(
    home: &Home,
    name: &str,
    account: &str,
    begun: i64,
    told: &[(i64, Value)],
) -> PathBuf {
    let at = |ago: i64| jiff::Timestamp::from_second(now() - ago).unwrap().to_string();
    // In the order in which Codex writes keys.
    let line = |ago: i64, rest: &str| format!("{{\"timestamp\":\"{}\",{rest}}}\n", at(ago));
    let owner = match account {
        "" => String::new(),
        account => format!(r#","creator_account_id":"{account}""#),
    };
    let mut text =
        line(begun, &format!(r#""type":"session_meta","payload":{{"id":"{name}"{owner}}}"#));
    for (ago, window) in told {
        let limits = format!(
            r#"{{"limit_id":"codex","primary":{window},"secondary":null,"plan_type":"plus"}}"#
        );
        let count = format!(r#""type":"token_count","info":null,"rate_limits":{limits}"#);
        text += &line(*ago, &format!(r#""type":"event_msg","payload":{{{count}}}"#));
    }
    let directory = home.codex_home().join("sessions/2026/11/22");
    std::fs::create_dir_all(&directory).unwrap();
    let path = directory.join(format!("rollout-{name}.jsonl"));
    std::fs::write(&path, text).unwrap();
    path
}

fn outage() -> Answer {
    Answer::status(500)
}

fn blocked() -> Answer {
    Answer::html(403, "<html>Just a moment</html>")
}

/// Where the login is, and how long it lasts.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Signed {
    /// In auth.json, with days left.
    In,
    /// In auth.json, with minutes left.
    Ending,
    /// In a keyring.
    Elsewhere,
    /// With an API key.
    ByKey,
    Out,
}

/// The made-up `codex` on PATH.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Installed {
    No,
    Yes,
    /// It says that it cannot.
    Fails,
    /// It answers for another account.
    Others,
}

struct Case<'a> {
    options: &'a [&'a str],
    signed: Signed,
    answer: fn() -> Answer,
    codex: Installed,
    /// A session of five minutes ago, of this account.
    session: Option<&'a str>,
}

const USUAL: Case = Case {
    options: &[],
    signed: Signed::In,
    answer: || Answer::json(200, &usage()),
    codex: Installed::Yes,
    session: Some(ACCOUNT),
};

/// What a line shows in a situation: the source or nothing, and the error's code or nothing. Then
/// how often the endpoint was asked, and whether Codex was.
#[track_caller]
fn check(case: &Case, source: &str, error: &str, gets: usize, asks_codex: bool) {
    let answer = case.answer;
    // Refused tokens are not refreshed here; that is tested elsewhere.
    let server = Server::start(move |request| {
        if request.line() == TOKEN {
            Answer::json(401, &json!({"error": "invalid_grant"}))
        } else {
            answer()
        }
    });
    let mut home = Home::new(&server);
    match case.signed {
        Signed::In => {}
        Signed::Ending => home.sign_in(&ending_in(300)),
        Signed::Elsewhere => {
            let base = server.base();
            home.write_config(&format!(
                "chatgpt_base_url = '{base}'\ncli_auth_credentials_store = 'keyring'\n"
            ));
            std::fs::remove_file(home.auth_path()).unwrap();
        }
        Signed::ByKey => home.write_auth(Login::api_key("sk-made-up").to_string()),
        Signed::Out => std::fs::remove_file(home.auth_path()).unwrap(),
    }
    let codex = Codex::new(&home);
    match case.codex {
        Installed::No => {}
        Installed::Yes => home.set("CODEXLINE_CODEX_BIN", codex.path()),
        Installed::Fails => {
            codex.set("error", "made up");
            home.set("CODEXLINE_CODEX_BIN", codex.path());
        }
        Installed::Others => {
            codex.answers("acc-2");
            home.set("CODEXLINE_CODEX_BIN", codex.path());
        }
    }
    if let Some(account) = case.session {
        session(&home, "a", account, 600, &[(300, 44)]);
    }
    let Case { options, signed, codex: installed, session, .. } = case;
    let name = format!("{options:?} {signed:?}, codex {installed:?}, session {session:?}");
    let shown = home.run(&[&["json", "--wait", "20s"], *options].concat()).json();
    home.settle();
    let code = shown["error"]["code"].as_str().unwrap_or_default();
    assert_eq!(
        (shown["source"].as_str().unwrap_or_default(), code),
        (source, error),
        "{name}: {shown}"
    );
    assert_eq!(
        (server.count(USAGE), codex.was_asked()),
        (gets, asks_codex),
        "{name}: {}",
        codex.log()
    );
    assert_eq!(
        shown["windows"].as_array().unwrap().is_empty(),
        source.is_empty(),
        "{name}: {shown}"
    );
    if source == "sessions" {
        assert_eq!(shown["windows"][0]["used_percent"], 44, "{name}");
        let age = shown["age_seconds"].as_i64().unwrap();
        assert!((300..330).contains(&age), "{name}: {age}");
    }
    if !error.is_empty() {
        let hint = shown["error"]["hint"].as_str().unwrap();
        assert!(!hint.is_empty(), "{name}");
        // A fetch by hand reports it, also where there are numbers.
        let output = home.run(&[&["fetch"], *options].concat());
        assert_eq!((output.code, output.stdout.as_str()), (Some(1), ""), "{name}: {output:?}");
        assert_eq!(output.stderr.lines().count(), 1, "{name}: {output:?}");
        // Only behind a prompt does Codex go first: by hand the token is sent, and refused.
        let hint = if error == "refresh_due" { "run codex login" } else { hint };
        assert!(output.stderr.trim_end().ends_with(hint), "{name}: {output:?}");
    }
}

/// A login whose token ends in so many seconds.
fn ending_in(seconds: i64) -> Login {
    let auth = json!({"chatgpt_account_id": ACCOUNT});
    let claims = json!({"exp": now() + seconds, "https://api.openai.com/auth": auth});
    Login { access_token: jwt(&claims), ..Login::of(ACCOUNT) }
}

/// An answer that is of no use, and the code of its error.
type Refusal = (fn() -> Answer, &'static str);

// --- who is asked --------------------------------------------------------------------------------

#[test]
fn auto_asks_the_api_and_nobody_else_while_it_answers() {
    check(&USUAL, "api", "", 1, false);
    check(&Case { options: &["--source", "auto"], ..USUAL }, "api", "", 1, false);
}

#[test]
fn what_everybody_would_meet_is_not_asked_of_codex_too() {
    let cases: [Refusal; 6] = [
        (outage, "server_error"),
        (|| Answer::status(429), "rate_limited"),
        (Answer::hang_up, "network"),
        (|| Answer::html(200, "<html>Welcome to the hotel</html>"), "not_json"),
        (|| Answer::redirect(302, "http://127.0.0.1:1/"), "redirected"),
        (|| Answer::status(418), "unexpected_status"),
    ];
    for (answer, code) in cases {
        check(&Case { answer, ..USUAL }, "sessions", code, 1, false);
    }
    check(&Case { answer: outage, session: None, ..USUAL }, "", "server_error", 1, false);
}

#[test]
fn where_only_we_are_refused_codex_is_asked() {
    let cases: [Refusal; 5] = [
        (blocked, "blocked"),
        (|| Answer::html(401, "<html>Sign in to the proxy</html>"), "unauthorized"),
        (|| Answer::json(404, &json!({"detail": "Not Found"})), "server_error"),
        (|| Answer::status(410), "unexpected_status"),
        (|| Answer::json(200, &json!({"limits": []})), "bad_answer"),
    ];
    for (answer, code) in cases {
        check(&Case { answer, ..USUAL }, "codex", "", 1, true);
        check(&Case { answer, codex: Installed::No, ..USUAL }, "sessions", code, 1, false);
        check(&Case { answer, codex: Installed::Fails, ..USUAL }, "sessions", code, 1, true);
    }
    check(
        &Case { answer: blocked, codex: Installed::No, session: None, ..USUAL },
        "",
        "blocked",
        1,
        false,
    );
    // Codex would refresh a token that is about to end, in a network where that may fail.
    check(
        &Case { answer: blocked, signed: Signed::Ending, ..USUAL },
        "sessions",
        "blocked",
        1,
        false,
    );
    let others = Case { answer: blocked, codex: Installed::Others, ..USUAL };
    check(&others, "", "login_changed", 1, true);
}

#[test]
fn a_refused_login_is_not_asked_with_again() {
    fn refused() -> Answer {
        Answer::json(401, &json!({"error": {"code": "token_expired"}}))
    }
    for how in ["off", "reload"] {
        let options = ["--recover", how];
        check(
            &Case { answer: refused, options: &options, ..USUAL },
            "sessions",
            "unauthorized",
            1,
            false,
        );
    }
    // Behind a prompt Codex goes first in refreshing it.
    check(&Case { answer: refused, ..USUAL }, "sessions", "refresh_due", 1, false);
}

#[test]
fn a_login_that_only_codex_sees_is_codex_s_to_ask() {
    let keyring = Case { signed: Signed::Elsewhere, ..USUAL };
    check(&keyring, "codex", "", 0, true);
    // It is not known whose session it is.
    check(&Case { codex: Installed::Fails, ..keyring }, "", "codex_failed", 0, true);
    check(&Case { codex: Installed::No, ..keyring }, "", "login_elsewhere", 0, false);
}

#[test]
fn who_has_no_plan_has_no_numbers() {
    for source in ["auto", "api", "codex", "sessions"] {
        let options = ["--source", source];
        let case = Case { options: &options, ..USUAL };
        check(&Case { signed: Signed::ByKey, ..case }, "", "api_key_login", 0, false);
        check(&Case { signed: Signed::Out, ..case }, "", "not_signed_in", 0, false);
    }
}

#[test]
fn another_account_s_session_is_nobody_s() {
    let others = Case { session: Some("acc-2"), ..USUAL };
    check(&Case { answer: outage, ..others }, "", "server_error", 1, false);
    check(&Case { options: &["--source=sessions"], ..others }, "", "no_snapshot", 0, false);
    // If the API names another account than auth.json does, it is not known whose sessions these
    // are.
    fn of_another() -> Answer {
        let mut usage = usage();
        usage["account_id"] = json!("acc-2");
        Answer::json(200, &usage)
    }
    check(&Case { answer: of_another, ..USUAL }, "", "other_account", 1, false);
}

#[test]
fn a_named_source_is_the_only_one() {
    let api = Case { options: &["--source", "api"], ..USUAL };
    check(&api, "api", "", 1, false);
    check(&Case { answer: outage, ..api }, "", "server_error", 1, false);
    check(&Case { answer: blocked, ..api }, "", "blocked", 1, false);
    check(&Case { signed: Signed::Elsewhere, ..api }, "", "login_elsewhere", 0, false);
    let codex = Case { options: &["--source", "codex"], ..USUAL };
    check(&codex, "codex", "", 0, true);
    check(&Case { signed: Signed::Elsewhere, ..codex }, "codex", "", 0, true);
    check(&Case { codex: Installed::Fails, ..codex }, "", "codex_failed", 0, true);
    check(&Case { codex: Installed::Others, ..codex }, "", "login_changed", 0, true);
    // Here Codex can store what it gets.
    check(&Case { signed: Signed::Ending, ..codex }, "codex", "", 0, true);
    let without = Case { codex: Installed::No, ..codex };
    check(&without, "", "codex_missing", 0, false);
    check(&Case { signed: Signed::Elsewhere, ..without }, "", "codex_missing", 0, false);
    let sessions = Case { options: &["--source", "sessions"], ..USUAL };
    check(&sessions, "sessions", "", 0, false);
    check(&Case { session: None, ..sessions }, "", "no_snapshot", 0, false);
    check(&Case { signed: Signed::Elsewhere, ..sessions }, "", "login_elsewhere", 0, false);
}

#[test]
fn codex_alone_is_not_asked_where_it_could_lose_the_login() {
    let server = Server::usage(usage());
    let refused = |spoil: &dyn Fn(&Home), options: &[&str], code: &str| {
        for (left, is_asked) in [(300, false), (864_000, true)] {
            let home = Home::at(&server, &ending_in(left));
            let codex = Codex::new(&home);
            codex.set("refuses", "");
            spoil(&home);
            let bin = codex.path();
            let arguments =
                [&["fetch", "--source", "codex", "--codex-bin", &bin], options].concat();
            let output = home.run(&arguments);
            assert_eq!(output.code, Some(1), "{code} {left}: {output:?}");
            assert_eq!(home.entry().unwrap()["failure"]["code"], code, "{left}");
            assert_eq!(codex.was_asked(), is_asked, "{code} {left}");
            assert!(!codex.log().contains("getAuthStatus"), "{code} {left}: {}", codex.log());
        }
    };
    refused(&|home| set_mode(&home.auth_path(), 0o400), &[], "auth_read_only");
    // New tokens wait beside the file, and those in it are spent.
    let waiting = |home: &Home| {
        std::fs::write(home.codex_home().join("auth.json.codexline.new"), "{}").unwrap();
    };
    refused(&waiting, &["--recover", "off"], "commit_pending");
    assert_eq!(server.total(), 0);
    // Codex must not send a token again that was sent without an answer.
    let server = Server::start(|request| {
        if request.line() == TOKEN {
            Answer::hang_up()
        } else {
            Answer::json(401, &json!({"error": {"code": "token_expired"}}))
        }
    });
    let home = Home::at(&server, &ending_in(300));
    assert_eq!(home.run(&["fetch", "--source", "api"]).code, Some(1));
    let codex = Codex::new(&home);
    let output = home.run(&["fetch", "--source", "codex", "--codex-bin", &codex.path()]);
    assert!(output.stderr.contains("127.0.0.1 broke while the login in"), "{output:?}");
    assert!(!codex.was_asked());
}

#[test]
fn verbose_tells_who_is_next_and_why() {
    let server = Server::start(|_| outage());
    let home = Home::new(&server);
    session(&home, "a", ACCOUNT, 600, &[(300, 44)]);
    let told = home.run(&["fetch", "--verbose"]).stderr;
    for part in [
        "no numbers (server_error); next: codex app-server",
        "codex is not asked: it has no better answer to that",
        "no numbers (server_error); next: the local session files",
        "reading the session files in ",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
}

// --- what is shown -------------------------------------------------------------------------------

#[test]
fn sessions_need_no_network_anywhere() {
    let (server, mut home) = signed_in();
    home.set("CODEXLINE_RESET", "always");
    home.set("CODEXLINE_SOURCE", "sessions");
    let codex = Codex::new(&home);
    home.set("CODEXLINE_CODEX_BIN", codex.path());
    session(&home, "a", ACCOUNT, 600, &[(5 * MINUTE, 44)]);
    assert_eq!(home.run(&["fetch"]).code, Some(0));
    assert_eq!(home.run(&[]).stdout, "Codex 5h 56% left, resets in 1h00m\n");
    let tooltip = home.run(&["waybar"]).json()["tooltip"].as_str().unwrap().to_owned();
    assert!(tooltip.contains("\nupdated  5m ago, from the session files"), "{tooltip}");
    let page = home.run(&["status"]).stdout;
    assert!(page.contains("updated 5m ago, from the session files\n"), "{page}");
    assert_eq!(home.run(&["check", "--left", "50%"]).code, Some(0));
    assert_eq!(home.run(&["check", "--left", "60%"]).code, Some(1));
    let report = home.run(&["doctor", "--json"]).stdout;
    let report: Value = serde_json::from_str(&report).unwrap();
    let found = |name: &str| {
        let checks = report["checks"].as_array().unwrap();
        checks.iter().find(|check| check["name"] == name).map(|check| check["found"].to_string())
    };
    assert_eq!(found("source").unwrap(), "\"sessions: the local session files\"");
    assert!(found("cache").unwrap().contains("source sessions"), "{report}");
    assert_eq!((found("DNS"), found("server")), (None, None));
    assert_eq!((server.connections(), codex.log().contains("app-server")), (0, false));
}

#[test]
fn sessions_are_read_again_when_max_age_says_so_and_not_before() {
    let (server, mut home) = signed_in();
    home.set("CODEXLINE_RESET", "always");
    home.set("CODEXLINE_SOURCE", "sessions");
    session(&home, "a", ACCOUNT, 7200, &[(20 * MINUTE, 44)]);
    let line = ["--wait", "20s"];
    // The line shows the age of the numbers, also at the moment of reading.
    assert_eq!(home.run(&line).stdout, "Codex 5h 56% left, resets in 1h00m (20m ago)\n");
    session(&home, "a", ACCOUNT, 7200, &[(20 * MINUTE, 44), (10, 45)]);
    for _ in 0..2 {
        assert_eq!(
            home.run(&line).stdout,
            "Codex 5h 56% left, resets in 1h00m (20m ago)\n",
            "nobody looks before its time"
        );
    }
    home.patch(|entry| entry["checked_at"] = json!(now() - 90));
    let soon = home.run(&["--verbose", "--offline"]).stderr;
    assert!(soon.contains("fresh"), "{soon}");
    home.patch(|entry| entry["checked_at"] = json!(now() - 120));
    assert_eq!(home.run(&line).stdout, "Codex 5h 55% left, resets in 1h00m\n");
    // Although the file is gone, its numbers are the newest that are known.
    std::fs::remove_dir_all(home.codex_home().join("sessions")).unwrap();
    session(&home, "b", ACCOUNT, 7200, &[(900, 43)]);
    home.age(Duration::from_secs(120));
    assert_eq!(home.run(&line).stdout, "Codex 5h 55% left, resets in 1h00m\n");
    home.settle();
    // When nothing is found, the next attempts come at an even pace.
    std::fs::remove_dir_all(home.codex_home().join("sessions")).unwrap();
    for _ in 0..3 {
        home.age(Duration::from_secs(120));
        assert!(home.run(&line).stdout.starts_with("Codex 5h 55% left, resets in 1h00m ("));
        home.settle();
        let failure = home.entry().unwrap()["failure"].clone();
        let wait = failure["retry_at"].as_i64().unwrap() - failure["at"].as_i64().unwrap();
        assert_eq!((failure["code"].as_str(), wait), (Some("no_snapshot"), MINUTE));
    }
    assert_eq!(server.connections(), 0);
}

#[test]
fn a_window_whose_time_has_passed_is_not_known_any_more() {
    let (_server, mut home) = signed_in();
    home.set("CODEXLINE_RESET", "always");
    home.set("CODEXLINE_SOURCE", "sessions");
    let week = json!({"used_percent": 7, "window_minutes": 10_080, "resets_at": now() + 90_045});
    let path = session_of(&home, "a", ACCOUNT, 7200, &[(300, week)]);
    let text = std::fs::read_to_string(&path).unwrap();
    let five = json!({"used_percent": 80, "window_minutes": 300, "resets_at": now() + 3645});
    std::fs::write(&path, text.replace("\"secondary\":null", &format!("\"secondary\":{five}")))
        .unwrap();
    assert_eq!(
        home.run(&[]).stdout,
        "Codex 5h 20% left, resets in 1h00m · 7d 93% left, resets in 1d1h\n",
        "shortest first"
    );
    let pass = |place: usize| {
        home.patch(|entry| {
            entry["answer"]["usage"]["windows"][place]["resets_at"] = json!(now() - 100)
        });
    };
    pass(0);
    assert_eq!(
        home.run(&["--offline"]).stdout,
        "Codex 7d 93% left, resets in 1d1h\n",
        "who knows what others used since"
    );
    pass(1);
    let shown = home.run(&["json", "--offline"]).json();
    assert_eq!((&shown["source"], &shown["state"]), (&Value::Null, &json!("unknown")), "{shown}");
    assert_eq!(home.run(&["--offline"]).stdout, "Codex: loading\n");
    // A window that has passed since the last look is a reason to look once.
    home.patch(|entry| entry["checked_at"] = json!(now() - 110));
    let told = home.run(&["--verbose", "--wait", "20s"]);
    assert!(told.stderr.contains("a window has been reset"), "{told:?}");
    assert_eq!(told.stdout, "Codex 5h 20% left, resets in 1h00m · 7d 93% left, resets in 1d1h\n");
}

#[test]
fn older_numbers_never_take_the_place_of_newer_ones() {
    let (server, mut home) = signed_in();
    home.set("CODEXLINE_RESET", "always");
    home.fill();
    home.age(Duration::from_secs(600));
    server.always(outage());
    session(&home, "a", ACCOUNT, 7200, &[(900, 44)]);
    let shown = home.run(&["json", "--wait", "20s"]).json();
    assert_eq!(
        (&shown["source"], &shown["error"]["code"]),
        (&json!("api"), &json!("server_error"))
    );
    home.settle();
    // A turn since then has newer numbers.
    session(&home, "a", ACCOUNT, 7200, &[(900, 44), (240, 46)]);
    home.age(Duration::from_secs(60));
    assert_eq!(
        home.run(&["--wait", "20s"]).stdout,
        "Codex 5h 54% left, resets in 1h00m · 7d 83% left, resets in 5d8h (4m ago, outage)\n"
    );
    let shown = home.run(&["json"]).json();
    assert_eq!((&shown["source"], &shown["stale"]), (&json!("sessions"), &json!(true)));
    home.settle();
    // And the API has better ones still.
    server.always(Answer::json(200, &usage_of(50, 20)));
    home.age(Duration::from_secs(600));
    assert_eq!(
        home.run(&["--wait", "20s"]).stdout,
        "Codex 5h 50% left, resets in 1h03m · 7d 80% left, resets in 5d8h\n"
    );
    assert_eq!(home.entry().unwrap()["failure"], Value::Null);
}

#[test]
fn a_back_off_holds_while_the_sessions_go_on_being_read() {
    let server = Server::start(|_| Answer::status(429).header("Retry-After", "7200"));
    let mut home = Home::new(&server);
    home.set("CODEXLINE_RESET", "always");
    session(&home, "a", ACCOUNT, 7200, &[(300, 44)]);
    assert_eq!(
        home.run(&["--wait", "20s"]).stdout,
        "Codex 5h 56% left, resets in 1h00m (5m ago, asked too often)\n"
    );
    home.settle();
    let failure = home.entry().unwrap()["failure"].clone();
    session(&home, "a", ACCOUNT, 7200, &[(300, 44), (180, 45)]);
    assert_eq!(
        home.run(&["--wait", "20s"]).stdout,
        "Codex 5h 56% left, resets in 1h00m (5m ago, asked too often)\n",
        "not before max-age"
    );
    home.patch(|entry| entry["checked_at"] = json!(now() - 130));
    assert_eq!(
        home.run(&["--wait", "20s"]).stdout,
        "Codex 5h 55% left, resets in 1h00m (3m ago, asked too often)\n"
    );
    home.settle();
    assert_eq!(home.entry().unwrap()["failure"], failure, "the failure and its end stay");
    assert_eq!(server.total(), 1);
    let json = home.run(&["json"]).json();
    assert_eq!(json["error"]["code"], "rate_limited");
    // After a search in vain there is no new one at once.
    std::fs::remove_dir_all(home.codex_home().join("sessions")).unwrap();
    home.patch(|entry| entry["checked_at"] = json!(now() - 130));
    assert_eq!(
        home.run(&["--wait", "20s"]).stdout,
        "Codex 5h 55% left, resets in 1h00m (3m ago, asked too often)\n"
    );
    home.settle();
    let told = home.run(&["--verbose"]).stderr;
    assert!(told.contains("next try in"), "{told}");
    assert_eq!(server.total(), 1);
}

#[test]
fn each_source_has_an_entry_of_its_own() {
    let (server, mut home) = signed_in();
    home.set("CODEXLINE_RESET", "always");
    session(&home, "a", ACCOUNT, 600, &[(60, 44)]);
    for _ in 0..2 {
        assert_eq!(home.run(&[]).stdout, USUAL_LINE_WITH_RESETS);
        assert_eq!(home.run(&["--source", "api"]).stdout, USUAL_LINE_WITH_RESETS);
        assert_eq!(
            home.run(&["--source", "sessions"]).stdout,
            "Codex 5h 56% left, resets in 1h00m\n"
        );
        assert_eq!(
            home.run(&["--source", "codex", "--wait", "20s"]).stdout,
            "Codex: codex not found\n"
        );
        home.settle();
    }
    assert_eq!((home.entries().len(), server.total()), (4, 2));
    for path in home.entries() {
        assert!(std::fs::metadata(path).unwrap().len() < 8192);
    }
}

#[test]
fn an_entry_of_before_reads_as_ever() {
    let (server, home) = signed_in();
    home.fill();
    home.patch(|entry| {
        let entry = entry.as_object_mut().unwrap();
        assert!(entry.remove("stays").is_some());
        assert!(entry["answer"].as_object_mut().unwrap().remove("source").is_some());
    });
    assert_eq!(home.run(&["--offline"]).stdout, USUAL_LINE);
    assert_eq!(home.run(&["json"]).json()["source"], "api");
    assert_eq!(server.total(), 1);
}

#[test]
fn new_numbers_from_sessions_are_told_to_the_bar_once() {
    let server = Server::start(|_| outage());
    let mut home = Home::new(&server);
    let log = home.path().join("told");
    home.set("CODEXLINE_ON_FETCH", format!("echo x >> '{}'", log.display()));
    let told = || std::fs::read_to_string(&log).unwrap_or_default().lines().count();
    for source in ["auto", "sessions"] {
        let before = told();
        session(&home, "a", ACCOUNT, 600, &[(60, 44)]);
        home.run(&["fetch", "--source", source]);
        assert_eq!(told() - before, 1, "{source}");
        home.run(&["fetch", "--source", source]);
        assert_eq!(told() - before, 1, "{source}: nothing new");
        session(&home, "a", ACCOUNT, 600, &[(60, 44), (30, 45)]);
        home.run(&["fetch", "--source", source]);
        assert_eq!(told() - before, 2, "{source}");
    }
}

// --- whose they are ------------------------------------------------------------------------------

#[test]
fn a_session_that_went_on_under_another_account_is_that_one_s() {
    let as_usage_of = |account: &str| {
        let mut usage = usage();
        usage["account_id"] = json!(account);
        Answer::json(200, &usage)
    };
    let server = Server::start(|_| outage());
    let home = Home::new(&server);
    for account in [ACCOUNT, "acc-2"] {
        server.always(as_usage_of(account));
        home.sign_in(&Login::of(account));
        home.fill();
    }
    // The first was seen an hour ago, the second until ten minutes ago.
    let ago = |minutes: i64| now() - minutes * MINUTE;
    home.patch(|entry| {
        for (place, from, to) in [(0, 80, 60), (1, 50, 10)] {
            entry["stays"][place][1] = json!(ago(from));
            entry["stays"][place][2] = json!(ago(to));
        }
    });
    server.always(outage());
    home.sign_in(&Login::of(ACCOUNT));
    let shown = |told: &[(i64, i64)]| {
        session(&home, "a", ACCOUNT, 5400, told);
        home.patch(|entry| {
            let stays = entry["stays"].as_array_mut().unwrap();
            stays.truncate(2);
        });
        home.run(&["fetch"]);
        let shown = home.run(&["json", "--offline"]).json();
        assert_eq!(shown["error"]["code"], "server_error");
        shown["windows"][0]["used_percent"].clone()
    };
    assert_eq!(
        shown(&[(70 * MINUTE, 44), (30 * MINUTE, 99)]),
        Value::Null,
        "resumed by the second"
    );
    assert_eq!(shown(&[(70 * MINUTE, 44), (5 * MINUTE, 99)]), Value::Null, "nobody knows");
    assert_eq!(shown(&[(70 * MINUTE, 44)]), 44);
    // A session that was written after auth.json belongs to the login in it.
    assert_eq!(shown(&[(70 * MINUTE, 44), (-5, 45)]), 45);
}

#[test]
fn changing_the_account_changes_the_session() {
    let server = Server::start(|_| outage());
    let home = Home::new(&server);
    session(&home, "a", ACCOUNT, 600, &[(300, 44)]);
    session(&home, "b", "acc-2", 600, &[(360, 45)]);
    for (account, line) in [(ACCOUNT, "44"), ("acc-2", "45"), ("acc-3", "")] {
        for source in ["auto", "sessions"] {
            home.sign_in(&Login::of(account));
            let output = home.run(&["--wait", "20s", "--source", source, "--format", "{5h.used}"]);
            let expected = match (line, source) {
                ("", "auto") => "Codex: outage\n".to_owned(),
                ("", _) => "Codex: no sessions yet\n".to_owned(),
                (used, _) => format!("{used}%"),
            };
            assert!(output.stdout.starts_with(&expected), "{account} {source}: {output:?}");
            home.settle();
        }
    }
}

#[test]
fn a_session_that_does_not_say_whose_it_is() {
    let server = Server::start(|_| outage());
    let home = Home::new(&server);
    let check = |account: &str, begun: i64, expected: &str| {
        session(&home, "a", account, begun, &[(-4, 44)]);
        home.run(&["fetch", "--source", "sessions"]);
        let shown =
            home.run(&["--offline", "--source", "sessions", "--format", "{5h.used}"]).stdout;
        assert_eq!(shown, expected, "{account} {begun}");
        std::fs::remove_dir_all(home.cache_directory()).unwrap();
    };
    // A session that began before auth.json was written belongs to the login of that time. One that
    // began since belongs to the present login.
    check("", 600, "Codex: no sessions yet\n");
    check("", -3, "44%\n");
    // Where auth.json does not say whose login it is, the same holds for every session.
    let nobody =
        Login { account: None, access_token: "opaque-made-up".into(), ..Login::of(ACCOUNT) };
    home.sign_in(&nobody);
    check(ACCOUNT, 600, "Codex: no sessions yet\n");
    check(ACCOUNT, -3, "44%\n");
    // The token names the account as well.
    home.sign_in(&Login { account: None, ..Login::of(ACCOUNT) });
    check(ACCOUNT, 600, "44%\n");
    check("acc-2", -3, "Codex: no sessions yet\n");
}

#[test]
fn a_keyring_s_sessions_are_those_of_codex_s_last_answer() {
    let (server, mut home) = signed_in();
    home.write_config("cli_auth_credentials_store = 'keyring'\n");
    std::fs::remove_file(home.auth_path()).unwrap();
    let codex = Codex::new(&home);
    home.set("CODEXLINE_CODEX_BIN", codex.path());
    home.fill();
    home.age(Duration::from_secs(900));
    codex.set("error", "made up");
    session(&home, "a", ACCOUNT, 1200, &[(240, 44)]);
    session(&home, "b", "acc-2", 1200, &[(120, 99)]);
    let shown = home.run(&["json", "--wait", "20s"]).json();
    assert_eq!(
        (&shown["source"], &shown["error"]["code"]),
        (&json!("sessions"), &json!("codex_failed"))
    );
    assert_eq!(shown["windows"][0]["used_percent"], 44);
    home.settle();
    // The same for a line that never asks Codex.
    assert_eq!(home.run(&["--source", "sessions", "--format", "{5h.used}"]).stdout, "44%\n");
    // A later session of another account means that the login has changed, although no file shows
    // it.
    session(&home, "b", "acc-2", 200, &[(120, 99)]);
    std::fs::remove_dir_all(home.cache_directory()).unwrap();
    std::fs::remove_file(codex.directory.join("error")).unwrap();
    home.fill();
    home.age(Duration::from_secs(900));
    codex.set("error", "made up");
    let shown = home.run(&["json", "--wait", "20s"]).json();
    assert_eq!(
        (&shown["source"], &shown["error"]["code"]),
        (&json!("codex"), &json!("codex_failed"))
    );
    assert_eq!(server.connections(), 0);
}

#[test]
fn every_account_has_sessions_of_its_own() {
    let server = Server::start(|_| outage());
    let home = Home::new(&server);
    session(&home, "a", ACCOUNT, 600, &[(60, 44)]);
    let second = Home::at(&server, &Login::of("acc-2"));
    session(&second, "a", "acc-2", 600, &[(60, 55)]);
    session(&second, "b", ACCOUNT, 600, &[(30, 99)]);
    let words =
        format!("one={},two={}", home.codex_home().display(), second.codex_home().display());
    for source in ["auto", "sessions"] {
        let options = [
            "--wait",
            "20s",
            "--account",
            &words,
            "--source",
            source,
            "--format",
            "{account} {5h.used}",
        ];
        let shown = home.run(&options).stdout;
        let plain = shown.replace(" (1m ago, outage)", "");
        assert_eq!(plain, "one 44% | two 55%\n", "{source}");
    }
    let both = home.run(&["json", "--account", &words]).json();
    assert_eq!((&both[0]["source"], &both[1]["source"]), (&json!("sessions"), &json!("sessions")));
}

#[test]
fn a_clock_that_jumps_does_not_make_every_prompt_read_again() {
    let (_server, mut home) = signed_in();
    home.set("CODEXLINE_SOURCE", "sessions");
    session(&home, "a", ACCOUNT, 600, &[(300, 44)]);
    // Written when the clock was a day ahead.
    session(&home, "b", ACCOUNT, -86_400, &[(-86_400, 99)]);
    assert_eq!(home.run(&["--format", "{5h.used}"]).stdout, "44%\n");
    home.settle();
    let told = home.run(&["--verbose"]).stderr;
    assert!(told.contains("fresh"), "{told}");
    // Written a moment in the future: it counts as now, and is no reason to read again.
    session(&home, "b", ACCOUNT, 600, &[(-30, 45)]);
    home.age(Duration::from_secs(130));
    let shown = home.run(&["json", "--wait", "20s"]).json();
    assert_eq!(
        (&shown["windows"][0]["used_percent"], shown["age_seconds"].as_i64()),
        (&json!(45), Some(0))
    );
    home.settle();
    assert!(home.run(&["--verbose"]).stderr.contains("fresh"));
    // An entry from the future does not count: the files are read again, once.
    home.patch(|entry| entry["checked_at"] = json!(now() + 86_400));
    assert_eq!(home.run(&["--wait", "20s", "--format", "{5h.used}"]).stdout, "45%\n");
    home.settle();
    assert!(home.run(&["--verbose"]).stderr.contains("fresh"));
}

#[test]
fn a_file_of_gigabytes_is_read_from_its_end() {
    use std::io::{Seek as _, SeekFrom, Write as _};
    let (_server, home) = signed_in();
    let path = session(&home, "a", ACCOUNT, 600, &[(300, 44)]);
    let whole = std::fs::read_to_string(&path).unwrap();
    let (meta, told) = whole.split_once('\n').unwrap();
    let check = |before: &str, hole: u64, after: &str, expected: &str| {
        let mut file = std::fs::File::create(&path).unwrap();
        file.write_all(format!("{meta}\n{before}").as_bytes()).unwrap();
        // A sparse file takes no room and reads as zeros.
        file.seek(SeekFrom::Current(hole as i64)).unwrap();
        file.write_all(format!("\n{after}").as_bytes()).unwrap();
        let output = home.run(&["fetch", "--source", "sessions"]);
        let shown =
            home.run(&["--offline", "--source", "sessions", "--format", "{5h.used}"]).stdout;
        assert_eq!(shown, expected, "{hole}: {output:?}");
        std::fs::remove_dir_all(home.cache_directory()).unwrap();
    };
    check("", 20 << 30, told, "44%\n");
    check(told, 1 << 20, "", "44%\n");
    // No search goes back so far.
    check(told, 20 << 30, "", "Codex: no sessions yet\n");
}

// --- how it is said ------------------------------------------------------------------------------

#[test]
fn the_source_is_an_option_like_the_others() {
    let (_server, mut home) = signed_in();
    home.set("CODEXLINE_RESET", "always");
    session(&home, "a", ACCOUNT, 600, &[(60, 44)]);
    let directory = home.path().join("config/codexline");
    std::fs::create_dir_all(&directory).unwrap();
    std::fs::write(
        directory.join("config.toml"),
        "source = 'codex'\n[tmux]\nsource = 'sessions'\n",
    )
    .unwrap();
    let source = |arguments: &[&str], environment: &[(&str, &str)]| {
        let told = home.run_with(
            &[&["--wait", "20s", "--verbose", "--color=never"], arguments].concat(),
            environment,
        );
        home.settle();
        told.stdout
    };
    assert_eq!(source(&[], &[]), "Codex: codex not found\n");
    assert_eq!(source(&["tmux"], &[]), "Codex 5h 56% left, resets in 1h00m\n");
    assert_eq!(source(&["tmux"], &[("CODEXLINE_SOURCE", "api")]), USUAL_LINE_WITH_RESETS);
    assert_eq!(
        source(&["tmux", "--source=auto"], &[("CODEXLINE_SOURCE", "codex")]),
        USUAL_LINE_WITH_RESETS
    );
    let wrong = home.run(&["--source", "session"]);
    assert_eq!(wrong.code, Some(2));
    assert!(
        wrong.stderr.contains("is not auto, api, codex or sessions; did you mean sessions?"),
        "{wrong:?}"
    );
}

#[test]
fn the_doctor_tells_whom_the_numbers_come_from() {
    let server = Server::start(|_| Answer::json(401, &json!({})));
    let mut home = Home::new(&server);
    let found = |home: &Home, source: &str, name: &str| {
        let report: Value =
            serde_json::from_str(&home.run(&["doctor", "--json", "--source", source]).stdout)
                .unwrap();
        let checks = report["checks"].as_array().unwrap().clone();
        let check = checks.into_iter().find(|check| check["name"] == name).unwrap();
        (check["state"].as_str().unwrap().to_owned(), check["found"].as_str().unwrap().to_owned())
    };
    let ok = |text: &str| ("ok".to_owned(), text.to_owned());
    let all = "auto: the usage endpoint, then codex app-server, then the local session files";
    assert_eq!(found(&home, "auto", "source"), ok(all));
    assert_eq!(found(&home, "api", "source"), ok("api: the usage endpoint"));
    assert_eq!(found(&home, "codex", "source").0, "broken");
    home.write_config("cli_auth_credentials_store = 'keyring'\n");
    let codex = Codex::new(&home);
    home.set("CODEXLINE_CODEX_BIN", codex.path());
    assert_eq!(found(&home, "codex", "source"), ok("codex: codex app-server"));
    assert_eq!(found(&home, "auto", "login").0, "ok");
    assert_eq!(found(&home, "api", "login").0, "broken");
}
