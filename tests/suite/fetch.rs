//! The fetch: what it asks and how, what each failure leads to, how long it waits before it asks
//! again, and what ends that wait.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::double::Codex;
use crate::support::home::{ACCOUNT, Home, Login, Output, collect, finish, jwt};
use crate::support::server::{Answer, Authority, Gate, Server, dead_port};
use crate::support::{TOKEN, USAGE, USUAL_LINE, eventually, fixture, signed_in, usage, usage_of};

const MINUTE: i64 = 60;

/// Checks that `fetch` failed as it should: exit status 1, nothing on stdout, one line on stderr
/// that names `named`.
#[track_caller]
fn fails(output: &Output, named: &str) {
    assert_eq!((output.code, output.stdout.as_str()), (Some(1), ""), "{output:?}");
    assert_eq!(output.stderr.lines().count(), 1, "{output:?}");
    assert!(
        output.stderr.starts_with("codexline: ") && output.stderr.ends_with('\n'),
        "{output:?}"
    );
    assert!(output.stderr.contains(named), "{named} is not named: {output:?}");
}

#[track_caller]
fn prints(output: &Output, expected: &str) {
    assert_eq!(
        (output.stdout.as_str(), output.stderr.as_str(), output.code),
        (expected, "", Some(0))
    );
}

/// The stored failure's code and how many seconds it waits.
#[track_caller]
fn failure(home: &Home) -> (String, i64) {
    let failure = home.entry().expect("an entry")["failure"].clone();
    let wait = failure["retry_at"].as_i64().unwrap() - failure["at"].as_i64().unwrap();
    (failure["code"].as_str().unwrap().to_owned(), wait)
}

/// An answer that is of no use: the error's code, the word in the line, and the seconds until the
/// next attempt. It is asked for once, and not again by lines that are printed meanwhile.
#[track_caller]
fn check(answer: Answer, code: &str, word: &str, wait: RangeInclusive<i64>) {
    let server = Server::start(move |_| answer.clone());
    let home = Home::new(&server);
    let output = home.run(&["fetch"]);
    fails(&output, &server.url("/backend-api/wham/usage"));
    let (stored, waits) = failure(&home);
    assert_eq!(stored, code, "{output:?}");
    assert!(wait.contains(&waits), "{code} waits {waits} s, not {wait:?}");
    for _ in 0..2 {
        prints(&home.run(&["--wait", "20s"]), &format!("Codex: {word}\n"));
        let json = home.run(&["json", "--wait", "20s"]).json();
        assert_eq!(json["error"]["code"], code);
        assert!(json["error"]["message"].as_str().unwrap().contains(&server.base()), "{json}");
        assert!(!json["error"]["hint"].as_str().unwrap().is_empty(), "{json}");
    }
    home.settle();
    assert_eq!(server.count(USAGE), 1, "{code}");
}

// --- what is asked -------------------------------------------------------------------------------

#[test]
fn a_successful_fetch_is_silent() {
    let (server, home) = signed_in();
    for count in 1..=2 {
        prints(&home.run(&["fetch"]), "");
        assert_eq!(server.total(), count, "whatever the cache's age");
    }
    prints(&home.run(&["--offline"]), USUAL_LINE);
}

#[test]
fn the_request_is_codex_s_own() {
    let server = Server::usage(usage());
    let login = Login::of(ACCOUNT);
    let home = Home::at(&server, &login);
    home.fill();
    let request = server.last(USAGE);
    assert_eq!(request.bearer(), Some(login.access_token.as_str()));
    assert_eq!(request.header("chatgpt-account-id"), Some(ACCOUNT));
    assert!(request.header("user-agent").unwrap().starts_with("codexline/"), "{request:?}");
    assert_eq!(request.header("x-openai-fedramp"), None);
    let encoding = request.header("accept-encoding").unwrap_or("identity");
    assert_eq!(encoding, "identity", "an answer that is not compressed cannot be a bomb");
    assert_eq!((request.path.as_str(), request.body.len()), ("/backend-api/wham/usage", 0));

    home.sign_in(&Login { account: None, ..login.clone() });
    home.fill();
    assert_eq!(server.last(USAGE).header("chatgpt-account-id"), None);

    let claims = json!({"https://api.openai.com/auth": {"chatgpt_account_is_fedramp": true}});
    home.sign_in(&Login { id_token: jwt(&claims), ..login });
    home.fill();
    assert_eq!(server.last(USAGE).header("x-openai-fedramp"), Some("true"));
}

#[test]
fn the_url_follows_codex_s_config() {
    let server = Server::usage(usage());
    server.always(Answer::json(200, &usage()));
    let home = Home::new(&server);
    let check = |config: &str, path: &str| {
        home.write_config(&config.replace("URL", &server.url("")));
        home.fill();
        assert_eq!(server.requests().last().unwrap().path, path, "{config}");
    };
    check("chatgpt_base_url = 'URL/backend-api///'", "/backend-api/wham/usage");
    check("chatgpt_base_url = 'URL'", "/api/codex/usage");
    check("chatgpt_base_url = 'URL/prefix/'", "/prefix/api/codex/usage");
    check("chatgpt_base_url = 'URL/gate/backend-api/x'", "/gate/backend-api/x/wham/usage");
    check(
        "model = 'x'\nchatgpt_base_url = 'URL/backend-api'\n[mcp.y]\nz = 'z'\n",
        "/backend-api/wham/usage",
    );
}

#[test]
fn without_a_config_the_default_endpoint_is_meant() {
    let (server, mut home) = signed_in();
    let proxy = Server::start(|_| Answer::status(502));
    // A proxy that refuses keeps the request on this machine, and its record says where the request
    // wanted to go.
    home.set("HTTPS_PROXY", proxy.url(""));
    std::fs::remove_file(home.codex_home().join("config.toml")).unwrap();
    let output = home.run(&["fetch"]);
    fails(&output, "https://chatgpt.com/backend-api/wham/usage");
    assert_eq!(failure(&home).0, "network");
    assert_eq!(server.total(), 0);
}

#[test]
fn a_login_in_the_environment_beats_the_file() {
    // What Codex accepts there is asked of Codex: it is no bearer of ours.
    let (server, mut home) = signed_in();
    home.set("CODEX_ACCESS_TOKEN", "at-made-up");
    fails(&home.run(&["fetch"]), "CODEX_ACCESS_TOKEN");
    let codex = Codex::new(&home);
    home.set("CODEXLINE_CODEX_BIN", codex.path());
    home.fill();
    prints(&home.run(&["--offline"]), USUAL_LINE);
    assert!(codex.was_asked());
    assert!(!codex.asked().contains(&"getAuthStatus".to_string()), "nothing is refreshed");
    assert_eq!(server.total(), 0);
    home.unset("CODEX_ACCESS_TOKEN");
    prints(&home.run(&["--offline"]), "Codex: loading\n");
}

#[test]
fn options_before_a_command_are_told_where_to_stand() {
    let (server, home) = signed_in();
    let output = home.run(&["--source", "api", "fetch"]);
    assert_eq!((output.code, server.total()), (Some(2), 0), "{output:?}");
    assert!(output.stderr.contains("codexline fetch [OPTIONS]"), "{output:?}");
    assert_eq!(home.run(&["fetch", "--source", "api"]).code, Some(0));
}

#[test]
fn an_api_key_in_the_environment_does_not_beat_the_file() {
    let (server, mut home) = signed_in();
    home.set("CODEX_API_KEY", "sk-made-up");
    home.fill();
    prints(&home.run(&["--offline"]), USUAL_LINE);
    assert_eq!(server.count(USAGE), 1);
    let doctor = home.run(&["doctor", "--all"]).stdout + &home.run(&["doctor"]).stdout;
    assert!(doctor.contains("CODEX_API_KEY is set and not used"), "{doctor}");
}

#[test]
fn a_personal_access_token_is_asked_of_codex() {
    let (server, mut home) = signed_in();
    home.write_auth(
        json!({"auth_mode": "personalAccessToken", "personal_access_token": "at-made-up"})
            .to_string(),
    );
    let codex = Codex::new(&home);
    home.set("CODEXLINE_CODEX_BIN", codex.path());
    home.fill();
    prints(&home.run(&["--offline"]), USUAL_LINE);
    assert_eq!((server.total(), codex.was_asked()), (0, true));
}

#[test]
fn codex_is_not_asked_where_it_would_ask_chatgpt_com_instead_of_the_gateway() {
    let (server, mut home) = signed_in();
    let codex = Codex::new(&home);
    home.set("CODEXLINE_CODEX_BIN", codex.path());
    let url = server.url("/backend-api");
    let config = format!("profile = 'x'\nchatgpt_base_url = '{url}'\n[profiles.x]\nmodel = 'y'\n");
    home.write_config(&config);
    // The answer is one after which Codex would be asked.
    server.always(Answer::json(200, &json!({"rate_limit": "odd"})));
    assert_eq!(home.run(&["fetch"]).code, Some(1));
    fails(&home.run(&["fetch", "--source", "codex"]), "config.toml");
    assert!(!codex.was_asked(), "{}", codex.log());
    let doctor = home.run(&["doctor", "--all"]).stdout + &home.run(&["doctor"]).stdout;
    assert!(doctor.contains("profile"), "{doctor}");
}

#[test]
fn an_administrators_gateway_is_asked_whatever_the_user_says() {
    let home = Home::signed_out();
    let system = home.path().join("etc");
    std::fs::create_dir(&system).unwrap();
    let codex_home = codexline::codex::home::Home::at(home.codex_home());
    let read = || codexline::codex::config::Config::read_layers(&codex_home, &system);
    let write = |name: &str, text: &str| std::fs::write(system.join(name), text).unwrap();
    write("config.toml", "chatgpt_base_url = 'https://system.example'\n");
    assert_eq!(read().unwrap().usage_url(), "https://system.example/api/codex/usage");
    home.write_config("chatgpt_base_url = 'https://user.example'\n");
    assert_eq!(read().unwrap().usage_url(), "https://user.example/api/codex/usage");
    write("managed_config.toml", "cli_auth_credentials_store = 'keyring'\n");
    assert_eq!(read().unwrap().usage_url(), "https://user.example/api/codex/usage");
    assert_eq!(read().unwrap().credentials_store(), "keyring");
    write("managed_config.toml", "chatgpt_base_url = 'https://managed.example'\n");
    assert_eq!(read().unwrap().usage_url(), "https://managed.example/api/codex/usage");
    // One that cannot be read could have named a gateway.
    write("managed_config.toml", "chatgpt_base_url = \n");
    let error = read().unwrap_err().to_string();
    assert!(error.contains("managed_config.toml"), "{error}");
}

#[test]
fn one_home_is_one_however_it_is_written() {
    let (server, mut home) = signed_in();
    home.fill();
    let path = home.codex_home();
    let link = home.path().join("link");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    let written = [
        format!("{}/", path.display()),
        format!("{}/.", path.display()),
        format!("{}/../{}", path.display(), path.file_name().unwrap().display()),
        link.display().to_string(),
    ];
    for name in written {
        home.set("CODEX_HOME", &name);
        prints(&home.run(&["--offline"]), USUAL_LINE);
    }
    assert_eq!((server.total(), home.entries().len()), (1, 1));
}

#[test]
fn a_workspace_that_is_gone_has_its_own_word() {
    let gone = Answer::json(402, &json!({"detail": {"code": "deactivated_workspace"}}));
    check(gone, "workspace_gone", "workspace gone", 55..=65);
}

#[test]
fn a_bare_404_of_the_usual_endpoint_is_an_outage() {
    check(Answer::status(404), "server_error", "outage", 55..=65);
}

// --- a refused login -----------------------------------------------------------------------------

#[test]
fn a_refusal_of_the_same_token_is_not_asked_again() {
    for status in [401, 403] {
        for (how, exchanges) in [("off", 0), ("reload", 0), ("full", 1)] {
            let body: Value = serde_json::from_str(&fixture("error-401-token_expired")).unwrap();
            // The refresh is refused too.
            let server = Server::start(move |request| {
                Answer::json(if request.method == "POST" { 401 } else { status }, &body)
            });
            let home = Home::new(&server);
            fails(&home.run(&["fetch", "--recover", how]), "codexline: ");
            let word = home.run(&["--wait", "20s", "--recover", how]).stdout;
            let expected = if (status, exchanges) == (403, 0) {
                "Codex: not allowed\n"
            } else {
                "Codex: sign in\n"
            };
            home.settle();
            assert_eq!(
                (word.as_str(), server.count(USAGE)),
                (expected, 1),
                "{status} {how}: {word}"
            );
            assert_eq!(server.count(TOKEN), exchanges, "{status} {how}");
        }
    }
}

/// The server refuses the first login's token with `status`; meanwhile auth.json becomes that of
/// `renewed`.
fn refused_meanwhile(status: u16, old: &Login, renewed: &Login) -> (Server, Home, Output) {
    let token = renewed.access_token.clone();
    let server = Server::start(move |request| {
        let accepted = request.bearer() == Some(&token);
        if accepted {
            Answer::json(200, &usage())
        } else {
            Answer::json(status, &json!({"error": {"code": "x"}}))
        }
    });
    let gate = Gate::closed();
    server.push(
        USAGE,
        Answer::json(status, &json!({"error": {"code": "token_expired"}})).behind(&gate),
    );
    let home = Home::at(&server, old);
    let start = Instant::now();
    let mut command = home.command(&["fetch"]);
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let child = command.spawn().unwrap();
    server.wait_for(USAGE, 1);
    home.sign_in(renewed);
    gate.open();
    let output = collect(child, start);
    (server, home, output)
}

#[test]
fn a_refusal_is_asked_again_once_with_the_token_that_codex_has_renewed() {
    for status in [401, 403] {
        let (server, home, output) =
            refused_meanwhile(status, &Login::of(ACCOUNT), &Login::of(ACCOUNT));
        prints(&output, "");
        assert_eq!(server.count(USAGE), 2);
        assert_eq!(server.last(USAGE).header("chatgpt-account-id"), Some(ACCOUNT));
        // These numbers belong to the login that is there now, so they are not stale.
        prints(&home.run(&["--offline"]), USUAL_LINE);
        prints(&home.run(&["--wait", "20s"]), USUAL_LINE);
        home.settle();
        assert_eq!(server.count(USAGE), 2);
    }
}

#[test]
fn a_second_refusal_is_the_end() {
    let (server, _, output) = {
        let server =
            Server::start(|_| Answer::json(401, &json!({"error": {"code": "token_expired"}})));
        let gate = Gate::closed();
        server.push(USAGE, Answer::json(401, &json!({})).behind(&gate));
        let home = Home::new(&server);
        let mut command = home.command(&["fetch", "--recover", "reload"]);
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        let child = command.spawn().unwrap();
        server.wait_for(USAGE, 1);
        home.sign_in(&Login::of(ACCOUNT));
        gate.open();
        let output = collect(child, Instant::now());
        (server, home, output)
    };
    fails(&output, &server.base());
    assert_eq!(server.count(USAGE), 2);
}

#[test]
fn another_account_s_token_is_not_tried_for_the_first_one_s_question() {
    let (server, home, output) = refused_meanwhile(401, &Login::of(ACCOUNT), &Login::of("acc-2"));
    fails(&output, "auth.json");
    assert_eq!(server.count(USAGE), 1);
    // The new login has its own numbers, at the next look.
    server.always(Answer::json(
        200,
        &json!({"account_id": "acc-2", "rate_limit": usage()["rate_limit"]}),
    ));
    prints(&home.run(&["--wait", "20s"]), USUAL_LINE);
}

#[test]
fn an_answer_for_another_account_is_not_shown() {
    let mut answer = usage();
    answer["account_id"] = json!("acc-9");
    check(Answer::json(200, &answer), "other_account", "unknown answer", MINUTE..=MINUTE);
}

// --- answers of no use ---------------------------------------------------------------------------

#[test]
fn blocks_and_portals_wait_a_quarter_of_an_hour() {
    let quarter = 15 * MINUTE..=15 * MINUTE;
    let challenge = "<!DOCTYPE html><title>Just a moment...</title>";
    check(
        Answer::html(403, challenge).header("Cf-Mitigated", "challenge"),
        "blocked",
        "network blocked",
        quarter.clone(),
    );
    check(Answer::html(403, ""), "blocked", "network blocked", quarter.clone());
    // It is JSON, but Cloudflare says that the answer is its own.
    check(
        Answer::json(403, &json!({})).header("cf-mitigated", "challenge"),
        "blocked",
        "network blocked",
        quarter.clone(),
    );
    check(
        Answer::html(200, "<html>Welcome to the hotel</html>"),
        "not_json",
        "captive portal",
        quarter.clone(),
    );
    check(
        Answer::html(200, "").header("Content-Type", "text/html"),
        "not_json",
        "captive portal",
        quarter,
    );
}

#[test]
fn a_403_of_the_api_itself_waits_a_quarter_of_an_hour() {
    let server = Server::start(|_| Answer::json(403, &json!({"error": {"code": "forbidden"}})));
    let home = Home::new(&server);
    fails(&home.run(&["fetch", "--recover", "reload"]), &server.base());
    assert_eq!(failure(&home).1, 15 * MINUTE);
    prints(&home.run(&["--wait", "20s"]), "Codex: not allowed\n");
    assert_eq!(server.count(USAGE), 1);
}

#[test]
fn retry_after_is_obeyed_within_bounds() {
    let date = |seconds: i64| {
        let at = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(seconds);
        jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&at).unwrap()
    };
    let limited = |value: &str, wait: RangeInclusive<i64>| {
        check(
            Answer::status(429).header("Retry-After", value),
            "rate_limited",
            "asked too often",
            wait,
        );
    };
    limited("600", 600..=600);
    limited("5", MINUTE..=MINUTE);
    limited("0", MINUTE..=MINUTE);
    limited("9999999999999999999999", 21_600..=21_600);
    limited("soon", MINUTE..=MINUTE);
    limited("-5", MINUTE..=MINUTE);
    limited(&date(900), 870..=901);
    limited(&date(-900), MINUTE..=MINUTE);
    limited(&date(900_000), 21_600..=21_600);
    check(Answer::status(429), "rate_limited", "asked too often", MINUTE..=MINUTE);
    check(Answer::html(503, "x").header("Retry-After", "300"), "server_error", "outage", 300..=300);
}

#[test]
fn outages_wait_a_minute_at_first() {
    let minute = MINUTE..=MINUTE;
    for status in [500, 502, 503, 504, 599] {
        check(
            Answer::html(status, "<html>Bad gateway</html>"),
            "server_error",
            "outage",
            minute.clone(),
        );
    }
    check(
        Answer::json(404, &json!({"detail": "Not Found"})),
        "server_error",
        "outage",
        minute.clone(),
    );
    check(Answer::status(418), "unexpected_status", "odd answer", minute);
}

#[test]
fn a_redirect_is_not_followed() {
    let elsewhere = Server::usage(usage());
    for status in [301, 302, 303, 307, 308] {
        let answer = Answer::redirect(status, &elsewhere.base());
        check(answer, "redirected", "captive portal", MINUTE..=30 * MINUTE);
    }
    assert_eq!(elsewhere.connections(), 0);
}

#[test]
fn rubbish_is_not_an_answer() {
    let minute = MINUTE..=15 * MINUTE;
    let rubbish: &[&[u8]] =
        &[b"{}", b"[]", b"null", b"5", b"\"rate_limit\"", b"{\"error\": {\"code\": \"x\"}}"];
    for body in rubbish {
        check(
            Answer::bytes(200, "application/json", *body),
            "bad_answer",
            "unknown answer",
            minute.clone(),
        );
    }
    let broken: &[&[u8]] =
        &[b"", b"{\"rate_limit\": {\"primary_window\"", b"\xff\xfe\x00{", b"\0\0\0\0", b"[[[[[[[["];
    for body in broken {
        let server = Server::usage(usage());
        server.always(Answer::bytes(200, "application/json", *body));
        let home = Home::new(&server);
        fails(&home.run(&["fetch"]), &server.base());
        let word = home.run(&["--wait", "20s"]).stdout;
        assert_eq!((word.as_str(), server.total()), ("Codex: captive portal\n", 1), "{body:?}");
    }
    let deep = "[".repeat(200_000);
    check(Answer::bytes(200, "application/json", deep), "not_json", "captive portal", minute);
}

#[test]
fn a_broken_connection_is_the_network_s_fault() {
    let minute = MINUTE..=MINUTE;
    check(Answer::hang_up(), "network", "no network", minute.clone());
    check(Answer::json(200, &usage()).cut_after(40), "network", "no network", minute.clone());
    check(Answer::raw("SSH-2.0-OpenSSH_9.2\r\n"), "network", "no network", minute.clone());
    check(
        Answer::raw("HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"),
        "network",
        "no network",
        minute.clone(),
    );
    let endless_header = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(1 << 20));
    check(Answer::raw(endless_header), "network", "no network", minute);

    let server = Server::usage(usage());
    server.hang_up_unread(true);
    let home = Home::new(&server);
    fails(&home.run(&["fetch"]), &server.base());
    assert_eq!(failure(&home), ("network".into(), MINUTE));

    let url = format!("http://127.0.0.1:{}/backend-api", dead_port());
    home.write_config(&format!("chatgpt_base_url = '{url}'\n"));
    fails(&home.run(&["fetch"]), &url);
    assert_eq!(failure(&home).0, "network");
    home.write_config("chatgpt_base_url = 'https://name.invalid/backend-api'\n");
    fails(&home.run(&["fetch"]), "https://name.invalid/backend-api/wham/usage");
}

/// `length` zero bytes, deflated and wrapped as gzip: about 1 : 158.
fn bomb(length: usize) -> Vec<u8> {
    // RFC 1951, fixed Huffman codes: one literal 0, then "258 bytes from 1 byte back" as often as
    // needed, then the end.
    let mut bits: Vec<bool> = Vec::new();
    let mut code =
        |value: u32, width: u32| (0..width).rev().for_each(|bit| bits.push(value >> bit & 1 == 1));
    code(0b1, 1); // the last block
    code(0b10, 2); // fixed codes (least significant bit first)
    code(0b0011_0000, 8); // literal 0
    for _ in 0..length / 258 {
        code(0b1100_0101, 8); // length 258
        code(0, 5); // distance 1
    }
    code(0, 7); // end of block
    let mut bytes = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    let pack = |bits: &[bool]| {
        bits.iter().enumerate().fold(0, |byte, (at, bit)| byte | u8::from(*bit) << at)
    };
    bytes.extend(bits.chunks(8).map(pack));
    bytes.extend([0; 8]); // checksum and length: nobody gets that far
    bytes
}

/// The program with a limit on its address space, in KiB. It would be killed if it took in too
/// much.
fn in_little_memory(home: &Home, arguments: &str) -> Output {
    let program = env!("CARGO_BIN_EXE_codexline");
    finish(&mut home.wrapped(&[
        "sh",
        "-c",
        &format!("ulimit -v 300000; exec {program} {arguments}"),
    ]))
}

#[test]
fn bodies_are_bounded() {
    let check = |answer: Answer, code: &str| {
        let server = Server::start(move |_| answer.clone());
        let home = Home::new(&server);
        fails(&in_little_memory(&home, "fetch"), &server.base());
        assert_eq!(failure(&home).0, code);
        assert_eq!(server.total(), 1);
        assert!(std::fs::metadata(home.entry_path()).unwrap().len() < 8192);
    };
    let padded = format!("{}{}", usage(), " ".repeat(4 << 20));
    check(Answer::bytes(200, "application/json", padded), "too_large");
    check(Answer::endless("application/json", &[b' '; 65_536]), "too_large");
    check(Answer::endless("text/html", &[b'x'; 65_536]), "too_large");
    let length = Answer::json(200, &usage()).header("Content-Length", "99999999999999");
    check(length, "network");
    let bomb =
        Answer::bytes(200, "application/json", bomb(800 << 20)).header("Content-Encoding", "gzip");
    let server = Server::start(move |_| bomb.clone());
    let home = Home::new(&server);
    fails(&in_little_memory(&home, "fetch"), &server.base());
    assert_eq!(server.total(), 1);
}

#[test]
fn every_wait_has_an_end() {
    // The slow cases run side by side.
    std::thread::scope(|scope| {
        let check = |answer: fn() -> Answer| {
            scope.spawn(move || {
                let server = Server::start(move |_| answer());
                let home = Home::new(&server);
                fails(&home.run(&["fetch"]), &server.url("/backend-api/wham/usage"));
                assert_eq!(failure(&home), ("timed_out".into(), MINUTE));
                prints(&home.run(&["--wait=20s"]), "Codex: no network\n");
                assert_eq!(server.total(), 1);
            });
        };
        check(|| Answer::json(200, &usage()).behind(&Gate::closed()));
        check(|| Answer::json(200, &usage()).drip(1, Duration::from_millis(400)));
        check(|| Answer::endless("application/json", b" ").drip(1, Duration::from_millis(300)));
        // A TLS handshake that never begins: the server accepts the connection and says nothing.
        scope.spawn(|| {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let server = Server::usage(usage());
            let home = Home::new(&server).direct();
            let url = format!("https://{}/backend-api", listener.local_addr().unwrap());
            home.write_config(&format!("chatgpt_base_url = '{url}'\n"));
            fails(&home.run(&["fetch"]), &url);
            assert_eq!(failure(&home), ("timed_out".into(), MINUTE));
        });
    });
}

// --- how long it is left alone -------------------------------------------------------------------

#[test]
fn failures_in_a_row_wait_ever_longer_up_to_half_an_hour() {
    let server = Server::start(|_| Answer::status(500));
    let home = Home::new(&server);
    for (round, minutes) in [1, 2, 4, 8, 16, 30, 30].into_iter().enumerate() {
        prints(&home.run(&["--wait", "20s"]), "Codex: outage\n");
        home.settle();
        assert_eq!((failure(&home).1, server.count(USAGE)), (minutes * MINUTE, round + 1));
        // Shortly before the end of the wait it still does not ask.
        home.age(Duration::from_secs(minutes as u64 * 60 - 20));
        prints(&home.run(&["--wait", "20s"]), "Codex: outage\n");
        home.settle();
        assert_eq!(server.count(USAGE), round + 1);
        home.age(Duration::from_secs(20));
    }
    server.always(Answer::json(200, &usage()));
    prints(&home.run(&["--wait", "20s"]), USUAL_LINE);
    assert_eq!(home.entry().unwrap()["failure"], Value::Null, "a success ends it");
    server.always(Answer::status(500));
    home.age(Duration::from_secs(300));
    home.run(&["--wait", "20s"]);
    assert_eq!(failure(&home).1, MINUTE, "and the next failure starts from the beginning");
}

#[test]
fn an_outage_keeps_the_numbers_and_marks_them() {
    let (server, home) = signed_in();
    home.fill();
    home.age(Duration::from_secs(300));
    server.always(Answer::status(500));
    let marked = USUAL_LINE.replace('\n', " (5m ago, outage)\n");
    for _ in 0..3 {
        prints(&home.run(&["--wait", "20s"]), &marked);
    }
    let waybar = home.run(&["waybar"]).json();
    assert_eq!(waybar["class"], json!(["ok", "stale", "error"]));
    assert!(waybar["tooltip"].as_str().unwrap().contains("500"), "{waybar}");
    assert_eq!(server.count(USAGE), 2);
    server.always(Answer::json(200, &usage_of(50, 20)));
    home.age(Duration::from_secs(61));
    prints(&home.run(&["--wait", "20s"]), "Codex 5h 50% left · 7d 80% left\n");
}

#[test]
fn a_changed_login_ends_a_back_off() {
    let server = Server::start(|_| Answer::status(429).header("Retry-After", "7200"));
    let home = Home::new(&server);
    prints(&home.run(&["--wait", "20s"]), "Codex: asked too often\n");
    prints(&home.run(&["--wait", "20s"]), "Codex: asked too often\n");
    assert_eq!(server.count(USAGE), 1);
    server.always(Answer::json(200, &usage()));
    home.sign_in(&Login::of(ACCOUNT));
    prints(&home.run(&["--wait", "20s"]), USUAL_LINE);
}

#[test]
fn a_fetch_by_hand_ends_a_back_off() {
    let server = Server::start(|_| Answer::status(429).header("Retry-After", "7200"));
    let home = Home::new(&server);
    fails(&home.run(&["fetch"]), &server.base());
    fails(&home.run(&["fetch"]), &server.base());
    assert_eq!(server.count(USAGE), 2, "asked although it should be left alone");
    server.always(Answer::json(200, &usage()));
    prints(&home.run(&["fetch"]), "");
    prints(&home.run(&[]), USUAL_LINE);
    assert_eq!(server.count(USAGE), 3);
}

#[test]
fn a_worker_respects_a_back_off_that_began_before_it() {
    let server = Server::start(|_| Answer::status(500));
    let home = Home::new(&server);
    fails(&home.run(&["fetch"]), &server.base());
    // As the line starts it. By now another process has failed.
    assert_eq!(home.run(&["fetch", "--worker"]).code, Some(0));
    assert_eq!(server.count(USAGE), 1);
}

#[test]
fn two_fetches_at_once_ask_one_after_the_other() {
    let (busy, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let server = Server::start({
        let (busy, most) = (Arc::clone(&busy), Arc::clone(&most));
        move |_| {
            most.fetch_max(busy.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            std::thread::sleep(Duration::from_millis(100));
            busy.fetch_sub(1, Ordering::SeqCst);
            Answer::json(200, &usage())
        }
    });
    let home = Home::new(&server);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| prints(&home.run(&["fetch"]), ""));
        }
    });
    assert_eq!(most.load(Ordering::SeqCst), 1);
    prints(&home.run(&["--offline"]), USUAL_LINE);
}

#[test]
fn a_fetch_by_hand_waits_for_the_one_that_is_at_it() {
    let server = Server::usage(usage());
    let gate = Gate::closed();
    server.push(USAGE, Answer::json(200, &usage()).behind(&gate));
    let home = Home::new(&server);
    prints(&home.run(&["starship", "--color", "never"]), "Codex: loading\n");
    server.wait_for(USAGE, 1);
    std::thread::scope(|scope| {
        let fetch = scope.spawn(|| home.run(&["fetch", "--verbose"]));
        eventually("both to run", || home.processes().len() == 2);
        assert!(!fetch.is_finished());
        gate.open();
        let output = fetch.join().unwrap();
        assert_eq!(output.code, Some(0), "{output:?}");
    });
    assert!(server.count(USAGE) <= 2);
    prints(&home.run(&["--offline"]), USUAL_LINE);
}

// --- TLS and proxies -----------------------------------------------------------------------------

/// A TLS server, the file of its authority, and a home that may reach it without a proxy.
fn secure() -> (Server, Home, String) {
    let authority = Authority::new();
    let server = Server::tls(&authority, |_| Answer::json(200, &usage()));
    let home = Home::new(&server).direct();
    let file = home.path().join("company-ca.pem");
    authority.write(&file);
    let file = file.to_str().unwrap().to_owned();
    (server, home, file)
}

#[test]
fn a_certificate_that_nobody_vouches_for_is_not_believed() {
    let (server, home, _) = secure();
    let output = home.run(&["fetch"]);
    fails(&output, &server.url("/backend-api/wham/usage"));
    assert!(output.stderr.contains("CODEX_CA_CERTIFICATE"), "{output:?}");
    assert_eq!(failure(&home).0, "tls");
    assert_eq!(server.total(), 0, "no token has left");
    prints(&home.run(&["--wait=20s"]), "Codex: bad certificate\n");
}

#[test]
fn a_company_s_own_authority_works() {
    for variable in ["CODEX_CA_CERTIFICATE", "SSL_CERT_FILE"] {
        let (server, mut home, file) = secure();
        home.set(variable, file);
        prints(&home.run(&[]), USUAL_LINE);
        assert_eq!(server.total(), 1, "{variable}");
    }
}

#[test]
fn an_authority_that_is_only_in_the_system_s_directory_is_found() {
    // The system's file is read first. An authority that is not in it can still be in the directory
    // beside it.
    const DIRECTORY: &str = "/etc/ssl/certs";
    let bundle = format!("{DIRECTORY}/ca-certificates.crt");
    needs!("mount");
    if !std::path::Path::new(&bundle).is_file() {
        skip!("ca-certificates");
    }
    let (server, home, file) = secure();
    let script = format!(
        "cp {bundle} \"$HOME/bundle\" && mount -t tmpfs none {DIRECTORY} \
         && cp \"$HOME/bundle\" {bundle} \
         && cp '{file}' {DIRECTORY}/deadbeef.0 && exec {} fetch",
        env!("CARGO_BIN_EXE_codexline")
    );
    let output = finish(&mut home.wrapped(&["unshare", "-rm", "sh", "-c", &script]));
    assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""));
    assert_eq!(server.total(), 1, "one request: the first handshake ended before it");
}

#[test]
fn a_certificate_file_that_cannot_be_used_is_named() {
    for variable in ["CODEX_CA_CERTIFICATE", "SSL_CERT_FILE"] {
        for content in
            [None, Some(""), Some("no certificate"), Some("-----BEGIN CERTIFICATE-----\nAAAA")]
        {
            let (server, mut home, file) = secure();
            match content {
                None => std::fs::remove_file(&file).unwrap(),
                Some(content) => std::fs::write(&file, content).unwrap(),
            }
            home.set(variable, file.clone());
            let output = home.run(&["fetch"]);
            fails(&output, &file);
            assert_eq!(
                (failure(&home).0.as_str(), server.total()),
                ("certificate_file", 0),
                "{variable} {content:?}"
            );
            prints(&home.run(&["--wait=20s"]), "Codex: bad certificate\n");
        }
    }
}

#[test]
fn a_certificate_for_another_name_is_not_believed() {
    let authority = Authority::new();
    let server = Server::tls_as(&authority, &["chatgpt.com"], |_| Answer::json(200, &usage()));
    let mut home = Home::new(&server).direct();
    let file = home.path().join("ca.pem");
    authority.write(&file);
    home.set("CODEX_CA_CERTIFICATE", file);
    let output = home.run(&["fetch"]);
    fails(&output, "name");
    assert_eq!((failure(&home).0.as_str(), server.total()), ("tls", 0));
}

#[test]
fn a_token_goes_over_https_or_stays_on_the_machine() {
    let (server, mut home) = signed_in();
    // If a request were made, it would come here.
    for variable in
        ["HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"]
    {
        home.set(variable, server.url(""));
    }
    for url in [
        "http://name.invalid/backend-api",
        "http://192.0.2.1/backend-api",
        "http://127.0.0.1.name.invalid/backend-api",
        "http://localhost.name.invalid/backend-api",
        "http://127.0.0.1@name.invalid/backend-api",
        "ftp://127.0.0.1/backend-api",
        "file:///etc/passwd",
        "chatgpt.com/backend-api",
        "",
        "https://",
    ] {
        home.write_config(&format!("chatgpt_base_url = '{url}'\n"));
        let output = home.run(&["fetch"]);
        fails(&output, "usage: ");
        assert_eq!(failure(&home), ("address_refused".into(), MINUTE), "{url}: {output:?}");
        prints(&home.run(&["--wait=20s"]), "Codex: bad codex config\n");
    }
    assert_eq!(server.connections(), 0);
}

#[test]
fn plain_http_to_loopback_never_goes_through_a_proxy() {
    let (server, mut home) = signed_in();
    let proxy = Server::start(|_| Answer::status(500));
    for variable in
        ["HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"]
    {
        home.set(variable, proxy.url(""));
    }
    prints(&home.run(&[]), USUAL_LINE);
    assert_eq!((proxy.connections(), server.total()), (0, 1));
}

#[test]
fn proxies_come_from_the_environment() {
    for variable in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
        let (server, mut home, file) = secure();
        let proxy = Server::start(|_| Answer::status(500));
        home.set("CODEX_CA_CERTIFICATE", file);
        home.set(variable, proxy.url(""));
        prints(&home.run(&[]), USUAL_LINE);
        let asked = proxy.requests();
        assert_eq!(asked.len(), 1, "{variable}");
        let (method, target) = (asked[0].method.as_str(), asked[0].path.as_str());
        assert_eq!((method, target), ("CONNECT", format!("127.0.0.1:{}", server.port()).as_str()));
        assert_eq!(asked[0].header("authorization"), None, "the token is for the other end");
        assert_eq!(server.total(), 1);
    }
    let (server, mut home, file) = secure();
    let proxy = Server::start(|_| Answer::status(500));
    home.set("CODEX_CA_CERTIFICATE", file);
    home.set("HTTPS_PROXY", proxy.url(""));
    home.set("NO_PROXY", "example.com,127.0.0.1");
    prints(&home.run(&[]), USUAL_LINE);
    assert_eq!((proxy.total(), server.total()), (0, 1));
}

#[test]
fn proxies_and_certificates_come_from_codex_s_env_file_too() {
    let (server, mut home, file) = secure();
    let proxy = Server::start(|_| Answer::status(500));
    let dotenv = home.codex_home().join(".env");
    let write = |text: String| std::fs::write(&dotenv, text).unwrap();
    let asked = || (proxy.total(), server.total());
    let url = proxy.url("").replace("//", "//somebody:password@");
    // Names that begin with CODEX_ are ignored there, and so this certificate is not trusted.
    write(format!("CODEX_CA_CERTIFICATE={file}\n"));
    fails(&home.run(&["fetch"]), "CODEX_CA_CERTIFICATE");
    assert_eq!(asked(), (0, 0));
    write(format!("# ours\nSSL_CERT_FILE='{file}'\nexport HTTPS_PROXY=\"{url}\"\n"));
    home.fill();
    assert_eq!(asked(), (1, 1), "through the proxy");
    let doctor = home.run(&["doctor"]).stdout;
    let expected = format!("{} (HTTPS_PROXY in {})", proxy.url(""), dotenv.display());
    assert!(doctor.contains(&expected), "{expected}: {doctor}");
    assert!(!doctor.contains("password"), "{doctor}");
    let before = asked();
    let certificates = home.path().join("certificates");
    std::fs::create_dir(&certificates).unwrap();
    std::fs::copy(&file, certificates.join("ca.pem")).unwrap();
    write(format!(
        "SSL_CERT_DIR={}\nNO_PROXY=127.0.0.1\nALL_PROXY={url}\n",
        certificates.display()
    ));
    home.fill();
    assert_eq!(asked(), (before.0, before.1 + 1), "not through the proxy");
    // The environment wins.
    home.set("https_proxy", format!("http://127.0.0.1:{}", dead_port()));
    write(format!("SSL_CERT_FILE={file}\nHTTPS_PROXY={url}\n"));
    fails(&home.run(&["fetch"]), &server.base());
    assert_eq!(failure(&home).0, "network");
    assert_eq!(asked(), (before.0, before.1 + 1));
    // Codex would take the file's, so this is said.
    let remark = format!(
        "HTTPS_PROXY: the environment's value is used here, that of {} by codex",
        dotenv.display()
    );
    let (doctor, log) = (home.run(&["doctor"]).stdout, home.run(&["fetch", "--verbose"]).stderr);
    assert!(doctor.contains(&remark) && log.contains(&remark), "{doctor} {log}");
    home.unset("https_proxy");
    let remark = format!("{}: a line that is not valid", dotenv.display());
    write("HTTPS_PROXY='secret\n".into());
    let (doctor, log) = (home.run(&["doctor"]).stdout, home.run(&["fetch", "--verbose"]).stderr);
    assert!(doctor.contains(&remark) && log.contains(&remark), "{doctor} {log}");
    assert!(!doctor.contains("secret") && !log.contains("secret"), "{doctor} {log}");
    std::fs::remove_file(&dotenv).unwrap();
    std::fs::create_dir(&dotenv).unwrap();
    let remark = format!("{}: is a directory", dotenv.display());
    let (doctor, log) = (home.run(&["doctor"]).stdout, home.run(&["fetch", "--verbose"]).stderr);
    assert!(doctor.contains(&remark) && log.contains(&remark), "{doctor} {log}");
}

#[test]
fn a_dead_proxy_is_an_outage_of_the_network() {
    let (server, mut home, file) = secure();
    home.set("CODEX_CA_CERTIFICATE", file);
    for proxy in [
        format!("http://127.0.0.1:{}", dead_port()),
        format!("http://somebody:password@127.0.0.1:{}", dead_port()),
        format!("socks5://127.0.0.1:{}", dead_port()),
    ] {
        home.set("HTTPS_PROXY", proxy);
        let output = home.run(&["fetch"]);
        fails(&output, &server.base());
        assert!(
            output.stderr.contains("proxy") && !output.stderr.contains("password"),
            "{output:?}"
        );
        assert_eq!(failure(&home), ("network".into(), MINUTE));
        // Local failures and network failures are counted separately from here on.
        std::fs::remove_dir_all(home.cache_directory()).unwrap();
    }
    let refusing = Server::start(|_| Answer::status(407));
    home.set("HTTPS_PROXY", refusing.url(""));
    // This proxy tunnels every CONNECT. One that does not is a server that hangs up.
    refusing.hang_up_unread(true);
    fails(&home.run(&["fetch"]), &server.base());
    assert_eq!(server.total(), 0);
}
