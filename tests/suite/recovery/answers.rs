//! The tables: each answer of either endpoint, each kind of login and each setting, with the exact
//! number of requests that it may cause, over several runs in a row.

use serde_json::{Value, json};

use super::{
    Issuer, beside, codex_text, each, fails, fails_openly, fetch, holds, ledger, no_rescue, read,
    run, succeeds, tokens_of,
};
use crate::support::home::{ACCOUNT, Home, Login};
use crate::support::server::{Answer, Server, dead_port};
use crate::support::{TOKEN, USAGE, USUAL_LINE, usage};

/// Several runs in a row: `expected` are the GETs and POSTs of each. Gives the last run's output.
#[track_caller]
fn count(
    name: &str,
    issuer: &Issuer,
    home: &Home,
    arguments: &[&str],
    expected: &[(usize, usize)],
) {
    for (number, expected) in expected.iter().enumerate() {
        let before = (issuer.gets(), issuer.posts());
        let output = run(issuer, home, arguments);
        let seen = (issuer.gets() - before.0, issuer.posts() - before.1);
        assert_eq!(seen, *expected, "GETs and POSTs of run {} of {name}: {output:?}", number + 1);
    }
    issuer.check();
}

const FETCH: &[&str] = &["fetch", "--verbose"];

/// Refused, one POST, and never again.
const ONCE: &[(usize, usize)] = &[(1, 1), (1, 0), (1, 0)];
/// Renewed, and used from then on.
const RENEWED: &[(usize, usize)] = &[(2, 1), (1, 0)];
/// Nothing is sent to the token endpoint.
const NEVER: &[(usize, usize)] = &[(1, 0), (1, 0)];
/// Nothing is sent at all.
const SILENT: &[(usize, usize)] = &[(0, 0), (0, 0)];

// --- the token endpoint --------------------------------------------------------------------------

/// An answer of the token endpoint that does not renew: the error's code, the state in the ledger;
/// auth.json stays as it is.
#[track_caller]
fn not_renewed(name: &str, answer: &Answer, code: &str, state: &str) {
    let issuer = Issuer::new();
    issuer.server.push(TOKEN, answer.clone());
    let home = issuer.home();
    let before = std::fs::read(home.auth_path()).unwrap();
    let inode = inode(&home);
    count(name, &issuer, &home, FETCH, &ONCE[..1]);
    assert_eq!(ledger(&home), [state], "{name}");
    count(name, &issuer, &home, FETCH, &ONCE[1..2]);
    let output = fetch(&issuer, &home);
    fails_openly(&home, &output, code);
    if code == "refresh_refused" {
        assert!(output.stderr.contains("; run codex login"), "{name}: {output:?}");
    }
    assert_eq!(
        (std::fs::read(home.auth_path()).unwrap(), self::inode(&home)),
        (before, inode),
        "{name}"
    );
    no_rescue(&home);
    // Another login ends it.
    home.write_auth(codex_text(&issuer.good()));
    succeeds(&fetch(&issuer, &home));
    assert_eq!(issuer.posts(), 1, "{name}");
}

fn inode(home: &Home) -> u64 {
    std::os::unix::fs::MetadataExt::ino(&std::fs::metadata(home.auth_path()).unwrap())
}

#[test]
fn a_permanent_refusal_is_one_whatever_its_status_and_shape() {
    let mut cases = Vec::new();
    for (row, status) in [200, 400, 401, 403, 404, 429, 500, 503].into_iter().enumerate() {
        let codes = [
            "refresh_token_expired",
            "refresh_token_reused",
            "refresh_token_invalidated",
            "app_session_expired",
            "invalid_refresh_token",
        ];
        for (column, code) in codes.into_iter().enumerate() {
            let body = match (row + column) % 3 {
                0 => json!({"error": {"message": "made up", "code": code}}),
                1 => json!({"error": code, "error_description": "made up"}),
                _ => json!({"code": code}),
            };
            cases.push((format!("{status} {body}"), Answer::json(status, &body)));
        }
    }
    cases.push(("400 invalid_grant".into(), Answer::json(400, &json!({"error": "invalid_grant"}))));
    let coded = json!({"error": {"code": "invalid_grant"}});
    cases.push(("400 error.code invalid_grant".into(), Answer::json(400, &coded)));
    for (kind, answer) in bodies(401) {
        cases.push((format!("401 {kind}"), answer));
    }
    // After `reused` it waits for the winner, so many at once.
    each(&cases, 12, |(name, answer)| not_renewed(name, answer, "refresh_refused", "refused"));
}

#[test]
fn whatever_else_comes_the_token_counts_as_spent() {
    let mut cases = Vec::new();
    for status in [400, 404, 410, 418, 500, 502, 503] {
        for (kind, answer) in bodies(status) {
            cases.push((format!("{status} {kind}"), answer));
        }
    }
    let [(_, refusal), ..] = bodies(403);
    cases.push(("403 JSON".into(), refusal));
    let new = tokens_of(&Login::of(ACCOUNT)).to_string();
    let half = new.len() / 2;
    cases.extend(
        [
            ("200 HTML", Answer::html(200, "<html>portal</html>")),
            ("200 empty", Answer::status(200)),
            ("200 null", Answer::json(200, &Value::Null)),
            ("200 without tokens", Answer::json(200, &json!({"token_type": "Bearer"}))),
            (
                "200 empty tokens",
                Answer::json(200, &json!({"access_token": "", "refresh_token": ""})),
            ),
            ("200 numbers", Answer::json(200, &json!({"access_token": 1, "refresh_token": [2]}))),
            ("204", Answer::status(204)),
            (
                "a challenge",
                Answer::bytes(200, "application/json", new.clone())
                    .header("Cf-Mitigated", "challenge"),
            ),
            ("hang up", Answer::hang_up()),
            ("half a body", Answer::bytes(200, "application/json", new.clone()).cut_after(half)),
            ("half a JSON", Answer::bytes(200, "application/json", &new.as_bytes()[..half])),
            ("no HTTP", Answer::raw("made-up\r\n\r\n")),
            ("without end", Answer::endless("application/json", &[b' '; 65_536])),
        ]
        .map(|(name, answer)| (name.to_owned(), answer)),
    );
    each(&cases, 4, |(name, answer)| not_renewed(name, answer, "refresh_unknown", "unknown"));
}

#[test]
fn what_surely_was_not_used_up_is_sent_again() {
    let mut cases = Vec::new();
    for status in [302, 307, 429] {
        for (kind, answer) in bodies(status) {
            let answer = answer.header("Location", "http://127.0.0.1:1/oauth/token");
            cases.push((format!("{status} {kind}"), answer));
        }
    }
    let [_, (_, page), (_, empty)] = bodies(403);
    cases.extend([("403 page".into(), page), ("403 empty".into(), empty)]);
    each(&cases, 4, |(name, answer)| {
        let issuer = Issuer::new();
        issuer.server.push(TOKEN, answer.clone());
        let home = issuer.home();
        fails_openly(&home, &fetch(&issuer, &home), "refresh_postponed");
        assert_eq!((issuer.posts(), ledger(&home)), (1, vec![]), "{name}");
        no_rescue(&home);
        // Behind a prompt it waits for half an hour at least.
        let failure = home.entry().unwrap()["failure"].clone();
        let wait = failure["retry_at"].as_i64().unwrap() - failure["at"].as_i64().unwrap();
        assert_eq!(wait, 1800, "{name}");
        succeeds(&fetch(&issuer, &home));
        holds(&home, &issuer.minted());
        let posted = issuer.posted();
        assert!(posted.len() == 2 && posted[0] == posted[1], "{name}: {posted:?}");
    });
}

#[test]
fn the_message_says_what_happened() {
    let cases = [
        (Answer::status(503), "127.0.0.1 failed (503) while the login in "),
        (
            Answer::html(200, "<html>"),
            "127.0.0.1 answered without new tokens (200) while the login",
        ),
        (Answer::hang_up(), "the connection to 127.0.0.1 broke while the login in "),
    ];
    for (answer, expected) in cases {
        let issuer = Issuer::new();
        issuer.server.push(TOKEN, answer);
        let home = issuer.home();
        // Today and whenever it is asked for again.
        for _ in 0..2 {
            let output = fetch(&issuer, &home);
            let last = output.stderr.lines().last().unwrap();
            assert!(last.contains(expected), "{expected}: {last}");
            assert!(last.contains("while the login in") && last.contains("start codex once"));
        }
        assert_eq!(issuer.posts(), 1);
    }
}

/// The same status with each kind of body.
fn bodies(status: u16) -> [(&'static str, Answer); 3] {
    [
        (
            "JSON",
            Answer::json(status, &json!({"error": {"message": "made up", "code": "made_up"}})),
        ),
        ("HTML", Answer::html(status, "<html>made up</html>")),
        ("empty", Answer::status(status)),
    ]
}

#[test]
fn what_comes_is_stored_and_what_is_missing_stays() {
    let new = Login::of(ACCOUNT);
    type Expected<'a> = (&'a str, Value, [bool; 3]);
    // Which of access, refresh and id token are new afterwards.
    let cases: Vec<Expected> = vec![
        ("all", tokens_of(&new), [true, true, true]),
        ("no refresh token", json!({"access_token": new.access_token}), [true, false, false]),
        (
            "null",
            json!({"access_token": new.access_token, "refresh_token": null}),
            [true, false, false],
        ),
        (
            "empty",
            json!({"access_token": new.access_token, "refresh_token": "", "id_token": ""}),
            [true, false, false],
        ),
        (
            "an unparsable id_token",
            json!({
                "access_token": new.access_token,
                "refresh_token": new.refresh_token,
                "id_token": "made-up",
            }),
            [true, true, false],
        ),
        (
            "an id_token of another type",
            json!({
                "access_token": new.access_token,
                "refresh_token": new.refresh_token,
                "id_token": {"a": 1},
            }),
            [true, true, false],
        ),
        ("no access token", json!({"refresh_token": new.refresh_token}), [false, true, false]),
        (
            "an access token that no header can carry",
            json!({"access_token": "a\nb", "refresh_token": new.refresh_token}),
            [false, true, false],
        ),
    ];
    for (name, answer, renewed) in cases {
        let issuer = Issuer::new();
        issuer.server.push(TOKEN, Answer::json(200, &answer));
        let old = issuer.expired();
        let home = issuer.home_of(&old);
        fetch(&issuer, &home);
        let choose = |index: usize, new: &str, old: &str| {
            if renewed[index] { new.into() } else { old.to_owned() }
        };
        let expected = Login {
            access_token: choose(0, &new.access_token, &old.access_token),
            refresh_token: choose(1, &new.refresh_token, &old.refresh_token),
            id_token: choose(2, &new.id_token, &old.id_token),
            ..old.clone()
        };
        holds(&home, &expected);
        // Refused again: nobody has told the usage endpoint of the new access token. Without a new
        // refresh token the old one goes on (RFC 6749, section 6).
        for _ in 0..2 {
            fetch(&issuer, &home);
        }
        let second = if renewed[1] { new.refresh_token.clone() } else { old.refresh_token.clone() };
        assert_eq!(issuer.posted(), [old.refresh_token, second], "{name}");
    }
}

/// An answer by hand: these headers and this body, and then the connection stays open for a while.
fn by_hand(headers: &str, body: &[u8]) -> Answer {
    let head = format!("HTTP/1.1 200 OK\r\n{headers}\r\n");
    let whole = [head.as_bytes(), body].concat();
    Answer::raw(whole).staying_open(std::time::Duration::from_secs(60))
}

#[test]
fn a_whole_answer_is_one_whatever_is_wrong_around_it() {
    let new = Login::of(ACCOUNT);
    let body = tokens_of(&new).to_string().into_bytes();
    let with = |further: &[u8]| [b"{", further, b",", &body[1..]].concat();
    let deep = ["\"d\":", &"[".repeat(200), &"]".repeat(200)].concat();
    let chunks = [format!("{:x}\r\n", body.len()).as_bytes(), &body, b"\r\n"].concat();
    let many: String = (0..400).map(|number| format!("X-{number}: made up\r\n")).collect();
    let long = format!("Set-Cookie: {}\r\n", "y".repeat(100_000));
    let packed = {
        let path = std::env::temp_dir().join(format!("codexline-gzip-{}", std::process::id()));
        std::fs::write(&path, &body).unwrap();
        let output = std::process::Command::new("gzip").arg("-c").arg(&path).output().unwrap();
        std::fs::remove_file(path).unwrap();
        output.stdout
    };
    let mut cases = vec![
        ("a length that is too large", by_hand("Content-Length: 99999\r\n", &body)),
        ("no length, kept open", by_hand("", &body)),
        ("no last chunk", by_hand("Transfer-Encoding: chunked\r\n", &chunks)),
        ("many headers", by_hand(&many, &body)),
        ("a long header", by_hand(&long, &body)),
        ("a mark before it", by_hand("", &[b"\xef\xbb\xbf", &body[..]].concat())),
        ("gzip", by_hand("Content-Encoding: gzip\r\n", &packed)),
        ("something behind it", by_hand("", &[&body[..], b"\r\n<!-- made up -->"].concat())),
        ("a number without end", by_hand("", &with(b"\"n\":1e999"))),
        ("half a letter", by_hand("", &with(b"\"s\":\"\\ud800\""))),
        ("no UTF-8", by_hand("", &with(b"\"s\":\"\xff\xfe\""))),
        ("depth", by_hand("", &with(deep.as_bytes()))),
    ];
    let cut = body.len();
    cases.push((
        "cut behind the last brace",
        Answer::bytes(200, "application/json", [&body[..], b"    "].concat()).cut_after(cut),
    ));
    each(&cases, 4, |(name, answer)| {
        let issuer = Issuer::new();
        issuer.server.push(TOKEN, answer.clone());
        let home = issuer.home();
        let output = fetch(&issuer, &home);
        assert!(output.took < std::time::Duration::from_secs(20), "{name}: {output:?}");
        holds(&home, &new);
        assert_eq!(issuer.posts(), 1, "{name}");
    });
}

#[test]
fn a_refresh_token_of_unusual_letters_is_kept() {
    for text in ["two words", "\u{fc}\u{1f600}", "line\nfeed", "quote\"\\"] {
        let issuer = Issuer::new();
        let new = Login { refresh_token: text.into(), ..issuer.good() };
        issuer.server.push(TOKEN, Answer::json(200, &tokens_of(&new)));
        let home = issuer.home();
        succeeds(&fetch(&issuer, &home));
        holds(&home, &new);
    }
}

#[test]
fn an_endpoint_that_cannot_be_reached_costs_nothing() {
    let issuer = Issuer::new();
    let mut home = issuer.home();
    home.set(
        "CODEX_REFRESH_TOKEN_URL_OVERRIDE",
        format!("http://127.0.0.1:{}/oauth/token", dead_port()),
    );
    count("unreachable", &issuer, &home, FETCH, NEVER);
    fails(&home, &fetch(&issuer, &home), "network");
    assert!(ledger(&home).is_empty(), "it never left");
    no_rescue(&home);
    home.set("CODEX_REFRESH_TOKEN_URL_OVERRIDE", "http://192.0.2.1/oauth/token");
    fails(&home, &fetch(&issuer, &home), "address_refused");
    home.set("CODEX_REFRESH_TOKEN_URL_OVERRIDE", issuer.server.url("/oauth/token"));
    count("reachable again", &issuer, &home, FETCH, RENEWED);
}

#[test]
fn the_request_is_what_rfc_6749_says() {
    let issuer = Issuer::new();
    let login = Login { refresh_token: "rt made&up=+/%ü".into(), ..issuer.expired() };
    let home = issuer.home_of(&login);
    fetch(&issuer, &home);
    let request = issuer.server.last(TOKEN);
    assert_eq!(request.header("content-type"), Some("application/x-www-form-urlencoded"));
    assert_eq!(request.header("accept"), Some("application/json"));
    assert_eq!((request.header("authorization"), request.header("cookie")), (None, None));
    assert_eq!(
        request.text(),
        "grant_type=refresh_token&refresh_token=rt%20made%26up%3D%2B%2F%25%C3%BC\
         &client_id=app_EMoamEEZ73f0CkXaXp7hrann"
    );
}

// --- the usage endpoint --------------------------------------------------------------------------

#[test]
fn only_a_refusal_of_the_api_itself_spends_the_token() {
    let statuses = [
        200, 204, 301, 302, 307, 308, 400, 402, 404, 405, 407, 408, 409, 418, 422, 429, 500, 502,
        503, 504, 520, 599,
    ];
    let mut cases = Vec::new();
    for status in statuses {
        for (kind, answer) in bodies(status) {
            cases.push((
                format!("{status} {kind}"),
                answer.header("Location", "/oauth/token"),
                NEVER,
            ));
        }
    }
    for status in [401, 403] {
        for (kind, answer) in bodies(status) {
            let expected = if kind == "JSON" { RENEWED } else { NEVER };
            let challenge = answer.clone().header("Cf-Mitigated", "challenge");
            cases.push((format!("{status} {kind}, challenge"), challenge, NEVER));
            cases.push((format!("{status} {kind}"), answer, expected));
        }
        let half = Answer::bytes(status, "application/json", "{\"error\": {\"code\"");
        cases.push((format!("{status} half a JSON"), half, NEVER));
        let cut = Answer::bytes(status, "application/json", "{\"error\": {}}       ").cut_after(14);
        cases.push((format!("{status} cut"), cut, NEVER));
    }
    cases.push(("hang up".into(), Answer::hang_up(), NEVER));
    cases.push((
        "another account".into(),
        Answer::json(200, &json!({"account_id": "acc-9", "rate_limit": null})),
        NEVER,
    ));
    each(&cases, 3, |(name, answer, expected)| {
        let issuer = Issuer::new();
        let home = issuer.home();
        for _ in 0..if *expected == RENEWED { 1 } else { 2 } {
            issuer.server.push(USAGE, answer.clone());
        }
        count(name, &issuer, &home, FETCH, expected);
    });
}

#[test]
fn a_login_that_is_refused_however_new_is_renewed_once_a_run() {
    let issuer = Issuer::new();
    let home = issuer.home();
    for _ in 0..3 {
        for _ in 0..2 {
            issuer.server.push(USAGE, Answer::json(401, &json!({"error": {"code": "made_up"}})));
        }
        count("refused however new", &issuer, &home, FETCH, &[(2, 1)]);
        holds(&home, &issuer.minted());
    }
    count("accepted at last", &issuer, &home, FETCH, &[(1, 0)]);
    assert_eq!(ledger(&home), ["committed", "committed", "committed"]);
}

// --- the reload ----------------------------------------------------------------------------------

#[test]
fn a_login_that_somebody_else_has_renewed_is_adopted() {
    for recover in ["full", "reload"] {
        let issuer = Issuer::new();
        let home = issuer.home();
        let (path, text) = (home.auth_path(), codex_text(&issuer.good()));
        issuer.before_usage(move || std::fs::write(path, text).unwrap());
        count(
            recover,
            &issuer,
            &home,
            &["fetch", "--verbose", "--recover", recover],
            &[(2, 0), (1, 0)],
        );
    }
}

#[test]
fn if_that_one_is_refused_as_well_it_is_the_one_to_renew() {
    let issuer = Issuer::new();
    let home = issuer.home();
    let reloaded = issuer.expired();
    let (path, text) = (home.auth_path(), codex_text(&reloaded));
    issuer.before_usage(move || std::fs::write(path, text).unwrap());
    count("reloaded", &issuer, &home, FETCH, &[(3, 1), (1, 0)]);
    assert_eq!(issuer.posted(), [reloaded.refresh_token]);
}

#[test]
fn another_account_is_left_alone() {
    let issuer = Issuer::new();
    let home = issuer.home();
    let other = Login { account: Some("acc-2".into()), ..issuer.expired() };
    let (path, text) = (home.auth_path(), codex_text(&other));
    issuer.before_usage(move || std::fs::write(path, text).unwrap());
    fails(&home, &fetch(&issuer, &home), "login_changed");
    assert_eq!((issuer.gets(), issuer.posts()), (1, 0));
}

// --- what may be renewed -------------------------------------------------------------------------

type Setup = fn(&Issuer, &mut Home, Login);
type Case = (&'static str, Setup, &'static [(usize, usize)]);

fn sign_in(home: &Home, login: &Login) {
    home.write_auth(codex_text(login));
}

#[test]
fn each_kind_of_login_and_each_setting_has_its_count() {
    let cases: Vec<Case> = vec![
        ("chatgpt", |_, _, _| {}, RENEWED),
        ("no mode", |_, home, login| sign_in(home, &Login { mode: None, ..login }), RENEWED),
        (
            "an API key beside",
            |_, home, login| sign_in(home, &Login { api_key: Some("sk".into()), ..login }),
            RENEWED,
        ),
        (
            "an API key without a mode",
            |_, home, login| {
                sign_in(home, &Login { api_key: Some("sk".into()), mode: None, ..login })
            },
            SILENT,
        ),
        (
            "lent tokens",
            |_, home, login| {
                sign_in(home, &Login { mode: Some("chatgptAuthTokens".into()), ..login })
            },
            NEVER,
        ),
        (
            "apikey",
            |_, home, login| sign_in(home, &Login { mode: Some("apikey".into()), ..login }),
            SILENT,
        ),
        (
            "headers",
            |_, home, login| sign_in(home, &Login { mode: Some("headers".into()), ..login }),
            SILENT,
        ),
        (
            "agentIdentity",
            |_, home, login| sign_in(home, &Login { mode: Some("agentIdentity".into()), ..login }),
            SILENT,
        ),
        (
            "personalAccessToken",
            |_, home, login| {
                sign_in(home, &Login { mode: Some("personalAccessToken".into()), ..login })
            },
            SILENT,
        ),
        (
            "bedrockApiKey",
            |_, home, login| sign_in(home, &Login { mode: Some("bedrockApiKey".into()), ..login }),
            SILENT,
        ),
        (
            "bedrockAccessKeys",
            |_, home, login| {
                sign_in(home, &Login { mode: Some("bedrockAccessKeys".into()), ..login })
            },
            SILENT,
        ),
        (
            "a mode of the future",
            |_, home, login| sign_in(home, &Login { mode: Some("new".into()), ..login }),
            SILENT,
        ),
        (
            "an empty refresh token",
            |_, home, login| sign_in(home, &Login { refresh_token: String::new(), ..login }),
            NEVER,
        ),
        (
            "no refresh token",
            |_, home, login| {
                home.write_auth(codex_text(&login).replace("refresh_token", "made_up"))
            },
            NEVER,
        ),
        ("store file", |issuer, home, _| store(issuer, home, "file"), RENEWED),
        ("store keyring", |issuer, home, _| store(issuer, home, "keyring"), SILENT),
        ("store auto", |issuer, home, _| store(issuer, home, "auto"), NEVER),
        ("store ephemeral", |issuer, home, _| store(issuer, home, "ephemeral"), SILENT),
        (
            "a token in the environment",
            |_, home, login| home.set("CODEX_ACCESS_TOKEN", login.access_token),
            SILENT,
        ),
        ("an empty one", |_, home, _| home.set("CODEX_ACCESS_TOKEN", ""), RENEWED),
        ("a key in the environment", |_, home, _| home.set("CODEX_API_KEY", "sk-made-up"), RENEWED),
        ("recover full", |_, home, _| home.set("CODEXLINE_RECOVER", "full"), RENEWED),
        ("recover reload", |_, home, _| home.set("CODEXLINE_RECOVER", "reload"), NEVER),
        ("recover off", |_, home, _| home.set("CODEXLINE_RECOVER", "off"), NEVER),
    ];
    each(&cases, 3, |(name, setup, expected)| {
        let issuer = Issuer::new();
        let login = issuer.expired();
        let mut home = issuer.home_of(&login);
        setup(&issuer, &mut home, login);
        let before = std::fs::read(home.auth_path()).unwrap();
        count(name, &issuer, &home, FETCH, expected);
        if *expected != RENEWED {
            assert_eq!(std::fs::read(home.auth_path()).unwrap(), before, "{name}");
            assert!(
                !beside(&home, ".ledger").exists() && !beside(&home, ".lock").exists(),
                "{name}: nothing is written"
            );
        }
    });
}

fn store(issuer: &Issuer, home: &Home, store: &str) {
    home.write_config(&format!(
        "chatgpt_base_url = \"{}\"\ncli_auth_credentials_store = \"{store}\"\n",
        issuer.server.base()
    ));
}

#[test]
fn the_option_is_as_good_as_the_variable() {
    for (recover, expected) in [("full", RENEWED), ("reload", NEVER), ("off", NEVER)] {
        let issuer = Issuer::new();
        count(
            recover,
            &issuer,
            &issuer.home(),
            &["fetch", "--verbose", "--recover", recover],
            expected,
        );
    }
}

#[test]
fn behind_a_prompt_the_numbers_come_back_by_themselves() {
    let issuer = Issuer::new();
    let home = issuer.home();
    // The first refusal only marks the entry: Codex goes first.
    run(&issuer, &home, &["plain", "--wait", "20s"]);
    assert_eq!((issuer.gets(), issuer.posts()), (1, 0));
    home.age(std::time::Duration::from_secs(90));
    let output = run(&issuer, &home, &["plain", "--wait", "20s"]);
    assert_eq!(output.stdout, USUAL_LINE, "{output:?}");
    holds(&home, &issuer.minted());
    assert_eq!((issuer.gets(), issuer.posts()), (3, 1));
    // The prompt hands its setting on to the worker.
    let issuer = Issuer::new();
    let home = issuer.home();
    let output = run(&issuer, &home, &["plain", "--wait", "20s", "--recover", "reload"]);
    assert_eq!(output.stdout, "Codex: sign in\n", "{output:?}");
    assert_eq!((issuer.gets(), issuer.posts()), (1, 0));
}

#[test]
fn the_cache_belongs_to_the_renewed_login() {
    let issuer = Issuer::new();
    let home = issuer.home();
    succeeds(&fetch(&issuer, &home));
    // Not stale at once because auth.json changed: that was us.
    assert_eq!(run(&issuer, &home, &["plain"]).stdout, USUAL_LINE);
    home.settle();
    assert_eq!(issuer.gets(), 2);
}

#[test]
fn a_server_that_lies_about_the_account_is_not_believed_after_a_renewal_either() {
    let server = Server::start(|request| match request.line().as_str() {
        TOKEN => Answer::json(200, &tokens_of(&Login::of("acc-2"))),
        _ if request.bearer().is_some_and(|bearer| bearer.len() > 9) => {
            Answer::json(401, &json!({}))
        }
        _ => Answer::json(200, &usage()),
    });
    let home = Home::new(&server);
    assert_eq!(home.run(&["fetch"]).code, Some(1));
    assert_eq!(home.read_auth()["tokens"]["account_id"], ACCOUNT, "the account stays what it was");
    assert_eq!(server.count(TOKEN), 1);
}

#[test]
fn refused_ends_with_a_changed_auth_json() {
    let issuer = Issuer::new();
    let home = issuer.home();
    issuer.server.push(TOKEN, Answer::json(400, &json!({"error": "invalid_grant"})));
    count("refused", &issuer, &home, FETCH, ONCE);
    home.write_auth(read(&home.auth_path()) + "\n");
    count("the same tokens in a changed file", &issuer, &home, FETCH, &[(1, 0)]);
    home.write_auth(codex_text(&issuer.expired()));
    count("new tokens", &issuer, &home, FETCH, RENEWED);
    assert_eq!(ledger(&home), ["refused", "committed"]);
}
