//! Where we may not write, Codex is asked: a made-up `codex` that talks as the real one does, and
//! writes down what it was told and how it ended.

use serde_json::json;

use super::{Issuer, codex_text, each, fails, read, run, succeeds};
use crate::support::double::Codex;
use crate::support::home::{ACCOUNT, Home, Login, jwt, set_mode};
use crate::support::{USUAL_LINE, now};

fn store(issuer: &Issuer, home: &Home, store: &str) {
    home.write_config(&format!(
        "chatgpt_base_url = \"{}\"\ncli_auth_credentials_store = \"{store}\"\n",
        issuer.server.base()
    ));
}

/// A home whose login is in a keyring.
fn elsewhere(issuer: &Issuer) -> (Home, Codex) {
    let home = issuer.home();
    store(issuer, &home, "keyring");
    std::fs::remove_file(home.auth_path()).unwrap();
    let codex = Codex::new(&home);
    (home, codex)
}

const READ: [&str; 3] = ["initialize", "initialized", "account/rateLimits/read"];

#[test]
fn a_login_in_a_keyring_is_codex_s_to_ask() {
    let issuer = Issuer::new();
    let (home, codex) = elsewhere(&issuer);
    codex.set("slow", "");
    let output = run(&issuer, &home, &["fetch", "--verbose", "--codex-bin", &codex.path()]);
    succeeds(&output);
    let log = codex.log();
    assert!(log.starts_with("started app-server "), "{log}");
    assert!(
        log.ends_with("input closed\nended\n") && !log.contains("killed"),
        "waited for, not killed: {log}"
    );
    assert_eq!(codex.asked(), READ);
    assert!(!log.contains("\"includeToken\":true"));
    let shown = run(&issuer, &home, &["json", "--offline"]).json();
    assert_eq!(shown["source"], "codex", "{shown}");
    assert_eq!(run(&issuer, &home, &["plain", "--offline"]).stdout, USUAL_LINE);
    assert_eq!(issuer.server.total(), 0, "nothing is asked of the server by us");
}

#[test]
fn it_runs_in_a_session_of_its_own() {
    let issuer = Issuer::new();
    let (home, codex) = elsewhere(&issuer);
    succeeds(&run(&issuer, &home, &["fetch", "--codex-bin", &codex.path()]));
    let log = codex.log();
    let line = log.lines().find_map(|line| line.strip_prefix("session ")).unwrap().to_owned();
    let numbers: Vec<&str> = line.split_whitespace().collect();
    if numbers.len() == 2 {
        assert_eq!(numbers[0], numbers[1], "neither ^C nor a closed terminal reaches it");
    } else {
        skip!("ps");
    }
}

#[test]
fn it_is_told_to_renew_a_login_that_is_refused() {
    for (recover, renews) in [("full", true), ("reload", false), ("off", false)] {
        let issuer = Issuer::new();
        let (home, codex) = elsewhere(&issuer);
        codex.set("refuses", "");
        let arguments = ["fetch", "--verbose", "--recover", recover, "--codex-bin", &codex.path()];
        let output = run(&issuer, &home, &arguments);
        assert!(
            !output.stderr.contains("rt_made-up"),
            "what it quotes is not passed on: {output:?}"
        );
        if renews {
            succeeds(&output);
            let mut expected = READ.to_vec();
            expected.extend(["getAuthStatus", "account/rateLimits/read"]);
            assert_eq!(codex.asked(), expected);
        } else {
            assert_eq!(output.code, Some(1), "{output:?}");
            assert_eq!(codex.asked(), READ, "--recover {recover}");
        }
        assert!(!codex.log().contains("\"includeToken\":true"));
    }
}

#[test]
fn behind_a_prompt_and_from_path() {
    let issuer = Issuer::new();
    let (mut home, codex) = elsewhere(&issuer);
    // Found on PATH.
    let path = std::env::join_paths(
        std::iter::once(codex.directory.clone())
            .chain(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())),
    );
    home.set("PATH", path.unwrap());
    assert_eq!(run(&issuer, &home, &["plain", "--wait", "20s"]).stdout, USUAL_LINE);
    home.settle();
    assert!(codex.log().ends_with("ended\n"));
}

#[test]
fn without_a_codex_it_says_where_the_login_is() {
    let issuer = Issuer::new();
    let (home, _) = elsewhere(&issuer);
    for arguments in [&["fetch"][..], &["fetch", "--codex-bin", "/nowhere/codex"]] {
        fails(&home, &run(&issuer, &home, arguments), "login_elsewhere");
    }
}

#[test]
fn what_codex_says_of_such_a_login_is_passed_on() {
    for (message, code) in [
        ("codex account authentication required to read rate limits", "not_signed_in"),
        ("chatgpt authentication required to read rate limits", "api_key_login"),
        ("made up; body=rt_made-up", "codex_failed"),
    ] {
        let issuer = Issuer::new();
        let (home, codex) = elsewhere(&issuer);
        codex.set("error", message);
        let output = run(&issuer, &home, &["fetch", "--verbose", "--codex-bin", &codex.path()]);
        fails(&home, &output, code);
        assert!(!output.stderr.contains("rt_made-up"), "{output:?}");
        assert!(codex.log().ends_with("ended\n"));
    }
}

// --- a login in a file that we may not renew -----------------------------------------------------

/// An access token that the usage endpoint refuses, that ends in `seconds` by the clock.
fn ending_in(issuer: &Issuer, seconds: i64) -> Login {
    let claims = json!({
        "exp": now() + seconds,
        "https://api.openai.com/auth": {"chatgpt_account_id": ACCOUNT},
    });
    Login { access_token: jwt(&claims), ..issuer.expired() }
}

#[test]
fn where_a_check_fails_codex_is_asked_only_while_it_has_no_reason_to_renew() {
    let cases: [(&str, i64, bool); 4] = [
        ("days left", 864_000, true),
        ("minutes left", 300, false),
        ("over", -300, false),
        ("opaque", 0, false),
    ];
    each(&cases, 2, |(name, seconds, asked)| {
        let issuer = Issuer::new();
        let login = match *name {
            "opaque" => Login { access_token: "opaque-made-up-token".into(), ..issuer.expired() },
            _ => ending_in(&issuer, *seconds),
        };
        let home = issuer.home_of(&login);
        let codex = Codex::new(&home);
        set_mode(&home.auth_path(), 0o400);
        let output = run(&issuer, &home, &["fetch", "--verbose", "--codex-bin", &codex.path()]);
        assert_eq!(codex.was_asked(), *asked, "{name}: {output:?}");
        if *asked {
            succeeds(&output);
            assert_eq!(codex.asked(), READ);
        } else {
            fails(&home, &output, "auth_read_only");
        }
        // If it is refused as we were, it is not told to renew: it would lose what it gets.
        codex.set("refuses", "");
        fails(
            &home,
            &run(&issuer, &home, &["fetch", "--codex-bin", &codex.path()]),
            "auth_read_only",
        );
        assert!(!codex.log().contains("getAuthStatus"), "{name}: {}", codex.log());
        assert_eq!(issuer.posts(), 0);
        assert_eq!(read(&home.auth_path()), codex_text(&login));
    });
}

#[test]
fn another_account_of_codex_s_is_not_shown() {
    let issuer = Issuer::new();
    let home = issuer.home_of(&ending_in(&issuer, 864_000));
    let codex = Codex::new(&home);
    codex.answers("acc-2");
    set_mode(&home.auth_path(), 0o400);
    let output = run(&issuer, &home, &["fetch", "--codex-bin", &codex.path()]);
    fails(&home, &output, "login_changed");
}

#[test]
fn in_a_store_that_only_codex_knows_it_renews_if_nothing_would_be_lost() {
    for (kind, mode, renews) in [
        ("auto", 0o600, true),
        ("auto", 0o400, false),
        ("keyring", 0o600, true),
        ("keyring", 0o400, true),
    ] {
        let issuer = Issuer::new();
        let home = issuer.home_of(&ending_in(&issuer, 864_000));
        store(&issuer, &home, kind);
        let codex = Codex::new(&home);
        codex.set("refuses", "");
        set_mode(&home.auth_path(), mode);
        let output = run(&issuer, &home, &["fetch", "--verbose", "--codex-bin", &codex.path()]);
        assert_eq!(codex.log().contains("getAuthStatus"), renews, "{kind} {mode:o}: {output:?}");
        if renews {
            succeeds(&output);
        } else {
            fails(&home, &output, "auth_read_only");
        }
        // A file that lies there beside a keyring is left over from another time: its token is not
        // sent.
        let gets = usize::from(kind == "auto");
        assert_eq!((issuer.gets(), issuer.posts()), (gets, 0), "{kind} {mode:o}");
    }
}

#[test]
fn nobody_asks_codex_who_may_write() {
    let issuer = Issuer::new();
    let home = issuer.home();
    let codex = Codex::new(&home);
    succeeds(&run(&issuer, &home, &["fetch", "--codex-bin", &codex.path()]));
    assert!(!codex.was_asked(), "{}", codex.log());
    assert_eq!(issuer.posts(), 1);
}
